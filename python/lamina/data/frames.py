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
    return getattr(module, _MAKERS[library])(dict(columns))
