"""Activations as functions of another library, from the formulas that the core has recorded.

As in `formulas`, `ops` holds a library's functions under NumPy's names.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from lamina import activations
from lamina.export.expressions import Expression, expression, start_slopes
from lamina.storage.parts import described

__all__ = ["Function"]

Tensor = Any

_EXPONENT = {"float16": 11.0, "float64": 709.0}
_RECIPROCAL_ROOT_TWO, _RECIPROCAL_ROOT_TWO_PI = 1 / math.sqrt(2), 1 / math.sqrt(2 * math.pi)


def _bounded(ops: Any, x: Tensor) -> Tensor:
    """What an exponential can be taken of: infinity, in a branch that is not taken, would make a derivative NaN."""
    return ops.minimum(x, ops.full_like(x, _EXPONENT.get(str(x.dtype).rpartition(".")[2], 88.0)))


_FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "add": lambda ops, a, b: a + b,
    "sub": lambda ops, a, b: a - b,
    "mul": lambda ops, a, b: a * b,
    "div": lambda ops, a, b: a / b,
    "neg": lambda ops, a: -a,
    "fma": lambda ops, a, b, c: a * b + c,
    "lt": lambda ops, a, b: a < b,
    "le": lambda ops, a, b: a <= b,
    "gt": lambda ops, a, b: a > b,
    "ge": lambda ops, a, b: a >= b,
    "eq": lambda ops, a, b: a == b,
    "ne": lambda ops, a, b: a != b,
    "and": lambda ops, a, b: ops.logical_and(a, b),
    "or": lambda ops, a, b: ops.logical_or(a, b),
    "not": lambda ops, a: ops.logical_not(a),
    "convert": lambda ops, a: a,
    "abs": lambda ops, a: ops.abs(a),
    "sqrt": lambda ops, a: ops.sqrt(a),
    "copysign": lambda ops, a, b: ops.where(b < 0, -ops.abs(a), ops.abs(a)),
    "max": lambda ops, a, b: ops.maximum(a, b),
    "min": lambda ops, a, b: ops.minimum(a, b),
    "select": lambda ops, a, b, c: ops.where(a, b, c),
    "exp": lambda ops, a: ops.exp(_bounded(ops, a)),
    "expm1": lambda ops, a: ops.expm1(_bounded(ops, a)),
    "log": lambda ops, a: ops.log(a),
    "log1p": lambda ops, a: ops.log1p(a),
    "tanh": lambda ops, a: ops.tanh(a),
    "logistic": lambda ops, a: ops.sigmoid(a),
    "atan": lambda ops, a: ops.arctan(a),
    "gaussian": lambda ops, a: ops.exp(-a * a),
    # Of PyTorch and Keras the first has no erfc under this name, and the second none at all.
    "erfc": lambda ops, a: 1 - ops.erf(a),
    "normal_cdf": lambda ops, a: 0.5 * (1 + ops.erf(a * _RECIPROCAL_ROOT_TWO)),
    "normal_pdf": lambda ops, a: _RECIPROCAL_ROOT_TWO_PI * ops.exp(-0.5 * a * a),
    "sin": lambda ops, a: ops.sin(a),
    "cos": lambda ops, a: ops.cos(a),
    "sin_of_turns": lambda ops, a: ops.sin(2 * math.pi * a),
    "cos_of_turns": lambda ops, a: ops.cos(2 * math.pi * a),
}
#: Functions that take no plain numbers.
_OF_TENSORS = {"select", "max", "min", "copysign", "abs", "sqrt"}


@lru_cache(maxsize=256)
def _recorded(name: str, params: tuple[tuple[str, float], ...]) -> Expression:
    """The formula in one type: read in the target's, whichever that is."""
    return expression(activations.get(name, **dict(params)), "float64")


class Function:
    """An activation as a function of (ops, x, slopes), by its recorded formula.

    Slopes that the layer learns are handed in; those that are not learned follow from the activation.
    """

    def __init__(self, activation: Any) -> None:
        self.activation = activation
        self._key = activation.name, tuple(sorted(activation.params.items()))

    @property
    def described(self) -> dict[str, Any]:
        """Name and parameters as plain JSON values."""
        return described(self.activation)

    @property
    def random_slopes(self) -> tuple[float, float] | None:
        """Between which bounds slopes are drawn in training; None where they are not drawn."""
        params = self.activation.params
        return (params["lower"], params["upper"]) if "lower" in params else None

    def __call__(self, ops: Any, x: Tensor, slope: Tensor | None = None) -> Tensor:
        """Return f(x), element by element."""
        recorded = _recorded(*self._key)
        values: list[Tensor] = []
        for node in recorded.nodes:
            arguments = [values[i] for i in node.arguments]
            if node.op == "input":
                if node.value == "slope" and slope is None:
                    slope = ops.like(x, start_slopes(self.activation, x.shape[-1], "float64"))
                values.append(x if node.value == "x" else slope)
            elif node.op == "constant":
                values.append(float(node.value) if node.type.startswith("float") else node.value)
            else:
                if node.op in _OF_TENSORS:
                    arguments = [ops.full_like(x, a) if isinstance(a, float) else a for a in arguments]
                if node.op not in _FUNCTIONS:
                    raise ValueError(f"the activation {self.activation!r} has an operation {node.op!r}, unknown here")
                values.append(_FUNCTIONS[node.op](ops, *arguments))
        result = values[recorded.results[0]]
        return ops.full_like(x, result) if isinstance(result, float) else result
