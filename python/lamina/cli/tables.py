"""Tables for the command line: columns to the network's inputs and back to labels, saved in the model file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.cli.cells import CellRules
from lamina.cli.text_table import TableError
from lamina.text import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "MAX_CATEGORIES",
    "MAX_CLASSES",
    "Column",
    "Table",
    "TableError",
    "Target",
    "detect_task",
    "unknown_categories",
]

MAX_CATEGORIES = 50
MAX_CLASSES = 20
# Beyond it the squares in the scores overflow.
LARGEST_TARGET = 1e150
# Of a column's sizes, those that float32 holds.
SMALLEST_INPUT, LARGEST_INPUT = 1e-30, float(np.finfo(np.float32).max)


@dataclass
class Column:
    """An input column: a number, or a text that becomes one 0/1 input for each category.

    Of numbers that differ by little for their size the network gets what they are more than `shift`.
    """

    name: str
    categories: list[str] | None = None
    fill: float | str | None = None
    shift: float = 0.0

    @property
    def inputs(self) -> int:
        """How many inputs of the network it makes."""
        return 1 if self.categories is None else len(self.categories)

    def check(self) -> None:
        """Raise TypeError where a model file gave it what no column has."""
        texts = self.categories
        kind = (int, float) if texts is None else str
        if (
            not isinstance(self.name, str)
            or not isinstance(self.shift, (int, float))
            or not (self.fill is None or isinstance(self.fill, kind))
        ):
            raise TypeError(f"no column is {self}")
        if texts is not None and not (_are(texts, str) and len(set(texts)) == len(texts)):
            raise TypeError(f"the categories of {self.name!r} are no list of different texts")


def _are(values: Any, kind: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)


def detect_task(target: pd.Series) -> tuple[str, str]:
    """Return "classification" or "regression" for a target without missing values, and why."""
    from pandas.api import types

    distinct = target.nunique()
    if types.is_bool_dtype(target):
        return "classification", "its values are true and false"
    if not types.is_numeric_dtype(target):
        return "classification", f"its values are text, {distinct} different ones"
    if types.is_float_dtype(target):
        return "regression", "its values are decimal numbers"
    if distinct == 2 or (distinct <= MAX_CLASSES and len(target) >= 5 * distinct):
        why = f"its values are whole numbers, {distinct} different ones; --task regression predicts numbers"
        return "classification", why
    return "regression", f"its values are whole numbers, {distinct} different ones in {len(target)} rows"


@dataclass
class Target:
    """The column to predict: the labels of its classes, or the mean and scale of its numbers.

    Classes are values, or texts; `spelled` is how the training table writes them, where Python writes them otherwise.
    """

    name: str
    classes: list[Any] | None = None
    mean: float = 0.0
    scale: float = 1.0
    spelled: list[str] | None = None

    @classmethod
    def fit(cls, values: pd.Series, task: str, spellings: Mapping[Any, str] | None = None) -> Target:
        """Learn the classes, or the mean and scale, of a target without missing values."""
        from pandas.api import types

        name = str(values.name)
        if task == "classification":
            classes = sorted(values.unique().tolist(), key=lambda v: (isinstance(v, str), v))
            if len(classes) < 2:
                raise TableError(f"the target {name!r} has one value alone, {classes[0]!r}; two classes are the least")
            if len(classes) > len(values) // 2 and len(classes) > MAX_CLASSES:
                raise TableError(
                    f"the target {name!r} has {len(classes)} classes in {len(values)} rows: not a class label"
                )
            spelled = [(spellings or {}).get(label, str(label)) for label in classes]
            return cls(name, classes, spelled=None if spelled == list(map(str, classes)) else spelled)
        if not types.is_numeric_dtype(values):
            raise TableError(f"the target {name!r} is text; --task regression needs numbers")
        numbers = values.to_numpy(dtype=np.float64)
        if not np.isfinite(numbers).all():
            raise TableError(f"the target {name!r} has infinite values")
        largest = float(np.abs(numbers).max())
        if largest > LARGEST_TARGET:
            raise TableError(
                f"the target {name!r} has values as large as {largest:g}, whose squares overflow; divide it by a number"
            )
        # A power of two in front keeps the squares of tiny numbers from vanishing, and every bit of others.
        unit = 2.0 ** (math.frexp(largest)[1] - 1)
        parts = numbers / unit
        return cls(name, None, float(parts.mean()) * unit, float(parts.std()) * unit or 1.0)

    def check(self) -> None:
        """Raise TypeError where a model file gave it what no target has."""
        if not isinstance(self.name, str) or not all(
            isinstance(value, (int, float)) and math.isfinite(value) for value in (self.mean, self.scale)
        ):
            raise TypeError(f"no target is {self}")
        if self.classes is not None and not (_are(self.classes, (str, int, float)) and len(self.classes) > 1):
            raise TypeError(f"the classes of {self.name!r} are no list of labels")
        if self.spelled is not None and not (_are(self.spelled, str) and len(self.spelled) == len(self.classes or ())):
            raise TypeError(f"the classes of {self.name!r} are not all spelled")

    @property
    def labels(self) -> list[Any] | None:
        """The classes as the training table writes them."""
        return self.classes if self.spelled is None else self.spelled

    @property
    def is_text(self) -> bool:
        """Whether its labels are texts."""
        return self.classes is not None and isinstance(self.classes[0], str)

    def encode(self, values: pd.Series) -> Any:
        """Return class numbers (n,) or standardised numbers (n,)."""
        if self.classes is None:
            return ((values.to_numpy(dtype=np.float64) - self.mean) / self.scale).astype(np.float32)
        number = {label: place for place, label in enumerate(self.classes)}
        try:
            return np.array([number[value] for value in values.tolist()], dtype=np.int64)
        except KeyError as error:
            raise TableError(
                f"the target {self.name!r} has the class {error.args[0]!r}, unknown to the model"
            ) from None

    def decode(self, outputs: Any) -> Any:
        """Return labels or numbers, (n,), for the network's predictions, (n, outputs)."""
        if self.classes is None:
            return outputs[:, 0].astype(np.float64) * self.scale + self.mean
        return np.array(self.labels, dtype=object)[np.argmax(outputs, axis=1)]


