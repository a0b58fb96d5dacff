"""The registry of metrics, which the core takes of predictions: names, and what each one is."""

from typing import Any

from lamina._dispatch import core as _core

__all__ = ["describe", "names"]


def __dir__() -> list[str]:
    return sorted(__all__)


def names() -> list[str]:
    """Return every name there is; aliases resolve to these."""
    return list(_core.metric_names())


def describe() -> list[dict[str, Any]]:
    """Return a dict for each entry: name, aliases, formula, source, and whether greater is better."""
    return list(_core.metric_describe())
