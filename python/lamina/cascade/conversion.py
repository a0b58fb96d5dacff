"""A grown network as other things: a network of layers, the JSON of a model file, a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lamina._dispatch import core as _core
from lamina import activations
from lamina.cascade import growth as _cascade
from lamina.network.model_file import described
from lamina.network.network import Network

if TYPE_CHECKING:
    from lamina.cascade.network import CascadeNetwork

_LOSSES = {"identity": "squared_error", "logistic": "binary_cross_entropy"}


def to_network(net: CascadeNetwork) -> Network:
    """Return a `Network` with a `Shortcut` layer for each hidden unit, and a dense one for the outputs."""
    parameters = net.parameters
    layers = [_core.Shortcut(1, activation=f) for f in net.units]
    out = Network(
        [*layers, _core.Dense(net.n_outputs)], net.n_inputs, _LOSSES[net.output], net.dtype.name, net.seed, False
    )
    # A slope that alternates with the unit's position: min(0, x) = -max(0, -x) stands for the odd ones.
    sign = np.ones(net.n_inputs + net.n_units, net.dtype)
    views = out.parameters
    for k, f in enumerate(net.units):
        mirror = -1 if f.name == "bipolar_relu" and k % 2 else 1
        fan = net.n_inputs + k
        views[f"{k}.weight"][:, 0] = mirror * sign[:fan] * parameters[f"{k}.weight"]
        views[f"{k}.bias"][:] = mirror * parameters[f"{k}.bias"]
        sign[fan] = mirror
    views[f"{net.n_units}.weight"][:] = sign[:, None] * parameters["output.weight"]
    views[f"{net.n_units}.bias"][:] = parameters["output.bias"]
    if net.input_normalization is not None:
        out.input_normalization = net.input_normalization
    out.normalize_inputs = net.normalize_inputs
    out.metadata = dict(net.metadata)
    return out


def architecture_of(net: CascadeNetwork) -> dict[str, Any]:
    """Return what makes the network, beside its weights, as plain JSON values."""
    return {
        "n_inputs": net.n_inputs,
        "n_outputs": net.n_outputs,
        "candidates": net._candidates,
        "max_units": net._max_units,
        "pool": [described(f) for f in net._pool],
        "output_setting": net._output_setting,
        "output": net.output,
        "units": [described(f) for f in net.units],
        "dtype": net.dtype.name,
        "seed": net.seed,
        "normalize_inputs": net.normalize_inputs,
        "history": None if net.history is None else net.history.as_dict(),
    }


def network_from(architecture: dict[str, Any]) -> CascadeNetwork:
    """Return a network with weights of zero from `architecture_of`'s result."""
    from lamina.cascade.network import CascadeNetwork

    net = CascadeNetwork(
        architecture["n_inputs"],
        architecture["n_outputs"],
        architecture["candidates"],
        architecture["max_units"],
        [activations.get(**entry) for entry in architecture["pool"]],
        architecture["output_setting"],
        architecture["dtype"],
        architecture["seed"],
        architecture["normalize_inputs"],
    )
    net._units = [activations.get(**entry) for entry in architecture["units"]]
    net._output = architecture["output"]
    fan_out = net.n_outputs * (1 + net.n_inputs + net.n_units)
    net._flat = np.zeros(_cascade.unit_offset(net.n_inputs, net.n_units) + fan_out, net.dtype)
    if architecture["history"] is not None:
        net.history = _cascade.CascadeHistory(**architecture["history"])
    return net


def summary(net: CascadeNetwork) -> str:
    """Return a table of how the network grew."""
    history = net.history
    lines = [f"{net!r}"[1:-1].removeprefix("lamina.")]
    if history is not None:
        lines.append("units  activation    correlation       error  validation   wrong")
        for k, error in enumerate(history.error):
            unit, correlation = ("", "") if k == 0 else (history.units[k - 1], f"{history.correlation[k - 1]:.4g}")
            held = f"{history.validation_error[k]:.4g}" if history.validation_error else ""
            kept = "  <- kept" if k == net.n_units else ""
            lines.append(
                f"{k:>5}  {unit:<12}  {correlation:>11}  {error:>10.4g}  {held:>10}  {history.wrong[k]:>6}{kept}"
            )
        lines.append(f"growth ended: {history.stop_reason}")
    lines.append(f"{net._flat.size:,} parameters in all")
    return "\n".join(lines)
