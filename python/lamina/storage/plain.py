"""Options and data as plain values that are the same in the next run: what tells one run from another."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lamina.data.records import Samples

__all__ = ["described_samples", "difference", "digest", "name_of", "plain"]

# Of what is different, as much is said as helps.
_MOST_DIFFERENCES = 3
# Longer ones are data, of which a digest is enough.
_LONGEST_LIST = 100
# How an object is shown of which nobody has said how.
_UNTOLD: Any = object.__repr__


def plain(value: Any) -> Any:
    """Return a value as JSON keeps it: an array by its digest, a function by its name, an object by what it is made of.

    So a function of the same name is taken for the same.
    """
    if isinstance(value, (np.bool_, np.number)):
        value = value.item()
    if isinstance(value, (int, float, str, bool, type(None))):
        return value
    if hasattr(value, "__array__"):
        return _array(np.asarray(value))
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        parts = [plain(part) for part in value]
        return parts if len(parts) <= _LONGEST_LIST else f"{len(parts)} entries {_digest(parts)}"
    if isinstance(params := getattr(value, "params", None), Mapping):  # of a registry
        return {"name": getattr(value, "name", type(value).__name__), **plain(params)}
    if callable(value) and hasattr(value, "__qualname__"):
        return value.__qualname__
    if type(value).__repr__ is _UNTOLD:
        return {"name": type(value).__qualname__, **({} if callable(value) else plain(vars(value)))}
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def name_of(function: Callable[..., Any]) -> str:
    """Return what a function is called, or what the class of a callable is: what it remembers is its own affair."""
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def _array(array: Any) -> str:
    flat = np.ascontiguousarray(array).reshape(-1)
    told = _digest(plain(flat.tolist())) if array.dtype.hasobject else _digest_of_bytes(flat.view(np.uint8).data)
    return f"{array.shape} {array.dtype} {told}"


def digest(value: Any) -> str:
    """Return a short digest of what `plain` makes of a value."""
    return _digest(plain(value))


def _digest(parts: Any) -> str:
    return _digest_of_bytes(json.dumps(parts, sort_keys=True).encode())


def _digest_of_bytes(content: bytes | memoryview) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def described_samples(given: Samples) -> dict[str, Any]:
    """Return samples by the digests of their parts."""
    parts = {"X": given.x, "y": given.targets, "sample_weight": given.weights, "lengths": given.lengths}
    return {name: plain(part) for name, part in parts.items()}


def difference(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Return how plain values that were `found` are not those that are `wanted`; "" where they are."""
    told = [said for name in {**wanted, **found} for said in _unequal(f"its {name}", wanted, found, name)]
    more = f"; and {len(told) - _MOST_DIFFERENCES} more" if len(told) > _MOST_DIFFERENCES else ""
    return "; ".join(told[:_MOST_DIFFERENCES]) + more


def _unequal(said: str, wanted: Any, found: Any, key: Any) -> list[str]:
    """What is to be said of two values at `key`."""
    if isinstance(wanted, Mapping) and not (key in wanted and key in found):
        here, there = (_shown(values[key]) if key in values else "not there" for values in (found, wanted))
        return [f"{said} is {here}" + (f", not {there}" if key in wanted else ", where none is given")]
    ours, theirs = wanted[key], found[key]
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        keys: Any = {**ours, **theirs}
    elif isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            return [f"{said} has {len(theirs)} entries, not {len(ours)}"]
        keys = range(len(ours))
    else:
        same = isinstance(ours, bool) == isinstance(theirs, bool) and (ours == theirs or repr(ours) == repr(theirs))
        return [] if same else [f"{said} is {_shown(theirs)}, not {_shown(ours)}"]
    return [more for each in keys for more in _unequal(f"{said}[{each!r}]", ours, theirs, each)]


def _shown(value: Any) -> str:
    return value if len(value := repr(value)) <= 80 else f"{value[:77]}..."
