"""Keras: networks as models, and models as networks."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamina import activations, losses
from lamina.data.arguments import in_short
from lamina.data.arrays import Array
from lamina.exchange import formulas
from lamina.exchange.assembly import (
    Assembly,
    Piece,
    network_of,
    pieces_of,
    refuse,
    refused_by_place,
    warn_of_frozen,
)
from lamina.extras import how_to_install
from lamina.layers import Activation, BatchNorm, Dense, Dropout, GaussianNoise, Recurrent
from lamina.network import Network

__all__ = ["from_keras", "to_keras"]

#: By activation: Keras's function, and the parameters that it has there unless it is told otherwise.
_FUNCTIONS: dict[str, tuple[str, dict[str, float]]] = {
    "identity": ("linear", {}),
    "logistic": ("sigmoid", {}),
    "tanh": ("tanh", {}),
    "relu": ("relu", {}),
    "leaky_relu": ("leaky_relu", {"alpha": 0.2}),
    "elu": ("elu", {"alpha": 1.0}),
    "softsign": ("softsign", {}),
    "softplus": ("softplus", {}),
    "saturation": ("hard_tanh", {}),
    "gelu_exact": ("gelu", {}),
    "silu": ("silu", {}),
    "mish": ("mish", {}),
    "selu": ("selu", {}),
    "celu": ("celu", {"alpha": 1.0}),
    "hard_sigmoid": ("hard_sigmoid", {}),
    "hard_swish": ("hard_silu", {}),
    "relu6": ("relu6", {}),
    "squareplus": ("squareplus", {"b": 4.0}),
}
#: Layers that Keras has, too.
_STANDARD = ("BatchNorm", "Dropout", "GaussianNoise", "Recurrent")


def _need_keras() -> Any:
    try:
        import keras
    except ImportError as error:  # of Keras, or of the backend that it is told to take
        raise ImportError(
            f"this needs Keras 3 and a backend of its own ({error}); {how_to_install(['keras'])}"
        ) from error
    if int(keras.__version__.split(".")[0]) < 3:
        raise ImportError(f"this needs Keras 3; got {keras.__version__}; {how_to_install(['keras'])}")
    return keras


# Out --------------------------------------------------------------------------------------------------------------


def to_keras(net: Any, *, link: bool = True) -> Any:
    """Return a `keras.Model` that computes what the network does, in its type, with its own copy of the weights.

    It is a `keras.Sequential` of Keras's own layers wherever there is one that is exactly the same, else of small
    registered layers with lamina's formulas; it can be compiled and trained further, and saved as ``.keras``. A program
    that loads such a file imports `lamina.exchange.keras_layers` first. `lamina.from_keras` has the network back, to
    the last bit of its weights.

    Parameters
    ----------
    net : Network, CascadeNetwork or fitted estimator
        Of an estimator its `network_`.
    link : bool, default True
        True: outputs are those of `net.predict`: probabilities, rates, or values in the targets' units. False: those of
        `net.forward`, for losses with ``from_logits=True``.

    Returns
    -------
    keras.Sequential
        Not compiled.

    Raises
    ------
    ImportError
        Keras 3, or its backend, is not there.
    ValueError
        The network has a custom activation.

    Notes
    -----
    Keras multiplies matrices of float64 in float32, unless its backend is TensorFlow: outputs of float64 then agree to
    float32's digits, while weights are kept whole. Its `BatchNormalization` has momentum 1 - m where lamina has m, and
    in training keeps the biased variance. In training an ensemble (`SharedDense`) learns the mean of its predictions.
    Sequences of different lengths go with a mask, as ``model(x, mask=mask)``; what lies beyond is then not 0.

    Examples
    --------
    >>> model = lamina.to_keras(net)
    >>> model.predict(X)  # net.predict(X)
    """
    keras = _need_keras()
    from lamina.exchange import keras_layers as own

    net = network_of(net, "net")
    if not isinstance(link, (bool, np.bool_)):
        raise TypeError(f"link must be True or False; got {link!r}")
    dtype = net.dtype.name
    steps = (None,) if net.spec.recurrent else ()
    model = keras.Sequential([keras.Input((*steps, net.n_inputs), dtype=dtype)])
    model.supports_masking = net.spec.recurrent
    scales = {
        place: {name.partition(".")[2]: array for name, array in net.scales.items() if name.startswith(place)}
        for place in ("input.", "target.")
    }

    def add(layer: Any, arrays: Any = None) -> None:
        model.add(layer)
        if isinstance(arrays, list):
            layer.set_weights(arrays)
        elif arrays:
            holder = getattr(layer, "cell", layer)
            for name, array in arrays.items():
                holder.own[name].assign(array)

    if scales["input."]:
        add(own.Normalization([*scales["input."]], dtype=dtype, name="input"), scales["input."])
    pieces = pieces_of(net, {*_STANDARD, *formulas.LAYERS})
    for piece in pieces:
        for layer, arrays in _layers_of(keras, own, piece, dtype):
            add(layer, arrays)
    if pieces[-1].outputs != net.n_outputs:
        add(own.Members(pieces[-1].outputs // net.n_outputs, net.loss.link, dtype=dtype, name="members"))
    if link and net.loss.link != "identity":
        name = {"logistic": "sigmoid"}.get(net.loss.link, net.loss.link)
        add(keras.layers.Activation(name, dtype=dtype, name="link"))
    if link and scales["target."]:
        add(own.TargetScale([*scales["target."]], dtype=dtype, name="target"), scales["target."])
    return model


def _layers_of(keras: Any, own: Any, piece: Piece, dtype: str) -> list[tuple[Any, Any]]:
    """The layers that stand for one of ours, with their weights: a list in Keras's order, or ours by name."""
    layer, p = piece.layer, piece.arrays
    kind = type(layer).__name__
    options = {"dtype": dtype, "name": f"{piece.place}_{kind.lower()}"}
    of_ours = layer, {name: array.shape for name, array in p.items()}, piece.trained, piece.outputs
    plain = getattr(layer, "parametrization", "standard") == "standard" and not getattr(layer, "parametric", False)
    if isinstance(layer, (Dense, Activation)) and plain:
        function = _native(keras, layer.activation)
        both: list[tuple[Any, Any]] = []
        if isinstance(layer, Dense):
            weights = [p[name] for name in ("weight", "bias") if name in p]
            dense = keras.layers.Dense(layer.units, function, layer.use_bias, **options)
            both.append((dense, weights))
            options["name"] += "_activation"
        if function is None or not both:
            both.append(_activation_layer(keras, own, piece, function, options))
        return both
    if isinstance(layer, BatchNorm):
        norm = keras.layers.BatchNormalization(momentum=_other(layer.momentum), epsilon=layer.epsilon, **options)
        return [(norm, [p[name] for name in ("gamma", "beta", "running_mean", "running_variance")])]
    if isinstance(layer, Dropout):
        return [(keras.layers.Dropout(layer.rate, **options), None)]
    if isinstance(layer, GaussianNoise):
        # Keras has none above 1.
        noise = keras.layers.GaussianNoise if layer.deviation <= 1 else own.Noise
        return [(noise(layer.deviation, **options), None)]
    if isinstance(layer, Recurrent):
        function = _native(keras, layer.activation)
        sequences = {"return_sequences": layer.return_sequences}
        if layer.kind == "elman" and layer.truncate is None and function is not None:
            weights = [p[name] for name in ("weight", "recurrent_weight", "bias") if name in p]
            made = keras.layers.SimpleRNN(layer.units, function, use_bias=layer.use_bias, **sequences, **options)
            return [(made, weights)]
        return [(keras.layers.RNN(own.RecurrentCell(*of_ours, dtype=dtype), **sequences, **options), p)]
    return [(own.LaminaLayer(*of_ours, **options), p)]


