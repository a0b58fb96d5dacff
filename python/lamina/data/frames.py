"""Tables of results as data frames of the library that is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from lamina.extras import how_to_install

__all__ = ["frame_of"]

_MAKERS = {"pandas": "DataFrame", "polars": "DataFrame", "pyarrow": "table"}


def frame_of(columns: Mapping[str, Sequence[Any]], library: str = "pandas") -> Any:
    """Return a data frame of these columns; ImportError says how to get the library where it is not installed."""
    if library not in _MAKERS:
        raise ValueError(f"library must be one of {', '.join(map(repr, _MAKERS))}; got {library!r}")
    try:
        module = import_module(library)
    except ImportError as error:
        raise ImportError(f"data frames of {library} need it; {how_to_install([library])}") from error
    if library != "pandas":
        columns = {name: _of_one_kind(values) for name, values in columns.items()}
    return getattr(module, _MAKERS[library])(dict(columns))


def _of_one_kind(values: Sequence[Any]) -> list[Any]:
    """Values that a typed column can hold: what is neither numbers nor of one plain kind, as text."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) <= 1 and kinds <= {bool, int, float, str}:
        return list(values)
    kind = float if kinds <= {int, float} else str
    return [None if value is None else kind(value) for value in values]
