"""Pictures of matplotlib's in a page: vector graphics in the page's colours, light and dark."""

from __future__ import annotations

import io
import re
from typing import Any
from xml.etree import ElementTree

from lamina.html.elements import Element, element
from lamina.plots.figure import MARK, TRAINING, VALIDATION

__all__ = ["STYLE", "inline"]

# So that names from a table are no formulas, texts are the page's letters, and a picture is the same bits each time.
STYLE = {
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "lamina",
    "font.size": 9.0,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
}
# Colours that the page has a light and a dark one for.
_COLOURS = {
    TRAINING: "var(--first)",
    VALIDATION: "var(--second)",
    MARK: "var(--mark)",
    "#000000": "var(--ink)",
    "#b0b0b0": "var(--line)",
}
_COLOUR = re.compile("|".join(_COLOURS))
# In url(#name), or alone as a link.
_REFERENCE = re.compile(r"(?<=\(#)\w+|(?<=^#)\w+(?=$)")


def inline(figure: Any, name: str, title: str) -> Element:
    """Return a figure as an element of a page.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    name : str
        Unlike those of other pictures of the page: its inner names begin with it.
    title : str
        What is read aloud in its place.
    """
    drawn = io.BytesIO()
    figure.savefig(drawn, format="svg", transparent=True, dpi=200, metadata={"Date": None, "Creator": None})
    picture = ElementTree.fromstring(drawn.getvalue())
    width, height = picture.attrib["viewBox"].split()[2:]
    referred = {found for part in picture.iter() for value in part.attrib.values()
                for found in _REFERENCE.findall(value)}  # fmt: skip
    for parent in picture.iter():
        for part in list(parent):
            if part.tag.rpartition("}")[2] in ("metadata", "style"):
                parent.remove(part)
    for part in picture.iter():
        _to_the_page(part, name, referred)
    attributes = {"viewBox": f"0 0 {width} {height}", "role": "img", "aria_label": title}
    return element("svg", list(picture), **attributes)


def _to_the_page(part: Element, name: str, referred: set[str]) -> None:
    """Write a part of a picture as HTML has it: without namespaces, in the page's colours and letters."""
    part.tag = part.tag.rpartition("}")[2]
    for key, value in list(part.attrib.items()):
        del part.attrib[key]
        if key == "id" and value not in referred:
            continue
        if key == "id":
            value = f"{name}-{value}"
        elif key == "style":
            value = _COLOUR.sub(lambda found: _COLOURS[found[0]], value)
        value = _REFERENCE.sub(lambda found: f"{name}-{found[0]}", value)
        part.set(key.rpartition("}")[2], value)