@dataclass
class Table:
    """How the columns of a table become the inputs of a network, and how cells are understood."""

    columns: list[Column] = field(default_factory=list)
    cells: CellRules = field(default_factory=CellRules)

    @classmethod
    def fit(cls, frame: pd.DataFrame, impute: str = "none", cells: CellRules | None = None) -> tuple[Table, list[str]]:
        """Learn categories and fill values from the training rows; return the table and notes for the user.

        With `impute` "none" there are no fill values, and `transform` refuses rows with missing ones.
        Raises TableError where no column is left, or most would be left out for want of repeated texts.
        """
        from pandas.api import types

        notes, kept, varied = [], [], []
        for name, values in frame.items():
            text, distinct = not types.is_numeric_dtype(values), values.nunique()
            if distinct == 0:
                notes.append(f"column {name!r} is empty: left out")
            elif text and distinct > MAX_CATEGORIES:
                notes.append(f"column {name!r} has {distinct} different texts in {len(values)} rows: left out")
                varied.append(name)
            else:
                categories = sorted(set(map(str, values.dropna()))) if text else None
                kept.append(Column(str(name), categories, shift=0.0 if text else _shift(values)))
        table = cls(kept, CellRules() if cells is None else cells)
        if not kept:
            raise TableError("no column is left to learn from" + (f": {'; '.join(notes[:3])}" if notes else ""))
        if 2 * len(varied) > len(frame.columns):
            shown = ", ".join(map(repr, varied[:5])) + (", ..." if len(varied) > 5 else "")
            raise TableError(
                f"{len(varied)} of {len(frame.columns)} columns have more than {MAX_CATEGORIES} different texts each "
                f"and would be left out ({shown}); was the table read as it is meant (--separator, --decimal)? "
                "To train on the others, name these in --drop"
            )
        for column in table.columns if impute != "none" else ():
            column.fill = _fill_value(frame[column.name].dropna(), column, impute)
        return table, notes

    @property
    def n_inputs(self) -> int:
        """How many inputs the network has."""
        return sum(column.inputs for column in self.columns)

    @property
    def text_columns(self) -> list[str]:
        """Names of the columns to be read as text."""
        return [column.name for column in self.columns if column.categories is not None]

    def check_missing(self, frame: pd.DataFrame) -> None:
        """Raise TableError with the columns that have missing values and no value to fill them with."""
        gaps = frame[[column.name for column in self.columns if column.fill is None]].isna().sum()
        counts = {name: int(count) for name, count in gaps.items()}
        found = ", ".join(f"{name!r} ({count} of {len(frame)})" for name, count in counts.items() if count)
        if found:
            raise TableError(
                f"missing values in {found}; fill them in, or train with --impute mean|median|most_frequent"
            )

    def transform(self, frame: pd.DataFrame) -> tuple[Any, list[str]]:
        """Return the inputs, (n, n_inputs) float32, and notes for the user.

        A category that training did not see makes a row of zeros in the inputs of its column.
        """
        check_columns(frame, [column.name for column in self.columns])
        self.check_missing(frame)
        unknown: dict[str, tuple[int, list[str]]] = {}
        import pandas as pd

        inputs = np.zeros((len(frame), self.n_inputs), dtype=np.float32)
        first = 0
        for column in self.columns:
            part = inputs[:, first : first + column.inputs]
            first += column.inputs
            if column.categories is None:
                part[:, 0] = _numbers(frame[column.name], column)
                continue
            values = frame[column.name].astype(object).where(frame[column.name].notna(), column.fill).map(str)
            codes = pd.Index(column.categories).get_indexer(values)
            part[np.flatnonzero(codes >= 0), codes[codes >= 0]] = 1
            strangers = sorted(set(values[codes < 0]))
            if strangers:
                unknown[column.name] = int((codes < 0).sum()), strangers
        whose = "its" if len(unknown) == 1 else "their"
        return inputs, unknown_categories(unknown, f"all of {whose} inputs are 0 there")

    def to_json(self, target: Target, task: str) -> str:
        """Return everything `from_json` needs, as the model file keeps it."""
        columns = [asdict(column) for column in self.columns]
        return json.dumps({"task": task, "target": asdict(target), "columns": columns, "cells": asdict(self.cells)})

    @staticmethod
    def from_json(text: str) -> tuple[Table, Target, str]:
        """Return table, target and task; TableError where `text` is not what `to_json` wrote."""
        try:
            saved = json.loads(text)
            # The first models did not record how their cells were understood.
            cells = CellRules(**saved["cells"]) if "cells" in saved else CellRules.of_older_models()
            table, target = Table([Column(**column) for column in saved["columns"]], cells), Target(**saved["target"])
            for column in table.columns:
                column.check()
            target.check()
            cells.check()
            return table, target, str(saved["task"])
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise TableError(f"the model's description of its table is damaged: {error}") from None

    def check_network(self, network: Any, target: Target) -> None:
        """Raise TableError where a network takes other inputs than the table makes, or gives other outputs."""
        outputs = 1 if target.classes is None else len(target.classes)
        if (network.n_inputs, network.n_outputs) != (self.n_inputs, outputs):
            raise TableError(
                f"the model's description of its table is damaged: it makes {self.n_inputs} inputs and {outputs} "
                f"outputs; the network has {network.n_inputs} and {network.n_outputs}"
            )


