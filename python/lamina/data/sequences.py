"""Sequences as users have them, made into arrays as the core wants them: (samples, steps, features) and lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina._dispatch import core as _core
from lamina.data.arrays import Array, in_type, to_array, weights, what_is_not_finite
from lamina.data.records import Samples, SampleSpec, within_lengths
from lamina.data.targets import targets

__all__ = ["pad", "sequence_inputs", "sequence_samples"]


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
    arrays = [to_array(value, f"sequences[{i}]") for i, value in enumerate(sequences)]
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


def sequence_samples(spec: SampleSpec, X: Any, y: Any, sample_weight: Any, lengths: Any, which: str) -> Samples:
    """Return sequences with their targets, one each or one a step; see `lamina.data.samples.samples`."""
    x, checked = sequence_inputs(spec, X, lengths, f"{which}X")
    n, steps = x.shape[:2]
    name, weight_name = f"{which}y", f"{which}sample_weight".replace(" ", "_")
    if not spec.each_step:
        t = targets(spec, y, n, name)
        return Samples(x, t, weights(sample_weight, n, spec.dtype, weight_name), checked)
    array = to_array(y, name)
    if array.ndim not in (2, 3) or array.shape[:2] != (n, steps):
        raise ValueError(
            f"{name} must be ({n}, {steps}) or ({n}, {steps}, {spec.n_outputs}), as the last Recurrent has "
            f"return_sequences=True; got shape {array.shape}"
        )
    by_step_weights = weights(
        _weights_by_step(sample_weight, n, steps, weight_name), n * steps, spec.dtype, weight_name
    )
    counts = _steps_that_count(n, steps, checked, by_step_weights)
    if array.dtype.kind == "f":
        _check_finite(array, None if counts is None else counts.reshape(n, steps), name)
    counted = None if counts is None else np.flatnonzero(counts)
    by_step = array.reshape(n * steps, *array.shape[2:])
    if counted is not None:
        by_step = by_step[counted]
    t = targets(spec, by_step, len(by_step), name)
    if counted is not None:  # zeros stand for what does not count
        everywhere = np.zeros((n * steps, *t.shape[1:]), t.dtype)
        everywhere[counted] = t
        t = everywhere
    return Samples(x, t, by_step_weights, checked)


def _steps_that_count(n: int, steps: int, lengths: Array | None, by_step: Array | None) -> Array | None:
    """Whether each step, one after the other, has a target that counts; None where all have."""
    if lengths is None and (by_step is None or by_step.all()):
        return None
    within = np.ones(n * steps, bool) if lengths is None else within_lengths(lengths, steps).reshape(-1)
    return within if by_step is None else within & (by_step > 0)


def _weights_by_step(sample_weight: Any, n: int, steps: int, name: str) -> Array | None:
    """A weight for each step, of weights by sequence or by step."""
    if sample_weight is None:
        return None
    array = to_array(sample_weight, name)
    if array.shape == (n,):
        return np.repeat(array, steps)
    if array.shape == (n, steps):
        return array.reshape(-1)
    raise ValueError(f"{name} must be ({n},) or ({n}, {steps}); got shape {array.shape}")


def sequence_inputs(spec: SampleSpec, X: Any, lengths: Any, name: str = "X") -> tuple[Array, Array | None]:
    """Return a C-contiguous (samples, steps, features) array, finite wherever it counts, and the lengths."""
    array = _sequence_array(X, name)
    if array.ndim != 3:
        raise ValueError(
            f"{name} must have 3 axes (samples, steps, features) for a recurrent network; got {array.ndim}, "
            f"shape {array.shape}"
        )
    if 0 in array.shape[:2]:
        raise ValueError(f"{name} must have at least one sample and one step; got shape {array.shape}")
    if array.shape[2] != spec.n_inputs:
        raise ValueError(f"{name} must have {spec.n_inputs} features, as the network has inputs; got {array.shape[2]}")
    out = in_type(array, spec.dtype)
    checked = _checked_lengths(lengths, array.shape[0], array.shape[1], name.removesuffix("X"))
    _check_finite(out, None if checked is None else within_lengths(checked, out.shape[1]), name, array)
    return out, checked


def _sequence_array(X: Any, name: str) -> Array:
    """`to_array`, with a hint where sequences have different lengths."""
    try:
        return to_array(X, name)
    except (TypeError, ValueError) as error:
        if not isinstance(X, (list, tuple)) and getattr(X, "dtype", np.dtype(float)).kind != "O":
            raise
        raise type(error)(f"{error}; for sequences of different lengths: X, lengths = lamina.pad(X)") from None


def _checked_lengths(lengths: Any, n: int, steps: int, which: str) -> Array | None:
    """Return the lengths as int32, or None where every step counts."""
    if lengths is None:
        return None
    name = f"{which}lengths"
    array = to_array(lengths, name)
    if array.shape != (n,):
        raise ValueError(f"{name} must have one entry for each of the {n} samples of X; got shape {array.shape}")
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold whole numbers; got dtype {array.dtype}")
    bad = (array < 1) | (array > steps)
    if bad.any():
        at = int(bad.argmax())
        raise ValueError(f"{name} must lie in 1 .. {steps}, the steps of X; got {int(array[at])} for sample {at}")
    return np.array(array, np.int32)  # its own: the core counts on what was checked


def _check_finite(array: Array, counts: Array | None, name: str, given: Array | None = None) -> None:
    """Raise ValueError naming the first NaN or infinity in a step that counts; see `check_finite`."""
    # All of it, padding too, at the core's speed: most often there is nothing to look for.
    if array.dtype in (np.float32, np.float64) and array.flags.c_contiguous:
        core = _core.NetworkFloat32 if array.dtype == np.float32 else _core.NetworkFloat64
        if core.first_nonfinite(array) < 0:
            return
    bad: Array = ~np.isfinite(array)
    if array.ndim == 3:
        bad = np.any(bad, axis=2)
    if counts is not None:
        bad = bad & counts
    if bad.any():
        sample, at = (int(i) for i in np.unravel_index(bad.argmax(), bad.shape))
        step = np.ravel(array[sample, at])
        first = int(np.argmax(~np.isfinite(step)))
        was = None if given is None else np.ravel(given[sample, at])[first]
        raise ValueError(
            f"{name} must be {what_is_not_finite(step[first], was, array.dtype)} in sample {sample}, step {at}"
        )
