"""Fits that have ended, as the parts of a run's file; and what tells one run of fits from another."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from lamina.data.arrays import Array
from lamina.data.held_out import given_apart
from lamina.data.records import SampleSpec
from lamina.network.network import Network
from lamina.storage.forms import SCALES, Forms, form_of
from lamina.storage.plain import described_samples, name_of, plain
from lamina.storage.run_file import Part, RunFile
from lamina.training.callbacks import History
from lamina.training.checkpoint import METRIC

__all__ = ["described_network", "described_options", "kept_fit", "network_of"]

_HISTORY = "history."
# The names of the metrics in their order, which arrays do not keep.
_METRICS = "history.metrics"
# By the type that the record has: lists become arrays, so that a header holds no millions of numbers.
_CURVES = [entry.name for entry in fields(History) if isinstance(getattr(History(), entry.name), list)]
_NUMBERS = {
    entry.name: type(getattr(History(), entry.name))
    for entry in fields(History)
    if entry.name not in (*_CURVES, "metrics")
}
_USUAL = {
    name: parameter.default
    for name, parameter in inspect.signature(Network.fit).parameters.items()
    if parameter.kind is inspect.Parameter.KEYWORD_ONLY
}
# What has no say in the bits, and what is told apart from the options.
_NO_OPTION = {"n_threads", "verbose", "resume", "sample_weight", "lengths"}


def described_network(net: Network) -> dict[str, Any]:
    """Return what makes the network, beside its weights; custom parts by the names of their functions."""
    return {
        "layers": [{"layer": type(layer).__name__, **plain(layer.params)} for layer in net.layers],
        "n_inputs": net.n_inputs,
        "loss": plain(net.loss),
        "dtype": net.dtype.name,
        "seed": net.seed,
        "normalize_inputs": net.normalize_inputs,
        "normalize_targets": net.normalize_targets,
    }


def described_options(options: Mapping[str, Any], spec: SampleSpec) -> dict[str, Any]:
    """Return the options of a fit, those that are not given by their defaults; callbacks by name.

    Samples to validate on are described as `spec` takes them, in whatever they came.
    """
    options = {**_USUAL, **options}
    apart = given_apart(spec, options["validation"], options["validation_sample_weight"])
    if apart is not None:
        options |= {"validation": described_samples(apart), "validation_sample_weight": None}
    found = {name: plain(value) for name, value in options.items() if name not in _NO_OPTION}
    found["callbacks"] = [name_of(hook) for hook in options.get("callbacks") or ()]
    return found


def kept_fit(net: Network, arrays: Mapping[str, Array] | None = None, **values: Any) -> Part:
    """Return what is kept of a trained network, with arrays and values that belong to it; its optimizer is not."""
    assert net.history is not None
    still, history = net.core.copy(with_memory=False), net.history
    curves = {name: getattr(history, name) for name in _CURVES}
    curves |= {METRIC + name: curve for name, curve in history.metrics.items()}
    told = {_HISTORY + name: np.array(curve, np.float64) for name, curve in curves.items()}
    return Part(
        {**still.parameters(), **still.scales, **told, **(arrays or {})},
        {
            "scales": [name for name in SCALES if name in still.scales],
            "data_start_due": still.data_start_due,
            **{_HISTORY + name: getattr(history, name) for name in _NUMBERS},
            _METRICS: list(history.metrics),
            **values,
        },
    )


def network_of(part: Part, net: Network, file: RunFile, others: Iterable[str] = ()) -> Network:
    """Give an untrained network what is kept of it; `others` are the names of the arrays that belong to it.

    CheckpointError, and the network is as it was, where it is not what `kept_fit` keeps.
    """
    try:
        shapes = {name: view.shape for name, view in net.parameters.items()}
        own = {name: array for name, array in part.arrays.items() if not name.startswith(_HISTORY)}
        own = {name: array for name, array in own.items() if name not in set(others)}
        forms = Forms.of(shapes, net.n_inputs, net.dtype.name, net.n_outputs)
        forms.check({name: form_of(array) for name, array in own.items()})
        scales = {name: own[name] for name in SCALES if name in own}
        if part.value("scales", list) != list(scales):
            raise ValueError(f"scales cannot be {part.values['scales']!r:.50}")
        told: dict[str, Any] = {name: part.numbers(_HISTORY + name) for name in _CURVES}
        told |= {name: part.value(_HISTORY + name, kind, 0) for name, kind in _NUMBERS.items()}
        names, epochs = part.value(_METRICS, list), len(told["loss"])
        history = History(**told, metrics={name: part.numbers(_HISTORY + METRIC + name, epochs) for name in names})
        due = part.values["data_start_due"]
        if type(due) not in (bool, type(None)):
            raise ValueError(f"data_start_due cannot be {due!r:.50}")
        net.set_scales(scales)
        net.core.data_start_due = due
    except (LookupError, TypeError, ValueError) as error:
        raise file.damaged(error) from error
    for name, view in net.parameters.items():
        view[...] = own[name]
    net.history, net.core.trained = history, True
    return net
