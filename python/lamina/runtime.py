"""How lamina runs here: its version, the instruction set in use, and the threads it may use."""

from lamina._dispatch import core as _core
from lamina._dispatch import level as _level

__all__ = ["__version__", "get_num_threads", "set_num_threads", "simd_level"]

__version__ = "0.1.0"


def set_num_threads(n: int) -> None:
    """Use at most `n` threads in this process; 0 returns to the environment's limit (LAMINA_NUM_THREADS and others)."""
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"n must be a whole number; got {n!r}")
    _core.set_max_threads(max(-(2**31), min(int(n), 2**31)))


def get_num_threads() -> int:
    """Return how many threads lamina may use here."""
    return _core.max_threads()


def simd_level() -> str:
    """Return the instruction-set level in use: "v2", "v3", "v4", or "native"."""
    return _level
