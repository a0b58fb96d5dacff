"""A network put together from what another library has, layer by layer; and what of ours goes the other way."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from lamina import losses
from lamina.callers import warn_caller
from lamina.cascade import CascadeNetwork
from lamina.data.arguments import in_short, whole_number
from lamina.data.arrays import Array
from lamina.export.models import hint_for, warn_of_normalization_due
from lamina.layers import Activation, BatchNorm, Dense, Dropout, GaussianNoise, Recurrent
from lamina.network import Network
from lamina.storage.forms import check_finite

__all__ = [
    "Assembly",
    "Piece",
    "RefusedError",
    "network_of",
    "pieces_of",
    "refuse",
    "refused_by_place",
    "warn_of_frozen",
]

#: The loss that a network has where only its last module says what its outputs are.
_LOSS_OF_LINK = {"softmax": "cross_entropy", "exponential": "poisson", "logistic": "binary_cross_entropy"}
#: By link: what it makes, of what, and where it stands at the end of another library's network.
_WORDS_OF_LINK = {
    "softmax": ("probabilities", "logits", "a softmax"),
    "logistic": ("probabilities", "logits", "a sigmoid"),
    "exponential": ("rates", "logarithms of rates", "an exponential"),
}


class RefusedError(ValueError):
    """A part of another library's network has no equal here; the message has its place and name."""


def refuse(where: str, why: str) -> NoReturn:
    """Raise RefusedError for a part that cannot be brought over, by its place and name."""
    raise RefusedError(f"{where} cannot be brought over: {why}")


@contextmanager
def refused_by_place(where: str) -> Iterator[None]:
    """Have what a layer or an activation says of its parameters say of which part they are."""
    try:
        yield
    except RefusedError:
        raise
    except ValueError as error:
        refuse(where, str(error))


# Out --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Piece:
    """A layer of a network on its way out.

    Attributes
    ----------
    place : int
        In the network's list of layers.
    layer : layer
    arrays : dict
        Parameters by name, without the place.
    trained : set of str
        Those that are trained.
    inputs, outputs : int
    each_step : bool
        Whether what it gets has an axis of steps.
    """

    place: int
    layer: Any
    arrays: dict[str, Array]
    trained: set[str]
    inputs: int
    outputs: int
    each_step: bool


def network_of(given: Any, name: str) -> Network:
    """Return the `Network` behind a network, a cascade or a fitted estimator; TypeError where there is none."""
    net = getattr(given, "network_", given)
    if not isinstance(net, (Network, CascadeNetwork)):
        raise TypeError(
            f"{name} must be a lamina.Network, a CascadeNetwork or a fitted estimator; got {in_short(given)}"
            f"{hint_for(given)}"
        )
    warn_of_normalization_due(given)
    if isinstance(net, CascadeNetwork):
        net = net.to_network()
    for layer in net.layers:
        for part in (getattr(layer, "activation", None), getattr(layer, "output_activation", None)):
            if part is not None and part.is_custom:
                raise ValueError(f"the custom activation {part.name!r} is code that only lamina can call")
    return net


def pieces_of(net: Network, known: Collection[str]) -> list[Piece]:
    """Return the layers with what they need to know, in order; refused where one is not `known` by its name."""
    for i, layer in enumerate(net.layers):
        if type(layer).__name__ not in known:
            refuse(f"layers[{i}], {layer!r},", "it is only lamina's")
    outputs = list(net.core.layer_outputs)
    trained, each_step = set(net.core.trained_names), net.spec.recurrent
    pieces = []
    for i, layer in enumerate(net.layers):
        named = {name.partition(".")[2]: view for name, view in net.parameters.items() if name.startswith(f"{i}.")}
        own = {name for name in named if f"{i}.{name}" in trained}
        pieces.append(Piece(i, layer, named, own, [net.n_inputs, *outputs][i], outputs[i], each_step))
        each_step = each_step and getattr(layer, "return_sequences", True)
    return pieces


# In ---------------------------------------------------------------------------------------------------------------


