"""What notebooks show of networks and results: whole fragments without scripts, in which all text is text."""

from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

import lamina
import zoo
from lamina.callbacks import History
from lamina.html import drawings
from lamina.html.elements import element, fragment

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
HOSTILE = "<script>alert('&\"')</script>\x00\ud800"
COLOURS = {"none", "currentColor", drawings.FIRST, drawings.SECOND}


def network(**options):
    return lamina.Network([lamina.Dense(4, "tanh"), lamina.Dense(2)], n_inputs=3, loss="cross_entropy", **options)


def fitted(**options):
    net = network()
    net.fit(X, Y, **{"epochs": 3, **options})
    return net


def searched(scoring=None):
    def build(units, note):
        if units == 3:
            raise LookupError(HOSTILE)
        return lamina.Network([lamina.Dense(units), lamina.Dense(2)], n_inputs=3, loss="cross_entropy")

    space = {"units": [2, 3, 4], "note": [HOSTILE]}
    with pytest.warns(UserWarning, match="1 of 3 trials failed"):
        return lamina.search(build, space, X, Y, validation=0.2, epochs=2, scoring=scoring)


def diverged():
    net = lamina.Network([lamina.Dense(4), lamina.Dense(1)], n_inputs=3)
    with pytest.warns(lamina.DivergenceWarning):
        net.fit(X, 1e30 * X[:, 0], epochs=3, optimizer=lamina.SGD(1e30))
    return net


def grown():
    net = lamina.CascadeNetwork(3, max_units=2)
    net.fit(X, Y)
    return net


SHOWN = {
    "network": network,
    "fitted network": fitted,
    "hostile metric": lambda: fitted(metrics={HOSTILE: "auc"}).history,
    "scored": lambda: fitted(scoring="auc").history,
    "no validation": lambda: fitted(validation=None, early_stopping=None),
    "one epoch": lambda: fitted(epochs=1).history,
    "no epoch": History,
    "diverged": diverged,
    "of infinite losses": lambda: History([np.inf, np.nan], [np.nan] * 2, [1.0] * 2, 1, HOSTILE),
    "long": lambda: History(list(np.geomspace(1e3, 1e-3, 5000)), [], [1.0] * 5000, 5000, "all epochs done"),
    "folds": lambda: lamina.cross_validate(network(), X, Y, k=3, epochs=3),
    "search": searched,
    "search by a score": lambda: searched("accuracy"),
    "ensemble": lambda: lamina.Ensemble(network(), 2),
    "fitted ensemble": lambda: lamina.Ensemble(network(), 2).fit(X, Y, epochs=2),
    "cascade": lambda: lamina.CascadeNetwork(3),
    "grown cascade": grown,
}


