"""Whole networks in ONNX's operators, from inputs as `predict` takes them to what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lamina.export.expressions import expression
from lamina.export.onnx_expressions import logistic, written
from lamina.export.onnx_graph import Graph, Value
from lamina.export.onnx_layers import Parameters, Rows, Sequences, activated, written_layer
from lamina.storage.forms import NORMALIZATION

__all__ = ["predicted", "predicted_by_cascade", "sequences_of"]

_INT64 = np.dtype(np.int64)
_LENGTHS = "lengths"


def sequences_of(graph: Graph, X: Value, asked: bool = True) -> Sequences:
    """Return how X, (sequences, steps, features), is sequences.

    Where it is `asked` which of their steps count, that is a further input, `lengths`, which may be left out.
    """
    every = int(np.iinfo(np.int64).max)
    if asked:
        lengths = graph.input(_LENGTHS, _INT64, ["lengths"], "steps of each sequence that count; left out: all of them")
        graph.numbers(_LENGTHS, np.array([every]), default=True)
    else:
        lengths = graph.whole([every])
    shape = graph.apply("Shape", X, dtype=_INT64)
    return Sequences(shape.columns(0, 1), shape.columns(1, 2), lengths)


def predicted(graph: Graph, net: Any, x: Value, sequences: Sequences | None = None, prefix: str = "") -> Value:
    """Return what `net.predict` gives of x: rows, or (sequences, steps, features) where there are `sequences`."""
    check_parts(net)
    rows = Rows(x if sequences is None else x.reshape(-1, net.n_inputs), net.n_inputs, sequences)
    scales = {name: graph.numbers(prefix + name, array) for name, array in net.scales.items()}
    rows = Rows(normalized(rows.x, scales), rows.width, rows.sequences)
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
            parts = ("mean", "deviation", "low", "high")
            y = formula("predicted_target", y, *(scales[f"target.{part}"] for part in parts))
        if rows.sequences is None:
            return y
        y = rows.sequences.apart(y, net.n_outputs)
        zero, one = (graph.constant(n, _INT64) for n in (0, 1))
        number = graph.apply("Range", zero, rows.sequences.steps.reshape(), one)
        counts = (number < rows.sequences.lengths.unsqueeze(1)).unsqueeze(2)
        return counts.where(y, 0)


def normalized(x: Value, scales: Mapping[str, Value]) -> Value:
    """Return inputs brought to size, where there is something that does."""
    if "input.mean" not in scales:
        return x
    u = formula("normalized", x, scales["input.mean"], scales["input.scale"])
    return formula("smoothly_clipped", u, scales["input.limit"]) if "input.limit" in scales else u


def formula(name: str, *inputs: Value) -> Value:
    """Return what one of the core's formulas makes of its inputs."""
    return written(expression(name, inputs[0].dtype.name), inputs, f"the formula {name!r}")


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
    scales = {} if pair is None else dict(zip(NORMALIZATION, pair, strict=True))
    sources = normalized(x, {name: graph.numbers(name, array) for name, array in scales.items()})
    weights = net.parameters
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
