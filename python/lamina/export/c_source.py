"""What a C file is put together from: constants, functions and the lines that run the layers, as they are needed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.export.c_formulas import REAL, array_literals, formula, helpers, literal
from lamina.export.expressions import Expression, expression

__all__ = ["Source"]

# The columns that a product sums side by side: as many as keep the units of a large machine busy, and for what is left
# fewer. A single sum waits for each of its additions.
_SIDE_BY_SIDE = (64, 32, 8, 2, 1)


def _product(wide: int) -> str:
    """A function for so many columns of a product."""
    several = f"{wide} columns" if wide > 1 else "one column"
    fast = "@_FAST " if wide >= 8 else ""
    return f"""\
/* y = start + x W, or x W where start is null, for {several} of the (k, n) matrix W that begin at w: each sum is one
   chain of fused multiply-adds over k. y may be start. */
{fast}static void @_product_{wide}(int k, int n, const real *x, const real *w, const real *start, real *y)
{{
    real sum[{wide}];
    for (int b = 0; b < {wide}; ++b) sum[b] = start ? start[b] : 0;
    for (int i = 0; i < k; ++i, w += n) {{
        const real xi = x[i];
        for (int b = 0; b < {wide}; ++b) sum[b] = FMA(xi, w[b], sum[b]);
    }}
    for (int b = 0; b < {wide}; ++b) y[b] = sum[b];
}}"""


# At -O2 GCC keeps the sums in memory.
_FAST = """\
#if defined(__GNUC__) && !defined(__clang__) && defined(__OPTIMIZE__) && !defined(__OPTIMIZE_SIZE__)
#define @_FAST __attribute__((optimize("O3")))
#else
#define @_FAST
#endif"""
_SUM = """\
/* The sum of y[first] .. y[end - 1]: in order, of very many by halves. */
static real @_sum(const real *y, int first, int end)
{
    real sum = 0;
    if (end - first > 256) {
        const int middle = first + (end - first) / 2;
        sum = @_sum(y, first, middle);
        return sum + @_sum(y, middle, end);
    }
    for (int j = first; j < end; ++j) sum += y[j];
    return sum;
}"""
_SUM_IN_ORDER = """\
static real @_sum(const real *y, int first, int end)
{
    real sum = 0;
    for (int j = first; j < end; ++j) sum += y[j];
    return sum;
}"""
#: Functions over a row that layers share, by their names; `@` is the prefix, `real` and `FMA` are the type's.
_ROWS = {
    **{f"product_{wide}": _product(wide) for wide in _SIDE_BY_SIDE},
    "add": """\
static void @_add(int n, const real *b, real *y)
{
    for (int j = 0; j < n; ++j) y[j] = y[j] + b[j];
}""",
    "multiply": """\
static void @_multiply(int n, const real *a, real *y)
{
    for (int j = 0; j < n; ++j) y[j] = y[j] * a[j];
}""",
    "scale": """\
static void @_scale(int n, real a, real *y)
{
    for (int j = 0; j < n; ++j) y[j] = y[j] * a;
}""",
    "scale_add": """\
static void @_scale_add(int n, real a, const real *b, real *y)
{
    for (int j = 0; j < n; ++j) y[j] = FMA(y[j], a, b[j]);
}""",
    "multiply_add": """\
static void @_multiply_add(int n, const real *a, const real *b, real *y)
{
    for (int j = 0; j < n; ++j) y[j] = y[j] * a[j] + b[j];
}""",
    "times": """\
static void @_times(int n, const real *x, const real *a, real *y)
{
    for (int j = 0; j < n; ++j) y[j] = x[j] * a[j];
}""",
    "copy": """\
static void @_copy(int n, const real *x, real *y)
{
    for (int j = 0; j < n; ++j) y[j] = x[j];
}""",
    "gather": """\
static void @_gather(int n, const int *columns, const real *x, real *y)
{
    for (int j = 0; j < n; ++j) y[j] = x[columns[j]];
}""",
    "sum": _SUM_IN_ORDER,
    "sum_by_halves": _SUM,
    "unit": """\
/* w[0] + sum of w[1 + i] x[i], one chain of fused multiply-adds. */
static real @_unit(int n, const real *w, const real *x)
{
    real sum = w[0] + 0;
    for (int i = 0; i < n; ++i) sum = FMA(w[1 + i], x[i], sum);
    return sum;
}""",
    "top": """\
static real @_top(int n, const real *y)
{
    real top = y[0];
    for (int j = 1; j < n; ++j) top = y[j] > top ? y[j] : top;
    return top;
}""",
}


