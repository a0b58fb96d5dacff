"""The draws of a training pass, and of a start from data: Philox4x32-10 (Salmon et al., SC 2011), in plain integers."""

import numpy as np

LAYER, SLOPE, SAMPLE, DATA_START = 2, 3, 6, 7  # what a stream is for


def philox(counter: int, stream: tuple[int, int], seed: int) -> tuple[int, int, int, int]:
    """Four 32-bit words."""
    low = 0xFFFFFFFF
    x = [counter & low, counter >> 32, *stream]
    key = [seed & low, seed >> 32]
    for _ in range(10):
        p, q = 0xD2511F53 * x[0], 0xCD9E8D57 * x[2]
        x = [(q >> 32) ^ x[1] ^ key[0], q & low, (p >> 32) ^ x[3] ^ key[1], p & low]
        key = [(key[0] + 0x9E3779B9) & low, (key[1] + 0xBB67AE85) & low]
    return tuple(x)


def dropout_mask(seed, layer, rows, units, rate, step=0):
    """(rows, units) of bool, True is kept: four elements share a block."""
    words = [philox((step << 32) + element // 4, (LAYER, layer), seed)[element % 4] for element in range(rows * units)]
    return np.array(words).reshape(rows, units) < int((1 - rate) * 2**32)


def normals(seed, layer, rows, units, step=0):
    """(rows, units) of draws from N(0, 1): Box and Muller's transform of two numbers with 53 bits."""
    blocks = [philox((step << 32) + element, (LAYER, layer), seed) for element in range(rows * units)]
    u = np.array([(((b[0] << 32) | b[1]) >> 11) + 0.5 for b in blocks]) * 2.0**-53
    turn = np.array([((b[2] << 32) | b[3]) >> 11 for b in blocks]) * 2.0**-53
    return (np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * turn)).reshape(rows, units)


def uniform(counter, stream, seed):
    """A number in [0, 1) with 53 bits."""
    first, second, *_ = philox(counter, stream, seed)
    return ((first << 32 | second) >> 11) * 2.0**-53


def slopes(seed, layer, rows, units, lower=1 / 8, upper=1 / 3, step=0):
    """(rows, units) of rrelu's slopes, uniform from `lower` to `upper` with 53 bits."""
    drawn = [uniform((step << 32) + element, (SLOPE, layer), seed) for element in range(rows * units)]
    return lower + (upper - lower) * np.array(drawn).reshape(rows, units)


def sample(seed, weights, n):
    """The numbers of `n` samples, one from each of n stretches of equal weight."""
    places = [(k + uniform(k, (SAMPLE, 0), seed)) * sum(weights) / n for k in range(n)]
    return np.searchsorted(np.cumsum(weights), places, side="right")


def mixtures(seed, layer, rows, units, mixed=5):
    """(units, mixed) of numbers of rows, and of shares that sum to 1: exponentials over their sum."""
    numbers, second = range(units * mixed), layer ^ 1 << 24
    places = np.array([uniform(k, (DATA_START, second), seed) for k in numbers]).reshape(units, mixed)
    shares = -np.log(1 - np.array([uniform(k, (DATA_START, layer), seed) for k in numbers])).reshape(units, mixed)
    return (places * rows).astype(int), shares / shares.sum(axis=1, keepdims=True)
