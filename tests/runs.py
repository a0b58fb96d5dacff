"""Runs that consist of whole parts, each with a file from which it goes on; as a program, one that may be killed.

python tests/runs.py NAME PATH JOBS LIMIT SECONDS

It kills itself in the LIMIT-th callback, and is killed after so many SECONDS (0: not at all); else it prints the digest
of its result.
"""

import hashlib
import json
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np

import lamina

RNG = np.random.default_rng(5)
X = RNG.normal(size=(120, 4)).astype(np.float32)
LABELS = (X[:, 0] * X[:, 1] + 0.3 * RNG.normal(size=120) > 0).astype(int)
VALUES = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2]
WEIGHT = RNG.uniform(0.5, 2, size=120)
WORDS = np.array(["red", "green", None])[RNG.integers(3, size=120)]
TINY = {"width": 6, "depth": 1, "epochs": 4, "patience": 4, "random_state": 3}


def frame():
    import pandas  # here and below: a process that is to be killed begins sooner without what it does not need

    return pandas.DataFrame({**{f"x{i}": X[:, i] for i in range(4)}, "word": WORDS})


def network(units=6, seed=3, **options):
    layers = [lamina.Dense(units, "tanh"), lamina.BatchNorm(), lamina.Dropout(0.2), lamina.Dense(2)]
    return lamina.Network(layers, 4, "cross_entropy", seed=seed, normalize_inputs=True, **options)


def build(units):
    return network(units)


def cascade(seed=3, **options):
    pool = ["tanh", "prelu", "bipolar_relu", "relu"]
    return lamina.CascadeNetwork(4, 1, 5, 7, pool, seed=seed, normalize_inputs=True, **options)


def cross_validation(path, n_jobs, tick, **changes):
    options = {"k": 4, "epochs": 8, "scoring": "accuracy", "clip": lamina.ClipNorm(1.0), **changes}
    net, x, y = (options.pop(name, usual) for name, usual in (("net", network()), ("X", X), ("y", LABELS)))
    return lamina.cross_validate(net, x, y, n_jobs=n_jobs, callbacks=[tick], checkpoint=path, **options)


def ensemble(path, n_jobs, tick, **changes):
    options = {"epochs": 8, "schedule": lamina.schedules.Cosine(), "sample_weight": WEIGHT, **changes}
    net, x, y = (options.pop(name, usual) for name, usual in (("net", network()), ("X", X), ("y", LABELS)))
    made = lamina.Ensemble(net, options.pop("members", 5), n_jobs)
    return made.fit(x, y, callbacks=[tick], checkpoint=path, **options)


def grown(path, n_jobs, tick, **changes):
    options = {"tolerance": 0.01, "validation": 0.2, "output_epochs": 60, "candidate_epochs": 60, **changes}
    net, x, y = (options.pop(name, usual) for name, usual in (("net", cascade()), ("X", X), ("y", VALUES)))
    net.fit(x, y, n_threads=n_jobs, callbacks=[tick], checkpoint=path, **options)
    return net


def halving(path, n_jobs, tick, **changes):
    options = {"n_trials": 9, "method": "halving", "epochs": 18, "k": 2, **changes}
    x, y = (options.pop(name, usual) for name, usual in (("X", X), ("y", LABELS)))
    space = {"units": lamina.space.integer(2, 9), "l2": lamina.space.loguniform(1e-6, 1e-2)}
    return lamina.search(build, space, x, y, n_jobs=n_jobs, callbacks=[tick], path=path, **options)


