"""
A time series
=============

A recurrent network learns the next value of a series, and then goes on by itself, from its own predictions.
"""

# %%
# Two waves and some noise, cut into sequences of 60 steps.

import matplotlib.pyplot as plt
import numpy as np

import lamina

rng = np.random.default_rng(0)
t = np.arange(1500)
series = np.sin(0.2 * t) + 0.5 * np.sin(0.47 * t + 1) + 0.05 * rng.normal(size=len(t))
past, future = series[:1200], series[1200:]

windows = np.lib.stride_tricks.sliding_window_view(past, 61)[::5]
X, y = windows[:, :-1, None], windows[:, 1:, None]
print(X.shape, y.shape)

# %%
# ``return_sequences=True``: every step has a prediction, and a target.

net = lamina.Network(
    [lamina.Recurrent(24, activation="tanh", return_sequences=True), lamina.Dense(1)],
    n_inputs=1,
)
history = net.fit(X, y, epochs=80, batch_size=16, optimizer=lamina.Adam(5e-3), schedule=lamina.schedules.Cosine())
print(history.stop_reason, f"- validation loss {history.validation_loss[history.best_epoch - 1]:.5f}")

# %%
# One step ahead: the network is told the true value after each of its predictions. ``step`` remembers what it has
# seen, and gives, to the bit, what ``predict`` gives for the whole sequence.

net.reset_state()
for value in past[-200:]:
    following = net.step(np.array([value], np.float32))
one_ahead = []
for value in future[:150]:
    one_ahead.append(following[0])
    following = net.step(np.array([value], np.float32))

# %%
# On its own: each prediction is the next input.

net.reset_state()
for value in past[-200:]:
    following = net.step(np.array([value], np.float32))
alone = []
for _ in range(150):
    alone.append(following[0])
    following = net.step(following)

figure, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
ax.plot(future[:150], ".", color="black", markersize=3, label="series")
ax.plot(one_ahead, label="one step ahead")
ax.plot(alone, "--", label="on its own")
ax.set(xlabel="step")
ax.legend(ncols=3)
