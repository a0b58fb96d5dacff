"""Cross-validation: each fold is a fit of its own, to the bit, however many run at a time."""

import functools
import threading
import time

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import GroupKFold, KFold, RepeatedKFold, ShuffleSplit, StratifiedKFold, TimeSeriesSplit

import lamina

OPTIONS = {"epochs": 12, "optimizer": lamina.Adam(1e-2), "early_stopping": lamina.EarlyStopping(patience=3)}


def digits(rows=400):
    X, y = load_digits(return_X_y=True)
    return (X[:rows] / 16).astype(np.float32), y[:rows]


def network(units=24, **options):
    layers = [lamina.Dense(units, activation="relu"), lamina.Dropout(0.1), lamina.Dense(10)]
    return lamina.Network(layers, n_inputs=64, loss="cross_entropy", seed=3, **options)


@pytest.mark.parametrize("n_jobs", [1, 2, 3])
def test_folds_equal_separate_fits_to_the_bit(n_jobs):
    X, y = digits()
    net = network(normalize_inputs=True)
    cv = lamina.cross_validate(net, X, y, n_jobs=n_jobs, l2=1e-4, clip=lamina.AGC(0.05), **OPTIONS)
    for fold in range(5):
        held, own = cv.folds == fold, network(normalize_inputs=True)
        history = own.fit(X[~held], y[~held], validation=(X[held], y[held]), l2=1e-4, clip=lamina.AGC(0.05), **OPTIONS)
        assert cv.histories[fold] == history
        for name, value in own.parameters.items():
            np.testing.assert_array_equal(cv.networks[fold].parameters[name], value, err_msg=name)
        np.testing.assert_array_equal(cv.out_of_fold[held], own.predict(X[held]))
        assert cv.scores[fold] == own.evaluate(X[held], y[held])


def test_weights_reach_training_and_scores():
    X, y = digits(300)
    weight = np.random.default_rng(0).uniform(0.5, 2, size=300)
    cv = lamina.cross_validate(network(), X, y, k=3, sample_weight=weight, class_weight="balanced", **OPTIONS)
    held, own = cv.folds == 1, network()
    own.fit(
        X[~held], y[~held], sample_weight=weight[~held], validation=(X[held], y[held]),
        validation_sample_weight=weight[held], class_weight="balanced", **OPTIONS,
    )  # fmt: skip
    np.testing.assert_array_equal(cv.out_of_fold[held], own.predict(X[held]))
    assert cv.scores[1] == own.evaluate(X[held], y[held], weight[held])


def test_the_network_given_does_not_change():
    X, y = digits(200)
    net = network()
    before = net.parameters["0.weight"].copy()
    lamina.cross_validate(net, X, y, k=2, **OPTIONS)
    np.testing.assert_array_equal(net.parameters["0.weight"], before)
    assert net.history is None


def test_mean_and_standard_deviation():
    X, y = digits(200)
    cv = lamina.cross_validate(network(), X, y, k=4, scoring="accuracy", **OPTIONS)
    right = cv.out_of_fold.argmax(axis=1) == y
    np.testing.assert_allclose(cv.scores, [right[cv.folds == fold].mean() for fold in range(4)])
    assert cv.mean == pytest.approx(np.mean(cv.scores))
    assert cv.std == pytest.approx(np.std(cv.scores, ddof=1))
    assert str(cv).startswith("4 folds: ")


def test_pooled_best_epoch_and_refit():
    X, y = digits()
    cv = lamina.cross_validate(network(), X, y, **OPTIONS)
    lengths = [len(h.validation_loss) for h in cv.histories]
    assert len(cv.validation_curve) == max(lengths)
    by_hand = [np.mean([h.validation_loss[min(i, n - 1)] for h, n in zip(cv.histories, lengths, strict=True)])
               for i in range(max(lengths))]  # fmt: skip
    np.testing.assert_allclose(cv.validation_curve, by_hand)
    assert cv.best_epoch == int(np.argmin(by_hand)) + 1
    whole = cv.refit()
    assert whole.history.epochs == cv.best_epoch
    own = network()
    own.fit(X, y, **{**OPTIONS, "epochs": cv.best_epoch, "validation": None, "early_stopping": None})
    np.testing.assert_array_equal(whole.predict(X), own.predict(X))


