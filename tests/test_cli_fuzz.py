"""Altered tables through `lamina train` and `lamina predict`: a result or one line that says what is wrong, never more.

LAMINA_FUZZ_EXAMPLES=20000 pytest tests/test_cli_fuzz.py  # a long run, with other tables each time
"""

import contextlib
import io
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from lamina.cli import main

EXAMPLES = os.environ.get("LAMINA_FUZZ_EXAMPLES")
CELLS = [
    *("", " ", "NA", "None", "null", "?", "-", "nan", "inf", "-inf", "1e400", "1e300", "1e-300", "-0", "0x1f", "1_000"),
    *(
        "01",
        "007",
        "1,5",
        "1.234",
        "1.234,5",
        "1,234,567.8",
        "1 234",
        "1'000",
        "12%",
        "$5",
        "5 kg",
        "-€1.000,5",
        "+",
        ".",
        ",",
        "e",
        "1e",
        "٣",
    ),
    *("true", "FALSE", "yes", '"', '""', '"a,b"', '"a\nb"', "a;b", "a\tb", "'", "\\", "é", "\ufeff", "\x01", "😀"),
    *("9007199254740993", "99999999999999999999999", "1" * 400, "x" * 3000, "2024-01-31", "sep=;"),
]
BYTES = [
    b"\0",
    b'"',
    b",",
    b";",
    b"\t",
    b"\n",
    b"\r",
    b"\r\n",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"|",
    b" ",
    b"1",
    b"\x1f\x8b",
]


def base_table(kind, rows):
    rng = np.random.default_rng(rows)
    lines = ["age,size,city,code,flag,y"]
    for i in range(rows):
        y = {"labels": "ab"[i % 2], "numbers": f"{rng.normal():.3f}", "whole": str(i % 3), "codes": f"0{i % 2}",
             "truth": str(bool(i % 2)), "thousands": f'"{rng.integers(1000, 10**6):,}"'}[kind]  # fmt: skip
        row = [rng.integers(18, 80), f"{rng.normal(10, 3):.2f}", rng.choice(["Oslo", "Rome", "Bonn"]), f"{i % 5:02}"]
        lines.append(",".join(map(str, [*row, bool(rng.random() > 0.5), y])))
    return "\n".join(lines) + "\n"


def split_cells(text):
    return [line.split(",") for line in text.split("\n")]


def joined(cells):
    return "\n".join(",".join(row) for row in cells)


def altered(text, draw):
    """One change of a table's text."""
    cells = split_cells(text)
    row, column = draw(st.integers(0, len(cells) - 1)), draw(st.integers(0, 6))
    place = min(column, len(cells[row]) - 1)
    cell = draw(st.sampled_from(CELLS))
    how = draw(st.sampled_from([0, 0, 0, *range(14)]))
    if how == 0:
        cells[row][place] = cell
    elif how == 1:
        cells[row].insert(place, cell)
    elif how == 2:
        del cells[row][place]
    elif how == 3:  # a whole column
        for other in cells[draw(st.integers(0, 1)) :]:
            if column < len(other):
                other[column] = cell
    elif how == 4:
        for other in cells[1:]:
            if column < len(other):
                other[column] += cell
    elif how == 5:
        del cells[row]
    elif how == 6:
        cells.insert(row, list(cells[row]))
    elif how == 7:
        del cells[draw(st.integers(0, 4)) :]
    elif how == 8:
        cells[0] = [draw(st.sampled_from(["y", "age", "", " y ", "Y", "y.1", cell])) for _ in cells[0]]
    elif how == 9:
        return text.replace(",", draw(st.sampled_from([";", "\t", "|", " ", ", ", " , ", ";;"])))
    elif how == 10:
        return text.replace(".", draw(st.sampled_from([",", "", "'", "\u00a0"])))
    elif how == 11:
        return text.replace("\n", draw(st.sampled_from(["\r\n", "\r", "\n\n", ",\n", "\n,,,,,\n", ""])))
    elif how == 12:
        return "\n".join(line + draw(st.sampled_from([",", ",1", '"'])) for line in text.split("\n"))
    else:
        width = draw(st.integers(2, 200))
        return "\n".join(",".join([line] * (width if line else 1)) for line in text.split("\n"))
    return joined(cells)


