"""Runs engines on tables, one process each: `python benchmarks/tables/run.py --help`, README.md."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import summary
from data import BUILT_IN, CACHE, DEVELOPMENT, SPLITS, TABLES, fetch
from engines import ENGINES

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
from machine import machine, threads_environment  # noqa: E402, the folder above is not on the path of a script

SETS = {"development": list(DEVELOPMENT), "built_in": list(BUILT_IN), "all": list(TABLES)}


def names(text, known, what, parser):
    chosen = list(dict.fromkeys(text.split(",")))
    if unknown := set(chosen) - set(known):
        parser.error(f"no {what} {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return chosen


def arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", default=None, help=f"of {', '.join(ENGINES)}; default: those installed")
    parser.add_argument("--tables", default="development", help=f"of {', '.join(TABLES)}; or {', '.join(SETS)}")
    parser.add_argument("--splits", default=str(SPLITS), help="how many, or which: 0,3 or 2, with a comma")
    parser.add_argument("--out", type=Path, help="a line a result; what is there is kept; default: tables.jsonl")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for the fetched tables")
    parser.add_argument("--limit", type=float, default=3600.0, help="CPU seconds after which a process is ended")
    parser.add_argument("--retry", action="store_true", help="run again what failed or took too long")
    parser.add_argument("--again", action="store_true", help="run again what is there; the last line counts")
    parser.add_argument("--nice", action="store_true", help="give way to all other work on the machine")
    parser.add_argument("--quick", action="store_true", help="a small table of scikit-learn's, one split: does it run?")
    options = parser.parse_args(argv)
    if options.quick:
        options.tables, options.splits = "wine", "1"
    options.tables = SETS.get(options.tables) or names(options.tables, TABLES, "table", parser)
    chosen = names(options.engines, ENGINES, "engine", parser) if options.engines else list(ENGINES)
    options.engines = [name for name in chosen if ENGINES[name].installed()]
    if missing := [name for name in chosen if name not in options.engines]:
        print(f"not installed, left out: {', '.join(missing)}", file=sys.stderr)
    if not options.engines:
        parser.error("no engine is installed")
    try:
        numbers = [int(text) for text in options.splits.split(",") if text]
    except ValueError:
        parser.error(f"--splits takes numbers, not '{options.splits}'")
    options.splits = numbers if "," in options.splits else list(range(numbers[0]))
    if options.out is None:
        options.out = Path(tempfile.mkdtemp() if options.quick else "", "tables.jsonl")
    return options


def run_cell(engine, table, split, options):
    """The line of one result: scores, or what went wrong."""
    line = {"engine": engine, "table": table, "split": split, "status": "done", "processor": machine()["cpu"]}
    environment = threads_environment(1) | {"PYTHONPATH": python_path()}
    # Some libraries leave files in the current folder.
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        command = [sys.executable, HERE / "cell.py", engine, table, str(split), options.cache.resolve(), out]
        started = time.perf_counter()
        process = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, preexec_fn=child_rules(options)
        )
        seconds = time.perf_counter() - started
        if process.returncode == 0 and out.exists():
            return line | json.loads(out.read_text())
    if -process.returncode in (24, 9) and seconds >= options.limit:  # SIGXCPU, or the kernel's last word
        return line | {"status": "too long", "limit": options.limit}
    last = (process.stderr.strip().splitlines() or [f"ended with code {process.returncode}"])[-1]
    return line | {"status": "failed", "why": last[:200]}


def python_path():
    """The same as here, as whole paths: the process starts in another folder."""
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return os.pathsep.join(str(Path(path).resolve()) for path in paths)


def child_rules(options):
    if os.name != "posix":
        return None
    import resource

    def rules():
        seconds = int(options.limit)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        if options.nice:
            os.nice(19)
            if hasattr(os, "SCHED_IDLE"):
                os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))

    return rules


def main(argv=None):
    options = arguments(argv)
    try:
        for name in options.tables:
            if TABLES[name].package != "sklearn":
                fetch(TABLES[name], options.cache)
    except RuntimeError as e:
        sys.exit(str(e))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    if options.out.exists() and (text := options.out.read_text()) and not text.endswith("\n"):
        options.out.write_text(text + "\n")  # a run was killed within its last line
    cells = [(e, t, s) for s in options.splits for e in options.engines for t in options.tables]
    for number, cell in enumerate(cells, 1):
        # Read anew each time: another run may write to the same file.
        there = summary.read([options.out] if options.out.exists() else [])
        if cell in there and not options.again and not (options.retry and there[cell]["status"] != "done"):
            continue
        line = run_cell(*cell, options)
        with options.out.open("a") as file:
            file.write(json.dumps(line) + "\n")
        found = [f"{key} {line[key]:.4g}" for key in ("error", "log_loss", "rmse", "cpu") if key in line]
        head = f"[{number}/{len(cells)}] {cell[0]} on {cell[1]}, split {cell[2]}: "
        print(head + (", ".join(found) or line.get("why", line["status"])), flush=True)
    summary.main([str(options.out), *(["--engines", ",".join(options.engines)] if options.quick else [])])


if __name__ == "__main__":
    main()
