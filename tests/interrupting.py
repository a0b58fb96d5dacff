"""Signals in the middle of a call."""

import signal

import pytest


def must_end_within(work):
    """Signals that wait for the end of the call come as one: the third one can only be met within it."""
    met = []

    def handler(*_):
        met.append(1)
        if len(met) == 3:
            raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    try:
        with pytest.raises(KeyboardInterrupt):
            work()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
