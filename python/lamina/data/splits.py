"""Setting samples aside: hold-out splits, random, stratified or in order."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import numpy as np

from lamina._dispatch import core as _core
from lamina.data.arguments import boolean, seed_number, unexpected, whole_number, without_unknown
from lamina.data.arrays import Array, rows_of, unmasked, with_rows
from lamina.data.records import Indices

__all__ = [
    "Split",
    "class_numbers",
    "fold_indices",
    "group_numbers",
    "said_of_few",
    "split",
    "split_indices",
    "tells_little",
    "validation_rows",
    "warn_of_few",
]


_UNSTRATIFIED = ", or give stratify=False"
#: What other libraries call an option of `split`, and how it is said here.
_OTHER_WORDS = {
    "test_size": "write fractions=(0.8, 0.2): for each part, in order, its share",
    "train_size": "write fractions=(0.8, 0.2): for each part, in order, its share",
    "random_state": "write seed=0",
}


class Split:
    """How `fit` sets a validation part aside: ``validation=lamina.Split(0.2, shuffle=False)``.

    Parameters
    ----------
    fraction : float, default 0.1
        Share of the rows, in (0, 1).
    stratify : bool, optional
        Keep the classes' shares. By default, wherever the targets are classes and every class can be shared.
    shuffle : bool, default True
        False takes the last rows, in order: for time series.
    """

    def __init__(self, fraction: float = 0.1, stratify: bool | None = None, shuffle: bool = True) -> None:
        number = isinstance(fraction, (int, float, np.floating)) and not isinstance(fraction, bool)
        if not number or not 0 < fraction < 1:
            raise ValueError(f"validation must be a fraction greater than 0 and less than 1; got {fraction!r}")
        shuffle = boolean(shuffle, "shuffle")
        stratify = None if stratify is None else boolean(stratify, "stratify")
        if stratify and not shuffle:
            raise ValueError("stratify needs shuffle=True: rows in order keep the shares they have")
        self.fraction, self.stratify, self.shuffle = float(fraction), stratify, shuffle

    def __repr__(self) -> str:
        return f"lamina.Split({self.fraction}, stratify={self.stratify}, shuffle={self.shuffle})"

    def indices(self, n_rows: int, labels: Any, seed: int) -> tuple[Indices, Indices]:
        """Return (training, validation) row numbers; `labels` is None where there are none."""
        if n_rows < 2:
            raise ValueError(f"X must have at least 2 rows to set a validation part aside; got {n_rows}")
        stratify = labels if self.stratify or (self.stratify is None and _can_stratify(labels, self.shuffle)) else None
        if self.stratify and labels is None:
            raise ValueError("stratify needs class labels in y")
        train, held = split_indices(n_rows, (1 - self.fraction, self.fraction), stratify, self.shuffle, seed)
        return train, held


def validation_rows(
    validation: Any, n_rows: int, labels: Any, seed: int, remedy: str, stacklevel: int = 4
) -> tuple[Indices, Indices]:
    """Return (training, validation) row numbers for a `Split`, or for a fraction, which warns where it is of few rows.

    `remedy` is what the caller's user may do then; `stacklevel` as for `warnings.warn`, counted from here.
    """
    if isinstance(validation, Split):  # a Split was thought about
        return validation.indices(n_rows, labels, seed)
    train, held = Split(validation).indices(n_rows, labels, seed)
    warn_of_few(len(held), n_rows, remedy, stacklevel + 1)
    return train, held


def warn_of_few(n_held: int, n_rows: int, remedy: str, stacklevel: int = 3) -> None:
    """Warn of a validation part that `tells_little`."""
    if (told := said_of_few(n_held, n_rows, remedy)) is not None:
        warnings.warn(told, UserWarning, stacklevel=stacklevel)


def said_of_few(n_held: int, n_rows: int, remedy: str) -> str | None:
    """Return the words of that warning; None where there is nothing to warn of."""
    if not tells_little(n_held, n_rows):
        return None
    return (
        f"validation sets {n_held} of the {n_rows} samples aside: that tells little, and {n_rows - n_held} are left to "
        f"learn from. {remedy}"
    )


def tells_little(n_held: int, n_rows: int) -> bool:
    """Whether a part that is set aside is too small to judge by: one row, or a part of fewer than ten."""
    return n_held == 1 or 0 < n_held < n_rows < 10


def _can_stratify(labels: Any, shuffle: bool) -> bool:
    return labels is not None and shuffle and bool(_core.can_stratify(np.ascontiguousarray(labels, np.int32), 2))


def split_indices(
    n_rows: int, fractions: Sequence[float], labels: Any, shuffle: bool, seed: int, name: str = "labels"
) -> list[Indices]:
    """Return row numbers of each part, sorted; `labels` (rows,), for errors a `name`, keep the classes' shares."""
    classes = None
    if labels is not None:
        names, classes = class_numbers(labels, name, _UNSTRATIFIED)
        counts = np.bincount(classes)
        if shuffle and counts.min() < len(fractions):
            raise ValueError(
                f"stratify needs at least {len(fractions)} members of every class, one for each part; "
                f"class {names.tolist()[counts.argmin()]!r} has {counts.min()}: take fewer parts, or stratify=False"
            )
        classes = classes.astype(np.int32)
    return list(_core.split_rows(n_rows, list(fractions), classes, shuffle, seed))


