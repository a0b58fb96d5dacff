"""k-fold cross-validation, the folds trained side by side."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np

from lamina.data.arguments import boolean, seed_number, verbosity
from lamina.data.arrays import Array
from lamina.data.frames import frame_of
from lamina.data.records import Indices, Samples
from lamina.data.splits import Split, fold_indices, group_numbers, validation_rows
from lamina.data.targets import classes_of
from lamina.files import FilePath
from lamina.network.network import Network
from lamina.selection.kept_fits import described_network, described_options, kept_fit, network_of
from lamina.selection.side_by_side import (
    OWN_OPTIONS,
    Hook,
    Task,
    check_fit_options,
    fit_on_all,
    fresh,
    jobs,
    one_target_a_sample,
    options_of,
    run,
)
from lamina.storage.forms import ArrayForm, Forms, form_of
from lamina.storage.plain import described_samples, digest, name_of
from lamina.storage.run_file import Part, RunFile
from lamina.text import counted
from lamina.training.callbacks import History, callbacks_of
from lamina.training.progress import say
from lamina.training.scoring import score_of

__all__ = ["CrossValidation", "Fold", "cross_validate", "fit_fold", "folds_of", "is_number", "mean_curve", "row_pairs"]

_PREDICTIONS = "predictions"


class Fold(Split):
    """A split that is known already: rows to train on and rows held out."""

    def __init__(self, train: Indices, held: Indices) -> None:
        super().__init__(len(held) / (len(train) + len(held)))
        self.train, self.held = train, held

    def indices(self, n_rows: int, labels: Any, seed: int) -> tuple[Indices, Indices]:
        """Return the rows it was made of."""
        return self.train, self.held

    def of_counted(self, given: Samples) -> tuple[Samples, Fold]:
        """Return `given` without the samples of weight 0, and the split of those that are left."""
        if given.weights is None or given.weights.all():
            return given, self
        place = np.cumsum(given.weights > 0) - 1
        train, held = (place[rows[given.weights[rows] > 0]] for rows in (self.train, self.held))
        if len(train) == 0 or len(held) == 0:
            raise ValueError("sample_weight must not be all zero in the training or the validation part of a fold")
        return given.counted(), Fold(train, held)

    def with_inner(self, inner: Any, labels: Array | None, seed: int) -> Fold:
        """Return a split of the training rows alone, so that what is held out has no say in the fit.

        `inner` is a fraction or a `Split`.
        """
        labels = None if labels is None else labels[self.train]
        remedy = "Give validation=None to stop by what each fold holds out, or early_stopping=None and some epochs"
        part, stop = validation_rows(inner, len(self.train), labels, seed, remedy)
        return Fold(self.train[part], self.train[stop])


@dataclass(frozen=True, slots=True)
class _Done:
    """A fold that has ended: its network, the score of what it held out, and the predictions for that."""

    network: Network
    score: float
    predictions: Array

    def part(self) -> Part:
        """Return what is kept of it."""
        return kept_fit(self.network, {_PREDICTIONS: self.predictions}, score=float(self.score))

    @classmethod
    def of(cls, part: Part, net: Network, fold: Fold, file: RunFile) -> _Done:
        """Return the fold that was kept; CheckpointError where the part is none of it."""
        try:
            form = ArrayForm(net.dtype.name, (len(fold.held), net.n_outputs))
            Forms({_PREDICTIONS: form}).check({_PREDICTIONS: form_of(part.arrays[_PREDICTIONS])})
            score = part.value("score", float)
        except (LookupError, ValueError) as error:
            raise file.damaged(error) from error
        return cls(network_of(part, net, file, [_PREDICTIONS]), score, part.arrays[_PREDICTIONS])


@dataclass(eq=False, repr=False)
class CrossValidation:
    """What `cross_validate` found.

    Attributes
    ----------
    scores : (k,) array
        The loss of each fold's held-out part (lower is better), or the `scoring` asked for (higher is better).
    histories : list of History
        One a fold.
    out_of_fold : (rows, outputs) array
        Predictions for each row by the network that did not train on it: NaN for a row that no fold holds out, the mean
        for one that several do.
    folds : (rows,) array of int
        Which fold held each row out: -1 for none, the last of several.
    networks : list of Network
        One a fold.
    """

    scores: Array
    histories: list[History]
    out_of_fold: Array
    folds: Array
    networks: list[Network]
    _net: Network
    _samples: Samples
    _options: dict[str, Any]

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "_data" in state:  # an older pickle
            net, *parts = state["_data"]
            state = {**state, "_net": net, "_samples": Samples(*parts)}
            del state["_data"]
        self.__dict__.update(state)

    @property
    def mean(self) -> float:
        """The mean of the folds' scores: the course's cross-validation error."""
        return float(self.scores.mean())

    @property
    def std(self) -> float:
        """The standard deviation of the folds' scores (divided by k - 1); NaN for a single fold."""
        return float(self.scores.std(ddof=1)) if len(self.scores) > 1 else math.nan

    @property
    def validation_curve(self) -> Array:
        """The mean validation loss by epoch; a fold that has stopped counts with its last value."""
        return mean_curve([h.validation_loss for h in self.histories])

    @property
    def best_epoch(self) -> int:
        """The epoch, counted from 1, at which the mean validation loss is lowest."""
        return int(np.argmin(self.validation_curve)) + 1

    def refit(self, **changes: Any) -> Network:
        """Return a fresh network trained on every row for `best_epoch` epochs, on all threads.

        `changes` replace options of the folds' fits. A schedule runs as it did in the folds.
        """
        given = self._samples
        options = {**self._options, "sample_weight": given.weights, **changes}
        return fit_on_all(fresh(self._net), given.x, given.targets, options, self.best_epoch, "the folds' best epoch")

    def __str__(self) -> str:
        each = ", ".join(f"{score:.4g}" for score in self.scores)
        n = len(self.scores)
        return f"{n} fold{'s'[: n != 1]}: {self.mean:.4g} ± {self.std:.2g} ({each}); best epoch {self.best_epoch}"

    __repr__ = __str__

    def to_frame(self, library: str = "pandas") -> Any:
        """Return a data frame of pandas, polars or pyarrow of one row a fold: score, rows held out, epochs.

        `History.to_frame` has a row for each epoch of a fold.
        """
        columns: dict[str, list[Any]] = {
            "fold": list(range(len(self.scores))),
            "score": [float(score) for score in self.scores],
            "held_out": [int((self.folds == fold).sum()) for fold in range(len(self.scores))],
            "epochs": [history.epochs for history in self.histories],
            "best_epoch": [int(history.best_epoch) for history in self.histories],
            "stop_reason": [history.stop_reason for history in self.histories],
        }
        return frame_of(columns, library)

    def _repr_html_(self) -> str:
        """What a notebook shows: the scores of the folds, and the curves of their fits."""
        from lamina.html import notebook  # when a notebook asks for it
        from lamina.html.drawings import strip

        known = {
            "mean": f"{self.mean:.4g}",
            "standard deviation": f"{self.std:.2g}",
            "best epoch": f"{self.best_epoch:,}",
        }
        return notebook.panel(
            f"Cross-validation: {counted(len(self.scores), 'fold')}",
            notebook.facts(known),
            notebook.side_by_side(
                strip(self.scores.tolist(), "Scores of the folds"), notebook.fits_part(self.histories)
            ),
        )


