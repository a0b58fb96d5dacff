"""Data frames of every library, with every awkward column, become the same matrix of numbers."""

import datetime as dt
import json
from dataclasses import replace
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from conftest import TIMES

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pytest.importorskip("narwhals")
try:
    import pyarrow as pa
except ImportError:
    pa = None

from lamina.tabular.frame import FrameEncoder  # noqa: E402 (what it needs may not be there)
from lamina.tabular.values import Values, labels_of, table_of  # noqa: E402

LIBRARIES = {"pandas": pd.DataFrame, "polars": lambda data: pl.DataFrame(data, strict=False), "rows": None}
if pa is not None:
    LIBRARIES["pyarrow"] = pa.table


def encode(X, categorical=None):
    return FrameEncoder.fit_transform(X, categorical)


def kept(encoder):
    """What a model file holds of an encoder, and makes of it."""
    described = json.loads(json.dumps(encoder.description()))
    return FrameEncoder.from_description(described, encoder.center, encoder.scale)


# The same in every library ---------------------------------------------------------------------------------------

NAIVE = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1))
KINDS = {
    "floats": st.floats(-1e30, 1e30),
    "few floats": st.sampled_from([0.5, -1.25, 1e-30]),
    "large": st.floats(1.7e9, 1.7e9 + 10),
    "integers": st.integers(-(2**40), 2**40),
    "text": st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4),
    "words": st.sampled_from(["red", "green", "blue", "NA", ""]),
    "text numbers": st.sampled_from(["1", "2.50", "-3e2", " 4 ", "5."]),
    "codes": st.sampled_from(["007", "1", "02"]),
    "booleans": st.booleans(),
    "datetimes": NAIVE,
    "dates": st.dates(dt.date(1900, 1, 1), dt.date(2200, 1, 1)),
    "text dates": st.dates(dt.date(1900, 1, 1), dt.date(2200, 1, 1)).map(str),
    "text times": NAIVE.map(lambda moment: moment.isoformat(" ")),
    "times": st.times(),
    "durations": st.timedeltas(dt.timedelta(-(10**4)), dt.timedelta(10**4)),
    "nothing": st.none(),
}


