"""The rules that all six estimators obey: what a refused fit leaves, what is refused, rows of weight 0, units."""

import pickle
import threading
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

import lamina

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ROWS = 90
X = np.random.default_rng(0).normal(size=(ROWS, 4))
S = X.reshape(ROWS, 2, 2)
LABELS, VALUES = np.array(["cat", "dog"])[np.arange(ROWS) % 2], X[:, 0]
FAST = {
    "MLPClassifier": {"hidden_layer_sizes": (4,), "max_iter": 3},
    "MLPRegressor": {"hidden_layer_sizes": (4,), "max_iter": 3},
    "CascadeClassifier": {"max_units": 1},
    "CascadeRegressor": {"max_units": 1},
    "RecurrentClassifier": {"hidden_layer_sizes": (4,), "max_iter": 3},
    "RecurrentRegressor": {"hidden_layer_sizes": (4,), "max_iter": 3},
}
CLASSIFIERS = [name for name in FAST if name.endswith("Classifier")]
MLPS = ["MLPClassifier", "MLPRegressor"]
TABLES = [*MLPS, "CascadeClassifier", "CascadeRegressor"]
every = pytest.mark.parametrize("name", FAST)


def make(name, **parameters):
    return getattr(lamina, name)(**{**FAST[name], "random_state": 0, **parameters})


def data(name):
    return S if name.startswith("Recurrent") else X, LABELS if name.endswith("Classifier") else VALUES


def in_time(name):
    """As a table's rows: a series of which every time has a target."""
    return {} if name in TABLES else {"window": 1, "horizon": 0}


# A fit changes all or nothing -------------------------------------------------------------------------------------


def nan_at(values, row):
    changed = np.array(values, float if values.dtype.kind == "f" else object)
    changed[row] = np.nan
    return changed


def refusals(name):
    """Parameters, X, y and weights that are refused, early or late."""
    data_, y = data(name)
    out = {
        "a parameter": ({"verbose": "no"}, data_, y),
        "a patience": ({"n_iter_no_change": 0}, data_, y),
        "threads": ({"n_jobs": 0}, data_, y),
        "a seed": ({"random_state": -1}, data_, y),
        "an activation": ({"activation": "rellu"}, data_, y),
        "NaN in X": ({}, np.where(data_ > 1, np.nan, data_), y),
        "NaN in y": ({}, data_, nan_at(y, 5)),
        "lengths": ({}, data_, y[1:]),
        "other features, wrong rows": ({}, data_[..., :1], y[1:]),
    }
    if name in CLASSIFIERS:
        out["one class"] = ({}, data_, np.full(ROWS, "emu"))
        out["numbers"] = ({}, data_, VALUES)
    out["weights"] = ({}, data_, y, -np.ones(ROWS))
    out["weights of zero"] = ({}, data_, y, np.zeros(ROWS))
    if not name.startswith("Cascade"):
        out["epochs"] = ({"max_iter": 0}, data_, y)
    else:
        out["optimizer"] = ({"optimizer": "adam"}, data_, y)
        out["candidates"] = ({"activation": ["tanh"] * 9}, data_, y)
    if name in MLPS:
        out["a late check of the core"] = ({"activation": "rrelu", "solver": "lbfgs"}, data_, y)
        out["a scorer"] = ({"early_stopping": True, "scoring": "no_scorer"}, data_, y)
        out["callbacks"] = ({"callbacks": ["no callable"]}, data_, y)
        out["a callback that raises"] = ({"callbacks": _fail}, data_, y)
        out["batch norm of a row"] = ({"batch_norm": True, "batch_size": 1}, data_, y)
    if name == "MLPClassifier":
        rare = np.array(["red"] * 29 + ["blue"])
        out["a rare class"] = ({"early_stopping": True}, X[:30], rare)
    if name == "RecurrentRegressor":
        out["infinite predictions"] = ({}, S, VALUES * 1e200)
    return out


def _fail(epoch):
    if epoch.epoch == 2:
        raise RuntimeError("a callback fails")


# What each refusal says: an error of another kind would be a refusal by accident.
OTHER_ROWS = (
    r"inconsistent numbers of samples: \[90, 89\]|y must have an entry for each of the 90 sequences of X; got 89"
)
SAID = {
    "a parameter": "verbose of {name} must be True, False or a level; got 'no'",
    "a patience": "n_iter_no_change of {name} must be an integer >= 1",
    "threads": "n_jobs of {name} must be None or an integer but 0",
    "a seed": "random_state of {name} must be None, an integer >= 0",
    "an activation": "unknown activation 'rellu'; did you mean 'relu'",
    "NaN in X": "Input X contains NaN|X must be finite; got NaN",
    "NaN in y": "Input (y )?contains NaN",
    "lengths": OTHER_ROWS,
    "other features, wrong rows": OTHER_ROWS,
    "one class": "y has one class alone, 'emu'",
    "numbers": "Unknown label type: continuous",
    "weights": "Negative values in data passed to `sample_weight`",
    "weights of zero": "Sample weights must contain at least one non-zero number|sample_weight must not be all zero",
    "epochs": "max_iter of {name} must be an integer >= 1",
    "optimizer": "optimizer of {name} must be 'quickprop' or 'rprop'; got 'adam'",
    "candidates": "candidates must be at least 9",
    "a late check of the core": "LBFGS needs the same loss for the same weights",
    "a scorer": "check_scoring|no_scorer",
    "callbacks": r"callbacks\[0\] must be callable with an Epoch; got 'no callable'",
    "a callback that raises": "a callback fails",
    "batch norm of a row": "batch_size leaves a batch of 1 row, and BatchNorm has no variance",
    "a rare class": "early_stopping=True has to set validation_fraction=0.1 of the 30 rows aside",
    "infinite predictions": "y is beyond float32's range",
}
CASES = [(name, case) for name in FAST for case in refusals(name)]


