"""What a search draws from: choices, ranges, and their helpers ``lamina.space.loguniform`` and ``integer``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

import numpy as np

from lamina.data.arguments import whole_number

__all__ = ["Choice", "Range", "candidates", "integer", "loguniform", "parts_of", "uniform"]


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; with `log`, equal shares to equal ratios; `whole` ones alone."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __post_init__(self) -> None:
        for name, bound in (("low", self.low), ("high", self.high)):
            kinds = (int, float, np.integer, np.floating)
            if isinstance(bound, bool) or not isinstance(bound, kinds) or not math.isfinite(bound):
                raise ValueError(f"a range in the space needs finite numbers; got {name} = {bound!r}")
            if isinstance(bound, np.generic):  # plain ones, which draw and are kept in files as such
                object.__setattr__(self, name, int(bound) if isinstance(bound, np.integer) else float(bound))
        if not self.low < self.high:
            raise ValueError(f"a range in the space needs low < high; got ({self.low}, {self.high})")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range in the space needs low > 0; got {self.low}")

    def draw(self, u: float) -> float:
        """Return the value at the share `u`, in [0, 1), of the range."""
        low, high = (self.low - 0.5, self.high + 0.5) if self.whole else (self.low, self.high)
        if self.log:
            low = max(low, 0.5 * self.low)
            value = low * (high / low) ** u
        else:
            value = low + (high - low) * u
        if self.whole:
            return int(min(max(math.floor(value + 0.5), self.low), self.high))
        return float(min(max(value, self.low), self.high))


@dataclass(frozen=True)
class Choice:
    """One of a list, each as likely."""

    options: tuple[Any, ...]

    def draw(self, u: float) -> Any:
        """Return the choice at the share `u`, in [0, 1), of the list."""
        return self.options[int(u * len(self.options))]


def uniform(low: float, high: float) -> Range:
    """Numbers from `low` to `high`; a tuple (low, high) in a space means the same."""
    return Range(low, high)


def loguniform(low: float, high: float) -> Range:
    """Numbers from `low` to `high`, both greater than 0, uniform in their logarithm: for rates and penalties."""
    return Range(low, high, log=True)


def integer(low: int, high: int, log: bool = False) -> Range:
    """Whole numbers from `low` to `high`, both included; with `log`, uniform in the logarithm."""
    return Range(whole_number(low, "low", -(2**53)), whole_number(high, "high", -(2**53)), log, whole=True)


def candidates(space: Mapping[str, Any], n_trials: int, seed: int) -> list[dict[str, Any]]:
    """Return `n_trials` sets of parameters, or every one where the space holds no more; ValueError where it holds none.

    Trial i depends on the space, the seed and i alone.
    """
    parts = parts_of(space)
    whole_number(n_trials, "n_trials", 1)
    lists = [part.options for part in parts.values() if isinstance(part, Choice)]
    if len(lists) == len(parts) and math.prod(len(options) for options in lists) <= n_trials:
        return [dict(zip(parts, values, strict=True)) for values in product(*lists)]
    finite = len(lists) == len(parts)
    return list(islice(_distinct(parts, seed) if finite else _draws(parts, seed), n_trials))


def parts_of(space: Mapping[str, Any]) -> dict[str, Range | Choice]:
    """Return what each name of a space stands for; ValueError or TypeError where it is none."""
    if not isinstance(space, Mapping):
        raise TypeError(f"space must be a dict of name -> choices; got {type(space).__name__}")
    if not space:
        raise ValueError("space must have at least one parameter: with none there is no trial to run")
    return {name: _part(name, value) for name, value in space.items()}


def _part(name: str, value: Any) -> Range | Choice:
    if isinstance(value, (Range, Choice)):
        return value
    if isinstance(value, tuple):
        if len(value) != 2:
            raise ValueError(f"space[{name!r}]: a tuple means (low, high), a list means choices; got {value!r}")
        try:
            return Range(*value)
        except ValueError as error:
            raise ValueError(f"space[{name!r}]: {error}") from None
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, (Sequence, np.ndarray)):
        raise TypeError(f"space[{name!r}] must be a list, (low, high) or a lamina.space range; got {value!r}")
    if len(value) == 0:
        raise ValueError(f"space[{name!r}] has no choice: there is no trial to run")
    return Choice(tuple(value.tolist() if isinstance(value, np.ndarray) else value))


def _draws(parts: dict[str, Range | Choice], seed: int) -> Iterator[dict[str, Any]]:
    trial = 0
    while True:
        shares = np.random.default_rng([seed, trial]).random(len(parts))
        yield {name: part.draw(float(u)) for (name, part), u in zip(parts.items(), shares, strict=True)}
        trial += 1


def _distinct(parts: dict[str, Range | Choice], seed: int) -> Iterator[dict[str, Any]]:
    """Draws from choices alone, without repeats."""
    seen: set[tuple[int, ...]] = set()
    trial = 0
    sizes = [len(part.options) for part in parts.values() if isinstance(part, Choice)]
    while True:
        shares = np.random.default_rng([seed, trial]).random(len(parts))
        which = tuple(int(u * n) for u, n in zip(shares, sizes, strict=True))
        if which not in seen:
            seen.add(which)
            yield {name: part.draw(float(u)) for (name, part), u in zip(parts.items(), shares, strict=True)}
        trial += 1
