"""PyTorch: networks as modules, and modules as networks."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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

__all__ = ["from_torch", "to_torch"]

#: By activation: PyTorch's module, its arguments that are parameters here, and those that have to have a value.
_MODULES: dict[str, tuple[str, dict[str, str], dict[str, Any]]] = {
    "identity": ("Identity", {}, {}),
    "logistic": ("Sigmoid", {}, {}),
    "tanh": ("Tanh", {}, {}),
    "relu": ("ReLU", {}, {}),
    "leaky_relu": ("LeakyReLU", {"negative_slope": "alpha"}, {}),
    "rrelu": ("RReLU", {"lower": "lower", "upper": "upper"}, {}),
    "prelu": ("PReLU", {}, {}),
    "elu": ("ELU", {"alpha": "alpha"}, {}),
    "softsign": ("Softsign", {}, {}),
    # Beyond the threshold PyTorch takes x for softplus(x): from 40 on that is so in float64, too.
    "softplus": ("Softplus", {}, {"beta": 1.0, "threshold": 40.0}),
    "saturation": ("Hardtanh", {}, {"min_val": -1.0, "max_val": 1.0}),
    "gelu": ("GELU", {}, {"approximate": "tanh"}),
    "gelu_exact": ("GELU", {}, {"approximate": "none"}),
    "silu": ("SiLU", {}, {}),
    "mish": ("Mish", {}, {}),
    "selu": ("SELU", {}, {}),
    "celu": ("CELU", {"alpha": "alpha"}, {}),
    "hard_sigmoid": ("Hardsigmoid", {}, {}),
    "hard_swish": ("Hardswish", {}, {}),
    "relu6": ("ReLU6", {}, {}),
}


def _need_torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise ImportError(f"this needs PyTorch; {how_to_install(['torch'])}") from error
    return torch


# Out --------------------------------------------------------------------------------------------------------------


def to_torch(net: Any, *, link: bool = False) -> Any:
    """Return a `torch.nn.Module` that computes what the network does, in its type, with its own copy of the weights.

    It is a `torch.nn.Sequential` of PyTorch's own modules wherever there is one that is exactly the same, else of small
    modules with lamina's formulas, and can be trained further. It comes in evaluation mode. The names in its
    `state_dict` begin with the layer's place in the list: ``"0.weight"`` is the first layer's. `lamina.from_torch` has
    the network back, to the last bit of its weights.

    Parameters
    ----------
    net : Network, CascadeNetwork or fitted estimator
        Of an estimator its `network_`.
    link : bool, default False
        False: outputs are those of `net.forward`, which PyTorch's losses take (logits). True: those of `net.predict`,
        by one module more at the end: probabilities, rates, or values in the targets' units.

    Returns
    -------
    torch.nn.Sequential
        Of a network for sequences a subclass that also takes ``module(x, lengths)``.

    Raises
    ------
    ImportError
        PyTorch is not there.
    ValueError
        The network has a custom activation.

    Notes
    -----
    Batch norm's momentum, epsilon and running variance are PyTorch's here, too: the variance that is kept is unbiased.
    In training an ensemble (`SharedDense`) gives (rows, members, outputs).

    Examples
    --------
    >>> module = lamina.to_torch(net)
    >>> module(torch.from_numpy(X))  # net.forward(X)
    """
    _need_torch()
    from torch import nn

    from lamina.exchange import torch_modules as own

    net = network_of(net, "net")
    if not isinstance(link, (bool, np.bool_)):
        raise TypeError(f"link must be True or False; got {link!r}")
    modules: OrderedDict[str, Any] = OrderedDict()
    scales = net.scales
    if scales:
        of_inputs = {name.partition(".")[2]: array for name, array in scales.items() if name.startswith("input.")}
        if of_inputs:
            modules["input"] = own.Normalization(of_inputs)
    pieces = pieces_of(net, {*_PLAIN, *formulas.LAYERS, "Recurrent"})
    for piece in pieces:
        for suffix, module in _modules_of(piece).items():
            modules[f"{piece.place}{suffix}"] = module
    if pieces[-1].outputs != net.n_outputs:
        modules["members"] = own.Members(pieces[-1].outputs // net.n_outputs, net.loss.link)
    if link:
        modules.update(_link_modules(net))
    steps = net.spec.recurrent
    return (own.Steps if steps else nn.Sequential)(modules).eval()


def _link_modules(net: Network) -> dict[str, Any]:
    from torch import nn

    from lamina.exchange import torch_modules as own

    made = {
        "identity": None,
        "softmax": nn.Softmax(dim=-1),
        "logistic": nn.Sigmoid(),
        "exponential": own.Exponential(),
    }[net.loss.link]
    of_targets = {name.partition(".")[2]: array for name, array in net.scales.items() if name.startswith("target.")}
    return {
        **({} if made is None else {"link": made}),
        **({"target": own.TargetScale(of_targets)} if of_targets else {}),
    }


def _modules_of(piece: Piece) -> dict[str, Any]:
    """The modules that stand for a layer, by what follows its place in their names."""
    from torch import nn

    from lamina.exchange import torch_modules as own

    layer, arrays = piece.layer, piece.arrays
    plain = _PLAIN.get(type(layer).__name__)
    made: dict[str, Any] | None = None if plain is None else plain(nn, own, piece)
    if made is not None:
        return made
    if isinstance(layer, Recurrent):
        return {"": own.RecurrentLayer(layer, arrays, piece.trained, piece.inputs)}
    return {"": own.Layer(layer, arrays, piece.trained, piece.inputs)}


def _activation_module(nn: Any, own: Any, f: Any, slope: Array | None, each_step: bool) -> Any:
    if f.name not in _MODULES:
        return own.Formula(f)
    name, parameters, fixed = _MODULES[f.name]
    if slope is None:
        given = {argument: f.params[parameter] for argument, parameter in parameters.items()}
        return getattr(nn, name)(**given, **fixed)
    module = nn.PReLU(len(slope))
    module.weight = nn.Parameter(own.tensor_of(slope))
    return own.EachStep(module) if each_step else module


def _plain_dense(nn: Any, own: Any, piece: Piece) -> dict[str, Any] | None:
    layer, arrays = piece.layer, piece.arrays
    if layer.parametric or layer.parametrization != "standard":
        return None
    linear = nn.Linear(piece.inputs, piece.outputs, layer.use_bias, device="meta")  # whose weights are not drawn
    linear.weight = nn.Parameter(own.tensor_of(arrays["weight"].T))
    if layer.use_bias:
        linear.bias = nn.Parameter(own.tensor_of(arrays["bias"]))
    f = layer.activation
    if f.name == "identity":
        return {"": linear}
    return {"": linear, f"_{f.name}": _activation_module(nn, own, f, arrays.get("slope"), piece.each_step)}


def _plain_activation(nn: Any, own: Any, piece: Piece) -> dict[str, Any] | None:
    if piece.layer.parametric:
        return None
    return {"": _activation_module(nn, own, piece.layer.activation, piece.arrays.get("slope"), piece.each_step)}


def _plain_batch_norm(nn: Any, own: Any, piece: Piece) -> dict[str, Any] | None:
    layer, arrays = piece.layer, piece.arrays
    norm = nn.BatchNorm1d(piece.inputs, eps=layer.epsilon, momentum=layer.momentum)
    norm.weight = nn.Parameter(own.tensor_of(arrays["gamma"]))
    norm.bias = nn.Parameter(own.tensor_of(arrays["beta"]))
    norm.running_mean = own.tensor_of(arrays["running_mean"])
    norm.running_var = own.tensor_of(arrays["running_variance"])
    return {"": own.EachStep(norm) if piece.each_step else norm}


#: By layer: what gives PyTorch's own modules for it, or None where they are not exactly the same.
_PLAIN: dict[str, Any] = {
    "Dense": _plain_dense,
    "Activation": _plain_activation,
    "BatchNorm": _plain_batch_norm,
    "Dropout": lambda nn, own, piece: {"": nn.Dropout(piece.layer.rate)},
    "GaussianNoise": lambda nn, own, piece: {"": own.Noise(piece.layer)},
}


# In ---------------------------------------------------------------------------------------------------------------


def from_torch(
    module: Any, layers: Sequence[Any] | None = None, *, n_inputs: int | None = None, loss: Any = None, seed: int = 0
) -> Network:
    """Return a `Network` that computes what a `torch.nn.Module` does in evaluation mode, with a copy of its weights.

    Parameters
    ----------
    module : torch.nn.Module, or a state_dict
        A `torch.nn.Sequential`, also of others, or a module of your own whose `forward` passes its input through one
        module or function after the other, of: `Linear`, the activations, `BatchNorm1d`, `Dropout`, `Identity`,
        `Flatten` (of what is flat), `RNN` (``batch_first=True``, one direction), and `Softmax`, `LogSoftmax` or
        `Sigmoid` at the end, which the loss has here. What `lamina.to_torch` gave comes back as it was.
    layers : list of layers, optional
        With a state_dict: the layers that its parameters belong to, in order. Each layer of an RNN's is one.
    n_inputs : int, optional
        Number of features, where no module says it.
    loss : str, loss or a loss module of PyTorch, optional
        By default what goes with the last module: "cross_entropy" with a softmax, "binary_cross_entropy" with a
        sigmoid, else "squared_error".
    seed : int, default 0
        Of the network, for what it draws from here on.

    Returns
    -------
    Network
        Its `predict` gives probabilities where the loss is one of classes, also where the module gave logits, which
        are `forward`'s. Its type is that of the parameters, float32 or float64.

    Raises
    ------
    ImportError
        PyTorch is not there.
    TypeError, ValueError
        A module that has no place in a network, by its name and place, or that has hooks, shares its weights with
        another, or computes something else in training than in evaluation; a loss with options that are not here;
        shapes that do not fit, types that are mixed.

    Warns
    -----
    UserWarning
        Parameters are frozen (``requires_grad_(False)``); it has the `rates` of `fit` that keep them so.

    Notes
    -----
    The module's own mode does not matter, and it stays. Weights that `weight_norm`, `spectral_norm`, pruning or other
    parametrizations make of others come as they are in evaluation, and are trained as plain ones from there on.

    Examples
    --------
    >>> net = lamina.from_torch(model, loss=torch.nn.CrossEntropyLoss())
    >>> net.fit(X, y)
    """
    torch = _need_torch()
    takes_probabilities = isinstance(loss, (torch.nn.BCELoss, torch.nn.NLLLoss))
    told = "" if isinstance(loss, losses.LossFunction) else f"loss={loss!r}"
    if loss is not None and not isinstance(loss, (str, losses.LossFunction)):
        loss = _loss_of(loss)
    found = _Found()
    if isinstance(module, torch.nn.Module):
        if layers is not None:
            raise TypeError("layers goes with a state_dict; a module says what its layers are")
        with _in_evaluation(module):
            _walk(found, module, "")
    elif isinstance(module, Mapping):
        if layers is None:
            raise TypeError("layers must be given with a state_dict: the layers that its parameters belong to")
        _match(found, module, layers)
    else:
        raise TypeError(f"module must be a torch.nn.Module or a state_dict; got {in_short(module)}")
    net = found.network(loss, n_inputs, seed, told=told, of_predictions=takes_probabilities)
    warn_of_frozen(net, found.frozen)
    return net


@dataclass(slots=True)
class _Found(Assembly):
    """What was found of a module, or of a state_dict.

    Attributes
    ----------
    frozen : dict
        By the names of parameters here: the module that does not train them.
    """

    frozen: dict[int | str, str] = field(default_factory=dict)
    _memory: dict[int, str] = field(default_factory=dict)

    def alone(self, tensors: Mapping[str, Any], where: str) -> None:
        """Take note of tensors that are trained; refused where one is another's, too: it would be trained apart."""
        for name, tensor in tensors.items():
            if not tensor.numel() or not tensor.data_ptr():
                continue
            other = self._memory.setdefault(tensor.data_ptr(), f"{name} of {where}")
            if other != f"{name} of {where}":
                refuse(where, f"its {name} is the {other.rstrip(',')}, too, and layers do not share weights here")

    def note_frozen(self, tensors: Mapping[str, Any], where: str) -> None:
        """Take note of what is not trained of the parameters of the layer that is at the end."""
        for name, tensor in tensors.items():
            if tensor is not None and not tensor.requires_grad:
                self.frozen[f"{len(self.parts) - 1}.{name}"] = where.rstrip(",")


