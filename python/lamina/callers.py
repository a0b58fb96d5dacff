"""Warnings at the line of the user's own code that led to them, however deep in lamina they arise."""

from __future__ import annotations

import inspect
import warnings
from types import FrameType

__all__ = ["warn_caller"]


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the innermost call that comes from outside of lamina."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and _is_own(frame):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _is_own(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == "lamina"
