"""What `CascadeNetwork.fit` takes, told to the core, and what the core gives back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina._dispatch import core as _core
from lamina import activations, losses
from lamina.data import arrays as _data
from lamina.data.arrays import Array
from lamina.data.splits import Split

if TYPE_CHECKING:
    from lamina.cascade.network import CascadeNetwork


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


def pool_of(activation: Any, candidates: int) -> list[Any]:
    """Return the activations that candidates have in turn; ValueError or TypeError names `activation`."""
    chosen = list(activation) if isinstance(activation, (list, tuple)) else [activation]
    if not chosen:
        raise ValueError("activation must name at least one candidate; got an empty pool")
    if len(chosen) > candidates:
        raise ValueError(
            f"candidates must be at least {len(chosen)}, one for each activation in the pool; got {candidates}"
        )
    return [activations.get(entry) for entry in chosen]


def output_of(setting: str, y: Any, n_outputs: int) -> str:
    """Return "logistic" or "identity"; for "auto", by whether the targets are labels (or 0 and 1)."""
    if setting != "auto":
        return setting
    array = _data.to_array(y, "y")
    flat = array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)
    if flat and n_outputs > 1:
        return "logistic"
    if flat and array.dtype.kind in "iu" and array.size and 1 < array.max() < 100 and array.min() == 0:
        raise ValueError(
            f"y holds whole numbers from 0 to {array.max()}: as labels they need n_outputs={array.max() + 1}; as "
            "numbers, output='identity'"
        )
    return "logistic" if array.size and np.isin(array, (0, 1)).all() else "identity"


def targets(value: Any, rows: int, net: CascadeNetwork, output: str, name: str = "y") -> Array:
    """Return targets (rows, outputs) of the network's type; ValueError or TypeError names what is wrong."""
    loss = losses.get("squared_error")
    array = _data.to_array(value, name)
    flat = array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)
    if output == "logistic" and flat and net.n_outputs > 1:
        loss = losses.get("binary_cross_entropy")  # labels become one-hot rows
    t = _data.targets(value, rows, net.n_outputs, loss, net.dtype, name)
    if output == "logistic" and (t.min() < 0 or t.max() > 1):
        raise ValueError(
            f"{name} must lie in [0, 1] for output='logistic'; got values from {t.min()} to {t.max()} "
            "(for regression: output='identity')"
        )
    return t


def held_out(
    net: CascadeNetwork, x: Array, t: Array, validation: Any, output: str
) -> tuple[Array, Array, tuple[Array, Array] | None]:
    """Return training inputs and targets, and those of the validation set (or None)."""
    if validation is None:
        return x, t, None
    if isinstance(validation, tuple):
        if len(validation) != 2:
            raise ValueError(f"validation must be a fraction or (X, y); got a tuple of {len(validation)}")
        xv = _data.matrix(validation[0], net.n_inputs, net.dtype, "validation X")
        return x, t, (xv, targets(validation[1], len(xv), net, output, "validation y"))
    how = validation if isinstance(validation, Split) else Split(validation)
    labels = None
    if output == "logistic" and np.isin(t, (0, 1)).all():
        labels = (t[:, 0] if t.shape[1] == 1 else t.argmax(axis=1)).astype(np.int32)
    train, held = how.indices(len(x), labels, net.seed)
    return x[train], t[train], (x[held], t[held])


def phase(name: str, epochs: Any, patience: Any, threshold: Any) -> Any:
    """Return the core's limits of a phase; TypeError or ValueError names the argument of `fit`."""
    return _core.PhaseLimits(
        _data.whole_number(epochs, f"{name}_epochs", 1),
        _data.whole_number(patience, f"{name}_patience", 1),
        number(threshold, f"{name}_threshold", 0.0),
    )


def number(value: Any, name: str, least: float, open_end: bool = False) -> float:
    """Return `value` as a float of at least (open: above) `least`; TypeError or ValueError names it."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number; got {value!r}")
    if not np.isfinite(value) or value < least or (open_end and value == least):
        raise ValueError(f"{name} must be finite and {'above' if open_end else 'at least'} {least:g}; got {value}")
    return float(value)


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


def unit_offset(inputs: int, k: int) -> int:
    """Where the bias of unit k is in the flat parameters, its weights following it."""
    return k * (inputs + 1) + k * (k - 1) // 2


def is_rprop(optimizer: Any) -> bool:
    """Return whether it is Rprop and not quickprop; ValueError for anything else."""
    name = optimizer.lower() if isinstance(optimizer, str) else optimizer
    if name not in ("quickprop", "rprop"):
        raise ValueError(f"optimizer must be 'quickprop' or 'rprop'; got {optimizer!r}")
    return bool(name == "rprop")


def spread(values: Array) -> Array:
    """Standard deviations of the columns, 1 for constant ones."""
    deviation = values.std(axis=0, dtype=np.float64)
    largest = np.abs(values).max(axis=0).astype(np.float64)
    return np.where(deviation > 4 * np.finfo(values.dtype).eps * largest, deviation, 1.0)


def normalization_of(x: Array) -> tuple[Array, Array]:
    """Return mean and 1 / standard deviation by feature."""
    return x.mean(axis=0, dtype=np.float64).astype(x.dtype), (1 / spread(x)).astype(x.dtype)


def normalized(x: Array, pair: tuple[Array, Array] | None) -> Array:
    """Return x, with a pair brought to zero mean and unit variance."""
    return x if pair is None else (x - pair[0]) * pair[1]
