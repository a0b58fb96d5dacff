"""The search for hyper-parameters: what it draws, how it scores, that it goes on where it was stopped."""

import json
import os
import re
import resource

import numpy as np
import pytest
from sklearn.datasets import load_digits

import lamina
from lamina import space
from lamina.selection.search import rungs as _rungs
from lamina.space import candidates

OPTIONS = {"epochs": 9, "optimizer": lamina.Adam(1e-2)}


def digits(rows=300):
    X, y = load_digits(return_X_y=True)
    return (X[:rows] / 16).astype(np.float32), y[:rows]


def build(units=8, activation="relu"):
    layers = [lamina.Dense(units, activation), lamina.Dense(10)]
    return lamina.Network(layers, n_inputs=64, loss="cross_entropy")


SPACE = {"units": space.integer(2, 32, log=True), "activation": ["relu", "tanh"], "l2": space.loguniform(1e-6, 1e-2)}


# What is drawn ----------------------------------------------------------------------------------------------------


def test_ranges_hold_and_are_used_to_the_ends():
    drawn = candidates({"a": (1.0, 2.0), "b": space.loguniform(1e-4, 1.0), "c": space.integer(1, 3)}, 2000, 0)
    a, b, c = (np.array([d[name] for d in drawn]) for name in "abc")
    assert a.min() >= 1
    assert a.max() <= 2
    assert abs(a.mean() - 1.5) < 0.02
    assert abs(np.log10(b).mean() + 2) < 0.1
    np.testing.assert_allclose(np.bincount(c)[1:] / 2000, 1 / 3, atol=0.04)
    assert all(type(d["c"]) is int for d in drawn)


def test_ranges_take_numpys_numbers():
    for low, high in ((np.int64(2), np.int16(9)), (np.float32(0.5), np.float64(2))):
        for made in (space.Range(low, high), space.uniform(low, high), space.loguniform(low, high)):
            plain = space.Range(low.item(), high.item(), made.log)
            assert made == plain
            assert repr(made) == repr(plain)
    assert candidates({"units": (np.int64(2), np.int64(9))}, 3, seed=1) == candidates({"units": (2, 9)}, 3, seed=1)
    for bound in (np.True_, "9", np.float64(np.nan), None):
        with pytest.raises(ValueError, match=r"space\['units'\]: a range in the space needs finite numbers; got high"):
            candidates({"units": (2, bound)}, 3, seed=1)


def test_integer_log_reaches_both_ends():
    c = [d["c"] for d in candidates({"c": space.integer(1, 100, log=True)}, 3000, 0)]
    assert min(c) == 1
    assert max(c) == 100
    assert 0.4 < np.mean(np.array(c) <= 10) < 0.6


def test_a_space_of_lists_is_tried_whole_where_it_is_small():
    drawn = candidates({"a": [1, 2], "b": ["x", "y", "z"]}, 10, 0)
    assert len(drawn) == 6
    assert len({tuple(d.values()) for d in drawn}) == 6


def test_draws_from_lists_do_not_repeat():
    drawn = candidates({"a": list(range(5)), "b": list(range(5))}, 24, 0)
    assert len({tuple(d.values()) for d in drawn}) == 24


def test_trials_depend_on_their_number_alone():
    assert candidates(SPACE, 5, 3) == candidates(SPACE, 50, 3)[:5]
    assert candidates(SPACE, 5, 3) != candidates(SPACE, 5, 4)


# Scores -----------------------------------------------------------------------------------------------------------


def test_scores_are_those_of_cross_validation():
    X, y = digits()
    found = lamina.search(build, {"units": [4, 16]}, X, y, k=3, **OPTIONS)
    for trial in found.trials:
        cv = lamina.cross_validate(build(**trial["params"]), X, y, k=3, **OPTIONS)
        assert trial["score"] == pytest.approx(cv.mean, rel=1e-12)
        assert trial["std"] == pytest.approx(cv.std, rel=1e-12)
        assert trial["best_epoch"] == cv.best_epoch
    assert found.best_params == {"units": 16}
    assert found.best_score == min(trial["score"] for trial in found.trials)