@contextmanager
def _in_evaluation(module: Any) -> Iterator[None]:
    """Have all of a module in evaluation mode, with the weights that its hooks would make; then all is as it was.

    Refused where other hooks, or what else only a call would run, may change what it computes.
    """
    import torch

    _refuse_what_only_calls_run(module)
    parts = list(module.modules())
    modes = [part.training for part in parts]
    were: list[tuple[Any, str, Any]] = []
    # What a parametrization makes of trained parameters says so, whatever mode the caller is in.
    with torch.inference_mode(False), torch.enable_grad():
        try:
            _set_modes(parts, [False] * len(parts))
            for part in parts:
                for _, hook in _hooks(part):
                    before = dict(vars(part))
                    hook(part, ())
                    were += [(part, name, before[name]) for name in before if vars(part)[name] is not before[name]]
            yield
        finally:
            for part, name, value in reversed(were):
                setattr(part, name, value)
            _set_modes(parts, modes)


def _set_modes(parts: Sequence[Any], training: Sequence[bool]) -> None:
    """Set each module's own mode, without what a `train` of its class would do beside."""
    for part, mode in zip(parts, training, strict=True):
        part.training = mode


#: Hooks that make a weight of other parameters, and nothing else; newer releases of PyTorch may not have them.
_MAKERS_OF_WEIGHTS = {
    "torch.nn.utils.weight_norm.WeightNorm",
    "torch.nn.utils.spectral_norm.SpectralNorm",
    "torch.nn.utils.prune.BasePruningMethod",
}


