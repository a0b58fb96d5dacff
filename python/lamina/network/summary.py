"""A network in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lamina.layers import Recurrent
from lamina.plots.layers import Block
from lamina.text import aligned

__all__ = ["blocks_of", "short", "table_of_layers"]


def table_of_layers(rows: Iterable[tuple[Any, int, int]]) -> list[str]:
    """Return the lines of a table of (layer, its outputs, its parameters)."""
    cells = [("", "layer", "outputs", "parameters")]
    cells += [(str(i), short(layer), str(width), f"{own:,}") for i, (layer, width, own) in enumerate(rows)]
    return aligned(cells, left={1})


def short(layer: Any) -> str:
    """Return the layer on a few characters, such as Dense(10, relu)."""
    units = layer.params.get("units")
    main = [] if units is None else [str(units)]
    return f"{type(layer).__name__}({', '.join([*main, *_about(layer)])})"


def _about(layer: Any) -> list[str]:
    """What a layer is, beside its kind and size."""
    params, found = layer.params, []
    if "activation" in params:
        found.append(str(params["activation"].name))
    if len(params) == 1 and isinstance(number := next(iter(params.values())), float):
        found.append(f"{number:g}")  # what the layer is about, as a dropout's rate
    return found


def blocks_of(n_inputs: int, rows: Iterable[tuple[Any, int, int]]) -> list[Block]:
    """Return what a drawing shows of the inputs and of (layer, its outputs, its parameters)."""
    return [
        Block("Input", "", n_inputs, is_input=True),
        *(Block(type(layer).__name__, ", ".join(_about(layer)), width, own, isinstance(layer, Recurrent))
          for layer, width, own in rows),
    ]  # fmt: skip
