"""What the command line does to files and streams: nothing is lost, whatever is named or pressed."""

import io
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import lamina
from lamina import plots
from lamina.cli import main

ROWS = 120


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(ROWS, 3)), columns=list("abc"))
    frame.assign(y=frame.a + frame.b).to_csv("data.csv", index=False)
    return tmp_path


def train(*more, out="m.lamina"):
    return main(["train", "data.csv", "--target", "y", "--out", out, "--quiet", "--epochs", "2", *more])


def snapshot(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def links(folder):
    os.link("data.csv", "hard.csv")
    os.symlink("data.csv", "soft.csv")
    os.symlink("soft.csv", "softer.csv")
    return ["data.csv", "./data.csv", str(folder / "data.csv"), "hard.csv", "soft.csv", "softer.csv"]


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_an_input_is_never_written_over(folder, capsys, force):
    assert train() == 0
    os.link("m.lamina", "same.lamina")
    names = links(folder)
    before = snapshot(folder)
    for name in names:
        assert train(*force, out=name) == 2
        assert "that is read" in capsys.readouterr().err
        assert train("--plot", name, *force) == 2
        assert "that is read" in capsys.readouterr().err
        assert main(["predict", "m.lamina", "data.csv", "--out", name, *force]) == 2
        assert "that is read" in capsys.readouterr().err
    for name in ("m.lamina", "same.lamina"):
        assert main(["predict", "m.lamina", "data.csv", "--out", name, *force]) == 2
        assert "that is read" in capsys.readouterr().err
    assert snapshot(folder) == before


def test_a_dash_is_a_stream_and_never_a_file(folder, capsys, monkeypatch):
    def stream(content):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    content = (folder / "data.csv").read_bytes()
    for more in (["--plot", "-"], ["--out", "-"]):
        with pytest.raises(SystemExit) as exit_:
            train(*more)
        assert exit_.value.code == 2
        assert "'-' stands for a stream, and this must be a file" in capsys.readouterr().err
    for command in (["predict", "-", "data.csv"], ["info", "-"], ["demo", "--out", "-"]):
        with pytest.raises(SystemExit):
            main(command)
    stream(content)
    assert main(["train", "-", "--target", "y", "--out", "m.lamina", "--quiet", "--epochs", "2"]) == 0
    assert main(["predict", "m.lamina", "data.csv", "--out", "p.csv"]) == 0
    capsys.readouterr()
    stream(content)
    assert main(["predict", "m.lamina", "-", "--out", "-"]) == 0
    assert capsys.readouterr().out == (folder / "p.csv").read_text()
    stream(b"a,b\n1,2,3\n")
    assert main(["predict", "m.lamina", "-"]) == 2
    assert "the standard input: line 2 has 3 fields" in capsys.readouterr().err
    assert not (folder / "-").exists()
    assert not (folder / "-.png").exists()


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_the_picture_never_replaces_the_model(folder, capsys, force):
    os.symlink("link.png", "other.png")
    for out, more in (("model.png", []), ("m.lamina", ["--plot", "m.lamina"]), ("link.png", ["--plot", "other.png"])):
        assert train(*more, *force, out=out) == 2
        error = capsys.readouterr().err
        assert "the picture would be written over the model" in error
        assert "--plot" in error
    assert set(snapshot(folder)) == {"data.csv"}


def test_a_file_of_another_kind_is_replaced_by_force_alone(folder, capsys):
    (folder / "notes.txt").write_text("precious")
    (folder / "table.csv").write_text("a,b\n1,2\n")
    (folder / "notes.png").write_text("precious")
    (folder / "empty").touch()
    (folder / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500))
    own = Figure()
    own.add_subplot().set_title("lamina")
    for suffix in ("png", "svg", "pdf", "eps"):
        own.savefig(f"own.{suffix}")
    for suffix in ("png", "svg", "pdf", "eps"):  # a model and a picture replace theirs
        assert train("--plot", f"m.{suffix}") == train("--plot", f"m.{suffix}") == 0
    before = snapshot(folder)
    for name in ("notes.txt", "table.csv", "m.png"):
        assert train("--plot", "m.svg", out=name) == 2
        assert f"{name} exists and holds no model" in capsys.readouterr().err
    for name in ("notes.png", "photo.png", "own.png", "own.svg", "own.pdf", "own.eps", "table.csv", "m.lamina"):
        assert train("--plot", name, out="n.lamina") == 2
        assert f"{name} exists and holds no picture of lamina's" in capsys.readouterr().err
    for name in ("notes.txt", "table.csv", "m.png"):
        assert main(["predict", "m.lamina", "data.csv", "--out", name]) == 2
        assert f"{name} exists and holds no predictions" in capsys.readouterr().err
    assert main(["demo", "--out", "table.csv"]) == 2
    assert snapshot(folder) == before
    for _ in range(2):
        assert main(["predict", "m.lamina", "data.csv", "--out", "p.csv"]) == 0
        assert main(["predict", "m.lamina", "data.csv", "--out", "empty"]) == 0
    assert train("--force", "--plot", "notes.png", out="notes.txt") == 0
    assert lamina.load("notes.txt").n_inputs == 3
    assert main(["predict", "m.lamina", "data.csv", "--out", "table.csv", "--force"]) == 0
    assert pd.read_csv("table.csv").columns.tolist() == ["prediction"]


