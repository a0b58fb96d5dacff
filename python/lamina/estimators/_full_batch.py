"""Fits by the solvers that look at all rows at once: `solver="lbfgs"`, as in `sklearn.neural_network`, and `"lm"`."""

import warnings
from typing import Any

from sklearn.exceptions import ConvergenceWarning

import lamina
from lamina.estimators._monitor import IterationMonitor

__all__ = ["NAMES", "fit_full_batch", "full_batch_solver"]

#: What `solver` may be called, beside a solver object.
NAMES = {"lbfgs": lamina.LBFGS, "lm": lamina.LevenbergMarquardt, "levenbergmarquardt": lamina.LevenbergMarquardt}


def full_batch_solver(estimator: Any) -> Any:
    """Return the full-batch solver that `estimator.solver` asks for; None where it is a first-order optimizer."""
    solver = estimator.solver
    if isinstance(solver, str):
        found = NAMES.get(solver)
        return None if found is None else found(tolerance=estimator.tol, max_evaluations=estimator.max_fun)
    return solver if isinstance(solver, tuple(NAMES.values())) else None


def fit_full_batch(estimator: Any, train: Any, held_out: Any) -> None:
    """Minimise the loss over the rows `train`; an iteration is an epoch, to `held_out` is only looked (or None)."""
    monitor = IterationMonitor(estimator, estimator._loss_in_sklearns_terms(train, len(train.X)))
    callbacks = [estimator.callbacks] if callable(estimator.callbacks) else list(estimator.callbacks or ())
    options = {
        "epochs": estimator.max_iter,
        "optimizer": full_batch_solver(estimator),
        "l2": float(estimator.alpha) / 2,
        "penalty_per_batch": True,
        "validation": None if held_out is None else (held_out.X, held_out.targets),
        "validation_sample_weight": None if held_out is None else held_out.weight,
        "early_stopping": None,
        "sample_weight": train.weight,
        "callbacks": [monitor, *callbacks],
        "n_threads": estimator._threads(),
    }
    interrupted = False
    kept = estimator.network_
    # Differences of losses tell how to step: they need float64, whatever the type the estimator keeps.
    network = kept if kept.dtype == "float64" else kept.astype("float64")
    estimator.network_ = network
    estimator.n_iter_ = 0
    try:
        network.fit(train.X, train.targets, **options)
    except KeyboardInterrupt:
        interrupted = True
        warnings.warn("Training interrupted by user.", stacklevel=4)
    finally:
        estimator.network_ = kept
        if network is not kept:
            _take_over(kept, network)
    reason = str(kept.history.stop_reason)
    estimator.stop_reason_ = monitor.stop_reason or reason
    at_limit = estimator.n_iter_ == estimator.max_iter and not reason.startswith("converged")
    if (at_limit or reason.startswith("max_evaluations")) and not interrupted and monitor.stop_reason is None:
        limit = f"max_iter={estimator.max_iter}" if at_limit else f"max_fun={estimator.max_fun}"
        warnings.warn(
            f"{estimator.solver} failed to converge after {estimator.n_iter_} iteration(s) and "
            f"{kept.history.evaluations} evaluation(s).\nIncrease {limit} to go on. Inputs of very different sizes "
            "slow it down: scale them, or set standardize=True.",
            ConvergenceWarning,
            stacklevel=4,
        )


def _take_over(to: Any, trained: Any) -> None:
    for name, parameter in trained.parameters.items():
        to.parameters[name][...] = parameter
    if trained.input_normalization is not None:
        to.input_normalization = trained.input_normalization
    to.history = trained.history
