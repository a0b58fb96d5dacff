"""Scores of a network on samples: the loss, or a named or own measure of which more is better."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina._data import Array

if TYPE_CHECKING:
    from lamina.network import Network

__all__ = ["Score", "score_of"]

Score = Callable[["Network", Array, Array, "Array | None", "Array | None"], float]


def score_of(scoring: str | Callable[..., float] | None, loss: Any) -> Score:
    """Return a function of (network, X, y, weights, lengths): the loss without `scoring`, which may not fit it."""
    if scoring is None:
        return lambda net, X, y, weight, lengths: net.evaluate(X, y, weight, n_threads=1, lengths=lengths)
    if scoring == "accuracy":
        if loss.targets not in ("classes", "binary"):
            raise ValueError(f"scoring='accuracy' needs a classification loss; got {loss.name}")
        return _accuracy
    if scoring == "r2":
        if loss.targets in ("classes", "binary"):
            raise ValueError(f"scoring='r2' needs a regression loss; got {loss.name}")
        return _r2
    if callable(scoring):
        return lambda net, X, y, weight, lengths: float(scoring(net, X if lengths is None else _cut(X, lengths), y))
    raise ValueError(f"scoring must be None (the loss), 'accuracy', 'r2' or a callable of (net, X, y); got {scoring!r}")


def _cut(X: Array, lengths: Array) -> Array:
    """The sequences with zeros beyond their lengths, as `lamina.pad` has them."""
    return np.where((np.arange(X.shape[1]) < lengths[:, None])[:, :, None], X, X.dtype.type(0))


def _accuracy(net: Network, X: Array, y: Array, weight: Array | None, lengths: Array | None) -> float:
    predicted = net.predict(X, n_threads=1, lengths=lengths)
    if net.loss.targets == "classes":
        right = predicted.argmax(axis=1) == (y if y.ndim == 1 else y.argmax(axis=1))
    else:
        border = net.loss.target_domain["border"]
        right = ((predicted > border) == (y > border)).all(axis=1)
    return float(np.average(right, weights=weight))


def _r2(net: Network, X: Array, y: Array, weight: Array | None, lengths: Array | None) -> float:
    predicted = net.predict(X, n_threads=1, lengths=lengths).astype(np.float64)
    left = np.average((y - predicted) ** 2, axis=0, weights=weight)
    spread = np.average((y - np.average(y, axis=0, weights=weight)) ** 2, axis=0, weights=weight)
    # A constant column is predicted exactly or not at all, as scikit-learn has it.
    flat = spread == 0
    return float(np.mean(np.where(flat, np.where(left == 0, 1.0, 0.0), 1 - left / np.where(flat, 1.0, spread))))
