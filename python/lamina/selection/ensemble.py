"""Ensembles: several networks that differ by their seed, trained side by side."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from lamina.data.arguments import whole_number
from lamina.data.arrays import Array
from lamina.network.network import Network
from lamina.selection.side_by_side import Hook, Task, fresh, jobs, one_target_a_sample, options_of, run
from lamina.training.callbacks import History, callbacks_of
from lamina.training.scoring import loss_of_predictions

__all__ = ["Ensemble"]


class Ensemble:
    """Networks of one make with different seeds, whose mean predicts better and whose spread says how sure it is.

    Parameters
    ----------
    net : Network
        What the members look like; it does not change.
    members : int, default 10
        Member i has the seed ``net.seed + i``: its own initial weights, shuffles, dropout and validation part.
    n_jobs : int, optional
        Members trained at a time, each on one thread; by default `lamina.get_num_threads()`. Never a different result.
    """

    def __init__(self, net: Network, members: int = 10, n_jobs: int | None = None) -> None:
        if not isinstance(net, Network):
            raise TypeError(f"net must be a lamina.Network; got {net!r}")
        self.n_jobs = jobs(n_jobs)
        whole_number(members, "members", 1)
        #: The member networks.
        self.members: list[Network] = [fresh(net, (net.seed + i) % 2**64) for i in range(members)]

    def __len__(self) -> int:
        return len(self.members)

    def __repr__(self) -> str:
        return f"<lamina.Ensemble of {len(self)}: {self.members[0]!r}>"

    @property
    def histories(self) -> list[History]:
        """What the fit of each member did."""
        return [net.history for net in self.members if net.history is not None]

    def fit(self, X: Any, y: Any, *, verbose: int = 0, **options: Any) -> Ensemble:
        """Train every member afresh, with the options of `Network.fit`; callbacks are called from the members' threads.

        With `verbose`, a line on standard error tells of each member's end.
        """
        model = self.members[0]
        weight, lengths = options.pop("sample_weight", None), options.get("lengths")
        given = one_target_a_sample(model, X, y, weight, lengths, counted=True)
        options["sample_weight"], options["lengths"] = given.weights, given.lengths
        options["callbacks"] = callbacks_of(options.get("callbacks"))

        def task(number: int) -> Task[Network]:
            def train(hook: Hook) -> Network:
                member = fresh(self.members[number])
                history = member.fit(given.x, given.targets, **options_of(options, hook))
                if verbose:
                    line = f"member {number + 1}/{len(self)}: loss {history.loss[-1]:.4g}"
                    print(f"{line}, best epoch {history.best_epoch}", file=sys.stderr, flush=True)
                return member

            return train

        self.members = run([task(number) for number in range(len(self))], self.n_jobs)
        return self

    def predict(self, X: Any, lengths: Any = None) -> Array:
        """Return the mean of the members' predictions, (rows, outputs)."""
        return self.predictions(X, lengths).mean(axis=0)  # type: ignore[no-any-return]

    def spread(self, X: Any, lengths: Any = None) -> Array:
        """Return the standard deviation of the members' predictions, (rows, outputs), divided by members - 1."""
        if len(self) < 2:
            raise ValueError("the spread needs at least 2 members; got 1")
        return self.predictions(X, lengths).std(axis=0, ddof=1)  # type: ignore[no-any-return]

    def predictions(self, X: Any, lengths: Any = None) -> Array:
        """Return every member's predictions, (members, rows, outputs)."""
        return np.stack([net.predict(X, lengths=lengths) for net in self.members])

    def evaluate(self, X: Any, y: Any, sample_weight: Any = None, lengths: Any = None) -> float:
        """Return the loss of the mean prediction, without penalty."""
        model = self.members[0]
        given = one_target_a_sample(model, X, y, sample_weight, lengths, counted=True)
        return loss_of_predictions(model.loss, self.predict(given.x, given.lengths), given.targets, given.weights)
