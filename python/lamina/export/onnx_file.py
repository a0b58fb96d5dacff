"""The ONNX file of a network or an estimator."""

from __future__ import annotations

from typing import Any

from lamina.export.onnx_models import model_of
from lamina.files import FilePath, path_of, write_whole

__all__ = ["onnx"]


def onnx(model: Any, path: FilePath) -> None:
    """Write an ONNX file that predicts what `model` does, whole or not at all; see `docs/onnx.md`.

    The graph is of ONNX's own operators (opset 17, for tables also `ai.onnx.ml` 3), so that every runtime that has them
    can run it. Rows are an axis of any length.

    Parameters
    ----------
    model : Network, CascadeNetwork, Ensemble, or a fitted estimator
        `MLPClassifier`, `TabularRegressor` and the others.
    path : str or path-like

    Raises
    ------
    ImportError
        The package `onnx` is not there.
    TypeError
        `model` is no model of lamina's.
    ValueError
        A part of it has no form in ONNX: a custom activation or loss, or a column that is read as dates.

    Notes
    -----
    A network's input is ``X`` and its output ``prediction``, what `predict` returns. Estimators have the names that
    skl2onnx gives: ``X``, or for tables an input for each column, (rows, 1); ``label`` and ``probabilities`` of a
    classifier (``decision_function`` of one with margins), ``variable`` of a regressor, (rows, targets). Inputs and
    outputs have the type that the model computes in. Recurrent networks have a further input ``lengths``, int64
    (sequences,), which may be left out.

    It needs the extra ``onnx``.
    """
    target = path_of(path)
    write_whole(target, model_of(model).SerializeToString(deterministic=True))
