"""What a pickle or a copy of a network holds: all but the core's own object, which is made anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamina.network import Network


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
    net._core.memory = _by_names(memory) if isinstance(memory, tuple) else memory
    if count:
        net._core.state = (count, sequences)


# What the three powers of a memory were, when it was a tuple and they had no names of their own.
_POWERS = {
    "Adam": ("beta1_power", "beta2_power"),
    "AdamW": ("beta1_power", "beta2_power"),
    "NAdam": ("momentum_product", "beta2_power", "decay_power"),
}


def _by_names(memory: tuple[Any, ...]) -> dict[str, Any] | None:
    """Return the optimizer's memory of a pickle from before it had names."""
    optimizer, slots, step, *powers, epochs = memory
    if not optimizer:
        return None
    state = dict(zip(_POWERS.get(optimizer, ()), powers, strict=False))
    return {"optimizer": optimizer, "step": step, "epochs": epochs, "state": state, "slots": slots}
