"""How Sphinx builds the site: `python -m sphinx -W -b html docs build/site`, with `pip install ".[docs]"`."""

import importlib.util
import sys
from pathlib import Path
from shutil import copy, copytree

import lamina

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "extensions"))
lamina.set_num_threads(1)  # what the pages train is too small for more

project = "lamina"
author = "lamina developers"
version = release = lamina.__version__
language = "en"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "pages",  # ours: docs/extensions/pages.py
]
root_doc = "index"
exclude_patterns = ["extensions", "gallery/*.ipynb", "gallery/*.py", "sg_execution_times.rst", "**/README.md"]

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
myst_heading_anchors = 3

nitpicky = True
# Types in docstrings are words ("array-like, (rows, outputs)"), and other libraries have sites of their own.
nitpick_ignore_regex = [("py:.*", r"(?!lamina\.).*|lamina\._core\..*")]
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
autosummary_generate = False  # the reference's pages are written by hand, by subject; a test holds them complete

html_theme = "pydata_sphinx_theme"
html_title = f"lamina {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "lamina"},
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
    "secondary_sidebar_items": {"**": ["page-toc"], "formulas": []},
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": []}
copyright = "lamina developers, BSD-3-Clause"
copybutton_exclude = ".linenos, .gp, .go"

sphinx_gallery_conf = {
    "examples_dirs": str(DOCS.parent / "examples" / "gallery"),
    "gallery_dirs": "gallery",
    "filename_pattern": r".",  # all of them run
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1e9,
    "write_computation_times": False,
    "plot_gallery": True,
    "download_all_examples": True,
    "remove_config_comments": True,
    "doc_module": ("lamina",),
    "reference_url": {"lamina": None},
    "image_srcset": ["2x"],
}

# Formulas are typeset by a MathJax that comes with the site.
mathjax_path = "mathjax/tex-chtml.js"
mathjax3_config = {"options": {"enableMenu": False}, "chtml": {"scale": 0.96}}


def copy_mathjax(app, exception):
    """The parts of MathJax that the pages load: the program and its fonts."""
    if exception is None and app.builder.format == "html":
        origin = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"
        target = Path(app.outdir) / "_static" / "mathjax"
        fonts = Path("output") / "chtml" / "fonts" / "woff-v2"
        copytree(origin / fonts, target / fonts, dirs_exist_ok=True)
        copy(origin / "tex-chtml.js", target)


def setup(app):
    """Called by Sphinx."""
    app.connect("build-finished", copy_mathjax)
