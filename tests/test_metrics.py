"""Metrics of the core against scikit-learn's, and epochs chosen by them."""

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

import lamina

RNG = np.random.default_rng(0)
ROWS = 240
X = RNG.normal(size=(ROWS, 4))
WEIGHTS = {"none": None, "some": RNG.integers(0, 4, ROWS).astype(float)}


def classes(n, loss="cross_entropy"):
    y = (X[:, 0] + 0.7 * RNG.normal(size=ROWS) > np.linspace(-0.5, 0.5, n - 1)[:, None]).sum(axis=0)
    net = lamina.Network([lamina.Dense(5), lamina.Dense(n if loss == "cross_entropy" else 1)], 4, loss, seed=1)
    net.fit(X, y, epochs=5, validation=None)
    return net, y


def numbers():
    y = X @ RNG.normal(size=(4, 2)) + 3
    net = lamina.Network([lamina.Dense(5), lamina.Dense(2)], 4, seed=1)
    net.fit(X, y, epochs=20, validation=None)
    return net, y


def of_classes(name, y, p, w):
    p = p.astype(float) if p.shape[1] > 1 else np.hstack([1.0 - p, p])
    p /= p.sum(axis=1, keepdims=True)  # of float32 they sum to nearly one
    labels = p.argmax(axis=1)
    several = {} if p.shape[1] == 2 else {"multi_class": "ovr"}
    return {
        "error": lambda: 1 - sklearn_metrics.accuracy_score(y, labels, sample_weight=w),
        "accuracy": lambda: sklearn_metrics.accuracy_score(y, labels, sample_weight=w),
        "log_loss": lambda: sklearn_metrics.log_loss(y, p, sample_weight=w),
        "auc": lambda: sklearn_metrics.roc_auc_score(y, p[:, 1] if p.shape[1] == 2 else p, sample_weight=w, **several),
    }[name]()


def of_numbers(name, y, p, w):
    return {
        "rmse": lambda: np.sqrt(sklearn_metrics.mean_squared_error(y, p, sample_weight=w)),
        "mae": lambda: sklearn_metrics.mean_absolute_error(y, p, sample_weight=w),
        "r2": lambda: sklearn_metrics.r2_score(y, p, sample_weight=w),
    }[name]()


FOR_CLASSES = {"error", "accuracy", "log_loss", "auc"}


def test_every_metric_is_compared():
    assert set(lamina.metrics.names()) == FOR_CLASSES | {"rmse", "mae", "r2"}
    assert [m["name"] for m in lamina.metrics.describe() if m["greater_is_better"]] == ["accuracy", "auc", "r2"]


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("task", [(2, "cross_entropy"), (3, "cross_entropy"), (2, "binary_cross_entropy")], ids=str)
@pytest.mark.parametrize("name", sorted(FOR_CLASSES))
def test_as_scikit_learn_has_it_for_classes(name, task, weights):
    net, y = classes(*task)
    w = WEIGHTS[weights]
    found = net.evaluate(X, y, sample_weight=w, metric=name)
    assert found == pytest.approx(of_classes(name, y, net.predict(X), w), rel=1e-5)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("name", ["mae", "r2", "rmse"])
def test_as_scikit_learn_has_it_for_numbers(name, weights):
    net, y = numbers()
    w = WEIGHTS[weights]
    assert net.evaluate(X, y, sample_weight=w, metric=name) == pytest.approx(
        of_numbers(name, y, net.predict(X), w), rel=1e-5
    )


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("name", lamina.metrics.names())
def test_arrays_have_the_metric_of_a_network_that_predicts_them(name, weights):
    metric, w = lamina.metrics.get(name), WEIGHTS[weights]
    tasks = [numbers()] if metric.targets == "numbers" else [classes(2), classes(3), classes(2, "binary_cross_entropy")]
    for net, y in tasks:
        y = y.astype(net.dtype) if metric.targets == "numbers" else y
        found = metric(y, net.predict(X), w)
        assert found == net.evaluate(X, y, sample_weight=w, metric=name)
        assert found == metric(y.tolist(), net.predict(X).tolist(), None if w is None else w.tolist())


def test_metrics_by_name():
    for entry in lamina.metrics.describe():
        metric = lamina.metrics.get(entry["name"])
        assert lamina.metrics.get(metric) is metric
        assert all(lamina.metrics.get(alias) == metric for alias in entry["aliases"])
        assert (metric.name, metric.targets, metric.greater_is_better) == tuple(
            entry[part] for part in ("name", "targets", "greater_is_better")
        )
    with pytest.raises(ValueError, match="unknown metric 'aucc'; did you mean 'auc'"):
        lamina.metrics.get("aucc")
    with pytest.raises(TypeError, match="metric must be a name or a metric; got int"):
        lamina.metrics.get(3)


