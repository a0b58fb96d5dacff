"""What happens between epochs: early stopping, callbacks, the progress bar, and the history of a fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from lamina._dispatch import core as _core
from lamina import metrics
from lamina.data.arguments import boolean, number, returned_number, unexpected, whole_number, without_unknown
from lamina.data.frames import frame_of
from lamina.other_words import OF_A_HISTORY, OF_CALLBACKS, with_other_words
from lamina.text import counted
from lamina.training.progress import Progress

__all__ = [
    "CURVES",
    "DivergenceWarning",
    "EarlyStopping",
    "Epoch",
    "FitRun",
    "History",
    "ProgressBar",
    "TimeLimit",
    "callbacks_of",
]


#: What is known of every epoch, or of none, in the order in which it is shown; metrics asked for by name come after it.
CURVES = ("loss", "validation_loss", "validation_score", "learning_rate")


#: What other libraries call an option of early stopping, and how it is said here.
_OTHER_WORDS = {
    "restore_best_weights": "write restore_best=True, the default",
    "n_iter_no_change": "write patience=10",
    **dict.fromkeys(("tol", "delta", "threshold"), "write min_delta=1e-4"),
    "verbose": "verbose is an option of fit",
}


class DivergenceWarning(RuntimeWarning):
    """The loss became NaN or infinite: training stopped, and the best weights so far are back in place."""


@with_other_words(OF_A_HISTORY)
@dataclass(repr=False)
class History:
    """What a fit did, epoch by epoch.

    Attributes
    ----------
    loss, validation_loss, learning_rate : list of float
        One entry an epoch; `loss` is the mean over the epoch's batches as they were seen, penalty included;
        `validation_loss` is empty without a validation set. The loss ``"squared_error"`` is half the squared error.
    validation_score : list of float
        One entry an epoch where `fit` got a `scoring`, else empty.
    best_epoch : int
        Counted from 1: where the watched loss was lowest.
    stop_reason : str
        Why training ended.
    diverged : bool
        Whether the loss stopped being finite.
    evaluations : int
        How often a full-batch solver looked at all rows; 0 for the others.
    metrics : dict of str to list of float
        What `fit` was asked for as `metrics`, by name; one entry an epoch.
    """

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    best_epoch: int = 0
    stop_reason: str = ""
    diverged: bool = False
    evaluations: int = 0
    validation_score: list[float] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({**vars(History()), **state})  # a pickle may be older than a field

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        return len(self.loss)

    def curves(self) -> dict[str, list[float]]:
        """Return what there is of every epoch by name: losses, score, learning rate, then the metrics."""
        known: dict[str, list[float]] = {name: getattr(self, name) for name in CURVES}
        return {**{name: curve for name, curve in known.items() if len(curve)}, **self.metrics}

    def to_frame(self, library: str = "pandas") -> Any:
        """Return a data frame of one row an epoch, ``epoch`` (from 1) and `curves`, of pandas, polars or pyarrow.

        Raises
        ------
        ImportError
            Where the library is not installed.
        """
        return frame_of({"epoch": list(range(1, self.epochs + 1)), **self.curves()}, library)

    def __repr__(self) -> str:
        if not self.loss:
            return "<lamina.callbacks.History of no epoch>"
        parts = [f"<lamina.callbacks.History of {counted(self.epochs, 'epoch')}; last: {self._losses_of(self.epochs)}"]
        if 1 <= self.best_epoch <= self.epochs:
            parts.append(f" best_epoch {self.best_epoch}: {self._losses_of(self.best_epoch)}")
        return ";\n".join(parts) + f"; stop_reason {self.stop_reason!r}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the curves, and how the fit ended."""
        from lamina.html import notebook  # when a notebook asks for it

        if not self.loss:
            return notebook.panel("History of no epoch")
        return notebook.panel(f"History of {counted(self.epochs, 'epoch')}", notebook.history_part(self))

    def _losses_of(self, epoch: int) -> str:
        known = {"loss": self.loss, "validation": self.validation_loss, "score": self.validation_score, **self.metrics}
        return ", ".join(f"{name} {own[epoch - 1]:.4g}" for name, own in known.items() if len(own) >= epoch)


