"""Bad input meets an error that names the argument, what came and what was wanted; the network stays as it was."""

import os
import re
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

import lamina

TEXT = {"capture_output": True, "encoding": "utf-8", "check": False}
ROWS = 24
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, 4))
Y = RNG.integers(3, size=ROWS)
LAYERS = [lamina.Dense(5, "relu"), lamina.Dense(3)]


def network(loss="cross_entropy", **options):
    return lamina.Network(LAYERS, n_inputs=4, loss=loss, **{"dtype": "float64", "seed": 0, **options})


def with_value(array, value):
    changed = array.astype(object if isinstance(value, str) else float)
    changed.flat[7] = value
    return changed


# What is given to fit in place of good data, and what the message must contain.
BAD_FIT = {
    "features": ({"X": X[:, :3]}, r"X.*3.*4|X.*4.*3"),
    "one-dimensional X": ({"X": X[:, 0]}, "X"),
    "three-dimensional X": ({"X": X[:, :, None]}, "X"),
    "lengths differ": ({"y": Y[:-1]}, "23.*24|24.*23"),
    "empty": ({"X": X[:0], "y": Y[:0]}, "X|row"),
    "no columns": ({"X": X[:, :0]}, "X"),
    "NaN in X": ({"X": with_value(X, np.nan)}, "X.*(NaN|nan|finite)"),
    "inf in X": ({"X": with_value(X, np.inf)}, "X.*([Ii]nf|finite)"),
    "text in X": ({"X": with_value(X, "seven")}, "X"),
    "complex X": ({"X": X + 1j}, "X.*complex"),
    "None as X": ({"X": None}, "X"),
    "NaN in y": ({"y": with_value(Y, np.nan)}, "y"),
    "label too large": ({"y": np.where(Y == 2, 3, Y)}, "y.*3"),
    "label negative": ({"y": np.where(Y == 2, -1, Y)}, "y.*-1"),
    "label fractional": ({"y": Y + 0.5}, "y"),
    "too many columns in y": ({"y": np.eye(4)[Y]}, "y.*4.*3|y.*3.*4"),
    "text labels": ({"y": np.array(list("abc"))[Y]}, "y"),
    "weight negative": ({"sample_weight": -np.ones(ROWS)}, "sample_weight.*negative|sample_weight.*-1"),
    "weights all zero": ({"sample_weight": np.zeros(ROWS)}, "sample_weight"),
    "weight NaN": ({"sample_weight": with_value(np.ones(ROWS), np.nan)}, "sample_weight"),
    "weights too few": ({"sample_weight": np.ones(ROWS - 1)}, "sample_weight.*(23|24)"),
    "weights in two dimensions": ({"sample_weight": np.ones((ROWS, 2))}, "sample_weight"),
    "no epochs": ({"epochs": 0}, "epochs.*0"),
    "negative epochs": ({"epochs": -3}, "epochs.*-3"),
    "fractional epochs": ({"epochs": 2.5}, "epochs.*2.5"),
    "batch of none": ({"batch_size": 0}, "batch_size.*0"),
    "negative batch": ({"batch_size": -8}, "batch_size.*-8"),
    "text batch": ({"batch_size": "all"}, "batch_size.*all"),
    "validation 0": ({"validation": 0.0}, "validation.*0"),
    "validation 1": ({"validation": 1.0}, "validation.*1"),
    "validation negative": ({"validation": -0.2}, "validation.*-0.2"),
    "validation with other features": ({"validation": (X[:, :2], Y)}, "validation|X_val"),
    "validation with other length": ({"validation": (X, Y[:3])}, "validation|y_val"),
    "optimizer unknown": ({"optimizer": "adamm"}, "optimizer.*(Adam|adam)"),
    "optimizer of another type": ({"optimizer": 3}, "optimizer"),
    "l1 negative": ({"l1": -1e-3}, "l1.*-0.001"),
    "l2 NaN": ({"l2": np.nan}, "l2"),
    "threads": ({"n_threads": -1}, "n_threads.*-1"),
    "callback not callable": ({"callbacks": [3]}, "callback"),
    "callbacks a number": ({"callbacks": 5}, "callbacks.*5"),
    "endless epochs": ({"epochs": 10**30}, "epochs must be at most"),
    "endless batch": ({"batch_size": 10**30}, "batch_size must be at most"),
    "schedule that gives text": ({"schedule": lambda progress: "a"}, "schedule must give a number.*'a'"),
    "plateau for a solver": (
        {"optimizer": "LBFGS", "schedule": lamina.schedules.ReduceOnPlateau()},
        "LBFGS finds its own steps: schedule",
    ),
}
BAD_DATA = [name for name, (given, _) in BAD_FIT.items() if set(given) & {"X", "y", "sample_weight"}]


