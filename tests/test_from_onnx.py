"""Networks from ONNX files: what was exported comes back to the bit, other graphs to rounding; the rest is refused."""

import io
import json
import sys
import warnings

import numpy as np
import pytest

import lamina
import zoo
from conftest import TIMES

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402 (after the skip)

pytestmark = pytest.mark.filterwarnings(
    "ignore:Stochastic Optimizer",  # a few epochs are enough here
    "ignore:the first fit of the network is to normalise its inputs:UserWarning",  # networks go as they begin, too
)


def run(model, x, name="x"):
    """What onnxruntime predicts."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]).run(
        None, {name: x}
    )


def graph(nodes, arrays, shape=("n", 4), dtype=np.float32, opset=20, outputs=("y",)):
    """A model of one input x."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    infos = [helper.make_tensor_value_info(name, kind, None) for name in outputs]
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, list(shape))],
        infos,
        [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(made, opset_imports=opsets, ir_version=9)


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs.split(), output.split(), name=f"{op}_{output.split()[0]}", **attributes)


@pytest.fixture
def arrays(rng):
    return {"W": rng.normal(size=(4, 3)).astype(np.float32), "b": rng.normal(size=3).astype(np.float32),
            "V": rng.normal(size=(3, 2)).astype(np.float32), "c": rng.normal(size=2).astype(np.float32)}  # fmt: skip


def check(model, x, atol=2e-6):
    """The network predicts what the graph does, and can be trained on."""
    net = lamina.from_onnx(model)
    wanted = run(model, x)[0]
    got = net.predict(x)
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=atol * max(1, np.abs(wanted).max()))
    assert got.dtype == wanted.dtype
    y = np.arange(len(x)) % 2 if net.loss.targets == "classes" else np.clip(wanted, 0, 1)
    before = {name: view.copy() for name, view in net.parameters.items()}
    net.fit(x, y, epochs=2, validation=None, lengths=None)
    assert any((before[name] != view).any() for name, view in net.parameters.items())
    return net


@pytest.fixture
def x(rng):
    return rng.normal(size=(20, 4)).astype(np.float32)


# What lamina has exported ---------------------------------------------------------------------------------------------


def assert_same(back, net):
    assert type(back) is type(net)
    assert back.architecture() == net.architecture()
    arrays, others = back.contents().arrays, net.contents().arrays
    assert arrays.keys() == others.keys()
    for name, array in others.items():
        np.testing.assert_array_equal(arrays[name], array, err_msg=name)
    assert back.metadata == net.metadata


@pytest.mark.parametrize("number", range(zoo.COUNT))
def test_networks_come_back_as_they_were(number, tmp_path):
    net = zoo.build(number)
    if number % 4 == 0:
        net.metadata["who"] = "me"
        net.input_normalization = np.arange(zoo.INPUTS), 1.0 + np.arange(zoo.INPUTS)
    lamina.export.onnx(net, tmp_path / "model.onnx")
    back = lamina.from_onnx(tmp_path / "model.onnx")
    assert_same(back, net)
    x, lengths = zoo.samples(number, np.random.default_rng(number), 20)
    np.testing.assert_array_equal(back.predict(x, lengths=lengths), net.predict(x, lengths=lengths))


def test_cascades_and_ensembles_come_back_as_they_were(tmp_path, rng):
    net, _, _ = zoo.grow(0)
    net.normalize_inputs = True
    lamina.export.onnx(net, tmp_path / "model.onnx")
    back = lamina.from_onnx(str(tmp_path / "model.onnx"))
    x = rng.normal(size=(9, zoo.INPUTS))
    np.testing.assert_array_equal(back.predict(x), net.predict(x))
    assert back.architecture() == net.architecture()
    ensemble = lamina.Ensemble(lamina.Network([lamina.Dense(2, "relu")], 3), members=3)
    lamina.export.onnx(ensemble, tmp_path / "model.onnx")
    assert_same(lamina.from_onnx(tmp_path / "model.onnx"), ensemble)


