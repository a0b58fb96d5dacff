"""The regressor: one target or several, with any of lamina's regression losses."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import xlogy
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from lamina import losses
from lamina.estimators._base import BaseMLP, Rows
from lamina.estimators.estimator import all_or_nothing, available_if, of_one_fit
from lamina.estimators.samples import one_column

__all__ = ["MLPRegressor"]

_SIZES = (100,)  # the default, and nothing that a caller gives, is this very object
LOSSES = tuple(name for name in losses.names() if losses.get(name).targets in ("real", "count"))


class MLPRegressor(RegressorMixin, BaseMLP):  # type: ignore[misc]
    """A multi-layer perceptron that predicts numbers, with the parameters of `sklearn.neural_network.MLPRegressor`.

    `MLPRegressor((50,))`, as before scikit-learn 1.7, and `MLPRegressor("squared_error", (50,))` both work. The type
    of `X` decides float32 or float64.

    Parameters
    ----------
    loss : str or loss, default="squared_error"
        A loss of `lamina.losses` for numbers, or its name: "squared_error", "poisson" (the prediction is the
        exponential of the last layer), "absolute_error", "huber", "quantile", ...
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter, \
shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction, \
beta_1, beta_2, epsilon, n_iter_no_change, max_fun
        As in scikit-learn. `activation` takes every name of `lamina.activations.names()`, an activation, or a list
        with one for each hidden layer; `solver` every name of `lamina.optimizers.names()`, "lm" (Levenberg-Marquardt),
        an optimizer or a solver.
    dropout, batch_norm, l1, callbacks, n_jobs, scoring, max_time, standardize, metrics
        As in `MLPClassifier`; scoring=None is R squared.

    Attributes
    ----------
    network_, validation_loss_curve_, metric_curves_, best_iteration_, stop_reason_
        As in `MLPClassifier`.
    loss_, best_loss_, loss_curve_, validation_scores_, best_validation_score_, t_, n_features_in_, \
feature_names_in_, n_iter_, n_layers_, n_outputs_, out_activation_, coefs_, intercepts_
        As in scikit-learn.

    Examples
    --------
    >>> from lamina import MLPRegressor
    >>> from sklearn.datasets import make_regression
    >>> X, y = make_regression(n_samples=100, n_features=4, random_state=0)
    >>> MLPRegressor((16,), solver="lbfgs", max_iter=1000, random_state=0).fit(X, y).score(X, y) > 0.99
    True
    """

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = _SIZES,
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: Any = 0.0,
        batch_norm: bool = False,
        l1: float = 0.0,
        callbacks: Any = None,
        n_jobs: int | None = None,
        scoring: Any = None,
        max_time: float | None = None,
        standardize: bool = False,
        metrics: Any = None,
    ) -> None:
        # Before scikit-learn 1.7 the first two were the layer sizes and the activation. What is given twice stays where
        # it is, for `fit` to refuse.
        if _are_sizes(loss):
            if isinstance(hidden_layer_sizes, str) and activation == "relu":
                loss, hidden_layer_sizes, activation = "squared_error", loss, hidden_layer_sizes
            elif hidden_layer_sizes is _SIZES:
                loss, hidden_layer_sizes = "squared_error", loss
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.l1 = l1
        self.callbacks = callbacks
        self.n_jobs = n_jobs
        self.scoring = scoring
        self.max_time = max_time
        self.standardize = standardize
        self.metrics = metrics

    @all_or_nothing
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> "MLPRegressor":
        """Train on `X` (n, features), dense or sparse, and `y` (n,) or (n, targets).

        With `X_val` and `y_val` the validation loss is recorded, and early stopping watches these rows in place of a
        fraction of `X`. A row with sample weight 2 counts as the row given twice, one with 0 as if it were not there.
        """
        self._fit(X, y, sample_weight, False, (X_val, y_val, sample_weight_val))
        return self

    @available_if(lambda self: self._check_solver())
    @all_or_nothing
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MLPRegressor":
        """Train one epoch more on these rows, from where the last call stopped."""
        self._fit(X, y, sample_weight, True)
        return self

    @of_one_fit
    def predict(self, X: Any) -> Any:
        """Return the prediction for each row, (n,) for one target, else (n, targets)."""
        return _flat(self._outputs(X))

    def _check_combination(self, incremental: bool, validation: tuple[Any, Any, Any]) -> None:
        if _are_sizes(self.loss):
            raise ValueError(
                f"loss is no layer sizes; got loss={self.loss!r}, hidden_layer_sizes={self.hidden_layer_sizes!r}, "
                f"activation={self.activation!r}: give sizes and activation once, as in MLPRegressor((50,), 'tanh')"
            )
        super()._check_combination(incremental, validation)

    def _network_loss(self) -> Any:
        return self.loss

    def _out_activation(self) -> str:
        link = str(losses.get(self.loss).link)
        return {"exponential": "exp"}.get(link, link)

    def _encode(self, y: Any, *, first: bool, incremental: bool) -> tuple[Any, Any]:
        if self._loss_name() not in LOSSES:
            raise ValueError(f"loss of MLPRegressor must be one of {LOSSES}; got {self.loss!r}")
        y = one_column(y, self._warn_at_the_end)
        if first:
            self.n_outputs_ = 1 if y.ndim == 1 else y.shape[1]
        return self._encode_more(y)

    def _adopt_targets(self, fitted: Any) -> None:
        self.n_outputs_ = int(fitted.n_outputs_)

    def _encode_more(self, y: Any) -> tuple[Any, Any]:
        targets = y.reshape(len(y), -1)
        if targets.shape[1] != self.n_outputs_:
            raise ValueError(f"y has {targets.shape[1]} columns; the network was built for {self.n_outputs_}")
        return y, targets

    def _loss_in_sklearns_terms(self, train: Rows, batch_size: int) -> Callable[[float], float]:
        """Return the conversion of a loss: scikit-learn averages the square over the targets, and reports a deviance.

        The share of the penalty is that of the weights after the epoch, where scikit-learn has the mean over its steps.
        """
        if self._loss_name() == "poisson":
            at_best = xlogy(train.targets, train.targets) - train.targets
            constant = np.average(at_best, weights=train.weight, axis=0).sum()
            return lambda loss: float(loss + constant)
        if self._loss_name() != "squared_error" or self.n_outputs_ == 1:
            return super()._loss_in_sklearns_terms(train, batch_size)
        rows = len(train.targets) if train.weight is None else np.sum(train.weight, dtype=np.float64)
        # With batch norm a last row alone goes with the batch before it.
        steps = -(-(len(train.targets) - bool(self.batch_norm)) // batch_size)

        def mean_over_targets(loss: float) -> float:
            square = sum(float(np.sum(np.square(w, dtype=np.float64))) for w in self.coefs_)
            absolute = sum(float(np.sum(np.abs(w), dtype=np.float64)) for w in self.coefs_)
            penalty = (0.5 * self.alpha * square + self.l1 * absolute) * steps / rows
            return float((loss - penalty) / self.n_outputs_ + penalty)

        return mean_over_targets

    def _score_of(self, y: Any, outputs: Any, weight: Any) -> float:
        return float(r2_score(y, _flat(outputs), sample_weight=weight))


def _flat(outputs: Any) -> Any:
    return outputs[:, 0] if outputs.shape[1] == 1 else outputs


def _are_sizes(loss: Any) -> bool:
    return isinstance(loss, (int, np.integer, tuple, list, np.ndarray))
