"""A fit that was interrupted and goes on from its checkpoint ends with the bits of one that never was."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lamina
import zoo
from lamina.callbacks import Checkpoint
from lamina.model_file import ModelFileError

ROWS, INPUTS, EPOCHS = 60, 5, 7
RNG = np.random.default_rng(17)
X = RNG.normal(size=(ROWS, INPUTS))
Y = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2]
LABELS = np.digitize(Y, [-0.5, 0.5])


def network(*between, activation="tanh", **options):
    layers = [lamina.Dense(8, activation), *between, lamina.Dense(1)]
    return lamina.Network(layers, INPUTS, **{"seed": 5, "dtype": "float64", **options})


def bits(net, history):
    """All that a fit leaves, as bytes by name."""
    told = {name: np.array(value).tobytes() for name, value in vars(history).items()}
    arrays = {**net.parameters, **net.scales, "memory": net.core.memory}
    memory = arrays.pop("memory")
    if memory is not None:
        arrays |= {f"slot {i}": slot for i, slot in enumerate(memory.pop("slots"))}
        told["memory"] = repr(memory)
    return told | {name: array.tobytes() for name, array in arrays.items()}


def assert_same(got, want):
    assert got.keys() == want.keys()
    different = [name for name in want if got[name] != want[name]]
    assert not different


class StopsAt:
    """As Ctrl-C, in the midst of what happens after an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def __call__(self, epoch):
        if epoch.epoch == self.epoch:
            raise KeyboardInterrupt


def check_resumption(make, fit, path, at, every=1):
    """`fit(net, callbacks=..., **resume)` of what `make()` gives, whole, and interrupted in epoch `at`."""
    whole = make()
    want = bits(whole, fit(whole, callbacks=[]))
    broken = make()
    keep = Checkpoint(path, every)
    with pytest.raises(KeyboardInterrupt):
        fit(broken, callbacks=[keep, StopsAt(at)], resume_from=path)
    if at == 1:
        assert not os.path.exists(path)
    resumed = make()
    assert_same(bits(resumed, fit(resumed, callbacks=[keep], resume_from=path)), want)
    finished = make()
    assert_same(bits(finished, fit(finished, callbacks=[StopsAt(at)], resume_from=path)), want)
    loaded = lamina.load(path)
    assert loaded.history == whole.history
    for name, array in whole.parameters.items():
        assert loaded.parameters[name].tobytes() == array.tobytes(), name


def plain_fit(net, **options):
    usual = {"epochs": EPOCHS, "validation": 0.2, "batch_size": 16}
    return net.fit(X, options.pop("y", Y), **{**usual, **options})


def with_options(**fixed):
    return lambda net, **options: plain_fit(net, **fixed, **options)


RULES = lamina.optimizers.names()
SOLVERS = lamina.optimizers.solver_names()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*RULES, *SOLVERS])
def test_every_optimizer_goes_on(name, dtype, tmp_path):
    fit = with_options(optimizer=getattr(lamina, name)())
    check_resumption(lambda: network(dtype=dtype), fit, tmp_path / "kept", at=5)


def test_the_pairs_of_lbfgs_go_on_beyond_its_memory(tmp_path):
    fit = with_options(optimizer=lamina.LBFGS(history=2, loss_tolerance=1e-12), epochs=25, early_stopping=None)
    check_resumption(network, fit, tmp_path / "kept", at=8)


@pytest.mark.parametrize("name", RULES)
def test_sam_around_every_optimizer_goes_on(name, tmp_path):
    fit = with_options(optimizer=lamina.SAM(getattr(lamina, name)(), rho=0.1))
    check_resumption(network, fit, tmp_path / "kept", at=4)


SCHEDULES = [
    {"Step": lambda make: make(2), "Warmup": lambda make: make(3.5, lamina.schedules.Cosine())}.get(
        name, lambda m: m()
    )(getattr(lamina.schedules, name))
    for name in lamina.schedules.names()
]


@pytest.mark.parametrize(
    "schedule",
    [
        *SCHEDULES,
        lamina.schedules.Cosine(period=2, growth=1.5),
        lamina.schedules.ReduceOnPlateau(factor=0.5, patience=1, min_delta=0.05),
        lambda progress: 1 / (1 + progress.step),
    ],
    ids=repr,
)
def test_every_schedule_goes_on(schedule, tmp_path):
    fit = with_options(schedule=schedule, optimizer=lamina.SGD(0.05, momentum=0.9))
    check_resumption(network, fit, tmp_path / "kept", at=5)


