"""The pictures: what they draw, where they are written, and what they refuse."""

import os
import pickle

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline

import lamina
from lamina import plots
from lamina.callbacks import History

matplotlib.use("Agg")
HISTORY = History(
    loss=[2.0, 1.0, 0.5, 0.4],
    validation_loss=[2.1, 1.2, 0.9, 1.0],
    learning_rate=[0.1] * 4,
    best_epoch=3,
    stop_reason="early stopping: no improvement for 1 epochs",
)


def trained():
    X, y = load_digits(return_X_y=True)
    X, y = (X[:200] / 16).astype(np.float32), y[:200]
    net = lamina.Network([lamina.Dense(8, "tanh"), lamina.Dense(8), lamina.Dense(10)], 64, "cross_entropy")
    net.fit(X, y, epochs=2)
    return net, X, y


def written(path):
    return path.stat().st_size > 2000 and path.read_bytes()[:4] == b"\x89PNG"


def test_learning_curves_mark_where_training_stopped(tmp_path):
    ax = plots.learning_curves(HISTORY, path=tmp_path / "curves.png")
    training, validation, stop, best = ax.lines
    np.testing.assert_array_equal(training.get_ydata(), HISTORY.loss)
    np.testing.assert_array_equal(validation.get_ydata(), HISTORY.validation_loss)
    assert stop.get_xdata()[0] == best.get_xdata()[0] == 3
    assert best.get_ydata()[0] == 0.9
    assert "stopped after epoch 4: early stopping" in ax.get_title()
    assert [text.get_text() for text in ax.get_legend().get_texts()][:2] == ["training loss", "validation loss"]
    assert written(tmp_path / "curves.png")


def test_learning_curves_of_training_alone_and_of_one_epoch():
    ax = plots.learning_curves(History(loss=[1.0], best_epoch=1, stop_reason="epochs"))
    assert len(ax.lines) == 3
    with pytest.raises(ValueError, match="history has no epoch"):
        plots.learning_curves(History())


def test_learning_curves_of_networks_and_estimators():
    net, X, y = trained()
    assert list(plots.learning_curves(net).lines[0].get_ydata()) == net.history.loss
    mlp = lamina.MLPClassifier((4,), solver="sgd", early_stopping=True, max_iter=3, random_state=0)
    with pytest.warns(ConvergenceWarning):
        mlp.fit(X, y)
    training, validation = plots.learning_curves(mlp).lines[:2]
    assert list(training.get_ydata()) == mlp.loss_curve_
    assert list(validation.get_ydata()) == mlp.validation_loss_curve_
    for _ in range(2):
        mlp.set_params(early_stopping=False).partial_fit(X, y)
    ax = plots.learning_curves(mlp)  # all epochs, not those of the last call alone
    assert len(ax.lines[0].get_ydata()) == len(mlp.loss_curve_) == 5
    assert "stopped after epoch 5" in ax.get_title()
    series = lamina.RecurrentRegressor(2, window=3, max_iter=2, random_state=0).fit(np.sin(np.arange(80.0)))
    assert list(plots.learning_curves(series).lines[0].get_ydata()) == series.history_.loss


def test_metric_curves_of_estimators():
    _, X, y = trained()
    mlp = lamina.MLPClassifier((4,), early_stopping=True, max_iter=3, random_state=0, metrics=["accuracy"])
    with pytest.warns(ConvergenceWarning):
        mlp.fit(X, y)
    ax = plots.metric_curves(mlp)
    assert list(ax.lines[0].get_ydata()) == mlp.metric_curves_["accuracy"]
    assert ax.get_ylabel() == "accuracy"
    with pytest.warns(ConvergenceWarning):
        mlp.set_params(warm_start=True).fit(X, y)
    assert len(plots.metric_curves(mlp).lines[0].get_ydata()) == len(mlp.loss_curve_) == 6
    mlp.set_params(early_stopping=False, metrics=()).partial_fit(X, y)
    with pytest.raises(ValueError, match="no metrics to draw"):
        plots.metric_curves(mlp)


