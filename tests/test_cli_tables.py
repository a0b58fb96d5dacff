"""Tables and models of the command line: what is trained on what, its report, and files of columns."""

import datetime
import gzip
import io
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lamina
from lamina.cli import main
from lamina.cli.arguments import METRICS, build_parser
from lamina.cli.cells import CellRules
from lamina.cli.reading import read_as_trained
from lamina.report import is_report

ROWS = 240
NETWORK = ["--model", "network", "--epochs", "30", "--lr", "0.01"]
TABULAR = ["--model", "tabular", "--preset", "fast"]
KINDS = {"network": NETWORK, "tabular": TABULAR}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pyarrow")


def table(seed=0, rows=ROWS):
    rng = np.random.default_rng(seed)
    age, city = rng.integers(18, 80, rows), rng.choice(["Oslo", "Paris", "Rome"], rows)
    income = rng.lognormal(10, 0.5, rows).round(2)
    return pd.DataFrame(
        {
            "age": age,
            "income": income,
            "city": city,
            "member": rng.random(rows) > 0.5,
            "bought": np.where((age > 45) ^ (city == "Rome"), "yes", "no"),
            "price": (2e5 + income + 500 * age + 2e4 * (city == "Oslo") + rng.normal(0, 500, rows)).round(2),
        }
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table().to_csv("data.csv", index=False)
    return tmp_path


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def train(*more, data="data.csv", target="bought", drop="price", out="m.lamina", code=0):
    words = ["train", data, "--target", target, "--out", out, "--quiet", *(["--drop", drop] if drop else [])]
    assert main([*words, *more]) == code


def predictions(model="m.lamina", data="data.csv", *more):
    assert main(["predict", model, data, "--out", "p.csv", *more]) == 0
    return pd.read_csv("p.csv")


@pytest.mark.parametrize(("target", "drop"), [("bought", "price"), ("price", "bought")])
def test_a_report_of_every_kind(folder, kind, target, drop, capsys):
    train(*kind, "--report", "r.html", target=target, drop=drop)
    assert "report: r.html" in capsys.readouterr().out
    made = (folder / "r.html").read_bytes()
    assert is_report(made[:256])
    text = made.decode()
    for word in ("Scores", "Learning curves", "The data", "data.csv", "left out", "48 test", "without a model"):
        assert word in text
    assert ("Confusion matrix" in text) == ("Calibration" in text) == (target == "bought")
    assert ("Residuals" in text) == (target == "price")
    train(*kind, "--report", "r.html", target=target, drop=drop)  # over one of its own
    Path("mine.html").write_text("<!doctype html>\n<html><body>mine</body></html>")
    train(*kind, "--report", "mine.html", target=target, drop=drop, code=2)
    assert "exists and holds no report of lamina's" in capsys.readouterr().err
    train(*kind, "--report", "data.csv", target=target, drop=drop, code=2)
    assert "is the file data.csv that is read" in capsys.readouterr().err
    train(*kind, "--report", "m.lamina", target=target, drop=drop, code=2)
    assert "written over the model" in capsys.readouterr().err


def test_a_checkpoint_goes_on(folder, monkeypatch, capsys):
    options = [*TABULAR, "--folds", "3", "--checkpoint", "run.checkpoint"]
    train(*TABULAR, "--folds", "3", out="whole.lamina")
    fit, made = lamina.Network.fit, []

    def broken_off(self, *args, **kwargs):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(self)
        return fit(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(lamina.Network, "fit", broken_off)
        train(*options, "--threads", "1", code=130)
    assert 0 < len(made) < 6
    capsys.readouterr()
    train(*options, "--report", "report.html")
    assert re.search(r"3 networks in \d+\.\d\d s since it was resumed, best", capsys.readouterr().out)
    assert re.search(r"\d s since it was resumed<", Path("report.html").read_text())
    with monkeypatch.context() as patch:
        patch.setattr(lamina.Network, "fit", lambda *_, **__: pytest.fail("nothing is to be trained"))
        train(*options, out="again.lamina")
    models = [lamina.load(name).networks_ for name in ("whole.lamina", "m.lamina", "again.lamina")]
    assert len(models[0]) == 3
    for nets in zip(*models, strict=True):
        for name, array in nets[0].parameters.items():
            assert all(np.array_equal(net.parameters[name], array) for net in nets[1:])
    train(*options, "--seed", "1", code=2)
    said = capsys.readouterr().err
    assert "run.checkpoint is of another training: --seed was 0 there and is 1 here; name another file" in said
    assert "name another file, or remove it to begin anew" in said
    train(*options[:-1], "m.lamina", out="other.lamina", code=2)
    assert "m.lamina exists and holds no checkpoint of lamina's" in capsys.readouterr().err


def test_a_checkpoint_of_the_other_kind_of_model_is_refused(folder, kind, capsys):
    other = next(each for each in (TABULAR, NETWORK) if each is not kind)
    train(*kind, "--checkpoint", "kept")
    before = (folder / "kept").read_bytes()
    capsys.readouterr()
    train(*other, "--checkpoint", "kept", "--force", code=2)
    assert re.search(r"--checkpoint kept is one of a \w+ model, and this is a \w+ model; name", capsys.readouterr().err)
    assert (folder / "kept").read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"a diary", None])
