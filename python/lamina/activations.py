"""The registry of activations: names, look-up by name, and what each one is."""

from typing import Any

from lamina._dispatch import core as _core
from lamina._core import ActivationFunction

__all__ = ["ActivationFunction", "describe", "get", "names"]


def names() -> list[str]:
    """Return every name there is; aliases resolve to these."""
    return list(_core.activation_names())


def get(name: "str | ActivationFunction", **params: Any) -> "ActivationFunction":
    """Return the activation called `name`, or `name` itself where it is an activation object already.

    Parameters are those that `describe()` lists for it. ValueError lists the nearest names for a typo and names a
    parameter out of bounds; TypeError names an unknown parameter.
    """
    if isinstance(name, ActivationFunction):
        return name
    if not isinstance(name, str):
        raise TypeError(f"activation must be a name or an activation; got {type(name).__name__}")
    return _core.activation_get(name, **params)


def describe() -> list[dict[str, Any]]:
    """Return a dict for each entry: name, aliases, formula, source, and parameters with their defaults and docs."""
    return list(_core.activation_describe())
