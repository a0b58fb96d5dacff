"""Texts that are dates, as ISO 8601 writes them, and dates of other libraries."""

from __future__ import annotations

import datetime
import re
from typing import Any

import numpy as np

__all__ = ["date_of", "is_date", "time_of"]

_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)


def is_date(text: str) -> bool:
    """Whether a text is written as a date is: 2024-05-17, 2024-05-17 08:30, 2024-05-17T08:30:00+02:00."""
    return _DATE.fullmatch(text) is not None


def date_of(text: str) -> datetime.datetime:
    """Return the date that such a text is, to the microsecond; ValueError for one that there is not, as 2024-02-30."""
    text = text[:-1] + "+00:00" if text.endswith("Z") else text
    text = re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", text) if len(text) > 10 else text
    text = re.sub(r"\.(\d+)", lambda found: f".{found[1][:6]:<06}", text)
    return datetime.datetime.fromisoformat(text)


def time_of(value: Any) -> np.datetime64 | np.timedelta64 | None:
    """Return a date or a span of time of Python's, NumPy's or pandas' as one of NumPy's; None for anything else.

    A date of a time zone is none of NumPy's.
    """
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return value
    if not isinstance(value, (datetime.date, datetime.timedelta)) or getattr(value, "tzinfo", None) is not None:
        return None
    if hasattr(value, "to_numpy"):  # of pandas, which may count nanoseconds
        return value.to_numpy()  # type: ignore[no-any-return]
    return np.timedelta64(value) if isinstance(value, datetime.timedelta) else np.datetime64(value)
