"""Initial values that follow from the data: what they are, when they are given, and that models remember it."""

import pickle
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import lamina
from lamina.storage.container import write
from reference import random
from reference.initializers import data_driven

INPUTS, SEED = 6, 5
STATUS = Path("/proc/self/status")
STILL = {"epochs": 1, "optimizer": lamina.SGD(1e-300), "validation": None, "early_stopping": None}


def started(layers, x, t, n_inputs=INPUTS, **options):
    """A network after a fit whose steps change nothing."""
    net = lamina.Network(layers, n_inputs=n_inputs, dtype="float64", seed=SEED, **options)
    net.fit(x, t, **STILL)
    return net


def dense(units=4, activation="mish", **options):
    return lamina.Dense(units, activation, initializer="data_driven", **options)


def samples(rng, rows=200):
    return 3 + 2 * rng.normal(size=(rows, INPUTS)), rng.normal(size=(rows, 2))


def before(net):
    """What such a network starts from before it sees data."""
    return lamina.Network(net.layers, net.n_inputs, net.loss, "float64", net.seed)


@pytest.mark.parametrize("parametrization", ["standard", "ntk"])
def test_layer_after_layer(parametrization, rng):
    x, t = samples(rng)
    layers = [dense(7, parametrization=parametrization), dense(parametrization=parametrization), lamina.Dense(2)]
    net = started(layers, x, t)
    first = before(net)
    h = x
    for i in (0, 1):
        scale = 1 / np.sqrt(h.shape[1]) if parametrization == "ntk" else 1
        w, b = (net.parameters[f"{i}.{name}"] for name in ("weight", "bias"))
        want = data_driven(first.parameters[f"{i}.weight"], h, scale, SEED, i)
        np.testing.assert_allclose(w, want[0], rtol=1e-12)
        np.testing.assert_allclose(b, want[1], rtol=1e-11, atol=1e-12)
        z = scale * h @ w
        np.testing.assert_allclose(z.std(axis=0), 1, rtol=1e-12)
        assert np.all(z.min(axis=0) <= -b)
        assert np.all(-b <= z.max(axis=0))
        h = lamina.activations.get("mish")(z + b)
    np.testing.assert_array_equal(net.parameters["2.weight"], first.parameters["2.weight"])


def test_as_training_sees_it_but_for_what_is_random(rng):
    """With normalised inputs, batch norm and dropout in front."""
    x, t = samples(rng)
    layers = [lamina.BatchNorm(), lamina.Dropout(0.5), dense(use_bias=False), lamina.Dense(2)]
    net = started(layers, x, t, normalize_inputs=True)
    h = (x - x.mean(axis=0)) / x.std(axis=0)
    h = (h - h.mean(axis=0)) / np.sqrt(h.var(axis=0) + 1e-5)
    want, _ = data_driven(before(net).parameters["2.weight"], h, 1, SEED, 2)
    np.testing.assert_allclose(net.parameters["2.weight"], want, rtol=1e-10)


