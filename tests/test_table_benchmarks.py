"""The benchmark on tables: every engine sees the same rows, and the sums over results are right."""

import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

TABLES = Path(__file__).parent.parent / "benchmarks" / "tables"


def load(name):
    if name == "data":
        pytest.importorskip("pandas")
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", TABLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def data():
    return load("data")


@pytest.fixture(scope="module")
def summary():
    return load("summary")


def script(name, *arguments):
    return subprocess.run([sys.executable, TABLES / name, *arguments], capture_output=True, text=True)


def line(engine, table, split, status="done", **values):
    return {"engine": engine, "table": table, "split": split, "status": status, "n_test": 100, **values}


def results(summary, lines, **options):
    return summary.Results({(x["engine"], x["table"], x["split"]): x for x in lines}, **options)


class TestSplits:
    def test_parts_hold_each_row_once(self, data):
        y = np.random.RandomState(0).randint(0, 3, 1000)
        parts = data.split_rows(y, 3, 0)
        assert [len(part) for part in parts] == [600, 150, 250]
        assert sorted(np.concatenate(parts)) == list(range(1000))

    def test_classes_have_their_share_in_each_part(self, data):
        y = np.repeat([0, 1, 2], [700, 290, 10])
        for part in data.split_rows(y, 3, 4):
            found = np.bincount(y[part], minlength=3)
            assert np.abs(found - len(part) * np.array([0.7, 0.29, 0.01])).max() <= 1.5
            assert found[2] >= 1

    def test_large_tables_are_cut(self, data):
        y = np.random.RandomState(1).normal(size=53_940)
        parts = data.split_rows(y, 0, 0)
        assert [len(part) for part in parts] == [4800, 1200, 10_000]
        assert len(set(np.concatenate(parts))) == 16_000

    def test_a_split_is_the_same_each_time_and_others_are_not(self, data):
        y = np.arange(200.0)
        first, again, other = (data.split_rows(y, 0, number) for number in (3, 3, 2))
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
        assert not np.array_equal(first[0], other[0])

    def test_rows_of_a_known_table_stay_what_they_were(self, data):
        pytest.importorskip("sklearn")
        split = data.load("wine", 0)
        assert split.checksum == "83c398ab"
        assert (split.classes, len(split.training), len(split.validation), len(split.test)) == (3, 107, 27, 44)

    def test_columns_are_declared(self, data):
        import pandas as pd

        frame = pd.DataFrame({"a": [1.0, np.nan], "b": ["x", None], "y": [np.e, 1.0]})
        X, y, classes = data.columns_and_target(data.Table("t", "none", "y", "numbers", log=True), frame)
        assert classes == 0
        assert np.allclose(y, [1, 0])
        assert [isinstance(kind, pd.CategoricalDtype) for kind in X.dtypes] == [False, True]
        X, _, _ = data.columns_and_target(data.Table("t", "none", "y", "numbers", categories="all"), frame)
        assert all(isinstance(kind, pd.CategoricalDtype) for kind in X.dtypes)

    def test_a_fetched_table_is_read_as_it_is(self, data, tmp_path):
        (tmp_path / "ames.csv").write_text('"Alley","Sale_Price"\n"None",1\nNA,2\n')
        frame = data.read(data.TABLES["ames"], tmp_path)
        assert frame["Alley"][0] == "None"
        assert frame["Alley"].isna().tolist() == [False, True]

    def test_what_is_missing_is_named(self, data, tmp_path, monkeypatch):
        monkeypatch.setattr(data.shutil, "which", lambda name: None)
        with pytest.raises(RuntimeError, match="apt-get install r-base-core r-cran-kernlab"):
            data.fetch(data.TABLES["spam"], tmp_path)