def cross_validate(
    net: Network,
    X: Any,
    y: Any,
    k: Any = 5,
    stratify: bool = True,
    seed: int = 0,
    n_jobs: int | None = None,
    *,
    scoring: str | Callable[..., float] | None = None,
    groups: Any = None,
    shuffle: bool = True,
    verbose: int = 0,
    checkpoint: FilePath | None = None,
    **fit_options: Any,
) -> CrossValidation:
    """Train k times on all but one part of the rows, and score each on the part left out.

    Every fold trains a fresh network with the layers, loss and seed of `net`, which does not change; its part left out
    is the validation set on which it stops early. Its bits are those of a fit alone, whatever `n_jobs` is.

    Parameters
    ----------
    net : Network
    X, y : array-like
        As for `Network.fit`.
    k : int, splitter or iterable of (training, held-out) row numbers, default 5
        Number of folds, at least 2; or one of scikit-learn's splitters, as ``TimeSeriesSplit(5)``, or what it gives,
        or boolean masks of rows: then `stratify`, `seed` and `shuffle` have no say. scikit-learn's name for it is cv.
    stratify : bool, default True
        Keep the classes' shares in every fold, where `y` holds classes; each class needs k members.
    seed : int, default 0
        Decides the folds.
    n_jobs : int, optional
        Folds at work at a time, each on one thread; by default `lamina.get_num_threads()`.
    scoring : str or callable, optional
        What the folds' parts left out are scored by: one of `lamina.metrics.names()` of which more is better
        ("accuracy", "auc", "r2"), or a callable of (network, X, y). The loss without it. Folds stop early by their
        loss either way.
    groups : array-like, (rows,), optional
        Rows of one group stay in one fold (then nothing is stratified).
    shuffle : bool, default True
        False makes each fold a run of consecutive rows, of whole groups with `groups`, each of which has to be in one
        piece.
    verbose : int, default 0
        1 prints a line on standard error as each fold ends.
    checkpoint : path-like, optional
        A file that keeps each fold as it ends. The same call, made again after it was broken off by whatever, trains
        those folds alone that had not ended, and returns the bits of a run that was never interrupted, for any
        `n_jobs`; where all had ended, at once. Samples, folds, network and options are compared; of functions
        (callbacks, `scoring`, custom losses) the names, and not what they do. Networks come back without the
        optimizer's memory.
    **fit_options
        As for `Network.fit`. With ``validation=`` a fraction or `Split`, each fold stops on a share of its training
        rows instead, so that the part left out has no say. Callbacks are called from the folds' threads.

    Returns
    -------
    CrossValidation

    Raises
    ------
    ValueError
        For more folds than rows, than groups, or than members of a class.
    CheckpointError
        Where there is something at `checkpoint` that is not the file of this run, or that was damaged; a ValueError.
    """
    if not isinstance(net, Network):
        raise TypeError(f"net must be a lamina.Network; got {net!r}")
    check_fit_options(fit_options, "cross_validate", OWN_OPTIONS)
    n_jobs, verbose = jobs(n_jobs), verbosity(verbose)
    stratify, shuffle = boolean(stratify, "stratify"), boolean(shuffle, "shuffle")
    seed = seed_number(seed)
    fit_options["callbacks"] = callbacks_of(fit_options.get("callbacks"))
    weight, lengths = fit_options.pop("sample_weight", None), fit_options.get("lengths")
    given = one_target_a_sample(net, X, y, weight, lengths)
    classes = classes_of(net.loss, given.targets) if stratify and shuffle else None
    folds = folds_of(k, given, classes, seed, shuffle, groups)
    score = score_of(scoring, net.loss)
    options_of(fit_options, lambda epoch: None)  # before there is a file

    file = RunFile(
        checkpoint,
        "cross_validate",
        lambda: {
            "network": described_network(net),
            "data": described_samples(given),
            **({"k": k, "stratify": stratify, "shuffle": shuffle, "seed": seed} if is_number(k) else {}),
            "groups": None if groups is None else group_numbers(groups),
            "folds": digest([[fold.train, fold.held] for fold in folds]),
            "scoring": name_of(scoring) if callable(scoring) else scoring,
            "options": described_options({"validation": None, **fit_options}, net.spec),
        },
    )

    def say_of(number: int, done: _Done, where: str = "") -> None:
        if verbose:
            assert done.network.history is not None
            best = done.network.history.best_epoch
            say(f"fold {number + 1}/{len(folds)}: {done.score:.4g}, best epoch {best}{where}")

    def task(number: int, fold: Fold) -> Task[_Done]:
        def train(hook: Hook) -> _Done:
            twin = fit_fold(net, given, fold, hook, fit_options)
            held = given.take(fold.held)
            done = _Done(twin, score(twin, held), twin.predict(held.x, n_threads=1, lengths=held.lengths))
            if file.path is not None:
                file.add({str(number): done.part()})
            say_of(number, done)
            return done

        return train

    parts = file.known(str(number) for number in range(len(folds)))
    known = [part and _Done.of(part, fresh(net), fold, file) for part, fold in zip(parts, folds, strict=True)]
    for number, before in enumerate(known):
        if before:
            say_of(number, before, ", from the checkpoint")
    rest = [number for number, before in enumerate(known) if before is None]
    trained = dict(zip(rest, run([task(number, folds[number]) for number in rest], n_jobs), strict=True))
    done = [before or trained[number] for number, before in enumerate(known)]
    out_of_fold = np.zeros((len(given), net.n_outputs), net.dtype)
    home, times = np.full(len(given), -1), np.zeros((len(given), 1), net.dtype)
    for number, (fold, one) in enumerate(zip(folds, done, strict=True)):
        home[fold.held] = number
        out_of_fold[fold.held] += one.predictions
        times[fold.held] += 1
    out_of_fold[home < 0] = np.nan
    out_of_fold /= np.maximum(times, 1)
    return CrossValidation(
        np.array([one.score for one in done]),
        [one.network.history for one in done if one.network.history is not None],
        out_of_fold,
        home,
        [one.network for one in done],
        fresh(net),
        given,
        fit_options,
    )


