"""What `diagnose` finds in networks and data that are ill in a known way, and that it leaves the healthy alone."""

import inspect

import numpy as np
import pytest
from sklearn.datasets import load_digits

import lamina
from lamina.diagnosis import probes


def digits(rows=600):
    X, y = load_digits(return_X_y=True)
    X = X[:rows]
    return X[:, X.std(axis=0) > 0.5].astype(np.float32) / 16, y[:rows]


def network(X, hidden=(32,), activation="relu", **options):
    layers = [lamina.Dense(units, activation) for units in hidden]
    return lamina.Network([*layers, lamina.Dense(10)], n_inputs=X.shape[1], loss="cross_entropy", **options)


def names(diagnosis):
    return [finding.name for finding in diagnosis.findings]


def found(diagnosis, name):
    return next(finding for finding in diagnosis.findings if finding.name == name)


def test_nothing_is_found_in_a_healthy_network():
    X, y = digits()
    net = network(X, normalize_inputs=True)
    net.fit(X, y, epochs=300)
    diagnosis = lamina.diagnose(net, X, y)
    assert not diagnosis.findings
    assert str(diagnosis).endswith("Nothing looks wrong.")
    assert repr(diagnosis) == str(diagnosis)
    assert diagnosis.validation_loss == net.history.validation_loss[net.history.best_epoch - 1]


def test_the_network_does_not_change():
    X, y = digits()
    net = network(X, normalize_inputs=True)
    before = {name: view.copy() for name, view in net.parameters.items()}
    assert "not trained" in names(lamina.diagnose(net, X, y))
    assert net.input_normalization is None
    assert net.history is None
    for name, view in net.parameters.items():
        np.testing.assert_array_equal(view, before[name])


def test_dead_units():
    X, y = digits()
    net = network(X)
    net.fit(X, y, epochs=3)
    net.parameters["0.bias"][:8] = -100
    dead = (X @ net.parameters["0.weight"] + net.parameters["0.bias"] <= 0).all(axis=0).mean()
    diagnosis = lamina.diagnose(net, X, y)
    assert diagnosis.layers[0].dead == dead >= 0.25
    assert f"{dead:.0%} of the units have slope 0 on every row" in found(diagnosis, "dead units").figure
    assert found(diagnosis, "dead units").where == "layer 0, Dense(32, relu)"


@pytest.mark.parametrize("bounded", ["tanh", "logistic", "saturation", "gaussian"])
def test_saturated_units(bounded):
    X, y = digits()
    net = network(X, activation=bounded, normalize_inputs=True)
    net.fit(X, y, epochs=3)
    healthy = lamina.diagnose(net, X, y).layers[0]
    assert healthy.dead + healthy.saturated < 0.25
    net.parameters["0.weight"][...] *= 100
    ill = lamina.diagnose(net, X, y).layers[0]
    assert ill.dead + ill.saturated > 0.5


def test_an_activation_layer_is_looked_at_too():
    X, y = digits()
    layers = [lamina.Dense(16), lamina.BatchNorm(), lamina.Activation("relu"), lamina.Dropout(0.2), lamina.Dense(10)]
    net = lamina.Network(layers, n_inputs=X.shape[1], loss="cross_entropy")
    net.fit(X, y, epochs=3)
    net.parameters["1.beta"][:4] = -100
    reports = lamina.diagnose(net, X, y).layers
    assert reports[2].dead == pytest.approx(0.25)
    assert [report.gradient is not None for report in reports] == [True, False, False, False, True]


def test_vanishing_gradients():
    X, y = digits()
    net = network(X, hidden=(20,) * 6, activation="logistic")
    for name, view in net.parameters.items():
        if name.endswith("weight"):
            view *= 0.1
    finding = found(lamina.diagnose(net, X, y), "vanishing gradients")
    assert "from layer 6 to layer 0" in finding.figure


