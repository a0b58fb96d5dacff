"""The estimators for tables: what they learn, keep, promise and refuse."""

import datetime as dt
import pickle
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

import lamina

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pytest.importorskip("narwhals")

from lamina.tabular.targets import far_from_the_others  # noqa: E402 (what it needs may not be there)

EMBEDDINGS = ("periodic", "linear", "piecewise_linear", "none")
TINY = {"width": 16, "depth": 1, "epochs": 8, "batch_size": 16, "dropout": 0.0, "random_state": 0, "n_members": 1}
N = 240
RNG = np.random.default_rng(0)


def awkward(n=N):
    """A frame with columns of every kind, and what depends on it."""
    rng = np.random.default_rng(1)
    x, colour = rng.normal(size=n), rng.choice(["red", "green", "blue"], n)
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 700, n), unit="D")
    frame = pd.DataFrame(
        {
            "x": np.where(rng.random(n) < 0.1, np.nan, x),
            "colour": np.where(rng.random(n) < 0.1, None, colour),
            "kind": pd.Categorical(rng.choice(["a", "b"], n)),
            "yes": pd.array(rng.choice([True, False, None], n), "boolean"),
            "day": day,
            "zoned": day.tz_localize("Europe/Berlin") + pd.to_timedelta(rng.integers(0, 24, n), unit="h"),
            "long": pd.to_timedelta(rng.integers(0, 10**6, n), unit="s"),
            "whole": pd.array(rng.choice([1, 2, None], n), "Int64"),
            "zip": rng.choice(["01067", "80331"], n),
            "stamp": 1.7e9 + rng.random(n),
            "same": 7,
            "nothing": None,
            "id": [f"row {i}" for i in range(n)],
        }
    )
    return frame, x + 2.0 * (colour == "red") + 0.3 * rng.normal(size=n)


FRAME, VALUES = awkward()
LABELS = np.where(VALUES > 0.7, "much", "little")
KINDS = {"TabularClassifier": LABELS, "TabularRegressor": VALUES}
LEFT_OUT = "ignore:column 'id' was left out"
every = pytest.mark.parametrize("name", KINDS)
pytestmark = pytest.mark.filterwarnings(LEFT_OUT)


def make(name, **parameters):
    return getattr(lamina, name)(**{**TINY, **parameters})


def fitted(name, **parameters):
    return make(name, **parameters).fit(FRAME, KINDS[name])


def predicted(model, X):
    return model.predict_proba(X) if isinstance(model, lamina.TabularClassifier) else model.predict(X)


NOT_BY_BITS = {
    "check_sample_weight_equivalence_on_dense_data": "rows that are repeated are held out, and drawn, in other places"
}


