"""Formulas of the core, as lists of operations, in ONNX's operators: what makes every activation there is exportable.

What ONNX lacks is written by identities that do not cancel. Where `onnxruntime` has an operator for float32 alone, as
it is with Erf and Atan, the function is a polynomial in double precision, fitted here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial

from lamina.export.onnx_graph import Value

__all__ = ["COSINE_OF_TURNS", "OPERATIONS", "SINE_OF_TURNS", "logistic", "written"]

_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


def written(expression: Any, inputs: Sequence[Value], owner: str) -> Value:
    """Return the result of an expression of `inputs`; ValueError names an operation that ONNX cannot express."""
    given = iter(inputs)
    values: list[Value] = []
    for node in expression.nodes:
        if node.op == "input":
            values.append(next(given))
            continue
        if node.op == "constant":
            values.append(inputs[0].graph.constant(node.value, np.dtype(node.type)))
            continue
        if node.op not in OPERATIONS:
            raise ValueError(f"{owner} cannot be written to ONNX: it has no operator for {node.op!r}")
        arguments = [values[i] for i in node.arguments]
        values.append(arguments[0].cast(node.type) if node.op == "convert" else OPERATIONS[node.op](*arguments))
    (result,) = expression.results
    out: Value = values[result]
    return out


def _operator(op: str) -> Callable[..., Value]:
    def write(*arguments: Value) -> Value:
        return arguments[0].graph.apply(op, *arguments)

    return write


_exp, _log, _sqrt, _tanh, _sin, _not = (_operator(op) for op in ("Exp", "Log", "Sqrt", "Tanh", "Sin", "Not"))


def _max(a: Value, b: Value) -> Value:
    zero = a.graph.constant(0, a.dtype)
    return a.graph.apply("Relu", b) if a == zero else a.graph.apply("Max", a, b)


def _copysign(magnitude: Value, sign: Value) -> Value:
    size = abs(magnitude)
    return (sign < 0).where(-size, size)


def _expm1(x: Value) -> Value:
    """Return e^x - 1 = tanh(x / 2) (e^x + 1)."""
    return _tanh(x * 0.5) * (_exp(x) + 1)


def _log1p(x: Value) -> Value:
    """Return log u times x / (u - 1), which makes good what the sum u = 1 + x has lost (W. Kahan)."""
    u = x + 1
    kept = u - 1
    return kept.equals(x).where(_log(u), kept.equals(0).where(x, _log(u) * (x / kept)))


def logistic(x: Value) -> Value:
    """Return 1 / (1 + e^-x), with all its digits where it is small, which an operator Sigmoid need not have."""
    e = _exp(-abs(x))
    return (x < 0).where(e, 1) / (e + 1)


def _gaussian(x: Value) -> Value:
    return _exp(-(x * x))


def _in_double(function: Callable[[Value], Value]) -> Callable[[Value], Value]:
    def write(x: Value) -> Value:
        return function(x.cast(_FLOAT64)).cast(x.dtype)

    return write


@cache
def _fitted(function: Callable[[float], float], low: float, high: float, degree: int) -> tuple[float, ...]:
    """The coefficients of a polynomial that is `function` on [low, high] to rounding, the highest first."""
    chebyshev = Chebyshev.interpolate(np.vectorize(function), degree, [low, high])
    return tuple(chebyshev.convert(kind=Polynomial).coef[::-1].tolist())


def _polynomial(x: Value, coefficients: Sequence[float]) -> Value:
    """Return a polynomial by Horner's rule."""
    sum_ = x * coefficients[0] + coefficients[1]
    for coefficient in coefficients[2:]:
        sum_ = sum_ * x + coefficient
    return sum_


_ERFCX_CENTER, _ERFCX_FARTHEST = 2.0, 26.0


