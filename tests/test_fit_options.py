"""Class weights, a limit of time, a score to stop on, and quantile losses for intervals."""

import inspect
import pydoc
import re
import time

import numpy as np
import pytest

import lamina

PLAIN = {"epochs": 5, "optimizer": lamina.Adam(1e-2), "early_stopping": None}


def classes(rows=200, seed=0, share=0.9):
    """Two overlapping classes, of which the first has `share` of the rows."""
    rng = np.random.default_rng(seed)
    y = (rng.uniform(size=rows) > share).astype(int)
    return rng.normal(size=(rows, 2)) + 1.2 * y[:, None], y


def network(loss="cross_entropy", outputs=2):
    return lamina.Network([lamina.Dense(8, "tanh"), lamina.Dense(outputs)], n_inputs=2, loss=loss, dtype="float64")


# Class weights ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "outputs"), [("cross_entropy", 2), ("binary_cross_entropy", 1), ("hinge", 1)])
def test_class_weight_is_the_weight_of_its_rows(kind, outputs):
    X, y = classes()
    one, other = network(kind, outputs), network(kind, outputs)
    own = np.linspace(0.5, 1.5, 200)
    one.fit(X, y, class_weight={1: 3.0}, sample_weight=own, validation=None, **PLAIN)
    other.fit(X, y, sample_weight=own * np.where(y == 1, 3.0, 1.0), validation=None, **PLAIN)
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


def test_balanced_counts_the_training_rows_alone():
    X, y = classes()
    held = (X[150:], y[150:])
    one, other = network(), network()
    history = one.fit(X[:150], y[:150], class_weight="balanced", validation=held, **PLAIN)
    by_class = 150 / (2 * np.bincount(y[:150]))
    same = other.fit(
        X[:150], y[:150], sample_weight=by_class[y[:150]], validation=held,
        validation_sample_weight=by_class[held[1]], **PLAIN,
    )  # fmt: skip
    assert history == same
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


def test_a_fraction_held_out_is_weighted_alike():
    X, y = classes()
    one, other = network(), network()
    weights = {0: 0.5, 1: 4.0}
    history = one.fit(X, y, class_weight=weights, validation=0.3, **PLAIN)
    assert history == other.fit(X, y, sample_weight=np.array([0.5, 4.0])[y], validation=0.3, **PLAIN)


def test_balanced_finds_the_rare_class():
    X, y = classes(1000)
    test_X, test_y = classes(2000, seed=1)
    found = []
    for class_weight in (None, "balanced"):
        net = network()
        net.fit(X, y, class_weight=class_weight, epochs=60, optimizer=lamina.Adam(1e-2))
        found.append((net.predict(test_X).argmax(axis=1) == 1)[test_y == 1].mean())
    assert found[1] > found[0] + 0.2


def test_one_hot_rows_have_classes():
    X, y = classes()
    one, other = network(), network()
    one.fit(X, np.eye(2)[y], class_weight="balanced", validation=None, **PLAIN)
    other.fit(X, y, class_weight="balanced", validation=None, **PLAIN)
    np.testing.assert_allclose(one.predict(X), other.predict(X), rtol=1e-12)


@pytest.mark.parametrize(
    ("class_weight", "error", "message"),
    [
        ("even", TypeError, "class_weight must be 'balanced', a dict"),
        ({2: 1.0}, ValueError, r"keys in 0 .. 1; got 2"),
        ({"rare": 1.0}, ValueError, "got 'rare'"),
        ({0: -1.0}, ValueError, r"at least 0; got -1.0 for class 0"),
        ({0: np.nan}, ValueError, "finite"),
        ({0: 0.0, 1: 0.0}, ValueError, "leave a training row"),
    ],
)
def test_misuse_of_class_weight(class_weight, error, message):
    X, y = classes(50)
    net = network()
    before = net.parameters["0.weight"].copy()
    with pytest.raises(error, match=message):
        net.fit(X, y, class_weight=class_weight)
    np.testing.assert_array_equal(net.parameters["0.weight"], before)