@pytest.mark.parametrize("case", BAD_FIT)
def test_fit(case):
    given, message = BAD_FIT[case]
    net = network()
    before = {name: w.copy() for name, w in net.parameters.items()}
    arguments = {"X": X, "y": Y, "epochs": 2, **given}
    x, y = arguments.pop("X"), arguments.pop("y")
    with pytest.raises((ValueError, TypeError)) as error:
        net.fit(x, y, **arguments)
    assert re.search(message, str(error.value), re.DOTALL), f"{case}: {error.value}"
    for name, w in net.parameters.items():
        np.testing.assert_array_equal(w, before[name], err_msg=name)
    net.fit(X, Y, epochs=1)


@pytest.mark.parametrize("case", BAD_DATA)
@pytest.mark.parametrize("method", ["evaluate", "loss_and_gradients"])
def test_other_methods_check_alike(method, case):
    given, message = BAD_FIT[case]
    arguments = {"X": X, "y": Y, **given}
    x, y = arguments.pop("X"), arguments.pop("y")
    with pytest.raises((ValueError, TypeError)) as error:
        getattr(network(), method)(x, y, **arguments)
    assert re.search(message, str(error.value), re.DOTALL), f"{case}: {error.value}"


@pytest.mark.parametrize("case", [name for name in BAD_DATA if set(BAD_FIT[name][0]) == {"X"}])
@pytest.mark.parametrize("method", ["predict", "forward"])
def test_prediction_checks_its_input(method, case):
    given, message = BAD_FIT[case]
    with pytest.raises((ValueError, TypeError)) as error:
        getattr(network(), method)(given["X"])
    assert re.search(message, str(error.value), re.DOTALL), f"{case}: {error.value}"


class Derived(np.ndarray):
    """What some libraries make of their arrays."""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", ["predict", "forward"])
def test_prediction_takes_derived_arrays_and_no_mask(method, dtype, tmp_path):
    net = network(dtype=dtype)
    x = X.astype(dtype)
    mapped = np.memmap(tmp_path / "x", dtype, "w+", shape=x.shape)
    mapped[:] = x
    whole = np.ma.array(x, mask=np.zeros(x.shape, bool))
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix(x)
    outputs = getattr(net, method)(x)
    for derived in (mapped, whole, matrix, x.view(Derived)):
        got = getattr(net, method)(derived)
        assert type(got) is np.ndarray
        np.testing.assert_array_equal(got, outputs)
    hidden = whole.copy()
    hidden[3, 1] = np.ma.masked
    for masked in (hidden, list(hidden)):
        with pytest.raises(ValueError, match="X must have no masked entries"):
            getattr(net, method)(masked)


