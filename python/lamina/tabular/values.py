"""The columns of a table, whatever library it is of, as values of a few kinds: the one place that knows narwhals.

Numbers are float64 with NaN where they are missing; texts and other labels stay as they are, for `labels_of` to number.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Integral, Real
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import narwhals as nw
import numpy as np

from lamina.data.arrays import Array
from lamina.data.dates import date_of, is_date
from lamina.data.missing import stands_for_missing

__all__ = [
    "PARTS",
    "Moments",
    "Table",
    "Values",
    "in_zone",
    "is_text",
    "is_zone",
    "labels_of",
    "parsed",
    "parts_of",
    "seconds_of",
    "strange_number",
    "table_of",
    "what_is",
]

#: What a clock and a calendar say of a moment.
PARTS = ("year", "month", "day", "weekday", "hour", "minute", "second")
#: What values there are, in the words of an error.
_WORDS = {
    "number": "numbers",
    "boolean": "True and False",
    "text": "text",
    "label": "categories",
    "datetime": "dates",
    "time": "times of day",
    "duration": "durations",
    "missing": "missing values alone",
}
# Of ASCII's digits, as the command reads them; blanks may be any.
_NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")
# A code, such as 007 or 01234, and no number.
_CODE = re.compile(r"\s*[+-]?0[0-9]")
# From here on a whole number may be another one as float64.
_INDISTINCT = 2**53
_EPOCH = np.datetime64(0, "us")
# Python's dates, but for the first days and the last, which may be in another year elsewhere.
_YEARS = np.array(["0001-01-03", "9999-12-29"], "datetime64[15m]")
_UTC = datetime.timezone.utc


@dataclass(frozen=True, slots=True)
class Moments:
    """Points in time.

    Attributes
    ----------
    at : (n,) array of datetime64[us]
        In UTC where a zone is known, else as the clock says; NaT where they are missing.
    clock : (n,) array of datetime64[us]
        What the clock says.
    zone : str or None
        The zone of a column that has one.
    """

    at: Array
    clock: Array
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Values:
    """The values of a column.

    Attributes
    ----------
    kind : {"number", "boolean", "text", "label", "datetime", "time", "duration", "missing"}
    data : (n,) array of float64, list of objects, or Moments
        Numbers, booleans (0 and 1) and durations (in seconds) are float64; texts and labels are objects; a time of day
        is a moment of the first day.
    exact : sequence of numbers, or None
        Of numbers among which are whole ones that float64 does not tell apart: they themselves, as labels are made of.
    """

    kind: str
    data: Any
    exact: Any = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table by columns.

    Attributes
    ----------
    frame : narwhals.DataFrame or (n, columns) array
    names : tuple of str, or None
        None for arrays. Names that are no text are written as such.
    n_rows, n_columns : int
    of_text : bool
        Whether the names are text as they are, which scikit-learn asks of those that it calls names.
    """

    frame: Any
    names: tuple[str, ...] | None
    n_rows: int
    n_columns: int
    of_text: bool = True

    def called(self, place: int) -> str:
        """Return what an error calls a column."""
        return repr(self.names[place]) if self.names is not None else str(place)

    def take(self, rows: Array) -> Table:
        """Return the rows of these numbers."""
        return Table(self.frame[rows], self.names, len(rows), self.n_columns, self.of_text)

    def values(self, place: int) -> Values:
        """Return the values of a column; TypeError names it where it holds what no column may."""
        try:
            if isinstance(self.frame, np.ndarray):
                return _of_array(self.frame[:, place])
            return _of_series(self.frame[:, place])
        except TypeError as error:
            raise TypeError(f"column {self.called(place)} of X {error}") from None


def table_of(X: Any) -> Table:
    """Return a table of what a user has: a data frame of any library that narwhals knows, an array, or a list of rows.

    Raises
    ------
    TypeError, ValueError
        For what is no table, is lazy or sparse, has no rows or no columns, or names two columns alike.
    """
    if isinstance(X, Table):
        return X
    frame = _frame_of(X)
    if frame is None:
        array = _array_of(X)
        _refuse_empty(array.shape)
        return Table(array, None, *array.shape)
    _refuse_empty(frame.shape)
    columns = frame.columns
    of_text = all(isinstance(name, str) for name in columns)
    names = tuple(map(str, columns))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        alike = " and ".join(repr(name) for name in columns if str(name) == twice)
        raise ValueError(f"X must have columns of different names; got {alike}, all of which are written {twice!r}")
    n_rows, n_columns = frame.shape
    return Table(frame, names, n_rows, n_columns, of_text)


