"""`lamina train`: a table to a model file."""

from __future__ import annotations

import difflib
import os
import sys
import time
import warnings
from argparse import Namespace
from typing import Any

import numpy as np
import pandas as pd

from lamina import optimizers
from lamina.cli import report
from lamina.cli.cells import NEARLY_ALL, PLAIN, is_number
from lamina.cli.outputs import Output, check_outputs
from lamina.cli.pictures import check_picture
from lamina.cli.reading import Reading, read_table
from lamina.cli.tables import MAX_CATEGORIES, MAX_CLASSES, Table, TableError, Target, detect_task
from lamina.data.splits import split, tells_little
from lamina.layers import Dense, Dropout
from lamina.network import Network
from lamina.plots import learning_curves
from lamina.text import counted
from lamina.training.callbacks import DivergenceWarning, EarlyStopping

__all__ = ["run"]

PARTS = ("training", "validation", "test")
INTERRUPTED = 130  # as shells say of a command that Ctrl-C ended


def run(options: Namespace) -> int:
    """Read the table, train, save the model with its columns, print the results, draw the learning curves.

    Ctrl-C ends the training alone: what there is of it is saved and reported, and the code is 130.
    """
    picture = options.plot or os.path.splitext(options.out)[0] + ".png"
    outputs = [Output(options.out, "model", "--out"), Output(picture, "picture", "--plot")]
    check_outputs([options.data], outputs, force=options.force)
    check_picture(picture)
    reading = read_table(options, labels=options.target)
    report.note(reading.told)
    for line in reading.notes:
        report.note(f"note: {line}")
    features, values = _features_and_target(reading, options)
    task = _task(values, reading, options)
    labels = Target.fit(values, task, reading.spellings)
    rows = _split(labels.encode(values), labels, options)
    _check_classes(values.iloc[rows["training"]], labels)
    # What is learned from columns and numbers is learned from the training rows; classes are known in advance.
    target = labels if labels.classes is not None else Target.fit(values.iloc[rows["training"]], task)
    encoded = target.encode(values)
    _look_at_doubts(features, reading)
    table, notes = Table.fit(features.iloc[rows["training"]], options.impute, reading.rules)
    inputs, more = table.transform(features)
    for line in (*notes, *more):
        report.note(f"note: {line}")

    network = _network(table, target, options)
    started = time.perf_counter()
    interrupted = _train(network, inputs, encoded, rows, options)
    seconds, history = time.perf_counter() - started, network.history
    if history.diverged and not history.best_epoch:
        raise ArithmeticError(f"training {history.stop_reason}; nothing is saved. A lower --lr may help")
    network.metadata["table"] = table.to_json(target, task)
    network.save(options.out)
    if interrupted:
        report.note(f"interrupted: the weights of the best epoch so far, {history.best_epoch}, are saved", stderr=True)
    if history.diverged:
        report.note(f"warning: training {history.stop_reason}; the weights of the best epoch, {history.best_epoch}, "
                    "are saved. A lower --lr may help", stderr=True)  # fmt: skip
    learning_curves(history, path=picture)
    report.note(f"{len(history.loss)} epochs in {seconds:.2f} s, best {history.best_epoch}; {history.stop_reason}")
    part = "test" if len(rows["test"]) else "training"
    _report_part(part, rows, network.predict(inputs[rows[part]]), target, values, encoded)
    report.note(f"model: {options.out}")
    report.note(f"learning curves: {picture}")
    return INTERRUPTED if interrupted else 0


