"""The report of `lamina train`: what was trained, as records for its page."""

from __future__ import annotations

import datetime
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

from lamina.cli.tables import Target
from lamina.cli.trained import Trained
from lamina.cli.training_rows import Rows, remedy_of
from lamina.report import Classes, Numbers, ReportData, Score, page
from lamina.report.columns import summary
from lamina.report.scores import METRICS, metrics_of
from lamina.runtime import __version__

__all__ = ["training_report"]

# The share of rows that the intervals of a report should hold.
COVERAGE = 0.9


def training_report(options: Namespace, rows: Rows, trained: Trained, judged: tuple[str, Any, Any]) -> bytes:
    """Return the page; `judged` is what `Trained.judged_on` returns."""
    part, places, outputs = judged
    importances, words = trained.importances()
    name = _called(options.data)
    return page(
        ReportData(
            title=f"{options.target} of {name}",
            about=_about(options, rows, trained),
            rows=len(rows.frame),
            part=part,
            outcome=_outcome(rows, trained, places, outputs, part),
            scores=_scores(rows, trained, places if part == "test" else None, outputs),
            histories=trained.histories,
            importances=importances,
            importance_words=words,
            remarks=trained.remarks(),
            columns=[summary(str(column), values, _use(str(column), options, trained))
                     for column, values in rows.frame.items()],
            warnings=[*trained.warnings, *rows.warnings, *(f"Column {one.column!r} {one.why}; {remedy_of(one)}."
                                           for one in rows.suspicions if one.column not in trained.unused)],
            notes=[rows.reading.told, *rows.notes],
        )
    )  # fmt: skip


def _called(path: str) -> str:
    """Return a file's name; what folders it lies in is nobody's business who is shown the report."""
    return "the standard input" if path == "-" else Path(path).name


def _about(options: Namespace, rows: Rows, trained: Trained) -> dict[str, str]:
    counts = [f"{len(places):,} {part}" for part, places in rows.parts.items() if len(places)]
    classes = rows.target.classes
    task = rows.task if classes is None else f"{rows.task}, {len(classes)} classes"
    tested = {"test rows": _called(options.test)} if isinstance(options.test, str) else {}
    return {
        "data": _called(options.data),
        **tested,
        "rows": ", ".join(counts),
        "target": options.target,
        "task": task,
        **trained.about,
        **({"weights": options.weights} if options.weights else {}),
        "seed": str(options.seed),
        "training took": trained.took,
        "lamina": __version__,
        "date": f"{datetime.datetime.now().astimezone():%Y-%m-%d %H:%M %Z}",
    }


def _use(name: str, options: Namespace, trained: Trained) -> str:
    if name == options.target:
        return "target"
    if name in trained.unused:
        return f"left out: {trained.unused[name]}"
    return "weights" if name == options.weights else "left out" if name in options.drop else ""


def _outcome(rows: Rows, trained: Trained, places: Any, outputs: Any, part: str) -> Classes | Numbers:
    if rows.target.classes is not None:
        return Classes([str(label) for label in rows.target.labels or ()], rows.encoded[places], np.asarray(outputs))
    truth = rows.values.to_numpy(dtype=np.float64)[places]
    if trained.interval is None or part != "test":
        return Numbers(truth, outputs)
    return Numbers(truth, outputs, *trained.interval(places, COVERAGE), coverage=COVERAGE)


def _scores(rows: Rows, trained: Trained, test: Any, outputs: Any) -> list[Score]:
    """Return each metric on the test rows, on those of each fold, and of the most frequent class or the mean."""
    target = rows.target
    tested = None if test is None else _measured(rows, test, outputs)
    folds = [_measured(rows, places, found) for places, found in trained.held_out]
    where = test if test is not None else np.concatenate([places for places, _ in trained.held_out] or [[]]).astype(int)
    if not len(where):
        return []
    plain = _measured(rows, where, _without_a_model(rows, target, len(where)))
    scores = []
    for name, metric in METRICS.items():
        if not all(name in found for found in (plain, *folds, *([] if tested is None else [tested]))):
            continue
        own = None if tested is None else tested[name]
        each = [fold[name] for fold in folds]
        scores.append(Score(metric.title, each, own, plain[name], metric.higher_is_better, name == trained.chosen))
    return scores


def _measured(rows: Rows, places: Any, outputs: Any) -> dict[str, float]:
    if rows.target.classes is not None:
        return metrics_of(rows.encoded[places], outputs)
    return metrics_of(rows.values.to_numpy(dtype=np.float64)[places], outputs)


def _without_a_model(rows: Rows, target: Target, n_rows: int) -> Any:
    """Return the shares of the classes, or the mean, of the training rows, as a prediction of each row."""
    if target.classes is None:
        return np.full(n_rows, target.mean)
    counts = np.bincount(rows.encoded[rows.parts["training"]], minlength=len(target.classes))
    return np.tile(counts / counts.sum(), (n_rows, 1))
