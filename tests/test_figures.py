"""The figures in the README, the docs and the examples' own words are those that the examples print today.

On an x86-64 machine without fused multiply-add a network has other bits, and so other figures. Times are not compared.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lamina

pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")
ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"

DROPOUT = r"no dropout: test loss (\S+), [^\0]*^dropout 0.5: test loss (\S+), "
SPIRALS = {
    "tanh": "tanh, quickprop (the defaults)",
    "tanh, Rprop": "tanh, Rprop",
    "tanh and gaussian": "tanh and Gaussian",
    "logistic": "logistic",
    "gaussian": "Gaussian",
}
#: Of each example: what it prints at the start of a line, the page that quotes it, and how that says it.
QUOTED = {
    "mackey_glass": [
        (r"NRMSE, 84 steps ahead: (\S+) ", "docs/recurrent.md", "NRMSE {}, an Elman network of 32 units"),
    ],
    "reber_grammar": [
        (
            r"(\d+ of \d+) succeed, after (\S+ to \S+ strings, \S+ in the median)",
            "docs/recurrent.md",
            "Elman network of 15 units: {} trials, after {} |",
        ),
    ],
    "online_control": [
        (r"with memory: (\d+ of \d+) runs stay upright", "docs/recurrent.md", "| {} runs stay upright with memory, "),
        (r"without: (\d+) of 100 runs stay upright", "docs/recurrent.md", " with memory, {} without;"),
    ],
    "two_spirals": [
        (
            rf"{kind} +(\d+) of (\d+) +(\S+) +(\d+) +(\d+) ",
            "docs/cascade.md",
            f"| {written} | {{}} of {{}} | {{}} | {{}} | {{}} |",
        )
        for kind, written in SPIRALS.items()
    ],
    "dropout": [
        (DROPOUT, "examples/dropout.py", "at {1} instead of {0}"),
        (DROPOUT, "docs/method.md", "a test loss of {1} instead of {0}"),
    ],
}
#: How an example is told where to draw.
PICTURE = {"two_spirals": ["--picture"], "dropout": []}

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the sources are not here")


def one_line(text):
    return " ".join(text.split())


@pytest.mark.skipif(lamina.simd_level() == "v2", reason="without fused multiply-add the bits are others")
@pytest.mark.slow
@pytest.mark.parametrize("name", QUOTED)
def test_what_an_example_prints_is_what_is_written(name, tmp_path):
    picture = tmp_path / "picture.png"
    command = [sys.executable, "-W", "error", EXAMPLES / f"{name}.py", *PICTURE.get(name, ["--out"]), picture]
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert run.returncode == 0, run.stderr
    assert picture.stat().st_size > 10_000
    for printed, page, written in QUOTED[name]:
        told = re.search(f"^{printed}", run.stdout, re.MULTILINE)
        assert told, f"{printed!r} is not in\n{run.stdout}"
        quote = written.format(*told.groups())
        assert quote in one_line((ROOT / page).read_text()), f"{page} must say {quote!r}"


def test_the_figures_of_mnist_are_the_same_everywhere():
    """They take minutes and a download, so they are measured by hand: in `examples/mnist.py` it says on what."""
    error, seconds = re.search(
        r"(\S+% test error) after (\d+ s) on two cores", (EXAMPLES / "mnist.py").read_text()
    ).groups()
    for page in ("README.md", "docs/method.md"):
        text = one_line((ROOT / page).read_text())
        assert error in text, f"{page} must say {error!r}"
        assert re.search(rf"{error}.{{0,10}}{seconds}", text), f"{page} must say {seconds!r}"