def _train(network: Any, inputs: Any, encoded: Any, rows: dict[str, Any], options: Namespace) -> bool:
    """Train, and return whether Ctrl-C ended it; KeyboardInterrupt where it came before the first epoch was over."""
    held_out = rows["validation"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DivergenceWarning)  # said in the command's own words
            network.fit(
                inputs[rows["training"]],
                encoded[rows["training"]],
                epochs=options.epochs,
                batch_size=min(options.batch_size, len(rows["training"])),
                optimizer=optimizers.get(options.optimizer, lr=options.lr),
                l1=options.l1,
                l2=options.l2,
                validation=(inputs[held_out], encoded[held_out]) if len(held_out) else None,
                early_stopping=EarlyStopping(patience=options.patience) if len(held_out) else None,
                class_weight=None if options.class_weight == "none" else options.class_weight,
                n_threads=options.threads,
                # What is no terminal shows no bar, and may be closed before training ends.
                verbose=int(not options.quiet and sys.stderr.isatty()),
            )
    except KeyboardInterrupt:
        if network.history is None or not network.history.loss:
            raise KeyboardInterrupt("before the first epoch was over: nothing is saved") from None
        return True
    return False


def _features_and_target(reading: Reading, options: Namespace) -> tuple[pd.DataFrame, pd.Series]:
    """Return the input columns and the target, without the rows whose target is missing."""
    frame = reading.frame
    for name in (options.target, *options.drop):
        if name not in frame.columns:
            raise TableError(_no_column(name, frame, options.separator))
    if options.target in reading.doubled:
        raise TableError(f"the header has the target {options.target!r} more than once; rename one of the columns")
    if options.target in options.drop:
        raise TableError(f"--drop {options.target} leaves out the target")
    frame = _without_row_numbers(frame, options)
    if len(frame) < 3:
        raise TableError(
            f"{options.data} has {counted(len(frame), 'row')}; three are the least to train and to test on"
        )
    missing = frame[options.target].isna()
    if missing.any() and options.impute == "none":
        raise TableError(
            f"missing values in the target {options.target!r} ({int(missing.sum())} of {len(frame)}); "
            "fill them in, or leave those rows out with --impute mean|median|most_frequent"
        )
    if missing.any():
        report.note(f"note: left out for want of a target: {int(missing.sum())} of {len(frame)} rows")
        frame = frame[~missing].reset_index(drop=True)
        if len(frame) < 3:
            raise TableError(f"{counted(len(frame), 'row')} with a target; three are the least to train and to test on")
    values = frame[options.target]
    if pd.api.types.is_float_dtype(values) and ((values % 1 == 0) & (values.abs() < 2**53)).all():
        # Whole numbers are decimals in a column with gaps, and stay so, as 0.0 and 1.0, where a program writes it.
        frame = frame.astype({options.target: np.int64})
    return frame.drop(columns=[options.target, *options.drop]), frame[options.target]


def _without_row_numbers(frame: pd.DataFrame, options: Namespace) -> pd.DataFrame:
    """Leave out what a data frame's index became in the file: a first column without a name that counts the rows."""
    name = frame.columns[0]
    if name != "Unnamed: 0" or name in (options.target, *options.drop):
        return frame
    first, counted = frame[name], np.arange(len(frame))
    if not any(np.array_equal(first, counted + start) for start in (0, 1)):
        return frame
    report.note("note: the first column has no name and counts the rows: left out")
    return frame.drop(columns=name)


def _task(values: pd.Series, reading: Reading, options: Namespace) -> str:
    """Return what is asked for or found; TableError for texts that are meant as numbers."""
    task, why = (options.task, "as asked") if options.task != "auto" else detect_task(values)
    doubt, distinct = reading.doubts.get(options.target), values.nunique()
    if distinct < 2:
        raise TableError(f"the target {options.target!r} has one value alone, {values.tolist()[0]!r}: nothing to learn")
    if doubt is not None and options.task == "regression":
        raise TableError(f"the target {options.target!r} is text; --task regression needs numbers: {doubt.why}; "
                         f"{doubt.remedy}")  # fmt: skip
    numbers = doubt is not None and (
        (distinct > MAX_CLASSES and doubt.share >= 0.5) or (doubt.share >= NEARLY_ALL and not doubt.code)
    )
    if doubt is not None and options.task == "auto" and numbers:
        raise TableError(f"the target {options.target!r} has {distinct} different texts that look like numbers: "
                         f"{doubt.why}; {doubt.remedy}; --task classification makes them classes")  # fmt: skip
    if options.task == "auto" and task == "classification":
        _refuse_no_classes(values)
    if options.class_weight != "none" and task == "regression":
        raise TableError(f"--class-weight needs classes; the target {options.target!r} is {why}")
    report.note(f"{task}: the target {options.target!r}: {why}")
    if doubt is not None and options.task == "auto" and doubt.rows >= NEARLY_ALL and not doubt.code:
        report.note(f"note: the target {options.target!r} is read as text: {doubt.why}; {doubt.remedy}")
    return task


