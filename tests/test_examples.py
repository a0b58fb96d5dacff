"""Every example runs in its small setting and writes its picture."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

# The others are quick as they are: test_figures.py runs them, and compares what they print with the docs.
ELSEWHERE = {"mackey_glass", "online_control", "reber_grammar", "two_spirals"}
FOLDER = Path(__file__).resolve().parents[1] / "examples"
EXAMPLES = sorted(path for path in FOLDER.glob("*.py") if path.stem not in ELSEWHERE)


def write_idx(path, array):
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}i", *array.shape) + array.tobytes())


def small_mnist(folder):
    """Files in MNIST's format: noise with a bright row for each class."""
    rng = np.random.default_rng(0)
    for name, rows in (("train", 300), ("t10k", 60)):
        labels = np.arange(rows, dtype=np.uint8) % 10
        images = rng.integers(60, size=(rows, 28, 28), dtype=np.uint8)
        images[np.arange(rows), labels] = 255
        write_idx(folder / f"{name}-images-idx3-ubyte", images)
        write_idx(folder / f"{name}-labels-idx1-ubyte", labels)
    return [str(folder)]


@pytest.mark.skipif(not EXAMPLES, reason="the sources are not here")
def test_there_are_examples():
    assert len(EXAMPLES) >= 8


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_the_picture_is_written_into_the_current_folder(path):
    """Unless `--picture` says where, by whatever path the script was called."""
    assert f'parser.add_argument("--picture", default="{path.stem}.png", help="where the ' in path.read_text()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_runs_and_draws(path, tmp_path):
    arguments = small_mnist(tmp_path) if path.stem == "mnist" else []
    picture = tmp_path / "picture.png"
    result = subprocess.run(
        [sys.executable, "-W", "error", path, *arguments, "--picture", picture, "--quick"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "Agg"},
    )
    assert result.returncode == 0, result.stderr
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert f"picture: {picture}" in result.stdout