@st.composite
def tables(draw):
    n = draw(st.integers(1, 12))
    columns = {}
    for i in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(sorted(KINDS)))
        cell = st.one_of(st.none(), KINDS[kind]) if draw(st.booleans()) else KINDS[kind]
        columns[f"{kind} {i}"] = draw(st.lists(cell, min_size=n, max_size=n))
    return columns


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # of pandas 2, which tries whole numbers
@given(columns=tables(), data=st.data())
@settings(max_examples=60 * TIMES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_library_gives_the_same_matrix(columns, data):
    frames = {name: make(columns) for name, make in LIBRARIES.items() if make is not None}
    frames["pandas, nullable"] = frames["pandas"].convert_dtypes()
    frames["rows"] = [list(row) for row in zip(*columns.values(), strict=True)]
    found = {}
    for name, frame in frames.items():
        encoder, matrix = encode(frame)
        found[name] = matrix
        assert matrix.dtype == np.float32
        assert np.isfinite(matrix).all()
        assert matrix.tobytes() == found["pandas"].tobytes(), name
        assert matrix.shape == (len(frames["rows"]), encoder.width)
        varying = encoder.n_numeric + len(encoder.sizes) > 0
        assert len(encoder.names_out()) == len(encoder.sources()) == (encoder.width if varying else 0)
        for own, codes in zip(encoder.sizes, matrix[:, encoder.n_numeric :].T, strict=False):
            assert codes.min() >= -1
            assert codes.max() < own
        again = kept(encoder)
        assert again.description() == encoder.description()
        others = [frame] if name == "rows" else [f for other, f in frames.items() if other != "rows"]
        for other in others:
            assert again.transform(other).tobytes() == matrix.tobytes()
    order = data.draw(st.permutations(list(columns)))
    shuffled = frames["polars"].select(order).with_columns(pl.lit("of no use").alias("beside"))
    assert encode(frames["polars"])[0].transform(shuffled).tobytes() == found["pandas"].tobytes()


@given(columns=tables())
@settings(max_examples=25 * TIMES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_rows_are_encoded_one_by_one_as_together(columns):
    frame = pl.DataFrame(columns, strict=False)
    encoder, matrix = encode(frame)
    for i in range(len(frame)):
        np.testing.assert_array_equal(encoder.transform(frame[i : i + 1]), matrix[i : i + 1])


def test_categorical_columns_of_the_libraries():
    words = ["b", "a", None, "b"] * 3
    frames = [
        pd.DataFrame({"x": pd.Categorical(words, categories=["c", "b", "a"])}),
        pl.DataFrame({"x": pl.Series(words, dtype=pl.Categorical)}),
        pl.DataFrame({"x": pl.Series(words, dtype=pl.Enum(["c", "b", "a"]))}),
        pd.DataFrame({"x": words}),
    ]
    if pa is not None:
        frames.append(pa.table({"x": pa.array(words).dictionary_encode()}))
    for frame in frames:
        encoder, matrix = encode(frame)
        assert encoder.columns[0].categories == ("a", "b")
        assert matrix[:4, 0].tolist() == [1, 0, -1, 1]
        for other in frames:
            np.testing.assert_array_equal(encoder.transform(other), matrix)


def test_categories_that_are_no_text():
    frame = pd.DataFrame({"bins": pd.cut([1, 5, 9, 1], 3), "numbers": pd.Categorical([3, 1, 3, 1])})
    encoder, matrix = encode(frame)
    assert encoder.columns[1].categories == ("1", "3")
    assert matrix[:, 1].tolist() == [1, 0, 1, 0]
    assert encoder.transform(frame.assign(numbers=[3.0, 1.0, np.nan, 4.0]))[:, 1].tolist() == [1, 0, -1, -1]


@pytest.mark.parametrize(
    "values",
    [
        [3, 1, 3, 2],
        [2.5, 1.0, None, 2.5],
        [True, None, False, True],
        ["b", "a", None, "b"],
        [dt.date(2024, 1, 2), None, dt.date(2023, 1, 2), dt.date(2024, 1, 2)],
        pd.to_datetime(["2024-01-02", None, "2023-01-02", "2024-01-02"]),
        pd.to_timedelta(["1 day", None, "2 days", "1 day"]),
        pd.cut([1, 5, np.nan, 1], 3),
    ],
    ids=repr,
)
def test_categories_of_pandas_are_those_of_their_values(values):
    """They are read by their numbers."""
    column = pd.Series(pd.Categorical(values))
    labels, codes = labels_of(table_of(pd.DataFrame({"x": column})).values(0))
    wanted, numbers = labels_of(Values("label", column.to_list()))
    assert labels == wanted
    np.testing.assert_array_equal(codes, numbers)


def test_time_zones():
    moments = [dt.datetime(2024, 3, 31, 0, 30, tzinfo=dt.timezone.utc) + dt.timedelta(hours=i) for i in range(6)]
    berlin = [moment.astimezone(ZoneInfo("Europe/Berlin")) for moment in moments]
    frame = pd.DataFrame({"at": pd.to_datetime(moments).tz_convert("Europe/Berlin")})
    encoder, matrix = encode(frame)
    assert encoder.columns[0].zone == "Europe/Berlin"
    assert encoder.columns[0].numbers == ("", "hour")
    hours = matrix[:, 1] * encoder.scale[1] + encoder.center[1]
    assert hours.round().tolist() == [1, 3, 4, 5, 6, 7]  # one hour is left out that night
    for other in (
        pl.DataFrame({"at": pl.Series(moments, dtype=pl.Datetime("ms", "America/New_York"))}),
        pd.DataFrame({"at": pd.Series(berlin, dtype=object)}),
        pd.DataFrame({"at": [moment.isoformat() for moment in moments]}),
    ):
        np.testing.assert_array_equal(encoder.transform(other), matrix)
    with pytest.raises(TypeError, match="'at' of X holds dates without a time zone; at the fit they were with one"):
        encoder.transform(frame.assign(at=frame["at"].dt.tz_localize(None)))
    with pytest.raises(TypeError, match="'at' of X holds dates with a time zone and without"):
        encode(pd.DataFrame({"at": pd.Series([moments[0], dt.datetime(2024, 1, 1)], dtype=object)}))
    mixed = pd.DataFrame({"at": pd.Series([moments[0], berlin[1]], dtype=object)})
    assert encode(mixed)[0].columns[0].zone == "UTC"


def offset_frames():
    """Moments with an offset of one hour, in whatever a library keeps them."""
    texts = [f"2024-01-{1 + i:02}T{i:02}:30:00+01:00" for i in range(8)]
    moments = [dt.datetime.fromisoformat(text) for text in texts]
    frames = {
        "texts": pd.DataFrame({"at": texts}),
        "objects": pd.DataFrame({"at": pd.Series(moments, dtype=object)}),
        "pandas": pd.DataFrame({"at": pd.to_datetime(moments)}),
        "polars": pl.DataFrame({"at": moments}),
    }
    if pa is not None:
        frames["pyarrow"] = pa.table({"at": pa.array(moments, pa.timestamp("us", "+01:00"))})
    return frames


@pytest.mark.parametrize("library", offset_frames())
def test_offsets_that_have_no_name_are_utc(library):
    frames = offset_frames()
    encoder, matrix = encode(frames[library])
    assert encoder.columns[0].zone == "UTC"
    again = kept(encoder)
    for other in (*frames.values(), pd.DataFrame({"at": frames["pandas"]["at"].dt.tz_convert("Asia/Tokyo")})):
        np.testing.assert_array_equal(again.transform(other), matrix)
    utc = [moment.astimezone(dt.timezone.utc).hour for moment in frames["pandas"]["at"]]
    place = encoder.names_out().index("at.hour")
    hours = matrix[:, place] * encoder.scale[place] + encoder.center[place]
    assert hours.round().tolist() == utc


def test_moments_beyond_the_years_of_python():
    usual = [f"2024-01-{1 + i:02}T10:00:00+01:00" for i in range(8)]
    for odd in ("0001-01-01T00:00+05:00", "9999-12-31T23:30-05:00"):
        texts = pd.DataFrame({"at": [*usual, odd]})
        objects = pd.DataFrame({"at": pd.Series(map(dt.datetime.fromisoformat, [*usual, odd]), dtype=object)})
        encoder, matrix = encode(texts)
        np.testing.assert_array_equal(encode(objects)[1], matrix)
        place = encoder.names_out().index("at.year")
        years = matrix[:, place] * encoder.scale[place] + encoder.center[place]
        assert years.round().tolist() == [2024] * 8 + [0 if odd < "2" else 10000]


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Etc/GMT-1", "+01:00"])
def test_zones_of_every_name_are_those_of_their_values(zone):
    moments = pd.Series(pd.date_range("2024-03-30", periods=40, freq="h", tz="UTC")).dt.tz_convert(zone)
    frames = [pd.DataFrame({"at": each}) for each in (moments, moments.astype(object))]
    of_column, of_values = (table_of(frame).values(0) for frame in frames)
    assert of_column.data.zone == of_values.data.zone
    for part in ("at", "clock"):
        np.testing.assert_array_equal(getattr(of_column.data, part), getattr(of_values.data, part))


def test_texts_to_the_nanosecond_are_dates():
    moments = pd.Series(pd.to_datetime(np.arange(8) * 10**15 + 123456789))
    encoder, matrix = encode(pd.DataFrame({"at": moments.map(str)}))
    assert encoder.columns[0].kind == "datetime"
    np.testing.assert_array_equal(encoder.transform(pd.DataFrame({"at": moments})), matrix)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00", "9999-12-31T23:59"])
def test_the_first_and_the_last_moments_of_python_in_a_zone(moment):
    zone = "America/New_York" if moment < "2" else "Europe/Berlin"
    usual = pd.Series(pd.date_range("2024-01-01", periods=8, tz="UTC", unit="us")).dt.tz_convert(zone)
    encoder, _ = encode(pd.DataFrame({"at": usual}))
    there = pl.Series([dt.datetime.fromisoformat(moment)], dtype=pl.Datetime("us")).dt.replace_time_zone("UTC")
    wanted = encoder.transform(pl.DataFrame({"at": there.dt.convert_time_zone(zone)}))
    in_utc = pd.Series([moment], dtype="datetime64[us]").dt.tz_localize("UTC")
    for other in (pd.DataFrame({"at": [moment + "+00:00"]}), pl.DataFrame({"at": there}), pd.DataFrame({"at": in_utc}),
                  pd.DataFrame({"at": in_utc.dt.tz_convert(zone)})):  # fmt: skip
        np.testing.assert_array_equal(encoder.transform(other), wanted)


def test_no_column_is_described_that_could_not_be_read_back():
    encoder, _ = encode(GOOD)
    encoder.columns[2] = replace(encoder.columns[2], zone="UTC+01:00")
    with pytest.raises(ValueError, match="there is no column such as"):
        encoder.description()


# What is made of a column ----------------------------------------------------------------------------------------


def test_dates_are_numbers_and_those_parts_that_vary():
    days = [dt.date(2024, 2, 28) + dt.timedelta(days=i) for i in range(4)]
    encoder, matrix = encode(pd.DataFrame({"day": days}))
    assert encoder.names_out() == ["day", "day.month", "day.day", "day.weekday"]
    values = matrix * encoder.scale + encoder.center
    np.testing.assert_allclose(values[:, 0], [dt.datetime(2024, 2, 28).replace(tzinfo=dt.timezone.utc).timestamp()
                                              + 86400 * i for i in range(4)])  # fmt: skip
    assert values[:, 1:].round().tolist() == [[2, 28, 2], [2, 29, 3], [3, 1, 4], [3, 2, 5]]


def test_numbers_of_two_values_are_told():
    frame = pd.DataFrame(
        {"two": [0, 1, None, 1], "three": [0, 1, 2, 1], "day": pd.to_datetime(["2024", "2025", "2025", None])}
    )
    encoder, _ = encode(frame)
    assert encoder.columns[0].binary == ("",)
    assert [encoder.names_out()[i] for i in encoder.varied()] == ["three"]


def test_large_numbers_keep_their_differences():
    seconds = 1.7e9 + np.arange(5) / 4
    encoder, matrix = encode(np.column_stack([seconds, np.arange(5)]))
    np.testing.assert_allclose(
        matrix[:, 0] * encoder.scale[0] + (encoder.center[0] - 1.7e9), np.arange(5) / 4, atol=1e-6
    )
    assert len(np.unique(matrix[:, 0])) == 5
    _, small = encode(np.array([[1e-300], [2e-300], [4e-300]]))
    _, large = encode(np.array([[1e300], [2e300], [4e300]]))
    np.testing.assert_allclose(small, large, rtol=1e-6)
    assert encoder.transform(np.array([[1e308, 0.0]]))[0, 0] == 1e6


@pytest.mark.parametrize("far", [1e9, 1e30, 1e300])
def test_a_code_far_out_leaves_the_others_their_digits(far):
    x = np.arange(1000) / 1000
    _, matrix = encode(np.column_stack([np.r_[x, far], np.r_[x, 0]]))
    assert len(np.unique(matrix[:-1, 0])) == 1000
    assert np.isfinite(matrix).all()


def test_missing_numbers_are_the_median_with_an_indicator():
    encoder, matrix = encode(pl.DataFrame({"x": [1.0, None, 3.0, 2.0], "y": [1, 2, 4, 8]}))
    assert encoder.names_out() == ["x", "y", "x.missing"]
    assert encoder.sizes == (2,)
    assert matrix[:, 0].tolist() == [-0.5, 0, 0.5, 0]
    assert matrix[:, 2].tolist() == [0, 1, 0, 0]
    # Where none was missing at the fit, a missing one is the median.
    assert encoder.transform(pl.DataFrame({"x": [2.0], "y": [None]}))[0, 1] == 0


def test_constant_columns_are_dropped_and_missing_all_the_same():
    frame = pd.DataFrame({"same": [5] * 4, "gone": [np.nan] * 4, "sometimes": [1.0, np.nan, 1.0, np.nan],
                          "word": ["a"] * 4, "yes": [True, None, True, None], "x": range(4)})  # fmt: skip
    encoder, matrix = encode(frame)
    assert list(encoder.dropped()) == ["same", "gone", "word"]
    assert encoder.names_out() == ["x", "sometimes.missing", "yes.missing"]
    assert matrix[:, 1:].tolist() == [[0, 0], [1, 1], [0, 0], [1, 1]]
    rest = frame[["x", "sometimes", "yes"]]
    np.testing.assert_array_equal(encoder.transform(rest), matrix)
    nothing, zeros = encode(frame[["same", "gone"]])
    assert nothing.width == 1
    assert not zeros.any()
    assert nothing.transform(frame).tolist() == zeros.tolist()


def test_unseen_categories():
    encoder, _ = encode(pd.DataFrame({"x": ["a", "b"] * 4, "yes": [True, False] * 4}))
    new = pd.DataFrame({"x": ["c", "a", None], "yes": [None, True, False]})
    assert encoder.transform(new).tolist() == [[-1, -1], [0, 1], [-1, 0]]


TOWNS = [f"town {i % 6}" for i in range(30)]
STRANGE_KINDS = {
    "numbers": [1.5] * 30,
    "True and False": [True, False] * 15,
    "dates": [dt.datetime(2024, 1, 1)] * 30,
    "durations": [dt.timedelta(1)] * 30,
}


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("kind", STRANGE_KINDS)
def test_other_values_in_place_of_text_are_refused(kind, library):
    words = rf"column 'x' of X held text at the fit; got {kind}, none of which, written as text, is one of its 6 categ"
    for texts in (library({"x": TOWNS}), pd.DataFrame({"x": pd.Categorical(TOWNS)})):
        encoder, _ = encode(texts)
        for each in (encoder, kept(encoder)):
            with pytest.raises(TypeError, match=words):
                each.transform(library({"x": STRANGE_KINDS[kind]}))
            assert (
                each.transform(library({"x": pl.Series([None] * 3, dtype=pl.Float64).to_list()})).tolist() == [[-1]] * 3
            )
    # What is equal is one label, whoever has read it; new ones of numbers that were named as categories may come.
    assert encode(library({"x": ["1", "2", "c"] * 3}))[0].transform(library({"x": [1, 2, 3]})).tolist() == [
        [0],
        [1],
        [-1],
    ]
    encoder, _ = encode(library({"x": [STRANGE_KINDS[kind][0], None]}), ["x"])
    encoder.transform(library({"x": [5, 6]}))


def test_texts_none_of_which_is_known_are_told():
    encoder, _ = encode(pd.DataFrame({"x": TOWNS}))
    others = [f"city {i}" for i in range(5)]
    told = "column 'x' of X has 5 different values, such as 'city 0', and none .* 6 cat"
    with pytest.warns(UserWarning, match=told) as met:
        assert encoder.transform(pd.DataFrame({"x": others})).tolist() == [[-1]] * 5
    assert met[0].filename == __file__
    encoder.transform(pd.DataFrame({"x": others[:4]}))
    encoder.transform(pd.DataFrame({"x": [*others, "town 1"]}))


def test_rare_categories_are_one_which_stands_for_unseen_ones():
    words = [f"often {i}" for i in range(10) for _ in range(3)] + [f"once {i}" for i in range(5)]
    encoder, matrix = encode(pd.DataFrame({"x": words}))
    assert encoder.sizes == (11,)
    assert encoder.columns[0].others
    assert matrix[30:, 0].tolist() == [10] * 5
    assert encoder.transform(pd.DataFrame({"x": ["new", None, "often 3"]}))[:, 0].tolist() == [10, -1, 3]
    few = ["a", "b", "c", "c"]
    assert encode(pd.DataFrame({"x": few}))[0].columns[0].categories == ("a", "b", "c")


def test_the_number_of_categories_is_bound():
    many = [f"{i % 3000}" + "x" for i in range(9000)] + ["0x"] * 5
    encoder, _ = encode(pl.DataFrame({"x": many}))
    assert encoder.sizes == (1025,)
    assert "0x" in encoder.columns[0].categories


def test_ids_and_free_text_are_left_out():
    encoder, matrix = encode(pd.DataFrame({"id": [f"row {i}" for i in range(40)], "x": range(40)}))
    assert matrix.shape == (40, 1)
    assert encoder.dropped() == {
        "id": "nearly all of its values are different, as those of an id or of free text",
    }


def test_text_that_is_numbers_or_dates_all_over():
    frame = pd.DataFrame({"n": ["1.5", " -2 ", None], "code": ["007", "1", "2"],
                          "day": ["2024-01-01", "2024-01-03", None],
                          "no day": ["2024-02-30", "2024-01-01", "x"]})  # fmt: skip
    encoder, matrix = encode(frame)
    assert [column.kind for column in encoder.columns] == ["number", "category", "datetime", "category"]
    np.testing.assert_array_equal(encoder.transform(frame.assign(n=[1.5, -2, np.nan])), matrix)
    np.testing.assert_array_equal(encoder.transform(frame.assign(day=pd.to_datetime(frame["day"]))), matrix)
    assert np.isfinite(encoder.transform(frame.assign(n=["007", "1", "2"]))).all()
    with pytest.raises(TypeError, match="column 'n' of X held numbers at the fit; got text"):
        encoder.transform(frame.assign(n=["1", "2", "three"]))


def test_digits_of_other_scripts_are_text():
    digits = [chr(0xFF10 + i) for i in range(3)]
    for texts in (digits, [f"2024-01-0{digit}" for digit in digits], [f"0{digit}" for digit in digits]):
        assert encode(pd.DataFrame({"t": texts}))[0].columns[0].categories == tuple(texts)
    blanks = encode(pd.DataFrame({"t": ["\u00a01", "2", "3.5"]}))[0]
    assert blanks.columns[0].kind == "number"


@pytest.mark.parametrize("chosen", ["zip", ["zip"], [0], [True, False]])
def test_numbers_may_be_named_as_categories(chosen):
    frame = pd.DataFrame({"zip": [1010, 1020, np.nan, 1010], "x": [1, 2, 3, 4]})
    encoder, matrix = encode(frame, chosen)
    assert encoder.columns[0].categories == ("1010", "1020")
    assert matrix[:, 1].tolist() == [0, 1, -1, 0]
    other = pl.DataFrame({"zip": [1020, 7], "x": [1, 2]})
    assert encoder.transform(other)[:, 1].tolist() == [1, -1]
    assert encode(frame)[0].columns[0].kind == "number"


BIG = 2**60
WHOLE = {  # numbers that are one as float64, and missing ones
    "array": lambda values: np.array([[value or 0] for value in values]),
    "unsigned": lambda values: np.array([[value or 0] for value in values], np.uint64),
    "masked": lambda values: np.ma.masked_array([[v or 0] for v in values], [[v is None] for v in values]),
    "rows": lambda values: [[value] for value in values],
    "objects": lambda values: pd.DataFrame({"id": pd.Series(values, dtype=object)}),
    "decimals": lambda values: pd.DataFrame({"id": [None if v is None else Decimal(v) for v in values]}),
    "nullable": lambda values: pd.DataFrame({"id": pd.Series(values, dtype="Int64")}),
    "polars": lambda values: pl.DataFrame({"id": values}),
    "polars, 128 bits": lambda values: pl.DataFrame({"id": pl.Series(values, dtype=pl.Int128)}),
    "polars, decimals": lambda values: pl.DataFrame({"id": pl.Series(values, dtype=pl.Decimal(30, 0))}),
}
if pa is not None:
    WHOLE["pyarrow"] = lambda values: pa.table({"id": pa.array(values, pa.int64())})
    WHOLE["pyarrow, pandas"] = lambda values: pd.DataFrame({"id": pd.Series(values, dtype=pd.ArrowDtype(pa.int64()))})


@pytest.mark.parametrize("gap", [None, 7])
@pytest.mark.parametrize("made", WHOLE)
def test_whole_numbers_that_float64_does_not_tell_apart(made, gap):
    values = [BIG, BIG + 1, gap, BIG + 1, BIG, gap]
    encoder, matrix = encode(WHOLE[made](values), [0])
    third = gap if gap is not None else 0 if made in ("array", "unsigned") else None
    assert encoder.columns[0].categories == tuple(sorted(map(str, {BIG, BIG + 1, third} - {None})))
    assert len(np.unique(matrix)) == 3
    known = [*values[:2], third, *values[3:5]]
    texts = pd.DataFrame({"id": [None if value is None else str(value) for value in known]})
    np.testing.assert_array_equal(encoder.transform(texts), matrix[:5])
    numbers, plain = encode(WHOLE[made](values))  # as numbers they are what float64 makes of them
    assert numbers.columns[0].kind == "number"
    assert np.isfinite(plain).all()


def test_labels_of_large_numbers_are_those_of_small_ones():
    values = [1.0, np.float32(0.1), Decimal("2.50"), Decimal("1E+2"), True, BIG + 1, None, float("nan")]
    small = labels_of(table_of(pd.DataFrame({"x": pd.Series([*values[:5], None], dtype=object)})).values(0))[0]
    large, codes = labels_of(table_of(pd.DataFrame({"x": pd.Series(values, dtype=object)})).values(0))
    assert sorted(large) == sorted([*small, str(BIG + 1)])
    assert codes.tolist()[-2:] == [-1, -1]


def test_objects_of_several_kinds():
    mixed = np.array([[1, "a"], [2.5, "b"], [Decimal(3), None], [np.float32(4), 5]], object)
    encoder, matrix = encode(mixed)
    assert [column.kind for column in encoder.columns] == ["number", "category"]
    assert encoder.columns[1].categories == ("5", "a", "b")
    assert encoder.transform(mixed.tolist()).tolist() == matrix.tolist()
    times = np.array([["2024-01-01"], ["2024-01-05"], ["NaT"]], "M8[D]")
    assert encode(times)[0].names_out() == ["x0", "x0.day", "x0.weekday", "x0.missing"]
    assert encode(times - times[0])[0].columns[0].kind == "duration"


def test_masked_entries_are_missing():
    numbers = np.ma.masked_array([[1.0, 2.0], [3.0, 5.0], [7.0, 9.0]], [[0, 1], [0, 0], [0, 0]])
    np.testing.assert_array_equal(encode(numbers)[1], encode(numbers.filled(np.nan))[1])


@pytest.mark.parametrize("values", [["a", "b", "a", "c"], np.arange(4).astype("M8[ns]"), np.arange(4).astype("m8[s]"),
                                    [True, False, True, False], [3, 4, 5, 6]], ids=repr)  # fmt: skip
@pytest.mark.parametrize("dtype", [None, object])
def test_masked_entries_of_any_kind_are_missing(values, dtype):
    column = np.asarray(values)
    rest = np.array([None if i == 1 else column[i] for i in range(4)], object)[:, np.newaxis]
    masked = np.ma.masked_array(column[:, np.newaxis].astype(dtype or column.dtype), [[0], [1], [0], [0]])
    kind, wanted = encode(rest)[0].columns[0].kind, encode(rest)[1]
    if not (dtype is object and column.dtype == "M8[ns]"):  # which NumPy makes plain numbers of
        encoder, matrix = encode(masked)
        assert encoder.columns[0].kind == kind
        np.testing.assert_array_equal(matrix[:, -1], wanted[:, -1])


# What is refused -------------------------------------------------------------------------------------------------

GOOD = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["x", "y", "x"], "day": pd.to_datetime(["2024", "2025", "2026"])})
BAD = {
    "infinity": (GOOD.assign(a=[1, np.inf, 2]), ValueError, "no infinity; got inf in column 'a', row 1"),
    "names": (GOOD.set_axis(["a", "a", "day"], axis=1), ValueError, "columns of different names; got 'a' 2 times"),
    "names written alike": (
        GOOD.set_axis([1, "1", "day"], axis=1),
        ValueError,
        "columns of different names; got 1 and '1', all of which are written '1'",
    ),
    "no rows": (GOOD[:0], ValueError, r"0 sample\(s\)"),
    "no columns": (GOOD[[]], ValueError, r"0 feature\(s\)"),
    "a series": (GOOD["a"], ValueError, "got a series of 3 values. Reshape your data"),
    "one axis": (np.arange(3), ValueError, "must have 2 axes"),
    "three axes": (np.zeros((2, 2, 2)), ValueError, r"must have 2 axes \(rows, columns\); got 3"),
    "ragged": ([[1, 2], [3]], ValueError, "rows of different lengths"),
    "lazy": (pl.LazyFrame({"a": [1]}), TypeError, r"give X.collect\(\)"),
    "sparse": (sparse.csr_matrix(np.eye(2)), TypeError, "got a sparse csr_matrix"),
    "complex": (np.eye(2) * 1j, ValueError, "Complex data not supported"),
    "no table": ("a path", ValueError, "must have 2 axes"),
    "lists": (pl.DataFrame({"a": [[1], [2]]}), TypeError, "column 'a' of X holds List"),
    "objects": (GOOD.assign(b=[{}, "x", "y"]), TypeError, "column 'b' of X holds {}, a dict; an argument must be"),
}


