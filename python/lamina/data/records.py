"""The records in which samples travel: what a network takes, what a fit trains on, and what it validates on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.data.arrays import Array

__all__ = ["HeldOut", "Indices", "SampleSpec", "Samples", "TrainingSet", "within_lengths"]

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SampleSpec:
    """What samples a network takes.

    Attributes
    ----------
    n_inputs, n_outputs : int
        Features of a row, and outputs.
    loss : LossFunction
        It says what targets may be.
    dtype : numpy.dtype
        float32 or float64.
    recurrent : bool
        Whether a sample is a sequence, (steps, features), and not a row.
    each_step : bool
        Whether every step of a sequence has a target of its own.
    """

    n_inputs: int
    n_outputs: int
    loss: Any
    dtype: np.dtype[Any]
    recurrent: bool = False
    each_step: bool = False


# Nobody changes the following records either, but a frozen one takes four times as long to make, and a step of a small
# network through `Network.fit` is over in 15 microseconds.


@dataclass(slots=True, eq=False)
class Samples:
    """Samples as the core wants them: checked, C-contiguous, of the network's type.

    Attributes
    ----------
    x : (n, features) or (n, steps, features) array
    targets : (n,) array of int32 labels, or (n, outputs) array
    weights : (n,) array or None
    lengths : (n,) array of int32, or None
        How many steps of each sequence count.

    Where every step has a target, `targets` and `weights` have n * steps entries, step by step.
    """

    x: Array
    targets: Array
    weights: Array | None = None
    lengths: Array | None = None

    def __len__(self) -> int:
        return len(self.x)

    def counting(self) -> Array:
        """Return whether each target counts, (n, targets of a sample): within the length, of weight above 0."""
        n = len(self.x)
        each = len(self.targets) // n
        counts = np.ones((n, each), bool) if self.weights is None else self.weights.reshape(n, each) > 0
        # One target a sample may be that of its last step; of one step it is within any length.
        return counts if self.lengths is None or each == 1 else counts & within_lengths(self.lengths, each)

    def counted(self) -> Samples:
        """Return the samples with a target that counts; themselves, where all have one."""
        if self.weights is None or self.weights.all():
            return self
        return self.take(np.flatnonzero(self.counting().any(axis=1)))

    def take(self, rows: Any) -> Samples:
        """Return the samples of these numbers."""
        lengths = None if self.lengths is None else self.lengths[rows]
        weights = None if self.weights is None else self._taken(self.weights, rows)
        return Samples(self.x[rows], self._taken(self.targets, rows), weights, lengths)

    def _taken(self, part: Array, rows: Any) -> Array:
        """Of what has an entry for each target, step by step, that of these samples."""
        n, others = len(self.x), part.shape[1:]
        by_sample = part if len(part) == n else part.reshape(n, -1, *others)
        return np.asarray(by_sample[rows]).reshape(-1, *others)


@dataclass(slots=True, eq=False)
class HeldOut:
    """What a fit validates on: `rows` of the training samples, so that nothing is copied, or (None) samples apart."""

    samples: Samples
    rows: Indices | None = None

    def taken(self) -> Samples:
        """Return the samples held out, and those alone."""
        return self.samples if self.rows is None else self.samples.take(self.rows)


@dataclass(slots=True, eq=False)
class TrainingSet:
    """What a fit trains on: `rows` of the samples (None: all), with what is held out of them, or apart, or nothing."""

    samples: Samples
    rows: Indices | None = None
    held_out: HeldOut | None = None


def within_lengths(lengths: Array, steps: int) -> Array:
    """Return whether each step of each sequence, (n, steps), is within its length."""
    return np.asarray(np.arange(steps) < lengths[:, None])