def fold_indices(
    n_rows: int, k: int, classes: Any = None, seed: int = 0, shuffle: bool = True, groups: Any = None
) -> Indices:
    """Return the fold, 0 .. k - 1, of each row: sizes differ by one at most, and so do those within each class.

    Groups stay whole; without `shuffle` folds are runs of rows, cut between groups.
    """
    whole_number(k, "k", 2)
    boolean(shuffle, "shuffle")
    seed_number(seed)
    if k > n_rows:
        raise ValueError(f"k must be at most the number of rows, {n_rows}; got {k} folds")
    in_order = None if shuffle else np.arange(n_rows, dtype=np.int64) * k // n_rows
    if groups is not None:
        return _grouped(groups, [1 / k] * k, seed, "k", n_rows, in_order)
    if in_order is not None:
        return in_order
    order = np.asarray(_core.permutation(seed, n_rows))
    if classes is not None:
        names, numbers = class_numbers(classes, "classes", _UNSTRATIFIED)
        counts = np.bincount(numbers)
        if counts.min() < k:
            raise ValueError(
                f"stratify needs at least k = {k} members of every class; class {names[counts.argmin()].item()!r} has "
                f"{counts.min()}: take fewer folds, or stratify=False"
            )
        order = order[np.argsort(numbers[order], kind="stable")]
    folds = np.empty(n_rows, np.int64)
    # Dealt like cards, so that the extra rows of the classes go to different folds.
    folds[order] = np.arange(n_rows) % k
    return folds


def group_numbers(groups: Any) -> Indices:
    """Return the number of each row's group, in the order of the groups.

    ValueError for masked or missing entries, TypeError for what cannot be put in order.
    """
    return _numbered(groups, "groups", "group")[1]


def class_numbers(labels: Any, name: str, instead: str = "") -> tuple[Array, Indices]:
    """Return the classes in order, and the number of each row's class.

    Errors, as of `group_numbers`, say by which `name` the labels go, and what one may do `instead`.
    """
    return _numbered(labels, name, "class", instead)


def _numbered(values: Any, name: str, kind: str, instead: str = "") -> tuple[Array, Indices]:
    array = unmasked(values, name).reshape(-1)
    missing: Any = ()
    if array.dtype.kind in "OT":
        missing = [each for each in array if _is_missing(each)]
    elif array.dtype.kind in "fcmM":
        missing = array[np.isnan(array)]
    if len(missing):
        raise ValueError(
            f"{name} must tell the {kind} of every row{instead}; got {missing[0]} for {len(missing)} of them"
        )
    try:
        found, numbers = np.unique(array, return_inverse=True)
    except TypeError:
        kinds = sorted({type(each).__name__ for each in array})
        raise TypeError(f"{name} must be of one kind, text or numbers{instead}; got {', '.join(kinds[:3])}") from None
    return found, numbers.reshape(-1)


def _is_missing(value: Any) -> bool:
    # By their names: pandas, whose missing values compare in a way of their own, may not be there.
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, complex, np.inexact, np.datetime64, np.timedelta64)) and bool(value != value)


def _grouped(
    groups: Any, shares: Sequence[float], seed: int, name: str, n_rows: int, in_order: Indices | None
) -> Indices:
    """The part of each row: groups stay whole, the largest is placed first, where most room is left.

    Where the rows are to stay `in_order`, as parts that go by no groups, those are cut at the nearest ends of groups.
    """
    groups = unmasked(groups, "groups")
    if groups.shape != (n_rows,):
        raise ValueError(f"groups must have one entry for each of the {n_rows} rows; got shape {groups.shape}")
    which = group_numbers(groups)
    counts = np.bincount(which)
    if len(counts) < len(shares):
        raise ValueError(f"{name} must ask for at most {len(counts)} parts, one a group; got {len(shares)}")
    if in_order is not None:
        return _cut_between_groups(groups, which, in_order, len(shares))
    order = np.asarray(_core.permutation(seed, len(counts)))
    order = order[np.argsort(-counts[order], kind="stable")]
    home, room = np.empty(len(counts), np.int64), np.asarray(shares) * n_rows
    taken = np.zeros(len(shares), np.int64)
    for place, group in enumerate(order):
        # As many groups left as parts without one: those parts come first.
        empty_first = len(order) - place <= int((taken == 0).sum())
        part = int(np.where((taken > 0) & empty_first, -np.inf, room).argmax())
        home[group] = part
        room[part] -= counts[group]
        taken[part] += 1
    return home[which]


