"""Predictions from Python: the latency of one row, the throughput of a million."""

from tasks.base import Task

ORDER = 3
TASKS = [
    Task("predict_row", "one row through 64-64-10", (64, 64, 10), batch=1, kind="prediction"),
    Task("predict_million", "a million rows through 64-64-10", (64, 64, 10), batch=1_000_000, kind="prediction"),
]
