"""How the command line reads tables: separators, encodings, ways of writing numbers, and what is no table."""

import bz2
import codecs
import gzip
import io
import json
import lzma
import tracemalloc
import zipfile
from argparse import Namespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

import lamina
from lamina.cli import main
from lamina.cli.cells import CellRules
from lamina.cli.reading import read_table
from lamina.cli.tables import Table, TableError, Target
from lamina.cli.text_table import TableFile, read_text

ROWS = 150
USUAL = {
    "separator": None,
    "decimal": None,
    "thousands": None,
    "encoding": None,
    "na": [],
    "text": [],
    "numbers": [],
}


def read(tmp_path, content, **said):
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(Namespace(data=str(path), **(USUAL | said)))


@pytest.fixture
def numbers():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(100, 30, (ROWS, 4)).round(2), columns=list("abcd"))
    return frame.assign(n=rng.integers(0, 9, ROWS), y=(2 * frame.a - frame.b).round(2))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " "])
@pytest.mark.parametrize("decimal", [".", ","])
def test_separator_and_decimal_mark_are_found(tmp_path, numbers, separator, decimal):
    found = read(tmp_path, numbers.to_csv(index=False, sep=separator, decimal=decimal))
    pd.testing.assert_frame_equal(found.frame, numbers)
    told = {"\t": "tab", " ": "blank"}.get(separator, repr(separator))
    mark = "point" if decimal == "." else "comma"
    assert found.told == f"read as: {told} separated, decimal {mark}, utf-8, 150 rows, 6 columns"


@pytest.mark.parametrize(
    ("cells", "separator", "values", "told"),
    [
        (["1,234", "215,000", "7"], ",", [1234, 215000, 7], "decimal point, thousands commas"),
        (["1,234,567.5", "0.25"], ",", [1234567.5, 0.25], "decimal point, thousands commas"),
        (["1,234", "215,000"], "\t", [1234, 215000], "decimal point, thousands commas"),
        (["1,234", "0,5"], "\t", [1.234, 0.5], "decimal comma"),
        (["1,234", "2,345"], ";", [1.234, 2.345], "decimal comma"),
        (["1.234,5", "12,25"], ";", [1234.5, 12.25], "decimal comma, thousands points"),
        (["1.234", "2.345"], ";", [1.234, 2.345], "decimal point"),
        (["1 234,5", "12"], ";", [1234.5, 12], "decimal comma, blanks between thousands"),
        (["1\u00a0234", "1\u202f000"], ";", [1234, 1000], "blanks between thousands"),
        (["1'234.5", "1\u20190"], ",", None, ""),
        (["1'234.5", "10"], ",", [1234.5, 10], "' between thousands"),
        (["1e3", "-2.5E-1", "+3", ".5", "4."], ",", [1000, -0.25, 3, 0.5, 4], "decimal point"),
        (["inf", "-Infinity", "1"], ",", [np.inf, -np.inf, 1], "decimal point"),
        (["1_000", "2"], ",", None, ""),
        (["\u0661", "2"], ",", None, ""),
        (["9007199254740993", "1"], ",", [9007199254740993, 1], "decimal point"),
    ],
)
def test_ways_of_writing_numbers(tmp_path, cells, separator, values, told):
    lines = [f'"{cell}"{separator}x' for cell in cells]
    found = read(tmp_path, "\n".join([f"v{separator}t", *lines]))
    if values is None:
        assert found.frame["v"].tolist() == cells
    else:
        assert found.frame["v"].tolist() == values
    assert told in found.told


@pytest.mark.parametrize(
    ("cells", "values", "unit"),
    [
        (["$215,000", "$1,500", "-$7"], [215000, 1500, -7], ["$", ""]),
        (["US$ 1.50", "US$ 2"], [1.5, 2], ["US$", ""]),
        (["EUR 12", "EUR 3.5", "NA"], [12, 3.5, np.nan], ["EUR", ""]),
        (["1.234,50 €", "3,25€"], [1234.5, 3.25], ["", "€"]),
        (["42%", "7.5 %"], [42, 7.5], ["", "%"]),
        (["79.99 MPa", "1e2 MPa", "5"], None, None),
        (["79.99 MPa", "1e2 MPa", ""], [79.99, 100, np.nan], ["", "MPa"]),
        (["3 m/s^2", "-4 m/s^2"], [3, -4], ["", "m/s^2"]),
        (["5 \u00b5m", "6 \u00b5m"], [5, 6], ["", "\u00b5m"]),
        (["5 kg", "6 lb"], None, None),
        (["room 1", "room 2"], None, None),
        (["A1", "A2"], None, None),
        (["2024-01-31", "2024-02-01"], None, None),
        (["10:30", "11:30"], None, None),
        (["1" * 50_000 + " " * 50_000 + "x", "1" * 50_000 + "x"], None, None),
    ],
)
def test_currencies_and_units_around_numbers(tmp_path, cells, values, unit):
    table = "v,t\n" + "\n".join(f'"{cell}",x' for cell in cells)
    found = read(tmp_path, table)
    if values is None:
        assert [value or "" for value in found.frame["v"]] == cells
        assert found.rules.units == {}
        return
    assert_array_equal(found.frame["v"].astype(float), values)
    assert found.rules.units == {"v": unit}
    assert any("without what stands beside them: 'v' (" + repr("".join(unit)) in line for line in found.notes)
    assert read(tmp_path, table, text=["v"]).frame["v"].tolist() == [cell or None for cell in cells]


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1.000", "999", "215.250"], [1000, 999, 215250]),
        (["1,000", "999", "-215,250"], [1000, 999, -215250]),
        (["1.000", "999", "NA", "€"], None),
        (["1.250", "0.999", "7"], [1.25, 0.999, 7]),
        (["1.250", "2.125", "1000"], [1.25, 2.125, 1000]),
        (["1.251", "2.125", "7"], [1.251, 2.125, 7]),
        (["1.250", "2.125", "0"], [1.25, 2.125, 0]),
        (["1.250", "2.5", "7"], [1.25, 2.5, 7]),
        (["1.250 €", "215.000 €", "7 €"], [1250, 215000, 7]),
    ],
)
def test_thousands_without_any_decimals(tmp_path, cells, values):
    table = "v;t\n" + "\n".join(f"{cell};x" for cell in cells)
    found = read(tmp_path, table)
    if values is None:
        assert found.frame["v"].tolist() == cells
        return
    assert found.frame["v"].tolist() == values
    mark = "comma" if "," in cells[0] else "point"
    thousands = values[0] > 999
    assert any(f"--decimal {mark} reads it as 1" in line for line in found.notes) == thousands
    assert read(tmp_path, table, decimal="." if mark == "point" else ",").frame["v"].tolist()[0] < 2
    # Another column with decimals for sure decides for both.
    decimals = table.replace("x", "0.5" if mark == "point" else "0,5")
    assert read(tmp_path, decimals).frame["v"].tolist()[0] < 2


