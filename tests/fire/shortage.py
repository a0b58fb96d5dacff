"""Too little disk and memory: an error that says so, the old file as it was, and later a result with the right bits.

python -m tests.fire.shortage --tries 1000

The disk is full after a random number of bytes (RLIMIT_FSIZE, and /dev/full, which is full at once); the addresses end
a random way beyond what the process has when its work begins (RLIMIT_AS), where nothing of that is left.

Some that is not lamina's ends the process then, and says so: `safetensors`, which is written in Rust, and the system's
loader, where a thread's own data do not fit. Python and a reduction of NumPy can fail without an exception. All of
these leave the file whole.
"""

import argparse
import contextlib
import os
import random
import resource
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import pytest
import safetensors.numpy  # noqa: F401  (here and not where memory is short)

import lamina

from .children import Child, memory
from .kills import JOBS, check_copy, network

#: What shows that there is too little, as the documentation says.
ERRORS = {"disk": {"OSError"}, "memory": {"MemoryError", "OSError"}}
LAST_WORDS = (b"memory allocation of ", b"cannot allocate memory")  # of Rust and of the loader
OF_OTHERS = ("numpy.ufunc object", "built-in function compile", "Objects/")  # of NumPy and of Python
BEYOND = 12, 26  # from one page to 64 MiB of addresses, more than the jobs and their threads take, as powers of two
PIECE = 2**12
PARTS = [getattr(lamina, name) for name in lamina.__all__]  # are imported now


def limited(kind, job, path, draw, size):
    """Work with too little of something, on a file that will have `size` bytes: {"value": ...} or {"error": ...}."""
    if kind == "disk":
        return Child(lambda: job.work(str(path)), {resource.RLIMIT_FSIZE: draw.randrange(size * 9 // 8)}).answer()
    beyond = int(2 ** draw.uniform(*BEYOND))

    said = path.with_name("said")

    def work():
        os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT), 2)
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        size = memory("VmSize")
        kept = []  # the process's free memory, which is not counted as new
        resource.setrlimit(resource.RLIMIT_AS, (size, hard))
        with contextlib.suppress(MemoryError):
            while True:
                kept.append(bytearray(PIECE))
        resource.setrlimit(resource.RLIMIT_AS, (size + beyond, hard))
        try:
            return job.work(str(path))
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (hard, hard))

    answer = Child(work).answer(aborts=True)
    assert "aborted" not in answer or said.read_bytes().startswith(LAST_WORDS), said.read_text()
    said.unlink(missing_ok=True)
    return answer


def starve(kind, name, tries, seed):
    """Try a job so many times with too little; AssertionError for what should not be."""
    job, counts, draw = JOBS[name], Counter(), random.Random(f"{seed}/{kind}/{name}")
    with tempfile.TemporaryDirectory(prefix="lamina-shortage-") as folder:
        (Path(folder) / "whole").mkdir()
        wanted = Child(lambda: job.work(f"{folder}/whole/kept")).value()
        size = os.path.getsize(f"{folder}/whole/kept")
        for i in range(tries):
            path = Path(folder) / str(i) / "kept"
            path.parent.mkdir()
            for _ in range(draw.randint(1, 3)):
                answer = limited(kind, job, path, draw, size)
                if "value" in answer:
                    counts["enough"] += 1
                    assert answer["value"] == wanted, "other bits, and no error"
                elif "aborted" in answer:
                    counts["ended from within"] += 1
                elif answer["error"] == "SystemError" and any(name in answer["words"] for name in OF_OTHERS):
                    counts["without a word from Python or NumPy"] += 1
                else:
                    counts["too little"] += 1
                    assert answer["error"] in ERRORS[kind], answer["words"]
                assert set(os.listdir(path.parent)) <= {"kept"}, os.listdir(path.parent)
                if path.exists():
                    check_copy(job, path)
            assert Child(lambda path=path: job.work(str(path))).value() == wanted, "the end has other bits"
    return counts


def full_device():
    """A model that is saved to a device that is full."""
    with pytest.raises(OSError, match="No space left"):
        network().save("/dev/full")


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fire.shortage", description=__doc__.split("\n")[0])
    parser.add_argument("--tries", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    full_device()
    for kind in ERRORS:
        for name in JOBS:
            counts = starve(kind, name, max(1, options.tries // (len(JOBS) * len(ERRORS))), options.seed)
            print(f"{kind:8}{name:20}{', '.join(f'{n} {what}' for what, n in counts.items())}", flush=True)
    return 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