def test_of_an_estimator_the_network_comes_back(tmp_path, x):
    pytest.importorskip("sklearn")
    labels = np.array(["no", "yes"])[(x[:, 0] > 0).astype(int)]
    values = x[:, :2].astype(np.float64)
    for estimator, y in (
        (lamina.MLPClassifier((5,), max_iter=5), labels),
        (lamina.MLPRegressor((5,), max_iter=5, standardize=True), values),
        (lamina.CascadeClassifier(max_units=2), labels),
    ):
        estimator.fit(x, y)
        lamina.export.onnx(estimator, tmp_path / "model.onnx")
        back = lamina.from_onnx(tmp_path / "model.onnx")
        np.testing.assert_array_equal(back.predict(x), estimator.network_.predict(x))


def exported(net):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        lamina.export.onnx(net, Path(folder) / "model.onnx")
        return onnx.load(Path(folder) / "model.onnx")


def test_a_file_that_was_altered_is_read_as_the_graph_that_it_is(x):
    """What lamina said of it no longer holds: its nodes count."""
    model = exported(lamina.Network([lamina.Dense(3, "relu"), lamina.Dense(2)], 4))
    next(each for each in model.graph.node if each.op_type == "Relu").op_type = "Tanh"
    net = check(model, x) if model.graph.input[0].name == "x" else lamina.from_onnx(model)
    assert net.layers[0].activation.name == "tanh"
    np.testing.assert_allclose(net.predict(x), run(model, x, "X")[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        lambda about: about.update(architecture={"network": "Other"}),
        lambda about: about["architecture"].update(n_inputs=10**9),
        lambda about: about["architecture"].update(layers=[]),
        lambda about: about.update(architecture=[1, 2]),
        lambda about: about["architecture"]["layers"][0].update(units=10**12),
    ],
)
def test_what_a_file_says_of_itself_is_not_trusted(change, x):
    model = exported(lamina.Network([lamina.Dense(3, "tanh"), lamina.Dense(2)], 4))
    entry = next(each for each in model.metadata_props if each.key == "lamina")
    about = json.loads(entry.value)
    change(about)
    entry.value = json.dumps(about)
    np.testing.assert_allclose(lamina.from_onnx(model).predict(x), run(model, x, "X")[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", lamina.activations.names())
def test_every_activation_is_recognised_by_its_values(name, x):
    """Of an exported graph that says nothing of itself."""
    params = {"alpha": 0.3} if name in ("leaky_relu", "elu", "isru") else {"b": 0.5} if name == "squareplus" else {}
    f = lamina.activations.get(name, **params)
    if name in ("prelu", "rrelu", "bipolar_relu"):
        pytest.skip("its slopes are those of units")
    net = lamina.Network([lamina.Dense(5, f), lamina.Dense(2)], 4)
    model = exported(net)
    del model.metadata_props[:]
    back = lamina.from_onnx(model)
    np.testing.assert_allclose(back.predict(x), net.predict(x), rtol=1e-5, atol=1e-5)


def test_what_is_more_than_a_network_is_refused(tmp_path, rng):
    pytest.importorskip("narwhals")
    x = rng.normal(size=(60, 3))
    lamina.export.onnx(lamina.TabularRegressor(epochs=2).fit(x, x[:, 0]), tmp_path / "model.onnx")
    with pytest.raises(ValueError, match=r"a TabularRegressor.*lamina\.load"):
        lamina.from_onnx(tmp_path / "model.onnx")
    series = lamina.RecurrentRegressor((3,), window=4, max_iter=2).fit(x, x[:, 0])
    lamina.export.onnx(series, tmp_path / "model.onnx")
    with pytest.raises(ValueError, match="a RecurrentRegressor"):
        lamina.from_onnx(tmp_path / "model.onnx")


# Graphs from elsewhere --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gemm_with_all_of_its_attributes(arrays, dtype, x):
    arrays = {name: array.astype(dtype) for name, array in arrays.items()} | {"Wt": arrays["W"].T.astype(dtype)}
    nodes = [node("Gemm", "x Wt b", "z", transB=1, alpha=0.5, beta=2.0), node("Relu", "z", "h"),
             node("MatMul", "h V", "v"), node("Add", "c v", "y")]  # fmt: skip
    net = check(graph(nodes, arrays, dtype=dtype), x.astype(dtype))
    assert [type(layer).__name__ for layer in net.layers] == ["Dense", "Dense"]
    assert net.dtype == dtype


OPERATORS = [
    ("Relu", {}, "relu", {}),
    ("Tanh", {}, "tanh", {}),
    ("Sigmoid", {}, "logistic", {}),
    ("Elu", {"alpha": 0.3}, "elu", {"alpha": 0.3}),
    ("Selu", {}, "selu", {}),
    ("Celu", {"alpha": 0.7}, "celu", {"alpha": 0.7}),
    ("LeakyRelu", {"alpha": 0.2}, "leaky_relu", {"alpha": 0.2}),
    ("Softplus", {}, "softplus", {}),
    ("Softsign", {}, "softsign", {}),
    ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}, "hard_sigmoid", {}),
    ("HardSigmoid", {}, "hard_sigmoid", {}),
    ("HardSwish", {}, "hard_swish", {}),
    ("Mish", {}, "mish", {}),
    ("Gelu", {}, "gelu_exact", {}),
    ("Gelu", {"approximate": "tanh"}, "gelu", {}),
    ("Atan", {}, "arctan", {}),
    ("ThresholdedRelu", {"alpha": 0.0}, "relu", {}),
    ("Identity", {}, "identity", {}),
]


