"""A training step of an Elman network, the last state classified."""

from tasks.base import Task

ORDER = 5
TASKS = [
    Task(
        "recurrent",
        "Elman 16-64-10, 50 time steps, batch 32",
        (16, 64, 10),
        batch=32,
        batches=16,
        time_steps=50,
        engines=("lamina", "torch", "jax"),
    ),
]
