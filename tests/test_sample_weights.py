"""A sample of weight k counts as k equal samples, one of weight 0 as none: in losses, gradients, every statistic."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lamina
from conftest import draw_targets
from reference.twin import twin

ROWS, STEPS = 9, 4
NETWORKS = {
    "dense": lambda: [lamina.Dense(5, "tanh"), lamina.Dense(2)],
    "batch norm": lambda: [lamina.Dense(5, "tanh"), lamina.BatchNorm(), lamina.Dense(4), lamina.BatchNorm()],
    "of inputs": lambda: [lamina.BatchNorm(), lamina.Dense(2)],
    "last step": lambda: [lamina.BatchNorm(), lamina.Recurrent(4), lamina.BatchNorm(), lamina.Dense(2)],
    "every step": lambda: [lamina.Recurrent(4, return_sequences=True), lamina.BatchNorm(), lamina.Dense(2)],
}
SEQUENCES = ("last step", "every step")
FULL = {"epochs": 2, "shuffle": False, "validation": None, "early_stopping": None}


def network(kind, loss="squared_error", dtype="float64"):
    layers = NETWORKS[kind]()
    if layers[-1].__class__ is lamina.BatchNorm:
        layers.append(lamina.Dense(2))
    return lamina.Network(layers, n_inputs=3, loss=loss, dtype=dtype, seed=4)


def data(kind, seed, loss="squared_error"):
    rng = np.random.default_rng(seed)
    if kind not in SEQUENCES:
        return rng.normal(1, 2, size=(ROWS, 3)), draw_targets(rng, loss, ROWS, 2), {}
    x, lengths = rng.normal(1, 2, size=(ROWS, STEPS, 3)), rng.integers(1, STEPS + 1, size=ROWS)
    t = rng.normal(size=(ROWS, STEPS, 2) if kind == "every step" else (ROWS, 2))
    return x, t, {"lengths": lengths}


def assert_same(got, want, relative=1e-9):
    for name, exact in want.items():
        np.testing.assert_allclose(got[name], exact, rtol=relative, atol=relative, err_msg=name)


@pytest.mark.parametrize("kind", NETWORKS)
@settings(max_examples=30, deadline=None)
@given(weight=st.lists(st.integers(0, 3), min_size=ROWS, max_size=ROWS).filter(lambda w: sum(map(bool, w)) > 2))
def test_whole_weights_are_repeated_rows(kind, weight):
    x, t, more = data(kind, sum(weight))
    again = np.repeat(np.arange(ROWS), weight)
    more_again = {name: value[again] for name, value in more.items()}
    weight = np.array(weight, dtype=float)
    net = network(kind)
    got, gradients = net.loss_and_gradients(x, t, weight, **more)
    want, wanted = net.loss_and_gradients(x[again], t[again], **more_again)
    np.testing.assert_allclose(got, want, rtol=1e-12)
    assert_same(gradients, wanted)
    weighted, repeated = network(kind), network(kind)
    history = weighted.fit(x, t, sample_weight=weight, batch_size=ROWS, optimizer=lamina.SGD(0.01), **FULL, **more)
    other = repeated.fit(x[again], t[again], batch_size=len(again), optimizer=lamina.SGD(0.01), **FULL, **more_again)
    np.testing.assert_allclose(history.loss, other.loss, rtol=1e-9)
    assert_same(weighted.parameters, repeated.parameters)  # the running statistics are among them
    np.testing.assert_allclose(
        weighted.evaluate(x, t, sample_weight=weight, **more), repeated.evaluate(x[again], t[again], **more_again)
    )


def test_losses_of_every_kind(loss):
    x, t, _ = data("batch norm", 3, loss)
    weight = np.array([2, 0, 1, 3, 1, 1, 0, 1, 2])
    again = np.repeat(np.arange(ROWS), weight)
    net = network("batch norm", loss)
    got, gradients = net.loss_and_gradients(x, t, weight)
    want, wanted = net.loss_and_gradients(x[again], t[again])
    np.testing.assert_allclose(got, want, rtol=1e-12)
    assert_same(gradients, wanted)


@pytest.mark.parametrize("scale", [1, 1e-3])
def test_weights_of_any_size_against_the_reference(scale, rng):
    net = network("batch norm")
    x, t, _ = data("batch norm", 5)
    weight = scale * rng.uniform(0.1, 3, size=ROWS)
    own = twin(net, "squared_error", rows=ROWS)
    want, wanted, slope = own.loss_and_gradients(x, t, weight)
    got, gradients = net.loss_and_gradients(x, t, weight)
    np.testing.assert_allclose(got, want, rtol=1e-12)
    assert_same(gradients, wanted)
    np.testing.assert_allclose(net.input_gradient(x, t, weight, training=True), slope, rtol=1e-9, atol=1e-12)
    net.fit(x, t, sample_weight=weight, batch_size=ROWS, optimizer=lamina.SGD(1e-12), **FULL | {"epochs": 1})
    for i in (1, 3):
        np.testing.assert_allclose(net.parameters[f"{i}.running_mean"], own.layers[i].running_mean, 1e-9, 1e-12)
        np.testing.assert_allclose(net.parameters[f"{i}.running_variance"], own.layers[i].running_variance, 1e-9)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("normalize", [False, True])
def test_what_rows_of_weight_zero_hold_does_not_matter(kind, dtype, normalize):
    """Even where it overflows on its way through the layers."""
    x, t, more = data(kind, 8)
    huge = np.where(np.arange(ROWS) % 3 == 1, np.sqrt(np.finfo(dtype).max) * 1e8, 1.0)
    weight = (huge == 1).astype(float)
    results = []
    for factor in (np.ones(ROWS), huge):
        layers = [lamina.Dense(3, "relu"), *NETWORKS[kind](), lamina.Dense(2)]
        options = {"loss": "squared_error", "dtype": dtype, "seed": 4, "normalize_inputs": normalize}
        net = lamina.Network(layers, n_inputs=3, **options)
        rows = (x.T * factor).T
        history = net.fit(rows, t, sample_weight=weight, batch_size=5, optimizer=lamina.SGD(0.01), **FULL, **more)
        assert not history.diverged
        loss, gradients = net.loss_and_gradients(rows, t, weight, **more)
        evaluated = net.evaluate(rows, t, sample_weight=weight, **more)
        results.append({**net.parameters, **{f"d{k}": v for k, v in gradients.items()}, "loss": [loss, evaluated]})
        slope = net.input_gradient(rows, t, weight, training=True, **more)
        np.testing.assert_array_equal(slope[huge > 1], 0)
    for name, want in results[0].items():
        np.testing.assert_array_equal(results[1][name], want, err_msg=name)


def test_the_loss_of_a_row_of_weight_zero_is_zero(loss, rng):
    t = draw_targets(rng, loss, 3, 3)
    y = np.array([[0.5, -0.5, 0.1], [np.inf, 1e300, -np.inf], [1, 2, 0.3]])
    weight = np.array([1.0, 0, 2])
    entry = lamina.losses.get(loss)
    keep = [0, 2]
    np.testing.assert_allclose(entry.value(y, t, weight), entry.value(y[keep], t[keep], weight[keep]))
    slope = entry.gradient(y, t, weight)
    np.testing.assert_array_equal(slope[1], 0)
    np.testing.assert_allclose(slope[keep], entry.gradient(y[keep], t[keep], weight[keep]))


def test_levenberg_marquardt_leaves_rows_of_weight_zero_out():
    x, t, _ = data("dense", 1)
    weight = np.ones(ROWS)
    weight[2] = 0
    kept = weight > 0
    nets = network("dense"), network("dense")
    options = {"optimizer": lamina.LevenbergMarquardt(), "epochs": 5, "validation": None}
    nets[0].fit(x[kept], t[kept], **options)
    x[2] = 1e200
    nets[1].fit(x, t, sample_weight=weight, **options)
    assert_same(nets[1].parameters, nets[0].parameters, 1e-7)
