"""Pictures of networks that grow, drawn by matplotlib."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.files import FilePath
from lamina.plots.figure import MARK, TRAINING, VALIDATION, axes, done, figure, literal, write_picture

__all__ = ["diagram", "growth", "surfaces"]


def diagram(net: Any, ax: Any = None, path: FilePath | None = None) -> Any:
    """Draw the network in Fahlman and Lebiere's way: a horizontal line for each source, a vertical one for each unit.

    Where they cross is a weight: a square, as large as the weight's size among the unit's weights, filled where it
    never changes again (hidden units), open where it was trained to the end (outputs); blue is positive, orange
    negative. Returns the matplotlib.axes.Axes.
    """
    inputs, units, outputs = net.n_inputs, net.n_units, net.n_outputs
    parameters = net.parameters
    ax = axes(ax, (2.5 + 0.42 * (units + outputs), 1.8 + 0.30 * (1 + inputs + units)))
    sources = 1 + inputs + units
    labels = [
        "1",
        *(f"x{i + 1}" for i in range(inputs)),
        *(f"{literal(f.name)} {k + 1}" for k, f in enumerate(net.units)),
    ]

    def crossing(x: float, weights: Any, filled: bool) -> None:
        size = np.abs(weights) / (np.abs(weights).max() or 1.0)
        for i, w in enumerate(weights):
            color = TRAINING if w >= 0 else VALIDATION
            ax.plot(
                x, -i, "s", color=color, markersize=2.5 + 6 * float(size[i]), markerfacecolor=color if filled else "w"
            )

    for i in range(sources):
        start = -0.6 if i <= inputs else i - 1 - inputs
        ax.plot([start, units + outputs - 0.6], [-i, -i], color=MARK, linewidth=0.6, zorder=0)
        if i <= inputs:
            ax.text(-0.8, -i, labels[i], ha="right", va="center", fontsize=8)
    for k in range(units):
        row = -(1 + inputs + k)
        ax.plot([k, k], [0.4, row], color=MARK, linewidth=0.6, zorder=0)
        crossing(k, np.append(parameters[f"{k}.bias"], parameters[f"{k}.weight"]), True)
        ax.plot(k, row, "o", color=MARK, markersize=9, markerfacecolor="w")
        ax.text(k, row - 0.55, labels[1 + inputs + k], ha="right", va="top", fontsize=7, rotation=45)
    for o in range(outputs):
        x = units + o
        ax.plot([x, x], [0.9, -sources + 0.6], color=MARK, linewidth=0.6, zorder=0)
        crossing(x, np.append(parameters["output.bias"][o], parameters["output.weight"][:, o]), False)
        ax.plot(x, 1.2, "o", color=MARK, markersize=9, markerfacecolor="w")
        ax.text(x, 1.65, f"y{o + 1}", ha="center", va="bottom", fontsize=8)
    ax.set_xlim(-2.2, units + outputs - 0.2)
    ax.set_ylim(-sources - 1.6, 2.6)
    ax.set_axis_off()
    ax.set_title(
        f"{inputs} input{'s'[: inputs != 1]}, {units} unit{'s'[: units != 1]} in the order of installation, "
        f"{outputs} output{'s'[: outputs != 1]}",
        fontsize=10,
    )
    return done(ax, path)


def growth(net: Any, ax: Any = None, path: FilePath | None = None) -> Any:
    """Draw the error by number of units, and the correlation of each unit. Returns the matplotlib.axes.Axes."""
    history = net.history
    if history is None or not history.error:
        raise ValueError("the network has no history of its growth to draw")
    ax = axes(ax, (7.0, 4.2))
    ax.plot(range(len(history.error)), history.error, color=TRAINING, marker="o", markersize=3, label="training error")
    if history.validation_error:
        held = history.validation_error
        ax.plot(range(len(held)), held, color=VALIDATION, marker="o", markersize=3, label="validation error")
    steps = range(1, len(history.correlation) + 1)
    ax.bar(steps, history.correlation, color=MARK, alpha=0.25, width=0.6, label="correlation of the unit")
    ax.axvline(history.best_units, color=MARK, linewidth=0.8, linestyle=":")
    ax.set_xlabel("units")
    ax.set_ylabel("error index, correlation")
    ax.set_title(f"Growth ended with {len(history.units)} units: {literal(history.stop_reason)}", fontsize=10)
    ax.grid(alpha=0.25)
    ax.legend(frameon=False)
    return done(ax, path)


def surfaces(net: Any, X: Any, y: Any, path: FilePath | None = None, resolution: int = 120) -> Any:
    """Draw the first output over the plane of two inputs, for every number of units, with the samples.

    Returns the matplotlib.figure.Figure.
    """
    if net.n_inputs != 2:
        raise ValueError(f"net must have 2 inputs for a picture of its surface; got {net.n_inputs}")
    points, labels = np.asarray(X, np.float64), np.asarray(y, np.float64).reshape(len(X), -1)[:, 0]
    stages = net.n_units + 1
    columns = min(5, stages)
    rows = -(-stages // columns)
    picture = figure((2.1 * columns, 2.25 * rows))
    parts = picture.subplots(rows, columns, squeeze=False).ravel()
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.08 * (high - low)
    across, up = (np.linspace(low[i] - margin[i], high[i] + margin[i], resolution) for i in range(2))
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    for k, ax in enumerate(parts):
        ax.set_axis_off()
        if k >= stages:
            continue
        surface = net.at(k).predict(grid)[:, 0].reshape(resolution, resolution)
        extent = (across[0], across[-1], up[0], up[-1])
        ax.imshow(surface, origin="lower", extent=extent, cmap="RdBu", aspect="auto", interpolation="bilinear")
        ax.scatter(points[:, 0], points[:, 1], c=labels, cmap="RdBu", s=5, edgecolors=MARK, linewidths=0.3)
        ax.set_title(f"{k} unit{'s'[: k != 1]}", fontsize=9)
    write_picture(picture, path, dpi=120)
    return picture
