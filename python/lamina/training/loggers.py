"""Callbacks that write what a fit does to where people look: a table, TensorBoard, MLflow."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import socket
import time
from collections.abc import Callable, Mapping
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from lamina.data.arguments import boolean, whole_number
from lamina.extras import how_to_install
from lamina.files import FilePath, open_regular, path_of
from lamina.training.callbacks import Epoch, FitRun, callbacks_of
from lamina.training.checkpoint import Checkpoint

__all__ = ["CSVLogger", "MLflow", "TensorBoard"]


class _OneFitAtATime:
    """What a logger of one file or folder is: it writes of one fit, and refuses another one beside that."""

    _at_work = False

    def _start(self) -> None:
        if self._at_work:
            raise ValueError(f"callbacks: {self!r} writes of one fit at a time, and another is under way; fits side by "
                             "side need one each")  # fmt: skip
        self._at_work = True

    def _stop(self) -> None:
        self._at_work = False


class CSVLogger(_OneFitAtATime):
    """Write a row of comma-separated values after every epoch: its number, what `Epoch.values` knows, and the seconds.

    Each row is written whole, at once, so that it can be read while training goes on, and after whatever ended it.

    Parameters
    ----------
    path : path-like
    append : bool, default False
        Go on below what the file holds, which must have the same columns; what a broken-off fit left of its last row is
        taken away, and rows of epochs that are trained again, as a fit that goes on from a checkpoint does, are
        replaced; from the first epoch on where it finds no checkpoint yet, and has the values of the fit that is last
        in the file. Without it a file that is there is begun anew.
    """

    def __init__(self, path: FilePath, append: bool = False) -> None:
        self.path, self.append = path_of(path), boolean(append, "append")
        self._at = self.path
        self._columns: list[str] = []
        self._unkept = 0  # how many epochs a fit may have had that left rows here and no checkpoint to go on from

    def __repr__(self) -> str:
        return f"lamina.callbacks.CSVLogger({self.path!r}, append={self.append})"

    def on_begin(self, run: FitRun) -> None:
        """Have a file that can be written; what it holds stays until the first epoch is over."""
        self._start()
        try:
            self._at = os.path.abspath(self.path)  # also where the program goes to another folder meanwhile
            with open(self._at, "ab"):
                pass
            self._columns, self._unkept = [], _epochs_before_a_checkpoint(run.options)
        except BaseException:
            self._stop()
            raise

    def __call__(self, epoch: Epoch) -> None:
        """Write the row of an epoch."""
        row = {"epoch": epoch.epoch, **epoch.values(), "seconds": round(epoch.seconds, 6)}
        begins = not self._columns
        self._columns = self._columns or list(row)
        cells = [_number_as_text(row.get(name)) for name in self._columns]
        if begins and not (self.append and self._take_over(epoch.epoch, cells)):
            with open(self._at, "wb", buffering=0) as file:
                file.write(_csv_line(self._columns))
        with open(self._at, "ab", buffering=0) as file:
            file.write(_csv_line(cells))

    def on_end(self, run: FitRun) -> None:
        """Be free for the next fit."""
        self._stop()

    def _take_over(self, first: int, cells: list[str]) -> bool:
        """Whether the file has a table to go on with; its last row is then whole, and the one before epoch `first`."""
        with open_regular(self._at) as file:
            held = file.read()
        whole = held[: held.rfind(b"\n") + 1]
        rows = list(csv.reader(io.StringIO(whole.decode("utf-8", "replace"), newline="")))
        if not rows:
            if held.strip():
                raise ValueError(f"CSVLogger: {self.path} holds something else; give another path, or append=False")
            return False
        if rows[0] != self._columns:
            raise ValueError(
                f"CSVLogger: {self.path} has the columns {', '.join(rows[0])}, and this fit has "
                f"{', '.join(self._columns)}; give another path, or append=False"
            )
        lines = whole.splitlines(keepends=True)
        while first > 1 and len(lines) > 1 and _epoch_of(lines[-1]) >= first:
            lines.pop()
        if first == 1 and self._unkept:
            numbers = [_epoch_of(line) for line in lines]
            last = len(numbers) - 1 - numbers[::-1].index(1) if 1 in numbers else 0
            # The same fit, broken off before its first checkpoint, has this very row, but for the seconds; another, or
            # one that went further, stays.
            same = lines[last].rpartition(b",")[0] == _csv_line(cells).rpartition(b",")[0]
            if same and last > 0 and len(lines) - last <= self._unkept:
                del lines[last:]
        if (left := sum(map(len, lines))) != len(held):
            os.truncate(self._at, left)
        return True


def _epochs_before_a_checkpoint(options: Mapping[str, Any]) -> int:
    """How many epochs the fit, broken off, may have had without a checkpoint to go on from; 0 where it makes none."""
    if options.get("resume_from") is None:
        return 0
    every = [hook.every for hook in callbacks_of(options.get("callbacks")) if isinstance(hook, Checkpoint)]
    return min(every, default=0)


def _csv_line(cells: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


def _number_as_text(value: float | None) -> str:
    return "" if value is None else repr(value)


def _epoch_of(line: bytes) -> int:
    cell = line.partition(b",")[0]
    return int(cell) if cell.isdigit() else 0


# The version of the event files' format, in their first record.
_EVENTS = "brain.Event:2"


class TensorBoard(_OneFitAtATime):
    """Write event files for TensorBoard: every number that an epoch has, and if wanted the spread of the weights.

    ``tensorboard --logdir FOLDER`` shows them; the package `tensorboard` alone is needed, without TensorFlow. Fits of
    one folder are shown as one; give each a folder of its own within it to compare them.

    Parameters
    ----------
    log_dir : path-like
        The folder; it is made where there is none.
    histogram_freq : int, default 0
        Write a histogram of each parameter after so many epochs each; 0: of none.
    """

    def __init__(self, log_dir: FilePath, histogram_freq: int = 0) -> None:
        self.log_dir = path_of(log_dir, "log_dir")
        self.histogram_freq = whole_number(histogram_freq, "histogram_freq", 0)
        self._file: Any = None
        self._records: Any = None

    def __repr__(self) -> str:
        return f"lamina.callbacks.TensorBoard({self.log_dir!r}, histogram_freq={self.histogram_freq})"

    def on_begin(self, run: FitRun) -> None:
        """Open an event file."""
        try:
            from tensorboard.compat.proto.event_pb2 import Event
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError as error:
            raise ImportError(f"TensorBoard's files need tensorboard; {how_to_install(['tensorboard'])}") from error
        self._start()
        try:
            os.makedirs(self.log_dir, exist_ok=True)
            # Not by tensorboard's own writer, whose thread and locks Ctrl-C may leave waiting for each other for ever:
            # a record is written at once, without a buffer, so that each file is whole at every moment.
            now = time.time_ns()
            name = f"events.out.tfevents.{now // 10**9:010d}.{socket.gethostname()}.{os.getpid()}.{now % 10**9}"
            self._file = open(os.path.join(self.log_dir, name), "xb", buffering=0)  # noqa: SIM115
            self._records = RecordWriter(self._file)
            self._write(Event(wall_time=time.time(), file_version=_EVENTS))
        except BaseException:
            self._close()
            raise

    def __call__(self, epoch: Epoch) -> None:
        """Write what the epoch has."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary

        values = [Summary.Value(tag=name, simple_value=value) for name, value in epoch.values().items()]
        if self.histogram_freq and epoch.epoch % self.histogram_freq == 0:
            values += [
                Summary.Value(tag=name, histo=HistogramProto(**_histogram(array)))
                for name, array in epoch.network.parameters.items()
            ]
        self._write(Event(wall_time=time.time(), step=epoch.epoch, summary=Summary(value=values)))

    def on_end(self, run: FitRun) -> None:
        """Close the file."""
        self._close()

    def _write(self, event: Any) -> None:
        self._records.write(event.SerializeToString())

    def _close(self) -> None:
        try:
            if self._file is not None:
                self._file.close()
        finally:
            self._file = self._records = None
            self._stop()


