"""Networks for other programs: files that need no lamina to predict."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamina.export.c_file import CFiles as CFiles
    from lamina.export.c_file import c as c
    from lamina.export.onnx_file import onnx as onnx

# By the function: the module that has it, imported when it is first asked for.
_HOMES = {
    "CFiles": "c_file",
    "c": "c_file",
    "onnx": "onnx_file",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lamina.export' has no attribute {name!r}")
    value = getattr(import_module(f"lamina.export.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
