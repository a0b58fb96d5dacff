"""What happens between epochs, by its public name."""

from lamina.training.callbacks import DivergenceWarning, EarlyStopping, Epoch, FitRun, History, ProgressBar, TimeLimit
from lamina.training.checkpoint import Checkpoint
from lamina.training.loggers import CSVLogger, MLflow, TensorBoard

__all__ = [
    "CSVLogger",
    "Checkpoint",
    "DivergenceWarning",
    "EarlyStopping",
    "Epoch",
    "FitRun",
    "History",
    "MLflow",
    "ProgressBar",
    "TensorBoard",
    "TimeLimit",
]
