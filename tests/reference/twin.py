"""The reference network with the parameters, and the random draws, of a `lamina.Network`."""

import re
from functools import partial

import numpy as np

import lamina
from reference import random
from reference.network import BatchNorm, Dense, Dropout, Network


def twin(net, loss, rows=None, step=0, **loss_params) -> Network:
    """Copy net's parameters into a reference network, and the draws for `rows` rows (None: of no random layer)."""
    own = {name: np.array(value, dtype=np.float64) for name, value in net.parameters.items()}
    units, layers = net.n_inputs, []
    for i, layer in enumerate(net.layers):
        named = {m[1]: value for name, value in own.items() if (m := re.fullmatch(rf"{i}\.(.+)", name))}
        units = named["weight"].shape[1] if "weight" in named else units
        layers.append(_layer(layer, named, partial(_draw, net.seed, i, rows, units, step)))
    return Network(layers, loss, loss_params)


def _draw(seed, layer, rows, units, step, draw, *args):
    return None if rows is None else draw(seed, layer, rows, units, *args, step=step)


def _layer(layer, parameters, drawn):
    if isinstance(layer, lamina.BatchNorm):
        return BatchNorm(parameters["gamma"], parameters["beta"])
    if isinstance(layer, lamina.Dropout):
        return Dropout(layer.rate, drawn(random.dropout_mask, layer.rate))
    f, weight, bias = layer.activation, parameters.pop("weight"), parameters.pop("bias", None)
    if f.name == "rrelu":
        slopes = drawn(random.slopes, f.params["lower"], f.params["upper"])
        return Dense(weight, bias, f.name, f.params, drawn=slopes)
    if f.name == "prelu":
        # Whatever else a dense layer learns is prelu's slope, one per unit.
        return Dense(weight, bias, f.name, slope=next(iter(parameters.values())))
    return Dense(weight, bias, f.name, f.params)
