"""Pictures of training and validation, drawn by matplotlib.

In a notebook the cell that makes a picture shows it, once; elsewhere give a `path`, axes of your own as `ax`, or, where
matplotlib has windows, call ``matplotlib.pyplot.show()`` after it.
"""

from lamina.plots.figure import MARK, TRAINING, VALIDATION
from lamina.plots.layers import layer_diagram
from lamina.plots.predictions import calibration_curve, predicted_against_true, residuals
from lamina.plots.training import (
    activations,
    confusion_matrix,
    fold_curves,
    fold_scores,
    gradient_flow,
    learning_curves,
    metric_curves,
)

__all__ = [
    "MARK",
    "TRAINING",
    "VALIDATION",
    "activations",
    "calibration_curve",
    "confusion_matrix",
    "fold_curves",
    "fold_scores",
    "gradient_flow",
    "layer_diagram",
    "learning_curves",
    "metric_curves",
    "predicted_against_true",
    "residuals",
]


def __dir__() -> list[str]:
    return sorted(__all__)
