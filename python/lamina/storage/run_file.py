"""The file of a run that consists of parts: the folds of a cross-validation, an ensemble's members, a cascade's units.

It keeps every part as it ends, and says what run it is of, so that the same run goes on from there and no other does.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from lamina.callers import warn_caller
from lamina.data.arrays import Array
from lamina.files import FilePath, check_replaceable, path_of
from lamina.runtime import __version__
from lamina.storage.container import Contents, Kind, read, write
from lamina.storage.forms import ArrayForm, Forms, form_of
from lamina.storage.parts import ModelFileError
from lamina.storage.pickles import VersionWarning
from lamina.storage.plain import difference, plain

__all__ = ["CheckpointError", "Part", "RunFile"]

T = TypeVar("T")
_VERSION = "lamina_version"


class CheckpointError(ModelFileError):
    """The file is not a checkpoint of this run, or not whole."""


_KIND = Kind("checkpoint of a run", "run", CheckpointError, finite=False)


@dataclass(slots=True)
class Part:
    """What is kept of a part that has ended.

    Attributes
    ----------
    arrays : dict
        Of float32 or float64, by name.
    values : dict
        Plain JSON values by name.
    """

    arrays: dict[str, Array] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)

    def value(self, name: str, kind: type[T], least: float = -math.inf, most: float = math.inf) -> T:
        """Return a value of exactly this type, between these if it is a number; ValueError where it is none."""
        found = self.values.get(name)
        if type(found) is not kind or (isinstance(found, (int, float)) and (found < least or found > most)):
            raise ValueError(f"{name} cannot be {found!r:.50}")
        return found

    def numbers(self, name: str, length: int | None = None) -> list[float]:
        """Return an array of float64 with one axis as a list; ValueError where it is none, or of another length."""
        form = ArrayForm("float64", (self.arrays[name].size if length is None else length,))
        Forms({name: form}).check({name: form_of(self.arrays[name])})
        return list(self.arrays[name].tolist())

    def only(self, arrays: Iterable[str], values: Iterable[str]) -> None:
        """Raise ValueError for an array or a value of another name."""
        for named, known in ((self.arrays, set(arrays)), (self.values, set(values))):
            for name in named:
                if name not in known:
                    raise ValueError(f"{name!r:.50} belongs to nothing")


class _AsFound(Forms):
    """Any arrays of the types that lamina writes: whose they are shows when the file has shown to be whole."""

    def check(self, found: Mapping[str, ArrayForm]) -> None:
        """Raise ValueError for another type, or for what is no shape."""
        for name, (dtype, shape) in found.items():
            if dtype not in ("float32", "float64") or not all(type(n) is int and n >= 0 for n in shape):
                raise ValueError(f"the array {name!r:.50} cannot be {dtype!r:.50} {shape!r:.50}")


class RunFile:
    """Parts that have ended, by name; without a path, nothing is kept.

    Parameters
    ----------
    path : path-like or None
        Where nothing is yet, or the checkpoint of an earlier run, which is read. One that has no part yet may be of
        another run, and is replaced.
    of : str
        Whose run it is, such as "cross_validate".
    run : callable
        Returns what tells this run from others, by name: what `plain` makes of it is compared.
    told : callable
        ``told(here, there)`` says in what two such descriptions differ.

    Raises
    ------
    CheckpointError
        There is something else at `path`, or it was cut short or altered.
    OSError
        There is something to write, and a file there could not be replaced whole.
    """

    def __init__(
        self,
        path: FilePath | None,
        of: str,
        run: Callable[[], Mapping[str, Any]],
        told: Callable[[Any, Any], str] = difference,
    ) -> None:
        self.path = None if path is None else os.path.abspath(path_of(path, "checkpoint"))
        self._lock, self._told = threading.Lock(), told
        self.parts: dict[str, Part] = {}
        self._header: dict[str, Any] = {}
        if self.path is None:
            return
        self._header = {"of": of, "run": plain(run()), _VERSION: __version__}
        if os.path.exists(self.path):
            self._take_over(read(self.path, lambda _: _AsFound({}), _KIND))
        else:
            self._begin()

    def _take_over(self, contents: Contents) -> None:
        """Take the parts of an earlier run; CheckpointError where it was another."""
        header = contents.architecture
        try:
            of, run, version, parts = (header[name] for name in ("of", "run", _VERSION, "parts"))
            if of != self._header["of"]:
                raise CheckpointError(f"checkpoint must be one of {self._header['of']}; {self.path} is of {of!r:.50}")
            if parts == {} and not contents.arrays:  # left by a call that came to nothing: another may take its place
                self._begin()
                return
            if difference(self._header["run"], run):
                other = self._told(self._header["run"], run)
                words = "checkpoint must be one of the same run"
                raise CheckpointError(f"{words}; {self.path} is of another: {other}; give another path")
            self.parts = {name: Part({}, dict(values)) for name, values in parts.items()}
            for name, array in contents.arrays.items():
                part, _, own = name.partition("/")
                self.parts[part].arrays[own] = array
            if not isinstance(version, str):
                raise TypeError(f"{_VERSION} cannot be {version!r:.50}")
        except CheckpointError:
            raise
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise self.damaged(error) from error
        if version != __version__:
            warn_caller(
                f"{self.path} was begun by version {version} of lamina, and this is version {__version__}: what is yet "
                "to come may not have the bits that it would have had",
                VersionWarning,
            )

    def damaged(self, error: Exception) -> CheckpointError:
        """Return the error for contents that are not what this run writes."""
        return CheckpointError(f"{self.path} was altered or damaged: {error}")

    def known(self, names: Iterable[str], beside: Iterable[str] = ()) -> list[Part | None]:
        """Return the parts of these names, None for those that are yet to come; there may be no others.

        Those `beside` them may be there or not. What cannot be kept of parts to come is found out now.
        """
        names = list(names)
        if other := self.parts.keys() - {*names, *beside}:
            raise self.damaged(ValueError(f"it has a part {min(other)!r:.50}, which belongs to nothing"))
        if self.path is not None and not self.parts.keys() >= set(names):
            check_replaceable(self.path, "checkpoint")
        return [self.parts.get(name) for name in names]

    def add(self, parts: Mapping[str, Part]) -> None:
        """Keep parts that have ended: on the disk when this returns."""
        if self.path is None:
            return
        with self._lock:
            self.parts.update(parts)
            self._write()

    def _begin(self) -> None:
        """Write a file without parts: what cannot be written is found out now."""
        assert self.path is not None
        check_replaceable(self.path, "checkpoint")
        self._write()

    def _write(self) -> None:
        described = {**self._header, "parts": {name: part.values for name, part in self.parts.items()}}
        arrays = {
            f"{name}/{own}": np.ascontiguousarray(array)
            for name, part in self.parts.items()
            for own, array in part.arrays.items()
        }
        write(self.path, Contents(described, arrays, {}), kind=_KIND, always=True)
