"""A fit that was interrupted and goes on from its checkpoint ends with the bits of one that never was."""

import contextlib
import copy
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lamina
import zoo
from lamina._dispatch import usable_levels
from conftest import TIMES
from lamina.callbacks import Checkpoint
from lamina.model_file import ModelFileError
from lamina.selection import side_by_side

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
    lists = {name: value for name, value in vars(history).items() if name != "metrics"} | history.metrics
    told = {name: np.array(value).tobytes() for name, value in lists.items()}
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
        {"average": 0.9, "early_stopping": None, "optimizer": lamina.SGD(0.3, momentum=0.9)},
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
    with contextlib.suppress(KeyboardInterrupt):
        fit(make(), callbacks=[Checkpoint(path, 1 + number % 3), StopsAt(at)])
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
        with contextlib.suppress(KeyboardInterrupt):
            fit(make(), callbacks=[keep, StopsAt(at)], resume_from=path)
    resumed = make()
    assert_same(bits(resumed, fit(resumed, callbacks=[keep], resume_from=path)), want)


KILLED = """
import sys
sys.path.insert(0, {tests!r})
import test_checkpoint as t
make, fit, _ = t.random_fit({number})
net = make()
history = fit(net, callbacks=[t.Checkpoint({path!r}), t.slowly], resume_from={path!r})
print("done", flush=True)
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
    for _ in range(2 * TIMES):
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as run:
            assert run.stdout.readline().startswith(("epoch", "done"))
            time.sleep(rng.uniform(0, 0.07))
            run.send_signal(signal.SIGKILL)
    resumed = make()
    history = fit(resumed, callbacks=[Checkpoint(path)], resume_from=path)
    assert_same(bits(resumed, history), want)
    assert os.listdir(tmp_path) == ["kept"]  # the next writing clears away what a killed one has left


ON_A_LEVEL = """
import sys
sys.path.insert(0, {tests!r})
import test_checkpoint as t
for number in {numbers}:
    make, fit, at = t.random_fit(number)
    try:
        fit(make(), callbacks=[t.Checkpoint({folder!r} + "/" + str(number)), t.StopsAt(at)])
    except KeyboardInterrupt:
        pass
"""
LEVELS = [level for level in usable_levels() if level != "v2"]


@pytest.mark.skipif(lamina.simd_level() == "v2", reason="no fused multiply-add")
@pytest.mark.parametrize("level", LEVELS)
def test_what_one_level_began_another_ends(level, tmp_path):
    numbers = [2, 3, 6, 8]
    script = ON_A_LEVEL.format(tests=os.path.dirname(__file__), numbers=numbers, folder=str(tmp_path))
    subprocess.run([sys.executable, "-c", script], env=os.environ | {"LAMINA_SIMD": level}, check=True)
    for number in numbers:
        make, fit, _ = random_fit(number)
        whole, resumed = make(), make()
        want = bits(whole, fit(whole))
        assert_same(bits(resumed, fit(resumed, resume_from=tmp_path / str(number))), want)


# What is refused -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A checkpoint of a fit of `network()`, after three epochs."""
    path = tmp_path_factory.mktemp("kept") / "kept"
    with pytest.raises(KeyboardInterrupt):
        plain_fit(network(), sample_weight=np.ones(ROWS), callbacks=[Checkpoint(path), StopsAt(4)])
    return path


def go_on(path, net=None, **options):
    net = net or network()
    before = bits(net, net.history or lamina.callbacks.History())
    try:
        return plain_fit(net, **{"sample_weight": np.ones(ROWS), "resume_from": path, **options})
    except (ValueError, OSError):
        assert_same(bits(net, net.history or lamina.callbacks.History()), before)  # before anything has changed
        raise


OTHER_OPTIONS = {
    "epochs": (8, "epochs was 7 there and is 8 here"),
    "batch_size": (8, "batch_size was 16 there and is 8 here"),
    "optimizer": (lamina.Adam(0.01), "optimizer.lr was 0.001 there and is 0.01 here"),
    "schedule": (lamina.schedules.Cosine(), "schedule was None there and is Cosine(period=0.0"),
    "decay_schedule": (lamina.schedules.Cosine(), "decay_schedule was None"),
    "dropout_schedule": (lamina.schedules.Step(2), "dropout_schedule was None there and is Step(step_size=2.0"),
    "rates": ({0: 0.5}, "rates was {} there and is {'0': 0.5} here"),
    "decays": ({"bias": 1.0}, "decays was {} there"),
    "average": (0.5, "average was 0.0 there and is 0.5 here"),
    "l1": (0.1, "l1 was 0.0 there and is 0.1 here"),
    "l2": (0.1, "l2 was 0.0 there and is 0.1 here"),
    "clip": (lamina.ClipNorm(2.0), "clip was None there and is ClipNorm(max_norm=2.0) here"),
    "early_stopping": (lamina.EarlyStopping(3), "early_stopping.patience was 10 there and is 3 here"),
    "scoring": ("r2", "scoring was None there and is 'r2' here"),
    "shuffle": (False, "shuffle was True there and is False here"),
    "penalty_per_batch": (True, "penalty_per_batch was False there and is True here"),
}


