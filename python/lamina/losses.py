"""The registry of losses: names, look-up by name, and what each one is."""

from typing import Any

from lamina._dispatch import core as _core
from lamina._core import LossFunction

__all__ = ["LossFunction", "describe", "get", "names"]


def names() -> list[str]:
    """Return every name there is; aliases resolve to these."""
    return list(_core.loss_names())


def get(name: "str | LossFunction", **params: Any) -> "LossFunction":
    """Return the loss called `name`, or `name` itself where it is a loss object already.

    Parameters are those that `describe()` lists for it. ValueError lists the nearest names for a typo and names a
    parameter out of bounds; TypeError names an unknown parameter.
    """
    if isinstance(name, LossFunction):
        return name
    if not isinstance(name, str):
        raise TypeError(f"loss must be a name or a loss; got {type(name).__name__}")
    return _core.loss_get(name, **params)


def describe() -> list[dict[str, Any]]:
    """Return a dict for each entry: name, aliases, formula, source, and parameters with their defaults and docs."""
    return list(_core.loss_describe())
