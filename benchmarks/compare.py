"""Does a change make any task slower? Two or more builds of lamina, each installed in an environment of its own:

python benchmarks/compare.py --base old/bin/python --new new/bin/python
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

from compare_worker import all_subjects
from competitors.worker import Refused, Worker
from machine import available_cores, machine
from run import figure, relative_error

LIMIT = 1.02
"""Ratios above it are marked."""

PART = 0.01
"""Seconds a build runs before another one takes over, about: less than the speed of a core takes to change."""

FEWEST_PARTS = 9
"""Of a turn, however long one takes; and of those that nobody disturbed, to be enough without the others."""

CALM = 0.5
"""A row on several threads of whose parts fewer were undisturbed says so: its ratio is not worth much."""

PAUSE = 0.01
"""Seconds between parts with more than one thread: those of the build before have stopped spinning by then."""

ONE_THREAD = ("T", "S", "predict_row", "simplechains_gradient")
QUICK = ("T", "predict_row", "simplechains_gradient", "lbfgs")


def arguments(argv):
    known = list(all_subjects())
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True, help="the interpreter that imports the build to compare with")
    parser.add_argument("--new", required=True, nargs="+", help="that of the build to judge; of several, if you like")
    parser.add_argument("--rounds", type=int, default=7, help="each with new processes")
    parser.add_argument("--turn", type=float, default=0.3, help="seconds a build runs in a round for a task, about")
    parser.add_argument("--tasks", default=None, help=f"comma-separated, of {', '.join(known)}; default: all")
    parser.add_argument("--threads", default=None, help="default: 1,2 (those the machine has)")
    parser.add_argument("--memory", action="store_true", help="the peak memory of L instead of times")
    parser.add_argument("--quick", action="store_true", help="a few small tasks in seconds: does it still run?")
    parser.add_argument("--json", type=Path, default=None, help="write the results here, with those of every round")
    options = parser.parse_args(argv)
    if options.quick:
        options.rounds, options.turn = min(options.rounds, 2), 0.01
        options.threads = options.threads or "1"
    options.tasks = options.tasks.split(",") if options.tasks else list(QUICK) if options.quick else known
    if unknown := set(options.tasks) - set(known):
        parser.error(f"no task {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    options.threads = [int(t) for t in (options.threads or "1,2").split(",") if int(t) <= available_cores()]
    if options.rounds < 1 or not options.threads:
        parser.error(f"nothing to run: {options.rounds} rounds, threads {options.threads}")
    # Not resolved: an environment's interpreter is a link, and what it links to knows nothing of the environment.
    options.builds = {"base": os.path.abspath(options.base)}
    for number, path in enumerate(options.new):
        options.builds["new" if len(options.new) == 1 else f"new {number + 1}"] = os.path.abspath(path)
    return options


class Workers:
    """One process per build, all with the same number of threads and on the same cores; idle ones sleep.

    New ones for each task and round: where a process's memory happens to lie makes it up to 2% faster or slower,
    5% after other tasks. Whoever starts first changes with the round's number.
    """

    def __init__(self, options, threads, number=0):
        self.threads = threads
        builds = list(options.builds.items())[:: -1 if number % 2 else 1]
        self.by_build = {name: Worker("lamina", threads, python=path, module="compare_worker") for name, path in builds}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for worker in self.by_build.values():
            worker.close()

    def ask(self, do, **fields):
        """The answers by build."""
        return {name: worker.ask(do, **fields) for name, worker in self.by_build.items()}

    def parts(self, pieces, number):
        """What each build measured, by build: short parts by turns, their order turned round each time."""
        found, order = {name: [] for name in self.by_build}, list(self.by_build)
        for _ in range(number):
            for name in order:
                if self.threads > 1:
                    time.sleep(PAUSE)
                found[name].append(self.by_build[name].ask("time", pieces=pieces))
            order.reverse()
        return found


def prepare(options, threads, name, workers):
    """The task's entry: what the builds come to, from the same seed, and how many pieces of work a part has."""
    steps = max(workers.ask("build", name=name).values())
    results = workers.ask("result")
    base = results["base"]
    entry = {"name": name, "threads": threads, "steps": steps, "results": results}
    entry |= {"differences": {}, "rounds": [], "calm": []}
    for build, result in results.items():
        if result["sha256"] != base["sha256"]:
            entry["differences"][build] = relative_error(result["values"], base["values"])
    piece = min(workers.by_build["base"].ask("time", pieces=1)["cores"] for _ in range(3)) / threads
    entry["pieces"] = max(1, round(min(PART, options.turn) / piece))
    entry["parts"] = max(FEWEST_PARTS, round(options.turn / (piece * entry["pieces"])))
    others = [f"{build} differs by {error:.1e}" for build, error in entry["differences"].items()]
    print(f"  {name:<22}{threads}  {'; '.join(others) or 'equal'}", flush=True)
    return entry