@parametrize_with_checks(
    [lamina.TabularClassifier(epochs=100, width=64, batch_size=32), lamina.TabularRegressor(epochs=200, width=64)],
    expected_failed_checks=lambda estimator: NOT_BY_BITS,
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


# Learning --------------------------------------------------------------------------------------------------------


def test_awkward_columns_are_learned():
    train, test = slice(0, 180), slice(180, N)
    classifier = make("TabularClassifier", epochs=40).fit(FRAME[train], LABELS[train])
    assert classifier.score(FRAME[test], LABELS[test]) > 0.75
    regressor = make("TabularRegressor", epochs=60).fit(FRAME[train], VALUES[train])
    assert regressor.score(FRAME[test], VALUES[test]) > 0.6
    for model in (classifier, regressor):
        by_column = dict(zip(model.feature_names_in_, model.feature_importances_, strict=True))
        assert sorted(by_column, key=by_column.get)[-2:] in (["x", "colour"], ["colour", "x"])
        assert by_column["same"] == by_column["nothing"] == by_column["id"] == 0
        assert sum(by_column.values()) == pytest.approx(1)
        assert list(model.dropped_columns_) == ["same", "nothing", "id"]
        assert 0 < model.best_epoch_ <= model.epochs
        assert [history.epochs for history in model.history_] == [model.epochs]
        assert "zip" in model.get_feature_names_out()


@every
def test_libraries_and_orders_of_columns_give_the_same_bits(name):
    model = fitted(name)
    expected = predicted(model, FRAME)
    frames = [FRAME[FRAME.columns[::-1]].assign(more="of no use"), FRAME.drop(columns=["same", "nothing", "id"])]
    for frame in frames:
        np.testing.assert_array_equal(predicted(model, frame), expected)
    pytest.importorskip("pyarrow")  # which polars reads pandas' columns of text by
    frames.append(pl.from_pandas(FRAME.drop(columns="nothing")))
    np.testing.assert_array_equal(predicted(model, frames[-1]), expected)
    y = pl.Series(KINDS[name])
    np.testing.assert_array_equal(predicted(make(name).fit(frames[-1], y), FRAME), expected)


@every
@pytest.mark.parametrize("how", [{}, {"n_folds": 3}, {"n_members": 2}, {"n_folds": 2, "n_members": 2}], ids=str)
def test_a_model_is_one_file_with_the_same_bits(name, how, tmp_path):
    model = fitted(name, **how, categorical_features=["whole"], validation=lamina.Split(0.3))
    model.metadata_["made"] = "here"
    model.save(tmp_path / "model")
    again = lamina.load(tmp_path / "model")
    np.testing.assert_array_equal(predicted(again, FRAME), predicted(model, FRAME))
    assert again.metadata_ == {"made": "here"}
    assert repr(again) == repr(model)
    for attribute in ("best_epoch_", "validation_score_", "n_features_in_", "dropped_columns_"):
        assert getattr(again, attribute) == getattr(model, attribute), attribute
    np.testing.assert_array_equal(again.feature_importances_, model.feature_importances_)
    np.testing.assert_array_equal(again.feature_names_in_, model.feature_names_in_)
    np.testing.assert_array_equal(again.get_feature_names_out(), model.get_feature_names_out())
    again.save(tmp_path / "twice")
    assert (tmp_path / "twice").read_bytes() == (tmp_path / "model").read_bytes()
    np.testing.assert_array_equal(predicted(pickle.loads(pickle.dumps(model)), FRAME), predicted(model, FRAME))


@every
@pytest.mark.parametrize("how", [{"preset": "fast"}, *({"embeddings": kind} for kind in EMBEDDINGS)], ids=str)
def test_every_preset_and_embedding(name, how, tmp_path):
    model = fitted(name, **how, epochs=30)
    assert model.score(FRAME, KINDS[name]) > 0.6
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(predicted(lamina.load(tmp_path / "model"), FRAME), predicted(model, FRAME))


@every
def test_the_networks_own_parameters_are_heeded(name):
    own = {"width": 5, "depth": 2, "activation": "tanh", "dropout": 0.3, "embeddings": "none", "epochs": 3}
    net = fitted(name, **own).networks_[0]
    dense = [layer for layer in net.layers if isinstance(layer, lamina.Dense)]
    assert [layer.units for layer in dense[:-1]] == [5, 5]
    assert {layer.activation.name for layer in dense[:-1]} == {"tanh"}
    assert {layer.rate for layer in net.layers if isinstance(layer, lamina.Dropout)} == {0.3}
    assert not any(isinstance(layer, lamina.NumericEmbedding) for layer in net.layers)
    stopped = fitted(name, epochs=200, patience=2)
    assert stopped.history_[0].epochs < 200


def raw(n=N, later=False):
    """Python's own values by column, of every kind a data frame may have; `later` with categories of its own."""
    frame, _ = awkward(n)
    rng = np.random.default_rng(2 + later)
    gone = rng.random(n) < 0.1
    wanted = {name: values.astype(object).where(values.notna(), None).tolist() for name, values in frame.items()}
    wanted["day"] = [day.date() for day in frame["day"]]
    wanted["clock"] = [None if gone[i] else dt.time(int(h), int(h) * 2) for i, h in enumerate(rng.integers(0, 24, n))]
    wanted["moment"] = [None if gone[i] else day.to_pydatetime() for i, day in enumerate(frame["day"])]
    wanted["zoned"] = [moment.to_pydatetime() for moment in frame["zoned"]]
    wanted["long"] = [None if gone[i] else span.to_pytimedelta() for i, span in enumerate(frame["long"])]
    wanted["written"] = [str(day) for day in wanted["day"]]
    wanted["town"] = [f"town {number}" for number in rng.integers(0, 60 + 40 * later, n)]
    wanted["words"] = rng.choice(["NA", "", "a", "b"], n).tolist()
    wanted["numbers"] = [str(number) if number < 2 else "?" for number in rng.normal(size=n).round(2)]
    if later:
        wanted["colour"] = ["mauve", *wanted["colour"][1:]]
        wanted["nothing"] = [1.5] * n
        wanted["same"] = [8] * n
        wanted = {name: wanted[name] for name in reversed(wanted)} | {"more": [0] * n}
    return wanted


def as_frame(library, data):
    if library == "polars":
        return pl.DataFrame(data, strict=False)
    if library == "pyarrow":
        return pytest.importorskip("pyarrow").table(data)
    objects = {"mixed": [[1, "a", 2.5, None, True][i % 5] for i in range(len(data["x"]))]}
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in {**data, **objects}.items()})
    return frame.astype({"x": float, "kind": "category", "yes": "boolean", "whole": "Int64"}).assign(
        zoned=pd.to_datetime(frame["zoned"], utc=True).dt.tz_convert("Europe/Berlin"),
        long=pd.to_timedelta(frame["long"]),
    )


@every
@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_new_process_predicts_the_same_bits(name, library, tmp_path):
    """Of a frame of every awkward kind of column, fitted, saved, and predicted with other ones, in another order."""
    learned, later = as_frame(library, raw()), as_frame(library, raw(later=True))
    model = make(name).fit(learned, KINDS[name])
    assert sorted(model.dropped_columns_) == ["id", "nothing", "same"]
    model.save(tmp_path / "model")
    (tmp_path / "frames").write_bytes(pickle.dumps([learned, later]))
    code = """
import pickle, sys, numpy, lamina
model, frames = lamina.load(sys.argv[1]), pickle.load(open(sys.argv[2], "rb"))
predict = model.predict_proba if hasattr(model, "predict_proba") else model.predict
numpy.savez(sys.argv[3], *map(predict, frames))
"""
    paths = [tmp_path / part for part in ("model", "frames", "found.npz")]
    subprocess.run([sys.executable, "-c", code, *paths], check=True)
    found = np.load(paths[-1])
    for place, frame in enumerate((learned, later)):
        assert len(np.unique(predicted(model, frame))) > N / 2
        np.testing.assert_array_equal(found[f"arr_{place}"], predicted(model, frame))
    twice = pd.concat([FRAME, FRAME[["x"]]], axis=1)
    with pytest.raises(ValueError, match="X must have columns of different names; got 'x' 2 times"):
        make(name).fit(twice, KINDS[name])
    with pytest.raises(ValueError, match="X must have columns of different names; got 'x' 2 times"):
        model.predict(twice)


@every
def test_the_preset_says_how_many_networks_there_are(name):
    alone = {preset: len(fitted(name, n_members=None, preset=preset).networks_) for preset in ("default", "fast")}
    of_fold = len(fitted(name, n_members=None, n_folds=2).networks_)
    assert alone["default"] > alone["fast"] > 1
    assert of_fold == alone["default"]  # two folds of half as many
    assert len(fitted(name, n_members=3, n_folds=2).networks_) == 6


def test_an_optimizers_memory_is_not_kept():
    model = fitted("TabularClassifier", n_members=2)
    assert [net.core.memory for net in model.networks_] == [None, None]


def test_members_see_numbers_in_different_ways():
    def kinds(**how):
        networks = fitted("TabularClassifier", **how).networks_
        return [layer.kind for net in networks for layer in net.layers if isinstance(layer, lamina.NumericEmbedding)]

    by_turns = ["periodic", "piecewise_linear"]
    assert kinds(n_members=4) == kinds(n_members=2, embeddings="mixed", n_folds=2)[:2] * 2 == by_turns * 2
    assert kinds(n_members=1, n_folds=2) == by_turns
    assert kinds(n_members=2, embeddings="linear") == ["linear"] * 2


