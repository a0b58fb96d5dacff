"""What targets are learned as: brought to size, and values far from all others brought near."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamina.data.arrays import Array
from lamina.data.targets import mean_and_scale

__all__ = ["TargetScale"]

# A value is far from the others at so many of their standard deviations from the median, where at most such a share of
# the rows, or one row, is.
_FAR, _SHARE = 10.0, 0.01
# exp(x) is nearly (1 + x / n) ** n, n = 2 ** _DOUBLINGS: of roots and squares, which have the same bits everywhere.
_DOUBLINGS = 10


@dataclass(frozen=True, slots=True)
class TargetScale:
    """How targets become what networks learn, and back; by target, all (targets,) of float64.

    Attributes
    ----------
    mean, scale : array
        A target t is learned as z = (t - mean) / scale where it is not far from the others.
    low, high : array
        The range of the targets, which predictions stay in.
    near_low, near_high : array
        The range of those that are not far from the others. What lies z standard deviations beyond it is learned as
        log(1 + z) beyond it: one wrong value is not all that a network learns, and a right one can still be predicted.
    """

    mean: Array
    scale: Array
    low: Array
    high: Array
    near_low: Array
    near_high: Array

    @classmethod
    def of(cls, targets: Array, weights: Array | None) -> TargetScale:
        """Return that of targets (n, targets), by the weights of their rows."""
        columns = []
        for t in targets.T:
            near = ~far_from_the_others(t)
            mean, scale = mean_and_scale(t[near, np.newaxis], None if weights is None else weights[near])
            columns.append([mean[0], scale[0], t.min(), t.max(), t[near].min(), t[near].max()])
        return cls(*np.array(columns).T)

    @property
    def bent(self) -> bool:
        """Whether targets are far from the others."""
        return bool((self.near_low > self.low).any() or (self.near_high < self.high).any())

    def far(self, targets: Array) -> Array:
        """Tell which targets (n, targets) are far from the others."""
        return (targets < self.near_low) | (targets > self.near_high)  # type: ignore[no-any-return]

    def learned(self, targets: Array) -> Array:
        """Return targets (n, targets) as they are learned, float64."""
        largest = np.finfo(np.float64).max
        with np.errstate(over="ignore"):
            z = np.clip((targets - self.mean) / self.scale, -largest, largest)
        low, high = self._near()
        z = np.where(z > high, high + _log1p(z - high), z)
        return np.where(z < low, low - _log1p(low - z), z)

    def values(self, outputs: Array) -> Array:
        """Return the targets that are learned as `outputs` (n, targets), within the range of those seen."""
        low, high = self._near()
        with np.errstate(over="ignore"):
            z = np.where(outputs > high, high + _expm1(outputs - high), outputs)
            z = np.where(outputs < low, low - _expm1(low - outputs), z)
            return np.clip(z * self.scale + self.mean, self.low, self.high)

    def _near(self) -> tuple[Array, Array]:
        return (self.near_low - self.mean) / self.scale, (self.near_high - self.mean) / self.scale


def far_from_the_others(t: Array) -> Array:
    """Tell which of the values (n,) are so far from all others that a mean and a deviation tell of them alone."""
    most = max(1, int(_SHARE * len(t)))
    with np.errstate(over="ignore"):
        distance = np.abs(t - np.median(t))
    others = np.argsort(distance, kind="stable")[:-most]
    none = np.zeros(len(t), bool)
    if len(others) < 2 or t[others].min() == t[others].max():
        return none
    spread = mean_and_scale(t[others, np.newaxis], None)[1][0]
    far: Array = distance > _FAR * spread
    return far if np.count_nonzero(far) <= most else none


def _log1p(x: Array) -> Array:
    """About log(1 + x), of x above 0; whatever it is elsewhere."""
    root = 1 + np.maximum(x, 0)
    for _ in range(_DOUBLINGS):
        root = np.sqrt(root)
    return (root - 1) * 2.0**_DOUBLINGS  # type: ignore[no-any-return]


def _expm1(x: Array) -> Array:
    """Turn `_log1p` round."""
    power = 1 + np.maximum(x, 0) / 2.0**_DOUBLINGS
    for _ in range(_DOUBLINGS):
        power = power * power
    return power - 1
