"""Every activation and its derivative, for float64 or longdouble arrays, accurate in the tails.

An activation ``name`` is the function of that name and ``name_derivative``; ACTIVATIONS collects the pairs.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import special

Array = np.ndarray


def identity(x: Array) -> Array:
    return x.copy()


def identity_derivative(x: Array) -> Array:
    return np.ones_like(x)


def heaviside(x: Array) -> Array:
    return np.where(np.isnan(x), x, np.where(x >= 0, 1.0, 0.0))


def heaviside_derivative(x: Array) -> Array:
    return np.zeros_like(x)


def sign(x: Array) -> Array:
    return np.where(np.isnan(x), x, np.where(x >= 0, 1.0, -1.0))


def sign_derivative(x: Array) -> Array:
    return np.zeros_like(x)


def straight_through(x: Array) -> Array:
    """What a layer of hard thresholds trains with in place of the derivative, which is 0."""
    return np.where(np.abs(x) <= 1, 1.0, 0.0)


def logistic(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1.0) / (1 + e)


def logistic_derivative(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return e / (1 + e) ** 2


def tanh(x: Array) -> Array:
    return np.tanh(x)


def tanh_derivative(x: Array) -> Array:
    return 4 * logistic_derivative(2 * x)


def arctan(x: Array) -> Array:
    return np.arctan(x)


def arctan_derivative(x: Array) -> Array:
    return 1 / (1 + x * x)


def relu(x: Array) -> Array:
    return np.maximum(x, 0.0)


def relu_derivative(x: Array) -> Array:
    return step(x > 0, x, 1.0, 0.0)


def leaky_relu(x: Array, alpha: float = 0.01) -> Array:
    return np.where(x > 0, x, alpha * x)


def leaky_relu_derivative(x: Array, alpha: float = 0.01) -> Array:
    return step(x > 0, x, 1.0, alpha)


def prelu(x: Array, a: float | Array = 0.25) -> Array:
    return np.where(x > 0, x, a * x)


def prelu_derivative(x: Array, a: float | Array = 0.25) -> Array:
    return step(x > 0, x, 1.0, a)


def prelu_slope_derivative(x: Array) -> Array:
    """df/da."""
    return np.minimum(x, 0.0)


def rrelu(x: Array, lower: float = 1 / 8, upper: float = 1 / 3) -> Array:
    """In inference: the slope is the mean of its distribution, 11/48 by default."""
    return prelu(x, 0.5 * (lower + upper))


def rrelu_derivative(x: Array, lower: float = 1 / 8, upper: float = 1 / 3) -> Array:
    return prelu_derivative(x, 0.5 * (lower + upper))


def elu(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(x))


def elu_derivative(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, 1.0, alpha * np.exp(x))


def softsign(x: Array) -> Array:
    return np.where(np.isinf(x), np.sign(x), x / (1 + np.abs(x)))


def softsign_derivative(x: Array) -> Array:
    return 1 / (1 + np.abs(x)) ** 2


def isru(x: Array, alpha: float = 1.0) -> Array:
    root = np.sqrt(x.dtype.type(alpha))
    return np.where(np.isinf(x), np.sign(x) / root, x / np.hypot(1.0, root * x))


def isru_derivative(x: Array, alpha: float = 1.0) -> Array:
    return np.hypot(1.0, np.sqrt(x.dtype.type(alpha)) * x) ** -3


def isrlu(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x >= 0, x, isru(x, alpha))


def isrlu_derivative(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x >= 0, 1.0, isru_derivative(x, alpha))


def sqnl(x: Array) -> Array:
    c = np.clip(x, -2, 2)
    return c * (1 - np.abs(c) / 4)


def sqnl_derivative(x: Array) -> Array:
    return np.maximum(0.0, 1 - np.abs(x) / 2)


def bipolar_relu(x: Array) -> Array:
    return np.where(even_units(x), np.maximum(x, 0.0), np.minimum(x, 0.0))


def bipolar_relu_derivative(x: Array) -> Array:
    return step(np.where(even_units(x), x > 0, x < 0), x, 1.0, 0.0)


def softplus(x: Array) -> Array:
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def softplus_derivative(x: Array) -> Array:
    return logistic(x)


def saturation(x: Array) -> Array:
    return np.clip(x, -1, 1)


def saturation_derivative(x: Array) -> Array:
    return step(np.abs(x) < 1, x, 1.0, 0.0)


def gaussian(x: Array) -> Array:
    return np.exp(-x * x)


def gaussian_derivative(x: Array) -> Array:
    return np.where(np.isinf(x), 0.0, -2 * x * np.exp(-x * x))


# 0.5 (1 + tanh u) is logistic(2u): the course's form without its cancellation for x < 0.
GELU_CUBIC = 0.044715
GELU_FAR = 60.0  # beyond it exp(2u) is 0 in every format


def gelu(x: Array) -> Array:
    c = np.clip(x, -GELU_FAR, GELU_FAR)
    u = np.sqrt(2 / x.dtype.type(np.longdouble("3.14159265358979323846"))) * (c + GELU_CUBIC * c**3)
    return np.where(x < -GELU_FAR, 0.0, x * logistic(2 * u))


def gelu_derivative(x: Array) -> Array:
    c = np.clip(x, -GELU_FAR, GELU_FAR)
    root = np.sqrt(2 / x.dtype.type(np.longdouble("3.14159265358979323846")))
    u = root * (c + GELU_CUBIC * c**3)
    return logistic(2 * u) + c * logistic_derivative(2 * u) * 2 * root * (1 + 3 * GELU_CUBIC * c * c)


def normal_density(x: Array) -> Array:
    return np.exp(-x * x / 2) / np.sqrt(2 * x.dtype.type(np.longdouble("3.14159265358979323846")))


def normal_distribution(x: Array) -> Array:
    """The normal distribution function; erfcx leaves the left tail's exponential to be taken at full precision."""
    root = np.sqrt(x.dtype.type(2))
    scaled = special.erfcx(np.asarray(np.abs(x) / root, dtype=np.float64))
    left = scaled * np.exp(-x * x / 2) / 2
    return np.where(x < 0, left, 1 - left)


