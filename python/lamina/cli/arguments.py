"""The arguments of each command."""

import argparse
import difflib
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from lamina import activations, optimizers
from lamina.runtime import __version__

__all__ = ["build_parser"]


FORCE = "replace what is there, whatever it is; but never the file that is read"
SEPARATORS = {
    "tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "blank": " ", "space": " ", "colon": ":", "\\t": "\t",
}  # fmt: skip
THOUSANDS = {"none": "", "comma": ",", "point": ".", "blank": " ", "apostrophe": "'"}


# Options that take a list, and one each.
LISTS = {"--hidden": "64,32", "--drop": "a,b", "--text": "a,b", "--numbers": "a,b", "--na": "NA,-999"}


def _is_spread(option: str, given: list[str]) -> bool:
    """Whether two words that are no options stand behind this one."""
    behind = given[given.index(option) + 1 :][:2] if option in given else []
    return len(behind) == 2 and not any(word.startswith("-") for word in behind)


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Return what the arguments say; where some are left over, the complaint says what may be meant."""
        given = sys.argv[1:] if args is None else list(args)
        found, left = self.parse_known_args(given, namespace)
        if left:
            message = f"unrecognized arguments: {' '.join(left)}"
            spread = next((option for option in LISTS if _is_spread(option, given)), None)
            self.error(message + (f"; a list is one word, with commas: {spread} {LISTS[spread]}" if spread else ""))
        return found

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


class _Formatter(argparse.ArgumentDefaultsHelpFormatter):
    """Defaults, where there is one to tell."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        nothing = action.default is None or action.default is False or action.default == []
        return action.help if nothing else super()._get_help_string(action)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; `command` names the module that runs."""
    parser = _Parser(prog="lamina", description="Neural networks for tables, on a CPU.")
    parser.add_argument("--version", action="version", version=f"lamina {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_demo(commands)
    _add_train(commands)
    _add_predict(commands)
    _add_info(commands)
    return parser


def _add(commands: Any, name: str, summary: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=summary, formatter_class=_Formatter
    )
    return parser


def _add_demo(commands: Any) -> None:
    demo = _add(commands, "demo", "Train on scikit-learn's handwritten digits and draw the learning curves.")
    demo.add_argument(
        "--out", type=_file, default="lamina-demo.png", metavar="FILE", help="the picture of the learning curves"
    )
    demo.add_argument("--seed", type=_integer(0), default=0, help="seed of the split, the weights and the shuffles")
    demo.add_argument("--force", action="store_true", help=FORCE)
    demo.add_argument("--threads", type=_integer(1), help="threads; lamina's own choice if not given")


def _add_train(commands: Any) -> None:
    train = _add(commands, "train", "Train a network on a CSV file and save it.")
    train.add_argument(
        "data", metavar="data.csv", help="the table, with a header line; also compressed; - is the standard input"
    )
    train.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
    train.add_argument("--out", type=_file, required=True, metavar="model.lamina", help="the model file to write")
    train.add_argument("--task", choices=("auto", "classification", "regression"), default="auto")
    train.add_argument("--drop", type=_names, default=[], metavar="A,B", help="columns to leave out")
    train.add_argument("--impute", choices=("none", "mean", "median", "most_frequent"), default="none",
                       help="what fills missing values; in text columns always the most frequent")  # fmt: skip
    train.add_argument("--hidden", type=_sizes, default=[64, 32], metavar="64,32", help="units of the hidden layers")
    train.add_argument("--activation", type=_one_of(activations.names), default="relu", metavar="NAME",
                       help="of the hidden layers: " + ", ".join(activations.names()))  # fmt: skip
    train.add_argument("--dropout", type=_number(0, 1), default=0.0, help="share of hidden outputs dropped in training")
    train.add_argument("--optimizer", type=_one_of(optimizers.names), default="Adam", metavar="NAME",
                       help=", ".join(optimizers.names()))  # fmt: skip
    train.add_argument("--lr", type=_number(0, above=True), default=1e-3, help="learning rate")
    train.add_argument("--l2", type=_number(0), default=0.0, help="penalty on the squared weights")
    train.add_argument("--l1", type=_number(0), default=0.0, help="penalty on the absolute weights")
    train.add_argument("--epochs", type=_integer(1), default=200, help="passes over the data at most")
    train.add_argument("--batch-size", type=_integer(1), default=32, help="rows of a step")
    train.add_argument("--patience", type=_integer(1), default=20, help="epochs without progress before it stops")
    train.add_argument("--test", type=_number(0, 1), default=0.2, help="share of the rows kept for the final test")
    train.add_argument("--validation", type=_number(0, 1), default=0.1, help="share that decides when to stop")
    train.add_argument("--seed", type=_integer(0), default=0, help="seed of the split, the weights and the shuffles")
    train.add_argument("--plot", type=_file, metavar="FILE", help="the picture; by default next to the model, as .png")
    train.add_argument("--class-weight", choices=("none", "balanced"), default="none",
                       help="what a row counts; balanced: rare classes as much as common ones")  # fmt: skip
    _add_reading(train)
    train.add_argument("--text", type=_names, default=[], metavar="A,B",
                       help="columns to read as text, whose numbers are names")  # fmt: skip
    train.add_argument("--numbers", type=_names, default=[], metavar="A,B",
                       help="columns to read as numbers, though they begin with zeros")  # fmt: skip
    train.add_argument("--force", action="store_true", help=FORCE)
    train.add_argument("--threads", type=_integer(1), help="threads; lamina's own choice if not given")
    train.add_argument("--quiet", action="store_true", help="no progress bar")


def _add_predict(commands: Any) -> None:
    predict = _add(commands, "predict", "Predict the rows of a CSV file with a model of `lamina train`.")
    predict.add_argument("model", type=_file, metavar="model.lamina")
    predict.add_argument("data", metavar="data.csv",
                         help="columns as in training, the target is optional; - is the standard input")  # fmt: skip
    predict.add_argument("--out", metavar="predictions.csv",
                         help="where to write; the standard output if not given, or -")  # fmt: skip
    predict.add_argument("--proba", action="store_true", help="add a column with the probability of each class")
    _add_reading(predict)
    predict.add_argument("--force", action="store_true", help=FORCE)


def _add_reading(parser: argparse.ArgumentParser) -> None:
    """Add what can be said of a table's file; what is not said is found out, and told."""
    reading = parser.add_argument_group("how the table is read; what is not given is found out")
    reading.add_argument("--separator", type=_separator, metavar="MARK",
                         help=r"between columns: comma, semicolon, tab, pipe, space, or itself")  # fmt: skip
    reading.add_argument("--decimal", type=_mark({"point": ".", "comma": ","}), metavar="MARK", help="point or comma")
    reading.add_argument("--thousands", type=_mark(THOUSANDS), metavar="MARK",
                         help="what stands between thousands: " + ", ".join(THOUSANDS))  # fmt: skip
    reading.add_argument("--encoding", metavar="NAME", help="such as utf-8, windows-1252 or utf-16")
    reading.add_argument("--na", type=lambda text: text.split(","), default=[], metavar="A,B",
                         help="cells that are missing values, beside the empty one; in columns of numbers NA, null, ? "
                              "and the like are")  # fmt: skip