def refused(name, case):
    return pytest.raises((ValueError, TypeError, RuntimeError), match=SAID[case].replace("{name}", name))


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_refused_fit_changes_nothing(name, case):
    parameters, bad, y, *weight = refusals(name)[case]
    model = make(name).fit(*data(name))
    model.set_params(**parameters)
    before, predicted = dict(vars(model)), model.predict(data(name)[0])
    with refused(name, case):
        model.fit(bad, y, **({"sample_weight": weight[0]} if weight else {}))
    assert vars(model).keys() == before.keys()
    assert all(value is before[key] for key, value in vars(model).items())
    np.testing.assert_array_equal(model.predict(data(name)[0]), predicted)


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_refused_first_fit_leaves_it_unfitted(name, case):
    parameters, bad, y, *weight = refusals(name)[case]
    model = make(name, **parameters)
    before = dict(vars(model))
    with refused(name, case):
        model.fit(bad, y, **({"sample_weight": weight[0]} if weight else {}))
    assert vars(model) == before
    with pytest.raises(NotFittedError):
        model.predict(data(name)[0])


def test_a_refused_first_partial_fit_may_be_made_again():
    model = make("MLPClassifier")
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(np.full_like(X, np.nan), LABELS, classes=["cat", "dog"])
    assert not hasattr(model, "classes_")
    model.partial_fit(X, LABELS == "dog", classes=[False, True])


@pytest.mark.parametrize("name", MLPS)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_an_error_in_training_further_brings_everything_back(name, solver):
    model = make(name, warm_start=True, solver=solver).fit(*data(name))
    twin = pickle.loads(pickle.dumps(model))
    before, weights = dict(vars(model)), [view.copy() for view in model.coefs_]
    held = model.coefs_[0]  # a view that a caller keeps
    with pytest.raises(RuntimeError, match="a callback fails"):
        model.set_params(callbacks=_fail).fit(*data(name))
    model.set_params(callbacks=None)
    assert all(value is before[key] for key, value in vars(model).items())
    assert all(np.array_equal(now, then) for now, then in zip(model.coefs_, weights, strict=True))
    for one in (model, twin):
        one.fit(*data(name))
        if solver == "adam":
            one.partial_fit(*data(name))
    np.testing.assert_array_equal(model.coefs_[0], twin.coefs_[0])
    np.testing.assert_array_equal(held, model.coefs_[0])
    assert model.loss_curve_ == twin.loss_curve_


@every
def test_a_fit_in_one_go_looks_as_before_to_who_predicts_beside_it(name):
    model = make(name).fit(*data(name))
    old = vars(model).copy()
    D, y = data(name)
    seen = []
    network = type(model.network_)
    fit = network.fit

    def spy(self, *args, **options):
        seen.append(all(value is old[key] for key, value in vars(model).items()))
        return fit(self, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "fit", spy)
        model.fit(D, y[::-1])
    assert seen == [True]
    assert model.network_ is not old["network_"]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_predictions_beside_refits_are_of_one_fit(name):
    """Two classes and four by turns: none of one fit's places meets the other's classes."""
    D, _ = data(name)
    few, many = np.array(["a", "b"])[np.arange(ROWS) % 2], np.array(["c", "d", "e", "f"])[np.arange(ROWS) % 4]
    model = make(name, n_jobs=1).fit(D, few)
    known = {tuple(sorted(set(y))): make(name, n_jobs=1).fit(D, y).predict(D).tolist() for y in (few, many)}
    done, wrong = threading.Event(), []

    def predict():
        while not done.is_set():
            found = model.predict(D).tolist()
            shares = model.predict_proba(D)
            if found not in known.values() or shares.shape[1] not in (2, 4):
                wrong.append(found)

    threads = [threading.Thread(target=predict) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for y in (many, few) * 8:
            model.fit(D, y)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not wrong


def test_warnings_come_when_all_is_done():
    model = make("MLPClassifier")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConvergenceWarning):
            model.fit(X, LABELS)
    assert model.predict(X).shape == (ROWS,)
    with pytest.warns(ConvergenceWarning) as told:
        model.fit(X, LABELS)
    assert told[0].filename == __file__


def warned_of(name):
    """Parameters, X and y of fits that warn, and of what."""
    D, y = data(name)
    stops = {"early_stopping": True}
    cases = {"few": ({**stops, "validation_fraction": 0.2 if name in CLASSIFIERS else 0.3}, D[:9], y[:9])}
    if name in MLPS:
        cases["few"] = ({**stops, "validation_fraction": 0.4}, D[:8], y[:8])
        cases["clipped"] = ({"batch_size": 2 * ROWS}, D, y)
    if name in TABLES or name in CLASSIFIERS:
        cases["column"] = ({}, D, y[:, None])
    if name.startswith("Recurrent"):
        cases["few windows"] = ({**stops, "window": 2}, X[:8], y[:8])
    return cases


WARNED = {"few": "validation sets . of the . samples aside", "few windows": "validation sets 1 of the . samples aside",
          "clipped": "clipped", "column": "column-vector"}  # fmt: skip


