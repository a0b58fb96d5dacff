"""The layers, as in ``lamina.Dense``; ``describe()`` says what each computes."""

from typing import Any

from lamina._dispatch import core as _core
from lamina._core import Activation, BatchNorm, Dense, Dropout

__all__ = ["Activation", "BatchNorm", "Dense", "Dropout", "describe", "names"]


def names() -> list[str]:
    """Return the class name of every layer."""
    return list(_core.layer_names())


def describe() -> list[dict[str, Any]]:
    """Return a dict for each layer: name, formula, source, and parameters with their defaults and docs."""
    return list(_core.layer_describe())