def test_learning_curves_say_what_to_give():
    cascade = lamina.CascadeRegressor(max_units=1, random_state=0).fit(np.arange(20.0).reshape(10, 2), np.arange(10.0))
    for grown in (cascade, cascade.network_, cascade.network_.history):
        with pytest.raises(TypeError, match=r"lamina\.plots_cascade\.growth draws a CascadeNetwork"):
            plots.learning_curves(grown)
    for given in ([HISTORY], [], (HISTORY, HISTORY), {"loss": [1.0]}):
        with pytest.raises(TypeError, match=r"history must be the History .* one at a time; got (list|tuple|dict)"):
            plots.learning_curves(given)
    with pytest.raises(TypeError, match=r"estimator of lamina; got NoneType"):
        plots.learning_curves(None)
    unfitted = lamina.Network([lamina.Dense(1)], n_inputs=1), lamina.MLPRegressor(), lamina.CascadeNetwork(2)
    for given in (*unfitted, make_pipeline(lamina.MLPRegressor())):
        with pytest.raises(ValueError, match=f"{type(given).__name__} has no learning curves .* a fitted network"):
            plots.learning_curves(given)


def test_a_wide_range_of_losses_is_drawn_on_a_logarithmic_scale():
    assert plots.learning_curves(HISTORY).get_yscale() == "linear"
    steep = History(loss=[10.0, 0.1, 0.01], best_epoch=3, stop_reason="epochs")
    assert plots.learning_curves(steep).get_yscale() == "log"


@pytest.mark.parametrize("kind", [str, os.fsencode])
def test_a_picture_goes_to_any_path(kind, tmp_path):
    plots.learning_curves(HISTORY, path=kind(tmp_path / "curves.png"))
    assert written(tmp_path / "curves.png")
    with pytest.raises(TypeError, match="path must be a path"):
        plots.learning_curves(HISTORY, path=7)


def test_all_activations_with_their_derivatives(tmp_path):
    figure = plots.activations(path=tmp_path / "activations.png")
    drawn = [ax for ax in figure.axes if ax.lines]
    assert [ax.get_title() for ax in drawn] == lamina.activations.names()
    for ax in drawn:
        value, slope = ax.lines[-2:]
        f = lamina.activations.get(ax.get_title())
        if f.name != "bipolar_relu":
            np.testing.assert_array_equal(value.get_ydata(), f(value.get_xdata()))
            np.testing.assert_array_equal(slope.get_ydata(), f.derivative(value.get_xdata()))
    assert written(tmp_path / "activations.png")


def test_fold_scores_of_a_cross_validation(tmp_path):
    net, X, y = trained()
    cv = lamina.cross_validate(net, X, y, k=3, epochs=2)
    ax = plots.fold_scores(cv, path=tmp_path / "folds.png", label="cross-entropy")
    points = next(line for line in ax.lines if line.get_marker() == "o")
    np.testing.assert_allclose(points.get_xdata(), cv.scores)
    assert ax.get_xlabel() == "cross-entropy"
    assert written(tmp_path / "folds.png")


def test_fold_scores_of_several():
    ax = plots.fold_scores({"one": [0.9, 0.8], "other": [0.7, 0.95]})
    assert [text.get_text() for text in ax.get_yticklabels()] == ["one", "other"]
    with pytest.raises(ValueError, match="at least one entry"):
        plots.fold_scores({})


def test_gradient_flow_has_a_point_a_layer(tmp_path):
    net, X, y = trained()
    ax = plots.gradient_flow(net, X, y, path=tmp_path / "flow.png")
    _, gradients = net.loss_and_gradients(X, y)
    want = [np.sqrt((gradients[f"{i}.weight"].astype(float) ** 2).mean()) for i in range(3)]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), want, rtol=1e-6)
    assert ax.get_yscale() == "log"
    assert written(tmp_path / "flow.png")


def test_confusion_matrix_counts(tmp_path):
    names = ["setosa", "versicolor", "virginica"]
    ax = plots.confusion_matrix([0, 0, 1, 2, 2], [0, 1, 1, 2, 0], names=names, path=tmp_path / "matrix.png")
    assert {text.get_text() for text in ax.texts} == {"1"}
    assert len(ax.texts) == 5
    assert "5 rows, 60.00% right" in ax.get_title()
    assert [text.get_text() for text in ax.get_xticklabels()] == names
    assert written(tmp_path / "matrix.png")


def test_confusion_matrix_of_probabilities():
    net, X, y = trained()
    right = (net.predict(X).argmax(axis=1) == y).mean()
    assert f"{right:.2%} right" in plots.confusion_matrix(y, net.predict(X)).get_title()
    assert "2 rows, 50.00% right" in plots.confusion_matrix([0, 1], np.array([[0.9], [0.8]])).get_title()


