"""A network's layers side by side: where each one stands in a drawing, and the drawing by matplotlib."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lamina.files import FilePath
from lamina.plots.figure import MARK, TRAINING, axes, done

__all__ = ["Bar", "Block", "Layout", "layer_diagram", "layout", "lines_below"]


@dataclass(frozen=True, slots=True)
class Block:
    """What a drawing says of a layer, or of the inputs.

    Attributes
    ----------
    name, detail : str
        Such as "Dense" and "relu".
    width : int
        Its outputs.
    parameters : int
        What is trained.
    recurrent : bool
        Whether it gets what it gave in the step before.
    is_input : bool
    """

    name: str
    detail: str
    width: int
    parameters: int = 0
    recurrent: bool = False
    is_input: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """Where a layer stands: the middle and the half width of its bar, the upper and the lower end."""

    x: float
    half: float
    top: float
    bottom: float
    block: Block


@dataclass(frozen=True, slots=True)
class Layout:
    """A drawing of `width` by `height`, with y downwards; names begin at `names`, the baseline of the first line."""

    width: float
    height: float
    names: float
    bars: tuple[Bar, ...]


# In the units of a drawing, in which letters are so wide.
_LETTER, _BOLD = 6.2, 7.2
_GAP, _LEAST, _LINE = 16.0, 64.0, 14.0
_TALLEST, _MARGIN, _RING = 110.0, 24.0, 12.0
_HALF, _HALF_WITHOUT = 9.0, 4.5


def layout(blocks: Sequence[Block]) -> Layout:
    """Return where the layers stand: a bar each, whose height grows with the logarithm of the outputs."""
    most = max(block.width for block in blocks)
    margin = _MARGIN + (_RING if any(block.recurrent for block in blocks) else 0.0)
    middle = margin + _TALLEST / 2
    bars, x = [], 0.0
    for block in blocks:
        name, *rest = (len(line) for line in lines_below(block))
        room = max(_LEAST, _BOLD * name + _GAP, *(_LETTER * letters + _GAP for letters in rest))
        half_height = _TALLEST / 2 * (0.16 + 0.84 * math.log2(1 + block.width) / max(math.log2(1 + most), 1.0))
        half = _HALF if block.is_input or block.parameters else _HALF_WITHOUT
        bars.append(Bar(x + room / 2, half, middle - half_height, middle + half_height, block))
        x += room
    names = margin + _TALLEST + _LINE + 4
    return Layout(x, names + 2 * _LINE + 8, names, tuple(bars))


def _parameters(block: Block) -> str:
    return f"{block.parameters:,} par." if block.parameters else ""


def lines_below(block: Block) -> list[str]:
    """Return what stands below a bar: its name, then what there is of a detail and of parameters."""
    return [block.name, *(line for line in (block.detail, _parameters(block)) if line)]


def layer_diagram(net: Any, ax: Any = None, path: FilePath | None = None) -> Any:
    """Draw the layers of a network from input to output, as `Network.plot` does.

    A bar's height goes with the logarithm of the number of outputs, which stands above it. Blue bars have weights, grey
    ones none; a ring above a bar means that the layer is recurrent.

    Parameters
    ----------
    net : Network
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure without it.
    path : path-like, optional
        Where the picture is written, in the format of its suffix.

    Returns the matplotlib.axes.Axes.
    """
    if not callable(blocks := getattr(net, "blocks", None)):
        raise TypeError(f"net must be a lamina.Network; got {type(net).__name__}")
    plan = layout(blocks())
    ax = axes(ax, (max(plan.width / 60, 2.5), plan.height / 60 + 0.3))
    from matplotlib.patches import Ellipse, FancyBboxPatch, Polygon

    for before, bar in zip(plan.bars, plan.bars[1:], strict=False):
        left, right = before.x + before.half, bar.x - bar.half
        corners = [(left, before.top), (right, bar.top), (right, bar.bottom), (left, before.bottom)]
        ax.add_patch(Polygon(corners, color=MARK, alpha=0.10, linewidth=0))
    for bar in plan.bars:
        block = bar.block
        face = "none" if block.is_input else TRAINING if block.parameters else "#b5b9bf"
        ax.add_patch(
            FancyBboxPatch(
                (bar.x - bar.half, bar.top),
                2 * bar.half,
                bar.bottom - bar.top,
                boxstyle="round,pad=0,rounding_size=3",
                facecolor=face,
                edgecolor=MARK if block.is_input else face,
                linewidth=1.0,
            )
        )
        if block.recurrent:
            ax.add_patch(Ellipse((bar.x, bar.top - 7), 18, 14, facecolor="none", edgecolor=TRAINING, linewidth=1.2))
        above = bar.top - (18 if block.recurrent else 5)
        ax.text(bar.x, above, f"{block.width:,}", ha="center", va="bottom", fontsize=9)
        for line, text in enumerate(lines_below(block)):
            ax.text(
                *(bar.x, plan.names + line * _LINE, text),
                ha="center",
                va="baseline",
                fontsize=9 if not line else 8,
                fontweight="normal" if line else "bold",
                color="#000000" if not line else MARK,
                parse_math=False,
            )
    ax.set_xlim(0, plan.width)
    ax.set_ylim(plan.height, -4)
    ax.set_aspect("equal")
    ax.set_axis_off()
    return done(ax, path)
