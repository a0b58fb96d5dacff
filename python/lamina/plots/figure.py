"""What every picture has: colours, a figure without a display, and the file it is written to."""

from __future__ import annotations

from os import PathLike
from typing import Any

from lamina.extras import how_to_install

__all__ = ["MARK", "TRAINING", "VALIDATION", "axes", "done", "figure"]

TRAINING, VALIDATION, MARK = "#1f77b4", "#d95f02", "#444444"


def figure(size: tuple[float, float]) -> Any:
    """Return a figure of `size` inches; ImportError says how to get it where matplotlib is not installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(f"pictures need matplotlib; {how_to_install(['matplotlib'])}") from error
    # Not pyplot: it would keep the figure alive, and ask for a display where there is none.
    made = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(made)
    return made


def axes(ax: Any, size: tuple[float, float]) -> Any:
    """Return `ax`, or where it is None the axes of a new figure of `size` inches."""
    return figure(size).add_subplot() if ax is None else ax


def done(ax: Any, path: str | PathLike[str] | None) -> Any:
    """Write the picture where there is a `path`, and return its axes."""
    if path is not None:
        ax.figure.savefig(path, dpi=150)
    return ax
