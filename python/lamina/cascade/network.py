"""The network that grows."""

from __future__ import annotations

import copy as _copy
import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np

from lamina._dispatch import core as _core
from lamina import activations, losses
from lamina.cascade.grown import Grown, Stages
from lamina.cascade.growth import CascadeHistory, CascadeStage, growth_options, history_of, phase_limits, stage_hook
from lamina.cascade.kept_stages import KeptStages
from lamina.cascade.samples import (
    TargetScale,
    cascade_samples,
    normalization_of,
    normalized,
    set_aside,
)
from lamina.data.arguments import (
    boolean,
    float_type,
    seed_number,
    thread_count,
    unexpected,
    verbosity,
    whole_number,
    without_unknown,
)
from lamina.data.arrays import Array, matrix, mean_and_scale_of
from lamina.data.records import Samples, SampleSpec
from lamina.files import FilePath
from lamina.network.network import Network
from lamina.other_words import OF_NETWORKS, with_other_words
from lamina.plots.cascade import diagram
from lamina.plots.layers import Block
from lamina.storage.container import Contents, write
from lamina.storage.forms import NORMALIZATION, Forms
from lamina.storage.parts import described
from lamina.storage.pickles import with_version, without_version
from lamina.storage.plain import described_samples, name_of, plain
from lamina.storage.run_file import RunFile
from lamina.text import counted
from lamina.training.callbacks import DivergenceWarning, callbacks_of
from lamina.training.progress import say

__all__ = ["CascadeNetwork"]

_VALIDATION = "write validation=0.2 for a fifth of the rows, or validation=(X, y)"
#: What other libraries, and `Network.fit`, call an option of `fit`, and how it is said here.
_OTHER_WORDS = {
    **dict.fromkeys(("validation_split", "validation_fraction", "validation_data", "eval_set"), _VALIDATION),
    **dict.fromkeys(
        ("epochs", "max_iter"), "write output_epochs=200, candidate_epochs=200 for 200 in each phase at most"
    ),
    **dict.fromkeys(("early_stopping", "n_iter_no_change"), "write validation=0.2, patience=5 to end growth early"),
    **dict.fromkeys(("candidates", "max_units", "seed"), "it is the network's: see lamina.CascadeNetwork"),
    "random_state": "the seed is the network's: lamina.CascadeNetwork(..., seed=0)",
    "n_jobs": "write n_threads=2",
}
_OUTPUTS = ("auto", "identity", "logistic")
# The loss of a network of layers with these outputs.
_LOSSES = {"identity": "squared_error", "logistic": "binary_cross_entropy"}


