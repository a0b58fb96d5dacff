"""200 steps of every optimizer against the reference, and its memory; the full-batch solvers against SciPy's."""

import copy
import pickle
import re
import warnings

import numpy as np
import pytest
from scipy import optimize

import lamina
from reference.optimizers import OPTIMIZERS, Stepper
from reference.twin import twin

ROWS, STEPS = 40, 200
SOLVERS = ("LBFGS", "LevenbergMarquardt")


@pytest.mark.parametrize(
    ("called", "plain"),
    [
        ("lm", lamina.LevenbergMarquardt),
        ("LM", lamina.LevenbergMarquardt),
        ("Levenberg-Marquardt", lamina.LevenbergMarquardt),
        ("L-BFGS", lamina.LBFGS),
        ("lbfgs", lamina.LBFGS),
    ],
)
def test_solvers_by_the_names_of_the_field(called, plain):
    assert type(lamina.optimizers.get(called)) is plain
    x, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40.0) % 5
    nets = [lamina.Network([lamina.Dense(3, "tanh"), lamina.Dense(1)], 3, dtype="float64") for _ in range(2)]
    for net, optimizer in zip(nets, (called, plain()), strict=True):
        net.fit(x, y, optimizer=optimizer, epochs=3, validation=None)
    np.testing.assert_array_equal(nets[0].predict(x), nets[1].predict(x))
    pytest.importorskip("sklearn")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a fit that is not at its end
        model = lamina.MLPRegressor((3,), solver=called, max_iter=3, random_state=0).fit(x, y)
        same = lamina.MLPRegressor((3,), solver=plain.__name__, max_iter=3, random_state=0).fit(x, y)
    np.testing.assert_array_equal(model.predict(x), same.predict(x))
    assert not hasattr(model, "partial_fit")


def test_each_near_name_is_told_once():
    with pytest.raises(ValueError, match=r"did you mean 'LevenbergMarquardt' or ") as told:
        lamina.optimizers.get("levenberg_marquardt")
    near = re.findall(r"'(\w+)'", str(told.value))[1:]
    assert len(near) == len(set(near)) == 3


PARAMETERS = [
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    ("Adam", {"lr": 0.02, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-6}),
    ("AdamW", {"lr": 0.02, "weight_decay": 0.1}),
    ("NAdam", {"lr": 0.02, "momentum_decay": 0.01}),
    ("Lion", {"lr": 1e-3, "beta1": 0.8, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.01, "rho": 0.8}),
    ("Adagrad", {"lr": 0.1, "epsilon": 1e-6}),
]


def problem(dtype="float64"):
    rng = np.random.default_rng(8)
    layers = [lamina.Dense(6, "tanh"), lamina.Dense(5, "softplus"), lamina.Dense(2)]
    net = lamina.Network(layers, n_inputs=3, loss="squared_error", dtype=dtype, seed=4)
    x = rng.normal(size=(ROWS, 3))
    t = np.column_stack([np.sin(x[:, 0]), x[:, 1] * x[:, 2]]) + 0.1 * rng.normal(size=(ROWS, 2))
    return net, twin(net, "squared_error"), x, t


def plain_fit(net, x, t, **options):
    settings = {"shuffle": False, "validation": None, "early_stopping": None, "epochs": 1, **options}
    return net.fit(x, t, **settings)


