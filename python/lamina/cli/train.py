"""`lamina train`: a CSV file to a model file."""

import difflib
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lamina import optimizers
from lamina.cli import report
from lamina.cli.tables import Table, TableError, Target, detect_task
from lamina.data.splits import split
from lamina.layers import Dense, Dropout
from lamina.network import Network
from lamina.plots import learning_curves
from lamina.training.callbacks import EarlyStopping

__all__ = ["run"]

PARTS = ("training", "validation", "test")


def run(options: Namespace) -> int:
    """Read the table, train, save the model with its columns, print the results, draw the learning curves."""
    for folder in {Path(path).absolute().parent for path in (options.out, options.plot) if path}:
        if not folder.is_dir():
            raise ValueError(f"there is no folder {folder} to write to")
    frame = pd.read_csv(options.data, sep=options.separator, low_memory=False, skipinitialspace=True)
    features, values = _features_and_target(frame, options)
    task, why = (options.task, "as asked") if options.task != "auto" else detect_task(values)
    report.note(f"{task}: the target {options.target!r}: {why}")
    labels = Target.fit(values, task)
    rows = _split(labels.encode(values), labels, options)
    # What is learned from columns and numbers is learned from the training rows; classes are known in advance.
    target = labels if labels.classes is not None else Target.fit(values.iloc[rows["training"]], task)
    encoded = target.encode(values)
    table, notes = Table.fit(features.iloc[rows["training"]], options.impute)
    inputs, more = table.transform(features)
    for line in (*notes, *more):
        report.note(f"note: {line}")

    network = _network(table, target, options)
    started = time.perf_counter()
    history = network.fit(
        inputs[rows["training"]],
        encoded[rows["training"]],
        epochs=options.epochs,
        batch_size=min(options.batch_size, len(rows["training"])),
        optimizer=optimizers.get(options.optimizer, lr=options.lr),
        l1=options.l1,
        l2=options.l2,
        validation=(inputs[rows["validation"]], encoded[rows["validation"]]) if len(rows["validation"]) else None,
        early_stopping=EarlyStopping(patience=options.patience) if len(rows["validation"]) else None,
        n_threads=options.threads,
        verbose=0 if options.quiet else 1,
    )
    seconds = time.perf_counter() - started
    network.metadata["table"] = table.to_json(target, task)
    network.save(options.out)
    picture = Path(options.plot) if options.plot else Path(options.out).with_suffix(".png")
    learning_curves(history, path=picture)
    report.note(f"{len(history.loss)} epochs in {seconds:.2f} s, best {history.best_epoch}; {history.stop_reason}")
    part = "test" if len(rows["test"]) else "training"
    _report_part(part, rows, network.predict(inputs[rows[part]]), target, values, encoded)
    report.note(f"model: {options.out}")
    report.note(f"learning curves: {picture}")
    return 0


def _features_and_target(frame: pd.DataFrame, options: Namespace) -> tuple[pd.DataFrame, pd.Series]:
    """Return the input columns and the target, without the rows whose target is missing."""
    for name in (options.target, *options.drop):
        if name not in frame.columns:
            raise TableError(_no_column(name, frame, options.separator))
    if len(frame) < 3:
        raise TableError(f"{options.data} has {len(frame)} rows; three are the least to train and to test on")
    missing = frame[options.target].isna()
    if missing.any() and options.impute == "none":
        raise TableError(
            f"missing values in the target {options.target!r} ({int(missing.sum())} of {len(frame)}); "
            "fill them in, or leave those rows out with --impute mean|median|most_frequent"
        )
    if missing.any():
        report.note(f"note: left out for want of a target: {int(missing.sum())} of {len(frame)} rows")
        frame = frame[~missing].reset_index(drop=True)
        whole = pd.api.types.is_float_dtype(frame[options.target]) and (frame[options.target] % 1 == 0).all()
        # pandas reads whole numbers as decimals in a column with gaps.
        frame = frame.astype({options.target: np.int64}) if whole and len(frame) else frame
        if len(frame) < 3:
            raise TableError(f"{len(frame)} rows have a target; three are the least to train and to test on")
    return frame.drop(columns=[options.target, *options.drop]), frame[options.target]


def _no_column(name: str, frame: pd.DataFrame, separator: str) -> str:
    near = difflib.get_close_matches(name, map(str, frame.columns), n=3)
    hint = f"; near: {', '.join(near)}" if near else f"; there are: {', '.join(map(str, frame.columns[:20]))}"
    if len(frame.columns) == 1:
        hint += f" (one column alone: is {separator!r} the separator?)"
    return f"the table has no column {name!r}{hint}"


def _split(encoded: Any, target: Target, options: Namespace) -> dict[str, Any]:
    """Return the row numbers of each part, with the classes in equal shares where every class has enough rows."""
    if options.test + options.validation >= 1:
        raise TableError(f"--test {options.test:g} and --validation {options.validation:g} leave no row to train on")
    fractions = {"validation": options.validation, "test": options.test}
    wanted = {"training": 1 - sum(fractions.values()), **{name: f for name, f in fractions.items() if f > 0}}
    stratify = target.classes is not None and int(np.bincount(encoded).min()) >= len(wanted)
    if target.classes is not None and not stratify:
        report.note("note: a class has too few rows for every part of the data: the rows are split at random")
    empty = np.empty(0, dtype=np.int64)
    if len(wanted) == 1:
        return {"training": np.arange(len(encoded)), "validation": empty, "test": empty}
    parts = split(
        np.arange(len(encoded)), encoded, fractions=tuple(wanted.values()), stratify=stratify, seed=options.seed
    )
    found = {name: part[0] for name, part in zip(wanted, parts, strict=True)}
    return {name: found.get(name, empty) for name in PARTS}


def _network(table: Table, target: Target, options: Namespace) -> Any:
    layers: list[Any] = []
    for units in options.hidden:
        layers.append(Dense(units, activation=options.activation))
        if options.dropout > 0:
            layers.append(Dropout(options.dropout))
    outputs, loss = (1, "squared_error") if target.classes is None else (len(target.classes), "cross_entropy")
    layers.append(Dense(outputs))
    return Network(layers, n_inputs=table.n_inputs, loss=loss, seed=options.seed, normalize_inputs=True)


def _report_part(
    part: str, rows: dict[str, Any], outputs: Any, target: Target, values: pd.Series, encoded: Any
) -> None:
    """Print the scores next to those of the most frequent class, or of the mean, of the training rows."""
    index, training = rows[part], rows["training"]
    if target.classes is None:
        truth = values.to_numpy(dtype=np.float64)[index]
        report.results(part, None, truth, target.decode(outputs), target.mean, stderr=False)
    else:
        baseline = int(np.argmax(np.bincount(encoded[training], minlength=len(target.classes))))
        report.results(part, target.classes, encoded[index], outputs, baseline, stderr=False)
