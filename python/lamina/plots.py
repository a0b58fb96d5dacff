"""Pictures of a training run, drawn by matplotlib: `pip install lamina[plots]`."""

from os import PathLike
from typing import Any

__all__ = ["learning_curves"]

TRAINING, VALIDATION, MARK = "#1f77b4", "#d95f02", "#444444"


def learning_curves(history: Any, ax: Any = None, path: str | PathLike[str] | None = None) -> Any:
    """Draw the training and validation loss of each epoch, the best epoch, and why training stopped.

    Parameters
    ----------
    history : History
        What `Network.fit` returned.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure without it.
    path : path-like, optional
        Where the picture is written, in the format of its suffix.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        Where matplotlib is not installed.
    ValueError
        For a history without an epoch, or a `path` whose suffix matplotlib does not know.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError as error:
        raise ImportError("pictures need matplotlib; install it with: pip install lamina[plots]") from error
    if not len(history.loss):
        raise ValueError("history has no epoch to draw")
    if ax is None:
        # Not pyplot: it would keep the figure alive, and ask for a display where there is none.
        figure = Figure(figsize=(7.0, 4.2), layout="constrained")
        FigureCanvasAgg(figure)
        ax = figure.add_subplot()
    epochs = range(1, len(history.loss) + 1)
    ax.plot(epochs, history.loss, color=TRAINING, label="training loss", marker="o" if len(history.loss) == 1 else None)
    shown = history.loss
    if history.validation_loss is not None and len(history.validation_loss):
        shown = history.validation_loss
        ax.plot(range(1, len(shown) + 1), shown, color=VALIDATION, label="validation loss")
    best = int(history.best_epoch)
    if 1 <= best <= len(shown):
        ax.axvline(best, color=MARK, linewidth=0.8, linestyle=":")
        ax.plot(
            best, shown[best - 1], "o", color=MARK, markersize=6, label=f"best epoch: {best} ({shown[best - 1]:.4g})"
        )
    positive = min(history.loss) > 0 and min(shown) > 0
    if positive and max(*history.loss, *shown) > 20 * min(*history.loss, *shown):
        ax.set_yscale("log")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("epoch")
    ax.set_ylabel("loss")
    ax.set_title(f"Learning curves; stopped after epoch {len(history.loss)}: {history.stop_reason}", fontsize=10)
    ax.grid(alpha=0.25)
    ax.legend(frameon=False)
    if path is not None:
        ax.figure.savefig(path, dpi=150)
    return ax
