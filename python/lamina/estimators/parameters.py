"""What each parameter of the estimators may be, checked at the start of `fit`."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, NoReturn, TypeAlias

import numpy as np

from lamina import activations, optimizers
from lamina.data.arguments import float_type
from lamina.data.splits import Split
from lamina.training.held_out_metrics import named_metrics

__all__ = [
    "CASCADE",
    "PERCEPTRON",
    "RECURRENT",
    "TABULAR",
    "Rule",
    "activation_per_layer",
    "check_parameters",
    "dropout_per_layer",
    "hidden_sizes",
    "one_of",
]


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))


def _number(low: float, high: float = np.inf, *, open_low: bool = False, open_high: bool = False) -> "Rule":
    """Return the rule of a real number between two limits, either one in or (open) out."""

    def holds(value: Any) -> bool:
        if not _is_number(value):
            return False
        return bool((low < value if open_low else low <= value) and (value < high if open_high else value <= high))

    limits = f"{'>' if open_low else '>='} {low:g}"
    if high != np.inf:
        limits += f" and {'<' if open_high else '<='} {high:g}"
    return holds, f"a number {limits}"


def _integer(low: int) -> "Rule":
    def holds(value: Any) -> bool:
        return isinstance(value, Integral) and _is_number(value) and low <= int(value) < 2**63

    return holds, f"an integer >= {low} (and below 2**63)"


def _accepted_by(function: Callable[[Any], Any], wanted: str) -> "Rule":
    """Return the rule of what `function` takes without an error."""

    def holds(value: Any) -> bool:
        try:
            function(value)
        except (TypeError, ValueError):
            return False
        return True

    return holds, wanted


def _either(words: tuple[str, ...], rule: "Rule | None" = None) -> "Rule":
    """Return the rule of one of some words, or of what another rule takes."""
    wanted = ", ".join(repr(word) for word in words)
    if rule is None:
        return lambda value: isinstance(value, str) and value in words, f"one of {wanted}"
    return lambda value: (isinstance(value, str) and value in words) or rule[0](value), f"{wanted} or {rule[1]}"


def _optional(rule: "Rule") -> "Rule":
    return lambda value: value is None or rule[0](value), f"None or {rule[1]}"


def _infinite_or(rule: "Rule") -> "Rule":
    return lambda value: (_is_number(value) and value == np.inf) or rule[0](value), f"{rule[1]}, or infinity"


Rule: TypeAlias = tuple[Callable[[Any], bool], str]

_BOOLEAN: Rule = (lambda value: isinstance(value, (bool, np.bool_)), "True or False")
_VERBOSE: Rule = (lambda value: isinstance(value, (bool, np.bool_)) or _integer(0)[0](value), "True, False or a level")
_SCORING: Rule = (lambda value: isinstance(value, str) or callable(value), "the name of a scorer or a callable")
_THREADS: Rule = (
    lambda value: isinstance(value, Integral) and _is_number(value) and 0 < abs(int(value)) < 2**31,
    "an integer but 0 (and within 2**31)",
)
_CLASS_WEIGHT: Rule = (
    lambda value: value == "balanced" if isinstance(value, str) else isinstance(value, (dict, list)),
    "'balanced' or a dictionary from class to weight (a list of them for several labels)",
)


def _random_state(bits: int) -> Rule:
    return (
        lambda value: (
            value is None
            or value is np.random
            or isinstance(value, np.random.RandomState)
            or (isinstance(value, Integral) and 0 <= int(value) < 2**bits)
        ),
        f"None, an integer >= 0 (and below 2**{bits}) or a numpy.random.RandomState",
    )


RULES: dict[str, Rule] = {
    "alpha": _number(0, open_high=True),
    "batch_size": _either(("auto",), _integer(1)),
    "learning_rate": _either(("constant", "invscaling", "adaptive")),
    "learning_rate_init": _number(0, open_low=True, open_high=True),
    "power_t": _number(0),
    "max_iter": _integer(1),
    "shuffle": _BOOLEAN,
    "tol": _number(0),
    "verbose": _VERBOSE,
    "warm_start": _BOOLEAN,
    "momentum": _number(0, 1, open_high=True),
    "nesterovs_momentum": _BOOLEAN,
    "early_stopping": _BOOLEAN,
    "validation_fraction": _number(0, 1, open_high=True),
    "beta_1": _number(0, 1, open_high=True),
    "beta_2": _number(0, 1, open_high=True),
    "epsilon": _number(0, open_low=True, open_high=True),
    "n_iter_no_change": _infinite_or(_integer(1)),
    "max_fun": _integer(1),
    "batch_norm": _BOOLEAN,
    "l1": _number(0, open_high=True),
    "class_weight": _optional(_CLASS_WEIGHT),
    "n_jobs": _optional(_THREADS),
    "scoring": _optional(_SCORING),
    "max_time": _optional(_number(0, open_low=True)),
    "standardize": _BOOLEAN,
    "metrics": _optional(
        _accepted_by(named_metrics, "a list of lamina.metrics.names() and of callables of (network, X, y), or a dict")
    ),
    "random_state": _random_state(63),
    # Of the recurrent estimators
    "kind": _either(("elman", "jordan")),
    "truncate": _optional(_integer(1)),
    "schedule": _optional((callable, "a schedule, such as lamina.schedules.Cosine(), or a callable")),
    "clip": _optional(_number(0, open_low=True, open_high=True)),
    "dtype": _accepted_by(float_type, "'float32' or 'float64'"),
    # Of the cascades
    "candidates": _integer(1),
    "max_units": _integer(0),
    "tolerance": _optional(_number(0, open_high=True)),
}


_PATIENCE = {"n_iter_no_change": _integer(1)}

#: Rules of some kinds of estimators, where they differ from those of the others.
PERCEPTRON: dict[str, Rule] = {"random_state": _random_state(32)}  # their first weights are NumPy's
RECURRENT: dict[str, Rule] = _PATIENCE | {
    "batch_size": _integer(1),
    "optimizer": _optional(_accepted_by(optimizers.get, "an optimizer such as lamina.Adam(1e-3), or its name")),
}
CASCADE: dict[str, Rule] = _PATIENCE | {
    "optimizer": (
        lambda value: isinstance(value, str) and value.lower() in ("quickprop", "rprop"),
        "'quickprop' or 'rprop'",
    ),
}


def _are_quantiles(value: Any) -> bool:
    given = list(value) if isinstance(value, (list, tuple, np.ndarray)) else []
    return bool(given) and all(_is_number(q) and 0 < q < 1 for q in given) and len(set(given)) == len(given)


def _columns(value: Any) -> None:
    """Raise TypeError for what names no columns; which of a table's they are is looked at when it is there."""
    if isinstance(value, (bytes, bytearray)):
        raise TypeError("bytes are no names")
    iter(value)


