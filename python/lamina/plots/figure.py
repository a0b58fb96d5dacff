"""What every picture has: colours, a figure without a display, and the file it is written to."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lamina.extras import how_to_install
from lamina.files import FilePath, path_of, write_whole

__all__ = ["MARK", "TRAINING", "VALIDATION", "axes", "done", "figure", "is_ours", "legend", "literal", "write_picture"]

TRAINING, VALIDATION, MARK = "#1f77b4", "#d95f02", "#444444"

# What names the program that made a picture, in the formats in which it can be found again.
_MAKER = {"png": "Software", "svg": "Creator", "pdf": "Creator", "eps": "Creator", "ps": "Creator"}
_MADE_HERE = re.compile(
    rb"\x89PNG.*tEXtSoftware\0lamina"
    rb"|<\?xml.*<dc:creator>\s*<cc:Agent>\s*<dc:title>lamina</dc:title>"
    rb"|%PDF-.*/Creator \(lamina\)"
    rb"|%!PS-.*\n%%Creator: lamina\n",
    re.DOTALL,
)
_END = 1 << 16  # the maker is named within so many bytes of the first or the last


def figure(size: tuple[float, float]) -> Any:
    """Return a figure of `size` inches; ImportError says how to get it where matplotlib is not installed.

    It is pyplot's where that shows figures, so that a notebook's cell draws it and `pyplot.show` opens its window.
    Elsewhere it is not: pyplot would keep it alive, and may ask for a display where there is none.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(f"pictures need matplotlib; {how_to_install(['matplotlib'])}") from error
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


def literal(text: Any) -> str:
    """Return a text that somebody else has written as matplotlib shows it letter by letter: it reads $...$ as formulas.

    What matplotlib writes itself, such as the powers at a logarithmic axis, stays as it is.
    """
    from matplotlib import rcParams

    return str(text).replace("$", r"\$") if rcParams["text.parse_math"] else str(text)


def legend(ax: Any, handles: Sequence[Any]) -> None:
    """Draw a legend of these, and of what the axes had before; matplotlib's leaves out names that begin with "_"."""
    before = [handle for handle in ax.get_legend_handles_labels()[0] if handle not in handles]
    shown = [*before, *handles]
    made = ax.legend(shown, [str(place) for place in range(len(shown))], frameon=False)
    for text, handle in zip(made.get_texts(), shown, strict=True):
        text.set_text(handle.get_label())


def done(ax: Any, path: FilePath | None) -> Any:
    """Write the picture where there is a `path`, and return its axes."""
    write_picture(ax.figure, path)
    return ax


def write_picture(picture: Any, path: FilePath | None, dpi: int = 150) -> None:
    """Write a figure where there is a `path`, whole or not at all, in the format of its suffix."""
    if path is None:
        return
    from matplotlib import rcParams

    name = path_of(path)
    suffix = os.path.splitext(name)[1].lstrip(".")
    if not suffix:  # as matplotlib names it
        suffix = rcParams["savefig.format"]
        name += f".{suffix}"
    drawn = io.BytesIO()
    maker = _MAKER.get(suffix.lower())
    more = {} if maker is None else {"metadata": {maker: "lamina"}}
    picture.savefig(drawn, format=suffix, dpi=dpi, **more)
    write_whole(name, drawn.getvalue())


def is_ours(path: Path) -> bool:
    """Whether `write_picture` wrote the file, as png, svg, pdf, ps and eps tell."""
    with path.open("rb") as file:
        ends = file.read(_END)
        file.seek(-min(_END, path.stat().st_size), os.SEEK_END)
        return _MADE_HERE.match(ends + file.read(_END)) is not None
