"""`lamina predict`: the rows of a CSV file to predictions."""

import sys
from argparse import Namespace
from typing import Any

import numpy as np
import pandas as pd

from lamina.cli import report
from lamina.cli.tables import Table, TableError, Target
from lamina.model_file import load

__all__ = ["run"]


def run(options: Namespace) -> int:
    """Write a prediction for each row, with the probabilities if asked; print scores where the target is there."""
    network = load(options.model)
    if "table" not in network.metadata:
        raise TableError(f"{options.model} was not made by `lamina train`: it does not know the columns of a table")
    table, target, _ = Table.from_json(network.metadata["table"])
    if options.proba and target.classes is None:
        raise TableError("--proba needs a model of classes; this one predicts numbers")
    text = dict.fromkeys(table.text_columns, str)
    if target.classes is not None and isinstance(target.classes[0], str):
        text[target.name] = str
    frame = pd.read_csv(options.data, sep=options.separator, low_memory=False, skipinitialspace=True, dtype=text)
    if not len(frame):
        raise TableError(f"{options.data} has no row to predict")
    inputs, notes = table.transform(frame)
    for line in notes:
        report.note(f"note: {line}", stderr=True)
    outputs = network.predict(inputs)
    columns = {"prediction": target.decode(outputs)}
    if options.proba:
        columns |= {f"probability_{label}": outputs[:, place] for place, label in enumerate(target.classes or ())}
    pd.DataFrame(columns).to_csv(options.out or sys.stdout, index=False)
    if options.out:
        report.note(f"{len(frame)} predictions: {options.out}", stderr=True)
    _score(frame, target, outputs)
    return 0


def _score(frame: pd.DataFrame, target: Target, outputs: Any) -> None:
    """Print the scores of the rows whose target the table tells."""
    if target.name not in frame.columns or not (known := frame[target.name].notna().to_numpy()).any():
        return
    truth = frame[target.name][known]
    if target.classes is None:
        numbers = truth.to_numpy(dtype=np.float64)
        report.results("given", None, numbers, target.decode(outputs[known]), None, stderr=True)
        return
    familiar = truth.isin(target.classes).to_numpy()
    if not familiar.all():
        report.note(f"note: {int((~familiar).sum())} rows have a class unknown to the model: not scored", stderr=True)
    if familiar.any():
        labels = target.encode(truth[familiar])
        report.results("given", target.classes, labels, outputs[known][familiar], None, stderr=True)
