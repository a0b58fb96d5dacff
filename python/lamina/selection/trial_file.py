"""The file of a search: JSON lines, the first of which says what search it is, then one for each trial.

Every line ends with a checksum of itself and of the first line, so that nothing is believed that was altered, cut off,
or belongs to another search.
"""

from __future__ import annotations

import hashlib
import json
import os
import reprlib
import threading
from collections.abc import Callable, Mapping
from typing import Any

from lamina.files import FilePath, check_replaceable, open_regular, path_of, write_whole
from lamina.storage.plain import difference, plain

__all__ = ["SearchFileError", "TrialFile"]

_BEGIN = b'{"lamina search": '
_VERSION = 2
# What a trial's line has to have; the score, where it is there, is a number.
_KEYS = ("score", "std", "best_epoch", "seconds")


class SearchFileError(ValueError):
    """The file is not that of an earlier search, or it was damaged."""


class TrialFile:
    """Trials that have ended, by (number, rung); without a path, nothing is kept.

    `search` tells what tells this search from others.
    """

    def __init__(self, path: FilePath | None, search: Callable[[], Mapping[str, Any]]) -> None:
        self._path = None if path is None else os.path.abspath(path_of(path))
        self._lock = threading.Lock()
        self._known: dict[tuple[int, int], dict[str, Any]] = {}
        if self._path is None:
            return
        self._header = header = {"lamina search": _VERSION, **{name: plain(value) for name, value in search().items()}}
        self._of_header = _checksum(header, "")
        lines, rest = self._lines()
        if lines is None:
            self._begin(header)
            return
        self._read(header, lines, alone=len(lines) == 1 and not rest)
        if rest:  # it was cut off as it was written: its trial is run again
            os.truncate(self._path, sum(len(line) + 1 for line in lines))

    def _begin(self, header: dict[str, Any]) -> None:
        """Write a file without trials."""
        assert self._path is not None
        check_replaceable(self._path)
        write_whole(self._path, _line(header, ""), always=True)

    def _lines(self) -> tuple[list[bytes] | None, bytes]:
        """The whole lines of the file, None where it is to be made, and what comes after the last line end."""
        assert self._path is not None
        try:
            file = open_regular(self._path)
        except FileNotFoundError:
            return None, b""
        except ValueError as error:
            raise SearchFileError(f"path must be new, or the file of an earlier search; {error}") from None
        with file:
            begin = file.read(len(_BEGIN))
            if not begin:
                return None, b""
            if begin == _BEGIN:
                *lines, rest = (begin + file.read()).split(b"\n")
        if begin != _BEGIN or not lines:
            raise SearchFileError(f"path must be new, or the file of an earlier search; {self._path} is neither")
        return lines, rest

    def _read(self, header: dict[str, Any], lines: list[bytes], alone: bool) -> None:
        """Take over the trials of an earlier run; a first line `alone` is replaced where it is of another search."""
        try:
            found = json.loads(lines[0])
            sound = found.pop("checksum", None) == _checksum(found, "") and _line(found, "") == lines[0] + b"\n"
            version = found["lamina search"]
        except _OF_A_WRONG_LINE as error:
            raise SearchFileError(f"{self._path} was altered or damaged: its first line cannot be read") from error
        if version != _VERSION:
            raise SearchFileError(f"{self._path} has format {reprlib.repr(version)}; this lamina reads {_VERSION}")
        if not sound:
            raise SearchFileError(f"{self._path} was altered or damaged: the checksum of its first line does not match")
        if other := difference(header, found):
            if alone:  # left by a call that came to nothing
                self._begin(header)
                return
            raise SearchFileError(f"{self._path} holds another search: {other}; give another path")
        for number, line in enumerate(lines[1:], 2):
            try:
                trial = json.loads(line)
                sound = trial.pop("checksum", None) == _checksum(trial, self._of_header)
                sound = sound and _line(trial, self._of_header) == line + b"\n"  # a last digit may not show in a number
                self._known[_numbers(trial)] = trial
            except _OF_A_WRONG_LINE as error:
                raise SearchFileError(f"{self._damaged(number)} it cannot be read") from error
            if not sound:
                raise SearchFileError(f"{self._damaged(number)} its checksum does not match")

    def _damaged(self, line: int) -> str:
        return f"line {line} of {self._path} was altered or damaged (without it, its trial is run again):"

    def find(self, number: int, rung: int, params: dict[str, Any], made: dict[str, Any]) -> dict[str, Any] | None:
        """Return the trial of an earlier run, or None; ValueError where it had other parameters, epochs or layers."""
        known = self._known.get((number, rung))
        if known is None or known.get("error"):  # what failed is tried again
            return None
        if known["params"] != {name: plain(value) for name, value in params.items()}:
            had = known["params"]
            raise SearchFileError(f"{self._path} holds another search: trial {number} had {had}; give another path")
        other = [name for name, value in made.items() if known.get(name) != value]
        if other:
            raise SearchFileError(
                f"{self._path} holds another search: trial {number} had other {' and '.join(other)}; give another path"
            )
        return dict(known)

    def add(self, trial: dict[str, Any], params: dict[str, Any]) -> None:
        """Append a trial that has ended."""
        if self._path is None:
            return
        kept = {**trial, "params": {name: plain(value) for name, value in params.items()}}
        with self._lock:
            self._known[_numbers(kept)] = kept
            try:
                handle = os.open(self._path, os.O_WRONLY | os.O_APPEND)
            except FileNotFoundError:  # it was taken away meanwhile
                handle = None
            if handle is not None:
                with os.fdopen(handle, "ab", buffering=0) as file:
                    if (end := file.seek(0, os.SEEK_END)) > 0:
                        self._append(file, end, _line(kept, self._of_header))
                        return
            lines = [_line(self._header, ""), *(_line(each, self._of_header) for each in self._known.values())]
            write_whole(self._path, b"".join(lines), always=True)

    def _append(self, file: Any, end: int, line: bytes) -> None:
        try:
            while line:
                line = line[file.write(line) :]
        except OSError:  # such as a full disk: part of a line would spoil those that come after
            file.truncate(end)
            raise


# What comes of taking a line for what it is not.
_OF_A_WRONG_LINE = (AttributeError, LookupError, RecursionError, TypeError, ValueError)


def _numbers(trial: dict[str, Any]) -> tuple[int, int]:
    """The number and the rung of a trial; an error where it is none."""
    number, rung, params = trial["trial"], trial["rung"], trial["params"]
    values = [trial[key] for key in _KEYS]
    if not all(type(value) is int and value >= 0 for value in (number, rung)) or not isinstance(params, dict):
        raise TypeError("trial and rung must be whole numbers, and params names and values")
    if not all(value is None or type(value) in (int, float) for value in values):
        raise TypeError(f"{', '.join(_KEYS)} must be numbers")
    return number, rung


def _line(entry: dict[str, Any], of_header: str) -> bytes:
    return json.dumps({**entry, "checksum": _checksum(entry, of_header)}).encode() + b"\n"


def _checksum(entry: dict[str, Any], of_header: str) -> str:
    return hashlib.sha256((of_header + json.dumps(entry, sort_keys=True)).encode()).hexdigest()[:16]
