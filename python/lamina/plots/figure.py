"""What every picture has: colours, a figure without a display, and the file it is written to."""

from __future__ import annotations

import sys
from typing import Any

from lamina.files import FilePath, path_of

__all__ = ["MARK", "TRAINING", "VALIDATION", "axes", "done", "figure", "write_picture"]

TRAINING, VALIDATION, MARK = "#1f77b4", "#d95f02", "#444444"


def figure(size: tuple[float, float]) -> Any:
    """Return a figure of `size` inches; ImportError names the extra where matplotlib is not installed.

    It is pyplot's where that shows figures, so that a notebook's cell draws it and `pyplot.show` opens its window.
    Elsewhere it is not: pyplot would keep it alive, and may ask for a display where there is none.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("pictures need matplotlib; install it with: pip install lamina[plots]") from error
    if "matplotlib.pyplot" in sys.modules or _in_notebook():
        from lamina.plots.picture import shown_by_pyplot

        if (shown := shown_by_pyplot(size)) is not None:
            return shown
    made = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(made)
    return made


def _in_notebook() -> bool:
    """Whether a Jupyter kernel runs this."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


def axes(ax: Any, size: tuple[float, float]) -> Any:
    """Return `ax`, or where it is None the axes of a new figure of `size` inches."""
    return figure(size).add_subplot() if ax is None else ax


def done(ax: Any, path: FilePath | None) -> Any:
    """Write the picture where there is a `path`, and return its axes."""
    write_picture(ax.figure, path)
    return ax


def write_picture(picture: Any, path: FilePath | None, dpi: int = 150) -> None:
    """Write a figure where there is a `path`."""
    if path is not None:
        picture.savefig(path_of(path), dpi=dpi)
