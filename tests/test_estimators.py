"""The estimators against scikit-learn's own, number by number."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import neural_network as sk
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import lamina

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

PAIRS = {"classifier": (lamina.MLPClassifier, sk.MLPClassifier), "regressor": (lamina.MLPRegressor, sk.MLPRegressor)}
ROWS = 300
DIGITS, LABELS = (part[:ROWS] for part in load_digits(return_X_y=True))
DIGITS = DIGITS / 16
WEIGHTS = np.random.default_rng(0).uniform(0.1, 3, ROWS)
COLUMNS = DIGITS @ np.random.default_rng(1).random((64, 2))
SIGNS = np.column_stack([LABELS > 3, LABELS % 2 == 0, LABELS % 3 == 0]).astype(int)
# Without shuffling the two see the same batches; a tiny epsilon takes away where Adam adds it.
SAME = {"shuffle": False, "random_state": 3, "hidden_layer_sizes": (20,), "max_iter": 25, "batch_size": 64}
SGD = {"solver": "sgd", "learning_rate_init": 0.1}


@parametrize_with_checks([lamina.MLPClassifier(max_iter=100), lamina.MLPRegressor(max_iter=100)])
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


CASES = {
    "several classes": ("classifier", LABELS, SGD),
    "two classes": ("classifier", LABELS > 4, SGD),
    "strings": ("classifier", np.array(list("abcdefghij"))[LABELS], SGD),
    "several labels": ("classifier", SIGNS, SGD),
    "adam": ("classifier", LABELS > 4, {"epsilon": 1e-15, "alpha": 0.01}),
    "tanh": ("classifier", LABELS, SGD | {"activation": "tanh", "hidden_layer_sizes": (12, 7)}),
    "logistic": ("classifier", LABELS, SGD | {"activation": "logistic", "alpha": 1.0}),
    "identity": ("classifier", LABELS, SGD | {"activation": "identity"}),
    "no hidden layer": ("classifier", LABELS, SGD | {"hidden_layer_sizes": ()}),
    "plain momentum": ("classifier", LABELS, SGD | {"nesterovs_momentum": False, "momentum": 0.5}),
    "no momentum": ("classifier", LABELS, SGD | {"momentum": 0.0}),
    "invscaling": ("classifier", LABELS, SGD | {"learning_rate": "invscaling", "power_t": 0.2}),
    "adaptive": ("classifier", LABELS, SGD | {"learning_rate": "adaptive", "tol": 0.02, "n_iter_no_change": 2,
                                              "max_iter": 80}),
    "stops": ("classifier", LABELS, SGD | {"tol": 0.05, "n_iter_no_change": 2, "max_iter": 80}),
    "early stopping": ("classifier", LABELS, SGD | {"early_stopping": True, "n_iter_no_change": 3, "max_iter": 80}),
    "early stopping, two classes": ("classifier", LABELS > 4, SGD | {"early_stopping": True, "n_iter_no_change": 2,
                                                                     "max_iter": 80}),
    "lbfgs": ("classifier", LABELS, {"solver": "lbfgs", "alpha": 0.1}),
    "regression": ("regressor", COLUMNS[:, 0], SGD | {"learning_rate_init": 1e-3}),
    "several targets": ("regressor", COLUMNS, SGD | {"learning_rate_init": 1e-3}),
    "several targets, early": ("regressor", COLUMNS, SGD | {"learning_rate_init": 1e-3, "early_stopping": True}),
    "poisson": ("regressor", LABELS, SGD | {"learning_rate_init": 1e-3, "loss": "poisson"}),
    "regression, lbfgs": ("regressor", COLUMNS[:, 0], {"solver": "lbfgs"}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_follows_scikit_learn(case):
    kind, y, options = CASES[case]
    ours, theirs = (estimator(**(SAME | options)).fit(DIGITS, y) for estimator in PAIRS[kind])
    equal = {"rtol": 1e-6, "atol": 1e-8}
    for weight, reference in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        assert_allclose(weight, reference, rtol=1e-6, atol=1e-7)
    for method in ("predict_proba", "predict_log_proba") if kind == "classifier" else ("predict",):
        assert_allclose(getattr(ours, method)(DIGITS), getattr(theirs, method)(DIGITS), rtol=1e-5, atol=1e-7)
    if kind == "classifier":
        assert_array_equal(ours.predict(DIGITS), theirs.predict(DIGITS))
        assert_array_equal(ours.classes_, theirs.classes_)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    # The share of the penalty in the curve of several targets is that after the epoch.
    curve = {"rtol": 1e-5} if case.startswith("several targets") else equal
    assert_allclose(ours.loss_, theirs.loss_, **curve)
    if ours.solver == "lbfgs":
        assert_allclose(ours.loss_curve_[-1], theirs.loss_, **curve)
        assert len(ours.loss_curve_) == ours.n_iter_
    else:
        assert_allclose(ours.loss_curve_, theirs.loss_curve_, **curve)
        for name in ("best_loss_", "validation_scores_", "best_validation_score_"):
            found, wanted = getattr(ours, name), getattr(theirs, name)
            assert found is wanted is None or np.allclose(found, wanted, **curve), name


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_sample_weights_follow_scikit_learn(kind, solver):
    y = LABELS if kind == "classifier" else COLUMNS[:, 0]
    options = SAME | {"solver": solver, "learning_rate_init": 1e-3, "alpha": 0.5}
    ours, theirs = (estimator(**options).fit(DIGITS, y, sample_weight=WEIGHTS) for estimator in PAIRS[kind])
    for weight, reference in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        assert_allclose(weight, reference, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", PAIRS)
def test_a_weight_of_two_is_the_row_twice(kind):
    estimator = PAIRS[kind][0]((10,), max_iter=30, random_state=0, batch_size=4 * ROWS)
    twice = np.r_[np.arange(ROWS), np.arange(0, ROWS, 3)]
    weight = np.where(np.arange(ROWS) % 3 == 0, 2.0, 1.0)
    with pytest.warns(UserWarning, match="clipped"):
        weighted = clone(estimator).fit(DIGITS, LABELS, sample_weight=weight)
    with pytest.warns(UserWarning, match="clipped"):
        repeated = clone(estimator).fit(DIGITS[twice], LABELS[twice])
    assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-9)
    assert_allclose(weighted.coefs_[0], repeated.coefs_[0], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("options", [SGD, {"epsilon": 1e-15}, SGD | {"learning_rate": "invscaling"}], ids=str)
def test_partial_fit_follows_scikit_learn(kind, options):
    y = LABELS > 4 if kind == "classifier" else COLUMNS[:, 0] / 10
    first = {"classes": [False, True]} if kind == "classifier" else {}
    ours, theirs = (estimator(**(SAME | options | {"learning_rate_init": 1e-2})) for estimator in PAIRS[kind])
    for step in range(6):
        for estimator in (ours, theirs):
            estimator.partial_fit(DIGITS, y, **(first if step == 0 else {}))
    assert_allclose(ours.coefs_[0], theirs.coefs_[0], rtol=1e-5, atol=1e-6)
    assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-5)
    assert (ours.t_, ours.n_iter_) == (theirs.t_, theirs.n_iter_)


@pytest.mark.parametrize("kind", PAIRS)
def test_warm_start_follows_scikit_learn(kind):
    y = LABELS if kind == "classifier" else COLUMNS[:, 0] / 10
    ours, theirs = (estimator(**(SAME | SGD | {"warm_start": True, "max_iter": 5})) for estimator in PAIRS[kind])
    for _ in range(3):
        for estimator in (ours, theirs):
            estimator.fit(DIGITS, y)
    assert_allclose(ours.coefs_[0], theirs.coefs_[0], rtol=1e-6, atol=1e-8)
    assert len(ours.loss_curve_) == len(theirs.loss_curve_) == 15


def test_every_parameter_of_scikit_learns_has_its_default():
    for ours, theirs in PAIRS.values():
        found, wanted = ours().get_params(), theirs().get_params()
        assert {name: found[name] for name in wanted} == wanted


def test_verbose_prints_what_scikit_learn_prints(capsys):
    printed = []
    for estimator in PAIRS["classifier"]:
        estimator(**(SAME | SGD), verbose=True, early_stopping=True).fit(DIGITS, LABELS)
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]


@pytest.mark.filterwarnings("error")
def test_warns_at_max_iter_alone():
    with pytest.warns(ConvergenceWarning, match="Maximum iterations"):
        lamina.MLPClassifier(max_iter=2).fit(DIGITS, LABELS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stopped = lamina.MLPClassifier(tol=10.0, n_iter_no_change=2).fit(DIGITS, LABELS)
    assert "did not improve" in stopped.stop_reason_


@pytest.mark.parametrize("old", [((50,),), ([50],), (50,), ((50,), "tanh")])
def test_the_first_argument_may_be_the_loss_or_the_layers(old):
    estimator = lamina.MLPRegressor(*old)
    assert estimator.loss == "squared_error"
    assert np.ravel(estimator.hidden_layer_sizes).tolist() == [50]
    assert estimator.activation == (old[1] if len(old) > 1 else "relu")
    assert clone(lamina.MLPRegressor("poisson", (50,), "tanh")).get_params()["activation"] == "tanh"


def test_weights_are_views():
    estimator = lamina.MLPRegressor((5,), max_iter=2).fit(DIGITS, COLUMNS)
    estimator.coefs_[-1] = np.zeros((5, 2))
    estimator.intercepts_[-1][:] = [1, 2]
    assert_array_equal(estimator.predict(DIGITS[:3]), [[1, 2]] * 3)
    estimator.intercepts_ = [np.zeros(5), np.array([3, 4])]
    assert_array_equal(estimator.predict(DIGITS[:3]), [[3, 4]] * 3)
    with pytest.raises(AttributeError, match="before it is fitted"):
        _ = lamina.MLPRegressor().coefs_


@pytest.mark.parametrize("name", ["coefs_", "intercepts_"])
def test_weights_that_do_not_fit_are_refused_before_any_is_written(name):
    estimator = lamina.MLPRegressor((5, 5), max_iter=2).fit(DIGITS, COLUMNS)
    before = [view.copy() for view in getattr(estimator, name)]
    zeros = [np.zeros_like(view) for view in before]
    last = len(zeros) - 1
    for wrong, message in (
        ([*zeros[:-1], np.zeros((9, 9))], rf"^{name}\[{last}\] must have the shape of that layer's, .*; got \(9, 9\)"),
        ([*zeros[:-1], np.zeros(1)], rf"^{name}\[{last}\] must have the shape"),
        (zeros[:-1], f"^{name} must be 3 arrays, one for each layer; got 2"),
        ([*zeros, zeros[0]], f"^{name} must be 3 arrays, one for each layer; got 4"),
        ([*zeros[:-1], np.ma.masked_all(zeros[-1].shape)], rf"^{name}\[{last}\] must have no masked entries"),
    ):
        with pytest.raises(ValueError, match=message):
            setattr(estimator, name, wrong)
        with pytest.raises(ValueError, match=message):
            getattr(estimator, name)[:] = wrong
        for view, kept in zip(getattr(estimator, name), before, strict=True):
            assert_array_equal(view, kept)
    with pytest.raises(TypeError, match=f"{name} must be arrays, one for each layer; got 0"):
        setattr(estimator, name, 0)
    with pytest.raises(TypeError, match=rf"{name}\[1\]"):
        getattr(estimator, name)[1] = [["none"]]
    with pytest.raises(ValueError, match=rf"{name}\[1\] must have the shape"):
        getattr(estimator, name)[-2] = zeros[-1]
    with pytest.raises(IndexError):
        getattr(estimator, name)[3] = zeros[0]
    getattr(estimator, name)[0] *= 2
    getattr(estimator, name)[::2] = (before[0] * 3, 1)
    assert_array_equal(getattr(estimator, name)[0], before[0] * 3)
    assert_array_equal(getattr(estimator, name)[1], before[1])
    assert (getattr(estimator, name)[2] == 1).all()
    setattr(estimator, name, (zero for zero in zeros))
    assert not np.concatenate([view.ravel() for view in getattr(estimator, name)]).any()
    copied = pickle.loads(pickle.dumps(getattr(estimator, name)))
    assert copied.name == name


def test_weights_may_be_views_of_one_another():
    estimator = lamina.MLPRegressor((5, 5, 5), max_iter=2).fit(DIGITS, COLUMNS)
    first, second = (view.copy() for view in estimator.coefs_[1:3])
    estimator.coefs_[1:3] = estimator.coefs_[2:0:-1]
    assert_array_equal(estimator.coefs_[1], second)
    assert_array_equal(estimator.coefs_[2], first)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_the_type_of_X_is_kept(dtype, solver):
    X = DIGITS.astype(dtype)
    estimator = lamina.MLPClassifier((5,), solver=solver, max_iter=3).fit(X, LABELS)
    assert estimator.coefs_[0].dtype == estimator.predict_proba(X).dtype == dtype


def test_sparse_frames_and_pickles_agree():
    pandas = pytest.importorskip("pandas")
    estimator = lamina.MLPClassifier((5,), max_iter=5, random_state=0)
    dense = clone(estimator).fit(DIGITS, LABELS)
    wanted = dense.predict_proba(DIGITS)
    for make in (sparse.csr_array, sparse.csc_matrix):
        assert_array_equal(clone(estimator).fit(make(DIGITS), LABELS).predict_proba(make(DIGITS)), wanted)
    frame = pandas.DataFrame(DIGITS, columns=[f"pixel {i}" for i in range(64)])
    framed = clone(estimator).set_params(early_stopping=True, scoring="accuracy").fit(frame, LABELS)
    assert framed.feature_names_in_.tolist() == frame.columns.tolist()
    assert_array_equal(pickle.loads(pickle.dumps(dense)).predict_proba(DIGITS), wanted)


@pytest.mark.parametrize(
    ("dtype", "kind"), [("boolean", "b"), ("bool[pyarrow]", "b"), ("category", "b"), ("Int64", "i")]
)
@pytest.mark.parametrize(
    "estimator",
    [
        lamina.MLPClassifier((5,), max_iter=3, random_state=0),
        lamina.MLPClassifier((5,), max_iter=3, random_state=0, early_stopping=True),
        lamina.CascadeClassifier(max_units=1, random_state=0),
    ],
    ids=["plain", "early_stopping", "cascade"],
)
def test_classes_of_pandas_types_are_of_their_own_type(dtype, kind, estimator):
    pandas = pytest.importorskip("pandas")
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    truth = LABELS > 4 if kind == "b" else 3 * (LABELS > 4)
    wanted = clone(estimator).fit(DIGITS, truth)
    y = pandas.Series(truth).astype(dtype)
    made = clone(estimator).fit(DIGITS, y)
    assert made.classes_.dtype == truth.dtype
    assert made.predict(DIGITS).dtype.kind == kind
    assert_array_equal(made.predict_proba(DIGITS), wanted.predict_proba(DIGITS))
    assert made.score(DIGITS, y) == wanted.score(DIGITS, truth)
    with pytest.warns(DataConversionWarning, match="column-vector y was passed"):
        assert clone(estimator).fit(DIGITS, y.to_frame()).classes_.dtype == truth.dtype
    weights = np.where(np.arange(len(y)) == 3, 0.0, 1.0)
    missing = y.copy()
    missing[3] = pandas.NA
    with pytest.raises(ValueError, match="NaN"):
        clone(estimator).fit(DIGITS, missing)
    assert clone(estimator).fit(DIGITS, missing, sample_weight=weights).classes_.dtype == truth.dtype
    if isinstance(estimator, lamina.MLPClassifier) and not estimator.early_stopping:
        partly = clone(estimator).partial_fit(DIGITS, y, classes=y.drop_duplicates())
        assert partly.partial_fit(DIGITS, y).classes_.dtype == truth.dtype


DAYS = np.datetime64("2024-01-01") + (np.arange(ROWS) % 120).astype("timedelta64[D]")


@pytest.mark.parametrize(
    ("y", "what"),
    [
        (DAYS, "dates such as 2024-01-01"),
        (list(DAYS.astype(object)), "dates such as 2024-01-01"),
        (DAYS - DAYS[0], "spans of time such as 0 days"),
        (DAYS.astype(str), "dates, as text, such as 2024-01-01"),
        (list(DAYS.astype(str)), "dates, as text, such as 2024-01-01"),
    ],
    ids=["datetime", "objects", "timedelta", "text", "list of text"],
)
@pytest.mark.parametrize("name", [name for name in lamina.__all__ if name.endswith("Classifier")])
def test_dates_are_no_classes(y, what, name):
    X = DIGITS[:ROWS, np.newaxis] if name.startswith("Recurrent") else DIGITS[:ROWS]
    with pytest.raises(ValueError, match=f"^y must hold labels of classes; got {what}"):
        getattr(lamina, name)().fit(X, y)


@pytest.mark.parametrize("name", [name for name in lamina.__all__ if name.endswith("Classifier")])
def test_a_date_that_is_missing_is_no_class(name):
    X = DIGITS[:ROWS, np.newaxis] if name.startswith("Recurrent") else DIGITS[:ROWS]
    days = DAYS[np.arange(ROWS) % 2]
    days[7] = "NaT"
    for y in (days, days - DAYS[0]):
        with pytest.raises(ValueError, match=r"^Input y contains NaT: a label is missing in row 7$"):
            getattr(lamina, name)().fit(X, y)


@pytest.mark.parametrize("kind", ["datetime64[D]", "U"])
def test_a_few_dates_may_be_classes(kind):
    y = DAYS[:4].astype(kind)[np.arange(ROWS) % 4]
    assert lamina.MLPClassifier((3,), max_iter=2).fit(DIGITS[:ROWS], y).classes_.tolist() == sorted(set(y))


def test_in_pipelines_searches_and_cross_validation():
    X, y = load_iris(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), lamina.MLPClassifier((8,), solver="lbfgs", random_state=0))
    assert cross_val_score(pipeline, X, y, cv=3).mean() > 0.9
    search = GridSearchCV(
        pipeline, {"mlpclassifier__activation": ["tanh", "gelu"], "mlpclassifier__alpha": [0.1]}, cv=3
    )
    assert search.fit(X, y).best_score_ > 0.9
