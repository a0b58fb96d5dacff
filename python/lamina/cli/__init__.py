"""The command `lamina`: demo, train, predict, info."""

import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module

from lamina.cli import report
from lamina.cli.arguments import build_parser
from lamina.extras import how_to_install

__all__ = ["main"]


def __dir__() -> list[str]:
    return sorted(__all__)


# What a command imports.
NEEDS = {
    "demo": ("rich", "matplotlib", "sklearn"),
    "train": ("pandas", "rich", "matplotlib"),
    "predict": ("pandas", "rich"),
    "info": (),
}
CLOSED_PIPE = 141  # as shells say of a command that writes on to `head` which has seen enough


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0; 2 after one line that says what is wrong with the input; 130 after Ctrl-C; 141 where nobody reads on.
    """
    _open_streams()
    try:
        options = build_parser().parse_args(arguments)
    except SystemExit:
        _flushed()  # of --help
        raise
    except BrokenPipeError:  # which argparse lets through up to Python 3.10
        report.let_go(sys.stdout)
        return CLOSED_PIPE
    try:
        if missing := [module for module in NEEDS[options.command] if not _importable(module)]:
            return _refuse(options.command, f"needs {', '.join(missing)}; {how_to_install(missing)}")
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            code = int(import_module(f"lamina.cli.{options.command}").run(options))
        return code if _flushed() else CLOSED_PIPE
    except BrokenPipeError:
        report.let_go(sys.stdout)
        return CLOSED_PIPE
    except FileNotFoundError as error:
        return _refuse(options.command, f"there is no file {str(error.filename)!r}")
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        return _refuse(options.command, f"{error.strerror or error}{where}")
    except ImportError as error:  # what a kind of model needs says how to get it
        return _refuse(options.command, str(error))
    except MemoryError as error:
        return _refuse(options.command, f"out of memory{f': {error}' if str(error) else ''}")
    except (ValueError, TypeError, ArithmeticError, RuntimeError) as error:
        return _refuse(options.command, str(error))
    except KeyboardInterrupt as error:
        return _refuse(options.command, f"interrupted {error}", code=130)


def _open_streams() -> None:
    """Give what was closed, or cannot write every letter, a stream that can."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (for as long as the process runs)
        reconfigure = getattr(getattr(sys, name), "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _flushed() -> bool:
    """Write out what waits for the standard output, and return whether somebody reads it."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        report.let_go(sys.stdout)
        return False
    return True


def _refuse(command: str, why: str, code: int = 2) -> int:
    report.note(f"lamina {command}: {' '.join(why.split())}", stderr=True)
    return code


def _importable(module: str) -> bool:
    try:
        import_module(module)
    except ImportError:
        return False
    return True


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    report.note(f"warning: {message}", stderr=True)