class Reader(HTMLParser):
    """Elements that are open, those that were met, and all text."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.met, self.text = [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.met.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def check(text):
    """Whether a fragment is whole, stands alone, and has the colours of its page."""
    found = Reader(text)
    assert found.open == []
    tags = {tag for tag, _ in found.met}
    assert not tags & {"script", "style", "link", "img", "iframe", "object", "foreignObject", "a"}
    assert "://" not in text
    assert "url(" not in text
    for _, attributes in found.met:
        assert not [name for name in attributes if name.startswith("on") or name in ("href", "src", "id", "class")]
        assert {attributes[name] for name in ("fill", "stroke") if name in attributes} <= COLOURS
        for name in ("x", "y", "cx", "cy", "width", "height", "points"):
            assert "nan" not in attributes.get(name, "")
            assert "inf" not in attributes.get(name, "")
    assert "\x00" not in text
    text.encode()
    ElementTree.fromstring(text)  # it is XML, too: no empty element, no bare ampersand
    return found


@pytest.mark.parametrize("kind", SHOWN)
def test_a_fragment_is_whole_and_stands_alone(kind):
    shown = SHOWN[kind]()
    found = check(shown._repr_html_())
    assert shown._repr_html_() == shown._repr_html_()
    if any(word in kind for word in ("hostile", "infinite", "search")):
        assert "<script>alert('&\"')</script>\ufffd\ufffd" in found.text


@pytest.mark.parametrize("number", range(zoo.COUNT))
def test_every_kind_of_layer_is_drawn(number):
    """In the twenty networks that together have every layer of the registry."""
    net = zoo.build(number)
    blocks = net.blocks()
    assert [block.name for block in blocks] == ["Input", *(type(layer).__name__ for layer in net.layers)]
    assert [block.width for block in blocks] == [net.n_inputs, *net.core.layer_outputs]
    assert sum(block.parameters for block in blocks) == sum(
        net.parameters[name].size for name in net.core.trained_names
    )
    assert [block.recurrent for block in blocks[1:]] == [isinstance(layer, lamina.Recurrent) for layer in net.layers]
    check(net._repr_html_())


def test_a_network_shows_its_layers_and_its_fit():
    net = fitted(metrics=["auc"])
    text = Reader(net._repr_html_()).text
    for word in ("Network: 3 inputs, 2 outputs", "tanh", "16 par.", "cross_entropy", "training loss", "auc of the"):
        assert word in text
    assert net.history.stop_reason in text


def test_a_search_shows_what_failed_and_the_best_ten():
    found = lamina.search(
        lambda units: lamina.Network([lamina.Dense(units), lamina.Dense(2)], n_inputs=3, loss="cross_entropy"),
        {"units": list(range(1, 13))},
        X,
        Y,
        validation=0.2,
        epochs=1,
    )
    text = Reader(found._repr_html_()).text
    assert "Search: 12 trials" in text
    assert "the best 10 of 12" in text
    assert "failed" in Reader(searched()._repr_html_()).text


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0], [np.nan], [], [0.1, 0.3, np.inf], [1e-300, 1e300]])
def test_drawings_of_few_and_of_odd_values(values):
    pictures = [
        drawings.curves([drawings.Line("a", drawings.FIRST, [values])], "title", 1),
        drawings.strip(values, "title"),
        drawings.trials(values, True, "title"),
    ]
    finite = np.isfinite(values).any()
    for picture in pictures:
        assert (picture is not None) == bool(finite)
        if picture is not None:
            check(fragment(element("div", picture)))


def test_estimators_show_their_network_below_scikit_learns_diagram():
    pytest.importorskip("sklearn")
    estimator = lamina.MLPClassifier((4,), max_iter=300, random_state=0, early_stopping=True)
    before = estimator._repr_mimebundle_()["text/html"]
    assert "Network:" not in before
    estimator.fit(X, Y)
    bundle = estimator._repr_mimebundle_()
    own = estimator.network_._repr_html_()
    assert bundle["text/html"].endswith(own)
    assert estimator._repr_html_().endswith(own)
    assert "Network" not in bundle["text/plain"]
    import sklearn

    with sklearn.config_context(display="text"):
        assert "text/html" not in estimator._repr_mimebundle_()
        assert not hasattr(estimator, "_repr_html_")


def test_tabular_estimators_show_the_curves_of_their_networks():
    pytest.importorskip("narwhals")
    pytest.importorskip("sklearn")
    model = lamina.TabularClassifier(epochs=3, n_members=2, random_state=0).fit(X, Y)
    assert "2 networks" in model._repr_html_()


# By matplotlib -------------------------------------------------------------------------------------------------------


def test_a_network_draws_its_layers(tmp_path):
    pytest.importorskip("matplotlib")
    net = lamina.Network([lamina.Recurrent(1000), lamina.Dropout(0.25), lamina.Dense(2, "relu")], n_inputs=3)
    path = tmp_path / "net.png"
    ax = net.plot(path=path)
    assert path.read_bytes()[:4] == b"\x89PNG"
    texts = [text.get_text() for text in ax.texts]
    for word in ("3", "1,000", "Recurrent", "Dropout", "0.25", "relu", "2,002 par."):
        assert word in texts
    assert net.plot(ax=ax) is ax
    with pytest.raises(TypeError, match=r"net must be a lamina\.Network; got int"):
        lamina.plots.layer_diagram(3)


def test_metrics_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    net = fitted(metrics=["auc", "accuracy", "log_loss"])
    ax = lamina.plots.metric_curves(net, path=tmp_path / "metrics.svg")
    assert [line.get_label() for line in ax.lines][:3] == ["auc", "accuracy", "log_loss"]
    assert list(ax.lines[0].get_ydata()) == net.history.metrics["auc"]
    assert len(lamina.plots.metric_curves(net.history, ["accuracy"]).lines) == 2
    with pytest.raises(ValueError, match="names must be of 'auc', 'accuracy', 'log_loss'; got 'f1'"):
        lamina.plots.metric_curves(net, ["f1"])
    with pytest.raises(ValueError, match="history has no metrics to draw"):
        lamina.plots.metric_curves(fitted())
    with pytest.raises(ValueError, match="history has no metrics to draw"):
        lamina.plots.metric_curves(fitted(), ["auc"])


def test_scores_of_folds_and_trials_as_frames():
    pytest.importorskip("pandas")
    folds = lamina.cross_validate(network(), X, Y, k=3, epochs=3)
    frame = folds.to_frame()
    assert list(frame["score"]) == list(folds.scores)
    assert list(frame["held_out"]) == [40] * 3
    polars = pytest.importorskip("polars")
    space = {"units": [2, 3], "optimizer": [lamina.Adam(0.01), "rprop"], "l2": [0, 0.5]}
    found = lamina.search(
        lambda units: lamina.Network([lamina.Dense(units), lamina.Dense(2)], n_inputs=3, loss="cross_entropy"),
        space,
        X,
        Y,
        validation=0.2,
        epochs=1,
    )
    frame = found.to_frame("polars")
    assert isinstance(frame, polars.DataFrame)
    assert frame["score"].to_list() == [trial["score"] for trial in found.ranked]
    assert frame["l2"].to_list() == [float(trial["params"]["l2"]) for trial in found.ranked]
    assert frame["optimizer"].to_list() == [str(trial["params"]["optimizer"]) for trial in found.ranked]
    assert found.to_pandas()["units"].tolist() == [trial["params"]["units"] for trial in found.ranked]
    assert found.to_pandas()["optimizer"].tolist() == [trial["params"]["optimizer"] for trial in found.ranked]
