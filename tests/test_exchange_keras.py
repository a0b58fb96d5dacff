"""Networks as Keras's models and back: outputs and weights; what has no equal is refused by name."""

import os
import subprocess
import sys

import numpy as np
import pytest

import exchanged
import lamina
import zoo
from exchanged import OTHER_PARAMETERS, assert_same_weights

if "KERAS_BACKEND" not in os.environ:
    pytest.importorskip("torch", reason="PyTorch, the backend of Keras that is tested with, is not installed")
    os.environ["KERAS_BACKEND"] = "torch"
keras = pytest.importorskip("keras", reason="Keras is not installed")

# Keras's variables and NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

#: Of the largest output, or of 1. Keras multiplies float64 in float32, unless its backend is TensorFlow.
TOLERANCE = 1e-6
layers = keras.layers
trained = exchanged.trained


def assert_close(got, expected, factor=1):
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    size = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(got, expected, rtol=0, atol=factor * TOLERANCE * size)


def outputs(model, x, lengths=None):
    """The outputs of steps that count."""
    if lengths is None:
        return keras.ops.convert_to_numpy(model(x))
    mask = np.arange(x.shape[1]) < lengths[:, None]
    y = keras.ops.convert_to_numpy(model(x, mask=mask))
    return y * mask[..., None] if y.ndim == 3 else y


def some(n, features, dtype="float32", seed=0):
    return np.random.default_rng(seed).normal(size=(n, features)).astype(dtype)


@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize("number", range(zoo.COUNT))
def test_the_zoo_goes_there_and_back(number, link, trained):
    net, x, lengths = trained(number)
    model = lamina.to_keras(net, link=link)
    expected = (net.predict if link else net.forward)(x, lengths=lengths)
    assert_close(outputs(model, x, lengths), expected)
    back = lamina.from_keras(model, loss=net.loss)
    assert_same_weights(back, net)
    assert back.dtype == net.dtype
    np.testing.assert_array_equal(back.predict(x, lengths=lengths), net.predict(x, lengths=lengths))


def test_predict_is_predict(trained):
    for number in (1, 3, 4):
        net, x, _ = trained(number)
        assert_close(lamina.to_keras(net).predict(x, verbose=0), net.predict(x))


@pytest.mark.parametrize("number", range(zoo.COUNT))
def test_a_file_has_all_of_it(number, trained, tmp_path):
    net, x, _ = trained(number)
    model = lamina.to_keras(net)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(outputs(again, x), outputs(model, x))
    assert_same_weights(lamina.from_keras(again, loss=net.loss), net)