def _add_info(commands: Any) -> None:
    info = _add(commands, "info", "Tell the version, the instruction set and the threads, or what a model file holds.")
    info.add_argument("model", type=_file, nargs="?", metavar="model.lamina")


def _file(text: str) -> str:
    if text == "-":
        raise argparse.ArgumentTypeError("'-' stands for a stream, and this must be a file; ./- is a file of that name")
    return text


def _separator(text: str) -> str:
    mark = SEPARATORS.get(text.lower(), text)
    if len(mark) != 1 or mark in '"\r\n\0' or mark.isalnum():
        words = ", ".join(word for word in SEPARATORS if word.isalpha())
        raise argparse.ArgumentTypeError(f"{text!r} is neither one character, such as ; or \\t, nor one of {words}")
    return mark


def _mark(marks: dict[str, str]) -> Callable[[str], str]:
    """Return a parser of marks, by their names or as they are."""

    def parse(text: str) -> str:
        found = marks.get(text.lower(), text)
        if found not in marks.values():
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(marks)}")
        return found

    return parse


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _sizes(text: str) -> list[int]:
    try:
        sizes = [int(part) for part in _names(text)]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers such as 64,32") from None
    if any(size < 1 for size in sizes):
        raise argparse.ArgumentTypeError(f"every layer needs at least one unit, got {text!r}")
    return sizes


def _integer(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is less than {least}")
        return value

    return parse


def _number(low: float, below: float = float("inf"), *, above: bool = False) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
        if not (low < value if above else low <= value) or not value < below:
            limits = f"{'above' if above else 'at least'} {low:g}" + (f" and below {below:g}" if below < 1e308 else "")
            raise argparse.ArgumentTypeError(f"{text} is not {limits}")
        return value

    return parse


def _one_of(names: Callable[[], Any]) -> Callable[[str], str]:
    """Return a parser of the names in a registry, in any case."""

    def parse(text: str) -> str:
        for name in names():
            if name.lower() == text.lower():
                return str(name)
        near = difflib.get_close_matches(text.lower(), [name.lower() for name in names()], n=3)
        raise argparse.ArgumentTypeError(f"{text!r} is not known; {'near' if near else 'there are'}: "
                                         f"{', '.join(near or names())}")  # fmt: skip

    return parse
