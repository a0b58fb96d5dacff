"""What tells of a fit while it goes on: metrics by name, callbacks that hear of begin and end, and their logs."""

import copy
import csv
import json
import math
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import lamina
from interrupting import must_end_within
from lamina.callbacks import CSVLogger, Epoch, FitRun, History, MLflow, TensorBoard

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4)).astype(np.float32)
Y = (X[:, 0] + 0.5 * RNG.normal(size=200) > 0).astype(int)
OPTIONS = {"epochs": 4, "optimizer": lamina.Adam(0.01)}
HELD = {"validation": (X[150:], Y[150:])}


def network(loss="cross_entropy", outputs=2, **options):
    return lamina.Network([lamina.Dense(8, "tanh"), lamina.Dense(outputs)], n_inputs=4, loss=loss, **options)


def share(net, X, y):
    return float((net.predict(X)[:, 1] > 0.5).mean())


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


class Recorder:
    """What a callback is told, in order."""

    def __init__(self, name="", told=None, failing=()):
        self.name, self.told, self.failing = name, [] if told is None else told, failing

    def tell(self, what, value):
        self.told.append((self.name + what, value))
        if what in self.failing:
            raise LookupError(what)

    def on_begin(self, run):
        self.tell("begin", copy.copy(run))

    def __call__(self, epoch):
        self.tell("epoch", epoch)

    def on_end(self, run):
        self.tell("end", copy.copy(run))


# Metrics -------------------------------------------------------------------------------------------------------------


def fits_every_metric(loss, targets):
    """The metrics that a loss has, of the registry."""
    net, found = network(loss, 2), []
    for name in lamina.metrics.names():
        try:
            net.evaluate(X, targets, metric=name)
            found.append(name)
        except ValueError:
            pass
    return found


@pytest.mark.parametrize(("objective", "targets"), [("cross_entropy", Y), ("squared_error", X[:, :2])])
def test_every_metric_of_the_registry_is_what_evaluate_gives(objective, targets):
    names = fits_every_metric(objective, targets)
    assert len(names) >= 3
    found = []

    def look(epoch):
        found.append({name: epoch.network.evaluate(X[150:], targets[150:], metric=name) for name in names})

    seen = []
    history = network(objective).fit(
        X[:150],
        targets[:150],
        validation=(X[150:], targets[150:]),
        metrics=names,
        callbacks=[look, lambda epoch: seen.append(epoch.metrics)],
        **OPTIONS,
    )
    assert seen == found
    assert list(history.metrics) == names
    for name in names:
        assert history.metrics[name] == [epoch[name] for epoch in found]


def test_every_metric_has_a_loss_that_takes_it():
    taken = {*fits_every_metric("cross_entropy", Y), *fits_every_metric("squared_error", X[:, :2])}
    assert taken == set(lamina.metrics.names())


@pytest.mark.parametrize("solver", [lamina.LBFGS(), lamina.Adam(0.01)])
def test_metrics_change_nothing(solver):
    nets = [network(normalize_inputs=True), network(normalize_inputs=True)]
    options = {"epochs": 4, "optimizer": solver, "validation": 0.25}
    plain = nets[0].fit(X, Y, **options)
    watched = nets[1].fit(X, Y, metrics=["auc", share], **options)
    assert plain.validation_loss == watched.validation_loss
    assert len(watched.metrics["auc"]) == len(watched.metrics["share"]) == watched.epochs
    np.testing.assert_array_equal(nets[0].predict(X), nets[1].predict(X))


def test_a_metric_that_the_core_watches_is_the_same_one():
    history = network().fit(X, Y, scoring="auc", metrics=["roc_auc", "accuracy"], **OPTIONS)
    assert history.metrics["roc_auc"] == history.validation_score
    assert list(history.curves()) == [
        *("loss", "validation_loss", "validation_score", "learning_rate", "roc_auc", "accuracy")
    ]