def _other(momentum: float) -> float:
    """1 - momentum, and of that the number that was meant: 0.9 for 0.1, and 0.1 for 0.9."""
    return float(f"{1 - momentum:.12g}")


def _native(keras: Any, f: Any) -> str | None:
    """The name of Keras's own function, where there is one that computes the same."""
    name, usual = _FUNCTIONS.get(f.name, ("", {}))
    return name if name and hasattr(keras.activations, name) and dict(f.params) == usual else None


def _activation_layer(
    keras: Any, own: Any, piece: Piece, function: str | None, options: dict[str, Any]
) -> tuple[Any, Any]:
    f = piece.layer.activation
    if function is not None:
        return keras.layers.Activation(function, **options), None
    if f.name == "prelu":
        return keras.layers.PReLU(shared_axes=[1] if piece.each_step else None, **options), [
            piece.arrays["slope"][None] if piece.each_step else piece.arrays["slope"]
        ]
    if f.name == "leaky_relu":
        return keras.layers.LeakyReLU(negative_slope=f.params["alpha"], **options), None
    if f.name == "elu":
        return keras.layers.ELU(alpha=f.params["alpha"], **options), None
    return own.Formula(f, **options), None


# In ---------------------------------------------------------------------------------------------------------------


def from_keras(model: Any, *, loss: Any = None, seed: int = 0) -> Network:
    """Return a `Network` that computes what a Keras model does in inference, with a copy of its weights.

    Parameters
    ----------
    model : keras.Sequential, or keras.Model
        Built, and one layer after the other, also with models among them, of: `Dense`, `Activation` and the layers that
        are activations, `BatchNormalization`, `Dropout`, `GaussianNoise`, `SimpleRNN`; `Normalization`, `Rescaling` or
        `Flatten` in front (then the network takes flat rows); `Softmax` or a softmax or sigmoid at the end, which the
        loss has here. What `lamina.to_keras` gave comes back as it was. Regularizers and constraints stay behind:
        penalties are options of `fit`.
    loss : str, loss or a loss of Keras's, optional
        By default that of the compiled model; of one that is not compiled what goes with its end: "cross_entropy" with
        a softmax, "binary_cross_entropy" with a sigmoid, "poisson" with an exponential, else "squared_error". A name
        that Keras has is Keras's: "poisson", or "binary_crossentropy", takes what the model predicts. lamina's names
        and losses ("binary_cross_entropy", ``lamina.losses.get("poisson")``) take logits, or logarithms of rates,
        where the model does not end in what makes predictions of them.
    seed : int, default 0
        Of the network, for what it draws from here on.

    Returns
    -------
    Network
        Its `predict` gives probabilities where the loss is one of classes, also where the model gave logits, which are
        `forward`'s. Its type is that of the weights, float32 or float64.

    Raises
    ------
    ImportError
        Keras 3, or its backend, is not there.
    TypeError, ValueError
        A layer or loss that has no place in a network, by its name; a loss with which `predict` would not be what the
        model predicts.

    Warns
    -----
    UserWarning
        Of layers that Keras does not train, with the `rates` that keep them in `fit`.

    Examples
    --------
    >>> net = lamina.from_keras(model)
    >>> net.fit(X, y)
    """
    keras = _need_keras()
    if not isinstance(model, keras.Model):
        raise TypeError(f"model must be a keras.Model; got {in_short(model)}")
    if not model.built:
        raise ValueError("model must be built: call it once, or give it a keras.Input")
    found = _Found(trainable={id(variable) for variable in model.trainable_variables})
    inputs = getattr(model, "inputs", None)
    if inputs and len(inputs) == 1:
        found.n_inputs = inputs[0].shape[-1]
    chain = _chain_of(keras, model)
    for layer in chain:
        _add(keras, found, layer)
    rank = 3 if any(isinstance(part.layer, Recurrent) for part in found.parts) else 2
    flat = any(isinstance(layer, keras.layers.Flatten) for layer in chain)
    if inputs and len(inputs[0].shape) != rank and not flat:
        refuse(f"the model {model.name!r}", f"its inputs have {len(inputs[0].shape)} axes, and {rank} are wanted")
    told, of_predictions = "", False
    if loss is None and getattr(model, "loss", None) is not None:
        loss, told, of_predictions = _loss_of(keras, model.loss, "the model's loss", rank)
    elif loss is not None and not isinstance(loss, losses.LossFunction):
        loss, told, of_predictions = _loss_of(keras, loss, "loss", rank)
    net = found.network(loss, None, seed, told=told, of_predictions=of_predictions)
    warn_of_frozen(net, found.names_of_frozen())
    return net


