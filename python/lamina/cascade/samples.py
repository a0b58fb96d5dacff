"""Samples for a network that grows: its targets, what is set aside, and the scale of the targets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lamina._dispatch import core as _core
from lamina import losses
from lamina.data.arrays import Array, matrix, to_array, weights
from lamina.data.records import Samples, SampleSpec
from lamina.data.samples import counted
from lamina.data.splits import validation_rows
from lamina.data.targets import classes_of, mean_and_scale, target_array, targets

__all__ = ["TargetScale", "cascade_samples", "normalization_of", "normalized", "set_aside"]


def cascade_samples(
    spec: SampleSpec, X: Any, y: Any, sample_weight: Any, output: str, which: str = ""
) -> tuple[Samples, str]:
    """Return the samples that count, and "identity" or "logistic" for the `output` asked for.

    `which` of them, for errors: "" or "validation ". Rows of weight 0 are left out, whatever they hold.
    """
    X, y, sample_weight, _ = counted(spec, X, y, sample_weight, None, which)
    x = matrix(X, spec.n_inputs, spec.dtype, f"{which}X")
    output = _output_of(output, y, spec.n_outputs)
    t = _targets(spec, y, len(x), output, f"{which}y")
    return Samples(x, t, weights(sample_weight, len(x), spec.dtype, f"{which}sample_weight".replace(" ", "_"))), output


def _output_of(setting: str, y: Any, n_outputs: int) -> str:
    """Return "logistic" or "identity"; for "auto", by whether the targets are labels (or 0 and 1)."""
    if setting != "auto":
        return setting
    array = _target_array(y, "y")
    flat = array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)
    if flat and n_outputs > 1:
        return "logistic"
    if flat and array.dtype.kind in "iu" and array.size and 1 < array.max() < 100 and array.min() == 0:
        raise ValueError(
            f"y holds whole numbers from 0 to {array.max()}: as labels they need n_outputs={array.max() + 1}; as "
            "numbers, output='identity'"
        )
    return "logistic" if array.size and np.isin(array, (0, 1)).all() else "identity"


def _target_array(value: Any, name: str) -> Array:
    return target_array(value, name, estimator="CascadeClassifier")


def _targets(spec: SampleSpec, value: Any, n_rows: int, output: str, name: str) -> Array:
    """Return targets (rows, outputs) of the network's type; ValueError or TypeError names what is wrong."""
    array = to_array(value, name) if output == "identity" else _target_array(value, name)
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


def set_aside(
    spec: SampleSpec, given: Samples, validation: Any, validation_sample_weight: Any, output: str, seed: int
) -> tuple[Samples, Samples | None]:
    """Return the samples to train on, and those to validate on (or None)."""
    if isinstance(validation, (tuple, list)):
        if len(validation) != 2:
            raise ValueError(
                f"validation must be a fraction or (X, y); got a {type(validation).__name__} of {len(validation)}"
            )
        X, y = validation
        return given, cascade_samples(spec, X, y, validation_sample_weight, output, "validation ")[0]
    if validation_sample_weight is not None:
        raise ValueError("validation_sample_weight goes with validation=(X, y); a fraction takes sample_weight's")
    if validation is None:
        return given, None
    labels = classes_of(losses.get("binary_cross_entropy"), given.targets) if output == "logistic" else None
    remedy = "Give validation=None (in an estimator early_stopping=False) to learn all"
    train, held = validation_rows(validation, len(given), labels, seed, remedy)
    return given.take(train), given.take(held)


@dataclass(frozen=True, slots=True)
class TargetScale:
    """What brings targets to zero mean and unit variance, by column: mean and deviation, of targets of this dtype."""

    mean: Array
    deviation: Array
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, samples: Samples) -> TargetScale:
        """Return the scale of the targets, each as often as its row counts."""
        return cls(*mean_and_scale(samples.targets, samples.weights), samples.targets.dtype)

    @property
    def extreme(self) -> bool:
        """Whether weights that give such targets, or sums of them, may leave their dtype."""
        largest = float(np.maximum(np.abs(self.mean), self.deviation).max())
        return bool(largest > np.sqrt(np.finfo(self.dtype).max))

    def apply(self, values: Array) -> Array:
        """Return targets of zero mean and unit variance, of their dtype."""
        # Halves: even the difference of the largest numbers is one.
        return np.ascontiguousarray((values / 2.0 - self.mean / 2) / (self.deviation / 2), self.dtype)

    def undo(self, outputs: Array) -> Array:
        """Return weights, (outputs, 1 + sources), bias first, that give the targets as they were."""
        out = outputs * self.deviation[:, None]
        out[:, 0] += self.mean
        return out


def normalization_of(samples: Samples) -> tuple[Array, Array]:
    """Return mean and 1 / standard deviation by feature, by the rule that `Network` has."""
    mean, scale = _core.normalization_of(samples.x, samples.weights)
    return mean, scale


def normalized(x: Array, pair: tuple[Array, Array] | None) -> Array:
    """Return x, with a pair brought to zero mean and unit variance."""
    return x if pair is None else _core.normalized(x, *pair)
