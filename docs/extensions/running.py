"""The Python blocks of a page, run in order in one namespace: what each prints and draws, put below it.

A block that begins with ```` ```python CAPTION ```` draws the picture of that caption, and is folded below it.
"""

import re
import warnings
from contextlib import redirect_stdout
from io import StringIO

BLOCK = re.compile(r"^```python(?P<caption>[^\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
DRAWN = "drawn"
LARGE = 250_000  # bytes: drawings of more are pixels


def run_page(text, page):
    """`text` of `page` with the results of its blocks; pictures are written beside it, into the folder `drawn`."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    style = {
        "svg.hashsalt": page.stem,
        "figure.figsize": (7, 3.5),
        "figure.constrained_layout.use": True,
        "axes.grid": True,
        "grid.alpha": 0.25,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    plt.close("all")  # of whoever drew before
    namespace = {"__name__": "__main__"}
    count = 0

    def result(found):
        nonlocal count
        count += 1
        printed = StringIO()
        with redirect_stdout(printed), warnings.catch_warnings():
            warnings.simplefilter("error")
            exec(compile(found["code"], f"{page.name}, block {count}", "exec"), namespace)
        caption = found["caption"].strip()
        shown = [f"```python\n{found['code']}```"]
        if printed.getvalue():
            shown.append(f"```{{code-block}} text\n:class: printed\n\n{printed.getvalue().rstrip()}\n```")
        for number in plt.get_fignums():
            width = round(96 * plt.figure(number).get_figwidth())
            picture = page.parent / DRAWN / f"{page.stem}-{count}-{number}.svg"
            picture.parent.mkdir(exist_ok=True)
            plt.figure(number).savefig(picture, metadata={"Date": None})
            if picture.stat().st_size > LARGE:
                picture.unlink()
                picture = picture.with_suffix(".png")
                plt.figure(number).savefig(picture, dpi=170)
            figure = f":::{{figure}} {DRAWN}/{picture.name}\n:alt: {caption}\n:width: {width}px\n\n{caption}\n:::"
            shown.insert(0, figure) if caption else shown.append(figure)
        plt.close("all")
        if caption:
            shown[1] = f"<details><summary>How it is drawn</summary>\n\n{shown[1]}\n\n</details>"
        return "\n\n".join(shown)

    with plt.rc_context(style):
        return BLOCK.sub(result, text)
