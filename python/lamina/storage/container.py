"""Model files: safetensors with the architecture as JSON in the metadata, readable without lamina.

The metadata has one entry, ``lamina``: JSON with ``format_version``, ``architecture``, ``user`` and ``checksum``, a
SHA-256 over all of it and every array, so that a file that was cut short, altered or made by something else is refused.
(One entry, because safetensors writes several in no fixed order, and equal models shall be equal files.)

A file is trusted for nothing: its header is read first, and the arrays only where the file is as long as the header
says, and they are those that the architecture needs.
"""

from __future__ import annotations

import hashlib
import json
import os
import reprlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

import numpy as np

from lamina.data.arrays import Array
from lamina.files import open_regular, path_of, write_whole
from lamina.memory import need_room
from lamina.storage.forms import SCALES, ArrayForm, Forms, check_finite, form_of
from lamina.storage.parts import ModelFileError

__all__ = ["FIT", "MODEL", "Contents", "Kind", "Restorable", "as_strings", "read", "understood", "write"]

_KEY = "lamina"
_VERSION = 1
# Bytes of a header, as many as safetensors itself reads.
_LONGEST_HEADER = 100_000_000
# Of the bytes of a file, as safetensors makes them.
_COPIES = 2
# Values and brackets in a header, or in the description inside it: Python takes about 100 bytes for each, where the
# file may have three; a text costs what it is long. A network of 10,000 layers has less.
_MOST_PARTS = 2**18
_TYPES = {"F32": "float32", "F64": "float64"}
# What comes of taking a description for what it is not.
_OF_A_WRONG_DESCRIPTION = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file in this format.

    Attributes
    ----------
    name : str
        What such a file is called.
    holds : str
        What it is about, in the singular.
    error : type of ValueError
        What is raised for a file that is none of them.
    finite : bool
        Whether NaN and infinity are refused in its arrays.
    """

    name: str = "model"
    holds: str = "network"
    error: type[ValueError] = ModelFileError
    finite: bool = True


MODEL = Kind()
# What the entry `kind` says of models, which have none.
_MODEL = MODEL.name
#: What the architecture of a model calls itself, under `network`, that is the checkpoint of a fit.
FIT = "Checkpoint"


class Restorable(Protocol):
    """A network, as far as its restoration from a model file goes."""

    metadata: dict[str, str]

    @property
    def parameters(self) -> Mapping[str, Array]:
        """Writable views by name."""

    def set_scales(self, scales: Mapping[str, Array]) -> None:
        """Take what brings inputs and targets to size, by the names in `forms.SCALES`."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a model file holds: a network as it is at one moment, whatever becomes of it meanwhile.

    Attributes
    ----------
    architecture : dict
        What makes the network, beside its weights, as plain JSON values.
    arrays : dict
        The parameters by name; where inputs or targets are normalised, the arrays of `forms.SCALES` for that.
    metadata : dict
        The user's own strings by name.
    """

    architecture: dict[str, Any]
    arrays: dict[str, Array]
    metadata: dict[str, str]

    @classmethod
    def of(
        cls,
        architecture: dict[str, Any],
        parameters: Mapping[str, Array],
        scales: Mapping[str, Array],
        metadata: Mapping[Any, Any],
    ) -> Contents:
        """Return what a file of these parts holds; nobody else may change the parameters."""
        arrays = {name: np.ascontiguousarray(view) for name, view in {**parameters, **scales}.items()}
        return cls(architecture, arrays, as_strings(metadata))

    def restore(self, net: Restorable) -> None:
        """Give a network of this architecture what else the file holds."""
        for name, view in net.parameters.items():
            view[...] = self.arrays[name]
        net.set_scales({name: self.arrays[name] for name in SCALES if name in self.arrays})
        net.metadata = dict(self.metadata)


def as_strings(metadata: Mapping[Any, Any]) -> dict[str, str]:
    """Return what a caller keeps with a network, as a file keeps it; TypeError for what is no text, by its name."""
    for name, text in metadata.items():
        for what, each in (("names", name), (f"metadata[{name!r}]", text)):
            if not isinstance(each, str):
                whose = "metadata must have names that are text" if what == "names" else f"{what} must be text"
                raise TypeError(
                    f"{whose}; got {each!r:.60} of type {type(each).__name__}. Write it as text, as json.dumps does"
                )
    return {str(name): str(text) for name, text in metadata.items()}


def _checksum(description: dict[str, Any], tensors: dict[str, Any]) -> str:
    described = {key: value for key, value in description.items() if key != "checksum"}
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.data)
    return digest.hexdigest()


def write(
    path: Any, contents: Contents, *, kind: Kind = MODEL, free: frozenset[str] = frozenset(), always: bool = False
) -> None:
    """Write a file of this kind, whole or not at all; ValueError for weights that `read` would refuse.

    The arrays called `free` may hold any number. `always` is that of `write_whole`.
    """
    from safetensors.numpy import save as to_bytes

    target = path_of(path)
    if kind.finite:
        try:
            check_finite(contents.arrays, free)
        except ValueError as error:
            raise ValueError(f"the {kind.holds} cannot be saved: {error}, which no {kind.name} file may") from None
    description: dict[str, Any] = {
        "format_version": _VERSION,
        **({} if kind.name == _MODEL else {"kind": kind.name}),
        "architecture": contents.architecture,
        "user": contents.metadata,
    }
    description["checksum"] = _checksum(description, contents.arrays)
    text = json.dumps(description)
    with _in_rust(sum(array.nbytes for array in contents.arrays.values()) + len(text)):
        data = to_bytes(contents.arrays, {_KEY: text})
    try:
        length = _checked_length(int.from_bytes(data[:8], "little"))
        _parsed(data[8 : 8 + length], kind)
    except ValueError as error:
        raise ValueError(f"the {kind.holds} cannot be saved: its description, metadata included, {error}") from None
    write_whole(target, data, always=always)


def read(path: Any, forms_of: Callable[[dict[str, Any]], Forms], kind: Kind = MODEL) -> Contents:
    """Return what the file at `path` holds; `forms_of` tells the arrays that an architecture needs.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ModelFileError
        It is cut short, altered, not a lamina model, or from a later format; of another kind its own error.
    """
    name = path_of(path)
    try:
        file = open_regular(name)  # a missing or unreadable file keeps its own error
    except ValueError as error:
        raise kind.error(f"{error}, and holds no {kind.name}") from None
    with file:
        return _read(file, name, forms_of, kind)


@contextmanager
def _in_rust(size: int) -> Iterator[None]:
    """A call of safetensors about so many bytes: MemoryError where there is no room for it.

    Without memory it ends the process, or waits for itself; or it panics, which is no `Exception`.
    """
    need_room(_COPIES * size, f"{size} bytes of a file, and their copies")
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise MemoryError(f"safetensors has none: {error}") from error


@contextmanager
def understood(path: str, kind: Kind = MODEL) -> Iterator[None]:
    """Make the kind's error of what a description raises that is not what it is taken for."""
    try:
        yield
    except _OF_A_WRONG_DESCRIPTION as error:
        raise kind.error(
            f"{path} does not describe a {kind.holds} that this version of lamina can build: {error}"
        ) from error


