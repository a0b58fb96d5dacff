"""Whole networks in ONNX's operators, from inputs as `predict` takes them to what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lamina.data.arrays import Array
from lamina.export.onnx_expressions import logistic
from lamina.export.onnx_graph import Graph, Value
from lamina.export.onnx_layers import Parameters, Rows, Sequences, activated, written_layer

__all__ = ["predicted", "predicted_by_cascade", "sequences_of"]

_INT64 = np.dtype(np.int64)
_LENGTHS = "lengths"
# Limits of inputs from which on they are none, as model files have them.
_NO_LIMIT = float(np.finfo(np.float32).max)


def sequences_of(graph: Graph, X: Value, asked: bool = True) -> Sequences:
    """Return how X, (sequences, steps, features), is sequences.

    Where it is `asked` which of their steps count, that is a further input, `lengths`, which may be left out.
    """
    every = np.array([np.iinfo(np.int64).max])
    if asked:
        lengths = graph.input(_LENGTHS, _INT64, ["lengths"], "steps of each sequence that count; left out: all of them")
        graph.numbers(_LENGTHS, every)
    else:
        lengths = graph.whole(every)
    shape = graph.apply("Shape", X, dtype=_INT64)
    return Sequences(shape.columns(0, 1), shape.columns(1, 2), lengths)


def predicted(graph: Graph, net: Any, x: Value, sequences: Sequences | None = None, prefix: str = "") -> Value:
    """Return what `net.predict` gives of x: rows, or (sequences, steps, features) where there are `sequences`."""
    check_parts(net)
    rows = Rows(x if sequences is None else x.reshape(-1, net.n_inputs), net.n_inputs, sequences)
    scales = {name: graph.numbers(prefix + name, array) for name, array in net.scales.items()}
    rows = Rows(normalized(rows.x, scales, net.scales), rows.width, rows.sequences)
    parameters = {name: np.array(view) for name, view in net.parameters.items()}
    for i, (layer, width) in enumerate(zip(net.layers, net.core.layer_outputs, strict=True)):
        own = {name.partition(".")[2]: a for name, a in parameters.items() if name.startswith(f"{i}.")}
        with graph.within(f"{prefix}{i}.{type(layer).__name__}"):
            rows = written_layer(graph, layer, Parameters(graph, own, f"{prefix}{i}."), rows, width)
    with graph.within(f"{prefix}prediction"):
        y, members = rows.x, net.core.members
        if members > 1:
            y = linked(y.reshape(0, members, net.n_outputs), net.loss.link).mean(1)
        else:
            y = linked(y, net.loss.link)
        if "target.mean" in scales:
            y = y * scales["target.deviation"] + scales["target.mean"]
            y = graph.apply("Min", graph.apply("Max", y, scales["target.low"]), scales["target.high"])
        if rows.sequences is None:
            return y
        y = rows.sequences.apart(y, net.n_outputs)
        zero, one = (graph.constant(n, _INT64) for n in (0, 1))
        number = graph.apply("Range", zero, rows.sequences.steps.reshape(), one)
        counts = (number < rows.sequences.lengths.unsqueeze(1)).unsqueeze(2)
        return counts.where(y, 0)


def normalized(x: Value, scales: Mapping[str, Value], arrays: Mapping[str, Array]) -> Value:
    """Return inputs brought to size: u = (x - mean) scale, and where there is a limit u / sqrt(1 + (u / limit)^2)."""
    if "input.mean" not in scales:
        return x
    graph = x.graph
    u = (x - scales["input.mean"]) * scales["input.scale"]
    if "input.limit" not in scales:
        return u
    limit = arrays["input.limit"]
    far = np.minimum(limit.astype(np.float64) * 1e9, np.finfo(limit.dtype).max)
    within = graph.apply("Min", graph.apply("Max", u, graph.constant(-far, x.dtype)), graph.constant(far, x.dtype))
    share = within / scales["input.limit"]
    clipped = within / graph.apply("Sqrt", share * share + 1)
    limited = limit < _NO_LIMIT
    return clipped if limited.all() else graph.constant(limited, bool).where(clipped, u)


def linked(y: Value, link: str) -> Value:
    """Return predictions of raw outputs, by the link of the loss."""
    if link == "softmax":
        return y.graph.apply("Softmax", y, axis=-1)
    if link == "logistic":
        return logistic(y)
    return y.graph.apply("Exp", y) if link == "exponential" else y


def predicted_by_cascade(graph: Graph, net: Any, x: Value) -> Value:
    """Return what `predict` of a `CascadeNetwork` gives of rows."""
    check_parts(net)
    pair = net.input_normalization
    if pair is not None:
        x = (x - graph.numbers("input.mean", pair[0])) * graph.numbers("input.scale", pair[1])
    sources, weights = x, net.parameters
    for k, f in enumerate(net.units):
        with graph.within(f"unit{k}"):
            weight, bias = (graph.numbers(f"{k}.{name}", weights[f"{k}.{name}"]) for name in ("weight", "bias"))
            z = graph.apply("Gemm", sources, weight.unsqueeze(1), bias)
            sources = graph.concat([sources, activated(f, z, None, (1,), first=k)])
    y = graph.apply("Gemm", sources, *(graph.numbers(n, weights[n]) for n in ("output.weight", "output.bias")))
    return linked(y, net.output)


def check_parts(net: Any) -> None:
    """Raise ValueError naming a custom part: its functions are Python's."""
    parts = [("loss", getattr(net, "loss", None)), *((f"unit {k}", f) for k, f in enumerate(getattr(net, "units", ())))]
    for i, layer in enumerate(getattr(net, "layers", ())):
        parts += [(f"layers[{i}].{name}", value) for name, value in layer.params.items()]
    for where, part in parts:
        if getattr(part, "is_custom", False):
            raise ValueError(
                f"{where} is the custom {part.name!r}, which cannot be exported: its functions are Python's own"
            )
