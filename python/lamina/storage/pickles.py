"""Pickles that tell which version of lamina made them, and warn where another one reads them."""

from __future__ import annotations

import warnings
from typing import Any

from lamina.runtime import __version__

__all__ = ["VersionWarning", "with_version", "without_version"]

_KEY = "lamina_version"


class VersionWarning(UserWarning):
    """A pickle was made by another version of lamina. A model file, of `save`, is read by later ones."""


def with_version(state: dict[str, Any]) -> dict[str, Any]:
    """Return what is pickled of an object, with the version that does so."""
    return {**state, _KEY: __version__}


def without_version(state: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return what was pickled of a `kind` of object; warn the caller's caller where another version did so."""
    state = dict(state)
    version = state.pop(_KEY, None)
    if version != __version__:
        made = "an earlier version" if version is None else f"version {version}"
        warnings.warn(
            f"this {kind} was pickled by {made} of lamina, and this is version {__version__}: it may not be the same "
            "network here. `save` and `lamina.load` keep a model between versions",
            VersionWarning,
            stacklevel=3,
        )
    return state
