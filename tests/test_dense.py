"""Dense layers in NTK parametrisation, and activations with a learned share: gradients, the reference, what is kept."""

import pickle

import numpy as np
import pytest

import lamina
from reference.activations import ACTIVATIONS
from reference.twin import twin

ROWS, INPUTS = 9, 4
WITH_SLOPES = [name for name in lamina.activations.names() if name in ("prelu", "rrelu", "bipolar_relu")]
OPTIONS = [
    {"parametrization": "ntk"},
    {"parametric": True},
    {"parametrization": "ntk", "parametric": True},
    {"parametrization": "ntk", "use_bias": False},
]
EACH_OPTION = pytest.mark.parametrize("options", OPTIONS, ids=["ntk", "parametric", "both", "ntk without bias"])


def possible(activation, options):
    if options.get("parametric") and activation in WITH_SLOPES:
        pytest.skip("it has a slope of its own")


def moved(net, rng):
    """The network with parameters that are no round numbers."""
    for view in net.parameters.values():
        view[...] += rng.normal(size=view.shape) / 4
    return net


def network(activation, options, dtype="float64", outputs=2):
    layers = [lamina.Dense(5, activation, **options), lamina.Dense(3, activation, **options), lamina.Dense(outputs)]
    net = lamina.Network(layers, n_inputs=INPUTS, loss="squared_error", dtype=dtype, seed=3)
    return moved(net, np.random.default_rng(4))


def samples(rng, rows=ROWS, dtype="float64"):
    return rng.normal(size=(rows, INPUTS)).astype(dtype), rng.normal(size=(rows, 2)).astype(dtype)


@EACH_OPTION
def test_gradients(activation, options, rng):
    possible(activation, options)
    x, t = samples(rng)
    assert lamina.check_gradients(network(activation, options), x, t, l2=0.01) < 1e-6


