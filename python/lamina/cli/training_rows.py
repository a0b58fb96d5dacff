"""The rows of `lamina train`: what is to be learned from what, looked at before anything is trained."""

from __future__ import annotations

import datetime
import difflib
from argparse import Namespace
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lamina.cli import report
from lamina.cli.cells import NEARLY_ALL, PLAIN, is_number
from lamina.cli.reading import Reading, read_as_trained, read_table
from lamina.cli.tables import MAX_CATEGORIES, MAX_CLASSES, TableError, Target, detect_task
from lamina.data.dates import is_date
from lamina.data.splits import split, tells_little
from lamina.report.columns import Suspicion, suspicions
from lamina.text import counted

__all__ = ["Rows", "read_rows", "remedy_of"]

# A share of the test rows.
_MANY_ALIKE = 0.1
PARTS = ("training", "validation", "test")


@dataclass(frozen=True)
class Rows:
    """The rows of a table, and what is to be learned from them.

    Attributes
    ----------
    reading : Reading
    frame : pandas.DataFrame
        All columns, of the rows whose target is known; those of a test file at the end.
    features : pandas.DataFrame
        The columns to learn from.
    values : pandas.Series
        The column to predict.
    weights : numpy.ndarray of float64, or None
        What each row counts.
    task : str
        "classification" or "regression".
    target : Target
        Its classes, those of all rows; of numbers, the mean and scale of the training rows.
    encoded : numpy.ndarray
        Class numbers, or the standardised numbers.
    parts : dict
        The row numbers of "training", "validation" and "test".
    suspicions : list of Suspicion
    warnings : list of str
        What the user should look at before trusting the scores.
    notes : list of str
        What was said of the table.
    """

    reading: Reading
    frame: pd.DataFrame
    features: pd.DataFrame
    values: pd.Series
    weights: Any
    task: str
    target: Target
    encoded: Any
    parts: dict[str, Any]
    suspicions: list[Suspicion]
    warnings: list[str]
    notes: list[str]


def read_rows(options: Namespace, *, gaps: bool, validation: float) -> Rows:
    """Return what `lamina train` learns from, and tell the user what was found.

    Parameters
    ----------
    options : Namespace
    gaps : bool
        Whether rows without a target are left out, and not refused.
    validation : float
        The share of the rows that is set aside from training.
    """
    reading = read_table(options, labels=options.target)
    report.note(reading.told)
    told = _Notes(reading.notes)
    frame = _rows_with_a_target(reading, options, gaps, told)
    task = _task(frame[options.target], reading, options)
    more = None
    if isinstance(options.test, str):
        more = _test_rows(options, reading, frame, task, told)
        frame = pd.concat([frame, more], ignore_index=True)
    values = frame[options.target]
    target = Target.fit(values, task, reading.spellings)
    encoded = target.encode(values)
    parts = _split(encoded, target, options, validation, 0 if more is None else len(more))
    training = parts["training"]
    _check_classes(values.iloc[training], target)
    if target.classes is None:
        # What is learned from columns and numbers is learned from the training rows; classes are known in advance.
        target = Target.fit(values.iloc[training], task)
        encoded = target.encode(values)
    unused = {options.target, options.weights, *options.drop}
    features = frame.drop(columns=[name for name in frame.columns if name in unused])
    if features.shape[1] == 0:
        raise TableError("no column is left to learn from")
    _look_at_doubts(features, reading)
    own = len(frame) - (0 if more is None else len(more))
    found = suspicions(features[:own], values[:own], task == "classification")
    for one in found:
        report.note(f"warning: column {one.column!r} {one.why}; {remedy_of(one)}")
    warnings = [] if more is None else _told_of_trained_rows(features, values, own, options)
    for line in warnings:
        report.note(f"warning: {line}")
    return Rows(reading, frame, features, values, _weights(frame, options, training), task, target, encoded, parts,
                found, warnings, told.notes)  # fmt: skip


def remedy_of(one: Suspicion) -> str:
    """Say what the user can do about a column that looks like an id or a leak."""
    if one.kind == "id":
        return f"if it is an id of the rows, leave it out by --id {one.column}"
    return f"if it is not known when predictions are wanted, leave it out by --id {one.column}"


class _Notes:
    """Notes for the user, printed and kept."""

    def __init__(self, notes: Iterable[str]) -> None:
        self.notes: list[str] = []
        for note in notes:
            self.add(note)

    def add(self, note: str) -> None:
        self.notes.append(note)
        report.note(f"note: {note}")


