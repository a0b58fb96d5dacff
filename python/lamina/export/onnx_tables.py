"""Estimators for tables in ONNX's operators: columns as inputs, what is made of them, and the mean of the networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.data.arrays import Array
from lamina.export.onnx_graph import Graph, Value
from lamina.export.onnx_networks import predicted

__all__ = ["class_shares", "columns_of", "matrix_of", "mean_outputs", "regressed"]

_INT64, _FLOAT64, _TEXT = np.dtype(np.int64), np.dtype(np.float64), np.dtype(object)
_ML = "ai.onnx.ml"
# Kinds of columns that are numbers to ONNX, and what an input of them holds.
_AS_NUMBERS = {
    "number": "numbers; NaN is missing",
    "boolean": "0 and 1; NaN is missing",
    "duration": "seconds; NaN is missing",
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
        if column.kind not in _AS_NUMBERS and column.kind != "category":
            raise ValueError(
                f"column {encoder.name_of(i)!r} is of kind {column.kind!r}, for which ONNX has no type: give its parts "
                "as columns of numbers, and fit anew"
            )
    if encoder.names is None and all(column.kind in _AS_NUMBERS for _, column in used):
        return [{"name": "X", "columns": len(encoder.columns), "type": "float64", "missing": "NaN"}]
    return [
        {
            "name": encoder.name_of(i),
            "kind": column.kind,
            **(
                {"type": "float64", "missing": "NaN"}
                if column.kind in _AS_NUMBERS
                else {"type": "string", "missing": _missing_text(column)}
            ),
        }
        for i, column in used
    ]


def _missing_text(column: Any) -> str:
    return next(text for text in (*_MISSING, "<missing>" * 100) if text not in column.categories)


def matrix_of(graph: Graph, encoder: Any, inputs: Sequence[dict[str, Any]]) -> Value:
    """Return the matrix that the encoder makes of a table, with its inputs."""
    kept = [(i, column) for i, column in enumerate(encoder.columns) if column.dropped is None]
    if inputs[0]["name"] == "X" and "columns" in inputs[0]:
        X = graph.input("X", _FLOAT64, ["rows", len(encoder.columns)], "numbers; NaN is missing")
        values = {i: X.take([i]) for i, _ in kept}
    else:
        values = {i: _input(graph, told, column) for (i, column), told in zip(kept, inputs, strict=True)}
    numbers = [values[i] for i, column in kept for _ in column.numbers]
    parts = [_centred(graph.concat(numbers), encoder.center, encoder.scale)] if numbers else []
    for i, column in kept:
        parts += [codes.cast(graph.dtype) for codes in _CODES.get(column.kind, _no_codes)(column, values[i])]
        if column.indicator:
            parts.append(_is_missing(column, values[i]).cast(graph.dtype))
    return graph.concat(parts)


def _input(graph: Graph, told: dict[str, Any], column: Any) -> Value:
    if told["type"] == "string":
        doc = f"categories, as text; {told['missing']!r} is missing"
        return graph.input(told["name"], _TEXT, ["rows", 1], doc)
    return graph.input(told["name"], _FLOAT64, ["rows", 1], _AS_NUMBERS[column.kind])


def _centred(x: Value, center: Array, scale: Array) -> Value:
    """Numbers about 0 and of size 1, in double precision before they become what the networks take; 0 where missing."""
    from lamina.tabular.frame import FARTHEST

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
