"""The class that older pickles look for here."""

from lamina.selection.search_result import SearchResult

__all__ = ["SearchResult"]
