"""The classes that older pickles look for here."""

from lamina.cascade.growth import CascadeHistory, CascadeStage

__all__ = ["CascadeHistory", "CascadeStage"]
