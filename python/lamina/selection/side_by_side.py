"""Several networks trained at once, one a core: Python threads, whose core code runs without the interpreter lock."""

from __future__ import annotations

import inspect
import threading
import time
from _thread import start_new_thread
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from queue import SimpleQueue
from typing import Any, TypeVar

from lamina._dispatch import core as _core
from lamina.data.arguments import whole_number
from lamina.data.records import Samples
from lamina.data.samples import counted_samples, samples
from lamina.interrupts import insist
from lamina.memory import need_room_for_a_thread
from lamina.network.network import Network
from lamina.training.callbacks import Epoch, callbacks_of
from lamina.training.checkpoint import Checkpoint

__all__ = [
    "FIT_OPTIONS",
    "OWN_OPTIONS",
    "WHOLE_OPTIONS",
    "CancelledFitError",
    "Hook",
    "Task",
    "check_fit_options",
    "fit_on_all",
    "fresh",
    "jobs",
    "one_target_a_sample",
    "options_of",
    "run",
]

Result = TypeVar("Result")
#: What is called at the end of every epoch.
Hook = Callable[[Epoch], None]
#: A fit to run beside others: it gets a callback to hand to its fit.
Task = Callable[[Hook], Result]
#: What many fits have to say of `Network.fit`'s options themselves, or some of it.
OWN_OPTIONS = {
    "validation",
    "validation_sample_weight",
    "sample_weight",
    "n_threads",
    "verbose",
    "resume",
    "resume_from",
}
_TAKEN = inspect.signature(Network.fit).parameters
#: What `Network.fit` takes besides: options that are the same for every fit.
FIT_OPTIONS = {name for name, taken in _TAKEN.items() if taken.kind is inspect.Parameter.KEYWORD_ONLY} - OWN_OPTIONS
#: Those of them that are whole numbers.
WHOLE_OPTIONS = {name for name in FIT_OPTIONS if _TAKEN[name].annotation == "int"}
# Long beside what a change of hands costs, tens of microseconds and cold caches; short beside a fit.
_TURN_SECONDS = 0.01


class CancelledFitError(BaseException):
    """A fit has come to an end because the whole has: it is no result, and no error that a trial may record."""


# What no thread tells.
_NEVER: Any = object()


class _Turns:
    """At most `n` tasks at work at a time, in turns: five equal ones on two cores take 2.5 times one, not 3."""

    def __init__(self, n: int) -> None:
        self._free = n
        self._lock = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._began = threading.local()
        self.cancelled = False

    def __enter__(self) -> _Turns:
        with self._lock:
            gate = None
            if self._free > 0:
                self._free -= 1
            else:
                gate = threading.Lock()
                gate.acquire()
                self._waiting.append(gate)
        if gate is not None:
            gate.acquire()  # opened by whoever leaves
        self._began.at = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1

    def __call__(self, epoch: Epoch) -> None:
        """Between epochs: end the fit if the whole has been cancelled, or let the next one in line work."""
        if not self.cancelled and self._waiting and time.perf_counter() - self._began.at > _TURN_SECONDS:
            self.__exit__()
            self.__enter__()
        self.check()

    def check(self) -> None:
        """Raise CancelledFitError if the whole has been cancelled."""
        if self.cancelled:
            raise CancelledFitError


def run(tasks: Sequence[Task[Result]], n_jobs: int) -> list[Result]:
    """Run the tasks, `n_jobs` at a time, and return their results in order.

    The first error, or Ctrl-C, ends the other fits after their epoch.
    """
    if not tasks:
        return []
    turns = _Turns(n_jobs)
    results: dict[int, Result] = {}
    # Ctrl-C may come between any two steps of Python's own. What the threads need is in queues that are written in C,
    # and nothing that was started or told is lost: locks of `threading` and of executors can be left behind closed.
    todo = iter(range(len(tasks)))  # of all threads: each takes the next, in one step
    all_there: SimpleQueue[None] = SimpleQueue()
    ended: SimpleQueue[BaseException | None] = SimpleQueue()

    def work() -> None:
        error: BaseException | None = None
        try:
            all_there.get()
            for number in todo:
                with turns:
                    turns.check()
                    results[number] = tasks[number](turns)
        except BaseException as raised:
            error = raised
        ended.put(error)

    # So many share the cores that the tasks left after them fill whole rounds.
    together = min(len(tasks), n_jobs + len(tasks) % n_jobs)
    threads: list[int] = []
    told: list[BaseException | None] = []
    try:
        _start(threads, work, together)
        for _ in range(together):
            all_there.put(None)
        while len(told) < together:
            _hear(told, ended)
            if (error := told[-1]) is not None:
                raise error
    except BaseException:
        _end(turns, threads, told, all_there, ended)
        raise
    return [results[number] for number in range(len(tasks))]


