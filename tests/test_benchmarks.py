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


def test_a_build_compared_with_itself_has_the_same_bits(tmp_path):
    out = tmp_path / "comparison.json"
    tasks = ["T", "predict_row", "cascade", "levenberg_marquardt", "lbfgs"]
    builds = ["--base", sys.executable, "--new", sys.executable]
    run("compare.py", *builds, "--quick", "--tasks", ",".join(tasks), "--json", out)
    found = json.loads(out.read_text())["tasks"]
    assert [entry["name"] for entry in found] == tasks
    for entry in found:
        assert entry["differences"] == {}
        for build in ("base", "new"):
            result = entry["builds"][build]
            assert 0 < result["min"] <= result["median"]
            assert result["quartiles"][0] <= result["ratio"] <= result["quartiles"][1]
        assert entry["builds"]["base"]["ratio"] == 1
    assert "x 1.000" in run("compare.py", *builds, "--memory", "--rounds", "1", "--threads", "1")
