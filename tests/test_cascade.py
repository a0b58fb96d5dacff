"""Cascade-correlation: the core against NumPy, growth, bits, keeping, conversion, errors."""

import copy
import os
import pickle
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_regression
from sklearn.utils.estimator_checks import parametrize_with_checks

import lamina
from lamina._dispatch import core
from reference import cascade as reference

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))
from two_spirals import spirals

STEPS = ("heaviside", "sign")  # training uses a straight-through estimator in place of their derivative
X, Y = spirals()


def regression(rng, rows=120, outputs=2):
    x = rng.normal(size=(rows, 3))
    t = np.column_stack([np.sin(2 * x[:, 0]) * x[:, 1], x[:, 2] ** 2, x.sum(axis=1)])[:, :outputs]
    return x, 100 + 30 * t


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
    centred = e - e.mean(axis=0)
    covariance = value @ centred
    np.testing.assert_allclose(score, np.abs(covariance).sum(), rtol=1e-11)
    np.testing.assert_allclose(gradient, inputs.T @ (slope * (centred @ np.sign(covariance))), rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("name", ["tanh", "logistic", "gaussian", "softplus"])
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
    assert history.error[-1] < 0.5 * history.error[0]
    assert all(0 < c for c in history.correlation)
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
    history = net.fit(x, t, validation=0.3, patience=2)
    assert "2 units" in history.stop_reason
    assert net.n_units == history.best_units == int(np.argmin(history.validation_error))
    assert len(history.units) == history.best_units + 2


def test_the_scale_and_place_of_the_targets_do_not_matter(rng):
    x, t = regression(rng, outputs=1)
    one = lamina.CascadeNetwork(3, 1, max_units=5, dtype="float64")
    other = lamina.CascadeNetwork(3, 1, max_units=5, dtype="float64")
    one.fit(x, t)
    other.fit(x, 1024 * t + 3e4)
    np.testing.assert_allclose(other.predict(x), 1024 * one.predict(x) + 3e4, rtol=1e-5)


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
    assert net.n_units == 0 and history.solved
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
        results.append((net._flat.tobytes(), history, net.predict(x, n_threads=n_threads).tobytes()))
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


# Conversion and keeping -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_grown_network_converts_to_an_ordinary_one(activation, dtype, rng):
    net, x = grown(rng, activation, dtype, units=4, candidates=2, normalize_inputs=True)
    other = net.to_network()
    assert isinstance(other, lamina.Network)
    assert [type(layer).__name__ for layer in other.layers] == ["Shortcut"] * net.n_units + ["Dense"]
    tolerance = 2e-4 if dtype == "float32" else 1e-11
    if activation in STEPS:  # a sum that rounds to the other side of 0
        assert np.mean(np.isclose(other.predict(x), net.predict(x), rtol=tolerance)) > 0.95
        return
    np.testing.assert_allclose(other.predict(x), net.predict(x), rtol=tolerance, atol=tolerance * 100)


def test_a_converted_network_can_be_saved_and_trained_further(tmp_path):
    net = lamina.CascadeNetwork(2, 1, seed=3)
    net.fit(X, Y)
    other = net.to_network()
    np.testing.assert_allclose(other.predict(X), net.predict(X), atol=1e-4)
    other.save(tmp_path / "net.lamina")
    np.testing.assert_array_equal(lamina.load(tmp_path / "net.lamina").predict(X), other.predict(X))
    before = other.evaluate(X, Y)
    other.fit(X, Y, epochs=30, batch_size=194, optimizer=lamina.Adam(1e-3), validation=None, early_stopping=None)
    assert other.evaluate(X, Y) < before
    assert lamina.check_gradients(net.to_network().astype("float64"), X, Y) < 1e-6


def test_a_model_file_keeps_everything(tmp_path, rng):
    x, t = regression(rng)
    elu = lamina.activations.get("elu", alpha=0.2)
    net = lamina.CascadeNetwork(3, 2, max_units=4, activation=["tanh", elu], normalize_inputs=True, seed=5)
    net.fit(x, t, validation=0.2)
    net.metadata["made"] = "here"
    net.save(tmp_path / "grown.lamina")
    other = lamina.load(tmp_path / "grown.lamina")
    assert isinstance(other, lamina.CascadeNetwork)
    np.testing.assert_array_equal(other.predict(x), net.predict(x))
    assert other.history == net.history and other.units == net.units and other.metadata == net.metadata
    assert repr(other) == repr(net) and other.summary() == net.summary()
    assert other.fit(x, t, validation=0.2) == net.history
    other.save(tmp_path / "again.lamina")
    assert os.path.getsize(tmp_path / "again.lamina") == os.path.getsize(tmp_path / "grown.lamina")
    with pytest.raises(ValueError, match="not saved"):
        lamina.load(tmp_path / "grown.lamina").at(1)


def test_copies_and_pickles_are_equal_and_independent(rng):
    net, x = grown(rng)
    expected = net.predict(x)
    for other in (net.copy(), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(other.predict(x), expected)
        np.testing.assert_array_equal(other.at(1).predict(x), net.at(1).predict(x))
        other.parameters["output.bias"][:] += 1
        np.testing.assert_allclose(other.predict(x), expected + 1, rtol=1e-9)
    np.testing.assert_array_equal(net.predict(x), expected)
    fresh = pickle.loads(pickle.dumps(lamina.CascadeNetwork(3, 2)))
    assert "not grown yet" in repr(fresh)


def test_words(rng):
    net, _ = grown(rng, ["tanh", "gaussian"])
    assert repr(net) == (
        f"<lamina.CascadeNetwork 3 -> {net.n_units} units -> 2 identity; candidates 8 (tanh, gaussian), float64>"
    )
    lines = net.summary().splitlines()
    assert len(lines) == 2 + len(net.history.error) + 2
    assert sum("<- kept" in line for line in lines) == 1


def test_pictures(tmp_path):
    pytest.importorskip("matplotlib")
    net = lamina.CascadeNetwork(2, 1, max_units=4)
    net.fit(X, Y, validation=0.2, patience=9)
    net.plot(path=tmp_path / "net.png")
    lamina.plots_cascade.growth(net, path=tmp_path / "growth.png")
    lamina.plots_cascade.surfaces(net, X, Y, tmp_path / "surfaces.png", resolution=20)
    assert all((tmp_path / f"{name}.png").stat().st_size > 1000 for name in ("net", "growth", "surfaces"))


# Callbacks, progress, interruption ------------------------------------------------------------------------------


def test_callbacks_see_every_stage_and_can_stop(capsys):
    stages = []

    def hook(stage):
        stages.append(stage.units)
        if stage.units == 3:
            stage.stop()

    net = lamina.CascadeNetwork(2, 1)
    history = net.fit(X, Y, callbacks=[hook], verbose=1)
    assert stages == [0, 1, 2, 3] and history.stop_reason == "stopped by a callback"
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4 and lines[2].startswith("2 units  error ")


def test_an_error_in_a_callback_comes_through_and_leaves_a_network():
    def hook(stage):
        if stage.units == 2:
            raise RuntimeError("enough")

    net = lamina.CascadeNetwork(2, 1)
    with pytest.raises(RuntimeError, match="enough"):
        net.fit(X, Y, callbacks=[hook])
    assert net.n_units <= 2 and net.history.stop_reason == "interrupted"
    assert np.isfinite(net.predict(X)).all()


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_ends_growth_soon(rng):
    x = rng.normal(size=(20000, 20))
    net = lamina.CascadeNetwork(20, 1, max_units=500)
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        net.fit(x, np.sin(x.sum(axis=1)), tolerance=0.0, candidate_threshold=0.0, output_threshold=0.0)
    assert time.perf_counter() - start < 5


# Errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"activation": []}, "activation must name at least one candidate; got an empty pool"),
        ({"candidates": 0}, "candidates must be at least 1; got 0"),
        ({"candidates": 1, "activation": ["tanh", "relu"]}, "candidates must be at least 2"),
        ({"activation": "tahn"}, "tanh"),
        ({"activation": ["tanh", "relo"]}, "relu"),
        ({"max_units": -1}, "max_units must be at least 0; got -1"),
        ({"n_inputs": 0}, "n_inputs must be at least 1"),
        ({"n_outputs": 0}, "n_outputs must be at least 1"),
        ({"output": "softmax"}, "output must be one of"),
        ({"dtype": "int32"}, "dtype must be 'float32' or 'float64'"),
        ({"seed": -1}, "seed must be at least 0"),
    ],
)
def test_wrong_networks(arguments, message):
    with pytest.raises(ValueError, match=message):
        lamina.CascadeNetwork(**({"n_inputs": 2} | arguments))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"X": X[:, :1]}, ValueError, "X must have 2 features, as the network has inputs; got 1"),
        ({"X": X[:10]}, ValueError, "y must have one entry for each of the 10 rows of X; got 194"),
        ({"X": X[:, 0]}, ValueError, "X must have 2 axes"),
        ({"X": np.where(np.arange(194)[:, None] == 7, np.nan, X)}, ValueError, "X must be finite; got NaN in row 7"),
        ({"y": np.where(np.arange(194) == 3, np.inf, Y)}, ValueError, "y must be finite; got infinity in row 3"),
        ({"y": np.eye(3)[np.zeros(194, int)]}, ValueError, "y must have 1 columns"),
        ({"y": np.array(["a"] * 194)}, TypeError, "y must hold numbers"),
        ({"validation": 1.5}, ValueError, "validation must be a fraction"),
        ({"validation": (X, Y, Y)}, ValueError, "validation must be a fraction or"),
        ({"validation": (X[:, :1], Y)}, ValueError, "validation X must have 2 features"),
        ({"validation": (X, Y[:5])}, ValueError, "validation y must have one entry"),
        ({"optimizer": "adam"}, ValueError, "optimizer must be 'quickprop' or 'rprop'; got 'adam'"),
        ({"patience": 0}, ValueError, "patience must be at least 1"),
        ({"output_epochs": 0}, ValueError, "output_epochs must be at least 1"),
        ({"candidate_patience": 1.5}, TypeError, "candidate_patience must be a whole number"),
        ({"candidate_threshold": -1}, ValueError, "candidate_threshold must be finite and at least 0"),
        ({"mu": 0}, ValueError, "mu must be finite and above 0"),
        ({"decay": "x"}, TypeError, "decay must be a number"),
        ({"tolerance": np.nan}, ValueError, "tolerance must be finite"),
        ({"callbacks": [3]}, TypeError, r"callbacks\[0\] must be callable"),
        ({"n_threads": 0}, ValueError, "n_threads must be at least 1"),
    ],
)
def test_wrong_arguments_change_nothing(arguments, error, message):
    net = lamina.CascadeNetwork(2, 1, max_units=2)
    net.fit(X, Y)
    before, history = net.predict(X), net.history
    with pytest.raises(error, match=message):
        net.fit(**({"X": X, "y": Y} | arguments))
    np.testing.assert_array_equal(net.predict(X), before)
    assert net.history is history


