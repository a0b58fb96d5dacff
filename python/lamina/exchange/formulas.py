"""What each layer computes, written once for every library that has NumPy's functions.

`ops` holds these functions: `keras.ops`, or PyTorch's under the same names. A row is the last axis; what is in front of
it (rows, or rows and steps) is left alone. `p` has a layer's parameters by name, as `Network.parameters` has them, and
`f` is its activation: a function of what goes in and of the learned slopes, if it has such.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

__all__ = ["LAYERS", "average_of_members", "first_state", "normalized", "predicted_target", "recurrent_step"]

Tensor = Any
Activate = Callable[[Tensor, Tensor | None], Tensor]
Parameters = Mapping[str, Tensor]

#: Limits from here on leave numbers as they are.
_NO_LIMIT = float(np.finfo(np.float32).max)
#: So many times its limit a number is at the limit, to the last bit.
_FAR = 1e9


def normalized(ops: Any, x: Tensor, mean: Tensor, scale: Tensor, limit: Tensor | None) -> Tensor:
    """Return u = (x - mean) scale, and with limits u / sqrt(1 + (u / limit)^2)."""
    u = (x - mean) * scale
    if limit is None:
        return u
    far = _FAR * limit
    within = ops.maximum(ops.minimum(u, far), -far)
    share = within / limit
    return ops.where(limit < _NO_LIMIT, within / ops.sqrt(1 + share * share), u)


def predicted_target(ops: Any, z: Tensor, scale: Parameters) -> Tensor:
    """An output in the targets' own units, within the range of those trained on."""
    y = scale["mean"] + scale["deviation"] * z
    return ops.maximum(ops.minimum(y, scale["high"]), scale["low"])


def average_of_members(ops: Any, link: str, y: Tensor) -> Tensor:
    """Raw outputs whose prediction is the mean of the members' predictions; `y` is (..., members, outputs)."""
    if link == "identity":
        return ops.mean(y, axis=-2)
    if link == "softmax":
        return _log_mean_exp(ops, ops.log_softmax(y, axis=-1))
    if link == "logistic":
        zero = ops.zeros_like(y)
        return _log_mean_exp(ops, -ops.logaddexp(zero, -y)) - _log_mean_exp(ops, -ops.logaddexp(zero, y))
    return _log_mean_exp(ops, y)


def _log_mean_exp(ops: Any, y: Tensor) -> Tensor:
    return ops.logsumexp(y, axis=-2) - math.log(y.shape[-2])


def _activated(layer: Any, p: Parameters, z: Tensor, f: Activate) -> Tensor:
    """f(z); of a parametric activation a f(z) + (1 - a) z, which keeps the digits of a small f where a is 1."""
    slope = p.get("slope")
    if not getattr(layer, "parametric", False):
        return f(z, slope)
    return slope * f(z, None) + (1 - slope) * z  # type: ignore[operator]


def _dense(ops: Any, layer: Any, p: Parameters, x: Tensor, f: Activate) -> Tensor:
    z = ops.matmul(x, p["weight"])
    if getattr(layer, "parametrization", "standard") == "ntk":
        z = z * (1 / math.sqrt(p["weight"].shape[0]))
    return _activated(layer, p, z + p["bias"] if "bias" in p else z, f)


def _activation(ops: Any, layer: Any, p: Parameters, x: Tensor, f: Activate) -> Tensor:
    return _activated(layer, p, x, f)


def _scale(ops: Any, layer: Any, p: Parameters, x: Tensor, f: Activate) -> Tensor:
    return x * p["scale"]


def _shortcut(ops: Any, layer: Any, p: Parameters, x: Tensor, f: Activate) -> Tensor:
    return ops.concatenate([x, _dense(ops, layer, p, x, f)], axis=-1)


