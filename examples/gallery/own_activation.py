"""
An activation and a loss of your own
====================================

Two Python functions make an activation, two more a loss. Both go wherever a built-in one goes.
"""

# %%
# An activation and its derivative, element by element.

import matplotlib.pyplot as plt
import numpy as np

import lamina


def sine_derivative(x):
    return np.cos(x)


sine = lamina.activations.custom(np.sin, sine_derivative, name="sine")

# %%
# A loss, one number a row, and its derivative. This one grows like a logarithm, so a few wild targets count little.


def cauchy(y, t):
    return np.log1p((y - t) ** 2).sum(axis=1)


def cauchy_derivative(y, t):
    return 2 * (y - t) / (1 + (y - t) ** 2)


robust = lamina.losses.custom(cauchy, cauchy_derivative, name="cauchy")

# %%
# Do they belong together? The analytic gradient against central differences:

rng = np.random.default_rng(0)
X = rng.uniform(-3, 3, size=(300, 1))
y = np.sin(2 * X[:, 0]) * np.exp(-0.1 * X[:, 0] ** 2)
y_seen = y + np.where(rng.random(300) < 0.1, rng.normal(0, 8, 300), 0.05 * rng.normal(size=300))

layers = [lamina.Dense(16, activation=sine), lamina.Dense(16, activation=sine), lamina.Dense(1)]
net = lamina.Network(layers, n_inputs=1, loss=robust, dtype="float64")
print(lamina.check_gradients(net, X[:20], y_seen[:20]) < 1e-6)

# %%
# A tenth of the targets is wild. Squared errors follow them; the loss of our own does not.

line = np.linspace(-3, 3, 400)[:, None]
figure, ax = plt.subplots(layout="constrained")
ax.plot(X[:, 0], y_seen, ".", color="0.6", markersize=3)
for name, loss in {"squared error": "squared_error", "Cauchy": robust}.items():
    net = lamina.Network(layers, n_inputs=1, loss=loss)
    net.fit(X, y_seen, epochs=200, optimizer=lamina.Adam(3e-3), validation=None, early_stopping=None)
    ax.plot(line[:, 0], net.predict(line)[:, 0], label=name)
    print(f"{name:13}: distance from the truth {np.sqrt(((net.predict(X)[:, 0] - y) ** 2).mean()):.3f}")
ax.plot(line[:, 0], np.sin(2 * line[:, 0]) * np.exp(-0.1 * line[:, 0] ** 2), "--", color="black", label="truth")
ax.set(ylim=(-3, 3))
ax.legend()