@pytest.mark.parametrize("layer", zoo.BETWEEN)
def test_every_layer_goes_on(layer, tmp_path):
    check_resumption(lambda: network(zoo.example(layer)), plain_fit, tmp_path / "kept", at=4)


def test_a_rate_set_by_a_callback_goes_on(tmp_path):
    class Halves:
        def __call__(self, epoch):
            if epoch.epoch == 2:
                epoch.learning_rate /= 2

    def fit(net, callbacks, **options):
        return plain_fit(net, callbacks=[Halves(), *callbacks], schedule=lamina.schedules.Exponential(0.9), **options)

    check_resumption(network, fit, tmp_path / "kept", at=5)


def negative_loss(net, X, y):
    return -float(((net.predict(X) - y) ** 2).mean())


def watched(epoch):
    return round(epoch.validation_loss, 2)


@pytest.mark.parametrize(
    "options",
    [
        {"clip": lamina.ClipNorm(0.05)},
        {"clip": lamina.AGC(0.02)},
        {"average": 0.9},
        {"average": 0.9, "early_stopping": None},
        {"early_stopping": None, "validation": None},
        {"early_stopping": lamina.EarlyStopping(2, min_delta=0.02), "epochs": 20},
        {"early_stopping": lamina.EarlyStopping(2, restore_best=False), "epochs": 20, "optimizer": "rmsprop"},
        {"early_stopping": lamina.EarlyStopping(monitor="loss", patience=3, min_delta=0.1)},
        {"early_stopping": lamina.EarlyStopping(monitor=watched, patience=3, latest=True)},
        {"early_stopping": lamina.EarlyStopping(monitor="mae", patience=3)},
        {"scoring": "r2"},
        {"scoring": negative_loss},
        {"l1": 1e-3, "l2": 1e-2, "penalty_per_batch": True},
        {"sample_weight": RNG.uniform(0, 2, ROWS) * (RNG.random(ROWS) > 0.2)},
        {"validation": (X[:20] + 0.1, Y[:20]), "validation_sample_weight": RNG.uniform(0, 2, 20)},
        {"rates": {0: 0.0, "bias": 0.1}},
        {"optimizer": lamina.AdamW(1e-2), "decays": {"0.weight": 0.5}, "decay_schedule": lamina.schedules.Cosine()},
        {"shuffle": False},
        {"validation": lamina.Split(0.3, shuffle=False)},
        {"n_threads": 2},
    ],
    ids=lambda options: "-".join(options),
)
def test_what_else_a_fit_is_asked_for_goes_on(options, tmp_path):
    check_resumption(network, with_options(**options), tmp_path / "kept", at=4)


@pytest.mark.parametrize("kind", [True, "robust"])
def test_the_scales_go_on(kind, tmp_path):
    make = lambda: network(normalize_inputs=kind, normalize_targets=True)  # noqa: E731
    check_resumption(make, plain_fit, tmp_path / "kept", at=3)


def test_a_start_from_data_goes_on(tmp_path):
    def make():
        layers = [lamina.Dense(8, "tanh", initializer="data_driven"), lamina.NumericEmbedding(), lamina.Dense(1)]
        return lamina.Network(layers[:1] + layers[2:], INPUTS, seed=5)

    check_resumption(make, plain_fit, tmp_path / "kept", at=3)


def test_dropout_with_a_schedule_goes_on(tmp_path):
    fit = with_options(dropout_schedule=lamina.schedules.Warmup(3))
    check_resumption(lambda: network(lamina.Dropout(0.3)), fit, tmp_path / "kept", at=4)


@pytest.mark.parametrize("kind", ["elman", "jordan"])
@pytest.mark.parametrize("each_step", [False, True])
def test_recurrent_networks_go_on(kind, each_step, tmp_path):
    rng = np.random.default_rng(3)
    x, lengths = rng.normal(size=(30, 6, 3)), rng.integers(1, 7, 30)
    y = rng.normal(size=(30, 6, 1) if each_step else 30)

    def make():
        layers = [lamina.Recurrent(6, kind=kind, return_sequences=each_step), lamina.Dense(1)]
        return lamina.Network(layers, 3, seed=2)

    def fit(net, **options):
        beyond = np.arange(6) >= lengths[:, None]
        x[beyond] = rng.normal(size=(beyond.sum(), 3))  # which may be anything
        return net.fit(x, y, epochs=4, validation=0.2, lengths=lengths, **options)

    check_resumption(make, fit, tmp_path / "kept", at=3)


