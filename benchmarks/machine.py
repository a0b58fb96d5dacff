"""What the benchmarks run on, and how a process is told to use so many threads."""

import os
import platform
from pathlib import Path

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "LAMINA_NUM_THREADS",
    "NPROC",
)


def threads_environment(threads):
    """The environment in which every library uses so many threads."""
    return {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}


def available_cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine():
    """The processor, its cores and those of its instruction sets that matter here."""
    model, flags = platform.processor() or platform.machine(), []
    if Path("/proc/cpuinfo").exists():
        info = [line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines()]
        fields = {key.strip(): value.strip() for key, _, value in reversed(info)}
        model = fields.get("model name", model)
        known = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512dq", "avx512vl", "asimd", "sve")
        present = fields.get("flags", fields.get("Features", "")).split()
        flags = [flag for flag in known if flag in present]
    return {
        "cpu": model,
        "cores": available_cores(),
        "instruction_sets": flags,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