class Epoch(_core.EpochReport):
    """What a callback gets at the end of every epoch.

    Attributes
    ----------
    epoch : int
        Counted from 1.
    loss, validation_loss : float
        Training loss, penalty included, and validation loss; the latter is None without a validation set.
    score : float
        What `scoring`, or the metric to watch, says of the validation set; None without one.
    metrics : dict of str to float
        What `fit` was asked for as `metrics`, of the validation set.
    seconds : float
        Since the fit began.
    learning_rate : float
        Set it for the epochs to come.
    network : lamina.Network
        May predict and be copied, not fitted.
    """

    def __init__(
        self, report: Any, network: Any, metrics: dict[str, float] | None = None, score: float | None = None
    ) -> None:
        super().__init__(report)
        self.network = network
        self.metrics = {} if metrics is None else metrics
        self._score, self._rate = score, self.learning_rate

    @property
    def score(self) -> float | None:
        """What `scoring`, or the metric to watch, says of the validation set."""
        return super().score if self._score is None else self._score

    def values(self) -> dict[str, float]:
        """Return what is known of the epoch by name, as `History.curves` has it; the rate is that of this epoch."""
        known = dict(zip(CURVES, (self.loss, self.validation_loss, self.score, self._rate), strict=True))
        return {**{name: value for name, value in known.items() if value is not None}, **self.metrics}

    def __repr__(self) -> str:
        held_out = "" if self.validation_loss is None else f", validation {self.validation_loss:.4g}"
        held_out += "".join(f", {name} {value:.4g}" for name, value in self.metrics.items())
        return (
            f"<lamina.callbacks.Epoch {self.epoch}: loss {self.loss:.4g}{held_out}; "
            f"learning rate {self.learning_rate:.4g}, {self.seconds:.2f} s>"
        )

    def stop(self, reason: str = "stopped by a callback") -> None:
        """End training after this epoch."""
        self.stop_reason = str(reason)


@dataclass(eq=False)
class FitRun:
    """A fit as a whole, as a callback's `on_begin` and `on_end` get it.

    A callback is called with an `Epoch` after every epoch. Where it has a method `on_begin`, that is called before the
    first one, when all that Python can check has been checked; an error of it ends the fit before anything has changed.
    Where it has a method `on_end`, that is called once the fit has ended, also by an error or by Ctrl-C.

    Attributes
    ----------
    network : lamina.Network
        At the end with the weights that the fit leaves.
    options : dict
        What `fit` was asked for beside its samples, by name.
    n_samples, n_held_out : int
        How many samples are trained on, and held out.
    history : History
        Of no epoch at the beginning.
    error : BaseException or None
        What ended the fit, if it was an exception; KeyboardInterrupt for Ctrl-C.
    """

    network: Any
    options: dict[str, Any]
    n_samples: int
    n_held_out: int
    history: History = field(default_factory=History)
    error: BaseException | None = None


class EarlyStopping:
    """Stop when the watched value has not improved for `patience` epochs.

    Parameters
    ----------
    patience : int, default 10
        Epochs without improvement.
    min_delta : float, default 0.0
        An improvement is a fall by more than this. It counts for patience alone: the best weights are those of the
        lowest value.
    monitor : str or callable, default "validation_loss"
        "validation_loss" (the training loss where there is no validation), "loss", one of `lamina.metrics.names()`,
        of the validation set, or a callable of the `Epoch`.
    restore_best : bool, default True
        Put the best weights back at the end.
    mode : {"min", "max"}, default "min"
        Whether lower or higher is better, of a callable; of the others it is known.
    latest : bool, default False
        Of equally good epochs the last one counts as the best, not the first: a classification error takes few values.
    """

    latest = False  # of pickles from before there was a choice

    @without_unknown
    def __init__(
        self,
        patience: int = 10,
        min_delta: float = 0.0,
        monitor: str | Callable[[Epoch], float] = "validation_loss",
        restore_best: bool = True,
        mode: str = "min",
        latest: bool = False,
        **unknown: NoReturn,
    ) -> None:
        if unknown:
            raise unexpected(EarlyStopping.__init__, unknown, _OTHER_WORDS)
        patience, min_delta = whole_number(patience, "patience", 1), number(min_delta, "min_delta")
        known = ("validation_loss", "loss", *metrics.names())
        if not callable(monitor) and monitor not in known:
            raise ValueError(f"monitor must be one of {', '.join(map(repr, known))}, or a callable; got {monitor!r}")
        if mode not in ("min", "max"):
            raise ValueError(f"mode must be 'min' or 'max'; got {mode!r}")
        if mode == "max" and not callable(monitor):
            raise ValueError(f"mode='max' needs a monitor that is a callable; got {monitor!r}")
        self.patience, self.min_delta, self.monitor = patience, min_delta, monitor
        self.restore_best, self.mode = boolean(restore_best, "restore_best"), mode
        self.latest = boolean(latest, "latest")

    @property
    def params(self) -> dict[str, Any]:
        """The parameters by name."""
        names = ("patience", "min_delta", "monitor", "restore_best", "mode", "latest")
        return {name: getattr(self, name) for name in names}

    def __repr__(self) -> str:
        return f"lamina.EarlyStopping({', '.join(f'{name}={value!r}' for name, value in self.params.items())})"

    def in_core(self) -> Any:
        """Return the core's record of it."""
        watched = {"monitor": self.monitor} if self.monitor in ("validation_loss", "loss") else {}
        return _core.EarlyStop(self.patience, self.min_delta, bool(self.restore_best), latest=self.latest, **watched)

    def monitor_hook(self, epoch_of: Callable[[Any], Epoch]) -> Callable[[Any], float] | None:
        """Return what the core calls for the watched value, or None where it is a loss or a metric of its own.

        `epoch_of` makes of the core's report what a monitor gets.
        """
        monitor = self.monitor
        if not callable(monitor):
            return None
        sign = -1.0 if self.mode == "max" else 1.0
        return lambda report: sign * returned_number(monitor(epoch_of(report)), "monitor")


