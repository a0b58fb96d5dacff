"""How far something is, on standard error."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any

__all__ = ["Progress"]


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
        screen = console.Console(file=sys.stderr)
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
            print(file=sys.stderr)

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
            print(f"\r{text:<{self._width}}", end="", file=sys.stderr, flush=True)
            self._width = len(text)
        else:
            print(text, file=sys.stderr)
