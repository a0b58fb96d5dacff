"""Networks as C99: what the compiled files predict is what lamina predicts, byte by byte."""

import ctypes
import os
import re
import shutil
import subprocess
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import lamina
import zoo
from lamina._dispatch import core
from lamina.export import CFiles, c
from lamina.export.c_layers import LAYERS
from test_activations import OTHER_PARAMETERS

COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
STRICT = [
    *("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wdouble-promotion", "-Werror", "-pedantic"),
    "-ffp-contract=off",
]
FAST = ["-std=c99", "-O3", "-march=native"]  # without contraction of products and sums for all that
GNU = ["-std=gnu17", "-Wall", "-Wextra", "-Werror", "-O3", "-march=native"]  # where GCC contracts unless it is told
ROWS = 24
# What compilers put in place of loops that copy and clear, on every platform that they know.
OF_COMPILERS = {"memcpy", "memset", "memmove", "_GLOBAL_OFFSET_TABLE_"}

needs_fma = pytest.mark.skipif(not core.has_fma, reason="the bits are those of levels with fused multiply-adds")
needs_compiler = pytest.mark.skipif(not COMPILERS, reason="there is no C compiler")
pytestmark = pytest.mark.filterwarnings("ignore::lamina.DivergenceWarning", "ignore::UserWarning")


