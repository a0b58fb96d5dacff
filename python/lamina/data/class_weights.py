"""The weights of classes: what each row counts beside its own weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from lamina.data.arrays import Array, weights_in_type
from lamina.data.records import HeldOut, Indices, Samples, SampleSpec, TrainingSet
from lamina.data.targets import classes_of

__all__ = ["balanced", "class_factor", "weighted_by_class"]


def weighted_by_class(training: TrainingSet, class_weight: Any, spec: SampleSpec) -> TrainingSet:
    """Return the training and the validation samples with each target's weight times that of its class.

    A sample has one target, or one a step.
    """
    if class_weight is None:
        return training
    given, rows, held = training.samples, training.rows, training.held_out
    classes = _classes(spec, given)
    by_class = _weights_of_classes(class_weight, *_trained(given, classes, rows), _count(spec))
    own = _times(given, by_class, classes, spec)
    rows = _rows_that_count(own, rows)
    if rows is not None and len(rows) == 0:
        raise ValueError("class_weight must leave a training row a weight greater than 0")
    if held is not None and held.rows is not None:
        held = HeldOut(own, _rows_that_count(own, held.rows))
    elif held is not None:
        held = HeldOut(_times(held.samples, by_class, _classes(spec, held.samples), spec).counted())
    if held is not None and len(held.samples if held.rows is None else held.rows) == 0:
        raise ValueError("class_weight must leave a validation row a weight greater than 0")
    return TrainingSet(own, rows, held)


def balanced(classes: Array, weights: Array | None, count: int) -> Array:
    """Return what makes classes count alike: rows / (classes present * those of the class), each as often as it weighs.

    Of a class that is not among those trained on no share is known: its rows, which can be but validated on, count as
    they are.
    """
    members = np.bincount(classes, weights, minlength=count)
    with np.errstate(divide="ignore"):
        return np.where(members > 0, members.sum() / (np.count_nonzero(members) * members), 1.0)


def class_factor(value: Any, label: Any) -> float:
    """Return what a row of class `label` counts, as `class_weight` has it; ValueError names that and the class."""
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not (np.isfinite(value) and value >= 0):
        raise ValueError(f"class_weight must be finite and at least 0; got {value!r} for class {label}")
    return float(value)


def _rows_that_count(given: Samples, rows: Indices | None) -> Indices | None:
    """The `rows` (None: all) with a target that counts: a class may weigh nothing."""
    counts: Array = np.any(given.counting(), axis=1)
    if counts.all():
        return rows
    return np.flatnonzero(counts) if rows is None else rows[counts[rows]]


def _times(given: Samples, by_class: Array, classes: Array, spec: SampleSpec) -> Samples:
    factors = np.where(classes < 0, 0.0, by_class[classes]).reshape(-1)
    # In float64: whether a product is within the network's type is for the rule of weights to say.
    weights = factors if given.weights is None else given.weights.astype(np.float64) * factors
    name = "class_weight" if given.weights is None else "sample_weight times class_weight"
    return replace(given, weights=weights_in_type(weights, spec.dtype, name))


def _classes(spec: SampleSpec, given: Samples) -> Array:
    """The class of each target, (n, targets of a sample); -1 where it does not count, and may be none."""
    counts = given.counting()
    all_count = bool(counts.all())
    found = classes_of(spec.loss, given.targets if all_count else given.targets[counts.reshape(-1)])
    if found is None:
        raise ValueError(f"class_weight needs targets that are one class a row; the loss is {spec.loss.name}")
    if all_count:
        return found.reshape(counts.shape).astype(np.intp)
    classes = np.full(counts.shape, -1, np.intp)
    classes[counts] = found
    return classes


def _count(spec: SampleSpec) -> int:
    return 2 if spec.n_outputs == 1 else spec.n_outputs


def _trained(given: Samples, classes: Array, rows: Indices | None) -> tuple[Array, Array | None]:
    """The classes of the targets that count of the rows trained on, and their weights."""
    weights = None if given.weights is None else given.weights.reshape(classes.shape)
    if rows is not None:
        classes, weights = classes[rows], None if weights is None else weights[rows]
    counts = classes >= 0
    return classes[counts], None if weights is None else weights[counts]


def _weights_of_classes(class_weight: Any, classes: Array, weights: Array | None, count: int) -> Array:
    """The weight of each class."""
    if isinstance(class_weight, str) and class_weight == "balanced":
        return balanced(classes, weights, count)
    if not isinstance(class_weight, Mapping):
        raise TypeError(f"class_weight must be 'balanced', a dict of class -> weight, or None; got {class_weight!r}")
    out = np.ones(count)
    for label, value in class_weight.items():
        if isinstance(label, bool) or not isinstance(label, (int, np.integer)) or not 0 <= label < count:
            raise ValueError(f"class_weight must have keys in 0 .. {count - 1}; got {label!r}")
        out[label] = class_factor(value, label)
    return out
