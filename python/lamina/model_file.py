"""Model files of every kind of network: `save`, and `load`, which makes of a file the network that it holds."""

from __future__ import annotations

import reprlib
from typing import Any

from lamina.cascade.network import CascadeNetwork
from lamina.files import FilePath, path_of
from lamina.network.kept import KeptNetwork
from lamina.network.network import Network
from lamina.selection.ensemble import Ensemble
from lamina.storage.container import read, understood
from lamina.storage.forms import Forms
from lamina.storage.parts import ModelFileError, check_described, described
from lamina.training.checkpoint import KIND

__all__ = ["ModelFileError", "architecture_of", "described", "load", "network_from", "save"]

# By what a file's architecture calls it; a network of layers has no name there.
_KINDS: dict[str | None, Any] = {
    None: Network,
    "CascadeNetwork": CascadeNetwork,
    "Ensemble": Ensemble,
    KIND: KeptNetwork,
}
_OF_TABLES = ("TabularClassifier", "TabularRegressor")


def save(net: Any, path: FilePath) -> None:
    """Write `net` to `path`, whole or not at all."""
    net.save(path)


def load(path: FilePath) -> Any:
    """Return the network, the ensemble or the estimator for tables saved at `path`.

    Of a checkpoint (`lamina.callbacks.Checkpoint`) it is the network with the best weights so far, and its `history`.

    Nothing is built, and no more is read than the file's header, before that has shown to be a model's. So a file from
    somebody else may be tried: it takes no more than a few times its own size of memory, and runs no code.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ModelFileError
        It is cut short, altered, not a lamina model, or from a later format.
    """
    contents = read(path, _forms_of)
    with understood(path_of(path)):
        kind = _kind_of(contents.architecture)
        net = kind.from_contents(contents)
        described_there = contents.architecture["of"] if kind is KeptNetwork else contents.architecture
        check_described(described_there, net.architecture())
    return net


def architecture_of(net: Any) -> dict[str, Any]:
    """Return what makes the network, beside its weights, as plain JSON values; TypeError where a part is custom."""
    return dict(net.architecture())


def network_from(architecture: dict[str, Any]) -> Any:
    """Return a network with fresh weights from `architecture_of`'s result."""
    return _kind_of(architecture).from_architecture(architecture)


def _kind_of(architecture: dict[str, Any]) -> Any:
    kind = architecture.get("network")
    if kind in _OF_TABLES:
        from lamina import tabular  # what it needs may not be there, and the others can do without

        return getattr(tabular, kind)
    if kind not in _KINDS:
        raise ModelFileError(f"it names a network {reprlib.repr(kind)} that this version of lamina does not have")
    return _KINDS[kind]


def _forms_of(architecture: dict[str, Any]) -> Forms:
    forms: Forms = _kind_of(architecture).forms_of(architecture)
    return forms
