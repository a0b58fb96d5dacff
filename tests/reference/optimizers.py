"""First-order optimizers, each a rule for one array; `state` is that array's own dictionary, empty before step 1."""

from collections.abc import Callable
from dataclasses import dataclass, field, is_dataclass
from typing import Any

import numpy as np

from reference.network import is_weight

Array = np.ndarray
State = dict[str, Any]


@dataclass
class SGD:
    """w <- w - lr g; with momentum the step is a velocity v <- momentum v - lr g."""

    lr: float = 1e-2
    momentum: float = 0.0
    nesterov: bool = False

    def update(self, w: Array, g: Array, state: State) -> Array:
        v = state["v"] = self.momentum * state.get("v", 0.0) - self.lr * g
        return w + (self.momentum * v - self.lr * g if self.nesterov else v)


@dataclass
class RMSprop:
    """Hinton's lecture 6e."""

    lr: float = 1e-3
    rho: float = 0.9
    epsilon: float = 1e-8

    def update(self, w: Array, g: Array, state: State) -> Array:
        s = state["s"] = self.rho * state.get("s", 0.0) + (1 - self.rho) * g**2
        return w - self.lr * g / (np.sqrt(s) + self.epsilon)


@dataclass
class Adagrad:
    """Duchi, Hazan and Singer 2011; the accumulator starts at 0."""

    lr: float = 1e-2
    epsilon: float = 1e-10

    def update(self, w: Array, g: Array, state: State) -> Array:
        s = state["s"] = state.get("s", 0.0) + g**2
        return w - self.lr * g / (np.sqrt(s) + self.epsilon)


@dataclass
class Adam:
    """arXiv 1412.6980, bias-corrected."""

    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def moments(self, g: Array, state: State) -> tuple[int, Array, Array]:
        k = state["k"] = state.get("k", 0) + 1
        m = state["m"] = self.beta1 * state.get("m", 0.0) + (1 - self.beta1) * g
        v = state["v"] = self.beta2 * state.get("v", 0.0) + (1 - self.beta2) * g**2
        return k, m, np.sqrt(v / (1 - self.beta2**k)) + self.epsilon

    def update(self, w: Array, g: Array, state: State) -> Array:
        k, m, root = self.moments(g, state)
        return w - self.lr * m / (1 - self.beta1**k) / root


@dataclass
class AdamW(Adam):
    """arXiv 1711.05101: the decay of the weights stays out of the moments."""

    weight_decay: float = 0.01

    def decay_of_weights(self, w: Array) -> Array:
        return w - self.lr * self.weight_decay * w


@dataclass
class NAdam(Adam):
    """Dozat 2016, with the warming schedule of its momentum."""

    momentum_decay: float = 4e-3

    def update(self, w: Array, g: Array, state: State) -> Array:
        k, m, root = self.moments(g, state)
        now = self.beta1 * (1 - 0.5 * 0.96 ** (k * self.momentum_decay))
        then = self.beta1 * (1 - 0.5 * 0.96 ** ((k + 1) * self.momentum_decay))
        product = state["product"] = state.get("product", 1.0) * now
        return w - self.lr * ((1 - now) / (1 - product) * g + then / (1 - product * then) * m) / root


@dataclass
class Lion:
    """arXiv 2302.06675: the sign of a mean of gradients."""

    lr: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0

    def update(self, w: Array, g: Array, state: State) -> Array:
        m = state.get("m", 0.0)
        state["m"] = self.beta2 * m + (1 - self.beta2) * g
        return w - self.lr * np.sign(self.beta1 * m + (1 - self.beta1) * g)

    def decay_of_weights(self, w: Array) -> Array:
        return w - self.lr * self.weight_decay * w


@dataclass
class Rprop:
    """iRprop- (Igel and Huesken 2000): after a change of sign the step shrinks and is not taken."""

    lr: float = 1e-2
    shrink: float = 0.5
    grow: float = 1.2
    smallest: float = 1e-6
    largest: float = 50.0

    def update(self, w: Array, g: Array, state: State) -> Array:
        step = state.get("step", np.full_like(w, self.lr))
        turned = g * state.get("g", np.zeros_like(g))
        step = np.where(turned > 0, np.minimum(step * self.grow, self.largest), step)
        step = np.where(turned < 0, np.maximum(step * self.shrink, self.smallest), step)
        g = np.where(turned < 0, 0.0, g)
        state.update(step=step, g=g)
        return w - np.sign(g) * step


@dataclass
class Quickprop:
    """Fahlman 1988: a parabola through two slopes, the step at most mu times the last."""

    lr: float = 1e-2
    mu: float = 2.0
    decay: float = 0.0

    def update(self, w: Array, g: Array, state: State) -> Array:
        s = g + self.decay * w
        p, d = state.get("s", np.zeros_like(s)), state.get("d", np.zeros_like(s))
        # For d > 0 the rule is the mirror image of d < 0, so both are read with the sign of -d.
        mirror = np.where(d > 0, -1.0, 1.0)
        far = mirror * s >= mirror * p * self.mu / (1 + self.mu)
        with np.errstate(divide="ignore", invalid="ignore"):
            parabola = d * s / (p - s)
        step = np.where(far, self.mu * d, parabola) + np.where(mirror * s > 0, -self.lr * s, 0.0)
        step = np.where(d == 0, -self.lr * s, step)
        state.update(s=s, d=step)
        return w + step


# By the name in lamina's registry.
OPTIMIZERS: dict[str, Callable[..., Any]] = {
    name: rule for name, rule in list(globals().items()) if hasattr(rule, "update") and is_dataclass(rule)
}


@dataclass
class Stepper:
    """An optimizer over named parameters, each with its own state, updated in place."""

    rule: Any
    states: dict[str, State] = field(default_factory=dict)

    def step(self, parameters: dict[str, Array], gradients: dict[str, Array]) -> None:
        for name, w in parameters.items():
            decays = hasattr(self.rule, "decay_of_weights") and is_weight(name)
            before = self.rule.decay_of_weights(w) if decays else w
            w[...] = self.rule.update(before, gradients[name], self.states.setdefault(name, {}))
