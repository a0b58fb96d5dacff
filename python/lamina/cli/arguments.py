"""The arguments of each command."""

import argparse
import difflib
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from lamina import activations, optimizers
from lamina.runtime import __version__

__all__ = ["METRICS", "OPTIONS_OF", "build_parser"]


FORCE = "replace what is there, whatever it is; but never the file that is read"
SEPARATORS = {
    "tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "blank": " ", "space": " ", "colon": ":", "\\t": "\t",
}  # fmt: skip
THOUSANDS = {"none": "", "comma": ",", "point": ".", "blank": " ", "apostrophe": "'"}


# What the best epoch of a tabular model may be chosen by: of classes, of numbers.
METRICS = {
    "error": "classification", "log_loss": "classification", "auc": "classification",
    "rmse": "regression", "mae": "regression", "r2": "regression",
}  # fmt: skip
# Options of a kind of model, by their names in the namespace.
OPTIONS_OF = {
    "tabular": ("folds", "metric", "time", "preset"),
    "network": ("hidden", "activation", "dropout", "optimizer", "lr", "l2", "l1", "epochs", "batch_size", "patience",
                "impute"),
}  # fmt: skip


# Options that take a list, and one each.
LISTS = {
    "--hidden": "64,32",
    "--drop": "a,b",
    "--id": "a,b",
    "--text": "a,b",
    "--numbers": "a,b",
    "--na": "NA,-999",
    "--keep": "a,b",
}


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


