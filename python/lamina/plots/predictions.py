"""Pictures of predictions beside what is true, drawn by matplotlib."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.files import FilePath
from lamina.plots.figure import MARK, TRAINING, VALIDATION, axes, done

__all__ = ["calibration_curve", "predicted_against_true", "residuals"]

# So many points are one picture in the vector graphics, and not one mark each.
_MANY = 500
# Rows of a group of the calibration curve, at least, and groups, at most.
_GROUP, _GROUPS = 20, 10


def calibration_curve(y: Any, probabilities: Any, ax: Any = None, path: FilePath | None = None) -> Any:
    """Draw how often predictions of a probability come true, in up to ten groups of as many rows each.

    Of two classes the second one's probability is looked at, of more that of the predicted class. Bars are one standard
    error; points on the diagonal are calibrated.

    Parameters
    ----------
    y : array-like, (rows,)
        True labels 0 .. n - 1.
    probabilities : array-like, (rows, classes) or (rows,)
        As `Network.predict` gives them; one column is the probability of class 1.

    Returns the matplotlib.axes.Axes.
    """
    y, probabilities = np.asarray(y).reshape(-1), np.asarray(probabilities, dtype=np.float64)
    if probabilities.ndim == 2 and probabilities.shape[1] == 1:
        probabilities = probabilities[:, 0]
    if len(y) != len(probabilities) or not len(y):
        raise ValueError(
            f"probabilities must have as many rows as y, at least one; got {len(probabilities)} and {len(y)}"
        )
    if probabilities.ndim == 2 and probabilities.shape[1] > 2:
        stated, true = probabilities.max(axis=1), y == probabilities.argmax(axis=1)
        label = ("probability of the predicted class", "share that is right")
    else:
        stated, true = (probabilities if probabilities.ndim == 1 else probabilities[:, 1]), y == 1
        label = ("predicted probability", "share that is true")
    # Rows of one probability stay together.
    order = np.argsort(stated, kind="stable")
    edges = np.linspace(0, len(y), min(_GROUPS, max(len(y) // _GROUP, 1)) + 1).astype(int)[1:-1]
    edges = np.unique(np.searchsorted(stated[order], stated[order][edges]))
    groups = [group for group in np.split(order, edges) if len(group)]
    sizes = np.array([len(group) for group in groups])
    x = np.array([stated[group].mean() for group in groups])
    share = np.array([true[group].mean() for group in groups])
    error = np.sqrt(np.maximum(share * (1 - share), 0.25 / sizes) / sizes)
    ax = axes(ax, (5.0, 4.2))
    ax.plot([0, 1], [0, 1], color=MARK, linewidth=0.8, linestyle=":")
    bars = np.stack([share - np.maximum(share - error, 0), np.minimum(share + error, 1) - share])
    ax.errorbar(x, share, yerr=bars, color=TRAINING, marker="o", markersize=5, linewidth=1.2, elinewidth=0.8)
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    ax.set_xlabel(label[0])
    ax.set_ylabel(label[1])
    gap = float(np.average(np.abs(share - x), weights=sizes))
    ax.set_title(f"{len(y)} rows, mean distance {gap:.3f}", fontsize=10)
    ax.grid(alpha=0.25)
    return done(ax, path)


def predicted_against_true(y: Any, predicted: Any, ax: Any = None, path: FilePath | None = None) -> Any:
    """Draw predicted numbers above the true ones: a point for each row, and the diagonal of perfect predictions.

    Parameters
    ----------
    y, predicted : array-like, (rows,)

    Returns the matplotlib.axes.Axes.
    """
    y, predicted = _numbers(y, predicted)
    ax = axes(ax, (5.0, 4.2))
    low, high = float(min(y.min(), predicted.min())), float(max(y.max(), predicted.max()))
    ax.plot([low, high], [low, high], color=MARK, linewidth=0.8, linestyle=":")
    _points(ax, y, predicted)
    ax.set_xlabel("true")
    ax.set_ylabel("predicted")
    spread = float(np.sum((y - y.mean()) ** 2))
    title = f"{len(y)} rows" + (f", R² {1 - float(np.sum((y - predicted) ** 2)) / spread:.4f}" if spread > 0 else "")
    ax.set_title(title, fontsize=10)
    ax.grid(alpha=0.25)
    return done(ax, path)


def residuals(y: Any, predicted: Any, ax: Any = None, path: FilePath | None = None) -> Any:
    """Draw what is true less what was predicted above the prediction, with the median of ten groups of rows.

    A line that leaves zero shows where predictions are too low or too high.

    Parameters
    ----------
    y, predicted : array-like, (rows,)

    Returns the matplotlib.axes.Axes.
    """
    y, predicted = _numbers(y, predicted)
    ax = axes(ax, (5.0, 4.2))
    errors = y - predicted
    ax.axhline(0, color=MARK, linewidth=0.8, linestyle=":")
    _points(ax, predicted, errors)
    groups = [group for group in np.array_split(np.argsort(predicted, kind="stable"), _GROUPS) if len(group)]
    if len(y) >= _GROUP * _GROUPS / 2:
        middle = [(np.median(predicted[group]), np.median(errors[group])) for group in groups]
        ax.plot(*zip(*middle, strict=True), color=VALIDATION, marker="o", markersize=3, linewidth=1.2,
                label="median of a tenth of the rows")  # fmt: skip
        ax.legend(frameon=False)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true - predicted")
    ax.set_title(f"{len(y)} rows, mean {errors.mean():.4g}, standard deviation {errors.std():.4g}", fontsize=10)
    ax.grid(alpha=0.25)
    return done(ax, path)


def _numbers(y: Any, predicted: Any) -> tuple[Any, Any]:
    y, predicted = (np.asarray(given, dtype=np.float64).reshape(-1) for given in (y, predicted))
    if len(y) != len(predicted) or not len(y):
        raise ValueError(f"predicted must have as many rows as y, at least one; got {len(predicted)} and {len(y)}")
    return y, predicted


def _points(ax: Any, x: Any, y: Any) -> None:
    many = len(x) > _MANY
    ax.plot(x, y, "o", color=TRAINING, markersize=2.5 if many else 4, markeredgewidth=0,
            alpha=max(0.15, min(0.7, 300 / len(x))), rasterized=many)  # fmt: skip
