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


@pytest.mark.parametrize("rule", [lamina.Rprop(0.01), lamina.Quickprop(0.01)], ids=lambda rule: type(rule).__name__)
def test_rules_whose_steps_follow_no_rate(rule):
    """They can be told to leave parameters alone, and no more."""
    name = type(rule).__name__
    net = network()
    with pytest.raises(ValueError, match=rf"rates must be 0 \(frozen\) or 1 for {name}, .*; got 0.5 for 'bias'"):
        net.fit(X, Y, optimizer=rule, rates={"bias": 0.5}, **PLAIN)
    assert net.history is None
    usual, own = change(network(), optimizer=rule), change(network(), optimizer=rule, rates={0: 0.0, "3": 1.0})
    np.testing.assert_array_equal(own["0.weight"], 0)
    np.testing.assert_array_equal(own["3.weight"], usual["3.weight"])


def test_what_was_frozen_moves_when_it_thaws():
    """Rprop's first step is there for it, too."""
    net = network()
    change(net, optimizer=lamina.Rprop(0.01), rates={0: 0.0})
    moved = change(net, optimizer=lamina.Rprop(0.01), resume=True)
    np.testing.assert_allclose(np.abs(moved["0.weight"]), 0.01, rtol=1e-9)


@pytest.mark.parametrize("how", ["clip", "sam"])
def test_what_is_frozen_is_no_part_of_a_norm(how):
    """As the layers behind it alone: what is frozen has a gradient, and a penalty, of 0."""
    first, last = lamina.Dense(5, activation="tanh"), lamina.Dense(1)
    whole, alone = lamina.Network([first, last], 3, dtype="float64", seed=3), lamina.Network([last], 5, dtype="float64")
    hidden = np.tanh(X @ whole.parameters["0.weight"] + whole.parameters["0.bias"])
    for name in ("weight", "bias"):
        alone.parameters[f"0.{name}"][...] = whole.parameters[f"1.{name}"]
    sam = how == "sam"
    rule = lamina.SAM(lamina.SGD(0.1), rho=0.5) if sam else lamina.SGD(0.1)
    options = {
        "optimizer": rule,
        "clip": None if sam else lamina.ClipNorm(0.01),
        "epochs": 3,
        "batch_size": 16,
        **PLAIN,
    }
    before = whole.parameters["0.weight"].copy()
    whole.fit(X, Y, rates={0: 0.0}, **options)
    alone.fit(hidden, Y, **options)
    np.testing.assert_allclose(whole.parameters["1.weight"], alone.parameters["0.weight"], rtol=1e-9)
    np.testing.assert_array_equal(whole.parameters["0.weight"], before)


def test_a_penalty_of_what_is_frozen_is_no_part_of_a_norm():
    moved = []
    for l2 in (0.0, 10.0):
        net = lamina.Network([lamina.Dense(5, activation="tanh"), lamina.Dense(1)], 3, dtype="float64", seed=3)
        net.parameters["1.weight"][...] = 0  # which the penalty leaves alone
        options = {"clip": lamina.ClipNorm(0.01), "optimizer": lamina.SGD(0.1), "batch_size": 64}
        net.fit(X, Y, epochs=1, l2=l2, rates={0: 0.0}, **options, **PLAIN)
        moved.append(net.parameters["1.weight"].copy())
    np.testing.assert_array_equal(*moved)


def test_frozen_batch_norm_keeps_its_running_values():
    net = network()
    before = {name: view.copy() for name, view in net.parameters.items() if name.startswith("1.")}
    assert {"1.running_mean", "1.running_variance"} <= set(before)
    change(net, rates={1: 0.0}, optimizer=lamina.SGD(0.1))
    for name, value in before.items():
        np.testing.assert_array_equal(net.parameters[name], value, err_msg=name)
    change(net, rates={"1.gamma": 0.0}, optimizer=lamina.SGD(0.1))
    assert np.abs(net.parameters["1.running_mean"] - before["1.running_mean"]).max() > 0


@pytest.mark.parametrize("rule", [lamina.SGD(0.1), lamina.Adam(), lamina.Rprop()], ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize("option", [{"decays": {"bias": 1.0}}, {"decay_schedule": lamina.schedules.Cosine()}], ids=str)
def test_decay_wants_an_optimizer_that_has_it(rule, option):
    net = network()
    with pytest.raises(ValueError, match="decays and decay_schedule need an optimizer with decoupled decay"):
        net.fit(X, Y, optimizer=rule, **option, **PLAIN)
    assert net.history is None
    net.fit(X, Y, epochs=1, optimizer=lamina.Lion(), **option, **PLAIN)


def test_an_average_is_not_resumed():
    net = network()
    net.fit(X, Y, epochs=2, average=0.9, **PLAIN)
    before = net.parameters["0.weight"].copy()
    with pytest.raises(ValueError, match="resume must be False where average is above 0"):
        net.fit(X, Y, epochs=2, average=0.9, resume=True, **PLAIN)
    np.testing.assert_array_equal(net.parameters["0.weight"], before)


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
