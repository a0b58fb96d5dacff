"""Dropout, batch norm, clipping and sharpness-aware steps against the reference, step for step."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.datasets import load_digits

import lamina
from reference import random
from reference.optimizers import OPTIMIZERS, Stepper
from reference.regularisation import agc, clip_norm, sam_step
from reference.twin import twin

ROWS, STEPS, SEED = 24, 12, 9
CLIPPINGS = {
    "none": (None, lambda parameters, gradients: gradients),
    "AGC": (lamina.AGC(0.02), lambda parameters, gradients: agc(parameters, gradients, 5, limit=0.02)),
    "ClipNorm": (lamina.ClipNorm(0.1), lambda parameters, gradients: clip_norm(gradients, 0.1)),
}


def problem():
    layers = [
        lamina.Dense(6, "tanh"),
        lamina.BatchNorm(),
        lamina.Dropout(0.4),
        lamina.Dense(5, "rrelu"),
        lamina.Dropout(0.2),
        lamina.Dense(2),
    ]
    rng = np.random.default_rng(8)
    net = lamina.Network(layers, n_inputs=3, loss="squared_error", dtype="float64", seed=SEED)
    return net, rng.normal(size=(ROWS, 3)), rng.normal(size=(ROWS, 2))


def draw(own, step):
    """Give the reference the masks and slopes of a step."""
    own.layers[2].mask = random.dropout_mask(SEED, 2, ROWS, 6, 0.4, step)
    own.layers[3].drawn = random.slopes(SEED, 3, ROWS, 5, step=step)
    own.layers[4].mask = random.dropout_mask(SEED, 4, ROWS, 5, 0.2, step)


def train(net, x, t, steps, **options):
    settings = {"batch_size": ROWS, "shuffle": False, "validation": None, "early_stopping": None}
    return net.fit(x, t, epochs=steps, **settings, **options)


def reference_after(net, x, t, optimizer, clip, rho=None, redraw=False):
    """Train a twin for STEPS steps; with `redraw` the second pass of SAM has masks of its own."""
    own, stepper = twin(net, "squared_error", rows=ROWS), Stepper(OPTIMIZERS[optimizer](lr=0.05))
    norm, seen = own.layers[1], []

    class Clipped:
        @staticmethod
        def step(parameters, gradients):
            stepper.step(parameters, clip(parameters, gradients))

    def gradient():
        kept = norm.running_mean, norm.running_variance
        if redraw and seen:
            draw(own, 1000)
        gradients = own.loss_and_gradients(x, t, l2=0.01)[1]
        if seen:  # the second pass leaves the running values alone
            norm.running_mean, norm.running_variance = kept
        seen.append(gradients)
        return gradients

    for step in range(STEPS):
        draw(own, step)
        seen.clear()
        if rho is None:
            Clipped.step(own.parameters(), gradient())
        else:
            sam_step(own.parameters(), gradient, Clipped, rho)
    return own


def differences(net, own):
    running = {"1.running_mean": own.layers[1].running_mean, "1.running_variance": own.layers[1].running_variance}
    wanted = {**own.parameters(), **running}
    assert set(wanted) == set(net.parameters)
    return {name: np.abs(net.parameters[name] - want).max() for name, want in wanted.items()}


@pytest.mark.parametrize("name", ["SGD", "Adam"])
@pytest.mark.parametrize("clip", CLIPPINGS)
@pytest.mark.parametrize("rho", [None, 0.1])
def test_step_for_step(name, clip, rho):
    """Batch norm's running values too: they move once a step, SAM or not."""
    net, x, t = problem()
    rule, own_rule = CLIPPINGS[clip]
    own = reference_after(net, x, t, name, own_rule, rho)
    base = getattr(lamina, name)(0.05)
    train(net, x, t, STEPS, optimizer=base if rho is None else lamina.SAM(base, rho), clip=rule, l2=0.01)
    assert max(differences(net, own).values()) < 1e-10


def test_both_passes_of_sam_share_the_mask():
    """The proof that the test above would see it: a reference with a second draw ends elsewhere."""
    net, x, t = problem()
    other = reference_after(net, x, t, "SGD", CLIPPINGS["none"][1], rho=0.1, redraw=True)
    train(net, x, t, STEPS, optimizer=lamina.SAM(lamina.SGD(0.05), 0.1), l2=0.01)
    assert max(differences(net, other).values()) > 1e-4