def test_force_gives_up_what_is_in_the_checkpoints_place(folder, kind, content):
    train(*kind)
    whole = lamina.load("m.lamina")
    (folder / "kept").write_bytes((folder / "m.lamina").read_bytes() if content is None else content)
    train(*kind, "--checkpoint", "kept", "--force", out="again.lamina")
    again = lamina.load("again.lamina")
    for own, net in zip(*(getattr(model, "networks_", [model]) for model in (whole, again)), strict=True):
        assert all((own.parameters[name] == array).all() for name, array in net.parameters.items())
    assert b"heckpoint" in (folder / "kept").read_bytes()[:256]


def test_a_test_file_of_other_rows(folder, kind, capsys):
    other = table(1, 100)
    other.drop(columns=["price", "member"]).assign(member=np.where(other.member, "TRUE", "FALSE")).to_csv(
        "other.csv", index=False, sep=";", decimal=","
    )
    train(*kind, "--test", "other.csv")
    said = capsys.readouterr().out
    assert "test rows, other.csv: read as: ';' separated" in said
    assert "Results on 100 test rows" in said
    accuracy = float(next(line for line in said.splitlines() if "accuracy" in line).split("│")[2])
    assert accuracy == pytest.approx((predictions(data="other.csv")["prediction"] == other["bought"]).mean(), abs=1e-4)
    for same in ("data.csv", "./data.csv", str(Path("data.csv").resolve())):
        train(*kind, "--test", same, code=2)
        assert f"--test {same} is the table that is trained on" in capsys.readouterr().err
    train(*kind, "--test", "other.csv", out="other.csv", code=2)
    assert "is the file other.csv that is read" in capsys.readouterr().err
    for change, message in {
        "age": "other.csv has no column 'age', which data.csv has",
        "bought": "other.csv has no column 'bought'",
    }.items():
        other.drop(columns=change).to_csv("other.csv", index=False)
        train(*kind, "--test", "other.csv", code=2)
        assert message in capsys.readouterr().err
    other.assign(bought="perhaps").to_csv("other.csv", index=False)
    train(*kind, "--test", "other.csv", code=2)
    assert "other.csv has the class 'perhaps' of the target, which data.csv has not" in capsys.readouterr().err
    train(*kind, "--test", "none.csv", code=2)
    assert "there is no file 'none.csv'" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("name", ["member", "bought"])
def test_a_test_file_has_true_and_false_where_the_table_has(folder, kind, suffix, name, capsys):
    def written(frame, path):
        frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)

    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    own, other = table(), table(1, 100)
    for frame in (own, other):
        frame["bought"] = frame["bought"] == "yes"
    written(own, f"data.{suffix}")
    words = [*kind, "--test", f"other.{suffix}"]
    for values in (other[name].astype(int), other[name].astype(float)):
        written(other.assign(**{name: values}), f"other.{suffix}")
        train(*words, data=f"data.{suffix}")
    for values, shown in ((np.arange(100) % 3, "2"), (np.where(np.arange(100) % 2, 2.5, np.nan), "2.5")):
        written(other.assign(**{name: values}), f"other.{suffix}")
        capsys.readouterr()
        train(*words, data=f"data.{suffix}", code=2)
        said = f"column {name!r} holds true and false in data.{suffix}; other.{suffix} has {shown} there"
        assert said in capsys.readouterr().err
        train(*words, "--drop", name, data=f"data.{suffix}", code=0 if name == "member" else 2)


def test_test_rows_that_are_trained_on_are_told_of(folder, kind, capsys):
    own, other = table(), table(1, 100)
    for frame, known in ((own, 240), (pd.concat([own[:30], other]), 30), (other, 0)):
        frame.to_csv("other.csv", index=False)
        train(*kind, "--test", "other.csv", "--report", "r.html", drop="member")
        words = f"{known} of {len(frame)} test rows of other.csv are rows of data.csv, too"
        assert (f"warning: {words}" in capsys.readouterr().out) == (known > 0)
        assert (words in Path("r.html").read_text()) == (known > 0)
    few = pd.DataFrame({"city": own["city"], "bought": own["bought"]})  # all of them come again and again
    few[:120].to_csv("data.csv", index=False)
    few[120:].to_csv("other.csv", index=False)
    train(*kind, "--test", "other.csv", drop="")
    assert "are rows of" not in capsys.readouterr().out


