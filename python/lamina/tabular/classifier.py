"""The classifier for tables: labels in and out, calibrated probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score

from lamina import metrics
from lamina.data.arguments import number
from lamina.data.arrays import Array
from lamina.estimators.estimator import of_one_fit
from lamina.estimators.samples import two_classes, weighted
from lamina.tabular import model
from lamina.tabular.base import BaseTabular, Data
from lamina.tabular.recipe import METRICS
from lamina.tabular.scores import fitted_temperature, with_temperature
from lamina.tabular.targets import class_targets

__all__ = ["TabularClassifier"]


class TabularClassifier(ClassifierMixin, BaseTabular):  # type: ignore[misc]
    """A classifier for tables as they are: numbers, text, categories, booleans, dates and missing values in any column.

    Nothing has to be scaled, encoded or filled in. Columns of a data frame are found by their names, in any order.

    Parameters
    ----------
    preset : {"default", "fast"}, default="default"
        The recipe: network, rates and epochs, by the size of the table. "fast" is a simpler one.
    metric : {"error", "log_loss", "auc"}, default=None
        What the best epoch is chosen by, on the validation part; None is "error".
    validation : float, lamina.Split or None, default=0.2
        The share of the rows that is set aside to choose the epoch by and to calibrate; ``lamina.Split(0.2,
        shuffle=False)`` takes the last rows. None trains on all rows, to the last epoch.
    n_folds : int, default=None
        Train so many networks, each of which holds out another part of the rows, and average them.
    n_members : int, default=None
        Networks that differ by their seed alone, averaged; with `n_folds` so many a fold. None is the preset's.
    calibrate : bool, default=True
        Divide the logarithms of probabilities by the temperature that has the least log loss on rows held out.
    class_weight : dict or "balanced", default=None
        Weights of the classes, multiplied into `sample_weight`; "balanced" counts rows by their sample weights.
    categorical_features : list of str, list of int or array of bool, default=None
        Columns whose values are categories, though they look like numbers or dates.
    width, depth, activation, dropout, embeddings, learning_rate, weight_decay, label_smoothing, batch_size, epochs, \