TABULAR: dict[str, Rule] = {
    "validation": _optional(
        (
            lambda value: isinstance(value, Split) or (_is_number(value) and 0 < value < 1),
            "a fraction > 0 and < 1, or a lamina.Split",
        )
    ),
    "n_folds": _optional(_integer(2)),
    "n_members": _optional(_integer(1)),
    "categorical_features": _optional(
        _accepted_by(_columns, "a list of columns' names or numbers, or of True and False for each column")
    ),
    "calibrate": _BOOLEAN,
    "quantiles": _optional((_are_quantiles, "different numbers > 0 and < 1")),
    "width": _optional(_integer(1)),
    "depth": _optional(_integer(0)),
    "activation": _optional(_accepted_by(activations.get, "the name of an activation, see lamina.activations.names()")),
    "dropout": _optional(_number(0, 1, open_high=True)),
    "learning_rate": _optional(_number(0, open_low=True, open_high=True)),
    "weight_decay": _optional(_number(0, open_high=True)),
    "label_smoothing": _optional(_number(0, 1, open_high=True)),
    "batch_size": _optional(_integer(1)),
    "epochs": _optional(_integer(1)),
    "patience": _optional(_integer(1)),
}


def one_of(words: Iterable[str], *, optional: bool = False) -> Rule:
    """Return the rule of a parameter that is one of some words, or (optional) None."""
    rule = _either(tuple(words))
    return _optional(rule) if optional else rule


def check_parameters(estimator: Any, own: Mapping[str, Rule] = MappingProxyType({})) -> None:
    """Raise ValueError or TypeError for the first parameter that is not what it has to be; `own` rules come first."""
    rules = {**RULES, **own}
    for name, value in estimator.get_params(deep=False).items():
        if isinstance(value, Iterator) and not callable(value):  # the first look at it would be the last
            _refuse(estimator, name, value, "something that can be gone through more than once, such as a list")
        if name in rules and not rules[name][0](value):
            _refuse(estimator, name, value, rules[name][1])


def _refuse(estimator: Any, name: str, value: object, wanted: str) -> NoReturn:
    """Raise ValueError or TypeError for a parameter: what came, and what was wanted."""
    kind = ValueError if isinstance(value, (str, Real)) else TypeError
    raise kind(f"{name} of {type(estimator).__name__} must be {wanted}; got {value!r}")


def hidden_sizes(estimator: Any) -> list[int]:
    """Return the units of each hidden layer; one integer is one layer, nothing is a linear model."""
    value = estimator.hidden_layer_sizes
    sizes = [value] if not hasattr(value, "__iter__") or isinstance(value, str) else list(value)
    if not all(isinstance(size, Integral) and _is_number(size) for size in sizes):
        _refuse(estimator, "hidden_layer_sizes", value, "an integer or a sequence of integers")
    if any(size <= 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return [int(size) for size in sizes]


def activation_per_layer(estimator: Any, layers: int) -> list[Any]:
    """Return one activation for each hidden layer."""
    value = estimator.activation
    if isinstance(value, (list, tuple)):
        if len(value) != layers:
            raise ValueError(f"activation has {len(value)} entries for {layers} hidden layers; give one for each")
        return [activations.get(each) for each in value]
    if not isinstance(value, (str, activations.ActivationFunction)):
        _refuse(estimator, "activation", value, "a name, an activation, or a list with one for each hidden layer")
    return [activations.get(value)] * layers


def dropout_per_layer(estimator: Any, layers: int) -> list[float]:
    """Return the probability with which the outputs of each hidden layer are dropped."""
    value = estimator.dropout
    given = list(value) if isinstance(value, (list, tuple)) else [value] * layers
    holds, wanted = _number(0, 1, open_high=True)
    if not all(holds(p) for p in given) or (layers == 0 and not isinstance(value, (list, tuple)) and not holds(value)):
        _refuse(estimator, "dropout", value, f"{wanted}, or a list with one for each hidden layer")
    if len(given) != layers:
        raise ValueError(f"dropout has {len(given)} entries for {layers} hidden layers; give one for each")
    return [float(p) for p in given]
