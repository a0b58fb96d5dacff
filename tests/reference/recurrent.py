"""Vanilla recurrent networks, unrolled in time, and back-propagation through time.

a_t = W x_t + U r_{t-1} + b, h_t = f(a_t), s_t = V h_t + c, y_t = g(s_t), where what feeds back, r, is h (Elman) or
y (Jordan) and r_0 = 0. Sequences are (batch, time, features); row n ends after lengths[n] steps: from there on
its outputs are 0 and nothing flows back.
"""

from dataclasses import dataclass

import numpy as np

from reference.activations import ACTIVATIONS

Array = np.ndarray


@dataclass
class RecurrentNetwork:
    """W is (features, hidden), V is (hidden, outputs); U is (hidden, hidden) or, for Jordan, (outputs, hidden)."""

    W: Array
    U: Array
    b: Array
    V: Array
    c: Array
    f: str = "tanh"
    g: str = "identity"
    kind: str = "elman"

    def forward(self, x: Array, lengths: Array | None = None) -> Array:
        n, steps, _ = x.shape
        self.x = x
        self.mask = np.arange(steps) < (np.full(n, steps) if lengths is None else np.asarray(lengths))[:, None]
        self.a, self.h, self.s, self.y, self.fed = [], [], [], [], []
        fed = np.zeros((n, self.U.shape[0]))
        for k in range(steps):
            self.fed.append(fed)
            self.a.append(x[:, k] @ self.W + fed @ self.U + self.b)
            self.h.append(ACTIVATIONS[self.f].value(self.a[k]) * self.mask[:, k, None])
            self.s.append(self.h[k] @ self.V + self.c)
            self.y.append(ACTIVATIONS[self.g].value(self.s[k]) * self.mask[:, k, None])
            fed = self.h[k] if self.kind == "elman" else self.y[k]
        return np.stack(self.y, axis=1)

    def backward(self, dE_dy: Array, truncate: int | None = None) -> dict[str, Array]:
        """Gradients by name; with `truncate` nothing flows back over a boundary between blocks of that many steps."""
        gradients = {name: np.zeros_like(getattr(self, name)) for name in "WUbVc"}
        back = np.zeros_like(self.fed[0])
        for k in reversed(range(self.x.shape[1])):
            if truncate is not None and (k + 1) % truncate == 0:
                back = np.zeros_like(back)
            live = self.mask[:, k, None]
            dE_dyk = dE_dy[:, k] + (back if self.kind == "jordan" else 0.0)
            delta_s = dE_dyk * live * ACTIVATIONS[self.g].training(self.s[k])
            dE_dh = delta_s @ self.V.T + (back if self.kind == "elman" else 0.0)
            delta = dE_dh * live * ACTIVATIONS[self.f].training(self.a[k])
            gradients["V"] += self.h[k].T @ delta_s
            gradients["c"] += delta_s.sum(axis=0)
            gradients["W"] += self.x[:, k].T @ delta
            gradients["U"] += self.fed[k].T @ delta
            gradients["b"] += delta.sum(axis=0)
            back = delta @ self.U.T
        return gradients