def test_scores_on_the_terminal_are_those_of_scikit_learn(folder, kind, capsys):
    """A class without a test row, which is not predicted either, has no part in the mean of the F1."""
    from sklearn.metrics import f1_score, log_loss, roc_auc_score

    frame, other = table(), table(1, 100)
    frame.loc[:9, ["bought", "age"]] = ["never", 300]
    frame.to_csv("data.csv", index=False)
    other.to_csv("other.csv", index=False)
    train(*kind, "--test", "other.csv")
    said = capsys.readouterr().out
    assert main(["predict", "m.lamina", "other.csv", "--out", "p.csv", "--proba"]) == 0
    again, found = capsys.readouterr().err, pd.read_csv("p.csv")
    probabilities = found[[f"probability_{label}" for label in ("never", "no", "yes")]].to_numpy()
    truth = other["bought"]
    for title, wanted in {
        "accuracy": (found["prediction"] == truth).mean(),
        "F1, mean of the classes": f1_score(truth, found["prediction"], average="macro"),
        "log loss": log_loss(
            truth, probabilities / probabilities.sum(axis=1, keepdims=True), labels=["never", "no", "yes"]
        ),
        "AUC": np.mean([roc_auc_score(truth == label, found[f"probability_{label}"]) for label in ("no", "yes")]),
    }.items():
        for printed in (said, again):
            line = next(line for line in printed.splitlines() if f"│ {title} " in line)
            assert float(line.split("│")[2]) == pytest.approx(wanted, rel=1e-3)


def test_the_metrics_that_may_be_asked_for_are_those_of_the_estimators():
    from lamina.tabular.recipe import METRICS as OF_TARGETS

    tasks = {"classes": "classification", "numbers": "regression"}
    assert {name: tasks[target] for target, names in OF_TARGETS.items() for name in names} == METRICS
    for name, task in METRICS.items():
        assert tasks[lamina.metrics.get(name).targets] == task


REFUSED = {
    ("--folds", "240"): "--folds must be at most the number of rows that count, 192; got 240",
    ("--validation", "0", "--metric", "auc"): "--metric auc needs something to validate on; --validation 0",
    ("--target", "price", "--class-weight", "balanced"): "--class-weight needs classes; the target 'price' is one of",
    ("--text", "nothing"): "there is no column 'nothing' to read as text",
}


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_errors_and_warnings_speak_of_options(folder, words, capsys):
    train(*TABULAR, *words, code=2, drop="")
    said = capsys.readouterr()
    assert REFUSED[words] in said.err
    assert not re.search(PYTHONS, said.err + said.out)


PYTHONS = r"n_folds|validation=|validation is|n_members|class_weight|sample_weight|_features|metric=|\bX\b|\by has"


def test_what_training_warns_of_is_in_the_report(folder, capsys):
    frame = table()[:24]
    frame.loc[3, "price"] = 1e12
    frame.to_csv("data.csv", index=False)
    train(*TABULAR, "--test", "0", "--validation", "0.04", "--report", "r.html", target="price", drop="")
    said, page = capsys.readouterr().out, Path("r.html").read_text()
    for words in ("the target has 1 value far from all others", "Give --validation 0 to learn all, or --folds"):
        assert words in said
        assert words in page
    assert not re.search(PYTHONS, said)


def test_weights_by_a_column(folder, kind, capsys):
    frame = table()
    # Half of the rows have the other class, and count nothing.
    wrong = np.arange(ROWS) % 2 == 0
    frame["bought"] = np.where(wrong, np.where(frame.bought == "yes", "no", "yes"), frame.bought)
    frame.assign(counts=np.where(wrong, 0, 2)).to_csv("data.csv", index=False)
    train(*kind, "--weights", "counts", "--test", "0", "--report", "r.html")
    found = predictions()["prediction"]
    assert (found == table()["bought"]).mean() > 0.8
    for column, message in {"city": "must be a column of numbers", "nothing": "no column 'nothing'",
                            "bought": "is the target, or left out"}.items():  # fmt: skip
        train(*kind, "--weights", column, code=2)
        assert message in capsys.readouterr().err
    for bad in (-1, np.nan):
        frame.assign(counts=np.where(wrong, bad, 2)).to_csv("data.csv", index=False)
        train(*kind, "--weights", "counts", code=2)
        assert "must have a number in each row, none below 0" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_columns_are_kept_beside_predictions(folder, kind, suffix, capsys):
    """As they are written, whatever they hold, those of the model among them."""
    train(*kind)
    data = f"new.{suffix}"
    frame = table(3, 20).assign(customer=[f"{i:05d}, {i}" for i in range(20)])[::-1].reset_index(drop=True)
    if suffix == "csv":
        frame.to_csv(data, index=False)
    else:
        pytest.importorskip("pyarrow")
        frame.to_parquet(data)
    plain = predictions("m.lamina", data)
    found = predictions("m.lamina", data, "--keep", "customer,income", "--proba", "--force")
    assert found.columns.tolist() == ["customer", "income", "prediction", "probability_no", "probability_yes"]
    assert found["customer"].tolist() == frame["customer"].tolist()
    assert found["income"].tolist() == frame["income"].tolist()
    assert found["prediction"].tolist() == plain["prediction"].tolist()
    for column, message in {"nothing": "--keep nothing: the table has no column 'nothing'",
                            "prediction": "--keep prediction has the name of a column of the"}.items():  # fmt: skip
        frame.assign(prediction=1).to_csv("other.csv", index=False)
        assert main(["predict", "m.lamina", "other.csv", "--keep", column, "--out", "p.csv", "--force"]) == 2
        assert message in capsys.readouterr().err
    # A table with columns of the user's is not replaced as one of lamina's own.
    assert main(["predict", "m.lamina", data, "--out", "p.csv"]) == 2
    assert "holds no predictions of lamina's" in capsys.readouterr().err


