"""What the columns of a table hold, and which of them look as if they should not be learned from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.data.dates import date_of, is_date
from lamina.data.missing import stands_for_missing
from lamina.report.data import ColumnSummary

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Suspicion", "summary", "suspicions"]

# The most frequent values that are shown, and letters of each.
_SHOWN, _LETTERS = 4, 30
# Fewer rows than these tell nothing of whether a column is an id, or of the target.
_FEW_IDS, _FEW_LEAKS = 20, 40
# So many rows at most are looked at for leaks.
_LOOKED_AT = 20_000
# What a column alone may explain of the target: of what is wrong without it, or of the variance.
_TOO_GOOD = 0.98
# A share of different texts that labels of rows have, and no categories.
_NAMES = 0.95


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A column that looks as if it should not be learned from.

    Attributes
    ----------
    column : str
    kind : str
        "id" or "leak".
    why : str
        As a sentence goes on behind the column's name.
    """

    column: str
    kind: str
    why: str


def summary(name: str, values: pd.Series, use: str = "") -> ColumnSummary:
    """Return what a column holds; `use` is what became of it, for what is no input."""
    values = _as_meant(values)
    known = values.dropna()
    missing, kind = len(values) - len(known), _kind(values)
    try:
        distinct = int(known.nunique())
    except TypeError:  # lists and the like
        known = known.map(repr)
        distinct = int(known.nunique())
    if not len(known):
        shown = "nothing"
    elif kind in ("text", "category", "boolean"):
        counts = known.value_counts()
        counts = counts[counts > 0]  # categories that no row has are counted, too
        shares = [f"{_short(value)} ({count / len(known):.0%})" for value, count in counts.iloc[:_SHOWN].items()]
        shown = ", ".join(shares) + (", …" if distinct > _SHOWN else "")
    elif kind == "date":
        # By their parts: strftime knows the years of Python's dates alone.
        days = [f"{day.year:04}-{day.month:02}-{day.day:02}" for day in (known.min(), known.max())]
        shown = " to ".join(days)
    elif kind == "duration":
        shown = f"{known.min()} to {known.max()}"
    else:
        numbers = known.to_numpy(dtype=np.float64)
        low, middle, high = (f"{value:.6g}" for value in (numbers.min(), np.median(numbers), numbers.max()))
        shown = low if distinct == 1 else f"{low} to {high}, median {middle}"
    return ColumnSummary(name, kind, missing, distinct, shown, use)


def _as_meant(values: pd.Series) -> pd.Series:
    """Return texts that are dates as such, and booleans and times among missing values as types of their own."""
    import pandas as pd
    from pandas.api import types

    if not (types.is_object_dtype(values) or types.is_string_dtype(values)) or types.is_bool_dtype(values):
        return values
    found = types.infer_dtype(values, skipna=True)
    if found == "boolean":
        return values.astype("boolean")
    if found == "time":
        return pd.to_timedelta(values.map(str, na_action="ignore"))
    if found == "date":
        return pd.to_datetime(values)
    return _as_dates(values) if found == "string" else values


def _as_dates(values: pd.Series) -> pd.Series:
    """Return texts as moments where all of them are dates, but for those that stand for missing values."""
    import pandas as pd

    known = values.dropna()
    if not len(known) or not (is_date(known.iloc[0]) or stands_for_missing(known.iloc[0])):
        return values
    texts = known.unique()
    dates = [text for text in texts if not stands_for_missing(text)]
    if not dates or not all(map(is_date, dates)):
        return values
    try:
        moments = {text: date_of(text) for text in dates}
    except ValueError:  # 2024-02-30
        return values
    zoned = {moment.tzinfo is not None for moment in moments.values()}
    if len(zoned) > 1:
        return values
    # To the microsecond, in which every year has its place; in UTC the last of Python's days may be one of 10000.
    behind = {text: np.timedelta64(moment.utcoffset() or timedelta(), "us") for text, moment in moments.items()}
    clocks = {text: np.datetime64(moment.replace(tzinfo=None), "us") - behind[text] for text, moment in moments.items()}
    never = np.datetime64("NaT", "us")
    found = pd.Series(np.array([clocks.get(value, never) for value in values]), values.index, name=values.name)
    return found.dt.tz_localize("UTC") if zoned == {True} else found


def _kind(values: pd.Series) -> str:
    import pandas as pd
    from pandas.api import types

    if types.is_bool_dtype(values):
        return "boolean"
    if isinstance(values.dtype, pd.CategoricalDtype):
        return "category"
    if types.is_numeric_dtype(values):
        return "number"
    if types.is_datetime64_any_dtype(values):
        return "date"
    if types.is_timedelta64_dtype(values):
        return "duration"
    return "text"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _LETTERS else text[: _LETTERS - 1] + "…"


