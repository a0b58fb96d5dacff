"""How good predictions are, and how sure one may be of them: metrics, temperature, intervals, importances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.metrics import log_loss, mean_absolute_error, mean_squared_error, r2_score, roc_auc_score

from lamina.data.arrays import Array

__all__ = ["fitted_temperature", "higher_is_better", "interval_margin", "measure", "permuted_rises", "with_temperature"]

_HIGHER_IS_BETTER = {"auc", "r2"}
_TINY = float(np.finfo(np.float32).tiny)
# So far may a temperature be from 1, either way.
_LARGEST_TEMPERATURE = 20.0


def higher_is_better(metric: str) -> bool:
    """Whether more of a metric is better."""
    return metric in _HIGHER_IS_BETTER


def measure(metric: str, targets: Array, predicted: Array, weights: Array | None) -> float:
    """Return a metric of predictions: probabilities (n, classes) for class numbers, or values as the targets are.

    NaN where it is not defined, as the area under a curve of one class.
    """
    if metric == "error":
        return float(np.average(predicted.argmax(axis=1) != targets, weights=weights))
    if metric == "log_loss":
        return float(log_loss(targets, predicted, sample_weight=weights, labels=np.arange(predicted.shape[1])))
    if metric == "auc":
        return _area(targets, predicted, weights)
    measures: dict[str, Callable[..., Any]] = {
        "rmse": lambda *given, **options: np.sqrt(mean_squared_error(*given, **options)),
        "mae": mean_absolute_error,
        "r2": r2_score,
    }
    if metric == "r2" and len(targets) < 2:
        return float("nan")
    return float(measures[metric](targets, predicted, sample_weight=weights))


def _area(targets: Array, predicted: Array, weights: Array | None) -> float:
    """The area under the ROC curve; of several classes the mean over those that are there, each against the rest."""
    areas = []
    for number in range(predicted.shape[1]):
        own = targets == number
        if 0 < np.count_nonzero(own) < len(own):
            areas.append(roc_auc_score(own, predicted[:, number], sample_weight=weights))
    return float(np.mean(areas)) if areas else float("nan")


# Calibration -----------------------------------------------------------------------------------------------------


def with_temperature(probabilities: Array, temperature: float) -> Array:
    """Return p ** (1 / temperature) so that each row sums to 1: above 1 the probabilities are less sure."""
    logits = np.log(np.maximum(probabilities, _TINY)) / temperature
    logits -= logits.max(axis=1, keepdims=True)
    odds = np.exp(logits)
    return odds / odds.sum(axis=1, keepdims=True)  # type: ignore[no-any-return]


def fitted_temperature(targets: Array, probabilities: Array, weights: Array | None) -> float:
    """Return the temperature with the least log loss."""
    rows = np.arange(len(targets))

    def loss(exponent: float) -> float:
        own = with_temperature(probabilities, float(np.exp(exponent)))[rows, targets]
        return float(np.average(-np.log(np.maximum(own, _TINY)), weights=weights))

    border = float(np.log(_LARGEST_TEMPERATURE))
    found = minimize_scalar(loss, bounds=(-border, border), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x)) if loss(found.x) < loss(0.0) else 1.0


# Intervals -------------------------------------------------------------------------------------------------------


def interval_margin(residuals: Array, weights: Array, lower: int, upper: int, coverage: float) -> float:
    """Return how much wider an interval has to be so that it holds `coverage` of the targets, new ones included.

    Split conformal prediction: `residuals` (n, k) are target minus prediction on rows held out, and `lower` and `upper`
    those of the two ends. The margin may be negative. ValueError where the rows are too few to tell.
    """
    beyond = np.maximum(-residuals[:, lower], residuals[:, upper])
    order = np.argsort(beyond, kind="stable")
    share = np.cumsum(weights[order])
    wanted = coverage * (1 + 1 / len(beyond))
    if wanted > 1:
        least = int(np.ceil(coverage / (1 - coverage)))
        raise ValueError(
            f"coverage={coverage:g} needs at least {least} rows held out to be sure of it; there were {len(beyond)}"
        )
    place = int(np.searchsorted(share, wanted * share[-1] * (1 - 1e-12)))
    return float(beyond[order[min(place, len(order) - 1)]])


# Importances -----------------------------------------------------------------------------------------------------


def permuted_rises(loss: Callable[[Array], float], matrix: Array, groups: list[list[int]], seed: int) -> Array:
    """Return for each group of columns how much the loss rises where their rows are shuffled, together; at least 0."""
    base, rises = loss(matrix), np.zeros(len(groups))
    for number, columns in enumerate(groups):
        if columns:
            order = np.random.default_rng([seed, number]).permutation(len(matrix))
            shuffled = matrix.copy()
            shuffled[:, columns] = matrix[order][:, columns]
            rises[number] = max(0.0, loss(shuffled) - base)
    return rises