def _read(file: BinaryIO, name: str, forms_of: Callable[[dict[str, Any]], Forms], kind: Kind) -> Contents:
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= size - 8:
        cut = size < 8 or (length <= _LONGEST_HEADER and file.read(1) in (b"{", b""))  # as a part of a model may be
        raise kind.error(f"{name} {_no_whole(kind) if cut else _none(kind)}")
    try:
        header = file.read(_checked_length(length))
        description, found = _parsed(header, kind)
    except ModelFileError as error:
        raise kind.error(f"{name} {error}") from error.__cause__
    except _OF_A_WRONG_DESCRIPTION as error:
        raise kind.error(f"{name} was altered or damaged: its header cannot be read: {error}") from error
    with understood(name, kind):
        architecture, metadata = description["architecture"], _strings(description["user"])
        try:
            forms = forms_of(architecture)
        except MemoryError:
            raise ValueError("no memory holds its arrays") from None
        forms.check(found)
        whole = 8 + length + sum(form.size for form in found.values())
    if size != whole:
        raise kind.error(f"{name} is not a whole lamina {kind.name}: it does not end where its arrays do")
    try:
        file.seek(0)
        content = file.read(size)
        with _in_rust(size):
            arrays = from_bytes(content)
    except (SafetensorError, ValueError) as error:
        raise kind.error(f"{name} is not a whole lamina {kind.name}: {error}") from error
    with understood(name, kind):
        forms.check({key: form_of(array) for key, array in arrays.items()})
        sound = description.get("checksum") == _checksum(description, arrays)
        if kind.finite:
            check_finite(arrays, forms.free)
    if not sound:
        raise kind.error(f"{name} was altered or damaged: its checksum does not match")
    return Contents(architecture, arrays, metadata)


def _strings(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise TypeError("its metadata are not strings by name")
    return value


def _checked_length(length: int) -> int:
    if length > _LONGEST_HEADER:
        raise ValueError(f"takes {length} bytes of a header, which has at most {_LONGEST_HEADER}")
    return length


def _checked_parts(text: bytes) -> bytes:
    """Return JSON as it is; ValueError where far more objects would be made of it than it is long."""
    plain = text.replace(b"\\\\", b"").replace(b'\\"', b"")  # so that every quote opens or closes a string
    if plain.count(b'"') <= 2 * _MOST_PARTS:
        structure = b"".join(plain.split(b'"')[::2])
        if sum(structure.count(sign) for sign in (b"[", b"{", b",")) <= _MOST_PARTS:
            return text
    raise ValueError(f"has more than {_MOST_PARTS} values")


def _parsed(header: bytes, kind: Kind) -> tuple[dict[str, Any], dict[str, ArrayForm]]:
    """The description in a header, and the forms of the arrays that it announces.

    The words of a ModelFileError go on from the file's name.
    """
    if not header.startswith(b"{"):
        raise ModelFileError(_none(kind))
    if f'"{_KEY}"'.encode() not in header:
        raise ModelFileError(f"is not a lamina {kind.name}, though a safetensors file")
    tensors = json.loads(_checked_parts(header))
    description = json.loads(_checked_parts(tensors.pop("__metadata__")[_KEY].encode()))
    if description["format_version"] != _VERSION:
        raise ModelFileError(f"has format {reprlib.repr(description['format_version'])}; this lamina reads {_VERSION}")
    if (other := description.get("kind", _MODEL)) != kind.name:
        raise ModelFileError(f"is not a lamina {kind.name}, but a {_called(description, other)}")
    found = {
        name: ArrayForm(_TYPES.get(tensor["dtype"], tensor["dtype"]), tuple(tensor["shape"]))
        for name, tensor in tensors.items()
    }
    return description, found


def _called(description: Mapping[str, Any], kind: Any) -> str:
    """What a file of another kind than was wanted is."""
    of = description.get("architecture")
    if kind == _MODEL and isinstance(of, Mapping) and of.get("network") == FIT:
        return "checkpoint of one fit of a network, which fit(..., resume_from=path) goes on with"
    return reprlib.repr(kind)[1:-1]


def _none(kind: Kind) -> str:
    return f"is not a lamina {kind.name}: it is no safetensors file"


def _no_whole(kind: Kind) -> str:
    return f"is not a lamina {kind.name}, or is cut short: it is no whole safetensors file"
