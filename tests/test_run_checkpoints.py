"""Runs of whole parts that were broken off and made again: the same bits, and no part of another run, or of a ruin."""

import functools
import inspect
import itertools
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lamina
from conftest import TIMES
from containers import file_of, header_of, parts_of
from lamina.selection.side_by_side import FIT_OPTIONS
from lamina.storage.plain import difference, plain
from runs import LABELS, RUNS, VALUES, WEIGHT, Ticks, X, build, cascade, digest, frame, network

REFUSED = (lamina.CheckpointError, lamina.SearchFileError)
ALL = pytest.mark.parametrize("name", RUNS)
IN_CONTAINER = pytest.mark.parametrize("name", [name for name in RUNS if name != "search"])


def made(name, path=None, n_jobs=2, ticks=None, **changes):
    return RUNS[name].start(path, n_jobs, (ticks or Ticks()).hook(), **changes)


def outcome(name, *args, **options):
    return digest(RUNS[name].outcome(made(name, *args, **options)))


@pytest.fixture(scope="module")
def whole():
    """By run: the digest of its result, how many callbacks and how many seconds it takes."""
    found = {}
    for name in RUNS:
        ticks, started = Ticks(), time.perf_counter()
        result = made(name, ticks=ticks)
        count, seconds = ticks.count, time.perf_counter() - started
        found[name] = (digest(RUNS[name].outcome(result)), count, seconds)
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """By run: the bytes of the file when it has ended."""
    folder, found = tmp_path_factory.mktemp("runs"), {}
    for name in RUNS:
        made(name, folder / name)
        found[name] = (folder / name).read_bytes()
    return found


def test_every_function_that_keeps_a_checkpoint_is_tested_here():
    found = set()
    for public in lamina.__all__:
        thing = getattr(lamina, public)
        for name, function in [(public, thing), *((f"{public}.fit", thing.fit) for _ in "f" if hasattr(thing, "fit"))]:
            if inspect.isfunction(function) and "checkpoint" in inspect.signature(function).parameters:
                found.add(name)
    assert found == RUNS.keys() - {"search"}


# The same bits --------------------------------------------------------------------------------------------------------


@ALL
def test_a_file_changes_nothing(name, whole, tmp_path):
    assert outcome(name, tmp_path / "run") == whole[name][0]


@ALL
@pytest.mark.parametrize("n_jobs", [1, 3])
def test_a_finished_run_is_there_at_once(name, n_jobs, whole, finished, tmp_path, monkeypatch):
    (tmp_path / "run").write_bytes(finished[name])
    ticks = Ticks()
    with monkeypatch.context() as patch:
        patch.setattr(lamina.Network, "fit", lambda *_, **__: pytest.fail("nothing is to be trained"))
        result = made(name, os.fsencode(tmp_path / "run"), n_jobs, ticks)
    assert ticks.count == 0
    assert digest(RUNS[name].outcome(result)) == whole[name][0]
    assert (tmp_path / "run").read_bytes() == finished[name]


def interrupt():
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


def broken_off(name, path, n_jobs, ticks):
    """Whether Ctrl-C has come before the end, and then the digest of the result or None."""
    try:
        return outcome(name, path, n_jobs, ticks)
    except KeyboardInterrupt:
        return None


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread")
@ALL
@pytest.mark.parametrize("seed", range(3 * TIMES))
def test_ctrl_c_at_random_epochs(name, seed, whole, tmp_path):
    wanted, n_ticks, _ = whole[name]
    draw, path, spent = random.Random(seed), tmp_path / "run", 0
    for _ in range(4):
        ticks = Ticks(draw.randint(1, n_ticks), interrupt)
        found = broken_off(name, path, draw.randint(1, 3), ticks)
        spent += ticks.count
        assert found in (None, wanted)
        if found:
            break
    ticks = Ticks()
    assert outcome(name, path, draw.randint(1, 3), ticks) == wanted
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread")
# Between the opening of a file and the `with` that closes it, too: closed then as it is let go of, with a warning.
@pytest.mark.filterwarnings("ignore:.*_io:pytest.PytestUnraisableExceptionWarning")
@ALL
def test_ctrl_c_at_random_moments(name, whole, tmp_path):
    """At any moment, in the midst of writing too."""
    wanted, _, seconds = whole[name]
    draw, started = random.Random(7), signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        for number in range(6 * TIMES):
            path, found = tmp_path / str(number), None
            for delay in (draw.uniform(0, seconds), draw.uniform(0, seconds / 2)):
                try:
                    signal.setitimer(signal.ITIMER_REAL, delay + 1e-3)
                    found = made(name, path, draw.randint(1, 3))
                    signal.setitimer(signal.ITIMER_REAL, 0)
                except KeyboardInterrupt:
                    pass
            assert outcome(name, path, 2) == wanted
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, started)
    assert found is None or digest(RUNS[name].outcome(found)) == wanted
    assert len(list(tmp_path.iterdir())) == 6 * TIMES


