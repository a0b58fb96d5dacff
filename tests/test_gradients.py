"""Analytic gradients: against central differences, against the reference, and what weights and penalties mean."""

import numpy as np
import pytest

import lamina
from reference.twin import twin

INPUTS, UNITS, ROWS = 3, 4, 7


def network(activation, loss, initializer="auto", depth=2, outputs=2, dtype="float64", seed=0):
    """A network of `depth` dense layers, `activation` in all of them but the last; biases off 0, so off the kinks."""
    hidden = [lamina.Dense(UNITS, activation, initializer=initializer) for _ in range(depth - 1)]
    last = lamina.Dense(outputs, activation if depth == 1 else "identity", initializer=initializer)
    net = lamina.Network([*hidden, last], n_inputs=INPUTS, loss=loss, dtype=dtype, seed=seed)
    rng = np.random.default_rng(seed)
    for name, parameter in net.parameters.items():
        if name.endswith(".bias"):
            parameter[...] = rng.uniform(0.1, 0.9, parameter.shape) * rng.choice([-1, 1], parameter.shape)
    return net


def assert_same_gradients(got, want, rtol=1e-11, atol=1e-14):
    assert set(got) == set(want) or len(got) == len(want), f"{sorted(got)} are not {sorted(want)}"
    for name, gradient in want.items():
        other = next((g for key, g in got.items() if key not in want), None)
        np.testing.assert_allclose(got.get(name, other), gradient, rtol=rtol, atol=atol, err_msg=name)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_check_gradients(activation, depth, targets_for, rng):
    x, weight = rng.normal(size=(ROWS, INPUTS)), rng.uniform(0.2, 3, size=ROWS)
    wrong = {}
    for loss in lamina.losses.names():
        t = targets_for(loss, ROWS, 2)
        for initializer in lamina.initializers.names():
            net = network(activation, loss, initializer, depth)
            penalties = {"l1": 0.01, "l2": 0.02} if initializer != "zeros" else {"l2": 0.02}  # |w| bends at 0
            error = lamina.check_gradients(net, x, t, sample_weight=weight, **penalties)
            if not error <= 1e-6:
                wrong[loss, initializer] = error
    assert not wrong, f"relative errors over 1e-6, {activation}, {depth} layers: {wrong}"


