"""What code and pickles from before the package had rooms look for is still where they look.

`reference/old_names.json` was written by the package of that time: its public names and its classes by module, and
pickles (deflated, base64) with some of what came out of the objects in them.
"""

import base64
import json
import pickle
import warnings
import zlib
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import lamina

OLD = json.loads((Path(__file__).parent / "reference" / "old_names.json").read_text())
X, S = np.array(OLD["data"]["X"], np.float32), np.array(OLD["data"]["S"])
Y = np.array(OLD["data"]["y"])


def unpickled(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of other versions than its own
        return pickle.loads(zlib.decompress(base64.b64decode(OLD["pickles"][name])))


def check(values, name):
    np.testing.assert_allclose(values[:5], OLD["expected"][name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("module", OLD["public"])
def test_public_names_are_where_they_were(module):
    found = import_module(module)
    assert [name for name in OLD["public"][module] if not hasattr(found, name)] == []


@pytest.mark.parametrize("module", OLD["classes"])
def test_classes_are_found_by_their_old_modules(module):
    found = import_module(module)
    for name in OLD["classes"][module]:
        kind = getattr(found, name)
        assert isinstance(kind, type)
        assert getattr(import_module(kind.__module__), kind.__qualname__) is kind
        if hasattr(lamina, name):
            assert getattr(lamina, name) is kind


def test_a_network_goes_on_where_it_was():
    net = unpickled("network")
    assert type(net) is lamina.Network
    assert type(net.history) is lamina.History
    assert net.metadata == {"made": "by 0.1"}
    check(net.predict(X), "network")
    net.fit(X, Y, epochs=2, validation=None, resume=True, n_threads=1)
    check(net.predict(X), "network_resumed")


def test_a_recurrent_network_goes_on_where_it_was():
    net = unpickled("recurrent")
    check(net.predict(S), "recurrent")
    check(net.step(S[:2, 1]), "recurrent_step")
    net.fit(S, S[:, -1, 0], epochs=1, validation=None, optimizer="rprop", resume=True, n_threads=1)
    check(net.predict(S), "recurrent_resumed")


def test_a_grown_network():
    net = unpickled("cascade")
    assert type(net) is lamina.CascadeNetwork
    assert type(net.history) is lamina.cascade.CascadeHistory
    check(net.predict(X), "cascade")
    assert net.at(0).n_units == 0


def test_what_was_chosen_by_validation():
    cv, ensemble, search = unpickled("cross_validation"), unpickled("ensemble"), unpickled("search")
    check(cv.out_of_fold, "cross_validation")
    check(cv.refit(n_threads=1).predict(X), "cross_validation_refit")
    check(ensemble.predict(X), "ensemble")
    check(search.refit(n_threads=1).predict(X), "search_refit")
    assert "score" in search.table()


def test_estimators():
    classifier, cascade = unpickled("classifier"), unpickled("cascade_classifier")
    check(classifier.predict_proba(X), "classifier")
    check(classifier.partial_fit(X, Y).predict_proba(X), "classifier_further")
    check(cascade.predict_proba(X), "cascade_classifier")
    assert np.isfinite(unpickled("recurrent_regressor").predict(np.sin(np.arange(30) / 3))).all()


def test_records_and_options():
    assert "loss" in str(unpickled("diagnosis"))
    assert unpickled("history").epochs == 3
    for option in unpickled("options"):
        assert repr(option) == repr(pickle.loads(pickle.dumps(option)))
