"""The reference is itself checked: against mpmath, against central differences, and against SciPy's minimisers."""

import mpmath
import numpy as np
import pytest

from conftest import draw_targets
from reference import cascade, initializers, losses, optimizers, regularisation
from reference.activations import ACTIVATIONS, THRESHOLDS
from reference.losses import LOSSES
from reference.network import BatchNorm, Dense, Dropout, Network, Normalizer
from reference.recurrent import RecurrentNetwork

mpmath.mp.dps = 450  # 1 + tanh(-500) has 430 zeros before its first digit
FORMULAS = {
    "logistic": lambda x: 1 / (1 + mpmath.exp(-x)),
    "tanh": mpmath.tanh,
    "arctan": mpmath.atan,
    "elu": lambda x: x if x > 0 else mpmath.expm1(x),
    "softsign": lambda x: x / (1 + abs(x)),
    "isru": lambda x: x / mpmath.sqrt(1 + x * x),
    "isrlu": lambda x: x if x >= 0 else x / mpmath.sqrt(1 + x * x),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "gaussian": lambda x: mpmath.exp(-x * x),
    "gelu": lambda x: x * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf(0.044715) * x**3))) / 2,
    "gelu_exact": lambda x: x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
    "silu": lambda x: x / (1 + mpmath.exp(-x)),
    "mish": lambda x: x * mpmath.tanh(mpmath.log1p(mpmath.exp(x))),
    "selu": lambda x: (
        mpmath.mpf("1.0507009873554804934193349852946")
        * (x if x > 0 else mpmath.mpf("1.6732632423543772848170429916717") * mpmath.expm1(x))
    ),
    "celu": lambda x: x if x > 0 else mpmath.expm1(x),
    "squareplus": lambda x: (x + mpmath.sqrt(x * x + 4)) / 2,
}
POINTS = np.array(
    [-30.7, -12.3, -6.1, -2.9, -1.1, -0.76, -0.3, -1e-3, -1e-9, 1e-9, 0.02, 0.4, 1.3, 2.4, 5.3, 7.7, 31.0]
)


def central(function, w, step=1e-6):
    """Central differences of a scalar function of the array w, which is restored."""
    gradient = np.zeros_like(w)
    for i in np.ndindex(w.shape):
        kept = w[i]
        w[i] = kept + step
        up = function()
        w[i] = kept - step
        gradient[i] = (up - function()) / (2 * step)
        w[i] = kept
    return gradient


@pytest.mark.parametrize("dtype", [np.float64, np.longdouble])
@pytest.mark.parametrize("name", FORMULAS)
def test_activation_against_mpmath(name, dtype):
    x = POINTS.astype(dtype)
    rtol = 4e-15 if dtype is np.longdouble else 5e-14  # exp(-u) magnifies the rounding of u by |u|
    value = [FORMULAS[name](mpmath.mpf(float(p))) for p in POINTS]
    np.testing.assert_allclose(ACTIVATIONS[name].value(x), np.array(value, dtype=np.float64), rtol=rtol, atol=1e-300)
    slope = [mpmath.diff(FORMULAS[name], mpmath.mpf(float(p)), h=mpmath.mpf(10) ** -400) for p in POINTS]
    np.testing.assert_allclose(
        ACTIVATIONS[name].derivative(x), np.array(slope, dtype=np.float64), rtol=rtol, atol=3e-16
    )


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_against_central_differences(name):
    f = ACTIVATIONS[name]
    x = np.concatenate([POINTS, POINTS]).reshape(2, -1)
    away = np.abs(x) > 1e-5  # from the kinks
    difference = (f.value(x + 1e-6) - f.value(x - 1e-6)) / 2e-6
    np.testing.assert_allclose(f.derivative(x)[away], difference[away], rtol=1e-6, atol=4e-9)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_limits(name):
    with np.errstate(all="ignore"):
        x = np.array([[-np.inf, -np.inf, np.inf, np.inf, np.nan, np.nan]])
        far = np.array([[-1e300, -1e300, 1e300, 1e300]])
        f = ACTIVATIONS[name]
        value, slope = f.value(x), f.derivative(x)
        bounded = np.abs(f.value(far)) < 1e250
        np.testing.assert_allclose(value[:, :4][bounded], f.value(far)[bounded], rtol=1e-15, atol=1e-280)
        assert np.all(np.isinf(value[:, :4][~bounded]))
        assert np.all(np.isnan(value[:, 4:]))
        np.testing.assert_allclose(slope[:, :4], f.derivative(far), rtol=1e-15, atol=1e-280)


@pytest.mark.parametrize("name", LOSSES)
def test_loss_derivative(name):
    rng = np.random.default_rng(1)
    y = rng.normal(size=(7, 3)) * 2
    t = losses.targets(draw_targets(rng, name, 7, 3), 3)
    np.testing.assert_allclose(
        LOSSES[name].derivative(y, t), central(lambda: LOSSES[name].value(y, t).sum(), y), atol=1e-7
    )


def test_label_smoothing_derivative():
    rng = np.random.default_rng(1)
    y, t = rng.normal(size=(7, 3)), np.eye(3)[rng.integers(3, size=7)]
    difference = central(lambda: losses.cross_entropy(y, t, 0.1).sum(), y)
    np.testing.assert_allclose(losses.cross_entropy_derivative(y, t, 0.1), difference, atol=1e-8)


