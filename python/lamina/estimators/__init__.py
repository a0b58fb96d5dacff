"""Estimators for scikit-learn.

`MLPClassifier` and `MLPRegressor` have `sklearn.neural_network`'s parameters; `RecurrentClassifier` and
`RecurrentRegressor` are for sequences and time series.
"""

try:
    from sklearn.utils.validation import validate_data as _newest_name_used
except ImportError as error:
    raise ImportError(
        "lamina's estimators need scikit-learn 1.6 or newer; install it with: pip install lamina[sklearn]"
    ) from error
del _newest_name_used

from lamina.estimators._cascade import CascadeClassifier, CascadeRegressor  # noqa: E402
from lamina.estimators._classifier import MLPClassifier  # noqa: E402 (they need what is checked above)
from lamina.estimators._recurrent import RecurrentClassifier, RecurrentRegressor  # noqa: E402
from lamina.estimators._regressor import MLPRegressor  # noqa: E402
from lamina.estimators._scoring import window_scorer  # noqa: E402

__all__ = [
    "CascadeClassifier",
    "CascadeRegressor",
    "MLPClassifier",
    "MLPRegressor",
    "RecurrentClassifier",
    "RecurrentRegressor",
    "window_scorer",
]


def __dir__() -> list[str]:
    return sorted(__all__)