def _frame_of(X: Any) -> Any:
    """A data frame of narwhals; None for what is none."""
    if isinstance(X, (np.ndarray, list, tuple)) or X is None:
        return None
    names = [] if hasattr(X, "collect") else list(getattr(X, "column_names", getattr(X, "columns", ())))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"X must have columns of different names; got {twice!r} {names.count(twice)} times")
    frame = nw.from_native(X, pass_through=True, allow_series=True)
    if isinstance(frame, nw.LazyFrame):
        raise TypeError(f"X must be a data frame that is there; got a lazy {type(X).__name__}: give X.collect()")
    if isinstance(frame, nw.Series):
        raise ValueError(
            f"X must be a table of rows and columns; got a series of {len(frame)} values. Reshape your data: give a "
            "data frame of one column"
        )
    return frame if isinstance(frame, nw.DataFrame) else None


def _array_of(X: Any) -> Array:
    """An array of two axes."""
    if hasattr(X, "toarray") or hasattr(X, "todense"):
        raise TypeError(f"X must be dense; got a sparse {type(X).__name__} (use X.toarray())")
    if isinstance(X, np.ma.MaskedArray):
        array = _unmasked(X)
    else:
        try:
            array = np.asarray(X)
            if isinstance(X, (list, tuple)) and array.ndim == 2:
                array = np.asarray(X, object)  # each column has a type of its own
        except ValueError:
            raise ValueError("X must be a table; got rows of different lengths") from None
    if array.dtype.kind == "c" or (array.dtype.kind == "O" and any(isinstance(v, complex) for v in array.flat)):
        raise ValueError("X must hold no complex numbers. Complex data not supported")
    if array.dtype.kind not in "fiubOUSMm":
        raise TypeError(f"X must be a data frame, an array or a list of rows; got {X!r:.80} of dtype {array.dtype}")
    if array.ndim != 2:
        hint = (
            "" if array.ndim > 2 else ". Reshape your data: X.reshape(-1, 1) for one column, X.reshape(1, -1) for a row"
        )
        raise ValueError(f"X must have 2 axes (rows, columns); got {array.ndim}, shape {array.shape}{hint}")
    return array


def _unmasked(X: Any) -> Array:
    """An array whose masked entries are missing values."""
    data, masked = np.ma.getdata(X), np.ma.getmaskarray(X)
    kind: Any = data.dtype if data.dtype.kind in "mMc" else object
    large = data.dtype.kind in "iu" and (np.abs(data.astype(np.float64)) >= _INDISTINCT).any()
    if data.dtype.kind in "fiu" and not large:
        kind = np.float64
    array: Array = data.astype(kind)
    array[masked] = None if kind is object else np.nan if kind is np.float64 else "NaT"
    return array


def _refuse_empty(shape: tuple[int, ...]) -> None:
    for axis, what in enumerate(("sample(s)", "feature(s)")):
        if shape[axis] == 0:
            raise ValueError(f"Found X with 0 {what} (shape={shape}) while a minimum of 1 is required.")


def what_is(values: Values) -> str:
    """Return what an error calls these values."""
    return _WORDS[values.kind]


# Columns of data frames ------------------------------------------------------------------------------------------


def _of_series(series: Any) -> Values:
    kind = series.dtype
    if kind.is_integer():
        return _of_integers(series)
    if kind.is_decimal():
        return _of_numbers(_floats(series.cast(nw.Float64)), series.to_list)
    if kind.is_numeric():
        return Values("number", _floats(series.to_numpy() if series.null_count() == 0 else series.cast(nw.Float64)))
    if kind == nw.Boolean:
        return Values("boolean", _floats(series if series.null_count() == 0 else series.cast(nw.Float64)))
    if kind in (nw.Categorical, nw.Enum):
        return Values("label", _of_categories(series))
    if kind == nw.String:
        return Values("text", series.to_list())
    if kind in (nw.Date, nw.Datetime):
        return _of_moments(series, getattr(kind, "time_zone", None))
    if (zone := getattr(getattr(series.to_native(), "dtype", None), "tz", None)) is not None:
        # Of pandas, with a name that narwhals does not read, such as America/New_York.
        utc = nw.from_native(series.to_native().dt.tz_convert("UTC"), series_only=True)
        return _of_zone(series, utc, str(getattr(zone, "key", zone)))
    if kind == nw.Duration:
        return Values("duration", _seconds(series.to_numpy()))
    if kind.is_nested():
        raise TypeError(f"holds {kind}, and must hold numbers, text, booleans or dates: give each value its own column")
    return _of_objects(series.to_list())