def test_ids_and_leaks_are_warned_of(folder, kind, capsys):
    frame = table()
    frame.assign(customer=np.arange(ROWS) + 1000, paid=(frame.bought == "yes") * 9.99).to_csv("data.csv", index=False)
    train(*kind, "--report", "r.html")
    said = capsys.readouterr().out
    assert (
        "warning: column 'customer' counts the rows; if it is an id of the rows, leave it out by --id customer" in said
    )
    assert "warning: column 'paid' alone tells the class of 100.0% of the rows; " in said
    assert "Look at this first" in Path("r.html").read_text()
    train(*kind, "--id", "customer,paid")
    assert "warning: column" not in capsys.readouterr().out
    assert len(predictions(data="data.csv")) == ROWS


def test_which_kind_of_model_options_ask_for(folder, capsys):
    for words, kind in {(): "tabular", ("--folds", "2"): "tabular", ("--hidden", "4"): "network",
                        ("--model", "network"): "network"}.items():  # fmt: skip
        train(*words, *(["--preset", "fast"] if kind == "tabular" else ["--epochs", "2"]))
        assert hasattr(lamina.load("m.lamina"), "encoder_") == (kind == "tabular")
    for words, message in {
        ("--folds", "3", "--hidden", "4"): "--folds is an option of a tabular model, and --hidden asks for a network",
        ("--model", "network", "--time", "3"): "--time is an option of a tabular model, and --model network asks",
        ("--model", "tabular", "--l2", "0.1"): "--l2 is an option of a network model, and --model tabular asks for a",
        ("--metric", "rmse"): "--metric rmse is none of classification: error, log_loss, auc",
        ("--folds", "3", "--validation", "0.2"): "--folds and --validation both say",
    }.items():
        train(*words, code=2)
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit):
        train("--test", "1.5")
    assert "1.5 is not at least 0 and below 1, and no file (./1.5 is one)" in capsys.readouterr().err


def test_metrics_are_those_of_tabular_models():
    from lamina.tabular.recipe import METRICS as known

    by_task = {"classification": known["classes"], "regression": known["numbers"]}
    assert {name: task for task, names in by_task.items() for name in names} == METRICS


@pytest.mark.parametrize(
    ("data", "model"),
    [("data.csv", "data"), ("data.csv.gz", "data"), ("a b.tsv", "a b"), ("-", "model"), ("../x/t.parquet", "t"),
     ("v1.2.csv", "v1.2"), ("table", "table")],
)  # fmt: skip
def test_the_name_of_a_model_that_is_not_said(data, model):
    from lamina.cli.train import name_of_the_model

    assert build_parser().parse_args(["train", data, "--target", "y"]).out is None
    assert name_of_the_model(data) == f"{model}.lamina"


def test_the_command_of_the_documentation(folder):
    assert main(["train", "data.csv", "--target", "bought", "--quiet"]) == 0
    assert (folder / "data.lamina").is_file()
    assert (folder / "data.png").is_file()


# Tabular models ---------------------------------------------------------------------------------------------------


def awkward(rows=ROWS):
    """A table with everything that people have in one: gaps, dates, codes, units, a constant and an empty column."""
    rng = np.random.default_rng(5)
    frame = table(rows=rows)
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 700, rows), "D")
    frame["when"] = when.strftime("%Y-%m-%d")
    frame["code"] = [f"{code:03}" for code in rng.integers(0, 12, rows)]
    frame["share"] = [f"{share:.1f}%" for share in rng.random(rows) * 100]
    frame["always"], frame["never"] = 1, None
    frame["member"] = np.where(frame.member, "TRUE", "FALSE")
    for number, name in enumerate(["age", "city", "member", "when", "code", "share"]):
        frame[name] = frame[name].astype(object)
        frame.loc[rng.choice(rows, 20, replace=False), name] = (
            ["", "NA"][number % 2] if name in ("age", "share") else ""
        )
    return frame