def _cut_between_groups(groups: Array, which: Indices, in_order: Indices, n_parts: int) -> Indices:
    """The part of each row, `in_order`, with each cut moved to the nearest end of a group that leaves no part empty."""
    ends = np.flatnonzero(np.diff(which)) + 1  # where another group begins
    firsts = np.r_[0, ends]
    again = np.ones(len(firsts), bool)
    again[np.unique(which[firsts], return_index=True)[1]] = False
    if again.any():
        row = int(firsts[again.argmax()])
        raise ValueError(
            "groups must have the rows of each group one after the other where shuffle=False; group "
            f"{groups[row : row + 1].tolist()[0]!r} begins once more in row {row}"
        )
    parts, least = np.zeros(len(which), np.int64), 0
    for part in range(1, n_parts):
        free = ends[least : len(ends) - (n_parts - 1 - part)]
        nearest = int(np.abs(free - np.searchsorted(in_order, part)).argmin())
        parts[free[nearest] :] = part
        least += nearest + 1
    return parts


def _shares(fractions: Any) -> list[float]:
    """The share of each part, of what a caller gives."""
    wanted = "fractions must be a sequence of shares that sum to 1, such as (0.8, 0.2)"
    if isinstance(fractions, (str, int, float)) or not isinstance(fractions, Iterable):
        raise TypeError(f"{wanted}; got {fractions!r}")
    given = tuple(fractions)
    try:
        shares = [float(share) for share in given]
    except (TypeError, ValueError):
        raise TypeError(f"{wanted}; got {given!r}") from None
    # So said that it does not hold for NaN.
    if not shares or not (min(shares) > 0 and abs(sum(shares) - 1) <= 1e-6):
        raise ValueError(f"fractions must be greater than 0 and sum to 1; got {given}")
    return shares


@without_unknown
def split(
    X: Any,
    y: Any,
    fractions: Sequence[float] = (0.7, 0.15, 0.15),
    stratify: bool = True,
    shuffle: bool = True,
    seed: int = 0,
    groups: Any = None,
    **unknown: NoReturn,
) -> list[tuple[Any, Any]]:
    """Split samples into parts, such as training, validation and test.

    Parameters
    ----------
    X, y : array-like, data frame or sparse matrix, as many rows each
    fractions : sequence of float, default (0.7, 0.15, 0.15)
        Shares that sum to 1, each greater than 0.
    stratify : bool, default True
        Keep the classes' shares where `y` holds labels (whole numbers, booleans or text, one axis).
    shuffle : bool, default True
        False cuts the rows in order: for time series.
    seed : int, default 0
    groups : array-like, (rows,), optional
        Rows of one group stay in one part; the shares are met as nearly as the groups allow, without stratifying. With
        ``shuffle=False`` the cuts are between groups, each of which has to be in one piece.

    Returns
    -------
    list of (X, y)
        One pair a part, rows in their original order.
    """
    if unknown:
        raise unexpected(split, unknown, _OTHER_WORDS)
    shares = _shares(fractions)
    seed_number(seed)
    stratify, shuffle = boolean(stratify, "stratify"), boolean(shuffle, "shuffle")
    X, n_rows = with_rows(X, "X")
    y, n_targets = with_rows(y, "y")
    if n_targets != n_rows:
        raise ValueError(f"y must have as many rows as X ({n_rows}); got {n_targets}")
    if n_rows < len(shares):
        raise ValueError(f"X must have at least {len(shares)} rows, one for each part; got {n_rows}")
    if groups is not None:
        in_order = None
        if not shuffle:
            alone = split_indices(n_rows, shares, None, shuffle, seed)
            in_order = np.repeat(np.arange(len(shares)), [len(part) for part in alone])
        home = _grouped(groups, shares, seed, "fractions", n_rows, in_order)
        parts = [np.flatnonzero(home == i) for i in range(len(shares))]
    else:
        labels = np.asarray(y)
        use_labels = stratify and shuffle and labels.ndim == 1 and labels.dtype.kind in "iubOUST"
        parts = split_indices(n_rows, shares, labels if use_labels else None, shuffle, seed, "y")
    return [(rows_of(X, part), rows_of(y, part)) for part in parts]
