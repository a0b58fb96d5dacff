"""A model file is trusted for nothing: whatever it says, with the right checksum, it is refused, or it works.

LAMINA_TEST_TIMES=100 tries a hundred times as many mutated files.
"""

import copy
import json
import os
import pickle
import resource
import struct
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lamina
from conftest import TIMES
from containers import file_of, parts_of, raw
from lamina.tabular.values import Table

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 3)).astype(np.float32), RNG.integers(2, size=40)
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def dense():
    layers = [
        lamina.Dense(4, "elu", initializer="he_normal"),
        lamina.BatchNorm(),
        lamina.Dropout(0.2),
        lamina.GaussianNoise(0.1),
        lamina.Activation("prelu"),
        lamina.Shortcut(2, "tanh"),
        lamina.Dense(2, use_bias=False),
    ]
    net = lamina.Network(layers, n_inputs=3, loss="cross_entropy", normalize_inputs=True)
    net.metadata["made"] = "here"
    net.fit(X, Y, epochs=1)
    return net


def embeddings():
    layers = [
        lamina.NumericEmbedding((0, 2), "piecewise_linear", 4),
        lamina.Embedding((0,), (3,), 2),
        lamina.NumericEmbedding(activation="prelu"),
        lamina.Dense(1),
    ]
    net = lamina.Network(layers, n_inputs=3, normalize_inputs=True)
    net.fit(np.column_stack([X[:, 0], np.arange(len(X)) % 3, X[:, 2]]), Y, epochs=1)
    return net


def recurrent():
    layers = [lamina.Recurrent(3, "tanh", return_sequences=True), lamina.Recurrent(2, kind="jordan"), lamina.Dense(1)]
    return lamina.Network(layers, n_inputs=3, dtype="float64")


def cascade():
    net = lamina.CascadeNetwork(3, 1, max_units=3, activation=["tanh", "gaussian"], normalize_inputs=True)
    net.fit(X, Y, validation=0.2, output_epochs=5, candidate_epochs=5)
    return net


def ensemble():
    net = lamina.Network([lamina.Dense(2, "tanh"), lamina.Dense(1)], n_inputs=3, normalize_inputs=True)
    return lamina.Ensemble(net, 2).fit(X, Y, epochs=1)


def table():
    words = np.array(["red", "green", None], object)[np.arange(40) % 3]
    return pd.DataFrame(
        {"x": X[:, 0], "word": words, "day": pd.date_range("2024", periods=40), "same": 1, "yes": Y > 0}
    )


TINY = {"width": 3, "depth": 1, "epochs": 1, "n_members": 1, "random_state": 0}


def table_classifier():
    net = lamina.TabularClassifier(**TINY, validation=lamina.Split(0.5), class_weight={"a": 2.0, "b": 1})
    return net.fit(table(), np.array(["a", "b"])[Y])


def table_regressor():
    net = lamina.TabularRegressor(**TINY, quantiles=[0.1], categorical_features=["yes"])
    return net.fit(table(), X[:, 1])


MAKERS = (dense, embeddings, recurrent, cascade, ensemble, table_classifier, table_regressor)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """By kind: (description, arrays) of a good file."""
    folder, found = tmp_path_factory.mktemp("models"), {}
    for make in MAKERS:
        make().save(folder / make.__name__)
        found[make.__name__] = parts_of((folder / make.__name__).read_bytes())
    return found


def loaded(data, tmp_path):
    """What is loaded; None where it is refused."""
    path = tmp_path / "model"
    path.write_bytes(data)
    try:
        return lamina.load(path)
    except lamina.ModelFileError as error:
        if str(path) not in str(error):
            raise
        return None


def works(net, path):
    """Whether what was loaded can do what its kind does."""
    if isinstance(net, (lamina.TabularClassifier, lamina.TabularRegressor)):
        return works_on_tables(net, path)
    members = net.members if isinstance(net, lamina.Ensemble) else [net]
    assert repr(net)
    assert net.summary()
    for member in members:
        assert member.summary()
        if member.n_inputs <= 1000:
            steps = (2,) if not isinstance(member, lamina.CascadeNetwork) and member.spec.recurrent else ()
            member.predict(np.zeros((2, *steps, member.n_inputs)))
        member.copy()
    net.save(path)
    again = lamina.load(path)
    assert repr(again) == repr(net)


