"""What a model file holds of an estimator for tables, and what it is made of again."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Set
from typing import Any

import numpy as np

from lamina.data.arguments import whole_number
from lamina.data.arrays import Array
from lamina.data.dates import time_of
from lamina.data.splits import Split
from lamina.network.network import Network
from lamina.storage.container import Contents
from lamina.storage.forms import ArrayForm, Forms

__all__ = [
    "described_labels",
    "forms_of",
    "kept_labels",
    "labels_from",
    "named_columns",
    "network_arrays",
    "networks_from",
    "plain",
    "unplain",
]

# Dates and spans of time, by NumPy's names of their types: in JSON the number of their units.
_TIMES = {
    f"{what}64[{unit}]"
    for what in ("datetime", "timedelta")
    for unit in ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as")
}
# What labels may be, by NumPy's name of their type, and of what they are in JSON.
_LABELS: dict[str, type] = {
    "bool": bool,
    **{f"{sign}int{bits}": int for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": float for bits in (16, 32, 64)},
    **dict.fromkeys(_TIMES, int),
    "object": str,
    "str": str,
}
# Letters of an array of text, whose every entry takes as much as the longest.
_MOST_LETTERS = 2**22


def plain(value: Any) -> Any:
    """Return a parameter as plain JSON values; None for what has no such, as a generator of random numbers."""
    if (time := time_of(value)) is not None and time.dtype.name in _TIMES:
        return {"time": [time.dtype.name, int(time.astype(np.int64))]}
    if isinstance(value, np.generic):
        value = float(value) if isinstance(value, np.floating) else value.item()  # a long double's item is itself
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {"pairs": [[plain(key), plain(each)] for key, each in value.items()]}
    if isinstance(value, (Collection, np.ndarray)) and not isinstance(value, (bytes, bytearray)):
        parts = [plain(each) for each in value]
        return sorted(parts, key=json.dumps) if isinstance(value, Set) else parts
    if isinstance(value, Split):
        return {"split": [value.fraction, value.stratify, value.shuffle]}
    return None


def named_columns(given: Any) -> Any:
    """Return columns that are named as plain JSON values: the same for the same ones in whatever they come."""
    parts = plain([given] if isinstance(given, str) else given)
    if isinstance(given, Mapping):
        parts = plain(list(given))
    mask = isinstance(parts, list) and all(isinstance(each, bool) for each in parts)
    return sorted(parts, key=json.dumps) if isinstance(parts, list) and not mask else parts


def unplain(value: Any) -> Any:
    """Return the parameter that `plain` told; ValueError or TypeError for what it never tells."""
    if isinstance(value, dict):
        ((kind, parts),) = value.items()
        if kind == "pairs":
            return {unplain(key): unplain(each) for key, each in parts}
        if kind == "split":
            return Split(*parts)
        if kind == "time":
            name, count = parts
            if name in _TIMES and type(count) is int:
                return np.array([count], np.int64).view(name)[0]
        raise ValueError(f"there is no parameter {kind!r:.40}")
    return [unplain(each) for each in value] if isinstance(value, list) else value


def kept_labels(labels: Array) -> Array:
    """Return labels of which `labels_from` makes the same again; ValueError where a model file cannot keep them."""
    objects = labels if labels.dtype.kind == "O" else ()
    if _type_of(labels) not in _LABELS or not all(isinstance(each, str) for each in objects):
        raise ValueError(
            "y must hold labels of a type that a model file keeps: booleans, whole numbers, float16, float32 or "
            f"float64, text, dates or spans of time; got dtype {labels.dtype}"
        )
    if labels.dtype.kind == "U" and labels.size * labels.itemsize // 4 > _MOST_LETTERS:
        return labels.astype(object)
    return labels.astype(labels.dtype.newbyteorder("="), copy=False)


def described_labels(classes: Array) -> dict[str, Any]:
    """Return `kept_labels` as plain JSON values."""
    kind = _type_of(classes)
    return {"type": kind, "values": (classes.view(np.int64) if kind in _TIMES else classes).tolist()}


def labels_from(given: dict[str, Any]) -> Array:
    """Return the labels that `described_labels` described; ValueError or TypeError where that cannot be."""
    name, values = given["type"], given["values"]
    kind = _LABELS[name]
    if not isinstance(values, list) or len(values) < 2 or not all(type(each) is kind for each in values):
        raise TypeError("labels are two or more, of one kind")
    if name == "str" and len(values) * max(map(len, values)) > _MOST_LETTERS:
        raise ValueError("labels are too long")
    labels = np.array(values, np.int64).view(name) if name in _TIMES else np.array(values, name)
    if described_labels(labels)["values"] != values or not np.array_equal(np.unique(labels), labels):
        raise ValueError("labels are different and in order")
    return labels


def _type_of(labels: Array) -> str:
    """NumPy's name of their type, that of text without its length."""
    return "str" if labels.dtype.kind == "U" else labels.dtype.name


def network_arrays(networks: list[Network]) -> dict[str, Array]:
    """Return the arrays of all networks, the number of each before their names."""
    return {f"{i}/{name}": a for i, net in enumerate(networks) for name, a in net.contents().arrays.items()}


def networks_from(architectures: list[dict[str, Any]], arrays: dict[str, Array]) -> list[Network]:
    """Return the networks of these architectures."""
    return [
        Network.from_contents(
            Contents(each, {n[len(f"{i}/") :]: a for n, a in arrays.items() if n.startswith(f"{i}/")}, {})
        )
        for i, each in enumerate(architectures)
    ]


def forms_of(architectures: list[dict[str, Any]], shapes: dict[str, tuple[Any, ...]]) -> Forms:
    """Return the arrays of networks, and float64 ones of these shapes."""
    needed = {
        name: ArrayForm("float64", tuple(whole_number(size, "a size", 0) for size in shape))
        for name, shape in shapes.items()
    }
    together: list[dict[str, ArrayForm]] = []
    for i, each in enumerate(architectures):
        forms = Network.forms_of(each).within(f"{i}/")
        needed.update(forms.needed)
        together.extend(forms.together)
    return Forms(needed, tuple(together))
