"""Estimators over sequences, and over windows of a time series: recurrent layers, then a linear one."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import check_array
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from lamina import activations
from lamina._core import ClipNorm
from lamina.data.arguments import float_type, whole_number
from lamina.data.arrays import refuse_masked, rows_of, to_array, unmasked, weights
from lamina.data.sequences import pad
from lamina.data.targets import mean_and_scale
from lamina.estimators.estimator import BaseLamina, CountedSplit, all_or_nothing, of_one_fit
from lamina.estimators.labels import Labelling
from lamina.estimators.parameters import RECURRENT, check_parameters
from lamina.estimators.samples import check_scale, class_labels, counted, numbers, two_classes
from lamina.layers import Dense, Recurrent
from lamina.network import Network
from lamina.training.callbacks import EarlyStopping

__all__ = ["RecurrentClassifier", "RecurrentRegressor"]

_PARAMETERS = """

    Without `window`, `X` is (n, steps, features) or a list of (steps, features) arrays, and `y` has an entry for each
    sequence. With it, `X` is one time series, (times,) or (times, features), in order, and what is learned is
    ``y[t + horizon]`` from ``X`` at the `window` times up to t, `stride` apart.

    There are fewer windows than times. A scorer of scikit-learn's, as ``scoring="neg_mean_absolute_error"``, then fails
    with "Found input variables with inconsistent numbers of samples", and `cross_val_score` gives NaN: wrap it as
    ``scoring=lamina.estimators.window_scorer("neg_mean_absolute_error")``, or give no `scoring`.

    Parameters
    ----------
    hidden_layer_sizes : int or tuple of int, default=(32,)
        Units of each recurrent layer.
    activation : str or activation, default="tanh"
    kind : {"elman", "jordan"}, default="elman"
        Whether the hidden units feed back, or (of the last layer) the outputs.
    truncate : int, optional
        Cut back-propagation every so many steps.
    window : int, optional
    horizon : int
        At least 0; 1 for the regressor, 0 for the classifier.
    stride : int, default=1
    optimizer : optimizer, default=lamina.Adam(1e-3)
    schedule : schedule, optional
    alpha : float, default=0.0
        L2 penalty.
    clip : float or None, default=1.0
        Largest norm of the gradient.
    batch_size : int, default=32
    max_iter : int, default=200
        Epochs, at most.
    early_stopping : bool, default=True
        Stop after `n_iter_no_change` epochs without a lower validation loss, and go back to the best.
    validation_fraction : float, default=0.1
        Set aside for that: of windows the last in time, of sequences a random part. 0 sets nothing aside.
    n_iter_no_change : int, default=10
    shuffle : bool, default=True
        Whether training takes its samples in a new order each epoch.
    standardize : bool, default=True
        Bring every feature to zero mean and unit variance, and for training every target of the regressor.
    dtype : {"float32", "float64"}, default="float32"
    random_state : int, RandomState or None
    n_jobs : int, optional
        Threads.
    verbose : bool, default=False

    Attributes
    ----------
    network_ : lamina.Network
    history_ : lamina.History
    n_iter_, n_features_in_ : int
    target_mean_, target_scale_ : array, (outputs,)
        Of the regressor alone: a prediction is the network's output times the scale, plus the mean. They are 0 and 1,
        since `network_` gives values in the units of y, but for kind "jordan", whose outputs feed back.
    feature_names_in_ : array
        Of the data frame that a time series was in.
    """


class _BaseRecurrent(BaseLamina):
    """What the two share: samples from series or sequences, the network and its fit."""

    _loss: str
    _horizon: int

    def __init__(
        self,
        hidden_layer_sizes: Any = (32,),
        activation: Any = "tanh",
        *,
        kind: str = "elman",
        truncate: int | None = None,
        window: int | None = None,
        horizon: int | None = None,
        stride: int = 1,
        optimizer: Any = None,
        schedule: Any = None,
        alpha: float = 0.0,
        clip: float | None = 1.0,
        batch_size: int = 32,
        max_iter: int = 200,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        shuffle: bool = True,
        standardize: bool = True,
        dtype: str = "float32",
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.kind = kind
        self.truncate = truncate
        self.window = window
        self.horizon = horizon
        self.stride = stride
        self.optimizer = optimizer
        self.schedule = schedule
        self.alpha = alpha
        self.clip = clip
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.shuffle = shuffle
        self.standardize = standardize
        self.dtype = dtype
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    # Samples ------------------------------------------------------------------------------------------------------

    def _span(self) -> int:
        """Steps from the first time of a window to its last."""
        return (whole_number(self.window, "window", 1) - 1) * whole_number(self.stride, "stride", 1)

    def _ahead(self) -> int:
        return self._horizon if self.horizon is None else whole_number(self.horizon, "horizon", 0)

    def _inputs(self, X: Any, lengths: Any, *, reset: bool = False, finite: bool = True) -> tuple[Any, Any]:
        """Return (samples, steps, features) and lengths: all windows of a series, or the sequences."""
        if self.window is None:
            return self._sequences(X, lengths, reset)
        if lengths is not None:
            raise ValueError("lengths go with sequences; with a window X is one time series")
        series, span = self._series(X, reset, finite), self._span()
        if len(series) <= span:
            raise ValueError(f"X must have more than {span} times, to fill a window; got {len(series)}")
        return np.stack([series[k : len(series) - span + k] for k in range(0, span + 1, self.stride)], axis=1), None

    def _series(self, X: Any, reset: bool, finite: bool) -> Any:
        """Return a time series as (times, features); its features are those of the fit."""
        refuse_masked(X, "X")
        flat = (X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim) == 1
        if flat and not (reset or getattr(self, "n_features_in_", 1) == 1):
            raise ValueError(
                f"X has one axis, which is a series of 1 feature, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input. Reshape your data to (times, features)."
            )
        X = np.asarray(X).reshape(-1, 1) if flat else X
        accepted = {"dtype": (np.float64, np.float32), "ensure_all_finite": finite}
        return validate_data(self, X, reset=reset, order="C", **accepted)

    def _sequences(self, X: Any, lengths: Any, reset: bool) -> tuple[Any, Any]:
        """Return sequences as (samples, steps, features) and their lengths; their features are those of the fit."""
        listed = isinstance(X, (list, tuple)) or (isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1)
        if listed and lengths is None:
            X, lengths = pad(X)
            X = X[:, :, np.newaxis] if X.ndim == 2 else X
        X = to_array(X, "X")
        if X.ndim != 3:
            raise ValueError(
                "X must be (samples, steps, features), or a list of (steps, features) arrays; a time series needs a "
                f"window; got shape {X.shape}"
            )
        if 0 in X.shape[:2]:
            raise ValueError(f"X must have at least one sample and one step; got shape {X.shape}")
        if reset:
            self.n_features_in_ = X.shape[2]
            self.__dict__.pop("feature_names_in_", None)
        elif X.shape[2] != self.n_features_in_:
            raise ValueError(
                f"X has {X.shape[2]} features, but {type(self).__name__} is expecting {self.n_features_in_} features "
                "as input."
            )
        return X, lengths

    def _with_targets(self, X: Any, y: Any, lengths: Any, weight: Any) -> tuple[Any, Any, Any, Any]:
        """Return inputs, targets, lengths and weights of what counts; of windows, those whose target is in the series.

        What has weight 0 is left out before its numbers are looked at.
        """
        if self.window is None:
            if lengths is not None and weight is not None:
                _, lengths, _ = counted(X, lengths, weight)
            X, y, weight = counted(X, y, weight)
            inputs, lengths = self._inputs(X, lengths, reset=True)
            if len(y) != len(inputs):
                raise ValueError(f"y must have an entry for each of the {len(inputs)} sequences of X; got {len(y)}")
            return self._weighed(inputs, y, lengths, weight)
        inputs, lengths = self._inputs(X, lengths, reset=True, finite=weight is None)
        if weight is not None:
            refuse_masked(weight, "sample_weight")
            weight = _check_sample_weight(weight, y, dtype=np.float64)[self._span() + self._ahead() :]
        inputs, y, weight = counted(*self._with_known(inputs, y), weight)
        return self._weighed(inputs, y, lengths, weight)

    def _weighed(self, inputs: Any, y: Any, lengths: Any, weight: Any) -> tuple[Any, Any, Any, Any]:
        """Return the samples without those whose weight is 0 in the network's type, which are not split either."""
        own = weights(weight, len(inputs), float_type(self.dtype))
        if own is None or own.all():
            return inputs, y, lengths, weight
        kept = np.flatnonzero(own)
        return inputs[kept], rows_of(y, kept), None if lengths is None else rows_of(lengths, kept), weight[kept]

    def _with_known(self, inputs: Any, y: Any) -> tuple[Any, Any]:
        """Return the windows whose target is in the series, and these targets."""
        targets = self._known_of(len(inputs), y)
        return inputs[: len(targets)], targets

    def _known_of(self, windows: int, y: Any) -> Any:
        """Return of `y`, which has an entry for each time, the targets of the first of so many windows."""
        n, first = windows + self._span(), self._span() + self._ahead()
        y = unmasked(y, "y")
        if len(y) != n:
            raise ValueError(f"y must have an entry for each of the {n} times of X; got {len(y)}")
        if first >= n:
            raise ValueError(f"X must have more than {first} times, for a window and its target; got {n}")
        return y[first:]

    def windows(self, X: Any, y: Any = None) -> tuple[Any, Any]:
        """Return the windows of a time series, (windows, steps, features), whose targets are in it, and these targets.

        An estimator without `window` takes them as its sequences. Without `y` the series is its own target.
        """
        if self.window is None:
            raise ValueError("window must be given; without it X holds sequences")
        inputs, _ = self._inputs(X, None)
        return self._with_known(inputs, X if y is None else y)

    # Fitting ------------------------------------------------------------------------------------------------------

    def _layers(self, outputs: int) -> list[Any]:
        sizes = [self.hidden_layer_sizes] if np.ndim(self.hidden_layer_sizes) == 0 else [*self.hidden_layer_sizes]
        if not sizes:
            raise ValueError("hidden_layer_sizes must name at least one layer; got none")
        *first, last = [whole_number(size, "hidden_layer_sizes", 1) for size in sizes]
        activation = activations.get(self.activation)
        layers = [Recurrent(n, activation, "elman", True, self.truncate) for n in first]
        if self.kind == "jordan":
            return [*layers, Recurrent(last, activation, "jordan", False, self.truncate, outputs)]
        return [*layers, Recurrent(last, activation, self.kind, False, self.truncate), Dense(outputs)]

    def _split(self, n: int) -> CountedSplit | None:
        """Return how some of `n` samples are set aside: of windows the last in time, of sequences a random part."""
        if not self.validation_fraction:
            return None
        if n < 2:
            raise ValueError("validation_fraction must be 0 where there is one sample alone; got n_samples=1")
        return CountedSplit(float(self.validation_fraction), shuffle=self.window is None)

    def _fit(self, inputs: Any, targets: Any, lengths: Any, outputs: int, weight: Any, split: Any) -> None:
        dtype = float_type(self.dtype)
        network = Network(
            self._layers(outputs),
            self.n_features_in_,
            self._loss,
            dtype.name,
            self._network_seed(),
            normalize_inputs=bool(self.standardize),
        )
        stopping = EarlyStopping(patience=self.n_iter_no_change) if self.early_stopping else None
        with self._interruptible(network):
            network.fit(
                inputs,
                targets,
                lengths=lengths,
                sample_weight=weight,
                epochs=self.max_iter,
                batch_size=self.batch_size,
                optimizer=self.optimizer,
                schedule=self.schedule,
                l2=float(self.alpha),
                clip=None if self.clip is None else ClipNorm(self.clip),
                validation=split,
                early_stopping=stopping,
                shuffle=bool(self.shuffle),
                n_threads=self._threads(),
                verbose=int(self.verbose),
            )
        if split is not None:
            self._warn_of_few(split.n_held, split.n_rows, "Give validation_fraction=0 to learn all")
        assert network.history is not None
        self.network_, self.history_ = network, network.history
        self.n_iter_ = len(network.history.loss)

    def _outputs(self, X: Any, lengths: Any) -> Any:
        check_is_fitted(self)
        inputs, lengths = self._inputs(X, lengths)
        return self.network_.predict(inputs, lengths=lengths)

    def _known(self, predictions: Any, y: Any, weight: Any) -> tuple[Any, Any, Any]:
        """Return targets, predictions and weights (or None) where there are both of the first two."""
        y = unmasked(y, "y")
        targets = y
        if self.window is not None:
            targets = self._known_of(len(predictions), y)
            predictions = predictions[: len(targets)]
        if weight is not None:
            refuse_masked(weight, "sample_weight")
            weight = _check_sample_weight(weight, y, dtype=np.float64, ensure_non_negative=True)
            weight = weight[len(y) - len(targets) :]
        return targets, predictions, weight

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.two_d_array = self.window is not None  # a time series
        tags.input_tags.three_d_array = self.window is None
        return tags


