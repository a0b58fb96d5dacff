"""What callbacks get and may change, and what the end of an epoch notices."""

import copy
import pickle

import numpy as np
import pytest

import lamina

PLAIN = {"validation": None, "early_stopping": None, "shuffle": False}


def network(**options):
    options = {"n_inputs": 4, "loss": "squared_error", **options}
    return lamina.Network([lamina.Dense(8, activation="tanh"), lamina.Dense(1)], **options)


def data(rows=100):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(rows, 4)).astype(np.float32)
    return X, X.sum(axis=1)


def test_an_epoch_may_be_kept():
    X, y = data()
    kept = []
    history = network().fit(X, y, epochs=4, callbacks=[kept.append], **PLAIN)
    assert [epoch.epoch for epoch in kept] == [1, 2, 3, 4]
    assert [epoch.loss for epoch in kept] == history.loss
    for epoch in kept:  # too late to change anything, and harmless
        epoch.learning_rate = 5
        epoch.stop("x" * 100)
    assert history.stop_reason == "all epochs done"


def test_an_epoch_kept_by_a_monitor():
    X, y = data()
    kept = []
    stopping = lamina.EarlyStopping(monitor=lambda epoch: kept.append(epoch) or epoch.loss)
    network().fit(X, y, epochs=3, early_stopping=stopping)
    assert [epoch.epoch for epoch in kept] == [1, 2, 3]


def test_a_rate_that_is_set_under_a_schedule_does_not_compound_it():
    X, y = data()
    schedule = lamina.schedules.Exponential(0.9)
    options = {"epochs": 6, "optimizer": lamina.SGD(0.01), "schedule": schedule, "batch_size": 100, **PLAIN}
    plain = network().fit(X, y, **options)

    def same(epoch):
        epoch.learning_rate = np.nextafter(epoch.learning_rate, 1)

    touched = network().fit(X, y, callbacks=[same], **options)
    np.testing.assert_allclose(touched.learning_rate, plain.learning_rate, rtol=1e-12)

    def halve(epoch):
        if epoch.epoch == 3:
            epoch.learning_rate /= 2

    halved = network().fit(X, y, callbacks=[halve], **options)
    np.testing.assert_allclose(halved.learning_rate[3:], np.array(plain.learning_rate[3:]) / 2, rtol=1e-12)


@pytest.mark.parametrize("validation", [None, 0.2])
def test_divergence_in_the_very_last_step(validation):
    X, y = data()
    net = network()
    before = net.predict(X)
    with pytest.warns(lamina.DivergenceWarning, match=r"weights after the last step of epoch 1 .* layer 0 \(Dense"):
        net.fit(X, 1e4 * y, epochs=1, batch_size=100, optimizer=lamina.SGD(1e38), validation=validation)
    assert net.history.diverged
    np.testing.assert_array_equal(net.predict(X), before)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net)), lambda net: net.copy()])
def test_a_copy_goes_on_with_the_sequences_under_way(again):
    net = lamina.Network([lamina.Recurrent(5), lamina.Dense(2)], n_inputs=3, loss="squared_error")
    X = np.random.default_rng(0).normal(size=(4, 6, 3)).astype(np.float32)
    for step in range(3):
        net.step(X[:, step])
    twin = again(net)
    for step in range(3, 6):
        np.testing.assert_array_equal(twin.step(X[:, step]), net.step(X[:, step]))


def test_a_full_batch_solver_refuses_to_resume():
    X, y = data()
    with pytest.raises(ValueError, match="resume"):
        network().fit(X, y, optimizer=lamina.LBFGS(), resume=True)


def test_more_threads_than_cores_cost_nothing():
    X, y = data(2000)
    few, many = network(), network()
    few.fit(X, y, epochs=2, n_threads=1)
    many.fit(X, y, epochs=2, n_threads=1000)
    np.testing.assert_array_equal(many.predict(X), few.predict(X))
