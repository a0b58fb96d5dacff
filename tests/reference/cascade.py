"""Cascade-correlation (Fahlman and Lebiere 1990): what a candidate unit maximises."""

import numpy as np

from reference.activations import ACTIVATIONS

Array = np.ndarray


def covariances(w: Array, inputs: Array, error: Array, activation: str = "tanh") -> Array:
    """sum_p (V_p - mean V) (E_po - mean E_o) for each output o; `inputs` holds the bias as a column of ones."""
    value = ACTIVATIONS[activation].value(inputs @ w)
    return (value - value.mean()) @ (error - error.mean(axis=0))


def correlation(w: Array, inputs: Array, error: Array, activation: str = "tanh") -> float:
    """S, the sum over outputs of the covariances' magnitudes."""
    return float(np.abs(covariances(w, inputs, error, activation)).sum())


def correlation_gradient(w: Array, inputs: Array, error: Array, activation: str = "tanh") -> Array:
    """dS/dw_i = sum_{p,o} sigma_o (E_po - mean E_o) f'_p I_ip."""
    sigma = np.sign(covariances(w, inputs, error, activation))
    slope = ACTIVATIONS[activation].derivative(inputs @ w)
    return inputs.T @ (slope * ((error - error.mean(axis=0)) @ sigma))


def spirals() -> tuple[Array, Array]:
    """The two spirals of Carnegie Mellon's benchmark collection: (194, 2) points, and labels 0 and 1."""
    i = np.arange(97)
    angle, radius = i * np.pi / 16, 6.5 * (104 - i) / 104
    spiral = np.column_stack([radius * np.sin(angle), radius * np.cos(angle)])
    return np.concatenate([spiral, -spiral]), np.repeat([1.0, 0.0], 97)


def regression(rng: np.random.Generator, rows: int = 120, outputs: int = 2) -> tuple[Array, Array]:
    """Three inputs, and targets that no linear model has."""
    x = rng.normal(size=(rows, 3))
    t = np.column_stack([np.sin(2 * x[:, 0]) * x[:, 1], x[:, 2] ** 2, x.sum(axis=1)])[:, :outputs]
    return x, 100 + 30 * t
