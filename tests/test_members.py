"""Ensembles in one network: `SharedDense` layers, the mean of the members' losses, the average of their predictions."""

import pickle

import numpy as np
import pytest

import lamina
from reference.losses import LOSSES, targets
from reference.twin import twin

ROWS, INPUTS, OUTPUTS, MEMBERS = 23, 4, 3, 5
KINDS = ["mini", "full", "separate"]
EACH_KIND = pytest.mark.parametrize("kind", KINDS)
# Losses with every link, and what a target is.
LINKS = {
    "squared_error": lambda rng: rng.normal(size=(ROWS, OUTPUTS)),
    "poisson": lambda rng: rng.poisson(2.0, size=(ROWS, OUTPUTS)).astype(float),
    "cross_entropy": lambda rng: rng.integers(OUTPUTS, size=ROWS),
    "binary_cross_entropy": lambda rng: rng.integers(2, size=(ROWS, OUTPUTS)).astype(float),
}


def shared(units, activation="identity", kind="mini", **options):
    return lamina.SharedDense(units, MEMBERS, activation, kind, **options)


def network(kind, activation="mish", loss="squared_error", *, dtype="float64", **options):
    """Hidden layers of a kind and an output layer of separate members; parameters are no round numbers."""
    layers = [shared(6, activation, kind), shared(7, activation, kind), shared(OUTPUTS, kind="separate")]
    return unround(lamina.Network(layers, INPUTS, loss, dtype, seed=3, **options))


def unround(net):
    rng = np.random.default_rng(4)
    for view in net.parameters.values():
        view[...] += rng.normal(size=view.shape) / 4
    return net


def tabm(kind, k, units=64, **options):
    hidden = [layer for _ in range(2) for layer in (lamina.SharedDense(units, k, "relu", kind), lamina.Dropout(0.1))]
    return lamina.Network([*hidden, lamina.SharedDense(1, k, kind="separate")], 5, **options)


@EACH_KIND
@pytest.mark.parametrize("first", [0, 1, 2])
@pytest.mark.parametrize("f", ["identity", "relu", "mish", "prelu"])
def test_gradients(kind, first, f, rng):
    before = [lamina.Dense(3, "tanh")] * first  # the first layer of all wants no slope of its inputs
    between = [lamina.BatchNorm(), lamina.Activation("tanh")] if first == 2 else []
    layers = [*before, shared(6, f, kind), *between, shared(7, f, kind), shared(2, "tanh", kind)]
    net = unround(lamina.Network(layers, INPUTS, dtype="float64"))
    x, t = rng.normal(size=(ROWS, INPUTS)), rng.normal(size=(ROWS, 2))
    assert lamina.check_gradients(net, x, t) < 1e-6