@pytest.mark.parametrize(("op", "attributes", "name", "params"), OPERATORS)
def test_operators_that_are_activations(op, attributes, name, params, arrays, x):
    nodes = [node("Gemm", "x W b", "z"), node(op, "z", "h", **attributes), node("Gemm", "h V c", "y")]
    net = check(graph(nodes, arrays), x)
    f = net.layers[0].activation
    assert f.name == name
    assert f.params == pytest.approx({**f.params, **params}, rel=1e-6)


PATTERNS = {
    "gelu_exact": "Div z root_2 a|Erf a e|Add e one s|Mul z s m|Mul m half h",
    "silu": "Sigmoid z s|Mul z s h",
    "mish": "Softplus z s|Tanh s t|Mul z t h",
    "hard_swish": "Add z three a|Clip a zero six r|Mul z r m|Div m six h",
    "relu6": "Clip z zero six h",
    "saturation": "Clip z minus_one one h",
    "relu": "Max z zero h",
    "softsign": "Abs z a|Add a one d|Div z d h",
    "gaussian": "Mul z z s|Neg s n|Exp n h",
    "tanh": "Tanh z h",
    "elu": "Exp z e|Sub e one m|Mul half m n|Greater z zero g|Where g z n h",
}
NUMBERS = {"root_2": 2**0.5, "one": 1, "half": 0.5, "three": 3, "zero": 0, "six": 6, "minus_one": -1}


@pytest.mark.parametrize("name", PATTERNS)
def test_activations_of_several_nodes(name, arrays, x):
    nodes = [node("Gemm", "x W b", "z")]
    for text in PATTERNS[name].split("|"):
        op, *names = text.split()
        nodes.append(node(op, " ".join(names[:-1]), names[-1]))
    nodes.append(node("Gemm", "h V c", "y"))
    numbers = {key: np.float32(value) for key, value in NUMBERS.items()}
    net = check(graph(nodes, {**arrays, **numbers}), x)
    assert net.layers[0].activation.name == name
    assert name != "elu" or net.layers[0].activation.params == {"alpha": 0.5}


@pytest.mark.parametrize("slopes", [1, 3])
def test_learned_slopes(slopes, arrays, x, rng):
    arrays["s"] = rng.uniform(size=slopes).astype(np.float32)
    nodes = [node("Gemm", "x W b", "z"), node("PRelu", "z s", "h"), node("Gemm", "h V c", "y")]
    net = lamina.from_onnx(graph(nodes, arrays))
    np.testing.assert_array_equal(net.parameters["0.slope"], np.broadcast_to(arrays["s"], 3))
    check(graph(nodes, arrays), x)


@pytest.mark.parametrize(
    ("op", "error"),
    [("Softmax", "cross_entropy"), ("Sigmoid", "binary_cross_entropy"), ("Exp", "poisson"), (None, "squared_error")],
)
def test_the_end_says_the_loss(op, error, arrays, x):
    nodes = [node("Gemm", "x W b", "z"), *([node(op, "z", "y")] if op else [node("Identity", "z", "y")])]
    assert check(graph(nodes, arrays), x).loss.name == error


