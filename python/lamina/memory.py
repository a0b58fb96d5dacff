"""Memory that is looked for first, since what is called next would end the process, or wait for ever, without it."""

from __future__ import annotations

import mmap
import threading

__all__ = ["need_room", "need_room_for_a_thread"]

# What is taken beside: by a thread until it works, by a parser for its own.
_BESIDE = 1 << 20
# Of a thread's stack, where the system sets no limit.
_USUAL_STACK = 1 << 21


def need_room(size: int, what: str) -> None:
    """Raise MemoryError where there is no memory for `size` bytes, and some beside them."""
    try:
        mmap.mmap(-1, size + _BESIDE).close()  # addresses: no page of it is ever touched
    except OSError as error:
        raise MemoryError(f"there is no memory for {what}") from error


def need_room_for_a_thread() -> None:
    """Raise MemoryError where there is none for a thread that is about to be started.

    Python waits until a new thread has taken its first steps: for ever, where that one has no memory for them.
    """
    need_room(_stack(), "another thread")


def _stack() -> int:
    if asked := threading.stack_size():
        return asked
    try:
        import resource
    except ImportError:  # there are no limits on this system
        return _USUAL_STACK
    limit = resource.getrlimit(resource.RLIMIT_STACK)[0]
    return _USUAL_STACK if limit == resource.RLIM_INFINITY else limit