def _refuse_what_only_calls_run(module: Any) -> None:
    """Refuse hooks by name, but those that make weights; a forward that was replaced; weights that are yet to come."""
    import torch
    from torch.nn.modules import module as of_all
    from torch.nn.parameter import UninitializedParameter

    for kind, hook in _hooks(of_all, "_global"):
        refuse(_place("", module), f"all modules have a {kind}, {_name_of(hook)}, which may change what they compute")
    for path, part in module.named_modules():
        where = _place(path, part)
        if any(isinstance(parameter, UninitializedParameter) for parameter in part.parameters(recurse=False)):
            refuse(where, "it has no weights yet: call the module on a batch first")
        if isinstance(part, torch.jit.ScriptModule) or type(part).__name__ == "OptimizedModule":
            refuse(where, "it is compiled: give the module that it was made of")
        if "forward" in vars(part):
            refuse(where, f"its forward was replaced by {_name_of(vars(part)['forward'])}")
        for kind, hook in _hooks(part):
            if not any(f"{base.__module__}.{base.__name__}" in _MAKERS_OF_WEIGHTS for base in type(hook).__mro__):
                refuse(where, f"it has a {kind}, {_name_of(hook)}, which may change what it computes: remove it first")


def _hooks(of: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """The hooks that run when a module is called, by kind; PyTorch has no other way to see them."""
    kinds = {"forward pre-hook": f"{prefix}_forward_pre_hooks", "forward hook": f"{prefix}_forward_hooks"}
    return [(kind, hook) for kind, name in kinds.items() for hook in vars(of)[name].values()]


def _name_of(function: Any) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def _loss_of(module: Any) -> Any:
    """The loss that a module of PyTorch's is; halves and factors, which change only the size of a step, aside."""
    from torch import nn

    name = type(module).__name__
    known: dict[str, tuple[str, dict[str, Any]]] = {
        "MSELoss": ("squared_error", {}),
        "L1Loss": ("absolute_error", {}),
        "HuberLoss": ("huber", {"delta": getattr(module, "delta", 1.0)}),
        "SmoothL1Loss": ("huber", {"delta": getattr(module, "beta", 1.0)}),
        "CrossEntropyLoss": ("cross_entropy", {"label_smoothing": getattr(module, "label_smoothing", 0.0)}),
        "NLLLoss": ("cross_entropy", {}),
        "BCEWithLogitsLoss": ("binary_cross_entropy", {}),
        "BCELoss": ("binary_cross_entropy", {}),
        "PoissonNLLLoss": ("poisson", {}),
    }
    if name not in known or type(module) is not getattr(nn, name):
        raise TypeError(
            f"loss must be a name, a loss of lamina.losses, or one of PyTorch's {', '.join(known)}; got {module!r}"
        )
    if _hooks(module) or "forward" in vars(module):
        raise ValueError(f"loss has hooks, which may change what it computes; got {module!r}")
    if getattr(module, "weight", None) is not None or getattr(module, "pos_weight", None) is not None:
        raise ValueError(f"loss has weights of classes: give {name}() and fit(..., class_weight=...)")
    if module.reduction != "mean":
        raise ValueError(
            f"loss has reduction={module.reduction!r}, and lamina's losses are means over the rows: give {name}()"
        )
    if getattr(module, "ignore_index", -100) != -100:
        raise ValueError(
            f"loss has ignore_index={module.ignore_index}: give {name}() and leave the rows of that class out, or "
            "fit(..., sample_weight=...) with 0 for them"
        )
    if not getattr(module, "log_input", True):
        raise ValueError("loss has log_input=False; a poisson loss takes the logarithm of the rate")
    if name == "SmoothL1Loss" and module.beta == 0:
        return losses.get("absolute_error")
    name, params = known[name]
    return losses.get(name, **params)


def _place(path: str, module: Any) -> str:
    return f"module {path}, {module!r}," if path else f"the module {type(module).__name__}"


def _walk(found: _Found, module: Any, path: str) -> None:
    """Add what a module is made of, in the order in which it computes."""
    from torch import nn

    from lamina.exchange import torch_modules as own

    if isinstance(module, nn.Sequential) and type(module).forward in (nn.Sequential.forward, own.Steps.forward):
        names = {id(child): name for name, child in module.named_children()}
        for child in module:  # which may come more than once
            name = names[id(child)]
            _walk(found, child, f"{path}.{name}" if path else name)
        return
    if isinstance(module, nn.Module) and type(module).__module__.startswith("torch.nn"):
        with refused_by_place(_place(path, module)):
            _add(found, module, _place(path, module))
        return
    if type(module).__module__ == own.__name__:
        _add_own(found, module, path)
        return
    _follow(found, module, path)


def _arrays(tensors: Mapping[str, Any]) -> dict[str, Array]:
    import torch

    from lamina.exchange.torch_modules import array_of

    for name, tensor in tensors.items():
        if tensor is not None and not isinstance(tensor, torch.Tensor):
            raise TypeError(
                f"a state_dict has tensors alone; {name!r} is {in_short(tensor)}. Of a checkpoint give "
                "the entry that is the model's state_dict"
            )
        if tensor is not None and tensor.dtype not in (torch.float16, torch.float32, torch.float64):
            raise ValueError(f"parameters must be all float32 or all float64; got {tensor.dtype} ({name})")
    return {name: array_of(tensor) for name, tensor in tensors.items() if tensor is not None}


def _add_own(found: _Found, module: Any, path: str) -> None:
    """Add a module that `to_torch` has made."""
    from lamina.exchange import torch_modules as own

    where = _place(path, module)
    if isinstance(module, own.Layer):
        found.once(module, where)
        found.alone(dict(module.named_parameters()), where)
        found.add(module.layer, _arrays(module.arrays()), where, module.inputs)
        found.note_frozen(module.arrays(), where)
    elif isinstance(module, own.EachStep):
        _add(found, module.module, where, each_step=True)
    elif isinstance(module, own.Noise):
        found.add(GaussianNoise(module.layer.deviation), {}, where)
    elif isinstance(module, own.Formula):
        found.activation(module.function.activation, where)
    elif isinstance(module, own.Normalization):
        scales = _arrays(dict(module.named_buffers()))
        found.normalization(scales["mean"], scales["scale"], scales.get("limit"), where)
    elif isinstance(module, own.TargetScale):
        found.target_scale(_arrays(dict(module.named_buffers())), where)
    elif isinstance(module, own.Exponential):
        found.end_with("exponential", where)
    else:
        assert isinstance(module, own.Members)  # which the layers make of themselves


def _add(found: _Found, module: Any, where: str, each_step: bool = False) -> None:
    """Add one of PyTorch's own modules."""
    from torch import nn

    if [*module.parameters(), *module.buffers()]:
        found.once(module, where)
        found.alone(dict(module.named_parameters()), where)
    if isinstance(module, nn.Linear):
        arrays = _arrays({"weight": module.weight.T, "bias": module.bias})
        found.add(Dense(module.out_features, use_bias=module.bias is not None), arrays, where, module.in_features)
        found.note_frozen({"weight": module.weight, "bias": module.bias}, where)
    elif isinstance(module, nn.BatchNorm1d):
        _add_batch_norm(found, module, where, each_step)
    elif isinstance(module, nn.Dropout):
        found.add(Dropout(module.p), {}, where)
    elif isinstance(module, nn.PReLU):
        slope = _arrays({"slope": module.weight})["slope"]
        if slope.size > 1 and not each_step:
            found.for_rows(where)
        found.activation(activations.get("prelu"), where, slope)
        found.note_frozen({"slope": module.weight}, where)
    elif isinstance(module, nn.RNN):
        _add_recurrent(found, module, where, last=False)
    elif isinstance(module, nn.Flatten):
        if module.start_dim not in (1, -1) or found.each_step:
            refuse(where, "only what is flat already goes through it")
    elif isinstance(module, (nn.Softmax, nn.LogSoftmax)):
        if module.dim not in (-1, 2 if found.each_step else 1):
            refuse(where, f"it has to go over the outputs, dim=-1; got dim={module.dim}")
        found.end_with("softmax", where)
    elif (f := _activation_of(module)) is not None:
        found.activation(f, where)
    else:
        refuse(where, "lamina has nothing that computes the same")


def _activation_of(module: Any) -> Any:
    """The activation that a module is; None where it is none of ours."""
    if type(module).__name__ == "Softplus" and module.beta == 1 and module.threshold >= 20:
        return activations.get("softplus")
    if type(module).__name__ == "Hardtanh" and (module.min_val, module.max_val) == (0, 6):
        return activations.get("relu6")
    for name, (kind, parameters, fixed) in _MODULES.items():
        if type(module).__name__ == kind and all(getattr(module, key) == value for key, value in fixed.items()):
            return activations.get(name, **{own: getattr(module, key) for key, own in parameters.items()})
    return None


def _add_batch_norm(found: _Found, module: Any, where: str, each_step: bool) -> None:
    if module.running_mean is None:
        refuse(where, "it keeps no running statistics")
    if module.momentum is None:
        refuse(where, "momentum=None, the plain average over all batches; lamina's moves by a share of each")
    arrays = _arrays({"running_mean": module.running_mean, "running_variance": module.running_var})
    mean = arrays["running_mean"]
    arrays |= {"gamma": np.ones_like(mean), "beta": np.zeros_like(mean)}
    arrays |= _arrays({"gamma": module.weight, "beta": module.bias})
    if not each_step:
        found.for_rows(where)
    found.add(BatchNorm(momentum=module.momentum, epsilon=module.eps), arrays, where, module.num_features)
    found.note_frozen({"gamma": module.weight, "beta": module.bias}, where)


def _add_recurrent(found: _Found, module: Any, where: str, last: bool) -> None:
    """Add a layer for each of the RNN's; with `last` the last one gives its last step alone."""
    if type(module).__name__ != "RNN":
        refuse(where, "of recurrent modules only RNN has a layer here")
    if not module.batch_first:
        refuse(where, "sequences are (rows, steps, features) here: batch_first=True")
    if module.bidirectional:
        refuse(where, "it goes both ways")
    for i in range(module.num_layers):
        top = i == module.num_layers - 1
        tensors = {name: getattr(module, f"{name}_l{i}", None) for name in _STATE_OF_RNN}
        layer = Recurrent(
            module.hidden_size, module.nonlinearity, return_sequences=not (top and last), use_bias=module.bias
        )
        inputs = module.input_size if i == 0 else module.hidden_size
        found.add(layer, _recurrent_arrays(_arrays(tensors)), where, inputs)
        input_bias, state_bias = tensors["bias_ih"], tensors["bias_hh"]
        trained_bias = state_bias if state_bias is not None and state_bias.requires_grad else input_bias
        named = {"weight": tensors["weight_ih"], "recurrent_weight": tensors["weight_hh"], "bias": trained_bias}
        found.note_frozen(named, where)
        if module.dropout and not top:
            found.add(Dropout(module.dropout), {}, where)


_STATE_OF_RNN = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def _recurrent_arrays(state: Mapping[str, Array]) -> dict[str, Array]:
    arrays = {"weight": state["weight_ih"].T, "recurrent_weight": state["weight_hh"].T}
    if "bias_ih" in state:  # PyTorch has two, which are always added
        arrays["bias"] = state["bias_ih"] + state["bias_hh"]
    return arrays


# A module with a forward of its own -------------------------------------------------------------------------------

#: Functions and methods that are modules by another name.
_FUNCTIONS = {
    "relu": "ReLU",
    "relu6": "ReLU6",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "leaky_relu": "LeakyReLU",
    "elu": "ELU",
    "celu": "CELU",
    "selu": "SELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "mish": "Mish",
    "softplus": "Softplus",
    "softsign": "Softsign",
    "hardtanh": "Hardtanh",
    "hardsigmoid": "Hardsigmoid",
    "hardswish": "Hardswish",
    "softmax": "Softmax",
    "log_softmax": "LogSoftmax",
    "dropout": "Dropout",
    "flatten": "Flatten",
}


def _follow(found: _Found, module: Any, path: str) -> None:
    """Add what a module's own `forward` calls, one after the other."""
    chain = _chain_in_both_modes(module, _place(path, module))
    at = 0
    while at < len(chain):
        node = chain[at]
        at += 1
        inner = f"{path}.{node.target}" if path else str(node.target)
        if node.op == "call_module":
            called = module.get_submodule(node.target)
            if type(called).__name__ == "RNN":
                found.once(called, _place(inner, called))
                found.alone(dict(called.named_parameters()), _place(inner, called))
                taken, last = _steps_taken(chain[at:], called.num_layers)
                if taken == 0:
                    refuse(
                        _place(inner, called), "what it gives is a pair: take the outputs, or the last step's, of it"
                    )
                _add_recurrent(found, called, _place(inner, called), last)
                at += taken
            else:
                _walk(found, called, inner)
        elif not (at == len(chain) and _drops_an_axis(node)):  # outputs are (rows, outputs) here, also a single one
            _add_call(found, node, _place(path, module))


def _chain_in_both_modes(module: Any, where: str) -> list[Any]:
    """What a module's `forward` calls in training, refused where evaluation has more than dropout less."""
    evaluated, trained = _traced(module, where, False), _traced(module, where, True)
    chain = _chain_of(evaluated, module, where)
    for node in chain:
        if _is_dropout(node) and _drops(node):
            refuse(
                f"dropout in the forward of {where.removesuffix(',')}",
                "it drops in evaluation, too: give it training=self.training",
            )
    known: dict[str, int] = {}
    if _computed(trained, module, known) != _computed(evaluated, module, known):
        refuse(where, "in training its forward computes something else than in evaluation, and not by dropout alone")
    chain = _chain_of(trained, module, where)
    return [node for node in chain if not _is_dropout(node) or _drops(node)]


def _traced(module: Any, where: str, training: bool) -> Any:
    """The graph of a module's own `forward` in a mode; the module stays as it is."""
    from torch import fx

    class Tracer(fx.Tracer):  # type: ignore[misc]
        def is_leaf_module(self, _module: Any, _name: str) -> bool:
            return True

    parts, before = list(module.modules()), set(vars(module))
    modes = [part.training for part in parts]
    try:
        _set_modes(parts, [training] * len(parts))
        return Tracer().trace(module)
    except Exception as error:  # whatever the module's own code says
        refuse(where, f"its forward cannot be followed{' in training' * training} ({error})")
    finally:
        _set_modes(parts, modes)
        for name in set(vars(module)) - before:  # constants that the tracer puts there
            delattr(module, name)


def _computed(graph: Any, module: Any, known: dict[str, int]) -> int:
    """A number for what a graph computes in evaluation, the same for what is computed in the same way."""
    from torch import fx, nn

    from lamina.exchange import torch_modules as own

    numbers: dict[Any, int] = {}
    for node in graph.nodes:
        called = module.get_submodule(node.target) if node.op == "call_module" else None
        through = _is_dropout(node) or isinstance(called, (nn.Dropout, nn.Identity, own.Noise))
        if through and node.args and node.args[0] in numbers:
            numbers[node] = numbers[node.args[0]]
            continue
        constant = node.op == "get_attr" and node.target.startswith("_tensor_constant")  # numbered as they come
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), numbers.__getitem__)
        options = {name: value for name, value in kwargs.items() if name != "training"}
        said = repr((node.op, "constant" if constant else node.target, args, options))
        numbers[node] = known.setdefault(said, len(known))
    return numbers[node]  # the last one is the output


