"""A network as one C99 file and its header: no allocation, no library but fused multiply-adds and square roots."""

from __future__ import annotations

import dataclasses
import os
import re
from typing import Any

import numpy as np

from lamina import activations
from lamina.cascade.network import CascadeNetwork
from lamina.data.arguments import in_short
from lamina.export.c_layers import LAYERS, Values
from lamina.export.c_source import Source
from lamina.export.expressions import expression, start_slopes
from lamina.export.models import hint_for, warn_of_normalization_due
from lamina.files import FilePath, path_of, write_whole
from lamina.network.network import Network
from lamina.network.summary import short
from lamina.runtime import __version__

__all__ = ["CFiles", "c"]

_KEYWORDS = frozenset(
    "auto break case char const continue default do double else enum extern float for goto if inline int long register "
    "restrict return short signed sizeof static struct switch typedef union unsigned void volatile while".split()
)

#: C's own headers, to the standard of 2023: one of the same name beside the program would hide them.
_HEADERS = frozenset(
    "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic "
    "stdbit stdbool stdckdint stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar "
    "wctype".split()
)

# What each file begins with: one that does not is somebody's own, and stays.
_SIGN = "/* Written by lamina"
_TABLES = "it encodes columns of text, which the C code has no means for: export a Network"
#: Models that are refused, and why.
_REFUSED = {
    "Ensemble": "it is several networks: export each of them, and average what they predict",
    "TabularClassifier": _TABLES,
    "TabularRegressor": _TABLES,
}


@dataclasses.dataclass(frozen=True)
class CFiles:
    """What `c` has written.

    Attributes
    ----------
    paths : tuple of str
        The C file, its header and, where it was asked for, the program.
    const_bytes : int
        Weights and other constants: flash, or read-only memory.
    memory_bytes : int
        The size of ``name_scratch``, which a call takes from its stack or its caller, or of a recurrent network of
        ``name_state``, which each sequence under way has.
    """

    paths: tuple[str, ...]
    const_bytes: int
    memory_bytes: int

    def __str__(self) -> str:
        """Return the names and sizes on a line."""
        names = ", ".join(map(os.path.basename, self.paths))
        return f"{names}: {self.const_bytes:,} bytes of constants, {self.memory_bytes:,} bytes of memory"


def c(model: Any, path: FilePath, *, name: str | None = None, dtype: str | None = None, main: bool = False) -> CFiles:
    """Write a network as C99: one file, and its header beside it, that predict what it predicts, to the bit.

    The code allocates nothing and calls nothing but ``fma`` and ``sqrt`` of math.h. A file ``net.c`` has
    ``net_predict(x, y)`` for one row, and ``net_predict_with(scratch, x, y)`` where the memory for a call shall not be
    on the stack. A recurrent network has ``net_reset(state)``, ``net_step(state, x, y)`` and, for a whole sequence,
    ``net_predict(state, steps, x, y)``. Several threads may call them at once, each with memory of its own.

    Parameters
    ----------
    model : Network, CascadeNetwork or estimator
        Of an estimator its network, scaling included; the names of the classes are in the file. One with a `window`
        becomes a function of one window.
    path : path
        Where the C file goes; its name ends in ``.c``. The header's ends in ``.h``, that of the program in ``_main.c``.
        Files that an earlier call wrote are replaced.
    name : str, optional
        A C identifier that all names begin with; by default the file's own name without its end.
    dtype : str, optional
        ``"float32"`` or ``"float64"``: by default the network's own. Another one writes ``model.astype(dtype)``.
    main : bool, default False
        Whether to write a program, too, that reads rows of numbers (decimal or hexadecimal; of a recurrent network
        after their number of steps) and prints the predictions exactly.

    Returns
    -------
    CFiles
        What was written, and how much memory it takes.

    Raises
    ------
    TypeError
        The model is none that C code can be written for, or has a part made from functions of your own.
    ValueError
        `path` does not end in ``.c`` or would hide a header of C's, or `name` is no C identifier.
    FileExistsError
        One of the files is there, and lamina did not write it.

    Notes
    -----
    The bits are those of levels with fused multiply-adds (every x86-64 machine since 2013, and Arm). They hold for
    finite inputs where the compiler keeps IEEE arithmetic: no ``-ffast-math``, and no contraction of products and sums,
    which the file tells GCC and Clang. Without hardware for it ``fma`` is slow, but right; compile with ``-O3
    -march=native``, or what the machine is, for speed.
    """
    file = path_of(path)
    if not file.endswith(".c"):
        raise ValueError(f"path must end in .c; got {file!r}")
    header = os.path.basename(file)[:-2] + ".h"
    if header.lower().removesuffix(".h") in _HEADERS:
        raise ValueError(f"path must not be that of a header of C's: {header} beside it would hide it; got {file!r}")
    if odd := next((sign for sign in ('"', "\\", "\n", "\r", "??") if sign in header), None):
        raise ValueError(f"path must be one that #include can name; got {file!r}, with {odd!r} in its name")
    prefix = _identifier(name, file)
    network = _network_of(model)
    if dtype is not None and dtype not in ("float32", "float64"):
        raise ValueError(f"dtype must be 'float32' or 'float64'; got {dtype!r}")
    text = _Text(prefix, _in_type(network, dtype), model)
    files = {file: text.source(os.path.basename(file[:-2])), f"{file[:-2]}.h": text.header()}
    if main:
        files[f"{file[:-2]}_main.c"] = text.program(os.path.basename(file[:-2]))
    for target in files:
        _spare_others(target)
    for target, content in files.items():
        write_whole(target, content.encode())
    return CFiles(tuple(files), text.const_bytes, text.memory_bytes)


