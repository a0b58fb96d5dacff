"""Checking gradients: analytic against central differences."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina._dispatch import core as _core
from lamina.data.arguments import boolean, number
from lamina.data.samples import counted_samples
from lamina.network.network import Network

__all__ = ["check_gradients"]

_STEPS = (1e-3, 1e-4, 1e-5, 1e-6)


def check_gradients(
    net: Network,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    l1: float = 0.0,
    l2: float = 0.0,
    training: bool = True,
    lengths: Any = None,
) -> float:
    """Return the largest relative error of the gradient, analytic against central differences, in float64.

    The error of a parameter is |a - n| / max(|a|, |n|, 0.01 max |a|): entries that are tiny beside the largest are held
    to it. Where a difference straddles a kink (relu at 0) or a step (heaviside), smaller and larger widths are tried,
    and the best counts. Step functions are checked with their true derivative, not the straight-through estimator, and
    truncated back-propagation with the states at its cuts held, as it takes them for constants.

    Parameters
    ----------
    net : Network
        It is not changed; a float32 network is checked as its float64 copy.
    X, y, sample_weight, l1, l2, lengths
        As for `Network.loss_and_gradients`.
    training : bool, default True
        Whether random layers and batch norm work as in training (with the draws of step 0) or as in prediction.
    """
    copy = net.astype("float64")
    given = counted_samples(copy.spec, X, y, sample_weight, lengths)
    penalty = _core.PenaltyStrength(number(l1, "l1"), number(l2, "l2"))
    options = _core.GradientOptions(penalty, boolean(training, "training"), surrogates=False, threads=1)
    analytic = copy.core.loss_and_gradients(given, options)[1]
    scale = max(float(np.abs(analytic).max(initial=0.0)) * 1e-2, 1e-6)
    best = np.full(analytic.shape, np.inf)
    for step in _STEPS:
        numeric = copy.core.central_differences(given, options, step)
        size = np.maximum(np.maximum(np.abs(analytic), np.abs(numeric)), scale)
        best = np.minimum(best, np.abs(analytic - numeric) / size)
        if best.max(initial=0.0) <= 1e-7:
            break
    return float(best.max(initial=0.0))