def _is_dropout(node: Any) -> bool:
    return node.op == "call_function" and getattr(node.target, "__name__", "").rstrip("_") == "dropout"


def _drops(node: Any) -> bool:
    """Whether a call of dropout drops something in the mode in which it was traced."""
    return bool(node.kwargs.get("training", node.args[2] if len(node.args) > 2 else True))


def _drops_an_axis(node: Any) -> bool:
    """Whether a node makes (rows,) of (rows, 1)."""
    called = node.target if node.op == "call_method" else getattr(node.target, "__name__", "")
    return (
        called == "squeeze"
        and tuple(node.args[1:]) in ((), (-1,), (1,))
        and node.kwargs in ({}, {"dim": -1}, {"dim": 1})
    )


def _is_in_place(node: Any, module: Any) -> bool:
    """Whether a call changes what it is given."""
    from torch.fx.operator_schemas import normalize_function

    if node.op == "call_module":
        return any(getattr(part, "inplace", False) for part in module.get_submodule(node.target).modules())
    if node.op == "call_method":
        return str(node.target).endswith("_")
    if getattr(node.target, "__name__", "").endswith("_"):
        return True
    named = normalize_function(node.target, node.args, node.kwargs, normalize_to_only_use_kwargs=True)
    given = node.kwargs if named is None else named.kwargs
    return bool(given.get("inplace")) or given.get("out") is not None


