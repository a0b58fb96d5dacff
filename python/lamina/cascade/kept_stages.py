"""The stages of a growth in a file, so that one that was broken off goes on from the last of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina._dispatch import core as _core
from lamina.storage.run_file import Part, RunFile

__all__ = ["KeptStages"]

_END = "end"
_OF_OUTPUTS, _OF_UNIT = "output_weights", "unit_weights"


class KeptStages:
    """What the core tells of a growth, a part of the file for every stage, and one that says how it ended.

    Parameters
    ----------
    file : RunFile
    pool : sequence of activations
        Those of the candidates.
    shape : (n_inputs, n_outputs, max_units)
    validated : bool
        Whether stages have a validation error.

    Attributes
    ----------
    result : CascadeResult
        The stages that the file has, for the core to go on from; the core adds those to come.
    ended : bool
        Whether the growth has come to its end.
    in_file : bool
        Whether there is a file at all.
    n_begun : int
        How many stages it had.
    stopped : bool
        Whether a callback has ended growth with the last stage that the file has.
    """

    def __init__(self, file: RunFile, pool: Sequence[Any], shape: tuple[int, int, int], validated: bool) -> None:
        self._file, self._pool, self._validated = file, list(pool), validated
        self._n_inputs, self._n_outputs, most = shape
        self.in_file, self.stopped, self.ended = file.path is not None, False, _END in file.parts
        found = file.known([*(str(k) for k in range(len(file.parts) - self.ended)), _END])
        try:
            if len(found) - 2 > most:
                raise ValueError(f"it has {len(found) - 2} units, of {most}")
            self.result = self._restored([part for part in found if part is not None])
        except (LookupError, TypeError, ValueError) as error:
            raise file.damaged(error) from error
        self._n_known = self.n_begun = len(self.result.error)

    def _restored(self, parts: list[Part]) -> Any:
        """The core's record of what was kept; an error where that cannot be."""
        told: dict[str, Any] = {}
        last: dict[str, Any] = {"best_units": 0, "stop_reason": "interrupted", "diverged": False}
        stages = parts[:-1] if self.ended else parts
        for k, part in enumerate(stages):
            entries: dict[str, Any] = {
                "error": part.value("error", float),
                "wrong": part.value("wrong", float, 0),
                "output_epochs": part.value("output_epochs", int, 1, 2**63 - 1),
                _OF_OUTPUTS: _finite(part.numbers(_OF_OUTPUTS, self._n_outputs * (1 + self._n_inputs + k))),
            }
            if self._validated:
                entries["validation_error"] = part.value("validation_error", float)
            if k > 0:
                entries["units"] = self._pool[part.value("unit", int, 0, len(self._pool) - 1)]
                entries["correlation"] = part.value("correlation", float)
                entries["candidate_epochs"] = part.value("candidate_epochs", int, 1, 2**63 - 1)
                told.setdefault(_OF_UNIT, []).extend(_finite(part.numbers(_OF_UNIT, self._n_inputs + k)))
            part.only({_OF_OUTPUTS, _OF_UNIT}, {*entries, "unit", "best_units", "stopped"})
            for name, entry in entries.items():
                told.setdefault(name, []).append(entry)
            last["best_units"] = part.value("best_units", int, 0, k)
            self.stopped = part.value("stopped", bool)
        if self.ended:
            end = parts[-1]
            end.only((), ("stop_reason", "diverged"))
            last |= {"stop_reason": end.value("stop_reason", str), "diverged": end.value("diverged", bool)}
            if not stages:
                raise ValueError("a growth without a stage has no end")
        return _core.CascadeResult(**told, **last)

    def add(self, stopped: bool) -> None:
        """Keep the stage that the core has come to; `stopped` says whether a callback has ended growth with it."""
        self._file.add(self._unkept(stopped))

    def end(self) -> None:
        """Keep how growth ended, with what is not kept yet: a stage whose error is not finite is no stage to go on."""
        end = Part({}, {"stop_reason": self.result.stop_reason, "diverged": self.result.diverged})
        self._file.add({**self._unkept(False), _END: end})
        self.ended = True

    def _unkept(self, stopped: bool) -> dict[str, Part]:
        """The stages that are not in the file, by their names there."""
        if not self.in_file:
            return {}
        result, parts = self.result, {}
        units, unit_weights = result.units, np.array(result.unit_weights)
        for k in range(self._n_known, len(result.error)):
            arrays = {_OF_OUTPUTS: np.array(result.output_weights[k])}
            values = {
                "error": result.error[k],
                "wrong": result.wrong[k],
                "output_epochs": result.output_epochs[k],
                "best_units": result.best_units,
                "stopped": stopped,
            }
            if self._validated:
                values["validation_error"] = result.validation_error[k]
            if k > 0:
                size = self._n_inputs + k
                at = (k - 1) * (self._n_inputs + 1) + (k - 1) * (k - 2) // 2
                arrays[_OF_UNIT] = unit_weights[at : at + size]
                values["unit"] = self._pool.index(units[k - 1])
                values["correlation"] = result.correlation[k - 1]
                values["candidate_epochs"] = result.candidate_epochs[k - 1]
            parts[str(k)] = Part(arrays, values)
        self._n_known = len(result.error)
        return parts


def _finite(numbers: list[float]) -> list[float]:
    if not np.isfinite(numbers).all():
        raise ValueError("a weight is not finite")
    return numbers