def test_callables_count_rows_and_have_names():
    sizes = []

    def rows(net, X, y):
        sizes.append((X.shape, y.shape))
        return len(X)

    weights = np.ones(50)
    weights[::3] = 0
    given = {"of all": rows, "auc": "roc_auc", "half": lambda net, X, y: 0.5}
    history = network().fit(X, Y, metrics=given, validation_sample_weight=weights, **HELD, **OPTIONS)
    assert history.metrics["of all"] == [33] * 4
    assert history.metrics["half"] == [0.5] * 4
    assert sizes == [((33, 4), (33,))] * 4


def test_metrics_are_computed_once_an_epoch_and_monitors_see_them():
    calls = []

    def falling(net, X, y):
        calls.append(1)
        return 1.0 / len(calls)

    stopping = lamina.EarlyStopping(3, monitor=lambda epoch: epoch.metrics["falling"], mode="max")
    seen = []
    history = network().fit(X, Y, epochs=10, metrics=[falling], early_stopping=stopping,
                            callbacks=lambda epoch: seen.append(epoch.metrics["falling"]))  # fmt: skip
    assert history.epochs == len(calls) == len(seen) == 4
    assert history.best_epoch == 1
    assert seen == history.metrics["falling"]


def test_sequences_have_metrics_up_to_their_lengths():
    S, lengths = RNG.normal(size=(60, 6, 2)), RNG.integers(3, 7, 60)
    net = lamina.Network([lamina.Recurrent(4), lamina.Dense(1)], n_inputs=2)
    ends = []

    def end(net, X, y):
        ends.append(X[:, -1].copy())
        return 0.0

    history = net.fit(S, S[:, 0, 0], lengths=lengths, metrics=["mae", end], epochs=3, validation=lamina.Split(0.5))
    assert len(history.metrics["mae"]) == 3
    assert (ends[0] == 0).all(axis=1).any()


@pytest.mark.parametrize(
    ("given", "more", "error", "message"),
    [
        (["accuracy"], {"validation": None}, ValueError, "metrics needs a validation part; validation is None"),
        (["f1"], {}, ValueError, "metrics must be of 'error', 'accuracy', .*; got 'f1'"),
        ([3], {}, TypeError, "metrics must be names or callables"),
        (3, {}, TypeError, "metrics must be a list of names"),
        (["rmse"], {}, ValueError, "metric 'rmse' needs a regression loss; got cross_entropy"),
        (["auc", "auc"], {}, ValueError, "got 'auc' twice"),
        ({"loss": "auc"}, {}, ValueError, "names of their own.* got 'loss'"),
        ({"": "auc"}, {}, ValueError, "names of their own"),
        ([np.vectorize(len)], {}, ValueError, "has no name; give a dict"),
        (["auc"], {"validation": (X[:9], np.zeros(9, int))}, ValueError, "'auc' has no value on the 9 samples"),
    ],
)
def test_what_is_no_metric_is_refused_before_anything_changes(given, more, error, message):
    if isinstance(given, list) and isinstance(given[0], np.vectorize):
        del given[0].__name__
    net = network()
    before = net.predict(X)
    with pytest.raises(error, match=message):
        net.fit(X, Y, metrics=given, **more, **OPTIONS)
    np.testing.assert_array_equal(net.predict(X), before)
    assert net.history is None


@pytest.mark.parametrize("value", [None, "much", np.ones(3)])
def test_a_callable_that_returns_no_number_is_named(value):
    for options, words in (
        ({"metrics": {"cost": lambda net, x, y: value}}, "metrics: 'cost' must return a number; got"),
        ({"scoring": lambda net, x, y: value}, "scoring must return a number; got"),
        (
            {"early_stopping": lamina.EarlyStopping(monitor=lambda epoch: value)},
            "monitor must return a number; got",
        ),
    ):
        with pytest.raises(TypeError, match=words):
            network().fit(X, Y, **{**OPTIONS, **options})


def of_library(library):
    """A metric as Keras and others have them: an object without a name that takes targets and predictions."""
    return type("AUC", (), {"__module__": f"{library}.metrics", "__call__": lambda self, *given: 0.5})()


def function_of_library(y, p):
    return 0.5


function_of_library.__module__ = "keras.src.metrics"