def test_metrics_of_arrays_that_have_none():
    get = lamina.metrics.get
    assert np.isnan(get("auc")([1, 1], [0.1, 0.2]))
    assert np.isnan(get("rmse")([1, 1], [0.1, np.nan]))
    assert get("auc")([0, 1, 1], [0.5, np.nan, 0.7], [1, 0, 1]) == 1.0
    half = [[0.5, 0.5], [0.5, 0.5]]
    for call, words in {
        lambda: get("rmse")([1.0], [1.0, 2.0]): "as many rows, at least one",
        lambda: get("rmse")([], []): "as many rows, at least one",
        lambda: get("rmse")([[1.0, 2.0]], [[1.0]]): r"targets must have the shape of predicted, \(1, 1\)",
        lambda: get("rmse")([np.nan], [1.0]): "targets must be finite",
        lambda: get("error")([0, 2], half): r"class numbers in 0 \.\. 1",
        lambda: get("error")([0, 0.5], half): r"class numbers in 0 \.\. 1",
        lambda: get("auc")([0, 2], [0.1, 0.2]): "targets must be 0 and 1",
        lambda: get("mae")([1.0], [1.0], [1.0, 2.0]): "sample_weight must have one entry for each of the 1 rows",
        lambda: get("mae")([1.0], [1.0], [-1.0]): "sample_weight must be finite, not below 0",
    }.items():
        with pytest.raises(ValueError, match=words):
            call()


@pytest.mark.parametrize("size", [1e-200, 1e-3, 1.0, 1e200, 1e307])
def test_metrics_of_numbers_of_any_size(size):
    rng = np.random.default_rng(1)
    t, y = rng.normal(size=(50, 2)), rng.normal(size=(50, 2))
    for name in ("rmse", "mae"):
        assert lamina.metrics.get(name)(t * size, y * size) == pytest.approx(size * of_numbers(name, t, y, None))
    assert lamina.metrics.get("r2")(t * size, y * size) == pytest.approx(of_numbers("r2", t, y, None))


def test_ties_of_the_auc_count_half():
    net = lamina.Network([lamina.Dense(2, initializer="zeros")], 4, "cross_entropy")
    assert net.evaluate(X, X[:, 0] > 0, metric="auc") == 0.5


def test_a_class_without_rows_is_left_out_of_the_auc():
    net, _ = classes(3)
    y = (X[:, 0] > 0).astype(int)
    p = net.predict(X).astype(float)
    both = [sklearn_metrics.roc_auc_score(y == k, p[:, k]) for k in (0, 1)]
    assert net.evaluate(X, y, metric="auc") == pytest.approx(np.mean(both), rel=1e-6)


@pytest.mark.parametrize("how", ["scoring", "monitor"])
@pytest.mark.parametrize("name", lamina.metrics.names())
def test_an_epoch_is_chosen_by_it(name, how):
    net, y = classes(2) if name in FOR_CLASSES else numbers()
    net = lamina.Network(net.layers, 4, net.loss, seed=2)
    stopping = lamina.EarlyStopping(50, monitor=name) if how == "monitor" else lamina.EarlyStopping(50)
    history = net.fit(
        X,
        y,
        epochs=30,
        optimizer=lamina.Adam(3e-2),
        validation=(X[::3], y[::3]),
        early_stopping=stopping,
        scoring=name if how == "scoring" else None,
    )
    scores = history.validation_score
    assert len(scores) == 30
    greater = {m["name"]: m["greater_is_better"] for m in lamina.metrics.describe()}[name]
    assert scores[history.best_epoch - 1] == (max if greater else min)(scores)
    assert net.evaluate(X[::3], y[::3], metric=name) == scores[history.best_epoch - 1]


def test_the_latest_of_equal_epochs():
    net, y = classes(2)
    best = {}
    for latest in (False, True):
        own = lamina.Network(net.layers, 4, net.loss, seed=2)
        stopping = lamina.EarlyStopping(50, monitor="error", latest=latest)
        history = own.fit(X, y, epochs=40, validation=(X[:20], y[:20]), early_stopping=stopping)
        scores = np.array(history.validation_score)
        best[latest] = np.flatnonzero(scores == scores.min()) + 1, history.best_epoch
    assert best[False][1] == best[False][0][0]
    assert best[True][1] == best[True][0][-1]
    assert best[True][0][-1] > best[True][0][0], "no tie in this run: it tests nothing"


