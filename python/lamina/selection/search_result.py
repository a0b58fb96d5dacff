"""What a search found, as a table, a data frame and a trained network."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any

from lamina.data.frames import frame_of
from lamina.network.network import Network
from lamina.selection.side_by_side import fit_on_all, fresh
from lamina.selection.trials import Trainer
from lamina.text import aligned, counted
from lamina.training.progress import Progress

__all__ = ["SearchProgress", "SearchResult"]


class SearchResult:
    """What `search` found.

    Attributes
    ----------
    trials : list of dict
        ``trial``, ``rung``, ``params``, ``score`` (None where training diverged or the trial failed), ``std`` over the
        folds, ``best_epoch``, ``seconds``, ``error`` (what a trial failed by, else None). With a pruner also ``pruned``
        (a trial that was has no score) and ``reports``, what the pruner was told: pairs of (step, score).
    lower_is_better : bool
        Whether scores are losses.
    """

    def __init__(self, trials: list[dict[str, Any]], lower_is_better: bool, trainer: Trainer) -> None:
        self.trials, self.lower_is_better, self._trainer = trials, lower_is_better, trainer

    @property
    def ranked(self) -> list[dict[str, Any]]:
        """The trials, the best first: those trained longest come before those that halving let go."""
        sign = 1 if self.lower_is_better else -1
        return sorted(
            self.trials, key=lambda t: (t["score"] is None, -t["rung"], sign * (t["score"] or 0.0), t["trial"])
        )

    @property
    def best(self) -> dict[str, Any]:
        """The best trial."""
        return self.ranked[0]

    @property
    def best_params(self) -> dict[str, Any]:
        """The parameters of the best trial."""
        return dict(self.best["params"])

    @property
    def best_score(self) -> float:
        """The score of the best trial: of many, so a little lucky; a test set tells what it is worth."""
        return float(self.best["score"])

    def best_network(self) -> tuple[Network, dict[str, Any]]:
        """Return the best network, untrained, and the options for its `fit` or for `cross_validate`."""
        net, options = self._trainer.network(self.best["params"], self.best["epochs"])
        weight = {} if self._trainer.weight is None else {"sample_weight": self._trainer.weight}
        return fresh(net), {**options, **weight}

    def refit(self, **changes: Any) -> Network:
        """Return a network with the best parameters, trained on every row for the best trial's epochs."""
        net, options = self.best_network()
        trainer, last = self._trainer, self.best["best_epoch"]
        return fit_on_all(net, trainer.x, trainer.y, {**options, **changes}, last, "the best epoch of the search")

    def table(self, rows: int | None = None) -> str:
        """Return the trials as text, the best first; `rows` of them, or all."""
        return "\n".join(aligned(self._cells(rows)))

    def _cells(self, rows: int | None) -> list[list[str]]:
        """The cells of `table`, below those of its header."""
        names = list(self.trials[0]["params"])
        rest = ["rung"] * any(t["rung"] for t in self.trials) + ["std", "best_epoch", "seconds"]
        lines = [["", *names, *(shown.replace("_", " ") for shown in _beside(names, ["score", *rest]))]]
        for place, trial in enumerate(self.ranked[:rows], 1):
            cells = [_cell(trial["params"][name]) for name in names]
            lines.append([str(place), *cells, _outcome(trial), *(_cell(trial[name]) for name in rest)])
        return lines

    def to_frame(self, library: str = "pandas") -> Any:
        """Return the trials as a data frame of pandas, polars or pyarrow: the best first, a column a parameter.

        Then a column for each of what `trials` tells. Where a parameter has such a name, it keeps it, and the other
        column is called ``trial_epochs``, ``trial_std``, ...
        """
        names = list(self.trials[0]["params"])
        rest = [name for name in self.trials[0] if name not in ("params", "reports")]
        columns = {name: [trial["params"][name] for trial in self.ranked] for name in names}
        for name, shown in zip(rest, _beside(names, rest), strict=True):
            columns[shown] = [trial.get(name) for trial in self.ranked]
        return frame_of(columns, library)

    def to_pandas(self) -> Any:
        """Return `to_frame` of pandas."""
        return self.to_frame()

    def _repr_html_(self) -> str:
        """What a notebook shows: the best trials, and how the best score came about."""
        from lamina.html import notebook  # when a notebook asks for it
        from lamina.html.drawings import trials

        header, *rows = self._cells(10)
        order = sorted(self.trials, key=lambda trial: (trial["rung"], trial["trial"]))
        scores = [math.nan if trial["score"] is None else trial["score"] for trial in order]
        known = {"best score": _cell(self.best["score"]), **{n: _cell(v) for n, v in self.best_params.items()}}
        return notebook.panel(
            f"Search: {counted(len(self.trials), 'trial')}",
            notebook.facts(known),
            notebook.side_by_side(
                trials(scores, self.lower_is_better, "Scores of the trials, in order"), notebook.table(header, rows)
            ),
            f"the best {len(rows)} of {len(self.trials):,}" if len(rows) < len(self.trials) else None,
        )

    def __str__(self) -> str:
        return self.table(10)

    def __repr__(self) -> str:
        return f"<lamina search of {len(self.trials)} trials: {self.best_score:.4g} with {self.best_params}>"


class SearchProgress:
    """A bar on standard error with the best score, where it is wanted."""

    def __init__(self, total: int, verbose: int) -> None:
        self._total, self._done = total, 0
        self._best: float | None = None
        self._progress = Progress("trials", total) if verbose else None
        self._lock = threading.Lock()

    def __enter__(self) -> SearchProgress:
        if self._progress is not None:
            self._progress.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.__exit__()

    def step(self, trial: dict[str, Any], lower_is_better: bool) -> None:
        """Count a trial that has ended."""
        if self._progress is None:
            return
        with self._lock:
            self._count(self._progress, trial["score"], lower_is_better)

    def _count(self, progress: Progress, score: float | None, lower_is_better: bool) -> None:
        self._done += 1
        if score is not None and (self._best is None or (score < self._best) == lower_is_better):
            self._best = score
        best = "" if self._best is None else f"best {self._best:.4g}"
        if progress.draws:
            progress.move(self._done, best)
        else:
            progress.line(f"trial {self._done}/{self._total}  score {_cell(score)}  {best}")


def _beside(taken: Sequence[str], names: Sequence[str]) -> list[str]:
    """What columns of these names are called beside others, each of which keeps its own."""
    shown = []
    for name in names:
        other = name
        while other in taken or (other != name and other in names):
            other = f"trial_{other}"
        shown.append(other)
    return shown


def _outcome(trial: dict[str, Any]) -> str:
    if trial["score"] is not None:
        return _cell(trial["score"])
    return "failed" if trial["error"] else "pruned" if trial.get("pruned") else "diverged"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
