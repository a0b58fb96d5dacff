"""Schedules: factors against their formulas, the same bits on every level and in a fit, none of them calls Python."""

import gc
import json
import math
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import lamina
from lamina._dispatch import usable_levels
from lamina import schedules

HERE = lamina.simd_level()
LEVELS = usable_levels()
EPOCHS, SAMPLES = 12, 96


def at(epoch, epochs=EPOCHS, samples=None):
    return schedules.Progress(epoch, epochs, samples=math.floor(epoch) * SAMPLES if samples is None else samples)


def half_cosine(u):
    return (1 + math.cos(math.pi * u)) / 2


def cosine_with_restarts(p, period, growth, floor):
    done, length = p.epoch, period
    while done >= length:
        done, length = done - length, length * growth
    return floor + (1 - floor) * half_cosine(done / length)


def one_cycle(p, warm=0.3, div=25, final_div=1e4):
    u, first, last = p.epoch / p.epochs, 1 / div, 1 / div / final_div
    return 1 + (first - 1) * half_cosine(u / warm) if u < warm else last + (1 - last) * half_cosine((u - warm) / 0.7)


def coslog(p, cycles):
    return (1 - math.cos(2 * math.pi * math.log2(1 + (2**cycles - 1) * p.epoch / p.epochs))) / 2


