"""scikit-learn's bookkeeping at the end of an epoch: curves, scores, the learning rate, and when to stop."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.estimators._solvers import solver_name

__all__ = ["IterationMonitor", "Monitor", "Progress"]


@dataclass(slots=True)
class Progress:
    """How far scikit-learn's rules have got; `partial_fit` goes on from there.

    Attributes
    ----------
    initial_rate, rate : float
        The learning rate at the start, and now.
    stalled : int
        Epochs in a row without progress.
    """

    initial_rate: float
    rate: float
    stalled: int


class IterationMonitor:
    """A callback of `Network.fit` that keeps the curves of an estimator, and the limit of time.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        The estimator whose attributes are kept.
    loss_in_sklearns_terms : callable
        What turns the loss of an epoch of `Network.fit` into scikit-learn's.
    """

    def __init__(self, estimator: Any, loss_in_sklearns_terms: Callable[[float], float]) -> None:
        self.estimator = estimator
        self.loss_in_sklearns_terms = loss_in_sklearns_terms
        self.started = time.perf_counter()
        self.stop_reason: str | None = None

    def __call__(self, epoch: Any) -> None:
        """Take note of an iteration of a full-batch solver, whose loss never rises."""
        self._note(epoch)
        self.estimator.best_loss_ = self.estimator.loss_
        self.estimator.best_iteration_ = len(self.estimator.loss_curve_)
        self._stop_in_time(epoch)

    def _note(self, epoch: Any) -> None:
        est = self.estimator
        est.n_iter_ = epoch.epoch
        est.loss_ = self.loss_in_sklearns_terms(float(epoch.loss))
        est.loss_curve_.append(est.loss_)
        if epoch.validation_loss is not None:
            est.validation_loss_curve_.append(epoch.validation_loss)
        for name, value in epoch.metrics.items():
            est.metric_curves_.setdefault(name, []).append(value)
        self._say(f"Iteration {est.n_iter_}, loss = {est.loss_:.8f}")

    def _stop_in_time(self, epoch: Any) -> None:
        limit = self.estimator.max_time
        if self.stop_reason is None and limit is not None and time.perf_counter() - self.started >= limit:
            self.stop_reason = f"max_time of {limit:g} s reached"
        if self.stop_reason is not None:
            epoch.stop(self.stop_reason)

    def _say(self, line: str) -> None:
        if self.estimator.verbose:
            print(line)


class Monitor(IterationMonitor):
    """The same for mini-batches, where scikit-learn's rules say when to stop and how the learning rate goes on.

    Parameters
    ----------
    estimator, loss_in_sklearns_terms
        As above.
    progress : Progress
        Where the rules start from; it is kept up to date.
    n_samples : int
        Rows of the training part, by which `t_` grows.
    score : callable, optional
        Score of the validation set, a float; higher is better. None where nothing is scored.
    """

    def __init__(
        self,
        estimator: Any,
        loss_in_sklearns_terms: Callable[[float], float],
        progress: Progress,
        n_samples: int,
        score: Callable[[Any], float] | None,
    ) -> None:
        super().__init__(estimator, loss_in_sklearns_terms)
        self.progress = progress
        self.n_samples = n_samples
        self.score = score
        self.scored: tuple[int, float] = (0, np.nan)
        self.improved = False

    def validation_score(self, epoch: Any) -> float:
        """Return the score after this epoch, computed once however often it is asked for."""
        if self.scored[0] != epoch.epoch:
            assert self.score is not None
            self.scored = (epoch.epoch, float(self.score(epoch)))
        return self.scored[1]

    def __call__(self, epoch: Any) -> None:
        """Take note of an epoch, set the rate of the next one, and stop where scikit-learn would."""
        est, progress = self.estimator, self.progress
        self._note(epoch)
        est.t_ += self.n_samples
        self._count(epoch)
        scheduled = solver_name(est) != "adam"
        if scheduled and est.learning_rate == "invscaling":
            progress.rate = progress.initial_rate / (est.t_ + 1) ** est.power_t
        if progress.stalled > est.n_iter_no_change:
            what = "Validation score" if self.score is not None else "Training loss"
            message = f"{what} did not improve more than tol={est.tol:f} for {est.n_iter_no_change} consecutive epochs."
            self._stop_or_slow_down(message, adaptive=scheduled and est.learning_rate == "adaptive")
        if scheduled and est.learning_rate != "constant":
            epoch.learning_rate = progress.rate
        self._stop_in_time(epoch)

    def _count(self, epoch: Any) -> None:
        """Count the epochs without progress; the best value moves by any improvement, even one smaller than `tol`."""
        est = self.estimator
        if self.score is None:
            stalled = np.isnan(est.loss_) or est.loss_ > est.best_loss_ - est.tol
            better = est.loss_ < est.best_loss_
            if better:
                est.best_loss_ = est.loss_
        else:
            score = self.validation_score(epoch)
            est.validation_scores_.append(score)
            self._say(f"Validation score: {score:f}")
            # What is no number is no progress.
            stalled = np.isnan(score) or score < est.best_validation_score_ + est.tol
            better = score > est.best_validation_score_
            if better:
                est.best_validation_score_ = score
        self.progress.stalled = self.progress.stalled + 1 if stalled else 0
        self.improved = self.improved or better
        if better:
            est.best_iteration_ = len(est.loss_curve_)

    def _stop_or_slow_down(self, message: str, adaptive: bool) -> None:
        progress = self.progress
        if adaptive and progress.rate > 1e-6:
            progress.rate /= 5.0
            progress.stalled = 0
            self._say(f"{message} Setting learning rate to {progress.rate:f}")
            return
        self._say(f"{message} {'Learning rate too small. ' if adaptive else ''}Stopping.")
        self.stop_reason = message