def folds_of(
    k: Any, given: Samples, classes: Array | None, seed: int, shuffle: bool = True, groups: Any = None
) -> list[Fold]:
    """Return the folds that `k` asks for; see `cross_validate`."""
    if is_number(k):
        home: Array = fold_indices(len(given), k, classes, seed, shuffle, groups)
        return [Fold(np.flatnonzero(home != i), np.flatnonzero(home == i)) for i in range(k)]
    return [Fold(train, held) for train, held in row_pairs(k, given.x, given.targets, groups)]


def is_number(k: Any) -> TypeGuard[int]:
    """Whether `k` says how many folds, and not which."""
    return isinstance(k, (int, np.integer))


def row_pairs(k: Any, X: Array, y: Array, groups: Any = None) -> list[tuple[Indices, Indices]]:
    """Return the row numbers, (training, held-out), of a splitter of scikit-learn's kind or of an iterable of them."""
    if hasattr(k, "split") and not isinstance(k, str) and not inspect.isclass(k):
        if groups is not None:
            group_numbers(groups)  # what are none is refused in the words of `cross_validate`
        if y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        elif y.ndim == 2 and np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all():
            y = y.argmax(axis=1)  # one-hot rows
        k = k.split(X, y, groups)
    elif isinstance(k, (str, bytes)) or not isinstance(k, Iterable):
        raise TypeError(f"k must be a number of folds, a splitter such as KFold(5), or pairs of row numbers; got {k!r}")
    pairs = [_checked(pair, i, len(X)) for i, pair in enumerate(k)]
    if not pairs:
        raise ValueError("k must give at least one fold; got none")
    return pairs


