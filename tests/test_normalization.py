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


def robust_by_hand(x):
    low, median, high = np.quantile(x, [0.25, 0.5, 0.75], axis=0)
    spread = np.where(high > low, high - low, np.ptp(x, axis=0) / 2)
    u = (x - median) / np.where(spread > 0, spread, 1)
    return u / np.sqrt(1 + (u / 3) ** 2)


def test_robust():
    """By hand: a network behind it sees what one gets that is handed the normalised inputs."""
    X, y = data(201)
    X = X**3
    X[:, 1] = np.arange(201) % 5 == 0  # equal quartiles
    X[:, 2] = 7  # a constant
    layers = [lamina.Dense(4, activation="tanh"), lamina.Dense(1)]
    options = {**FULL, "epochs": 5}
    within = lamina.Network(layers, 3, dtype="float64", normalize_inputs="robust")
    within.fit(X, y, **options)
    before = lamina.Network(layers, 3, dtype="float64")
    before.fit(robust_by_hand(X), y, **options)
    new = 10 * data(50, seed=1)[0]
    u = (new - within.input_normalization[0]) * within.input_normalization[1]
    np.testing.assert_allclose(within.predict(X), before.predict(robust_by_hand(X)), rtol=1e-9)
    np.testing.assert_allclose(within.predict(new), before.predict(u / np.sqrt(1 + (u / 3) ** 2)), rtol=1e-9)
    step = 1e-6 * np.eye(3)[0]
    gradient = within.input_gradient(new[:1], y[:1])
    difference = within.evaluate(new[:1] + step, y[:1]) - within.evaluate(new[:1] - step, y[:1])
    assert gradient[0, 0] == pytest.approx(difference / 2e-6, rel=1e-5)