MASKED = np.ma.array(np.arange(ROWS) % 3, mask=np.arange(ROWS) == 7)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: network().evaluate(X, MASKED), "y"),
        (lambda: network().evaluate(X, Y, sample_weight=MASKED), "sample_weight"),
        (lambda: lamina.cross_validate(network(), X, Y, groups=MASKED), "groups"),
        (lambda: lamina.split(X, Y, groups=MASKED), "groups"),
        (lambda: lamina.compare(X, MASKED), "y"),
        (lambda: lamina.pad([np.zeros((3, 1)), MASKED[:, None]]), r"sequences\[1\]"),
        (lambda: lamina.CascadeNetwork(4).fit(X, MASKED), "y"),
    ],
)
def test_a_mask_is_nowhere_lost(call, name):
    with pytest.raises(ValueError, match=f"{name} must have no masked entries"):
        call()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lamina.Dense(0), "units.*0"),
        (lambda: lamina.Dense(-4), "units.*-4"),
        (lambda: lamina.Dense(2.5), "units.*2.5"),
        (lambda: lamina.Dense(3, "rellu"), "relu"),
        (lambda: lamina.Dense(3, initializer="he_norml"), "he_normal"),
        (lambda: lamina.Dropout(1.0), "1"),
        (lambda: lamina.Dropout(-0.1), "-0.1"),
        (lambda: lamina.Network([], n_inputs=4, loss="squared_error"), "layers"),
        (lambda: lamina.Network(["dense"], n_inputs=4, loss="squared_error"), "layers"),
        (lambda: lamina.Network(LAYERS, n_inputs=0, loss="squared_error"), "n_inputs.*0"),
        (lambda: lamina.Network(LAYERS, n_inputs=-1, loss="squared_error"), "n_inputs.*-1"),
        (lambda: network("cross_entrpy"), "cross_entropy"),
        (lambda: network(dtype="float16"), "dtype.*float16"),
        (lambda: network(seed=-1), "seed.*-1"),
        (lambda: lamina.activations.get("gleu"), "gelu"),
        (lambda: lamina.activations.get("elu", alhpa=1), "alpha"),
        (lambda: lamina.activations.get("isru", alpha=-1.0), "alpha.*-1"),
        (lambda: lamina.losses.get("huberr"), "huber"),
        (lambda: lamina.losses.get("huber", delta=0), "delta.*0"),
        (lambda: lamina.losses.get("quantile", q=1.5), "q.*1.5"),
        (lambda: lamina.Adam(0.0), "lr.*0"),
        (lambda: lamina.Adam(-1e-3), "lr.*-0.001"),
        (lambda: lamina.SGD(float("nan")), "lr.*nan"),
        (lambda: lamina.SGD(0.1, momentum=1.0), "momentum.*1"),
        (lambda: lamina.Adam(beta1=1.0), "beta1.*1"),
        (lambda: lamina.Adam(epsilon=-1e-8), "epsilon"),
        (lambda: lamina.EarlyStopping(patience=-1), "patience.*-1"),
        (lambda: lamina.EarlyStopping(monitor="accuraci"), "monitor.*accuraci"),
        (lambda: lamina.set_num_threads(-2), "-2"),
    ],
)
def test_construction(make, message):
    with pytest.raises((ValueError, TypeError)) as error:
        make()
    assert re.search(message, str(error.value), re.DOTALL), str(error.value)


@pytest.mark.parametrize("value", ["tanh", None, np.array(["a"], dtype=object), np.array([1j])])
def test_activation_of_no_number(value):
    with pytest.raises((ValueError, TypeError)):
        lamina.activations.get("tanh")(value)


def test_one_row_can_train_but_leaves_nothing_to_validate():
    net = network()
    with pytest.raises(ValueError, match="validation"):
        net.fit(X[:1], Y[:1], validation=0.1, epochs=1)
    history = net.fit(X[:1], Y[:1], validation=None, early_stopping=None, epochs=1)
    assert len(history.loss) == 1


def test_one_row_of_batch_norm_in_training():
    net = lamina.Network([lamina.Dense(4), lamina.BatchNorm(), lamina.Dense(3)], n_inputs=4, loss="cross_entropy")
    with pytest.raises(ValueError, match=r"[Bb]atch.?[Nn]orm|one row"):
        net.fit(X[:1], Y[:1], validation=None, early_stopping=None, epochs=1)


def test_poisson_counts_are_not_negative():
    with pytest.raises(ValueError, match="y"):
        network("poisson").fit(X, -np.ones((ROWS, 3)), epochs=1)


def test_early_stopping_without_validation_watches_the_training_loss():
    history = network().fit(X, Y, validation=None, early_stopping=lamina.EarlyStopping(2, min_delta=10.0), epochs=9)
    assert len(history.loss) == 3
    assert not history.validation_loss