def _where(layer: Any) -> str:
    return f"the layer {layer.name!r} ({type(layer).__name__})"


def _chain_of(keras: Any, model: Any) -> list[Any]:
    """The layers between input and output, each with the one before as its only input; of models in it theirs."""
    what = f"the model {model.name!r}"
    kind = next(one for one in type(model).__mro__ if one.__module__.partition(".")[0] == "keras")
    for method in ("__call__", "call", "build"):
        if getattr(type(model), method) is not getattr(kind, method):
            refuse(what, f"what its own {method} computes cannot be seen; make it of layers")
    if issubclass(kind, keras.Sequential):
        layers = list(model.layers)
    elif hasattr(model, "operations"):
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            refuse(what, f"it has {len(model.inputs)} inputs and {len(model.outputs)} outputs")
        # Where all that leads to the one output has one input, it is a chain.
        layers = [operation for operation in model.operations if not isinstance(operation, keras.layers.InputLayer)]
        # What a subclass has to say of itself may be other things.
        plain: Any = model if type(model) is kind else keras.Model(model.inputs, model.outputs)
        calls = {entry["name"]: entry["inbound_nodes"] for entry in plain.get_config()["layers"]}
        for operation in layers:
            if len(calls[operation.name]) != 1:
                refuse(_where(operation), "it is called more than once")
            if isinstance(operation, keras.layers.Layer):
                _check_call(calls[operation.name][0], _where(operation))
            if not isinstance(operation, keras.Model) and isinstance(operation.input, (list, tuple, dict)):
                refuse(_where(operation), "it does not take what the layer before it gives, and nothing else")
    else:
        refuse(what, "what its own call computes cannot be seen; make it of layers")
    out = []
    for layer in layers:
        if isinstance(layer, keras.Model):
            out += _chain_of(keras, layer)
        elif not isinstance(layer, keras.layers.InputLayer):
            out.append(layer)
    return out


