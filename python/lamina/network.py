"""Networks: layers, training, prediction, saving."""

from __future__ import annotations

import copy as _copy
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from lamina._dispatch import core as _core
from lamina import _data, losses, optimizers, schedules
from lamina._data import Array
from lamina.callbacks import DivergenceWarning, EarlyStopping, Epoch, History, ProgressBar
from lamina.validation import Split

__all__ = ["Network"]

_CORES = {"float32": _core.NetworkFloat32, "float64": _core.NetworkFloat64}
_UNSET: Any = object()


class Network:
    """A feed-forward network: a list of layers and a loss.

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
        self._layers = list(layers)
        known = tuple(getattr(_core, layer) for layer in _core.layer_names())
        for i, layer in enumerate(self._layers):
            if not isinstance(layer, known):
                raise TypeError(f"layers[{i}] must be a layer such as lamina.Dense(10); got {layer!r}")
        self._loss = losses.get(loss)
        self._seed = _data.whole_number(seed, "seed", 0)
        self._dtype = np.dtype(name)
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
    def parameters(self) -> dict[str, Array]:
        """Zero-copy, writable views by name: ``"0.weight"`` (fan_in, fan_out), ``"0.bias"``, ...

        The number is the layer's position in the list. Batch norm's running values are here too.
        """
        return dict(self._core.parameters())

    @property
    def input_normalization(self) -> tuple[Array, Array] | None:
        """Mean and 1 / standard deviation by feature, or None."""
        pair = self._core.normalization
        return None if pair is None else (pair[0], pair[1])

    def summary(self) -> str:
        """Return a table of the layers, their outputs and parameters."""
        rows = [("", "layer", "outputs", "parameters")]
        total = 0
        trained = set(self._core.trained_names)
        views = self.parameters
        for i, (layer, width) in enumerate(zip(self._layers, self._core.layer_outputs, strict=True)):
            own = sum(v.size for name, v in views.items() if name.split(".")[0] == str(i) and name in trained)
            total += own
            rows.append((str(i), _short(layer), str(width), f"{own:,}"))
        widths = [max(len(row[c]) for row in rows) for c in range(4)]
        lines = [f"Network: {self._n_inputs} inputs, loss {self._loss.name}, {self._dtype}"]
        for row in rows:
            cells = (row[0].rjust(widths[0]), row[1].ljust(widths[1]), row[2].rjust(widths[2]), row[3].rjust(widths[3]))
            lines.append("  ".join(cells).rstrip())
        lines.append(f"{total:,} parameters in all, {total * self._dtype.itemsize / 2**20:.2f} MiB")
        return "\n".join(lines)

    def __repr__(self) -> str:
        inside = ", ".join(_short(layer) for layer in self._layers)
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
        shuffle: bool = True,
        callbacks: Iterable[Callable[[Epoch], Any]] = (),
        n_threads: int | None = None,
        verbose: int = 0,
        resume: bool = False,
        penalty_per_batch: bool = False,
    ) -> History:
        """Train, by default with early stopping on a tenth of the rows set aside.

        Parameters
        ----------
        X : array-like, (rows, n_inputs)
            A C-contiguous array of the network's dtype is used in place; other arrays and data frames are converted.
        y : array-like
            Labels (rows,) or one-hot rows for classification, (rows,) or (rows, outputs) for regression.
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
        validation : float, lamina.Split, (X, y) or None, default 0.1
            What to set aside: a fraction (stratified for labels), a `Split`, a set of your own, or nothing.
        early_stopping : lamina.EarlyStopping or None, default lamina.EarlyStopping(patience=10)
        sample_weight, validation_sample_weight : array-like, (rows,), optional
            A row of weight 2 counts as the row given twice.
        shuffle : bool, default True
            Draw the rows in a new order each epoch.
        callbacks : iterable of callables
            Each gets an `Epoch` after every epoch, and may call its `stop`.
        n_threads : int, optional
            By default as many as pay off; never a different result.
        verbose : int, default 0
            1 shows a progress bar.
        resume : bool, default False
            Go on with the optimizer's memory of the last fit.
        penalty_per_batch : bool, default False
            Divide the penalty by the weight sum of the batch, which is scikit-learn's meaning of `alpha`.

        Returns
        -------
        History
            Also kept as `history`, where it survives Ctrl-C.
        """
        stopping = EarlyStopping() if early_stopping is _UNSET else early_stopping
        if stopping is not None and not isinstance(stopping, EarlyStopping):
            raise TypeError(f"early_stopping must be a lamina.EarlyStopping or None; got {stopping!r}")
        data, index, held = self._training_data(X, y, sample_weight, validation, validation_sample_weight, resume)
        options = self._options(epochs, batch_size, optimizer, l1, l2, clip, shuffle, n_threads, stopping)
        options.resume = bool(resume)
        options.penalty_per_batch = bool(penalty_per_batch)
        hooks = list(callbacks)
        for i, hook in enumerate(hooks):
            if not callable(hook):
                raise TypeError(f"callbacks[{i}] must be callable with an Epoch; got {hook!r}")
        if isinstance(schedule, schedules.ReduceOnPlateau):
            hooks.append(schedule.watcher())
        elif schedule is not None:
            options.schedule = _schedule_hook(schedule)
        bar = ProgressBar(options.epochs) if verbose else None
        if bar is not None:
            hooks.append(bar)
        if hooks:
            options.on_epoch = self._epoch_hook(hooks)
        if self.normalize_inputs and (self._core.normalization is None or not resume):
            self._core.fit_normalization(data[0], index)
        core_history = _core.History()
        try:
            with bar if bar is not None else nullcontext():
                self._core.fit(*data, index, held, options, core_history)
        finally:
            self.history = _history_from(core_history)
        if core_history.diverged:
            self._warn_of_divergence(core_history)
        return self.history

    def _training_data(
        self, X: Any, y: Any, sample_weight: Any, validation: Any, validation_weight: Any, resume: bool
    ) -> tuple[tuple[Array, Array, Array | None], Array | None, tuple[Any, ...] | None]:
        """Check everything and return (x, y, weights), training rows (None: all), and the validation samples."""
        x = _data.matrix(X, self._n_inputs, self._dtype)
        t = self._targets(y, len(x))
        w = _data.weights(sample_weight, len(x), self._dtype)
        labels = t if t.dtype == np.int32 else None
        if self._loss.targets == "classes" and not resume:
            classes = t if labels is not None else t.argmax(axis=1)
            if len(x) > 1 and classes.min() == classes.max():
                raise ValueError(f"y must hold at least 2 classes; got only class {int(classes[0])}")
        if validation is None:
            if validation_weight is not None:
                raise ValueError("validation_sample_weight needs a validation set")
            return (x, t, w), None, None
        if isinstance(validation, tuple):
            if len(validation) != 2:
                raise ValueError(f"validation must be a fraction or (X, y); got a tuple of {len(validation)}")
            xv = _data.matrix(validation[0], self._n_inputs, self._dtype, "validation X")
            tv = self._targets(validation[1], len(xv), "validation y")
            wv = _data.weights(validation_weight, len(xv), self._dtype, "validation_sample_weight")
            return (x, t, w), None, (xv, tv, wv, None)
        if validation_weight is not None:
            raise ValueError("validation_sample_weight goes with validation=(X, y); a fraction takes sample_weight's")
        how = validation if isinstance(validation, Split) else Split(validation)
        train, held = how.indices(len(x), labels, self._seed)
        if w is not None and (not w[train].any() or not w[held].any()):
            raise ValueError("sample_weight must not be all zero in the training or the validation part")
        return (x, t, w), train, (x, t, w, held)

    def _options(
        self,
        epochs: int,
        batch_size: int,
        optimizer: Any,
        l1: float,
        l2: float,
        clip: Any,
        shuffle: bool,
        n_threads: int | None,
        stopping: EarlyStopping | None,
    ) -> Any:
        options = _core.FitOptions()
        options.epochs = _data.whole_number(epochs, "epochs", 1)
        options.batch_size = _data.whole_number(batch_size, "batch_size", 1)
        chosen = _core.Adam() if optimizer is None else optimizers.get(optimizer)
        if isinstance(chosen, optimizers.SAM):
            options.sam_rho = chosen.rho
            chosen = chosen.base
        options.optimizer = chosen
        options.l1, options.l2 = _penalty(l1, "l1"), _penalty(l2, "l2")
        if clip is not None:
            if not isinstance(clip, (_core.AGC, _core.ClipNorm)):
                raise TypeError(f"clip must be lamina.AGC(...), lamina.ClipNorm(...) or None; got {clip!r}")
            options.set_clipping(clip)
        options.shuffle = bool(shuffle)
        options.threads = _threads(n_threads)
        options.seed = self._seed
        if stopping is not None:
            options.set_early_stopping(stopping.patience, stopping.min_delta, stopping.restore_best)
            options.monitor = stopping.monitor_hook(self)
        return options

    def _epoch_hook(self, hooks: list[Callable[[Epoch], Any]]) -> Callable[[Any], None]:
        def run(report: Any) -> None:
            epoch = Epoch(report, self)
            for hook in hooks:
                hook(epoch)

        return run

    def _warn_of_divergence(self, history: Any) -> None:
        layer = history.diverged_layer
        where = f"first in layer {layer} ({_short(self._layers[layer])})" if layer >= 0 else "in the loss"
        warnings.warn(
            f"training diverged: the loss of epoch {history.diverged_epoch}, batch {history.diverged_batch} is not "
            f"finite, {where}; the best weights so far are back in place. A lower learning rate, clip= or "
            "normalize_inputs=True may help.",
            DivergenceWarning,
            stacklevel=3,
        )

    # Using --------------------------------------------------------------------------------------------------------

    def predict(self, X: Any, n_threads: int | None = None) -> Array:
        """Return (rows, outputs): probabilities for the classification losses, rates for poisson, else values.

        A row's bits do not depend on the rows beside it, nor on the threads.
        """
        return self._infer(X, True, n_threads)

    def forward(self, X: Any, n_threads: int | None = None) -> Array:
        """Return the raw outputs of the last layer (logits), (rows, outputs)."""
        return self._infer(X, False, n_threads)

    def _infer(self, X: Any, link: bool, n_threads: int | None) -> Array:
        # A ready array goes straight to the core, which checks that it is finite: a row takes a microsecond or two.
        if (
            type(X) is not np.ndarray
            or X.dtype != self._dtype
            or X.ndim != 2
            or X.shape[1] != self._n_inputs
            or X.shape[0] == 0
            or not X.flags.c_contiguous
        ):
            X = _data.matrix(X, self._n_inputs, self._dtype, finite=False)
        return self._core.infer(X, link, 0 if n_threads is None else _threads(n_threads))  # type: ignore[no-any-return]

    def evaluate(self, X: Any, y: Any, sample_weight: Any = None, n_threads: int | None = None) -> float:
        """Return the loss on these samples, without penalty."""
        x, t, w = self._samples(X, y, sample_weight)
        return float(self._core.evaluate(x, t, w, _threads(n_threads)))

    def loss_and_gradients(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        l1: float = 0.0,
        l2: float = 0.0,
        training: bool = True,
        n_threads: int | None = None,
    ) -> tuple[float, dict[str, Array]]:
        """Return the loss of all samples as one batch, penalty included, and its gradient by parameter name.

        With `training`, batch norm uses the batch's own statistics, and random layers the draws of step 0; nothing in
        the network changes.
        """
        x, t, w = self._samples(X, y, sample_weight)
        l1, l2 = _penalty(l1, "l1"), _penalty(l2, "l2")
        loss, flat, _ = self._core.loss_and_gradients(x, t, w, l1, l2, training, True, False, _threads(n_threads))
        return float(loss), self._named(flat)

    def input_gradient(self, X: Any, y: Any, sample_weight: Any = None, training: bool = False) -> Array:
        """Return d loss / d X, (rows, n_inputs), of the loss averaged over the rows."""
        x, t, w = self._samples(X, y, sample_weight)
        gradient = self._core.loss_and_gradients(x, t, w, 0.0, 0.0, training, True, True, 0)[2]
        pair = self._core.normalization
        return gradient if pair is None else gradient * pair[1]  # type: ignore[no-any-return]

    def _samples(self, X: Any, y: Any, sample_weight: Any) -> tuple[Array, Array, Array | None]:
        x = _data.matrix(X, self._n_inputs, self._dtype)
        return x, self._targets(y, len(x)), _data.weights(sample_weight, len(x), self._dtype)

    def _targets(self, y: Any, n_rows: int, name: str = "y") -> Array:
        return _data.targets(y, n_rows, self.n_outputs, self._loss, self._dtype, name)

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

    def _flat_gradients(
        self, X: Any, y: Any, sample_weight: Any, l1: float, l2: float, training: bool, surrogates: bool
    ) -> Array:
        x, t, w = self._samples(X, y, sample_weight)
        flat = self._core.loss_and_gradients(x, t, w, l1, l2, training, surrogates, False, 1)[1]
        return flat  # type: ignore[no-any-return]

    def _central_differences(
        self, X: Any, y: Any, sample_weight: Any, l1: float, l2: float, training: bool, step: float
    ) -> Array:
        x, t, w = self._samples(X, y, sample_weight)
        return self._core.central_differences(x, t, w, l1, l2, training, step)  # type: ignore[no-any-return]

    # Keeping ------------------------------------------------------------------------------------------------------

    def copy(self) -> Network:
        """Return an independent copy, weights and the optimizer's memory included."""
        return _copy.deepcopy(self)

    def astype(self, dtype: str) -> Network:
        """Return a copy in another precision, without the optimizer's memory."""
        other = Network(self._layers, self._n_inputs, self._loss, dtype, self._seed, self.normalize_inputs)
        for name, view in other.parameters.items():
            view[...] = self.parameters[name]
        pair = self._core.normalization
        if pair is not None:
            other._core.normalization = (pair[0].tolist(), pair[1].tolist())
        other.metadata = dict(self.metadata)
        return other

    def save(self, path: Any) -> None:
        """Write a safetensors file, whole or not at all: weights by name, the architecture as JSON in its metadata."""
        from lamina.model_file import save

        save(self, path)

    def __getstate__(self) -> dict[str, Any]:
        state = {k: v for k, v in self.__dict__.items() if k != "_core"}
        state["parameters"] = {name: view.copy() for name, view in self.parameters.items()}
        state["normalization"] = self._core.normalization
        state["memory"] = self._core.memory
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        parameters = state.pop("parameters")
        normalization = state.pop("normalization")
        memory = state.pop("memory")
        self.__dict__.update(state)
        self._core = _CORES[self._dtype.name](self._layers, self._n_inputs, self._loss, self._seed)
        for name, view in self._core.parameters().items():
            view[...] = parameters[name]
        if normalization is not None:
            self._core.normalization = (normalization[0].tolist(), normalization[1].tolist())
        self._core.restore_memory(memory)


def _short(layer: Any) -> str:
    params = layer.params
    main = [str(params.pop("units"))] if "units" in params else []
    if "activation" in params:
        main.append(params["activation"].name)
    if "rate" in params:
        main.append(f"{params['rate']:g}")
    return f"{type(layer).__name__}({', '.join(main)})"


def _history_from(core: Any) -> History:
    return History(
        list(core.loss),
        list(core.validation_loss),
        list(core.learning_rate),
        core.best_epoch,
        core.stop_reason,
        core.diverged,
    )


def _schedule_hook(schedule: Any) -> Any:
    if isinstance(schedule, tuple(getattr(_core, name) for name in schedules.names())):
        return schedule
    if not callable(schedule):
        raise TypeError(
            f"schedule must be a schedule such as lamina.schedules.Cosine() or a callable; got {schedule!r}"
        )
    return lambda progress: schedules.factor(schedule, progress)


def _penalty(value: float, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number; got {value!r}")
    if not (np.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be finite and at least 0; got {value}")
    return float(value)


def _threads(n_threads: int | None) -> int:
    return 0 if n_threads is None else _data.whole_number(n_threads, "n_threads", 1)
