"""Optuna as what proposes the trials of a search, and gives up those that go badly."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from lamina.extras import how_to_install
from lamina.selection.space import Choice, Range

__all__ = ["Proposal", "Study"]

_TPE = "optuna"


class Study:
    """A study of Optuna's, asked for one trial after the other, and told of each before the next.

    Parameters
    ----------
    sampler : "optuna" or optuna.samplers.BaseSampler
        By name Optuna's own choice, `TPESampler`, with `seed`. An object is copied, so that it proposes the same again.
    pruner : optuna.pruners.BasePruner or None
    space : dict
        As `lamina.selection.space.parts_of` returns it.
    seed : int
    lower_is_better : bool
    """

    def __init__(
        self, sampler: Any, pruner: Any, space: Mapping[str, Range | Choice], seed: int, lower_is_better: bool
    ) -> None:
        try:
            import optuna
        except ImportError as error:
            raise ImportError(f"sampler={sampler!r} needs optuna; {how_to_install(['optuna'])}") from error
        if isinstance(sampler, str):
            if sampler != _TPE:
                raise ValueError(f"sampler must be 'optuna', a sampler of optuna.samplers, or None; got {sampler!r}")
            sampler = optuna.samplers.TPESampler(seed=seed % 2**32)
        if not isinstance(sampler, optuna.samplers.BaseSampler):
            raise TypeError(f"sampler must be 'optuna', a sampler of optuna.samplers, or None; got {sampler!r}")
        if pruner is not None and not isinstance(pruner, optuna.pruners.BasePruner):
            raise TypeError(f"pruner must be a pruner of optuna.pruners or None; got {pruner!r}")
        self.prunes = pruner is not None
        self._state = optuna.trial.TrialState
        self._space = space
        self._distributions = {name: _distribution(part) for name, part in space.items()}
        said = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # of the new study it would tell on standard error
        try:
            self._study = optuna.create_study(
                study_name="lamina",  # some pruners draw by the name, which would else be another each time
                sampler=copy.deepcopy(sampler),
                pruner=copy.deepcopy(pruner) if self.prunes else optuna.pruners.NopPruner(),
                direction="minimize" if lower_is_better else "maximize",
            )
        finally:
            optuna.logging.set_verbosity(said)
        #: What tells this study from another, as far as plain settings go.
        self.description = {"sampler": _described(sampler), "pruner": _described(pruner)}

    def ask(self) -> Proposal:
        """Return the next trial."""
        trial = self._study.ask(self._distributions)
        drawn = {name: _value(self._space[name], value) for name, value in trial.params.items()}
        return Proposal(trial, {name: drawn[name] for name in self._space}, self.prunes)

    def tell(self, proposal: Proposal, found: Mapping[str, Any]) -> None:
        """Tell of a trial that has ended, or that an earlier run of the search has kept."""
        proposal.replay(found.get("reports", ()))
        if found.get("pruned"):
            self._study.tell(proposal.trial, state=self._state.PRUNED)
        elif found["score"] is None:
            self._study.tell(proposal.trial, state=self._state.FAIL)
        else:
            self._study.tell(proposal.trial, found["score"])


class Proposal:
    """A trial that Optuna proposes: its parameters, and what is reported while it is trained."""

    def __init__(self, trial: Any, params: dict[str, Any], prunes: bool) -> None:
        self.trial, self.params, self.prunes = trial, params, prunes
        self.reports: list[list[float]] = []  # as JSON has them

    def report(self, step: int, value: float) -> bool:
        """Report a value after a step, from 1 on, and return whether the trial is to be given up."""
        self.reports.append([step, value])
        self.trial.report(value, step)
        return bool(self.trial.should_prune())

    def replay(self, reports: Any) -> None:
        """Report what an earlier run did, if nothing was reported in this one: pruners keep notes of being asked."""
        if not self.reports:
            for step, value in reports:
                self.report(int(step), float(value))


def _distribution(part: Range | Choice) -> Any:
    """A part of a space as Optuna has it; choices by their numbers, since they may be anything."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(part, Choice):
        return CategoricalDistribution(tuple(range(len(part.options))))
    if part.whole:
        return IntDistribution(int(part.low), int(part.high), log=part.log)
    return FloatDistribution(float(part.low), float(part.high), log=part.log)


def _value(part: Range | Choice, drawn: Any) -> Any:
    if isinstance(part, Choice):
        return part.options[drawn]
    if part.whole:
        return int(drawn)
    return float(drawn)


def _described(given: Any) -> Any:
    """The class and the plain settings of a sampler or a pruner."""
    if given is None:
        return None
    plain = {name: value for name, value in sorted(vars(given).items()) if isinstance(value, (bool, int, float, str))}
    return [type(given).__qualname__, plain]