def _check_call(call: Mapping[str, Any], where: str) -> None:
    """Refuse a call with more than the inputs, such as a state or a mask, or as in training.

    training=False may be of Keras's own making, and its `fit` and `predict` pay no heed to it.
    """
    given = [name for name, value in call["kwargs"].items() if value is not None and name != "training"]
    if any(value is not None for value in call["args"][1:]):
        given.append("a second argument")
    if call["kwargs"].get("training"):
        given.append("training=True")
    if given:
        refuse(where, f"it is called with {' and '.join(given)}, and a layer gets its inputs alone here")


@dataclass(slots=True)
class _Found(Assembly):
    """What was found so far, and which of the weights Keras does not train, with the layer that has them."""

    trainable: set[int] = field(default_factory=set)
    frozen: list[tuple[Array, str]] = field(default_factory=list)

    def arrays(self, weights: Mapping[str, Any], where: str) -> dict[str, Array]:
        """Return weights as arrays, without those that are None."""
        from lamina.exchange.keras_layers import array_of

        out = {name: array_of(weight) for name, weight in weights.items() if weight is not None}
        self.frozen += [(out[name], where) for name in out if id(weights[name]) not in self.trainable]
        return out

    def names_of_frozen(self) -> dict[int | str, str]:
        """Return the layer's name in Keras by the name of the parameter here."""
        return {
            f"{place}.{name}": where
            for place, part in enumerate(self.parts)
            for name, array in part.arrays.items()
            for frozen, where in self.frozen
            if np.may_share_memory(array, frozen)
        }


def _add(keras: Any, found: _Found, layer: Any) -> None:
    """Add a layer of Keras's, or one that `to_keras` has made."""
    kind, where = type(layer).__name__, _where(layer)
    if isinstance(layer, keras.layers.Layer) and layer.compute_dtype != layer.variable_dtype:
        refuse(where, f"it computes in {layer.compute_dtype} what it keeps in {layer.variable_dtype}")
    adder = _OWN.get(kind) if type(layer).__module__ == "lamina.exchange.keras_layers" else _LAYERS.get(kind)
    if adder is None or not (type(layer).__module__.startswith(("keras.", "lamina."))):
        refuse(where, "lamina has nothing that computes the same")
    with refused_by_place(where):
        adder(keras, found, layer, where)


