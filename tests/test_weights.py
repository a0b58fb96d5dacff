"""A sample weight says how often a row is given: one of weight 0 is as if it were not there, whatever is in it."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import lamina

ROWS = 90
X = np.random.default_rng(0).normal(size=(ROWS, 4))
Y = np.arange(ROWS) % 3
KEPT = np.arange(ROWS) % 4 != 1
WEIGHT = np.where(KEPT, 1.5, 0.0)
HUGE = np.where(KEPT[:, None], X, np.where(np.arange(4) % 2, 1e200, np.nan))


def network(dtype="float64", loss="cross_entropy", outputs=3, layers=(), seed=0):
    return lamina.Network([lamina.Dense(6, "tanh"), *layers, lamina.Dense(outputs)], 4, loss, dtype, seed)


OPTIONS = {
    "plain": {"validation": None},
    "fraction": {},
    "split": {"validation": lamina.Split(0.2, shuffle=False)},
    "apart": {"validation": (X[:9], Y[:9])},
    "balanced": {"class_weight": "balanced"},
    "dictionary": {"class_weight": {0: 2.0, 2: 0.5}},
    "score": {"scoring": "accuracy", "early_stopping": lamina.EarlyStopping(3)},
    "solver": {"validation": None, "optimizer": lamina.LBFGS(), "epochs": 5},
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", OPTIONS)
def test_rows_of_weight_zero_are_as_if_not_there(options, dtype):
    options = {"epochs": 4, "n_threads": 1} | OPTIONS[options]
    one, other = (network(dtype, layers=[lamina.BatchNorm()][: options.get("optimizer") is None]) for _ in range(2))
    one.normalize_inputs = other.normalize_inputs = True
    labels = np.where(KEPT, Y, -7)  # no label at all
    history = one.fit(HUGE, labels, sample_weight=WEIGHT, **options)
    assert history == other.fit(X[KEPT], Y[KEPT], sample_weight=WEIGHT[KEPT], **options)
    np.testing.assert_array_equal(one.predict(X), other.predict(X))
    assert one.evaluate(HUGE, labels, WEIGHT) == other.evaluate(X[KEPT], Y[KEPT], WEIGHT[KEPT])


def test_gradients_and_validation_do_not_see_them():
    net = network(layers=[lamina.BatchNorm()])
    loss, gradients = net.loss_and_gradients(HUGE, Y, WEIGHT)
    other, same = net.loss_and_gradients(X[KEPT], Y[KEPT], WEIGHT[KEPT])
    assert loss == other
    assert all(np.array_equal(gradients[name], same[name]) for name in same)
    by_row = net.input_gradient(HUGE, Y, WEIGHT)
    np.testing.assert_array_equal(by_row[KEPT], net.input_gradient(X[KEPT], Y[KEPT], WEIGHT[KEPT]))
    assert by_row.shape == X.shape
    assert not by_row[~KEPT].any()
    assert lamina.check_gradients(net, HUGE, Y, sample_weight=WEIGHT) < 1e-6
    one, other = network(), network()
    history = one.fit(X, Y, validation=(HUGE, Y), validation_sample_weight=WEIGHT, epochs=3)
    apart = {"validation": (X[KEPT], Y[KEPT]), "validation_sample_weight": WEIGHT[KEPT]}
    assert history == other.fit(X, Y, epochs=3, **apart)


@pytest.mark.parametrize("each_step", [False, True])
def test_sequences_of_weight_zero(each_step):
    S = np.stack([HUGE, HUGE], axis=1)
    lengths = np.where(np.arange(ROWS) % 5 == 0, 1, 2)
    y = np.where(KEPT, X[:, 0], np.nan)
    y = np.stack([y, y], axis=1) if each_step else y
    layers = [lamina.Recurrent(3, return_sequences=each_step), lamina.Dense(1)]
    one, other = (lamina.Network(layers, 4, dtype="float64") for _ in range(2))
    history = one.fit(S, y, sample_weight=WEIGHT, lengths=lengths, epochs=3)
    assert history == other.fit(S[KEPT], y[KEPT], sample_weight=WEIGHT[KEPT], lengths=lengths[KEPT], epochs=3)


def test_targets_of_steps_of_weight_zero_may_be_anything():
    S, weight = X.reshape(30, 3, 4), np.ones((30, 3))
    weight[::2, 1] = 0
    y = S[:, :, 0].copy()
    nan = np.where(weight > 0, y, np.nan)
    one, other = (lamina.Network([lamina.Recurrent(3, return_sequences=True), lamina.Dense(1)], 4) for _ in range(2))
    assert one.fit(S, nan, sample_weight=weight, epochs=2) == other.fit(S, y, sample_weight=weight, epochs=2)
    with pytest.raises(ValueError, match=r"y must be finite; got NaN in sample 0, step 1"):
        one.fit(S, nan, epochs=2)


def test_balanced_classes_count_rows_as_often_as_they_weigh():
    twice = np.r_[np.arange(ROWS), np.flatnonzero(Y == 2)]
    weight = np.where(Y == 2, 2.0, 1.0)
    options = {"epochs": 3, "validation": None, "class_weight": "balanced", "batch_size": 1000, "shuffle": False}
    one, other = network(), network()
    weighted = one.fit(X, Y, sample_weight=weight, **options)
    repeated = other.fit(X[twice], Y[twice], **options)
    np.testing.assert_allclose(weighted.loss, repeated.loss, rtol=1e-12)


def test_a_class_that_weighs_nothing_is_not_there():
    without = Y != 1
    one, other = network(layers=[lamina.BatchNorm()]), network(layers=[lamina.BatchNorm()])
    one.fit(X, Y, class_weight={1: 0.0}, epochs=3, validation=None)
    other.fit(X[without], Y[without], sample_weight=np.ones(60), epochs=3, validation=None)
    np.testing.assert_array_equal(one.predict(X), other.predict(X))
    with pytest.raises(ValueError, match="class_weight must leave a training row"):
        network().fit(X, Y, class_weight={0: 0, 1: 0, 2: 0}, validation=None)


def test_folds_do_not_count_them():
    options = {"epochs": 3, "n_jobs": 1, "k": 3}
    found = lamina.cross_validate(network(layers=[lamina.BatchNorm()]), X, Y, sample_weight=WEIGHT, **options)
    held = found.folds == 0
    train, part = ~held & KEPT, held & KEPT
    alone = network(layers=[lamina.BatchNorm()])
    alone.fit(X[train], Y[train], sample_weight=WEIGHT[train], validation=(X[part], Y[part]), epochs=3)
    np.testing.assert_array_equal(found.networks[0].predict(X), alone.predict(X))
    assert found.scores[0] == alone.evaluate(X[part], Y[part], WEIGHT[part])
    assert found.out_of_fold.shape == (ROWS, 3)
    with pytest.raises(ValueError, match="finite; got NaN in row 1"):  # which could not be predicted
        lamina.cross_validate(network(), HUGE, Y, sample_weight=WEIGHT, **options)


def test_ensembles_do_not_see_them():
    one, other = (lamina.Ensemble(network(), 2, n_jobs=1) for _ in range(2))
    one.fit(HUGE, Y, sample_weight=WEIGHT, epochs=2)
    other.fit(X[KEPT], Y[KEPT], sample_weight=WEIGHT[KEPT], epochs=2)
    np.testing.assert_array_equal(one.predict(X), other.predict(X))
    assert one.evaluate(HUGE, Y, WEIGHT) == other.evaluate(X[KEPT], Y[KEPT], WEIGHT[KEPT])


def test_what_is_wrong_beside_them_is_still_refused():
    bad = HUGE.copy()
    bad[KEPT.argmax(), 0] = np.inf
    refused = {
        "X must be finite; got infinity": (bad, Y, WEIGHT, {}),
        "y must have one entry for each of the 90 rows": (X, Y[1:], WEIGHT, {}),
        "sample_weight must have one entry": (X, Y, WEIGHT[1:], {}),
        "sample_weight must not be all zero": (X, Y, WEIGHT * 0, {}),
        "lengths needs a network with a Recurrent layer": (X, Y, WEIGHT, {"lengths": np.ones(ROWS, int)}),
        "X must have 2 axes": (X[:, 0], Y, WEIGHT, {}),
        "y must hold numbers": (X, None, WEIGHT, {}),
        "y must be an array or a data frame, with rows; got 3": (X, 3, WEIGHT, {}),
        "y must be an array of numbers; got rows of different lengths": (X, [*[[0]] * 89, [0, 1]], WEIGHT, {}),
        "lengths must be an array of numbers; got rows of": (X, Y, WEIGHT, {"lengths": [*[[1]] * 89, [1, 1]]}),
    }
    for message, (x, y, weight, options) in refused.items():
        with pytest.raises((ValueError, TypeError), match=f"^{message}"):
            network().fit(x, y, sample_weight=weight, **options)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow", "pyarrow in chunks", "lists"])
def test_they_may_be_rows_of_any_library(library):
    table, label = {
        "pandas": (lambda: pd.DataFrame(X), pd.Series),
        "polars": (lambda: pl.DataFrame(X), pl.Series),
        "pyarrow": (lambda: pa.table(list(X.T), list("abcd")), pa.array),
        "pyarrow in chunks": (
            lambda: pa.concat_tables([pa.table(list(part.T), list("abcd")) for part in (X[:50], X[50:])]),
            lambda y: pa.chunked_array([y[:20], y[20:]]),
        ),
        "lists": (X.tolist, list),
    }[library]
    one, other = network(), network()
    history = one.fit(table(), label(Y), sample_weight=label(WEIGHT), epochs=2)
    assert history == other.fit(X, Y, sample_weight=WEIGHT, epochs=2)
