"""Networks that have grown: conversion, files, copies, pictures, callbacks, errors, estimators."""

import copy
import dataclasses
import os
import pickle
import signal
import threading
import time

import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import load_digits, make_regression
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

import lamina
from lamina._dispatch import core
from interrupting import must_end_within
from reference.cascade import regression, spirals

STEPS = ("heaviside", "sign")  # a sum that rounds to the other side of 0 changes them by a whole unit
X, Y = spirals()


def grown(rng, activation="tanh", dtype="float64", units=6, **options):
    x, t = regression(rng)
    net = lamina.CascadeNetwork(3, 2, max_units=units, activation=activation, dtype=dtype, **options)
    net.fit(x, t)
    return net, x.astype(dtype)


# Conversion and keeping -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_grown_network_converts_to_an_ordinary_one(activation, dtype, rng):
    net, x = grown(rng, activation, dtype, units=4, candidates=2, normalize_inputs=True)
    other = net.to_network()
    assert isinstance(other, lamina.Network)
    assert [type(layer).__name__ for layer in other.layers] == ["Shortcut"] * net.n_units + ["Dense"]
    tolerance = 2e-4 if dtype == "float32" else 1e-11
    if activation in STEPS:
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
    assert other.history == net.history
    assert other.units == net.units
    assert other.metadata == net.metadata
    assert repr(other) == repr(net)
    assert other.summary() == net.summary()
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
    kept, shown = net.history.best_units, repr(net.history).splitlines()
    assert shown[0] == f"<lamina.cascade.CascadeHistory of {len(net.history.units)} units;"
    assert shown[1].startswith(f" best_units {kept}: error {net.history.error[kept]:.4g}")
    assert shown[1].endswith(f"; stop_reason {net.history.stop_reason!r}>")
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
    assert stages == [0, 1, 2, 3]
    assert history.stop_reason == "stopped by a callback"
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("2 units  error ")


def test_an_error_in_a_callback_comes_through_and_leaves_a_network():
    def hook(stage):
        if stage.units == 2:
            raise RuntimeError("enough")

    net = lamina.CascadeNetwork(2, 1)
    with pytest.raises(RuntimeError, match="enough"):
        net.fit(X, Y, callbacks=[hook])
    assert net.n_units <= 2
    assert net.history.stop_reason == "interrupted"
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
    with pytest.raises(ValueError, match=r"y must hold labels in 0 [.]{2} 2"):
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


LABELS = np.arange(90) % 3
DATA = np.random.default_rng(0).normal(size=(90, 4))
VALUES = DATA[:, 0] * DATA[:, 1]


@pytest.mark.parametrize("targets", [np.array(["cat", "dog", "eel"])[LABELS], np.array(["no", "yes"])[LABELS % 2]])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_estimators_leave_out_rows_of_weight_0(targets, early_stopping):
    junk, kept = DATA.copy(), np.arange(90) % 4 != 1
    junk[~kept, 2] = np.tile([np.nan, 1e200, np.inf], 8)[: (~kept).sum()]
    weight = np.where(kept, 0.5 + np.arange(90) % 3, 0)
    options = {"max_units": 2, "random_state": 1, "early_stopping": early_stopping}
    other = np.where(kept, targets, "a word of its own")
    one = lamina.CascadeClassifier(**options).fit(junk, other, sample_weight=weight)
    two = lamina.CascadeClassifier(**options).fit(DATA[kept], targets[kept], sample_weight=weight[kept])
    np.testing.assert_array_equal(one.classes_, two.classes_)
    np.testing.assert_array_equal(one.predict_proba(DATA), two.predict_proba(DATA))
    values = np.where(kept, VALUES, np.nan)
    one = lamina.CascadeRegressor(**options).fit(junk, values, sample_weight=weight)
    two = lamina.CascadeRegressor(**options).fit(DATA[kept], VALUES[kept], weight[kept])
    np.testing.assert_array_equal(one.predict(DATA), two.predict(DATA))
    with pytest.raises(ValueError, match=r"at least one non-zero|must not be all zero"):
        two.fit(DATA, VALUES, np.zeros(90))


@pytest.mark.parametrize("kind", ["csr_array", "csc_array", "csr_matrix", "coo_matrix"])
def test_estimators_take_sparse_rows(kind):
    x = np.where(np.abs(DATA) > 1, DATA, 0)
    sparse = getattr(scipy.sparse, kind)(x)
    options = {"max_units": 2, "random_state": 1}
    for estimator, y in ((lamina.CascadeClassifier, LABELS), (lamina.CascadeRegressor, VALUES)):
        expected = estimator(**options).fit(x, y).predict(x)
        np.testing.assert_array_equal(estimator(**options).fit(sparse, y).predict(sparse), expected)


