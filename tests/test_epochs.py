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


@pytest.mark.parametrize("rule", [lamina.SGD(1e-3), lamina.LBFGS()])
def test_divergence_of_running_statistics(rule):
    """Training goes by the batch's, which bring to 0 what they overflow from: finite losses, NaN in predictions."""
    X, y = data()
    layers = [lamina.Activation("relu"), lamina.BatchNorm(), lamina.Dense(1)]
    net = lamina.Network(layers, n_inputs=X.shape[1], loss="squared_error", seed=1)
    before = net.predict(X)
    with pytest.warns(lamina.DivergenceWarning, match=r"statistics after the last step of epoch 1 .* layer 1 \(Batch"):
        net.fit(1e20 * X, y, epochs=3, batch_size=50, optimizer=rule, validation=None)
    assert net.history.diverged
    assert "running statistics" in net.history.stop_reason
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


def test_one_callback_needs_no_list():
    X, y = data()
    seen = []
    network().fit(X, y, epochs=2, callbacks=lambda epoch: seen.append(epoch.epoch))
    network().fit(X, y, epochs=2, callbacks=None)
    assert seen == [1, 2]


def test_class_weights_leave_a_validation_set_of_the_users_own_alone():
    X, _ = data()
    y = (X[:, 0] > 0).astype(int)
    weight = np.linspace(0.1, 1, len(y))
    options = {"validation": (X, 1 - y), "validation_sample_weight": weight, "early_stopping": None, "epochs": 2}

    def history(**more):
        net = lamina.Network([lamina.Dense(2)], n_inputs=4, loss="cross_entropy")
        return net.fit(X, y, **options, **more).validation_loss

    assert history(class_weight={0: 1, 1: 1}) == history()


@pytest.mark.parametrize("scoring", ["r2", lambda net, X, y: -np.square(net.predict(X)[:, 0] - y[:, 0]).mean()])
def test_scores_of_sequences_end_with_their_lengths(scoring):
    rng = np.random.default_rng(0)
    X, lengths = rng.normal(size=(60, 6, 2)), rng.integers(3, 7, 60)
    y = X[:, 0, 0]
    scores = []
    for beyond in (0.0, 1e3, np.nan):
        X[np.arange(6) >= lengths[:, None]] = beyond
        net = lamina.Network([lamina.Recurrent(4), lamina.Dense(1)], n_inputs=2, loss="squared_error")
        scores.append(net.fit(X, y, lengths=lengths, epochs=3, scoring=scoring).validation_score)
    assert scores[0] == scores[1] == scores[2]


def test_stopping_takes_numpys_numbers_and_refuses_what_it_cannot_do():
    assert lamina.EarlyStopping(patience=np.int64(3), min_delta=np.float32(0.5)).patience == 3
    with pytest.raises(ValueError, match="mode='max' needs a monitor"):
        lamina.EarlyStopping(mode="max")
    with pytest.raises(TypeError, match="min_delta"):
        lamina.EarlyStopping(min_delta="a")
    assert lamina.Split(np.float32(0.25)).fraction == 0.25


def test_frames_of_mixed_numbers_and_nullable_types():
    pandas = pytest.importorskip("pandas")
    X, y = data()
    frame = pandas.DataFrame(X.astype(float), columns=list("abcd"))
    frame["b"] = frame["b"] > 0
    frame["c"] = pandas.array((10 * X[:, 2]).astype(int), dtype="Int64")
    frame["d"] = pandas.array(X[:, 3].astype(float), dtype="Float64")
    net = network()
    np.testing.assert_array_equal(net.predict(frame), net.predict(frame.astype(float).to_numpy()))
    net.fit(frame, pandas.Series(y).astype("Float64"), epochs=1)
    frame.loc[7, "d"] = pandas.NA
    with pytest.raises(ValueError, match="X must be finite; got NaN in row 7, column 3"):
        net.predict(frame)
    frame["d"] = "text"
    with pytest.raises(TypeError, match="text or objects in column d"):
        net.predict(frame)


@pytest.mark.parametrize(("objective", "outputs"), [("binary_cross_entropy", 1), ("cross_entropy", 2)])
def test_an_activation_before_the_losss_own_is_warned_of(objective, outputs):
    X, _ = data()
    net = lamina.Network([lamina.Dense(8), lamina.Dense(outputs, "logistic")], n_inputs=4, loss=objective)
    with pytest.warns(UserWarning, match=r"its activation should be 'identity'"):
        net.fit(X, X[:, 0] > 0, epochs=1)


def test_parameters_are_written_through_views_alone():
    net = network()
    with pytest.raises(TypeError, match="item assignment"):
        net.parameters["0.bias"] = np.ones(8)
    net.parameters["0.bias"][:] = 1
    assert (net.parameters["0.bias"] == 1).all()
