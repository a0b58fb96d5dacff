"""What a caller gives as X, y, weights and lengths, made into `Samples`: rows or, for recurrent networks, sequences."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.data.arrays import Array, matrix, rows_of, to_array, weights, with_rows
from lamina.data.records import Indices, Samples, SampleSpec
from lamina.data.sequences import sequence_inputs, sequence_samples
from lamina.data.targets import targets

__all__ = ["counted", "counted_rows", "counted_samples", "inputs", "samples"]


def samples(
    spec: SampleSpec, X: Any, y: Any, sample_weight: Any = None, lengths: Any = None, which: str = ""
) -> Samples:
    """Return samples as the core wants them; `which` of them, for errors: "" or "validation "."""
    if spec.recurrent:
        return sequence_samples(spec, X, y, sample_weight, lengths, which)
    x, _ = inputs(spec, X, lengths, f"{which}X")
    t = targets(spec, y, len(x), f"{which}y")
    return Samples(x, t, weights(sample_weight, len(x), spec.dtype, f"{which}sample_weight".replace(" ", "_")))


def counted_rows(spec: SampleSpec, X: Any, sample_weight: Any, name: str = "sample_weight") -> Indices | None:
    """Return the numbers of the rows (or sequences) of weight above 0; None where all are, or none has a weight."""
    if sample_weight is None:
        return None
    n = len(X)
    given = to_array(sample_weight, name)
    by_step = spec.each_step and given.ndim == 2 and len(given) == n
    checked = weights(given.reshape(-1) if by_step else given, given.size if by_step else n, spec.dtype, name)
    assert checked is not None
    counts = checked.reshape(n, -1).any(axis=1)
    return None if counts.all() else np.flatnonzero(counts)


def counted_samples(
    spec: SampleSpec, X: Any, y: Any, sample_weight: Any = None, lengths: Any = None, which: str = ""
) -> Samples:
    """Return `samples` without those of weight 0, which are as if not there: they may be anything, NaN too."""
    return samples(spec, *counted(spec, X, y, sample_weight, lengths, which), which)


def counted(
    spec: SampleSpec, X: Any, y: Any, sample_weight: Any = None, lengths: Any = None, which: str = ""
) -> tuple[Any, Any, Any, Any]:
    """Return X, y, weights and lengths without the samples of weight 0; nothing else has been looked at."""
    if sample_weight is None:
        return X, y, None, lengths
    name = f"{which}sample_weight".replace(" ", "_")
    X, weight = to_array(X, f"{which}X"), to_array(sample_weight, name)
    rows = counted_rows(spec, X, weight, name) if X.ndim > 1 else None
    if rows is None:
        return X, y, weight, lengths
    y, lengths = (_rows_beside(part, rows, len(X), which + own) for part, own in ((y, "y"), (lengths, "lengths")))
    return X[rows], y, weight[rows], lengths


def _rows_beside(part: Any, rows: Indices, n_rows: int, name: str) -> Any:
    """The `rows` of what has one for each of X; None stays None."""
    if part is None:
        return None
    part, n = with_rows(part, name)
    if n != n_rows:
        raise ValueError(f"{name} must have one entry for each of the {n_rows} rows of X; got {n}")
    return rows_of(part, rows)


def inputs(spec: SampleSpec, X: Any, lengths: Any = None, name: str = "X") -> tuple[Array, Array | None]:
    """Return X as the core wants it, and the lengths of its sequences."""
    if spec.recurrent:
        return sequence_inputs(spec, X, lengths, name)
    if lengths is not None:
        raise ValueError("lengths needs a network with a Recurrent layer; this one has none")
    return matrix(X, spec.n_inputs, spec.dtype, name), None