def test_callbacks_see_the_score():
    net, y = classes(2)
    seen = []
    history = net.fit(X, y, epochs=3, scoring="auc", callbacks=lambda epoch: seen.append(epoch.score))
    assert seen == history.validation_score


def test_misuse():
    net, y = classes(2)
    with pytest.raises(ValueError, match="metric 'rmse' needs a regression loss; got cross_entropy"):
        net.evaluate(X, y, metric="rmse")
    with pytest.raises(ValueError, match="metric 'rmse' needs a regression loss"):
        net.fit(X, y, scoring="rmse")
    with pytest.raises(ValueError, match="needs a validation part"):
        net.fit(X, y, scoring="auc", validation=None)
    with pytest.raises(ValueError, match="needs a validation part"):
        net.fit(X, y, early_stopping=lamina.EarlyStopping(monitor="auc"), validation=None)
    with pytest.raises(ValueError, match="'loss', 'error'"):
        lamina.EarlyStopping(monitor="acuracy")


def test_what_is_no_probability_has_no_log_loss():
    net, y = classes(2, "hinge")
    with pytest.raises(
        ValueError, match="metric 'log_loss' needs a loss whose predictions are probabilities; got hinge"
    ):
        net.evaluate(X, y, metric="log_loss")
    with pytest.raises(ValueError, match="predictions are probabilities"):
        net.fit(X, y, scoring="log_loss")
    assert 0 <= net.evaluate(X, y, metric="error") <= 1

    def value(y, t):
        return (y - t) ** 2

    own = lamina.losses.custom(value, lambda y, t: 2 * (y - t), "own", targets="binary")
    with pytest.raises(ValueError, match="predictions are probabilities; got own"):
        lamina.Network([lamina.Dense(1)], 4, own).evaluate(X, y, metric="log_loss")


@pytest.mark.parametrize("name", lamina.metrics.names())
def test_a_prediction_that_is_nan_is_told(name):
    net, y = classes(2) if name in FOR_CLASSES else numbers()
    good = net.evaluate(X, y, metric=name)
    # One row whose outputs overflow to infinities of both signs.
    net.parameters["0.weight"][...] = np.where(np.arange(5) % 2, 1e38, -1e38)
    net.parameters["1.weight"][...] = 1e38
    assert np.isnan(net.predict(X)).any()
    assert np.isnan(net.evaluate(X, y, metric=name))
    assert np.isfinite(good)


def test_rows_of_weight_0_are_no_part_of_the_auc():
    net, y = classes(2)
    weight = np.where(np.arange(ROWS) % 3, 1.0, 0.0)
    kept = weight > 0
    found = net.evaluate(X, y, sample_weight=weight, metric="auc")
    assert found == net.evaluate(X[kept], y[kept], metric="auc")
    x = X.copy()
    x[0] = 1e38  # its outputs are infinities of both signs
    with np.errstate(all="ignore"):
        net.parameters["0.weight"][...] = np.where(np.arange(5) % 2, 10.0, -10.0)
        assert np.isnan(net.predict(x)[0]).all()
    y = y.copy()
    y[0] = 1 - y[1]
    whole = net.evaluate(x, y, sample_weight=weight, metric="auc")
    assert weight[0] == 0
    assert whole == net.evaluate(x[kept], y[kept], metric="auc")


@pytest.mark.parametrize("n", [2, 3])
def test_an_auc_that_can_never_be_had_is_refused(n):
    net, y = classes(n)
    net = lamina.Network(net.layers, 4, net.loss, seed=2, normalize_inputs=True)
    before = net.parameters["0.weight"].copy()
    one = y == 1
    with pytest.raises(ValueError, match="metric 'auc' needs validation samples of a class and of another"):
        net.fit(X, y, validation=(X[one], y[one]), scoring="auc")
    with pytest.raises(ValueError, match="metric 'auc' needs validation samples of a class and of another"):
        net.fit(X, y, validation=(X, y), validation_sample_weight=one.astype(float), scoring="auc")
    np.testing.assert_array_equal(net.parameters["0.weight"], before)
    assert net.history is None
    assert net.input_normalization is None
    net.fit(X, y, epochs=1, validation=(X[:50], y[:50]), scoring="auc")


@pytest.mark.parametrize("scoring", ["accuracy", lambda net, x, y: 0.5])
@pytest.mark.filterwarnings("ignore::lamina.DivergenceWarning")
def test_an_epoch_that_diverges_has_an_entry(scoring):
    net, y = classes(2)
    history = net.fit(X, y, epochs=5, scoring=scoring, optimizer=lamina.SGD(1e38))
    assert history.diverged
    assert len(history.validation_score) == len(history.loss) == len(history.validation_loss)
    assert np.isnan(history.validation_score[-1])
