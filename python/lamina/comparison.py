"""A network beside other learners, by its public name."""

from lamina.selection.comparison import Comparison, compare

__all__ = ["Comparison", "compare"]
