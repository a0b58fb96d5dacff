"""What a report tells: plain records, whoever makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamina.data.arrays import Array
from lamina.diagnosis import Finding

__all__ = ["Classes", "ColumnSummary", "Numbers", "ReportData", "Score"]


@dataclass(frozen=True)
class Score:
    """A metric on rows that were not trained on.

    Attributes
    ----------
    name : str
        Such as "accuracy".
    validation : sequence of float
        One a fold, or one alone; empty where no rows were held out.
    test : float, optional
        On the test rows.
    baseline : float, optional
        Of the most frequent class or the mean, on the same rows: test rows where there are some.
    higher_is_better : bool
    chosen : bool
        Whether the model was chosen by it.
    """

    name: str
    validation: Sequence[float] = ()
    test: float | None = None
    baseline: float | None = None
    higher_is_better: bool = True
    chosen: bool = False


@dataclass(frozen=True)
class Classes:
    """True and predicted classes of the rows that the pictures show.

    Attributes
    ----------
    labels : sequence of str
        What the classes are called.
    truth : numpy.ndarray, (rows,)
        Class numbers.
    probabilities : numpy.ndarray, (rows, classes)
    predicted : numpy.ndarray, (rows,), optional
        Class numbers, where they are not those of the largest probabilities.
    """

    labels: Sequence[str]
    truth: Array
    probabilities: Array
    predicted: Array | None = None

    def __post_init__(self) -> None:
        shape = (len(self.truth), len(self.labels))
        if self.probabilities.shape != shape or not len(self.truth):
            raise ValueError(f"probabilities must be {shape}, with at least one row; got {self.probabilities.shape}")

    @property
    def found(self) -> Array:
        """The predicted class numbers, (rows,)."""
        return np.argmax(self.probabilities, axis=1) if self.predicted is None else self.predicted


@dataclass(frozen=True)
class Numbers:
    """True and predicted numbers of the rows that the pictures show.

    Attributes
    ----------
    truth, predicted : numpy.ndarray, (rows,)
        In the target's units.
    low, high : numpy.ndarray, (rows,), optional
        The bounds of an interval that a share `coverage` of the rows should lie in.
    coverage : float, optional
    """

    truth: Array
    predicted: Array
    low: Array | None = None
    high: Array | None = None
    coverage: float | None = None

    def __post_init__(self) -> None:
        if self.truth.shape != self.predicted.shape or not len(self.truth):
            raise ValueError(f"predicted must be {self.truth.shape}, with at least one row; got {self.predicted.shape}")


@dataclass(frozen=True)
class ColumnSummary:
    """A column of the table.

    Attributes
    ----------
    name : str
    kind : str
        Such as "number", "text", "category", "boolean" or "date".
    missing : int
        How many of its cells are.
    distinct : int
        How many different values it has beside.
    shown : str
        Its range, or its most frequent values.
    use : str
        What became of it where it is no input, such as "target" or "left out"; empty for an input.
    """

    name: str
    kind: str
    missing: int
    distinct: int
    shown: str = ""
    use: str = ""


@dataclass(frozen=True)
class ReportData:
    """All that a report tells.

    Attributes
    ----------
    title : str
    about : mapping of str -> str
        What was trained on what, and how: a name and a value each.
    rows : int
        How many the summarised table has.
    part : str
        Which rows `outcome` has, such as "test" or "validation".
    outcome : Classes or Numbers, optional
    scores : sequence of Score
    histories : sequence of History
        One a fold; what `plots.learning_curves` takes.
    importances : mapping of str -> float or sequence of float
        By column, how much worse the score becomes without it, once or several times.
    importance_words : str
        What exactly they tell.
    remarks : sequence of Finding, or None
        Of `diagnose`; None where it was not asked.
    columns : sequence of ColumnSummary
    warnings : sequence of str
        What the user should look at before trusting the scores.
    notes : sequence of str
        What else was said when the table was read.
    """

    title: str
    about: Mapping[str, str]
    rows: int = 0
    part: str = "test"
    outcome: Classes | Numbers | None = None
    scores: Sequence[Score] = ()
    histories: Sequence[Any] = ()
    importances: Mapping[str, float | Sequence[float]] = field(default_factory=dict)
    importance_words: str = ""
    remarks: Sequence[Finding] | None = None
    columns: Sequence[ColumnSummary] = ()
    warnings: Sequence[str] = ()
    notes: Sequence[str] = ()
