"""RecurrentClassifier and RecurrentRegressor: sequences, windows of a series, the order of time."""

import warnings

import numpy as np
import pytest

import lamina

pytest.importorskip("sklearn")
from sklearn.base import clone
from sklearn.metrics import get_scorer, log_loss
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score, cross_validate

from lamina.estimators import window_scorer

SERIES = np.sin(np.arange(600) / 6) + 0.3 * np.sin(np.arange(600) / 2.3)
FAST = {"optimizer": lamina.Adam(1e-2), "random_state": 0}


@pytest.mark.parametrize("kind", ["elman", "jordan"])
def test_a_series_is_forecast(kind):
    net = lamina.RecurrentRegressor((12, 8), kind=kind, window=12, horizon=3, stride=2, max_iter=60, **FAST)
    assert net.fit(SERIES[:450]).score(SERIES[450:]) > 0.97
    predictions = net.predict(SERIES)
    assert predictions.shape == (600 - 22,)
    # The first prediction is that of the first window, of every second time.
    np.testing.assert_array_equal(predictions[:1], net.predict(SERIES[:23]))
    raw = net.network_.predict(SERIES[0:23:2].reshape(1, 12, 1))  # in units of the target's deviation
    np.testing.assert_allclose(predictions[:1], (raw * net.target_scale_ + net.target_mean_)[:, 0], rtol=1e-6)


@pytest.mark.parametrize("kind", ["RecurrentRegressor", "RecurrentClassifier"])
def test_a_score_counts_rows_by_their_weights(kind, rng):
    X, weight = rng.normal(size=(60, 4)), np.arange(60) % 3
    y = X[:, 0] if kind == "RecurrentRegressor" else np.where(X[:, 0] > 0, "up", "down")
    S, net = X.reshape(60, 2, 2), getattr(lamina, kind)(4, max_iter=2, **FAST)
    net.fit(S, y)
    repeated = np.repeat(np.arange(60), weight)
    assert net.score(S, y, sample_weight=weight) == pytest.approx(net.score(S[repeated], y[repeated]))
    assert net.score(S, y, sample_weight=weight) != net.score(S, y)
    with pytest.raises(ValueError, match="sample_weight"):
        net.score(S, y, sample_weight=-np.ones(60))
    net = getattr(lamina, kind)(4, window=3, horizon=2, max_iter=2, **FAST).fit(X, y)
    windows, targets = net.windows(X, y)
    of_sequences = clone(net).set_params(window=None, horizon=None)
    of_sequences.__dict__.update({name: value for name, value in vars(net).items() if name.endswith("_")})
    of_sequences._flat = True
    assert net.score(X, y, sample_weight=weight) == of_sequences.score(windows, targets, sample_weight=weight[4:])


@pytest.mark.parametrize("kind", ["RecurrentRegressor", "RecurrentClassifier"])
def test_no_samples_are_refused(kind):
    S, y = np.zeros((6, 2, 2)), np.arange(6) % 2
    for empty, targets in ((S[:0], y[:0]), (S[:, :0], y)):
        with pytest.raises(ValueError, match="X must have at least one sample and one step"):
            getattr(lamina, kind)(4, **FAST).fit(empty, targets)


def test_logarithms_of_probabilities(rng):
    S, y = rng.normal(size=(60, 2, 2)), np.arange(60) % 3
    net = lamina.RecurrentClassifier(4, max_iter=2, **FAST).fit(S, y)
    np.testing.assert_array_equal(net.predict_log_proba(S), np.log(net.predict_proba(S)))


def test_validation_keeps_the_order_of_time():
    net = lamina.RecurrentRegressor(4, window=5, max_iter=3, validation_fraction=0.25, **FAST)
    seen, fit = [], lamina.Network.fit

    def spy(self, X, y, **options):
        seen.append((len(X), options["validation"].indices(len(X), None, 0)))
        return fit(self, X, y, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lamina.Network, "fit", spy)
        net.fit(SERIES)
    rows, (train, held) = seen[0]
    assert rows == 600 - 4 - 1
    assert train.max() < held.min()
    assert len(held) == round(rows / 4)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 25, 45, 46])