def suspicions(features: pd.DataFrame, target: pd.Series, classification: bool) -> list[Suspicion]:
    """Return the columns that look like ids, and those that tell the target almost perfectly, each by itself.

    Parameters
    ----------
    features : pandas.DataFrame
        The columns to learn from.
    target : pandas.Series
        Without missing values.
    classification : bool
        Whether the target has classes, and not numbers.
    """
    import pandas as pd

    found = []
    step = max(1, len(target) // _LOOKED_AT)
    truth = pd.factorize(target[::step])[0] if classification else target[::step].to_numpy(dtype=np.float64)
    for name, given in features.items():
        values = _as_meant(given)
        why = _like_an_id(values)
        if why:
            found.append(Suspicion(str(name), "id", why))
        elif why := _like_the_target(values[::step], truth, classification):
            found.append(Suspicion(str(name), "leak", why))
    return found


def _like_an_id(values: pd.Series) -> str:
    """Say what makes a column one of ids; nothing where nothing does."""
    from pandas.api import types

    known = values.dropna()
    rows = len(known)
    if rows < _FEW_IDS or types.is_bool_dtype(values):
        return ""
    if types.is_numeric_dtype(values):
        numbers = known.to_numpy(dtype=np.float64)
        if not np.isfinite(numbers).all() or (numbers % 1 != 0).any() or len(np.unique(numbers)) < rows:
            return ""
        steps = np.diff(numbers)
        if (steps == 1).all() or (steps == -1).all():
            return "counts the rows"
        if numbers.max() - numbers.min() == rows - 1:
            return f"has every whole number from {numbers.min():.0f} to {numbers.max():.0f} once"
        if (steps > 0).all():
            return "has a whole number of its own for each row, rising from row to row"
        return ""
    if _kind(values) != "text":
        return ""
    texts = known.astype(str)
    distinct = texts.nunique()
    if distinct == rows:
        return "has a text of its own for each row"
    if distinct >= _NAMES * rows:
        return f"has {distinct:,} different texts in {rows:,} rows"
    return ""


def _like_the_target(values: pd.Series, truth: Any, classification: bool) -> str:
    """Say how well a column alone tells the target, class numbers or numbers, where it is too good to be true."""
    if len(values) < _FEW_LEAKS:
        return ""
    # What every second row tells of the others.
    predicted = _told_by(_keys(values), truth, slice(0, None, 2), slice(1, None, 2), classification)
    truth = truth[1::2]
    if classification:
        plain = float(np.bincount(truth).max() / len(truth))
        right = float(np.mean(predicted == truth))
        if plain < 1 and (right - plain) / (1 - plain) >= _TOO_GOOD:
            return f"alone tells the class of {right:.1%} of the rows"
        return ""
    spread = float(np.sum((truth - truth.mean()) ** 2))
    explained = 1 - float(np.sum((truth - predicted) ** 2)) / spread if spread > 0 else 0.0
    return f"alone explains {explained:.1%} of the target's variance" if explained >= _TOO_GOOD else ""


def _keys(values: pd.Series) -> pd.Series:
    """Return numbers and times as floats, all else as text; NaN where missing."""
    from pandas.api import types

    if types.is_numeric_dtype(values) and not types.is_bool_dtype(values):
        return values.astype(np.float64).replace([np.inf, -np.inf], np.nan).reset_index(drop=True)
    if _kind(values) in ("date", "duration"):
        return values.astype("int64").where(values.notna()).astype(np.float64).reset_index(drop=True)
    return values.astype(str).where(values.notna()).reset_index(drop=True)


def _told_by(keys: pd.Series, truth: Any, told: slice, asked: slice, classification: bool) -> Any:
    """Predict rows from others with the same key, and numbers from the nearest ones: a class, or a mean."""
    import pandas as pd

    codes, distinct = pd.factorize(keys, use_na_sentinel=False)
    seen, found = (_most_frequent if classification else _means)(codes[told], truth[told])
    usual = np.bincount(truth[told]).argmax() if classification else truth[told].mean()
    by_code = np.full(len(distinct), usual)
    by_code[seen] = found
    predicted = by_code[codes[asked]]
    if not pd.api.types.is_numeric_dtype(keys):
        return predicted
    points = distinct.to_numpy()[seen]
    order = np.argsort(points, kind="stable")
    order = order[~np.isnan(points[order])]
    points, found = points[order], found[order]
    x = keys.to_numpy()[asked]
    here = ~np.isnan(x)
    if not len(points) or not here.any():
        return predicted
    if classification:
        predicted[here] = found[np.searchsorted((points[1:] + points[:-1]) / 2, x[here])]
    else:
        predicted[here] = np.interp(x[here], points, found)
    return predicted


def _most_frequent(codes: Any, labels: Any) -> tuple[Any, Any]:
    """Return the codes that there are, and the most frequent label of each."""
    many = labels.max() + 1
    pairs, counts = np.unique(codes * many + labels, return_counts=True)
    order = np.lexsort((-counts, pairs // many))
    seen, first = np.unique((pairs // many)[order], return_index=True)
    return seen, (pairs % many)[order][first]


def _means(codes: Any, numbers: Any) -> tuple[Any, Any]:
    """Return the codes that there are, and the mean number of each."""
    seen, place, counts = np.unique(codes, return_inverse=True, return_counts=True)
    return seen, np.bincount(place, weights=numbers) / counts