def test_every_option_is_compared_or_may_differ():
    from dataclasses import fields

    from lamina.training.fit import FitOptions

    free = {"max_time", "metrics", "callbacks", "n_threads", "verbose", "resume", "resume_from"}
    assert {field.name for field in fields(FitOptions)} == free | set(OTHER_OPTIONS)


@pytest.mark.parametrize("name", OTHER_OPTIONS)
def test_other_options_are_refused_by_name(kept, name):
    value, words = OTHER_OPTIONS[name]
    with pytest.raises(ValueError, match="resume_from must be a checkpoint of the same fit") as error:
        go_on(kept, **{name: value})
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (lambda: network(seed=6), "seed was 5 there and is 6 here"),
        (lambda: network(dtype="float32"), "dtype was 'float64' there and is 'float32' here"),
        (lambda: network(activation="relu"), "layers[0].activation was tanh() there and is relu() here"),
        (lambda: network(lamina.Dropout(0.1)), "layers had 2 entries there and has 3 here"),
        (lambda: network(normalize_inputs=True), "normalize_inputs was False there and is True here"),
        (lambda: network(loss="huber"), "loss was squared_error() there and is huber("),
    ],
)
def test_another_network_is_refused_by_name(kept, net, words):
    with pytest.raises(ValueError, match="resume_from must be a checkpoint of the same fit") as error:
        go_on(kept, net())
    assert words in str(error.value)


@pytest.mark.parametrize("inputs", [np.bool_(True), np.str_("robust")])
def test_numbers_of_numpy_describe_the_same_network(inputs, tmp_path):
    def made(whole, real):
        relu = lamina.activations.get("leaky_relu", alpha=real(0.1))
        layers = [lamina.Dense(whole(5), relu), lamina.Dropout(real(0.5)), lamina.Dense(whole(1))]
        huber = lamina.losses.get("huber", delta=real(1))
        plain = whole is int
        return lamina.Network(
            layers, whole(3), huber, seed=whole(5), normalize_inputs=inputs.item() if plain else inputs
        )

    X = np.random.default_rng(0).normal(size=(30, 3))
    path = tmp_path / "kept"
    made(np.int64, np.float64).fit(X, X[:, 0], epochs=np.int64(3), callbacks=[Checkpoint(path)])
    again = made(int, float)
    again.fit(X, X[:, 0], epochs=3, resume_from=path)
    again.save(tmp_path / "model")
    np.testing.assert_array_equal(lamina.load(tmp_path / "model").predict(X), lamina.load(path).predict(X))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"y": Y + 1e-9}, "of another: y has other values here$"),
        (
            {"sample_weight": np.r_[2.0, np.ones(ROWS - 1)]},
            "of another: sample_weight or class_weight has other values here$",
        ),
        (
            {"sample_weight": None},
            r"weight or class_weight was an array of float64, \(60,\), there and is not given here$",
        ),
        (
            {"validation": 0.3},
            r"validation was an array of int64, \(12,\), there and is an array of int64, \(18,\), here$",
        ),
        ({"validation": None}, "validation was an array of .* there and is not given here"),
        (
            {"validation": (X[:9], Y[:9])},
            "validation X was not given there .*; validation y was not given there",
        ),
    ],
)
def test_other_data_are_refused_by_name(kept, change, name):
    with pytest.raises(ValueError, match=name):
        go_on(kept, **change)


def test_other_rows_are_refused(kept):
    with pytest.raises(ValueError, match="of another: X has other values here; sample_weight"):
        network().fit(np.roll(X, 1, axis=0), Y, epochs=EPOCHS, validation=0.2, batch_size=16, resume_from=kept)


def test_what_may_differ_may(kept):
    history = go_on(kept, n_threads=2, verbose=0, max_time=1e6, resume=False, callbacks=[lambda epoch: None])
    assert history.epochs == EPOCHS


def test_a_file_that_is_not_there_begins_the_fit_where_it_will_be_written_alone(tmp_path):
    path = tmp_path / "none"
    for checkpoints in ([], [Checkpoint(tmp_path / "other")]):
        with pytest.raises(FileNotFoundError):
            go_on(path, callbacks=checkpoints)
    go_on(path, callbacks=[Checkpoint(f"{tmp_path}/./none")])
    assert path.exists()


def test_a_model_and_other_files_are_refused(kept, tmp_path):
    model, other = tmp_path / "model", tmp_path / "other"
    network().save(model)
    other.write_text("nothing of lamina's")
    for path in (model, other):
        with pytest.raises(ModelFileError, match=str(path)):
            go_on(path)
        with pytest.raises(ModelFileError, match=str(path)):  # also where it would be replaced
            go_on(path, callbacks=[Checkpoint(path)])
    with pytest.raises(IsADirectoryError):
        go_on(tmp_path)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_cut_or_altered_file_is_refused(kept, data, tmp_path_factory):
    whole = kept.read_bytes()
    path = tmp_path_factory.getbasetemp() / "altered"
    if data.draw(st.booleans()):
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    else:
        at = data.draw(st.integers(0, len(whole) - 1))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :])
    with pytest.raises(ModelFileError, match="altered"):
        go_on(path)
    with pytest.raises(ModelFileError):
        lamina.load(path)


