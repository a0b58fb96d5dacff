"""The tests of the core from Python, with core and bindings under AddressSanitizer and UndefinedBehaviorSanitizer.

python -m tests.fire.sanitized [tests/test_x.py ... and what else pytest takes]

Builds them in build/sanitize-python (the first time some ten minutes), puts them beside the package in a folder of
links, and runs pytest there. An error that a sanitizer finds ends the run, with its report. Leaks are not counted:
Python keeps what it has at the end.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
BUILD = ROOT / "build" / "sanitize-python"
#: What reaches the core, in processes of its own or not, but for what tests programs and exports.
TESTS = [
    "activations", "bad_input", "bits", "cascade", "cascade_keeping", "cascade_weights", "checkpoint", "core_arrays",
    "custom", "data_start", "dense", "embeddings", "epochs", "expressions", "face", "factors", "fit_options", "folding",
    "gradients", "initializers", "interruption", "layers", "losses", "members", "metrics", "model_file", "network",
    "normalization", "optimizers", "parts", "recurrent", "regularisation", "sample_weights", "schedules", "solvers",
    "split", "threads", "training", "weights", "workers",
]  # fmt: skip
#: They measure memory, of which the sanitizers take several times as much.
LEFT_OUT = ["tests/test_data_start.py::test_memory", "tests/test_network.py::test_memory_of_training"]


def build(level: str) -> None:
    """Compile the modules, or what has changed since."""
    import pybind11

    options = {
        "CMAKE_BUILD_TYPE": "Debug",
        "CMAKE_CXX_FLAGS_DEBUG": "-O1 -g1",
        "CMAKE_CXX_FLAGS": "-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer",
        "LAMINA_PYTHON": "ON",
        "LAMINA_LIBRARY": "OFF",
        "LAMINA_LEVELS": level,
        "Python_EXECUTABLE": sys.executable,
        "pybind11_DIR": pybind11.get_cmake_dir(),
    }
    defined = [f"-D{name}={value}" for name, value in options.items()]
    subprocess.run(["cmake", "-S", ROOT, "-B", BUILD, "-G", "Ninja", *defined], check=True)
    subprocess.run(["cmake", "--build", BUILD], check=True)


def package() -> Path:
    """Make the folder with the package's files and those modules; the folder that Python is to look in."""
    folder = BUILD / "package" / "lamina"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    built = [*(BUILD / "cpp").glob("_c*.so"), BUILD / "cpp" / "_levels"]
    for file in [file for file in (ROOT / "python" / "lamina").iterdir() if file.suffix != ".so"] + built:
        if file.name not in ("__pycache__", "_levels") or file in built:
            (folder / file.name).symlink_to(file)
    return folder.parent


def runtime(name: str) -> str:
    """Return the file of one of the compiler's libraries."""
    command = [os.environ.get("CXX", "g++"), f"-print-file-name={name}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def main() -> int:
    """Build, and run the tests that are named, or all of the core's."""
    build("v3")
    named = sys.argv[1:] or [f"tests/test_{name}.py" for name in TESTS]
    environment = {
        "PYTHONPATH": f"{package()}{os.pathsep}{ROOT / 'tests'}",
        "LD_PRELOAD": " ".join(map(runtime, ("libasan.so", "libubsan.so", "libstdc++.so"))),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONMALLOC": "malloc",
    }
    where = [sys.executable, "-c", "import lamina; print(lamina.__file__)"]
    shown = subprocess.run(where, env=os.environ | environment, check=True, capture_output=True, text=True).stdout
    if not shown.startswith(str(BUILD)):
        sys.exit(f"another lamina is found first: {shown.strip()}; an editable installation has to go")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *named]
    command += [word for test in LEFT_OUT for word in ("--deselect", test)]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
