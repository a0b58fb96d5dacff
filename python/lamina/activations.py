"""The registry of activations: names, look-up by name, and what each one is; and activations of your own."""

from collections.abc import Callable
from typing import Any

from lamina._dispatch import core as _core
from lamina._core import ActivationFunction

__all__ = ["ActivationFunction", "custom", "describe", "get", "names"]


def __dir__() -> list[str]:
    return sorted(__all__)


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
        none = ", which is 'identity' here" if name is None else ""
        raise TypeError(f"activation must be a name or an activation; got {type(name).__name__}{none}")
    return _core.activation_get(name, **params)


def describe() -> list[dict[str, Any]]:
    """Return a dict for each entry: name, aliases, formula, source, and parameters with their defaults and docs."""
    return list(_core.activation_describe())


def custom(value: Callable[[Any], Any], derivative: Callable[[Any], Any], name: str = "custom") -> "ActivationFunction":
    """Return an activation made of two Python functions, to use wherever a built-in one goes.

    Slower than a built-in one: every block of rows is copied, and the functions run one at a time however many threads
    there are. `lamina.check_gradients` tells whether `derivative` belongs to `value`.

    Parameters
    ----------
    value, derivative : callable
        f and f', element by element: each gets a NumPy array of any shape, of the network's dtype and its own to keep,
        and returns one of the same shape. For threads, batches and neighbours not to change a result, an element must
        not depend on the others. What a function raises comes out of the call that needed it; a fit that it ends keeps
        the best weights so far (those it began with, when no epoch was done).
    name : str, default "custom"
        For printing and messages; not a name of the registry.

    Examples
    --------
    >>> def sine_derivative(x):
    ...     return np.cos(x)
    >>> sine = lamina.activations.custom(np.sin, sine_derivative, name="sine")
    >>> lamina.Network([lamina.Dense(8, activation=sine), lamina.Dense(1)], n_inputs=4)

    Notes
    -----
    A network with a custom part is kept by ``pickle`` (for which the functions have to be importable), not by ``save``.
    """
    return _core.activation_custom(free_name(name, names()), {"value": value, "derivative": derivative})


def free_name(name: str, taken: list[str]) -> str:
    """Return `name`; TypeError where it is no text, ValueError where it is empty or `taken`."""
    if not isinstance(name, str):
        raise TypeError(f"name must be a str; got {type(name).__name__}")
    if not name or name in taken:
        raise ValueError(f"name must be one that is not in names(), and not empty; got {name!r}")
    return name
