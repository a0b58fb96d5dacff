"""What the commands print: notes, tables of results, and the figures in them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any, TextIO

import numpy as np

from lamina.report.scores import METRICS, classification_scores, metrics_of, regression_scores
from lamina.text import aligned, counted

__all__ = ["classification_scores", "let_go", "note", "print_table", "regression_scores", "results"]

# The table of classes has no more lines.
SHOWN_CLASSES = 30


def let_go(stream: TextIO) -> None:
    """Send what is still to come to nowhere: nobody reads `stream` any more."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):  # no file of the system's
        pass


def _print(text: str, *, stderr: bool) -> None:
    stream = sys.stderr if stderr else sys.stdout
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:  # the command goes on: its files are still wanted
        let_go(stream)


def note(message: str, *, stderr: bool = False) -> None:
    """Print one line of information, as it is."""
    _print(message, stderr=stderr)


def print_table(title: str, header: Iterable[str], rows: Iterable[Iterable[Any]], *, stderr: bool = False) -> None:
    """Print a table, the first column to the left and numbers to the right; with frames where `rich` is there."""
    names = list(header)
    cells = [[f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    note(title, stderr=stderr)
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        _print("\n".join(aligned([names, *cells], left=[0])), stderr=stderr)
        return
    table = Table()
    for place, name in enumerate(names):
        table.add_column(Text(name), justify="left" if place == 0 else "right")
    for row in cells:
        table.add_row(*map(Text, row))
    console = Console(stderr=stderr, highlight=False)
    with console.capture() as captured:
        console.print(table)
    _print(captured.get().rstrip("\n"), stderr=stderr)


def _of_classes(truth: Any, outputs: Any, classes: int) -> dict[str, float]:
    """Return the scores of probabilities (n, classes), by what they are called; without one that is not defined."""
    scores = classification_scores(truth, np.argmax(outputs, axis=1), classes)
    found = {METRICS[name].title: value for name, value in metrics_of(truth, outputs).items() if name != "accuracy"}
    return {"accuracy": scores["accuracy"], "F1, mean of the classes": scores["mean_f1"], **found}


def results(part: str, classes: list[Any] | None, truth: Any, outputs: Any, baseline: Any, *, stderr: bool) -> None:
    """Print the scores on one part of the data next to those of the baseline.

    Parameters
    ----------
    part : str
        What the rows are, for the title.
    classes : list, optional
        The labels; None for regression.
    truth, outputs : numpy.ndarray
        Class numbers (n,) and probabilities (n, classes), or numbers (n,) and (n,), in the target's units.
    baseline : numpy.ndarray or float, optional
        What the training rows had: the shares of the classes, (classes,), or the mean; None for no baseline.
    """
    title = f"Results on {len(truth)} {part} rows"
    if classes is None:
        model = regression_scores(truth, outputs)
        columns = [model] if baseline is None else [model, regression_scores(truth, np.full(len(truth), baseline))]
        header = ["", "model", "mean of training"][: 1 + len(columns)]
        print_table(title, header, [[name, *(c[name] for c in columns)] for name in model], stderr=stderr)
        return
    predicted = np.argmax(outputs, axis=1)
    scores = classification_scores(truth, predicted, len(classes))
    columns = [_of_classes(truth, outputs, len(classes))]
    header = ["", "model"]
    if baseline is not None:
        header.append(f"always {classes[int(np.argmax(baseline))]!r}")
        columns.append(_of_classes(truth, np.tile(baseline, (len(truth), 1)), len(classes)))
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    print_table(title, header, rows, stderr=stderr)
    if baseline is not None:
        note("the log loss on the right is that of the classes' shares in training", stderr=stderr)
    per_class = list(zip(
        map(str, classes), *(scores[k].tolist() for k in ("precision", "recall", "f1", "rows")), strict=True
    ))  # fmt: skip
    title = "By class"
    if len(per_class) > SHOWN_CLASSES:
        title += f": the {SHOWN_CLASSES} with the most rows, of {len(per_class)}"
        most = np.sort(np.argsort(-scores["rows"], kind="stable")[:SHOWN_CLASSES])
        per_class = [per_class[place] for place in most]
    print_table(title, ["class", "precision", "recall", "F1", "rows"], per_class, stderr=stderr)
    never = np.flatnonzero((scores["rows"] > 0) & (np.bincount(predicted, minlength=len(classes)) == 0))
    if len(never):
        shown = ", ".join(f"{classes[place]!r} ({counted(int(scores['rows'][place]), 'row')})" for place in never[:5])
        more = f" and {len(never) - 5} more" if len(never) > 5 else ""
        note(f"warning: never predicted here: {shown}{more}; longer training, or --class-weight balanced, for "
             "which rare classes count as much as common ones, may help", stderr=stderr)  # fmt: skip
