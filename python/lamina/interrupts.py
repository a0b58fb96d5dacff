"""Work that Ctrl-C may put an end to, but not cut short."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["insist"]

# How often a step is taken again that something else than Ctrl-C breaks off, as an error of a signal's own or a lack of
# memory may.
_MOST_TRIES = 4


def insist(is_done: Callable[[], bool], step: Callable[[], object]) -> None:
    """Take a step until all is done; Ctrl-C is raised then, however often it comes meanwhile.

    So is another error, after which the step is taken again a few times.
    """
    stopped: BaseException | None = None
    others = 0
    while others < _MOST_TRIES:
        try:
            if is_done():
                break
            step()
        except BaseException as error:
            stopped = error
            others += not isinstance(error, KeyboardInterrupt)
    if stopped is not None:
        raise stopped
