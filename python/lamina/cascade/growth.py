"""What the growth of a network is asked for, told to the core, and what the core tells of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from lamina._dispatch import core as _core
from lamina import activations
from lamina.cascade.kept_stages import KeptStages
from lamina.data.arguments import number, thread_count, whole_number
from lamina.text import counted
from lamina.training.progress import say

__all__ = ["CascadeHistory", "CascadeStage", "growth_options", "history_of", "phase_limits", "stage_hook"]


@dataclass(repr=False)
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
        By stage: targets missed by more than the tolerance; with sample weights each counts as its row does, which may
        be no whole number.
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
    wrong: list[float] = field(default_factory=list)
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

    def __repr__(self) -> str:
        if not self.error:
            return "<lamina.cascade.CascadeHistory of no stage>"
        kept = min(self.best_units, len(self.error) - 1)
        held_out = f", validation {self.validation_error[kept]:.4g}" if len(self.validation_error) > kept else ""
        return (
            f"<lamina.cascade.CascadeHistory of {counted(len(self.units), 'unit')};\n"
            f" best_units {self.best_units}: error {self.error[kept]:.4g}{held_out}; stop_reason {self.stop_reason!r}>"
        )

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
            entries, kinds = getattr(history, name), _ENTRIES[name]
            if not isinstance(entries, list) or not all(type(entry) in kinds for entry in entries):
                raise TypeError(f"the history's {name} must be a list of {kinds[0].__name__}")
            if len(entries) != length:
                raise ValueError(f"the history's {name} must have {length} entries; got {len(entries)}")
        whole_number(history.best_units, "the history's best_units", 0, grown)
        if grown != stages - 1 or history.units[: len(units)] != units:
            raise ValueError("the history is that of another network")
        if not isinstance(history.stop_reason, str) or not isinstance(history.diverged, bool):
            raise TypeError("the history's stop_reason must be a str, and diverged a bool")
        return history


_ENTRIES: dict[str, tuple[type, ...]] = {
    "units": (str,),
    "error": (float,),
    "validation_error": (float,),
    "wrong": (int, float),
    "correlation": (float,),
    "output_epochs": (int,),
    "candidate_epochs": (int,),
}


class CascadeStage:
    """What a callback gets when the outputs of a network with `units` units are trained.

    Attributes
    ----------
    units : int
    error, validation_error : float
        Error index; `validation_error` is None without a validation set.
    wrong : int
        Targets missed by more than the tolerance, as their rows count.
    correlation : float
        Of the unit installed last; None for the network without units.
    """

    def __init__(self, result: Any) -> None:
        units = result.units
        self.units = len(units)
        self.activation: str | None = units[-1].name if units else None
        self.error = float(result.error[-1])
        self.validation_error = float(result.validation_error[-1]) if result.validation_error else None
        self.wrong = _whole(result.wrong[-1])
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

    __repr__ = __str__


def phase_limits(name: str, epochs: Any, patience: Any, threshold: Any) -> Any:
    """Return when the phase of "output" or "candidate" ends; TypeError or ValueError names the argument of `fit`."""
    return _core.PhaseLimits(
        whole_number(epochs, f"{name}_epochs", 1),
        whole_number(patience, f"{name}_patience", 1),
        number(threshold, f"{name}_threshold"),
    )


def growth_options(
    output: str,
    optimizer: str,
    tolerance: float | None,
    patience: int,
    mu: float,
    decay: float,
    n_threads: int | None,
    **ready: Any,
) -> Any:
    """Return how a network grows, for the core.

    The arguments are those of `CascadeNetwork.fit`, which says what they mean; TypeError or ValueError names them.
    `ready` is what the core takes as it is, by the core's names.
    """
    usual = 0.4 if output == "logistic" else 0.2
    return _core.CascadeOptions(
        output=activations.get(output),
        rprop=_is_rprop(optimizer),
        tolerance=usual if tolerance is None else number(tolerance, "tolerance"),
        unit_patience=whole_number(patience, "patience", 1),
        mu=number(mu, "mu", above=True),
        decay=number(decay, "decay"),
        threads=thread_count(n_threads),
        **ready,
    )


def _is_rprop(optimizer: Any) -> bool:
    """Whether it is Rprop and not quickprop; ValueError for anything else."""
    name = optimizer.lower() if isinstance(optimizer, str) else optimizer
    if name not in ("quickprop", "rprop"):
        raise ValueError(f"optimizer must be 'quickprop' or 'rprop'; got {optimizer!r}")
    return bool(name == "rprop")


def stage_hook(hooks: Sequence[Callable[[CascadeStage], Any]], kept: KeptStages, verbose: int) -> Any:
    """Return what the core calls after each stage: the hooks, a line on standard error for `verbose`, and the file."""
    if not hooks and not verbose and not kept.in_file:
        return None

    def run() -> bool:
        if len(kept.result.error) == kept.n_begun:  # the core tells once more of the stage that it goes on from
            return not kept.stopped
        stage = CascadeStage(kept.result)
        if verbose:
            say(str(stage))
        for hook in hooks:
            hook(stage)
        kept.add(stage.stopped)
        return not stage.stopped

    return run


def history_of(result: Any) -> CascadeHistory:
    """Return what the core tells, as Python lists."""
    told = {entry.name: getattr(result, entry.name) for entry in fields(CascadeHistory)}
    told = {name: list(value) if isinstance(value, tuple) else value for name, value in told.items()}
    told["units"] = [f.name for f in told["units"]]
    told["wrong"] = [_whole(weight) for weight in told["wrong"]]
    return CascadeHistory(**told)


def _whole(weight: float) -> Any:
    """The weight as an int where it is a count."""
    return int(weight) if weight.is_integer() else weight
