"""The layers, as in ``lamina.Dense``; ``describe()`` says what each computes."""

from typing import TYPE_CHECKING, Any

from lamina._dispatch import core as _core

if TYPE_CHECKING:
    from lamina._core import *  # noqa: F403

globals().update({name: getattr(_core, name) for name in _core.layer_names()})
__all__ = ["describe", "names", *_core.layer_names()]


def __dir__() -> list[str]:
    return sorted(__all__)


def names() -> list[str]:
    """Return the class name of every layer."""
    return list(_core.layer_names())


def describe() -> list[dict[str, Any]]:
    """Return a dict for each layer: name, formula, source, and parameters with their defaults and docs."""
    return list(_core.layer_describe())