@every
@pytest.mark.parametrize("how", [{"n_folds": 3}, {"n_members": 3}], ids=str)
def test_jobs_and_seeds_decide_no_bits_and_all_bits(name, how):
    one, two, other = (fitted(name, **how, n_jobs=n, random_state=s) for n, s in ((1, 0), (2, 0), (2, 1)))
    np.testing.assert_array_equal(predicted(one, FRAME), predicted(two, FRAME))
    np.testing.assert_array_equal(one.out_of_fold_, two.out_of_fold_)
    assert (predicted(one, FRAME) != predicted(other, FRAME)).any()


@every
def test_out_of_fold_predictions(name):
    model = fitted(name, n_folds=4)
    assert len(model.networks_) == 4
    assert np.isfinite(model.out_of_fold_).all()
    assert model.out_of_fold_.shape == predicted(model, FRAME).shape
    single = fitted(name)
    held = ~np.isnan(single.out_of_fold_.reshape(N, -1)[:, 0])
    assert held.sum() == round(0.2 * N)
    np.testing.assert_allclose(single.out_of_fold_[held], predicted(single, FRAME)[held], rtol=1e-6)
    if name == "TabularRegressor":
        error = np.sqrt(np.mean((model.out_of_fold_ - VALUES) ** 2))
    else:
        error = np.mean(model.classes_[model.out_of_fold_.argmax(axis=1)] != LABELS)
    assert model.validation_score_ == pytest.approx(error)


def test_groups_stay_in_one_fold():
    groups = np.arange(N) // 60
    model = make("TabularRegressor", n_folds=2).fit(FRAME, VALUES, groups=groups)
    alone = make("TabularRegressor", n_folds=2).fit(FRAME, VALUES)
    assert (model.out_of_fold_ != alone.out_of_fold_).any()


@every
def test_a_validation_set_of_ones_own(name):
    y = KINDS[name]
    model = make(name).fit(FRAME[:180], y[:180], X_val=FRAME[180:], y_val=y[180:])
    assert model.validation_score_ is not None
    assert model.out_of_fold_ is None
    weighted = make(name).fit(
        FRAME[:180], y[:180], X_val=FRAME[160:], y_val=y[160:], sample_weight_val=np.r_[np.zeros(20), np.ones(60)]
    )
    np.testing.assert_array_equal(predicted(weighted, FRAME), predicted(model, FRAME))


@every
def test_without_validation(name):
    model = fitted(name, validation=None)
    assert model.validation_score_ is model.out_of_fold_ is None
    assert model.best_epoch_ == model.epochs
    assert model.feature_importances_.sum() == pytest.approx(1)


# Weights ---------------------------------------------------------------------------------------------------------


@every
def test_rows_of_weight_zero_are_not_there(name):
    y = np.array(KINDS[name], object if name == "TabularClassifier" else float)
    weight = np.ones(N)
    weight[::4] = 0
    bad, bad_y = FRAME.copy(), y.copy()
    bad.loc[::4, "x"] = np.inf
    bad_y[::4] = "of no other row" if name == "TabularClassifier" else np.nan
    groups = np.array([f"group {row % 7}" if each else None for row, each in enumerate(weight)], object)
    own = {"sample_weight": weight[weight > 0], "groups": groups[weight > 0]}
    model = make(name, n_folds=2).fit(bad, bad_y, sample_weight=weight, groups=groups)
    rest = make(name, n_folds=2).fit(FRAME[weight > 0], y[weight > 0], **own)
    np.testing.assert_array_equal(predicted(model, FRAME), predicted(rest, FRAME))
    if name == "TabularClassifier":
        assert model.classes_.tolist() == ["little", "much"]
    assert len(model.out_of_fold_) == len(model.fold_) == N
    np.testing.assert_array_equal(model.out_of_fold_[weight > 0], rest.out_of_fold_)
    np.testing.assert_array_equal(model.fold_[weight > 0], rest.fold_)
    assert np.isnan(model.out_of_fold_[weight == 0]).all()
    assert (model.fold_[weight == 0] == -1).all()


@every
def test_targets_of_weight_zero_in_anything_that_holds_them(name):
    weight = np.where(np.arange(N) % 4, 2.0, 0.0)
    y = [value if each else None for value, each in zip(KINDS[name].tolist(), weight, strict=True)]
    plain = make(name).fit(FRAME[weight > 0], KINDS[name][weight > 0], sample_weight=weight[weight > 0])
    wanted = predicted(plain, FRAME)
    series = pd.Series(y, index=np.arange(N)[::-1])
    given = [y, tuple(y), np.array(y, object), series, pl.Series(y)]
    given += [series.astype("category" if name == "TabularClassifier" else "Float64")]
    for each in given:
        np.testing.assert_array_equal(predicted(make(name).fit(FRAME, each, sample_weight=weight), FRAME), wanted)
        apart = make(name).fit(FRAME, KINDS[name], X_val=FRAME, y_val=each, sample_weight_val=weight)
        assert apart.validation_score_ is not None
    with pytest.warns(DataConversionWarning):
        found = make(name).fit(FRAME, pl.DataFrame({"y": y}), sample_weight=weight)
    np.testing.assert_array_equal(predicted(found, FRAME), wanted)
    for wrong in (y[:-1], pl.Series(y[:-1])):
        with pytest.raises(ValueError, match=rf"inconsistent numbers of samples: \[{N}, {N - 1}\]"):
            make(name).fit(FRAME, wrong, sample_weight=weight)
    with pytest.raises(ValueError, match="requires y to be passed"):
        make(name).fit(FRAME, None, sample_weight=weight)


@every
def test_a_masked_target_is_not_learned(name):
    values = KINDS[name] if name == "TabularRegressor" else (KINDS[name] == "much").astype(int)
    masked = np.ma.array(values, mask=np.arange(N) == 3)
    with pytest.raises(ValueError, match="y must have no masked entries"):
        make(name).fit(FRAME, masked)


