"""Learning-rate schedules: factors of the optimizer's rate.

A schedule is one of these classes, or any callable that takes a `Progress` (``epoch``, with a fraction; ``epochs``;
``step``; ``samples``) and returns the factor, a finite number of at least 0.
"""

import math
from collections.abc import Callable
from typing import Any

from lamina._dispatch import core as _core
from lamina._core import Cosine, Exponential, InverseScaling, OneCycle, Progress, Step

__all__ = [
    "Cosine",
    "Exponential",
    "InverseScaling",
    "OneCycle",
    "Progress",
    "ReduceOnPlateau",
    "Step",
    "Warmup",
    "describe",
    "factor",
    "names",
]


def names() -> list[str]:
    """Return the class name of every schedule of the core."""
    return [name for name in _core.schedule_names() if hasattr(_core, name)]


def describe() -> list[dict[str, Any]]:
    """Return a dict for each schedule: name, formula, source, and parameters with their defaults and docs."""
    return list(_core.schedule_describe())


def factor(schedule: Any, progress: Progress) -> float:
    """Return the factor of any schedule at `progress`; ValueError where it is negative or not finite."""
    value = schedule(progress) if callable(schedule) else _core.schedule_factor(schedule, progress)
    if isinstance(value, str) or not hasattr(value, "__float__"):
        raise TypeError(f"schedule must give a number, the factor of the rate; got {value!r}")
    value = float(value)
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"schedule must give a finite factor of at least 0; got {value} at epoch {progress.epoch:g}")
    return value


class Warmup:
    """Rise in a straight line over the first `epochs` epochs, then follow `then`.

    Parameters
    ----------
    epochs : float
        How long the rise takes, greater than 0.
    then : schedule or callable, optional
        What follows, counted from the end of the rise; by default the full rate.
    start : float, default 0.0
        The first factor, in [0, 1].
    """

    def __init__(self, epochs: float, then: Any = None, start: float = 0.0) -> None:
        if not epochs > 0:
            raise ValueError(f"epochs of Warmup must be greater than 0; got {epochs}")
        if not 0 <= start <= 1:
            raise ValueError(f"start of Warmup must be in [0, 1]; got {start}")
        self.epochs, self.then, self.start = epochs, then, start

    def __call__(self, progress: Progress) -> float:
        """Return the factor of the learning rate."""
        if progress.epoch < self.epochs:
            return self.start + (1 - self.start) * progress.epoch / self.epochs
        if self.then is None:
            return 1.0
        rest = Progress()
        rest.epoch = progress.epoch - self.epochs
        rest.epochs = max(progress.epochs - self.epochs, 0.0)
        rest.step, rest.samples = progress.step, progress.samples
        return factor(self.then, rest)

    def __repr__(self) -> str:
        return f"lamina.schedules.Warmup(epochs={self.epochs}, then={self.then!r}, start={self.start})"


class ReduceOnPlateau:
    """Multiply the rate by `factor` when the watched loss has not fallen for `patience` epochs.

    It watches the validation loss, or the training loss where there is none.

    Parameters
    ----------
    factor : float, default 0.1
        In (0, 1).
    patience : int, default 5
        Epochs without improvement before a cut.
    min_delta : float, default 0.0
        What counts as an improvement.
    min_lr : float, default 0.0
        The rate is never cut below this.
    """

    def __init__(self, factor: float = 0.1, patience: int = 5, min_delta: float = 0.0, min_lr: float = 0.0) -> None:
        if not 0 < factor < 1:
            raise ValueError(f"factor of ReduceOnPlateau must be in (0, 1); got {factor}")
        if patience < 1:
            raise ValueError(f"patience of ReduceOnPlateau must be at least 1; got {patience}")
        if min_lr < 0 or min_delta < 0:
            raise ValueError("min_lr and min_delta of ReduceOnPlateau must be at least 0")
        self.factor, self.patience, self.min_delta, self.min_lr = factor, patience, min_delta, min_lr

    def watcher(self) -> Callable[[Any], None]:
        """Return a callback with a fresh memory, for one fit."""
        best, waited = math.inf, 0

        def watch(epoch: Any) -> None:
            nonlocal best, waited
            value = epoch.loss if epoch.validation_loss is None else epoch.validation_loss
            if value < best - self.min_delta:
                best, waited = value, 0
                return
            waited += 1
            if waited >= self.patience:
                waited = 0
                epoch.learning_rate = max(epoch.learning_rate * self.factor, self.min_lr)

        return watch

    def __repr__(self) -> str:
        return (
            f"lamina.schedules.ReduceOnPlateau(factor={self.factor}, patience={self.patience}, "
            f"min_delta={self.min_delta}, min_lr={self.min_lr})"
        )
