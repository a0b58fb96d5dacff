"""What parses files: how good ones are made, how they are changed, and what may come of the changed ones."""

import contextlib
import io
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import lamina
import zoo
from lamina.callbacks import Checkpoint
from lamina.cli import main

from . import mutations


@dataclass(frozen=True)
class Target:
    """A thing that parses.

    Attributes
    ----------
    seeds : callable
        Given a folder to work in, returns good files by name.
    change : callable
        (data, draw, all good data) -> data.
    read : callable
        (path, name of the good file) -> whatever; what is neither fine nor one of `refusals` is a finding.
    refusals : exceptions
        What a file may be refused with, as documented.
    weight : int
        Of 100 inputs, about so many go here.
    """

    seeds: Callable[[Path], dict[str, bytes]]
    change: Callable[..., bytes]
    read: Callable[[str, str], Any]
    refusals: tuple[type[Exception], ...]
    weight: int


class EnoughError(BaseException):
    """Training would go on from here, which nobody waits for."""


class Hook:
    """A callback that may break off: whether it does is no part of what a run is compared by."""

    breaks = False

    def __call__(self, _):
        if Hook.breaks:
            raise EnoughError


# Model files ----------------------------------------------------------------------------------------------------------


def models(folder):
    """The zoo, trained and saved, and one of each kind of model that is no network of the zoo."""
    from test_untrusted_models import MAKERS

    nets = {f"zoo-{number}": zoo.train(number, 1)[0] for number in range(0, zoo.COUNT, 2)}
    nets |= {f"cascade-{number}": zoo.grow(number, 1)[0] for number in (0, 2)}
    nets |= {make.__name__: make() for make in MAKERS}
    for name, net in nets.items():
        net.save(folder / name)
    return {name: (folder / name).read_bytes() for name in nets}


def load(path, _):
    """What is loaded does what its kind does."""
    from test_untrusted_models import works

    works(lamina.load(path), f"{path}.again")


# Checkpoints of fits --------------------------------------------------------------------------------------------------


@cache
def fits():
    from test_checkpoint import random_fit

    return {str(number): random_fit(number) for number in range(0, zoo.COUNT, 3)}


def checkpoints(folder):
    """Of random fits, in their midst and at their end."""
    from test_checkpoint import StopsAt

    for name, (make, fit, at) in fits().items():
        for end in ("midst", "end"):
            with contextlib.suppress(KeyboardInterrupt):
                stop = [StopsAt(at)] if end == "midst" else []
                fit(make(), callbacks=[Checkpoint(folder / f"{name}-{end}"), *stop])
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def go_on(path, name):
    """Load it, then go on with it."""
    refused = None
    try:
        lamina.load(path)
    except lamina.ModelFileError as error:
        refused = error
    make, fit, _ = fits()[name.split("-")[0]]
    fit(make(), resume_from=path)
    if refused is not None:
        raise AssertionError("a fit goes on from what cannot be loaded") from refused


# Runs and searches ----------------------------------------------------------------------------------------------------

SHORT = {
    "cross_validate": {"k": 3, "epochs": 2},
    "Ensemble.fit": {"members": 3, "epochs": 2},
    "CascadeNetwork.fit": {"output_epochs": 5, "candidate_epochs": 5},
    "TabularRegressor.fit": {"n_members": 2, "epochs": 1, "quantiles": None},
    "search": {"n_trials": 4, "epochs": 4},
}


def checked_run(path, name, go_on=True):
    """Return what comes of a run whose file is at `path`; without `go_on`, None where something is left to do."""
    from runs import RUNS

    Hook.breaks = not go_on
    try:
        return RUNS[name].start(path, 1, Hook(), **SHORT[name])
    except EnoughError:
        return None
    finally:
        Hook.breaks = False


def run_files(names):
    def seeds(folder):
        for name in names:
            checked_run(folder / name, name)
        return {name: (folder / name).read_bytes() for name in names}

    return seeds


def read_run(path, name):
    """What the file leaves to do is broken off at once."""
    checked_run(path, name, go_on=False)


# The command line -----------------------------------------------------------------------------------------------------


def tables(folder):
    from test_cli_fuzz import base_table

    kinds = ["labels", "numbers", "whole", "codes", "truth", "thousands"]
    return {f"{kind}-{rows}": base_table(kind, rows).encode() for kind in kinds for rows in (3, 40)}