def _chain_of(graph: Any, module: Any, where: str) -> list[Any]:
    """The nodes between the input and the output, each with the one before as its first argument."""
    chain: list[Any] = []
    node = next(node for node in graph.nodes if node.op == "output").args[0]
    while getattr(node, "op", None) in ("call_module", "call_function", "call_method"):
        chain.append(node)
        node = node.args[0] if node.args else None
    if getattr(node, "op", None) != "placeholder":
        refuse(where, "its forward has to give one output, made of its input step by step")
    used = {node, *chain}
    for other in graph.nodes:
        if other in used or other.op == "output" or (other.op == "placeholder" and not other.users):
            continue
        of_shape = other.op == "call_method" and other.target in ("size", "dim")
        if not of_shape and not (other.op == "placeholder" and other.args) and other.users:
            refuse(where, f"its forward is no chain: {other.name} goes beside it")
        if other.op.startswith("call_") and _is_in_place(other, module):
            refuse(where, f"{other.name} changes in place what its forward goes on with: go on with what it returns")
    for node in chain:
        tensors = [argument for argument in node.all_input_nodes if argument in used]
        if len(tensors) > 1:
            refuse(where, f"its forward is no chain: {node.name} takes {' and '.join(map(str, tensors))}")
    return chain[::-1]


