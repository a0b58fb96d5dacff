"""The report of a training: one page that needs nothing beside itself."""

from lamina.report.data import Classes, ColumnSummary, Numbers, ReportData, Score
from lamina.report.page import is_report, page

__all__ = ["Classes", "ColumnSummary", "Numbers", "ReportData", "Score", "is_report", "page"]


def __dir__() -> list[str]:
    return sorted(__all__)
