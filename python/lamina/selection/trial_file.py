"""The file of a search: JSON lines, the first of which says what search it is, then one for each trial."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["TrialFile", "digest"]


class TrialFile:
    """Trials that have ended, by (number, rung); without a path, nothing is kept."""

    def __init__(self, path: Any, search: dict[str, Any]) -> None:
        self._path = None if path is None else Path(path)
        self._lock = threading.Lock()
        self._known: dict[tuple[int, int], dict[str, Any]] = {}
        if self._path is None:
            return
        header = {"lamina search": 1, **{name: _plain(value) for name, value in search.items()}}
        lines = self._path.read_text(encoding="utf-8").split("\n") if self._path.exists() else []
        whole = lines[:-1]  # what comes after the last line end was cut off as it was written
        if not whole:
            self._path.write_text(json.dumps(header) + "\n", encoding="utf-8")
            return
        try:
            found, *trials = [json.loads(line) for line in whole]
        except ValueError as error:
            raise ValueError(f"path must be new, or the file of an earlier search; {self._path} is neither") from error
        if found != header:
            raise ValueError(f"{self._path} holds another search: {_difference(header, found)}; give another path")
        self._known = {(trial["trial"], trial["rung"]): trial for trial in trials}
        if lines[-1]:
            self._path.write_text("\n".join(whole) + "\n", encoding="utf-8")

    def find(self, number: int, rung: int, params: dict[str, Any], made: dict[str, Any]) -> dict[str, Any] | None:
        """Return the trial of an earlier run, or None; ValueError where it had other parameters, epochs or layers."""
        known = self._known.get((number, rung))
        if known is None or known.get("error"):  # what failed is tried again
            return None
        if known["params"] != {name: _plain(value) for name, value in params.items()}:
            had = known["params"]
            raise ValueError(f"{self._path} holds another search: trial {number} had {had}; give another path")
        other = [name for name, value in made.items() if known.get(name) != value]
        if other:
            raise ValueError(
                f"{self._path} holds another search: trial {number} had other {' and '.join(other)}; give another path"
            )
        return dict(known)

    def add(self, trial: dict[str, Any], params: dict[str, Any]) -> None:
        """Append a trial that has ended."""
        if self._path is None:
            return
        line = json.dumps({**trial, "params": {name: _plain(value) for name, value in params.items()}})
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def digest(value: Any) -> str:
    """Return a short digest of what may be kept as JSON."""
    return hashlib.sha256(json.dumps(_plain(value), sort_keys=True).encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    """A value as JSON keeps it, the same in the next run: an array by its digest, an object by its repr."""
    if isinstance(value, (int, float, str, bool, type(None))):
        return value
    if isinstance(value, np.ndarray):
        return f"{value.shape} {value.dtype} {hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()[:16]}"
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if callable(value) and hasattr(value, "__qualname__"):
        return value.__qualname__
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def _difference(wanted: Any, found: Any) -> str:
    if not isinstance(found, dict):
        return "its first line is no search"
    return "; ".join(f"its {k} is {found.get(k)!r}, not {v!r}" for k, v in wanted.items() if found.get(k) != v)