class _Given(argparse.Action):
    """Store a value, and that it was given: such options say of which kind the model is to be."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        setattr(namespace, self.dest, values)
        namespace.given = {**getattr(namespace, "given", {}), self.dest: option}


def _add_train(commands: Any) -> None:
    train = _add(commands, "train", "Train a model on a table and save it.")
    train.add_argument("data", type=_some_file, metavar="data.csv",
                       help="the table: text with a header line, also compressed, Parquet "
                       "or Arrow; - is the standard input")  # fmt: skip
    train.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
    train.add_argument("--out", type=_file, metavar="model.lamina",
                       help="the model file to write; by default the table's name with .lamina, here")  # fmt: skip
    train.add_argument("--report", type=_file, metavar="report.html",
                       help="a page to write about the training: scores, pictures, importances, columns")  # fmt: skip
    train.add_argument("--plot", type=_file, metavar="FILE",
                       help="the picture of the learning curves; by default next to the model, as .png")  # fmt: skip
    train.add_argument("--task", choices=("auto", "classification", "regression"), default="auto")
    train.add_argument("--id", "--drop", dest="drop", type=_names, action="extend", default=[], metavar="A,B",
                       help="columns to leave out, as ids of rows are")  # fmt: skip
    train.add_argument("--weights", metavar="COLUMN", help="the column that says how much each row counts")
    train.add_argument("--test", type=_share_or_file, default=0.2, metavar="SHARE|FILE",
                       help="share of the rows kept for the final test, or a table of other rows")  # fmt: skip
    train.add_argument("--validation", type=_number(0, 1), metavar="SHARE",
                       help="share of the rows that decides when to stop")  # fmt: skip
    train.add_argument("--class-weight", choices=("none", "balanced"), default="none",
                       help="what a row counts; balanced: rare classes as much as common ones")  # fmt: skip
    train.add_argument("--seed", type=_integer(0), default=0, help="seed of the split, the weights and the shuffles")
    train.add_argument("--threads", type=_integer(1), help="threads; lamina's own choice if not given")
    train.add_argument("--checkpoint", type=_file, metavar="FILE",
                       help="keep the training here, after every epoch of a network and as each one of a tabular model "
                            "ends; run again to go on")  # fmt: skip
    train.add_argument("--force", action="store_true", help=FORCE)
    train.add_argument("--quiet", action="store_true", help="no progress bar")
    train.add_argument("--model", dest="kind", choices=("tabular", "network"),
                       help="tabular: for tables as they are; network: of your own layers, which one of its options "
                            "asks for as well")  # fmt: skip
    tabular = train.add_argument_group("a tabular model (the default)")
    tabular.add_argument("--folds", type=_integer(2), action=_Given, metavar="N",
                         help="as many models, each validated on another part of the rows, averaged")  # fmt: skip
    tabular.add_argument("--metric", action=_Given, metavar="NAME", help="what the best epoch is chosen by: "
                         + ", ".join(METRICS), type=_one_of(lambda: list(METRICS)))  # fmt: skip
    tabular.add_argument("--time", type=_number(0, above=True), action=_Given, metavar="SECONDS",
                         help="how long training may take")  # fmt: skip
    tabular.add_argument("--preset", choices=("default", "fast"), action=_Given, default="default",
                         help="fast: a smaller model, in a fraction of the time")  # fmt: skip
    network = train.add_argument_group("a network of your own layers")
    network.add_argument("--hidden", type=_sizes, action=_Given, default=[64, 32], metavar="64,32",
                         help="units of the hidden layers")  # fmt: skip
    network.add_argument("--activation", type=_one_of(activations.names), action=_Given, default="relu", metavar="NAME",
                         help="of the hidden layers: " + ", ".join(activations.names()))  # fmt: skip
    network.add_argument("--dropout", type=_number(0, 1), action=_Given, default=0.0,
                         help="share of hidden outputs dropped in training")  # fmt: skip
    network.add_argument("--optimizer", type=_one_of(optimizers.names), action=_Given, default="Adam", metavar="NAME",
                         help=", ".join(optimizers.names()))  # fmt: skip
    network.add_argument("--lr", type=_number(0, above=True), action=_Given, default=1e-3, help="learning rate")
    network.add_argument("--l2", type=_number(0), action=_Given, default=0.0, help="penalty on the squared weights")
    network.add_argument("--l1", type=_number(0), action=_Given, default=0.0, help="penalty on the absolute weights")
    network.add_argument("--epochs", type=_integer(1), action=_Given, default=200, help="passes over the data at most")
    network.add_argument("--batch-size", type=_integer(1), action=_Given, default=32, help="rows of a step")
    network.add_argument("--patience", type=_integer(1), action=_Given, default=20,
                         help="epochs without progress before it stops")  # fmt: skip
    network.add_argument("--impute", choices=("none", "mean", "median", "most_frequent"), action=_Given, default="none",
                         help="what fills missing values; in text columns always the most frequent")  # fmt: skip
    _add_reading(train)
    train.add_argument("--text", type=_names, default=[], metavar="A,B",
                       help="columns to read as text, whose numbers are names")  # fmt: skip
    train.add_argument("--numbers", type=_names, default=[], metavar="A,B",
                       help="columns to read as numbers, though they begin with zeros")  # fmt: skip


def _add_predict(commands: Any) -> None:
    predict = _add(commands, "predict", "Predict the rows of a table with a model of `lamina train`.")
    predict.add_argument("model", type=_file, metavar="model.lamina")
    predict.add_argument("data", type=_some_file, metavar="data.csv",
                         help="columns as in training, the target is optional; - is the standard input")  # fmt: skip
    predict.add_argument("--out", type=_some_file, metavar="predictions.csv",
                         help="where to write; the standard output if not given, or -")  # fmt: skip
    predict.add_argument("--keep", type=_names, default=[], metavar="A,B",
                         help="columns of the table to write in front of the predictions, as they are")  # fmt: skip
    predict.add_argument("--proba", action="store_true", help="add a column with the probability of each class")
    predict.add_argument("--interval", type=_number(0, 1, above=True), metavar="SHARE",
                         help="of numbers: add columns low and high, between which such a share lies")  # fmt: skip
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


def _some_file(text: str) -> str:
    """A file or a stream; a word that is empty, as a variable of a shell may be, is neither."""
    if not text:
        raise argparse.ArgumentTypeError("the name of a file must not be empty")
    return text


def _file(text: str) -> str:
    _some_file(text)
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


def _share_or_file(text: str) -> float | str:
    try:
        value = float(text)
    except ValueError:
        return _file(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 0 and below 1, and no file (./{text} is one)")
    return value


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
        if value >= 2**63:
            raise argparse.ArgumentTypeError(f"{value} is too large: 2**63 - 1 is the most")
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
