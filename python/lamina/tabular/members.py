"""The networks of one estimator: folds, members and quantiles, trained side by side and averaged."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lamina.data.arrays import Array
from lamina.data.records import Samples
from lamina.files import FilePath
from lamina.network.network import Network
from lamina.selection.cross_validation import Fold
from lamina.selection.kept_fits import described_network, described_options, kept_fit, network_of
from lamina.selection.side_by_side import CancelledFitError, Hook, Task, jobs, options_of, run
from lamina.storage.forms import ArrayForm, Forms, form_of
from lamina.storage.plain import described_samples, difference, digest
from lamina.storage.run_file import Part, RunFile
from lamina.training.callbacks import Epoch
from lamina.training.progress import Progress

__all__ = ["Member", "Plan", "Trained", "combined", "train"]

# Batches of which the seconds of an epoch are guessed, and the share of a limit that is given out by that guess.
_BATCHES_TO_TIME, _SHARE_OF_TIME = 20, 0.9
# What a checkpoint calls predictions of what a network has not seen, and the epochs that a limit of time allows.
_HELD, _EPOCHS = "held", "epochs"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be trained.

    Attributes
    ----------
    make : callable of (slot, turn, seed)
        Makes an untrained network. A slot is a group of outputs that has networks of its own; parts and members come
        by turns, for what differs from one to the next.
    n_slots, n_members : int
        Slots, and networks for each of them in every part.
    samples : Samples
    parts : list of Fold or None
        What each part trains on and holds out; None trains on everything.
    apart : Samples or None
        What is validated on where nothing is held out.
    options : dict
        Of `Network.fit`.
    seed : int
        Of the first member; the others count on.
    max_time : float or None
        Seconds for all of it.
    verbose : bool
    checkpoint : path-like or None
        What keeps each network as it ends.
    asked : dict
        What the estimator was asked for, by name: a checkpoint compares it.
    """

    make: Callable[[int, int, int], Network]
    n_slots: int
    n_members: int
    samples: Samples
    parts: Sequence[Fold | None]
    apart: Samples | None
    options: dict[str, Any]
    seed: int
    max_time: float | None = None
    verbose: bool = False
    checkpoint: FilePath | None = None
    asked: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.parts) * self.n_members * self.n_slots


@dataclass(frozen=True, slots=True)
class Member:
    """A trained network.

    Attributes
    ----------
    network : Network
    part, slot : int
        Which part of the plan it was trained on, and which outputs it gives.
    held : (rows, outputs) array or None
        Its predictions for what it has not seen: what the part holds out, or the samples apart.
    """

    network: Network
    part: int
    slot: int
    held: Array | None


@dataclass(frozen=True, slots=True)
class Trained:
    """What has become of a plan.

    Attributes
    ----------
    members : list of Member
        Part by part, member by member, slot by slot.
    parts : list of Fold or None
        Those of the plan that have members.
    interrupted : bool
        Whether Ctrl-C has ended it early; then parts may be missing, and members.
    """

    members: list[Member]
    parts: list[Fold | None]
    interrupted: bool = False

    def held_out(self, n_slots: int) -> list[Array]:
        """Return for each part the mean prediction for what it did not train on."""
        found = []
        for part in range(len(self.parts)):
            own = [member.held for member in self.members if member.part == part and member.held is not None]
            if own:
                found.append(_averaged(own, n_slots))
        return found