@pytest.mark.parametrize("case", BAD)
def test_misuse_at_the_fit(case):
    X, kind, words = BAD[case]
    with pytest.raises(kind, match=words):
        encode(X)


OTHER = {
    "a missing column": (GOOD[["a", "b"]], ValueError, "must have the columns of the fit; missing: 'day'"),
    "names written alike": (
        GOOD.assign(**{"1": 0}).rename(columns={"b": 1}),
        ValueError,
        "columns of different names; got 1 and '1', all of which are written '1'",
    ),
    "another number": (GOOD.to_numpy()[:, :2], ValueError, "X has 2 features, but FrameEncoder is expecting 3"),
    "text for numbers": (
        GOOD.assign(a=["1", "2", "x"]),
        TypeError,
        "column 'a' of X held numbers at the fit; got text",
    ),
    "numbers for dates": (GOOD.assign(day=[1, 2, 3]), TypeError, "'day' of X held dates at the fit; got numbers"),
    "infinity": (GOOD.assign(a=[1, -np.inf, 2]), ValueError, "no infinity; got -inf in column 'a', row 1"),
}


@pytest.mark.parametrize("case", OTHER)
def test_misuse_later(case):
    X, kind, words = OTHER[case]
    with pytest.raises(kind, match=words):
        encode(GOOD)[0].transform(X)