class RecurrentRegressor(RegressorMixin, _BaseRecurrent):  # type: ignore[misc]
    __doc__ = (
        """A recurrent network that predicts numbers, from sequences or from windows of a time series."""
        + _PARAMETERS
        + """
    Examples
    --------
    >>> import numpy as np
    >>> from lamina import RecurrentRegressor
    >>> series = np.sin(np.arange(400) / 5)
    >>> net = RecurrentRegressor(8, window=10, optimizer="adam", random_state=0).fit(series[:300])
    >>> net.predict(series[290:]).shape  # for the times 300 .. 400
    (101,)
    """
    )
    _loss, _horizon = "squared_error", 1

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.required = self.window is None  # a series is its own target
        return tags

    @all_or_nothing
    def fit(self, X: Any, y: Any = None, lengths: Any = None, sample_weight: Any = None) -> RecurrentRegressor:
        """Fit; without `y` a time series is its own target."""
        check_parameters(self, RECURRENT)
        if y is None:
            if self.window is None:
                raise ValueError("y must be given, unless window makes X a time series")
            y = X
        inputs, y, lengths, weight = self._with_targets(X, y, lengths, sample_weight)
        targets = check_array(numbers(y), ensure_2d=False, dtype=np.float64, input_name="y", estimator=self)
        self._flat = targets.ndim == 1
        targets = targets.reshape(len(targets), -1)
        outputs = targets.shape[1]
        check_scale(targets, None if self.standardize else self._loss, self.dtype)
        split = self._split(len(targets))
        mean, scale = np.zeros(outputs), np.ones(outputs)
        if self.standardize:
            trained = slice(None)
            if split is not None and self.window is not None:  # the first in time
                trained = slice(len(split.indices(len(targets), None, 0)[0]))
            mean, scale = mean_and_scale(targets[trained], None if weight is None else weight[trained])
        # Halves: even the difference of the largest numbers is one.
        self._fit(inputs, (targets / 2 - mean / 2) / (scale / 2), lengths, outputs, weight, split)
        self.target_mean_, self.target_scale_ = self._fold(mean, scale)
        return self

    def _fold(self, mean: Any, scale: Any) -> tuple[Any, Any]:
        """Have the network's last layer give values in the targets' units; return what `predict` has left to do.

        Outputs that feed back have to stay as they were in training.
        """
        if self.kind == "jordan" or not self.standardize:
            return mean, scale
        last = f"{len(self.network_.layers) - 1}"
        weight, bias = (self.network_.parameters[f"{last}.{name}"] for name in ("weight", "bias"))
        with np.errstate(over="ignore"):
            weight[...] = weight * scale
            bias[...] = bias * scale + mean
        if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            raise ValueError(f"y is too large for predictions in {self.dtype}: bring it to a smaller scale")
        self.network_.core.memory = None  # the optimizer's, of weights of another scale
        return np.zeros_like(mean), np.ones_like(scale)

    @of_one_fit
    def predict(self, X: Any, lengths: Any = None) -> Any:
        """Return the prediction for every sequence, or for the time `horizon` after the end of every window."""
        out = self._outputs(X, lengths)
        out = (out * self.target_scale_ + self.target_mean_).astype(out.dtype)
        return out[:, 0] if self._flat else out

    def score(self, X: Any, y: Any = None, lengths: Any = None, sample_weight: Any = None) -> float:
        """Return R squared, over the windows whose target is known; a window weighs what its target does."""
        y, predictions, weight = self._known(self.predict(X, lengths), X if y is None else y, sample_weight)
        return float(r2_score(y, predictions, sample_weight=weight))


