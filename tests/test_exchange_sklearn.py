"""Perceptrons that scikit-learn has fitted, as lamina's estimators: predictions, weights, and training that goes on."""

import sys
import warnings

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import lamina
from lamina.extras import REQUIREMENTS

pd = pytest.importorskip("pandas")

ACTIVATIONS = ["identity", "logistic", "tanh", "relu"]
TOLERANCE = {"float32": 2e-6, "float64": 1e-13}


def data(task, dtype="float64"):
    if task == "regression":
        X, y = make_regression(120, 6, n_targets=2, random_state=0)
        y = y / 100
    elif task == "counts":
        X, y = make_regression(120, 6, random_state=0)
        y = np.random.default_rng(0).poisson(np.exp(y / 200)).astype(float)
    elif task == "labels":
        X, y = make_multilabel_classification(120, 6, n_classes=4, random_state=0)
    else:
        classes = {"binary": 2, "classes": 3}[task]
        X, y = make_classification(120, 6, n_informative=4, n_classes=classes, random_state=0)
        y = np.array(["ant", "bee", "cow"])[y]
    return (3 + 5 * X).astype(dtype), y


def perceptron(task, activation="tanh", **options):
    options = {"max_iter": 15, "random_state": 0} | options
    if task == "regression":
        return neural_network.MLPRegressor(hidden_layer_sizes=(8, 5), activation=activation, **options)
    if task == "counts":
        if "loss" not in neural_network.MLPRegressor().get_params():
            pytest.skip("scikit-learn has no Poisson loss before 1.7")
        return neural_network.MLPRegressor(loss="poisson", hidden_layer_sizes=(8,), activation=activation, **options)
    return neural_network.MLPClassifier((8, 5), activation=activation, **options)


def fitted(model, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y)


