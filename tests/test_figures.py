"""The figures in the README, the docs and the examples' own words are those that the examples print today.

On an x86-64 machine without fused multiply-add a network has other bits, and so other figures. Times are not compared.
"""

import json
import os
import re
import subprocess
import sys
from functools import cache
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

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the sources are not here")


#: What an example is there to show: of two figures that it prints, the first is the lower one.
SHOWN = {
    "dropout": [(r"dropout 0.5: test loss (\S+),", r"no dropout: test loss (\S+),")],
    "agc_and_sam": [
        (r"with AGC: .* loss of the last epoch (\S+)$", r"plain SGD: .* loss of the last epoch (\S+)$"),
        (r"SAM\(Adam\): lowest test loss (\S+),", r"Adam: lowest test loss (\S+),"),
    ],
    "batch_norm": [
        (
            rf"rate {rate}, batch norm: lowest validation loss (\S+)$",
            rf"rate {rate}, none: lowest validation loss (\S+)$",
        )
        for rate in ("0.01", "0.1", "1")
    ],
}


def one_line(text):
    return " ".join(text.split())


@cache
def printed_by(name, folder):
    """What an example prints, run in full; its picture is looked at."""
    picture = folder / f"{name}.png"
    command = [sys.executable, "-W", "error", EXAMPLES / f"{name}.py", "--picture", picture]
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)
    assert run.returncode == 0, run.stderr
    assert picture.stat().st_size > 10_000
    return run.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("examples")


def told(pattern, printed):
    found = re.search(f"^{pattern}", printed, re.MULTILINE)
    assert found, f"{pattern!r} is not in\n{printed}"
    return found.groups()


@pytest.mark.skipif(lamina.simd_level() == "v2", reason="without fused multiply-add the bits are others")
@pytest.mark.slow
@pytest.mark.parametrize("name", QUOTED)
def test_what_an_example_prints_is_what_is_written(name, folder):
    printed = printed_by(name, folder)
    for pattern, page, written in QUOTED[name]:
        quote = written.format(*told(pattern, printed))
        assert quote in one_line((ROOT / page).read_text()), f"{page} must say {quote!r}"


@pytest.mark.slow
@pytest.mark.parametrize("name", SHOWN)
def test_an_example_shows_what_it_is_there_for(name, folder):
    printed = printed_by(name, folder)
    for lower, higher in SHOWN[name]:
        assert float(*told(lower, printed)) < float(*told(higher, printed)), printed


def test_the_figures_of_mnist_are_the_same_everywhere():
    """They take minutes and a download, so they are measured by hand: in `examples/mnist.py` it says on what."""
    error, seconds = re.search(
        r"(\S+% test error) after (\d+ s) on two cores", (EXAMPLES / "mnist.py").read_text()
    ).groups()
    for page in ("README.md", "docs/method.md"):
        text = one_line((ROOT / page).read_text())
        assert error in text, f"{page} must say {error!r}"
        assert re.search(rf"{error}.{{0,10}}{seconds}", text), f"{page} must say {seconds!r}"


def test_the_table_of_speeds_is_that_of_the_results():
    """A ratio is the median over rounds, or that of the shortest times; a step is the shortest one."""
    tasks = json.loads((ROOT / "benchmarks" / "results" / "zen3.json").read_text())["tasks"]
    lines = (ROOT / "README.md").read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| network, batch | threads |"))
    assert "lamina's step | of peak |" in lines[start]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start + 2 : start + 9]]
    for name, threads, *ratios, step, peak in rows:
        wanted = name.removeprefix("one row predicted from Python, ").replace(", ", ", batch ")
        task = next(t for t in tasks if t["title"].endswith(f", {wanted}") or t["title"] == f"one row through {wanted}")
        measured = task["ratios"]["best" if threads == "each at its best" else threads]
        for engine, cell in zip(("torch", "jax", "sklearn"), ratios, strict=True):
            both = measured["engines"][engine]
            for number in re.findall(r"([\d.]+)x", cell):
                half = 0.0501 if "." in number else 0.501
                near = [abs(float(number) - both[kind]) <= half for kind in ("median_by_round", "of_minima")]
                assert any(near), f"{name}, {threads}: {engine} is {both}, not {number}"
        entries = [e for e in task["entries"] if e["engine"] == "lamina"]
        best = next(e for e in entries if e["threads"] == measured["baseline_threads"])
        number, unit = step.split()
        seconds = float(number) * {"µs": 1e-6, "ms": 1e-3}[unit]
        assert abs(seconds / best["min"] - 1) < 0.04, f"{name}, {threads}: {best['min']} s, not {step}"
        assert not peak or abs(float(peak.rstrip("%")) - best["percent_of_peak"]) < 0.51, f"{name}, {threads}: {peak}"
