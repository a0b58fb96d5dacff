"""Checkpoints: what a fit is between two epochs, kept in a file, and gone on with to the bit.

A checkpoint is a file as those of models are (`storage.container`), whose architecture has the name ``Checkpoint``. It
tells the network (``of``), the options and a digest of the samples (``options``, ``data``), and in ``state`` the plain
values of what the core's `FitState` holds; the arrays of it are the file's, beside the scales of inputs and targets.
"""

from __future__ import annotations

import os
import reprlib
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np

from lamina._dispatch import core as _core
from lamina.callers import warn_caller
from lamina.data.arguments import whole_number
from lamina.data.arrays import Array
from lamina.data.records import Samples, TrainingSet
from lamina.files import FilePath, check_replaceable, path_of
from lamina.interrupts import insist
from lamina.memory import need_room_for_a_thread
from lamina.runtime import __version__
from lamina.storage.container import FIT, Contents, as_strings, read, understood, write
from lamina.storage.forms import SCALES, ArrayForm, Forms
from lamina.storage.parts import ModelFileError, layer_from
from lamina.storage.pickles import VersionWarning
from lamina.storage.plain import described_samples, difference, plain
from lamina.training.callbacks import History
from lamina.training.model import Model

__all__ = [
    "KIND",
    "METRIC",
    "AnotherFitError",
    "Checkpoint",
    "CheckpointFile",
    "KeptFit",
    "digests_of",
    "kept_at",
    "network_of",
    "same_file",
]

#: What the architecture of a checkpoint calls itself, where that of a model has the kind of network.
KIND = FIT
#: What the names of curves of `metrics` begin with, among those of a history.
METRIC = "metrics."
# Of an architecture: whether the start from data is still to come; never in the midst of a fit.
_START_DUE = "data_start_due"
_HISTORY = "history."
# The arrays of which networks are made: these, those of the best epoch, and the average of the parameters.
_NETWORKS = ("parameters", "state")
_BEST, _AVERAGE = "best.", "average"
# What a fit calls parts of its samples, where it has another name for them.
_OF_SAMPLES = {"sample_weight": "sample_weight or class_weight"}


class AnotherFitError(ValueError):
    """A checkpoint is not one of the fit that is to go on.

    Attributes
    ----------
    differences : str
        In what it differs, by name.
    """

    def __init__(self, differences: str) -> None:
        super().__init__(f"resume_from must be a checkpoint of the same fit; this one is of another: {differences}")
        self.differences = differences

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.differences,)


class Checkpoint:
    """Keep the fit in a file after epochs, so that it can go on after whatever ends it, to the same bits.

    One of `callbacks` of `Network.fit`; ``resume_from=path`` goes on with it, on a network built anew with the same
    options and samples. The file is whole at every moment. It is written after every `every` epochs and when the fit
    ends, also by Ctrl-C or an exception: then it holds the last epoch that was completed. `lamina.load` makes of it the
    network with the best weights so far.

    Parameters
    ----------
    path : path
        Where to write. A file that is there is replaced.
    every : int, default 1
        Epochs from one writing to the next.

    Examples
    --------
    >>> keep = lamina.callbacks.Checkpoint("fit.checkpoint")
    >>> net.fit(X, y, callbacks=[keep], resume_from=keep.path)  # run again, it goes on   # doctest: +SKIP
    """

    def __init__(self, path: FilePath, every: int = 1) -> None:
        self.path, self.every = path, every

    @property
    def path(self) -> str:
        """Where to write."""
        return self._path

    @path.setter
    def path(self, path: FilePath) -> None:
        self._path = path_of(path)

    @property
    def every(self) -> int:
        """Epochs from one writing to the next."""
        return self._every

    @every.setter
    def every(self, every: int) -> None:
        self._every = whole_number(every, "every", 1)

    def __repr__(self) -> str:
        return f"lamina.callbacks.Checkpoint({self.path!r}, every={self.every})"

    def __call__(self, epoch: object) -> NoReturn:
        """Say where it does not belong: a network's fit takes it out of its callbacks."""
        raise TypeError(
            f"{self!r} keeps the fits of a lamina.Network alone; of cascades, and of tables, give fit(..., "
            f"checkpoint={self.path!r})"
        )


