"""What each layer predicts, in ONNX's operators: a function a layer, on rows (rows, width)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.data.arrays import Array
from lamina.export.expressions import expression
from lamina.export.onnx_expressions import COSINE_OF_TURNS, SINE_OF_TURNS, written
from lamina.export.onnx_graph import Graph, Value

__all__ = ["LAYERS", "Parameters", "Rows", "Sequences", "activated", "written_layer"]

_INT64 = np.dtype(np.int64)


class Parameters:
    """The numbers of a layer by name, and their values in the graph."""

    def __init__(self, graph: Graph, arrays: Mapping[str, Array], prefix: str) -> None:
        self.arrays = arrays
        self._values = {name: graph.numbers(prefix + name, array) for name, array in arrays.items()}

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def get(self, name: str) -> Value | None:
        """Return None for what the layer does not have."""
        return self._values.get(name)


@dataclass(frozen=True)
class Sequences:
    """How rows are those of sequences: row i * steps + t is step t of sequence i.

    Attributes
    ----------
    count, steps : Value
        (1,) whole numbers.
    lengths : Value
        How many steps of each sequence count, (sequences,), or one number for all.
    """

    count: Value
    steps: Value
    lengths: Value

    def apart(self, rows: Value, width: int) -> Value:
        """Return (sequences, steps, width) of rows."""
        graph = rows.graph
        shape = graph.concat([self.count, self.steps, graph.whole([width])], axis=0)
        return graph.apply("Reshape", rows, shape, allowzero=1)


@dataclass(frozen=True)
class Rows:
    """What goes from layer to layer: rows (rows, width), and what sequences they are of, if any."""

    x: Value
    width: int
    sequences: Sequences | None = None


Writer = Callable[[Any, Parameters, Rows], "Value | Rows"]


def written_layer(graph: Graph, layer: Any, parameters: Parameters, rows: Rows, width: int) -> Rows:
    """Return what a layer of `width` outputs makes of rows; ValueError where it cannot be expressed."""
    kind = type(layer).__name__
    if kind not in LAYERS:
        raise ValueError(f"the layer {kind} cannot be written to ONNX")
    out = LAYERS[kind](layer, parameters, rows)
    return out if isinstance(out, Rows) else Rows(out, width, rows.sequences)


def activated(f: Any, x: Value, slope: Value | None, shape: tuple[int, ...], first: int = 0) -> Value:
    """Return f(x) for units of this `shape`, the last axes of x, from unit `first` on.

    `slope` are learned slopes. Others are those that units start from: what f gives of -1 is -slope.
    """
    formula = expression(f, x.dtype.name)
    given = {"x": x}
    if "slope" in formula.inputs:
        if slope is None:
            ones = np.ones((1, first + math.prod(shape)), x.dtype)
            slope = x.graph.constant(-f(-ones)[0, first:].reshape(shape), x.dtype)
        given["slope"] = slope
    return written(formula, [given[name] for name in formula.inputs], f"the activation {f.name!r}")


def _dense(layer: Any, p: Parameters, rows: Rows) -> Value:
    """Return y = f(s x W + b)."""
    fan_in, units = p.arrays["weight"].shape
    bias = p.get("bias")
    if getattr(layer, "parametrization", "standard") == "ntk":
        v = rows.x @ p["weight"] * (1 / math.sqrt(fan_in))
        v = v if bias is None else v + bias
    elif bias is None:
        v = rows.x @ p["weight"]
    else:
        v = rows.x.graph.apply("Gemm", rows.x, p["weight"], bias)
    return _activated_by(layer, p, v, units)


def _activated_by(layer: Any, p: Parameters, v: Value, units: int) -> Value:
    """Return y = f(v); of a layer whose activation is parametric y = v + a (f(v) - v)."""
    if not getattr(layer, "parametric", False):
        return activated(layer.activation, v, p.get("slope"), (units,))
    a = p["slope"]
    return a * activated(layer.activation, v, None, (units,)) + (1 - a) * v


def _shortcut(layer: Any, p: Parameters, rows: Rows) -> Value:
    return rows.x.graph.concat([rows.x, _dense(layer, p, rows)])


def _activation(layer: Any, p: Parameters, rows: Rows) -> Value:
    return _activated_by(layer, p, rows.x, rows.width)


def _unchanged(layer: Any, p: Parameters, rows: Rows) -> Value:
    return rows.x


def _scale(layer: Any, p: Parameters, rows: Rows) -> Value:
    return rows.x * p["scale"]


def _batch_norm(layer: Any, p: Parameters, rows: Rows) -> Value:
    """Return gamma (x - mean) / sqrt(variance + epsilon) + beta; the operator for it has a float32 epsilon."""
    gain = p["gamma"] / rows.x.graph.apply("Sqrt", p["running_variance"] + layer.epsilon)
    return rows.x * gain + (p["beta"] - p["running_mean"] * gain)


def _shared_dense(layer: Any, p: Parameters, rows: Rows) -> Value:
    """y_i = f((x_i * r_i) W * s_i + b_i) of member i, members side by side: (rows, members, width) in between."""
    fan_in, units = p.arrays["weight"].shape[-2:]
    begins, separate = rows.width == fan_in, layer.kind == "separate"
    r, s, bias = (p.get(name) for name in ("input_scale", "output_scale", "bias"))
    if separate:
        x = rows.x if begins else rows.x.reshape(0, layer.members, fan_in).transpose(1, 0, 2)
        z = (x @ p["weight"]).transpose(1, 0, 2)
    else:
        x = rows.x.unsqueeze(1) if begins else rows.x.reshape(0, layer.members, fan_in)
        z = (x if r is None else x * r) @ p["weight"]
    z = z if s is None else z * s
    z = z if bias is None else z + bias
    y = activated(layer.activation, z, p.get("slope"), (layer.members, units) if separate else (units,))
    return y.reshape(0, layer.members * units)


def _split(layer: Any, rows: Rows) -> tuple[list[Value], list[int]]:
    """The columns that a layer hands on, as no part or one, and the numbers of those that it treats."""
    chosen = list(layer.columns) or list(range(rows.width))
    others = [column for column in range(rows.width) if column not in set(chosen)]
    return [rows.x.take(others)] if others else [], chosen


def _embedding(layer: Any, p: Parameters, rows: Rows) -> Value:
    """Each category's vector: row k of the table, or +1 and -1, or a one at k; of what is no category zeros."""
    graph, x = rows.x.graph, rows.x
    parts, columns = _split(layer, rows)
    width = rows.width - len(columns)
    places: dict[int, list[int]] = {}  # of each column's outputs, before they are brought into the columns' order

    def place(columns: list[int], units: Callable[[int], int]) -> None:
        nonlocal width
        for column in columns:
            places[column] = list(range(width, width + units(column)))
            width += units(column)

    count = dict(zip(columns, layer.categories, strict=True))
    learned = [column for column in columns if count[column] > layer.one_hot]
    if learned:
        counts = np.array([count[column] for column in learned])
        k, first = x.take(learned), np.cumsum(counts) - counts
        whole = graph.apply("Floor", k).equals(k)
        known = graph.apply("And", graph.apply("And", k >= 0, k < counts), whole)
        row = known.where(k + first, counts.sum()).cast(_INT64)
        table = graph.concat([p["weight"], graph.constant(np.zeros((1, layer.units)), x.dtype)], axis=0)
        vectors = graph.apply("Gather", table, row, dtype=x.dtype, axis=0)
        parts.append(vectors.reshape(0, len(learned) * layer.units))
        place(learned, lambda column: int(layer.units))
    of_two = [column for column in columns if column not in places and count[column] == 2]
    if of_two:
        k = x.take(of_two)
        parts.append(k.equals(0).cast(x.dtype) - k.equals(1).cast(x.dtype))
        place(of_two, lambda column: 1)
    one_hot = [column for column in columns if column not in places]
    if one_hot:
        each = [(column, k) for column in one_hot for k in range(count[column])]
        k = x.take([column for column, _ in each])
        parts.append(k.equals([number for _, number in each]).cast(x.dtype))
        place(one_hot, lambda column: int(count[column]))
    order = [*range(rows.width - len(columns)), *(i for column in columns for i in places[column])]
    out = graph.concat(parts)
    return out if order == list(range(width)) else out.take(order)