def test_predictions_replace_what_predict_writes_and_no_other_table(folder, capsys):
    frame = pd.read_csv("data.csv")
    frame.assign(y=np.where(frame.y > 0, "yes, sir", "no")).to_csv("data.csv", index=False)
    assert train() == 0

    def predict(*more):
        return main(["predict", "m.lamina", "data.csv", "--out", "p.csv", *more])

    for more in ((), (), ("--proba",), ("--proba",), ()):
        assert predict(*more) == 0
    for text in ("prediction\n1\n-2.5e3\n", "prediction,probability_1,probability_2\n1,0.5,0.5\n", "prediction\nno\n"):
        (folder / "p.csv").write_text(text)
        assert predict() == 0, text
    capsys.readouterr()
    for text in (
        "prediction,truth\n1,2\n",
        "prediction,probability_1\n1,2\nmy notes\n",
        "prediction,probability_1\n1,high\n",
        "prediction\nrain tomorrow\n",
        "prediction\n1,2\n",
        "prediction\n" + "1\n" * 200_000 + "by hand\n",
        'prediction\n"1\n',
    ):
        (folder / "p.csv").write_text(text)
        assert predict() == 2, text[:40]
        assert "p.csv exists and holds no predictions of lamina's" in capsys.readouterr().err
        assert (folder / "p.csv").read_text() == text
    (folder / "p.csv").write_bytes(b"prediction\n\xff\n")
    assert predict() == 2
    assert predict("--force") == 0


def test_where_nothing_can_be_written_nothing_is_trained(folder, capsys, monkeypatch):
    monkeypatch.setattr("lamina.cli.training_rows.read_table", lambda options: pytest.fail("it began"))
    (folder / "inner").mkdir()
    for more, message in {
        ("--out", "no/m"): "there is no folder",
        ("--out", "inner"): "is a folder",
        ("--out", "m", "--plot", "m.foo"): "must have the suffix of a picture: ",
        ("--out", "m", "--plot", "m"): "written over the model",
        ("--out", "m", "--plot", "no/m.png"): "there is no folder",
    }.items():
        assert main(["train", "data.csv", "--target", "y", *more]) == 2
        assert message in capsys.readouterr().err
    if os.geteuid():
        (folder / "inner").chmod(0o500)
        assert main(["train", "data.csv", "--target", "y", "--out", "inner/m"]) == 2
        assert "permission denied" in capsys.readouterr().err


def test_what_is_written_is_written_whole(folder, monkeypatch):
    assert train() == 0
    assert main(["predict", "m.lamina", "data.csv", "--out", "p.csv"]) == 0
    os.symlink("p.csv", "link.csv")
    before = snapshot(folder)
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert main(["predict", "m.lamina", "data.csv", "--proba", "--out", "link.csv"]) == 2
    assert main(["predict", "m.lamina", "data.csv", "--out", "link.csv"]) == 2
    with pytest.raises(OSError, match="No space"):
        plots.learning_curves(lamina.callbacks.History(loss=[1.0]), path="m.png")
    assert snapshot(folder) == before
    monkeypatch.undo()
    os.chdir(folder)
    assert main(["predict", "m.lamina", "data.csv", "--out", "link.csv"]) == 0
    assert (folder / "link.csv").is_symlink()


# Streams and signals --------------------------------------------------------------------------------------------------


