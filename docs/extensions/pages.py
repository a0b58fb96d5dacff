"""What becomes of a page's Markdown before it is parsed: files of the repository shown, links found, code run.

The pages in `docs/` read well where they lie, with links to files of the repository. On the site
- an `include` block is the file it names, and a link to that file, from anywhere, one to the page that includes it;
- a `registry` block is what a registry of `lamina` says of its entries and a `public` block the
  classes and functions of some of its rooms (`registries.py`);
- the Python blocks of the course are run, and what they print and draw stands below them (`running.py`).
"""

import os
import re
from pathlib import Path

from registries import PUBLIC, known_names, public_page, registry_page
from running import run_page

DOCS = Path(__file__).resolve().parents[1]
ROOT = DOCS.parent
FENCE = re.compile(r"^(?P<fence>`{3,})(?P<info>[^\n]*)\n(?P<body>.*?)^(?P=fence)[ ]*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<=\]\()(?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?(?=\))")
TOCTREE = re.compile(r"^```\{toctree\}\n.*?^```$", re.MULTILINE | re.DOTALL)
GALLERY = ROOT / "examples" / "gallery"
INCLUDE = re.compile(r"^```\{include\} (\S+)\n```$", re.MULTILINE)
REGISTRY = re.compile(r"^```\{registry\} (\S+)\n```$", re.MULTILINE)


def homes():
    """Files of the repository that are pages of the site: the page of each."""
    found = {ROOT / "README.md": DOCS / "index.md", GALLERY / "README.rst": DOCS / "gallery" / "index.rst"}
    found.update({path: DOCS / "gallery" / f"{path.stem}.rst" for path in GALLERY.glob("*.py")})
    for page in DOCS.rglob("*.md"):
        for target in INCLUDE.findall(page.read_text()):
            found[(page.parent / target).resolve()] = page
    return found


def rebased(text, origin, page, homes):
    """`text` of the file `origin` with its links as they have to be in `page`; code is left alone."""

    def link(found):
        target = found["target"]
        if re.match(r"[a-z]+:", target):
            return found[0]
        path = (origin.parent / target).resolve()
        path = homes.get(path, path)
        return Path(os.path.relpath(path, page.parent)).as_posix() + (found["anchor"] or "")

    pieces, end = [], 0
    for code in FENCE.finditer(text):
        pieces += [LINK.sub(link, text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*pieces, LINK.sub(link, text[end:])])


def without_empty_patterns(toctree, page):
    """A table of contents without patterns, such as `onnx*`, that no page is named by: Sphinx would warn of them."""
    lines = toctree.split("\n")
    return "\n".join(line for line in lines if not line.endswith("*") or any(page.parent.glob(f"{line}.md")))


def prepare(app, docname, source):
    """Handle `source-read`."""
    page = Path(app.env.doc2path(docname))
    if page.suffix != ".md":
        return
    known = homes()
    text = rebased(source[0], page, page, known)

    def included(found):
        path = (page.parent / found[1]).resolve()
        app.env.note_dependency(str(path))
        return rebased(path.read_text(), path, page, known)

    text = INCLUDE.sub(included, text)
    text = TOCTREE.sub(lambda found: without_empty_patterns(found[0], page), text)
    text = REGISTRY.sub(lambda found: registry_page(found[1], page), text)
    text = PUBLIC.sub(lambda found: public_page(found[1]), text)
    if docname.startswith("course/"):
        text = run_page(text, page)
    source[0] = text


def words(piece):
    """What stands outside of backticks: |w| and coef_ are what they say, not a substitution and a link."""
    return re.sub(r"(?<![\\|])\|(?!\|)|(?<=\w)(?<!\\)_(?=[,.;:)\s]|$)", r"\\\g<0>", piece)


def code(piece):
    """What stands in single backticks: a link where it is a public name, else code."""
    name = piece.strip("`").removesuffix("()").removeprefix("lamina.")
    if piece.startswith("``") or not (name[:1].isupper() or "lamina." in piece) or name not in known_names():
        return piece
    return f":py:obj:`{piece.strip('`')} <lamina.{name}>`"


def docstring(app, what, name, obj, options, lines):
    """Handle `autodoc-process-docstring`, after numpydoc."""
    for i, line in enumerate(lines):
        pieces = re.split(r"((?<!:)`[^`]+`(?!`)|(?<=:)`[^`]+`|``.+?``)", line)
        pieces[::2] = map(words, pieces[::2])
        for k in range(1, len(pieces), 2):
            if not pieces[k - 1].endswith(":"):  # a role, such as :ref:`...`
                pieces[k] = code(pieces[k])
        lines[i] = "".join(pieces)


def setup(app):
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", docstring, priority=900)
    app.connect("source-read", prepare)
    return {"parallel_read_safe": True}
