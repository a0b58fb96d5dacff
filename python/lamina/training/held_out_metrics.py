"""Metrics of what a fit holds out, by name, after every epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from lamina import metrics
from lamina.data.arguments import thread_count
from lamina.data.records import Samples, SampleSpec
from lamina.training.callbacks import CURVES
from lamina.training.model import Model
from lamina.training.scoring import Score, score_of

__all__ = ["HeldOutMetrics", "named_metrics"]

#: Libraries whose metrics these are.
_OF_TARGETS_AND_PREDICTIONS = ("keras", "torchmetrics")


def named_metrics(given: Any) -> dict[str, Any]:
    """Return what `fit(metrics=...)` asks for by name: the name of a metric, or a callable of (network, X, y)."""
    if given is None or (isinstance(given, (tuple, list, dict)) and not given):  # a fit may be over in microseconds
        return {}
    if isinstance(given, str) or callable(given):
        given = [given]
    if not isinstance(given, Iterable):
        raise TypeError(f"metrics must be a list of names and callables of (network, X, y); got {given!r}")
    pairs = list(given.items()) if isinstance(given, Mapping) else [(_name_of(one), one) for one in given]
    pairs = [(name, one.name if isinstance(one, metrics.Metric) else one) for name, one in pairs]
    known = {name: entry["name"] for entry in metrics.describe() for name in (entry["name"], *entry["aliases"])}
    found: dict[str, Any] = {}
    for name, one in pairs:
        _check_takes_a_network(one)
        if not callable(one) and one not in known:
            raise ValueError(f"metrics must be of {', '.join(map(repr, metrics.names()))}, or callables; got {one!r}")
        if not isinstance(name, str) or not name or name in ("epoch", "seconds", *CURVES):
            raise ValueError(f"metrics must have names of their own, which epochs do not use already; got {name!r}")
        if name in found:
            raise ValueError(f"metrics must have a name each; got {name!r} twice: a dict of names and callables tells "
                             "them apart")  # fmt: skip
        found[str(name)] = one if callable(one) else known[one]
    return found


def _check_takes_a_network(one: Any) -> None:
    """Raise TypeError for a metric of another library, which takes targets and predictions."""
    own = one if hasattr(one, "__name__") else type(one)
    library = str(getattr(own, "__module__", "")).partition(".")[0]
    if library in _OF_TARGETS_AND_PREDICTIONS:
        name = type(one).__name__ if own is not one else one.__name__
        raise TypeError(
            f"metrics must be of {', '.join(map(repr, metrics.names()))}, or callables of (network, X, y); got {name} "
            f"of {library}, which takes targets and predictions: write {{{name!r}: lambda net, X, y: ...}} with "
            "net.predict(X) in it"
        )


def _name_of(one: Any) -> Any:
    if isinstance(one, str):
        return one
    if isinstance(one, metrics.Metric):
        return one.name
    _check_takes_a_network(one)
    if not callable(one):
        raise TypeError(f"metrics must be names or callables of (network, X, y); got {one!r}")
    name = getattr(one, "__name__", None)
    if name is None:
        raise ValueError(f"metrics: {one!r} has no name; give a dict, such as {{'cost': ...}}")
    return name


class HeldOutMetrics:
    """Metrics of the samples held out, each computed once an epoch.

    A metric that the core watches costs nothing more; each other one is a prediction of the samples held out.

    Parameters
    ----------
    wanted : dict
        As `named_metrics` returns it.
    network : Model
        ValueError where its loss or the samples have no value of a metric.
    held : Samples
    spec : SampleSpec
    watched : str or None
        The metric that the core computes anyway.
    n_threads : int, optional
    """

    def __init__(
        self,
        wanted: Mapping[str, Any],
        network: Model,
        held: Samples,
        spec: SampleSpec,
        watched: str | None,
        n_threads: int | None,
    ) -> None:
        if spec.each_step:
            raise ValueError("metrics need one target a sequence; the last Recurrent has return_sequences=True")
        held = held.counted()
        self._network, self._held = network, held
        self._watched = {name for name, one in wanted.items() if one == watched}
        self._scores: dict[str, Score] = {}
        for name, one in wanted.items():
            if callable(one):
                self._scores[name] = score_of(one, spec.loss, f"metrics: {name!r}")
                continue
            self._scores[name] = _of_the_core(one, n_threads)
            # What is refused is refused before training; of rows of one class there is no area under a curve.
            if math.isnan(self._scores[name](network, held)) and np.isfinite(self._predicted()).all():
                raise ValueError(f"metrics: {name!r} has no value on the {len(held)} samples held out")
        self._by_epoch: dict[int, dict[str, float]] = {}

    def _predicted(self) -> Any:
        return self._network.predict(self._held.x, lengths=self._held.lengths)

    def of(self, report: Any) -> dict[str, float]:
        """Return the metrics after the core's epoch, computed once however often they are asked for."""
        if report.epoch not in self._by_epoch:
            self._by_epoch[report.epoch] = {
                name: float(report.score) if name in self._watched else score(self._network, self._held)
                for name, score in self._scores.items()
            }
        return dict(self._by_epoch[report.epoch])

    def take_over(self, curves: Mapping[str, list[float]]) -> None:
        """Know the values of epochs that an earlier run of the same fit has trained."""
        for name, curve in curves.items():
            for epoch, value in enumerate(curve, 1):
                self._by_epoch.setdefault(epoch, {})[name] = value

    def curves(self, epochs: int) -> dict[str, list[float]]:
        """Return the values by epoch; one that was not validated, since it diverged, has NaN."""
        known = [self._by_epoch.get(epoch, {}) for epoch in range(1, epochs + 1)]
        return {name: [values.get(name, math.nan) for values in known] for name in self._scores}


def _of_the_core(metric: str, n_threads: int | None) -> Score:
    """A metric of samples that are checked already."""
    threads = thread_count(n_threads)
    return lambda net, s: float(net.core.score(s, threads, metric))
