"""`lamina predict`: the rows of a table to predictions."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lamina.cli import report
from lamina.cli.outputs import PREDICTION, PROBABILITY, Output, check_outputs, is_model
from lamina.cli.reading import read_as_trained
from lamina.cli.tables import Table, TableError, Target
from lamina.files import write_whole
from lamina.model_file import load
from lamina.storage.parts import ModelFileError

__all__ = ["run"]


def run(options: Namespace) -> int:
    """Write a prediction for each row, with the probabilities if asked; print scores where the target is there."""
    network = _model(options.model)
    if "table" not in network.metadata:
        raise TableError(f"{options.model} was not made by `lamina train`: it does not know the columns of a table")
    table, target, _ = Table.from_json(network.metadata["table"])
    to_file = options.out not in (None, "-")
    if to_file:
        predictions_to = Output(options.out, "predictions", "--out", tuple(map(str, target.labels or ())))
        check_outputs([options.model, options.data], [predictions_to], force=options.force)
    table.check_network(network, target)
    if options.proba and target.classes is None:
        raise TableError("--proba needs a model of classes; this one predicts numbers")
    texts = {*table.text_columns, *([target.name] if target.is_text else [])}
    numbers = {column.name for column in table.columns} | {target.name}
    reading = read_as_trained(options, numbers - texts, texts, table.cells, lenient={target.name})
    report.note(reading.told, stderr=True)
    inputs, notes = table.transform(reading.frame)
    for line in (*reading.notes, *notes):
        report.note(f"note: {line}", stderr=True)
    outputs = network.predict(inputs)
    columns = {PREDICTION: target.decode(outputs)}
    if options.proba:
        columns |= {f"{PROBABILITY}{label}": outputs[:, place] for place, label in enumerate(target.labels or ())}
    predictions = pd.DataFrame(columns)
    if to_file:
        write_whole(options.out, predictions.to_csv(index=False).encode())
        report.note(f"{len(inputs)} predictions: {options.out}", stderr=True)
    else:
        predictions.to_csv(sys.stdout, index=False)
    _score(reading.frame, target, outputs)
    return 0


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
