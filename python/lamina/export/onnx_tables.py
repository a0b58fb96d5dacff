"""Estimators for tables in ONNX's operators: columns as inputs, what is made of them, and the mean of the networks.

Everything is as `lamina.tabular.frame` and `lamina.tabular.values` have it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.data.arrays import Array
from lamina.export.onnx_graph import Graph, Value
from lamina.export.onnx_networks import predicted

__all__ = ["calendar_part", "class_shares", "columns_of", "matrix_of", "mean_outputs", "regressed"]

_INT64, _FLOAT64, _TEXT = np.dtype(np.int64), np.dtype(np.float64), np.dtype(object)
_ML = "ai.onnx.ml"
_NOT_A_TIME = int(np.iinfo(np.int64).min)


@dataclass(frozen=True)
class _Kind:
    """What an input of a kind of column is."""

    dtype: np.dtype[Any]
    holds: str
    missing: str


_KINDS = {
    "number": _Kind(_FLOAT64, "numbers", "NaN"),
    "boolean": _Kind(_FLOAT64, "0 and 1", "NaN"),
    "duration": _Kind(_FLOAT64, "seconds", "NaN"),
    "datetime": _Kind(_INT64, "microseconds since 1970, by the clock", str(_NOT_A_TIME)),
    "time": _Kind(_INT64, "microseconds since midnight", str(_NOT_A_TIME)),
    "category": _Kind(_TEXT, "categories, as text", ""),
}
# What stands for a missing text: the first of these that is no category.
_MISSING = ("", "nan", "<missing>")


def columns_of(encoder: Any) -> list[dict[str, Any]]:
    """Return what each input of the model is, as JSON values: its column, kind, type, and what is missing there.

    Raises
    ------
    ValueError
        A column is of a kind that ONNX cannot read.
    """
    used = [(i, column) for i, column in enumerate(encoder.columns) if column.dropped is None]
    if not used:
        raise ValueError("no column of the table tells anything, so that a model of ONNX would have no input")
    for i, column in used:
        if column.zone not in (None, "UTC") and any(column.numbers):
            raise ValueError(
                f"column {encoder.name_of(i)!r} is of kind {column.kind!r} with the time zone {column.zone!r}, whose "
                "clock no operator of ONNX knows: bring it to UTC, or take its zone away, and fit anew"
            )
    for i, _ in used:
        if encoder.names is not None and not encoder.name_of(i):
            raise ValueError(f"column {i + 1} of the table has an empty name, and no input of ONNX may: name it")
    if encoder.names is None and all(_KINDS[column.kind].dtype == _FLOAT64 for _, column in used):
        return [{"name": "X", "columns": len(encoder.columns), "type": "float64", "missing": "NaN"}]
    return [
        {
            "name": encoder.name_of(i),
            "kind": column.kind,
            "type": "string" if column.kind == "category" else _KINDS[column.kind].dtype.name,
            "missing": _missing_text(column) if column.kind == "category" else _KINDS[column.kind].missing,
            **({"categories": list(column.categories)} if column.kind == "category" else {}),
        }
        for i, column in used
    ]


def _missing_text(column: Any) -> str:
    return next(text for text in (*_MISSING, "<missing>" * 100) if text not in column.categories)


def matrix_of(graph: Graph, encoder: Any, inputs: Sequence[dict[str, Any]]) -> Value:
    """Return the matrix that the encoder makes of a table, with its inputs."""
    kept = [(i, column) for i, column in enumerate(encoder.columns) if column.dropped is None]
    if "columns" in inputs[0]:
        X = graph.input("X", _FLOAT64, ["rows", len(encoder.columns)], "numbers; NaN is missing")
        values = {i: X.take([i]) for i, _ in kept}
    else:
        values = {}
        for (i, column), told in zip(kept, inputs, strict=True):
            kind = _KINDS[column.kind]
            doc = f"{kind.holds}; {told['missing']!r} is missing"
            values[i] = graph.input(told["name"], kind.dtype, ["rows", 1], doc)
    numbers = [number for i, column in kept for number in _numbers(column, values[i])]
    parts = [_centred(graph.concat(numbers), encoder.center, encoder.scale)] if numbers else []
    for i, column in kept:
        parts += [codes.cast(graph.dtype) for codes in _CODES.get(column.kind, _no_codes)(column, values[i])]
        if column.indicator:
            parts.append(_is_missing(column, values[i]).cast(graph.dtype))
    return graph.concat(parts)


def _numbers(column: Any, x: Value) -> list[Value]:
    """The numbers that are taken of a column."""
    if x.dtype != _INT64:
        return [x for _ in column.numbers]
    missing = _is_missing(column, x)
    return [missing.where(np.nan, calendar_part(x, part)) for part in column.numbers]


def calendar_part(clock: Value, part: str) -> Value:
    """What a clock, in microseconds, and a calendar say: a part of the moment, or in all the seconds since 1970.

    The calendar counts years of 365 days from March on, so that the day of a leap year is the last one, in eras of 400
    years: Howard Hinnant, chrono-Compatible Low-Level Date Algorithms.
    """
    if not part:
        return clock.cast(_FLOAT64) / 1e6
    days, seconds = clock.floor_divided(86_400_000_000), clock.modulo(86_400_000_000).floor_divided(1_000_000)
    if part in ("hour", "minute", "second"):
        unit = {"hour": 3600, "minute": 60, "second": 1}[part]
        return (seconds / unit).modulo(60).cast(_FLOAT64)
    if part == "weekday":
        return (days + 3).modulo(7).cast(_FLOAT64)
    from_march = days + 719_468  # since the first of March of the year 0
    era, day = from_march.floor_divided(146_097), from_march.modulo(146_097)
    year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365
    day = day - (year * 365 + year / 4 - year / 100)
    month = (day * 5 + 2) / 153  # March is 0
    if part == "day":
        return (day - (month * 153 + 2) / 5 + 1).cast(_FLOAT64)
    month = (month < 10).where(month + 3, month - 9)
    if part == "month":
        return month.cast(_FLOAT64)
    return (year + era * 400 + (month <= 2).cast(_INT64)).cast(_FLOAT64)


def _centred(x: Value, center: Array, scale: Array) -> Value:
    """Numbers about 0 and of size 1, in double precision before they become what the networks take; 0 where missing."""
    from lamina.tabular.frame import FARTHEST  # needs narwhals, which other models do without

    graph = x.graph
    within = graph.apply("Clip", (x - center) / scale, *(graph.constant(n, x.dtype) for n in (-FARTHEST, FARTHEST)))
    return graph.apply("IsNaN", x, dtype=bool).where(0, within).cast(graph.dtype)


def _no_codes(column: Any, x: Value) -> list[Value]:
    return []


def _code_of_boolean(column: Any, x: Value) -> list[Value]:
    return [x.graph.apply("IsNaN", x, dtype=bool).where(-1, x)]


def _code_of_category(column: Any, x: Value) -> list[Value]:
    """The number of each category: -1 of a missing one, and of others -1, or the number after the last."""
    if not column.sizes[: len(column.sizes) - column.indicator]:
        return []
    texts, last = list(column.categories), len(column.categories)
    if not column.others:
        return [_numbered(x, texts, list(range(last)), -1)]
    return [_numbered(x, [*texts, _missing_text(column)], [*range(last), -1], last)]


def _is_missing(column: Any, x: Value) -> Value:
    if x.dtype == _TEXT:
        return _numbered(x, [_missing_text(column)], [1], 0)
    if x.dtype == _INT64:
        return x.equals(_NOT_A_TIME)
    return x.graph.apply("IsNaN", x, dtype=bool)


def _numbered(x: Value, texts: list[str], numbers: list[int], default: int) -> Value:
    attributes = {"keys_strings": texts, "values_int64s": numbers, "default_int64": default}
    return x.graph.apply("LabelEncoder", x, dtype=_INT64, domain=_ML, **attributes)


_CODES: dict[str, Callable[[Any, Value], list[Value]]] = {
    "boolean": _code_of_boolean,
    "category": _code_of_category,
}


# Networks --------------------------------------------------------------------------------------------------------


def mean_outputs(graph: Graph, estimator: Any, matrix: Value) -> Value:
    """Return the networks' mean outputs, in double precision, the slots side by side."""
    outputs = [
        predicted(graph, net, matrix, prefix=f"{i}/").cast(_FLOAT64) for i, net in enumerate(estimator.networks_)
    ]
    slots = [outputs[slot :: estimator.n_slots_] for slot in range(estimator.n_slots_)]
    return graph.concat([own[0] if len(own) == 1 else graph.apply("Sum", *own) / len(own) for own in slots])


def class_shares(outputs: Value, temperature: float) -> Value:
    """Return p ** (1 / temperature), of a sum of 1 in each row."""
    graph = outputs.graph
    least = graph.constant(np.finfo(np.float32).tiny, _FLOAT64)
    logits = graph.apply("Log", graph.apply("Max", outputs, least)) / temperature
    return graph.apply("Softmax", logits, axis=1)


def regressed(outputs: Value, targets: Array, quantiles: int) -> Value:
    """Return outputs in the targets' units, within their range; quantiles in order."""
    mean, scale, low, high = targets
    graph = outputs.graph
    values = outputs * scale + mean
    values = graph.apply(
        "Min", graph.apply("Max", values, graph.constant(low, _FLOAT64)), graph.constant(high, _FLOAT64)
    )
    if not quantiles:
        return values
    names = graph.names("sorted", "order")
    graph.add("TopK", [values.name, graph.whole([quantiles]).name], names, axis=1, largest=0, sorted=1)
    return Value(graph, names[0], _FLOAT64)
