"""The registry of initializers: names, look-up by name, and what each one is."""

from typing import Any

from lamina._dispatch import core as _core
from lamina._core import InitializerFunction

__all__ = ["InitializerFunction", "describe", "get", "names"]


def __dir__() -> list[str]:
    return sorted(__all__)


def names() -> list[str]:
    """Return every name there is; aliases resolve to these."""
    return list(_core.initializer_names())


def get(name: "str | InitializerFunction", **params: Any) -> "InitializerFunction":
    """Return the initializer called `name`, or `name` itself where it is an initializer object already.

    Parameters are those that `describe()` lists for it. ValueError lists the nearest names for a typo and names a
    parameter out of bounds; TypeError names an unknown parameter.
    """
    if isinstance(name, InitializerFunction):
        return name
    if not isinstance(name, str):
        raise TypeError(f"initializer must be a name or an initializer; got {type(name).__name__}")
    return _core.initializer_get(name, **params)


def describe() -> list[dict[str, Any]]:
    """Return a dict for each entry: name, aliases, formula, source, and parameters with their defaults and docs."""
    return list(_core.initializer_describe())
