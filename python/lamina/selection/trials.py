"""The trials of a search: what one set of parameters makes, how it is trained, and how it is scored."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.data.arguments import in_short, whole_number
from lamina.data.arrays import Array, to_array
from lamina.data.records import Samples, SampleSpec
from lamina.data.samples import samples
from lamina.data.splits import group_numbers, validation_rows
from lamina.data.targets import classes_of, target_array
from lamina.network.network import Network
from lamina.selection.cross_validation import Fold, fit_fold, folds_of, mean_curve
from lamina.selection.kept_fits import described_network
from lamina.selection.side_by_side import FIT_OPTIONS, WHOLE_OPTIONS, Hook, one_target_a_sample
from lamina.selection.space import Choice, Range
from lamina.storage.plain import digest
from lamina.training.callbacks import Epoch, callbacks_of
from lamina.training.scoring import Scoring, score_of

__all__ = ["Scheme", "Trainer", "TrialFailedError", "Watch"]

#: What gets a score after each step, from 1 on, and says whether the trial is to be given up.
Watch = Callable[[int, float], bool]


class TrialFailedError(Exception):
    """A trial that an error in `build`, a fit or a score ended: a matter of its parameters, not of the search."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")

    def record(self, seconds: float) -> dict[str, Any]:
        """Return what `Trainer.score` would have returned."""
        return {"score": None, "std": None, "best_epoch": None, "seconds": seconds, "error": str(self)}


@dataclass(frozen=True, slots=True)
class Scheme:
    """How trials are scored; the names are those of `search`.

    Attributes
    ----------
    k : int, list of (training, held-out rows), or None
        Folds; None for a hold-out part.
    validation : float, Split, (X, y) or None
        The hold-out part.
    seed : int
    scoring : str, callable or None
    groups : array-like or None
    """

    k: Any
    validation: Any
    seed: int
    scoring: Scoring
    groups: Any


