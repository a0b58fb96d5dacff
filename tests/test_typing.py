"""A user's program under `mypy --strict`: what is right passes, what is not is found, and types are the exact ones."""

import re
import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("mypy")
pytest.importorskip("sklearn")

PROGRAM = """
    import numpy as np
    from typing_extensions import assert_type

    import lamina
    from lamina.callbacks import Checkpoint, CSVLogger

    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    y = X.sum(axis=1)
    net = lamina.Network([lamina.Dense(16, activation="tanh"), lamina.Dropout(0.1), lamina.Dense(1)], n_inputs=4)
    stopping = lamina.EarlyStopping(patience=5)
    history = net.fit(X, y, epochs=3, validation=0.2, optimizer=lamina.Adam(1e-3), early_stopping=stopping)
    losses: list[float] = history.loss
    net.fit(X, y, callbacks=[Checkpoint("fit.safetensors"), CSVLogger("log.csv")])
    print(net.predict(X).shape, losses[-1], net.evaluate(X, y), net.summary())
    net.save("net.safetensors")
    lamina.cross_validate(net, X, y, k=3, epochs=2)
    assert_type(lamina.TabularRegressor(preset="fast").fit(X, y), lamina.TabularRegressor)
    assert_type(lamina.TabularClassifier().fit(X, y > 0), lamina.TabularClassifier)
    assert_type(lamina.MLPClassifier(hidden_layer_sizes=(8,)).fit(X, y > 0), lamina.MLPClassifier)
    assert_type(lamina.CascadeRegressor().fit(X, y), lamina.CascadeRegressor)
"""
WRONG = """
    import lamina

    net = lamina.Network([lamina.Dense("three")], n_inputs=4)
    net.fit([[0.0]], [0.0], validation_split=0.2)
    net.nonsense()
"""


def checked(program, folder):
    """The numbers of the lines that mypy finds fault with, and what it says."""
    (folder / "program.py").write_text(textwrap.dedent(program))
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "program.py"]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout
    return [int(line) for line in re.findall(r"^program\.py:(\d+): error", said, re.MULTILINE)], said


def test_what_is_right_passes(tmp_path):
    lines, said = checked(PROGRAM, tmp_path)
    assert not lines, said
    assert "Success" in said, said


def test_what_is_wrong_is_found(tmp_path):
    lines, said = checked(WRONG, tmp_path)
    assert lines == [4, 5, 6], said
