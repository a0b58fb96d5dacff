"""k-fold cross-validation, by its public name."""

from lamina.selection.cross_validation import CrossValidation, cross_validate, fit_fold, mean_curve

__all__ = ["CrossValidation", "cross_validate", "fit_fold", "mean_curve"]