def of_tables(estimator, usual):
    """Ctrl-C leaves an estimator, and a warning, which is a KeyboardInterrupt here."""

    def start(path, n_jobs, tick, **changes):
        from lamina.tabular import members

        y = changes.pop("y", LABELS if estimator == "TabularClassifier" else VALUES)
        rest = {name: changes.pop(name) for name in ("sample_weight", "X_val", "y_val", "groups") if name in changes}
        x, hook = changes.pop("X", frame()), members.Overview.hook

        def with_tick(self):
            own = hook(self)
            return lambda epoch: (own(epoch), tick(epoch))

        model = getattr(lamina, estimator)(**{**TINY, **usual, **changes}, n_jobs=n_jobs)
        with mock.patch.object(members.Overview, "hook", with_tick), warnings.catch_warnings(record=True) as met:
            warnings.simplefilter("always")
            model.fit(x, y, checkpoint=path, **rest)
        if any("interrupted" in str(one.message) for one in met):
            raise KeyboardInterrupt
        for one in met:
            warnings.warn(str(one.message), one.category, stacklevel=2)
        return model

    return start


def of_networks(networks):
    """All that training has left in networks."""
    arrays = [array for net in networks for array in (*net.parameters.values(), *net.scales.values())]
    return arrays, [repr(vars(net.history)) for net in networks]


def of_cross_validation(found):
    tables = [found.scores, found.out_of_fold, found.folds, found.validation_curve]
    return *of_networks(found.networks), tables, found.best_epoch, str(found), found.refit().predict(X)


def of_cascade(net):
    stages = [net.at(k).predict(X) for k in range(len(net.history.error))]
    return list(net.parameters.values()), net.input_normalization, stages, repr(net.history.as_dict())


def of_search(found):
    trials = [{name: value for name, value in trial.items() if name != "seconds"} for trial in found.trials]
    return json.dumps(trials), found.refit().predict(X)


def of_table(model):
    x = frame()
    probable = model.predict_proba(x) if hasattr(model, "predict_proba") else model.predict_interval(x, 0.5)
    tables = [model.predict(x), probable, model.out_of_fold_, model.fold_, model.feature_importances_]
    return *of_networks(model.networks_), tables, repr((model.validation_score_, model.best_epoch_))


@dataclass
class Run:
    """How a run is made, what its result comes to, and other runs: (changes, words of the refusal)."""

    start: Callable[..., Any]
    outcome: Callable[..., Any]
    others: list[tuple[dict[str, Any], str]] = field(default_factory=list)


RUNS = {
    "cross_validate": Run(cross_validation, of_cross_validation),
    "Ensemble.fit": Run(ensemble, lambda found: (*of_networks(found.members), found.predict(X), found.spread(X))),
    "CascadeNetwork.fit": Run(grown, of_cascade),
    "TabularClassifier.fit": Run(of_tables("TabularClassifier", {"n_folds": 3, "n_members": 2}), of_table),
    "TabularRegressor.fit": Run(of_tables("TabularRegressor", {"n_members": 2, "quantiles": [0.2, 0.8]}), of_table),
    "search": Run(halving, of_search),
}


def digest(outcome):
    """One for all bits of nested sequences of arrays and texts."""
    if isinstance(outcome, np.ndarray):
        outcome = [str(outcome.dtype), str(outcome.shape), np.ascontiguousarray(outcome).tobytes().hex()]
    if isinstance(outcome, (list, tuple)):
        outcome = "\n".join(digest(part) for part in outcome)
    return hashlib.sha256(str(outcome).encode()).hexdigest()


class Ticks:
    """What callbacks count together; `act` is called once, in the `limit`-th."""

    def __init__(self, limit=None, act=None):
        self.count, self.limit, self.act, self.lock = 0, limit, act, threading.Lock()

    def hook(self):
        def tick(_):
            with self.lock:
                self.count += 1
                due = self.count == self.limit
            if due:
                self.act()

        return tick


def main(name, path, n_jobs, limit, seconds):
    signal.setitimer(signal.ITIMER_REAL, float(seconds))  # nobody handles it, so that it kills
    ticks = Ticks(int(limit), lambda: os.kill(os.getpid(), signal.SIGKILL))
    print(digest(RUNS[name].outcome(RUNS[name].start(path, int(n_jobs), ticks.hook()))))


if __name__ == "__main__":
    main(*sys.argv[1:])
