"""Elements of a page or a fragment, and what they become: text in them is text, whatever it holds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias
from xml.etree import ElementTree

__all__ = ["Content", "Element", "element", "fragment", "name_of", "written"]

Element: TypeAlias = ElementTree.Element
Content: TypeAlias = "Element | str | Iterable[Content] | None"

# What no page may hold: control characters but tab and line feed, halves of surrogate pairs, and what is no character.
_NO_TEXT = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def element(tag: str, *content: Content, **attributes: str | None) -> Element:
    """Return an element with `content` in it; None is nothing, and `class_` the attribute class."""
    made = ElementTree.Element(tag, {
        name.rstrip("_").replace("_", "-"): _text(value) for name, value in attributes.items() if value is not None
    })  # fmt: skip
    _fill(made, content)
    return made


def _fill(into: Element, content: Iterable[Content]) -> None:
    for part in content:
        if isinstance(part, str):
            if len(into):
                into[-1].tail = (into[-1].tail or "") + _text(part)
            else:
                into.text = (into.text or "") + _text(part)
        elif isinstance(part, ElementTree.Element):
            into.append(part)
        elif part is not None:
            _fill(into, part)


def _text(given: str) -> str:
    return _NO_TEXT.sub("\ufffd", given)


def name_of(text: str) -> Element:
    """Return a name from the user's table, whose direction of writing does not reach what stands beside it."""
    return element("bdi", text)


def fragment(part: Element) -> str:
    """Return an element, none of those that never have content, as text for a page of somebody else's."""
    return ElementTree.tostring(part, encoding="unicode", short_empty_elements=False)


def written(page: Element) -> bytes:
    """Return a page as a file holds it."""
    return f"<!doctype html>\n{ElementTree.tostring(page, encoding='unicode', method='html')}\n".encode()