@pytest.mark.parametrize("library", ["keras", "torchmetrics"])
def test_metrics_of_other_libraries_are_told_what_a_metric_is(library):
    names = ", ".join(map(repr, lamina.metrics.names()))
    for given in (of_library(library), [of_library(library)], {"area": of_library(library)}):
        with pytest.raises(TypeError, match=rf"^metrics must be of {names}, or callables of .*; got AUC of {library}"):
            network().fit(X, Y, metrics=given, **OPTIONS)
    with pytest.raises(TypeError, match="got function_of_library of keras, which takes targets and predictions"):
        network().fit(X, Y, metrics=[function_of_library], **OPTIONS)


def test_metrics_of_the_registry_may_be_given_themselves():
    auc = lamina.metrics.get("auc")
    for given, name in ((auc, "auc"), ([auc], "auc"), ({"area": auc}, "area")):
        history = network().fit(X, Y, metrics=given, **OPTIONS)
        assert history.metrics == {name: network().fit(X, Y, metrics=["auc"], **OPTIONS).metrics["auc"]}


def test_names_of_numpys_are_plain_text():
    history = network().fit(X, Y, metrics=np.array(["auc"]), **OPTIONS)
    assert [type(name) for name in history.metrics] == [str]


def test_targets_by_step_have_no_metrics():
    net = lamina.Network([lamina.Recurrent(4, return_sequences=True), lamina.Dense(1)], n_inputs=2)
    S = RNG.normal(size=(60, 6, 2))
    with pytest.raises(ValueError, match="metrics need one target a sequence"):
        net.fit(S, S[:, :, :1], metrics=["mae"])


def test_an_epoch_that_diverged_has_no_metrics():
    net = network("squared_error", 1)
    with pytest.warns(lamina.DivergenceWarning):
        history = net.fit(X, 1e30 * X[:, 0], metrics=["mae"], epochs=3, optimizer=lamina.SGD(1e30))
    assert len(history.metrics["mae"]) == history.epochs
    assert math.isnan(history.metrics["mae"][-1])


def test_fits_side_by_side_have_metrics():
    options = {"metrics": ["auc"], **OPTIONS}
    found = lamina.cross_validate(network(), X, Y, k=3, **options)
    assert [len(history.metrics["auc"]) for history in found.histories] == [4] * 3
    assert found.refit().history.metrics == {}
    members = lamina.Ensemble(network(), members=2).fit(X, Y, **options)
    assert [list(history.metrics) for history in members.histories] == [["auc"]] * 2
    result = lamina.search(lambda l2: (network(), {"l2": l2}), {"l2": [0.0, 0.1]}, X, Y, validation=0.25, **options)
    assert result.refit().history.epochs == result.best["best_epoch"]


def test_the_progress_bar_shows_them(capsys):
    network().fit(X, Y, metrics=["auc"], verbose=1, **OPTIONS)
    assert "auc 0." in capsys.readouterr().err


# The history ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_history_as_a_frame_has_a_row_an_epoch(library):
    pytest.importorskip(library)
    history = network().fit(X, Y, metrics=["auc"], **OPTIONS)
    frame = history.to_frame(library)
    columns = list(frame.columns) if library != "pyarrow" else frame.column_names
    assert columns == ["epoch", "loss", "validation_loss", "learning_rate", "auc"]
    for name, curve in {"epoch": [1, 2, 3, 4], **history.curves()}.items():
        values = frame[name].to_pylist() if library == "pyarrow" else frame[name].to_list()
        assert values == curve
    with pytest.raises(ValueError, match="library must be one of 'pandas'"):
        history.to_frame("excel")


def test_a_history_without_validation_has_the_columns_that_there_are():
    pytest.importorskip("pandas")
    history = network().fit(X, Y, validation=None, early_stopping=None, **OPTIONS)
    assert list(history.to_frame()) == ["epoch", "loss", "learning_rate"]
    assert len(History().to_frame()) == 0


def test_a_history_of_before_metrics_is_read():
    history = network().fit(X, Y, metrics=["auc"], **OPTIONS)
    assert pickle.loads(pickle.dumps(history)).metrics == history.metrics
    older = History.__new__(History)
    older.__setstate__({"loss": [1.0], "best_epoch": 1})
    assert older.metrics == {}
    assert older.loss == [1.0]
    assert "History of 1 epoch" in repr(older)


