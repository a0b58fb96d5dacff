"""A training step of the network that tables are learned with, RealMLP's (arXiv 2407.04491) with its 256 units."""

from dataclasses import dataclass, replace

import numpy as np

from tasks.base import Arrays, Task

ORDER = 7


@dataclass(frozen=True)
class TableTask(Task):
    """Numeric columns as periodic embeddings, categories as learned vectors, a factor a column, dense layers.

    Dense layers have NTK parametrisation and parametric activations: y = v + a (f(v) - v), v = x W / sqrt(fan_in) + b.
    The periodic embedding of a column x is [x, w cos(2 pi v x + c) + b]. `layers` begins with what these make.
    """

    numeric: int = 20
    categories: tuple[int, ...] = (12, 20, 30, 50)
    category_units: int = 8
    frequencies: int = 16
    embedded: int = 3
    flop: int = 0  # not told: most of the time is no product

    def arrays(self) -> Arrays:
        """Those of the dense network of the same width; and of the embeddings, under lamina's names."""
        rng = np.random.default_rng(self.seed + 1)
        made = super().arrays()
        numbers = made.X[:, : self.numeric]
        groups = [rng.integers(0, count, self.rows) for count in self.categories]
        X = np.ascontiguousarray(np.column_stack([numbers, *groups]), np.float32)
        shapes = {
            "embedding": (sum(self.categories), self.category_units),
            "frequency": (self.frequencies, self.numeric),
            "phase": (self.frequencies, self.numeric),
            "combine": (self.frequencies, self.embedded, self.numeric),
            "bias": (self.embedded, self.numeric),
        }
        own = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
        weights = [rng.standard_normal(w.shape, dtype=np.float32) for w in made.weights]
        return replace(made, X=X, weights=weights, own=own)


_MADE = 4 * 8 + 20 + 20 * 3
TASKS = [
    TableTask(
        "table",
        "RealMLP's network for 20 numbers and 4 categories, 256-256-256-3 mish, batch 256",
        (_MADE, 256, 256, 256, 3),
        batch=256,
        batches=8,
        activation="mish",
        engines=("lamina", "torch", "torch_compile"),
        reference="torch",
    )
]
