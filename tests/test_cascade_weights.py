"""Sample weights of cascades: a row of weight w counts as w rows, against NumPy and against the rows repeated."""

import numpy as np
import pytest

import lamina
from lamina._dispatch import core
from reference import cascade as reference
from reference.cascade import regression, spirals

X, Y = spirals()


def counts_for(rng, rows):
    """Whole weights, several of them 0."""
    return rng.integers(0, 4, rows)


# The core against the reference ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tanh", "logistic", "gaussian", "softsign"])
def test_weighted_correlation_is_that_of_the_plain_formulas(name, rng):
    x, e, w = rng.normal(size=(90, 3)), rng.normal(size=(90, 2)), rng.normal(size=4)
    c = rng.uniform(0.1, 3, size=90)
    inputs = np.column_stack([np.ones(90), x])
    score, gradient = core.cascade_correlation(lamina.activations.get(name), x, w, e, c)
    np.testing.assert_allclose(score, reference.correlation(w, inputs, e, name, c), rtol=1e-11)
    expected = reference.correlation_gradient(w, inputs, e, name, c)
    np.testing.assert_allclose(gradient, expected, rtol=1e-10, atol=1e-12)
    step = 1e-6
    for i in range(4):
        to = np.eye(4)[i] * step
        ends = [reference.correlation(w + side * to, inputs, e, name, c) for side in (1, -1)]
        np.testing.assert_allclose(gradient[i], (ends[0] - ends[1]) / (2 * step), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["softplus", "elu", "identity"])
