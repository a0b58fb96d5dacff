"""L-BFGS and Levenberg-Marquardt against SciPy's on the same problems, from the same start."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import least_squares, minimize

import lamina

PLAIN = {"validation": None, "early_stopping": None}


def problem(loss="squared_error", units=6, seed=0, rows=120, dtype="float64"):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, size=(rows, 2)).astype(dtype)
    clean = np.sin(2 * x[:, 0]) * np.cos(x[:, 1])
    if loss == "cross_entropy":
        t, outputs = (clean > 0).astype(int) + (clean > 0.5), 3
    else:
        t, outputs = (clean + 0.1 * rng.normal(size=rows)).astype(dtype), 1
    layers = [lamina.Dense(units, "tanh"), lamina.Dense(outputs)]
    return lamina.Network(layers, n_inputs=2, loss=loss, dtype=dtype, seed=seed), x, t


def flat(net):
    return np.concatenate([net.parameters[name].ravel() for name in net._core.trained_names])


def put(net, vector):
    at = 0
    for name in net._core.trained_names:
        view = net.parameters[name]
        view[...] = vector[at : at + view.size].reshape(view.shape)
        at += view.size


@pytest.mark.parametrize("task", ["squared_error", "cross_entropy"])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("weighted", [False, True])
def test_lbfgs_against_scipy(task, seed, weighted):
    net, x, t = problem(task, seed=seed)
    twin, l2, most = net.copy(), 1e-3, 300
    weight = np.random.default_rng(seed).uniform(0.5, 2, size=len(x)) if weighted else None

    def objective(vector):
        put(twin, vector)
        value, gradients = twin.loss_and_gradients(x, t, weight, l2=l2)
        return value, np.concatenate([gradients[name].ravel() for name in twin._core.trained_names])

    tight = {"ftol": 1e-10, "gtol": 1e-6, "maxiter": most}
    theirs = minimize(objective, flat(net), jac=True, method="L-BFGS-B", options=tight)
    solver = lamina.LBFGS(tolerance=1e-6, loss_tolerance=1e-10, max_evaluations=theirs.nfev)
    history = net.fit(x, t, epochs=most, optimizer=solver, l2=l2, sample_weight=weight, **PLAIN)
    ours = net.loss_and_gradients(x, t, weight, l2=l2)[0]
    assert ours <= 1.01 * theirs.fun
    assert history.evaluations <= theirs.nfev


@pytest.mark.parametrize("solver", [lamina.LBFGS, lamina.LevenbergMarquardt])
def test_stops_at_the_evaluations_it_may_spend(solver):
    losses = []
    for most in range(1, 12):
        net, x, t = problem(seed=1)
        history = net.fit(x, t, optimizer=solver(max_evaluations=most), **PLAIN)
        assert history.evaluations == most
        assert history.stop_reason == "max_evaluations reached"
        assert net.evaluate(x, t) == pytest.approx(history.loss[-1], rel=1e-12)
        losses.append(history.loss[-1])
    assert all(later <= earlier for earlier, later in pairwise(losses))
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("solver", ["LBFGS", "LevenbergMarquardt"])
def test_interruption_keeps_the_best_weights(solver):
    def interrupt(epoch):
        if epoch.epoch == 4:
            raise KeyboardInterrupt

    net, x, t = teacher_problem(1)
    with pytest.raises(KeyboardInterrupt):
        net.fit(x, t, optimizer=solver, callbacks=[interrupt], **PLAIN)
    assert net.history.stop_reason == "interrupted"
    assert len(net.history.loss) == 4
    assert net.evaluate(x, t) == pytest.approx(min(net.history.loss), rel=1e-12)


def teacher_problem(seed, dtype="float64", outputs=2):
    """Noisy answers of a small network, and a start near its weights: both methods see the same valley."""
    rng = np.random.default_rng(seed)
    layers = [lamina.Dense(4, "tanh"), lamina.Dense(outputs)]
    net = lamina.Network(layers, n_inputs=3, dtype=dtype, seed=seed)
    x = rng.normal(size=(150, 3)).astype(dtype)
    t = net.predict(x) + 0.05 * rng.normal(size=(150, outputs)).astype(dtype)
    put(net, flat(net) + 0.2 * rng.normal(size=flat(net).shape))
    return net, x, t


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.parametrize("l2", [0.0, 1e-3])
@pytest.mark.parametrize("weighted", [False, True])
def test_levenberg_marquardt_against_scipy(seed, l2, weighted):
    net, x, t = teacher_problem(seed)
    twin = net.copy()
    weight = np.random.default_rng(seed).uniform(0.5, 2, size=len(x)) if weighted else np.ones(len(x))
    is_weight = np.concatenate(
        [np.full(net.parameters[name].size, name.endswith("weight")) for name in net._core.trained_names]
    )

    def residuals(vector):
        put(twin, vector)
        errors = np.sqrt(weight / weight.sum())[:, None] * (twin.predict(x) - t)
        return np.concatenate([errors.ravel(), np.sqrt(2 * l2) * vector[is_weight]])

    def jacobian(vector):
        h = 1e-6
        steps = h * np.eye(len(vector))
        return np.column_stack([(residuals(vector + s) - residuals(vector - s)) / (2 * h) for s in steps])

    theirs = least_squares(residuals, flat(net), jac=jacobian, method="lm", ftol=1e-8, xtol=1e-8)
    options = {"sample_weight": weight if weighted else None, "l2": l2, **PLAIN}
    solver = lamina.LevenbergMarquardt(max_evaluations=theirs.nfev)
    history = net.fit(x, t, epochs=theirs.nfev, optimizer=solver, **options)
    ours = net.loss_and_gradients(x, t, sample_weight=weight, l2=l2)[0]
    assert theirs.success
    assert ours <= 1.01 * theirs.cost
    assert history.evaluations <= theirs.nfev
    assert np.all(np.diff(history.loss) <= 0)


def first_direction(net, x, t):
    """Where a step of next to no length goes: -J'r, which is the slope of the loss."""
    slope = net.loss_and_gradients(x, t)[1]
    slope = np.concatenate([slope[name].ravel() for name in net._core.trained_names])
    before = flat(net).copy()
    net.fit(x, t, epochs=1, optimizer=lamina.LevenbergMarquardt(radius=1e-6), **PLAIN)
    step = flat(net) - before
    return step / np.linalg.norm(step), -slope / np.linalg.norm(slope)