def test_hold_out_scores_are_those_of_a_fit():
    X, y = digits()
    own = (X[200:], y[200:])
    found = lamina.search(build, {"units": [4, 16]}, X[:200], y[:200], validation=own, scoring="accuracy", **OPTIONS)
    assert not found.lower_is_better
    for trial in found.trials:
        net = build(**trial["params"])
        net.fit(X[:200], y[:200], validation=own, **OPTIONS)
        assert trial["score"] == (net.predict(own[0]).argmax(axis=1) == own[1]).mean()


@pytest.mark.parametrize("method", ["random", "halving"])
def test_the_same_whatever_the_number_of_jobs(method):
    X, y = digits()
    one, three = (
        lamina.search(build, SPACE, X, y, validation=0.25, n_trials=7, method=method, n_jobs=n, **OPTIONS)
        for n in (1, 3)
    )
    assert [(t["params"], t["score"]) for t in one.trials] == [(t["params"], t["score"]) for t in three.trials]


def test_build_may_return_fit_options_and_the_space_may_hold_them():
    X, y = digits()
    seen = []

    def both(units):
        return build(units), {"epochs": 2, "callbacks": [lambda epoch: seen.append(epoch.epoch)]}

    lamina.search(both, {"units": [4], "batch_size": [16, 64], "optimizer": [lamina.SGD(0.1)]}, X, y, validation=0.2)
    assert sorted(seen) == [1, 1, 2, 2]


def test_refit_trains_on_every_row_for_the_best_epochs():
    X, y = digits()
    found = lamina.search(build, SPACE, X, y, validation=0.25, n_trials=4, **OPTIONS)
    net = found.refit()
    assert net.history.epochs == found.best["best_epoch"]
    assert not net.history.validation_loss
    assert net.layers[0].units == found.best_params["units"]


def test_refit_takes_callbacks_as_a_fit_does():
    X, y = digits()
    seen = []
    for given in (None, lambda epoch: seen.append(epoch.epoch), [seen.append], (hook for hook in [seen.append])):
        found = lamina.search(build, {"units": [2, 4]}, X, y, validation=0.25, epochs=3, early_stopping=None)
        last = found.best["best_epoch"]
        del seen[:]
        assert found.refit(callbacks=given).history.epochs == last
        assert len(seen) == (given is not None) * last
    for own in (None, lambda epoch: seen.append(epoch.epoch)):
        options = {"callbacks": own, "epochs": 3}
        found = lamina.search(lambda units, own=options: (build(units), own), {"units": [2]}, X, y, validation=0.25)
        del seen[:]
        assert found.refit().history.epochs == found.best["best_epoch"]
        assert len(seen) == (own is not None) * found.best["best_epoch"]
    with pytest.raises(TypeError, match="callbacks must be callables with an Epoch; got 3"):
        found.refit(callbacks=3)


def test_the_best_network_goes_on_to_cross_validation():
    X, y = digits()
    weight = np.linspace(0.5, 1.5, len(y))
    space = {**SPACE, "l2": [1e-3]}
    found = lamina.search(build, space, X, y, validation=0.25, n_trials=3, sample_weight=weight, **OPTIONS)
    net, options = found.best_network()
    assert net.history is None
    assert net.layers[0].units == found.best_params["units"]
    assert options["l2"] == 1e-3
    assert options["sample_weight"] is weight
    assert options.items() >= OPTIONS.items()
    assert len(lamina.cross_validate(net, X, y, k=3, **options).scores) == 3


# Halving ----------------------------------------------------------------------------------------------------------


def test_rungs_of_successive_halving():
    assert _rungs(9, 27, 3) == [(9, 3), (3, 9), (1, 27)]
    assert _rungs(20, 100, 3) == [(20, 11), (6, 33), (2, 100)]
    assert _rungs(1, 10, 3) == [(1, 10)]
    assert _rungs(100, 2, 2) == [(100, 1), (50, 2)]


def test_halving_keeps_the_best():
    X, y = digits()
    found = lamina.search(build, SPACE, X, y, validation=0.25, n_trials=9, method="halving", **OPTIONS)
    by_rung = [[t for t in found.trials if t["rung"] == rung] for rung in range(3)]
    assert [len(trials) for trials in by_rung] == [9, 3, 1]
    for rung in range(2):
        ordered = sorted(by_rung[rung], key=lambda t: t["score"])
        kept = {t["trial"] for t in by_rung[rung + 1]}
        assert kept == {t["trial"] for t in ordered[: len(kept)]}
    assert found.best is by_rung[2][0]