@dataclass(frozen=True, slots=True)
class KeptFit:
    """What a checkpoint holds.

    Attributes
    ----------
    network : dict
        The architecture of the network.
    options : dict
        What the fit was asked for, as plain JSON values.
    data : dict
        Digests of its samples by their names.
    state : dict
        As the core gives and takes it.
    timed_out : bool
        Whether the limit of time ended the fit: with more time it goes on.
    metadata : dict
        That of the network.
    """

    network: dict[str, Any]
    options: dict[str, Any]
    data: dict[str, str]
    state: dict[str, Any]
    timed_out: bool
    metadata: dict[str, str]

    def contents(self) -> Contents:
        """Return what the file holds."""
        history = {name: value for name, value in self.state["history"].items() if isinstance(value, np.ndarray)}
        memory = self.state["memory"]
        arrays = {
            **self.state["arrays"],
            **{f"slot.{i}": slot for i, slot in enumerate(memory["slots"] if memory else [])},
            **{_HISTORY + name: array for name, array in history.items() if len(array)},
        }
        described = {
            "position": {name: _finite(value) for name, value in self.state["position"].items()},
            "history": {name: value for name, value in self.state["history"].items() if name not in history},
            "memory": {name: value for name, value in memory.items() if name != "slots"} if memory else None,
            "arrays": {name: [array.dtype.name, len(array)] for name, array in sorted(arrays.items())},
        }
        architecture = {
            "network": KIND,
            "version": __version__,
            "of": self.network,
            "options": self.options,
            "data": self.data,
            "timed_out": self.timed_out,
            "state": described,
        }
        return Contents.of(architecture, arrays, self.state["scales"], self.metadata)

    @classmethod
    def of(cls, contents: Contents) -> KeptFit:
        """Return what the file holds; what is wrong with it raises whatever it leads to."""
        kept, arrays = contents.architecture, dict(contents.arrays)
        state_of = kept["state"]
        for name in ("of", "options", "data"):
            if not isinstance(kept[name], dict):
                raise TypeError(f"{name} must be values by name; got {reprlib.repr(kept[name])}")
        scales = {name: arrays.pop(name) for name in SCALES if name in arrays}
        slots = [arrays.pop(f"slot.{i}") for i in range(sum(name.startswith("slot.") for name in arrays))]
        told = vars(History())  # by name, with empty lists where the file has no array
        lists = {name: np.empty(0) for name, value in told.items() if isinstance(value, list)}
        for name in [name for name in arrays if name.startswith(_HISTORY)]:
            lists[name.removeprefix(_HISTORY)] = arrays.pop(name)
        state: dict[str, Any] = {
            "position": {name: float(v) if isinstance(v, str) else v for name, v in state_of["position"].items()},
            "history": {**state_of["history"], **lists},
            "memory": None if state_of["memory"] is None else {**state_of["memory"], "slots": slots},
            "scales": scales,
            "arrays": arrays,
        }
        for name, value in state["position"].items():
            if not isinstance(value, (int, float)):
                raise TypeError(f"{name} must be a number; got {reprlib.repr(value)}")
        curves = [curve for name, curve in lists.items() if name.startswith(METRIC)]
        if any(len(curve) != len(lists["loss"]) for curve in curves):
            raise ValueError("its metrics are not those of as many epochs as it counts")
        if not 0 <= state["history"]["best_epoch"] <= len(lists["loss"]) == state["position"]["epoch"]:
            raise ValueError("its history is not one of as many epochs as it counts")
        return cls(kept["of"], kept["options"], kept["data"], state, bool(kept["timed_out"]), dict(contents.metadata))

    @staticmethod
    def forms_of(architecture: Mapping[str, Any]) -> Forms:
        """Return what arrays a checkpoint has; nothing is built."""
        of = architecture["of"]
        layers, n_inputs = [layer_from(entry) for entry in of["layers"]], whole_number(of["n_inputs"], "n_inputs", 1)
        n_outputs = _core.output_count(layers, n_inputs)
        scales = Forms.of({}, n_inputs, of["dtype"], n_outputs)
        sizes = dict(zip(_NETWORKS, (_size(layers, n_inputs, trained) for trained in (True, False)), strict=True))
        needed = {
            prefix + name: ArrayForm(of["dtype"], (size,))
            for prefix in ("", _BEST)
            for name, size in sizes.items()
            if size
        }
        listed = {
            name: ArrayForm(str(dtype), (whole_number(size, f"the size of {name}", 0),))
            for name, (dtype, size) in architecture["state"]["arrays"].items()
        }
        for name, form in listed.items():
            if form.dtype not in ("float32", "float64"):
                raise ValueError(f"the array {reprlib.repr(name)} cannot be {form}")
        for name, form in needed.items():
            if listed.get(name) != form:
                raise ValueError(f"the array {name!r} should be {form}; got {listed.get(name)}")
        return Forms(listed, scales.together, _free(listed)).accounting_for(n_inputs + n_outputs)

    def check(self, network: Mapping[str, Any], options: Mapping[str, Any], data: Mapping[str, str]) -> None:
        """Raise AnotherFitError naming in what another fit differs from this one."""
        found = [
            difference(network, self.network, types=True),
            difference(options, self.options),
            difference(data, self.data),
        ]
        if any(found):
            raise AnotherFitError("; ".join(filter(None, found)))

    def with_time_until(self, seconds: float) -> KeptFit:
        """Return the same, not stopped where the limit of time ended it and is now later: `seconds` in all."""
        position = self.state["position"]
        if not (self.timed_out and not position["ended"] and position["seconds"] < seconds):
            return self
        history = {**self.state["history"], "stop_reason": _core.History().stop_reason}
        return replace(self, state={**self.state, "position": {**position, "stopped": False}, "history": history})

    def for_core(self, scored: bool) -> dict[str, Any]:
        """Return the state as the core has it, which knows nothing of what Python computes after an epoch."""
        history = {name: value for name, value in self.state["history"].items() if not name.startswith(METRIC)}
        if scored:
            history["validation_score"] = np.empty(0)
        return {**self.state, "history": history}

    def history(self) -> History:
        """Return what the fit has done."""
        own = vars(History())
        known = {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in self.state["history"].items()
        }
        curves = {name.removeprefix(METRIC): known[name] for name in known if name.startswith(METRIC)}
        return History(**{name: value for name, value in known.items() if name in own}, metrics=curves)

    @property
    def over(self) -> bool:
        """Whether the fit has ended."""
        position = self.state["position"]
        return bool(position["stopped"] or position["epoch"] >= self.options["epochs"])

    def left(self) -> dict[str, Array]:
        """Return the parameters and running statistics, flat, that the fit would leave if it ended here."""
        arrays, position = self.state["arrays"], self.state["position"]
        last = {name: arrays[name] for name in _NETWORKS if name in arrays}
        stopping = self.options["early_stopping"]
        restores = stopping is not None and stopping["restore_best"]
        if position["has_best"] and (restores or not self.over):
            return {name: arrays[_BEST + name] for name in last}
        return {**last, **({"parameters": arrays[_AVERAGE]} if _AVERAGE in arrays else {})}


