"""What may be done to a network beside a fit of it, and threads that the process leaves behind.

LAMINA_EXITS=100 and LAMINA_BESIDE=60 (seconds) ask for more than the few tries there are without them.
"""

import os
import pickle
import subprocess
import sys
import threading
import time
from contextlib import suppress

import numpy as np
import pytest

import lamina

EXITS = int(os.environ.get("LAMINA_EXITS", "2"))
BESIDE = float(os.environ.get("LAMINA_BESIDE", "1.5"))

DAEMON = """
import sys, threading, time
import numpy as np, lamina
rng = np.random.default_rng(0)
X = rng.normal(size=(4000, 20)).astype(np.float32)
y = (X[:, 0] > 0).astype(int)
net = lamina.Network([lamina.Dense(64, "relu"), lamina.Dense(2)], 20, loss="cross_entropy")
tanh = lamina.activations.custom(np.tanh, lambda x: 1 - np.tanh(x) ** 2)
with_custom = lamina.Network([lamina.Dense(8, tanh), lamina.Dense(2)], 20, loss="cross_entropy")
endless = dict(epochs=10**9, validation=None, early_stopping=None)
def repeat(f):
    while True:
        f()
in_double = lamina.activations.custom(lambda x: np.tanh(x).astype("d"), lambda x: (1 - np.tanh(x) ** 2).astype("d"))
converting = lamina.Network([lamina.Dense(32, in_double), lamina.Dense(2)], 20, loss="cross_entropy")
work = dict(
    fit=lambda: net.fit(X, y, n_threads=2, **endless),
    callback=lambda: net.fit(X, y, callbacks=[lambda epoch: time.sleep(1e-4)], **endless),
    schedule=lambda: net.fit(X, y, schedule=lambda progress: 1.0, **endless),
    predict=lambda: repeat(lambda: net.predict(X, n_threads=2)),
    evaluate=lambda: repeat(lambda: net.evaluate(X, y)),
    gradient=lambda: repeat(lambda: net.input_gradient(X, y)),
    custom=lambda: with_custom.fit(X, y, n_threads=2, **endless),
    converting=lambda: converting.fit(X, y, n_threads=2, batch_size=256, **endless),
    cascade=lambda: repeat(lambda: lamina.CascadeNetwork(20, 2).fit(X, y)),
)[sys.argv[1]]
threading.Thread(target=work, daemon=True).start()
time.sleep(0.1)
"""


@pytest.mark.parametrize(
    "work", ["fit", "callback", "schedule", "predict", "evaluate", "gradient", "custom", "converting", "cascade"]
)
def test_a_process_ends_in_peace_while_a_daemon_thread_is_in_the_core(work):
    for _ in range(EXITS):
        command = [sys.executable, "-c", DAEMON, work]
        run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert run.returncode == 0, run.stderr


FIRST_ARRAY = """
import builtins, threading, time
import numpy as np, lamina
core, x = lamina.Network([lamina.Dense(1)], 2).core, np.ones((3, 2), "f")
main, there, imports = threading.get_ident(), threading.Event(), builtins.__import__
def slow(*names, main=main, own=threading.get_ident, sleep=time.sleep):
    if own() != main:
        there.set()
        sleep(0.2)
    return imports(*names)
def first():
    core.first_nonfinite(x)
    there.set()
class Late:
    def __del__(self, sleep=time.sleep):
        sleep(0.5)  # time for the daemon thread to want the lock, and to be refused
builtins.late = Late()
builtins.__import__ = slow
threading.Thread(target=first, daemon=True).start()
there.wait()
"""


