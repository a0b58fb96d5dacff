"""Saved models: equal after loading, readable without lamina, and every damage noticed."""

import json
import pickle
import re
import threading

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import lamina
from conftest import draw_targets

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4))
Y = RNG.integers(3, size=40)


def network(dtype="float32", **options):
    layers = [
        lamina.Dense(6, "elu", initializer="he_normal"),
        lamina.BatchNorm(),
        lamina.Dropout(0.2),
        lamina.Dense(5, "prelu", use_bias=False),
        lamina.Dense(3),
    ]
    net = lamina.Network(layers, n_inputs=4, loss="cross_entropy", dtype=dtype, seed=0, **options)
    net.fit(X, Y, epochs=3)
    return net


@pytest.fixture
def saved(tmp_path):
    net = network()
    path = tmp_path / "model.lamina"
    net.save(path)
    return net, path


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("normalize", [False, True])
def test_loaded_network_is_equal(dtype, normalize, tmp_path):
    net = network(dtype, normalize_inputs=normalize)
    net.save(str(tmp_path / "model"))
    other = lamina.load(str(tmp_path / "model"))
    np.testing.assert_array_equal(other.predict(X), net.predict(X))
    assert list(other.parameters) == list(net.parameters)
    for name, w in net.parameters.items():
        assert other.parameters[name].dtype == dtype
        np.testing.assert_array_equal(other.parameters[name], w, err_msg=name)
    assert str(other.summary()) == str(net.summary())
    options = {"epochs": 2, "validation": None, "early_stopping": None}
    assert other.fit(X, Y, **options).loss == net.copy().fit(X, Y, **options).loss


@pytest.mark.parametrize("kind", ["activation", "loss"])
def test_every_entry_with_its_parameters(kind, tmp_path):
    registry = lamina.activations if kind == "activation" else lamina.losses
    for name in registry.names():
        entry = registry.get(name)
        changed = {k: v * 0.5 if v else 0.125 for k, v in entry.params.items() if isinstance(v, float)}
        entry = registry.get(name, **changed)
        layers = [lamina.Dense(4, entry if kind == "activation" else "tanh"), lamina.Dense(2)]
        loss = entry if kind == "loss" else "squared_error"
        net = lamina.Network(layers, n_inputs=4, loss=loss, dtype="float64", seed=0)
        net.save(tmp_path / name)
        for other in (lamina.load(tmp_path / name), pickle.loads(pickle.dumps(net))):
            np.testing.assert_array_equal(other.predict(X), net.predict(X), err_msg=name)
            targets = draw_targets(np.random.default_rng(1), net.loss, len(X), 2)
            assert other.evaluate(X, targets) == net.evaluate(X, targets), name


def test_file_is_readable_without_lamina(saved):
    net, path = saved
    tensors = load_file(path)
    for name, w in net.parameters.items():
        np.testing.assert_array_equal(tensors[name], w, err_msg=name)
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    parsed = [json.loads(text) for text in metadata.values() if text.lstrip().startswith("{")]
    assert any("elu" in json.dumps(entry) for entry in parsed), metadata


def test_saving_twice_gives_the_same_bytes(saved, tmp_path):
    net, path = saved
    net.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_saving_over_a_model_that_fails_leaves_the_old_one(saved, tmp_path):
    net, _ = saved
    with pytest.raises(OSError):
        net.save(tmp_path / "missing" / "model")
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_truncated_file(saved, share):
    _, path = saved
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(lamina.ModelFileError) as error:
        lamina.load(path)
    assert path.name in str(error.value)
    assert re.search("is not a lamina model, or is cut short|is not a whole lamina model", str(error.value))


def loads(path):
    try:
        lamina.load(path)
    except lamina.ModelFileError:
        return False
    return True


def test_any_altered_byte_is_noticed(saved):
    _, path = saved
    whole = path.read_bytes()
    unnoticed = []
    for position in np.unique(np.linspace(0, len(whole) - 1, 150).astype(int)):
        altered = bytearray(whole)
        altered[position] ^= 0x04
        path.write_bytes(altered)
        if loads(path):
            unnoticed.append(int(position))
    assert not unnoticed, f"of {len(whole)} bytes, these were altered unnoticed: {unnoticed}"