def _free(names: Iterable[str]) -> frozenset[str]:
    """Those of a checkpoint's arrays that may hold any number: all but what a network is made of."""
    of_networks = {prefix + name for prefix in ("", _BEST) for name in _NETWORKS}
    return frozenset(names) - of_networks - {_AVERAGE, *SCALES}


def _size(layers: list[Any], n_inputs: int, trained: bool) -> int:
    return sum(int(np.prod(shape)) for shape in _core.parameter_shapes(layers, n_inputs, trained).values())


def _finite(value: Any) -> Any:
    """A number as JSON has it, which knows no infinity."""
    return repr(value) if isinstance(value, float) and not np.isfinite(value) else value


def digests_of(training: TrainingSet, each_step: bool) -> dict[str, str]:
    """Return a short digest of each array that a fit looks at, by name."""
    out = _digests(training.samples, each_step, "")
    if training.rows is not None:
        out["validation"] = str(plain(training.rows))
    if (held := training.held_out) is not None:
        if held.samples is not training.samples:
            out.update(_digests(held.samples, each_step, "validation "))
        if held.rows is not None:
            out["validation"] = f"{out.get('validation', '')}/{plain(held.rows)}"
    return out


def _digests(samples: Samples, each_step: bool, prefix: str) -> dict[str, str]:
    parts = described_samples(samples, each_step)
    return {prefix + _OF_SAMPLES.get(name, name): part for name, part in parts.items() if part is not None}


