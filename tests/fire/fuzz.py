"""Files from an enemy: whatever is in them, they are read, or refused as documented, soon and with little memory.

python -m tests.fire.fuzz --inputs 20000 --seed 1                # every target
python -m tests.fire.fuzz --inputs 5000 --target models          # one of them
python -m tests.fire.fuzz --again FILE                           # what was found before

A finding is a process that dies, an error that is not documented, more than ten seconds of work, or more memory than
ten times the file and a constant; its input is kept. The good files come from the tests' own networks and runs.
"""

import argparse
import hashlib
import json
import os
import random
import resource
import select
import sys
import tempfile
import time
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import lamina

from .children import forget_peak, memory
from .targets import TARGETS

SECONDS = 10  # of work; a machine that does other things may take several times as long
TIMES, CONSTANT = 10, 64 * 2**20  # what a file may take of memory; the constant is for what is computed with it
ADDRESSES = 2**30  # beyond which there is no memory at all
INPUTS_OF_A_WORKER = 2000


@dataclass
class Tally:
    """What came of the inputs of a target."""

    inputs: int = 0
    read: int = 0
    refused: int = 0
    crashes: int = 0
    errors: int = 0
    hangs: int = 0
    greedy: int = 0
    peak: int = 0
    seconds: float = 0.0
    kept: list[Path] = field(default_factory=list)

    @property
    def findings(self):
        return self.crashes + self.errors + self.hangs + self.greedy

    def __str__(self):
        return (
            f"{self.inputs:8} inputs: {self.read:6} read, {self.refused:6} refused; {self.crashes} crashes, "
            f"{self.errors} other errors, {self.hangs} hangs, {self.greedy} with too much memory; "
            f"peak {self.peak / 2**20:.1f} MiB beyond what there was, {self.seconds:.0f} s"
        )


class Worker:
    """A forked process that reads files, one after the other."""

    def __init__(self, target):
        (tasks, self._tasks), (self._answers, answers) = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._tasks)
            os.close(self._answers)
            _work(target, tasks, answers)
        os.close(tasks)
        os.close(answers)
        self.inputs = 0

    def read(self, path, name):
        """What came of a file: (kind, words, bytes of memory)."""
        self.inputs += 1
        os.write(self._tasks, json.dumps([str(path), name]).encode() + b"\n")
        begun, before, said = time.monotonic(), self._worked(), b""
        while not said.endswith(b"\n"):
            if select.select([self._answers], [], [], 1)[0]:
                data = os.read(self._answers, 1 << 16)
                if not data:
                    return "crashes", f"the process died of it: {self.end()}", 0
                said += data
            elif self._worked() - before > SECONDS or time.monotonic() - begun > 10 * SECONDS:
                os.kill(self.pid, 9)
                self.end()
                return "hangs", f"not done after {time.monotonic() - begun:.0f} s", 0
        return json.loads(said)

    def _worked(self):
        with open(f"/proc/{self.pid}/stat") as file:
            times = file.read().rpartition(")")[2].split()
        return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")

    def end(self):
        """Let it go, and return how it ended."""
        os.close(self._tasks)
        os.close(self._answers)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _work(target, tasks, answers):
    """In the child: never return."""
    try:
        lamina.set_num_threads(1)
        limit = memory("VmSize") + ADDRESSES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with os.fdopen(tasks) as lines:
            for line in lines:
                path, name = json.loads(line)
                os.write(answers, json.dumps(_outcome(target, path, name)).encode() + b"\n")
    finally:
        os._exit(0)


def _outcome(target, path, name):
    forget_peak()
    before, kind, words = memory("VmRSS"), "read", ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.read(path, name)
    except target.refusals as error:
        kind, words = "refused", str(error)[:500]
        if isinstance(error, lamina.ModelFileError) and path not in str(error):
            kind, words = "errors", f"a refusal that does not name the file: {words}"
    except BaseException:
        kind, words = "errors", traceback.format_exc()
    return kind, words, memory("VmHWM") - before