def test_of_logarithms_probabilities_are_predicted(arrays, x):
    model = graph([node("Gemm", "x W b", "z"), node("LogSoftmax", "z", "y", axis=1)], arrays)
    net = lamina.from_onnx(model)
    assert net.loss.name == "cross_entropy"
    np.testing.assert_allclose(net.predict(x), np.exp(run(model, x)[0]), rtol=1e-5)


def test_batch_norm_dropout_and_nodes_that_change_nothing(arrays, x, rng):
    for name in ("gamma", "beta", "mean", "variance"):
        arrays[name] = rng.uniform(0.5, 2, 3).astype(np.float32)
    arrays["shape"] = np.array([-1, 3])
    nodes = [node("Cast", "x", "x1", to=TensorProto.FLOAT), node("Flatten", "x1", "x2"), node("Gemm", "x2 W b", "z"),
             node("BatchNormalization", "z gamma beta mean variance", "n", epsilon=1e-3, momentum=0.8),
             node("Tanh", "n", "t"), node("Dropout", "t", "d"), node("Reshape", "d shape", "r"),
             node("Gemm", "r V c", "y")]  # fmt: skip
    net = check(graph(nodes, arrays), x)
    norm = net.layers[1]
    assert isinstance(norm, lamina.BatchNorm)
    assert (norm.epsilon, norm.momentum) == (1e-3, 0.2)


def test_pictures_that_are_flattened(arrays, rng):
    x = rng.normal(size=(20, 1, 2, 2)).astype(np.float32)
    model = graph([node("Flatten", "x", "f"), node("Gemm", "f W b", "y")], arrays, shape=("n", 1, 2, 2))
    np.testing.assert_allclose(
        lamina.from_onnx(model).predict(x.reshape(20, 4)), run(model, x)[0], rtol=1e-5, atol=1e-6
    )


def test_scales_in_front_are_a_normalisation(arrays, x):
    arrays |= {"m": np.array([1, 2, 3, 4], np.float32), "s": np.array([2, 0.5, 3, 1], np.float32)}
    nodes = [node("Sub", "x m", "u"), node("Div", "u s", "v"), node("Gemm", "v W b", "y")]
    net = check(graph(nodes, arrays), x)
    mean, scale = net.input_normalization
    np.testing.assert_array_equal(mean, arrays["m"])
    np.testing.assert_allclose(scale, 1 / arrays["s"])
    scaler = [node("Scaler", "x", "u", offset=[1.0, 2, 3, 4], scale=[2.0, 2, 3, 1]), node("Gemm", "u W b", "y")]
    scaler[0].domain = "ai.onnx.ml"
    assert check(graph(scaler, arrays), x).input_normalization is not None


def test_other_scales_become_part_of_the_layers(arrays, x):
    arrays |= {"m": np.array([1, 2, 3, 4], np.float32), "s": np.array([-2, 0.5, 3, 1], np.float32),
               "k": np.array([1, -1, 2], np.float32), "two": np.float32(2)}  # fmt: skip
    front = [node("Mul", "x s", "u"), node("Add", "u m", "v"), node("Gemm", "v W b", "y")]
    assert check(graph(front, arrays), x).input_normalization is None
    behind = [node("MatMul", "x W", "u"), node("Mul", "u k", "v"), node("Sub", "two v", "w"), node("Tanh", "w", "t"),
              node("Mul", "k t", "t2"), node("Sub", "t2 two", "t3"), node("Gemm", "t3 V c", "z"),
              node("Div", "z two", "y")]  # fmt: skip
    check(graph(behind, arrays), x)
    alone = [node("Gemm", "x W b", "z"), node("Tanh", "z", "t"), node("Mul", "t k", "y")]
    assert isinstance(check(graph(alone, arrays), x).layers[-1], lamina.Scale)


