"""Tables in text files: their bytes, encoding and separator, and their cells as they stand, column by column."""

from __future__ import annotations

import codecs
import csv
import io
import lzma
import os
import re
import stat
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from itertools import chain
from typing import Any

import numpy as np

from lamina.cli.outputs import begins_a_model
from lamina.text import counted

__all__ = ["JOINT", "TableError", "TableFile", "TextTable", "read_text"]

# Between the cells of a column that is kept as one string; a file that has it is no table of text.
JOINT = "\0"
STANDARD_INPUT = "-"
BLOCK = 1 << 20
SAMPLE_LINES, SAMPLE_CHARACTERS = 200, 2 << 20
CELLS_AT_ONCE = 200_000
# Where two of them fit alike, a comma is the likelier to stand within the cells.
SEPARATORS = ("\t", ";", "|", ",")
# What a line above the header begins with that is a comment.
COMMENTS = ("#", "//", "%", "--")
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
COMPRESSED = (
    (re.compile(rb"\x1f\x8b"), "gzip"),
    (re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"), "bz2"),
    (re.compile(rb"\xfd7zXZ\x00"), "lzma"),
    (re.compile(rb"PK\x03\x04"), "zipfile"),
)
# Tables kept column by column.
COLUMNAR = (
    (re.compile(rb"PAR1[\x00-\x08\x0e-\x1f]"), "a Parquet file"),
    (re.compile(rb"ARROW1\0"), "an Arrow (Feather) file"),
    (re.compile(rb"\xff\xff\xff\xff.[^\xff]", re.DOTALL), "an Arrow stream"),
)
# By what their first bytes match; names of columns may begin like a mark without the byte behind it.
NO_TABLES = (
    (re.compile(rb"\xd0\xcf\x11\xe0"), "an old Excel workbook: save the sheet as CSV"),
    (re.compile(rb"FEA1\0"), "a Feather file of the first version: write it as Parquet or CSV"),
    (re.compile(rb"ORC[\x00-\x08\x0e-\x1f]"), "an ORC file: write it as CSV"),
    (re.compile(rb"\x89HDF"), "an HDF5 file: write the table as CSV"),
    (re.compile(rb"\x93NUMPY"), "an array of NumPy: write it as CSV"),
    (re.compile(rb"\x80[\x02-\x05][^\n]"), "a pickle: write the table as CSV"),
    (
        re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\[\s*)*(?:\{\s*\"[^\"]*\"\s*:|\[\s*[\[{])"),
        "JSON: write its records as CSV",
    ),
    (
        re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:\?xml|!doctype|html)", re.IGNORECASE),
        "XML or HTML: write the table as CSV",
    ),
    (re.compile(rb"SQLite format 3\0"), "a database: export the table as CSV"),
    (re.compile(rb"%PDF-"), "a PDF file"),
    (re.compile(rb"\x89PNG"), "a picture"),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "compressed by Zstandard: decompress it first"),
)


class TableError(ValueError):
    """A table that cannot be used, with a message for its owner."""


@dataclass(frozen=True, slots=True)
class TextTable:
    """The cells of a table as text.

    Attributes
    ----------
    header : list of str
        A name for each column, different ones.
    columns : dict
        By name, the cells of the columns that were wanted: one string with `JOINT` between them.
    lines : numpy.ndarray of int, (rows,), at least one
        The line of the file that each row ends in.
    separator, encoding : str
    doubled : frozenset of str
        The names that the header has more than once.
    notes : list of str
        What the user should know.
    left_out : frozenset of str
        What the columns would be called that have neither a name nor a value.
    """

    header: list[str]
    columns: dict[str, str]
    lines: Any
    separator: str
    encoding: str
    doubled: frozenset[str]
    notes: list[str]
    left_out: frozenset[str] = frozenset()


def read_text(
    source: TableFile,
    separator: str | None = None,
    encoding: str | None = None,
    wanted: Callable[[str], bool] | None = None,
) -> TextTable:
    """Return the table in a file of text.

    Parameters
    ----------
    separator, encoding : str, optional
        Found out where they are not given.
    wanted : callable, optional
        Whether a column is asked for, by its name. By default all are; where most have neither a name nor a value,
        those are left out.

    Raises
    ------
    OSError
        The file cannot be read.
    TableError
        It holds no table of text: no column or no row, another file format, other bytes than the encoding has, a row
        with more fields than the header, a quotation mark that is not closed.
    """
    path = source.path
    encoding = _checked_encoding(encoding) if encoding else _found_encoding(source, path)
    lines = _lines(source, path, encoding)
    told, lines, skipped = _told_separator(lines)
    if separator is None:
        sample = _sample(lines)
        separator = told or _found_separator(sample)
        lines = chain(sample, lines)
    return _columns(_rows(lines, separator, path, skipped), separator, encoding, path, wanted)


