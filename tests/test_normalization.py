"""Input normalisation: fitted once, on the weighted training rows alone, and never by a fit that was refused."""

import numpy as np
import pytest

import lamina

FULL = {"batch_size": 100, "shuffle": False, "validation": None, "early_stopping": None}


def network(**options):
    options = {"n_inputs": 3, "loss": "squared_error", "dtype": "float64", "normalize_inputs": True, **options}
    return lamina.Network([lamina.Dense(4, activation="tanh"), lamina.Dense(1)], **options)


def data(rows=30, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(5, 3, size=(rows, 3))
    return X, X @ [1.0, -2.0, 0.5]


def test_a_second_fit_keeps_the_first_ones():
    X, y = data()
    net = network()
    net.fit(X, y, epochs=3)
    mean, scale = net.input_normalization
    net.fit(100 * X + 7, y, epochs=1)
    np.testing.assert_array_equal(net.input_normalization, (mean, scale))


def test_weights_count_as_repeated_rows():
    X, y = data()
    weight = np.arange(30) % 3
    weighted, repeated = network(), network()
    weighted.fit(X, y, sample_weight=weight, epochs=5, **FULL)
    repeated.fit(np.repeat(X, weight, axis=0), np.repeat(y, weight), epochs=5, **FULL)
    np.testing.assert_allclose(weighted.input_normalization, repeated.input_normalization, rtol=1e-12)
    np.testing.assert_allclose(weighted.history.loss, repeated.history.loss, rtol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [1.2e18, -7.7e-300, 0.1, 1 / 3, 1e30])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_constant_column_becomes_zero(dtype, value, weighted):
    """Exactly: what the rounding of a mean left was of the size of its last place."""
    rng = np.random.default_rng(0)
    X, y = data(1001)
    X = X.astype(dtype)
    X[:, 1] = value
    net = network(dtype=dtype)
    net.fit(X, y, epochs=1, sample_weight=rng.uniform(0, 3, 1001) if weighted else None)
    mean, scale = net.input_normalization
    assert scale[1] == 1
    np.testing.assert_array_equal((X[:, 1] - mean[1]) * scale[1], 0)


def test_only_the_training_part_of_sequences_within_their_lengths():
    rng = np.random.default_rng(0)
    X = rng.normal(2, 3, size=(20, 5, 3))
    lengths = rng.integers(1, 6, 20)
    net = lamina.Network(
        [lamina.Recurrent(4), lamina.Dense(1)], n_inputs=3, loss="squared_error", dtype="float64", normalize_inputs=True
    )
    net.fit(X, X[:, 0, 0], lengths=lengths, epochs=1, validation=lamina.Split(0.25, shuffle=False))
    seen = np.concatenate([X[i, : lengths[i]] for i in range(15)])
    mean, scale = net.input_normalization
    np.testing.assert_allclose(mean, seen.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(scale, 1 / seen.std(axis=0), rtol=1e-12)


def test_a_refused_fit_leaves_it_alone():
    X, y = data(33)
    net = lamina.Network(
        [lamina.Dense(4), lamina.BatchNorm(), lamina.Dense(1)],
        n_inputs=3,
        loss="squared_error",
        normalize_inputs=True,
    )
    with pytest.raises(ValueError, match="batch"):
        net.fit(X, y, batch_size=1, validation=None)
    assert net.input_normalization is None
    assert net.history is None


def test_a_fit_within_a_fit_is_refused_and_changes_nothing():
    X, y = data()
    net, before = network(), []

    def again(epoch):
        before.append([part.copy() for part in net.input_normalization])
        with pytest.raises(RuntimeError, match="being trained"):
            net.fit(X + 50, y)
        np.testing.assert_array_equal(net.input_normalization, before[-1])
        assert net.history is None

    net.fit(X, y, epochs=2, callbacks=[again])
    assert len(before) == 2
    assert net.history.epochs == 2


@pytest.mark.parametrize(
    "pair",
    [
        (np.zeros(2), np.ones(3)),
        (np.zeros(3), np.ones(1)),
        (np.zeros(3), np.zeros(3)),
        (np.full(3, np.nan), np.ones(3)),
        (np.zeros(3), np.array([1, np.inf, 1])),
        (np.zeros(4), np.ones(4)),
    ],
)
def test_a_wrong_one_is_refused(pair):
    X, y = data()
    net = network()
    net.fit(X, y, epochs=1)
    before = net.predict(X)
    with pytest.raises(ValueError, match="input_normalization"):
        net.input_normalization = pair
    np.testing.assert_array_equal(net.predict(X), before)


def test_it_can_be_given_and_taken_away():
    X, _ = data()
    net = network(normalize_inputs=False)
    net.input_normalization = (X.mean(axis=0), 1 / X.std(axis=0))
    scaled = net.predict(X)
    net.input_normalization = None
    np.testing.assert_allclose(net.predict((X - X.mean(axis=0)) / X.std(axis=0)), scaled, rtol=1e-12)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (5, TypeError),
        ("ab", TypeError),
        ((1, 2), ValueError),
        ((np.ones(3),), TypeError),
        (("a", "b"), TypeError),
        ((np.ones(3), np.zeros(3)), ValueError),
        ((np.ones(3), np.ones(2)), ValueError),
        ((np.ones(3), np.full(3, np.nan)), ValueError),
    ],
)
def test_what_is_no_normalization_is_named(value, error):
    net = lamina.Network([lamina.Dense(1)], 3)
    with pytest.raises(error, match="input_normalization must"):
        net.input_normalization = value
    assert net.input_normalization is None


def test_what_is_handed_out_cannot_be_written():
    net = lamina.Network([lamina.Dense(1)], 3)
    net.input_normalization = ([1, 2, 3], (1, 1, 2))
    for part in net.input_normalization:
        with pytest.raises(ValueError, match="read-only"):
            part[0] = 5