def test_robust_weights():
    """Rows of weight 0 are not there, and one scale for all weights changes nothing."""
    X, y = data(40)
    weight = np.where(np.arange(40) < 30, 2.5, 0)
    some, all_ = (network(normalize_inputs="robust") for _ in range(2))
    some.fit(X, y, sample_weight=weight, epochs=1)
    all_.fit(X[:30], y[:30], epochs=1)
    np.testing.assert_allclose(some.input_normalization, all_.input_normalization, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scales_are_kept(tmp_path, dtype):
    import copy
    import pickle

    X, y = data(60)
    net = network(normalize_inputs="robust", normalize_targets=True, dtype=dtype)
    net.fit(X, y, epochs=3)
    net.save(tmp_path / "net")
    assert sorted(net.scales) == [
        *("input.limit", "input.mean", "input.scale", "target.deviation", "target.high", "target.low", "target.mean")
    ]
    for other in (lamina.load(tmp_path / "net"), pickle.loads(pickle.dumps(net)), copy.deepcopy(net), net.copy()):
        assert other.normalize_inputs == "robust"
        assert other.normalize_targets
        np.testing.assert_array_equal(other.predict(X), net.predict(X))
    wider = net.astype("float64")
    np.testing.assert_allclose(wider.predict(X), net.predict(X), rtol=1e-4)


def test_targets():
    """Learned as if they had been brought to zero mean and unit variance by hand, and predicted as they were."""
    X, y = data(80)
    y = 1e6 + 1e-3 * y
    z = (y - y.mean()) / y.std()
    options = {**FULL, "epochs": 10}
    own, by_hand = network(normalize_targets=True), network()
    own.fit(X, y, **options)
    by_hand.fit(X, z, **options)
    np.testing.assert_allclose(own.history.loss, by_hand.history.loss, rtol=1e-6)
    np.testing.assert_allclose(own.evaluate(X, y), by_hand.evaluate(X, z), rtol=1e-6)
    np.testing.assert_allclose(own.forward(X), by_hand.predict(X), rtol=1e-6, atol=1e-9)
    wanted = np.clip(y.mean() + y.std() * by_hand.predict(X)[:, 0], y.min(), y.max())
    np.testing.assert_allclose(own.predict(X)[:, 0] - 1e6, wanted - 1e6, rtol=1e-3, atol=1e-8)


def test_predictions_stay_within_the_targets():
    X, y = data(60)
    net = lamina.Network([lamina.Dense(1)], 3, dtype="float64", normalize_inputs=True, normalize_targets=True)
    net.fit(X, y, epochs=50, optimizer=lamina.Adam(0.05), validation=None)
    far = net.predict(np.concatenate([X + 1000 * np.eye(3)[0], X - 1000 * np.eye(3)[0]]))
    assert set(far.ravel()) == {y.min(), y.max()}


def test_targets_of_several_outputs_weights_and_constants():
    X, y = data(60)
    Y = np.stack([y, 100 * y + 5, np.full(60, 3.0)], axis=1)
    weight = np.arange(60) % 3
    net = lamina.Network([lamina.Dense(3)], 3, dtype="float64", normalize_targets=True)
    net.fit(X, Y, sample_weight=weight, epochs=2, validation=None)
    mean = np.average(Y, axis=0, weights=weight)
    np.testing.assert_allclose(net.scales["target.mean"], mean, rtol=1e-12)
    deviation = np.sqrt(np.average((Y - mean) ** 2, axis=0, weights=weight))
    np.testing.assert_allclose(net.scales["target.deviation"], np.where(deviation > 0, deviation, 1), rtol=1e-12)
    np.testing.assert_array_equal(net.scales["target.low"], Y[weight > 0].min(axis=0))
    np.testing.assert_array_equal(net.predict(X)[:, 2], 3.0)


def test_a_refused_fit_takes_neither():
    X, y = data()
    net = network(normalize_targets=True)
    with pytest.raises(ValueError, match="rates"):
        net.fit(X, y, rates={"nothing": 1.0})
    assert net.scales == {}


def test_misuse_of_normalisation():
    with pytest.raises(ValueError, match="normalize_inputs must be False, True, 'standard' or 'robust'; got 'minmax'"):
        network(normalize_inputs="minmax")
    for value in ("no", "", 0, 2.5, [True]):
        with pytest.raises((TypeError, ValueError), match="normalize_inputs must be False, True, 'standard' or"):
            network(normalize_inputs=value)
    network(normalize_inputs=np.bool_(False))
    with pytest.raises(ValueError, match="normalize_targets needs a loss whose targets are any numbers; got poisson"):
        network(loss="poisson", normalize_targets=True)
    net = network()
    with pytest.raises(ValueError, match="target_scale"):
        net.set_scales({"target.mean": np.zeros(1)})
    with pytest.raises(ValueError, match="input_normalization"):
        net.set_scales({"input.limit": np.ones(3)})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("how", ["robust", "standard"])
def test_the_largest_numbers_there_are(dtype, how):
    """Far outliers come to the limit, not to 0 or NaN; also where the way from the mean is longer than any number."""
    X, y = data(60)
    X = X.astype(dtype)
    largest = np.finfo(dtype).max
    new = X.copy()
    new[0, 0], new[1, 0], new[2, 0] = largest, -largest, 1e3 * np.sqrt(largest)
    net = network(normalize_inputs=how, dtype=dtype)
    net.fit(X, y, epochs=1)
    mean, scale = net.input_normalization
    if how == "standard":
        mean, scale = mean.copy(), scale.copy()
        mean[0], scale[0] = largest / 2, 1 / largest
        net.input_normalization = mean, scale
    mean, scale = mean.astype(float), scale.astype(float)
    u = scale * new - scale * mean
    wanted = np.where(np.abs(u) > 1e9, 3 * np.sign(u), u / np.sqrt(1 + np.minimum(np.abs(u), 1e9) ** 2 / 9))
    plain = network(normalize_inputs=False, dtype="float64")
    for name, view in plain.parameters.items():
        view[...] = net.parameters[name]
    wanted = u if how == "standard" else wanted
    np.testing.assert_allclose(net.predict(new), plain.predict(wanted), rtol=2e-4, atol=2e-5)
    gradient = net.input_gradient(new, y)
    assert np.isfinite(gradient).all()


def test_columns_without_a_limit_are_left_as_they_are():
    X = np.stack([np.arange(40.0) % 4, np.random.default_rng(0).normal(size=40)], axis=1)
    layers = [lamina.Embedding([0], [4], one_hot=8), lamina.Dense(1)]
    net = lamina.Network(layers, 2, dtype="float64", normalize_inputs="robust")
    net.fit(X, X[:, 1], epochs=1)
    assert net.scales["input.limit"][0] > 1e38
    assert net.scales["input.limit"][1] == 3


def test_robust_training_on_the_largest_numbers():
    X, y = data(60)
    X = X.astype("float32")
    X[0, 0], X[1, 0] = np.finfo("float32").max, -np.finfo("float32").max
    net = network(normalize_inputs="robust", dtype="float32")
    history = net.fit(X, y, epochs=3, validation=None)
    assert not history.diverged
    assert np.isfinite(net.predict(X)).all()


def test_a_pair_keeps_the_limit_of_a_robust_network():
    X, y = data(60)
    net = network(normalize_inputs="robust")
    net.fit(X, y, epochs=2)
    before = net.predict(100 * X)
    net.input_normalization = net.input_normalization
    np.testing.assert_array_equal(net.predict(100 * X), before)
    net.input_normalization = None
    assert net.scales == {}


def test_scales_are_set_together_or_not_at_all():
    X, y = data(60)
    layers = [lamina.Embedding([0], [9]), lamina.Dense(1)]
    net = lamina.Network(layers, 3, dtype="float64")
    X[:, 0] = np.arange(60) % 9
    net.fit(X, y, epochs=1)
    other = network(normalize_inputs=True, normalize_targets=True)
    other.fit(X, y, epochs=1)
    with pytest.raises(ValueError, match="input_normalization must leave input 0"):
        net.set_scales(other.scales)
    assert net.scales == {}


@pytest.mark.parametrize("size", [1e-310, 1e-300, 1e300, 1e308])
def test_targets_at_the_ends_of_the_range(size):
    X, y = data(60)
    y = size * np.where(y > y.mean(), 1.0, -1.0)
    net = network(normalize_targets=True)
    history = net.fit(X, y, epochs=2)
    assert not history.diverged
    assert np.isfinite(net.predict(X)).all()
    assert (net.scales["target.deviation"] > 0).all()
