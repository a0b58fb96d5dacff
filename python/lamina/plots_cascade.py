"""Pictures of networks that grow, by their public name."""

from lamina.plots.cascade import diagram, growth, surfaces

__all__ = ["diagram", "growth", "surfaces"]