def _of_categories(series: Any) -> list[Any]:
    """Each row's category. pandas has them numbered: taking them one by one wakes the memory pool of pyarrow."""
    native = series.to_native()
    if not (series.implementation.is_pandas() and hasattr(native, "cat")):
        return series.to_list()  # type: ignore[no-any-return]
    labels = [*native.cat.categories.tolist(), None]  # what is missing has the number -1
    return [labels[code] for code in native.cat.codes.tolist()]


def _of_integers(series: Any) -> Values:
    """Whole numbers; those that float64 does not tell apart are refused by some libraries where others are missing."""
    gaps = series.null_count()
    if gaps == 0 and series.dtype not in (nw.Int128, nw.UInt128):
        array = series.to_numpy()
        return _of_numbers(_floats(array), lambda: array)
    if gaps == len(series) or max(-int(series.min()), int(series.max())) < _INDISTINCT:
        return Values("number", _floats(series.cast(nw.Float64)))
    return _of_objects(series.to_list())


def _of_numbers(data: Array, themselves: Callable[[], Any]) -> Values:
    """Numbers, with what they were before they were float64 where that does not tell them apart."""
    return Values("number", data, themselves() if (np.abs(data) >= _INDISTINCT).any() else None)


def _floats(data: Any) -> Array:
    array = data if isinstance(data, np.ndarray) else data.to_numpy()
    return np.asarray(array, np.float64)


def _of_moments(series: Any, zone: str | None) -> Values:
    if series.dtype == nw.Date:
        series = series.cast(nw.Datetime("us"))
    if zone is None:
        at = clock = _micros(series.to_numpy())
        return Values("datetime", Moments(at, clock))
    return _of_zone(series, series.dt.convert_time_zone("UTC"), zone)


def _of_zone(series: Any, utc: Any, zone: str) -> Values:
    """Moments of a column that has a zone, and the same in UTC."""
    at = _micros(utc.dt.replace_time_zone(None).to_numpy())
    zone = _zone_of([zone])
    if zone == "UTC":
        return Values("datetime", Moments(at, at, zone))
    try:
        clock = _micros(series.dt.replace_time_zone(None).to_numpy())
    except OverflowError:  # of pandas, for clocks before the year 1 or after 9999
        return Values("datetime", in_zone(Moments(at, at, "UTC"), zone))
    return Values("datetime", Moments(at, clock, zone))


def _micros(array: Array) -> Array:
    return np.asarray(array).astype("datetime64[us]")


def _seconds(array: Array) -> Array:
    """Durations as seconds; NaN where they are missing."""
    micros = np.asarray(array).astype("timedelta64[us]")
    return np.where(np.isnat(micros), np.nan, micros.astype(np.int64) / 1e6)


# Columns of arrays, and of Python's objects ----------------------------------------------------------------------


def _of_array(column: Array) -> Values:
    kind = column.dtype.kind
    if kind in "iu":
        return _of_numbers(column.astype(np.float64), lambda: column)
    if kind == "f":
        return Values("number", column.astype(np.float64))
    if kind == "b":
        return Values("boolean", column.astype(np.float64))
    if kind == "M":
        return Values("datetime", Moments(_micros(column), _micros(column)))
    if kind == "m":
        return Values("duration", _seconds(column))
    return Values("text", column.tolist()) if kind == "U" else _of_objects(column.tolist())


def _is_missing(value: Any) -> bool:
    if value is None:
        return True
    if isinstance(value, str):
        return False
    if type(value).__name__ in ("NAType", "NaTType"):
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # of more than one value
        return False


def _of_objects(values: list[Any]) -> Values:
    """Values by what kind of objects they all are."""
    kinds = set(map(type, values))
    if kinds <= {str, type(None)}:
        return Values("text" if str in kinds else "missing", values)
    missing = [_is_missing(value) for value in values]
    present = [value for value, gone in zip(values, missing, strict=True) if not gone]
    kinds = set(map(type, present))

    def all_are(*wanted: type) -> bool:
        return all(issubclass(kind, wanted) for kind in kinds)

    if not present:
        return Values("missing", values)
    if all_are(str):
        return Values("text", values)
    if all_are(bool, np.bool_):
        return Values("boolean", _spread(present, missing))
    if all_are(datetime.timedelta, np.timedelta64):  # the latter are integers to Python
        micros = np.array(["NaT" if gone else v for v, gone in zip(values, missing, strict=True)], "timedelta64[us]")
        return Values("duration", _seconds(micros))
    if all_are(Real, Decimal, np.bool_):
        return _of_numbers(_spread(present, missing), lambda: values)
    if all_are(datetime.date, np.datetime64):
        return Values("datetime", _moments_of(values))
    if all_are(datetime.time):
        return Values("time", _times_of(values))
    for value in present:
        if value.__hash__ is None or isinstance(value, tuple):
            raise TypeError(
                f"holds {value!r:.60}, a {type(value).__name__}; an argument must be a string or a real number, a "
                "boolean or a date"
            )
    return Values("label", values)