@pytest.mark.parametrize("weighted", [False, True])
def test_targets_are_scaled_by_what_is_trained_on(n, weighted):
    X, y = np.arange(2.0 * n).reshape(n, 2), np.arange(n) ** 2.0
    weight = np.where(np.arange(n) == 1, 1e-200, 1.0) if weighted and n > 3 else np.ones(n)  # 0 in float32
    net = lamina.RecurrentRegressor(2, window=1, horizon=0, kind="jordan", max_iter=1, random_state=0)
    seen, fit = [], lamina.Network.fit

    def spy(self, X, y, **options):
        seen.append(options["validation"].indices(len(X), None, 0)[0])
        return fit(self, X, y, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lamina.Network, "fit", spy)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of few rows
            net.fit(X, y, sample_weight=weight)
    trained = y[weight == 1][seen[0]]
    assert len(trained) == len(seen[0]) > 0
    assert net.target_mean_ == pytest.approx([trained.mean()])
    assert net.target_scale_ == pytest.approx([trained.std() if len(trained) > 1 else 1.0])


def test_other_targets_and_several_of_them():
    X = np.stack([SERIES, np.roll(SERIES, 5)], axis=1)
    y = np.stack([SERIES**2, -SERIES], axis=1)
    net = lamina.RecurrentRegressor(16, window=4, horizon=0, max_iter=60, **FAST).fit(X, y)
    assert net.predict(X).shape == (597, 2)
    assert net.score(X, y) > 0.95


@pytest.mark.parametrize("kind", ["elman", "jordan"])
def test_sequences_of_different_lengths_are_classified(kind, rng):
    lengths = rng.integers(3, 12, 300)
    sequences = [rng.normal(size=(n, 2)) for n in lengths]
    labels = np.array(["down", "up"])[[int(s[:, 0].sum() > 0) for s in sequences]]
    net = lamina.RecurrentClassifier(16, kind=kind, max_iter=60, **FAST).fit(sequences[:200], labels[:200])
    assert net.score(sequences[200:], labels[200:]) > 0.9
    X, ends = lamina.pad(sequences)
    np.testing.assert_array_equal(net.predict(X, ends), net.predict(sequences))
    np.testing.assert_allclose(net.predict_proba(sequences).sum(axis=1), 1, rtol=1e-5)
    assert list(net.classes_) == ["down", "up"]


def test_clones_repeat_to_the_bit():
    net = lamina.RecurrentClassifier(6, window=8, max_iter=5, **FAST)
    labels = (SERIES > 0).astype(int)
    first, second = net.fit(SERIES, labels), clone(net).fit(SERIES, labels)
    np.testing.assert_array_equal(first.predict_proba(SERIES), second.predict_proba(SERIES))


def test_what_is_refused():
    regressor = lamina.RecurrentRegressor
    refused = {
        "window must be at least 1; got 0": lambda: regressor(window=0).fit(SERIES),
        "horizon must be at least 0; got -1": lambda: regressor(window=3, horizon=-1).fit(SERIES),
        "stride must be at least 1": lambda: regressor(window=3, stride=0).fit(SERIES),
        "X must have more than 9 times": lambda: regressor(window=10).fit(SERIES[:9]),
        "X must have more than 13 times": lambda: regressor(window=10, horizon=4).fit(SERIES[:13]),
        "y must have an entry for each of the 600 times": lambda: regressor(window=3).fit(SERIES, SERIES[:9]),
        "y must be given": lambda: regressor().fit(np.zeros((3, 4, 1))),
        "lengths go with sequences": lambda: regressor(window=3).fit(SERIES, lengths=[1]),
        "hidden_layer_sizes must name": lambda: regressor((), window=3).fit(SERIES),
        r"sequences\[1\] must be": lambda: lamina.pad([np.zeros((3, 2)), np.zeros((0, 2))]),
        "sequences must hold at least one": lambda: lamina.pad([]),
    }
    for message, call in refused.items():
        with pytest.raises(ValueError, match=message):
            call()


def test_a_series_of_any_size_and_place_is_learned():
    times = np.arange(500)
    series = 130 + 0.02 * times + 12 * np.sin(2 * np.pi * times / 7)
    net = lamina.RecurrentRegressor(16, window=14, max_iter=60, random_state=0).fit(series[:400])
    assert net.score(series[400:]) > 0.9