def _numeric_embedding(layer: Any, p: Parameters, rows: Rows) -> Value:
    """Return [the other columns, x, f(z)], z_u = b_u + sum_k w_uk p_k(x) of every column: (rows, units, columns)."""
    graph = rows.x.graph
    parts, columns = _split(layer, rows)
    x = rows.x.take(columns)
    if layer.keep_input:
        parts.append(x)
    features = _FEATURES[layer.kind](layer, p, x.unsqueeze(1))
    units, count = p.arrays["bias"].shape
    weight = p["weight"].reshape(-1, units, count)
    if layer.kind == "linear":
        z = features * weight + p["bias"]
    else:
        z = (features.transpose(2, 0, 1) @ weight.transpose(2, 0, 1)).transpose(1, 2, 0) + p["bias"]
    y = activated(layer.activation, z.reshape(0, units * count), p.get("slope"), (units * count,))
    return graph.concat([*parts, y])


def _periodic(layer: Any, p: Parameters, x: Value) -> Value:
    """cos(2 pi v x + c), or cos(2 pi v x) and sin(2 pi v x); the angle in turns is rounded once, as a fused one is."""
    angle = p["frequency"].cast(np.float64) * x.cast(np.float64)
    if layer.bias:
        turned = p["phase"] * (1 / (2 * math.pi))
        return COSINE_OF_TURNS((angle + turned.cast(np.float64)).cast(x.dtype))
    angle = angle.cast(x.dtype)
    return x.graph.concat([COSINE_OF_TURNS(angle), SINE_OF_TURNS(angle)], axis=1)


