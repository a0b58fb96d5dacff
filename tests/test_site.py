"""The site: what is made of a page before Sphinx sees it, the gallery, and the built site, where LAMINA_SITE says.

python -m sphinx -W -b html docs build/site && LAMINA_SITE=build/site pytest tests/test_site.py
"""

import os
import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import lamina

pytest.importorskip("matplotlib")
ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
GALLERY = sorted((ROOT / "examples" / "gallery").glob("*.py"))
SITE = Path(os.environ["LAMINA_SITE"]).resolve() if "LAMINA_SITE" in os.environ else None

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="the sources are not here")
built = pytest.mark.skipif(SITE is None, reason="LAMINA_SITE does not say where the site was built")


@pytest.fixture
def extensions(monkeypatch):
    """Import what docs/conf.py imports of ours."""
    for folder in ("docs/extensions", "tools"):
        monkeypatch.syspath_prepend(str(ROOT / folder))
    import pages
    import registries
    import running

    yield pages, registries, running
    for name in ("pages", "registries", "running", "write_formulas"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_an_example_of_the_gallery_runs(path, tmp_path):
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    command = [sys.executable, "-W", "error", path]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_an_example_of_the_gallery_has_a_title_and_a_picture(path):
    text = path.read_text()
    assert re.match(r'"""\n[^\n]+\n=+\n\n[A-Z]', text)
    assert "plt." in text


def test_links_lead_to_pages_of_the_site_where_there_are_some(extensions):
    pages, _, _ = extensions
    page = DOCS / "course" / "index.md"
    text = (
        "[a](../method.md#test-once) [b](../../CHANGELOG.md) [c](../../README.md) [d](https://arxiv.org/abs/1) "
        "[e](../../examples/dropout.py) [f](../../examples/gallery/README.rst)\n```python\nx[0](../../README.md)\n```\n"
    )
    assert pages.rebased(text, page, page, pages.homes()) == (
        "[a](../method.md#test-once) [b](../project/changelog.md) [c](../index.md) [d](https://arxiv.org/abs/1) "
        "[e](../../examples/dropout.py) [f](../gallery/index.rst)\n```python\nx[0](../../README.md)\n```\n"
    )
    page = DOCS / "project" / "changelog.md"
    changes = pages.rebased("[g](docs/cpp.md) [h](LICENSE)", ROOT / "CHANGELOG.md", page, pages.homes())
    assert changes == "[g](../cpp.md) [h](../../LICENSE)"


def test_links_of_pages_lead_to_files_of_the_repository():
    """As a plain view of the repository follows them."""
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")]:
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\(([^)\s#]+)(?:#[^)\s]*)?\)", re.sub(r"`[^`\n]*`", "", text)):
            if not re.match(r"[a-z]+:", target):
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def test_a_table_of_contents_may_name_pages_to_come(extensions):
    pages, _, _ = extensions
    toctree = "```{toctree}\n:glob:\n\nmethod\nno-such-page*\nmeth*\n```"
    assert pages.without_empty_patterns(toctree, DOCS / "guide.md") == "```{toctree}\n:glob:\n\nmethod\nmeth*\n```"


def test_what_a_block_prints_and_draws_stands_below_it(extensions, tmp_path):
    _, _, running = extensions
    page = tmp_path / "page.md"
    text = (
        "```python\nprint(1 + 1)\n```\n\n```python A line.\nimport matplotlib.pyplot as plt\n\nplt.plot([1, 2])\n```\n"
    )
    result = running.run_page(text, page)
    assert "```{code-block} text\n:class: printed\n\n2\n```" in result
    assert ":::{figure} drawn/page-2-1.svg\n:alt: A line.\n:width: 672px\n\nA line.\n:::" in result
    assert (tmp_path / "drawn" / "page-2-1.svg").read_text().startswith("<?xml")
    with pytest.raises(AssertionError):
        running.run_page("```python\nassert 1 + 1 == 3\n```\n", page)


def test_docstrings_become_links_and_words(extensions):
    pages, _, _ = extensions
    lines = ["l1 sum |w|, `coef_` and coef_, a `History` of `lamina.metrics.names()`, ``x``, :ref:`y`, `loss`."]
    pages.docstring(None, "class", "x", None, None, lines)
    assert lines == [
        r"l1 sum \|w\|, `coef_` and coef\_, a :py:obj:`History <lamina.History>` of "
        ":py:obj:`lamina.metrics.names() <lamina.metrics.names>`, ``x``, :ref:`y`, `loss`."
    ]


def test_the_reference_has_a_place_for_every_public_name(extensions):
    """Each name is in a registry or in a room that one page names."""
    _, registries, _ = extensions
    named = {name.partition(".")[0] for name in registries.known_names()}
    assert set(lamina.__all__) <= named
    pages = "\n".join(path.read_text() for path in (DOCS / "reference").glob("*.md"))
    assert set(registries.REGISTRIES) <= set(re.findall(r"{registry} (\S+)", pages))
    shown = [name for rooms in registries.PUBLIC.findall(pages) for name in registries.shown_in(rooms)]
    assert sorted(shown) == sorted(registries.public_names())


class Page(HTMLParser):
    """What a page has: anchors, links, and what it loads."""

    def __init__(self, text):
        super().__init__()
        self.anchors, self.links, self.loads = {"", "top"}, [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors |= {attrs[key] for key in ("id", "name") if attrs.get(key)}
        if tag == "a" and "href" in attrs:
            self.links.append(attrs["href"])
        elif tag == "link" and attrs.get("rel") not in ("canonical", "next", "prev", "index", "search", "author"):
            self.loads.append(attrs["href"])
        self.loads += [attrs[key] for key in ("src", "data", "poster") if attrs.get(key)]
        self.loads += [part.split()[0] for part in attrs.get("srcset", "").split(",") if part.strip()]


@cache
def page_of(path):
    return Page(path.read_text())


def pages_of_the_site():
    return [path for path in sorted(SITE.rglob("*.html")) if "_static" not in path.parts]


@built
def test_every_page_is_there():
    pages = [page.relative_to(DOCS) for page in DOCS.rglob("*.md") if "gallery" not in page.parts]
    pages += [Path("gallery", path.name) for path in GALLERY]
    written = {page.with_suffix(".html") for page in (*pages, Path("gallery", "index"), Path("search"))}
    assert written <= {path.relative_to(SITE) for path in pages_of_the_site()}
    assert (SITE / "searchindex.js").stat().st_size > 100_000


@built
def test_nothing_is_loaded_from_another_host():
    for path in pages_of_the_site():
        for target in page_of(path).loads:
            parts = urlsplit(target)
            assert parts.scheme in ("", "data"), f"{path.name} loads {target}"
            assert not parts.netloc, f"{path.name} loads {target}"
            if not parts.scheme:
                assert (path.parent / unquote(parts.path)).exists(), f"{path.name} loads {target}, which is not there"
    for sheet in SITE.rglob("*.css"):
        text = sheet.read_text()
        assert not re.search(r"""(@import|url\()\s*(url\()?["']?(https?:)?//""", text), sheet.name


@built
def test_every_link_leads_somewhere():
    for path in pages_of_the_site():
        for target in page_of(path).links:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            place = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert place.exists(), f"{path.relative_to(SITE)} links to {target}"
            if parts.fragment and place.suffix == ".html":
                assert unquote(parts.fragment) in page_of(place).anchors, f"{path.relative_to(SITE)} links to {target}"


@built
def test_formulas_are_typeset_by_what_is_shipped():
    assert "mathjax/tex-chtml.js" in (SITE / "course" / "backpropagation.html").read_text()
    assert (SITE / "_static" / "mathjax" / "tex-chtml.js").stat().st_size > 1_000_000
    assert list((SITE / "_static" / "mathjax").rglob("MathJax_Main-Regular.woff"))


@built
@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_an_example_can_be_downloaded_as_a_notebook(path):
    page = page_of(SITE / "gallery" / f"{path.stem}.html")
    assert any(link.endswith(f"{path.stem}.ipynb") for link in page.links)
    assert any(f"{path.stem}_" in picture and picture.endswith(".png") for picture in page.loads)
