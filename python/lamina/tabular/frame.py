"""A table as a user has it, encoded: a matrix of numbers, first the numeric columns, then the numbers of categories."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from lamina.callers import warn_caller
from lamina.data.arguments import whole_number
from lamina.data.arrays import Array
from lamina.data.targets import mean_and_scale
from lamina.tabular.values import (
    PARTS,
    Table,
    Values,
    in_zone,
    is_text,
    is_zone,
    labels_of,
    parsed,
    parts_of,
    seconds_of,
    strange_number,
    table_of,
    what_is,
)

__all__ = ["FARTHEST", "Column", "FrameEncoder"]

# Categories that a column may have, and all columns together: the header of a model file can hold twice as many values.
# A column takes at most this share of what those before it have left.
_MOST_CATEGORIES, _MOST_IN_ALL, _SHARE = 1024, 2**17, 1 / 8
# From so many categories on, those that are there once are one: a single row says little of others.
_FEW = 10
# So many different categories, none of which the fit had, are no accident.
_STRANGERS = 5
#: What an encoded number is at most, in distances of the quartiles: squares of it are still numbers in float32.
FARTHEST = 1e6
_KINDS = ("number", "boolean", "category", "datetime", "time", "duration")
#: How the values of a kind of column are seen as numbers, by the name of each number; the first has none.
_NUMBERS: dict[str, Callable[[Any], dict[str, Array]]] = {
    "number": lambda data: {"": data},
    "duration": lambda data: {"": data},
    "datetime": lambda data: {"": seconds_of(data.at), **parts_of(data.clock)},
    "time": lambda data: {"": seconds_of(data.clock), **parts_of(data.clock)},
}
DROPPED = {
    "missing": "all of its values are missing",
    "constant": "it has one value alone",
    "distinct": "nearly all of its values are different, as those of an id or of free text",
}


@dataclass(frozen=True, slots=True)
class Column:
    """What a column of the table was at the fit, and what is made of it.

    Attributes
    ----------
    kind : str
        "number", "boolean", "category", "datetime", "time" or "duration".
    numbers : tuple of str
        The numbers that are taken of it: "" is the value itself (seconds, for dates), the others are parts of a date.
    binary : tuple of str
        Those of them that take two values alone.
    categories : tuple of str
        Of a category, in the order of their numbers.
    text : bool
        Whether all categories were text, and not numbers, dates or booleans that count as such.
    others : bool
        Whether a further category stands for all that are rare, and for those that come up later.
    indicator : bool
        Whether a category column of two tells where a value is missing.
    zone : str or None
        The time zone of dates.
    dropped : str or None
        Why nothing is made of it, where that is so: a key of `DROPPED`.
    """

    kind: str
    numbers: tuple[str, ...] = ()
    binary: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    text: bool = False
    others: bool = False
    indicator: bool = False
    zone: str | None = None
    dropped: str | None = None

    @property
    def sizes(self) -> list[int]:
        """How many categories each category column has that is made of it."""
        if self.dropped is not None:
            return []
        own = {"boolean": 2, "category": len(self.categories) + self.others}.get(self.kind, 0)
        return [size for size in (own, 2 * self.indicator) if size]

    @classmethod
    def from_description(cls, given: dict[str, Any]) -> Column:
        """Return the column that `asdict` described; ValueError or TypeError where that cannot be."""
        plain: dict[str, Any] = {n: tuple(value) if isinstance(value, list) else value for n, value in given.items()}
        column = cls(**plain)
        known = [] if column.kind not in _NUMBERS else ["", *PARTS] if column.kind in ("datetime", "time") else [""]
        of_text = all(isinstance(each, str) for each in (*column.numbers, *column.binary, *column.categories))
        flags = all(isinstance(flag, bool) for flag in (column.text, column.others, column.indicator))
        if column.kind not in _KINDS or not of_text or not flags:
            raise ValueError(f"there is no column such as {reprlib.repr(given)}")
        right = [name for name in known if name in column.numbers] == list(column.numbers)
        right = right and [name for name in column.numbers if name in column.binary] == list(column.binary)
        distinct = len(set(column.categories)) == len(column.categories)
        zoned = column.zone is None or (column.kind == "datetime" and is_zone(column.zone))
        if not (right and distinct and zoned) or not (column.dropped is None or column.dropped in DROPPED):
            raise ValueError(f"there is no column such as {reprlib.repr(given)}")
        if column.kind != "category" and (column.categories or column.others or column.text):
            raise ValueError(f"a column of kind {column.kind} has no categories")
        return column


class FrameEncoder:
    """Learns the columns of a table, and makes matrices of tables that have them.

    Attributes
    ----------
    names : tuple of str, or None
        The table's columns; None where they had no names.
    of_text : bool
        Whether the names were text.
    strange : dict
        Of columns that are text though nearly all of their texts are numbers, by name: one that is none. Known after a
        fit alone.
    columns : list of Column
        One for each.
    center, scale : (numeric columns,) array of float64
        What is taken off each numeric column before it becomes float32, and what it is then divided by.
    """

    def __init__(
        self, names: tuple[str, ...] | None, columns: list[Column], center: Array, scale: Array, of_text: bool = True
    ) -> None:
        self.names, self.columns, self.center, self.scale, self.of_text = names, columns, center, scale, of_text
        self.strange: dict[str, str] = {}

    @classmethod
    def fit(cls, X: Any, categorical: Any = None) -> FrameEncoder:
        """Return the encoder of a table; `categorical` names columns, or numbers them, that hold categories."""
        return cls.fit_transform(X, categorical)[0]

    @classmethod
    def fit_transform(cls, X: Any, categorical: Any = None, dtype: str = "float32") -> tuple[FrameEncoder, Array]:
        """Return the encoder of a table, and the table's matrix."""
        table = table_of(X)
        named = _chosen(categorical, table)
        left = _MOST_IN_ALL
        columns, encoded, centers, scales = [], [], [], []
        strange: dict[int, str] = {}
        for place in range(table.n_columns):
            most = min(_MOST_CATEGORIES, max(_FEW, int(_SHARE * left)))
            column, own = _learn(table, place, place in named, most)
            if own.strange is not None:
                strange[place] = own.strange
            left -= len(column.categories)
            sizes = [_center_and_scale(x[~np.isnan(x)]) for x in own.numbers]
            columns.append(column)
            # In the type of the matrix, so that no table is there twice.
            numbers = [_centred(x, *pair).astype(dtype) for x, pair in zip(own.numbers, sizes, strict=True)]
            encoded.append(_Encoded(numbers, [codes.astype(dtype) for codes in own.codes]))
            centers += [center for center, _ in sizes]
            scales += [scale for _, scale in sizes]
        sizes_of = np.array(centers, np.float64), np.array(scales, np.float64)
        encoder = cls(table.names, columns, *sizes_of, table.of_text)
        encoder.strange = {encoder.name_of(place): text for place, text in strange.items()}
        out = encoder._empty(table.n_rows, dtype)
        for place, values in enumerate(each for own in encoded for each in own.numbers):
            out[:, place] = values
        for place, codes in enumerate(each for own in encoded for each in own.codes):
            out[:, encoder.n_numeric + place] = codes
        return encoder, out

    def transform(self, X: Any, dtype: str = "float32", owner: str = "FrameEncoder") -> Array:
        """Return (rows, width) of `dtype`; an error speaks of its `owner`.

        Columns are found by name where both tables have names, else by place. What is too many is ignored.
        """
        table = table_of(X)
        places = self._places(table, owner)
        out = self._empty(table.n_rows, dtype)
        number, category = 0, self.n_numeric
        for column, place in zip(self.columns, places, strict=True):
            own = _NOTHING if place is None else _encode(column, table, place)
            for values in own.numbers:
                out[:, number] = _centred(values, self.center[number], self.scale[number])
                number += 1
            for codes in own.codes:
                out[:, category] = codes
                category += 1
        return out

    @property
    def n_numeric(self) -> int:
        """How many numeric columns the matrix has; they come first."""
        return len(self.center)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many categories each category column of the matrix has."""
        return tuple(size for column in self.columns for size in column.sizes)

    @property
    def width(self) -> int:
        """How many columns the matrix has: at least one, of zeros, where nothing varies."""
        return max(1, self.n_numeric + len(self.sizes))

    def varied(self) -> tuple[int, ...]:
        """Return the numeric columns of the matrix that have more than two values."""
        two = [part in column.binary for column in self.columns for part in _kept(column)]
        return tuple(i for i, only in enumerate(two) if not only)

    def name_of(self, place: int) -> str:
        """Return what a column of the table is called: x0, x1, ... where it had no name."""
        return self.names[place] if self.names is not None else f"x{place}"

    def sources(self) -> list[int]:
        """Return for each column of the matrix the column of the table that it is made of."""
        numeric = [i for i, column in enumerate(self.columns) for _ in _kept(column)]
        return numeric + [i for i, column in enumerate(self.columns) for _ in column.sizes]

    def names_out(self) -> list[str]:
        """Return what the columns of the matrix are called."""
        numeric = [
            f"{self.name_of(i)}.{part}" if part else self.name_of(i)
            for i, column in enumerate(self.columns)
            for part in _kept(column)
        ]
        categories = []
        for i, column in enumerate(self.columns):
            own = [self.name_of(i)] if column.kind in ("boolean", "category") and column.dropped is None else []
            own = own[: len(column.sizes) - column.indicator]
            categories += [*own, *([f"{self.name_of(i)}.missing"] if column.indicator and column.sizes else [])]
        return numeric + categories

    def dropped(self) -> dict[str, str]:
        """Return the columns of which nothing is made, and why."""
        return {self.name_of(i): DROPPED[c.dropped] for i, c in enumerate(self.columns) if c.dropped is not None}

    def left_out(self) -> dict[str, str]:
        """Return those of `dropped` that may tell something all the same, and why."""
        return {self.name_of(i): DROPPED[c.dropped] for i, c in enumerate(self.columns) if c.dropped == "distinct"}

    # Keeping ------------------------------------------------------------------------------------------------------

    def description(self) -> dict[str, Any]:
        """Return it as plain JSON values, but for `center` and `scale`; ValueError for what could not be read back."""
        usual = asdict(Column("number"))
        columns = [{name: value for name, value in asdict(column).items() if name == "kind" or value != usual[name]}
                   for column in self.columns]  # fmt: skip
        for each in columns:
            Column.from_description(each)
        own: dict[str, Any] = {"names": None if self.names is None else list(self.names), "columns": columns}
        return own if self.of_text else {**own, "of_text": False}

    @classmethod
    def from_description(cls, given: dict[str, Any], center: Array, scale: Array) -> FrameEncoder:
        """Return the encoder that `description` described; ValueError or TypeError where that cannot be."""
        names = given["names"]
        columns = [Column.from_description(each) for each in given["columns"]]
        if names is not None:
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise TypeError("the names of columns are text")
            if len(names) != len(columns) or len(set(names)) != len(names):
                raise ValueError("each column has a name of its own")
        if not columns:
            raise ValueError("a table has columns")
        of_text = given.get("of_text", True)
        if not isinstance(of_text, bool):
            raise TypeError("whether names are text is true or false")
        encoder = cls(None if names is None else tuple(names), columns, center, scale, of_text)
        if not (len(center) == len(scale) == cls.n_centers(given)) or (scale <= 0).any():
            raise ValueError("each numeric column has a center and a scale")
        return encoder

    @staticmethod
    def n_centers(given: dict[str, Any]) -> int:
        """Return how many numeric columns a `description` tells of."""
        return sum(len(_kept(Column.from_description(each))) for each in given["columns"])

    # ----------------------------------------------------------------------------------------------------------------

    def _places(self, table: Table, owner: str) -> list[int | None]:
        """Where in a table each column is; None for one of which nothing is made."""
        wanted = [i for i, column in enumerate(self.columns) if column.dropped is None]
        if self.names is None or table.names is None:
            if table.n_columns != len(self.columns):
                wanted_columns = f"expecting {len(self.columns)} features as input"
                raise ValueError(f"X has {table.n_columns} features, but {owner} is {wanted_columns}")
            where: dict[Any, int] = {i: i for i in range(table.n_columns)}
            keys: list[Any] = list(where)
        else:
            where = {name: i for i, name in enumerate(table.names)}
            keys = list(self.names)
        absent = [repr(keys[i]) for i in wanted if keys[i] not in where]
        if absent:
            more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
            raise ValueError(
                f"X must have the columns of the fit; missing: {', '.join(absent[:5])}{more}. A value that is not "
                "known may be missing, its column may not"
            )
        return [where[keys[i]] if column.dropped is None else None for i, column in enumerate(self.columns)]

    def _empty(self, n_rows: int, dtype: str) -> Array:
        """A matrix to be filled; nothing fills that of a table in which nothing varies."""
        varies = self.n_numeric + len(self.sizes) > 0
        return np.empty((n_rows, self.width), dtype) if varies else np.zeros((n_rows, 1), dtype)


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A column's numbers, NaN where they are missing, its categories' numbers, and a text that is no number."""

    numbers: list[Array]
    codes: list[Array]
    strange: str | None = None