def _spread(present: Iterable[Any], missing: Sequence[bool]) -> Array:
    """Numbers where they are not missing, and NaN."""
    out = np.full(len(missing), np.nan)
    try:
        out[~np.asarray(missing)] = [float(value) for value in present]
    except OverflowError:
        raise TypeError("holds a whole number beyond what float64 can hold") from None
    return out


def _numbered(values: list[Any]) -> tuple[list[Any], Array]:
    """The different objects of a column, and the number of each row's among them."""
    index: dict[Any, int] = {}
    codes = np.fromiter((index.setdefault(value, len(index)) for value in values), np.intp, len(values))
    return list(index), codes


def _moments_of(values: list[Any]) -> Moments:
    distinct, codes = _numbered(values)
    at, clock, zones = *(np.full(len(distinct), "NaT", "datetime64[us]") for _ in range(2)), set()
    for i, value in enumerate(distinct):
        if _is_missing(value):
            continue
        # By NumPy, whose moments end at no year.
        offset = value.utcoffset() if isinstance(value, datetime.datetime) else None
        zone = None if offset is None else value.tzinfo
        zones.add(None if zone is None else str(getattr(zone, "key", zone)))
        clock[i] = np.datetime64(value if zone is None else value.replace(tzinfo=None), "us")
        at[i] = clock[i] if offset is None else clock[i] - np.timedelta64(offset, "us")
    if None in zones and len(zones) > 1:
        raise TypeError("holds dates with a time zone and without; give all of them one, or none")
    known = None if None in zones else _zone_of([name for name in zones if name is not None])
    return Moments(at[codes], (at if known == "UTC" else clock)[codes], known)


def _times_of(values: list[Any]) -> Moments:
    distinct, codes = _numbered(values)
    clock = np.full(len(distinct), "NaT", "datetime64[us]")
    for i, value in enumerate(distinct):
        if not _is_missing(value):
            seconds = (value.hour * 60 + value.minute) * 60 + value.second
            clock[i] = _EPOCH + np.timedelta64(seconds * 10**6 + value.microsecond, "us")
    return Moments(clock[codes], clock[codes])


def _zone_of(names: Collection[str]) -> str:
    """The zone of a column whose values have these: UTC for several, and for an offset, which has no name."""
    only = next(iter(names), "UTC")
    return only if len(names) == 1 and is_zone(only) else "UTC"


