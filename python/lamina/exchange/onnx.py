"""Networks from ONNX files: those that `lamina.export.onnx` wrote, and graphs of layers that lamina has."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NoReturn

import numpy as np

from lamina import activations
from lamina.cascade import CascadeNetwork
from lamina.data.arrays import Array
from lamina.export.expressions import expression
from lamina.export.onnx_graph import imported_onnx
from lamina.export.onnx_models import ABOUT, model_of
from lamina.files import path_of
from lamina.layers import Activation, BatchNorm, Dense, Recurrent, Scale
from lamina.network import Network
from lamina.selection.ensemble import Ensemble
from lamina.storage.container import Contents
from lamina.storage.forms import check_finite, form_of
from lamina.storage.parts import check_described

__all__ = ["from_onnx"]

#: By what an architecture calls it, as in model files.
_KINDS: dict[str | None, Any] = {None: Network, "CascadeNetwork": CascadeNetwork, "Ensemble": Ensemble}
_FLOATS = {"float16": "float32", "float32": "float32", "float64": "float64"}
# Outputs that hold what a network predicts, where a graph has several.
_PREDICTIONS = ("prediction", "probabilities", "output_probability", "variable")
# The longest chain of nodes that is tried as one activation, and how near it has to be to it.
_LONGEST, _NEAR = 100, 1e-5
_UNKNOWN = "lamina has nothing like it"


def from_onnx(model: Any, output: str | None = None) -> Any:
    """Return the network that an ONNX file holds; it predicts what the file does, to rounding, and can be trained on.

    Parameters
    ----------
    model : str, path-like or onnx.ModelProto
    output : str, optional
        The output to read, where there are several and none is called ``prediction``, ``probabilities`` or
        ``variable``.

    Returns
    -------
    Network, CascadeNetwork or Ensemble
        Of a file from `lamina.export.onnx` the network that was exported, to the bit, that of an estimator included. Of
        another graph a `Network`: a chain of dense layers, activations, batch norm and recurrent layers. A softmax at
        its end (or a logarithm of one) becomes the loss ``"cross_entropy"``, a sigmoid ``"binary_cross_entropy"``, an
        exponential ``"poisson"``; else the loss is ``"squared_error"``. `predict` returns probabilities also where the
        graph has their logarithms. Scales and shifts in front are the normalisation of the inputs. Sequences are
        (rows, steps, features), also where the graph has the steps first.

    Raises
    ------
    ImportError
        The package `onnx` is not there.
    FileNotFoundError
    ValueError
        It is no ONNX model, or has an operator that lamina has no counterpart for; the message names it and its node.

    Examples
    --------
    >>> net = lamina.from_onnx("model.onnx")  # doctest: +SKIP
    """
    onnx = imported_onnx()
    proto = model if isinstance(model, onnx.ModelProto) else _loaded(onnx, path_of(model))
    about = _about(proto)
    if "architecture" in about:
        ours = _exported(onnx, proto, about)
        if ours is not None:
            return ours
    elif "estimator" in about:
        raise ValueError(
            f"the file holds a {about['estimator']} with what it makes of its inputs, which no network has: keep it by "
            "pickle, or by its `save`, which lamina.load reads"
        )
    try:
        return _Reader(onnx, proto, output).network()
    except (KeyError, IndexError) as error:  # of names, attributes or inputs that should be there
        raise ValueError(f"the model is not a sound one of ONNX: {error} is missing") from error


def _loaded(onnx: Any, path: str) -> Any:
    from google.protobuf.message import DecodeError

    try:
        return onnx.load(path)
    except (DecodeError, onnx.checker.ValidationError) as error:
        raise ValueError(f"{path} is no ONNX model: {error}") from None


def _numbers_of(onnx: Any, graph: Any) -> dict[str, Array]:
    """The arrays of a graph by name."""
    arrays = {}
    for each in graph.initializer:
        try:
            arrays[each.name] = onnx.numpy_helper.to_array(each)
        except Exception as error:  # of types, shapes and bytes that do not fit: the package has many of its own
            raise ValueError(f"the numbers {each.name!r} cannot be read: {error}") from None
    return arrays


# Files of lamina's -----------------------------------------------------------------------------------------------


def _about(proto: Any) -> dict[str, Any]:
    """What lamina has written about a model; nothing of a model from elsewhere."""
    text = {entry.key: entry.value for entry in proto.metadata_props}.get(ABOUT, "{}")
    try:
        about = json.loads(text)
    except ValueError:
        return {}
    return about if isinstance(about, dict) else {}


def _exported(onnx: Any, proto: Any, about: Mapping[str, Any]) -> Any:
    """The network that was exported; None where the graph is another than its export would be."""
    arrays = _numbers_of(onnx, proto.graph)
    try:
        architecture = about["architecture"]
        kind = _KINDS[architecture.get("network")]
        forms = kind.forms_of(architecture)
        names = set(forms.needed).union(*forms.together) & set(arrays)
        own = {name: np.array(arrays[name]) for name in names}
        forms.check({name: form_of(array) for name, array in own.items()})
        check_finite(own)
        metadata = {str(key): str(text) for key, text in about.get("metadata", {}).items()}
        net = kind.from_contents(Contents(architecture, own, metadata))
        check_described(architecture, net.architecture())
    except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError):
        return None
    written = model_of(net).graph
    *nodes, _ = written.node  # the last one names the output
    given = {each.name: each.SerializeToString(deterministic=True) for each in proto.graph.initializer}
    same = all(given.get(each.name) == each.SerializeToString(deterministic=True) for each in written.initializer)
    return net if same and nodes == list(proto.graph.node[: len(nodes)]) else None


# Graphs from elsewhere -------------------------------------------------------------------------------------------


@dataclass
class _Step:
    """A layer that was found."""

    layer: Any
    arrays: dict[str, Array]


@dataclass
class _Affine:
    """(x - mean) scale, not yet part of a layer."""

    mean: Array
    scale: Array
    node: Any


@dataclass
class _Chain:
    """What was found from the input on."""

    steps: list[_Step] = field(default_factory=list)
    affine: _Affine | None = None
    normalization: tuple[Array, Array] | None = None
    link: str = "identity"


class _Reader:
    """Follows the graph from its input to its output, a node or a few at a time."""

    def __init__(self, onnx: Any, proto: Any, output: str | None) -> None:
        self._onnx, self._proto = onnx, proto
        graph = proto.graph
        self._version = max((each.version for each in proto.opset_import if each.domain in ("", "ai.onnx")), default=1)
        self._constants = _numbers_of(onnx, graph)
        if graph.sparse_initializer:
            raise ValueError("sparse initializers are not read; make them dense")
        inputs = {each.name: each for each in graph.input if each.name not in self._constants}
        self._output = self._chosen(graph, output)
        self._nodes = self._needed(graph.node)
        self._fold()
        self._take_from_concat()
        self._nodes = self._needed(self._nodes)
        self._users: dict[str, list[Any]] = {}
        for node in self._nodes:
            for name in dict.fromkeys(node.input):
                self._users.setdefault(name, []).append(node)
        self._chain = _Chain()
        self._time: int | None = None  # the axis of the steps, of sequences
        self._at, self._width = self._start(inputs)

    # What is to be followed ---------------------------------------------------------------------------------------

    def _chosen(self, graph: Any, output: str | None) -> str:
        names = [each.name for each in graph.output]
        if output is not None:
            if output not in names:
                raise ValueError(f"output must be one of {names}; got {output!r}")
            return output
        known = [name for name in _PREDICTIONS if name in names]
        if len(names) > 1 and not known:
            raise ValueError(f"the graph has several outputs: name one of {names} as `output`")
        return str(known[0] if known else names[0])

    def _needed(self, given: Any) -> list[Any]:
        """The nodes that the output is made of."""
        wanted, nodes = {self._output}, []
        for node in reversed(given):
            if wanted.intersection(node.output):
                nodes.append(node)
                wanted.update(node.input)
        return nodes[::-1]

    def _fold(self) -> None:
        """Evaluate what depends on no input, but for shapes: of a state that begins with zeros any size will do."""
        left: list[Any] = []
        of_shapes: set[str] = set()
        for node in self._nodes:
            names = [name for name in node.input if name]
            if node.op_type == "Shape" or (of_shapes.intersection(names) and self._known(names, of_shapes)):
                if node.op_type in ("ConstantOfShape", "Expand") and self._is_zero(node):
                    self._constants[node.output[0]] = np.zeros(1, np.float32)
                else:
                    of_shapes.update(node.output)
            elif all(name in self._constants for name in names) and not _has_body(node) and not _is_drawn(node):
                try:
                    values = self._evaluated([node], {})
                except Exception as error:  # whatever an operator raises of inputs that are not its own
                    self._refuse(node, f"of these constants it gives nothing: {error}")
                for name, value in zip(node.output, values, strict=True):
                    self._constants[name] = np.asarray(value)
            else:
                left.append(node)
        self._nodes = left

    def _take_from_concat(self) -> None:
        """Have what takes one of several last states, put together, take it where it is."""
        made = {name: node for node in self._nodes for name in node.output}
        for i, node in enumerate(self._nodes):
            together = made.get(node.input[0]) if node.input else None
            if node.op_type != "Gather" or together is None or together.op_type != "Concat":
                continue
            place, states = self._constants.get(node.input[1]), list(together.input)
            axes = [self._attributes(each).get("axis", 0) for each in (node, together)]
            if place is None or place.ndim or any(axes) or any(name not in _last_states(made) for name in states):
                continue
            new = self._onnx.NodeProto()
            new.CopyFrom(node)
            new.input[0], new.input[1] = states[int(place)], f"{node.output[0]}/place"
            self._constants[new.input[1]] = np.array(0)
            self._nodes[i] = new

    def _known(self, names: Iterable[str], of_shapes: set[str]) -> bool:
        return all(name in of_shapes or name in self._constants for name in names)

    def _is_zero(self, node: Any) -> bool:
        if node.op_type == "Expand":
            value = self._constants.get(node.input[0])
            return value is not None and not np.any(value)
        given = self._attributes(node).get("value")
        return given is None or not np.any(self._onnx.numpy_helper.to_array(given))

    def _start(self, inputs: Mapping[str, Any]) -> tuple[str, int]:
        """The value to follow, and how many features it has."""
        used = [name for name in inputs if name in self._users and not self._is_lengths(name)]
        first = self._users[used[0]][0] if used else None
        if len(used) > 1 and first is not None and first.op_type == "Concat" and list(first.input) == used:
            shapes = [self._shape_of(inputs[name]) for name in used]
            if all(len(shape) == 2 and shape[1] for shape in shapes):  # columns side by side
                return first.output[0], sum(shape[1] for shape in shapes)
        if len(used) != 1:
            raise ValueError(f"the graph must have one input that its output depends on; got {used}")
        shape = self._shape_of(inputs[used[0]])
        width = math.prod(shape[1:]) if self._is_flattened(used[0]) else shape[-1] if len(shape) > 1 else 0
        return used[0], width or self._first_width(used[0])

    def _first_width(self, name: str) -> int:
        """How many features the first matrix takes, where the input does not say it."""
        for node in self._nodes:
            weight = self._constant(node, 1) if node.op_type in ("Gemm", "MatMul", "RNN") else None
            if weight is not None and weight.ndim > 1:
                turned = node.op_type == "RNN" or self._attributes(node).get("transB", 0)
                return int(weight.shape[-1 if turned else 0])
        raise ValueError(f"the input {name!r} must say how many features it has")

    def _is_lengths(self, name: str) -> bool:
        return all(node.op_type == "RNN" and list(node.input).index(name) == 4 for node in self._users[name])

    def _is_flattened(self, name: str) -> bool:
        return all(node.op_type in ("Flatten", "Reshape") for node in self._users[name])

    @staticmethod
    def _shape_of(info: Any) -> list[int]:
        """The sizes of the axes of an input, 0 where one may have any."""
        return [each.dim_value for each in info.type.tensor_type.shape.dim]

    # Walking ------------------------------------------------------------------------------------------------------

    def network(self) -> Network:
        """Return the network."""
        while self._at != self._output:
            users = self._users.get(self._at, [])
            if not users:
                raise ValueError(f"the output {self._output!r} does not follow from the input by one chain of nodes")
            node = users[0]
            read = _READERS.get(_called(node)) if len(users) == 1 else None
            if read is None or not read(self, node):
                self._read_activation(node)
        return self._built()

    def _refuse(self, node: Any, why: str = _UNKNOWN) -> NoReturn:
        raise ValueError(f"the operator {_called(node)} of node {node.name or node.output[0]!r} cannot be read: {why}")

    def _attributes(self, node: Any) -> dict[str, Any]:
        return {each.name: self._onnx.helper.get_attribute_value(each) for each in node.attribute}

    def _evaluated(self, nodes: list[Any], feeds: Mapping[str, Array]) -> list[Any]:
        """What the last of these nodes gives, of constants and `feeds`."""
        from onnx.reference import ReferenceEvaluator

        helper = self._onnx.helper
        made = {name for node in nodes for name in node.output}
        names = dict.fromkeys(name for node in nodes for name in node.input if name and name not in made)
        values = {name: feeds[name] if name in feeds else self._constants[name] for name in names}
        infos = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            for name, value in values.items()
        ]
        outputs = [self._onnx.ValueInfoProto(name=name) for name in nodes[-1].output if name]
        graph = helper.make_graph(nodes, "part", infos, outputs)
        model = helper.make_model(graph, opset_imports=self._proto.opset_import, ir_version=self._proto.ir_version)
        return list(ReferenceEvaluator(model).run(None, values))

    def _constant(self, node: Any, place: int) -> Array | None:
        """An argument that is a constant, float64; None where it is none, or not there."""
        name = node.input[place] if place < len(node.input) else ""
        value = self._constants.get(name)
        return None if value is None else np.asarray(value, np.float64)

    def _by_column(self, constant: Array | None) -> Array | None:
        """What is one number, or one for each column, as (columns,); None where it is neither."""
        if constant is None or (constant.size > 1 and constant.shape[-1] != constant.size):
            return None
        return np.broadcast_to(constant.reshape(-1), (self._width,)) if constant.size in (1, self._width) else None

    def _passes(self, node: Any) -> bool:
        self._at = node.output[0]
        return True

    def _add(self, node: Any, layer: Any, **arrays: Array | None) -> bool:
        self._chain.steps.append(_Step(layer, {name: a for name, a in arrays.items() if a is not None}))
        return self._passes(node)

    # Operators ----------------------------------------------------------------------------------------------------

    def _cast(self, node: Any) -> bool:
        return self._passes(node) if self._makes_floats(node) else self._refuse(node, "it makes whole numbers or text")

    def _makes_floats(self, cast: Any) -> bool:
        wanted = self._onnx.helper.tensor_dtype_to_np_dtype(self._attributes(cast)["to"])
        return wanted.name in _FLOATS

    def _unchanged(self, node: Any) -> bool:
        if self._constant(node, 2) is not None and np.any(self._constant(node, 2)):
            self._refuse(node, "it is one in training")
        return self._passes(node)

    def _reshape(self, node: Any) -> bool:
        """One that makes rows of what are rows, or that flattens the axes of an input."""
        if self._time is not None:
            self._refuse(node, "of sequences it may change which step is which")
        if node.op_type == "Flatten":
            if self._attributes(node).get("axis", 1) == 1:
                return self._passes(node)
            self._refuse(node, "its axis is not 1")
        shape = self._constant(node, 1)
        if shape is not None and len(shape) == 2 and shape[1] in (-1, self._width) and shape[0] in (-1, 0, 1):
            return self._passes(node)
        self._refuse(node, f"it does not make rows of {self._width} numbers")

    def _gemm(self, node: Any) -> bool:
        given = self._attributes(node)
        weight = self._constant(node, 1)
        bias = self._constant(node, 2)
        if weight is None or given.get("transA", 0) or (bias is None and len(node.input) > 2 and node.input[2]):
            self._refuse(node, "its second and third inputs must be constants, the first as it is")
        weight = (weight.T if given.get("transB", 0) else weight) * given.get("alpha", 1.0)
        return self._dense(node, weight, None if bias is None else bias * given.get("beta", 1.0))

    def _matmul(self, node: Any) -> bool:
        weight = self._constant(node, 1)
        if weight is None or weight.ndim != 2:
            self._refuse(node, "its second input must be a constant matrix")
        return self._dense(node, weight, None)

    def _dense(self, node: Any, weight: Array, bias: Array | None) -> bool:
        if weight.shape[0] != self._width:
            self._refuse(node, f"it takes {weight.shape[0]} numbers where there are {self._width}")
        self._width = weight.shape[1]
        if bias is not None and (bias := self._by_column(bias)) is None:
            self._refuse(node, f"its third input must be one number or {self._width}, one for each column")
        affine = self._take_affine(weight.shape[0])
        if affine is not None:
            shift = -(affine.mean * affine.scale) @ weight
            weight, bias = affine.scale[:, np.newaxis] * weight, shift if bias is None else bias + shift
        return self._add(node, Dense(self._width, use_bias=bias is not None), weight=weight, bias=bias)

    def _shifted_or_scaled(self, node: Any) -> bool:
        """Read x + c, x - c, c - x, c x or x / c."""
        turned = node.input[0] != self._at
        c = self._by_column(self._constant(node, 0 if turned else 1))
        if c is None or (node.op_type == "Div" and (turned or not c.all())):
            return False
        if node.op_type == "Add":
            return self._scaled(node, 1, c)
        if node.op_type == "Sub":
            return self._scaled(node, -1, c) if turned else self._scaled(node, 1, -c)
        return self._scaled(node, c if node.op_type == "Mul" else 1 / c, 0)

    def _scaler(self, node: Any) -> bool:
        """(x - offset) scale."""
        given = self._attributes(node)
        offset, scale = (np.broadcast_to(np.array(given[n], np.float64), (self._width,)) for n in ("offset", "scale"))
        return self._scaled(node, 1, -offset) and self._scaled(node, scale, 0)

    def _scaled(self, node: Any, factor: Any, shift: Any) -> bool:
        """Take note of factor x + shift: part of the dense layer before it, or of a later one."""
        last = self._chain.steps[-1] if self._chain.steps else None
        if last is not None and isinstance(last.layer, Dense) and last.layer.activation.name == "identity":
            bias = last.arrays.get("bias", np.zeros(self._width)) * factor + shift
            self._chain.steps[-1] = _Step(Dense(self._width), {"weight": last.arrays["weight"] * factor, "bias": bias})
            return self._passes(node)
        old = self._chain.affine or _Affine(np.zeros(self._width), np.ones(self._width), node)
        if not np.all(old.scale):
            self._refuse(node, "a scale of 0 comes before it")
        self._chain.affine = _Affine(old.mean - shift / (factor * old.scale) if np.any(shift) else old.mean,
                                     old.scale * factor, node)  # fmt: skip
        return self._passes(node)

    def _take_affine(self, width: int) -> _Affine | None:
        """What was scaled and shifted and is to be part of the layer that comes; at the start it is a normalisation."""
        affine, self._chain.affine = self._chain.affine, None
        if affine is None:
            return None
        if not self._chain.steps and (affine.scale > 0).all():
            self._chain.normalization = affine.mean, affine.scale
            return None
        return affine

    def _settle_affine(self) -> None:
        """Make a layer of what was scaled before one that has no weights."""
        affine = self._take_affine(self._width)
        if affine is None:
            return
        if np.any(affine.mean):
            self._refuse(affine.node, "no dense layer comes before or behind it that could have the shift")
        self._chain.steps.append(_Step(Scale(), {"scale": affine.scale}))

    def _batch_norm(self, node: Any) -> bool:
        names = ("gamma", "beta", "running_mean", "running_variance")
        arrays = {name: self._constant(node, i + 1) for i, name in enumerate(names)}
        given = self._attributes(node)
        if any(array is None for array in arrays.values()) or given.get("training_mode", 0) or self._time is not None:
            self._refuse(node, "it must be one of rows, with constants, and not in training")
        self._settle_affine()
        epsilon = float(str(np.float32(given.get("epsilon", 1e-5))))
        momentum = round(1 - given.get("momentum", 0.9), 6)
        return self._add(node, BatchNorm(momentum=momentum, epsilon=epsilon), **arrays)

    def _prelu(self, node: Any) -> bool:
        slope = self._by_column(self._constant(node, 1))
        if slope is None:
            self._refuse(node, f"its slopes must be constants, one or {self._width}, one for each column")
        return self._activated(node, activations.get("prelu"), slope)

    def _hard_sigmoid(self, node: Any) -> bool:
        """clip(a x + b, 0, 1) is clip(z + 3, 0, 6) / 6 for z = 6 a x + 6 b - 3."""
        given = self._attributes(node)
        a, b = given.get("alpha", 0.2), given.get("beta", 0.5)
        if abs(6 * a - 1) > _NEAR or abs(b - 0.5) > _NEAR:
            self._scaled(node, np.full(self._width, 6 * a), np.full(self._width, 6 * b - 3))
        return self._activated(node, activations.get("hard_sigmoid"))

    def _softmax(self, node: Any) -> bool:
        # Before version 13 it was over all axes from this one on.
        axis = self._attributes(node).get("axis", -1 if self._version >= 13 else 1)
        if axis not in (-1, 1 if self._time is None else 2) or self._follows(node):
            self._refuse(node, "lamina has it at the end alone, over the outputs")
        return self._linked(node, "softmax")

    def _sigmoid(self, node: Any) -> bool:
        if self._follows(node):
            return self._of_two_classes(node)
        return self._linked(node, "logistic")

    def _of_two_classes(self, node: Any) -> bool:
        """Where what follows is [1 - p, p], and the end: p = logistic(z) is the second of softmax([0, z])."""
        users = {each.op_type: each for each in self._users[node.output[0]]}
        last = self._chain.steps[-1] if self._chain.steps else None
        if users.keys() != {"Sub", "Concat"} or last is None or not isinstance(last.layer, Dense):
            return False
        rest, both = users["Sub"], users["Concat"]
        one = self._constant(rest, 0)
        if (one is None or (one != 1).any() or list(both.input) != [rest.output[0], node.output[0]]
                or self._width != 1 or last.layer.activation.name != "identity" or self._follows(both)):  # fmt: skip
            return False
        wide = {name: np.concatenate([np.zeros_like(a), a], axis=-1) for name, a in last.arrays.items()}
        self._chain.steps[-1] = _Step(Dense(2, use_bias=last.layer.use_bias), wide)
        self._width = 2
        return self._linked(both, "softmax")

    def _exp(self, node: Any) -> bool:
        return not self._follows(node) and self._linked(node, "exponential")

    def _follows(self, node: Any) -> bool:
        """Whether more than a change of names comes behind a node."""
        at = node.output[0]
        while at != self._output:
            users = self._users.get(at, [])
            if len(users) != 1 or not (
                users[0].op_type == "Identity" or (users[0].op_type == "Cast" and self._makes_floats(users[0]))
            ):
                return True
            at = users[0].output[0]
        return False

    def _linked(self, node: Any, link: str) -> bool:
        passed = self._passes(node)
        while self._at != self._output:
            self._at = self._users[self._at][0].output[0]
        self._chain.link = link
        return passed

    # Sequences ----------------------------------------------------------------------------------------------------

    def _transpose(self, node: Any) -> bool:
        """Steps and rows change places."""
        if list(self._attributes(node).get("perm", [])) != [1, 0, 2]:
            self._refuse(node, "of its axes it may swap rows and steps alone")
        if self._time is None:
            users = self._users.get(node.output[0], [])
            if [user.op_type for user in users] != ["RNN"]:
                self._refuse(node, "no recurrent layer follows")
            return self._passes(node)
        self._time = 1 - self._time
        return self._passes(node)

    def _rnn(self, node: Any) -> bool:
        given = self._attributes(node)
        names = [each.decode() for each in given.get("activations", [b"Tanh"])]
        weight, recurrent, bias = (self._constant(node, i) for i in (1, 2, 3))
        state = self._constant(node, 5)
        if weight is None or recurrent is None or given.get("direction", b"forward") != b"forward" or "clip" in given:
            self._refuse(node, "it must go forward, with constant weights, and not be clipped")
        if (len(node.input) > 5 and node.input[5] and (state is None or state.any())) or given.get("layout", 0):
            self._refuse(node, "its first state must be zeros, and its layout 0")
        if self._constant(node, 4) is not None:
            self._refuse(node, "how long its sequences are is a constant: it must be an input, or left out")
        settled = self._chain.affine
        units = recurrent.shape[1]
        weight, shift = weight[0].T, np.zeros(units)
        if settled is not None and (affine := self._take_affine(self._width)) is not None:
            shift = -(affine.mean * affine.scale) @ weight
            weight = affine.scale[:, np.newaxis] * weight
        bias = None if bias is None else bias[0, :units] + bias[0, units:]
        bias = bias if not shift.any() else shift + (0 if bias is None else bias)
        f = self._activation_named(node, names[0], given)
        last = not node.output[0] or node.output[0] not in self._users
        if not last and len(node.output) > 1 and node.output[1] in self._users:
            self._refuse(node, "all of its steps and the last one are used")
        layer = Recurrent(units, f, return_sequences=not last, use_bias=bias is not None)
        self._chain.steps.append(_Step(layer, {"weight": weight, "recurrent_weight": recurrent[0].T,
                                               **({} if bias is None else {"bias": bias})}))  # fmt: skip
        self._width = units
        squeezed = self._only_user(node, node.output[1 if last else 0])
        axis = 0 if last else 1
        if squeezed.op_type == "Squeeze":
            axes = self._constant(squeezed, 1)
            axes = self._attributes(squeezed).get("axes") if axes is None else axes
            if list(axes if axes is not None else []) != [axis]:
                self._refuse(squeezed, f"of the recurrent layer it has to take axis {axis}, that of directions")
        elif squeezed.op_type == "Gather" and last:
            place = self._constants.get(squeezed.input[1])
            if self._attributes(squeezed).get("axis", 0) or place is None or place.ndim or int(place) not in (0, -1):
                self._refuse(squeezed, "of the recurrent layer it has to take axis 0, that of directions")
        else:
            self._refuse(squeezed, "the axis of directions has to be taken off first")
        self._time = None if last else 0
        return self._passes(squeezed)

    def _only_user(self, node: Any, name: str) -> Any:
        users = self._users.get(name, [])
        if len(users) != 1:
            self._refuse(node, "its output is used more than once, or not at all")
        return users[0]

    def _activation_named(self, node: Any, name: str, given: Mapping[str, Any]) -> Any:
        """The activation of a recurrent operator, which is called as an operator is."""
        alphas = given.get("activation_alpha", [])
        attributes = {"alpha": alphas[0]} if len(alphas) else {}
        if name in ("Affine", "ScaledTanh"):
            self._refuse(node, f"its activation is {name}")
        made = self._onnx.helper.make_node(name, ["x"], ["y"], **attributes)
        f = self._recognised([made], "x", "y")
        return f if f is not None else self._refuse(node, f"its activation is {name}")

    def _last_step(self, node: Any) -> bool:
        """The entry -1 of the axis of steps."""
        place = self._constants.get(node.input[1])
        axis = self._attributes(node).get("axis", 0)
        if self._time is None or place is None or place.ndim or int(place) != -1 or axis != self._time:
            self._refuse(node, "of an axis of steps it may take the last one alone")
        for i in reversed(range(len(self._chain.steps))):
            step = self._chain.steps[i]
            if isinstance(step.layer, Recurrent):
                params = {**step.layer.params, "return_sequences": False}
                self._chain.steps[i] = _Step(Recurrent(**params), step.arrays)
                break
        self._time = None
        return self._passes(node)

    # Activations --------------------------------------------------------------------------------------------------

    def _read_activation(self, first: Any) -> None:
        """Take nodes from here on, element by element, that together are an activation, whatever they are made of."""
        inside, values = [], {self._at}
        for node in self._nodes[self._nodes.index(first) :]:
            dynamic = [name for name in node.input if name and name not in self._constants]
            if not values.issuperset(dynamic) or not self._element_wise(node):
                continue
            inside.append(node)
            values.add(node.output[0])
            open_ = {name for name in values if any(user not in inside for user in self._users.get(name, []))}
            open_ |= {self._output} & values
            if open_ == {node.output[0]} and (f := self._recognised(inside, self._at, node.output[0])) is not None:
                self._activated(node, f)
                return
            if len(inside) == _LONGEST:
                break
        self._refuse(first)

    def _element_wise(self, node: Any) -> bool:
        """Whether a node may be a part of an activation: of numbers that are the same for all units."""
        if _has_body(node) or len([name for name in node.output if name]) != 1 or node.domain not in ("", "ai.onnx"):
            return False
        return all(self._constants[name].size == 1 for name in node.input if name in self._constants)

    def _recognised(self, nodes: list[Any], at: str, output: str) -> Any:
        """The activation of the registry whose values these nodes give; None where there is none."""
        numbers = {0.0}
        for node in nodes:
            for value in self._attributes(node).values():
                numbers.update([float(value)] if isinstance(value, (int, float)) else [])
            for name in node.input:
                if name in self._constants and self._constants[name].dtype.kind == "f":
                    numbers.add(float(self._constants[name].reshape(-1)[0]))
        constants = self._constants
        dtype = next((constants[n].dtype for node in nodes for n in node.input
                      if n in constants and constants[n].dtype.kind == "f"), np.dtype(np.float32))  # fmt: skip
        try:
            with np.errstate(all="ignore"):
                x = np.concatenate([_POINTS, _FAR]).astype(dtype)[:, np.newaxis]
                (y,) = self._evaluated(nodes, {at: x})
        except Exception:  # whatever an operator raises of arguments that are not its own: it is no activation
            return None
        y = np.asarray(y, np.float64)
        near = len(_POINTS)
        if y.shape != x.shape or not np.isfinite(y[:near]).all():
            return None
        x = x.astype(np.float64)
        for number in sorted(numbers, key=abs):
            for f in _candidates(number):
                if np.allclose(f(x[:near]), y[:near], rtol=_NEAR, atol=_NEAR) and _is_far_out(f, x[near:], y[near:]):
                    return f
        return None

    def _activated(self, node: Any, f: Any, slope: Array | None = None) -> bool:
        self._settle_affine()
        last = self._chain.steps[-1] if self._chain.steps else None
        if f.name == "identity":
            return self._passes(node)
        if last is not None and isinstance(last.layer, Dense) and last.layer.activation.name == "identity":
            layer = Dense(last.layer.units, f, use_bias=last.layer.use_bias)
            self._chain.steps.pop()
            return self._add(node, layer, **last.arrays, slope=slope)
        return self._add(node, Activation(f), slope=slope)

    # The network --------------------------------------------------------------------------------------------------

    def _built(self) -> Network:
        self._settle_affine()
        steps, n_inputs = self._chain.steps, self._n_inputs()
        if not steps:
            raise ValueError("the graph has no layer")
        kinds = {a.dtype.name for a in self._constants.values() if a.dtype.kind == "f" and a.size > 1}
        dtype = "float64" if "float64" in kinds else "float32"
        loss = {"softmax": "cross_entropy", "logistic": "binary_cross_entropy", "exponential": "poisson"}
        net = Network([step.layer for step in steps], n_inputs, loss.get(self._chain.link, "squared_error"), dtype)
        for i, step in enumerate(steps):
            for name, array in step.arrays.items():
                view = net.parameters[f"{i}.{name}"]
                with np.errstate(over="ignore"):
                    view[...] = array
                if not np.isfinite(view).all():
                    raise ValueError(f"{name} of {step.layer!r} holds numbers that {dtype} cannot hold")
        if self._chain.normalization is not None:
            net.input_normalization = self._chain.normalization
        return net

    def _n_inputs(self) -> int:
        for step in self._chain.steps:
            if "weight" in step.arrays:
                return int(step.arrays["weight"].shape[0])
        return self._width


def _is_drawn(node: Any) -> bool:
    return node.op_type.startswith("Random") or node.op_type in ("Bernoulli", "Multinomial")


def _called(node: Any) -> str:
    """What an operator is called, with its domain where that is not ONNX's own."""
    return str(node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}")


