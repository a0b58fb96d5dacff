"""A network in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lamina.text import aligned

__all__ = ["short", "table_of_layers"]


def table_of_layers(rows: Iterable[tuple[Any, int, int]]) -> list[str]:
    """Return the lines of a table of (layer, its outputs, its parameters)."""
    cells = [("", "layer", "outputs", "parameters")]
    cells += [(str(i), short(layer), str(width), f"{own:,}") for i, (layer, width, own) in enumerate(rows)]
    return aligned(cells, left={1})


def short(layer: Any) -> str:
    """Return the layer on a few characters, such as Dense(10, relu)."""
    params = layer.params
    main = [str(params["units"])] if "units" in params else []
    if "activation" in params:
        main.append(params["activation"].name)
    if len(params) == 1 and isinstance(number := next(iter(params.values())), float):
        main.append(f"{number:g}")  # what the layer is about, as a dropout's rate
    return f"{type(layer).__name__}({', '.join(main)})"