def rows_of(width, seed=7, dtype=float):
    """Ordinary numbers, large ones, small ones and zeros."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, width))
    x[1] *= 30
    x[2] *= 1e-4
    x[3] = 0
    x[4] = -0.0
    return x.astype(dtype)


def fitted(layers, n_inputs=5, seed=0, epochs=2, columns=None, **options):
    """A network that has seen data, so that statistics, edges and scales are none that it began with."""
    rng = np.random.default_rng(seed)
    net = lamina.Network(layers, n_inputs, seed=seed, **options)
    x = rng.normal(size=(60, n_inputs)) * 2 + 1
    for column, count in (columns or {}).items():
        x[:, column] = rng.integers(0, count, len(x))
    outputs = net.spec.n_outputs
    y = {
        "classes": rng.integers(outputs, size=len(x)),
        "binary": rng.integers(2, size=(len(x), outputs)),
        "count": rng.poisson(2.0, size=(len(x), outputs)),
    }.get(net.loss.targets, rng.normal(size=(len(x), outputs)) * 3)
    net.fit(x.astype(net.dtype), y, epochs=epochs, optimizer=lamina.Adam(lr=1e-2))
    return net


def every_activation(dtype):
    """One layer an activation, whose units all stay to be seen."""
    chosen = [(name, {}) for name in lamina.activations.names()] + OTHER_PARAMETERS
    layers = [lamina.Shortcut(4, activation=lamina.activations.get(name, **params)) for name, params in chosen]
    return lamina.Network(layers, 3, dtype=dtype, seed=1)


def parametric(dtype):
    names = [name for name in lamina.activations.names() if name not in zoo.WITH_SLOPES]
    layers = [lamina.Dense(6, activation=name, parametric=True) for name in names]
    return fitted([*layers, lamina.Dense(2, activation="prelu")], dtype=dtype)


def slopes_in_place(dtype):
    layers = [layer for name in zoo.WITH_SLOPES for layer in (lamina.Dense(7), lamina.Activation(name))]
    return fitted([lamina.Activation("prelu"), *layers], dtype=dtype)


def with_loss(name):
    layers = [lamina.Dense(9, activation="tanh"), lamina.BatchNorm(), lamina.Dense(3)]
    return fitted(layers, loss=name, normalize_inputs="robust")


def members(kind, loss):
    layers = [
        lamina.SharedDense(6, members=4, kind=kind, activation="prelu"),
        lamina.SharedDense(5, members=4, kind="separate", activation="bipolar_relu"),
        lamina.Activation("rrelu"),
        lamina.BatchNorm(),
        lamina.SharedDense(3, members=4, kind=kind, use_bias=kind == "mini"),
    ]
    return fitted(layers, loss=loss, dtype="float64" if kind == "mini" else "float32")


def embedded(kind, bias, keep_input):
    layers = [
        lamina.Embedding((1, 3, 4), (40, 2, 5), units=3, one_hot=6),
        lamina.NumericEmbedding((2, 0), kind, 5, 3, bias=bias, keep_input=keep_input, activation="prelu", sigma=0.7),
        lamina.Dense(2),
    ]
    return fitted(layers, 6, columns={1: 40, 3: 2, 4: 5}, normalize_inputs=True, dtype="float64" if bias else "float32")


def recurrent(kind, each_step, dtype):
    jordan = {"outputs": 3, "output_activation": "softsign"} if kind == "jordan" else {}
    layers = [
        lamina.Recurrent(6, "prelu", kind, True, **jordan),
        lamina.BatchNorm(),
        lamina.Recurrent(5, "tanh", kind, each_step, use_bias=False, **jordan),
        lamina.Dense(4, activation="silu"),
        lamina.Dense(3),
    ]
    return lamina.Network(layers, 4, loss="cross_entropy", dtype=dtype, seed=3)


def grown(activation, output, dtype):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(80, 3)) * 2 + 1
    y = np.sin(x[:, :2]) if output == "identity" else (np.sin(x[:, :2]) > 0)
    net = lamina.CascadeNetwork(3, 2, max_units=5, activation=activation, output=output, dtype=dtype, seed=2)
    net.fit(x.astype(dtype), y.astype(dtype), output_epochs=10, candidate_epochs=10)
    return net


def large():
    net = lamina.Network([lamina.Dense(1300)], 70, loss="cross_entropy", seed=1)
    net.parameters["0.weight"][...] *= 5
    return net


MODELS = {
    **{f"zoo_{number}": lambda number=number: zoo.train(number, 1)[0] for number in range(zoo.COUNT)},
    **{f"activations_{dtype}": lambda dtype=dtype: every_activation(dtype) for dtype in ("float32", "float64")},
    **{f"parametric_{dtype}": lambda dtype=dtype: parametric(dtype) for dtype in ("float32", "float64")},
    **{f"slopes_{dtype}": lambda dtype=dtype: slopes_in_place(dtype) for dtype in ("float32", "float64")},
    **{f"loss_{name}": lambda name=name: with_loss(name) for name in lamina.losses.names()},
    **{
        f"members_{kind}_{loss}": lambda kind=kind, loss=loss: members(kind, loss)
        for kind in ("mini", "full", "separate")
        for loss in ("squared_error", "cross_entropy", "binary_cross_entropy", "poisson")
    },
    **{
        f"embedding_{kind}_{bias:d}": lambda kind=kind, bias=bias: embedded(kind, bias, keep_input=not bias)
        for kind in ("periodic", "linear", "piecewise_linear")
        for bias in (False, True)
    },
    **{
        f"{kind}_{each_step:d}": lambda kind=kind, each_step=each_step, dtype=dtype: recurrent(kind, each_step, dtype)
        for kind, dtype in (("elman", "float32"), ("jordan", "float64"))
        for each_step in (False, True)
    },
    "cascade_identity": lambda: grown(["tanh", "prelu", "bipolar_relu"], "identity", "float32"),
    "cascade_logistic": lambda: grown("gaussian", "logistic", "float64"),
    "target_scale": lambda: fitted([lamina.Dense(2)], normalize_targets=True, dtype="float64"),
    "large_softmax": large,
    "nothing_to_do": lambda: lamina.Network([lamina.Dropout(0.1), lamina.GaussianNoise(0.1)], 4),
}


def random_network(seed):
    """Some layers of any kind that go together, with any activation, loss, normalisation and type."""
    rng = np.random.default_rng(seed)
    activation = lambda: str(rng.choice(lamina.activations.names()))  # noqa: E731
    layers = []
    for _ in range(rng.integers(0, 5)):
        name = str(rng.choice([*zoo.BETWEEN, "Dense", "Dense", "NumericEmbedding", "Shortcut"]))
        layer = {
            "Dense": lambda: lamina.Dense(
                int(rng.integers(1, 70)), activation=activation(), use_bias=bool(rng.integers(2))
            ),
            "NumericEmbedding": lambda: lamina.NumericEmbedding(
                kind=str(rng.choice(["periodic", "linear", "piecewise_linear"])), activation=activation()
            ),
            "Shortcut": lambda: lamina.Shortcut(int(rng.integers(1, 9)), activation=activation()),
            "Activation": lambda: lamina.Activation(activation()),
        }.get(name, lambda name=name: getattr(lamina, name)())
        layers.append(layer())
    options = {
        "loss": str(rng.choice(lamina.losses.names())),
        "dtype": str(rng.choice(["float32", "float64"])),
        "normalize_inputs": [False, "standard", "robust"][rng.integers(3)],
    }
    n_inputs = int(rng.integers(1, 12))
    if seed % 4 == 1:  # sequences, whose fits are tested elsewhere
        names = [activation() for _ in range(3)]
        jordan = {"outputs": 4, "output_activation": names[2]} if seed % 8 == 1 else {}
        kind = "jordan" if jordan else "elman"
        layers.insert(0, lamina.Recurrent(int(rng.integers(1, 40)), names[0], kind, bool(seed % 3), **jordan))
        if seed % 3:
            layers.insert(1, lamina.Recurrent(7, names[1], return_sequences=bool(seed % 5)))
        del options["normalize_inputs"]
        return lamina.Network([*layers, lamina.Dense(int(rng.integers(2, 20)))], n_inputs, seed=seed, **options)
    if seed % 4 == 2:
        kinds = rng.choice(["mini", "full", "separate"], 2)
        layers = [*layers, lamina.SharedDense(9, members=5, kind=str(kinds[0]), activation=activation())]
        layers.append(lamina.SharedDense(int(rng.integers(2, 9)), members=5, kind=str(kinds[1])))
    else:
        layers.append(lamina.Dense(int(rng.integers(2, 20))))
    return fitted(layers, n_inputs, seed=seed, **options)


class Compiled:
    """Exported networks as one shared library."""

    def __init__(self, folder, models, compiler, flags=(*STRICT, "-O2")):
        self.models, self.files = {}, {}
        for name, model in models.items():
            self.files[name] = c(model, folder / f"{name}.c")
            self.models[name] = getattr(model, "network_", model)
        sizes = [f'#include "{name}.h"' for name in models]
        for name, model in self.models.items():
            memory = "state" if getattr(model.spec, "recurrent", False) else "scratch"
            sizes.append(f"extern const size_t size_of_{name};\nconst size_t size_of_{name} = sizeof({name}_{memory});")
        (folder / "sizes.c").write_text("\n".join(["#include <stddef.h>", *sizes, ""]))
        sources = [f"{name}.c" for name in [*models, "sizes"]]
        command = [compiler, *flags, "-fPIC", "-shared", "-o", "all.so", *sources, "-lm"]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        self.library = ctypes.CDLL(str(folder / "all.so"))

    def predict(self, name, x, lengths=None):
        net = self.models[name]
        function = getattr(self.library, f"{name}_predict")
        function.restype = None
        each = (x.shape[1],) if net.spec.recurrent and net.spec.each_step else ()
        y = np.zeros((len(x), *each, net.spec.n_outputs), net.dtype)
        state = ctypes.create_string_buffer(self.files[name].memory_bytes)
        for i, (row, out) in enumerate(zip(x, y, strict=True)):
            pointers = ctypes.c_void_p(row.ctypes.data), ctypes.c_void_p(out.ctypes.data)
            if net.spec.recurrent:
                function(state, ctypes.c_size_t(int(lengths[i])), *pointers)
            else:
                function(*pointers)
        return y

    def check(self, name):
        net = self.models[name]
        n = net.spec.n_inputs
        x, lengths = rows_of(n, dtype=net.dtype), None
        first = getattr(net, "layers", [None])[0]
        if isinstance(first, lamina.Embedding):
            for column, count in zip(first.columns, first.categories, strict=True):
                x[:, column] = np.random.default_rng(1).integers(-1, count + 2, ROWS)
            x[5, first.columns[0]] = 0.5
        if net.spec.recurrent:
            x = np.ascontiguousarray(np.random.default_rng(2).normal(size=(ROWS, 6, n)), net.dtype)
            lengths = np.random.default_rng(3).integers(1, 7, ROWS)
        expected = net.predict(x, lengths=lengths) if net.spec.recurrent else net.predict(x)
        got = self.predict(name, x, lengths)
        np.testing.assert_array_equal(got, expected)  # says where
        assert got.tobytes() == expected.tobytes()


@cache
def model(name):
    return MODELS[name]()


@pytest.fixture(scope="module", params=COMPILERS or ["no compiler"])
def compiled(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return Compiled(folder, {name: model(name) for name in MODELS}, request.param)


@needs_compiler
@needs_fma
class TestBits:
    @pytest.mark.parametrize("name", MODELS)
    def test_the_bytes_are_lamina_s(self, compiled, name):
        compiled.check(name)

    def test_memory_is_what_it_says(self, compiled):
        for name, files in compiled.files.items():
            size = ctypes.c_size_t.in_dll(compiled.library, f"size_of_{name}").value
            assert size == files.memory_bytes, name
            assert files.const_bytes >= sum(view.nbytes for view in model(name).parameters.values()) * 0.4

    def test_step_by_step(self, compiled):
        net = model("elman_0")
        x = np.random.default_rng(0).normal(size=(7, 4)).astype(net.dtype)
        state = ctypes.create_string_buffer(compiled.files["elman_0"].memory_bytes)
        compiled.library.elman_0_reset(state)
        net.reset_state()
        for row in x:
            y = np.empty(3, net.dtype)
            compiled.library.elman_0_step(state, ctypes.c_void_p(row.ctypes.data), ctypes.c_void_p(y.ctypes.data))
            assert y.tobytes() == net.step(row).tobytes()


@needs_compiler
@needs_fma
@pytest.mark.parametrize("flags", [FAST, GNU], ids=["c99", "gnu17"])
def test_fast_code_has_the_same_bits(tmp_path, flags):
    """Vectors of the machine's own width, where a compiler makes them; nothing in the flags about contraction."""
    names = ["activations_float32", "activations_float64", "zoo_0", "zoo_2", "loss_cross_entropy", "large_softmax"]
    for compiler in COMPILERS:
        folder = tmp_path / compiler
        folder.mkdir()
        library = Compiled(folder, {name: model(name) for name in names}, compiler, flags)
        for name in names:
            library.check(name)