def _shared_dense(ops: Any, layer: Any, p: Parameters, x: Tensor, f: Activate) -> Tensor:
    """y_i = f((x_i * r_i) W * s_i + b_i), the members side by side; where they begin all read the same x."""
    weight = p["weight"]
    front, fan_in = tuple(x.shape[:-1]), weight.shape[-2]
    # (..., members, fan_in), or one for all of them
    x = ops.reshape(x, (*_free(front), x.shape[-1] // fan_in, fan_in))
    if "input_scale" in p:
        x = x * p["input_scale"]
    separate = len(weight.shape) == 3
    z = ops.matmul(ops.expand_dims(x, -2), weight)[..., 0, :] if separate else ops.matmul(x, weight)
    if "output_scale" in p:
        z = z * p["output_scale"]
    if "bias" in p:
        z = z + p["bias"]
    y = f(z, p.get("slope"))
    return ops.reshape(y, (*_free(front), layer.members * layer.units))


def _free(front: tuple[Any, ...]) -> tuple[Any, ...]:
    """The leading axes as a shape to reshape to; the first may be unknown."""
    return (-1, *front[1:])


def _embedding(ops: Any, layer: Any, p: Parameters, x: Tensor, f: Activate) -> Tensor:
    """[the other columns, v_1, v_2, ...], v the row of a category in the table, or one-hot; 0 for what is none."""
    others = np.delete(np.arange(x.shape[-1]), np.array(layer.columns))
    parts, at = [ops.take(x, others, axis=-1)] if len(others) else [], 0
    for column, count in zip(layer.columns, layer.categories, strict=True):
        value = x[..., column]
        known = (value >= 0) & (value < count) & (value == ops.floor(value))
        exists = ops.expand_dims(ops.cast(known, x.dtype), -1)
        if count > layer.one_hot:
            row = ops.cast(ops.where(known, value, ops.zeros_like(value)), "int32")
            parts.append(ops.take(p["weight"], row + at, axis=0) * exists)
            at += count
        elif count == 2:
            parts.append(ops.expand_dims(1 - 2 * value, -1) * exists)
        else:
            parts += [ops.expand_dims(ops.cast(value == number, x.dtype), -1) for number in range(count)]
    return ops.concatenate(parts, axis=-1)


def _numeric_embedding(ops: Any, layer: Any, p: Parameters, x: Tensor, f: Activate) -> Tensor:
    """[the other columns, the columns, f(b_u + sum_k w_uk p_k(column))], p periodic, linear or piecewise linear."""
    chosen = np.array(layer.columns or range(x.shape[-1]))
    others = np.delete(np.arange(x.shape[-1]), chosen)
    own = ops.take(x, chosen, axis=-1)
    features = _features(ops, layer, p, ops.expand_dims(own, -2))  # (..., features, columns)
    units, columns = p["bias"].shape
    weight = ops.reshape(p["weight"], (features.shape[-2], units, columns))
    z = p["bias"] + ops.einsum("...kj,kuj->...uj", features, weight)
    z = ops.reshape(z, (*_free(tuple(x.shape[:-1])), units * columns))
    parts = [ops.take(x, others, axis=-1)] if len(others) else []
    return ops.concatenate([*parts, *([own] if layer.keep_input else []), f(z, p.get("slope"))], axis=-1)


def _features(ops: Any, layer: Any, p: Parameters, x: Tensor) -> Tensor:
    if layer.kind == "linear":
        return x
    if layer.kind == "periodic":
        turns = p["frequency"] * x
        if "phase" in p:
            turns = turns + p["phase"] * (1 / (2 * math.pi))
        angle = 2 * math.pi * (turns - ops.round(turns))  # whole turns would take digits from the rest
        if "phase" in p:
            return ops.cos(angle)
        return ops.concatenate([ops.cos(angle), ops.sin(angle)], axis=-2)
    edges = p["edges"]
    lower, upper = edges[:-1], edges[1:]
    width = upper - lower
    bins = (x - lower) * ops.where(width > 0, 1 / ops.where(width > 0, width, ops.ones_like(width)), 0 * width)
    # The first bin goes on below, and the last one above.
    low = ops.concatenate([ops.zeros_like(width[:1]) - math.inf, ops.zeros_like(width[1:])], axis=0)
    return ops.maximum(ops.minimum(bins, ops.where(upper == edges[-1], math.inf + 0 * width, 1 + 0 * width)), low)


def first_state(layer: Any) -> int:
    """How many numbers a recurrent layer carries from step to step."""
    return int(layer.units if layer.kind == "elman" or layer.outputs is None else layer.outputs)


def recurrent_step(
    ops: Any, layer: Any, p: Parameters, x: Tensor, before: Tensor, f: Activate, of_outputs: Activate
) -> Tensor:
    """Return a step's outputs: h = f(x W + r U + b), the next r, of elman; g(h V + c), the next r, of jordan."""
    z = ops.matmul(x, p["weight"]) + ops.matmul(before, p["recurrent_weight"])
    hidden = f(z + p["bias"] if "bias" in p else z, p.get("slope"))
    if layer.kind == "elman":
        return hidden
    z = ops.matmul(hidden, p["output_weight"])
    return of_outputs(z + p["output_bias"] if "output_bias" in p else z, p.get("output_slope"))


#: By a layer's name: a function of (ops, layer, parameters, x, activation). What trains otherwise than it predicts
#: (dropout, noise, batch norm), and what goes step by step, is for each library to say.
LAYERS: dict[str, Callable[[Any, Any, Parameters, Tensor, Activate], Tensor]] = {
    "Dense": _dense,
    "Activation": _activation,
    "Scale": _scale,
    "Shortcut": _shortcut,
    "SharedDense": _shared_dense,
    "Embedding": _embedding,
    "NumericEmbedding": _numeric_embedding,
}
