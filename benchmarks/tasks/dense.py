"""Training steps of dense networks from tiny to wide."""

from tasks.base import Task

ORDER = 1
TASKS = [
    Task("T", "tiny, 4-16-3, batch 16", (4, 16, 3), batch=16, batches=64),
    Task("S", "digits, 64-64-10, batch 32", (64, 64, 10), batch=32, batches=56),
    Task("M", "MNIST, 784-256-128-10, batch 128", (784, 256, 128, 10), batch=128, batches=16),
    # After 20 steps the loss is 0.03 and correct float32 engines differ by 1e-3; after 8 it is 0.8.
    Task("L", "wide, 784-1024-1024-10, batch 256", (784, 1024, 1024, 10), batch=256, batches=4, check_steps=8),
]