@needs_compiler
@needs_fma
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("first", [0, pytest.param(12, marks=pytest.mark.slow)])
def test_random_networks(tmp_path, first, compiler):
    seeds = range(first, 12 if first == 0 else 50)
    library = Compiled(tmp_path, {f"net_{seed}": random_network(seed) for seed in seeds}, compiler)
    for name in library.models:
        library.check(name)


@needs_compiler
@needs_fma
def test_another_type(tmp_path):
    net = model("zoo_0")
    assert net.dtype == np.float32
    c(net, tmp_path / "wide.c", dtype="float64")
    wide = net.astype("float64")
    library = Compiled(tmp_path, {"wide": wide}, COMPILERS[0])
    library.check("wide")
    assert "double" in (tmp_path / "wide.h").read_text()


@needs_compiler
@needs_fma
def test_estimators(tmp_path):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(80, 4)) * 3 + 2).astype(np.float32)
    y = np.array(["no", 'say "yes"', "perhaps\\"])[(X[:, 0] > 2).astype(int) + (X[:, 1] > 2)]
    models = {
        "three": lamina.MLPClassifier((8,), standardize=True, batch_norm=True, max_iter=5).fit(X, y),
        "two": lamina.MLPClassifier((8,), max_iter=5).fit(X.astype(float), X[:, 0] > 2),
        "number": lamina.MLPRegressor((8,), "gelu", max_iter=5).fit(X, X[:, 2]),
        "grown": lamina.CascadeRegressor(max_units=2).fit(X, X[:, 2]),
    }
    library = Compiled(tmp_path, models, COMPILERS[0])
    for name in models:
        library.check(name)
    labels = (ctypes.c_char_p * 3).in_dll(library.library, "three_classes")
    assert [label.decode() for label in labels] == list(models["three"].classes_)
    got = library.predict("three", X[:ROWS])
    assert got.tobytes() == models["three"].predict_proba(X[:ROWS]).tobytes()


