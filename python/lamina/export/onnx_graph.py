"""An ONNX graph while it is written: values with operators, so that what a layer computes reads as its formula."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.data.arrays import Array
from lamina.extras import how_to_install
from lamina.runtime import __version__

__all__ = ["Graph", "Value", "imported_onnx"]

# The sets of operators that the graphs are of, and the format that came with them: those of 2022, which every runtime
# of today has.
_OPSETS, _IR = {"": 17, "ai.onnx.ml": 3}, 8
_MOST_BYTES = 2**31 - 1
_BOOL, _INT64 = np.dtype(bool), np.dtype(np.int64)


def imported_onnx() -> Any:
    """Return the package `onnx`; ImportError says how to get it."""
    try:
        import onnx
    except ImportError:
        raise ImportError(f"ONNX files need one more package; {how_to_install(['onnx'])}") from None
    return onnx


@dataclass(frozen=True, slots=True)
class Value:
    """What a node gives: its name, and the type of its elements. Numbers and arrays beside it take its type."""

    graph: Graph
    name: str
    dtype: np.dtype[Any]

    def _with(self, op: str, other: Any, turned: bool = False) -> Value:
        other = self.graph.constant(other, self.dtype)
        return self.graph.apply(op, *((other, self) if turned else (self, other)))

    def __add__(self, other: Any) -> Value:
        return self._with("Add", other)

    def __radd__(self, other: Any) -> Value:
        return self._with("Add", other, True)

    def __sub__(self, other: Any) -> Value:
        return self._with("Sub", other)

    def __rsub__(self, other: Any) -> Value:
        return self._with("Sub", other, True)

    def __mul__(self, other: Any) -> Value:
        return self._with("Mul", other)

    def __rmul__(self, other: Any) -> Value:
        return self._with("Mul", other, True)

    def __truediv__(self, other: Any) -> Value:
        return self._with("Div", other)

    def __rtruediv__(self, other: Any) -> Value:
        return self._with("Div", other, True)

    def __matmul__(self, other: Any) -> Value:
        return self._with("MatMul", other)

    def __neg__(self) -> Value:
        return self.graph.apply("Neg", self)

    def __abs__(self) -> Value:
        return self.graph.apply("Abs", self)

    def __lt__(self, other: Any) -> Value:
        return self._compared("Less", other)

    def __le__(self, other: Any) -> Value:
        return self._compared("LessOrEqual", other)

    def __gt__(self, other: Any) -> Value:
        return self._compared("Greater", other)

    def __ge__(self, other: Any) -> Value:
        return self._compared("GreaterOrEqual", other)

    def equals(self, other: Any) -> Value:
        """Return where the two are equal; `==` is whether two values are one."""
        return self._compared("Equal", other)

    def _compared(self, op: str, other: Any) -> Value:
        return self.graph.apply(op, self, self.graph.constant(other, self.dtype), dtype=_BOOL)

    def cast(self, dtype: Any) -> Value:
        """Return it in another type."""
        dtype = np.dtype(dtype)
        if dtype == self.dtype:
            return self
        return self.graph.apply("Cast", self, dtype=dtype, to=self.graph.element_type(dtype))

    def where(self, yes: Any, no: Any) -> Value:
        """Return `yes` where it is true, else `no`, one of which is a value."""
        dtype = yes.dtype if isinstance(yes, Value) else no.dtype
        yes, no = self.graph.constant(yes, dtype), self.graph.constant(no, dtype)
        return self.graph.apply("Where", self, yes, no, dtype=dtype)

    def reshape(self, *shape: int) -> Value:
        """Return it in another shape; 0 leaves an axis as it is."""
        return self.graph.apply("Reshape", self, self.graph.whole(shape))

    def modulo(self, divisor: int) -> Value:
        """Return what is left of whole numbers, 0 .. divisor - 1."""
        return self.graph.apply("Mod", self, self.graph.constant(divisor, self.dtype))

    def floor_divided(self, divisor: int) -> Value:
        """Return whole numbers divided and rounded down; the operator would round to 0."""
        return (self - self.modulo(divisor)) / divisor

    def columns(self, begin: int, end: int) -> Value:
        """Return the columns begin .. end - 1 of the last axis."""
        return self.graph.apply("Slice", self, *(self.graph.whole([n]) for n in (begin, end, -1)))

    def take(self, places: Sequence[int], axis: int = -1) -> Value:
        """Return the entries of an axis at these places."""
        places = list(places)
        if places and axis == -1 and places == list(range(places[0], places[0] + len(places))):
            return self.columns(places[0], places[-1] + 1)
        return self.graph.apply("Gather", self, self.graph.whole(places), axis=axis)

    def transpose(self, *axes: int) -> Value:
        """Return it with its axes in this order."""
        return self.graph.apply("Transpose", self, perm=axes)

    def unsqueeze(self, *axes: int) -> Value:
        """Return it with axes of one more."""
        return self.graph.apply("Unsqueeze", self, self.graph.whole(axes))

    def mean(self, axis: int) -> Value:
        """Return the mean over an axis, which goes."""
        return self.graph.apply("ReduceMean", self, axes=[axis], keepdims=0)


class Graph:
    """Nodes, numbers, inputs and outputs, and in the end the model.

    Parameters
    ----------
    dtype : numpy.dtype
        The type of the network: that of numbers for which nothing else is said.
    """

    def __init__(self, dtype: Any) -> None:
        self.onnx = imported_onnx()
        self.dtype = np.dtype(dtype)
        self._nodes: list[Any] = []
        self._numbers: dict[str, Array] = {}
        self._constants: dict[tuple[Any, ...], Value] = {}
        self._inputs: list[Any] = []
        self._outputs: list[tuple[Value, str, Sequence[int | str]]] = []
        self._taken: set[str] = set()
        self._scope: list[str] = []

    # Values -------------------------------------------------------------------------------------------------------

    def element_type(self, dtype: Any) -> int:
        """Return ONNX's number of a type."""
        dtype = np.dtype(dtype)
        kind = np.dtype(object) if dtype.kind in "OU" else dtype
        return int(self.onnx.helper.np_dtype_to_tensor_dtype(kind))

    def input(self, name: str, dtype: Any, shape: Sequence[int | str], doc: str = "") -> Value:
        """Return a further input."""
        self._taken.add(name)
        info = self.onnx.helper.make_tensor_value_info(name, self.element_type(dtype), list(shape), doc)
        self._inputs.append(info)
        return Value(self, name, np.dtype(dtype))

    def output(self, value: Value, name: str, shape: Sequence[int | str]) -> None:
        """Have `value` be a further output, of this name."""
        self._outputs.append((value, name, shape))

    def numbers(self, name: str, array: Array, default: bool = False) -> Value:
        """Return an array that the file holds under this name, or one like it where an input is called so.

        Of an input it may be the `default`, so that who runs the model need not give it.
        """
        if not default and name in self._taken:
            name = self._new_name(name)
        self._taken.add(name)
        self._numbers[name] = np.ascontiguousarray(array).reshape(np.shape(array))  # (), too, stays so
        return Value(self, name, self._numbers[name].dtype)

    def constant(self, value: Any, dtype: Any = None) -> Value:
        """Return a value as it is, or the value of an array or a number, which the file holds once."""
        if isinstance(value, Value):
            return value
        array = np.asarray(value, self.dtype if dtype is None else dtype)
        key = (array.dtype.str, array.shape, tuple(array.flat) if array.dtype == object else array.tobytes())
        if key not in self._constants:
            name = self._new_name("constant")
            self._constants[key] = self.numbers(name, array, default=True)
        return self._constants[key]

    def whole(self, values: Sequence[int]) -> Value:
        """Return whole numbers: shapes, axes, places."""
        return self.constant(np.asarray(values, np.int64), np.int64)

    def apply(self, op: str, *inputs: Value, dtype: Any = None, domain: str = "", **attributes: Any) -> Value:
        """Return what an operator gives, of the type of its first input unless `dtype` says another."""
        out = self._new_name(op)
        self.add(op, [each.name for each in inputs], [out], domain=domain, **attributes)
        return Value(self, out, inputs[0].dtype if dtype is None else np.dtype(dtype))

    def add(self, op: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        """Add a node."""
        self._nodes.append(self.onnx.helper.make_node(op, list(inputs), list(outputs), name=outputs[0], **attributes))

    def concat(self, parts: Sequence[Value], axis: int = -1) -> Value:
        """Return the parts side by side."""
        return parts[0] if len(parts) == 1 else self.apply("Concat", *parts, axis=axis)

    def names(self, *what: str) -> list[str]:
        """Return names that nothing has yet."""
        return [self._new_name(each) for each in what]

    def _new_name(self, what: str) -> str:
        stem = "/".join([*self._scope, what])
        name, number = stem, 1
        while name in self._taken:
            name, number = f"{stem}_{number}", number + 1
        self._taken.add(name)
        return name

    @contextmanager
    def within(self, name: str) -> Iterator[None]:
        """Have the names of what is made meanwhile begin with `name`: that of a layer."""
        self._scope.append(name)
        try:
            yield
        finally:
            self._scope.pop()

    # Loops --------------------------------------------------------------------------------------------------------

    @contextmanager
    def body(self) -> Iterator[Body]:
        """Take the nodes that are made meanwhile for the body of a loop, which may use all that is outside."""
        outside, body = self._nodes, Body(self)
        self._nodes = body.nodes
        try:
            yield body
        finally:
            self._nodes = outside

    # The model ----------------------------------------------------------------------------------------------------

    def model(self, name: str, doc: str, about: Mapping[str, Any]) -> Any:
        """Return the model, checked; `about` says what it is, as text or as JSON."""
        helper = self.onnx.helper
        outputs = []
        for value, called, shape in self._outputs:
            self.add("Identity", [value.name], [called])
            outputs.append(helper.make_tensor_value_info(called, self.element_type(value.dtype), list(shape)))
        used = {each for node in _all_nodes(self._nodes) for each in node.input}
        numbers = [
            self.onnx.numpy_helper.from_array(array, each) for each, array in self._numbers.items() if each in used
        ]
        graph = helper.make_graph(self._nodes, name, self._inputs, outputs, numbers)
        domains = {node.domain for node in _all_nodes(self._nodes)}
        opsets = [helper.make_opsetid(each, of) for each, of in _OPSETS.items() if each in {"", *domains}]
        model = helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=_IR,
            producer_name="lamina",
            producer_version=__version__,
            doc_string=doc,
        )
        if model.ByteSize() > _MOST_BYTES:
            raise ValueError(f"an ONNX file holds at most 2 GB; this model has {model.ByteSize() / 1e9:.1f}")
        texts = {key: each if isinstance(each, str) else json.dumps(each) for key, each in about.items()}
        helper.set_model_props(model, texts)
        self.onnx.checker.check_model(model, full_check=True)
        return model


