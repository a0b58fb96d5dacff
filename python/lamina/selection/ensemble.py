"""Ensembles: several networks that differ by their seed, trained side by side."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.data import arrays as _data
from lamina.data.arrays import Array
from lamina.network.network import Network
from lamina.selection.side_by_side import fresh, jobs, options_of, run, samples_of_rows
from lamina.training.callbacks import Epoch, History
from lamina.training.fit import callbacks_of

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
        _data.whole_number(members, "members", 1)
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
        x, t, _ = samples_of_rows(model, X, y, None, options.get("lengths"))
        options["callbacks"] = callbacks_of(options.get("callbacks"))

        def task(number: int) -> Callable[[Callable[[Epoch], None]], Network]:
            def train(hook: Callable[[Epoch], None]) -> Network:
                member = fresh(self.members[number])
                history = member.fit(x, t, **options_of(options, hook))
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
        x, t, _ = samples_of_rows(model, X, y, None, lengths)
        w = _data.weights(sample_weight, len(x), np.dtype(np.float64))
        raw = before_link(self.predict(x, lengths).astype(np.float64), model.loss)
        return float(model.loss.value(raw, t if t.dtype == np.int32 else t.astype(np.float64), w))


def before_link(predicted: Array, loss: Any) -> Array:
    """The raw outputs whose prediction is `predicted`: the losses are defined on those."""
    tiny = np.finfo(np.float64).tiny
    if loss.link in ("softmax", "exponential"):
        return np.asarray(np.log(np.maximum(predicted, tiny)))
    if loss.link == "logistic":
        odds = np.maximum(predicted, tiny) / np.maximum(1 - predicted, np.finfo(np.float64).eps)
        return np.asarray(np.log(odds))
    return predicted
