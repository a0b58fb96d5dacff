"""Every loss: its error per row, from the network's raw outputs y, and dE/dy."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from reference.activations import logistic, softplus

Array = np.ndarray


def squared_error(y: Array, t: Array) -> Array:
    return 0.5 * np.sum((t - y) ** 2, axis=1)


def squared_error_derivative(y: Array, t: Array) -> Array:
    return -(t - y)


def absolute_error(y: Array, t: Array) -> Array:
    return np.sum(np.abs(t - y), axis=1)


def absolute_error_derivative(y: Array, t: Array) -> Array:
    return -np.sign(t - y)


def huber(y: Array, t: Array, delta: float = 1.0) -> Array:
    r = np.abs(t - y)
    return np.sum(np.where(r <= delta, 0.5 * r**2, delta * (r - 0.5 * delta)), axis=1)


def huber_derivative(y: Array, t: Array, delta: float = 1.0) -> Array:
    return -np.clip(t - y, -delta, delta)


def log_cosh(y: Array, t: Array) -> Array:
    return np.sum(np.log(np.cosh(y - t)), axis=1)


def log_cosh_derivative(y: Array, t: Array) -> Array:
    return np.tanh(y - t)


def quantile(y: Array, t: Array, q: float = 0.5) -> Array:
    return np.sum(np.maximum(q * (t - y), (q - 1) * (t - y)), axis=1)


def quantile_derivative(y: Array, t: Array, q: float = 0.5) -> Array:
    return np.where(t > y, -q, np.where(t < y, 1 - q, 0.0))


def poisson(y: Array, t: Array) -> Array:
    """y is the logarithm of the rate."""
    return np.sum(np.exp(y) - t * y, axis=1)


def poisson_derivative(y: Array, t: Array) -> Array:
    return np.exp(y) - t


def poisson_predict(y: Array) -> Array:
    return np.exp(y)


def cross_entropy(y: Array, t: Array, label_smoothing: float = 0.0) -> Array:
    t = smooth(t, label_smoothing)
    return -np.sum(t * log_softmax(y), axis=1)


def cross_entropy_derivative(y: Array, t: Array, label_smoothing: float = 0.0) -> Array:
    t = smooth(t, label_smoothing)
    return softmax(y) * np.sum(t, axis=1, keepdims=True) - t


def cross_entropy_predict(y: Array) -> Array:
    return softmax(y)


def binary_cross_entropy(y: Array, t: Array, label_smoothing: float = 0.0) -> Array:
    return np.sum(softplus(y) - (t + label_smoothing * (0.5 - t)) * y, axis=1)


def binary_cross_entropy_derivative(y: Array, t: Array, label_smoothing: float = 0.0) -> Array:
    return logistic(y) - (t + label_smoothing * (0.5 - t))


def binary_cross_entropy_predict(y: Array) -> Array:
    return logistic(y)


def hinge(y: Array, t: Array) -> Array:
    return np.sum(np.maximum(0.0, 1 - (2 * t - 1) * y), axis=1)


def hinge_derivative(y: Array, t: Array) -> Array:
    sign = 2 * t - 1
    return np.where(sign * y < 1, -sign, 0.0)


def log_softmax(y: Array) -> Array:
    shifted = y - np.max(y, axis=1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))


def softmax(y: Array) -> Array:
    return np.exp(log_softmax(y))


def smooth(t: Array, label_smoothing: float) -> Array:
    return (1 - label_smoothing) * t + label_smoothing / t.shape[1]


def targets(t: Array, n_outputs: int) -> Array:
    """The user's targets as (n, outputs) float64: one-hot rows for integer labels of several classes."""
    t = np.asarray(t)
    if t.ndim == 1 and n_outputs > 1:
        return np.eye(n_outputs)[t]
    return t.reshape(len(t), -1).astype(np.float64)


class Loss(NamedTuple):
    """Error per row, its derivative, and what `predict` makes of the raw outputs: nothing, where that is not said."""

    value: Callable[..., Array]
    derivative: Callable[..., Array]
    predict: Callable[[Array], Array]


NAMES = [name for name in list(globals()) if f"{name}_derivative" in globals()]


def _collect(name: str) -> Loss:
    return Loss(globals()[name], globals()[f"{name}_derivative"], globals().get(f"{name}_predict", np.array))


LOSSES = {name: _collect(name) for name in NAMES}
