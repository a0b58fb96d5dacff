"""What a network's outputs say of classes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Labelling", "labels_of", "shares_of"]


@dataclass(frozen=True)
class Labelling:
    """How a classifier makes labels and probabilities of its network's outputs, for those who write it elsewhere.

    Attributes
    ----------
    classes : array
    several : bool
        Whether several labels go together, and are an indicator matrix.
    border : float
        What an output has to be above, where it stands for a class on its own.
    link : str
        "softmax", "logistic", or "identity" of outputs that are margins and no probabilities.
    """

    classes: Any
    several: bool
    border: float
    link: str


def labels_of(outputs: Any, classes: Any, several: bool, border: float = 0.5) -> Any:
    """Return the label of each row, (n,), by `outputs` (n, outputs); with `several` at once an indicator matrix."""
    if several:
        return (outputs > border).astype(np.int64)
    place = outputs[:, 0] > border if outputs.shape[1] == 1 else np.argmax(outputs, axis=1)
    return classes[place.astype(np.intp)]


def shares_of(outputs: Any, several: bool) -> Any:
    """Return (n, classes) of logistic `outputs`: those of a row sum to 1, unless `several` labels go together."""
    if several:
        return outputs
    if outputs.shape[1] == 1:
        return np.hstack([1 - outputs, outputs])
    total = outputs.sum(axis=1, keepdims=True)
    return np.divide(outputs, total, out=np.full_like(outputs, 1 / outputs.shape[1]), where=total > 0)
