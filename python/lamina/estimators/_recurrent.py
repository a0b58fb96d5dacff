"""Estimators over sequences, and over windows of a time series: recurrent layers, then a linear one."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from lamina._core import ClipNorm
from lamina.data.arguments import whole_number
from lamina.data.arrays import to_array
from lamina.data.sequences import pad
from lamina.data.splits import Split
from lamina.layers import Dense, Recurrent
from lamina.network import Network
from lamina.training.callbacks import EarlyStopping

__all__ = ["RecurrentClassifier", "RecurrentRegressor"]

_PARAMETERS = """

    Without `window`, `X` is (n, steps, features) or a list of (steps, features) arrays, and `y` has an entry for each
    sequence. With it, `X` is one time series, (times,) or (times, features), in order, and what is learned is
    ``y[t + horizon]`` from ``X`` at the `window` times up to t, `stride` apart. There are fewer windows than times: in
    cross-validation give ``scoring=lamina.estimators.window_scorer(...)``, or no `scoring`.

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
        Bring every feature to zero mean and unit variance, and every target of the regressor.
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
        Of the regressor alone: a prediction is the network's output times the scale, plus the mean.
    """


class _BaseRecurrent(BaseEstimator):  # type: ignore[misc]
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

    def _inputs(self, X: Any, lengths: Any) -> tuple[Any, Any]:
        """Return (samples, steps, features) and lengths: all windows of a series, or the sequences."""
        if self.window is None:
            if isinstance(X, (list, tuple)) and lengths is None:
                X, lengths = pad(X)
            return X, lengths
        if lengths is not None:
            raise ValueError("lengths go with sequences; with a window X is one time series")
        series, span = _series(X, "X"), self._span()
        if len(series) <= span:
            raise ValueError(f"X must have more than {span} times, to fill a window; got {len(series)}")
        return np.stack([series[k : len(series) - span + k] for k in range(0, span + 1, self.stride)], axis=1), None

    def _with_targets(self, X: Any, y: Any, lengths: Any) -> tuple[Any, Any, Any]:
        """Return inputs, targets and lengths; of windows, those whose target is in the series."""
        inputs, lengths = self._inputs(X, lengths)
        if self.window is None:
            return inputs, np.asarray(y), lengths
        y = np.asarray(y)
        n, first = len(inputs) + self._span(), self._span() + self._ahead()
        if len(y) != n:
            raise ValueError(f"y must have an entry for each of the {n} times of X; got {len(y)}")
        if first >= n:
            raise ValueError(f"X must have more than {first} times, for a window and its target; got {n}")
        return inputs[: n - first], y[first:], None

    def windows(self, X: Any, y: Any = None) -> tuple[Any, Any]:
        """Return the windows of a time series, (windows, steps, features), whose targets are in it, and these targets.

        An estimator without `window` takes them as its sequences. Without `y` the series is its own target.
        """
        if self.window is None:
            raise ValueError("window must be given; without it X holds sequences")
        inputs, targets, _ = self._with_targets(X, X if y is None else y, None)
        return inputs, targets

    # Fitting ------------------------------------------------------------------------------------------------------

    def _layers(self, outputs: int) -> list[Any]:
        sizes = [self.hidden_layer_sizes] if np.ndim(self.hidden_layer_sizes) == 0 else [*self.hidden_layer_sizes]
        if not sizes:
            raise ValueError("hidden_layer_sizes must name at least one layer; got none")
        *first, last = [whole_number(size, "hidden_layer_sizes", 1) for size in sizes]
        layers = [Recurrent(n, self.activation, "elman", True, self.truncate) for n in first]
        if self.kind == "jordan":
            return [*layers, Recurrent(last, self.activation, "jordan", False, self.truncate, outputs)]
        return [
            *layers,
            Recurrent(last, self.activation, self.kind, False, self.truncate),
            Dense(outputs),
        ]

    def _fit(self, inputs: Any, targets: Any, lengths: Any, outputs: int, sample_weight: Any) -> Any:
        seed = self.random_state
        if not isinstance(seed, (int, np.integer)):
            seed = int(check_random_state(seed).randint(np.iinfo(np.int32).max))
        if sample_weight is not None and self.window is not None:
            sample_weight = np.asarray(sample_weight)[self._span() + self._ahead() :]
        features = np.shape(inputs)[-1]
        network = Network(
            self._layers(outputs), features, self._loss, self.dtype, seed, normalize_inputs=bool(self.standardize)
        )
        validation = None
        if self.validation_fraction:
            validation = Split(self.validation_fraction, shuffle=self.window is None)
        stopping = EarlyStopping(patience=self.n_iter_no_change) if self.early_stopping else None
        history = network.fit(
            inputs,
            targets,
            lengths=lengths,
            sample_weight=sample_weight,
            epochs=self.max_iter,
            batch_size=self.batch_size,
            optimizer=self.optimizer,
            schedule=self.schedule,
            l2=float(self.alpha),
            clip=None if self.clip is None else ClipNorm(self.clip),
            validation=validation,
            early_stopping=stopping,
            shuffle=self.shuffle,
            n_threads=self.n_jobs,
            verbose=int(self.verbose),
        )
        self.network_, self.history_ = network, history
        self.n_iter_, self.n_features_in_ = len(history.loss), features
        return self

    def _outputs(self, X: Any, lengths: Any) -> Any:
        check_is_fitted(self)
        inputs, lengths = self._inputs(X, lengths)
        return self.network_.predict(inputs, lengths=lengths)

    def _known(self, predictions: Any, y: Any) -> tuple[Any, Any]:
        """Return targets and predictions where there are both."""
        y = np.asarray(y)
        if self.window is None:
            return y, predictions
        targets = y[self._span() + self._ahead() :]
        return targets, predictions[: len(targets)]


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

    def fit(self, X: Any, y: Any = None, lengths: Any = None, sample_weight: Any = None) -> RecurrentRegressor:
        """Fit; without `y` a time series is its own target."""
        if y is None:
            if self.window is None:
                raise ValueError("y must be given, unless window makes X a time series")
            y = X
        inputs, targets, lengths = self._with_targets(X, y, lengths)
        self._flat = targets.ndim == 1
        outputs = 1 if self._flat else targets.shape[1]
        self.target_mean_, self.target_scale_ = np.zeros(outputs), np.ones(outputs)
        if self.standardize and targets.size and targets.dtype.kind in "fiu" and np.isfinite(targets).all():
            columns = targets.reshape(-1, outputs).astype(np.float64)
            held = self.validation_fraction if self.window is not None else 0  # the last in time
            trained = columns[: max(1, round(len(columns) * (1 - held)))]
            self.target_mean_, scale = trained.mean(axis=0), trained.std(axis=0)
            self.target_scale_ = np.where(scale > 0, scale, 1.0)
            targets = ((columns - self.target_mean_) / self.target_scale_).reshape(targets.shape)
        return self._fit(inputs, targets, lengths, outputs, sample_weight)  # type: ignore[no-any-return]

    def predict(self, X: Any, lengths: Any = None) -> Any:
        """Return the prediction for every sequence, or for the time `horizon` after the end of every window."""
        out = self._outputs(X, lengths)
        out = (out * self.target_scale_ + self.target_mean_).astype(out.dtype)
        return out[:, 0] if self._flat else out

    def score(self, X: Any, y: Any = None, lengths: Any = None) -> float:
        """Return R squared, over the windows whose target is known."""
        return float(r2_score(*self._known(self.predict(X, lengths), X if y is None else y)))


class RecurrentClassifier(ClassifierMixin, _BaseRecurrent):  # type: ignore[misc]
    __doc__ = (
        """A recurrent network that classifies sequences, or the times of a series by the window up to them."""
        + _PARAMETERS
        + """classes_ : array
        The labels, sorted.
    """
    )
    _loss, _horizon = "cross_entropy", 0

    def fit(self, X: Any, y: Any, lengths: Any = None, sample_weight: Any = None) -> RecurrentClassifier:
        """Fit; the labels may be of any kind that sorts."""
        inputs, labels, lengths = self._with_targets(X, y, lengths)
        self.classes_, targets = np.unique(labels, return_inverse=True)
        return self._fit(inputs, targets, lengths, len(self.classes_), sample_weight)  # type: ignore[no-any-return]

    def predict_proba(self, X: Any, lengths: Any = None) -> Any:
        """Return the probability of every class, in the order of `classes_`."""
        return self._outputs(X, lengths)

    def predict(self, X: Any, lengths: Any = None) -> Any:
        """Return the most probable label for every sequence or window."""
        return self.classes_[self._outputs(X, lengths).argmax(axis=1)]

    def score(self, X: Any, y: Any, lengths: Any = None) -> float:
        """Return the accuracy, over the windows whose label is known."""
        return float(accuracy_score(*self._known(self.predict(X, lengths), y)))


def _series(X: Any, name: str) -> Any:
    series = to_array(X, name)
    if series.ndim not in (1, 2):
        raise ValueError(f"{name} must be (times,) or (times, features) with a window; got shape {series.shape}")
    return series[:, None] if series.ndim == 1 else series