@ALL
def test_killed_processes(name, whole, tmp_path):
    """In callbacks and at random moments, in the midst of writing too."""
    wanted, n_ticks, seconds = whole[name]
    draw, path, program = random.Random(3), tmp_path / "run", str(Path(__file__).with_name("runs.py"))
    kills = 1 if name.startswith("Tabular") else 2  # whose process takes seconds to begin
    ends = [(draw.randint(n_ticks // 2, n_ticks), 0) for _ in range(kills * TIMES)]
    ends += [(0, draw.uniform(1e-3, 2 * seconds)) for _ in range(kills * TIMES)]
    for limit, moment in [*draw.sample(ends, len(ends)), (0, 0)]:
        command = [sys.executable, program, name, str(path), str(draw.randint(1, 3)), str(limit), str(moment)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode == 0:
            assert run.stdout.strip() == wanted
        else:
            assert run.returncode in (-signal.SIGKILL, -signal.SIGALRM), run.stderr
    assert run.returncode == 0
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


@IN_CONTAINER  # of a search an error in a trial is a matter of the trial
def test_an_error_keeps_what_has_ended(name, whole, tmp_path):
    class BadLuckError(Exception):
        pass

    def fail():
        raise BadLuckError

    ticks = Ticks(whole[name][1] - 1, fail)
    with pytest.raises(BadLuckError):
        made(name, tmp_path / "run", 1, ticks)
    rest = Ticks()
    result = made(name, tmp_path / "run", 1, rest)
    assert 0 < rest.count < whole[name][1] / 2
    assert digest(RUNS[name].outcome(result)) == whole[name][0]


def test_a_callback_that_ended_growth_has_ended_it(tmp_path):
    def tick(stage):
        if stage.units == 2:
            stage.stop()

    net, again = cascade(), cascade()
    options = {"tolerance": 0.01, "callbacks": tick, "output_epochs": 20, "candidate_epochs": 20}
    history = net.fit(X, VALUES, **options)
    assert history.stop_reason == "stopped by a callback"
    again.fit(X, VALUES, checkpoint=tmp_path / "run", **options)
    description, arrays = parts_of((tmp_path / "run").read_bytes())
    del description["architecture"]["parts"]["end"]  # as of a process that was killed right then
    (tmp_path / "run").write_bytes(file_of(description, arrays))
    assert cascade().fit(X, VALUES, checkpoint=tmp_path / "run", **options) == history


def test_a_stage_whose_error_is_not_finite_is_told_of_with_the_end(tmp_path):
    net = lamina.CascadeNetwork(4, 1, 3, 4, "identity", output="identity")
    held = (np.full((5, 4), 3e38), np.full(5, 1e30))
    for _ in range(2):
        with pytest.warns(lamina.DivergenceWarning):
            net.fit(X, VALUES, validation=held, checkpoint=tmp_path / "run")
    assert "end" in parts_of((tmp_path / "run").read_bytes())[0]["architecture"]["parts"]


# Another run ----------------------------------------------------------------------------------------------------------

OTHER_OPTIONS = {
    "epochs": 9,
    "batch_size": 16,
    "optimizer": lamina.SGD(0.1),
    "schedule": lamina.schedules.Step(),
    "decay_schedule": lamina.schedules.Cosine(),
    "dropout_schedule": lamina.schedules.Cosine(),
    "rates": {0: 0.5},
    "decays": {"bias": 0.5},
    "average": 0.9,
    "l1": 1e-3,
    "l2": 1e-3,
    "clip": lamina.AGC(),
    "early_stopping": lamina.EarlyStopping(3),
    "metrics": ["accuracy"],
    "class_weight": "balanced",
    "max_time": 1000.0,
    "shuffle": False,
    "penalty_per_batch": True,
}
DATA = {"X": X + 1, "y": 1 - LABELS}
NETS = [
    (network(units=7), r"network\.layers\[0\]\.units was 6 there and is 7 here"),
    (network(seed=4), r"network\.seed was 3 there and is 4 here"),
    (network(dtype="float64"), r"network\.dtype"),
    (
        lamina.Network([lamina.Dense(2)], 4, "cross_entropy", seed=3),
        r"network\.layers had 4 entries there and has 1 here",
    ),
]
CASCADES = [
    (cascade(seed=4), r"network\.seed was 3 there and is 4 here"),
    (cascade(dtype="float64"), r"network\.dtype"),
    (lamina.CascadeNetwork(4, 1, 5, 8, "tanh"), r"network\.max_units was 7 there and is 8 here"),
]
OF_FITS = [({name: value}, rf"options\.{name}") for name, value in OTHER_OPTIONS.items()]
RUNS["cross_validate"].others = [
    *(other for other in OF_FITS if "shuffle" not in other[0]),  # which is about the folds here
    *(({name: value}, rf"data\.{name}") for name, value in {**DATA, "sample_weight": WEIGHT}.items()),
    *(({"net": net}, words) for net, words in NETS),
    ({"k": 5}, "k was 4 there and is 5 here"),
    ({"k": [(np.arange(60), np.arange(60, 120))]}, "k was 4 there and is not given here"),
    ({"seed": 1}, "seed was 0 there and is 1 here"),
    ({"stratify": False}, "stratify was True there and is False here"),
    ({"shuffle": False}, "shuffle was True there and is False here"),
    ({"groups": np.arange(120) // 5}, "groups was None there"),
    ({"scoring": None}, "scoring was 'accuracy' there and is None here"),
    ({"scoring": lambda net, X, y: 1.0}, "scoring was 'accuracy' there and is '<lambda>' here"),
    ({"validation": 0.1}, r"options\.validation was None there and is 0.1 here"),
    ({"validation": lamina.Split(0.1)}, r"options\.validation"),
]
RUNS["Ensemble.fit"].others = [
    *OF_FITS,
    *(({name: value}, rf"data\.{name}") for name, value in {**DATA, "sample_weight": None}.items()),
    *(({"net": net}, words.replace("network", r"members\[0\]", 1)) for net, words in NETS),
    ({"members": 6}, "members had 5 entries there and has 6 here"),
    ({"validation": (X, LABELS)}, r"options\.validation was 0.1 there"),
    ({"scoring": "accuracy"}, r"options\.scoring was None there and is 'accuracy' here"),
]
OTHER_GROWTH = {
    "validation": 0.3,
    "patience": 6,
    "optimizer": "rprop",
    "tolerance": 0.02,
    "output_epochs": 61,
    "output_patience": 13,
    "output_threshold": 0.02,
    "candidate_epochs": 61,
    "candidate_patience": 13,
    "candidate_threshold": 0.02,
    "mu": 1.0,
    "decay": 1e-3,
}
RUNS["CascadeNetwork.fit"].others = [
    *(({name: value}, rf"options\.{name}") for name, value in OTHER_GROWTH.items()),
    ({"validation": (X, VALUES), "validation_sample_weight": WEIGHT}, r"options\.validation"),
    *(({name: value}, rf"data\.{name}") for name, value in {"X": X + 1, "sample_weight": WEIGHT}.items()),
    *(({"net": net}, words) for net, words in CASCADES),
]
OTHER_TABULAR = {
    "preset": "fast",
    "width": 7,
    "depth": 2,
    "activation": "relu",
    "dropout": 0.3,
    "embeddings": "none",
    "learning_rate": 0.02,
    "weight_decay": 0.01,
    "batch_size": 16,
    "epochs": 5,
    "patience": 3,
    "validation": 0.3,
    "categorical_features": ["x0"],
}
OTHER_CLASSIFIER = {
    "n_folds": 4,
    "n_members": 3,
    "metric": "log_loss",
    "label_smoothing": 0.1,
    "class_weight": "balanced",
    "calibrate": False,
}
OTHER_REGRESSOR = {"n_folds": 3, "n_members": 3, "metric": "mae", "loss": "huber", "quantiles": [0.7]}
WITH = {"loss": {"quantiles": None}, "metric": {"quantiles": None}}
for own, others, y in (("Classifier", OTHER_CLASSIFIER, 1 - LABELS), ("Regressor", OTHER_REGRESSOR, 1 + VALUES)):
    RUNS[f"Tabular{own}.fit"].others = [
        *(
            ({name: value, **(WITH.get(name, {}) if own == "Regressor" else {})}, rf"{name} (was|had) ")
            for name, value in {**OTHER_TABULAR, **others}.items()
        ),
        ({"random_state": 4}, "random_state was 3 there and is 4 here; give another path"),
        ({"X": frame().assign(x0=X[:, 0] ** 3)}, "X has other values here; give another path"),
        ({"y": y}, "y has other values here; give another path"),
        ({"sample_weight": WEIGHT}, r"sample_weight was None there and is an array of float32, \(120,\), here"),
        ({"max_time": 1000.0}, "max_time was not given there and is given here; give another path"),
    ]
RUNS["TabularRegressor.fit"].others.append(
    ({"X_val": frame(), "y_val": VALUES}, "X_val and y_val were not given there and are given here")
)
RUNS["search"].others = [
    *(({name: value}, rf"options(\.{name})?") for name, value in OTHER_OPTIONS.items() if name != "l2"),
    *(({name: value}, r"data(\.|\[)") for name, value in DATA.items()),
    ({"k": 3}, "k was 2 there and is 3 here"),
    ({"seed": 1}, "seed was 0 there and is 1 here"),
    ({"factor": 2}, "factor was 3 there and is 2 here"),
]


def test_every_option_is_compared():
    own = {"scoring", "lengths", "callbacks", "resume_from"}  # in the runs' own lists, or of another network
    assert FIT_OPTIONS - own == OTHER_OPTIONS.keys()
    asked = inspect.signature(lamina.CascadeNetwork.fit).parameters.keys()
    own = {"self", "X", "y", "sample_weight", "validation_sample_weight", "callbacks", "n_threads", "verbose"}
    assert asked - own - {"checkpoint"} == OTHER_GROWTH.keys()
    own = {"max_time", "n_jobs", "random_state", "verbose"}
    assert lamina.TabularClassifier().get_params().keys() - own == OTHER_TABULAR.keys() | OTHER_CLASSIFIER.keys()
    assert lamina.TabularRegressor().get_params().keys() - own == OTHER_TABULAR.keys() | OTHER_REGRESSOR.keys()


@pytest.mark.filterwarnings("ignore:y has")
@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        pytest.param(name, change, words, id=f"{name}-{'-'.join(change)}")
        for name, run in RUNS.items()
        for change, words in run.others
    ],
)
def test_another_run_is_refused_by_name(name, change, words, finished, tmp_path):
    (tmp_path / "run").write_bytes(finished[name])
    with pytest.raises(
        (lamina.CheckpointError, lamina.SearchFileError), match=f"(is of another|holds another search): .*{words}"
    ):
        made(name, tmp_path / "run", **change)
    assert (tmp_path / "run").read_bytes() == finished[name]


@ALL
def test_a_file_without_a_part_stands_in_nobodys_way(name, whole, tmp_path):
    stop = Ticks()
    with pytest.MonkeyPatch.context() as patch:
        for kept in (lamina.storage.run_file.RunFile, lamina.selection.trial_file.TrialFile):
            patch.setattr(kept, "add", lambda *_: pytest.fail("no part was to end"))
            patch.setattr(kept, "known", lambda *_: interrupt_now(), raising=False)
            patch.setattr(kept, "find", lambda *_: interrupt_now(), raising=False)
        other = {"random_state": 4} if name.startswith("Tabular") else {"X": X**3}
        with pytest.raises(KeyboardInterrupt):
            made(name, tmp_path / "run", ticks=stop, **other)
    assert stop.count == 0
    assert (tmp_path / "run").exists()
    assert outcome(name, tmp_path / "run") == whole[name][0]


def interrupt_now():
    raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["cross_validate", "Ensemble.fit", "search"])
@pytest.mark.parametrize("option", [{"n_threads": 2}, {"callbacks": lamina.callbacks.Checkpoint("fit")}])
def test_options_that_no_fit_takes_leave_no_file(name, option, tmp_path):
    path = tmp_path / "run"
    call = {
        "cross_validate": lambda: lamina.cross_validate(network(), X, LABELS, checkpoint=path, **option),
        "Ensemble.fit": lambda: lamina.Ensemble(network(), 2).fit(X, LABELS, checkpoint=path, **option),
        "search": lambda: lamina.search(build, {"units": [2, 3]}, X, LABELS, path=path, **option),
    }[name]
    with pytest.raises(TypeError, match=f"{next(iter(option))[:-1]}|keeps one fit alone"):
        call()
    assert not path.exists()


@pytest.mark.parametrize("name", [name for name in RUNS if not name.startswith("Tabular")])
def test_callbacks_are_compared_by_their_names(name, finished, tmp_path):
    (tmp_path / "run").write_bytes(finished[name])

    class Other(Ticks):
        def hook(self):
            return print

    with pytest.raises(REFUSED, match=r"options\.callbacks"):
        made(name, tmp_path / "run", ticks=Other())


@IN_CONTAINER
@pytest.mark.parametrize("other", [*RUNS, "model", "text", "nothing"])
def test_a_file_of_something_else_is_refused(name, other, finished, tmp_path):
    path = tmp_path / "run"
    if other == name:
        return
    if other == "model":
        network().save(path)
    else:
        path.write_bytes({"text": b"dear diary\n", "nothing": b""}.get(other) or finished.get(other, b""))
    before = path.read_bytes()
    with pytest.raises(lamina.CheckpointError, match=r"is not a lamina checkpoint|must be one of .*; .* is of"):
        made(name, path)
    assert path.read_bytes() == before


@IN_CONTAINER
def test_the_checkpoint_of_a_fit_is_called_so(name, tmp_path):
    keep = lamina.callbacks.Checkpoint(tmp_path / "fit")
    network().fit(X, LABELS, epochs=1, callbacks=[keep])
    before = (tmp_path / "fit").read_bytes()
    words = (
        r"is not a lamina checkpoint of a run, but a checkpoint of one fit of a network, which fit\(..., resume_from="
    )
    with pytest.raises(lamina.CheckpointError, match=words):
        made(name, keep.path)
    assert (tmp_path / "fit").read_bytes() == before


@IN_CONTAINER
def test_a_checkpoint_is_no_model(name, finished, tmp_path):
    (tmp_path / "run").write_bytes(finished[name])
    with pytest.raises(lamina.ModelFileError, match="is not a lamina model, but a checkpoint of a run"):
        lamina.load(tmp_path / "run")


@IN_CONTAINER
def test_what_cannot_be_written_is_found_out_before_anything_is_trained(name, tmp_path):
    ticks = Ticks()
    with pytest.raises(FileNotFoundError):
        made(name, tmp_path / "nowhere" / "run", ticks=ticks)
    assert ticks.count == 0
    for wrong, error in ((3.5, TypeError), ("", ValueError), ("a\0b", ValueError)):
        with pytest.raises(error, match="checkpoint must"):
            made(name, wrong)


@ALL
@pytest.mark.parametrize("there", [True, False])
def test_a_closed_folder_is_found_out_before_anything_is_trained(
    name, there, finished, tmp_path, close_folder, monkeypatch
):
    """What is finished needs none; and the lines of a search are written behind those that are there."""
    path, ticks = tmp_path / "run", Ticks()
    if there and name == "search":
        path.touch()
    elif there:
        add = lamina.storage.run_file.RunFile.add
        with monkeypatch.context() as patch:
            patch.setattr(lamina.storage.run_file.RunFile, "add", lambda *args: add(*args) or interrupt_now())
            with pytest.raises(KeyboardInterrupt):
                made(name, path)
    (tmp_path / "finished").write_bytes(finished[name])
    before = there and path.read_bytes()
    close_folder()
    with pytest.raises(PermissionError, match=r"(checkpoint|path) must lie in a folder that may be written to"):
        made(name, path, ticks=ticks)
    assert ticks.count == 0
    assert (path.read_bytes() == before) if there else not path.exists()
    made(name, tmp_path / "finished", ticks=ticks)
    assert ticks.count == 0


@IN_CONTAINER
def test_a_pipe_is_refused_at_once(name, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(lamina.CheckpointError, match="no regular file"):
        made(name, tmp_path / "pipe")


@IN_CONTAINER
def test_what_was_begun_by_another_version_is_warned_of(name, finished, tmp_path):
    description, arrays = parts_of(finished[name])
    description["architecture"]["lamina_version"] = "0.0.7"
    (tmp_path / "run").write_bytes(file_of(description, arrays))
    with pytest.warns(lamina.VersionWarning, match=r"begun by version 0\.0\.7") as met:
        made(name, tmp_path / "run")
    # Of tables it is said once more, by what calls them here.
    assert Path(met[0].filename).name == ("test_run_checkpoints.py" if name.startswith("Tabular") else "runs.py")


# A file that was cut, altered, or made up -----------------------------------------------------------------------------


def sections(data):
    """Where the parts of a file begin and end."""
    header, begin = header_of(data)
    ends = {begin + at for name, of in header.items() if name != "__metadata__" for at in of["data_offsets"]}
    return sorted({0, 8, begin, len(data)} | ends)


@IN_CONTAINER
def test_a_file_that_was_cut_in_any_section_is_refused(name, finished, tmp_path):
    data, path = finished[name], tmp_path / "run"
    ends = sections(data)
    for cut in {end + step for end in ends for step in (-1, 0, 1)} & set(range(len(data))):
        path.write_bytes(data[:cut])
        with pytest.raises(lamina.CheckpointError, match="is not a"):
            made(name, path)
        assert path.read_bytes() == data[:cut]


@IN_CONTAINER
def test_an_altered_byte_of_any_section_is_noticed(name, whole, finished, tmp_path):
    data, path = finished[name], tmp_path / "run"
    ends = sections(data)
    inside = [at for begin, end in itertools.pairwise(ends) for at in (begin, (begin + end) // 2, end - 1)]
    for at in sorted({*inside, *np.linspace(8, ends[2], 100).astype(int).tolist()} & set(range(len(data)))):
        altered = bytearray(data)
        altered[at] ^= 0x01
        path.write_bytes(altered)
        try:  # the last digit of a number may be another one, and the number the same
            result = made(name, path)
        except lamina.CheckpointError:
            assert path.read_bytes() == altered
        else:
            assert data[at : at + 1].isdigit()
            assert digest(RUNS[name].outcome(result)) == whole[name][0]


def test_what_is_refused_has_changed_nothing(finished, tmp_path):
    (tmp_path / "run").write_bytes(finished["Ensemble.fit"][:-1])
    ensemble = lamina.Ensemble(network(), 5)
    before = ensemble.members
    with pytest.raises(lamina.CheckpointError):
        ensemble.fit(X, LABELS, checkpoint=tmp_path / "run")
    assert ensemble.members is before
    assert before[0].history is None


VALUES_THAT_ARE_NONE = [None, -1, 2**70, "", "x", [], {}, [[[]]], 1.5, True]


@pytest.mark.filterwarnings("ignore::lamina.VersionWarning", "ignore::lamina.DivergenceWarning")
@IN_CONTAINER
def test_made_up_values_are_refused_or_harmless(name, finished, tmp_path):
    """Whatever a description says, with the right checksum: one error, or a result."""
    path, (description, arrays) = tmp_path / "run", parts_of(finished[name])
    parts = description["architecture"]["parts"]
    for part in (min(parts), max(parts)):
        for value in VALUES_THAT_ARE_NONE:
            made_up = json.loads(json.dumps(description))
            made_up["architecture"]["parts"][part] = value
            with pytest.raises(lamina.CheckpointError):
                refused_or_harmless(name, path, made_up, arrays, always=True)
        for key in parts[part]:
            for value in VALUES_THAT_ARE_NONE:
                made_up = json.loads(json.dumps(description))
                made_up["architecture"]["parts"][part][key] = value
                refused_or_harmless(name, path, made_up, arrays)
            del made_up["architecture"]["parts"][part][key]
            with pytest.raises(lamina.CheckpointError):
                refused_or_harmless(name, path, made_up, arrays, always=True)
    for key in description["architecture"]:
        for value in VALUES_THAT_ARE_NONE:
            refused_or_harmless(name, path, {**description, "architecture": {key: value}}, arrays)
            refused_or_harmless(
                name, path, {**description, "architecture": {**description["architecture"], key: value}}, arrays
            )


@IN_CONTAINER
def test_made_up_arrays_are_refused(name, finished, tmp_path):
    path, (description, arrays) = tmp_path / "run", parts_of(finished[name])
    others = [
        {**arrays, "0/another": np.zeros(1)},
        {**arrays, "another": np.zeros(1)},
        {**arrays, "99/0.weight": np.zeros(1)},
    ]
    for key in list(arrays)[:12]:
        array = arrays[key]
        others += [{name: array for name, array in arrays.items() if name != key}]
        twin = np.float64 if array.dtype == np.float32 else np.float32
        for other in (array[..., None], np.zeros(array.shape, np.int64), array.astype(twin)):
            others += [{**arrays, key: other}]
        if "history" not in key:
            others += [{**arrays, key: array.reshape(-1)[:0]}]
    for made_up in others:
        with pytest.raises(lamina.CheckpointError, match=r"altered or damaged|does not describe"):
            refused_or_harmless(name, path, description, made_up, always=True)


def refused_or_harmless(name, path, description, arrays, always=False):
    """Nothing may be trained: what a made up file leaves to do is broken off at once."""

    class Broken(BaseException):
        pass

    def stop():
        raise Broken

    path.write_bytes(file_of(description, arrays))
    try:
        made(name, path, 1, Ticks(1, stop))
    except Broken:
        assert not always
    except lamina.CheckpointError as error:
        if always or str(path) not in str(error):
            raise


@IN_CONTAINER
def test_a_full_disk_leaves_a_whole_file(name, whole, finished, tmp_path):
    path, limits = tmp_path / "run", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(finished[name]) - 9, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            made(name, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [file.name for file in tmp_path.iterdir()] == ["run"]
    ticks = Ticks()
    result = made(name, path, ticks=ticks)
    assert digest(RUNS[name].outcome(result)) == whole[name][0]
    assert ticks.count < whole[name][1]


# What they keep -------------------------------------------------------------------------------------------------------


def test_a_fit_that_ctrl_c_has_cut_short_is_no_result(whole, tmp_path):
    """Those beside the one that was met end after their epoch: they have not come to their end."""
    ticks = Ticks(whole["search"][1] // 3, interrupt)
    with pytest.raises(KeyboardInterrupt):
        made("search", tmp_path / "run", 2, ticks)
    kept = [json.loads(line) for line in (tmp_path / "run").read_text().splitlines()[1:]]
    scores = {(trial["trial"], trial["rung"]): trial["score"] for trial in made("search").trials}
    assert all(scores[trial["trial"], trial["rung"]] == trial["score"] for trial in kept)


def test_custom_parts_are_compared_by_name(tmp_path):
    def net(scale):
        def value(y, t):
            return scale * ((y - t) ** 2).sum(axis=1)

        loss = lamina.losses.custom(value, lambda y, t: 2 * scale * (y - t))
        return lamina.Network([lamina.Dense(3, "tanh"), lamina.Dense(1)], 4, loss)

    options = {"k": 3, "epochs": 3, "checkpoint": tmp_path / "run"}
    first = lamina.cross_validate(net(1.0), X, VALUES, **options)
    assert lamina.cross_validate(net(2.0), X, VALUES, **options).scores.tolist() == first.scores.tolist()
    with pytest.raises(lamina.CheckpointError, match=r"network\.loss was custom"):
        lamina.cross_validate(lamina.Network([lamina.Dense(3, "tanh"), lamina.Dense(1)], 4), X, VALUES, **options)


def test_a_custom_loss_can_be_searched_with(tmp_path):
    def build(units):
        loss = lamina.losses.custom(lambda y, t: ((y - t) ** 2).sum(axis=1), lambda y, t: 2 * (y - t))
        return lamina.Network([lamina.Dense(units, "tanh"), lamina.Dense(1)], 4, loss)

    found = lamina.search(build, {"units": [2, 3]}, X, VALUES, k=2, epochs=2, path=tmp_path / "run")
    assert all(trial["score"] is not None for trial in found.trials)


def test_numbers_that_are_not_finite_are_kept(tmp_path):
    def scoring(net, X, y):
        return float("nan")

    options = {"k": 2, "epochs": 2, "optimizer": lamina.SGD(1e30), "scoring": scoring, "checkpoint": tmp_path / "run"}
    net = lamina.Network([lamina.Dense(3, "relu"), lamina.Dense(1)], 4)
    with pytest.warns(lamina.DivergenceWarning):
        first = lamina.cross_validate(net, X, VALUES, **options)
    again = lamina.cross_validate(net, X, VALUES, **options)
    assert np.isnan(again.scores).all()
    assert [repr(vars(history)) for history in again.histories] == [repr(vars(history)) for history in first.histories]


def test_long_lists_of_an_option_are_no_matter(tmp_path):
    options = {"groups": list(range(60)) * 2, "net": lamina.Network([lamina.Dense(2)], 4, "cross_entropy")}
    for _ in range(2):
        made("cross_validate", tmp_path / "run", **options)
    assert len(json.dumps(parts_of((tmp_path / "run").read_bytes())[0]["architecture"]["run"])) < 5000
    with pytest.raises(lamina.CheckpointError, match="groups has other values here"):
        made("cross_validate", tmp_path / "run", **{**options, "groups": list(range(40)) * 3})


def test_what_lies_beyond_the_lengths_is_no_matter(tmp_path):
    lengths = np.arange(40) % 3 + 1
    x = np.random.default_rng(0).normal(size=(40, 3, 2))
    other = np.where((np.arange(3) < lengths[:, np.newaxis])[:, :, np.newaxis], x, 7.0)
    net = lamina.Network([lamina.Recurrent(3), lamina.Dense(1)], 2)
    options = {"k": 2, "epochs": 2, "lengths": lengths, "checkpoint": tmp_path / "run"}
    scores = [lamina.cross_validate(net, each, VALUES[:40], **options).scores.tolist() for each in (x, other)]
    assert scores[0] == scores[1]
    with pytest.raises(lamina.CheckpointError, match=r"data\.X has other values"):
        lamina.cross_validate(net, x + 1, VALUES[:40], **options)


def test_curves_of_metrics_are_arrays_in_their_order(tmp_path):
    asked = {name: lambda net, x, y: float(len(x)) for name in ("zeta", "äh/alpha", "loss.more")}
    options = {"k": 2, "epochs": 3, "metrics": asked, "checkpoint": tmp_path / "run"}
    histories = [lamina.cross_validate(network(), X, LABELS, **options).histories for _ in range(2)]
    assert [list(history.metrics.items()) for history in histories[0]] == [
        list(history.metrics.items()) for history in histories[1]
    ]
    assert list(histories[1][0].metrics) == list(asked)
    part = parts_of((tmp_path / "run").read_bytes())[0]["architecture"]["parts"]["0"]
    assert part["history.metrics"] == list(asked)  # a header holds no curves


def test_early_stopping_is_compared_by_its_parameters(tmp_path):
    options = {"early_stopping": lamina.EarlyStopping(3)}
    made("Ensemble.fit", tmp_path / "run", **options)
    with pytest.raises(lamina.CheckpointError, match=r"options\.early_stopping\.patience was 3 there and is 4 here"):
        made("Ensemble.fit", tmp_path / "run", early_stopping=lamina.EarlyStopping(4))


def test_a_limit_of_time_is_shared_out_once(tmp_path):
    options = {"max_time": 1000.0, "n_members": 2}
    first = made("TabularRegressor.fit", tmp_path / "run", **options)
    description, arrays = parts_of((tmp_path / "run").read_bytes())
    parts = description["architecture"]["parts"]
    assert parts["epochs"] == {"epochs": 4}
    parts["epochs"]["epochs"] = 2  # as if there had been less time
    lost = next(name for name in parts if name.startswith("0.1"))
    del parts[lost]
    arrays = {name: array for name, array in arrays.items() if not name.startswith(f"{lost}/")}
    (tmp_path / "run").write_bytes(file_of(description, arrays))
    again = made("TabularRegressor.fit", tmp_path / "run", **options)
    assert [history.epochs for history in first.history_] == [4] * 6
    assert sorted(history.epochs for history in again.history_) == [2, 4, 4, 4, 4, 4]


def test_progress_says_what_comes_from_the_checkpoint(tmp_path, capfd):
    for _ in range(2):
        made("cross_validate", tmp_path / "run", verbose=1)
        made("Ensemble.fit", tmp_path / "members", verbose=1)
        made("CascadeNetwork.fit", tmp_path / "units", verbose=1)
    said = capfd.readouterr().err
    assert said.count("from the checkpoint") == 4 + 5 + 1
    assert "fold 4/4" in said


def test_folds_and_members_have_the_scale_of_targets_that_the_network_has():
    net = lamina.Network([lamina.Dense(3, "tanh"), lamina.Dense(1)], 4, normalize_targets=True)
    found = lamina.cross_validate(net, X, 1000 + VALUES, k=2, epochs=2)
    assert abs(found.out_of_fold - 1000).max() < 10
    assert abs(lamina.Ensemble(net, 2).fit(X, 1000 + VALUES, epochs=2).predict(X) - 1000).max() < 10


def test_the_callback_that_keeps_one_fit_keeps_not_several(tmp_path):
    keep = lamina.callbacks.Checkpoint(tmp_path / "fit")
    with pytest.raises(TypeError, match="keeps one fit alone; several keep those that have ended with checkpoint=path"):
        lamina.cross_validate(network(), X, LABELS, k=2, callbacks=[keep])
    with pytest.raises(TypeError, match="resume_from is no option here"):
        lamina.Ensemble(network(), 2).fit(X, LABELS, resume_from=tmp_path / "fit")


def test_digests_are_in_no_message(finished, tmp_path):
    """Of data it is said that they differ, and how large they are; what follows from an option is not told of."""
    for name, run in RUNS.items():
        for change, _ in run.others:
            (tmp_path / "run").write_bytes(finished[name])
            with pytest.raises(REFUSED) as error:
                made(name, tmp_path / "run", **change)
            assert not re.search(r"[0-9a-f]{16}", str(error.value).replace(str(tmp_path), "")), (name, change)
            if name.startswith("Tabular"):
                assert not re.search(r"\b(parameters|network|options|data|folds)\b", str(error.value).split(": ", 1)[1])


def test_groups_that_make_other_folds_are_named(tmp_path):
    def fit(groups):
        model = lamina.TabularClassifier(n_folds=2, epochs=1, n_members=1, random_state=0)
        return model.fit(frame(), LABELS, groups=groups, checkpoint=tmp_path / "run")

    fit(np.arange(120) // 4)
    with pytest.raises(lamina.CheckpointError, match="of another: groups make other folds here; give another path"):
        fit(np.arange(120) // 5)


def test_a_table_that_is_to_be_gone_on_with_needs_a_seed(tmp_path):
    with pytest.raises(ValueError, match="random_state must be a number where there is a checkpoint"):
        lamina.TabularRegressor().fit(X, VALUES, checkpoint=tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_the_other_estimator_is_named(tmp_path):
    options = {"preset": "fast", "epochs": 1, "random_state": 0}
    lamina.TabularRegressor(**options).fit(X, VALUES, checkpoint=tmp_path / "run")
    with pytest.raises(lamina.CheckpointError, match="estimator was 'TabularRegressor' there and is 'TabularC"):
        lamina.TabularClassifier(**options).fit(X, LABELS, checkpoint=tmp_path / "run")


@pytest.mark.parametrize("what", ["table", "folds", "fit"])
def test_sets_are_the_same_in_every_process(what, tmp_path):
    code = f"""
        import functools, numpy as np, pandas as pd, lamina
        rng = np.random.default_rng(0)
        table = pd.DataFrame({{name: rng.integers(0, 5, 80) for name in ("zip", "town", "kind", "x")}})
        X, y = table.to_numpy(), rng.normal(size=80)
        net = lamina.Network([lamina.Dense(1)], 4, seed=1)
        if {what!r} == "table":
            named = {{"zip", "town", "kind"}}
            model = lamina.TabularRegressor(categorical_features=named, epochs=1, random_state=0, preset="fast")
            model.fit(table, y, checkpoint="run")
        elif {what!r} == "folds":
            lamina.cross_validate(net, X, y, k=2, epochs=1, metrics={{"r2", "mae", "rmse"}}, checkpoint="run")
        else:
            rate = functools.partial(lambda progress, of: 1.0, of=[{{"a", "b", "c"}}, np.random.default_rng(0)])
            keep = lamina.callbacks.Checkpoint("run")
            net.fit(X, y, epochs=1, schedule=rate, callbacks=[keep], resume_from="run")
    """
    for seed in "0123":
        subprocess.run(
            [sys.executable, "-c", inspect.cleandoc(code)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=tmp_path,
            check=True,
        )


@dataclass
class Told:
    names: object


@pytest.mark.parametrize(
    ("value", "same"),
    [
        ({"b", "a"}, frozenset("ab")),
        ({1: 0, "b": 0}.keys(), {"b", 1}),
        ({"x": 1}.values(), [1]),
        (Told({"b", "a"}), Told(frozenset("ab"))),
        (functools.partial(sorted, {"b", "a"}, key=len), functools.partial(sorted, frozenset("ab"), key=len)),
        (np.random.default_rng(0), np.random.default_rng(1)),
        (np.array(["a", "b"]), np.array(["a", "b"], "<U9")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_means_the_same_is_described_alike(value, same):
    assert plain(value) == plain(same)
    assert json.loads(json.dumps(plain(value))) == plain(value)
    assert not re.search("0x[0-9a-fA-F]+", str(plain(value)))


@pytest.mark.parametrize("dtype", ["U3", ">f8", "datetime64[ns]", "object", [("a", "f8"), ("b", "U1")]])
def test_arrays_of_any_type_are_shown_by_type_and_shape(dtype):
    one, other = np.zeros(3, dtype), np.zeros((3, 1), dtype)
    told = difference({"part": plain(one)}, {"part": plain(other)})
    assert re.fullmatch(r"part was an array of .*, \(3, 1\), there and is an array of .*, \(3,\), here", told)
    assert not re.search(r"[0-9a-f]{16}", told)


@ALL
@pytest.mark.parametrize("how", ["removed", "emptied"])
def test_a_file_that_is_taken_away_meanwhile_is_made_again_with_all_parts(name, how, whole, tmp_path):
    path, n_ticks = tmp_path / "run", whole[name][1]

    def take_away():
        path.unlink() if how == "removed" else os.truncate(path, 0)

    assert outcome(name, path, 1, Ticks(n_ticks * 2 // 3, take_away)) == whole[name][0]
    ticks = Ticks()
    again = made(name, path, ticks=ticks)
    assert ticks.count == 0
    assert digest(RUNS[name].outcome(again)) == whole[name][0]


GROUPS = np.arange(120) // 6
CONTAINERS = [
    (lambda rows: rows.tolist(), "lists"),
    (lambda rows: pd.Series(rows) if rows.ndim == 1 else pd.DataFrame(rows), "pandas"),
    (lambda rows: np.asfortranarray(rows.astype(np.float64)), "float64"),
    (lambda rows: np.repeat(rows, 2, axis=0)[::2], "strides"),
]
OF_ROWS = {
    "cross_validate": lambda own: {"k": 2, "groups": own(GROUPS), "sample_weight": own(WEIGHT)},
    "Ensemble.fit": lambda own: {
        "validation": (own(X[:20]), own(LABELS[:20])),
        "validation_sample_weight": own(WEIGHT[:20]),
        "sample_weight": own(WEIGHT),
    },
    "CascadeNetwork.fit": lambda own: {
        "validation": (own(X[:20]), own(VALUES[:20])),
        "validation_sample_weight": own(WEIGHT[:20]),
        "sample_weight": own(WEIGHT),
    },
    "search": lambda own: {"k": 2, "groups": own(GROUPS), "sample_weight": own(WEIGHT)},
    "search with a part apart": lambda own: {"k": None, "validation": (own(X[:20]), own(LABELS[:20]))},
}


@pytest.mark.parametrize("change", [own for own, _ in CONTAINERS], ids=[name for _, name in CONTAINERS])
@pytest.mark.parametrize("name", OF_ROWS)
def test_rows_may_come_in_anything_that_holds_the_same(name, change, tmp_path):
    run, of_rows, ticks = name.split(" with")[0], OF_ROWS[name], Ticks()
    y = VALUES if run.startswith("Cascade") else LABELS
    made(run, tmp_path / "run", **of_rows(lambda rows: rows), y=y)
    before = (tmp_path / "run").read_bytes()
    made(run, tmp_path / "run", ticks=ticks, X=change(X), y=change(y), **of_rows(change))
    if run != "CascadeNetwork.fit":
        made(run, tmp_path / "run", ticks=ticks, y=y[:, None], **of_rows(lambda rows: rows))
    assert ticks.count == 0
    assert (tmp_path / "run").read_bytes() == before
    with pytest.raises(REFUSED, match=r"groups|validation"):
        made(run, tmp_path / "run", **of_rows(lambda rows: rows[::-1] ** 2 % 7), y=y)


@pytest.mark.filterwarnings("ignore:column 'x")
def test_columns_may_be_named_in_whatever_they_come(tmp_path):
    def fit(named):
        model = lamina.TabularRegressor("fast", epochs=1, random_state=0, categorical_features=named)
        return model.fit(frame(), VALUES, checkpoint=tmp_path / "run")

    fit(["x0", "x2"])
    for named in ({"x2", "x0"}, ("x2", "x0"), np.array(["x0", "x2"]), pd.Index(["x2", "x0"]), {"x0": 1, "x2": 1}):
        fit(named)
    with pytest.raises(lamina.CheckpointError, match=r"categorical_features\[1\] was 'x2' there and is 'x3' here"):
        fit({"x0", "x3"})
