"""Tables for the command line: columns to the network's inputs and back to labels, saved in the model file."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["Column", "Table", "TableError", "Target", "detect_task"]

MAX_CATEGORIES = 50
MAX_CLASSES = 20


class TableError(ValueError):
    """A table that cannot be used, with a message for its owner."""


@dataclass
class Column:
    """An input column: a number, or a text that becomes one 0/1 input for each category."""

    name: str
    categories: list[str] | None = None
    fill: float | str | None = None

    @property
    def inputs(self) -> int:
        """How many inputs of the network it makes."""
        return 1 if self.categories is None else len(self.categories)


def detect_task(target: pd.Series) -> tuple[str, str]:
    """Return "classification" or "regression" for a target without missing values, and why."""
    distinct = target.nunique()
    if pd.api.types.is_bool_dtype(target):
        return "classification", "its values are true and false"
    if not pd.api.types.is_numeric_dtype(target):
        return "classification", f"its values are text, {distinct} different ones"
    if pd.api.types.is_float_dtype(target):
        return "regression", "its values are decimal numbers"
    if distinct == 2 or (distinct <= MAX_CLASSES and len(target) >= 5 * distinct):
        return "classification", f"its values are whole numbers, {distinct} different ones"
    return "regression", f"its values are whole numbers, {distinct} different ones in {len(target)} rows"


@dataclass
class Target:
    """The column to predict: the labels of its classes, or the mean and scale of its numbers."""

    name: str
    classes: list[Any] | None = None
    mean: float = 0.0
    scale: float = 1.0

    @classmethod
    def fit(cls, values: pd.Series, task: str) -> "Target":
        """Learn the classes, or the mean and scale, of a target without missing values."""
        name = str(values.name)
        if task == "classification":
            classes = sorted(values.unique().tolist(), key=lambda v: (isinstance(v, str), v))
            if len(classes) < 2:
                raise TableError(f"the target {name!r} has one value alone, {classes[0]!r}; two classes are the least")
            if len(classes) > len(values) // 2 and len(classes) > MAX_CLASSES:
                raise TableError(
                    f"the target {name!r} has {len(classes)} classes in {len(values)} rows: not a class label"
                )
            return cls(name, classes)
        if not pd.api.types.is_numeric_dtype(values):
            raise TableError(f"the target {name!r} is text; --task regression needs numbers")
        numbers = values.to_numpy(dtype=np.float64)
        if not np.isfinite(numbers).all():
            raise TableError(f"the target {name!r} has infinite values")
        return cls(name, None, float(numbers.mean()), float(numbers.std()) or 1.0)

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
        return np.array(self.classes, dtype=object)[np.argmax(outputs, axis=1)]


@dataclass
class Table:
    """How the columns of a table become the inputs of a network."""

    columns: list[Column] = field(default_factory=list)

    @classmethod
    def fit(cls, frame: pd.DataFrame, impute: str = "none") -> tuple["Table", list[str]]:
        """Learn categories and fill values from the training rows; return the table and notes for the user.

        With `impute` "none" there are no fill values, and `transform` refuses rows with missing ones.
        Raises TableError where no column is left.
        """
        notes, kept = [], []
        for name in frame.columns:
            values, distinct = frame[name], frame[name].nunique()
            text = not pd.api.types.is_numeric_dtype(values)
            if distinct == 0:
                notes.append(f"column {name!r} is empty: left out")
            elif text and distinct > MAX_CATEGORIES:
                notes.append(f"column {name!r} has {distinct} different texts in {len(values)} rows: left out")
            else:
                kept.append(Column(name, sorted(map(str, values.dropna().unique())) if text else None))
        table = cls(kept)
        if not kept:
            raise TableError("no column is left to learn from")
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
        counts = {c.name: int(frame[c.name].isna().sum()) for c in self.columns if c.fill is None}
        found = ", ".join(f"{name!r} ({count} of {len(frame)})" for name, count in counts.items() if count)
        if found:
            raise TableError(
                f"missing values in {found}; fill them in, or train with --impute mean|median|most_frequent"
            )

    def transform(self, frame: pd.DataFrame) -> tuple[Any, list[str]]:
        """Return the inputs, (n, n_inputs) float32, and notes for the user.

        A category that training did not see makes a row of zeros in the inputs of its column.
        """
        absent = [column.name for column in self.columns if column.name not in frame.columns]
        if absent:
            raise TableError(f"the table has no column {', '.join(map(repr, absent))}, which the model was trained on")
        self.check_missing(frame)
        notes: list[str] = []
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
                shown = ", ".join(map(repr, strangers[:3])) + (", ..." if len(strangers) > 3 else "")
                notes.append(f"column {column.name!r}: {int((codes < 0).sum())} rows with categories unknown to the "
                             f"model ({shown}); all of its inputs are 0 there")  # fmt: skip
        return inputs, notes

    def to_json(self, target: Target, task: str) -> str:
        """Return everything `from_json` needs, as the model file keeps it."""
        return json.dumps({"task": task, "target": asdict(target), "columns": [asdict(c) for c in self.columns]})

    @staticmethod
    def from_json(text: str) -> tuple["Table", Target, str]:
        """Return table, target and task; TableError where `text` is not what `to_json` wrote."""
        try:
            saved = json.loads(text)
            return Table([Column(**c) for c in saved["columns"]]), Target(**saved["target"]), str(saved["task"])
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise TableError(f"the model's description of its table is damaged: {error}") from None


def _fill_value(values: pd.Series, column: Column, impute: str) -> float | str:
    if column.categories is not None:
        return str(values.map(str).mode()[0])
    numbers = values.astype(np.float64)
    return float({"mean": numbers.mean, "median": numbers.median}.get(impute, lambda: numbers.mode()[0])())


def _numbers(values: pd.Series, column: Column) -> Any:
    try:
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        broken = values[pd.to_numeric(values, errors="coerce").isna() & values.notna()]
        raise TableError(f"column {column.name!r} holds numbers in the model; here it has {broken.iloc[0]!r}") from None
    numbers = np.where(np.isnan(numbers), np.nan if column.fill is None else column.fill, numbers)
    if not np.isfinite(numbers.astype(np.float32)).all():
        raise TableError(f"column {column.name!r} has values that are infinite or too large for float32")
    return numbers
