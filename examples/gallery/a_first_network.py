"""
A first network: handwritten digits
===================================

From data to a trained network, its learning curves, and where it errs.
"""

# %%
# The data: 1797 pictures of 8 x 8 pixels. A fifth is kept for the final test; nothing below looks at it before.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import lamina
from lamina import plots

X, y = load_digits(return_X_y=True)
(X_train, y_train), (X_test, y_test) = lamina.split(X, y, fractions=(0.8, 0.2), seed=0)

# %%
# The network: one hidden layer of 64 rectifiers. The last layer gives raw outputs; the loss knows its softmax.

net = lamina.Network(
    [lamina.Dense(64, activation="relu"), lamina.Dense(10)],
    n_inputs=64,
    loss="cross_entropy",
    normalize_inputs=True,
)
print(net.summary())

# %%
# The training: Adam, in batches of 32, until the loss on a tenth of the rows, which is set aside, no longer falls.

history = net.fit(X_train, y_train)
print(history.stop_reason)

_, ax = plt.subplots(layout="constrained")
plots.learning_curves(history, ax=ax)

# %%
# The test, once.

predicted = net.predict(X_test).argmax(axis=1)
print(f"{(predicted == y_test).mean():.1%} are right")

_, ax = plt.subplots(figsize=(5, 5), layout="constrained")
plots.confusion_matrix(y_test, predicted, ax=ax)

# %%
# What was hardest: the rows to whose class the network gave the least probability.

probability = net.predict(X_test)[np.arange(len(y_test)), y_test]
figure, axes = plt.subplots(1, 6, figsize=(8, 1.8), layout="constrained")
for ax, i in zip(axes, probability.argsort(), strict=False):
    ax.imshow(X_test[i].reshape(8, 8), cmap="gray_r")
    ax.set(title=f"a {y_test[i]}, taken for {predicted[i]}" if predicted[i] != y_test[i] else f"a {y_test[i]}")
    ax.title.set_fontsize(8)
    ax.axis("off")
