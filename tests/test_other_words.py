"""Names that other libraries have, and lamina has not: errors that say what to write."""

import copy
import pickle
import re

import numpy as np
import pytest

import lamina
from lamina.other_words import OF_A_HISTORY, OF_A_NETWORK, OF_CALLBACKS, OF_NETWORKS, OF_THE_PACKAGE


def network():
    return lamina.Network([lamina.Dense(3), lamina.Dense(1)], 2)


OWNERS = {
    "Network": network,
    "CascadeNetwork": lambda: lamina.CascadeNetwork(2, 1),
    "Ensemble": lambda: lamina.Ensemble(network(), 2),
}
WORDS = {kind: OF_NETWORKS | (OF_A_NETWORK if kind == "Network" else {}) for kind in OWNERS}


@pytest.mark.parametrize("name", sorted(OF_THE_PACKAGE))
def test_a_name_of_the_package(name):
    with pytest.raises(AttributeError, match=re.escape(f"'lamina' has no attribute {name!r}; {OF_THE_PACKAGE[name]}")):
        getattr(lamina, name)


def test_the_words_are_of_names_that_are_not_there_and_name_those_that_are():
    assert not OF_THE_PACKAGE.keys() & {*lamina.__all__, *dir(lamina)}
    words = (OF_THE_PACKAGE, OF_NETWORKS, OF_A_NETWORK, OF_A_HISTORY, OF_CALLBACKS)
    for advice in {advice for each in words for advice in each.values()}:
        for path in re.findall(r"\blamina((?:\.[A-Za-z_]\w*)+)", advice):
            found = lamina
            for part in path[1:].split("."):
                found = getattr(found, part)
        for name in re.findall(r"\bnet\.(\w+)", advice):
            assert hasattr(network(), name), name
        for name in re.findall(r"\bhistory\.(\w+)", advice):
            assert hasattr(lamina.callbacks.History(), name), name


@pytest.mark.parametrize("kind", OWNERS)
def test_a_name_of_a_network(kind):
    net = OWNERS[kind]()
    there = set(dir(net))
    assert {"fit", "predict", "save"} <= there
    for name in WORDS[kind].keys() - there:
        with pytest.raises(AttributeError) as error:
            getattr(net, name)
        assert str(error.value) == f"'{kind}' object has no attribute {name!r}; {WORDS[kind][name]}"
        for told in re.findall(r"\bnet\.(\w+)", WORDS[kind][name]):
            assert hasattr(net, told), (name, told)
        assert not hasattr(net, name)
    if kind == "Network":
        assert not WORDS[kind].keys() & there
    for value in (net, lamina):
        with pytest.raises(AttributeError, match=r"no attribute 'colour'$"):
            value.colour  # noqa: B018


def test_a_name_of_a_history():
    history = lamina.callbacks.History(loss=[1.0])
    for name, advice in OF_A_HISTORY.items():
        with pytest.raises(AttributeError, match=re.escape(f"'History' object has no attribute {name!r}; {advice}")):
            getattr(history, name)
    assert not OF_A_HISTORY.keys() & {*dir(history)}
    assert pickle.loads(pickle.dumps(history)) == copy.deepcopy(history) == history


@pytest.mark.parametrize("name", OF_CALLBACKS)
def test_a_callback_of_another_library(name):
    hook = type(name, (), {})()
    message = rf"callbacks\[1\] must be callable with an Epoch; got .*{name} .*: {re.escape(OF_CALLBACKS[name])}$"
    with pytest.raises(TypeError, match=message):
        network().fit(np.zeros((20, 2)), np.zeros(20), callbacks=[print, hook])
    with pytest.raises(TypeError, match=r"must be callable with a CascadeStage; got <[^:]*>$"):
        lamina.CascadeNetwork(2, 1).fit(np.zeros((20, 2)), np.zeros(20), callbacks=[hook])


def test_early_stopping_is_no_callback():
    with pytest.raises(TypeError, match=r"fit takes early_stopping=lamina\.EarlyStopping\(patience=10\)"):
        network().fit(np.zeros((20, 2)), np.zeros(20), callbacks=[lamina.EarlyStopping()])


def test_what_a_subclass_mixes_in_is_found():
    class Scored:
        weights = 3

        def score(self, X, y):
            return 1.0

    class Mine(lamina.Network, Scored):
        pass

    mine = Mine([lamina.Dense(1)], 2)
    assert mine.score(1, 2) == 1.0
    assert mine.weights == 3
    assert {"score", "weights"} <= {*dir(mine)}
    with pytest.raises(AttributeError, match="'Mine' object has no attribute 'compile'; there is nothing to compile"):
        mine.compile  # noqa: B018


@pytest.mark.parametrize("kind", OWNERS)
def test_copies_and_pickles_are_as_before(kind):
    net = OWNERS[kind]()
    for twin in (copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert type(twin) is type(net)
        assert repr(twin) == repr(net)
    assert not hasattr(object.__new__(type(net)), "anything")  # as when a pickle is read


def test_what_is_there_is_looked_up_as_ever():
    """Python takes the long way round for classes that have these."""
    assert not hasattr(lamina.Network, "__getattr__")
    assert lamina.Network.__getattribute__ is object.__getattribute__
    net = network()
    net.compile = 3
    assert net.compile == 3
    assert "compile" in dir(net)


def test_scikit_learn_s_clone_takes_an_estimator_with_a_network():
    from sklearn.base import clone

    X = np.random.default_rng(0).normal(size=(20, 2))
    made = lamina.CascadeRegressor(max_units=1).fit(X, X[:, 0])
    assert clone(made).get_params() == made.get_params()
