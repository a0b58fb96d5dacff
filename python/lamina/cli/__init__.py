"""The command `lamina`: demo, train, predict, info."""

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module

from lamina.cli.arguments import build_parser

__all__ = ["main"]


def __dir__() -> list[str]:
    return sorted(__all__)


# What a command imports, and the name it is installed by.
NEEDS = {
    "demo": {"rich": "rich", "matplotlib": "matplotlib", "sklearn": "scikit-learn"},
    "train": {"pandas": "pandas", "rich": "rich", "matplotlib": "matplotlib"},
    "predict": {"pandas": "pandas", "rich": "rich"},
    "info": {"pandas": "pandas", "rich": "rich"},
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, or 2 after one line that says what is wrong with the input."""
    options = build_parser().parse_args(arguments)
    missing = [package for module, package in NEEDS[options.command].items() if not _importable(module)]
    if missing:
        return _refuse(options.command, f"needs {', '.join(missing)}; install with: pip install lamina[cli]")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            return int(import_module(f"lamina.cli.{options.command}").run(options))
    except FileNotFoundError as error:
        return _refuse(options.command, f"there is no file {str(error.filename)!r}")
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        return _refuse(options.command, f"{error.strerror or error}{where}")
    except (ValueError, TypeError, ArithmeticError, RuntimeError) as error:
        return _refuse(options.command, str(error))
    except KeyboardInterrupt:
        return _refuse(options.command, "interrupted", code=130)


def _refuse(command: str, why: str, code: int = 2) -> int:
    print(f"lamina {command}: {' '.join(why.split())}", file=sys.stderr)
    return code


def _importable(module: str) -> bool:
    try:
        import_module(module)
    except ImportError:
        return False
    return True


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"warning: {message}", file=sys.stderr)
