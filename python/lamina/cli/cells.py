"""What the cells of a column are: numbers in some way of writing them, true and false, or text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from lamina.cli.text_table import JOINT, TableError
from lamina.data.missing import MISSING_NUMBERS

__all__ = [
    "NEARLY_ALL",
    "PLAIN",
    "SAMPLE",
    "TRUTH",
    "CellRules",
    "NumberFormat",
    "Numbers",
    "choose_format",
    "formats",
    "is_code",
    "is_number",
    "number_share",
    "numbers_of",
    "sample_of",
    "stripped",
    "thousands_instead",
    "truth_values",
    "unit_of",
    "without_unit",
]

# What pandas takes for missing in any column: so did models whose file does not say what they were trained with.
MISSING_TO_PANDAS = ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>",
                     "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null")  # fmt: skip
TRUTH = {"True": True, "TRUE": True, "true": True, "False": False, "FALSE": False, "false": False}


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """How numbers are written: the decimal mark, and what stands between the thousands, if anything."""

    decimal: str = "."
    thousands: str = ""

    def __str__(self) -> str:
        told = "decimal point" if self.decimal == "." else "decimal comma"
        names = {"": "", ".": ", thousands points", ",": ", thousands commas", " ": ", blanks between thousands"}
        return told + names.get(self.thousands, f", {self.thousands} between thousands")


PLAIN = NumberFormat()
# The share of a column's cells that makes it one of numbers with a few odd cells, and of how many they are taken.
NEARLY_ALL, SAMPLE = 0.9, 4000


@dataclass
class CellRules:
    """How cells are understood, as the model file records it.

    Attributes
    ----------
    missing : list of str
        Cells that are missing values in any column.
    strip : bool
        Whether blanks around a text belong to it (False).
    decimal, thousands : str
        The way of writing numbers that is taken where several fit.
    units : dict
        By column, what stands before and behind its numbers, such as ["$", ""] or ["", "kg"].
    """

    missing: list[str] = field(default_factory=lambda: [""])
    strip: bool = True
    decimal: str = "."
    thousands: str = ""
    units: dict[str, list[str]] = field(default_factory=dict)

    @property
    def format(self) -> NumberFormat:
        """The way of writing numbers."""
        return NumberFormat(self.decimal, self.thousands)

    def check(self) -> None:
        """Raise TypeError or ValueError where a model file gave it what no rules are."""
        if not isinstance(self.missing, list) or not all(isinstance(mark, str) for mark in self.missing):
            raise TypeError("what is missing is no list of texts")
        if self.decimal not in (".", ",") or self.thousands not in THOUSANDS or self.decimal == self.thousands:
            raise ValueError(f"no numbers are written with {self.decimal!r} and {self.thousands!r}")
        if not isinstance(self.units, dict) or not all(
            isinstance(unit, list) and len(unit) == 2 and all(isinstance(part, str) for part in unit)
            for unit in self.units.values()
        ):
            raise TypeError("the units of columns are no pairs of texts")

    def is_missing_number(self, cell: str) -> bool:
        """Whether a cell of a column of numbers is a missing value."""
        return cell in self.missing or cell.casefold() in MISSING_NUMBERS

    @classmethod
    def of_older_models(cls) -> CellRules:
        """Return the rules of models whose file has none."""
        return cls(list(MISSING_TO_PANDAS), strip=False)


# By what the user may say of the thousands mark, the characters that it stands for.
THOUSANDS = {"": "", ",": ",", ".": ".", " ": " \u00a0\u2009\u202f", "'": "'\u2019"}
MARKS = "".join(THOUSANDS.values())


def formats(separator: str, decimal: str | None = None, thousands: str | None = None) -> list[NumberFormat]:
    """Return the ways of writing numbers to try, of which an earlier one is taken where two fit alike.

    A comma between three digits and three is a decimal mark in files with semicolons, which programs write where the
    comma is one, and a thousands mark in all others. TableError where `decimal` and `thousands` are one mark.
    """
    points = [NumberFormat(".", mark) for mark in ("", ",", " ", "'")]
    commas = [NumberFormat(",", mark) for mark in ("", ".", " ", "'")]
    order = [points[0], *commas, *points[1:]] if separator == ";" else points + commas
    fitting = [f for f in order if decimal in (None, f.decimal) and thousands in (None, f.thousands)]
    if not fitting:
        raise TableError(f"--decimal and --thousands are the same mark, {decimal!r}")
    return fitting


@cache
def _pattern(written: NumberFormat) -> re.Pattern[str]:
    """Match the cells of a joined column that are no number."""
    mark, digits = re.escape(written.decimal), r"\d+"
    if written.thousands:
        digits = rf"(?:[1-9]\d{{0,2}}(?:[{re.escape(THOUSANDS[written.thousands])}]\d{{3}})+|\d+)"
    number = rf"[+-]?(?:(?:{digits}(?:{mark}\d*)?|{mark}\d+)(?:e[+-]?\d+)?|inf(?:inity)?)"
    return re.compile(rf"(?:\A|(?<={JOINT}))(?!{number}(?:{JOINT}|\Z))[^{JOINT}]*", re.ASCII | re.IGNORECASE)


# Of ASCII; other letters may be blanks, too.
BLANKS = " \t\n\r\v\f\x1c\x1d\x1e\x1f"


def stripped(column: str) -> str:
    """Return a joined column without the blanks around its cells."""
    if column.isascii() and not any(blank in column for blank in BLANKS):
        return column
    return JOINT.join([cell.strip() for cell in column.split(JOINT)])


def is_code(column: str) -> bool:
    """Whether a joined column has whole numbers that begin with zeros, as numbers that count nothing do."""
    return re.search(rf"{JOINT}0\d+(?={JOINT})", f"{JOINT}{column}{JOINT}", re.ASCII) is not None


# What may stand before a number: any other word there makes it a name, such as "room 12".
CURRENCY = (
    r"(?:[A-Z]{0,3}[$\u00a2-\u00a5\u0e3f\u20a0-\u20c0]|AED|AUD|BRL|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HKD|HUF|IDR|ILS|INR|JPY|"
    r"KRW|MXN|MYR|NOK|NZD|PHP|PLN|RON|RUB|SAR|SEK|SGD|THB|TRY|TWD|UAH|USD|VND|ZAR|Rs\.?|kr\.?)"
)
UNIT = re.compile(
    rf"[+-]?(?P<before>{CURRENCY}?)\s*[+-]?[.,]?[0-9](?:[0-9.,{re.escape(MARKS)}]*[0-9])?(?:[eE][+-]?[0-9]+)?[.,]?\s*"
    rf"(?P<behind>{CURRENCY}|[%\u2030]|[^\W\d_\u00b2\u00b3\u00b9]{{1,12}}(?:[/*\u00b7^ ]?[^\W_]{{1,5}}){{0,2}}|"
    r"\u00b0\s?[A-Za-z]?|)"
)
LONGEST_WITH_UNIT = 60


def unit_of(sample: Sequence[str]) -> tuple[str, str] | None:
    """Return the currency, per cent or unit that nearly all of these cells have around their numbers, if they do."""
    for cells in (sample[:40], sample):  # most columns are told by a few
        matches = filter(None, (UNIT.fullmatch(cell) for cell in cells if len(cell) <= LONGEST_WITH_UNIT))
        found = Counter((match["before"], match["behind"]) for match in matches).most_common(1)
        if not found or found[0][0] == ("", "") or found[0][1] < NEARLY_ALL * len(cells):
            return None
    return found[0][0]


def without_unit(column: str, unit: Sequence[str], rules: CellRules) -> str:
    """Return a joined, stripped column without the unit of its numbers; cells that are no such numbers stay."""
    before, behind = unit

    def number(cell: str) -> str:
        if cell in rules.missing:
            return cell
        sign, rest = (cell[0], cell[1:]) if cell[:1] in ("+", "-") else ("", cell)
        bare = sign + rest.removeprefix(before).removesuffix(behind).strip()
        return bare if re.match(r"[+-]?[.,]?\d", bare, re.ASCII) else cell

    return JOINT.join(map(number, column.split(JOINT)))


def truth_values(cells: Sequence[str]) -> Any:
    """Return the cells as booleans where they all are; else None."""
    if not cells or cells[0] not in TRUTH or not set(cells) <= TRUTH.keys():
        return None
    return np.array([TRUTH[cell] for cell in cells])


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column as numbers.

    Attributes
    ----------
    values : numpy.ndarray, (rows,)
        int64 where all are whole numbers and none is missing; else float64, NaN for missing cells and others.
    others : frozenset of str
        The cells that are neither numbers nor missing.
    """

    values: Any
    others: frozenset[str]


