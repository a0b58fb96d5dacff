"""The classes that pickles of lamina 0.1 look for here."""

from lamina.cascade.growth import CascadeHistory, CascadeStage

__all__ = ["CascadeHistory", "CascadeStage"]
