"""What a reader meets first: the names that a tab offers, signatures, and what `help` says."""

import inspect
import pydoc
import re
from importlib import import_module

import numpy as np
import pytest

import lamina

ROOMS = sorted(set(lamina.__all__) & {name for name in lamina.__all__ if inspect.ismodule(getattr(lamina, name))})


# Of the compiled core: classes that nobody calls, and methods whose first line of help has what they take.
WITHOUT_SIGNATURE = {
    "lamina.activations.ActivationFunction",
    "lamina.activations.ActivationFunction.derivative",
    "lamina.initializers.InitializerFunction",
    "lamina.losses.LossFunction",
    "lamina.losses.LossFunction.gradient",
    "lamina.losses.LossFunction.value",
    "lamina.schedules.ReduceOnPlateau.watcher",
}


def public(value):
    """Classes and functions of lamina by their names, methods of the classes too."""
    for name in value.__all__:
        found = getattr(value, name)
        if inspect.ismodule(found):
            yield from public(found)
        elif callable(found):
            yield f"{value.__name__}.{name}", found
            if inspect.isclass(found):
                for member, method in inspect.getmembers(found, callable):
                    if not member.startswith("_"):
                        yield f"{value.__name__}.{name}.{member}", method


def test_a_tab_offers_public_names_alone():
    import_module("lamina.selection.search")  # a room, which is an attribute of lamina once it is imported
    assert [name for name in dir(lamina) if not name.startswith("__")] == sorted(set(lamina.__all__))
    assert "__version__" in dir(lamina)


@pytest.mark.parametrize("room", [*ROOMS, "cli"])
def test_a_tab_offers_public_names_of_a_room_alone(room):
    module = import_module(f"lamina.{room}")
    offered = {name for name in dir(module) if not name.startswith("_")}
    assert offered == set(module.__all__)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize(
    ("name", "value"), list(public(lamina)), ids=lambda part: part if isinstance(part, str) else ""
)
def test_signatures_show_no_addresses(name, value):
    owner = getattr(value, "__objclass__", value)
    try:
        signature = str(inspect.signature(value))
    except ValueError:
        if inspect.isclass(owner) and issubclass(owner, BaseException):  # Python's own say nothing
            return
        assert name in WITHOUT_SIGNATURE
        signature = (value.__doc__ or "").split("\n")[0]
    assert not re.search(r" at 0x|<object", signature), f"{name}{signature}"


def test_help_shows_how_training_stops_by_default():
    text = pydoc.plain(pydoc.render_doc(lamina.Network.fit))
    assert "early_stopping: 'EarlyStopping | None' = lamina.EarlyStopping(patience=10" in text
    assert " at 0x" not in text


def test_a_squared_error_is_half_of_scikit_learns():
    from sklearn.metrics import mean_squared_error

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 3)), rng.normal(size=50)
    net = lamina.Network([lamina.Dense(1)], n_inputs=3, dtype="float64")
    assert net.evaluate(X, y) == pytest.approx(mean_squared_error(y, net.predict(X)) / 2, rel=1e-12)
    assert "half of scikit-learn's `mean_squared_error`" in " ".join(lamina.Network.evaluate.__doc__.split())
