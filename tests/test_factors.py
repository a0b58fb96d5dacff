"""Rates and decays by parameter, layer and kind; schedules of decay and dropout; the average of the weights."""

import numpy as np
import pytest

import lamina

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 3))
Y = X @ [[1.0], [-2.0], [0.5]] + RNG.normal(size=(64, 1))
PLAIN = {"validation": None, "early_stopping": None, "shuffle": False}


def network(dtype="float64", **options):
    layers = [lamina.Dense(5, activation="prelu"), lamina.BatchNorm(), lamina.Dropout(0.3), lamina.Dense(1)]
    return lamina.Network(layers, 3, dtype=dtype, seed=3, **options)


def change(net, **options):
    before = {name: view.copy() for name, view in net.parameters.items()}
    net.fit(X, Y, **{"epochs": 1, "batch_size": 64, **PLAIN, **options})
    return {name: net.parameters[name] - before[name] for name in before}


RULES = [lamina.SGD(0.1, momentum=0.5), lamina.Adam(0.1), lamina.NAdam(0.1), lamina.RMSprop(0.1), lamina.Lion(0.1)]


@pytest.mark.parametrize("clip", [None, lamina.ClipNorm(1e9)], ids=["direct", "stored"])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_a_rate_is_multiplied(rule, clip):
    usual = change(network(), optimizer=rule, clip=clip)
    own = change(network(), optimizer=rule, clip=clip, rates={"bias": 0.1, 3: 2.0, "3.bias": 0.5, "slope": 0.0})
    factor = {"0.weight": 1, "0.bias": 0.1, "0.slope": 0, "1.scale": 1, "1.shift": 0.1, "3.weight": 2, "3.bias": 0.5}
    for name, by in factor.items():
        if name not in usual:
            continue
        np.testing.assert_allclose(own[name], by * usual[name], rtol=1e-9, atol=1e-14, err_msg=name)


@pytest.mark.parametrize("rule", [*RULES, lamina.AdamW(0.1, weight_decay=0.5)], ids=lambda rule: type(rule).__name__)
def test_what_is_frozen_keeps_its_bits(rule):
    net = network("float32")
    change(net, optimizer=rule, epochs=3)  # a momentum is under way
    moved = change(net, optimizer=rule, epochs=3, rates={0: 0.0}, resume=True)
    for name, difference in moved.items():
        if name.startswith("0."):
            np.testing.assert_array_equal(difference, 0, err_msg=name)
    assert np.abs(moved["3.weight"]).max() > 0


def test_decay_is_of_weights_unless_told():
    decay, rate = 0.5, 1e-12  # so small a rate that a step is its decay
    rule = lamina.AdamW(rate, weight_decay=decay / rate)
    net = network()
    for view in net.parameters.values():
        view[...] = 1.0
    usual = change(net, optimizer=rule)
    assert usual["0.weight"] == pytest.approx(-decay, rel=1e-6)
    assert usual["0.bias"] == pytest.approx(0, abs=1e-9)
    net = network()
    for view in net.parameters.values():
        view[...] = 1.0
    told = change(net, optimizer=rule, decays={"bias": 1.0, 0: 0.25, "3.weight": 0.0})
    assert told["0.weight"] == pytest.approx(-0.25 * decay, rel=1e-6)
    assert told["0.bias"] == pytest.approx(-0.25 * decay, rel=1e-6)
    assert told["3.bias"] == pytest.approx(-decay, rel=1e-6)
    assert told["3.weight"] == pytest.approx(0, abs=1e-9)


def test_factors_of_the_first_step_of_rprop():
    usual = change(network(), optimizer=lamina.Rprop(0.01))
    own = change(network(), optimizer=lamina.Rprop(0.01), rates={"0": 0.5})
    np.testing.assert_allclose(own["0.weight"], 0.5 * usual["0.weight"], rtol=1e-9)


def test_the_schedule_of_decay():
    rule = lamina.AdamW(1e-12, weight_decay=0.5e12)
    net = lamina.Network([lamina.Dense(1, use_bias=False)], 3, dtype="float64")
    net.parameters["0.weight"][:] = 1.0
    net.fit(
        X, Y, epochs=2, batch_size=64, optimizer=rule, decay_schedule=lambda p: 1.0 if p.epoch < 1 else 0.5, **PLAIN
    )
    np.testing.assert_allclose(net.parameters["0.weight"], 0.5 * 0.75, rtol=1e-6)


