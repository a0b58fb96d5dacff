"""Formulas as lists of operations: in NumPy they are the core's functions, closed to rounding, open to the bit."""

import ctypes
import ctypes.util

import numpy as np
import pytest
from scipy import special

import lamina
from lamina._dispatch import core
from lamina.export.expressions import FORMULAS, FUNCTIONS, OPERATIONS, expression, start_slopes
from reference.activations import normal_distribution
from test_activations import OTHER_PARAMETERS, sample
from test_activations import special as special_values

DTYPES = (np.float32, np.float64)
ACTIVATIONS = [(name, {}) for name in lamina.activations.names()] + OTHER_PARAMETERS
WITH_SLOPES = ("prelu", "rrelu", "bipolar_relu")
LIBM = ctypes.util.find_library("m")

needs_fma = pytest.mark.skipif(LIBM is None, reason="there is no C library to ask for a fused multiply-add")


def exact_fma(dtype):
    """A * b + c rounded once, by the C library's own function."""
    name, number = {"float32": ("fmaf", ctypes.c_float), "float64": ("fma", ctypes.c_double)}[np.dtype(dtype).name]
    function = getattr(ctypes.CDLL(LIBM), name)
    function.argtypes, function.restype = [number] * 3, number
    return np.vectorize(lambda a, b, c: function(a, b, c), otypes=[dtype])


INTEGER_OF = {"float32": np.int32, "float64": np.int64}
FLOAT_OF = {"int32": np.float32, "int64": np.float64}
UNSIGNED = {"int32": np.uint32, "int64": np.uint64}
EVALUATE = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "neg": np.negative,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "copysign": np.copysign,
    "max": lambda a, b: np.where(a > b, a, b),
    "min": lambda a, b: np.where(a < b, a, b),
    "select": np.where,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "not": np.logical_not,
}


def precisely(f):
    """F evaluated in more precision than float64."""
    return lambda x: f(x.astype(np.longdouble))


ELEMENTARY = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "atan": np.arctan,
    "gaussian": precisely(lambda x: np.exp(-x * x)),
    "erfc": special.erfc,
    "normal_cdf": precisely(normal_distribution),
    "normal_pdf": precisely(lambda x: np.exp(-x * x / 2) / np.sqrt(2 * np.pi)),
    "sin": np.sin,
    "cos": np.cos,
    "sin_of_turns": lambda x: np.sin(2 * np.pi * (x % 1)),
    "cos_of_turns": lambda x: np.cos(2 * np.pi * (x % 1)),
}


def evaluate(e, *inputs):
    """The results of an expression of arrays."""
    given = dict(zip(e.inputs, inputs, strict=True))
    values = []
    for node in e.nodes:
        arguments = [values[i] for i in node.arguments]
        dtype = np.dtype(node.type).type
        if node.op == "input":
            value = given[node.value]
        elif node.op == "constant":
            value = dtype(node.value)
        elif node.op == "convert":
            value = arguments[0].astype(dtype)
        elif node.op == "fma":
            value = exact_fma(dtype)(*arguments)
        elif node.op in ("bits", "from_bits"):
            value = np.asarray(arguments[0]).view(dtype)
        elif node.op.startswith("shift_"):
            unsigned = UNSIGNED[node.type] if node.op != "shift_right" else dtype
            x = np.asarray(arguments[0]).view(unsigned)
            by = unsigned(node.value)
            value = (x << by if node.op == "shift_left" else x >> by).view(dtype)
        elif node.op in FUNCTIONS:
            value = ELEMENTARY[node.op](arguments[0]).astype(dtype)
        else:
            value = EVALUATE[node.op](*arguments)
        assert value.dtype == dtype, node
        values.append(value)
    return [np.broadcast_to(values[i], np.shape(inputs[0])) for i in e.results]


def points(dtype):
    """Some (rows, 2) where the functions bend, everywhere, and the special values."""
    return np.concatenate([sample(dtype, 5, 300).reshape(-1, 2), special_values(dtype)])


def slopes(f, x, dtype):
    """The slope of every element, as an activation on its own has it."""
    if f.name not in WITH_SLOPES:
        return ()
    return (np.broadcast_to(start_slopes(f, x.shape[-1], np.dtype(dtype).name), x.shape),)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "params"), ACTIVATIONS)
