"""What the arguments of `Network.fit` mean: checked, and told to the core."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina._dispatch import core as _core
from lamina import _data, optimizers, schedules
from lamina._data import Array
from lamina.callbacks import EarlyStopping, Epoch, History
from lamina.validation import Split

if TYPE_CHECKING:
    from lamina.network import Network

Samples = tuple[Array, Array, "Array | None"]
_IN_HISTORY = [field.name for field in fields(History) if hasattr(_core.History, field.name)]
_AFTER_DIVERGENCE = (
    "the best weights so far are back in place. A lower learning rate, clip= or normalize_inputs=True may help."
)


def samples(
    net: Network,
    X: Any,
    y: Any,
    sample_weight: Any,
    validation: Any,
    validation_weight: Any,
    resume: bool,
    lengths: Any = None,
) -> tuple[Samples, Array | None, tuple[Any, ...] | None]:
    """Check everything and return (x, y, weights), training rows (None: all), and the validation samples."""
    x, t, w = net._samples(X, y, sample_weight, lengths=lengths)
    ends = net._lengths(lengths, x)
    labels = t if t.dtype == np.int32 and not net._core.each_step else None
    if net.loss.targets == "classes" and not resume:
        classes = t if t.dtype == np.int32 else t.argmax(axis=1)
        if len(x) > 1 and classes.min() == classes.max():
            raise ValueError(f"y must hold at least 2 classes; got only class {int(classes[0])}")
    if validation is None:
        if validation_weight is not None:
            raise ValueError("validation_sample_weight needs a validation set")
        return (x, t, w), None, None
    if isinstance(validation, tuple):
        if len(validation) not in ((2, 3) if net._core.recurrent else (2,)):
            raise ValueError(f"validation must be a fraction or (X, y); got a tuple of {len(validation)}")
        X_held, y_held, lengths_held = (*validation, None)[:3]
        held = net._samples(X_held, y_held, validation_weight, "validation ", lengths_held)
        return (x, t, w), None, (*held, None, net._lengths(lengths_held, held[0]))
    if validation_weight is not None:
        raise ValueError("validation_sample_weight goes with validation=(X, y); a fraction takes sample_weight's")
    how = validation if isinstance(validation, Split) else Split(validation)
    train, aside = how.indices(len(x), labels, net.seed)
    if w is not None:
        by_sample = w.reshape(len(x), -1)
        if not by_sample[train].any() or not by_sample[aside].any():
            raise ValueError("sample_weight must not be all zero in the training or the validation part")
    return (x, t, w), train, (x, t, w, aside, ends)


def options(
    epochs: int, batch_size: int, optimizer: Any, l1: float, l2: float, clip: Any, shuffle: bool, n_threads: int | None
) -> Any:
    """Return the core's FitOptions."""
    out = _core.FitOptions()
    out.epochs = _data.whole_number(epochs, "epochs", 1)
    out.batch_size = _data.whole_number(batch_size, "batch_size", 1)
    chosen = _core.Adam() if optimizer is None else optimizers.get(optimizer)
    if isinstance(chosen, optimizers.SAM):
        out.sam_rho = chosen.rho
        chosen = chosen.base
    if type(chosen).__name__ in optimizers.solver_names():
        out.solver = chosen
    else:
        out.optimizer = chosen
    out.penalty = _core.PenaltyStrength(penalty(l1, "l1"), penalty(l2, "l2"))
    if clip is not None:
        if not isinstance(clip, (_core.AGC, _core.ClipNorm)):
            raise TypeError(f"clip must be lamina.AGC(...), lamina.ClipNorm(...) or None; got {clip!r}")
        out.clipping = clip
    out.shuffle = bool(shuffle)
    out.threads = threads(n_threads)
    return out


def set_early_stopping(options: Any, stopping: EarlyStopping | None, net: Network) -> None:
    """Tell the core what to watch; None: nothing."""
    if stopping is None:
        return
    if not isinstance(stopping, EarlyStopping):
        raise TypeError(f"early_stopping must be a lamina.EarlyStopping or None; got {stopping!r}")
    options.early_stop = stopping.in_core()
    options.monitor = stopping.monitor_hook(net)


def callbacks_of(given: Any) -> list[Callable[[Epoch], Any]]:
    """Return callbacks as a list: of an iterable, of one callable, or of None."""
    if given is None:
        return []
    if not callable(given) and not isinstance(given, Iterable):
        raise TypeError(f"callbacks must be callables with an Epoch; got {given!r}")
    hooks = [given] if callable(given) else list(given)
    for i, hook in enumerate(hooks):
        if not callable(hook):
            raise TypeError(f"callbacks[{i}] must be callable with an Epoch; got {hook!r}")
    return hooks


def set_hooks(options: Any, callbacks: Iterable[Callable[[Epoch], Any]], schedule: Any, bar: Any, net: Network) -> None:
    """Tell the core what to call at the end of an epoch, and for the learning rate."""
    hooks = callbacks_of(callbacks)
    if isinstance(schedule, schedules.ReduceOnPlateau):
        options.plateau = schedule
    elif callable(schedule):
        options.schedule = schedule
    elif schedule is not None:
        raise TypeError(
            f"schedule must be a schedule such as lamina.schedules.Cosine() or a callable; got {schedule!r}"
        )
    if bar is not None:
        hooks.append(bar)
    if not hooks:
        return

    def run(report: Any) -> Epoch:
        epoch = Epoch(report, net)
        for hook in hooks:
            hook(epoch)
        return epoch

    options.on_epoch = run


def history_from(core: Any) -> History:
    """Return the core's history as Python lists."""
    return History(**{name: getattr(core, name) for name in _IN_HISTORY})


def divergence_message(core: Any, layer: str) -> str:
    """Return where training diverged; `layer` describes the layer, the last one where all outputs were finite."""
    at = core.diverged_layer
    if core.diverged_batch == 0:
        what = f"the weights after the last step of epoch {core.diverged_epoch} are not finite, first in layer {at}"
        where = f"({layer})"
        return f"training diverged: {what} {where}; {_AFTER_DIVERGENCE}"
    where = f"first in layer {at} ({layer})" if at >= 0 else f"from finite outputs of the last layer ({layer})"
    return (
        f"training diverged: the loss of epoch {core.diverged_epoch}, batch {core.diverged_batch} is not finite, "
        f"{where}; {_AFTER_DIVERGENCE}"
    )


def penalty(value: float, name: str) -> float:
    """Return the strength of a penalty; TypeError or ValueError names it."""
    return _data.number(value, name)


def threads(n_threads: int | None) -> int:
    """Return the number of threads for the core: 0 where it may choose."""
    return 0 if n_threads is None else _data.whole_number(n_threads, "n_threads", 1)
