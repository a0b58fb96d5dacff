"""Tasks whose times other projects have published."""

from tasks.base import Task

ORDER = 2
TASKS = [
    # The publication leaves the loss open; cross-entropy over four classes is used here.
    Task("simplechains", "SimpleChains, 4-32-16-4, 10,000 rows full batch", (4, 32, 16, 4), batch=10_000),
    Task(
        "opennn",
        "OpenNN, 28-1024-1024-1, batch 4096",
        (28, 1024, 1024, 1),
        batch=4096,
        loss="squared_error",
        check_steps=3,
    ),
    Task(
        "higgs",
        "HIGGS, 28-300x5-1 tanh, batch 100",
        (28, 300, 300, 300, 300, 300, 1),
        batch=100,
        batches=20,
        activation="tanh",
        loss="binary_cross_entropy",
    ),
]