class RecurrentClassifier(ClassifierMixin, _BaseRecurrent):  # type: ignore[misc]
    __doc__ = (
        """A recurrent network that classifies sequences, or the times of a series by the window up to them."""
        + _PARAMETERS
        + """classes_ : array
        The labels, sorted.
    """
    )
    _loss, _horizon = "cross_entropy", 0

    @all_or_nothing
    def fit(self, X: Any, y: Any, lengths: Any = None, sample_weight: Any = None) -> RecurrentClassifier:
        """Fit; the labels may be of any kind that sorts."""
        check_parameters(self, RECURRENT)
        if y is None:
            raise ValueError("RecurrentClassifier requires y to be passed, but the target y is None")
        inputs, y, lengths, weight = self._with_targets(X, y, lengths, sample_weight)
        labels = class_labels(y, self._warn_at_the_end)
        if labels.ndim != 1:
            raise ValueError(f"y must have one label for each sample, (n,); got shape {labels.shape}")
        classes, targets = np.unique(labels, return_inverse=True)
        self.classes_ = two_classes(classes)
        self._fit(inputs, targets, lengths, len(classes), weight, self._split(len(targets)))
        return self

    @property
    def labelling(self) -> Labelling:
        """How labels and probabilities are made of the network's outputs."""
        return Labelling(self.classes_, False, 0.5, "softmax")

    @of_one_fit
    def predict_proba(self, X: Any, lengths: Any = None) -> Any:
        """Return the probability of every class, in the order of `classes_`."""
        return self._outputs(X, lengths)

    @of_one_fit
    def predict_log_proba(self, X: Any, lengths: Any = None) -> Any:
        """Return the logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X, lengths))

    @of_one_fit
    def predict(self, X: Any, lengths: Any = None) -> Any:
        """Return the most probable label for every sequence or window."""
        place = self._outputs(X, lengths).argmax(axis=1)
        return self.classes_[place]

    def score(self, X: Any, y: Any, lengths: Any = None, sample_weight: Any = None) -> float:
        """Return the accuracy, over the windows whose label is known; a window weighs what its label does."""
        y, predictions, weight = self._known(self.predict(X, lengths), y, sample_weight)
        return float(accuracy_score(y, predictions, sample_weight=weight))
