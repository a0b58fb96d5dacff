"""The network that a checkpoint holds."""

from __future__ import annotations

from typing import Any

from lamina.network.network import Network
from lamina.storage.container import Contents
from lamina.storage.forms import Forms
from lamina.training.checkpoint import KeptFit

__all__ = ["KeptNetwork"]


class KeptNetwork:
    """What `lamina.load` makes of a checkpoint: a `Network`, as the fit would leave it if it ended there."""

    @staticmethod
    def forms_of(architecture: dict[str, Any]) -> Forms:
        """Return what arrays the checkpoint has; nothing is built."""
        return KeptFit.forms_of(architecture)

    @staticmethod
    def from_architecture(architecture: dict[str, Any]) -> Network:
        """Return the network with fresh weights."""
        return Network.from_architecture(architecture["of"])

    @classmethod
    def from_contents(cls, contents: Contents) -> Network:
        """Return the network with the best weights so far, and the history."""
        kept = KeptFit.of(contents)
        net = cls.from_architecture(contents.architecture)
        left = kept.left()
        if "parameters" in left:
            net.core.flat_parameters[:] = left["parameters"]
        if "state" in left:
            net.core.flat_state[:] = left["state"]
        net.set_scales(kept.state["scales"])
        net.metadata = dict(kept.metadata)
        net.history = kept.history()
        net.core.data_start_due = False
        return net
