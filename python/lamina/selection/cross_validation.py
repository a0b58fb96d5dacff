"""k-fold cross-validation, the folds trained side by side."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.data import arrays as _data
from lamina.data.arrays import Array
from lamina.data.splits import Indices, Split, fold_indices
from lamina.network.network import Network
from lamina.selection.side_by_side import fresh, jobs, options_of, run, samples_of_rows
from lamina.training.callbacks import Epoch, History
from lamina.training.fit import callbacks_of
from lamina.training.scoring import score_of

__all__ = ["CrossValidation", "cross_validate", "fit_fold", "mean_curve"]


class _Fold(Split):
    """A split that is known already: rows to train on and rows set aside."""

    def __init__(self, train: Indices, held: Indices) -> None:
        super().__init__(len(held) / (len(train) + len(held)))
        self.train, self.held = train, held

    def indices(self, n_rows: int, labels: Any, seed: int) -> tuple[Indices, Indices]:
        """Return the rows it was made of."""
        return self.train, self.held


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
        Predictions for each row by the network that did not train on it.
    folds : (rows,) array of int
        Which fold held each row out.
    networks : list of Network
        One a fold.
    """

    scores: Array
    histories: list[History]
    out_of_fold: Array
    folds: Array
    networks: list[Network]
    _data: tuple[Network, Any, Any, Any]
    _options: dict[str, Any]

    @property
    def mean(self) -> float:
        """The mean of the folds' scores: the course's cross-validation error."""
        return float(self.scores.mean())

    @property
    def std(self) -> float:
        """The standard deviation of the folds' scores (divided by k - 1)."""
        return float(self.scores.std(ddof=1))

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
        net, X, y, weight = self._data
        options = {**self._options, "sample_weight": weight, **changes}
        options.update(validation=None, early_stopping=None)
        last = self.best_epoch

        def stop(epoch: Epoch) -> None:
            if epoch.epoch >= last:
                epoch.stop("the folds' best epoch")

        options["callbacks"] = [*options["callbacks"], stop]
        twin = fresh(net)
        twin.fit(X, y, **options)
        return twin

    def __str__(self) -> str:
        each = ", ".join(f"{score:.4g}" for score in self.scores)
        return f"{len(self.scores)} folds: {self.mean:.4g} ± {self.std:.2g} ({each}); best epoch {self.best_epoch}"

    __repr__ = __str__


def cross_validate(
    net: Network,
    X: Any,
    y: Any,
    k: int = 5,
    stratify: bool = True,
    seed: int = 0,
    n_jobs: int | None = None,
    *,
    scoring: str | Callable[..., float] | None = None,
    groups: Any = None,
    shuffle: bool = True,
    verbose: int = 0,
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
    k : int, default 5
        Number of folds, at least 2.
    stratify : bool, default True
        Keep the classes' shares in every fold, where `y` holds classes; each class needs k members.
    seed : int, default 0
        Decides the folds.
    n_jobs : int, optional
        Folds at work at a time, each on one thread; by default `lamina.get_num_threads()`.
    scoring : str or callable, optional
        What the folds' parts left out are scored by: "accuracy", "r2", or a callable of (network, X, y). The loss
        without it. Folds stop early by their loss either way.
    groups : array-like, (rows,), optional
        Rows of one group stay in one fold (then nothing is stratified).
    shuffle : bool, default True
        False makes each fold a run of consecutive rows.
    verbose : int, default 0
        1 prints a line on standard error as each fold ends.
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
    """
    if not isinstance(net, Network):
        raise TypeError(f"net must be a lamina.Network; got {net!r}")
    n_jobs = jobs(n_jobs)
    fit_options["callbacks"] = callbacks_of(fit_options.get("callbacks"))
    weight, lengths = fit_options.pop("sample_weight", None), fit_options.get("lengths")
    x, t, checked = samples_of_rows(net, X, y, weight, lengths)
    lengths = None if lengths is None else np.asarray(lengths)
    classes = _data.classes_of(net.loss, t) if stratify and shuffle else None
    folds = fold_indices(len(x), k, classes, seed, shuffle, groups)
    score = score_of(scoring, net.loss)

    def task(number: int) -> Callable[[Callable[[Epoch], None]], tuple[Network, float, Array]]:
        def train(hook: Callable[[Epoch], None]) -> tuple[Network, float, Array]:
            held = np.flatnonzero(folds == number)
            twin = fit_fold(net, x, t, checked, np.flatnonzero(folds != number), held, hook, fit_options)
            ends = None if lengths is None else lengths[held]
            value = score(twin, x[held], t[held], None if checked is None else checked[held], ends)
            if verbose:
                assert twin.history is not None
                line = f"fold {number + 1}/{k}: {value:.4g}, best epoch {twin.history.best_epoch}"
                print(line, file=sys.stderr, flush=True)
            return twin, value, twin.predict(x[held], n_threads=1, lengths=ends)

        return train

    done = run([task(number) for number in range(k)], n_jobs)
    out_of_fold = np.empty((len(x), net.n_outputs), net.dtype)
    for number, (_, _, predicted) in enumerate(done):
        out_of_fold[folds == number] = predicted
    return CrossValidation(
        np.array([value for _, value, _ in done]),
        [twin.history for twin, _, _ in done if twin.history is not None],
        out_of_fold,
        folds,
        [twin for twin, _, _ in done],
        (fresh(net), x, t, checked),
        fit_options,
    )


def fit_fold(
    net: Network,
    x: Array,
    t: Array,
    weight: Array | None,
    train: Indices,
    held: Indices,
    hook: Callable[[Epoch], None],
    options: dict[str, Any],
) -> Network:
    """Return a fresh network trained on the rows `train`, by default with `held` as its validation set."""
    twin = fresh(net)
    given = options_of(options, hook)
    inner = given.pop("validation", None)
    fold = _Fold(train, held)
    if inner is not None:
        if isinstance(inner, tuple):
            raise ValueError("validation must be a fraction or a Split of each fold's rows; got a tuple of arrays")
        inner = inner if isinstance(inner, Split) else Split(inner)
        part, stop = inner.indices(len(train), t[train] if t.dtype == np.int32 else None, net.seed)
        fold = _Fold(train[part], train[stop])
    twin.fit(x, t, sample_weight=weight, validation=fold, **given)
    return twin


def mean_curve(curves: list[list[float]]) -> Array:
    """Return the mean by epoch; a curve that has ended counts with its last value, and one without any is infinite."""
    longest = max(1, *(len(c) for c in curves))
    padded = [np.pad(c or [np.inf], (0, longest - max(len(c), 1)), mode="edge") for c in curves]
    return np.nan_to_num(np.mean(padded, axis=0), nan=np.inf, posinf=np.inf)  # type: ignore[no-any-return]
