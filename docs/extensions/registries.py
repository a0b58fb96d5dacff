"""Reference pages as Markdown: a section for each entry of a registry, and for each public name of some rooms."""

import inspect
import re
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import lamina

DOCS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(DOCS.parent / "tools"))
from write_formulas import KINDS, entries_of, shown  # noqa: E402

REGISTRIES = {kind.lower(): registry for kind, registry in KINDS.items()}
PUBLIC = re.compile(r"^```\{public\} (.+)\n```$", re.MULTILINE)


def sourced(text):
    """A source, with the papers it names as links."""
    return re.sub(r"\b(\d{4}\.\d{4,5})\b", r"[\1](https://arxiv.org/abs/\1)", text)


def entry_of_class(cls):
    """What `describe` says of registries' entries, of a class of the core whose docstring is written in that way."""
    formula, source, parameters = inspect.getdoc(cls).split("\n\n")
    return {
        "name": cls.__name__,
        "aliases": [],
        "formula": formula,
        "source": source.removeprefix("Source: "),
        "parameters": {
            name: (getattr(cls(), name), text)
            for name, text in (line.split(": ", 1) for line in parameters.split("\n"))
        },
    }


def entries(name):
    """The entries of the registry `lamina.NAME`; those of gradient clipping are classes alone."""
    if name == "clipping":
        return [entry_of_class(cls) for cls in (lamina.AGC, lamina.ClipNorm)]
    return entries_of(REGISTRIES[name])


def draw_curves(name, path):
    """Picture an activation and its derivative."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np

    f = lamina.activations.get(name)
    # Two columns, and the first is looked at: `bipolar_relu` has other units beside it.
    x = np.repeat(np.linspace(-4, 4, 801)[:, None], 2, axis=1)
    with plt.rc_context({"svg.hashsalt": name, "font.size": 8}):
        figure, ax = plt.subplots(figsize=(2.6, 1.7), layout="constrained")
        ax.axhline(0, color="0.8", linewidth=0.8)
        ax.axvline(0, color="0.8", linewidth=0.8)
        ax.plot(x[:, 0], f(x)[:, 0], label="f")
        ax.plot(x[:, 0], f.derivative(x)[:, 0], "--", label="f'")
        ax.set(xlim=(-4, 4))
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False)
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)


def section(kind, entry, page):
    """One entry: a class where callers write one, else a name."""
    name, parameters = entry["name"], entry["parameters"]
    cls = getattr(lamina, name, None) or getattr(lamina.schedules, name, None)
    lines = [f"({kind}-{name})=", f"## {name}", ""]
    body = []
    if kind == "activations":
        picture = page.parent / "drawn" / f"{name}.svg"
        picture.parent.mkdir(exist_ok=True)
        draw_curves(name, picture)
        lines += [f":::{{image}} drawn/{picture.name}", ":class: curve", f":alt: {name} and its derivative", ":::", ""]
    if entry["aliases"]:
        body += ["Also called " + ", ".join(f"`{alias}`" for alias in entry["aliases"]) + ".", ""]
    formulas = {"": entry["formula"]}
    if "derivative" in entry:
        formulas = {"f": entry["formula"], "f'": entry["derivative"]}
    text = "\n".join(f"{label:3}{formula}" if label else formula for label, formula in formulas.items())
    body += [
        "```{code-block} text",
        ":class: formula",
        "",
        text.replace("; ", "\n   " if "f" in formulas else "\n"),
        "```",
        "",
    ]
    body += [f"- {shown(name, key, default)}: {text}" for key, (default, text) in parameters.items()]
    body += ["", f"Source: {sourced(entry['source'])}", ""]
    if cls is None:
        return lines + body
    qualified = f"lamina.{name}" if hasattr(lamina, name) else f"lamina.schedules.{name}"
    signature = ", ".join(
        shown(name, key, value).strip("`").replace(" = ", "=") for key, (value, _) in parameters.items()
    )
    return [*lines, f"::::{{py:class}} {qualified}({signature})", ":no-contents-entry:", "", *body, "::::", ""]


def registry_page(name, page):
    """The entries of the registry `lamina.NAME`, or of "clipping"."""
    module = (
        [f"```{{py:module}} lamina.{name}", "```", "```{py:currentmodule} None", "```", ""]
        if name in REGISTRIES
        else []
    )
    return "\n".join([*module, *(line for entry in entries(name) for line in section(name, entry, page))])


def names_in(module):
    """What a module says is public, or else what it defines without an underscore."""
    own = (name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__)
    return sorted(getattr(module, "__all__", None) or (name for name in own if not name.startswith("_")))


@cache
def public_names():
    """Every public name but those of registries: what it is called, what it is, and the room it is in."""
    of_registries = {entry["name"] for name in (*REGISTRIES, "clipping") for entry in entries(name)}
    values = {name: getattr(lamina, name) for name in lamina.__all__ if name not in of_registries}
    modules = {name: value for name, value in values.items() if isinstance(value, ModuleType)}
    found = {
        name: (value, getattr(value, "__module__", "lamina")) for name, value in values.items() if name not in modules
    }
    at_the_top = [value for value, _ in found.values()]
    for module_name, module in modules.items():
        for name in names_in(module):
            value = getattr(module, name)
            if callable(value) and name not in of_registries and not any(value is known for known in at_the_top):
                found[f"{module_name}.{name}"] = (value, f"lamina.{module_name}")
    return found


@cache
def known_names():
    """What the reference has a place for, without `lamina.`."""
    of_registries = {entry["name"] for name in (*REGISTRIES, "clipping") for entry in entries(name)}
    return {*REGISTRIES, *public_names(), *(name for name in of_registries if hasattr(lamina, name))}


def within(home, rooms):
    """Whether a module is one of `rooms`, or in one."""
    return any(home == room or home.startswith(f"{room}.") for room in rooms)


def is_ours(member):
    """Whether a member of a class is defined here, not in a base class of scikit-learn's."""
    function = getattr(member, "fget", None) or getattr(member, "__func__", None) or member
    return (getattr(function, "__module__", None) or "lamina").startswith("lamina")


def shown_in(rooms):
    """The public names, with what they name, of some rooms; "others" stands for all rooms that no page names."""
    names = public_names()
    rooms = rooms.split()
    if "others" in rooms:
        texts = [path.read_text() for path in (DOCS / "reference").glob("*.md")]
        known = {room for text in texts for line in PUBLIC.findall(text) for room in line.split()}
        rooms += [home for _, home in names.values() if not within(home, known)]
    # In the order of the rooms.
    return {name: value for room in rooms for name, (value, home) in names.items() if within(home, [room])}


def public_page(rooms):
    """Classes and functions of some rooms of `lamina`."""
    chosen = shown_in(rooms)
    table = [
        "```{eval-rst}",
        ".. autosummary::",
        "   :nosignatures:",
        "",
        *(f"   lamina.{name}" for name in chosen),
        "```",
        "",
    ]
    for name, value in chosen.items():
        table.append("```{eval-rst}")
        if inspect.isclass(value) and not issubclass(value, BaseException):
            members = [
                key for key in dir(value) if not key.startswith("_") and is_ours(inspect.getattr_static(value, key))
            ]
            table += [f".. autoclass:: lamina.{name}", "   :members: " + ", ".join(members)]
        elif inspect.isclass(value):
            table.append(f".. autoexception:: lamina.{name}")
        else:
            table.append(f".. autofunction:: lamina.{name}")
        table += ["```", ""]
    return "\n".join(table)