def test_parameters_of_another_shape():
    net = network()
    with pytest.raises((ValueError, TypeError)):
        net.parameters["0.weight"][...] = np.zeros((9, 9))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sizes_beyond_all_memory(dtype):
    with pytest.raises(MemoryError):
        lamina.Network([lamina.Dense(2**31 - 1, use_bias=False)], n_inputs=2**31 - 1, loss="squared_error", dtype=dtype)
    with pytest.raises(ValueError, match=rf"n_inputs must be at most {2**31 - 1}; got {2**40}"):
        lamina.Network([lamina.Dense(3)], n_inputs=2**40, loss="squared_error", dtype=dtype)
    with pytest.raises(ValueError, match=rf"units of layers\[1\] must be at most .*; got {2**40}"):
        lamina.Network([lamina.Dense(3), lamina.Dense(2**40)], n_inputs=3, loss="squared_error", dtype=dtype)


@pytest.mark.parametrize("threads", [1, 3])
def test_prediction_names_the_first_of_many_bad_rows(threads):
    x = np.tile(X.astype("float32"), (2000, 1))  # several chunks and threads, each with something to find
    bad = {len(x) - 1: np.nan, len(x) // 2: np.inf, 4321: np.nan}
    for row, value in bad.items():
        x[row, 2] = value
    net = lamina.Network([lamina.Dense(64, "relu"), lamina.Dense(3)], n_inputs=4)
    for predict in net.predict, net.forward:
        with pytest.raises(ValueError, match=r"X must be finite; got NaN in row 4321, column 2"):
            predict(x, n_threads=threads)
    x[list(bad), 2] = 0
    assert np.isfinite(net.predict(x, n_threads=threads)).all()


@pytest.mark.parametrize("method", ["predict", "fit", "evaluate"])
def test_finite_numbers_beyond_float32_are_not_called_infinite(method):
    net = network(dtype="float32")
    arguments = () if method == "predict" else (Y,)
    wanted = r"X must be within float32's range, up to 3.4e\+38; use dtype='float64'; got 1e\+200 in row 1, column 3"
    with pytest.raises(ValueError, match=wanted):
        getattr(net, method)(with_value(X, 1e200), *arguments)
    with pytest.raises(ValueError, match="X must be finite; got infinity in row 1, column 3"):
        getattr(net, method)(with_value(X, -np.inf), *arguments)


def test_targets_weights_and_sequences_beyond_float32():
    net = network("squared_error", dtype="float32")
    y = RNG.normal(size=(ROWS, 3))
    with pytest.raises(ValueError, match=r"y must be within float32's range, .*; got 1e\+200 in row 2, column 1"):
        net.fit(X, with_value(y, 1e200))
    with pytest.raises(ValueError, match=r"sample_weight must be within float32's range, .*; got 1e\+200 in row 7"):
        net.fit(X, y, sample_weight=with_value(np.ones(ROWS), 1e200))
    net = lamina.Network([lamina.Recurrent(3)], 2)
    with pytest.raises(ValueError, match=r"X must be within float32's range, .*; got 1e\+200 in sample 1, step 1"):
        net.predict(with_value(X.reshape(ROWS, 2, 2), 1e200))


def test_steps_and_states_beyond_float32():
    net = lamina.Network([lamina.Recurrent(3)], 4)
    for x in (X[:2] * 1e200, X[0] * 1e200):
        with pytest.raises(ValueError, match=r"x must be within float32's range, .* in row 0, column 0"):
            net.step(x)
    with pytest.raises(ValueError, match="x must be finite; got infinity"):
        net.step(np.full(4, np.inf))
    with pytest.raises(ValueError, match=r"state must be within float32's range, .* in row 0, column 1"):
        net.state = [np.array([[0.0, 1e200, 0.0]])]


@pytest.mark.parametrize(("dtype", "size"), [("float32", 1e-200), ("float32", 1e-40), ("float64", 1e-310)])
def test_weights_too_small_to_divide_by(dtype, size):
    net, weight = network(dtype=dtype), np.full(ROWS, size)
    wanted = f"sample_weight is too small for {dtype}: the largest must be at least .*only their ratios count"
    for refused in (net.fit, net.evaluate, lamina.CascadeNetwork(4, 3, dtype=dtype).fit):
        with pytest.raises(ValueError, match=wanted):
            refused(X, Y, sample_weight=weight)
    least = float(np.finfo(dtype).tiny)
    with pytest.raises(ValueError, match="sample_weight times class_weight is too small"):
        net.fit(X, Y, sample_weight=np.full(ROWS, least * 10), class_weight=dict.fromkeys(range(3), 0.01))
    one, other = (network(dtype=dtype) for _ in range(2))
    one.fit(X, Y, sample_weight=np.full(ROWS, least), epochs=2)
    other.fit(X, Y, epochs=2)
    np.testing.assert_allclose(one.predict(X), other.predict(X), rtol=1e-5)


def test_validation_samples_in_a_list():
    one, other = network(), network()
    one.fit(X, Y, validation=[X[:9], Y[:9]], epochs=3)
    other.fit(X, Y, validation=(X[:9], Y[:9]), epochs=3)
    assert one.history == other.history
    grown, again = (lamina.CascadeNetwork(4, 3, max_units=1) for _ in range(2))
    assert grown.fit(X, Y, validation=[X[:9], Y[:9]]) == again.fit(X, Y, validation=(X[:9], Y[:9]))
    for net in one, grown:
        with pytest.raises(ValueError, match=r"validation must be a fraction or \(X, y\); got a list of 1"):
            net.fit(X, Y, validation=[X])
    options = {"n_trials": 1, "epochs": 2, "n_jobs": 1}
    found, wanted = (
        lamina.search(lambda seed: network(seed=seed), {"seed": [1]}, X, Y, validation=kind([X[:9], Y[:9]]), **options)
        for kind in (list, tuple)
    )
    assert found.best_score == wanted.best_score
    with pytest.raises(ValueError, match="a Split of each fold's rows; got a list of arrays"):
        lamina.cross_validate(network(), X, Y, k=2, validation=[X, Y], n_jobs=1)


@pytest.mark.parametrize("text", ["99999999999999999999", "9" * 5000, "0" * 5000 + "1"])
def test_any_number_of_threads_is_a_limit(text):
    code = "import lamina; print(lamina.get_num_threads())"
    run = subprocess.run([sys.executable, "-c", code], env=os.environ | {"LAMINA_NUM_THREADS": text}, **TEXT)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) == 1 if text.startswith("0") else int(run.stdout) >= 1
    lamina.set_num_threads(10**30)
    lamina.set_num_threads(0)
    with pytest.raises(ValueError, match="n_threads must be at least 1"):
        lamina.set_num_threads(-(10**30))


