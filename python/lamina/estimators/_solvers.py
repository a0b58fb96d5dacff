"""What the parameter `solver` stands for: a full-batch solver, or a first-order optimizer with scikit-learn's rates."""

from typing import Any

from lamina import optimizers
from lamina.optimizers import SGD, Adam, LevenbergMarquardt

__all__ = ["FULL_BATCH", "first_order_optimizer", "full_batch_solver"]

#: What a full-batch solver may be called, beside a solver object.
FULL_BATCH = {name.lower(): getattr(optimizers, name) for name in optimizers.solver_names()} | {
    "lm": LevenbergMarquardt
}


def full_batch_solver(estimator: Any) -> Any:
    """Return the full-batch solver that `estimator.solver` asks for; None where it is a first-order optimizer."""
    solver = estimator.solver
    if isinstance(solver, str):
        found = FULL_BATCH.get(solver)
        return None if found is None else found(tolerance=estimator.tol, max_evaluations=estimator.max_fun)
    return solver if optimizers.is_solver(solver) else None


def first_order_optimizer(estimator: Any, rate: float) -> Any:
    """Return the optimizer that `estimator.solver` names, with this learning rate, or the optimizer that it is."""
    if estimator.solver == "sgd":
        nesterov = bool(estimator.nesterovs_momentum and estimator.momentum > 0)
        return SGD(rate, momentum=estimator.momentum, nesterov=nesterov)
    if estimator.solver == "adam":
        return Adam(rate, beta1=estimator.beta_1, beta2=estimator.beta_2, epsilon=estimator.epsilon)
    if isinstance(estimator.solver, str):
        return optimizers.get(estimator.solver, lr=rate)
    return estimator.solver
