"""Sequences as users have them, made into arrays as the core wants them: (samples, steps, features) and lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina._dispatch import core as _core
from lamina.data import arrays as _data
from lamina.data.arrays import Array

if TYPE_CHECKING:
    from lamina.network.takes_sequences import TakesSequences


def pad(sequences: Sequence[Any]) -> tuple[Array, Array]:
    """Return sequences of different lengths as one array, zeros beyond their ends, and the lengths for ``lengths=``.

    Parameters
    ----------
    sequences : sequence of array-like
        Each (steps,) or (steps, features), with as many features as the others.

    Returns
    -------
    (n, most steps) or (n, most steps, features), and (n,)
    """
    arrays = [_data.to_array(value, f"sequences[{i}]") for i, value in enumerate(sequences)]
    if not arrays:
        raise ValueError("sequences must hold at least one; got none")
    for i, array in enumerate(arrays):
        if array.ndim not in (1, 2) or array.shape[0] == 0 or array.shape[1:] != arrays[0].shape[1:]:
            raise ValueError(
                f"sequences[{i}] must be (steps,) or (steps, features), with at least one step and as many features as "
                f"the first; got shape {array.shape}"
            )
    lengths = np.array([len(array) for array in arrays], np.int32)
    out = np.zeros((len(arrays), lengths.max(), *arrays[0].shape[1:]), np.result_type(*arrays))
    for row, array in zip(out, arrays, strict=True):
        row[: len(array)] = array
    return out, lengths


def samples(
    net: TakesSequences, X: Any, y: Any, sample_weight: Any, which: str, lengths: Any
) -> tuple[Array, Array, Array | None]:
    """Return x, targets and weights; where every step has outputs, the last two have an entry for every row of x."""
    x = inputs(net, X, lengths, f"{which}X")
    n, steps = x.shape[:2]
    name, weight_name = f"{which}y", f"{which}sample_weight".replace(" ", "_")
    if not net._core.each_step:
        t = _data.targets(y, n, int(net._core.n_outputs), net._loss, net._dtype, name)
        return x, t, _data.weights(sample_weight, n, net._dtype, weight_name)
    array = _data.to_array(y, name)
    if array.ndim not in (2, 3) or array.shape[:2] != (n, steps):
        raise ValueError(
            f"{name} must be ({n}, {steps}) or ({n}, {steps}, {net._core.n_outputs}), as the last Recurrent has "
            f"return_sequences=True; got shape {array.shape}"
        )
    rows = row_numbers(n, steps, None, checked_lengths(lengths, n, steps, which))
    if array.dtype.kind == "f":
        _check_finite(array, lengths, name)
    array = array.reshape(n * steps, *array.shape[2:])
    t = _data.targets(
        array if rows is None else array[rows],
        len(array) if rows is None else len(rows),
        int(net._core.n_outputs),
        net._loss,
        net._dtype,
        name,
    )
    weights = None if sample_weight is None else _data.to_array(sample_weight, weight_name)
    if weights is not None and weights.shape == (n,):
        weights = np.repeat(weights, steps)
    elif weights is not None and weights.shape == (n, steps):
        weights = weights.reshape(-1)
    elif weights is not None:
        raise ValueError(f"{weight_name} must be ({n},) or ({n}, {steps}); got shape {weights.shape}")
    return x, _spread(t, rows, n * steps), _data.weights(weights, n * steps, net._dtype, weight_name)


def inputs(net: TakesSequences, X: Any, lengths: Any, name: str = "X") -> Array:
    """Return a C-contiguous (samples, steps, features) array, finite wherever it counts."""
    array = _data.to_array(X, name)
    if array.ndim != 3:
        raise ValueError(
            f"{name} must have 3 axes (samples, steps, features) for a recurrent network; got {array.ndim}, "
            f"shape {array.shape}"
        )
    if 0 in array.shape[:2]:
        raise ValueError(f"{name} must have at least one sample and one step; got shape {array.shape}")
    if array.shape[2] != net._n_inputs:
        raise ValueError(f"{name} must have {net._n_inputs} features, as the network has inputs; got {array.shape[2]}")
    array = np.ascontiguousarray(array, dtype=net._dtype)
    checked_lengths(lengths, array.shape[0], array.shape[1], name.removesuffix("X"))
    _check_finite(array, lengths, name)
    return array


def checked_lengths(lengths: Any, n: int, steps: int, which: str = "") -> Array | None:
    """Return the lengths as int32, or None where every step counts."""
    if lengths is None:
        return None
    name = f"{which}lengths"
    array = _data.to_array(lengths, name)
    if array.shape != (n,):
        raise ValueError(f"{name} must have one entry for each of the {n} samples of X; got shape {array.shape}")
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold whole numbers; got dtype {array.dtype}")
    bad = (array < 1) | (array > steps)
    if bad.any():
        at = int(bad.argmax())
        raise ValueError(f"{name} must lie in 1 .. {steps}, the steps of X; got {int(array[at])} for sample {at}")
    return np.ascontiguousarray(array, np.int32)


def row_numbers(n: int, steps: int, index: Array | None, lengths: Array | None) -> Array | None:
    """Return the numbers of the rows that count when x is seen as (samples * steps, features); None: all."""
    if index is None and lengths is None:
        return None
    counts = np.zeros((n, steps), bool)
    counts[slice(None) if index is None else index] = True
    if lengths is not None:
        counts &= np.arange(steps) < lengths[:, None]
    return np.flatnonzero(counts)


def step(net: TakesSequences, x: Any, link: bool) -> Array:
    """Return the outputs of the next step of each sequence."""
    if not net._core.recurrent:
        raise ValueError("step needs a network with a Recurrent layer; use predict")
    array = x if type(x) is np.ndarray and x.dtype == net._dtype else _data.to_array(x, "x")
    if array.ndim not in (1, 2) or array.shape[-1] != net._n_inputs or array.shape[0] == 0:
        raise ValueError(
            f"x must be ({net._n_inputs},), or (sequences, {net._n_inputs}) for several side by side; got {array.shape}"
        )
    rows = np.ascontiguousarray(array if array.ndim == 2 else array[None], dtype=net._dtype)
    under_way = net._core.sequences_under_way
    if under_way not in (0, len(rows)):
        raise ValueError(f"x must go on with the {under_way} sequences under way; got {len(rows)}: reset_state() first")
    out: Array = net._core.step(rows, link)
    return out if array.ndim == 2 else out[0]


def state_sizes(net: TakesSequences) -> list[int]:
    """Return the values a sequence carries from step to step, by recurrent layer."""
    widths = zip(net._layers, net._core.layer_outputs, strict=True)
    return [int(width) for layer, width in widths if type(layer).__name__ == "Recurrent"]


def state(net: TakesSequences) -> list[Array] | None:
    """Return what the sequences under way carry, an array (sequences, outputs of the layer) a recurrent layer."""
    flat = net._core.state
    if flat is None:
        return None
    n = net._core.sequences_under_way
    parts = np.split(flat, np.cumsum([n * size for size in state_sizes(net)])[:-1])
    return [part.reshape(n, -1) for part in parts]


def set_state(net: TakesSequences, value: Any) -> None:
    """Put sequences under way where `state` had them; None forgets them."""
    if value is None:
        net._core.reset_state()
        return
    sizes = state_sizes(net)
    arrays = [_data.to_array(part, "state") for part in value]
    n = len(arrays[0]) if arrays and arrays[0].ndim == 2 else 0
    if not sizes or n == 0 or [a.shape for a in arrays] != [(n, size) for size in sizes]:
        raise ValueError(
            f"state must hold an array (sequences, size) for each recurrent layer, of sizes {sizes}; "
            f"got shapes {[a.shape for a in arrays]}"
        )
    net._core.state = (n, np.concatenate([np.ascontiguousarray(a, net._dtype).reshape(-1) for a in arrays]))


def _spread(values: Array, rows: Array | None, n_rows: int) -> Array:
    if rows is None:
        return values
    out = np.zeros((n_rows, *values.shape[1:]), values.dtype)
    out[rows] = values
    return out


def _check_finite(array: Array, lengths: Any, name: str) -> None:
    """Raise ValueError naming the first NaN or infinity that is not beyond its sequence's length."""
    # All of it, padding too, at the core's speed: most often there is nothing to look for.
    if array.dtype in (np.float32, np.float64) and array.flags.c_contiguous:
        core = _core.NetworkFloat32 if array.dtype == np.float32 else _core.NetworkFloat64
        if core.first_nonfinite(array) < 0:
            return
    bad: Array = ~np.isfinite(array)
    if array.ndim == 3:
        bad = np.any(bad, axis=2)
    if lengths is not None:
        bad = bad & (np.arange(array.shape[1]) < np.asarray(lengths)[:, None])
    if bad.any():
        sample, at = (int(i) for i in np.unravel_index(bad.argmax(), bad.shape))
        kind = "NaN" if np.isnan(array[sample, at]).any() else "infinity"
        raise ValueError(f"{name} must be finite; got {kind} in sample {sample}, step {at}")
