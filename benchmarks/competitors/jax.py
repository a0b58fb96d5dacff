"""JAX: the steps are a jitted scan over the resident batches, buffers donated, nothing returns to Python between."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh}
PROBABILITIES = {"cross_entropy": jax.nn.softmax, "binary_cross_entropy": jax.nn.sigmoid}


def versions():
    return {"jax": jax.__version__}


def build(task, arrays, threads):
    return Jax(task, arrays)


class Jax:
    """The number of threads is set by the process's affinity, which XLA reads at start."""

    def __init__(self, task, arrays):
        self.task = task
        parameters = [{"W": W, "b": b} for W, b in zip(arrays.weights, arrays.biases, strict=True)]
        if task.time_steps:
            parameters[0]["U"] = arrays.recurrent
        parameters = jax.tree.map(jnp.array, parameters)
        zeros = partial(jax.tree.map, jnp.zeros_like)
        self.state = (parameters, zeros(parameters), zeros(parameters), jnp.zeros((), jnp.float32))
        shape = (task.batches, task.batch)
        self.X = jnp.asarray(arrays.X).reshape(*shape, *arrays.X.shape[1:])
        self.y = jnp.asarray(arrays.y).reshape(*shape, *arrays.y.shape[1:])
        self.passes = jax.jit(self._passes, donate_argnums=0)
        self.jitted_probabilities = jax.jit(self._probabilities)

    def run_steps(self, n):
        self.state = self.passes(self.state, self.X, self.y, n // self.task.batches)
        jax.block_until_ready(self.state)

    def loss(self):
        flat = (a.reshape(self.task.rows, *a.shape[2:]) for a in (self.X, self.y))
        return float(jax.jit(self._objective)(self.state[0], *flat))

    def prepare(self, X):
        return jax.block_until_ready(jnp.asarray(X))

    def predict(self, X):
        return self.jitted_probabilities(self.state[0], X).block_until_ready()

    def _logits(self, parameters, x):
        *hidden, last = parameters
        if self.task.time_steps:
            first, *hidden = hidden
            inputs = jnp.swapaxes(x @ first["W"] + first["b"], 0, 1)
            start = jnp.zeros((x.shape[0], first["b"].size), x.dtype)
            x, _ = lax.scan(lambda h, z: (jnp.tanh(z + h @ first["U"]), None), start, inputs)
        for layer in hidden:
            x = ACTIVATIONS[self.task.activation](x @ layer["W"] + layer["b"])
        return x @ last["W"] + last["b"]

    def _probabilities(self, parameters, x):
        return PROBABILITIES.get(self.task.loss, lambda z: z)(self._logits(parameters, x))

    def _objective(self, parameters, x, y):
        z = self._logits(parameters, x)
        if self.task.loss == "cross_entropy":
            return -jnp.mean(jnp.sum(jax.nn.one_hot(y, z.shape[1]) * jax.nn.log_softmax(z), axis=1))
        if self.task.loss == "binary_cross_entropy":
            return jnp.mean(jnp.sum(jnp.logaddexp(0.0, z) - y * z, axis=1))
        return jnp.mean(0.5 * jnp.sum((z - y) ** 2, axis=1))

    def _step(self, state, batch):
        parameters, m, v, t = state
        g = jax.grad(self._objective)(parameters, *batch)
        t = t + 1.0
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        rate, c2 = self.task.learning_rate / (1.0 - 0.9**t), 1.0 / (1.0 - 0.999**t)
        parameters = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v * c2) + 1e-8), parameters, m, v)
        return (parameters, m, v, t), None

    def _passes(self, state, X, y, n):
        return lax.fori_loop(0, n, lambda _, s: lax.scan(self._step, s, (X, y))[0], state)