def test_exploding_gradients():
    X, y = digits()
    net = network(X, hidden=(20,) * 4)
    net.parameters["0.weight"][...] *= 0.01
    net.parameters["4.weight"][...] *= 100
    assert "from layer 4 to layer 0" in found(lamina.diagnose(net, X, y), "exploding gradients").figure


@pytest.mark.parametrize(("rate", "name"), [(10.0, "steps too large"), (1e-9, "steps too small")])
def test_size_of_the_steps(rate, name):
    X, y = digits()
    diagnosis = lamina.diagnose(network(X), X, y, optimizer=lamina.Adam(rate))
    assert name in names(diagnosis)


def test_update_ratio_is_that_of_a_step():
    X, y = digits(40)
    net = network(X, dtype="float64")
    _, gradients = net.loss_and_gradients(X, y)
    ratio = lamina.diagnose(net, X, y, optimizer=lamina.SGD(0.1), batch_size=40).layers[0].update
    step, weight = 0.1 * gradients["0.weight"], net.parameters["0.weight"]
    assert ratio == pytest.approx(np.linalg.norm(step) / np.linalg.norm(weight), rel=1e-6)


def test_gradient_is_the_root_mean_square():
    X, y = digits(40)
    net = network(X, dtype="float64")
    _, gradients = net.loss_and_gradients(X, y)
    sizes = [report.gradient for report in lamina.diagnose(net, X, y).layers]
    np.testing.assert_allclose(sizes, [np.sqrt((gradients[f"{i}.weight"] ** 2).mean()) for i in range(2)], rtol=1e-9)


def test_inputs_constant_and_unscaled():
    X, y = digits()
    X = X.copy()
    X[:, 3], X[:, 5] = 7.0, X[:, 5] * 1000
    diagnosis = lamina.diagnose(network(X), X, y)
    assert "1 of" in found(diagnosis, "constant inputs").figure
    assert found(diagnosis, "constant inputs").figure.endswith(": 3")
    assert "(column 5)" in found(diagnosis, "unscaled inputs").figure
    normal = lamina.diagnose(network(X, normalize_inputs=True), X, y)
    assert "unscaled inputs" not in names(normal)


def test_imbalance_and_absent_classes():
    X, y = digits()
    rows = (y == 0) | ((y == 1) & (np.arange(len(y)) < 60))
    diagnosis = lamina.diagnose(network(X), X[rows], y[rows])
    assert found(diagnosis, "class imbalance").figure.startswith(f"class 0 has {(y == 0).sum()} rows, class 1 has ")
    assert found(diagnosis, "classes without a row").figure == "8 of 10: 2, 3, 4, 5, 6, 7, 8, 9"


def test_over_fitting():
    X, y = digits()
    rng = np.random.default_rng(0)
    wrong = rng.integers(10, size=len(y))
    net = network(X, hidden=(128,), normalize_inputs=True)
    net.fit(X[:200], wrong[:200], epochs=100, validation=None, early_stopping=None)
    diagnosis = lamina.diagnose(net, X[:200], wrong[:200], validation=(X[200:], wrong[200:]))
    assert "over-fitting" in names(diagnosis)
    assert diagnosis.validation_loss == net.evaluate(X[200:], wrong[200:])


def test_under_fitting_and_stopping_too_soon():
    X, y = digits()
    net = network(X)
    net.fit(X, y, epochs=6, optimizer=lamina.SGD(1e-3))
    assert "under-fitting" in names(lamina.diagnose(net, X, y))
    net.fit(X, y, epochs=6, optimizer=lamina.SGD(0.03))
    assert "stopped too soon" in names(lamina.diagnose(net, X, y))


def test_divergence():
    X, y = digits()
    net = lamina.Network([lamina.Dense(16, "relu"), lamina.Dense(1)], n_inputs=X.shape[1])
    with pytest.warns(lamina.DivergenceWarning):
        net.fit(X, y, optimizer=lamina.SGD(1e6), epochs=5)
    diagnosis = lamina.diagnose(net, X, y, optimizer=lamina.SGD(1e6))
    assert {"divergence", "steps too large"} <= set(names(diagnosis))