def test_the_schedule_of_dropout():
    """No dropout at all is dropout whose rate is scheduled to 0."""
    layers = [lamina.Dense(20, activation="tanh"), lamina.Dropout(0.5), lamina.Dense(1)]
    plain = [layers[0], lamina.Dropout(0.0), layers[2]]
    options = {"epochs": 4, "batch_size": 16, "optimizer": lamina.Adam(0.01), **PLAIN}
    scheduled, without = (lamina.Network(own, 3, seed=1) for own in (layers, plain))
    scheduled.fit(X, Y, dropout_schedule=lambda _: 0.0, **options)
    without.fit(X, Y, **options)
    np.testing.assert_array_equal(scheduled.parameters["0.weight"], without.parameters["0.weight"])
    half, quarter = (lamina.Network([layers[0], lamina.Dropout(p), layers[2]], 3, seed=1) for p in (0.5, 0.25))
    half.fit(X, Y, dropout_schedule=lambda _: 0.5, **options)
    quarter.fit(X, Y, **options)
    np.testing.assert_array_equal(half.parameters["0.weight"], quarter.parameters["0.weight"])


def averages(weights, share):
    average = weights[0]
    for t, w in enumerate(weights[1:], 1):
        k = min(share, (1 + t) / (10 + t))
        average = k * average + (1 - k) * w
    return average


@pytest.mark.parametrize("share", [0.5, 0.99])
def test_the_average_of_the_weights(share):
    """As the weights after each step, which nets of 1, 2, ... epochs of one batch end with, add up to it."""
    options = {"batch_size": 64, "optimizer": lamina.SGD(0.05), **PLAIN}
    weights = [network().parameters["3.weight"].copy()]
    for epochs in range(1, 9):
        net = network()
        net.fit(X, Y, epochs=epochs, **options)
        weights.append(net.parameters["3.weight"].copy())
    net = network()
    net.fit(X, Y, epochs=8, average=share, **options)
    np.testing.assert_allclose(net.parameters["3.weight"], averages(weights, share), rtol=1e-12)


def test_what_is_validated_is_the_average():
    net = network()
    held = X[:20], Y[:20]
    seen = []
    history = net.fit(
        X, Y, epochs=6, batch_size=16, average=0.9, validation=held, optimizer=lamina.SGD(0.05),
        callbacks=lambda epoch: seen.append(epoch.network.evaluate(*held)),
    )  # fmt: skip
    assert seen == history.validation_loss
    assert net.evaluate(*held) == min(seen)


def test_an_interrupted_average_leaves_the_best():
    net = network()
    held = X[:20], Y[:20]

    def stop(epoch):
        if epoch.epoch == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        net.fit(X, Y, epochs=9, batch_size=16, average=0.9, validation=held, callbacks=stop)
    assert net.evaluate(*held) == min(net.history.validation_loss)


@pytest.mark.parametrize("name", ["rates", "decays"])
def test_misuse(name):
    net = network()
    with pytest.raises(ValueError, match=rf"{name} must name .* got 'wieght', and there are .*0\.weight"):
        net.fit(X, Y, **{name: {"wieght": 0.1}})
    with pytest.raises(ValueError, match=rf"{name}\['bias'\] must be finite and at least 0; got -1"):
        net.fit(X, Y, **{name: {"bias": -1.0}})
    with pytest.raises(TypeError, match=f"{name} must be factors by"):
        net.fit(X, Y, **{name: 0.1})
    with pytest.raises(TypeError, match=name):
        net.fit(X, Y, **{name: {"bias": "slow"}})
    with pytest.raises(ValueError, match="average"):
        net.fit(X, Y, average=1.0)
    with pytest.raises(TypeError, match="decay_schedule must be a schedule"):
        net.fit(X, Y, decay_schedule=0.5)
    with pytest.raises(ValueError, match="rates must be None"):
        lamina.Network([lamina.Dense(1)], 3).fit(X, Y, optimizer=lamina.LBFGS(), rates={0: 0.5})
    assert net.history is None