@EACH_OPTION
def test_equal_to_the_reference(activation, options, rng):
    possible(activation, options)
    net = network(activation, options)
    (x, t), weight = samples(rng), rng.uniform(0.2, 3, size=ROWS)
    own = twin(net, "squared_error", ROWS)
    want, want_gradients, _ = own.loss_and_gradients(x, t, weight, l1=0.03, l2=0.02)
    got, gradients = net.loss_and_gradients(x, t, sample_weight=weight, l1=0.03, l2=0.02)
    np.testing.assert_allclose(got, want, rtol=1e-13)
    assert set(gradients) == set(want_gradients)
    for name, gradient in want_gradients.items():
        np.testing.assert_allclose(gradients[name], gradient, rtol=1e-11, atol=1e-13, err_msg=name)
    _, _, want_dx = own.loss_and_gradients(x, t, training=False)
    np.testing.assert_allclose(net.input_gradient(x, t), want_dx, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(net.forward(x), own.forward(x), rtol=1e-12, atol=1e-14)


def test_a_parametric_activation_layer(activation, rng):
    possible(activation, {"parametric": True})
    layers = [lamina.Dense(5), lamina.Activation(activation, parametric=True), lamina.Dense(2)]
    net = lamina.Network(layers, n_inputs=INPUTS, dtype="float64", seed=1)
    np.testing.assert_array_equal(net.parameters["1.slope"], np.ones(5))
    moved(net, rng)
    x, t = samples(rng)
    own = twin(net, "squared_error", ROWS)
    want, want_gradients, _ = own.loss_and_gradients(x, t)
    got, gradients = net.loss_and_gradients(x, t)
    np.testing.assert_allclose(got, want, rtol=1e-13)
    for name, gradient in want_gradients.items():
        np.testing.assert_allclose(gradients[name], gradient, rtol=1e-11, atol=1e-13, err_msg=name)
    assert lamina.check_gradients(net, x, t) < 1e-6


def test_a_share_starts_as_the_activation_itself(activation, rng):
    possible(activation, {"parametric": True})
    plain, own = (
        lamina.Network([lamina.Dense(6, activation, parametric=p)], n_inputs=INPUTS, dtype="float32", seed=2)
        for p in (False, True)
    )
    assert own.parameters["0.slope"].tolist() == [1] * 6
    x = rng.normal(size=(40, INPUTS)).astype("float32")
    np.testing.assert_array_equal(own.predict(x), plain.predict(x))


@pytest.mark.parametrize("units", [1, 7, 16, 33])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_training_sees_is_what_predictions_are(activation, dtype, units, rng):
    """Training evaluates in the network's own precision, predictions in double where float would lose digits."""
    layer = lamina.Dense(units, activation)
    net = lamina.Network([layer], n_inputs=units, loss="squared_error", dtype=dtype)
    net.parameters["0.weight"][...] = np.eye(units)
    x = (4 * rng.normal(size=(50, units))).astype(dtype)
    f = ACTIVATIONS[activation]
    t = np.zeros((50, units), dtype)
    # Of one row at a time the loss is y^2 / 2, and its gradient by the bias y f'.
    tiny = np.finfo(dtype).eps
    for row in x[:10]:
        loss, gradients = net.loss_and_gradients(row[None], t[:1], training=False)
        params = layer.activation.params if activation not in WITH_SLOPES else {}
        z = row[None].astype(np.float64)
        params = {name: value for name, value in params.items() if name != "initial"}
        y, d = f.value(z, **params), f.training(z, **params)
        np.testing.assert_allclose(loss, np.sum(y**2) / 2, rtol=64 * tiny, atol=64 * tiny)
        np.testing.assert_allclose(gradients["0.bias"], (y * d)[0], rtol=64 * tiny, atol=256 * tiny)


@pytest.mark.parametrize("fan_in", [3, 400])
def test_weights_of_ntk_are_of_unit_size(fan_in):
    layers = [lamina.Dense(500, "relu", parametrization="ntk")]
    net = lamina.Network(layers, n_inputs=fan_in, dtype="float64", seed=1)
    w = net.parameters["0.weight"]
    assert abs(w.std() - 1) < 0.06
    normal = lamina.Network([lamina.Dense(500, "relu", initializer="normal")], n_inputs=fan_in, dtype="float64", seed=1)
    np.testing.assert_array_equal(w, normal.parameters["0.weight"])
    he = lamina.Dense(500, "relu", initializer="he_normal", parametrization="ntk")
    w = lamina.Network([he], n_inputs=fan_in, dtype="float64", seed=1).parameters["0.weight"]
    assert abs(w.std() - np.sqrt(2 / fan_in)) < 0.06


def test_a_deviation_of_ones_own():
    wide, unit = (
        lamina.Network(
            [lamina.Dense(50, initializer=lamina.initializers.get("normal", deviation=deviation))], 30, dtype="float64"
        ).parameters["0.weight"]
        for deviation in (2.0, 1.0)
    )
    np.testing.assert_allclose(wide, 2 * unit)


@EACH_OPTION
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_kept_in_files_and_pickles(options, dtype, tmp_path, rng):
    net = network("mish", options, dtype)
    x, t = samples(rng, 40, dtype)
    net.fit(x, t, epochs=2, validation=0.3)
    net.save(tmp_path / "model")
    for other in (lamina.load(tmp_path / "model"), pickle.loads(pickle.dumps(net)), net.copy()):
        assert other.layers == net.layers
        np.testing.assert_array_equal(other.predict(x), net.predict(x))


def test_penalties_and_decay_leave_shares_and_scales_alone(rng):
    net = lamina.Network([lamina.Scale(), *network("mish", {"parametric": True}).layers], INPUTS, dtype="float64")
    x, t = samples(rng)
    plain, penalised = (net.loss_and_gradients(x, t, l2=l2)[1] for l2 in (0, 0.1))
    changed = {name for name, gradient in plain.items() if not np.array_equal(gradient, penalised[name])}
    assert changed == {"1.weight", "2.weight", "3.weight"}


@pytest.mark.parametrize("rows", [700, 3000])
def test_long_sums(rows, rng):
    """Of many rows, in blocks, as of few."""
    net = network("mish", {"parametrization": "ntk", "parametric": True})
    x, t = samples(rng, rows)
    want, want_gradients, _ = twin(net, "squared_error", rows).loss_and_gradients(x, t)
    got, gradients = net.loss_and_gradients(x, t)
    np.testing.assert_allclose(got, want, rtol=1e-12)
    for name, gradient in want_gradients.items():
        np.testing.assert_allclose(gradients[name], gradient, rtol=1e-10, atol=1e-13, err_msg=name)


def test_a_custom_activation(rng):
    sine = lamina.activations.custom(np.sin, np.cos, name="sine")
    layers = [lamina.Dense(5, sine, parametrization="ntk", parametric=True), lamina.Dense(2)]
    net = moved(lamina.Network(layers, n_inputs=INPUTS, dtype="float64"), rng)
    x, t = samples(rng)
    assert lamina.check_gradients(net, x, t) < 1e-6
    w, b, a = (net.parameters[f"0.{name}"] for name in ("weight", "bias", "slope"))
    z = x @ w / 2 + b
    hidden = z + a * (np.sin(z) - z)
    np.testing.assert_allclose(net.forward(x), hidden @ net.parameters["1.weight"] + net.parameters["1.bias"])


@pytest.mark.parametrize("sloped", WITH_SLOPES)
@pytest.mark.parametrize("layer", [lamina.Activation, lambda f, **options: lamina.Dense(3, f, **options)])
def test_no_second_slope(sloped, layer):
    with pytest.raises(ValueError, match=f"parametric of .* no slope of their own; got activation '{sloped}'"):
        layer(sloped, parametric=True)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"parametrization": "mup"}, ValueError, "parametrization of Dense must be 'standard' or 'ntk'; got 'mup'"),
        ({"parametrization": 1}, TypeError, "parametrization of Dense must be a string; got 1"),
        ({"parametric": "yes"}, TypeError, "parametric of Dense must be True or False; got 'yes'"),
    ],
)
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        lamina.Dense(3, **options)


def test_scale(rng):
    net = lamina.Network([lamina.Scale(0.5), lamina.Dense(2)], n_inputs=INPUTS, dtype="float64")
    np.testing.assert_array_equal(net.parameters["0.scale"], np.full(INPUTS, 0.5))
    x, t = samples(rng, 3000)
    before = net.parameters["0.scale"].copy()
    net.fit(x, t, epochs=1)
    assert np.all(net.parameters["0.scale"] != before)
    hidden = x * net.parameters["0.scale"]
    np.testing.assert_allclose(net.predict(x), hidden @ net.parameters["1.weight"] + net.parameters["1.bias"])
    with pytest.raises(ValueError, match="initial of Scale must be finite; got nan"):
        lamina.Scale(np.nan)