def test_halving_refuses_epochs_of_build_by_name():
    X, y = digits(60)
    with pytest.raises(ValueError, match=r"take epochs out of what build returns, .* got epochs=3 from build"):
        lamina.search(
            lambda units: (build(units), {"epochs": 3}), {"units": [2, 3, 4]}, X, y, validation=0.25, method="halving"
        )


def test_the_best_network_of_halving_has_the_epochs_that_were_scored():
    X, y = digits()

    calls = []

    def score(net, X, y):
        calls.append(net)
        if len(calls) == 4:  # the second rung
            raise ArithmeticError("no score")
        return len(calls)

    how = {"n_trials": 3, "method": "halving", "seed": 1, **OPTIONS}
    found = lamina.search(build, SPACE, X, y, validation=0.25, **how)
    assert found.best_network()[1]["epochs"] == found.best["epochs"] == 9
    with pytest.warns(UserWarning, match="1 of 4 trials failed"):
        found = lamina.search(build, SPACE, X, y, validation=0.25, scoring=score, n_jobs=1, **how)
    assert found.best_network()[1]["epochs"] == found.best["epochs"] == 3


# The file ---------------------------------------------------------------------------------------------------------


def test_an_interrupted_search_goes_on(tmp_path):
    X, y = digits()
    path, count = tmp_path / "search.jsonl", []

    def stop_after_three(units, activation):
        count.append(units)
        if len(count) > 4:  # the first is a trial run before any time is spent
            raise KeyboardInterrupt
        return build(units, activation)

    settings = {"validation": 0.25, "n_trials": 6, "path": path, "n_jobs": 1, **OPTIONS}
    with pytest.raises(KeyboardInterrupt):
        lamina.search(stop_after_three, SPACE, X, y, **settings)
    assert len(path.read_text().splitlines()) == 1 + 3
    with path.open("a") as file:
        file.write('{"trial": 3, "ru')  # what a crash may leave
    before = [json.loads(line) for line in path.read_text().splitlines()[1:4]]
    found = lamina.search(build, SPACE, X, y, **settings)
    assert [t["seconds"] for t in found.trials[:3]] == [t["seconds"] for t in before]  # not trained again
    whole = lamina.search(build, SPACE, X, y, **{**settings, "path": None})
    assert [t["score"] for t in found.trials] == [t["score"] for t in whole.trials]
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 1 + 6


def test_the_file_of_another_build_or_of_other_epochs_is_refused(tmp_path):
    X, y = digits()
    settings = {"validation": 0.25, "n_trials": 3, "path": tmp_path / "search.jsonl", **OPTIONS}
    lamina.search(build, SPACE, X, y, **settings)

    def wider(units, activation):
        return build(units + 1, activation)

    with pytest.raises(ValueError, match=r"another search: trial \d had other network"):
        lamina.search(wider, SPACE, X, y, **settings)
    with pytest.raises(ValueError, match=r"another search: trial \d had other network"):
        lamina.search(
            lambda units, activation: (build(units, activation), {"optimizer": lamina.SGD(0.1)}),
            SPACE,
            X,
            y,
            **settings,
        )

    settings["path"] = tmp_path / "halving.jsonl"
    lamina.search(build, SPACE, X, y, method="halving", **settings)
    with pytest.raises(ValueError, match=r"another search: trial \d had other epochs"):
        lamina.search(build, SPACE, X, y, method="halving", **{**settings, "n_trials": 9})


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"seed": 1}, "seed was 0 there and is 1 here"),
        ({"epochs": 5}, "options"),
        ({"scoring": "accuracy"}, "scoring was None there and is 'accuracy' here"),
        ({"X": np.ones((300, 64), np.float32)}, "data"),
    ],
)
def test_the_file_of_another_search_is_refused(tmp_path, change, names):
    X, y = digits()
    settings = {"X": X, "y": y, "validation": 0.25, "n_trials": 2, "path": tmp_path / "search.jsonl", **OPTIONS}
    lamina.search(build, SPACE, **settings)
    with pytest.raises(ValueError, match=f"holds another search: {names}"):
        lamina.search(build, SPACE, **{**settings, **change})


