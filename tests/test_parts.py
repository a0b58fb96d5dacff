"""The core's classes in Python: constructors, signatures, pickles of every protocol, what may be changed."""

import inspect
import pickle
import subprocess
import sys

import numpy as np
import pytest

import lamina
from lamina._dispatch import core

PARTS = [
    *(getattr(core, name) for name in core.layer_names()),
    *(getattr(core, name) for name in core.optimizer_names()),
    *(getattr(core, name) for name in core.solver_names()),
    *(getattr(core, name) for name in core.schedule_names() if hasattr(core, name)),
    *(getattr(core, name) for name in core.clipping_names() if hasattr(core, name)),
]
VALUES = {
    "columns": (0, 2),
    "categories": (3, 4),
    "units": 3,
    "activation": "tanh",
    "max_norm": 1.0,
    "clipping": 0.1,
    "epochs": 4.0,
    "every": 3,
}


def made(part):
    """One of the class, with values for the arguments that have no default."""
    needed = [p for p in inspect.signature(part).parameters.values() if p.default is inspect.Parameter.empty]
    return part(**{p.name: VALUES.get(p.name, 1) for p in needed})


def named(kind):
    return [getattr(lamina, kind).get(name) for name in getattr(lamina, kind).names()]


OBJECTS = [made(part) for part in PARTS] + named("activations") + named("losses") + named("initializers")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", OBJECTS, ids=lambda value: getattr(value, "name", type(value).__name__))
def test_every_part_goes_through_every_protocol(value, protocol):
    assert pickle.loads(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_network_goes_through_every_protocol(protocol):
    net = lamina.Network([lamina.Dense(4, "tanh"), lamina.Dense(1)], 3)
    x = np.ones((5, 3))
    net.fit(x, np.arange(5), epochs=2, validation=None)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(net, protocol)).predict(x), net.predict(x))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", [core.History, core.FitOptions, core.CascadeOptions], ids=lambda kind: kind.__name__)
def test_what_cannot_be_pickled_says_so(kind, protocol):
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(kind(), protocol)