@needs_compiler
@needs_fma
@pytest.mark.parametrize("kind", ["elman", "jordan"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_series(tmp_path, kind, dtype):
    """An estimator's own scale of the targets is part of it; a window is a sequence."""
    series = np.cumsum(np.random.default_rng(0).normal(size=60)) + 5
    estimator = lamina.RecurrentRegressor((5,), kind=kind, window=6, max_iter=4, dtype=dtype).fit(series[:, None])
    library = Compiled(tmp_path, {"series": estimator}, COMPILERS[0])
    windows = np.lib.stride_tricks.sliding_window_view(series, 6)[:, :, None].astype(dtype)
    got = library.predict("series", np.ascontiguousarray(windows), [6] * len(windows))
    assert got.tobytes() == estimator.predict(series[:, None]).tobytes()


@needs_compiler
@needs_fma
@pytest.mark.parametrize("stride", [1, 2])
def test_windows(tmp_path, stride):
    """The header has what makes a time series the windows that an estimator predicts; steps alone are others."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(70, 3)).astype(np.float32)
    y = np.convolve(X[:, 0], np.ones(3), "same") > 0
    model = lamina.RecurrentClassifier((6,), window=5, stride=stride, max_iter=4, random_state=0).fit(X, y)
    library = Compiled(tmp_path, {"rc": model}, COMPILERS[0])
    header = (tmp_path / "rc.h").read_text()
    sizes = {name: int(size) for name, size in re.findall(r"#define RC_(\w+) (\d+)", header)}
    assert sizes == {"INPUTS": 3, "OUTPUTS": 2, "CLASSES": 2, "WINDOW": 5, "STRIDE": stride}
    assert "rc_predict gives of the window" in " ".join(header.split())
    assert "later" not in header
    steps = np.arange(sizes["WINDOW"]) * sizes["STRIDE"]
    windows = np.stack([X[t + steps] for t in range(len(X) - int(steps[-1]))])
    expected = model.predict_proba(X)
    assert library.predict("rc", windows, [5] * len(windows)).tobytes() == expected.tobytes()
    state, last = ctypes.create_string_buffer(library.files["rc"].memory_bytes), np.empty(2, np.float32)
    library.library.rc_reset(state)
    for row in X:
        library.library.rc_step(state, ctypes.c_void_p(row.ctypes.data), ctypes.c_void_p(last.ctypes.data))
    assert np.abs(last - expected[-1]).max() > 1e-4
    series = lamina.RecurrentRegressor((3,), window=4, horizon=2, max_iter=2).fit(X)
    c(series, tmp_path / "series.c")
    text = " ".join((tmp_path / "series.h").read_text().split())
    assert "#define SERIES_WINDOW 4" in text
    assert "It tells of 2 times later." in text
    c(lamina.RecurrentRegressor((3,), max_iter=2).fit(windows, windows[:, -1, 0]), tmp_path / "free.c")
    assert "WINDOW" not in (tmp_path / "free.h").read_text()


@needs_compiler
@needs_fma
@pytest.mark.parametrize("name", ["zoo_0", "elman_0", "jordan_1"])
def test_a_program_of_its_own(tmp_path, name):
    net = model(name)
    files = c(net, tmp_path / "net.c", main=True)
    assert [path.rpartition("/")[2] for path in files.paths] == ["net.c", "net.h", "net_main.c"]
    command = [COMPILERS[0], *STRICT, "-O2", "net.c", "net_main.c", "-o", "net", "-lm"]
    subprocess.run(command, cwd=tmp_path, check=True)
    steps = 3 if net.spec.recurrent else 1
    x = np.random.default_rng(5).normal(size=(4, steps, net.spec.n_inputs)).astype(net.dtype)
    head = "3 " if net.spec.recurrent else ""
    lines = [head + " ".join(float(value).hex() for value in row.ravel()) for row in x]
    run = subprocess.run([tmp_path / "net"], input="\n".join(lines), capture_output=True, text=True, check=True)
    printed = [[float.fromhex(word) for word in line.split()] for line in run.stdout.splitlines()]
    expected = net.predict(x if net.spec.recurrent else x[:, 0])
    np.testing.assert_array_equal(np.array(printed), expected.reshape(-1, net.spec.n_outputs))
    for rest in ("1, 2", head + "1", "x"):
        run = subprocess.run(
            [tmp_path / "net"], input=f"{lines[0]}\n{rest}", capture_output=True, text=True, check=False
        )
        assert run.returncode == 1
        assert " 2: " in run.stderr
        assert f"{net.spec.n_inputs} numbers" in run.stderr


@needs_compiler
def test_nothing_is_called_but_fma_and_sqrt(tmp_path):
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("there is no nm")
    for name in ("activations_float32", "members_full_cross_entropy", "jordan_1"):
        c(model(name), tmp_path / "net.c")
        source = (tmp_path / "net.c").read_text()
        assert set(re.findall(r"\b(fmaf?|sqrtf?|\w*alloc|exp|tanh|printf)\(", source)) <= {
            "fma",
            "fmaf",
            "sqrt",
            "sqrtf",
        }
        subprocess.run([COMPILERS[0], *STRICT, "-O2", "-c", "net.c"], cwd=tmp_path, check=True)
        listing = subprocess.run([nm, "-u", "net.o"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        assert {line.split()[-1] for line in listing.splitlines()} <= {"fma", "fmaf", "sqrt", "sqrtf"} | OF_COMPILERS


#: Options for arithmetic that is not IEEE's, and what a compiler that tells its sources of it defines.
NOT_IEEE = {
    "-ffast-math": "__FAST_MATH__",
    "-Ofast": "__FAST_MATH__",
    "-ffinite-math-only": "__FINITE_MATH_ONLY__ 1",
    "-funsafe-math-optimizations": "__ASSOCIATIVE_MATH__",
    "-fassociative-math -fno-signed-zeros -fno-trapping-math": "__ASSOCIATIVE_MATH__",
    "-freciprocal-math": "__RECIPROCAL_MATH__",
    "-fno-signed-zeros": "__NO_SIGNED_ZEROS__",
}


@needs_compiler
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("flags", NOT_IEEE)
def test_arithmetic_that_is_not_ieee_s_is_refused(tmp_path, flags, compiler):
    c(model("zoo_0"), tmp_path / "net.c")
    command = [compiler, "-std=c99", *flags.split()]
    defined = subprocess.run([*command, "-dM", "-E", "-x", "c", os.devnull], capture_output=True, text=True, check=True)
    if f"#define {NOT_IEEE[flags]}" not in defined.stdout:
        pytest.skip(f"{compiler} does not tell of {flags}")
    run = subprocess.run([*command, "-c", "net.c"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "no -ffast-math" in run.stderr


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
def test_the_header_is_one_for_cpp(tmp_path):
    c(model("jordan_1"), tmp_path / "net.c")
    (tmp_path / "use.cpp").write_text('#include "net.h"\nint main() { net_state s; net_reset(&s); }\n')
    subprocess.run(["g++", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "use.cpp"], cwd=tmp_path, check=True)


@needs_compiler
def test_the_page_of_the_docs(tmp_path, monkeypatch):
    """Its program, compiled by its command, prints what the network of its Python example predicts."""
    page = Path(__file__).resolve().parents[1] / "docs" / "embed-in-c.md"
    if not page.is_file():
        pytest.skip("the sources are not here")
    blocks = dict(re.findall(r"^```(python|c|sh)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL))
    monkeypatch.chdir(tmp_path)
    namespace = {}
    exec(blocks["python"], namespace)
    Path("program.c").write_text(blocks["c"])
    subprocess.run(blocks["sh"].replace("cc ", f"{COMPILERS[0]} ", 1), shell=True, check=True)
    printed = subprocess.run([tmp_path / "program"], capture_output=True, text=True, check=True).stdout
    x = np.array(re.findall(r"-?\d+\.\d+(?=f)", blocks["c"]), np.float32)
    np.testing.assert_allclose([float(word) for word in printed.split()], namespace["net"].predict([x])[0], atol=6e-4)


def test_every_layer_is_known():
    assert set(LAYERS) == {layer["name"] for layer in lamina.layers.describe()}


def test_only_what_is_used_is_there(tmp_path):
    c(lamina.Network([lamina.Dense(3)], 2), tmp_path / "small.c")
    text = (tmp_path / "small.c").read_text()
    assert set(re.findall(r"small_(\w+)\(", text)) == {
        "product_2",
        "product_1",
        "add",
        "copy",
        "predict",
        "predict_with",
    }


def test_what_is_written(tmp_path):
    net = lamina.Network([lamina.Dense(3, activation="relu"), lamina.Dense(1)], 2)
    files = c(net, tmp_path / "file.c", name="pump_model")
    assert str(files) == "file.c, file.h: 52 bytes of constants, 16 bytes of memory"
    assert files == CFiles((str(tmp_path / "file.c"), str(tmp_path / "file.h")), 4 * (6 + 3 + 3 + 1), 4 * (3 + 1))
    header = (tmp_path / "file.h").read_text()
    assert "#define PUMP_MODEL_INPUTS 2" in header
    assert "void pump_model_predict(const float *x, float *y);" in header
    before = (tmp_path / "file.c").read_bytes()
    c(net, tmp_path / "file.c", name="pump_model")
    assert (tmp_path / "file.c").read_bytes() == before


@pytest.mark.parametrize("which", ["net.c", "net.h", "net_main.c"])
def test_a_file_that_lamina_did_not_write_stays(tmp_path, which):
    net, own = lamina.Network([lamina.Dense(1)], 2), tmp_path / which
    for text in ("int main(void) { return 0; }\n", "/* Written by hand, not by lamina */\n", "\n"):
        own.write_text(text)
        with pytest.raises(FileExistsError, match=rf"{which} is there, and lamina did not write it; give another path"):
            c(net, tmp_path / "net.c", main=True)
        assert [path.name for path in tmp_path.iterdir()] == [which]
        assert own.read_text() == text
    own.write_text("/* A network of 2 inputs.\n   Written by lamina; it is described in the header. */\n")  # before 0.1
    c(net, tmp_path / "net.c", main=True)
    own.write_text("")
    files = c(net, tmp_path / "net.c", main=True)
    for path in files.paths:
        os.utime(path, (0, 0))
    c(net, tmp_path / "net.c", main=True)
    assert all(os.path.getmtime(path) > 0 for path in files.paths)
    assert c(net, tmp_path / "net_main.c", name="net").paths


class TestRefused:
    def test_functions_of_one_s_own(self, tmp_path):
        mine = lamina.activations.custom(np.sin, np.cos, name="my_sine")
        net = lamina.Network([lamina.Dense(3, activation=mine), lamina.Dense(1)], 2)
        with pytest.raises(TypeError, match="'my_sine' is made from functions of your own"):
            c(net, tmp_path / "net.c")
        assert list(tmp_path.iterdir()) == []

    def test_models(self, tmp_path):
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        for wrong, message in (
            (3, "got int"),
            (lamina.Ensemble(lamina.Network([lamina.Dense(1)], 2)), "got Ensemble: it is several networks"),
            (lamina.MLPRegressor(), "got MLPRegressor: it has no network yet"),
            (make_pipeline(StandardScaler(), lamina.MLPRegressor()), r"got a Pipeline \(its last step, model\[-1\]"),
            (lamina.TabularClassifier(), "got TabularClassifier: it encodes columns of text"),
            (lamina.RecurrentRegressor(), "got RecurrentRegressor: it has no network yet"),
        ):
            with pytest.raises(TypeError, match=message):
                c(wrong, tmp_path / "net.c")
        with pytest.raises(ValueError, match="has not grown yet"):
            c(lamina.CascadeNetwork(2, 1), tmp_path / "net.c")

    @pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
    def test_models_of_other_libraries(self, tmp_path):
        from sklearn.linear_model import LinearRegression
        from sklearn.neural_network import MLPClassifier, MLPRegressor

        for theirs in (
            MLPClassifier(hidden_layer_sizes=3, max_iter=2),
            MLPRegressor(hidden_layer_sizes=3, max_iter=2),
        ):
            theirs.fit(np.eye(4), [0, 1, 0, 1])
            with pytest.raises(TypeError, match=rf"got {type(theirs).__name__}: lamina\.from_sklearn\(model\) is"):
                c(theirs, tmp_path / "net.c")
            c(lamina.from_sklearn(theirs), tmp_path / "net.c")
        with pytest.raises(TypeError, match=r"got LinearRegression$"):
            c(LinearRegression(), tmp_path / "net.c")

    def test_a_normalisation_that_is_to_come_is_told(self, tmp_path):
        net = lamina.Network([lamina.Dense(1)], 2, normalize_inputs=True, normalize_targets=True)
        with pytest.warns(UserWarning, match="first fit of the network is to normalise its inputs and targets") as told:
            c(net, tmp_path / "net.c")
        assert told[0].filename == __file__
        net.fit(np.eye(2), np.arange(2.0), epochs=1, validation=None)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            c(net, tmp_path / "net.c")

    @pytest.mark.parametrize("stem", ["math", "stdint", "Float", "threads"])
    def test_names_of_headers(self, tmp_path, stem):
        with pytest.raises(ValueError, match=rf"path must not be that of a header of C's: {stem}\.h beside it"):
            c(lamina.Network([lamina.Dense(1)], 2), tmp_path / f"{stem}.c", name="net")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("stem", ['we"ird', "new\nline", "back\\slash", "what??"])
    def test_names_that_no_include_can_have(self, tmp_path, stem):
        with pytest.raises(ValueError, match=r"path must be one that #include can name; got .* in its name"):
            c(lamina.Network([lamina.Dense(1)], 2), tmp_path / f"{stem}.c", name="net")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("name", ["", "2fast", "a-b", "double", "_mine", "ä"])
    def test_names(self, tmp_path, name):
        with pytest.raises(ValueError, match="name must be a C identifier"):
            c(lamina.Network([lamina.Dense(1)], 2), tmp_path / "net.c", name=name)

    def test_other_arguments(self, tmp_path):
        net = lamina.Network([lamina.Dense(1)], 2)
        with pytest.raises(ValueError, match=r"path must end in \.c"):
            c(net, tmp_path / "net.cpp")
        with pytest.raises(ValueError, match="name must be a C identifier; got 'my-net': give one by name="):
            c(net, tmp_path / "my-net.c")
        with pytest.raises(TypeError, match="name must be a str; got int"):
            c(net, tmp_path / "net.c", name=3)
        with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64'; got 'int8'"):
            c(net, tmp_path / "net.c", dtype="int8")
        with pytest.raises(ValueError, match="dtype of a CascadeNetwork"):
            c(model("cascade_identity"), tmp_path / "net.c", dtype="float64")
        assert list(tmp_path.iterdir()) == []
