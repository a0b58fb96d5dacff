"""Networks: layers, training, prediction, saving."""

from __future__ import annotations

import copy as _copy
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np

from lamina._dispatch import core as _core
from lamina import losses
from lamina.data.arguments import (
    boolean,
    float_type,
    number,
    seed_number,
    thread_count,
    unexpected,
    whole_number,
    without_unknown,
)
from lamina.data.arrays import Array, matrix_blocks, mean_and_scale_of
from lamina.data.class_weights import weighted_by_class
from lamina.data.held_out import set_aside
from lamina.data.records import Samples, SampleSpec, within_lengths
from lamina.data.samples import counted_rows, counted_samples, inputs
from lamina.files import FilePath
from lamina.network import stepping
from lamina.network.old_pickles import memory_by_names
from lamina.network.summary import blocks_of, short, table_of_layers
from lamina.other_words import OF_A_NETWORK, OF_NETWORKS, with_other_words
from lamina.plots.layers import Block, layer_diagram
from lamina.storage.container import Contents, write
from lamina.storage.forms import NORMALIZATION, Forms, form_of
from lamina.storage.parts import described, described_layer, layer_from
from lamina.storage.pickles import with_version, without_version
from lamina.text import counted
from lamina.training.callbacks import DivergenceWarning, EarlyStopping, Epoch, History
from lamina.training.fit import Fit, FitOptions

__all__ = ["Network"]

_CORES: dict[str, Any] = {"float32": _core.NetworkFloat32, "float64": _core.NetworkFloat64}
_GRADIENT = {training: _core.GradientOptions(training=training) for training in (True, False)}
#: Whether the next fit begins with initial values from its data: only of a network with layers that have such.
_DATA_START = "data_start_due"
_USUAL_STOPPING = EarlyStopping()
_RATE, _PATIENCE = "optimizer=lamina.Adam(1e-2)", "early_stopping=lamina.EarlyStopping(patience=20)"
#: What other libraries call an option of `fit`, and how it is said here.
_OTHER_WORDS = {
    **dict.fromkeys(
        ("lr", "learning_rate", "learning_rate_init", "rate"), f"the learning rate is the optimizer's: {_RATE}"
    ),
    **dict.fromkeys(("patience", "n_iter_no_change"), f"patience is that of early stopping: {_PATIENCE}"),
    **dict.fromkeys(("validation_split", "validation_fraction"), "write validation=0.2 for a fifth of the rows"),
    **dict.fromkeys(("validation_data", "eval_set"), "write validation=(X, y)"),
    **dict.fromkeys(("max_iter", "n_epochs", "num_epochs"), "write epochs=100 for 100 passes over the rows at most"),
    **dict.fromkeys(("alpha", "weight_decay"), "write l2=1e-4 for a penalty, or optimizer=lamina.AdamW() for decay"),
    **dict.fromkeys(("seed", "random_state"), "the seed is the network's: lamina.Network(..., seed=0)"),
    **dict.fromkeys(("loss", "loss_function"), "the loss is the network's: lamina.Network(..., loss='cross_entropy')"),
    "n_jobs": "write n_threads=2",
}