def test_every_loss_and_activation_has_a_diagnosis(loss, targets_for, rng):
    X, y = rng.normal(size=(50, 4)), targets_for(loss, 50, 3)
    for activation in lamina.activations.names():
        net = lamina.Network([lamina.Dense(6, activation), lamina.Dense(3)], n_inputs=4, loss=loss)
        diagnosis = lamina.diagnose(net, X, y)
        assert np.isfinite(diagnosis.mean_loss)
        assert activation in str(diagnosis)


def test_mean_loss_is_the_entropy_of_the_classes():
    X, y = digits()
    share = np.bincount(y) / len(y)
    assert lamina.diagnose(network(X), X, y).mean_loss == pytest.approx(-(share * np.log(share)).sum(), rel=1e-9)


def test_unscaled_targets():
    X, y = digits()
    net = lamina.Network([lamina.Dense(1)], n_inputs=X.shape[1])
    assert "unscaled targets" in names(lamina.diagnose(net, X, y * 1000.0))


def test_bad_input_is_named():
    X, y = digits()
    with pytest.raises(ValueError, match="one entry for each of the 600 rows"):
        lamina.diagnose(network(X), X, y[:5])


def test_steps_are_those_of_the_weights_not_of_their_average():
    X = np.random.default_rng(0).normal(size=(64, 3))
    net = lamina.Network([lamina.Dense(4, "tanh"), lamina.Dense(1)], 3)
    net.fit(X, X[:, 0], epochs=2)
    with_average, without = (lamina.diagnose(net, X, X[:, 0], average=share) for share in (0.99, 0.0))
    assert str(with_average) == str(without)


# Another value of each option of fit than the usual one, of those that a step is not made by.
COURSE = {
    "epochs": 6,
    "schedule": lamina.schedules.Warmup(5),
    "decay_schedule": lamina.schedules.Cosine(),
    "dropout_schedule": lamina.schedules.Cosine(),
    "average": 0.9,
    "shuffle": False,
    "max_time": 60.0,
    "early_stopping": None,
    "scoring": "accuracy",
    "metrics": ["accuracy"],
    "callbacks": [],
    "verbose": 1,
    "resume": True,
    "resume_from": "none.checkpoint",
}


def test_every_option_of_a_fit_is_known():
    taken = {
        name for name, one in inspect.signature(lamina.Network.fit).parameters.items() if one.kind == one.KEYWORD_ONLY
    }
    sides = (probes.STEP_OPTIONS, probes.SAMPLE_OPTIONS, probes.COURSE_OPTIONS)
    assert set.union(*map(set, sides)) == taken
    assert sum(map(len, sides)) == len(taken)
    assert set(COURSE) == probes.COURSE_OPTIONS


@pytest.mark.parametrize("name", sorted(COURSE))
def test_the_course_of_a_fit_changes_no_diagnosis(name, capfd):
    X, y = digits(200)
    net = network(X)
    assert str(lamina.diagnose(net, X, y, **{name: COURSE[name]})) == str(lamina.diagnose(net, X, y))
    assert capfd.readouterr() == ("", "")


def test_nothing_that_a_fit_writes_is_written_again(tmp_path):
    X, y = digits(200)
    net, seen = network(X), []
    checkpoint, log = tmp_path / "fit.ck", tmp_path / "fit.csv"
    callbacks = [lamina.callbacks.Checkpoint(checkpoint), lamina.callbacks.CSVLogger(log), seen.append]
    options = {"epochs": 6, "callbacks": callbacks, "early_stopping": None}
    net.fit(X, y, **options)
    before = checkpoint.read_bytes(), log.read_bytes()
    lamina.diagnose(net, X, y, **options, resume_from=checkpoint)
    assert (checkpoint.read_bytes(), log.read_bytes()) == before
    assert len(seen) == 6
    assert network(X).fit(X, y, **options, resume_from=checkpoint).epochs == 6


