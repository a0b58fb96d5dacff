"""What is sent to other processes arrives there: cloudpickle from a fresh process, and joblib's loky workers."""

import subprocess
import sys

import pytest

import lamina

pytest.importorskip("sklearn")
pytest.importorskip("joblib")


def run(code):
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=600)
    assert result.returncode == 0, result.stderr
    return result.stdout


MADE = [
    *(
        f"lamina.{name}({'2' if name in ('Dense', 'Recurrent', 'SharedDense', 'Shortcut') else ''})"
        for name in lamina.layers.names()
    ),
    *(f"lamina.{name}()" for name in lamina.optimizers.names()),
    *(f"lamina.{name}()" for name in lamina.optimizers.solver_names()),
    *(f"lamina.schedules.{name}" for name in ("Cosine()", "ReduceOnPlateau()")),
    "lamina.activations.get('elu')",
    "lamina.losses.get('huber')",
    "lamina.initializers.get('orthogonal')",
    "lamina.Network([lamina.Dense(2)], 2)",
    "lamina.CascadeNetwork(2)",
    "lamina.SAM(lamina.Adam())",
    "lamina.EarlyStopping()",
    "lamina.MLPClassifier(solver=lamina.Adam())",
]


def test_cloudpickle_takes_no_class_along_by_value():
    """Each in the namespace of a fresh process, where nothing has been imported that the object does not need."""
    given = [made.replace("Activation()", "Activation('relu')").replace("Dropout()", "Dropout(0.5)") for made in MADE]
    given = [made.replace("GaussianNoise()", "GaussianNoise(0.5)") for made in given]
    given = [made.replace(".Embedding()", ".Embedding((0, 2), (3, 12))") for made in given]
    run(f"""
import os, pickle, lamina
try:
    import cloudpickle
except ImportError:
    from joblib.externals import cloudpickle  # before joblib 1.6
for made in {given!r}:
    pid = os.fork()
    if not pid:
        try:
            data = cloudpickle.dumps(eval(made))
            assert len(data) < 5000, len(data)
            assert repr(pickle.loads(data))[:20] == repr(eval(made))[:20]
        except BaseException as error:
            print(made, repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0, made
""")


def test_every_class_names_a_module_that_is_there():
    run("""
import sys, lamina
missing = [c for c in vars(lamina._core).values() if isinstance(c, type) and c.__module__ not in sys.modules]
assert not missing, missing
""")


@pytest.mark.slow
def test_fitted_estimators_go_through_loky_workers():
    out = run("""
import warnings
warnings.simplefilter("ignore")
import numpy as np
import joblib
import lamina
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingRegressor, VotingClassifier
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multiclass import OneVsRestClassifier

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 4))
y, values = np.arange(60) % 3, X[:, 0]
S = X.reshape(60, 2, 2)
classifier = lamina.MLPClassifier((4,), max_iter=3, random_state=0)
cascade = lamina.CascadeClassifier(max_units=1, random_state=0)
regressor = lamina.MLPRegressor((4,), max_iter=3, random_state=0)
grown = lamina.CascadeRegressor(max_units=1, random_state=0)
with joblib.parallel_backend("loky", n_jobs=2):
    BaggingClassifier(classifier, n_estimators=2, n_jobs=2).fit(X, y).predict(X)
    VotingClassifier([("a", classifier), ("b", cascade)], n_jobs=2).fit(X, y).predict(X)
    StackingRegressor([("a", regressor), ("b", grown)], cv=2, n_jobs=2).fit(X, values).predict(X)
    OneVsRestClassifier(classifier, n_jobs=2).fit(X, y).predict(X)
    CalibratedClassifierCV(classifier, cv=2, n_jobs=2, ensemble=True).fit(X, y).predict(X)
    permutation_importance(classifier.fit(X, y), X, y, n_repeats=2, n_jobs=2)
    GridSearchCV(regressor, {"activation": ["tanh", lamina.activations.get("elu")]}, cv=2, n_jobs=2).fit(X, values)
    sequences = lamina.RecurrentClassifier(4, max_iter=2, random_state=0)
    assert len(cross_val_score(sequences, S, y, cv=2, n_jobs=2, error_score="raise")) == 2
    fitted = [
        classifier, cascade.fit(X, y), regressor.fit(X, values), grown.fit(X, values), sequences.fit(S, y),
        lamina.RecurrentRegressor(4, max_iter=2, random_state=0).fit(S, values),
    ]
    data = [X, X, X, X, S, S]
    there = joblib.Parallel(n_jobs=2)(joblib.delayed(lambda m, D: m.predict(D))(m, D) for m, D in zip(fitted, data))
    for model, D, found in zip(fitted, data, there):
        np.testing.assert_array_equal(model.predict(D), found)
print("done")
""")
    assert "done" in out
