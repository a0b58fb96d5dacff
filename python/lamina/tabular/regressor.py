"""The regressor for tables: values, quantiles, and intervals that hold what they promise."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d

from lamina import losses, metrics
from lamina.data.arguments import number, whole_number
from lamina.data.arrays import Array
from lamina.data.targets import mean_and_scale
from lamina.estimators.estimator import available_if, of_one_fit
from lamina.estimators.parameters import Rule, one_of
from lamina.tabular.base import BaseTabular, Data
from lamina.tabular.recipe import METRICS
from lamina.tabular.scores import interval_factor
from lamina.tabular.targets import far_from_the_others, number_targets
from lamina.text import counted

__all__ = ["TabularRegressor"]

LOSSES = ("squared_error", "absolute_error", "huber", "log_cosh")
# Rows whose errors intervals are made of, at most.
_MOST_RESIDUALS = 4096
# How far a quantile is from the median at least, in standard deviations of the targets, where a width is made of it.
_LEAST_WIDTH = 1e-3


class TabularRegressor(RegressorMixin, BaseTabular):  # type: ignore[misc]
    """A regressor for tables as they are: numbers, text, categories, booleans, dates and missing values in any column.

    Nothing has to be scaled, encoded or filled in, targets neither. Predictions stay within the range of the training
    targets. So that a wrong one does not spoil the others, a few targets that lie far from all others (ten standard
    deviations, and three times as far as the next) count as the nearest of those; a warning tells their values.

    Parameters
    ----------
    preset, validation, n_folds, n_members, categorical_features, width, depth, activation, dropout, embeddings, \
