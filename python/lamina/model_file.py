"""Model files, by their public name."""

from lamina.network.model_file import ModelFileError, architecture_of, described, load, network_from, save

__all__ = ["ModelFileError", "architecture_of", "described", "load", "network_from", "save"]