def test_refit_takes_callbacks_as_a_fit_does():
    X, y = digits(100)
    found = lamina.cross_validate(network(), X, y, k=3, stratify=False, epochs=3)
    seen = []
    for given in (None, lambda epoch: seen.append(epoch), [seen.append], (hook for hook in [seen.append])):
        del seen[:]
        assert found.refit(callbacks=given).history.epochs == found.best_epoch
        assert len(seen) == (given is not None) * found.best_epoch
    with pytest.raises(TypeError, match="callbacks must be callables with an Epoch; got 3"):
        found.refit(callbacks=3)


def test_regression_in_order_and_grouped():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3))
    y = X @ [1.0, -2.0, 0.5] + 0.1 * rng.normal(size=120)
    net = lamina.Network([lamina.Dense(1)], n_inputs=3)
    options = {"epochs": 40, "optimizer": lamina.Adam(0.05), "scoring": "r2"}
    in_order = lamina.cross_validate(net, X, y, k=4, shuffle=False, **options)
    assert in_order.folds.tolist() == sorted(in_order.folds.tolist())
    assert in_order.mean > 0.95
    groups = np.repeat(np.arange(12), 10)
    grouped = lamina.cross_validate(net, X, y, k=4, groups=groups, **options)
    assert all(len(set(grouped.folds[groups == group])) == 1 for group in range(12))


@pytest.mark.parametrize("scoring", [None, "r2"])
def test_sequences_of_different_lengths(scoring):
    rng = np.random.default_rng(0)
    X, lengths = rng.normal(size=(40, 6, 2)), rng.integers(1, 7, 40)
    net = lamina.Network([lamina.Recurrent(4), lamina.Dense(1)], n_inputs=2, loss="squared_error", seed=3)
    y = X[:, 0, 0]
    X[np.arange(6) >= lengths[:, None]] = np.nan  # what lies beyond may be anything
    cv = lamina.cross_validate(net, X, y, k=4, epochs=3, lengths=lengths, scoring=scoring)
    held = cv.folds == 1
    alone = lamina.Network(net.layers, n_inputs=2, loss="squared_error", seed=3)
    alone.fit(
        X[~held], y[~held], lengths=lengths[~held], validation=(X[held], y[held], lengths[held]), epochs=3, n_threads=1
    )
    np.testing.assert_array_equal(alone.predict(X[held], lengths=lengths[held]), cv.out_of_fold[held])


def test_a_network_with_an_output_at_every_step_is_refused():
    net = lamina.Network([lamina.Recurrent(4, return_sequences=True)], n_inputs=2, loss="squared_error")
    with pytest.raises(ValueError, match="one target a sequence"):
        lamina.cross_validate(net, np.zeros((9, 5, 2)), np.zeros((9, 5, 4)))


def test_stopping_on_a_share_of_the_training_rows():
    X, y = digits(300)
    cv = lamina.cross_validate(network(), X, y, k=3, validation=0.2, **OPTIONS)
    held, own = cv.folds == 0, network()
    own.fit(X[~held], y[~held], validation=0.2, **OPTIONS)
    np.testing.assert_array_equal(cv.out_of_fold[held], own.predict(X[held]))


def test_a_callback_given_as_a_generator_reaches_every_fold():
    X, y = digits(200)
    seen = []
    lamina.cross_validate(network(), X, y, k=4, callbacks=(hook for hook in [seen.append]), epochs=2)
    assert len(seen) == 8


def test_verbose_tells_of_each_fold(capfd):
    X, y = digits(200)
    lamina.cross_validate(network(), X, y, k=2, verbose=1, epochs=2)
    assert capfd.readouterr().err.count("best epoch") == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 1}, "k must be at least 2"),
        ({"k": 61}, "k must be at most the number of rows, 60; got 61 folds"),
        ({"k": 12}, r"at least k = 12 members of every class; class \d has \d: take fewer folds, or stratify=False"),
        ({"groups": np.repeat([0, 1], 30)}, "at most 2 parts"),
        ({"k": 2, "scoring": "r2"}, "needs a regression loss; got cross_entropy"),
        ({"k": 2, "scoring": "f1"}, "scoring must be None"),
        ({"n_jobs": 0}, "n_jobs must be at least 1"),
    ],
)
def test_misuse(options, message):
    X, y = digits(60)
    with pytest.raises(ValueError, match=message):
        lamina.cross_validate(network(), X, y, **options)