def test_columns_side_by_side(arrays, x):
    infos = [helper.make_tensor_value_info(f"x{i}", TensorProto.FLOAT, ["n", 1]) for i in range(4)]
    model = graph([node("Concat", "x0 x1 x2 x3", "x", axis=1), node("Gemm", "x W b", "y")], arrays)
    del model.graph.input[:]
    model.graph.input.extend(infos)
    net = lamina.from_onnx(model)
    np.testing.assert_allclose(net.predict(x), x @ arrays["W"] + arrays["b"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [None, (None, None), ("n", "m")])
def test_an_input_that_does_not_say_its_width(shape, arrays, x):
    model = graph([node("Gemm", "x W b", "z"), node("Tanh", "z", "y")], arrays)
    info = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    model.graph.input[0].CopyFrom(info)
    check(model, x)


def test_an_output_can_be_named(arrays, x):
    nodes = [node("Gemm", "x W b", "z"), node("Relu", "z", "h"), node("Gemm", "h V c", "y")]
    model = graph(nodes, arrays, outputs=("y", "h"))
    with pytest.raises(ValueError, match=r"several outputs.*\['y', 'h'\]"):
        lamina.from_onnx(model)
    net = lamina.from_onnx(model, output="h")
    np.testing.assert_allclose(net.predict(x), run(model, x)[1], rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"output must be one of \['y', 'h'\]; got 'q'"):
        lamina.from_onnx(model, output="q")


# Recurrent operators ----------------------------------------------------------------------------------------------


def rnn(rng, units=3, **attributes):
    shapes = {"W": (1, units, 4), "R": (1, units, units), "B": (1, 2 * units), "V": (units, 2), "c": (2,)}
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return arrays | {"zero": np.array([0]), "one": np.array([1]), "last": np.array(-1)}


@pytest.mark.parametrize("f", [None, "Relu", "Softsign", "Elu"])
def test_recurrent_operators(f, rng):
    if f == "Elu" and [int(part) for part in ort.__version__.split(".")[:2]] < [1, 24]:
        pytest.skip("this onnxruntime computes something else")
    x = rng.normal(size=(20, 5, 4)).astype(np.float32)
    arrays = rnn(rng)
    given = {"hidden_size": 3, **({} if f is None else {"activations": [f]})}
    front = [
        node("Transpose", "x", "t", perm=[1, 0, 2]),
        helper.make_node("RNN", ["t", "W", "R", "B"], ["Y", "H"], **given),
    ]
    every = [*front, node("Squeeze", "Y one", "s"), node("Transpose", "s", "q", perm=[1, 0, 2]),
             node("MatMul", "q V", "m"), node("Add", "m c", "y")]  # fmt: skip
    last = [*front, node("Squeeze", "H zero", "s"), node("Gemm", "s V c", "y")]
    taken = [*every[:4], node("Gather", "q last", "g", axis=1), node("Gemm", "g V c", "y")]
    for nodes, steps in ((every, True), (last, False), (taken, False)):
        model = graph(nodes, arrays, shape=("n", "t", 4))
        net = lamina.from_onnx(model)
        assert net.layers[0].return_sequences == steps
        np.testing.assert_allclose(net.predict(x), run(model, x)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("attributes", "more", "why"),
    [({"direction": "reverse"}, [], "forward"), ({"clip": 1.0}, [], "clipped"), ({}, ["", "h0"], "zeros"),
     ({"activations": ["Affine"]}, [], "Affine"), ({}, ["two"], "how long its sequences are is a constant")],
)  # fmt: skip
def test_recurrent_operators_that_are_not_read(attributes, more, why, rng):
    arrays = {**rnn(rng), "h0": np.ones((1, 1, 3), np.float32), "two": np.array([2], np.int32)}
    nodes = [
        node("RNN", " ".join(["x", "W", "R", "B"]), "Y H", hidden_size=3, **attributes),
        node("Squeeze", "H zero", "y"),
    ]
    nodes[0].input.extend(more)
    with pytest.raises(ValueError, match=f"operator RNN of node 'RNN_Y'.*{why}"):
        lamina.from_onnx(graph(nodes, arrays, shape=("t", "n", 4)))


@pytest.mark.parametrize(("opset", "read"), [(11, False), (13, True)])
def test_a_softmax_over_steps_and_features_is_none_over_the_features(opset, read, rng):
    arrays = rnn(rng)
    nodes = [helper.make_node("RNN", ["x", "W", "R", "B"], ["Y", "H"], hidden_size=3)]
    if opset < 13:
        nodes.append(node("Squeeze", "Y", "s", axes=[1]))
    else:
        nodes.append(node("Squeeze", "Y one", "s"))
    nodes += [node("Transpose", "s", "q", perm=[1, 0, 2]), node("Softmax", "q", "y")]
    model = graph(nodes, arrays, shape=("t", "n", 4), opset=opset)
    if not read:
        with pytest.raises(ValueError, match="Softmax of node 'Softmax_y'"):
            lamina.from_onnx(model)
        return
    x = rng.normal(size=(5, 20, 4)).astype(np.float32)
    net = lamina.from_onnx(model)
    np.testing.assert_allclose(net.predict(x.swapaxes(0, 1)), run(model, x)[0], rtol=1e-5, atol=1e-6)


# What is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("low", [-np.inf, -1e6, -13, 0])
@pytest.mark.parametrize("high", [6.1, 12.5, 20, 500, 1e9, np.inf])
def test_bounds_are_seen_however_far_out(low, high, arrays, x):
    arrays |= {"low": np.float32(low), "high": np.float32(high)}
    model = graph([node("Gemm", "x W b", "z"), node("Clip", "z low high", "h"), node("Gemm", "h V c", "y")], arrays)
    if high == np.inf and low in (-np.inf, 0):
        check(model, x)
        return
    with pytest.raises(ValueError, match="the operator Clip of node 'Clip_h'"):
        lamina.from_onnx(model)


@pytest.mark.parametrize(
    ("nodes", "named"),
    [
        ([node("Gemm", "x W b", "z"), node("Sin", "z", "y")], "Sin of node 'Sin_y'"),
        (
            [node("Gemm", "x W b", "z"), node("ThresholdedRelu", "z", "y")],
            "ThresholdedRelu of node 'ThresholdedRelu_y'",
        ),
        ([node("Gemm", "x W b", "z"), node("Softmax", "z", "s"), node("Gemm", "s V c", "y")], "Softmax of node"),
        ([node("Gemm", "x W b", "z"), node("Tanh", "z", "t"), node("Add", "z t", "y")], "Tanh of node 'Tanh_t'"),
        ([node("LayerNormalization", "x b b", "y")], "LayerNormalization of node 'LayerNormalization_y'"),
        ([node("Gemm", "x W b", "z"), node("Tanh", "z", "t"), node("Add", "t b", "y")], "Add of node 'Add_y'"),
        ([node("Transpose", "x", "t", perm=[1, 0]), node("Gemm", "t W b", "y")], "Transpose of node"),
        ([node("Gemm", "x x x", "y")], "Gemm of node 'Gemm_y'"),
        ([node("Gemm", "x W b", "z"), node("Dropout", "z ratio on", "y")], "Dropout of node 'Dropout_y'"),
        ([node("RandomNormal", "", "r", shape=[3]), node("Gemm", "x W r", "y")], "Gemm of node 'Gemm_y'"),
        # One number a row where there are as many rows as columns.
        ([node("MatMul", "x W", "m"), node("Add", "m of_rows", "y")], "Add of node 'Add_y'"),
        ([node("Gemm", "x W of_rows", "y")], "Gemm of node 'Gemm_y'"),
        ([node("MatMul", "x W", "m"), node("PRelu", "m of_rows", "y")], "PRelu of node 'PRelu_y'"),
        # Whole numbers in between are another function, also at the end.
        *(
            ([node("Gemm", "x W b", "z"), node(op, "z", "s"), node("Cast", "s", "i", to=TensorProto.INT32),
              node("Cast", "i", "y", to=TensorProto.FLOAT)], named)
            for op, named in (("Sigmoid", "Cast of node 'Cast_i'"), ("Softmax", "Softmax of node 'Softmax_s'"),
                              ("Tanh", "Cast of node 'Cast_i'"))
        ),
    ],
)  # fmt: skip
def test_other_operators_are_refused_by_name(nodes, named, arrays):
    arrays |= {"ratio": np.float32(0.5), "on": np.array(True), "of_rows": np.array([[1], [2], [3]], np.float32)}
    with pytest.raises(ValueError, match=f"the operator {named}"):
        lamina.from_onnx(graph(nodes, arrays))


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        lamina.from_onnx(tmp_path / "nothing.onnx")
    (tmp_path / "text.onnx").write_bytes(b"no model at all" * 9)
    with pytest.raises(ValueError, match=r"text\.onnx is no ONNX model"):
        lamina.from_onnx(tmp_path / "text.onnx")
    with pytest.raises(TypeError):
        lamina.from_onnx(3)
    for nodes, why in (
        ([node("Gemm", "nowhere W b", "y")], "one input"),
        ([node("Cast", "x", "y")], "not a sound one"),
        ([node("Add", "x x", "y")], "the operator Add of node 'Add_y'"),
    ):
        with pytest.raises(ValueError, match=why):
            lamina.from_onnx(graph(nodes, {}))


def test_a_damaged_file_is_refused_or_read(tmp_path):
    """Whatever bytes are others: no error but a ValueError."""
    lamina.export.onnx(lamina.Network([lamina.Dense(3, "elu"), lamina.Dense(2)], 4), tmp_path / "model.onnx")
    data, rng = (tmp_path / "model.onnx").read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(200 * TIMES):
        damaged = bytearray(data)
        for _ in range(rng.integers(1, 4)):
            damaged[rng.integers(len(data))] = rng.integers(256)
        (tmp_path / "damaged.onnx").write_bytes(damaged)
        try:
            lamina.from_onnx(tmp_path / "damaged.onnx")
        except ValueError:
            refused += 1
    assert refused > 50


def test_numbers_that_are_not_finite_are_refused(arrays):
    arrays["W"][0, 0] = np.nan
    with pytest.raises(ValueError, match=r"weight of .* cannot hold"):
        lamina.from_onnx(graph([node("Gemm", "x W b", "y")], arrays))


def test_without_the_package_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "onnx>='):
        lamina.from_onnx("model.onnx")


# Files of other libraries -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("dynamo", [False, True])
def test_modules_of_torch(dynamo, x):
    torch = pytest.importorskip("torch")
    if dynamo:
        pytest.importorskip("onnxscript")
    nn = torch.nn
    for f in (nn.ReLU(), nn.ELU(0.3), nn.PReLU(3), nn.Hardsigmoid(), nn.Mish(), nn.GELU(), nn.GELU("tanh"), nn.SiLU(),
              nn.Hardtanh(), nn.ReLU6(), nn.Softsign()):  # fmt: skip
        layers = [nn.Linear(4, 3), f, nn.BatchNorm1d(3), nn.Dropout(0.3), nn.Linear(3, 2), nn.Softmax(1)]
        module = nn.Sequential(*layers).eval()
        layers[2].running_mean.normal_()
        layers[2].running_var.uniform_(0.5, 2)
        net = lamina.from_onnx(from_torch(torch, module, x, dynamo))
        np.testing.assert_allclose(net.predict(x), module(torch.tensor(x)).detach().numpy(), rtol=1e-5, atol=1e-6)


def from_torch(torch, module, x, dynamo):
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (torch.tensor(x),), file, dynamo=dynamo, input_names=["x"], verbose=False)
    return onnx.load_from_string(file.getvalue())


