"""Layers in C: each as the core predicts it, operation by operation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.export.c_source import Source
from lamina.export.expressions import expression, start_slopes

__all__ = ["LAYERS", "Values", "units"]

Views = Mapping[str, NDArray[Any]]


class Values:
    """Where the numbers are that go from layer to layer: the input, or one of two arrays of the scratch memory.

    Attributes
    ----------
    source : Source
        What is written.
    at : str
        The array that has them.
    width : int
        How many there are.
    members : int
        Of how many networks side by side they are.
    """

    def __init__(self, source: Source, at: str, width: int) -> None:
        self.source, self.at, self.width, self.members = source, at, width, 1

    def into(self, width: int) -> str:
        """Return an array of that width other than where the values are."""
        return self.source.room("b" if self.at == "s->a" else "a", width)

    def go_on(self, at: str, width: int) -> None:
        """Take the values that are there now."""
        self.at, self.width = at, width

    def own(self) -> str:
        """Return where the values are, to be changed in place: the input is copied."""
        if not self.at.startswith("s->"):
            to = self.into(self.width)
            self.source.call("copy", self.width, self.at, to)
            self.at = to
        return self.at


def units(
    source: Source,
    name: str,
    activation: Any,
    n: int,
    at: str,
    *,
    bias: Any = None,
    slope: Any = None,
    scale: float = 1.0,
    parametric: bool = False,
) -> None:
    """Write y = f(scale z + bias) for the n units at `at`; `slope` is the learned one, where there is one.

    `name` is that of the layer's constants.
    """
    if bias is not None:
        b = source.constant(f"{name}_bias", bias)
        if scale == 1:
            source.call("add", n, b, at)
        else:
            source.call("scale_add", n, source.number(scale), b, at)
    elif scale != 1:
        source.call("scale", n, source.number(scale), at)
    if activation.name == "identity" and not parametric:
        return
    more = []
    if "slope" in expression(activation, source.dtype, parametric=parametric).inputs:
        values = start_slopes(activation, n, source.dtype) if slope is None else slope
        more = [source.constant(f"{name}_slope", values)]
    called = f"parametric_{activation.name}" if parametric else activation.name
    source.map(called, activation, n, at, *more, parametric=parametric)


def _dense(values: Values, name: str, layer: Any, views: Views) -> None:
    scale = 1 / math.sqrt(values.width) if layer.parametrization == "ntk" else 1.0
    to = values.into(layer.units)
    _product(values, name, views["weight"], to)
    _units_of(values.source, name, layer, views, layer.units, to, scale=scale, parametric=layer.parametric)
    values.go_on(to, layer.units)


def _product(values: Values, name: str, weight: NDArray[Any], to: str) -> None:
    """Write the product of the values and a weight matrix."""
    w = values.source.constant(f"{name}_weight", weight)
    fan_in, fan_out = weight.shape
    values.source.product(fan_in, fan_out, values.at, w, to)


def _units_of(source: Source, name: str, layer: Any, views: Views, n: int, at: str, **how: Any) -> None:
    units(source, name, layer.activation, n, at, bias=views.get("bias"), slope=views.get("slope"), **how)


def _activation(values: Values, name: str, layer: Any, views: Views) -> None:
    source, at = values.source, values.own()
    units(source, name, layer.activation, values.width, at, slope=views.get("slope"), parametric=layer.parametric)


def _shortcut(values: Values, name: str, layer: Any, views: Views) -> None:
    source, width = values.source, values.width
    to = values.into(width + layer.units)
    source.call("copy", width, values.at, to)
    _product(values, name, views["weight"], f"{to} + {width}")
    _units_of(source, name, layer, views, layer.units, f"{to} + {width}")
    values.go_on(to, width + layer.units)


def _scale(values: Values, name: str, layer: Any, views: Views) -> None:
    at = values.own()
    values.source.call("multiply", values.width, values.source.constant(f"{name}_scale", views["scale"]), at)


def _batch_norm(values: Values, name: str, layer: Any, views: Views) -> None:
    source, at = values.source, values.own()
    real = np.dtype(source.dtype).type
    with np.errstate(all="ignore"):
        scale = real(1) / np.sqrt(views["running_variance"] + real(layer.epsilon))
        scale = scale * views["gamma"]
        shift = views["beta"] - views["running_mean"] * scale
    scales, shifts = source.constant(f"{name}_scale", scale), source.constant(f"{name}_shift", shift)
    source.call("multiply_add", values.width, scales, shifts, at)


def _nothing(values: Values, name: str, layer: Any, views: Views) -> None:
    """What acts in training alone."""


def _columns(values: Values, name: str, chosen: tuple[int, ...], to: str) -> int:
    """Write the columns that are not chosen to the front; return how many there are."""
    others = [j for j in range(values.width) if j not in set(chosen)]
    if others:
        numbers = values.source.whole_numbers(f"{name}_others", others)
        values.source.call("gather", len(others), numbers, values.at, to)
    return len(others)


def _embedding(values: Values, name: str, layer: Any, views: Views) -> None:
    source = values.source
    columns, counts = tuple(layer.columns), tuple(layer.categories)
    learned = [count > layer.one_hot for count in counts]
    outputs = [layer.units if own else 1 if n == 2 else n for own, n in zip(learned, counts, strict=True)]
    to = values.into(values.width - len(columns) + sum(outputs))
    place, table = _columns(values, name, columns, to), 0
    weight = source.constant(f"{name}_weight", views["weight"]) if any(learned) else ""
    real = source.real
    for column, count, own, n in zip(columns, counts, learned, outputs, strict=True):
        source.line("{")
        source.line(f"    const {real} x_{column} = {values.at}[{column}];")
        source.line(f"    const int named = x_{column} >= 0 && x_{column} < {source.number(count)};")
        source.line(f"    const int k = named ? (int)x_{column} : -1;")
        source.line(f"    const int known = named && ({real})k == x_{column};")
        at = f"{to}[{place} + j]"
        if own:
            rows = f"{weight}[({table} + k) * {n} + j]"
            source.line(f"    for (int j = 0; j < {n}; ++j) {at} = known ? {rows} : 0;")
            table += count
        elif n == 1:
            source.line(f"    {to}[{place}] = !known ? 0 : k == 0 ? {source.number(1)} : {source.number(-1)};")
        else:
            source.line(f"    for (int j = 0; j < {n}; ++j) {at} = known && j == k ? {source.number(1)} : 0;")
        source.line("}")
        place += n
    values.go_on(to, place)


def _numeric_embedding(values: Values, name: str, layer: Any, views: Views) -> None:
    source, real = values.source, values.source.real
    columns = tuple(layer.columns) or tuple(range(values.width))
    C, U = len(columns), layer.units
    begin = values.width - len(columns)
    first = begin + (C if layer.keep_input else 0)
    to = values.into(first + C * U)
    _columns(values, name, columns, to)
    x = source.room("columns", C)
    source.call("gather", C, source.whole_numbers(f"{name}_columns", columns), values.at, x)
    if layer.keep_input:
        source.call("copy", C, x, f"{to} + {begin}")
    features = {"periodic": _periodic, "linear": _linear, "piecewise_linear": _piecewise_linear}[layer.kind]
    p, P = features(source, name, layer, views, C, x)
    weight = source.constant(f"{name}_weight", views["weight"])
    bias = source.constant(f"{name}_bias", views["bias"])
    at = f"{to} + {first}"
    source.line(f"for (int u = 0; u < {U}; ++u) {{")
    source.line(f"    {real} *z = {at} + u * {C};")
    source.line(f"    for (int j = 0; j < {C}; ++j) z[j] = {bias}[u * {C} + j];")
    source.line(f"    for (int k = 0; k < {P}; ++k) {{")
    w = f"{weight}[(k * {U} + u) * {C} + j]"
    source.line(f"        for (int j = 0; j < {C}; ++j) z[j] = {source.fma}({p}[k * {C} + j], {w}, z[j]);")
    source.line("    }")
    source.line("}")
    units(source, name, layer.activation, C * U, at, slope=views.get("slope"))
    values.go_on(to, first + C * U)


def _periodic(source: Source, name: str, layer: Any, views: Views, C: int, x: str) -> tuple[str, int]:
    F, real = layer.frequencies, source.real
    P = F if layer.bias else 2 * F
    p = source.room("features", P * C)
    frequency = source.constant(f"{name}_frequency", views["frequency"])
    f = source.formula("sin_cos_of_turns", "sin_cos_of_turns", results=("sine", "cosine"))
    angle = f"{frequency}[k * {C} + j] * {x}[j]"
    sine = f"{p}[({F} + k) * {C} + j]"
    if layer.bias:
        whole = np.dtype(source.dtype).type(1 / 6.283185307179586477)
        turns = source.constant(f"{name}_turns", views["phase"] * whole)
        angle = f"{source.fma}({frequency}[k * {C} + j], {x}[j], {turns}[k * {C} + j])"
        sine = "unused"
    source.line(f"for (int k = 0; k < {F}; ++k) {{")
    source.line(f"    for (int j = 0; j < {C}; ++j) {{")
    if layer.bias:
        source.line(f"        {real} unused;")
    source.line(f"        {f}({angle}, &{sine}, &{p}[k * {C} + j]);")
    source.line("    }")
    source.line("}")
    return p, P


def _linear(source: Source, name: str, layer: Any, views: Views, C: int, x: str) -> tuple[str, int]:
    return x, 1


def _piecewise_linear(source: Source, name: str, layer: Any, views: Views, C: int, x: str) -> tuple[str, int]:
    edges = views["edges"]
    P = len(edges) - 1
    p = source.room("features", P * C)
    with np.errstate(all="ignore"):
        width = edges[1:] - edges[:-1]
        inverse = np.dtype(source.dtype).type(1) / width
        inverse = np.where((width > 0) & np.isfinite(inverse), inverse, 0)
    most = np.where(edges[1:] < edges[-1], 1, np.inf)
    e, w = source.constant(f"{name}_edges", edges[:-1]), source.constant(f"{name}_inverse", inverse)
    m = source.constant(f"{name}_most", most)
    source.line(f"for (int k = 0; k < {P}; ++k) {{")
    source.line(f"    for (int i = k * {C}; i < (k + 1) * {C}; ++i) {{")
    source.line(f"        const {source.real} share = ({x}[i - k * {C}] - {e}[i]) * {w}[i];")
    source.line(f"        const {source.real} least = k == 0 ? {source.number(-np.inf)} : 0;")
    source.line(f"        const {source.real} above = least > share ? least : share;")
    source.line(f"        {p}[i] = {m}[i] < above ? {m}[i] : above;")
    source.line("    }")
    source.line("}")
    return p, P


def _shared_dense(values: Values, name: str, layer: Any, views: Views) -> None:
    source, k, U = values.source, layer.members, layer.units
    begins = values.members == 1
    fan_in = values.width // values.members
    to, x = values.into(k * U), values.at
    own = "0" if begins else f"i * {fan_in}"
    separate, full = layer.kind == "separate", layer.kind == "full"
    weight = source.constant(f"{name}_weight", views["weight"])
    scales_input = not separate and (full or begins)
    source.line(f"for (int i = 0; i < {k}; ++i) {{")
    given = f"{x} + {own}"
    if scales_input:
        r = source.constant(f"{name}_input_scale", views["input_scale"])
        scaled = source.room("scaled", fan_in)
        source.line(f"    {source.row_function('times')}({fan_in}, {given}, {r} + i * {fan_in}, {scaled});")
        given = scaled
    w = f"{weight} + i * {fan_in * U}" if separate else weight
    source.product(fan_in, U, given, w, f"{to} + i * {U}", indent="    ")
    bias, slope = views.get("bias"), views.get("slope")
    if layer.kind == "mini" and bias is not None:  # one for all members
        b = source.constant(f"{name}_bias", bias)
        source.line(f"    {source.row_function('add')}({U}, {b}, {to} + i * {U});")
        bias = None
    source.line("}")
    n = k * U
    if not separate:  # every member's units are units 0, 1, ...
        slope = np.tile(start_slopes(layer.activation, U, source.dtype) if slope is None else slope, k)
    if full:
        s = source.constant(f"{name}_output_scale", views["output_scale"])
        if bias is None:
            source.call("multiply", n, s, to)
        else:
            source.call("multiply_add", n, s, source.constant(f"{name}_bias", bias), to)
        bias = None
    units(source, name, layer.activation, n, to, bias=bias, slope=slope)
    values.members = k
    values.go_on(to, n)


def _recurrent(values: Values, name: str, layer: Any, views: Views) -> None:
    source, U = values.source, layer.units
    jordan = layer.kind == "jordan"
    recurrent = views["recurrent_weight"]
    fed = len(recurrent)
    state = source.carry(f"{name}_fed", fed)
    to = values.into(U)
    _product(values, name, views["weight"], to)
    w = source.constant(f"{name}_recurrent_weight", recurrent)
    source.line("if (s->begun) {")
    source.product(fed, U, state, w, to, start=to, indent="    ")
    source.line("}")
    _units_of(source, name, layer, views, U, to)
    values.go_on(to, U)
    if jordan:
        out = values.into(fed)
        w = source.constant(f"{name}_output_weight", views["output_weight"])
        source.product(U, fed, to, w, out)
        bias, slope = views.get("output_bias"), views.get("output_slope")
        units(source, f"{name}_output", layer.output_activation, fed, out, bias=bias, slope=slope)
        values.go_on(out, fed)
    source.call("copy", fed, values.at, state)


#: By the name of the layer: f(values, name of its constants, the layer, its parameters by name).
LAYERS: dict[str, Callable[[Values, str, Any, Views], None]] = {
    "Dense": _dense,
    "Activation": _activation,
    "Shortcut": _shortcut,
    "Scale": _scale,
    "BatchNorm": _batch_norm,
    "Dropout": _nothing,
    "GaussianNoise": _nothing,
    "Embedding": _embedding,
    "NumericEmbedding": _numeric_embedding,
    "SharedDense": _shared_dense,
    "Recurrent": _recurrent,
}
