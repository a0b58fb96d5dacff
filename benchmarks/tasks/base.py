"""What a benchmark task is: a network, its data and what is timed, as plain fields."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Arrays:
    """The data and the starting weights every engine is given: float32, C-contiguous, reproducible from the seed."""

    X: np.ndarray
    """(rows, inputs), or (rows, time steps, inputs) for a recurrent task."""
    y: np.ndarray
    """Integer labels (rows,), or float targets (rows, outputs)."""
    weights: list[np.ndarray]
    """One (fan_in, fan_out) array per layer, Glorot uniform."""
    biases: list[np.ndarray]
    recurrent: np.ndarray | None
    """(units, units) of an Elman first layer."""
    own: dict[str, np.ndarray] = field(default_factory=dict)
    """What layers of another kind begin with, by name."""


@dataclass(frozen=True)
class Task:
    """One row of the results. Training is always Adam in float32."""

    name: str
    title: str
    layers: tuple[int, ...]
    """Inputs, hidden units, outputs."""
    batch: int
    """Rows of a training step, or of a prediction."""
    batches: int = 1
    """Batches kept in memory; steps walk through them in order, again and again."""
    kind: str = "training"
    """training, prediction, fit, memory or import."""
    activation: str = "relu"
    loss: str = "cross_entropy"
    """cross_entropy, binary_cross_entropy or squared_error (half the squared error, averaged over rows)."""
    learning_rate: float = 1e-3
    check_steps: int = 20
    """Steps after which the loss is compared, rounded up to whole passes over the data."""
    tolerance: float = 1e-3
    """Largest relative error against the reference."""
    time_steps: int = 0
    """Above 0 the first layer is an Elman layer (tanh) and the last state feeds the next layer."""
    dropout: float = 0.0
    batch_norm: bool = False
    agc: float = 0.0
    """Adaptive gradient clipping factor; 0 is off."""
    sam: float = 0.0
    """Radius of sharpness-aware minimisation; 0 is off."""
    engines: tuple[str, ...] = ("lamina", "torch", "torch_compile", "jax", "sklearn", "keras")
    reference: str = "reference"
    """The engine whose answers the others have to meet."""
    seed: int = 1

    @property
    def rows(self) -> int:
        return self.batch * self.batches

    @property
    def unit_steps(self) -> int:
        """Steps of the smallest timed piece: one pass over the data."""
        return self.batches if self.kind in ("training", "memory") else 1

    @property
    def plain(self) -> bool:
        """Dense layers and nothing else."""
        return not (self.time_steps or self.dropout or self.batch_norm or self.agc or self.sam)

    @cached_property
    def flop(self) -> int:
        """Operations of the products of one step (first input gradient left out) or of one prediction."""
        shapes = list(zip(self.layers[:-1], self.layers[1:], strict=True))
        products = [a * b for a, b in shapes]
        if self.kind in ("fit", "import"):
            return 0
        if self.kind == "prediction":
            return 2 * self.batch * sum(products)
        if self.time_steps:
            units = self.layers[1]
            first = self.time_steps * (2 * products[0] + 3 * units * units)
        else:
            first = 2 * products[0]
        return 2 * self.batch * (first + 3 * sum(products[1:])) * (2 if self.sam else 1)

    @property
    def ideal_bytes(self) -> int:
        """Parameters, gradients, two Adam slots and one batch's activations in float32."""
        parameters = sum(a * b + b for a, b in zip(self.layers[:-1], self.layers[1:], strict=True))
        return 4 * (4 * parameters + self.batch * sum(self.layers[1:]))

    def arrays(self) -> Arrays:
        """Normal inputs, targets from a random linear teacher, Glorot weights, zero biases."""
        rng = np.random.default_rng(self.seed)
        steps = (self.time_steps,) if self.time_steps else ()
        X = rng.standard_normal((self.rows, *steps, self.layers[0]), dtype=np.float32)
        seen = X.sum(axis=1) if steps else X
        scores = seen @ rng.standard_normal((self.layers[0], self.layers[-1]), dtype=np.float32)
        if self.loss == "cross_entropy":
            y = scores.argmax(axis=1)
        elif self.loss == "binary_cross_entropy":
            y = (scores > 0).astype(np.float32)
        else:
            y = np.tanh(scores)
        weights = [glorot(rng, a, b) for a, b in zip(self.layers[:-1], self.layers[1:], strict=True)]
        biases = [np.zeros(n, dtype=np.float32) for n in self.layers[1:]]
        recurrent = glorot(rng, self.layers[1], self.layers[1]) if self.time_steps else None
        return Arrays(X, y, weights, biases, recurrent)


def glorot(rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
    """Uniform within sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010)."""
    limit = np.sqrt(6.0 / (fan_in + fan_out))
    return rng.uniform(-limit, limit, (fan_in, fan_out)).astype(np.float32)
