"""The page of a report: its sections, in words, tables and pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.html.elements import Content, Element, element, name_of, written
from lamina.plots import calibration_curve, fold_curves, learning_curves, predicted_against_true, residuals
from lamina.plots.figure import figure
from lamina.report.data import Classes, Numbers, ReportData, Score
from lamina.report.pictures import STYLE, inline
from lamina.report.scores import classification_scores, confusion
from lamina.report.style import CSS
from lamina.runtime import __version__
from lamina.text import counted

__all__ = ["is_report", "page"]

_GENERATOR = "lamina"
# What shows scripts the door, should text ever be taken for one.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
# No more classes are one table of all pairs, no more mistakes, importances or columns are shown at once.
_MATRIX, _MISTAKES, _IMPORTANCES, _COLUMNS = 25, 15, 20, 60
# The names of more classes are written downwards above the matrix.
_ACROSS = 4
# As wide as a phone's screen, so that letters are as large there as on a desk.
_SIZE = (5.0, 3.6)


def is_report(start: bytes) -> bool:
    """Whether a file that begins so, with 256 bytes or more, is a page that `page` made."""
    return start.startswith(b"<!doctype html>\n") and f'<meta name="generator" content="{_GENERATOR} '.encode() in start


def page(data: ReportData) -> bytes:
    """Return the report as an HTML page: no scripts, and nothing to load beside it.

    ImportError says how to get matplotlib where it is not installed.
    """
    sections = [
        *(_about(data), _warnings(data), _scores(data.scores), _outcome(data)),
        element("div", _calibration(data), _curves(data.histories), class_="pair"),
        *(_importances(data), _remarks(data), _columns(data), _notes(data)),
    ]
    return written(
        element(
            "html",
            element(
                "head",
                element("meta", name="generator", content=f"{_GENERATOR} {__version__}"),
                element("meta", charset="utf-8"),
                element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
                element("meta", name="viewport", content="width=device-width, initial-scale=1"),
                element("meta", name="color-scheme", content="light dark"),
                element("title", data.title),
                element("style", CSS),
            ),
            element("body", element("main", element("h1", name_of(data.title)), sections)),
            lang="en",
        )
    )


def _section(name: str, title: str, *content: Content) -> Element:
    return element("section", element("h2", title), *content, id=name)


def _table(header: Sequence[Content], rows: Sequence[Sequence[Content]], class_: str | None = None) -> Element:
    """Return a table whose first column names the rows; it scrolls where the screen is narrow."""
    head = element("tr", [element("th", cell, scope="col") for cell in header])
    body = [element("tr", element("th", row[0], scope="row"), [_cell(cell) for cell in row[1:]]) for row in rows]
    table = element("table", element("thead", head), element("tbody", body), class_=class_)
    return element("div", table, class_="wide", tabindex="0", role="group")


def _cell(content: Content) -> Element:
    return content if isinstance(content, Element) and content.tag == "td" else element("td", content)


def _about(data: ReportData) -> Element:
    facts = [element("div", element("dt", name), element("dd", name_of(value))) for name, value in data.about.items()]
    return element("section", element("dl", facts), id="about")


def _warnings(data: ReportData) -> Content:
    if not data.warnings:
        return None
    return _section("warnings", "Look at this first", element("ul", [element("li", text) for text in data.warnings]))


def _notes(data: ReportData) -> Content:
    if not data.notes:
        return None
    return _section("notes", "Notes", element("ul", [element("li", text) for text in data.notes]))


def _figure(value: float) -> str:
    """Write a number with four digits, or all of those before the point, and no zeros at its end."""
    if not 1e-4 <= abs(value) < 1e12:
        return f"{value:.4g}"
    digits = max(0, 3 - int(np.floor(np.log10(abs(value)))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if digits else text


def _scores(scores: Sequence[Score]) -> Content:
    if not scores:
        return None
    folds = max(len(score.validation) for score in scores)
    columns: list[tuple[str, Callable[[Score], Content]]] = []
    if any(score.test is not None for score in scores):
        columns.append(("test", lambda score: element("strong", _known(score.test))))
    if folds:
        columns.append(("validation", lambda score: _spread(score.validation)))
    if any(score.baseline is not None for score in scores):
        columns.append(("without a model", lambda score: _known(score.baseline)))
    rows: list[list[Content]] = []
    for score in scores:
        way = "higher is better" if score.higher_is_better else "lower is better"
        small = element("small", f"{way}; chosen by it" if score.chosen else way)
        rows.append([[score.name, " ", small], *(cell(score) for _, cell in columns)])
    content = [_table(["score", *(name for name, _ in columns)], rows, "scores")]
    if folds > 1:
        header = ["fold", *(score.name for score in scores)]
        each = [[str(place + 1), *(_known(score.validation[place] if place < len(score.validation) else None)
                                   for score in scores)] for place in range(folds)]  # fmt: skip
        content.append(element("details", element("summary", f"Each of the {folds} folds"), _table(header, each)))
    return _section("scores", "Scores", content)


def _known(value: float | None) -> str:
    return "–" if value is None else _figure(value)


def _with_spread(values: Any) -> str:
    """Write the mean, and two digits of the standard deviation where there are several."""
    middle = _figure(float(np.mean(values)))
    return middle if len(values) < 2 else f"{middle}\u00a0±\u00a0{_figure(float(f'{np.std(values, ddof=1):.2g}'))}"


def _spread(values: Sequence[float]) -> Content:
    if len(values) < 2:
        return _known(values[0] if len(values) else None)
    return [_with_spread(values), " ",
            element("small", f"{_figure(min(values))} to {_figure(max(values))} in {len(values)} folds")]  # fmt: skip


def _drawn(name: str, title: str, draw: Callable[[Any], Any], words: str = "") -> Element:
    """Return a picture that `draw` makes on axes, with the axes' title and `words` below, where lines break."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        drawing = figure(_SIZE)
        ax = drawing.add_subplot()
        draw(ax)
        told = ax.get_title()
        ax.set_title("")
        if ax.get_yscale() == "log":
            ax.yaxis.set_major_formatter("{x:g}")  # those of matplotlib's are formulas
            ax.yaxis.set_minor_formatter("")
        picture = inline(drawing, name, title)
    return element("figure", picture, element("figcaption", f"{told}. {words}"))


