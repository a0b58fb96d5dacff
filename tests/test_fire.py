"""The short runs of `tests/fire`; what they try is the same each time."""

import itertools
import os
import resource
import signal

import pytest

from conftest import TIMES
from fire import children, fuzz, kills, shortage, stress, targets

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::lamina.DivergenceWarning", "ignore::lamina.VersionWarning"),
]
INPUTS = {"tables": 25}
KILLS = {"fit": 5, "saves": 5, "search": 4, "cross_validate": 2, "Ensemble.fit": 2, "CascadeNetwork.fit": 2}


@pytest.mark.parametrize("name", targets.TARGETS)
def test_files_from_an_enemy(name, tmp_path):
    tally = fuzz.fuzz(INPUTS.get(name, 150) * TIMES, 0, [name], tmp_path)[name]
    assert tally.read + tally.refused == tally.inputs
    assert not tally.findings, [path.with_name(f"{path.name}.txt").read_text() for path in tally.kept]


def test_a_run_over_files_finds_what_there_is_to_be_found(tmp_path, monkeypatch):
    """A crash, a hang, an error that nobody documents, and memory."""

    def read(path, _):
        what = int.from_bytes(open(path, "rb").read(1), "little") % 5  # noqa: SIM115
        if what == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if what == 2:
            raise KeyError
        if what == 3:
            assert len(bytearray(100 * 2**20)) > 0
        while what == 4:
            pass

    kinds = itertools.count(0)
    target = targets.Target(lambda _: {"good": b"\0"}, lambda *_: bytes([next(kinds)]), read, (), 1)
    monkeypatch.setitem(targets.TARGETS, "bad", target)
    monkeypatch.setattr(fuzz, "SECONDS", 0.3)
    tally = fuzz.fuzz(10, 0, ["bad"], tmp_path)["bad"]
    assert [tally.crashes, tally.errors, tally.greedy, tally.hangs, tally.read, len(tally.kept)] == [2, 2, 2, 2, 2, 8]


@pytest.mark.parametrize("name", kills.JOBS)
def test_kills(name):
    assert kills.kill(name, KILLS[name] * TIMES, 0).kills == KILLS[name] * TIMES


def test_a_child_says_what_came_of_its_work():
    assert children.Child(lambda: [1, "a"]).value() == [1, "a"]
    assert children.Child(lambda: 1 / 0).answer()["error"] == "ZeroDivisionError"
    with pytest.raises(AssertionError, match="crashed"):
        children.Child(lambda: os._exit(3)).answer()
    with pytest.raises(AssertionError, match="hangs"):
        children.Child(lambda: os.read(os.pipe()[0], 1)).answer(0.1)
    limited = children.Child(lambda: len(bytearray(2**31)), {resource.RLIMIT_AS: 2**30})
    assert limited.answer()["error"] == "MemoryError"


@pytest.mark.parametrize("kind", shortage.ERRORS)
@pytest.mark.parametrize("name", kills.JOBS)
def test_too_little_disk_or_memory(kind, name):
    shortage.starve(kind, name, 3 * TIMES, 0)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no such device")
def test_a_full_device():
    shortage.full_device()


def test_many_threads():
    counts = stress.stress(5 * TIMES)
    assert min(counts[name] for name in ("predictions", "predictions beside a fit", "fits", "saves", "copies")) > 0
    assert counts["forks"] > 0
