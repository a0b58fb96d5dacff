"""The registry of metrics, which the core takes of predictions: names, look-up by name, and what each one is."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina._dispatch import core as _core

__all__ = ["Metric", "describe", "get", "names"]


def __dir__() -> list[str]:
    return sorted(__all__)


def names() -> list[str]:
    """Return every name there is; aliases resolve to these."""
    return list(_core.metric_names())


def describe() -> list[dict[str, Any]]:
    """Return a dict for each entry: name, aliases, formula, source, targets, and whether greater is better."""
    return list(_core.metric_describe())


def get(name: "str | Metric") -> "Metric":
    """Return the metric called `name`, or `name` itself where it is a metric already.

    ValueError lists the nearest names for a typo.

    Examples
    --------
    >>> import lamina
    >>> lamina.metrics.get("auc")([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    if isinstance(name, Metric):
        return name
    if not isinstance(name, str):
        raise TypeError(f"metric must be a name or a metric; got {type(name).__name__}")
    known = _core.metric_name(name)
    found = next(entry for entry in describe() if entry["name"] == known)
    return Metric(known, found["targets"], found["greater_is_better"])


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric, to be called with targets and predictions; `get` makes it.

    Attributes
    ----------
    name : str
    targets : {"classes", "numbers"}
        What it compares predictions with.
    greater_is_better : bool
    """

    name: str
    targets: str
    greater_is_better: bool

    def __call__(
        self, targets: npt.ArrayLike, predicted: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> float:
        """Return the metric of predictions, as the core takes it of a network's; NaN where it is not defined.

        Parameters
        ----------
        targets : array-like
            Class numbers from 0 on, (rows,), or 0 and 1 for several labels, (rows, labels); of a metric of numbers
            those, (rows,) or (rows, targets).
        predicted : array-like
            The probability, or the score, of each class, (rows, classes), or of class 1 alone, (rows,); of each label;
            or numbers as the targets.
        sample_weight : array-like, (rows,), optional

        Raises
        ------
        ValueError
            Where shapes do not belong together, or targets are not what the metric wants.
        """
        t, p = np.asarray(targets), np.ascontiguousarray(predicted, np.float64)
        if p.ndim not in (1, 2) or t.ndim not in (1, 2) or len(t) != len(p) or p.size == 0:
            raise ValueError(
                f"targets and predicted must have as many rows, at least one; got shapes {t.shape} and {p.shape}"
            )
        p = p.reshape(len(p), -1)
        labels = self.targets == "classes" and t.ndim == 1 and p.shape[1] > 1
        if labels:
            whole = t.dtype.kind in "biu" or (t.dtype.kind == "f" and bool((t == np.floor(t)).all()))
            if not whole or t.min() < 0 or t.max() >= p.shape[1]:
                raise ValueError(f"targets must be class numbers in 0 .. {p.shape[1] - 1}, one for each column")
            t = np.ascontiguousarray(t, np.int32)
        else:
            t = np.ascontiguousarray(t, np.float64).reshape(len(t), -1)
            if t.shape != p.shape:
                raise ValueError(f"targets must have the shape of predicted, {p.shape}; got {t.shape}")
            if self.targets == "classes" and not np.isin(t, (0, 1)).all():
                raise ValueError("targets must be 0 and 1 where predicted has no column for each class")
            if not np.isfinite(t).all():
                raise ValueError("targets must be finite")
        return float(_core.metric_value(self.name, t, p, self._weights(sample_weight, len(t))))

    @staticmethod
    def _weights(sample_weight: npt.ArrayLike | None, n_rows: int) -> "npt.NDArray[np.float64] | None":
        if sample_weight is None:
            return None
        weights = np.ascontiguousarray(sample_weight, np.float64)
        if weights.shape != (n_rows,):
            raise ValueError(f"sample_weight must have one entry for each of the {n_rows} rows; got {weights.shape}")
        if not (np.isfinite(weights) & (weights >= 0)).all() or not weights.any():
            raise ValueError("sample_weight must be finite, not below 0, and not all 0")
        return weights
