"""The network as an object: shapes, parameters, seeds, input formats, copies, summary, memory."""

import copy
import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lamina
from reference.twin import twin


def network(dtype="float64", seed=0, **options):
    layers = [lamina.Dense(8, "gelu"), lamina.Dense(3)]
    return lamina.Network(layers, n_inputs=4, loss="cross_entropy", dtype=dtype, seed=seed, **options)


def data(dtype=np.float64, rows=50):
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, 4)).astype(dtype), rng.integers(3, size=rows)


def assert_same_parameters(a, b):
    assert list(a.parameters) == list(b.parameters)
    for name, w in a.parameters.items():
        np.testing.assert_array_equal(w, b.parameters[name], err_msg=name)


FIT = {"epochs": 3, "validation": None, "early_stopping": None}


@settings(max_examples=40, deadline=None)
@given(
    inputs=st.integers(1, 20),
    units=st.lists(st.integers(1, 20), min_size=1, max_size=4),
    rows=st.integers(1, 40),
    dtype=st.sampled_from(["float32", "float64"]),
    use_bias=st.booleans(),
)
def test_any_shape(inputs, units, rows, dtype, use_bias):
    layers = [lamina.Dense(n, "tanh", use_bias=use_bias) for n in units]
    net = lamina.Network(layers, n_inputs=inputs, loss="squared_error", dtype=dtype, seed=1)
    fan_in = [inputs, *units[:-1]]
    for i, n in enumerate(units):
        assert net.parameters[f"{i}.weight"].shape == (fan_in[i], n)
        assert (f"{i}.bias" in net.parameters) == use_bias
    x = np.random.default_rng(0).normal(size=(rows, inputs)).astype(dtype)
    y = net.forward(x)
    assert y.shape == (rows, units[-1])
    assert y.dtype == dtype
    want = twin(net, "squared_error").forward(x.astype(float))
    np.testing.assert_allclose(y, want, rtol=0, atol=1e-14 if dtype == "float64" else 2e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parameters_are_views(dtype):
    net = network(dtype)
    x, _ = data(dtype)
    w = net.parameters["0.weight"]
    assert w.dtype == dtype
    assert w.flags.writeable
    assert w.ctypes.data == net.parameters["0.weight"].ctypes.data
    before = net.forward(x)
    w[...] = 0
    assert not np.array_equal(net.forward(x), before)
    assert np.all(net.parameters["0.weight"] == 0)


def test_views_outlive_the_network():
    w = network().parameters["0.weight"]
    assert np.isfinite(w).all()
    w += 1


def test_seed_fixes_everything():
    x, t = data()
    one, same, other = network(seed=5), network(seed=5), network(seed=6)
    assert_same_parameters(one, same)
    assert not np.array_equal(one.parameters["0.weight"], other.parameters["0.weight"])
    one.fit(x, t, **FIT)
    same.fit(x, t, **FIT)
    assert_same_parameters(one, same)


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_bits_do_not_depend_on_threads(threads):
    x, t = data(np.float32, rows=400)
    one, many = network("float32"), network("float32")
    one.fit(x, t, n_threads=1, **FIT)
    many.fit(x, t, n_threads=threads, **FIT)
    assert_same_parameters(one, many)


def test_prediction_of_a_row_does_not_depend_on_its_neighbours():
    net = network("float32")
    x, _ = data(np.float32)
    whole = net.predict(x)
    for start in (0, 1, 17, 49):
        np.testing.assert_array_equal(net.predict(x[start : start + 1])[0], whole[start])


def as_pandas(x):
    return pytest.importorskip("pandas").DataFrame(x, columns=list("abcd"))


def as_polars(x):
    return pytest.importorskip("polars").DataFrame(x, schema=list("abcd"))


@pytest.mark.parametrize(
    "convert",
    [np.asfortranarray, lambda x: np.repeat(x, 2, axis=0)[::2], lambda x: x.tolist(), as_pandas, as_polars],
    ids=["fortran", "strided", "list", "pandas", "polars"],
)
def test_input_formats_give_the_same_result(convert):
    x, t = data()
    plain, other = network(), network()
    plain.fit(x, t, **FIT)
    other.fit(convert(x), t, **FIT)
    assert_same_parameters(plain, other)
    np.testing.assert_array_equal(plain.predict(x), other.predict(convert(x)))


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint16, bool])
def test_integer_input(dtype):
    x = np.random.default_rng(1).integers(0, 2, size=(50, 4)).astype(dtype)
    t = data()[1]
    plain, other = network(), network()
    plain.fit(x.astype(float), t, **FIT)
    other.fit(x, t, **FIT)
    assert_same_parameters(plain, other)


def test_other_float_type_is_converted():
    x, t = data(np.float32)
    plain, other = network("float64"), network("float64")
    plain.fit(x.astype(np.float64), t, **FIT)
    other.fit(x, t, **FIT)
    assert_same_parameters(plain, other)


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.int64])
def test_label_types(dtype):
    x, t = data()
    plain, other, one_hot = network(), network(), network()
    plain.fit(x, t, **FIT)
    other.fit(x, t.astype(dtype), **FIT)
    one_hot.fit(x, np.eye(3)[t], **FIT)
    assert_same_parameters(plain, other)
    assert_same_parameters(plain, one_hot)


def test_input_is_not_changed():
    x, t = data()
    kept = x.copy(), t.copy()
    x.flags.writeable = t.flags.writeable = False
    net = network(normalize_inputs=True)
    net.fit(x, t, **FIT)
    net.predict(x)
    np.testing.assert_array_equal(x, kept[0])
    np.testing.assert_array_equal(t, kept[1])


@pytest.mark.parametrize(
    "duplicate", [lambda n: n.copy(), copy.copy, copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))]
)
def test_copies_are_equal_and_independent(duplicate):
    x, t = data()
    net = network(normalize_inputs=True)
    net.fit(x, t, **FIT)
    other = duplicate(net)
    assert_same_parameters(net, other)
    np.testing.assert_array_equal(net.predict(x), other.predict(x))
    before = net.predict(x)
    other.parameters["0.weight"][...] = 0
    other.fit(x, t, **FIT)
    np.testing.assert_array_equal(net.predict(x), before)


def test_copies_train_alike():
    x, t = data()
    net = network()
    net.fit(x, t, **FIT)
    other = net.copy()
    net.fit(x, t, **FIT)
    other.fit(x, t, **FIT)
    assert_same_parameters(net, other)


def test_summary_and_repr_tell_the_architecture():
    text = str(network().summary())
    for word in ("gelu", "8", "3", "67"):  # 4 * 8 + 8 + 8 * 3 + 3 parameters
        assert word in text, text
    assert "Network" in repr(network())


def test_a_network_pickled_names_no_instruction_set():
    assert not any(level in pickle.dumps(network()) for level in (b"_levels", b"native"))


def test_memory_of_training():
    """A large C-contiguous array is used in place: a quarter of the issue's 1 GiB, with its limit of 64 MiB."""
    code = """
        import resource
        import numpy as np
        import lamina

        x = np.ones((1 << 16, 1024), dtype=np.float32)
        t = np.zeros(1 << 16, dtype=np.float32)
        net = lamina.Network([lamina.Dense(1)], n_inputs=1024, loss="squared_error")
        fit = dict(epochs=1, batch_size=512, early_stopping=None)
        net.fit(x[:2048], t[:2048], validation=None, **fit)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        net.fit(x, t, validation=0.1, **fit)
        net.predict(x)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) / 1024 < 64, f"training added {int(result.stdout) / 1024:.0f} MiB"
