"""Which level of the core is loaded, in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import lamina
from lamina._dispatch import core, usable_levels

SHOW = "import lamina; from lamina._dispatch import core; print(lamina.simd_level(), core.level)"
LEVELS = usable_levels()


def run(code, **environment):
    """What a process prints, and the last line of its error."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    return done.stdout.split(), done.stderr.strip().rpartition("\n")[2]


def test_the_level_in_use_is_the_one_that_the_core_was_compiled_for():
    assert lamina.simd_level() == core.level
    assert lamina.simd_level() in LEVELS


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_that_is_asked_for_is_the_one(level):
    assert run(SHOW, LAMINA_SIMD=level) == ([level, level], "")


def test_a_level_that_is_not_there_is_refused_by_name():
    printed, error = run(SHOW, LAMINA_SIMD="v9")
    assert printed == []
    assert error.startswith("ImportError: LAMINA_SIMD='v9': this machine does not support it; usable here: v")


@pytest.mark.skipif(len(LEVELS) < 2, reason="one level alone is built")
def test_a_process_has_one_level():
    code = """
import os, sys, lamina
for name in [name for name in sys.modules if name.split(".")[0] == "lamina"]:
    del sys.modules[name]
os.environ["LAMINA_SIMD"] = {!r}
import lamina
"""
    _, error = run(code.format(LEVELS[0]), LAMINA_SIMD=LEVELS[-1])
    assert error == f"ImportError: LAMINA_SIMD={LEVELS[0]!r}: this process has the core of level {LEVELS[-1]} already"


def test_other_files_beside_the_libraries_are_left_alone(tmp_path):
    """As a file manager or a network's file system puts them there."""
    package, module = tmp_path / "lamina", Path(core.__file__)
    package.mkdir()
    for carried in module.parent.parent.glob("lamina.libs"):  # by a wheel
        (tmp_path / carried.name).symlink_to(carried)
    sources = [
        file for file in Path(lamina.__file__).parent.iterdir() if file.suffix != ".so" and file.name != "_levels"
    ]
    for file in (*sources, module, *module.parent.glob("_cpu*.so")):
        if file.name != "_levels":
            (package / file.name).symlink_to(file)
    for folder in (module.parent / "_levels").iterdir():
        (package / "_levels" / folder.name).mkdir(parents=True)
        (package / "_levels" / folder.name / ".nfs0001").write_text("no library")
        for file in folder.iterdir():
            (package / "_levels" / folder.name / file.name).symlink_to(file)
    (package / "_levels" / ".DS_Store").write_text("no level")
    code = f"import sys; sys.meta_path = [f for f in sys.meta_path if 'ditable' not in type(f).__name__]; {SHOW}"
    printed, error = run(code, PYTHONPATH=str(tmp_path))
    assert printed == [lamina.simd_level()] * 2, error
