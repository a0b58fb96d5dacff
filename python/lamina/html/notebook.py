"""What a notebook shows of a network or a result: a heading, drawings, facts and tables, in one fragment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lamina.html.drawings import FIRST, SECOND, Line, curves
from lamina.html.elements import Content, Element, element, fragment
from lamina.text import counted

__all__ = ["facts", "fits_part", "growth_part", "history_part", "panel", "shown", "side_by_side", "table", "wide"]

_PANEL = "font-family: system-ui, sans-serif; font-size: 13px; line-height: 1.45; max-width: 100%"
_CELL = "padding: 1px 12px 1px 0; text-align: {}; white-space: nowrap; border: 0; background: none; color: inherit"


# As notebooks call it.
_METHOD = "_repr_html_"


def shown(value: Any) -> str:
    """Return what a notebook shows of `value`; nothing where it is None."""
    return "" if value is None else str(getattr(value, _METHOD)())


def panel(heading: str, *content: Content) -> str:
    """Return a fragment: a heading and what is below it."""
    return fragment(element("div", element("div", element("b", heading)), *content, style=_PANEL))


def wide(*content: Content) -> Element:
    """Return what may be wider than the page, and is then scrolled."""
    return element("div", *content, style="overflow-x: auto; max-width: 100%; padding: 4px 0")


def side_by_side(*content: Content) -> Element:
    """Return parts beside each other, or below where there is no room."""
    return element("div", *content, style="display: flex; flex-wrap: wrap; gap: 6px 28px; align-items: flex-start")


def facts(known: Mapping[str, str]) -> Element:
    """Return names and values, a line of the page as long as there is room."""
    parts = [
        element("span", element("span", f"{name} ", style="opacity: 0.72"), value, style="white-space: nowrap")
        for name, value in known.items()
    ]
    return element("div", parts, style="display: flex; flex-wrap: wrap; gap: 0 20px; overflow-wrap: anywhere")


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> Element:
    """Return a table; the columns `left` are aligned to the left."""
    styles = [_CELL.format("left" if column in left else "right") for column in range(len(header))]
    head = [element("th", text, style=f"{style}; font-weight: normal; opacity: 0.72")
            for text, style in zip(header, styles, strict=True)]  # fmt: skip
    body = [
        element("tr", [element("td", cell, style=style) for cell, style in zip(row, styles, strict=True)],
                style="background: none")
        for row in rows
    ]  # fmt: skip
    return wide(
        element(
            "table",
            element("thead", element("tr", head, style="background: none"), style="border: 0"),
            element("tbody", body),
            style="border-collapse: collapse; margin: 0; border: 0; font-size: 12px",
        )
    )


def history_part(history: Any, metrics: bool = True) -> Element:
    """Return the curves of a fit, and in words how it ended."""
    lines = [Line("training loss", FIRST, [history.loss])]
    if len(history.validation_loss):
        lines.append(Line("validation loss", SECOND, [history.validation_loss]))
    own = {"score": history.validation_score} if len(history.validation_score) else {}
    pictures: list[Content] = [curves(lines, "Losses by epoch", history.best_epoch)]
    for name, curve in {**own, **(history.metrics if metrics else {})}.items():
        pictures.append(curves([Line(f"{name} of the validation part", SECOND, [curve])], f"{name} by epoch",
                               history.best_epoch))  # fmt: skip
    shown = history.validation_loss if len(history.validation_loss) else history.loss
    known = {"epochs": f"{history.epochs:,}"}
    if 1 <= history.best_epoch <= len(shown):
        known["best"] = f"{history.best_epoch:,}, {lines[-1].name} {shown[history.best_epoch - 1]:.4g}"
    known["ended by"] = history.stop_reason
    return element("div", facts(known), side_by_side(pictures))


def fits_part(histories: Sequence[Any]) -> Element | None:
    """Return the curves of several fits, such as folds or members, in one picture; None where there is none."""
    lines = [Line("training loss", FIRST, [history.loss for history in histories])]
    if any(len(history.validation_loss) for history in histories):
        lines.append(Line("validation loss", SECOND, [history.validation_loss for history in histories]))
    return curves(lines, f"Losses of {counted(len(histories), 'fit')} by epoch") if histories else None


def growth_part(history: Any) -> Element:
    """Return the errors of a network that grew by its number of units, and in words how that ended."""
    lines = [Line("training error", FIRST, [history.error])]
    if history.validation_error:
        lines.append(Line("validation error", SECOND, [history.validation_error]))
    known = {"best": counted(history.best_units, "unit"), "ended by": history.stop_reason}
    return element("div", facts(known), curves(lines, "Errors by units", history.best_units, first=0, of="unit"))
