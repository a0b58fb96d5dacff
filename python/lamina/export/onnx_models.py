"""ONNX models of networks and estimators: their inputs and outputs by name, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lamina.data.arguments import in_short
from lamina.data.arrays import Array
from lamina.export.models import hint_for, warn_of_normalization_due
from lamina.export.onnx_graph import Graph, Value
from lamina.export.onnx_networks import check_parts, predicted, predicted_by_cascade, sequences_of
from lamina.export.onnx_tables import class_shares, columns_of, matrix_of, mean_outputs, regressed
from lamina.runtime import __version__

__all__ = ["ABOUT", "model_of"]

#: The entry of the model's metadata by which `lamina.from_onnx` finds the network again.
ABOUT = "lamina"
_INT64 = np.dtype(np.int64)


def model_of(model: Any) -> Any:
    """Return the `onnx.ModelProto` of a network or a fitted estimator."""
    for kind in type(model).__mro__:
        if kind.__module__.partition(".")[0] == "lamina" and kind.__name__ in _WRITERS:
            warn_of_normalization_due(model)
            return _WRITERS[kind.__name__](model)
    raise TypeError(f"model must be a network or an estimator of lamina; got {in_short(model)}{hint_for(model)}")


# Networks --------------------------------------------------------------------------------------------------------


def _shape(graph: Graph, net: Any) -> tuple[Value, Any]:
    """The input of a network, and how it is sequences."""
    if not net.spec.recurrent:
        return graph.input("X", net.dtype, ["rows", net.n_inputs]), None
    X = graph.input("X", net.dtype, ["sequences", "steps", net.n_inputs])
    return X, sequences_of(graph, X)


def _outputs_shape(net: Any) -> list[int | str]:
    if not net.spec.recurrent:
        return ["rows", net.n_outputs]
    return ["sequences", "steps", net.n_outputs] if net.spec.each_step else ["sequences", net.n_outputs]


def _of_network(net: Any) -> Any:
    check_parts(net)
    graph = Graph(net.dtype)
    graph.output(predicted(graph, net, *_shape(graph, net)), "prediction", _outputs_shape(net))
    return graph.model("lamina", repr(net)[1:-1], _about(net))


def _of_cascade(net: Any) -> Any:
    graph = Graph(net.dtype)
    X = graph.input("X", net.dtype, ["rows", net.n_inputs])
    graph.output(predicted_by_cascade(graph, net, X), "prediction", ["rows", net.n_outputs])
    return graph.model("lamina", repr(net)[1:-1], _about(net))


def _of_ensemble(ensemble: Any) -> Any:
    first = ensemble.members[0]
    for net in ensemble.members:
        check_parts(net)
    graph = Graph(first.dtype)
    X, sequences = _shape(graph, first)
    parts = [predicted(graph, net, X, sequences, f"{i}/") for i, net in enumerate(ensemble.members)]
    graph.output(_mean(parts), "prediction", _outputs_shape(first))
    return graph.model("lamina", repr(ensemble)[1:-1], _about(ensemble))


def _mean(parts: Sequence[Value]) -> Value:
    return parts[0] if len(parts) == 1 else parts[0].graph.apply("Sum", *parts) / len(parts)


def _about(net: Any, **more: Any) -> dict[str, Any]:
    """What the model says of itself; the architecture has all that `from_onnx` does not find in the numbers."""
    own = {"version": __version__, "architecture": net.architecture(), "metadata": dict(net.metadata)}
    return {ABOUT: own, **more}


def _more_than_a_network(estimator: Any, metadata: Mapping[str, str]) -> dict[str, Any]:
    return {"version": __version__, "estimator": type(estimator).__name__, "metadata": dict(metadata)}


# Estimators ------------------------------------------------------------------------------------------------------


def _about_estimator(estimator: Any, **more: Any) -> dict[str, Any]:
    net = estimator.network_
    if getattr(estimator, "window", None) is None:
        return _about(net, **more)
    return {ABOUT: _more_than_a_network(estimator, net.metadata), **more}


def _network_and_outputs(graph: Graph, net: Any) -> Value:
    if type(net).__name__ == "CascadeNetwork":
        return predicted_by_cascade(graph, net, graph.input("X", net.dtype, ["rows", net.n_inputs]))
    return predicted(graph, net, *_shape(graph, net))


def _fitted(estimator: Any) -> Any:
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(estimator)
    return estimator


def _of_classifier(estimator: Any) -> Any:
    net = _fitted(estimator).network_
    graph = Graph(net.dtype)
    rows = "sequences" if net.spec.recurrent else "rows"
    y, labelling = _series_or_rows(graph, estimator), estimator.labelling
    classes = label_array(labelling.classes)
    if labelling.several:
        graph.output((y > labelling.border).cast(_INT64), "label", [rows, len(classes)])
    else:
        graph.output(label_of(y, net.n_outputs, classes, labelling.border), "label", [rows])
    if labelling.link == "identity":
        one = net.n_outputs == 1
        graph.output(y.reshape(-1) if one else y, "decision_function", [rows] if one else [rows, net.n_outputs])
    else:
        shares = y if labelling.link == "softmax" else shares_of(y, net.n_outputs, labelling.several)
        graph.output(shares, "probabilities", [rows, len(classes)])
    return graph.model("lamina", repr(estimator), _about_estimator(estimator, classes=classes.tolist()))


def _of_regressor(estimator: Any) -> Any:
    net = _fitted(estimator).network_
    graph = Graph(net.dtype)
    y = _series_or_rows(graph, estimator)
    if hasattr(estimator, "target_scale_"):
        y = rescaled(y, estimator.target_scale_, estimator.target_mean_)
    graph.output(y, "variable", ["sequences" if net.spec.recurrent else "rows", net.n_outputs])
    return graph.model("lamina", repr(estimator), _about_estimator(estimator))


def rescaled(y: Value, scale: Array, mean: Array) -> Value:
    """Return y scale + mean, in double precision where that is not y itself."""
    if (scale == 1).all() and (mean == 0).all():
        return y
    return (y.cast(np.float64) * scale + mean).cast(y.dtype)


def _series_or_rows(graph: Graph, estimator: Any) -> Value:
    """The network's predictions for what the estimator takes: rows, sequences, or the windows of a series."""
    net = estimator.network_
    if getattr(estimator, "window", None) is None:
        return _network_and_outputs(graph, net)
    series = graph.input("X", net.dtype, ["times", net.n_inputs])
    places = np.arange(0, (estimator.window - 1) * estimator.stride + 1, estimator.stride)
    times = graph.apply("Shape", series, dtype=_INT64).columns(0, 1).reshape()
    first = graph.apply("Range", graph.constant(0, _INT64), times - int(places[-1]), graph.constant(1, _INT64))
    windows = graph.apply("Gather", series, first.unsqueeze(1) + places, axis=0)
    return predicted(graph, net, windows, sequences_of(graph, windows, asked=False))