# Begin and end -------------------------------------------------------------------------------------------------------


def test_a_callback_hears_of_begin_and_end():
    recorder = Recorder()
    net = network()
    history = net.fit(X, Y, callbacks=recorder, **HELD, **OPTIONS)
    told = [what for what, _ in recorder.told]
    assert told == ["begin", *["epoch"] * 4, "end"]
    begin, end = recorder.told[0][1], recorder.told[-1][1]
    assert isinstance(begin, FitRun)
    assert begin.network is net
    assert (begin.n_samples, begin.n_held_out) == (200, 50)
    assert begin.history.epochs == 0
    assert begin.options["epochs"] == 4
    assert end.history == history
    assert end.error is None
    assert isinstance(recorder.told[1][1], Epoch)


@pytest.mark.parametrize(("failing", "told"), [
    ("begin", ["a begin", "b begin", "a end"]),
    ("epoch", ["a begin", "b begin", "a epoch", "b epoch", "b end", "a end"]),
    ("end", ["a begin", "b begin", "a epoch", "b epoch", "b end", "a end"]),
])  # fmt: skip
def test_whoever_was_told_of_the_begin_is_told_of_the_end(failing, told):
    heard = []
    callbacks = [Recorder("a ", heard), Recorder("b ", heard, failing)]
    net = network()
    before = net.predict(X)
    with pytest.raises(LookupError, match=failing):
        net.fit(X, Y, callbacks=callbacks, epochs=1)
    assert [what for what, _ in heard] == told
    if failing == "begin":
        np.testing.assert_array_equal(net.predict(X), before)
        assert net.history is None
    if failing != "end":
        assert isinstance(heard[-1][1].error, LookupError)


def test_a_fit_that_is_refused_by_the_core_ends_too():
    recorder = Recorder()
    with pytest.raises(ValueError, match="resume"):
        network().fit(X, Y, optimizer=lamina.LBFGS(), resume=True, callbacks=recorder)
    assert [what for what, _ in recorder.told] == ["begin", "end"]
    assert recorder.told[-1][1].history.epochs == 0


def test_the_weights_at_the_end_are_those_that_the_fit_leaves():
    predicted = []

    class Last:
        def __call__(self, epoch):
            """Nothing between epochs."""

        def on_end(self, run):
            predicted.append(run.network.predict(X))

    net = network()
    net.fit(X, Y, callbacks=Last(), epochs=60, optimizer=lamina.Adam(0.1))
    assert net.history.best_epoch < net.history.epochs
    np.testing.assert_array_equal(net.predict(X), predicted[0])


# Tables of comma-separated values ------------------------------------------------------------------------------------


def test_csv_has_what_the_history_has(tmp_path):
    path = tmp_path / "log.csv"
    history = network().fit(X, Y, metrics=["auc", {"a": share}["a"]], callbacks=CSVLogger(path), **OPTIONS)
    header, *rows = rows_of(path)
    assert header == ["epoch", *history.curves(), "seconds"]
    assert [int(row[0]) for row in rows] == [1, 2, 3, 4]
    for name, curve in history.curves().items():
        assert [float(row[header.index(name)]) for row in rows] == curve


def test_csv_can_be_read_after_every_epoch(tmp_path):
    path = tmp_path / "log.csv"
    lengths = []
    network().fit(X, Y, callbacks=[CSVLogger(path), lambda epoch: lengths.append(len(rows_of(path)))], **OPTIONS)
    assert lengths == [2, 3, 4, 5]


def test_csv_is_begun_anew_or_gone_on_with(tmp_path):
    path = tmp_path / "log.csv"
    net = network()
    for append, rows in [(True, 5), (True, 9), (False, 5)]:
        net.fit(X, Y, callbacks=CSVLogger(path, append=append), **OPTIONS)
        assert len(rows_of(path)) == rows
        assert [row[0] for row in rows_of(path)].count("epoch") == 1