def test_numbers_that_may_have_thousands_or_three_decimals_are_told_of(tmp_path):
    table = "v;t\n1.250;x\n215.000;y\n"
    found = read(tmp_path, table)
    assert found.frame["v"].tolist() == [1.25, 215]
    assert any("column 'v': '1.250' is read as 1.25; --thousands point reads it as 1250" in n for n in found.notes)
    said = read(tmp_path, table, thousands=".")
    assert said.frame["v"].tolist() == [1250, 215000]
    assert not any("is read as" in line for line in said.notes)
    assert not read(tmp_path, table.replace(";", ",")).notes


def test_the_way_of_writing_numbers_is_one_for_the_table(tmp_path):
    table = "a;b\n3,5;1.234\n2,25;2.500\n1,0;1.000.000\n"
    assert read(tmp_path, table).frame["b"].tolist() == [1234, 2500, 1000000]
    said = read(tmp_path, table.replace("1.000.000", "1.5"), decimal=".")
    assert said.frame["b"].tolist() == [1.234, 2.5, 1.5]
    assert said.frame["a"].tolist() == ["3,5", "2,25", "1,0"]
    assert "'3,5' in line 2 is one with decimal comma" in said.doubts["a"].why
    for mark in (".", ","):
        with pytest.raises(TableError, match="are the same mark"):
            read(tmp_path, table, decimal=mark, thousands=mark)
    assert read(tmp_path, "a\tb\n1,234\tx\n", decimal=",").frame["a"].tolist() == [1.234]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_encodings_are_found(tmp_path, encoding):
    rows = "".join(f"Zürich,{i}\nGenève,{i}\n" for i in range(9))
    found = read(tmp_path, f"città,n\n{rows}".encode(encoding))
    assert found.frame["città"].tolist()[:2] == ["Zürich", "Genève"]
    assert found.frame["n"].dtype == np.int64
    shown = {"utf-8-sig": "utf-8", "cp1252": "windows-1252"}.get(encoding, encoding)
    assert f", {shown}, 18 rows" in found.told


def test_an_encoding_that_is_said(tmp_path):
    content = "имя,n\nда,1\nнет,2\n".encode("cp1251")
    assert read(tmp_path, content, encoding="windows-1251").frame["имя"].tolist() == ["да", "нет"]
    assert read(tmp_path, codecs.BOM_UTF8 + b"a\n1\n", encoding="utf8").frame.columns.tolist() == ["a"]
    for name in ("nonsense", "hex", "rot13", "undefined\0"):
        with pytest.raises(TableError, match="is no encoding of text"):
            read(tmp_path, content, encoding=name)
    with pytest.raises(TableError, match="is not utf-8 text in line 1"):
        read(tmp_path, content, encoding="utf-8")
    for rows in (3, 3000):
        with pytest.raises(TableError, match=f"is not utf-8 text in line {rows + 2};"):
            read(tmp_path, b"a,b\n" + b"some text,1\n" * rows + b"\xff,2\n3,4\n", encoding="utf-8")
    with pytest.raises(TableError, match="neither UTF-8 nor windows-1252"):
        read(tmp_path, b"a,b\n\x81\xff,1\n")
    with pytest.raises(TableError, match="cut short"):
        read(tmp_path, "a,b\n1,ü".encode()[:-1])


def zipped(content, *names):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return packed.getvalue()


