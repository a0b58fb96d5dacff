"""`lamina train` for the table as it is: an estimator of `lamina.tabular`."""

from __future__ import annotations

import os
import sys
import time
import warnings
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
from pandas.api.types import is_float_dtype

from lamina.cli import report
from lamina.cli.arguments import METRICS
from lamina.cli.outputs import is_checkpoint
from lamina.cli.tables import TableError, check_finite
from lamina.cli.tabular_model import as_the_command_says, described, outputs_of, widened
from lamina.cli.trained import Trained, duration
from lamina.cli.training_rows import Rows
from lamina.diagnosis import diagnose
from lamina.tabular import TabularClassifier, TabularRegressor
from lamina.tabular.recipe import TableShape, fit_options, recipe_for
from lamina.tabular.values import Values, parsed, table_of, what_is
from lamina.text import counted

__all__ = ["train_tabular"]

# What the best epoch is chosen by where no metric is asked for, by its name in a report.
USUAL = {"classification": "error", "regression": "rmse"}
IN_A_REPORT = {"error": "accuracy"}


def train_tabular(rows: Rows, options: Namespace) -> Trained:
    """Train; KeyboardInterrupt where Ctrl-C comes before anything could be kept, ArithmeticError for divergence."""
    training = rows.parts["training"]
    model = _estimator(rows, options)
    for name, column in rows.features.items():
        if is_float_dtype(column):
            check_finite(str(name), column.to_numpy())
    X, values = rows.features.iloc[training], rows.values.iloc[training]
    weights = None if rows.weights is None else rows.weights[training]
    if (path := options.checkpoint) and os.path.isfile(path) and not is_checkpoint(Path(path)):
        os.unlink(path)  # something else that --force gave up
    resumed = bool(path) and os.path.isfile(path)
    started = time.perf_counter()
    interrupted, doubts = _fit(model, X, values, weights, options.checkpoint)
    took = duration(time.perf_counter() - started, resumed)
    unused = dict(model.dropped_columns_)
    for line in (f"column {name!r} is left out: {why}" for name, why in unused.items()):
        report.note(f"note: {line}")
        rows.notes.append(line)
    for line in doubts:
        report.note(f"warning: {line}")
        rows.warnings.append(line)
    histories = [history for history in model.history_ if history is not None and history.loss]
    if interrupted and not histories:
        raise KeyboardInterrupt("before the first epoch was over: nothing is saved")
    if all(history.diverged and not history.best_epoch for history in histories):
        raise ArithmeticError(f"training {histories[0].stop_reason}; nothing is saved")
    model.metadata_["table"] = described(rows.target, rows.reading.rules)
    told = []
    if interrupted:
        told.append(f"interrupted: the best weights so far, of epoch {model.best_epoch_}, are saved")
        if options.checkpoint:
            told.append(f"the same command, run again, goes on with what {options.checkpoint} has")

    def outputs(places: Any) -> Any:
        return outputs_of(model, rows.features.iloc[places], rows.target)

    def interval(places: Any, coverage: float) -> tuple[Any, Any]:
        ends = model.predict_interval(rows.features.iloc[places], coverage=coverage)
        return ends[:, 0], ends[:, 1]

    def importances() -> tuple[dict[str, float], str]:
        of = "log loss" if rows.target.classes is not None else "squared error"
        words = (f"How much the {of} on rows held out rises where the values of a column are shuffled among them, in "
                 "shares of 1.")  # fmt: skip
        return dict(zip(map(str, X.columns), map(float, model.feature_importances_), strict=True)), words

    def remarks() -> Any:
        inputs, targets = model.network_samples(X, values)
        return diagnose(model.networks_[0], inputs, targets, **_fit_options(model, weights, len(X))).findings

    fits = len(histories)
    epochs = f"{len(histories[0].loss)} epochs" if fits == 1 else f"{fits} networks"
    best = f"best epoch {model.best_epoch_}{'' if fits == 1 else ' in the mean'}"
    held_out = _held_out(model, rows)
    metric = options.metric or USUAL[rows.task]
    return Trained(
        outputs=outputs,
        save=model.save,
        histories=histories,
        took=took,
        interrupted=interrupted,
        told=f"{epochs} in {took}, {best}" + (f"; {histories[0].stop_reason}" if fits == 1 else ""),
        warnings=told,
        about={"model": _named(model), "metric": metric.replace("_", " "), "validation": _validated(held_out)},
        unused=unused,
        held_out=held_out,
        interval=interval if rows.target.classes is None and held_out else None,
        chosen=IN_A_REPORT.get(metric, metric) if held_out else "",
        importances=importances,
        remarks=remarks,
    )


