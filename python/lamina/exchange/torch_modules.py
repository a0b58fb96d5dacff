"""Modules for what PyTorch has no module for; imported where PyTorch is there. They can be pickled and trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from lamina.exchange import formulas
from lamina.exchange.expressions import Function
from lamina.layers import GaussianNoise, Recurrent

__all__ = [
    "EachStep",
    "Exponential",
    "Formula",
    "Layer",
    "Members",
    "Noise",
    "Normalization",
    "RecurrentLayer",
    "Steps",
    "TargetScale",
    "array_of",
    "tensor_of",
]


class _Ops:
    """PyTorch's functions under NumPy's names."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    @staticmethod
    def take(x: Any, places: Any, axis: int) -> Any:
        if axis == 0:
            return x[places.long()]
        return torch.index_select(x, axis, torch.as_tensor(places, device=x.device))

    @staticmethod
    def cast(x: Any, dtype: Any) -> Any:
        return x.to(getattr(torch, dtype) if isinstance(dtype, str) else dtype)

    @staticmethod
    def like(x: Any, array: Any) -> Any:
        """Return a tensor of the type and in the place of another, with the numbers of an array."""
        return torch.as_tensor(array, dtype=x.dtype, device=x.device)

    @staticmethod
    def expand_dims(x: Any, axis: int) -> Any:
        return torch.unsqueeze(x, axis)


OPS = _Ops()


def tensor_of(array: Any) -> Any:
    """Return a tensor with the numbers of an array, in memory of its own."""
    return torch.from_numpy(np.array(array, order="C"))


def array_of(tensor: Any) -> Any:
    """Return an array with the numbers of a tensor, in memory of its own."""
    return np.array(tensor.detach().cpu().numpy(), order="C")


def _activate(function: Function | None, training: bool) -> formulas.Activate:
    """The function of what goes in and of the slopes; in training random slopes are drawn, one an element."""
    if function is None:
        return lambda x, slope: x

    def activate(x: Any, slope: Any) -> Any:
        if slope is None and training and (limits := function.random_slopes) is not None:
            slope = torch.empty_like(x).uniform_(*limits)
        y = function(OPS, x, slope)
        if not (training and function.activation.has_surrogate):
            return y
        # Straight through: in training what has no slope of its own has that of a line between -1 and 1.
        line = torch.clamp(x, -1.0, 1.0)
        return y.detach() + (line - line.detach())

    return activate


class Formula(nn.Module):  # type: ignore[misc]
    """An activation by the formula that lamina has of it."""

    def __init__(self, activation: Any) -> None:
        super().__init__()
        self.function = Function(activation)

    def forward(self, x: Any) -> Any:
        """Return f(x), element by element."""
        return _activate(self.function, self.training)(x, None)

    def extra_repr(self) -> str:
        """Return the activation, as lamina prints it."""
        return repr(self.function.activation)


class Layer(nn.Module):  # type: ignore[misc]
    """A layer of lamina, with its parameters under their names and in their shapes there: (fan_in, fan_out).

    What the layer computes is `lamina.layers.describe()`'s formula. The last axis is a row.
    """

    def __init__(self, layer: Any, arrays: Mapping[str, Any], trained: set[str], inputs: int) -> None:
        super().__init__()
        self.layer, self.inputs = layer, inputs
        for name, array in arrays.items():
            if name in trained:
                self.register_parameter(name, nn.Parameter(tensor_of(array)))
            else:
                self.register_buffer(name, tensor_of(array))
        own = getattr(layer, "activation", None)
        self.function = None if own is None else Function(own)

    def arrays(self) -> dict[str, Any]:
        """Return the parameters by name."""
        return {**dict(self.named_parameters()), **dict(self.named_buffers())}

    def forward(self, x: Any) -> Any:
        """Return the layer's outputs."""
        f = _activate(self.function, self.training)
        return formulas.LAYERS[type(self.layer).__name__](OPS, self.layer, self.arrays(), x, f)

    def extra_repr(self) -> str:
        """Return the layer, as lamina prints it."""
        return repr(self.layer)


class RecurrentLayer(Layer):
    """A recurrent layer: (rows, steps, features) to (rows, steps, outputs), or to the last step's (rows, outputs)."""

    def __init__(self, layer: Recurrent, arrays: Mapping[str, Any], trained: set[str], inputs: int) -> None:
        super().__init__(layer, arrays, trained, inputs)
        self.of_outputs = Function(layer.output_activation)

    def forward(self, x: Any, mask: Any = None) -> Any:
        """Return the outputs; `mask` (rows, steps) says which steps count, and what does not is 0."""
        layer, p = self.layer, self.arrays()
        f, g = (_activate(function, self.training) for function in (self.function, self.of_outputs))
        state, outputs = x.new_zeros(x.shape[0], formulas.first_state(layer)), []
        for t in range(x.shape[1]):
            cut = layer.truncate is not None and t % layer.truncate == 0
            after = formulas.recurrent_step(OPS, layer, p, x[:, t], state.detach() if cut else state, f, g)
            if mask is None:
                state = after
            else:
                counts = mask[:, t, None]
                state = torch.where(counts, after, state)
                after = torch.where(counts, after, torch.zeros_like(after))
            outputs.append(after)
        return torch.stack(outputs, dim=1) if layer.return_sequences else state