@pytest.mark.parametrize(
    ("chosen", "kind", "words"),
    [
        (["c"], ValueError, "categorical_features must name columns of X; got 'c'"),
        ([3], ValueError, "categorical_features must be at most 2; got 3"),
        ([1.5], TypeError, "categorical_features must be a whole number; got 1.5"),
        ([True, False], ValueError, "an entry for each of 3 columns"),
    ],
)
def test_misuse_of_categorical_features(chosen, kind, words):
    with pytest.raises(kind, match=words):
        encode(GOOD, chosen)


def test_descriptions_that_cannot_be():
    encoder, _ = encode(GOOD)
    good = encoder.description()
    for change in (
        {"names": ["a"]},
        {"names": ["a", "a", "day"]},
        {"names": [1, 2, 3]},
        {"columns": []},
        {"columns": [*good["columns"][:2], {"kind": "moon"}]},
        {"columns": [*good["columns"][:2], {"kind": "datetime", "numbers": ["", "fortnight"]}]},
        {"columns": [*good["columns"][:2], {"kind": "datetime", "numbers": [""], "zone": "../../etc/passwd"}]},
        {"columns": [{"kind": "number", "numbers": ["", ""]}, *good["columns"][1:]]},
        {"columns": [{"kind": "number"}, *good["columns"][1:]]},
        {"columns": [{"kind": "number", "numbers": [""], "binary": ["year"]}, *good["columns"][1:]]},
        {"columns": [good["columns"][0], {"kind": "category", "categories": ["x", "x"]}, good["columns"][2]]},
    ):
        with pytest.raises((ValueError, TypeError)):
            FrameEncoder.from_description({**good, **change}, encoder.center, encoder.scale)