@pytest.mark.parametrize("depth", [1, 3])
def test_equal_to_the_reference(activation, loss, depth, targets_for, rng):
    net = network(activation, loss, depth=depth, seed=5)
    x, t, weight = rng.normal(size=(ROWS, INPUTS)), targets_for(loss, ROWS, 2), rng.uniform(0.2, 3, size=ROWS)
    own = twin(net, loss, ROWS)
    want, want_gradients, want_dx = own.loss_and_gradients(x, t, weight, l1=0.03, l2=0.02)
    got, got_gradients = net.loss_and_gradients(x, t, sample_weight=weight, l1=0.03, l2=0.02)
    np.testing.assert_allclose(got, want, rtol=1e-13)
    assert_same_gradients(got_gradients, want_gradients)
    _, _, want_dx = own.loss_and_gradients(x, t, training=False)
    np.testing.assert_allclose(net.input_gradient(x, t), want_dx, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(net.forward(x), own.forward(x), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("units", [1, 2, 10, 17, 45, 46, 100])
@pytest.mark.parametrize("rows", [1, 5, 33])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_awkward_sizes(units, rows, dtype, rng):
    layers = [lamina.Dense(units, "tanh"), lamina.Dense(units, "gelu"), lamina.Dense(units)]
    net = lamina.Network(layers, n_inputs=units, loss="squared_error", dtype=dtype, seed=1)
    x, t = rng.normal(size=(rows, units)).astype(dtype), rng.normal(size=(rows, units)).astype(dtype)
    want, want_gradients, _ = twin(net, "squared_error").loss_and_gradients(x.astype(float), t.astype(float))
    got, got_gradients = net.loss_and_gradients(x, t)
    relative = 1e-12 if dtype == "float64" else 2e-5
    np.testing.assert_allclose(got, want, rtol=relative)
    for name, gradient in want_gradients.items():
        scale = np.abs(gradient).max()
        np.testing.assert_allclose(got_gradients[name], gradient, rtol=0, atol=relative * scale, err_msg=name)


def test_batch_norm_and_dropout_in_training(rng):
    layers = [lamina.Dense(5), lamina.BatchNorm(), lamina.Dropout(0.5), lamina.Dense(2)]
    net = lamina.Network(layers, n_inputs=3, loss="squared_error", dtype="float64", seed=1)
    x, t = rng.normal(size=(11, 3)), rng.normal(size=(11, 2))
    own = twin(net, "squared_error", rows=11)
    want, want_gradients, _ = own.loss_and_gradients(x, t, l1=0.1, l2=0.1)
    got, got_gradients = net.loss_and_gradients(x, t, l1=0.1, l2=0.1)
    np.testing.assert_allclose(got, want, rtol=1e-12)
    assert_same_gradients(got_gradients, want_gradients)


def test_row_of_weight_two_equals_the_row_given_twice(activation, loss, targets_for, rng):
    net = network(activation, loss)
    x, t = rng.normal(size=(ROWS, INPUTS)), targets_for(loss, ROWS, 2)
    weight = np.array([1, 2, 1, 3, 1, 1, 0])
    repeated = np.repeat(np.arange(ROWS), weight)
    weighted, weighted_gradients = net.loss_and_gradients(x, t, weight, training=False)
    twice, twice_gradients = net.loss_and_gradients(x[repeated], t[repeated], training=False)
    np.testing.assert_allclose(weighted, twice, rtol=1e-13)
    assert_same_gradients(weighted_gradients, twice_gradients)
    np.testing.assert_allclose(net.evaluate(x, t, sample_weight=weight), net.evaluate(x[repeated], t[repeated]))


def test_scale_of_the_weights_does_not_matter(rng):
    net = network("tanh", "squared_error")
    x, t, weight = rng.normal(size=(ROWS, INPUTS)), rng.normal(size=(ROWS, 2)), rng.uniform(0.1, 2, size=ROWS)
    one, gradients = net.loss_and_gradients(x, t, sample_weight=weight, l2=0.1)
    other, other_gradients = net.loss_and_gradients(x, t, sample_weight=1e6 * weight, l2=0.1)
    np.testing.assert_allclose(one, other, rtol=1e-13)
    assert_same_gradients(gradients, other_gradients)


@pytest.mark.parametrize("power", [1, 2])
def test_penalty_is_on_weights_alone(power, rng):
    layers = [lamina.Dense(4, "prelu"), lamina.BatchNorm(), lamina.Dense(2)]
    net = lamina.Network(layers, n_inputs=INPUTS, loss="squared_error", dtype="float64", seed=3)
    for parameter in net.parameters.values():
        parameter[...] = rng.normal(size=parameter.shape)
    x, t = rng.normal(size=(ROWS, INPUTS)), rng.normal(size=(ROWS, 2))
    plain, plain_gradients = net.loss_and_gradients(x, t)
    penalised, gradients = net.loss_and_gradients(x, t, **{f"l{power}": 0.3})
    weights = {name: w for name, w in net.parameters.items() if name.endswith(".weight")}
    assert set(weights) == {"0.weight", "2.weight"}
    total = sum(np.sum(np.abs(w) ** power) for w in weights.values())
    np.testing.assert_allclose(penalised - plain, 0.3 * total, rtol=1e-12)
    for name, gradient in gradients.items():
        w = weights.get(name)
        added = 0 if w is None else 0.3 * (np.sign(w) if power == 1 else 2 * w)
        np.testing.assert_allclose(gradient - plain_gradients[name], added, atol=1e-13, err_msg=name)


def test_gradients_leave_the_network_alone(rng):
    net = network("elu", "huber")
    before = {name: w.copy() for name, w in net.parameters.items()}
    x, t = rng.normal(size=(ROWS, INPUTS)), rng.normal(size=(ROWS, 2))
    net.loss_and_gradients(x, t)
    lamina.check_gradients(net, x, t)
    net.input_gradient(x, t)
    for name, w in net.parameters.items():
        np.testing.assert_array_equal(w, before[name], err_msg=name)
