"""Optuna as sampler and pruner of a search: the same result for the same seed, also when it goes on from a file."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

import lamina
from lamina import space
from lamina.selection.search import search
from lamina.space import candidates

optuna = pytest.importorskip("optuna")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(160, 4)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(int)
SPACE = {
    "units": space.integer(2, 32, log=True),
    "activation": ["relu", "tanh", lamina.activations.get("elu", alpha=0.5)],
    "l2": space.loguniform(1e-6, 1e-2),
    "rate": (1e-3, 5e-2),
}
OPTIONS = {"epochs": 6, "validation": 0.25, "n_trials": 12}
PRUNERS = {
    "none": lambda: None,
    "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=1),
    "halving": lambda: optuna.pruners.SuccessiveHalvingPruner(),
    "hyperband": lambda: optuna.pruners.HyperbandPruner(min_resource=1, max_resource=6),
}
SAMPLERS = {
    "optuna": lambda: "optuna",
    "tpe": lambda: optuna.samplers.TPESampler(seed=3, n_startup_trials=4),
    "random": lambda: optuna.samplers.RandomSampler(seed=3),
}


def build(units=8, activation="relu", rate=1e-3):
    layers = [lamina.Dense(units, activation), lamina.Dense(2)]
    net = lamina.Network(layers, n_inputs=4, loss="cross_entropy")
    return net, {"optimizer": lamina.Adam(rate)}


def found(result):
    """What a search has found, without its times."""
    return [{name: value for name, value in trial.items() if name != "seconds"} for trial in result.trials]


def look(**options):
    return lamina.search(build, SPACE, X, Y, **{**OPTIONS, **options})


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("pruner", PRUNERS)
def test_the_same_seed_gives_the_same_trials(sampler, pruner):
    first = look(sampler=SAMPLERS[sampler](), pruner=PRUNERS[pruner]())
    again = look(sampler=SAMPLERS[sampler](), pruner=PRUNERS[pruner](), n_jobs=3)
    assert found(first) == found(again)
    assert len(first.trials) == 12
    assert first.best["score"] == min(trial["score"] for trial in first.trials if trial["score"] is not None)
    assert list(first.best_params) == list(SPACE)
    for trial in first.trials:
        params = trial["params"]
        assert type(params["units"]) is int
        assert 2 <= params["units"] <= 32
        assert params["activation"] in SPACE["activation"]
        assert 1e-6 <= params["l2"] <= 1e-2
        assert 1e-3 <= params["rate"] <= 5e-2


def test_objects_are_left_as_they_were():
    sampler, pruner = SAMPLERS["tpe"](), PRUNERS["halving"]()
    assert found(look(sampler=sampler, pruner=pruner)) == found(look(sampler=sampler, pruner=pruner))


def test_another_seed_gives_other_trials():
    assert found(look(sampler="optuna")) != found(look(sampler="optuna", seed=1))
    random = candidates(SPACE, 12, 0)
    assert [trial["params"] for trial in look(sampler="optuna").trials] != random


def test_a_trial_is_scored_as_a_random_search_scores_it():
    result = look(sampler="optuna")
    for trial in result.trials[:3]:
        own = {name: [value] for name, value in trial["params"].items()}
        alone = lamina.search(build, own, X, Y, **{**OPTIONS, "n_trials": 1})
        assert alone.best["score"] == trial["score"]
    folds = lamina.search(build, SPACE, X, Y, k=3, n_trials=3, epochs=3, sampler="optuna")
    net, options = folds.best_network()
    mean = lamina.cross_validate(net, X, Y, k=3, **options).mean
    assert folds.best_score == pytest.approx(mean, rel=1e-12)


def test_it_looks_where_scores_are_good():
    """Of a score that is known: twenty trials of Optuna's end nearer to the best rate than as many random ones."""

    def score(net, X, y):
        return -float((np.log10(net.history.learning_rate[0]) + 2.5) ** 2)

    def one(rate):
        return build(2, "tanh", rate)

    options = {"epochs": 1, "validation": 0.25, "n_trials": 40, "scoring": score}
    rates = {"rate": space.loguniform(1e-6, 1e0)}
    late = {}
    for sampler in (None, "optuna"):
        result = lamina.search(one, rates, X, Y, sampler=sampler, **options)
        late[sampler] = np.median([abs(np.log10(t["params"]["rate"]) + 2.5) for t in result.trials[20:]])
    assert late["optuna"] < 0.5 * late[None]


@pytest.mark.parametrize("scoring", [None, "accuracy", lambda net, X, y: float((net.predict(X).argmax(1) == y).mean())])
def test_a_pruner_is_told_of_every_epoch_of_a_hold_out_part(scoring):
    told = []

    class Watching(optuna.pruners.BasePruner):
        def prune(self, study, trial):
            told.append((trial.number, dict(trial.intermediate_values)))
            return trial.number == 1 and trial.last_step == 3

    result = look(sampler="optuna", pruner=Watching(), n_trials=3, scoring=scoring, early_stopping=None)
    first, second, third = result.trials
    assert [step for step, _ in first["reports"]] == [1, 2, 3, 4, 5, 6]
    assert [step for step, _ in second["reports"]] == [1, 2, 3]
    assert (first["pruned"], second["pruned"], third["pruned"]) == (False, True, False)
    assert second["score"] is None
    assert second["error"] is None
    assert first["reports"][-1][1] == pytest.approx(first["score"], rel=1e-12)
    assert result.ranked[-1] is second
    assert " pruned " in result.table()
    assert "pruned" in result._repr_html_()
    assert result.to_frame()["pruned"].tolist() == [False, False, True]


