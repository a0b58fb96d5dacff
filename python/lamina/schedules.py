"""Learning-rate schedules: factors of the optimizer's rate.

A schedule is one of these classes, or any callable that takes a `Progress` (``epoch``, with a fraction; ``epochs``;
``step``; ``samples``) and returns the factor, a finite number of at least 0. The classes are callable, too; the core
evaluates them without a call to Python. ``Warmup(epochs, then=None, start=0.0)`` goes in front of any other schedule,
which counts from the end of the rise.

`ReduceOnPlateau` looks at the losses instead: it multiplies the rate by `factor` when the validation loss (the training
loss, where there is no validation) has not fallen by more than `min_delta` for `patience` epochs.
"""

from typing import TYPE_CHECKING, Any

from lamina._dispatch import core as _core
from lamina._core import Progress, ReduceOnPlateau

if TYPE_CHECKING:
    from lamina._core import *  # noqa: F403

_CLASSES = {name: getattr(_core, name) for name in _core.schedule_names() if hasattr(_core, name)}
globals().update(_CLASSES)
__all__ = ["Progress", "ReduceOnPlateau", "describe", "factor", "names", *_CLASSES]


def __dir__() -> list[str]:
    return sorted(__all__)


def names() -> list[str]:
    """Return the class name of every schedule of the core."""
    return list(_CLASSES)


def describe() -> list[dict[str, Any]]:
    """Return a dict for each schedule: name, formula, source, and parameters with their defaults and docs."""
    return list(_core.schedule_describe())


def factor(schedule: Any, progress: Progress) -> float:
    """Return the factor of any schedule at `progress`; ValueError where it is negative or not finite."""
    return float(_core.schedule_factor(schedule, progress))
