"""Keras on its fastest CPU backend here (JAX): `fit` over all resident batches."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

from competitors import Unsupported

LOSSES = {
    "cross_entropy": lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    "binary_cross_entropy": lambda: keras.losses.BinaryCrossentropy(from_logits=True),
    "squared_error": lambda: lambda y, z: 0.5 * keras.losses.mean_squared_error(y, z),
}


def versions():
    return {"keras": f"{keras.__version__} ({keras.backend.backend()})"}


def build(task, arrays, threads):
    if not task.plain:
        raise Unsupported("only dense networks are timed in Keras")
    return Keras(task, arrays)


class Keras:
    """The number of threads is set by the process's affinity and the environment."""

    def __init__(self, task, arrays):
        self.task = task
        self.X, self.y = arrays.X, arrays.y
        inputs = keras.Input((task.layers[0],))
        x = inputs
        for units in task.layers[1:-1]:
            x = keras.layers.Dense(units, activation=task.activation)(x)
        z = keras.layers.Dense(task.layers[-1])(x)
        self.model = keras.Model(inputs, z)
        activation = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid"}.get(task.loss, "linear")
        self.predictor = keras.Model(inputs, keras.layers.Activation(activation)(z))
        self.model.set_weights([a for pair in zip(arrays.weights, arrays.biases, strict=True) for a in pair])
        self.model.compile(
            optimizer=keras.optimizers.Adam(task.learning_rate, epsilon=1e-8),
            loss=LOSSES[task.loss](),
            steps_per_execution=task.batches,
        )

    def run_steps(self, n):
        self.model.fit(
            self.X, self.y, batch_size=self.task.batch, epochs=n // self.task.batches, shuffle=False, verbose=0
        )

    def loss(self):
        return float(self.model.evaluate(self.X, self.y, batch_size=self.task.batch, verbose=0))

    def prepare(self, X):
        return keras.ops.convert_to_tensor(X)

    def predict(self, X):
        return self.predictor.predict_on_batch(X)
