"""The figure of a picture that pyplot keeps; its own module, since matplotlib is imported with it."""

from __future__ import annotations

from typing import Any

import matplotlib
from matplotlib import pyplot
from matplotlib.figure import Figure

__all__ = ["Picture", "shown_by_pyplot"]

# The backends of matplotlib's own that write files and show nothing.
_WRITERS = {"agg", "cairo", "pdf", "pgf", "ps", "svg", "template"}


class Picture(Figure):
    """A figure that a notebook draws once: where a cell returns it, pyplot does not draw it again at the cell's end."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """Add nothing to what the notebook makes of any figure; it is about to draw this one."""
        if "inline" in matplotlib.get_backend():
            pyplot.close(self)
        return {}


def shown_by_pyplot(size: tuple[float, float]) -> Any:
    """Return a new figure that pyplot shows, at the end of the cell or at `pyplot.show`; None where it shows nothing.

    What was pyplot's current figure still is.
    """
    if matplotlib.get_backend().lower() in _WRITERS:
        return None
    current = pyplot.gcf().number if pyplot.get_fignums() else None
    made = pyplot.figure(figsize=size, layout="constrained", FigureClass=Picture)
    if current is not None:
        pyplot.figure(current)
    return made
