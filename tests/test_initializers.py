"""Every initialiser: deviation, bound, seeds; and the default that follows from the activation."""

import numpy as np
import pytest

import lamina
from reference.initializers import NAMES, bound, standard_deviation


def weights(units, fan_in, seed=0, **dense):
    layers = [lamina.Dense(units, **dense), lamina.Dense(1)]
    net = lamina.Network(layers, n_inputs=fan_in, loss="squared_error", dtype="float64", seed=seed)
    return np.array(net.parameters["0.weight"]), np.array(net.parameters["0.bias"])


def test_registry_has_every_name():
    assert set(NAMES) <= set(lamina.initializers.names())


@pytest.mark.parametrize(("fan_in", "units"), [(300, 200), (100, 500)])
def test_distribution(initializer, fan_in, units):
    w, b = weights(units, fan_in, initializer=initializer)
    want = standard_deviation(initializer, fan_in, units)
    assert w.shape == (fan_in, units)
    assert np.all(b == 0)
    np.testing.assert_allclose(w.std(), want, rtol=0.015)
    assert abs(w.mean()) <= 5 * want / np.sqrt(w.size)
    limit = bound(initializer, fan_in, units)
    assert np.abs(w).max() <= limit
    if initializer.endswith("_uniform"):
        assert np.abs(w).max() > 0.999 * limit
        counts, _ = np.histogram(w, bins=20, range=(-limit, limit))
        assert np.abs(counts / (w.size / 20) - 1).max() < 0.1, counts
    if initializer.endswith("_normal"):
        within = np.mean(np.abs(w) < want)
        assert 0.65 < within < 0.71, f"{within:.3f} of the weights lie within one deviation of a normal's 0.683"


@pytest.mark.parametrize(("fan_in", "units"), [(40, 40), (60, 25), (25, 60)])
def test_orthogonal(fan_in, units):
    w, _ = weights(units, fan_in, initializer="orthogonal")
    gram = w.T @ w if fan_in >= units else w @ w.T
    np.testing.assert_allclose(gram, np.eye(min(fan_in, units)), atol=1e-12)


@pytest.mark.parametrize(
    ("name", "family"),
    [(name, "he") for name in ("relu", "leaky_relu", "rrelu", "prelu")]
    + [("selu", "lecun")]
    + [(name, "glorot") for name in ("tanh", "logistic", "arctan", "softsign", "saturation")],
)
def test_default_follows_from_the_activation(name, family):
    w, _ = weights(200, 400, activation=name)
    np.testing.assert_allclose(w.std(), standard_deviation(family, 400, 200), rtol=0.015)


def test_seed(initializer):
    w, _ = weights(7, 5, seed=3, initializer=initializer)
    np.testing.assert_array_equal(weights(7, 5, seed=3, initializer=initializer)[0], w)
    if initializer != "zeros":
        assert not np.array_equal(weights(7, 5, seed=4, initializer=initializer)[0], w)


def test_layers_draw_different_numbers():
    layers = [lamina.Dense(6, initializer="he_normal"), lamina.Dense(6, initializer="he_normal")]
    net = lamina.Network(layers, n_inputs=6, loss="squared_error", seed=0)
    assert not np.array_equal(net.parameters["0.weight"], net.parameters["1.weight"])


RECTIFIERS = (
    "relu leaky_relu rrelu prelu elu celu isrlu bipolar_relu softplus gelu gelu_exact silu mish hard_swish relu6"
).split()

BOUNDED = (
    "identity heaviside sign logistic tanh arctan softsign isru sqnl saturation gaussian hard_sigmoid"  # or linear
).split()


def test_an_activation_says_what_suits_it(activation):
    (described,) = (entry for entry in lamina.activations.describe() if entry["name"] == activation)
    suited = {
        "selu": "lecun_normal",
        **dict.fromkeys(RECTIFIERS, "he_uniform"),
        **dict.fromkeys(BOUNDED, "glorot_uniform"),
    }
    suited = suited.get(activation, described["initializer"])  # one that came later says it itself
    assert described["initializer"] == suited
    automatic, named = (weights(7, 5, activation=activation, initializer=i)[0] for i in ("auto", suited))
    np.testing.assert_array_equal(automatic, named)