def test_a_process_ends_in_peace_while_a_daemon_thread_brings_the_first_array():
    """The core looks NumPy's interface up then, which imports: a thread can be ended in the midst of that."""
    run = subprocess.run([sys.executable, "-c", FIRST_ARRAY], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr


PARTS_AT_THE_END = """
import numpy as np, lamina
activation = lamina.activations.custom(np.tanh, lambda x: 1 - np.tanh(x) ** 2)
net = lamina.Network([lamina.Dense(4, activation), lamina.Dense(1)], 2)
X = np.ones((200, 2))
net.fit(X, X[:, 0], epochs=2, schedule=lambda progress: 1.0, callbacks=[lambda epoch: None], validation=None)
class Late:
    def __del__(self):
        net.predict(np.ones((100_000, 2), "f"), n_threads=1)
kept = [net, activation, Late(), lambda: net]
kept.append(kept)
import builtins
builtins.kept = kept  # let go of when nearly all else has gone
"""


def test_functions_of_ones_own_are_let_go_of_at_the_very_end():
    run = subprocess.run(
        [sys.executable, "-c", PARTS_AT_THE_END], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr


def problem(rows=600, inputs=8):
    x = np.random.default_rng(1).normal(size=(rows, inputs)).astype("float32")
    return x, (x[:, 0] * x[:, 1] > 0).astype(int)


def network(inputs=8, seed=0):
    layers = [lamina.Dense(24, "relu"), lamina.BatchNorm(), lamina.Dense(2)]
    return lamina.Network(layers, inputs, loss="cross_entropy", seed=seed, normalize_inputs=True)


def test_everything_beside_everything(tmp_path):
    """Sixteen threads predict while two networks are fitted, copied, pickled, saved and normalised."""
    x, y = problem()
    nets = [network(seed=0), network(seed=1)]
    end, errors = time.monotonic() + BESIDE, []

    def repeatedly(f):
        def run():
            try:
                while time.monotonic() < end:
                    f()
            except BaseException as error:  # a thread has nobody else to tell
                errors.append(error)

        return threading.Thread(target=run)

    def fit(net, optimizer):
        net.fit(x, y, epochs=3, optimizer=optimizer, validation=0.2, verbose=0)

    def normalize(net):
        with suppress(RuntimeError):  # beside a fit
            net.input_normalization = (x.mean(axis=0), 1 / x.std(axis=0))

    threads = [repeatedly(lambda net=net: net.predict(x)) for net in nets for _ in range(8)]
    threads += [repeatedly(lambda n=net, o=o: fit(n, o)) for net, o in zip(nets, ("Adam", "RMSprop"), strict=True)]
    threads += [repeatedly(lambda net=net: normalize(net)) for net in nets]
    threads.append(repeatedly(lambda: nets[0].save(tmp_path / "beside.lamina")))
    threads.append(repeatedly(lambda: nets[0].copy().predict(x)))
    threads.append(repeatedly(lambda: pickle.loads(pickle.dumps(nets[1])).predict(x)))
    threads.append(repeatedly(lambda: nets[1].evaluate(x, y)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors[0]
    assert np.isfinite(lamina.load(tmp_path / "beside.lamina").predict(x)).all()


def test_a_copy_beside_a_fit_is_of_one_moment():
    """A step of SGD with rate 1 on one row of ones moves the weight and the bias alike: in a copy they never differ."""
    net = lamina.Network([lamina.Dense(4000)], 1, dtype="float64")
    net.parameters["0.weight"][:] = 0
    x, y = np.ones((64, 1)), np.ones((64, 4000))
    stop = []
    options = {"validation": None, "early_stopping": None, "epochs": 10**9, "batch_size": 8}
    callback = [lambda epoch: epoch.stop() if stop else None]
    fit = threading.Thread(
        target=lambda: net.fit(x, y, optimizer=lamina.SGD(1e-6), callbacks=callback, n_threads=1, **options)
    )
    fit.start()
    moments = set()
    try:
        end = time.monotonic() + 60
        while len(moments) < 20 and time.monotonic() < end:
            copied = net.copy().parameters
            np.testing.assert_array_equal(copied["0.weight"][0], copied["0.bias"])
            assert np.ptp(copied["0.bias"]) == 0
            moments.add(float(copied["0.bias"][0]))
    finally:
        stop.append(1)
        fit.join()
    assert len(moments) == 20, "the fit stood still"


def test_a_callback_may_copy_the_network_and_wait_for_another_thread_that_does():
    x, y = problem(100)
    net, seen = network(), []

    def look(epoch):
        seen.append(net.copy().predict(x))
        other = threading.Thread(target=lambda: seen.append(pickle.loads(pickle.dumps(net)).predict(x)))
        other.start()
        other.join(20)
        assert not other.is_alive()

    net.fit(x, y, epochs=2, callbacks=[look])
    np.testing.assert_array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(seen[2], seen[3])


def test_what_changes_more_than_weights_is_refused_beside_a_fit():
    x, y = problem(100)
    net, refused = network(), []

    def try_all(epoch):
        for change in (
            lambda: setattr(net, "input_normalization", None),
            lambda: setattr(net.core, "memory", None),
            lambda: net.core.initialize(1),
            lambda: net.fit(x, y),
        ):
            with pytest.raises(RuntimeError, match="being trained: a callback cannot train or change it"):
                change()
            refused.append(1)

    net.fit(x, y, epochs=2, callbacks=[try_all])
    assert len(refused) == 8


def test_steps_of_sequences_beside_a_reset():
    net = lamina.Network([lamina.Recurrent(8), lamina.Dense(1)], 3)
    x, stop, errors = np.ones((64, 3), "float32"), [], []

    def reset():
        while not stop:
            net.reset_state()

    def step():
        try:
            for _ in range(300):
                net.step(x)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=reset)
    thread.start()
    step()
    stop.append(1)
    thread.join()
    assert not errors, errors[0]


def test_a_part_of_ones_own_cannot_copy_the_network_in_the_middle_of_a_step():
    x, y = problem(64)
    met = []

    def tanh(values):
        if met:
            with pytest.raises(RuntimeError, match="cannot copy a network that is in a step"):
                net.copy()
            met.append(1)
        return np.tanh(values)

    activation = lamina.activations.custom(tanh, lambda values: 1 - np.tanh(values) ** 2)
    net = lamina.Network([lamina.Dense(4, activation), lamina.Dense(2)], 8, loss="cross_entropy")
    met.append(0)
    for threads in (1, 2):
        net.fit(x, y, epochs=1, validation=None, n_threads=threads)
    assert len(met) > 1
    net.copy()


def test_a_schedule_may_copy_the_network_and_wait_for_another_thread_that_does():
    x, y = problem(64)
    net = network()

    def schedule(progress):
        other = threading.Thread(target=net.copy)
        other.start()
        other.join(20)
        assert not other.is_alive()
        return 1.0

    net.fit(x, y, epochs=1, schedule=schedule)
