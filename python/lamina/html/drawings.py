"""Drawings in a notebook's own colours: vector graphics without scripts, readable on light and on dark paper."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lamina.html.elements import Content, Element, element
from lamina.plots.layers import Block, layout, lines_below

__all__ = ["FIRST", "SECOND", "Line", "curves", "layers", "strip", "trials"]

#: Between the tones of the pictures for light and for dark pages, since a fragment does not know its page.
FIRST, SECOND = "#2f86c9", "#e0690f"
# What is written and drawn has the colour of the text around it, all or some of it.
_INK = "currentColor"
_MOST_POINTS = 300


def _svg(width: float, height: float, title: str, *content: Content) -> Element:
    return element(
        "svg",
        *content,
        viewBox=f"0 0 {_at(width)} {_at(height)}",
        width=_at(width),
        height=_at(height),
        role="img",
        aria_label=title,
        style="display: block; flex: none; font-family: system-ui, sans-serif; font-size: 11px; overflow: visible",
    )


def _at(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _text(x: float, y: float, text: str, anchor: str = "start", faint: bool = True, bold: bool = False) -> Element:
    return element(
        "text",
        text,
        x=_at(x),
        y=_at(y),
        fill=_INK,
        fill_opacity="0.72" if faint else None,
        text_anchor=anchor,
        font_weight="600" if bold else None,
    )


def layers(blocks: Sequence[Block], title: str) -> Element:
    """Return a drawing of layers: a bar each, its outputs above it, what it is below it."""
    plan = layout(blocks)
    parts: list[Element] = []
    for before, bar in zip(plan.bars, plan.bars[1:], strict=False):
        left, right = before.x + before.half, bar.x - bar.half
        corners = ((left, before.top), (right, bar.top), (right, bar.bottom), (left, before.bottom))
        points = " ".join(f"{_at(x)},{_at(y)}" for x, y in corners)
        parts.append(element("polygon", points=points, fill=_INK, fill_opacity="0.09"))
    for bar in plan.bars:
        block = bar.block
        parts.append(
            element(
                "rect",
                x=_at(bar.x - bar.half),
                y=_at(bar.top),
                width=_at(2 * bar.half),
                height=_at(bar.bottom - bar.top),
                rx="3",
                fill="none" if block.is_input else FIRST if block.parameters else _INK,
                fill_opacity="0.35" if not block.parameters else None,
                stroke=_INK if block.is_input else None,
                stroke_opacity="0.6" if block.is_input else None,
            )
        )
        if block.recurrent:
            ring = element("ellipse", cx=_at(bar.x), cy=_at(bar.top - 7), rx="9", ry="7", fill="none", stroke=FIRST,
                           stroke_width="1.5")  # fmt: skip
            parts.append(ring)
        parts.append(_text(bar.x, bar.top - (18 if block.recurrent else 6), f"{block.width:,}", "middle", faint=False))
        for line, text in enumerate(lines_below(block)):
            parts.append(_text(bar.x, plan.names + 14 * line, text, "middle", faint=line > 0, bold=line == 0))
    return _svg(plan.width, plan.height, title, parts)


@dataclass(frozen=True, slots=True)
class Line:
    """Curves of one kind and colour: what they are called, and their values by epoch, of one fit or of several."""

    name: str
    colour: str
    curves: Sequence[Sequence[float]]


# A small picture: its size, and where in it the curves are.
_WIDTH, _HEIGHT = 330.0, 128.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 54.0, 10.0, 22.0, 20.0


def curves(
    lines: Sequence[Line], title: str, best: int | None = None, first: int = 1, of: str = "epoch"
) -> Element | None:
    """Return a small picture of curves over epochs from `first` on, `best` marked on the last line, or None of nothing.

    Its scale is logarithmic where values are positive and of very different sizes.
    """
    every = np.array([value for line in lines for curve in line.curves for value in curve], np.float64)
    every = every[np.isfinite(every)]
    if not len(every):
        return None
    low, high = float(every.min()), float(every.max())
    logarithmic = low > 0 and high > 20 * low
    last = first - 1 + max(len(curve) for line in lines for curve in line.curves)

    def x_of(epoch: float) -> float:
        share = (epoch - first) / (last - first) if last > first else 0.5
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y_of(value: float) -> float:
        bottom, top, value = (math.log(v) if logarithmic else v for v in (low, high, value))
        share = (value - bottom) / (top - bottom) if top > bottom else 0.5
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    parts: list[Element] = []
    for y in (_TOP, _HEIGHT - _BOTTOM):
        parts.append(element("line", x1=_at(_LEFT), x2=_at(_WIDTH - _RIGHT), y1=_at(y), y2=_at(y), stroke=_INK,
                             stroke_opacity="0.2"))  # fmt: skip
    parts += [_text(_LEFT - 6, y_of(v) + 4, f"{v:.4g}", "end") for v in sorted({low, high})]
    parts.append(_text(_LEFT - 6, (_TOP + _HEIGHT - _BOTTOM) / 2 + 4, "log" if logarithmic else "", "end"))
    at = _LEFT
    for line in lines:
        thin = len(line.curves) > 1
        for curve in line.curves:
            for path in _paths(curve, first):
                points = [f"{_at(x_of(epoch))},{_at(y_of(value))}" for epoch, value in path]
                if len(points) == 1:
                    across, down = points[0].split(",")
                    parts.append(element("circle", cx=across, cy=down, r="2.5", fill=line.colour))
                    continue
                parts.append(element("polyline", points=" ".join(points), fill="none", stroke=line.colour,
                                     stroke_width="1.2" if thin else "1.8", stroke_linejoin="round",
                                     stroke_opacity="0.75" if thin else None))  # fmt: skip
        parts.append(element("rect", x=_at(at), y="5", width="12", height="4", rx="2", fill=line.colour))
        parts.append(_text(at + 17, 11, line.name))
        at += 17 + 6.4 * len(line.name) + 16
    shown, end = lines[-1].curves[0], f"{of} {last}"
    if (
        best is not None
        and len(lines[-1].curves) == 1
        and first <= best < first + len(shown)
        and math.isfinite(shown[best - first])
    ):
        mark = _at(x_of(best))
        parts.append(element("line", x1=mark, x2=mark, y1=_at(_TOP), y2=_at(_HEIGHT - _BOTTOM), stroke=_INK,
                             stroke_opacity="0.5", stroke_dasharray="2 3"))  # fmt: skip
        parts.append(element("circle", cx=mark, cy=_at(y_of(shown[best - first])), r="3", fill=_INK))
        if x_of(best) < x_of(last) - 100:
            parts.append(_text(x_of(best), _HEIGHT - 5, f"best {best}", "middle"))
        elif best < last:
            end = f"best {best}, last {last}"
    parts.append(_text(x_of(last), _HEIGHT - 5, end, "end" if last > first else "middle"))
    return _svg(_WIDTH, _HEIGHT, title, parts)


def _paths(curve: Sequence[float], first: int) -> Iterable[list[tuple[int, float]]]:
    """A curve's points, no more than a picture can show, broken where a value is not finite."""
    which = np.unique(np.linspace(0, len(curve) - 1, min(len(curve), _MOST_POINTS)).round().astype(int))
    path: list[tuple[int, float]] = []
    for i in which if len(curve) else ():
        if math.isfinite(curve[i]):
            path.append((int(i) + first, float(curve[i])))
        elif path:
            yield path
            path = []
    if path:
        yield path


