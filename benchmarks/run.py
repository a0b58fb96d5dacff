"""Times lamina against PyTorch, JAX, scikit-learn and Keras: `python benchmarks/run.py --help`, README.md."""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from competitors import EARLY_EPSILON, MODULES, installed
from competitors.worker import Refused, Worker
from machine import available_cores, machine
from tasks import Task, all_tasks

IMPORT = "import numpy, time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"

# Seconds between turns: the threads of the engine before have stopped spinning by then.
PAUSE = 0.02


def arguments(argv):
    tasks = all_tasks()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", default=None, help=f"comma-separated, of {', '.join(tasks)}; default: all")
    parser.add_argument("--engines", default=None, help=f"of {', '.join(MODULES)}; default: those installed")
    parser.add_argument("--threads", default=None, help="default: 1,2 (those the machine has)")
    parser.add_argument("--rounds", type=int, default=30, help="turns of each engine on each task")
    parser.add_argument("--turn", type=float, default=0.1, help="seconds an engine runs in a turn, about")
    parser.add_argument("--budget", type=float, default=90.0, help="seconds after which a task gets no new round")
    parser.add_argument("--busy", action="store_true", help="keep the first core busy with another process meanwhile")
    parser.add_argument("--quick", action="store_true", help="a few small tasks in seconds: does everything still run?")
    parser.add_argument("--out", type=Path, default=None, help="write the results as JSON here")
    options = parser.parse_args(argv)
    if options.quick:
        options.rounds, options.turn, options.budget = 3, 0.003, 5.0
    names = options.tasks.split(",") if options.tasks else ["T", "S", "predict_row"] if options.quick else list(tasks)
    if unknown := set(names) - set(tasks):
        parser.error(f"no task {', '.join(sorted(unknown))}; there are {', '.join(tasks)}")
    options.tasks = [tasks[name] for name in names]
    chosen = options.engines.split(",") if options.engines else list(MODULES)
    if unknown := set(chosen) - set(MODULES):
        parser.error(f"no engine {', '.join(sorted(unknown))}; there are {', '.join(MODULES)}")
    options.engines = [engine for engine in chosen if installed(engine)]
    if missing := [engine for engine in chosen if engine not in options.engines]:
        print(f"not installed, left out: {', '.join(missing)}", file=sys.stderr)
    cores = available_cores()
    wanted = [int(t) for t in (options.threads or "1,2").split(",")]
    options.threads = [t for t in wanted if t <= cores]
    if not options.engines or not options.threads:
        parser.error(f"nothing to run: engines {options.engines}, threads {wanted} on {cores} cores")
    return options


@contextmanager
def busy_core(wanted):
    """Another process that never rests, on the first core."""
    if not wanted:
        yield
        return
    code = "import os\nos.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\nwhile True: pass"
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def relative_error(answer, expected):
    """Largest difference relative to the largest expected number; infinite for what is not finite."""
    if len(answer) != len(expected) or not all(map(math.isfinite, answer)):
        return math.inf
    return max(abs(a - b) for a, b in zip(answer, expected, strict=True)) / max(map(abs, expected))


def expected_answers(task: Task, engines):
    """What each engine has to answer, by engine; None where the reference is not installed."""
    if task.reference in MODULES:
        answer = expected_answer(task, task.reference) if installed(task.reference) else None
        return dict.fromkeys(engines, answer)
    forms = {engine: "reference_early_epsilon" if engine in EARLY_EPSILON else "reference" for engine in engines}
    answers = {form: expected_answer(task, form) for form in sorted(set(forms.values()))}
    return {engine: answers[form] for engine, form in forms.items()}


def expected_answer(task: Task, reference):
    worker = Worker(reference, available_cores())
    try:
        worker.ask("build", name=task.name)
        return worker.ask("answer")
    finally:
        worker.close()


def check(worker: Worker, task: Task, expected):
    """Builds the task in the worker and returns its error against the reference; too large a one is refused."""
    if expected is None:
        raise Refused(f"nothing to check the answer against: {task.reference} is not installed")
    worker.ask("build", name=task.name)
    error = relative_error(worker.ask("answer"), expected)
    if not error <= task.tolerance:
        raise Refused(f"wrong answer: relative error {error:.2e} against {task.reference}, allowed {task.tolerance:g}")
    return error