def test_csv_that_was_cut_is_gone_on_with(tmp_path):
    path = tmp_path / "log.csv"
    whole = tmp_path / "whole.csv"
    network().fit(X, Y, callbacks=CSVLogger(whole), **OPTIONS)
    text = whole.read_bytes()
    header = text.index(b"\n") + 1
    for cut in [*range(0, len(text), 7), len(text)]:
        path.write_bytes(text[:cut])
        if 0 < cut < header:  # no table yet: it cannot be told from something else
            with pytest.raises(ValueError, match="holds something else"):
                network().fit(X, Y, callbacks=CSVLogger(path, append=True), **OPTIONS)
            assert path.read_bytes() == text[:cut]
            continue
        network().fit(X, Y, callbacks=CSVLogger(path, append=True), **OPTIONS)
        rows = rows_of(path)
        assert all(len(row) == len(rows[0]) for row in rows)
        assert len(rows) == max(1, text[:cut].count(b"\n")) + 4


def test_csv_replaces_the_epochs_that_a_resumed_run_trains_again(tmp_path):
    path = tmp_path / "log.csv"
    logger = CSVLogger(path, append=True)
    network().fit(X, Y, callbacks=logger, **OPTIONS)
    before = path.read_text().splitlines()

    class Later:
        """An epoch of a run that goes on after the second one."""

        epoch, seconds = 3, 1.0

        def values(self):
            return {"loss": 0.25, "validation_loss": 0.5, "learning_rate": 1.0}

    run = FitRun(network(), {}, len(X), 0)
    logger.on_begin(run)
    logger(Later())
    logger.on_end(run)
    assert path.read_text().splitlines() == [*before[:3], "3,0.25,0.5,1.0,1.0"]


def test_csv_keeps_the_fits_before_one_that_begins_as_they_did(tmp_path):
    path = tmp_path / "log.csv"
    for name, epochs in (("a", 6), ("b", 2), ("c", 2)):
        hooks = [CSVLogger(path, append=True), lamina.callbacks.Checkpoint(tmp_path / name)]
        network().fit(X, Y, **OPTIONS | {"epochs": epochs, "callbacks": hooks, "resume_from": tmp_path / name})
    assert [line.partition(",")[0] for line in path.read_text().splitlines()] == ["epoch", *"123456", *"12", *"12"]


def test_csv_has_an_epoch_once_where_its_fit_was_broken_off_before_the_first_checkpoint(tmp_path):
    path = tmp_path / "log.csv"

    def stop(epoch):
        raise KeyError

    for last in (stop, lambda epoch: None):
        hooks = [CSVLogger(path, append=True), last, lamina.callbacks.Checkpoint(tmp_path / "kept")]
        try:
            network().fit(X, Y, **OPTIONS | {"epochs": 2, "callbacks": hooks, "resume_from": tmp_path / "kept"})
        except KeyError:
            (tmp_path / "kept").unlink(missing_ok=True)
    assert [line.partition(",")[0] for line in path.read_text().splitlines()] == ["epoch", "1", "2"]


def test_csv_of_other_columns_is_left_alone(tmp_path):
    path = tmp_path / "log.csv"
    network().fit(X, Y, callbacks=CSVLogger(path), **OPTIONS)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"has the columns epoch, loss, .* give another path"):
        network().fit(X, Y, metrics=["auc"], callbacks=CSVLogger(path, append=True), **OPTIONS)
    assert path.read_bytes() == before


@pytest.mark.parametrize("append", [True, False])
def test_csv_that_cannot_be_written_ends_the_fit_before_it_begins(tmp_path, append):
    net = network()
    with pytest.raises(OSError, match="missing"):
        net.fit(X, Y, callbacks=CSVLogger(tmp_path / "missing" / "log.csv", append), **OPTIONS)
    assert net.history is None


