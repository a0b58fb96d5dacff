"""The picture of the learning curves, as a file of a format that is known before training begins."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lamina.cli.outputs import OutputError, write_whole
from lamina.plots import learning_curves
from lamina.plots.figure import figure

__all__ = ["picture_of"]


def picture_of(path: str) -> Callable[[Any], None]:
    """Return what draws a history into the file at `path`; OutputError where its suffix names no format."""
    known = sorted(figure((1, 1)).canvas.get_supported_filetypes())
    suffix = Path(path).suffix.lstrip(".").lower()
    if suffix not in known:
        raise OutputError(f"{path} must have the suffix of a picture: {', '.join(known)}")

    def draw(history: Any) -> None:
        drawn = io.BytesIO()
        learning_curves(history).figure.savefig(drawn, format=suffix, dpi=150)
        write_whole(path, drawn.getvalue())

    return draw
