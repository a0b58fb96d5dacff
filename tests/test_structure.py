"""The shape of the sources: who includes and imports whom, what is tracked, one version number."""

import ast
import graphlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lamina

ROOT = Path(__file__).resolve().parents[1]
CPP, PACKAGE = ROOT / "cpp", ROOT / "python" / "lamina"
LAYERS = ["core", "kernels", "math", "model", "train"]  # each sees itself and those before it
SEES = {folder: LAYERS[: i + 1] for i, folder in enumerate(LAYERS)} | {
    "bind": [*LAYERS, "bind"],
    "lamina": [*LAYERS, "lamina"],  # the face for C++ programs
    "tests": [*LAYERS, "lamina"],
}
# The floors of the Python package, from the ground up. A module imports what is below it or on its own floor.
FLOORS = [
    {"_cpu", "_core", "_dispatch"},
    {"runtime", "text", "files", "extras", "callers", "memory", "other_words", "interrupts"},
    {"activations", "losses", "initializers", "layers", "metrics", "optimizers", "schedules"},
    {"plots"},
    {"html"},
    {"data"},
    {"storage"},
    {"training"},
    {"network"},
    {"cascade"},
    {"selection"},
    {"diagnosis"},
    {"estimators"},
    {"tabular"},
    {"model_file"},
    {"export"},
    {"exchange"},
    {"report"},
    {"cli"},
    {"__main__"},
    # Other names of what lives in the rooms: public ones, and those that old pickles know.
    {
        *("callbacks", "comparison", "cross_validation", "ensemble", "gradients", "plots_cascade", "space", "tuning"),
        *("validation", "_cascade", "_search_result"),
    },
    {""},  # lamina itself, its stub included
]
OTHER_NAMES = FLOORS[-2]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
KNOWN_TO_ALL = {"_cpu", "_core", "_dispatch"}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)
MACHINE_PATH = re.compile(r"(?<![\w.~$}])/(?:home|Users|root|tmp|work|mnt|opt)/[\w.-]+")

pytestmark = pytest.mark.skipif(not CPP.is_dir(), reason="the sources are not here")


def files(folder, *suffixes):
    return sorted(path for path in folder.rglob("*") if path.suffix in suffixes)


def name(path):
    return path.relative_to(ROOT).as_posix()


CPP_FILES = files(CPP, ".cpp", ".hpp")
PYTHON_FILES = files(PACKAGE, ".py")


def tracked_files():
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git clone")
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode:
        pytest.skip(f"git ls-files: {listing.stderr.decode().strip()}")
    return [path for line in listing.stdout.decode().split("\0") if line and (path := ROOT / line).is_file()]


@pytest.mark.parametrize("path", CPP_FILES, ids=name)
def test_includes_run_one_way(path):
    folder = path.relative_to(CPP).parts[0]
    assert folder in SEES, f"{folder} is no folder of the core: {list(SEES)}"
    for quote, included in INCLUDE.findall(path.read_text()):
        target = included.split("/")[0]
        if quote == '"':
            assert (CPP / included).is_file(), f'"{included}" is not a path from cpp/'
        if quote == '"' or target in SEES:
            assert target in SEES[folder], f"{folder} must not include {included}"


@pytest.mark.parametrize("path", CPP_FILES, ids=name)
def test_python_is_seen_by_bind_alone(path):
    if path.relative_to(CPP).parts[0] == "bind":
        return
    for _, included in INCLUDE.findall(path.read_text()):
        assert not included.startswith("pybind11/"), included
        assert included != "Python.h"


@pytest.mark.parametrize("path", files(CPP / "bind", ".cpp", ".hpp"), ids=name)
def test_the_interpreters_lock_is_taken_as_lock_hpp_has_it(path):
    """Python's own ways, and pybind11's, abort the process where the interpreter ends in the midst of them."""
    own_ways = re.search(r"gil_scoped_|PyGILState_Ensure|PyEval_(Save|Restore)Thread", path.read_text())
    assert not own_ways or path.name == "lock.hpp", own_ways
    included = [target for _, target in INCLUDE.findall(path.read_text())]
    assert "pybind11/numpy.h" not in included or path.name == "numpy.hpp", "include bind/numpy.hpp"