class TableFile:
    """The bytes of a file, decompressed, as often as they are asked for."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._kept: bytes | None = None
        if path == STANDARD_INPUT:
            if sys.stdin is None:
                raise TableError("the standard input is closed")
            self.path, self._kept = "the standard input", sys.stdin.buffer.read()
            return
        with open(path, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                self._kept = file.read()  # a pipe gives its bytes once

    @contextmanager
    def open(self) -> Iterator[Any]:
        """Give the bytes from the first on; TableError for other formats than text, and where unpacking them fails."""
        with ExitStack() as stack:
            file: Any = io.BytesIO(self._kept) if self._kept is not None else stack.enter_context(open(self.path, "rb"))
            start = file.read(256)
            file.seek(0)
            if begins_a_model(start):
                raise TableError(f"{self.path} is a model of lamina, no table")
            for mark, what in NO_TABLES:
                if mark.match(start):
                    raise TableError(f"{self.path} is {what}")
            packed = next((module for mark, module in COMPRESSED if mark.match(start)), None)
            try:
                if packed == "zipfile":
                    file = stack.enter_context(self._member(stack.enter_context(zipfile.ZipFile(file))))
                elif packed:
                    file = stack.enter_context(import_module(packed).open(file))
                yield file
            except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
                raise self._damaged(error) from None
            except OSError as error:
                if error.errno is not None or not packed:
                    raise
                raise self._damaged(error) from None

    def columnar(self) -> str | None:
        """Return what a table is that is kept column by column, such as "a Parquet file"; None for one of text."""
        with self.open() as file:
            start = file.read(16)
        return next((what for mark, what in COLUMNAR if mark.match(start)), None)

    def _damaged(self, error: Exception) -> TableError:
        return TableError(f"{self.path} is compressed, and cut short or damaged: {error}")

    def _member(self, archive: zipfile.ZipFile) -> Any:
        """Open the one file in an archive."""
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if "[Content_Types].xml" in names:
            raise TableError(f"{self.path} is an Excel workbook: save the sheet as CSV")
        if len(names) != 1:
            raise TableError(f"{self.path} is an archive of {len(names)} files; a table is one")
        try:
            return archive.open(names[0])
        except (RuntimeError, NotImplementedError) as error:  # a password, a rare compression
            raise TableError(f"{self.path} cannot be unpacked: {error}") from None

    def blocks(self) -> Iterator[bytes]:
        """Yield the bytes in blocks."""
        with self.open() as file:
            while block := file.read(BLOCK):
                yield block


def _checked_encoding(name: str) -> str:
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=name)
        known = codecs.lookup(name).name
    except (LookupError, ValueError):
        raise TableError(f"{name!r} is no encoding of text; examples are utf-8, windows-1252, utf-16") from None
    return "utf-8-sig" if known == "utf-8" else known


def _found_encoding(source: TableFile, path: str) -> str:
    """Return UTF-8 or UTF-16 where the bytes say so, windows-1252 where they fit neither."""
    blocks = source.blocks()
    start = next(blocks, b"")
    for mark, encoding in BYTE_ORDER_MARKS:
        if start.startswith(mark):
            return encoding
    places = Counter(place % 2 for place, byte in enumerate(start[:4096]) if byte == 0)
    if sum(places.values()) > len(start[:4096]) / 4:
        # Letters of the Latin alphabet in UTF-16: every other byte is 0.
        for odd, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
            if places[odd] > 9 * places[1 - odd]:
                return encoding
    if b"\0" in start:
        raise TableError(_no_text(path, start.count(b"\n", 0, start.index(b"\0")) + 1))
    decoders = {name: codecs.getincrementaldecoder(name)() for name in ("utf-8", "cp1252")}
    failed: dict[str, UnicodeDecodeError] = {}
    for block in chain([start], blocks, [b""]):
        for name in decoders.keys() - failed.keys():
            try:
                decoders[name].decode(block, final=not block)
            except UnicodeDecodeError as error:
                failed[name] = error
    if "utf-8" not in failed:
        return "utf-8"
    if failed["utf-8"].reason == "unexpected end of data":
        raise TableError(f"{path} ends within a character of UTF-8: is it cut short? (--encoding says what else it is)")
    if "cp1252" not in failed:
        return "cp1252"
    raise TableError(f"{path} is neither UTF-8 nor windows-1252 text; say what it is by --encoding")


def _lines(source: TableFile, path: str, encoding: str) -> Iterator[str]:
    """Yield the lines with their ends."""
    with source.open() as file:
        text = io.TextIOWrapper(file, encoding=encoding, newline="")
        number = 0
        try:
            for number, line in enumerate(text, start=1):
                if JOINT in line:
                    raise TableError(_no_text(path, number))
                yield line.removeprefix("\ufeff") if number == 1 else line
        except UnicodeError as error:
            where = ""
            if isinstance(error, UnicodeDecodeError):  # in a block of which no line has come yet
                bad = number + 1 + error.object.count(b"\n", 0, error.start)
                where = f" in line {bad}"
            raise TableError(f"{path} is not {_shown(encoding)} text{where}; say what it is by --encoding") from None


def _no_text(path: str, line: int) -> str:
    return f"{path} is no table of text: line {line} has a NUL character"


def _shown(encoding: str) -> str:
    return {"utf-8-sig": "utf-8", "cp1252": "windows-1252"}.get(encoding, encoding)


def _told_separator(lines: Iterator[str]) -> tuple[str | None, Iterator[str], int]:
    """Return what a first line such as ``sep=;`` says, the lines behind it, and how many it took."""
    first = next(lines, "")
    if told := re.fullmatch(r"sep=(.)\s*", first, re.IGNORECASE):
        return told[1], lines, 1
    return None, chain([first] if first else [], lines), 0


def _sample(lines: Iterator[str]) -> list[str]:
    sample, characters = [], 0
    for line in lines:
        sample.append(line)
        characters += len(line)
        if len(sample) >= SAMPLE_LINES or (characters > SAMPLE_CHARACTERS and len(sample) > 1):
            break
    return sample


_NUMBER_LIKE = re.compile(r"[+-]?[.,]*\d[\d.,]*(?:[eE][+-]?\d+)?")


def _found_separator(sample: list[str]) -> str:
    """Return the separator that gives most rows as many fields as the header; of equal ones, the most numbers."""
    scores: dict[str, tuple[float, float, int]] = {}
    for separator in SEPARATORS:
        rows = _split_sample(sample, separator)
        if rows is None or len(rows[0]) < 2:
            continue
        width, body = len(rows[0]), rows[1:]
        agree = sum(len(row) == width for row in body) / len(body) if body else 1.0
        cells = [cell for row in body for cell in row[:width]]
        numbers = sum(bool(_NUMBER_LIKE.fullmatch(cell.strip())) for cell in cells) / max(len(cells), 1)
        scores[separator] = round(agree, 1), numbers, width
    if scores:
        return max(scores, key=scores.__getitem__)
    stripped = [line.strip() for line in sample if line.strip()]
    if any("," in line for line in stripped) and all(_NUMBER_LIKE.fullmatch(line) for line in stripped[1:]):
        return ";"  # one column, with decimal commas
    widths = {len(line.split()) for line in stripped}
    if len(widths) == 1 and widths != {1}:
        return " "
    for separator in SEPARATORS:  # under a title: the row is refused that has more than that
        rows = _split_sample(sample, separator) or []
        if len(rows) > 2 and len(rows[1]) > 2 and len({len(row) for row in rows[1:]}) == 1:
            return separator
    return ","


def _split_sample(sample: list[str], separator: str) -> list[list[str]] | None:
    try:
        return [row for row in csv.reader(sample, delimiter=separator, skipinitialspace=True) if row] or None
    except csv.Error:
        return None


def _rows(lines: Iterable[str], separator: str, path: str, line: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, each with the number of its last line; `line` came before the first."""
    at_end, taken = False, list[str]()

    def until_the_end() -> Iterator[str]:
        nonlocal at_end
        for text in lines:
            taken.append(text)
            yield text
        at_end = True

    # Blanks in a row are one separator.
    blanks = separator == " "
    reader = csv.reader(until_the_end(), delimiter=separator, skipinitialspace=not blanks)
    while True:
        begins = line + reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise TableError(
                f"{path}: line {begins} has a field of more than {csv.field_size_limit():,} characters; "
                "is a quotation mark there never closed?"
            ) from None
        if at_end:  # in the middle of a row
            raise TableError(f"{path}: a quotation mark in the row of line {begins} is never closed")
        if len(taken) > 1 and not _well_quoted(taken, separator):
            raise TableError(
                f"{path}: a cell within quotation marks runs from line {begins} on to line {line + reader.line_num}, "
                "and more text follows its closing mark: is one missing, or one too many?"
            )
        taken.clear()
        if blanks:
            row = [cell for cell in row if cell.strip()]
        if len(row) > 1 or (row and row[0].strip()):
            yield line + reader.line_num, row