def _rows_with_a_target(reading: Reading, options: Namespace, gaps: bool, told: _Notes) -> pd.DataFrame:
    """Return the columns, without the rows whose target is missing."""
    frame = reading.frame
    for name in (options.target, *options.drop, *([options.weights] if options.weights else [])):
        if name not in frame.columns and not (name in options.drop and name in reading.left_out):
            raise TableError(_no_column(name, frame, options.separator))
    if options.target in reading.doubled:
        raise TableError(f"the header has the target {options.target!r} more than once; rename one of the columns")
    if options.target in options.drop:
        raise TableError(f"--drop {options.target} leaves out the target")
    if options.weights in (options.target, *options.drop):
        raise TableError(f"--weights {options.weights} is the target, or left out")
    frame = _without_row_numbers(frame, options, told)
    if len(frame) < 3:
        raise TableError(
            f"{options.data} has {counted(len(frame), 'row')}; three are the least to train and to test on"
        )
    missing = frame[options.target].isna()
    if missing.any() and not gaps:
        raise TableError(
            f"missing values in the target {options.target!r} ({int(missing.sum())} of {len(frame)}); "
            "fill them in, or leave those rows out with --impute mean|median|most_frequent"
        )
    if missing.any():
        told.add(f"left out for want of a target: {int(missing.sum())} of {len(frame)} rows")
        frame = frame[~missing].reset_index(drop=True)
        if len(frame) < 3:
            raise TableError(f"{counted(len(frame), 'row')} with a target; three are the least to train and to test on")
    return _whole_where_it_can(frame, options.target)


def _whole_where_it_can(frame: pd.DataFrame, target: str) -> pd.DataFrame:
    """Make whole numbers of a target that has no others: they are decimals in a column with gaps, or written 0.0."""
    values = frame[target]
    if pd.api.types.is_float_dtype(values) and ((values % 1 == 0) & (values.abs() < 2**53)).all():
        return frame.astype({target: np.int64})
    return frame


def _without_row_numbers(frame: pd.DataFrame, options: Namespace, told: _Notes) -> pd.DataFrame:
    """Leave out what a data frame's index became in the file: a first column without a name that counts the rows."""
    name = frame.columns[0]
    if name != "Unnamed: 0" or name in (options.target, *options.drop):
        return frame
    first, counted = frame[name], np.arange(len(frame))
    if not any(np.array_equal(first, counted + start) for start in (0, 1)):
        return frame
    told.add("the first column has no name and counts the rows: left out")
    return frame.drop(columns=name)


def _test_rows(options: Namespace, reading: Reading, frame: pd.DataFrame, task: str, told: _Notes) -> pd.DataFrame:
    """Return the rows of the test file, with the training table's columns."""
    numbers = [name for name, values in frame.items() if pd.api.types.is_numeric_dtype(values)]
    texts = [name for name in frame.columns if name not in numbers]
    moments = [name for name in texts if _of_moments(frame[name])]
    given = Namespace(**{**vars(options), "data": options.test})
    found = read_as_trained(given, numbers, texts, reading.rules, lenient=(), moments=moments)
    told.add(f"test rows, {options.test}: {found.told}")
    absent = [name for name in frame.columns if name not in found.frame.columns]
    unused = {*options.drop, options.weights}
    if wanted := [name for name in absent if name not in unused]:
        raise TableError(f"{options.test} has no column {', '.join(map(repr, wanted))}, which {options.data} has")
    rows = found.frame[found.frame[options.target].notna()]
    if len(rows) < len(found.frame):
        told.add(f"test rows left out for want of a target: {len(found.frame) - len(rows)} of {len(found.frame)}")
    if not len(rows):
        raise TableError(f"{options.test} has no row with a target")
    rows = _whole_where_it_can(rows.reindex(columns=frame.columns), options.target)
    for name in frame.columns:  # a column of true and false is one of 1 and 0 where the other table says so
        if not pd.api.types.is_bool_dtype(frame[name]):
            continue
        known = rows[name].dropna()
        others = known[~known.isin((0, 1))]
        if len(others) and name not in unused:
            raise TableError(f"column {name!r} holds true and false in {options.data}; {options.test} has "
                             f"{others.iloc[0]:g} there")  # fmt: skip
        if len(known) == len(rows) and not len(others):
            rows = rows.astype({name: bool})
    if task == "classification":
        known = rows[options.target].isin(frame[options.target].unique())
        if not known.all():
            strange = rows.loc[~known, options.target].iloc[0]
            raise TableError(f"{options.test} has the class {strange!r} of the target, which {options.data} has not")
    return rows


