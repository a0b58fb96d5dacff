"""What a network takes: rows or, with recurrent layers, sequences, whole or step by step."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.data import arrays as _data
from lamina.data import sequences as _sequences
from lamina.data.arrays import Array

__all__ = ["TakesSequences"]


class TakesSequences:
    """The part of `Network` that knows whether its samples are rows or sequences."""

    _core: Any
    _dtype: np.dtype[Any]
    _n_inputs: int
    _layers: list[Any]
    _loss: Any

    def step(self, x: Any) -> Array:
        """Return the prediction for the next step of a sequence, x (n_inputs,), or of several, (sequences, n_inputs).

        The recurrent layers carry what they remember from one call to the next, until `reset_state`; the predictions
        are those of `predict` for all the steps so far, to the bit.
        """
        return _sequences.step(self, x, True)

    def reset_state(self) -> None:
        """Forget the sequences of `step`: the next step is a first one."""
        self._core.reset_state()

    @property
    def state(self) -> list[Array] | None:
        """What `step` carries, (sequences, outputs) a recurrent layer; set it to go on from there."""
        return _sequences.state(self)

    @state.setter
    def state(self, value: Any) -> None:
        _sequences.set_state(self, value)

    def _samples(
        self, X: Any, y: Any, sample_weight: Any, which: str = "", lengths: Any = None
    ) -> tuple[Array, Array, Array | None]:
        """Samples as the core wants them; `which` of them, for errors: "" or "validation "."""
        if self._core.recurrent:
            return _sequences.samples(self, X, y, sample_weight, which, lengths)
        x = self._inputs(X, lengths, f"{which}X")
        t = _data.targets(y, len(x), int(self._core.n_outputs), self._loss, self._dtype, f"{which}y")
        name = f"{which}sample_weight".replace(" ", "_")
        return x, t, _data.weights(sample_weight, len(x), self._dtype, name)

    def _inputs(self, X: Any, lengths: Any, name: str = "X") -> Array:
        if self._core.recurrent:
            return _sequences.inputs(self, X, lengths, name)
        if lengths is not None:
            raise ValueError("lengths needs a network with a Recurrent layer; this one has none")
        return _data.matrix(X, self._n_inputs, self._dtype, name)

    def _lengths(self, lengths: Any, x: Array) -> Array | None:
        return None if lengths is None else _sequences.checked_lengths(lengths, x.shape[0], x.shape[1])
