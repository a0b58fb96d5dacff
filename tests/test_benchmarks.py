"""The benchmarks still run and still check their answers; nothing here looks at a time."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
ENGINES = [name for name in ("lamina", "sklearn") if importlib.util.find_spec(name)]


def run(script, *arguments):
    result = subprocess.run([sys.executable, BENCHMARKS / script, *arguments], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.skipif(not ENGINES, reason="no engine is installed")
@pytest.mark.parametrize("task", ["T", "predict_row"])
def test_quick_run_times_every_engine(tmp_path, task):
    out = tmp_path / "results.json"
    run("run.py", "--quick", "--tasks", task, "--engines", ",".join(ENGINES), "--threads", "1", "--out", out)
    (result,) = json.loads(out.read_text())["tasks"]
    assert [entry["engine"] for entry in result["entries"]] == ENGINES
    for entry in result["entries"]:
        assert "refused" not in entry, entry
        assert entry["check_error"] <= 1e-3
        assert 0 < entry["min"] <= entry["median"]
    if importlib.util.find_spec("matplotlib"):
        run("picture.py", out)
        assert out.with_suffix(".png").stat().st_size > 0


def test_unknown_names_are_refused():
    result = subprocess.run([sys.executable, BENCHMARKS / "run.py", "--tasks", "X"], capture_output=True, text=True)
    assert result.returncode == 2
    assert "no task X" in result.stderr
