"""`lamina info`: the installation, or a model file."""

import platform
from argparse import Namespace
from typing import Any

import numpy as np

from lamina.cli import report
from lamina.cli.tables import Table
from lamina.cli.tabular_model import target_and_cells
from lamina.model_file import load
from lamina.runtime import __version__, get_num_threads, simd_level
from lamina.text import counted

__all__ = ["run"]


def run(options: Namespace) -> int:
    """Print what is installed and how it runs here, or what the model is."""
    if options.model is None:
        report.print_table(
            "lamina",
            ["", "value"],
            [
                ["version", __version__],
                ["instruction set", simd_level()],
                ["threads", get_num_threads()],
                ["python", platform.python_version()],
                ["numpy", np.__version__],
            ],
        )
        return 0
    network = load(options.model)
    if hasattr(network, "encoder_"):
        _tell_tabular(network)
        return 0
    report.note(str(network.summary()))
    if "table" in network.metadata:
        table, target, task = Table.from_json(network.metadata["table"])
        report.note(f"{task} of {target.name!r}")
        if target.classes is not None:
            report.note("classes: " + ", ".join(map(str, target.labels or ())))
        rows = [
            [column.name, "number" if column.categories is None else "text", column.inputs, column.fill]
            for column in table.columns
        ]
        shown = [[*row[:3], "an error" if row[3] is None else row[3]] for row in rows]
        report.print_table("Columns", ["column", "kind", "inputs", "where missing"], shown)
    return 0


def _tell_tabular(model: Any) -> None:
    """Print what a tabular model was trained on, and its networks."""
    report.note(str(model.networks_[0].summary()))
    if len(model.networks_) > 1:
        report.note(f"and {counted(len(model.networks_) - 1, 'more network')}; predictions are their mean")
    if "table" in model.metadata_:
        target, _ = target_and_cells(model.metadata_["table"], model)
        report.note(f"{'regression' if target.classes is None else 'classification'} of {target.name!r}")
        if target.classes is not None:
            report.note("classes: " + ", ".join(map(str, target.labels or ())))
    rows = []
    for place, column in enumerate(model.encoder_.columns):
        what = f"{len(column.categories):,}" if column.categories else ""
        rows.append([model.encoder_.name_of(place), column.kind, what, "" if column.dropped is None else "left out"])
    report.print_table("Columns", ["column", "kind", "categories", ""], rows)
