"""Fixtures made from lamina's registries, so that a new entry is tested because it is there; and a measure of ULPs."""

import errno
import os
import signal
import sys
from functools import partial

import numpy as np
import pytest

import lamina
from reference import initializers
from reference.activations import ACTIVATIONS
from reference.losses import LOSSES
from reference.optimizers import OPTIMIZERS

# Tests that try at random try so many times as much: LAMINA_TEST_TIMES=100 for an hour.
TIMES = int(os.environ.get("LAMINA_TEST_TIMES", "1"))

# What a test that asks for one of these arguments runs over.
REGISTRIES = {
    "activation": (lamina.activations, set(ACTIVATIONS)),
    "loss": (lamina.losses, set(LOSSES)),
    "optimizer": (lamina.optimizers, {*OPTIMIZERS, "LBFGS", "LevenbergMarquardt"}),
    "initializer": (lamina.initializers, set(initializers.NAMES)),
}


def pytest_configure():
    # A shell starts what runs in the background with Ctrl-C ignored; some tests press it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_generate_tests(metafunc):
    for argument, (registry, _) in REGISTRIES.items():
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, registry.names())


@pytest.fixture(autouse=True)
def _known_to_the_reference(request):
    parameters = getattr(getattr(request.node, "callspec", None), "params", {})
    for argument, (_, known) in REGISTRIES.items():
        name = parameters.get(argument)
        if name is not None and name not in known:
            pytest.fail(f"the {argument} {name!r} has no NumPy reference: add it to tests/reference", pytrace=False)


@pytest.fixture
def rng():
    return np.random.default_rng(20240607)


def ulp_error(got, exact):
    """How far `got` is from `exact` (of higher precision), in units of got's last place at the exact value."""
    with np.errstate(all="ignore"):
        rounded = exact.astype(got.dtype)
        error = np.abs(got.astype(exact.dtype) - exact) / np.spacing(np.abs(rounded)).astype(exact.dtype)
    same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    return np.where(same, 0.0, np.where(np.isnan(error), np.inf, error))


def show_worst(x, got, exact, error, count=5):
    """The worst points as text, for an assertion's message."""
    order = np.argsort(error.ravel())[::-1][:count]
    return "\n".join(
        f"x = {x.ravel()[i]!r}: got {got.ravel()[i]!r}, exact {exact.ravel()[i]!r}, error {error.ravel()[i]:.3g}"
        for i in order
    )


def draw_targets(rng, loss, n, outputs):
    """Targets fit for the loss of this name: labels of all classes, or (n, outputs)."""
    loss = lamina.losses.get(loss)
    if loss.targets == "classes" or loss.target_domain["whole"]:
        labels = rng.integers(max(outputs, 2), size=n)
        labels[: max(outputs, 2)] = np.arange(max(outputs, 2))[:n]
        return labels
    if loss.targets == "binary":
        return rng.integers(2, size=(n, outputs))
    if loss.targets == "count":
        return rng.poisson(1.5, size=(n, outputs)).astype(float)
    return rng.normal(size=(n, outputs))


@pytest.fixture
def targets_for(rng):
    """`draw_targets` with this test's draws."""
    return partial(draw_targets, rng)


@pytest.fixture(autouse=True)
def _no_figures_left():
    """What a test has drawn is not open in the next one."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


@pytest.fixture
def close_folder(monkeypatch):
    """Return what closes all folders, as they are to others than root: no file is made in them."""

    def close():
        real = os.open

        def opened(path, flags, *args, **kwargs):
            if flags & (os.O_CREAT | getattr(os, "O_TMPFILE", 0) & ~os.O_DIRECTORY):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
            return real(path, flags, *args, **kwargs)

        monkeypatch.setattr(os, "open", opened)

    return close
