"""The registry of losses: names, look-up by name, and what each one is; and losses of your own."""

from collections.abc import Callable
from typing import Any

from lamina._dispatch import core as _core
from lamina._core import LossFunction
from lamina.activations import free_name

__all__ = ["LossFunction", "custom", "describe", "get", "names"]


def __dir__() -> list[str]:
    return sorted(__all__)


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


def custom(
    value: Callable[[Any, Any], Any],
    derivative: Callable[[Any, Any], Any],
    name: str = "custom",
    link: str = "identity",
    targets: str = "real",
) -> "LossFunction":
    """Return a loss made of two Python functions, to use wherever a built-in one goes.

    Slower than a built-in one: every block of rows is copied, and the functions run one at a time however many threads
    there are. `lamina.check_gradients` tells whether `derivative` belongs to `value`.

    Parameters
    ----------
    value : callable
        Gets the raw outputs and the targets, both (rows, outputs), NumPy arrays of the network's dtype and its own to
        keep; returns the loss of each row, (rows,). A row must not depend on the others; weights of rows are applied to
        what it returns, and the batch's loss is the weighted mean.
    derivative : callable
        Gets the same; returns d loss / d raw outputs of each row, (rows, outputs), the link's derivative included.
    name : str, default "custom"
        For printing and messages; not a name of the registry.
    link : {"identity", "softmax", "logistic", "exponential"}, default "identity"
        What `predict` makes of the raw outputs; `value` and `derivative` get them as they are.
    targets : {"real", "count", "classes", "binary"}, default "real"
        What `fit` accepts as y: any numbers, non-negative ones, class labels (which the functions get as rows of zeros
        with a one), or 0 and 1.

    Notes
    -----
    Errors and saving are as for `lamina.activations.custom`.
    """
    params = {"value": value, "derivative": derivative, "link": link, "targets": targets}
    return _core.loss_custom(free_name(name, names()), params)