def _refuse_no_classes(values: pd.Series) -> None:
    """Raise TableError for texts of which too few come again to be classes: dates, names, numbers with words."""
    rows = values.value_counts()
    if (len(rows) > MAX_CLASSES and 2 * int((rows <= 2).sum()) > len(rows)) or len(rows) > max(len(values) / 2, 5):
        shown = ", ".join(map(repr, values.tolist()[:3]))
        possible = 2 * len(rows) <= len(values) or len(rows) <= MAX_CLASSES
        raise TableError(
            f"the target {values.name!r} has {len(rows)} different texts in {len(values)} rows ({shown}, ...), most of "
            "them in one or two rows: too many for classes. Write dates and numbers as plain numbers, or put rare "
            f"classes together{'; --task classification trains on them as they are' if possible else ''}"
        )


def _check_classes(training: pd.Series, target: Target) -> None:
    """Raise TableError where the rows to train on have one class alone."""
    if target.classes is not None and training.nunique() < 2:
        raise TableError(
            f"the {counted(len(training), 'row')} to train on have one class alone, {training.tolist()[0]!r}, of the "
            f"target {target.name!r}; more rows are wanted, or a smaller --test and --validation"
        )


def _look_at_doubts(features: pd.DataFrame, reading: Reading) -> None:
    """Tell of columns that are read as text for the sake of a few cells; TableError where they would be left out."""
    for name, doubt in reading.doubts.items():
        if name not in features.columns or max(doubt.share, doubt.rows) < NEARLY_ALL:
            continue
        # A word among a few numbers, such as "8+" behind 0 to 7, may be a category as they are.
        if not doubt.code and (doubt.share >= NEARLY_ALL or features[name].nunique() > MAX_CATEGORIES):
            raise TableError(f"column {name!r} is read as text, and nearly all of it is numbers: {doubt.why}; "
                             f"{doubt.remedy}, or leave the column out by --drop {name}, or have categories of its "
                             f"cells by --text {name}")  # fmt: skip
        report.note(f"note: column {name!r} is read as text: {doubt.why}; {doubt.remedy}, or say --text {name}")


def _no_column(name: str, frame: pd.DataFrame, separator: str | None) -> str:
    near = difflib.get_close_matches(name, map(str, frame.columns), n=3)
    hint = f"; near: {', '.join(near)}" if near else f"; there are: {', '.join(map(str, frame.columns[:20]))}"
    if 2 * sum(is_number(str(column), PLAIN) for column in frame.columns) > len(frame.columns):
        hint += " (is the first line a header?)"
    if len(frame.columns) == 1:
        said = f"is {separator!r} the separator?" if separator else "see --separator"
        hint += f" (one column alone: {said}; or does a title or a comment stand above the header?)"
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
    few = [
        f"{len(found[name])} for {name}" for name in fractions if tells_little(len(found.get(name, ())), len(encoded))
    ]
    if few:
        report.note(f"warning: of {counted(len(encoded), 'row')} {' and '.join(few)}: so few tell little of how "
                    "well the model does on others")  # fmt: skip
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
        report.results(part, target.labels, encoded[index], outputs, baseline, stderr=False)
