"""The scores of predictions: what the command line prints, and a report shows."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["classification_scores", "confusion", "regression_scores"]


def confusion(labels: Any, predicted: Any, classes: int) -> Any:
    """Return how many rows of each class (down) were predicted as which (across), from class numbers (n,)."""
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def classification_scores(labels: Any, predicted: Any, classes: int) -> dict[str, Any]:
    """Return accuracy, and precision, recall and F1 of each class, from class numbers (n,); 0 where undefined."""
    counts = confusion(labels, predicted, classes).astype(np.float64)
    hits, rows = np.diag(counts), counts.sum(axis=1)

    def share(part: Any, whole: Any) -> Any:
        return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)

    return {
        "accuracy": float(hits.sum() / max(len(labels), 1)),
        "precision": share(hits, counts.sum(axis=0)),
        "recall": share(hits, rows),
        "f1": share(2 * hits, counts.sum(axis=0) + rows),
        "rows": rows.astype(int),
    }


def regression_scores(values: Any, predicted: Any) -> dict[str, float]:
    """Return R squared, the root mean square error and the mean absolute error; R squared is 0 for equal values."""
    # In a unit in which no sum or square overflows or vanishes.
    unit = float(max(np.abs(values).max(), np.abs(predicted).max())) or 1.0
    truth, found = np.asarray(values) / unit, np.asarray(predicted) / unit
    error, spread = truth - found, truth - truth.mean()
    total = float(np.sum(spread**2))
    return {
        "R2": 1 - float(np.sum(error**2)) / total if total > 0 else 0.0,
        "RMSE": float(np.sqrt(np.mean(error**2))) * unit,
        "MAE": float(np.mean(np.abs(error))) * unit,
    }
