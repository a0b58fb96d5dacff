"""The shape of the sources: who includes whom, what is tracked, one version number."""

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
SEES = {folder: LAYERS[: i + 1] for i, folder in enumerate(LAYERS)} | {"bind": [*LAYERS, "bind"], "tests": LAYERS}
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


@pytest.mark.parametrize("path", PYTHON_FILES, ids=name)
def test_only_the_dispatch_names_a_level(path):
    """`lamina._core` exists because the dispatch has loaded it; nobody else may choose a level's module."""
    if path.name != "_dispatch.py":
        assert not re.search(r"\b_core_(v\d|native)\b|\b_cpu\b", path.read_text())


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


def test_the_stubs_are_those_of_the_core():
    tool = [sys.executable, ROOT / "tools" / "write_stubs.py", "--check"]
    result = subprocess.run(tool, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_every_public_name_is_there():
    assert [name for name in lamina.__all__ if not hasattr(lamina, name)] == []
