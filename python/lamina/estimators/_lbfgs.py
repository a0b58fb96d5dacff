"""Full-batch training by SciPy's L-BFGS-B, as `sklearn.neural_network` does for `solver="lbfgs"`."""

import time
import warnings
from typing import Any

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

__all__ = ["fit_lbfgs"]

_TIME_IS_UP = 99  # SciPy's status for a callback that ended the run


def fit_lbfgs(
    network: Any,
    X: Any,
    targets: Any,
    weight: Any,
    *,
    l1: float,
    l2: float,
    max_iter: int,
    max_fun: int,
    tol: float,
    max_time: float | None,
    verbose: bool,
) -> tuple[float, int, str]:
    """Minimise the loss of `network` over all rows at once; its parameters are the result.

    Parameters
    ----------
    network : Network
        A float64 network, trained from where it stands.
    X, targets, weight
        As `Network.loss_and_gradients` takes them.
    l1, l2 : float
        The penalties, already divided by the weight sum.
    max_iter, max_fun, tol, max_time
        Most iterations and evaluations, the largest gradient that counts as zero, and seconds.
    verbose : bool
        Whether a line is printed for each iteration.

    Returns
    -------
    loss : float
    iterations : int
    reason : str
        Why it stopped.
    """
    parameters = network.parameters
    ends = np.cumsum([p.size for p in parameters.values()])
    started = time.perf_counter()
    iterations = 0

    def write(vector: Any) -> None:
        for parameter, values in zip(parameters.values(), np.split(vector, ends[:-1]), strict=True):
            parameter[...] = values.reshape(parameter.shape)

    def loss_and_slope(vector: Any) -> tuple[float, Any]:
        write(vector)
        loss, gradients = network.loss_and_gradients(X, targets, sample_weight=weight, l1=l1, l2=l2)
        return loss, np.concatenate([np.ravel(gradients[name]) for name in parameters])

    def after_iteration(intermediate_result: Any) -> None:
        nonlocal iterations
        iterations += 1
        if verbose:
            print(f"Iteration {iterations}, loss = {intermediate_result.fun:.8f}")
        if max_time is not None and time.perf_counter() - started >= max_time:
            raise StopIteration

    start = np.concatenate([np.ravel(p) for p in parameters.values()])
    result = minimize(
        loss_and_slope,
        start,
        method="L-BFGS-B",
        jac=True,
        callback=after_iteration,
        options={"maxfun": max_fun, "maxiter": max_iter, "gtol": tol},
    )
    write(result.x)
    done = min(int(result.nit), max_iter)
    if result.status == _TIME_IS_UP:
        return float(result.fun), done, f"max_time of {max_time:g} s reached"
    if result.status != 0:
        more = f"\nIncrease max_iter={max_iter} to go on." if done == max_iter else ""
        warnings.warn(
            f"lbfgs failed to converge after {done} iteration(s) (status={result.status}):\n{result.message}{more}\n"
            "Inputs of very different sizes slow it down: scale them, or set standardize=True.",
            ConvergenceWarning,
            stacklevel=4,
        )
    return float(result.fun), done, str(result.message)