def _well_quoted(row: list[str], separator: str) -> bool:
    """Whether each closing quotation mark in the lines of a row ends its cell, but for blanks.

    One row with text behind such a mark is odd; over several lines the mark was to open a cell, and rows are lost.
    """
    blanks = re.compile(rf'" +(?=[{re.escape(separator)}\r\n]|$)')
    lines = (blanks.sub('"', line) for line in row)
    try:
        next(csv.reader(lines, delimiter=separator, skipinitialspace=separator != " ", strict=True))
    except csv.Error:
        return False
    return True


def _columns(
    rows: Iterator[tuple[int, list[str]]],
    separator: str,
    encoding: str,
    path: str,
    wanted: Callable[[str], bool] | None,
) -> TextTable:
    first, header = next(rows, (0, []))
    if not header:
        raise TableError(f"{path} is empty: it has no header line")
    names, doubled = _names(header)
    width, n_rows = len(names), 0
    told = [name.strip() for name in header]
    # A row of numbers may well come twice; names that do are another header.
    has_names = width > 1 and sum(bool(name) and not _NUMBER_LIKE.fullmatch(name) for name in told) > width / 2
    # By place; where all are asked for, those without a name from the first cell on that holds something.
    parts: dict[int, list[str]] = {
        place: [] for place, name in enumerate(names) if (told[place] if wanted is None else wanted(name))
    }
    numbers: list[int] = []
    waiting: list[list[str]] = []
    short: list[int] = []

    def put_away() -> None:
        if not waiting:
            return
        above = n_rows - len(waiting)
        for place, column in enumerate(zip(*waiting, strict=True)):
            if wanted is None and place not in parts and any(column):
                parts[place] = [_empty(above)] if above else []
            if place in parts:
                parts[place].append(JOINT.join(column))
        waiting.clear()

    for line, row in rows:
        if has_names and row[0].strip() == told[0] and [cell.strip() for cell in row] == told:
            raise TableError(f"{path}: line {line} is the header again; delete that line")
        if len(row) < width:
            short.append(line)
            row += [""] * (width - len(row))
        elif len(row) > width:
            if any(cell.strip() for cell in row[width:]):
                raise TableError(_too_long(path, line, row, first, header, not n_rows, separator))
            del row[width:]
        n_rows += 1
        numbers.append(line)
        waiting.append(row)
        if len(waiting) * width >= CELLS_AT_ONCE:
            put_away()
    put_away()
    if not n_rows:
        raise TableError(f"{path} has 0 rows under its header: no row to predict or to train on")
    notes = [f"the header has {name!r} more than once: the later ones are called {name + '.1'!r} and so on"
             for name in sorted(doubled)]  # fmt: skip
    if short:
        notes.append(
            f"{counted(len(short), 'row')} with fewer fields than the header (first: line {short[0]}): what they lack "
            "is missing"
        )
    blank = [place for place in range(width) if place not in parts] if wanted is None else []
    if len(blank) == width:
        raise TableError(f"{path} has no column with a name or a value ({counted(width, 'empty column')})")
    if 2 * len(blank) > width:  # as of a sheet that was saved with its empty columns
        notes.append(f"left out are {counted(len(blank), 'column')} without a name and without a value")
    else:
        parts |= {place: [_empty(n_rows)] for place in blank}
        blank = []
    columns = {names[place]: JOINT.join(parts[place]) for place in sorted(parts)}
    left_out = frozenset(names[place] for place in blank)
    names = list(columns) if blank else names
    lines = np.array(numbers, dtype=np.int64)
    return TextTable(names, columns, lines, separator, _shown(encoding), doubled, notes, left_out)


