"""A network beside the course's other learners, on the same folds; needs scikit-learn."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from lamina._core import Dense
from lamina.data.arguments import boolean, seed_number
from lamina.data.arrays import Array, to_array, unmasked
from lamina.data.records import Samples
from lamina.data.splits import class_numbers
from lamina.extras import how_to_install
from lamina.files import FilePath
from lamina.network.network import Network
from lamina.plots.training import fold_scores
from lamina.selection.cross_validation import cross_validate, folds_of
from lamina.selection.side_by_side import OWN_OPTIONS, check_fit_options, jobs
from lamina.text import aligned

__all__ = ["Comparison", "compare"]

# Numbers in X below which a learner gets one thread. The threads of scikit-learn's OpenMP wait by spinning: on busy
# cores, where one of them may have to wait for its turn, that takes longer than such work.
_WORTH_THREADS = 1_000_000


class Comparison:
    """What `compare` found.

    Attributes
    ----------
    scores : dict of name -> (k,) array
        Accuracy or R squared of each learner on each fold.
    seconds : dict of name -> float
        Time to fit and predict all folds.
    scoring : str
        "accuracy" or "R²".
    """

    def __init__(self, scores: dict[str, Array], seconds: dict[str, float], scoring: str) -> None:
        self.scores, self.seconds, self.scoring = scores, seconds, scoring

    @property
    def ranked(self) -> list[str]:
        """The learners' names, the highest mean score first."""
        return sorted(self.scores, key=lambda name: -float(self.scores[name].mean()))

    def table(self) -> str:
        """Return mean, standard deviation over the folds, and time of each learner, the best first."""
        lines = [["learner", self.scoring, "std", "seconds"]]
        for name in self.ranked:
            own = self.scores[name]
            lines.append(
                [
                    name,
                    f"{own.mean():.4f}",
                    f"{own.std(ddof=1) if len(own) > 1 else np.nan:.4f}",
                    f"{self.seconds[name]:.2f}",
                ]
            )
        return "\n".join(aligned(lines, left={0}))

    def to_pandas(self) -> Any:
        """Return a pandas data frame: a row for each learner and fold."""
        import pandas

        return pandas.DataFrame(
            [
                {"learner": name, "fold": fold, self.scoring: float(score)}
                for name in self.ranked
                for fold, score in enumerate(self.scores[name])
            ]
        )

    def plot(self, ax: Any = None, path: FilePath | None = None) -> Any:
        """Draw each learner's folds and their mean; see ``lamina.plots.fold_scores``."""
        ranked = {name: self.scores[name] for name in reversed(self.ranked)}
        return fold_scores(ranked, ax=ax, path=path, label=self.scoring)

    def __str__(self) -> str:
        return self.table()

    __repr__ = __str__