class Steps(nn.Sequential):  # type: ignore[misc]
    """Modules in a row for sequences, (rows, steps, features), of which `lengths` (rows,) says how many steps count."""

    def forward(self, x: Any, lengths: Any = None) -> Any:
        """Return the outputs of the last module; where every step has outputs, 0 beyond a sequence's length."""
        mask = None
        if lengths is not None:
            lengths = _checked(torch.as_tensor(lengths, device=x.device), x)
            mask = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
            x = torch.where(mask[..., None], x, torch.zeros_like(x))
        for module in self:
            x = module(x, mask) if isinstance(module, (RecurrentLayer, EachStep)) else module(x)
        if mask is not None and x.shape[:-1] == mask.shape:
            x = torch.where(mask[..., None], x, torch.zeros_like(x))
        return x


def _checked(lengths: Any, x: Any) -> Any:
    """The lengths of sequences; ValueError or TypeError as lamina has it. Numbers that are only traced are not seen."""
    n, steps = x.shape[:2]
    if lengths.ndim != 1 or lengths.shape[0] != n:
        raise ValueError(f"lengths must have one entry for each of the {n} samples; got shape {tuple(lengths.shape)}")
    if lengths.is_floating_point() or lengths.is_complex() or lengths.dtype == torch.bool:
        raise TypeError(f"lengths must hold whole numbers; got dtype {lengths.dtype}")
    is_compiling = getattr(torch.compiler, "is_compiling", bool)  # which PyTorch has since 2.2
    if torch.jit.is_tracing() or is_compiling():
        return lengths
    bad = (lengths < 1) | (lengths > steps)
    try:
        at = int(bad.to(torch.int8).argmax()) if bad.any() else None
    except RuntimeError:  # a tensor without numbers, of what else traces
        return lengths
    if at is not None:
        raise ValueError(f"lengths must lie in 1 .. {steps}, the steps of x; got {int(lengths[at])} for sample {at}")
    return lengths


class EachStep(nn.Module):  # type: ignore[misc]
    """A module for rows, applied to the steps of sequences as if each were a row."""

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Any, mask: Any = None) -> Any:
        """Return the outputs; steps that do not count, by `mask` (rows, steps), have no part in any mean."""
        if mask is None:
            return self.module(x.reshape(-1, x.shape[-1])).reshape(x.shape)
        return x.masked_scatter(mask[..., None], self.module(x[mask]))


class Noise(nn.Module):  # type: ignore[misc]
    """Normal noise in training, nothing otherwise."""

    def __init__(self, layer: GaussianNoise) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Any) -> Any:
        """Return x, in training with noise."""
        return x + self.layer.deviation * torch.randn_like(x) if self.training else x

    def extra_repr(self) -> str:
        """Return the standard deviation."""
        return f"deviation={self.layer.deviation}"


class _Scales(nn.Module):  # type: ignore[misc]
    """Numbers by column that are not trained."""

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        super().__init__()
        for name, array in arrays.items():
            self.register_buffer(name, tensor_of(array))


class Normalization(_Scales):
    """Brings inputs to size: (x - mean) scale, and with limits u / sqrt(1 + (u / limit)^2)."""

    def forward(self, x: Any) -> Any:
        """Return the inputs as the first layer takes them."""
        return formulas.normalized(OPS, x, self.mean, self.scale, dict(self.named_buffers()).get("limit"))


class TargetScale(_Scales):
    """Brings predictions to the targets' own units: mean + deviation y, within [low, high]."""

    def forward(self, x: Any) -> Any:
        """Return the predictions."""
        return formulas.predicted_target(OPS, x, dict(self.named_buffers()))


class Members(nn.Module):  # type: ignore[misc]
    """The end of an ensemble: (rows, members, outputs) in training, else what predicts the mean of their predictions.

    In training each member has a loss of its own, of which the mean is what to minimise.
    """

    def __init__(self, members: int, link: str) -> None:
        super().__init__()
        self.members, self.link = members, link

    def forward(self, x: Any) -> Any:
        """Return the members' outputs, in training, or the outputs of all together."""
        y = x.reshape(*x.shape[:-1], self.members, -1)
        return y if self.training else formulas.average_of_members(OPS, self.link, y)

    def extra_repr(self) -> str:
        """Return how many there are, and what makes predictions of outputs."""
        return f"members={self.members}, link={self.link!r}"


class Exponential(nn.Module):  # type: ignore[misc]
    """exp(x): rates of a Poisson loss."""

    def forward(self, x: Any) -> Any:
        """Return exp(x)."""
        return torch.exp(x)
