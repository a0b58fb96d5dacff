"""What the core trusts of arrays, it has checked: nothing is read beyond them, whatever they become."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import lamina
from lamina._dispatch import core


@pytest.mark.parametrize(
    "target", [["a", "b"], [None, None], [0.7, 1.9], [2**32 + 1, 2**32], [-1, 0], [0, 3], [np.nan, 0]]
)
@pytest.mark.parametrize("which", ["cross_entropy", "binary_cross_entropy", "hinge"])
def test_labels_of_a_loss_are_whole_numbers_in_range(which, target):
    with pytest.raises((TypeError, ValueError), match=r"target must hold (numbers|labels in 0 [.][.] 2)"):
        lamina.losses.get(which).value(np.zeros((2, 3)), target)


def test_labels_of_a_loss_are_labels_of_any_type():
    outputs = np.array([[0.0, 1, 2], [3, 0, 0]])
    want = lamina.losses.get("cross_entropy").value(outputs, np.eye(3)[[2, 0]])
    for target in ([2, 0], [2.0, 0.0], np.array([2, 0], np.uint8)):
        assert lamina.losses.get("cross_entropy").value(outputs, target) == want


def test_lengths_that_change_in_a_fit_are_those_that_were_checked():
    rng = np.random.default_rng(0)
    x, y, lengths = rng.normal(size=(64, 5, 3)), np.zeros(64), np.full(64, 5, np.int32)

    def change(epoch):
        lengths[:] = 5000 if epoch.epoch % 2 else 0

    net = lamina.Network([lamina.Recurrent(4), lamina.Dense(1)], 3)
    other = net.copy()
    options = {"epochs": 4, "early_stopping": None, "validation": None}
    assert net.fit(x, y, lengths=lengths, callbacks=[change], **options).loss == other.fit(x, y, **options).loss


def test_labels_that_change_in_a_fit_are_no_places_in_memory():
    labels = np.zeros(40, np.int32)
    labels[20:] = 1
    loss = lamina.losses.custom(
        lambda y, t: ((y - t) ** 2).sum(axis=1), lambda y, t: 2 * (y - t), targets="classes", name="squares"
    )
    net = lamina.Network([lamina.Dense(2)], 3, loss=loss)

    def change(epoch):
        labels[:] = 200_000_000

    options = {"epochs": 3, "validation": None, "early_stopping": None}
    history = net.fit(np.ones((40, 3)), labels, callbacks=[change], **options)
    assert len(history.loss) == 3
    assert np.isfinite(history.loss).all()


@pytest.mark.parametrize("value", [np.float32(2.7), Fraction(7, 2), Decimal("2.7"), 2.0])
def test_what_is_no_whole_number_is_not_cut_to_one(value):
    with pytest.raises(TypeError, match="units of Dense must be a whole number"):
        lamina.Dense(value)
    assert lamina.Dense(np.int8(3)).units == 3


def test_sizes_are_checked_where_arrays_come_in():
    net = lamina.Network([lamina.Recurrent(2)], 3)
    with pytest.raises(ValueError, match="at least one row and one step"):
        net.core.infer(np.zeros((2, 0, 3), "f"), True, 0, None)
    with pytest.raises(ValueError, match="sequences, inputs"):
        net.core.step(np.zeros((2, 1), "f"), True)
    with pytest.raises(ValueError, match="mean and scale"):
        core.normalized(np.ones((3, 10)), np.zeros(0), np.zeros(0))
    with pytest.raises(ValueError, match="one entry for each of the rows"):
        core.split_rows(1000, [0.5, 0.5], np.zeros(2, np.int32), True, 0)
    for fractions in ([2.0], [0.5, np.nan], [-0.5, 1.5]):
        with pytest.raises(ValueError, match="fractions must"):
            core.split_rows(5, fractions, None, False, 0)


def test_a_solver_whose_first_evaluation_fails_leaves_the_normalisation():
    def refuse(*arrays):
        raise LookupError("no more")

    loss = lamina.losses.custom(refuse, refuse)
    net = lamina.Network([lamina.Dense(1)], 2, loss=loss, normalize_inputs=True, dtype="float64")
    with pytest.raises(LookupError):
        net.fit(np.random.default_rng(0).normal(size=(20, 2)), np.zeros(20), optimizer="LBFGS", validation=None)
    assert net.input_normalization is None


def test_gradients_that_are_not_finite_are_divergence_for_a_solver():
    activation = lamina.activations.custom(np.tanh, lambda x: np.full_like(x, np.nan))
    net = lamina.Network([lamina.Dense(3, activation), lamina.Dense(1)], 2, dtype="float64")
    x = np.random.default_rng(0).normal(size=(20, 2))
    with pytest.warns(lamina.DivergenceWarning):
        history = net.fit(x, x[:, 0], optimizer="LBFGS", validation=None)
    assert history.diverged


@pytest.mark.parametrize("size", [1e160, 1e200, 1e300])
def test_columns_of_any_size_are_normalised_or_left(size):
    x = np.random.default_rng(0).normal(size=(50, 2))
    x[:, 1] = size
    net = lamina.Network([lamina.Dense(1)], 2, dtype="float64", normalize_inputs=True)
    net.fit(x, x[:, 0], epochs=1, validation=None)
    mean, scale = net.input_normalization
    assert mean[1] == size
    assert scale[1] == 1


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e160, 1e300])
def test_columns_of_any_size_have_the_scale_of_their_spread(size):
    x = np.random.default_rng(0).normal(size=(50, 2))
    nets = [lamina.Network([lamina.Dense(1)], 2, dtype="float64", normalize_inputs=True) for _ in range(2)]
    for net, own in zip(nets, (x, x * [1, size]), strict=True):
        net.fit(own, x[:, 0], epochs=1, validation=None)
    (mean, scale), (of_size, small) = (net.input_normalization for net in nets)
    np.testing.assert_allclose(of_size, mean * [1, size], rtol=1e-12)
    np.testing.assert_allclose(small * [1, size], scale, rtol=1e-12)
