"""What `diagnose` measures in a network: slopes of its units, gradients, and the size of its steps."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from lamina.data.arguments import whole_number
from lamina.data.arrays import Array
from lamina.data.records import Samples
from lamina.network.network import Network
from lamina.optimizers import SGD, is_solver, rule_of
from lamina.training.callbacks import DivergenceWarning, Epoch
from lamina.training.scoring import loss_of_predictions

__all__ = [
    "COURSE_OPTIONS",
    "SAMPLE_OPTIONS",
    "STEP_OPTIONS",
    "as_a_fit_begins",
    "gradient_sizes",
    "idle_units",
    "prediction_of_the_mean",
    "update_ratios",
]

# A unit is saturated where its slope is under a twentieth of the steepest in nine rows of ten.
_FLAT, _MOST = 0.05, 0.9
_STEPS = 8
#: What a step of a fit is made by, of the options of `Network.fit`.
STEP_OPTIONS = frozenset(
    {"optimizer", "batch_size", "rates", "decays", "l1", "l2", "penalty_per_batch", "clip", "n_threads"}
)
#: What is said of the samples: it is in those that the probes get.
SAMPLE_OPTIONS = frozenset({"validation", "sample_weight", "validation_sample_weight", "class_weight", "lengths"})
#: What goes on around the steps, or lies in the course of a whole fit, as a factor that rises from 0 does.
COURSE_OPTIONS = frozenset(
    {
        *("epochs", "schedule", "decay_schedule", "dropout_schedule", "average", "shuffle", "max_time"),
        *("early_stopping", "scoring", "metrics", "callbacks", "verbose", "resume", "resume_from"),
    }
)
# The weights themselves, and nothing that is watched, shown or written.
_BARE: dict[str, Any] = {"validation": None, "early_stopping": None}
# A rate that moves nothing, and rows that need little memory: a fit of it has all that comes before the first step.
_STILL: dict[str, Any] = {"optimizer": SGD(1e-30), "epochs": 1, "batch_size": 1024, "resume": True, **_BARE}


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


def as_a_fit_begins(net: Network, given: Samples, rates: Any) -> Network:
    """Return a copy with what a fit takes from its samples before the first step, where the network has it not yet.

    What `rates` freeze does not start from data.
    """
    own = net.copy()
    scaled = not net.normalize_targets or "target.mean" in net.scales
    if scaled and not net.core.data_start_due:
        if net.normalize_inputs and net.input_normalization is None:
            own.core.fit_normalization(given, own.normalizing)
        return own
    begun = net.copy()
    begun.core.begin_memory(_STILL["optimizer"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)
        begun.fit(given.x, given.targets, sample_weight=given.weights, rates=rates, **_STILL)
    own.set_scales(begun.scales)
    if net.core.data_start_due:
        for name in own.core.trained_names:  # and not the running values, which the fit has moved
            own.parameters[name][...] = begun.parameters[name]
        own.core.data_start_due = False
    return own


def gradient_sizes(net: Network, given: Samples) -> dict[int, float]:
    """Return the root mean square of the gradient of each layer's weights, by its position."""
    _, gradients = net.loss_and_gradients(given.x, given.targets, given.weights, training=len(given) > 1)
    return {i: _rms(*parts) for i, parts in _weights(gradients).items()}


def update_ratios(net: Network, given: Samples, options: dict[str, Any]) -> dict[int, float]:
    """Return the median over a few steps of (size of a step) / (size of the weights) for each layer.

    Of the options those count that a step is made by. A solver's step looks at all the samples. What the options
    freeze has no steps.
    """
    left = SAMPLE_OPTIONS | COURSE_OPTIONS
    options = {name: value for name, value in options.items() if name not in left}  # what is unknown fit refuses
    rule = rule_of(options.get("optimizer"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)
        ratios = list((_steps_of_a_solver if is_solver(rule) else _steps_by_batch)(net.copy(), given, options))
    found = {i: float(np.median([one[i] for one in ratios])) for i in ratios[0]} if ratios else {}
    frozen = 0 in (options.get("rates") or {}).values()
    return {i: size for i, size in found.items() if not (frozen and size == 0)}


def _steps_by_batch(own: Network, given: Samples, options: dict[str, Any]) -> Iterator[dict[int, float]]:
    """Yield what the step of each batch changes, all from the same weights: a large one may leave where none moves."""
    size = min(whole_number(options.get("batch_size", 32), "batch_size", 1), len(given))
    own.core.begin_memory(rule_of(options.get("optimizer")))
    start = {name: view.copy() for name, view in own.parameters.items()}
    old = _weights(start)
    for first in range(0, min(_STEPS * size, len(given) - size + 1), size):
        batch = given.take(slice(first, first + size))
        own.fit(batch.x, batch.targets, sample_weight=batch.weights, epochs=1, resume=True, **options, **_BARE)
        if own.history is not None and own.history.diverged:
            yield dict.fromkeys(old, np.inf)
            return
        yield {i: _ratio(old[i], weights) for i, weights in _weights(own.parameters).items()}
        for name, view in own.parameters.items():
            view[...] = start[name]


def _steps_of_a_solver(own: Network, given: Samples, options: dict[str, Any]) -> Iterator[dict[int, float]]:
    """Yield what each epoch of one fit changes: a solver keeps nothing from one fit to the next."""
    kept = []

    def keep(_: Epoch | None = None) -> None:
        kept.append(_weights({name: view.copy() for name, view in own.parameters.items()}))

    keep()
    own.fit(given.x, given.targets, sample_weight=given.weights, epochs=_STEPS, callbacks=[keep], **options, **_BARE)
    for old, new in pairwise(kept):
        yield {i: _ratio(old[i], new[i]) for i in old}


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


def prediction_of_the_mean(net: Network, given: Samples) -> float:
    """Return the loss of always predicting the mean target: what a network has to be better than."""
    t, weights = given.targets, given.weights
    if t.ndim == 1:
        values = np.eye(net.n_outputs)[t]
    else:
        values = t.astype(np.float64)
        if "target.mean" in net.scales:  # of such targets a network's loss is that of the scaled ones
            values = (values - net.scales["target.mean"]) / net.scales["target.deviation"]
            t = values
    mean = np.average(values, axis=0, weights=weights)
    return loss_of_predictions(net.loss, np.tile(mean, (len(t), 1)), t, weights)
