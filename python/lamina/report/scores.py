"""The scores of predictions: what the command line prints, and a report shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina import metrics

__all__ = ["METRICS", "Metric", "classification_scores", "confusion", "metrics_of", "regression_scores"]


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


@dataclass(frozen=True, slots=True)
class Metric:
    """What a metric is called, and which way is better."""

    title: str
    higher_is_better: bool


_TITLES = {"accuracy": "accuracy", "log_loss": "log loss", "auc": "AUC", "rmse": "RMSE", "mae": "MAE", "r2": "R²"}
_MORE_IS_BETTER = {entry["name"]: entry["greater_is_better"] for entry in metrics.describe()}
#: By the names that metrics have in training.
METRICS = {name: Metric(title, _MORE_IS_BETTER[name]) for name, title in _TITLES.items()}


def metrics_of(truth: Any, outputs: Any) -> dict[str, float]:
    """Return the metrics, by name, of probabilities (n, classes) for class numbers, or of numbers (n,) for numbers.

    The area under the ROC curve is the mean of each class against the others; it is left out where a class has no row,
    or all rows.
    """
    outputs = np.asarray(outputs, dtype=np.float64)
    if outputs.ndim == 1:
        found = regression_scores(truth, outputs)
        return {"rmse": found["RMSE"], "mae": found["MAE"], "r2": found["R2"]}
    rows = np.arange(len(truth))
    own = outputs[rows, truth] / outputs.sum(axis=1)
    found = {
        "accuracy": float(np.mean(outputs.argmax(axis=1) == truth)),
        "log_loss": float(-np.log(np.maximum(own, np.finfo(np.float64).eps)).mean()),
    }
    classes = range(1, 2) if outputs.shape[1] == 2 else range(outputs.shape[1])
    counts = np.bincount(truth, minlength=outputs.shape[1])
    if all(0 < counts[label] < len(truth) for label in classes):
        found["auc"] = float(np.mean([_area(truth == label, outputs[:, label]) for label in classes]))
    return found


def _area(hit: Any, stated: Any) -> float:
    """Return how often a row of the class has a higher probability than another; half of the times for equal ones."""
    _, place, counts = np.unique(stated, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[place]
    n = int(hit.sum())
    return float((rank[hit].sum() - n * (n + 1) / 2) / (n * (len(hit) - n)))