def strip(values: Sequence[float], title: str) -> Element | None:
    """Return values as points on a line, with their mean; None where none is finite."""
    known = [float(value) for value in values if math.isfinite(value)]
    if not known:
        return None
    low, high, mean = min(known), max(known), sum(known) / len(known)

    def x_of(value: float) -> float:
        return 24 + ((value - low) / (high - low) if high > low else 0.5) * (_WIDTH - 48)

    parts: list[Element] = [
        element("line", x1="12", x2=_at(_WIDTH - 12), y1="28", y2="28", stroke=_INK, stroke_opacity="0.25"),
        element("line", x1=_at(x_of(mean)), x2=_at(x_of(mean)), y1="18", y2="38", stroke=_INK, stroke_width="1.5"),
        *(element("circle", cx=_at(x_of(value)), cy="28", r="4", fill=FIRST, fill_opacity="0.8") for value in known),
        _text(x_of(mean), 12, f"mean {mean:.4g}", "middle", faint=False),
        _text(x_of(low), 52, f"{low:.4g}", "middle"),
    ]
    if high > low:
        parts.append(_text(x_of(high), 52, f"{high:.4g}", "middle"))
    return _svg(_WIDTH, 58, title, parts)


def trials(scores: Sequence[float], lower_is_better: bool, title: str) -> Element | None:
    """Return the scores of trials as points in order, and the best so far as a line; None where none is finite."""
    known = [(place, float(score)) for place, score in enumerate(scores) if math.isfinite(score)]
    if not known:
        return None
    low, high = (limit(score for _, score in known) for limit in (min, max))
    right = _WIDTH - _RIGHT

    def x_of(place: float) -> float:
        return _LEFT + (place + 0.5) / len(scores) * (right - _LEFT)

    def y_of(score: float) -> float:
        share = (score - low) / (high - low) if high > low else 0.5
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    best, steps = known[0], [(x_of(known[0][0]), y_of(known[0][1]))]
    parts: list[Element] = []
    for place, score in known:
        parts.append(element("circle", cx=_at(x_of(place)), cy=_at(y_of(score)), r="3", fill=FIRST, fill_opacity="0.7"))
        if (score < best[1]) if lower_is_better else (score > best[1]):
            steps += [(x_of(place), y_of(best[1])), (x_of(place), y_of(score))]
            best = place, score
    steps.append((right, y_of(best[1])))
    points = " ".join(f"{_at(x)},{_at(y)}" for x, y in steps)
    parts.append(element("polyline", points=points, fill="none", stroke=SECOND, stroke_width="1.5"))
    parts += [_text(_LEFT - 6, y_of(score) + 4, f"{score:.4g}", "end") for score in sorted({low, high})]
    for at, (name, colour) in zip((_LEFT, _LEFT + 80), (("trials", FIRST), ("best so far", SECOND)), strict=True):
        parts.append(element("rect", x=_at(at), y="5", width="12", height="4", rx="2", fill=colour))
        parts.append(_text(at + 17, 11, name))
    parts.append(_text(right, _HEIGHT - 5, f"trial {len(scores)}", "end"))
    return _svg(_WIDTH, _HEIGHT, title, parts)
