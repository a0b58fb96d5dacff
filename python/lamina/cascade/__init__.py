"""Cascade-correlation: networks that grow their hidden units one by one (Fahlman and Lebiere, 1990)."""

from lamina.cascade.growth import CascadeHistory, CascadeStage
from lamina.cascade.network import CascadeNetwork

__all__ = ["CascadeHistory", "CascadeNetwork", "CascadeStage"]
