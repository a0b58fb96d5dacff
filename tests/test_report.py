"""The report's page: what it shows, that nothing in a table becomes markup, and how a browser takes it."""

import datetime as dt
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lamina import plots
from lamina.diagnosis import Finding
from lamina.report import Classes, ColumnSummary, Numbers, ReportData, Score, is_report, page
from lamina.report.columns import summary, suspicions

EVIL = "<script>alert(1)</script>\"'&<img src=x onerror=alert(2)>$\\frac$"
CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """What a parser makes of a page: its tags with attributes, its text, and whether every tag is closed."""

    def __init__(self, made):
        super().__init__()
        self.tags, self.texts, self.open = [], [], []
        self.feed(made.decode())
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def history(seed=0, epochs=40):
    rng, epoch = np.random.default_rng(seed), np.arange(epochs)
    held_out = 1.2 * np.exp(-epoch / 9) + 0.25 + rng.normal(0, 0.01, epochs)
    return SimpleNamespace(
        loss=list(1.2 * np.exp(-epoch / 9) + 0.15),
        validation_loss=list(held_out),
        best_epoch=int(held_out.argmin()) + 1,
        stop_reason="early stopping: no improvement for 20 epochs",
    )


def classes(n_classes=3, rows=400, labels=None):
    rng = np.random.default_rng(1)
    truth, z = rng.integers(0, n_classes, rows), rng.normal(size=(rows, n_classes))
    z[np.arange(rows), truth] += 2
    p = np.exp(z)
    return Classes(labels or [f"class {i}" for i in range(n_classes)], truth, p / p.sum(axis=1, keepdims=True))


def numbers(rows=700):
    rng = np.random.default_rng(2)
    truth = np.exp(rng.normal(10, 0.5, rows))
    predicted = truth * np.exp(rng.normal(0, 0.15, rows))
    return Numbers(truth, predicted, predicted * 0.7, predicted * 1.3, coverage=0.9)


def full(outcome, name="income"):
    return ReportData(
        title=f"{name} of people.csv",
        about={"data": f"{name}.csv", "target": name, "seed": "0"},
        rows=1200,
        outcome=outcome,
        scores=[
            Score("accuracy", [0.91, 0.93, 0.89], test=0.921, baseline=0.35),
            Score("log loss", [0.3, 0.31, 0.29], test=0.296, higher_is_better=False, chosen=True),
        ],
        histories=[history(i) for i in range(3)],
        importances={name: [0.2, 0.1], "age": 0.05},
        importance_words="How much the accuracy worsens.",
        remarks=[Finding("over-fitting", "the fit", f"validation {name}", "Stop early.")],
        columns=[ColumnSummary(name, "text", 12, 5, f"{name} (40%)", "left out")],
        warnings=[f"column {name!r} counts the rows"],
        notes=[f"read as {name}"],
    )


def is_self_contained(made):
    found = Page(made)
    assert not {"script", "link", "iframe", "object", "embed", "form"} & {tag for tag, _ in found.tags}
    for tag, attributes in found.tags:
        assert not any(name.startswith("on") for name in attributes), tag
        for name in ("href", "src", "xlink:href", "data", "action"):
            assert attributes.get(name, "#").startswith(("#", "data:image/png;base64,")), (tag, name)
    assert not re.search(rb"url\((?!#)|@import", made)
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    referred = set(re.findall(r"url\(#([\w-]+)\)", made.decode()))
    referred |= {attributes["href"][1:] for tag, attributes in found.tags if tag == "use"}
    assert referred <= set(ids)
    return found


@pytest.mark.parametrize(
    "outcome",
    [classes(2), classes(3), classes(18), classes(40), numbers(), numbers(60), numbers(1), classes(2, 1), None],
)
def test_a_page_needs_nothing_beside_itself(outcome):
    made = page(full(outcome))
    found = is_self_contained(made)
    assert is_report(made[:256])
    assert not is_report(b"<!doctype html>\n<html><head><title>mine</title>")
    assert "0.91 ± 0.02" in found.text.replace("\u00a0", " ")
    assert "0.89 to 0.93 in 3 folds" in found.text
    assert "Stop early." in found.text
    pictures = [attributes["aria-label"] for tag, attributes in found.tags if tag == "svg"]
    wanted = {Classes: ["Calibration"], Numbers: ["Predicted against true", "Residuals"]}.get(type(outcome), [])
    assert pictures == [*wanted, "Learning curves"]


