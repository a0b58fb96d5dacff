"""The choice of hyper-parameters by validation: random search and successive halving, trials side by side."""

from __future__ import annotations

import inspect
import math
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lamina.data import arrays as _data
from lamina.data.arrays import Array
from lamina.data.splits import Split, fold_indices
from lamina.network.model_file import architecture_of
from lamina.network.network import Network
from lamina.selection.cross_validation import fit_fold, mean_curve
from lamina.selection.search_result import SearchProgress, SearchResult
from lamina.selection.side_by_side import jobs, run, samples_of_rows
from lamina.selection.space import candidates
from lamina.selection.trial_file import TrialFile, digest
from lamina.training.callbacks import DivergenceWarning, Epoch
from lamina.training.fit import callbacks_of
from lamina.training.scoring import score_of

__all__ = ["search"]

_FIT_OPTIONS = {
    name
    for name, parameter in inspect.signature(Network.fit).parameters.items()
    if parameter.kind is inspect.Parameter.KEYWORD_ONLY
}
Task = Callable[[Callable[[Epoch], None]], dict[str, Any]]
_OWN = {"validation", "validation_sample_weight", "sample_weight", "n_threads", "verbose", "resume"}


def search(
    build: Callable[..., Any],
    space: Mapping[str, Any],
    X: Any,
    y: Any,
    k: int | None = None,
    validation: Any = None,
    n_trials: int = 20,
    seed: int = 0,
    method: str = "random",
    *,
    factor: int = 3,
    scoring: str | Callable[..., float] | None = None,
    groups: Any = None,
    path: Any = None,
    n_jobs: int | None = None,
    verbose: int = 0,
    **fit_options: Any,
) -> SearchResult:
    """Choose hyper-parameters: train trials side by side, score each by validation, keep the best.

    Parameters
    ----------
    build : callable
        ``build(**params)`` returns a `Network`, or (Network, dict of fit options).
    space : dict
        Name -> list of choices, (low, high), or ``lamina.space.loguniform(low, high)``, ``lamina.space.integer(...)``.
        A name that `build` does not take and `Network.fit` does goes to `fit`: l2, batch_size, optimizer, ...
    X, y : array-like
        As for `Network.fit`.
    k : int, optional
        Score by k-fold cross-validation: the mean of the folds' losses. 5 where `validation` is not given either.
    validation : float, Split or (X, y), optional
        Score by this hold-out part instead of folds: a fifth of the time, and less sure.
    n_trials : int, default 20
        Sets of parameters to draw; all there are where a space of lists holds no more.
    seed : int, default 0
        Decides the draws and the folds. The networks' seed is what `build` gives them.
    method : {"random", "halving"}, default "random"
        "halving" trains every set for few epochs, then the best third for three times as many, and so on up to
        ``epochs`` (successive halving; arXiv 1502.07943).
    factor : int, default 3
        By what halving divides the sets and multiplies the epochs.
    scoring : str or callable, optional
        "accuracy", "r2", or a callable of (network, X, y): higher is better. The loss, lower is better, without it.
    groups : array-like, (rows,), optional
        Rows of one group stay in one fold.
    path : path-like, optional
        A file of JSON lines that keeps every trial as it ends; a search that finds its own file goes on from there.
    n_jobs : int, optional
        Trials at work at a time, each on one thread; by default `lamina.get_num_threads()`. Never another result.
    verbose : int, default 0
        1 shows progress on standard error.
    **fit_options
        For every trial, as for `Network.fit`.

    Returns
    -------
    SearchResult
        `best_params`, `best_score`, `trials`, `table()`, `to_pandas()`, `refit()`.

    Raises
    ------
    ValueError
        For a space without a trial, a file of another search, or a search of which every trial diverged.
    """
    if method not in ("random", "halving"):
        raise ValueError(f"method must be 'random' or 'halving'; got {method!r}")
    if k is not None and validation is not None:
        raise ValueError("k and validation are two ways to score; give one")
    if groups is not None and validation is not None:
        raise ValueError("groups goes with k folds; make a grouped hold-out part with lamina.split(..., groups=...)")
    _data.whole_number(factor, "factor", 2)
    n_jobs = jobs(n_jobs)
    drawn = candidates(space, n_trials, seed)
    unknown = sorted(set(fit_options) - (_FIT_OPTIONS - _OWN | {"sample_weight"}))
    if unknown:
        raise TypeError(f"search has no option {', '.join(unknown)}")
    epochs = int(fit_options.get("epochs", 100))
    if method == "halving" and "epochs" in space:
        raise ValueError("halving decides the epochs of each trial itself; take epochs out of the space")
    if validation is None:
        k = 5 if k is None else k
    trainer = _Trainer(build, X, y, k, validation, seed, scoring, groups, fit_options)
    score_of(scoring, trainer.network(drawn[0])[0].loss)  # what fails, fails before any time is spent
    rest = {**fit_options, "validation": validation, "groups": groups, "sample_weight": trainer.weight}
    how = {"method": method, "factor": factor, "seed": seed, "k": trainer.k, "space": space, "scoring": scoring}
    records = TrialFile(path, {**how, "options": rest, "data": [trainer.x, trainer.y]})
    rungs = _rungs(len(drawn), epochs, factor) if method == "halving" else [(len(drawn), None)]
    result = SearchResult([], lower_is_better=scoring is None, trainer=trainer)
    survivors = list(range(len(drawn)))
    progress = SearchProgress(sum(count for count, _ in rungs), verbose)
    with progress, warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)  # a trial's record says so
        for rung, (count, limit) in enumerate(rungs):
            survivors = survivors[:count]

            def task(number: int, rung: int = rung, limit: int | None = limit) -> Task:
                def work(hook: Callable[[Epoch], None]) -> dict[str, Any]:
                    made = trainer.network(drawn[number])
                    what = {"epochs": limit, "network": trainer.digest(*made)}
                    known = records.find(number, rung, drawn[number], what)
                    trial = known or {"trial": number, "rung": rung, **what, **trainer.score(*made, limit, hook)}
                    if known is None:
                        records.add(trial, drawn[number])
                    trial["params"] = drawn[number]
                    progress.step(trial, result.lower_is_better)
                    return trial

                return work

            done = run([task(number) for number in survivors], n_jobs)
            result.trials.extend(done)
            worst = math.inf if result.lower_is_better else -math.inf
            sign = 1 if result.lower_is_better else -1
            by_number = {t["trial"]: worst if t["score"] is None else t["score"] for t in done}
            survivors.sort(key=lambda number: (sign * by_number[number], number))
    if result.best["score"] is None:
        raise ValueError("every trial diverged; lower the learning rates in the space")
    return result


