"""Embeddings of categories and of numbers: every kind, in front or behind, and what normalisation leaves alone."""

import numpy as np
import pytest

import lamina
from reference.twin import twin

ROWS, INPUTS = 23, 5
CATEGORIES = lamina.Embedding((3, 1), (4, 2), units=3)
LAYERS = {
    "learned": CATEGORIES,
    "one-hot": lamina.Embedding((3, 1), (4, 2), one_hot=9),
    "both": lamina.Embedding((1, 3), (2, 4), units=2, one_hot=3),
    "one category": lamina.Embedding((3,), (1,), one_hot=1),
    "periodic": lamina.NumericEmbedding((4, 0)),
    "all columns": lamina.NumericEmbedding(frequencies=3, units=7, sigma=1.0),
    "cosine and sine": lamina.NumericEmbedding((0, 2, 4), bias=False, units=4, activation="relu"),
    "not kept": lamina.NumericEmbedding((0, 2), keep_input=False, activation="tanh"),
    "prelu": lamina.NumericEmbedding((2,), frequencies=5, units=1, activation="prelu"),
    "linear": lamina.NumericEmbedding((0, 2), "linear", units=4, activation="gelu"),
    "piecewise linear": lamina.NumericEmbedding((2, 0), "piecewise_linear", 6, units=2),
    "one bin": lamina.NumericEmbedding((2, 0), "piecewise_linear", 1, keep_input=False),
}
EACH = pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)


def data(rng, rows=ROWS):
    """Numbers, and categories in the columns 1 (of two) and 3 (of four), some of them none."""
    x = rng.normal(size=(rows, INPUTS))
    x[:, 1], x[:, 3] = rng.integers(-1, 3, rows), rng.integers(-1, 5, rows)
    return x, rng.normal(size=(rows, 2))


def network(*layers, **options):
    return lamina.Network([*layers, lamina.Dense(2)], INPUTS, **{"dtype": "float64", "seed": 3, **options})


@EACH
@pytest.mark.parametrize("behind", [False, True])
def test_gradients_and_the_reference(layer, behind, rng):
    net = network(lamina.Shortcut(2, "tanh"), layer) if behind else network(layer)
    x, t = data(rng)
    assert lamina.check_gradients(net, x, t) < 1e-6
    loss, gradients = net.loss_and_gradients(x, t, l2=0.1)
    want, want_gradients, dE_dx = twin(net, "squared_error", ROWS).loss_and_gradients(x, t, l2=0.1)
    np.testing.assert_allclose(loss, want, rtol=1e-12)
    for name, gradient in want_gradients.items():
        np.testing.assert_allclose(gradients[name], gradient, rtol=1e-10, atol=1e-13, err_msg=name)
    np.testing.assert_allclose(net.input_gradient(x, t), dE_dx, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(net.forward(x), twin(net, "squared_error", ROWS).forward(x), rtol=1e-12, atol=1e-13)


@EACH
def test_kept_in_files(layer, tmp_path, rng):
    net = network(layer, normalize_inputs=True)
    x, t = data(rng)
    net.fit(x, t, epochs=2)
    net.save(tmp_path / "model")
    other = lamina.load(tmp_path / "model")
    assert other.layers == net.layers
    np.testing.assert_array_equal(other.predict(x), net.predict(x))


@EACH
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [40, 2600])
def test_bits_do_not_depend_on_threads(layer, dtype, rows, rng):
    """Also of sums over many rows, which go in blocks."""
    x, t = data(rng, rows)
    found = []
    for n_threads in (1, 2, 3):
        net = network(layer, dtype=dtype)
        net.fit(x, t, epochs=2, batch_size=rows, validation=None, early_stopping=None, n_threads=n_threads)
        clipped = network(layer, dtype=dtype)  # gradients that are stored before they are stepped on
        clipped.fit(
            x,
            t,
            epochs=2,
            batch_size=rows,
            validation=None,
            early_stopping=None,
            n_threads=n_threads,
            clip=lamina.ClipNorm(1e9),
        )
        found.append((net.parameters, clipped.parameters))
    for name, value in found[0][0].items():
        for one, other in found:
            np.testing.assert_array_equal(one[name], value, err_msg=name)
            np.testing.assert_array_equal(other[name], value, err_msg=name)


def test_long_sums_keep_their_terms():
    x, rows = np.zeros((200_000, 1), np.float32), 200_000
    net = lamina.Network([lamina.Embedding((0,), (2,), 1)], 1, loss="absolute_error")
    _, gradients = net.loss_and_gradients(x, np.full(rows, -1e6))
    np.testing.assert_allclose(gradients["0.weight"], [[1], [0]], rtol=1e-6)


