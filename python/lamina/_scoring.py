"""Scores of a network on samples: the loss, or a named or own measure of which more is better."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lamina._data import Array
from lamina.network import Network

__all__ = ["score_of"]


def score_of(scoring: str | Callable[..., float] | None) -> Callable[[Network, Array, Array, Array | None], float]:
    """Return a function of (network, X, y, weights): the loss without `scoring`."""
    if scoring is None:
        return lambda net, X, y, weight: net.evaluate(X, y, weight, n_threads=1)
    if scoring == "accuracy":
        return _accuracy
    if scoring == "r2":
        return _r2
    if callable(scoring):
        return lambda net, X, y, weight: float(scoring(net, X, y))
    raise ValueError(f"scoring must be None (the loss), 'accuracy', 'r2' or a callable of (net, X, y); got {scoring!r}")


def _accuracy(net: Network, X: Array, y: Array, weight: Array | None) -> float:
    predicted = net.predict(X, n_threads=1)
    if net.loss.targets == "classes":
        right = predicted.argmax(axis=1) == (y if y.ndim == 1 else y.argmax(axis=1))
    elif net.loss.targets == "binary":
        # The hinge loss predicts margins, whose border is 0 and whose targets may be -1.
        border = 0.0 if net.loss.name == "hinge" else 0.5
        right = ((predicted > border) == (y > border)).all(axis=1)
    else:
        raise ValueError(f"scoring='accuracy' needs a classification loss; got {net.loss.name}")
    return float(np.average(right, weights=weight))


def _r2(net: Network, X: Array, y: Array, weight: Array | None) -> float:
    predicted = net.predict(X, n_threads=1).astype(np.float64)
    left = np.average((y - predicted) ** 2, axis=0, weights=weight)
    spread = np.average((y - np.average(y, axis=0, weights=weight)) ** 2, axis=0, weights=weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.mean(1 - left / spread))