@pytest.mark.parametrize("name", lamina.optimizers.names())
def test_every_optimizer_has_steps(name):
    X, y = digits(200)
    diagnosis = lamina.diagnose(network(X), X, y, optimizer=name)
    assert all(np.isfinite(layer.update) and layer.update > 0 for layer in diagnosis.layers)


@pytest.mark.parametrize("name", lamina.optimizers.solver_names())
def test_a_solver_has_steps_and_no_rate_to_change(name):
    X = np.random.default_rng(0).normal(size=(200, 3))
    net = lamina.Network([lamina.Dense(4, "tanh"), lamina.Dense(1)], 3)
    before = {name: view.copy() for name, view in net.parameters.items()}
    diagnosis = lamina.diagnose(net, X, X[:, 0], optimizer=name, epochs=20)
    assert all(np.isfinite(layer.update) and layer.update > 0 for layer in diagnosis.layers)
    assert not {"steps too large", "steps too small"} & set(names(diagnosis))
    for name, view in net.parameters.items():
        np.testing.assert_array_equal(view, before[name])


def test_a_row_of_weight_two_is_two_rows():
    X, y = digits(300)
    X, y = X.astype("float64"), y.astype("int32")
    weight = np.arange(300) % 3
    net = network(X, dtype="float64")
    options = {"optimizer": lamina.SGD(0.1), "batch_size": 300}
    weighted = lamina.diagnose(net, X, y, sample_weight=weight, **options)
    repeated = lamina.diagnose(net, np.repeat(X, weight, axis=0), np.repeat(y, weight), **options)
    assert weighted.loss == pytest.approx(repeated.loss, rel=1e-9)
    assert weighted.mean_loss == pytest.approx(repeated.mean_loss, rel=1e-9)
    for one, other in zip(weighted.layers, repeated.layers, strict=True):
        assert one.gradient == pytest.approx(other.gradient, rel=1e-9)
        assert one.update == pytest.approx(other.update, rel=1e-9)


def test_few_of_many_rows_keep_their_weights():
    rng = np.random.default_rng(0)
    X, weight = rng.normal(size=(2500, 3)), rng.uniform(0.5, 2, size=2500)
    net = lamina.Network([lamina.Dense(4, "tanh"), lamina.Dense(1)], 3)
    assert np.isfinite(lamina.diagnose(net, X, X[:, 0], sample_weight=weight).layers[0].update)


def test_classes_weigh_as_in_the_fit():
    X, y = digits()
    rows = (y == 0) | ((y == 1) & (np.arange(len(y)) < 60))
    net = lamina.Network([lamina.Dense(8, "relu"), lamina.Dense(2)], n_inputs=X.shape[1], loss="cross_entropy")
    options = {"class_weight": "balanced", "validation": 0.3}
    net.fit(X[rows], y[rows], epochs=5, **options)
    diagnosis = lamina.diagnose(net, X[rows], y[rows], **options)
    assert "class imbalance" in names(lamina.diagnose(net, X[rows], y[rows]))
    assert "class imbalance" not in names(diagnosis)
    assert diagnosis.mean_loss == pytest.approx(np.log(2))
    assert diagnosis.validation_loss == net.history.validation_loss[net.history.best_epoch - 1]


def test_unknown_options_are_refused():
    X, y = digits(100)
    for optimizer in (None, "LBFGS"):
        with pytest.raises(TypeError, match=r"unexpected keyword argument 'lr'; the learning rate is the optimizer's"):
            lamina.diagnose(network(X), X, y, lr=0.1, optimizer=optimizer)
    with pytest.raises(ValueError, match="batch_size"):
        lamina.diagnose(network(X), X, y, batch_size=0)


def scaled_by_itself(normalize, **options):
    layers = [lamina.Dense(8, "tanh"), lamina.Dense(2)]
    return lamina.Network(layers, 3, dtype="float64", normalize_targets=normalize, **options)