def is_zone(name: str) -> bool:
    """Whether there is a time zone of this name."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return False
    return True


def in_zone(moments: Moments, zone: str) -> Moments:
    """Return the same moments, by the clocks of a zone."""
    if moments.zone == zone:
        return moments
    quarters, codes = np.unique(moments.at.astype("datetime64[15m]"), return_inverse=True)  # no offset changes within
    where, offsets = ZoneInfo(zone), np.zeros(len(quarters), "timedelta64[us]")
    for i, quarter in enumerate(np.clip(quarters, *_YEARS)):
        if not np.isnat(quarter):
            found = quarter.astype("datetime64[us]").item().replace(tzinfo=_UTC).astimezone(where).utcoffset()
            offsets[i] = np.timedelta64(found, "us")
    return Moments(moments.at, moments.at + offsets[codes], zone)


def parsed(values: Values, wanted: str | None = None) -> Values:
    """Return texts as numbers or dates where all of them are written as such, else the values as they are.

    Beside numbers or dates such texts as "", "NA" and "?" are missing values. With `wanted` such numbers (also those
    that look like codes) or dates alone.
    """
    if values.kind != "text":
        return values
    distinct, codes = _numbered(values.data)
    distinct = [None if isinstance(text, str) and stands_for_missing(text) else text for text in distinct]
    texts = [text for text in distinct if isinstance(text, str)]
    if not texts:
        gone = all(not isinstance(text, str) for text in values.data)
        return Values("missing", values.data) if gone or wanted is not None else values
    number, date = wanted in (None, "number"), wanted in (None, "datetime")
    if number and all(_NUMBER.fullmatch(text) and not (wanted is None and _CODE.match(text)) for text in texts):
        return Values(
            "number", np.array([float(each) if isinstance(each, str) else np.nan for each in distinct])[codes]
        )
    if date and all(map(is_date, texts)):
        try:
            dates = _moments_of([date_of(each) if isinstance(each, str) else None for each in distinct])
        except (ValueError, TypeError):  # 2024-02-30; with a time zone and without
            return values
        return Values("datetime", Moments(dates.at[codes], dates.clock[codes], dates.zone))
    return values


def is_text(values: Values) -> bool:
    """Whether all values that are there are text, as those of a categorical column may be."""
    if values.kind == "text":
        return True
    return values.kind == "label" and all(
        isinstance(each, str) or _is_missing(each) for each in _numbered(values.data)[0]
    )


def strange_number(values: Values) -> str | None:
    """Return a text that is no number in a column whose texts nearly all are, or None."""
    if values.kind != "text":
        return None
    distinct, codes = _numbered(values.data)
    first, others, numbers = None, 0, 0
    for text, rows in zip(distinct, np.bincount(codes).tolist(), strict=True):
        if not isinstance(text, str) or stands_for_missing(text):
            continue
        if _NUMBER.fullmatch(text):
            numbers += rows
            continue
        first, others = text if first is None else first, others + rows
        if others > len(codes) // 10:  # whatever else there is
            return None
    return first if others <= (numbers + others) // 10 else None


# Labels ----------------------------------------------------------------------------------------------------------


def labels_of(values: Values) -> tuple[list[str], Array]:
    """Return the different labels of a column as text, and the number of each row's among them, -1 where it is missing.

    What is equal is one label: 1, 1.0 and "1".
    """
    if values.exact is not None:
        objects, codes = _numbered(list(values.exact))
        return _labelled([each if _is_missing(each) else _label_of_number(each) for each in objects], codes)
    if values.kind in ("number", "boolean", "duration"):
        present = ~np.isnan(values.data)
        distinct, place = np.unique(values.data[present], return_inverse=True)
        codes = np.full(len(values.data), -1)
        codes[present] = place
        return [_as_text(value) for value in distinct.tolist()], codes
    if isinstance(values.data, Moments):
        present = ~np.isnat(values.data.clock)
        distinct, place = np.unique(values.data.clock[present], return_inverse=True)
        codes = np.full(len(present), -1)
        codes[present] = place
        return [str(value) for value in distinct], codes
    return _labelled(*_numbered(values.data))


def _labelled(objects: list[Any], codes: Array) -> tuple[list[str], Array]:
    """The labels of a column whose different objects, and the number of each row's among them, are known."""
    labels: dict[str, int] = {}
    own = [-1 if _is_missing(each) else labels.setdefault(_as_text(each), len(labels)) for each in objects]
    return list(labels), np.array(own)[codes]


def _label_of_number(value: Any) -> str:
    """A number as `_as_text` has it once it is float64, but for whole ones, which keep all their digits."""
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        value = int(value)
    return str(int(value)) if isinstance(value, (Integral, np.bool_)) else _as_text(float(value))


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    whole = isinstance(value, (float, np.floating)) and float(value).is_integer()
    if whole or isinstance(value, (Integral, np.bool_)):
        return str(int(value))
    return str(value)


def parts_of(clock: Array) -> dict[str, Array]:
    """Return what a clock and a calendar say of moments, as numbers by name; NaN where they are missing."""
    months, days = clock.astype("datetime64[M]"), clock.astype("datetime64[D]")
    seconds = (clock - days).astype("timedelta64[s]").astype(np.int64)
    found = (
        clock.astype("datetime64[Y]").astype(np.int64) + 1970,
        months.astype(np.int64) % 12 + 1,
        (days - months).astype(np.int64) + 1,
        (days.astype(np.int64) + 3) % 7,  # Monday is 0, as in Python
        seconds // 3600,
        seconds // 60 % 60,
        seconds % 60,
    )
    gone = np.isnat(clock)
    return {name: np.where(gone, np.nan, part) for name, part in zip(PARTS, found, strict=True)}


def seconds_of(at: Array) -> Array:
    """Return moments as seconds since 1970; NaN where they are missing."""
    return np.where(np.isnat(at), np.nan, (at - _EPOCH).astype(np.int64) / 1e6)
