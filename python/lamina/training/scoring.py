"""Scores of a network on samples: the loss, or a named or own measure of which more is better."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina import metrics
from lamina.data.arguments import returned_number
from lamina.data.arrays import Array
from lamina.data.records import Samples, within_lengths
from lamina.training.model import Model

__all__ = ["Score", "Scoring", "before_link", "loss_of_predictions", "score_of"]

Score = Callable[[Model, Samples], float]
#: What a caller may ask for: None (the loss), a name, or a callable of (network, X, y).
Scoring = str | Callable[..., float] | None


def score_of(scoring: Scoring, loss: Any, what: str = "scoring") -> Score:
    """Return a function of (network, samples): the loss without `scoring`, which may not fit it.

    `what` is how the caller's user calls it.
    """
    if scoring is None:
        return lambda net, s: net.evaluate(s.x, s.targets, s.weights, n_threads=1, lengths=s.lengths)
    score = _measure(scoring, loss, what)
    return lambda net, s: score(net, s.counted())


def _measure(scoring: str | Callable[..., float], loss: Any, what: str) -> Score:
    """The measure that `scoring` asks for."""
    if callable(scoring):
        return lambda net, s: returned_number(
            scoring(net, s.x if s.lengths is None else _cut(s.x, s.lengths), s.targets), what
        )
    known = [entry for entry in metrics.describe() if entry["greater_is_better"]]
    found = next((entry for entry in known if scoring in (entry["name"], *entry["aliases"])), None)
    if found is None:
        names = ", ".join(repr(entry["name"]) for entry in known)
        raise ValueError(
            f"scoring must be None (the loss), one of {names}, or a callable of (net, X, y), of which more is better; "
            f"got {scoring!r}"
        )
    if (found["targets"] == "classes") != (loss.targets in ("classes", "binary")):
        kind = "classification" if found["targets"] == "classes" else "regression"
        raise ValueError(f"scoring={scoring!r} needs a {kind} loss; got {loss.name}")
    return _metric(found["name"])


def _cut(X: Array, lengths: Array) -> Array:
    """The sequences with zeros beyond their lengths, as `lamina.pad` has them."""
    return np.where(within_lengths(lengths, X.shape[1])[:, :, None], X, X.dtype.type(0))


def _metric(name: str) -> Score:
    """A metric of the core's."""
    return lambda net, s: net.evaluate(s.x, s.targets, s.weights, n_threads=1, lengths=s.lengths, metric=name)


def loss_of_predictions(loss: Any, predicted: Array, targets: Array, weights: Array | None = None) -> float:
    """Return the loss, in float64, of predictions that need not be those of one network."""
    raw = before_link(predicted.astype(np.float64), loss)
    return float(loss.value(raw, targets if targets.dtype == np.int32 else targets.astype(np.float64), weights))


def before_link(predicted: Array, loss: Any) -> Array:
    """Return the raw outputs whose prediction is `predicted`: the losses are defined on those."""
    tiny = np.finfo(np.float64).tiny
    if loss.link in ("softmax", "exponential"):
        return np.asarray(np.log(np.maximum(predicted, tiny)))
    if loss.link == "logistic":
        odds = np.maximum(predicted, tiny) / np.maximum(1 - predicted, np.finfo(np.float64).eps)
        return np.asarray(np.log(odds))
    return predicted
