"""Targets as a loss wants them, and the classes that they tell."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina._dispatch import core as _core
from lamina.data.arrays import Array, check_finite, in_type, to_array
from lamina.data.records import SampleSpec

__all__ = ["classes_of", "labels", "mean_and_scale", "target_array", "targets"]


def targets(spec: SampleSpec, value: Any, n_rows: int, name: str = "y") -> Array:
    """Return the targets as the loss wants them: int32 labels (rows,), or floats (rows, outputs)."""
    loss, n_outputs = spec.loss, spec.n_outputs
    array = target_array(value, name, loss)
    if array.ndim == 0 or array.ndim > 2:
        raise ValueError(f"{name} must have 1 or 2 axes; got shape {array.shape}")
    if array.shape[0] != n_rows:
        raise ValueError(f"{name} must have one entry for each of the {n_rows} rows of X; got {array.shape[0]}")
    kind = loss.targets
    flat = array.ndim == 1 or (array.shape[1] == 1 and n_outputs != 1)
    if kind == "classes" and flat:
        return labels(array.reshape(-1), n_outputs, name)
    if kind == "binary" and flat and n_outputs > 1:
        one_hot = np.zeros((n_rows, n_outputs), spec.dtype)
        one_hot[np.arange(n_rows), labels(array.reshape(-1), n_outputs, name)] = 1
        return one_hot
    if array.ndim == 1:
        array = array[:, None]
    given = array
    array = in_type(given, spec.dtype)
    if array.dtype.itemsize < given.dtype.itemsize:  # the core does not know what was given
        check_finite(array, name, given)
    try:
        _core.check_targets(loss, array, n_outputs, name)
    except ValueError as error:
        if kind == "real" and flat and n_outputs > 1 and _are_classes(given, n_outputs):
            raise ValueError(f'{error}. Classes, 0 .. {n_outputs - 1}, need loss="cross_entropy"') from None
        raise
    return array


def _are_classes(given: Array, n_outputs: int) -> bool:
    """Whether all numbers may be those of classes, of which each has an output."""
    return bool(((given == np.floor(given)) & (given >= 0) & (given < n_outputs)).all())


def target_array(value: Any, name: str, loss: Any = None, estimator: str = "MLPClassifier") -> Array:
    """`to_array`, with a hint where labels are text, but for a loss of numbers; the `estimator` takes such labels."""
    try:
        return to_array(value, name)
    except TypeError as error:
        if hasattr(value, "toarray") or not (loss is None or loss.targets in ("classes", "binary")):
            raise
        own = name.removeprefix("validation ")  # as a caller has it
        raise TypeError(
            f"{error}; labels are 0, 1, ...: classes, {own} = np.unique({own}, return_inverse=True) numbers them "
            f"(lamina.{estimator} takes labels of any kind)"
        ) from None


def labels(array: Array, n_classes: int, name: str) -> Array:
    """Return int32 labels in 0 .. n_classes - 1."""
    if array.dtype.kind == "f":
        check_finite(np.ascontiguousarray(array, np.float64), name)
        if (array != np.floor(array)).any():
            raise ValueError(f"{name} must hold whole-number labels; got {array[array != np.floor(array)][0]}")
    low, high = int(array.min()), int(array.max())  # of any size, which int32 would not hold
    if low < 0 or high >= n_classes:
        raise ValueError(
            f"{name} must hold labels in 0 .. {n_classes - 1}, one for each output; got {low if low < 0 else high}"
        )
    return np.ascontiguousarray(array, dtype=np.int32)


def classes_of(loss: Any, t: Array) -> Array | None:
    """Return the class number of each row of targets as the loss wants them, or None where they are no classes."""
    return _core.classes_of(loss, t) if t.ndim <= 2 else None


def mean_and_scale(t: Array, weight: Array | None) -> tuple[Array, Array]:
    """Return mean and standard deviation of the columns (1 for constant ones), whatever their size, by weights."""
    exponent = np.frexp(np.abs(t).max(axis=0).astype(np.float64))[1]
    small = np.ldexp(t.astype(np.float64), -exponent)  # below 1, and no other bits
    mean = np.average(small, axis=0, weights=weight)
    scale = np.sqrt(np.average((small - mean) ** 2, axis=0, weights=weight))
    constant = scale <= 4 * np.finfo(t.dtype).eps  # less than rounding can tell
    return np.ldexp(mean, exponent), np.where(constant, 1.0, np.ldexp(scale, exponent))