def test_a_sample_of_many_rows(rng):
    x, t = samples(rng, 5000)
    net = started([dense(), lamina.Dense(2)], x, t)
    seen = x[random.sample(SEED, np.ones(5000), 1024)]
    want = data_driven(before(net).parameters["0.weight"], seen, 1, SEED, 0)
    np.testing.assert_allclose(net.parameters["0.weight"], want[0], rtol=1e-11)
    np.testing.assert_allclose(net.parameters["0.bias"], want[1], rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("rows", [100, 300, 1024])
@pytest.mark.parametrize("n_inputs", [3, 40])
def test_layers_of_all_widths(n_inputs, rows, rng):
    """One block of rows and several, into wider layers and narrower ones, and over the inputs of some."""
    x, t = rng.normal(size=(rows, n_inputs)), rng.normal(size=(rows, 2))
    layers = [
        *(lamina.NumericEmbedding(kind="piecewise_linear"), lamina.Scale(), lamina.Dropout(0.3)),
        *(dense(50), lamina.Activation("softplus"), dense(3, parametric=True), dense(61, "selu")),
        *(lamina.GaussianNoise(), lamina.Shortcut(7, "mish", initializer="data_driven"), dense(17)),
        *(lamina.BatchNorm(), dense(2)),
    ]
    net = started(layers, x, t, n_inputs, normalize_inputs="robust")
    first = before(net)
    for i in (3, 5, 6, 8, 9, 11):
        batch_norm = i - 1 if i == 11 else i
        front = lamina.Network(layers[:batch_norm], n_inputs, "squared_error", "float64")
        front.core.scales = net.core.scales
        for name, view in front.parameters.items():
            view[...] = net.parameters[name]
        h = front.predict(x)
        if batch_norm < i:
            h = (h - h.mean(axis=0)) / np.sqrt(h.var(axis=0) + 1e-5)
        want = data_driven(first.parameters[f"{i}.weight"], h, 1, SEED, i)
        np.testing.assert_allclose(net.parameters[f"{i}.weight"], want[0], rtol=1e-9, err_msg=str(i))
        np.testing.assert_allclose(net.parameters[f"{i}.bias"], want[1], rtol=1e-8, atol=1e-9, err_msg=str(i))


@pytest.mark.skipif(not STATUS.exists(), reason="the system does not tell how much memory a process takes")
def test_memory():
    """Of all layers together it would take 32 MiB, twice that with what gradients need."""
    code = """
        import numpy as np
        import lamina

        def peak():
            return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:"))

        def fit(rows):
            x = np.random.default_rng(0).normal(size=(rows, 32)).astype(np.float32)
            layers = [lamina.Dense(256, "mish", initializer="data_driven") for _ in range(32)]
            net = lamina.Network([*layers, lamina.Dense(1)], n_inputs=32, loss="squared_error")
            net.fit(x, x[:, 0], epochs=1, batch_size=8, validation=None, early_stopping=None, n_threads=1)

        fit(8)
        before = peak()
        fit(1024)
        print(peak() - before)
    """
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) / 1024 < 8, f"the start added {int(result.stdout) / 1024:.0f} MiB"


def test_rows_come_as_often_as_their_weights_say(rng):
    x, t = samples(rng, 300)
    weight = rng.integers(0, 4, size=300).astype(float)
    net = lamina.Network([dense(), lamina.Dense(2)], n_inputs=INPUTS, dtype="float64", seed=SEED)
    net.fit(x, t, sample_weight=weight, **STILL)
    counted = weight > 0
    seen = x[counted][random.sample(SEED, weight[counted], counted.sum())]
    want = data_driven(before(net).parameters["0.weight"], seen, 1, SEED, 0)
    np.testing.assert_allclose(net.parameters["0.weight"], want[0], rtol=1e-11)


def test_once(rng):
    x, t = samples(rng)
    net = started([dense(), lamina.Dense(2)], x, t)
    first = {name: view.copy() for name, view in net.parameters.items()}
    net.fit(10 * x, t, **STILL)
    for name, view in net.parameters.items():
        np.testing.assert_allclose(view, first[name], rtol=1e-15, atol=1e-200, err_msg=name)


