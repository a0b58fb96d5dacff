"""Samples at an estimator's door: which rows count, what labels and weights may be, and how large targets."""

import datetime
import reprlib
import warnings
from collections.abc import Callable
from numbers import Number
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import _safe_indexing, check_consistent_length
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, assert_all_finite

from lamina import losses
from lamina.data.arrays import refuse_masked, to_array
from lamina.data.class_weights import balanced, class_factor
from lamina.data.dates import is_date, time_of

__all__ = [
    "ClassFactors",
    "check_scale",
    "class_labels",
    "counted",
    "in_own_type",
    "numbers",
    "one_column",
    "rows_of",
    "two_classes",
    "weighted",
]


# Texts of so many dates at most may be classes, and of them so many where most are there once.
_MOST_DATES, _FEW_DATES = 100, 20


def counted(X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
    """Return X, y and the weights without the rows of weight 0, which are as if they were not there.

    Nothing has looked at the rows yet: what is left out may be anything, NaN too; masked it may not be. Weights of None
    are left so.
    """
    for part, name in ((X, "X"), (y, "y"), (sample_weight, "sample_weight")):
        refuse_masked(part, name)
    if sample_weight is None:
        return X, y, None
    weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    kept = np.flatnonzero(weight)
    if len(kept) == 0:
        raise ValueError("sample_weight must not be all zero")
    if len(kept) == len(weight):
        return X, y, weight
    check_consistent_length(X, y)
    return rows_of(X, kept), rows_of(y, kept), weight[kept]


def rows_of(data: Any, rows: Any) -> Any:
    """Return these rows of a list, an array, a sparse matrix or a data frame, as what it is; no other is looked at."""
    return _safe_indexing(data.tocsr() if issparse(data) else data, rows)


def numbers(y: Any) -> Any:
    """Return a regressor's targets as an array of numbers, or of objects that are.

    TypeError for dates, and for text, even "1". None and complex numbers are left to scikit-learn, which has words of
    its own for them.
    """
    if y is None:
        return y
    try:
        return to_array(y, "y")
    except TypeError:
        objects = np.asarray(y)
        if objects.ndim == 0 or objects.dtype.kind not in "Oc" or not all(map(_may_be_a_number, objects.flat)):
            raise
        return objects


def _may_be_a_number(value: Any) -> bool:
    return value is None or type(value).__name__ == "NAType" or isinstance(value, (Number, np.bool_))


def one_column(y: Any, warn: Callable[[str, type[Warning]], object] = warnings.warn) -> Any:
    """Return a column (n, 1) as (n,), with scikit-learn's warning, and what is none as it is."""
    if y.ndim != 2 or y.shape[1] != 1:
        return y
    warn(
        "A column-vector y was passed when a 1d array was expected: (n, 1), and not (n,) as of y.ravel()",
        DataConversionWarning,
    )
    return y.reshape(-1)


def class_labels(y: Any, warn: Callable[[str, type[Warning]], object] = warnings.warn) -> Any:
    """Return labels (n,) or an indicator matrix (n, labels), dense; ValueError for what are no classes."""
    y = one_column(y.toarray() if issparse(y) else np.asarray(y), warn)
    _refuse_dates(y)
    if y.dtype.kind in "fcO":
        assert_all_finite(y, input_name="y")
    if y.dtype.kind in "mM" and (missing := np.isnat(y)).any():
        raise ValueError(f"Input y contains NaT: a label is missing in row {int(np.argwhere(missing)[0, 0])}")
    if y.dtype.kind == "O":
        kinds = {
            "text" if isinstance(each, str) else "numbers" if isinstance(each, Number) else f"{each!r:.40}"
            for each in y.flat
        }
        if len(kinds) > 1 or not kinds <= {"text", "numbers"}:
            found = ", ".join(sorted(kinds)[:3])
            raise ValueError(f"Unknown label type: y must hold labels of one kind, text or numbers; got {found}")
        # As objects they are booleans where a data frame has missing ones, or had.
        if all(isinstance(each, (bool, np.bool_)) for each in y.flat):
            y = y.astype(bool)
    check_classification_targets(y)
    if y.ndim == 2 and not type_of_target(y).startswith("multilabel"):
        raise ValueError("y with several columns must hold 0 and 1 alone, one column a label")
    return y


def _refuse_dates(y: Any) -> None:
    """Raise ValueError for more dates or spans of time, as such or as text, than can be classes."""
    what, flat = "", y.reshape(-1)
    if y.dtype.kind in "mM":
        what = "dates" if y.dtype.kind == "M" else "spans of time"
    elif y.dtype.kind == "O" and len(flat) and all(isinstance(each, datetime.date) for each in flat):
        what = "dates"
    elif y.dtype.kind in "OUT" and len(flat) and all(isinstance(each, str) and is_date(each) for each in flat):
        what = "dates, as text,"
    if what and len(np.unique(flat)) > min(_MOST_DATES, max(len(flat) / 2, _FEW_DATES)):
        raise ValueError(
            f"y must hold labels of classes; got {what} such as {flat[0]}. Make classes of them, such as the month, or "
            "numbers, such as days, for a regressor"
        )


def in_own_type(y: Any) -> Any:
    """Return labels of a nullable or categorical pandas type as an array of their own, bool or int.

    scikit-learn would make floats of them. What has missing values is left to it, as is what is of another type.
    """
    if not (hasattr(y, "iloc") and hasattr(y, "isna")):
        return y
    flat = y.ndim == 1
    if not flat and y.shape[1] != 1:
        return y
    found = np.asarray(y if flat else y.iloc[:, 0])
    if found.dtype.kind not in "biu":
        return y
    return found if flat else found[:, np.newaxis]


def two_classes(classes: Any) -> Any:
    """Return `classes`; ValueError where there is one alone."""
    if len(classes) < 2:
        raise ValueError(f"y has one class alone, {classes.tolist()[0]!r}; a classifier needs at least two classes")
    return classes


class ClassFactors(NamedTuple):
    """What a row of each class counts beside its own weight; of several labels at once it is the product over them.

    `factors` has an array for each column of labels, by the place in `classes`, or, of several labels, by 0 and 1.
    """

    classes: Any
    several: bool
    factors: list[Any]

    @classmethod
    def of(cls, class_weight: Any, y: Any, weight: Any, classes: Any) -> "ClassFactors":
        """Return what `class_weight` says, where the rows to learn from have these labels and weights.

        A dictionary names some of all `classes`; of those that it does not name a row counts 1. Of several labels at
        once there is a dictionary for each. "balanced" has the classes count alike, by the weights of their rows.
        """
        own = cls(classes, y.ndim == 2, [])
        places = own._places(y)
        given = [class_weight] * len(places) if isinstance(class_weight, str) or not own.several else class_weight
        if own.several and not (isinstance(given, list) and len(given) == len(places)):
            raise ValueError(
                f"class_weight must be 'balanced' or a list of {len(places)} dictionaries, one for each label of y; "
                f"got {class_weight!r}"
            )
        names = np.array([0, 1]) if own.several else classes
        for each, place in zip(given, places, strict=True):
            if isinstance(each, str) and each == "balanced":
                own.factors.append(balanced(place, weight, len(names)))
            elif isinstance(each, dict):
                own.factors.append(_by_label(each, names))
            else:
                wanted = "a list of dictionaries" if own.several else "a dictionary from class to weight"
                raise ValueError(f"class_weight must be 'balanced' or {wanted}; got {class_weight!r}")
        return own

    def __call__(self, y: Any, weight: Any) -> Any:
        """Return the weights of rows (or None) times those of their classes."""
        of_class = np.ones(len(y))
        for factors, place in zip(self.factors, self._places(y), strict=True):
            of_class *= factors[place]
        return of_class if weight is None else weight * of_class

    def _places(self, y: Any) -> list[Any]:
        return [(column != 0).astype(np.intp) for column in y.T] if self.several else [np.searchsorted(self.classes, y)]


def weighted(class_weight: Any, y: Any, weight: Any, classes: Any) -> Any:
    """Return the weights of rows times those of their classes: see `ClassFactors`."""
    return ClassFactors.of(class_weight, y, weight, classes)(y, weight)


def _by_label(class_weight: Any, classes: Any) -> Any:
    """Return the weight of each class, by a dictionary."""
    weights, known = np.ones(len(classes)), classes.tolist()
    for label, value in class_weight.items():
        factor = class_factor(value, label)
        if (time := time_of(label)) is not None and classes.dtype.kind == time.dtype.kind:
            place = np.flatnonzero(classes == time)  # in any unit
        else:
            place = np.array([known.index(label)] if label in known else [], int)
        if not len(place):
            raise ValueError(f"class_weight must name classes of y; got {label!r}, and y has {reprlib.repr(known)}")
        weights[place] = factor
    return weights


def check_scale(targets: Any, loss: Any, dtype: Any) -> None:
    """Raise ValueError where targets, or (but for None) their loss, are beyond what the network's type can hold."""
    limit = float(np.finfo(dtype).max)
    extremes = np.array([targets.min(axis=0), targets.max(axis=0)], np.float64)
    largest = np.abs(extremes).max()
    hint = "bring y to a smaller scale" + (", or use float64" if np.dtype(dtype) == np.float32 else "")
    if largest > limit:
        raise ValueError(f"y is beyond {np.dtype(dtype)}'s range; got a value of size {largest:.3g}: {hint}")
    loss = None if loss is None else losses.get(loss)
    if loss is None or loss.is_custom:
        return
    for row in extremes[:, np.newaxis, :]:
        # What an untrained network, whose outputs are about 0, would have to lower.
        if not loss.value(np.zeros_like(row), row, None) <= limit:
            raise ValueError(
                f"the {loss.name} of y is beyond {np.dtype(dtype)}'s range; got values of size {largest:.3g}: {hint}"
            )
