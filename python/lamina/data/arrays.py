"""Arrays as users have them, made into arrays as the core wants them, or met with an error that says what is wrong.

Nothing here copies a C-contiguous array of the network's type.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina._dispatch import core as _core
from lamina.data.arguments import in_short

Array = npt.NDArray[Any]


def to_array(value: Any, name: str) -> Array:
    """Return a numeric NumPy array; TypeError names `name` and what came."""
    if hasattr(value, "to_numpy") and not isinstance(value, np.ndarray):
        _refuse_text_columns(value, name)
        mixed = np.asarray(value.to_numpy()).dtype.kind == "O"  # booleans beside numbers, pandas' nullable types
        value = value.to_numpy(dtype=np.float64, na_value=np.nan) if mixed and _nullable(value) else value.to_numpy()
    elif hasattr(value, "toarray"):
        raise TypeError(f"{name} must be dense; got a sparse {type(value).__name__} (use {name}.toarray())")
    refuse_masked(value, name)
    array = plain_array(value, name)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold numbers; got dtype {array.dtype}")
    return array


def plain_array(value: Any, name: str) -> Array:
    """Return a NumPy array of any type; ValueError where rows have different lengths."""
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must be an array of numbers; got rows of different lengths") from error


def unmasked(value: Any, name: str) -> Array:
    """Return a plain NumPy array of any type; ValueError where a mask would be lost."""
    refuse_masked(value, name)
    return np.asarray(value)


def refuse_masked(value: Any, name: str) -> None:
    """Refuse masked entries, of arrays in a list too: `numpy.asarray` would show what is under the mask."""
    arrays = value if isinstance(value, (list, tuple)) and value and isinstance(value[0], np.ndarray) else [value]
    if any(isinstance(part, np.ma.MaskedArray) and np.ma.is_masked(part) for part in arrays):
        raise ValueError(f"{name} must have no masked entries")


def _refuse_text_columns(frame: Any, name: str) -> None:
    """Name the columns of a data frame that hold no numbers."""
    if not hasattr(frame, "columns"):
        return
    # By position: names may be there twice.
    columns = [frame.iloc[:, i] if hasattr(frame, "iloc") else frame[:, i] for i in range(frame.shape[1])]
    bad = [
        str(name)
        for name, column in zip(frame.columns, columns, strict=True)
        if getattr(column.dtype, "kind", "O") not in "fiub" and column.to_numpy()[:1].dtype.kind not in "fiub"
    ]
    if bad:
        raise TypeError(
            f"{name} must hold numbers; got text or objects in column{'s'[: len(bad) > 1]} {', '.join(bad)}"
        )


def _nullable(value: Any) -> bool:
    """Whether a pandas series or frame holds numbers and booleans alone."""
    kinds = value.dtypes if hasattr(value, "columns") else [getattr(value, "dtype", None)]
    return hasattr(value, "iloc") and all(getattr(kind, "kind", "O") in "fiub" for kind in kinds)


def matrix(
    value: Any, n_columns: int, dtype: np.dtype[Any], name: str = "X", finite: bool = True, first: int = 0
) -> Array:
    """Return a C-contiguous (rows, n_columns) array of `dtype`; ValueError or TypeError names what is wrong."""
    array = to_array(value, name)
    if array.ndim != 2:
        hint = f"; for one row, give {name}.reshape(1, -1)" if array.ndim == 1 and array.shape[0] == n_columns else ""
        raise ValueError(f"{name} must have 2 axes (rows, features); got {array.ndim}, shape {array.shape}{hint}")
    if array.shape[0] == 0:
        raise ValueError(f"{name} must have at least one row; got shape {array.shape}")
    if array.shape[1] != n_columns:
        raise ValueError(f"{name} must have {n_columns} features, as the network has inputs; got {array.shape[1]}")
    out = in_type(array, dtype)
    if finite or _narrows(array, dtype):
        check_finite(out, name, array, first)
    return out


def matrix_blocks(value: Any, n_columns: int, dtype: np.dtype[Any], name: str = "X") -> Iterator[Array]:
    """Give `matrix` by blocks of rows, so that what has to be converted need not be there twice."""
    array = to_array(value, name)
    rows = max(1024, 2**20 // max(n_columns, 1))
    ready = array.dtype == dtype and array.flags.c_contiguous
    if ready or array.ndim != 2 or len(array) <= rows:
        yield matrix(array, n_columns, dtype, name, finite=False)
        return
    for first in range(0, len(array), rows):
        yield matrix(array[first : first + rows], n_columns, dtype, name, first=first)


def in_type(array: Array, dtype: np.dtype[Any]) -> Array:
    """Return a C-contiguous array of `dtype`; what is beyond its range becomes infinite, as `check_finite` tells."""
    if not _narrows(array, dtype):
        return np.ascontiguousarray(array, dtype=dtype)
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=dtype)


def _narrows(array: Array, dtype: np.dtype[Any]) -> bool:
    return array.dtype.kind == "f" and array.dtype.itemsize > dtype.itemsize


def check_finite(array: Array, name: str, given: Array | None = None, first: int = 0) -> None:
    """Raise ValueError naming the first NaN or infinity of a C-contiguous float array, made of `given`.

    `first` is the number of its first row.
    """
    core = _core.NetworkFloat32 if array.dtype == np.float32 else _core.NetworkFloat64
    at = core.first_nonfinite(array)
    if at >= 0:
        place = np.unravel_index(at, array.shape)
        where = ", column ".join(str(int(i)) for i in (first + place[0], *place[1:]))
        found = what_is_not_finite(array[place], None if given is None else given[place], array.dtype)
        raise ValueError(f"{name} must be {found} in row {where}")


def what_is_not_finite(value: Any, given: Any, dtype: np.dtype[Any]) -> str:
    """Return what a number that is not finite in `dtype` should be, and what came; it was `given`, if that is known."""
    if given is not None and np.isfinite(given):
        wider = "; use dtype='float64'" if dtype == np.float32 else ""
        return f"within {dtype}'s range, up to {np.finfo(dtype).max:.3g}{wider}; got {given}"
    return f"finite; got {'NaN' if np.isnan(value) else 'infinity'}"


def weights(value: Any, n_rows: int, dtype: np.dtype[Any], name: str = "sample_weight") -> Array | None:
    """Return row weights, or None; they must be finite, not negative, and not all zero."""
    if value is None:
        return None
    given = to_array(value, name)
    if given.shape != (n_rows,):
        raise ValueError(f"{name} must have one entry for each of the {n_rows} rows; got shape {given.shape}")
    if given.size and given.min() < 0:
        raise ValueError(f"{name} must not be negative; got {given.min()}")
    if not given.any():
        raise ValueError(f"{name} must not be all zero")
    return weights_in_type(given, dtype, name)


def weights_in_type(given: Array, dtype: np.dtype[Any], name: str) -> Array:
    """Return weights in the network's type; ValueError where they are too large or too small for it.

    One that is small beside the others may become 0; but a loss is divided by their sum, and gradients by that of a
    batch: by less than the type's smallest normal number nothing can be divided.
    """
    with np.errstate(under="ignore"):
        array = in_type(given, dtype)
    check_finite(array, name, given)
    least = np.finfo(dtype).tiny
    if given.max() > 0 and array.max() < least:
        raise ValueError(
            f"{name} is too small for {dtype}: the largest must be at least {least:.3g}; got {given.max():.3g}. Give "
            "larger weights: only their ratios count"
        )
    return array


def rows_of(data: Any, index: Any) -> Any:
    """Return rows of an array, a data frame, or what can be made an array, by their numbers."""
    if hasattr(data, "iloc"):
        return data.iloc[index]
    if hasattr(data, "to_pylist"):  # pyarrow's, which are indexed by one number or a slice alone
        return data.take(index)
    if hasattr(data, "tocsr"):  # sparse, of which not every format has rows
        return data.tocsr()[index].asformat(data.format)
    if hasattr(data, "to_numpy") or isinstance(data, np.ndarray):
        return data[index]
    return np.asarray(data)[index]


def with_rows(value: Any, name: str) -> tuple[Any, int]:
    """Return what `rows_of` takes rows of, data frames as they are and lists as arrays, and how many rows it has."""
    own = ("iloc", "to_pylist", "tocsr", "to_numpy")
    is_one = isinstance(value, np.ndarray) or any(hasattr(value, method) for method in own)
    data = value if is_one else plain_array(value, name)
    shape = getattr(data, "shape", None)
    if shape == ():
        raise TypeError(f"{name} must be an array or a data frame, with rows; got {in_short(value)}")
    return data, len(data) if shape is None else shape[0]


def mean_and_scale_of(pair: Any) -> tuple[Array, Array]:
    """Return what a caller gives as ``input_normalization`` as arrays, float64; TypeError names what is wrong.

    Whether they fit the inputs is for the core to say.
    """
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise TypeError(f"input_normalization must be (mean, scale), arrays by input, or None; got {pair!r}")
    mean, scale = (to_array(part, "input_normalization").ravel() for part in pair)
    if mean.dtype.kind not in "fiub" or scale.dtype.kind not in "fiub":
        raise TypeError(f"input_normalization must hold numbers; got dtypes {mean.dtype} and {scale.dtype}")
    return mean.astype(np.float64), scale.astype(np.float64)
