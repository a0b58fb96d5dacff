"""The optimizers, as in ``lamina.Adam(lr=1e-3)``; ``describe()`` says what each does."""

from typing import TYPE_CHECKING, Any

from lamina._dispatch import core as _core

if TYPE_CHECKING:
    from lamina._core import *  # noqa: F403

_CLASSES = {name: getattr(_core, name) for name in (*_core.optimizer_names(), *_core.solver_names())}
_ALIASES = {"lm": "LevenbergMarquardt", "levenberg-marquardt": "LevenbergMarquardt", "l-bfgs": "LBFGS"}
_SOLVERS = tuple(_CLASSES[name] for name in _core.solver_names())
globals().update(_CLASSES)
__all__ = ["SAM", "describe", "get", "is_solver", "names", "rule_of", "solver_names", *_CLASSES]


def __dir__() -> list[str]:
    return sorted(__all__)


def names() -> list[str]:
    """Return the class name of every first-order optimizer."""
    return list(_core.optimizer_names())


def solver_names() -> list[str]:
    """Return the class name of every full-batch solver: each looks at all rows at once and finds its own steps."""
    return list(_core.solver_names())


def is_solver(optimizer: Any) -> bool:
    """Return whether it is a full-batch solver, and not a first-order optimizer."""
    return isinstance(optimizer, _SOLVERS)


def describe() -> list[dict[str, Any]]:
    """Return a dict for each optimizer: name, formula, source, and parameters with their defaults and docs."""
    return [*_core.optimizer_describe(), *_core.solver_describe()]


def get(name: Any, **params: Any) -> Any:
    """Return the optimizer called `name`, or `name` itself where it is an optimizer already.

    Names are taken in any case; "lm" and "levenberg-marquardt" are LevenbergMarquardt, "l-bfgs" is LBFGS.
    """
    if isinstance(name, _KNOWN):
        return name
    if not isinstance(name, str):
        raise TypeError(f"optimizer must be a name or an optimizer such as lamina.Adam(1e-3); got {name!r}")
    by_name = _ALIASES | {known.lower(): known for known in _CLASSES}
    if name.lower() not in by_name:
        raise ValueError(f"unknown optimizer {name!r}; did you mean {_nearest(name, by_name)}?")
    return _CLASSES[by_name[name.lower()]](**params)


def rule_of(optimizer: Any) -> Any:
    """Return the optimizer that remembers: of `SAM` its base, of None the usual one."""
    chosen = get("Adam" if optimizer is None else optimizer)
    return chosen.base if isinstance(chosen, SAM) else chosen


def _nearest(name: str, known: dict[str, str]) -> str:
    import difflib

    near = difflib.get_close_matches(name.lower(), known, n=len(known), cutoff=0.0)
    return " or ".join(repr(full) for full in list(dict.fromkeys(known[key] for key in near))[:3])


class SAM:
    """Sharpness-aware minimisation around any first-order optimizer (arXiv 2010.01412).

    The gradient is taken at w + rho g / (||g|| + 1e-12), one norm over all parameters; then `base` steps from w. Both
    passes drop out the same units, and batch norm's running values move in the first alone.

    Parameters
    ----------
    base : optimizer
        Such as ``lamina.Adam(1e-3)``.
    rho : float, default 0.05
        Radius, greater than 0.
    """

    def __init__(self, base: Any, rho: float = 0.05) -> None:
        base = get(base)
        if isinstance(base, SAM) or type(base).__name__ not in names():
            raise TypeError(f"base of SAM must be a first-order optimizer; got {base!r}")
        if not 0 < rho < float("inf"):
            raise ValueError(f"rho of SAM must be greater than 0; got {rho}")
        self.base, self.rho = base, rho

    @property
    def full_batch(self) -> bool:
        """Whether the base wants all rows in a batch."""
        return bool(self.base.full_batch)

    def __repr__(self) -> str:
        return f"lamina.SAM({self.base!r}, rho={self.rho})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SAM) and (self.base, self.rho) == (other.base, other.rho)

    def __hash__(self) -> int:
        return hash((self.base, self.rho))


_KNOWN = (SAM, *_CLASSES.values())
