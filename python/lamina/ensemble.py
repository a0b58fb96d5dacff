"""Ensembles, by their public name."""

from lamina.selection.ensemble import Ensemble, before_link

__all__ = ["Ensemble", "before_link"]