def one_round(entry, workers):
    """Adds the least and the median time of each build, and the median of the ratios of neighbours in time.

    One thread's time is that on its core, which other processes do not lengthen. Several threads wait for each other,
    so theirs is that on the clock, of those parts in which nobody cut in, if there are enough of them.
    """
    workers.ask("build", name=entry["name"])
    for build, result in workers.ask("result").items():
        if result["sha256"] != entry["results"][build]["sha256"]:
            raise Refused(f"{entry['name']}: the bits of {build} change from one process to the next")
    workers.parts(entry["pieces"], 1)
    parts = workers.parts(entry["pieces"], entry["parts"])
    each = range(entry["parts"])
    calm = [k for k in each if not any(found[k]["cut_in"] for found in parts.values())]
    chosen = calm if entry["threads"] > 1 and len(calm) >= FEWEST_PARTS else each
    which = "cores" if entry["threads"] == 1 else "clock"
    seconds = {build: [found[k][which] for k in chosen] for build, found in parts.items()}
    a_step = 1 / (entry["pieces"] * entry["steps"])
    entry["rounds"].append(
        {
            build: {
                "min": min(times) * a_step,
                "median": statistics.median(times) * a_step,
                "ratio": statistics.median(t / b for t, b in zip(times, seconds["base"], strict=True)),
            }
            for build, times in seconds.items()
        }
    )
    entry["calm"].append(len(calm) / len(each))


def summarise(entry):
    """Adds each build's least and median time, and the quartiles of its ratios, over the rounds."""
    entry["builds"] = {}
    for build in entry["results"]:
        rounds = [r[build] for r in entry["rounds"]]
        ratios = [r["ratio"] for r in rounds]
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else 3 * ratios
        entry["builds"][build] = {
            "min": min(r["min"] for r in rounds),
            "median": statistics.median(r["median"] for r in rounds),
            "ratio": middle,
            "quartiles": [low, high],
        }


def show(entry):
    for build, result in entry["builds"].items():
        head = f"{entry['name']:<22}{entry['threads']}" if build == "base" else " " * 23
        times = f"min {figure(result['min'], 's'):>8}  median {figure(result['median'], 's'):>8}"
        line = f"  {head}  {build:<6} {times}"
        if build != "base":
            low, high = result["quartiles"]
            line += f"  x {result['ratio']:.3f} ({low:.3f} to {high:.3f})" + mark(result["ratio"])
            if entry["threads"] > 1 and (calm := statistics.mean(entry["calm"])) < CALM:
                line += f"  busy: {calm:.0%} undisturbed"
        print(line)


def mark(ratio):
    return f"  > {LIMIT}" if ratio > LIMIT else ""


def compare_times(options):
    entries = []
    print("the bits of a fixed number of steps from the same seed, next to the base's:")
    for threads in options.threads:
        for name in options.tasks:
            if threads == 1 or name not in ONE_THREAD:
                with Workers(options, threads) as workers:
                    entries.append(prepare(options, threads, name, workers))
    # Each round goes through all tasks, so that a bad minute of the machine is one round's and not one task's.
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        for entry in entries:
            with Workers(options, entry["threads"], number) as workers:
                one_round(entry, workers)
    print("a step's, prediction's or fit's time; x: times the base's, median of the rounds (quartiles):")
    for entry in entries:
        summarise(entry)
        show(entry)
    return entries


def compare_memory(options):
    entries = []
    print("peak resident memory of a process that imports lamina and trains L:")
    for threads in options.threads:
        peaks = {build: [] for build in options.builds}
        for _ in range(min(options.rounds, 3)):
            with Workers(options, threads) as workers:
                for build, peak in workers.ask("memory", name="L").items():
                    peaks[build].append(peak)
        medians = {build: statistics.median(found) for build, found in peaks.items()}
        entries.append({"name": "memory_L", "threads": threads, "peaks": peaks, "medians": medians})
        for build, peak in medians.items():
            ratio = peak / medians["base"]
            print(f"  {threads}  {build:<6} {figure(peak, 'bytes'):>9}  x {ratio:.3f}{mark(ratio)}")
    return entries


def main(argv=None):
    options = arguments(argv)
    try:
        with Workers(options, 1) as workers:
            about = workers.ask("about")
        for build, facts in about.items():
            print(f"{build}: lamina {facts['version']}, {facts['level']}, {facts['path']}")
        entries = compare_memory(options) if options.memory else compare_times(options)
    except Refused as e:
        sys.exit(f"no comparison: {e}")
    report = {"machine": machine(), "builds": about, "options": {"rounds": options.rounds, "turn": options.turn}}
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({**report, "tasks": entries}, indent=1) + "\n")
    return entries


if __name__ == "__main__":
    main()
