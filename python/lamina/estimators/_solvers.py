"""What the parameter `solver` stands for: a full-batch solver, or a first-order optimizer with scikit-learn's rates."""

import copy
import inspect
from typing import Any

from lamina import optimizers
from lamina.optimizers import SAM, SGD, Adam

__all__ = ["check_solver", "first_order_optimizer", "first_rate", "full_batch_solver", "solver_name"]

# What goes with a solver's name; an object has its own.
_OF_NAMES = ("learning_rate_init", "momentum", "nesterovs_momentum", "beta_1", "beta_2", "epsilon", "max_fun")


def solver_name(estimator: Any) -> str | None:
    """Return the name of the optimizer that `estimator.solver` names, in lower case; None where it is an object."""
    solver = estimator.solver
    if not isinstance(solver, str):
        return None
    found = _named(solver)
    return solver.lower() if found is None else type(found).__name__.lower()


def _named(name: str) -> Any:
    """Return the optimizer of this name; None where there is none."""
    try:
        return optimizers.get(name)
    except ValueError:
        return None


def check_solver(estimator: Any) -> None:
    """Raise ValueError or TypeError for a solver that is none, or that has of its own what parameters say, too."""
    solver, kind = estimator.solver, type(estimator)
    if isinstance(solver, str):
        if _named(solver) is None:
            known = ("lm", *(name.lower() for name in (*optimizers.solver_names(), *optimizers.names())))
            raise ValueError(f"solver of {kind.__name__} must be an optimizer or one of {known}; got {solver!r}")
        return
    optimizers.get(solver)
    usual = inspect.signature(kind).parameters
    for name in (*_OF_NAMES, "tol") if optimizers.is_solver(solver) else _OF_NAMES:
        if (value := getattr(estimator, name)) != usual[name].default:
            raise ValueError(f"{name} goes with a solver's name; got {value!r} beside {solver!r}, which has its own")


def full_batch_solver(estimator: Any) -> Any:
    """Return the full-batch solver that `estimator.solver` asks for; None where it is a first-order optimizer."""
    solver = estimator.solver
    if isinstance(solver, str):
        found = _named(solver)
        if not optimizers.is_solver(found):
            return None
        return type(found)(tolerance=estimator.tol, max_evaluations=estimator.max_fun)
    return solver if optimizers.is_solver(solver) else None


def first_rate(estimator: Any) -> float:
    """Return the learning rate that a first-order optimizer begins with."""
    if isinstance(estimator.solver, str):
        return float(estimator.learning_rate_init)
    return float(getattr(estimator.solver, "base", estimator.solver).lr)


def first_order_optimizer(estimator: Any, rate: float) -> Any:
    """Return the optimizer that `estimator.solver` names, or that it is, with this learning rate."""
    name = solver_name(estimator)
    if name == "sgd":
        nesterov = bool(estimator.nesterovs_momentum and estimator.momentum > 0)
        return SGD(rate, momentum=estimator.momentum, nesterov=nesterov)
    if name == "adam":
        return Adam(rate, beta1=estimator.beta_1, beta2=estimator.beta_2, epsilon=estimator.epsilon)
    if name is not None:
        return optimizers.get(name, lr=rate)
    return _at_rate(estimator.solver, rate)


def _at_rate(optimizer: Any, rate: float) -> Any:
    if isinstance(optimizer, SAM):
        return SAM(_at_rate(optimizer.base, rate), optimizer.rho)
    if optimizer.lr == rate:
        return optimizer
    other = copy.copy(optimizer)
    other.lr = rate
    return other
