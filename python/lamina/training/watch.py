"""What a fit weighs and watches beside the loss: the weights of classes, and a score of the validation part."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.data import arrays as _data
from lamina.data.arrays import Array
from lamina.training.callbacks import EarlyStopping, Epoch
from lamina.training.scoring import score_of

if TYPE_CHECKING:
    from lamina.network.network import Network

Samples = tuple[Array, Array, "Array | None"]


def warn_of_a_second_link(net: Network) -> None:
    """Warn where the last layer's activation comes before the loss's own logistic or softmax."""
    last = net.layers[-1]
    jordan = getattr(last, "kind", "") == "jordan"  # whose outputs have an activation of their own
    name = getattr(getattr(last, "output_activation" if jordan else "activation", None), "name", "identity")
    if net.loss.link in ("logistic", "softmax") and name != "identity":
        warnings.warn(
            f"the last layer, {last!r}, gives what the {net.loss.link} of the loss {net.loss.name} is applied to; "
            "its activation should be 'identity'",
            UserWarning,
            stacklevel=3,
        )


def weighted(
    net: Network, data: Samples, index: Array | None, held: tuple[Any, ...] | None, class_weight: Any
) -> tuple[Samples, tuple[Any, ...] | None]:
    """Return the training and the validation samples with each row's weight times that of its class."""
    if class_weight is None:
        return data, held
    classes = _classes(net, data[1])
    trained = classes if index is None else classes[index]
    by_class = _by_class(class_weight, trained, 2 if net.n_outputs == 1 else net.n_outputs)
    x, t, w = data
    own = by_class[classes].astype(net.dtype) if w is None else (w * by_class[classes]).astype(net.dtype)
    if not (own if index is None else own[index]).any():
        raise ValueError("class_weight must leave a training row a weight greater than 0")
    if held is None:
        return (x, t, own), None
    if held[3] is not None:  # rows of the training data, set aside
        return (x, t, own), (x, t, own, *held[3:])
    aside = by_class[_classes(net, held[1])].astype(net.dtype)
    return (x, t, own), (*held[:2], aside if held[2] is None else aside * held[2], *held[3:])


def _classes(net: Network, t: Array) -> Array:
    found = _data.classes_of(net.loss, t)
    if found is None:
        raise ValueError(f"class_weight needs targets that are one class a row; the loss is {net.loss.name}")
    return found.astype(np.intp)


def _by_class(class_weight: Any, classes: Array, count: int) -> Array:
    """The weight of each class; "balanced": rows / (classes present * rows of the class)."""
    members = np.bincount(classes, minlength=count)
    if isinstance(class_weight, str) and class_weight == "balanced":
        with np.errstate(divide="ignore"):
            return np.where(members > 0, len(classes) / (np.count_nonzero(members) * members), 0.0)
    if not isinstance(class_weight, Mapping):
        raise TypeError(f"class_weight must be 'balanced', a dict of class -> weight, or None; got {class_weight!r}")
    out = np.ones(count)
    for label, value in class_weight.items():
        if isinstance(label, bool) or not isinstance(label, (int, np.integer)) or not 0 <= label < count:
            raise ValueError(f"class_weight must have keys in 0 .. {count - 1}; got {label!r}")
        if isinstance(value, (bool, str)) or not (np.isfinite(value) and value >= 0):
            raise ValueError(f"class_weight must be finite and at least 0; got {value!r} for class {label}")
        out[label] = value
    return out


def set_scoring(
    options: Any,
    scoring: str | Callable[..., float] | None,
    stopping: EarlyStopping | None,
    net: Network,
    data: Samples,
    held: tuple[Any, ...] | None,
) -> list[float]:
    """Have the core watch a score of the validation part; return the list that the scores will be in."""
    scores: list[float] = []
    if scoring is None:
        return scores
    if held is None:
        raise ValueError("scoring needs a validation part; validation is None")
    if stopping is not None and stopping.monitor != "validation_loss":
        raise ValueError("scoring and the monitor of early_stopping both say what to watch; give one")
    if net._core.each_step:
        raise ValueError("scoring needs one target a sequence; the last Recurrent has return_sequences=True")
    score = score_of(scoring, net.loss)
    rows = slice(None) if held[3] is None else held[3]
    x, t, w, lengths = held[0][rows], held[1][rows], *(a if a is None else a[rows] for a in (held[2], held[4]))

    def watch(_: Epoch) -> float:
        scores.append(score(net, x, t, w, lengths))
        return -scores[-1]

    options.monitor = watch
    return scores
