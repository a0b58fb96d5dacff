"""What the estimators add to scikit-learn's, and how they meet misuse."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

import lamina

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ROWS = 300
DIGITS, LABELS = (part[:ROWS] for part in load_digits(return_X_y=True))
DIGITS = DIGITS / 16
COLUMNS = DIGITS @ np.random.default_rng(1).random((64, 2))
SIGNS = np.column_stack([LABELS > 3, LABELS % 2 == 0, LABELS % 3 == 0]).astype(int)
SGD = {"solver": "sgd", "learning_rate_init": 0.1}


def _interrupt_at_three(epoch):
    if epoch.epoch == 3:
        raise KeyboardInterrupt


def test_own_validation_set():
    half = ROWS // 2
    estimator = lamina.MLPClassifier((30,), random_state=0, early_stopping=True, n_iter_no_change=4, max_iter=300)
    estimator.fit(DIGITS[:half], LABELS[:half], X_val=DIGITS[half:], y_val=LABELS[half:])
    assert len(estimator.validation_loss_curve_) == len(estimator.validation_scores_) == estimator.n_iter_
    assert estimator.t_ == half * estimator.n_iter_
    assert estimator.best_iteration_ == 1 + int(np.argmax(estimator.validation_scores_))
    assert estimator.score(DIGITS[half:], LABELS[half:]) == estimator.best_validation_score_
    recorded = lamina.MLPClassifier((30,), max_iter=5).fit(DIGITS, LABELS, X_val=DIGITS, y_val=LABELS)
    assert len(recorded.validation_loss_curve_) == 5
    assert recorded.validation_scores_ is None


def test_scoring_by_loss_name_or_callable():
    options = {"hidden_layer_sizes": (10,), "early_stopping": True, "random_state": 0, "max_iter": 20}
    by_loss = lamina.MLPClassifier(**options, scoring="loss").fit(DIGITS, LABELS)
    assert_allclose(by_loss.validation_scores_, np.negative(by_loss.validation_loss_curve_))
    by_name = lamina.MLPClassifier(**options, scoring="neg_log_loss").fit(DIGITS, LABELS)
    assert_allclose(by_name.validation_scores_, by_loss.validation_scores_, rtol=1e-5)
    constant = lamina.MLPClassifier(**options, scoring=lambda estimator, X, y: 0.5, n_iter_no_change=3)
    assert constant.fit(DIGITS, LABELS).n_iter_ == 5


def test_class_weight_is_sample_weight():
    of_class = dict.fromkeys(range(10), 1.0) | {3: 5.0}
    options = {"hidden_layer_sizes": (10,), "max_iter": 5, "random_state": 0}
    by_class = lamina.MLPClassifier(**options, class_weight=of_class).fit(DIGITS, LABELS)
    by_row = lamina.MLPClassifier(**options).fit(DIGITS, LABELS, sample_weight=np.where(LABELS == 3, 5.0, 1.0))
    assert_array_equal(by_class.coefs_[0], by_row.coefs_[0])


def test_callbacks_time_and_threads():
    seen = []

    def stop_at_four(epoch):
        seen.append((epoch.epoch, epoch.loss))
        if epoch.epoch == 4:
            epoch.stop("enough")

    estimator = lamina.MLPClassifier((5,), callbacks=[stop_at_four], n_jobs=2).fit(DIGITS, LABELS)
    assert [epoch for epoch, _ in seen] == [1, 2, 3, 4]
    assert estimator.stop_reason_ == "enough"
    hurried = lamina.MLPClassifier((5,), max_time=1e-9).fit(DIGITS, LABELS)
    assert hurried.n_iter_ == 1
    assert "max_time" in hurried.stop_reason_
    assert "max_time" in lamina.MLPClassifier((5,), max_time=1e-9, solver="lbfgs").fit(DIGITS, LABELS).stop_reason_


@pytest.mark.parametrize("solver", ["lbfgs", "lm", lamina.LBFGS(history=5), lamina.LevenbergMarquardt()], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_full_batch_solvers(solver, dtype, capsys):
    X, y = DIGITS[:, :20].astype(dtype), COLUMNS.astype(dtype)
    seen = []
    options = {"solver": solver, "callbacks": lambda epoch: seen.append(epoch.loss), "standardize": True, "verbose": 1}
    estimator = lamina.MLPRegressor((4,), activation="tanh", max_iter=30, random_state=0, **options)
    estimator.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    assert len(seen) == len(estimator.loss_curve_) == len(estimator.validation_loss_curve_) == estimator.n_iter_
    assert capsys.readouterr().out.count("Iteration") == estimator.n_iter_
    assert estimator.loss_curve_[-1] == estimator.loss_ == estimator.best_loss_ < estimator.loss_curve_[0]
    assert estimator.network_.dtype == dtype
    assert estimator.network_.history.evaluations >= estimator.n_iter_
    residual = estimator.predict(X[:200]) - y[:200]
    penalty = 0.5 * estimator.alpha * sum(np.square(w).sum() for w in estimator.coefs_) / 200
    assert_allclose(estimator.loss_, 0.5 * np.mean(residual**2) + penalty, rtol=1e-3 if dtype == np.float32 else 1e-9)
    more = clone(estimator).set_params(warm_start=True, max_iter=5)
    for _ in range(3):
        more.fit(X, y)
    assert len(more.loss_curve_) == 15
    assert np.all(np.diff(more.loss_curve_) <= 1e-6)


def test_full_batch_solvers_say_where_they_stopped():
    for options, message in (({"max_iter": 3}, "max_iter=3"), ({"max_fun": 7}, "max_fun=7")):
        for solver in ("lbfgs", "lm"):
            estimator = lamina.MLPRegressor((3,), solver=solver, random_state=0, **options)
            with pytest.warns(ConvergenceWarning, match=message):
                estimator.fit(DIGITS, COLUMNS)
            assert estimator.network_.history.evaluations <= options.get("max_fun", np.inf)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = lamina.MLPRegressor((), solver="lm").fit(DIGITS[:, 10:14], COLUMNS)
    assert done.stop_reason_.startswith("converged")
    with pytest.warns(UserWarning, match="interrupted by user"):
        estimator = lamina.MLPRegressor((3,), solver="lbfgs", callbacks=_interrupt_at_three).fit(DIGITS, COLUMNS)
    assert estimator.n_iter_ == len(estimator.loss_curve_) == 3


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("MLPClassifier", {"solver": "lm"}, "'squared_error'; got 'log_loss'"),
        ("MLPRegressor", {"solver": "lm", "loss": "huber"}, "'squared_error'; got 'huber'"),
        ("MLPRegressor", {"solver": lamina.LBFGS(), "l1": 0.5}, "l1 must be 0; got 0.5"),
        ("MLPRegressor", {"solver": "lm", "dropout": 0.5}, "dropout and batch_norm need batches"),
        ("MLPRegressor", {"solver": "lbfgs", "activation": "rrelu"}, "random"),
    ],
)
def test_what_a_full_batch_solver_cannot_do_is_refused(kind, options, message):
    estimator = getattr(lamina, kind)(hidden_layer_sizes=(3,), **options)
    with pytest.raises(ValueError, match=message):
        estimator.fit(DIGITS, LABELS)
    if "solver" in options and not isinstance(options["solver"], str):
        assert not hasattr(estimator, "partial_fit")


@pytest.mark.parametrize("solver", [*(name.lower() for name in lamina.optimizers.names()), "lbfgs"])
def test_every_solver_by_name(solver):
    rate = {"adagrad": 0.05, "quickprop": 0.1, "sgd": 0.1}.get(solver, 0.01)
    estimator = lamina.MLPClassifier((20,), solver=solver, learning_rate_init=rate, max_iter=100, random_state=0)
    assert estimator.fit(DIGITS, LABELS).score(DIGITS, LABELS) > 0.9
    assert not estimator.t_ or estimator.t_ == ROWS * estimator.n_iter_


def test_rprop_and_quickprop_see_all_rows_at_once():
    options = {"hidden_layer_sizes": (10,), "solver": "rprop", "max_iter": 5, "random_state": 0}
    auto = lamina.MLPClassifier(**options).fit(DIGITS, LABELS)
    whole = lamina.MLPClassifier(**options, batch_size=ROWS).fit(DIGITS, LABELS)
    assert_array_equal(auto.coefs_[0], whole.coefs_[0])


def test_activation_per_layer_l1_and_loss():
    layered = lamina.MLPClassifier((10, 8), activation=["gelu", lamina.activations.get("tanh")], max_iter=3)
    assert layered.fit(DIGITS, LABELS).n_layers_ == 4
    plain, sparser = (
        lamina.MLPClassifier((10,), l1=l1, max_iter=100, random_state=0).fit(DIGITS, LABELS) for l1 in (0.0, 1.0)
    )
    assert np.abs(sparser.coefs_[0]).sum() < 0.8 * np.abs(plain.coefs_[0]).sum()
    for loss, outputs in {"cross_entropy": 2, "binary_cross_entropy": 1, "hinge": 1}.items():
        two = lamina.MLPClassifier((10,), loss=loss, learning_rate_init=0.01, max_iter=60, random_state=0).fit(
            DIGITS, LABELS > 4
        )
        assert two.n_outputs_ == outputs
        assert two.score(DIGITS, LABELS > 4) > 0.85
        several = lamina.MLPClassifier((20,), loss=loss, learning_rate_init=0.01, max_iter=60, random_state=0).fit(
            DIGITS, LABELS
        )
        assert several.score(DIGITS, LABELS) > 0.85
        assert hasattr(several, "predict_proba") == (loss != "hinge")
        if loss != "hinge":
            assert_allclose(several.predict_proba(DIGITS).sum(axis=1), 1)
    for loss in ("absolute_error", "huber", "quantile"):
        assert lamina.MLPRegressor(loss, (30,), max_iter=100).fit(DIGITS, COLUMNS).score(DIGITS, COLUMNS) > 0


@pytest.mark.parametrize("options", [{"standardize": True}, {"standardize": True, "solver": "lbfgs"}], ids=str)
def test_standardize_takes_the_scale_away(options):
    scale = 10.0 ** np.arange(4)
    X, y = load_iris(return_X_y=True)
    estimator = lamina.MLPClassifier((10,), random_state=0, max_iter=300, learning_rate_init=0.01, **options)
    if estimator.solver == "lbfgs":
        estimator.set_params(max_iter=40)
    plain, scaled = clone(estimator).fit(X, y), clone(estimator).fit(X * scale, y)
    assert scaled.score(X * scale, y) > 0.95
    assert_allclose(plain.predict_proba(X), scaled.predict_proba(X * scale), atol=1e-4)


@pytest.mark.parametrize(
    "options", [{"dropout": 0.2}, {"dropout": [0.1, 0.3]}, {"batch_norm": True, "batch_size": 23}], ids=str
)
def test_dropout_and_batch_norm(options):
    estimator = lamina.MLPClassifier((40, 20), random_state=0, max_iter=100, **options).fit(DIGITS, LABELS)
    assert estimator.score(DIGITS, LABELS) > 0.9
    assert len(estimator.coefs_) == len(estimator.intercepts_) == 3
    with pytest.raises(ValueError, match="dropout and batch_norm need batches"):
        clone(estimator).set_params(solver="lbfgs").fit(DIGITS, LABELS)


WRONG = {
    "alpha": (-1, "alpha .* must be a number >= 0; got -1"),
    "activation": ("rellu", "relu"),
    "solver": ("adma", "must be an optimizer or one of"),
    "hidden_layer_sizes": ((10, 0), "must be > 0"),
    "learning_rate_init": (0, "learning_rate_init"),
    "batch_size": (0, "batch_size"),
    "max_iter": (0, "max_iter"),
    "dropout": (1.0, "dropout"),
    "class_weight": ("balance", "class_weight"),
    "loss": ("squared", "loss of MLPClassifier"),
    "n_jobs": (0, "n_jobs"),
    "validation_fraction": (1.0, "validation_fraction"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_parameters_are_named(name):
    value, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        lamina.MLPClassifier(**{name: value}).fit(DIGITS, LABELS)


def test_wrong_data_is_named_and_leaves_the_weights():
    estimator = lamina.MLPClassifier((5,), max_iter=2, warm_start=True).fit(DIGITS, LABELS)
    before = [weight.copy() for weight in estimator.coefs_]
    wrong = [
        (DIGITS[:, 1:], LABELS, {}, "features"),
        (DIGITS[1:], LABELS, {}, "inconsistent numbers of samples"),
        (np.full_like(DIGITS, np.nan), LABELS, {}, "NaN"),
        (DIGITS, LABELS + 1, {}, "same classes"),
        (DIGITS, LABELS, {"sample_weight": -np.ones(ROWS)}, "[Nn]egative"),
        (DIGITS, LABELS, {"sample_weight": np.zeros(ROWS)}, "[Ss]ample weights|sample_weight"),
        (DIGITS, LABELS, {"X_val": DIGITS}, "X_val and y_val go together"),
        (DIGITS, LABELS, {"X_val": DIGITS, "y_val": LABELS + 1}, "not among the classes"),
    ]
    for X, y, options, message in wrong:
        with pytest.raises(ValueError, match=message):
            estimator.fit(X, y, **options)
    for weight, kept in zip(estimator.coefs_, before, strict=True):
        assert_array_equal(weight, kept)
    with pytest.raises(ValueError, match="one class"):
        lamina.MLPClassifier().fit(DIGITS, np.zeros(ROWS))
    with pytest.raises(ValueError, match="classes must be passed"):
        lamina.MLPClassifier().partial_fit(DIGITS, LABELS)
    assert not hasattr(lamina.MLPClassifier(solver="lbfgs"), "partial_fit")


def test_first_partial_fit_may_see_one_class():
    estimator = lamina.MLPClassifier((5,)).partial_fit(DIGITS[:20], np.zeros(20, dtype=int), classes=range(10))
    assert estimator.partial_fit(DIGITS, LABELS).predict_proba(DIGITS).shape == (ROWS, 10)


def test_interruption_leaves_a_fitted_estimator():
    with pytest.warns(UserWarning, match="interrupted by user"):
        estimator = lamina.MLPClassifier((5,), callbacks=_interrupt_at_three).fit(DIGITS, LABELS)
    assert estimator.n_iter_ == len(estimator.loss_curve_) == 3
    assert estimator.stop_reason_ == "interrupted"
    assert estimator.predict(DIGITS).shape == (ROWS,)


def test_divergence_warns_and_leaves_finite_weights():
    with pytest.warns(lamina.DivergenceWarning):
        estimator = lamina.MLPRegressor((20,), solver="sgd", learning_rate_init=1e6).fit(DIGITS, COLUMNS)
    assert all(np.isfinite(weight).all() for weight in estimator.coefs_)
    assert "diverged" in estimator.stop_reason_


@pytest.mark.parametrize("name", lamina.optimizers.names())
def test_an_estimator_with_an_optimizer_is_shown(name):
    estimator = lamina.MLPClassifier(solver=getattr(lamina, name)(), random_state=0)
    assert name in repr(estimator)
    assert name in estimator._repr_html_()


@pytest.mark.parametrize(
    "estimator",
    [lamina.MLPRegressor((8,), standardize=True, max_iter=5), lamina.CascadeRegressor(max_units=2)],
    ids=lambda estimator: type(estimator).__name__,
)
def test_the_network_predicts_in_the_units_of_the_target(estimator):
    y = 1e4 + 300 * DIGITS[:, 20]
    estimator.fit(DIGITS, y)
    assert_allclose(estimator.network_.predict(DIGITS)[:, 0], estimator.predict(DIGITS), rtol=1e-6)


@pytest.mark.parametrize(
    ("estimator", "scales"),
    [
        (lamina.CascadeRegressor(max_units=4, random_state=0), True),
        (
            lamina.RecurrentRegressor(8, window=1, horizon=0, max_iter=60, random_state=0, optimizer=lamina.Adam(1e-2)),
            True,
        ),
        (lamina.MLPRegressor((16,), standardize=True, max_iter=100, random_state=0), False),
        (
            TransformedTargetRegressor(
                lamina.MLPRegressor((16,), learning_rate_init=1e-2, max_iter=100, random_state=0),
                transformer=StandardScaler(),
            ),
            True,
        ),
    ],
    ids=["cascade", "recurrent", "mlp", "transformed"],
)
def test_who_brings_the_targets_to_a_size_of_about_1(estimator, scales):
    """As docs/method.md has it."""
    X = np.random.default_rng(0).normal(size=(300, 2))
    y = 5000 + 1000 * np.sin(X[:, 0])
    assert (estimator.fit(X, y).score(X, y) > 0.8) == scales