def altered(path, change, to):
    """A checkpoint with something else in it, and the right checksum."""
    from lamina.storage import container
    from lamina.training.checkpoint import KeptFit

    contents = container.read(path, KeptFit.forms_of)
    kept, arrays = copy.deepcopy(contents.architecture), dict(contents.arrays)
    change(kept, arrays)
    if "state" in kept:
        kept["state"]["arrays"] = {name: [array.dtype.name, len(array)] for name, array in arrays.items()}
    made = container.Contents(kept, arrays, contents.metadata)
    from unittest.mock import patch

    with patch.object(container, "check_finite"):
        container.write(to, made)
    return to


ALTERATIONS = {
    "no state": lambda kept, arrays: kept.pop("state"),
    "no position": lambda kept, arrays: kept["state"].pop("position"),
    "an epoch of text": lambda kept, arrays: kept["state"]["position"].update(epoch="seven"),
    "no seconds": lambda kept, arrays: kept.update(timed_out=True) or kept["state"]["position"].update(seconds=None),
    "a negative count": lambda kept, arrays: kept["state"]["position"].update(waited=-5),
    "a huge count": lambda kept, arrays: kept["state"]["position"].update(waited=2**63 - 1),
    "other epochs": lambda kept, arrays: kept["state"]["position"].update(epoch=5),
    "a missing number": lambda kept, arrays: kept["state"]["position"].pop("rate"),
    "no memory": lambda kept, arrays: kept["state"].update(memory=None),
    "another memory": lambda kept, arrays: kept["state"]["memory"].update(optimizer="SGD"),
    "a step too far": lambda kept, arrays: kept["state"]["memory"].update(step=2**62),
    "no slot": lambda kept, arrays: arrays.pop("slot.1"),
    "a short slot": lambda kept, arrays: arrays.update({"slot.0": arrays["slot.0"][:3]}),
    "no best": lambda kept, arrays: arrays.pop("best.parameters"),
    "short parameters": lambda kept, arrays: arrays.update(parameters=arrays["parameters"][1:]),
    "not a number": lambda kept, arrays: arrays.update(parameters=arrays["parameters"] * np.nan),
    "options in a list": lambda kept, arrays: kept.update(options=[1]),
    "data of text": lambda kept, arrays: kept.update(data="mine"),
    "no network": lambda kept, arrays: kept.pop("of"),
    "a seed with a point": lambda kept, arrays: kept["of"].update(seed=5.0),
    "units with a point": lambda kept, arrays: kept["of"]["layers"][0].update(
        units=float(kept["of"]["layers"][0]["units"])
    ),
    "a truth in a number": lambda kept, arrays: kept["of"].update(normalize_inputs=0),
    "a network of its own kind": lambda kept, arrays: kept.update(of=dict(kept)),
}


@pytest.mark.parametrize("name", ALTERATIONS)
def test_what_a_file_says_is_not_believed(kept, name, tmp_path):
    path = altered(kept, ALTERATIONS[name], tmp_path / "altered")
    with pytest.raises(ValueError):
        go_on(path)


def test_a_checkpoint_of_another_version_is_warned_of(kept, tmp_path):
    path = altered(kept, lambda kept, arrays: kept.update(version="0.0.1"), tmp_path / "old")
    with pytest.warns(UserWarning, match=r"version '0\.0\.1' of lamina.* may not end with the same bits") as met:
        assert go_on(path).epochs == EPOCHS
    assert met[0].filename == __file__


@pytest.mark.parametrize("dtype", ["I64", "BOOL", "F16", "U8"])
def test_arrays_of_other_types_are_refused(kept, dtype, tmp_path):
    from safetensors.numpy import load, save

    from lamina.storage.container import _checksum

    whole, arrays = kept.read_bytes(), load(kept.read_bytes())
    header = json.loads(whole[8 : 8 + int.from_bytes(whole[:8], "little")])
    described = json.loads(header["__metadata__"]["lamina"])
    described["architecture"]["state"]["arrays"]["more"] = [dtype, 3]
    types = {"I64": np.int64, "BOOL": bool, "F16": np.float16, "U8": np.uint8}
    arrays["more"] = np.zeros(3, types[dtype])
    described["checksum"] = _checksum(described, arrays)
    (tmp_path / "altered").write_bytes(save(arrays, {"lamina": json.dumps(described)}))
    for ask in (go_on, lamina.load):
        with pytest.raises(ModelFileError, match=f"the array 'more' cannot be {dtype}"):
            ask(tmp_path / "altered")


def test_two_checkpoints_in_one_file_are_refused(tmp_path):
    with pytest.raises(ValueError, match="two checkpoints in one file"):
        plain_fit(network(), callbacks=[Checkpoint(tmp_path / "a"), Checkpoint(f"{tmp_path}/./a", 2)])


