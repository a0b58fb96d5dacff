"""Options and data as plain values that are the same in the next run: what tells one run from another."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Set, ValuesView
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from lamina.data.arrays import Array
from lamina.data.records import Samples

__all__ = ["described_samples", "difference", "digest", "name_of", "plain"]

# Of what is different, as much is said as helps.
_MOST_DIFFERENCES = 3
# Longer ones are data, of which a digest is enough.
_LONGEST_LIST = 100
# How an object is shown of which nobody has said how.
_UNTOLD: Any = object.__repr__
# What `plain` and `digest` make of data: the shape and type of an array, or the length of a list, and a digest.
_DATA = re.compile(r"(?:(?P<shape>\([\d, ]*\)) (?P<type>.+) |(?P<length>\d+) entries )?[0-9a-f]{16}")
# Where an object lies, as its text tells it, which is elsewhere in the next run.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
# What stands for a value that is not there.
_ABSENT = object()


def plain(value: Any) -> Any:
    """Return a value as JSON keeps it: an array by its digest, a function by its name, an object by what it is made of.

    So a function of the same name is taken for the same. A set is in an order of its own, for that in which Python goes
    through it is another in each process.
    """
    if isinstance(value, (np.bool_, np.number)):
        value = value.item()
    if isinstance(value, (int, float, str, bool, type(None))):
        return value
    if hasattr(value, "__array__"):
        return _array(np.asarray(value))
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple, Set, ValuesView)):
        parts = [plain(part) for part in value]
        if isinstance(value, Set):
            parts.sort(key=lambda part: json.dumps(part, sort_keys=True))
        return parts if len(parts) <= _LONGEST_LIST else f"{len(parts)} entries {_digest(parts)}"
    if isinstance(params := getattr(value, "params", None), Mapping):  # of a registry, or as such parts are
        return {"name": getattr(value, "name", type(value).__name__), **plain(params)}
    if callable(value) and hasattr(value, "__qualname__"):
        return value.__qualname__
    if isinstance(value, functools.partial):  # its text and a dataclass's are those of their parts, sets among them
        return {"name": plain(value.func), "args": plain(value.args), **plain(value.keywords)}
    if is_dataclass(value) and not isinstance(value, type):
        return {
            "name": type(value).__qualname__,
            **{one.name: plain(getattr(value, one.name)) for one in fields(value)},
        }
    if type(value).__repr__ is _UNTOLD:
        return {"name": type(value).__qualname__, **({} if callable(value) else plain(getattr(value, "__dict__", {})))}
    return _ADDRESS.sub("", repr(value))


def name_of(function: Callable[..., Any]) -> str:
    """Return what a function is called, or what the class of a callable is: what it remembers is its own affair."""
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def _array(array: Any) -> str:
    flat = np.ascontiguousarray(array).reshape(-1)
    if array.dtype.kind == "U":  # of whatever width: that of the longest entry
        return f"{array.shape} str {_digest(flat.tolist())}"
    told = _digest(plain(flat.tolist())) if array.dtype.hasobject else _digest_of_bytes(flat.view(np.uint8).data)
    return f"{array.shape} {array.dtype} {told}"


def digest(value: Any) -> str:
    """Return a short digest of what `plain` makes of a value."""
    return _digest(plain(value))


def _digest(parts: Any) -> str:
    return _digest_of_bytes(json.dumps(parts, sort_keys=True).encode())


def _digest_of_bytes(content: bytes | memoryview) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def described_samples(given: Samples, each_step: bool = False) -> dict[str, Any]:
    """Return samples by the digests of their parts; `each_step` tells whether steps have targets of their own."""
    x, targets, weights, lengths = given.x, given.targets, given.weights, given.lengths
    if lengths is not None:  # what lies beyond them may be anything
        counts = np.arange(x.shape[1]) < lengths[:, None]
        x = _cut(x, counts)
        if each_step:
            targets = _cut(targets, counts)
            weights = None if weights is None else _cut(weights, counts)
    parts = {"X": x, "y": targets, "sample_weight": weights, "lengths": lengths}
    return {name: plain(part) for name, part in parts.items()}


def _cut(part: Array, counts: Array) -> Array:
    """The part with zeros in the steps that do not count."""
    return np.where(counts[:, :, None], part.reshape(*counts.shape, -1), part.dtype.type(0))


def difference(wanted: Mapping[str, Any], found: Mapping[str, Any], *, types: bool = False) -> str:
    """Return how plain values that were `found` are not those that are `wanted`, by name; "" where they are.

    A user's 1 is 1.0; with `types`, for what lamina itself described, it is not.
    """
    told = list(_unequal(found, wanted, "", types))
    more = f"; and {len(told) - _MOST_DIFFERENCES} more" if len(told) > _MOST_DIFFERENCES else ""
    return "; ".join(told[:_MOST_DIFFERENCES]) + more


def _unequal(found: Any, wanted: Any, name: str, types: bool) -> Iterator[str]:
    """What is to be said of two values; those of other kinds differ as a whole."""
    other = type(found) is not type(wanted) if types else isinstance(found, bool) != isinstance(wanted, bool)
    if isinstance(found, Mapping) and isinstance(wanted, Mapping) and (not name or _alike(found, wanted)):
        for key in {**wanted, **found}:
            own = f"{name}.{key}" if name else key
            yield from _unequal(found.get(key, _ABSENT), wanted.get(key, _ABSENT), own, types)
    elif isinstance(found, list) and isinstance(wanted, list):
        if len(found) != len(wanted):
            yield f"{name} had {len(found)} entries there and has {len(wanted)} here"
            return
        for i, (there, here) in enumerate(zip(found, wanted, strict=True)):
            yield from _unequal(there, here, f"{name}[{i}]", types)
    elif found != wanted and (there := _data(found)) and (here := _data(wanted)):
        yield f"{name} has other values here" if there == here else f"{name} was {there} there and is {here} here"
    elif other or (found != wanted and repr(found) != repr(wanted)):
        yield f"{name} was {_shown(found)} there and is {_shown(wanted)} here"


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two mappings describe parts of one kind, or are of the same names."""
    same = all(one.get(what) == other.get(what) for what in ("name", "layer"))
    return same and not one.keys().isdisjoint(other)


def _data(value: Any) -> str:
    """What kind of data a plain value stands for, of which it is a digest; "" where it is none."""
    found = [_DATA.fullmatch(part) for part in value.split("/")] if isinstance(value, str) else [None]
    if (last := found[-1]) is None or None in found:  # of the rows of both sides of a split those that are held out
        return ""
    if last["length"]:
        return f"a list of {last['length']} entries"
    return f"an array of {last['type']}, {last['shape']}," if last["shape"] else "data"


def _shown(value: Any) -> str:
    text = "not given" if value is _ABSENT else _words(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _words(value: Any) -> str:
    """A plain value; as a call where it describes a part by its name and parameters."""
    if isinstance(value, Mapping):
        first = next(iter(value.values()), None)
        if not isinstance(first, str) or _data(first):
            return f"{{{', '.join(f'{name!r}: {_words(own)}' for name, own in value.items())}}}"
        return f"{first}({', '.join(f'{name}={_words(own)}' for name, own in list(value.items())[1:])})"
    if isinstance(value, list):
        return f"[{', '.join(map(_words, value))}]"
    return _data(value) or repr(value)