def test_the_class_that_weights_leave_alone_is_named():
    one = (LABELS == "much").astype(float)
    with pytest.raises(ValueError, match="y has one class alone, 'much'"):
        make("TabularClassifier").fit(FRAME, LABELS, sample_weight=one)
    with pytest.raises(ValueError, match="class_weight leaves y one class alone, 'much'"):
        make("TabularClassifier", class_weight={"little": 0}).fit(FRAME, LABELS)


def test_weights_of_classes_that_a_validation_set_has_not():
    """Nor need all classes be named."""
    one = LABELS == "much"
    model = make("TabularClassifier", class_weight={"little": 2.0})
    model.fit(FRAME, LABELS, X_val=FRAME[one], y_val=LABELS[one])
    assert model.validation_score_ is not None


def test_class_weights():
    rare = np.array(["often", "seldom"])[(VALUES > 2.5).astype(int)]
    plain = make("TabularClassifier", epochs=20).fit(FRAME, rare)
    for weight in ("balanced", {"often": 1, "seldom": 20}):
        model = make("TabularClassifier", epochs=20, class_weight=weight).fit(FRAME, rare)
        assert model.predict_proba(FRAME)[:, 1].mean() > plain.predict_proba(FRAME)[:, 1].mean()
    balanced = (len(rare) / (2 * np.unique(rare, return_counts=True)[1]))[(rare == "seldom").astype(int)]
    by_hand = make("TabularClassifier", epochs=20).fit(FRAME, rare, sample_weight=balanced)
    model = make("TabularClassifier", epochs=20, class_weight="balanced").fit(FRAME, rare)
    np.testing.assert_array_equal(predicted(model, FRAME), predicted(by_hand, FRAME))


@pytest.mark.parametrize("unit", ["D", "s", "ns"])
def test_weights_of_dates(unit, tmp_path):
    days = np.array(["2024-01-01", "2024-01-02"], f"datetime64[{unit}]")
    y, own = days[(LABELS == "much").astype(int)], np.where(LABELS == "much", 3.0, 1.0)
    wanted = predicted(make("TabularClassifier").fit(FRAME, y, sample_weight=own), FRAME)
    day = pd.Timestamp("2024-01-02")
    for label in (days[1], np.datetime64("2024-01-02", "h"), day, day.to_pydatetime(), day.date()):
        model = make("TabularClassifier", class_weight={label: 3.0}).fit(FRAME, y)
        np.testing.assert_array_equal(predicted(model, FRAME), wanted)
        model.save(tmp_path / "model")
        again = lamina.load(tmp_path / "model")
        assert again.class_weight == {np.datetime64(day): 3.0}
        np.testing.assert_array_equal(predicted(again.fit(FRAME, y), FRAME), wanted)
    for label in (np.datetime64("2024-01-03"), day.tz_localize("UTC"), day - day, 19724, "2024-01-02"):
        with pytest.raises(ValueError, match="class_weight must name classes of y; got "):
            make("TabularClassifier", class_weight={label: 3.0}).fit(FRAME, y)


# Classes and targets ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["a", "b", "c"]),
        np.array(["a", "b"], object),
        np.array([3, 1, 2]),
        np.array([True, False]),
        np.array([0.0, 1.0]),
        np.array([-5, 5], np.int8),
        np.array([0.0, 1.0], np.float16),
        np.array(["2024-01-01", "2024-01-02"], "datetime64[D]"),
        np.array(["2024-01-01", "2024-01-02"], "datetime64[ns]"),
        np.array([1, 2], "timedelta64[h]"),
    ],
    ids=lambda labels: str(labels.dtype),
)
def test_labels_come_back_as_they_were(labels, tmp_path):
    y = labels[np.arange(N) % len(labels)]
    X = np.column_stack([np.arange(N) % len(labels), RNG.normal(size=N)])
    model = make("TabularClassifier", epochs=30).fit(X, y)
    model.save(tmp_path / "model")
    for each in (model, lamina.load(tmp_path / "model")):
        assert each.classes_.dtype == labels.dtype
        np.testing.assert_array_equal(each.classes_, np.unique(labels))
        assert np.mean(each.predict(X) == y) > 0.9
        np.testing.assert_allclose(each.predict_proba(X).sum(axis=1), 1)
        np.testing.assert_allclose(np.exp(each.predict_log_proba(X)), each.predict_proba(X))


@pytest.mark.parametrize(
    ("labels", "native"),
    [(np.array([1, 2], ">i4"), "int32"), (np.array([0.0, 1.0], ">f8"), "float64"), (np.array(["a", "b"], ">U1"), "U1")],
    ids=lambda part: str(getattr(part, "dtype", part)),
)
def test_labels_are_of_the_machines_byte_order(labels, native, tmp_path):
    model = make("TabularClassifier", epochs=1).fit(FRAME, labels[np.arange(N) % 2])
    model.save(tmp_path / "model")
    for each in (model, lamina.load(tmp_path / "model")):
        assert each.classes_.dtype == np.dtype(native)
        assert each.classes_.tolist() == labels.tolist()


@pytest.mark.filterwarnings("ignore:The 'generic' unit:DeprecationWarning")  # of NumPy 2.5
@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        pytest.param(
            [0, 1],
            "longdouble",
            marks=pytest.mark.skipif(np.dtype(np.longdouble).name == "float64", reason="no type of its own here"),
        ),
        ([(1, 2), (3, 4)], "i4,i4"),
        ([1, 2], "timedelta64"),
        ([1, 2], "timedelta64[25s]"),
    ],
)
def test_labels_that_no_file_keeps_are_refused_before_training(values, dtype):
    labels, model = np.array(values, dtype), make("TabularClassifier")
    before = dict(vars(model))
    with pytest.raises(ValueError, match=f"^y must hold labels of .*; got dtype {re.escape(str(labels.dtype))}$"):
        model.fit(FRAME, labels[np.arange(N) % 2])
    assert vars(model) == before


def test_a_parameter_of_any_type_of_numbers_is_in_the_file(tmp_path):
    for kind in (np.float16, np.float32, np.float64, np.longdouble):
        rate = kind(0.01)
        make("TabularRegressor", epochs=1, learning_rate=rate).fit(FRAME, VALUES).save(tmp_path / "model")
        assert lamina.load(tmp_path / "model").learning_rate == float(rate)