@pytest.mark.parametrize(("target", "drop"), [("bought", "price"), ("price", "bought")])
def test_a_table_with_everything_in_it(folder, target, drop, capsys):
    awkward().to_csv("data.csv", index=False)
    train(*TABULAR, target=target, drop=drop)
    said = capsys.readouterr().out
    assert "note: column 'never' is left out: all of its values are missing" in said
    assert "note: column 'always' is left out: it has one value alone" in said
    more = ["--proba"] if target == "bought" else ["--interval", "0.8"]
    found = predictions("m.lamina", "data.csv", *more)
    # The same bits in a new process, and from Python on the frame that is read.
    command = [sys.executable, "-m", "lamina", "predict", "m.lamina", "data.csv", *more]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == Path("p.csv").read_text()
    model = lamina.load("m.lamina")
    if target == "bought":
        assert found.columns.tolist() == ["prediction", "probability_no", "probability_yes"]
        assert (found["prediction"] == awkward()["bought"]).mean() > 0.85
        assert model.classes_.tolist() == ["no", "yes"]
    else:
        assert found.columns.tolist() == ["prediction", "low", "high"]
        inside = found["low"].le(table()["price"]) & found["high"].ge(table()["price"])
        assert 0.7 < inside.mean() <= 1
    predictions("m.lamina", "data.csv", *more)  # over what it wrote
    kinds = dict(zip(model.encoder_.names, (column.kind for column in model.encoder_.columns), strict=True))
    assert kinds["when"] == "datetime"
    assert kinds["code"] == "category"
    assert kinds["share"] == kinds["age"] == "number"
    # Columns in another order, one that is not used gone, new categories.
    other = awkward().assign(city="Bonn").drop(columns=["never", target])
    other[other.columns[::-1]].to_csv("other.csv", index=False)
    capsys.readouterr()
    assert len(predictions("m.lamina", "other.csv")) == ROWS
    assert "column 'city': 240 rows with categories unknown to the model ('Bonn'); taken as missing" in (
        capsys.readouterr().err
    )
    for change, message in {"age": "no column 'age', which the model was", "when": "no column 'when'"}.items():
        other.drop(columns=change).to_csv("less.csv", index=False)
        assert main(["predict", "m.lamina", "less.csv"]) == 2
        assert message in capsys.readouterr().err
    for change, message in {
        "age": "column 'age' holds numbers in the model; here it has 'x' in line 2",
        "when": "column 'when' held dates in training; got text",
    }.items():
        other.assign(**{change: "x"}).to_csv("less.csv", index=False)
        assert main(["predict", "m.lamina", "less.csv"]) == 2
        assert message in capsys.readouterr().err
    assert main(["info", "m.lamina"]) == 0
    said = capsys.readouterr().out
    assert f"of {target!r}" in said
    assert "left out" in said


def test_codes_that_are_to_be_text_stay_categories(folder):
    table().assign(area=np.arange(ROWS) % 7 + 100).to_csv("data.csv", index=False)
    for words, kind in {(): "number", ("--text", "area"): "category"}.items():
        train(*TABULAR, *words)
        encoder = lamina.load("m.lamina").encoder_
        assert encoder.columns[encoder.names.index("area")].kind == kind
        assert len(predictions()) == ROWS


@pytest.mark.parametrize(
    ("labels", "spelled"),
    [((True, False), ("TRUE", "FALSE")), ((0, 1), ("0.0", "1.0")), ((3, 7), ("3", "7")), (("01", "2"), ("01", "2"))],
)
def test_labels_come_back_as_they_are_written(folder, labels, spelled):
    frame = table()
    frame["bought"] = np.where(frame.bought == "yes", *spelled)
    frame.to_csv("data.csv", index=False)
    train(*TABULAR)
    predictions()
    assert set(Path("p.csv").read_text().split()[1:]) == set(spelled)
    assert set(lamina.load("m.lamina").classes_.tolist()) == set(labels)


def test_folds_are_reported_with_their_spread(folder, capsys):
    train(*TABULAR, "--folds", "3", "--metric", "log_loss", "--report", "r.html", "--test", "0")
    said = capsys.readouterr().out
    assert "3 networks in " in said
    assert "Results on 240 validation rows" in said  # by models that have not seen them
    text = Path("r.html").read_text()
    for words in ("in 3 folds", "Each of the 3 folds", "240 training", "240 validation rows", "3 fits"):
        assert words in text
    assert "lower is better; chosen by it" in text
    assert len(lamina.load("m.lamina").networks_) == 3


def test_the_same_seed_is_the_same_model(folder):
    files = []
    for threads, seed in (("1", "7"), ("2", "7"), ("1", "8")):
        train(*TABULAR, "--seed", seed, "--threads", threads)
        model = lamina.load("m.lamina")
        files.append(np.concatenate([view.ravel() for view in model.networks_[0].parameters.values()]))
    np.testing.assert_array_equal(files[0], files[1])
    assert not np.array_equal(files[0], files[2])


def test_a_model_of_folds_says_which_held_a_row_out():
    X, y = table()[["age", "city", "income"]], table()["bought"]
    weights = np.ones(ROWS)
    weights[:10] = 0
    model = lamina.TabularClassifier("fast", epochs=3, n_folds=4, random_state=0).fit(X, y, sample_weight=weights)
    assert set(model.fold_[10:]) == {0, 1, 2, 3}
    assert set(model.fold_[:10]) == {-1}
    np.testing.assert_array_equal(model.fold_ < 0, np.isnan(model.out_of_fold_[:, 0]))
    inputs, targets = model.network_samples(X, y)
    found = np.mean([net.predict(inputs) for net in model.networks_], axis=0)
    assert (found.argmax(axis=1) == (model.predict(X) == "yes")).all()
    np.testing.assert_array_equal(targets, y == "yes")
    assert lamina.TabularClassifier("fast", epochs=3, validation=None).fit(X, y).fold_ is None


