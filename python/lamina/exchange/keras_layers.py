"""Layers for what Keras has no layer for, and the functions they need; imported where Keras is there.

Importing this module registers them, so that `keras.saving.load_model` knows them.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from lamina import activations
from lamina.exchange import formulas
from lamina.exchange.expressions import Function
from lamina.storage.parts import described_layer, layer_from

__all__ = ["Formula", "LaminaLayer", "Members", "Noise", "Normalization", "RecurrentCell", "TargetScale", "array_of"]


class _Ops:
    """Keras's functions."""

    def __getattr__(self, name: str) -> Any:
        return getattr(keras.ops, name)

    @staticmethod
    def like(x: Any, array: Any) -> Any:
        """Return a tensor of the type of another, with the numbers of an array."""
        return keras.ops.convert_to_tensor(array, dtype=x.dtype)


OPS = _Ops()
_registered = keras.saving.register_keras_serializable(package="lamina")


def _activate(function: Function | None, training: bool) -> formulas.Activate:
    """The function of what goes in and of the slopes; in training random slopes are drawn, one an element."""
    if function is None:
        return lambda x, slope: x

    def activate(x: Any, slope: Any) -> Any:
        if slope is None and training and (limits := function.random_slopes) is not None:
            slope = keras.random.uniform(OPS.shape(x), *limits, dtype=keras.backend.standardize_dtype(x.dtype))
        y = function(OPS, x, slope)
        if not (training and function.activation.has_surrogate):
            return y
        # Straight through: in training what has no slope of its own has that of a line between -1 and 1.
        line = OPS.clip(x, -1.0, 1.0)
        return OPS.stop_gradient(y) + (line - OPS.stop_gradient(line))

    return activate


class _Layer(keras.layers.Layer):  # type: ignore[misc]
    """What they share: masks go through, and the shape stays but for the last axis."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.supports_masking = True

    def units(self, inputs: int) -> int:
        """Return how many outputs there are."""
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the outputs."""
        return (*input_shape[:-1], self.units(input_shape[-1]))


@_registered
class Formula(_Layer):
    """An activation by the formula that lamina has of it."""

    def __init__(self, activation: Any, **options: Any) -> None:
        super().__init__(**options)
        self.function = Function(activations.get(**activation) if isinstance(activation, dict) else activation)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return f(x), element by element."""
        return OPS.cast(_activate(self.function, training)(inputs, None), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Return what makes the layer."""
        return {**super().get_config(), "activation": self.function.described}


