"""Activations and losses written as two Python functions: equal to the built-in ones, and safe when they fail."""

import copy
import pickle
import threading

import numpy as np
import pytest

import lamina


def tanh_derivative(x):
    return 1 - np.tanh(x) ** 2


def half_square(y, t):
    return 0.5 * ((y - t) ** 2).sum(axis=1)


def difference(y, t):
    return y - t


def softmax(y):
    e = np.exp(y - y.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def cross_entropy(y, t):
    return -(t * np.log(softmax(y))).sum(axis=1)


def cross_entropy_derivative(y, t):
    return softmax(y) - t


TANH = lamina.activations.custom(np.tanh, tanh_derivative, name="my_tanh")
SQUARE = lamina.losses.custom(half_square, difference, name="my_square")
ENTROPY = lamina.losses.custom(
    cross_entropy, cross_entropy_derivative, name="my_entropy", link="softmax", targets="classes"
)


def network(activation=TANH, loss=SQUARE, dtype="float64", outputs=3, extra=()):
    layers = [lamina.Dense(40, activation=activation), *extra, lamina.Dense(7, activation=activation)]
    return lamina.Network([*layers, lamina.Dense(outputs)], n_inputs=6, loss=loss, dtype=dtype, seed=3)


def samples(rows=210, outputs=3, dtype="float64"):
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 6)).astype(dtype)
    return x, np.sin(x[:, :outputs]).astype(dtype)


def weights_of(net):
    return {name: view.copy() for name, view in net.parameters.items()}


def assert_same_weights(net, kept):
    for name, view in net.parameters.items():
        np.testing.assert_array_equal(view, kept[name], err_msg=name)


class FailsAfter:
    """Works for some calls, then does something else."""

    def __init__(self, calls, f, then):
        self.calls, self.f, self.then, self.lock = calls, f, then, threading.Lock()

    def __call__(self, *arrays):
        with self.lock:
            self.calls -= 1
            left = self.calls
        return self.f(*arrays) if left >= 0 else self.then(*arrays)


def refuse(*arrays):
    raise LookupError("no more")


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-4), ("float64", 1e-11)])
def test_equals_the_built_in_parts(dtype, tolerance):
    x, y = samples(dtype=dtype)
    weights = np.random.default_rng(1).uniform(0.5, 2, len(x))
    mine, built_in = network(dtype=dtype), network("tanh", "squared_error", dtype=dtype)
    histories = [
        net.fit(x, y, epochs=5, sample_weight=weights, validation=0.2, optimizer=lamina.Adam(0.01))
        for net in (mine, built_in)
    ]
    np.testing.assert_allclose(histories[0].loss, histories[1].loss, rtol=tolerance)
    np.testing.assert_allclose(histories[0].validation_loss, histories[1].validation_loss, rtol=tolerance)
    np.testing.assert_allclose(mine.predict(x), built_in.predict(x), atol=tolerance)
    np.testing.assert_allclose(mine.evaluate(x, y), built_in.evaluate(x, y), rtol=tolerance)
    loss, gradients = mine.loss_and_gradients(x, y, weights)
    expected, reference = built_in.loss_and_gradients(x, y, weights)
    assert loss == pytest.approx(expected, rel=tolerance)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, reference[name], atol=tolerance)


def test_functions_by_themselves():
    x = np.linspace(-2, 2, 24).reshape(2, 3, 4)
    np.testing.assert_array_equal(TANH(x), np.tanh(x))
    np.testing.assert_array_equal(TANH.derivative(x), tanh_derivative(x))
    assert TANH(x.astype(np.float32)).dtype == np.float32
    assert TANH(0.5) == np.tanh(0.5)
    y, t = np.arange(6.0).reshape(3, 2), np.ones((3, 2))
    assert SQUARE.value(y, t) == pytest.approx(lamina.losses.get("squared_error").value(y, t))
    np.testing.assert_allclose(SQUARE.gradient(y, t), (y - t) / 3)


def test_labels_come_as_rows_and_the_link_makes_probabilities():
    x, _ = samples()
    labels = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)
    mine, built_in = network(loss=ENTROPY), network("tanh", "cross_entropy")
    for net in (mine, built_in):
        net.fit(x, labels, epochs=3)
    np.testing.assert_allclose(mine.predict(x), built_in.predict(x), atol=1e-11)
    np.testing.assert_allclose(mine.predict(x).sum(axis=1), 1)
    assert (ENTROPY.link, ENTROPY.targets) == ("softmax", "classes")


@pytest.mark.parametrize("extra", [(), (lamina.BatchNorm(), lamina.Dropout(0.2)), (lamina.Activation(TANH),)])
def test_gradient_check(extra):
    x, y = samples(12)
    assert lamina.check_gradients(network(extra=extra), x, y) <= 1e-6


