"""Plain text, as summaries and reports print it: tables, and how many there are of something."""

from __future__ import annotations

from collections.abc import Collection, Sequence

__all__ = ["aligned", "counted"]


def aligned(rows: Sequence[Sequence[str]], left: Collection[int] = ()) -> list[str]:
    """Return a line for each row, its cells in columns: to the right, those of the columns `left` to the left."""
    widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(widths[c]) if c in left else cell.rjust(widths[c]) for c, cell in enumerate(row))
        for row in rows
    ]


def counted(number: int, what: str) -> str:
    """Return a number with what it counts, in the singular for one of them."""
    return f"{number:,} {what}{'s'[: number != 1]}"
