"""What callbacks, scores and fits know of a network: enough to use it, whatever kind it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from lamina.data.arrays import Array

__all__ = ["Model"]


class Model(Protocol):
    """A network as a callback sees it; `lamina.Network` is one."""

    metadata: dict[str, str]

    @property
    def layers(self) -> tuple[Any, ...]:
        """The layers, as given."""

    @property
    def n_inputs(self) -> int:
        """Number of features."""

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""

    @property
    def loss(self) -> Any:
        """The loss."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""

    @property
    def seed(self) -> int:
        """The seed."""

    @property
    def parameters(self) -> Mapping[str, Array]:
        """Writable views by name."""

    def predict(self, X: Any, n_threads: int | None = None, lengths: Any = None) -> Array:
        """Return predictions."""

    def forward(self, X: Any, n_threads: int | None = None, lengths: Any = None) -> Array:
        """Return raw outputs."""

    def evaluate(
        self, X: Any, y: Any, sample_weight: Any = None, n_threads: int | None = None, lengths: Any = None
    ) -> float:
        """Return the loss."""

    def copy(self) -> Any:
        """Return an independent copy."""

    def save(self, path: Any) -> None:
        """Write a model file."""