class TestActivation:
    @pytest.mark.skipif(not core.has_fma, reason="the formulas are those of levels with fused multiply-adds")
    @needs_fma
    def test_open_is_the_core_to_the_bit(self, name, params, dtype):
        f = lamina.activations.get(name, **params)
        x = points(dtype)
        e = expression(f, np.dtype(dtype).name, open=True)
        assert {node.op for node in e.nodes} <= set(OPERATIONS)
        with np.errstate(all="ignore"):
            (y,) = evaluate(e, x, *slopes(f, x, dtype))
        expected = f(x)
        assert y.dtype == expected.dtype
        np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
        integer, numbers = INTEGER_OF[np.dtype(dtype).name], ~np.isnan(y)
        np.testing.assert_array_equal(y[numbers].view(integer), expected[numbers].view(integer))

    @needs_fma
    def test_closed_is_the_core_to_rounding(self, name, params, dtype):
        f = lamina.activations.get(name, **params)
        x = sample(dtype, 6, 300).reshape(-1, 2)
        e = expression(f, np.dtype(dtype).name)
        assert {node.op for node in e.nodes} <= set(OPERATIONS) | set(FUNCTIONS)
        assert not {node.type for node in e.nodes} & {"int32", "int64"}
        with np.errstate(all="ignore"):
            (y,) = evaluate(e, x, *slopes(f, x, dtype))
        tiny = np.finfo(dtype).smallest_normal
        np.testing.assert_allclose(y, f(x), rtol=20 * np.finfo(dtype).eps, atol=4 * tiny)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_elementary_function_is_one_node_of_a_closed_expression(dtype):
    named = {node.op for name, _ in ACTIVATIONS for node in expression(name, dtype).nodes}
    assert {"tanh", "logistic", "expm1", "exp", "log1p", "atan", "gaussian", "normal_cdf"} <= named
    assert [node.op for node in expression("tanh", dtype).nodes] == ["input", "tanh"]
    assert [node.op for node in expression("gelu_exact", dtype).nodes].count("normal_cdf") == 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FORMULAS)
@needs_fma
def test_the_depths_agree(name, dtype):
    """What unfolds is the function that it is the name of."""
    rng = np.random.default_rng(3)
    inputs = [rng.uniform(0.1, 5, 200).astype(dtype) for _ in FORMULAS[name]]
    with np.errstate(all="ignore"):
        closed, unfolded = (evaluate(expression(name, np.dtype(dtype).name, open=o), *inputs) for o in (False, True))
    assert len(closed) == (2 if name == "sin_cos_of_turns" else 1)
    for a, b in zip(closed, unfolded, strict=True):
        np.testing.assert_allclose(a, b, rtol=30 * np.finfo(dtype).eps, atol=8 * np.finfo(dtype).eps)


def test_nothing_is_there_twice_or_for_nothing():
    for name, _ in ACTIVATIONS:
        e = expression(name, "float32", open=True)
        keys = [(*node[:3], repr(node.value)) for node in e.nodes]
        assert len(set(keys)) == len(keys)
        used = {i for node in e.nodes for i in node.arguments} | set(e.results)
        assert used | set(range(len(e.inputs))) == set(range(len(e.nodes)))
        assert all(i < number for number, node in enumerate(e.nodes) for i in node.arguments)
        assert set(e.inputs) <= {"x", "slope"}
        assert all(
            (node.value is None) == (node.op not in ("input", "constant")) for node in e.nodes if "shift" not in node.op
        )


def test_a_parametric_one_is_what_its_layer_predicts():
    net = lamina.Network([lamina.Activation("tanh", parametric=True)], n_inputs=2, dtype="float64")
    x = np.random.default_rng(0).normal(size=(40, 2))
    slope = np.array([0.3, 1.4])
    net.parameters["0.slope"][...] = slope
    e = expression("tanh", "float64", parametric=True)
    (y,) = evaluate(e, x, np.broadcast_to(slope, x.shape))
    np.testing.assert_allclose(y, net.predict(x), rtol=1e-14)


def test_slopes_that_are_not_learned():
    get = lamina.activations.get
    assert start_slopes(get("bipolar_relu"), 5, "float32").tolist() == [0, 1, 0, 1, 0]
    assert start_slopes(get("rrelu", lower=0.25, upper=0.75), 2, "float64").tolist() == [0.5, 0.5]
    assert start_slopes(get("prelu", initial=0.1), 1, "float32").tolist() == [np.float32(0.1)]
    assert start_slopes(get("tanh"), 2, "float32").tolist() == [0, 0]


def test_what_has_no_formula_is_refused():
    mine = lamina.activations.custom(np.sin, np.cos, name="my_sine")
    with pytest.raises(TypeError, match="'my_sine' is made from functions of your own"):
        expression(mine, "float32")
    with pytest.raises(ValueError, match="unknown activation 'tahn'; did you mean 'tanh'"):
        expression("tahn", "float32")
    with pytest.raises(TypeError, match="part must be an activation"):
        expression(3, "float32")
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64'; got 'int8'"):
        expression("tanh", "int8")
    with pytest.raises(ValueError, match="no slope of their own; got 'prelu'"):
        expression("prelu", "float32", parametric=True)
