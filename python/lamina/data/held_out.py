"""What `fit` sets aside of its samples, or is given apart, to validate on."""

from __future__ import annotations

from typing import Any

from lamina.data.records import HeldOut, Samples, SampleSpec, TrainingSet
from lamina.data.samples import counted_samples
from lamina.data.splits import validation_rows
from lamina.data.targets import classes_of

__all__ = ["given_apart", "set_aside"]

_REMEDY = (
    "Give validation=None (in an estimator validation_fraction=0) to learn all; so few need optimizer=lamina.LBFGS(), "
    "or many epochs at a high rate"
)


def given_apart(spec: SampleSpec, validation: Any, validation_weight: Any) -> Samples | None:
    """Return the samples of ``validation=(X, y)``, or None where it is no pair; ValueError names what is wrong."""
    if not isinstance(validation, (tuple, list)):
        return None
    if len(validation) not in ((2, 3) if spec.recurrent else (2,)):
        raise ValueError(
            f"validation must be a fraction or (X, y); got a {type(validation).__name__} of {len(validation)}"
        )
    X, y, lengths = (*validation, None)[:3]
    return counted_samples(spec, X, y, validation_weight, lengths, "validation ")


def set_aside(spec: SampleSpec, given: Samples, validation: Any, validation_weight: Any, seed: int) -> TrainingSet:
    """Return what to train and to validate on, by `fit`'s argument `validation`; ValueError names what is wrong."""
    if validation is None:
        if validation_weight is not None:
            raise ValueError("validation_sample_weight needs a validation set")
        return TrainingSet(given)
    if (apart := given_apart(spec, validation, validation_weight)) is not None:
        return TrainingSet(given, None, HeldOut(apart))
    if validation_weight is not None:
        raise ValueError("validation_sample_weight goes with validation=(X, y); a fraction takes sample_weight's")
    labels = None if spec.each_step else classes_of(spec.loss, given.targets)
    train, held = validation_rows(validation, len(given), labels, seed, _REMEDY)
    return TrainingSet(given, train, HeldOut(given, held))