class TestSummary:
    """Two tables with two splits each, where lightgbm's means are 0.2 and 4."""

    BASE = (
        line("lightgbm", "a", 0, error=0.1, log_loss=0.5, cpu=1.0),
        line("lightgbm", "a", 1, error=0.3, log_loss=0.3, cpu=3.0),
        line("lightgbm", "b", 0, rmse=3.0, cpu=8.0),
        line("lightgbm", "b", 1, rmse=5.0, cpu=8.0),
    )
    OTHER = (
        line("other", "a", 0, error=0.2, log_loss=0.1, cpu=0.2),
        line("other", "a", 1, error=0.0, log_loss=0.1, cpu=0.2),
        line("other", "b", 0, rmse=8.0, cpu=1.6),
        line("other", "b", 1, rmse=8.0, cpu=1.6),
    )

    def test_ratios_are_of_means_over_splits(self, summary):
        found = results(summary, [*self.BASE, *self.OTHER])
        # No error in 100 rows counts as half of one.
        a, b = (0.2 + 0.005) / 2 / 0.2, 2.0
        ratio, error = found.ratio("other")
        assert ratio == pytest.approx(math.sqrt(a * b))
        assert error == pytest.approx(abs(math.log(a / b)) / 2)
        assert found.ratio("other", tables=["b"])[0] == pytest.approx(2)
        assert found.ratio("other", metric="log_loss")[0] == pytest.approx(0.1 / 0.4)
        assert found.ratio("lightgbm")[0] == 1
        assert found.typical("lightgbm", "cpu") == pytest.approx(4)
        assert found.typical("other", "cpu") == pytest.approx(math.sqrt(0.2 * 1.6))

    def test_ranks(self, summary):
        equal = [{**x, "engine": "equal"} for x in self.BASE]
        found = results(summary, [*self.BASE, *self.OTHER, *equal])
        assert found.table_ranks() == {
            "a": {"lightgbm": 2.5, "other": 1, "equal": 2.5},
            "b": {"lightgbm": 1.5, "other": 3, "equal": 1.5},
        }
        assert [found.mean_rank(engine) for engine in found.engines] == [2, 2, 2]
        mean, error = found.rank_difference("other", "lightgbm")
        assert (mean, error) == (0, pytest.approx(1.5))
        assert summary.ranks([3, 1, 2, 1]) == [4, 1.5, 3, 1.5]

    def test_an_engine_with_some_splits_is_compared_on_those_and_has_no_rank(self, summary):
        found = results(summary, [*self.BASE, *self.OTHER[:1]])
        assert found.ranked == ["lightgbm"]
        assert found.mean_rank("other") is None
        assert found.ratio("other")[0] == pytest.approx(2)
        # On that split it takes a fifth of the base's time, and so would it of the base's typical time.
        assert found.typical("other", "cpu") == pytest.approx(4 / 5)
        common = results(summary, [*self.BASE, *self.OTHER[:1]], common=True)
        assert common.ranked == ["lightgbm", "other"]
        assert common.mean("lightgbm", "a") == pytest.approx(0.1)
        assert common.mean_rank("other") == 2

    def test_differences_on_one_table_have_an_error_over_its_splits(self, summary):
        found = results(summary, [*self.BASE, *self.OTHER])
        # 5 and 3 more than 3 and 5.
        ratio, error = found.split_ratio("other", "lightgbm", "b")
        assert (ratio, ratio * error) == (pytest.approx(2), pytest.approx(1 / 4))
        assert "2.000 ± 0.250" in summary.text(found, ["lightgbm"])
        assert "| b                 | 2.000 ± 0.250 |" in summary.text(found, ["lightgbm"])

    def test_what_failed_is_told_and_does_not_count(self, summary):
        late = line("other", "b", 1, "too long", limit=60)
        found = results(summary, [*self.BASE, *self.OTHER[:3], late])
        assert len(found.cells["other"]) == 3
        text = summary.text(found)
        assert "other: more than 60 s of CPU on b 1" in text
        assert "8 (1)" in text

    def test_text_has_every_engine_and_table(self, summary):
        text = summary.text(results(summary, [*self.BASE, *self.OTHER]))
        for word in ("| a ", "| b ", "lightgbm", "other", "against lightgbm", "1.012 ± 0.689", "1/0/1"):
            assert word in text

    def test_the_last_line_of_a_result_counts_and_half_a_line_does_not(self, summary, tmp_path):
        path = tmp_path / "results.jsonl"
        lines = [line("lightgbm", "a", 0, error=value) for value in (0.5, 0.25)]
        path.write_text("\n".join(map(json.dumps, lines)) + '\n{"engine": "lig')
        assert summary.read([path])["lightgbm", "a", 0]["error"] == 0.25

    def test_other_rows_are_refused(self, summary, tmp_path):
        path = tmp_path / "results.jsonl"
        lines = [line("lightgbm", "a", 0, rows="1"), line("other", "a", 0, rows="2")]
        path.write_text("\n".join(map(json.dumps, lines)))
        with pytest.raises(ValueError, match="a, split 0: other and lightgbm were given different rows"):
            summary.read([path])


class TestRun:
    """With the engines that need scikit-learn alone."""

    pytestmark = pytest.mark.skipif(
        not all(map(importlib.util.find_spec, ("sklearn", "pandas"))), reason="scikit-learn or pandas is not installed"
    )
    ENGINES = "sklearn_mlp,hist_gradient_boosting"

    def test_a_run_is_resumed_and_every_engine_sees_the_same_rows(self, tmp_path):
        out = tmp_path / "results.jsonl"
        arguments = ("run.py", "--quick", "--out", out, "--engines")
        first = script(*arguments, "sklearn_mlp")
        assert first.returncode == 0, first.stderr
        out.write_text(out.read_text() + '{"engine": "hist')
        second = script(*arguments, self.ENGINES)
        assert second.returncode == 0, second.stderr
        assert "sklearn_mlp on wine" not in second.stdout
        lines = load("summary").read([out])
        assert [engine for engine, _, _ in lines] == self.ENGINES.split(",")
        for found in lines.values():
            assert found["status"] == "done", found
            assert found["rows"] == "83c398ab"
            assert found["error"] < 0.3
            assert found["cpu"] > 0
        if importlib.util.find_spec("matplotlib"):
            picture = tmp_path / "picture.png"
            drawn = script("summary.py", out, "--base", "sklearn_mlp", "--picture", picture)
            assert drawn.returncode == 0, drawn.stderr
            assert picture.stat().st_size > 0

    @pytest.mark.skipif(sys.platform == "win32", reason="no limit of CPU time there")
    def test_what_takes_too_long_is_a_result(self, tmp_path):
        out = tmp_path / "results.jsonl"
        run = script(
            *("run.py", "--engines", "sklearn_mlp", "--tables", "digits", "--splits", "1", "--limit", "1", "--out", out)
        )
        (found,) = map(json.loads, out.read_text().splitlines())
        assert found["status"] == "too long", found
        assert run.returncode != 0
        assert "no results to sum up" in run.stderr

    @pytest.mark.parametrize(("option", "what"), [("--tables", "table"), ("--engines", "engine")])
    def test_unknown_names_are_refused(self, option, what):
        result = script("run.py", option, "X")
        assert result.returncode == 2
        assert f"no {what} X; there are" in result.stderr
