"""Targets as a loss wants them, and the classes that they tell."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.data.arrays import Array, check_finite, in_type, to_array
from lamina.data.records import SampleSpec

__all__ = ["classes_of", "labels", "targets"]


def targets(spec: SampleSpec, value: Any, n_rows: int, name: str = "y") -> Array:
    """Return the targets as the loss wants them: int32 labels (rows,), or floats (rows, outputs)."""
    loss, n_outputs = spec.loss, spec.n_outputs
    array = _target_array(value, name, loss)
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
    if array.shape[1] != n_outputs:
        raise ValueError(f"{name} must have {n_outputs} columns, as the network has outputs; got {array.shape[1]}")
    given = array
    array = in_type(given, spec.dtype)
    check_finite(array, name, given)
    low, high, domain = float(array.min()), float(array.max()), loss.target_domain
    if kind == "classes":
        sums = array.sum(axis=1)
        if low < domain["low"] or np.abs(sums - 1).max() > 1e-3:
            raise ValueError(
                f"{name} must {domain['text']} for {loss.name}; "
                f"got a row that sums to {sums[np.abs(sums - 1).argmax()]}, with entries from {low}"
            )
    fractions = domain["whole"] and bool((array != np.floor(array)).any())
    if low < domain["low"] or high > domain["high"] or fractions:
        raise ValueError(f"{name} must {domain['text']} for {loss.name}; got values from {low} to {high}")
    return array


def _target_array(value: Any, name: str, loss: Any) -> Array:
    """`to_array`, with a hint where labels are text."""
    try:
        return to_array(value, name)
    except TypeError as error:
        if loss.targets not in ("classes", "binary") or hasattr(value, "toarray"):
            raise
        raise TypeError(
            f"{error}; labels are 0, 1, ...: classes, {name} = np.unique({name}, return_inverse=True) numbers them "
            "(lamina.MLPClassifier takes labels of any kind)"
        ) from None


def labels(array: Array, n_classes: int, name: str) -> Array:
    """Return int32 labels in 0 .. n_classes - 1."""
    if array.dtype.kind == "f":
        check_finite(np.ascontiguousarray(array, np.float64), name)
        if (array != np.floor(array)).any():
            raise ValueError(f"{name} must hold whole-number labels; got {array[array != np.floor(array)][0]}")
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= n_classes:
        raise ValueError(
            f"{name} must hold labels in 0 .. {n_classes - 1}, one for each output; got {low if low < 0 else high}"
        )
    return np.ascontiguousarray(array, dtype=np.int32)


def classes_of(loss: Any, t: Array) -> Array | None:
    """Return the class number of each row of targets as the loss wants them, or None where they are no classes."""
    if loss.targets == "classes" and t.ndim <= 2:
        return t if t.ndim == 1 else t.argmax(axis=1)
    if loss.targets == "binary" and t.ndim == 2:
        border = loss.target_domain["border"]
        # Several columns are classes where each row has one of them, else labels that may go together.
        if t.shape[1] == 1:
            return t[:, 0] > border  # type: ignore[no-any-return]
        if ((t > border).sum(axis=1) == 1).all():
            return t.argmax(axis=1)  # type: ignore[no-any-return]
    return None
