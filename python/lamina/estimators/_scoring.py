"""Scores of estimators whose samples are the windows of a time series."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

from sklearn.metrics import get_scorer

__all__ = ["window_scorer"]


class _WindowScorer:
    """A scorer that hands the windows, and their targets, to another."""

    def __init__(self, scoring: str | Callable[..., Any]) -> None:
        self.scoring = scoring
        self._scorer = get_scorer(scoring)

    def __call__(self, estimator: Any, X: Any, y: Any = None, **params: Any) -> Any:
        windows, targets = estimator.windows(X, y)
        # What it has learned of windows is what one without `window` has learned of them as sequences.
        of_sequences = copy(estimator)
        of_sequences.window = None
        return self._scorer(of_sequences, windows, targets, **params)

    def __repr__(self) -> str:
        return f"window_scorer({self.scoring!r})"


def window_scorer(scoring: str | Callable[..., Any]) -> Callable[..., Any]:
    """Return a scorer for recurrent estimators with `window`, to be given as ``scoring=`` to scikit-learn.

    A time series has fewer windows than times, and scikit-learn's own scorers compare the predictions with the targets
    of all times, which fails: `cross_val_score` then gives NaN. This one compares them where there are both.

    Parameters
    ----------
    scoring : str or callable
        The name of a scorer of scikit-learn, such as ``"neg_mean_absolute_error"``, or a callable of
        (estimator, X, y).

    Examples
    --------
    >>> import numpy as np
    >>> from lamina.estimators import RecurrentRegressor, window_scorer
    >>> from sklearn.model_selection import TimeSeriesSplit, cross_val_score
    >>> series = np.sin(np.arange(400) / 5)
    >>> net = RecurrentRegressor(4, window=10, max_iter=2, random_state=0)
    >>> scorer = window_scorer("neg_mean_absolute_error")
    >>> cross_val_score(net, series, series, scoring=scorer, cv=TimeSeriesSplit(3)).shape
    (3,)
    """
    return _WindowScorer(scoring)
