"""One engine on one split of one table, in a process of its own: `python cell.py ENGINE TABLE SPLIT CACHE FILE`."""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from data import load
from engines import ENGINES

try:
    import resource
except ImportError:  # Windows
    resource = None

LEAST_PROBABILITY = 1e-7  # what float32 can tell from certainty


def cpu_seconds():
    """Of this process, its threads and its children."""
    if resource is None:
        return time.process_time()
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(times.ru_utime + times.ru_stime for times in used)


def status_bytes(field):
    """`VmRSS` or `VmHWM` of this process; None where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    lines = (line.split() for line in status.read_text().splitlines())
    return next((int(words[1]) * 1024 for words in lines if words[0] == f"{field}:"), None)


def measured(work):
    """Seconds of CPU and of the clock, and by how much resident memory grew at most."""
    before = status_bytes("VmRSS")
    if before is not None:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    cpu, clock = cpu_seconds(), time.perf_counter()
    result = work()
    clock, cpu = time.perf_counter() - clock, cpu_seconds() - cpu
    growth = None if before is None else max(0, status_bytes("VmHWM") - before)
    return result, {"cpu": round(cpu, 3), "clock": round(clock, 3), "memory": growth}


def scores(split, predictions, class_numbers):
    y = split.test.y
    if not split.classes:
        error = np.asarray(predictions, np.float64).reshape(len(y)) - y
        return {"rmse": float(np.sqrt(np.mean(error**2))), "mae": float(np.mean(np.abs(error)))}
    # A class that the training rows did not have has no column.
    probabilities = np.zeros((len(y), split.classes))
    probabilities[:, np.asarray(class_numbers).astype(int)] = predictions
    probabilities = np.clip(probabilities, LEAST_PROBABILITY, 1)
    probabilities /= probabilities.sum(1, keepdims=True)
    return {
        "error": float(np.mean(probabilities.argmax(1) != y)),
        "log_loss": float(-np.mean(np.log(probabilities[np.arange(len(y)), y]))),
    }


def run(engine_name, table, number, cache):
    split = load(table, number, cache)
    engine = ENGINES[engine_name](split)
    _, fit = measured(lambda: engine.fit(split))
    predictions, prediction = measured(lambda: engine.predict(split.test.X))
    if not np.isfinite(predictions).all():
        raise ValueError("predictions are not finite")
    return {
        "rows": split.checksum,
        "n_test": len(split.test),
        "version": engine.version(),
        **scores(split, predictions, engine.class_numbers if split.classes else None),
        **fit,
        "predict_cpu": prediction["cpu"],
    }


def main(engine, table, number, cache, out):
    warnings.simplefilter("ignore")
    Path(out).write_text(json.dumps(run(engine, table, int(number), Path(cache))))


if __name__ == "__main__":
    main(*sys.argv[1:])