def test_an_object_that_was_made_without_its_constructor_is_refused():
    """As the oldest protocols make it, where a pickle of elsewhere has it so."""
    code = """
import copyreg, lamina
try:
    copyreg._reconstructor(lamina.Dense, object, None).units
except TypeError:
    print("refused")
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout == "refused\n", (run.returncode, run.stderr)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_constructor_has_a_signature(part):
    signature = inspect.signature(part)
    value = made(part)
    assert list(signature.parameters) == list(value.params)
    for name, parameter in signature.parameters.items():
        if parameter.default is not inspect.Parameter.empty and not hasattr(parameter.default, "name"):
            assert repr(value.params[name]) == repr(parameter.default), name
    by_position = part(*value.params.values())
    assert by_position == value


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: lamina.Dense(3.0), TypeError, r"units of Dense must be a whole number; got 3\.0"),
        (lambda: lamina.Dense("3"), TypeError, "units of Dense must be a whole number; got '3'"),
        (lambda: lamina.Dense(), TypeError, r"Dense\(\) needs units"),
        (
            lambda: lamina.Dense(3, "relu", "auto", True, "ntk", False, 1),
            TypeError,
            r"Dense\(\) takes at most 6 arguments; 7 were",
        ),
        (lambda: lamina.Dense(3, units=4), TypeError, r"Dense\(\) got units twice"),
        (lambda: lamina.Dense(3, unit=4), TypeError, "Dense has no parameter 'unit'; it has units, activation"),
        (lambda: lamina.Dense(3, use_bias="no"), TypeError, "use_bias of Dense must be True or False; got 'no'"),
        (lambda: lamina.Dense(3, activation=5), TypeError, "activation of Dense must be the name of an activation"),
        (lambda: lamina.Dense(0), ValueError, "units of Dense must be at least 1; got 0"),
        (lambda: lamina.Adam(lr="fast"), TypeError, "lr of Adam must be a number; got 'fast'"),
        (lambda: lamina.LBFGS(max_evaluations=10**20), ValueError, "max_evaluations of LBFGS .* got 1000000"),
        (lambda: lamina.Embedding((0,)), TypeError, r"Embedding\(\) needs categories"),
        (lambda: lamina.Embedding(3, (3,)), TypeError, "columns of Embedding must be a tuple of whole numbers; got 3"),
        (lambda: lamina.Embedding("03", (3,)), TypeError, "columns of Embedding must be a tuple .*; got '03'"),
        (lambda: lamina.Embedding({0, 3}, (3, 3)), TypeError, r"columns of Embedding must be a tuple .*; got \{0, 3\}"),
        (lambda: lamina.Embedding((0, 1.0), (3, 3)), TypeError, r"columns of Embedding must be .*; got \(0, 1\.0\)"),
        (lambda: lamina.Embedding((0, True), (3, 3)), TypeError, r"columns of Embedding must be .*; got \(0, True\)"),
        (lambda: lamina.Embedding((0, 10**20), (3, 3)), ValueError, "columns of Embedding must be whole .*; got 1000"),
        (lambda: lamina.Embedding((), ()), ValueError, "columns of Embedding must hold at least one; got none"),
        (
            lambda: lamina.Embedding((0, -1), (3, 3)),
            ValueError,
            r"columns\[1\] of Embedding must be at least 0; got -1",
        ),
        (lambda: lamina.Embedding((1, 0, 1), (3, 3, 3)), ValueError, "columns of .* distinct; got 1 more than once"),
        (lambda: lamina.Embedding((0, 1), (3,)), ValueError, "categories .* as many as its columns, 2; got 1"),
        (lambda: lamina.Embedding((0,), (0,)), ValueError, r"categories\[0\] of Embedding must be in \[1, .*; got 0"),
        (lambda: lamina.Embedding((0,), (2**24 + 1,)), ValueError, r"categories\[0\] .*; got 16777217"),
        (
            lambda: lamina.Network([lamina.Embedding((3,), (2,))], 3),
            ValueError,
            "columns of .* within 0 .. 2, .*; got 3",
        ),
        (lambda: lamina.NumericEmbedding(kind="sine"), ValueError, "kind of NumericEmbedding must be .*; got 'sine'"),
        (lambda: lamina.NumericEmbedding((0, 0)), ValueError, "columns of NumericEmbedding must be distinct; got 0"),
        (lambda: lamina.NumericEmbedding(sigma=0.0), ValueError, "sigma of NumericEmbedding must be greater than 0"),
        (lambda: lamina.Recurrent(4, kind=3), TypeError, "kind of Recurrent must be a string; got 3"),
    ],
)
def test_a_mistake_names_the_argument(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_layers_cannot_be_changed_behind_a_networks_back():
    net = lamina.Network([lamina.Dense(4, "relu"), lamina.Dropout(0.5), lamina.Dense(1)], 3)
    for i, name, value in [(1, "rate", 0.0), (0, "activation", "tanh"), (0, "units", 5)]:
        with pytest.raises(AttributeError):
            setattr(net.layers[i], name, value)
    with pytest.raises(TypeError):
        net.layers[0].params["units"] = 5
    with pytest.raises(TypeError):
        net.loss.params["delta"] = 5
    with pytest.raises(TypeError):
        net.layers[0] = lamina.Dense(5)
    assert repr(net.layers[1]) == "lamina.Dropout(rate=0.5)"


@pytest.mark.parametrize("resume", [False, True])
def test_a_schedule_that_raises_at_once_refuses_the_fit(resume):
    x, y = np.random.default_rng(0).normal(size=(40, 3)), np.zeros(40)
    net = lamina.Network([lamina.Dense(4), lamina.Dense(1)], 3, normalize_inputs=False)
    net.fit(x, y, epochs=2)
    history, memory = net.history, net.core.memory
    weights = {name: view.copy() for name, view in net.parameters.items()}
    net.normalize_inputs = True

    def schedule(progress):
        raise LookupError("no rate")

    with pytest.raises(LookupError, match="no rate"):
        net.fit(x, y, schedule=schedule, resume=resume)
    assert net.history is history
    assert net.input_normalization is None
    after = net.core.memory
    assert {k: v for k, v in after.items() if k != "slots"} == {k: v for k, v in memory.items() if k != "slots"}
    for got, want in zip(after["slots"], memory["slots"], strict=True):
        np.testing.assert_array_equal(got, want)
    for name, view in net.parameters.items():
        np.testing.assert_array_equal(view, weights[name])


def test_parameter_shapes_take_no_memory():
    layers = [lamina.Dense(2**30, "prelu"), lamina.Dense(2)]
    shapes = core.parameter_shapes(layers, 4)
    assert shapes == {
        "0.weight": (4, 2**30),
        "0.bias": (2**30,),
        "0.slope": (2**30,),
        "1.weight": (2**30, 2),
        "1.bias": (2,),
    }
    small = lamina.Network([lamina.Dense(3, "prelu"), lamina.BatchNorm(), lamina.Recurrent(2)], 4)
    assert core.parameter_shapes(list(small.layers), 4) == {k: v.shape for k, v in small.parameters.items()}
