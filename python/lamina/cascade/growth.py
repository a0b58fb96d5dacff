"""What the growth of a network is asked for, told to the core, and what the core tells of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from lamina._dispatch import core as _core
from lamina import activations
from lamina.data.arguments import number, thread_count, whole_number

__all__ = ["CascadeHistory", "CascadeStage", "GrowthOptions", "Phase", "history_of", "stage_hook"]


@dataclass
class CascadeHistory:
    """How a network grew. Entry k of the lists by stage belongs to the network with k units.

    Attributes
    ----------
    units : list of str
        The activation of each unit installed, in order.
    error, validation_error : list of float
        By stage: root mean square error over the standard deviation of the training targets (Fahlman's error index);
        `validation_error` is empty without a validation set.
    wrong : list of int
        By stage: targets missed by more than the tolerance.
    correlation : list of float
        By unit: its correlation with the errors when it was installed, over the sum of their squares.
    output_epochs, candidate_epochs : list of int
        Epochs of the outputs' training by stage, and of the winning candidate's by unit.
    best_units : int
        Units of the network that is kept.
    stop_reason : str
        Why growth ended: "solved", "all units installed", ...
    diverged : bool
        Whether the error stopped being finite.
    """

    units: list[str] = field(default_factory=list)
    error: list[float] = field(default_factory=list)
    validation_error: list[float] = field(default_factory=list)
    wrong: list[int] = field(default_factory=list)
    correlation: list[float] = field(default_factory=list)
    output_epochs: list[int] = field(default_factory=list)
    candidate_epochs: list[int] = field(default_factory=list)
    best_units: int = 0
    stop_reason: str = ""
    diverged: bool = False

    @property
    def solved(self) -> bool:
        """Whether growth ended because no target was missed."""
        return self.stop_reason == "solved"

    def as_dict(self) -> dict[str, Any]:
        """Return the history as plain lists and numbers."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: dict[str, Any], units: list[str]) -> CascadeHistory:
        """Return the history of a network with these units from the result of `as_dict`.

        ValueError or TypeError where it can be none: a list of another length, an entry of another type.
        """
        history = cls(**value)
        grown, stages = len(history.units), len(history.error)
        lengths = {"units": grown, "correlation": grown, "candidate_epochs": grown, "error": stages}
        lengths |= {"validation_error": stages, "wrong": stages, "output_epochs": stages}
        if not history.validation_error:
            del lengths["validation_error"]
        for name, length in lengths.items():
            entries, kind = getattr(history, name), _ENTRIES[name]
            if not isinstance(entries, list) or not all(type(entry) is kind for entry in entries):
                raise TypeError(f"the history's {name} must be a list of {kind.__name__}")
            if len(entries) != length:
                raise ValueError(f"the history's {name} must have {length} entries; got {len(entries)}")
        whole_number(history.best_units, "the history's best_units", 0, grown)
        if grown != stages - 1 or history.units[: len(units)] != units:
            raise ValueError("the history is that of another network")
        if not isinstance(history.stop_reason, str) or not isinstance(history.diverged, bool):
            raise TypeError("the history's stop_reason must be a str, and diverged a bool")
        return history


_ENTRIES = {
    "units": str,
    "error": float,
    "validation_error": float,
    "wrong": int,
    "correlation": float,
    "output_epochs": int,
    "candidate_epochs": int,
}


class CascadeStage:
    """What a callback gets when the outputs of a network with `units` units are trained.

    Attributes
    ----------
    units : int
    error, validation_error : float
        Error index; `validation_error` is None without a validation set.
    wrong : int
        Targets missed by more than the tolerance.
    correlation : float
        Of the unit installed last; None for the network without units.
    """

    def __init__(self, result: Any) -> None:
        units = result.units
        self.units = len(units)
        self.activation: str | None = units[-1].name if units else None
        self.error = float(result.error[-1])
        self.validation_error = float(result.validation_error[-1]) if result.validation_error else None
        self.wrong = int(result.wrong[-1])
        self.correlation = float(result.correlation[-1]) if units else None
        self.stopped = False

    def stop(self) -> None:
        """End growth after this stage."""
        self.stopped = True

    def __str__(self) -> str:
        parts = [f"{self.units} unit{'s'[: self.units != 1]}", f"error {self.error:.4g}", f"wrong {self.wrong}"]
        if self.validation_error is not None:
            parts.insert(2, f"validation {self.validation_error:.4g}")
        if self.correlation is not None:
            parts.append(f"last {self.activation}, correlation {self.correlation:.4g}")
        return "  ".join(parts)


@dataclass(frozen=True, slots=True)
class Phase:
    """When the training of the outputs, or of the candidates, ends; the names are those of `CascadeNetwork.fit`."""

    epochs: int
    patience: int
    threshold: float

    def for_core(self, name: str) -> Any:
        """Return it as the core takes it; TypeError or ValueError names the argument of `fit`."""
        return _core.PhaseLimits(
            whole_number(self.epochs, f"{name}_epochs", 1),
            whole_number(self.patience, f"{name}_patience", 1),
            number(self.threshold, f"{name}_threshold"),
        )


@dataclass(frozen=True, slots=True)
class GrowthOptions:
    """What `CascadeNetwork` and its `fit` are asked for, under the same names; there it says what each one means."""

    pool: list[Any]
    candidates: int
    max_units: int
    output: str
    seed: int
    patience: int
    optimizer: str
    tolerance: float | None
    outputs_phase: Phase
    candidates_phase: Phase
    mu: float
    decay: float
    n_threads: int | None

    def for_core(self) -> Any:
        """Return them as the core takes them; TypeError or ValueError names the argument."""
        out = _core.CascadeOptions()
        out.pool, out.candidates, out.max_units = self.pool, self.candidates, self.max_units
        out.output, out.seed = activations.get(self.output), self.seed
        out.rprop = _is_rprop(self.optimizer)
        out.mu, out.decay = number(self.mu, "mu", above=True), number(self.decay, "decay")
        out.output_phase = self.outputs_phase.for_core("output")
        out.candidate_phase = self.candidates_phase.for_core("candidate")
        usual = 0.4 if self.output == "logistic" else 0.2
        out.tolerance = usual if self.tolerance is None else number(self.tolerance, "tolerance")
        out.unit_patience = whole_number(self.patience, "patience", 1)
        out.threads = thread_count(self.n_threads)
        return out


def _is_rprop(optimizer: Any) -> bool:
    """Whether it is Rprop and not quickprop; ValueError for anything else."""
    name = optimizer.lower() if isinstance(optimizer, str) else optimizer
    if name not in ("quickprop", "rprop"):
        raise ValueError(f"optimizer must be 'quickprop' or 'rprop'; got {optimizer!r}")
    return bool(name == "rprop")


def stage_hook(callbacks: Iterable[Callable[[CascadeStage], Any]], result: Any, verbose: int) -> Any:
    """Return what the core calls after each stage: callbacks, and a line on standard error for `verbose`."""
    hooks = list(callbacks)
    for i, hook in enumerate(hooks):
        if not callable(hook):
            raise TypeError(f"callbacks[{i}] must be callable with a CascadeStage; got {hook!r}")
    if not hooks and not verbose:
        return None

    def run() -> bool:
        stage = CascadeStage(result)
        if verbose:
            print(stage, file=sys.stderr)
        for hook in hooks:
            hook(stage)
        return not stage.stopped

    return run


def history_of(result: Any) -> CascadeHistory:
    """Return the core's history as Python lists."""
    whole = len(result.error) - 1  # the units whose stage was reached
    return CascadeHistory(
        [f.name for f in result.units[:whole]],
        list(result.error),
        list(result.validation_error),
        list(result.wrong),
        list(result.correlation[:whole]),
        list(result.output_epochs),
        list(result.candidate_epochs[:whole]),
        result.best,
        result.stop_reason or "interrupted",
        result.diverged,
    )