def timed_rounds(task: Task, workers, options):
    """Seconds per step of every worker in every round, workers alternated; and the peak of one core if known."""
    started, units, peaks = time.perf_counter(), {}, []
    for worker in workers:
        worker.ask("time", units=1)
        units[worker] = max(1, round(options.turn / max(worker.ask("time", units=1), 1e-9)))
        worker.ask("time", units=units[worker])
    rounds = {worker: [] for worker in workers}
    prober = next((w for w in workers if w.engine == "lamina" and w.threads == 1), None)
    for _ in range(options.rounds):
        for worker in workers:
            time.sleep(PAUSE)
            seconds = worker.ask("time", units=units[worker])
            rounds[worker].append(seconds / (units[worker] * task.unit_steps))
        if prober and (peak := prober.ask("peak", seconds=options.turn / 5)):
            peaks.append(peak)
        if time.perf_counter() - started > options.budget and len(rounds[workers[0]]) >= min(3, options.rounds):
            break
    return rounds, max(peaks, default=None)


def run_stepping(task: Task, workers, options):
    """Checks, then times, a task of kind training, prediction or fit."""
    workers = [w for w in workers if w.engine in task.engines]
    expected, entries, sound = expected_answers(task, {w.engine for w in workers}), [], []
    for worker in workers:
        entry = {"engine": worker.engine, "threads": worker.threads}
        entries.append(entry)
        try:
            entry["check_error"] = check(worker, task, expected[worker.engine])
            sound.append((worker, entry))
        except Refused as e:
            entry["refused"] = str(e)
    rounds, peak = timed_rounds(task, [w for w, _ in sound], options) if sound else ({}, None)
    for worker, entry in sound:
        entry |= {"unit": "s", "rounds": rounds[worker]}
        if task.flop:
            entry["gflops"] = task.flop / min(rounds[worker]) / 1e9
            if peak:
                entry["percent_of_peak"] = 100.0 * entry["gflops"] / (peak * worker.threads)
        if task.kind == "prediction":
            entry["rows_per_second"] = task.batch / min(rounds[worker])
    for worker in workers:
        if not worker.dead:
            worker.ask("drop")
    return {"peak_gflops_per_core": peak, "entries": entries}


