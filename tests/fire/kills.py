"""SIGKILL at random moments: afterwards every file is whole, and what goes on from it ends with the right bits.

python -m tests.fire.kills --kills 1000 --seed 1       # all jobs in turn
python -m tests.fire.kills --kills 200 --job fit

A job is killed up to four times on the same file, uniformly over the time that it takes alone, and then ends in peace.
After each kill the file is there and loads, or is not there; beside it there is nothing but, at most, the one draft
(`.lamina-...`) that the next save of the file takes away. At the end only the file is left.
"""

import argparse
import contextlib
import os
import random
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import lamina
import runs
from lamina.callbacks import Checkpoint
from test_checkpoint import bits

from .children import Child
from .targets import checked_run

KILLS_OF_A_FILE = 4


@dataclass(frozen=True)
class Job:
    """Something that writes a file while it works.

    Attributes
    ----------
    work : callable
        Given the path, does it, going on with what is there, and returns a digest of what came of it.
    check : callable
        Raises where the file at the path is not whole.
    """

    work: Callable[[str], str]
    check: Callable[[str], Any]


def problem():
    rng = np.random.default_rng(11)
    x = rng.normal(size=(400, 6)).astype(np.float32)
    return x, np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2]


def network(seed=4):
    layers = [lamina.Dense(48, "tanh"), lamina.BatchNorm(), lamina.Dropout(0.2), lamina.Dense(1)]
    return lamina.Network(layers, n_inputs=6, seed=seed, normalize_inputs=True, normalize_targets=True)


def fit(path):
    """Training with a checkpoint after each epoch."""
    net, keep = network(), Checkpoint(path)
    options = {"epochs": 12, "batch_size": 16, "validation": 0.2, "schedule": lamina.schedules.Cosine()}
    history = net.fit(*problem(), callbacks=[keep], resume_from=path, average=0.9, **options)
    return runs.digest(sorted(bits(net, history).items()))


def saves(path):
    """Two networks saved in turn, one of which is what the file then holds."""
    for i in range(30):
        network(i % 2).save(path)
    return runs.digest([*lamina.load(path).parameters.values()])


def is_a_saved_one(path):
    found = runs.digest([*lamina.load(path).parameters.values()])
    assert found in [runs.digest([*network(seed).parameters.values()]) for seed in (0, 1)]


def run(name):
    """A run of tests/runs.py, shorter."""

    def work(path):
        return runs.digest(runs.RUNS[name].outcome(checked_run(path, name)))

    return work


def is_of_a_run(name):
    return lambda path: checked_run(path, name, go_on=False)


RUNS = ("search", "cross_validate", "Ensemble.fit", "CascadeNetwork.fit")
JOBS = {"fit": Job(fit, lamina.load), "saves": Job(saves, is_a_saved_one)}
JOBS |= {name: Job(run(name), is_of_a_run(name)) for name in RUNS}


@dataclass
class Tally:
    """What came of the kills of a job."""

    seconds: float = 0.0
    tries: int = 0
    kills: int = 0
    no_file: int = 0
    drafts: int = 0
    ends: int = 0

    def __str__(self):
        return (
            f"{self.kills:5} kills of {self.tries} tries over {self.seconds:.2f} s: before the file {self.no_file}, "
            f"with a draft {self.drafts}; {self.ends} ends with the right bits"
        )


def kill(name, kills, seed):
    """Kill a job so many times; AssertionError for a file that is not whole, other bits, or a file left over."""
    job, tally, draw = JOBS[name], Tally(), random.Random(f"{seed}/{name}")
    with tempfile.TemporaryDirectory(prefix="lamina-kills-") as folder:
        wanted, tally.seconds = _whole(job, Path(folder))
        while tally.kills < kills:
            path = Path(folder) / f"file-{tally.ends}" / "kept"
            path.parent.mkdir()
            for _ in range(draw.randint(1, KILLS_OF_A_FILE)):
                if tally.kills < kills:
                    _kill(job, path, draw.uniform(0, tally.seconds), tally)
            found = Child(lambda path=path: job.work(str(path))).value()
            assert found == wanted, "the end has other bits"
            assert os.listdir(path.parent) == ["kept"]
            tally.ends += 1
    return tally


def check_copy(job, path):
    """Check a file where it may be changed."""
    with tempfile.TemporaryDirectory(prefix="lamina-check-") as folder:
        shutil.copy(path, folder)
        Child(lambda: job.check(os.path.join(folder, path.name)) and None).value()


def _whole(job, folder):
    """The digest of what is not interrupted, and its seconds."""
    with contextlib.suppress(FileNotFoundError):  # what is imported where it is needed, is imported before all forks
        job.work(str(folder / "no folder" / "kept"))
    times = []
    for i in range(3):
        (folder / f"whole-{i}").mkdir()
        child = Child(lambda i=i: _timed(job, folder / f"whole-{i}" / "kept"))
        found, seconds = child.value()
        times.append(seconds)
    return found, min(times)


def _timed(job, path):
    begun = time.perf_counter()
    found = job.work(str(path))
    return found, time.perf_counter() - begun


def _kill(job, path, moment, tally):
    child = Child(lambda: job.work(str(path)))
    tally.tries += 1
    child.ended_within(moment)
    tally.kills += child.kill()
    beside = [name for name in os.listdir(path.parent) if name != path.name]
    assert all(name.startswith(".lamina-") for name in beside), beside
    assert len(beside) <= 1, beside
    tally.drafts += len(beside)
    if path.exists():
        check_copy(job, path)
    else:
        tally.no_file += 1


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fire.kills", description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--job", action="append", choices=JOBS)
    options = parser.parse_args()
    jobs, total = options.job or list(JOBS), 0
    for i, name in enumerate(jobs):
        tally = kill(name, options.kills * (i + 1) // len(jobs) - options.kills * i // len(jobs), options.seed)
        total += tally.kills
        print(f"{name:20}{tally}", flush=True)
    print(f"{total} kills survived of {total}; 0 files left over")
    return 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