def _curves(histories: Sequence[Any]) -> Content:
    drawn = [history for history in histories if len(history.loss)]
    if not drawn:
        return None
    if len(drawn) == 1:
        picture = _drawn("curves", "Learning curves", lambda ax: learning_curves(drawn[0], ax=ax))
    else:
        words = "A pair of lines for each; points are the epochs whose weights were kept."
        picture = _drawn("curves", "Learning curves", lambda ax: fold_curves(drawn, ax=ax), words)
    return _section("learning", "Learning curves", picture)


def _outcome(data: ReportData) -> Content:
    if isinstance(data.outcome, Classes):
        return _about_classes(data.outcome, data.part)
    if isinstance(data.outcome, Numbers):
        return _about_numbers(data.outcome, data.part)
    return None


def _about_classes(found: Classes, part: str) -> Element:
    counts = confusion(found.truth, found.found, len(found.labels))
    rows = counted(len(found.truth), f"{part} row")
    right = np.trace(counts) / len(found.truth)
    content: list[Content] = [element("p", f"{right:.2%} of {rows} are right.")]
    if len(found.labels) <= _MATRIX:
        content.append(_matrix(found.labels, counts))
    if len(found.labels) > 4 and right < 1:
        content += _mistakes(found.labels, counts)
    content.append(_by_class(found))
    return _section("confusion", "Confusion matrix" if len(found.labels) <= _MATRIX else "Mistakes", content)


def _calibration(data: ReportData) -> Content:
    found = data.outcome
    if not isinstance(found, Classes):
        return None
    of = "of the predicted class" if len(found.labels) > 2 else f"of {found.labels[1]}"
    words = (
        f"Where the line keeps to the diagonal, a probability {of} of 0.8 comes true in 80% of the {data.part} rows. "
        "Bars are one standard error."
    )

    def draw(ax: Any) -> Any:
        return calibration_curve(found.truth, found.probabilities, ax=ax)

    picture = _drawn("calibration", "Calibration", draw, words)
    return _section("calibration-curve", "Calibration", picture)


