"""Scores, ranks, ratios and times of result files: `python benchmarks/tables/summary.py RESULTS.jsonl ...`.

A table's score is the mean over its splits, a rank is among engines on one table, and what is said of all tables is the
mean over tables (of ratios: the geometric one), with the standard error over tables of the paired difference.
"""

import argparse
import json
import math
import statistics
import sys
from pathlib import Path

SCORES = ("error", "rmse")  # what a table is judged by; log loss is told beside it
BASE = "lightgbm"


def read(paths):
    """The last line of each (engine, table, split); a line that a killed run has cut short is as if not there."""
    lines = {}
    for path in paths:
        for text in Path(path).read_text().splitlines():
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                continue
            lines[line["engine"], line["table"], line["split"]] = line
    check_rows(lines)
    return lines


def check_rows(lines):
    """Refuses results of which not all engines saw the same rows of a split."""
    seen = {}
    for (engine, table, split), line in lines.items():
        if "rows" in line:
            first, rows = seen.setdefault((table, split), (engine, line["rows"]))
            if rows != line["rows"]:
                raise ValueError(f"{table}, split {split}: {engine} and {first} were given different rows")


def unique(values):
    return list(dict.fromkeys(values))


def mean_and_error(values):
    """The mean, and its standard error (not a number for a single value)."""
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return statistics.fmean(values), error


def ranks(values):
    """1 for the smallest; equal ones share the mean of their ranks."""
    return [sum(a < b for a in values) + (1 + sum(a == b for a in values)) / 2 for b in values]


class Results:
    """Lines of results, and what follows from them for the engines asked for."""

    def __init__(self, lines, engines=None, base=BASE, common=False):
        done = {cell: line for cell, line in lines.items() if line["status"] == "done"}
        self.engines = engines or unique(engine for engine, _, _ in lines)
        self.lines = {cell: line for cell, line in done.items() if cell[0] in self.engines}
        self.unfinished = {cell: line for cell, line in lines.items() if cell[0] in self.engines and cell not in done}
        self.cells = {e: {(t, s) for name, t, s in self.lines if name == e} for e in self.engines}
        if common:
            shared = set.intersection(*self.cells.values())
            self.lines = {cell: line for cell, line in self.lines.items() if cell[1:] in shared}
            self.cells = dict.fromkeys(self.engines, shared)
        # Ranks compare engines only where all of them have results.
        most = max((len(cells) for cells in self.cells.values()), default=0)
        complete = [engine for engine in self.engines if most and len(self.cells[engine]) == most]
        every = self.cells[complete[0]] if complete else set()
        self.ranked = [engine for engine in complete if self.cells[engine] == every]
        self.base = base if base in self.engines and self.cells[base] else next(iter(self.ranked), None)

    def tables(self, metric="score", engine=None):
        """Names of tables that have the metric, in the order of the lines."""
        engines = [engine] if engine else self.engines
        lines = ((table, line) for (e, table, _), line in self.lines.items() if e in engines)
        return unique(table for table, line in lines if metric_of(line, metric) is not None)

    def mean(self, engine, table, metric="score", cells=None):
        """The mean over the splits, or None."""
        values = [
            metric_of(line, metric)
            for (e, t, s), line in self.lines.items()
            if e == engine and t == table and (cells is None or (t, s) in cells)
        ]
        return None if not values or None in values else statistics.fmean(values)

    def pairs(self, engine, other, metric="score", tables=None):
        """Of each table the two engines' means over the splits that both have."""
        cells = self.cells[engine] & self.cells[other]
        for table in tables or self.tables(metric):
            means = [self.mean(e, table, metric, cells) for e in (engine, other)]
            if None not in means:
                yield table, *means

    def ratio(self, engine, other=None, metric="score", tables=None):
        """Geometric mean over tables of the ratio of means, and the standard error of its logarithm; or None."""
        other = other or self.base
        logs = [math.log(a / b) for _, a, b in self.pairs(engine, other, metric, tables)]
        if not logs:
            return None
        mean, error = mean_and_error(logs)
        return math.exp(mean), error

    def split_ratio(self, engine, other, table, metric="score"):
        """Ratio of a table's means over the splits that both have, with the standard error over them; or None."""
        cells = sorted(self.cells[engine] & self.cells[other])
        pairs = [[metric_of(self.lines[e, t, s], metric) for e in (engine, other)] for t, s in cells if t == table]
        if not pairs or None in pairs[0]:
            return None
        scale = statistics.fmean(b for _, b in pairs)
        mean, error = mean_and_error([(a - b) / scale for a, b in pairs])
        return 1 + mean, error / (1 + mean)

    def table_ranks(self, metric="score"):
        """By table, each ranked engine's rank."""
        found = {}
        for table in self.tables(metric):
            means = [self.mean(engine, table, metric) for engine in self.ranked]
            if means and None not in means:
                found[table] = dict(zip(self.ranked, ranks(means), strict=True))
        return found

    def mean_rank(self, engine, metric="score"):
        by_table = self.table_ranks(metric)
        return statistics.fmean(r[engine] for r in by_table.values()) if by_table and engine in self.ranked else None

    def rank_difference(self, engine, other, metric="score"):
        """Mean over tables of the difference of ranks, with its standard error."""
        return mean_and_error([r[engine] - r[other] for r in self.table_ranks(metric).values()])

    def best(self, metric="score"):
        """The engine with the lowest mean rank."""
        found = {engine: self.mean_rank(engine, metric) for engine in self.ranked}
        found = {engine: rank for engine, rank in found.items() if rank is not None}
        return min(found, key=found.get, default=None)

    def typical(self, engine, metric, tables=None):
        """Geometric mean over the base's tables; from the ratio to the base where some of the tables are missing."""
        ratio = self.ratio(engine, metric=metric, tables=tables)
        wanted = [t for t in self.tables(metric, self.base) if tables is None or t in tables]
        base = [self.mean(self.base, table, metric) for table in wanted]
        if ratio is None or not base:
            return None
        return ratio[0] * math.exp(statistics.fmean(map(math.log, base)))


