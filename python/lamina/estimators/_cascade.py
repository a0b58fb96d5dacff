"""Cascade-correlation for scikit-learn: the classifier and the regressor."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import unique_labels

from lamina.cascade import CascadeNetwork
from lamina.estimators.estimator import BaseLamina, CountedSplit, all_or_nothing, of_one_fit
from lamina.estimators.labels import Labelling, labels_of, shares_of
from lamina.estimators.parameters import CASCADE, check_parameters
from lamina.estimators.samples import class_labels, one_column, two_classes

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["CascadeClassifier", "CascadeRegressor"]


class BaseCascade(BaseLamina):
    """The fit and its attributes; the subclasses know targets and predictions."""

    def __init__(
        self,
        *,
        candidates: int = 8,
        max_units: int = 25,
        activation: Any = "tanh",
        optimizer: str = "quickprop",
        tolerance: float | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        standardize: bool = True,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: Any = False,
    ) -> None:
        self.candidates = candidates
        self.max_units = max_units
        self.activation = activation
        self.optimizer = optimizer
        self.tolerance = tolerance
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.standardize = standardize
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @abstractmethod
    def _encode(self, y: Any) -> tuple[Any, int, str]:
        """Return the network's targets, its number of outputs, and their activation."""

    @all_or_nothing
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "Self":
        """Grow a network on `X` (n, features), dense or sparse, and `y`: labels or values.

        A row with sample weight 2 counts as the row given twice, one with 0 as if it were not there. With
        `early_stopping` a fraction of the rows is set aside: growth ends when their error has not fallen for
        `n_iter_no_change` units, and the best network is kept.
        """
        check_parameters(self, CASCADE)
        if self.early_stopping and self.validation_fraction == 0:
            raise ValueError("early_stopping=True needs a validation_fraction above 0")
        X, y, weight = self._training_rows(X, y, sample_weight)
        targets, outputs, output = self._encode(y)
        network = CascadeNetwork(
            X.shape[1],
            outputs,
            candidates=self.candidates,
            max_units=self.max_units,
            activation=self.activation,
            output=output,
            dtype=np.dtype(X.dtype).name,
            seed=self._network_seed(),
            normalize_inputs=bool(self.standardize),
        )
        split = CountedSplit(float(self.validation_fraction)) if self.early_stopping else None
        with self._interruptible(network):
            network.fit(
                X,
                targets,
                sample_weight=weight,
                validation=split,
                patience=self.n_iter_no_change,
                optimizer=self.optimizer,
                tolerance=self.tolerance,
                n_threads=self._threads(),
                verbose=int(bool(self.verbose)),
            )
        if split is not None:
            self._warn_of_few(split.n_held, split.n_rows, "Give early_stopping=False to learn all")
        assert network.history is not None
        self.network_ = network
        self.history_ = network.history
        self.n_outputs_ = outputs
        self.n_units_ = self.n_iter_ = network.n_units
        self.stop_reason_ = network.history.stop_reason
        return self

    def _outputs(self, X: Any) -> Any:
        """Return the network's predictions, (n, outputs), for inputs that are checked here."""
        rows = self._rows(X)
        return self.network_.predict(rows)


_PARAMETERS = """
    Parameters
    ----------
    candidates : int, default=8
        Units trained for each one installed.
    max_units : int, default=25
        Where growth ends at the latest.
    activation : str, activation or list of them, default="tanh"
        Of the candidates; from a list they are taken in turn.
    optimizer : {"quickprop", "rprop"}, default="quickprop"
    tolerance : float, optional
        When the training set counts as solved: see `CascadeNetwork.fit`.
    early_stopping : bool, default=False
        Set `validation_fraction` of the rows aside, end growth after `n_iter_no_change` units without a lower error
        on them, and keep the best network.
    standardize : bool, default=True
        Bring every feature to zero mean and unit variance.
    random_state, n_jobs, verbose
        As in scikit-learn; the result does not depend on `n_jobs`.

    Attributes
    ----------
    network_ : CascadeNetwork
    history_ : CascadeHistory
    n_units_, n_outputs_, stop_reason_, n_features_in_, feature_names_in_
"""


class CascadeClassifier(ClassifierMixin, BaseCascade):  # type: ignore[misc]
    __doc__ = (
        "A classifier that grows its hidden units one by one (Fahlman and Lebiere, 1990).\n\n"
        "    Two classes, several, or several labels at once (an indicator matrix).\n" + _PARAMETERS
    )

    _several = False  # as in pickles from before there could be several labels

    @of_one_fit
    def predict(self, X: Any) -> Any:
        """Return the class of each row, (n,), or the indicator matrix (n, labels)."""
        return labels_of(self._outputs(X), self.classes_, self._several)

    @of_one_fit
    def predict_proba(self, X: Any) -> Any:
        """Return the share of each class, (n, classes): the logistic outputs, brought to a sum of 1.

        Of several labels at once it is the probability of each, (n, labels).
        """
        return shares_of(self._outputs(X), self._several)

    @of_one_fit
    def predict_log_proba(self, X: Any) -> Any:
        """Return the logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    @property
    def labelling(self) -> Labelling:
        """How labels and probabilities are made of the network's outputs."""
        return Labelling(self.classes_, self._several, 0.5, "logistic")

    def _encode(self, y: Any) -> tuple[Any, int, str]:
        y = class_labels(y, self._warn_at_the_end)
        self._several = y.ndim == 2
        self.classes_ = unique_labels(y) if self._several else two_classes(unique_labels(y))
        if self._several:
            return y, y.shape[1], "logistic"
        return np.searchsorted(self.classes_, y), 1 if len(self.classes_) == 2 else len(self.classes_), "logistic"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class CascadeRegressor(RegressorMixin, BaseCascade):  # type: ignore[misc]
    __doc__ = "A regressor that grows its hidden units one by one (Fahlman and Lebiere, 1990).\n" + _PARAMETERS

    @of_one_fit
    def predict(self, X: Any) -> Any:
        """Return the prediction for each row, (n,) for one target, else (n, targets)."""
        outputs = self._outputs(X)
        return outputs[:, 0] if self._flat else outputs

    def _encode(self, y: Any) -> tuple[Any, int, str]:
        y = one_column(y, self._warn_at_the_end)
        self._flat = y.ndim == 1
        return y, 1 if self._flat else y.shape[1], "identity"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