def test_csv_stays_when_the_fit_is_refused(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("mine\n")
    with pytest.raises(ValueError, match="resume"):
        network().fit(X, Y, optimizer=lamina.LBFGS(), resume=True, callbacks=CSVLogger(path))
    assert path.read_text() == "mine\n"


KILLED = """
import numpy as np, lamina
X = np.random.default_rng(0).normal(size=(50, 4))
net = lamina.Network([lamina.Dense(4), lamina.Dense(1)], n_inputs=4)
net.fit(X, X[:, 0], epochs=10**9, early_stopping=None, callbacks=lamina.callbacks.CSVLogger(PATH))
"""


def test_csv_of_a_killed_process_is_whole(tmp_path):
    path = tmp_path / "log.csv"
    process = subprocess.Popen([sys.executable, "-c", KILLED.replace("PATH", repr(str(path)))])
    try:
        deadline = time.time() + 60
        while time.time() < deadline and not (path.exists() and path.stat().st_size > 10_000):
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    header, *rows = rows_of(path)
    assert len(rows) > 10
    assert [int(row[0]) for row in rows[:-1]] == list(range(1, len(rows)))
    assert {len(row) for row in rows} == {len(header)}


# One at a time -------------------------------------------------------------------------------------------------------


def test_a_logger_refuses_a_second_fit_beside_the_first(tmp_path):
    logger = CSVLogger(tmp_path / "log.csv")
    with pytest.raises(ValueError, match=r"CSVLogger\(.* writes of one fit at a time"):
        network().fit(X, Y, callbacks=[logger, lambda epoch: network().fit(X, Y, callbacks=logger)], **OPTIONS)
    network().fit(X, Y, callbacks=logger, **OPTIONS)
    again = pickle.loads(pickle.dumps(logger))
    assert repr(again) == repr(logger)


def test_an_estimator_hands_its_callbacks_on(tmp_path):
    pytest.importorskip("sklearn")
    from sklearn.base import clone

    path = tmp_path / "log.csv"
    estimator = lamina.MLPClassifier((4,), max_iter=3, callbacks=[CSVLogger(path)], tol=0, random_state=0)
    with pytest.warns(Warning, match="Maximum iterations"):
        clone(estimator).fit(X, Y)
    assert len(rows_of(path)) == 4


# TensorBoard ---------------------------------------------------------------------------------------------------------


def events(folder):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0, "histograms": 0})
    found.Reload()
    return found


def test_tensorboard_reads_what_the_history_has(tmp_path):
    folder = tmp_path / "logs" / "one"
    pytest.importorskip("tensorboard")
    net = network()
    history = net.fit(X, Y, metrics=["auc"], callbacks=TensorBoard(folder, histogram_freq=2), **OPTIONS)
    found = events(folder)
    assert sorted(found.Tags()["scalars"]) == sorted(history.curves())
    for name, curve in history.curves().items():
        assert [event.step for event in found.Scalars(name)] == [1, 2, 3, 4]
        assert [event.value for event in found.Scalars(name)] == pytest.approx(curve, rel=1e-6)
    assert sorted(found.Tags()["histograms"]) == sorted(net.parameters)
    for name, array in net.parameters.items():
        assert [event.step for event in found.Histograms(name)] == [2, 4]
        told = found.Histograms(name)[-1].histogram_value
        assert told.num == array.size == sum(told.bucket)
        assert history.best_epoch == 4
        assert (told.min, told.max) == pytest.approx((array.min(), array.max()))


@pytest.mark.parametrize("odd", [[1.0, np.nextafter(1.0, 2)], [1.0, np.nan], [np.inf, 1.0, 2.0], [1e200, -1e200]])
def test_tensorboard_takes_any_weights(odd, tmp_path):
    """As those of a fit that diverges: it ends as such, and not in an error of the histogram's."""
    pytest.importorskip("tensorboard")
    net = lamina.Network([lamina.Dense(1)], n_inputs=len(odd), dtype="float64")

    def strange(epoch):
        net.parameters["0.weight"][:, 0] = odd

    logger = TensorBoard(tmp_path, histogram_freq=1)
    net.fit(np.ones((40, len(odd))), np.ones(40), epochs=1, validation=None, callbacks=[strange, logger])
    told = events(tmp_path).Histograms("0.weight")[-1].histogram_value
    assert told.num == len(odd) == sum(told.bucket)


