"""Every layer because it is in the registry: gradients, the reference, files, pickles, its line in a summary."""

import pickle

import numpy as np
import pytest

import lamina
from reference import network as reference
from reference.twin import twin
from zoo import example, with_categories

ROWS, STEPS, INPUTS = 11, 4, 3
IN_FRONT = ("Recurrent", "Embedding")
EACH_LAYER = pytest.mark.parametrize("layer", lamina.layers.names())
BY_ROW = pytest.mark.parametrize("layer", [name for name in lamina.layers.names() if name != "Recurrent"])


def network(layer, **options):
    """The layer behind a dense one, or in front where that is its place; its parameters are no round numbers."""
    own = example(layer)
    last = lamina.SharedDense(2, own.members, kind="separate") if layer == "SharedDense" else lamina.Dense(2)
    layers = [own, last] if layer in IN_FRONT else [lamina.Dense(4), own, last]
    net = lamina.Network(layers, n_inputs=INPUTS, **{"dtype": "float64", "seed": 2, **options})
    rng = np.random.default_rng(4)
    for name, view in net.parameters.items():
        if not name.endswith("running_variance"):
            view[...] += rng.normal(size=view.shape) / 4
    return net


def samples(net, rng):
    shape = (ROWS, STEPS, INPUTS) if net.spec.recurrent else (ROWS, INPUTS)
    x, t = rng.normal(size=shape), rng.normal(size=(ROWS, 2))
    return with_categories(x, rng) if isinstance(net.layers[0], lamina.Embedding) else x, t


@EACH_LAYER
def test_gradients(layer, rng):
    net = network(layer)
    assert lamina.check_gradients(net, *samples(net, rng)) < 1e-6


@BY_ROW
def test_equal_to_the_reference(layer, rng):
    if not hasattr(reference, layer):
        pytest.fail(f"the layer {layer!r} has no NumPy reference: add it to tests/reference/network.py", pytrace=False)
    net = network(layer)
    x, t = samples(net, rng)
    own = twin(net, "squared_error", ROWS)
    loss, gradients = net.loss_and_gradients(x, t, l1=0.1, l2=0.1)
    want, want_gradients, _ = own.loss_and_gradients(x, t, l1=0.1, l2=0.1)
    np.testing.assert_allclose(loss, want, rtol=1e-12)
    for name, gradient in want_gradients.items():
        np.testing.assert_allclose(gradients[name], gradient, rtol=1e-10, atol=1e-13, err_msg=name)


@EACH_LAYER
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_kept_in_files_and_pickles(layer, dtype, tmp_path, rng):
    net = network(layer, dtype=dtype)
    x, t = samples(net, rng)
    net.fit(x, t, epochs=2, validation=0.3)
    net.save(tmp_path / "model")
    for other in (lamina.load(tmp_path / "model"), pickle.loads(pickle.dumps(net))):
        assert other.layers == net.layers
        np.testing.assert_array_equal(other.predict(x), net.predict(x))
        options = {"epochs": 2, "validation": None, "early_stopping": None}
        assert other.fit(x, t, **options).loss == net.copy().fit(x, t, **options).loss


@EACH_LAYER
def test_says_what_it_is(layer):
    own = example(layer)
    by_names = {
        name: getattr(value, "name", value) if value is not None else value for name, value in own.params.items()
    }
    assert repr(own) == f"lamina.{layer}({', '.join(f'{name}={value!r}' for name, value in by_names.items())})"
    assert f"{layer}(" in network(layer).summary()
    described = next(entry for entry in lamina.layers.describe() if entry["name"] == layer)
    assert described["formula"]
    assert described["source"]


@EACH_LAYER
def test_does_not_change_and_says_what_to_do(layer):
    own = network(layer).layers[0 if layer in IN_FRONT else 1]
    before = repr(own)
    for name, *_ in type(own).__arguments__:
        message = f"{name} of {layer} cannot be changed.* make a new layer, and of it a new network"
        with pytest.raises(AttributeError, match=message):
            setattr(own, name, getattr(own, name))
    with pytest.raises(AttributeError, match="has no attribute 'no_such'"):
        own.no_such = 1
    assert repr(own) == before


def test_a_class_of_ones_own_may_keep_what_it_likes():
    class Noted(lamina.Dense):
        pass

    layer = Noted(3)
    layer.note = "mine"
    assert layer.note == "mine"
    with pytest.raises(AttributeError, match="units of Noted cannot be changed"):
        layer.units = 4
