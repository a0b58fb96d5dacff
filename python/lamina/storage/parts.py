"""Layers, activations, losses and initializers as plain JSON values, and back."""

from __future__ import annotations

import reprlib
from typing import Any

from lamina._dispatch import core as _core
from lamina import activations, initializers, losses

__all__ = ["ModelFileError", "check_described", "described", "described_layer", "layer_from"]

# The parameters of layers that are no plain values, by the end of their names, and what makes them of what is saved.
_REGISTRIES: dict[str, Any] = {"activation": activations, "initializer": initializers}


class ModelFileError(ValueError):
    """The file is not a lamina model, or not whole."""


def described(part: Any) -> dict[str, Any]:
    """Return an activation, a loss or an initializer as JSON values; TypeError where it is a custom one."""
    if getattr(part, "is_custom", False):
        kind = "loss" if isinstance(part, losses.LossFunction) else "activation"
        raise TypeError(
            f"the custom {kind} {part.name!r} cannot be saved: a model file holds numbers, not code. Keep the network "
            "by pickle.dumps(net), with functions that can be imported"
        )
    return {"name": part.name, **part.params}


def described_layer(layer: Any) -> dict[str, Any]:
    """Return a layer as JSON values; TypeError where a part of it is custom."""
    return {"layer": type(layer).__name__, **{name: _plain(value) for name, value in layer.params.items()}}


def _plain(value: Any) -> Any:
    if hasattr(value, "params"):
        return described(value)
    return list(value) if isinstance(value, tuple) else value


def layer_from(entry: dict[str, Any]) -> Any:
    """Return the layer that `described_layer` described; ModelFileError where there is no such layer."""
    params = dict(entry)
    layer = params.pop("layer")
    if layer not in _core.layer_names():
        raise ModelFileError(f"it names a layer {reprlib.repr(layer)} that this version of lamina does not have")
    for key, value in params.items():
        if isinstance(value, dict):
            params[key] = _REGISTRIES[key.rpartition("_")[2]].get(**value)
    return getattr(_core, layer)(**params)


def check_described(given: Any, made: Any, where: str = "architecture") -> None:
    """Raise ValueError unless what was `made` of a description describes itself as it was `given`.

    What `given` leaves out has its default: a file may be older than a parameter.
    """
    if isinstance(given, dict) and isinstance(made, dict):
        for key, value in given.items():
            if key not in made:
                raise ValueError(f"{where} has {reprlib.repr(key)}, which belongs to nothing")
            check_described(value, made[key], f"{where}[{key!r}]")
    elif isinstance(given, list) and isinstance(made, (list, tuple)) and len(given) == len(made):
        for i, (value, other) in enumerate(zip(given, made, strict=True)):
            check_described(value, other, f"{where}[{i}]")
    elif isinstance(given, bool) != isinstance(made, bool) or (given != made and not (given != given and made != made)):
        raise ValueError(f"{where} cannot be {reprlib.repr(given)}")
