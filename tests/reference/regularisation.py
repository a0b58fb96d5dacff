"""What changes a gradient before the step: clipping by norm, adaptive clipping, sharpness-aware minimisation."""

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray
Named = dict[str, Array]


def global_norm(gradients: Named) -> float:
    return float(np.sqrt(sum(np.sum(g**2) for g in gradients.values())))


def clip_norm(gradients: Named, max_norm: float) -> Named:
    """All gradients shortened together when their norm is over max_norm."""
    norm = global_norm(gradients)
    return {name: g * (max_norm / norm) if norm > max_norm else g for name, g in gradients.items()}


def agc(parameters: Named, gradients: Named, last_layer: int, limit: float = 0.01, epsilon: float = 1e-3) -> Named:
    """Adaptive gradient clipping (arXiv 2102.06171): per output unit, over its fan-in; the last layer is left alone."""

    def clip(w: Array, g: Array) -> Array:
        w_norm = np.abs(w) if w.ndim == 1 else np.linalg.norm(w, axis=0)
        g_norm = np.abs(g) if g.ndim == 1 else np.linalg.norm(g, axis=0)
        allowed = limit * np.maximum(w_norm, epsilon)
        return np.where(g_norm > allowed, g * allowed / np.maximum(g_norm, 1e-6), g)

    return {
        name: g if name.startswith(f"{last_layer}.") else clip(parameters[name], g) for name, g in gradients.items()
    }


def sam_step(parameters: Named, gradient: Callable[[], Named], stepper: Any, rho: float = 0.05) -> None:
    """Sharpness-aware minimisation (arXiv 2010.01412): the gradient at w + e, applied at w."""
    start = {name: w.copy() for name, w in parameters.items()}
    g = gradient()
    norm = global_norm(g)
    for name, w in parameters.items():
        w += rho * g[name] / (norm + 1e-12)
    g = gradient()
    for name, w in parameters.items():
        w[...] = start[name]
    stepper.step(parameters, g)