def _estimator(rows: Rows, options: Namespace) -> Any:
    """Return the estimator that is asked for, not fitted; TableError for a metric of the other task."""
    if options.metric and METRICS[options.metric] != rows.task:
        possible = ", ".join(name for name, task in METRICS.items() if task == rows.task)
        raise TableError(f"--metric {options.metric} is none of {rows.task}: {possible}")
    if options.folds and options.validation is not None:
        raise TableError("--folds and --validation both say which rows decide when to stop; give one of them")
    own: dict[str, Any] = {} if options.validation is None else {"validation": options.validation or None}
    if options.class_weight != "none":
        own["class_weight"] = options.class_weight
    made = TabularClassifier if rows.task == "classification" else TabularRegressor
    return made(
        options.preset,
        metric=options.metric,
        n_folds=options.folds,
        max_time=options.time,
        categorical_features=_categories(rows, options) or None,
        n_jobs=options.threads,
        random_state=options.seed,
        # What is no terminal shows no bar, and may be closed before training ends.
        verbose=not options.quiet and sys.stderr.isatty(),
        **own,
    )


def _categories(rows: Rows, options: Namespace) -> list[str]:
    """Return the columns that are categories: as asked, and what is text in the table, whatever rows are trained on.

    TableError for what a test file has in a column of numbers or dates that are written as text.
    """
    given = len(rows.parts["test"]) if isinstance(options.test, str) else 0
    own = len(rows.features) - given
    table = table_of(rows.features[:own])
    found = [name for name in options.text if name in rows.features.columns]
    for place, name in enumerate(rows.features.columns):
        values = table.values(place)
        if name in found or values.kind != "text":
            continue
        read = parsed(values)
        if read.kind == "text":
            found.append(name)
        elif given and read.kind != "missing":
            _check_written(table_of(rows.features[own:]).values(place), read, name, options)
    return found


def _check_written(values: Values, known: Values, name: str, options: Namespace) -> None:
    """Raise TableError where texts of the test file are not the numbers or dates that those of the table are."""
    if values.kind != "text" or parsed(values, known.kind).kind in (known.kind, "missing"):
        return
    strange = [text for text in values.data if parsed(Values("text", [text]), known.kind).kind == "text"]
    such = f", such as {strange[0]!r:.40}" if strange else ""
    raise TableError(
        f"column {name!r} holds {what_is(known)} in {options.data}; {options.test} has {what_is(values)}{such}"
    )


def _fit(model: Any, X: Any, values: Any, weights: Any, checkpoint: str | None) -> tuple[bool, list[str]]:
    """Train, and return whether Ctrl-C ended it, and what training had to warn of; TableError for what it refuses."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(X, values, sample_weight=weights, checkpoint=checkpoint)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("before the first epoch was over: nothing is saved") from None
    except (TypeError, ValueError) as error:
        raise TableError(as_the_command_says(str(error))) from None
    said = [str(one.message) for one in caught]
    # What was left out is told of all such columns.
    others = [as_the_command_says(line) for line in said if "interrupted" not in line and "was left out" not in line]
    return any("interrupted" in line for line in said), others


def _fit_options(model: Any, weights: Any, n_rows: int) -> dict[str, Any]:
    """What the first of the networks was trained by, at the learning rate of the epoch whose weights it has."""
    counts = np.ones(n_rows, bool) if weights is None else np.asarray(weights) > 0
    trained = counts if model.fold_ is None else counts & (model.fold_ != 0)
    encoder, network, classes = model.encoder_, model.networks_[0], hasattr(model, "classes_")
    shape = TableShape(int(trained.sum()), encoder.n_numeric, encoder.varied(), encoder.sizes,
                       "classes" if classes else "numbers", network.n_outputs)  # fmt: skip
    history = network.history
    rates = [] if history is None else history.learning_rate[max(history.best_epoch, 1) - 1 :]
    recipe = recipe_for(model.preset, shape, {"learning_rate": rates[0]} if rates and rates[0] > 0 else {})
    made = fit_options(recipe, shape, model.metric, validated=False)
    return {**made, "sample_weight": weights, **({"class_weight": model.class_weight} if classes else {})}


def _held_out(model: Any, rows: Rows) -> list[tuple[Any, Any]]:
    """Return for each fold the numbers of its rows, and what models made of them that had not seen them."""
    if model.fold_ is None:
        return []
    found = []
    for number in range(model.fold_.max() + 1):
        own = model.fold_ == number
        outputs = model.out_of_fold_[own]
        if rows.target.classes is not None:
            outputs = widened(model, outputs, rows.target)
        found.append((rows.parts["training"][own], outputs))
    return found


def _validated(held_out: list[tuple[Any, Any]]) -> str:
    if not held_out:
        return "none"
    one = counted(len(held_out[0][0]), "training row")
    return one if len(held_out) == 1 else f"{len(held_out)} folds"


def _named(model: Any) -> str:
    networks = len(model.networks_)
    size = counted(sum(view.size for net in model.networks_ for view in net.parameters.values()), "parameter")
    return f"{type(model).__name__}, {counted(networks, 'network')}, {size}"
