"""
Choosing width, rate and penalty
================================

A search by validation, and cross-validation of what it has found.
"""

# %%
# What is to be chosen goes in as arguments; what goes to ``fit`` comes back beside the network.

import matplotlib.pyplot as plt
from sklearn.datasets import load_wine

import lamina
from lamina import plots, space

X, y = load_wine(return_X_y=True)
train, test = lamina.split(X, y, fractions=(0.7, 0.3), seed=0)


def build(units, rate):
    layers = [lamina.Dense(units, "relu"), lamina.Dense(3)]
    net = lamina.Network(layers, n_inputs=13, loss="cross_entropy", normalize_inputs=True)
    return net, {"optimizer": lamina.Adam(rate)}


choices = {
    "units": space.integer(2, 64, log=True),
    "rate": space.loguniform(1e-4, 1e-1),
    "l2": space.loguniform(1e-6, 1e-1),
}
found = lamina.search(build, choices, *train, k=3, n_trials=20, seed=0, epochs=60)
print(found)

# %%
# The choice, with another cut of the rows.

net, options = found.best_network()
folds = lamina.cross_validate(net, *train, k=5, seed=1, scoring="accuracy", **options)
_, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
plots.fold_scores({"chosen": folds.scores}, ax=axes[0], label="accuracy")
plots.fold_curves(folds.histories, ax=axes[1])

# %%
# All rows for training, and the test.

net = folds.refit()
print(f"test: {(net.predict(test[0]).argmax(axis=1) == test[1]).mean():.1%} are right")