@with_other_words(OF_NETWORKS)
class CascadeNetwork:
    """A network that starts without hidden units and installs them one by one, each where it helps most.

    A new unit reads all inputs and all units before it. Before it is installed, `candidates` such units are trained
    side by side to correlate with the errors that are left; the best stays, its incoming weights frozen, and the
    outputs are trained anew.

    Beside a `fit` other threads may predict, copy, pickle and save: they get the network before it, or that after it.

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
        self._seed = seed_number(seed)
        self._output_setting = output
        self.normalize_inputs = boolean(normalize_inputs, "normalize_inputs")
        #: What a caller wants to keep with the model: strings by name, saved and loaded with it.
        self.metadata: dict[str, str] = {}
        # All that growth changes is this one record, which a fit replaces as a whole. None: not grown yet.
        self._grown: Grown | None = None

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
        return len(self.units)

    @property
    def units(self) -> tuple[Any, ...]:
        """The activations of the hidden units, in the order of installation."""
        return () if self._grown is None else self._grown.units

    @property
    def output(self) -> str:
        """The outputs' activation: "identity" or "logistic" ("auto" before the first fit)."""
        return self._output_setting if self._grown is None else self._grown.output

    @property
    def history(self) -> CascadeHistory | None:
        """How the network grew; None before the first fit."""
        return None if self._grown is None else self._grown.history

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
        return self._network().views()

    @property
    def input_normalization(self) -> tuple[Array, Array] | None:
        """Mean and 1 / standard deviation by feature, or None."""
        return None if self._grown is None else self._grown.normalization

    @input_normalization.setter
    def input_normalization(self, pair: tuple[Array, Array] | None) -> None:
        if pair is not None:
            mean, scale = (part.astype(self._dtype) for part in mean_and_scale_of(pair))
            for part in (mean, scale):
                part.flags.writeable = False
            pair = (mean, scale)
            normalized(np.zeros((1, self._n_inputs), self._dtype), pair)  # which checks it
        self._grown = replace(self._network(), normalization=pair)

    def set_scales(self, scales: Mapping[str, Array]) -> None:
        """Take the normalisation of the inputs, by names, from a model file."""
        if scales:
            self.input_normalization = (scales[NORMALIZATION[0]], scales[NORMALIZATION[1]])

    @property
    def spec(self) -> SampleSpec:
        """What samples it takes; its error is the squared one."""
        return SampleSpec(self._n_inputs, self._n_outputs, losses.get("squared_error"), self._dtype)

    def summary(self) -> str:
        """Return a table of how the network grew."""
        grown = self._grown
        lines = [f"{self!r}"[1:-1].removeprefix("lamina.")]
        if grown is not None and (history := grown.history) is not None:
            lines.append("units  activation    correlation       error  validation   wrong")
            for k, error in enumerate(history.error):
                unit, correlation = ("", "") if k == 0 else (history.units[k - 1], f"{history.correlation[k - 1]:.4g}")
                held = f"{history.validation_error[k]:.4g}" if history.validation_error else ""
                kept = "  <- kept" if k == len(grown.units) else ""
                lines.append(
                    f"{k:>5}  {unit:<12}  {correlation:>11}  {error:>10.4g}  {held:>10}  {history.wrong[k]:>6.6g}{kept}"
                )
            lines.append(f"growth ended: {history.stop_reason}")
        lines.append(f"{0 if grown is None else grown.flat.size:,} parameters in all")
        return "\n".join(lines)

    def __repr__(self) -> str:
        grown = self._grown
        units, output = (
            ("not grown yet", self._output_setting) if grown is None else (f"{len(grown.units)} units", grown.output)
        )
        return (
            f"<lamina.CascadeNetwork {self._n_inputs} -> {units} -> {self._n_outputs} {output}; "
            f"candidates {self._candidates} ({', '.join(f.name for f in self._pool)}), {self._dtype}>"
        )

    # Training -----------------------------------------------------------------------------------------------------

    @without_unknown
    def fit(
        self,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        validation: Any = None,
        validation_sample_weight: Any = None,
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
        checkpoint: FilePath | None = None,
        **unknown: NoReturn,
    ) -> CascadeHistory:
        """Grow the network from nothing on all rows at once.

        Parameters
        ----------
        X : array-like, (rows, n_inputs)
        y : array-like
            Labels (rows,), one-hot rows, or values (rows,) or (rows, n_outputs).
        sample_weight, validation_sample_weight : array-like, (rows,), optional
            A row of weight 2 counts as the row given twice, one of weight 0 as if it were not there.
        validation : float, lamina.Split, (X, y) or None, default None
            What to set aside: a fraction (stratified for labels), a `Split`, a set of your own, or nothing. With it,
            the stage of the least validation error is kept, without it that of the least training error. A fraction of
            fewer than ten rows, or one that sets one row aside, is warned of.
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
        checkpoint : path-like, optional
            A file that keeps every stage as it ends. The same call, made again after it was broken off by whatever,
            goes on after the last one, and ends with the bits of a growth that was never interrupted, for any
            `n_threads`; where growth had ended, at once. Samples, network and options are compared; of functions
            (custom activations, callbacks) the names, and not what they do. Callbacks are called for new stages alone.

        Returns
        -------
        CascadeHistory
            Also kept as `history`. After Ctrl-C the best network so far is in place; a fit that is refused, or finds
            no network, leaves the one that was there.

        Raises
        ------
        ValueError
            The arguments are refused, or the numbers leave the range of the network's dtype before there is a network.
        CheckpointError
            There is something at `checkpoint` that is not the file of this growth, or that was damaged; a ValueError.
        """
        if unknown:
            raise unexpected(CascadeNetwork.fit, unknown, _OTHER_WORDS)
        asked = {name: value for name, value in locals().items() if name in _COMPARED}
        spec, standardize = self.spec, self.normalize_inputs
        hooks, verbose = callbacks_of(callbacks, "a CascadeStage"), verbosity(verbose)
        given, output = cascade_samples(spec, X, y, sample_weight, self._output_setting)
        training, held = set_aside(spec, given, validation, validation_sample_weight, output, self._seed)
        options = growth_options(
            output,
            optimizer,
            tolerance,
            patience,
            mu,
            decay,
            n_threads,
            pool=self._pool,
            candidates=self._candidates,
            max_units=self._max_units,
            seed=self._seed,
            output_phase=phase_limits("output", output_epochs, output_patience, output_threshold),
            candidate_phase=phase_limits("candidate", candidate_epochs, candidate_patience, candidate_threshold),
        )
        normalization = normalization_of(training) if standardize else None
        scale = None
        if output == "identity":
            scale = TargetScale.of(training)
        else:
            t, weight = training.targets.astype(np.float64), training.weights
            mean = np.average(t, axis=0, weights=weight).mean()
            variance = np.average(np.square(t - mean), axis=0, weights=weight).mean()
            options.deviation = float(np.sqrt(variance)) or 1.0
        train, apart = (None if part is None else _ready(part, normalization, scale) for part in (training, held))
        kept = self._kept(checkpoint, asked, hooks, given, held)
        if verbose and kept.n_begun:
            say(f"{counted(kept.n_begun - 1, 'unit')} from the checkpoint")
        options.on_stage = stage_hook(hooks, kept, verbose)
        result = kept.result
        try:
            if not kept.ended:
                _core.cascade_fit(*train, apart, options, result)  # type: ignore[misc]
                if result.error:
                    kept.end()
        finally:
            if result.error:
                grown = self._grown = self._grown_from(result, output, normalization, scale, training.x)
        if not result.error:
            raise ValueError("training diverged before there was a network: bring X to a smaller scale")
        if result.diverged:
            warnings.warn(
                f"training diverged with {len(result.units)} units: {result.stop_reason}; the best network so far is "
                "in place. normalize_inputs=True or optimizer='rprop' may help.",
                DivergenceWarning,
                stacklevel=2,
            )
        assert grown.history is not None
        return grown.history

    def _kept(
        self,
        checkpoint: FilePath | None,
        asked: dict[str, Any],
        hooks: Sequence[Callable[[CascadeStage], Any]],
        given: Samples,
        held: Samples | None,
    ) -> KeptStages:
        """The file of the growth that is `asked` for, with the stages that it has."""

        def run() -> dict[str, Any]:
            network = {name: value for name, value in self._architecture(None, plain).items() if name != "history"}
            optimizer, names = asked["optimizer"].lower(), [name_of(hook) for hook in hooks]
            options = {**asked, "optimizer": optimizer, "callbacks": names}
            if held is not None and isinstance(asked["validation"], (tuple, list)):
                options |= {"validation": described_samples(held), "validation_sample_weight": None}
            return {"network": network, "data": described_samples(given), "options": options}

        file = RunFile(checkpoint, "CascadeNetwork.fit", run)
        shape = self._n_inputs, self._n_outputs, self._max_units
        return KeptStages(file, self._pool, shape, held is not None)

    def _grown_from(self, result: Any, output: str, normalization: Any, scale: TargetScale | None, x: Array) -> Grown:
        """Return what the core has grown, as it applies to targets as they were; ValueError where it is not finite."""
        outputs = [np.array(weights).reshape(self._n_outputs, -1) for weights in result.output_weights]
        if scale is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                outputs = [scale.undo(weights) for weights in outputs]
        units = tuple(result.units)
        stages = Stages(units, np.array(result.unit_weights), tuple(weights.ravel() for weights in outputs))
        nothing = np.empty(0, self._dtype)
        history = history_of(result)
        whole = Grown(self._n_inputs, self._n_outputs, units, output, nothing, normalization, history, stages)
        try:
            grown = whole.at(history.best_units)
            if scale is not None and scale.extreme and not np.isfinite(grown.infer(x, True, 0)).all():
                raise FloatingPointError(f"a prediction is beyond {grown.flat.dtype}")
        except FloatingPointError as error:
            raise ValueError(f"{error}: bring y to a smaller scale") from error
        return grown

    def at(self, units: int) -> CascadeNetwork:
        """Return the network as it was with this many units, after its outputs had been trained."""
        grown = self._network()
        if grown.stages is None:
            raise ValueError("the stages of growth are not saved with a model; this network was loaded")
        most = len(grown.stages.output_weights) - 1
        if not 0 <= whole_number(units, "units", 0) <= most:
            raise ValueError(f"units must be in 0 .. {most}, what the network grew to; got {units}")
        stage = grown.at(units)
        other = self.copy()
        other._grown = stage
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
        grown = self._network()
        return grown.infer(matrix(X, self._n_inputs, self._dtype), link, thread_count(n_threads))

    def evaluate(self, X: Any, y: Any, n_threads: int | None = None, sample_weight: Any = None) -> float:
        """Return the squared error 1/2 sum (t - y)^2, averaged over the rows, each as often as it counts."""
        grown = self._network()
        given, _ = cascade_samples(self.spec, X, y, sample_weight, grown.output)
        outputs = grown.infer(given.x, True, thread_count(n_threads)).astype(np.float64)
        return 0.5 * float(np.average(np.square(outputs - given.targets).sum(axis=1), weights=given.weights))

    def _network(self) -> Grown:
        if self._grown is None:
            raise ValueError("the network has not grown yet: call fit first")
        return self._grown

    # Keeping ------------------------------------------------------------------------------------------------------

    def to_network(self) -> Network:
        """Return an ordinary `Network` of `Shortcut` layers that gives the same predictions to rounding.

        It can be trained further as a whole, by any optimizer. Logistic outputs become a binary cross-entropy.
        """
        grown = self._network()
        parameters, n_inputs, n_units = grown.views(), self._n_inputs, len(grown.units)
        layers = [*(_core.Shortcut(1, activation=f) for f in grown.units), _core.Dense(self._n_outputs)]
        out = Network(layers, n_inputs, _LOSSES[grown.output], self._dtype.name, self._seed, False)
        # A slope that alternates with the unit's position: min(0, x) = -max(0, -x) stands for the odd ones.
        sign = np.ones(n_inputs + n_units, self._dtype)
        views = out.parameters
        for k, f in enumerate(grown.units):
            mirror = -1 if f.name == "bipolar_relu" and k % 2 else 1
            fan = n_inputs + k
            views[f"{k}.weight"][:, 0] = mirror * sign[:fan] * parameters[f"{k}.weight"]
            views[f"{k}.bias"][:] = mirror * parameters[f"{k}.bias"]
            sign[fan] = mirror
        views[f"{n_units}.weight"][:] = sign[:, None] * parameters["output.weight"]
        views[f"{n_units}.bias"][:] = parameters["output.bias"]
        if grown.normalization is not None:
            out.input_normalization = grown.normalization
        out.normalize_inputs = self.normalize_inputs
        out.metadata = dict(self.metadata)
        return out

    def __getstate__(self) -> dict[str, Any]:
        return with_version(self.__dict__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what was pickled; ValueError where the arrays do not fit the units."""
        state = without_version(state, "cascade network")
        state = state if "_grown" in state else _one_record(state)
        if state["_grown"] is not None:
            state["_grown"].check(state["_n_inputs"], state["_n_outputs"], state["_dtype"].name)
        self.__dict__.update(state)

    def copy(self) -> CascadeNetwork:
        """Return an independent copy."""
        return _copy.deepcopy(self)

    def save(self, path: FilePath) -> None:
        """Write a safetensors file, whole or not at all: weights by name, the rest as JSON in its metadata."""
        write(path, self.contents())

    def contents(self) -> Contents:
        """Return what a model file holds of the network."""
        grown = self._network()
        parameters = {name: view.copy() for name, view in grown.views().items()}
        scales = {} if grown.normalization is None else dict(zip(NORMALIZATION, grown.normalization, strict=True))
        return Contents.of(self._architecture(grown), parameters, scales, self.metadata)

    def architecture(self) -> dict[str, Any]:
        """Return what makes the network, beside its weights, as plain JSON values; TypeError where a part is custom."""
        return self._architecture(self._grown)

    def _architecture(self, grown: Grown | None, described: Callable[[Any], Any] = described) -> dict[str, Any]:
        history = None if grown is None else grown.history
        return {
            "network": "CascadeNetwork",
            "n_inputs": self._n_inputs,
            "n_outputs": self._n_outputs,
            "candidates": self._candidates,
            "max_units": self._max_units,
            "pool": [described(f) for f in self._pool],
            "output_setting": self._output_setting,
            "output": self._output_setting if grown is None else grown.output,
            "units": [] if grown is None else [described(f) for f in grown.units],
            "dtype": self._dtype.name,
            "seed": self._seed,
            "normalize_inputs": self.normalize_inputs,
            "history": None if history is None else history.as_dict(),
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
        units = tuple(activations.get(**entry) for entry in architecture["units"])
        output, asked, told = architecture["output"], net._output_setting, architecture["history"]
        if output not in ([*_LOSSES] if asked == "auto" else [asked]):
            raise ValueError(f"output cannot be {output!r} where {asked!r} was asked for")
        net._grown = replace(
            Grown.zeros(net._n_inputs, net._n_outputs, units, output, net._dtype),
            history=None if told is None else CascadeHistory.from_dict(told, [f.name for f in units]),
        )
        return net

    @classmethod
    def from_contents(cls, contents: Contents) -> CascadeNetwork:
        """Return the network that a model file holds."""
        net = cls.from_architecture(contents.architecture)
        contents.restore(net)
        return net

    def _repr_html_(self) -> str:
        """What a notebook shows: inputs, units and outputs, and the error by number of units."""
        from lamina.html import notebook  # when a notebook asks for it
        from lamina.html.drawings import layers

        blocks = [
            Block("Input", "", self.n_inputs, is_input=True),
            *(Block(f"unit {k + 1}", f.name, 1, self.n_inputs + k + 1) for k, f in enumerate(self.units)),
            Block("output", self.output, self.n_outputs, self.n_outputs * (self.n_inputs + self.n_units + 1)),
        ]
        history = self.history
        return notebook.panel(
            f"CascadeNetwork: {counted(self.n_inputs, 'input')}, {counted(self.n_units, 'unit')}, "
            f"{counted(self.n_outputs, 'output')}",
            notebook.facts({"dtype": str(self.dtype), "seed": str(self.seed)}),
            notebook.wide(layers(blocks, repr(self))),
            None if history is None or not history.error else notebook.growth_part(history),
        )

    def plot(self, ax: Any = None, path: Any = None) -> Any:
        """Draw the network as it grew, in lines and boxes; see `lamina.plots_cascade.diagram`."""
        return diagram(self, ax, path)


# What a checkpoint compares of the options; the samples it compares as the core gets them.
_COMPARED = inspect.signature(CascadeNetwork.fit).parameters.keys() - {
    *("self", "X", "y", "sample_weight", "n_threads", "verbose", "checkpoint"),
}


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


def _ready(
    part: Samples, normalization: tuple[Array, Array] | None, scale: TargetScale | None
) -> tuple[Array, Array, Array | None]:
    """Inputs, targets and weights as growth takes them."""
    t = part.targets if scale is None else scale.apply(part.targets)
    return normalized(part.x, normalization), t, part.weights


def _one_record(state: dict[str, Any]) -> dict[str, Any]:
    """The state of today from that of pickles in which every part of what has grown was on its own."""
    names = ("_units", "_output", "_flat", "_normalization", "history", "_stages", "_stage_units", "_shape")
    units, output, flat, normalization, history, outputs, (all_units, unit_weights), _ = (state[n] for n in names)
    grown = None
    if units is not None:
        stages = Stages(tuple(all_units), unit_weights, tuple(outputs)) if outputs else None
        inputs_and_outputs = state["_n_inputs"], state["_n_outputs"]
        grown = Grown(*inputs_and_outputs, tuple(units), output, flat, normalization, history, stages)
    return {name: value for name, value in state.items() if name not in names} | {"_grown": grown}
