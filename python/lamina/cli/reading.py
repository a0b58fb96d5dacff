"""Tables read: what the user says of the file, what is found out, and the data frame of numbers and texts."""

from __future__ import annotations

import re
from argparse import Namespace
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.cli import cells
from lamina.cli.arrow_table import read_columns
from lamina.cli.cells import CellRules, NumberFormat, Numbers
from lamina.cli.text_table import JOINT, TableError, TableFile, TextTable, read_text
from lamina.text import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Doubt", "Reading", "read_as_trained", "read_table"]

# A column of more different numbers has no spellings.
MOST_LABELS = 10_000


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a column of text may be meant as one of numbers.

    Attributes
    ----------
    share : float
        Of its different cells, how many are numbers.
    rows : float
        Of all its cells that are not missing, how many are.
    code : bool
        Whether all are, and begin with zeros.
    why : str
        What makes it text.
    remedy : str
        What the user can do to have it read as numbers.
    """

    share: float
    rows: float
    code: bool
    why: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A table that was read.

    Attributes
    ----------
    frame : pandas.DataFrame
        Columns of int64, float64 or bool, and of text (object); missing cells are NaN or None. Files of columns give
        dates and categories besides.
    rules : CellRules
        How its cells were understood.
    told : str
        One line for the user: how it was read.
    notes : list of str
        More that the user should know.
    doubts : dict
        By name, the columns of text that look like numbers.
    doubled : frozenset of str
        The names that the header has more than once.
    spellings : dict
        Of the column that was asked for, how each of its numbers, or true and false, is written; empty for text.
    kept : dict
        By name, the cells of columns that were wanted as they are.
    left_out : frozenset of str
        What the columns would be called that have neither a name nor a value.
    """

    frame: pd.DataFrame
    rules: CellRules
    told: str
    notes: list[str]
    doubts: dict[str, Doubt]
    doubled: frozenset[str]
    spellings: dict[Any, str] = field(default_factory=dict)
    kept: dict[str, list[Any]] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()


def read_table(options: Namespace, labels: str | None = None) -> Reading:
    """Return the table of `lamina train`: what a column holds is found out, unless the user says it.

    Parameters
    ----------
    options : Namespace
    labels : str, optional
        The column whose `spellings` are asked for.
    """
    source = TableFile(options.data)
    if kind := source.columnar():
        return _read_columnar(source, kind, options)
    text = read_text(source, options.separator, options.encoding)
    for name in (*options.text, *options.numbers):
        if name not in text.columns and name not in text.left_out:
            raise TableError(f"there is no column {name!r} to read as {'text' if name in options.text else 'numbers'}")
    columns = {name: cells.stripped(column) for name, column in text.columns.items()}
    rules = CellRules(missing=["", *options.na])
    undecided = {name: column for name, column in columns.items() if name not in options.text}
    units = {name: unit for name, column in undecided.items()
             if (unit := cells.unit_of(cells.sample_of(column, rules)))}  # fmt: skip
    undecided |= {name: cells.without_unit(columns[name], unit, rules) for name, unit in units.items()}
    tried = cells.formats(text.separator, options.decimal, options.thousands)
    written, numbers = _numbers(undecided, tried, rules)
    notes: list[str] = []
    if options.thousands is None:
        samples = {name: cells.sample_of(column, rules) for name, column in undecided.items()}
        instead, name, shown = cells.thousands_instead(samples, written, tried)
        notes = _thousands_or_decimals(instead, name, shown, written, text.separator)
        if instead is not None:
            written, numbers = _numbers(undecided, [instead], rules)
    _refuse_line_of_units(undecided, numbers, text)
    frame: dict[str, Any] = {}
    doubts: dict[str, Doubt] = {}
    texts: list[str] = []
    for name, column in columns.items():
        found, bare = numbers.get(name), undecided.get(name, column)
        if name in options.numbers and found is not None and found.others:
            raise TableError(f"--numbers {name}: {_where(bare, found.others, text)} is no number")
        code = name not in options.numbers and cells.is_code(bare)
        if found is not None and not found.others and not code:
            frame[name] = found.values
            if name in units:
                rules.units[name] = list(units[name])
            continue
        values = column.split(JOINT)
        truths = None if found is None else cells.truth_values(values)
        frame[name] = _texts(values, rules) if truths is None else truths
        if truths is None:
            texts.append(name)
            if found is not None and (doubt := _doubt(name, bare, found, text, rules, code)):
                doubts[name] = doubt
    rules = replace(rules, decimal=written.decimal, thousands=written.thousands)
    notes = [
        *text.notes,
        *notes,
        *_units_left_out(rules),
        *_marks_in_text({name: columns[name] for name in texts}, rules),
    ]
    spellings = {} if labels in texts or labels not in columns else _spellings(frame[labels], columns[labels])
    told = _told(text, written)
    return Reading(_frame(frame), rules, told, notes, doubts, text.doubled, spellings, left_out=text.left_out)


