"""
Save a network, and run it elsewhere
====================================

A model file is a safetensors file: weights by name, and the architecture as JSON. Any program that reads that can run
the network; here, twenty lines of NumPy.
"""

# %%
# A small network of the iris flowers.

import json
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file
from sklearn.datasets import load_iris

import lamina

X, y = load_iris(return_X_y=True)
net = lamina.Network(
    [lamina.Dense(8, "tanh"), lamina.Dense(3)], n_inputs=4, loss="cross_entropy", normalize_inputs=True
)
net.fit(X, y, epochs=200, optimizer=lamina.Adam(0.01))

path = Path(tempfile.mkdtemp()) / "iris.lamina"
net.save(path)
print(path.stat().st_size, "bytes")

# %%
# ``lamina.load`` gives the network back, to the bit.

same = lamina.load(path)
print((same.predict(X) == net.predict(X)).all())

# %%
# What is in the file, without ``lamina``:

arrays = load_file(path)
with safe_open(path, framework="numpy") as file:
    metadata = file.metadata()
for name, array in sorted(arrays.items()):
    print(f"{name:15} {array.shape}")
architecture = json.loads(metadata["lamina"])["architecture"]
print([(layer["layer"], layer["units"], layer["activation"]["name"]) for layer in architecture["layers"]])

# %%
# So a program that predicts needs nothing of ``lamina``. Here it is in NumPy.

FUNCTIONS = {"tanh": np.tanh, "identity": lambda z: z}


def predict(x):
    y = (x - arrays["input.mean"]) * arrays["input.scale"]
    for i, layer in enumerate(architecture["layers"]):
        z = y @ arrays[f"{i}.weight"] + arrays[f"{i}.bias"]
        y = FUNCTIONS[layer["activation"]["name"]](z)
    e = np.exp(y - y.max(axis=1, keepdims=True))  # the softmax that belongs to the cross-entropy
    return e / e.sum(axis=1, keepdims=True)


difference = abs(predict(X) - net.predict(X)).max()
print(f"equal to rounding: {difference < 1e-5}")

# %%
# What it predicts, flower by flower.

figure, ax = plt.subplots(figsize=(8, 2.6), layout="constrained")
ax.stackplot(np.arange(len(X)), predict(X).T, labels=load_iris().target_names)
ax.set(xlabel="flower", ylabel="probability", xlim=(0, len(X) - 1), ylim=(0, 1))
ax.legend(loc="upper right")

# %%
# A C++ program has the whole library, with the same bits: :doc:`/cpp`.