def _checked(pair: Any, fold: int, n_rows: int) -> tuple[Indices, Indices]:
    """A fold's training and held-out rows; ValueError where it has none of either, others than there are, or both."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise TypeError(f"k must give pairs of training and held-out rows; got {pair!r} for fold {fold}")
    train, held = (np.asarray(part) for part in pair)
    for part in (train, held):
        if part.dtype.kind == "b" and part.shape != (n_rows,):
            raise ValueError(f"k must give masks of {n_rows} rows, those of X; got shape {part.shape} in fold {fold}")
    train, held = (np.flatnonzero(part) if part.dtype.kind == "b" else part for part in (train, held))
    for part in (train, held):
        if part.ndim != 1 or not len(part) or part.dtype.kind not in "iu":
            raise ValueError(f"k must give row numbers, at least one of each kind; got {part!r} in fold {fold}")
        if part.min() < 0 or part.max() >= n_rows:
            bad = part.min() if part.min() < 0 else part.max()
            raise ValueError(f"k must give rows in 0 .. {n_rows - 1}, those of X; got {bad} in fold {fold}")
    if len(both := np.intersect1d(train, held)):
        raise ValueError(f"k must hold out what is not trained on; got row {both[0]} for both in fold {fold}")
    return train.astype(np.int64), held.astype(np.int64)


def fit_fold(
    net: Network, given: Samples, fold: Fold, hook: Hook, options: dict[str, Any], n_threads: int | None = 1
) -> Network:
    """Return a fresh network trained on the fold's rows, by default with those held out as its validation set."""
    options = options_of(options, hook, n_threads)
    given, fold = fold.of_counted(given)
    inner = options.pop("validation", None)
    if isinstance(inner, (tuple, list)):
        kind = type(inner).__name__
        raise ValueError(f"validation must be a fraction or a Split of each fold's rows; got a {kind} of arrays")
    if inner is not None:
        labels = classes_of(net.loss, given.targets)
        fold = fold.with_inner(inner, labels, net.seed)
    twin = fresh(net)
    twin.fit(given.x, given.targets, sample_weight=given.weights, validation=fold, **options)
    return twin


def mean_curve(curves: list[list[float]]) -> Array:
    """Return the mean by epoch; a curve that has ended counts with its last value, and one without any is infinite."""
    longest = max(1, *(len(c) for c in curves))
    padded = [np.pad(c or [np.inf], (0, longest - max(len(c), 1)), mode="edge") for c in curves]
    return np.nan_to_num(np.mean(padded, axis=0), nan=np.inf, posinf=np.inf)  # type: ignore[no-any-return]