@pytest.mark.parametrize("gone", ["", "NA", "nan", "None", "?", " n/a "])
@pytest.mark.parametrize(
    "texts", [["1.5", "2", "-3e2"], ["2024-01-31", "2024-02-01", "2023-05-06"]], ids=["number", "date"]
)
def test_words_for_missing_values_among_numbers_and_dates(texts, gone):
    written = pd.DataFrame({"t": texts * 4 + [gone]})
    missing = pd.DataFrame({"t": [*texts * 4, None]})
    encoder = FrameEncoder.fit(missing)
    assert encoder.columns[0].kind in ("number", "datetime")
    np.testing.assert_array_equal(FrameEncoder.fit_transform(written)[1], encoder.transform(missing))
    np.testing.assert_array_equal(encoder.transform(written), encoder.transform(missing))


def test_words_for_missing_values_among_words_are_words():
    assert FrameEncoder.fit(pd.DataFrame({"t": ["Pave", "None", "Gravel", ""] * 3})).columns[0].categories == (
        *("", "Gravel", "None", "Pave"),
    )


def test_a_text_that_is_nearly_numbers_is_told():
    frame = pd.DataFrame({"t": [*map(str, range(30)), "oops"]})
    encoder = FrameEncoder.fit(frame)
    assert encoder.strange == {"t": "oops"}
    numbers = FrameEncoder.fit(frame[:30])
    assert numbers.strange == {}
    with pytest.raises(TypeError, match="column 't' of X held numbers at the fit; got text, such as 'oops'"):
        numbers.transform(frame)
