"""The class that pickles of lamina 0.1 look for here."""

from lamina.selection.search_result import SearchResult

__all__ = ["SearchResult"]
