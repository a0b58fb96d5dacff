"""Setting samples aside, by its public name."""

from lamina.data.splits import Split, fold_indices, split, split_indices

__all__ = ["Split", "fold_indices", "split", "split_indices"]
