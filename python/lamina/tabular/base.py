"""What the two estimators for tables share: the fit, from a data frame to networks that have been judged."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.utils.validation import _num_samples, check_is_fitted

from lamina.data.arguments import number, whole_number
from lamina.data.arrays import Array, refuse_masked, unmasked, weights
from lamina.data.records import Indices, Samples
from lamina.data.splits import Split, fold_indices, group_numbers, said_of_few
from lamina.estimators.estimator import BaseLamina, all_or_nothing
from lamina.estimators.parameters import TABULAR, Rule, check_parameters, one_of
from lamina.files import FilePath
from lamina.network.network import Network
from lamina.selection.cross_validation import Fold
from lamina.storage.container import Contents, write
from lamina.storage.forms import Forms
from lamina.storage.plain import plain
from lamina.tabular import model
from lamina.tabular.frame import FrameEncoder
from lamina.tabular.members import Plan, Trained, combined, train
from lamina.tabular.recipe import (
    EMBEDDINGS,
    METRICS,
    PRESETS,
    Recipe,
    TableShape,
    build,
    fit_options,
    recipe_for,
)
from lamina.tabular.scores import permuted_rises
from lamina.tabular.targets import target_rows
from lamina.tabular.values import Table, table_of
from lamina.text import counted

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["BaseTabular"]

_REMEDY = "Give validation=None to learn all, or n_folds"
# Parameters of an estimator that a recipe has, too.
_OF_THE_RECIPE = (
    *("width", "depth", "activation", "dropout", "embeddings", "learning_rate", "weight_decay", "label_smoothing"),
    *("batch_size", "epochs", "patience"),
)
# Parameters that have no say in the bits, or, as a seed that is drawn from, are told apart by what comes of them.
_NOT_COMPARED = {"n_jobs", "verbose", "max_time", "random_state"}
# What arrays beside the networks' are called.
_CENTER, _SCALE, _IMPORTANCES, _LEARNED = "columns.center", "columns.scale", "columns.importance", "learned."
# Rows by which importances are told at most, and the share of the training's work that they may take.
_MOST_JUDGES, _SHARE_OF_WORK = 1000, 0.1


@dataclass(frozen=True, slots=True)
class Data:
    """The rows that count of a table.

    Attributes
    ----------
    matrix : (n, width) array
        As the encoder makes it.
    targets : (n,) array of int or (n, targets) array of float64
        Class numbers, or values as they were given.
    weights : (n,) array or None
    """

    matrix: Array
    targets: Array
    weights: Array | None

    def __len__(self) -> int:
        return len(self.matrix)

    def take(self, rows: Any) -> Data:
        """Return the rows of these numbers."""
        return Data(self.matrix[rows], self.targets[rows], None if self.weights is None else self.weights[rows])


class BaseTabular(BaseLamina):
    """The fit and its attributes; the subclasses know targets, losses and predictions."""

    _target: ClassVar[str]
    _link: ClassVar[str]
    encoder_: FrameEncoder
    networks_: list[Network]
    out_of_fold_: Array | None
    fold_: Array | None
    validation_score_: float | None
    metadata_: dict[str, str]

    # What the subclasses know -------------------------------------------------------------------------------------

    @abstractmethod
    def _targets(self, y: Any, *, first: bool) -> Array:
        """Return class numbers (n,) or values (n, targets); at the `first` time set what they decide."""

    @abstractmethod
    def _prepare(self, data: Data) -> None:
        """Set what the rows that count decide, before training."""

    @abstractmethod
    def _for_network(self, targets: Array) -> Array:
        """Return targets as the networks take them."""

    @abstractmethod
    def _slots(self) -> tuple[list[Any], int]:
        """Return the loss of each slot, which has networks of its own, and how many outputs a slot has."""

    @abstractmethod
    def _watched(self) -> str:
        """Return the metric by which the best epoch is chosen."""

    @abstractmethod
    def _judge(self, targets: Array, weight: Array | None, outputs: Array) -> None:
        """Take what the networks' outputs for rows held out tell; without such rows it is not called."""

    @abstractmethod
    def _finished(self, outputs: Array) -> Array:
        """Return the predictions, as `out_of_fold_` has them, of the networks' outputs."""

    @abstractmethod
    def _loss_by_row(self, targets: Array, outputs: Array) -> Array:
        """Return the loss of each row, by which importances are told."""

    def _class_weighted(self, targets: Array, weight: Array | None) -> Array | None:
        """Return the weights of rows times those of their classes."""
        return weight

    # Fitting ------------------------------------------------------------------------------------------------------

    @all_or_nothing
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        groups: Any = None,
        checkpoint: FilePath | None = None,
    ) -> Self:
        """Learn the columns of a table, and train on it.

        Parameters
        ----------
        X : data frame or array-like, (rows, columns)
            Of pandas, polars, pyarrow or another library that narwhals knows; an array; a list of rows.
        y : array-like, (rows,); for regression also (rows, targets)
        sample_weight : array-like, (rows,), optional
            A row of weight 2 counts as the row given twice, one of weight 0 as if it were not there.
        X_val, y_val, sample_weight_val : optional
            A validation set of your own, in place of `validation`.
        groups : array-like, (rows,), optional
            With `n_folds`: rows of one group stay in one fold.
        checkpoint : path-like, optional
            A file that keeps each network as it ends: of each fold, member or quantile. The same call, made again after
            it was broken off by whatever, trains the others alone, and makes the bits of a fit that was never
            interrupted, for any `n_jobs`; where all had ended, it trains none. Compared are the table as the networks
            see it, targets, folds and parameters, and the seed: `random_state` has to be a number. With `max_time` the
            seconds of each call count on their own. CheckpointError, a ValueError, for a file of another fit, or one
            that was damaged.
        """
        check_parameters(self, self._rules())
        if checkpoint is not None and self.random_state is None:
            raise ValueError("random_state must be a number where there is a checkpoint: None is a new seed each time")
        self._check_together(X_val, y_val, sample_weight_val, groups)
        given = table_of(X)
        table, targets, weight, kept = self._counted(given, y, sample_weight, first=True)
        groups = None if groups is None else _groups_of(groups, given.n_rows, kept)
        if table.n_rows < 2:
            raise ValueError(f"X must have at least 2 rows to learn from; got {table.n_rows} sample")
        self._remember_columns(table)
        self.encoder_, matrix = FrameEncoder.fit_transform(table, self.categorical_features)
        for name, why in self.encoder_.left_out().items():
            self._warn_at_the_end(f"column {name!r} was left out: {why}")
        for name, text in self.encoder_.strange.items():
            self._warn_at_the_end(
                f"column {name!r} is text: nearly all of its values are numbers, but {text!r} is none. Where that "
                "stands for a missing value, let it be missing"
            )
        data = Data(matrix, targets, weight)
        self._prepare(data)
        self._seed = self._network_seed()
        self.metadata_ = {}
        self._train(data, self._apart(X_val, y_val, sample_weight_val), groups, checkpoint)
        if kept is not None and self.out_of_fold_ is not None:
            everywhere = np.full((given.n_rows, *self.out_of_fold_.shape[1:]), np.nan)
            everywhere[kept] = self.out_of_fold_
            self.out_of_fold_ = everywhere
            fold = np.full(given.n_rows, -1)
            fold[kept] = self.fold_
            self.fold_ = fold
        return self

    def _rules(self) -> dict[str, Rule]:
        return {
            **TABULAR,
            "preset": one_of(PRESETS),
            "metric": one_of(METRICS[self._target], optional=True),
            "embeddings": one_of(EMBEDDINGS, optional=True),
        }

    def _trained_html(self) -> str:
        from lamina.html import notebook  # when a notebook asks for it

        if "networks_" not in self.__dict__:
            return ""
        first = self.networks_[0]
        return notebook.panel(
            f"{counted(len(self.networks_), 'network')} of {counted(first.n_inputs, 'input')}",
            notebook.facts({"best epoch": f"{self.best_epoch_:,}", "loss": first.loss.name}),
            notebook.fits_part([history for history in self.history_ if history is not None]),
        )

    def _check_together(self, X_val: Any, y_val: Any, weight_val: Any, groups: Any) -> None:
        """Raise ValueError for what is fine one by one and not together."""
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val go together; only one of them was given")
        if X_val is None and weight_val is not None:
            raise ValueError("sample_weight_val was given without X_val and y_val")
        if X_val is not None and self.n_folds is not None:
            raise ValueError("n_folds and X_val both say what is validated on; give one of them")
        if groups is not None and self.n_folds is None:
            raise ValueError("groups stay together in folds; give n_folds, too")
        if self.metric is not None and self.validation is None and self.n_folds is None and X_val is None:
            raise ValueError(f"metric={self.metric!r} needs something to validate on; validation is None")

    def _counted(
        self, table: Table, y: Any, weight: Any, *, first: bool
    ) -> tuple[Table, Array, Array | None, Indices | None]:
        """The rows that count of a table, their targets and weights, and which these are (None: all).

        Targets of rows of weight 0 may be anything, missing or of no class too: nothing looks at them.
        """
        refuse_masked(y, "y")
        n_rows, kept = table.n_rows, None
        weight = weights(weight, n_rows, np.dtype("float64"))
        if weight is not None and not weight.all():
            if y is not None:
                _check_lengths(n_rows, _num_samples(y))
            kept = np.flatnonzero(weight)
            table, y, weight = table.take(kept), None if y is None else target_rows(y, kept), weight[kept]
        targets = self._targets(y, first=first)
        _check_lengths(table.n_rows, len(targets))
        weight = self._class_weighted(targets, weight)
        if weight is None or weight.all():
            return table, targets, weight, kept
        if not weight.any():
            raise ValueError("class_weight and sample_weight must leave a row a weight above 0")
        own = np.flatnonzero(weight)
        return table.take(own), targets[own], weight[own], own if kept is None else kept[own]

    def _remember_columns(self, table: Table) -> None:
        self.n_features_in_ = table.n_columns
        if table.names is not None and table.of_text:
            self.feature_names_in_ = np.array(table.names, object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _apart(self, X_val: Any, y_val: Any, weight_val: Any) -> Data | None:
        """The rows of the validation set that was given apart."""
        if X_val is None:
            return None
        try:
            table, targets, weight, _ = self._counted(table_of(X_val), y_val, weight_val, first=False)
            return Data(self.encoder_.transform(table), targets, weight)
        except (TypeError, ValueError) as error:
            raise type(error)(f"X_val, y_val or sample_weight_val: {error}") from None

    def _parts(self, data: Data, groups: Array | None) -> list[Fold | None]:
        """What each part trains on and holds out."""
        n, labels = len(data), data.targets.astype(np.int32) if self._target == "classes" else None
        if self.n_folds is not None:
            k = int(self.n_folds)
            if k > n:
                raise ValueError(f"n_folds must be at most the number of rows that count, {n}; got {k}")
            if groups is not None and (given := int(groups.max()) + 1) < k:
                raise ValueError(f"n_folds must be at most the number of groups, {given}; got {k}")
            if labels is not None and np.bincount(labels)[np.unique(labels)].min() < k:
                labels = None  # a class with fewer members than folds: not in every fold, whatever one does
            home = fold_indices(n, k, labels, self._seed, groups=groups)
            return [Fold(np.flatnonzero(home != i), np.flatnonzero(home == i)) for i in range(k)]
        if self.validation is None:
            return [None]
        thought_about = isinstance(self.validation, Split)
        split = self.validation if thought_about else Split(self.validation)
        fold = Fold(*split.indices(n, labels, self._seed))
        told = None if thought_about else said_of_few(len(fold.held), n, _REMEDY)
        if told is not None:
            self._warn_at_the_end(told)
        return [fold]

    def _train(self, data: Data, apart: Data | None, groups: Array | None, checkpoint: FilePath | None) -> None:
        """Train all networks, and judge them by what each has not seen."""
        slots, n_outputs = self._slots()
        parts: list[Fold | None] = [None] if apart is not None else self._parts(data, groups)
        n_rows = len(data) if parts[0] is None else len(parts[0].train)
        shape = TableShape(
            n_rows, self.encoder_.n_numeric, self.encoder_.varied(), self.encoder_.sizes, self._target, n_outputs
        )
        own = {name: getattr(self, name, None) for name in _OF_THE_RECIPE}
        recipe: Recipe = recipe_for(self.preset, shape, own)
        plan = Plan(
            lambda slot, turn, seed: build(recipe, shape, slots[slot], seed, turn),
            len(slots),
            self._members(recipe),
            self._samples(data),
            parts,
            None if apart is None else self._samples(apart),
            fit_options(recipe, shape, self._watched(), apart is not None or parts[0] is not None),
            self._seed,
            self.max_time,
            bool(self.verbose),
            checkpoint,
            {
                "estimator": type(self).__name__,
                **{k: plain(value) for k, value in self.get_params(deep=False).items() if k not in _NOT_COMPARED},
                "categorical_features": model.named_columns(self.categorical_features),
            },
        )
        trained = train(plan, self._threads())
        if trained.interrupted:
            self._warn_at_the_end("Training interrupted by user.")
        self.networks_, self.n_slots_ = [member.network for member in trained.members], len(slots)
        self.history_ = [net.history for net in self.networks_]
        validated = apart is not None or parts[0] is not None
        epochs = [(validated and history.best_epoch) or history.epochs for history in self.history_ if history]
        self.best_epoch_ = round(float(np.mean(epochs)))
        self._look_at_held_out(data, apart, trained.parts, trained.held_out(len(slots)))
        if self.validation_score_ is not None and not np.isfinite(self.validation_score_):
            self.validation_score_ = None  # a curve of one class has no area
        self.feature_importances_ = self._importances(data, apart, trained, recipe.epochs * n_rows)

    def _members(self, recipe: Recipe) -> int:
        if self.n_members is not None:
            return int(self.n_members)
        return recipe.members if self.n_folds is None else recipe.members_of_fold

    def _samples(self, data: Data) -> Samples:
        weight = None if data.weights is None else weights(data.weights, len(data), np.dtype("float32"))
        return Samples(data.matrix, self._for_network(data.targets), weight)

    def _look_at_held_out(self, data: Data, apart: Data | None, parts: list[Fold | None], outputs: list[Array]) -> None:
        self.out_of_fold_ = self.fold_ = self.validation_score_ = None
        if not outputs:
            return
        if apart is not None:
            self._judge(apart.targets, apart.weights, outputs[0])
            return
        rows = np.concatenate([part.held for part in parts if part is not None])
        together = np.concatenate(outputs)
        self._judge(data.targets[rows], None if data.weights is None else data.weights[rows], together)
        finished = self._finished(together)
        self.out_of_fold_ = np.full((len(data), *finished.shape[1:]), np.nan)
        self.out_of_fold_[rows] = finished
        self.fold_ = np.full(len(data), -1)
        for place, part in enumerate(parts):
            if part is not None:
                self.fold_[part.held] = place

    def _importances(self, data: Data, apart: Data | None, trained: Trained, work: int) -> Array:
        """How much the loss of the first part's rows held out rises where a column is shuffled, in shares of 1."""
        part = trained.parts[0]
        judges = apart if apart is not None else data if part is None else data.take(part.held)
        sources = np.array(self.encoder_.sources(), int)
        groups = [np.flatnonzero(sources == place).tolist() for place in range(self.n_features_in_)]
        most = int(np.clip(_SHARE_OF_WORK * work / max(1, sum(map(bool, groups))), 10, _MOST_JUDGES))
        if len(judges) > most:
            judges = judges.take(np.random.default_rng(self._seed % 2**63).permutation(len(judges))[:most])
        networks = [member.network for member in trained.members if member.part == 0]

        def loss(matrix: Array) -> float:
            outputs = self._outputs_of(networks, matrix)
            return float(np.average(self._loss_by_row(judges.targets, outputs), weights=judges.weights))

        rises = permuted_rises(loss, judges.matrix, groups, self._seed)
        return rises / rises.sum() if rises.sum() > 0 else rises

    # Using --------------------------------------------------------------------------------------------------------

    def _outputs_of(self, networks: list[Network], matrix: Array) -> Array:
        return combined(networks, self.n_slots_, matrix, self._threads())

    def _outputs(self, X: Any) -> Array:
        """Return the networks' mean outputs for a table, (rows, outputs), float64."""
        check_is_fitted(self)
        table = table_of(X)
        if hasattr(self, "feature_names_in_") and table.names is None:
            warnings.warn(
                f"X does not have valid feature names, but {type(self).__name__} was fitted with feature names",
                UserWarning,
                stacklevel=4,
            )
        return self._outputs_of(self.networks_, self.encoder_.transform(table, owner=type(self).__name__))

    def network_samples(self, X: Any, y: Any) -> tuple[Array, Array]:
        """Return the inputs and targets that the networks of `networks_` take, of a table and its targets."""
        check_is_fitted(self)
        made = self._samples(Data(self.encoder_.transform(table_of(X)), self._targets(y, first=False), None))
        return made.x, made.targets

    @property
    def dropped_columns_(self) -> dict[str, str]:
        """The columns that nothing is made of, and why."""
        return self.encoder_.dropped()

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Return what the columns are called that the networks see, with parts of dates and what tells of missing."""
        check_is_fitted(self)
        return np.array(self.encoder_.names_out(), object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags

    # Keeping ------------------------------------------------------------------------------------------------------

    def save(self, path: FilePath) -> None:
        """Write one safetensors file, whole or not at all, with the columns, their categories and all networks.

        `lamina.load` gives the estimator back. What training did (`history_`, `out_of_fold_`) is not kept.
        """
        check_is_fitted(self)
        write(path, self.contents())

    def contents(self) -> Contents:
        """Return what a model file holds of the estimator."""
        arrays = {
            **model.network_arrays(self.networks_),
            _CENTER: self.encoder_.center,
            _SCALE: self.encoder_.scale,
            _IMPORTANCES: self.feature_importances_,
            **{_LEARNED + name: array for name, array in self.learned_arrays().items()},
        }
        return Contents.of(self.architecture(), arrays, {}, self.metadata_)

    def architecture(self) -> dict[str, Any]:
        """Return what makes the estimator, beside numbers in arrays, as plain JSON values."""
        return {
            "network": type(self).__name__,
            "parameters": {name: model.plain(value) for name, value in self.get_params(deep=False).items()},
            "columns": self.encoder_.description(),
            "learned": self.described(),
            "networks": [net.architecture() for net in self.networks_],
            "best_epoch": self.best_epoch_,
            "validation_score": self.validation_score_,
        }

    @classmethod
    def forms_of(cls, architecture: dict[str, Any]) -> Forms:
        """Return what arrays an estimator from the result of `architecture` has; nothing is built."""
        columns = architecture["columns"]
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys((_CENTER, _SCALE), (FrameEncoder.n_centers(columns),))
        shapes[_IMPORTANCES] = (len(columns["columns"]),)
        learned = cls.learned_forms(architecture["learned"])
        shapes |= {_LEARNED + name: shape for name, shape in learned.items()}
        return model.forms_of(architecture["networks"], shapes)

    @classmethod
    def from_contents(cls, contents: Contents) -> BaseTabular:
        """Return the estimator that a model file holds; ValueError or TypeError where its parts do not fit."""
        given, arrays = contents.architecture, contents.arrays
        estimator = cls(**{name: model.unplain(value) for name, value in given["parameters"].items()})
        check_parameters(estimator, estimator._rules())
        encoder = FrameEncoder.from_description(given["columns"], arrays[_CENTER], arrays[_SCALE])
        estimator.encoder_, estimator.n_features_in_ = encoder, len(encoder.columns)
        if encoder.names is not None and encoder.of_text:
            estimator.feature_names_in_ = np.array(encoder.names, object)
        learned = {n.removeprefix(_LEARNED): array for n, array in arrays.items() if n.startswith(_LEARNED)}
        estimator.restore(given["learned"], learned)
        slots, n_outputs = estimator._slots()
        estimator.n_slots_, estimator.networks_ = len(slots), model.networks_from(given["networks"], arrays)
        for net in estimator.networks_:
            if (
                (net.n_inputs, net.n_outputs) != (encoder.width, n_outputs)
                or net.loss.link != cls._link
                or net.spec.recurrent
            ):
                raise ValueError("a network does not fit the columns or the target")
        if not estimator.networks_ or len(estimator.networks_) % len(slots):
            raise ValueError(f"networks come in groups of {len(slots)}")
        estimator.feature_importances_ = arrays[_IMPORTANCES]
        estimator.best_epoch_ = whole_number(given["best_epoch"], "best_epoch", 0)
        score = given["validation_score"]
        estimator.validation_score_ = None if score is None else number(score, "validation_score", -np.inf)
        estimator.history_, estimator.out_of_fold_, estimator.fold_ = [], None, None
        estimator.metadata_ = dict(contents.metadata)
        return estimator

    @abstractmethod
    def described(self) -> dict[str, Any]:
        """Return what the subclass has learned, as plain JSON values."""

    @abstractmethod
    def learned_arrays(self) -> dict[str, Array]:
        """Return what the subclass has learned, as arrays by name."""

    @staticmethod
    @abstractmethod
    def learned_forms(described: dict[str, Any]) -> dict[str, tuple[int, ...]]:
        """Return the shapes of `learned_arrays`, by what is `described`."""

    @abstractmethod
    def restore(self, described: dict[str, Any], arrays: dict[str, Array]) -> None:
        """Take back what was `described` and `learned_arrays`; ValueError or TypeError where that cannot be."""


def _check_lengths(n_rows: int, n_targets: int) -> None:
    if n_targets != n_rows:
        raise ValueError(f"X and y have inconsistent numbers of samples: {[n_rows, n_targets]}")


def _groups_of(groups: Any, n_rows: int, kept: Indices | None) -> Indices:
    """The number of each group of the rows that are `kept` (None: all)."""
    array = unmasked(groups, "groups")
    if array.shape != (n_rows,):
        raise ValueError(f"groups must have one entry for each of the {n_rows} rows; got shape {array.shape}")
    return group_numbers(array if kept is None else array[kept])