def read_as_trained(
    options: Namespace,
    numbers: Collection[str],
    texts: Collection[str],
    rules: CellRules,
    lenient: Collection[str],
    kept: Collection[str] = (),
    moments: Collection[str] = (),
) -> Reading:
    """Return the columns of a model in the table of `lamina predict`, those that it has of them.

    Parameters
    ----------
    numbers, texts : collection of str
        The columns that the model knows, by what they hold.
    rules : CellRules
        How the cells of the training table were understood.
    lenient : collection of str
        Columns of numbers in which anything else is missing, and no error.
    kept : collection of str
        Columns whose cells are wanted as they are, besides.
    moments : collection of str
        Those of `texts` that are dates, times of day or the like, if a file says so itself.
    """
    # Older models may name columns with a blank at the end.
    known = {name.strip(): name for name in (*numbers, *texts)}
    source = TableFile(options.data)
    if kind := source.columnar():
        return _read_columnar_as_trained(source, kind, known, numbers, texts, lenient, kept, moments)
    text = read_text(source, options.separator, options.encoding, wanted=lambda name: name in known or name in kept)
    _check_kept(kept, text.columns)
    rules = replace(rules, missing=[*rules.missing, *options.na])
    columns = {known[name]: column for name, column in text.columns.items() if name in known}
    usual = cells.formats(text.separator, options.decimal, options.thousands)
    tried = [rules.format] * (rules.format in usual) + [written for written in usual if written != rules.format]
    numeric = {name: cells.stripped(column) for name, column in columns.items() if name in numbers}
    for name in numeric.keys() & rules.units.keys():
        numeric[name] = cells.without_unit(numeric[name], rules.units[name], rules)
    written, found = _numbers(numeric, tried, rules)
    frame: dict[str, Any] = {}
    for name, column in columns.items():
        if name in found:
            frame[name] = _numbers_or_truths(name, numeric[name], found[name], text, name in lenient)
        else:
            frame[name] = _texts((cells.stripped(column) if rules.strip else column).split(JOINT), rules)
    own = {name: text.columns[name].split(JOINT) for name in kept}
    return Reading(_frame(frame, len(text.lines)), rules, _told(text, written), text.notes, {}, text.doubled, kept=own)


def _check_kept(kept: Collection[str], there: Collection[str]) -> None:
    for name in kept:
        if name not in there:
            raise TableError(f"--keep {name}: the table has no column {name!r}")


def _read_columnar(source: TableFile, kind: str, options: Namespace) -> Reading:
    """Return the table of `lamina train` in a file that says itself what its columns hold."""
    for option in ("separator", "decimal", "thousands", "encoding", "na", "numbers"):
        if getattr(options, option):
            raise TableError(f"--{option} is for tables of text; {source.path} is {kind}")
    frame, notes = read_columns(source, kind, unused=getattr(options, "drop", ()), texts=options.text)
    for name in options.text:
        if name not in frame.columns:
            raise TableError(f"there is no column {name!r} to read as text")
        frame[name] = _as_texts(frame[name])
    return Reading(frame, CellRules(missing=[""]), _told_columnar(kind, frame), notes, {}, frozenset())


def _read_columnar_as_trained(
    source: TableFile, kind: str, known: Mapping[str, str], numbers: Collection[str], texts: Collection[str],
    lenient: Collection[str], kept: Collection[str], moments: Collection[str],
) -> Reading:  # fmt: skip
    """Return the columns of a model in a file that says itself what they hold."""
    import pandas as pd
    from pandas.api import types

    frame, notes = read_columns(
        source, kind, wanted=lambda name: name.strip() in known or name in kept, texts=set(texts) - set(moments)
    )
    _check_kept(kept, frame.columns)
    own = {name: frame[name].tolist() for name in kept}
    frame = frame.drop(columns=[name for name in frame.columns if name.strip() not in known])
    frame = frame.rename(columns=lambda name: known[name.strip()])
    for name in frame.columns:
        if name in moments:
            if isinstance(frame[name].dtype, pd.CategoricalDtype):  # texts that are dates, by their numbers
                frame[name] = frame[name].astype(object)
        elif name in texts:
            frame[name] = _as_texts(frame[name])
        elif name in numbers and not types.is_numeric_dtype(frame[name]):
            values = frame[name].map(lambda value: float(value) if isinstance(value, bool) else value)
            told = _maybe_numbers(values)
            if told is None and name not in lenient:
                raise TableError(f"column {name!r} holds numbers in the model; here it has "
                                 f"{_short(str(values.dropna().iloc[0]))}")  # fmt: skip
            frame[name] = np.nan if told is None else told
    return Reading(frame, CellRules(missing=[""]), _told_columnar(kind, frame), notes, {}, frozenset(), kept=own)