class Trainer:
    """Trains and scores one set of parameters."""

    def __init__(self, build: Callable[..., Any], X: Any, y: Any, scheme: Scheme, options: dict[str, Any]) -> None:
        if not callable(build):
            raise TypeError(
                "build must be a function of parameters that returns a lamina.Network, or (Network, fit options); got "
                f"{in_short(build)}" + (", for which there are scikit-learn's searches" * hasattr(build, "get_params"))
            )
        self.build, self.scheme, self.options = build, scheme, dict(options)
        self.x, self.y = to_array(X, "X"), target_array(y, "y")
        if len(self.y) != len(self.x):
            raise ValueError(f"y must have one entry for each of the {len(self.x)} rows of X; got {len(self.y)}")
        self.weight = self.options.pop("sample_weight", None)
        self.options["callbacks"] = callbacks_of(self.options.get("callbacks"))

    def network(self, params: dict[str, Any], epochs: int | None = None) -> tuple[Network, dict[str, Any]]:
        """Return what `build` makes of `params`, and the options for its fit.

        ValueError where `epochs` are decided already, as by halving, and `build` has its own.
        """
        taken = inspect.signature(self.build).parameters
        takes_all = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in taken.values())
        own = {name: value for name, value in params.items() if takes_all or name in taken}
        to_fit = {name: value for name, value in params.items() if name not in own}
        for name in to_fit:
            if name not in FIT_OPTIONS:
                raise TypeError(f"space has {name!r}, which neither build nor Network.fit takes")
        try:
            made = self.build(**own)
        except Exception as error:
            raise TrialFailedError(error) from error
        net, extra = made if isinstance(made, tuple) else (made, {})
        if not isinstance(net, Network):
            raise TypeError(f"build must return a lamina.Network, or (Network, fit options); got {in_short(net)}")
        options = {**self.options, **extra, **to_fit}
        if epochs is None:
            return net, options
        if "epochs" in extra:
            raise ValueError(
                "halving decides the epochs of each trial itself; take epochs out of what build returns, and give "
                f"search(epochs=...) the most that a trial may take; got epochs={extra['epochs']!r} from build"
            )
        return net, {**options, "epochs": epochs}

    def described(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return samples and `options`, with what else there is of rows, by their numbers, in whatever they came."""
        validation, groups, lengths = self.scheme.validation, self.scheme.groups, options.get("lengths")
        if isinstance(validation, (tuple, list)) and len(validation) == 2:
            validation = _numbers(to_array(validation[0], "validation X"), target_array(validation[1], "validation y"))
        rows = {
            "validation": validation,
            "groups": None if groups is None else group_numbers(groups),
            "sample_weight": None if self.weight is None else np.asarray(self.weight, np.float64),
            **({} if lengths is None else {"lengths": np.asarray(lengths, np.float64)}),
        }
        return {"options": {**options, **rows}, "data": _numbers(self.x, self.y)}

    def check_ranges(self, parts: Mapping[str, Range | Choice], params: dict[str, Any]) -> None:
        """Raise TypeError for a range that draws fractions where whole numbers are taken; `params` are drawn from it.

        Whether they are is for `build` and the fit to say: they refuse 8.0, and take 8.
        """
        ranges = {
            name: part
            for name, part in parts.items()
            if isinstance(part, Range) and not part.whole and part.low == int(part.low) and part.high == int(part.high)
        }
        rounded = {**params, **{name: int(params[name]) for name in ranges}}
        if not ranges or self._takes(params) or not self._takes(rounded):
            return
        for name, part in ranges.items():
            if not self._takes({**rounded, name: float(rounded[name])}):
                log = ", log=True" if part.log else ""
                raise TypeError(
                    f"space[{name!r}] must draw whole numbers, and from {part.low} to {part.high} it draws others, "
                    f"as {params[name]:.6g}; write lamina.space.integer({int(part.low)}, {int(part.high)}{log})"
                )

    def _takes(self, params: dict[str, Any]) -> bool:
        """Whether `build` makes a network of these parameters, and what has to be whole among its options is."""
        try:
            _, options = self.network(params)
            for name in WHOLE_OPTIONS & options.keys():
                whole_number(options[name], name, 1)
        except (TrialFailedError, TypeError, ValueError):
            return False
        return True

    def digest(self, net: Network, options: dict[str, Any], epochs: int | None = None) -> str:
        """Return what tells one `build` from another: a digest of the network it makes, and of its fit options.

        `epochs` are those that were decided without it.
        """
        given = self.options if epochs is None else {**self.options, "epochs": epochs}
        return digest([described_network(net), {k: v for k, v in options.items() if given.get(k) is not v}])

    def score(
        self,
        net: Network,
        options: dict[str, Any],
        hook: Hook,
        watch: Watch | None = None,
        n_threads: int | None = 1,
    ) -> dict[str, Any]:
        """Train on each part and return the record of the trial; a score of None means that training diverged.

        `watch` gets what a trial of one part scores after every epoch, and one of several parts after every part: the
        mean so far. Where it returns True the trial ends, without a score.

        TrialFailedError for what a fit or a score raises; other errors are about the search as a whole.
        """
        started = time.perf_counter()
        given, folds = self._parts(net, options.get("lengths"))
        score = score_of(self.scheme.scoring, net.loss)
        scores, curves, pruned = [], [], False

        def after_epoch(epoch: Epoch) -> None:
            nonlocal pruned
            hook(epoch)
            if watch is not None and len(folds) == 1:
                seen = epoch.validation_loss if self.scheme.scoring is None else score(epoch.network, held)
                assert seen is not None
                if watch(epoch.epoch, float(seen)):
                    pruned = True
                    epoch.stop("pruned")

        for number, fold in enumerate(folds, 1):
            held = given.take(fold.held)
            try:
                twin = fit_fold(net, given, fold, after_epoch, options, n_threads)
                assert twin.history is not None
                if twin.history.diverged:
                    scores = [math.nan]
                    break
                if not pruned:
                    scores.append(score(twin, held))
                    if self.scheme.scoring is not None and not math.isfinite(scores[-1]):
                        raise ValueError(f"scoring must return a finite number; got {scores[-1]}")
                    pruned = watch is not None and number < len(folds) and watch(number, float(np.mean(scores)))
                if pruned:
                    scores = [math.nan]
                    break
            except Exception as error:
                raise TrialFailedError(error) from error
            curves.append(twin.history.validation_loss)
        mean = float(np.mean(scores))
        good = math.isfinite(mean)
        return {
            "score": mean if good else None,
            "std": float(np.std(scores, ddof=1)) if good and len(scores) > 1 else None,
            "best_epoch": int(np.argmin(mean_curve(curves))) + 1 if good else None,
            "seconds": time.perf_counter() - started,
            "error": None,
            **({} if watch is None else {"pruned": pruned}),
        }

    def _parts(self, net: Network, lengths: Any) -> tuple[Samples, list[Fold]]:
        """The samples, and the folds of them to train and to score on."""
        given = one_target_a_sample(net, self.x, self.y, self.weight, lengths)
        validation, n = self.scheme.validation, len(given)
        if isinstance(validation, (tuple, list)):
            if net.spec.recurrent:
                raise ValueError("validation must be a fraction, a Split or None for sequences; got (X, y)")
            X, y = validation[:2]
            held = samples(net.spec, X, y, which="validation ")
            return _joined(given, held, net.spec), [Fold(np.arange(n), np.arange(n, n + len(held)))]
        if self.scheme.k is None:
            labels, remedy = classes_of(net.loss, given.targets), "Give k=5 in its place to score by all"
            return given, [Fold(*validation_rows(validation, n, labels, self.scheme.seed, remedy))]
        classes = classes_of(net.loss, given.targets)
        return given, folds_of(self.scheme.k, given, classes, self.scheme.seed, groups=self.scheme.groups)


def _numbers(x: Array, y: Array) -> dict[str, Array]:
    """Rows and their targets as they are for a network of any type, of one output or classes."""
    if x.ndim == 1:
        x = x[:, None]
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    return {"X": x.astype(np.float64), "y": y.astype(np.float64)}


def _joined(given: Samples, held: Samples, spec: SampleSpec) -> Samples:
    """Both as one, the held ones last; where `given` has weights, theirs are 1."""
    weights = given.weights
    if weights is not None:
        weights = np.concatenate([weights, np.ones(len(held), weights.dtype)])
    targets = [given.targets, held.targets]
    if targets[0].dtype != targets[1].dtype:  # labels beside shares of classes
        targets = [np.eye(spec.n_outputs, dtype=spec.dtype)[t] if t.dtype == np.int32 else t for t in targets]
    return Samples(np.concatenate([given.x, held.x]), np.concatenate(targets), weights)
