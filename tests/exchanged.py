"""What the tests of networks that go to other libraries and come back have in common."""

import numpy as np
import pytest

import zoo

#: Of activations, other than their defaults.
OTHER_PARAMETERS = {
    "leaky_relu": {"alpha": 0.2},
    "elu": {"alpha": 0.3},
    "celu": {"alpha": 0.5},
    "squareplus": {"b": 1.5},
}


def assert_same_weights(one, other):
    """The same arrays in the same order, to the last bit."""
    for (name, a), b in zip(one.parameters.items(), other.parameters.values(), strict=True):
        assert a.dtype == b.dtype, name
        np.testing.assert_array_equal(a, b, err_msg=name)
    assert one.scales.keys() == other.scales.keys()
    for name, array in one.scales.items():
        np.testing.assert_array_equal(array, other.scales[name])


@pytest.fixture(scope="module")
def trained():
    """The networks of the zoo, each trained once, with samples."""
    made = {}

    def of(number):
        if number not in made:
            net, _, _ = zoo.train(number)
            x, lengths = zoo.samples(number, np.random.default_rng(50 + number), 40)
            made[number] = net, x.astype(net.dtype), lengths
        return made[number]

    return of
