"""What happens between epochs, by its public name."""

from lamina.training.callbacks import DivergenceWarning, EarlyStopping, Epoch, History, ProgressBar, TimeLimit
from lamina.training.checkpoint import Checkpoint

__all__ = ["Checkpoint", "DivergenceWarning", "EarlyStopping", "Epoch", "History", "ProgressBar", "TimeLimit"]
