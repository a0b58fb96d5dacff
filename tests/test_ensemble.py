"""Ensembles: members are fits of their own, the mean predicts better, the spread says how sure it is."""

import numpy as np
import pytest
from safetensors.numpy import load_file
from sklearn.datasets import load_digits

import lamina

OPTIONS = {"epochs": 6, "optimizer": lamina.Adam(1e-2)}


def digits(rows=400):
    X, y = load_digits(return_X_y=True)
    return (X[:rows] / 16).astype(np.float32), y[:rows]


def network(seed=5):
    layers = [lamina.Dense(16, "relu"), lamina.Dropout(0.2), lamina.Dense(10)]
    return lamina.Network(layers, n_inputs=64, loss="cross_entropy", seed=seed)


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_members_equal_separate_fits_to_the_bit(n_jobs):
    X, y = digits()
    ensemble = lamina.Ensemble(network(), members=4, n_jobs=n_jobs).fit(X, y, **OPTIONS)
    for i, member in enumerate(ensemble.members):
        own = network(seed=5 + i)
        history = own.fit(X, y, **OPTIONS)
        assert ensemble.histories[i] == history
        np.testing.assert_array_equal(member.predict(X), own.predict(X))


def test_mean_and_spread():
    X, y = digits()
    ensemble = lamina.Ensemble(network(), members=5).fit(X, y, **OPTIONS)
    each = ensemble.predictions(X)
    assert each.shape == (5, 400, 10)
    np.testing.assert_allclose(ensemble.predict(X), each.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(ensemble.spread(X), each.std(axis=0, ddof=1), rtol=1e-5, atol=1e-7)
    assert len(ensemble) == 5
    assert repr(ensemble).startswith("<lamina.Ensemble of 5: ")


def test_the_mean_is_better_than_a_member():
    X, y = digits(1797)
    ensemble = lamina.Ensemble(network(), members=8).fit(X[:400], y[:400], **OPTIONS)
    alone = np.mean([member.evaluate(X[400:], y[400:]) for member in ensemble.members])
    assert ensemble.evaluate(X[400:], y[400:]) < 0.95 * alone


def test_the_spread_grows_away_from_the_data():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, size=(200, 1))
    net = lamina.Network([lamina.Dense(32, "tanh"), lamina.Dense(1)], n_inputs=1)
    ensemble = lamina.Ensemble(net, members=6).fit(x, np.sin(3 * x), epochs=60, optimizer=lamina.Adam(1e-2))
    near, far = ensemble.spread(np.array([[0.0]]))[0, 0], ensemble.spread(np.array([[4.0]]))[0, 0]
    assert far > 5 * near


def test_evaluate_of_one_member_is_that_members(loss, targets_for, rng):
    X, y = rng.normal(size=(60, 4)), targets_for(loss, 60, 3)
    net = lamina.Network([lamina.Dense(8, "tanh"), lamina.Dense(3)], n_inputs=4, loss=loss, dtype="float64")
    ensemble = lamina.Ensemble(net, members=1).fit(X, y, epochs=5)
    weight = rng.uniform(size=60)
    assert ensemble.evaluate(X, y) == pytest.approx(ensemble.members[0].evaluate(X, y), rel=1e-9)
    assert ensemble.evaluate(X, y, weight) == pytest.approx(ensemble.members[0].evaluate(X, y, weight), rel=1e-9)


def test_a_second_fit_starts_afresh():
    X, y = digits(200)
    ensemble = lamina.Ensemble(network(), members=2)
    first = ensemble.fit(X, y, **OPTIONS).predict(X)
    np.testing.assert_array_equal(ensemble.fit(X, y, **OPTIONS).predict(X), first)


def test_verbose_tells_of_each_member(capfd):
    X, y = digits(100)
    lamina.Ensemble(network(), members=3).fit(X, y, epochs=1, verbose=1)
    assert capfd.readouterr().err.count("best epoch") == 3


def test_of_sequences_of_different_lengths():
    X, lengths = lamina.pad([np.random.default_rng(n).normal(size=(n, 3)) for n in (2, 5, 3, 4, 5, 2)])
    net = lamina.Network([lamina.Recurrent(4), lamina.Dense(1)], n_inputs=3, loss="squared_error", seed=2**64 - 1)
    ensemble = lamina.Ensemble(net, 2).fit(X, X[:, 0, 0], lengths=lengths, epochs=2, validation=None)
    X[np.arange(5) >= lengths[:, None]] = np.nan
    assert np.isfinite(ensemble.predict(X, lengths=lengths)).all()
    assert np.isfinite(ensemble.spread(X, lengths=lengths)).all()


@pytest.mark.parametrize("normalize", [False, True])
def test_one_file_keeps_all_members(normalize, tmp_path):
    X, y = digits(100)
    layers = [lamina.Dense(8, "relu"), lamina.BatchNorm(), lamina.Dense(10)]
    net = lamina.Network(layers, n_inputs=64, loss="cross_entropy", seed=3, normalize_inputs=normalize)
    net.metadata["made"] = "here"
    ensemble = lamina.Ensemble(net, members=3).fit(X, y, epochs=2)
    ensemble.metadata["of"] = "digits"
    ensemble.save(tmp_path / "e.lamina")
    other = lamina.load(tmp_path / "e.lamina")
    assert isinstance(other, lamina.Ensemble)
    assert repr(other) == repr(ensemble)
    assert other.summary() == ensemble.summary()
    assert other.metadata == ensemble.metadata
    assert [member.seed for member in other.members] == [3, 4, 5]
    assert [member.metadata for member in other.members] == [{"made": "here"}] * 3
    np.testing.assert_array_equal(other.predictions(X), ensemble.predictions(X))
    other.save(tmp_path / "again.lamina")
    assert (tmp_path / "again.lamina").read_bytes() == (tmp_path / "e.lamina").read_bytes()
    refitted = other.fit(X, y, epochs=2)
    np.testing.assert_array_equal(refitted.predictions(X), ensemble.predictions(X))
    tensors = load_file(tmp_path / "e.lamina")
    np.testing.assert_array_equal(tensors["2/0.weight"], ensemble.members[2].parameters["0.weight"])


def test_misuse():
    X, y = digits(100)
    with pytest.raises(TypeError, match=r"net must be a lamina\.Network"):
        lamina.Ensemble("digits")
    with pytest.raises(ValueError, match="members must be at least 1; got 0"):
        lamina.Ensemble(network(), members=0)
    with pytest.raises(ValueError, match="the spread needs at least 2 members"):
        lamina.Ensemble(network(), members=1).spread(X)
    with pytest.raises(ValueError, match="64 features"):
        lamina.Ensemble(network(), members=2).fit(X[:, :5], y)
    with pytest.raises(TypeError, match="n_threads is no option here"):
        lamina.Ensemble(network(), members=2).fit(X, y, n_threads=2)