def test_compressed_tables(tmp_path):
    content = b"a,b\n" + b"1,x\n2,y\n" * 400
    packings = [gzip.compress, bz2.compress, lzma.compress, lambda data: zipped(data, "t.csv")]
    for pack in packings:
        assert len(read(tmp_path, pack(content)).frame) == 800
    for pack in packings[:3]:
        with pytest.raises(TableError, match="cut short or damaged"):
            read(tmp_path, pack(content)[:-20])
    with pytest.raises(TableError, match="an Excel workbook"):
        read(tmp_path, zipped(content, "[Content_Types].xml", "xl/workbook.xml"))
    with pytest.raises(TableError, match="an archive of 2 files"):
        read(tmp_path, zipped(content, "a.csv", "b.csv"))
    with pytest.raises(TableError, match="cut short or damaged"):
        read(tmp_path, zipped(content, "a.csv")[:50])
    # A column may be called as a format's mark.
    assert read(tmp_path, "BZh9,PAR1\n1,2\n").frame.columns.tolist() == ["BZh9", "PAR1"]
    assert read(tmp_path, "[mm],{x}\n1,2\n").frame.columns.tolist() == ["[mm]", "{x}"]
    assert read(tmp_path, "ORC,FEA1\n1,2\n").frame.columns.tolist() == ["ORC", "FEA1"]
    assert read(tmp_path, "PAR1,PAR2\n1,2\n").frame.columns.tolist() == ["PAR1", "PAR2"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n3,4,5\n", "line 3 has 3 fields, the header 2; a comma within a field needs quotation marks"),
        ("a,b\nr1,1,2\nr2,3,4\n", "line 2 has 3 fields, the header 2; does the header lack the name of the first"),
        ('a,b\n1,"x\n2,y\n', "a quotation mark in the row of line 2 is never closed"),
        ('a,y\n"1,2\n3,4\n' * 20, "runs from line 2 on to line 5, and more text follows its closing mark"),
        ('a,y\n1,"2\n3,4\n' * 20, "runs from line 2 on to line 5"),
        ('a,b\n1,"' + "x" * 200_000, "is a quotation mark there never closed"),
        ("a,b\n1,\0\n", "line 2 has a NUL character"),
        ("a,b\n1,2\n a,b\n", "line 3 is the header again; delete that line"),
        ("a,b\na,b\n1,2\n", "line 2 is the header again"),
        (
            "t,a,b\ntext,kg,cm\nx,1,2\ny,3,4\n",
            "line 2 has no number where all other lines have some, but 'kg', 'cm': uni",
        ),
        ("# a comment\na,b,c\n1,2,3\n", "line 2 has 3 fields, the header 1; is line 1 a title or a comment above"),
        ("# made by us, today\na,b,c\n1,2,3\n", "the header 2; is line 1 a title or a comment above the header"),
        ("Sales of 2024\n\na;b;c\n1;2;3\n", "line 3 has 3 fields, the header 1; is line 1 a title or a comment"),
        ("", "is empty"),
        ("\n\n  \n", "is empty"),
        ("a,b\n", "0 rows"),
        (b"\x89PNG\r\n", "a picture"),
        (b"PAR1\x15\x04", "a Parquet file"),
        (b"PAR1\x14\x04", "a Parquet file"),
        (b"ARROW1\0\0", "Feather"),
        (b"\x93NUMPY\x01", "an array of NumPy"),
        ('[{"a": 1, "b": 2}, {"a": 3}]', "is JSON: write its records as CSV"),
        ('\ufeff{\n  "a": [1, 2]}', "is JSON"),
        ('{"a": 1}\n{"a": 2}\n', "is JSON"),
        ("[[1, 2], [3, 4]]", "is JSON"),
        ("<!DOCTYPE html><table>", "is XML or HTML"),
    ],
)
def test_what_is_no_table(tmp_path, content, message):
    with pytest.raises(TableError, match=message):
        read(tmp_path, content)


def test_a_cell_of_several_lines_that_is_quoted_well(tmp_path):
    for separator in ",;\t":
        rows = ["a,b", '"two\nlines" ,1', '"he said ""so""\n", 2', '3,"4\n" ', '"5"x,6', '7,"8\n\n"']
        table = "\n".join(row.replace(",", separator) for row in rows)
        found = read(tmp_path, table, separator=separator, text=["a"])
        assert found.frame["a"].tolist() == ["two\nlines", 'he said "so"', "3", "5x", "7"]
        assert found.frame["b"].tolist() == [1, 2, 4, 6, 8]


def test_what_looks_like_another_header_and_is_none(tmp_path):
    assert read(tmp_path, "1,2\n1,2\n").frame.to_numpy().tolist() == [[1, 2]]
    assert read(tmp_path, "a\na\nb\n").frame["a"].tolist() == ["a", "b"]
    assert len(read(tmp_path, "t,a,b\ntext,x,2\nx,1,2\ny,3,4\n").frame) == 3
    assert len(read(tmp_path, "t,a,b\ntext,x,y\nx,1,z\ny,3,4\n").frame) == 3
    assert read(tmp_path, "#id,a\n1,2\n").frame.columns.tolist() == ["#id", "a"]


def test_another_separator_than_the_one_that_is_said(tmp_path):
    with pytest.raises(TableError, match="line 2 has 3 fields, the header 1; is ';' the separator, and no ','"):
        read(tmp_path, "a;b\n1,5;2,5\n", separator=",")


def test_headers(tmp_path):
    found = read(tmp_path, ' a ,"b b" ,,a,a\n1,2,3,4,5\n')
    assert found.frame.columns.tolist() == ["a", "b b", "Unnamed: 2", "a.1", "a.2"]
    assert found.doubled == {"a"}
    assert any("'a' more than once" in line for line in found.notes)
    assert read(tmp_path, "sep=;\na;b\n1,5;2\n").frame["a"].tolist() == [1.5]
    assert read(tmp_path, "a;b;c;\n1;2;3;\n").frame.columns.tolist() == ["a", "b", "c", "Unnamed: 3"]
    assert read(tmp_path, "a,b\n1,2,\n3,4,,\n").frame.to_numpy().tolist() == [[1, 2], [3, 4]]
    assert read(tmp_path, "\n\na,b\r\r1,2\r\r3,4").frame.to_numpy().tolist() == [[1, 2], [3, 4]]
    assert read(tmp_path, "x\n1,5\n2\n-3,25\n").frame["x"].tolist() == [1.5, 2, -3.25]
    assert read(tmp_path, "house price\n12\n13\n").frame["house price"].tolist() == [12, 13]


