"""
How sure is it?
===============

Ten networks that differ by their seed agree where there were data, and part where there were none.
"""

# %%
# A curve with a gap.

import matplotlib.pyplot as plt
import numpy as np

import lamina

rng = np.random.default_rng(0)
X = np.concatenate([rng.uniform(-3, -0.8, 80), rng.uniform(0.8, 3, 80)])[:, None]
y = np.sin(2 * X[:, 0]) + 0.1 * rng.normal(size=160)

# %%
# The members are trained side by side, one a core. ``predict`` is their mean, ``spread`` says how far they differ.

net = lamina.Network([lamina.Dense(32, "tanh"), lamina.Dense(32, "tanh"), lamina.Dense(1)], n_inputs=1)
ensemble = lamina.Ensemble(net, members=10)
ensemble.fit(X, y, epochs=300, optimizer=lamina.Adam(5e-3), validation=None, early_stopping=None)

line = np.linspace(-4.5, 4.5, 300)[:, None]
mean, spread = ensemble.predict(line)[:, 0], ensemble.spread(line)[:, 0]

figure, ax = plt.subplots(layout="constrained")
ax.plot(X[:, 0], y, ".", color="0.5")
ax.plot(line[:, 0], mean, label="mean")
ax.fill_between(line[:, 0], mean - 2 * spread, mean + 2 * spread, alpha=0.25, label="two spreads")
ax.plot(line[:, 0], np.sin(2 * line[:, 0]), "--", color="black", linewidth=1, label="truth")
ax.set(ylim=(-3, 3))
ax.legend()
