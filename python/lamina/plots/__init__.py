"""Pictures of training and validation, drawn by matplotlib."""

from lamina.plots.figure import MARK, TRAINING, VALIDATION
from lamina.plots.training import activations, confusion_matrix, fold_scores, gradient_flow, learning_curves

__all__ = [
    "MARK",
    "TRAINING",
    "VALIDATION",
    "activations",
    "confusion_matrix",
    "fold_scores",
    "gradient_flow",
    "learning_curves",
]