def numbers_of(column: str, written: NumberFormat, rules: CellRules) -> Numbers:
    """Return a joined, stripped column as numbers."""
    cells = column.split(JOINT)
    odd: frozenset[str] = frozenset()
    values = _as_python_reads(column, cells) if written == PLAIN else None
    if values is None:
        odd = frozenset(_pattern(written).findall(column))
        texts = _rewritten(column, written).split(JOINT)
        if odd:
            texts = ["nan" if cell in odd else text for cell, text in zip(cells, texts, strict=True)]
        values = np.fromiter(map(float, texts), np.float64, len(texts))
    # An "e" is an exponent's, an "n" one of "nan" or "inf".
    whole = not odd and not any(mark in column for mark in f"eEnN{written.decimal}")
    marks = {mark for mark in rules.missing if mark}
    if marks:
        given = np.array([cell in marks for cell in cells])
        values[given] = np.nan
        whole = whole and not given.any()
    if whole:
        values = _whole(_rewritten(column, written).split(JOINT), values)
    return Numbers(values, frozenset(cell for cell in odd if not rules.is_missing_number(cell)))


def _as_python_reads(column: str, cells: list[str]) -> Any:
    """Return the cells as Python's floats, which is fast; None where it would take more, or less, for a number."""
    if not column.isascii() or "_" in column:
        return None
    try:
        return np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        return None