def test_gradient_check_finds_a_wrong_derivative():
    x, y = samples(12)
    wrong = lamina.activations.custom(np.tanh, lambda x: 1 - np.tanh(x))
    assert lamina.check_gradients(network(wrong), x, y) > 1e-2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_do_not_change_bits(dtype):
    x, y = samples(600, dtype=dtype)
    nets = [network(dtype=dtype) for _ in range(2)]
    for threads, net in enumerate(nets, 1):
        net.fit(x, y, epochs=3, batch_size=128, n_threads=threads)
    assert_same_weights(nets[0], weights_of(nets[1]))
    np.testing.assert_array_equal(nets[0].predict(x, n_threads=1), nets[0].predict(x, n_threads=2))
    assert nets[0].evaluate(x, y, n_threads=1) == nets[0].evaluate(x, y, n_threads=2)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("which", ["activation", "activation derivative", "loss", "loss derivative"])
@pytest.mark.parametrize("clip", [None, lamina.ClipNorm(1.0)], ids=["in pieces", "as a whole"])
def test_an_error_in_training_comes_out_and_leaves_the_first_weights(threads, which, clip):
    x, y = samples(256)
    parts = {"activation": np.tanh, "activation derivative": tanh_derivative}
    parts |= {"loss": half_square, "loss derivative": difference}
    parts[which] = FailsAfter(3, parts[which], refuse)
    activation = lamina.activations.custom(parts["activation"], parts["activation derivative"])
    loss = lamina.losses.custom(parts["loss"], parts["loss derivative"])
    net = network(activation, loss, extra=(lamina.BatchNorm(),))
    kept = weights_of(net)
    with pytest.raises(LookupError, match="no more"):
        net.fit(x, y, epochs=3, batch_size=64, n_threads=threads, validation=None, clip=clip)
    assert_same_weights(net, kept)
    assert net.history.stop_reason == "interrupted"


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_in_training_puts_the_best_weights_back(threads):
    x, y = samples(128)
    best = {}
    fails = FailsAfter(10**9, difference, refuse)
    net = network(loss=lamina.losses.custom(half_square, fails))

    def after(epoch):
        best.update(weights_of(net))
        fails.calls = 1 if epoch.epoch == 2 else fails.calls

    with pytest.raises(LookupError):
        net.fit(x, y, epochs=9, batch_size=32, validation=None, n_threads=threads, callbacks=[after])
    assert len(net.history.loss) == 2
    assert_same_weights(net, best)


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_elsewhere_changes_nothing(threads):
    x, y = samples(64)
    net = network(lamina.activations.custom(refuse, refuse))
    kept = weights_of(net)
    for call in (
        lambda: net.predict(x, n_threads=threads),
        lambda: net.predict(x[:1]),
        lambda: net.evaluate(x, y, n_threads=threads),
        lambda: net.loss_and_gradients(x, y, n_threads=threads),
        lambda: lamina.check_gradients(net, x, y),
    ):
        with pytest.raises(LookupError, match="no more"):
            call()
    assert_same_weights(net, kept)
    net = network(loss=lamina.losses.custom(refuse, refuse))
    with pytest.raises(LookupError, match="no more"):
        net.evaluate(x, y, n_threads=threads)
    assert net.predict(x).shape == (64, 3)


@pytest.mark.parametrize("threads", [1, 2])
def test_results_of_another_shape_or_kind_are_refused(threads):
    x, y = samples(64)
    short = lamina.activations.custom(lambda x: x[:, :-1], np.ones_like, name="short")
    with pytest.raises(ValueError, match=r"value of the activation 'short' must return an array of shape .*; got \("):
        network(short).fit(x, y, epochs=1, n_threads=threads)
    words = lamina.activations.custom(lambda x: "a word", np.ones_like, name="words")
    with pytest.raises(TypeError, match="value of the activation 'words' must return an array of numbers; got str"):
        network(words).predict(x, n_threads=threads)
    total = lamina.losses.custom(lambda y, t: half_square(y, t).sum(), difference, name="total")
    with pytest.raises(ValueError, match=r"value of the loss 'total' must return an array of shape \(\d+,\); got \(\)"):
        network(loss=total).fit(x, y, epochs=1, n_threads=threads)
    flat = lamina.losses.custom(half_square, half_square, name="flat")
    with pytest.raises(ValueError, match=r"derivative of the loss 'flat' must return an array of shape \(\d+, 3\)"):
        network(loss=flat).fit(x, y, epochs=1, n_threads=threads)


def test_nan_is_divergence_not_an_error():
    x, y = samples(64)
    net = network(lamina.activations.custom(lambda x: x * np.nan, np.ones_like))
    with pytest.warns(lamina.DivergenceWarning):
        net.fit(x, y, epochs=2)


def test_misuse_is_named():
    with pytest.raises(TypeError, match="value of the activation 'custom' must be a function; got 3"):
        lamina.activations.custom(3, np.cos)
    with pytest.raises(TypeError, match="derivative of the loss 'custom' must be a function; got None"):
        lamina.losses.custom(half_square, None)
    with pytest.raises(ValueError, match=r"name must be one that is not in names\(\)"):
        lamina.activations.custom(np.tanh, np.cos, name="tanh")
    with pytest.raises(TypeError, match="name must be a str; got int"):
        lamina.losses.custom(half_square, difference, name=3)
    with pytest.raises(ValueError, match=r"link must be one of 'identity', .*; got 'probit'"):
        lamina.losses.custom(half_square, difference, link="probit")
    with pytest.raises(ValueError, match=r"targets must be one of 'real', .*; got 3"):
        lamina.losses.custom(half_square, difference, targets=3)


