"""The network that grows."""

from __future__ import annotations

import copy as _copy
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from lamina._dispatch import core as _core
from lamina import activations, losses
from lamina.cascade.growth import CascadeHistory, CascadeStage, GrowthOptions, Phase, history_of, stage_hook
from lamina.cascade.samples import (
    cascade_targets,
    normalization_of,
    normalized,
    output_of,
    set_aside,
    spread,
)
from lamina.data.arguments import float_type, thread_count, whole_number
from lamina.data.arrays import Array, matrix
from lamina.data.records import Samples, SampleSpec
from lamina.files import FilePath
from lamina.network.network import Network
from lamina.plots.cascade import diagram
from lamina.storage.container import Contents, write
from lamina.storage.forms import NORMALIZATION, ArrayForm, Forms, form_of
from lamina.storage.parts import described
from lamina.storage.pickles import with_version, without_version
from lamina.training.callbacks import DivergenceWarning

__all__ = ["CascadeNetwork"]

_OUTPUTS = ("auto", "identity", "logistic")
# The loss of a network of layers with these outputs.
_LOSSES = {"identity": "squared_error", "logistic": "binary_cross_entropy"}


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
        self._dtype = float_type(dtype)
        if output not in _OUTPUTS:
            raise ValueError(f"output must be one of {_OUTPUTS}; got {output!r}")
        self._n_inputs = whole_number(n_inputs, "n_inputs", 1)
        self._n_outputs = whole_number(n_outputs, "n_outputs", 1)
        self._candidates = whole_number(candidates, "candidates", 1)
        self._max_units = whole_number(max_units, "max_units", 0)
        self._pool = _pool_of(activation, self._candidates)
        self._seed = whole_number(seed, "seed", 0)
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
            at, end = _unit_offset(inputs, k), _unit_offset(inputs, k + 1)
            views[f"{k}.weight"], views[f"{k}.bias"] = flat[at + 1 : end], flat[at : at + 1]
        outputs = flat[_unit_offset(inputs, self.n_units) :].reshape(self._n_outputs, -1)
        return {**views, "output.weight": outputs[:, 1:].T, "output.bias": outputs[:, 0]}

    @property
    def input_normalization(self) -> tuple[Array, Array] | None:
        """Mean and 1 / standard deviation by feature, or None."""
        return self._normalization

    @input_normalization.setter
    def input_normalization(self, pair: tuple[Array, Array]) -> None:
        mean, scale = (np.array(part, self._dtype) for part in pair)
        self._normalization = (mean, scale)

    @property
    def spec(self) -> SampleSpec:
        """What samples it takes; its error is the squared one."""
        return SampleSpec(self._n_inputs, self._n_outputs, losses.get("squared_error"), self._dtype)

    def summary(self) -> str:
        """Return a table of how the network grew."""
        history = self.history
        lines = [f"{self!r}"[1:-1].removeprefix("lamina.")]
        if history is not None:
            lines.append("units  activation    correlation       error  validation   wrong")
            for k, error in enumerate(history.error):
                unit, correlation = ("", "") if k == 0 else (history.units[k - 1], f"{history.correlation[k - 1]:.4g}")
                held = f"{history.validation_error[k]:.4g}" if history.validation_error else ""
                kept = "  <- kept" if k == self.n_units else ""
                lines.append(
                    f"{k:>5}  {unit:<12}  {correlation:>11}  {error:>10.4g}  {held:>10}  {history.wrong[k]:>6}{kept}"
                )
            lines.append(f"growth ended: {history.stop_reason}")
        lines.append(f"{self._flat.size:,} parameters in all")
        return "\n".join(lines)

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
        spec = self.spec
        x = matrix(X, self._n_inputs, self._dtype)
        output = output_of(self._output_setting, y, self._n_outputs)
        given = Samples(x, cascade_targets(spec, y, len(x), output))
        training, held = set_aside(spec, given, validation, output, self._seed)
        options = GrowthOptions(
            pool=self._pool,
            candidates=self._candidates,
            max_units=self._max_units,
            output=output,
            seed=self._seed,
            patience=patience,
            optimizer=optimizer,
            tolerance=tolerance,
            outputs_phase=Phase(output_epochs, output_patience, output_threshold),
            candidates_phase=Phase(candidate_epochs, candidate_patience, candidate_threshold),
            mu=mu,
            decay=decay,
            n_threads=n_threads,
        ).for_core()
        result = _core.CascadeResult()
        hook = stage_hook(callbacks, result, verbose)
        normalization = normalization_of(training.x) if self.normalize_inputs else None
        # The identity's targets are brought to zero mean and unit variance, which its weights undo afterwards.
        mean, scale = np.zeros(self._n_outputs), np.ones(self._n_outputs)
        if output == "identity":
            mean, scale = training.targets.mean(axis=0, dtype=np.float64), spread(training.targets)
        else:
            options.deviation = float(training.targets.std(dtype=np.float64)) or 1.0
        ready = [
            (normalized(part.x, normalization), np.ascontiguousarray((part.targets - mean) / scale, self._dtype))
            for part in (training, held)
            if part is not None
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
        self.history = history_of(result)
        self._use_stage(int(result.best))

    def _use_stage(self, k: int) -> None:
        units, weights = self._stage_units
        self._units, self._shape = units[:k], None
        used = weights[: _unit_offset(self._n_inputs, k)]
        self._flat = np.concatenate([used, self._stages[k]]).astype(self._dtype)

    def at(self, units: int) -> CascadeNetwork:
        """Return the network as it was with this many units, after its outputs had been trained."""
        self._grown()
        most = len(self._stages) - 1
        if most < 0:
            raise ValueError("the stages of growth are not saved with a model; this network was loaded")
        if not 0 <= whole_number(units, "units", 0) <= most:
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
        x = normalized(matrix(X, self._n_inputs, self._dtype), self._normalization)
        if self._shape is None:
            output = activations.get(self._output)
            self._shape = _core.CascadeShape(self._n_inputs, self._n_outputs, self.units, output)
        return _core.cascade_infer(self._shape, flat, x, link, thread_count(n_threads))  # type: ignore[no-any-return]

    def evaluate(self, X: Any, y: Any, n_threads: int | None = None) -> float:
        """Return the squared error 1/2 sum (t - y)^2, averaged over the rows."""
        outputs = self.predict(X, n_threads)
        t = cascade_targets(self.spec, y, len(outputs), self._output)
        return 0.5 * float(np.square(outputs.astype(np.float64) - t).sum(axis=1).mean())

    def _grown(self) -> Array:
        if self._units is None:
            raise ValueError("the network has not grown yet: call fit first")
        return self._flat

    # Keeping ------------------------------------------------------------------------------------------------------

    def to_network(self) -> Network:
        """Return an ordinary `Network` of `Shortcut` layers that gives the same predictions to rounding.

        It can be trained further as a whole, by any optimizer. Logistic outputs become a binary cross-entropy.
        """
        parameters, n_inputs, n_units = self.parameters, self._n_inputs, self.n_units
        layers = [*(_core.Shortcut(1, activation=f) for f in self.units), _core.Dense(self._n_outputs)]
        out = Network(layers, n_inputs, _LOSSES[self._output], self._dtype.name, self._seed, False)
        # A slope that alternates with the unit's position: min(0, x) = -max(0, -x) stands for the odd ones.
        sign = np.ones(n_inputs + n_units, self._dtype)
        views = out.parameters
        for k, f in enumerate(self.units):
            mirror = -1 if f.name == "bipolar_relu" and k % 2 else 1
            fan = n_inputs + k
            views[f"{k}.weight"][:, 0] = mirror * sign[:fan] * parameters[f"{k}.weight"]
            views[f"{k}.bias"][:] = mirror * parameters[f"{k}.bias"]
            sign[fan] = mirror
        views[f"{n_units}.weight"][:] = sign[:, None] * parameters["output.weight"]
        views[f"{n_units}.bias"][:] = parameters["output.bias"]
        if self._normalization is not None:
            out.input_normalization = self._normalization
        out.normalize_inputs = self.normalize_inputs
        out.metadata = dict(self.metadata)
        return out

    def __getstate__(self) -> dict[str, Any]:
        return with_version(self.__dict__ | {"_shape": None})

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what was pickled; ValueError where the arrays do not fit the units."""
        state = without_version(state, "cascade network")
        inputs, outputs, dtype = state["_n_inputs"], state["_n_outputs"], state["_dtype"].name
        units, stages, (grown, of_units) = state["_units"], state["_stages"], state["_stage_units"]
        arrays = {"weights": state["_flat"]}
        forms = Forms.of({"weights": (0 if units is None else _size(inputs, outputs, len(units)),)}, inputs, dtype)
        if state["_normalization"] is not None:
            arrays.update(zip(NORMALIZATION, state["_normalization"], strict=True))
        if stages:  # in double precision, as the core gave them
            sizes = {f"outputs of {k} units": outputs * (1 + inputs + k) for k in range(len(stages))}
            arrays |= {**dict(zip(sizes, stages, strict=True)), "units": of_units}
            sizes["units"] = _unit_offset(inputs, len(grown))
            forms.needed.update({name: ArrayForm("float64", (size,)) for name, size in sizes.items()})
        forms.check({name: form_of(array) for name, array in arrays.items()})
        self.__dict__.update(state)

    def copy(self) -> CascadeNetwork:
        """Return an independent copy."""
        return _copy.deepcopy(self)

    def save(self, path: FilePath) -> None:
        """Write a safetensors file, whole or not at all: weights by name, the rest as JSON in its metadata."""
        write(path, self.contents())

    def contents(self) -> Contents:
        """Return what a model file holds of the network."""
        parameters = {name: view.copy() for name, view in self.parameters.items()}
        return Contents.of(self.architecture(), parameters, self.input_normalization, self.metadata)

    def architecture(self) -> dict[str, Any]:
        """Return what makes the network, beside its weights, as plain JSON values; TypeError where a part is custom."""
        return {
            "network": "CascadeNetwork",
            "n_inputs": self._n_inputs,
            "n_outputs": self._n_outputs,
            "candidates": self._candidates,
            "max_units": self._max_units,
            "pool": [described(f) for f in self._pool],
            "output_setting": self._output_setting,
            "output": self._output,
            "units": [described(f) for f in self.units],
            "dtype": self._dtype.name,
            "seed": self._seed,
            "normalize_inputs": self.normalize_inputs,
            "history": None if self.history is None else self.history.as_dict(),
        }

    @staticmethod
    def forms_of(architecture: dict[str, Any]) -> Forms:
        """Return what arrays a network from the result of `architecture` has; nothing is built."""
        inputs, outputs = (whole_number(architecture[name], name, 1) for name in ("n_inputs", "n_outputs"))
        n_units = len(architecture["units"])
        shapes: dict[str, tuple[int, ...]] = {}
        for k in range(n_units):
            shapes |= {f"{k}.weight": (inputs + k,), f"{k}.bias": (1,)}
        shapes |= {"output.weight": (inputs + n_units, outputs), "output.bias": (outputs,)}
        return Forms.of(shapes, inputs, float_type(architecture["dtype"]).name)

    @classmethod
    def from_architecture(cls, architecture: dict[str, Any]) -> CascadeNetwork:
        """Return a network with weights of zero from the result of `architecture`; ValueError where it has no sense."""
        net = cls(
            architecture["n_inputs"],
            architecture["n_outputs"],
            architecture["candidates"],
            architecture["max_units"],
            [activations.get(**entry) for entry in architecture["pool"]],
            architecture["output_setting"],
            architecture["dtype"],
            architecture["seed"],
            architecture["normalize_inputs"],
        )
        net._units = [activations.get(**entry) for entry in architecture["units"]]
        net._output = architecture["output"]
        if net._output not in ([*_LOSSES] if net._output_setting == "auto" else [net._output_setting]):
            raise ValueError(f"output cannot be {net._output!r} where {net._output_setting!r} was asked for")
        net._flat = np.zeros(_size(net._n_inputs, net._n_outputs, net.n_units), net._dtype)
        if architecture["history"] is not None:
            net.history = CascadeHistory.from_dict(architecture["history"], [f.name for f in net._units])
        return net

    @classmethod
    def from_contents(cls, contents: Contents) -> CascadeNetwork:
        """Return the network that a model file holds."""
        net = cls.from_architecture(contents.architecture)
        contents.restore(net)
        return net

    def plot(self, ax: Any = None, path: Any = None) -> Any:
        """Draw the network as it grew, in lines and boxes; see `lamina.plots_cascade.diagram`."""
        return diagram(self, ax, path)


def _pool_of(activation: Any, candidates: int) -> list[Any]:
    """The activations that candidates have in turn; ValueError or TypeError names `activation`."""
    chosen = list(activation) if isinstance(activation, (list, tuple)) else [activation]
    if not chosen:
        raise ValueError("activation must name at least one candidate; got an empty pool")
    if len(chosen) > candidates:
        raise ValueError(
            f"candidates must be at least {len(chosen)}, one for each activation in the pool; got {candidates}"
        )
    return [activations.get(entry) for entry in chosen]


def _unit_offset(inputs: int, k: int) -> int:
    """Where the bias of unit k is in the flat parameters, its weights following it."""
    return k * (inputs + 1) + k * (k - 1) // 2


def _size(inputs: int, outputs: int, units: int) -> int:
    """How many flat parameters there are: those of the units, then those of the outputs."""
    return _unit_offset(inputs, units) + outputs * (1 + inputs + units)
