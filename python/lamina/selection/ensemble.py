"""Ensembles: several networks that differ by their seed, trained side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.data.arguments import verbosity, whole_number
from lamina.data.arrays import Array
from lamina.files import FilePath
from lamina.network.network import Network
from lamina.other_words import OF_NETWORKS, with_other_words
from lamina.selection.kept_fits import described_network, described_options, kept_fit, network_of
from lamina.selection.side_by_side import Hook, Task, fresh, jobs, one_target_a_sample, options_of, run
from lamina.storage.container import Contents, as_strings, write
from lamina.storage.forms import ArrayForm, Forms
from lamina.storage.pickles import with_version, without_version
from lamina.storage.plain import described_samples
from lamina.storage.run_file import RunFile
from lamina.text import counted
from lamina.training.callbacks import History, callbacks_of
from lamina.training.progress import say
from lamina.training.scoring import loss_of_predictions

__all__ = ["Ensemble"]


@with_other_words(OF_NETWORKS)
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
        #: What a caller wants to keep with the ensemble: strings by name, saved and loaded with it.
        self.metadata: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self.members)

    def __repr__(self) -> str:
        return f"<lamina.Ensemble of {len(self)}: {self.members[0]!r}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the layers of a member, and the curves of all members' fits."""
        from lamina.html import notebook  # when a notebook asks for it
        from lamina.html.drawings import layers

        first = self.members[0]
        return notebook.panel(
            f"Ensemble: {counted(len(self), 'member')}",
            notebook.facts({"loss": first.loss.name, "dtype": str(first.dtype), "seeds from": str(first.seed)}),
            notebook.wide(layers(first.blocks(), repr(first))),
            notebook.fits_part(self.histories),
        )

    def summary(self) -> str:
        """Return a table of a member's layers, their outputs and parameters."""
        return f"Ensemble of {len(self)} members, the first of which is\n{self.members[0].summary()}"

    @property
    def histories(self) -> list[History]:
        """What the fit of each member did."""
        return [net.history for net in self.members if net.history is not None]

    def fit(self, X: Any, y: Any, *, verbose: int = 0, checkpoint: FilePath | None = None, **options: Any) -> Ensemble:
        """Train every member afresh, with the options of `Network.fit`; callbacks are called from the members' threads.

        With `verbose`, a line on standard error tells of each member's end.

        `checkpoint` is the path of a file that keeps each member as it ends. The same call on an ensemble of the same
        make, after the first was broken off by whatever, trains those members alone that had not ended, and gives the
        bits of a fit that was never interrupted, for any `n_jobs`; where all had ended, at once. Samples, members and
        options are compared; of functions (callbacks, custom losses) the names, and not what they do. Members come back
        without the optimizer's memory. CheckpointError, a ValueError, for a file of another run, or one that was
        damaged.
        """
        verbose = verbosity(verbose)
        model = self.members[0]
        weight, lengths = options.pop("sample_weight", None), options.get("lengths")
        given = one_target_a_sample(model, X, y, weight, lengths, counted=True)
        options["sample_weight"], options["lengths"] = given.weights, given.lengths
        options["callbacks"] = callbacks_of(options.get("callbacks"))
        options_of(options, lambda epoch: None)  # before there is a file

        file = RunFile(
            checkpoint,
            "Ensemble.fit",
            lambda: {
                "members": [described_network(member) for member in self.members],
                "data": described_samples(given),
                "options": described_options(options, model.spec),
            },
        )

        def say_of(number: int, member: Network, where: str = "") -> None:
            if verbose and (history := member.history) is not None:
                line = f"member {number + 1}/{len(self)}: loss {history.loss[-1]:.4g}"
                say(f"{line}, best epoch {history.best_epoch}{where}")

        def task(number: int) -> Task[Network]:
            def train(hook: Hook) -> Network:
                member = fresh(self.members[number])
                member.fit(given.x, given.targets, **options_of(options, hook))
                if file.path is not None:
                    file.add({str(number): kept_fit(member)})
                say_of(number, member)
                return member

            return train

        parts = file.known(str(number) for number in range(len(self)))
        known = [part and network_of(part, fresh(net), file) for part, net in zip(parts, self.members, strict=True)]
        for number, before in enumerate(known):
            if before:
                say_of(number, before, ", from the checkpoint")
        rest = [number for number, before in enumerate(known) if before is None]
        trained = dict(zip(rest, run([task(number) for number in rest], self.n_jobs), strict=True))
        self.members = [before or trained[number] for number, before in enumerate(known)]
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
        """Return the loss of the mean prediction, without penalty; see `Network.evaluate`."""
        model = self.members[0]
        given = one_target_a_sample(model, X, y, sample_weight, lengths, counted=True)
        return loss_of_predictions(model.loss, self.predict(given.x, given.lengths), given.targets, given.weights)

    # Keeping ------------------------------------------------------------------------------------------------------

    def save(self, path: FilePath) -> None:
        """Write all members to one safetensors file, whole or not at all; `lamina.load` reads it.

        The weights of member i have its number before their names: ``"0/0.weight"``.
        """
        write(path, self.contents())

    def contents(self) -> Contents:
        """Return what a model file holds of the members."""
        arrays: dict[str, Array] = {}
        for i, net in enumerate(self.members):
            arrays |= {f"{i}/{name}": array for name, array in net.contents().arrays.items()}
        return Contents.of(self.architecture(), arrays, {}, self.metadata)

    def architecture(self) -> dict[str, Any]:
        """Return what makes the members, beside their weights, as plain JSON values; TypeError for custom parts."""
        members = [{"architecture": net.architecture(), "user": as_strings(net.metadata)} for net in self.members]
        return {"network": "Ensemble", "members": members}

    @staticmethod
    def forms_of(architecture: dict[str, Any]) -> Forms:
        """Return what arrays an ensemble from the result of `architecture` has; nothing is built."""
        needed: dict[str, ArrayForm] = {}
        together: list[dict[str, ArrayForm]] = []
        for i, member in enumerate(architecture["members"]):
            forms = Network.forms_of(member["architecture"]).within(f"{i}/")
            needed.update(forms.needed)
            together.extend(forms.together)
        return Forms(needed, tuple(together))

    @classmethod
    def from_architecture(cls, architecture: dict[str, Any]) -> Ensemble:
        """Return an ensemble of members with fresh weights from the result of `architecture`."""
        return cls._of([Network.from_architecture(member["architecture"]) for member in architecture["members"]])

    @classmethod
    def from_contents(cls, contents: Contents) -> Ensemble:
        """Return the ensemble that a model file holds."""
        members = [
            Contents(member["architecture"], {}, dict(member["user"])) for member in contents.architecture["members"]
        ]
        for name, array in contents.arrays.items():
            number, _, own = name.partition("/")
            members[int(number)].arrays[own] = array
        ensemble = cls._of([Network.from_contents(member) for member in members])
        ensemble.metadata = dict(contents.metadata)
        return ensemble

    @classmethod
    def _of(cls, members: list[Network]) -> Ensemble:
        if not members:
            raise ValueError("an ensemble must have at least one member")
        ensemble = cls.__new__(cls)
        ensemble.n_jobs, ensemble.members, ensemble.metadata = jobs(None), members, {}
        return ensemble

    def __getstate__(self) -> dict[str, Any]:
        return with_version(self.__dict__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({"metadata": {}, **without_version(state, "ensemble")})