def run(*arguments, **options):
    command = [sys.executable, "-m", "lamina", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_python_m_runs_the_command(folder):
    for module in ("lamina", "lamina.cli"):
        command = [sys.executable, "-m", module, "--version"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout == f"lamina {lamina.__version__}\n"


def test_info_needs_no_extra(folder):
    assert train() == 0
    blocked = "import sys; sys.modules.update(dict.fromkeys(['pandas', 'rich', 'matplotlib', 'sklearn'])); "
    for arguments, told in ((["info"], lamina.__version__), (["info", "m.lamina"], "regression of 'y'")):
        code = f"{blocked}from lamina.cli import main; sys.exit(main({arguments!r}))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert told in done.stdout


def shell(script, **options):
    environment = os.environ | {"LAMINA": f"{sys.executable} -m lamina"}
    command = ["bash", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, **options)


def with_a_closed_pipe(arguments, stream):
    """The exit status of a command of which nobody reads a stream, and what it says on standard error."""
    reading, writing = os.pipe()
    os.close(reading)
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE} | {stream: writing}
    done = subprocess.run([sys.executable, "-m", "lamina", *arguments], text=True, check=False, **streams)
    os.close(writing)
    return done.returncode, done.stderr or ""


def test_a_closed_pipe_is_quiet(folder):
    assert train() == 0
    for _ in range(8):
        (folder / "data.csv").write_text((folder / "data.csv").read_text() + (folder / "data.csv").read_text()[8:])
    done = shell("$LAMINA predict m.lamina data.csv 2>/dev/null | head -n 2; echo ${PIPESTATUS[0]}")
    assert done.stdout.split()[0] == "prediction"
    assert done.stdout.split()[2] == "141"
    assert done.stderr == ""
    for arguments in (["info"], ["predict", "m.lamina", "data.csv"], ["train", "--help"]):
        code, error = with_a_closed_pipe(arguments, "stdout")
        assert code in (0, 141)
        assert not error or (arguments[0] == "predict" and error.startswith("read as: "))
    assert with_a_closed_pipe(["predict", "none.lamina", "data.csv"], "stderr")[0] == 2
    assert "Traceback" not in shell("$LAMINA info >&-").stderr
    # Training goes on to its end: the model is wanted, though nobody reads of it.
    for stream, out in (("stdout", "n.lamina"), ("stderr", "o.lamina")):
        arguments = ["train", "data.csv", "--target", "y", "--out", out, "--epochs", "2"]
        assert with_a_closed_pipe(arguments, stream)[0] == 0
        assert lamina.load(out).n_inputs == 3


def test_tables_and_predictions_through_pipes(folder):
    assert train() == 0
    assert main(["predict", "m.lamina", "data.csv", "--out", "p.csv"]) == 0
    expected = (folder / "p.csv").read_text()
    assert shell("$LAMINA predict m.lamina <(cat data.csv) 2>/dev/null").stdout == expected
    assert shell("cat data.csv | $LAMINA predict m.lamina /dev/stdin 2>/dev/null").stdout == expected
    assert shell("$LAMINA predict m.lamina data.csv --out /dev/stdout 2>/dev/null | cat").stdout == expected
    assert shell("$LAMINA predict m.lamina data.csv --out >(cat) 2>/dev/null; wait").stdout == expected
    assert shell("$LAMINA predict m.lamina data.csv --out /dev/null && test -c /dev/null").returncode == 0


def test_letters_that_a_terminal_does_not_have(folder):
    frame = pd.read_csv("data.csv")
    frame.assign(y=np.where(frame.a > 0, "größer", "kleiner")).to_csv("data.csv", index=False)
    done = run(
        "train", "data.csv", "--target", "y", "--out", "m.lamina", "--epochs", "2", "--quiet",
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "gr\\xf6\\xdfer" in done.stdout


FIT = """
import os, signal, sys
import lamina.cli.train_network as train
from lamina.cli import main

signal.signal(signal.SIGINT, signal.default_int_handler)
fit, epochs = train.Network.fit, [0]

def press(epoch):
    epochs[0] += 1
    if epochs[0] == EPOCH:
        os.kill(os.getpid(), signal.SIGINT)

train.Network.fit = lambda self, *args, **options: fit(self, *args, callbacks=[press], **options)
sys.exit(main(["train", "data.csv", "--target", "y", "--out", "m.lamina", "--quiet", "--epochs", "1000000",
               "--patience", "1000000"]))
"""


def test_ctrl_c_saves_the_best_weights_so_far(folder):
    done = subprocess.run(
        [sys.executable, "-c", FIT.replace("EPOCH", "30")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 130
    assert "interrupted: the weights of the best epoch so far, " in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "model: m.lamina" in done.stdout
    assert (folder / "m.png").is_file()
    assert main(["predict", "m.lamina", "data.csv", "--out", "p.csv"]) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="signals as Linux has them")
def test_ctrl_c_before_the_first_epoch_is_over_leaves_an_older_model(folder):
    assert train() == 0
    before = snapshot(folder)
    large = pd.concat([pd.read_csv("data.csv")] * 2000)
    large.to_csv("large.csv", index=False)
    command = [sys.executable, "-m", "lamina", "train", "large.csv", "--target", "y", "--out", "m.lamina", "--quiet",
               "--hidden", "2000,2000", "--threads", "1"]  # fmt: skip
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    for line in process.stdout:
        if line.startswith("regression"):
            break
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate()
    assert process.returncode == 130
    assert error == "lamina train: interrupted before the first epoch was over: nothing is saved\n"
    (folder / "large.csv").unlink()
    assert snapshot(folder) == before
