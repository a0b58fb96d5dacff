"""Files that a command writes: nothing of the user's is lost to them."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Output", "OutputError", "check_outputs"]


class OutputError(ValueError):
    """A file that must not, or cannot, be written."""


def _is_model(ends: bytes) -> bool:
    return re.match(rb'.{8}\{"__metadata__":\{"lamina":', ends, re.DOTALL) is not None


def _is_picture(ends: bytes) -> bool:
    """Whether matplotlib drew it, as it says in most formats: a photograph is no older picture of ours."""
    return b"atplotlib" in ends


def _is_predictions(ends: bytes) -> bool:
    return re.match(rb"prediction[,\r\n]", ends) is not None


# What a command writes, and how an older one is known by the bytes at its two ends.
KINDS: dict[str, Callable[[bytes], bool]] = {
    "model": _is_model,
    "picture": _is_picture,
    "predictions": _is_predictions,
}
END = 1 << 16


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
    """

    path: str
    kind: str
    how: str


def check_outputs(inputs: Iterable[str], outputs: Iterable[Output], *, force: bool) -> None:
    """Raise OutputError where a file to write is an input, another one to write, or one that holds something else.

    An older model may be replaced by a model, a picture by a picture and predictions by predictions; with `force` a
    file of any kind, but never an input. What is no regular file, such as a pipe, is written to and not replaced.
    """
    given, before = list(inputs), list[Output]()
    for output in outputs:
        path = Path(output.path)
        for other in given:
            if _same_file(output.path, other):
                raise OutputError(f"{output.how} {output.path} is the file {other} that is read; name another")
        for earlier in before:
            if _same_file(output.path, earlier.path):
                raise OutputError(f"the {output.kind} would be written over the {earlier.kind}, {earlier.path}; "
                                  f"name another file by {output.how}")  # fmt: skip
        before.append(output)
        _check_place(path, output)
        if not force and _holds_something_else(path, output):
            raise OutputError(f"{output.how} {output.path} exists and holds no {output.kind}; name another file, or "
                              "replace it by --force")  # fmt: skip


def _same_file(one: str, other: str) -> bool:
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
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        ends = file.read(END)
        file.seek(-min(END, path.stat().st_size), os.SEEK_END)
        return not KINDS[output.kind](ends + file.read(END))
