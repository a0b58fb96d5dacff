"""Many threads at once: sixteen predict, two fit, one saves, one copies, and processes are forked in between.

python -m tests.fire.stress --seconds 600

Every prediction of a network at rest has the bits that are known, in every thread and every forked process; a fit ends
with the bits that it has alone; a file that was saved and a copy that was made beside fits hold what can be computed
with.
"""

import argparse
import hashlib
import os
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import safetensors.numpy  # noqa: F401 (before all threads: a module that one of them imports is locked in a forked child)
from numpy.testing import assert_array_equal

import lamina

from .children import Child

PREDICTING, FITTING = 16, 2


def problem():
    x = np.random.default_rng(1).normal(size=(600, 8)).astype(np.float32)
    return x, (x[:, 0] * x[:, 1] > 0).astype(int)


def network(seed):
    layers = [lamina.Dense(24, "relu"), lamina.BatchNorm(), lamina.Dropout(0.1), lamina.Dense(2)]
    return lamina.Network(layers, 8, loss="cross_entropy", seed=seed, normalize_inputs=True)


def fitted(net, seed):
    x, y = problem()
    net.fit(x, y, epochs=3, optimizer=("Adam", "RMSprop")[seed % 2], validation=0.2)
    return net


def bits(net):
    """A digest of all numbers of a network."""
    arrays = {**net.parameters, **net.scales}
    return hashlib.sha256(b"".join(arrays[name].tobytes() for name in sorted(arrays))).hexdigest()


class Stress:
    """The threads of one run, and what they have done."""

    def __init__(self, folder):
        self.x, _ = problem()
        self.path = Path(folder) / "beside.lamina"
        self.still = fitted(network(0), 0)
        self.wanted = self.still.predict(self.x)
        self.ends = [bits(fitted(network(seed), seed)) for seed in range(FITTING)]
        self.busy = [network(seed) for seed in range(FITTING)]
        self.counts, self.lock, self.errors = Counter(), threading.Lock(), []

    def predict(self, number):
        """The network at rest, whole or in part; and one beside its fit, whose weights may be of any moment."""
        if number % 4 == 3:
            assert np.isfinite(self.busy[number % FITTING].predict(self.x)).all()
            return "predictions beside a fit"
        begin = 37 * number % 100
        rows = slice(begin, begin + 500)
        assert_array_equal(self.still.predict(self.x[rows]), self.wanted[rows])
        return "predictions"

    def fit(self, number):
        """From the beginning, each time, beside those who look at the network."""
        net = network(number)
        self.busy[number] = net
        assert bits(fitted(net, number)) == self.ends[number], "a fit beside others has other bits"
        return "fits"

    def save(self, _):
        self.busy[0].save(self.path)
        assert np.isfinite(lamina.load(self.path).predict(self.x)).all()
        return "saves"

    def copy(self, _):
        assert np.isfinite(self.busy[1].copy().predict(self.x)).all()
        assert_array_equal(self.still.copy().predict(self.x), self.wanted)
        return "copies"

    def fork(self):
        """A child predicts and fits."""

        def work():
            assert_array_equal(self.still.predict(self.x), self.wanted)
            return bits(fitted(network(1), 1))

        assert Child(work).value() == self.ends[1]
        return "forks"

    def repeat(self, work, until):
        """Do it until then, or until something fails anywhere."""
        done = Counter()
        try:
            while time.monotonic() < until and not self.errors:
                done[work()] += 1
        except BaseException as error:  # a thread has nobody else to tell
            self.errors.append(error)
        with self.lock:
            self.counts += done

    def run(self, seconds):
        """All of it at once, for so long."""
        until = time.monotonic() + seconds
        work = [lambda n=n: self.predict(n) for n in range(PREDICTING)]
        work += [lambda n=n: self.fit(n) for n in range(FITTING)]
        work += [lambda: self.save(0), lambda: self.copy(0)]
        threads = [threading.Thread(target=self.repeat, args=(each, until)) for each in work]
        for thread in threads:
            thread.start()
        self.repeat(self.fork, until)  # in this thread: there is no lock that it could hold
        for thread in threads:
            thread.join(120)
        assert not any(thread.is_alive() for thread in threads), "a thread hangs"
        if self.errors:
            raise self.errors[0]
        assert os.listdir(self.path.parent) == [self.path.name]
        return self.counts


def stress(seconds):
    """Return how often each thing was done."""
    with tempfile.TemporaryDirectory(prefix="lamina-stress-") as folder:
        return Stress(folder).run(seconds)


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fire.stress", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    counts = stress(parser.parse_args().seconds)
    print(", ".join(f"{count} {name}" for name, count in sorted(counts.items())), "- all with the right bits")
    return 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
