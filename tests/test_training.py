"""The course of training: validation, early stopping, history, callbacks, divergence, normalisation."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

import lamina
from reference.network import Normalizer
from reference.twin import twin


def regression(rows=120, noise=0.3, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 3))
    return x, np.sin(2 * x[:, 0]) + x[:, 1] + noise * rng.normal(size=rows)


def network(seed=0, units=16, **options):
    layers = [lamina.Dense(units, "tanh"), lamina.Dense(1)]
    return lamina.Network(layers, n_inputs=3, loss="squared_error", dtype="float64", seed=seed, **options)


def copied(net):
    return {name: w.copy() for name, w in net.parameters.items()}


def assert_parameters(net, want):
    for name, w in net.parameters.items():
        np.testing.assert_array_equal(w, want[name], err_msg=name)


def test_training_lowers_the_loss():
    x, t = regression(noise=0.0)
    net = network()
    history = net.fit(x, t, epochs=400, optimizer=lamina.Adam(1e-2), validation=None, early_stopping=None)
    assert len(history.loss) == 400
    assert history.loss[-1] < 0.02 * history.loss[0]
    assert net.evaluate(x, t) < 0.02


def test_history_without_validation():
    x, t = regression()
    history = network().fit(x, t, epochs=4, validation=None, early_stopping=None)
    assert len(history.loss) == 4
    assert all(isinstance(value, float) for value in history.loss)
    assert not history.validation_loss
    assert isinstance(history.stop_reason, str)
    assert history.stop_reason


def test_what_a_notebook_shows_of_a_fit_is_short():
    x, t = regression()
    shown = []
    net = network()
    history = net.fit(x, t, epochs=150, early_stopping=None, callbacks=[lambda epoch: shown.append(repr(epoch))])
    text = repr(history)
    assert len(text) < 250
    assert len(text.splitlines()) == 2
    best = history.best_epoch
    assert (
        f"History of 150 epochs; last: loss {history.loss[-1]:.4g}, validation {history.validation_loss[-1]:.4g}"
        in text
    )
    assert (
        f"best_epoch {best}: loss {history.loss[best - 1]:.4g}, validation {min(history.validation_loss):.4g}" in text
    )
    assert text.endswith(f"; stop_reason {history.stop_reason!r}>")
    assert shown[-1].startswith(f"<lamina.callbacks.Epoch 150: loss {history.loss[-1]:.4g}, validation ")
    again = pickle.loads(pickle.dumps(history))
    assert again == history
    assert repr(again) == text
    alone = network().fit(x, t, epochs=1, validation=None, callbacks=[lambda epoch: shown.append(repr(epoch))])
    assert "History of 1 epoch; last: loss " in repr(alone)
    assert "validation" not in repr(alone) + shown[-1]
    assert repr(lamina.callbacks.History()) == "<lamina.callbacks.History of no epoch>"


def test_loss_of_the_history_is_the_loss_before_each_step_with_its_penalty():
    x, t = regression(rows=20)
    net = network()
    own = twin(net, "squared_error")
    error, gradients, _ = own.loss_and_gradients(x, t, l1=0.01, l2=0.02)
    history = net.fit(
        x, t, epochs=2, batch_size=20, optimizer=lamina.SGD(0.1), l1=0.01, l2=0.02,
        shuffle=False, validation=None, early_stopping=None,
    )  # fmt: skip
    np.testing.assert_allclose(history.loss[0], error, rtol=1e-12)
    for name, w in own.parameters().items():
        w -= 0.1 * gradients[name]
    np.testing.assert_allclose(history.loss[1], own.loss_and_gradients(x, t, l1=0.01, l2=0.02)[0], rtol=1e-12)


def test_users_own_validation_set():
    x, t = regression()
    net = network()
    history = net.fit(x[:80], t[:80], epochs=5, validation=(x[80:], t[80:]), early_stopping=None)
    assert len(history.validation_loss) == 5
    np.testing.assert_allclose(history.validation_loss[-1], net.evaluate(x[80:], t[80:]), rtol=1e-12)


def test_early_stopping_restores_the_best():
    x, t = regression(rows=30, noise=1.0)
    x_val, t_val = regression(rows=200, noise=1.0, seed=1)
    net = network(units=64)
    patience = 7
    history = net.fit(
        x, t, epochs=2000, optimizer=lamina.Adam(1e-2), validation=(x_val, t_val),
        early_stopping=lamina.EarlyStopping(patience=patience),
    )  # fmt: skip
    best = int(np.argmin(history.validation_loss))
    assert history.best_epoch == best + 1
    assert len(history.loss) == best + 1 + patience
    np.testing.assert_allclose(net.evaluate(x_val, t_val), history.validation_loss[best], rtol=1e-12)


def test_without_restore_the_last_weights_stay():
    x, t = regression(rows=30, noise=1.0)
    x_val, t_val = regression(rows=200, noise=1.0, seed=1)
    net = network(units=64)
    stopping = lamina.EarlyStopping(patience=7, restore_best=False)
    history = net.fit(
        x, t, epochs=2000, optimizer=lamina.Adam(1e-2), validation=(x_val, t_val), early_stopping=stopping
    )
    np.testing.assert_allclose(net.evaluate(x_val, t_val), history.validation_loss[-1], rtol=1e-12)


def test_min_delta_counts_small_gains_as_none():
    x, t = regression()
    options = {"epochs": 300, "optimizer": lamina.SGD(1e-6), "validation": 0.2}
    history = network().fit(x, t, early_stopping=lamina.EarlyStopping(patience=3, min_delta=0.5), **options)
    assert len(history.loss) == 4


@pytest.mark.parametrize("monitor", ["validation_loss", lambda epoch: epoch.validation_loss])
def test_min_delta_does_not_choose_what_is_put_back(monitor):
    """Patience ends by it; the best weights are those of the lowest value that was watched."""
    x, t = regression()
    stopping = lamina.EarlyStopping(patience=8, min_delta=0.02, monitor=monitor)
    net = network(units=16)
    history = net.fit(x, t, epochs=60, optimizer=lamina.SGD(0.01), validation=(x, t), early_stopping=stopping)
    best = int(np.argmin(history.validation_loss))
    assert history.stop_reason.startswith("early stopping")
    assert len(history.loss) < 60
    assert history.best_epoch == best + 1
    np.testing.assert_allclose(net.evaluate(x, t), history.validation_loss[best], rtol=1e-12)
    falls = [v for i, v in enumerate(history.validation_loss) if v == min(history.validation_loss[: i + 1])]
    assert 0 < falls[-2] - falls[-1] < 0.02


def test_early_stopping_on_the_training_loss():
    x, t = regression()
    stopping = lamina.EarlyStopping(patience=3, min_delta=10.0, monitor="loss")
    history = network().fit(x, t, epochs=50, validation=None, early_stopping=stopping)
    assert len(history.loss) == 4


@pytest.mark.parametrize("fraction", [0.1, 0.25])
def test_fraction_holds_rows_out_of_training(fraction):
    """Rows of validation do not move the weights: a column that is 0 in the training rows keeps its weights."""
    rows = 40
    seen = []
    for row in range(rows):
        x, t = np.zeros((rows, 3)), np.ones(rows)
        x[row] = 1
        net = network(seed=3)
        before = net.parameters["0.weight"].copy()
        net.fit(x, t, epochs=1, optimizer=lamina.SGD(0.1), validation=fraction, early_stopping=None)
        seen.append(not np.array_equal(net.parameters["0.weight"], before))
    assert rows - sum(seen) == round(rows * fraction)


def test_split_in_order_stratified_and_random():
    t = np.repeat([0, 1, 2], [60, 30, 10])
    x = np.arange(100.0)[:, None]
    shares = (0.7, 0.2, 0.1)
    for options in ({"seed": 1}, {"stratify": False, "seed": 2}, {"shuffle": False}):
        parts = lamina.split(x, t, fractions=shares, **options)
        np.testing.assert_array_equal(np.sort(np.concatenate([rows[:, 0] for rows, _ in parts])), x[:, 0])
        for (rows, labels), share in zip(parts, shares, strict=True):
            assert len(rows) == round(100 * share)
            np.testing.assert_array_equal(labels, t[rows[:, 0].astype(int)])
            if options == {"seed": 1}:
                np.testing.assert_array_equal(np.bincount(labels, minlength=3), np.array([60, 30, 10]) * share)
    np.testing.assert_array_equal(np.concatenate([rows for rows, _ in parts]), x)


def test_same_seed_same_shuffle():
    x, t = regression()
    one, same = network(), network()
    options = {"epochs": 3, "validation": 0.2, "early_stopping": None}
    first, second = one.fit(x, t, **options), same.fit(x, t, **options)
    assert first.loss == second.loss
    assert_parameters(one, copied(same))


def test_shuffle_changes_the_order():
    x, t = regression()
    options = {"epochs": 1, "validation": None, "early_stopping": None, "optimizer": lamina.SGD(0.1)}
    shuffled, in_order = network(), network()
    shuffled.fit(x, t, **options)
    in_order.fit(x, t, shuffle=False, **options)
    assert not np.array_equal(shuffled.parameters["0.weight"], in_order.parameters["0.weight"])


def test_row_of_weight_two_trains_as_the_row_given_twice():
    x, t = regression(rows=20)
    weight = np.array([1, 2] * 10)
    repeated = np.repeat(np.arange(20), weight)
    options = {"epochs": 20, "shuffle": False, "validation": None, "early_stopping": None, "optimizer": lamina.SGD(0.1)}
    weighted, twice = network(), network()
    weighted.fit(x, t, sample_weight=weight, batch_size=20, **options)
    twice.fit(x[repeated], t[repeated], batch_size=30, **options)
    for name, w in weighted.parameters.items():
        np.testing.assert_allclose(w, twice.parameters[name], rtol=1e-12, atol=1e-14, err_msg=name)


def test_callbacks_see_the_epoch_and_can_stop():
    x, t = regression()
    net, epochs = network(), []

    def callback(epoch):
        epochs.append((epoch.epoch, epoch.loss, epoch.validation_loss, epoch.learning_rate))
        assert epoch.seconds >= 0
        assert epoch.network is net
        if epoch.epoch == 3:
            epoch.stop("seen enough")

    history = net.fit(x, t, epochs=50, optimizer=lamina.Adam(2e-3), validation=0.2, callbacks=[callback])
    assert [e[0] for e in epochs] == [1, 2, 3]
    assert [e[1] for e in epochs] == history.loss
    assert [e[2] for e in epochs] == history.validation_loss
    assert {e[3] for e in epochs} == {2e-3}
    assert "seen enough" in history.stop_reason


def test_callback_without_validation_gets_none():
    x, t = regression()
    seen = []
    network().fit(
        x, t, epochs=1, validation=None, early_stopping=None, callbacks=[lambda e: seen.append(e.validation_loss)]
    )
    assert seen == [None]


def test_error_of_a_callback_comes_out_and_the_network_stays_usable():
    x, t = regression()
    net = network()

    def fail(epoch):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        net.fit(x, t, epochs=5, callbacks=[fail])
    assert np.isfinite(net.predict(x)).all()
    net.fit(x, t, epochs=2)


def test_divergence_is_told_and_the_best_weights_kept():
    x, t = regression()
    net = network()
    net.fit(x, t, epochs=5, validation=None, early_stopping=None)
    good = net.evaluate(x, t)
    with pytest.warns(lamina.DivergenceWarning) as caught:
        history = net.fit(1e3 * x, t, epochs=500, optimizer=lamina.SGD(1e12), validation=None, early_stopping=None)
    message = str(caught[0].message).lower()
    assert all(word in message for word in ("epoch", "batch", "layer")), message
    assert history.stop_reason.startswith("diverged")
    assert all(np.isfinite(w).all() for w in net.parameters.values())
    assert len(history.loss) < 500
    assert np.isfinite(net.evaluate(x, t))
    assert np.isfinite(good)


def test_divergence_after_good_epochs_restores_the_best():
    x, t = regression()
    net, kept = network(), {}

    def spoil(epoch):
        if epoch.epoch == 3:
            kept.update(copied(net))
            net.parameters["1.weight"][...] = np.nan

    with pytest.warns(lamina.DivergenceWarning):
        history = net.fit(
            x, t, epochs=10, optimizer=lamina.Adam(1e-2), callbacks=[spoil], validation=0.2,
            early_stopping=lamina.EarlyStopping(patience=5),
        )  # fmt: skip
    assert history.stop_reason.startswith("diverged")
    assert history.best_epoch == 3
    assert_parameters(net, kept)


def test_input_normalisation_is_fitted_on_the_training_part_alone():
    x, t = regression(noise=0.0)
    x = x * [1.0, 1e3, 1.0] + [0.0, 5e4, 0.0]
    x[:, 2] = 7.0
    x_val, t_val = x + 1e6, t
    net = network(normalize_inputs=True)
    net.fit(x, t, epochs=100, optimizer=lamina.Adam(1e-2), validation=(x_val, t_val), early_stopping=None)
    own = twin(net, "squared_error")
    np.testing.assert_allclose(net.forward(x), own.forward(Normalizer.fit(x)(x)), rtol=1e-9, atol=1e-9)
    assert np.isfinite(net.forward(x + 100)).all()


def test_normalised_inputs_do_not_feel_their_scale():
    x, t = regression()
    plain, scaled = network(normalize_inputs=True), network(normalize_inputs=True)
    options = {"epochs": 5, "validation": None, "early_stopping": None}
    plain.fit(x, t, **options)
    scaled.fit(1024.0 * x, t, **options)
    np.testing.assert_allclose(plain.predict(x), scaled.predict(1024.0 * x), rtol=1e-9)


def test_batch_larger_than_the_data_is_the_full_batch():
    x, t = regression(rows=30)
    options = {"epochs": 4, "shuffle": False, "validation": None, "early_stopping": None}
    one, other = network(), network()
    one.fit(x, t, batch_size=30, **options)
    other.fit(x, t, batch_size=10_000, **options)
    assert_parameters(one, copied(other))


def test_progress_is_silent_by_default_and_shown_when_asked(capfd):
    x, t = regression()
    network().fit(x, t, epochs=2)
    assert capfd.readouterr() == ("", "")
    network().fit(x, t, epochs=2, verbose=1)
    shown = capfd.readouterr()
    assert shown.out or shown.err


@pytest.mark.parametrize("how", ["terminal", "pipe", "closed", "none", "no rich"])
def test_a_fit_goes_on_where_nobody_reads_its_progress(how):
    script = f"""