def _steps_taken(following: Sequence[Any], layers: int) -> tuple[int, bool]:
    """How many nodes take outputs or last state from the pair that an RNN gives, and whether the last step alone."""
    import operator

    def index(node: Any) -> Any:
        return node.args[1] if node.op == "call_function" and node.target is operator.getitem else None

    if not following or (first := index(following[0])) not in (0, 1):
        return 0, False
    second = index(following[1]) if len(following) > 1 else None
    if first == 0:
        full = slice(None, None, None)
        last = second in ((full, -1), (full, -1, full))
        return (2, True) if last else (1, False)
    if second == -1 or (second == 0 and layers == 1):
        return 2, True
    squeezed = len(following) > 1 and following[1].op == "call_method" and following[1].target == "squeeze"
    return (2, True) if squeezed and following[1].args[1:] == (0,) and layers == 1 else (0, False)


def _add_reshape(found: _Found, node: Any, where: str) -> None:
    """See that a row stays a row: (rows, features), or what is to become of pictures in front of the first layer."""
    shape = node.args[1] if len(node.args) == 2 and isinstance(node.args[1], (tuple, list)) else node.args[1:]
    rows, columns = shape if len(shape) == 2 else (None, None)
    kept = rows == -1 or isinstance(rows, type(node))
    if found.each_step or not kept or not isinstance(columns, int) or columns not in (-1, found.width or columns):
        refuse(where, "rows have to stay rows")
    if columns != -1 and not found.parts and found.n_inputs is None:
        found.n_inputs = columns
    elif columns != -1 and found.width is None:
        refuse(where, "whether rows stay rows cannot be seen")


