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
    """Return accuracy, and precision, recall and F1 of each class, from class numbers (n,); 0 where undefined.

    Besides the mean of the F1, over the classes that are there: among the true or the predicted ones.
    """
    counts = confusion(labels, predicted, classes).astype(np.float64)
    hits, rows = np.diag(counts), counts.sum(axis=1)

    def share(part: Any, whole: Any) -> Any:
        return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)

    found = counts.sum(axis=0)
    f1 = share(2 * hits, found + rows)
    return {
        "accuracy": float(hits.sum() / max(len(labels), 1)),
        "precision": share(hits, found),
        "recall": share(hits, rows),
        "f1": f1,
        "mean_f1": float(f1[found + rows > 0].mean()),
        "rows": rows.astype(int),
    }


def regression_scores(values: Any, predicted: Any) -> dict[str, float]:
    """Return R squared, the root mean square error and the mean absolute error."""
    return {title: metrics.get(name)(values, predicted) for title, name in _OF_NUMBERS.items()}


@dataclass(frozen=True, slots=True)
class Metric:
    """What a metric is called, and which way is better."""

    title: str
    higher_is_better: bool


_TITLES = {"accuracy": "accuracy", "log_loss": "log loss", "auc": "AUC", "rmse": "RMSE", "mae": "MAE", "r2": "R²"}
#: By the names that metrics have in training.
METRICS = {name: Metric(title, metrics.get(name).greater_is_better) for name, title in _TITLES.items()}
_OF_NUMBERS = {"R2": "r2", "RMSE": "rmse", "MAE": "mae"}


def metrics_of(truth: Any, outputs: Any) -> dict[str, float]:
    """Return the metrics, by name, of probabilities (n, classes) for class numbers, or of numbers (n,) for numbers.

    One that is not defined, as the area under the ROC curve where all rows are of one class, is left out; of several
    classes that is the mean over those that are there, each against the others.
    """
    kind = "numbers" if np.ndim(outputs) == 1 else "classes"
    found = {name: metrics.get(name)(truth, outputs) for name in METRICS if metrics.get(name).targets == kind}
    return {name: value for name, value in found.items() if not np.isnan(value)}
