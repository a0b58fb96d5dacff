"""Choose the compiled core for this machine.

The core is built once per instruction-set level (``_core_v2``, ``_core_v3``, ``_core_v4``; ``_core_native`` where the
machine is not x86-64). The highest level that is both built and supported is loaded as the module ``lamina._core``,
so that no pickle, repr or traceback names a level. ``LAMINA_SIMD`` asks for one by name.
"""

import os
import sys
from collections.abc import Callable
from importlib.machinery import ExtensionFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from typing import Any

from lamina._cpu import supported_levels

__all__ = ["core", "level"]

_NAME = "lamina._core"


def _path(level: str) -> str | None:
    """Return the file of the core built for `level`, or None where that level was not built."""
    spec = find_spec(f"{_NAME}_{level}")
    return None if spec is None else spec.origin


def _choose(wanted: str | None, supported: tuple[str, ...]) -> tuple[str, str]:
    """Return the level to load and its file; ImportError where `wanted` or every level is out of reach."""
    for level in (wanted,) if wanted else reversed(supported):
        if level in supported and (path := _path(level)) is not None:
            return level, path
    usable = [level for level in supported if _path(level) is not None]
    if wanted:
        why = "this build of lamina does not have it" if wanted in supported else "this machine does not support it"
        raise ImportError(f"LAMINA_SIMD={wanted!r}: {why}; usable here: {', '.join(usable) or 'none'}")
    raise ImportError(
        "lamina has no core for this machine: "
        f"it supports the levels {', '.join(supported) or 'none (x86-64-v2, of 2009, is the least)'}, "
        "and none of them is in this build"
    )


def _load(path: str) -> None:
    """Load the extension module at `path` under the name that all levels share."""
    spec = spec_from_file_location(_NAME, path, loader=ExtensionFileLoader(_NAME, path))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[_NAME] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[_NAME]
        raise


level, _file = _choose(os.environ.get("LAMINA_SIMD"), supported_levels())
_load(_file)

from lamina import _core as core  # noqa: E402 (it exists from here on)


def _function(method: Callable[[Any], str]) -> Callable[[Any], str]:
    def __repr__(self: Any) -> str:
        return method(self)

    return __repr__


def _set_on_layer(self: Any, name: str, value: Any) -> None:
    """Set an attribute of a subclass; AttributeError says what to do where it is what the layer was made with."""
    known = getattr(type(self), name, None)
    if isinstance(known, property) and known.fset is None:
        raise AttributeError(
            f"{name} of {type(self).__name__} cannot be changed, as a network may be made of the layer: "
            "make a new layer, and of it a new network"
        )
    object.__setattr__(self, name, value)


class _Signature:
    """The signature of a class of the core, made when it is asked for: `inspect` takes longer to import than lamina."""

    def __get__(self, _instance: Any, owner: Any) -> Any:
        from inspect import Parameter, Signature

        kind, without = Parameter.POSITIONAL_OR_KEYWORD, Parameter.empty
        return Signature([Parameter(name, kind, default=(*rest, without)[0]) for name, *rest in owner.__arguments__])


for _class in [value for value in vars(core).values() if isinstance(value, type)]:
    # scikit-learn looks an object's `__repr__` up in a dict, which the core's own kind of method does not bear.
    if "__repr__" in vars(_class):
        _class.__repr__ = _function(vars(_class)["__repr__"])  # type: ignore[assignment, method-assign]
    # cloudpickle takes a class along by value, which the core's cannot be, where the module that it names has not been
    # imported: so a class names one that is there whenever the class is, and not `lamina.activations`.
    if _class.__module__ not in sys.modules:
        _class.__module__ = _NAME
    if "__arguments__" in vars(_class):
        _class.__signature__ = _Signature()  # type: ignore[attr-defined]

for _layer in core.layer_names():
    getattr(core, _layer).__setattr__ = _set_on_layer
