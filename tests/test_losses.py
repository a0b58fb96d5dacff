"""Every loss against the reference: value, derivative through a network, weights, extreme outputs, predictions."""

import numpy as np
import pytest

import lamina
from reference import losses as reference_losses
from reference.losses import LOSSES, targets
from reference.twin import twin

PARAMETERS = [("huber", {"delta": 0.4}), ("quantile", {"q": 0.9}), ("cross_entropy", {"label_smoothing": 0.1})]


def mean(name, y, t, weight=None, **params):
    rows = LOSSES[name].value(y, targets(t, y.shape[1]), **params)
    return np.average(rows, weights=weight)


def test_registry_has_every_name():
    assert set(LOSSES) <= set(lamina.losses.names())


@pytest.mark.parametrize("outputs", [1, 2, 5])
def test_value(loss, outputs, rng, targets_for):
    if loss == "cross_entropy" and outputs == 1:
        pytest.skip("a softmax over one output is always 1")
    y, t = 3 * rng.normal(size=(40, outputs)), targets_for(loss, 40, outputs)
    np.testing.assert_allclose(lamina.losses.get(loss).value(y, t), mean(loss, y, t), rtol=1e-13)
    weight = rng.uniform(0.1, 4, size=40)
    got = lamina.losses.get(loss).value(y, t, sample_weight=weight)
    np.testing.assert_allclose(got, mean(loss, y, t, weight), rtol=1e-13)


@pytest.mark.parametrize(("name", "params"), PARAMETERS)
def test_parameters(name, params, rng, targets_for):
    y, t = 2 * rng.normal(size=(40, 3)), targets_for(name, 40, 3)
    loss = lamina.losses.get(name, **params)
    assert loss.params == params
    np.testing.assert_allclose(loss.value(y, t), mean(name, y, t, **params), rtol=1e-13)
    net = lamina.Network([lamina.Dense(3)], n_inputs=4, loss=loss, dtype="float64", seed=1)
    x = rng.normal(size=(40, 4))
    error, gradients, _ = twin(net, name, **params).loss_and_gradients(x, t)
    got_error, got = net.loss_and_gradients(x, t)
    np.testing.assert_allclose(got_error, error, rtol=1e-13)
    np.testing.assert_allclose(got["0.weight"], gradients["0.weight"], rtol=1e-11, atol=1e-14)


def test_float32(loss, rng, targets_for):
    y, t = rng.normal(size=(64, 4)).astype(np.float32), targets_for(loss, 64, 4)
    got = lamina.losses.get(loss).value(y, t)
    np.testing.assert_allclose(got, mean(loss, y.astype(np.float64), t), rtol=2e-6)


@pytest.mark.parametrize("name", ["cross_entropy", "binary_cross_entropy", "hinge"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_logits_stay_finite(name, dtype):
    y = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 0], [800, 801, -800]], dtype=dtype)
    t = np.eye(3)[[0, 0, 1]] if name == "binary_cross_entropy" else np.array([0, 0, 1])
    got = lamina.losses.get(name).value(y, t)
    np.testing.assert_allclose(got, mean(name, y.astype(np.float64), t), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_cosh_of_small_and_large_errors(dtype):
    loss = lamina.losses.get("log_cosh")
    net = lamina.Network([lamina.Dense(1, use_bias=False)], n_inputs=1, loss=loss, dtype=np.dtype(dtype).name)
    net.parameters["0.weight"][:] = 1
    for e, want in ((0.0, 0.0), (1e-4, 5e-9), (1e4, 1e4 - np.log(2)), (-1e4, 1e4 - np.log(2))):
        np.testing.assert_allclose(net.evaluate([[e]], [0.0]), want, rtol=2e-3 if 0 < e < 1 else 1e-7)


@pytest.mark.parametrize("name", ["cross_entropy", "hinge"])
def test_integer_labels_equal_one_hot_rows(name, rng):
    y, labels = rng.normal(size=(12, 3)), rng.integers(3, size=12)
    loss = lamina.losses.get(name)
    assert loss.value(y, labels) == loss.value(y, np.eye(3)[labels])


def test_predict_is_the_link_of_the_raw_outputs(loss, rng):
    net = lamina.Network([lamina.Dense(3)], n_inputs=4, loss=loss, dtype="float64", seed=2)
    x = 3 * rng.normal(size=(20, 4))
    raw = net.forward(x)
    np.testing.assert_allclose(net.predict(x), LOSSES[loss].predict(raw), rtol=1e-12, atol=1e-300)
    if loss == "cross_entropy":
        np.testing.assert_allclose(net.predict(x).sum(axis=1), 1, rtol=1e-14)


def test_evaluate_is_the_mean_loss(loss, rng, targets_for):
    net = lamina.Network([lamina.Dense(3)], n_inputs=4, loss=loss, dtype="float64", seed=2)
    x, t = rng.normal(size=(20, 4)), targets_for(loss, 20, 3)
    np.testing.assert_allclose(net.evaluate(x, t), mean(loss, net.forward(x), t), rtol=1e-13)


def test_hinge_makes_a_linear_support_vector_machine(rng):
    x = np.concatenate([rng.normal(-2, 0.5, size=(50, 2)), rng.normal(2, 0.5, size=(50, 2))])
    t = np.repeat([0, 1], 50)
    net = lamina.Network([lamina.Dense(1)], n_inputs=2, loss="hinge", dtype="float64", seed=0)
    net.fit(x, t, epochs=300, optimizer=lamina.SGD(0.05), l2=1e-3, validation=None, early_stopping=None)
    assert np.array_equal(net.forward(x)[:, 0] > 0, t == 1)
    assert reference_losses.hinge(net.forward(x), t[:, None]).mean() < 0.05