@_registered
class Noise(_Layer):
    """Normal noise in training, nothing otherwise."""

    def __init__(self, stddev: float, **options: Any) -> None:
        super().__init__(**options)
        self.stddev = float(stddev)
        self.generator = keras.random.SeedGenerator()

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return x, in training with noise."""
        if not training:
            return inputs
        drawn = keras.random.normal(OPS.shape(inputs), 0.0, self.stddev, self.compute_dtype, self.generator)
        return inputs + drawn

    def get_config(self) -> dict[str, Any]:
        """Return what makes the layer."""
        return {**super().get_config(), "stddev": self.stddev}


class _WithParameters(_Layer):
    """A layer of lamina with its parameters under their names and in their shapes there.

    `shapes` has the shapes by name, `trained` the names of what is trained, `outputs` how many outputs there are.
    """

    def __init__(self, layer: Any, shapes: Any, trained: Any, outputs: int, **options: Any) -> None:
        super().__init__(**options)
        self.layer = layer_from(layer) if isinstance(layer, dict) else layer
        self.shapes, self.trained = {name: tuple(shape) for name, shape in shapes.items()}, sorted(trained)
        self.outputs = int(outputs)
        own = getattr(self.layer, "activation", None)
        self.function = None if own is None else Function(own)
        self.own: dict[str, Any] = {}

    def build(self, input_shape: Any) -> None:
        """Make the parameters, zero until they are set."""
        for name, shape in self.shapes.items():
            self.own[name] = self.add_weight(
                shape=shape, initializer="zeros", trainable=name in self.trained, name=name
            )
        self.built = True

    def units(self, inputs: int) -> int:
        """Return how many outputs there are."""
        return self.outputs

    def get_config(self) -> dict[str, Any]:
        """Return what makes the layer."""
        own = {"layer": described_layer(self.layer), "shapes": {name: list(s) for name, s in self.shapes.items()}}
        return {**super().get_config(), **own, "trained": self.trained, "outputs": self.outputs}


@_registered
class LaminaLayer(_WithParameters):
    """A layer of lamina; what it computes is `lamina.layers.describe()`'s formula."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return the layer's outputs."""
        f = _activate(self.function, training)
        p = {name: OPS.convert_to_tensor(weight) for name, weight in self.own.items()}
        y = formulas.LAYERS[type(self.layer).__name__](OPS, self.layer, p, inputs, f)
        return OPS.cast(y, self.compute_dtype)


@_registered
class RecurrentCell(_WithParameters):
    """A step of a recurrent layer, for `keras.layers.RNN`. With `truncate` it counts the steps beside its state."""

    def __init__(self, layer: Any, shapes: Any, trained: Any, outputs: int, **options: Any) -> None:
        super().__init__(layer, shapes, trained, outputs, **options)
        self.of_outputs = Function(self.layer.output_activation)
        self.output_size = formulas.first_state(self.layer)
        self.state_size = [self.output_size, 1] if self.layer.truncate else [self.output_size]

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """Return the outputs of a step, and the states for the next one."""
        f, g = (_activate(function, training) for function in (self.function, self.of_outputs))
        p = {name: OPS.convert_to_tensor(weight) for name, weight in self.own.items()}
        before = states[0]
        if self.layer.truncate:
            step = states[1]
            before = OPS.where(step % self.layer.truncate == 0, OPS.stop_gradient(before), before)
            states = [states[0], step + 1]
        output = OPS.cast(formulas.recurrent_step(OPS, self.layer, p, inputs, before, f, g), self.compute_dtype)
        return output, [output, *states[1:]]


class _Scales(_Layer):
    """Numbers by column that are not trained."""

    def __init__(self, names: Any, **options: Any) -> None:
        super().__init__(**options)
        self.names = list(names)
        self.own: dict[str, Any] = {}

    def build(self, input_shape: Any) -> None:
        """Make the numbers, one until they are set."""
        for name in self.names:
            self.own[name] = self.add_weight(shape=(input_shape[-1],), initializer="ones", trainable=False, name=name)
        self.built = True

    def get_config(self) -> dict[str, Any]:
        """Return what makes the layer."""
        return {**super().get_config(), "names": self.names}

    def _tensors(self) -> dict[str, Any]:
        return {name: OPS.convert_to_tensor(weight) for name, weight in self.own.items()}


@_registered
class Normalization(_Scales):
    """Brings inputs to size: (x - mean) scale, and with limits u / sqrt(1 + (u / limit)^2)."""

    def call(self, inputs: Any) -> Any:
        """Return the inputs as the first layer takes them."""
        p = self._tensors()
        u = formulas.normalized(OPS, inputs, p["mean"], p["scale"], p.get("limit"))
        return OPS.cast(u, self.compute_dtype)


@_registered
class TargetScale(_Scales):
    """Brings predictions to the targets' own units: mean + deviation y, within [low, high]."""

    def call(self, inputs: Any) -> Any:
        """Return the predictions."""
        return OPS.cast(formulas.predicted_target(OPS, inputs, self._tensors()), self.compute_dtype)


@_registered
class Members(_Layer):
    """The end of an ensemble: what predicts the mean of the members' predictions."""

    def __init__(self, members: int, link: str, **options: Any) -> None:
        super().__init__(**options)
        self.members, self.link = members, link

    def units(self, inputs: int) -> int:
        """Return how many outputs there are."""
        return inputs // self.members

    def call(self, inputs: Any) -> Any:
        """Return the outputs of all together."""
        front = tuple(inputs.shape[1:-1])
        y = OPS.reshape(inputs, (-1, *front, self.members, inputs.shape[-1] // self.members))
        return OPS.cast(formulas.average_of_members(OPS, self.link, y), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Return what makes the layer."""
        return {**super().get_config(), "members": self.members, "link": self.link}


def array_of(weight: Any) -> Any:
    """Return an array with the numbers of a weight, in memory of its own."""
    return np.array(keras.ops.convert_to_numpy(weight), order="C")