class TimeLimit:
    """End training after the first epoch that ends later than `seconds` after its start.

    Parameters
    ----------
    seconds : float
        Greater than 0. Where a limit stops a fit, the number of epochs depends on the machine.
    """

    def __init__(self, seconds: float) -> None:
        is_number = isinstance(seconds, (int, float, np.integer, np.floating)) and not isinstance(seconds, bool)
        if not is_number or not seconds > 0:
            raise ValueError(f"max_time must be a number of seconds greater than 0; got {seconds!r}")
        self.seconds, self.reached = seconds, False

    def __repr__(self) -> str:
        return f"lamina.callbacks.TimeLimit({self.seconds})"

    def __call__(self, epoch: Epoch) -> None:
        """Stop once the time is up, unless another callback has: what that stops, more time does not go on with."""
        self.reached = epoch.stop_reason is None and epoch.seconds >= self.seconds
        if self.reached:
            epoch.stop(f"the time limit of {self.seconds:g} s")


class ProgressBar:
    """A bar on standard error with losses and metrics; lines without `rich`, and in a notebook without ipywidgets."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self._progress = Progress("training", epochs)
        self._last = 0.0

    def on_begin(self, run: FitRun) -> None:
        """Show the bar."""
        self._progress.__enter__()

    def __call__(self, epoch: Epoch) -> None:
        """Move the bar, or print a line once a second."""
        losses = f"loss {epoch.loss:.4g}"
        if epoch.validation_loss is not None:
            losses += f"  validation {epoch.validation_loss:.4g}"
        losses += "".join(f"  {name} {value:.4g}" for name, value in epoch.metrics.items())
        if self._progress.draws:
            self._progress.move(epoch.epoch, losses)
        elif epoch.seconds - self._last >= 1 or epoch.epoch == self.epochs:
            self._last = epoch.seconds
            self._progress.line(f"epoch {epoch.epoch}/{self.epochs}  {losses}")

    def on_end(self, run: FitRun) -> None:
        """Leave the bar as it is."""
        self._progress.__exit__()


def callbacks_of(given: Any, what: str = "an Epoch") -> list[Callable[[Any], Any]]:
    """Return callbacks, which get `what`, as a list: of an iterable, of one callable, or of None."""
    if given is None:
        return []
    if not callable(given) and not isinstance(given, Iterable):
        raise TypeError(f"callbacks must be callables with {what}; got {given!r}")
    hooks = [given] if callable(given) else list(given)
    for i, hook in enumerate(hooks):
        if not callable(hook):
            instead = OF_CALLBACKS.get(type(hook).__name__) if what == "an Epoch" else None
            told = f"callbacks[{i}] must be callable with {what}; got {hook!r}"
            raise TypeError(told if instead is None else f"{told}: {instead}")
        if isinstance(hook, type):
            raise TypeError(f"callbacks[{i}] must be callable with {what}; got a class, and not {hook.__name__}(...)")
    return hooks