def _piecewise_linear(layer: Any, p: Parameters, x: Value) -> Value:
    """(x - e_k) / (e_(k+1) - e_k) in [0, 1], but for the first bin from below and the last from above."""
    edges, graph = p.arrays["edges"], x.graph
    width = np.diff(edges, axis=0)
    with np.errstate(divide="ignore", over="ignore"):
        inverse = 1 / width
    inverse = np.where((width > 0) & np.isfinite(inverse), inverse, 0)
    most = np.where(edges[1:] < edges[-1], 1, np.inf)
    least = np.full((len(width), 1), 0.0)
    least[0] = -np.inf
    low = graph.apply("Slice", p["edges"], *map(graph.whole, ([0], [len(width)], [0])))
    inside = graph.apply("Max", graph.constant(least, x.dtype), (x - low) * inverse)
    return graph.apply("Min", graph.constant(most, x.dtype), inside)


_FEATURES: dict[str, Callable[[Any, Parameters, Value], Value]] = {
    "linear": lambda layer, p, x: x,
    "periodic": _periodic,
    "piecewise_linear": _piecewise_linear,
}


def _recurrent(layer: Any, p: Parameters, rows: Rows) -> Rows:
    """h_t = f(x_t W + r_{t-1} U + b); elman: r = h; jordan: r_t = y_t = g(h_t V + c); r_0 = 0.

    A loop over the steps carries r, which stays as it is beyond a sequence's end.
    """
    sequences, graph = rows.sequences, rows.x.graph
    assert sequences is not None
    fed, units = p.arrays["recurrent_weight"].shape
    # Scan could have its steps in the second axis, but then onnxruntime divides by their number, also by 0.
    steps_x = sequences.apart(rows.x @ p["weight"], units).transpose(1, 0, 2)
    size = graph.concat([sequences.count, graph.whole([fed])], axis=0)
    zero = graph.onnx.numpy_helper.from_array(np.zeros(1, rows.x.dtype))
    start = graph.apply("ConstantOfShape", size, dtype=rows.x.dtype, value=zero)
    with graph.body() as body:
        number = body.input("number", _INT64, [1])
        r = body.input("state", start.dtype, ["sequences", fed])
        z = body.input("step", start.dtype, ["sequences", units]) + r @ p["recurrent_weight"]
        z = z if (bias := p.get("bias")) is None else z + bias
        y = activated(layer.activation, z, p.get("slope"), (units,))
        if layer.kind == "jordan":
            z = y @ p["output_weight"]
            z = z if (bias := p.get("output_bias")) is None else z + bias
            y = activated(layer.output_activation, z, p.get("output_slope"), (fed,))
        y = (number < sequences.lengths).unsqueeze(1).where(y, r)
        every = [(y, ["sequences", fed])] if layer.return_sequences else []
        step = body.ended([(number + 1, [1]), (y, ["sequences", fed]), *every])
    inputs = [graph.whole([0]), start, steps_x]
    names = graph.names("number", "state", *(["steps"] if layer.return_sequences else []))
    graph.add("Scan", [each.name for each in inputs], names, body=step, num_scan_inputs=1)
    if layer.return_sequences:
        outputs = Value(graph, names[2], start.dtype).transpose(1, 0, 2)
        return Rows(outputs.reshape(-1, fed), fed, sequences)
    return Rows(Value(graph, names[1], start.dtype), fed)


LAYERS: dict[str, Writer] = {
    "Dense": _dense,
    "Activation": _activation,
    "Dropout": _unchanged,
    "GaussianNoise": _unchanged,
    "BatchNorm": _batch_norm,
    "Scale": _scale,
    "Recurrent": _recurrent,
    "Shortcut": _shortcut,
    "SharedDense": _shared_dense,
    "Embedding": _embedding,
    "NumericEmbedding": _numeric_embedding,
}
