"""Threads of Python's, where there is memory for them."""

from __future__ import annotations

import mmap
import threading

__all__ = ["need_room_for_a_thread"]

# What a thread takes beside its stack until it works: Python's frames, the allocator's own.
_FIRST_STEPS = 1 << 20
# Of the stack where the system sets no limit.
_USUAL_STACK = 1 << 21


def need_room_for_a_thread() -> None:
    """Raise MemoryError where there is none for a thread that is about to be started.

    Python waits until a new thread has taken its first steps: for ever, where that one has no memory for them.
    """
    try:
        mmap.mmap(-1, _stack() + _FIRST_STEPS).close()
    except OSError as error:
        raise MemoryError("there is no memory for another thread") from error


def _stack() -> int:
    if asked := threading.stack_size():
        return asked
    try:
        import resource
    except ImportError:  # there are no limits on this system
        return _USUAL_STACK
    limit = resource.getrlimit(resource.RLIMIT_STACK)[0]
    return _USUAL_STACK if limit == resource.RLIM_INFINITY else limit
