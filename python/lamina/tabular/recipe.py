"""What is trained on a table: the one place that knows layers, rates and epochs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lamina._dispatch import core as _core
from lamina import losses, schedules
from lamina.data.arrays import Array
from lamina.network.network import Network
from lamina.training.callbacks import EarlyStopping

__all__ = ["EMBEDDINGS", "METRICS", "PRESETS", "Recipe", "TableShape", "build", "fit_options", "inputs", "recipe_for"]

#: What the best epoch may be chosen by, for classes and for numbers; the first is the default.
METRICS = {"classes": ("error", "log_loss", "auc"), "numbers": ("rmse", "mae", "r2")}
PRESETS = ("default", "fast")
#: Ways to see a number as several.
EMBEDDINGS = ("periodic", "linear", "piecewise_linear", "none")


@dataclass(frozen=True, slots=True)
class TableShape:
    """What a recipe depends on.

    Attributes
    ----------
    n_rows : int
        To train on.
    n_numeric : int
        Numeric columns of the matrix, which come first.
    sizes : tuple of int
        Categories of each category column.
    target : {"classes", "numbers"}
    n_outputs : int
        Classes, or targets.
    """

    n_rows: int
    n_numeric: int
    sizes: tuple[int, ...]
    target: str
    n_outputs: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """A network and its training; an estimator's parameter of the same name takes precedence."""

    width: int = 256
    depth: int = 3
    activation: str = "selu"
    dropout: float = 0.15
    embeddings: str = "periodic"
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    batch_size: int = 256
    epochs: int = 128
    patience: int | None = None


def recipe_for(preset: str, shape: TableShape, own: dict[str, Any]) -> Recipe:
    """Return the recipe of a preset for a table; `own` values that are not None come first."""
    found = Recipe(activation="selu" if shape.target == "classes" else "mish")
    if preset == "fast":
        found = replace(found, embeddings="none", dropout=0.0, weight_decay=0.0, width=128, epochs=64)
    return replace(found, **{name: value for name, value in own.items() if value is not None})


def build(recipe: Recipe, shape: TableShape, loss: Any, seed: int) -> Network:
    """Return the network, untrained."""
    layers: list[Any] = []
    for _ in range(recipe.depth):
        layers.append(_core.Dense(recipe.width, recipe.activation))
        if recipe.dropout:
            layers.append(_core.Dropout(recipe.dropout))
    layers.append(_core.Dense(shape.n_outputs))
    loss = losses.get(loss, label_smoothing=recipe.label_smoothing) if loss == "cross_entropy" else losses.get(loss)
    width = inputs(np.zeros((1, max(1, shape.n_numeric + len(shape.sizes))), np.float32), shape).shape[1]
    return Network(layers, width, loss, seed=seed, normalize_inputs=True)


def inputs(matrix: Array, shape: TableShape) -> Array:
    """Return what the network takes of an encoder's matrix: categories one by one."""
    parts = [matrix[:, : shape.n_numeric]] if shape.n_numeric or not shape.sizes else []
    if not shape.sizes:
        return matrix
    for place, size in enumerate(shape.sizes):
        codes = matrix[:, shape.n_numeric + place, np.newaxis]
        parts.append((codes == np.arange(size)).astype(matrix.dtype))
    return np.ascontiguousarray(np.hstack(parts))


def fit_options(recipe: Recipe, metric: str, validated: bool) -> dict[str, Any]:
    """Return the options of `Network.fit`; what is validated on is up to the caller."""
    options: dict[str, Any] = {
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "optimizer": _core.AdamW(recipe.learning_rate, beta2=0.95, weight_decay=recipe.weight_decay),
        "schedule": schedules.Cosine(),
        "early_stopping": None,
    }
    if validated:
        options["early_stopping"] = EarlyStopping(patience=recipe.patience or recipe.epochs)
        if metric == "error":
            options["scoring"] = "accuracy"
    return options