import os, sys
how = {how!r}
if how == "no rich":
    sys.modules["rich"] = None
if how == "closed":
    sys.stderr.close()
if how == "none":
    sys.stderr = None
if how == "terminal":
    sys.stderr.isatty = lambda: True
    os.environ["TERM"] = "xterm"
import numpy as np, lamina
x = np.random.default_rng(0).normal(size=(60, 3))
net = lamina.Network([lamina.Dense(1)], 3)
def early(epoch):
    if epoch.epoch == 2 and how not in ("closed", "none"):
        os.read(0, 1)  # until the reader has gone
    if how == "terminal":
        import time
        time.sleep(0.02)
net.fit(x, x[:, 0], epochs=30, verbose=1, callbacks=early, early_stopping=None)
assert len(net.history.loss) == 30
lamina.search(lambda: net, {{"l2": [0.0, 0.1]}}, x, x[:, 0], k=2, epochs=1, verbose=1)
lamina.cross_validate(net, x, x[:, 0], 2, epochs=1, verbose=1)
lamina.Ensemble(net, 2).fit(x, x[:, 0], epochs=1, verbose=1)
lamina.CascadeNetwork(3, 1, max_units=1).fit(x, x[:, 0], verbose=1)
print("all done")
"""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stderr.close()  # as `head` closes a pipe
        process.stdin.write(b"x")
        process.stdin.close()
        assert process.stdout.read().decode().strip() == "all done"


def test_progress_is_told_in_lines_where_there_is_no_rich(capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "rich", None)
    x, t = regression()
    network().fit(x, t, epochs=2, verbose=1)
    lamina.search(lambda units: network(units=units), {"units": [2, 3]}, x, t, validation=0.2, epochs=1, verbose=1)
    first, *trials = capfd.readouterr().err.splitlines()
    assert first.startswith("epoch 2/2  loss ")
    assert [line.split("  ")[0] for line in trials] == ["trial 1/2", "trial 2/2"]
