"""What a caller gives, checked: an error names the argument, what came and what was wanted."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

__all__ = [
    "boolean",
    "float_type",
    "in_short",
    "number",
    "returned_number",
    "seed_number",
    "thread_count",
    "unexpected",
    "verbosity",
    "whole_number",
    "without_unknown",
]

F = TypeVar("F", bound=Callable[..., Any])


def without_unknown(function: F) -> F:
    """Show a function without its **unknown, which it takes only to refuse it by `unexpected`.

    Nothing is wrapped around it: a further frame would shift the lines that its warnings point at.
    """
    shown = inspect.signature(function)
    known = [parameter for parameter in shown.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
    function.__signature__ = shown.replace(parameters=known)  # type: ignore[attr-defined]
    return function


def unexpected(function: Callable[..., Any], unknown: Mapping[str, Any], instead: Mapping[str, str]) -> TypeError:
    """Return Python's error about a keyword that a function does not take, with what to write instead.

    `instead` knows the words of other libraries; of the rest the nearest name that the function takes is given.
    """
    name = next(iter(unknown))
    advice = instead.get(name)
    if advice is None:
        import difflib

        near = difflib.get_close_matches(name, inspect.signature(function).parameters, n=1)
        advice = f"did you mean {near[0]!r}?" if near else ""
    told = f"{function.__qualname__}() got an unexpected keyword argument {name!r}"
    return TypeError(f"{told}; {advice}" if advice else told)


def in_short(value: Any) -> str:
    """Return what came for an error message: as it is written where that is a short line, else its type.

    Of a pipeline it says which of its parts a network may be in.
    """
    kind = type(value).__name__
    if hasattr(value, "named_steps"):
        return f"a {kind} (its last step, model[-1], may be one; it takes what the steps before it make of X)"
    text = repr(value)
    return text if len(text) <= 160 and "\n" not in text else f"something of type {kind}"


def number(value: Any, name: str, least: float = 0.0, *, above: bool = False) -> float:
    """Return `value` as a finite float of at least `least`, or `above` it; TypeError or ValueError names it."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number; got {value!r}")
    if not (np.isfinite(value) and (value > least if above else value >= least)):
        raise ValueError(f"{name} must be finite and {'above' if above else 'at least'} {least:g}; got {value}")
    return float(value)


def returned_number(value: Any, what: str) -> float:
    """Return as a float what a callable, `what`, has returned, which may be anything; TypeError names it."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{what} must return a number; got {in_short(value)}") from None


def whole_number(value: Any, name: str, least: int, most: int = 2**63 - 1) -> int:
    """Return `value` as an int from `least` to `most`; TypeError or ValueError names it."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be a whole number; got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}; got {value}")
    if value > most:
        raise ValueError(f"{name} must be at most {most}; got {value}")
    return int(value)


def seed_number(value: Any) -> int:
    """Return `seed` as an int, as the core's generator takes it; TypeError or ValueError where it is none."""
    return whole_number(value, "seed", 0, 2**64 - 1)


def boolean(value: Any, name: str) -> bool:
    """Return `value`, True or False, as a bool; TypeError names it: of a text "no" is true."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False; got {value!r}")
    return bool(value)


def verbosity(value: Any) -> int:
    """Return `verbose`, a whole number, or True or False; TypeError or ValueError where it is none."""
    return int(value) if isinstance(value, (bool, np.bool_)) else whole_number(value, "verbose", 0)


def thread_count(n_threads: int | None) -> int:
    """Return the number of threads for the core: 0 where it may choose."""
    return 0 if n_threads is None else whole_number(n_threads, "n_threads", 1)


def float_type(dtype: Any) -> np.dtype[Any]:
    """Return float32 or float64 as NumPy's type; ValueError for any other."""
    found: np.dtype[Any] | None
    try:
        found = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError):  # NumPy reads a text as Python
        found = None
    if found is None or found.name not in ("float32", "float64"):
        raise ValueError(f"dtype must be 'float32' or 'float64'; got {dtype!r}")
    return found