def run_import(task: Task, options):
    """A new interpreter each time, NumPy already imported when the clock starts."""
    engines = [e for e in options.engines if e in task.engines and e != "torch_compile"]
    rounds, failed = {engine: [] for engine in engines}, {}
    environment = {"KERAS_BACKEND": "jax", **os.environ}
    # The first import of each compiles or warms the file cache and does not count.
    for number in range(1 + max(3, options.rounds // 3)):
        for engine in engines:
            code = IMPORT.format(MODULES[engine])
            run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
            if run.returncode:
                failed[engine] = run.stderr.strip().splitlines()[-1]
            elif number:
                rounds[engine].append(float(run.stdout.split()[-1]))
    entries = [{"engine": e, "threads": 1, "unit": "s", "rounds": r} for e, r in rounds.items() if e not in failed]
    return {"entries": entries + [{"engine": e, "threads": 1, "refused": why} for e, why in failed.items()]}


def run_memory(task: Task, options):
    """A new process for each engine, on one thread; what the peak is compared with is in `ideal_bytes`."""
    engines = [engine for engine in options.engines if engine in task.engines]
    entries, expected = [], expected_answers(task, engines)
    for engine in engines:
        entry, worker = {"engine": engine, "threads": 1}, Worker(engine, 1)
        entries.append(entry)
        try:
            worker.ask("build", name=task.name)
            used = worker.ask("memory")
            # Checked afterwards, in a second build: the loss over all rows takes memory that a step does not.
            entry["check_error"] = check(worker, task, expected[engine])
            if used is None:
                raise Refused("this system does not tell a process's peak memory")
            entry |= {"unit": "bytes", "rounds": [used], "ratio_to_ideal": used / task.ideal_bytes}
        except Refused as e:
            entry["refused"] = str(e)
        worker.close()
    return {"ideal_bytes": task.ideal_bytes, "entries": entries}


def summarise(result, engines):
    """Adds minimum and median, and every engine's time over the baseline's: by round, and of the minima."""
    good = [entry for entry in result["entries"] if "rounds" in entry]
    for entry in good:
        entry["min"], entry["median"] = min(entry["rounds"]), statistics.median(entry["rounds"])
    present = [engine for engine in engines if any(entry["engine"] == engine for entry in good)]
    groups = {str(t): [e for e in good if e["threads"] == t] for t in sorted({e["threads"] for e in good})}
    groups["best"] = [min((e for e in good if e["engine"] == n), key=lambda e: e["median"]) for n in present]
    result["ratios"] = {}
    for name, group in groups.items():
        base = min(group, key=lambda e: engines.index(e["engine"]), default=None)
        if base is None:
            continue
        result["ratios"][name] = {"baseline": base["engine"], "baseline_threads": base["threads"], "engines": {}}
        for entry in (e for e in group if e is not base):
            by_round = [a / b for a, b in zip(entry["rounds"], base["rounds"], strict=True)]
            result["ratios"][name]["engines"][entry["engine"]] = {
                "threads": entry["threads"],
                "median_by_round": statistics.median(by_round),
                "of_minima": entry["min"] / base["min"],
            }
    return result


def figure(value, unit):
    if unit == "bytes":
        return f"{value / 1e6:.1f} MB"
    scale, name = next((s, n) for s, n in ((1, "s"), (1e-3, "ms"), (1e-6, "us")) if value >= s or n == "us")
    return f"{value / scale:.3g} {name}" if value < 100 * scale else f"{value / scale:.0f} {name}"


def show(result):
    """One line per engine and thread count."""
    peak = result.get("peak_gflops_per_core")
    print(f"\n{result['name']}: {result['title']}" + (f" (peak {peak:.1f} GFLOP/s a core)" if peak else ""))
    for entry in result["entries"]:
        head = f"  {entry['engine']:<14}{entry['threads']}  "
        if "refused" in entry:
            print(head + entry["refused"])
            continue
        shortest, median = (figure(entry[key], entry["unit"]) for key in ("min", "median"))
        line = head + f"min {shortest:>9}  median {median:>9}"
        if "gflops" in entry:
            line += f"  {entry['gflops']:7.2f} GFLOP/s"
        for key, text in (("percent_of_peak", "{:5.1f}% of peak"), ("rows_per_second", "{:.3g} rows/s")):
            if key in entry:
                line += "  " + text.format(entry[key])
        if "ratio_to_ideal" in entry:
            line += f"  {entry['ratio_to_ideal']:.2f} x ideal"
        print(line)
    for name, ratio in result["ratios"].items():
        what = "each at its best" if name == "best" else f"{name} thread{'s' * (name != '1')}"
        parts = [f"{n} {r['median_by_round']:.2f} ({r['of_minima']:.2f})" for n, r in ratio["engines"].items()]
        if parts:
            print(f"  {what}: times over {ratio['baseline']}'s by round (of minima): {', '.join(parts)}")
    sys.stdout.flush()


def main(argv=None):
    options = arguments(argv)
    report = {"machine": machine(), "versions": {}, "busy": options.busy, "quick": options.quick, "tasks": []}
    workers = [Worker(engine, threads) for threads in options.threads for engine in options.engines]
    try:
        for worker in workers:
            report["versions"] |= worker.ask("versions")
        print(json.dumps({key: report[key] for key in ("machine", "versions")}))
        with busy_core(options.busy):
            for task in options.tasks:
                special = {"import": run_import, "memory": run_memory}.get(task.kind)
                result = special(task, options) if special else run_stepping(task, workers, options)
                head = {"name": task.name, "title": task.title, "kind": task.kind, "flop": task.flop}
                report["tasks"].append(summarise({**head, **result}, options.engines))
                show(report["tasks"][-1])
                if options.out:
                    options.out.parent.mkdir(parents=True, exist_ok=True)
                    options.out.write_text(json.dumps(report, indent=1) + "\n")
    finally:
        for worker in workers:
            worker.close()
    return report


if __name__ == "__main__":
    main()
