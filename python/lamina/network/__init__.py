"""Networks of layers: training, prediction, stepping through sequences, saving."""

from lamina.network.network import Network

__all__ = ["Network"]
