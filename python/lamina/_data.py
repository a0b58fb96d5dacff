"""Arrays as users have them, made into arrays as the core wants them, or met with an error that says what is wrong.

Nothing here copies a C-contiguous array of the network's type.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lamina._dispatch import core as _core

Array = npt.NDArray[Any]


def to_array(value: Any, name: str) -> Array:
    """Return a numeric NumPy array; TypeError names `name` and what came."""
    if hasattr(value, "to_numpy") and not isinstance(value, np.ndarray):
        _refuse_text_columns(value, name)
        mixed = np.asarray(value.to_numpy()).dtype.kind == "O"  # booleans beside numbers, pandas' nullable types
        value = value.to_numpy(dtype=np.float64, na_value=np.nan) if mixed and _nullable(value) else value.to_numpy()
    elif hasattr(value, "toarray"):
        raise TypeError(f"{name} must be dense; got a sparse {type(value).__name__} (use {name}.toarray())")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must be an array of numbers; got rows of different lengths") from error
    if np.ma.isMaskedArray(value) and np.ma.is_masked(value):
        raise ValueError(f"{name} must have no masked entries")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold numbers; got dtype {array.dtype}")
    return array


def _refuse_text_columns(frame: Any, name: str) -> None:
    """Name the columns of a data frame that hold no numbers."""
    if not hasattr(frame, "columns"):
        return
    bad = [
        str(c)
        for c in frame.columns
        if getattr(frame[c].dtype, "kind", "O") not in "fiub" and frame[c].to_numpy()[:1].dtype.kind not in "fiub"
    ]
    if bad:
        raise TypeError(
            f"{name} must hold numbers; got text or objects in column{'s'[: len(bad) > 1]} {', '.join(bad)}"
        )


def _nullable(value: Any) -> bool:
    """Whether a pandas series or frame holds numbers and booleans alone."""
    kinds = value.dtypes if hasattr(value, "columns") else [getattr(value, "dtype", None)]
    return hasattr(value, "iloc") and all(getattr(kind, "kind", "O") in "fiub" for kind in kinds)


def matrix(value: Any, n_columns: int, dtype: np.dtype[Any], name: str = "X", finite: bool = True) -> Array:
    """Return a C-contiguous (rows, n_columns) array of `dtype`; ValueError or TypeError names what is wrong."""
    array = to_array(value, name)
    if array.ndim != 2:
        hint = f"; for one row, give {name}.reshape(1, -1)" if array.ndim == 1 and array.shape[0] == n_columns else ""
        raise ValueError(f"{name} must have 2 axes (rows, features); got {array.ndim}, shape {array.shape}{hint}")
    if array.shape[0] == 0:
        raise ValueError(f"{name} must have at least one row; got shape {array.shape}")
    if array.shape[1] != n_columns:
        raise ValueError(f"{name} must have {n_columns} features, as the network has inputs; got {array.shape[1]}")
    array = np.ascontiguousarray(array, dtype=dtype)
    if finite:
        check_finite(array, name)
    return array


def check_finite(array: Array, name: str) -> None:
    """Raise ValueError naming the first NaN or infinity of a C-contiguous float array."""
    core = _core.NetworkFloat32 if array.dtype == np.float32 else _core.NetworkFloat64
    at = core.first_nonfinite(array)
    if at >= 0:
        kind = "NaN" if np.isnan(array.flat[at]) else "infinity"
        where = ", column ".join(str(int(i)) for i in np.unravel_index(at, array.shape))
        raise ValueError(f"{name} must be finite; got {kind} in row {where}")


def weights(value: Any, n_rows: int, dtype: np.dtype[Any], name: str = "sample_weight") -> Array | None:
    """Return row weights, or None; they must be finite, not negative, and not all zero."""
    if value is None:
        return None
    array = np.ascontiguousarray(to_array(value, name), dtype=dtype)
    if array.shape != (n_rows,):
        raise ValueError(f"{name} must have one entry for each of the {n_rows} rows; got shape {array.shape}")
    check_finite(array, name)
    if array.min() < 0:
        raise ValueError(f"{name} must not be negative; got {array.min()}")
    if not array.any():
        raise ValueError(f"{name} must not be all zero")
    return array


def targets(value: Any, n_rows: int, n_outputs: int, loss: Any, dtype: np.dtype[Any], name: str = "y") -> Array:
    """Return the targets as the loss wants them: int32 labels (rows,), or values (rows, outputs) of `dtype`."""
    array = to_array(value, name)
    if array.ndim == 0 or array.ndim > 2:
        raise ValueError(f"{name} must have 1 or 2 axes; got shape {array.shape}")
    if array.shape[0] != n_rows:
        raise ValueError(f"{name} must have one entry for each of the {n_rows} rows of X; got {array.shape[0]}")
    kind = loss.targets
    flat = array.ndim == 1 or (array.shape[1] == 1 and n_outputs != 1)
    if kind == "classes" and flat:
        return labels(array.reshape(-1), n_outputs, name)
    if kind == "binary" and flat and n_outputs > 1:
        one_hot = np.zeros((n_rows, n_outputs), dtype)
        one_hot[np.arange(n_rows), labels(array.reshape(-1), n_outputs, name)] = 1
        return one_hot
    if array.ndim == 1:
        array = array[:, None]
    if array.shape[1] != n_outputs:
        raise ValueError(f"{name} must have {n_outputs} columns, as the network has outputs; got {array.shape[1]}")
    array = np.ascontiguousarray(array, dtype=dtype)
    check_finite(array, name)
    low, high, domain = float(array.min()), float(array.max()), loss.target_domain
    if kind == "classes":
        sums = array.sum(axis=1)
        if low < 0 or np.abs(sums - 1).max() > 1e-3:
            raise ValueError(
                f"{name} must {domain['text']} for {loss.name}; "
                f"got a row that sums to {sums[np.abs(sums - 1).argmax()]}, with entries from {low}"
            )
    fractions = domain["whole"] and bool((array != np.floor(array)).any())
    if low < domain["low"] or high > domain["high"] or fractions:
        raise ValueError(f"{name} must {domain['text']} for {loss.name}; got values from {low} to {high}")
    return array


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
        # Several columns are classes where each row has one of them, else labels that may go together.
        if t.shape[1] == 1:
            return t[:, 0] > 0.5
        if ((t > 0.5).sum(axis=1) == 1).all():
            return t.argmax(axis=1)  # type: ignore[no-any-return]
    return None


def number(value: Any, name: str, least: float = 0.0) -> float:
    """Return `value` as a finite float of at least `least`; TypeError or ValueError names it."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number; got {value!r}")
    if not (np.isfinite(value) and value >= least):
        raise ValueError(f"{name} must be finite and at least {least:g}; got {value}")
    return float(value)


def whole_number(value: Any, name: str, least: int, most: int = 2**63 - 1) -> int:
    """Return `value` as an int from `least` to `most`; TypeError or ValueError names it."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be a whole number; got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}; got {value}")
    if value > most:
        raise ValueError(f"{name} must be at most {most}; got {value}")
    return int(value)