def test_the_empty_columns_of_a_sheet_are_left_out(tmp_path):
    text = "a,,b,,,,,\n1,,x,,,,,\n2,,y,9,,,,\n"
    found = read(tmp_path, text)
    assert found.frame.columns.tolist() == ["a", "b", "Unnamed: 3"]
    assert found.frame["Unnamed: 3"].tolist()[1:] == [9]
    assert np.isnan(found.frame["Unnamed: 3"][0])
    assert "left out are 5 columns without a name and without a value" in found.notes
    assert "3 columns" in found.told
    assert read_text(TableFile(str(tmp_path / "table.csv")), wanted=lambda name: name == "Unnamed: 4").columns == {
        "Unnamed: 4": "\0"
    }


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_cells_of_a_column_without_a_name_stand_in_their_rows(rows, tmp_path, monkeypatch):
    """Also where the first of them comes after rows that were put away."""
    monkeypatch.setattr("lamina.cli.text_table.CELLS_AT_ONCE", 12)
    lines = ["a,,,"] + [f"{row},,," for row in range(rows - 1)] + [f"{rows - 1},,7,"]
    frame = read(tmp_path, "\n".join(lines) + "\n").frame
    assert frame.columns.tolist() == ["a", "Unnamed: 1", "Unnamed: 2", "Unnamed: 3"]
    assert frame["a"].tolist() == list(range(rows))
    assert frame["Unnamed: 2"].isna().tolist() == [True] * (rows - 1) + [False]
    assert frame[["Unnamed: 1", "Unnamed: 3"]].isna().all(axis=None)


def test_a_wide_header_takes_little_memory(tmp_path):
    """Of a file of 100 KB, ten times its size beside what a table takes anyway."""
    path = tmp_path / "t.csv"
    path.write_text("a,y" + "," * 100_000 + "\n1,2\n3,4\n")
    read(tmp_path, "a,y\n1,2\n")  # what is loaded on first use
    tracemalloc.start()
    try:
        assert read_table(Namespace(**(USUAL | {"data": str(path)}))).frame.to_numpy().tolist() == [[1, 2], [3, 4]]
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    finally:
        tracemalloc.stop()


def test_short_rows_are_missing_values(tmp_path):
    found = read(tmp_path, "a,b,c\n1,2,x\n3\n4,5\n")
    assert found.frame["b"].isna().tolist() == [False, True, False]
    assert found.frame["c"].tolist() == ["x", None, None]
    assert any("2 rows with fewer fields than the header (first: line 3)" in line for line in found.notes)


def test_missing_values_and_categories(tmp_path):
    table = "text,number,y\nNA,NA,1\nNone,?,2\n,-,3\n b ,4,5\n"
    found = read(tmp_path, table)
    assert found.frame["text"].tolist() == ["NA", "None", None, "b"]
    assert_array_equal(found.frame["number"], [np.nan, np.nan, np.nan, 4])
    assert any("'text' ('NA' in 1 row)" in line and "--na NA,None" in line for line in found.notes)
    said = read(tmp_path, table, na=["NA", "5"])
    assert said.frame["text"].tolist() == [None, "None", None, "b"]
    assert_array_equal(said.frame["y"], [1, 2, 3, np.nan])


def test_codes_stay_text(tmp_path):
    found = read(tmp_path, "code,n,m\n01,10,0.5\n02,20,00.5\n10,0,1\n")
    assert found.frame["code"].tolist() == ["01", "02", "10"]
    assert found.frame["n"].tolist() == [10, 20, 0]
    assert found.frame["m"].tolist() == [0.5, 0.5, 1]
    assert read(tmp_path, "code\n01\n02\n", numbers=["code"]).frame["code"].tolist() == [1, 2]
    assert read(tmp_path, "code\n1\n2\n", text=["code"]).frame["code"].tolist() == ["1", "2"]
    with pytest.raises(TableError, match="'x' in line 3 is no number"):
        read(tmp_path, "a\n1\nx\n", numbers=["a"])
    with pytest.raises(TableError, match="no column 'b' to read as numbers"):
        read(tmp_path, "a\n1\n", numbers=["b"])


def test_true_and_false(tmp_path):
    found = read(tmp_path, "a,b\nTRUE,true\nfalse,\n")
    assert found.frame["a"].tolist() == [True, False]
    assert found.frame["b"].tolist() == ["true", None]


def test_wide_and_long_tables(tmp_path):
    wide = ",".join(f"c{i}" for i in range(20_000)) + "\n" + (",".join(["1.5"] * 20_000) + "\n") * 3
    assert read(tmp_path, wide).frame.shape == (3, 20_000)
    long = "1" * 100_000
    assert read(tmp_path, f"a,b\n{long}x,1\n{long},2\n").frame["a"].tolist() == [f"{long}x", long]
    cells = "\n".join(f"{i},{i / 8}" for i in range(250_000))
    frame = read(tmp_path, f"a,b\n{cells}").frame
    assert_array_equal(frame["b"], np.arange(250_000) / 8)


# Through the commands ------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch, numbers):
    monkeypatch.chdir(tmp_path)
    numbers.to_csv("plain.csv", index=False)
    return tmp_path


def train(*more, data="plain.csv", target="y", out="m.lamina", code=0):
    assert main(["train", data, "--target", target, "--out", out, "--quiet", "--epochs", "3", *more]) == code