class Body:
    """The body of a loop while it is written."""

    def __init__(self, graph: Graph) -> None:
        self.nodes: list[Any] = []
        self._graph = graph
        self._inputs: list[Any] = []

    def input(self, what: str, dtype: Any, shape: Sequence[int | str]) -> Value:
        """Return a further input of the body."""
        (name,) = self._graph.names(what)
        self._inputs.append(self._info(name, dtype, shape))
        return Value(self._graph, name, np.dtype(dtype))

    def _info(self, name: str, dtype: Any, shape: Sequence[int | str]) -> Any:
        element = self._graph.element_type(dtype)
        return self._graph.onnx.helper.make_tensor_value_info(name, element, list(shape))

    def ended(self, outputs: Sequence[tuple[Value, Sequence[int | str]]]) -> Any:
        """Return the graph of the body."""
        infos = []
        for value, shape in outputs:
            (out,) = self._graph.names("out")
            self.nodes.append(self._graph.onnx.helper.make_node("Identity", [value.name], [out], name=out))
            infos.append(self._info(out, value.dtype, shape))
        return self._graph.onnx.helper.make_graph(self.nodes, "step", self._inputs, infos)


def _all_nodes(nodes: Sequence[Any]) -> Iterator[Any]:
    """Nodes, and those of their bodies."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _all_nodes(attribute.g.node)
