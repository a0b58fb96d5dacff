"""What is trained on a table, and how: the one place that knows layers, rates and epochs.

The parts are those of RealMLP with its tuned defaults (Holzmueller, Grinsztajn, Steinwart, arXiv 2407.04491): robust
inputs, a learned scale, NTK parametrisation, parametric activations, a start from the data, schedules. Where that is
one network of 256 units and 256 epochs, this is the mean of a few of 96 or 128 units and 64 epochs, which was better on
twelve tables of up to 6,000 rows and takes an eighth of the time. Numbers are seen by quantiles, and learned in smaller
batches; for classes the members see them in two ways by turns. "fast" is smaller and shorter still.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lamina._dispatch import core as _core
from lamina import losses, schedules
from lamina.network.network import Network
from lamina.training.callbacks import EarlyStopping

__all__ = ["EMBEDDINGS", "METRICS", "PRESETS", "Recipe", "TableShape", "build", "fit_options", "recipe_for"]

#: What the best epoch may be chosen by, for classes and for numbers; the first is the default.
METRICS = {"classes": ("error", "log_loss", "auc"), "numbers": ("rmse", "mae", "r2")}
PRESETS = ("default", "fast")
# What members have by turns: different ones make a better mean.
_BY_TURNS = ("periodic", "piecewise_linear")
#: Ways to see a number as several; "mixed" takes those of `_BY_TURNS`.
EMBEDDINGS = ("mixed", "periodic", "linear", "piecewise_linear", "none")


@dataclass(frozen=True, slots=True)
class TableShape:
    """What a recipe depends on.

    Attributes
    ----------
    n_rows : int
        To train on.
    n_numeric : int
        Numeric columns of the matrix, which come first.
    varied : tuple of int
        Those of them that have more than two values.
    sizes : tuple of int
        Categories of each category column.
    target : {"classes", "numbers"}
    n_outputs : int
        Of a network.
    """

    n_rows: int
    n_numeric: int
    varied: tuple[int, ...]
    sizes: tuple[int, ...]
    target: str
    n_outputs: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """A network and its training; an estimator's parameter of the same name takes precedence.

    Attributes
    ----------
    width, depth, activation, dropout, embeddings, learning_rate, weight_decay, label_smoothing, batch_size, epochs, \
patience
        As the estimators have them.
    one_hot : int
        Columns of at most so many categories become one-hot ones; the others `category_units` learned numbers.
    members, members_of_fold : int
        Networks that are averaged: of a model without folds, and of each fold of one with folds.
    average : float
        Share of the weights' moving average that a step keeps; 0: no average.
    beta2 : float
        Of Adam.
    """

    width: int = 128
    depth: int = 3
    activation: str = "selu"
    dropout: float = 0.15
    embeddings: str = "mixed"
    one_hot: int = 9
    category_units: int = 8
    learning_rate: float = 0.04
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    batch_size: int = 128
    epochs: int = 64
    patience: int | None = None
    members: int = 4
    members_of_fold: int = 2
    average: float = 0.0
    beta2: float = 0.95


# Up to so many rows to train on a recipe is as it says; of more of them there are fewer epochs, by the root of their
# number, and larger batches, but within limits.
_FEW_ROWS, _LEAST_EPOCHS, _LARGEST_BATCH = 6000, 16, 1024
_CLASSES = Recipe(width=96, label_smoothing=0.05)
_NUMBERS = Recipe(
    depth=2,
    activation="mish",
    dropout=0.0,
    embeddings="piecewise_linear",
    learning_rate=0.2,
    batch_size=64,
    members=6,
    members_of_fold=3,
    average=0.98,
)
# Factors of the learning rate.
_RATES: dict[str | int, float] = {"bias": 0.1, "slope": 0.1}
_RATE_OF_SCALE, _RATE_OF_EMBEDDING = 6.0, 0.1


def recipe_for(preset: str, shape: TableShape, own: dict[str, Any]) -> Recipe:
    """Return the recipe of a preset for a table; `own` values that are not None come first."""
    found = _CLASSES if shape.target == "classes" else _NUMBERS
    if preset == "fast":
        found = replace(found, width=64, epochs=40, members=2, members_of_fold=1)
    more = max(1.0, shape.n_rows / _FEW_ROWS)
    found = replace(
        found,
        epochs=max(_LEAST_EPOCHS, round(found.epochs / np.sqrt(more))),
        batch_size=min(_LARGEST_BATCH, int(found.batch_size * more) // 32 * 32),
    )
    return replace(found, **{name: value for name, value in own.items() if value is not None})


def _layers(recipe: Recipe, shape: TableShape, turn: int = 0) -> tuple[list[Any], dict[str | int, float]]:
    """The layers of a network, and factors of the learning rate by parameter and layer, which no turn changes."""
    layers: list[Any] = []
    rates = dict(_RATES)
    embeddings = _BY_TURNS[turn % len(_BY_TURNS)] if recipe.embeddings == "mixed" else recipe.embeddings
    if shape.sizes:
        categories = range(shape.n_numeric, shape.n_numeric + len(shape.sizes))
        layers.append(_core.Embedding(tuple(categories), shape.sizes, recipe.category_units, recipe.one_hot))
    if shape.varied and embeddings != "none":
        rates[len(layers)] = _RATE_OF_EMBEDDING
        layers.append(_core.NumericEmbedding(shape.varied, embeddings))
    rates[len(layers)] = _RATE_OF_SCALE
    layers.append(_core.Scale())
    dense: dict[str, Any] = {"parametrization": "ntk", "initializer": "data_driven"}
    for _ in range(recipe.depth):
        layers.append(_core.Dense(recipe.width, recipe.activation, parametric=True, **dense))
        if recipe.dropout:
            layers.append(_core.Dropout(recipe.dropout))
    layers.append(_core.Dense(shape.n_outputs, **dense))
    return layers, rates


def build(recipe: Recipe, shape: TableShape, loss: Any, seed: int, turn: int = 0) -> Network:
    """Return the network, untrained; `turn` is its number among those that are averaged."""
    made = losses.get(loss, label_smoothing=recipe.label_smoothing) if loss == "cross_entropy" else losses.get(loss)
    n_inputs = max(1, shape.n_numeric + len(shape.sizes))
    return Network(_layers(recipe, shape, turn)[0], n_inputs, made, seed=seed, normalize_inputs="robust")


def fit_options(recipe: Recipe, shape: TableShape, metric: str, validated: bool) -> dict[str, Any]:
    """Return the options of `Network.fit`; what is validated on is up to the caller."""
    options: dict[str, Any] = {
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "optimizer": _core.AdamW(recipe.learning_rate, beta2=recipe.beta2, weight_decay=recipe.weight_decay),
        "schedule": schedules.CosLog(),
        "rates": _layers(recipe, shape)[1],
        "decay_schedule": schedules.FlatCosine(),
        "dropout_schedule": schedules.FlatCosine(),
        "average": recipe.average,
        "early_stopping": None,
    }
    if validated:
        options["early_stopping"] = EarlyStopping(recipe.patience or recipe.epochs, monitor=metric, latest=True)
    return options