class Fuzz:
    """A run over one target."""

    def __init__(self, name, folder, findings):
        self.name, self.target, self.folder, self.findings = name, TARGETS[name], folder, findings
        seeds = folder / "seeds"
        seeds.mkdir()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.seeds = self.target.seeds(seeds)
        self.tally, self.worker = Tally(), None

    def check_seeds(self):
        """Nothing is found in good files; what reading them imports is there before memory is measured."""
        for seed, data in self.seeds.items():
            kind, words, _ = self._read(seed, data)
            assert kind in ("read", "refused"), f"the good file {seed} of {self.name}: {words}"

    def run(self, inputs, number):
        """Try so many inputs, all told by the number."""
        self.check_seeds()
        names, good = sorted(self.seeds), list(self.seeds.values())
        begun = time.monotonic()
        for i in range(inputs):
            draw = random.Random(f"{number}/{self.name}/{i}")
            seed = draw.choice(names)
            data = self.target.change(self.seeds[seed], draw, good)
            kind, words, used = self._read(seed, data)
            if kind in ("read", "refused") and used > TIMES * len(data) + CONSTANT:
                kind, words = "greedy", f"{used} bytes of memory for {len(data)} of a file"
            self.tally.inputs += 1
            self.tally.peak = max(self.tally.peak, used)
            setattr(self.tally, kind, getattr(self.tally, kind) + 1)
            if kind not in ("read", "refused"):
                self._keep(kind, seed, data, words)
        self.tally.seconds = time.monotonic() - begun
        self.close()
        return self.tally

    def _read(self, seed, data):
        path = self.folder / "input"
        path.write_bytes(data)
        if self.worker is not None and self.worker.inputs >= INPUTS_OF_A_WORKER:
            self.close()
        if self.worker is None:
            self.worker = Worker(self.target)
        outcome = self.worker.read(path, seed)
        if outcome[0] in ("crashes", "hangs"):
            self.worker = None
        return outcome

    def close(self):
        """Let go of the process."""
        if self.worker is not None:
            self.worker.end()
            self.worker = None

    def _keep(self, kind, seed, data, words):
        self.findings.mkdir(parents=True, exist_ok=True)
        path = self.findings / f"{self.name}+{seed}+{kind}+{hashlib.sha256(data).hexdigest()[:12]}"
        path.write_bytes(data)
        path.with_name(f"{path.name}.txt").write_text(words)
        self.tally.kept.append(path)


def fuzz(inputs, number, targets, findings):
    """Return what came of it, by target."""
    weights = {name: TARGETS[name].weight for name in targets}
    tallies = {}
    for name in targets:
        with tempfile.TemporaryDirectory(prefix="lamina-fuzz-") as folder:
            run = Fuzz(name, Path(folder), findings)
            try:
                tallies[name] = run.run(max(1, inputs * weights[name] // sum(weights.values())), number)
            finally:
                run.close()
    return tallies


def again(path):
    """Read what was found before, in this process."""
    name, seed, *_ = Path(path).name.split("+")
    with tempfile.TemporaryDirectory(prefix="lamina-fuzz-") as folder:
        copied = Path(folder) / "input"
        copied.write_bytes(Path(path).read_bytes())
        try:
            TARGETS[name].read(str(copied), seed)
        except TARGETS[name].refusals as error:
            print("refused:", error)
        else:
            print("read")


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fire.fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", action="append", choices=TARGETS)
    parser.add_argument("--findings", type=Path, default=Path(tempfile.gettempdir()) / "lamina-fire")
    parser.add_argument("--again", metavar="FILE")
    options = parser.parse_args()
    if options.again:
        return again(options.again)
    tallies = fuzz(options.inputs, options.seed, options.target or list(TARGETS), options.findings)
    for name, tally in tallies.items():
        print(f"{name:12}{tally}")
        for path in tally.kept:
            print(f"    {path}")
    inputs, findings = (sum(getattr(tally, each) for tally in tallies.values()) for each in ("inputs", "findings"))
    print(f"{inputs} inputs, {findings} findings; peak {max(t.peak for t in tallies.values()) / 2**20:.1f} MiB")
    return int(findings > 0)


if __name__ == "__main__":
    sys.exit(main())
