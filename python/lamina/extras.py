"""What lamina can use beside NumPy and safetensors, and how to get it: the one place that words the hint."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["REQUIREMENTS", "how_to_install"]

# By the name that is imported: what pip is asked for, as in pyproject.toml.
REQUIREMENTS = {
    "keras": "keras>=3.3",
    "matplotlib": "matplotlib>=3.7",
    "mlflow": "mlflow-skinny>=2.15",
    "narwhals": "narwhals>=2",
    "optuna": "optuna>=4",
    "pandas": "pandas>=2",
    "polars": "polars>=1",
    "pyarrow": "pyarrow>=14",
    "onnx": "onnx>=1.16",
    "rich": "rich>=13",
    "sklearn": "scikit-learn>=1.6",
    "tensorboard": "tensorboard>=2.13",
    "torch": "torch>=2.1",
}


def how_to_install(modules: Iterable[str]) -> str:
    """Return the command that installs these modules, right for a wheel, a checkout and a copied folder alike."""
    return "install with: pip install " + " ".join(f'"{REQUIREMENTS[module]}"' for module in modules)
