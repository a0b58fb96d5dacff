"""ONNX files predict what networks and estimators do, run by onnxruntime.

A prediction may differ by 1e-6 of itself and of the largest one of its output (1e-12 in double precision): what sums of
products in another order differ by.
"""

import json
import re
import sys

import numpy as np
import pytest

import lamina
import zoo
from test_activations import OTHER_PARAMETERS

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")  # a few epochs are enough here

DTYPES = ("float32", "float64")
NEAR = {"float32": 1e-6, "float64": 1e-12}
FEW = 12  # of the fifty random networks that the quick suite tries
ACTIVATIONS = [(name, {}) for name in lamina.activations.names()] + OTHER_PARAMETERS


def exported(model, tmp_path):
    path = tmp_path / "model.onnx"
    lamina.export.onnx(model, path)
    return path


def session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Up to 1.23 it made of a float64 network's MatMul what it had no code for.
    off = ["MatmulTransposeFusion"] if [int(part) for part in ort.__version__.split(".")[:2]] < [1, 24] else []
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=off)


def assert_near(got, wanted, axis=0):
    """Near in relation to each number and to the largest one along `axis`."""
    wanted = np.asarray(wanted)
    got = got.reshape(wanted.shape) if got.size == wanted.size else got
    assert got.shape == wanted.shape
    assert got.dtype == wanted.dtype
    size = np.abs(wanted).astype(np.float64)
    allowed = NEAR[wanted.dtype.name] * (size + size.max(axis=axis, keepdims=True))
    off = np.abs(got.astype(np.float64) - wanted)
    assert (off <= allowed).all(), f"off by {off.max():.3g} where {allowed[off == off.max()].max():.3g} is allowed"


def check(net, x, path, lengths=None):
    """All rows, one row, none, and lengths left out."""
    run = session(path)
    (got,) = run.run(["prediction"], {"X": x[:0]} | ({} if lengths is None else {"lengths": np.zeros(0, np.int64)}))
    assert len(got) == 0
    feeds = [(x, lengths), (x[:1], None if lengths is None else lengths[:1])]
    for rows, own in [*feeds, *([(x, None)] if lengths is not None else [])]:
        given = {"X": rows} if own is None else {"X": rows, "lengths": np.asarray(own, np.int64)}
        (got,) = run.run(["prediction"], given)
        predicted = net.predict(rows) if own is None else net.predict(rows, lengths=own)
        # A single row has no other rows to say how large its numbers are.
        assert_near(got, predicted, axis=0 if len(rows) > 1 else None)


# Networks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number", [pytest.param(i, marks=[] if i < FEW else [pytest.mark.slow]) for i in range(50 - zoo.CASCADES)]
)
def test_random_networks(number, tmp_path):
    net, _, _ = zoo.train(number)
    x, lengths = zoo.samples(number, np.random.default_rng(number), 40)
    check(net, x.astype(net.dtype), exported(net, tmp_path), lengths)


@pytest.mark.parametrize("number", range(zoo.CASCADES))
def test_random_cascades(number, tmp_path):
    net, _, _ = zoo.grow(number)
    check(net, np.random.default_rng(number).normal(size=(40, zoo.INPUTS)).astype(net.dtype), exported(net, tmp_path))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "params"), ACTIVATIONS)
def test_every_activation(name, params, dtype, tmp_path):
    """Where it bends and where it is flat, even and odd units; relative to 1 where the values are small."""
    points = np.concatenate([np.linspace(-12, 12, 2401), [-3e4, 3e4, 0.0, -0.0], np.geomspace(1e-30, 1e3, 40)])
    x = np.stack([points, points], axis=1).astype(dtype)
    net = lamina.Network([lamina.Activation(lamina.activations.get(name, **params))], 2, dtype=dtype)
    (got,) = session(exported(net, tmp_path)).run(None, {"X": x})
    wanted = net.predict(x)
    allowed = NEAR[dtype] * np.maximum(1, np.abs(wanted))
    assert (np.abs(got - wanted) <= allowed).all(), x[np.abs(got - wanted) > allowed]