def test_axes_of_the_callers_own():
    from matplotlib.figure import Figure

    ax = Figure().add_subplot()
    assert plots.learning_curves(HISTORY, ax=ax) is ax


def test_pyplot_is_left_alone_where_it_shows_nothing():
    before = plt.get_fignums()
    plots.learning_curves(HISTORY)
    plots.activations(["relu"])
    assert plt.get_fignums() == before


def test_pyplot_shows_pictures_where_it_has_windows(tmp_path, monkeypatch):
    (tmp_path / "windows.py").write_text(
        "from matplotlib.backend_bases import FigureManagerBase as FigureManager\n"
        "from matplotlib.backends.backend_agg import FigureCanvasAgg as FigureCanvas\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    plt.switch_backend("module://windows")
    try:
        own = plt.figure()
        ax, figure = plots.learning_curves(HISTORY), plots.activations(["relu"])
        assert [plt.figure(number) for number in plt.get_fignums()][1:] == [ax.figure, figure]
        plt.figure(own)
        plots.learning_curves(HISTORY)
        assert plt.gcf() is own  # what comes next is not drawn into the picture
        assert pickle.loads(pickle.dumps(figure)).axes[0].get_title() == "relu"
    finally:
        plt.close("all")
        plt.switch_backend("Agg")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.activations([]), "at least one activation"),
        (lambda: plots.activations(["relo"]), "relu"),
        (lambda: plots.confusion_matrix([0, 1], [0]), "as many rows as y"),
        (lambda: plots.confusion_matrix([0, 5], [0, 1], names=["a", "b"]), r"labels must lie in 0 .. 1"),
        (lambda: plots.learning_curves(HISTORY, path="curves.nonsense"), "nonsense"),
    ],
)
def test_misuse(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# As matplotlib reads them: no formula at all, formulas, a formula that has no end, escaped ones.
NAMES = ["$a^$", "$x_1$", "C=$10^$", "5 $", r"\$", r"\$a\$ $b$", "_cost", "$_$"]


def shown(texts):
    """What is drawn of them."""
    found = [text._preprocess_math(text.get_text()) for text in texts]
    assert not any(formula for _, formula in found)
    return [text for text, _ in found]


@pytest.mark.parametrize("parsed", [True, False])
@pytest.mark.parametrize("kind", ["png", "svg"])
def test_names_are_no_formulas(kind, parsed, tmp_path):
    path = tmp_path / f"picture.{kind}"
    with matplotlib.rc_context({"text.parse_math": parsed}):
        n = len(NAMES)
        ax = plots.confusion_matrix(range(n), range(n), names=NAMES, path=path)
        assert shown(ax.get_xticklabels()) == shown(ax.get_yticklabels()) == NAMES
        ax = plots.fold_scores({name: [1, 2] for name in NAMES}, path=path)
        assert shown(ax.get_yticklabels()) == NAMES
        curves = History(loss=[2.0, 1.0], best_epoch=2, metrics={name: [0.1, 0.2] for name in NAMES})
        ax = plots.metric_curves(curves, path=path)
        assert shown(ax.get_legend().get_texts()) == [*NAMES, "best epoch: 2"]
        for name in NAMES:
            ax = plots.metric_curves(curves, [name], path=path)
            assert shown([ax.yaxis.label]) == [name]
            ended = History(loss=[2.0, 1.0], best_epoch=2, stop_reason=name)
            ax = plots.learning_curves(ended, path=path)
            assert shown([ax.title])[0].endswith(f"epoch 2: {name}")


def test_a_logarithmic_axis_has_powers():
    ax = plots.learning_curves(History(loss=[1e3, 1.0, 1e-3], best_epoch=3, stop_reason="$"))
    ax.figure.canvas.draw()
    texts = [text for text in ax.get_yticklabels() if text.get_text()]
    assert texts
    assert all(text._preprocess_math(text.get_text())[1] for text in texts)


def test_a_legend_keeps_what_the_axes_had():
    ax = plots.figure.figure((4, 3)).add_subplot()
    ax.plot([1, 2], [3, 4], label="mine")
    plots.metric_curves(History(loss=[2.0, 1.0], best_epoch=2, metrics={"_cost": [0.1, 0.2]}), ax=ax)
    assert shown(ax.get_legend().get_texts()) == ["mine", "_cost", "best epoch: 2"]
