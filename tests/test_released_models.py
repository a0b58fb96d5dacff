"""Models that released versions have saved load for ever, and predict what they did.

A file in released_models/<version>/ is a model file as base64, then its predictions, in hexadecimal, for `numbers`.
"""

import base64
from pathlib import Path

import numpy as np
import pytest

import lamina

FILES = sorted((Path(__file__).parent / "released_models").glob("*/*.txt"))


def numbers(rows, columns):
    i, j = np.ogrid[:rows, :columns]
    return ((i * 7919 + j * 104729 + i * j * 31) % 1009) / 1009


def inputs(name, dtype):
    x = numbers(15, 3).reshape(3, 5, 3) if name.startswith("sequences") else numbers(3, 4)
    if name.startswith("table"):
        x[:, 0] = [0, 2, 1]  # categories
    return x.astype(dtype)


def test_there_are_some():
    assert len(FILES) >= 5


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_released_model_loads(tmp_path, file):
    model, predictions = file.read_text().split("predictions\n")
    path = tmp_path / "model.lamina"
    path.write_bytes(base64.b64decode(model))
    net = lamina.load(path)
    expected = np.array([[float.fromhex(value) for value in line.split()] for line in predictions.splitlines()])
    dtype = file.stem.rpartition("-")[2]
    got = np.asarray(net.predict(inputs(file.stem, dtype))).reshape(len(expected), -1)
    assert got.dtype == dtype
    # A formula may have been put in another order since, but no more than that.
    np.testing.assert_allclose(got, expected, rtol=1e-5 if dtype == "float32" else 1e-12)
    net.save(path)
    np.testing.assert_array_equal(
        lamina.load(path).predict(inputs(file.stem, dtype)), net.predict(inputs(file.stem, dtype))
    )
