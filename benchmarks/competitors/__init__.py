"""One module per engine, named like the engine; each has `MODULE` and `build(task, arrays, threads)`.

`build` returns an object with

* `run_steps(n)`: n training steps over the resident batches, in order (n is a multiple of `task.batches`),
* `loss()`: the mean loss over all resident rows at the current weights,
* `prepare(X)`: rows in the form the engine likes best, made outside the timing,
* `predict(prepared)`: probabilities as something `numpy.asarray` takes, ready when the call returns.

For tasks of kind `fit` it returns an object with `run_steps(n)` (n whole fits) and `accuracy()`.
"""

import importlib.util

# The module whose import a user pays for, by engine; read without importing the engine.
MODULES = {
    "lamina": "lamina",
    "torch": "torch",
    "torch_compile": "torch",
    "jax": "jax",
    "sklearn": "sklearn.neural_network",
    "keras": "keras",
}

# Both forms of Adam are in the paper; these engines have the second, and are checked against it.
EARLY_EPSILON = ("sklearn", "keras")


class Unsupported(Exception):
    """The engine has no such feature; the row says so."""


def installed(engine: str) -> bool:
    return importlib.util.find_spec(MODULES[engine].partition(".")[0]) is not None