def test_a_file_of_something_else_is_left_alone(tmp_path):
    X, y = digits()
    path = tmp_path / "notes.txt"
    path.write_text("dear diary\n")
    with pytest.raises(ValueError, match="path must be new, or the file of an earlier search"):
        lamina.search(build, SPACE, X, y, path=path)
    assert path.read_text() == "dear diary\n"


@pytest.mark.parametrize("content", ["one line", '{"a": 1}', "[" * 9000, '{"lamina search": 2, "method"', "\x00" * 64])
def test_a_file_without_a_line_end_is_left_alone(content, tmp_path):
    X, y = digits()
    path = tmp_path / "notes.json"
    path.write_text(content)
    with pytest.raises(lamina.SearchFileError, match="path must be new, or the file of an earlier search"):
        lamina.search(build, SPACE, X, y, path=path)
    assert path.read_text() == content


def test_a_pipe_is_refused_at_once(tmp_path):
    X, y = digits()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(lamina.SearchFileError, match="no regular file"):
        lamina.search(build, SPACE, X, y, path=tmp_path / "pipe")


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The settings of a search and the bytes of its file."""
    X, y = digits()
    path = tmp_path_factory.mktemp("search") / "search.jsonl"
    settings = {"X": X, "y": y, "validation": 0.25, "n_trials": 2, "epochs": 2}
    lamina.search(build, SPACE, path=os.fsencode(path), **settings)
    return settings, path.read_bytes()


def test_every_altered_byte_of_a_trial_is_noticed(kept, tmp_path):
    settings, whole = kept
    path = tmp_path / "search.jsonl"
    for position in np.linspace(20, len(whole) - 2, 60).astype(int):
        altered = bytearray(whole)
        altered[position] ^= 0x01
        path.write_bytes(altered)
        with pytest.raises(lamina.SearchFileError):
            lamina.search(build, SPACE, path=path, **settings)
        assert path.read_bytes() == altered


def test_a_digit_of_a_score_is_not_believed(kept, tmp_path):
    settings, whole = kept
    path = tmp_path / "search.jsonl"
    path.write_text(re.sub(r'"score": \d', '"score": 0', whole.decode()))
    with pytest.raises(lamina.SearchFileError, match=r"line 2 of .* was altered or damaged .*: its checksum does not"):
        lamina.search(build, SPACE, path=path, **settings)


WRONG_LINES = ["", "[]", "1", "null", "{}", '"trial"', "[" * 100_000, '{"trial": 0}', "\ud800", "{'trial': 0}"]


@pytest.mark.parametrize("line", WRONG_LINES)
def test_damaged_lines_give_one_error(line, kept, tmp_path):
    settings, whole = kept
    path = tmp_path / "search.jsonl"
    line = line.encode(errors="surrogatepass")
    path.write_bytes(whole + line + b"\n")
    with pytest.raises(lamina.SearchFileError, match=r"line 4 of .* was altered or damaged"):
        lamina.search(build, SPACE, path=path, **settings)
    path.write_bytes(b'{"lamina search": ' + line + b"\n")
    with pytest.raises(lamina.SearchFileError, match="first line"):
        lamina.search(build, SPACE, path=path, **settings)


def test_a_trial_of_another_search_is_not_believed(kept, tmp_path):
    settings, whole = kept
    path = tmp_path / "other.jsonl"
    other = {**settings, "seed": 1, "n_trials": 1}
    lamina.search(build, SPACE, path=path, **other)
    path.write_bytes(path.read_bytes().split(b"\n")[0] + b"\n" + whole.split(b"\n")[1] + b"\n")
    with pytest.raises(lamina.SearchFileError, match="line 2 of"):
        lamina.search(build, SPACE, path=path, **other)


def test_a_full_disk_leaves_whole_lines(kept, tmp_path):
    settings, _ = kept
    path = tmp_path / "search.jsonl"
    lamina.search(build, SPACE, path=path, **settings)
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    path.write_bytes(before[: before.rindex(b"\n", 0, -1) + 1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) - 9, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            lamina.search(build, SPACE, path=path, **settings)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before[: before.rindex(b"\n", 0, -1) + 1]


def test_a_link_to_the_file_stays_a_link(tmp_path, kept):
    settings, _ = kept
    (tmp_path / "now.jsonl").symlink_to("first.jsonl")
    for _ in range(2):
        lamina.search(build, SPACE, path=tmp_path / "now.jsonl", **settings)
    assert (tmp_path / "now.jsonl").is_symlink()
    assert len((tmp_path / "first.jsonl").read_bytes().splitlines()) == 3


# What it shows ----------------------------------------------------------------------------------------------------


def test_table_and_data_frame():
    X, y = digits()
    found = lamina.search(build, SPACE, X, y, validation=0.25, n_trials=4, method="halving", **OPTIONS)
    head, first = found.table().splitlines()[:2]
    assert head.split() == ["units", "activation", "l2", "score", "rung", "std", "best", "epoch", "seconds"]
    assert first.split()[0] == "1"
    frame = found.to_pandas()
    assert len(frame) == len(found.trials)
    assert frame.score.iloc[0] == found.best_score
    assert "trials" in repr(found)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_parameter_keeps_its_name_in_the_data_frame(library):
    pytest.importorskip(library)
    X, y = digits(60)
    found = lamina.search(build, {"units": [4], "epochs": [2, 5]}, X, y, validation=0.25, n_trials=2)
    own = {name: [trial["params"][name] for trial in found.ranked] for name in ("units", "epochs")}
    frame = found.to_frame(library)
    told = frame.to_pydict() if library == "pyarrow" else {name: list(frame[name]) for name in frame.columns}
    assert told["epochs"] == own["epochs"]
    assert told["trial_epochs"] == [None, None]
    assert told["score"] == [trial["score"] for trial in found.ranked]


def test_every_name_of_a_result_may_be_a_parameters():
    X, y = digits(60)
    taken = [name for name in lamina.search(build, {"units": [4]}, X, y, k=2, epochs=1).trials[0] if name != "params"]
    space = {name: [1.5] for name in [*taken, "trial_std"]}
    found = lamina.search(lambda **params: (build(), {"epochs": 1}), space, X, y, k=2)
    frame = found.to_pandas()
    assert (frame[list(space)].to_numpy() == 1.5).all()
    assert frame["trial_score"].tolist() == [found.best_score]
    assert frame["trial_trial_std"].tolist() == [found.best["std"]]
    assert frame.shape == (1, len(space) + len(taken))
    head = found.table().splitlines()[0]
    assert all(len(head.split(name)) > 1 for name in ("trial score", "trial trial std", "trial seconds"))


def test_progress_on_standard_error_alone(capfd):
    X, y = digits()
    lamina.search(build, {"units": [2, 4]}, X, y, validation=0.25, verbose=1, epochs=1)
    out, err = capfd.readouterr()
    assert not out
    assert "best" in err


# Misuse -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"space": {}}, ValueError, "at least one parameter: with none there is no trial"),
        ({"space": {"units": []}}, ValueError, r"space\['units'\] has no choice: there is no trial"),
        ({"n_trials": 0}, ValueError, "n_trials must be at least 1; got 0"),
        ({"space": {"units": (3, 3)}}, ValueError, "needs low < high"),
        ({"space": {"units": (1, 2, 3)}}, ValueError, "a list means choices"),
        ({"space": {"units": "ab"}}, TypeError, "must be a list"),
        ({"space": ["units"]}, TypeError, "space must be a dict"),
        ({"space": {"colour": [1]}}, TypeError, "'colour', which neither build nor Network.fit takes"),
        ({"k": 3, "validation": 0.2}, ValueError, "two ways to score"),
        ({"method": "grid"}, ValueError, "method must be 'random' or 'halving'"),
        ({"method": "halving", "space": {"epochs": [1, 2]}}, ValueError, "take epochs out"),
        ({"epochs": -2}, ValueError, "epochs must be at least 1; got -2"),
        ({"method": "halving", "epochs": -2}, ValueError, "epochs must be at least 1; got -2"),
        ({"method": "halving", "epochs": 2.5}, TypeError, "epochs must be a whole number; got 2.5"),
        ({"verbosity": 1}, TypeError, "search has no option verbosity"),
        ({"validation": 1.5}, ValueError, "validation must be a fraction"),
        ({"scoring": "f1"}, ValueError, "scoring must be None"),
        ({"build": lambda units, activation: units}, TypeError, "build must return a lamina.Network"),
        (
            {"build": lamina.MLPClassifier()},
            TypeError,
            r"build must be a function .*; got MLPClassifier\(\), for which",
        ),
    ],
)
def test_misuse(options, error, message):
    X, y = digits(60)
    with pytest.raises(error, match=message):
        lamina.search(**{"build": build, "space": SPACE, "X": X, "y": y, "n_trials": 2, **options})


@pytest.mark.parametrize(
    ("part", "wanted"),
    [
        ((2, 32), "integer(2, 32)"),
        ((2.0, 32.0), "integer(2, 32)"),
        (space.loguniform(2, 32), "integer(2, 32, log=True)"),
    ],
)
@pytest.mark.parametrize("name", ["units", "batch_size", "epochs", "inner"])
@pytest.mark.parametrize("how", [{}, {"method": "halving"}, {"sampler": "optuna"}])
def test_a_range_of_any_numbers_for_whole_ones_is_refused_before_training(part, wanted, name, how):
    X, y = digits(60)
    began = []

    def make(units=8, inner=16):
        return build(units), {"callbacks": [lambda epoch: began.append(epoch)], "batch_size": inner}

    if (name, how) == ("epochs", {"method": "halving"}):
        pytest.skip("halving decides the epochs")
    with pytest.raises(TypeError, match=re.escape(f"space[{name!r}] must draw whole numbers")) as error:
        lamina.search(make, {"l2": (0, 1), name: part}, X, y, n_trials=2, k=2, **how)
    assert error.match(re.escape(f"write lamina.space.{wanted}"))
    assert not began


def test_a_range_of_any_numbers_is_left_alone_where_build_makes_them_whole_or_refuses_some():
    X, y = digits(60)

    def make(units, share):
        if not share < 0.25:
            raise ValueError("share must be less than 0.25")
        return build(int(units))

    assert candidates({"units": (2, 32), "share": (0, 1)}, 1, 0)[0]["share"] > 0.25  # refused, and no matter of units
    with pytest.warns(UserWarning, match="trials failed, the first by ValueError: share must be less"):
        found = lamina.search(make, {"units": (2, 32), "share": (0, 1)}, X, y, validation=0.2, n_trials=5, epochs=1)
    assert isinstance(found.best["params"]["units"], float)


def test_a_trial_that_diverges_comes_last_and_is_named():
    X, y = digits()

    def deep(rate):
        layers = [lamina.Dense(16, "relu"), lamina.Dense(16, "relu"), lamina.Dense(1)]
        return lamina.Network(layers, n_inputs=64), {"optimizer": lamina.SGD(rate)}

    found = lamina.search(deep, {"rate": [1e6, 1e-3]}, X, y, validation=0.25, epochs=5)
    assert found.best_params == {"rate": 1e-3}
    assert "diverged" in found.table()
    with pytest.raises(ValueError, match="every trial diverged"):
        lamina.search(deep, {"rate": [1e6]}, X, y, validation=0.25, epochs=5)


# What fails ---------------------------------------------------------------------------------------------------------


def picky(units):
    if units == 3:
        raise RuntimeError("no network of 3 units")
    return build(units)


@pytest.mark.parametrize("order", [[3, 8, 16], [8, 3, 16], [8, 16, 3]])
@pytest.mark.parametrize("method", ["random", "halving"])
def test_a_build_that_raises_is_a_failed_trial(order, method):
    X, y = digits()
    settings = {"validation": 0.25, "method": method, **OPTIONS}
    with pytest.warns(UserWarning, match=r"1 of \d trials failed, the first by RuntimeError: no network of 3 units"):
        found = lamina.search(picky, {"units": order}, X, y, **settings)
    (failed,) = (trial for trial in found.trials if trial["error"])
    assert failed["params"] == {"units": 3}
    assert failed["error"] == "RuntimeError: no network of 3 units"
    assert failed["score"] is failed["best_epoch"] is None
    assert found.table().splitlines()[-1].split()[:3] == [str(len(found.trials)), "3", "failed"]
    sound = lamina.search(picky, {"units": [units for units in order if units != 3]}, X, y, **settings)
    if method == "random":  # halving gives fewer trials other epochs
        assert found.best_score == sound.best_score
    assert found.to_pandas().error.notna().sum() == 1


def test_a_fit_or_a_score_that_raises_is_a_failed_trial():
    X, y = digits()

    def watched(units, batch_size):
        return build(units), {"batch_size": batch_size}

    def score(net, X, y):
        if net.layers[0].units == 4:
            raise ArithmeticError("unscored")
        return 1.0

    space = {"units": [4, 8], "batch_size": [0, 32]}
    with pytest.warns(UserWarning, match="3 of 4 trials failed"):
        found = lamina.search(watched, space, X, y, validation=0.25, scoring=score, epochs=1)
    errors = {(t["params"]["units"], t["params"]["batch_size"]): t["error"] for t in found.trials}
    assert errors == {
        (4, 0): "ValueError: batch_size must be at least 1; got 0",
        (8, 0): "ValueError: batch_size must be at least 1; got 0",
        (4, 32): "ArithmeticError: unscored",
        (8, 32): None,
    }


def test_a_search_of_which_every_trial_fails_says_why():
    X, y = digits()
    with pytest.raises(ValueError, match=r"no trial has a score: 1 of 1 trials failed.* RuntimeError: no net") as error:
        lamina.search(picky, {"units": [3]}, X, y, validation=0.25, epochs=1)
    assert isinstance(error.value.__cause__, RuntimeError)


def test_a_scoring_without_a_number_is_named():
    X, y = digits()

    def unscored(net, X, y):
        return np.nan

    with pytest.raises(
        ValueError, match=r"2 of 2 trials failed.* ValueError: scoring must return a finite number; got nan"
    ):
        lamina.search(build, {"units": [4, 8]}, X, y, validation=0.25, epochs=1, scoring=unscored)


def test_a_metric_without_a_value_is_no_divergence():
    x, y = np.arange(20.0)[:, np.newaxis], np.r_[np.zeros(19, int), 1]
    options = {"validation": (x[:5], y[:5]), "scoring": "auc", "epochs": 2}

    def build(rate):
        return lamina.Network([lamina.Dense(1)], 1, "binary_cross_entropy"), {"optimizer": lamina.SGD(rate)}

    with pytest.raises(ValueError, match=r"trials failed.* scoring must return a finite number; got nan"):
        lamina.search(build, {"rate": [0.01, 0.1]}, x, y, **options)


def test_what_has_failed_is_tried_again(tmp_path):
    X, y = digits()
    settings = {"validation": 0.25, "path": tmp_path / "search.jsonl", **OPTIONS}
    with pytest.warns(UserWarning, match="1 of 2 trials failed"):
        first = lamina.search(picky, {"units": [8, 3]}, X, y, **settings)
    kept = [json.loads(line) for line in settings["path"].read_text().splitlines()[1:]]
    assert sorted(str(trial["error"]) for trial in kept) == ["None", "RuntimeError: no network of 3 units"]
    for _ in range(2):
        again = lamina.search(build, {"units": [8, 3]}, X, y, **settings)
        assert [trial["error"] for trial in again.trials] == [None, None]
        assert again.trials[0]["seconds"] == first.trials[0]["seconds"]  # not trained again
    assert len(settings["path"].read_text().splitlines()) == 1 + 3


# Targets and folds of other kinds -----------------------------------------------------------------------------------


@pytest.mark.parametrize("swapped", [False, True])
def test_soft_labels_beside_a_validation_set_of_labels(swapped):
    X, y = digits()
    soft = np.full((200, 10), 0.01) + 0.9 * np.eye(10)[y[:200]]
    given, own = (X[:200], soft), (X[200:], y[200:])
    if swapped:
        given, own = own, given
    for scoring in (None, "accuracy"):
        found = lamina.search(build, {"units": [4, 16]}, *given, validation=own, scoring=scoring, **OPTIONS)
        for trial in found.trials:
            net = build(**trial["params"])
            net.fit(*given, validation=own, **OPTIONS)
            labels = own[1] if own[1].ndim == 1 else own[1].argmax(axis=1)
            right = (net.predict(own[0]).argmax(axis=1) == labels).mean()
            assert trial["score"] == pytest.approx(net.evaluate(*own) if scoring is None else right, rel=1e-6)


def test_folds_of_a_splitter_are_the_same_for_every_trial():
    from sklearn.model_selection import ShuffleSplit

    X, y = digits()
    units = {"units": [8], "activation": ["relu", "relu"]}
    random = ShuffleSplit(3, test_size=0.2)  # other rows each time that it is asked
    found = lamina.search(build, units, X, y, k=random, **OPTIONS)
    assert len({trial["score"] for trial in found.trials}) == 1