def check_columns(frame: pd.DataFrame, names: Iterable[str]) -> None:
    """Raise TableError for columns that a model uses and a table has not."""
    absent = [name for name in names if name not in frame.columns]
    if absent:
        raise TableError(f"the table has no column {', '.join(map(repr, absent))}, which the model was trained on")


def check_finite(name: str, numbers: Any) -> None:
    """Raise TableError where a number of a column is infinite."""
    if np.isinf(numbers).any():
        raise TableError(f"column {name!r} has values that are infinite")


def unknown_categories(unknown: Mapping[str, tuple[int, list[str]]], effect: str) -> list[str]:
    """Return one note on all columns that have categories which training did not see: in how many rows, and which."""
    if len(unknown) < 2:
        return [
            f"column {name!r}: {counted(rows, 'row')} with categories unknown to the model ({_listed(strangers)}); "
            f"{effect}"
            for name, (rows, strangers) in unknown.items()
        ]
    parts = [f"{name!r} ({counted(rows, 'row')}: {_listed(strangers)})" for name, (rows, strangers) in unknown.items()]
    shown = ", ".join(parts[:5]) + (f" and {len(parts) - 5} more" if len(parts) > 5 else "")
    return [f"{len(unknown)} columns have categories unknown to the model: {shown}; {effect}"]


def _listed(texts: list[str]) -> str:
    return ", ".join(map(repr, texts[:3])) + (", ..." if len(texts) > 3 else "")


def _fill_value(values: pd.Series, column: Column, impute: str) -> float | str:
    if column.categories is not None:
        return str(values.map(str).mode()[0])
    numbers = values.astype(np.float64)
    return float({"mean": numbers.mean, "median": numbers.median}.get(impute, lambda: numbers.mode()[0])())


def _shift(values: pd.Series) -> float:
    """Return what to take from numbers so that float32 keeps their differences; TableError where they vanish in it."""
    numbers = values.to_numpy(dtype=np.float64)
    numbers = numbers[~np.isnan(numbers)]
    largest = float(np.abs(numbers).max())
    if 0 < largest < SMALLEST_INPUT:
        raise TableError(f"column {values.name!r} has no value larger than {largest:g}, too small for float32; "
                         "multiply it by a number")  # fmt: skip
    if not largest < LARGEST_INPUT:
        return 0.0
    middle = float(numbers.mean())
    return middle if largest > 2**12 * np.abs(numbers - middle).max() > 0 else 0.0


def _numbers(values: pd.Series, column: Column) -> Any:
    import pandas as pd

    try:
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        broken = values[pd.to_numeric(values, errors="coerce").isna() & values.notna()]
        raise TableError(f"column {column.name!r} holds numbers in the model; here it has {broken.iloc[0]!r}") from None
    numbers = np.where(np.isnan(numbers), np.nan if column.fill is None else column.fill, numbers)
    check_finite(column.name, numbers)
    largest = float(np.abs(numbers).max(initial=0))
    if largest > LARGEST_INPUT:
        raise TableError(f"column {column.name!r} has values as large as {largest:g}, too large for float32; divide it "
                         "by a number")  # fmt: skip
    return numbers - column.shift
