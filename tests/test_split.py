"""Parts and folds: their sizes, the classes' shares, groups, order."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from sklearn.model_selection import GroupKFold

import lamina
from lamina.estimators import CascadeRegressor, MLPRegressor, RecurrentRegressor
from lamina.validation import fold_indices


def test_parts_hold_every_row_once_in_order():
    x = np.arange(101)[:, None]
    parts = lamina.split(x, x[:, 0] * 1.0)
    assert [len(part[0]) for part in parts] == [71, 15, 15]
    assert all((np.diff(part[1]) > 0).all() for part in parts)
    np.testing.assert_array_equal(np.sort(np.concatenate([part[1] for part in parts])), x[:, 0])


def test_stratified_parts_keep_the_shares():
    y = np.repeat(["a", "b", "c"], [60, 30, 10])
    for _, own in lamina.split(np.zeros((100, 1)), y, fractions=(0.5, 0.3, 0.2)):
        share = len(own) / 100
        assert [int((own == label).sum()) for label in "abc"] == [60 * share, 30 * share, 10 * share]


def test_in_order_cuts_the_rows():
    x = np.arange(10)[:, None]
    past, future = lamina.split(x, x[:, 0], fractions=(0.8, 0.2), shuffle=False)
    assert past[1].tolist() == list(range(8))
    assert future[1].tolist() == [8, 9]


def test_groups_stay_whole():
    rng = np.random.default_rng(0)
    groups = rng.integers(12, size=300)
    parts = lamina.split(np.zeros((300, 1)), groups, fractions=(0.6, 0.2, 0.2), groups=groups)
    held = [set(part[1].tolist()) for part in parts]
    assert not held[0] & held[1]
    assert not held[0] & held[2]
    assert not held[1] & held[2]
    np.testing.assert_allclose([len(part[1]) / 300 for part in parts], (0.6, 0.2, 0.2), atol=0.06)


@pytest.mark.parametrize(
    ("sizes", "fractions", "lengths"),
    [
        ([10] * 6, (0.5, 0.5), [30, 30]),
        ([10] * 6, (0.45, 0.55), [30, 30]),
        ([1] * 10, (0.7, 0.15, 0.15), [7, 2, 1]),  # as without groups
        ([50, 3, 3, 4], (0.2, 0.4, 0.4), [50, 3, 7]),  # no part is empty
        ([3, 3, 4, 50], (0.2, 0.4, 0.4), [6, 4, 50]),
        ([3, 4, 53], (0.1, 0.1, 0.8), [3, 4, 53]),
    ],
)
def test_in_order_cuts_between_groups(sizes, fractions, lengths):
    n = sum(sizes)
    groups = np.repeat(np.random.default_rng(0).permutation(len(sizes)), sizes)
    parts = lamina.split(np.zeros((n, 1)), np.arange(n), fractions, shuffle=False, groups=groups)
    assert [len(part[1]) for part in parts] == lengths
    np.testing.assert_array_equal(np.concatenate([part[1] for part in parts]), np.arange(n))
    assert sum(len(np.unique(groups[part[1]])) for part in parts) == len(sizes)
    if max(sizes) == 1:
        alone = lamina.split(np.zeros((n, 1)), np.arange(n), fractions, shuffle=False)
        assert [len(part[1]) for part in alone] == lengths


@pytest.mark.parametrize("k", [2, 3, 4])
def test_folds_in_order_are_runs_of_whole_groups(k):
    groups = np.repeat(list("cabd"), [4, 1, 3, 4])
    folds = fold_indices(12, k, shuffle=False, groups=groups)
    assert np.unique(folds).tolist() == list(range(k))
    assert (np.diff(folds) >= 0).all()
    assert all(len(np.unique(folds[groups == group])) == 1 for group in "abcd")
    X = np.random.default_rng(0).normal(size=(12, 2))
    net = lamina.Network([lamina.Dense(1)], 2)
    found = lamina.cross_validate(net, X, X[:, 0], k, shuffle=False, groups=groups, epochs=1, n_jobs=1)
    np.testing.assert_array_equal(found.folds, folds)
    np.testing.assert_array_equal(
        fold_indices(12, k, shuffle=False, groups=range(12)), fold_indices(12, k, shuffle=False)
    )


def test_groups_in_pieces_have_no_order():
    groups = np.repeat(list("abac"), 5)
    message = "groups must have the rows of each group one after the other where shuffle=False; group 'a' begins once"
    with pytest.raises(ValueError, match=f"{message} more in row 10"):
        lamina.split(np.zeros((20, 1)), np.zeros(20), (0.5, 0.5), shuffle=False, groups=groups)
    with pytest.raises(ValueError, match=message):
        fold_indices(20, 2, shuffle=False, groups=groups)


def test_same_seed_same_parts():
    x = np.arange(50)[:, None]
    one, same, other = (lamina.split(x, x[:, 0] * 1.0, seed=seed)[0][1].tolist() for seed in (1, 1, 2))
    assert one == same != other


def test_a_data_frame_stays_one():
    frame = pd.DataFrame({"a": range(10), "b": list("uvuvuvuvuv")})
    (first, own), _ = lamina.split(frame[["a"]], frame["b"], fractions=(0.6, 0.4))
    assert isinstance(first, pd.DataFrame)
    assert first.index.tolist() == own.index.tolist()


TABLES = {
    "pandas": pd.DataFrame,
    "polars": lambda x: pl.DataFrame(x, list("ab")),
    "pyarrow": lambda x: pa.table(list(x.T), list("ab")),
    "batch": lambda x: pa.record_batch(list(x.T), list("ab")),
    **{
        name: getattr(scipy.sparse, name)
        for name in ("csr_array", "csr_matrix", "csc_array", "coo_array", "bsr_matrix")
    },
}
COLUMNS = {
    "pandas": pd.Series,
    "polars": pl.Series,
    "pyarrow": pa.array,
    "in chunks": lambda y: pa.chunked_array([y[:3], y[3:]]),
}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("options", [{}, {"shuffle": False}, {"groups": np.arange(12) // 3}], ids=repr)
def test_tables_and_sparse_matrices_stay_what_they_are(table, column, options):
    x, y = np.arange(24.0).reshape(12, 2), np.arange(12) % 2
    known = lamina.split(x, y, (0.5, 0.5), **options)
    X, Y = TABLES[table](x), COLUMNS[column](y)
    parts = lamina.split(X, Y, (0.5, 0.5), **options)
    for (part, labels), (rows, classes) in zip(parts, known, strict=True):
        assert type(labels) is type(Y)
        np.testing.assert_array_equal(labels, classes)
        assert type(part) is type(X)
        np.testing.assert_array_equal(part.toarray() if "_" in table else part, rows)


@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        (np.zeros(3), None, TypeError, "y must be an array or a data frame, with rows; got None"),
        (3, np.zeros(3), TypeError, "X must be an array or a data frame, with rows; got 3"),
        (np.zeros(3), [[1], [1, 2], [1]], ValueError, "y must be an array of numbers; got rows of different lengths"),
        (np.zeros(20), ["a", None] * 10, ValueError, "y must tell the class of every row, or .*; got None for 10"),
        (np.zeros(20), pd.Series(["a", None] * 10, dtype="string"), ValueError, "y must tell .* got <NA> for 10"),
        (np.zeros(20), pa.array(["a", None] * 10), ValueError, "y must tell .* got None for 10"),
        (np.zeros(20), np.array(["a", 1] * 10, object), TypeError, "y must be of one kind, .*; got int, str"),
    ],
)
def test_what_has_no_rows_or_classes_is_named(X, y, error, message):
    with pytest.raises(error, match=f"^{message}"):
        lamina.split(X, y)
    if "stratify" in message or "class" in message:
        assert len(lamina.split(X, y, stratify=False)) == 3
        with pytest.raises(error, match=f"^{message.replace(', or .*', '')}"):
            lamina.compare(np.zeros((20, 1)), y)


@pytest.mark.parametrize("k", [2, 3, 7])
def test_folds_differ_by_one_row_at_most(k):
    y = np.repeat([0, 1, 2], [40, 31, 22])
    folds = fold_indices(93, k, y)
    for rows in (folds, *(folds[y == label] for label in range(3))):
        assert np.ptp(np.bincount(rows, minlength=k)) <= 1


def test_folds_in_order_are_runs():
    assert (np.diff(fold_indices(20, 4, shuffle=False)) >= 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fractions": (0.5, 0.6)}, "sum to 1"),
        ({"fractions": (1.0, 0.0)}, "greater than 0"),
        ({"fractions": ()}, "greater than 0"),
        ({"fractions": [0.25] * 4}, "class 1 has 3"),
        ({"groups": np.arange(4)}, "one entry for each of the 10 rows"),
        ({"groups": np.zeros(10)}, "at most 1 parts"),
    ],
)
def test_split_says_what_is_wrong(options, message):
    with pytest.raises(ValueError, match=message):
        lamina.split(np.zeros((10, 1)), np.repeat([0, 1], [7, 3]), **options)


@pytest.mark.parametrize("fractions", [(None, 0.5), ("a", 0.5), (np.array([0.2, 0.3]), 0.5), [[0.5], [0.5, 1]], 0.5])
def test_shares_are_numbers(fractions):
    with pytest.raises(TypeError, match="fractions must be a sequence of shares that sum to 1, such as"):
        lamina.split(np.zeros((10, 1)), np.zeros(10), fractions)


@pytest.mark.parametrize("share", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_shares_are_finite(share, place):
    fractions = np.insert([0.5, 0.5], place, share)
    with pytest.raises(ValueError, match=r"fractions must be greater than 0 and sum to 1; got .*(nan|inf)"):
        lamina.split(np.zeros((10, 1)), np.zeros(10), fractions)


def test_rows_of_x_and_y_must_agree():
    with pytest.raises(ValueError, match=r"y must have as many rows as X \(3\); got 2"):
        lamina.split(np.zeros((3, 1)), np.zeros(2))


def test_a_part_of_few_rows_is_warned_of_by_all_that_set_one_aside():
    x, y = np.arange(8.0)[:, None], np.arange(8.0) % 3
    few = r"validation sets \d of the \d samples aside: that tells little"
    with pytest.warns(UserWarning, match=f"{few}.*early_stopping=False"):
        lamina.CascadeNetwork(1, 1, max_units=1).fit(x[:5], y[:5], validation=0.2)
    with pytest.warns(UserWarning, match=few):
        CascadeRegressor(max_units=1, early_stopping=True).fit(x[:5], y[:5])
    with pytest.warns(UserWarning, match=f"{few}.*validation_fraction=0"):
        RecurrentRegressor(2, window=2, max_iter=2).fit(y, y)
    with pytest.warns(UserWarning, match=few):
        MLPRegressor(max_iter=200, tol=10.0, early_stopping=True, validation_fraction=0.3).fit(x, y)
    net = lamina.Network([lamina.Dense(1)], 1)
    with pytest.warns(UserWarning, match=few):
        lamina.cross_validate(net, x, y, 2, validation=0.3, epochs=1, n_jobs=1)
    with pytest.warns(UserWarning, match=f"{few}.*k=5"):
        lamina.search(lambda: net, {"l2": [0.0]}, x, y, validation=0.2, epochs=1, n_jobs=1)
    with warnings.catch_warnings():  # a Split was thought about
        warnings.simplefilter("error")
        lamina.CascadeNetwork(1, 1, max_units=1).fit(x[:5], y[:5], validation=lamina.Split(0.2))


@pytest.mark.parametrize(
    ("option", "advice"),
    [
        ({"test_size": 0.2}, r"write fractions=\(0\.8, 0\.2\)"),
        ({"random_state": 0}, "write seed=0"),
        ({"fraction": 0.2}, "did you mean 'fractions'"),
    ],
)
def test_options_by_other_names_are_told_ours(option, advice):
    with pytest.raises(
        TypeError, match=rf"split\(\) got an unexpected keyword argument '{next(iter(option))}'; {advice}"
    ):
        lamina.split(np.zeros((10, 2)), np.zeros(10), **option)


@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [
        ([None, "a", "b"], ValueError, "groups must tell the group of every row; got None for 20 of them"),
        (pd.Series(["a", None, "b"], dtype="string"), ValueError, "got <NA> for 20 of them"),
        (pd.Series([1, None, 2], dtype="Int64"), ValueError, "got nan for 20 of them"),
        (np.array([1.0, np.nan, 2.0]), ValueError, "got nan for 20 of them"),
        (np.array(["2024-01-01", "NaT", "2024-01-02"], "datetime64[D]"), ValueError, "got NaT for 20 of them"),
        (pd.Series([1, "a", 2]), TypeError, "groups must be of one kind, text or numbers; got int, str"),
    ],
    ids=["None", "string", "Int64", "NaN", "NaT", "mixed"],
)
@pytest.mark.parametrize("who", ["split", "cross_validate", "a splitter", "search", "compare", "a table"])
def test_groups_that_are_none_are_named(who, groups, error, message):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)), np.arange(60) % 2
    given = list(groups) * 20 if isinstance(groups, list) else groups.repeat(20)

    def build(units):
        return lamina.Network([lamina.Dense(units, "relu"), lamina.Dense(2)], n_inputs=2, loss="cross_entropy")

    calls = {
        "split": lambda: lamina.split(X, y, (0.5, 0.5), groups=given),
        "cross_validate": lambda: lamina.cross_validate(build(2), X, y, k=2, groups=given, epochs=1),
        "a splitter": lambda: lamina.cross_validate(build(2), X, y, k=GroupKFold(2), groups=given, epochs=1),
        "search": lambda: lamina.search(build, {"units": [2]}, X, y, k=2, groups=given, epochs=1),
        "compare": lambda: lamina.compare(X, y, k=2, learners={}, groups=given, epochs=1),
        "a table": lambda: lamina.TabularClassifier(n_folds=2, epochs=1).fit(X, y, groups=given),
    }
    with pytest.raises(error, match=message):
        calls[who]()