@pytest.mark.parametrize("every", [0, -1, 1.5, True, "2"])
def test_every_must_be_a_count(every):
    with pytest.raises((TypeError, ValueError), match="every"):
        Checkpoint("a", every)
    keep = Checkpoint("a", 3)
    with pytest.raises((TypeError, ValueError), match="every"):
        keep.every = every
    assert keep.every == 3


def test_a_path_can_be_one():
    for path, error in (("", ValueError), ("a\0b", ValueError), (3, TypeError)):
        with pytest.raises(error, match="path must"):
            Checkpoint(path)
        keep = Checkpoint("a")
        with pytest.raises(error, match="path must"):
            keep.path = path
        assert keep.path == "a"
        with pytest.raises(error, match="resume_from must"):
            plain_fit(network(), resume_from=path)


def test_a_checkpoint_does_not_go_where_it_is_not_known():
    with pytest.raises(TypeError, match=r"keeps the fits of a lamina\.Network alone; of cascades, .* checkpoint="):
        Checkpoint("a")(None)


def test_custom_parts_are_refused_before_training(tmp_path):
    own = lamina.activations.custom(np.tanh, lambda z: 1 - np.tanh(z) ** 2)
    net = network(activation=own)
    with pytest.raises(TypeError, match="custom activation"):
        plain_fit(net, callbacks=[Checkpoint(tmp_path / "a")])
    assert net.history is None
    assert not os.listdir(tmp_path)


def test_a_folder_that_is_not_there_is_found_out_before_training(tmp_path):
    net = network()
    with pytest.raises(FileNotFoundError, match="path of a Checkpoint must lie in a folder that exists"):
        plain_fit(net, callbacks=[Checkpoint(tmp_path / "none" / "a")])
    assert net.history is None


@pytest.mark.parametrize("there", [True, False])
def test_a_closed_folder_is_found_out_before_training(there, tmp_path, close_folder):
    path, net = tmp_path / "kept", network()
    if there:
        plain_fit(network(), callbacks=[Checkpoint(path)], epochs=2)
    before = there and path.read_bytes()
    close_folder()
    with pytest.raises(PermissionError, match="path of a Checkpoint must lie in a folder that may be written to"):
        plain_fit(net, callbacks=[Checkpoint(path)])
    assert net.history is None
    assert (path.read_bytes() == before) if there else not path.exists()


def test_a_finished_fit_is_there_in_a_closed_folder_too(tmp_path, close_folder):
    path = tmp_path / "kept"
    history = plain_fit(network(), callbacks=[Checkpoint(path)])
    close_folder()
    assert plain_fit(network(), callbacks=[Checkpoint(path)], resume_from=path) == history
    with pytest.raises(PermissionError, match="path of a Checkpoint must lie in a folder that may be written to"):
        plain_fit(network(), callbacks=[Checkpoint(tmp_path / "other")], resume_from=path)


def test_a_folder_that_closes_ends_the_fit_and_leaves_the_file_whole(tmp_path, monkeypatch):
    """As one is that something is mounted on meanwhile."""
    path, net = tmp_path / "kept", network()
    busy = lambda *args, **kwargs: (_ for _ in ()).throw(OSError(16, "busy"))  # noqa: E731
    close = lambda epoch: epoch.epoch == 4 and monkeypatch.setattr(os, "replace", busy)  # noqa: E731
    with pytest.raises(PermissionError, match="must lie in a folder that may be written to"):
        plain_fit(net, callbacks=[close, Checkpoint(path), lambda epoch: time.sleep(0.02)])
    assert lamina.load(path).history.epochs in (2, 3)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "open file"])
def test_what_is_no_file_is_refused_before_training(kind, tmp_path):
    path, net = tmp_path / "there", network()
    with contextlib.ExitStack() as ends:
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "device":
            path = "/dev/null"
        elif kind == "folder":
            path.mkdir()
        else:
            path = f"/dev/fd/{ends.enter_context(open(path, 'wb')).fileno()}"
        with pytest.raises((ValueError, IsADirectoryError), match="path of a Checkpoint must be that of a file"):
            plain_fit(net, callbacks=[Checkpoint(path)])
    assert net.history is None


