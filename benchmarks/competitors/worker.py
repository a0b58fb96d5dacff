"""One engine at one thread count in its own process: JSON lines in, JSON lines out.

`python -m competitors.worker ENGINE`, started by `Worker` with the affinity and the environment already set.
"""

import gc
import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from competitors import Unsupported
from machine import threads_environment

ANSWER_ROWS = 100


class Refused(Exception):
    """The worker could not do what it was asked to."""


class Worker:
    """The parent's side: `ask(do, **fields)` sends one request and waits for its answer."""

    def __init__(self, engine: str, threads: int, python=sys.executable, module="competitors.worker"):
        self.engine, self.threads = engine, threads
        cpus = sorted(os.sched_getaffinity(0))[-threads:] if hasattr(os, "sched_getaffinity") else None
        self.process = subprocess.Popen(
            [python, "-m", module, engine, json.dumps(cpus)],
            cwd=Path(__file__).parent.parent,
            env=threads_environment(threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.dead = ""

    def ask(self, do: str, **fields):
        if self.dead:
            raise Refused(self.dead)
        try:
            self.process.stdin.write(json.dumps({"do": do, "threads": self.threads, **fields}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.dead = f"the process ended with code {self.process.wait()} at '{do}'"
            raise Refused(self.dead)
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["value"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Session:
    """The child's side: one method per request."""

    def __init__(self, engine):
        self.module = importlib.import_module(f"competitors.{engine}")
        self.task = self.subject = self.prepared = None

    def versions(self, threads):
        return self.module.versions() if hasattr(self.module, "versions") else {}

    def build(self, threads, name):
        from tasks import all_tasks

        self.task = all_tasks()[name]
        arrays = self.task.arrays()
        if self.task.kind == "memory":
            gc.collect()
            self.before = reset_peak_memory()
        self.subject = self.module.build(self.task, arrays, threads)
        if self.task.kind == "prediction":
            self.prepared = self.subject.prepare(arrays.X)
            self.first = arrays.X[:ANSWER_ROWS]

    def answer(self, threads):
        """Numbers that do not depend on the engine: the loss after some steps, probabilities, an accuracy."""
        import numpy as np

        if self.task.kind == "prediction":
            p = self.subject.predict(self.subject.prepare(self.first))
            return np.asarray(p, dtype=np.float64).ravel().tolist()
        if self.task.kind == "fit":
            self.subject.run_steps(1)
            return [self.subject.accuracy()]
        passes = -(-self.task.check_steps // self.task.batches)
        self.subject.run_steps(passes * self.task.batches)
        return [self.subject.loss()]

    def time(self, threads, units):
        """Seconds for `units` pieces of `task.unit_steps` steps."""
        gc.collect()
        gc.disable()
        if self.task.kind == "prediction":
            predict, X = self.subject.predict, self.prepared
            start = time.perf_counter()
            for _ in range(units):
                predict(X)
        else:
            start = time.perf_counter()
            self.subject.run_steps(units * self.task.unit_steps)
        seconds = time.perf_counter() - start
        gc.enable()
        return seconds

    def memory(self, threads):
        """Bytes that building and training took at their peak, beyond the imports and the data; None if unknown."""
        self.subject.run_steps(2 * self.task.unit_steps)
        return None if self.before is None else status_bytes("VmHWM") - self.before

    def peak(self, threads, seconds):
        return self.module.measure_peak(seconds) if hasattr(self.module, "measure_peak") else None

    def drop(self, threads):
        self.task = self.subject = self.prepared = None
        gc.collect()


def status_bytes(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))


def reset_peak_memory():
    """Memory in use now, after making it the peak; None where the system has no such figure."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return status_bytes("VmRSS")
    except OSError:
        return None


def serve(new_session, cpus):
    """Answers requests until there are no more, by the methods of a session that is made for the first."""
    if cpus:
        os.sched_setaffinity(0, cpus)
    # Engines may print; the answers keep the real output to themselves.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    session = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            session = session or new_session()
            answer = {"value": getattr(session, request.pop("do"))(**request)}
        except Unsupported as e:
            answer = {"error": f"not supported: {e}"}
        except Exception as e:
            answer = {"error": f"{type(e).__name__}: {e}"[:500]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    serve(lambda: Session(sys.argv[1]), json.loads(sys.argv[2]))
