"""Sums over very many rows in float32: of gradients, of batch norm's statistics, however a batch is cut."""

import numpy as np
import pytest

import lamina

MILLION = 1_000_000
NETWORKS = {
    "dense": lambda: [lamina.Dense(9, "tanh"), lamina.Dense(3)],
    "learned slopes": lambda: [lamina.Dense(9, "prelu"), lamina.Activation("prelu"), lamina.Dense(3)],
    "wide": lambda: [lamina.Dense(300, "gelu"), lamina.Dense(3)],
    "batch norm": lambda: [lamina.Dense(9, "tanh"), lamina.BatchNorm(), lamina.Dense(3)],
    "shortcut": lambda: [lamina.Shortcut(5, "tanh"), lamina.Dense(3)],
}
RECURRENT = {
    "elman": lambda: [lamina.Recurrent(6), lamina.Dense(3)],
    "jordan": lambda: [lamina.Recurrent(6, kind="jordan", outputs=4), lamina.Dense(3)],
    "every step": lambda: [lamina.Recurrent(6, return_sequences=True), lamina.BatchNorm(), lamina.Dense(3)],
}


def pair(layers, n_inputs, loss="cross_entropy"):
    """Give the same network in float32 and in float64."""
    single, double = (
        lamina.Network(layers(), n_inputs=n_inputs, loss=loss, seed=1, dtype=dtype) for dtype in ("float32", "float64")
    )
    for name, parameter in single.parameters.items():
        double.parameters[name][...] = parameter
    return single, double


def assert_close(got, want, relative):
    for name, exact in want.items():
        scale = np.abs(exact).max()
        np.testing.assert_allclose(got[name], exact, rtol=0, atol=relative * scale, err_msg=name)


def test_equal_rows_have_the_gradient_of_one():
    net, _ = pair(NETWORKS["dense"], 2)
    row = np.array([[0.3, -1.7]], dtype=np.float32)
    one = net.loss_and_gradients(row, [1])[1]
    many = net.loss_and_gradients(np.repeat(row, 10 * MILLION, axis=0), np.ones(10 * MILLION, dtype=np.int32))[1]
    assert_close(many, one, 1e-5)


@pytest.mark.parametrize("layers", [pytest.param(v, id=k) for k, v in NETWORKS.items()])
def test_random_rows(layers, rng):
    net, wide = pair(layers, 4)
    rows = MILLION // 5 if layers is NETWORKS["wide"] else MILLION
    x, t = rng.normal(size=(rows, 4)).astype(np.float32), rng.integers(3, size=rows)
    assert_close(net.loss_and_gradients(x, t)[1], wide.loss_and_gradients(x, t)[1], 2e-6)


@pytest.mark.parametrize("layers", [pytest.param(v, id=k) for k, v in RECURRENT.items()])
def test_random_sequences(layers, rng):
    net, wide = pair(layers, 4)
    x, lengths = rng.normal(size=(20_000, 20, 4)).astype(np.float32), rng.integers(1, 21, size=20_000)
    t = rng.integers(3, size=(20_000, 20) if net.core.each_step else 20_000)
    got, want = (n.loss_and_gradients(x, t, lengths=lengths)[1] for n in (net, wide))
    assert_close(got, want, 4e-6)


@pytest.mark.parametrize("layers", [pytest.param(v, id=k) for k, v in NETWORKS.items()])
@pytest.mark.parametrize("clip", [None, lamina.ClipNorm(1e9)])
@pytest.mark.parametrize("rows", [4000, 50_000])
def test_a_step_takes_the_same_gradient(layers, clip, rows, rng):
    """Whether it is stepped on piece by piece, or kept; of one chunk, or of several."""
    net, _ = pair(layers, 4)
    x, t = rng.normal(size=(rows, 4)).astype(np.float32), rng.integers(3, size=rows)
    x += np.float32(0.5)
    gradients = net.loss_and_gradients(x, t)[1]
    before = {name: net.parameters[name].copy() for name in gradients}
    net.fit(x, t, epochs=1, batch_size=rows, optimizer=lamina.SGD(1.0), validation=None, shuffle=False, clip=clip)
    for name, gradient in gradients.items():
        np.testing.assert_array_equal(net.parameters[name], before[name] - gradient, err_msg=name)


@pytest.mark.parametrize("layers", [pytest.param(v, id=k) for k, v in NETWORKS.items()])
@pytest.mark.parametrize("clip", [None, lamina.ClipNorm(1e9)])
@pytest.mark.parametrize("rows", [4000, 20_000])
def test_bits_do_not_depend_on_threads(layers, clip, rows, rng):
    x, t = rng.normal(size=(rows, 4)).astype(np.float32), rng.integers(3, size=rows)
    results = []
    for n_threads in (1, 2, 3):
        net, _ = pair(layers, 4)
        net.fit(x, t, epochs=2, batch_size=rows, validation=None, clip=clip, n_threads=n_threads)
        results.append(net.parameters)
    for parameters in results[1:]:
        for name, parameter in parameters.items():
            np.testing.assert_array_equal(parameter, results[0][name], err_msg=name)


def test_bits_of_sequences_do_not_depend_on_threads(rng):
    x, lengths = rng.normal(size=(900, 20, 4)), rng.integers(1, 21, size=900)
    for layers in RECURRENT.values():
        results, t = [], None
        for n_threads in (1, 2, 3):
            net, _ = pair(layers, 4)
            t = t if t is not None else rng.integers(3, size=(900, 20) if net.core.each_step else 900)
            net.fit(x, t, lengths=lengths, epochs=1, batch_size=900, validation=None, n_threads=n_threads)
            results.append(net.parameters)
        for parameters in results[1:]:
            for name, parameter in parameters.items():
                np.testing.assert_array_equal(parameter, results[0][name], err_msg=name)


def test_variance_of_a_million_rows_far_from_zero(rng):
    x = (1000 + rng.normal(size=(MILLION, 2))).astype(np.float32)
    net = lamina.Network([lamina.BatchNorm(momentum=1.0), lamina.Dense(1)], n_inputs=2, loss="squared_error")
    net.fit(x, np.zeros(MILLION), epochs=1, batch_size=MILLION, optimizer=lamina.SGD(1e-9), validation=None)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(net.parameters["0.running_mean"], exact.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(net.parameters["0.running_variance"], exact.var(axis=0, ddof=1), rtol=1e-5)


def test_lbfgs_sees_the_same_gradient(rng):
    x = rng.normal(size=(200_000, 3)).astype(np.float32)
    y = x @ np.array([1.0, -2.0, 0.5], dtype=np.float32)
    net = lamina.Network([lamina.Dense(1)], n_inputs=3, loss="squared_error")
    net.fit(x, y, optimizer=lamina.LBFGS(), epochs=50, validation=None)
    assert net.evaluate(x, y) < 1e-10