def label_array(classes: Any) -> Array:
    """Return classes as ONNX has labels: text, whole numbers, numbers or booleans; ValueError for others."""
    array = np.asarray(classes)
    if array.dtype.kind == "O":
        if all(isinstance(each, str) for each in array):
            return array
        array = np.array(array.tolist())
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    if array.dtype.kind == "U":
        return array.astype(object)
    if array.dtype.kind in "bf":
        return array
    raise ValueError(f"classes of {array.dtype} have no form in ONNX; its labels are text, numbers or booleans")


def label_of(y: Value, outputs: int, classes: Array, border: float) -> Value:
    """Return the label of each row, (rows,), by the network's predictions."""
    graph = y.graph
    if outputs == 1:
        place = (y > border).cast(_INT64).reshape(-1)
    else:
        place = graph.apply("ArgMax", y, dtype=_INT64, axis=1, keepdims=0)
    return graph.apply("Gather", graph.constant(classes, classes.dtype), place, dtype=classes.dtype, axis=0)


def shares_of(y: Value, outputs: int, several: bool) -> Value:
    """Return the probability of each class by logistic outputs, as `predict_proba` has it."""
    if several:
        return y
    if outputs == 1:
        return y.graph.concat([1 - y, y])
    total = y.graph.apply("ReduceSum", y, y.graph.whole([1]), keepdims=1)
    return (total > 0).where(y / total, 1 / outputs)


def _of_table(estimator: Any) -> tuple[Graph, Value, list[dict[str, Any]]]:
    """A graph with the columns as inputs, and the networks' mean outputs."""
    inputs = columns_of(_fitted(estimator).encoder_)
    graph = Graph(estimator.networks_[0].dtype)
    matrix = matrix_of(graph, estimator.encoder_, inputs)
    return graph, mean_outputs(graph, estimator, matrix), inputs


def _about_table(estimator: Any, inputs: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {ABOUT: _more_than_a_network(estimator, estimator.metadata_), "inputs": inputs, **more}


def _named_apart(inputs: list[dict[str, Any]], *names: str) -> list[str]:
    """Names of outputs, with an "output_" in front where a column has one of them."""
    taken = {each["name"] for each in inputs}
    return [next(f"{'output_' * i}{name}" for i in range(9) if f"{'output_' * i}{name}" not in taken) for name in names]


def _of_table_classifier(estimator: Any) -> Any:
    graph, outputs, inputs = _of_table(estimator)
    classes = label_array(estimator.classes_)
    label, probabilities = _named_apart(inputs, "label", "probabilities")
    graph.output(label_of(outputs, len(classes), classes, 0.5), label, ["rows"])
    graph.output(class_shares(outputs, estimator.temperature_), probabilities, ["rows", len(classes)])
    return graph.model("lamina", repr(estimator), _about_table(estimator, inputs, classes=classes.tolist()))


def _of_table_regressor(estimator: Any) -> Any:
    graph, outputs, inputs = _of_table(estimator)
    variable, quantiles = _named_apart(inputs, "variable", "quantiles")
    levels = estimator.quantiles_
    values = regressed(outputs, estimator.targets_, len(levels))
    if not len(levels):
        graph.output(values, variable, ["rows", estimator.n_outputs_])
        return graph.model("lamina", repr(estimator), _about_table(estimator, inputs))
    graph.output(values.take([int(np.flatnonzero(levels == 0.5)[0])]), variable, ["rows", 1])
    graph.output(values, quantiles, ["rows", len(levels)])
    return graph.model("lamina", repr(estimator), _about_table(estimator, inputs, quantiles=levels.tolist()))


_WRITERS: Mapping[str, Callable[[Any], Any]] = {
    "Network": _of_network,
    "CascadeNetwork": _of_cascade,
    "Ensemble": _of_ensemble,
    "MLPClassifier": _of_classifier,
    "MLPRegressor": _of_regressor,
    "CascadeClassifier": _of_classifier,
    "CascadeRegressor": _of_regressor,
    "RecurrentClassifier": _of_classifier,
    "RecurrentRegressor": _of_regressor,
    "TabularClassifier": _of_table_classifier,
    "TabularRegressor": _of_table_regressor,
}