@pytest.mark.parametrize("keep", ["file", "pickle", "copy", "astype", "ensemble"])
@pytest.mark.parametrize("fitted", [False, True])
def test_models_remember_whether_it_is_to_come(keep, fitted, tmp_path, rng):
    x, t = samples(rng)
    net = lamina.Network([dense(), lamina.Dense(2)], n_inputs=INPUTS, dtype="float64", seed=SEED)
    if fitted:
        net.fit(10 * x, t, **STILL)
    if keep == "file":
        net.save(tmp_path / "model")
        other = lamina.load(tmp_path / "model")
        again = lamina.model_file.network_from(lamina.model_file.architecture_of(net))
        np.testing.assert_array_equal(again.parameters["0.weight"], before(net).parameters["0.weight"])
        assert again.core.data_start_due
    elif keep == "ensemble":
        ensemble = lamina.Ensemble(net, 2, n_jobs=1)
        if fitted:
            ensemble.fit(x, t, epochs=1)
        ensemble.save(tmp_path / "model")
        other = lamina.load(tmp_path / "model").members[0]
        net = ensemble.members[0]
    else:
        other = {
            "pickle": lambda: pickle.loads(pickle.dumps(net)),
            "copy": net.copy,
            "astype": lambda: net.astype("float64"),
        }[keep]()
    net.fit(x, t, **STILL)
    other.fit(x, t, **STILL)
    for name, view in net.parameters.items():
        np.testing.assert_array_equal(other.parameters[name], view, err_msg=name)


def test_a_network_without_such_layers_says_nothing_of_it():
    net = lamina.Network([lamina.Dense(2)], n_inputs=2)
    assert "data_start_due" not in net.architecture()
    assert net.core.data_start_due is None