@pytest.mark.parametrize("name", ["elu", "selu", "celu", "softplus", "gelu", "gelu_exact", "silu", "mish", "tanh"])
def test_small_values_keep_their_digits(name, tmp_path):
    """What cancels in a formula that is written as it is read: e^x - 1 near 0, the tails of x times a share."""
    x = np.concatenate([-np.geomspace(1e-12, 5, 200), np.geomspace(1e-12, 5, 200)])[:, np.newaxis].astype(np.float32)
    net = lamina.Network([lamina.Activation(name)], 1)
    (got,) = session(exported(net, tmp_path)).run(None, {"X": x})
    np.testing.assert_allclose(got, net.predict(x), rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("f", ["tanh", "prelu"])
@pytest.mark.parametrize("layer", lamina.layers.names())
def test_every_layer(layer, f, dtype, tmp_path, rng):
    made = zoo.example(layer, activation=f)
    layers = (
        [made, lamina.Dense(zoo.OUTPUTS)] if "members" not in made.params else [made, zoo.example(layer, zoo.OUTPUTS)]
    )
    net = lamina.Network(layers, zoo.INPUTS, dtype=dtype)
    jitter(net, rng)
    x = rng.normal(size=(30, zoo.STEPS, zoo.INPUTS) if net.spec.recurrent else (30, zoo.INPUTS))
    x = zoo.with_categories(x, rng) if layer == "Embedding" else x
    lengths = rng.integers(1, zoo.STEPS + 1, 30) if net.spec.recurrent else None
    check(net, x.astype(dtype), exported(net, tmp_path), lengths)


@pytest.mark.parametrize(("name", "layer"), zoo.switched().items())
def test_every_switch_of_every_layer(name, layer, tmp_path, rng):
    last = lamina.SharedDense(2, layer.members) if "members" in layer.params else lamina.Dense(2)
    net = lamina.Network([layer, last], zoo.INPUTS)
    jitter(net, rng)
    x = rng.normal(size=(30, zoo.STEPS, zoo.INPUTS) if net.spec.recurrent else (30, zoo.INPUTS))
    check(net, x.astype(np.float32), exported(net, tmp_path))


def jitter(net, rng):
    """Numbers that differ in every parameter, as after a training."""
    for name, view in net.parameters.items():
        view += 0.3 * rng.uniform(size=view.shape).astype(view.dtype) if "edges" not in name else 0


@pytest.mark.parametrize(
    "layer",
    [
        lamina.Dense(5, "elu", use_bias=False),
        lamina.Dense(5, "tanh", parametrization="ntk", parametric=True),
        lamina.Dense(5, parametrization="ntk", use_bias=False),
        lamina.Embedding((3, 0, 2, 5), (3, 2, 40, 5), units=3),
        lamina.Embedding((3, 0, 2, 5), (3, 2, 40, 5), units=3, one_hot=4),
        lamina.Embedding((3, 0, 2, 5), (3, 2, 40, 5), units=3, one_hot=50),
        lamina.NumericEmbedding((5, 1), bias=False, keep_input=False, activation="relu"),
        lamina.NumericEmbedding(kind="linear", activation="bipolar_relu"),
        lamina.NumericEmbedding((1,), kind="piecewise_linear", frequencies=4),
        lamina.NumericEmbedding((0, 6), sigma=3.0),
        lamina.Shortcut(4, "rrelu"),
        lamina.Activation("bipolar_relu"),
        lamina.BatchNorm(epsilon=0.3),
    ],
    ids=repr,
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_options_of_layers(layer, dtype, tmp_path, rng):
    net = lamina.Network([layer, lamina.Dense(2)], zoo.INPUTS, dtype=dtype)
    jitter(net, rng)
    x = rng.normal(size=(50, zoo.INPUTS))
    if isinstance(layer, lamina.Embedding):
        x = rng.integers(-1, 6, x.shape) + rng.choice([0.0, 0.5], x.shape)
    check(net, x.astype(dtype), exported(net, tmp_path))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("members", [1, 3])
def test_every_loss(loss, members, dtype, tmp_path, rng):
    layers = [lamina.Dense(3)] if members == 1 else [lamina.SharedDense(3, members=members, start="normal")]
    net = lamina.Network(layers, 4, loss=loss, dtype=dtype)
    check(net, 3 * rng.normal(size=(40, 4)).astype(dtype), exported(net, tmp_path))


def test_small_probabilities_keep_their_digits(tmp_path):
    for loss in ("cross_entropy", "binary_cross_entropy", "poisson"):
        net = lamina.Network([lamina.Dense(2)], 2, loss=loss)
        net.parameters["0.weight"][:] = np.eye(2)
        x = np.stack([np.linspace(-40, 40, 81), np.zeros(81)], axis=1).astype(np.float32)
        (got,) = session(exported(net, tmp_path)).run(None, {"X": x})
        np.testing.assert_allclose(got, net.predict(x), rtol=1e-5, err_msg=loss)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("how", ["standard", "robust"])
def test_normalisation_and_scale_of_targets(how, dtype, tmp_path, rng):
    x = rng.standard_t(2, size=(200, 4)) * [1, 100, 1e-3, 5] + [0, 1e3, 0, 7]
    net = lamina.Network([lamina.Dense(6, "tanh"), lamina.Dense(2)], 4, dtype=dtype,
                         normalize_inputs=how, normalize_targets=True)  # fmt: skip
    net.fit(x, np.stack([1e3 + x[:, 1], x[:, 0]], axis=1), epochs=5)
    far = np.concatenate([x, 1e4 * x, 1e12 * x]).astype(dtype)
    check(net, far, exported(net, tmp_path))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["elman", "jordan"])
@pytest.mark.parametrize("each_step", [False, True])
def test_sequences(kind, each_step, dtype, tmp_path, rng):
    more = {"outputs": 3, "output_activation": "prelu"} if kind == "jordan" else {}
    layers = [
        lamina.Dense(5, "tanh"),
        lamina.Recurrent(6, "gelu", return_sequences=True),
        lamina.BatchNorm(),
        lamina.Recurrent(4, "bipolar_relu", kind, return_sequences=each_step, use_bias=False, **more),
        lamina.Dense(2),
    ]
    net = lamina.Network(layers, 3, dtype=dtype, loss="cross_entropy")
    x, lengths = rng.normal(size=(20, 7, 3)).astype(dtype), rng.integers(1, 8, 20)
    path = exported(net, tmp_path)
    check(net, x, path, lengths)
    x[np.arange(7) >= lengths[:, np.newaxis]] = np.nan  # what lies beyond may be anything
    (got,) = session(path).run(None, {"X": x, "lengths": lengths})
    assert_near(got, net.predict(x, lengths=lengths))
    if each_step:
        assert not got[np.arange(7) >= lengths[:, np.newaxis]].any()
    with pytest.raises(Exception, match="Scan"):  # an error of onnxruntime's, and not the end of the process
        session(path).run(None, {"X": x[:, :0], "lengths": np.zeros(20, np.int64)})


def test_a_normalisation_that_is_to_come_is_told(tmp_path):
    net = lamina.Network([lamina.Dense(3)], 4, normalize_inputs=True)
    for model in (net, lamina.Ensemble(net, members=2)):
        with pytest.warns(UserWarning, match="first fit of the network is to normalise its inputs, and has") as told:
            exported(model, tmp_path)
        assert len(told) == 1


def test_an_ensemble(tmp_path, rng):
    x = rng.normal(size=(60, 4)).astype(np.float32)
    net = lamina.Network([lamina.Dense(5, "relu"), lamina.Dense(3)], 4, loss="cross_entropy", normalize_inputs=True)
    ensemble = lamina.Ensemble(net, members=3).fit(x, rng.integers(3, size=60), epochs=3)
    check(ensemble, x, exported(ensemble, tmp_path))


def test_what_passes_on_unchanged(tmp_path, rng):
    net = lamina.Network([lamina.Dropout(0.5), lamina.GaussianNoise(0.1)], 3)
    check(net, rng.normal(size=(5, 3)).astype(np.float32), exported(net, tmp_path))


# What a file says of itself ---------------------------------------------------------------------------------------


def test_the_file_is_of_standard_operators_and_names_itself(tmp_path):
    net = lamina.Network([lamina.Dense(4, "gelu_exact"), lamina.Dense(2)], 3, loss="cross_entropy")
    net.metadata["who"] = "me"
    first = exported(net, tmp_path).read_bytes()
    assert exported(net, tmp_path).read_bytes() == first
    model = onnx.load_from_string(first)
    onnx.checker.check_model(model, full_check=True)
    assert (model.producer_name, model.producer_version) == ("lamina", lamina.__version__)
    assert {(each.domain, each.version) for each in model.opset_import} == {("", 17)}
    assert {node.domain for node in model.graph.node} == {""}
    assert [each.name for each in model.graph.initializer if "constant" not in each.name] == list(net.parameters)
    (X,), (prediction,) = model.graph.input, model.graph.output
    assert (X.name, prediction.name) == ("X", "prediction")
    assert [each.dim_param or each.dim_value for each in X.type.tensor_type.shape.dim] == ["rows", 3]
    assert "who" in model.metadata_props[0].value


@pytest.mark.parametrize("part", ["activation", "loss"])
def test_custom_parts_are_refused_by_name(part, tmp_path):
    own = {"activation": lambda: lamina.activations.custom(np.sin, np.cos, "sine"),
           "loss": lambda: lamina.losses.custom(lambda y, t: y, lambda y, t: y, "mine")}[part]()  # fmt: skip
    layer = lamina.Dense(2, own) if part == "activation" else lamina.Dense(2)
    net = lamina.Network([layer], 2, loss=own if part == "loss" else "squared_error")
    with pytest.raises(ValueError, match="sine" if part == "activation" else "mine"):
        lamina.export.onnx(net, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()
    (tmp_path / "model.onnx").write_text("mine")
    with pytest.raises(ValueError):
        lamina.export.onnx(net, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_text() == "mine"


@pytest.mark.parametrize(
    ("module", "make", "hint"),
    [
        ("sklearn.neural_network", lambda of: of.MLPClassifier(), "from_sklearn(model)"),
        ("sklearn.neural_network", lambda of: type("Mine", (of.MLPRegressor,), {})(), "from_sklearn(model)"),
        ("torch.nn", lambda of: of.Sequential(of.Linear(2, 1)), "from_torch(model)"),
        ("keras", lambda of: of.Sequential([of.Input((2,)), of.layers.Dense(1)]), "from_keras(model)"),
        ("onnx.helper", lambda of: of.make_model(of.make_graph([], "empty", [], [])), "from_onnx(path)"),
    ],
)
def test_a_model_of_another_library_s_is_told_its_way(module, make, hint, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    theirs = make(pytest.importorskip(module))
    for export, file in ((lamina.export.onnx, "model.onnx"), (lamina.export.c, "model.c")):
        with pytest.raises(TypeError, match=rf"lamina\.{re.escape(hint)} is the same as a model of lamina's"):
            export(theirs, tmp_path / file)
    if module != "torch.nn":
        pytest.importorskip("torch")
        with pytest.raises(TypeError, match=re.escape(f"lamina.{hint} is the same as a model of lamina's")):
            lamina.to_torch(theirs)


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(TypeError, match="model must be a network or an estimator"):
        lamina.export.onnx("net", tmp_path / "model.onnx")
    with pytest.raises(ValueError, match="not grown"):
        lamina.export.onnx(lamina.CascadeNetwork(2), tmp_path / "model.onnx")


def test_without_the_package_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "onnx>='):
        lamina.export.onnx(lamina.Network([lamina.Dense(1)], 2), tmp_path / "model.onnx")


def test_every_layer_and_elementary_function_can_be_written():
    from lamina.export.expressions import FUNCTIONS
    from lamina.export.onnx_expressions import OPERATIONS
    from lamina.export.onnx_layers import LAYERS

    assert set(LAYERS) == set(lamina.layers.names())
    assert set(FUNCTIONS) <= set(OPERATIONS)


# Estimators ------------------------------------------------------------------------------------------------------

sklearn = pytest.importorskip("sklearn")
NAMES = np.array(["setosa", "versicolor", "virginica"])


@pytest.fixture(scope="module")
def iris():
    from sklearn.datasets import load_iris

    X, y = load_iris(return_X_y=True)
    return X, y


def assert_classifies(estimator, x, path, *arguments):
    run = session(path)
    feeds = dict(zip(("X", "lengths"), (x, *arguments), strict=False))
    got = dict(zip([each.name for each in run.get_outputs()], run.run(None, feeds), strict=True))
    wanted = estimator.predict(x, *arguments)
    assert got["label"].dtype.kind == ("O" if wanted.dtype.kind in "OU" else wanted.dtype.kind)
    assert (got["label"] == wanted).all()
    if "probabilities" in got:
        assert_near(got["probabilities"], estimator.predict_proba(x, *arguments))
    else:
        assert_near(got["decision_function"], estimator.decision_function(x))


TARGETS = {
    "numbers": lambda y: y,
    "text": lambda y: NAMES[y],
    "objects": lambda y: NAMES.astype(object)[y],
    "booleans": lambda y: y == 1,
    "several": lambda y: np.eye(3, dtype=int)[y],
    "two": lambda y: np.array(["no", "yes"])[(y > 1).astype(int)],
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("error", ["log_loss", "cross_entropy", "binary_cross_entropy", "hinge"])
@pytest.mark.parametrize("targets", TARGETS)
def test_perceptrons_that_classify(targets, error, dtype, iris, tmp_path):
    if targets == "several" and error == "cross_entropy":
        pytest.skip("it gives each row one class")
    X, y = iris
    estimator = lamina.MLPClassifier((8,), loss=error, max_iter=200, tol=0, n_iter_no_change=1000,
                                     standardize=True, random_state=0)  # fmt: skip
    X = X.astype(dtype)
    estimator.fit(X, TARGETS[targets](y))
    assert_classifies(estimator, X, exported(estimator, tmp_path))


@pytest.mark.parametrize("targets", TARGETS)
def test_cascades_that_classify(targets, iris, tmp_path):
    X, y = iris
    estimator = lamina.CascadeClassifier(max_units=3, random_state=0).fit(X, TARGETS[targets](y))
    assert_classifies(estimator, X, exported(estimator, tmp_path))


def test_a_vote_for_nobody_is_shared(tmp_path):
    """Logistic outputs that are all 0 give every class the same share."""
    x = np.array([[0.0], [1.0], [2.0]] * 5)
    estimator = lamina.MLPClassifier((), loss="binary_cross_entropy", max_iter=2).fit(x, [0, 1, 2] * 5)
    estimator.coefs_[0][:], estimator.intercepts_[0][:] = 0, -1e4
    path = exported(estimator, tmp_path)
    assert (session(path).run(["probabilities"], {"X": x})[0] == 1 / 3).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: lamina.MLPRegressor((8,), max_iter=20, random_state=0),
        lambda: lamina.MLPRegressor("poisson", (8,), max_iter=20, standardize=True, random_state=0),
        lambda: lamina.CascadeRegressor(max_units=3, random_state=0),
    ],
)
@pytest.mark.parametrize("columns", [1, 2])
def test_regressors(make, columns, iris, tmp_path):
    X = iris[0]
    estimator = make().fit(X, X[:, 0] if columns == 1 else X[:, :2])
    run = session(exported(estimator, tmp_path))
    (got,) = run.run(["variable"], {"X": X})
    assert got.shape == (len(X), columns)
    assert_near(got, estimator.predict(X))


@pytest.mark.parametrize("kind", ["elman", "jordan"])
def test_recurrent_estimators(kind, tmp_path, rng):
    x, lengths = rng.normal(size=(60, 7, 3)).astype(np.float32), rng.integers(1, 8, 60)
    given = {"kind": kind, "max_iter": 5, "random_state": 0}
    classifier = lamina.RecurrentClassifier((5, 4), **given).fit(x, NAMES[lengths % 3], lengths=lengths)
    assert_classifies(classifier, x, exported(classifier, tmp_path), lengths)
    regressor = lamina.RecurrentRegressor((5,), **given).fit(x, 100.0 + 10.0 * lengths, lengths=lengths)
    (got,) = session(exported(regressor, tmp_path)).run(["variable"], {"X": x, "lengths": lengths})
    assert_near(got, regressor.predict(x, lengths=lengths))


@pytest.mark.parametrize("kind", ["elman", "jordan"])
def test_windows_of_a_series(kind, tmp_path):
    series = np.sin(np.arange(200) / 7).astype(np.float32)
    regressor = lamina.RecurrentRegressor((5,), kind=kind, window=8, stride=2, max_iter=5, random_state=0)
    regressor.fit(series, series)
    run = session(exported(regressor, tmp_path))
    assert [each.name for each in run.get_inputs()] == ["X"]
    assert_near(run.run(None, {"X": series[:, np.newaxis]})[0], regressor.predict(series))


def test_an_estimator_that_is_not_fitted_is_refused(tmp_path):
    from sklearn.exceptions import NotFittedError
    from sklearn.pipeline import make_pipeline

    with pytest.raises(TypeError, match=r"got a Pipeline \(its last step, model\[-1\]"):
        lamina.export.onnx(make_pipeline(lamina.MLPClassifier()), tmp_path / "model.onnx")
    for estimator in (lamina.MLPClassifier(), lamina.CascadeRegressor(), lamina.RecurrentClassifier()):
        with pytest.raises(NotFittedError):
            lamina.export.onnx(estimator, tmp_path / "model.onnx")


# Tables ----------------------------------------------------------------------------------------------------------

pytest.importorskip("narwhals")
pd = pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def table():
    rng, n = np.random.default_rng(0), 300
    frame = pd.DataFrame(
        {
            "amount": rng.normal(size=n) * 1e5 + 3e9,
            "whole": rng.integers(0, 9, n),
            "flag": rng.random(n) > 0.5,
            "city": rng.choice(["Rome", "Oslo", "Bonn", ""], n),
            "rare": rng.choice([f"r{i}" for i in range(200)], n),
            "holes": np.where(rng.random(n) > 0.2, rng.normal(size=n), np.nan),
            "only": np.where(rng.random(n) > 0.5, "yes", None),
            "alone": np.where(rng.random(n) > 0.5, 1.0, np.nan),
            "span": pd.to_timedelta(rng.integers(0, 1000, n), unit="s"),
            "constant": 1.0,
            "label": rng.choice(["a", "b"], n),
        }
    )
    frame.loc[::7, "city"] = None
    frame["maybe"] = frame["flag"].astype("boolean").where(rng.random(n) > 0.2)
    new = frame.copy()
    new.loc[3, ["city", "rare"]] = "new"
    new.loc[5, "rare"] = None
    new.loc[6, "amount"], new.loc[7, "amount"] = np.nan, 1e30
    return frame, new


def feeds_of(path, frame):
    """As the file's own metadata says it: numbers with NaN, text with what stands for missing."""
    about = {each.key: each.value for each in onnx.load(path).metadata_props}
    feeds = {}
    for told in json.loads(about["inputs"]):
        column = frame[told["name"]]
        if told["type"] == "string":
            values = column.astype(object).where(column.notna(), told["missing"]).to_numpy(object)
        else:
            seconds = told["kind"] == "duration"
            values = (column.dt.total_seconds() if seconds else column).to_numpy(np.float64, na_value=np.nan)
        feeds[told["name"]] = values[:, np.newaxis]
    return feeds


@pytest.mark.parametrize(
    "given", [{}, {"n_folds": 3, "embeddings": "periodic"}, {"embeddings": "piecewise_linear", "preset": "fast"}]
)
def test_tables_that_are_classified(given, table, tmp_path):
    frame, new = table
    y = np.where(frame["amount"] > 3e9, np.where(frame["city"] == "Rome", "high", "mid"), "low")
    estimator = lamina.TabularClassifier(epochs=4, random_state=0, **given).fit(frame, y)
    path = exported(estimator, tmp_path)
    run = session(path)
    names = [each.name for each in run.get_outputs()]
    assert names == ["output_label", "probabilities"]  # a column is called label
    assert "constant" not in [each.name for each in run.get_inputs()]
    for rows in (new, new[:1], new[3:8]):
        label, probabilities = run.run(None, feeds_of(path, rows))
        assert (label == estimator.predict(rows)).all()
        np.testing.assert_allclose(probabilities, estimator.predict_proba(rows), rtol=0, atol=1e-6)


@pytest.mark.parametrize("given", [{}, {"quantiles": [0.1, 0.9]}, {"n_members": 2, "preset": "fast"}])
def test_tables_that_are_regressed(given, table, tmp_path):
    frame, new = table
    estimator = lamina.TabularRegressor(epochs=4, random_state=0, **given).fit(frame, 5 + 3 * frame["amount"])
    path = exported(estimator, tmp_path)
    got = session(path).run(None, feeds_of(path, new))
    spread = 3e5  # of the targets
    np.testing.assert_allclose(got[0][:, 0], estimator.predict(new), rtol=0, atol=1e-6 * spread)
    if "quantiles" in given:
        np.testing.assert_allclose(got[1], estimator.predict_quantiles(new), rtol=0, atol=1e-6 * spread)


def test_categories_are_listed_as_they_are_spelled(tmp_path, rng):
    frame = pd.DataFrame({"flag": pd.Categorical(rng.choice([True, False], 80)),
                          "size": pd.Categorical(rng.choice([0.5, 2.0, 3e2], 80))})  # fmt: skip
    path = exported(lamina.TabularRegressor(epochs=1, preset="fast").fit(frame, rng.normal(size=80)), tmp_path)
    told = json.loads({each.key: each.value for each in onnx.load(path).metadata_props}["inputs"])
    assert {each["name"]: each["categories"] for each in told} == {"flag": ["0", "1"], "size": ["0.5", "2", "300"]}


def test_an_empty_name_is_refused_by_the_place_of_its_column(tmp_path, rng):
    frame = pd.DataFrame({"a": rng.normal(size=80), "": rng.normal(size=80)})
    model = lamina.TabularRegressor(epochs=1, preset="fast").fit(frame, rng.normal(size=80))
    with pytest.raises(ValueError, match="column 2 of the table has an empty name"):
        exported(model, tmp_path)


def test_a_table_of_numbers_without_names_is_one_input(tmp_path, rng):
    x = rng.normal(size=(200, 5))
    x[::5, 1], x[:, 2] = np.nan, 3.0
    estimator = lamina.TabularRegressor(epochs=3, random_state=0).fit(x, np.stack([x[:, 0], x[:, 3]], axis=1))
    run = session(exported(estimator, tmp_path))
    assert [(each.name, each.shape) for each in run.get_inputs()] == [("X", ["rows", 5])]
    np.testing.assert_allclose(run.run(None, {"X": x})[0], estimator.predict(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize("unit", ["s", "ns", "D"])
def test_dates_and_times(unit, tmp_path, rng):
    """Every part of a date, before 1970 and on leap days, and where it is missing."""
    n = 400
    moments = rng.integers(-60 * 365 * 86400, 100 * 365 * 86400, n).astype("datetime64[s]")
    moments[:4] = np.array(["2000-02-29T23:59:59", "1900-03-01", "1969-12-31T23:59:59", "2100-02-28"], "datetime64[s]")
    frame = pd.DataFrame({"when": moments.astype(f"datetime64[{unit}]").astype("datetime64[ns]")})
    frame["utc"] = frame["when"].dt.tz_localize("UTC")
    frame.loc[::9, "utc"] = None
    frame["at"] = [moment.time() for moment in frame["when"].dt.floor("us")]
    y = frame["when"].dt.month + frame["when"].dt.hour / 24
    estimator = lamina.TabularRegressor(epochs=3, random_state=0).fit(frame, y)
    clock = {
        "when": frame["when"],
        "utc": frame["utc"].dt.tz_localize(None),
        "at": pd.to_datetime("1970-01-01 " + frame["at"].astype(str), format="mixed"),
    }
    path = exported(estimator, tmp_path)
    run = session(path)
    feeds = {name: x.to_numpy("datetime64[us]").astype(np.int64)[:, np.newaxis] for name, x in clock.items()}
    feeds = {each.name: feeds[each.name] for each in run.get_inputs()}
    np.testing.assert_allclose(run.run(None, feeds)[0][:, 0], estimator.predict(frame), rtol=0, atol=1e-5)


def test_the_parts_of_dates_are_exact(tmp_path):
    from lamina.export.onnx_graph import Graph
    from lamina.export.onnx_tables import calendar_part
    from lamina.tabular.values import PARTS, parts_of

    step, before = np.timedelta64(1301, "m"), np.timedelta64(1, "us")
    clock = np.arange("0001-01-01", "3000-01-01", step, dtype="datetime64[m]").astype("datetime64[us]") - before
    graph = Graph("float64")
    x = graph.input("X", np.int64, ["rows"])
    for part in PARTS:
        graph.output(calendar_part(x, part), part, ["rows"])
    (tmp_path / "model.onnx").write_bytes(graph.model("parts", "", {}).SerializeToString())
    got = session(tmp_path / "model.onnx").run(None, {"X": clock.astype(np.int64)})
    for part, values in zip(PARTS, got, strict=True):
        np.testing.assert_array_equal(values, parts_of(clock)[part], err_msg=part)


def test_dates_of_a_zone_are_refused_by_the_name_of_the_column(tmp_path, rng):
    when = pd.date_range("2024-01-01", periods=50, freq="7h", tz="Europe/Rome")
    frame = pd.DataFrame({"size": rng.normal(size=50), "when": when})
    estimator = lamina.TabularRegressor(epochs=2).fit(frame, frame["size"])
    with pytest.raises(ValueError, match=r"'when' is of kind 'datetime' with the time zone 'Europe/Rome'"):
        lamina.export.onnx(estimator, tmp_path / "model.onnx")
