"""What a search draws from, by its public name."""

from lamina.selection.space import Choice, Range, candidates, integer, loguniform, uniform

__all__ = ["Choice", "Range", "candidates", "integer", "loguniform", "uniform"]
