"""What a caller gives as X, y, weights and lengths, made into `Samples`: rows or, for recurrent networks, sequences."""

from __future__ import annotations

from typing import Any

from lamina.data.arrays import Array, matrix, weights
from lamina.data.records import Samples, SampleSpec
from lamina.data.sequences import sequence_inputs, sequence_samples
from lamina.data.targets import targets

__all__ = ["inputs", "samples"]


def samples(
    spec: SampleSpec, X: Any, y: Any, sample_weight: Any = None, lengths: Any = None, which: str = ""
) -> Samples:
    """Return samples as the core wants them; `which` of them, for errors: "" or "validation "."""
    if spec.recurrent:
        return sequence_samples(spec, X, y, sample_weight, lengths, which)
    x, _ = inputs(spec, X, lengths, f"{which}X")
    t = targets(spec, y, len(x), f"{which}y")
    return Samples(x, t, weights(sample_weight, len(x), spec.dtype, f"{which}sample_weight".replace(" ", "_")))


def inputs(spec: SampleSpec, X: Any, lengths: Any = None, name: str = "X") -> tuple[Array, Array | None]:
    """Return X as the core wants it, and the lengths of its sequences."""
    if spec.recurrent:
        return sequence_inputs(spec, X, lengths, name)
    if lengths is not None:
        raise ValueError("lengths needs a network with a Recurrent layer; this one has none")
    return matrix(X, spec.n_inputs, spec.dtype, name), None