@with_other_words(OF_A_NETWORK, OF_NETWORKS)
class Network:
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
    normalize_inputs : {False, True, "standard", "robust"}, default False
        Normalise every input, by numbers taken from the training part of the first fit and saved with the model. True,
        or "standard": to zero mean and unit variance. "robust": (x - median) / (q75 - q25), or over half the range
        where the quartiles are equal, then x / sqrt(1 + (x / 3)^2), which lies in (-3, 3): for columns with outliers
        and long tails (arXiv 2407.04491).
    normalize_targets : bool, default False
        For losses of numbers: learn targets of zero mean and unit variance, by numbers from the training part of the
        first fit. Losses are those of the normalised targets, as `forward` is; `predict` gives predictions as the
        targets were given, within the range of those trained on.
    """

    def __init__(
        self,
        layers: Sequence[Any],
        n_inputs: int,
        loss: Any = "squared_error",
        dtype: str = "float32",
        seed: int = 0,
        normalize_inputs: bool | str = False,
        normalize_targets: bool = False,
    ) -> None:
        self._dtype = float_type(dtype)
        if not isinstance(layers, Iterable):
            raise TypeError(f"layers must be a list of layers; got {layers!r}")
        self._layers = list(layers)
        known = tuple(getattr(_core, layer) for layer in _core.layer_names())
        for i, layer in enumerate(self._layers):
            if not isinstance(layer, known):
                raise TypeError(f"layers[{i}] must be a layer such as lamina.Dense(10); got {layer!r}")
        self._loss = losses.get(loss)
        self._seed = seed_number(seed)
        self._normalizing = _normalizing(normalize_inputs)
        self.normalize_inputs = (str if isinstance(normalize_inputs, str) else bool)(normalize_inputs)
        self.normalize_targets = boolean(normalize_targets, "normalize_targets")
        if self.normalize_targets and self._loss.targets != "real":
            raise ValueError(f"normalize_targets needs a loss whose targets are any numbers; got {self._loss.name}")
        #: What a caller wants to keep with the model: strings by name, saved and loaded with it.
        self.metadata: dict[str, str] = {}
        self.history: History | None = None
        self._n_inputs = whole_number(n_inputs, "n_inputs", 1)
        self._make_core()

    def _make_core(self) -> None:
        """Have the core make the network; everything that it is made of is known."""
        self._core = _CORES[self._dtype.name](self._layers, self._n_inputs, self._loss, self._seed)
        self._spec = SampleSpec(
            self._n_inputs, self.n_outputs, self._loss, self._dtype, self._core.recurrent, self._core.each_step
        )

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
        """Mean and 1 / standard deviation by feature, to read, or None; give a pair of your own, or None, to set it.

        Robust normalisation has the median, the inverse of the quartile range and a limit, which stays where a pair is
        set; `scales` is the whole.
        """
        pair = self._core.normalization
        if pair is None:
            return None
        for part in pair:
            part.flags.writeable = False
        return (pair[0], pair[1])

    @input_normalization.setter
    def input_normalization(self, pair: tuple[Array, Array] | None) -> None:
        self._core.normalization = None if pair is None else tuple(part.tolist() for part in mean_and_scale_of(pair))

    @property
    def normalizing(self) -> str:
        """What is asked of the inputs: "none", "standard" or "robust"."""
        return self._normalizing

    @property
    def scales(self) -> dict[str, Array]:
        """What brings inputs and targets to size, by name, as model files have it; empty where nothing does."""
        return dict(self._core.scales)

    def set_scales(self, scales: Mapping[str, Array]) -> None:
        """Take what another network's `scales` are."""
        self._core.scales = dict(scales)

    @property
    def spec(self) -> SampleSpec:
        """What samples it takes: inputs, outputs, loss, dtype, and whether they are sequences."""
        return self._spec

    @property
    def core(self) -> Any:
        """The core's own network, for the other rooms of lamina; what it offers is no promise."""
        return self._core

    def summary(self) -> str:
        """Return a table of the layers, their outputs and parameters."""
        rows = self._rows()
        total = sum(own for _, _, own in rows)
        return "\n".join(
            [
                f"Network: {self._n_inputs} inputs, loss {self._loss.name}, {self._dtype}",
                *table_of_layers(rows),
                f"{total:,} parameters in all, {total * self._dtype.itemsize / 2**20:.2f} MiB",
            ]
        )

    def _rows(self) -> list[tuple[Any, int, int]]:
        """Each layer, its outputs and its parameters."""
        views, own = self._core.parameters(), [0] * len(self._layers)
        for name in self._core.trained_names:
            own[int(name.split(".")[0])] += views[name].size
        return list(zip(self._layers, self._core.layer_outputs, own, strict=True))

    def blocks(self) -> list[Block]:
        """Return what a drawing shows of the inputs and of each layer."""
        return blocks_of(self._n_inputs, self._rows())

    def plot(self, ax: Any = None, path: FilePath | None = None) -> Any:
        """Draw the layers from input to output; see `lamina.plots.layer_diagram`."""
        return layer_diagram(self, ax, path)

    def _repr_html_(self) -> str:
        """What a notebook shows: the layers, and the curves of the last fit."""
        from lamina.html import notebook  # when a notebook asks for it
        from lamina.html.drawings import layers

        blocks = self.blocks()
        known = {
            "loss": self._loss.name,
            "dtype": str(self._dtype),
            "seed": str(self._seed),
            "parameters": f"{sum(block.parameters for block in blocks):,}",
        }
        return notebook.panel(
            f"Network: {counted(self._n_inputs, 'input')}, {counted(self.n_outputs, 'output')}",
            notebook.facts(known),
            notebook.wide(layers(blocks, repr(self))),
            None if self.history is None else notebook.history_part(self.history),
        )

    def __repr__(self) -> str:
        inside = ", ".join(short(layer) for layer in self._layers)
        return f"<lamina.Network {self._n_inputs} -> {inside}; {self._loss.name}, {self._dtype}>"

    # Training -----------------------------------------------------------------------------------------------------

    @without_unknown
    def fit(
        self,
        X: Any,
        y: Any,
        *,
        epochs: int = 100,
        batch_size: int = 32,
        optimizer: Any = None,
        schedule: Any = None,
        decay_schedule: Any = None,
        dropout_schedule: Any = None,
        rates: Mapping[str | int, float] | None = None,
        decays: Mapping[str | int, float] | None = None,
        average: float = 0.0,
        l1: float = 0.0,
        l2: float = 0.0,
        clip: Any = None,
        validation: Any = 0.1,
        early_stopping: EarlyStopping | None = _USUAL_STOPPING,
        sample_weight: Any = None,
        validation_sample_weight: Any = None,
        class_weight: Any = None,
        scoring: str | Callable[..., float] | None = None,
        metrics: Any = (),
        max_time: float | None = None,
        shuffle: bool = True,
        callbacks: Iterable[Callable[[Epoch], Any]] = (),
        n_threads: int | None = None,
        verbose: int = 0,
        resume: bool = False,
        resume_from: FilePath | None = None,
        penalty_per_batch: bool = False,
        lengths: Any = None,
        **unknown: NoReturn,
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
        decay_schedule, dropout_schedule : schedule or callable, optional
            Factors of the optimizer's decoupled decay and of the rates of `Dropout` layers.
        rates, decays : dict, optional
            Factors of the learning rate, and of decoupled decay, for a parameter (``"0.weight"``), a layer (``0``) or a
            kind of parameter (``"weight"``, ``"bias"``, ``"gain"``, ``"slope"``), of which the most specific one
            counts. A rate of 0 freezes; a layer all of whose rates are 0 keeps its running statistics, too (and while
            training goes on, a frozen `BatchNorm` still normalises by the batch: unlike Keras, as PyTorch). `Rprop`
            and `Quickprop` know no other rates than 0 and 1. Decay is 1 for weights and 0 for all else unless `decays`
            says so; it takes an optimizer with decoupled decay (`AdamW`, `Lion`), as does `decay_schedule`.
        average : float, default 0.0
            In [0, 1): what a step keeps of the moving average of the weights, such as 0.99. Averages are validated,
            and kept. 0: no average. Callbacks see the averages, to read: what one writes into them has no part in the
            steps to come. It does not go with `resume`, since an average begins anew with each fit.
        l1, l2 : float, default 0.0
            Penalties: l1 sum |w| + l2 sum w^2 over weights alone.
        clip : lamina.ClipNorm or lamina.AGC, optional
        validation : float, lamina.Split, (X, y), (X, y, lengths) or None, default 0.1
            What to set aside: a fraction (stratified for classes), a `Split`, a set of your own, or nothing. A fraction
            of fewer than ten rows, or one that sets one row aside, is warned of.
        early_stopping : lamina.EarlyStopping or None, default lamina.EarlyStopping(patience=10)
        sample_weight, validation_sample_weight : array-like, (rows,), optional
            A row of weight 2 counts as the row given twice, one of weight 0 as if it were not there.
        class_weight : dict or "balanced", optional
            What each row of a class counts, in training and validation, and each step where steps have targets of their
            own; "balanced" makes the classes count alike, by the weights of their rows, and rows of a class that is
            validated on alone count as they are.
        scoring : str or callable, optional
            One of `lamina.metrics.names()`, or a callable of (network, X, y), of which more is better: early stopping
            keeps the best epoch.
        metrics : list of str and callables, or dict, optional
            What else to know of the validation part after every epoch, in the history and for callbacks: names of
            `lamina.metrics.names()`, and callables of (network, X, y), by their names or those of a dict. Each is one
            more prediction of the validation part, unless it is what `scoring` names.
        max_time : float, optional
            Seconds after which training ends with its epoch; then the number of epochs depends on the machine.
        shuffle : bool, default True
            Draw the rows in a new order each epoch.
        callbacks : iterable of callables
            Each gets an `Epoch` after every epoch, and may call its `stop`. `lamina.callbacks` has some that write
            logs; its `FitRun` says how one is told of the beginning and the end.
        n_threads : int, optional
            By default as many as pay off; never a different result. On busy cores a number can be far slower than one.
        verbose : int, default 0
            1 shows a progress bar.
        resume : bool, default False
            Go on with the optimizer's memory of the last fit: `epochs` more, in new orders and with new draws.
            Schedules, early stopping and the history begin anew. The first fit of a new network begins; ValueError
            where what there was to go on with is lost: after `lamina.load` or `astype`, or with another optimizer.
        resume_from : path, optional
            A checkpoint (`lamina.callbacks.Checkpoint`) of the same fit, to go on exactly: weights, history and best
            epoch end with the bits of the fit that was never interrupted. Options, samples, architecture, dtype and
            seed have to be the same, the network may be a new one; `callbacks`, `n_threads`, `verbose` and `max_time`
            may differ. Where the fit was over, its result comes at once, and ``resume=True``, which asks for more
            epochs, is a ValueError. A file that is not there is an error, unless `callbacks` has a `Checkpoint` that
            will write it: then the fit begins.
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
        if unknown:
            raise unexpected(Network.fit, unknown, _OTHER_WORDS)
        given = counted_samples(self._spec, X, y, sample_weight, lengths)
        _refuse_fractions(self.layers, given, "X")
        if not resume:
            self._core.need_two_classes(given)
        training = set_aside(self._spec, given, validation, validation_sample_weight, self._seed)
        if (held := training.held_out) is not None and held.rows is None:
            _refuse_fractions(self.layers, held.samples, "validation X")
        self._warn_of_a_second_link()
        training = weighted_by_class(training, class_weight, self._spec)
        options = FitOptions(
            epochs=epochs,
            batch_size=batch_size,
            optimizer=optimizer,
            schedule=schedule,
            decay_schedule=decay_schedule,
            dropout_schedule=dropout_schedule,
            rates=rates,
            decays=decays,
            average=average,
            l1=l1,
            l2=l2,
            clip=clip,
            early_stopping=early_stopping,
            scoring=scoring,
            metrics=metrics,
            max_time=max_time,
            shuffle=shuffle,
            callbacks=callbacks,
            n_threads=n_threads,
            verbose=verbose,
            resume=resume,
            penalty_per_batch=penalty_per_batch,
            resume_from=resume_from,
        )
        fit = Fit(self, self._spec, training, options)
        try:
            fit.run(self._core, self._normalizing, self.normalize_targets)
        finally:
            if fit.began:
                self.history = fit.history()
        if fit.diverged_layer is not None:
            message = fit.divergence(short(self._layers[fit.diverged_layer]))
            warnings.warn(message, DivergenceWarning, stacklevel=2)
        assert self.history is not None
        return self.history

    def _warn_of_a_second_link(self) -> None:
        """Warn where the last layer's activation comes before the loss's own logistic or softmax."""
        last = self._layers[-1]
        jordan = getattr(last, "kind", "") == "jordan"  # whose outputs have an activation of their own
        name = getattr(getattr(last, "output_activation" if jordan else "activation", None), "name", "identity")
        if self._loss.link in ("logistic", "softmax") and name != "identity":
            warnings.warn(
                f"the last layer, {last!r}, gives what the {self._loss.link} of the loss {self._loss.name} is applied "
                "to; its activation should be 'identity'",
                UserWarning,
                stacklevel=3,
            )

    # Using --------------------------------------------------------------------------------------------------------

    def predict(self, X: Any, n_threads: int | None = None, lengths: Any = None) -> Array:
        """Return (rows, outputs): probabilities for the classification losses, rates for poisson, else values.

        Of an ensemble (`SharedDense`) the mean of its members' predictions. A row's bits do not depend on the rows
        beside it, nor on the threads. A recurrent network takes sequences; where every step has outputs they are
        (rows, steps, outputs), 0 beyond a sequence's length.
        """
        return self._infer(X, True, n_threads, lengths)

    def forward(self, X: Any, n_threads: int | None = None, lengths: Any = None) -> Array:
        """Return the raw outputs of the last layer (logits), shaped as those of `predict`.

        Of an ensemble (`SharedDense`) those whose prediction is the mean of its members' predictions.
        """
        return self._infer(X, False, n_threads, lengths)

    def _infer(self, X: Any, link: bool, n_threads: int | None, lengths: Any) -> Array:
        # A ready array goes straight to the core, which checks that it is finite: a row takes a microsecond or two.
        if n_threads is None and lengths is None and (ready := self._core.infer_ready(X, link)) is not None:
            return ready  # type: ignore[no-any-return]
        return self._infer_converted(X, link, n_threads, lengths)

    def _infer_converted(self, X: Any, link: bool, n_threads: int | None, lengths: Any) -> Array:
        """The outputs of what is no ready array; by itself, since what a comprehension sees costs every call a cell."""
        if lengths is not None or self._spec.recurrent:
            x, checked = inputs(self._spec, X, lengths)
            return self._core.infer(x, link, thread_count(n_threads), checked)  # type: ignore[no-any-return]
        threads = thread_count(n_threads)
        parts = [self._core.infer(block, link, threads) for block in matrix_blocks(X, self._n_inputs, self._dtype)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def evaluate(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        n_threads: int | None = None,
        lengths: Any = None,
        metric: str | None = None,
    ) -> float:
        """Return the loss on these samples, without penalty: the mean over the rows; or, of `lamina.metrics`, a metric.

        A row's loss is what `lamina.losses` says: for ``"squared_error"`` half the squared error, summed over the
        outputs, so that with one output this is half of scikit-learn's `mean_squared_error`.
        """
        given = counted_samples(self._spec, X, y, sample_weight, lengths)
        if metric is not None:
            return float(self._core.score(given, thread_count(n_threads), metric))
        return float(self._core.evaluate(given, thread_count(n_threads)))

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
        given = counted_samples(self._spec, X, y, sample_weight, lengths)
        training = boolean(training, "training")
        how = _GRADIENT[training]
        if l1 or l2 or n_threads is not None:  # what is usual is made once: it takes longer than a small gradient
            penalty = _core.PenaltyStrength(number(l1, "l1"), number(l2, "l2"))
            how = _core.GradientOptions(penalty, training, threads=thread_count(n_threads))
        loss, flat, _ = self._core.loss_and_gradients(given, how)
        return float(loss), self._named(flat)

    def input_gradient(
        self, X: Any, y: Any, sample_weight: Any = None, training: bool = False, lengths: Any = None
    ) -> Array:
        """Return d loss / d X, of the shape of X, of the loss averaged over the rows."""
        given = counted_samples(self._spec, X, y, sample_weight, lengths)
        how = _GRADIENT[boolean(training, "training")]
        gradient: Array = self._core.loss_and_gradients(given, how, with_input=True)[2]
        rows = counted_rows(self._spec, X, sample_weight)
        if rows is None:
            return gradient
        everywhere = np.zeros((len(X), *gradient.shape[1:]), gradient.dtype)
        everywhere[rows] = gradient
        return everywhere

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

    # Sequences step by step ---------------------------------------------------------------------------------------

    def step(self, x: Any) -> Array:
        """Return the prediction for the next step of a sequence, x (n_inputs,), or of several, (sequences, n_inputs).

        The recurrent layers carry what they remember from one call to the next, until `reset_state`; the predictions
        are those of `predict` for all the steps so far, to the bit.
        """
        return stepping.step(self._core, self._spec, x)

    def reset_state(self) -> None:
        """Forget the sequences of `step`: the next step is a first one."""
        self._core.reset_state()

    @property
    def state(self) -> list[Array] | None:
        """What `step` carries, (sequences, outputs) a recurrent layer; set it to go on from there."""
        return stepping.state(self._core)

    @state.setter
    def state(self, value: Any) -> None:
        stepping.set_state(self._core, value, self._dtype)

    # Keeping ------------------------------------------------------------------------------------------------------

    def copy(self) -> Network:
        """Return an independent copy, weights and the optimizer's memory included."""
        return _copy.deepcopy(self)

    def astype(self, dtype: str) -> Network:
        """Return a copy in another precision, without the optimizer's memory."""
        normalize = (self.normalize_inputs, self.normalize_targets)
        other = Network(self._layers, self._n_inputs, self._loss, dtype, self._seed, *normalize)
        for name, view in other.parameters.items():
            view[...] = self.parameters[name]
        other.set_scales(self.scales)
        other.core.data_start_due = self.core.data_start_due
        other.metadata = dict(self.metadata)
        other.core.trained = self.core.trained
        return other

    def save(self, path: FilePath) -> None:
        """Write a safetensors file, whole or not at all: weights by name, the architecture as JSON in its metadata.

        `lamina.load` reads it. A link is followed, a file that is there keeps its owner and mode. The optimizer's
        memory is not in it: a checkpoint (`lamina.callbacks.Checkpoint`) keeps a fit that is to go on.
        """
        write(path, self.contents())

    def contents(self) -> Contents:
        """Return what a model file holds of the network, between two steps where another thread trains it."""
        still = self._core.copy(with_memory=False)
        return Contents.of(self._architecture(still), still.parameters(), still.scales, self.metadata)

    def architecture(self) -> dict[str, Any]:
        """Return what makes the network, beside its weights, as plain JSON values; TypeError where a part is custom."""
        return self._architecture(self._core)

    def _architecture(self, core: Any) -> dict[str, Any]:
        """As `architecture`; `core` tells whether the start from data, where layers have one, is still due."""
        due = core.data_start_due
        return {
            "layers": [described_layer(layer) for layer in self._layers],
            "n_inputs": self._n_inputs,
            "loss": described(self._loss),
            "dtype": self._dtype.name,
            "seed": self._seed,
            "normalize_inputs": self.normalize_inputs,
            **({"normalize_targets": True} if self.normalize_targets else {}),
            **({} if due is None else {_DATA_START: due}),
        }

    @classmethod
    def from_architecture(cls, architecture: dict[str, Any]) -> Network:
        """Return a network with fresh weights from the result of `architecture`."""
        return cls(
            [layer_from(entry) for entry in architecture["layers"]],
            architecture["n_inputs"],
            losses.get(**architecture["loss"]),
            architecture["dtype"],
            architecture["seed"],
            architecture["normalize_inputs"],
            architecture.get("normalize_targets", False),
        )

    @staticmethod
    def forms_of(architecture: dict[str, Any]) -> Forms:
        """Return what arrays a network from the result of `architecture` has; nothing is built."""
        layers = [layer_from(entry) for entry in architecture["layers"]]
        n_inputs = whole_number(architecture["n_inputs"], "n_inputs", 1)
        forms = _forms(layers, n_inputs, float_type(architecture["dtype"]))
        return forms.accounting_for(n_inputs + _core.output_count(layers, n_inputs))

    @classmethod
    def from_contents(cls, contents: Contents) -> Network:
        """Return the network that a model file holds."""
        net = cls.from_architecture(contents.architecture)
        contents.restore(net)
        net.core.data_start_due = contents.architecture.get(_DATA_START)
        net.core.trained = True
        return net

    def __getstate__(self) -> dict[str, Any]:
        """Return everything that makes the network what it is, the optimizer's memory included."""
        state = {k: v for k, v in self.__dict__.items() if k not in ("_core", "_spec")}
        still = self._core.copy()  # as it is between two steps, where another thread trains it
        state["parameters"] = {name: view.copy() for name, view in still.parameters().items()}
        state["scales"], state[_DATA_START] = still.scales, still.data_start_due
        state["memory"], state["trained"] = still.memory, still.trained
        state["sequences"] = (still.sequences_under_way, still.state)
        return with_version(state)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make the core's network anew, and give it what `state` holds; ValueError where that does not fit."""
        state = without_version(state, "network")
        parameters, memory = state.pop("parameters"), state.pop("memory")
        count, sequences = state.pop("sequences")
        scales, data_start_due = state.pop("scales", None), state.pop(_DATA_START, None)
        loaded = state.pop("_has_a_past", False)
        trained = state.pop("trained", loaded or state.get("history") is not None)  # older ones do not say
        if scales is None:  # of a version that normalised by mean and deviation alone
            pair = state.pop("normalization")
            scales = {} if pair is None else dict(zip(NORMALIZATION, pair, strict=True))
        forms = _forms(state["_layers"], state["_n_inputs"], state["_dtype"])
        forms.check({name: form_of(array) for name, array in {**parameters, **scales}.items()})
        self.__dict__.update(
            {"normalize_targets": False, "_normalizing": _normalizing(state["normalize_inputs"]), **state}
        )
        self._make_core()
        for name, view in self._core.parameters().items():
            view[...] = parameters[name]
        self.set_scales(scales)
        self._core.data_start_due = data_start_due
        self._core.memory = memory_by_names(memory) if isinstance(memory, tuple) else memory
        self._core.trained = trained
        if count:
            self._core.state = (count, sequences)


def _forms(layers: Sequence[Any], n_inputs: int, dtype: np.dtype[Any]) -> Forms:
    """What arrays a network of these layers has."""
    layers = list(layers)
    return Forms.of(
        _core.parameter_shapes(layers, n_inputs), n_inputs, dtype.name, _core.output_count(layers, n_inputs)
    )


def _normalizing(given: Any) -> str:
    """The core's name of what `normalize_inputs` asks for."""
    known = {"standard": "standard", "robust": "robust", True: "standard", False: "none"}
    if isinstance(given, (str, bool, np.bool_)) and given in known:
        return known[given]
    raise (TypeError if not isinstance(given, str) else ValueError)(
        f"normalize_inputs must be False, True, 'standard' or 'robust'; got {given!r}"
    )


def _refuse_fractions(layers: Sequence[Any], given: Samples, name: str) -> None:
    """Raise ValueError where a column of categories, as the `Embedding` layers in front name them, holds a fraction.

    Steps beyond the lengths may be anything.
    """
    x = given.x
    source: list[int | None] = list(range(x.shape[-1]))  # of each of a layer's inputs: the column of x
    for layer in layers:
        if not isinstance(layer, (_core.Embedding, _core.NumericEmbedding)):
            return
        if isinstance(layer, _core.Embedding):
            for column in (source[chosen] for chosen in layer.columns if chosen < len(source)):
                if column is None:
                    continue
                values = x[..., column]
                fractions = values != np.floor(values)
                if given.lengths is not None:
                    fractions &= within_lengths(given.lengths, x.shape[1])
                if fractions.any():
                    raise ValueError(
                        f"{name} must hold numbers of categories in column {column}, which an Embedding looks up; got "
                        f"{values[fractions][0]:g} in row {int(np.argwhere(fractions)[0, 0])}"
                    )
        # What a layer does not name comes first, and what it makes of the others behind; of numbers no name means all.
        source = (
            [] if not layer.columns else [column for place, column in enumerate(source) if place not in layer.columns]
        )
