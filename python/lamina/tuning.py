"""The choice of hyper-parameters by validation, by its public name."""

from lamina.selection.search import search
from lamina.selection.trials import Trainer as _Trainer  # noqa: F401 (pickles of lamina 0.1 look for it here)

__all__ = ["search"]
