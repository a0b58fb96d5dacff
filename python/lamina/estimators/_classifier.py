"""The classifier: labels in and out, probabilities, class weights."""

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.multiclass import unique_labels

from lamina import losses
from lamina.estimators._base import BaseMLP
from lamina.estimators.estimator import all_or_nothing, available_if, of_one_fit
from lamina.estimators.labels import Labelling, labels_of, shares_of
from lamina.estimators.samples import ClassFactors, class_labels, in_own_type, two_classes

__all__ = ["MLPClassifier"]

LOSSES = ("log_loss", *(name for name in losses.names() if losses.get(name).targets in ("classes", "binary")))
MARGINS = tuple(name for name in LOSSES[1:] if losses.get(name).link == "identity")  # they give no probabilities


class MLPClassifier(ClassifierMixin, BaseMLP):  # type: ignore[misc]
    """A multi-layer perceptron that classifies, with the parameters of `sklearn.neural_network.MLPClassifier`.

    Two classes, several, or several labels at once (an indicator matrix). The type of `X` decides float32 or float64.

    Parameters
    ----------
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter, \
shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction, \
beta_1, beta_2, epsilon, n_iter_no_change, max_fun
        As in scikit-learn. `activation` takes every name of `lamina.activations.names()`, an activation, or a list
        with one for each hidden layer; `solver` every name of `lamina.optimizers.names()`, or an optimizer or a solver.
    loss : str or loss, default="log_loss"
        "log_loss" is "cross_entropy" (softmax) for several classes and "binary_cross_entropy" (logistic) otherwise;
        one of these two by name, or "hinge"; any loss of `lamina.losses` for classes.
    dropout : float or list of float, default=0.0
        Probability with which an output of a hidden layer is dropped in training; a list has one for each layer.
    batch_norm : bool, default=False
        Normalise the outputs of each hidden layer over the batch.
    l1 : float, default=0.0
        Strength of the L1 penalty, divided by the weight sum of the batch as `alpha` is.
    class_weight : dict, list of dict or "balanced", default=None
        Weights of the classes (for several labels a dictionary for each), multiplied into `sample_weight` and
        `sample_weight_val`; "balanced" counts the rows to learn from by their sample weights.
    callbacks : callable or sequence of callables, default=None
        Called after each epoch, as in `Network.fit`.
    n_jobs : int, default=None
        Threads; None is lamina's own choice, -1 all cores.
    scoring : str or callable, default=None
        The score that early stopping watches: a scorer of scikit-learn, or "loss". None is the accuracy. Without early
        stopping it is refused.
    max_time : float, default=None
        Seconds after which training stops at the end of the epoch.
    standardize : bool, default=False
        Bring each input to zero mean and unit variance, fitted on the training part alone.
    metrics : list of str and callables, or dict, default=None
        What else to know of the validation set after each epoch, as in `Network.fit`. Without a validation set it is
        refused.

    Attributes
    ----------
    network_ : Network
        The network itself; `coefs_` and `intercepts_` are writable views of its parameters.
    validation_loss_curve_ : list of float
        The loss of the validation set after each epoch; empty where there is none.
    metric_curves_ : dict of str to list of float
        Those of `metrics` after each epoch.
    best_iteration_ : int
        The epoch of the best validation score with early stopping, else of the lowest training loss; from 1.
    stop_reason_ : str
        Why training ended.
    classes_, loss_, best_loss_, loss_curve_, validation_scores_, best_validation_score_, t_, n_features_in_, \
feature_names_in_, n_iter_, n_layers_, n_outputs_, out_activation_
        As in scikit-learn.

    Examples
    --------
    >>> from lamina import MLPClassifier
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> MLPClassifier((16,), solver="lbfgs", standardize=True, random_state=0).fit(X, y).score(X, y) > 0.95
    True
    """

    classes_: Any

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
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
        loss: Any = "log_loss",
        dropout: Any = 0.0,
        batch_norm: bool = False,
        l1: float = 0.0,
        class_weight: Any = None,
        callbacks: Any = None,
        n_jobs: int | None = None,
        scoring: Any = None,
        max_time: float | None = None,
        standardize: bool = False,
        metrics: Any = None,
    ) -> None:
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
        self.loss = loss
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.l1 = l1
        self.class_weight = class_weight
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
    ) -> "MLPClassifier":
        """Train on `X` (n, features), dense or sparse, and `y`: labels (n,) or an indicator matrix (n, labels).

        With `X_val` and `y_val` the validation loss is recorded, and early stopping watches these rows in place of a
        fraction of `X`. A row with sample weight 2 counts as the row given twice, one with 0 as if it were not there.
        """
        self._fit(X, y, sample_weight, False, (X_val, y_val, sample_weight_val))
        return self

    @available_if(lambda self: self._check_solver())
    @all_or_nothing
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> "MLPClassifier":
        """Train one epoch more; the first call needs `classes`, every label there will be."""
        if classes is not None:
            none = hasattr(classes, "__len__") and len(classes) == 0
            given = np.array([]) if none else unique_labels(in_own_type(classes))
            if len(given) < 2:
                raise ValueError(f"classes must name every label there will be, at least two; got {given.tolist()}")
            if hasattr(self, "classes_") and not np.array_equal(given, self.classes_):
                raise ValueError(f"classes={given} is not the same as on the last call to partial_fit: {self.classes_}")
            self.classes_ = given
        elif not hasattr(self, "classes_"):
            raise ValueError("classes must be passed on the first call to partial_fit.")
        self._fit(X, y, sample_weight, True)
        return self

    @of_one_fit
    def predict(self, X: Any) -> Any:
        """Return the label of each row, (n,), or the indicator matrix (n, labels)."""
        return self._labels(self._outputs(X))

    @available_if(lambda self: self._check_probabilities())
    @of_one_fit
    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each class, (n, classes), in the order of `classes_`."""
        outputs = self._outputs(X)
        return outputs if self.out_activation_ == "softmax" else shares_of(outputs, self._multilabel)

    @available_if(lambda self: self._check_probabilities())
    @of_one_fit
    def predict_log_proba(self, X: Any) -> Any:
        """Return the logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    @available_if(lambda self: self._check_margins())
    @of_one_fit
    def decision_function(self, X: Any) -> Any:
        """Return the margins of a loss such as "hinge": (n,) for two classes, else (n, classes)."""
        outputs = self._outputs(X)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    def _check_probabilities(self) -> None:
        if self._loss_name() in MARGINS:
            raise AttributeError(f"loss={self._loss_name()!r} gives margins, no probabilities; see decision_function")

    def _check_margins(self) -> None:
        if self._loss_name() not in MARGINS:
            raise AttributeError(f"loss={self._loss_name()!r} gives probabilities, no margins; see predict_proba")

    def _network_loss(self) -> Any:
        if self._loss_name() == "log_loss":
            return "cross_entropy" if self.n_outputs_ > 1 and not self._multilabel else "binary_cross_entropy"
        return self.loss

    def _out_activation(self) -> str:
        return str(losses.get(self._network_loss()).link)

    def _encode(self, y: Any, *, first: bool, incremental: bool) -> tuple[Any, Any]:
        if self._loss_name() not in LOSSES:
            raise ValueError(f"loss of MLPClassifier must be one of {LOSSES}; got {self.loss!r}")
        y = class_labels(y, self._warn_at_the_end) if first else self._labels_of_the_kind(y)
        multilabel = y.ndim == 2
        if multilabel and self._loss_name() == "cross_entropy":
            raise ValueError("loss='cross_entropy' gives each row one class; use 'binary_cross_entropy' for several")
        classes = unique_labels(y)
        if first and not incremental:
            self.classes_ = classes if multilabel else two_classes(classes)
        elif not incremental and set(classes) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {classes}"
            )
        elif len(strangers := np.setdiff1d(classes, self.classes_)):
            raise ValueError(f"`y` has classes {strangers} that are not in `self.classes_`, {self.classes_}")
        if first:
            self._multilabel = multilabel
            single = len(self.classes_) == 2 and not multilabel and self._loss_name() != "cross_entropy"
            self.n_outputs_ = 1 if single else len(self.classes_)
        return self._encode_more(y)

    def _adopt_targets(self, fitted: Any) -> None:
        n_outputs = int(fitted.n_outputs_)
        self._multilabel = fitted.out_activation_ == "logistic" and n_outputs > 1
        self.classes_, self.n_outputs_ = (
            fitted.classes_ if self._multilabel else two_classes(fitted.classes_),
            n_outputs,
        )

    def _labels_of_the_kind(self, y: Any) -> Any:
        """Return labels as the network was built for, one a row or several."""
        y = class_labels(y, self._warn_at_the_end)
        if self._multilabel and (y.ndim != 2 or y.shape[1] != self.n_outputs_):
            raise ValueError(f"y must be an indicator matrix with {self.n_outputs_} columns; got shape {y.shape}")
        if not self._multilabel and y.ndim == 2:
            raise ValueError(f"y must have one label for each row, (n,), as in the fit; got shape {y.shape}")
        return y

    def _encode_more(self, y: Any) -> tuple[Any, Any]:
        y = self._labels_of_the_kind(y)
        if self._multilabel:
            return y, y.astype(np.float32)
        place = np.minimum(np.searchsorted(self.classes_, y), len(self.classes_) - 1)
        if len(strangers := np.unique(y[self.classes_[place] != y])):
            raise ValueError(f"y has classes {strangers} that are not among the classes of the fit, {self.classes_}")
        if self.n_outputs_ == 1:
            return y, place.astype(np.float32)[:, np.newaxis]
        if self._out_activation() != "softmax":
            return y, np.eye(self.n_outputs_, dtype=np.float32)[place]
        return y, place.astype(np.int64)

    def _class_factors(self, y: Any, weight: Any, incremental: bool) -> ClassFactors | None:
        if self.class_weight is None:
            return None
        if incremental and self.class_weight == "balanced":
            raise ValueError("class_weight='balanced' needs all rows; give partial_fit a dictionary or sample_weight")
        return ClassFactors.of(self.class_weight, y, weight, self.classes_)

    @property
    def labelling(self) -> Labelling:
        """How labels and probabilities are made of the network's outputs."""
        border = 0.0 if self.out_activation_ == "identity" else 0.5
        return Labelling(self.classes_, self._multilabel, border, self.out_activation_)

    def _labels(self, outputs: Any) -> Any:
        """Return labels for the network's outputs, (n, outputs)."""
        how = self.labelling
        return labels_of(outputs, how.classes, how.several, how.border)

    def _score_of(self, y: Any, outputs: Any, weight: Any) -> float:
        return float(accuracy_score(y, self._labels(outputs), sample_weight=weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