def _spare_others(target: str) -> None:
    """Raise FileExistsError where a file is in the way that has something in it, and not by lamina."""
    if not os.path.isfile(target):
        return
    with open(target, "rb") as file:
        begin = file.read(1000)
    if begin and not re.match(rb"/\*([^\n]*\n  )? Written by lamina", begin):  # the second line, as it was before 0.1
        raise FileExistsError(
            f"{target} is there, and lamina did not write it; give another path, or move that file away first"
        )


def _identifier(name: str | None, file: str) -> str:
    """The prefix of all names; ValueError where it is no C identifier."""
    if name is not None and not isinstance(name, str):
        raise TypeError(f"name must be a str; got {type(name).__name__}")
    prefix = os.path.basename(file)[:-2] if name is None else name
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", prefix) or prefix in _KEYWORDS:
        hint = "give one by name=" if name is None else "letters, digits and underscores, a letter first, no keyword"
        raise ValueError(f"name must be a C identifier; got {prefix!r}: {hint}")
    return prefix


def _network_of(model: Any) -> Any:
    """The network of a model; TypeError where there is none to be written."""
    kind = type(model).__name__
    network = getattr(model, "network_", model)
    reason = _REFUSED.get(kind, "")
    if isinstance(network, (Network, CascadeNetwork)) and not reason:
        warn_of_normalization_due(model)
        return network
    wanted = "model must be a Network, a CascadeNetwork or an estimator that is fitted"
    if hasattr(model, "named_steps"):
        raise TypeError(f"{wanted}; got {in_short(model)}")
    if not reason and any(base.__module__.startswith("lamina.estimators.") for base in type(model).__mro__):
        reason = "it has no network yet: fit it first"
    raise TypeError(f"{wanted}; got {kind}" + (f": {reason}" if reason else hint_for(model)))


def _in_type(network: Any, dtype: str | None) -> Any:
    if dtype is None or dtype == network.dtype.name:
        return network
    if isinstance(network, CascadeNetwork):
        raise ValueError(f"dtype of a CascadeNetwork is its own, {network.dtype.name!r}; got {dtype!r}")
    return network.astype(dtype)