# Scores of windows --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["RecurrentRegressor", "RecurrentClassifier"])
def test_a_score_of_windows_wants_a_target_for_every_time(kind):
    y = SERIES if kind == "RecurrentRegressor" else np.where(SERIES > 0, "up", "down")
    net = getattr(lamina, kind)(4, window=10, max_iter=2, **FAST).fit(SERIES, y)
    for wrong in (y[10:], y[:50], np.append(y, y[-1:])):
        wanted = f"y must have an entry for each of the 600 times of X; got {len(wrong)}"
        for weight in (None, np.ones(len(wrong))):
            with pytest.raises(ValueError, match=wanted):
                net.score(SERIES, wrong, sample_weight=weight)
    with pytest.raises(ValueError, match="sample_weight"):
        net.score(SERIES, y, sample_weight=np.ones(50))
    sequences, ends = net.windows(SERIES, y)
    of_sequences = getattr(lamina, kind)(4, max_iter=2, **FAST).fit(sequences, ends)
    for wrong in (ends[1:], ends[:50], np.append(ends, ends[-1:])):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            of_sequences.score(sequences, wrong)
    net.set_params(horizon=3)
    with pytest.raises(ValueError, match="X must have more than 12 times, for a window and its target; got 11"):
        net.score(SERIES[:11], y[:11])


@pytest.mark.parametrize("horizon", [0, 1, 3])
def test_named_scores_of_windows_are_those_of_what_is_known(horizon):
    net = lamina.RecurrentRegressor(4, window=6, stride=2, horizon=horizon, max_iter=3, **FAST).fit(SERIES[:300])
    series = SERIES[300:]
    assert window_scorer("r2")(net, series, series) == pytest.approx(net.score(series), rel=1e-12)
    targets = series[10 + horizon :]
    error = np.abs(net.predict(series)[: len(targets)] - targets).mean()
    assert window_scorer("neg_mean_absolute_error")(net, series, series) == pytest.approx(-error, rel=1e-12)
    assert window_scorer("neg_mean_absolute_error")(net, series) == pytest.approx(-error, rel=1e-12)
    assert net.window == 6


def test_the_classes_tell_what_named_scores_of_windows_need():
    net = lamina.RecurrentRegressor(4, window=5, max_iter=2, **FAST).fit(SERIES)
    with pytest.raises(ValueError, match=r"\[50, 46\]") as error:
        get_scorer("neg_mean_absolute_error")(net, SERIES[:50], SERIES[:50])
    said = str(error.value).split(":")[0]
    for estimator in (lamina.RecurrentRegressor, lamina.RecurrentClassifier):
        assert said in " ".join(estimator.__doc__.split())
        assert "scoring=lamina.estimators.window_scorer(" in estimator.__doc__


def test_cross_validation_and_searches_of_windows():
    net = lamina.RecurrentRegressor(4, window=6, max_iter=2, **FAST)
    scorers = {name: window_scorer(name) for name in ("r2", "neg_mean_absolute_error")}
    found = cross_validate(net, SERIES, SERIES, scoring=scorers, cv=TimeSeriesSplit(3))
    assert np.isfinite([found["test_r2"], found["test_neg_mean_absolute_error"]]).all()
    np.testing.assert_array_equal(found["test_r2"], cross_val_score(net, SERIES, SERIES, cv=TimeSeriesSplit(3)))
    search = GridSearchCV(net, {"window": [3, 6]}, scoring=window_scorer("r2"), cv=TimeSeriesSplit(2))
    assert np.isfinite(search.fit(SERIES, SERIES).cv_results_["mean_test_score"]).all()


def test_probabilities_of_windows_are_scored():
    labels = np.where(SERIES > 0, "up", "down")
    net = lamina.RecurrentClassifier(4, window=3, max_iter=3, **FAST).fit(SERIES, labels)
    known = labels[2:]
    assert window_scorer("neg_log_loss")(net, SERIES, labels) == pytest.approx(
        -log_loss(known, net.predict_proba(SERIES)), rel=1e-6
    )
    assert window_scorer("accuracy")(net, SERIES, labels) == net.score(SERIES, labels)


def test_windows_and_their_targets_are_sequences():
    of_series = lamina.RecurrentRegressor(4, window=5, stride=3, horizon=2, max_iter=2, shuffle=False, **FAST)
    windows, targets = of_series.windows(SERIES)
    assert windows.shape == (600 - 12 - 2, 5, 1)
    np.testing.assert_array_equal(windows[7, :, 0], SERIES[7:20:3])
    assert targets[7] == SERIES[7 + 12 + 2]
    with pytest.raises(ValueError, match="window must be given"):
        lamina.RecurrentRegressor(4).windows(SERIES)
    with pytest.raises(ValueError, match="no_such_score"):
        window_scorer("no_such_score")
