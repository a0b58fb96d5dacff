"""Choose the compiled core for this machine.

The core is a library for each instruction-set level (``_levels/v2/liblamina_core.so``, ``v3``, ``v4``; ``native`` where
the machine is not x86-64), and ``lamina._core`` the module that binds it, whatever its level. All these libraries have
one name, by which the module asks for its core: the highest level that is both built and supported is loaded before
the module, which then has it. ``LAMINA_SIMD`` asks for one by name.
"""

import os
import sys
from collections.abc import Callable, Collection
from ctypes import CDLL
from importlib.util import find_spec
from typing import Any

from lamina._cpu import supported_levels

__all__ = ["core", "level", "usable_levels"]

_NAME = "lamina._core"
_LIBRARY = "liblamina_core" + (".dylib" if sys.platform == "darwin" else ".so")


def _libraries() -> dict[str, str]:
    """Return the files of the levels that are built, by level; ImportError where the module is missing."""
    found = find_spec(_NAME)
    if found is None or found.origin is None:
        raise ImportError(f"{_NAME} is missing: lamina was not built, or not installed whole")
    folder = os.path.join(os.path.dirname(found.origin), "_levels")
    levels = os.listdir(folder) if os.path.isdir(folder) else []
    files = {level: os.path.join(folder, level, _LIBRARY) for level in levels}
    return {level: file for level, file in files.items() if os.path.isfile(file)}


def usable_levels() -> tuple[str, ...]:
    """Return the levels that are both built and supported here, the highest last."""
    return tuple(level for level in supported_levels() if level in _libraries())


def _choose(wanted: str | None, supported: tuple[str, ...], built: Collection[str]) -> str:
    """Return the level to load; ImportError where `wanted` or every level is out of reach."""
    usable = [level for level in supported if level in built]
    if wanted in usable or (usable and not wanted):
        return wanted or usable[-1]
    if wanted:
        why = "this build of lamina does not have it" if wanted in supported else "this machine does not support it"
        raise ImportError(f"LAMINA_SIMD={wanted!r}: {why}; usable here: {', '.join(usable) or 'none'}")
    raise ImportError(
        "lamina has no core for this machine: "
        f"it supports the levels {', '.join(supported) or 'none (x86-64-v2, of 2009, is the least)'}, "
        "and none of them is in this build"
    )


_built = _libraries()
_wanted = os.environ.get("LAMINA_SIMD")
level = _choose(_wanted, supported_levels(), _built)
try:
    _library = CDLL(_built[level])
except OSError as error:
    raise ImportError(f"lamina's core cannot be loaded: {error}") from error

from lamina import _core as core  # noqa: E402 (its library is there from here on)

# Where a library that the process has already is not found by its name (musl), or another lamina's was there first.
if core.level != level:
    if _wanted:
        raise ImportError(f"LAMINA_SIMD={_wanted!r}: this process has the core of level {core.level} already")
    level = core.level


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
