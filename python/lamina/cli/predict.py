"""`lamina predict`: the rows of a table to predictions."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lamina.cli import report
from lamina.cli.cells import CellRules
from lamina.cli.outputs import INTERVAL, PREDICTION, PROBABILITY, Output, check_outputs, is_model
from lamina.cli.reading import read_as_trained
from lamina.cli.tables import Table, TableError, Target
from lamina.cli.tabular_model import columns_of, moments_of, outputs_of, strangers_to, target_and_cells
from lamina.files import write_whole
from lamina.model_file import load
from lamina.network import Network
from lamina.storage.parts import ModelFileError

__all__ = ["Predictor", "run"]


@dataclass(frozen=True)
class Predictor:
    """A model, of whatever kind, and the table that it knows.

    Attributes
    ----------
    target : Target
    cells : CellRules
    numbers, texts : set of str
        Its columns, the target among them, by how they are read.
    moments : set of str
        Those of the latter that are dates, times of day or durations.
    outputs : callable
        Given a data frame, what the target decodes, (n, classes) or (n, 1), and notes for the user.
    interval : callable or None
        Given a data frame and a share, the bounds (n, 2) that so many true numbers lie between.
    """

    target: Target
    cells: CellRules
    numbers: set[str]
    texts: set[str]
    moments: set[str]
    outputs: Callable[[pd.DataFrame], tuple[Any, list[str]]]
    interval: Callable[[pd.DataFrame, float], Any] | None = None


def run(options: Namespace) -> int:
    """Write a prediction for each row, with what else is asked for; print scores where the target is there."""
    predictor = _predictor(options)
    target = predictor.target
    to_file = options.out not in (None, "-")
    if to_file:
        predictions_to = Output(options.out, "predictions", "--out", tuple(map(str, target.labels or ())))
        check_outputs([options.model, options.data], [predictions_to], force=options.force)
    if options.proba and target.classes is None:
        raise TableError("--proba needs a model of classes; this one predicts numbers")
    if options.interval is not None and predictor.interval is None:
        kind = "this one predicts classes" if target.classes is not None else "this one is a network of its own layers"
        raise TableError(f"--interval needs a tabular model of numbers; {kind}")
    reading = read_as_trained(options, predictor.numbers, predictor.texts, predictor.cells, {target.name},
                              kept=options.keep, moments=predictor.moments)  # fmt: skip
    report.note(reading.told, stderr=True)
    outputs, notes = predictor.outputs(reading.frame)
    for line in (*reading.notes, *notes):
        report.note(f"note: {line}", stderr=True)
    columns = {PREDICTION: target.decode(outputs)}
    if options.proba:
        columns |= {f"{PROBABILITY}{label}": outputs[:, place] for place, label in enumerate(target.labels or ())}
    if options.interval is not None and predictor.interval is not None:
        columns |= dict(zip(INTERVAL, predictor.interval(reading.frame, options.interval).T, strict=True))
    if twice := [name for name in reading.kept if name in columns]:
        raise TableError(f"--keep {twice[0]} has the name of a column of the predictions; rename it in the table")
    predictions = pd.DataFrame({**reading.kept, **columns})
    if to_file:
        write_whole(options.out, predictions.to_csv(index=False).encode())
        report.note(f"{len(outputs)} predictions: {options.out}", stderr=True)
    else:
        predictions.to_csv(sys.stdout, index=False)
    _score(reading.frame, target, outputs)
    return 0


def _predictor(options: Namespace) -> Predictor:
    model = _model(options.model)
    known = model.metadata if isinstance(model, Network) else getattr(model, "metadata_", {})
    if "table" not in known:
        raise TableError(f"{options.model} was not made by `lamina train`: it does not know the columns of a table")
    if isinstance(model, Network):
        return _of_network(model)
    return _of_tabular(model)


def _of_tabular(model: Any) -> Predictor:
    target, cells = target_and_cells(model.metadata_["table"], model)
    numbers, texts = columns_of(model)

    def outputs(frame: pd.DataFrame) -> tuple[Any, list[str]]:
        found = outputs_of(model, frame, target)
        return found if target.classes is not None else found[:, np.newaxis], strangers_to(model, frame)

    def interval(frame: pd.DataFrame, coverage: float) -> Any:
        return model.predict_interval(frame, coverage=coverage)

    return Predictor(
        target,
        cells,
        numbers if target.is_text else numbers | {target.name},
        texts | {target.name} if target.is_text else texts,
        moments_of(model),
        outputs,
        interval if target.classes is None else None,
    )


def _of_network(network: Any) -> Predictor:
    table, target, _ = Table.from_json(network.metadata["table"])
    table.check_network(network, target)
    texts = {*table.text_columns, *([target.name] if target.is_text else [])}
    numbers = {column.name for column in table.columns} | {target.name}

    def outputs(frame: pd.DataFrame) -> tuple[Any, list[str]]:
        inputs, notes = table.transform(frame)
        return network.predict(inputs), notes

    return Predictor(target, table.cells, numbers - texts, texts, set(), outputs)


def _model(path: str) -> Any:
    """Load a model; the error for a file that is another kind of file says that the model comes first."""
    try:
        return load(path)
    except ModelFileError as error:
        if is_model(Path(path)):
            raise
        raise TableError(
            f"{path} is no model; the model comes first: lamina predict model.lamina data.csv ({error})"
        ) from None


def _score(frame: pd.DataFrame, target: Target, outputs: Any) -> None:
    """Print the scores of the rows whose target the table tells."""
    if target.name not in frame.columns or not (known := frame[target.name].notna().to_numpy()).any():
        return
    truth = frame[target.name][known]
    if target.classes is None:
        numbers = truth.to_numpy(dtype=np.float64)
        if (finite := np.isfinite(numbers)).any():
            found = target.decode(outputs[known])
            report.results("given", None, numbers[finite], found[finite], None, stderr=True)
        return
    familiar = truth.isin(target.classes).to_numpy()
    if not familiar.all():
        report.note(f"note: {int((~familiar).sum())} rows have a class unknown to the model: not scored", stderr=True)
    if familiar.any():
        labels = target.encode(truth[familiar])
        report.results("given", target.labels, labels, outputs[known][familiar], None, stderr=True)