class Source:
    """The parts of one C file.

    Attributes
    ----------
    prefix : str
        What every name begins with.
    dtype, real, fma : str
        The type of the numbers, what C calls it, and its fused multiply-add.
    scratch, carried : dict
        Elements by the name of an array: what a call needs, and what goes on from step to step.
    lines : list of str
        The body that is being written.
    """

    def __init__(self, prefix: str, dtype: str) -> None:
        self.prefix, self.dtype = prefix, dtype
        self.real, self.fma = REAL[dtype], "fmaf" if dtype == "float32" else "fma"
        self.scratch: dict[str, int] = {}
        self.carried: dict[str, int] = {}
        self.lines: list[str] = []
        self.constants: list[str] = []
        self.const_bytes = 0
        self._rows: dict[str, str] = {}
        self._functions: dict[str, str] = {}
        self._called: dict[tuple[str, Expression], str] = {}

    def line(self, text: str = "") -> None:
        """Write a line of the body."""
        self.lines.append(f"    {text}" if text else "")

    def call(self, function: str, *arguments: Any) -> None:
        """Write a call of one of the functions over rows."""
        self.line(f"{self.row_function(function)}({', '.join(map(str, arguments))});")

    def product(self, k: int, n: int, x: str, w: str, y: str, start: str = "", indent: str = "") -> None:
        """Write y = x W, or start + x W, of k numbers and a (k, n) matrix."""
        first = 0
        for wide in _SIDE_BY_SIDE:
            end = first + (n - first) // wide * wide
            if end == first:
                continue
            once = end == first + wide
            at = "j" if not once else str(first) if first else ""
            parts = [f"{part} + {at}" if at else part for part in (w, start, y) if part]
            arguments = ", ".join([str(k), str(n), x, parts[0], parts[1] if start else "NULL", parts[-1]])
            loop = "" if once else f"for (int j = {first}; j < {end}; j += {wide}) "
            self.line(f"{indent}{loop}{self.row_function(f'product_{wide}')}({arguments});")
            first = end

    def room(self, name: str, elements: int) -> str:
        """Return an array of the scratch memory with at least so many elements."""
        self.scratch[name] = max(elements, self.scratch.get(name, 1))
        return f"s->{name}"

    def carry(self, name: str, elements: int) -> str:
        """Return an array that keeps what it holds from step to step."""
        self.carried[name] = elements
        return f"s->r{name}"

    def number(self, value: float) -> str:
        """Return one number, rounded to the type."""
        return literal(float(np.dtype(self.dtype).type(value)), self.dtype)

    def constant(self, name: str, values: Any, dtype: str = "") -> str:
        """Return the name of a constant array of numbers, row by row, of the file's type or another one."""
        kind = dtype or self.dtype
        array = np.asarray(values, kind)
        self._array(name, REAL[kind], array_literals(array, kind), array.nbytes)
        return f"{self.prefix}_{name}"

    def whole_numbers(self, name: str, values: Any) -> str:
        """Return the name of a constant array of ints."""
        array: NDArray[Any] = np.asarray(values, np.int32)
        self._array(name, "int", [str(value) for value in array.ravel().tolist()], array.nbytes)
        return f"{self.prefix}_{name}"

    def _array(self, name: str, kind: str, texts: list[str], size: int) -> None:
        lines, line = [], "   "
        for text in texts:
            if len(line) + len(text) > 116:
                lines.append(line)
                line = "   "
            line += f" {text},"
        lines.append(line)
        head = f"static const {kind} {self.prefix}_{name}[{len(texts)}] = {{"
        self.constants.append("\n".join([head, *lines, "};"]))
        self.const_bytes += size

    def row_function(self, name: str) -> str:
        """Return the C name of one of the functions over rows."""
        if name not in self._rows:
            self._rows[name] = self.spelled(_ROWS[name])
        return f"{self.prefix}_{'sum' if name == 'sum_by_halves' else name}"

    def spelled(self, text: str) -> str:
        """Return a text with `@` as the prefix, `real` and `FMA` as the type's."""
        words = text.replace("@", self.prefix).replace("FMA(", f"{self.fma}(")
        return words.replace("const real ", f"const {self.real} ").replace("real ", f"{self.real} ")

    def formula(self, name: str, part: Any, *, parametric: bool = False, results: tuple[str, ...] = ()) -> str:
        """Return the C name of a formula's function; `results` names the results where there are several."""
        e = expression(part, self.dtype, open=True, parametric=parametric)
        return self._formula(name, e, results)

    def _formula(self, name: str, e: Expression, results: tuple[str, ...] = ()) -> str:
        known = self._called.get((name, e))
        if known is not None:
            return known
        called, number = name, 1
        while called in self._functions:
            number += 1
            called = f"{name}_{number}"
        self._functions[called] = formula(self.prefix, called, e, results)
        self._called[name, e] = f"{self.prefix}_{called}"
        return f"{self.prefix}_{called}"

    def map(self, name: str, part: Any, n: int, at: str, *more: str, parametric: bool = False) -> None:
        """Write y[j] = f(y[j], more[j], ...) for the n elements y at `at`."""
        e = expression(part, self.dtype, open=True, parametric=parametric)
        scalar = self._formula(name, e)
        row = f"{scalar.removeprefix(f'{self.prefix}_')}_row"
        if row not in self._functions:
            letters = "abcde"[: len(more)]
            given = ", ".join(["int n", *(f"const {self.real} *{a}" for a in letters), f"{self.real} *y"])
            values = ", ".join(["y[j]", *(f"{a}[j]" for a in letters)])
            body = f"    for (int j = 0; j < n; ++j) y[j] = {scalar}({values});"
            self._functions[row] = f"static void {self.prefix}_{row}({given})\n{{\n{body}\n}}"
        self.line(f"{self.prefix}_{row}({', '.join([str(n), *more, at])});")

    def functions(self) -> list[str]:
        """Return all functions, each after those that it calls."""
        expressions = [e for _, e in self._called]
        rows = list(self._rows.values())
        fast = [self.spelled(_FAST)] if any(f"{self.prefix}_FAST " in row for row in rows) else []
        return [*helpers(self.prefix, expressions), *self._functions.values(), *fast, *rows]