def _rewritten(column: str, written: NumberFormat) -> str:
    for mark in THOUSANDS[written.thousands]:
        column = column.replace(mark, "")
    return column.replace(written.decimal, ".")


def _whole(cells: Sequence[str], values: Any) -> Any:
    if np.abs(values).max() < 2**53:
        return values.astype(np.int64)
    try:
        return np.array([int(cell) for cell in cells], dtype=np.int64)
    except (OverflowError, ValueError):  # the latter for thousands of digits
        return values


def sample_of(column: str, rules: CellRules) -> list[str]:
    """Return some of the cells that are not missing, spread over a joined, stripped column."""
    cells = column.split(JOINT)
    return [cell for cell in dict.fromkeys(cells[:: len(cells) // SAMPLE + 1]) if not rules.is_missing_number(cell)]


def number_share(cells: Sequence[str], written: NumberFormat) -> float:
    """Return how much of these cells are numbers in this way of writing, from 0 to 1."""
    return 1 - len(_pattern(written).findall(JOINT.join(cells))) / len(cells) if cells else 0.0


def choose_format(samples: Iterable[Sequence[str]], tried: Sequence[NumberFormat]) -> NumberFormat:
    """Return the way of writing numbers that makes the most of these columns' cells numbers, the first of equal ones.

    A column that has more than a few cells that are none does not count.
    """
    votes = dict.fromkeys(tried, 0.0)
    for cells in samples:
        shares = [number_share(cells, tried[0])]
        # Whole numbers and words are the same in any way of writing.
        if shares[0] < 1 or any(mark in cell for cell in cells for mark in MARKS):
            shares += [number_share(cells, written) for written in tried[1:]]
            for written, share in zip(tried, shares, strict=True):
                votes[written] += share if share >= NEARLY_ALL else 0
    return max(tried, key=votes.__getitem__)


def thousands_instead(
    samples: Mapping[str, Sequence[str]], written: NumberFormat, tried: Sequence[NumberFormat]
) -> tuple[NumberFormat | None, str, tuple[str, str]]:
    """Return the way of writing in which what was taken for decimal marks stands between thousands, if that fits.

    It fits where in every column of numbers with the mark three digits stand behind it and one to three before, and
    no number without it reaches 1000. It is told where some number without the mark stands beside one that ends in
    0: whoever writes the zeros of 1.250, and three decimals, writes no plain 999.

    Returns
    -------
    written : NumberFormat, optional
        None where it does not fit, or where nothing but the zeros speaks for it.
    column : str
        One that has such numbers; "" where there is none, or the mark is a decimal one for sure.
    cells : tuple of str
        A number with the mark there, and one without, "" for none.
    """
    nothing = None, "", ("", "")
    others = [other for other in tried if other.thousands == written.decimal]
    if written.thousands or not others:
        return nothing
    mark = re.escape(written.decimal)
    marked_number, plain_number = re.compile(rf"[+-]?[1-9][0-9]{{0,2}}{mark}[0-9]{{3}}"), re.compile(r"[+-]?[0-9]{1,3}")
    found: list[tuple[bool, str, tuple[str, str]]] = []
    for name, cells in samples.items():
        if not any(written.decimal in cell for cell in cells) or number_share(cells, written) < NEARLY_ALL:
            continue
        numbers = [cell for cell in cells if is_number(cell, written)]
        marked = [cell for cell in numbers if written.decimal in cell]
        plain = [cell for cell in numbers if written.decimal not in cell]
        if not all(map(marked_number.fullmatch, marked)) or not all(map(plain_number.fullmatch, plain)):
            return nothing
        with_zero = next((cell for cell in marked if cell.endswith("0")), None)
        beside = max(plain, key=lambda cell: abs(int(cell)), default="")
        if with_zero:
            found.append((bool(beside.strip("+-0")), name, (with_zero, beside)))
    if not found:
        return nothing
    told, name, shown = max(found, key=lambda one: one[0])
    return (others[0] if told else None), name, shown


def is_number(cell: str, written: NumberFormat) -> bool:
    """Whether a cell is a number in this way of writing."""
    return not _pattern(written).findall(cell)
