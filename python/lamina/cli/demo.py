"""`lamina demo`: handwritten digits in a few seconds."""

import time
from argparse import Namespace
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from lamina.cli import report
from lamina.cli.outputs import Output, check_outputs
from lamina.cli.pictures import check_picture
from lamina.data.splits import split
from lamina.layers import Dense
from lamina.network import Network
from lamina.optimizers import Adam
from lamina.plots import learning_curves
from lamina.training.callbacks import EarlyStopping

__all__ = ["run"]


def run(options: Namespace) -> int:
    """Train on scikit-learn's digits; print the results, write the learning curves."""
    check_outputs([], [Output(options.out, "picture", "--out")], force=options.force)
    check_picture(options.out)
    X, y = load_digits(return_X_y=True)
    (X_train, y_train), (X_val, y_val), (X_test, y_test) = split(
        X.astype(np.float32), y, fractions=(0.7, 0.1, 0.2), stratify=True, seed=options.seed
    )
    network = Network(
        [Dense(128, activation="relu"), Dense(64, activation="relu"), Dense(10)],
        n_inputs=X.shape[1],
        loss="cross_entropy",
        seed=options.seed,
        normalize_inputs=True,
    )
    started = time.perf_counter()
    history = network.fit(
        X_train,
        y_train,
        epochs=100,
        batch_size=32,
        optimizer=Adam(1e-3),
        l2=1e-5,
        validation=(X_val, y_val),
        early_stopping=EarlyStopping(patience=10),
        n_threads=options.threads,
        verbose=1,
    )
    seconds = time.perf_counter() - started
    accuracy = float(np.mean(np.argmax(network.predict(X_test), axis=1) == y_test))
    learning_curves(history, path=options.out)
    report.print_table(
        f"Handwritten digits: {len(X_train)} rows to train, {len(X_val)} to stop, {len(X_test)} to test",
        ["", "value"],
        [
            ["test accuracy", f"{accuracy:.2%}"],
            ["training time", f"{seconds:.2f} s"],
            ["epochs", f"{len(history.loss)}, the best was {history.best_epoch}"],
            ["stopped by", history.stop_reason],
        ],
    )
    report.note(f"learning curves: {Path(options.out).resolve()}")
    return 0