def test_labels_in_series():
    y = pd.Series(LABELS)
    expected = predicted(make("TabularClassifier").fit(FRAME, LABELS), FRAME)
    for each in (y, y.astype("category"), pl.Series(LABELS), pl.Series(LABELS).cast(pl.Categorical), LABELS.tolist()):
        model = make("TabularClassifier").fit(FRAME, each)
        np.testing.assert_array_equal(predicted(model, FRAME), expected)
        assert model.score(FRAME, each) == pytest.approx(np.mean(model.predict(FRAME) == LABELS))
    with pytest.warns(DataConversionWarning):
        make("TabularClassifier").fit(FRAME, y.to_frame())
    truths = LABELS == "much"
    for each in (truths.astype(object), pd.Series(truths, dtype=object), [np.bool_(truth) for truth in truths]):
        model = make("TabularClassifier").fit(FRAME, each)
        assert model.classes_.tolist() == [False, True]
        assert model.score(FRAME, each) == model.score(FRAME, truths)
    nullable = pd.Series((LABELS == "much").astype(int), dtype="Int64")
    assert make("TabularClassifier").fit(FRAME, nullable).classes_.tolist() == [0, 1]


def test_several_targets(tmp_path):
    both = np.column_stack([VALUES, 1e6 - 3 * VALUES])
    model = make("TabularRegressor", epochs=60).fit(FRAME, both)
    assert model.predict(FRAME).shape == (N, 2)
    assert model.score(FRAME, both) > 0.6
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(lamina.load(tmp_path / "model").predict(FRAME), model.predict(FRAME))
    with pytest.raises(ValueError, match="needs a model of one target; this one has 2"):
        model.predict_interval(FRAME)


def test_targets_of_any_size_stay_within_their_range():
    for scale, offset in ((1e-200, 0), (1e200, 0), (1e-3, 1e9)):
        y = VALUES * scale + offset
        model = make("TabularRegressor", epochs=60).fit(FRAME, y)
        found = model.predict(FRAME)
        assert found.min() >= y.min()
        assert found.max() <= y.max()
        assert np.corrcoef((found - offset) / scale, VALUES)[0, 1] > 0.8


def far_out(places, value):
    y = VALUES.copy()
    y[places] = value
    return y


@pytest.mark.parametrize("quantiles", [None, [0.1, 0.9]], ids=str)
@pytest.mark.parametrize("value", [30.0, -1e3, 1e9, 1e300])
def test_a_target_far_out_does_not_spoil_the_others(value, quantiles, tmp_path):
    """It counts as the nearest of the others, in the held-out part, too."""
    others = np.delete(VALUES[:180], 7)
    low, high = others.min(), others.max()
    y, clipped = far_out(7, value), far_out(7, low if value < 0 else high)
    how = {"epochs": 60, "quantiles": quantiles}
    told = re.escape(f"which lie between {low:g} and {high:g}: {value:g}. Such a target counts as the nearest")
    with pytest.warns(UserWarning, match=f"y has 1 value far from all others, {told}"):
        model = make("TabularRegressor", **how).fit(FRAME[:180], y[:180])
    usual = make("TabularRegressor", **how).fit(FRAME[:180], clipped[:180])
    np.testing.assert_array_equal(model.predict(FRAME), usual.predict(FRAME))
    np.testing.assert_array_equal(model.feature_importances_, usual.feature_importances_)
    assert usual.score(FRAME[180:], VALUES[180:]) > 0.6
    assert low <= model.predict(FRAME).min() <= model.predict(FRAME).max() <= high
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(lamina.load(tmp_path / "model").predict(FRAME), model.predict(FRAME))


def test_several_targets_are_looked_at_one_by_one():
    both = np.column_stack([VALUES, far_out(7, 1e5)])
    with pytest.warns(UserWarning, match="column 1 of y has 1 value far from all others"):
        model = make("TabularRegressor", epochs=60).fit(FRAME, both)
    assert model.score(FRAME[10:], np.column_stack([VALUES, VALUES])[10:]) > 0.6


def test_which_targets_are_far_from_the_others():
    rng = np.random.default_rng(0)
    bulk = rng.normal(size=500)
    tails = [bulk, np.exp(bulk), np.exp(1.5 * rng.normal(size=2000)), rng.exponential(size=1000), rng.uniform(size=30)]
    few = [np.array([0.0, 1e9]), np.arange(3.0), np.full(9, 2.5), np.array([1.0] * 9 + [1e6])]
    often = [np.where(rng.random(500) < share, 1e6, bulk) for share in (0.1, 0.5, 0.9)]
    for y in (*tails, *few, *often, (rng.random(500) < 0.004) * 9.0):
        assert not far_from_the_others(y).any()
        assert not far_from_the_others(-y * 1e-200).any()
    for values in (
        [12.0],
        [300.0, -300.0],
        [50.0, 60.0, 1e4, -1e6],
        [1e300],
        [np.finfo(float).max, -np.finfo(float).max],
    ):
        for scale in (1.0, -1e-3, 1e-300) if max(values) < 1e7 else (1.0,):
            y = np.concatenate([values, bulk]) * scale
            assert far_from_the_others(y).nonzero()[0].tolist() == list(range(len(values)))


@pytest.mark.parametrize("metric", ["error", "log_loss", "auc", "rmse", "mae", "r2"])
def test_the_metric_chooses_and_is_told(metric):
    name = "TabularClassifier" if metric in ("error", "log_loss", "auc") else "TabularRegressor"
    assert np.isfinite(fitted(name, metric=metric).validation_score_)


# Probabilities and intervals -------------------------------------------------------------------------------------


def test_calibration_lowers_the_log_loss_of_rows_held_out():
    iris = load_iris()
    kind = {"metric": "log_loss", "n_folds": 3, "epochs": 30}
    raw, calibrated = (
        make("TabularClassifier", calibrate=c, **kind).fit(iris.data, iris.target) for c in (False, True)
    )
    assert raw.temperature_ == 1
    assert calibrated.temperature_ != 1
    assert calibrated.validation_score_ < raw.validation_score_
    np.testing.assert_array_equal(calibrated.predict(iris.data), raw.predict(iris.data))