def train(plan: Plan, n_jobs: int | None) -> Trained:
    """Train every network of the plan, `n_jobs` of them at a time on one thread each; one alone on `n_jobs` threads.

    The bits do not depend on `n_jobs`. Ctrl-C leaves what there is: the networks that have come to an end, and of those
    under way the best weights so far. The plan's checkpoint keeps the former alone, and gives those that it has.
    """
    together = min(jobs(n_jobs), len(plan))
    options = dict(plan.options)
    overview = Overview(plan, options["epochs"])
    places = [
        (part, member, slot)
        for part in range(len(plan.parts))
        for member in range(plan.n_members)
        for slot in range(plan.n_slots)
    ]
    file = _file_of(plan)
    done = _kept(plan, file, places)
    rest = [place for place in places if place not in done]
    for _ in done:
        overview.ended()
    if plan.max_time is not None and rest:
        options["epochs"] = overview.epochs = _epochs_kept(plan, file, options, together)

    def fit(part: int, member: int, slot: int, own: dict[str, Any]) -> bool:
        """Train one network, and return whether Ctrl-C ended that."""
        net, interrupted = _untrained(plan, part, member, slot), False
        fold, given, apart = plan.parts[part], plan.samples, plan.apart
        if apart is None:
            own["validation"] = fold
        else:
            own |= {"validation": (apart.x, apart.targets), "validation_sample_weight": apart.weights}
        try:
            net.fit(given.x, given.targets, sample_weight=given.weights, **own)
        except (KeyboardInterrupt, CancelledFitError):
            if net.history is None:  # training had not begun
                raise
            interrupted = True
        overview.ended()
        unseen = apart.x if apart is not None else None if fold is None else given.x[fold.held]
        held = None if unseen is None else net.predict(unseen, n_threads=own["n_threads"])
        net.core.memory = None  # the optimizer's, twice the weights: nobody goes on with it
        done[part, member, slot] = Member(net, part, slot, held)
        if file.path is not None and not interrupted:
            file.add({_name(part, member, slot): kept_fit(net, {} if held is None else {_HELD: held})})
        return interrupted

    def task(place: tuple[int, int, int]) -> Task[bool]:
        return lambda hook: fit(*place, options_of({**options, "callbacks": [overview.hook()]}, hook))

    with overview:
        try:
            if not rest:
                interrupted = False
            elif len(plan) == 1:
                interrupted = fit(*places[0], {**options, "callbacks": [overview.hook()], "n_threads": n_jobs})
            else:
                interrupted = any(run([task(place) for place in rest], together))
        except KeyboardInterrupt:
            interrupted = True
            whole = {p[:2] for p in places} - {p[:2] for p in places if p not in done}
            if not whole:
                raise
            places = [place for place in places if place[:2] in whole]
    left = sorted({part for part, _, _ in places})
    members = [replace(done[place], part=left.index(place[0])) for place in places]
    return Trained(members, [plan.parts[part] for part in left], interrupted)


def combined(networks: Sequence[Network], n_slots: int, x: Array, n_threads: int | None) -> Array:
    """Return the mean of the networks' predictions, float64, the slots side by side."""
    return _averaged([net.predict(x, n_threads=n_threads) for net in networks], n_slots)


def _averaged(predictions: Sequence[Array], n_slots: int) -> Array:
    """The mean within each slot; networks come slot by slot, again and again."""
    slots = []
    for slot in range(n_slots):
        own = predictions[slot::n_slots]
        total = own[0].astype(np.float64)
        for each in own[1:]:
            total += each
        slots.append(total / len(own))
    return np.concatenate(slots, axis=1)


def _untrained(plan: Plan, part: int, member: int, slot: int) -> Network:
    return plan.make(slot, part + member, (plan.seed + member) % 2**63)


def _name(part: int, member: int, slot: int) -> str:
    """What a network is called in a checkpoint."""
    return f"{part}.{member}.{slot}"


def _file_of(plan: Plan) -> RunFile:
    """The checkpoint, which compares all that decides what the networks become."""

    def run() -> dict[str, Any]:
        net = plan.make(0, 0, plan.seed)
        return {
            "parameters": plan.asked,
            "network": described_network(net),
            "networks": [len(plan.parts), plan.n_members, plan.n_slots],
            "data": described_samples(plan.samples),
            "validation": None if plan.apart is None else described_samples(plan.apart),
            "folds": digest([None if fold is None else [fold.train, fold.held] for fold in plan.parts]),
            "options": described_options(plan.options, net.spec),
            "max_time": plan.max_time is not None,
        }

    return RunFile(plan.checkpoint, "the fit of a tabular model", run, _in_what)


def _in_what(here: Mapping[str, Any], there: Mapping[str, Any]) -> str:
    """Tell in what two fits differ, in the words of who calls `fit`.

    Networks, options and folds follow from what the estimator was asked for, and from the table.
    """
    asked = difference(here["parameters"], there["parameters"])
    seeds = ({"random_state": run["network"]["seed"]} for run in (here, there))
    # Weights of classes are in those of the rows.
    weighted = here["parameters"].get("class_weight") == there["parameters"].get("class_weight")
    data = ({n: p for n, p in run["data"].items() if weighted or n != "sample_weight"} for run in (here, there))
    found = [asked, difference(*seeds), difference(*data)]
    if here["max_time"] != there["max_time"]:
        found.append(f"max_time was {_given(there['max_time'])} there and is {_given(here['max_time'])} here")
    apart, before = here["validation"], there["validation"]
    if (apart is None) != (before is None):
        found.append(f"X_val and y_val were {_given(before)} there and are {_given(apart)} here")
    elif apart is not None:
        found.append(difference(*({f"{name}_val": part for name, part in own.items()} for own in (apart, before))))
    if told := "; ".join(filter(None, found)):
        return told
    return difference(here, there) if here["folds"] == there["folds"] else "groups make other folds here"


def _given(value: Any) -> str:
    return "given" if value else "not given"


