"""Recurrent layers: against the NumPy reference, PyTorch and central differences; sequences, lengths and steps."""

import pickle

import numpy as np
import pytest

import lamina
from reference.recurrent import RecurrentNetwork

N, STEPS, INPUTS, UNITS, OUTPUTS = 37, 7, 3, 5, 2
KINDS = ["elman", "jordan"]


def network(kind="elman", f="tanh", g="identity", each_step=True, truncate=None, dtype="float64", loss="squared_error"):
    """y_t = g(h_t V + c) of h_t = f(x_t W + r_{t-1} U + b), with biases that are not 0."""
    if kind == "elman":
        layers = [lamina.Recurrent(UNITS, f, return_sequences=each_step, truncate=truncate), lamina.Dense(OUTPUTS, g)]
    else:
        layers = [lamina.Recurrent(UNITS, f, kind, each_step, truncate, OUTPUTS, g)]
    net = lamina.Network(layers, INPUTS, loss, dtype, seed=3)
    draws = np.random.default_rng(8)
    for name, view in net.parameters.items():
        if name.endswith("bias"):
            view[...] = draws.normal(size=view.shape) / 4
    return net


def twin(net, f, g, kind):
    """The reference with the network's weights, and its names for the network's."""
    names = {"W": "0.weight", "U": "0.recurrent_weight", "b": "0.bias"}
    names |= {"V": "1.weight", "c": "1.bias"} if kind == "elman" else {"V": "0.output_weight", "c": "0.output_bias"}
    return RecurrentNetwork(**{k: net.parameters[v].copy() for k, v in names.items()}, f=f, g=g, kind=kind), names


@pytest.fixture
def sequences(rng):
    return rng.normal(size=(N, STEPS, INPUTS)), rng.integers(1, STEPS + 1, N)


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_every_activation(kind, ragged, activation, sequences, rng):
    x, lengths = sequences
    net = network(kind, activation)
    t = rng.normal(size=(N, STEPS, OUTPUTS))
    assert lamina.check_gradients(net, x, t, lengths=lengths if ragged else None) < 1e-6


