"""How sure one may be of predictions, and what they depend on: temperature, intervals, importances."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize_scalar

from lamina.data.arrays import Array

__all__ = ["fitted_temperature", "interval_factor", "permuted_rises", "with_temperature"]

_TINY = float(np.finfo(np.float32).tiny)
# So far may a temperature be from 1, either way.
_LARGEST_TEMPERATURE = 20.0


# Calibration -----------------------------------------------------------------------------------------------------


def with_temperature(probabilities: Array, temperature: float) -> Array:
    """Return p ** (1 / temperature) so that each row sums to 1: above 1 the probabilities are less sure."""
    logits = np.log(np.maximum(probabilities, _TINY)) / temperature
    logits -= logits.max(axis=1, keepdims=True)
    odds = np.exp(logits)
    return odds / odds.sum(axis=1, keepdims=True)  # type: ignore[no-any-return]


def fitted_temperature(targets: Array, probabilities: Array, weights: Array | None) -> float:
    """Return the temperature with the least log loss, where of n rows a share of 1 / (n + 2) is of any class.

    So a few rows, all of them predicted right, do not make probabilities of 0 and 1 (Platt, Advances in Large Margin
    Classifiers, 1999).
    """
    rows, spread = np.arange(len(targets)), 1 / (len(targets) + 2)

    def loss(exponent: float) -> float:
        surprises = -np.log(np.maximum(with_temperature(probabilities, float(np.exp(exponent))), _TINY))
        own = (1 - spread) * surprises[rows, targets] + spread * surprises.mean(axis=1)
        return float(np.average(own, weights=weights))

    border = float(np.log(_LARGEST_TEMPERATURE))
    found = minimize_scalar(loss, bounds=(-border, border), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x)) if loss(found.x) < loss(0.0) else 1.0


# Intervals -------------------------------------------------------------------------------------------------------


def interval_factor(errors: Array, below: Array, above: Array, weights: Array, coverage: float) -> float:
    """Return by what to multiply the widths of intervals so that they hold `coverage` of the targets, new ones too.

    Split conformal prediction: `errors` (n,) are target minus prediction on rows held out, `below` and `above` how far
    each interval goes to either side of the prediction. ValueError where the rows are too few to tell.
    """
    needed = np.maximum(-errors / below, errors / above)
    order = np.argsort(needed, kind="stable")
    share = np.cumsum(weights[order])
    wanted = coverage * (1 + 1 / len(needed))
    if wanted > 1:
        least = int(np.ceil(coverage / (1 - coverage)))
        raise ValueError(
            f"coverage={coverage:g} needs at least {least} rows held out to be sure of it; there were {len(needed)}"
        )
    place = int(np.searchsorted(share, wanted * share[-1] * (1 - 1e-12)))
    return float(needed[order[min(place, len(order) - 1)]])


# Importances -----------------------------------------------------------------------------------------------------


def permuted_rises(loss: Callable[[Array], float], matrix: Array, groups: list[list[int]], seed: int) -> Array:
    """Return for each group of columns how much the loss rises where their rows are shuffled, together; at least 0."""
    base, rises = loss(matrix), np.zeros(len(groups))
    shuffled = matrix.copy()
    for number, columns in enumerate(groups):
        if columns:
            order = np.random.default_rng([seed, number]).permutation(len(matrix))
            shuffled[:, columns] = matrix[order[:, np.newaxis], columns]
            rises[number] = max(0.0, loss(shuffled) - base)
            shuffled[:, columns] = matrix[:, columns]
    return rises