@pytest.mark.parametrize(("name", "case"), [(name, case) for name in FAST for case in warned_of(name)])
def test_a_warning_that_is_an_error_leaves_the_fit_done(name, case):
    parameters, D, y = warned_of(name)[case]
    model = make(name, **parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        with pytest.raises(UserWarning, match=WARNED[case]):
            model.fit(D, y)
    predicted = model.predict(D)
    with pytest.warns(UserWarning, match=WARNED[case]) as told:
        again = make(name, **parameters).fit(D, y)
    own = [each for each in told if not issubclass(each.category, ConvergenceWarning)]
    assert [each.filename for each in own] == [__file__]
    np.testing.assert_array_equal(again.predict(D), predicted)


@pytest.mark.parametrize("name", [name for name in FAST if not name.startswith("Cascade")])
def test_ctrl_c_leaves_the_best_so_far(name):
    model, D = make(name, max_iter=50), data(name)
    network, fit = lamina.Network, lamina.Network.fit

    def interrupted(self, *args, **options):
        def press(epoch):
            if epoch.epoch == 4:
                raise KeyboardInterrupt

        options["callbacks"] = [*options.get("callbacks", ()), press]
        return fit(self, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "fit", interrupted)
        with pytest.warns(UserWarning, match="interrupted by user"):
            model.fit(*D)
    assert model.n_iter_ == 4
    assert len(model.predict(D[0])) == ROWS


# Parameters between fits ------------------------------------------------------------------------------------------

CHANGED = {
    "hidden_layer_sizes": (5,),
    "activation": "tanh",
    "dropout": 0.5,
    "batch_norm": True,
    "standardize": True,
}


@pytest.mark.parametrize("name", MLPS)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("parameter", [*CHANGED, "loss"])
def test_what_a_network_was_built_with_does_not_change_in_silence(name, method, parameter):
    value = {**CHANGED, "loss": "hinge" if name == "MLPClassifier" else "huber"}[parameter]
    model = make(name, warm_start=True).fit(*data(name))
    weights = model.coefs_[0].copy()
    model.set_params(**{parameter: value})
    with pytest.raises(ValueError, match=f"{parameter} has changed since the network was built"):
        getattr(model, method)(*data(name))
    np.testing.assert_array_equal(model.coefs_[0], weights)
    model.set_params(warm_start=False).fit(*data(name))


@pytest.mark.parametrize("name", MLPS)
def test_what_steers_training_is_applied(name):
    model = make(name, warm_start=True, max_iter=4).fit(*data(name))
    for changes in (
        {"early_stopping": True},
        {"early_stopping": False},
        {"solver": "lbfgs"},
        {"solver": "sgd", "learning_rate": "adaptive", "early_stopping": True},
        {"solver": lamina.Adam(1e-2), "scoring": "loss"},
        {"early_stopping": False, "scoring": None, "l1": 0.1, "alpha": 1.0, "batch_size": 20},
    ):
        length = len(model.loss_curve_)
        model.set_params(**changes).fit(*data(name))
        assert len(model.loss_curve_) > length
        assert (model.validation_scores_ is None) == (not model.early_stopping or model.solver == "lbfgs")
        assert (model.best_loss_ is None) == (model.validation_scores_ is not None)
    model.partial_fit(*data(name))
    full = make(name, warm_start=True, solver="lbfgs").fit(*data(name))
    full.set_params(solver="adam").partial_fit(*data(name))


@pytest.mark.parametrize("solver", ["sgd", lamina.SGD(0.01), lamina.SAM(lamina.SGD(0.01))], ids=str)
def test_the_rate_of_partial_fit(solver):
    named = isinstance(solver, str)
    options = {"solver": solver, "learning_rate": "invscaling", "power_t": 0.2, "shuffle": False, "batch_size": 30}
    options |= {"learning_rate_init": 0.01, "momentum": 0.0} if named else {}
    model = make("MLPRegressor", **options)
    rates = []
    model.set_params(callbacks=lambda epoch: rates.append(epoch.learning_rate))
    for _ in range(3):
        model.partial_fit(X, VALUES)
    np.testing.assert_allclose(rates, [0.01 / (n * ROWS + 1) ** 0.2 for n in (1, 2, 3)])
    for learning_rate, wanted in (("constant", 0.5), ("invscaling", 0.5 / (5 * ROWS + 1) ** 0.2)):
        at = {"learning_rate_init": 0.5} if named else {"solver": lamina.SGD(0.5)}
        model.set_params(learning_rate=learning_rate, **at).partial_fit(X, VALUES)
        assert rates[-1] == pytest.approx(wanted)


def test_warm_start_and_partial_fit_with_some_of_the_classes():
    model = make("MLPClassifier", warm_start=True).fit(X, LABELS)
    model.partial_fit(X[::2], LABELS[::2])  # cats alone
    with pytest.raises(ValueError, match="same classes"):
        model.fit(X[::2], LABELS[::2])


# What is refused, and how it is called ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_labels_are_labels(name):
    D, _ = data(name)
    for y, message in {
        "continuous": (VALUES, "Unknown label type: continuous"),
        "NaN": (np.where(np.arange(ROWS) % 2, np.nan, 1.0), "NaN"),
        "NaN among objects": (np.array([np.nan, "a"], object)[np.arange(ROWS) % 2], "NaN"),
        "None": (np.array([None, "a"], object)[np.arange(ROWS) % 2], "Unknown label type|NaN"),
        "one": (np.full(ROWS, 7), "one class alone, 7"),
    }.values():
        with pytest.raises(ValueError, match=message):
            make(name).fit(D, y)


WRONG = {
    "standardize": "no",
    "n_jobs": 0,
    "verbose": "very",
    "random_state": "seed",
    "validation_fraction": 1.5,
    "early_stopping": "yes",
    "n_iter_no_change": 0,
    "max_iter": 10**20,
    "max_units": 0.5,
    "alpha": float("inf"),
    "batch_size": 2.5,
    "shuffle": 1,
    "kind": "gru",
    "truncate": 0,
    "clip": -1.0,
    "schedule": "cosine",
    "dtype": "float16",
    "candidates": 0,
    "tolerance": -1.0,
    "optimizer": "adma",
    "solver": "adma",
}


@pytest.mark.parametrize(
    ("name", "parameter"), [(name, p) for name in FAST for p in WRONG if p in make(name).get_params()]
)
def test_errors_speak_of_the_estimators_own_parameters(name, parameter):
    with pytest.raises((ValueError, TypeError), match=f"^{parameter} of {name} must be .*; got "):
        make(name, **{parameter: WRONG[parameter]}).fit(*data(name))


@pytest.mark.parametrize(
    ("name", "parameter"), [(name, p) for name in FAST for p in make(name).get_params() if p != "random_state"]
)
def test_what_can_be_gone_through_once_is_no_parameter(name, parameter):
    once = iter(["accuracy" if parameter == "metrics" else lambda epoch: None])
    wanted = f"^{parameter} of {name} must be something that can be gone through more than once, such as a list; got "
    with pytest.raises(TypeError, match=wanted):
        make(name, **{parameter: once}).fit(*data(name))
    assert next(once)  # nothing has looked at it


@every
def test_random_states_within_what_can_be_taken(name):
    limit = 2**32 if name in MLPS else 2**63
    make(name, random_state=limit - 1).fit(*data(name))
    with pytest.raises(ValueError, match=f"^random_state of {name} must be None, an integer .*; got {limit}$"):
        make(name, random_state=limit).fit(*data(name))


@every
def test_n_jobs_and_predictions_before_a_fit(name):
    D, y = data(name)
    for method in ("predict", "predict_proba"):
        if hasattr(make(name), method):
            with pytest.raises(NotFittedError):
                getattr(make(name), method)(D)
    one, all_cores = (make(name, n_jobs=n_jobs).fit(D, y) for n_jobs in (1, -1))
    np.testing.assert_array_equal(one.predict(D), all_cores.predict(D))


@every
def test_data_frames_are_known_by_their_columns(name):
    frame, y = pd.DataFrame(X, columns=list("abcd")), data(name)[1]
    model = make(name, **in_time(name)).fit(frame, y)
    assert list(model.feature_names_in_) == list("abcd")
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[list("bacd")])
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame.rename(columns={"a": "z"}))
    with pytest.raises(ValueError, match="is expecting 4 features"), pytest.warns(UserWarning, match="feature names"):
        model.predict(X[:, :2])
    doubled = frame.set_axis(list("aabc"), axis=1)
    try:
        make(name, **in_time(name)).fit(doubled, y).predict(doubled)
    except ValueError as error:  # scikit-learn 1.9 wants each name once
        assert "unique" in str(error)  # noqa: PT017