def test_appended_bytes_are_noticed(saved):
    _, path = saved
    path.write_bytes(path.read_bytes() + b"\0" * 16)
    with pytest.raises(lamina.ModelFileError):
        lamina.load(path)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x80\x04K\x01.", b"\xff" * 4096, b"{}"])
def test_foreign_file(content, tmp_path):
    path = tmp_path / "other.lamina"
    path.write_bytes(content)
    with pytest.raises(lamina.ModelFileError, match=r"other\.lamina"):
        lamina.load(path)


@pytest.mark.parametrize(
    "content", [b"not a model", b"x,y,price\n1,2,3\n", b"import lamina\n\n\n", b"\xff" * 4096, bytes([2] + [0] * 9)]
)
def test_what_is_no_model_is_told_so_first(content, tmp_path):
    path = tmp_path / "other.csv"
    path.write_bytes(content)
    with pytest.raises(lamina.ModelFileError, match=r"other\.csv is not a lamina model: it is no safetensors file$"):
        lamina.load(path)


def test_safetensors_of_someone_else(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"0.weight": np.zeros((4, 3), dtype=np.float32)}, path)
    with pytest.raises(lamina.ModelFileError, match="is not a lamina model, though a safetensors file"):
        lamina.load(path)
    save_file({"0.weight": np.zeros((4, 3), dtype=np.float32)}, path, metadata={"format": "pt"})
    with pytest.raises(lamina.ModelFileError):
        lamina.load(path)


def test_error_is_a_value_error_and_a_missing_file_says_so(tmp_path):
    assert issubclass(lamina.ModelFileError, ValueError)
    with pytest.raises(FileNotFoundError):
        lamina.load(tmp_path / "nothing")


def test_no_memory_is_taken_for_what_a_file_does_not_hold(tmp_path):
    path = tmp_path / "model"
    lamina.Network([lamina.Dropout(0.1)], n_inputs=3, loss="squared_error").save(path)
    whole = path.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    header = whole[8 : 8 + length].replace(b'n_inputs\\": 3', b'n_inputs\\": 2147483647').rstrip()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(lamina.ModelFileError, match="4294967294 inputs and outputs"):
        lamina.load(path)


def test_a_network_may_be_saved_while_it_is_trained(tmp_path):
    net = lamina.Network([lamina.Dense(200, "tanh"), lamina.BatchNorm(), lamina.Dense(3)], 4, "cross_entropy")
    stop = threading.Event()
    options = {"epochs": 10**6, "validation": None, "early_stopping": None, "n_threads": 1}
    training = threading.Thread(
        target=net.fit, args=(X, Y), kwargs={**options, "callbacks": [lambda epoch: stop.is_set() and epoch.stop()]}
    )
    training.start()
    try:
        for number in range(60):
            net.save(tmp_path / str(number))
    finally:
        stop.set()
        training.join()
    assert len({lamina.load(tmp_path / str(number)).predict(X).tobytes() for number in range(60)}) > 10


@pytest.mark.parametrize("function", ["save", "load"])
def test_a_panic_of_safetensors_is_a_memory_error(function, tmp_path, monkeypatch):
    """It says so that it has no memory, by what no `except Exception` catches; the file is as it was."""

    class PanicException(BaseException):
        pass

    def panic(*arguments):
        raise PanicException("PyObject pointer is null")

    path = tmp_path / "model"
    net = lamina.Network([lamina.Dense(1)], n_inputs=2)
    net.save(path)
    before = path.read_bytes()
    monkeypatch.setattr(f"safetensors.numpy.{function}", panic)
    with pytest.raises(MemoryError, match="safetensors has none: PyObject pointer is null"):
        net.save(path) if function == "save" else lamina.load(path)
    assert path.read_bytes() == before