def test_several_labels_at_once():
    y = np.column_stack([DATA[:, 0] > 0, DATA[:, 1] + DATA[:, 2] > 0, DATA[:, 3] > 0.5]).astype(int)
    model = lamina.CascadeClassifier(random_state=0, max_units=4).fit(DATA, y)
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])
    assert model.n_outputs_ == 3
    assert model.predict(DATA).shape == model.predict_proba(DATA).shape == (90, 3)
    assert model.predict(DATA).dtype == np.int64
    assert model.score(DATA, y) > 0.9
    np.testing.assert_array_equal(model.predict_proba(DATA) > 0.5, model.predict(DATA))
    sparse = lamina.CascadeClassifier(random_state=0, max_units=4).fit(DATA, scipy.sparse.csr_array(y))
    np.testing.assert_array_equal(sparse.predict_proba(DATA), model.predict_proba(DATA))
    stopped = lamina.CascadeClassifier(random_state=0, max_units=4, early_stopping=True).fit(DATA, y)
    assert stopped.history_.validation_error
    with pytest.raises(ValueError, match="several columns must hold 0 and 1 alone"):
        model.fit(DATA, np.column_stack([LABELS, LABELS]))
    np.testing.assert_array_equal(sparse.predict(DATA), model.predict(DATA))


@pytest.mark.parametrize("power", [-900, 600, 1018])
def test_targets_of_any_size_are_learned_alike(power):
    model = lamina.CascadeRegressor(random_state=0, max_units=3)
    expected = model.fit(DATA, VALUES).predict(DATA)
    large = model.fit(DATA, np.ldexp(VALUES, power)).predict(DATA)
    np.testing.assert_allclose(np.ldexp(large, -power), expected, rtol=1e-12)


