"""Write the type stubs: _core.pyi from the compiled core's own signatures, __init__.pyi from the tables of names.

python tools/write_stubs.py            # after a change of the bindings or a registry
python tools/write_stubs.py --check    # exit status 1 where the files are out of date
"""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import lamina
from lamina._dispatch import core

PACKAGE = Path(__file__).parents[1] / "python" / "lamina"
HEADER = '''"""The compiled core. Written by tools/write_stubs.py; do not edit."""

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

'''
# What pybind11 writes, and what a reader would.
SIMPLER = [
    (r"typing\.SupportsInt \| typing\.SupportsIndex", "int"),
    (r"typing\.SupportsFloat \| typing\.SupportsIndex", "float"),
    (r"typing\.Annotated\[numpy\.typing\.ArrayLike, ([\w.]+)[^\]]*\]", "NDArray[Any]"),
    (r"numpy\.typing\.NDArray\[[\w.]+\]", "NDArray[Any]"),
    (r"collections\.abc\.(Callable|Sequence)", r"\1"),
    (r"lamina\.(?:\w+\.)*(\w+)", r"\1"),
    (r"numpy\.ndarray", "NDArray[Any]"),
    (r"lamina::[\w:]+ \| ", ""),
    (r"= (\[?<[^>]*>\]?|[\w.]+\([^)]*\))", "= ..."),
    (r"\bobject\b", "Any"),
    (r"\b(list|dict|tuple)\b(?!\[)", r"\1[Any]"),
    (r"str \| Any", "Any"),
    (r"dict\[Any\]", "dict[str, Any]"),
    (r"tuple\[Any\]", "tuple[Any, ...]"),
    (r"\*\*kwargs(?!:)", "**kwargs: Any"),
    (r"\*args(?!:)", "*args: Any"),
    (r"(\(|, )(arg\d+)", r"\1_\2"),
]


def signature(function, own_class=None):
    """The first signature of a pybind11 docstring, as text for a stub."""
    text = next((line for line in (function.__doc__ or "").splitlines() if re.match(r"\w+\(", line)), None)
    if text is None or "(*args, **kwargs)" in text:
        return None
    text = re.sub(r"\(self: [\w.:]+", "(self", text)
    for pattern, simple in SIMPLER:
        text = re.sub(pattern, simple, text)
    return text


def class_stub(name, kind):
    lines = [f"class {name}:"]
    for member, value in vars(kind).items():
        static = isinstance(value, staticmethod)
        function = value.__func__ if static else value
        if member in ("__init__", "__call__") or (callable(function) and not member.startswith("_")):
            returns = "None" if member == "__init__" else "Any"
            text = (
                signature(function) or f"{member}({'' if static else 'self, '}*args: Any, **kwargs: Any) -> {returns}"
            )
            lines += ["    @staticmethod"] * static + [f"    def {text}: ..."]
        elif isinstance(value, property):
            returned = re.search(r"-> (.+)$", value.fget.__doc__ or "", re.MULTILINE)
            kind_of = "Any"
            if returned:
                kind_of = returned[1]
                for pattern, simple in SIMPLER:
                    kind_of = re.sub(pattern, simple, kind_of)
            lines += ["    @property", f"    def {member}(self) -> {kind_of}: ..."]
            if value.fset is not None:
                lines += [f"    @{member}.setter", f"    def {member}(self, value: Any) -> None: ..."]
        elif isinstance(value, bool):
            lines.append(f"    {member}: bool")
    if len(lines) == 1:
        lines.append("    pass")
    return "\n".join(lines)


def core_stub():
    public = [
        *core.layer_names(),
        *core.optimizer_names(),
        *core.solver_names(),
        *core.clipping_names(),
        *core.schedule_names(),
    ]
    parts = [HEADER, f"__all__ = {sorted(name for name in public if hasattr(core, name))!r}\n"]
    for name, value in sorted(vars(core).items()):
        if name.startswith("__"):
            continue
        if inspect.isclass(value):
            parts.append(class_stub(name, value) + "\n")
        elif callable(value):
            parts.append(f"def {signature(value) or f'{name}(*args: Any, **kwargs: Any) -> Any'}: ...\n")
        else:
            parts.append(f"{name}: {type(value).__name__}\n")
    return "\n".join(parts)


def package_stub():
    lines = ['"""Neural networks on a CPU. Written by tools/write_stubs.py; do not edit."""\n']
    lines += [f"from lamina import {name} as {name}" for name in sorted(lamina._SUBMODULES)]
    lines += [f"from lamina._core import {name} as {name}" for name in sorted(lamina._CORE_CLASSES)]
    lines += [f"from lamina.{home} import {name} as {name}" for name, home in sorted(lamina._HOMES.items())]
    return "\n".join(lines)


def formatted(text, name):
    for command in (["check", "--select", "I,F401,RUF022", "--fix-only"], ["format"]):
        command = [sys.executable, "-m", "ruff", *command, "--quiet", "--stdin-filename", str(PACKAGE / name), "-"]
        text = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    return text


if __name__ == "__main__":
    stubs = {"_core.pyi": core_stub(), "__init__.pyi": package_stub()}
    for name, text in stubs.items():
        path, new = PACKAGE / name, formatted(text, name)
        if "--check" not in sys.argv[1:]:
            path.write_text(new)
        elif not path.is_file() or path.read_text() != new:
            sys.exit(f"{name} is out of date: run {sys.argv[0]}")
