"""What a fit and a score use of the network that they are for."""

from __future__ import annotations

from typing import Any, Protocol

from lamina.data.arrays import Array

__all__ = ["Model"]


class Model(Protocol):
    """A network, as far as this room goes; `lamina.Network` is one."""

    metadata: dict[str, str]

    @property
    def core(self) -> Any:
        """The core's own network."""

    @property
    def loss(self) -> Any:
        """The loss."""

    @property
    def seed(self) -> int:
        """The seed."""

    def architecture(self) -> dict[str, Any]:
        """Return what makes the network, beside its weights, as plain JSON values; TypeError where a part is custom."""

    def predict(self, X: Any, n_threads: int | None = None, lengths: Any = None) -> Array:
        """Return the prediction for each sample."""

    def evaluate(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        n_threads: int | None = None,
        lengths: Any = None,
        metric: str | None = None,
    ) -> float:
        """Return the loss on these samples, or a metric."""
