"""The core as C++ programs have it: an installed package, the examples, the docs' code, and the bits of Python's fits.

Wants a folder where lamina is installed by CMake, in LAMINA_CPP_PREFIX; `.ci/run` has one.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import lamina
import zoo

ROOT = Path(__file__).resolve().parents[1]
PREFIX = os.environ.get("LAMINA_CPP_PREFIX")
BLOCK = re.compile(r"^```cpp\n(.*?)^```", re.MULTILINE | re.DOTALL)

pytestmark = [
    pytest.mark.skipif(not PREFIX, reason="LAMINA_CPP_PREFIX is no installed package: see CONTRIBUTING.md"),
    pytest.mark.skipif(shutil.which("cmake") is None, reason="there is no cmake"),
    pytest.mark.slow,
]


def run(*command, cwd):
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def build(source, folder, *options):
    """Configure and build a copy of `source` outside the tree, with CMake alone."""
    copy = shutil.copytree(source, folder / "source")
    made = folder / "build"
    run(
        "cmake",
        "-S",
        copy,
        "-B",
        made,
        f"-DCMAKE_PREFIX_PATH={PREFIX}",
        "-DCMAKE_BUILD_TYPE=Release",
        *options,
        cwd=folder,
    )
    run("cmake", "--build", made, cwd=folder)
    return made


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    return build(ROOT / "examples" / "cpp", tmp_path_factory.mktemp("examples"))


def test_digits_are_those_of_python(examples, tmp_path):
    datasets = pytest.importorskip("sklearn.datasets")
    X, y = datasets.load_digits(return_X_y=True)
    np.savetxt(tmp_path / "digits.csv", np.column_stack([X, y]), fmt="%d", delimiter=",")
    (X_train, y_train), (X_test, y_test) = lamina.split(X, y, fractions=(0.8, 0.2))
    net = lamina.Network(
        [lamina.Dense(64, activation="relu"), lamina.Dense(10)], 64, loss="cross_entropy", normalize_inputs=True
    )
    history = net.fit(X_train, y_train)
    accuracy = (net.predict(X_test).argmax(axis=1) == y_test).mean()
    assert run(examples / "digits", "digits.csv", cwd=tmp_path).splitlines() == [
        f"{history.epochs} epochs, best {history.best_epoch}: {history.stop_reason}",
        f"validation loss {history.validation_loss[history.best_epoch - 1]:.17g}",
        f"test accuracy {accuracy:.4f}",
    ]
    assert accuracy > 0.95


def test_regression(examples, tmp_path):
    printed = run(examples / "regression", cwd=tmp_path)
    assert float(re.search(r"R\^2 of the test samples (\S+)", printed)[1]) > 0.95
    assert "the twin predicts the same: yes" in printed


def test_examples_say_what_is_wrong(examples, tmp_path):
    result = subprocess.run(
        [examples / "digits", "none.csv"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (1, "cannot read none.csv\n")


def configure_embedded(folder, eigen):
    """Configure, without building, a project that has lamina in it and an Eigen of its own."""
    (folder / "CMakeLists.txt").write_text(
        f"""
cmake_minimum_required(VERSION 3.21)
project(embedding LANGUAGES CXX)
add_library(eigen INTERFACE)
target_include_directories(eigen INTERFACE "$<BUILD_INTERFACE:{eigen}>")
add_library(Eigen3::Eigen ALIAS eigen)
include(FetchContent)
FetchContent_Declare(lamina SOURCE_DIR "{ROOT}")
FetchContent_MakeAvailable(lamina)
if(NOT TARGET lamina::core OR CMAKE_BUILD_TYPE OR DEFINED CMAKE_CXX_STANDARD)
  message(FATAL_ERROR "not as documented")