def test_tensorboard_needs_neither_tensorflow_nor_torch(tmp_path):
    pytest.importorskip("tensorboard")
    code = (
        "import sys, numpy as np, lamina\n"
        "net = lamina.Network([lamina.Dense(1)], n_inputs=2)\n"
        f"net.fit(np.ones((40, 2)), np.ones(40), epochs=1, callbacks=lamina.callbacks.TensorBoard({str(tmp_path)!r}))\n"
        "assert not {'tensorflow', 'torch', 'pandas', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_tensorboard_is_closed_after_ctrl_c(tmp_path):
    pytest.importorskip("tensorboard")
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread")
    network().fit(X, Y, callbacks=TensorBoard(tmp_path / "first"), **OPTIONS)  # importing it takes a while
    logger = TensorBoard(tmp_path / "second")
    net = network()
    before = threading.active_count()
    must_end_within(lambda: net.fit(X, Y, epochs=10**6, early_stopping=None, callbacks=logger))
    assert threading.active_count() == before  # the one that writes has ended
    assert net.history.stop_reason == "interrupted"
    written = len(events(tmp_path / "second").Scalars("loss"))
    assert written in (net.history.epochs, net.history.epochs - 1)
    net.fit(X, Y, callbacks=logger, **OPTIONS)


@pytest.mark.parametrize(
    ("logger", "module", "package"), [
        (TensorBoard("logs"), "tensorboard", "tensorboard"),
        (MLflow(), "mlflow", "mlflow-skinny"),
    ],
)  # fmt: skip
def test_what_is_not_installed_is_named_before_training(monkeypatch, logger, module, package):
    for name in (module, f"{module}.compat.proto.event_pb2", f"{module}.summary.writer.record_writer"):
        monkeypatch.setitem(sys.modules, name, None)
    net = network()
    with pytest.raises(ImportError, match=f'install with: pip install "{package}'):
        net.fit(X, Y, callbacks=logger, **OPTIONS)
    assert net.history is None


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: CSVLogger(3), TypeError, "path must be a path"),
        (lambda: CSVLogger("a", append="yes"), TypeError, "append"),
        (lambda: TensorBoard(""), ValueError, "log_dir must not be empty"),
        (lambda: TensorBoard("a", histogram_freq=-1), ValueError, "histogram_freq"),
        (lambda: MLflow(experiment=3), TypeError, "experiment must be a string or None; got 3"),
        (lambda: MLflow(log_model="yes"), TypeError, "log_model"),
    ],
)
def test_wrong_settings_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


# MLflow --------------------------------------------------------------------------------------------------------------

# What MLflow makes its database's library warn of.
THIRD_PARTY = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:::sqlalchemy"),
]


def with_marks(test):
    for mark in THIRD_PARTY:
        test = mark(test)
    return test


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store of MLflow's in a database: folders of files are no longer taken by it."""
    pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    folder = tmp_path_factory.mktemp("mlflow")
    return f"sqlite:///{folder / 'runs.db'}", folder


