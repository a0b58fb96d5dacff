"""Model files: safetensors with the architecture as JSON in the metadata, readable without lamina.

The metadata has one entry, ``lamina``: JSON with ``format_version``, ``architecture``, ``user`` and ``checksum``, a
SHA-256 over all of it and every array, so that a file that was cut short, altered or made by something else is refused.
(One entry, because safetensors writes several in no fixed order, and equal models shall be equal files.)
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from lamina.data.arrays import Array
from lamina.storage.parts import ModelFileError

__all__ = ["Contents", "Storable", "read", "write"]

_KEY = "lamina"
_VERSION = 1


class Storable(Protocol):
    """A network of any kind, as far as a model file goes."""

    metadata: dict[str, str]
    input_normalization: Any

    @property
    def parameters(self) -> Mapping[str, Array]:
        """Writable views by name."""

    def architecture(self) -> dict[str, Any]:
        """Return what makes the network, beside its weights, as plain JSON values."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a model file holds.

    Attributes
    ----------
    architecture : dict
        What makes the network, beside its weights, as plain JSON values.
    arrays : dict
        The parameters by name; with normalised inputs ``input.mean`` and ``input.scale``.
    metadata : dict
        The user's own strings by name.
    """

    architecture: dict[str, Any]
    arrays: dict[str, Array]
    metadata: dict[str, str]

    @classmethod
    def of(cls, net: Storable) -> Contents:
        """Return what a file of `net` holds; TypeError where a part of it is custom."""
        arrays = {name: np.ascontiguousarray(view) for name, view in net.parameters.items()}
        if net.input_normalization is not None:
            arrays["input.mean"], arrays["input.scale"] = net.input_normalization
        return cls(net.architecture(), arrays, {str(k): str(v) for k, v in net.metadata.items()})

    def restore(self, net: Storable) -> None:
        """Give a network of this architecture what else the file holds; KeyError where an array is missing."""
        for name, view in net.parameters.items():
            view[...] = self.arrays[name]
        if "input.mean" in self.arrays:
            net.input_normalization = (self.arrays["input.mean"], self.arrays["input.scale"])
        net.metadata = dict(self.metadata)


def _checksum(description: dict[str, Any], tensors: dict[str, Any]) -> str:
    described = {key: value for key, value in description.items() if key != "checksum"}
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def write(path: Any, net: Storable) -> None:
    """Write `net` to `path`: to a file beside it first, then moved in place, so that no half-written file is left."""
    from safetensors.numpy import save as to_bytes

    contents = Contents.of(net)
    description: dict[str, Any] = {
        "format_version": _VERSION,
        "architecture": contents.architecture,
        "user": contents.metadata,
    }
    description["checksum"] = _checksum(description, contents.arrays)
    target = Path(path)
    if not target.absolute().parent.is_dir():
        raise FileNotFoundError(f"path must lie in a folder that exists; got {str(path)!r}")
    data = to_bytes(contents.arrays, {_KEY: json.dumps(description)})
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def read(path: Any) -> Contents:
    """Return what the file at `path` holds.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ModelFileError
        It is cut short, altered, not a lamina model, or from a later format.
    """
    from safetensors import SafetensorError, safe_open

    with open(path, "rb"):  # a missing or unreadable file keeps its own error
        pass
    try:
        with safe_open(os.fspath(path), framework="np") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise ModelFileError(f"{path} is not a whole safetensors file: {error}") from error
    description = _description(metadata, path)
    if description.get("checksum") != _checksum(description, arrays):
        raise ModelFileError(f"{path} was altered or damaged: its checksum does not match")
    if not {"architecture", "user"} <= description.keys():
        raise ModelFileError(f"{path} does not describe a network")
    return Contents(description["architecture"], arrays, description["user"])


def _description(metadata: dict[str, str], path: Any) -> dict[str, Any]:
    if _KEY not in metadata:
        raise ModelFileError(f"{path} is a safetensors file, but not a lamina model")
    try:
        description = json.loads(metadata[_KEY])
        version = description["format_version"]
    except (ValueError, TypeError, KeyError) as error:
        raise ModelFileError(f"{path} was altered or damaged: its description cannot be read") from error
    if version != _VERSION:
        raise ModelFileError(f"{path} has format {version}; this lamina reads {_VERSION}")
    return dict(description)
