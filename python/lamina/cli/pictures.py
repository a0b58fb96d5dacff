"""The format of a picture, known before training begins."""

from __future__ import annotations

import os

from lamina.cli.outputs import OutputError
from lamina.plots.figure import figure

__all__ = ["check_picture"]


def check_picture(path: str) -> None:
    """Raise OutputError where the suffix of `path` names no format of matplotlib's."""
    known = sorted(figure((1, 1)).canvas.get_supported_filetypes())
    if os.path.splitext(path)[1].lstrip(".").lower() not in known:
        raise OutputError(f"{path} must have the suffix of a picture: {', '.join(known)}")
