"""Networks: layers, training, prediction, saving."""

from __future__ import annotations

import copy as _copy
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from types import MappingProxyType
from typing import Any

import numpy as np

from lamina._dispatch import core as _core
from lamina import losses
from lamina.data import arrays as _data
from lamina.data.arrays import Array
from lamina.network import state as _state
from lamina.network import summary as _summary
from lamina.network.takes_sequences import TakesSequences
from lamina.training import fit as _fit
from lamina.training import watch as _watch
from lamina.training.callbacks import DivergenceWarning, EarlyStopping, Epoch, History, ProgressBar, TimeLimit

__all__ = ["Network"]

_CORES: dict[str, Any] = {"float32": _core.NetworkFloat32, "float64": _core.NetworkFloat64}
_UNSET: Any = object()


class Network(TakesSequences):
    """A network: a list of layers and a loss. With `Recurrent` layers its samples are sequences.

    Parameters
    ----------
    layers : sequence of layers
        Such as ``[lamina.Dense(64, activation="relu"), lamina.Dense(10)]``. The last layer gives raw outputs (logits):
        the loss knows its softmax or logistic.
    n_inputs : int
        Number of features.
    loss : str or loss, default "squared_error"
        See ``lamina.losses.names()``.
    dtype : {"float32", "float64"}, default "float32"
    seed : int, default 0
        Decides initial weights, shuffling, splits and dropout: same seed, same bits.
    normalize_inputs : bool, default False
        Bring every input to zero mean and unit variance, fitted on the training part of the first fit and saved with
        the model.
    """

    def __init__(
        self,
        layers: Sequence[Any],
        n_inputs: int,
        loss: Any = "squared_error",
        dtype: str = "float32",
        seed: int = 0,
        normalize_inputs: bool = False,
    ) -> None:
        name = np.dtype(dtype).name
        if name not in _CORES:
            raise ValueError(f"dtype must be 'float32' or 'float64'; got {dtype!r}")
        if not isinstance(layers, Iterable):
            raise TypeError(f"layers must be a list of layers; got {layers!r}")
        self._layers = list(layers)
        known = tuple(getattr(_core, layer) for layer in _core.layer_names())
        for i, layer in enumerate(self._layers):
            if not isinstance(layer, known):
                raise TypeError(f"layers[{i}] must be a layer such as lamina.Dense(10); got {layer!r}")
        self._loss = losses.get(loss)
        self._seed = _data.whole_number(seed, "seed", 0, 2**64 - 1)
        self._dtype: np.dtype[Any] = np.dtype(name)
        self.normalize_inputs = bool(normalize_inputs)
        #: What a caller wants to keep with the model: strings by name, saved and loaded with it.
        self.metadata: dict[str, str] = {}
        self.history: History | None = None
        n_inputs = _data.whole_number(n_inputs, "n_inputs", 1)
        self._core = _CORES[name](self._layers, n_inputs, self._loss, self._seed)
        self._n_inputs = n_inputs

    # What it is ---------------------------------------------------------------------------------------------------

    @property
    def layers(self) -> tuple[Any, ...]:
        """The layers, as given."""
        return tuple(self._layers)

    @property
    def n_inputs(self) -> int:
        """Number of features."""
        return self._n_inputs

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""
        return int(self._core.n_outputs)

    @property
    def loss(self) -> Any:
        """The loss."""
        return self._loss

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self._dtype

    @property
    def seed(self) -> int:
        """The seed."""
        return self._seed

    @property
    def parameters(self) -> Mapping[str, Array]:
        """Zero-copy, writable views by name: ``"0.weight"`` (fan_in, fan_out), ``"0.bias"``, ...

        New values go into a view: ``net.parameters["0.bias"][:] = 0``.
        The number is the layer's position in the list. Batch norm's running values are here too.
        """
        return MappingProxyType(self._core.parameters())

    @property
    def input_normalization(self) -> tuple[Array, Array] | None:
        """Mean and 1 / standard deviation by feature, or None."""
        pair = self._core.normalization
        return None if pair is None else (pair[0], pair[1])

    @input_normalization.setter
    def input_normalization(self, pair: tuple[Array, Array] | None) -> None:
        self._core.normalization = None if pair is None else tuple(np.ravel(part).tolist() for part in pair)

    def summary(self) -> str:
        """Return a table of the layers, their outputs and parameters."""
        return _summary.summary(self)

    def __repr__(self) -> str:
        inside = ", ".join(_summary.short(layer) for layer in self._layers)
        return f"<lamina.Network {self._n_inputs} -> {inside}; {self._loss.name}, {self._dtype}>"

    # Training -----------------------------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        epochs: int = 100,
        batch_size: int = 32,
        optimizer: Any = None,
        schedule: Any = None,
        l1: float = 0.0,
        l2: float = 0.0,
        clip: Any = None,
        validation: Any = 0.1,
        early_stopping: EarlyStopping | None = _UNSET,
        sample_weight: Any = None,
        validation_sample_weight: Any = None,
        class_weight: Any = None,
        scoring: str | Callable[..., float] | None = None,
        max_time: float | None = None,
        shuffle: bool = True,
        callbacks: Iterable[Callable[[Epoch], Any]] = (),
        n_threads: int | None = None,
        verbose: int = 0,
        resume: bool = False,
        penalty_per_batch: bool = False,
        lengths: Any = None,
    ) -> History:
        """Train, by default with early stopping on a tenth of the rows set aside.

        Parameters
        ----------
        X : array-like, (rows, n_inputs); with recurrent layers (rows, steps, n_inputs)
            A C-contiguous array of the network's dtype is used in place; other arrays and data frames are converted.
        y : array-like
            Labels (rows,) or one-hot rows for classification, (rows,) or (rows, outputs) for regression; where every
            step has outputs, with a second axis of steps.
        epochs : int, default 100
            The most to train.
        batch_size : int, default 32
            Rows a step; more than there are means all of them.
        optimizer : optimizer, default lamina.Adam(1e-3)
        schedule : schedule or callable, optional
            Factor of the learning rate; see ``lamina.schedules``.
        l1, l2 : float, default 0.0
            Penalties: l1 sum |w| + l2 sum w^2 over weights alone.
        clip : lamina.ClipNorm or lamina.AGC, optional
        validation : float, lamina.Split, (X, y), (X, y, lengths) or None, default 0.1
            What to set aside: a fraction (stratified for labels), a `Split`, a set of your own, or nothing.
        early_stopping : lamina.EarlyStopping or None, default lamina.EarlyStopping(patience=10)
        sample_weight, validation_sample_weight : array-like, (rows,), optional
            A row of weight 2 counts as the row given twice.
        class_weight : dict or "balanced", optional
            What each row of a class counts, in training and validation; "balanced" makes the classes count alike.
        scoring : str or callable, optional
            "accuracy", "r2" or a callable of (network, X, y): early stopping keeps the epoch with the highest.
        max_time : float, optional
            Seconds after which training ends with its epoch; then the number of epochs depends on the machine.
        shuffle : bool, default True
            Draw the rows in a new order each epoch.
        callbacks : iterable of callables
            Each gets an `Epoch` after every epoch, and may call its `stop`.
        n_threads : int, optional
            By default as many as pay off; never a different result. On busy cores a number can be far slower than one.
        verbose : int, default 0
            1 shows a progress bar.
        resume : bool, default False
            Go on with the optimizer's memory of the last fit.
        penalty_per_batch : bool, default False
            Divide the penalty by the weight sum of the batch, which is scikit-learn's meaning of `alpha`.
        lengths : array-like of int, (rows,), optional
            How many steps of each sequence count, from the first; what lies beyond may be anything.

        Returns
        -------
        History
            Also kept as `history`, where it survives Ctrl-C. A fit that ends by an exception, or diverges, leaves the
            best weights so far, with or without early stopping (Ctrl-C in the first epoch: those of the last step).
        """
        data, index, held = _fit.samples(
            self, X, y, sample_weight, validation, validation_sample_weight, resume, lengths
        )
        _watch.warn_of_a_second_link(self)
        data, held = _watch.weighted(self, data, index, held, class_weight)
        options = _fit.options(epochs, batch_size, optimizer, l1, l2, clip, shuffle, n_threads)
        options.seed = self._seed
        options.resume = bool(resume)
        options.penalty_per_batch = bool(penalty_per_batch)
        stopping = EarlyStopping() if early_stopping is _UNSET else early_stopping
        _fit.set_early_stopping(options, stopping, self)
        scores = _watch.set_scoring(options, scoring, stopping, self, data, held)
        if max_time is not None:
            callbacks = [*_fit.callbacks_of(callbacks), TimeLimit(max_time)]
        bar = ProgressBar(options.epochs) if verbose else None
        _fit.set_hooks(options, callbacks, schedule, bar, self)
        options.fit_normalization = self.normalize_inputs and self._core.normalization is None
        core_history = _core.History()
        try:
            with bar if bar is not None else nullcontext():
                self._core.fit(*data, index, held, options, core_history, self._lengths(lengths, data[0]))
        finally:
            if core_history.began:
                self.history = _fit.history_from(core_history)
                self.history.validation_score = scores
        if core_history.diverged:
            layer = core_history.diverged_layer
            warnings.warn(
                _fit.divergence_message(core_history, _summary.short(self._layers[layer])),
                DivergenceWarning,
                stacklevel=2,
            )
        assert self.history is not None
        return self.history

    # Using --------------------------------------------------------------------------------------------------------

    def predict(self, X: Any, n_threads: int | None = None, lengths: Any = None) -> Array:
        """Return (rows, outputs): probabilities for the classification losses, rates for poisson, else values.

        A row's bits do not depend on the rows beside it, nor on the threads. A recurrent network takes sequences; where
        every step has outputs they are (rows, steps, outputs), 0 beyond a sequence's length.
        """
        return self._infer(X, True, n_threads, lengths)

    def forward(self, X: Any, n_threads: int | None = None, lengths: Any = None) -> Array:
        """Return the raw outputs of the last layer (logits), shaped as those of `predict`."""
        return self._infer(X, False, n_threads, lengths)

    def _infer(self, X: Any, link: bool, n_threads: int | None, lengths: Any = None) -> Array:
        # A ready array goes straight to the core, which checks that it is finite: a row takes a microsecond or two.
        if n_threads is None and lengths is None and (ready := self._core.infer_ready(X, link)) is not None:
            return ready  # type: ignore[no-any-return]
        if lengths is not None or self._core.recurrent:
            x = self._inputs(X, lengths)
            return self._core.infer(x, link, _fit.threads(n_threads), self._lengths(lengths, x))  # type: ignore[no-any-return]
        X = _data.matrix(X, self._n_inputs, self._dtype, finite=False)
        return self._core.infer(X, link, _fit.threads(n_threads))  # type: ignore[no-any-return]

    def evaluate(
        self, X: Any, y: Any, sample_weight: Any = None, n_threads: int | None = None, lengths: Any = None
    ) -> float:
        """Return the loss on these samples, without penalty."""
        x, t, w = self._samples(X, y, sample_weight, lengths=lengths)
        return float(self._core.evaluate(x, t, w, _fit.threads(n_threads), self._lengths(lengths, x)))

    def loss_and_gradients(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        l1: float = 0.0,
        l2: float = 0.0,
        training: bool = True,
        n_threads: int | None = None,
        lengths: Any = None,
    ) -> tuple[float, dict[str, Array]]:
        """Return the loss of all samples as one batch, penalty included, and its gradient by parameter name.

        With `training`, batch norm uses the batch's own statistics, and random layers the draws of step 0; nothing in
        the network changes.
        """
        x, t, w = self._samples(X, y, sample_weight, lengths=lengths)
        l1, l2 = _fit.penalty(l1, "l1"), _fit.penalty(l2, "l2")
        options = (l1, l2, training, True, False, _fit.threads(n_threads), self._lengths(lengths, x))
        loss, flat, _ = self._core.loss_and_gradients(x, t, w, *options)
        return float(loss), self._named(flat)

    def input_gradient(
        self, X: Any, y: Any, sample_weight: Any = None, training: bool = False, lengths: Any = None
    ) -> Array:
        """Return d loss / d X, of the shape of X, of the loss averaged over the rows."""
        x, t, w = self._samples(X, y, sample_weight, lengths=lengths)
        rest = self._lengths(lengths, x)
        gradient = self._core.loss_and_gradients(x, t, w, 0.0, 0.0, training, True, True, 0, rest)[2]
        pair = self._core.normalization
        return gradient if pair is None else gradient * pair[1]  # type: ignore[no-any-return]

    def _named(self, flat: Array) -> dict[str, Array]:
        """A flat gradient as arrays by parameter name."""
        out, at = {}, 0
        views = self._core.parameters()
        for name in self._core.trained_names:
            shape = views[name].shape
            size = int(np.prod(shape))
            out[name] = flat[at : at + size].reshape(shape)
            at += size
        return out

    # Keeping ------------------------------------------------------------------------------------------------------

    def copy(self) -> Network:
        """Return an independent copy, weights and the optimizer's memory included."""
        return _copy.deepcopy(self)

    def astype(self, dtype: str) -> Network:
        """Return a copy in another precision, without the optimizer's memory."""
        other = Network(self._layers, self._n_inputs, self._loss, dtype, self._seed, self.normalize_inputs)
        for name, view in other.parameters.items():
            view[...] = self.parameters[name]
        if self.input_normalization is not None:
            other.input_normalization = self.input_normalization
        other.metadata = dict(self.metadata)
        return other

    def save(self, path: Any) -> None:
        """Write a safetensors file, whole or not at all: weights by name, the architecture as JSON in its metadata."""
        from lamina.network.model_file import save

        save(self, path)

    def __getstate__(self) -> dict[str, Any]:
        return _state.state_of(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        _state.restore(self, state, _CORES)