def _matrix(labels: Sequence[str], counts: Any) -> Element:
    """Return the counts as a table, the shares of each true class in shades."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows: list[Sequence[Content]] = []
    for i, label in enumerate(labels):
        cells: list[Content] = []
        for j in range(len(labels)):
            kind = "right" if i == j else "wrong"
            shade = f"--share: {np.sqrt(shares[i, j]) * 100:.0f}%"
            cells.append(element("td", f"{counts[i, j]:,}" if counts[i, j] else "·", class_=kind, style=shade))
        rows.append([name_of(label), *cells])
    header: list[Content] = ["true \\ predicted", *(name_of(label) for label in labels)]
    return _table(header, rows, "matrix" if len(labels) <= _ACROSS else "matrix down")


def _mistakes(labels: Sequence[str], counts: Any) -> list[Content]:
    """Return the pairs of classes that are confused most often."""
    wrong = counts * (1 - np.eye(len(labels), dtype=np.int64))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MISTAKES]
    pairs = [divmod(int(place), len(labels)) for place in order if wrong.flat[place]]
    rows: list[Sequence[Content]] = [
        [name_of(labels[i]), name_of(labels[j]), f"{wrong[i, j]:,}", f"{wrong[i, j] / counts[i].sum():.1%}"]
        for i, j in pairs
    ]
    table = _table(["true", "predicted", "rows", "of this class"], rows)
    return [element("details", element("summary", "The most frequent mistakes"), table,
                    open=None if len(labels) <= _MATRIX else "")]  # fmt: skip


def _by_class(found: Classes) -> Element:
    scores = classification_scores(found.truth, found.found, len(found.labels))
    rows: list[Sequence[Content]] = [
        [
            name_of(label),
            *(f"{scores[name][i]:.3f}" for name in ("precision", "recall", "f1")),
            f"{scores['rows'][i]:,}",
        ]
        for i, label in enumerate(found.labels)
    ]
    table = _table(["class", "precision", "recall", "F1", "rows"], rows)
    return element("details", element("summary", "Each class"), table, open="" if len(found.labels) <= 10 else None)


def _about_numbers(found: Numbers, part: str) -> Element:
    truth, predicted = found.truth, found.predicted
    words = "Points on the diagonal are predicted exactly."
    if found.low is not None and found.high is not None:
        inside = np.mean((found.low <= truth) & (truth <= found.high))
        wanted = "" if found.coverage is None else f" of {found.coverage:.0%}"
        words += f" {inside:.1%} of the rows lie in their interval{wanted}."

    def against(ax: Any) -> Any:
        return predicted_against_true(truth, predicted, ax=ax)

    def errors(ax: Any) -> Any:
        return residuals(truth, predicted, ax=ax)

    more = (
        "Above zero the prediction was too low. A line that leaves zero, or points that fan out, show where the model "
        "is wrong in the same way each time, or less sure than elsewhere."
    )
    pictures = [
        _drawn("predicted", "Predicted against true", against, words),
        _drawn("residuals", "Residuals", errors, more),
    ]
    return _section("predictions", f"Predictions of the {part} rows", element("div", pictures, class_="pair"))


def _importances(data: ReportData) -> Content:
    if not data.importances:
        return None
    values = {name: np.atleast_1d(np.asarray(value, dtype=np.float64)) for name, value in data.importances.items()}
    order = sorted(values, key=lambda name: -float(values[name].mean()))
    largest = max(float(values[order[0]].mean()), 0.0) or 1.0
    rows: list[Sequence[Content]] = []
    for name in order:
        middle = float(values[name].mean())
        bar = element("span", class_="bar", style=f"width: {100 * max(middle, 0) / largest:.1f}%")
        rows.append([name_of(name), element("td", bar, class_="bars"), _with_spread(values[name])])
    header = ["column", "", "importance"]
    content: list[Content] = [element("p", data.importance_words), _table(header, rows[:_IMPORTANCES], "bar")]
    if len(rows) > _IMPORTANCES:
        summary = element("summary", counted(len(rows) - _IMPORTANCES, "more column"))
        content.append(element("details", summary, _table(header, rows[_IMPORTANCES:], "bar")))
    return _section("importances", "Importances", content)


def _remarks(data: ReportData) -> Content:
    if data.remarks is None:
        return None
    if not data.remarks:
        return _section("remarks", "Remarks on the network", element("p", "Nothing looks wrong."))
    items = [
        element("li", element("strong", found.name), f" ({found.where}): {found.figure}. ", element("em", found.remedy))
        for found in data.remarks
    ]
    return _section("remarks", "Remarks on the network", element("ul", items))


def _columns(data: ReportData) -> Content:
    if not data.columns:
        return None
    rows: list[Sequence[Content]] = []
    for column in data.columns:
        share = f" ({column.missing / data.rows:.0%})" if column.missing and data.rows else ""
        # A phone has no room for columns, but for words behind the numbers.
        missing = element("td", f"{column.missing:,}{share}" if column.missing else "·", data_label="missing",
                          class_=None if column.missing else "none")  # fmt: skip
        distinct = element("td", f"{column.distinct:,}", data_label="distinct")
        use = element("small", " ", column.use) if column.use else None
        shown = element("td", name_of(column.shown), class_="text")
        rows.append([[name_of(column.name), use], column.kind, missing, distinct, shown])
    header = ["column", "kind", "missing", "distinct", "range, or the most frequent"]
    content: list[Content] = [element("p", f"{counted(data.rows, 'row')}, {counted(len(data.columns), 'column')}."),
                              _table(header, rows[:_COLUMNS], "columns")]  # fmt: skip
    if len(rows) > _COLUMNS:
        summary = element("summary", counted(len(rows) - _COLUMNS, "more column"))
        content.append(element("details", summary, _table(header, rows[_COLUMNS:], "columns")))
    return _section("data", "The data", content)
