"""The standard deviation each initialiser gives a (fan_in, fan_out) weight, and its bound if it has one.

And what the one that looks at the data makes of it.
"""

import numpy as np

from reference import random

Array = np.ndarray

STANDARD_DEVIATION = {
    "lecun": lambda fan_in, fan_out: np.sqrt(1 / fan_in),
    "glorot": lambda fan_in, fan_out: np.sqrt(2 / (fan_in + fan_out)),
    "he": lambda fan_in, fan_out: np.sqrt(2 / fan_in),
    "normal": lambda fan_in, fan_out: 1.0,
    "data": lambda fan_in, fan_out: np.sqrt(1 / fan_in),  # before there are data
    # Columns (or rows, whichever are fewer) of unit length: the mean square of an entry.
    "orthogonal": lambda fan_in, fan_out: np.sqrt(1 / max(fan_in, fan_out)),
    "auto": lambda fan_in, fan_out: np.sqrt(2 / (fan_in + fan_out)),  # for a layer without an activation
    "zeros": lambda fan_in, fan_out: 0.0,
}
NAMES = [
    *"auto lecun_uniform lecun_normal glorot_uniform glorot_normal he_uniform he_normal".split(),
    *"normal data_driven orthogonal zeros".split(),
]


def standard_deviation(name: str, fan_in: int, fan_out: int) -> float:
    return float(STANDARD_DEVIATION[name.split("_")[0]](fan_in, fan_out))


def bound(name: str, fan_in: int, fan_out: int) -> float:
    """The largest possible |w|: a uniform distribution of deviation s ends at sqrt(3) s."""
    uniform = name.endswith("_uniform")
    return float(np.sqrt(3) * standard_deviation(name, fan_in, fan_out)) if uniform else np.inf


def data_driven(weight: Array, x: Array, scale: float, seed: int, layer: int) -> tuple[Array, Array]:
    """The weights with which z = scale x W has standard deviation 1 over the rows of x, and the biases.

    A bias is minus a mixture of z in five random rows, its shares from the simplex.
    """
    z = scale * x @ weight
    deviation = z.std(axis=0)
    rows, shares = random.mixtures(seed, layer, len(x), z.shape[1])
    mixed = np.take_along_axis(z / deviation, rows.T, axis=0).T
    return weight / deviation, -np.sum(shares * mixed, axis=1)