def test_the_same_table_gives_the_same_model_however_it_is_written(folder, numbers, capsys):
    numbers.to_csv("german.csv", index=False, sep=";", decimal=",", encoding="utf-16")
    train()
    train("--separator", r"\t", data="tab.csv", out="t.lamina", code=2)
    numbers.to_csv("tab.csv", index=False, sep="\t")
    train("--separator", r"\t", data="tab.csv", out="t.lamina")
    train(data="german.csv", out="g.lamina")
    assert "read as: ';' separated, decimal comma, utf-16, 150 rows, 6 columns" in capsys.readouterr().out
    networks = [lamina.load(name) for name in ("m.lamina", "t.lamina", "g.lamina")]
    for name, weight in networks[0].parameters.items():
        assert_array_equal(weight, networks[1].parameters[name])
        assert_array_equal(weight, networks[2].parameters[name])
    # Each model predicts each way of writing; where several fit, that of its own table.
    first = ""
    for model in ("m.lamina", "g.lamina"):
        for data in ("plain.csv", "german.csv", "tab.csv"):
            assert main(["predict", model, data, "--out", "p.csv"]) == 0
            found = (folder / "p.csv").read_text()
            first = first or found
            assert found == first
    (folder / "one.csv").write_text("a;b;c;d;n\n1.250;2.500;1.000;1.000;3\n")
    train(data="german.csv", out="g.lamina")
    capsys.readouterr()
    assert main(["predict", "g.lamina", "one.csv"]) == 0
    assert "decimal point" in capsys.readouterr().err


def test_thousands_of_the_training_table_are_known_in_prediction(folder, capsys):
    rng = np.random.default_rng(0)
    values = rng.integers(1000, 900_000, ROWS)
    lines = [f"{v:,};{v / 7:.2f}".replace(",", "X").replace(".", ",").replace("X", ".") for v in values]
    (folder / "g.csv").write_text("x;y\n" + "\n".join(lines))
    train(data="g.csv")
    (folder / "one.csv").write_text("x\n1.250\n")
    (folder / "same.csv").write_text("x\n1250\n")
    (folder / "other.csv").write_text("x\n1250.0\n")
    predictions = []
    for name in ("one.csv", "same.csv", "other.csv"):
        capsys.readouterr()
        assert main(["predict", "m.lamina", name]) == 0
        predictions.append(capsys.readouterr().out)
    assert predictions[0] == predictions[1] == predictions[2]


def test_a_column_of_numbers_with_a_few_odd_cells_is_not_left_out(folder, numbers, capsys):
    odd = numbers.astype({"a": str})
    odd.loc[6, "a"] = "12 kg"
    odd.to_csv("odd.csv", index=False)
    train(data="odd.csv", code=2)
    error = capsys.readouterr().err
    assert "column 'a' is read as text, and nearly all of it is numbers: '12 kg' in line 8 is no number" in error
    assert "--na='12 kg'" in error
    train("--na", "12 kg", "--impute", "mean", data="odd.csv")
    train("--drop", "a", data="odd.csv")
    few = numbers.assign(n=numbers.n.map(lambda n: "8+" if n == 8 and numbers.index[0] == 0 else str(n)))
    few.loc[few.index[3:], "n"] = few.loc[few.index[3:], "n"].replace("8+", "7")
    few.loc[2, "n"] = "8+"
    few.to_csv("few.csv", index=False)
    train(data="few.csv")


@pytest.mark.parametrize("different", [7, 15, 40, 60])
def test_a_stray_word_among_numbers_is_told_of_however_many_they_are(folder, numbers, capsys, different):
    ages = [str(20 + i % different) for i in range(ROWS)]
    marks = dict(enumerate(["NA", "?", "-", "null", "n/a", ""], start=50))
    ages = [marks.get(i, age) for i, age in enumerate(ages)]
    numbers.assign(age=ages).to_csv("ages.csv", index=False)
    assert read(folder, (folder / "ages.csv").read_bytes()).frame["age"].isna().sum() == 6
    train("--impute", "mean", data="ages.csv")
    assert "age" not in capsys.readouterr().out
    ages[30] = "unknown"
    numbers.assign(age=ages).to_csv("ages.csv", index=False)
    train("--impute", "mean", data="ages.csv", code=2 if different > 9 else 0)
    said = capsys.readouterr()
    assert "column 'age' is read as text" in said.out + said.err
    assert "'unknown' in line 32 is no number; correct it, or make it a missing value by --na unknown" in (
        said.out + said.err
    )
    train("--impute", "mean", "--na", "unknown", data="ages.csv")
    train("--impute", "mean", "--text", "age", data="ages.csv")
    train("--impute", "mean", target="age", data="ages.csv", code=2 if different > 9 else 0)
    said = capsys.readouterr()
    assert "'unknown' in line 32 is no number" in said.out + said.err
    train("--impute", "mean", "--text", "age", data="ages.csv")
    assert "is read as text" not in capsys.readouterr().out


def test_a_target_of_texts_that_look_like_numbers_is_refused(folder, numbers, capsys):
    odd = numbers.astype({"y": str})
    odd.loc[6, "y"] = "about 7"
    odd.to_csv("odd.csv", index=False)
    train(data="odd.csv", code=2)
    error = capsys.readouterr().err
    assert "different texts that look like numbers: 'about 7' in line 8 is no number" in error
    assert "--task classification" in error
    train("--task", "regression", data="odd.csv", code=2)
    assert "'about 7' in line 8" in capsys.readouterr().err
    train("--na", "about 7", "--impute", "mean", data="odd.csv")
    codes = numbers.assign(y=[f"{i % 30:03}" for i in range(ROWS)])
    codes.to_csv("codes.csv", index=False)
    train(data="codes.csv", code=2)
    assert "--numbers y reads them as numbers" in capsys.readouterr().err
    train("--numbers", "y", data="codes.csv")
    train("--task", "classification", data="codes.csv")


