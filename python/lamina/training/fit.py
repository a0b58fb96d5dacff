"""One fit: what `Network.fit` is asked for, told to the core, and what the core tells of it.

All that Python says to the core's `FitOptions` and hears from its history is in this file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from typing import Any

from lamina._dispatch import core as _core
from lamina import metrics, optimizers, schedules
from lamina.data.arguments import boolean, number, thread_count, verbosity, whole_number
from lamina.data.records import SampleSpec, TrainingSet
from lamina.training.callbacks import (
    EarlyStopping,
    Epoch,
    FitRun,
    History,
    ProgressBar,
    TimeLimit,
    callbacks_of,
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
        self._set_schedules(options)
        self._metrics = self._held_out_metrics(options, spec)
        self._set_hooks(options)

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

    def _set_hooks(self, options: FitOptions) -> None:
        """Tell the core what to call at the end of an epoch."""
        self._hooks = hooks = callbacks_of(options.callbacks)
        if options.max_time is not None:
            hooks.append(TimeLimit(options.max_time))
        if verbosity(options.verbose):
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

    def run(self, core: Any, normalize_inputs: str, normalize_targets: bool) -> None:
        """Train the core's network, which keeps the best weights so far whatever ends this."""
        known = core.scales
        self._core_options.normalize_inputs = "none" if "input.mean" in known else normalize_inputs
        self._core_options.normalize_targets = normalize_targets and "target.mean" not in known
        if not self._hooks:
            core.fit(self._training, self._core_options, self._core_history)
            return
        with self._begun_and_ended():
            core.fit(self._training, self._core_options, self._core_history)

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
