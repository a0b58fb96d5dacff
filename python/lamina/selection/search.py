"""The choice of hyper-parameters by validation: random search and successive halving, trials side by side."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from lamina.data.arguments import seed_number, verbosity, whole_number
from lamina.files import FilePath
from lamina.selection.cross_validation import is_number, row_pairs
from lamina.selection.optuna_study import Proposal, Study
from lamina.selection.search_result import SearchProgress, SearchResult
from lamina.selection.side_by_side import Hook, Task, check_fit_options, jobs, options_of, run
from lamina.selection.space import candidates, parts_of
from lamina.selection.trial_file import TrialFile
from lamina.selection.trials import Scheme, Trainer, TrialFailedError
from lamina.storage.plain import name_of
from lamina.training.callbacks import DivergenceWarning
from lamina.training.scoring import score_of

__all__ = ["rungs", "search"]

#: How many sets of parameters are trained, for how many epochs (None: those asked for), rung by rung.
Ladder = list[tuple[int, int | None]]


def search(
    build: Callable[..., Any],
    space: Mapping[str, Any],
    X: Any,
    y: Any,
    k: Any = None,
    validation: Any = None,
    n_trials: int = 20,
    seed: int = 0,
    method: str = "random",
    *,
    factor: int = 3,
    sampler: Any = None,
    pruner: Any = None,
    scoring: str | Callable[..., float] | None = None,
    groups: Any = None,
    path: FilePath | None = None,
    n_jobs: int | None = None,
    verbose: int = 0,
    **fit_options: Any,
) -> SearchResult:
    """Choose hyper-parameters: train trials side by side, score each by validation, keep the best.

    Parameters
    ----------
    build : callable
        ``build(**params)`` returns a `Network`, or (Network, dict of fit options). A trial that it refuses by an error,
        or whose fit does, is recorded as failed, and the search goes on.
    space : dict
        Name -> list of choices, (low, high) for any number in between, ``lamina.space.integer(low, high)`` for whole
        ones, or ``lamina.space.loguniform(low, high)``.
        A name that `build` does not take and `Network.fit` does goes to `fit`: l2, batch_size, optimizer, ...
    X, y : array-like
        As for `Network.fit`.
    k : int, splitter or iterable of (training, held-out) row numbers, optional
        Score by cross-validation, as `cross_validate` does: the mean of the folds' losses. 5 where `validation` is not
        given either.
    validation : float, Split or (X, y), optional
        Score by this hold-out part instead of folds: a fifth of the time, and less sure.
    n_trials : int, default 20
        Sets of parameters to draw; all there are where a space of lists holds no more.
    seed : int, default 0
        Decides the draws and the folds. The networks' seed is what `build` gives them.
    method : {"random", "halving"}, default "random"
        "halving" trains every set for few epochs, then the best third for three times as many, and so on up to
        ``epochs`` (successive halving; arXiv 1502.07943). Neither the space nor `build` may then have epochs.
    factor : int, default 3
        By what halving divides the sets and multiplies the epochs.
    sampler : "optuna" or a sampler of optuna.samplers, optional
        Who proposes the sets, each by the scores of those before it; by name Optuna's `TPESampler` with `seed`, while
        an object has its own seed. Trials then come one after the other, `n_trials` of them even where lists hold
        fewer sets, and `n_jobs` are the threads of each fit (None: as many as pay off), which change no result: it is
        the same for the same seed.
    pruner : pruner of optuna.pruners, optional
        Who gives trials up early, beside a `sampler`: by what a hold-out part scores after every epoch, or by the mean
        of the folds so far after every fold.
    scoring : str or callable, optional
        One of `lamina.metrics.names()` of which more is better ("accuracy", "auc", "r2"), or a callable of (network, X,
        y) likewise. The loss, lower is better, without it.
    groups : array-like, (rows,), optional
        Rows of one group stay in one fold.
    path : path-like, optional
        A file of JSON lines that keeps every trial as it ends; a search that finds its own file goes on from there, and
        finds what one would that was never interrupted, to the bit. Nothing else is written to, and no trial believed
        whose line was altered. Of functions (`build`, `scoring`, callbacks) the names are compared, and of `build` the
        networks that it makes. A sampler is told of the trials of the file as it was the first time, so that it goes on
        as if nothing had happened; where it proposes others, as one without a seed does, the file is refused.
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
    TypeError
        For a range of any numbers where `build` or the fit takes whole ones alone.
    ValueError
        For a space without a trial, or a search of which every trial diverged or failed.
    SearchFileError
        Where there is something at `path` that is not the file of this search, or that was damaged; a ValueError.

    Warns
    -----
    UserWarning
        Where trials failed; the ``error`` of each is in `trials`.
    """
    if method not in ("random", "halving"):
        raise ValueError(f"method must be 'random' or 'halving'; got {method!r}")
    if k is not None and validation is not None:
        raise ValueError("k and validation are two ways to score; give one")
    if groups is not None and validation is not None:
        raise ValueError("groups goes with k folds; make a grouped hold-out part with lamina.split(..., groups=...)")
    whole_number(factor, "factor", 2)
    seed = seed_number(seed)
    n_threads = None if n_jobs is None else jobs(n_jobs)
    n_jobs, verbose = jobs(n_jobs), verbosity(verbose)
    drawn = candidates(space, n_trials, seed)
    check_fit_options(fit_options, "search", {"sample_weight"})
    if sampler is None and pruner is not None:
        raise ValueError("pruner goes with a sampler of Optuna's; give sampler='optuna'")
    if sampler is not None and method != "random":
        raise ValueError(f"sampler and method={method!r} both say what is tried; give one")
    study = None if sampler is None else Study(sampler, pruner, parts_of(space), seed, scoring is None)
    epochs = whole_number(fit_options.get("epochs", 100), "epochs", 1)
    if method == "halving" and "epochs" in space:
        raise ValueError("halving decides the epochs of each trial itself; take epochs out of the space")
    if validation is None:
        k = 5 if k is None else k
    trainer = Trainer(build, X, y, Scheme(k, validation, seed, scoring, groups), fit_options)
    options_of(trainer.options, lambda epoch: None)  # what no fit takes is no matter of a trial's
    if k is not None and not is_number(k):
        k = row_pairs(k, trainer.x, trainer.y, groups)  # once: each trial gets the same
        trainer.scheme = replace(trainer.scheme, k=k)
    ladder: Ladder = rungs(len(drawn), epochs, factor) if method == "halving" else [(len(drawn), None)]
    trainer.check_ranges(parts_of(space), drawn[0])
    with suppress(TrialFailedError):  # what fails for all, fails before any time is spent
        score_of(scoring, trainer.network(drawn[0], ladder[0][1])[0].loss)
    names = [name_of(hook) for hook in trainer.options["callbacks"]]
    rest = {**fit_options, "callbacks": names}
    how = {"method": method, "factor": factor, "seed": seed, "k": k, "space": space, "scoring": scoring}
    if study is not None:
        how |= study.description
    records = TrialFile(path, lambda: {**how, **trainer.described(rest)})
    result = SearchResult([], lower_is_better=scoring is None, trainer=trainer)
    progress = SearchProgress(n_trials if study is not None else sum(count for count, _ in ladder), verbose)
    runner = _Runner(trainer, records, progress, result.lower_is_better)
    with progress, warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)  # a trial's record says so
        if study is not None:
            result.trials.extend(_one_after_the_other(study, runner, n_trials, n_threads))
        else:
            result.trials.extend(_side_by_side(drawn, ladder, runner, n_jobs))
    causes = runner.causes
    failed = [trial for trial in result.trials if trial["error"] is not None]
    if result.best["score"] is None and not failed:
        pruned = sum(bool(trial.get("pruned")) for trial in result.trials)
        if pruned:
            raise ValueError(
                f"no trial has a score: {pruned} of {len(result.trials)} were pruned; give a milder pruner"
            )
        raise ValueError("every trial diverged; lower the learning rates in the space")
    if failed:
        how_many = f"{len(failed)} of {len(result.trials)} trials failed, the first by {failed[0]['error']}"
        if result.best["score"] is None:
            cause = causes[min(causes)]
            raise ValueError(f"no trial has a score: {how_many}") from cause
        warnings.warn(how_many, UserWarning, stacklevel=2)
    return result


@dataclass
class _Runner:
    """Trains trials, or finds them among those of an earlier run, and keeps what becomes of them."""

    trainer: Trainer
    records: TrialFile
    progress: SearchProgress
    lower_is_better: bool
    causes: dict[tuple[int, int], BaseException | None] = field(default_factory=dict)

    def run(
        self,
        place: tuple[int, int],
        limit: int | None,
        params: dict[str, Any],
        hook: Hook,
        proposal: Proposal | None = None,
        n_threads: int | None = 1,
    ) -> dict[str, Any]:
        """Return the record of the trial at `place`, a number and a rung, of `limit` epochs."""
        number, rung = place
        started, known = time.perf_counter(), None
        what: dict[str, Any] = {"epochs": limit, "network": None}
        watch = proposal.report if proposal is not None and proposal.prunes else None
        try:
            made = self.trainer.network(params, limit)
            what["network"] = self.trainer.digest(*made, limit)
            known = self.records.find(number, rung, params, what)
            found = known or self.trainer.score(*made, hook, watch, n_threads)
        except TrialFailedError as failure:
            found = failure.record(time.perf_counter() - started)
            self.causes.setdefault((rung, number), failure.__cause__)
        trial = {"trial": number, "rung": rung, **what, "error": None, **found}
        if watch is not None and known is None and proposal is not None:
            trial = {**trial, "pruned": bool(found.get("pruned")), "reports": proposal.reports}
        if known is None:
            self.records.add(trial, params)
        trial["params"] = params
        self.progress.step(trial, self.lower_is_better)
        return trial


def _side_by_side(
    drawn: list[dict[str, Any]], ladder: Ladder, runner: _Runner, n_jobs: int
) -> Iterator[dict[str, Any]]:
    """The trials of what is drawn beforehand, rung by rung."""
    survivors = list(range(len(drawn)))
    for rung, (count, limit) in enumerate(ladder):
        survivors = survivors[:count]

        def task(number: int, rung: int = rung, limit: int | None = limit) -> Task[dict[str, Any]]:
            return lambda hook: runner.run((number, rung), limit, drawn[number], hook)

        done = run([task(number) for number in survivors], n_jobs)
        yield from done
        worst = math.inf if runner.lower_is_better else -math.inf
        sign = 1 if runner.lower_is_better else -1
        by_number = {t["trial"]: worst if t["score"] is None else t["score"] for t in done}
        survivors.sort(key=lambda number: (sign * by_number[number], number))


def _one_after_the_other(
    study: Study, runner: _Runner, n_trials: int, n_threads: int | None
) -> Iterator[dict[str, Any]]:
    """The trials that a study proposes, each by what became of those before it."""
    for number in range(n_trials):
        proposal = study.ask()
        trial = runner.run((number, 0), None, proposal.params, lambda epoch: None, proposal, n_threads)
        study.tell(proposal, trial)
        yield trial


def rungs(n: int, epochs: int, factor: int) -> Ladder:
    """Return (how many sets of parameters, for how many epochs) of each rung of successive halving."""
    depth = max(1, 1 + math.floor(math.log(n) / math.log(factor) + 1e-9))
    while depth > 1 and epochs // factor ** (depth - 1) < 1:
        depth -= 1
    return [(max(1, n // factor**r), max(1, epochs // factor ** (depth - 1 - r))) for r in range(depth)]