def _last_states(made: Mapping[str, Any]) -> set[str]:
    return {name for name, node in made.items() if node.op_type == "RNN" and list(node.output).index(name) == 1}


def _has_body(node: Any) -> bool:
    return any(each.HasField("g") or len(each.graphs) for each in node.attribute)


# Where activations are told apart: on both sides of their bends, and where they are flat.
_POINTS = np.concatenate([np.linspace(-12, 12, 241), np.linspace(-1.03, 0.97, 41)])
# And where nothing but bounds should still have a bend.
_FAR = np.concatenate([sign * 12 * 1.25 ** np.arange(1, 100) for sign in (-1, 1)])


def _is_far_out(f: Any, x: Array, y: Array) -> bool:
    """Whether y is f(x) also far from zero, as exactly as float32 can tell there, and where it has such numbers."""
    with np.errstate(all="ignore"):
        wanted = f(x)
        unsure = np.abs(f(x * (1 + _NEAR)) - f(x * (1 - _NEAR))) + _NEAR * (1 + np.abs(x) + np.abs(wanted))
        told = np.isfinite(wanted) & np.isfinite(y) & np.isfinite(unsure)
        return bool((np.abs(wanted - y) <= unsure)[told].all())


@cache
def _of_no_unit() -> list[Any]:
    """The activations that have no slopes of units."""
    every = [activations.get(name) for name in activations.names()]
    return [f for f in every if expression(f, "float64").inputs == ("x",)]


