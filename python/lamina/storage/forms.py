"""What arrays a network is made of, told before any of them is there, and compared with those that are found."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lamina.data.arrays import Array

__all__ = ["NORMALIZATION", "SCALES", "ArrayForm", "Forms", "check_finite", "form_of"]

#: What the mean and the scale of the inputs are called.
NORMALIZATION = ("input.mean", "input.scale")
_TARGETS = ("target.mean", "target.deviation", "target.low", "target.high")
#: All that brings inputs and targets to size.
SCALES = (*NORMALIZATION, "input.limit", *_TARGETS)
# Inputs and outputs that a network may have beyond its parameters, as one of Dropout alone.
_FEW = 2**20


class ArrayForm(NamedTuple):
    """The type of an array and its shape."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    def __str__(self) -> str:
        return f"{reprlib.repr(self.dtype)[1:-1]} {reprlib.repr(self.shape)}"


@dataclass(frozen=True, slots=True)
class Forms:
    """The arrays that a network needs.

    Attributes
    ----------
    needed : dict
        Forms by name.
    together : tuple of dict
        More of them, each dict of which is there as a whole or not at all.
    free : frozenset of str
        Which of them may hold NaN and infinity.
    """

    needed: dict[str, ArrayForm]
    together: tuple[dict[str, ArrayForm], ...] = ()
    free: frozenset[str] = frozenset()

    @classmethod
    def of(cls, shapes: Mapping[str, Iterable[int]], n_inputs: int, dtype: str, n_outputs: int = 0) -> Forms:
        """Return parameters of these shapes, with or without a normalisation of the inputs.

        With `n_outputs` it may have limits, and the targets a normalisation, too.
        """
        together = [dict.fromkeys(NORMALIZATION, ArrayForm(dtype, (n_inputs,)))]
        if n_outputs:
            together.append({"input.limit": ArrayForm(dtype, (n_inputs,))})
            together.append(dict.fromkeys(_TARGETS, ArrayForm(dtype, (n_outputs,))))
        return cls({name: ArrayForm(dtype, tuple(shape)) for name, shape in shapes.items()}, tuple(together))

    def accounting_for(self, columns: int) -> Forms:
        """Return the same; ValueError where a network of so many inputs and outputs is too large for its arrays.

        It has a place for what brings each of them to size, whether or not it has parameters.
        """
        if columns > sum(math.prod(form.shape) for form in self.needed.values()) + _FEW:
            raise ValueError(f"its arrays are too few for {columns} inputs and outputs")
        return self

    def within(self, prefix: str) -> Forms:
        """Return the same with names that begin with `prefix`."""
        needed, *together = (
            {prefix + name: form for name, form in forms.items()} for forms in (self.needed, *self.together)
        )
        return Forms(needed, tuple(together))

    def check(self, found: Mapping[str, ArrayForm]) -> None:
        """Raise ValueError unless what was found is what is needed, no more and no less."""
        wanted = dict(self.needed)
        for forms in self.together:
            if not found.keys().isdisjoint(forms):
                wanted.update(forms)
        for name, form in wanted.items():
            if name not in found:
                raise ValueError(f"the array {reprlib.repr(name)} is missing; it should be {form}")
            if found[name] != form:
                raise ValueError(f"the array {reprlib.repr(name)} should be {form}; got {found[name]}")
        for name in found:
            if name not in wanted:
                raise ValueError(f"the array {reprlib.repr(name)} belongs to nothing")


def form_of(array: Array) -> ArrayForm:
    """Return the form of an array that is there."""
    array = np.asarray(array)
    return ArrayForm(array.dtype.name, array.shape)


def check_finite(arrays: Mapping[str, Array], free: frozenset[str] = frozenset()) -> None:
    """Raise ValueError naming an array that holds NaN or infinity, unless it is one of the `free`."""
    for name, array in arrays.items():
        if name not in free and not np.isfinite(array).all():
            what = "NaN" if np.isnan(array).any() else "infinity"
            raise ValueError(f"the array {name!r} holds {what}")
