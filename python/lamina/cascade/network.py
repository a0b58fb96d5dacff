"""Cascade-correlation: networks that grow their hidden units one by one (Fahlman and Lebiere, 1990)."""

from __future__ import annotations

import copy as _copy
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from lamina._dispatch import core as _core
from lamina import activations
from lamina.cascade import conversion as _cascade_network
from lamina.cascade import growth as _cascade
from lamina.cascade.growth import CascadeHistory, CascadeStage
from lamina.data import arrays as _data
from lamina.data.arrays import Array
from lamina.training import fit as _fit
from lamina.training.callbacks import DivergenceWarning

__all__ = ["CascadeHistory", "CascadeNetwork", "CascadeStage"]

_OUTPUTS = ("auto", "identity", "logistic")


class CascadeNetwork:
    """A network that starts without hidden units and installs them one by one, each where it helps most.

    A new unit reads all inputs and all units before it. Before it is installed, `candidates` such units are trained
    side by side to correlate with the errors that are left; the best stays, its incoming weights frozen, and the
    outputs are trained anew.

    Parameters
    ----------
    n_inputs, n_outputs : int
    candidates : int, default 8
        Units trained for each one installed.
    max_units : int, default 25
        Where growth ends at the latest.
    activation : str, activation or list of them, default "tanh"
        Of the candidates; from a list they are taken in turn, so that different kinds compete.
    output : {"auto", "identity", "logistic"}, default "auto"
        The outputs' activation. "auto" takes the logistic where all targets are labels (0, 1, ...), else the identity.
    dtype : {"float32", "float64"}, default "float32"
    seed : int, default 0
        Same seed, same bits, for any number of threads.
    normalize_inputs : bool, default False
        Bring every input to zero mean and unit variance, fitted on the training part and saved with the model.
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int = 1,
        candidates: int = 8,
        max_units: int = 25,
        activation: Any = "tanh",
        output: str = "auto",
        dtype: str = "float32",
        seed: int = 0,
        normalize_inputs: bool = False,
    ) -> None:
        name = np.dtype(dtype).name
        if name not in ("float32", "float64"):
            raise ValueError(f"dtype must be 'float32' or 'float64'; got {dtype!r}")
        if output not in _OUTPUTS:
            raise ValueError(f"output must be one of {_OUTPUTS}; got {output!r}")
        self._dtype: np.dtype[Any] = np.dtype(name)
        self._n_inputs = _data.whole_number(n_inputs, "n_inputs", 1)
        self._n_outputs = _data.whole_number(n_outputs, "n_outputs", 1)
        self._candidates = _data.whole_number(candidates, "candidates", 1)
        self._max_units = _data.whole_number(max_units, "max_units", 0)
        self._pool = _cascade.pool_of(activation, self._candidates)
        self._seed = _data.whole_number(seed, "seed", 0)
        self._output_setting = output
        self.normalize_inputs = bool(normalize_inputs)
        #: What a caller wants to keep with the model: strings by name, saved and loaded with it.
        self.metadata: dict[str, str] = {}
        self.history: CascadeHistory | None = None
        self._normalization: tuple[Array, Array] | None = None
        self._units: list[Any] | None = None  # None: not grown yet
        self._output = output
        self._flat: Array = np.empty(0, self._dtype)
        self._shape: Any = None  # what the core calls the units, made for the first prediction
        self._stages: list[Array] = []  # the outputs' part of the flat parameters; then the part of all units
        self._stage_units: tuple[list[Any], Array] = ([], self._flat)

    # What it is ---------------------------------------------------------------------------------------------------

    @property
    def n_inputs(self) -> int:
        """Number of features."""
        return self._n_inputs

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""
        return self._n_outputs

    @property
    def n_units(self) -> int:
        """Number of hidden units installed."""
        return len(self._units or ())

    @property
    def units(self) -> tuple[Any, ...]:
        """The activations of the hidden units, in the order of installation."""
        return tuple(self._units or ())

    @property
    def output(self) -> str:
        """The outputs' activation: "identity" or "logistic" ("auto" before the first fit)."""
        return self._output

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
        """Zero-copy, writable views by name: ``"0.weight"``, ``"0.bias"``, ..., ``"output.weight"``, ``"output.bias"``.

        A unit's weights are (inputs + units before it,), the outputs' (inputs + units, outputs).
        """
        flat, inputs = self._grown(), self._n_inputs
        views = {}
        for k in range(self.n_units):
            at, end = _cascade.unit_offset(inputs, k), _cascade.unit_offset(inputs, k + 1)
            views[f"{k}.weight"], views[f"{k}.bias"] = flat[at + 1 : end], flat[at : at + 1]
        outputs = flat[_cascade.unit_offset(inputs, self.n_units) :].reshape(self._n_outputs, -1)
        return {**views, "output.weight": outputs[:, 1:].T, "output.bias": outputs[:, 0]}

    @property
    def input_normalization(self) -> tuple[Array, Array] | None:
        """Mean and 1 / standard deviation by feature, or None."""
        return self._normalization

    @input_normalization.setter
    def input_normalization(self, pair: tuple[Array, Array]) -> None:
        mean, scale = (np.array(part, self._dtype) for part in pair)
        self._normalization = (mean, scale)

    def summary(self) -> str:
        """Return a table of how the network grew."""
        return _cascade_network.summary(self)

    def __repr__(self) -> str:
        grown = "not grown yet" if self._units is None else f"{self.n_units} units"
        return (
            f"<lamina.CascadeNetwork {self._n_inputs} -> {grown} -> {self._n_outputs} {self._output}; "
            f"candidates {self._candidates} ({', '.join(f.name for f in self._pool)}), {self._dtype}>"
        )

    # Training -----------------------------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        validation: Any = None,
        patience: int = 5,
        optimizer: str = "quickprop",
        tolerance: float | None = None,
        output_epochs: int = 200,
        output_patience: int = 12,
        output_threshold: float = 0.01,
        candidate_epochs: int = 200,
        candidate_patience: int = 12,
        candidate_threshold: float = 0.03,
        mu: float = 2.0,
        decay: float = 0.0,
        callbacks: Iterable[Callable[[CascadeStage], Any]] = (),
        n_threads: int | None = None,
        verbose: int = 0,
    ) -> CascadeHistory:
        """Grow the network from nothing on all rows at once.

        Parameters
        ----------
        X : array-like, (rows, n_inputs)
        y : array-like
            Labels (rows,), one-hot rows, or values (rows,) or (rows, n_outputs).
        validation : float, lamina.Split, (X, y) or None, default None
            What to set aside: a fraction (stratified for labels), a `Split`, a set of your own, or nothing. With it,
            the stage of the least validation error is kept, without it that of the least training error.
        patience : int, default 5
            Units without a lower validation error before growth ends.
        optimizer : {"quickprop", "rprop"}, default "quickprop"
        tolerance : float, optional
            Growth ends when no target is missed by more (logistic; default 0.4), or when the error index is at most
            this (identity; default 0.2).
        output_epochs, candidate_epochs : int, default 200
            The most that a phase takes.
        output_patience, candidate_patience : int, default 12
            Epochs without a relative change above the threshold before a phase ends.
        output_threshold, candidate_threshold : float, default 0.01 and 0.03
        mu, decay : float, default 2.0 and 0.0
            Quickprop's largest growth of a step, and its weight decay.
        callbacks : iterable of callables
            Each gets a `CascadeStage` after every stage, and may call its `stop`.
        n_threads : int, optional
            By default as many as there are; never a different result.
        verbose : int, default 0
            1 prints a line for every stage on standard error.

        Returns
        -------
        CascadeHistory
            Also kept as `history`. After Ctrl-C the best network so far is in place.
        """
        x = _data.matrix(X, self._n_inputs, self._dtype)
        output = _cascade.output_of(self._output_setting, y, self._n_outputs)
        t = _cascade.targets(y, len(x), self, output)
        x, t, held = _cascade.held_out(self, x, t, validation, output)
        options = _core.CascadeOptions()
        options.pool, options.candidates, options.max_units = self._pool, self._candidates, self._max_units
        options.output, options.seed = activations.get(output), self._seed
        options.rprop = _cascade.is_rprop(optimizer)
        options.mu = _cascade.number(mu, "mu", 0.0, open_end=True)
        options.decay = _cascade.number(decay, "decay", 0.0)
        options.output_phase = _cascade.phase("output", output_epochs, output_patience, output_threshold)
        options.candidate_phase = _cascade.phase("candidate", candidate_epochs, candidate_patience, candidate_threshold)
        usual = 0.4 if output == "logistic" else 0.2
        options.tolerance = usual if tolerance is None else _cascade.number(tolerance, "tolerance", 0.0)
        options.unit_patience = _data.whole_number(patience, "patience", 1)
        options.threads = _fit.threads(n_threads)
        result = _core.CascadeResult()
        hook = _cascade.stage_hook(callbacks, result, verbose)
        normalization = _cascade.normalization_of(x) if self.normalize_inputs else None
        # The identity's targets are brought to zero mean and unit variance, which its weights undo afterwards.
        mean, scale = np.zeros(self._n_outputs), np.ones(self._n_outputs)
        if output == "identity":
            mean, scale = t.mean(axis=0, dtype=np.float64), _cascade.spread(t)
        else:
            options.deviation = float(t.std(dtype=np.float64)) or 1.0
        parts = [(x, t)] if held is None else [(x, t), held]
        ready = [
            (_cascade.normalized(inputs, normalization), np.ascontiguousarray((wanted - mean) / scale, self._dtype))
            for inputs, wanted in parts
        ]
        try:
            _core.cascade_fit(*ready[0], ready[1] if held is not None else None, options, result, hook)
        finally:
            if result.error:
                self._adopt(result, output, normalization, mean, scale)
        if self.history is None or not result.error:
            raise ValueError("training diverged before there was a network: bring X to a smaller scale")
        if result.diverged:
            warnings.warn(
                f"training diverged with {len(result.units)} units: {result.stop_reason}; the best network so far is "
                "in place. normalize_inputs=True or optimizer='rprop' may help.",
                DivergenceWarning,
                stacklevel=2,
            )
        return self.history

    def _adopt(self, result: Any, output: str, normalization: Any, mean: Array, scale: Array) -> None:
        """Take over what the core has grown."""
        self._stage_units = (list(result.units), np.array(result.unit_weights))
        self._stages = []
        for weights in result.output_weights:
            by_output = np.array(weights).reshape(self._n_outputs, -1) * scale[:, None]
            by_output[:, 0] += mean
            self._stages.append(by_output.ravel())
        self._output, self._normalization = output, normalization
        self.history = _cascade.history_of(result)
        self._use_stage(int(result.best))

    def _use_stage(self, k: int) -> None:
        units, weights = self._stage_units
        self._units, self._shape = units[:k], None
        used = weights[: _cascade.unit_offset(self._n_inputs, k)]
        self._flat = np.concatenate([used, self._stages[k]]).astype(self._dtype)

    def at(self, units: int) -> CascadeNetwork:
        """Return the network as it was with this many units, after its outputs had been trained."""
        self._grown()
        most = len(self._stages) - 1
        if most < 0:
            raise ValueError("the stages of growth are not saved with a model; this network was loaded")
        if not 0 <= _data.whole_number(units, "units", 0) <= most:
            raise ValueError(f"units must be in 0 .. {most}, what the network grew to; got {units}")
        other = self.copy()
        other._use_stage(units)
        return other

    # Using --------------------------------------------------------------------------------------------------------

    def predict(self, X: Any, n_threads: int | None = None) -> Array:
        """Return (rows, outputs): in [0, 1] for logistic outputs, else values.

        A row's bits do not depend on the rows beside it, nor on the threads.
        """
        return self._infer(X, True, n_threads)

    def forward(self, X: Any, n_threads: int | None = None) -> Array:
        """Return the outputs before their activation, (rows, outputs)."""
        return self._infer(X, False, n_threads)

    def _infer(self, X: Any, link: bool, n_threads: int | None) -> Array:
        flat = self._grown()
        x = _cascade.normalized(_data.matrix(X, self._n_inputs, self._dtype), self._normalization)
        if self._shape is None:
            output = activations.get(self._output)
            self._shape = _core.CascadeShape(self._n_inputs, self._n_outputs, self.units, output)
        return _core.cascade_infer(self._shape, flat, x, link, _fit.threads(n_threads))  # type: ignore[no-any-return]

    def evaluate(self, X: Any, y: Any, n_threads: int | None = None) -> float:
        """Return the squared error 1/2 sum (t - y)^2, averaged over the rows."""
        outputs = self.predict(X, n_threads)
        t = _cascade.targets(y, len(outputs), self, self._output)
        return 0.5 * float(np.square(outputs.astype(np.float64) - t).sum(axis=1).mean())

    def _grown(self) -> Array:
        if self._units is None:
            raise ValueError("the network has not grown yet: call fit first")
        return self._flat

    # Keeping ------------------------------------------------------------------------------------------------------

    def to_network(self) -> Any:
        """Return an ordinary `Network` of `Shortcut` layers that gives the same predictions to rounding.

        It can be trained further as a whole, by any optimizer. Logistic outputs become a binary cross-entropy.
        """
        return _cascade_network.to_network(self)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_shape": None}

    def copy(self) -> CascadeNetwork:
        """Return an independent copy."""
        return _copy.deepcopy(self)

    def save(self, path: Any) -> None:
        """Write a safetensors file, whole or not at all: weights by name, the rest as JSON in its metadata."""
        from lamina.network.model_file import save

        self._grown()
        save(self, path)

    def plot(self, ax: Any = None, path: Any = None) -> Any:
        """Draw the network as it grew, in lines and boxes; see `lamina.plots_cascade.diagram`."""
        from lamina.plots.cascade import diagram

        return diagram(self, ax, path)
