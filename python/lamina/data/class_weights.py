"""The weights of classes: what each row counts beside its own weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from lamina.data.arrays import Array
from lamina.data.records import HeldOut, Samples, SampleSpec, TrainingSet
from lamina.data.targets import classes_of

__all__ = ["weighted_by_class"]


def weighted_by_class(training: TrainingSet, class_weight: Any, spec: SampleSpec) -> TrainingSet:
    """Return the training and the validation samples with each row's weight times that of its class."""
    if class_weight is None:
        return training
    given, rows, held = training.samples, training.rows, training.held_out
    classes = _classes(spec, given)
    trained = classes if rows is None else classes[rows]
    by_class = _weights_of_classes(class_weight, trained, 2 if spec.n_outputs == 1 else spec.n_outputs)
    own = _times(given, by_class[classes], spec)
    assert own.weights is not None
    if not (own.weights if rows is None else own.weights[rows]).any():
        raise ValueError("class_weight must leave a training row a weight greater than 0")
    if held is not None and held.rows is not None:
        held = HeldOut(own, held.rows)
    elif held is not None:
        factors = by_class[_classes(spec, held.samples)].astype(spec.dtype)
        held = HeldOut(_times(held.samples, factors, spec))
    return TrainingSet(own, rows, held)


def _times(given: Samples, factors: Array, spec: SampleSpec) -> Samples:
    weights = factors if given.weights is None else given.weights * factors
    return replace(given, weights=weights.astype(spec.dtype))


def _classes(spec: SampleSpec, given: Samples) -> Array:
    found = classes_of(spec.loss, given.targets)
    if found is None:
        raise ValueError(f"class_weight needs targets that are one class a row; the loss is {spec.loss.name}")
    return found.astype(np.intp)


def _weights_of_classes(class_weight: Any, classes: Array, count: int) -> Array:
    """The weight of each class; "balanced": rows / (classes present * rows of the class)."""
    members = np.bincount(classes, minlength=count)
    if isinstance(class_weight, str) and class_weight == "balanced":
        with np.errstate(divide="ignore"):
            return np.where(members > 0, len(classes) / (np.count_nonzero(members) * members), 0.0)
    if not isinstance(class_weight, Mapping):
        raise TypeError(f"class_weight must be 'balanced', a dict of class -> weight, or None; got {class_weight!r}")
    out = np.ones(count)
    for label, value in class_weight.items():
        if isinstance(label, bool) or not isinstance(label, (int, np.integer)) or not 0 <= label < count:
            raise ValueError(f"class_weight must have keys in 0 .. {count - 1}; got {label!r}")
        if isinstance(value, (bool, str)) or not (np.isfinite(value) and value >= 0):
            raise ValueError(f"class_weight must be finite and at least 0; got {value!r} for class {label}")
        out[label] = value
    return out
