"""Draws score against CPU time, one point an engine: `summary.py RESULTS.jsonl --picture FILE`."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from engines import ENGINES
from matplotlib.ticker import FuncFormatter, NullFormatter
from matplotlib.transforms import Bbox

matplotlib.rcParams["svg.fonttype"] = "none"  # letters as letters: half the size, and they can be searched
matplotlib.rcParams["svg.hashsalt"] = "lamina"

COLOURS = {"lamina": "#c1272d", "realmlp": "#e69f00", "tabm": "#7a5195", "sklearn": "#009e73"}
PANELS = (("error", "classification: error"), ("rmse", "regression: RMSE"), ("log_loss", "classification: log loss"))
# Where a name may stand from its point: offset in points, and which side of it is there.
PLACES = (
    (6, 0, "left", "center"),
    (-6, 0, "right", "center"),
    (0, 6, "center", "bottom"),
    (0, -6, "center", "top"),
    (6, 6, "left", "bottom"),
    (6, -6, "left", "top"),
    (-6, 6, "right", "bottom"),
    (-6, -6, "right", "top"),
)


def colour(engine):
    """By family; trees are blue."""
    return next((shade for start, shade in COLOURS.items() if engine.startswith(start)), "#0072b2")


def points(results, metric):
    """Engine, CPU seconds, ratio and its standard error, whether the engine has all results."""
    tables = results.tables(metric)
    for engine in results.engines:
        ratio = results.ratio(engine, metric=metric, tables=tables)
        seconds = results.typical(engine, "cpu", tables)
        if ratio and seconds:
            value, error = ratio
            yield engine, seconds, value, value * error, engine in results.ranked


def draw_panel(axes, results, metric, title):
    found = list(points(results, metric))
    for engine, seconds, ratio, error, complete in found:
        shade = colour(engine)
        axes.errorbar(seconds, ratio, yerr=error, color=shade, alpha=0.35, linewidth=1, zorder=1)
        axes.scatter(seconds, ratio, color=shade, facecolor=shade if complete else "white", s=36, zorder=2)
    axes.axhline(1, color="grey", linewidth=0.7, linestyle=":")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(min(point[1] for point in found) / 3, max(point[1] for point in found) * 4)
    axes.margins(y=0.12)
    axes.set_title(f"{title} ({len(results.tables(metric))} tables)", fontsize=9, loc="left")
    axes.set_xlabel("CPU seconds of a fit", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def name_points(axes, found):
    """Writes each engine's name beside its point, where the least of it falls on other names and points."""
    taken = [axes.transData.transform(point[1:3]) + corner for point in found for corner in ((-4, -4), (4, 4))]
    taken = [Bbox([low, high]) for low, high in zip(taken[::2], taken[1::2], strict=True)]
    renderer = axes.figure.canvas.get_renderer()
    for engine, seconds, ratio, _, _ in sorted(found, key=lambda point: point[1]):
        label = axes.annotate(
            ENGINES[engine].title if engine in ENGINES else engine,
            (seconds, ratio),
            (0, 0),
            textcoords="offset points",
            fontsize=8,
            color=colour(engine),
        )
        chosen = None
        for x, y, side, height in PLACES:
            label.set(ha=side, va=height)
            label.xyann = (x, y)
            box = label.get_window_extent(renderer)
            overlap = sum(common.width * common.height for b in taken if (common := Bbox.intersection(box, b)))
            if chosen is None or overlap < chosen[0]:
                chosen = overlap, (x, y, side, height), box
        _, (x, y, side, height), box = chosen
        label.set(ha=side, va=height)
        label.xyann = (x, y)
        taken.append(box)


def draw(results, path):
    panels = [(metric, title) for metric, title in PANELS if list(points(results, metric))]
    figure, grid = plt.subplots(1, len(panels), figsize=(5 * len(panels), 4.2), squeeze=False)
    for axes, (metric, title) in zip(grid.flat, panels, strict=True):
        draw_panel(axes, results, metric, title)
    base = ENGINES[results.base].title if results.base in ENGINES else results.base
    grid[0, 0].set_ylabel(f"ratio to {base} (below 1: better)", fontsize=8)
    note = "geometric means over tables, one thread; bars: one standard error over tables of the paired ratio"
    if set(results.engines) - set(results.ranked):
        note += "; hollow: not all splits yet, compared on those that are there"
    figure.suptitle(note, fontsize=8, x=0.01, ha="left")
    figure.tight_layout()
    for axes, (metric, _) in zip(grid.flat, panels, strict=True):
        name_points(axes, list(points(results, metric)))
    figure.savefig(path, dpi=130)
    plt.close(figure)
