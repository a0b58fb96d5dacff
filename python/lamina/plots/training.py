"""Pictures of training and validation, drawn by matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from lamina import activations as registry
from lamina.files import FilePath
from lamina.plots.figure import MARK, TRAINING, VALIDATION, axes, done, figure, legend, literal, write_picture

__all__ = [
    "activations",
    "confusion_matrix",
    "fold_curves",
    "fold_scores",
    "gradient_flow",
    "learning_curves",
    "metric_curves",
]


def learning_curves(history: Any, ax: Any = None, path: FilePath | None = None) -> Any:
    """Draw the training and validation loss of each epoch, the best epoch, and why training stopped.

    The loss is the network's own: of ``"squared_error"``, half the mean squared error.

    Parameters
    ----------
    history : History, or a fitted network or estimator of lamina
        What `Network.fit` returned, or whose fit it was. Of an estimator that has been fitted several times, by
        `partial_fit` or with `warm_start`, all epochs are drawn.
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
    TypeError
        For anything else; the growth of a cascade network is drawn by `lamina.plots_cascade.growth`.
    ValueError
        For a history without an epoch, something that has not been fitted, or a `path` whose suffix matplotlib does not
        know.
    """
    history = _history_of(history)
    if not len(history.loss):
        raise ValueError("history has no epoch to draw")
    ax = axes(ax, (7.0, 4.2))
    from matplotlib.ticker import MaxNLocator

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
    ax.set_title(
        f"Learning curves; stopped after epoch {len(history.loss)}: {literal(history.stop_reason)}", fontsize=10
    )
    ax.grid(alpha=0.25)
    ax.legend(frameon=False)
    return done(ax, path)


def metric_curves(
    history: Any, names: Sequence[str] | None = None, ax: Any = None, path: FilePath | None = None
) -> Any:
    """Draw metrics of the validation part by epoch, those that `fit` was asked for as `metrics`, and the best epoch.

    Parameters
    ----------
    history : History, or a fitted network or estimator of lamina
    names : sequence of str, optional
        Some of the metrics, in this order; all of them without it. Those of very different size are better drawn apart.

    Returns the matplotlib.axes.Axes.
    """
    history = _history_of(history)
    known = getattr(history, "metrics", {})
    chosen = list(known if names is None else names)
    if not (known and chosen):
        raise ValueError("history has no metrics to draw; fit(..., metrics=['accuracy']) keeps some")
    for name in chosen:
        if name not in known:
            raise ValueError(f"names must be of {', '.join(map(repr, known))}; got {name!r}")
    ax = axes(ax, (7.0, 4.2))
    from matplotlib.ticker import MaxNLocator

    drawn = []
    for number, name in enumerate(chosen):
        curve = known[name]
        colour = (VALIDATION, TRAINING)[number] if number < 2 else f"C{number}"
        marker = "o" if len(curve) == 1 else None
        drawn += ax.plot(range(1, len(curve) + 1), curve, color=colour, label=literal(name), marker=marker)
    best = int(history.best_epoch)
    if 1 <= best <= len(history.loss):
        drawn.append(ax.axvline(best, color=MARK, linewidth=0.8, linestyle=":", label=f"best epoch: {best}"))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("epoch")
    ax.set_ylabel(literal(chosen[0]) if len(chosen) == 1 else "metric")
    ax.set_title("Metrics of the validation part", fontsize=10)
    ax.grid(alpha=0.25)
    legend(ax, drawn)
    return done(ax, path)


def fold_curves(histories: Sequence[Any], ax: Any = None, path: FilePath | None = None) -> Any:
    """Draw the training and validation losses of several fits, such as the folds of one, and the best epoch of each.

    Parameters
    ----------
    histories : sequence
        Of what `learning_curves` takes.

    Returns the matplotlib.axes.Axes.
    """
    found = [_history_of(history) for history in histories]
    if not found or not all(len(history.loss) for history in found):
        raise ValueError("histories must have at least one to draw, each with an epoch")
    ax = axes(ax, (7.0, 4.2))
    from matplotlib.ticker import MaxNLocator

    values: list[float] = []
    for history in found:
        held_out = history.validation_loss if history.validation_loss is not None else []
        for loss, colour in ((history.loss, TRAINING), (held_out, VALIDATION)):
            ax.plot(range(1, len(loss) + 1), loss, color=colour, linewidth=1, alpha=0.6)
            values.extend(loss)
        shown, best = held_out if len(held_out) else history.loss, int(history.best_epoch)
        if 1 <= best <= len(shown):
            ax.plot(best, shown[best - 1], "o", color=MARK, markersize=4)
    if min(values) > 0 and max(values) > 20 * min(values):
        ax.set_yscale("log")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("epoch")
    ax.set_ylabel("loss")
    ax.set_title(f"{len(found)} fits: training, validation, best epochs", fontsize=10)
    ax.grid(alpha=0.25)
    handles = [ax.plot([], [], color=colour, label=name)[0] for name, colour in
               (("training loss", TRAINING), ("validation loss", VALIDATION))]  # fmt: skip
    ax.legend(handles=handles, frameon=False)
    return done(ax, path)


def _history_of(given: Any) -> Any:
    """The record of a fit: what is given, or that of a network or an estimator. TypeError or ValueError if none."""
    if all(
        hasattr(given, name) for name in ("loss_curve_", "validation_loss_curve_", "best_iteration_", "stop_reason_")
    ):
        # Of all fits with warm_start and partial_fit; its network knows the last one.
        loss, held_out = given.loss_curve_, given.validation_loss_curve_
        curves = getattr(given, "metric_curves_", {})
        return SimpleNamespace(
            loss=loss,
            validation_loss=held_out if len(held_out) == len(loss) else [],  # not all fits had one
            best_epoch=given.best_iteration_,
            stop_reason=given.stop_reason_,
            metrics={name: curve for name, curve in curves.items() if len(curve) == len(loss)},
        )
    owner = getattr(given, "network_", given)
    history = getattr(owner, "history", owner)
    if all(hasattr(history, name) for name in ("loss", "validation_loss", "best_epoch", "stop_reason")):
        return history
    kind = type(given).__name__
    if hasattr(history, "correlation"):
        raise TypeError(
            f"{kind} tells of units, not of epochs: lamina.plots_cascade.growth draws a CascadeNetwork, "
            "which is the network_ of an estimator"
        )
    wanted = "the History that Network.fit returned, or a fitted network or estimator of lamina"
    if hasattr(given, "fit"):
        raise ValueError(f"{kind} has no learning curves to draw; history must be {wanted}")
    one = ", one at a time" if isinstance(given, (Sequence, Mapping)) else ""
    raise TypeError(f"history must be {wanted}{one}; got {kind}")


def activations(
    names: Sequence[str] | None = None, low: float = -4.0, high: float = 4.0, path: FilePath | None = None
) -> Any:
    """Draw activations (solid) and their derivatives (dashed) from `low` to `high`; all of them without `names`.

    Returns the matplotlib.figure.Figure.
    """
    chosen = list(registry.names() if names is None else names)
    if not chosen:
        raise ValueError("names must have at least one activation")
    columns = min(5, len(chosen))
    rows = -(-len(chosen) // columns)
    picture = figure((2.3 * columns, 1.9 * rows + 0.5))
    grid = picture.subplots(rows, columns, sharex=True, squeeze=False)
    x = np.linspace(low, high, 801)
    for ax, name in zip(grid.flat, chosen, strict=False):
        f = registry.get(name)
        if f.name == "bipolar_relu":  # what a unit does depends on its place in the layer: the first is drawn
            value, slope = f(np.stack([x, x], axis=1))[:, 0], f.derivative(np.stack([x, x], axis=1))[:, 0]
        else:
            value, slope = f(x), f.derivative(x)
        ax.axhline(0, color=MARK, linewidth=0.5)
        ax.axvline(0, color=MARK, linewidth=0.5)
        ax.plot(x, value, color=TRAINING, label="f(x)")
        ax.plot(x, slope, color=VALIDATION, linestyle="--", linewidth=1.2, label="f'(x)")
        ax.set_title(literal(f.name), fontsize=9)
        ax.set_ylim(-1.6, 2.6)
        ax.tick_params(labelsize=7)
        ax.grid(alpha=0.2)
    for ax in list(grid.flat)[len(chosen) :]:
        ax.set_axis_off()
    picture.legend(*grid.flat[0].get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False)
    write_picture(picture, path)
    return picture


def fold_scores(scores: Any, ax: Any = None, path: FilePath | None = None, label: str | None = None) -> Any:
    """Draw the score of each fold, their mean and their standard deviation.

    Parameters
    ----------
    scores : CrossValidation, or mapping of name -> scores
        One row of points for each name.
    label : str, optional
        What the scores are, as matplotlib reads it; "score" without it.

    Returns the matplotlib.axes.Axes.
    """
    named = scores if isinstance(scores, Mapping) else {"": scores.scores}
    if not named:
        raise ValueError("scores must have at least one entry to draw")
    ax = axes(ax, (7.0, 1.3 + 0.55 * len(named)))
    for row, own in enumerate(named.values()):
        own = np.asarray(own, dtype=float)
        width = float(own.std(ddof=1)) if len(own) > 1 else 0.0
        ax.errorbar(own.mean(), row, xerr=width, fmt="|", color=MARK, markersize=16, capsize=4, linewidth=1.2)
        # Spread by fold, so that equal scores stay apart.
        ax.plot(own, row + np.linspace(-0.18, 0.18, len(own)), "o", color=TRAINING, alpha=0.7, markersize=5)
        ax.annotate(f"{own.mean():.4g}", (own.mean(), row + 0.27), ha="center", va="bottom", fontsize=8, color=MARK)
    ax.set_yticks(range(len(named)), [literal(name) for name in named])
    ax.set_ylim(-0.5, len(named) - 0.3)
    ax.set_xlabel(label or "score")
    ax.set_title("Folds (points), mean and standard deviation (bars)", fontsize=10)
    ax.grid(axis="x", alpha=0.25)
    return done(ax, path)


def gradient_flow(
    net: Any, X: Any, y: Any, ax: Any = None, path: FilePath | None = None, l1: float = 0.0, l2: float = 0.0
) -> Any:
    """Draw the root mean square of each weight matrix's gradient on these samples, from input to output.

    A fall by orders of magnitude towards the input is a vanishing gradient; a rise, an exploding one. Returns the
    matplotlib.axes.Axes.
    """
    _, gradients = net.loss_and_gradients(X, y, l1=l1, l2=l2)
    parts = [(int(n.split(".")[0]), n) for n in gradients if gradients[n].ndim == 2]
    sizes = [float(np.sqrt(np.mean(np.square(gradients[name], dtype=np.float64)))) for _, name in parts]
    if not parts:
        raise ValueError("net has no layer with a weight matrix")
    ax = axes(ax, (7.0, 3.8))
    places = range(len(parts))
    ax.plot(places, np.maximum(sizes, 1e-30), "o-", color=TRAINING)
    for place, size in enumerate(sizes):
        ax.annotate(
            f"{size:.1e}", (place, max(size, 1e-30)), xytext=(0, 8), textcoords="offset points", ha="center", fontsize=8
        )
    labels = [f"{i}: {type(net.layers[i]).__name__}" + ("" if n.endswith(".weight") else f"\n{n}") for i, n in parts]
    ax.set_xticks(places, labels, fontsize=8)
    ax.set_yscale("log")
    ax.margins(x=0.1, y=0.2)
    ax.set_xlabel("layer, from input to output")
    ax.set_ylabel("RMS of the gradient")
    ax.set_title("Gradient flow", fontsize=10)
    ax.grid(alpha=0.25, which="both", axis="y")
    return done(ax, path)


def confusion_matrix(
    y: Any,
    predicted: Any,
    names: Sequence[Any] | None = None,
    ax: Any = None,
    path: FilePath | None = None,
) -> Any:
    """Draw how many rows of each class were predicted as which.

    Parameters
    ----------
    y : array-like, (rows,)
        True labels 0 .. n - 1.
    predicted : array-like, (rows,) or (rows, classes)
        Labels, or probabilities as `Network.predict` gives them.
    names : sequence, optional
        Of the classes.

    Returns the matplotlib.axes.Axes.
    """
    y, predicted = np.asarray(y).reshape(-1), np.asarray(predicted)
    if predicted.ndim == 2:
        predicted = predicted.argmax(axis=1) if predicted.shape[1] > 1 else predicted[:, 0] > 0.5
    if len(y) != len(predicted) or not len(y):
        raise ValueError(f"predicted must have as many rows as y, at least one; got {len(predicted)} and {len(y)}")
    y, predicted = y.astype(np.int64), predicted.astype(np.int64)
    n = max(int(y.max()), int(predicted.max())) + 1 if names is None else len(names)
    if min(y.min(), predicted.min()) < 0 or max(y.max(), predicted.max()) >= n:
        raise ValueError(f"labels must lie in 0 .. {n - 1}, one for each class")
    counts = np.zeros((n, n), np.int64)
    np.add.at(counts, (y, predicted), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(2.2 + 0.5 * n, 12.0)
    ax = axes(ax, (side + 0.4, side))
    # The root brings out the few mistakes beside the many right answers.
    ax.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)
    if n <= 30:
        for i, j in zip(*np.nonzero(counts), strict=True):
            ink = "white" if shares[i, j] > 0.35 else "black"
            ax.text(j, i, counts[i, j], ha="center", va="center", fontsize=8, color=ink)
        shown = list(range(n) if names is None else names)
        long = max(len(str(name)) for name in shown) > 4
        ticks = [literal(name) for name in shown]
        ax.set_xticks(range(n), ticks, fontsize=8, rotation=45 if long else 0, ha="right" if long else "center")
        ax.set_yticks(range(n), ticks, fontsize=8)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")
    ax.set_title(f"{len(y)} rows, {np.trace(counts) / len(y):.2%} right", fontsize=10)
    return done(ax, path)
