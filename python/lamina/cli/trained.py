"""What the command line knows of a trained model, of whatever kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Trained", "duration"]


@dataclass(frozen=True)
class Trained:
    """A model that `lamina train` has trained.

    Attributes
    ----------
    outputs : callable
        Given row numbers (n,), the probabilities (n, classes), or the numbers (n,) in the target's units.
    save : callable
        Writes the model to a path.
    histories : sequence
        What `plots.learning_curves` takes, one for each fit.
    took : str
        What training took, in this run of the program.
    interrupted : bool
        Whether Ctrl-C ended it.
    told : str
        One line on how it went.
    warnings : sequence of str
        What the user should know of it.
    about : mapping of str -> str
        What it is, for a report.
    unused : mapping of str -> str
        The columns that nothing is made of, and why.
    held_out : sequence of tuple
        For each fold its row numbers (n,) and the outputs for them, of a model that was not trained on them.
    interval : callable or None
        Given row numbers and a share, the bounds (n,) and (n,) that so many true numbers lie between.
    chosen : str
        The metric by which the best epoch was chosen; empty for the loss.
    importances : callable
        Returns, by column, how much it matters, and words on what exactly that is.
    remarks : callable
        Returns what `diagnose` finds; None where it is not asked.
    """

    outputs: Callable[[Any], Any]
    save: Callable[[str], None]
    histories: Sequence[Any]
    took: str
    interrupted: bool
    told: str
    warnings: Sequence[str] = ()
    about: Mapping[str, str] = field(default_factory=dict)
    unused: Mapping[str, str] = field(default_factory=dict)
    held_out: Sequence[tuple[Any, Any]] = ()
    interval: Callable[[Any, float], tuple[Any, Any]] | None = None
    chosen: str = ""
    importances: Callable[[], tuple[Mapping[str, Any], str]] = lambda: ({}, "")
    remarks: Callable[[], Sequence[Any] | None] = lambda: None

    def judged_on(self, parts: Mapping[str, Any]) -> tuple[str, Any, Any]:
        """Return the rows that tell best how good the model is: what they are, their numbers, the outputs for them.

        Test rows, else rows that were held out, each with a model that had not seen it, else the training rows.
        """
        if not len(parts["test"]) and self.held_out:
            places, outputs = zip(*self.held_out, strict=True)
            return "validation", np.concatenate(places), np.concatenate(outputs)
        part = "test" if len(parts["test"]) else "training"
        return part, parts[part], self.outputs(parts[part])


def duration(seconds: float, resumed: bool) -> str:
    """Return what training took in words; of one that went on from a checkpoint nobody knows the time before that."""
    return f"{seconds:.2f} s" + (" since it was resumed" if resumed else "")
