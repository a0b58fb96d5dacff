"""Model files of every kind of network: `save`, and `load`, which makes of a file the network that it holds."""

from __future__ import annotations

from typing import Any

from lamina.cascade.network import CascadeNetwork
from lamina.network.network import Network
from lamina.storage.container import read, write
from lamina.storage.parts import ModelFileError, described

__all__ = ["ModelFileError", "architecture_of", "described", "load", "network_from", "save"]

# By what a file's architecture calls it; a network of layers has no name there.
_KINDS: dict[str | None, Any] = {None: Network, "CascadeNetwork": CascadeNetwork}


def save(net: Any, path: Any) -> None:
    """Write `net` to `path`, whole or not at all."""
    write(path, net)


def load(path: Any) -> Any:
    """Return the network saved at `path`.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ModelFileError
        It is cut short, altered, not a lamina model, or from a later format.
    """
    contents = read(path)
    try:
        net = network_from(contents.architecture)
        contents.restore(net)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"{path} does not describe a network that this version of lamina can build: {error}"
        ) from error
    return net


def architecture_of(net: Any) -> dict[str, Any]:
    """Return what makes the network, beside its weights, as plain JSON values; TypeError where a part is custom."""
    return dict(net.architecture())


def network_from(architecture: dict[str, Any]) -> Any:
    """Return a network with fresh weights from `architecture_of`'s result."""
    kind = architecture.get("network")
    if kind not in _KINDS:
        raise ModelFileError(f"the file names a network {kind!r} that this version of lamina does not have")
    return _KINDS[kind].from_architecture(architecture)