def _function_of(keras: Any, function: Any, where: str) -> Any:
    """The activation that a function of Keras's is, or the name of a link; refused where it is neither."""
    name = "linear" if function is None else getattr(function, "__name__", str(function))
    if function is None or getattr(keras.activations, name, None) is function:
        if name in ("softmax", "exponential"):
            return name
        for own, (theirs, usual) in _FUNCTIONS.items():
            if name == theirs:
                return activations.get(own, **usual)
    return refuse(where, f"its activation {name!r} has none that computes the same in lamina")


def _add_function(keras: Any, found: _Found, function: Any, where: str) -> None:
    f = _function_of(keras, function, where)
    if isinstance(f, str):
        found.end_with(f, where)
    else:
        found.activation(f, where)


def _dense(keras: Any, found: _Found, layer: Any, where: str) -> None:
    if getattr(layer, "quantization_mode", None):
        refuse(where, f"it is quantised to {layer.quantization_mode}")
    arrays = found.arrays({"weight": layer.kernel, "bias": layer.bias}, where)
    found.add(Dense(layer.units, use_bias=layer.use_bias), arrays, where, arrays["weight"].shape[0])
    _add_function(keras, found, layer.activation, where)


def _relu(keras: Any, found: _Found, layer: Any, where: str) -> None:
    options = (layer.max_value, float(layer.negative_slope), float(layer.threshold))
    if options == (None, 0.0, 0.0):
        found.activation(activations.get("relu"), where)
    elif options == (6, 0.0, 0.0):
        found.activation(activations.get("relu6"), where)
    elif options[0] is None and options[2] == 0:
        found.activation(activations.get("leaky_relu", alpha=options[1]), where)
    else:
        refuse(where, f"max_value={options[0]} and threshold={options[2]:g} are none of lamina's activations")


def _prelu(keras: Any, found: _Found, layer: Any, where: str) -> None:
    slope = found.arrays({"slope": layer.alpha}, where)["slope"]
    if slope.ndim > 1 and slope.size != slope.shape[-1]:
        refuse(where, "it has slopes by step: give it shared_axes=[1]")
    found.activation(activations.get("prelu"), where, slope.reshape(-1))


def _batch_norm(keras: Any, found: _Found, layer: Any, where: str) -> None:
    axis = layer.axis if isinstance(layer.axis, int) else layer.axis[0]
    arrays = found.arrays({"running_mean": layer.moving_mean, "running_variance": layer.moving_variance}, where)
    mean = arrays["running_mean"]
    if axis != -1 and axis != layer.input_spec.ndim - 1:
        refuse(where, f"it goes along axis {axis} and not the last one")
    usual = {"gamma": np.ones_like(mean), "beta": np.zeros_like(mean)}
    if not layer.trainable:
        found.frozen += [(array, where) for array in usual.values()]
    arrays |= usual
    arrays |= found.arrays({"gamma": layer.gamma, "beta": layer.beta}, where)
    found.add(BatchNorm(momentum=_other(layer.momentum), epsilon=layer.epsilon), arrays, where, len(mean))


def _dropout(keras: Any, found: _Found, layer: Any, where: str) -> None:
    if layer.noise_shape is not None:
        refuse(where, "its noise_shape drops elements together")
    found.add(Dropout(layer.rate), {}, where)


def _noise(keras: Any, found: _Found, layer: Any, where: str) -> None:
    found.add(GaussianNoise(layer.stddev), {}, where)


def _recurrent(keras: Any, found: _Found, layer: Any, where: str) -> None:
    for option in ("go_backwards", "stateful", "return_state", "dropout", "recurrent_dropout"):
        if getattr(layer, option, False):
            refuse(where, f"{option}={getattr(layer, option)!r} has nothing like it here")
    cell = layer.cell
    if type(layer).__name__ == "RNN":
        if type(cell).__module__ != "lamina.exchange.keras_layers":
            refuse(where, f"lamina has nothing that computes the same as its cell {type(cell).__name__}")
        found.add(cell.layer, found.arrays(cell.own, where), where, cell.own["weight"].shape[0])
        return
    f = _function_of(keras, layer.activation, where)
    if isinstance(f, str):
        refuse(where, f"its activation {f!r} is the end of a network here")
    names = {"weight": cell.kernel, "recurrent_weight": cell.recurrent_kernel, "bias": cell.bias}
    made = Recurrent(layer.units, f, return_sequences=layer.return_sequences, use_bias=layer.use_bias)
    found.add(made, found.arrays(names, where), where, cell.kernel.shape[0])


