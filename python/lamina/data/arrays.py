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
    _refuse_masked(value, name)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must be an array of numbers; got rows of different lengths") from error
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold numbers; got dtype {array.dtype}")
    return array


def unmasked(value: Any, name: str) -> Array:
    """Return a plain NumPy array of any type; ValueError where a mask would be lost."""
    _refuse_masked(value, name)
    return np.asarray(value)


def _refuse_masked(value: Any, name: str) -> None:
    """Refuse masked entries, of arrays in a list too: `numpy.asarray` would show what is under the mask."""
    arrays = value if isinstance(value, (list, tuple)) and value and isinstance(value[0], np.ndarray) else [value]
    if any(isinstance(part, np.ma.MaskedArray) and np.ma.is_masked(part) for part in arrays):
        raise ValueError(f"{name} must have no masked entries")


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