@with_marks
def test_mlflow_has_options_metrics_and_the_model(store, tmp_path, monkeypatch):
    import mlflow

    uri, folder = store
    monkeypatch.chdir(folder)
    logger = MLflow("digits", "first", uri)
    net = network()
    history = net.fit(X, Y, l2=1e-3, metrics={"a (b)": share}, callbacks=logger, **OPTIONS)
    client = mlflow.MlflowClient(uri)
    run = client.get_run(logger.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "first"
    assert client.get_experiment(run.info.experiment_id).name == "digits"
    params = run.data.params
    assert params["l2"] == "0.001"
    assert params["loss"] == "cross_entropy"
    assert params["layers"].startswith("lamina.Dense(units=8, activation='tanh'")
    assert params["optimizer"].startswith("lamina.Adam(lr=0.01")
    assert run.data.tags["stop_reason"] == history.stop_reason
    for name, curve in {**history.curves(), "a _b_": history.metrics["a (b)"]}.items():
        if name != "a (b)":
            logged = client.get_metric_history(logger.run_id, name)
            assert [entry.step for entry in logged] == [1, 2, 3, 4]
            assert [entry.value for entry in logged] == curve
    assert sorted(entry.path for entry in client.list_artifacts(logger.run_id)) == [
        *("architecture.json", "model.lamina", "summary.txt")
    ]
    model = lamina.load(client.download_artifacts(logger.run_id, "model.lamina", str(tmp_path)))
    np.testing.assert_array_equal(model.predict(X), net.predict(X))
    told = Path(client.download_artifacts(logger.run_id, "architecture.json", str(tmp_path))).read_text()
    assert json.loads(told) == net.architecture()


@with_marks
def test_mlflow_tells_how_a_fit_ended(store, monkeypatch):
    import mlflow

    uri, folder = store
    monkeypatch.chdir(folder)
    client = mlflow.MlflowClient(uri)
    for error, status in [(KeyboardInterrupt, "KILLED"), (LookupError, "FAILED")]:

        def fail(epoch, error=error):
            raise error

        logger = MLflow(tracking_uri=uri, log_model=False)
        with pytest.raises(error):
            network().fit(X, Y, callbacks=[logger, fail], **OPTIONS)
        assert client.get_run(logger.run_id).info.status == status
        assert "model.lamina" not in [entry.path for entry in client.list_artifacts(logger.run_id)]


@with_marks
def test_mlflow_writes_to_the_run_that_is_active(store, monkeypatch):
    import mlflow

    uri, folder = store
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    try:
        logger = MLflow()
        with mlflow.start_run() as active:
            network().fit(X, Y, callbacks=logger, **OPTIONS)
            assert logger.run_id == active.info.run_id
            assert mlflow.active_run() is not None
        network().fit(X, Y, callbacks=logger, **OPTIONS)
        assert logger.run_id != active.info.run_id
        assert mlflow.active_run() is None
        assert mlflow.get_run(logger.run_id).info.status == "FINISHED"
    finally:
        mlflow.set_tracking_uri(before)


# Estimators -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_estimators_have_metrics_of_their_validation_set(kind):
    pytest.importorskip("sklearn")
    name = "auc" if kind == "MLPClassifier" else "mae"
    options = {"metrics": [name], "random_state": 0, "max_iter": 5, "early_stopping": True, "warm_start": True}
    estimator = getattr(lamina, kind)((4,), **options)
    for fits in (1, 2):
        with pytest.warns(Warning, match="Maximum iterations"):
            estimator.fit(X, Y)
        assert len(estimator.metric_curves_[name]) == 5 * fits
        if fits == 1:  # a further fit that does not improve puts the network back
            assert estimator.metric_curves_[name] == estimator.network_.history.metrics[name]
    before = {name: list(curve) for name, curve in estimator.metric_curves_.items()}

    def fail(epoch):
        raise LookupError

    estimator.set_params(callbacks=fail)
    with pytest.raises(LookupError):
        estimator.fit(X, Y)
    assert estimator.metric_curves_ == before
    estimator.set_params(callbacks=None, warm_start=False, early_stopping=False)
    with pytest.raises(ValueError, match="metrics need a validation set"):
        estimator.fit(X, Y)
    with pytest.warns(Warning, match="Maximum iterations"):
        estimator.fit(X[:150], Y[:150], X_val=X[150:], y_val=Y[150:])
    expected = estimator.network_.evaluate(X[150:], Y[150:] if kind == "MLPRegressor" else Y[150:, None], metric=name)
    assert estimator.metric_curves_[name][-1] == pytest.approx(expected, rel=1e-6)
    with pytest.raises(TypeError, match=r"metrics of MLP\w+ must be None or a list of .*; got \['f1'\]"):
        estimator.set_params(metrics=["f1"]).fit(X, Y, X_val=X, y_val=Y)


def test_a_cut_log_is_mended_where_the_fit_began(tmp_path, monkeypatch):
    """Also where the program is in another folder by the first epoch."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    X = np.random.default_rng(0).normal(size=(20, 2))
    net = lamina.Network([lamina.Dense(1)], n_inputs=2)
    net.fit(X, X[:, 0], epochs=2, callbacks=[lamina.callbacks.CSVLogger("log.csv")])
    log = tmp_path / "log.csv"
    whole = log.read_bytes()
    log.write_bytes(whole + b"3,0.")
    leaves = [
        lambda epoch: monkeypatch.chdir(tmp_path / "elsewhere"),
        CSVLogger("log.csv", append=True),
    ]
    net.fit(X, X[:, 0], epochs=1, callbacks=leaves)
    lines = log.read_bytes().splitlines(keepends=True)
    assert b"".join(lines[:-1]) == whole
    assert not any((tmp_path / "elsewhere").iterdir())
