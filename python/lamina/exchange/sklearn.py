"""scikit-learn: its fitted perceptrons as lamina's estimators."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.extras import how_to_install

__all__ = ["from_sklearn"]


def from_sklearn(model: Any) -> Any:
    """Return the `lamina.MLPClassifier` or `MLPRegressor` that a fitted one of `sklearn.neural_network` is.

    Its weights are the same to the last bit, its predictions to rounding; parameters, classes, feature names and the
    curves of the fit come with it. It can be used at once, and trained further by `partial_fit`, or by `fit` with
    ``warm_start=True``; the optimizer's memory stays behind. `network_` is the `Network` in it.

    Parameters
    ----------
    model : MLPClassifier, MLPRegressor or Pipeline
        Fitted. In a pipeline a `StandardScaler` may be in front: then the result has ``standardize=True``, with the
        scaler's numbers, and takes what the pipeline took.

    Returns
    -------
    lamina.MLPClassifier or lamina.MLPRegressor
        Of the type of the weights, float32 or float64.

    Raises
    ------
    ImportError
        scikit-learn is not there, or older than 1.6.
    TypeError
        The model, or a step in front of it, is something else.
    sklearn.exceptions.NotFittedError

    Examples
    --------
    >>> old = sklearn.neural_network.MLPClassifier((32,)).fit(X, y)
    >>> new = lamina.from_sklearn(old)
    >>> (new.predict(X) == old.predict(X)).all()
    True
    """
    try:
        from sklearn import neural_network
        from sklearn.pipeline import Pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.utils.validation import check_is_fitted
    except ImportError as error:
        raise ImportError(f"this needs scikit-learn; {how_to_install(['sklearn'])}") from error

    from lamina import estimators  # which says where it is too old

    scaler = None
    perceptron = model
    if isinstance(model, Pipeline):
        *before, (_, perceptron) = model.steps
        before = [(name, step) for name, step in before if step is not None and step != "passthrough"]
        for name, step in before:
            if not isinstance(step, StandardScaler) or len(before) > 1:
                raise TypeError(f"the step {name!r} of model must be the one StandardScaler of it; got {step!r}")
            check_is_fitted(step)
            if step.with_mean != step.with_std:
                raise ValueError(
                    f"the step {name!r} of model must take both mean and deviation, or nothing; got {step!r}"
                )
            scaler = step if step.with_mean else None
    kinds = {
        neural_network.MLPClassifier: estimators.MLPClassifier,
        neural_network.MLPRegressor: estimators.MLPRegressor,
    }
    kind = next((ours for theirs, ours in kinds.items() if isinstance(perceptron, theirs)), None)
    if kind is None:
        raise TypeError(
            "model must be a fitted MLPClassifier or MLPRegressor of sklearn.neural_network, alone or at the end of a "
            f"pipeline; got {perceptron!r}"
        )
    check_is_fitted(perceptron)
    if any(not np.isfinite(array).all() for array in (*perceptron.coefs_, *perceptron.intercepts_)):
        raise ValueError("model must have finite weights; it has NaN or infinity")
    known = kind().get_params()
    given = {name: value for name, value in perceptron.get_params().items() if name in known}
    made = kind(**given, standardize=scaler is not None)
    made.adopt(perceptron, scaler)
    return made
