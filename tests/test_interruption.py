"""Fits and predictions that are broken off: by signals, by functions that raise, by limits of the machine."""

import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import lamina
from interrupting import must_end_within

SIGNALS = pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread"
)


@SIGNALS
def test_interruption_stops_within_a_tenth_of_a_second():
    x = np.random.default_rng(0).normal(size=(20_000, 3))
    t = np.sin(2 * x[:, 0]) + x[:, 1]
    layers = [lamina.Dense(256, "tanh"), lamina.Dense(1)]
    net = lamina.Network(layers, n_inputs=3, loss="squared_error", dtype="float64", seed=0)
    sent = []

    def interrupt():
        sent.append(time.perf_counter())
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    timer = threading.Timer(0.5, interrupt)
    timer.start()
    try:
        history = net.fit(x, t, epochs=1_000_000, validation=None, early_stopping=None)
        assert "interrupt" in history.stop_reason.lower()
    except KeyboardInterrupt:
        pass
    finally:
        stopped = time.perf_counter()
        timer.cancel()
        timer.join()
    assert sent, "training ended before it was interrupted"
    assert stopped - sent[0] < 0.1
    assert np.isfinite(net.predict(x[:10])).all()
    net.fit(x[:100], t[:100], epochs=1)


def long_enough(work, x):
    """As many times the rows of x as keep `work` busy for a second and a half."""

    def seconds():
        start = time.perf_counter()
        work(x)
        return time.perf_counter() - start

    seconds()
    return np.concatenate([x] * max(1, round(1.5 / min(seconds() for _ in range(3)))))


@SIGNALS
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("layer", [lamina.Dense(512, "tanh"), lamina.Recurrent(96)])
def test_a_long_prediction_can_be_interrupted(layer, threads):
    net = lamina.Network([layer, lamina.Dense(2)], n_inputs=64, loss="squared_error")
    x = np.ones((60_000, 64) if isinstance(layer, lamina.Dense) else (1_500, 50, 64), dtype="float32")
    x = long_enough(lambda x: net.predict(x, n_threads=threads), x)
    must_end_within(lambda: net.predict(x, n_threads=threads))


@SIGNALS
@pytest.mark.parametrize("layer", [lamina.Dense(256, "tanh"), lamina.Recurrent(64)])
@pytest.mark.parametrize("work", ["evaluate", "loss_and_gradients", "input_gradient", "validation"])
def test_all_that_goes_on_without_the_interpreter_can_be_interrupted(layer, work):
    net = lamina.Network([layer, lamina.Dense(2)], n_inputs=32, loss="squared_error")
    shape = (8_000, 32) if isinstance(layer, lamina.Dense) else (400, 50, 32)
    x = long_enough(lambda x: net.evaluate(x, np.zeros((len(x), 2))), np.ones(shape, dtype="float32"))
    y = np.zeros((len(x), 2), dtype="float32")
    if work == "validation":
        must_end_within(lambda: net.fit(x[:64], y[:64], epochs=1, validation=(x, y)))
        assert net.history.stop_reason == "interrupted"
    else:
        must_end_within(lambda: getattr(net, work)(x, y))


@SIGNALS
def test_a_check_of_gradients_can_be_interrupted():
    net = lamina.Network([lamina.Dense(200, "tanh"), lamina.Dense(2)], n_inputs=32)
    x = np.random.default_rng(0).normal(size=(500, 32))
    must_end_within(lambda: lamina.check_gradients(net, x, np.zeros((500, 2))))


LITTLE_MEMORY = """
import resource, numpy as np, lamina
net = lamina.Network([lamina.Dense(1024, activation="relu"), lamina.Dense(10)], n_inputs=64, loss="cross_entropy")
x, y = np.ones((2000, 64), dtype="float32"), np.arange(2000) % 10
size = int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]) << 10
resource.setrlimit(resource.RLIMIT_AS, (size + (EXTRA << 20),) * 2)
try:
    net.fit(x, y, n_threads=8, epochs=1)
except MemoryError:
    pass
print("alive", np.isfinite(net.parameters["0.weight"]).all())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits and sizes as Linux has them")
@pytest.mark.parametrize("extra", [3, 20, 40, 70])
def test_threads_that_cannot_be_started_do_not_end_the_process(extra):
    script = LITTLE_MEMORY.replace("EXTRA", str(extra))
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.endswith("alive True\n")


def refuse(*arrays):
    raise LookupError("no more")


@pytest.mark.parametrize("threads", [1, 2])
def test_inputs_that_are_not_finite_are_refused_before_what_an_activation_makes_of_them(threads):
    failing = lamina.activations.custom(refuse, np.ones_like)
    net = lamina.Network([lamina.Dense(50, activation=failing), lamina.Dense(3)], n_inputs=6)
    x = np.zeros((50_000, 6), dtype="float32")
    with pytest.raises(LookupError, match="no more"):
        net.predict(x, n_threads=threads)
    x[-1, 2] = np.nan
    with pytest.raises(ValueError, match="row 49999, column 2"):
        net.predict(x, n_threads=threads)


def test_a_fit_that_fails_in_its_first_validation_keeps_the_weights_it_began_with():
    batches_left = [6]

    def squares(y, t):
        batches_left[0] -= 1
        return ((y - t) ** 2).sum(axis=1) if batches_left[0] >= 0 else refuse()

    loss = lamina.losses.custom(squares, lambda y, t: 2 * (y - t))
    net = lamina.Network([lamina.Dense(8, "tanh"), lamina.Dense(1)], n_inputs=3, loss=loss)
    before = {name: array.copy() for name, array in net.parameters.items()}
    with pytest.raises(LookupError, match="no more"):
        net.fit(np.ones((300, 3)), np.ones(300), batch_size=40, validation=0.2, epochs=3)
    for name, array in net.parameters.items():
        np.testing.assert_array_equal(array, before[name])