def assert_same(ours, theirs, X, dtype="float64"):
    tolerance = TOLERANCE[dtype]
    if hasattr(theirs, "predict_proba"):
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=0, atol=tolerance)
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    else:
        expected = theirs.predict(X)
        np.testing.assert_allclose(ours.predict(X), expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())
    assert ours.predict(X).shape == theirs.predict(X).shape


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden", ACTIVATIONS)
@pytest.mark.parametrize("task", ["binary", "classes", "labels", "regression", "counts"])
def test_predictions_are_equal_and_weights_the_same(task, hidden, dtype):
    X, y = data(task, dtype)
    theirs = fitted(perceptron(task, hidden), X, y)
    ours = lamina.from_sklearn(theirs)
    assert type(ours).__name__ == type(theirs).__name__
    assert isinstance(ours, (lamina.MLPClassifier, lamina.MLPRegressor))
    assert ours.network_.dtype == dtype
    for own, other in ((ours.coefs_, theirs.coefs_), (ours.intercepts_, theirs.intercepts_)):
        assert len(own) == len(other)
        for a, b in zip(own, other, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
    assert_same(ours, theirs, X, dtype)
    for name in ("classes_", "n_features_in_", "n_outputs_", "n_layers_", "n_iter_", "loss_", "loss_curve_", "t_"):
        if hasattr(theirs, name):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    assert ours.get_params()["max_iter"] == 15


@pytest.mark.parametrize("task", ["classes", "regression"])
def test_a_scaler_in_front_normalises_inputs(task):
    X, y = data(task)
    frame = pd.DataFrame(X, columns=list("abcdef"))
    theirs = fitted(make_pipeline(StandardScaler(), perceptron(task)), frame, y)
    ours = lamina.from_sklearn(theirs)
    assert ours.standardize
    assert list(ours.feature_names_in_) == list("abcdef")
    assert_same(ours, theirs, frame)
    plain = fitted(Pipeline([("nothing", "passthrough"), ("net", perceptron(task))]), X, y)
    assert not lamina.from_sklearn(plain).standardize
    assert_same(lamina.from_sklearn(plain), plain, X)


def test_one_class_alone_is_refused():
    X, _ = data("binary")
    theirs = fitted(perceptron("binary"), X, np.zeros(len(X), int))
    with pytest.raises(ValueError, match="one class alone, 0"):
        lamina.from_sklearn(theirs)


@pytest.mark.parametrize("options", [{}, {"solver": "lbfgs"}, {"solver": "sgd"}], ids=str)
@pytest.mark.parametrize("task", ["binary", "classes", "labels", "regression"])
def test_training_goes_on(task, options):
    X, y = data(task)
    X = (X - 3) / 5
    theirs = fitted(perceptron(task, warm_start=True, **options), X, y)
    ours = lamina.from_sklearn(theirs)
    before, curve = (
        ours.network_.evaluate(X, ours_targets(ours, y)),
        list(getattr(theirs, "loss_curve_", [])),
    )  # which its lbfgs has not
    fitted(ours.set_params(max_iter=60), X, y)
    assert ours.network_.evaluate(X, ours_targets(ours, y)) < before
    assert ours.loss_curve_[: len(curve)] == curve
    if not options:
        again = lamina.from_sklearn(theirs)
        for _ in range(30):
            again.partial_fit(X, y)
        assert again.network_.evaluate(X, ours_targets(ours, y)) < before


def test_the_best_score_so_far_is_taken_over():
    """As in scikit-learn, where a fit with warm_start has to beat it, or leaves the weights alone."""
    X, y = data("binary")
    y = np.unique(y, return_inverse=True)[1]  # scikit-learn 1.7 has no score of texts
    theirs = fitted(perceptron("binary", warm_start=True, early_stopping=True), X, y)
    ours = lamina.from_sklearn(theirs)
    assert ours.best_validation_score_ == theirs.best_validation_score_
    assert ours.validation_scores_ == theirs.validation_scores_
    assert ours.best_iteration_ == np.argmax(theirs.validation_scores_) + 1
    weights = [w.copy() for w in ours.coefs_]
    fitted(ours, X, y)
    assert len(ours.validation_scores_) > len(theirs.validation_scores_)
    same = all(np.array_equal(a, b) for a, b in zip(weights, ours.coefs_, strict=True))
    assert same == (ours.best_validation_score_ == theirs.best_validation_score_)


def ours_targets(ours, y):
    if y.dtype.kind != "U":
        return y.astype(float)
    places = np.searchsorted(ours.classes_, y)
    return places if ours.n_outputs_ > 1 else places.astype(float)


@pytest.mark.parametrize(
    ("missing", "call"),
    [
        ("sklearn", lambda: lamina.from_sklearn(None)),
        ("torch", lambda: lamina.to_torch(lamina.Network([lamina.Dense(1)], 2))),
        ("torch", lambda: lamina.from_torch(None)),
        ("keras", lambda: lamina.to_keras(lamina.Network([lamina.Dense(1)], 2))),
        ("keras", lambda: lamina.from_keras(None)),
    ],
)
def test_a_library_that_is_missing_is_named(missing, call, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=rf'install with: pip install "{REQUIREMENTS[missing]}"'):
        call()


def test_what_it_is_not_for_is_refused_by_name():
    X, y = data("classes")
    with pytest.raises(NotFittedError):
        lamina.from_sklearn(perceptron("classes"))
    with pytest.raises(TypeError, match=r"model must be a fitted MLPClassifier .* got LogisticRegression"):
        lamina.from_sklearn(LogisticRegression().fit(X, y))
    with pytest.raises(TypeError, match=r"the step 'pca' of model .* got PCA"):
        lamina.from_sklearn(fitted(make_pipeline(PCA(3), perceptron("classes")), X, y))
    with pytest.raises(ValueError, match=r"the step 'standardscaler' of model must take both"):
        lamina.from_sklearn(fitted(make_pipeline(StandardScaler(with_mean=False), perceptron("classes")), X, y))
    broken = fitted(perceptron("classes"), X, y)
    broken.coefs_[0][0, 0] = np.nan
    with pytest.raises(ValueError, match="finite weights"):
        lamina.from_sklearn(broken)