def compare(name, params, weight=None, l1=0.0, l2=0.0):
    net, own, x, t = problem()
    batch = ROWS if getattr(lamina, name).full_batch else 10
    epochs = STEPS * batch // ROWS
    optimizer = getattr(lamina, name)(**params)
    options = {"sample_weight": weight, "l1": l1, "l2": l2, "batch_size": batch, "epochs": epochs}
    history = plain_fit(net, x, t, optimizer=optimizer, **options)
    stepper = Stepper(OPTIMIZERS[name](**params))
    for step in range(STEPS):
        rows = np.arange(ROWS).reshape(-1, batch)[step % (ROWS // batch)]
        part = None if weight is None else weight[rows]
        _, gradients, _ = own.loss_and_gradients(x[rows], t[rows], part, l1, l2)
        stepper.step(own.parameters(), gradients)
    assert len(history.loss) == epochs
    for key, want in own.parameters().items():
        np.testing.assert_allclose(net.parameters[key], want, rtol=1e-10, atol=1e-10, err_msg=f"{name} {params}: {key}")


def compare_in_lockstep(name):
    """Each step from lamina's own weights: quickprop's jumps magnify one bit to the size of a weight in 200 steps."""
    net, own, x, t = problem()
    stepper, optimizer = Stepper(OPTIMIZERS[name]()), getattr(lamina, name)()
    for step in range(STEPS):
        before = {key: w.copy() for key, w in own.parameters().items()}
        stepper.step(own.parameters(), own.loss_and_gradients(x, t)[1])
        plain_fit(net, x, t, optimizer=optimizer, batch_size=ROWS, resume=step > 0)
        for key, w in own.parameters().items():
            got = net.parameters[key]
            np.testing.assert_allclose(got, w, rtol=1e-10, atol=1e-10, err_msg=f"{name}, step {step + 1}: {key}")
            w[...] = got
            stepper.states[key]["d"] = got - before[key]


def test_registry_has_every_name():
    assert {"SGD", "RMSprop", "Adagrad", "Adam", "AdamW", "NAdam"} <= set(lamina.optimizers.names())


def test_200_steps(optimizer):
    if optimizer in SOLVERS:
        pytest.skip("compared with SciPy's solver below")
    if optimizer == "Quickprop":
        compare_in_lockstep(optimizer)
    else:
        compare(optimizer, {})


@pytest.mark.parametrize(("name", "params"), PARAMETERS)
def test_200_steps_with_other_parameters(name, params):
    compare(name, params)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_200_steps_with_weights_and_penalties(name):
    compare(name, {"lr": 0.02}, weight=np.random.default_rng(1).uniform(0.2, 3, size=ROWS), l1=1e-3, l2=1e-2)


def test_adamw_decays_weights_alone():
    net, _, x, t = problem()
    still, _, _, _ = problem()
    for parameters in (net.parameters, still.parameters):
        for name in parameters:
            if name.endswith("bias"):
                parameters[name][...] = 0.5
    plain_fit(net, x, t, optimizer=lamina.AdamW(1e-3, weight_decay=0.5), batch_size=ROWS)
    plain_fit(still, x, t, optimizer=lamina.Adam(1e-3), batch_size=ROWS)
    start, _, _, _ = problem()
    for name, w in net.parameters.items():
        decayed = 1e-3 * 0.5 * start.parameters[name] if name.endswith(".weight") else 0.0
        np.testing.assert_allclose(w, still.parameters[name] - decayed, atol=1e-14, err_msg=name)


def test_last_batch_may_be_shorter():
    net, own, x, t = problem()
    plain_fit(net, x, t, optimizer=lamina.SGD(0.1), batch_size=16, epochs=2)
    stepper = Stepper(OPTIMIZERS["SGD"](lr=0.1))
    for _ in range(2):
        for rows in (slice(0, 16), slice(16, 32), slice(32, 40)):
            stepper.step(own.parameters(), own.loss_and_gradients(x[rows], t[rows])[1])
    for key, want in own.parameters().items():
        np.testing.assert_allclose(net.parameters[key], want, rtol=1e-12, atol=1e-14, err_msg=key)


def test_steps_in_float32_stay_close(optimizer):
    if optimizer in SOLVERS:
        pytest.skip("stops by its own tolerance")
    net, own, x, t = problem("float32")
    plain_fit(net, x, t, optimizer=getattr(lamina, optimizer)(), batch_size=ROWS, epochs=10)
    stepper = Stepper(OPTIMIZERS[optimizer]())
    for _ in range(10):
        stepper.step(own.parameters(), own.loss_and_gradients(x, t)[1])
    for key, want in own.parameters().items():
        np.testing.assert_allclose(net.parameters[key], want, atol=1e-4, err_msg=key)


def test_resume_keeps_the_moments():
    for optimizer in (lamina.Adam(1e-2), lamina.SGD(1e-2, momentum=0.9)):
        whole, _, x, t = problem()
        plain_fit(whole, x, t, optimizer=optimizer, batch_size=ROWS, epochs=20)
        parts, _, _, _ = problem()
        plain_fit(parts, x, t, optimizer=optimizer, batch_size=ROWS, epochs=10)
        plain_fit(parts, x, t, optimizer=optimizer, batch_size=ROWS, epochs=10, resume=True)
        for key, want in whole.parameters.items():
            np.testing.assert_array_equal(parts.parameters[key], want, err_msg=key)


def test_a_second_fit_starts_with_fresh_moments():
    net, own, x, t = problem()
    for _ in range(2):
        plain_fit(net, x, t, optimizer=lamina.Adam(1e-2), batch_size=ROWS, epochs=5)
        stepper = Stepper(OPTIMIZERS["Adam"](lr=1e-2))
        for _ in range(5):
            stepper.step(own.parameters(), own.loss_and_gradients(x, t)[1])
    for key, want in own.parameters().items():
        np.testing.assert_allclose(net.parameters[key], want, rtol=1e-11, atol=1e-13, err_msg=key)


@pytest.mark.parametrize("solver", [name for name in SOLVERS if name in lamina.optimizers.names()])
def test_solver_reaches_the_loss_of_scipy(solver):
    net, own, x, t = problem()
    parameters = own.parameters()
    start = np.concatenate([w.ravel() for w in parameters.values()])

    def place(flat):
        for w in parameters.values():
            w[...], flat = flat[: w.size].reshape(w.shape), flat[w.size :]

    def error(flat):
        place(flat)
        value, gradients, _ = own.loss_and_gradients(x, t)
        return value, np.concatenate([gradients[name].ravel() for name in parameters])

    def residuals(flat):
        place(flat)
        return (own.forward(x) - t).ravel() / np.sqrt(ROWS)

    if solver == "LBFGS":
        want = optimize.minimize(error, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS}).fun
    else:
        want = optimize.least_squares(residuals, start, method="lm", max_nfev=STEPS * start.size).cost
    plain_fit(net, x, t, optimizer=getattr(lamina, solver)(), batch_size=ROWS, epochs=STEPS)
    assert net.evaluate(x, t) <= 1.01 * want


def trained(optimizer):
    net, _, x, t = problem()
    plain_fit(net, x, t, optimizer=getattr(lamina, optimizer)(), batch_size=8, epochs=3)
    return net, x, t


def assert_equal_memory(got, want):
    assert {**got, "slots": None} == {**want, "slots": None}
    np.testing.assert_array_equal(got["slots"], want["slots"])


# What each optimizer calls the numbers that it remembers beside its slots.
STATES = {
    "Adam": {"beta1_power", "beta2_power"},
    "AdamW": {"beta1_power", "beta2_power"},
    "NAdam": {"momentum_product", "beta2_power", "decay_power"},
}


def test_the_memory_has_names_and_goes_round(optimizer):
    if optimizer in SOLVERS:
        pytest.skip("keeps nothing between fits")
    net, x, t = trained(optimizer)
    memory = net._core.memory
    assert set(memory) == {"optimizer", "step", "epochs", "state", "slots"}
    assert (memory["optimizer"], memory["step"], memory["epochs"]) == (optimizer, 15, 3)
    assert set(memory["state"]) == STATES.get(optimizer, set())
    other, *_ = problem()
    assert other._core.memory is None
    other._core.memory = memory
    assert_equal_memory(other._core.memory, memory)
    for name, w in other.parameters.items():
        w[...] = net.parameters[name]
    twins = [pickle.loads(pickle.dumps(net)), net.copy(), other]
    for one in (net, *twins):
        plain_fit(one, x, t, optimizer=getattr(lamina, optimizer)(), batch_size=8, epochs=2, resume=True)
    for twin_ in twins:
        assert_equal_memory(twin_._core.memory, net._core.memory)
        for name, w in net.parameters.items():
            np.testing.assert_array_equal(twin_.parameters[name], w, err_msg=name)
    net._core.memory = None
    assert net._core.memory is None


def test_the_powers_of_adam_are_those_of_its_formula():
    state = trained("Adam")[0]._core.memory["state"]
    assert state == {"beta1_power": pytest.approx(0.9**15), "beta2_power": pytest.approx(0.999**15)}


def test_another_rate_goes_on_with_the_state():
    net, x, t = trained("AdamW")
    before = copy.deepcopy(net._core.memory)
    plain_fit(net, x, t, optimizer=lamina.AdamW(0.5, weight_decay=0), batch_size=ROWS, resume=True)
    after = net._core.memory
    assert after["step"] == before["step"] + 1
    assert after["state"]["beta1_power"] == 0.9 * before["state"]["beta1_power"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": "Adma"}, "unknown optimizer 'Adma'; did you mean 'Adam'"),
        ({"optimizer": None}, "'optimizer' cannot be None"),
        ({"optimizer": "SGD"}, "'state' is not one of SGD: .*beta1_power"),
        ({"state": {"beta1_power": 0.5, "power2": 0.5}}, "'beta2_power' is missing"),
        ({"state": {"beta1_power": 0.5, "beta2_power": np.nan}}, "'beta2_power' must be finite"),
        ({"step": -1}, "'step' and 'epochs' must be at least 0"),
        ({"slots": [np.zeros(3)]}, "Adam has 2 slots; got 1"),
        ({"slots": [np.zeros(3), np.zeros(3)]}, r"one number for each of the \d+ parameters; got 3"),
        ({"slots": 7}, "'slots' cannot be 7"),
    ],
)
def test_a_memory_that_does_not_fit_is_refused(change, message):
    net, *_ = trained("Adam")
    before = net._core.memory
    with pytest.raises(ValueError, match=message):
        net._core.memory = before | change
    assert_equal_memory(net._core.memory, before)


@pytest.mark.parametrize("name", ["SGD", *STATES])
def test_pickles_whose_memory_has_no_names(name):
    net = trained(name)[0]
    memory = net._core.memory
    powers = [*memory["state"].values(), 1.0, 1.0, 1.0][:3]
    old = net.__getstate__() | {"memory": (name, memory["slots"], memory["step"], *powers, memory["epochs"])}
    other = lamina.Network.__new__(lamina.Network)
    other.__setstate__(old)
    assert_equal_memory(other._core.memory, memory)
    fresh, *_ = problem()
    other.__setstate__(fresh.__getstate__() | {"memory": ("", [], 0, 1.0, 1.0, 1.0, 0)})
    assert other._core.memory is None


def test_who_wants_all_rows_says_so(optimizer):
    wants = optimizer in ("Rprop", "Quickprop", *SOLVERS)
    assert getattr(lamina, optimizer).full_batch == wants
    if optimizer not in SOLVERS:
        assert lamina.SAM(getattr(lamina, optimizer)()).full_batch == wants
    (described,) = (entry for entry in lamina.optimizers.describe() if entry["name"] == optimizer)
    assert described["full_batch"] == wants
