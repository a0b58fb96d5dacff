"""What pickles from before the optimizer's memory had names hold, as it is today."""

from __future__ import annotations

from typing import Any

__all__ = ["memory_by_names"]

# What the three powers of a memory were, when it was a tuple and they had no names of their own.
_POWERS = {
    "Adam": ("beta1_power", "beta2_power"),
    "AdamW": ("beta1_power", "beta2_power"),
    "NAdam": ("momentum_product", "beta2_power", "decay_power"),
}


def memory_by_names(memory: tuple[Any, ...]) -> dict[str, Any] | None:
    """Return (optimizer, slots, step, three powers, epochs) by names; None for the memory of no optimizer."""
    optimizer, slots, step, *powers, epochs = memory
    if not optimizer:
        return None
    state = dict(zip(_POWERS.get(optimizer, ()), powers, strict=False))
    return {"optimizer": optimizer, "step": step, "epochs": epochs, "state": state, "slots": slots}
