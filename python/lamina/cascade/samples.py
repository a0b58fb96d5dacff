"""Samples for a network that grows: its targets, what is set aside, and the scale of the targets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lamina._dispatch import core as _core
from lamina import losses
from lamina.data.arrays import Array, matrix, to_array
from lamina.data.records import Samples, SampleSpec
from lamina.data.splits import Split
from lamina.data.targets import targets

__all__ = ["cascade_samples", "cascade_targets", "normalization_of", "normalized", "output_of", "set_aside", "spread"]


def output_of(setting: str, y: Any, n_outputs: int) -> str:
    """Return "logistic" or "identity"; for "auto", by whether the targets are labels (or 0 and 1)."""
    if setting != "auto":
        return setting
    array = to_array(y, "y")
    flat = array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)
    if flat and n_outputs > 1:
        return "logistic"
    if flat and array.dtype.kind in "iu" and array.size and 1 < array.max() < 100 and array.min() == 0:
        raise ValueError(
            f"y holds whole numbers from 0 to {array.max()}: as labels they need n_outputs={array.max() + 1}; as "
            "numbers, output='identity'"
        )
    return "logistic" if array.size and np.isin(array, (0, 1)).all() else "identity"


def cascade_targets(spec: SampleSpec, value: Any, n_rows: int, output: str, name: str = "y") -> Array:
    """Return targets (rows, outputs) of the network's type; ValueError or TypeError names what is wrong."""
    array = to_array(value, name)
    flat = array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)
    if output == "logistic" and flat and spec.n_outputs > 1:
        spec = replace(spec, loss=losses.get("binary_cross_entropy"))  # labels become one-hot rows
    t = targets(spec, value, n_rows, name)
    if output == "logistic" and (t.min() < 0 or t.max() > 1):
        raise ValueError(
            f"{name} must lie in [0, 1] for output='logistic'; got values from {t.min()} to {t.max()} "
            "(for regression: output='identity')"
        )
    return t


def cascade_samples(spec: SampleSpec, X: Any, y: Any, output: str, which: str = "") -> Samples:
    """Return inputs and targets; `which` of them, for errors: "" or "validation "."""
    x = matrix(X, spec.n_inputs, spec.dtype, f"{which}X")
    return Samples(x, cascade_targets(spec, y, len(x), output, f"{which}y"))


def set_aside(
    spec: SampleSpec, given: Samples, validation: Any, output: str, seed: int
) -> tuple[Samples, Samples | None]:
    """Return the samples to train on, and those to validate on (or None)."""
    if validation is None:
        return given, None
    if isinstance(validation, tuple):
        if len(validation) != 2:
            raise ValueError(f"validation must be a fraction or (X, y); got a tuple of {len(validation)}")
        return given, cascade_samples(spec, *validation, output, "validation ")
    how = validation if isinstance(validation, Split) else Split(validation)
    labels, t = None, given.targets
    if output == "logistic" and np.isin(t, (0, 1)).all():
        labels = (t[:, 0] if t.shape[1] == 1 else t.argmax(axis=1)).astype(np.int32)
    train, held = how.indices(len(given), labels, seed)
    return given.take(train), given.take(held)


def spread(values: Array) -> Array:
    """Standard deviations of the columns, 1 for constant ones."""
    deviation = values.std(axis=0, dtype=np.float64)
    largest = np.abs(values).max(axis=0).astype(np.float64)
    return np.where(deviation > 4 * np.finfo(values.dtype).eps * largest, deviation, 1.0)


def normalization_of(x: Array) -> tuple[Array, Array]:
    """Return mean and 1 / standard deviation by feature, by the rule that `Network` has."""
    mean, scale = _core.normalization_of(x)
    return mean, scale


def normalized(x: Array, pair: tuple[Array, Array] | None) -> Array:
    """Return x, with a pair brought to zero mean and unit variance."""
    return x if pair is None else _core.normalized(x, *pair)  # type: ignore[no-any-return]
