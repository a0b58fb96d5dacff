"""The choice of hyper-parameters by validation, by its public name."""

from lamina.selection.search import search

__all__ = ["search"]
