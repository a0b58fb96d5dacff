"""Estimators for tables as they are: data frames with numbers, text, dates and missing values."""

from importlib.util import find_spec

from lamina.extras import how_to_install

_MISSING = [name for name in ("narwhals", "sklearn") if find_spec(name) is None]
if _MISSING:
    raise ImportError(f"TabularClassifier and TabularRegressor need more packages; {how_to_install(_MISSING)}")

from lamina.tabular.classifier import TabularClassifier  # noqa: E402 (they need what is checked above)
from lamina.tabular.regressor import TabularRegressor  # noqa: E402

__all__ = ["TabularClassifier", "TabularRegressor"]


def __dir__() -> list[str]:
    return sorted(__all__)
