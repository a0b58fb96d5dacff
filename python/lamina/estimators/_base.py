"""What the two perceptrons share: the fit, in the order of `sklearn.neural_network`, and its fitted attributes."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state

from lamina import losses
from lamina.data.arrays import weights
from lamina.estimators._monitor import IterationMonitor, Monitor, Progress
from lamina.estimators._network import (
    LiveArrays,
    architecture,
    build_network,
    draw_weights,
    snapshot,
    weights_and_biases,
)
from lamina.estimators._solvers import check_solver, first_order_optimizer, first_rate, full_batch_solver
from lamina.estimators.estimator import BaseLamina
from lamina.estimators.parameters import PERCEPTRON, check_parameters
from lamina.estimators.samples import ClassFactors, check_scale
from lamina.network import Network
from lamina.optimizers import LevenbergMarquardt, rule_of
from lamina.selection.cross_validation import Fold
from lamina.training.callbacks import EarlyStopping, callbacks_of
from lamina.training.held_out_metrics import named_metrics

__all__ = ["BaseMLP"]


class Rows(NamedTuple):
    """Some rows of the data: inputs, targets as the user gave them and as the network takes them, and weights."""

    X: Any
    y: Any
    targets: Any
    weight: Any = None

    def take(self, index: Any) -> "Rows":
        """Return the rows at `index`."""
        return Rows(*(None if part is None else part[index] for part in self))

    def of_classes(self, factors: ClassFactors | None) -> "Rows":
        """Return the rows with the weights of their classes in their own; of classes that all count alike, as is."""
        return self if factors is None else self._replace(weight=factors(self.y, self.weight))

    def counted(self, dtype: Any) -> "Rows":
        """Return the rows of weight above 0 in the network's type: a class may weigh nothing."""
        if self.weight is None:
            return self
        if not self.weight.any():
            raise ValueError("class_weight and sample_weight must leave a row a weight above 0")
        own = self._replace(weight=weights(self.weight, len(self.weight), np.dtype(dtype)))
        return own if own.weight.all() else own.take(np.flatnonzero(own.weight))


class Parts(NamedTuple):
    """What a fit is given: all rows; the part to train on, without `X`; what is held out; and how the two are split.

    Where there is no split, all rows train, and what is held out (if anything is) was given apart.
    """

    given: Rows
    train: Rows
    held_out: Rows | None = None
    split: Fold | None = None


