"""Sequences step by step: one more step of those under way, and what they carry from step to step."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.data.arrays import Array, check_finite, in_type, to_array
from lamina.data.records import SampleSpec

__all__ = ["set_state", "state", "step"]


def step(core: Any, spec: SampleSpec, x: Any) -> Array:
    """Return the predictions for the next step of each sequence."""
    if not spec.recurrent:
        raise ValueError("step needs a network with a Recurrent layer; use predict")
    array = x if type(x) is np.ndarray and x.dtype == spec.dtype else to_array(x, "x")
    if array.ndim not in (1, 2) or array.shape[-1] != spec.n_inputs or array.shape[0] == 0:
        raise ValueError(
            f"x must be ({spec.n_inputs},), or (sequences, {spec.n_inputs}) for several side by side; got {array.shape}"
        )
    rows = _checked(array if array.ndim == 2 else array[None], spec.dtype, "x")
    under_way = core.sequences_under_way
    if under_way not in (0, len(rows)):
        raise ValueError(f"x must go on with the {under_way} sequences under way; got {len(rows)}: reset_state() first")
    out: Array = core.step(rows, True)
    return out if array.ndim == 2 else out[0]


def state(core: Any) -> list[Array] | None:
    """Return what the sequences under way carry, an array (sequences, outputs of the layer) a recurrent layer."""
    flat = core.state
    if flat is None:
        return None
    n = core.sequences_under_way
    parts = np.split(flat, np.cumsum([n * size for size in core.state_sizes])[:-1])
    return [part.reshape(n, -1) for part in parts]


def set_state(core: Any, value: Any, dtype: np.dtype[Any]) -> None:
    """Put sequences under way where `state` had them; None forgets them."""
    if value is None:
        core.reset_state()
        return
    arrays = [to_array(part, "state") for part in value]
    n, sizes = len(arrays[0]) if arrays and arrays[0].ndim == 2 else 0, core.state_sizes
    if not sizes or n == 0 or [a.shape for a in arrays] != [(n, size) for size in sizes]:
        raise ValueError(
            f"state must hold an array (sequences, size) for each recurrent layer, of sizes {sizes}; "
            f"got shapes {[a.shape for a in arrays]}"
        )
    core.state = (n, np.concatenate([_checked(a, dtype, "state").reshape(-1) for a in arrays]))


def _checked(array: Array, dtype: np.dtype[Any], name: str) -> Array:
    """Return it in the network's type; what is of that type already is for the core to check."""
    out = in_type(array, dtype)
    if array.dtype != dtype:
        check_finite(out, name, array)
    return out