endif()
"""
    )
    command = ["cmake", "-S", folder, "-B", folder / "build"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_embedded_in_a_project(tmp_path):
    result = configure_embedded(tmp_path, Path(PREFIX) / "include" / "lamina" / "eigen")
    assert result.returncode == 0, result.stderr


def test_an_old_eigen_is_refused(tmp_path):
    macros = tmp_path / "eigen" / "Eigen" / "src" / "Core" / "util" / "Macros.h"
    macros.parent.mkdir(parents=True)
    numbers = zip(("WORLD", "MAJOR", "MINOR"), (3, 4, 0), strict=True)
    macros.write_text("".join(f"#define EIGEN_{part}_VERSION {number}\n" for part, number in numbers))
    result = configure_embedded(tmp_path, tmp_path / "eigen")
    assert result.returncode != 0
    assert re.search(r"lamina\s+needs\s+Eigen\s+5\.0\.1\s+or\s+newer;\s+\S+\s+has\s+3\.4\.0", result.stderr)


def test_the_docs_code_runs(tmp_path):
    """The C++ blocks of the page, the includes in front, the rest as one program."""
    blocks = BLOCK.findall((ROOT / "docs" / "cpp.md").read_text())
    lines = [line for block in blocks for line in block.splitlines()]
    includes = [line for line in lines if line.startswith("#include")]
    body = [line for line in lines if not line.startswith("#include")]
    source = tmp_path / "page"
    shutil.copytree(ROOT / "tests" / "cpp_package", source)
    (source / "page.cpp").write_text("\n".join([*includes, "int main() {", *body, "}"]) + "\n")
    run(build(source, tmp_path, "-DPROGRAMS=page.cpp") / "page", cwd=tmp_path)


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++")
def test_other_types_of_the_standard_library_are_not_linked(tmp_path):
    """Those of libstdc++'s debug mode, which would be read as what they are not."""
    (tmp_path / "use.cpp").write_text(
        "#include <lamina/lamina.hpp>\n"
        "int main(int n, char** v) { return n > 1 && lamina::Network<float>::load(v[1]).inputs() > 0; }\n"
    )
    include, (library,) = Path(PREFIX) / "include", Path(PREFIX).glob("lib*/liblamina_core.a")
    command = ["g++", "-std=c++17", f"-I{include}", f"-I{include}/lamina/eigen", "use.cpp", library, "-fopenmp"]
    run(*command, cwd=tmp_path)
    other = subprocess.run([*command, "-D_GLIBCXX_DEBUG"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert other.returncode != 0
    assert "lamina::api::detail::with_glibcxx_debug" in other.stderr


# The fits of cpp_package/bits.cpp --------------------------------------------------------------------------------


def numbers(rows, columns, dtype):
    i, j = np.ogrid[:rows, :columns]
    return ((i * 7919 + j * 104729 + i * j * 31) % 1009).astype(dtype) / dtype(1009)


def labels(rows):
    return np.arange(rows) ** 2 % 7 % 3


def defaults(dtype):
    net = lamina.Network(
        [lamina.Dense(8, activation="relu"), lamina.Dense(3)], 5, "cross_entropy", dtype.__name__, seed=2**40 + 7
    )
    history = net.fit(numbers(211, 5, dtype), labels(211))
    yield "defaults", net, history
    yield "defaults", {"predict": net.predict(numbers(50, 5, dtype))}


def regularised(dtype):
    layers = [
        lamina.Dense(16, activation=lamina.activations.get("elu", alpha=0.7)),
        lamina.Dropout(0.2),
        lamina.BatchNorm(),
        lamina.Dense(3),
    ]
    loss = lamina.losses.get("cross_entropy", label_smoothing=0.1)
    net = lamina.Network(layers, 5, loss, dtype.__name__, seed=3, normalize_inputs=True)
    history = net.fit(
        numbers(211, 5, dtype),
        labels(211),
        epochs=12,
        batch_size=20,
        optimizer=lamina.AdamW(0.01, weight_decay=0.02),
        schedule=lamina.schedules.Warmup(2, lamina.schedules.Cosine()),
        l2=1e-3,
        clip=lamina.AGC(0.05),
        validation=0.25,
    )
    yield "regularised", net, history


def weighted(dtype):
    layers = [lamina.Dense(6, activation="tanh"), lamina.Dense(2)]
    net = lamina.Network(layers, 5, lamina.losses.get("huber", delta=0.5), dtype.__name__, seed=4)
    x, y = numbers(150, 5, dtype), numbers(150, 2, dtype)
    options = {
        "epochs": 10,
        "optimizer": lamina.SAM(lamina.SGD(0.05, momentum=0.9, nesterov=True), 0.05),
        "l1": 1e-4,
        "early_stopping": lamina.EarlyStopping(patience=2),
        "sample_weight": np.arange(120) % 4 + 0.1,
        "validation": (x[120:], y[120:]),
    }
    yield "weighted", net, net.fit(x[:120], y[:120], **options)
    yield "resumed", net, net.fit(x[:120], y[:120], resume=True, **options)


def full_batch(dtype):
    net = lamina.Network([lamina.Dense(5, activation="tanh"), lamina.Dense(1)], 5, dtype=dtype.__name__)
    options = {"optimizer": lamina.LBFGS(), "validation": lamina.Split(0.2, shuffle=False)}
    yield "full_batch", net, net.fit(numbers(80, 5, dtype), numbers(80, 1, dtype), epochs=15, **options)


def sequences(dtype):
    net = lamina.Network([lamina.Recurrent(6), lamina.Dense(1)], 2, dtype=dtype.__name__, seed=9, normalize_inputs=True)
    history = net.fit(
        numbers(280, 2, dtype).reshape(40, 7, 2),
        numbers(40, 1, dtype),
        epochs=8,
        optimizer=lamina.RMSprop(0.01),
        clip=lamina.ClipNorm(1.0),
        lengths=1 + np.arange(40) ** 2 % 7,
    )
    yield "sequences", net, history


def test_same_bits_as_python(tmp_path):
    expected = {}
    for dtype in (np.float32, np.float64):
        for fit in (defaults, regularised, weighted, full_batch, sequences):
            for name, net, *history in fit(dtype):
                arrays = dict(net) if isinstance(net, dict) else {k: v.copy() for k, v in net.parameters.items()}
                for part in history:
                    arrays |= {"loss": np.array(part.loss), "validation_loss": np.array(part.validation_loss)}
                expected |= {f"{name} {np.dtype(dtype).name} {key}": value for key, value in arrays.items()}
    program = build(ROOT / "tests" / "cpp_package", tmp_path, "-DPROGRAMS=bits.cpp") / "bits"
    got = dict(line.rsplit(" ", 1) for line in run(program, cwd=tmp_path).splitlines())
    assert got.keys() == expected.keys()
    differ = [key for key, value in expected.items() if got[key] != np.ascontiguousarray(value).tobytes().hex()]
    assert differ == []


# Model files -------------------------------------------------------------------------------------------------------


def test_model_files_are_those_of_python(tmp_path):
    """Loaded and saved again a file has the same bytes; Python loads what C++ has written."""
    program = build(ROOT / "tests" / "cpp_package", tmp_path, "-DPROGRAMS=models.cpp") / "models"
    for number in range(zoo.COUNT):
        net = zoo.train(number)[0]
        if any(getattr(part, "is_custom", False) for part in [net.loss]):
            continue
        given, back = tmp_path / f"{number}.lamina", tmp_path / f"{number}-again.lamina"
        net.metadata = {"number": str(number), "é": 'a "quoted"\n\x7f text'}  # in the order of their names
        net.save(given)
        run(program, "float" if net.dtype == np.float32 else "double", given, back, cwd=tmp_path)
        assert given.read_bytes() == back.read_bytes(), net
    refused = subprocess.run([program, "float", back, given], capture_output=True, text=True, check=False)
    if net.dtype == np.float64:
        assert refused.returncode == 1
        assert "float64" in refused.stdout


def test_cpp_refuses_models_of_another_kind(tmp_path):
    program = build(ROOT / "tests" / "cpp_package", tmp_path, "-DPROGRAMS=models.cpp") / "models"
    cascade = tmp_path / "cascade.lamina"
    zoo.grow(0)[0].save(cascade)
    command = [program, "float", cascade, tmp_path / "out.lamina"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "CascadeNetwork" in refused.stdout
    assert not (tmp_path / "out.lamina").exists()