NOISY = pd.DataFrame({"x": np.random.default_rng(2).uniform(0, 3, 2400)})
NOISE = NOISY["x"].to_numpy() * np.random.default_rng(3).normal(size=2400)  # wider for larger x
LEARN, TEST = slice(0, 1600), slice(1600, 2400)


@pytest.mark.parametrize("quantiles", [None, [0.05, 0.95]])
@pytest.mark.parametrize("how", [{"validation": 0.4}, {"n_folds": 3}], ids=str)
def test_intervals_hold_what_they_promise(quantiles, how, tmp_path):
    model = make("TabularRegressor", quantiles=quantiles, epochs=30, batch_size=64, **how).fit(
        NOISY[LEARN], NOISE[LEARN]
    )
    model.save(tmp_path / "model")
    for coverage in (0.5, 0.8, 0.9):
        lower, upper = model.predict_interval(NOISY[TEST], coverage).T
        assert (lower <= upper).all()
        assert np.mean((lower <= NOISE[TEST]) & (NOISE[TEST] <= upper)) == pytest.approx(coverage, abs=0.07)
        again = lamina.load(tmp_path / "model").predict_interval(NOISY[TEST], coverage)
        np.testing.assert_array_equal(again, np.column_stack([lower, upper]))
    width = upper - lower
    small, large = (np.mean(width[part]) for part in (NOISY["x"][TEST] < 1, NOISY["x"][TEST] > 2))
    assert large > 1.5 * small if quantiles else large == pytest.approx(small)


def test_quantiles():
    model = make("TabularRegressor", quantiles=[0.9, 0.1], epochs=40).fit(NOISY[LEARN], NOISE[LEARN])
    assert model.quantiles_.tolist() == [0.1, 0.5, 0.9]
    found = model.predict_quantiles(NOISY[TEST])
    assert found.shape == (800, 3)
    assert (np.diff(found, axis=1) >= 0).all()
    np.testing.assert_array_equal(found[:, 1], model.predict(NOISY[TEST]))
    for q, below in zip(model.quantiles_, (NOISE[TEST, np.newaxis] < found).mean(axis=0), strict=True):
        assert below == pytest.approx(q, abs=0.1)
    other = make("TabularRegressor", loss="huber").fit(NOISY, NOISE)
    assert not hasattr(other, "predict_quantiles")
    words = r"predict_quantiles needs TabularRegressor\(quantiles=\[...\]\) and a fit; this one has loss='huber'"
    with pytest.raises(AttributeError, match=words):
        other.predict_quantiles(NOISY)
    with pytest.raises(AttributeError, match=words):
        other.set_params(quantiles=[0.1]).predict_quantiles(NOISY)


def test_coverage_that_nobody_can_promise():
    model = make("TabularRegressor").fit(NOISY[:100], NOISE[:100])
    with pytest.raises(ValueError, match=r"coverage=0\.99 needs at least 99 rows held out .* there were 20"):
        model.predict_interval(NOISY, 0.99)
    for wrong in (0, 1, 1.5, -1):
        with pytest.raises(ValueError, match="coverage must be"):
            model.predict_interval(NOISY, wrong)
    with pytest.raises(ValueError, match="needs rows held out in fit; validation was None"):
        make("TabularRegressor", validation=None).fit(NOISY, NOISE).predict_interval(NOISY)


# Training --------------------------------------------------------------------------------------------------------


@every
def test_time_is_kept(name):
    model = fitted(name, epochs=10**6, max_time=0.5, n_folds=3)
    assert {history.epochs for history in model.history_} < set(range(1, 10**6))


def test_verbose_tells_the_time_left(capsys):
    fitted("TabularRegressor", verbose=True, n_folds=2)
    told = capsys.readouterr().err
    assert "s left" in told
    fitted("TabularRegressor")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("how", [{}, {"n_folds": 3}, {"n_folds": 2, "quantiles": [0.1]}], ids=str)
def test_ctrl_c_leaves_the_best_so_far(how):
    model = make("TabularRegressor", epochs=500, n_jobs=1, **how)
    fit, begun = lamina.Network.fit, []

    def interrupted(self, *args, **options):
        begun.append(self)

        def press(epoch):
            if epoch.epoch == 4 and len(begun) == (1 if not how else 3):
                raise KeyboardInterrupt

        options["callbacks"] = [*options.get("callbacks", ()), press]
        return fit(self, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lamina.Network, "fit", interrupted)
        with pytest.warns(UserWarning, match="interrupted by user"):
            model.fit(FRAME, VALUES)
    assert np.isfinite(model.predict(FRAME)).all()
    assert model.feature_importances_.shape == (FRAME.shape[1],)


@every
def test_a_plain_width_and_a_constant_table(name):
    nothing = pd.DataFrame({"same": [1] * N, "gone": [None] * N})
    model = make(name).fit(nothing, KINDS[name])
    assert len(np.unique(predicted(model, nothing), axis=0)) == 1


@every
def test_works_with_scikit_learn(name):
    model, y = make(name), KINDS[name]
    assert np.isfinite(cross_val_score(model, FRAME, y, cv=2)).all()
    search = GridSearchCV(model, {"epochs": [2, 4]}, cv=2).fit(FRAME, y)
    assert len(search.predict(FRAME)) == N
    twin = clone(fitted(name))
    assert twin.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        twin.predict(FRAME)
    assert "TabularClassifier" in fitted("TabularClassifier")._repr_html_()


def test_id_columns_are_told_of():
    with pytest.warns(UserWarning, match="column 'id' was left out: nearly all of its values are different") as told:
        fitted("TabularRegressor")
    assert told[0].filename == __file__


@every
def test_an_array_after_a_frame_is_told_of(name):
    X = FRAME[["x", "stamp"]]
    model = make(name).fit(X, KINDS[name])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        found = predicted(model, X.to_numpy())
    np.testing.assert_array_equal(found, predicted(model, X))


