"""Same seed, same bits: for any number of threads, on every level with fused multiply-add, whatever rows are beside."""

import ctypes
import json
import os
import platform
import subprocess
import sys
from contextlib import contextmanager
from functools import cache

import numpy as np
import pytest

import lamina
import zoo
from lamina._dispatch import usable_levels

HERE = lamina.simd_level()
LEVELS = usable_levels()

pytestmark = pytest.mark.filterwarnings("ignore::lamina.DivergenceWarning")


@cache
def on_one_thread(number):
    return zoo.train(number, 1)


@cache
def grown_on_one_thread(number):
    return zoo.digest(*zoo.grow(number, 1))


@cache
def on_level(level):
    environment = os.environ | {"LAMINA_SIMD": level, "PYTHONWARNINGS": "ignore"}
    run = subprocess.run([sys.executable, zoo.__file__], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_the_zoo_has_everything():
    used = {part for number in range(zoo.COUNT) for part in _parts(number)}
    everything = {
        *lamina.activations.names(),
        *lamina.losses.names(),
        *lamina.optimizers.names(),
        *lamina.initializers.names(),
        *lamina.layers.names(),
        *lamina.schedules.names(),
    }
    assert everything - used == set()


def _parts(number):
    net, schedule, optimizer = zoo.build(number), zoo.schedule(number), zoo.optimizer(number)
    yield net.loss.name
    yield type(getattr(optimizer, "base", optimizer)).__name__
    yield type(schedule).__name__
    for layer in net.layers:
        yield type(layer).__name__
        for value in layer.params.values():
            if hasattr(value, "name"):
                yield value.name


@pytest.mark.parametrize("number", range(zoo.COUNT))
@pytest.mark.parametrize("n_threads", [2, 3, 4, 8])
def test_bits_do_not_depend_on_threads(number, n_threads):
    net, history, predictions = zoo.train(number, n_threads)
    one, one_history, one_predictions = on_one_thread(number)
    np.testing.assert_array_equal(history.loss, one_history.loss)
    np.testing.assert_array_equal(history.validation_loss, one_history.validation_loss)
    for name, parameter in net.parameters.items():
        np.testing.assert_array_equal(parameter, one.parameters[name], err_msg=name)
    np.testing.assert_array_equal(predictions, one_predictions)


FLUSHED, DOWNWARD = 0x8040, 0x2000  # of MXCSR: the smallest numbers are zero; each operation rounds down


@contextmanager
def rounding(word):
    """What another library may leave behind: PyTorch's `set_flush_denormal`, one built with -ffast-math, fesetround."""
    library = ctypes.CDLL(None)
    environment = (ctypes.c_uint32 * 8)()  # glibc's, for x86-64
    library.fegetenv(environment)
    before = environment[7]
    environment[7] = before & ~(FLUSHED | 0x6000) | word
    library.fesetenv(environment)
    try:
        yield
    finally:
        environment[7] = before
        library.fesetenv(environment)


@pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform != "linux", reason="the processor's own word is set")
@pytest.mark.parametrize("word", [FLUSHED, DOWNWARD], ids=["flushed", "downward"])
def test_bits_do_not_depend_on_how_the_process_rounds(word):
    X = 30 * np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32)
    y = np.digitize(X[:, 0], [-15, 15])

    def fit(n_threads):
        net = lamina.Network([lamina.Dense(8, "relu"), lamina.Dense(3)], 5, loss="cross_entropy", seed=1)
        options = {"epochs": 60, "batch_size": 300, "optimizer": lamina.Rprop(), "n_threads": n_threads}
        net.fit(X, y, **options)
        return [*net.parameters.values(), net.predict(X), net.predict(X, n_threads=2), net.predict(X[:1])]

    tiny = np.float32(1e-39) * np.arange(1, 40, dtype=np.float32)
    usual, function = fit(1), lamina.activations.get("silu")(tiny)
    with rounding(word):
        assert (np.float32(2) ** -130 * np.ones(1, np.float32) == 0).all() == (word == FLUSHED)
        unusual = fit(1), fit(2), fit(4)
        function_here = lamina.activations.get("silu")(tiny)
    for other in (*unusual, fit(2), fit(4)):  # also on threads that were started under it
        for one, two in zip(usual, other, strict=True):
            np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(function_here, function)


@pytest.mark.parametrize("number", range(zoo.CASCADES))
@pytest.mark.parametrize("n_threads", [2, 3, 8])
def test_bits_of_cascades_do_not_depend_on_threads(number, n_threads):
    assert zoo.digest(*zoo.grow(number, n_threads)) == grown_on_one_thread(number)


def test_bits_of_blocked_products_do_not_depend_on_threads(rng):
    x, t = rng.normal(size=(330, 400)).astype(np.float32), rng.integers(70, size=330)
    results = []
    for n_threads in (1, 2, 3, 5):
        net = lamina.Network([lamina.Dense(600, "tanh"), lamina.Dense(70)], n_inputs=400, loss="cross_entropy")
        net.fit(x, t, epochs=2, batch_size=165, validation=None, n_threads=n_threads)
        results.append((n_threads, net.parameters))
    for n_threads, parameters in results[1:]:
        for name, parameter in parameters.items():
            message = f"{name}, {n_threads} threads"
            np.testing.assert_array_equal(parameter, results[0][1][name], err_msg=message)


@pytest.mark.parametrize("level", [level for level in LEVELS if level != "v2"])
def test_bits_do_not_depend_on_the_level(level):
    other = on_level(level)
    assert other["level"] == level
    if HERE == "v2":
        pytest.skip("v2 has no fused multiply-add")
    own = [zoo.digest(*on_one_thread(number)) for number in range(zoo.COUNT)]
    assert other["digests"] == own
    assert other["cascades"] == [grown_on_one_thread(number) for number in range(zoo.CASCADES)]


@pytest.mark.skipif("v2" not in LEVELS or HERE == "v2", reason="needs v2 and a level above it")
def test_v2_agrees_to_rounding():
    # Few steps, so that rounding has no time to grow; a step function turns the last bit into a whole unit.
    other = on_level("v2")
    for number, predictions in enumerate(other["predictions"]):
        own = on_one_thread(number)[2]
        activations = [
            layer.params["activation"].name for layer in zoo.build(number).layers if "activation" in layer.params
        ]
        if {"heaviside", "sign"} & set(activations):
            continue
        # Quickprop divides by a difference of two gradients, Rprop looks at signs alone: both make much of a last bit.
        jumpy = type(zoo.optimizer(number)).__name__ in ("Quickprop", "Rprop")
        tolerance = 2e-3 if own.dtype == np.float32 or jumpy else 1e-8
        np.testing.assert_allclose(predictions, own, rtol=tolerance, atol=tolerance, err_msg=f"network {number}")


@pytest.mark.parametrize("number", range(zoo.COUNT))
def test_a_row_does_not_depend_on_the_rows_beside_it(number):
    net = on_one_thread(number)[0]
    x, lengths = zoo.samples(number, np.random.default_rng(number), 70)
    x = x.astype(net.dtype)

    def predict(rows):
        return net.predict(x[rows], lengths=None if lengths is None else lengths[rows])

    together = predict(slice(None))
    np.testing.assert_array_equal(np.concatenate([predict(slice(i, i + 1)) for i in range(70)]), together)
    np.testing.assert_array_equal(predict(slice(11, 48)), together[11:48])
