"""Formulas of the core as lists of operations, from which exporters write them in another language.

The core evaluates a formula on a vector that computes nothing and notes what is done to it; what comes out is the
formula that the core runs, without anyone having written it down a second time. A new activation is exported because it
exists.

>>> softplus = expression("softplus", "float64")
>>> for number, node in enumerate(softplus.nodes):
...     print(number, *node)
0 input float64 () x
1 constant float64 () 0.0
2 max float64 (1, 0) None
3 abs float64 (0,) None
4 neg float64 (3,) None
5 exp float64 (4,) None
6 log1p float64 (5,) None
7 add float64 (2, 6) None
>>> softplus.results
(7,)

How to write one: go through ``nodes`` in their order and write each, by its ``op``, of those that ``arguments`` number;
what ``results`` number is the formula. ``OPERATIONS`` says what each means. Only ``"input"``, ``"constant"`` and the
three shifts have a ``value``.

Closed expressions (the default) have one node for an elementary function (``FUNCTIONS``): for targets that have their
own. Open ones have none: they unfold to operations that IEEE 754 rounds correctly, so that whoever repeats them has the
core's bits (those of the levels that have fused multiply-adds). Formulas that the core evaluates in double for float32
(gelu, silu, mish, hard_swish, ...) are ``"convert"``, operations of float64, and ``"convert"`` back; where a target
shall stay in one type, ask for the formula in float64 and read its types as the target's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamina._dispatch import core as _core
from lamina._core import ActivationFunction

__all__ = ["FORMULAS", "FUNCTIONS", "OPERATIONS", "Expression", "Node", "expression", "start_slopes"]

#: What operations mean. The type of arguments follows from their nodes: "add" and others are for floats and integers.
OPERATIONS = {
    "input": "the input called `value`",
    "constant": "the number `value`, a float of the node's type (maybe -0.0, inf or nan) or an int",
    "convert": "from float32 to float64, exactly, or from float64 to float32, rounded to nearest",
    "add": "a + b; of integers modulo 2**32 or 2**64",
    "sub": "a - b; of integers likewise",
    "mul": "a * b",
    "div": "a / b; of floats as IEEE 754 has it, x / 0 included",
    "neg": "-a, also of 0 and nan",
    "fma": "a * b + c, rounded once",
    "sqrt": "the square root",
    "abs": "a without its sign",
    "copysign": "|a| with the sign of b",
    "max": "a if a > b else b: b where either is nan or both are zero",
    "min": "a if a < b else b: b where either is nan or both are zero",
    "select": "b if a else c, whatever the one not taken is",
    "lt": "a < b, False where either is nan",
    "le": "a <= b",
    "gt": "a > b",
    "ge": "a >= b",
    "eq": "a == b; 0.0 and -0.0 are equal",
    "ne": "a != b, True where either is nan",
    "and": "of two bools both, of integers the bits that both have",
    "or": "either, or the bits that either has",
    "xor": "the bits of integers that just one of them has",
    "not": "of a bool the other",
    "bits": "the bits of a float as an integer of as many",
    "from_bits": "the float that has these bits",
    "shift_left": "an integer's bits `value` places up, filled with zeros",
    "shift_right": "`value` places down, filled with the sign",
    "shift_right_unsigned": "`value` places down, filled with zeros",
}
#: Elementary functions, one argument each, that closed expressions have beside these.
FUNCTIONS = {
    "exp": "e^x",
    "expm1": "e^x - 1",
    "log": "the natural logarithm",
    "log1p": "log(1 + x)",
    "tanh": "the hyperbolic tangent",
    "logistic": "1 / (1 + e^-x)",
    "atan": "the inverse tangent",
    "gaussian": "e^(-x^2)",
    "erfc": "the complementary error function",
    "normal_cdf": "the distribution function of the standard normal, erfc(-x / sqrt(2)) / 2",
    "normal_pdf": "its density, e^(-x^2 / 2) / sqrt(2 pi)",
    "sin": "the sine of x radians",
    "cos": "the cosine of x radians",
    "sin_of_turns": "sin(2 pi x)",
    "cos_of_turns": "cos(2 pi x)",
}
#: Formulas that are no activations, and their inputs: elementary functions, inverse links (of losses' links
#: "logistic" and "exponential"), what numbers become in a periodic embedding, of which the results are sine and cosine,
#: an input's normalisation, robust normalisation's clip, and an output's way back to the targets' scale.
FORMULAS: Mapping[str, tuple[str, ...]] = _core.formula_names()


class Node(NamedTuple):
    """One operation: its name, the type of its result, the nodes it is made of, and its value where it has one."""

    op: str
    type: str  # "float32", "float64", "int32", "int64" or "bool"
    arguments: tuple[int, ...]
    value: Any


class Expression(NamedTuple):
    """Nodes, the inputs first, and the numbers of those that are the results."""

    nodes: tuple[Node, ...]
    results: tuple[int, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the inputs, in their order; their nodes are the first."""
        return tuple(node.value for node in self.nodes if node.op == "input")


def expression(part: Any, dtype: str, *, open: bool = False, parametric: bool = False) -> Expression:
    """Return what the core evaluates for a part, in the type in which it does.

    Parameters
    ----------
    part : str or ActivationFunction
        An activation (its parameters become constants), its name, or one of `FORMULAS`. The inputs of an activation
        are ``x`` and, where it has slopes or is used as a parametric one, ``slope``: that of the unit, the layer's
        parameter ``slope`` where it has one, else `start_slopes`.
    dtype : str
        ``"float32"`` or ``"float64"``.
    open : bool, default False
        Whether elementary functions unfold.
    parametric : bool, default False
        For an activation: ``x + slope (f(x) - x)``, as a layer with ``parametric=True`` has it.

    Raises
    ------
    TypeError
        For an activation made from functions of the user's own, and for what is no part.
    ValueError
        For a name that nothing has.
    """
    nodes, results = _core.expression(part, dtype, open, parametric)
    return Expression(tuple(Node(*node) for node in nodes), results)


def start_slopes(activation: ActivationFunction, units: int, dtype: str) -> NDArray[Any]:
    """Return the slope of each unit of a layer that learns none: its parity, or the mean of what training draws."""
    return np.array(_core.start_slopes(activation, units), dtype)