def test_the_registry_does_not_list_it():
    for module in (lamina.activations, lamina.losses):
        assert "custom" not in module.names()
        assert "custom" not in {entry["name"] for entry in module.describe()}
        with pytest.raises(ValueError, match="unknown"):
            module.get("custom")
    assert lamina.activations.get(TANH) is TANH
    assert (TANH.name, TANH.is_custom, lamina.activations.get("tanh").is_custom) == ("my_tanh", True, False)
    assert "my_tanh" in repr(network())
    assert "my_tanh" in network().summary()


def test_equal_when_the_functions_are():
    assert lamina.activations.custom(np.tanh, tanh_derivative, name="my_tanh") == TANH
    assert lamina.activations.custom(np.sin, tanh_derivative, name="my_tanh") != TANH


@pytest.mark.parametrize("kept", [lambda o: pickle.loads(pickle.dumps(o)), copy.deepcopy], ids=["pickle", "deepcopy"])
def test_pickle_and_copy(kept):
    x, y = samples()
    assert kept(TANH) == TANH
    assert kept(ENTROPY).params == ENTROPY.params
    net = network()
    net.fit(x, y, epochs=2)
    other = kept(net)
    np.testing.assert_array_equal(other.predict(x), net.predict(x))
    assert other.loss == SQUARE
    other.fit(x, y, epochs=1)


@pytest.mark.parametrize("parts", [{"activation": "tanh"}, {"loss": "squared_error"}])
def test_saving_says_to_pickle(parts, tmp_path):
    with pytest.raises(TypeError, match=r"the custom (loss 'my_square'|activation 'my_tanh') cannot be saved.*pickle"):
        network(**parts).save(tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())


def test_functions_may_keep_and_change_their_arrays():
    x, y = samples(64)
    seen = []

    def value(x):
        seen.append(x)
        return np.tanh(x, out=x)

    mine, built_in = network(lamina.activations.custom(value, tanh_derivative)), network("tanh")
    for net in (mine, built_in):
        net.fit(x, y, epochs=2)
    np.testing.assert_allclose(mine.predict(x), built_in.predict(x), atol=1e-11)
    assert all(array.ndim == 2 for array in seen)


@pytest.mark.parametrize("threads", [1, 2])
def test_in_recurrent_layers(threads):
    x = np.random.default_rng(0).normal(size=(40, 5, 6))
    y = np.sin(x[:, -1, :3])
    nets = [
        lamina.Network([lamina.Recurrent(8, activation=f), lamina.Dense(3)], n_inputs=6, dtype="float64")
        for f in (TANH, "tanh")
    ]
    for net in nets:
        net.fit(x, y, epochs=2, n_threads=threads)
    np.testing.assert_allclose(nets[0].predict(x), nets[1].predict(x), atol=1e-11)
    failing = lamina.activations.custom(FailsAfter(9, np.tanh, refuse), tanh_derivative)
    net = lamina.Network([lamina.Recurrent(8, activation=failing), lamina.Dense(3)], n_inputs=6)
    with pytest.raises(LookupError, match="no more"):
        net.fit(x, y, epochs=2, n_threads=threads)


@pytest.mark.parametrize("threads", [1, 2])
def test_in_cascade_networks(threads, tmp_path):
    x, y = samples(120, 1)
    nets = [
        lamina.CascadeNetwork(6, 1, activation=f, max_units=2, candidates=4, dtype="float64") for f in (TANH, "tanh")
    ]
    for net in nets:
        net.fit(x, y, validation=None, n_threads=threads)
    np.testing.assert_allclose(nets[0].predict(x), nets[1].predict(x), atol=1e-6)
    with pytest.raises(TypeError, match="the custom activation 'my_tanh' cannot be saved"):
        nets[0].save(tmp_path / "net.safetensors")
    failing = lamina.activations.custom(FailsAfter(9, np.tanh, refuse), tanh_derivative)
    with pytest.raises(LookupError, match="no more"):
        lamina.CascadeNetwork(6, 1, activation=failing, max_units=2).fit(x, y, validation=None, n_threads=threads)


def test_an_activation_that_predicts_with_a_wider_network():
    wide = lamina.Network([lamina.Dense(300, "relu"), lamina.Dense(3)], n_inputs=900)

    def nested(x):
        wide.predict(np.ones((40, 900), dtype="float32"))
        return np.tanh(x)

    layers = [lamina.Dense(50, activation=TANH), lamina.Dense(3)]
    expected = lamina.Network(layers, n_inputs=6, seed=1)
    layers[0] = lamina.Dense(50, activation=lamina.activations.custom(nested, tanh_derivative))
    net = lamina.Network(layers, n_inputs=6, seed=1)
    for name, array in net.parameters.items():
        array[...] = expected.parameters[name]
    x = samples(300, 3)[0]
    np.testing.assert_array_equal(net.predict(x), expected.predict(x))