@pytest.mark.parametrize("text", ["0", "000", "-1", "two", "²", "1.5"])
def test_what_is_no_number_of_threads_is_refused(text):
    environment = os.environ | {"LAMINA_NUM_THREADS": text}
    run = subprocess.run([sys.executable, "-c", "import lamina"], env=environment, **TEXT)
    assert f"ImportError: LAMINA_NUM_THREADS must be a whole number of at least 1; got '{text}'" in run.stderr


def test_callbacks_of_growth_are_as_those_of_training():
    net, seen = lamina.CascadeNetwork(4, 3, max_units=1), []
    net.fit(X, Y, callbacks=seen.append)
    assert [stage.units for stage in seen] == [0, 1]
    net.fit(X, Y, callbacks=None)
    for given, message in ((3, "callbacks must be callables"), ([seen.append, 3], r"callbacks\[1\] must be callable")):
        with pytest.raises(TypeError, match=f"{message} with a CascadeStage; got 3"):
            net.fit(X, Y, callbacks=given)


BOOLEANS = {
    "normalize_inputs": [lambda **given: lamina.CascadeNetwork(4, **given)],  # a network's may be a name, too
    "normalize_targets": [lambda **given: network("squared_error", **given)],
    "latest": [lamina.EarlyStopping],
    "shuffle": [
        lambda **given: network().fit(X, Y, **given),
        lamina.Split,
        lambda **given: lamina.split(X, Y, **given),
        lambda **given: lamina.cross_validate(network(), X, Y, k=2, epochs=1, n_jobs=1, **given),
    ],
    "stratify": [
        lamina.Split,
        lambda **given: lamina.split(X, Y, **given),
        lambda **given: lamina.cross_validate(network(), X, Y, k=2, epochs=1, n_jobs=1, **given),
        lambda **given: lamina.compare(X, Y, k=2, epochs=1, learners={}, n_jobs=1, **given),
    ],
    "resume": [lambda **given: network().fit(X, Y, **given)],
    "penalty_per_batch": [lambda **given: network().fit(X, Y, **given)],
    "restore_best": [lamina.EarlyStopping],
    "training": [
        lambda **given: network().loss_and_gradients(X, Y, **given),
        lambda **given: network().input_gradient(X, Y, **given),
        lambda **given: lamina.check_gradients(network(), X, Y, **given),
    ],
}


