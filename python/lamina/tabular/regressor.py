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
from lamina.estimators.estimator import available_if, of_one_fit
from lamina.estimators.parameters import Rule, one_of
from lamina.tabular.base import BaseTabular, Data
from lamina.tabular.recipe import METRICS
from lamina.tabular.scores import interval_factor
from lamina.tabular.target_scale import TargetScale
from lamina.tabular.targets import number_targets
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
    targets. Where one of a hundred targets at most is ten standard deviations of the others from their median, these are
    learned on a logarithmic scale, so that they do not spoil the others, with a warning that tells their values.

    Parameters
    ----------
    preset, validation, n_folds, n_members, categorical_features, width, depth, activation, dropout, embeddings, \
learning_rate, weight_decay, batch_size, epochs, patience, max_time, n_jobs, random_state, verbose
        As in `TabularClassifier`.
    metric : {"rmse", "mae", "r2"}, default=None
        What the best epoch is chosen by, on the validation part; None is "rmse", with an absolute error as loss "mae".
        With `quantiles` it is their own loss, and the parameter is refused.
    loss : {"squared_error", "absolute_error", "huber", "log_cosh"}, default="squared_error"
        What training lowers, on targets brought to zero mean and unit variance (but for those far from all others).
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
                f"predict_quantiles needs TabularRegressor(quantiles=[...]) and a fit; this one has loss={self.loss!r}. "
                "predict_interval gives intervals without"
            )

    def _told_of_far(self, values: Array, column: int) -> str:
        """Say which values of a target are far from the others, and what becomes of them."""
        shown = ", ".join(f"{value:g}" for value in values[:3]) + (", ..." if len(values) > 3 else "")
        where = "y" if self.n_outputs_ == 1 else f"column {column} of y"
        low, high = self.targets_.near_low[column], self.targets_.near_high[column]
        return (
            f"{where} has {counted(len(values), 'value')} far from all others, which lie between {low:g} and {high:g}: "
            f"{shown}. Beyond those, targets are learned on a logarithmic scale; leave out rows whose target is a "
            "mistake or stands for a missing one"
        )

    def _widths(self, values: Array, coverage: float) -> tuple[Array, Array]:
        """How far an interval goes to either side of the prediction, but for a factor.

        That is how far the two learned quantiles are away that are nearest to its ends; without such always the same.
        """
        below = above = np.ones(len(values))
        q, point = self.quantiles_, self._point(values)
        least = _LEAST_WIDTH * self.targets_.scale[0]
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
        self.targets_ = TargetScale.of(data.targets, data.weights)
        for column, far in enumerate(self.targets_.far(data.targets).T):
            if far.any():
                self._warn_at_the_end(self._told_of_far(data.targets[far, column], column))

    def _for_network(self, targets: Array) -> Array:
        return self.targets_.learned(targets).astype(np.float32)

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
        values = self.targets_.values(outputs)
        return np.sort(values, axis=1) if self.quantiles_.size else values

    def _point(self, values: Array) -> Array:
        if self.quantiles_.size:
            return values[:, int(np.flatnonzero(self.quantiles_ == 0.5)[0])]
        return values[:, 0] if self.n_outputs_ == 1 else values

    def _judge(self, targets: Array, weight: Array | None, outputs: Array) -> None:
        values = self._values(outputs)
        if self.quantiles_.size:
            self.validation_score_ = float(np.average(self._loss_by_row(targets, outputs), weights=weight))
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
        """Return squared errors of targets as they are learned, or the mean pinball loss of the quantiles."""
        error = targets - self._values(outputs)
        if self.quantiles_.size:
            return np.mean(np.maximum(self.quantiles_ * error, (self.quantiles_ - 1) * error), axis=1)  # type: ignore[no-any-return]
        error = self.targets_.learned(targets) - self.targets_.learned(self._values(outputs))
        return np.mean(error**2, axis=1)  # type: ignore[no-any-return]

    def described(self) -> dict[str, Any]:
        """Return what it has learned, as plain JSON values."""
        return {
            "quantiles": self.quantiles_.tolist(),
            "targets": int(self.n_outputs_),
            "residuals": 0 if self.residuals_ is None else len(self.residuals_),
            **({"bent": True} if self.targets_.bent else {}),
        }

    def learned_arrays(self) -> dict[str, Array]:
        """Return how targets are learned, and the errors on rows held out."""
        scale = self.targets_
        own = {"targets": np.stack([scale.mean, scale.scale, scale.low, scale.high])}
        if scale.bent:
            own["near"] = np.stack([scale.near_low, scale.near_high])
        return own if self.residuals_ is None else {**own, "residuals": self.residuals_}

    @staticmethod
    def learned_forms(described: dict[str, Any]) -> dict[str, tuple[int, ...]]:
        """Return the shapes of `learned_arrays`."""
        rows, columns = described["residuals"], max(1, len(described["quantiles"])) + 1
        own = {"targets": (4, described["targets"])} | ({"residuals": (rows, columns)} if rows else {})
        return own | ({"near": (2, described["targets"])} if described.get("bent") else {})

    def restore(self, described: dict[str, Any], arrays: dict[str, Array]) -> None:
        """Take back what was `described` and `learned_arrays`; ValueError or TypeError where that cannot be."""
        self.quantiles_ = np.array([number(q, "a quantile") for q in described["quantiles"]])
        self.n_outputs_ = whole_number(described["targets"], "targets", 1)
        mean, scale, low, high = arrays["targets"]
        near_low, near_high = arrays.get("near", (low, high))
        self.targets_, self.residuals_ = (
            TargetScale(mean, scale, low, high, near_low, near_high),
            arrays.get("residuals"),
        )
        q = self.quantiles_
        if not ((scale > 0) & (low <= near_low) & (near_low <= near_high) & (near_high <= high)).all():
            raise ValueError("the targets' scale and range are none")
        if q.size and (0.5 not in q or not (np.diff(q) > 0).all() or q[0] <= 0 or q[-1] >= 1 or self.n_outputs_ > 1):
            raise ValueError("quantiles lie between 0 and 1, the median among them")