def _candidates(number: float) -> list[Any]:
    """The activations as they are, and those with one parameter that is `number`."""
    found = []
    for f in _of_no_unit():
        if number == 0.0:
            found.append(f)
        for name in f.params:
            try:
                found.append(activations.get(f.name, **{name: float(np.format_float_positional(np.float32(number)))}))
            except ValueError:  # out of bounds
                continue
    return found


_Read = Callable[[_Reader, Any], bool]
#: How an operator that is no activation is read; False: perhaps it is part of one, after all.
_READERS: dict[str, _Read] = {
    "Identity": _Reader._unchanged,
    "Dropout": _Reader._unchanged,
    "Cast": _Reader._cast,
    "Flatten": _Reader._reshape,
    "Reshape": _Reader._reshape,
    "Gemm": _Reader._gemm,
    "MatMul": _Reader._matmul,
    "Add": _Reader._shifted_or_scaled,
    "Sub": _Reader._shifted_or_scaled,
    "Mul": _Reader._shifted_or_scaled,
    "Div": _Reader._shifted_or_scaled,
    "BatchNormalization": _Reader._batch_norm,
    "PRelu": _Reader._prelu,
    "HardSigmoid": _Reader._hard_sigmoid,
    "Softmax": _Reader._softmax,
    "LogSoftmax": _Reader._softmax,
    "Sigmoid": _Reader._sigmoid,
    "Exp": _Reader._exp,
    "Transpose": _Reader._transpose,
    "RNN": _Reader._rnn,
    "Gather": _Reader._last_step,
    "ai.onnx.ml.Scaler": _Reader._scaler,
}
