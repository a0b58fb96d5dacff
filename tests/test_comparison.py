"""A network beside scikit-learn's learners, on the same folds."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ShuffleSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info, threadpool_limits

import lamina


def test_the_courses_learners_on_labels(tmp_path):
    X, y = load_breast_cancer(return_X_y=True)
    names = np.array(["malignant", "benign"])[y[:250]]
    found = lamina.compare(X[:250], names, k=3, epochs=30)
    assert set(found.scores) == {
        "linear classifier", "k nearest neighbours", "boosted stumps", "support vector machine", "network",
    }  # fmt: skip
    assert found.scoring == "accuracy"
    assert all(len(own) == 3 and 0.85 < own.mean() <= 1 for own in found.scores.values())
    lines = found.table().splitlines()
    assert lines[0].split() == ["learner", "accuracy", "std", "seconds"]
    assert lines[1].startswith(found.ranked[0])
    assert repr(found) == str(found) == found.table()  # what a notebook shows
    assert len(found.to_pandas()) == 15
    found.plot(path=tmp_path / "compare.png")
    assert (tmp_path / "compare.png").stat().st_size > 5000


def test_regression_is_scored_by_r2():
    X, y = load_diabetes(return_X_y=True)
    found = lamina.compare(X, (y - y.mean()) / y.std(), k=3, epochs=20)
    assert found.scoring == "R²"
    assert found.scores["linear model"].mean() > 0.4
    assert found.scores["network"].mean() > 0.3


def test_all_see_the_same_folds():
    X, y = load_breast_cancer(return_X_y=True)
    net = lamina.Network([lamina.Dense(2)], n_inputs=30, loss="cross_entropy", normalize_inputs=True)
    found = lamina.compare(X, y, k=3, net=net, learners={"mine": LogisticRegression(), "Bayes": GaussianNB()}, seed=7)
    assert list(found.scores) == ["mine", "Bayes", "network"]
    cv = lamina.cross_validate(net, X, y, 3, seed=7, scoring="accuracy", validation=0.1)
    np.testing.assert_array_equal(found.scores["network"], cv.scores)
    for fold in range(3):
        held = cv.folds == fold
        own = make_pipeline(StandardScaler(), LogisticRegression()).fit(X[~held], y[~held])
        assert found.scores["mine"][fold] == own.score(X[held], y[held])


def test_a_splitter_gives_all_the_same_folds():
    X, y = load_breast_cancer(return_X_y=True)
    X, y = X[:120], y[:120]
    seen = []

    class Watched(GaussianNB):
        def fit(self, X, y):
            seen.append(X.tobytes())
            return super().fit(X, y)

    random = ShuffleSplit(3, test_size=0.3)  # other rows each time that it is asked
    found = lamina.compare(X, y, k=random, learners={"one": Watched(), "other": Watched()}, epochs=2)
    assert seen[:3] == seen[3:]
    assert len(set(seen)) == 3
    assert len(found.scores["network"]) == 3


def test_learners_on_small_data_have_one_thread():
    seen = []

    class Watched(GaussianNB):
        def fit(self, X, y):
            seen.extend(pool["num_threads"] for pool in threadpool_info())
            return super().fit(X, y)

    X, y = load_breast_cancer(return_X_y=True)
    with threadpool_limits(2):
        lamina.compare(X[:60], y[:60], k=2, learners={"mine": Watched()}, epochs=1)
        assert 2 in [pool["num_threads"] for pool in threadpool_info()]  # as it was before
    assert set(seen) == {1}


def test_misuse():
    with pytest.raises(ValueError, match="one entry for each of the 10 rows"):
        lamina.compare(np.zeros((10, 2)), np.zeros(9))
    with pytest.raises(ValueError, match="at least k = 5 members"):
        lamina.compare(np.zeros((10, 2)), np.repeat([0, 1], [8, 2]))
    with pytest.raises(ValueError, match="learners must have other names than 'network'"):
        lamina.compare(np.zeros((10, 2)), np.arange(10) % 2, k=2, learners={"network": GaussianNB()})


def test_several_targets_are_compared():
    X = np.random.default_rng(0).normal(size=(90, 3))
    y = np.stack([X[:, 0], X[:, 1] - X[:, 2]], axis=1)
    found = lamina.compare(X, y, k=3, epochs=1)
    assert found.scoring == "R²"
    assert set(found.scores) == {
        "linear model", "k nearest neighbours", "boosted stumps", "support vector machine", "network",
    }  # fmt: skip
    single = [lamina.compare(X, own, k=3, epochs=1).scores for own in y.T]
    for name in ("boosted stumps", "support vector machine"):
        np.testing.assert_allclose(found.scores[name], (single[0][name] + single[1][name]) / 2, rtol=1e-9)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("of", ["labels", "text", "numbers"])
def test_one_column_is_what_it_holds(of):
    X = np.random.default_rng(0).normal(size=(90, 3))
    y = {"labels": (X[:, 0] > 0).astype(int), "text": np.where(X[:, 0] > 0, "p", "n"), "numbers": X[:, 0]}[of]
    flat, column = (lamina.compare(X, given, k=3, epochs=1) for given in (y, y[:, None]))
    assert column.scoring == flat.scoring
    for name, scores in flat.scores.items():
        np.testing.assert_array_equal(column.scores[name], scores)
