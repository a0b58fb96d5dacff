"""What a pickle or a copy of a network holds: all but the core's own object, which is made anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamina.network.network import Network


def state_of(net: Network) -> dict[str, Any]:
    """Return everything that makes the network what it is, the optimizer's memory included."""
    state = {k: v for k, v in net.__dict__.items() if k != "_core"}
    state["parameters"] = {name: view.copy() for name, view in net.parameters.items()}
    state["normalization"] = net._core.normalization
    state["memory"] = net._core.memory
    state["sequences"] = (net._core.sequences_under_way, net._core.state)
    return state


def restore(net: Network, state: dict[str, Any], cores: dict[str, Any]) -> None:
    """Make an empty network what `state` says; `cores` are the core's classes by dtype."""
    state = dict(state)
    parameters, normalization, memory = (state.pop(name) for name in ("parameters", "normalization", "memory"))
    count, sequences = state.pop("sequences")
    net.__dict__.update(state)
    net._core = cores[net._dtype.name](net._layers, net._n_inputs, net._loss, net._seed)
    for name, view in net._core.parameters().items():
        view[...] = parameters[name]
    if normalization is not None:
        net._core.normalization = (normalization[0].tolist(), normalization[1].tolist())
    net._core.restore_memory(memory)
    if count:
        net._core.state = (count, sequences)