def _maybe_numbers(values: pd.Series) -> Any:
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError):
        return None


def _as_texts(values: pd.Series) -> pd.Series:
    """Return a column as text, whole numbers without a point; missing values are None."""
    import pandas as pd

    if pd.api.types.is_float_dtype(values) and (values.dropna() % 1 == 0).all():
        values = values.astype("Int64")
    texts = [str(value) if known else None for value, known in zip(values.tolist(), values.notna(), strict=True)]
    return pd.Series(texts, index=values.index, dtype=object)


def _told_columnar(kind: str, frame: pd.DataFrame) -> str:
    return f"read as: {kind}, {counted(len(frame), 'row')}, {counted(frame.shape[1], 'column')}"


def _numbers(
    columns: Mapping[str, str], tried: Sequence[NumberFormat], rules: CellRules
) -> tuple[NumberFormat, dict[str, Numbers]]:
    """Return the way of writing numbers that fits most columns, and the columns read in it."""
    samples = {name: cells.sample_of(column, rules) for name, column in columns.items()}
    written = cells.choose_format(samples.values(), tried)
    found = {name: cells.numbers_of(column, written, rules) for name, column in columns.items()}
    # What the samples did not have.
    odd = {
        name: sorted(cell for cell in numbers.others if re.search(r"\d", cell))[: cells.SAMPLE]
        for name, numbers in found.items()
        if numbers.others
    }
    if any(odd.values()):
        again = cells.choose_format((sample + odd.get(name, []) for name, sample in samples.items()), tried)
        if again != written:
            written = again
            found = {name: cells.numbers_of(column, written, rules) for name, column in columns.items()}
    return written, found


def _numbers_or_truths(name: str, column: str, found: Numbers, text: TextTable, lenient: bool) -> Any:
    """Return the numbers of a column in which true and false are 1 and 0."""
    if not found.others:
        return found.values
    strange = found.others - cells.TRUTH.keys()
    if strange and not lenient:
        raise TableError(f"column {name!r} holds numbers in the model; here it has {_where(column, strange, text)}")
    truths = [cells.TRUTH.get(cell, np.nan) for cell in column.split(JOINT)]
    return np.where(np.isnan(truths), found.values, np.array(truths, dtype=np.float64))


def _where(column: str, odd: Collection[str], text: TextTable) -> str:
    """Name the first cell that is one of the odd ones, and its line."""
    place, cell = next((place, cell) for place, cell in enumerate(column.split(JOINT)) if cell in odd)
    return f"{_short(cell)} in line {text.lines[place]}"


def _spellings(values: Any, column: str) -> dict[Any, str]:
    """Return how each value is written most often; nothing for so many values that they are no labels."""
    if len(np.unique(values)) > MOST_LABELS:
        return {}
    counts = Counter(zip(values.tolist(), column.split(JOINT), strict=True))
    return {value: cell for (value, cell), _ in reversed(counts.most_common())}


def _short(cell: str) -> str:
    return repr(cell if len(cell) <= 40 else cell[:37] + "...")


def _texts(values: list[str], rules: CellRules) -> Any:
    missing = set(rules.missing)
    return np.array([None if value in missing else value for value in values], dtype=object)