def _erfcx_of(t: float) -> float:
    """(1 + 2 a) e^(a^2) erfc(a) at t = (a - c) / (a + c)."""
    a = _ERFCX_CENTER * (1 + t) / (1 - t)
    high = math.ldexp(round(math.ldexp(a, 20)), -20)  # its square is exact
    return (1 + 2 * a) * math.exp(high * high) * math.exp((a - high) * (a + high)) * math.erfc(a)


def _erfc_right(a: Value) -> Value:
    """erfc(a) for 0 <= a: it falls as e^(-a^2) / (1 + 2 a), and what is left is smooth."""
    a = a.graph.apply("Min", a, a.graph.constant(_ERFCX_FARTHEST, a.dtype))
    last = (_ERFCX_FARTHEST - _ERFCX_CENTER) / (_ERFCX_FARTHEST + _ERFCX_CENTER)
    smooth = _polynomial((a - _ERFCX_CENTER) / (a + _ERFCX_CENTER), _fitted(_erfcx_of, -1.0, last, 24))
    return _exp(-(a * a)) * smooth / (a * 2 + 1)


@_in_double
def _erfc(x: Value) -> Value:
    tail = _erfc_right(abs(x))
    return (x < 0).where(2 - tail, tail)


@_in_double
def _normal_cdf(x: Value) -> Value:
    tail = _erfc_right(abs(x) * math.sqrt(0.5)) * 0.5
    return (x < 0).where(tail, 1 - tail)


def _normal_pdf(x: Value) -> Value:
    return _exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))


def _atan_of(square: float) -> float:
    """atan(z) / z."""
    z = math.sqrt(square)
    return math.atan(z) / z if z else 1.0


def _atan(x: Value) -> Value:
    if x.dtype == _FLOAT32:
        return x.graph.apply("Atan", x)
    # atan a = pi/2 - atan(1 / a), and atan z = 2 atan(z / (1 + sqrt(1 + z^2))), so that the polynomial is short.
    a = abs(x)
    z = (a > 1).where(1 / a, a)
    half = z / (_sqrt(z * z + 1) + 1)
    angle = half * 2 * _polynomial(half * half, _fitted(_atan_of, 0.0, 3 - 2 * math.sqrt(2), 12))
    return _copysign((a > 1).where(math.pi / 2 - angle, angle), x)


def _turns(ahead: float) -> Callable[[Value], Value]:
    """Return what writes the sine of x turns and so many `ahead`, whole ones taken off before they cost digits."""

    def write(x: Value) -> Value:
        wide = x.cast(_FLOAT64)
        rest = wide - x.graph.apply("Round", wide)
        return _sin((rest + ahead if ahead else rest) * (2 * math.pi)).cast(x.dtype)

    return write


SINE_OF_TURNS, COSINE_OF_TURNS = _turns(0), _turns(0.25)


def _cos(x: Value) -> Value:
    """As a sine in float64, of which older runtimes have no cosine."""
    return x.graph.apply("Cos", x) if x.dtype != _FLOAT64 else _sin(x + math.pi / 2)


#: What writes each operation of an expression; a conversion says its type itself.
OPERATIONS: dict[str, Callable[..., Value]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "fma": lambda a, b, c: a * b + c,
    "abs": abs,
    "sqrt": _sqrt,
    "max": _max,
    "min": _operator("Min"),
    "copysign": _copysign,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a.equals(b),
    "ne": lambda a, b: _not(a.equals(b)),
    "and": _operator("And"),
    "or": _operator("Or"),
    "not": _not,
    "select": lambda mask, yes, no: mask.where(yes, no),
    "convert": Value.cast,
    "exp": _exp,
    "expm1": _expm1,
    "log": _log,
    "log1p": _log1p,
    "tanh": _tanh,
    "logistic": _operator("Sigmoid"),
    "atan": _atan,
    "gaussian": _gaussian,
    "erfc": _erfc,
    "normal_cdf": _normal_cdf,
    "normal_pdf": _normal_pdf,
    "sin": _sin,
    "cos": _cos,
    "sin_of_turns": SINE_OF_TURNS,
    "cos_of_turns": COSINE_OF_TURNS,
}
