"""The choice of hyper-parameters by validation, by its public name."""

from lamina.selection.search import search
from lamina.selection.trials import Trainer as _Trainer  # noqa: F401 (older pickles look for it here)

__all__ = ["search"]
