"""Cascade-correlation: the core against NumPy, growth, bits."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

import lamina
from lamina._dispatch import core
from reference import cascade as reference
from reference.cascade import regression, spirals

STEPS = ("heaviside", "sign")  # training uses a straight-through estimator in place of their derivative
X, Y = spirals()


def grown(rng, activation="tanh", dtype="float64", units=6, **options):
    x, t = regression(rng)
    net = lamina.CascadeNetwork(3, 2, max_units=units, activation=activation, dtype=dtype, **options)
    net.fit(x, t)
    return net, x.astype(dtype)


# The core against the reference ---------------------------------------------------------------------------------


def test_correlation_and_its_gradient_are_those_of_the_reference(activation, rng):
    x, e = rng.normal(size=(75, 4)), rng.normal(size=(75, 3)) + 0.5
    w = rng.normal(size=5)
    inputs = np.column_stack([np.ones(75), x])
    f = lamina.activations.get(activation)
    score, gradient = core.cascade_correlation(f, x, w, e)
    z = inputs @ w
    value, slope = f(z[:, None])[:, 0], f.derivative(z[:, None])[:, 0]
    if activation in STEPS:
        slope = (np.abs(z) <= 1).astype(float)
    centred, spread = e - e.mean(axis=0), max(1.0, value.std())
    covariance = value @ centred / spread
    np.testing.assert_allclose(score, np.abs(covariance).sum(), rtol=1e-11)
    pull = centred @ np.sign(covariance) / spread
    if spread > 1:
        pull -= score / (75 * spread**2) * (value - value.mean())
    np.testing.assert_allclose(gradient, inputs.T @ (slope * pull), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", ["softplus", "elu", "identity", "silu"])
def test_the_gradient_of_units_without_bounds_is_that_of_the_correlation(name, rng):
    x, e, w = rng.normal(size=(40, 3)), rng.normal(size=(40, 2)), 3 * rng.normal(size=4)
    f = lamina.activations.get(name)
    score, gradient = core.cascade_correlation(f, x, w, e)
    step = 1e-6
    for i in range(4):
        to = np.eye(4)[i] * step
        ends = [core.cascade_correlation(f, x, w + side * to, e)[0] for side in (1, -1)]
        np.testing.assert_allclose(gradient[i], (ends[0] - ends[1]) / (2 * step), rtol=1e-5, atol=1e-6)
    further = core.cascade_correlation(f, x, w * 100, e)[0]
    assert further < 2 * score


@pytest.mark.parametrize("name", ["tanh", "logistic", "gaussian", "softsign"])
def test_correlation_is_that_of_the_plain_formulas(name, rng):
    x, e, w = rng.normal(size=(40, 3)), rng.normal(size=(40, 2)), rng.normal(size=4)
    inputs = np.column_stack([np.ones(40), x])
    score, gradient = core.cascade_correlation(lamina.activations.get(name), x, w, e)
    np.testing.assert_allclose(score, reference.correlation(w, inputs, e, name), rtol=1e-11)
    np.testing.assert_allclose(gradient, reference.correlation_gradient(w, inputs, e, name), rtol=1e-10, atol=1e-12)
    step = 1e-6
    for i in range(4):
        to = np.eye(4)[i] * step
        ends = [reference.correlation(w + side * to, inputs, e, name) for side in (1, -1)]
        np.testing.assert_allclose(gradient[i], (ends[0] - ends[1]) / (2 * step), rtol=1e-5, atol=1e-6)


def test_predictions_follow_from_the_parameters(rng):
    net, x = grown(rng, ["tanh", "gaussian"])
    sources, p = x, net.parameters
    for k, f in enumerate(net.units):
        value = f(sources @ p[f"{k}.weight"] + p[f"{k}.bias"])
        sources = np.column_stack([sources, value])
    np.testing.assert_allclose(net.predict(x), sources @ p["output.weight"] + p["output.bias"], rtol=1e-10)


def test_the_history_tells_what_the_network_does(rng):
    net, x = grown(rng)
    _, t = regression(np.random.default_rng(20240607))
    history = net.history
    assert len(history.error) == len(history.units) + 1 == len(history.correlation) + 1 == len(history.wrong)
    spread = t.std(axis=0)
    for k in (0, 3, history.best_units):
        error = np.sqrt(np.mean(((net.at(k).predict(x) - t) / spread) ** 2))
        np.testing.assert_allclose(error, history.error[k], rtol=1e-6)
    assert history.error[-1] < 0.6 * history.error[0]
    assert all(c > 0 for c in history.correlation)
    np.testing.assert_array_equal(net.at(history.best_units).predict(x), net.predict(x))


def test_units_before_a_stage_are_frozen(rng):
    net, _ = grown(rng)
    early, late = net.at(2).parameters, net.parameters
    for name in ("0.weight", "0.bias", "1.weight", "1.bias"):
        np.testing.assert_array_equal(early[name], late[name])


# Growth ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(5))
def test_two_spirals(seed, dtype):
    net = lamina.CascadeNetwork(2, 1, seed=seed, dtype=dtype)
    history = net.fit(X, Y)
    assert history.solved
    assert net.n_units <= 25
    assert np.abs(net.predict(X)[:, 0] - Y).max() <= 0.4


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["quickprop", "rprop"])
def test_two_spirals_a_hundred_times(rule):
    units = []
    for seed in range(100):
        net = lamina.CascadeNetwork(2, 1, seed=seed)
        assert net.fit(X, Y, optimizer=rule).solved
        units.append(net.n_units)
    assert np.mean(units) < 15.2


def test_any_activation_can_be_a_candidate(activation, rng):
    net, x = grown(rng, activation, units=3, candidates=2)
    assert np.isfinite(net.predict(x)).all()
    assert net.history.error[-1] <= net.history.error[0]


def test_mixed_pools_compete():
    x, y = load_digits(return_X_y=True)
    net = lamina.CascadeNetwork(64, 10, activation=["tanh", "gaussian", "relu"], max_units=6, normalize_inputs=True)
    net.fit(x[:400], y[:400], validation=0.2)
    assert {f.name for f in net.units} <= {"tanh", "gaussian", "relu"}
    assert net.predict(x[400:600]).shape == (200, 10)
    assert (net.predict(x[400:]).argmax(axis=1) == y[400:]).mean() > 0.8


def test_rprop_and_quickprop_differ_and_both_learn(rng):
    x, t = regression(rng)
    errors = {}
    for optimizer in ("quickprop", "rprop"):
        errors[optimizer] = lamina.CascadeNetwork(3, 2, max_units=6).fit(x, t, optimizer=optimizer).error
    assert errors["quickprop"] != errors["rprop"]
    assert all(e[-1] < 0.6 * e[0] for e in errors.values())


def test_validation_ends_growth_and_keeps_the_best(rng):
    x = rng.normal(size=(60, 5))
    t = x[:, 0] + rng.normal(size=60)
    net = lamina.CascadeNetwork(5, 1, max_units=25, seed=1)
    history = net.fit(x, t, validation=0.3, patience=2, tolerance=0.0)
    assert "2 units" in history.stop_reason
    assert net.n_units == history.best_units == int(np.argmin(history.validation_error))
    assert len(history.units) == history.best_units + 2


def test_the_scale_of_the_targets_does_not_matter(rng):
    x, t = regression(rng, outputs=1)
    one = lamina.CascadeNetwork(3, 1, max_units=5, dtype="float64")
    other = lamina.CascadeNetwork(3, 1, max_units=5, dtype="float64")
    one.fit(x, t)
    other.fit(x, 1024 * t)
    np.testing.assert_allclose(other.predict(x), 1024 * one.predict(x), rtol=1e-12)


def test_labels_one_hot_rows_and_data_of_many_kinds_are_equal(rng):
    x, y = rng.normal(size=(90, 4)), rng.integers(3, size=90)
    expected = lamina.CascadeNetwork(4, 3, max_units=3)
    expected.fit(x, y)
    assert expected.output == "logistic"
    for kind in (x.astype(np.float32), np.asfortranarray(x), x.tolist()):
        for targets in (y, np.eye(3)[y], y[:, None]):
            net = lamina.CascadeNetwork(4, 3, max_units=3)
            net.fit(kind, targets)
            np.testing.assert_array_equal(net.predict(x), expected.predict(x))


def test_no_units_is_a_linear_model(rng):
    x = rng.normal(size=(200, 3))
    net = lamina.CascadeNetwork(3, 1, max_units=0, dtype="float64")
    history = net.fit(x, x @ [1.0, -2.0, 0.5] + 4)
    assert net.n_units == 0
    assert history.solved
    assert net.evaluate(x, x @ [1.0, -2.0, 0.5] + 4) < 0.2


@pytest.mark.parametrize("targets", [np.ones(30), np.zeros(30), np.full(30, 7.5)])
def test_constant_targets_are_solved_at_once(targets, rng):
    net = lamina.CascadeNetwork(2, 1)
    net.fit(rng.normal(size=(30, 2)), targets)
    assert net.n_units == 0
    np.testing.assert_allclose(net.predict([[0.0, 0.0]])[0, 0], targets[0], atol=0.4)


def test_one_row_and_constant_columns(rng):
    lamina.CascadeNetwork(2, 1, normalize_inputs=True).fit([[1.0, 2.0]], [0.3])
    x = np.column_stack([np.full(50, 1e6), rng.normal(size=50)])
    net = lamina.CascadeNetwork(2, 1, normalize_inputs=True, max_units=3)
    net.fit(x, np.sin(3 * x[:, 1]))
    assert np.isfinite(net.predict(x)).all()


# Bits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [97, 5000])
def test_bits_do_not_depend_on_threads(rows, dtype, rng):
    x, t = regression(rng, rows)
    results = []
    for n_threads in (1, 2, 3, 4):
        net = lamina.CascadeNetwork(3, 2, max_units=4, activation=["tanh", "gaussian", "relu"], dtype=dtype)
        history = net.fit(x, t, validation=0.2, n_threads=n_threads)
        results.append((net._grown.flat.tobytes(), history, net.predict(x, n_threads=n_threads).tobytes()))
    assert all(result == results[0] for result in results)


def test_a_row_does_not_depend_on_the_rows_beside_it(rng):
    net, _ = grown(rng, dtype="float32")
    x = rng.normal(size=(700, 3)).astype(np.float32)
    together = net.predict(x)
    np.testing.assert_array_equal(np.concatenate([net.predict(x[i : i + 1]) for i in range(0, 700, 7)]), together[::7])
    np.testing.assert_array_equal(net.predict(x[13:400]), together[13:400])


def test_seeds_differ():
    nets = [lamina.CascadeNetwork(2, 1, seed=seed, max_units=2) for seed in (0, 1)]
    for net in nets:
        net.fit(X, Y)
    assert not np.array_equal(nets[0].predict(X), nets[1].predict(X))


@pytest.mark.filterwarnings("ignore::lamina.DivergenceWarning")
@pytest.mark.parametrize("output", ["identity", "logistic"])
@pytest.mark.parametrize("size", [1e3, 1e12, 1e25])
def test_large_inputs_end_in_an_error_or_a_finite_network(size, output):
    net = lamina.CascadeNetwork(2, 1, output=output, max_units=3)
    try:
        net.fit(size * X, Y)
    except ValueError:
        assert net.history is None
        return
    assert np.isfinite(net.predict(size * X)).all()
    scaled = lamina.CascadeNetwork(2, 1, output=output, normalize_inputs=True)
    assert scaled.fit(size * X, Y).stop_reason
    assert np.isfinite(scaled.predict(size * X)).all()


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_validation_error_that_is_not_finite_is_divergence(n_threads, rng):
    x, t = regression(rng)
    far = np.where(np.arange(len(x))[:, None] == 7, 1e30, x)
    net = lamina.CascadeNetwork(3, 2, max_units=5, activation="relu")
    with pytest.warns(lamina.DivergenceWarning, match="diverged with 0 units"):
        history = net.fit(x, t, validation=(far, t), n_threads=n_threads)
    assert history.diverged
    assert history.stop_reason == "the error is not finite"
    assert np.isfinite(net.predict(x)).all()


@pytest.mark.parametrize("most", [100_000, 2**40, 2**62, 2**63 - 1])
def test_units_that_are_not_needed_take_no_memory(most, rng):
    x, t = regression(rng)
    limits = {"tolerance": 0.0, "candidate_epochs": 3, "output_epochs": 3, "validation": 0.2}
    nets = [lamina.CascadeNetwork(3, 2, max_units=units, candidates=2) for units in (most, 80)]

    def until_80(stage):
        if stage.units == 80:
            stage.stop()

    histories = [net.fit(x, t, callbacks=[until_80], patience=100, **limits) for net in nets]
    assert len(histories[0].units) == 80
    assert histories[0] == histories[1]
    np.testing.assert_array_equal(nets[0].at(80).predict(x), nets[1].at(80).predict(x))


def test_an_interrupted_history_counts_whole_stages():
    def hook(stage):
        if stage.units == 1:
            raise KeyboardInterrupt

    net = lamina.CascadeNetwork(2, 1)
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, Y, callbacks=[hook])
    assert len(net.history.units) == len(net.history.error) - 1 == 1
