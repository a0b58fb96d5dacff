"""Write docs/formulas.md from the registries: the formula, the parameters and the source of every part there is.

python tools/write_formulas.py            # after a change of a registry
python tools/write_formulas.py --check    # exit status 1 where the page is out of date
"""

import re
import sys
from pathlib import Path

import lamina
from lamina._dispatch import core

PAGE = Path(__file__).parents[1] / "docs" / "formulas.md"
HEADER = """# Every formula

What each name computes, its parameters with their defaults, and where it comes from, as `describe()` of each registry
says. Written by `tools/write_formulas.py`; do not edit.
"""
KINDS = {
    "Activations": lamina.activations,
    "Losses": lamina.losses,
    "Initializers": lamina.initializers,
    "Metrics": lamina.metrics,
    "Optimizers": lamina.optimizers,
    "Schedules": lamina.schedules,
    "Layers": lamina.layers,
}


def shown(owner, name, default):
    """A parameter as a caller writes it: without a value where it has to be given."""
    signature = getattr(core, owner).__init__.__doc__ if hasattr(core, owner) else ""
    if re.search(rf"\b{name}: [^,=)]+[,)]", signature):
        return code(name)
    value = default.name if hasattr(default, "name") else f"{default:g}" if type(default) is float else repr(default)
    return code(f"{name} = {value}")


def code(text):
    return f"`{text}`"


def cells_of(entry):
    parameters = "; ".join(
        f"{shown(entry['name'], name, default)}: {doc}" for name, (default, doc) in entry["parameters"].items()
    )
    derivative = [code(entry["derivative"])] if "derivative" in entry else []
    names = ", ".join(code(name) for name in (entry["name"], *entry["aliases"]))
    return [names, code(entry["formula"]), *derivative, parameters, entry["source"]]


def table(entries):
    derivative = ["derivative"] if "derivative" in entries[0] else []
    heading = ["name", "formula", *derivative, "parameters", "source"]
    rows = [heading, ["---"] * len(heading), *(cells_of(entry) for entry in entries)]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows)


def entries_of(registry):
    known = {*registry.names(), *getattr(registry, "solver_names", list)()}
    return [entry for entry in registry.describe() if entry["name"] in known]


def page():
    return "\n".join([HEADER, *(f"## {kind}\n\n{table(entries_of(registry))}\n" for kind, registry in KINDS.items())])


if __name__ == "__main__":
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page())
    elif not PAGE.is_file() or PAGE.read_text() != page():
        sys.exit(f"{PAGE.name} is out of date: run {sys.argv[0]}")
