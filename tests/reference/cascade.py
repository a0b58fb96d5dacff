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
