"""Draws results: `python benchmarks/picture.py results/NAME.json [picture.png]`."""

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

matplotlib.rcParams["svg.fonttype"] = "none"  # letters as letters: half the size, and they can be searched
matplotlib.rcParams["svg.hashsalt"] = "lamina"

COLOURS = {
    "lamina": "#c1272d",
    "torch": "#e69f00",
    "torch_compile": "#a06a00",
    "jax": "#0072b2",
    "sklearn": "#009e73",
    "keras": "#7a5195",
}
SCALES = {"s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")), "bytes": ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))}


def label(value, unit):
    scale, name = next(((s, n) for s, n in SCALES[unit] if value >= s), SCALES[unit][-1])
    return f"{value / scale:.3g} {name}"


def bars_of(task):
    """Each engine's entry at its better thread count, as the ratios take it, slowest last."""
    good = [e for e in task["entries"] if "median" in e]
    engines = list(dict.fromkeys(e["engine"] for e in good))
    best = [min((e for e in good if e["engine"] == n), key=lambda e: e["median"]) for n in engines]
    return sorted(best, key=lambda e: e["median"])


def draw_task(axes, task):
    bars = bars_of(task)
    ratios = task["ratios"].get("best", {"baseline": None, "engines": {}})
    values = [bar["median"] for bar in bars]
    axes.barh(range(len(bars)), values, color=[COLOURS.get(bar["engine"], "grey") for bar in bars])
    axes.set_xscale("log")
    axes.set_xlim(min(values) / 3, max(values) * 30)
    axes.set_yticks(range(len(bars)), [f"{bar['engine']} ({bar['threads']})" for bar in bars], fontsize=8)
    axes.invert_yaxis()
    for row, bar in enumerate(bars):
        text = label(bar["median"], bar["unit"])
        if bar["engine"] in ratios["engines"]:
            text += f"   {ratios['engines'][bar['engine']]['median_by_round']:.3g}x"
        if "percent_of_peak" in bar:
            text += f"   {bar['percent_of_peak']:.0f}% of peak"
        axes.text(bar["median"] * 1.1, row, text, va="center", fontsize=8)
    axes.set_title(f"{task['name']}: {task['title']}", fontsize=9, loc="left")
    axes.tick_params(axis="x", labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)


def draw(report, path):
    tasks = [task for task in report["tasks"] if bars_of(task)]
    columns = 2 if len(tasks) > 1 else 1
    rows = -(-len(tasks) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(7.5 * columns, 2.1 * rows + 0.6), squeeze=False)
    for axes, task in zip(grid.flat, tasks, strict=False):
        draw_task(axes, task)
    for axes in grid.flat[len(tasks) :]:
        axes.set_visible(False)
    machine = report["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    note = (
        f"{machine['cpu']}, {machine['cores']} cores, {' '.join(machine['instruction_sets'])}; {versions}\n"
        "median time of a step, a prediction, a fit or an import at the better thread count (in brackets), log scale; "
        "x: median over rounds of the ratio to the baseline's"
    )
    figure.suptitle(note, fontsize=8, x=0.01, ha="left")
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.1 / rows))
    figure.savefig(path, dpi=130)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("picture", type=Path, nargs="?")
    options = parser.parse_args(argv)
    picture = options.picture or options.results.with_suffix(".png")
    draw(json.loads(options.results.read_text()), picture)
    return picture


if __name__ == "__main__":
    print(main())