def _add_call(found: _Found, node: Any, where: str) -> None:
    """Add a function or method that is called on what goes through."""
    from torch import nn

    name = node.target if node.op == "call_method" else getattr(node.target, "__name__", str(node.target))
    where = f"{name} in the forward of {where.removesuffix(',')}"
    if name in ("view", "reshape"):
        _add_reshape(found, node, where)
        return
    name = name.rstrip("_")  # in place
    if name not in _FUNCTIONS:
        refuse(where, "lamina has nothing that computes the same")
    options = {
        key: value for key, value in node.kwargs.items() if key not in ("inplace", "training", "_stacklevel", "dtype")
    }
    given = [value for value in node.args[1:] if not isinstance(value, (bool, type(node)))]
    if name == "flatten" and not given:
        options.setdefault("start_dim", 0)  # of the module it is 1
    try:
        module = getattr(nn, _FUNCTIONS[name])(*given, **options)
    except TypeError as error:
        refuse(where, str(error))
    with refused_by_place(where):
        _add(found, module, where)


# A state_dict -----------------------------------------------------------------------------------------------------


def _match(found: _Found, state: Mapping[str, Any], layers: Sequence[Any]) -> None:
    """Add the layers, each with the next of the groups of parameters that share the beginning of their names."""
    groups: dict[str, dict[str, Array]] = {}
    for name, tensor in state.items():
        prefix, _, own = name.rpartition(".")
        if own == "num_batches_tracked":
            continue
        array = _arrays({own: tensor})
        found.alone({own: tensor} if own in array else {}, f"{prefix!r} of the state_dict")
        of_rnn = re.fullmatch(r"((?:weight|bias)_[ih]h)_l(\d+)((?:_reverse)?)", own)
        if of_rnn and array:  # each of its layers is one here
            own, prefix = f"{of_rnn[1]}{of_rnn[3]}", f"{prefix}, layer {of_rnn[2]}".removeprefix(", ")
            array = dict.fromkeys([own], *array.values())
        groups.setdefault(prefix, {}).update(array)
    left = list(groups.items())
    if left and {"mean", "scale"} <= set(left[0][1]):
        _, scales = left.pop(0)
        found.normalization(scales["mean"], scales["scale"], scales.get("limit"), "the normalisation")
    for i, layer in enumerate(layers):
        where = f"layers[{i}], {layer!r},"
        arrays: dict[str, Array] = {}
        for kind in _needs(layer):
            if not left:
                raise ValueError(
                    f"{where} finds no parameters: the state_dict has {len(groups)} groups, all of them taken"
                )
            prefix, group = left.pop(0)
            arrays |= _renamed(kind, group, f"{where} takes {prefix!r} of the state_dict, which")
        inputs = arrays["weight"].shape[0] if isinstance(layer, (Dense, Recurrent)) and "weight" in arrays else None
        found.add(layer, arrays, where, inputs)
    if left:
        rest = ", ".join(repr(prefix) for prefix, _ in left)
        raise ValueError(f"layers are too few: nothing takes {rest} of the state_dict")


