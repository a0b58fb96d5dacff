"""Ensembles, by their public name."""

from lamina.selection.ensemble import Ensemble
from lamina.training.scoring import before_link

__all__ = ["Ensemble", "before_link"]