def test_prediction_uses_the_running_values():
    net, x, t = problem()
    own = reference_after(net, x, t, "SGD", CLIPPINGS["none"][1])
    train(net, x, t, STEPS, optimizer=lamina.SGD(0.05), l2=0.01)
    np.testing.assert_allclose(net.predict(x), own.predict(x), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_adaptive_clipping_trains_where_plain_descent_diverges(seed):
    X, y = load_digits(return_X_y=True)
    layers = [*(lamina.Dense(48, "relu") for _ in range(6)), lamina.Dense(10)]
    options = {"epochs": 20, "optimizer": lamina.SGD(1.0), "validation": None, "early_stopping": None}
    made = {"n_inputs": 64, "loss": "cross_entropy", "normalize_inputs": True, "seed": seed}
    with pytest.warns(lamina.DivergenceWarning):
        assert lamina.Network(layers, **made).fit(X, y, **options).diverged
    net = lamina.Network(layers, **made)
    assert not net.fit(X, y, clip=lamina.AGC(0.01), **options).diverged
    assert net.evaluate(X, y) < 0.05


@pytest.mark.parametrize("rate", [1.0, 1.5, -0.1])
def test_dropout_of_everything_is_refused(rate):
    with pytest.raises(ValueError, match=rf"rate.*{rate:g}|{rate:g}.*rate"):
        lamina.Dropout(rate)


def test_noise_is_added_in_training_alone():
    rng = np.random.default_rng(3)
    x, t = rng.normal(size=(400, 5)), rng.normal(size=(400, 50))
    net = lamina.Network([lamina.Dense(50), lamina.GaussianNoise(0.3)], n_inputs=5, dtype="float64")
    np.testing.assert_array_equal(net.forward(x), lamina.Network([lamina.Dense(50)], 5, dtype="float64").forward(x))
    own = twin(net, "squared_error", rows=400)
    noise = own.forward(x, training=True) - net.forward(x)
    assert noise.mean() == pytest.approx(0, abs=0.01)
    assert noise.std() == pytest.approx(0.3, rel=0.02)
    loss = np.mean(0.5 * np.sum((net.forward(x) + noise - t) ** 2, axis=1))
    assert net.loss_and_gradients(x, t)[0] == pytest.approx(loss, rel=1e-12)


@pytest.mark.parametrize(("rows", "batch_size"), [(1, 8), (8, 1)])
def test_one_row_a_batch_in_batch_norm_is_named(rows, batch_size):
    net, x, t = problem()
    before = net.parameters["0.weight"].copy()
    with pytest.raises(ValueError, match="at least 2 rows in every training batch"):
        net.fit(x[:rows], t[:rows], batch_size=batch_size, validation=None, early_stopping=None, epochs=1)
    np.testing.assert_array_equal(net.parameters["0.weight"], before)


@pytest.mark.parametrize(("clip", "batches"), [(None, 2), (lamina.ClipNorm(0.5), 3)])
def test_one_row_left_over_in_batch_norm_goes_with_the_last_batch(clip, batches):
    """Cut as 4, 4, ... and 5 rows: the losses are those of the batches as they were seen."""
    _, x, t = problem()
    rows = 4 * batches + 1
    layers = [lamina.Dense(6, "tanh"), lamina.BatchNorm(), lamina.Dense(2)]
    net = lamina.Network(layers, n_inputs=3, dtype="float64")
    want = net.copy()
    options = {"validation": None, "early_stopping": None, "shuffle": False, "optimizer": lamina.SGD(0.1), "clip": clip}
    history = net.fit(x[:rows], t[:rows], batch_size=4, epochs=1, **options)
    cuts = [*range(0, rows - 1, 4), rows]
    losses = []
    for begin, end in pairwise(cuts):
        losses.append((end - begin) * want.loss_and_gradients(x[begin:end], t[begin:end])[0])
        want.fit(x[begin:end], t[begin:end], batch_size=end - begin, epochs=1, **options)
    assert history.loss[0] == pytest.approx(sum(losses) / rows, rel=1e-6)
    for name, got in net.parameters.items():
        np.testing.assert_allclose(got, want.parameters[name], rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("value", [-0.5, float("nan"), float("inf")])
def test_a_schedule_that_returns_no_rate_is_named(value):
    net, x, t = problem()
    with pytest.raises(ValueError, match=f"schedule must give a finite factor of at least 0; got {value} at epoch"):
        net.fit(x, t, schedule=lambda progress: 1.0 if progress.epoch < 1 else value, epochs=3, validation=None)