@st.composite
def tables(draw):
    """The bytes of a table, altered."""
    kinds = ["labels", "numbers", "whole", "codes", "truth", "thousands"]
    text = base_table(draw(st.sampled_from(kinds)), draw(st.sampled_from([1, 3, 5, 12, 40, 60, 80, 120])))
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2, 3]))):
        text = altered(text, draw)
    encoding = draw(st.sampled_from(["utf-8"] * 9 + ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252"]))
    data = text.encode(encoding, errors="replace")
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.sampled_from(BYTES)) + data[at + draw(st.integers(0, 2)) :]
    return data[: draw(st.integers(0, len(data)))] if draw(st.integers(0, 9)) == 0 else data


OPTIONS = [
    [], [], [], [], [], [], ["--impute", "mean"], ["--impute", "median"], ["--impute", "most_frequent"],
    ["--task", "classification"], ["--task", "regression"], ["--drop", "age"], ["--separator", ";"],
    ["--decimal", "comma"], ["--thousands", "point"], ["--na", "NA,?,Oslo"], ["--encoding", "latin-1"],
    ["--encoding", "utf-16"],
    ["--text", "age"], ["--numbers", "code"], ["--test", "0"], ["--validation", "0"], ["--class-weight", "balanced"],
]  # fmt: skip


KINDS = {
    "network": ["--epochs", "1", "--hidden", "2"],
    "tabular": ["--model", "tabular", "--preset", "fast", "--time", "0.05"],
}

# Words of libraries and of lamina's own functions, of which the user of a command knows nothing.
LEAKS = ("codec", "Error tokenizing", "C error", "pandas", "numpy", "broadcast", "object has", "X must", "y must")


def one_line_or_a_result(arguments):
    """The code of a command that ended as it should, with what it said if that was a refusal."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            code = main(arguments)
        except SystemExit as error:
            code = error.code
    assert "Traceback" not in err.getvalue()
    said = err.getvalue().splitlines()
    if code == 2 and arguments[0] == "train":
        assert len(said) == 1, said
        assert said[0].startswith("lamina train: ")
    assert code in (0, 2), (code, said)
    if code:
        for leak in LEAKS:
            assert leak not in said[-1], said[-1]
    return code


@pytest.fixture
def no_pictures(monkeypatch):
    def draw(history, path):
        Path(path).write_bytes(b"matplotlib")

    monkeypatch.setattr("lamina.cli.train.learning_curves", draw)


@settings(
    max_examples=int(EXAMPLES or 80),
    deadline=None,
    derandomize=EXAMPLES is None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=tables(), other=tables(), more=st.lists(st.sampled_from(OPTIONS), max_size=2))
@pytest.mark.timeout(0)
@pytest.mark.parametrize("kind", KINDS)
def test_altered_tables(kind, data, other, more, tmp_path, no_pictures, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_bytes(data)
    Path("o.csv").write_bytes(other)
    Path("p.csv").unlink(missing_ok=True)  # predictions of other classes, which are not replaced
    common = ["--quiet", "--threads", "1", *KINDS[kind]]
    options = [word for option in more for word in option]
    if one_line_or_a_result(["train", "t.csv", "--target", "y", "--out", "m.lamina", *common, *options]) == 0:
        reading = [word for o in more if o and o[0] in ("--separator", "--encoding", "--na", "--decimal") for word in o]
        event("trained")
        # Whatever trained can be predicted, its own rows at least.
        assert one_line_or_a_result(["predict", "m.lamina", "t.csv", "--out", "p.csv", *reading]) == 0
        assert Path("p.csv").read_text().startswith("prediction\n")
        one_line_or_a_result(["predict", "m.lamina", "o.csv", "--out", "p.csv"])
    assert Path("t.csv").read_bytes() == data