def metric_of(line, metric):
    """A metric of a line, or None; what is 0 counts as half a row, half a millisecond or 1 MB: ratios need it."""
    if metric == "score":
        metric = next((name for name in SCORES if name in line), None)
    value = line.get(metric)
    if value is None:
        return None
    least = {"error": 0.5 / line["n_test"], "cpu": 5e-4, "memory": 1e6}.get(metric, 1e-12)
    return max(value, least)


def layout(head, rows):
    """A table in Markdown that also reads well as it is."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    first, *others = widths
    lines = [[head[0].ljust(first), *(cell.rjust(w) for cell, w in zip(head[1:], others, strict=True))]]
    lines.append(["-" * first, *("-" * (w - 1) + ":" for w in others)])
    lines += [[r[0].ljust(first), *(cell.rjust(w) for cell, w in zip(r[1:], others, strict=True))] for r in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value, digits=3):
    if value is None or math.isnan(value):
        return ""
    return f"{value:.{digits}g}" if abs(value) < 1000 else f"{value:.0f}"


def scores_by_table(results, metric="score"):
    rows = []
    for table in results.tables(metric):
        means = [results.mean(engine, table, metric) for engine in results.engines]
        least = min(mean for mean in means if mean is not None)
        counts = [sum(t == table for t, _ in results.cells[engine]) for engine in results.engines]
        texts = [""] * len(means)
        for i, (mean, count) in enumerate(zip(means, counts, strict=True)):
            if mean is not None:
                texts[i] = number(mean, 4) + (f" ({count})" if count < max(counts) else "") + " *" * (mean == least)
        rows.append([table, *texts])
    return layout([{"score": "error or RMSE"}.get(metric, metric.replace("_", " ")), *results.engines], rows)


def with_error(ratio):
    if ratio is None:
        return ""
    value, error = ratio
    return f"{value:.3f}" + ("" if math.isnan(error) else f" ± {value * error:.3f}")


def overview(results):
    kinds = {kind: results.tables(kind) for kind in SCORES}
    head = ["engine", "splits", "rank", "error", "RMSE", "both", "log loss", "rank", "CPU s", "CPU", "memory MB"]
    rows = []
    for engine in sorted(results.engines, key=lambda e: (results.mean_rank(e) or math.inf, e)):
        memory = results.typical(engine, "memory")
        cpu = results.ratio(engine, metric="cpu")
        rows.append(
            [
                engine,
                str(len(results.cells[engine])),
                number(results.mean_rank(engine)),
                *(with_error(results.ratio(engine, metric=kind, tables=kinds[kind])) for kind in SCORES),
                with_error(results.ratio(engine)),
                with_error(results.ratio(engine, metric="log_loss")),
                number(results.mean_rank(engine, "log_loss")),
                number(results.typical(engine, "cpu")),
                number(cpu and cpu[0]),
                number(memory and memory / 1e6),
            ]
        )
    return layout(head, rows)


def paired(results, other):
    """Each engine's difference from one of them, over the same tables and splits."""
    rows = []
    for engine in results.engines:
        pairs = list(results.pairs(engine, other))
        if engine == other or not pairs:
            continue
        difference = ""
        if engine in results.ranked and other in results.ranked:
            mean, error = results.rank_difference(engine, other)
            difference = f"{mean:+.2f}" + ("" if math.isnan(error) else f" ± {error:.2f}")
        won, lost = sum(a < b for _, a, b in pairs), sum(a > b for _, a, b in pairs)
        ratios = [with_error(results.ratio(engine, other, metric)) for metric in ("score", "log_loss")]
        rows.append([engine, difference, *ratios, f"{won}/{len(pairs) - won - lost}/{lost}"])
    head = [f"against {other}", "difference of ranks", "error or RMSE, ratio", "log loss, ratio", "won/even/lost"]
    return layout(head, rows)


