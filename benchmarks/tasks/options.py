"""What dropout, batch norm, adaptive clipping and SAM add to the step of task M."""

from dataclasses import replace

from tasks.base import Task
from tasks.dense import TASKS as DENSE

ORDER = 6
M = next(task for task in DENSE if task.name == "M")


def with_option(name: str, title: str, **fields: object) -> Task:
    return replace(M, name=f"M_{name}", title=f"{M.title}, {title}", engines=("lamina", "torch"), **fields)


TASKS = [
    # Random masks differ between engines, so the losses agree only in distribution.
    with_option("dropout", "dropout 0.2", dropout=0.2, tolerance=0.1),
    with_option("batch_norm", "batch norm", batch_norm=True),
    with_option("agc", "adaptive gradient clipping", agc=0.01),
    with_option("sam", "SAM", sam=0.05),
]
