"""What a user waits for: a whole fit of an estimator, the import, the memory."""

from tasks.base import Task

ORDER = 4
TASKS = [
    Task(
        "fit_digits",
        "MLPClassifier.fit on the handwritten digits, 64-64-10, batch 32, 50 epochs",
        (64, 64, 10),
        batch=32,
        kind="fit",
        # Each engine draws its own start, so the test accuracies agree to two points and no better.
        tolerance=0.02,
        engines=("lamina", "sklearn"),
        reference="sklearn",
    ),
    Task("import", "import time beyond NumPy's", (), batch=0, kind="import"),
    Task(
        "memory_L",
        "peak memory of training 784-1024-1024-10, batch 256",
        (784, 1024, 1024, 10),
        batch=256,
        batches=4,
        kind="memory",
        check_steps=8,
    ),
]
