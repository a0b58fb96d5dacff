"""Formulas of the core as C functions: an operation a line, in the core's order, so that the bits are the core's."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from lamina.export.expressions import Expression, Node

__all__ = ["REAL", "array_literals", "formula", "helpers", "literal"]

#: C's name of each type; integers have no sign, since only those may overflow.
REAL = {"float32": "float", "float64": "double", "int32": "uint32_t", "int64": "uint64_t", "bool": "int"}
_SUFFIX = {"float32": "f", "float64": "", "int32": "u", "int64": "u"}
_INFIX = {
    **{"add": "+", "sub": "-", "mul": "*", "div": "/", "or": "|", "and": "&", "xor": "^"},
    **{"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="},
}
_BITS = {"float32": 32, "float64": 64, "int32": 32, "int64": 64}


def literal(value: float, dtype: str) -> str:
    """Return a number of that type as C writes it, exactly; an integer may be negative."""
    if dtype in ("int32", "int64"):
        bits = _BITS[dtype]
        return f"UINT{bits}_C({value % 2**bits:#x})"
    if not math.isfinite(value):  # C has these as floats
        name = "NAN" if math.isnan(value) else "INFINITY"
        return f"{'-' if value < 0 else ''}{'' if dtype == 'float32' else '(double)'}{name}"
    if value == int(value) and abs(value) < 1000:  # -0.0 among them
        return f"{value!r}{_SUFFIX[dtype]}"
    return f"{_short(float(value).hex())}{_SUFFIX[dtype]}"


def _short(text: str) -> str:
    """A hexadecimal float without the zeros that end its digits."""
    digits, power = text.split("p")
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return f"{digits}p{power}"


def formula(prefix: str, name: str, e: Expression, arguments: tuple[str, ...] = ()) -> str:
    """Return a C function ``prefix_name`` of the expression's inputs; more results than one go through pointers."""
    inputs = [(node.value, REAL[node.type]) for node in e.nodes if node.op == "input"]
    several = len(e.results) > 1
    outputs = [f"{REAL[e.nodes[at].type]} *{called}" for at, called in zip(e.results, arguments, strict=False)]
    result = "void" if several else REAL[e.nodes[e.results[0]].type]
    parameters = ", ".join([*(f"{kind} {called}" for called, kind in inputs), *(outputs if several else [])])
    names: list[str] = []
    lines = []
    for number, node in enumerate(e.nodes):
        text = _written(prefix, node, [names[i] for i in node.arguments], e)
        if node.op in ("input", "constant"):
            names.append(text)
        else:
            names.append(f"t{number}")
            lines.append(f"    const {REAL[node.type]} t{number} = {text};")
    if several:
        lines += [f"    *{called} = {names[at]};" for at, called in zip(e.results, arguments, strict=True)]
    else:
        lines.append(f"    return {names[e.results[0]]};")
    unused = {called for called, _ in inputs} - {names[i] for node in e.nodes for i in node.arguments}
    unused -= {names[i] for i in e.results}
    lines = [*(f"    (void){called};" for called in sorted(unused)), *lines]
    return _function(f"{result} {prefix}_{name}({parameters})", lines)


def _written(prefix: str, node: Node, a: list[str], e: Expression) -> str:
    """The right-hand side of one operation."""
    kind = node.type
    given = e.nodes[node.arguments[0]].type if node.arguments else kind
    if node.op == "input":
        return str(node.value)
    if node.op == "constant":
        text = literal(node.value, kind)
        return f"({text})" if text.startswith("-") else text
    if node.op in _INFIX:
        if node.op in ("lt", "gt") and given.startswith("int"):
            a = [f"(int{_BITS[given]}_t){text}" for text in a]
        text = f"{a[0]} {_INFIX[node.op]} {a[1]}"
        return f"({REAL[kind]})({text})" if kind in ("int32", "int64") else text
    simple = {
        "neg": lambda: f"-{a[0]}",
        "not": lambda: f"!{a[0]}",
        "select": lambda: f"{a[0]} ? {a[1]} : {a[2]}",
        "max": lambda: f"{a[0]} > {a[1]} ? {a[0]} : {a[1]}",
        "min": lambda: f"{a[0]} < {a[1]} ? {a[0]} : {a[1]}",
        "convert": lambda: f"({REAL[kind]}){a[0]}",
        "fma": lambda: f"fma{_SUFFIX[kind]}({a[0]}, {a[1]}, {a[2]})",
        "sqrt": lambda: f"sqrt{_SUFFIX[kind]}({a[0]})",
        "shift_left": lambda: f"({REAL[kind]})({a[0]} << {node.value})",
        "shift_right_unsigned": lambda: f"{a[0]} >> {node.value}",
        "shift_right": lambda: f"({REAL[kind]})((int{_BITS[kind]}_t){a[0]} >> {node.value})",
        "bits": lambda: f"{prefix}_bits{_BITS[kind]}({a[0]})",
        "from_bits": lambda: f"{prefix}_from_bits{_BITS[kind]}({a[0]})",
        "abs": lambda: f"{prefix}_abs{_BITS[kind]}({a[0]})",
        "copysign": lambda: f"{prefix}_copysign{_BITS[kind]}({a[0]}, {a[1]})",
    }
    if node.op not in simple:
        raise NotImplementedError(f"C has no way to write {node.op!r}")
    return simple[node.op]()


def helpers(prefix: str, expressions: Iterable[Expression]) -> list[str]:
    """Return the functions that the formulas of these expressions call, and no other."""
    used = {(node.op, _width(e, node)) for e in expressions for node in e.nodes}
    out = []
    for size in (32, 64):
        real, whole, sign = REAL[f"float{size}"], f"uint{size}_t", f"UINT{size}_C({1 << (size - 1):#x})"
        both = f"    union {{ {real} number; {whole} bits; }} both;"
        through_bits = ("abs", size) in used or ("copysign", size) in used
        magnitude = f"{prefix}_bits{size}(x) & ~{sign}"
        if through_bits or ("bits", size) in used:
            lines = [both, "    both.number = x;", "    return both.bits;"]
            out.append(_function(f"{whole} {prefix}_bits{size}({real} x)", lines))
        if through_bits or ("from_bits", size) in used:
            lines = [both, "    both.bits = x;", "    return both.number;"]
            out.append(_function(f"{real} {prefix}_from_bits{size}({whole} x)", lines))
        if ("abs", size) in used:
            lines = [f"    return {prefix}_from_bits{size}({magnitude});"]
            out.append(_function(f"{real} {prefix}_abs{size}({real} x)", lines))
        if ("copysign", size) in used:
            lines = [f"    return {prefix}_from_bits{size}(({magnitude}) | ({prefix}_bits{size}(sign) & {sign}));"]
            out.append(_function(f"{real} {prefix}_copysign{size}({real} x, {real} sign)", lines))
    return out


def _width(e: Expression, node: Node) -> int | None:
    """The bits of the number that an operation takes."""
    return _BITS.get(e.nodes[node.arguments[0]].type if node.arguments else node.type)


def _function(head: str, lines: Iterable[str]) -> str:
    return "\n".join([f"static inline {head}", "{", *lines, "}"])


def array_literals(values: Any, dtype: str) -> list[str]:
    """Return numbers of an array as C writes them."""
    return [literal(value, dtype) for value in values.ravel().tolist()]