def test_a_limit_of_time_is_kept(folder):
    large = pd.concat([table(seed) for seed in range(60)])
    large.to_csv("data.csv", index=False)
    began = time.perf_counter()
    train("--model", "tabular", "--time", "1", "--threads", "1")
    assert time.perf_counter() - began < 30
    assert 0 < lamina.load("m.lamina").best_epoch_ < 128


def test_rows_without_a_target_are_left_out(folder, capsys):
    frame = table()
    frame.loc[:9, "bought"] = None
    frame.to_csv("data.csv", index=False)
    train(*TABULAR, "--report", "r.html")
    assert "note: left out for want of a target: 10 of 240 rows" in capsys.readouterr().out
    assert "left out for want of a target: 10 of 240 rows" in Path("r.html").read_text()


def test_what_a_model_cannot_give_is_refused(folder, capsys):
    train(*TABULAR)
    train(*TABULAR, target="price", drop="bought", out="n.lamina")
    train(*NETWORK, target="price", drop="bought", out="o.lamina")
    train(*TABULAR, "--validation", "0", target="price", drop="bought", out="v.lamina")
    capsys.readouterr()
    for words, message in {
        ("m.lamina", "--interval", "0.9"): "--interval needs a tabular model of numbers; this one predicts classes",
        ("o.lamina", "--interval", "0.9"): "this one is a network of its own layers",
        ("n.lamina", "--proba"): "--proba needs a model of classes",
        ("v.lamina", "--interval", "0.9"): "needs rows held out",
        ("n.lamina", "--interval", "0.9999"): "needs at least",
    }.items():
        assert main(["predict", words[0], "data.csv", *words[1:]]) == 2
        error = capsys.readouterr().err
        assert message in error.splitlines()[-1]
    model = lamina.load("n.lamina")
    for known in ({}, {"table": "{}"}, {"table": lamina.load("m.lamina").metadata_["table"]}):
        model.metadata_ = known
        model.save("n.lamina")
        assert main(["predict", "n.lamina", "data.csv"]) == 2
        assert ("damaged" if known else "was not made by `lamina train`") in capsys.readouterr().err


INTERRUPTED = """
import os, signal, sys, threading
from lamina.cli import main
from lamina.tabular import members

signal.signal(signal.SIGINT, signal.default_int_handler)
say, pressed = members.Overview.hook, []

def hook(self):
    own = say(self)
    def at_epoch(epoch):
        own(epoch)
        if epoch.epoch == 3 and not pressed:
            pressed.append(os.kill(os.getpid(), signal.SIGINT))
    return at_epoch

members.Overview.hook = hook
sys.exit(main(["train", "data.csv", "--target", "price", "--drop", "bought", "--out", "m.lamina", "--quiet",
               "--report", "r.html", *sys.argv[1:]]))
"""


@pytest.mark.parametrize("more", [[], ["--folds", "3"]])
def test_ctrl_c_saves_the_best_weights_of_a_tabular_model(folder, more):
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, *more], capture_output=True, text=True, check=False)
    assert done.returncode == 130, done.stderr
    assert "interrupted: the best weights so far, of epoch " in done.stderr
    assert "model: m.lamina" in done.stdout
    assert "interrupted: the best weights" in Path("r.html").read_text()
    assert len(predictions()) == ROWS


@pytest.mark.parametrize("command", [["train", "data.csv", "--target", "bought"], ["predict", "m.lamina", "data.csv"]])
def test_what_a_tabular_model_needs_is_named(folder, command):
    train(*TABULAR)
    code = f"import sys; sys.modules['narwhals'] = None\nfrom lamina.cli import main; sys.exit(main({command!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert 'install with: pip install "narwhals>=2"' in done.stderr.splitlines()[-1]


# Files of columns -------------------------------------------------------------------------------------------------


def in_columns(frame, path):
    if path.endswith(".parquet"):
        frame.to_parquet(path)
    elif path.endswith(".arrows"):
        import pyarrow

        made = pyarrow.Table.from_pandas(frame)
        with pyarrow.ipc.new_stream(path, made.schema) as stream:
            stream.write_table(made)
    else:
        frame.to_feather(path)


@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".arrows"])
def test_files_of_columns(folder, kind, suffix, capsys):
    pytest.importorskip("pyarrow")
    name = f"data{suffix}"
    in_columns(table(), name)
    train(*kind, out="text.lamina")
    train(*kind, data=name, out="columns.lamina")
    assert "read as: a" in capsys.readouterr().out
    whole = predictions("text.lamina")
    for model in ("text.lamina", "columns.lamina"):
        for data in ("data.csv", name):
            pd.testing.assert_frame_equal(predictions(model, data), whole)
    Path("packed.gz").write_bytes(gzip.compress(Path(name).read_bytes()))
    pd.testing.assert_frame_equal(predictions("text.lamina", "packed.gz"), whole)
    Path(f"cut{suffix}").write_bytes(Path(name).read_bytes()[:-20])
    capsys.readouterr()
    assert main(["predict", "text.lamina", f"cut{suffix}"]) == 2
    assert "cut short or damaged" in capsys.readouterr().err