# What is refused -------------------------------------------------------------------------------------------------

GONE = pd.Series(LABELS).where(np.arange(N) != 5)
CASES = {
    "preset": ({"preset": "best"}, {}, "preset of {name} must be one of 'default', 'fast'; got 'best'"),
    "metric": ({"metric": "accuracy"}, {}, "metric of {name} must be None or one of"),
    "validation": ({"validation": 1.5}, {}, "validation of {name} must be None or a fraction > 0 and < 1, or a"),
    "validation set": ({"validation": (FRAME, VALUES)}, {}, "validation of {name} must be None or a fraction"),
    "folds": ({"n_folds": 1}, {}, "n_folds of {name} must be None or an integer >= 2"),
    "many folds": ({"n_folds": N + 1}, {}, f"n_folds must be at most the number of rows that count, {N}"),
    "members": ({"n_members": 0}, {}, "n_members of {name} must be None or an integer >= 1"),
    "width": ({"width": 0}, {}, "width of {name} must be None or an integer >= 1"),
    "dropout": ({"dropout": 1.0}, {}, "dropout of {name} must be None or a number >= 0 and < 1"),
    "activation": ({"activation": "rellu"}, {}, "activation of {name} must be None or the name of an activation"),
    "embeddings": ({"embeddings": "word2vec"}, {}, "embeddings of {name} must be None or one of 'mixed', 'periodic'"),
    "epochs": ({"epochs": 0}, {}, "epochs of {name} must be None or an integer >= 1"),
    "time": ({"max_time": 0}, {}, "max_time of {name} must be None or a number > 0"),
    "seed": ({"random_state": -1}, {}, "random_state of {name} must be None, an integer >= 0"),
    "a metric of nothing": ({"validation": None, "metric": "METRIC"}, {}, "needs something to validate on"),
    "a column": ({"categorical_features": ["no such"]}, {}, "categorical_features must name columns of X"),
    "one column": ({"categorical_features": 0}, {}, "categorical_features of {name} must be None or a list .*; got 0"),
    "bytes": ({"categorical_features": b"x"}, {}, "categorical_features of {name} must be None or a list of columns"),
    "rows": ({}, {"y": slice(1, None)}, rf"inconsistent numbers of samples: \[{N}, {N - 1}\]"),
    "one row": ({}, {"X": slice(1), "y": slice(1)}, "at least 2 rows|one class alone"),
    "weights": ({}, {"sample_weight": -np.ones(N)}, "sample_weight must not be negative"),
    "no weights": ({}, {"sample_weight": np.zeros(N)}, "sample_weight must not be all zero"),
    "half a set": ({}, {"X_val": FRAME}, "X_val and y_val go together"),
    "weights of no set": ({}, {"sample_weight_val": np.ones(N)}, "given without X_val and y_val"),
    "a set beside folds": ({"n_folds": 2}, {"X_val": FRAME, "y_val": VALUES}, "n_folds and X_val both say"),
    "another set": (
        {},
        {"X_val": FRAME[["x"]], "y_val": "y"},
        "X_val, y_val or .*: X must have the columns of the fit",
    ),
    "groups": ({}, {"groups": np.ones(N)}, "give n_folds, too"),
    "more folds than groups": (
        {"n_folds": 5},
        {"groups": np.arange(N) % 3},
        "n_folds must be at most the number of groups, 3; got 5",
    ),
    "groups of others": (
        {"n_folds": 2},
        {"groups": np.ones(3)},
        f"groups must have one entry for each of the {N} rows",
    ),
    "no target": ({}, {"y": None}, "requires y to be passed"),
    "a target that is missing": ({}, {"y": GONE}, "Input y contains NaN: a target is missing in row 5"),
}


@every
@pytest.mark.parametrize("case", CASES)
def test_misuse_is_refused_and_changes_nothing(name, case):
    parameters, changes, words = CASES[case]
    y = KINDS[name]
    usual = {"METRIC": "error" if name == "TabularClassifier" else "rmse"}
    parameters = {
        key: usual.get(value, value) if isinstance(value, str) else value for key, value in parameters.items()
    }
    options = {"X": FRAME, "y": y, **changes}
    if isinstance(options["X"], slice):
        options["X"] = FRAME[options["X"]]
    if isinstance(options["y"], slice):
        options["y"] = y[options["y"]]
    if isinstance(options.get("y_val"), str):
        options["y_val"] = y
    model = make(name, **parameters)
    before = dict(vars(model))
    with pytest.raises((ValueError, TypeError), match=words.replace("{name}", name)):
        model.fit(**options)
    assert vars(model) == before


@every
def test_every_parameter_that_cannot_be_is_named(name):
    for parameter in getattr(lamina, name)().get_params():
        with pytest.raises((ValueError, TypeError), match=f"^{parameter}\\b"):
            make(name, **{parameter: object()}).fit(FRAME, KINDS[name])


@pytest.mark.parametrize(
    ("parameters", "y", "words"),
    [
        ({}, np.full(N, "emu"), "y has one class alone, 'emu'"),
        ({}, VALUES, "Unknown label type: continuous"),
        ({}, np.column_stack([LABELS, LABELS]), "one label a row|Unknown label type|several columns"),
        ({"class_weight": {"little": -1}}, LABELS, "class_weight must be finite and at least 0; got -1"),
        (
            {"class_weight": {"little": 1, "much": 2, "none": 3}},
            LABELS,
            r"class_weight must name classes of y; got 'none', and y has \['little', 'much'\]",
        ),
        ({"class_weight": {"little": 0, "much": 0}}, LABELS, "must leave a row a weight above 0"),
    ],
)
def test_misuse_of_the_classifier(parameters, y, words):
    with pytest.raises(ValueError, match=words):
        make("TabularClassifier", **parameters).fit(FRAME, y)