def _flatten(keras: Any, found: _Found, layer: Any, where: str) -> None:
    if len(layer.output.shape) != 2 or (found.parts and layer.input.shape != layer.output.shape):
        refuse(where, "behind the first layer only what is flat already goes through it")
    channels, *others = layer.input.shape[1:]
    if layer.data_format == "channels_first" and channels != 1 and any(size != 1 for size in others):
        refuse(
            where, "data_format='channels_first' puts the last axis first: permute it in the model, and flatten then"
        )
    if layer.output.shape[-1] is None or any(array.size > 1 for array in found.scales.values()):
        refuse(where, "what it makes rows of has to be of one size, and not normalised by column before")
    found.n_inputs = layer.output.shape[-1] if not found.parts else found.n_inputs


def _by_column(array: Any, where: str) -> Any:
    """What is one number, or one for each of the last axis, as (1,) or (columns,)."""
    if array.size > 1 and array.shape[-1] != array.size:
        refuse(where, f"its numbers, {array.shape}, are by place and not one for each of the last axis")
    return array.reshape(-1)


def _normalization(keras: Any, found: _Found, layer: Any, where: str) -> None:
    if layer.invert:
        refuse(where, "invert=True")
    arrays = found.arrays({"mean": layer.mean, "variance": layer.variance}, where)
    mean, variance = (_by_column(array, where) for array in arrays.values())
    if mean.size not in (1, found.n_inputs) and not found.parts:
        refuse(where, f"its axis {layer.axis} is not that of the inputs")
    deviation = np.maximum(np.sqrt(variance), mean.dtype.type(keras.config.epsilon()))
    found.normalization(mean, 1 / deviation, None, where)


def _rescaling(keras: Any, found: _Found, layer: Any, where: str) -> None:
    dtype = np.dtype(layer.compute_dtype)
    scale, offset = (_by_column(np.asarray(part, dtype), where) for part in (layer.scale, layer.offset))
    if not (scale > 0).all():
        refuse(where, f"its scale must be greater than 0; got {layer.scale}")
    size = max(scale.size, offset.size)
    scale, offset = np.broadcast_to(scale, size), np.broadcast_to(offset, size)
    if not found.parts:
        found.normalization(-offset / scale, scale.copy(), None, where)
        return
    far = np.full(size, np.finfo(dtype).max, dtype)
    found.target_scale({"mean": offset.copy(), "deviation": scale.copy(), "low": -far, "high": far}, where)


def _softmax(keras: Any, found: _Found, layer: Any, where: str) -> None:
    if layer.axis != -1:
        refuse(where, f"it goes along axis {layer.axis} and not the last one")
    found.end_with("softmax", where)


#: Functions of keras.activations that may be called on a tensor, by the name of the operation that they become.
_OPERATIONS = {name: name.lower() for name in ("Relu", "Sigmoid", "Tanh", "Silu", "Softsign", "Mish", "Relu6")}

#: By the name of Keras's class: what adds it.
_LAYERS: dict[str, Any] = {
    "Dense": _dense,
    "Activation": lambda keras, found, layer, where: _add_function(keras, found, layer.activation, where),
    "ReLU": _relu,
    "LeakyReLU": lambda keras, found, layer, where: found.activation(
        activations.get("leaky_relu", alpha=float(layer.negative_slope)), where
    ),
    "PReLU": _prelu,
    "ELU": lambda keras, found, layer, where: found.activation(activations.get("elu", alpha=float(layer.alpha)), where),
    "Softmax": _softmax,
    "BatchNormalization": _batch_norm,
    "Dropout": _dropout,
    "GaussianNoise": _noise,
    "SimpleRNN": _recurrent,
    "RNN": _recurrent,
    "Flatten": _flatten,
    "Normalization": _normalization,
    "Rescaling": _rescaling,
    "Identity": lambda keras, found, layer, where: None,
    **{
        operation: lambda keras, found, layer, where: _add_function(
            keras, found, getattr(keras.activations, _OPERATIONS[type(layer).__name__]), where
        )
        for operation in _OPERATIONS
    },
}