def compare(
    X: Any,
    y: Any,
    k: Any = 5,
    *,
    net: Network | None = None,
    learners: Mapping[str, Any] | None = None,
    stratify: bool = True,
    seed: int = 0,
    groups: Any = None,
    n_jobs: int | None = None,
    **fit_options: Any,
) -> Comparison:
    """Set a network beside a linear model, k nearest neighbours, boosted stumps and a support vector machine.

    All learn from the same folds and standardised inputs. No learner sees the part it is scored on: the network stops
    early on a tenth of its training rows.

    Parameters
    ----------
    X : array-like, (rows, features)
    y : array-like, (rows,) or (rows, outputs)
        Labels (integers, booleans or text; also in one column) make it a classification, scored by accuracy;
        floating-point numbers, or several columns, make it a regression, scored by R squared, the mean of the columns'.
    k : int, splitter or iterable of (training, held-out) row numbers, default 5
        The folds, as for `cross_validate`.
    net : Network, optional
        With outputs for the classes in sorted order; by default 64 relu units, with normalised inputs.
    learners : mapping of name -> scikit-learn estimator, optional
        In place of the course's four, by other names than "network".
    stratify, seed, groups : optional
        As for `cross_validate`.
    n_jobs : int, optional
        The network's folds at work at a time. scikit-learn's learners run one after another, each on so many threads,
        or on one where `X` is small.
    **fit_options
        For the network, as for `Network.fit`.

    Returns
    -------
    Comparison
        `scores`, `table()`, `plot()`.
    """
    try:
        from sklearn.base import clone
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from threadpoolctl import threadpool_limits  # scikit-learn needs it, too
    except ImportError as error:
        raise ImportError(f"compare needs scikit-learn; {how_to_install(['sklearn'])}") from error
    check_fit_options(fit_options, "compare", OWN_OPTIONS)
    if learners is not None and "network" in learners:
        raise ValueError("learners must have other names than 'network', which the network itself has")
    n_threads, stratify, seed = jobs(n_jobs), boolean(stratify, "stratify"), seed_number(seed)
    x = np.ascontiguousarray(to_array(X, "X"), np.float64)
    target, classes = _targets(y)
    if len(target) != len(x):
        raise ValueError(f"y must have one entry for each of the {len(x)} rows of X; got {len(target)}")
    if net is None:
        outputs = len(classes) if classes is not None else (1 if target.ndim == 1 else target.shape[1])
        loss = "squared_error" if classes is None else "cross_entropy"
        layers = [Dense(64, activation="relu"), Dense(outputs)]
        net = Network(layers, n_inputs=x.shape[1], loss=loss, seed=seed, normalize_inputs=True)
    scoring = "r2" if classes is None else "accuracy"
    scores: dict[str, Array] = {}
    seconds: dict[str, float] = {}
    strata = target if stratify and classes is not None else None
    folds = folds_of(k, Samples(x, target), strata, seed, groups=groups)
    if learners is None:
        learners = _course_learners(classes is not None, seed, several=target.ndim == 2)
    for name, learner in learners.items():
        started, own = time.perf_counter(), []
        for fold in folds:
            model = make_pipeline(StandardScaler(), clone(learner))
            with threadpool_limits(1 if x.size < _WORTH_THREADS else n_threads):
                model.fit(x[fold.train], target[fold.train])
                own.append(float(model.score(x[fold.held], target[fold.held])))
        scores[name], seconds[name] = np.array(own), time.perf_counter() - started
    started = time.perf_counter()
    options = {"validation": 0.1, **fit_options}
    pairs = [(fold.train, fold.held) for fold in folds]
    cv = cross_validate(net, x, target, pairs, n_jobs=n_jobs, scoring=scoring, **options)
    scores["network"], seconds["network"] = cv.scores, time.perf_counter() - started
    return Comparison(scores, seconds, "R²" if classes is None else "accuracy")


def _targets(y: Any) -> tuple[Array, Array | None]:
    """Labels as 0 .. n - 1 and what they stand for, or values and None."""
    values = unmasked(y, "y")
    if one := values.ndim == 2 and values.shape[1] == 1:  # a column is what it holds, as fit has it
        values = values[:, 0]
    if values.ndim == 1 and values.dtype.kind in "iubOUST":
        classes, labels = class_numbers(values, "y")
        return labels, classes
    return to_array(values if one else y, "y").astype(np.float64), None


def _course_learners(classify: bool, seed: int, several: bool) -> dict[str, Any]:
    """The four, untrained; of `several` targets those that take one have a learner for each."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.multioutput import MultiOutputRegressor
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
    from sklearn.svm import SVC, SVR

    stumps = {"max_depth": 1, "max_iter": 200, "early_stopping": False, "random_state": seed % 2**32}
    if classify:
        return {
            "linear classifier": LogisticRegression(max_iter=2000),
            "k nearest neighbours": KNeighborsClassifier(),
            "boosted stumps": HistGradientBoostingClassifier(**stumps),
            "support vector machine": SVC(),
        }
    stumped, machine = HistGradientBoostingRegressor(**stumps), SVR()
    return {
        "linear model": RidgeCV(np.logspace(-3, 3, 13)),
        "k nearest neighbours": KNeighborsRegressor(),
        "boosted stumps": MultiOutputRegressor(stumped) if several else stumped,
        "support vector machine": MultiOutputRegressor(machine) if several else machine,
    }