def _doubt(name: str, column: str, found: Numbers, text: TextTable, rules: CellRules, code: bool) -> Doubt | None:
    """Say why a column that is read as text looks like numbers, if it does."""
    if code:
        reads = f"--numbers {name} reads them as numbers"
        return None if found.others else Doubt(1.0, 1.0, True, "its numbers begin with zeros, as codes do", reads)
    sample = cells.sample_of(column, rules)
    shares = {written: cells.number_share(sample, written) for written in cells.formats(text.separator)}
    written = max(shares, key=shares.__getitem__)
    if not (share := shares[written]):
        return None
    counts = Counter(cell for cell in column.split(JOINT) if not rules.is_missing_number(cell))
    rows = sum(times for cell, times in counts.items() if cells.is_number(cell, written)) / max(counts.total(), 1)
    if odd := {cell for cell in found.others if not cells.is_number(cell, written)}:
        cell = next(cell for cell in column.split(JOINT) if cell in odd)
        call = f" {cell}" if cell.isalnum() else f"={cell!r}"
        nameable = len(cell) <= 20 and "," not in cell
        remedy = f"correct it, or make it a missing value by --na{call}" if nameable else "correct it"
        return Doubt(share, rows, False, f"{_where(column, odd, text)} is no number", remedy)
    why = f"{_where(column, found.others, text)} is one with {written}, unlike other columns"
    return Doubt(share, rows, False, why, "write all numbers alike, or see --decimal and --thousands")


def _refuse_line_of_units(columns: Mapping[str, str], numbers: Mapping[str, Numbers], text: TextTable) -> None:
    """Raise TableError where the first row has words in columns of numbers: units, or a second header."""
    firsts = {name: column.partition(JOINT)[0] for name, column in columns.items()}
    odd = [name for name, first in firsts.items()
           if numbers[name].others == {first} and not np.isnan(numbers[name].values[1:]).all()]  # fmt: skip
    if len(odd) > 1 and np.isnan([float(numbers[name].values[0]) for name in columns]).all():
        shown = ", ".join(_short(firsts[name]) for name in odd[:5])
        raise TableError(f"line {text.lines[0]} has no number where all other lines have some, but {shown}: units, or "
                         "a second header? Delete that line")  # fmt: skip


def _thousands_or_decimals(
    instead: NumberFormat | None, name: str, shown: tuple[str, str], written: NumberFormat, separator: str
) -> list[str]:
    """Tell how numbers such as 1.000 are read, where they may be 1000 or 1."""
    mark = "point" if written.decimal == "." else "comma"
    cell, plain = shown
    value = cell.replace(written.decimal, ".")
    if instead is not None:
        return [f"column {name!r}: {cell!r} is read as {cell.replace(written.decimal, '')}, for {plain!r} stands there "
                f"without a {mark}; --decimal {mark} reads it as {float(value):g}"]  # fmt: skip
    if name and separator == ";":  # as programs write where marks are not what Python's are
        return [f"column {name!r}: {cell!r} is read as {float(value):g}; --thousands {mark} reads it as "
                f"{cell.replace(written.decimal, '')}"]  # fmt: skip
    return []


def _units_left_out(rules: CellRules) -> list[str]:
    """Tell of the columns whose numbers had a currency or a unit around them."""
    shown = [f"{name!r} ({' and '.join(repr(part) for part in unit if part)})" for name, unit in rules.units.items()]
    if not shown:
        return []
    listed = ", ".join(shown[:10]) + (f" and {len(shown) - 10} more" if len(shown) > 10 else "")
    return [f"read as numbers, without what stands beside them: {listed}; --text makes them text"]


def _marks_in_text(columns: Mapping[str, str], rules: CellRules) -> list[str]:
    """Tell of categories that are called as missing values often are."""
    found: list[str] = []
    marks: set[str] = set()
    for name, column in columns.items():
        counts = Counter(column.split(JOINT))
        for cell in sorted(cell for cell in counts if cell not in rules.missing and rules.is_missing_number(cell)):
            found.append(f"{name!r} ({cell!r} in {counted(counts[cell], 'row')})")
            marks.add(cell)
    if not found:
        return []
    shown = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
    return [f"categories like any other, by their names perhaps missing values: {shown}; "
            f"--na {','.join(sorted(marks))} makes them missing"]  # fmt: skip


def _frame(columns: dict[str, Any], rows: int | None = None) -> pd.DataFrame:
    import pandas as pd

    # Texts with their own type: a data frame would find another. A series takes more than a short column's values.
    parts = {name: values if values.dtype != object else pd.Series(values, dtype=object)
             for name, values in columns.items()}  # fmt: skip
    return pd.DataFrame(parts, index=None if columns else range(rows or 0))


def _told(text: TextTable, written: NumberFormat) -> str:
    separator = {"\t": "tab separated", " ": "blank separated"}.get(text.separator, f"{text.separator!r} separated")
    width = len(text.header)
    parts = [separator if width > 1 else "one column", str(written), text.encoding, counted(len(text.lines), "row"),
             counted(width, "column")]  # fmt: skip
    return "read as: " + ", ".join(part for part in parts if part)