@EACH_KIND
@pytest.mark.parametrize("loss_name", LINKS)
@pytest.mark.parametrize("f", ["mish", "prelu", "rrelu"])
def test_equal_to_the_reference(kind, loss_name, f, rng):
    net = network(kind, f, loss_name)
    x, t = rng.normal(size=(ROWS, INPUTS)), LINKS[loss_name](rng)
    weight = rng.uniform(0, 2, ROWS)
    own = twin(net, loss_name, ROWS)
    got, gradients = net.loss_and_gradients(x, t, weight, l1=0.1, l2=0.1)
    want, want_gradients, dx = own.loss_and_gradients(x, t, weight, l1=0.1, l2=0.1)
    np.testing.assert_allclose(got, want, rtol=1e-12)
    assert set(gradients) == set(want_gradients)
    for name, gradient in want_gradients.items():
        np.testing.assert_allclose(gradients[name], gradient, rtol=1e-10, atol=1e-13, err_msg=name)
    if f != "rrelu":
        np.testing.assert_allclose(net.input_gradient(x, t, weight), dx, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(net.predict(x), twin(net, loss_name).predict(x), rtol=1e-12)


@EACH_KIND
@pytest.mark.parametrize("rows", [1, 300, 2500])
def test_long_sums_and_chunks(kind, rows, rng):
    net = network(kind)
    x, t = rng.normal(size=(rows, INPUTS)), rng.normal(size=(rows, OUTPUTS))
    got, gradients = net.loss_and_gradients(x, t)
    want, want_gradients, _ = twin(net, "squared_error").loss_and_gradients(x, t)
    np.testing.assert_allclose(got, want, rtol=1e-12)
    for name, gradient in want_gradients.items():
        np.testing.assert_allclose(gradients[name], gradient, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("loss_name", LINKS)
def test_the_loss_is_that_of_the_average(loss_name, rng):
    net = network("full", loss=loss_name)
    x, t = rng.normal(size=(ROWS, INPUTS)), LINKS[loss_name](rng)
    average = twin(net, loss_name).predict(x)
    raw = net.forward(x)
    assert net.predict(x).shape == raw.shape == (ROWS, OUTPUTS)
    np.testing.assert_allclose(net.predict(x), average, rtol=1e-12)
    np.testing.assert_allclose(LOSSES[loss_name].predict(raw), average, rtol=1e-12)
    want = float(LOSSES[loss_name].value(raw, targets(t, OUTPUTS)).mean())
    np.testing.assert_allclose(net.evaluate(x, t), want, rtol=1e-12)
    if loss_name != "squared_error":
        assert net.evaluate(x, t) < net.loss_and_gradients(x, t)[0]  # by Jensen's inequality


@pytest.mark.parametrize("loss_name", ["poisson", "cross_entropy", "binary_cross_entropy"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_averages_of_extreme_outputs(loss_name, dtype, rng):
    net = network("separate", loss=loss_name, dtype=dtype)
    bias = net.parameters["2.bias"]
    bias[...] = np.where(rng.random(bias.shape) < 0.5, -80, 80) if loss_name == "poisson" else -1000
    bias[:, 0] = 500 if loss_name != "poisson" else 3
    x = rng.normal(size=(ROWS, INPUTS))
    raw = net.forward(x)
    assert np.isfinite(raw).all()
    assert np.isfinite(net.predict(x)).all()
    if loss_name == "cross_entropy":
        assert (raw[:, 1:] < -1400).all()  # a probability of 0, of which there is a loss all the same
        assert 1400 < net.evaluate(x, np.ones(ROWS, int)) < 1600


@EACH_KIND
def test_equal_members_are_one_network(kind, rng):
    layers = [shared(6, "tanh", kind), shared(2, "identity", kind)]
    net = lamina.Network(layers, INPUTS, dtype="float64")
    one = lamina.Network([lamina.Dense(6, "tanh"), lamina.Dense(2)], INPUTS, dtype="float64")
    for name, view in net.parameters.items():
        if name.endswith("input_scale"):
            view[...] = 1
        if name.endswith(("weight", "bias")):
            view[...] = one.parameters[name]
    x, t = rng.normal(size=(ROWS, INPUTS)), rng.normal(size=(ROWS, 2))
    np.testing.assert_allclose(net.predict(x), one.predict(x), rtol=1e-13)
    np.testing.assert_allclose(net.evaluate(x, t), one.evaluate(x, t), rtol=1e-13)


def test_what_is_shared_and_what_it_starts_from():
    net = lamina.Network([shared(6), shared(7), shared(2, kind="separate")], INPUTS)
    shapes = {name: view.shape for name, view in net.parameters.items()}
    assert shapes == {
        "0.weight": (INPUTS, 6),
        "0.input_scale": (MEMBERS, INPUTS),
        "0.bias": (6,),
        "1.weight": (6, 7),
        "1.bias": (7,),
        "2.weight": (MEMBERS, 7, 2),
        "2.bias": (MEMBERS, 2),
    }
    assert set(net.parameters["0.input_scale"].ravel()) == {-1, 1}
    assert len({w.tobytes() for w in net.parameters["2.weight"]}) == MEMBERS
    full = lamina.Network([shared(6, kind="full", start="normal"), shared(7, kind="full")], INPUTS).parameters
    assert full["0.output_scale"].shape == full["0.bias"].shape == (MEMBERS, 6)
    assert len(set(full["0.input_scale"].ravel())) == MEMBERS * INPUTS
    for name in ("0.output_scale", "1.input_scale", "1.output_scale"):
        np.testing.assert_array_equal(full[name], 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [16, 500])
def test_bits_do_not_depend_on_the_threads(kind, dtype, batch):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(500, 5)).astype(dtype)
    results = []
    for n_threads in (1, 2, 3):
        net = tabm(kind, 8, dtype=dtype)
        history = net.fit(x, x[:, 0] * x[:, 1], epochs=2, batch_size=batch, n_threads=n_threads, validation=0.2)
        results.append((history.loss, history.validation_loss, net.predict(x, n_threads=n_threads).tobytes()))
    assert results[0] == results[1] == results[2]
    np.testing.assert_array_equal(net.predict(x[7:8]), net.predict(x)[7:8])


@EACH_KIND
def test_kept_in_files_and_pickles(kind, tmp_path, rng):
    net = network(kind, dtype="float32", normalize_inputs=True)
    x, t = rng.normal(size=(ROWS, INPUTS)), rng.normal(size=(ROWS, OUTPUTS))
    net.fit(x, t, epochs=2, validation=None, early_stopping=None)
    net.save(tmp_path / "model")
    for other in (lamina.load(tmp_path / "model"), pickle.loads(pickle.dumps(net)), net.copy()):
        assert other.layers == net.layers
        np.testing.assert_array_equal(other.predict(x), net.predict(x))


def test_early_stopping_watches_the_average(rng):
    x = rng.normal(size=(300, 5))
    t = np.sin(2 * x[:, 0]) + 0.3 * rng.normal(size=300)
    net = tabm("mini", 16)
    history = net.fit(x[:200], t[:200], epochs=60, validation=(x[200:], t[200:]), optimizer=lamina.Adam(5e-3))
    assert history.validation_loss[history.best_epoch - 1] == min(history.validation_loss)
    np.testing.assert_allclose(net.evaluate(x[200:], t[200:]), min(history.validation_loss), rtol=1e-6)
    members = twin(net, "squared_error").loss_and_gradients(x[200:], t[200:], training=False)[0]
    assert net.evaluate(x[200:], t[200:]) < members


def test_the_average_is_better_than_its_members_and_than_one_network():
    """The point of it: on noisy data a TabM-like network beats a plain one of the same width."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1200, 5))
    t = np.sin(2 * x[:, 0]) * x[:, 1] + np.abs(x[:, 2]) + 0.5 * rng.normal(size=1200)
    train, rest = slice(0, 400), slice(400, None)
    options = {"epochs": 80, "validation": 0.2, "optimizer": lamina.AdamW(2e-3)}
    one = lamina.Network([lamina.Dense(64, "relu"), lamina.Dropout(0.1)] * 2 + [lamina.Dense(1)], 5)
    several = tabm("full", 16)
    for net in (one, several):
        net.fit(x[train], t[train], **options)
    assert several.evaluate(x[rest], t[rest]) < one.evaluate(x[rest], t[rest])


@pytest.mark.parametrize("last", [False, True])
def test_behind_recurrent_layers(last, rng):
    layers = [lamina.Recurrent(4, "tanh", return_sequences=not last), shared(5, "tanh", "full"), shared(2)]
    net = unround(lamina.Network(layers, 3, dtype="float64"))
    x, lengths = rng.normal(size=(ROWS, 6, 3)), rng.integers(1, 7, ROWS)
    t = rng.normal(size=(ROWS, 2) if last else (ROWS, 6, 2))
    assert lamina.check_gradients(net, x, t, lengths=lengths) < 1e-6
    y = net.predict(x, lengths=lengths)
    assert y.shape == t.shape
    net.fit(x, t, epochs=2, lengths=lengths, validation=0.3)
    one = x[:1]
    steps = np.array([net.step(one[:, i])[0] for i in range(6)])
    np.testing.assert_array_equal(steps[-1] if last else steps, net.predict(one)[0])


@pytest.mark.parametrize("solver", ["LBFGS"])
def test_full_batch_solvers(solver, rng):
    x, t = rng.normal(size=(ROWS, INPUTS)), rng.normal(size=(ROWS, OUTPUTS))
    net = network("mini", "tanh")
    before = net.loss_and_gradients(x, t)[0]
    history = net.fit(x, t, optimizer=getattr(lamina, solver)(), epochs=20, validation=None)
    assert history.loss[-1] < before / 2
    np.testing.assert_allclose(history.loss[-1], net.loss_and_gradients(x, t)[0], rtol=1e-10)


def test_refused(rng):
    x, t = rng.normal(size=(ROWS, INPUTS)), rng.normal(size=(ROWS, OUTPUTS))
    with pytest.raises(ValueError, match=r"LevenbergMarquardt wants one output for each target, .* has 5 members"):
        network("mini").fit(x, t, optimizer=lamina.LevenbergMarquardt(), validation=None)
    mixing = r"layers\[2\] must be a SharedDense with members=5, .*; got "
    for layer, got in [
        (lamina.Dense(2), "Dense"),
        (lamina.Shortcut(2), "Shortcut"),
        (lamina.Recurrent(2), "Recurrent"),
        (lamina.SharedDense(2, 4), "SharedDense with members=4"),
    ]:
        with pytest.raises(ValueError, match=mixing + got):
            lamina.Network([shared(3), lamina.Dropout(0.1), layer], INPUTS)
    with pytest.raises(ValueError, match="members of SharedDense must be at least 2; got 1"):
        lamina.SharedDense(3, 1)
    with pytest.raises(ValueError, match="kind of SharedDense must be 'mini', 'full' or 'separate'; got 'both'"):
        lamina.SharedDense(3, kind="both")
    with pytest.raises(ValueError, match="start of SharedDense must be 'signs' or 'normal'; got 'ones'"):
        lamina.SharedDense(3, start="ones")
    with pytest.raises(ValueError, match=r"y must hold labels in 0 \.\. 2"):
        network("mini", loss="cross_entropy").fit(x, np.full(ROWS, 3))


@EACH_KIND
def test_units_are_clipped_member_by_member(kind, rng):
    """A member with large gradients leaves the others' as they are."""
    x, t = rng.normal(size=(ROWS, INPUTS)), rng.normal(size=(ROWS, OUTPUTS))
    clipped, plain = network(kind), network(kind)
    how = {"epochs": 1, "batch_size": ROWS, "validation": None, "early_stopping": None, "optimizer": lamina.SGD(0.1)}
    start = {name: view.copy() for name, view in plain.parameters.items()}
    clipped.fit(x, t, clip=lamina.AGC(0.02), **how)
    plain.fit(x, t, **how)
    for name, view in clipped.parameters.items():
        own, free = (view - start[name]) / -0.1, (plain.parameters[name] - start[name]) / -0.1
        if name.startswith("2."):
            np.testing.assert_allclose(own, free, rtol=1e-9, atol=1e-12)  # the last layer's are left alone
            continue
        axis = None if view.ndim == 1 or not name.endswith("weight") else -2
        norm = np.abs if axis is None else lambda a, axis=axis: np.sqrt(np.sum(a**2, axis=axis, keepdims=True))
        limit = 0.02 * np.maximum(norm(start[name]), 1e-3)
        factor = np.minimum(1, limit / np.maximum(norm(free), 1e-6))
        np.testing.assert_allclose(own, factor * free, rtol=1e-7, atol=1e-12, err_msg=name)


def test_what_looks_at_networks_takes_ensembles(rng):
    x, t = rng.normal(size=(60, INPUTS)), rng.integers(OUTPUTS, size=60)
    net = network("full", loss="cross_entropy", dtype="float32")
    assert net.n_outputs == OUTPUTS
    assert str(MEMBERS * OUTPUTS) in net.summary()
    net.fit(x, t, epochs=3)
    lamina.diagnose(net, x, t)
    layers = [lamina.Dense(4, "relu"), shared(4), lamina.Activation("relu"), shared(OUTPUTS)]
    first, *others = lamina.diagnose(lamina.Network(layers, INPUTS, "cross_entropy"), x, t).layers
    assert first.dead is not None
    assert [layer.dead for layer in others] == [None] * 3
    assert lamina.cross_validate(net, x, t, k=2, epochs=2).out_of_fold.shape == (60, OUTPUTS)