def _empty(rows: int) -> str:
    """A column without a value."""
    return JOINT * (rows - 1)


def _too_long(
    path: str, line: int, row: list[str], first: int, header: list[str], at_once: bool, separator: str
) -> str:
    fields, width = len(row), len(header)
    others = [mark for mark in SEPARATORS
              if mark != separator and mark in header[0] and any(mark in cell for cell in row)]  # fmt: skip
    if others and width == 1:
        hint = f"; is {others[0]!r} the separator, and no {separator!r}?"
    elif at_once and (header[0].lstrip().startswith(COMMENTS) or (width == 1 and fields > 2)):
        hint = f"; is line {first} a title or a comment above the header? Delete what stands above the header"
    elif at_once and fields == width + 1:
        hint = "; does the header lack the name of the first column?"
    elif separator == ",":
        hint = "; a comma within a field needs quotation marks around it"
    else:
        hint = ""
    return f"{path}: line {line} has {fields} fields, the header {width}{hint}"


def _names(header: list[str]) -> tuple[list[str], frozenset[str]]:
    """Return a name for each column, different ones, as pandas gives them, and those that the header repeats."""
    given = [name.strip() or f"Unnamed: {place}" for place, name in enumerate(header)]
    counts = Counter(given)
    doubled = frozenset(name for name, count in counts.items() if count > 1)
    names: list[str] = []
    used, seen = set(given), Counter[str]()
    for name in given:
        new, times = name, seen[name]
        while times and (new := f"{name}.{times}") in used:
            times += 1
        used.add(new)
        seen[name] = times + 1
        names.append(new)
    return names, doubled
