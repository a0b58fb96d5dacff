"""`lamina info`: the installation, or a model file."""

import platform
from argparse import Namespace

import numpy as np

from lamina.cli import report
from lamina.cli.tables import Table
from lamina.model_file import load
from lamina.runtime import __version__, get_num_threads, simd_level

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