def gelu_exact(x: Array) -> Array:
    return np.where(x < -GELU_FAR, 0.0, x * normal_distribution(x))


def gelu_exact_derivative(x: Array) -> Array:
    c = np.clip(x, -GELU_FAR, GELU_FAR)
    return normal_distribution(c) + c * normal_density(c)


def silu(x: Array) -> Array:
    return np.where(np.isneginf(x), 0.0, x * logistic(x))


def silu_derivative(x: Array) -> Array:
    inside = logistic(x) * (1 + x * logistic(-x))
    return np.where(np.isinf(x), np.where(x > 0, 1.0, 0.0), inside)


def mish(x: Array) -> Array:
    return np.where(np.isneginf(x), 0.0, x * tanh_softplus(x))


def mish_derivative(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    # sech^2(softplus(x)) = 4 (n + 1) / (n + 2)^2 with n = exp(2x) + 2 exp(x).
    left = 4 * (1 + e) ** 2 / (e * (e + 2) + 2) ** 2
    right = 4 * ((1 + e) * e / (1 + 2 * e + 2 * e * e)) ** 2
    inside = tanh_softplus(x) + x * np.where(x < 0, left, right) * logistic(x)
    return np.where(np.isinf(x), np.where(x > 0, 1.0, 0.0), inside)


def tanh_softplus(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e * (e + 2) / (e * (e + 2) + 2), (1 + 2 * e) / (1 + 2 * e + 2 * e * e))


SELU_ALPHA = np.longdouble("1.6732632423543772848170429916717")
SELU_SCALE = np.longdouble("1.0507009873554804934193349852946")


def selu(x: Array) -> Array:
    return x.dtype.type(SELU_SCALE) * elu(x, x.dtype.type(SELU_ALPHA))


def selu_derivative(x: Array) -> Array:
    return x.dtype.type(SELU_SCALE) * elu_derivative(x, x.dtype.type(SELU_ALPHA))


def celu(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(x / alpha))


def celu_derivative(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, 1.0, np.exp(x / alpha))


def hard_sigmoid(x: Array) -> Array:
    return np.clip(x + 3, 0, 6) / 6


def hard_sigmoid_derivative(x: Array) -> Array:
    return step(np.abs(x) < 3, x, 1 / x.dtype.type(6), 0.0)


def hard_swish(x: Array) -> Array:
    return np.where(x <= -3, 0.0, x * hard_sigmoid(x))


def hard_swish_derivative(x: Array) -> Array:
    return np.where(x < -3, 0.0, np.where(x > 3, 1.0, (2 * x + 3) / 6))


def relu6(x: Array) -> Array:
    return np.clip(x, 0, 6)


def relu6_derivative(x: Array) -> Array:
    return step((x > 0) & (x < 6), x, 1.0, 0.0)


def squareplus(x: Array, b: float = 4.0) -> Array:
    root = np.hypot(x, np.sqrt(x.dtype.type(b)))
    return np.where(x < 0, b / 2 / (np.abs(x) + root), (x + root) / 2)


def squareplus_derivative(x: Array, b: float = 4.0) -> Array:
    root = np.hypot(x, np.sqrt(x.dtype.type(b)))
    return np.where(np.isposinf(x), 1.0, squareplus(x, b) / root)


def step(condition: Array, x: Array, yes: float | Array, no: float | Array) -> Array:
    """Two constants chosen by a condition; NaN stays NaN."""
    return np.where(np.isnan(x), x, np.where(condition, yes, no))


def even_units(x: Array) -> Array:
    """Which units have an even index in their layer (the last axis)."""
    return np.arange(x.shape[-1]) % 2 == 0


class Activation(NamedTuple):
    """A function and its derivative; `training` is the derivative a layer trains with."""

    value: Callable[..., Array]
    derivative: Callable[..., Array]
    training: Callable[..., Array]


NAMES = [name for name in list(globals()) if f"{name}_derivative" in globals()]
ALIASES = {
    "linear": "identity",
    "binary": "heaviside",
    "threshold": "heaviside",
    "bipolar": "sign",
    "sigmoid": "logistic",
    "brelu": "bipolar_relu",
    "hardtanh": "saturation",
    "swish": "silu",
}
THRESHOLDS = ("heaviside", "sign")


def _collect(name: str) -> Activation:
    derivative = globals()[f"{name}_derivative"]
    return Activation(globals()[name], derivative, straight_through if name in THRESHOLDS else derivative)


ACTIVATIONS = {name: _collect(name) for name in NAMES}