def test_a_file_of_columns_through_the_standard_input(folder, kind, monkeypatch):
    pytest.importorskip("pyarrow")
    buffer = io.BytesIO()
    table().to_parquet(buffer)
    for words in (["train", "-", "--target", "bought", "--drop", "price", "--out", "m.lamina", "--quiet", *kind],
                  ["predict", "m.lamina", "-", "--out", "p.csv"]):  # fmt: skip
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(buffer.getvalue())))
        assert main(words) == 0
    assert len(pd.read_csv("p.csv")) == ROWS


def test_what_columns_in_files_may_hold(folder, capsys):
    pytest.importorskip("pyarrow")
    frame = table().assign(nested=[[1, 2]] * ROWS, empty=None, when=pd.Timestamp("2024-01-01"))
    frame["kind"] = pd.Categorical(frame["city"])
    frame.loc[3, "when"] = pd.NaT
    frame["member"] = [None] * 5 + frame["member"].tolist()[5:]
    frame.to_parquet("data.parquet")
    train(*TABULAR, data="data.parquet", code=2)
    assert "column 'nested' holds list" in capsys.readouterr().err
    train(*TABULAR, "--drop", "nested", data="data.parquet")
    assert len(predictions(data="data.parquet")) == ROWS
    for words, message in {
        ("--separator", ";"): "--separator is for tables of text; data.parquet is a Parquet file",
        ("--na", "x"): "--na is for tables of text",
        ("--text", "nothing"): "no column 'nothing' to read as text",
    }.items():
        train(*TABULAR, *words, "--drop", "nested", data="data.parquet", code=2)
        assert message in capsys.readouterr().err
    frame[:0].drop(columns="nested").to_parquet("data.parquet")
    train(*TABULAR, data="data.parquet", code=2)
    assert "0 rows" in capsys.readouterr().err


WRITTEN = {
    "a word among numbers": [*map(str, range(8)), "8+"],
    "a word among dates": [f"2024-01-{day:02}" for day in range(1, 10)] + ["soon"],
    "a code among numbers": [*map(str, range(10, 40)), "01"],
    "a date that is none": [f"2024-01-{day:02}" for day in range(1, 10)] + ["2024-02-30"],
}


@pytest.mark.parametrize("seed", ["0", "8", "9"])
@pytest.mark.parametrize("what", WRITTEN)
def test_all_rows_of_a_table_say_what_a_column_of_text_is(folder, what, seed):
    """Also where the odd one is in none of the rows that are trained on."""
    *usual, odd = WRITTEN[what]
    column = [usual[i % len(usual)] for i in range(ROWS)]
    column[7] = odd
    table().assign(written=column).to_csv("data.csv", index=False)
    train(*TABULAR, "--seed", seed)
    encoder = lamina.load("m.lamina").encoder_
    kinds = dict(zip(encoder.names, encoder.columns, strict=True))
    assert kinds["written"].kind == "category"
    assert kinds["written"].text
    assert len(predictions()) == ROWS


def test_digits_of_other_scripts_are_text(folder):
    digits = [chr(0xFF10 + i % 10) for i in range(ROWS)]
    table().assign(written=digits).to_csv("data.csv", index=False)
    train(*TABULAR)
    assert lamina.load("m.lamina").encoder_.columns[-1].categories == tuple(sorted(set(digits)))
    assert len(predictions()) == ROWS


def test_a_test_file_has_dates_where_the_table_has(folder, capsys):
    every = table().assign(when=[f"2024-01-{1 + i % 28:02}" for i in range(ROWS)])
    every[:200].to_csv("data.csv", index=False)
    every[200:].assign(when=[*every["when"][200:-1], "soon"]).to_csv("test.csv", index=False)
    train(*TABULAR, "--test", "test.csv", code=2)
    assert "column 'when' holds dates in data.csv; test.csv has text, such as 'soon'" in capsys.readouterr().err
    assert not Path("m.lamina").exists()


MOMENTS = {
    "nanoseconds": lambda i: pd.to_datetime(i * 86400 * 10**9 + 123456789),
    "offset": lambda i: pd.to_datetime([f"2024-01-{1 + day % 28:02}T10:00:00+01:00" for day in i]),
    "zone": lambda i: pd.to_datetime(i * 10**13).tz_localize("UTC").tz_convert("Europe/Berlin"),
    "days": lambda i: pd.to_datetime(i, unit="D").date,
    "durations": lambda i: pd.to_timedelta(i, unit="s"),
    "times": lambda i: [datetime.time(n % 24, n % 60) for n in i.tolist()],
    "truths with gaps": lambda i: [None if n % 7 == 0 else n % 2 == 0 for n in i.tolist()],
}