def kept_at(path: FilePath) -> KeptFit:
    """Return what the checkpoint at `path` holds.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ModelFileError
        It is cut short, altered, no checkpoint, or from a later format.
    """
    name = path_of(path, "resume_from")

    def forms_of(architecture: dict[str, Any]) -> Forms:
        if architecture.get("network") != KIND:
            raise ModelFileError(f"{name} is a model, and not a checkpoint: it does not tell how a fit goes on")
        return KeptFit.forms_of(architecture)

    contents = read(name, forms_of)
    with understood(name):
        kept = KeptFit.of(contents)
    made = contents.architecture.get("version")
    if made != __version__:
        warn_caller(
            f"{name} was written by version {reprlib.repr(made)} of lamina, and this is version {__version__!r}: the "
            "fit may not end with the same bits",
            VersionWarning,
        )
    return kept


class CheckpointFile:
    """The file of a `Checkpoint` in the course of one fit.

    Files are written on a thread beside the next epoch, which need not wait for the disk.

    Parameters
    ----------
    checkpoint : Checkpoint
    network, options, data : dict
        What `KeptFit` has of them.
    metadata : dict
        The network's.
    writes : bool, default True
        Whether there will be something to write.

    Raises
    ------
    OSError, ValueError
        A file there could not be made, or not be replaced whole: there is no folder, or a closed one, or a pipe.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        network: dict[str, Any],
        options: dict[str, Any],
        data: dict[str, str],
        metadata: Mapping[Any, Any],
        writes: bool = True,
    ) -> None:
        self._path = os.path.abspath(checkpoint.path)  # also where the program goes to another folder meanwhile
        if writes:
            check_replaceable(self._path, "path of a Checkpoint")
        self._checkpoint = checkpoint
        self._fit = (network, options, data)
        self._metadata = as_strings(metadata)
        self._waiting: KeptFit | None = None
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._lock = threading.Lock()  # of writing

    def keep(self, state: dict[str, Any], timed_out: bool, write: bool = True) -> None:
        """Take the state after an epoch; with `write`, write it where it is time to.

        What the last writing raised is raised here.
        """
        self._waiting = KeptFit(*self._fit, state, timed_out, self._metadata)
        if write and state["position"]["epoch"] % self._checkpoint.every == 0:
            self._join()
            self._raise_error()
            self._start()

    def flush(self) -> None:
        """Return once the last state is written; Ctrl-C is raised then, however often it comes meanwhile."""
        try:
            insist(lambda: self._thread is None and self._waiting is None, self._go_on)
        finally:
            self._raise_error()

    def _go_on(self) -> None:
        self._join()
        if self._waiting is not None:
            self._start()

    def _raise_error(self) -> None:
        if self._error is not None:
            error, self._error, self._waiting = self._error, None, None  # said once; no second attempt
            raise error

    def _start(self) -> None:
        """Begin to write what waits."""
        try:
            need_room_for_a_thread()
            self._thread = threading.Thread(target=self._write, name="lamina-checkpoint")
            self._thread.start()
        except (MemoryError, RuntimeError):  # no memory for a thread, or as many as there may be: the next epoch waits
            self._thread = None
            self._write()

    def _join(self) -> None:
        """Return once what is begun is written."""

        def wait() -> None:
            if self._thread is not None and self._thread.ident is not None:  # or else Ctrl-C came before it was started
                self._thread.join()
            self._thread = None

        insist(lambda: self._thread is None, wait)

    def _write(self) -> None:
        """Write what waits; what that raises is kept for the thread that trains."""
        with self._lock:
            if (kept := self._waiting) is None:
                return
            error: BaseException | None = None
            try:
                contents = kept.contents()
                write(self._path, contents, free=_free(contents.arrays), always=True)
            except KeyboardInterrupt:  # where there is no thread: it is written once more
                raise
            except BaseException as raised:
                error = raised
            if error is not None:
                self._error = error
            if error is not None or self._waiting is kept:
                self._waiting = None


def network_of(network: Model) -> dict[str, Any]:
    """Return the architecture of a network in the midst of a fit, or at its beginning."""
    architecture = dict(network.architecture())
    return {**architecture, _START_DUE: False} if _START_DUE in architecture else architecture


def same_file(one: FilePath, other: FilePath) -> bool:
    """Whether two paths lead to the same place."""
    return os.path.realpath(path_of(one)) == os.path.realpath(path_of(other))