def test_the_deviation_of_units_without_bounds_is_weighted(name, rng):
    x, e, w = rng.normal(size=(40, 3)), rng.normal(size=(40, 2)), 3 * rng.normal(size=4)
    c, f = rng.integers(1, 4, 40), lamina.activations.get(name)
    many = np.repeat(np.arange(40), c)
    weighted = core.cascade_correlation(f, x, w, e, c.astype(float))
    repeated = core.cascade_correlation(f, x[many], w, e[many])
    np.testing.assert_allclose(weighted[0], repeated[0], rtol=1e-12)
    np.testing.assert_allclose(weighted[1], repeated[1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("logistic", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_growth_is_that_of_the_reference(logistic, weighted, rng):
    x, t = regression(rng, 80)
    t = (t > t.mean(axis=0)).astype(float) if logistic else (t - t.mean(axis=0)) / t.std(axis=0)
    counts = rng.uniform(0.2, 3, size=80) if weighted else np.ones(80)
    # Few epochs: quickprop divides by differences of slopes, which lets rounding grow.
    phases = {"output_phase": (12, 5, 0.01), "candidate_phase": (15, 5, 0.03)}
    options = {"candidates": 3, "max_units": 3, "tolerance": 0.3 if logistic else 0.05, "seed": 7, "decay": 1e-3}
    stages, units = reference.Growth(counts, logistic=logistic, **options, **phases).grow(x, t)
    asked, result = core.CascadeOptions(), core.CascadeResult()
    for name, value in options.items():
        setattr(asked, name, value)
    for name, phase in phases.items():
        setattr(asked, name, core.PhaseLimits(*phase))
    asked.output = "logistic" if logistic else "identity"
    core.cascade_fit(x, np.ascontiguousarray(t), counts if weighted else None, None, asked, result)
    assert len(result.error) == len(stages) == 4
    np.testing.assert_allclose(result.error, [index for index, _, _ in stages], rtol=1e-7)
    np.testing.assert_allclose(result.wrong, [wrong for _, wrong, _ in stages], rtol=1e-12)
    np.testing.assert_allclose(result.correlation, [score for score, _ in units], rtol=1e-7)
    np.testing.assert_allclose(result.unit_weights, np.concatenate([w for _, w in units]), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(result.output_weights[-1], stages[-1][2].T.ravel(), rtol=1e-5, atol=1e-7)


def test_the_core_refuses_weights_that_count_nothing():
    for bad in (0.0, -1.0, np.nan, np.inf):
        weights = np.ones(5)
        weights[3] = bad
        with pytest.raises(ValueError, match="weights must be greater than 0"):
            core.cascade_fit(
                np.ones((5, 1)), np.ones((5, 1)), weights, None, core.CascadeOptions(), core.CascadeResult()
            )


# A weight is a number of rows -----------------------------------------------------------------------------------


# Few epochs: both rules look at signs, which a last bit may turn, and quickprop divides by differences of slopes.
SHORT = {"output_epochs": 12, "candidate_epochs": 12, "decay": 1e-3, "patience": 9}


@pytest.mark.parametrize("rule", ["quickprop", "rprop"])
@pytest.mark.parametrize("kind", ["labels", "classes", "several"])
def test_whole_weights_are_repeated_rows(kind, rule, rng):
    x, t = regression(rng, 90)
    x = x * [1, 30, 0.01] + [0, 5, 1]
    several = (t > t.mean(axis=0)).astype(int)
    y = {"labels": several[:, 0], "classes": np.digitize(t[:, 0], [90, 110]), "several": several}[kind]
    counts, apart = counts_for(rng, 90), rng.integers(1, 3, 40)
    many, far = np.repeat(np.arange(90), counts), np.repeat(np.arange(40), apart)
    outputs = {"labels": 1, "classes": 3, "several": 2}[kind]
    make = {"max_units": 2, "dtype": "float64", "normalize_inputs": True, "seed": 3}
    one, other = (lamina.CascadeNetwork(3, outputs, **make) for _ in range(2))
    held = {"validation": (x[:40], y[:40]), "validation_sample_weight": apart}
    weighted = one.fit(x, y, sample_weight=counts, optimizer=rule, **held, **SHORT)
    repeated = other.fit(x[many], y[many], validation=(x[far], y[far]), optimizer=rule, **SHORT)
    assert weighted.wrong == repeated.wrong
    for name in ("error", "validation_error", "correlation"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name), rtol=1e-5, err_msg=name)
    np.testing.assert_allclose(one.predict(x), other.predict(x), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(one.evaluate(x, y, sample_weight=counts), one.evaluate(x[many], y[many]), rtol=1e-12)


@pytest.mark.parametrize("rule", ["quickprop", "rprop"])
def test_weighted_values_without_units_are_weighted_least_squares(rule, rng):
    x, t = regression(rng, 90)
    counts = counts_for(rng, 90)
    net = lamina.CascadeNetwork(3, 2, max_units=0, dtype="float64", normalize_inputs=True)
    to_the_end = {"output_epochs": 3000, "output_patience": 300, "output_threshold": 1e-9, "tolerance": 0.0}
    history = net.fit(x, t, sample_weight=counts, optimizer=rule, **to_the_end)
    sources, root = np.column_stack([np.ones(90), x]), np.sqrt(counts)[:, None]
    w = np.linalg.lstsq(root * sources, root * t, rcond=None)[0]
    np.testing.assert_allclose(net.predict(x), sources @ w, rtol=1e-3)
    many = np.repeat(np.arange(90), counts)
    error = np.sqrt(np.mean(((sources @ w - t)[many] / t[many].std(axis=0)) ** 2))
    np.testing.assert_allclose(history.error[0], error, rtol=1e-5)


@pytest.mark.parametrize("output", ["identity", "logistic"])
@pytest.mark.parametrize("rule", ["quickprop", "rprop"])
def test_the_scale_of_the_weights_does_not_matter(rule, output, rng):
    x, t = regression(rng)
    if output == "logistic":
        t = (t > t.mean(axis=0)).astype(int)
    weight = rng.uniform(0.5, 2, len(x))
    results = []
    for power in (0, -60, 40):
        net = lamina.CascadeNetwork(3, 2, max_units=3, output=output, normalize_inputs=True)
        history = net.fit(x, t, sample_weight=np.ldexp(weight, power), optimizer=rule, validation=0.2)
        results.append((history.error, history.validation_error, history.correlation, net.predict(x).tobytes()))
    assert results[0] == results[1] == results[2]


def test_weights_of_one_are_no_weights(rng):
    x, t = regression(rng)
    results = []
    for weight in (None, np.ones(len(x)), [1] * len(x)):
        net = lamina.CascadeNetwork(3, 2, max_units=4, activation=["tanh", "relu"])
        results.append((net.fit(x, t, validation=0.2, sample_weight=weight), net.predict(x).tobytes()))
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("junk", [np.nan, np.inf, 1e200, -1e30])
def test_rows_of_weight_0_are_as_if_not_there(junk, dtype, rng):
    x, t = regression(rng)
    gone = rng.permutation(len(x))[:30]
    kept = np.setdiff1d(np.arange(len(x)), gone)
    weight = rng.uniform(0.5, 2, len(x))
    weight[gone] = 0
    with_junk, targets = x.copy(), t.copy()
    with_junk[gone, 1], targets[gone, 0] = junk, junk
    make = {"n_inputs": 3, "n_outputs": 2, "max_units": 3, "dtype": dtype, "normalize_inputs": True}
    one, other = lamina.CascadeNetwork(**make), lamina.CascadeNetwork(**make)
    history = one.fit(with_junk, targets, sample_weight=weight, validation=0.2)
    assert history == other.fit(x[kept], t[kept], sample_weight=weight[kept], validation=0.2)
    np.testing.assert_array_equal(one.predict(x), other.predict(x))
    assert one.evaluate(with_junk, targets, sample_weight=weight) == other.evaluate(
        x[kept], t[kept], sample_weight=weight[kept]
    )
    history = one.fit(x[kept], t[kept], validation=(with_junk, targets), validation_sample_weight=weight)
    assert history == other.fit(x[kept], t[kept], validation=(x[kept], t[kept]), validation_sample_weight=weight[kept])


def test_rows_of_weight_0_do_not_decide_what_the_targets_are(rng):
    x = rng.normal(size=(60, 2))
    y, weight = (x[:, 0] > 0).astype(float), np.ones(60)
    y[7], weight[7] = 5.5, 0
    net = lamina.CascadeNetwork(2, max_units=1)
    net.fit(x, y, sample_weight=weight)
    assert net.output == "logistic"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sample_weight": np.ones(5)}, "sample_weight must have one entry for each of the 194 rows"),
        ({"sample_weight": -np.ones(194)}, "sample_weight must not be negative"),
        ({"sample_weight": np.zeros(194)}, "sample_weight must not be all zero"),
        ({"sample_weight": np.full(194, np.nan)}, "sample_weight must be finite"),
        ({"sample_weight": np.r_[0, np.ones(193)], "y": Y[:9]}, "y must have one entry for each of the 194 rows"),
        ({"validation_sample_weight": np.ones(194)}, "validation_sample_weight goes with"),
        ({"validation": 0.1, "validation_sample_weight": np.ones(194)}, "validation_sample_weight goes with"),
        ({"validation": (X, Y), "validation_sample_weight": np.ones(3)}, "validation_sample_weight must have one"),
    ],
)
def test_wrong_weights_change_nothing(arguments, message):
    net = lamina.CascadeNetwork(2, 1, max_units=1)
    net.fit(X, Y)
    before, history = net.predict(X), net.history
    with pytest.raises(ValueError, match=message):
        net.fit(**({"X": X, "y": Y} | arguments))
    np.testing.assert_array_equal(net.predict(X), before)
    assert net.history is history


# Bits and long sums ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [97, 5000])
@pytest.mark.parametrize("output", ["identity", "logistic"])
def test_bits_do_not_depend_on_threads(rows, dtype, output, rng):
    x, t = regression(rng, rows)
    if output == "logistic":
        t = (t > t.mean(axis=0)).astype(int)
    weight = rng.uniform(0, 3, rows) * (rng.random(rows) > 0.1)
    results = []
    for n_threads in (1, 2, 3, 4):
        net = lamina.CascadeNetwork(3, 2, max_units=3, activation=["tanh", "gaussian", "relu"], dtype=dtype)
        history = net.fit(x, t, validation=0.2, sample_weight=weight, n_threads=n_threads)
        parameters = [view.tobytes() for view in net.parameters.values()]
        results.append((parameters, history, net.predict(x, n_threads=n_threads).tobytes()))
    assert all(result == results[0] for result in results)


def test_sums_over_a_million_rows_stay_exact(rng):
    rows = 1_000_000
    w = rng.normal(size=4).astype(np.float32)
    x, e = rng.normal(size=(rows, 3)).astype(np.float32), rng.normal(size=(rows, 2)).astype(np.float32)
    counts = rng.uniform(0.5, 2, rows).astype(np.float32)
    for name in ("tanh", "softplus"):
        f = lamina.activations.get(name)
        for weights in (None, counts):
            score, gradient = core.cascade_correlation(f, x, w, e, weights)
            wide = None if weights is None else weights.astype(np.float64)
            true, slope = core.cascade_correlation(f, *(part.astype(np.float64) for part in (x, w, e)), wide)
            # What is summed has mean 0 here: the sum's error is to be small beside the sum of magnitudes.
            size = rows * np.sqrt(2) * (1 if wide is None else wide.mean())
            assert abs(score - true) < 2e-7 * size
            assert np.abs(gradient - slope).max() < 2e-7 * size


def test_a_million_rows_have_the_least_squares_of_a_few(rng):
    x = rng.normal(size=(16, 3)).astype(np.float32)
    t = (np.sin(3 * x[:, 0]) + x[:, 1]).astype(np.float32)
    net = lamina.CascadeNetwork(3, 1, max_units=0)
    net.fit(np.tile(x, (1 << 16, 1)), np.tile(t, 1 << 16), tolerance=0.0, output_patience=200)
    sources = np.column_stack([np.ones(16), x]).astype(np.float64)
    best = sources @ np.linalg.lstsq(sources, t, rcond=None)[0]
    np.testing.assert_allclose(net.predict(x)[:, 0], best, atol=2e-4)
