"""`lamina train`: a table to a model file."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

from lamina.cli import report
from lamina.cli.arguments import OPTIONS_OF
from lamina.cli.outputs import Output, check_outputs, checkpoint_of, same_file
from lamina.cli.pictures import check_picture
from lamina.cli.tables import TableError
from lamina.cli.train_network import train_network
from lamina.cli.training_report import training_report
from lamina.cli.training_rows import Rows, read_rows
from lamina.files import write_whole
from lamina.plots import fold_curves, learning_curves

__all__ = ["name_of_the_model", "run"]

INTERRUPTED = 130  # as shells say of a command that Ctrl-C ended
VALIDATION = 0.1  # the share of the rows that stops a network's training


def run(options: Namespace) -> int:
    """Read the table, train, save the model with its columns, print the results, draw the learning curves.

    Ctrl-C ends the training alone: what there is of it is saved and reported, and the code is 130.
    """
    kind = _kind(options)
    out = options.out or name_of_the_model(options.data)
    picture = options.plot or os.path.splitext(out)[0] + ".png"
    outputs = [Output(out, "model", "--out"), Output(picture, "picture", "--plot")]
    if options.report:
        outputs.append(Output(options.report, "report", "--report"))
    if options.checkpoint:
        outputs.append(Output(options.checkpoint, "checkpoint", "--checkpoint"))
    inputs = [options.data, *([options.test] if isinstance(options.test, str) else [])]
    if isinstance(options.test, str) and same_file(options.data, options.test):
        raise TableError(f"--test {options.test} is the table that is trained on: its scores would tell nothing of "
                         "others. Name a table of other rows, or a share of these, such as --test 0.2")  # fmt: skip
    check_outputs(inputs, outputs, force=options.force)
    check_picture(picture)
    if options.checkpoint and os.path.isfile(options.checkpoint):
        found = checkpoint_of(Path(options.checkpoint))
        if found not in (None, kind):
            raise TableError(f"--checkpoint {options.checkpoint} is one of a {found} model, and this is a {kind} "
                             "model; name another file, or remove it to begin anew")  # fmt: skip
    if kind == "tabular":
        from lamina.cli.train_tabular import train_tabular

        rows = read_rows(options, gaps=True, validation=0.0)
        trained = train_tabular(rows, options)
    else:
        share = VALIDATION if options.validation is None else options.validation
        rows = read_rows(options, gaps=options.impute != "none", validation=share)
        trained = train_network(rows, options)
    trained.save(out)
    for line in trained.warnings:
        report.note(line, stderr=True)
    if len(trained.histories) == 1:
        learning_curves(trained.histories[0], path=picture)
    elif trained.histories:
        fold_curves(trained.histories, path=picture)
    report.note(trained.told)
    part, places, found = trained.judged_on(rows.parts)
    _report_part(part, rows, places, found)
    report.note(f"model: {out}")
    if trained.histories:
        report.note(f"learning curves: {picture}")
    if options.report:
        write_whole(options.report, training_report(options, rows, trained, (part, places, found)))
        report.note(f"report: {options.report}")
    return INTERRUPTED if trained.interrupted else 0


def _kind(options: Namespace) -> str:
    """Return which kind of model is asked for, by its name or by its options; TableError for options of the other."""
    given: dict[str, str] = getattr(options, "given", {})
    asked = {kind: [given[name] for name in names if name in given] for kind, names in OPTIONS_OF.items()}
    kind = options.kind or ("network" if asked["network"] else "tabular")
    other = next(each for each in OPTIONS_OF if each != kind)
    if asked[other]:
        reason = f"--model {kind}" if options.kind else asked[kind][0]
        raise TableError(f"{asked[other][0]} is an option of a {other} model, and {reason} asks for a {kind}"
                         f"{' model' if kind == 'tabular' else ''}")  # fmt: skip
    return kind


def name_of_the_model(data: str) -> str:
    """Return the table's name, without folders and suffixes, as that of a model."""
    name = Path(data).name
    while Path(name).suffix.lower() in (".csv", ".tsv", ".txt", ".gz", ".bz2", ".xz", ".zip", ".parquet", ".arrow",
                                        ".feather", ".pq"):  # fmt: skip
        name = Path(name).stem
    return f"{'model' if data == '-' or not name else name}.lamina"


def _report_part(part: str, rows: Rows, index: Any, outputs: Any) -> None:
    """Print the scores next to those of the most frequent class, or of the mean, of the training rows."""
    training = rows.parts["training"]
    if rows.target.classes is None:
        truth = rows.values.to_numpy(dtype=np.float64)[index]
        report.results(part, None, truth, outputs, rows.target.mean, stderr=False)
    else:
        baseline = np.bincount(rows.encoded[training], minlength=len(rows.target.classes)) / len(training)
        report.results(part, rows.target.labels, rows.encoded[index], outputs, baseline, stderr=False)