def works_on_tables(net, path):
    """With every value missing, which any kind of column may be."""
    missing = np.full((2, net.n_features_in_), None)
    X = Table(missing, net.encoder_.names, *missing.shape)  # no data frame has every name that a file can tell
    assert repr(net)
    assert len(net.predict(X)) == 2
    if isinstance(net, lamina.TabularClassifier):
        np.testing.assert_allclose(net.predict_proba(X).sum(axis=1), 1)
    elif net.residuals_ is not None:
        assert net.predict_interval(X, 0.5).shape == (2, 2)
    assert len(net.get_feature_names_out()) == len(net.encoder_.sources())
    net.save(path)
    assert lamina.load(path).architecture() == net.architecture()


@pytest.mark.parametrize("make", MAKERS)
def test_good_files_load(make, kept, tmp_path):
    net = loaded(file_of(*kept[make.__name__]), tmp_path)
    works(net, tmp_path / "again")


# What a file may claim ------------------------------------------------------------------------------------------


def with_layers(*layers, n_inputs=3):
    net = lamina.Network([lamina.Dense(1)], n_inputs=3)
    return {
        "format_version": 1,
        "user": {},
        "architecture": {**net.architecture(), "layers": layers, "n_inputs": n_inputs},
    }


def dense_entry(units):
    return {"layer": "Dense", "units": units, "activation": {"name": "identity"}}


CLAIMS = {
    "two hundred million units": (with_layers(dense_entry(200_000_000)), {}),
    "more than an int": (with_layers(dense_entry(2**63)), {}),
    "more than memory": (with_layers(dense_entry(2**62), dense_entry(2**62)), {}),
    "an array to be stretched": (
        with_layers(dense_entry(60_000), dense_entry(10_000)),
        {f"{i}.{name}": np.zeros(1, np.float32) for i in (0, 1) for name in ("weight", "bias")},
    ),
    "many inputs": (with_layers(dense_entry(1), n_inputs=2**40), {"0.weight": np.zeros((4, 1), np.float32)}),
    "many layers": (with_layers(*[dense_entry(1000)] * 500), {}),
    "a grown network of a million inputs": (
        {
            "format_version": 1,
            "user": {},
            "architecture": {
                **lamina.CascadeNetwork(3).architecture(),
                "n_inputs": 10**9,
                "output": "identity",
                "units": [{"name": "tanh"}] * 100,
            },
        },
        {"output.bias": np.zeros(1, np.float32)},
    ),
}


