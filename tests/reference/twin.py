"""The reference network with the parameters, and the random draws, of a `lamina.Network`."""

from functools import partial

import numpy as np

from reference import network


def twin(net, loss, rows=None, step=0, **loss_params) -> network.Network:
    """Copy net's parameters into a reference network, and the draws for `rows` rows (None: of no random layer)."""
    own = {name: np.array(value, dtype=np.float64) for name, value in net.parameters.items()}
    layers = []
    for i, (layer, units) in enumerate(zip(net.layers, net.core.layer_outputs, strict=True)):
        named = {name.partition(".")[2]: value for name, value in own.items() if name.startswith(f"{i}.")}
        kind = getattr(network, type(layer).__name__)
        layers.append(kind.twin(layer, named, units, partial(_draw, net.seed, i, rows, units, step)))
    return network.Network(layers, loss, loss_params)


def _draw(seed, layer, rows, units, step, draw, *args):
    return None if rows is None else draw(seed, layer, rows, units, *args, step=step)
