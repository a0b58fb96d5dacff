"""
When to stop
============

Three ways to watch a fit, and to end it: by the validation loss, by another score, and by a rule of one's own.
"""

# %%
# Two half moons with much noise, and a network that is far too large for them.

import matplotlib.pyplot as plt
from sklearn.datasets import make_moons

import lamina
from lamina import plots

X, y = make_moons(500, noise=0.4, random_state=0)
train, validation, test = lamina.split(X, y, fractions=(0.4, 0.3, 0.3), seed=0)


def network():
    layers = [lamina.Dense(100, "relu"), lamina.Dense(100, "relu"), lamina.Dense(2)]
    return lamina.Network(layers, n_inputs=2, loss="cross_entropy")


# %%
# Without early stopping the training loss falls and falls. The other does not.

net = network()
history = net.fit(*train, epochs=200, validation=validation, early_stopping=None)
print(f"after 200 epochs: test loss {net.evaluate(*test):.3f}")
_, ax = plt.subplots(layout="constrained")
plots.learning_curves(history, ax=ax)

# %%
# With it training ends by itself, and the weights of the best epoch are put back.

net = network()
history = net.fit(*train, epochs=200, validation=validation, early_stopping=lamina.EarlyStopping(patience=10))
print(f"{history.stop_reason}; best epoch {history.best_epoch}: test loss {net.evaluate(*test):.3f}")

# %%
# The same by accuracy. Any callable of (network, X, y) may stand in its place.

net = network()
history = net.fit(*train, epochs=200, validation=validation, scoring="accuracy")
print(f"best epoch {history.best_epoch}: validation accuracy {max(history.validation_score):.3f}")


# %%
# A rule of one's own is a callback.


def low_enough(epoch):
    if epoch.loss < 0.3:
        epoch.stop("a training loss below 0.3 is enough")


net = network()
history = net.fit(*train, epochs=200, validation=validation, early_stopping=None, callbacks=[low_enough])
print(history.stop_reason, "after", history.epochs, "epochs")