@pytest.mark.parametrize("name", ["RecurrentClassifier", "RecurrentRegressor"])
def test_features_of_sequences_are_those_of_the_fit(name):
    model = make(name).fit(*data(name))
    assert model.n_features_in_ == 2
    with pytest.raises(ValueError, match=r"X has 1 features, but Recurrent.* is expecting 2"):
        model.predict(S[:, :, :1])
    with pytest.raises(ValueError, match="a time series needs a window"):
        model.predict(X)
    series = make(name, window=2).fit(X, data(name)[1])
    with pytest.raises(ValueError, match="Reshape your data"):
        series.predict(X[:, 0])


@pytest.mark.parametrize("name", ["RecurrentClassifier", "RecurrentRegressor"])
def test_sequences_in_lists_and_object_arrays(name):
    sequences = [X[i : i + 1 + i % 4] for i in range(ROWS)]
    objects = np.empty(ROWS, object)
    objects[:] = sequences
    y = data(name)[1]
    one, other = make(name).fit(sequences, y), make(name).fit(objects, y)
    np.testing.assert_array_equal(one.predict(sequences), other.predict(objects))
    flat = make(name).fit([s[:, 0] for s in sequences], y)  # of one feature
    assert flat.n_features_in_ == 1


@pytest.mark.parametrize(
    "classes", [[], [1], ["cat"], np.array([], object), pd.Series([True], dtype="boolean")], ids=repr
)
def test_partial_fit_wants_two_classes(classes):
    model = make("MLPClassifier")
    with pytest.raises(ValueError, match=r"classes must name every label there will be, at least two; got \["):
        model.partial_fit(X, np.full(ROWS, np.asarray(classes)[0] if len(classes) else 1), classes=classes)
    assert not hasattr(model, "classes_")


def test_labels_are_single_or_several_as_in_the_fit():
    single, several = np.arange(ROWS) % 2, np.stack([np.arange(ROWS) % 2, np.arange(ROWS) % 3 == 0], axis=1).astype(int)
    kinds = {"y must have one label for each row": (single, several), "y must be an indicator": (several, single)}
    for wanted, (y, other) in kinds.items():
        model = make("MLPClassifier", warm_start=True).fit(X, y)
        for call in (model.fit, model.partial_fit):
            with pytest.raises(ValueError, match=f"^{wanted}"):
                call(X, other)
        with pytest.raises(ValueError, match=f"^X_val, y_val or sample_weight_val: {wanted}"):
            make("MLPClassifier").fit(X, y, X_val=X, y_val=other)
    with pytest.raises(ValueError, match=r"^y must be an indicator matrix with 3 columns"):
        make("MLPClassifier").partial_fit(X, several, classes=[0, 1, 2])


@pytest.mark.parametrize("name", MLPS)
def test_validation_rows_are_spoken_of_as_such(name):
    D, y = data(name)
    for given in ((D[:, :1], y), (np.full_like(D, np.nan), y), (D, y, -np.ones(ROWS)), (D, y, np.zeros(ROWS))):
        with pytest.raises(ValueError, match=r"^X_val, y_val or sample_weight_val: "):
            make(name).fit(D, y, None, *given)


@pytest.mark.parametrize("name", MLPS)
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("learning_rate", ["constant", "adaptive"])
def test_a_score_that_is_no_number_is_no_progress(name, solver, learning_rate):
    options = {"solver": solver, "learning_rate": learning_rate, "max_iter": 60, "n_iter_no_change": 2}

    def fitted(score):
        scores = iter(score)
        return make(name, early_stopping=True, scoring=lambda *_: next(scores), **options).fit(*data(name))

    never, constant, later = ([np.nan] * 60, [0.5] * 60, [0.1, 0.2, 0.3, *[np.nan] * 57])
    if learning_rate == "constant" or solver == "adam":
        assert fitted(never).n_iter_ == 3
        assert fitted(constant).n_iter_ == 4
        assert fitted(later).n_iter_ == 6
    assert fitted(never).n_iter_ < 60
    assert "did not improve" in fitted(later).stop_reason_
    assert fitted(later).best_iteration_ == 3
    assert fitted(later).best_validation_score_ == 0.3


