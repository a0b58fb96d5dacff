"""Tabular models on the command line: what is kept of their table beside them, and what they make of another."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.cli.cells import CellRules
from lamina.cli.tables import TableError, Target, check_columns, check_finite, unknown_categories

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "as_the_command_says",
    "columns_of",
    "described",
    "moments_of",
    "outputs_of",
    "strangers_to",
    "target_and_cells",
    "widened",
]


def described(target: Target, cells: CellRules) -> str:
    """Return what `target_and_cells` needs, as the model file keeps it."""
    known = {"name": target.name, "classes": target.classes, "spelled": target.spelled}
    return json.dumps({"target": known, "cells": asdict(cells)})


def target_and_cells(text: str, model: Any) -> tuple[Target, CellRules]:
    """Return the target, as of a model's outputs, and how cells were understood; TableError for another's text."""
    try:
        saved = json.loads(text)
        target, cells = Target(**saved["target"]), CellRules(**saved["cells"])
        target.check()
        cells.check()
        if (target.classes is None) != (not hasattr(model, "classes_")):
            raise ValueError("numbers and classes are not the same")
        if target.classes is not None:
            _places(target, model)
        return target, cells
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise TableError(f"the model's description of its table is damaged: {error}") from None


def columns_of(model: Any) -> tuple[set[str], set[str]]:
    """Return the names of the columns that a model uses: those that are read as numbers, and all others."""
    encoder = model.encoder_
    used = {name: column.kind for name, column in zip(encoder.names, encoder.columns, strict=True)
            if column.dropped is None}  # fmt: skip
    numbers = {name for name, kind in used.items() if kind in ("number", "boolean")}
    return numbers, used.keys() - numbers


def moments_of(model: Any) -> set[str]:
    """Return the names of the columns that were dates, times of day or durations."""
    encoder = model.encoder_
    kinds = ("datetime", "time", "duration")
    return {name for name, column in zip(encoder.names, encoder.columns, strict=True) if column.kind in kinds}


def outputs_of(model: Any, frame: pd.DataFrame, target: Target) -> Any:
    """Return the probabilities of the target's classes, (n, classes), or numbers, (n,).

    TableError, in the words of a table's owner, where the table is not as the model's was.
    """
    from pandas.api import types

    check_columns(frame, sorted(set.union(*columns_of(model)), key=list(model.encoder_.names).index))
    for name, values in frame.items():
        if types.is_float_dtype(values):
            check_finite(str(name), values.to_numpy())
    try:
        if target.classes is None:
            return np.asarray(model.predict(frame), dtype=np.float64)
        return widened(model, model.predict_proba(frame), target)
    except (TypeError, ValueError) as error:
        raise TableError(as_the_command_says(str(error))) from None


# What an estimator calls its parameters and arguments, and what they are on the command line.
_WORDS = {
    r"^checkpoint must be one of the same run; (.+) is of another: (.+); give another path$": (
        r"--checkpoint \1 is of another training: \2; name another file, or remove it to begin anew"
    ),
    # The seed shares the rows out, too.
    r"(random_state was \d+ there and is \d+ here)(; [Xy] has other values here)+": r"\1",
    r"validation=None|validation is None": "--validation 0",
    r"metric='(\w+)'": r"--metric \1",
    r"\bn_folds\b": "--folds",
    r"\bclass_weight\b": "--class-weight",
    r"\bsample_weight\b": "--weights",
    r"\bmax_time\b": "--time",
    r"\brandom_state\b": "--seed",
    r"\bcategorical_features\b": "--text",
    r"^(Input )?y\b": "the target",
    r"^X\b": "the table",
    r"\bX (was|has)\b": r"the table \1",
    r"\by (was|has)\b": r"the target \1",
    r"\b(preset|metric|validation) was\b": r"--\1 was",
    r" of X\b": "",
    r"\bat the fit\b": "in training",
    r"\bof the fit\b": "of training",
}


def as_the_command_says(message: str) -> str:
    """Return what an estimator has to say in the words of who gave a table and options, and no arguments."""
    for theirs, ours in _WORDS.items():
        message = re.sub(theirs, ours, message)
    return message


def widened(model: Any, probabilities: Any, target: Target) -> Any:
    """Return probabilities of the model's classes as those of the target's: 0 for one without a row in training."""
    outputs = np.zeros((len(probabilities), len(target.classes or ())))
    outputs[:, _places(target, model)] = probabilities
    return outputs


def _places(target: Target, model: Any) -> list[int]:
    """Where each class of the model is among the target's."""
    place = {label: number for number, label in enumerate(target.classes or ())}
    return [place[label] for label in model.classes_.tolist()]


def strangers_to(model: Any, frame: pd.DataFrame) -> list[str]:
    """Return a note on the categories of a table that training did not see."""
    unknown: dict[str, tuple[int, list[str]]] = {}
    encoder = model.encoder_
    columns: Mapping[str, Any] = dict(zip(encoder.names, encoder.columns, strict=True))
    for name, column in columns.items():
        # Rare ones are one category, of which the model knows no names.
        if column.dropped is None and column.categories and not column.others and name in frame.columns:
            cells = frame[name].dropna().map(str)
            strange = cells[~cells.isin(column.categories)]
            if len(strange):
                unknown[name] = len(strange), sorted(set(strange))
    return unknown_categories(unknown, "taken as missing there")