@pytest.mark.parametrize(
    "name", [EVIL, "\0\x1b[31m\ud800\uffff", "a" * 3000, "מחיר \u202e evil", "</style></title><b>"]
)
def test_what_a_table_holds_is_text(name):
    for outcome in (classes(3, labels=[name, "b", "c"]), numbers()):
        found = is_self_contained(page(full(outcome, name)))
        clean = re.sub("[\0-\x1f\ud800-\udfff\uffff]", "\ufffd", name)
        assert " ".join(clean.split()) in found.text
        assert not {"img", "b"} & {tag for tag, _ in found.tags}


def test_the_same_data_are_the_same_page():
    assert page(full(numbers())) == page(full(numbers()))


def test_the_confusion_matrix_counts():
    truth, predicted = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 0])
    found = Page(page(ReportData("t", {}, outcome=Classes(["no", "yes"], truth, np.eye(2)[predicted]))))
    shades = [attributes["style"] for tag, attributes in found.tags if tag == "td" and "style" in attributes]
    assert shades == ["--share: 71%", "--share: 71%", "--share: 58%", "--share: 82%"]
    assert "true \\ predicted no yes no 1 1 yes 1 2" in found.text
    assert "60.00% of 5 test rows are right" in found.text


def test_an_interval_tells_what_lies_in_it():
    truth = np.arange(10.0)
    low, high = truth - 1, np.where(truth < 8, truth + 1, truth - 0.5)
    found = Page(page(ReportData("t", {}, outcome=Numbers(truth, truth, low, high, 0.9))))
    assert "80.0% of the rows lie in their interval of 90%" in found.text


def test_records_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match=r"probabilities must be \(3, 2\)"):
        Classes(["a", "b"], np.zeros(3, int), np.zeros((3, 3)))
    with pytest.raises(ValueError, match=r"predicted must be \(3,\)"):
        Numbers(np.zeros(3), np.zeros(4))


def test_calibration_is_drawn_in_groups_of_as_many_rows():
    rng = np.random.default_rng(0)
    p = rng.random(2000)
    y = (rng.random(2000) < p).astype(int)
    line = plots.calibration_curve(y, p).containers[0].lines[0]
    np.testing.assert_allclose(line.get_xdata(), np.sort(p).reshape(10, 200).mean(axis=1))
    np.testing.assert_allclose(line.get_ydata(), y[np.argsort(p)].reshape(10, 200).mean(axis=1))
    same = plots.calibration_curve(y, np.stack([1 - p, p], axis=1)).containers[0].lines[0]
    np.testing.assert_allclose(same.get_ydata(), line.get_ydata())
    alike = plots.calibration_curve(y, np.full(2000, 0.5)).containers[0].lines[0]
    assert alike.get_ydata() == [y.mean()]
    with pytest.raises(ValueError, match="as many rows"):
        plots.calibration_curve(y, p[:-1])


def test_numbers_are_drawn_beside_the_true_ones(tmp_path):
    found = numbers()
    ax = plots.predicted_against_true(found.truth, found.predicted, path=tmp_path / "p.png")
    np.testing.assert_array_equal(ax.lines[-1].get_xdata(), found.truth)
    ax = plots.residuals(found.truth, found.predicted, path=tmp_path / "r.svg")
    np.testing.assert_allclose(ax.lines[1].get_ydata(), found.truth - found.predicted)
    assert len(ax.lines[2].get_ydata()) == 10
    assert (tmp_path / "p.png").stat().st_size
    assert (tmp_path / "r.svg").stat().st_size
    with pytest.raises(ValueError, match="as many rows"):
        plots.residuals(found.truth, found.predicted[1:])