def test_targets_of_1e200_are_not_called_solved_and_predicted_as_nan():
    model = lamina.CascadeRegressor().fit(DATA, DATA[:, 0] * 1e200)
    assert model.stop_reason_ == "solved"
    assert model.history_.error[-1] <= 0.2
    assert np.abs(model.predict(DATA) / 1e200 - DATA[:, 0]).max() < 0.6


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_targets_beyond_the_range_are_refused(dtype):
    net = lamina.CascadeNetwork(4, 1, max_units=2, dtype=dtype)
    history, before = net.fit(DATA, VALUES), net.predict(DATA)
    with pytest.raises(ValueError, match="y must be within float32's range"):
        lamina.CascadeNetwork(4).fit(DATA, VALUES * 1e200)
    # As large as they can be: the weights that give them from small inputs are larger still.
    y, steep = np.where(DATA[:, 0] > 0, 1.0, -1.0) * float(np.finfo(dtype).max), DATA * 0.02
    for part in (y, np.abs(y) * (DATA[:, 0] > 1)):
        with pytest.raises(ValueError, match=f"is beyond {dtype}: bring y to a smaller scale"):
            net.fit(steep, part, optimizer="rprop", output_threshold=0.0, tolerance=0.0)
    np.testing.assert_array_equal(net.predict(DATA), before)
    assert net.history is history


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"y": ["red"] * 90}, "y has one class alone, 'red'"),
        ({"X": DATA[:, :2], "sample_weight": -np.ones(90)}, "Negative values in data passed to `sample_weight`"),
        ({"X": np.full((90, 2), np.nan)}, "Input X contains NaN"),
        ({"sample_weight": np.ones(3)}, r"sample_weight.shape == \(3,\)"),
        ({"parameters": {"optimizer": "adam"}}, "must be 'quickprop' or 'rprop'; got 'adam'"),
        ({"parameters": {"max_units": -1}}, "max_units of CascadeClassifier must be an integer >= 0"),
        ({"parameters": {"candidates": 1, "activation": ["tanh", "relu"]}}, "candidates must be at least 2"),
        ({"parameters": {"early_stopping": True, "validation_fraction": 0.0}}, "needs a validation_fraction above 0"),
        ({"X": DATA * np.nan}, "contains NaN"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_refused_fit_changes_nothing(change, said):
    names = np.array(["cat", "dog"])[LABELS % 2]
    model = lamina.CascadeClassifier(max_units=2, random_state=0)
    given = {"X": DATA, "y": np.array(["red", "blue", "green"])[LABELS]} | change
    parameters = given.pop("parameters", {})
    refused = lamina.CascadeClassifier(max_units=2, random_state=0).set_params(**parameters)
    with pytest.raises((ValueError, TypeError), match=said):
        refused.fit(**given)
    with pytest.raises(NotFittedError):
        refused.predict(DATA)
    model.fit(DATA, names)
    before, proba = dict(model.__dict__), model.predict_proba(DATA)
    model.set_params(**parameters)
    with pytest.raises((ValueError, TypeError), match=said):
        model.fit(**given)
    assert {name: value for name, value in model.__dict__.items() if name.endswith("_")} == {
        name: value for name, value in before.items() if name.endswith("_")
    }
    np.testing.assert_array_equal(model.predict_proba(DATA), proba)


# Beside each other ----------------------------------------------------------------------------------------------


def test_predictions_beside_a_refit_are_those_of_one_network(rng):
    x = rng.normal(size=(300, 3))
    sets = [(x, np.sin(x[:, 0]) + offset) for offset in (0.0, 100.0)]
    net = lamina.CascadeNetwork(3, 1, normalize_inputs=True, dtype="float64")
    expected = []
    for units, (inputs, y) in enumerate(sets):
        net._max_units = 1 + 3 * units
        net.fit(inputs * (1 + 50 * units), y, tolerance=0.0)
        expected.append(net.predict(x).tobytes())
    done, wrong = threading.Event(), []

    def look():
        while not done.is_set():
            copied = pickle.loads(pickle.dumps(net))
            seen = [net.predict(x).tobytes(), copied.predict(x).tobytes(), net.copy().predict(x).tobytes()]
            wrong.extend(one for one in seen if one not in expected)
            for use in (repr, lamina.CascadeNetwork.summary, lamina.CascadeNetwork.to_network):
                use(net)

    watchers = [threading.Thread(target=look) for _ in range(3)]
    for watcher in watchers:
        watcher.start()
    try:
        for turn in range(12):
            net._max_units = 1 + 3 * (turn % 2)
            inputs, y = sets[turn % 2]
            net.fit(inputs * (1 + 50 * (turn % 2)), y, tolerance=0.0)
    finally:
        done.set()
        for watcher in watchers:
            watcher.join()
    assert not wrong


def test_what_normalizes_the_inputs_is_checked_and_belongs_to_the_network(rng):
    net, x = grown(rng, normalize_inputs=True)
    mean, scale = net.input_normalization
    before, twin = net.predict(x), net.copy()
    net.input_normalization = (mean + 1, scale)
    assert not np.array_equal(net.predict(x), before)
    np.testing.assert_array_equal(twin.predict(x), before)
    for bad in ((mean[:2], scale), (mean, -scale), (mean, np.full(3, np.inf))):
        with pytest.raises(ValueError, match="input_normalization must be mean and scale by input"):
            net.input_normalization = bad
    net.input_normalization = None
    assert net.input_normalization is None
    np.testing.assert_array_equal(net.copy().predict(x), net.predict(x))
    with pytest.raises(ValueError, match="has not grown yet"):
        lamina.CascadeNetwork(3).input_normalization = (mean, scale)


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("n_threads", [1, 2])
def test_ctrl_c_ends_a_prediction_soon(n_threads, rng):
    net, _ = grown(rng, ["tanh", "softplus"], units=12, dtype="float32")
    x = np.zeros((20_000_000, 3), np.float32)
    must_end_within(lambda: net.predict(x, n_threads=n_threads))


# Records of the core --------------------------------------------------------------------------------------------


def test_what_the_core_tells_is_what_the_history_holds():
    told = {name for name in vars(core.CascadeResult) if not name.startswith("_")}
    held = {field.name for field in dataclasses.fields(lamina.cascade.CascadeHistory)}
    assert told - held == {"unit_weights", "output_weights"}
    assert held <= told


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("pool", [], "pool of CascadeOptions must hold at least one activation"),
        ("output", "tanh", "output of CascadeOptions must be identity or logistic; got tanh"),
        ("candidates", 0, "candidates of CascadeOptions must be at least 1; got 0"),
        ("max_units", -1, "max_units of CascadeOptions must be at least 0; got -1"),
        ("mu", 0.0, "mu of CascadeOptions must be greater than 0; got 0"),
        ("tolerance", np.nan, "tolerance of CascadeOptions must be at least 0; got nan"),
        ("threads", -1, "threads of CascadeOptions must be at least 0; got -1"),
    ],
)
def test_options_out_of_bounds(name, value, message):
    options = core.CascadeOptions()
    before = getattr(options, name)
    with pytest.raises(ValueError, match=message):
        setattr(options, name, value)
    assert getattr(options, name) == before
    with pytest.raises(ValueError, match="patience of PhaseLimits must be at least 1; got 0"):
        core.PhaseLimits(10, 0, 0.1)