def warn_of_frozen(net: Network, frozen: Mapping[int | str, str]) -> None:
    """Warn of weights that the other library would not have trained, with the `rates` that keep them as they are.

    Parameters
    ----------
    net : Network
        As it came in.
    frozen : dict
        By the place of a layer in `net.layers`, or by the name of a parameter ("0.weight"): what the other library
        calls it, "the layer 'hidden' (Dense)". What has nothing to train is passed over.
    """
    trained = net.core.trained_names
    by_layer: dict[int, dict[str, str]] = {}
    for name in trained:
        place = int(name.partition(".")[0])
        if (whose := frozen.get(name, frozen.get(place))) is not None:
            by_layer.setdefault(place, {})[name] = whose
    if not by_layer:
        return
    rates: dict[int | str, float] = {}
    for place, names in by_layer.items():
        whole = len(names) == sum(name.startswith(f"{place}.") for name in trained)
        rates.update(dict.fromkeys([place] if whole else names, 0.0))
    told = ", ".join(dict.fromkeys(whose for names in by_layer.values() for whose in names.values()))
    warn_caller(
        f"weights of {told} were frozen, and a fit of the network would train them: give fit(..., rates={rates})",
        UserWarning,
    )


@dataclass(slots=True)
class _Part:
    layer: Any
    arrays: dict[str, Array]
    where: str


