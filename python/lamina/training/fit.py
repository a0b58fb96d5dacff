"""One fit: what `Network.fit` is asked for, told to the core, and what the core tells of it.

All that Python says to the core's `FitOptions` and hears from its history is in this file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from itertools import combinations
from typing import Any

import numpy as np

from lamina._dispatch import core as _core
from lamina import metrics, optimizers, schedules
from lamina.data.arguments import boolean, number, thread_count, verbosity, whole_number
from lamina.data.records import SampleSpec, TrainingSet
from lamina.files import FilePath, path_of
from lamina.storage.container import understood
from lamina.storage.plain import plain
from lamina.text import counted
from lamina.training.callbacks import (
    EarlyStopping,
    Epoch,
    FitRun,
    History,
    ProgressBar,
    TimeLimit,
    callbacks_of,
)
from lamina.training.checkpoint import (
    METRIC,
    Checkpoint,
    CheckpointFile,
    KeptFit,
    digests_of,
    kept_at,
    network_of,
    same_file,
)
from lamina.training.held_out_metrics import HeldOutMetrics, named_metrics
from lamina.training.model import Model
from lamina.training.scoring import Scoring, score_of

__all__ = ["Fit", "FitOptions"]

_IN_HISTORY = [field.name for field in fields(History) if hasattr(_core.History, field.name)]
_AFTER_DIVERGENCE = (
    "the best weights so far are back in place. A lower learning rate, clip= or normalize_inputs=True may help."
)


@dataclass(slots=True)
class FitOptions:
    """What `Network.fit` is asked for beside its samples, under the same names; there it says what each one means."""

    epochs: int
    batch_size: int
    optimizer: Any
    schedule: Any
    decay_schedule: Any
    dropout_schedule: Any
    rates: Mapping[str | int, float] | None
    decays: Mapping[str | int, float] | None
    average: float
    l1: float
    l2: float
    clip: Any
    early_stopping: EarlyStopping | None
    scoring: Scoring
    metrics: Any
    max_time: float | None
    shuffle: bool
    callbacks: Iterable[Callable[[Epoch], Any]]
    n_threads: int | None
    verbose: int
    resume: bool
    penalty_per_batch: bool
    resume_from: FilePath | None = None


class Fit:
    """A fit that is ready to run: everything is checked, and nothing has changed yet.

    Parameters
    ----------
    network : Model
        What callbacks and scores get.
    spec : SampleSpec
    training : TrainingSet
    options : FitOptions
    """

    def __init__(self, network: Model, spec: SampleSpec, training: TrainingSet, options: FitOptions) -> None:
        self._network, self._training, self._options = network, training, options
        self._scores: list[float] = []
        self._scored = False  # whether they are filled
        self._core_history = _core.History()
        out = self._core_options = _core.FitOptions()
        out.epochs = whole_number(options.epochs, "epochs", 1)
        out.batch_size = whole_number(options.batch_size, "batch_size", 1)
        self._set_optimizer(options.optimizer)
        out.penalty = _core.PenaltyStrength(number(options.l1, "l1"), number(options.l2, "l2"))
        if options.clip is not None:
            if not isinstance(options.clip, (_core.AGC, _core.ClipNorm)):
                raise TypeError(f"clip must be lamina.AGC(...), lamina.ClipNorm(...) or None; got {options.clip!r}")
            out.clipping = options.clip
        out.rates, out.decays = _factors(options.rates, "rates"), _factors(options.decays, "decays")
        out.average = number(options.average, "average")
        out.shuffle = boolean(options.shuffle, "shuffle")
        out.threads = thread_count(options.n_threads)
        out.seed = network.seed
        out.resume = boolean(options.resume, "resume")
        out.penalty_per_batch = boolean(options.penalty_per_batch, "penalty_per_batch")
        self._set_early_stopping(options.early_stopping)
        if options.scoring is not None:
            self._watch_score(options.scoring, options.early_stopping, spec)
        self._limit = None if options.max_time is None else TimeLimit(options.max_time)
        self._set_schedules(options)
        self._metrics = self._held_out_metrics(options, spec)
        hooks = callbacks_of(options.callbacks)
        self._set_hooks([hook for hook in hooks if not isinstance(hook, Checkpoint)], options.verbose)
        self._files: list[CheckpointFile] = []
        self._from: KeptFit | None = None
        self._source = ""
        checkpoints = [hook for hook in hooks if isinstance(hook, Checkpoint)]
        if checkpoints or options.resume_from is not None:
            self._keep(checkpoints, options, spec)

    def _set_optimizer(self, optimizer: Any) -> None:
        self._optimizer = chosen = _core.Adam() if optimizer is None else optimizers.get(optimizer)
        if isinstance(chosen, optimizers.SAM):
            self._core_options.sam_rho = chosen.rho
            chosen = chosen.base
        if optimizers.is_solver(chosen):
            self._core_options.solver = chosen
        else:
            self._core_options.optimizer = chosen

    def _set_early_stopping(self, stopping: EarlyStopping | None) -> None:
        if stopping is None:
            return
        if not isinstance(stopping, EarlyStopping):
            usual = "lamina.EarlyStopping(patience=10), the default,"
            raise TypeError(
                f"early_stopping must be {usual} or another lamina.EarlyStopping, or None; got {stopping!r}"
            )
        self._core_options.early_stop = stopping.in_core()
        if stopping.monitor in metrics.names():
            self._need_held_out(f"monitor={stopping.monitor!r}")
            self._core_options.metric = stopping.monitor
        self._core_options.monitor = stopping.monitor_hook(self._epoch)

    def _watch_score(self, scoring: Scoring, stopping: EarlyStopping | None, spec: SampleSpec) -> None:
        """Have the core watch a score of the samples held out."""
        held_out = self._need_held_out("scoring")
        if stopping is not None and stopping.monitor != "validation_loss":
            raise ValueError("scoring and the monitor of early_stopping both say what to watch; give one")
        if spec.each_step:
            raise ValueError("scoring needs one target a sequence; the last Recurrent has return_sequences=True")
        if isinstance(scoring, str) and scoring in metrics.names():
            self._core_options.metric = scoring
            return
        score, held, scores, network = score_of(scoring, spec.loss), held_out.taken(), self._scores, self._network

        self._scored = True

        def watch(_: Any) -> float:
            scores.append(score(network, held))
            return -scores[-1]

        self._core_options.monitor = watch

    def _need_held_out(self, what: str) -> Any:
        if self._training.held_out is None:
            raise ValueError(f"{what} needs a validation part; validation is None")
        return self._training.held_out

    def _set_schedules(self, options: FitOptions) -> None:
        for name in ("schedule", "decay_schedule", "dropout_schedule"):
            schedule = getattr(options, name)
            if name == "schedule" and isinstance(schedule, schedules.ReduceOnPlateau):
                self._core_options.plateau = schedule
            elif callable(schedule):
                setattr(self._core_options, name, schedule)
            elif schedule is not None:
                raise TypeError(
                    f"{name} must be a schedule such as lamina.schedules.Cosine() or a callable; got {schedule!r}"
                )

    def _held_out_metrics(self, options: FitOptions, spec: SampleSpec) -> HeldOutMetrics | None:
        """What is asked for as `metrics`, ready to be computed; it comes after what says what the core watches."""
        wanted = named_metrics(options.metrics)
        if not wanted:
            return None
        held = self._need_held_out("metrics").taken()
        return HeldOutMetrics(wanted, self._network, held, spec, self._core_options.metric, options.n_threads)

    def _set_hooks(self, hooks: list[Callable[[Epoch], Any]], verbose: int) -> None:
        """Tell the core what to call at the end of an epoch."""
        self._hooks = hooks
        if self._limit is not None:
            hooks.append(self._limit)
        if verbosity(verbose):
            hooks.append(ProgressBar(self._core_options.epochs))
        if not hooks and self._metrics is None:
            return

        def run(report: Any) -> Epoch:
            epoch = self._epoch(report)
            for hook in hooks:
                hook(epoch)
            return epoch

        self._core_options.on_epoch = run

    def _epoch(self, report: Any) -> Epoch:
        """The core's report of an epoch as monitors and callbacks get it."""
        found = None if self._metrics is None else self._metrics.of(report)
        return Epoch(report, self._network, found, self._scores[-1] if self._scores else None)

    def _keep(self, checkpoints: list[Checkpoint], options: FitOptions, spec: SampleSpec) -> None:
        """Have the fit kept, and find out where it goes on."""
        if any(same_file(one.path, other.path) for one, other in combinations(checkpoints, 2)):
            raise ValueError("callbacks must not have two checkpoints in one file")
        network = network_of(self._network)
        asked, data = self._asked(options), digests_of(self._training, spec.each_step)
        source, kept = options.resume_from, None
        if source is not None:
            try:
                kept = kept_at(source)
            except FileNotFoundError:  # the first run of a script that is to be run again
                if not any(same_file(own.path, source) for own in checkpoints):
                    raise
        if kept is not None:
            kept.check(network, asked, data)
            self._source = path_of(source)
            self._from = kept.with_time_until(self._limit.seconds if self._limit is not None else math.inf)
            if self._core_options.resume and self._from.over:
                raise ValueError(
                    f"resume=True asks for more epochs, and the fit in resume_from has ended ({self._source}, after "
                    f"{counted(kept.history().epochs, 'epoch')}): without resume its network is there at once, and "
                    "fit(..., resume=True) without resume_from goes on from there"
                )
        for own in checkpoints:
            writes = not (self._from and self._from.over and source is not None and same_file(own.path, source))
            self._files.append(CheckpointFile(own, network, asked, data, self._network.metadata, writes))
        if kept is None:
            return
        if self._scored:
            self._scores.extend(kept.history().validation_score)
        if self._metrics is not None:
            self._metrics.take_over(kept.history().metrics)
        for own, file in zip(checkpoints, self._files, strict=True):
            if source is not None and not same_file(own.path, source):
                file.keep(kept.state, kept.timed_out, write=False)

    def _asked(self, options: FitOptions) -> dict[str, Any]:
        """The options that decide what the fit does, as plain JSON values, as the core has them."""
        told, solver = self._core_options, self._core_options.solver
        optimizer = plain(told.optimizer if solver is None else solver)
        own = {
            "optimizer": {"name": "SAM", "base": optimizer, "rho": told.sam_rho} if told.sam_rho else optimizer,
            "schedule": plain(told.schedule if told.plateau is None else told.plateau),
            "l1": told.penalty.l1,
            "l2": told.penalty.l2,
            "clip": plain(told.clipping),
            "early_stopping": plain(options.early_stopping),
            "scoring": plain(options.scoring),
        }
        left = ("max_time", "metrics", "callbacks", "n_threads", "verbose", "resume", "resume_from")
        names = [field.name for field in fields(FitOptions) if field.name not in left]
        return {name: own[name] if name in own else plain(getattr(told, name)) for name in names}

    def run(self, core: Any, normalize_inputs: str, normalize_targets: bool) -> None:
        """Train the core's network, which keeps the best weights so far whatever ends this."""
        known = core.scales
        self._core_options.normalize_inputs = "none" if "input.mean" in known else normalize_inputs
        self._core_options.normalize_targets = normalize_targets and "target.mean" not in known
        state = None
        if self._from is not None:
            state = self._from.for_core(self._scored)
            with understood(self._source):
                core.check_state(state)
        told = self._tell_files if self._files else None
        if not (self._hooks or self._files):
            core.fit(self._training, self._core_options, self._core_history, state)
            return
        with self._begun_and_ended():
            try:
                try:
                    core.fit(self._training, self._core_options, self._core_history, state, told)
                finally:
                    self._each_file(CheckpointFile.flush)
            finally:  # once more, for the files that Ctrl-C has kept from it before or between two
                self._each_file(CheckpointFile.flush)

    def _tell_files(self, state: dict[str, Any]) -> None:
        if self._scored:
            state["history"]["validation_score"] = np.array(self._scores)
        if self._metrics is not None:
            curves = self._metrics.curves(len(state["history"]["loss"]))
            state["history"].update({METRIC + name: np.array(curve) for name, curve in curves.items()})
        timed_out = self._limit is not None and self._limit.reached
        self._each_file(lambda file: file.keep(state, timed_out))

    def _each_file(self, do: Callable[[CheckpointFile], None]) -> None:
        """Do something with each of the files, and raise then what the first raised that did."""
        first: BaseException | None = None
        for file in self._files:
            try:
                do(file)
            except BaseException as error:
                first = first or error
        if first is not None:
            raise first

    @contextmanager
    def _begun_and_ended(self) -> Iterator[None]:
        """Tell the callbacks that want to know of the beginning, and of the end, however it comes."""
        training = self._training
        asked = {field.name: getattr(self._options, field.name) for field in fields(FitOptions)}
        run = FitRun(
            self._network,
            {**asked, "optimizer": self._optimizer},
            len(training.samples if training.rows is None else training.rows),
            0 if (held := training.held_out) is None else len(held.samples if held.rows is None else held.rows),
        )
        with ExitStack() as ends:
            try:
                for hook in self._hooks:
                    if (begin := getattr(hook, "on_begin", None)) is not None:
                        begin(run)
                    if (end := getattr(hook, "on_end", None)) is not None:
                        ends.callback(end, run)
                yield
            except BaseException as error:
                run.error = error
                raise
            finally:
                run.history = self.history()

    @property
    def began(self) -> bool:
        """Whether the core got as far as to train."""
        return self._core_history.began

    @property
    def diverged_layer(self) -> int | None:
        """Where training diverged: the first layer that is not finite, or -1, the last one; None where it did not."""
        return self._core_history.diverged_layer if self._core_history.diverged else None

    def history(self) -> History:
        """Return what happened so far, as Python lists."""
        told = {name: getattr(self._core_history, name) for name in _IN_HISTORY}
        if self._scored:
            unscored = len(told["loss"]) - len(self._scores) if self._core_history.diverged else 0
            told["validation_score"] = self._scores + [math.nan] * unscored
        if self._metrics is not None:
            told["metrics"] = self._metrics.curves(len(told["loss"]))
        return History(**told)

    def divergence(self, layer: str) -> str:
        """Return a message about where training diverged; `layer` describes the layer of `diverged_layer`."""
        told, at = self._core_history, self._core_history.diverged_layer
        if told.diverged_batch == 0:
            what = told.stop_reason.removeprefix("diverged: ")
            return f"training diverged: {what} ({layer}); {_AFTER_DIVERGENCE}"
        where = f"first in layer {at} ({layer})" if at >= 0 else f"from finite outputs of the last layer ({layer})"
        return (
            f"training diverged: the loss of epoch {told.diverged_epoch}, batch {told.diverged_batch} is not finite, "
            f"{where}; {_AFTER_DIVERGENCE}"
        )


def _factors(given: Any, name: str) -> dict[str, float]:
    """Factors as the core has them: by the names of parameters, layers and kinds."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise TypeError(
            f"{name} must be factors by parameter, layer or kind, such as {{'bias': 0.1, 0: 0.0}}; got {given!r}"
        )
    return {str(key): number(factor, f"{name}[{key!r}]") for key, factor in given.items()}
