"""How far something is, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, TextIO, cast

__all__ = ["Progress", "say"]


class _Stream:
    """Standard error, which may be gone: what cannot be written is not shown, and ends no fit.

    `rich` raises SystemExit where a pipe has no reader.
    """

    def __init__(self) -> None:
        # Within another bar of rich's this is a proxy, past which rich would write.
        self._stream: Any = getattr(sys.stderr, "rich_proxied_file", sys.stderr)

    def write(self, text: str) -> int:
        """Write what can be written."""
        self._try(lambda stream: stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush what can be."""
        self._try(lambda stream: stream.flush())

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return bool(self._try(lambda stream: stream.isatty()))

    def _try(self, action: Callable[[Any], Any]) -> Any:
        stream = self._stream
        if stream is None:
            return None
        try:
            return action(stream)
        except UnicodeError:  # a ValueError, too; but a letter that the stream does not have is no end
            raise
        except (OSError, ValueError):  # nobody reads it; it was closed on this side
            self._stream = None
            return None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def say(text: str, end: str = "\n") -> None:
    """Print on standard error, where somebody reads it."""
    print(text, end=end, file=_Stream(), flush=True)


class Progress:
    """A bar on standard error with what is said beside it; plain lines where there is nothing to draw one with.

    That is where `rich` is not installed, and in a notebook without ipywidgets, which it needs there.

    Parameters
    ----------
    title : str
        What is under way.
    total : int
        Where it ends.
    """

    def __init__(self, title: str, total: int) -> None:
        self._title, self._total = title, total
        self._bar: Any = None
        self._task: Any = None
        self._overwrites = False  # a notebook shows what follows a carriage return in place of the line so far
        self._width = 0

    def __enter__(self) -> Progress:
        try:
            from rich import console, progress
        except ImportError:
            return self
        screen = console.Console(file=cast("TextIO", _Stream()))
        if screen.is_jupyter and find_spec("ipywidgets") is None:
            self._overwrites = True
            return self
        columns = (
            progress.TextColumn(self._title),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            progress.TextColumn("{task.fields[said]}"),
        )
        self._bar = progress.Progress(*columns, console=screen, refresh_per_second=8)
        self._task = self._bar.add_task(self._title, total=self._total, said="")
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif self._width:
            say("")

    @property
    def draws(self) -> bool:
        """Whether there is a bar, and not lines."""
        return self._bar is not None

    def move(self, done: int, said: str) -> None:
        """Move the bar to `done` with `said` beside it."""
        self._bar.update(self._task, completed=done, said=said)

    def line(self, text: str) -> None:
        """Print a line in place of the bar."""
        if self._overwrites:
            say(f"\r{text:<{self._width}}", end="")
            self._width = len(text)
        else:
            say(text)
