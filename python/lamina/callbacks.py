"""What happens between epochs, by its public name."""

from lamina.training.callbacks import DivergenceWarning, EarlyStopping, Epoch, History, ProgressBar, TimeLimit

__all__ = ["DivergenceWarning", "EarlyStopping", "Epoch", "History", "ProgressBar", "TimeLimit"]
