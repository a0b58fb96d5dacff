"""Networks for other programs: files that need no lamina to predict."""

from importlib import import_module
from typing import Any

__all__ = ["onnx"]

_HOMES = {"onnx": "onnx_file"}  # imported when first asked for


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lamina.export' has no attribute {name!r}")
    value = getattr(import_module(f"lamina.export.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