def test_what_is_no_category_gives_zeros():
    x = np.array([[0.0], [2], [-1], [3], [0.5], [1e30], [2**24]])
    learned = lamina.Network([lamina.Embedding((0,), (3,), 2)], 1, dtype="float64")
    table = learned.parameters["0.weight"]
    np.testing.assert_array_equal(learned.forward(x), [table[0], table[2], *np.zeros((5, 2))])
    one_hot = lamina.Network([lamina.Embedding((0,), (3,), one_hot=3)], 1)
    np.testing.assert_array_equal(one_hot.forward(x), [[1, 0, 0], [0, 0, 1], *np.zeros((5, 3))])
    two = lamina.Network([lamina.Embedding((0,), (2,), one_hot=2)], 1)
    np.testing.assert_array_equal(two.forward([[0.0], [1], [2], [-1]]), [[1], [-1], [0], [0]])


def test_fractions_in_columns_of_categories_are_refused():
    """And unknown numbers are not: they are the zeros of a missing value, in `fit` as in `predict`."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(40, 2)), rng.integers(-1, 9, 40), rng.integers(0, 3, 40)])
    fronts = {
        3: [lamina.Embedding((2, 3), (4, 3), 2)],
        2: [lamina.NumericEmbedding((0, 1)), lamina.Embedding((1, 0), (3, 4), 2)],
    }
    for column, front in fronts.items():
        net = lamina.Network([*front, lamina.Dense(1)], 4, seed=0)
        net.fit(X, X[:, 0], epochs=1)
        wrong, before = X.copy(), net.copy()
        wrong[7, column] = 1.5
        with pytest.raises(ValueError, match=f"numbers of categories in column {column}, which .*; got 1.5 in row 7"):
            net.fit(wrong, X[:, 0])
        np.testing.assert_array_equal(net.predict(X), before.predict(X))
        with_zeros = X.copy()
        with_zeros[7, column] = -1
        np.testing.assert_array_equal(net.predict(wrong), net.predict(with_zeros))


def test_fractions_in_steps_and_in_what_is_held_out_are_refused():
    rng = np.random.default_rng(0)
    S = np.concatenate([rng.integers(0, 4, (30, 6, 1)), rng.normal(size=(30, 6, 1))], axis=2)
    y, lengths = S[:, 0, 1], np.full(30, 5)
    wrong, beyond = S.copy(), S.copy()
    wrong[3, 2, 0], beyond[3, 5, 0], beyond[4, 5, 0] = 1.5, 1.5, np.nan
    net = lamina.Network([lamina.Embedding((0,), (4,), 2), lamina.Recurrent(4), lamina.Dense(1)], 2)
    before = net.copy()
    told = "must hold numbers of categories in column 0, which .*; got 1.5 in row 3"
    for fit in (
        lambda: net.fit(wrong, y),
        lambda: net.fit(wrong, y, lengths=lengths),
        lambda: net.fit(beyond, y, lengths=np.where(np.arange(30) == 3, 6, 5)),
    ):
        with pytest.raises(ValueError, match=f"^X {told}"):
            fit()
    for held in ((wrong, y), (wrong, y, lengths)):
        with pytest.raises(ValueError, match=f"^validation X {told}"):
            net.fit(S, y, validation=held)
    np.testing.assert_array_equal(net.predict(S), before.predict(S))
    cut = S.copy()
    cut[:, 5] = 0
    history = net.fit(beyond, y, lengths=lengths, validation=(beyond, y, lengths), epochs=2)
    assert history == before.fit(cut, y, lengths=lengths, validation=(cut, y, lengths), epochs=2)


def test_every_category_is_a_float():
    most = 2**24
    net = lamina.Network([lamina.Embedding((0,), (most,), 1)], 1)
    table = net.parameters["0.weight"]
    last = np.array([[most - 1], [most - 2]])
    np.testing.assert_array_equal(net.forward(last)[:, 0], table[[most - 1, most - 2], 0])


@pytest.mark.parametrize(
    "layers",
    [
        (CATEGORIES,),
        (lamina.NumericEmbedding((0, 2, 4)), lamina.Embedding((1, 0), (4, 2))),
        (lamina.NumericEmbedding(kind="linear"), lamina.Embedding((1, 3), (2, 4))),
        (lamina.Embedding((1,), (2,)), lamina.Shortcut(2), lamina.Embedding((2,), (4,))),
    ],
)
def test_normalisation_leaves_categories_alone(layers, tmp_path, rng):
    x, t = data(rng)
    x = 3 * x + 5
    net = network(*layers, normalize_inputs=True)
    net.fit(x, t, epochs=1, validation=None)
    mean, scale = net.input_normalization
    np.testing.assert_array_equal(mean[[1, 3]], 0)
    np.testing.assert_array_equal(scale[[1, 3]], 1)
    np.testing.assert_allclose(mean[[0, 2, 4]], x.mean(axis=0)[[0, 2, 4]])
    robust = network(*layers, normalize_inputs="robust")
    robust.fit(x, t, epochs=1, validation=None)
    assert (robust.scales["input.mean"][[1, 3]] == 0).all()
    assert (robust.scales["input.scale"][[1, 3]] == 1).all()
    assert (robust.scales["input.limit"][[1, 3]] > 1e38).all()  # exactly none for any category
    without = network(*layers, normalize_inputs=False)
    for name, value in robust.parameters.items():
        without.parameters[name][...] = value
    by_hand = (x - robust.scales["input.mean"]) * robust.scales["input.scale"]
    numbers = [0, 2, 4]
    by_hand[:, numbers] /= np.sqrt(1 + (by_hand[:, numbers] / 3) ** 2)
    np.testing.assert_allclose(robust.forward(x), without.forward(by_hand), rtol=1e-9, atol=1e-12)
    robust.save(tmp_path / "model")
    np.testing.assert_array_equal(lamina.load(tmp_path / "model").predict(x), robust.predict(x))
    with pytest.raises(ValueError, match="input_normalization must leave input 3 as it is"):
        net.input_normalization = (np.zeros(INPUTS), np.array([1, 1, 1, 2.0, 1]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bins_are_quantiles_of_the_training_rows(dtype, rng):
    x, t = data(rng, 900)
    x[:, 0] = rng.choice([1.0, 2.0, 7.0], 900)  # fewer values than bins
    x[:, 4] = 3.0
    net = network(lamina.NumericEmbedding((2, 0, 4), "piecewise_linear", 8), dtype=dtype)
    np.testing.assert_allclose(net.parameters["0.edges"][:, 0], np.linspace(-2, 2, 9))
    net.fit(x, t, epochs=1, validation=None, shuffle=False)
    edges = net.parameters["0.edges"].copy()
    np.testing.assert_allclose(edges[:, 0], np.quantile(x[:, 2], np.arange(9) / 8), rtol=1e-6)
    few = np.unique(np.quantile(x[:, 0], np.arange(9) / 8))
    np.testing.assert_allclose(edges[: len(few), 1], few)
    np.testing.assert_array_equal(edges[len(few) :, 1], few[-1])
    np.testing.assert_array_equal(edges[:, 2], 3.0)
    assert np.isfinite(net.predict(100 * x)).all()
    net.fit(5 * x, t, epochs=1)
    np.testing.assert_array_equal(net.parameters["0.edges"], edges)


def test_any_finite_number_has_its_angle():
    net = lamina.Network([lamina.NumericEmbedding(keep_input=False)], 1)
    x = np.array([[0.0], [1e5], [1e12], [3e38], [-3e38], [1e-40]])
    assert np.abs(net.forward(x)).max() <= 16 / 4 + 1 / 4
    wide = lamina.Network([lamina.NumericEmbedding(keep_input=False)], 1, dtype="float64")
    np.testing.assert_allclose(net.forward(x[:1]), wide.forward(x[:1]), atol=1e-6)
    np.testing.assert_allclose(wide.forward(x[:3]), twin(wide, "squared_error").forward(x[:3]), atol=1e-3)
    far = np.array([[1.0], [1001.0]])
    wide.parameters["0.frequency"][...] = np.arange(1, 17)[:, None]  # whole turns
    np.testing.assert_allclose(*wide.forward(far), atol=1e-12)


def test_columns_in_many_forms():
    for columns in ([0, 2], (0, 2), range(0, 3, 2), np.array([0, 2]), np.array([0, 2], np.uint8)):
        layer = lamina.Embedding(columns, np.array([3, 4]))
        assert layer.columns == (0, 2)
        assert layer == lamina.Embedding((0, 2), (3, 4))
        assert hash(layer) == hash(lamina.Embedding((0, 2), (3, 4)))
    with pytest.raises(TypeError, match="columns of Embedding must be a tuple of whole numbers"):
        lamina.Embedding(np.array([0.0, 2.0]), (3, 4))
    with pytest.raises(TypeError, match="columns of Embedding must be a tuple of whole numbers"):
        lamina.Embedding(np.array([[0], [2]]), (3, 4))


@EACH
def test_full_batch_solvers_and_clipping_by_norms(layer, rng):
    """Levenberg-Marquardt goes back once for each output of a row, which must not change what forward has left."""
    x, t = data(rng, 60)
    losses = []
    for options in (
        {"optimizer": lamina.LevenbergMarquardt()},
        {"optimizer": lamina.LBFGS()},
        {"clip": lamina.AGC(0.1)},
    ):
        net = network(layer)
        losses.append((net.evaluate(x, t), net.fit(x, t, epochs=15, validation=None, **options).loss[-1]))
    assert all(after < before for before, after in losses)
    assert losses[0][1] < 1.05 * losses[1][1]