def _own_layer(keras: Any, found: _Found, layer: Any, where: str) -> None:
    found.add(layer.layer, found.arrays(layer.own, where), where)


def _own_normalization(keras: Any, found: _Found, layer: Any, where: str) -> None:
    p = found.arrays(layer.own, where)
    found.normalization(p["mean"], p["scale"], p.get("limit"), where)


#: By the name of one of ours: what adds it.
_OWN: dict[str, Any] = {
    "LaminaLayer": _own_layer,
    "Formula": lambda keras, found, layer, where: found.activation(layer.function.activation, where),
    "Normalization": _own_normalization,
    "TargetScale": lambda keras, found, layer, where: found.target_scale(found.arrays(layer.own, where), where),
    "Noise": _noise,
    "Members": lambda keras, found, layer, where: None,  # which the layers make of themselves
}


# The loss ---------------------------------------------------------------------------------------------------------

#: By Keras's function: the loss here, and its parameters by their names there.
_LOSSES: dict[str, tuple[str, dict[str, str]]] = {
    "mean_squared_error": ("squared_error", {}),
    "mean_absolute_error": ("absolute_error", {}),
    "huber": ("huber", {"delta": "delta"}),
    "log_cosh": ("log_cosh", {}),
    "poisson": ("poisson", {}),
    "categorical_crossentropy": ("cross_entropy", {"label_smoothing": "label_smoothing"}),
    "sparse_categorical_crossentropy": ("cross_entropy", {}),
    "binary_crossentropy": ("binary_cross_entropy", {"label_smoothing": "label_smoothing"}),
    "hinge": ("hinge", {}),
}


def _loss_of(keras: Any, given: Any, whose: str, rank: int) -> tuple[Any, str, bool]:
    """The loss that is compiled in or given, how to call it in errors, and whether it takes predictions.

    Means over the outputs and halves are left aside, which change only the size of a step.
    """
    if isinstance(given, (list, tuple)) and len(given) == 1:  # one for each output
        given = given[0]
    try:
        known = keras.losses.get(given)
    except (TypeError, ValueError):
        if isinstance(given, str):
            return losses.get(given), f"{whose}={given!r}", False
        known = given
    function = getattr(known, "fn", known)
    name, options = getattr(function, "__name__", repr(function)), dict(getattr(known, "_fn_kwargs", {}))
    called = getattr(type(known) if isinstance(known, keras.losses.Loss) else known, "__name__", in_short(known))
    told = f"{whose} {called}"
    if name not in _LOSSES or not _is_kerass(keras, known, function):
        raise ValueError(
            f"{told} is none that lamina has: give from_keras(model, loss=...), with one of lamina.losses.names() or "
            "with functions of your own, lamina.losses.custom(value, derivative)"
        )
    own, parameters = _LOSSES[name]
    usual = {option: parameter.default for option, parameter in inspect.signature(function).parameters.items()}
    for option, value in options.items():
        last = option == "axis" and value == rank - 1
        if option not in (*parameters, "from_logits") and value != usual[option] and not last:
            raise ValueError(
                f"{told} has {option}={value!r}, which lamina's {own} has not: give from_keras(model, loss=...)"
            )
    if (reduction := getattr(known, "reduction", "mean")) not in _MEANS:
        raise ValueError(
            f"{told} has reduction={reduction!r}, and lamina's losses are means over the rows: give "
            f"from_keras(model, loss={own!r}), and to fit a learning rate for a mean"
        )
    of_predictions = not options.get("from_logits", False)
    made = losses.get(own, **{ours: options[theirs] for theirs, ours in parameters.items() if theirs in options})
    return made, told, of_predictions


#: What Keras calls the mean over the rows.
_MEANS = ("sum_over_batch_size", "mean", "mean_with_sample_weight")


def _is_kerass(keras: Any, known: Any, function: Any) -> bool:
    """Whether a loss is one of Keras's functions, or an object of Keras's class for one, and not a user's."""
    own = [function] if known is function else [function, type(known)]
    return all(getattr(keras.losses, one.__name__, None) is one for one in own)