def test_models_know_the_units_of_their_columns(folder, numbers, capsys):
    money = numbers.assign(y=numbers.y.map("${:,.2f}".format), a=numbers.a.map("{:.2f} kg".format))
    money.to_csv("money.csv", index=False)
    train()
    train(data="money.csv", out="u.lamina")
    assert "regression: the target 'y'" in capsys.readouterr().out
    for data in ("plain.csv", "money.csv"):
        assert main(["predict", "u.lamina", data, "--out", "u.csv"]) == 0
        assert "R2" in capsys.readouterr().err
        assert main(["predict", "m.lamina", "plain.csv", "--out", "p.csv"]) == 0
        assert_array_equal(pd.read_csv("u.csv"), pd.read_csv("p.csv"))
        capsys.readouterr()
    money.assign(a="5 lb").to_csv("other.csv", index=False)
    assert main(["predict", "u.lamina", "other.csv"]) == 2
    assert "column 'a' holds numbers in the model; here it has '5 lb' in line 2" in capsys.readouterr().err
    odd = money.a.tolist()
    odd[4] = "unknown"
    money.assign(a=odd).to_csv("odd.csv", index=False)
    train(data="odd.csv", code=2)
    assert "'unknown' in line 6 is no number" in capsys.readouterr().err


def test_a_target_of_dates_is_refused(folder, numbers, capsys):
    days = pd.Series(pd.date_range("2024-01-01", periods=4))[np.arange(ROWS) % 4].reset_index(drop=True)
    numbers.assign(y=days.dt.strftime("%Y-%m-%d")).to_csv("dates.csv", index=False)
    train(data="dates.csv", code=2)
    error = capsys.readouterr().err
    assert "the target 'y' holds 4 different dates (2024-01-01, ...), which are no numbers, and hardly classes" in error
    assert "--task classification trains on them as they are" in error
    train("--task", "classification", data="dates.csv")
    for own in (days, days.dt.date):
        numbers.assign(y=own).to_parquet("dates.parquet")
        capsys.readouterr()
        train(data="dates.parquet", code=2)
        error = capsys.readouterr().err
        assert "the target 'y' holds 4 different dates" in error
        assert "--task" not in error
        train("--task", "classification", data="dates.parquet", code=2)
        assert "the target 'y' holds 4 different dates" in capsys.readouterr().err


