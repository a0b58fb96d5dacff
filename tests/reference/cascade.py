"""Cascade-correlation (Fahlman and Lebiere 1990): what a candidate unit maximises, and growth as a whole.

Rows count `counts` times, as if they were given that often; None counts each once.
"""

from dataclasses import dataclass
from itertools import count

import numpy as np

from reference.activations import ACTIVATIONS
from reference.optimizers import Quickprop
from reference.random import philox

Array = np.ndarray
CASCADE = 4  # what a stream of draws is for


def covariances(w: Array, inputs: Array, error: Array, activation: str = "tanh", counts: Array | None = None) -> Array:
    """sum_p c_p (V_p - mean V) (E_po - mean E_o) for each output o; `inputs` holds the bias as a column of ones."""
    value = ACTIVATIONS[activation].value(inputs @ w)
    c = np.ones(len(inputs)) if counts is None else counts
    return (c * (value - np.average(value, weights=c))) @ (error - np.average(error, axis=0, weights=c))


def correlation(w: Array, inputs: Array, error: Array, activation: str = "tanh", counts: Array | None = None) -> float:
    """S, the sum over outputs of the covariances' magnitudes."""
    return float(np.abs(covariances(w, inputs, error, activation, counts)).sum())


def correlation_gradient(
    w: Array, inputs: Array, error: Array, activation: str = "tanh", counts: Array | None = None
) -> Array:
    """dS/dw_i = sum_{p,o} sigma_o c_p (E_po - mean E_o) f'_p I_ip."""
    c = np.ones(len(inputs)) if counts is None else counts
    sigma = np.sign(covariances(w, inputs, error, activation, counts))
    slope = ACTIVATIONS[activation].derivative(inputs @ w)
    return inputs.T @ (c * slope * ((error - np.average(error, axis=0, weights=c)) @ sigma))


class Patience:
    """Whether the score has moved too little for too long, by `threshold` of itself in `patience` epochs."""

    def __init__(self, epochs: int, patience: int, threshold: float) -> None:
        self.epochs, self.patience, self.threshold = epochs, patience, threshold
        self.last, self.quit = 0.0, patience

    def ended(self, epoch: int, score: float) -> bool:
        if abs(score - self.last) > self.threshold * self.last:
            self.last, self.quit = score, epoch + self.patience
        return epoch >= min(self.quit, self.epochs)


@dataclass
class Growth:
    """Growth of a network whose units lie within [-1, 1], by quickprop; `grow` returns its stages."""

    counts: Array
    candidates: int = 8
    max_units: int = 25
    activation: str = "tanh"
    logistic: bool = False
    tolerance: float = 0.2
    deviation: float = 1.0
    seed: int = 0
    output_phase: tuple[int, int, float] = (200, 12, 0.01)
    candidate_phase: tuple[int, int, float] = (200, 12, 0.03)
    mu: float = 2.0
    decay: float = 0.0

    def misfit(self, sources: Array, w: Array, t: Array) -> tuple[Array, Array]:
        """y - t, and what the outputs' weights descend along."""
        y = sources @ w
        if not self.logistic:
            return y - t, y - t
        y = 1 / (1 + np.exp(-y))
        return y - t, (y - t) * (y * (1 - y) + 0.1)

    def train_outputs(self, sources: Array, w: Array, t: Array) -> tuple[float, float, Array]:
        """Error index, missed targets and weights where the error was least."""
        c, patience, memory = self.counts[:, None], Patience(*self.output_phase), {}
        rule = Quickprop(1 / self.counts.sum(), self.mu, self.decay)
        best = (np.inf, np.inf, w)
        for epoch in count(1):
            e, descent = self.misfit(sources, w, t)
            index = np.sqrt((c * e**2).sum() / (self.counts.sum() * t.shape[1])) / self.deviation
            wrong = (c * (np.abs(e) > self.tolerance)).sum()
            enough = wrong == 0 if self.logistic else index <= self.tolerance
            if enough or index < best[0]:
                best = (index, wrong, w)
            if enough or patience.ended(epoch, index):
                return best
            w = rule.update(w, sources.T @ (c * descent), memory)
        raise AssertionError

    def train_candidate(self, number: int, sources: Array, error: Array) -> tuple[float, Array]:
        """S / sum E^2 and weights where it was greatest."""
        fan_in, c = sources.shape[1], self.counts
        squares = (c[:, None] * error**2).sum()
        patience, memory = Patience(*self.candidate_phase), {}
        rule = Quickprop(0.5 / fan_in, self.mu, self.decay)
        words = [philox(i, (CASCADE, number), self.seed) for i in range(fan_in)]
        w = 2 * np.array([(((b[0] << 32) | b[1]) >> 11) * 2.0**-53 for b in words]) - 1
        best = (-1.0, w)
        for epoch in count(1):
            score = correlation(w, sources, error, self.activation, c) / squares
            if score > best[0]:
                best = (score, w)
            if patience.ended(epoch, score):
                return best
            gradient = correlation_gradient(w, sources, error, self.activation, c)
            w = rule.update(w, -gradient / squares, memory)
        raise AssertionError

    def grow(self, x: Array, t: Array) -> tuple[list[tuple[float, float, Array]], list[tuple[float, Array]]]:
        """What `train_outputs` gives for each stage, and correlation and weights of each unit."""
        sources = np.column_stack([np.ones(len(x)), x])
        stages = [self.train_outputs(sources, np.zeros((sources.shape[1], t.shape[1])), t)]
        units: list[tuple[float, Array]] = []
        while len(units) < self.max_units:
            index, wrong, w = stages[-1]
            if wrong == 0 if self.logistic else index <= self.tolerance:
                break
            _, error = self.misfit(sources, w, t)
            first = len(units) * self.candidates
            pool = [self.train_candidate(first + i, sources, error) for i in range(self.candidates)]
            units.append(max(pool, key=lambda candidate: candidate[0]))
            squares = (self.counts[:, None] * error**2).sum()
            start = -covariances(units[-1][1], sources, error, self.activation, self.counts) / squares
            sources = np.column_stack([sources, ACTIVATIONS[self.activation].value(sources @ units[-1][1])])
            stages.append(self.train_outputs(sources, np.vstack([w, start]), t))
        return stages, units


def spirals() -> tuple[Array, Array]:
    """The two spirals of Carnegie Mellon's benchmark collection: (194, 2) points, and labels 0 and 1."""
    i = np.arange(97)
    angle, radius = i * np.pi / 16, 6.5 * (104 - i) / 104
    spiral = np.column_stack([radius * np.sin(angle), radius * np.cos(angle)])
    return np.concatenate([spiral, -spiral]), np.repeat([1.0, 0.0], 97)


def regression(rng: np.random.Generator, rows: int = 120, outputs: int = 2) -> tuple[Array, Array]:
    """Three inputs, and targets that no linear model has."""
    x = rng.normal(size=(rows, 3))
    t = np.column_stack([np.sin(2 * x[:, 0]) * x[:, 1], x[:, 2] ** 2, x.sum(axis=1)])[:, :outputs]
    return x, 100 + 30 * t
