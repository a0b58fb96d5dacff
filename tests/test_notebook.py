"""In a notebook, as Jupyter runs it: each picture is drawn once, and nothing asks for what is not installed."""

import base64

import pytest

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")

FIRST = """
import lamina
import numpy as np
from lamina import plots

X = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
y = (X[:, 0] > 0).astype(int)
net = lamina.Network([lamina.Dense(4, "tanh"), lamina.Dense(2)], n_inputs=2, loss="cross_entropy")
history = net.fit(X, y, epochs=3, verbose=1)
"""
#: What a cell holds, and how many pictures it has to show; in the order in which they run.
CELLS = [
    (FIRST, 0),
    # Before anybody has imported pyplot.
    ("plots.learning_curves(history)", 1),
    ("import sys\n'matplotlib.pyplot' in sys.modules", 0),
    ("plots.activations(['relu', 'tanh'])", 1),
    ("ax = plots.learning_curves(history)\nax.set_title('of my own')\nprint('done')", 1),
    ("plots.gradient_flow(net, X, y)\nplots.confusion_matrix(y, net.predict(X))", 2),
    ("ax = plots.learning_curves(history)\nax.figure", 1),
    ("figure = plots.activations(['relu'])", 1),
    ("figure", 1),  # asked for again
    ("display(plots.activations(['relu']))", 1),
    ("plots.learning_curves(history, path='curves.png')", 1),
    ("found = lamina.cross_validate(net, X, y, k=2, epochs=2)\nplots.fold_scores(found)", 1),
    ("grown = lamina.CascadeNetwork(2, max_units=2)\ngrown.fit(X, y)\ngrown.plot()", 1),
    ("lamina.plots_cascade.growth(grown)", 1),
    ("lamina.plots_cascade.surfaces(grown, X, y, resolution=10)", 1),
    # And with pyplot, as most notebooks have it.
    ("import matplotlib.pyplot as plt\nplots.learning_curves(history)\nplt.show()", 1),
    ("plots.activations(['relu'])\nplt.show()", 1),
    ("plots.learning_curves(history)", 1),
    ("plots.activations(['relu'])", 1),
    ("picture, ax = plt.subplots()\nplots.learning_curves(history, ax=ax)", 1),
    ("plt.plot([1, 2])\nplots.learning_curves(history)\nplt.plot([2, 1])\nassert len(plt.gca().lines) == 2", 2),
    ("assert plt.get_fignums() == []", 0),
    ("net.plot()", 1),
    ("lamina.plots.metric_curves(net.fit(X, y, epochs=2, metrics=['auc']))", 1),
    ("net", 0),
    ("history", 0),
    ("found", 0),
    ("grown", 0),
    ("lamina.search(lambda units: net, {'units': [1, 2]}, X, y, epochs=2, verbose=1);", 0),
]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """What each cell shows."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source, _ in CELLS])
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MPLBACKEND", raising=False)  # as Jupyter starts a kernel
        patch.setenv("IPYTHONDIR", str(folder))
        client = nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}})
        client.execute()
    return [cell.outputs for cell in notebook.cells]


def pictures(shown):
    return [output.data["image/png"] for output in shown if "image/png" in output.get("data", {})]


@pytest.mark.parametrize(
    ("number", "cell"), list(enumerate(CELLS)), ids=lambda part: part[0] if type(part) is tuple else ""
)
def test_each_picture_is_drawn_once(outputs, number, cell):
    source, wanted = cell
    drawn = pictures(outputs[number])
    assert len(drawn) == wanted, f"{source}\n{outputs[number]}"
    for picture in drawn:
        assert base64.b64decode(picture)[:4] == b"\x89PNG"


@pytest.mark.parametrize("name", ["net", "history", "found", "grown"])
def test_what_a_cell_returns_is_shown_with_a_drawing(outputs, name):
    (shown,) = outputs[[source for source, _ in CELLS].index(name)]
    assert "<svg" in shown.data["text/html"]
    assert shown.data["text/plain"]


def test_nothing_is_missing_and_nobody_warns(outputs):
    errors = "".join(o.text for shown in outputs for o in shown if o.output_type == "stream" and o.name == "stderr")
    assert "ipywidgets" not in str(outputs)
    assert "Warning" not in errors
    assert "epoch 3/3  loss" in errors
    assert "trial 2/2  score" in errors
