"""The standard deviation each initialiser gives a (fan_in, fan_out) weight, and its bound if it has one."""

import numpy as np

STANDARD_DEVIATION = {
    "lecun": lambda fan_in, fan_out: np.sqrt(1 / fan_in),
    "glorot": lambda fan_in, fan_out: np.sqrt(2 / (fan_in + fan_out)),
    "he": lambda fan_in, fan_out: np.sqrt(2 / fan_in),
    # Columns (or rows, whichever are fewer) of unit length: the mean square of an entry.
    "orthogonal": lambda fan_in, fan_out: np.sqrt(1 / max(fan_in, fan_out)),
    "auto": lambda fan_in, fan_out: np.sqrt(2 / (fan_in + fan_out)),  # for a layer without an activation
    "zeros": lambda fan_in, fan_out: 0.0,
}
NAMES = "auto lecun_uniform lecun_normal glorot_uniform glorot_normal he_uniform he_normal orthogonal zeros".split()


def standard_deviation(name: str, fan_in: int, fan_out: int) -> float:
    return float(STANDARD_DEVIATION[name.split("_")[0]](fan_in, fan_out))


def bound(name: str, fan_in: int, fan_out: int) -> float:
    """The largest possible |w|: a uniform distribution of deviation s ends at sqrt(3) s."""
    uniform = name.endswith("_uniform")
    return float(np.sqrt(3) * standard_deviation(name, fan_in, fan_out)) if uniform else np.inf