def _histogram(array: Any) -> dict[str, Any]:
    """The fields of TensorBoard's histogram of an array."""
    values = np.asarray(array, np.float64).reshape(-1)
    try:
        counts, edges = np.histogram(values, bins=30)
        limits = edges[1:]
    except ValueError:  # numbers that are not finite, or so near to each other that none lie between
        counts, limits = np.array([values.size]), values.max(keepdims=True)
    with np.errstate(over="ignore", invalid="ignore"):
        return {
            "min": values.min(),
            "max": values.max(),
            "num": values.size,
            "sum": values.sum(),
            "sum_squares": np.square(values).sum(),
            "bucket_limit": limits.tolist(),
            "bucket": counts.astype(float).tolist(),
        }


class MLflow(_OneFitAtATime):
    """Log a fit to MLflow: options and architecture as parameters, metrics by epoch, the model file at the end.

    A run is begun and ended with the fit, FINISHED, FAILED or, after Ctrl-C, KILLED; where ``mlflow.start_run`` has one
    active and neither `experiment` nor `tracking_uri` is given, that one is written to and left active. The package
    `mlflow-skinny`, or `mlflow`, is needed.

    Parameters
    ----------
    experiment : str, optional
        Made where there is none; MLflow's active or default one without it.
    run_name : str, optional
    tracking_uri : str, optional
        Where MLflow keeps runs, such as "sqlite:///mlflow.db"; MLflow's own setting without it.
    log_model : bool, default True
        Keep the model file, ``model.lamina``, which `lamina.load` reads, as an artifact of the run.

    Attributes
    ----------
    run_id : str or None
        Of the last fit.
    """

    def __init__(
        self,
        experiment: str | None = None,
        run_name: str | None = None,
        tracking_uri: str | None = None,
        log_model: bool = True,
    ) -> None:
        for name, value in (("experiment", experiment), ("run_name", run_name), ("tracking_uri", tracking_uri)):
            if value is not None and not isinstance(value, str):
                raise TypeError(f"{name} must be a string or None; got {value!r}")
        self.experiment, self.run_name, self.tracking_uri = experiment, run_name, tracking_uri
        self.log_model = boolean(log_model, "log_model")
        self.run_id: str | None = None
        self._client: Any = None
        self._terminate: Callable[[str], Any] | None = None

    def __repr__(self) -> str:
        given = (self.experiment, self.run_name, self.tracking_uri, self.log_model)
        return "lamina.callbacks.MLflow(experiment={!r}, run_name={!r}, tracking_uri={!r}, log_model={!r})".format(
            *given
        )

    def on_begin(self, run: FitRun) -> None:
        """Begin a run, or find the active one, and log what is known beforehand."""
        try:
            import mlflow
        except ImportError as error:
            raise ImportError(f"logs of MLflow need mlflow; {how_to_install(['mlflow'])}") from error
        self._start()
        try:
            self._client, self.run_id = mlflow.MlflowClient(self.tracking_uri), None
            if self.experiment is not None or self.tracking_uri is not None:
                self.run_id = self._new_run()
                self._terminate = partial(self._client.set_terminated, self.run_id)
            elif (active := mlflow.active_run()) is not None:
                self.run_id = active.info.run_id
            else:
                self.run_id = mlflow.start_run(run_name=self.run_name).info.run_id
                self._terminate = mlflow.end_run
            self._log_beforehand(run)
        except BaseException:
            self._end("FAILED")
            raise

    def _new_run(self) -> str:
        experiment = "0"  # MLflow's default one
        if self.experiment is not None:
            found = self._client.get_experiment_by_name(self.experiment)
            experiment = self._client.create_experiment(self.experiment) if found is None else found.experiment_id
        return str(self._client.create_run(experiment, run_name=self.run_name).info.run_id)

    def _log_beforehand(self, run: FitRun) -> None:
        from mlflow.entities import Param

        network = run.network
        known = {
            "layers": ", ".join(map(repr, network.layers)),
            "n_inputs": network.n_inputs,
            "n_outputs": network.n_outputs,
            "n_parameters": sum(array.size for array in network.parameters.values()),
            "loss": network.loss.name,
            "dtype": network.dtype,
            "seed": network.seed,
            "normalize_inputs": network.normalize_inputs,
            "n_samples": run.n_samples,
            "n_held_out": run.n_held_out,
            **{name: value for name, value in run.options.items() if name != "callbacks" and value is not None},
        }
        self._client.log_batch(self.run_id, params=[Param(name, _param(value)) for name, value in known.items()])
        self._client.log_text(self.run_id, network.summary(), "summary.txt")
        try:
            architecture = network.architecture()
        except TypeError:  # parts of the user's own have no description
            return
        self._client.log_text(self.run_id, json.dumps(architecture, indent=1), "architecture.json")

    def __call__(self, epoch: Epoch) -> None:
        """Log what the epoch has."""
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        found = [Metric(_metric_name(name), value, now, epoch.epoch) for name, value in epoch.values().items()]
        self._client.log_batch(self.run_id, metrics=found)

    def on_end(self, run: FitRun) -> None:
        """Log how it ended and the model, and end the run if it is the fit's own."""
        status = "FINISHED"
        if run.error is not None:
            status = "KILLED" if isinstance(run.error, KeyboardInterrupt) else "FAILED"
        try:
            if run.history.epochs:
                self._client.log_batch(self.run_id, tags=_tags(run))
                if self.log_model:
                    self._log_model(run)
        except BaseException:
            status = "FAILED"
            raise
        finally:
            self._end(status)

    def _log_model(self, run: FitRun) -> None:
        with TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.lamina")
            try:
                run.network.save(path)
            except TypeError:  # parts of the user's own, which no file can hold
                return
            self._client.log_artifact(self.run_id, path)

    def _end(self, status: str) -> None:
        try:
            if self._terminate is not None:
                self._terminate(status)
        finally:
            self._client = self._terminate = None
            self._stop()


# MLflow's own limit on parameters, and what its names may hold.
_LONGEST_PARAM = 500
_IN_NAMES = set("_-. :/")


def _param(value: Any) -> str:
    text = getattr(value, "__qualname__", None) or (str(value) if not isinstance(value, np.ndarray) else "an array")
    return text if len(text) <= _LONGEST_PARAM else text[: _LONGEST_PARAM - 1] + "…"


def _metric_name(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in _IN_NAMES else "_" for letter in name)


def _tags(run: FitRun) -> list[Any]:
    from mlflow.entities import RunTag

    history = run.history
    said = {"stop_reason": history.stop_reason, "best_epoch": str(history.best_epoch)}
    last = history.validation_loss or history.loss
    if 1 <= history.best_epoch <= len(last) and math.isfinite(value := last[history.best_epoch - 1]):
        said["best_loss"] = repr(value)
    return [RunTag(name, value) for name, value in said.items()]