def test_the_curves_of_folds():
    ax = plots.fold_curves([history(0, 10), history(1, 12)])
    assert [len(line.get_xdata()) for line in ax.lines if len(line.get_xdata()) > 1] == [10, 10, 12, 12]
    with pytest.raises(ValueError, match="histories must have at least one"):
        plots.fold_curves([])


COLUMNS = {
    "number": ([1.5, None, 3, 4], "number", 1, 3, "1.5 to 4, median 3"),
    "constant": ([7, 7, 7, 7], "number", 0, 1, "7"),
    "text": (["a", "b", "a", None], "text", 1, 2, "a (67%), b (33%)"),
    "truth": ([True, False, True, True], "boolean", 0, 2, "True (75%), False (25%)"),
    "date": (
        pd.to_datetime(["2024-01-02", None, "2025-03-04", "2024-05-06"]),
        "date",
        1,
        3,
        "2024-01-02 to 2025-03-04",
    ),
    "empty": ([None] * 4, "text", 4, 0, "nothing"),
    "category": (pd.Categorical(["x", "y", "x", "x"]), "category", 0, 2, "x (75%), y (25%)"),
    "unused category": (pd.Categorical(["x"] * 4, ["w", "x"]), "category", 0, 1, "x (100%)"),
    "duration": (pd.to_timedelta([1, 2, None, 3], "h"), "duration", 1, 3, "0 days 01:00:00 to 0 days 03:00:00"),
    "lists": ([[1], [2], [1], None], "text", 1, 2, "[1] (67%), [2] (33%)"),
    "large": ([2**62, 1, 2, 3], "number", 0, 4, "1 to 4.61169e+18, median 2.5"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_the_summary_of_a_column(name):
    values, *wanted = COLUMNS[name]
    found = summary(name, pd.Series(values))
    assert [found.kind, found.missing, found.distinct, found.shown] == wanted


def test_a_phone_reads_words_in_place_of_the_columns_headers():
    columns = [
        ColumnSummary("x", "number", 3, 7, "1 to 9"),
        ColumnSummary("y", "text", 0, 2, "a (50%), b (50%)", "target"),
    ]
    shown = Page(page(ReportData("t", {}, rows=10, columns=columns)))
    cells = [attributes for tag, attributes in shown.tags if tag == "td" and "data-label" in attributes]
    assert [cell["data-label"] for cell in cells] == ["missing", "distinct"] * 2
    assert [cell.get("class") for cell in cells] == [None, None, "none", None]


def suspicious(target, classification, **columns):
    found = suspicions(pd.DataFrame(columns), pd.Series(target), classification)
    return {(one.column, one.kind) for one in found}


def test_ids_are_found():
    rng = np.random.default_rng(0)
    rows = 300
    columns = {
        "counting": np.arange(5, rows + 5),
        "shuffled": rng.permutation(rows),
        "rising": np.cumsum(rng.integers(1, 9, rows)),
        "decimal": np.arange(rows, dtype=float),
        "names": [f"name {i}" for i in rng.permutation(rows)],
        "nearly": [f"name {i}" for i in [*range(rows - 5), *range(5)]],
    }
    fine = {
        "measure": rng.normal(size=rows).cumsum(),
        "year": 1900 + np.arange(rows) % 100,
        "whole": rng.integers(0, 10**9, rows),
        "town": [f"town {i % 40}" for i in range(rows)],
        "yes": rng.random(rows) < 0.5,
        "empty": [None] * rows,
    }
    fine["span"] = pd.to_timedelta(rng.integers(0, 99, rows), "h")
    fine["born"] = pd.Timestamp("2000-01-01") + pd.to_timedelta(rng.integers(0, 9999, rows), "D")
    target = rng.normal(size=rows)
    assert suspicious(target, False, **columns, **fine) == {(name, "id") for name in columns}
    assert suspicious(target[:15], False, **{name: values[:15] for name, values in columns.items()}) == set()


def test_texts_that_are_dates_are_dates():
    """As the estimators have them; an id they are not, however many there are."""
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2001-01-01") + pd.to_timedelta(rng.permutation(300), "D")
    at = days + pd.to_timedelta(rng.integers(0, 1440, 300), "min")
    columns = {
        "day": days.strftime("%Y-%m-%d"),
        "gaps": days.strftime("%Y-%m-%d").where(days.day > 3, "NA"),
        "at": at.strftime("%Y-%m-%d %H:%M"),
        "zoned": at.strftime("%Y-%m-%dT%H:%M:00+02:00"),
        "objects": days.date,
        "real": days,
    }
    frame = pd.DataFrame(columns).assign(none=lambda f: f["day"].where(np.arange(300) % 3 > 0))
    assert suspicious(rng.normal(size=300), False, **frame) == set()
    for name, values in frame.items():
        found = summary(name, values)
        assert (found.kind, found.shown[:9], found.shown[10:14]) == ("date", "2001-01-0", " to "), name
        assert found.missing == {"gaps": (days.day <= 3).sum(), "none": 100}.get(name, 0)
    assert suspicious(days.to_series().astype("int64").to_numpy(), False, day=columns["day"]) == {("day", "leak")}
    far = summary("far", pd.Series(["9999-12-31T23:59-05:00", "2024-01-02T03:04Z"] * 15))
    assert (far.kind, far.shown) == ("date", "2024-01-02 to 10000-01-01")
    for other in (["2024-02-30"] * 30, ["2024-01-01", "soon"] * 15, ["2024-01-01", "2024-01-01T00:00Z"] * 15):
        assert summary("no dates", pd.Series(other)).kind == "text"
    assert summary("yes", pd.Series([True, None, False], dtype=object)).kind == "boolean"
    clock = summary("clock", pd.Series([dt.time(8, 30), None, dt.time(17)]))
    assert (clock.kind, clock.missing) == ("duration", 1)


def test_leaks_are_found():
    rng = np.random.default_rng(0)
    rows = 400
    y = rng.normal(size=rows)
    noisy = y + rng.normal(size=rows)
    columns = {"twice": 2 * y, "cubed": y**3, "rounded": y.round(1), "noisy": noisy, "gaps": np.where(y > 0, y, np.nan)}
    assert suspicious(y, False, **columns) == {("twice", "leak"), ("cubed", "leak"), ("rounded", "leak")}
    label = np.where(y > 0.3, "sick", "well")
    columns = {
        "score": y,
        "code": np.where(label == "sick", "A12", "B30"),
        "ended": np.where(label == "sick", y, np.nan),
        "noisy": noisy,
        "colour": rng.choice(["red", "green"], rows),
    }
    assert suspicious(label, True, **columns) == {("score", "leak"), ("code", "leak"), ("ended", "leak")}


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
@pytest.mark.parametrize("width", [390, 1100])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_the_page(tmp_path, width, scheme):
    import matplotlib.image

    data = replace(full(classes(3, labels=[EVIL, "b", "c"]), EVIL), histories=[history()])
    (tmp_path / "report.html").write_bytes(page(data))
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={tmp_path}/own",
        f"--blink-settings=preferredColorScheme={int(scheme == 'light')}", f"--window-size={width},3000",
    ]  # fmt: skip
    where = (tmp_path / "report.html").as_uri()
    shot = tmp_path / "page.png"
    done = subprocess.run([*command, f"--screenshot={shot}", where], capture_output=True, timeout=120, check=True)
    assert b"Refused" not in done.stderr  # by the page's own policy
    picture = matplotlib.image.imread(shot)[..., :3]
    assert picture.shape[1] == width
    light = scheme == "light"
    assert (picture[0, 0] > 0.9).all() if light else (picture[0, 0] < 0.2).all()
    ink = np.abs(picture - picture[0, 0]).max(axis=2) > 0.5
    assert 0.005 < ink.mean() < 0.2
    for colour in ("1f77b4", "d95f02") if light else ("5aa9e6", "ff9248"):  # of the two curves
        wanted = np.array([int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)])
        assert (np.abs(picture - wanted).max(axis=2) < 0.03).sum() > 100
    dom = subprocess.run([*command, "--dump-dom", where], capture_output=True, timeout=120, check=True).stdout.decode()
    assert dom.count("<svg") == 2
    assert "<img" not in dom