@pytest.mark.parametrize(("name", "call"), [(name, call) for name, calls in BOOLEANS.items() for call in calls])
def test_booleans_are_true_or_false(name, call):
    for value in ("no", "", 0, 2.5, [True]):
        with pytest.raises(TypeError, match=f"{name} must be True or False; got "):
            call(**{name: value})
    call(**{name: np.bool_(False)})


@pytest.mark.parametrize(
    "call",
    [
        lambda seed: network(seed=seed),
        lambda seed: lamina.CascadeNetwork(4, 3, seed=seed),
        lambda seed: lamina.split(X, Y, seed=seed),
        lambda seed: lamina.cross_validate(network(), X, Y, k=2, seed=seed, epochs=1, n_jobs=1),
        lambda seed: lamina.cross_validate(network(), X, Y, k=[(range(9), range(9, 20))], seed=seed, epochs=1),
        lambda seed: lamina.compare(X, Y, k=2, seed=seed, epochs=1, n_jobs=1),
        *(
            lambda seed, how=how: lamina.search(
                lambda units: network(),
                {"units": lamina.space.integer(2, 4)},
                X,
                Y,
                n_trials=2,
                seed=seed,
                epochs=1,
                **how,
            )
            for how in ({"k": 2}, {"validation": 0.2}, {"k": 2, "method": "halving"}, {"k": 2, "sampler": "optuna"})
        ),
    ],
)
def test_a_seed_is_a_whole_number_of_64_bits(call):
    for value in ("a", 1.5, True, None):
        with pytest.raises(TypeError, match=rf"^seed must be a whole number; got {value!r}"):
            call(value)
    with pytest.raises(ValueError, match=r"^seed must be at least 0; got -1"):
        call(-1)
    with pytest.raises(ValueError, match=rf"^seed must be at most {2**64 - 1}; got {2**64}"):
        call(2**64)
    call(2**64 - 1)


@pytest.mark.parametrize(
    "call",
    [
        lambda **given: network().fit(X, Y, epochs=1, **given),
        lambda **given: lamina.CascadeNetwork(4, 3, max_units=0).fit(X, Y, **given),
        lambda **given: lamina.cross_validate(network(), X, Y, k=2, epochs=1, n_jobs=1, **given),
        lambda **given: lamina.Ensemble(network(), 2, n_jobs=1).fit(X, Y, epochs=1, **given),
        lambda **given: lamina.search(
            lambda seed: network(seed=seed), {"seed": [1, 2]}, X, Y, k=2, n_trials=1, epochs=1, n_jobs=1, **given
        ),
    ],
)
def test_verbose_is_a_whole_number(call):
    with pytest.raises(TypeError, match="verbose must be a whole number; got 'x'"):
        call(verbose="x")
    with pytest.raises(ValueError, match="verbose must be at least 0; got -1"):
        call(verbose=-1)
    call(verbose=False)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames(library):
    frame = pytest.importorskip(library).DataFrame(X.astype(np.float32), [*"abcd"] if library == "polars" else None)
    twice = frame.copy() if library == "pandas" else frame
    if library == "pandas":
        frame.columns, twice.columns = list("abcd"), list("aabb")
    np.testing.assert_array_equal(network().predict(twice), network().predict(X.astype(np.float32)))
    if library == "pandas":
        twice.isetitem(1, ["text"] * ROWS)
        with pytest.raises(TypeError, match="X must hold numbers; got text or objects in column a"):
            network().predict(twice)