@pytest.mark.parametrize("parametric", [False, True], ids=["plain", "parametric"])
@pytest.mark.parametrize("name", [name for name in lamina.activations.names() if name != "rrelu"])
def test_every_row_of_the_jacobian(name, parametric, rng):
    """Of three outputs, which share what is kept of one forward pass."""
    if parametric and name in ("prelu", "bipolar_relu"):
        pytest.skip("it has slopes of its own")
    hidden = lamina.Dense(5, name, parametric=parametric)
    net = lamina.Network([hidden, lamina.Activation("tanh"), lamina.Dense(3)], 4, dtype="float64", seed=1)
    x, t = rng.normal(size=(40, 4)), rng.normal(size=(40, 3))
    step, slope = first_direction(net, x, t)
    np.testing.assert_allclose(step, slope, atol=1e-4)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_levenberg_marquardt_learns_scaled_targets(n_outputs, rng):
    """Its residuals are those of the loss."""
    x = rng.normal(size=(200, 3))
    t = 1000 + 50 * np.stack([x[:, 0], x[:, 1] ** 2, 2 * x[:, 2]], axis=1)[:, :n_outputs]
    nets = [
        lamina.Network([lamina.Dense(4, "tanh"), lamina.Dense(n_outputs)], 3, dtype="float64", normalize_targets=True)
        for _ in range(2)
    ]
    nets[0].fit(x, t, epochs=1, optimizer=lamina.SGD(1e-300), **PLAIN)  # which takes the scale
    step, slope = first_direction(nets[0], x, t)
    np.testing.assert_allclose(step, slope, atol=1e-4)
    nets[1].fit(x, t, epochs=100, optimizer="LevenbergMarquardt", **PLAIN)
    assert nets[1].evaluate(x, t) < 0.02 * n_outputs