def test_class_weight_needs_classes():
    X, y = classes(50)
    with pytest.raises(ValueError, match="one class a row; the loss is squared_error"):
        network("squared_error", 1).fit(X, y, class_weight="balanced")
    with pytest.raises(ValueError, match="one class a row; the loss is binary_cross_entropy"):
        network("binary_cross_entropy").fit(X, np.ones((50, 2)), class_weight="balanced")


STEPS = 6
#: What `class_weight` may be for three classes.
OF_STEPS = {"balanced": "balanced", "some": {1: 3.0, 2: 0.5}, "without": {0: 0, 2: 4.0}}


def step_classes(rows=40, seed=0):
    """Sequences whose steps have classes, 0 first; and as many of their steps as count, at least three."""
    rng = np.random.default_rng(seed)
    y = np.sort(rng.integers(0, 3, (rows, STEPS)), axis=1)
    y[:, 0], y[:, 2] = 0, np.maximum(y[:, 2], 1)
    y[:, 3:] = np.maximum(y[:, 3:], y[:, 2:3])
    return rng.normal(size=(rows, STEPS, 2)) + 0.3 * y[..., None], y, rng.integers(3, STEPS + 1, rows)


def step_network(loss="cross_entropy"):
    layers = [lamina.Recurrent(4, return_sequences=True), lamina.Dense(3)]
    return lamina.Network(layers, n_inputs=2, loss=loss, dtype="float64")


def step_factors(class_weight, y, counts):
    """What each class weighs, as the documentation says it, by the steps that count."""
    if class_weight == "balanced":
        return counts.sum() / (3 * np.bincount(y.ravel(), counts.ravel(), 3))
    return np.array([class_weight.get(label, 1.0) for label in range(3)])


@pytest.mark.parametrize("kind", ["cross_entropy", "binary_cross_entropy"])
@pytest.mark.parametrize("validation", [None, 0.3, "apart"])
@pytest.mark.parametrize("own", [False, True], ids=["alike", "weighted"])
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "lengths"])
@pytest.mark.parametrize("class_weight", OF_STEPS)
def test_steps_weigh_what_their_classes_do(class_weight, cut, own, validation, kind):
    class_weight = OF_STEPS[class_weight]
    S, y, lengths = step_classes()
    within = np.arange(STEPS) < lengths[:, None] if cut else np.ones(y.shape, bool)
    weight = np.where(np.arange(y.size).reshape(y.shape) % 7 == 3, 0.0, 1.5) if own else np.ones(y.shape)
    options = {"validation": validation, **PLAIN, **({"lengths": lengths} if cut else {})}
    trained = np.ones(len(y), bool)
    apart = step_classes(12, seed=1)
    if validation == "apart":
        options["validation"] = apart if cut else apart[:2]
    elif validation is not None:
        trained[lamina.Split(validation).indices(len(y), None, 0)[1]] = False
    factors = step_factors(class_weight, y[trained], (within * weight)[trained])
    shown = np.where(within & (weight > 0), y, -7)  # no class at all
    same = dict(options)
    if validation == "apart":
        same["validation_sample_weight"] = factors[apart[1]]
    one, other = step_network(kind), step_network(kind)
    given = {"sample_weight": weight} if own else {}
    history = one.fit(S, shown, class_weight=class_weight, **given, **options)
    assert history == other.fit(S, shown, sample_weight=weight * factors[y], **same)
    np.testing.assert_array_equal(one.predict(S), other.predict(S))


def test_sequences_without_a_step_that_weighs_are_as_if_not_there():
    S, y, lengths = step_classes()
    y[::4] = 0
    rest = np.arange(len(y)) % 4 != 0
    options = {"class_weight": {0: 0.0}, **PLAIN}
    one, other = step_network(), step_network()
    history = one.fit(S, y, validation=(S, y, lengths), lengths=lengths, **options)
    kept = (S[rest], y[rest], lengths[rest])
    assert history == other.fit(*kept[:2], validation=kept, lengths=kept[2], **options)
    with pytest.raises(ValueError, match="class_weight must leave a validation row"):
        step_network().fit(S, y, validation=(S[:1], y[:1]), **options)
    with pytest.raises(ValueError, match="class_weight must leave a training row"):
        step_network().fit(S, y, validation=None, **{**options, "class_weight": {0: 0, 1: 0, 2: 0}})


