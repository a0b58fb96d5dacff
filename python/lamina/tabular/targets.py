"""Targets of a table as users have them: series of any data frame library, arrays, lists."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np

from lamina.data.arrays import Array
from lamina.data.records import Indices
from lamina.data.targets import mean_and_scale
from lamina.estimators.samples import class_labels, numbers, rows_of

__all__ = ["class_targets", "far_from_the_others", "number_targets", "target_rows"]

# A target is far from the others at so many of their standard deviations from the median, and at so many times the
# distance of the next one; at most such a share of the rows is, or one row.
_FAR, _GAP, _SHARE = 10.0, 3.0, 0.01


def target_rows(y: Any, rows: Indices) -> Any:
    """Return these rows of targets of any kind, as what they are; no other is looked at."""
    series = nw.from_native(y, pass_through=True, allow_series=True)
    return series[rows].to_native() if isinstance(series, (nw.Series, nw.DataFrame)) else rows_of(y, rows)


def class_targets(y: Any) -> Array:
    """Return one label a row, (n,): text, whole numbers or booleans; ValueError where one is missing."""
    labels: Array = class_labels(_array_of(y))
    if labels.ndim != 1:
        raise ValueError(f"y must have one label a row; got shape {labels.shape}. Train a model for each column")
    return labels


def number_targets(y: Any) -> Array:
    """Return targets (n,) or (n, targets), float64; ValueError where one is missing or infinite, TypeError for text."""
    array = np.asarray(numbers(_array_of(y)))
    if array.dtype.kind == "c":
        raise ValueError("y must hold no complex numbers. Complex data not supported")
    if array.ndim not in (1, 2):
        raise ValueError(f"y must have 1 or 2 axes; got shape {array.shape}")
    try:
        array = array.astype(np.float64)
    except (TypeError, ValueError):
        raise TypeError("y must hold numbers; got other objects") from None
    if not np.isfinite(array).all():
        row = int(np.argwhere(~np.isfinite(array))[0, 0])
        what = "NaN" if np.isnan(array).any() else "infinity"
        raise ValueError(f"Input y contains {what}: y must be finite; see row {row}. Leave out rows without a target")
    return array


def far_from_the_others(t: Array) -> Array:
    """Tell what of the values (n,) lie alone, far from all others; a long tail, in which each has a next one, does not.

    Of such values alone would a mean and a standard deviation tell.
    """
    n, most = len(t), max(1, int(_SHARE * len(t)))
    none = np.zeros(n, bool)
    with np.errstate(over="ignore"):
        distance = np.abs(t - np.median(t))
    order = np.argsort(distance, kind="stable")
    others = t[order[:-most]]
    if len(others) < 2 or others.min() == others.max():
        return none
    farthest, within = distance[order[n - most :]], distance[order[n - most - 1 : -1]]
    spread = mean_and_scale(others[:, np.newaxis], None)[1][0]
    begins = np.flatnonzero((farthest > _FAR * spread) & (farthest / _GAP > within))
    if not len(begins):
        return none
    none[order[n - most + begins[0] :]] = True
    return none


def _array_of(y: Any) -> Any:
    """An array of what a data frame library has; ValueError where a value is missing."""
    if y is None:
        raise ValueError("This estimator requires y to be passed, but the target y is None")
    series = nw.from_native(y, pass_through=True, allow_series=True)
    if isinstance(series, nw.DataFrame):
        if series.shape[1] != 1:
            columns = [_array_of(series[:, i].to_native()) for i in range(series.shape[1])]
            times = [column.dtype.kind in "mM" for column in columns]
            if any(times) and not all(times):
                which = times.index(True)
                raise TypeError(
                    f"y must hold columns of one kind; got dtype {columns[which].dtype} in column "
                    f"{series.columns[which]!r} beside others"
                )
            return np.column_stack(columns)
        return _array_of(series[:, 0].to_native())[:, np.newaxis]
    if isinstance(series, nw.Series):
        if series.null_count():
            raise _missing(int(series.is_null().to_numpy().argmax()))
        y = np.asarray(series.to_list() if series.dtype in (nw.Categorical, nw.Enum) else series.to_numpy())
        if y.dtype.kind == "U":  # as text is objects in other libraries
            y = y.astype(object)
    if isinstance(y, np.ndarray) and y.dtype == object:
        for row, value in enumerate(y.flat):
            if value is None or type(value).__name__ in ("NAType", "NaTType"):
                raise _missing(row)
    return y.astype(object) if isinstance(y, np.ndarray) and y.dtype.kind == "T" else y


def _missing(row: int) -> ValueError:
    return ValueError(f"Input y contains NaN: a target is missing in row {row}. Leave out rows without a target")