# Schedules and what they are on paper.
PAPER = {
    "Step": (schedules.Step(3, 0.5), lambda p: 0.5 ** (math.floor(p.epoch) // 3)),
    "Exponential": (schedules.Exponential(0.9), lambda p: 0.9 ** math.floor(p.epoch)),
    "InverseScaling": (schedules.InverseScaling(0.7), lambda p: 1 / (p.samples + 1) ** 0.7),
    "Polynomial": (schedules.Polynomial(), lambda p: 1 - p.epoch / p.epochs),
    "Polynomial to an end": (schedules.Polynomial(2.5, 0.1), lambda p: 0.1 + 0.9 * (1 - p.epoch / p.epochs) ** 2.5),
    "Cosine": (schedules.Cosine(), lambda p: half_cosine(p.epoch / p.epochs)),
    "Cosine with restarts": (schedules.Cosine(2, 1.5, 0.1), lambda p: cosine_with_restarts(p, 2, 1.5, 0.1)),
    "OneCycle": (schedules.OneCycle(), one_cycle),
    "CosLog": (schedules.CosLog(), lambda p: coslog(p, 4)),
    "CosLog of three waves": (schedules.CosLog(3), lambda p: coslog(p, 3)),
    "FlatCosine": (schedules.FlatCosine(), lambda p: half_cosine(max(0.0, 2 * p.epoch / p.epochs - 1))),
    "FlatCosine from the start": (schedules.FlatCosine(0.0), lambda p: half_cosine(p.epoch / p.epochs)),
    "Warmup": (schedules.Warmup(3, start=0.2), lambda p: min(1, 0.2 + 0.8 * p.epoch / 3)),
    "Warmup, then Cosine": (
        schedules.Warmup(2.5, schedules.Cosine()),
        lambda p: p.epoch / 2.5 if p.epoch < 2.5 else half_cosine((p.epoch - 2.5) / (p.epochs - 2.5)),
    ),
    "Warmup twice": (
        schedules.Warmup(2, schedules.Warmup(3)),
        lambda p: p.epoch / 2 if p.epoch < 2 else min(1, (p.epoch - 2) / 3),
    ),
}
MOMENTS = np.linspace(0, EPOCHS, 97)


def factors():
    """All of the schedules' factors, as hexadecimal numbers, and the weights that a fit under each one ends with."""
    found = {}
    for name, (schedule, _) in PAPER.items():
        net, X, y = problem()
        net.fit(X, y, schedule=schedule, **PLAIN)
        found[name] = [schedules.factor(schedule, at(epoch)).hex() for epoch in MOMENTS]
        found[f"{name}, fit"] = [float(w).hex() for w in net.parameters["0.weight"].ravel()]
    return found


def problem():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(SAMPLES, 4))
    return lamina.Network([lamina.Dense(5, "relu"), lamina.Dense(1)], n_inputs=4, dtype="float64"), X, X[:, 0] ** 2


PLAIN = {"epochs": EPOCHS, "batch_size": 32, "validation": None, "early_stopping": None, "optimizer": lamina.SGD(0.01)}


def test_every_schedule_has_its_formula_here():
    assert set(schedules.names()) == {type(schedule).__name__ for schedule, _ in PAPER.values()}


@pytest.mark.parametrize("name", PAPER)
def test_factors_are_those_on_paper(name):
    schedule, paper = PAPER[name]
    for epoch in MOMENTS:
        progress = at(epoch)
        assert schedules.factor(schedule, progress) == pytest.approx(paper(progress), rel=1e-13, abs=1e-16)
        assert schedule(progress) == schedules.factor(schedule, progress)


@pytest.mark.parametrize("name", PAPER)
def test_a_fit_has_the_bits_of_the_factor(name):
    net, X, y = problem()
    schedule = PAPER[name][0]
    history = net.fit(X, y, schedule=schedule, **PLAIN)
    last = [epoch + 64 / SAMPLES for epoch in range(EPOCHS)]  # where the third of an epoch's batches begins
    assert history.learning_rate == [0.01 * schedules.factor(schedule, at(epoch)) for epoch in last]
    other, *_ = problem()
    other.fit(X, y, schedule=lambda progress: schedule(progress), **PLAIN)
    np.testing.assert_array_equal(net.predict(X), other.predict(X))


@pytest.mark.parametrize("level", [level for level in LEVELS if level != HERE])
def test_bits_do_not_depend_on_the_level(level):
    """But for v2, which has no fused multiply-add."""
    environment = os.environ | {"LAMINA_SIMD": level}
    run = subprocess.run([sys.executable, __file__], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    other, own = json.loads(run.stdout), factors()
    if "v2" not in (level, HERE):
        assert other == own
    for name, numbers in own.items():
        got, want = ([float.fromhex(number) for number in found] for found in (other[name], numbers))
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-16, err_msg=name)


def test_a_warm_up_has_the_bits_of_its_formula():
    then = schedules.Exponential(0.8)
    for start, rise in ((0.0, 3), (0.1, 2.7), (0.3, 7.0)):
        for following in (None, then, lambda progress: then(progress)):
            warm = schedules.Warmup(rise, following, start)
            for epoch in MOMENTS:
                rest = at(epoch - rise, EPOCHS - rise, at(epoch).samples)
                after = 1.0 if following is None else then(rest)
                want = start + (1 - start) * epoch / rise if epoch < rise else after
                assert warm(at(epoch)) == want


def calls_of_python(**options):
    """How many functions of Python a fit calls."""
    net, X, y = problem()
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event == "call"

    net.fit(X, y, **PLAIN | options)  # imports, caches
    gc.disable()  # it may call what others have registered with it
    sys.setprofile(count)
    try:
        net.fit(X, y, **PLAIN | options)
    finally:
        sys.setprofile(None)
        gc.enable()
    return calls


@pytest.mark.parametrize(
    "options",
    [
        *({"schedule": schedule} for schedule, _ in PAPER.values()),
        {"schedule": schedules.ReduceOnPlateau(patience=1)},
        {"early_stopping": lamina.EarlyStopping(patience=100, monitor="loss")},
        {"early_stopping": lamina.EarlyStopping(patience=100), "validation": 0.2},
    ],
    ids=[*PAPER, "ReduceOnPlateau", "training loss", "validation loss"],
)
def test_python_is_not_called_for_a_batch_or_an_epoch(options):
    assert calls_of_python(epochs=1, **options) == calls_of_python(epochs=30, **options)
    # And the count would see it.
    assert calls_of_python(epochs=30, schedule=lambda progress: 1.0) >= calls_of_python(epochs=1) + 90


class Plateau:
    """ReduceOnPlateau in Python, as a callback."""

    def __init__(self, factor, patience, min_delta, min_lr):
        self.rule, self.best, self.waited = (factor, patience, min_delta, min_lr), math.inf, 0

    def __call__(self, epoch):
        factor, patience, min_delta, min_lr = self.rule
        value = epoch.loss if epoch.validation_loss is None else epoch.validation_loss
        if value < self.best - min_delta:
            self.best, self.waited = value, 0
            return
        self.waited += 1
        if self.waited == patience:
            self.waited = 0
            epoch.learning_rate = min(epoch.learning_rate, max(epoch.learning_rate * factor, min_lr))


@pytest.mark.parametrize("validation", [None, 0.25])
def test_a_plateau_cuts_the_rate(validation):
    rule = {"factor": 0.5, "patience": 2, "min_delta": 0.2, "min_lr": 2e-3}
    options = PLAIN | {"epochs": 40, "validation": validation}
    got, own, called = problem(), problem(), problem()
    history = got[0].fit(*got[1:], schedule=schedules.ReduceOnPlateau(**rule), **options)
    assert history == own[0].fit(*own[1:], callbacks=Plateau(**rule), **options)
    assert history == called[0].fit(*called[1:], callbacks=schedules.ReduceOnPlateau(**rule).watcher(), **options)
    assert history.learning_rate[0] == 0.01
    assert history.learning_rate[-1] == 2e-3


def test_a_plateau_never_raises_the_rate():
    net, x, t = problem()
    plateau = schedules.ReduceOnPlateau(patience=1, min_delta=1e9, min_lr=0.5)
    history = net.fit(x, t, schedule=plateau, **PLAIN | {"epochs": 5, "validation": None})
    assert history.learning_rate == [0.01] * 5


@pytest.mark.parametrize("validation", [None, 0.25])
def test_stopping_by_the_training_loss(validation):
    options = PLAIN | {"epochs": 40, "validation": validation}
    stopping = {"patience": 2, "min_delta": 0.2}
    got, own = problem(), problem()
    watched = lamina.EarlyStopping(monitor="loss", **stopping)
    history = got[0].fit(*got[1:], **options | {"early_stopping": watched})
    called = lamina.EarlyStopping(monitor=lambda epoch: epoch.loss, **stopping)
    assert history == own[0].fit(*own[1:], **options | {"early_stopping": called})
    assert history.stop_reason.startswith("early stopping")
    np.testing.assert_array_equal(got[0].predict(got[1]), own[0].predict(got[1]))


SOME = [
    schedules.Warmup(3),
    schedules.Warmup(2.5, schedules.Warmup(1, schedules.Step(2)), start=0.5),
    schedules.Cosine(2),
    schedules.ReduceOnPlateau(0.5, patience=3, min_lr=1e-4),
]


@pytest.mark.parametrize("schedule", SOME, ids=repr)
def test_repr_and_pickles(schedule):
    assert eval(repr(schedule)) == schedule
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    assert repr(schedule).startswith(f"lamina.schedules.{type(schedule).__name__}(")


def from_before(name, state):
    """What a pickle holds of an instance of a class written in Python, which these two were."""
    made = f"\x80\x02clamina.schedules\n{name}\n)\x81".encode("latin-1")
    return pickle.loads(made + pickle.dumps(state, 2)[2:-1] + b"b.")


def test_pickles_of_the_former_classes():
    warm = from_before("Warmup", {"epochs": 3, "then": schedules.Cosine(), "start": 0.25})
    assert warm == schedules.Warmup(3, schedules.Cosine(), 0.25)
    plateau = from_before("ReduceOnPlateau", {"factor": 0.5, "patience": 3, "min_delta": 0.01, "min_lr": 0})
    assert plateau == schedules.ReduceOnPlateau(0.5, 3, 0.01)


def constant(progress):
    return 0.5


def test_a_function_after_a_warm_up():
    warm = pickle.loads(pickle.dumps(schedules.Warmup(2, constant)))
    assert warm.then is constant
    assert [warm(at(epoch)) for epoch in (1, 2, 3)] == [0.5, 0.5, 0.5]


def test_a_subclass_may_have_a_factor_of_its_own():
    class Half(schedules.Exponential):
        def __call__(self, progress):
            return 0.5 * super().__call__(progress)

    net, X, y = problem()
    history = net.fit(X, y, schedule=Half(0.5), **PLAIN)
    assert history.learning_rate == [0.01 * (0.5 * schedules.Exponential(0.5)(at(epoch))) for epoch in range(EPOCHS)]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: schedules.Warmup(0), ValueError, "epochs of Warmup must be greater than 0; got 0"),
        (lambda: schedules.Warmup(1, start=2), ValueError, r"start of Warmup must be in \[0, 1\]; got 2"),
        (lambda: schedules.Warmup(1, 5), TypeError, "Warmup"),
        (lambda: schedules.ReduceOnPlateau(1), ValueError, r"factor of ReduceOnPlateau must be in \(0, 1\); got 1"),
        (lambda: schedules.ReduceOnPlateau(patience=0), ValueError, "patience of ReduceOnPlateau must be at least 1"),
        (lambda: schedules.ReduceOnPlateau(min_lr=-1), ValueError, "min_lr of ReduceOnPlateau must be at least 0"),
        (lambda: schedules.factor(lambda progress: -1, at(3)), ValueError, "at least 0; got -1 at epoch 3"),
        (lambda: schedules.factor(lambda progress: "a", at(3)), TypeError, "must give a number.*'a'"),
        (lambda: schedules.factor(schedules.Exponential(9), at(400)), ValueError, "got inf at epoch 400"),
        (lambda: problem()[0].fit(*problem()[1:], schedule=5), TypeError, "schedule must be a schedule .* got 5"),
    ],
)
def test_misuse(make, error, message):
    with pytest.raises(error, match=message):
        make()


if __name__ == "__main__":
    json.dump(factors(), sys.stdout)