def test_a_file_that_cannot_be_written_ends_the_fit_with_the_weights_so_far(tmp_path):
    path, net = tmp_path / "kept", network()
    path.write_bytes(b"kept")
    path.chmod(0o444)
    with pytest.raises(PermissionError, match="read-only"):
        plain_fit(net, callbacks=[Checkpoint(path), lambda epoch: time.sleep(0.05)])
    assert 1 <= net.history.epochs <= 2
    assert net.history.stop_reason == "interrupted"
    assert path.read_bytes() == b"kept"
    assert np.isfinite(net.predict(X)).all()


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread")
@pytest.mark.parametrize("threads", [True, False])
@pytest.mark.parametrize("every", [1, 100])
def test_ctrl_c_while_the_last_file_is_written_comes_after_that(every, threads, tmp_path, monkeypatch):
    fsync, seen = os.fsync, []

    def slow_disk(handle):
        if epochs and len(seen) < 3:
            seen.append(handle)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            time.sleep(0.05)
        return fsync(handle)

    def at_the_end(epoch):
        if epoch.epoch == 5:
            epochs.append(epoch)
            raise KeyboardInterrupt

    epochs, before = [], set(threading.enumerate())
    monkeypatch.setattr(os, "fsync", slow_disk)
    if not threads:
        monkeypatch.setattr(threading.Thread, "start", no_thread)
    keep = [Checkpoint(tmp_path / "one", every), Checkpoint(tmp_path / "other", every)]
    with pytest.raises(KeyboardInterrupt):
        plain_fit(network(), callbacks=[at_the_end, *keep])
    assert seen or every == 1  # then there may be nothing left to write
    for name in ("one", "other"):
        assert lamina.load(tmp_path / name).history.epochs == 4
    assert set(threading.enumerate()) == before
    assert sorted(os.listdir(tmp_path)) == ["one", "other"]


def test_no_thread_outlives_the_fit(tmp_path):
    before = set(threading.enumerate())
    plain_fit(network(), callbacks=[Checkpoint(tmp_path / "kept")])
    with pytest.raises(KeyboardInterrupt):
        plain_fit(network(), callbacks=[Checkpoint(tmp_path / "kept"), StopsAt(3)])
    assert set(threading.enumerate()) == before


# What else there is ----------------------------------------------------------------------------------------------


def no_thread(*_):
    raise RuntimeError("can't start new thread")