def test_what_to_do_is_said():
    with pytest.raises(TypeError, match=r"classes, y = np.unique\(y, return_inverse=True\)"):
        network().fit(X, np.array(list("abc"))[Y])
    sequences = np.empty(3, object)
    sequences[:] = [X[:3], X[:5], X[:2]]
    for given in (sequences, list(sequences)):
        with pytest.raises((TypeError, ValueError), match=r"X, lengths = lamina.pad\(X\)"):
            lamina.Network([lamina.Recurrent(3)], 4).predict(given)
    with pytest.raises(ValueError, match=r"'softmax' is no activation: .* loss='cross_entropy'"):
        lamina.activations.get("softmax")
    for name, wanted in {
        "mse": "squared_error",
        "MAE": "absolute_error",
        "mean_squared_error": "squared_error",
    }.items():
        assert lamina.losses.get(name).name == wanted


def test_text_labels_are_met_with_a_hint():
    x, names = np.eye(4), np.array(["no", "yes", "no", "yes"])
    hint = r"dtype <U3; labels are 0, 1, .*classes, y = np.unique\(y, return_inverse=True\)"
    with pytest.raises(TypeError, match=hint):
        lamina.search(lambda: None, {"l2": [0.0]}, x, names)
    with pytest.raises(TypeError, match=f"^validation y must hold numbers; got {hint}"):
        network().fit(X, Y, validation=(x, names))
    for output in ("auto", "logistic"):
        with pytest.raises(TypeError, match=f"{hint}.*lamina.CascadeClassifier"):
            lamina.CascadeNetwork(4, 2, output=output).fit(x, names)


def test_tiny_data_warn_of_what_is_set_aside():
    x, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    net = lamina.Network([lamina.Dense(4, "tanh"), lamina.Dense(2)], 2, "cross_entropy")
    with pytest.warns(UserWarning, match=r"2 of the 4 samples aside.* validation=None .*lamina.LBFGS\(\)"):
        net.fit(x, y, epochs=1)
    net.fit(x, y, validation=None, optimizer=lamina.LBFGS())  # as it says
    assert (net.predict(x).argmax(axis=1) == y).all()


@pytest.mark.parametrize("form", [np.asfortranarray, lambda x: x.astype(np.float32), np.ascontiguousarray])
def test_what_has_to_be_converted_is_not_there_twice(form):
    rows = 200_000
    x = np.random.default_rng(0).normal(size=(rows, 40))
    given = form(x)
    net = lamina.Network([lamina.Dense(1)], 40, dtype="float64")
    tracemalloc.start()
    predicted = net.predict(given)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.5 * x.nbytes
    np.testing.assert_array_equal(predicted, net.predict(np.ascontiguousarray(given, np.float64)))
    given[rows - 2, 1] = np.nan
    with pytest.raises(ValueError, match=f"X must be finite; got NaN in row {rows - 2}, column 1"):
        net.predict(given)


@pytest.mark.parametrize("name", [name for name in lamina.losses.names() if lamina.losses.get(name).targets == "real"])
def test_classes_for_a_loss_of_numbers_are_told_of_theirs(name):
    net, hint = network(name), r"y must have 3 columns.*; got 1\. Classes, 0 \.\. 2, need loss=\"cross_entropy\""
    for y in (Y, Y[:, None], Y.astype(float), Y > 0):
        with pytest.raises(ValueError, match=hint):
            net.fit(X, y)
    with pytest.raises(ValueError, match="validation " + hint):
        net.fit(X, np.eye(3)[Y], validation=(X, Y))
    for y in (Y + 1, Y - 1, Y + 0.5, np.column_stack([Y, Y])):  # which are no classes of this network
        with pytest.raises(ValueError, match=r"y must have 3 columns, as the network has outputs; got \d$"):
            net.fit(X, y)
