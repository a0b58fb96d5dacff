"""lamina: neural networks on a CPU, fast and light, with results that repeat to the bit.

>>> import lamina
>>> net = lamina.Network([lamina.Dense(16, activation="tanh"), lamina.Dense(3)], n_inputs=4, loss="cross_entropy")
>>> history = net.fit(X, y)  # doctest: +SKIP
"""

from importlib import import_module
from typing import Any

from lamina._dispatch import core as _core

# Everything else is imported when it is first asked for, so that `import lamina` costs next to nothing.
_HOMES = {
    "__version__": "runtime",
    "get_num_threads": "runtime",
    "set_num_threads": "runtime",
    "simd_level": "runtime",
    "Network": "network.network",
    "load": "model_file",
    "from_onnx": "exchange.onnx",
    "ModelFileError": "storage.parts",
    "VersionWarning": "storage.pickles",
    "EarlyStopping": "training.callbacks",
    "Epoch": "training.callbacks",
    "History": "training.callbacks",
    "DivergenceWarning": "training.callbacks",
    "check_gradients": "diagnosis.gradients",
    "split": "data.splits",
    "Split": "data.splits",
    "cross_validate": "selection.cross_validation",
    "search": "selection.search",
    "SearchFileError": "selection.trial_file",
    "Ensemble": "selection.ensemble",
    "CheckpointError": "storage.run_file",
    "compare": "selection.comparison",
    "diagnose": "diagnosis",
    "SAM": "optimizers",
    "CascadeNetwork": "cascade",
    "CascadeClassifier": "estimators",
    "CascadeRegressor": "estimators",
    "MLPClassifier": "estimators",
    "MLPRegressor": "estimators",
    "RecurrentClassifier": "estimators",
    "RecurrentRegressor": "estimators",
    "TabularClassifier": "tabular",
    "TabularRegressor": "tabular",
    "pad": "data.sequences",
    "from_keras": "exchange.keras",
    "from_sklearn": "exchange.sklearn",
    "from_torch": "exchange.torch",
    "to_keras": "exchange.keras",
    "to_torch": "exchange.torch",
}
_SUBMODULES = {
    "activations",
    "losses",
    "metrics",
    "initializers",
    "layers",
    "optimizers",
    "schedules",
    "callbacks",
    "estimators",
    "export",
    "plots",
    "plots_cascade",
    "space",
    "cli",
}
_CORE_CLASSES = {
    *_core.layer_names(),
    *_core.optimizer_names(),
    *_core.solver_names(),
    *(name for name in _core.clipping_names() if hasattr(_core, name)),
}


def _limit_from_environment() -> None:
    import os

    text = os.environ.get("LAMINA_NUM_THREADS") or None  # set to nothing is not set
    if text is None:
        return
    digits = text.lstrip("0")
    if not (digits.isascii() and digits.isdecimal()):
        raise ImportError(f"LAMINA_NUM_THREADS must be a whole number of at least 1; got {text!r}")
    _core.set_max_threads(int(digits) if len(digits) < 10 else 10**9)  # of any length: more than any machine has


_limit_from_environment()


def __getattr__(name: str) -> Any:
    if name in _CORE_CLASSES:
        value = getattr(_core, name)
    elif name in _HOMES:
        value = getattr(import_module(f"lamina.{_HOMES[name]}"), name)
    elif name in _SUBMODULES:
        value = import_module(f"lamina.{name}")
    else:
        from lamina.other_words import OF_THE_PACKAGE, no_attribute

        raise no_attribute("module 'lamina'", name, OF_THE_PACKAGE)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__", *(name for name in globals() if name.startswith("__"))})


# What type checkers see of all this is __init__.pyi, which tools/write_stubs.py writes from the three tables.
__all__ = sorted({*_HOMES, *_SUBMODULES, *_CORE_CLASSES} - {"__version__", "cli"})