def test_files_are_written_where_no_thread_can_be_started(tmp_path, monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    check_resumption(network, plain_fit, tmp_path / "kept", at=4)


def test_fits_side_by_side_where_no_thread_can_be_started_are_a_matter_of_memory(monkeypatch):
    monkeypatch.setattr(side_by_side, "start_new_thread", no_thread)
    with pytest.raises(MemoryError, match="a smaller n_jobs needs fewer"):
        lamina.cross_validate(network(), X, Y, epochs=1, n_jobs=2)


def test_what_a_fit_side_by_side_raises_comes_out_whatever_it_is():
    def hook(_):
        raise queue.Empty("of a callback's own")

    with pytest.raises(queue.Empty, match="of a callback's own"):
        lamina.cross_validate(network(), X, Y, k=3, epochs=1, n_jobs=2, callbacks=[hook])


def test_two_checkpoints_of_one_fit_hold_the_same(tmp_path):
    often, seldom = tmp_path / "often", tmp_path / "seldom"
    plain_fit(network(), callbacks=[Checkpoint(often), Checkpoint(seldom, 5)])
    assert often.read_bytes() == seldom.read_bytes()


@pytest.mark.parametrize("first", ["gone", "there"])
@pytest.mark.parametrize(("every", "at"), [(1, 4), (100, 4), (100, EPOCHS)])
def test_of_two_checkpoints_one_is_brought_up_to_date_where_the_other_fails(first, every, at, tmp_path):
    for folder in ("gone", "there"):
        (tmp_path / folder).mkdir()
    keep = [Checkpoint(tmp_path / "gone" / "kept", every), Checkpoint(tmp_path / "there" / "kept", every)]
    net = network()

    def removes(epoch):
        if epoch.epoch == at:
            time.sleep(0.05)
            shutil.rmtree(tmp_path / "gone")

    with pytest.raises(FileNotFoundError, match="gone"):
        plain_fit(net, callbacks=[removes, *(keep if first == "gone" else keep[::-1])])
    kept = lamina.load(tmp_path / "there" / "kept").history
    assert kept.epochs == net.history.epochs
    assert kept.loss == net.history.loss


def test_a_checkpoint_elsewhere_is_written_of_a_fit_that_was_over(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    plain_fit(network(), callbacks=[Checkpoint(first)])
    plain_fit(network(), callbacks=[Checkpoint(second)], resume_from=first)
    assert first.read_bytes() == second.read_bytes()


def test_a_limit_of_time_is_gone_beyond(tmp_path):
    path = tmp_path / "kept"
    whole = network()
    want = bits(whole, plain_fit(whole))
    history = plain_fit(network(), callbacks=[Checkpoint(path)], max_time=1e-9)
    assert history.epochs == 1
    assert "time limit" in history.stop_reason
    again = plain_fit(network(), max_time=1e-9, resume_from=path)
    assert again == history
    resumed = network()
    assert_same(bits(resumed, plain_fit(resumed, resume_from=path)), want)


def test_the_seconds_of_all_parts_count(tmp_path):
    path, seen = tmp_path / "kept", []
    with pytest.raises(KeyboardInterrupt):
        plain_fit(network(), callbacks=[Checkpoint(path), lambda epoch: time.sleep(0.1), StopsAt(3)])
    plain_fit(network(), callbacks=[lambda epoch: seen.append((epoch.epoch, epoch.seconds))], resume_from=path)
    assert seen[0][0] == 3
    assert seen[0][1] >= 0.2


def test_a_callback_that_stops_has_stopped_for_good(tmp_path):
    path = tmp_path / "kept"
    stops = lambda epoch: epoch.stop("enough") if epoch.epoch == 3 else None  # noqa: E731
    net = network()
    history = plain_fit(net, callbacks=[stops, Checkpoint(path)])
    resumed = network()
    assert_same(bits(resumed, plain_fit(resumed, resume_from=path)), bits(net, history))
    assert history.stop_reason == "enough"


@pytest.mark.parametrize("reason", ["enough", ""])
def test_a_callback_that_stops_when_the_time_is_up_too_has_stopped_for_good(reason, tmp_path):
    path = tmp_path / "kept"
    stops = lambda epoch: epoch.stop(reason)  # noqa: E731
    net, resumed = network(), network()
    history = plain_fit(net, callbacks=[stops, Checkpoint(path)], max_time=1e-9)
    assert history.stop_reason == (reason or "stopped by a callback")
    assert history.epochs == 1
    assert_same(bits(resumed, plain_fit(resumed, resume_from=path)), bits(net, history))


def test_a_fit_that_diverges_does_so_again(tmp_path):
    path = tmp_path / "kept"
    rate = lambda epoch: setattr(epoch, "learning_rate", 1e30) if epoch.epoch == 3 else None  # noqa: E731
    net, resumed = network(activation="relu"), network(activation="relu")
    with pytest.warns(lamina.callbacks.DivergenceWarning):
        history = plain_fit(net, callbacks=[rate, Checkpoint(path)], optimizer="sgd")
    assert 3 <= lamina.load(path).history.epochs < history.epochs
    with pytest.warns(lamina.callbacks.DivergenceWarning):
        assert_same(bits(resumed, plain_fit(resumed, resume_from=path, optimizer="sgd")), bits(net, history))


# A signal in what Python itself calls when a thread is let go of is dropped by Python, with a warning.
@pytest.mark.filterwarnings("ignore:.*WeakSet:pytest.PytestUnraisableExceptionWarning")
def test_signals_at_any_moment_leave_no_trace(tmp_path):
    """Ctrl-C reaches steps, hooks, and the writing of files."""
    path, rng, fit = tmp_path / "kept", np.random.default_rng(0), with_options(epochs=60, early_stopping=None)
    make = lambda: network(lamina.Dropout(0.1))  # noqa: E731
    whole = make()
    want = bits(whole, fit(whole))
    interruptions = 0

    def press(*_):
        nonlocal interruptions
        interruptions += 1
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, press)
    try:
        for wait in np.linspace(0.02, 1, 40) * rng.uniform(0.5, 1, 40):
            resumed = make()
            try:
                signal.setitimer(signal.ITIMER_REAL, wait)
                history = fit(resumed, callbacks=[Checkpoint(path)], resume_from=path)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                continue
            break
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert interruptions >= 2
    assert_same(bits(resumed, history), want)


def test_an_estimator_keeps_its_fit_too(tmp_path):
    model = lamina.MLPRegressor((6,), max_iter=3, callbacks=[Checkpoint(tmp_path / "kept")], random_state=0)
    with pytest.warns(match="Maximum iterations"):
        model.fit(X, Y)
    kept = lamina.load(tmp_path / "kept")
    assert kept.history.epochs == 3
    np.testing.assert_array_equal(kept.predict(X), model.network_.predict(X))


def test_metadata_of_the_network_are_in_the_file(tmp_path):
    net = network()
    net.metadata["made"] = "here"
    plain_fit(net, callbacks=[Checkpoint(tmp_path / "kept")])
    assert lamina.load(tmp_path / "kept").metadata == {"made": "here"}


def test_a_network_with_a_past_is_made_the_one_of_the_checkpoint(kept):
    fresh, old = network(), network()
    plain_fit(old, epochs=2, optimizer="sgd")
    assert_same(bits(old, go_on(kept, old)), bits(fresh, go_on(kept, fresh)))


def test_going_on_further_with_resume_is_the_same_after_a_checkpoint(kept):
    whole, resumed = network(), network()
    plain_fit(whole, sample_weight=np.ones(ROWS))
    go_on(kept, resumed)
    for net in (whole, resumed):
        plain_fit(net, resume=True, epochs=3)
    assert_same(bits(resumed, resumed.history), bits(whole, whole.history))


def test_the_first_fit_of_a_loop_that_resumes_begins():
    one, other = network(), network()
    assert_same(bits(one, plain_fit(one, resume=True)), bits(other, plain_fit(other)))


def test_more_epochs_of_a_checkpoint_that_has_ended_are_refused(kept, tmp_path):
    """Its result at once would be no epoch more, and nobody would be told."""
    net, keep = network(), Checkpoint(tmp_path / "loop")
    loop = {"epochs": 1, "resume": True, "callbacks": [keep], "resume_from": keep.path}
    plain_fit(net, **loop)
    before, history = (tmp_path / "loop").read_bytes(), net.history
    with pytest.raises(
        ValueError, match=r"resume=True asks for more epochs, and .* has ended \(.*loop, after 1 epoch\)"
    ):
        plain_fit(net, **loop)
    assert (tmp_path / "loop").read_bytes() == before
    assert net.history is history


def test_resume_has_no_say_in_a_fit_that_goes_on(tmp_path):
    path, want = tmp_path / "kept", network()
    want_bits = bits(want, plain_fit(want))
    for first in (True, False):
        with pytest.raises(KeyboardInterrupt):
            plain_fit(network(), callbacks=[Checkpoint(path), StopsAt(3)], resume=first)
        net = network()
        assert_same(bits(net, plain_fit(net, resume_from=path, resume=not first)), want_bits)
    timed = network()
    assert plain_fit(timed, callbacks=[Checkpoint(path)], max_time=1e-9).epochs == 1
    assert_same(bits(timed, plain_fit(timed, resume_from=path, resume=True)), want_bits)


@pytest.mark.parametrize("past", ["another optimizer", "astype", "astype in a fit", "loaded", "solver", "restored"])
def test_resume_with_nothing_to_go_on_with_says_so(past, tmp_path):
    net = network()
    plain_fit(net, optimizer="sgd" if past == "another optimizer" else None)
    if past == "astype":
        net = net.astype("float32")
    if past == "astype in a fit":
        taken = []
        plain_fit(net, callbacks=[lambda epoch: taken.append(net.copy().astype("float32"))])
        net = taken[0]
    if past == "solver":
        net = network()
        net.fit(X, Y, epochs=2, optimizer="lbfgs")
    if past == "restored":
        for _ in range(2):
            ensemble = lamina.Ensemble(network(), 2)
            ensemble.fit(X, Y, epochs=1, checkpoint=tmp_path / "run")
        net = ensemble.members[0]
    if past == "loaded":
        net.save(tmp_path / "model")
        net = lamina.load(tmp_path / "model")
    before = {name: array.copy() for name, array in net.parameters.items()}
    with pytest.raises(ValueError, match="resume must be False"):
        plain_fit(net, resume=True)
    for name, array in before.items():
        np.testing.assert_array_equal(net.parameters[name], array)


def test_single_epochs_with_resume_have_new_orders_and_draws():
    net = network(lamina.Dropout(0.5))
    losses = []
    for epoch in range(6):  # the weights stay, so that losses differ by draws alone
        options = {"optimizer": lamina.SGD(1e-30), "validation": None, "batch_size": ROWS, "resume": epoch > 0}
        losses += plain_fit(net, epochs=1, **options).loss
    assert len(set(losses)) == 6


def test_single_epochs_with_resume_are_the_epochs_of_one_fit():
    one, looped = network(lamina.Dropout(0.5)), network(lamina.Dropout(0.5))
    plain_fit(one, validation=None, early_stopping=None)
    for epoch in range(EPOCHS):
        plain_fit(looped, validation=None, early_stopping=None, epochs=1, resume=epoch > 0)
    for name, array in one.parameters.items():
        np.testing.assert_array_equal(looped.parameters[name], array, err_msg=name)


# The command line ------------------------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "\n".join(",".join(f"{value:.6f}" for value in [*x, y]) for x, y in zip(X, Y, strict=True))
    (tmp_path / "data.csv").write_text(f"a,b,c,d,e,price\n{rows}\n")
    return tmp_path


def train(*more, out="model.lamina"):
    from lamina.cli import main

    return main(["train", "data.csv", "--target", "price", "--out", out, "--quiet", "--epochs", "8", *more])


def test_the_command_run_again_goes_on(table, monkeypatch):
    whole, fit = lamina.Network.fit, lamina.Network.fit
    assert train(out="whole.lamina") == 0
    want = (table / "whole.lamina").read_bytes()

    def broken(net, *samples, callbacks, **options):
        return fit(net, *samples, callbacks=[*callbacks, StopsAt(5)], **options)

    monkeypatch.setattr(lamina.Network, "fit", broken)
    assert train("--checkpoint", "kept") == 130
    assert (table / "model.lamina").read_bytes() != want
    monkeypatch.setattr(lamina.Network, "fit", whole)
    for _ in range(2):
        assert train("--checkpoint", "kept") == 0
        assert (table / "model.lamina").read_bytes() == want


def test_a_checkpoint_is_a_model_to_the_command(table, capsys):
    from lamina.cli import main

    assert train("--checkpoint", "kept") == 0
    capsys.readouterr()
    assert main(["predict", "kept", "data.csv"]) == 0
    from_checkpoint = capsys.readouterr().out
    assert main(["predict", "model.lamina", "data.csv"]) == 0
    assert capsys.readouterr().out == from_checkpoint
    assert main(["info", "kept"]) == 0


def test_the_command_refuses_a_checkpoint_of_another_training(table, capsys):
    assert train("--checkpoint", "kept") == 0
    before = (table / "kept").read_bytes()
    capsys.readouterr()
    assert train("--checkpoint", "kept", "--lr", "0.1") == 2
    assert "--checkpoint kept is of another training: optimizer.lr was 0.001 there and is 0.1 here" in (
        capsys.readouterr().err
    )
    assert train("--checkpoint", "kept", "--seed", "7") == 2
    assert (table / "kept").read_bytes() == before


@pytest.mark.parametrize("there", ["model.lamina", "data.csv", "notes"])
def test_the_command_writes_a_checkpoint_over_nothing_else(table, there, capsys):
    (table / "notes").write_text("mine")
    assert train() == 0
    before = (table / there).read_bytes()
    assert train("--checkpoint", there, out="other.lamina") == 2
    assert there in capsys.readouterr().err
    assert (table / there).read_bytes() == before


def test_metrics_and_a_table_go_on(tmp_path):
    def fit(net, **more):
        given = {"mae": "mae", "largest": lambda net, X, y: float(np.abs(net.predict(X)).max())}
        return net.fit(X, Y, epochs=9, metrics=given, **more)

    check_resumption(network, fit, tmp_path / "kept", at=5)
    paths = [tmp_path / "whole.csv", tmp_path / "kept.csv"]
    fit(network(), callbacks=[lamina.callbacks.CSVLogger(paths[0])])
    keep = Checkpoint(tmp_path / "other", every=3)
    table = lamina.callbacks.CSVLogger(paths[1], append=True)
    with pytest.raises(KeyboardInterrupt):
        fit(network(), callbacks=[table, keep, StopsAt(5)], resume_from=keep.path)
    fit(network(), callbacks=[table, keep], resume_from=keep.path)
    whole, kept = ([row.rsplit(",", 1)[0] for row in path.read_text().splitlines()] for path in paths)
    assert kept == whole
    history = network().fit(X, Y, epochs=9, metrics=["mae", "r2"], resume_from=tmp_path / "kept")
    assert np.isnan(history.metrics["r2"]).all()
    assert np.isfinite(history.metrics["mae"]).all()


def test_a_table_has_no_epoch_twice_where_a_fit_is_broken_off_before_its_first_checkpoint(tmp_path):
    def fit(net, table, *hooks, name="kept", append=True, **options):
        keep, log = Checkpoint(tmp_path / name, every=5), lamina.callbacks.CSVLogger(table, append=append)
        net.fit(X, Y, **{"epochs": 7, **options}, callbacks=[log, keep, *hooks], resume_from=keep.path)

    def told(path):
        return [row.rsplit(",", 1)[0] for row in path.read_text().splitlines()]

    table, whole = tmp_path / "kept.csv", tmp_path / "whole.csv"
    fit(network(), whole, name="first")
    for at in (1, 3):
        with pytest.raises(KeyboardInterrupt):
            fit(network(), table, StopsAt(at))
        assert len(told(table)) == 1 + at
        (tmp_path / "kept").unlink(missing_ok=True)  # as if the process had been killed before it was written
    fit(network(), table)
    assert told(table) == told(whole)
    (tmp_path / "kept").unlink()
    fit(network(), table, l2=0.1)  # another fit goes below
    assert told(table)[:8] == told(whole)
    assert [row.partition(",")[0] for row in told(table)[8:]] == [str(epoch) for epoch in range(1, 8)]


def test_a_checkpoint_of_a_network_without_parameters_is_one(tmp_path):
    net = lamina.Network([lamina.Dropout(0.1)], INPUTS)
    net.fit(X, X, epochs=2, callbacks=[Checkpoint(tmp_path / "fit")], verbose=0)
    np.testing.assert_array_equal(lamina.load(tmp_path / "fit").predict(X), net.predict(X))


@pytest.mark.parametrize("name", ["LBFGS", "LevenbergMarquardt"])
def test_more_time_leads_no_further_than_the_end_of_a_solver(name, tmp_path):
    """The limit of time may end a fit just where it has converged."""
    options = {
        "epochs": 60,
        "optimizer": getattr(lamina, name)(loss_tolerance=1e-2),
        "verbose": 0,
        "early_stopping": None,
    }
    net = network()
    history = net.fit(X, Y, **options)
    assert history.stop_reason.startswith("converged")
    last = len(history.loss)
    keep = Checkpoint(tmp_path / "fit")
    broken = network().fit(
        X, Y, **options, max_time=0.5, callbacks=[keep, lambda epoch: time.sleep(0.6 * (epoch.epoch == last - 1))]
    )
    assert len(broken.loss) <= last
    again = network()
    assert again.fit(X, Y, **options, max_time=1e6, resume_from=keep.path).loss == history.loss
    np.testing.assert_array_equal(again.core.flat_parameters, net.core.flat_parameters)


def test_files_stay_where_they_were_meant_when_the_program_goes_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    table = lamina.callbacks.CSVLogger("table.csv")
    history = plain_fit(
        network(), callbacks=[lambda epoch: os.chdir(tmp_path / "elsewhere"), Checkpoint("kept"), table]
    )
    assert not os.listdir(tmp_path / "elsewhere")
    assert lamina.load(tmp_path / "kept").history == history
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 1 + EPOCHS