@pytest.mark.parametrize("what", MOMENTS)
def test_what_a_file_of_columns_says_itself_is_the_same_in_another(folder, what, kind, capsys):
    pytest.importorskip("pyarrow")
    rows = np.arange(ROWS)
    every = table().assign(when=MOMENTS[what](rows % 40))
    every[:200].to_parquet("data.parquet")
    every[200:].to_parquet("test.parquet")
    gaps = ["--impute", "most_frequent"] if kind is NETWORK else []
    train(*kind, *gaps, "--test", "test.parquet", data="data.parquet")
    found = predictions(data="test.parquet")
    if kind is TABULAR:
        model = lamina.load("m.lamina")
        np.testing.assert_array_equal(model.predict(every[200:]), found["prediction"])


def test_large_numbers_that_are_to_be_text_keep_their_digits(folder):
    pytest.importorskip("pyarrow")
    ids = [None if i % 5 == 0 else 2**60 + i % 2 for i in range(ROWS)]
    table().assign(id=pd.Series(ids, dtype="Int64")).to_parquet("data.parquet")
    train(*TABULAR, "--text", "id", data="data.parquet")
    model = lamina.load("m.lamina")
    assert model.encoder_.columns[-1].categories == (str(2**60), str(2**60 + 1))
    assert len(predictions(data="data.parquet")) == ROWS
    options = build_parser().parse_args(["predict", "m.lamina", "data.parquet"])
    reading = read_as_trained(options, [], ["id"], CellRules(), ())
    assert reading.frame["id"].tolist() == [None if each is None else str(each) for each in ids]


def test_texts_that_are_dates_may_be_dates_or_categories_in_a_file_of_columns(folder):
    pytest.importorskip("pyarrow")
    days = pd.Series(pd.to_datetime(np.arange(ROWS) % 40, unit="D"))
    table().assign(when=days.dt.date).to_csv("days.csv", index=False)
    train(*TABULAR, data="days.csv")
    whole = predictions(data="days.csv")
    for when in (days, days.dt.date, days.map(str), pd.Categorical(days.map(str)), pd.Categorical(days)):
        table().assign(when=when).to_parquet("data.parquet")
        pd.testing.assert_frame_equal(predictions(data="data.parquet"), whole)


def test_numbers_that_are_text_in_another_file(folder, capsys):
    pytest.importorskip("pyarrow")
    train(*NETWORK)
    whole = predictions()
    table().astype({"age": str}).to_parquet("data.parquet")
    pd.testing.assert_frame_equal(predictions(data="data.parquet"), whole)
    table().assign(age="old").to_parquet("data.parquet")
    capsys.readouterr()
    assert main(["predict", "m.lamina", "data.parquet"]) == 2
    assert "column 'age' holds numbers in the model; here it has 'old'" in capsys.readouterr().err


def test_pyarrow_is_named_where_it_is_missing(folder, capsys, monkeypatch):
    Path("data.parquet").write_bytes(b"PAR1\x15\x04\x15\x10" * 4)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    train(*NETWORK, data="data.parquet", code=2)
    assert 'data.parquet is a Parquet file, which needs pyarrow; install with: pip install "pyarrow>=14"' in (
        capsys.readouterr().err
    )


def remarks(path="r.html"):
    part = Path(path).read_text().partition("Remarks on the network")[2].partition("</section>")[0]
    assert part
    return part


@pytest.mark.parametrize(("rate", "told", "never"), [
    ("300", "steps too large", "aise the learning rate"), ("1e-9", "steps too small", "ower the learning rate"),
])  # fmt: skip
def test_remarks_are_on_the_steps_that_were_made(tmp_path, monkeypatch, rate, told, never, capsys):
    monkeypatch.chdir(tmp_path)
    X = np.random.default_rng(0).normal(size=(300, 2))
    pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": np.where(X.sum(axis=1) > 0, "p", "n")}).to_csv(
        "data.csv", index=False
    )
    options = ["--model", "network", "--hidden", "8", "--epochs", "5", "--optimizer", "SGD", "--lr", rate]
    train(*options, "--report", "r.html", target="y", drop="")
    assert told in remarks()
    assert never not in remarks()


def test_remarks_are_on_the_classes_as_they_counted(folder, kind, capsys):
    frame = table()
    frame["bought"] = np.where(np.arange(ROWS) % 12 == 0, "yes", "no")
    frame.to_csv("data.csv", index=False)
    for more, told in (([], True), (["--class-weight", "balanced"], False)):
        train(*kind, *more, "--report", "r.html", "--force")
        assert ("class imbalance" in remarks()) == told


def test_remarks_on_an_estimator_are_on_the_steps_it_ended_with(folder, capsys, monkeypatch):
    from lamina.cli import train_tabular

    asked = []
    monkeypatch.setattr(
        train_tabular,
        "diagnose",
        lambda *given, **options: asked.append((*given, options)) or lamina.diagnose(*given, **options),
    )
    train(*TABULAR, "--report", "r.html", target="price", drop="bought")
    (*_, options), history = asked[0], asked[0][0].history
    assert options["optimizer"].lr == pytest.approx(history.learning_rate[history.best_epoch - 1])
    assert options["batch_size"] == 64
    assert "steps too" not in remarks()