@pytest.mark.parametrize(
    ("parameters", "y", "words"),
    [
        ({}, LABELS, "y must hold numbers; got dtype"),
        ({}, np.where(VALUES > 2, np.nan, VALUES), "Input y contains NaN: y must be finite; see row"),
        ({}, np.where(VALUES > 2, np.inf, VALUES), "Input y contains infinity"),
        (
            {},
            pd.DataFrame({"price": VALUES, "when": FRAME["day"]}),
            r"^y must hold columns of one kind; got dtype datetime64\[.*\] in column 'when' beside others",
        ),
        (
            {},
            pl.DataFrame({"long": [dt.timedelta(1)] * N, "price": VALUES}),
            r"^y must hold columns of one kind; got dtype timedelta64\[.*\] in column 'long' beside others",
        ),
        ({"quantiles": [0.1, 1.0]}, VALUES, "quantiles of TabularRegressor must be None or different numbers > 0"),
        ({"quantiles": [0.1], "metric": "mae"}, VALUES, "quantiles have a loss of their own; got metric='mae'"),
        ({"quantiles": [0.1], "loss": "huber"}, VALUES, "quantiles have a loss of their own; got loss='huber'"),
        ({"quantiles": [0.1]}, np.column_stack([VALUES, VALUES]), "quantiles need one target; y has 2 columns"),
        ({"loss": "hinge"}, VALUES, "loss of TabularRegressor must be one of 'squared_error'"),
    ],
)
def test_misuse_of_the_regressor(parameters, y, words):
    with pytest.raises((ValueError, TypeError), match=words):
        make("TabularRegressor", **parameters).fit(FRAME, y)


@every
@pytest.mark.parametrize("value", [1, None, True, ["a"], b"a"], ids=str)
def test_metadata_are_text(name, value, tmp_path):
    model = make(name, epochs=1).fit(FRAME[["x"]], KINDS[name])
    model.metadata_["note"] = value
    with pytest.raises(TypeError, match=r"metadata\['note'\] must be text; got .* of type "):
        model.save(tmp_path / "model")
    model.metadata_ = {1: "text"}
    with pytest.raises(TypeError, match="metadata must have names that are text; got 1 of type int"):
        model.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_refused_refit_leaves_the_model():
    model = fitted("TabularClassifier")
    before, found = dict(vars(model)), predicted(model, FRAME)
    with pytest.raises(ValueError, match="no infinity; got inf in column 'x'"):
        model.fit(FRAME.assign(x=np.inf), LABELS)
    assert all(value is before[key] for key, value in vars(model).items())
    np.testing.assert_array_equal(predicted(model, FRAME), found)


def test_few_rows_are_warned_of():
    with pytest.warns(UserWarning, match="validation sets 1 of the 6 samples aside"):
        make("TabularRegressor").fit(FRAME[:6], VALUES[:6])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make("TabularRegressor", validation=None).fit(FRAME[["x"]][:6], VALUES[:6])


def test_packages_that_are_missing_are_named():
    code = """
import sys
sys.modules["narwhals"] = None
import lamina
try:
    lamina.TabularClassifier
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'install with: pip install "narwhals>=2"' in done.stdout


def test_a_score_that_is_not_defined_is_none(tmp_path):
    model = make("TabularClassifier", metric="log_loss")
    model.fit(FRAME, LABELS, X_val=FRAME[LABELS == "much"], y_val=LABELS[LABELS == "much"])
    assert model.validation_score_ is not None
    curve = make("TabularRegressor", metric="r2").fit(FRAME, VALUES, X_val=FRAME[:1], y_val=VALUES[:1])
    assert curve.validation_score_ is None
    curve.save(tmp_path / "model")
    assert lamina.load(tmp_path / "model").validation_score_ is None


def test_few_rows_that_are_all_right_do_not_make_certainties():
    """By the log loss of new rows: what is sure of itself on twelve rows held out is not."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(460, 5))
        y = X @ rng.normal(size=5) + 0.3 * rng.normal(size=460) > 0
        model = lamina.TabularClassifier(random_state=seed).fit(X[:60], y[:60])
        p = model.predict_proba(X[60:])[np.arange(400), y[60:].astype(int)]
        assert -np.log(p).mean() < 0.6
        assert model.temperature_ > 0.2


@pytest.mark.parametrize("names", [[0, 1], [0, "b"], pd.MultiIndex.from_tuples([("p", "a"), ("p", "b")])], ids=str)
def test_columns_are_found_by_names_that_are_no_text(names, tmp_path):
    X = pd.DataFrame(RNG.normal(size=(N, 2)))
    X.columns = names
    y = X.iloc[:, 0] > 0
    model = make("TabularClassifier").fit(X, y)
    swapped = X[X.columns[::-1]]
    np.testing.assert_array_equal(model.predict_proba(swapped), model.predict_proba(X))
    assert not hasattr(model, "feature_names_in_")
    model.predict(X.to_numpy())  # without a warning, as scikit-learn has it
    model.save(tmp_path / "model")
    again = lamina.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(swapped), model.predict_proba(X))
    assert not hasattr(again, "feature_names_in_")


def test_wide_tables_spend_little_on_importances():
    X = RNG.normal(size=(60, 300))
    model = make("TabularClassifier", epochs=1).fit(X, X[:, 0] > 0)
    assert model.feature_importances_.shape == (300,)


@pytest.mark.parametrize(
    "named",
    [
        {"b", "a"},
        frozenset(["b", "a"]),
        pd.Index(["b", "a"]),
        {"b": 1, "a": 2}.keys(),
        {"b": 1},
        np.array(["a"]),
        ("b",),
    ],
    ids=lambda named: type(named).__name__,
)
def test_the_columns_that_are_named_are_in_the_file(named, tmp_path):
    rng = np.random.default_rng(0)
    table, y = pd.DataFrame(rng.integers(0, 5, (60, 3)), columns=list("abc")), rng.normal(size=60)
    model = lamina.TabularRegressor("fast", categorical_features=named, epochs=1, random_state=0).fit(table, y)
    model.save(tmp_path / "model")
    loaded = lamina.load(tmp_path / "model")
    assert sorted(loaded.categorical_features) == sorted(named)
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()
    loaded.fit(table, y)
    np.testing.assert_array_equal(loaded.predict(table), model.predict(table))
