"""The reference network with the parameters of a `lamina.Network`."""

import re

import numpy as np

from reference.network import BatchNorm, Dense, Dropout, Network


def twin(net, layers, loss, **loss_params) -> Network:
    """Copy net's parameters into the layers of a reference network.

    `layers` describes them in order: (activation, params) or an activation's name for Dense, "batch_norm", "dropout".
    """
    own = {name: np.array(value, dtype=np.float64) for name, value in net.parameters.items()}
    return Network([_layer(description, _of(own, i)) for i, description in enumerate(layers)], loss, loss_params)


def _of(parameters, position):
    return {
        match[1]: value for name, value in parameters.items() if (match := re.fullmatch(rf"{position}\.(.+)", name))
    }


def _layer(description, parameters):
    if description == "batch_norm":
        return BatchNorm(parameters["gamma"], parameters["beta"])
    if description == "dropout":
        return Dropout(0.0)
    activation, params = (description, {}) if isinstance(description, str) else description
    weight, bias = parameters.pop("weight"), parameters.pop("bias", None)
    # Whatever else a dense layer learns is prelu's slope, one per unit.
    slope = next(iter(parameters.values()), None)
    return Dense(weight, bias, activation, params, slope)
