"""Every loss against the reference: value, derivative through a network, weights, extreme outputs, predictions."""

import re

import numpy as np
import pytest

import lamina
from reference import losses as reference_losses
from reference.losses import LOSSES, targets
from reference.twin import twin

PARAMETERS = [("huber", {"delta": 0.4}), ("quantile", {"q": 0.9}), ("cross_entropy", {"label_smoothing": 0.1})]
PARAMETERS.append(("binary_cross_entropy", {"label_smoothing": 0.1}))


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


# Raw outputs of one row, as far apart and as near to each other as they come.
FAR_AND_NEAR = [
    (50, 36),
    (36, 50),
    (30, 0),
    (1e4, 1e4),
    (1e4, 9999),
    (-80, 80),
    (0, 0),
    (2**-10, -(2**-10)),
    (17, -9),
]


def passes_on(outputs, loss, dtype):
    """Give a network whose raw outputs are its inputs."""
    net = lamina.Network([lamina.Dense(outputs, use_bias=False)], outputs, loss=loss, dtype=np.dtype(dtype).name)
    net.parameters["0.weight"][:] = np.eye(outputs)
    return net


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="nothing to compare with is more accurate")
@pytest.mark.parametrize("outputs", FAR_AND_NEAR)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_cancels_that_is_known(loss, outputs, dtype):
    """Value and slope as exact as the outputs are, where they are tiny beside them too."""
    entry = lamina.losses.get(loss)
    y = np.array([outputs], dtype=dtype)
    if entry.link == "exponential":
        y = np.minimum(y, dtype(40))
    net = passes_on(2, entry, dtype)
    near = y * dtype(1 + 2**-11)
    targets_of = {
        "real": [near, near + dtype(2**-8), np.zeros((1, 2))],
        "count": [np.array([[0, 1]])],
        "classes": [np.array([0]), np.array([1]), np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])],
        "binary": [np.array([[0, 1]]), np.array([[1, 0]])],
    }[entry.targets]
    if entry.targets == "binary" and not entry.target_domain["whole"]:
        targets_of.append(np.array([[1 - 2**-16, 2**-16]]))
    wide = y.astype(np.longdouble)
    for target in targets_of:
        t = targets(target, 2).astype(np.longdouble)
        exact = LOSSES[loss].value(wide, t)[0], LOSSES[loss].derivative(wide, t)
        got = net.evaluate(y, target), net.input_gradient(y, target)
        tolerance = 8 * np.finfo(dtype).eps
        np.testing.assert_allclose(got[0], float(exact[0]), rtol=tolerance, atol=1e-18, err_msg=f"{target}")
        # Where no class is likely, a slope is a difference of numbers that are themselves rounded.
        atol = tolerance if abs(outputs[0] - outputs[1]) < 1 else 1e-18
        np.testing.assert_allclose(got[1], exact[1].astype(float), rtol=tolerance, atol=atol, err_msg=f"{target}")


@pytest.mark.parametrize(("outputs", "exact"), [((1e7, 1e7), np.log(2)), ((50, 36), np.log1p(np.exp(-14)))])
def test_cross_entropy_of_large_float32_outputs(outputs, exact):
    y = np.array([outputs], dtype=np.float32)
    net = passes_on(2, "cross_entropy", np.float32)
    np.testing.assert_allclose(net.evaluate(y, [0]), exact, rtol=1e-6)
    np.testing.assert_allclose(net.loss_and_gradients(y, [0])[0], exact, rtol=1e-6)


def test_sums_over_very_many_outputs(rng):
    """In float32, of two hundred thousand outputs: one chain would be wrong in the fourth place."""
    outputs = np.full(200_000, 0.1, dtype=np.float32)
    for loss, target in (("squared_error", np.zeros((1, 200_000))), ("cross_entropy", np.eye(1, 200_000, 7))):
        net = lamina.Network([lamina.Dense(200_000, use_bias=False)], n_inputs=1, loss=loss)
        net.parameters["0.weight"][:] = outputs
        exact = mean(loss, outputs[None].astype(np.float64), target)
        np.testing.assert_allclose(net.evaluate([[1.0]], target), exact, rtol=1e-6)
        outputs = rng.normal(size=200_000).astype(np.float32)


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


# By loss: the kind of targets, some that it takes, and some that it does not.
TARGETS = {
    "real": ([-1e308, 0, 1e308], []),
    "count": ([0, 0.5, 1e6], [-1, -1e-3]),
    "binary": ([0, 0.25, 1], [-1, 1.5]),
    "signs": ([-1, 0, 1], [0.5, 2, -2]),
}
SIGNS = ("hinge",)


def test_targets_are_those_of_the_loss(loss, rng):
    entry = lamina.losses.get(loss)
    if entry.targets == "classes":
        pytest.skip("labels and rows that sum to 1: below")
    good, bad = TARGETS["signs" if loss in SIGNS else entry.targets]
    net = lamina.Network([lamina.Dense(1)], n_inputs=2, loss=loss, dtype="float64")
    x = rng.normal(size=(4, 2))
    for value in good:
        net.evaluate(x, np.full((4, 1), value))
    for value in bad:
        with pytest.raises(ValueError, match=f"y must {re.escape(entry.target_domain['text'])} for {loss}; got values"):
            net.evaluate(x, np.array([[good[0]], [value], [good[0]], [good[0]]]))


@pytest.mark.parametrize("rows", [[[0.5, 0.4], [1, 0]], [[-0.5, 1.5], [1, 0]]])
def test_rows_of_classes_sum_to_one(rows, rng):
    net = lamina.Network([lamina.Dense(2)], n_inputs=2, loss="cross_entropy", dtype="float64")
    net.evaluate(rng.normal(size=(2, 2)), [[0.5, 0.5], [1 + 5e-4, 0]])
    with pytest.raises(ValueError, match="labels, or one-hot rows that sum to 1, for cross_entropy; got a row"):
        net.evaluate(rng.normal(size=(2, 2)), rows)


@pytest.mark.parametrize("kind", ["real", "count", "classes", "binary"])
def test_a_loss_of_the_users_own_takes_what_its_kind_does(kind):
    built_in = {
        "real": "squared_error",
        "count": "poisson",
        "classes": "cross_entropy",
        "binary": "binary_cross_entropy",
    }
    own = lamina.losses.custom(lambda y, t: y, lambda y, t: y, targets=kind)
    assert own.targets == kind
    assert own.target_domain == lamina.losses.get(built_in.get(kind, "squared_error")).target_domain


def test_accuracy_knows_the_border_of_each_loss(rng):
    x = rng.normal(size=(200, 2))
    y = x[:, 0] > 0
    for name in ("hinge", "binary_cross_entropy"):
        net = lamina.Network([lamina.Dense(1)], n_inputs=2, loss=name, dtype="float64")
        net.parameters["0.weight"][...] = [[0.3], [0.0]]
        score = net.fit(x, y, validation=(x, y), scoring="accuracy", epochs=1, optimizer=lamina.SGD(1e-9))
        assert score.validation_score == [1.0]
