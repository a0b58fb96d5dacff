"""Files that a command writes: nothing of the user's is lost to them."""

from __future__ import annotations

import csv
import os
import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from lamina.plots.figure import is_ours
from lamina.report import is_report

__all__ = [
    "INTERVAL",
    "PREDICTION",
    "PROBABILITY",
    "Output",
    "OutputError",
    "begins_a_model",
    "check_outputs",
    "checkpoint_of",
    "is_checkpoint",
    "is_model",
    "same_file",
]

# The names of the columns of predictions: the first, how those of classes begin, and those of an interval.
PREDICTION, PROBABILITY, INTERVAL = "prediction", "probability_", ("low", "high")


class OutputError(ValueError):
    """A file that must not, or cannot, be written."""


@dataclass(frozen=True, slots=True)
class Output:
    """A file to write.

    Attributes
    ----------
    path : str
    kind : str
        One of `KINDS`.
    how : str
        The option that names it.
    classes : tuple of str
        Of predictions: what they may be besides numbers.
    """

    path: str
    kind: str
    how: str
    classes: tuple[str, ...] = ()


def begins_a_model(start: bytes) -> bool:
    """Whether a file that begins so, with 64 bytes or more, is a model of lamina's."""
    return re.match(rb'.{8}\{"__metadata__":\{"lamina":', start, re.DOTALL) is not None


def is_model(path: Path, _: Output | None = None) -> bool:
    """Whether a file begins as lamina's models do."""
    with path.open("rb") as file:
        return begins_a_model(file.read(64))


def checkpoint_of(path: Path) -> str | None:
    """Return what model a file is a checkpoint of, as it begins: "network" or "tabular"; None for no checkpoint."""
    with path.open("rb") as file:
        start = file.read(256)
    if begins_a_model(start[:64]):
        for mark, kind in ((rb"\"network\": \"Checkpoint\"", "network"), (rb"\"kind\": \"checkpoint", "tabular")):
            if mark in start:
                return kind
    return None


def is_checkpoint(path: Path, _: Output | None = None) -> bool:
    """Whether a file begins as lamina's checkpoints do."""
    return checkpoint_of(path) is not None


def _is_report(path: Path, _: Output) -> bool:
    with path.open("rb") as file:
        return is_report(file.read(256))


def _is_picture(path: Path, _: Output) -> bool:
    return is_ours(path)


def _is_predictions(path: Path, output: Output) -> bool:
    """Whether all of it is what `lamina predict` writes: a header of its own, and numbers or classes below."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file, strict=True)
            first, *rest = next(rows, [""])
            if first != PREDICTION or not all(name.startswith(PROBABILITY) or name in INTERVAL for name in rest):
                return False
            classes = {*output.classes, *(name.removeprefix(PROBABILITY) for name in rest)}
            return all(
                len(row) == 1 + len(rest)
                and (row[0] in classes or _is_number(row[0]))
                and all(map(_is_number, row[1:]))
                for row in rows
            )
    except (UnicodeError, csv.Error):
        return False


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


# How an older one of what a command writes is known from all else.
KINDS: dict[str, Callable[[Path, Output], bool]] = {
    "checkpoint": is_checkpoint,
    "model": is_model,
    "picture": _is_picture,
    "predictions": _is_predictions,
    "report": _is_report,
}


def check_outputs(inputs: Iterable[str], outputs: Iterable[Output], *, force: bool) -> None:
    """Raise OutputError where a file to write is an input, another one to write, or one that holds something else.

    An older model of lamina's may be replaced by a model, a picture by a picture and predictions by predictions; with
    `force` a file of any kind, but never an input. What is no regular file, such as a pipe, is written to and not
    replaced.
    """
    given, before = list(inputs), list[Output]()
    for output in outputs:
        path = Path(output.path)
        for other in given:
            if same_file(output.path, other):
                raise OutputError(f"{output.how} {output.path} is the file {other} that is read; name another")
        for earlier in before:
            if same_file(output.path, earlier.path):
                raise OutputError(f"the {output.kind} would be written over the {earlier.kind}, {earlier.path}; "
                                  f"name another file by {output.how}")  # fmt: skip
        before.append(output)
        _check_place(path, output)
        if not force and _holds_something_else(path, output):
            raise OutputError(f"{output.how} {output.path} exists and holds no {output.kind} of lamina's; name another "
                              "file, or replace it by --force")  # fmt: skip


def same_file(one: str, other: str) -> bool:
    """Whether both are one file, by whatever links; /dev/null and its like, which hold nothing, never are."""
    try:
        if not stat.S_ISREG(os.stat(one).st_mode):
            return False
        return os.path.samefile(one, other)
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)


def _check_place(path: Path, output: Output) -> None:
    """Raise OutputError where nothing can be written."""
    folder = Path(os.path.realpath(path)).parent
    if path.is_dir():
        raise OutputError(f"{output.how} {output.path} is a folder; name a file")
    if not path.exists() and not folder.is_dir():
        raise OutputError(f"there is no folder {folder} to write {output.path} to")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise OutputError(f"{output.how} {output.path} must not be written to: permission denied")


def _holds_something_else(path: Path, output: Output) -> bool:
    return path.is_file() and path.stat().st_size > 0 and not KINDS[output.kind](path, output)