patience : default=None
        Units of a hidden layer, hidden layers, their activation, the share of dropped units, how a number is seen as
        several ("periodic", "linear", "piecewise_linear", members of the first and the last by turns: "mixed", or
        "none"), the optimizer's rate and its decay of weights, the smoothing of labels, rows of a step, passes over the
        rows, and epochs without improvement after which training ends. None is the preset's.
    max_time : float, default=None
        Seconds for all of the training. The epochs are as many as that allows, so that the schedule comes to its end;
        their number then depends on the machine.
    n_jobs : int, default=None
        Networks trained at a time, each on one thread, or threads for a network alone; None is lamina's own choice.
        Never a different result.
    random_state : int or RandomState, default=None
        Decides validation part or folds, initial weights, shuffles and dropout: same seed, same bits.
    verbose : bool or int, default=False
        Show on standard error how far training is, and the time left.

    Attributes
    ----------
    classes_ : array of shape (classes,)
    networks_ : list of Network
        They take the matrix that `encoder_` makes of a table.
    encoder_ : FrameEncoder
    temperature_ : float
        What the logarithms of probabilities are divided by; 1 without validation or calibration.
    validation_score_ : float or None
        The metric on the rows held out, of averaged and calibrated predictions; an error or loss is better when lower.
    out_of_fold_ : array of shape (rows, classes), or None
        Probabilities for each row by networks that did not train on it; NaN for a row that all trained on.
    fold_ : array of shape (rows,), or None
        Which part, from 0 on, held each row out; -1 for a row that all trained on.
    feature_importances_ : array of shape (n_features_in_,)
        How much the log loss on rows held out rises where a column is shuffled, in shares of 1.
    best_epoch_ : int
        The epoch that was chosen, counted from 1; the mean over the networks.
    history_ : list of History
        What each network's training did.
    metadata_ : dict
        Strings by name that a caller wants to keep with the model, saved and loaded with it.
    dropped_columns_ : dict
        The columns that nothing is made of, and why.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Examples
    --------
    >>> import pandas as pd
    >>> from lamina import TabularClassifier
    >>> frame = pd.DataFrame({"colour": ["red", "blue"] * 50, "size": range(100)})
    >>> model = TabularClassifier(epochs=20, random_state=0).fit(frame, frame["colour"] == "red")
    >>> model.predict(frame[:2]).tolist()
    [True, False]
    """

    _target, _link = "classes", "softmax"
    classes_: Any

    def __init__(
        self,
        preset: str = "default",
        *,
        metric: str | None = None,
        validation: Any = 0.2,
        n_folds: int | None = None,
        n_members: int | None = None,
        calibrate: bool = True,
        class_weight: Any = None,
        categorical_features: Any = None,
        width: int | None = None,
        depth: int | None = None,
        activation: str | None = None,
        dropout: float | None = None,
        embeddings: str | None = None,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        label_smoothing: float | None = None,
        batch_size: int | None = None,
        epochs: int | None = None,
        patience: int | None = None,
        max_time: float | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: Any = False,
    ) -> None:
        self.preset = preset
        self.metric = metric
        self.validation = validation
        self.n_folds = n_folds
        self.n_members = n_members
        self.calibrate = calibrate
        self.class_weight = class_weight
        self.categorical_features = categorical_features
        self.width = width
        self.depth = depth
        self.activation = activation
        self.dropout = dropout
        self.embeddings = embeddings
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.batch_size = batch_size
        self.epochs = epochs
        self.patience = patience
        self.max_time = max_time
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @of_one_fit
    def predict(self, X: Any) -> Any:
        """Return the label of each row, (n,)."""
        place = self._outputs(X).argmax(axis=1)
        return self.classes_[place]

    @of_one_fit
    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each class, (n, classes), in the order of `classes_`."""
        return self._finished(self._outputs(X))

    @of_one_fit
    def predict_log_proba(self, X: Any) -> Any:
        """Return the logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self._finished(self._outputs(X)))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of rows whose label is right."""
        return float(accuracy_score(class_targets(y), self.predict(X), sample_weight=sample_weight))

    def _targets(self, y: Any, *, first: bool) -> Array:
        labels = class_targets(y)
        if first:
            self.classes_ = model.kept_labels(two_classes(np.unique(labels)))
        place = np.minimum(np.searchsorted(self.classes_, labels), len(self.classes_) - 1)
        if len(strangers := np.unique(labels[self.classes_[place] != labels])):
            raise ValueError(f"y has classes {strangers} that are not among the classes of the fit, {self.classes_}")
        return place.astype(np.int64)

    def _class_weighted(self, targets: Array, weight: Array | None) -> Array | None:
        if self.class_weight is None:
            return weight
        found: Array = weighted(self.class_weight, self.classes_[targets], weight, self.classes_)
        return found

    def _prepare(self, data: Data) -> None:
        if len(left := np.unique(data.targets)) < 2:
            only = repr(self.classes_.tolist()[left[0]])
            raise ValueError(f"class_weight leaves y one class alone, {only}; a classifier needs at least two classes")
        self.temperature_ = 1.0

    def _for_network(self, targets: Array) -> Array:
        return targets.astype(np.int32)

    def _slots(self) -> tuple[list[Any], int]:
        return ["cross_entropy"], len(self.classes_)

    def _watched(self) -> str:
        return self.metric or METRICS["classes"][0]

    def _judge(self, targets: Array, weight: Array | None, outputs: Array) -> None:
        self.temperature_ = fitted_temperature(targets, outputs, weight) if self.calibrate else 1.0
        self.validation_score_ = metrics.get(self._watched())(targets, self._finished(outputs), weight)

    def _finished(self, outputs: Array) -> Array:
        return with_temperature(outputs, self.temperature_)

    def _loss_by_row(self, targets: Array, outputs: Array) -> Array:
        own = outputs[np.arange(len(targets)), targets]
        return -np.log(np.maximum(own, np.finfo(np.float32).tiny))  # type: ignore[no-any-return]

    def described(self) -> dict[str, Any]:
        """Return what it has learned, as plain JSON values."""
        return {"classes": model.described_labels(self.classes_), "temperature": self.temperature_}

    def learned_arrays(self) -> dict[str, Array]:
        """Return nothing: it has learned no arrays."""
        return {}

    @staticmethod
    def learned_forms(described: dict[str, Any]) -> dict[str, tuple[int, ...]]:
        """Return nothing: it has learned no arrays."""
        return {}

    def restore(self, described: dict[str, Any], arrays: dict[str, Array]) -> None:
        """Take back what was `described`; ValueError or TypeError where that cannot be."""
        self.classes_ = model.labels_from(described["classes"])
        self.temperature_ = number(described["temperature"], "temperature", above=True)