def child_says(work):
    """What `work` returns in a child of its own, where memory can be measured."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text)


def cost_of_loading(path):
    """Seconds, and MiB at most beyond what there was, of a load that is refused."""

    def work():
        before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
        try:
            lamina.load(path)
        except lamina.ModelFileError:
            seconds = time.perf_counter() - started
            return [seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024]
        return "it was loaded"

    return child_says(work)


@pytest.mark.parametrize("claim", CLAIMS)
def test_claims_cost_nothing(claim, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(file_of(*CLAIMS[claim]))
    seconds, mib = cost_of_loading(path)
    assert seconds < 5
    assert mib < 16


@pytest.mark.parametrize("begin", [b"", b"\x80\x04K\x01.", struct.pack("<Q", 2**30), raw({"a": 1})])
def test_a_large_file_that_is_no_model_is_not_read(begin, tmp_path):
    path = tmp_path / "film.mkv"
    path.write_bytes(begin)
    os.truncate(path, 2**31)
    seconds, mib = cost_of_loading(path)
    assert seconds < 5
    assert mib < 16


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 10_000_000,
        b'{"lamina":' * 1_000_000,
        b'{"lamina":' + b"[" * 10_000_000,
        b'{"__metadata__": {"lamina": "' + b"[" * 10_000_000 + b'"}}',
        json.dumps({"__metadata__": {"lamina": '{"format_version": 1, "user": ' + "[" * 500 + "]" * 500 + "}"}}),
        json.dumps({"__metadata__": {"lamina": '{"format_version": 1' + "0" * 10_000 + "}"}}),
    ],
)
def test_deep_and_large_headers(header, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(raw(header if isinstance(header, bytes) else header.encode()))
    seconds, mib = cost_of_loading(path)
    assert seconds < 5
    assert mib < 10 * path.stat().st_size / 2**20 + 16


def test_a_description_too_long_to_be_read_is_not_written(tmp_path):
    net = lamina.Network([lamina.Dense(1)], n_inputs=3)
    net.metadata["notes"] = 'a "long" \\ text, ' * 100_000
    net.save(tmp_path / "model")
    assert lamina.load(tmp_path / "model").metadata == net.metadata
    net.metadata.update((str(i), "") for i in range(300_000))
    with pytest.raises(ValueError, match="its description, metadata included, has more than 262144 values"):
        net.save(tmp_path / "other")
    assert os.listdir(tmp_path) == ["model"]


# Arrays ---------------------------------------------------------------------------------------------------------


def test_a_file_without_a_change_is_the_same(kept, tmp_path):
    description, arrays = kept["dense"]
    assert loaded(file_of(description, arrays), tmp_path) is not None
    assert loaded(file_of(description, dict(reversed(arrays.items()))), tmp_path) is not None


@pytest.mark.parametrize("kind", [make.__name__ for make in MAKERS])
def test_other_arrays_than_the_architecture_needs(kind, kept, tmp_path):
    description, arrays = kept[kind]
    name = next(name for name, array in arrays.items() if array.ndim == 2 and array.shape[0] != array.shape[1])
    dtype = arrays[name].dtype
    other, whole = (np.float64, np.int32) if dtype == np.float32 else (np.float32, np.int64)
    bias = name.replace("weight", "bias")
    changes = [
        {k: v for k, v in arrays.items() if k != name},
        {**arrays, "extra": np.zeros(1, np.float32)},
        {**arrays, f"9{name}": arrays[name]},
        {**arrays, name: np.ascontiguousarray(arrays[name].T)},
        {**arrays, name: arrays[name].reshape(-1)},
        {**arrays, name: arrays[name][:1]},
        {**arrays, bias: np.zeros(0, dtype)},
        {**arrays, bias: np.ones(2 * arrays[name].shape[1], dtype)},
        {**arrays, name: arrays[name].astype(np.float16)},
        {**arrays, name: arrays[name].astype(other)},
        {**arrays, name: arrays[name].view(whole)},
        {},
    ]
    if kind != "recurrent":
        changes.append({k: v for k, v in arrays.items() if not k.endswith("input.scale")})
    for altered in changes:
        assert loaded(file_of(description, altered), tmp_path) is None, list(altered)


@pytest.mark.parametrize("kind", [make.__name__ for make in MAKERS])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers(kind, value, kept, tmp_path):
    description, arrays = kept[kind]
    for name, array in arrays.items():
        altered = array.copy()
        altered.flat[-1] = value
        assert loaded(file_of(description, {**arrays, name: altered}), tmp_path) is None, name


def test_weights_that_are_no_numbers_are_not_saved(tmp_path):
    net = lamina.Network([lamina.Dense(1)], n_inputs=3)
    net.parameters["0.bias"][:] = np.nan
    with pytest.raises(ValueError, match=r"the network cannot be saved: the array '0\.bias' holds NaN"):
        net.save(tmp_path / "model")


@pytest.mark.parametrize("dtype", ["BF16", "F16", "I64", "F4", "", "(", "float32", 7, None, [], "F32" * 1000])
def test_odd_types(dtype, kept, tmp_path):
    description, arrays = kept["dense"]
    data = file_of(description, arrays)
    size = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:size])
    header["0.weight"]["dtype"] = dtype
    assert loaded(raw(header, data[size:]), tmp_path) is None


@pytest.mark.parametrize("shape", [[], [-1], [2**62, 2**62], [1.5], ["3"], [True], None, 12, {"a": 1}, [[3, 4]]])
def test_odd_shapes_and_offsets(shape, kept, tmp_path):
    description, arrays = kept["dense"]
    data = file_of(description, arrays)
    size = 8 + struct.unpack("<Q", data[:8])[0]
    for part in ("shape", "data_offsets"):
        header = json.loads(data[8:size])
        header["0.weight"][part] = shape
        assert loaded(raw(header, data[size:]), tmp_path) is None


# Descriptions ---------------------------------------------------------------------------------------------------

ODD = [None, True, 0, -1, 1.5, 10**30, float("nan"), float("inf"), "", "x", "\ud800", [], [[]], {}, {"name": "x"}]


@pytest.mark.parametrize("key", ["format_version", "architecture", "user"])
def test_parts_of_another_type(key, kept, tmp_path):
    for kind in kept:
        description, arrays = kept[kind]
        for value in ODD:
            if key == "user" and value in ({}, {"name": "x"}):
                continue
            if key == "format_version" and value is True:
                continue  # JSON's true equals 1
            assert loaded(file_of({**description, key: value}, arrays), tmp_path) is None, value
        assert loaded(file_of({k: v for k, v in description.items() if k != key}, arrays), tmp_path) is None


def test_every_part_of_an_architecture_of_another_type(kept, tmp_path):
    """What is loaded all the same says what the file says, and works."""
    for kind in kept:
        description, arrays = kept[kind]
        for place in places(description["architecture"]):
            for value in ODD:
                altered = copy.deepcopy(description)
                put(altered["architecture"], place, value)
                net = loaded(file_of(altered, arrays), tmp_path)
                if net is not None:
                    works(net, tmp_path / "again")


@pytest.mark.parametrize(
    "change",
    [
        {"output": "auto"},
        {"output": "tanh"},
        {"output_setting": "identity"},
        {"units": [{"name": "tanh"}]},
        {"history": {"units": ["tanh"]}},
        {"network": "Network"},
        {"network": ["CascadeNetwork"]},
    ],
)
def test_a_grown_network_of_two_minds(change, kept, tmp_path):
    description, arrays = kept["cascade"]
    altered = {**description, "architecture": {**description["architecture"], **change}}
    assert loaded(file_of(altered, arrays), tmp_path) is None


def test_every_list_of_a_history_is_as_long_as_it_must_be(kept, tmp_path):
    description, arrays = kept["cascade"]
    history = description["architecture"]["history"]
    for name, entries in history.items():
        for value in (entries[:-1], [*entries, entries[-1]]) if isinstance(entries, list) else (3.5,):
            altered = copy.deepcopy(description)
            altered["architecture"]["history"][name] = value
            assert loaded(file_of(altered, arrays), tmp_path) is None, name


# Mutations ------------------------------------------------------------------------------------------------------


def places(value, here=()):
    """Where in nested lists and dicts there is anything."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inside in items:
        yield (*here, key)
        yield from places(inside, (*here, key))


