"""The examples of the README and the docs run as printed, and give what the comments beside them say."""

import ast
import os
import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
WRITTEN = {"gallery"}  # by Sphinx, where the site was built here
PAGES = [
    ROOT / "README.md",
    *sorted(p for p in (ROOT / "docs").rglob("*.md") if p.relative_to(ROOT / "docs").parts[0] not in WRITTEN),
]
BLOCK = re.compile(r"^```python[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.skipif(not PAGES[0].is_file(), reason="the sources are not here")


def agrees(value, comment):
    """Whether a value is what a comment says: its shape, or a tuple, "1e-6 or less", "zeros"; None where it is none."""
    if said := re.match(r"\((\d+, )*\d+,?\)", comment):
        shape = ast.literal_eval(said[0])
        return (value if isinstance(value, tuple) else np.shape(value)) == shape
    if said := re.match(r"(\S+) or less", comment):
        return value <= float(said[1])
    if re.match(r"zeros\b", comment):
        return value.size > 0 and not np.any(value)
    return None


def run(source, name, namespace):
    """Run a block of code statement by statement, and return how many comments were compared with their values."""
    compared = 0
    for statement in ast.parse(source).body:
        line = source.splitlines()[statement.end_lineno - 1]
        comment = line.encode()[statement.end_col_offset :].decode().strip().removeprefix("#").strip()
        if isinstance(statement, ast.Expr):
            expression = statement.value
            if isinstance(expression, ast.Call) and ast.unparse(expression.func) == "print" and comment:
                expression = expression.args[0]
            value = eval(compile(ast.Expression(expression), name, "eval"), namespace)
        else:
            exec(compile(ast.Module([statement], []), name, "exec"), namespace)
            target = getattr(statement, "targets", [None])[0]
            value = namespace.get(target.id) if isinstance(target, ast.Name) else None
        verdict = agrees(value, comment)
        assert verdict is not False, f"{name}: {line.strip()!r} gives {value!r}"
        compared += verdict is not None
    return compared


# What a page's examples need that the tests can do without.
NEEDS = {"from-pytorch.md": ["torch"], "from-keras.md": ["torch", "keras"]}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")  # Keras's own
def test_examples_run(page, tmp_path, monkeypatch):
    """The blocks of a page, one after the other, in one namespace."""
    os.environ.setdefault("KERAS_BACKEND", "torch")  # which Keras looks for when it is first imported
    for module in NEEDS.get(page.name, []):
        pytest.importorskip(module, reason=f"{module} is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    namespace = {}
    compared = sum(
        run(block, f"{page.name}, block {number + 1}", namespace)
        for number, block in enumerate(BLOCK.findall(page.read_text()))
    )
    assert compared >= {
        "recurrent.md": 2,
        "embeddings.md": 2,
        "cascade.md": 1,
        "custom.md": 1,
        "from-pytorch.md": 4,
        "from-keras.md": 3,
    }.get(page.name, 0)


@pytest.mark.parametrize(
    "line", ["[0, 0]  # (3,)", "x = [1]  # (2,)", "print(2)  # 1 or less", "x = np.ones(2)  # zeros"]
)
def test_a_comment_that_is_wrong_is_noticed(line):
    with pytest.raises(AssertionError, match="gives"):
        run(line, "a page", {"np": np})