def _kept(plan: Plan, file: RunFile, places: Sequence[tuple[int, int, int]]) -> dict[tuple[int, int, int], Member]:
    """The networks that the checkpoint has; CheckpointError where it has others."""
    found = file.known([_name(*place) for place in places], [_EPOCHS])
    done = {}
    for place, kept in zip(places, found, strict=True):
        if kept is None:
            continue
        net, held, fold = _untrained(plan, *place), kept.arrays.get(_HELD), plan.parts[place[0]]
        seen_apart = plan.apart if plan.apart is not None else None if fold is None else fold.held
        needed = {} if seen_apart is None else {_HELD: ArrayForm(net.dtype.name, (len(seen_apart), net.n_outputs))}
        try:
            Forms(needed).check({} if held is None else {_HELD: form_of(held)})
        except ValueError as error:
            raise file.damaged(error) from error
        done[place] = Member(network_of(kept, net, file, [_HELD]), place[0], place[2], held)
    return done


def _epochs_kept(plan: Plan, file: RunFile, options: dict[str, Any], together: int) -> int:
    """As `_epochs_in_time`; where the checkpoint has networks, those that they had."""
    before = file.parts.get(_EPOCHS)
    if before is not None:
        try:
            return before.value(_EPOCHS, int, 1, options["epochs"])
        except ValueError as error:
            raise file.damaged(error) from error
    epochs = _epochs_in_time(plan, options, together)
    file.add({_EPOCHS: Part({}, {_EPOCHS: epochs})})
    return epochs


def _epochs_in_time(plan: Plan, options: dict[str, Any], together: int) -> int:
    """As many epochs as the time allows, by the seconds of some batches: a schedule shall come to its end."""
    assert plan.max_time is not None
    given, started, ends = plan.samples, time.perf_counter(), []
    n = min(len(given), _BATCHES_TO_TIME * options["batch_size"])
    # By their targets, so that every kind is there.
    order = np.argsort(given.targets if given.targets.ndim == 1 else given.targets[:, 0], kind="stable")
    rows = order[np.linspace(0, len(given) - 1, n).astype(np.intp)]
    part = given.take(rows)
    short = {**options, "epochs": 3, "validation": None, "early_stopping": None, "scoring": None, "n_threads": 1}
    short["callbacks"] = [lambda epoch: ends.append(epoch.seconds)]
    plan.make(0, 0, plan.seed).fit(part.x, part.targets, sample_weight=part.weights, **short)
    seconds = (ends[-1] - ends[0]) / 2 * len(given) / n  # what comes before the first epoch is there once
    rounds = len(plan) / together
    left = max(0.0, _SHARE_OF_TIME * plan.max_time - (time.perf_counter() - started)) / rounds
    return int(np.clip(left / seconds, 1, options["epochs"]))


class Overview:
    """How far all networks are: what is said of it, and when the time is over.

    Parameters
    ----------
    plan : Plan
    epochs : int
        Of each network.
    """

    def __init__(self, plan: Plan, epochs: int) -> None:
        self.epochs, self._networks = epochs, len(plan)
        self._started, self._limit = time.perf_counter(), plan.max_time
        self._progress = Progress("training", self._networks * epochs) if plan.verbose else None
        self._lock = threading.Lock()
        self._under_way: dict[int, int] = {}
        self._ended = 0
        self._last = 0.0

    def __enter__(self) -> Overview:
        if self._progress is not None:
            self._progress.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.__exit__()

    def hook(self) -> Hook:
        """Return the callback of one network's fit."""

        def at_epoch(epoch: Epoch) -> None:
            seconds = time.perf_counter() - self._started
            if self._limit is not None and seconds >= self._limit:
                epoch.stop(f"the time limit of {self._limit:g} s")
            if self._progress is not None:
                with self._lock:
                    self._under_way[threading.get_ident()] = epoch.epoch
                    self._say(epoch, seconds)

        return at_epoch

    def ended(self) -> None:
        """Take note of the end of a network's fit, in the thread that it was in."""
        with self._lock:
            self._under_way.pop(threading.get_ident(), None)
            self._ended += 1

    def _say(self, epoch: Epoch, seconds: float) -> None:
        assert self._progress is not None
        done, total = sum(self._under_way.values()) + self._ended * self.epochs, self._networks * self.epochs
        left = seconds * (total - done) / done
        held = "" if epoch.validation_loss is None else f", validation {epoch.validation_loss:.4g}"
        said = f"loss {epoch.loss:.4g}{held}, {left:.0f} s left"
        if self._progress.draws:
            self._progress.move(done, said)
        elif seconds - self._last >= 1 or done == total:
            self._last = seconds
            which = f"network {self._ended + 1}/{self._networks}, " if self._networks > 1 else ""
            self._progress.line(f"{which}epoch {epoch.epoch}/{self.epochs}: {said}")
