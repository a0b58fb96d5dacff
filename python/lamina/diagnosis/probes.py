"""What `diagnose` measures in a network: slopes of its units, gradients, and the size of its steps."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lamina.data.arrays import Array
from lamina.network.network import Network
from lamina.optimizers import is_solver, rule_of
from lamina.training.callbacks import DivergenceWarning
from lamina.training.scoring import loss_of_predictions

__all__ = ["gradient_sizes", "idle_units", "prediction_of_the_mean", "update_ratios"]

# A unit is saturated where its slope is under a twentieth of the steepest in nine rows of ten.
_FLAT, _MOST = 0.05, 0.9
_STEPS = 8
#: A fit of the weights themselves, one step further.
_ONE_STEP = {"epochs": 1, "validation": None, "early_stopping": None, "average": 0.0, "resume": True}


def idle_units(net: Network, x: Array) -> dict[int, tuple[float, float]]:
    """Return the shares of dead and of saturated units of each layer with an activation, by its position.

    A dead unit has slope 0 on every row, so that no gradient passes. Saturation is told of bounded activations alone.
    """
    out = {}
    for i, f, z in _inputs_of_activations(net, x):
        steepest = float(np.abs(f.derivative(np.linspace(-6, 6, 241)[:, None])).max())
        if f.name == "identity" or steepest == 0:  # steps train by a surrogate slope
            continue
        slopes = np.abs(f.derivative(z))
        dead = slopes.max(axis=0) == 0
        ends = np.abs(f(np.array([[-1e4, -1e4], [1e4, 1e4]])))
        flat = (slopes < _FLAT * steepest).mean(axis=0) > _MOST
        saturated = flat & ~dead if ends.max() < 100 else np.zeros_like(dead)
        out[i] = (float(dead.mean()), float(saturated.mean()))
    return out


def _inputs_of_activations(net: Network, x: Array) -> Iterator[tuple[int, Any, Array]]:
    """Yield position, activation, and what goes into it, (rows, units)."""
    for i, layer in enumerate(net.layers):
        params = layer.params
        if "members" in params:
            return  # from here on outputs are averages of several networks', which tell nothing of their units
        if "activation" not in params or set(params) & {"kind", "truncate"}:
            continue
        below = list(net.layers[:i])
        if "units" in params:
            below.append(type(layer)(**{**params, "activation": "identity"}))
        if below:
            yield i, params["activation"], _with_weights(net, below).forward(x)


def _with_weights(net: Network, layers: list[Any]) -> Network:
    """A network of other layers with the weights that `net` has under the same names."""
    out = Network(layers, net.n_inputs, "squared_error", net.dtype.name, net.seed)
    for name, view in out.parameters.items():
        view[...] = net.parameters[name]
    out.set_scales({name: scale for name, scale in net.scales.items() if name.startswith("input.")})
    return out


def gradient_sizes(net: Network, x: Array, t: Array) -> dict[int, float]:
    """Return the root mean square of the gradient of each layer's weights, by its position."""
    _, gradients = net.loss_and_gradients(x, t, training=len(x) > 1)
    return {i: _rms(*parts) for i, parts in _weights(gradients).items()}


def update_ratios(net: Network, x: Array, t: Array, options: dict[str, Any]) -> dict[int, float]:
    """Return the median over a few steps of (size of a step) / (size of the weights) for each layer."""
    options = {"batch_size": 32, **options}
    size = min(int(options["batch_size"]), len(x))
    own, ratios = net.copy(), []
    if not is_solver(rule := rule_of(options.get("optimizer"))):
        own.core.begin_memory(rule)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)
        for first in range(0, min(_STEPS * size, len(x) - size + 1), size):
            before = {name: view.copy() for name, view in own.parameters.items()}
            rows = slice(first, first + size)
            own.fit(x[rows], t[rows], **{**options, **_ONE_STEP})
            old, new = _weights(before), _weights(own.parameters)
            ratios.append({i: _ratio(old[i], new[i]) for i in old})
            if own.history is not None and own.history.diverged:
                ratios[-1] = dict.fromkeys(old, np.inf)
                break
    return {i: float(np.median([one[i] for one in ratios])) for i in ratios[0]}


def _ratio(old: list[Array], new: list[Array]) -> float:
    return _rms(*(b.astype(np.float64) - a for a, b in zip(old, new, strict=True))) / max(_rms(*old), 1e-30)


def _weights(named: Mapping[str, Array]) -> dict[int, list[Array]]:
    """The weight matrices of each layer, by its position."""
    out: dict[int, list[Array]] = {}
    for name, array in named.items():
        if array.ndim == 2:
            out.setdefault(int(name.split(".")[0]), []).append(array)
    return out


def _rms(*arrays: Array) -> float:
    total = sum(float(np.square(a, dtype=np.float64).sum()) for a in arrays)
    return float(np.sqrt(total / max(sum(a.size for a in arrays), 1)))


def prediction_of_the_mean(loss: Any, t: Array, n_outputs: int) -> float:
    """Return the loss of always predicting the mean target: what a network has to be better than."""
    values = np.eye(n_outputs)[t] if t.ndim == 1 else t.astype(np.float64)
    return loss_of_predictions(loss, np.tile(values.mean(axis=0), (len(t), 1)), t)