@pytest.mark.parametrize("epochs", [0, 30])
def test_a_network_that_scales_its_targets_is_the_one_by_hand(epochs):
    X = np.random.default_rng(0).normal(size=(300, 3))
    y = np.stack([1000 * X[:, 0] + 50, X[:, 1] ** 2 - 3], axis=1)
    by_hand = (y - y.mean(axis=0)) / y.std(axis=0)
    found = []
    for net, targets in ((scaled_by_itself(True), y), (scaled_by_itself(False), by_hand)):
        if epochs:
            net.fit(X, targets, epochs=epochs, optimizer=lamina.Adam(0.01), validation=None, early_stopping=None)
        before = dict(net.scales)
        found.append(lamina.diagnose(net, X, targets, optimizer=lamina.SGD(0.1)))
        assert net.scales.keys() == before.keys()
    own, other = found
    assert own.mean_loss == pytest.approx(1.0)
    assert own.loss == pytest.approx(other.loss, rel=1e-6)
    assert own.mean_loss == pytest.approx(other.mean_loss, rel=1e-6)
    for one, same in zip(own.layers, other.layers, strict=True):
        assert one.gradient == pytest.approx(same.gradient, rel=1e-6)
        assert one.update == pytest.approx(same.update, rel=1e-6)
    assert names(own) == names(other)
    assert "unscaled targets" not in names(own)


def test_initial_values_from_data_are_no_step():
    X = np.random.default_rng(0).normal(size=(40, 3))
    make = lambda: lamina.Network(  # noqa: E731
        [lamina.Dense(8, "tanh", initializer="data_driven"), lamina.BatchNorm(), lamina.Dense(1)], 3, dtype="float64"
    )
    net = make()
    rate = {"optimizer": lamina.SGD(1e-9), "batch_size": 40}
    diagnosis = lamina.diagnose(net, X, X[:, 0], **rate)
    assert net.core.data_start_due
    assert max(layer.update or 0 for layer in diagnosis.layers) < 1e-6
    begun = make()
    begun.fit(X, X[:, 0], epochs=1, validation=None, early_stopping=None, **rate)
    sizes = [layer.gradient for layer in lamina.diagnose(begun, X, X[:, 0], **rate).layers]
    assert sizes[0] == pytest.approx(diagnosis.layers[0].gradient, rel=1e-4)


def test_no_remedy_is_against_another():
    X, y = digits()
    net = lamina.Network([lamina.Dense(16, "relu"), lamina.Dense(1)], n_inputs=X.shape[1])
    with pytest.warns(lamina.DivergenceWarning):
        net.fit(X, y, optimizer=lamina.SGD(1e6), epochs=5)
    assert "under-fitting" not in names(lamina.diagnose(net, X, y, optimizer=lamina.SGD(1e6)))
    own = network(X)
    own.fit(X, y, epochs=1, optimizer=lamina.SGD(1e-3))
    for rate, remedy in ((1e3, "Lower the learning rate"), (1e-3, "raise the learning rate")):
        diagnosis = lamina.diagnose(own, X, y, optimizer=lamina.SGD(rate))
        assert remedy in found(diagnosis, "under-fitting").remedy


def test_weights_that_have_grown_too_large_to_move_need_no_higher_rate():
    X, y = digits()
    net = network(X)
    net.fit(X, y, epochs=1)
    net.parameters["0.bias"][...] = -1e3
    net.parameters["1.bias"][...] = 1e4 * np.arange(10)
    diagnosis = lamina.diagnose(net, X, y, optimizer=lamina.SGD(0.1))
    assert diagnosis.layers[0].gradient == 0
    assert {"dead units", "under-fitting"} == set(names(diagnosis))
    assert "Lower the learning rate" in found(diagnosis, "under-fitting").remedy


def test_frozen_layers_have_no_steps():
    X, y = digits()
    first, second = lamina.diagnose(network(X), X, y, rates={0: 0}).layers
    assert first.update is None
    assert second.update > 0