def of_table(data, draw, others):
    """Cells and bytes that say something to a reader of tables."""
    from test_cli_fuzz import BYTES, CELLS

    for _ in range(draw.choice([0, 1, 1, 2, 4])):
        if draw.random() < 0.3:
            data = mutations.of_bytes(data, draw, others)
        elif draw.random() < 0.3:
            at = draw.randrange(len(data) + 1)
            data = data[:at] + draw.choice(BYTES) * draw.choice([1, 1, 1000]) + data[at + draw.randrange(3) :]
        else:
            rows = [row.split(b",") for row in data.split(b"\n")]
            row = draw.choice(rows)
            row[draw.randrange(len(row))] = draw.choice(CELLS).encode()
            data = b"\n".join(b",".join(row) for row in rows)
    return data


WRONG_OPTIONS = [
    "--epochs=-1",
    "--hidden=1,x",
    "--test=1e9",
    "--separator=",
    "--seed=-1",
    "--bad",
    "--text",
    "--lr=nan",
]


def command(path, _):
    """Train on the table, predict it with what was trained, and take the table for a model."""
    from test_cli_fuzz import KINDS, OPTIONS, one_line_or_a_result

    data, folder = Path(path).read_bytes(), Path(path).parent
    draw = random.Random(data)
    words = [*KINDS["tabular" if draw.random() < 0.2 else "network"], "--quiet", "--threads", "1"]
    words += [word for _ in range(draw.randrange(3)) for word in draw.choice(OPTIONS)]
    made, out = str(folder / "made.lamina"), str(folder / "out.csv")
    train = ["train", path, "--target", "y", "--out", made, "--force", *words]
    with mock.patch("lamina.cli.train.learning_curves", lambda _, path: Path(path).write_bytes(b"a picture")):
        if one_line_or_a_result(train) == 0:
            one_line_or_a_result(["predict", made, path, "--out", out, "--force"])
    assert one_line_or_a_result(["predict", path, path, "--out", out, "--force"]) == 2
    assert one_line_or_a_result(["info", path]) == 2
    with contextlib.redirect_stderr(io.StringIO()) as said:
        try:
            code = main([*train, draw.choice(WRONG_OPTIONS)])
        except SystemExit as error:
            code = error.code
    assert code == 2
    assert said.getvalue().splitlines()[-1].startswith("lamina")


# ONNX files -----------------------------------------------------------------------------------------------------------


def onnx_files(folder):
    """Of lamina's, also without what lamina says about them, as files from elsewhere."""
    import onnx

    nets = {f"zoo-{number}": zoo.build(number) for number in range(0, zoo.COUNT, 3)}
    nets["cascade"] = zoo.grow(0, 1)[0]
    nets["ensemble"] = lamina.Ensemble(lamina.Network([lamina.Dense(3, "tanh"), lamina.Dense(1)], n_inputs=3), 2)
    found = {}
    for name, net in nets.items():
        with contextlib.suppress(ValueError):  # what has no form in ONNX
            lamina.export.onnx(net, folder / name)
            found[name] = (folder / name).read_bytes()
            model = onnx.load_from_string(found[name])
            model.ClearField("metadata_props")
            found[f"{name}-foreign"] = model.SerializeToString()
    return found


def import_onnx(path, _):
    net = lamina.from_onnx(path)
    assert repr(net)
    if getattr(net, "n_inputs", 10**9) <= 1000:
        steps = (2,) if isinstance(net, lamina.Network) and net.spec.recurrent else ()
        net.predict(np.zeros((2, *steps, net.n_inputs)))


TARGETS = {
    "models": Target(models, mutations.of_container, load, (lamina.ModelFileError,), 30),
    "checkpoints": Target(checkpoints, mutations.of_container, go_on, (lamina.ModelFileError, ValueError), 20),
    "runs": Target(
        run_files([name for name in SHORT if name != "search"]),
        mutations.of_container,
        read_run,
        (lamina.CheckpointError,),
        15,
    ),
    "searches": Target(run_files(["search"]), mutations.of_search, read_run, (lamina.SearchFileError,), 10),
    "tables": Target(tables, of_table, command, (UserWarning,), 10),  # which the command shows, and this makes an error
    "onnx": Target(onnx_files, mutations.of_onnx, import_onnx, (ValueError,), 15),
}