def module_of(path):
    """The module in a file, without `lamina.`; the package itself is ""."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in PYTHON_FILES} | dict.fromkeys(["_core", "_cpu"])


def imports_of(path):
    """(module, name or None) of everything of lamina that a file imports, in functions and for type checkers too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found = [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write imports in full"
            found = [(node.module, alias.name) for alias in node.names]
        else:
            continue
        for module, imported in found:
            if module.split(".")[0] == "lamina":
                inside = module.removeprefix("lamina").lstrip(".")
                submodule = f"{inside}.{imported}".lstrip(".")
                yield (submodule, None) if submodule in MODULES else (inside, imported)


def room_of(module):
    return module.split(".")[0]


@pytest.mark.parametrize("path", [*PYTHON_FILES, PACKAGE / "__init__.pyi"], ids=name)
def test_imports_run_one_way(path):
    room = room_of(module_of(path))
    assert room in FLOOR_OF, f"{room} is on no floor: give it one in FLOORS"
    for target, _ in imports_of(path):
        assert target in MODULES, f"there is no module lamina.{target}"
        assert FLOOR_OF[room_of(target)] <= FLOOR_OF[room], f"{target} is on a higher floor"


def test_imports_have_no_circle():
    graph = {module: {target for target, _ in imports_of(path)} for module, path in MODULES.items() if path}
    graph[""] |= {target for target, _ in imports_of(PACKAGE / "__init__.pyi")}
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("path", PYTHON_FILES, ids=name)
def test_underscore_names_stay_in_their_module(path):
    """An underscore makes a module its room's own, a name its module's own, an attribute its class's own."""
    own = module_of(path)
    for module, imported in imports_of(path):
        if any(part.startswith("_") for part in module.split(".")) and module not in KNOWN_TO_ALL:
            assert module.rpartition(".")[0] == (own if path.stem == "__init__" else own.rpartition(".")[0]), module
        assert not re.match("_(?!_)", imported or ""), f"{imported} of {module}"
    nodes = list(ast.walk(ast.parse(path.read_text())))
    defined = {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    defined |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    attributes = [node for node in nodes if isinstance(node, ast.Attribute) and re.match("_(?!_)", node.attr)]
    on_self = [getattr(node.value, "id", None) in ("self", "cls") for node in attributes]
    defined |= {node.attr for node, own in zip(attributes, on_self, strict=True) if own}
    for node in attributes:
        inherited = ast.unparse(node.value) == "super()"
        assert inherited or node.attr in defined, f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("module", sorted(OTHER_NAMES))
def test_another_name_holds_nothing_of_its_own(module):
    docstring, *imports, names = ast.parse(MODULES[module].read_text()).body
    assert isinstance(docstring.value.value, str)
    assert all(isinstance(node, ast.ImportFrom) for node in imports)
    assert names.targets[0].id == "__all__"


@pytest.mark.parametrize("path", PYTHON_FILES, ids=name)
def test_only_the_dispatch_names_a_level(path):
    """`lamina._core` exists because the dispatch has loaded it; nobody else may choose a level."""
    if path.name != "_dispatch.py":
        assert not re.search(r"\b_levels\b|\b_cpu\b", path.read_text())


def test_the_dispatch_is_imported_first():
    lines = (PACKAGE / "__init__.py").read_text().splitlines()
    ours = [line for line in lines if re.match(r"(from|import) (lamina\b|\.)", line)]
    assert ours[0].startswith("from lamina._dispatch import ")


def test_one_version_number():
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE).group(1)
    assert lamina.__version__ == version
    assert re.search(rf"^## .*{re.escape(version)}", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_no_binary_is_tracked():
    assert [name(path) for path in tracked_files() if b"\0" in path.read_bytes()] == []


def test_no_path_of_a_machine_is_tracked():
    found = {name(path): MACHINE_PATH.findall(path.read_text(errors="replace")) for path in tracked_files()}
    assert {path: matches for path, matches in found.items() if matches} == {}


@pytest.mark.parametrize("tool", ["write_stubs.py", "write_formulas.py"])
def test_what_is_written_from_the_registries_is_up_to_date(tool):
    command = [sys.executable, ROOT / "tools" / tool, "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_every_public_name_is_there():
    assert [name for name in lamina.__all__ if not hasattr(lamina, name)] == []


def test_nothing_is_imported_before_it_is_needed():
    """`import lamina` loads the core alone, and no public name but the estimators an optional dependency."""
    code = """
import sys, lamina
loaded = {name for name in sys.modules if name.startswith("lamina.")}
assert loaded == {"lamina._core", "lamina._cpu", "lamina._dispatch"}, loaded
for name in lamina.__all__:
    if not name.endswith(("estimators", "Classifier", "Regressor")):
        getattr(lamina, name)
early = {
    *("joblib", "keras", "matplotlib", "mlflow", "narwhals", "optuna", "pandas", "rich", "safetensors", "scipy"),
    *("sklearn", "tensorboard", "torch"),
} & set(sys.modules)
assert not early, early
assert "onnx" not in sys.modules
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