learning_rate, weight_decay, batch_size, epochs, patience, max_time, n_jobs, random_state, verbose
        As in `TabularClassifier`.
    metric : {"rmse", "mae", "r2"}, default=None
        What the best epoch is chosen by, on the validation part; None is "rmse", with an absolute error as loss "mae".
        With `quantiles` it is their own loss, and the parameter is refused.
    loss : {"squared_error", "absolute_error", "huber", "log_cosh"}, default="squared_error"
        What training lowers, on targets brought to zero mean and unit variance.
    quantiles : list of float, default=None
        Learn these quantiles of the target, each with a network of its own, and the median, which `predict` then gives.

    Attributes
    ----------
    validation_score_ : float or None
        The metric on the rows held out, of averaged predictions; with `quantiles` their mean pinball loss.
    out_of_fold_ : array of shape (rows,), (rows, targets) or (rows, quantiles), or None
        Predictions for each row by networks that did not train on it; NaN for a row that all trained on.
    feature_importances_ : array of shape (n_features_in_,)
        How much the squared error (of quantiles the pinball loss) on rows held out rises where a column is shuffled, in
        shares of 1.
    quantiles_ : array of shape (quantiles,)
        The quantiles that were learned, in order; empty without `quantiles`.
    networks_, encoder_, fold_, best_epoch_, history_, metadata_, dropped_columns_, n_features_in_, feature_names_in_
        As in `TabularClassifier`.

    Examples
    --------
    >>> import pandas as pd
    >>> from lamina import TabularRegressor
    >>> frame = pd.DataFrame({"colour": ["red", "blue"] * 50, "size": range(100)})
    >>> model = TabularRegressor(random_state=0).fit(frame, frame["size"] + 10.0 * (frame["colour"] == "red"))
    >>> model.predict(frame).shape
    (100,)
    >>> model.predict_interval(frame, coverage=0.9).shape
    (100, 2)
    """

    _target, _link = "numbers", "identity"
    residuals_: Array | None

    def __init__(
        self,
        preset: str = "default",
        *,
        loss: str = "squared_error",
        quantiles: Any = None,
        metric: str | None = None,
        validation: Any = 0.2,
        n_folds: int | None = None,
        n_members: int | None = None,
        categorical_features: Any = None,
        width: int | None = None,
        depth: int | None = None,
        activation: str | None = None,
        dropout: float | None = None,
        embeddings: str | None = None,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        batch_size: int | None = None,
        epochs: int | None = None,
        patience: int | None = None,
        max_time: float | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: Any = False,
    ) -> None:
        self.preset = preset
        self.loss = loss
        self.quantiles = quantiles
        self.metric = metric
        self.validation = validation
        self.n_folds = n_folds
        self.n_members = n_members
        self.categorical_features = categorical_features
        self.width = width
        self.depth = depth
        self.activation = activation
        self.dropout = dropout
        self.embeddings = embeddings
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.epochs = epochs
        self.patience = patience
        self.max_time = max_time
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @of_one_fit
    def predict(self, X: Any) -> Any:
        """Return the prediction for each row, (n,) for one target, else (n, targets); the median with `quantiles`."""
        return self._point(self._values(self._outputs(X)))

    @available_if(lambda self: self._check_quantiles())
    @of_one_fit
    def predict_quantiles(self, X: Any) -> Any:
        """Return the quantiles of `quantiles_`, (n, quantiles), none of which crosses another."""
        return self._values(self._outputs(X))

    @of_one_fit
    def predict_interval(self, X: Any, coverage: float = 0.9) -> Any:
        """Return lower and upper ends, (n, 2), between which a share of `coverage` of the targets lies.

        Split conformal prediction: an interval around the prediction, of one width or, with `quantiles`, reaching as
        far as the two of them that are nearest to its ends; times what the rows held out need. The coverage then holds
        on average for rows like these, however good the model is; how well the width follows each row is up to the
        quantiles.
        """
        coverage = number(coverage, "coverage", 0.0, above=True)
        if coverage >= 1:
            raise ValueError(f"coverage must be below 1; got {coverage:g}")
        values = self._values(self._outputs(X))
        if self.n_outputs_ > 1:
            raise ValueError(f"predict_interval needs a model of one target; this one has {self.n_outputs_}")
        if self.residuals_ is None:
            raise ValueError("predict_interval needs rows held out in fit; validation was None")
        residuals, weight = self.residuals_[:, :-1], self.residuals_[:, -1]
        factor = interval_factor(self._point(residuals), *self._widths(-residuals, coverage), weight, coverage)
        point, (below, above) = self._point(values), self._widths(values, coverage)
        return np.column_stack([point - factor * below, point + factor * above])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R squared."""
        return float(r2_score(number_targets(y), self.predict(X), sample_weight=sample_weight))

    def _check_quantiles(self) -> None:
        learned = self.quantiles_.size if hasattr(self, "quantiles_") else self.quantiles is not None
        if not learned:
            raise AttributeError(
                "predict_quantiles needs TabularRegressor(quantiles=[...]) and a fit; this one has "
                f"loss={self.loss!r}. predict_interval gives intervals without"
            )

    def _scale_of(self, t: Array, column: int, weights: Array | None) -> tuple[float, float, float, float]:
        """Return mean, scale and range of a target (n,), what is far from the others being the nearest of those."""
        far = far_from_the_others(t)
        if far.any():
            where = "y" if self.n_outputs_ == 1 else f"column {column} of y"
            shown = ", ".join(f"{value:g}" for value in t[far][:3]) + (", ..." if np.count_nonzero(far) > 3 else "")
            self._warn_at_the_end(
                f"{where} has {counted(int(np.count_nonzero(far)), 'value')} far from all others, which lie between "
                f"{t[~far].min():g} and {t[~far].max():g}: {shown}. Such a target counts as the nearest of the others, "
                "and predictions stay between those. Leave the row out where it is a mistake or stands for a missing "
                "value; where it is right, learn a logarithm of the targets"
            )
            t = np.clip(t, t[~far].min(), t[~far].max())
        mean, scale = mean_and_scale(t[:, np.newaxis], weights)
        return float(mean[0]), float(scale[0]), float(t.min()), float(t.max())

    def _widths(self, values: Array, coverage: float) -> tuple[Array, Array]:
        """How far an interval goes to either side of the prediction, but for a factor.

        That is how far the two learned quantiles are away that are nearest to its ends; without such always the same.
        """
        below = above = np.ones(len(values))
        q, point = self.quantiles_, self._point(values)
        least = _LEAST_WIDTH * self.targets_[1, 0]
        if (q < 0.5).any():
            lower = np.abs(np.where(q < 0.5, q, np.inf) - (1 - coverage) / 2).argmin()
            below = above = np.maximum(point - values[:, lower], least)
        if (q > 0.5).any():
            upper = np.abs(np.where(q > 0.5, q, np.inf) - (1 + coverage) / 2).argmin()
            above = np.maximum(values[:, upper] - point, least)
            below = below if (q < 0.5).any() else above
        return below, above

    def _rules(self) -> dict[str, Rule]:
        return {**super()._rules(), "loss": one_of(LOSSES)}

    def _check_together(self, X_val: Any, y_val: Any, weight_val: Any, groups: Any) -> None:
        super()._check_together(X_val, y_val, weight_val, groups)
        if self.quantiles is not None:
            for name, usual in (("metric", None), ("loss", "squared_error")):
                if getattr(self, name) != usual:
                    raise ValueError(
                        f"quantiles have a loss of their own; got {name}={getattr(self, name)!r} beside them"
                    )

    def _targets(self, y: Any, *, first: bool) -> Array:
        targets = number_targets(y)
        if targets.ndim == 2 and targets.shape[1] == 1:
            targets = column_or_1d(targets, warn=True)
        columns = targets.reshape(len(targets), -1)
        if first:
            self.n_outputs_ = columns.shape[1]
            if self.quantiles is not None and self.n_outputs_ > 1:
                raise ValueError(f"quantiles need one target; y has {self.n_outputs_} columns")
        elif columns.shape[1] != self.n_outputs_:
            raise ValueError(f"y has {columns.shape[1]} columns; at the fit it had {self.n_outputs_}")
        return columns

    def _prepare(self, data: Data) -> None:
        given = () if self.quantiles is None else {0.5, *(float(q) for q in self.quantiles)}
        self.quantiles_, self.residuals_ = np.array(sorted(given)), None
        columns = [self._scale_of(t, column, data.weights) for column, t in enumerate(data.targets.T)]
        self.targets_ = np.array(columns).T

    def _for_network(self, targets: Array) -> Array:
        mean, scale, low, high = self.targets_
        return ((np.clip(targets, low, high) - mean) / scale).astype(np.float32)  # type: ignore[no-any-return]

    def _slots(self) -> tuple[list[Any], int]:
        if self.quantiles_.size:
            return [losses.get("quantile", q=float(q)) for q in self.quantiles_], 1
        return [self.loss], self.n_outputs_

    def _watched(self) -> str:
        if self.quantiles_.size:
            return "validation_loss"
        usual = "mae" if self.loss == "absolute_error" else METRICS["numbers"][0]
        return self.metric or usual

    def _values(self, outputs: Array) -> Array:
        """Return outputs in the targets' units, within their range; quantiles in order."""
        mean, scale, low, high = self.targets_
        values: Array = np.clip(outputs * scale + mean, low, high)
        return np.sort(values, axis=1) if self.quantiles_.size else values

    def _point(self, values: Array) -> Array:
        if self.quantiles_.size:
            return values[:, int(np.flatnonzero(self.quantiles_ == 0.5)[0])]
        return values[:, 0] if self.n_outputs_ == 1 else values

    def _judge(self, targets: Array, weight: Array | None, outputs: Array) -> None:
        values = self._values(outputs)
        if self.quantiles_.size:
            self.validation_score_ = float(np.average(self._pinball(targets, values), weights=weight))
        elif self._watched() != "r2" or len(targets) > 1:  # a single target has no variance to explain
            self.validation_score_ = metrics.get(self._watched())(targets, values, weight)
        if self.n_outputs_ == 1:
            residuals = np.column_stack([targets - values, np.ones(len(targets)) if weight is None else weight])
            order = np.random.default_rng(self._seed % 2**63).permutation(len(residuals))[:_MOST_RESIDUALS]
            self.residuals_ = residuals[np.sort(order)]

    def _finished(self, outputs: Array) -> Array:
        values = self._values(outputs)
        return values if self.quantiles_.size else self._point(values)

    def _loss_by_row(self, targets: Array, outputs: Array) -> Array:
        """Return squared errors in units of the variance, or the quantiles' loss, of targets as they are learned."""
        _, scale, low, high = self.targets_
        targets, values = np.clip(targets, low, high), self._values(outputs)
        if self.quantiles_.size:
            return self._pinball(targets, values)
        return np.mean(((targets - values) / scale) ** 2, axis=1)  # type: ignore[no-any-return]

    def _pinball(self, targets: Array, values: Array) -> Array:
        """Return the mean loss of the quantiles, by row."""
        error = targets - values
        return np.mean(np.maximum(self.quantiles_ * error, (self.quantiles_ - 1) * error), axis=1)  # type: ignore[no-any-return]

    def described(self) -> dict[str, Any]:
        """Return what it has learned, as plain JSON values."""
        return {
            "quantiles": self.quantiles_.tolist(),
            "targets": int(self.n_outputs_),
            "residuals": 0 if self.residuals_ is None else len(self.residuals_),
        }

    def learned_arrays(self) -> dict[str, Array]:
        """Return the targets' mean, scale and range, and the errors on rows held out."""
        own = {"targets": self.targets_}
        return own if self.residuals_ is None else {**own, "residuals": self.residuals_}

    @staticmethod
    def learned_forms(described: dict[str, Any]) -> dict[str, tuple[int, ...]]:
        """Return the shapes of `learned_arrays`."""
        rows, columns = described["residuals"], max(1, len(described["quantiles"])) + 1
        return {"targets": (4, described["targets"])} | ({"residuals": (rows, columns)} if rows else {})

    def restore(self, described: dict[str, Any], arrays: dict[str, Array]) -> None:
        """Take back what was `described` and `learned_arrays`; ValueError or TypeError where that cannot be."""
        self.quantiles_ = np.array([number(q, "a quantile") for q in described["quantiles"]])
        self.n_outputs_ = whole_number(described["targets"], "targets", 1)
        self.targets_, self.residuals_ = arrays["targets"], arrays.get("residuals")
        mean_to_high, q = self.targets_, self.quantiles_
        if (mean_to_high[1] <= 0).any() or (mean_to_high[2] > mean_to_high[3]).any():
            raise ValueError("the targets' scale and range are none")
        if q.size and (0.5 not in q or not (np.diff(q) > 0).all() or q[0] <= 0 or q[-1] >= 1 or self.n_outputs_ > 1):
            raise ValueError("quantiles lie between 0 and 1, the median among them")