def test_more_errors(tmp_path):
    net = lamina.CascadeNetwork(2, 1, output="logistic", max_units=1)
    for use in (lambda: net.predict(X), lambda: net.save(tmp_path / "x"), net.to_network, lambda: net.parameters):
        with pytest.raises(ValueError, match="not grown yet: call fit first"):
            use()
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\] for output='logistic'; got values from 0.0 to 5.0"):
        net.fit(X, 5 * Y)
    with pytest.raises(ValueError, match="y must hold labels in 0 .. 2"):
        lamina.CascadeNetwork(2, 3).fit(X, np.full(194, 3))
    net.fit(X, Y)
    with pytest.raises(ValueError, match=r"units must be in 0 .. 1"):
        net.at(2)
    with pytest.raises(ValueError, match="X must have 2 features"):
        net.predict(X[:, :1])


# Estimators -----------------------------------------------------------------------------------------------------


@parametrize_with_checks([lamina.CascadeClassifier(max_units=5), lamina.CascadeRegressor(max_units=5)])
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_classifier():
    x, y = load_digits(return_X_y=True)
    names = np.array(list("abcdefghij"))[y]
    model = lamina.CascadeClassifier(max_units=8, early_stopping=True, random_state=0).fit(x[:1000], names[:1000])
    assert model.score(x[1000:], names[1000:]) > 0.85
    np.testing.assert_allclose(model.predict_proba(x).sum(axis=1), 1, rtol=1e-6)
    assert model.n_units_ == model.network_.n_units
    again = lamina.CascadeClassifier(max_units=8, early_stopping=True, random_state=0, n_jobs=2)
    np.testing.assert_array_equal(again.fit(x[:1000], names[:1000]).predict_proba(x), model.predict_proba(x))


def test_regressor():
    x, y = make_regression(300, 5, n_informative=5, random_state=0)
    y = y + 50 * np.sin(x[:, 0] * 3)
    model = lamina.CascadeRegressor(random_state=0).fit(x[:200], y[:200])
    assert model.score(x[200:], y[200:]) > 0.9
    two = lamina.CascadeRegressor(random_state=0, max_units=3).fit(x, np.column_stack([y, -y]))
    assert two.predict(x).shape == (300, 2)