def test_classes_that_balanced_has_not_seen_count_as_they_are():
    X, y = classes()
    y = np.where(X[:, 0] > 1.5, 2, y)
    known = y < 2
    held = (X, y)
    one, other = network(outputs=3), network(outputs=3)
    history = one.fit(X[known], y[known], class_weight="balanced", validation=held, **PLAIN)
    by_class = np.append(known.sum() / (2 * np.bincount(y[known])), 1.0)
    weight = {"sample_weight": by_class[y[known]], "validation_sample_weight": by_class[y]}
    assert history == other.fit(X[known], y[known], validation=held, **weight, **PLAIN)


# Time -------------------------------------------------------------------------------------------------------------


def test_max_time_ends_training():
    X, y = classes()
    started = time.perf_counter()
    history = network().fit(X, y, epochs=10**7, early_stopping=None, max_time=0.2)
    assert 0.2 <= time.perf_counter() - started < 5
    assert history.stop_reason == "the time limit of 0.2 s"


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), "2s", [1], 1j, np.array([1.0, 2.0]), True, np.True_])
def test_misuse_of_max_time(value):
    X, y = classes(50)
    with pytest.raises(ValueError, match="max_time must be a number of seconds greater than 0"):
        network().fit(X, y, max_time=value)


# Scores -----------------------------------------------------------------------------------------------------------


def test_scoring_decides_the_epoch_that_is_kept():
    X, y = classes(400, share=0.5)
    held = (X[200:], y[200:])
    net = network()
    history = net.fit(
        X[:200], y[:200], validation=held, scoring="accuracy", epochs=80, early_stopping=lamina.EarlyStopping(20)
    )
    assert len(history.validation_score) == len(history.loss)
    best = max(history.validation_score)
    assert history.best_epoch == history.validation_score.index(best) + 1
    assert (net.predict(held[0]).argmax(axis=1) == held[1]).mean() == pytest.approx(best)


def test_scoring_without_early_stopping_is_recorded():
    X, y = classes()
    history = network().fit(X, y, scoring=lambda net, X, y: -net.evaluate(X, y), **PLAIN)
    np.testing.assert_allclose(history.validation_score, -np.array(history.validation_loss), rtol=1e-12)


def test_scoring_by_r2_has_the_weights():
    rng = np.random.default_rng(0)
    X, y, weight = rng.normal(size=(60, 2)), rng.normal(size=60), rng.uniform(0.1, 3, size=60)
    net = network("squared_error", 1)
    history = net.fit(
        X[:40], y[:40], validation=(X[40:], y[40:]), validation_sample_weight=weight[40:], scoring="r2", **PLAIN
    )
    from sklearn.metrics import r2_score

    want = r2_score(y[40:], net.predict(X[40:])[:, 0], sample_weight=weight[40:])
    assert history.validation_score[-1] == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scoring": "r2"}, "needs a regression loss"),
        ({"scoring": "f1"}, "scoring must be None"),
        ({"scoring": "accuracy", "validation": None}, "scoring needs a validation part"),
        ({"scoring": "accuracy", "early_stopping": lamina.EarlyStopping(monitor="loss")}, "both say what to watch"),
    ],
)
def test_misuse_of_scoring(options, message):
    X, y = classes(50)
    with pytest.raises(ValueError, match=message):
        network().fit(X, y, **options)


# Intervals --------------------------------------------------------------------------------------------------------


def test_two_quantiles_hold_the_share_between_them():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(4000, 2))
    y = X[:, 0] + (0.2 + 0.5 * (X[:, 1] > 0)) * rng.normal(size=4000)
    low, high = (network(lamina.losses.get("quantile", q=q), 1) for q in (0.1, 0.9))
    for net in (low, high):
        net.fit(X[:3000], y[:3000], epochs=60, optimizer=lamina.Adam(5e-3))
    bottom, top = (net.predict(X[3000:])[:, 0] for net in (low, high))
    inside = (bottom <= y[3000:]) & (y[3000:] <= top)
    assert 0.75 < inside.mean() < 0.85
    wide = X[3000:, 1] > 0
    assert (top - bottom)[wide].mean() > 2 * (top - bottom)[~wide].mean()


