"""What the parameter `solver` stands for: a full-batch solver, or a first-order optimizer with scikit-learn's rates."""

import copy
import inspect
from typing import Any

from lamina import optimizers
from lamina.optimizers import SAM, SGD, Adam, LevenbergMarquardt

__all__ = ["FULL_BATCH", "check_solver", "first_order_optimizer", "first_rate", "full_batch_solver", "solver_name"]

#: What a full-batch solver may be called, beside a solver object.
FULL_BATCH = {name.lower(): getattr(optimizers, name) for name in optimizers.solver_names()} | {
    "lm": LevenbergMarquardt
}
# What goes with a solver's name; an object has its own.
_OF_NAMES = ("learning_rate_init", "momentum", "nesterovs_momentum", "beta_1", "beta_2", "epsilon", "max_fun")


def solver_name(estimator: Any) -> str | None:
    """Return what `estimator.solver` is called, in lower case; None where it is an object."""
    return estimator.solver.lower() if isinstance(estimator.solver, str) else None


def check_solver(estimator: Any) -> None:
    """Raise ValueError or TypeError for a solver that is none, or that has of its own what parameters say, too."""
    solver, kind = estimator.solver, type(estimator)
    known = (*FULL_BATCH, *(name.lower() for name in optimizers.names()))
    if isinstance(solver, str):
        if solver.lower() not in known:
            raise ValueError(f"solver of {kind.__name__} must be an optimizer or one of {known}; got {solver!r}")
        return
    optimizers.get(solver)
    usual = inspect.signature(kind).parameters
    for name in (*_OF_NAMES, "tol") if optimizers.is_solver(solver) else _OF_NAMES:
        if (value := getattr(estimator, name)) != usual[name].default:
            raise ValueError(f"{name} goes with a solver's name; got {value!r} beside {solver!r}, which has its own")


def full_batch_solver(estimator: Any) -> Any:
    """Return the full-batch solver that `estimator.solver` asks for; None where it is a first-order optimizer."""
    name = solver_name(estimator)
    if name is not None:
        found = FULL_BATCH.get(name)
        return None if found is None else found(tolerance=estimator.tol, max_evaluations=estimator.max_fun)
    return estimator.solver if optimizers.is_solver(estimator.solver) else None


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
