"""`lamina train` for a network of the user's own layers, whose inputs are the table's columns."""

from __future__ import annotations

import os
import sys
import time
import warnings
from argparse import Namespace
from pathlib import Path
from typing import Any

from lamina import optimizers
from lamina.cli import report
from lamina.cli.outputs import is_checkpoint
from lamina.cli.tables import Table, TableError
from lamina.cli.trained import Trained, duration
from lamina.cli.training_rows import Rows
from lamina.diagnosis import diagnose
from lamina.layers import Dense, Dropout
from lamina.network import Network
from lamina.training.callbacks import DivergenceWarning, EarlyStopping
from lamina.training.checkpoint import AnotherFitError, Checkpoint

__all__ = ["train_network"]


def train_network(rows: Rows, options: Namespace) -> Trained:
    """Train; KeyboardInterrupt where Ctrl-C comes before the first epoch is over, ArithmeticError for divergence."""
    training, held_out = rows.parts["training"], rows.parts["validation"]
    table, notes = Table.fit(rows.features.iloc[training], options.impute, rows.reading.rules)
    inputs, more = table.transform(rows.features)
    for line in (*notes, *more):
        report.note(f"note: {line}")
        rows.notes.append(line)
    network = _network(table, rows, options)
    network.metadata["table"] = table.to_json(rows.target, rows.task)
    path = options.checkpoint
    resumed = bool(path) and os.path.isfile(path) and is_checkpoint(Path(path))
    started = time.perf_counter()
    interrupted = _train(network, inputs, rows, options)
    took, history = duration(time.perf_counter() - started, resumed), network.history
    if history.diverged and not history.best_epoch:
        raise ArithmeticError(f"training {history.stop_reason}; nothing is saved. A lower --lr may help")
    told: list[str] = []
    if interrupted:
        told.append(f"interrupted: the weights of the best epoch so far, {history.best_epoch}, are saved")
    if history.diverged:
        told.append(f"warning: training {history.stop_reason}; the weights of the best epoch, {history.best_epoch}, "
                    "are saved. A lower --lr may help")  # fmt: skip

    def outputs(places: Any) -> Any:
        found = network.predict(inputs[places])
        return rows.target.decode(found) if rows.target.classes is None else found

    def remarks() -> Any:
        own = _fit_options(inputs, rows, options)
        return diagnose(network, inputs[training], rows.encoded[training], **own).findings

    hidden = ", ".join(map(str, options.hidden))
    return Trained(
        outputs=outputs,
        save=network.save,
        histories=[history],
        took=took,
        interrupted=interrupted,
        told=f"{len(history.loss)} epochs in {took}, best {history.best_epoch}; {history.stop_reason}",
        warnings=told,
        about={"model": f"network, {hidden} hidden units, {options.activation}"},
        held_out=[(held_out, outputs(held_out))] if len(held_out) else [],
        remarks=remarks,
    )


def _train(network: Any, inputs: Any, rows: Rows, options: Namespace) -> bool:
    """Train, and return whether Ctrl-C ended it; KeyboardInterrupt where it came before the first epoch was over."""
    training = rows.parts["training"]
    kept: dict[str, Any] = {}
    if path := options.checkpoint:
        known = os.path.isfile(path) and is_checkpoint(Path(path))
        kept = {"callbacks": [Checkpoint(path)], "resume_from": path if known else None}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DivergenceWarning)  # said in the command's own words
            network.fit(
                inputs[training],
                rows.encoded[training],
                **_fit_options(inputs, rows, options),
                # What is no terminal shows no bar, and may be closed before training ends.
                verbose=int(not options.quiet and sys.stderr.isatty()),
                **kept,
            )
    except AnotherFitError as error:
        raise TableError(f"--checkpoint {options.checkpoint} is of another training: {error.differences}; name another "
                         "file, or remove it to begin anew") from None  # fmt: skip
    except KeyboardInterrupt:
        if network.history is None or not network.history.loss:
            raise KeyboardInterrupt("before the first epoch was over: nothing is saved") from None
        return True
    return False


def _fit_options(inputs: Any, rows: Rows, options: Namespace) -> dict[str, Any]:
    """What decides the weights, of the options of `Network.fit`; what is remarked on the network goes by them, too."""
    training, held_out = rows.parts["training"], rows.parts["validation"]
    weighted = rows.weights is not None
    return {
        "epochs": options.epochs,
        "batch_size": min(options.batch_size, len(training)),
        "optimizer": optimizers.get(options.optimizer, lr=options.lr),
        "l1": options.l1,
        "l2": options.l2,
        "sample_weight": rows.weights[training] if weighted else None,
        "validation": (inputs[held_out], rows.encoded[held_out]) if len(held_out) else None,
        "validation_sample_weight": rows.weights[held_out] if weighted and len(held_out) else None,
        "early_stopping": EarlyStopping(patience=options.patience) if len(held_out) else None,
        "class_weight": None if options.class_weight == "none" else options.class_weight,
        "n_threads": options.threads,
    }


def _network(table: Table, rows: Rows, options: Namespace) -> Any:
    layers: list[Any] = []
    for units in options.hidden:
        layers.append(Dense(units, activation=options.activation))
        if options.dropout > 0:
            layers.append(Dropout(options.dropout))
    classes = rows.target.classes
    outputs, loss = (1, "squared_error") if classes is None else (len(classes), "cross_entropy")
    layers.append(Dense(outputs))
    return Network(layers, n_inputs=table.n_inputs, loss=loss, seed=options.seed, normalize_inputs=True)