def _needs(layer: Any) -> list[str]:
    """What groups a layer takes: of a module of PyTorch's, or its own, as `to_torch` names what PyTorch has not."""
    plain = getattr(layer, "parametrization", "standard") == "standard" and not getattr(layer, "parametric", False)
    slope = ["PReLU"] if getattr(getattr(layer, "activation", None), "name", "") == "prelu" else []
    if isinstance(layer, (Dense, Activation)) and plain:
        return ["Linear", *slope] if isinstance(layer, Dense) else slope
    if isinstance(layer, (Dropout, GaussianNoise)):
        return []
    return [{"BatchNorm": "BatchNorm1d", "Recurrent": "RNN"}.get(type(layer).__name__, "")]


def _renamed(kind: str, group: Mapping[str, Array], where: str) -> dict[str, Array]:
    """The parameters of a group under the names that they have here."""
    if kind == "Linear" and set(group) <= {"weight", "bias"} and "weight" in group and group["weight"].ndim == 2:
        return {name: array.T for name, array in group.items()}
    if kind == "PReLU" and set(group) == {"weight"} and group["weight"].ndim == 1:
        return {"slope": group["weight"]}
    names = {"weight": "gamma", "bias": "beta", "running_mean": "running_mean", "running_var": "running_variance"}
    if kind == "BatchNorm1d" and set(group) == set(names):
        return {names[name]: array for name, array in group.items()}
    if kind == "RNN" and "weight_ih" in group:
        if set(group) not in (set(_STATE_OF_RNN), set(_STATE_OF_RNN[:2])):
            raise ValueError(f"{where} should be that of an RNN in one direction; got {', '.join(group)}")
        return _recurrent_arrays(group)
    if kind in ("", "RNN"):
        return dict(group)
    raise ValueError(f"{where} should be that of a {kind}; got {', '.join(f'{n} {a.shape}' for n, a in group.items())}")