def test_a_target_of_too_many_texts_is_refused(folder, numbers, capsys):
    days = pd.date_range("2024-01-01", periods=ROWS).strftime("%Y-%m-%d")
    for y in (days, days[: ROWS // 2].repeat(2), [f"{i} of {i % 3}" for i in range(ROWS)]):
        numbers.assign(y=y).to_csv("dates.csv", index=False)
        train(data="dates.csv", code=2)
        error = capsys.readouterr().err
        assert "too many for classes" in error
        assert ("--task classification" in error) == (len(set(y)) <= ROWS / 2)
        train("--task", "classification", data="dates.csv", code=0 if len(set(y)) <= ROWS / 2 else 2)
        capsys.readouterr()
    numbers.assign(y=days[: ROWS // 2].repeat(2)).to_csv("dates.csv", index=False)
    train("--task", "classification", data="dates.csv")
    numbers.assign(y=[f"class {i % 40}" for i in range(ROWS)]).to_csv("many.csv", index=False)
    capsys.readouterr()
    train("--test", "0.4", data="many.csv")
    printed = capsys.readouterr().out
    assert "By class: the 30 with the most rows, of 40" in printed
    assert sum("class " in line and "always" not in line for line in printed.split("By class")[1].splitlines()) < 36


def test_whole_numbers_written_as_decimals_are_classes(folder, numbers, capsys):
    """As a program writes them that had a gap in the column."""
    for gap in (False, True):
        labels = (numbers.a > 100).astype(float)
        labels[3] = np.nan if gap else labels[3]
        numbers.assign(y=labels).to_csv("gap.csv", index=False)
        train("--impute", "mean", data="gap.csv")
        assert "classification: the target 'y': its values are whole numbers, 2 different" in capsys.readouterr().out
        assert main(["predict", "m.lamina", "gap.csv"]) == 0
        assert "accuracy" in capsys.readouterr().err
    numbers.assign(y=numbers.a.round()).to_csv("whole.csv", index=False)
    train(data="whole.csv")
    assert "regression: " in capsys.readouterr().out


@pytest.mark.parametrize("labels", [("FALSE", "TRUE"), ("false", "true"), ("0.0", "1.0"), ("2 D", "3 D"), ("-1", "+1")])
def test_labels_come_back_as_the_training_table_spells_them(folder, numbers, labels, capsys):
    numbers.assign(y=np.where(numbers.a > 100, *labels)).to_csv("spelled.csv", index=False)
    train("--epochs", "40", data="spelled.csv")
    assert f"always '{labels[0]}'" in (said := capsys.readouterr().out) or f"always '{labels[1]}'" in said
    assert main(["predict", "m.lamina", "spelled.csv", "--proba", "--out", "p.csv"]) == 0
    assert "accuracy" in capsys.readouterr().err
    found = pd.read_csv("p.csv", dtype=str)
    assert set(found["prediction"]) == set(labels)
    assert set(found.columns) == {"prediction", *(f"probability_{label}" for label in labels)}
    assert main(["info", "m.lamina"]) == 0
    assert f"classes: {labels[0]}, {labels[1]}" in capsys.readouterr().out
    # A model whose file has no spellings.
    net = lamina.load("m.lamina")
    saved = json.loads(net.metadata["table"])
    del saved["target"]["spelled"]
    net.metadata["table"] = json.dumps(saved)
    net.save("old.lamina")
    assert main(["predict", "old.lamina", "spelled.csv", "--out", "old.csv"]) == 0


def test_labels_with_zeros_in_front(folder, numbers):
    numbers.assign(y=np.where(numbers.a > 100, "01", "02")).to_csv("codes.csv", index=False)
    train(data="codes.csv")
    assert main(["predict", "m.lamina", "codes.csv", "--out", "p.csv"]) == 0
    assert set(pd.read_csv("p.csv", dtype=str)["prediction"]) <= {"01", "02"}


def test_a_table_that_is_mostly_left_out_is_refused(folder, numbers, capsys):
    for name in "abc":
        numbers[name] = [f"text {value}" for value in numbers[name]]
    numbers.to_csv("texts.csv", index=False)
    train(data="texts.csv", code=2)
    assert "3 of 5 columns have more than 50 different texts each" in capsys.readouterr().err
    train("--drop", "a,b", data="texts.csv")
    assert "column 'c' has" in capsys.readouterr().out


def test_doubled_headers(folder, numbers, capsys):
    numbers.rename(columns={"b": "a"}).to_csv("doubled.csv", index=False)
    train(data="doubled.csv")
    assert "the header has 'a' more than once" in capsys.readouterr().out
    assert main(["predict", "m.lamina", "doubled.csv"]) == 0
    train(data="doubled.csv", target="a", code=2)
    assert "has the target 'a' more than once" in capsys.readouterr().err


def test_spaces_around_header_names(folder, numbers, capsys):
    numbers.rename(columns=lambda name: f" {name} ").to_csv("spaces.csv", index=False)
    train(data="spaces.csv")
    assert main(["predict", "m.lamina", "plain.csv"]) == 0
    train("--drop", "y", code=2)
    assert "--drop y leaves out the target" in capsys.readouterr().err


@pytest.mark.parametrize("factor", [1e300, 1e-200, 1e-310])
def test_targets_of_extreme_size(folder, numbers, factor, capsys):
    numbers.assign(y=numbers.y * factor).to_csv("extreme.csv", index=False)
    train("--epochs", "60", "--lr", "0.01", data="extreme.csv", code=2 if factor > 1 else 0)
    printed = capsys.readouterr()
    if factor > 1:
        assert "the target 'y' has values as large as" in printed.err
    elif factor == 1e-200:
        assert float(printed.out.split("R2")[1].split()[1]) > 0.5
    numbers.assign(a=numbers.a * factor).to_csv("extreme.csv", index=False)
    train(data="extreme.csv", code=2)
    if factor > 1:
        assert "'a' has values as large as" in capsys.readouterr().err
    else:
        assert "'a' has no value larger than" in capsys.readouterr().err


def test_columns_far_from_zero_keep_their_differences(folder, numbers):
    """Milliseconds since 1970 within a minute differ by less than float32 can tell."""
    numbers.assign(a=(numbers.a * 200 + 1.7e12).round()).to_csv("stamps.csv", index=False)
    train(data="stamps.csv")
    found = lamina.load("m.lamina").input_normalization
    wanted = numbers.a.std() * 200
    assert 1 / found[1][0] == pytest.approx(wanted, rel=0.2)
    assert main(["predict", "m.lamina", "stamps.csv", "--out", "p.csv"]) == 0


def test_training_that_diverges(folder, numbers, capsys):
    train("--lr", "1e30", code=2)
    assert "training diverged: " in (error := capsys.readouterr().err)
    assert "nothing is saved" in error
    assert not (folder / "m.lamina").exists()


def test_a_target_of_one_value_teaches_nothing(folder, numbers, capsys):
    numbers.assign(y=2.5).to_csv("one.csv", index=False)
    train(data="one.csv", code=2)
    assert "has one value alone, 2.5" in capsys.readouterr().err


def test_training_rows_of_one_class_and_a_table_without_header(folder, numbers, capsys):
    pd.DataFrame({"a": range(4), "y": ["x", "x", "x", "z"]}).to_csv("few.csv", index=False)
    said = set()
    for seed in range(12):
        code = main(["train", "few.csv", "--target", "y", "--out", "f.lamina", "--quiet", "--seed", str(seed)])
        said.add((code, "to train on have one class alone, 'x', of the target 'y'" in capsys.readouterr().err))
    assert said == {(0, False), (2, True)}
    numbers.to_csv("bare.csv", index=False, header=False)
    train(data="bare.csv", code=2)
    assert "(is the first line a header?)" in capsys.readouterr().err


def test_row_numbers_are_left_out(folder, numbers, capsys):
    numbers.to_csv("index.csv")
    train(data="index.csv")
    assert "the first column has no name and counts the rows: left out" in capsys.readouterr().out
    numbers.set_index("a").rename_axis("").to_csv("index.csv")
    train(data="index.csv")
    assert "left out" not in capsys.readouterr().out


def test_a_class_that_is_never_predicted_is_told_of(folder, numbers, capsys):
    rare = np.where(np.arange(ROWS) % 20 == 0, "yes", "no")
    numbers.assign(y=rare).to_csv("rare.csv", index=False)
    train("--epochs", "60", "--l2", "0.1", data="rare.csv")
    printed = capsys.readouterr().out
    assert "warning: never predicted here: 'yes'" in printed
    assert "--class-weight balanced" in printed
    train("--class-weight", "balanced", "--epochs", "20", data="rare.csv")
    train("--class-weight", "balanced", code=2)
    assert "--class-weight needs classes" in capsys.readouterr().err


# Model files -----------------------------------------------------------------------------------------------------


def test_models_without_rules_for_cells_read_as_before(folder, numbers):
    """What pandas takes for missing was missing in texts, too, and blanks behind a text belonged to it."""
    mixed = numbers.assign(t=np.where(numbers.n > 4, "a ", "b"), flag=numbers.n % 2 == 0)
    mixed.to_csv("mixed.csv", index=False)
    train("--impute", "most_frequent", data="mixed.csv")
    net = lamina.load("m.lamina")
    saved = json.loads(net.metadata["table"])
    del saved["cells"]
    text = next(column for column in saved["columns"] if column["name"] == "t")
    text["categories"], text["fill"] = ["a ", "b"], "b"
    net.metadata["table"] = json.dumps(saved)
    net.save("old.lamina")
    for missing in ("NA", "None", "null", "b"):
        mixed.assign(t=missing).to_csv("new.csv", index=False)
        assert main(["predict", "old.lamina", "new.csv", "--out", f"{missing}.csv"]) == 0
        assert_array_equal(pd.read_csv(f"{missing}.csv"), pd.read_csv("NA.csv"))
    mixed.assign(t="a ").to_csv("new.csv", index=False)
    assert main(["predict", "old.lamina", "new.csv", "--out", "a.csv"]) == 0
    assert not np.array_equal(pd.read_csv("a.csv"), pd.read_csv("NA.csv"))


def test_words_for_separators_and_lists_with_blanks(folder, numbers, capsys):
    for word, mark in {"tab": "\t", "comma": ",", "semicolon": ";", "space": " ", "pipe": "|", "PIPE": "|"}.items():
        numbers.to_csv("words.csv", index=False, sep=mark)
        train("--separator", word, data="words.csv")
    for arguments, hint in (
        (["--hidden", "64", "32"], "32; a list is one word, with commas: --hidden 64,32"),
        (["--hidden", "64,32", "--drop", "a", "b"], "b; a list is one word, with commas: --drop a,b"),
        (["--hidden", "64,32", "--nonsense"], "unrecognized arguments: --nonsense (see"),
        (["--separator", "word"], "nor one of tab, comma, semicolon, pipe"),
    ):
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            train(*arguments)
        assert exit_.value.code == 2
        assert hint in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["train", "--hidden", "64", "32", "plain.csv", "--target", "y", "--out", "m.lamina"])
    assert "--hidden 64,32" in capsys.readouterr().err


def test_categories_that_training_did_not_see_are_one_note(folder, numbers, capsys):
    seen = numbers.assign(**{name: np.where(numbers.n > 4, "x", "y") for name in "abc"})
    seen.to_csv("seen.csv", index=False)
    train(data="seen.csv")
    cases = (
        ("a", "column 'a': 150 rows with categories unknown to the model ('z')"),
        ("abc", "3 columns have categories unknown to the model: 'a' (150 rows: 'z')"),
    )
    for names, note in cases:
        seen.assign(**dict.fromkeys(names, "z")).to_csv("new.csv", index=False)
        capsys.readouterr()
        assert main(["predict", "m.lamina", "new.csv"]) == 0
        error = capsys.readouterr().err
        assert note in error
        assert error.count("unknown to the model") == 1


def test_the_model_comes_first(folder, capsys):
    train()
    capsys.readouterr()
    assert main(["predict", "plain.csv", "m.lamina"]) == 2
    error = capsys.readouterr().err
    assert "plain.csv is no model; the model comes first: lamina predict model.lamina data.csv" in error
    assert len(error.splitlines()) == 1
    assert main(["predict", "m.lamina", "m.lamina"]) == 2
    assert "m.lamina is a model of lamina, no table" in capsys.readouterr().err
    content = (folder / "m.lamina").read_bytes()
    (folder / "cut.lamina").write_bytes(content[:-8])
    assert main(["predict", "cut.lamina", "plain.csv"]) == 2
    assert "comes first" not in capsys.readouterr().err


def test_damaged_descriptions_of_a_table_are_refused(folder, capsys):
    train()
    net = lamina.load("m.lamina")
    whole = json.loads(net.metadata["table"])
    columns, target = whole["columns"], whole["target"]
    for damaged in (
        "[]", "null", "{", "[" * 100_000, "{}",
        json.dumps(whole | {"columns": columns[1:]}),
        json.dumps(whole | {"columns": [columns[0] | {"categories": 5}, *columns[1:]]}),
        json.dumps(whole | {"columns": [columns[0] | {"categories": ["a", "a"]}, *columns[1:]]}),
        json.dumps(whole | {"columns": [columns[0] | {"name": 5}, *columns[1:]]}),
        json.dumps(whole | {"columns": [columns[0] | {"fill": {}}, *columns[1:]]}),
        json.dumps(whole | {"target": target | {"classes": "ab"}}),
        json.dumps(whole | {"target": target | {"mean": None}}),
        json.dumps(whole | {"target": target | {"spelled": ["a"]}}),
        json.dumps(whole | {"target": target | {"scale": float("nan")}}),
        json.dumps(whole | {"cells": {"missing": 5}}),
        json.dumps(whole | {"cells": {"decimal": "x"}}),
        json.dumps(whole | {"cells": {"units": {"a": "kg"}}}),
    ):  # fmt: skip
        net.metadata["table"] = damaged
        net.save("damaged.lamina")
        capsys.readouterr()
        assert main(["predict", "damaged.lamina", "plain.csv"]) == 2
        error = capsys.readouterr().err
        assert "the model's description of its table is damaged" in error
        assert len(error.splitlines()) == 1


def test_rules_for_cells_are_saved():
    rules = CellRules(missing=["", "NA"], decimal=",", thousands=".", units={"a": ["$", ""]})
    table, _ = Table.fit(pd.DataFrame({"a": [1.0, 2.0]}), cells=rules)
    again, _, _ = Table.from_json(table.to_json(Target("y"), "regression"))
    assert again.cells == rules


def test_a_table_of_empty_columns_alone_is_none(tmp_path):
    with pytest.raises(TableError, match=r"has no column with a name or a value \(3 empty columns\)"):
        read(tmp_path, ",,\n,,\n,,\n")
