"""What growth leaves: the units, their numbers and how they came about, in one record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from lamina._dispatch import core as _core
from lamina import activations
from lamina.cascade.growth import CascadeHistory
from lamina.cascade.samples import normalized
from lamina.data.arrays import Array
from lamina.storage.forms import NORMALIZATION, ArrayForm, Forms, form_of

__all__ = ["Grown", "Stages"]


@dataclass(frozen=True, slots=True)
class Stages:
    """Every network on the way: all units and their weights, and by stage the outputs' part of the flat parameters."""

    units: tuple[Any, ...]
    unit_weights: Array
    output_weights: tuple[Array, ...]


@dataclass(frozen=True)
class Grown:
    """A network that has grown. Nothing in the record is ever replaced: who holds it may predict while others fit.

    Attributes
    ----------
    n_inputs, n_outputs : int
    units : tuple of activations
    output : str
        The outputs' activation, "identity" or "logistic".
    flat : array
        All parameters: for each unit its bias and weights, then for each output.
    normalization : (mean, scale) or None
    history : CascadeHistory or None
    stages : Stages or None
        None where they are not known, as in a network that was loaded.
    """

    n_inputs: int
    n_outputs: int
    units: tuple[Any, ...]
    output: str
    flat: Array
    normalization: tuple[Array, Array] | None = None
    history: CascadeHistory | None = None
    stages: Stages | None = None

    @classmethod
    def zeros(cls, n_inputs: int, n_outputs: int, units: tuple[Any, ...], output: str, dtype: Any) -> Grown:
        """Return a network whose parameters are all zero."""
        flat = np.zeros(_size(n_inputs, n_outputs, len(units)), dtype)
        return cls(n_inputs, n_outputs, units, output, flat)

    def check(self, inputs: int, outputs: int, dtype: str) -> None:
        """Raise ValueError where this is no network of so many inputs and outputs: it may come from outside."""
        if (self.n_inputs, self.n_outputs) != (inputs, outputs):
            found = f"{self.n_inputs} inputs and {self.n_outputs} outputs"
            raise ValueError(f"the network should be one of {inputs} inputs and {outputs} outputs; got {found}")
        arrays = {"weights": self.flat}
        forms = Forms.of({"weights": (_size(inputs, outputs, len(self.units)),)}, inputs, dtype)
        if self.normalization is not None:
            arrays.update(zip(NORMALIZATION, self.normalization, strict=True))
        if self.stages is not None:  # in double precision, as the core gave them
            of_outputs = {f"outputs of {k} units": weights for k, weights in enumerate(self.stages.output_weights)}
            sizes = {name: outputs * (1 + inputs + k) for k, name in enumerate(of_outputs)}
            sizes["units"] = _unit_offset(inputs, len(self.stages.units))
            arrays |= {**of_outputs, "units": self.stages.unit_weights}
            forms.needed.update({name: ArrayForm("float64", (size,)) for name, size in sizes.items()})
        forms.check({name: form_of(array) for name, array in arrays.items()})

    def at(self, k: int) -> Grown:
        """Return the network as it was with `k` units; FloatingPointError where it has weights beyond its dtype."""
        assert self.stages is not None
        of_units = self.stages.unit_weights[: _unit_offset(self.n_inputs, k)]
        with np.errstate(over="ignore"):
            flat = np.concatenate([of_units, self.stages.output_weights[k]]).astype(self.flat.dtype)
        if not np.isfinite(flat).all():
            raise FloatingPointError(f"a weight of the network with {k} units is beyond {flat.dtype}")
        return replace(self, units=self.stages.units[:k], flat=flat)

    def views(self) -> dict[str, Array]:
        """Return writable views of the parameters by name."""
        views = {}
        for k in range(len(self.units)):
            at, end = _unit_offset(self.n_inputs, k), _unit_offset(self.n_inputs, k + 1)
            views[f"{k}.weight"], views[f"{k}.bias"] = self.flat[at + 1 : end], self.flat[at : at + 1]
        outputs = self.flat[_unit_offset(self.n_inputs, len(self.units)) :].reshape(self.n_outputs, -1)
        return {**views, "output.weight": outputs[:, 1:].T, "output.bias": outputs[:, 0]}

    def infer(self, x: Array, link: bool, threads: int) -> Array:
        """Return the outputs, with `link` after their activation."""
        rows = normalized(x, self.normalization)
        return _core.cascade_infer(self._shape, self.flat, rows, link, threads)  # type: ignore[no-any-return]

    @cached_property
    def _shape(self) -> Any:
        """What the core calls the units."""
        return _core.CascadeShape(self.n_inputs, self.n_outputs, self.units, activations.get(self.output))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_shape"}


def _unit_offset(inputs: int, k: int) -> int:
    """Where the bias of unit k is in the flat parameters, its weights following it."""
    return k * (inputs + 1) + k * (k - 1) // 2


def _size(inputs: int, outputs: int, units: int) -> int:
    """How many flat parameters there are: those of the units, then those of the outputs."""
    return _unit_offset(inputs, units) + outputs * (1 + inputs + units)