def put(value, place, new):
    for key in place[:-1]:
        value = value[key]
    value[place[-1]] = new


JSON = st.recursive(
    st.one_of(
        st.sampled_from(ODD),
        st.integers(-3, 12),
        st.floats(),
        st.text(max_size=5),
        st.sampled_from(["tanh", "Dense", "Network", "CascadeNetwork", "Ensemble", "squared_error", "float64"]),
    ),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=4,
)
MUTATED = settings(max_examples=60 * TIMES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(data=st.data())
@MUTATED
def test_mutated_descriptions_and_arrays(data, kept, tmp_path):
    description, arrays = copy.deepcopy(kept[data.draw(st.sampled_from(sorted(kept)))])
    for _ in range(data.draw(st.integers(1, 3))):
        how = data.draw(st.sampled_from(["value", "value", "move", "drop", "repeat", "array"]))
        found = list(places(description))
        place = data.draw(st.sampled_from(found))
        parent = description
        for key in place[:-1]:
            parent = parent[key]
        if how == "value":
            put(description, place, data.draw(JSON))
        elif how == "move":
            source = description
            for key in data.draw(st.sampled_from(found)):
                source = source[key]
            put(description, place, copy.deepcopy(source))
        elif how == "drop":
            del parent[place[-1]]
        elif how == "repeat" and isinstance(parent, list):
            parent.append(copy.deepcopy(parent[place[-1]]))
        elif how == "array" and arrays:
            name = data.draw(st.sampled_from(sorted(arrays)))
            shape = data.draw(st.lists(st.integers(0, 4), max_size=3))
            dtype = data.draw(st.sampled_from([np.float32, np.float64]))
            arrays[data.draw(st.sampled_from([name, "0.weight", "7.bias", "input.mean"]))] = np.ones(shape, dtype)
    net = loaded(file_of(description, arrays), tmp_path)
    if net is not None:
        works(net, tmp_path / "again")


@given(data=st.data())
@MUTATED
def test_mutated_bytes(data, kept, tmp_path):
    whole = file_of(*kept[data.draw(st.sampled_from(sorted(kept)))])
    at = data.draw(st.integers(0, len(whole) - 1))
    length = data.draw(st.integers(0, 8))
    new = data.draw(st.binary(max_size=8))
    altered = whole[:at] + new + whole[at + length :]
    if altered != whole:
        assert loaded(altered, tmp_path) is None


# Pickles --------------------------------------------------------------------------------------------------------


def restored(net, **changes):
    state = net.__getstate__()
    other = net.__class__.__new__(net.__class__)
    other.__setstate__({**state, **changes})
    return other


def test_pickles_of_other_sizes_are_refused():
    net = dense()
    parameters = net.__getstate__()["parameters"]
    mean, scale = net.input_normalization
    for changes, words in (
        (
            {"parameters": {**parameters, "0.weight": np.zeros((1,), np.float32)}},
            r"'0\.weight' should be float32 \(3, 4\)",
        ),
        ({"parameters": {**parameters, "0.weight": parameters["0.weight"].astype(int)}}, "got int64"),
        ({"parameters": {**parameters, "x": mean}}, "'x' belongs to nothing"),
        ({"parameters": {k: v for k, v in parameters.items() if k != "0.bias"}}, r"'0\.bias' is missing"),
        (
            {"scales": None, "normalization": (mean, scale[:2])},
            r"'input\.scale' should be float32 \(3,\); got float32 \(2,\)",
        ),
        ({"scales": {"input.mean": mean[:1], "input.scale": scale[:1]}}, r"'input\.mean' should be"),
        ({"memory": {**net.__getstate__()["memory"], "slots": [np.zeros(3, np.float32)] * 2}}, "a slot must have"),
        ({"_n_inputs": 5}, r"'0\.weight' should be float32 \(5, 4\)"),
        ({"_layers": [lamina.Dense(10**9)]}, r"'0\.weight' should be"),
    ):
        with pytest.raises(ValueError, match=words):
            restored(net, **changes)


def test_pickles_of_sequences_of_other_sizes_are_refused():
    net = recurrent()
    net.step(np.ones((2, 3)))
    count, state = net.__getstate__()["sequences"]
    for changed in ((3, state), (2, state[:-1]), (-2, state), (2**40, state), (2, np.repeat(state, 50))):
        with pytest.raises(ValueError, match="numbers a sequence"):
            restored(net, sequences=changed)
    np.testing.assert_array_equal(restored(net, sequences=(count, state)).step(X[:2]), net.step(X[:2]))


def test_pickles_of_a_grown_network_of_other_sizes_are_refused():
    net = cascade()
    grown = net.__getstate__()["_grown"]
    (mean, scale), stages = grown.normalization, grown.stages
    for changes in (
        {"flat": grown.flat[:-1]},
        {"flat": grown.flat.astype(np.float64)},
        {"units": ()},
        {"units": (*grown.units, grown.units[0])},
        {"normalization": (mean, scale[:1])},
        {"stages": replace(stages, output_weights=tuple(stage[:-1] for stage in stages.output_weights))},
        {"stages": replace(stages, unit_weights=stages.unit_weights[:-1])},
        {"n_outputs": 2},
    ):
        with pytest.raises(ValueError, match="should be"):
            restored(net, _grown=replace(grown, **changes))
    for changes in ({"_n_outputs": 2}, {"_n_inputs": 4}, {"_dtype": np.dtype("float64")}):
        with pytest.raises(ValueError, match="should be"):
            restored(net, **changes)


def of_parts(net):
    """The state of a grown network in pickles from before it was one record."""
    state = net.__getstate__()
    grown = state.pop("_grown")
    stages = grown.stages
    return state | {
        "_units": list(grown.units),
        "_output": grown.output,
        "_flat": grown.flat,
        "_normalization": grown.normalization,
        "history": grown.history,
        "_stages": list(stages.output_weights),
        "_stage_units": (list(stages.units), stages.unit_weights),
        "_shape": None,
    }


def test_pickles_of_a_grown_network_in_parts():
    net = cascade()
    state, other = of_parts(net), object.__new__(lamina.CascadeNetwork)
    other.__setstate__(state)
    np.testing.assert_array_equal(other.predict(X), net.predict(X))
    np.testing.assert_array_equal(other.at(1).predict(X), net.at(1).predict(X))
    assert other.history == net.history
    (mean, scale), (units, of_units) = state["_normalization"], state["_stage_units"]
    for changes in (
        {"_flat": state["_flat"][:-1]},
        {"_flat": state["_flat"].astype(np.float64)},
        {"_units": []},
        {"_units": [*state["_units"], state["_pool"][0]]},
        {"_normalization": (mean, scale[:1])},
        {"_stages": [stage[:-1] for stage in state["_stages"]]},
        {"_stage_units": (units, of_units[:-1])},
        {"_n_outputs": 2},
    ):
        with pytest.raises(ValueError, match="should be"):
            object.__new__(lamina.CascadeNetwork).__setstate__(state | changes)
    fresh = object.__new__(lamina.CascadeNetwork)
    fresh.__setstate__(state | {"_units": None})
    assert "not grown yet" in repr(fresh)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    ("version", "words"),
    [("0.0.1", "by version 0.0.1 of lamina, and this is version"), (None, "by an earlier version")],
)
def test_pickles_of_another_version_warn(make, version, words, monkeypatch):
    net = make()
    with monkeypatch.context() as patch:
        patch.setattr("lamina.storage.pickles.__version__", version)
        data = pickle.dumps(net)
    with pytest.warns(lamina.VersionWarning, match=words):
        other = pickle.loads(data)
    assert repr(other) == repr(net)
    assert repr(pickle.loads(pickle.dumps(net))) == repr(net)
    assert not any("version" in name for name in vars(other))
