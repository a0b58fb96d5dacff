"""A network in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamina.network.network import Network


def summary(net: Network) -> str:
    """Return a table of the layers, their outputs and parameters."""
    rows = [("", "layer", "outputs", "parameters")]
    total = 0
    trained = set(net._core.trained_names)
    views = net.parameters
    for i, (layer, width) in enumerate(zip(net.layers, net._core.layer_outputs, strict=True)):
        own = sum(v.size for name, v in views.items() if name.split(".")[0] == str(i) and name in trained)
        total += own
        rows.append((str(i), short(layer), str(width), f"{own:,}"))
    widths = [max(len(row[c]) for row in rows) for c in range(4)]
    lines = [f"Network: {net.n_inputs} inputs, loss {net.loss.name}, {net.dtype}"]
    for row in rows:
        cells = (row[0].rjust(widths[0]), row[1].ljust(widths[1]), row[2].rjust(widths[2]), row[3].rjust(widths[3]))
        lines.append("  ".join(cells).rstrip())
    lines.append(f"{total:,} parameters in all, {total * net.dtype.itemsize / 2**20:.2f} MiB")
    return "\n".join(lines)


def short(layer: Any) -> str:
    """Return the layer on a few characters, such as Dense(10, relu)."""
    params = layer.params
    main = [str(params.pop("units"))] if "units" in params else []
    if "activation" in params:
        main.append(params["activation"].name)
    if "rate" in params:
        main.append(f"{params['rate']:g}")
    return f"{type(layer).__name__}({', '.join(main)})"
