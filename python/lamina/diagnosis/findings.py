"""What may be wrong with a network or its data, in figures and words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.data.arrays import Array
from lamina.data.class_weights import weighted_by_class
from lamina.data.held_out import set_aside
from lamina.data.records import Samples
from lamina.data.samples import counted_samples
from lamina.data.targets import classes_of
from lamina.diagnosis.probes import (
    as_a_fit_begins,
    gradient_sizes,
    idle_units,
    prediction_of_the_mean,
    update_ratios,
)
from lamina.network.network import Network
from lamina.network.summary import short
from lamina.optimizers import is_solver, rule_of
from lamina.text import aligned

__all__ = ["Diagnosis", "Finding", "LayerReport", "diagnose"]

# Rows that the layers are looked at with: more of them change no verdict.
_ROWS = 2000
_DEAD, _SATURATED = "dead units", "saturated units"
_TOO_SMALL, _TOO_LARGE = "steps too small", "steps too large"


@dataclass(frozen=True)
class Finding:
    """Something that may be wrong.

    Attributes
    ----------
    name : str
        Such as "dead units".
    where : str
        The layer, "X", "y" or "the fit".
    figure : str
        What was measured.
    remedy : str
        What to try.
    """

    name: str
    where: str
    figure: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.name} ({self.where}): {self.figure}\n    {self.remedy}"


@dataclass(frozen=True)
class LayerReport:
    """What was measured of a layer; None where it has no such thing.

    Attributes
    ----------
    position : int
    layer : str
    dead, saturated : float or None
        Shares of its units: with slope 0 on every row; nearly flat on nine rows of ten (bounded activations alone).
    gradient : float or None
        Root mean square of the gradient of its weights.
    update : float or None
        Size of a step over the size of the weights; about 0.001 is usual.
    """

    position: int
    layer: str
    dead: float | None
    saturated: float | None
    gradient: float | None
    update: float | None


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """What `diagnose` found.

    Attributes
    ----------
    findings : list of Finding
        Empty where nothing looks wrong.
    layers : list of LayerReport
    loss : float
        On the samples given.
    mean_loss : float
        The loss of always predicting the mean target.
    validation_loss : float or None
    """

    findings: list[Finding]
    layers: list[LayerReport]
    loss: float
    mean_loss: float
    validation_loss: float | None

    def table(self) -> str:
        """Return a line for each layer: dead and saturated units, gradient, update over weight."""
        lines = [["", "layer", "dead", "saturated", "gradient", "update/weight"]]
        for own in self.layers:
            shares = ["-" if share is None else f"{share:.0%}" for share in (own.dead, own.saturated)]
            sizes = ["-" if size is None else f"{size:.1e}" for size in (own.gradient, own.update)]
            lines.append([str(own.position), own.layer, *shares, *sizes])
        return "\n".join(aligned(lines, left={1}))

    def __str__(self) -> str:
        losses = f"loss {self.loss:.4g}; predicting the mean {self.mean_loss:.4g}"
        if self.validation_loss is not None:
            losses += f"; validation {self.validation_loss:.4g}"
        found = "\n".join(f"{n}. {finding}" for n, finding in enumerate(self.findings, 1))
        return f"{losses}\n{self.table()}\n{found or 'Nothing looks wrong.'}"

    __repr__ = __str__


def diagnose(net: Network, X: Any, y: Any, validation: Any = None, **fit_options: Any) -> Diagnosis:
    """Look for what keeps a network from learning or from generalising, before or after training.

    Parameters
    ----------
    net : Network
        It does not change.
    X, y : array-like
        The samples it trains on, as for `Network.fit`.
    validation : (X, y), fraction or `Split`, optional
        Samples it does not train on, or which of `X` these are, as for `Network.fit`; without them the validation loss
        is that of its last fit, if it has one.
    **fit_options
        What its training has of `Network.fit`'s options; any may be given. Steps are made by optimizer (at its own
        rate, whatever the schedule), batch_size, rates, decays, l1, l2, penalty_per_batch and clip; sample_weight,
        validation_sample_weight and class_weight count in all figures. Nothing is called, shown or written.

    Returns
    -------
    Diagnosis
        Printed, it shows a table of the layers and the findings, each with its figure and a remedy.
    """
    if not isinstance(net, Network) or net.spec.recurrent:
        raise TypeError(f"net must be a lamina.Network without recurrent layers; got {net!r}")
    solver = is_solver(rule_of(fit_options.get("optimizer")))
    weight, held_weight = (fit_options.get(name) for name in ("sample_weight", "validation_sample_weight"))
    given = counted_samples(net.spec, X, y, weight, fit_options.get("lengths"))
    parts = set_aside(net.spec, given, validation, held_weight, net.seed)
    parts = weighted_by_class(parts, fit_options.get("class_weight"), net.spec)
    given = parts.samples if parts.rows is None else parts.samples.take(parts.rows)
    own = as_a_fit_begins(net, given, fit_options.get("rates"))
    few = np.linspace(0, len(given) - 1, min(_ROWS, len(given))).astype(int)
    layers = _layers(own, given.take(few), fit_options)
    loss = own.evaluate(given.x, given.targets, given.weights)
    mean_loss = prediction_of_the_mean(own, given)
    held_loss = None
    if parts.held_out is not None:
        held = parts.held_out.taken()
        held_loss = own.evaluate(held.x, held.targets, held.weights)
    elif net.history is not None and net.history.validation_loss and net.history.best_epoch:
        held_loss = net.history.validation_loss[net.history.best_epoch - 1]
    of_layers = list(_about_layers(layers, solver))
    told = {finding.name for finding in of_layers}
    too_fast = _TOO_SMALL not in told and (bool(told & {_DEAD, _SATURATED, _TOO_LARGE}) or loss > 10 * mean_loss > 0)
    findings = [
        *_about_inputs(own, given.x),
        *_about_targets(net, given),
        *of_layers,
        *_about_the_fit(net, loss, mean_loss, held_loss, too_fast),
    ]
    return Diagnosis(findings, layers, loss, mean_loss, held_loss)


def _layers(net: Network, given: Samples, options: dict[str, Any]) -> list[LayerReport]:
    idle, gradients = idle_units(net, given.x), gradient_sizes(net, given)
    updates = update_ratios(net, given, options)
    return [
        LayerReport(
            i,
            short(layer),
            idle[i][0] if i in idle else None,
            idle[i][1] if i in idle else None,
            gradients.get(i),
            updates.get(i),
        )
        for i, layer in enumerate(net.layers)
    ]


def _about_inputs(net: Network, x: Array) -> Iterator[Finding]:
    mean, spread = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    constant = np.flatnonzero(spread <= 1e-7 * np.abs(mean))
    if len(constant):
        yield Finding(
            "constant inputs",
            "X",
            f"{len(constant)} of {x.shape[1]} columns have one value: {_some(constant)}",
            "They tell nothing; leave them out. If they should vary, look at how the data are read.",
        )
    if net.input_normalization is not None:
        return
    size = np.sqrt(mean**2 + spread**2)
    size = np.where(size > 0, size, np.median(size[size > 0]) if (size > 0).any() else 1.0)
    if size.max() > 10 or size.max() < 0.05 or (size.max() > 1 and size.max() > 100 * size.min()):
        yield Finding(
            "unscaled inputs",
            "X",
            f"typical sizes of the columns go from {size.min():.2g} (column {size.argmin()}) "
            f"to {size.max():.2g} (column {size.argmax()})",
            "Use normalize_inputs=True: zero mean and unit variance, kept with the model.",
        )


def _about_targets(net: Network, given: Samples) -> Iterator[Finding]:
    classes = classes_of(net.loss, given.targets)
    if classes is None:
        size = float(np.abs(given.targets).max())
        if net.loss.targets == "real" and not net.normalize_targets and (size > 100 or 0 < size < 0.01):
            yield Finding(
                "unscaled targets",
                "y",
                f"the largest is {size:.3g}",
                "Use normalize_targets=True: weights start for outputs about 1.",
            )
        return
    counts = np.bincount(classes.astype(int), given.weights, minlength=max(net.n_outputs, 2))
    absent = np.flatnonzero(counts == 0)
    if len(absent):
        yield Finding(
            "classes without a row",
            "y",
            f"{len(absent)} of {len(counts)}: {_some(absent)}",
            "The network never learns them; give it rows of each, or fewer outputs.",
        )
    present = np.where(counts > 0, counts, counts.max())
    if counts.max() > 5 * present.min():
        unit = "rows" if given.weights is None else "of weight"
        yield Finding(
            "class imbalance",
            "y",
            f"class {counts.argmax()} has {counts.max():.6g} {unit}, class {present.argmin()} has {present.min():.6g}",
            'Use fit(class_weight="balanced"), and look at each class: lamina.plots.confusion_matrix.',
        )


def _about_layers(layers: list[LayerReport], solver: bool) -> Iterator[Finding]:
    for own in layers:
        where = f"layer {own.position}, {own.layer}"
        if own.dead is not None and own.dead > 0.1:
            remedy = "Lower the learning rate, or use leaky_relu, elu or gelu, whose slope is not 0."
            yield Finding(_DEAD, where, f"{own.dead:.0%} of the units have slope 0 on every row", remedy)
        if own.saturated is not None and own.saturated > 0.25:
            yield Finding(
                _SATURATED,
                where,
                f"{own.saturated:.0%} of the units are nearly flat on nine rows of ten",
                "Normalise the inputs, put BatchNorm before the activation, add l2, or lower the learning rate.",
            )
        # A solver finds its own steps, and without a gradient there is none at any rate.
        if own.update is not None and own.gradient and not solver and not 1e-6 < own.update < 0.1:
            small = own.update <= 1e-6
            yield Finding(
                _TOO_SMALL if small else _TOO_LARGE,
                where,
                f"a step is {own.update:.1e} of the weights; about 1e-03 is usual",
                "Raise the learning rate." if small else "Lower the learning rate, or use clip=lamina.AGC(0.01).",
            )
    sizes = [(own.position, own.gradient) for own in layers if own.gradient is not None]
    if len(sizes) < 2 or sizes[-1][1] == 0:
        return
    ratio = sizes[0][1] / sizes[-1][1]
    figure = f"from layer {sizes[-1][0]} to layer {sizes[0][0]} the gradient changes by a factor of {ratio:.1e}"
    if ratio < 1e-2:
        remedy = "Use relu, elu or gelu in place of saturating units, BatchNorm, or fewer layers."
        yield Finding("vanishing gradients", "all layers", figure, remedy)
    elif not ratio < 1e2:
        remedy = "Start from smaller weights (the default initializer), use BatchNorm, or clip=lamina.AGC(0.01)."
        yield Finding("exploding gradients", "all layers", figure, remedy)


def _about_the_fit(
    net: Network, loss: float, mean_loss: float, held: float | None, too_fast: bool
) -> Iterator[Finding]:
    history = net.history
    if history is not None and history.diverged:
        yield Finding("divergence", "the fit", history.stop_reason, "Lower the learning rate, or clip the gradients.")
    gap = 0.0 if held is None else held - loss
    if held is not None and gap > 0.5 * max(loss, 0.0) and gap > 0.05 * mean_loss:
        yield Finding(
            "over-fitting",
            "the fit",
            f"validation loss {held:.4g}, training loss {loss:.4g}",
            "Stop early, add l2 or Dropout, use fewer units, or find more rows.",
        )
    elif history is None and not loss < 0.95 * mean_loss:
        figure = f"loss {loss:.4g}; always predicting the mean has {mean_loss:.4g}"
        yield Finding("not trained", "the fit", figure, "Train it, then look again: what is above holds for its start.")
    elif not loss < 0.75 * mean_loss and not (history is not None and history.diverged):  # which says it
        advice = "Lower the learning rate, train longer" if too_fast else "Train longer, raise the learning rate"
        yield Finding(
            "under-fitting",
            "the fit",
            f"loss {loss:.4g}; always predicting the mean has {mean_loss:.4g}",
            f"{advice}, or use more units; if none helps, the inputs may not tell y.",
        )
    if history is None or history.diverged or "best epoch" in history.stop_reason:  # that of a refit was chosen
        return
    watched = history.validation_loss or history.loss
    tenth = max(1, len(watched) // 10)
    if len(watched) >= 5 and min(watched[-tenth:]) < 0.97 * min(watched[:-tenth]):
        yield Finding(
            "stopped too soon",
            "the fit",
            f"in the last {tenth} of {len(watched)} epochs the loss still fell from {min(watched[:-tenth]):.4g} "
            f"to {min(watched[-tenth:]):.4g}",
            "Give it more epochs and leave the end to early stopping.",
        )


def _some(numbers: Array) -> str:
    shown = ", ".join(str(int(n)) for n in numbers[:8])
    return shown + (", ..." if len(numbers) > 8 else "")
