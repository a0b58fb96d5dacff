"""Every activation and its derivative against the reference: a million points, and the special values."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import lamina
from conftest import show_worst, ulp_error
from reference.activations import ACTIVATIONS, ALIASES, THRESHOLDS

POINTS = 1_000_000
PARTS = ("value", "derivative")
# Derivatives that pass through 0 where their terms do not: relative accuracy ends at the size of the terms.
CROSSING = ("gelu", "gelu_exact", "silu", "mish", "hard_swish")
CONSTANT_DERIVATIVE = ("identity", "heaviside", "sign")
OTHER_PARAMETERS = [
    ("leaky_relu", {"alpha": 0.3}),
    ("elu", {"alpha": 0.2}),
    ("isru", {"alpha": 3.0}),
    ("isrlu", {"alpha": 0.25}),
    ("celu", {"alpha": 2.5}),
    ("squareplus", {"b": 0.5}),
]


def compute(f, part, x):
    """f(x) or f.derivative(x), with every warning an error."""
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        return f(x) if part == "value" else f.derivative(x)


def exact(name, part, x, params=None):
    """The reference at exactly these inputs, in more precision than theirs."""
    wide = x.astype(np.float64 if x.dtype == np.float32 else np.longdouble)
    with np.errstate(all="ignore"):
        return getattr(ACTIVATIONS[name], part)(wide, **(params or {}))


def sample(dtype, seed, n=POINTS):
    """Half of the points where the functions bend, half spread over every exponent of the format."""
    rng = np.random.default_rng(seed)
    near = rng.uniform(-12, 12, n // 2)
    info = np.finfo(dtype)
    exponents = rng.uniform(np.log2(float(info.smallest_subnormal)), np.log2(float(info.max)), n - n // 2)
    far = np.exp2(exponents) * rng.choice([-1, 1], n - n // 2)
    return np.concatenate([near, far]).astype(dtype).reshape(-1, 10)


def special(dtype):
    info = np.finfo(dtype)
    sizes = [0.0, info.smallest_subnormal, 37 * info.smallest_subnormal, info.smallest_normal, info.eps, 1.0, 2.0]
    sizes += [np.nextafter(dtype(1), dtype(2)), 10.0, 88.0, 104.0, 709.0, 746.0, info.max / 4, info.max, np.inf, np.nan]
    # Each twice side by side, so that even and odd units meet it.
    return np.repeat(np.array([[s, -s] for s in sizes], dtype=dtype).ravel(), 2).reshape(-1, 2)


def disagreement(name, part, got, want):
    """By how much float64 results miss 1e-13 relative, as a multiple of it."""
    tiny = 1e-2 if part == "derivative" and name in CROSSING else 1e-30
    with np.errstate(all="ignore"):
        error = np.abs(got - want) / (1e-13 * np.maximum(np.abs(want), tiny))
        rounded = want.astype(np.float64)
    same = (got == rounded) | (np.isnan(got) & np.isnan(want))
    return np.where(same, 0.0, np.where(np.isnan(error), np.inf, error)).astype(np.float64)


def check_accuracy(name, part, x, params=None):
    f = lamina.activations.get(name, **(params or {}))
    got, want = compute(f, part, x), exact(name, part, x, params)
    assert got.dtype == x.dtype
    assert got.shape == x.shape
    if x.dtype == np.float32:
        error, limit = ulp_error(got, want), 4.0
    else:
        error, limit = disagreement(name, part, got, want), 1.0
    assert error.max() <= limit, f"{name}'s {part}, {np.sum(error > limit)} of {x.size} points:\n" + show_worst(
        x, got, want, error
    )


def test_none_is_told_the_name_of_no_activation():
    with pytest.raises(TypeError, match="got NoneType, which is 'identity' here"):
        lamina.activations.get(None)
    assert "identity" in lamina.activations.names()


def test_registry_has_every_name():
    assert set(ACTIVATIONS) <= set(lamina.activations.names())


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_alias(alias, name):
    assert lamina.activations.get(alias).name == name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("part", PARTS)
def test_million_points(activation, part, dtype):
    check_accuracy(activation, part, sample(dtype, seed=1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(("name", "params"), OTHER_PARAMETERS)
def test_other_parameters(name, params, part, dtype):
    assert lamina.activations.get(name, **params).params == params
    check_accuracy(name, part, sample(dtype, seed=2, n=100_000), params)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("part", PARTS)
def test_special_values(activation, part, dtype):
    x = special(dtype)
    if part == "derivative" and activation in CONSTANT_DERIVATIVE:
        x = x[~np.isnan(x[:, 0])]
    f = lamina.activations.get(activation)
    got, want = compute(f, part, x), exact(activation, part, x)
    with np.errstate(all="ignore"):
        rounded = want.astype(dtype)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(rounded), err_msg="NaN in must give NaN out, and only then")
    np.testing.assert_array_equal(np.isinf(got), np.isinf(rounded), err_msg=f"infinities differ, x = {x}")
    if dtype == np.float32:
        error, limit = ulp_error(got, want), 4
    else:
        error, limit = disagreement(activation, part, got, want), 1
    assert error.max() <= limit, show_worst(x, got, want, error)
    if part == "value":
        small = np.abs(x[:, 0]) <= np.finfo(dtype).eps
        error = ulp_error(got[small], want[small])
        assert error.max() <= 4, "near 0:\n" + show_worst(x[small], got[small], want[small], error)


def test_thresholds_say_how_they_train():
    for name in THRESHOLDS:
        f = lamina.activations.get(name)
        x = np.array([-2.0, -0.5, -0.0, 0.0, 0.5, 2.0])
        np.testing.assert_array_equal(f.derivative(x), 0)
        assert f(np.array([0.0, -0.0])).tolist() == [1, 1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_result_does_not_depend_on_the_position(activation, dtype, rng):
    f = lamina.activations.get(activation)
    x = (rng.normal(size=(37, 1)) * 4).astype(dtype)
    rows = np.repeat(x, 46, axis=1)  # 46 columns: every lane and every remainder
    for part in PARTS:
        whole = compute(f, part, rows)
        if activation == "bipolar_relu":
            whole, one = whole[:, ::2], compute(f, part, x)
        else:
            one = compute(f, part, x)
        np.testing.assert_array_equal(whole, np.repeat(one, whole.shape[1], axis=1))


@settings(max_examples=25, deadline=None)
@given(
    x=hnp.arrays(
        dtype=st.sampled_from([np.float32, np.float64]),
        shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
        elements=st.floats(-20, 20, width=32),
    ),
    part=st.sampled_from(PARTS),
)
def test_any_shape(x, part):
    f = lamina.activations.get("tanh")
    before = x.copy()
    got = compute(f, part, x)
    assert got.shape == x.shape
    assert got.dtype == x.dtype
    np.testing.assert_array_equal(x, before)
    np.testing.assert_allclose(got, exact("tanh", part, np.atleast_1d(x)).reshape(x.shape), rtol=1e-6)


def test_strided_and_fortran_input(activation, rng):
    f = lamina.activations.get(activation)
    x = rng.normal(size=(6, 8))
    for part in PARTS:
        want = compute(f, part, x)
        np.testing.assert_array_equal(compute(f, part, np.asfortranarray(x)), want)
        np.testing.assert_array_equal(compute(f, part, np.repeat(x, 2, axis=0)[::2]), want)
        np.testing.assert_array_equal(compute(f, part, x[:0]), want[:0])