@pytest.mark.parametrize("scoring", [None, "r2"])
def test_r_squared_of_one_row_is_not_watched(scoring):
    model = make("MLPRegressor", early_stopping=True, scoring=scoring)
    weight = np.array([1.0, 0.0])
    for given in ((X[:1], VALUES[:1], None), (X[:2], VALUES[:2], weight)):
        with pytest.raises(ValueError, match="X_val, y_val or sample_weight_val: there must be two rows"):
            model.fit(X, VALUES, None, *given)
    for options in ({"scoring": "loss"}, {"early_stopping": False, "scoring": None}):
        make("MLPRegressor", **{"early_stopping": True, **options}).fit(X, VALUES, None, X[:1], VALUES[:1])
    make("MLPClassifier", early_stopping=True).fit(X, LABELS, None, X[:1], LABELS[:1])


@pytest.mark.parametrize("name", MLPS)
def test_early_stopping_is_spoken_of_as_such(name):
    y = data(name)[1]
    for rows, fraction in ((3, 0.1), (5, 0.1), (2, 0.9)):
        with pytest.raises(ValueError, match=r"validation_fraction") as error:
            make(name, early_stopping=True, validation_fraction=fraction).fit(X[:rows], y[:rows])
        assert "test_size" not in str(error.value)


def test_no_more_copies_of_x_than_there_have_to_be():
    many = np.random.default_rng(0).normal(size=(60_000, 30))
    y = many[:, 0]
    for given, parameters, copies in (
        (many, {}, 0.2),
        (many, {"early_stopping": True, "solver": "sgd"}, 0.4),  # what is held out, for its score
        (np.asfortranarray(many), {}, 1.2),
        (np.asfortranarray(many), {"early_stopping": True}, 1.4),
    ):
        model = make("MLPRegressor", **{**parameters, "max_iter": 1})
        tracemalloc.start()
        model.fit(given, y)
        assert tracemalloc.get_traced_memory()[1] < copies * many.nbytes
        tracemalloc.reset_peak()
        model.predict(given)
        assert tracemalloc.get_traced_memory()[1] < (copies // 1 + 1.4) * many.nbytes
        tracemalloc.stop()


@pytest.mark.parametrize("name", MLPS)
def test_what_would_be_dropped_in_silence(name):
    D, y = data(name)
    for own, value in {"learning_rate_init": 0.1, "momentum": 0.5, "beta_1": 0.5, "epsilon": 1e-4}.items():
        with pytest.raises(ValueError, match=f"{own} goes with a solver's name; got {value}"):
            make(name, solver=lamina.Adam(1e-2), **{own: value}).fit(D, y)
    with pytest.raises(ValueError, match="tol goes with a solver's name"):
        make(name, solver=lamina.LBFGS(), tol=1e-2).fit(D, y)
    make(name, solver=lamina.Adam(1e-2), tol=1e-2).fit(D, y)  # which says when to stop
    with pytest.raises(ValueError, match=r"scoring .*early_stopping=False"):
        make(name, scoring="loss").fit(D, y)
    with pytest.raises(ValueError, match=r"scoring .*solver='lbfgs'"):
        make(name, scoring="loss", early_stopping=True, solver="lbfgs").fit(D, y)
    with pytest.raises(ValueError, match=r"'softmax' is no activation.*cross_entropy"):
        make(name, activation="softmax").fit(D, y)


@pytest.mark.parametrize("rows", [2, 3, 30, 31, 32, 59, 61])
def test_batch_norm_takes_any_number_of_rows(rows):
    targets = X[:rows, :2]
    for batch_size in ("auto", 30, 2):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a batch larger than the rows
            model = make("MLPRegressor", batch_norm=True, batch_size=batch_size, alpha=0.5).fit(X[:rows], targets)
        assert np.isfinite(model.loss_curve_).all()
    with pytest.raises(ValueError, match="batch_size leaves a batch of 1 row"):
        make("MLPRegressor", batch_norm=True, batch_size=1).fit(X, VALUES)


def test_layers_are_given_once():
    for twice in (lamina.MLPRegressor((5,), hidden_layer_sizes=(7,)), lamina.MLPRegressor((5,), "tanh", "elu")):
        with pytest.raises(ValueError, match=r"got loss=\(5,\), hidden_layer_sizes=.*: give sizes and activation once"):
            clone(twice).fit(X, VALUES)
    assert clone(lamina.MLPRegressor((5,), "tanh")).get_params()["activation"] == "tanh"
    assert lamina.MLPRegressor("huber", (5,)).loss == "huber"


@pytest.mark.parametrize("solver", ["Adam", "SGD", "LBFGS", "RMSProp"])
def test_solvers_in_any_case(solver):
    one, other = (
        make("MLPRegressor", solver=s, learning_rate="invscaling").fit(X, VALUES) for s in (solver, solver.lower())
    )
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


def test_losses_as_they_are_called_elsewhere():
    one, other = (make("MLPRegressor", loss=loss).fit(X, VALUES) for loss in ("mse", "squared_error"))
    np.testing.assert_array_equal(one.predict(X), other.predict(X))
    assert make("MLPRegressor", loss="mse", solver="lm").fit(X, VALUES).loss_ < 1
    with pytest.raises(ValueError, match="loss of MLPRegressor must be"):
        make("MLPRegressor", loss="cross_entropy").fit(X, VALUES)
    with pytest.raises(ValueError, match="loss of MLPClassifier must be"):
        make("MLPClassifier", loss="mse").fit(X, LABELS)


@pytest.mark.parametrize("called", ["log_loss", "LOG_LOSS", "Log_Loss"])
def test_scikit_learns_log_loss_in_any_case(called):
    model = make("MLPClassifier", loss=called).fit(X, np.arange(ROWS) % 3)
    assert model.out_activation_ == "softmax"
    assert model.network_.loss.name == "cross_entropy"
    assert make("MLPClassifier", loss=called).fit(X, LABELS).network_.loss.name == "binary_cross_entropy"


MASKED = [
    (name, parameters, part)
    for name in FAST
    for parameters in ({}, in_time(name))[: 1 + name.startswith("Recurrent")]
    for part in ("X", "y", "sample_weight")
]


@pytest.mark.parametrize(("name", "parameters", "part"), MASKED, ids=str)
def test_what_is_under_a_mask_is_not_learned(name, parameters, part):
    D, y = data(name)
    given = {"X": X if parameters else D, "y": y, "sample_weight": np.ones(ROWS)}
    model = make(name, **parameters).fit(**given)
    masked = np.ma.array(given[part])
    model.fit(**given | {part: masked})  # which hides nothing
    masked[3] = np.ma.masked
    with pytest.raises(ValueError, match=f"{part} must have no masked entries"):
        model.fit(**given | {part: masked})
    if part == "X":
        with pytest.raises(ValueError, match="X must have no masked entries"):
            model.predict(masked)


@pytest.mark.parametrize(
    ("called", "plain"),
    [("ReLU", "relu"), ("sigmoid", "logistic"), ("Linear", "identity"), (lamina.activations.get("tanh"), "tanh")],
    ids=str,
)
def test_first_weights_are_of_the_activation_and_not_of_what_it_is_called(called, plain):
    one, other = (make("MLPRegressor", activation=each).fit(X, VALUES) for each in (called, plain))
    for found, wanted in zip([*one.coefs_, *one.intercepts_], [*other.coefs_, *other.intercepts_], strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", [name for name in FAST if name not in CLASSIFIERS])
def test_numbers_are_learned_and_not_text(name):
    D, y = data(name)
    text = [f"{value}" for value in y]
    day = pd.Timestamp("2024-01-01")
    dated = pd.DataFrame({"price": y, "when": day})
    for given in (LABELS, text, np.array(text, object), pd.Series(text), pd.DataFrame({"price": text}), dated,
                  pd.Series([*y[1:], day], dtype=object)):  # fmt: skip
        with pytest.raises(TypeError, match="y must hold numbers; got "):
            make(name).fit(D, given)
    if name in MLPS:
        with pytest.raises(TypeError, match="X_val, y_val or sample_weight_val: y must hold numbers"):
            make(name).fit(D, y, X_val=D, y_val=LABELS)
    wanted = make(name).fit(D, y).predict(D)
    for given in (y.tolist(), y.astype(object), pd.Series(y, dtype=object), pd.Series(y, dtype="Float64")):
        np.testing.assert_array_equal(make(name).fit(D, given).predict(D), wanted)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_labels_are_of_one_kind(name):
    for pair, found in (
        (["a", None], "None, text"),
        ([None, "a"], "None, text"),
        ([1.5, None], "None, numbers"),
        (["a", 1], "numbers, text"),
        ([(1,), "a"], r"\(1,\), text"),
    ):
        y = np.empty(ROWS, object)
        y[::2], y[1::2] = pair[:1] * (ROWS // 2), pair[1:] * (ROWS // 2)
        with pytest.raises(ValueError, match=f"y must hold labels of one kind, text or numbers; got {found}"):
            make(name).fit(data(name)[0], y)
    y = LABELS.astype(object)
    np.testing.assert_array_equal(make(name).fit(data(name)[0], y).classes_, ["cat", "dog"])


# Rows of weight 0, and large targets ------------------------------------------------------------------------------

KEPT = np.arange(ROWS) % 4 != 1
WEIGHT = np.where(KEPT, 2.0, 0.0)
WEIGHTED = [
    *((name, {}) for name in FAST),
    *((name, {"early_stopping": True}) for name in TABLES),
    *((name, {"solver": "lbfgs"}) for name in MLPS),
    *((name, {"batch_norm": True, "standardize": True}) for name in MLPS),
    ("MLPClassifier", {"class_weight": "balanced"}),
    *((name, {"window": 1, "horizon": 0}) for name in ("RecurrentClassifier", "RecurrentRegressor")),
]


@pytest.mark.parametrize(("name", "parameters"), WEIGHTED, ids=str)
def test_rows_of_weight_zero_are_as_if_not_there(name, parameters):
    D, y = data(name)
    D = X if "window" in parameters else D
    bad = np.where(KEPT.reshape(-1, *[1] * (D.ndim - 1)), D, np.nan if name in TABLES else 1e300)
    strange = np.where(KEPT, y, "emu") if name in CLASSIFIERS else np.where(KEPT, y, np.inf)
    one = make(name, **parameters).fit(bad, strange, sample_weight=WEIGHT)
    other = make(name, **parameters).fit(D[KEPT], y[KEPT], sample_weight=WEIGHT[KEPT])
    np.testing.assert_array_equal(one.predict(D), other.predict(D))
    if name in CLASSIFIERS:
        assert list(one.classes_) == ["cat", "dog"]
    frame = pd.Series(WEIGHT, index=np.arange(ROWS) + 7)
    again = make(name, **parameters).fit(bad, pd.Series(strange, index=frame.index), sample_weight=frame)
    np.testing.assert_array_equal(one.predict(D), again.predict(D))


@pytest.mark.parametrize("name", ["MLPRegressor", "CascadeRegressor"])
def test_rows_of_weight_zero_in_frames_and_sparse(name):
    plain = make(name).fit(X[KEPT], VALUES[KEPT], sample_weight=WEIGHT[KEPT])
    for given in (pd.DataFrame(X), sparse.csr_array(X), sparse.coo_array(X), X.tolist()):
        found = make(name).fit(given, VALUES.tolist(), sample_weight=WEIGHT)
        np.testing.assert_array_equal(found.predict(X), plain.predict(X))


def test_validation_rows_of_weight_zero():
    validation = {"X_val": np.where(KEPT[:, None], X, np.nan), "y_val": VALUES, "sample_weight_val": WEIGHT}
    kept = {"X_val": X[KEPT], "y_val": VALUES[KEPT], "sample_weight_val": WEIGHT[KEPT]}
    one, other = (make("MLPRegressor").fit(X, VALUES, **own) for own in (validation, kept))
    assert one.validation_loss_curve_ == other.validation_loss_curve_


def test_balanced_classes_count_rows_as_often_as_they_weigh():
    y = np.arange(ROWS) % 3 == 0
    weight = np.where(np.arange(ROWS) % 2, 3.0, 1.0)
    repeated = np.repeat(np.arange(ROWS), weight.astype(int))
    options = {"class_weight": "balanced", "batch_size": 270, "shuffle": False}
    with pytest.warns(UserWarning, match="clipped"):
        one = make("MLPClassifier", **options).fit(X, y, sample_weight=weight)
    with pytest.warns(UserWarning, match="clipped"):
        other = make("MLPClassifier", **options).fit(X[repeated], y[repeated])
    np.testing.assert_allclose(one.loss_curve_, other.loss_curve_, rtol=1e-12)


def test_a_class_that_weighs_nothing_is_not_there():
    y = np.arange(ROWS) % 3
    weights = {0: 1.0, 1: 0.0, 2: 1.0}
    one = make("MLPClassifier", class_weight=weights, batch_norm=True).fit(np.where(y[:, None] == 1, 1e150, X), y)
    assert np.isfinite(one.loss_curve_).all()
    with pytest.raises(ValueError, match="must leave a row a weight above 0"):
        make("MLPClassifier", class_weight={0: 0, 1: 0, 2: 0}).fit(X, y)


@pytest.mark.parametrize("value", [-1, np.inf, np.nan, "heavy", True, None])
def test_weights_of_classes_are_named(value):
    y = np.arange(ROWS) % 2
    for given, targets in (({0: value, 1: 1.0}, y), ([{0: value, 1: 1.0}] * 2, np.stack([y, 1 - y], axis=1))):
        with pytest.raises(ValueError, match=f"class_weight must be finite and at least 0; got {value!r} for class 0"):
            make("MLPClassifier", class_weight=given).fit(X, targets)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("class_weight", [{0: 1.0, 1: 100.0}, "balanced"], ids=str)
def test_class_weights_hold_for_validation_rows_given_apart(class_weight, early_stopping):
    y = np.arange(ROWS) % 6 // 5
    held, weight = np.arange(ROWS) % 6 > 3, np.where(np.arange(ROWS) % 7 > 2, 1.0, 2.0)
    of_class = class_weight
    if class_weight == "balanced":  # by the rows to learn from
        total = np.bincount(y, weights=weight)
        of_class = dict(enumerate(total.sum() / (2 * total)))
    factors = np.array([of_class.get(label, 1.0) for label in y])
    options = {"early_stopping": early_stopping}
    one = make("MLPClassifier", class_weight=class_weight, **options)
    one.fit(X, y, weight, X[held], y[held], weight[held])
    other = make("MLPClassifier", **options)
    other.fit(X, y, weight * factors, X[held], y[held], (weight * factors)[held])
    np.testing.assert_allclose(one.validation_loss_curve_, other.validation_loss_curve_, rtol=1e-12)
    if early_stopping:
        np.testing.assert_allclose(one.validation_scores_, other.validation_scores_, rtol=1e-12)
    unweighted = make("MLPClassifier", class_weight=class_weight, **options).fit(X, y, None, X[held], y[held])
    assert unweighted.validation_loss_curve_ != one.validation_loss_curve_


def test_classes_that_weigh_nothing_are_not_validated_on():
    y = np.arange(ROWS) % 2
    validation = [(X[rows], y[rows]) for rows in (y < 2, y == 0)]
    one, other = (make("MLPClassifier", class_weight={1: 0}).fit(X, y, None, *given) for given in validation)
    assert one.validation_loss_curve_ == other.validation_loss_curve_
    with pytest.raises(ValueError, match=r"X_val, y_val or sample_weight_val: class_weight .* a row a weight above 0"):
        make("MLPClassifier", class_weight={1: 0}).fit(X, y, None, X[y == 1], y[y == 1])


def test_class_weights_of_several_labels():
    y = np.stack([np.arange(ROWS) % 3 == 0, np.arange(ROWS) % 4 == 0], axis=1).astype(int)
    factors = np.where(y[:, 0], 5.0, 1.0) * np.where(y[:, 1], 3.0, 0.5)
    one = make("MLPClassifier", class_weight=[{1: 5.0}, {0: 0.5, 1: 3.0}]).fit(X, y, None, X[:9], y[:9])
    other = make("MLPClassifier").fit(X, y, factors, X[:9], y[:9], factors[:9])
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))
    assert one.validation_loss_curve_ == other.validation_loss_curve_
    # No validation row has a label.
    make("MLPClassifier", class_weight=[{1: 5.0}, {1: 3.0}]).fit(X, y, None, X[1:3], y[1:3])
    for given in ([1, 2], [{1: 2.0}], {1: 2.0}, []):
        with pytest.raises(ValueError, match=r"class_weight must be .*list of.* dictionaries.*; got "):
            make("MLPClassifier", class_weight=given).fit(X, y)
    with pytest.raises(ValueError, match=r"class_weight must name classes of y; got 2, and y has \[0, 1\]"):
        make("MLPClassifier", class_weight=[{2: 2.0}, {1: 2.0}]).fit(X, y)


@pytest.mark.parametrize("given", [[], [1, 2], [{0: 1.0}]], ids=str)
def test_class_weights_of_single_labels_are_a_dictionary(given):
    with pytest.raises(ValueError, match=r"class_weight must be 'balanced' or a dictionary .*; got \["):
        make("MLPClassifier", class_weight=given).fit(X, np.arange(ROWS) % 2)


def test_weights_beyond_float32():
    with pytest.raises(ValueError, match="sample_weight must be within float32's range"):
        make("MLPRegressor").fit(X.astype(np.float32), VALUES, sample_weight=np.full(ROWS, 1e300))


@every
@pytest.mark.parametrize("size", [1e-200, 1e-40])
def test_weights_too_small_for_float32(name, size):
    D, y = data(name)
    D = D.astype(np.float32)
    with pytest.raises(ValueError, match=r"sample_weight is too small for float32: .*only their ratios count"):
        make(name).fit(D, y, sample_weight=np.full(ROWS, size))
    # Those that are small beside others are those of rows that do not count.
    one = make(name).fit(D, y, sample_weight=np.where(KEPT, 1.0, 1e-200))
    other = make(name).fit(D, y, sample_weight=np.where(KEPT, 1.0, 0.0))
    np.testing.assert_array_equal(one.predict(D), other.predict(D))


@pytest.mark.parametrize(
    "parameters", [{"early_stopping": True}, {"class_weight": {"cat": 1.0, "dog": 1e-30}}], ids=str
)
def test_rows_whose_weight_the_networks_type_has_not_are_not_split(parameters):
    D, weight = X.astype(np.float32), np.where(KEPT, 1.0, 1e-30 if "class_weight" in parameters else 1e-200)
    model = make("MLPClassifier", **{"early_stopping": True} | parameters).fit(D, LABELS, sample_weight=weight)
    assert np.isfinite(model.loss_curve_).all()


def test_targets_beyond_what_the_network_can_hold():
    single = X.astype(np.float32)
    for name, D, size, message in (
        ("MLPRegressor", X, 1e200, "squared_error of y is beyond float64's range"),
        ("MLPRegressor", single, 1e30, "squared_error of y is beyond float32's range; .* or use float64"),
        ("MLPRegressor", single, 1e100, "y is beyond float32's range"),
        ("RecurrentRegressor", S, 1e100, "y is beyond float32's range; .* or use float64"),
        ("CascadeRegressor", single, 1e100, "y must be within float32's range"),
    ):
        with pytest.raises(ValueError, match=message):
            make(name).fit(D, VALUES * size)
    largest = np.sign(VALUES) * 3.3e38
    models = [make("RecurrentRegressor", hidden_layer_sizes=1, random_state=seed) for seed in range(9)]
    refused = 0
    for model in models:  # by the weights that the last layer happens to have
        try:
            assert np.isfinite(model.fit(S, largest).predict(S)).all()
        except ValueError as error:
            assert "y is too large for predictions in float32" in str(error)  # noqa: PT017
            refused += 1
    assert 0 < refused < 9
    with pytest.raises(ValueError, match="squared_error of y is beyond float64's range"):
        make("RecurrentRegressor", standardize=False, dtype="float64").fit(S, VALUES * 1e200)
    assert np.isfinite(make("MLPRegressor", loss="absolute_error").fit(X, VALUES * 1e200).loss_)


@pytest.mark.parametrize("size", [1e-300, 1e-30, 1.0, 1e200, 5e307])
def test_a_series_of_any_size(size):
    y = VALUES / np.abs(VALUES).max() * size
    found = make("RecurrentRegressor", dtype="float64").fit(S, y).predict(S)
    np.testing.assert_allclose(found / size, make("RecurrentRegressor", dtype="float64").fit(S, y / size).predict(S))


# The network behind them ------------------------------------------------------------------------------------------


def test_the_network_predicts_in_the_users_units():
    values = 130 + 12 * VALUES
    models = [
        (make("MLPRegressor", max_iter=400, learning_rate_init=0.1).fit(X, values), X),
        (make("CascadeRegressor").fit(X, values), X),
        (make("RecurrentRegressor").fit(S, values), S),
        (make("RecurrentRegressor").fit(S, np.stack([values, VALUES], axis=1)), S),
    ]
    for model, D in models:
        out = model.network_.predict(D)
        np.testing.assert_allclose(out.reshape(model.predict(D).shape), model.predict(D), rtol=1e-6)
        assert np.abs(out[:, 0].mean() - 130) < 30
    jordan = make("RecurrentRegressor", kind="jordan").fit(S, values)
    outputs = jordan.network_.predict(S)[:, 0]
    assert abs(jordan.target_mean_[0] - 130) < 12  # which says that it does not
    np.testing.assert_allclose(outputs * jordan.target_scale_ + jordan.target_mean_, jordan.predict(S), rtol=1e-6)


def test_targets_are_standardised_by_weight():
    y, weight = np.where(KEPT, VALUES, 1e6), np.where(KEPT, 1.0, 1e-12)
    model = make("RecurrentRegressor", kind="jordan").fit(S, y, sample_weight=weight)
    assert abs(model.target_mean_[0]) < 1
    assert model.target_scale_[0] < 3


# scikit-learn's own checks; those of the other four are beside their tests ----------------------------------------

AS_A_TABLE = {
    "window": 1,
    "max_iter": 100,
    "optimizer": lamina.Adam(3e-2),
    "dtype": "float64",
    "batch_size": 1000,
    "early_stopping": False,
    "validation_fraction": 0,
}


@parametrize_with_checks(
    [lamina.RecurrentClassifier(**AS_A_TABLE), lamina.RecurrentRegressor(horizon=0, **AS_A_TABLE)],
    expected_failed_checks=lambda estimator: {"check_fit1d": "one axis is a time series of one feature"},
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)
