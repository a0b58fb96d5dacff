"""The command line, from a CSV file to predictions, and what it says to bad input."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import lamina
from lamina.cli import main
from lamina.cli.report import classification_scores, regression_scores
from lamina.cli.tables import Table, TableError, Target, detect_task
from lamina.extras import REQUIREMENTS
from lamina.plots import learning_curves

ROWS = 240


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    age, city = rng.integers(18, 80, ROWS), rng.choice(["Oslo", "Paris", "Rome"], ROWS)
    income = rng.lognormal(10, 0.5, ROWS)
    return pd.DataFrame(
        {
            "age": age,
            "income": income,
            "city": city,
            "member": rng.random(ROWS) > 0.5,
            "bought": np.where((age > 45) ^ (city == "Rome"), "yes", "no"),
            "price": 2e5 + income + 500 * age + 2e4 * (city == "Oslo"),
        }
    )


@pytest.fixture
def folder(tmp_path, monkeypatch, frame):
    monkeypatch.chdir(tmp_path)
    frame.to_csv("data.csv", index=False)
    return tmp_path


def train(*more, target="bought", drop="price"):
    return main(["train", "data.csv", "--target", target, "--drop", drop, "--out", "m.lamina", "--quiet", "--model",
                 "network", *more])  # fmt: skip


def test_classification_from_csv_to_predictions(folder, frame, capsys):
    assert train("--epochs", "150", "--lr", "0.01", "--plot", "curves.svg") == 0
    printed = capsys.readouterr().out
    assert "classification: the target 'bought': its values are text, 2 different ones" in printed
    for word in ("accuracy", "always", "precision", "recall", "F1", "curves.svg", "test rows"):
        assert word in printed
    assert "<svg" in (folder / "curves.svg").read_text()
    assert main(["predict", "m.lamina", "data.csv", "--proba", "--out", "out.csv"]) == 0
    assert "accuracy" in capsys.readouterr().err
    found = pd.read_csv("out.csv")
    assert found.columns.tolist() == ["prediction", "probability_no", "probability_yes"]
    assert (found["prediction"] == frame["bought"]).mean() > 0.85
    assert_allclose(found["probability_no"] + found["probability_yes"], 1, rtol=1e-5)
    assert main(["info", "m.lamina"]) == 0
    printed = capsys.readouterr().out
    assert "classification of 'bought'" in printed
    assert "classes: no, yes" in printed


def test_regression_in_the_units_of_the_target(folder, frame, capsys):
    assert train("--epochs", "150", "--lr", "0.01", target="price", drop="bought") == 0
    printed = capsys.readouterr().out
    assert "regression: the target 'price': its values are decimal numbers" in printed
    for word in ("R2", "RMSE", "MAE", "mean of training", "m.png"):
        assert word in printed
    frame.drop(columns="price").to_csv("new.csv", index=False)
    assert main(["predict", "m.lamina", "new.csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "prediction"
    found = np.array(lines[1:], dtype=float)
    assert regression_scores(frame["price"], found)["R2"] > 0.9


def test_same_seed_same_bits(folder):
    networks = []
    for threads in ("1", "2"):
        assert train("--epochs", "5", "--seed", "7", "--threads", threads) == 0
        networks.append(lamina.load("m.lamina"))
    assert networks[0].metadata == networks[1].metadata
    for name, weight in networks[0].parameters.items():
        assert_array_equal(weight, networks[1].parameters[name])


def test_missing_values_are_refused_or_imputed(folder, frame, capsys):
    gaps = frame.astype({"age": float})
    gaps.loc[:4, "age"] = np.nan
    gaps.loc[3:9, "city"] = np.nan
    gaps.loc[10, "bought"] = np.nan
    gaps.to_csv("data.csv", index=False)
    assert train() == 2
    assert "target 'bought' (1 of 240)" in capsys.readouterr().err
    gaps.drop(index=10).to_csv("data.csv", index=False)
    assert train() == 2
    error = capsys.readouterr().err
    assert "'age' (5 of 239), 'city' (7 of 239)" in error
    assert "--impute" in error
    gaps.to_csv("data.csv", index=False)
    for how in ("mean", "median", "most_frequent"):
        assert train("--impute", how, "--epochs", "3") == 0
        assert "1 of 240 rows" in capsys.readouterr().out
    # A column that was whole in training is filled too.
    frame.assign(income=np.nan).to_csv("new.csv", index=False)
    assert main(["predict", "m.lamina", "new.csv"]) == 0


def test_unknown_categories_are_zeros_and_said(folder, frame, capsys):
    assert train("--epochs", "3") == 0
    frame.assign(city="Bonn").to_csv("new.csv", index=False)
    capsys.readouterr()
    assert main(["predict", "m.lamina", "new.csv"]) == 0
    assert "240 rows with categories unknown to the model ('Bonn')" in capsys.readouterr().err


def test_demo(folder, capsys):
    assert main(["demo", "--out", "digits.png"]) == 0
    printed = capsys.readouterr().out
    accuracy = float(re.search(r"([\d.]+)%", printed)[1])
    assert accuracy >= 97
    for word in ("training time", "epochs", "stopped by", "digits.png"):
        assert word in printed
    assert (folder / "digits.png").read_bytes().startswith(b"\x89PNG")


def test_info(capsys):
    assert main(["info"]) == 0
    printed = capsys.readouterr().out
    assert lamina.__version__ in printed
    assert lamina.simd_level() in printed


OWN = ["--model", "network"]
BAD = {
    "no file": (["train", "none.csv", "--target", "bought", "--out", "m"], "there is no file 'none.csv'"),
    "no target": (["train", "data.csv", "--target", "boght", "--out", "m"], "no column 'boght'; near: bought"),
    "separator": (["train", "data.csv", "--target", "x", "--out", "m", "--separator", ";"], "one column alone"),
    "activation": (["train", "data.csv", "--target", "bought", "--out", "m", "--activation", "rellu"], "near: relu"),
    "hidden": (["train", "data.csv", "--target", "bought", "--out", "m", "--hidden", "a"], "whole numbers"),
    "text": (["train", "data.csv", "--target", "city", "--task", "regression", "--out", "m"], "is text"),
    "shares": (["train", "data.csv", "--target", "city", "--out", "m", *OWN, "--test", "0.95"], "no row to train on"),
    "rate": (["train", "data.csv", "--target", "city", "--out", "m", "--lr", "0"], "not above 0"),
    "no model": (["predict", "none.lamina", "data.csv"], "none.lamina"),
    "not a model": (["predict", "data.csv", "data.csv"], "data.csv"),
    "empty": (["train", "empty.csv", "--target", "a", "--out", "m"], "empty.csv is empty: it has no header line"),
    "header": (["train", "header.csv", "--target", "a", "--out", "m"], "0 rows"),
    "one class": (["train", "one.csv", "--target", "a", "--task", "classification", "--out", "m"], "one value alone"),
    "infinite": (["train", "inf.csv", "--target", "a", "--out", "m", *OWN], "'b' has values that are infinite"),
    "folder": (["train", "data.csv", "--target", "bought", "--quiet", "--epochs", "1", "--out", "no/m"], "no"),
    "command": (["trian"], "trian"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_code_2(folder, case, capsys):
    (folder / "empty.csv").write_text("")
    (folder / "header.csv").write_text("a,b\n")
    (folder / "one.csv").write_text("a,b\n" + "1,2\n" * 9)
    (folder / "inf.csv").write_text("a,b\n" + "0,2\n1,3\n" * 9 + "0,inf\n")
    arguments, message = BAD[case]
    try:
        code = main(arguments)
    except SystemExit as error:
        code = error.code
    lines = capsys.readouterr().err.strip().splitlines()
    assert code == 2
    assert len(lines) == 1
    assert message in lines[0]


def test_damage_and_other_tables_are_refused(folder, frame, capsys):
    assert train("--epochs", "1") == 0
    for name, table in {
        "less.csv": frame.drop(columns=["age"]),
        "text.csv": frame.assign(age="old"),
        "gap.csv": frame.assign(age=np.nan),
        "none.csv": frame[:0],
    }.items():
        table.to_csv(name, index=False)
    capsys.readouterr()
    for name, message in {
        "less.csv": "no column 'age'",
        "text.csv": "'age' holds numbers in the model; here it has 'old'",
        "gap.csv": "missing values in 'age' (240 of 240)",
        "none.csv": "no row to predict",
    }.items():
        assert main(["predict", "m.lamina", name]) == 2
        assert message in capsys.readouterr().err
    network = lamina.Network([lamina.Dense(2)], n_inputs=3, loss="cross_entropy")
    network.save("bare.lamina")
    assert main(["predict", "bare.lamina", "data.csv"]) == 2
    assert "was not made by `lamina train`" in capsys.readouterr().err
    assert main(["info", "bare.lamina"]) == 0


def test_installed_command_and_version():
    code = "import sys; from lamina.cli import main; sys.exit(main(['--version']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"lamina {lamina.__version__}"


EXTRAS = [("pandas", '"pandas>=2"'), ("rich", '"rich>=13"'), ("matplotlib", '"matplotlib>=3.7"')]


@pytest.mark.parametrize(("missing", "wanted"), EXTRAS)
def test_a_missing_extra_is_named(missing, wanted):
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from lamina.cli import main; sys.exit(main(['train', 'a.csv', '--target', 'b', '--out', 'c']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"install with: pip install {wanted}\n" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_what_pip_is_asked_for_is_what_the_package_needs():
    """In one place, since a message must be right in a checkout, where no extra of an index is."""
    project = Path(__file__).parents[1] / "pyproject.toml"
    if not project.is_file():
        pytest.skip("the sources are not here")
    for requirement in REQUIREMENTS.values():
        assert f'"{requirement.replace(">=", " >=")}"' in project.read_text()
    for path in Path(lamina.__file__).parent.rglob("*.py"):
        assert "pip install" not in path.read_text() or path.name == "extras.py", path


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b", "a"], "classification"),
        ([True, False, True], "classification"),
        ([0, 1, 0], "classification"),
        ([0, 1, 2] * 10, "classification"),
        (list(range(30)), "regression"),
        ([0, 1, 2, 3], "regression"),
        ([0.0, 1.0, 0.0], "regression"),
    ],
)
def test_task_detection(values, task):
    assert detect_task(pd.Series(values))[0] == task


def test_table_survives_json(frame):
    table, notes = Table.fit(frame.drop(columns=["bought", "price"]), "median")
    assert notes == []
    target = Target.fit(frame["bought"], "classification")
    text = table.to_json(target, "classification")
    assert json.loads(text)["task"] == "classification"
    again, target_again, task = Table.from_json(text)
    assert (again, target_again, task) == (table, target, "classification")
    inputs, _ = again.transform(frame)
    assert inputs.shape == (ROWS, table.n_inputs) == (ROWS, 1 + 1 + 3 + 1)
    assert inputs.dtype == np.float32
    assert_allclose(inputs[:, 2:5].sum(axis=1), 1)
    assert_allclose(inputs[:, 0], frame["age"])
    assert (target.decode(np.eye(2)[target.encode(frame["bought"])]) == frame["bought"]).all()
    with pytest.raises(TableError, match="damaged"):
        Table.from_json("{}")


def test_columns_that_cannot_help_are_left_out():
    many = pd.DataFrame({"id": [f"n{i}" for i in range(99)], "empty": np.nan, "x": range(99)})
    table, notes = Table.fit(many)
    assert [column.name for column in table.columns] == ["x"]
    assert any("99 different texts" in line for line in notes)
    assert any("empty" in line for line in notes)
    with pytest.raises(TableError, match="no column is left"):
        Table.fit(many[["id"]])


def test_scores_agree_with_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    truth, found = rng.integers(0, 3, 50), rng.integers(0, 4, 50)
    wanted = metrics.precision_recall_fscore_support(truth, found, labels=range(5), zero_division=0)
    scores = classification_scores(truth, found, 5)
    for name, values in zip(("precision", "recall", "f1", "rows"), wanted, strict=True):
        assert_allclose(scores[name], values)
    assert scores["accuracy"] == metrics.accuracy_score(truth, found)
    t, y = rng.random(20), rng.random(20)
    assert_allclose(regression_scores(t, y)["R2"], metrics.r2_score(t, y))
    assert_allclose(regression_scores(t, y)["MAE"], metrics.mean_absolute_error(t, y))


def test_learning_curves_are_labelled(tmp_path):
    X = np.random.default_rng(0).random((60, 3))
    network = lamina.Network([lamina.Dense(4, activation="tanh"), lamina.Dense(1)], n_inputs=3, loss="squared_error")
    history = network.fit(X, X[:, 0], epochs=5, validation=0.2)
    axes = learning_curves(history, path=tmp_path / "curves.png")
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels[:2] == ["training loss", "validation loss"]
    assert labels[2].startswith(f"best epoch: {history.best_epoch}")
    assert axes.get_xlabel() == "epoch"
    assert str(history.stop_reason) in axes.get_title()
    assert (tmp_path / "curves.png").stat().st_size > 1000
    without = network.fit(X, X[:, 0], epochs=1, validation=None, early_stopping=None)
    assert len(learning_curves(without).lines) >= 1


def test_parts_of_few_rows_are_warned_of(folder, frame, capsys):
    warning = "warning: of 3 rows 1 for validation and 1 for test: so few tell little"
    frame.head(3).to_csv("data.csv", index=False)
    assert train("--epochs", "2", "--impute", "mean", target="price", drop="bought") == 0
    assert warning in capsys.readouterr().out
    frame.to_csv("data.csv", index=False)
    assert train("--epochs", "2", "--impute", "mean", target="price", drop="bought") == 0
    assert "tell little" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        *(["train", "data.csv", "--target", "bought", option, ""] for option in
          ("--out", "--report", "--plot", "--test", "--checkpoint")),
        ["train", "", "--target", "bought"],
        ["predict", "", "data.csv"],
        ["predict", "m.lamina", ""],
        ["predict", "m.lamina", "data.csv", "--out", ""],
        ["info", ""],
        ["demo", "--out", ""],
    ],
    ids=" ".join,
)  # fmt: skip
def test_the_name_of_a_file_is_not_empty(words, folder, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "must not be empty" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["data.csv"]


def test_the_empty_columns_that_were_left_out_may_be_named(folder, frame, capsys):
    lines = Path("data.csv").read_text().splitlines()
    Path("data.csv").write_text("\n".join(f"{line},,,,,,,," for line in lines) + "\n")
    assert train("--drop", "Unnamed: 6,Unnamed: 9", "--text", "Unnamed: 7", "--epochs", "2") == 0
    assert "left out are 8 columns without a name and without a value" in capsys.readouterr().out
    assert train("--drop", "Unnamed: 99", "--force") == 2
    assert "the table has no column 'Unnamed: 99'" in capsys.readouterr().err