@pytest.mark.parametrize("loss_name", LOSSES)
@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name not in THRESHOLDS])
def test_network_gradients(name, loss_name):
    rng = np.random.default_rng(3)
    slope = rng.uniform(0.1, 0.4, size=4) if name == "prelu" else None
    net = Network(
        [
            Dense(rng.normal(size=(3, 4)), rng.normal(size=4), name, slope=slope),
            BatchNorm(rng.uniform(0.5, 2, size=4), rng.normal(size=4)),
            Dropout(0.4, rng.random(size=(9, 4)) > 0.4),
            Dense(0.3 * rng.normal(size=(4, 2)), rng.normal(size=2)),
        ],
        loss_name,
    )
    x, t = rng.normal(size=(9, 3)), draw_targets(rng, loss_name, 9, 2)
    weight = rng.uniform(0.2, 3, size=9)

    def error():
        return net.loss_and_gradients(x, t, weight, l1=0.03, l2=0.02)[0]

    _, gradients, dE_dx = net.loss_and_gradients(x, t, weight, l1=0.03, l2=0.02)
    for key, w in net.parameters().items():
        np.testing.assert_allclose(gradients[key], central(error, w), atol=2e-8, rtol=1e-7, err_msg=key)
    np.testing.assert_allclose(dE_dx, central(error, x), atol=2e-8, rtol=1e-7)


@pytest.mark.parametrize("kind", ["elman", "jordan"])
def test_back_propagation_through_time(kind):
    rng = np.random.default_rng(4)
    shapes = {"W": (3, 4), "U": (4 if kind == "elman" else 2, 4), "b": (4,), "V": (4, 2), "c": (2,)}
    net = RecurrentNetwork(**{name: rng.normal(size=shape) for name, shape in shapes.items()}, g="tanh", kind=kind)
    x, t, lengths = rng.normal(size=(5, 6, 3)), rng.normal(size=(5, 6, 2)), [6, 1, 3, 5, 2]

    def error():
        y = net.forward(x, lengths)
        return 0.5 * np.sum(((t - y) * net.mask[:, :, None]) ** 2)

    error()
    gradients = net.backward((np.stack(net.y, axis=1) - t) * net.mask[:, :, None])
    for name in shapes:
        np.testing.assert_allclose(gradients[name], central(error, getattr(net, name)), atol=1e-7, err_msg=name)


def test_correlation_gradient():
    rng = np.random.default_rng(5)
    w, inputs, error = rng.normal(size=4), rng.normal(size=(20, 4)), rng.normal(size=(20, 3))
    difference = central(lambda: cascade.correlation(w, inputs, error), w)
    np.testing.assert_allclose(cascade.correlation_gradient(w, inputs, error), difference, atol=1e-7)


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_optimizers_minimise_a_quadratic(name):
    scale = np.array([1.0, 3.0, 10.0])
    w = {"0.weight": np.array([[1.0, -2.0, 3.0]])}
    rate = 0.5 if name == "Adagrad" else 0.05
    stepper = optimizers.Stepper(optimizers.OPTIMIZERS[name](lr=rate))
    for step in range(2000):
        stepper.rule.lr = rate * (1 - step / 2000)  # steps of a fixed size end beside the minimum
        stepper.step(w, {"0.weight": scale * (w["0.weight"] - 1)})
    np.testing.assert_allclose(w["0.weight"], 1, atol=0.06)


def test_clipping():
    rng = np.random.default_rng(6)
    w = {"0.weight": rng.normal(size=(5, 3)), "0.bias": np.zeros(3), "1.weight": rng.normal(size=(3, 2))}
    g = {name: 10 * rng.normal(size=array.shape) for name, array in w.items()}
    assert np.isclose(regularisation.global_norm(regularisation.clip_norm(g, 1.0)), 1.0)
    clipped = regularisation.agc(w, g, last_layer=1)
    ratio = np.linalg.norm(clipped["0.weight"], axis=0) / np.linalg.norm(w["0.weight"], axis=0)
    np.testing.assert_allclose(ratio, 0.01)
    np.testing.assert_allclose(np.abs(clipped["0.bias"]), 1e-5)
    assert clipped["1.weight"] is g["1.weight"]


def test_sharpness_aware_step():
    w = {"0.weight": np.array([3.0, 4.0])}
    stepper = optimizers.Stepper(optimizers.SGD(lr=0.1))
    regularisation.sam_step(w, lambda: {"0.weight": w["0.weight"].copy()}, stepper, rho=0.5)
    np.testing.assert_allclose(w["0.weight"], np.array([3.0, 4.0]) - 0.1 * np.array([3.3, 4.4]))


def test_normalizer_leaves_constant_columns_finite():
    x = np.array([[1.0, 7.0], [3.0, 7.0]])
    np.testing.assert_allclose(Normalizer.fit(x)(x), [[-1, 0], [1, 0]])


def test_initializer_bounds():
    assert initializers.bound("glorot_uniform", 10, 20) == pytest.approx(np.sqrt(6 / 30))
    assert initializers.bound("he_uniform", 10, 20) == pytest.approx(np.sqrt(6 / 10))