@pytest.mark.slow
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("end", ["every", "last", "state"])
def test_recurrent_modules_of_torch(end, batch_first, layers, rng):
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = torch.nn.RNN(4, 6, layers, batch_first=batch_first)
            self.out = torch.nn.Linear(6, 2)

        def forward(self, x):
            steps, state = self.rnn(x)
            if end == "state":
                return self.out(state[-1])
            return self.out((steps[:, -1] if batch_first else steps[-1]) if end == "last" else steps)

    x = rng.normal(size=(5, 7, 4)).astype(np.float32)
    given = x if batch_first else x.transpose(1, 0, 2).copy()
    module = Net().eval()
    wanted = module(torch.tensor(given)).detach().numpy()
    wanted = wanted.transpose(1, 0, 2) if end == "every" and not batch_first else wanted
    net = lamina.from_onnx(from_torch(torch, module, given, dynamo=False))
    np.testing.assert_allclose(net.predict(x), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["classes", "two", "numbers"])
def test_perceptrons_of_scikit_learn(kind, x):
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    y = {"classes": np.arange(20) % 3, "two": np.arange(20) % 2, "numbers": x[:, 0]}[kind]
    make = MLPRegressor if kind == "numbers" else MLPClassifier
    model = make_pipeline(StandardScaler(), make(hidden_layer_sizes=(5,), max_iter=20)).fit(x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = skl2onnx.to_onnx(model, x[:1], options=None if kind == "numbers" else {"zipmap": False})
    wanted = model.predict(x)[:, np.newaxis] if kind == "numbers" else model.predict_proba(x)
    np.testing.assert_allclose(lamina.from_onnx(file).predict(x), wanted, rtol=1e-5, atol=1e-6)