def _start(threads: list[int], work: Callable[[], None], count: int) -> None:
    try:
        for _ in range(count):
            need_room_for_a_thread()
            threads.extend(map(start_new_thread, (work,), ((),)))  # in one step: no thread is unknown
    except (MemoryError, RuntimeError) as error:
        raise MemoryError("there is no memory for another thread; a smaller n_jobs needs fewer of them") from error


def _hear(told: list[BaseException | None], ended: SimpleQueue[BaseException | None]) -> None:
    """Wait for one more thread to tell how it ended, in one step."""
    told.extend(islice(iter(ended.get, _NEVER), 1))


def _end(
    turns: _Turns,
    threads: Sequence[int],
    told: list[BaseException | None],
    all_there: SimpleQueue[None],
    ended: SimpleQueue[BaseException | None],
) -> None:
    """Have the fits under way end after their epoch, and wait for all threads, however often Ctrl-C comes."""

    def wait() -> None:
        turns.cancelled = True
        for _ in threads:
            all_there.put(None)
        _hear(told, ended)

    insist(lambda: len(told) >= len(threads), wait)


def jobs(n_jobs: int | None) -> int:
    """Return how many fits run at a time; by default, and for -1, as many as lamina may use threads."""
    if n_jobs is None or (isinstance(n_jobs, int) and n_jobs == -1):
        return _core.max_threads()
    return whole_number(n_jobs, "n_jobs", 1)


def one_target_a_sample(net: Network, X: Any, y: Any, weight: Any, lengths: Any, *, counted: bool = False) -> Samples:
    """Return samples with an entry for each row or sequence; ValueError where each step has a target.

    With `counted` those of weight 0 are left out.
    """
    if net.spec.each_step:
        raise ValueError("net must have one target a sequence; its last Recurrent has return_sequences=True")
    return (counted_samples if counted else samples)(net.spec, X, y, weight, lengths)


def fresh(net: Network, seed: int | None = None) -> Network:
    """Return an untrained network of the same make: the initial weights of `seed`, or of the network's own."""
    twin = Network(
        net.layers,
        net.n_inputs,
        net.loss,
        net.dtype.name,
        net.seed if seed is None else seed,
        net.normalize_inputs,
        net.normalize_targets,
    )
    twin.metadata = dict(net.metadata)
    return twin


def check_fit_options(options: Iterable[str], caller: str, own: set[str]) -> None:
    """Raise TypeError where one is neither of `FIT_OPTIONS` nor of the `own` ones of the `caller`."""
    if "cv" in options:
        raise TypeError(f"{caller} has no option cv; k= is what scikit-learn calls so: a number of folds, a splitter "
                        "or pairs of row numbers")  # fmt: skip
    known = FIT_OPTIONS | own
    if unknown := sorted(set(options) - known):
        import difflib

        near = "k" if "fold" in unknown[0] else next(iter(difflib.get_close_matches(unknown[0], known, n=1)), None)
        advice = f"; did you mean {near!r}?" if near else ""
        raise TypeError(f"{caller} has no option {', '.join(unknown)}{advice}")


def options_of(options: dict[str, Any], hook: Hook, n_threads: int | None = 1) -> dict[str, Any]:
    """Return the options of a fit: with `hook` after the caller's own callbacks, and `n_threads` as there."""
    for name in ("n_threads", "verbose", "resume", "resume_from"):
        if name in options:
            raise TypeError(f"{name} is no option here: every fit is a fresh one on one thread")
    callbacks = callbacks_of(options.get("callbacks"))
    for own in callbacks:
        if isinstance(own, Checkpoint):
            raise TypeError(f"{own!r} keeps one fit alone; several keep those that have ended with checkpoint=path")
    return {**options, "callbacks": [*callbacks, hook], "n_threads": n_threads}


def fit_on_all(net: Network, X: Any, y: Any, options: dict[str, Any], last: int, why: str) -> Network:
    """Train `net` on every row, with the options of a fit that was validated, and return it.

    It stops at the end of the epoch `last`, and `why` is its reason; a schedule runs as it did in the fits before.
    """

    def stop(epoch: Epoch) -> None:
        if epoch.epoch >= last:
            epoch.stop(why)

    callbacks = [*callbacks_of(options.get("callbacks")), stop]
    options = {**options, "validation": None, "early_stopping": None, "metrics": (), "callbacks": callbacks}
    net.fit(X, y, **options)
    return net