def test_a_refused_fit_changes_nothing(rng):
    x, t = samples(rng)
    net = lamina.Network([dense(), lamina.Dense(2)], n_inputs=INPUTS, dtype="float64", seed=SEED)
    first = {name: view.copy() for name, view in net.parameters.items()}

    def refuse(progress):
        raise RuntimeError("no rate")

    with pytest.raises(RuntimeError, match="no rate"):
        net.fit(x, t, schedule=refuse, epochs=2)
    for name, view in net.parameters.items():
        np.testing.assert_array_equal(view, first[name], err_msg=name)
    net.fit(x, t, **STILL)
    np.testing.assert_array_equal(
        net.parameters["0.weight"], started([dense(), lamina.Dense(2)], x, t).parameters["0.weight"]
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_constant_inputs(dtype, rng):
    x = np.full((50, INPUTS), 0.1, dtype)
    net = lamina.Network([dense(), lamina.Dense(2)], n_inputs=INPUTS, dtype=dtype, seed=SEED)
    first = net.parameters["0.weight"].copy()
    net.fit(x, rng.normal(size=(50, 2)), **STILL | {"optimizer": lamina.SGD(1e-30)})
    np.testing.assert_allclose(net.parameters["0.weight"], first, rtol=1e-6)


def test_sequences(rng):
    x, t = rng.normal(size=(30, 7, INPUTS)), rng.normal(size=(30, 2))
    lengths = rng.integers(1, 8, size=30)
    net = lamina.Network([dense(), lamina.Recurrent(5), dense(3), lamina.Dense(2)], INPUTS, dtype="float64", seed=SEED)
    net.fit(x, t, lengths=lengths, **STILL)
    steps = np.concatenate([sequence[:n] for sequence, n in zip(x, lengths, strict=True)])
    np.testing.assert_allclose((steps @ net.parameters["0.weight"]).std(axis=0), 1, rtol=1e-12)


def test_a_shortcut_starts_likewise(rng):
    x, t = samples(rng)
    net = started([lamina.Shortcut(4, "mish", initializer="data_driven"), lamina.Dense(2)], x, t)
    np.testing.assert_allclose((x @ net.parameters["0.weight"]).std(axis=0), 1, rtol=1e-12)


@pytest.mark.parametrize("solver", [lamina.LBFGS(), lamina.LevenbergMarquardt()])
def test_full_batch_solvers(solver, rng):
    x, t = samples(rng)
    net = lamina.Network([dense(), lamina.Dense(2)], n_inputs=INPUTS, dtype="float64", seed=SEED)
    losses = net.fit(x, t, optimizer=solver, epochs=3, validation=None).loss
    again = started([dense(), lamina.Dense(2)], x, t)
    assert losses[0] <= again.evaluate(x, t)
    assert not net.core.data_start_due


def test_what_somebody_has_set_stays(rng):
    x, t = samples(rng)
    layers = [dense(7), dense(), lamina.Dense(2)]
    net = lamina.Network(layers, n_inputs=INPUTS, dtype="float64", seed=SEED)
    own = rng.normal(size=(INPUTS, 7))
    net.parameters["0.weight"][...] = own
    net.fit(x, t, **STILL)
    np.testing.assert_array_equal(net.parameters["0.weight"], own)
    np.testing.assert_allclose(net.parameters["0.bias"], 0, atol=1e-200)
    h = lamina.activations.get("mish")(x @ own)
    np.testing.assert_allclose((h @ net.parameters["1.weight"]).std(axis=0), 1, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_wider_copy_starts_from_data_all_the_same(dtype, rng):
    x, t = samples(rng)
    net = lamina.Network([dense(), lamina.Dense(2)], n_inputs=INPUTS, dtype=dtype, seed=SEED).astype("float64")
    net.fit(x, t, **STILL)
    np.testing.assert_allclose((x @ net.parameters["0.weight"]).std(axis=0), 1, rtol=1e-6)


@pytest.mark.parametrize("rates", [{0: 0.0}, {"0.weight": 0.0, "0.bias": 0.0}])
def test_what_is_frozen_stays(rates, rng):
    x, t = samples(rng)
    net = lamina.Network([dense(7), dense(), lamina.Dense(2)], n_inputs=INPUTS, dtype="float64", seed=SEED)
    net.fit(x, t, rates=rates, **STILL)
    for name in ("0.weight", "0.bias"):
        np.testing.assert_array_equal(net.parameters[name], before(net).parameters[name])
    assert np.abs(net.parameters["1.weight"] - before(net).parameters["1.weight"]).max() > 0


def test_quantiles_come_whatever_was_set_beside_them(rng):
    x, t = samples(rng)
    net = lamina.Network([lamina.NumericEmbedding(kind="piecewise_linear"), lamina.Dense(2)], INPUTS, seed=SEED)
    trained = [name for name in net.core.trained_names if name.startswith("0.")]
    held = next(name for name in net.parameters if name.startswith("0.") and name not in trained)
    start = net.parameters[held].copy()
    for name in trained:
        net.parameters[name][...] = 0.25
    net.fit(x, t, rates={0: 0.0}, **STILL | {"optimizer": lamina.SGD(1e-30)})
    assert np.abs(net.parameters[held] - start).max() > 0
    for name in trained:
        np.testing.assert_array_equal(net.parameters[name], 0.25)


@pytest.mark.parametrize("kind", ["mini", "full", "separate"])
def test_layers_of_members_have_no_such_start(kind):
    with pytest.raises(ValueError, match="initializer of SharedDense must not follow from the data; got 'data_driven'"):
        lamina.SharedDense(3, members=2, kind=kind, initializer="data_driven")


def test_recurrent_layers_have_no_such_start():
    with pytest.raises(ValueError, match="initializer of Recurrent must not follow from the data; got 'data_driven'"):
        lamina.Recurrent(3, initializer="data_driven")


@pytest.mark.parametrize("due", ["soon", 1, None, [True]])
def test_a_file_that_says_something_else_is_refused(due, tmp_path):
    contents = lamina.Network([dense(), lamina.Dense(2)], n_inputs=INPUTS).contents()
    write(tmp_path / "model", replace(contents, architecture={**contents.architecture, "data_start_due": due}))
    with pytest.raises(lamina.ModelFileError):
        lamina.load(tmp_path / "model")


def test_a_file_that_says_it_of_other_layers_is_refused(tmp_path):
    contents = lamina.Network([lamina.Dense(2)], n_inputs=INPUTS).contents()
    write(tmp_path / "model", replace(contents, architecture={**contents.architecture, "data_start_due": True}))
    with pytest.raises(lamina.ModelFileError, match="data_start_due"):
        lamina.load(tmp_path / "model")
