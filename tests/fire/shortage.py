"""Too little disk and too little memory: an error that says so, the old file as it was, and a result with the right bits later.

python -m tests.fire.shortage --tries 1000

The disk is full after a random number of bytes (RLIMIT_FSIZE, and /dev/full, which is full at once); the addresses end a
random way beyond what the process has when its work begins (RLIMIT_AS).
"""

import argparse
import errno
import os
import random
import resource
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

from .children import Child, memory
from .kills import JOBS, check_copy, network

#: What shows that there is too little, as the documentation says.
ERRORS = {"disk": {"OSError"}, "memory": {"MemoryError", "OSError"}}
BEYOND = 10 * 2**20  # bytes of addresses, of which the jobs take less


def limited(kind, job, path, draw, size):
    """Work with too little of something, on a file that will have `size` bytes: {"value": ...} or {"error": ...}."""
    if kind == "disk":
        return Child(lambda: job.work(str(path)), {resource.RLIMIT_FSIZE: draw.randrange(size * 9 // 8)}).answer()
    beyond = draw.randrange(BEYOND)

    def work():
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (memory("VmSize") + beyond, hard))
        try:
            return job.work(str(path))
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (hard, hard))

    return Child(work).answer()


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
    try:
        network().save("/dev/full")
    except OSError as error:
        assert error.errno == errno.ENOSPC
        return
    raise AssertionError("a full device takes everything")


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fire.shortage", description=__doc__.split("\n")[0])
    parser.add_argument("--tries", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    full_device()
    for kind in ERRORS:
        for name in JOBS:
            counts = starve(kind, name, max(1, options.tries // (len(JOBS) * len(ERRORS))), options.seed)
            print(f"{kind:8}{name:20}{counts['too little']} times too little, {counts['enough']} times enough", flush=True)
    return 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
