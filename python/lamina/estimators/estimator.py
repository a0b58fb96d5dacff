"""What all estimators share: calls that change all or nothing, the door for samples, threads, Ctrl-C."""

import functools
import warnings
from abc import ABC
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Integral
from types import MethodType
from typing import Any, TypeVar, cast

import joblib
import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from lamina.data.arrays import refuse_masked
from lamina.data.splits import Split, said_of_few
from lamina.estimators.samples import counted, in_own_type, numbers
from lamina.html.notebook import shown

__all__ = ["BaseLamina", "CountedSplit", "all_or_nothing", "available_if", "of_one_fit"]

Method = TypeVar("Method", bound=Callable[..., Any])


def all_or_nothing(fit: Method) -> Method:
    """Make of a method that fits one that changes the estimator as a whole, or, where it raises, not at all.

    The method works on a twin, and what has become of that is taken over at the end; then comes what it had to warn of.
    Until then whoever predicts beside it sees the estimator as it was. What is changed in place and not replaced, as a
    network that is trained further, the method has to bring back itself.
    """

    @functools.wraps(fit)
    def whole(self: Any, *args: Any, **kwargs: Any) -> Any:
        twin = _twin(self)
        before = dict(twin.__dict__)
        for name, value in before.items():
            if name.endswith("_") and type(value) is list:  # a curve, to which the fit appends
                twin.__dict__[name] = list(value)
        twin.pending_warnings = []
        fit(twin, *args, **kwargs)
        after = dict(twin.__dict__)
        pending = after.pop("pending_warnings")
        for name in before.keys() - after.keys():
            del self.__dict__[name]
        self.__dict__.update({name: value for name, value in after.items() if before.get(name, twin) is not value})
        for message, category in pending:
            warnings.warn(message, category, stacklevel=2)
        return self

    return cast(Method, whole)


def of_one_fit(predict: Method) -> Method:
    """Make of a method that predicts one that sees the estimator as it is now, even if a fit ends in the middle."""

    @functools.wraps(predict)
    def steady(self: Any, *args: Any, **kwargs: Any) -> Any:
        return predict(_twin(self), *args, **kwargs)

    return cast(Method, steady)


def available_if(check: Callable[[Any], object]) -> Callable[[Callable[..., Any]], Any]:
    """Make of a method one that an estimator has unless `check` of it raises AttributeError, which says what to do.

    scikit-learn's own keeps the reason to itself.
    """
    return lambda method: _Available(method, check)


class _Available:
    """What stands in a class for a method that not every estimator of it has."""

    def __init__(self, method: Callable[..., Any], check: Callable[[Any], object]) -> None:
        self._method, self._check = method, check
        functools.update_wrapper(cast(Any, self), method)

    def __get__(self, estimator: Any, owner: type) -> Any:
        if estimator is None:
            return self._method
        self._check(estimator)
        return MethodType(self._method, estimator)


def _twin(estimator: Any) -> Any:
    twin = object.__new__(type(estimator))
    twin.__dict__.update(estimator.__dict__)
    return twin


class CountedSplit(Split):
    """A split that keeps how many rows it was last asked to split and how many it set aside: a fit tells it afterwards.

    The networks leave it to who gives a `Split` to look at how many these are.
    """

    n_rows = n_held = 0

    def indices(self, n_rows: int, labels: Any, seed: int) -> tuple[Any, Any]:
        """Return (training, validation) row numbers."""
        train, held = super().indices(n_rows, labels, seed)
        self.n_rows, self.n_held = n_rows, len(held)
        return train, held


class BaseLamina(BaseEstimator, ABC):  # type: ignore[misc]
    """The rules that hold for every estimator; the subclasses know networks and targets."""

    pending_warnings: list[tuple[str, type[Warning]]]

    def _warn_at_the_end(self, message: str, category: type[Warning] = UserWarning) -> None:
        """Have a fit warn when it is over, so that it is over even where warnings are errors."""
        if (message, category) not in self.pending_warnings:
            self.pending_warnings.append((message, category))

    def _warn_of_few(self, n_held: int, n_rows: int, remedy: str) -> None:
        """Have a fit warn, when it is over, where what it sets aside tells little."""
        if (told := said_of_few(n_held, n_rows, remedy)) is not None:
            self._warn_at_the_end(told)

    @contextmanager
    def _interruptible(self, network: Any) -> Iterator[list[bool]]:
        """Turn Ctrl-C in a fit of `network` into a warning: it keeps the best weights so far.

        The list is not empty once that has happened.
        """
        before = network.history
        interrupted: list[bool] = []
        try:
            yield interrupted
        except KeyboardInterrupt:
            if network.history is before:  # training had not begun
                raise
            interrupted.append(True)
            self._warn_at_the_end("Training interrupted by user.")

    def _threads(self) -> int | None:
        return None if self.n_jobs is None else int(joblib.effective_n_jobs(self.n_jobs))

    def _network_seed(self) -> int:
        """Return the network's seed: `random_state` itself where it is a number, else a draw from it."""
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    # Notebooks ----------------------------------------------------------------------------------------------------

    def _trained_html(self) -> str:
        """What a notebook shows below scikit-learn's diagram once there is a network."""
        return shown(self.__dict__.get("network_"))

    def _repr_html_inner(self) -> str:
        return str(super()._repr_html_inner()) + self._trained_html()

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        shown: dict[str, Any] = super()._repr_mimebundle_(**options)
        if "text/html" in shown:
            shown["text/html"] = self._repr_html_inner()
        return shown

    # Samples ------------------------------------------------------------------------------------------------------

    def _accepted(self) -> dict[str, Any]:
        """Return what `validate_data` is told about rows."""
        return {
            "accept_sparse": ("csr", "csc"),
            "multi_output": True,
            "dtype": (np.float64, np.float32),
            "order": "C",
            "y_numeric": not is_classifier(self),
        }

    def _training_rows(self, X: Any, y: Any, sample_weight: Any = None, *, reset: bool = True) -> tuple[Any, Any, Any]:
        """Return X (n, features), y and the weights (or None) of the rows that count, checked and dense.

        Weights are float64: whether the network's type holds them is for the network to say.
        """
        X, y, weight = counted(X, y, sample_weight)
        y = in_own_type(y) if is_classifier(self) else numbers(y)
        X, y = validate_data(self, X, y, reset=reset, **self._accepted())
        return _dense(X), y, weight

    def _rows(self, X: Any) -> Any:
        """Return X (n, features) to predict for, checked against that of the fit, and dense."""
        check_is_fitted(self)
        refuse_masked(X, "X")
        # In what order rows lie in memory is left to the network, which converts them by blocks.
        accepted = {name: self._accepted()[name] for name in ("accept_sparse", "dtype")}
        return _dense(validate_data(self, X, reset=False, **accepted))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _dense(X: Any) -> Any:
    return X.toarray(order="C") if issparse(X) else X
