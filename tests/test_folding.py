"""Batch norm folded into the dense layer before it: predictions are those of the formula, row by row."""

import numpy as np
import pytest

import lamina

D, BN, A = lamina.Dense, lamina.BatchNorm, lamina.Activation
NETWORKS = {
    "before the activation": [D(19), BN(), A("relu"), D(40), BN(), A("tanh"), D(3)],
    "without bias": [D(33, use_bias=False), BN(), D(3)],
    "last": [D(8, "tanh"), D(5), BN()],
    "first, alone and twice": [BN(), D(17), BN(), BN(), D(3)],
    "after the activation": [D(21, "gelu"), BN(), D(3)],
    "dropout between": [D(12), lamina.Dropout(0.5), BN(), D(3)],
}
ROWS = 300


def network(layers, dtype):
    """A network whose running values and gains are anything, zeros and negative ones included."""
    rng = np.random.default_rng(5)
    net = lamina.Network(layers, n_inputs=6, dtype=dtype, seed=1)
    for name, view in net.parameters.items():
        if name.endswith("running_variance"):
            view[...] = rng.uniform(0.05, 4, view.shape)
        elif not name.endswith("weight"):
            view[...] = rng.normal(size=view.shape)
        if name.endswith("gamma"):
            view[0] = 0
    return net, rng.normal(size=(ROWS, 6)).astype(dtype)


def by_formula(net, x):
    """The outputs in float64, layer by layer."""
    y, p = x.astype("f8"), {name: view.astype("f8") for name, view in net.parameters.items()}
    for i, layer in enumerate(net.layers):
        if isinstance(layer, D):
            y = y @ p[f"{i}.weight"] + p.get(f"{i}.bias", 0)
        if isinstance(layer, BN):
            y = (y - p[f"{i}.running_mean"]) / np.sqrt(p[f"{i}.running_variance"] + layer.epsilon)
            y = p[f"{i}.gamma"] * y + p[f"{i}.beta"]
        if isinstance(layer, (D, A)):
            y = layer.activation(y)
    return y


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", NETWORKS)
class TestFolding:
    def test_is_the_formula(self, case, dtype):
        net, x = network(NETWORKS[case], dtype)
        want = by_formula(net, x)
        tolerance = 2e-5 if dtype == "float32" else 1e-13
        np.testing.assert_allclose(net.forward(x), want, rtol=tolerance, atol=tolerance * np.abs(want).max())

    def test_a_row_has_bits_of_its_own(self, case, dtype):
        net, x = network(NETWORKS[case], dtype)
        whole = net.predict(x, n_threads=1)
        for rows in (slice(0, 1), slice(7, 8), slice(3, 40), slice(ROWS - 9, ROWS)):
            np.testing.assert_array_equal(net.predict(x[rows]), whole[rows])
        np.testing.assert_array_equal(net.predict(x, n_threads=2), whole)

    def test_evaluates_as_the_layers_one_by_one(self, case, dtype):
        net, x = network(NETWORKS[case], dtype)
        t = np.zeros((ROWS, net.n_outputs), dtype)
        unfolded = net.loss_and_gradients(x, t, training=False)[0]
        assert net.evaluate(x, t) == pytest.approx(unfolded, rel=1e-5 if dtype == "float32" else 1e-13)


def test_what_is_written_into_the_parameters_counts_at_once():
    net, x = network(NETWORKS["before the activation"], "float64")
    for name in ("0.weight", "0.bias", "1.gamma", "1.beta", "1.running_mean", "1.running_variance"):
        before = net.predict(x)
        net.parameters[name][...] += 0.25
        after = net.predict(x)
        assert not np.array_equal(after, before), name
        np.testing.assert_allclose(after, by_formula(net, x), rtol=1e-12, atol=1e-12)