_NOTHING = _Encoded([], [])
_Learned = tuple[Column, _Encoded]


def _center_and_scale(x: Array) -> tuple[float, float]:
    """The median and the distance of the quartiles: what lies far out has no say in what digits the others keep.

    Where the quartiles are equal, the standard deviation.
    """
    places = [len(x) // 4, len(x) // 2, 3 * len(x) // 4]
    low, median, high = np.partition(x, places)[places]
    with np.errstate(over="ignore"):
        spread = high - low
    if not (spread > 0 and np.isfinite(spread)):
        spread = mean_and_scale(x[:, np.newaxis], None)[1][0]
    return float(median), float(spread)


def _centred(values: Array, center: Any, scale: Any) -> Array:
    """Numbers about 0 and of size 1, before they lose digits as float32; 0 where they are missing."""
    with np.errstate(over="ignore"):
        out = (values - center) / scale
    np.clip(out, -FARTHEST, FARTHEST, out=out)
    np.copyto(out, 0.0, where=np.isnan(out))
    return out  # type: ignore[no-any-return]


def _kept(column: Column) -> tuple[str, ...]:
    """The numbers that the matrix has of a column."""
    return () if column.dropped is not None else column.numbers


def _chosen(categorical: Any, table: Table) -> set[int]:
    """The places of the columns that are named as categories."""
    if categorical is None:
        return set()
    given = [categorical] if isinstance(categorical, str) else list(categorical)
    if given and all(isinstance(each, (bool, np.bool_)) for each in given):
        if len(given) != table.n_columns:
            raise ValueError(
                f"categorical_features must have an entry for each of {table.n_columns} columns; got {given}"
            )
        return {i for i, each in enumerate(given) if each}
    places = set()
    for each in given:
        if isinstance(each, str):
            if table.names is None or each not in table.names:
                known = "columns without names" if table.names is None else reprlib.repr(list(table.names))
                raise ValueError(f"categorical_features must name columns of X; got {each!r}, and X has {known}")
            places.add(table.names.index(each))
        else:
            places.add(whole_number(each, "categorical_features", 0, table.n_columns - 1))
    return places


def _learn(table: Table, place: int, named: bool, most: int) -> _Learned:
    """A column as it is at the fit."""
    values = table.values(place)
    if named and values.kind != "missing":
        return _learn_categories(values, most)
    values = parsed(values)
    if values.kind == "missing":
        return Column("number", dropped="missing"), _NOTHING
    if values.kind in ("text", "label"):
        column, own = _learn_categories(values, most)
        return column, replace(own, strange=strange_number(values))
    if values.kind == "boolean":
        found = np.unique(values.data[~np.isnan(values.data)])
        missing = bool(np.isnan(values.data).any())
        if len(found) == 2:
            return Column("boolean"), _Encoded([], [_codes_of_booleans(values.data)])
        if len(found) == 0:
            return Column("boolean", dropped="missing"), _NOTHING
        return _with_indicator(Column("boolean"), np.isnan(values.data), missing)
    return _learn_numbers(values, table.called(place))


def _learn_numbers(values: Values, name: str) -> _Learned:
    zone = values.data.zone if values.kind == "datetime" else None
    found = _NUMBERS[values.kind](values.data)
    _refuse_infinite(found[""], name)
    gone = np.isnan(found[""])
    present = None if not gone.any() else ~gone
    counts = {part: _values_up_to_two(x if present is None else x[present]) for part, x in found.items()}
    kept = {part: x for part, x in found.items() if counts[part] > 1}
    column = Column(values.kind, tuple(kept), tuple(part for part in kept if counts[part] == 2), zone=zone)
    if gone.all():
        return replace(column, dropped="missing"), _NOTHING
    if not kept:
        return _with_indicator(column, gone, present is not None)
    if present is None:
        return column, _Encoded(list(kept.values()), [])
    return replace(column, indicator=True), _Encoded(list(kept.values()), [gone])


def _with_indicator(column: Column, gone: Array, missing: bool) -> _Learned:
    """A column with one value, which may be missing: that is all that it tells."""
    if not missing:
        return replace(column, dropped="constant"), _NOTHING
    if column.kind == "boolean":  # it has no numbers, and no category but this one
        column = replace(column, kind="category")
    return replace(column, indicator=True), _Encoded([], [gone])


def _values_up_to_two(x: Array) -> int:
    """How many different values there are: 0, 1, 2, or 3 for more."""
    if len(x) == 0:
        return 0
    others = x[x != x[0]]
    return 1 if len(others) == 0 else 2 if (others == others[0]).all() else 3


def _refuse_infinite(x: Array, name: str) -> None:
    infinite = np.isinf(x)
    if infinite.any():
        raise ValueError(
            f"X must hold no infinity; got {x[infinite][0]} in column {name}, row {int(infinite.argmax())}. Where a "
            "value is not known, let it be missing"
        )


def _learn_categories(values: Values, most: int) -> _Learned:
    labels, codes = labels_of(values)
    if not labels:
        return Column("category", dropped="missing"), _NOTHING
    counts = np.bincount(codes[codes >= 0], minlength=len(labels))
    if len(labels) == 1:
        return _with_indicator(Column("category"), codes < 0, bool((codes < 0).any()))
    rare = (counts < 2) & (len(labels) >= _FEW)
    if np.count_nonzero(~rare) > most:
        rare |= np.argsort(np.argsort(-counts, kind="stable")) >= most
    if np.count_nonzero(rare) < 2:  # one alone is as good a category as one that stands for it
        rare[:] = False
    if rare.all():
        return Column("category", dropped="distinct"), _NOTHING
    kept = sorted((label, i) for i, label in enumerate(labels) if not rare[i])
    column = Column(
        "category", categories=tuple(label for label, _ in kept), text=is_text(values), others=bool(rare.any())
    )
    table = np.full(len(labels) + 1, -1.0)
    table[:-1][rare] = len(kept)
    table[[i for _, i in kept]] = np.arange(len(kept))
    return column, _Encoded([], [table[codes]])


def _codes_of_booleans(data: Array) -> Array:
    return np.where(np.isnan(data), -1.0, data)


def _encode(column: Column, table: Table, place: int) -> _Encoded:
    """A column of another table, as that of the fit was."""
    values = table.values(place)
    if column.kind == "category":
        labels, codes = labels_of(values)
        if column.indicator:
            return _Encoded([], [codes < 0])
        known = {label: i for i, label in enumerate(column.categories)}
        _check_categories(column, values, labels, known, table.called(place))
        strange = len(known) if column.others else -1
        own = np.array([*(known.get(label, strange) for label in labels), -1], np.float64)
        return _Encoded([], [own[codes]])
    values = parsed(values, column.kind)
    if values.kind == "missing":
        return _all_missing(column, table.n_rows)
    if column.kind == "boolean":
        if values.kind not in ("boolean", "number") or not np.isin(values.data[~np.isnan(values.data)], (0, 1)).all():
            raise _other_kind(column, values, table.called(place))
        return _Encoded([], [_codes_of_booleans(values.data)])
    if values.kind != column.kind and not (column.kind == "number" and values.kind == "boolean"):
        raise _other_kind(column, values, table.called(place))
    data = values.data
    if column.kind == "datetime" and data.zone != column.zone:
        if data.zone is None or column.zone is None:
            one, other = ("without", "with") if data.zone is None else ("with", "without")
            raise TypeError(
                f"column {table.called(place)} of X holds dates {one} a time zone; at the fit they were {other} one"
            )
        data = in_zone(data, column.zone)
    found = _NUMBERS[column.kind](data)
    _refuse_infinite(found[""], table.called(place))
    indicator = [np.isnan(found[""])] if column.indicator else []
    return _Encoded([found[part] for part in column.numbers], indicator)


def _check_categories(column: Column, values: Values, labels: list[str], known: dict[str, int], name: str) -> None:
    """Raise TypeError for numbers and the like in place of text, and warn of texts none of which the fit had."""
    if not labels or any(label in known for label in labels):
        return
    if column.text and not is_text(values):
        raise TypeError(
            f"column {name} of X held text at the fit; got {what_is(values)}, none of which, written as text, is one "
            f"of its {len(known)} categories"
        )
    if len(labels) >= _STRANGERS:
        warn_caller(
            f"column {name} of X has {len(labels)} different values, such as {reprlib.repr(labels[0])}, and none of "
            f"them is one of the {len(known)} categories of the fit: is it another column, or written in another way?",
            UserWarning,
        )


def _all_missing(column: Column, n_rows: int) -> _Encoded:
    gone = np.full(n_rows, np.nan)
    codes = [np.full(n_rows, -1.0)] if column.kind == "boolean" else [np.ones(n_rows)] * column.indicator
    return _Encoded([gone] * len(column.numbers), codes)


def _other_kind(column: Column, values: Values, name: str) -> TypeError:
    wanted = what_is(Values(column.kind, None))
    such = strange_number(values)
    return TypeError(
        f"column {name} of X held {wanted} at the fit; got {what_is(values)}" + (f", such as {such!r}" if such else "")
    )