def _rungs(n: int, epochs: int, factor: int) -> list[tuple[int, int | None]]:
    """(How many sets of parameters, for how many epochs) of each rung of successive halving."""
    depth = max(1, 1 + math.floor(math.log(n) / math.log(factor) + 1e-9))
    while depth > 1 and epochs // factor ** (depth - 1) < 1:
        depth -= 1
    return [(max(1, n // factor**r), max(1, epochs // factor ** (depth - 1 - r))) for r in range(depth)]


class _Trainer:
    """Trains and scores one set of parameters."""

    def __init__(
        self,
        build: Callable[..., Any],
        X: Any,
        y: Any,
        k: int | None,
        validation: Any,
        seed: int,
        scoring: Any,
        groups: Any,
        options: dict[str, Any],
    ) -> None:
        self.build, self.k, self.validation, self.seed = build, k, validation, seed
        self.options = dict(options)
        self.x, self.y = _data.to_array(X, "X"), _data.to_array(y, "y")
        if len(self.y) != len(self.x):
            raise ValueError(f"y must have one entry for each of the {len(self.x)} rows of X; got {len(self.y)}")
        self.weight = self.options.pop("sample_weight", None)
        self.scoring, self.groups = scoring, groups
        self.options["callbacks"] = callbacks_of(self.options.get("callbacks"))

    def network(self, params: dict[str, Any]) -> tuple[Network, dict[str, Any]]:
        """Return what `build` makes of `params`, and the options for its fit."""
        taken = inspect.signature(self.build).parameters
        takes_all = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in taken.values())
        own = {name: value for name, value in params.items() if takes_all or name in taken}
        to_fit = {name: value for name, value in params.items() if name not in own}
        for name in to_fit:
            if name not in _FIT_OPTIONS - _OWN:
                raise TypeError(f"space has {name!r}, which neither build nor Network.fit takes")
        made = self.build(**own)
        net, extra = made if isinstance(made, tuple) else (made, {})
        if not isinstance(net, Network):
            raise TypeError(f"build must return a lamina.Network, or (Network, fit options); got {net!r}")
        return net, {**self.options, **extra, **to_fit}

    def digest(self, net: Network, options: dict[str, Any]) -> str:
        """Return what tells one `build` from another: a digest of the network it makes, and of its fit options."""
        return digest([architecture_of(net), {k: v for k, v in options.items() if self.options.get(k) is not v}])

    def folds(self, net: Network, t: Array) -> list[tuple[Array, Array]]:
        """Return (training, validation) rows of each part to score on."""
        if self.k is None:
            how = self.validation if isinstance(self.validation, Split) else Split(self.validation)
            return [how.indices(len(t), t if t.dtype == np.int32 else None, self.seed)]
        home = fold_indices(len(t), self.k, _data.classes_of(net.loss, t), self.seed, groups=self.groups)
        return [(np.flatnonzero(home != i), np.flatnonzero(home == i)) for i in range(self.k)]

    def score(
        self, net: Network, options: dict[str, Any], epochs: int | None, hook: Callable[[Epoch], None]
    ) -> dict[str, Any]:
        """Train on each part and return the record of the trial; a score of None means that training diverged."""
        started = time.perf_counter()
        if epochs is not None:
            options["epochs"] = epochs
        lengths = options.get("lengths")
        x, t, w = samples_of_rows(net, self.x, self.y, self.weight, lengths)
        ends = None if lengths is None else np.asarray(lengths)
        if isinstance(self.validation, tuple):
            if net._core.recurrent:
                raise ValueError("validation must be a fraction, a Split or None for sequences; got (X, y)")
            rows = len(x)
            xv = _data.matrix(self.validation[0], net.n_inputs, net.dtype, "validation X")
            tv = _data.targets(self.validation[1], len(xv), net.n_outputs, net.loss, net.dtype, "validation y")
            x, t = np.concatenate([x, xv]), np.concatenate([t, tv])
            w = None if w is None else np.concatenate([w, np.ones(len(xv), w.dtype)])
            parts = [(np.arange(rows), np.arange(rows, len(x)))]
        else:
            parts = self.folds(net, t)
        scores, curves = [], []
        for train, held in parts:
            twin = fit_fold(net, x, t, w, train, held, hook, options)
            assert twin.history is not None
            if twin.history.diverged:
                scores = [math.nan]
                break
            scores.append(
                score_of(self.scoring, net.loss)(
                    twin, x[held], t[held], *(a if a is None else a[held] for a in (w, ends))
                )
            )
            curves.append(twin.history.validation_loss)
        score = float(np.mean(scores))
        good = math.isfinite(score)
        return {
            "score": score if good else None,
            "std": float(np.std(scores, ddof=1)) if good and len(scores) > 1 else None,
            "best_epoch": int(np.argmin(mean_curve(curves))) + 1 if good else None,
            "seconds": time.perf_counter() - started,
        }
