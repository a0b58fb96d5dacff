"""The examples of recurrent networks run, say what they found, and draw their pictures."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")
EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the sources are not here")
@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("mackey_glass", "NRMSE, 84 steps ahead: 0.0"),
        ("reber_grammar", "1 of 1 succeed"),
        ("online_control", "with memory: 10 of 10 runs stay upright"),
    ],
)
def test_quick(name, found, tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    command = [sys.executable, EXAMPLES / f"{name}.py", "--quick", "--out", tmp_path / "picture.png"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert found in run.stdout
    assert (tmp_path / "picture.png").stat().st_size > 10_000