def _of_moments(values: pd.Series) -> bool:
    """Whether a column that is none of numbers holds dates and the like, and no texts or categories."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return False
    return pd.api.types.infer_dtype(values, skipna=True) not in ("string", "empty")


def _told_of_trained_rows(features: pd.DataFrame, values: pd.Series, own: int, options: Namespace) -> list[str]:
    """Return a warning where many test rows, all but the first `own`, are rows that are trained on.

    As many as training rows that are there twice are no wonder.
    """
    every = pd.concat([features, values], axis=1)
    try:
        keys = pd.util.hash_pandas_object(every, index=False)
    except TypeError:  # values of several kinds in a column
        keys = pd.util.hash_pandas_object(every.astype(str), index=False)
    training, test = keys[:own], keys[own:]
    known, usual = test.isin(training), training.duplicated(keep=False).mean()
    if known.mean() <= max(_MANY_ALIKE, 2 * usual):
        return []
    return [f"{int(known.sum()):,} of {counted(len(test), 'test row')} of {options.test} are rows of {options.data}, "
            "too: scores on them tell little of others"]  # fmt: skip


def _weights(frame: pd.DataFrame, options: Namespace, training: Any) -> Any:
    """Return what each row counts; 1 for test rows of which it is not told."""
    if not options.weights:
        return None
    values = frame[options.weights]
    if not pd.api.types.is_numeric_dtype(values):
        raise TableError(f"--weights {options.weights} must be a column of numbers")
    weights = values.to_numpy(dtype=np.float64, copy=True)
    told = np.zeros(len(weights), dtype=bool)
    told[training] = True
    if not (np.isfinite(weights) & (weights >= 0))[told].all() or not weights[told].sum() > 0:
        raise TableError(f"--weights {options.weights} must have a number in each row, none below 0 and not all 0")
    return np.nan_to_num(weights, nan=1.0, posinf=1.0)


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
    if task == "classification":
        _refuse_dates(values, asked=options.task != "auto")
        if options.task == "auto":
            _refuse_no_classes(values)
    if options.class_weight != "none" and task == "regression":
        raise TableError(f"--class-weight needs classes; the target {options.target!r} is one of numbers: {why}")
    report.note(f"{task}: the target {options.target!r}: {why}")
    if doubt is not None and options.task == "auto" and doubt.rows >= NEARLY_ALL and not doubt.code:
        report.note(f"note: the target {options.target!r} is read as text: {doubt.why}; {doubt.remedy}")
    return task


def _refuse_dates(values: pd.Series, asked: bool) -> None:
    """Raise TableError for dates; as texts they are classes where that was `asked` for."""
    rows = values.value_counts()
    texts = all(isinstance(value, str) for value in rows.index)
    if texts and asked:
        return
    if all(is_date(value) if texts else isinstance(value, datetime.date) for value in rows.index):
        possible = texts and (2 * len(rows) <= len(values) or len(rows) <= MAX_CLASSES)
        found, many = counted(len(rows), "different date"), "too many for" if len(rows) > MAX_CLASSES else "hardly"
        raise TableError(
            f"the target {values.name!r} holds {found} ({rows.index[0]}, ...), which are no numbers, and {many} "
            "classes. Write days since a date as plain numbers, or classes such as the month"
            f"{'; --task classification trains on them as they are' if possible else ''}"
        )


def _refuse_no_classes(values: pd.Series) -> None:
    """Raise TableError for texts of which too few come again to be classes: names, numbers with words."""
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


def _split(encoded: Any, target: Target, options: Namespace, validation: float, given: int) -> dict[str, Any]:
    """Return the row numbers of each part, with the classes in equal shares where every class has enough rows.

    The last rows, `given` of them, are test rows that the user gave.
    """
    test = 0.0 if given else options.test
    if test + validation >= 1:
        raise TableError(f"--test {test:g} and --validation {validation:g} leave no row to train on")
    last = np.arange(len(encoded) - given, len(encoded))
    encoded = encoded[: len(encoded) - given]
    fractions = {"validation": validation, "test": test}
    wanted = {"training": 1 - sum(fractions.values()), **{name: f for name, f in fractions.items() if f > 0}}
    stratify = target.classes is not None and int(np.bincount(encoded).min()) >= len(wanted)
    if target.classes is not None and not stratify:
        report.note("note: a class has too few rows for every part of the data: the rows are split at random")
    empty = np.empty(0, dtype=np.int64)
    if len(wanted) == 1:
        return {"training": np.arange(len(encoded)), "validation": empty, "test": last}
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
    return {name: found.get(name, empty) for name in PARTS} | ({"test": last} if given else {})