@dataclass(slots=True)
class Assembly:
    """The layers that were found so far, and what lies before and behind them.

    Attributes
    ----------
    parts : list
    scales : dict
        As `Network.scales` has them.
    n_inputs : int, optional
        None where nothing has said it yet.
    link : tuple of str, optional
        The last module where it is a softmax or an exponential, and its place: the loss has it here.
    """

    parts: list[_Part] = field(default_factory=list)
    scales: dict[str, Array] = field(default_factory=dict)
    n_inputs: int | None = None
    link: tuple[str, str] | None = None
    _for_rows: list[tuple[int, str]] = field(default_factory=list)
    _seen: list[Any] = field(default_factory=list)

    @property
    def each_step(self) -> bool:
        """Whether what comes next gets every step of a sequence."""
        return bool(self.parts) and self._steps_before(len(self.parts))

    @property
    def width(self) -> int | None:
        """How many numbers a row has by now; None where the layers do not say it."""
        for part in reversed(self.parts):
            if isinstance(part.layer, Dense):
                return int(part.layer.units)
            if not isinstance(part.layer, (Activation, BatchNorm, Dropout, GaussianNoise)):
                return None
        return self.n_inputs

    def once(self, source: Any, where: str) -> None:
        """Take note of what has weights; refused where it was there before, since layers do not share theirs here."""
        if any(source is other for other in self._seen):
            refuse(where, "its weights are used more than once")
        self._seen.append(source)

    def for_rows(self, where: str) -> None:
        """Take note that what comes next would compute something else of sequences."""
        self._for_rows.append((len(self.parts), where))

    def _steps_before(self, place: int) -> bool:
        recurrent = [part.layer for part in self.parts[:place] if isinstance(part.layer, Recurrent)]
        later = any(isinstance(part.layer, Recurrent) for part in self.parts[place:])
        return later or (bool(recurrent) and all(layer.return_sequences for layer in recurrent))

    def add(self, layer: Any, arrays: Mapping[str, Array], where: str, inputs: int | None = None) -> None:
        """Put a layer at the end; `inputs` where it says how many it takes."""
        self._check_open(where)
        if self.n_inputs is None:
            self.n_inputs = inputs
        self.parts.append(_Part(layer, dict(arrays), where))

    def activation(self, f: Any, where: str, slope: Array | None = None) -> None:
        """Put an activation behind what is there: into a dense layer that has none yet, else as a layer."""
        self._check_open(where)
        arrays = {} if slope is None else {"slope": slope}
        last = self.parts[-1] if self.parts else None
        if last is not None and _is_plain(last.layer) and last.layer.activation.name == "identity":
            self.parts[-1] = _Part(_with_activation(last.layer, f), {**last.arrays, **arrays}, where)
            return
        if f.name != "identity":
            self.add(Activation(f), arrays, where)

    def normalization(self, mean: Array, scale: Array, limit: Array | None, where: str) -> None:
        """Have the inputs brought to size: (x - mean) scale."""
        if self.parts or self.link or self.scales:
            refuse(where, "inputs are normalised once, before the first layer")
        self.scales.update({"input.mean": mean, "input.scale": scale})
        if limit is not None:
            self.scales["input.limit"] = limit
        if mean.size > 1 and self.n_inputs is None:
            self.n_inputs = mean.size

    def target_scale(self, parts: Mapping[str, Array], where: str) -> None:
        """Have predictions brought to the targets' units."""
        self._check_open(where)
        self.scales.update({f"target.{name}": array for name, array in parts.items()})

    def end_with(self, link: str, where: str) -> None:
        """Take note of a softmax or an exponential, which the loss has."""
        self._check_open(where)
        self.link = link, where

    def network(
        self, loss: Any, n_inputs: int | None, seed: int, *, told: str = "", of_predictions: bool = False
    ) -> Network:
        """Return the network; ValueError or TypeError where something does not fit together.

        Parameters
        ----------
        loss : str, loss or None
            None: what goes with the last module.
        n_inputs : int, optional
        seed : int
        told : str, optional
            How the caller's user has said the loss, for errors. Without it it is lamina's own object, which takes the
            outputs as they are; else its link has to make something of them.
        of_predictions : bool
            The loss takes what its link makes: the last module has to have made it.
        """
        if not self.parts:
            raise ValueError("there is no layer in what was given")
        found = whole_number(n_inputs, "n_inputs", 1) if n_inputs is not None else self.n_inputs
        if found is None:
            raise ValueError("n_inputs must be given: no layer says how many inputs it takes")
        if n_inputs is not None and self.n_inputs not in (None, found):
            raise ValueError(f"n_inputs must be {self.n_inputs}, what the first layer takes; got {n_inputs}")
        for place, where in self._for_rows:
            if self._steps_before(place):
                refuse(where, "of sequences, (rows, steps, features), it takes the steps for its channels")
        dtype = self._dtype()
        made = self._with_its_link(None if loss is None else losses.get(loss), told, of_predictions)
        try:
            net = Network([part.layer for part in self.parts], found, made, dtype, seed)
        except ValueError as error:
            raise ValueError(f"the layers do not make a network: {error}") from None
        self._fill(net)
        return net

    def _check_open(self, where: str) -> None:
        if self.link is not None:
            refuse(self.link[1], f"it has to be the last one, where the loss has it, and {where} follows")
        if any(name.startswith("target.") for name in self.scales):
            refuse(where, "nothing follows what brings predictions to the targets' units")

    def _dtype(self) -> str:
        kinds: dict[str, str] = {}
        for part in self.parts:
            for name, array in part.arrays.items():
                kinds.setdefault(array.dtype.name, f"{name} of {part.where}")
        odd = [kind for kind in kinds if kind not in ("float32", "float64")]
        if odd or len(kinds) > 1:
            found = ", ".join(f"{kind} ({where})" for kind, where in kinds.items())
            raise ValueError(f"parameters must be all float32 or all float64; got {found}")
        return next(iter(kinds), "float32")

    def _end(self) -> str:
        """The link that the last module is and the loss can have in its place, or "identity"."""
        if self.link is not None:
            return self.link[0]
        last = self.parts[-1].layer
        plain = _is_plain(last) or (isinstance(last, Activation) and not last.parametric)
        scaled = any(name.startswith("target.") for name in self.scales)
        return "logistic" if plain and not scaled and last.activation.name == "logistic" else "identity"

    def _with_its_link(self, loss: Any, told: str, of_predictions: bool) -> Any:
        """Return the loss, and take from the last layer what it has of the loss's link."""
        end = self._end()
        loss = loss or losses.get(_LOSS_OF_LINK.get(end, "squared_error"))
        if self.link is not None and loss.link != end:
            wanted = [name for name in losses.names() if losses.get(name).link == end]
            refuse(self.link[1], f"it goes with the loss {' or '.join(wanted)}; got loss={loss.name!r}")
        if loss.link not in ("identity", end):
            self._check_raw(loss, told, of_predictions)
        if loss.link == end == "logistic":
            last = self.parts[-1]
            if isinstance(last.layer, Dense):
                self.parts[-1] = _Part(_with_activation(last.layer, "identity"), last.arrays, last.where)
            elif len(self.parts) > 1:
                del self.parts[-1]
            else:
                self.parts[-1] = _Part(Activation("identity"), {}, last.where)
        return loss

    def _check_raw(self, loss: Any, told: str, of_predictions: bool) -> None:
        """Raise ValueError where the outputs are not what the loss's link is there for."""
        made, raw, end = _WORDS_OF_LINK[loss.link]
        where = self.parts[-1].where.rstrip(",")
        as_they_are = f"loss=lamina.losses.get({loss.name!r}) takes the outputs for {raw}"
        if of_predictions:
            raise ValueError(
                f"{told} takes {made}, and the model's last layer gives none: predict would be the {loss.link} of what "
                f"{where} gives. Have the model end in {end}, or give another loss=...; {as_they_are}"
            )
        if told and self._gives(made):
            raise ValueError(
                f"{told} takes {raw}, and the model's last layer gives {made}: predict would be the {loss.link} of "
                f"what {where} gives. Have the model end in {end} or without an activation, or give another loss=...; "
                f"{as_they_are}"
            )

    def _gives(self, made: str) -> bool:
        """Whether outputs lie where probabilities or rates do."""
        last = next((p.layer for p in reversed(self.parts) if not isinstance(p.layer, (Dropout, GaussianNoise))), None)
        if isinstance(last, Recurrent):
            f = last.output_activation if last.kind == "jordan" else last.activation
        elif isinstance(last, (Dense, Activation)) and not last.parametric:
            f = last.activation
        else:
            return False
        values = f(np.linspace(-50.0, 50.0, 1001))
        return bool(values.min() >= 0 and (made == "rates" or values.max() <= 1))

    def _fill(self, net: Network) -> None:
        """Write the arrays into the network, once all of them fit."""
        new: dict[str, Array] = {}
        for i, part in enumerate(self.parts):
            for name, array in part.arrays.items():
                new[f"{i}.{name}"] = array
        places = {f"{i}.": part.where for i, part in enumerate(self.parts)}
        for name, view in net.parameters.items():
            place, _, own = name.partition(".")
            where = places[f"{place}."]
            if name not in new:
                raise ValueError(f"{where} has no {own}, which should be {view.shape}")
            array = new[name]
            if array.shape != view.shape and array.size == 1 and own == "slope":  # one for all units
                new[name] = array = np.full(view.shape, array.reshape(-1)[0])
            if array.shape != view.shape:
                raise ValueError(f"the {own} of {where} should be {view.shape}, (inputs, outputs); got {array.shape}")
        for name in new:
            if name not in net.parameters:
                place, _, own = name.partition(".")
                raise ValueError(f"{places[f'{place}.']} has a {own}, which a {net.layers[int(place)]!r} has not")
        check_finite(new)
        for name, view in net.parameters.items():
            view[...] = new[name]
        if self.scales:
            sizes = {"input": net.n_inputs, "target": net.n_outputs}
            scales = {}
            for name, array in self.scales.items():
                size = sizes[name.partition(".")[0]]
                if array.size not in (1, size):
                    raise ValueError(f"{name} should hold {size} numbers; got {array.size}")
                scales[name] = np.full(size, array.reshape(-1), net.dtype)
            net.set_scales(scales)
        if net.core.data_start_due is not None:
            net.core.data_start_due = False


def _is_plain(layer: Any) -> bool:
    """Whether it is a dense layer as other libraries have it, too."""
    return isinstance(layer, Dense) and layer.parametrization == "standard" and not layer.parametric


def _with_activation(layer: Any, f: Any) -> Any:
    return Dense(layer.units, f, layer.initializer, layer.use_bias)