class BaseMLP(BaseLamina):
    """Training and the fitted attributes; the subclasses know targets, losses and predictions."""

    network_: Network
    metrics: Any = None  # of pickles from before there were some
    best_validation_score_: float | None

    def _loss_name(self) -> str:
        """Return the name of the loss, as the registry has it; what is no loss is returned as it is."""
        if isinstance(self.loss, str) and self.loss.lower() == "log_loss":  # scikit-learn's, of which there are two
            return "log_loss"
        try:
            return str(losses.get(self.loss).name)
        except (TypeError, ValueError):
            return str(self.loss)

    @abstractmethod
    def _network_loss(self) -> Any:
        """Return the loss as `Network` takes it."""

    @abstractmethod
    def _encode(self, y: Any, *, first: bool, incremental: bool) -> tuple[Any, Any]:
        """Return `y` and the network's targets; set `n_outputs_` and what else `y` decides."""

    @abstractmethod
    def _encode_more(self, y: Any) -> tuple[Any, Any]:
        """Return `y` and the network's targets of further rows, by what the fit decided."""

    @abstractmethod
    def _adopt_targets(self, fitted: Any) -> None:
        """Take what `_encode` makes of targets from a fitted perceptron of scikit-learn's."""

    @abstractmethod
    def _out_activation(self) -> str:
        """Return scikit-learn's name of what turns the last layer's sums into predictions."""

    @abstractmethod
    def _score_of(self, y: Any, outputs: Any, weight: Any) -> float:
        """Return the default score from targets and the network's outputs."""

    def _loss_in_sklearns_terms(self, train: Rows, batch_size: int) -> Callable[[float], float]:
        """Return what makes of the loss of an epoch the loss that scikit-learn would report."""
        return float

    def _class_factors(self, y: Any, weight: Any, incremental: bool) -> ClassFactors | None:
        """Return what the rows of each class count, by those to learn from; None where all count alike."""
        return None

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, incremental: bool, validation: tuple[Any, Any, Any] = (None,) * 3
    ) -> None:
        check_parameters(self, PERCEPTRON)
        self._check_combination(incremental, validation)
        first = not hasattr(self, "network_") or not (self.warm_start or incremental)
        X, y, weight = self._training_rows(X, y, sample_weight, reset=first)
        y, targets = self._encode(y, first=first, incremental=incremental)
        self._check_architecture(first)
        own = X.dtype if first else self.network_.dtype
        if not is_classifier(self):
            # A full-batch solver works in float64, and its weights are then brought to the network's type.
            check_scale(targets, self.loss, own if full_batch_solver(self) is None else np.dtype("float64"))
        factors = self._class_factors(y, weight, incremental)
        rows = Rows(X, y, targets, weight).of_classes(factors).counted(own)

        random_state = check_random_state(self.random_state)
        drawn = draw_weights(self, random_state) if first else None
        parts = self._hold_out(rows, validation, factors, random_state)
        if first:
            seed = int(random_state.randint(np.iinfo(np.int32).max))
            self.network_ = build_network(self, self._network_loss(), X.dtype, seed, drawn)
            self._start_curves()
        known = getattr(self, "metric_curves_", {})
        self.metric_curves_: dict[str, list[float]] = {name: list(curve) for name, curve in known.items()}
        bring_back = None if first else snapshot(self.network_)
        try:
            if full_batch_solver(self) is not None:
                self._watch(False)
                self._fit_full_batch(parts)
            else:
                self._watch(self.early_stopping)
                self._fit_stochastic(parts, first, incremental, bring_back)
            if not all(np.isfinite(p).all() for p in self.network_.parameters.values()):
                raise ValueError(
                    "Solver produced non-finite parameter weights. The input data may contain large values: scale it, "
                    "set standardize=True, or lower learning_rate_init."
                )
        except BaseException:
            if bring_back is not None:
                bring_back()
            raise

    def _check_architecture(self, first: bool) -> None:
        """Raise ValueError where a network that is trained further is not the one that the parameters now ask for."""
        wanted = architecture(self, self._network_loss())
        if first:
            self._architecture = wanted
        for name, built in getattr(self, "_architecture", wanted).items():  # old pickles do not know what they built
            if built != wanted[name]:
                raise ValueError(
                    f"{name} has changed since the network was built, from {built!r} to {wanted[name]!r}, and training "
                    "goes on with that network: set it back, or fit anew with warm_start=False"
                )

    def _check_combination(self, incremental: bool, validation: tuple[Any, Any, Any]) -> None:
        """Raise ValueError for parameters that are fine one by one and not together."""
        check_solver(self)
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        if self.early_stopping and self.validation_fraction == 0 and validation[0] is None:
            raise ValueError("early_stopping=True needs a validation_fraction above 0, or X_val and y_val")
        solver = full_batch_solver(self)
        self._check_full_batch(solver)
        if self.scoring is not None:
            if not self.early_stopping or solver is not None:
                beside = (
                    "early_stopping=False" if solver is None else f"solver={self.solver!r}, which does not stop early"
                )
                raise ValueError(f"scoring is what early stopping watches; got scoring={self.scoring!r} with {beside}")
            if self.scoring != "loss":
                check_scoring(self, scoring=self.scoring)
        callbacks_of(self.callbacks if self.callbacks is not None else ())
        stops = self.early_stopping and solver is None
        if self.metrics is not None and named_metrics(self.metrics) and not stops and validation[0] is None:
            raise ValueError(
                "metrics need a validation set: early_stopping=True with a solver that can, or X_val, y_val"
            )
        if (validation[0] is None) != (validation[1] is None):
            raise ValueError("X_val and y_val go together; only one of them was given")
        if validation[0] is None and validation[2] is not None:
            raise ValueError("sample_weight_val was given without X_val and y_val")

    def _check_full_batch(self, solver: Any) -> None:
        if solver is None:
            return
        if self.batch_norm or np.any(self.dropout):
            raise ValueError(f"solver={self.solver!r} minimises a fixed function; dropout and batch_norm need batches")
        if self.l1 > 0:
            raise ValueError(f"solver={self.solver!r} needs a slope everywhere: l1 must be 0; got {self.l1}")
        loss = self._loss_name()
        if isinstance(solver, LevenbergMarquardt) and loss != "squared_error":
            raise ValueError(f"solver={self.solver!r} minimises squares: loss must be 'squared_error'; got {loss!r}")

    def _hold_out(
        self,
        rows: Rows,
        given: tuple[Any, Any, Any],
        factors: ClassFactors | None,
        random_state: np.random.RandomState,
    ) -> Parts:
        """Return training and validation rows: the user's own, scikit-learn's split, or none."""
        X_val, y_val, weight_val = given
        if X_val is not None:
            try:
                X_val, y_val, weight_val = self._training_rows(X_val, y_val, weight_val, reset=False)
                apart = Rows(X_val, *self._encode_more(y_val), weight_val)
                if factors is not None:
                    apart = apart.of_classes(factors).counted(rows.weight.dtype)
                self._check_can_be_scored(apart)
                return Parts(rows, rows, apart)
            except (TypeError, ValueError) as error:
                raise type(error)(f"X_val, y_val or sample_weight_val: {error}") from None
        if not self.early_stopping or full_batch_solver(self) is not None:
            return Parts(rows, rows)
        # scikit-learn keeps the proportions of two classes, and splits several at random.
        stratify = rows.y if is_classifier(self) and self.n_outputs_ == 1 else None
        n = len(rows.X)
        try:
            train, held_out = train_test_split(
                np.arange(n), random_state=random_state, test_size=self.validation_fraction, stratify=stratify
            )
        except ValueError:
            shared = "" if stratify is None else ", with two of every class at least, one for each part"
            raise ValueError(
                f"early_stopping=True has to set validation_fraction={self.validation_fraction:g} of the {n} rows "
                f"aside{shared}: they are too few. Give more rows, another fraction, or X_val and y_val."
            ) from None
        if len(held_out) < 2:
            raise ValueError("The validation set is too small. Increase 'validation_fraction' or the number of rows.")
        self._warn_of_few(len(held_out), n, "Give early_stopping=False to learn all")
        return Parts(rows, Rows(None, *rows[1:]).take(train), rows.take(held_out), Fold(train, held_out))

    def _check_can_be_scored(self, rows: Rows) -> None:
        """Raise ValueError for validation rows that early stopping cannot watch: R squared is not defined for one."""
        watched = self.early_stopping and full_batch_solver(self) is None
        of_r2 = self.scoring == "r2" or (self.scoring is None and not is_classifier(self))
        if watched and of_r2 and len(rows.X) < 2:
            raise ValueError(
                "there must be two rows at least for R squared, which early stopping watches; got 1. Give more, or "
                "scoring='loss'"
            )

    def _start_curves(self) -> None:
        """Set the attributes that grow from fit to fit with warm_start and partial_fit."""
        self.n_iter_ = self.t_ = 0
        self.loss_ = np.nan
        self.n_layers_ = len(self.coefs_) + 1
        self.out_activation_ = self._out_activation()
        self.loss_curve_: list[float] = []
        self.validation_loss_curve_: list[float] = []
        self.metric_curves_ = {}
        self.best_iteration_ = 0
        self.validation_scores_: list[float] | None = None
        self.best_loss_: float | None = None

    def _watch(self, scores: bool) -> None:
        """Have the best values be of scores, or else of losses; they go on where they were of those before."""
        if scores and self.validation_scores_ is None:
            self.validation_scores_, self.best_validation_score_, self.best_loss_ = [], -np.inf, None
        elif not scores and self.best_loss_ is None:
            self.validation_scores_, self.best_validation_score_, self.best_loss_ = None, None, np.inf
        else:
            return
        self._no_improvement_count = 0

    def adopt(self, fitted: Any, scaler: Any = None) -> None:
        """Become what a fitted perceptron of scikit-learn's with the same parameters is, behind a `StandardScaler`.

        `lamina.from_sklearn` is what checks them, and calls this.
        """
        first = fitted if scaler is None else scaler
        self.n_features_in_ = first.n_features_in_
        if hasattr(first, "feature_names_in_"):
            self.feature_names_in_ = first.feature_names_in_
        self._adopt_targets(fitted)
        self._architecture = architecture(self, self._network_loss())
        weights = list(zip(fitted.coefs_, fitted.intercepts_, strict=True))
        dtype = fitted.coefs_[0].dtype
        self.network_ = build_network(self, self._network_loss(), dtype, self._network_seed(), weights)
        if scaler is not None:
            self.network_.input_normalization = (scaler.mean_, 1 / scaler.scale_)
        self._start_curves()
        for name in ("loss_", "best_loss_", "n_iter_", "t_", "best_validation_score_"):
            if hasattr(fitted, name):
                setattr(self, name, getattr(fitted, name))
        self.loss_curve_.extend(getattr(fitted, "loss_curve_", []))
        scores = getattr(fitted, "validation_scores_", None)
        if scores is not None:
            self.validation_scores_ = list(scores)
        curve = self.loss_curve_ if scores is None else [-score for score in scores]
        self.best_iteration_ = int(np.argmin(curve)) + 1 if curve else 0
        self.stop_reason_ = "fitted by scikit-learn"
        self._no_improvement_count = 0

    def _optimizer(self) -> Any:
        return first_order_optimizer(self, self._learning_rate)

    def _wants_all_rows(self) -> bool:
        """Whether the optimizer compares one gradient with the next, which says little from one batch to another."""
        return bool(self._optimizer().full_batch)

    def _batch_size(self, rows: int) -> int:
        if self.batch_size == "auto":
            size = rows if self._wants_all_rows() else min(200, rows)
        else:
            if self.batch_size > rows:
                self._warn_at_the_end(
                    f"Got `batch_size` {self.batch_size}, larger than the {rows} rows; it is going to be clipped."
                )
            size = min(int(self.batch_size), rows)
        return size

    def _fit_stochastic(
        self, parts: Parts, first: bool, incremental: bool, bring_back: Callable[[], None] | None
    ) -> None:
        rate = first_rate(self)
        if first or not incremental or getattr(self, "_first_rate", rate) != rate:
            self._learning_rate = rate
        self._learning_rate, self._first_rate = getattr(self, "_learning_rate", rate), rate
        train = parts.train
        score = self._scorer(parts.held_out) if parts.held_out is not None and self.early_stopping else None
        batch_size = self._batch_size(len(train.targets))
        progress = Progress(rate, self._learning_rate, self._no_improvement_count)
        in_sklearns_terms = self._loss_in_sklearns_terms(train, batch_size)
        monitor = Monitor(self, in_sklearns_terms, progress, len(train.targets), score)
        stopping = None
        if score is not None:
            stopping = EarlyStopping(patience=self.max_iter + 1, monitor=monitor.validation_score, mode="max")
        self.n_iter_ = 0
        optimizer = self._optimizer()
        if incremental:  # the first call, too, goes on
            self.network_.core.begin_memory(rule_of(optimizer))
        with self._interruptible(self.network_) as interrupted:
            self.network_.fit(
                parts.given.X,
                parts.given.targets,
                epochs=1 if incremental else self.max_iter,
                batch_size=batch_size,
                optimizer=optimizer,
                l1=float(self.l1),
                early_stopping=stopping,
                shuffle=bool(self.shuffle),
                resume=incremental,
                **self._common_options(parts, monitor),
            )
        self._learning_rate, self._no_improvement_count = progress.rate, progress.stalled
        assert self.network_.history is not None
        self.stop_reason_ = monitor.stop_reason or self.network_.history.stop_reason
        if score is not None and bring_back is not None and not monitor.improved:
            bring_back()
        if self.n_iter_ == self.max_iter and monitor.stop_reason is None and not (incremental or interrupted):
            self._warn_at_the_end(
                f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization hasn't "
                "converged yet.",
                ConvergenceWarning,
            )

    def _fit_full_batch(self, parts: Parts) -> None:
        """Minimise the loss over all rows at once; an iteration is an epoch, at what is held out it only looks."""
        monitor = IterationMonitor(self, self._loss_in_sklearns_terms(parts.train, len(parts.train.targets)))
        kept = self.network_
        # Differences of losses tell how to step: they need float64, whatever the type the estimator keeps.
        network = kept if kept.dtype == "float64" else kept.astype("float64")
        self.network_ = network
        self.n_iter_ = 0
        with self._interruptible(network) as interrupted:
            network.fit(
                parts.given.X,
                parts.given.targets,
                epochs=self.max_iter,
                optimizer=full_batch_solver(self),
                early_stopping=None,
                **self._common_options(parts, monitor),
            )
        self.network_ = kept
        if network is not kept:
            _take_over(kept, network)
        assert kept.history is not None
        reason = kept.history.stop_reason
        self.stop_reason_ = monitor.stop_reason or reason
        at_limit = self.n_iter_ == self.max_iter and not reason.startswith("converged")
        if (at_limit or reason.startswith("max_evaluations")) and not interrupted and monitor.stop_reason is None:
            limit = f"max_iter={self.max_iter}" if at_limit else f"max_fun={self.max_fun}"
            self._warn_at_the_end(
                f"{self.solver} failed to converge after {self.n_iter_} iteration(s) and "
                f"{kept.history.evaluations} evaluation(s).\nIncrease {limit} to go on. Inputs of very different "
                "sizes slow it down: scale them, or set standardize=True.",
                ConvergenceWarning,
            )

    def _common_options(self, parts: Parts, monitor: IterationMonitor) -> dict[str, Any]:
        apart = parts.held_out if parts.split is None else None
        """Return the options of `Network.fit` that do not depend on the kind of solver."""
        return {
            "l2": float(self.alpha) / 2,
            "penalty_per_batch": True,
            "validation": parts.split if apart is None else (apart.X, apart.targets),
            "validation_sample_weight": None if apart is None else apart.weight,
            "sample_weight": parts.given.weight,
            "callbacks": [monitor, *callbacks_of(self.callbacks or None)],
            "n_threads": self._threads(),
            "metrics": self.metrics,
        }

    def _scorer(self, rows: Rows) -> Callable[[Any], float]:
        """Return the score of validation rows, as a function of the epoch."""
        if self.scoring == "loss":
            return lambda epoch: -epoch.validation_loss
        if self.scoring is not None:
            return lambda epoch: self._score_by_scorer(rows)

        def default_score(epoch: Any) -> float:
            outputs = self.network_.predict(rows.X)
            return self._score_of(rows.y, outputs, rows.weight) if np.isfinite(outputs).all() else np.nan

        return default_score

    def _score_by_scorer(self, rows: Rows) -> float:
        scorer = check_scoring(self, scoring=self.scoring)
        weight = {} if rows.weight is None else {"sample_weight": rows.weight}
        # The rows have lost their column names in validation; a warning about that would be about nothing.
        names = self.__dict__.pop("feature_names_in_", None)
        try:
            return float(scorer(self, rows.X, rows.y, **weight))
        finally:
            if names is not None:
                self.feature_names_in_ = names

    def _outputs(self, X: Any) -> Any:
        """Return the network's predictions, (n, outputs), for inputs that are checked here."""
        rows = self._rows(X)
        return self.network_.predict(rows)

    def _weights_and_biases(self) -> tuple[LiveArrays, LiveArrays]:
        if "network_" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} has no weights before it is fitted")
        return weights_and_biases(self.network_)

    @property
    def coefs_(self) -> LiveArrays:
        """Weights of each dense layer, (fan_in, fan_out), as writable views of the network's own."""
        return self._weights_and_biases()[0]

    @coefs_.setter
    def coefs_(self, values: Any) -> None:
        self.coefs_[:] = values

    @property
    def intercepts_(self) -> LiveArrays:
        """Biases of each dense layer, (fan_out,), as writable views of the network's own."""
        return self._weights_and_biases()[1]

    @intercepts_.setter
    def intercepts_(self, values: Any) -> None:
        self.intercepts_[:] = values

    def _check_solver(self) -> None:
        if full_batch_solver(self) is not None:
            name = self.solver if isinstance(self.solver, str) else type(self.solver).__name__
            raise AttributeError(f"partial_fit is only available for stochastic optimizers. {name} is not stochastic.")


def _take_over(to: Network, trained: Network) -> None:
    for name, parameter in trained.parameters.items():
        to.parameters[name][...] = parameter
    to.set_scales(trained.scales)
    to.history = trained.history