# Words of other libraries -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "advice"),
    [
        ({"lr": 0.1}, "the learning rate is the optimizer's: optimizer=lamina.Adam"),
        ({"learning_rate": 0.1}, "the learning rate is the optimizer's: optimizer=lamina.Adam"),
        ({"patience": 5}, "patience is that of early stopping: early_stopping=lamina.EarlyStopping("),
        ({"validation_split": 0.2}, "write validation=0.2 "),
        ({"validation_data": (0, 0)}, "write validation=(X, y)"),
        ({"max_iter": 5}, "write epochs="),
        ({"batchsize": 5}, "did you mean 'batch_size'?"),
    ],
)
def test_options_by_other_names_are_told_ours(option, advice):
    net, (X, y) = network(), classes()
    before, (name,) = {key: view.copy() for key, view in net.parameters.items()}, option
    message = f"Network.fit() got an unexpected keyword argument '{name}'; {advice}"
    with pytest.raises(TypeError, match=re.escape(message)):
        net.fit(X, y, **option)
    assert net.history is None
    for key, view in net.parameters.items():
        np.testing.assert_array_equal(view, before[key])


@pytest.mark.parametrize(
    ("option", "advice"),
    [
        ({"validation_split": 0.2}, "write validation=0.2 "),
        ({"epochs": 5}, "write output_epochs="),
        ({"max_units": 5}, "it is the network's"),
        ({"tolerence": 5}, "did you mean 'tolerance'?"),
    ],
)
def test_options_of_growth_by_other_names_are_told_ours(option, advice):
    net = lamina.CascadeNetwork(2)
    message = f"CascadeNetwork.fit() got an unexpected keyword argument '{next(iter(option))}'; {advice}"
    with pytest.raises(TypeError, match=re.escape(message)):
        net.fit(*classes(), **option)
    assert net.history is None


@pytest.mark.parametrize(
    ("option", "advice"),
    [
        ({"restore_best_weights": True}, "; write restore_best=True, the default"),
        ({"n_iter_no_change": 5}, "; write patience=10"),
        ({"tol": 1e-3}, "; write min_delta=1e-4"),
        ({"verbose": 1}, "; verbose is an option of fit"),
        ({"patiense": 5}, "; did you mean 'patience'?"),
        ({"zzz": 5}, ""),
    ],
)
def test_options_of_early_stopping_by_other_names_are_told_ours(option, advice):
    message = f"EarlyStopping.__init__() got an unexpected keyword argument '{next(iter(option))}'{advice}"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        lamina.EarlyStopping(**option)
    assert lamina.EarlyStopping(patience=10, min_delta=1e-4, restore_best=True).min_delta == 1e-4


def test_an_option_like_no_other_is_refused_as_python_does():
    with pytest.raises(TypeError, match=r"^Network\.fit\(\) got an unexpected keyword argument 'zzz'$"):
        network().fit(*classes(), zzz=1)


def test_what_other_words_lead_to_is_taken():
    """All that the advice says to write is an option, or makes an optimizer."""
    words = (
        {"optimizer": lamina.Adam(1e-2), "early_stopping": lamina.EarlyStopping(patience=20), "validation": 0.2},
        {"optimizer": lamina.AdamW(), "l2": 1e-4, "scoring": "accuracy", "n_threads": 2, "validation": classes()},
    )
    for options in words:
        assert network().fit(*classes(), epochs=1, **options).epochs == 1


@pytest.mark.parametrize("given", [True, False, 10])
def test_early_stopping_says_what_it_takes(given):
    with pytest.raises(
        TypeError, match=r"early_stopping must be lamina\.EarlyStopping\(patience=10\), the default, or "
    ):
        network().fit(*classes(), early_stopping=given)


@pytest.mark.parametrize(
    "function", [lamina.Network.fit, lamina.CascadeNetwork.fit, lamina.split, lamina.EarlyStopping]
)
def test_signatures_show_no_unknown_options(function):
    kinds = [parameter.kind for parameter in inspect.signature(function).parameters.values()]
    assert inspect.Parameter.VAR_KEYWORD not in kinds
    assert "unknown" not in pydoc.plain(pydoc.render_doc(function)).split("\n\n")[1]