@pytest.mark.parametrize("truncate", [1, 2, 3, STEPS, STEPS + 4])
@pytest.mark.parametrize("each_step", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_truncated_back_propagation(kind, each_step, truncate, sequences, rng):
    x, lengths = sequences
    net = network(kind, each_step=each_step, truncate=truncate, g="logistic")
    t = rng.normal(size=(N, STEPS, OUTPUTS) if each_step else (N, OUTPUTS))
    assert lamina.check_gradients(net, x, t, lengths=lengths) < 1e-6


@pytest.mark.parametrize("each_step", [False, True])
def test_gradients_through_layers_of_all_kinds(each_step, sequences, rng):
    x, lengths = sequences
    layers = [
        lamina.Dense(6, "prelu"),
        lamina.BatchNorm(),
        lamina.Recurrent(5, "prelu", "jordan", True, outputs=4, output_activation="prelu"),
        lamina.Dropout(0.3),
        lamina.Recurrent(4, "rrelu", return_sequences=each_step, use_bias=False),
        lamina.Activation("softsign"),
        lamina.Dense(OUTPUTS),
    ]
    net = lamina.Network(layers, INPUTS, "cross_entropy", "float64", normalize_inputs=True)
    t = rng.integers(2, size=(N, STEPS) if each_step else N)
    weight = rng.uniform(0.5, 2, size=t.shape)
    assert lamina.check_gradients(net, x, t, weight, l1=1e-3, l2=1e-3, lengths=lengths) < 1e-6


@pytest.mark.parametrize("truncate", [None, 2])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_values_and_gradients_are_the_references(kind, ragged, truncate, activation, sequences, rng):
    if activation == "rrelu":
        pytest.skip("its slopes are drawn")
    x, lengths = sequences
    net = network(kind, activation, "tanh", truncate=truncate)
    reference, names = twin(net, activation, "tanh", kind)
    lengths = lengths if ragged else None
    t = rng.normal(size=(N, STEPS, OUTPUTS))
    y = reference.forward(x, lengths)
    np.testing.assert_allclose(net.predict(x, lengths=lengths), y, rtol=1e-10, atol=1e-12)
    steps = N * STEPS if lengths is None else lengths.sum()
    loss, gradients = net.loss_and_gradients(x, t, lengths=lengths)
    error = (y - t) * reference.mask[:, :, None]
    np.testing.assert_allclose(loss, 0.5 * (error**2).sum() / steps, rtol=1e-10)
    for name, gradient in reference.backward(error / steps, truncate).items():
        np.testing.assert_allclose(gradients[names[name]], gradient, rtol=1e-8, atol=1e-10, err_msg=name)


def test_the_last_step_is_that_of_all_steps(sequences):
    x, lengths = sequences
    for kind in KINDS:
        every, last = network(kind), network(kind, each_step=False)
        expected = every.predict(x, lengths=lengths)[np.arange(N), lengths - 1]
        np.testing.assert_array_equal(last.predict(x, lengths=lengths), expected)


def test_the_gradient_of_the_inputs(sequences, rng):
    x, lengths = sequences
    net = network("jordan", each_step=False)
    t = rng.normal(size=(N, OUTPUTS))
    gradient = net.input_gradient(x, t, lengths=lengths)
    for sample, step, feature in [(0, 0, 0), (3, int(lengths[3]) - 1, 1), (36, 0, 2)]:
        moved = x.copy()
        moved[sample, step, feature] += 1e-6
        slope = (net.evaluate(moved, t, lengths=lengths) - net.evaluate(x, t, lengths=lengths)) / 1e-6
        assert gradient[sample, step, feature] == pytest.approx(slope, rel=1e-4, abs=1e-8)
    assert not gradient[np.arange(STEPS) >= lengths[:, None]].any()


@pytest.mark.parametrize("each_step", [False, True])
def test_a_step_is_pytorchs(each_step, rng):
    torch = pytest.importorskip("torch")
    x = rng.normal(size=(8, 11, INPUTS))
    t = rng.normal(size=(8, 11, UNITS) if each_step else (8, UNITS))
    net = lamina.Network([lamina.Recurrent(UNITS, return_sequences=each_step)], INPUTS, dtype="float64", seed=2)
    rnn = torch.nn.RNN(INPUTS, UNITS, batch_first=True).double()
    ours = {name.partition(".")[2]: torch.from_numpy(view.copy()) for name, view in net.parameters.items()}
    with torch.no_grad():
        rnn.weight_ih_l0.copy_(ours["weight"].T)
        rnn.weight_hh_l0.copy_(ours["recurrent_weight"].T)
        rnn.bias_ih_l0.copy_(ours["bias"])
        rnn.bias_hh_l0.zero_()
    rnn.bias_hh_l0.requires_grad_(False)
    sgd = torch.optim.SGD([p for p in rnn.parameters() if p.requires_grad], lr=0.1)
    for _ in range(3):
        sgd.zero_grad()
        y = rnn(torch.from_numpy(x))[0] if each_step else rnn(torch.from_numpy(x))[1][0]
        (0.5 * ((y - torch.from_numpy(t)) ** 2).sum() / (y.numel() / UNITS)).backward()
        sgd.step()
    net.fit(x, t, epochs=3, batch_size=8, optimizer=lamina.SGD(0.1), validation=None, early_stopping=None)
    theirs = {"weight": rnn.weight_ih_l0.T, "recurrent_weight": rnn.weight_hh_l0.T, "bias": rnn.bias_ih_l0}
    for name, value in theirs.items():
        np.testing.assert_allclose(net.parameters[f"0.{name}"], value.detach().numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_bits_do_not_depend_on_threads(kind, dtype, rng):
    x, lengths = rng.normal(size=(150, 20, INPUTS)), rng.integers(1, 21, 150)
    t = rng.integers(OUTPUTS, size=(150, 20))
    results = []
    for n_threads in (1, 2, 3, 4):
        net = network(kind, dtype=dtype, loss="cross_entropy", truncate=6)
        history = net.fit(x, t, epochs=2, batch_size=70, n_threads=n_threads, lengths=lengths)
        results.append((net.parameters, history.validation_loss, net.predict(x, n_threads, lengths)))
    for parameters, losses, predictions in results[1:]:
        for name, view in parameters.items():
            np.testing.assert_array_equal(view, results[0][0][name], err_msg=name)
        assert losses == results[0][1]
        np.testing.assert_array_equal(predictions, results[0][2])


def test_what_lies_beyond_a_sequence_does_not_matter(sequences, rng):
    x, lengths = sequences
    t = rng.normal(size=(N, STEPS, OUTPUTS))
    beyond = np.arange(STEPS) >= lengths[:, None]
    x[beyond], results = 0, []
    for filler in (0.0, 1e3, np.nan):
        x[beyond], t[beyond] = filler, filler
        net = network("elman")
        net.normalize_inputs = True
        net.fit(x, t, epochs=2, validation=(x, t, lengths), lengths=lengths)
        results.append(
            (net.predict(x, lengths=lengths), net.history.validation_loss, net.evaluate(x, t, lengths=lengths))
        )
    for predictions, losses, loss in results[1:]:
        np.testing.assert_array_equal(predictions, results[0][0])
        assert (losses, loss) == results[0][1:]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_step_by_step_is_all_at_once(kind, dtype, sequences):
    x = sequences[0].astype(dtype)
    net = network(kind, "gelu", dtype=dtype, loss="cross_entropy")
    together = net.predict(x)
    assert net.state is None
    for t in range(STEPS):
        np.testing.assert_array_equal(net.step(x[:, t]), together[:, t])
        if t == 3:
            kept = net.state
    net.state = kept
    for t in range(4, STEPS):
        np.testing.assert_array_equal(net.step(x[:, t]), together[:, t])
    net.reset_state()
    np.testing.assert_array_equal(net.step(x[5, 0]), together[5, 0])


@pytest.mark.parametrize("kind", KINDS)
def test_saved_and_pickled(kind, sequences, tmp_path):
    x, lengths = sequences
    net = network(kind, "elu", truncate=4)
    net.save(tmp_path / "net.lamina")
    for other in (lamina.load(tmp_path / "net.lamina"), pickle.loads(pickle.dumps(net)), net.copy()):
        assert other.layers == net.layers
        np.testing.assert_array_equal(other.predict(x, lengths=lengths), net.predict(x, lengths=lengths))


def test_the_feedback_starts_orthogonal():
    u = lamina.Network([lamina.Recurrent(20)], 20, dtype="float64").parameters
    np.testing.assert_allclose(u["0.recurrent_weight"] @ u["0.recurrent_weight"].T, np.eye(20), atol=1e-12)
    assert abs(np.corrcoef(u["0.recurrent_weight"].ravel(), u["0.weight"].ravel())[0, 1]) < 0.2


def test_weights_by_sample_and_by_step(sequences, rng):
    x, _ = sequences
    t, weight = rng.normal(size=(N, STEPS, OUTPUTS)), rng.integers(0, 3, N)
    net = network()
    by_sample = net.evaluate(x, t, weight)
    assert by_sample == net.evaluate(x, t, np.repeat(weight, STEPS).reshape(N, STEPS))
    assert by_sample == pytest.approx(net.evaluate(np.repeat(x, weight, axis=0), np.repeat(t, weight, axis=0)))


@pytest.mark.parametrize("rule", [lamina.NAdam(1e-2), lamina.Rprop(), lamina.SAM(lamina.Adam(1e-2))])
def test_every_kind_of_optimizer_learns_it(rule, rng):
    x = rng.normal(size=(64, 6, 1))
    t = np.tanh(x.sum(axis=1))
    net = lamina.Network([lamina.Recurrent(8), lamina.Dense(1)], 1, dtype="float64")
    before = net.evaluate(x, t)
    net.fit(x, t, epochs=30, batch_size=64, optimizer=rule, validation=None)
    assert net.evaluate(x, t) < before / 2


def test_what_is_refused():
    net, x, t = network(each_step=False), np.zeros((4, 6, INPUTS)), np.zeros((4, OUTPUTS))
    plain = lamina.Network([lamina.Dense(2)], INPUTS)
    nan = x.copy()
    nan[2, 5, 0] = np.nan
    refused = {
        "X must have 3 axes": lambda: net.predict(x[0]),
        f"X must have {INPUTS} features": lambda: net.predict(x[:, :, :2]),
        "X must have at least one sample and one step": lambda: net.predict(x[:, :0]),
        "X must be finite; got NaN in sample 2, step 5": lambda: net.predict(nan),
        "lengths must lie in 1 .. 6, the steps of X; got 7": lambda: net.predict(x, lengths=[1, 7, 2, 3]),
        "lengths must lie in 1 .. 6, the steps of X; got 0": lambda: net.fit(x, t, lengths=[1, 2, 3, 0]),
        "lengths must have one entry for each of the 4": lambda: net.evaluate(x, t, lengths=[1, 2]),
        "lengths must hold whole numbers": lambda: net.predict(x, lengths=[1.0, 2.0, 3.0, 4.0]),
        "lengths needs a network with a Recurrent layer": lambda: plain.predict(x[:, 0], lengths=[1] * 4),
        r"y must be \(4, 6\) or": lambda: network().fit(x, t),
        "step needs a network with a Recurrent layer": lambda: plain.step(x[0, 0]),
        rf"x must be \({INPUTS},\)": lambda: net.step(x[0, 0, :2]),
        "state must hold": lambda: setattr(net, "state", [np.zeros((2, 3))]),
        r"layers\[0\] must have return_sequences=True": lambda: lamina.Network(
            [lamina.Recurrent(3), lamina.Recurrent(3)], 2
        ),
        "kind of Recurrent must be 'elman' or 'jordan'; got 'x'": lambda: lamina.Recurrent(3, kind="x"),
        "go with kind='jordan'": lambda: lamina.Recurrent(3, outputs=2),
        "truncate of Recurrent must be at least 1; got 0": lambda: lamina.Recurrent(3, truncate=0),
    }
    before = {name: view.copy() for name, view in net.parameters.items()}
    for message, call in refused.items():
        with pytest.raises((ValueError, TypeError), match=message):
            call()
    for name, view in net.parameters.items():
        np.testing.assert_array_equal(view, before[name])
    net.step(x[:2, 0])
    with pytest.raises(ValueError, match="2 sequences under way; got 3"):
        net.step(x[:3, 0])