def paired_by_table(results, other):
    """Each engine's ratio to one of them on each table, with the standard error over its splits."""
    others = [engine for engine in results.engines if engine != other]
    tables = results.tables(engine=other)
    rows = [[t, *(with_error(results.split_ratio(engine, other, t)) for engine in others)] for t in tables]
    return layout([f"ratio to {other}", *others], rows)


def text(results, against=None):
    parts = [scores_by_table(results), scores_by_table(results, "log_loss")] if results.tables("log_loss") else []
    parts = parts or [scores_by_table(results)]
    parts.append(
        f"Ratios to {results.base}, below 1: better; ranks among {len(results.ranked)} engines with all splits."
    )
    parts.append(overview(results))
    if len(results.engines) > 1:
        parts += [paired(results, other) for other in unique(against or [results.best(), results.base]) if other]
        parts += [paired_by_table(results, other) for other in against or []]
    troubles = {}
    for (engine, table, split), line in results.unfinished.items():
        why = f"more than {line['limit']:g} s of CPU" if line["status"] == "too long" else line.get("why", "failed")
        troubles.setdefault((engine, why), []).append(f"{table} {split}")
    parts += [f"{engine}: {why} on {', '.join(where)}" for (engine, why), where in troubles.items()]
    return "\n\n".join(parts)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--engines", default=None, help="comma-separated; default: all in the files")
    parser.add_argument("--base", default=BASE, help="the engine that ratios are to")
    parser.add_argument("--against", default=None, help="engines that all others are paired with, table by table")
    parser.add_argument("--common", action="store_true", help="only splits that all the engines have")
    parser.add_argument("--tables", default=None, help="only these")
    parser.add_argument("--picture", type=Path, default=None, help="draw score against CPU time here")
    options = parser.parse_args(argv)
    lines = read(options.files)
    if options.tables:
        lines = {cell: line for cell, line in lines.items() if cell[1] in options.tables.split(",")}
    engines = options.engines.split(",") if options.engines else None
    against = options.against.split(",") if options.against else None
    if unknown := {*(engines or []), *(against or [])} - {engine for engine, _, _ in lines}:
        parser.error(f"no results of {', '.join(sorted(unknown))}")
    results = Results(lines, engines, options.base, options.common)
    if not results.lines:
        sys.exit("no results to sum up" + (": the engines have no split in common" if options.common else ""))
    print(text(results, against))
    if options.picture:
        import picture

        picture.draw(results, options.picture)
    return results


if __name__ == "__main__":
    main()