def test_options_that_are_none_here():
    X, y = digits(60)
    with pytest.raises(TypeError, match="n_threads is no option here"):
        lamina.cross_validate(network(), X, y, k=2, n_threads=2)
    with pytest.raises(TypeError, match=r"net must be a lamina\.Network"):
        lamina.cross_validate([lamina.Dense(3)], X, y)


def test_an_error_in_one_fold_ends_the_others():
    X, y = digits()
    threads, started = threading.active_count(), time.perf_counter()

    def fail(epoch):
        if epoch.epoch == 3:
            raise RuntimeError("not today")

    with pytest.raises(RuntimeError, match="not today"):
        lamina.cross_validate(network(), X, y, epochs=100_000, early_stopping=None, callbacks=[fail])
    assert time.perf_counter() - started < 20
    assert threading.active_count() == threads


def test_a_fold_that_diverges_is_told():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    net = lamina.Network([lamina.Dense(8, "relu"), lamina.Dense(1)], n_inputs=3)
    with pytest.warns(lamina.DivergenceWarning):
        cv = lamina.cross_validate(net, X, X[:, 0] * 1e3, k=2, optimizer=lamina.SGD(1e6), epochs=20, n_jobs=1)
    assert all(history.diverged for history in cv.histories)
    assert 1 <= cv.best_epoch <= 20


# Folds of other kinds -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "splitter",
    [
        KFold(4),
        StratifiedKFold(3, shuffle=True, random_state=1),
        TimeSeriesSplit(3),
        RepeatedKFold(n_splits=2, n_repeats=2),
    ],
    ids=lambda splitter: type(splitter).__name__,
)
@pytest.mark.parametrize("one_hot", [False, True])
def test_scikit_learns_splitters(splitter, one_hot):
    X, y = digits(120)
    pairs = list(splitter.split(X, y)) if not isinstance(splitter, RepeatedKFold) else None
    cv = lamina.cross_validate(network(8), X, np.eye(10)[y] if one_hot else y, splitter, epochs=2)
    assert len(cv.scores) == len(cv.networks) == splitter.get_n_splits(X, y)
    if pairs is None:
        np.testing.assert_array_equal(np.bincount(cv.folds + 1, minlength=5)[:3], 0)  # the last two hold all out, again
        assert np.isfinite(cv.out_of_fold).all()
        return
    for number, (train, held) in enumerate(pairs):
        own = network(8)
        own.fit(X[train], y[train], validation=(X[held], y[held]), epochs=2)
        np.testing.assert_allclose(cv.out_of_fold[held], own.predict(X[held]), rtol=1e-5, atol=1e-6)
        assert cv.scores[number] == pytest.approx(own.evaluate(X[held], y[held]), rel=1e-6)
        np.testing.assert_array_equal(cv.folds[held], number)
    never = np.setdiff1d(np.arange(120), np.concatenate([held for _, held in pairs]))
    assert np.isnan(cv.out_of_fold[never]).all()
    np.testing.assert_array_equal(cv.folds[never], -1)


def test_folds_as_pairs_of_rows_and_groups_for_a_splitter():
    X, y = digits(60)
    groups = np.arange(60) // 6
    pairs = list(GroupKFold(5).split(X, y, groups))
    by_splitter = lamina.cross_validate(network(8), X, y, GroupKFold(5), groups=groups, epochs=1)
    by_pairs = lamina.cross_validate(network(8), X, y, (pair for pair in pairs), epochs=1)
    np.testing.assert_array_equal(by_splitter.scores, by_pairs.scores)
    np.testing.assert_array_equal(by_splitter.out_of_fold, by_pairs.out_of_fold)


def test_folds_as_masks():
    X, y = digits(60)
    home = np.arange(60) % 3
    masks = [(home != i, (home == i).tolist()) for i in range(3)]
    rows = [(np.flatnonzero(train), np.flatnonzero(held)) for train, held in masks]
    by_mask, by_rows = (lamina.cross_validate(network(8), X, y, k, epochs=1) for k in (masks, rows))
    np.testing.assert_array_equal(by_mask.scores, by_rows.scores)
    np.testing.assert_array_equal(by_mask.folds, home)