@pytest.mark.parametrize("solver", ["LBFGS", "LevenbergMarquardt"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bits_do_not_depend_on_threads(solver, dtype):
    nets = []
    for n_threads in (1, 2, 3):
        net, x, t = teacher_problem(0, dtype)
        net.fit(x, t, epochs=12, optimizer=solver, n_threads=n_threads, **PLAIN)
        nets.append(net)
    for net in nets[1:]:
        np.testing.assert_array_equal(flat(net), flat(nets[0]))


@pytest.mark.parametrize("solver", ["LBFGS", "LevenbergMarquardt"])
def test_validation_callbacks_and_early_stopping(solver):
    net, x, t = teacher_problem(1)
    seen = []
    history = net.fit(
        x,
        t,
        epochs=200,
        optimizer=solver,
        validation=0.3,
        early_stopping=lamina.EarlyStopping(patience=3),
        callbacks=[lambda epoch: seen.append(epoch.loss)],
    )
    assert seen == history.loss
    assert len(history.validation_loss) == len(history.loss)
    assert history.evaluations >= len(history.loss)
    assert history.best_epoch == 1 + int(np.argmin(history.validation_loss))


def test_exact_fit_of_a_line_takes_few_steps():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 4))
    t = x @ [1.0, -2.0, 3.0, 0.5] + 7
    net = lamina.Network([lamina.Dense(1)], n_inputs=4, dtype="float64")
    history = net.fit(x, t, epochs=50, optimizer=lamina.LevenbergMarquardt(), **PLAIN)
    assert len(history.loss) < 10
    np.testing.assert_allclose(net.parameters["0.weight"][:, 0], [1, -2, 3, 0.5], rtol=1e-6)


@pytest.mark.parametrize(
    ("layers", "objective", "options", "message"),
    [
        ([lamina.Dense(3), lamina.Dropout(0.5), lamina.Dense(2)], "squared_error", {}, "random"),
        ([lamina.Dense(3, "rrelu"), lamina.Dense(2)], "squared_error", {}, "random"),
        ([lamina.Dense(2)], "squared_error", {"l1": 0.1}, "l1"),
        ([lamina.Dense(2)], "squared_error", {"clip": lamina.ClipNorm(1.0)}, "clip"),
        ([lamina.Dense(2)], "squared_error", {"schedule": lamina.schedules.Cosine()}, "schedule"),
    ],
)
@pytest.mark.parametrize("solver", ["LBFGS", "LevenbergMarquardt"])
def test_what_a_solver_cannot_do_is_refused(solver, layers, objective, options, message, rng):
    net = lamina.Network(layers, n_inputs=3, loss=objective)
    before = flat(net)
    with pytest.raises(ValueError, match=message):
        net.fit(rng.normal(size=(20, 3)), rng.normal(size=(20, 2)), optimizer=solver, **PLAIN, **options)
    np.testing.assert_array_equal(flat(net), before)


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (lamina.Network([lamina.Dense(2)], n_inputs=3, loss="absolute_error"), "squared_error"),
        (lamina.Network([lamina.Dense(2), lamina.BatchNorm()], n_inputs=3), "batch norm"),
        (lamina.Network([lamina.Dense(5000), lamina.Dense(2)], n_inputs=3), "parameters"),
    ],
)
def test_what_levenberg_marquardt_cannot_do_is_refused(net, message, rng):
    with pytest.raises(ValueError, match=message):
        net.fit(rng.normal(size=(20, 3)), rng.normal(size=(20, 2)), optimizer="LevenbergMarquardt", **PLAIN)


def test_sam_wants_a_first_order_optimizer():
    with pytest.raises(TypeError, match="first-order"):
        lamina.SAM(lamina.LBFGS())


@pytest.mark.parametrize("solver", [lamina.LBFGS, lamina.LevenbergMarquardt])
@pytest.mark.parametrize("size", [1e-9, 1e-6, 1e-3, 1])
def test_small_targets_are_not_taken_for_learned_at_once(solver, size):
    """Far better than 0 for all of them: absolute tolerances left a loss thousands of times larger."""
    net, x, t = teacher_problem(3)
    t = size * (np.sin(x[:, :2]) + 0.3 * x[:, 1:])
    history = net.fit(x, t, optimizer=solver(), **PLAIN | {"epochs": 400})
    assert history.loss[-1] < 0.3 * np.mean(np.sum(t**2, axis=1)) / 2


@pytest.mark.parametrize("return_sequences", [True, False])
def test_small_targets_of_sequences(return_sequences, rng):
    x, lengths = rng.normal(size=(40, 6, 2)), rng.integers(1, 7, 40)
    net = lamina.Network(
        [lamina.Recurrent(5, return_sequences=return_sequences), lamina.Dense(1)],
        n_inputs=2,
        loss="squared_error",
        dtype="float64",
        seed=1,
    )
    t = 1e-6 * (x[:, :, :1] if return_sequences else x[np.arange(40), lengths - 1, :1])
    history = net.fit(x, t, lengths=lengths, optimizer=lamina.LBFGS(), **PLAIN | {"epochs": 300})
    assert history.loss[-1] < 0.3 * 0.5e-12
