"""The network behind an estimator: its layers, its first weights, and its weights as scikit-learn shows them."""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import numpy as np

from lamina import activations, losses
from lamina.data.arrays import to_array
from lamina.estimators.parameters import activation_per_layer, dropout_per_layer, hidden_sizes
from lamina.layers import BatchNorm, Dense, Dropout
from lamina.network import Network

__all__ = [
    "LiveArrays",
    "architecture",
    "build_layers",
    "build_network",
    "draw_weights",
    "snapshot",
    "weights_and_biases",
]

SKLEARN_ACTIVATIONS = ("identity", "logistic", "tanh", "relu")


class LiveArrays(list[Any]):
    """A list of views of a network's parameters; assigning to an item writes into the network."""

    def __init__(self, views: Iterable[Any] = (), name: str = "arrays") -> None:
        super().__init__(views)
        self.name = name

    def __setitem__(self, index: Any, value: Any) -> None:
        """Copy `value` (an array, or for a slice a sequence of arrays) into the parameters.

        A number is taken for every entry of an array. After a ValueError nothing has changed.
        """
        places = range(len(self))[index]
        several = isinstance(places, range)
        if several and not np.iterable(value):
            raise TypeError(f"{self.name} must be arrays, one for each layer; got {value!r}")
        given = list(value) if several else [value]
        wanted = list(places) if several else [places]
        if len(given) != len(wanted):
            raise ValueError(f"{self.name} must be {len(wanted)} arrays, one for each layer; got {len(given)}")
        # Copies, before any is written: what is given may be views of what is written to.
        copies = [self._copy(place, new) for place, new in zip(wanted, given, strict=True)]
        for place, new in zip(wanted, copies, strict=True):
            self[place][...] = new

    def _copy(self, place: int, value: Any) -> Any:
        view, name = self[place], f"{self.name}[{place}]"
        array = np.array(to_array(value, name), view.dtype)
        if array.ndim and array.shape != view.shape:
            raise ValueError(f"{name} must have the shape of that layer's, {view.shape}; got {array.shape}")
        return array


def snapshot(network: Network) -> Callable[[], None]:
    """Return a function that brings `network` back to what it is now, in place: views of its weights stay views."""
    parameters = {name: view.copy() for name, view in network.parameters.items()}
    memory, scales, history = network.core.memory, network.scales, network.history
    data_start_due = network.core.data_start_due

    def bring_back() -> None:
        for name, view in network.parameters.items():
            view[...] = parameters[name]
        network.core.memory, network.history = memory, history
        network.core.data_start_due = data_start_due
        network.set_scales(scales)

    return bring_back


def architecture(estimator: Any, loss: Any) -> dict[str, Any]:
    """Return, by parameter, what of the network cannot change once it is built."""
    sizes = hidden_sizes(estimator)
    return {
        "hidden_layer_sizes": sizes,
        "activation": activation_per_layer(estimator, len(sizes)),
        "dropout": dropout_per_layer(estimator, len(sizes)),
        "batch_norm": bool(estimator.batch_norm),
        "loss": losses.get(loss),
        "standardize": bool(estimator.standardize),
    }


def build_layers(estimator: Any) -> list[Any]:
    """Return the layers of the network: dense, then batch norm, then dropout, for each hidden layer; then the output.

    The output layer is linear; the loss knows its softmax, logistic or exponential.
    """
    sizes = hidden_sizes(estimator)
    functions, dropout = activation_per_layer(estimator, len(sizes)), dropout_per_layer(estimator, len(sizes))
    layers: list[Any] = []
    for units, activation, probability in zip(sizes, functions, dropout, strict=True):
        layers.append(Dense(units, activation=activation))
        if estimator.batch_norm:
            layers.append(BatchNorm())
        if probability > 0:
            layers.append(Dropout(probability))
    return [*layers, Dense(estimator.n_outputs_)]


def weights_and_biases(network: Any) -> tuple[LiveArrays, LiveArrays]:
    """Return views of the weights (fan_in, fan_out) and of the biases (fan_out,) of the dense layers, in order."""
    dense = [name.removesuffix(".weight") for name in network.parameters if name.endswith(".weight")]
    weights, biases = ([network.parameters[f"{layer}.{name}"] for layer in dense] for name in ("weight", "bias"))
    return LiveArrays(weights, "coefs_"), LiveArrays(biases, "intercepts_")


def draw_weights(estimator: Any, random_state: np.random.RandomState) -> list[tuple[Any, Any]] | None:
    """Draw weights and biases as scikit-learn does, the same numbers for the same `random_state`.

    Glorot and Bengio (2010): uniform within sqrt(6 / (fan_in + fan_out)), with 2 in place of 6 for the logistic.
    None where the activation is not one of scikit-learn's four: lamina's own choice for that activation then holds.
    """
    if isinstance(estimator.activation, (list, tuple)):
        return None
    name = activations.get(estimator.activation).name  # whatever case or alias it is called by
    if name not in SKLEARN_ACTIVATIONS:
        return None
    factor = 2.0 if name == "logistic" else 6.0
    drawn = []
    for fan_in, fan_out in pairwise([estimator.n_features_in_, *hidden_sizes(estimator), estimator.n_outputs_]):
        bound = np.sqrt(factor / (fan_in + fan_out))
        weight = random_state.uniform(-bound, bound, (fan_in, fan_out))
        drawn.append((weight, random_state.uniform(-bound, bound, fan_out)))
    return drawn


def build_network(estimator: Any, loss: Any, dtype: Any, seed: int, weights: list[tuple[Any, Any]] | None) -> Network:
    """Return a `Network` for the estimator's parameters, with the given first weights or lamina's own."""
    network = Network(
        build_layers(estimator),
        n_inputs=estimator.n_features_in_,
        loss=loss,
        dtype=np.dtype(dtype).name,
        seed=seed,
        normalize_inputs=bool(estimator.standardize),
    )
    if weights is not None:
        for views, drawn in zip(weights_and_biases(network), zip(*weights, strict=True), strict=True):
            views[:] = drawn
    return network