def test_another_program_loads_the_file(trained, tmp_path):
    net, x, _ = trained(1)
    lamina.to_keras(net).save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    code = """
import keras, numpy as np, lamina.exchange.keras_layers
print(float(np.sum(keras.saving.load_model("model.keras").predict(np.load("x.npy"), verbose=0)[:, 0])))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(net.predict(x)[:, 0].sum(), abs=1e-4)


def test_every_activation(activation):
    f = lamina.activations.get(activation, **OTHER_PARAMETERS.get(activation, {}))
    x = np.concatenate([some(50, 4), 10 * some(50, 4), np.zeros((1, 4), "float32")])
    for first in (
        lamina.Dense(6, f),
        lamina.Activation(f),
        lamina.Shortcut(5, f),
        lamina.NumericEmbedding(activation=f),
    ):
        net = lamina.Network([first, lamina.Dense(2)], 4, seed=3)
        model = lamina.to_keras(net)
        assert_close(outputs(model, x), net.forward(x))
        back = lamina.from_keras(model)
        assert_same_weights(back, net)
        np.testing.assert_array_equal(back.forward(x), net.forward(x))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("normalize", ["standard", "robust"])
def test_inputs_and_targets_are_brought_to_size(normalize, dtype):
    x = 100 + 30 * some(80, 4, dtype) ** 3
    y = 1000 + 50 * some(80, 2, dtype)
    net = lamina.Network(
        [lamina.Dense(6, "tanh"), lamina.Dense(2)], 4, dtype=dtype, normalize_inputs=normalize, normalize_targets=True
    )
    net.fit(x, y, epochs=3)
    for link, expected in ((False, net.forward(x)), (True, net.predict(x))):
        model = lamina.to_keras(net, link=link)
        assert_close(outputs(model, x), expected)
        back = lamina.from_keras(model)
        np.testing.assert_array_equal((back.predict if link else back.forward)(x), expected)


RECURRENT = [
    lamina.Recurrent(4),
    lamina.Recurrent(4, "gaussian", return_sequences=True),
    lamina.Recurrent(4, "relu", truncate=2, use_bias=False),
    lamina.Recurrent(4, "prelu", "jordan", outputs=3, output_activation="prelu", return_sequences=True),
    lamina.Recurrent(4, "rrelu", "jordan", truncate=3),
]


@pytest.mark.parametrize("layer", RECURRENT, ids=lambda layer: f"{layer.kind}-{layer.activation.name}")
def test_sequences_of_different_lengths(layer):
    between = [lamina.BatchNorm(), lamina.Dense(4, "prelu")]
    net = lamina.Network([lamina.Recurrent(5, return_sequences=True), *between, layer, lamina.Dense(2)], 3)
    rng = np.random.default_rng(3)
    x, lengths = rng.normal(size=(20, 7, 3)).astype("float32"), rng.integers(1, 8, 20)
    model = lamina.to_keras(net)
    assert_close(outputs(model, x), net.predict(x))
    assert_close(outputs(model, x, lengths), net.predict(x, lengths=lengths))
    assert_same_weights(lamina.from_keras(model), net)


GRADIENTS = {
    **{f"recurrent {i}": layer for i, layer in enumerate(RECURRENT) if layer.activation.name != "rrelu"},
    "straight through": lamina.Dense(5, "heaviside"),
    "parametric": lamina.Dense(5, "silu", parametric=True),
    "shortcut": lamina.Shortcut(5, "prelu"),
    "numbers": lamina.NumericEmbedding((2, 0)),
}


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="derivatives are asked of PyTorch")
@pytest.mark.parametrize("name", GRADIENTS)
def test_derivatives_are_the_same(name):
    layer = GRADIENTS[name]
    net = lamina.Network([layer, lamina.Dense(2)], 3)
    rng = np.random.default_rng(4)
    steps = (5,) if net.spec.recurrent else ()
    x = rng.normal(size=(30, *steps, 3)).astype("float32")
    y = rng.normal(size=(30, *(steps if net.spec.each_step else ()), 2)).astype("float32")
    model = lamina.to_keras(net)
    loss = keras.ops.mean(keras.ops.sum(keras.ops.square(keras.ops.subtract(model(x, training=True), y)), axis=-1)) / 2
    loss.backward()
    for variable in model.trainable_variables:
        variable.assign(variable.value.grad)
    expected = net.loss_and_gradients(x, y)[1]
    got = dict(zip(net.parameters, lamina.from_keras(model).parameters.values(), strict=True))
    for parameter, gradient in expected.items():
        assert_close(got[parameter], gradient.astype("float32"), 10)


def test_what_comes_out_is_a_usual_model():
    net = lamina.Network(
        [lamina.Dense(8, "relu"), lamina.Dropout(0.3), lamina.BatchNorm(), lamina.Dense(3)], 5, "cross_entropy"
    )
    model = lamina.to_keras(net)
    kinds = [layers.Dense, layers.Dropout, layers.BatchNormalization, layers.Dense, layers.Activation]
    assert [type(layer) for layer in model.layers] == kinds
    assert model.layers[2].momentum == 0.9
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model.layers[0].kernel), net.parameters["0.weight"])
    assert net.parameters["2.gamma"].size == 8
    assert model.input_shape == (None, 5)


@pytest.mark.parametrize("number", [0, 1, 2, 3, 8, 9])
def test_training_goes_on_in_keras(number, trained):
    net, x, _ = trained(number)
    model = lamina.to_keras(net)
    model.compile("adam", "mse")
    y = np.full(outputs(model, x).shape, 0.3, net.dtype)
    before = model.evaluate(x, y, verbose=0)
    model.fit(x, y, epochs=8, batch_size=10, verbose=0)
    assert model.evaluate(x, y, verbose=0) < before
    assert np.isfinite(lamina.from_keras(model, loss=net.loss).predict(x)).all()


def test_cascades_and_estimators_are_taken_for_their_networks():
    x = some(100, 3)
    y = np.sin(x[:, 0]) * x[:, 1]
    cascade = lamina.CascadeNetwork(3, max_units=3, candidates=2, activation=["tanh", "bipolar_relu"])
    cascade.fit(x, y, output_epochs=20, candidate_epochs=20)
    assert_close(outputs(lamina.to_keras(cascade), x), cascade.predict(x))
    estimator = lamina.MLPClassifier((4,), solver="lbfgs", max_iter=2000, random_state=0).fit(x, y > 0)
    assert_close(outputs(lamina.to_keras(estimator), x)[:, 0], estimator.predict_proba(x)[:, 1])


# In ---------------------------------------------------------------------------------------------------------------


def functional():
    x = keras.Input((6,))
    y = layers.Dense(5)(x)
    y = layers.LeakyReLU(negative_slope=0.1)(layers.BatchNormalization(scale=False)(y))
    y = layers.Dropout(0.2)(keras.activations.relu(layers.Dense(4)(y)))
    return keras.Model(x, layers.Dense(3, activation="softmax")(y))


def normalized():
    first = layers.Normalization()
    first.adapt(5 + 3 * some(100, 6))
    return keras.Sequential(
        [keras.Input((6,)), first, layers.Dense(3, "silu"), layers.Dense(2), layers.Rescaling(7.0, 3.0)]
    )


MODELS = {
    "dense": lambda: keras.Sequential([keras.Input((6,)), layers.Dense(5, "relu"), layers.Dense(2, use_bias=False)]),
    "nested": lambda: keras.Sequential(
        [
            *(keras.Input((6,)), layers.Flatten(), keras.Sequential([layers.Dense(4, "gelu"), layers.Dense(4)])),
            *(layers.PReLU(), layers.GaussianNoise(0.1), layers.Identity(), layers.Dense(1, "sigmoid")),
        ]
    ),
    "activations": lambda: keras.Sequential(
        [
            *(keras.Input((6,)), layers.Dense(5), layers.ReLU(), layers.Dense(5), layers.ReLU(max_value=6)),
            *(layers.Dense(5, "leaky_relu"), layers.ELU(0.4), layers.Dense(5, "hard_silu"), layers.Activation("celu")),
            *(layers.Dense(5, "softplus"), layers.Dense(3), layers.Softmax()),
        ]
    ),
    "functional": functional,
    "normalized": normalized,
    "rescaled": lambda: keras.Sequential([keras.Input((6,)), layers.Rescaling(1 / 255, -0.5), layers.Dense(2)]),
    "norms": lambda: keras.Sequential(
        [keras.Input((6,)), layers.BatchNormalization(center=False, epsilon=0.01), layers.Dense(2)]
    ),
    "recurrent": lambda: keras.Sequential(
        [
            *(keras.Input((None, 6)), layers.SimpleRNN(5, return_sequences=True), layers.BatchNormalization()),
            *(layers.Dense(4, "tanh"), layers.SimpleRNN(3, "relu", use_bias=False), layers.Dense(2)),
        ]
    ),
    "every step": lambda: keras.Sequential(
        [
            keras.Input((5, 6)),
            layers.SimpleRNN(4, return_sequences=True),
            layers.PReLU(shared_axes=[1]),
            layers.Dense(2),
        ]
    ),
    "poisson": lambda: keras.Sequential([keras.Input((6,)), layers.Dense(2, "exponential")]),
}


def shaken(model):
    """The model with other numbers in all that is 0 or 1 at first."""
    rng = np.random.default_rng(0)
    model.set_weights([w + rng.uniform(0, 0.3, np.shape(w)).astype(np.asarray(w).dtype) for w in model.get_weights()])
    return model


@pytest.mark.parametrize("name", MODELS)
def test_a_model_comes_in(name):
    keras.utils.set_random_seed(0)
    model = MODELS[name]()
    model = model if name == "normalized" else shaken(model)
    steps = (5,) if len(model.input_shape) == 3 else ()
    x = np.random.default_rng(1).normal(size=(30, *steps, 6)).astype("float32")
    net = lamina.from_keras(model)
    assert_close(net.predict(x), outputs(model, x))
    held = {np.asarray(w).tobytes() for w in net.parameters.values()}
    for layer in model.layers:
        if isinstance(layer, (layers.Dense, layers.SimpleRNN)):
            assert all(np.asarray(w).tobytes() in held for w in layer.get_weights())
    rng = np.random.default_rng(0)
    shape = (*x.shape[:-1], net.n_outputs) if net.spec.each_step else (30, net.n_outputs)
    y = (
        rng.integers(net.n_outputs, size=30)
        if net.loss.targets == "classes"
        else rng.integers(2, size=shape).astype(float)
    )
    before = net.evaluate(x, y)
    net.fit(x, y, epochs=30, validation=None, optimizer=lamina.Adam(3e-3), early_stopping=None)
    assert net.evaluate(x, y) < before


def test_pictures_become_rows():
    """As in the first example of many a course."""
    inside = [layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(5, "relu"), layers.Dense(3, "softmax")]
    model = keras.Sequential([keras.Input((4, 2)), *inside])
    x = np.random.default_rng(0).integers(0, 256, (20, 4, 2)).astype("float32")
    net = lamina.from_keras(model)
    assert net.n_inputs == 8
    assert_close(net.predict(x.reshape(20, -1)), outputs(model, x))


def test_models_in_models():
    x = keras.Input((6,))
    inner = keras.Model(x, layers.Dense(4, "tanh")(layers.Dense(5, "elu")(x)))
    y = keras.Input((6,))
    model = keras.Model(y, layers.Dense(2)(inner(y)))
    rows = some(9, 6)
    assert_close(lamina.from_keras(model).predict(rows), outputs(model, rows))
    assert_close(lamina.from_keras(inner).predict(rows), outputs(inner, rows))


@pytest.mark.parametrize(
    ("last", "given", "expected"),
    [
        ("softmax", None, "cross_entropy"),
        ("softmax", "sparse_categorical_crossentropy", "cross_entropy"),
        (None, keras.losses.SparseCategoricalCrossentropy(from_logits=True), "cross_entropy"),
        ("softmax", keras.losses.CategoricalCrossentropy(label_smoothing=0.1), "cross_entropy"),
        ("sigmoid", None, "binary_cross_entropy"),
        ("sigmoid", "binary_crossentropy", "binary_cross_entropy"),
        ("sigmoid", "mse", "squared_error"),
        (None, "mean_absolute_error", "absolute_error"),
        (None, keras.losses.Huber(2.0), "huber"),
        (None, keras.losses.mean_squared_error, "squared_error"),
        ("exponential", "poisson", "poisson"),
    ],
    ids=str,
)
def test_the_loss_is_the_compiled_one(last, given, expected):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, last)])
    if given is not None:
        model.compile("sgd", given)
    net = lamina.from_keras(model)
    assert net.loss.name == expected
    assert net.loss.params.get("delta", 2.0) == 2.0
    assert net.loss.params.get("label_smoothing", 0.0) == (0.1 if "Categorical" in str(type(given)) and last else 0.0)
    x = some(9, 4)
    assert_close(net.forward(x) if last is None else net.predict(x), outputs(model, x))


def sequential(*inside, inputs=(4,)):
    return keras.Sequential([keras.Input(inputs), *inside])


def branching():
    x = keras.Input((4,))
    return keras.Model(x, layers.Add(name="sum")([x, layers.Dense(4)(x)]))


class Subclass(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


def twice(inside):
    x = keras.Input((4,))
    return keras.Model(x, inside(inside(x)))


def built_subclass():
    model = Subclass()
    model(some(2, 4))
    return model


class Doubling(keras.Sequential):
    def call(self, inputs, training=None, mask=None):
        return 2 * super().call(inputs)


class DoublingCalls(keras.Sequential):
    def __call__(self, inputs, **options):
        return 2 * super().__call__(inputs, **options)


class Building(keras.Sequential):
    def build(self, input_shape=None):
        super().build(input_shape)


class Mixed(type("Mixin", (), {"call": lambda self, inputs, training=None, mask=None: inputs}), keras.Sequential):
    pass


class DoublingGraph(keras.Model):
    def call(self, inputs, training=None, mask=None):
        return 2 * super().call(inputs)


class Made(keras.Sequential):
    """With nothing of its own but what it is made of."""

    def __init__(self):
        super().__init__([keras.Input((4,)), layers.Dense(2)])


class MadeGraph(keras.Model):
    def __init__(self, units):
        x = keras.Input((4,))
        super().__init__(x, layers.Dense(units)(x))


def graph(inside, inputs=(4,), kind=keras.Model):
    x = keras.Input(inputs)
    return kind(x, inside(x))


def called(layer, inputs=(4, 2), **options):
    return graph(lambda x: layers.Dense(2)(layer(x, **options)), inputs)


OWN_CALLS = {
    "call": (lambda: Doubling([keras.Input((4,)), layers.Dense(2)]), "call"),
    "__call__": (lambda: DoublingCalls([keras.Input((4,)), layers.Dense(2)]), "__call__"),
    "build": (lambda: Building([keras.Input((4,)), layers.Dense(2)]), "build"),
    "mixed in": (lambda: Mixed([keras.Input((4,)), layers.Dense(2)]), "call"),
    "graph": (lambda: graph(layers.Dense(2), kind=DoublingGraph), "call"),
    "in a model": (lambda: sequential(Doubling([keras.Input((4,)), layers.Dense(2)])), "call"),
    "in a graph": (lambda: graph(lambda x: graph(layers.Dense(2), kind=DoublingGraph)(x)), "call"),
}
STATE = np.ones((1, 3), "float32")
CALLS = {
    "state": (lambda: called(layers.SimpleRNN(3, name="r"), initial_state=keras.ops.array(STATE)), "initial_state"),
    "second": (lambda: graph(lambda x: layers.SimpleRNN(3, name="r")(x, keras.ops.array(STATE)), (4, 2)), "a second a"),
    "computed": (
        lambda: graph(
            lambda x: layers.SimpleRNN(3, name="r")(x, initial_state=layers.Dense(3)(layers.Flatten()(x))), (4, 2)
        ),
        "initial_state",
    ),
    "mask": (lambda: called(layers.SimpleRNN(3, name="r"), mask=keras.ops.ones((1, 4), dtype="bool")), "mask"),
    "dropout": (lambda: called(layers.Dropout(0.5, name="r"), (4,), training=True), "training=True"),
    "norm": (lambda: called(layers.BatchNormalization(name="r"), (4,), training=True), "training=True"),
    "model": (
        lambda: called(keras.Sequential([keras.Input((4,)), layers.Dropout(0.5)], name="r"), (4,), training=True),
        "training=True",
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_is_called_with_more_than_its_inputs_is_refused(name):
    model, told = CALLS[name]
    with pytest.raises(ValueError, match=f"the layer 'r' .*it is called with {told}"):
        lamina.from_keras(model())


@pytest.mark.parametrize("name", OWN_CALLS)
def test_what_has_a_call_of_its_own_is_refused(name):
    model, method = OWN_CALLS[name]
    with pytest.raises(ValueError, match=f"the model '.*' cannot be brought over: what its own {method} computes"):
        lamina.from_keras(model())


@pytest.mark.parametrize(
    "make",
    [
        Made,
        lambda: MadeGraph(2),
        lambda: called(layers.BatchNormalization(), (4,), training=False),
        lambda: called(layers.Dropout(0.5), (4,), training=False),
        lambda: called(layers.Dropout(0.5), (4,), training=None),
        lambda: called(graph(layers.BatchNormalization()), (4,), training=False),
        lambda: called(layers.SimpleRNN(3), mask=None, initial_state=None),
    ],
)
def test_what_is_called_as_usual_comes_in(make):
    model = shaken(make())
    x = np.random.default_rng(0).normal(size=(9, *model.input_shape[1:])).astype("float32")
    assert_close(lamina.from_keras(model).predict(x), model.predict(x, verbose=0))


# What is frozen ---------------------------------------------------------------------------------------------------


def bias_alone():
    model = sequential(layers.Dense(3, name="a"), layers.Dense(2, name="b"))
    model.layers[1].bias.trainable = False
    return model


def frozen_inside():
    inner = sequential(layers.Dense(3, "relu", name="a"), layers.PReLU(name="b"))
    inner.trainable = False
    return graph(lambda x: layers.Dense(2, name="c")(inner(x)))


def frozen_above():
    model = sequential(layers.Dense(3, name="a"), layers.Dense(2, name="b"))
    model.trainable = False
    model.layers[0].trainable = True  # which Keras does not train in a model that is not trained
    return model


FROZEN = {
    "layer": (lambda: sequential(layers.Dense(3, trainable=False, name="a"), layers.Dense(2)), "a", {0: 0.0}),
    "behind": (
        lambda: sequential(layers.Dense(3, name="c"), layers.PReLU(trainable=False, name="b"), layers.Dense(2)),
        "b",
        {"0.slope": 0.0},
    ),
    "before": (
        lambda: sequential(layers.Dense(3, trainable=False, name="a"), layers.PReLU(name="c"), layers.Dense(2)),
        "a",
        {"0.weight": 0.0, "0.bias": 0.0},
    ),
    "one": (bias_alone, "b", {"1.bias": 0.0}),
    "norm": (
        lambda: sequential(layers.BatchNormalization(scale=False, trainable=False, name="a"), layers.Dense(2)),
        "a",
        {0: 0.0},
    ),
    "steps": (
        lambda: sequential(layers.SimpleRNN(3, trainable=False, name="a"), layers.Dense(2), inputs=(5, 4)),
        "a",
        {0: 0.0},
    ),
    "inside": (frozen_inside, "ab", {0: 0.0, 1: 0.0}),
    "above": (frozen_above, "ab", {0: 0.0, 1: 0.0}),
    "end": (lambda: sequential(layers.Dense(3), layers.Dense(1, "sigmoid", trainable=False, name="a")), "a", {1: 0.0}),
}


@pytest.mark.parametrize("name", FROZEN)
def test_what_is_frozen_is_told_with_the_rates_that_keep_it(name):
    make, names, rates = FROZEN[name]
    model = shaken(make())
    with pytest.warns(UserWarning, match="were frozen, .*") as warned:
        net = lamina.from_keras(model)
    told = [one for one in warned if one.category is UserWarning]
    assert [one.filename for one in told] == [__file__]
    message = str(told[0].message)
    assert message.endswith(f"give fit(..., rates={rates})")
    for own in "abc":
        assert (f"'{own}'" in message) == (own in names)
    before = {parameter: array.copy() for parameter, array in net.parameters.items()}
    x = np.random.default_rng(0).normal(size=(40, *model.input_shape[1:])).astype("float32")
    y = np.random.default_rng(1).integers(0, 2, (40, net.n_outputs)).astype("float32")
    net.fit(x, y, epochs=2, rates=rates, validation=None, early_stopping=None)
    for parameter, array in net.parameters.items():
        kept = parameter in rates or int(parameter.partition(".")[0]) in rates
        assert np.array_equal(array, before[parameter]) == kept, parameter


def test_what_has_no_weights_or_is_trained_is_not_told():
    lamina.from_keras(sequential(layers.Dense(3), layers.Dropout(0.1, trainable=False), layers.BatchNormalization()))
    lamina.from_keras(sequential(layers.Dense(3), layers.BatchNormalization(scale=False, center=False)))


def by_step(norm):
    """A model that normalises each step by numbers of its own, where there are as many steps as inputs."""
    norm.adapt(np.random.default_rng(0).normal(size=(6, 5, 5)))
    return sequential(norm, layers.SimpleRNN(3), inputs=(5, 5))


REFUSED = {
    "convolution": (lambda: sequential(layers.Conv1D(2, 1, name="conv"), inputs=(4, 2)), r"'conv' \(Conv1D\)"),
    "lstm": (lambda: sequential(layers.LSTM(2, name="memory"), inputs=(4, 2)), r"'memory' \(LSTM\)"),
    "activation": (lambda: sequential(layers.Dense(2, "tanh_shrink", name="odd")), "'odd' .* activation 'tanh_shrink'"),
    "own function": (lambda: sequential(layers.Dense(2, lambda x: x, name="own")), "'own' .* activation '<lambda>'"),
    "relu": (lambda: sequential(layers.ReLU(max_value=3, name="cut")), "'cut' .* max_value=3"),
    "early softmax": (
        lambda: sequential(layers.Dense(2, "softmax", name="early"), layers.Dense(2)),
        "'early' .* the last",
    ),
    "axis": (lambda: sequential(layers.BatchNormalization(axis=1, name="bn"), inputs=(3, 4)), "'bn' .* axis 1"),
    "late": (
        lambda: sequential(layers.Dense(2), layers.Normalization(mean=0.0, variance=1.0, name="late")),
        "'late' .* before",
    ),
    "branches": (branching, r"'sum' \(Add\)"),
    "twice": (lambda: twice(layers.Dense(4, name="again")), "'again' .* more than once"),
    "model twice": (lambda: twice(sequential(layers.Dense(4))), "more than once"),
    "both ways": (lambda: sequential(layers.Bidirectional(layers.SimpleRNN(2), name="two"), inputs=(4, 2)), "'two'"),
    "backwards": (
        lambda: sequential(layers.SimpleRNN(2, go_backwards=True, name="back"), inputs=(4, 2)),
        "'back' .*go_backw",
    ),
    "subclass": (built_subclass, "its own call"),
    "half": (lambda: sequential(layers.Dense(2, dtype="mixed_float16", name="half")), "'half' .* computes in float16"),
    "order": (
        lambda: sequential(layers.Flatten("channels_first", name="flat"), layers.Dense(2), inputs=(3, 2, 5)),
        "'flat' .* data_format='channels_first'",
    ),
    "by step": (lambda: by_step(layers.Normalization(axis=1, name="steps")), "'steps' .* by place"),
    "scales by step": (
        lambda: sequential(layers.Rescaling(np.ones((5, 1)), name="s"), layers.SimpleRNN(3), inputs=(5, 5)),
        r"'s' .* \(5, 1\), are by place",
    ),
    "flatten": (lambda: sequential(layers.Dense(2), layers.Flatten(name="flat"), inputs=(2, 2)), "'flat'"),
    "many axes": (lambda: sequential(layers.Dense(2), inputs=(3, 2)), "its inputs have 3 axes, and 2 are wanted"),
    "mask": (
        lambda: sequential(layers.Masking(name="mask"), layers.SimpleRNN(2), inputs=(2, 2)),
        r"'mask' \(Masking\)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_equal_is_refused_by_name(name):
    model, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        lamina.from_keras(model())


@pytest.mark.parametrize("shape", [(1, 2, 5), (6, 1), (10,)])
def test_an_order_that_changes_nothing_is_read(shape, rng):
    model = sequential(layers.Flatten("channels_first"), layers.Dense(2), inputs=shape)
    x = rng.normal(size=(4, *shape)).astype("f")
    np.testing.assert_allclose(lamina.from_keras(model).predict(x.reshape(4, -1)), outputs(model, x), atol=1e-6)


@pytest.mark.parametrize("deviation", [0.5, 1.0, 2.0])
def test_noise_of_any_size(deviation, rng, tmp_path):
    net = lamina.Network([lamina.GaussianNoise(deviation), lamina.Dense(3)], n_inputs=4)
    x = rng.normal(size=(2000, 4)).astype("f")
    model = lamina.to_keras(net)
    np.testing.assert_allclose(outputs(model, x), net.predict(x), atol=1e-6)
    assert repr(lamina.from_keras(model).layers) == repr(net.layers)
    model.save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    noisy = np.asarray(model.layers[0](x, training=True)) - x
    assert abs(noisy.std() / deviation - 1) < 0.05
    assert repr(lamina.from_keras(model).layers) == repr(net.layers)


def test_arguments_are_checked():
    with pytest.raises(TypeError, match=r"net must be a lamina\.Network"):
        lamina.to_keras(sequential(layers.Dense(2)))
    with pytest.raises(TypeError, match="link must be True or False; got 1"):
        lamina.to_keras(lamina.Network([lamina.Dense(2)], 3), link=1)
    with pytest.raises(TypeError, match=r"model must be a keras\.Model; got something of type list$"):
        lamina.from_keras(sequential(layers.Dense(40), inputs=(64,)).get_weights())
    with pytest.raises(TypeError, match=r"model must be a keras\.Model"):
        lamina.from_keras(layers.Dense(2))
    with pytest.raises(ValueError, match="model must be built"):
        lamina.from_keras(keras.Sequential([layers.Dense(2)]))
    model = sequential(layers.Dense(2))
    model.compile("sgd", "cosine_similarity")
    with pytest.raises(ValueError, match=r"the model's loss cosine_similarity .* give from_keras\(model, loss="):
        lamina.from_keras(model)
    assert lamina.from_keras(model, loss="mse").loss.name == "squared_error"
    model.compile("sgd", "binary_crossentropy")
    with pytest.raises(ValueError, match="takes probabilities, and the model's last layer gives none"):
        lamina.from_keras(model)


# The loss ---------------------------------------------------------------------------------------------------------

ENDS = (None, *("relu", "softplus", "sigmoid", "hard_sigmoid", "tanh", "softmax", "exponential"))
LINKS = {"categorical": "softmax", "binary": "sigmoid", "bce": "sigmoid", "poisson": "exponential"}
KERAS_LOSSES = {
    **{name: name for name in ("mse", "mae", "huber", "log_cosh", "poisson", "hinge", "bce", "binary_crossentropy")},
    **{name: name for name in ("categorical_crossentropy", "sparse_categorical_crossentropy", "MeanSquaredError")},
    "Poisson()": keras.losses.Poisson(),
    "BinaryCrossentropy()": keras.losses.BinaryCrossentropy(),
    "poisson function": keras.losses.poisson,
}


@pytest.mark.parametrize("given", KERAS_LOSSES)
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("compiled", [True, False])
def test_predict_is_the_model_or_the_loss_is_refused(given, end, compiled):
    model = shaken(sequential(layers.Dense(3, end)))
    loss = KERAS_LOSSES[given]
    if compiled:
        model.compile("sgd", loss)
    x = some(20, 4)
    of_loss = next((link for part, link in LINKS.items() if part in given.lower()), None)
    if of_loss != (end if end in LINKS.values() and (of_loss or end != "sigmoid") else None):
        with pytest.raises(ValueError, match=r"goes with the loss|give another loss=\.\.\."):
            lamina.from_keras(model, loss=None if compiled else loss)
        return
    assert_close(lamina.from_keras(model, loss=None if compiled else loss).predict(x), outputs(model, x))


@pytest.mark.parametrize("end", [None, "softplus", "relu", "sigmoid"])
def test_a_poisson_loss_takes_rates(end):
    model = shaken(sequential(layers.Dense(1, end, name="last")))
    model.compile("sgd", "poisson")
    message = "the model's loss poisson takes rates, and the model's last layer gives none.*'last'.* an exponential"
    with pytest.raises(ValueError, match=message):
        lamina.from_keras(model)
    with pytest.raises(ValueError, match="loss poisson takes rates"):
        lamina.from_keras(model, loss="poisson")
    net = lamina.from_keras(model, loss=lamina.losses.get("poisson"))  # as the message says
    x = some(9, 4)
    assert_close(net.forward(x), outputs(model, x))


def test_names_of_lamina_take_logits_and_no_probabilities():
    logits, sigmoid = (shaken(sequential(layers.Dense(3, end))) for end in (None, "sigmoid"))
    x = some(9, 4)
    for name in ("cross_entropy", "binary_cross_entropy"):
        assert_close(lamina.from_keras(logits, loss=name).forward(x), outputs(logits, x))
    with pytest.raises(ValueError, match="loss='cross_entropy' takes logits, and the model's last layer gives probab"):
        lamina.from_keras(sigmoid, loss="cross_entropy")
    assert_close(lamina.from_keras(sigmoid, loss="binary_cross_entropy").predict(x), outputs(sigmoid, x))


@pytest.mark.parametrize("given", [None, "binary_crossentropy", "mse"])
@pytest.mark.parametrize(
    ("inside", "shape", "as_last"),
    [
        (lambda: [layers.Activation("sigmoid")], (4,), True),
        (lambda: [layers.BatchNormalization(), layers.Activation("sigmoid")], (4,), True),
        (lambda: [layers.Dense(2, "sigmoid"), layers.Rescaling(2.0, 1.0)], (4,), False),
        (lambda: [layers.Dense(2, "sigmoid"), layers.Dropout(0.1)], (4,), False),
        (lambda: [layers.SimpleRNN(3, "sigmoid")], (5, 4), False),
    ],
    ids=["alone", "norm", "rescaled", "dropout", "recurrent"],
)
def test_a_sigmoid_at_the_end_comes_once(inside, shape, as_last, given):
    model = shaken(sequential(*inside(), inputs=shape))
    x = np.random.default_rng(0).normal(size=(9, *shape)).astype("float32")
    if given == "binary_crossentropy" and not as_last:
        with pytest.raises(ValueError, match="takes probabilities, and the model's last layer gives none"):
            lamina.from_keras(model, loss=given)
        return
    assert_close(lamina.from_keras(model, loss=given).predict(x), outputs(model, x))


def huber(y_true, y_pred):
    return keras.ops.mean(keras.ops.abs(y_true - y_pred))


class Mine(keras.losses.MeanSquaredError):
    def call(self, y_true, y_pred):
        return 3 * super().call(y_true, y_pred)


class MeanSquaredError(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return keras.ops.mean(keras.ops.abs(y_true - y_pred))


def softmax(x):
    return 2 * x


@pytest.mark.parametrize(
    "given", [huber, Mine(), MeanSquaredError(), lambda y, p: y], ids=["huber", "Mine", "MSE", "f"]
)
def test_what_is_called_as_keras_s_is_not_taken_for_it(given):
    model = sequential(layers.Dense(2))
    with pytest.raises(ValueError, match=r"^loss .* is none that lamina has: .*lamina\.losses\.custom"):
        lamina.from_keras(model, loss=given)
    model.compile("sgd", given)
    with pytest.raises(ValueError, match=r"^the model's loss .* is none that lamina has: .*lamina\.losses\.custom"):
        lamina.from_keras(model)
    with pytest.raises(ValueError, match="its activation 'softmax' has none that computes the same"):
        lamina.from_keras(sequential(layers.Dense(2, softmax)))


@pytest.mark.parametrize(
    ("end", "given", "message"),
    [
        ("softmax", keras.losses.SparseCategoricalCrossentropy(ignore_class=0), "ignore_class=0"),
        ("softmax", keras.losses.CategoricalCrossentropy(axis=0), "axis=0"),
        ("sigmoid", keras.losses.BinaryCrossentropy(axis=0), "axis=0"),
        (None, keras.losses.MeanSquaredError(reduction="sum"), "reduction='sum'"),
        (None, keras.losses.Huber(reduction=None), "reduction=None"),
    ],
    ids=str,
)
def test_options_of_a_loss_that_lamina_has_not_are_refused(end, given, message):
    model = sequential(layers.Dense(3, end))
    model.compile("sgd", given)
    for loss, whose in ((None, "the model's loss"), (given, "loss")):
        with pytest.raises(ValueError, match=f"^{whose} {type(given).__name__} has {message}.* give from_keras"):
            lamina.from_keras(model, loss=loss)


def test_losses_may_be_given_as_keras_has_them():
    model = sequential(layers.Dense(3, "softmax"))
    smooth = lamina.from_keras(model, loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.1, axis=1)).loss
    assert (smooth.name, smooth.params["label_smoothing"]) == ("cross_entropy", 0.1)
    model = sequential(layers.Dense(3))
    for given in (keras.losses.MeanSquaredError(), keras.losses.MeanSquaredError, keras.losses.mean_squared_error):
        assert lamina.from_keras(model, loss=given).loss.name == "squared_error"
    assert lamina.from_keras(model, loss=keras.losses.Huber(2.0)).loss.params["delta"] == 2.0
    model.compile("sgd", ["mae"])
    assert lamina.from_keras(model).loss.name == "absolute_error"
    with pytest.raises(ValueError, match="unknown loss"):
        lamina.from_keras(model, loss="squared_eror")


def test_habits_from_keras_are_told_what_to_write():
    x, y = some(40, 4), (some(40, 1) > 0).astype("float32")
    net = lamina.from_keras(sequential(layers.Dense(1, "sigmoid")))
    for given in ([keras.metrics.AUC()], {"area": keras.metrics.AUC()}, [keras.metrics.binary_accuracy]):
        with pytest.raises(
            TypeError, match=r"metrics must be of 'error', .* of keras, which takes targets and predict"
        ):
            net.fit(x, y, metrics=given)
    for given, told in (
        (keras.callbacks.EarlyStopping(), r"early_stopping=lamina\.EarlyStopping"),
        (keras.callbacks.ReduceLROnPlateau(), r"schedule=lamina\.schedules\.ReduceOnPlateau"),
        (keras.callbacks.ModelCheckpoint("m.keras"), r"lamina\.callbacks\.Checkpoint"),
    ):
        with pytest.raises(TypeError, match=rf"callbacks\[0\] must be callable .*{told}"):
            net.fit(x, y, callbacks=[given])