class _Text:
    """The texts of the files."""

    def __init__(self, prefix: str, network: Any, model: Any) -> None:
        self._prefix, self._network, self._model = prefix, network, model
        self._classes = [str(label) for label in getattr(model, "classes_", [])]
        self._source = s = Source(prefix, network.dtype.name)
        self._n_inputs, self._n_outputs = network.spec.n_inputs, network.spec.n_outputs
        self._recurrent = bool(getattr(network.spec, "recurrent", False))
        self._window = getattr(model, "window", None)
        self._each_step = False
        self._layers: list[str] = []
        values = Values(s, "x", self._n_inputs)
        if isinstance(network, CascadeNetwork):
            self._write_cascade(values)
        else:
            self._write_network(values)
        self.const_bytes = s.const_bytes
        elements = (
            sum(s.scratch.values()) + sum(s.carried.values()) + self._recurrent
        )  # an int, and what it is padded to
        self.memory_bytes = network.dtype.itemsize * elements

    # The body ---------------------------------------------------------------------------------------------------------

    def _write_network(self, values: Values) -> None:
        net, s = self._network, self._source
        still = net.core.copy(with_memory=False)
        views, scales = still.parameters(), still.scales
        self._normalize(values, scales)
        last_sequence = max(
            (i for i, layer in enumerate(net.layers) if type(layer).__name__ == "Recurrent"), default=-1
        )
        for i, layer in enumerate(net.layers):
            kind = type(layer).__name__
            if kind not in LAYERS:
                raise TypeError(f"layers[{i}], {layer!r}: nobody has said yet what {kind} is in C")
            own = {key.partition(".")[2]: view for key, view in views.items() if key.partition(".")[0] == str(i)}
            s.line(f"/* {i}: {_comment(short(layer))} */")
            LAYERS[kind](values, str(i), layer, own)
            if i == last_sequence:
                self._each_step = bool(layer.return_sequences)
                s.line("s->begun = 1;")
                if not self._each_step:
                    s.line("if (!y) return;")
        self._layers = [_comment(short(layer)) for layer in net.layers]
        if values.members > 1:
            self._average(values)
        self._link(values, net.loss.link)
        if "target.mean" in scales:
            parts = [s.constant(f"target_{part}", scales[f"target.{part}"]) for part in ("mean", "deviation")]
            parts += [s.constant(f"target_{part}", scales[f"target.{part}"]) for part in ("low", "high")]
            s.map("predicted_target", "predicted_target", values.width, values.own(), *parts)
        if hasattr(self._model, "target_scale_"):
            self._rescale(values)
        if not s.scratch:  # an empty struct is none of C
            values.own()
        s.call("copy", values.width, values.at, "y")

    def _normalize(self, values: Values, scales: Any) -> None:
        s = self._source
        if "input.mean" not in scales:
            return
        s.line("/* the inputs' normalisation */")
        mean, scale = (s.constant(f"input_{part}", scales[f"input.{part}"]) for part in ("mean", "scale"))
        s.map("normalized", "normalized", values.width, values.own(), mean, scale)
        if "input.limit" in scales:
            limit = s.constant("input_limit", scales["input.limit"])
            s.map("smoothly_clipped", "smoothly_clipped", values.width, values.at, limit)

    def _link(self, values: Values, link: str) -> None:
        s, n = self._source, values.width
        if link == "identity":
            return
        s.line(f"/* {link}, of the loss {_comment(self._network.loss.name)} */")
        if link == "softmax":
            self._softmax(values.own(), n)
        else:
            s.map(f"link_{link}", f"link_{link}", n, values.own())

    def _rescale(self, values: Values) -> None:
        """Write an estimator's own way back to the targets' scale, which it goes in double."""
        s, at = self._source, values.own()
        mean = s.constant("estimator_mean", self._model.target_mean_, "float64")
        scale = s.constant("estimator_scale", self._model.target_scale_, "float64")
        value = f"({s.real})((double){at}[j] * {scale}[j] + {mean}[j])"
        s.line("/* the estimator's targets */")
        s.line(f"for (int j = 0; j < {values.width}; ++j) {at}[j] = {value};")

    def _exp_shifted(self, at: str, n: int, to: str, indent: str = "") -> None:
        """Write e = exp(y - top), `top` the largest of them."""
        s = self._source
        exp = s.formula("exp", "exp")
        s.line(f"{indent}const {s.real} top = {s.row_function('top')}({n}, {at});")
        s.line(f"{indent}for (int j = 0; j < {n}; ++j) {to}[j] = {exp}({at}[j] - top);")

    def _softmax(self, at: str, n: int) -> None:
        s = self._source
        s.line("{")
        self._exp_shifted(at, n, at, "    ")
        total = s.row_function("sum" if n <= 1024 else "sum_by_halves")
        s.line(f"    const {s.real} sum = {total}({at}, 0, {n});")
        s.line(f"    for (int j = 0; j < {n}; ++j) {at}[j] = {at}[j] / sum;")
        s.line("}")

    def _average(self, values: Values) -> None:
        """Write the average of the members' predictions, as raw outputs."""
        s, link, k = self._source, self._network.loss.link, values.members
        n, real = values.width // k, s.real
        members = s.number(k)
        s.line(f"/* the average of the {k} members */")
        y, to = values.own(), values.into(n)
        at = f"{y}[i * {n} + j]"
        if link == "identity":
            s.line(f"for (int j = 0; j < {n}; ++j) {{")
            s.line(f"    {real} sum = {y}[j];")
            s.line(f"    for (int i = 1; i < {k}; ++i) sum += {at};")
            s.line(f"    {to}[j] = sum / {members};")
            s.line("}")
            values.go_on(to, n)
            return
        exp, log = s.formula("exp", "exp"), s.formula("log", "log")
        if link == "softmax":
            log1p = s.formula("log1p", "log1p")
            s.line(f"for (int i = 0; i < {k}; ++i) {{")
            s.line(f"    {real} *row = {y} + i * {n};")
            s.line(f"    {real} below = 0, tops = 0;")
            self._exp_shifted("row", n, to, "    ")
            s.line(f"    for (int j = 0; j < {n}; ++j) {{")
            s.line(f"        below += {to}[j] < 1 ? {to}[j] : 0;")
            s.line(f"        tops += {to}[j] < 1 ? 0 : {to}[j];")
            s.line("    }")
            s.line(f"    const {real} rest = {log1p}(below + (tops - 1));")
            s.line(f"    for (int j = 0; j < {n}; ++j) row[j] = (row[j] - top) - rest;")
            s.line("}")
        terms = [("", at)]
        if link == "logistic":
            log1p = s.formula("log1p", "log1p")
            absolute = f"({at} < 0 ? -{at} : {at})"
            rest = f"{log1p}({exp}(-{absolute}))"
            terms = [("", f"({at} < 0 ? {at} : 0) - {rest}"), ("not_", f"(-{at} < 0 ? -{at} : 0) - {rest}")]
        s.line(f"for (int j = 0; j < {n}; ++j) {{")
        for called, term in terms:
            s.line(f"    {real} {called}top = 0, {called}sum = 0;")
            s.line(f"    for (int i = 0; i < {k}; ++i) {{")
            s.line(f"        const {real} term = {term};")
            s.line(f"        {called}top = i == 0 ? term : {called}top > term ? {called}top : term;")
            s.line("    }")
            s.line(f"    {called}top = {called}top > {s.number(-np.inf)} ? {called}top : 0;")
            s.line(f"    for (int i = 0; i < {k}; ++i) {called}sum += {exp}({term} - {called}top);")
        means = [f"({called}top + {log}({called}sum / {members}))" for called, _ in terms]
        s.line(f"    {to}[j] = {' - '.join(means)};")
        s.line("}")
        values.go_on(to, n)

    def _write_cascade(self, values: Values) -> None:
        s, net = self._source, self._network
        n, functions = self._n_inputs, net.units
        views = net.parameters
        x = s.room("sources", n + len(functions))
        s.call("copy", n, "x", x)
        if net.input_normalization is not None:
            mean, scale = (
                s.constant(f"input_{part}", array)
                for part, array in zip(("mean", "scale"), net.input_normalization, strict=True)
            )
            s.map("normalized", "normalized", n, x, mean, scale)
        unit = s.row_function("unit")
        first = 0
        if functions:
            flat = [part for k in range(len(functions)) for part in (views[f"{k}.bias"], views[f"{k}.weight"])]
            s.line(f"const {s.real} *w = {s.constant('units', np.concatenate(flat))};")
        while first < len(functions):
            f, end = functions[first], first + 1
            sloped = "slope" in expression(f, s.dtype).inputs
            while not sloped and end < len(functions) and functions[end] == f:
                end += 1
            slope = f", {s.number(start_slopes(f, end, s.dtype)[first])}" if sloped else ""
            value = f"{s.formula(f.name, f)}({unit}({n} + k, w, {x}){slope})"
            s.line(f"for (int k = {first}; k < {end}; w += {n} + ++k) {x}[{n} + k] = {value};")
            first = end
        output, fan = activations.get(net.output), n + len(functions)
        rows = np.concatenate([views["output.bias"][None], views["output.weight"]]).T
        w = s.constant("output", np.ascontiguousarray(rows))
        value = f"{s.formula(output.name, output)}({unit}({fan}, {w} + o * {fan + 1}, {x}))"
        s.line(f"for (int o = 0; o < {self._n_outputs}; ++o) y[o] = {value};")
        self._layers = [f"cascade of {len(functions)} units; outputs: {net.output}"]

    # The files --------------------------------------------------------------------------------------------------------

    def source(self, stem: str) -> str:
        """Return the C file."""
        s, p, real = self._source, self._prefix, self._source.real
        memory = "state" if self._recurrent else "scratch"
        lines = [
            f"{_SIGN}; it is described in the header:",
            f"   {self._title()} */",
            f'#include "{stem}.h"',
            "",
            "#include <float.h>",
            "#include <limits.h>",
            "#include <math.h>",
            "#include <stddef.h>",
            "#include <stdint.h>",
            "",
            "#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || \\",
            "    defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)",
            "#error IEEE arithmetic is needed: no -ffast-math, nor a part of it such as -funsafe-math-optimizations",
            "#endif",
            "#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0",
            "#error IEEE arithmetic in its own precision is needed: on 32-bit x86 -msse2 -mfpmath=sse",
            "#endif",
            "#if FLT_MANT_DIG != 24 || DBL_MANT_DIG != 53 || INT_MAX < 2147483647",
            "#error float, double and int of 32, 64 and 32 bits are needed",
            "#endif",
            "#if defined(__clang__)",
            "#pragma STDC FP_CONTRACT OFF",
            "#elif defined(__GNUC__)",
            '#pragma GCC optimize("fp-contract=off")',
            "#endif",
            "",
        ]
        for part in [*s.constants, *s.functions()]:
            lines += [part, ""]
        if self._classes:
            names = ", ".join(_text(label) for label in self._classes)
            lines += [f"const char *const {p}_classes[{p.upper()}_CLASSES] = {{{names}}};", ""]
        given = f"{p}_{memory} *s, const {real} *x, {real} *y"
        if self._recurrent:
            lines += [f"static void {p}_run({given})", "{", *s.lines, "}", ""]
            lines += self._of_sequences()
        else:
            lines += [f"void {p}_predict_with({given})", "{", *s.lines, "}", ""]
            lines += [f"void {p}_predict(const {real} *x, {real} *y)", "{"]
            lines += [f"    {p}_scratch s;", f"    {p}_predict_with(&s, x, y);", "}"]
        return "\n".join(lines) + "\n"

    def _of_sequences(self) -> list[str]:
        p, real = self._prefix, self._source.real
        each = f"y + t * {self._n_outputs}" if self._each_step else "t + 1 == steps ? y : NULL"
        return [
            f"void {p}_reset({p}_state *s)",
            "{",
            "    s->begun = 0;",
            "}",
            "",
            f"void {p}_step({p}_state *s, const {real} *x, {real} *y)",
            "{",
            f"    {p}_run(s, x, y);",
            "}",
            "",
            f"void {p}_predict({p}_state *s, size_t steps, const {real} *x, {real} *y)",
            "{",
            f"    {p}_reset(s);",
            f"    for (size_t t = 0; t < steps; ++t) {p}_run(s, x + t * {self._n_inputs}, {each});",
            "}",
        ]

    def _title(self) -> str:
        n, real = self._network, self._source.real
        layers = " -> ".join(self._layers)
        return _comment(f"{type(n).__name__}: {self._n_inputs} inputs -> {layers}; {real}")

    def header(self) -> str:
        """Return the header."""
        s, p, real = self._source, self._prefix, self._source.real
        big, memory = p.upper(), "state" if self._recurrent else "scratch"
        guard = f"{big}_H"
        lines = [
            f"{_SIGN} {__version__}:",
            f"   {self._title()}",
            "   The same bits as lamina predicts, where the C file is compiled with IEEE arithmetic,",
            "   and without contraction of products and sums (which it tells GCC and Clang; other",
            "   compilers may want an option):",
            "       gcc -O3 -march=native -c ..., link with -lm",
            f"   Constants: {self.const_bytes} bytes; {p}_{memory}: {self.memory_bytes} bytes.",
            f"   Inputs are finite numbers; outputs are {self._meaning()}. */",
            f"#ifndef {guard}",
            f"#define {guard}",
            "",
            *(["#include <stddef.h>", ""] if self._recurrent else []),
            f"#define {big}_INPUTS {self._n_inputs}",
            f"#define {big}_OUTPUTS {self._n_outputs}",
            *([f"#define {big}_CLASSES {len(self._classes)}"] if self._classes else []),
            *([f"#define {big}_WINDOW {self._window}"] if self._window is not None else []),
            *([f"#define {big}_STRIDE {self._model.stride}"] if self._window is not None else []),
            "",
            "#ifdef __cplusplus",
            'extern "C" {',
            "#endif",
            "",
        ]
        if self._classes:
            lines += ["/* The names of the classes, in the order of the outputs. */"]
            lines += [f"extern const char *const {p}_classes[{big}_CLASSES];", ""]
        arrays = [f"    {real} {name}[{size}];" for name, size in s.scratch.items()]
        if self._recurrent:
            carried = [f"    {real} r{name}[{size}];" for name, size in s.carried.items()]
            lines += ["/* What goes on from step to step, and memory for a step: one for each sequence under way. */"]
            lines += ["typedef struct {", "    int begun;", *carried, *arrays, f"}} {p}_state;", ""]
            lines += ["/* Begins a sequence. */", f"void {p}_reset({p}_state *s);"]
            lines += ["/* The prediction for the next step, x[inputs], into y[outputs]. */"]
            lines += [f"void {p}_step({p}_state *s, const {real} *x, {real} *y);"]
            place = "y[steps][outputs], one for each step" if self._each_step else "y[outputs]"
            lines += [
                f"/* The prediction for a whole sequence, x[steps][inputs], of at least one step, into {place}. */"
            ]
            lines += [f"void {p}_predict({p}_state *s, size_t steps, const {real} *x, {real} *y);"]
            lines += self._of_windows()
        else:
            lines += ["/* Memory for a call; nothing in it goes on to the next. */"]
            lines += ["typedef struct {", *arrays, f"}} {p}_scratch;", ""]
            lines += ["/* The prediction for a row, x[inputs], into y[outputs]. */"]
            lines += [f"void {p}_predict(const {real} *x, {real} *y);"]
            lines += ["/* The same with memory of the caller's, where there is no room for it on the stack. */"]
            lines += [f"void {p}_predict_with({p}_scratch *s, const {real} *x, {real} *y);"]
        lines += ["", "#ifdef __cplusplus", "}", "#endif", "", f"#endif /* {guard} */"]
        return "\n".join(lines) + "\n"

    def _of_windows(self) -> list[str]:
        """What the estimator's own `predict` makes of a time series."""
        if self._window is None:
            return []
        p, big = self._prefix, self._prefix.upper()
        ahead = self._model.horizon
        later = f"It tells of {ahead} {'time' if ahead == 1 else 'times'} later. " if ahead else ""
        return [
            f"/* For a time of a series lamina predicts what {p}_predict gives of the window that ends then,",
            f"   {big}_WINDOW rows, {big}_STRIDE times apart, from a new state. {later}{p}_step, which goes on from",
            "   all rows before, gives other numbers. */",
        ]

    def _meaning(self) -> str:
        n = self._network
        link = (
            {"identity": "identity", "logistic": "logistic"}[n.output] if isinstance(n, CascadeNetwork) else n.loss.link
        )
        words = {
            "softmax": "the probabilities of the classes",
            "logistic": "probabilities, each of the second class of two",
            "exponential": "rates",
            "identity": "values",
        }
        return words[link]

    def program(self, stem: str) -> str:
        """Return a program that predicts what comes on its standard input."""
        p, real = self._prefix, self._source.real
        big, form = p.upper(), "%f" if real == "float" else "%lf"
        ending = f"j + 1 < {big}_OUTPUTS ? ' ' : '\\n'"
        show = f'        for (int j = 0; j < {big}_OUTPUTS; ++j) printf("%a%c", (double)y[j], {ending});'
        numbers = "1 number is" if self._n_inputs == 1 else f"{self._n_inputs} numbers are"
        what, count = (
            ("sequence", f"a number of steps, and {numbers.rpartition(' ')[0]} for each, are")
            if self._recurrent
            else ("row", numbers)
        )
        lines = [
            f"{_SIGN}.",
            "   Reads rows of numbers, decimal or hexadecimal, with blanks or new lines between them, and prints each",
            "   prediction exactly, in hexadecimal."
            + (" Before a sequence stands its number of steps. */" if self._recurrent else " */"),
            f'#include "{stem}.h"',
            "",
            "#include <stdio.h>",
            "",
            "static int refused(unsigned long number)",
            "{",
            f'    fprintf(stderr, "{what} %lu: {count} wanted, with blanks between them, no commas\\n", number);',
            "    return 1;",
            "}",
            "",
            "int main(void)",
            "{",
            f"    {real} x[{big}_INPUTS], y[{big}_OUTPUTS];",
            "    unsigned long number = 1;",
            "    int got;",
        ]
        if self._recurrent:
            lines += [
                f"    static {p}_state s;",
                "    unsigned long steps;",
                '    for (; (got = scanf("%lu", &steps)) == 1; ++number) {',
                f"        {p}_reset(&s);",
                "        for (unsigned long t = 0; t < steps; ++t) {",
                f"            for (int j = 0; j < {big}_INPUTS; ++j) {{",
                f'                if (scanf("{form}", &x[j]) != 1) return refused(number);',
                "            }",
                f"            {p}_step(&s, x, y);",
                *(["    " + show] if self._each_step else []),
                "        }",
                *([] if self._each_step else [show]),
                "    }",
            ]
        else:
            lines += [
                f'    for (; (got = scanf("{form}", &x[0])) == 1; ++number) {{',
                f"        for (int j = 1; j < {big}_INPUTS; ++j) {{",
                f'            if (scanf("{form}", &x[j]) != 1) return refused(number);',
                "        }",
                f"        {p}_predict(x, y);",
                show,
                "    }",
            ]
        return "\n".join([*lines, "    return got == EOF ? 0 : refused(number);", "}"]) + "\n"


def _comment(text: str) -> str:
    """A text as it may stand in a comment."""
    plain = text.encode("ascii", "replace").decode().replace("*/", "* /").replace("/*", "/ *")
    return " ".join(plain.replace("\\", "/").split())


def _text(label: str) -> str:
    """A text as C writes it, in UTF-8."""
    out = ""
    for byte in label.encode():
        plain = 32 <= byte < 127 and chr(byte) not in '"\\?'
        out += chr(byte) if plain else f"\\{byte:03o}"
    return f'"{out}"'
