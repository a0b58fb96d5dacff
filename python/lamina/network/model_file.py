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
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from lamina._dispatch import core as _core
from lamina import activations, initializers, losses
from lamina.network.network import Network

__all__ = ["ModelFileError", "load", "save"]

_KEY = "lamina"
_VERSION = 1
# Networks of another kind than a list of layers, and the modules that know them: `architecture_of` and `network_from`.
_KINDS = {"CascadeNetwork": "lamina.cascade.conversion"}
_REGISTRIES: dict[str, Any] = {
    "activation": activations,
    "output_activation": activations,
    "initializer": initializers,
    "recurrent_initializer": initializers,
}


class ModelFileError(ValueError):
    """The file is not a lamina model, or not whole."""


def architecture_of(net: Any) -> dict[str, Any]:
    """Return what makes the network, beside its weights, as plain JSON values; TypeError where a part is custom."""
    kind = type(net).__name__
    if kind in _KINDS:
        return {"network": kind, **import_module(_KINDS[kind]).architecture_of(net)}
    return {
        "layers": [{"layer": type(layer).__name__, **_plain(layer.params)} for layer in net.layers],
        "n_inputs": net.n_inputs,
        "loss": described(net.loss),
        "dtype": net.dtype.name,
        "seed": net.seed,
        "normalize_inputs": net.normalize_inputs,
    }


def described(part: Any) -> dict[str, Any]:
    """Return an activation, a loss or an initialiser as JSON values; TypeError where it is a custom one."""
    if getattr(part, "is_custom", False):
        kind = "loss" if isinstance(part, losses.LossFunction) else "activation"
        raise TypeError(
            f"the custom {kind} {part.name!r} cannot be saved: a model file holds numbers, not code. Keep the network "
            "by pickle.dumps(net), with functions that can be imported"
        )
    return {"name": part.name, **part.params}


def _plain(params: dict[str, Any]) -> dict[str, Any]:
    return {k: described(v) if hasattr(v, "params") else v for k, v in params.items()}


def network_from(architecture: dict[str, Any]) -> Any:
    """Return a network with fresh weights from `architecture_of`'s result."""
    kind = architecture.get("network")
    if kind is not None:
        if kind not in _KINDS:
            raise ModelFileError(f"the file names a network {kind!r} that this version of lamina does not have")
        return import_module(_KINDS[kind]).network_from(architecture)
    layers = []
    for entry in architecture["layers"]:
        params = dict(entry)
        layer = params.pop("layer")
        if layer not in _core.layer_names():
            raise ModelFileError(f"the file names a layer {layer!r} that this version of lamina does not have")
        for key, registry in _REGISTRIES.items():
            if key in params:
                params[key] = registry.get(**params[key])
        layers.append(getattr(_core, layer)(**params))
    return Network(
        layers,
        architecture["n_inputs"],
        losses.get(**architecture["loss"]),
        architecture["dtype"],
        architecture["seed"],
        architecture["normalize_inputs"],
    )


def _checksum(description: dict[str, Any], tensors: dict[str, Any]) -> str:
    described = {key: value for key, value in description.items() if key != "checksum"}
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def save(net: Any, path: Any) -> None:
    """Write `net` to `path`: to a file beside it first, then moved in place, so that no half-written file is left."""
    from safetensors.numpy import save as to_bytes

    tensors = {name: np.ascontiguousarray(view) for name, view in net.parameters.items()}
    if net.input_normalization is not None:
        tensors["input.mean"], tensors["input.scale"] = net.input_normalization
    description: dict[str, Any] = {
        "format_version": _VERSION,
        "architecture": architecture_of(net),
        "user": {str(k): str(v) for k, v in net.metadata.items()},
    }
    description["checksum"] = _checksum(description, tensors)
    target = Path(path)
    if not target.absolute().parent.is_dir():
        raise FileNotFoundError(f"path must lie in a folder that exists; got {str(path)!r}")
    data = to_bytes(tensors, {_KEY: json.dumps(description)})
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


def load(path: Any) -> Any:
    """Return the network saved at `path`.

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
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise ModelFileError(f"{path} is not a whole safetensors file: {error}") from error
    description = _description(metadata, path)
    if description.get("checksum") != _checksum(description, tensors):
        raise ModelFileError(f"{path} was altered or damaged: its checksum does not match")
    try:
        net = network_from(description["architecture"])
        views = net.parameters
        for name, view in views.items():
            view[...] = tensors[name]
        if "input.mean" in tensors:
            net.input_normalization = (tensors["input.mean"], tensors["input.scale"])
        net.metadata = dict(description["user"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"{path} does not describe a network that this version of lamina can build: {error}"
        ) from error
    return net


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