def test_a_pruner_is_told_of_every_fold_but_the_last():
    class ThirdTrial(optuna.pruners.BasePruner):
        def prune(self, study, trial):
            return trial.number == 2

    result = lamina.search(build, SPACE, X, Y, k=4, n_trials=3, epochs=2, sampler="optuna", pruner=ThirdTrial())
    assert [[step for step, _ in trial["reports"]] for trial in result.trials] == [[1, 2, 3], [1, 2, 3], [1]]
    assert [trial["pruned"] for trial in result.trials] == [False, False, True]


def test_where_every_trial_is_pruned_that_is_said():
    pruner = optuna.pruners.ThresholdPruner(upper=0.0)
    with pytest.raises(ValueError, match="no trial has a score: 12 of 12 were pruned; give a milder pruner"):
        look(sampler="optuna", pruner=pruner)


def test_a_trial_that_fails_or_diverges_is_no_end():
    def some(units, activation, rate):
        if units < 8:
            raise LookupError("too small")
        return build(units, activation, 1e30 if activation == "relu" else rate)

    with pytest.warns(UserWarning, match=r"of 12 trials failed, the first by LookupError: too small"):
        result = lamina.search(some, SPACE, X, Y, sampler="optuna", pruner=PRUNERS["median"](), **OPTIONS)
    assert result.best["score"] is not None
    assert {trial["pruned"] for trial in result.trials} <= {True, False}
    result.to_frame()


# Going on from a file -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("pruner", PRUNERS)
def test_a_search_that_was_broken_off_goes_on_to_the_same_trials(tmp_path, sampler, pruner):
    def options():
        return {"sampler": SAMPLERS[sampler](), "pruner": PRUNERS[pruner]()}

    whole = look(**options())
    path = tmp_path / "trials"
    look(path=path, **options())
    lines = path.read_bytes().splitlines(keepends=True)
    for left in (1, 4, 9, 13):
        path.write_bytes(b"".join(lines[:left]))
        again = look(path=path, **options())
        assert found(again) == found(whole)
        assert len(path.read_bytes().splitlines()) == 13


def test_an_interrupted_search_goes_on(tmp_path):
    path = tmp_path / "trials"
    calls = []

    def interrupted(units, activation, rate):
        calls.append(units)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return build(units, activation, rate)

    with pytest.raises(KeyboardInterrupt):
        lamina.search(interrupted, SPACE, X, Y, sampler="optuna", path=path, **OPTIONS)
    assert len(path.read_bytes().splitlines()) == 5  # the first line tells the search; one call was before the trials
    assert found(look(sampler="optuna", path=path)) == found(look(sampler="optuna"))


def test_the_file_of_a_sampler_without_a_seed_is_refused_by_name(tmp_path):
    path = tmp_path / "trials"
    look(sampler=optuna.samplers.RandomSampler(), path=path)
    before = path.read_bytes()
    with pytest.raises(lamina.SearchFileError, match="holds another search: trial 0 had"):
        look(sampler=optuna.samplers.RandomSampler(), path=path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [
        {"sampler": None},
        {"pruner": PRUNERS["median"]()},
        {"sampler": SAMPLERS["random"]()},
        {"sampler": optuna.samplers.TPESampler(seed=0, multivariate=False, n_startup_trials=3)},
    ],
)
def test_the_file_of_another_sampler_or_pruner_is_refused(tmp_path, change):
    path = tmp_path / "trials"
    look(sampler="optuna", path=path, n_trials=2)
    before = path.read_bytes()
    with pytest.raises(lamina.SearchFileError, match=r"holds another search: .*(sampler|pruner)"):
        look(**{"sampler": "optuna", "path": path, "n_trials": 2, **change})
    assert path.read_bytes() == before


def test_a_file_is_json_with_what_the_pruner_was_told(tmp_path):
    path = tmp_path / "trials"
    result = look(sampler="optuna", pruner=PRUNERS["median"](), path=path)
    kept = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    assert [trial["reports"] for trial in kept] == [t["reports"] for t in result.trials]


# What is refused, and what is not done -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"sampler": "tpe"}, ValueError, "sampler must be 'optuna', a sampler of optuna.samplers, or None; got 'tpe'"),
        ({"sampler": 3}, TypeError, "sampler must be 'optuna', .* got 3"),
        ({"sampler": "optuna", "pruner": "median"}, TypeError, "pruner must be a pruner of optuna.pruners or None"),
        ({"pruner": optuna.pruners.NopPruner()}, ValueError, "pruner goes with a sampler"),
        ({"sampler": "optuna", "method": "halving"}, ValueError, "sampler and method='halving' both say"),
    ],
)
def test_misuse_is_named(options, error, message):
    with pytest.raises(error, match=message):
        look(**options)


def test_optuna_says_nothing_and_keeps_its_own_settings(capfd):
    said = optuna.logging.get_verbosity()
    look(sampler="optuna", n_trials=2)
    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == said


def test_what_is_missing_is_named():
    code = (
        "import sys; sys.modules['optuna'] = None\n"
        "import numpy as np, lamina\n"
        "net = lambda units: lamina.Network([lamina.Dense(units), lamina.Dense(1)], n_inputs=2)\n"
        "lamina.search(net, {'units': [1, 2]}, np.ones((40, 2)), np.arange(40.), k=2, epochs=1)\n"
        "lamina.search(net, {'units': [1, 2]}, np.ones((40, 2)), np.arange(40.), sampler='optuna')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert re.search(r"ImportError: sampler='optuna' needs optuna; install with: pip install \"optuna>=4\"", run.stderr)


def test_help_says_what_it_means():
    assert "optuna.samplers" in search.__doc__
