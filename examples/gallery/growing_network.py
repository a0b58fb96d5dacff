"""
A network that grows
====================

Two spirals: a task at which ordinary training struggles, and which cascade-correlation solves unit by unit.
"""

# %%
# 194 points, two classes wound around each other three times.

import matplotlib.pyplot as plt
import numpy as np

import lamina
from lamina import plots_cascade

i = np.arange(97)
angle, radius = i * np.pi / 16, 6.5 * (104 - i) / 104
spiral = np.column_stack([radius * np.sin(angle), radius * np.cos(angle)])
X, y = np.concatenate([spiral, -spiral]), np.repeat([1, 0], 97)

# %%
# Nobody says how many units: growth ends when no target is missed.

net = lamina.CascadeNetwork(n_inputs=2, n_outputs=1, seed=0)
history = net.fit(X, y)
print(net.summary())

# %%
# The error that was left, and the correlation of each unit with it.

_, ax = plt.subplots(layout="constrained")
plots_cascade.growth(net, ax=ax)

# %%
# What each network on the way makes of the plane.

side = np.linspace(-7, 7, 121)
plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
# sphinx_gallery_thumbnail_number = 2
figure, axes = plt.subplots(1, 4, figsize=(9, 2.6), sharey=True, layout="constrained")
for ax, n in zip(axes, (1, 5, 9, net.n_units), strict=True):
    ax.contourf(side, side, net.at(n).predict(plane).reshape(121, 121), levels=12, cmap="RdBu")
    ax.scatter(*X.T, c=y, s=3, cmap="gray")
    ax.set(title=f"{n} unit{'s' * (n > 1)}", aspect="equal")

# %%
# It is an ordinary network when it is done, and can be trained further as a whole.

ordinary = net.to_network()
print(abs(ordinary.predict(X)[:, 0] - net.predict(X)[:, 0]).max() < 1e-5)