@pytest.mark.parametrize("every", [2, 3, 100])
@pytest.mark.parametrize("at", [1, 2, 5, EPOCHS])
def test_the_last_epoch_is_kept_however_seldom_the_file_is_written(every, at, tmp_path):
    check_resumption(network, plain_fit, tmp_path / "kept", at, every)
    path = tmp_path / "other"
    with pytest.raises(KeyboardInterrupt):
        plain_fit(network(), callbacks=[Checkpoint(path, every), StopsAt(at)])
    assert path.exists() == (at > 1)
    if at > 1:
        assert lamina.load(path).history.epochs == at - 1


def random_fit(number):
    """A network of the zoo and a fit of it, with everything that goes with it."""
    rng = np.random.default_rng(3000 + number)
    x, lengths = zoo.samples(number, rng, zoo.ROWS)
    net = zoo.build(number)
    y = zoo.targets(net, rng)
    options = {
        "epochs": 6,
        "batch_size": (12, 32, 83)[number % 3],
        "optimizer": zoo.optimizer(number),
        "schedule": zoo.schedule(number),
        "l1": 1e-4 * (number % 2),
        "l2": 1e-4 * (number % 3),
        "clip": (None, lamina.ClipNorm(1.0), lamina.AGC(0.05), None)[number % 4],
        "sample_weight": rng.uniform(0.5, 2, size=zoo.ROWS) if number % 2 else None,
        "early_stopping": (lamina.EarlyStopping(2), None, lamina.EarlyStopping(3, restore_best=False))[number % 3],
        "scoring": negative_loss if number % 7 == 0 and net.loss.targets == "real" else None,
        "average": (0.0, 0.8)[number % 5 == 2],
        "validation": (0.2, lamina.Split(0.3, shuffle=False))[number % 4 == 1],
        "lengths": lengths,
    }
    return (lambda: zoo.build(number)), lambda net, **how: net.fit(x, y, **options, **how), int(rng.integers(2, 6))


@pytest.mark.parametrize("number", range(zoo.COUNT))
def test_random_networks_go_on(number, tmp_path):
    make, fit, at = random_fit(number)
    whole = make()
    want = bits(whole, fit(whole))
    path = tmp_path / "kept"
    try:
        fit(make(), callbacks=[Checkpoint(path, 1 + number % 3), StopsAt(at)])
    except KeyboardInterrupt:
        pass
    resumed = make()
    assert_same(bits(resumed, fit(resumed, resume_from=path)), want)


@settings(max_examples=15, deadline=None)
@given(stops=st.lists(st.integers(1, 12), max_size=5), every=st.integers(1, 4), seed=st.integers(0, 2**64 - 1))
def test_any_number_of_interruptions_leaves_no_trace(stops, every, seed, tmp_path_factory):
    path = tmp_path_factory.mktemp("kept") / "kept"
    make = lambda: network(lamina.Dropout(0.2), lamina.BatchNorm(), seed=seed)  # noqa: E731
    fit = with_options(epochs=12, average=0.5)
    whole = make()
    want = bits(whole, fit(whole))
    keep = Checkpoint(path, every)
    for at in stops:
        try:
            fit(make(), callbacks=[keep, StopsAt(at)], resume_from=path)
        except KeyboardInterrupt:
            pass
    resumed = make()
    assert_same(bits(resumed, fit(resumed, callbacks=[keep], resume_from=path)), want)


KILLED = """
import sys
sys.path.insert(0, {tests!r})
import test_checkpoint as t
make, fit, _ = t.random_fit({number})
net = make()
history = fit(net, callbacks=[t.Checkpoint({path!r}), t.slowly], resume_from={path!r})
print("begun", flush=True)
"""


def slowly(epoch):
    time.sleep(0.02)
    print("epoch", epoch.epoch, flush=True)


@pytest.mark.parametrize("number", [1, 3, 8, 12])
def test_a_killed_fit_goes_on(number, tmp_path):
    make, fit, _ = random_fit(number)
    whole = make()
    want = bits(whole, fit(whole))
    path = tmp_path / "kept"
    script = KILLED.format(tests=os.path.dirname(__file__), number=number, path=str(path))
    rng = np.random.default_rng(number)
    for _ in range(2):
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as run:
            assert "epoch" in run.stdout.readline()
            time.sleep(rng.uniform(0, 0.07))
            run.send_signal(signal.SIGKILL)
    assert os.listdir(tmp_path) in ([], ["kept"])
    resumed = make()
    history = fit(resumed, callbacks=[Checkpoint(path)], resume_from=path)
    assert_same(bits(resumed, history), want)