def test_scikit_learns_name_of_the_folds_is_told():
    X, y = digits(60)
    for call in (
        lambda: lamina.cross_validate(network(8), X, y, cv=3),
        lambda: lamina.search(lambda units: network(units), {"units": [8]}, X, y, cv=3),
        lambda: lamina.compare(X, y, cv=3),
    ):
        with pytest.raises(TypeError, match="has no option cv; k= is what scikit-learn calls so"):
            call()
    with pytest.raises(TypeError, match="compare has no option epoch"):
        lamina.compare(X, y, epoch=3)
    with pytest.raises(TypeError, match="cross_validate has no option n_folds; did you mean 'k'"):
        lamina.cross_validate(network(8), X, y, n_folds=3)


def test_a_single_fold_has_no_spread():
    X, y = digits(60)
    cv = lamina.cross_validate(network(8), X, y, ShuffleSplit(1, random_state=0), epochs=1)
    assert np.isnan(cv.std)
    assert str(cv).startswith("1 fold: ")


@pytest.mark.parametrize(
    ("k", "error", "message"),
    [
        ("five", TypeError, "k must be a number of folds, a splitter such as KFold.*'five'"),
        (2.5, TypeError, "k must be a number of folds"),
        (True, TypeError, "k must be a whole number"),
        (KFold, TypeError, "k must be a number of folds"),
        ([np.arange(5)], TypeError, "k must give pairs"),
        ([(np.arange(50), np.arange(49, 60))], ValueError, "row 49 for both in fold 0"),
        ([(np.arange(50), np.arange(50, 61))], ValueError, r"rows in 0 .. 59, those of X; got 60"),
        ([(np.arange(50), [])], ValueError, "at least one of each kind"),
        ([(np.ones(60, bool), np.zeros(60, bool))], ValueError, "row numbers"),
        ([(np.ones(50, bool), np.zeros(50, bool))], ValueError, r"masks of 60 rows, those of X; got shape \(50,\)"),
        ([], ValueError, "at least one fold"),
    ],
)
def test_misuse_of_folds(k, error, message):
    X, y = digits(60)
    for call in (
        lambda: lamina.cross_validate(network(8), X, y, k),
        lambda: lamina.search(lambda units: network(units), {"units": [8]}, X, y, k=k),
        lambda: lamina.compare(X, y, k=k),
    ):
        with pytest.raises(error, match=message):
            call()


@pytest.mark.parametrize("kind", ["cross_entropy", "binary_cross_entropy", "hinge"])
def test_inner_parts_keep_the_shares_of_classes_whatever_the_loss(kind, monkeypatch):
    X, y = digits(300)
    y = (y == 3).astype(int)
    net = lamina.Network([lamina.Dense(2 if kind == "cross_entropy" else 1)], n_inputs=64, loss=kind)
    seen, fit = [], lamina.Network.fit

    @functools.wraps(fit)
    def spy(self, *args, validation, **options):
        seen.append(validation)
        return fit(self, *args, validation=validation, **options)

    monkeypatch.setattr(lamina.Network, "fit", spy)
    lamina.cross_validate(net, X, y, k=2, validation=0.2, epochs=1, n_jobs=1)
    lamina.search(lambda size: net, {"size": [1]}, X, y, n_trials=1, validation=0.2, n_jobs=1, epochs=1)
    for fold in seen:
        assert abs(y[fold.held].sum() - y[fold.train].mean() * len(fold.held)) <= 1


@pytest.mark.parametrize("entry", lamina.metrics.describe(), ids=lambda entry: entry["name"])
@pytest.mark.parametrize("objective", ["squared_error", "cross_entropy", "binary_cross_entropy"])
def test_every_metric_of_which_more_is_better_scores(entry, objective):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    y = x[:, 0] if objective == "squared_error" else (x[:, 0] > 0).astype(int)
    net = lamina.Network([lamina.Dense(2 if objective == "cross_entropy" else 1)], 3, objective)
    fits = (entry["targets"] == "classes") == (objective != "squared_error")
    for name in (entry["name"], *entry["aliases"]):
        if not entry["greater_is_better"] or not fits:
            with pytest.raises(ValueError, match="scoring must be None" if fits else "scoring"):
                lamina.cross_validate(net, x, y, k=2, epochs=2, scoring=name)
            continue
        found = lamina.cross_validate(net, x, y, k=2, epochs=2, scoring=name)
        for fold, (score, own) in enumerate(zip(found.scores, found.networks, strict=True)):
            held = found.folds == fold
            assert score == own.evaluate(x[held], y[held], metric=entry["name"])
