"""Layers with a forward and a backward pass, and the network that chains them.

A layer's `twin` is the same layer as one of lamina's: it gets that one's own parameters by name, its number of outputs,
and `draw`, which returns the draws of a training pass, or None where nothing is drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reference import random
from reference.activations import ACTIVATIONS, prelu_slope_derivative
from reference.losses import LOSSES, targets

Array = np.ndarray
Draw = Callable[..., Any]


@dataclass
class Dense:
    """z_j = b_j + s sum_i x_i w_ij, y_j = f(z_j); s is 1, or 1 / sqrt(fan_in) in NTK parametrisation.

    Parametric, y_j = z_j + a_j (f(z_j) - z_j).
    """

    weight: Array
    bias: Array | None = None
    activation: str = "identity"
    params: dict[str, Any] = field(default_factory=dict)
    slope: Array | None = None  # prelu's, one per unit
    drawn: Array | None = None  # rrelu's in training, one per element
    scale: float = 1.0
    share: Array | None = None  # a of a parametric activation, one per unit

    @classmethod
    def twin(cls, layer: Any, named: dict[str, Array], units: int, draw: Draw) -> "Dense":
        f = layer.activation
        made = cls(named["weight"], named.get("bias"), f.name, f.params)
        if f.name == "rrelu":
            made.drawn = draw(random.slopes, f.params["lower"], f.params["upper"])
        if f.name == "prelu":
            made.params, made.slope = {}, named["slope"]
        if getattr(layer, "parametrization", "standard") == "ntk":
            made.scale = 1 / np.sqrt(len(made.weight))
        if getattr(layer, "parametric", False):
            made.share = named["slope"]
        return made

    def parameters(self) -> dict[str, Array]:
        named = {"weight": self.weight, "bias": self.bias, "slope": self.slope if self.share is None else self.share}
        return {name: array for name, array in named.items() if array is not None}

    def forward(self, x: Array, training: bool) -> Array:
        self.x = x
        self.z = self.scale * x @ self.weight
        if self.bias is not None:
            self.z = self.z + self.bias
        f, params = ACTIVATIONS[self.activation], self.params if self.slope is None else {"a": self.slope}
        if training and self.drawn is not None:
            f, params = ACTIVATIONS["prelu"], {"a": self.drawn}
        self.f_prime = f.training(self.z, **params)
        y = f.value(self.z, **params)
        if self.share is None:
            return y
        self.beyond = y - self.z
        self.f_prime = 1 + self.share * (self.f_prime - 1)
        return self.z + self.share * self.beyond

    def backward(self, dE_dy: Array) -> tuple[Array, dict[str, Array]]:
        delta = dE_dy * self.f_prime
        gradients = {"weight": self.scale * self.x.T @ delta}
        if self.bias is not None:
            gradients["bias"] = delta.sum(axis=0)
        if self.slope is not None:
            gradients["slope"] = np.sum(dE_dy * prelu_slope_derivative(self.z), axis=0)
        if self.share is not None:
            gradients["slope"] = np.sum(dE_dy * self.beyond, axis=0)
        return self.scale * delta @ self.weight.T, gradients


class Activation(Dense):
    """y_j = f(x_j): a dense layer whose weights are the identity, and no parameters."""

    @classmethod
    def twin(cls, layer: Any, named: dict[str, Array], units: int, draw: Draw) -> "Activation":
        return super().twin(layer, {**named, "weight": np.eye(units)}, units, draw)

    def parameters(self) -> dict[str, Array]:
        return {name: array for name, array in super().parameters().items() if name != "weight"}

    def backward(self, dE_dy: Array) -> tuple[Array, dict[str, Array]]:
        dE_dx, gradients = super().backward(dE_dy)
        return dE_dx, {name: g for name, g in gradients.items() if name != "weight"}


class Shortcut(Dense):
    """The inputs, and behind them the outputs of a dense layer."""

    def forward(self, x: Array, training: bool) -> Array:
        return np.hstack([x, super().forward(x, training)])

    def backward(self, dE_dy: Array) -> tuple[Array, dict[str, Array]]:
        inputs = len(self.weight)
        dE_dx, gradients = super().backward(dE_dy[:, inputs:])
        return dE_dx + dE_dy[:, :inputs], gradients


@dataclass
class SharedDense:
    """y_i = f((x_i * r_i) W * s_i + b_i) for the members i, side by side; `separate` members have a W_i each.

    Where the members begin x_i = x. What a member has of its own has an axis of members in front.
    """

    members: int
    weight: Array
    bias: Array | None = None
    r: Array | None = None
    s: Array | None = None
    activation: str = "identity"
    params: dict[str, Any] = field(default_factory=dict)
    slope: Array | None = None
    drawn: Array | None = None

    @classmethod
    def twin(cls, layer: Any, named: dict[str, Array], units: int, draw: Draw) -> "SharedDense":
        scales = named.get("input_scale"), named.get("output_scale")
        made = cls(layer.members, named["weight"], named.get("bias"), *scales)
        f = layer.activation
        made.activation, made.params = f.name, f.params
        if f.name == "rrelu":
            made.drawn = draw(random.slopes, f.params["lower"], f.params["upper"])
        if f.name == "prelu":
            made.params, made.slope = {}, named["slope"]
        return made

    def parameters(self) -> dict[str, Array]:
        named = {"weight": self.weight, "bias": self.bias, "slope": self.slope}
        named |= {"input_scale": self.r, "output_scale": self.s}
        return {name: array for name, array in named.items() if array is not None}

    def forward(self, x: Array, training: bool) -> Array:
        fan_in = self.weight.shape[-2]
        self.begins = x.shape[1] == fan_in
        self.x = np.repeat(x[:, None], self.members, axis=1) if self.begins else x.reshape(len(x), -1, fan_in)
        self.scaled = self.x if self.r is None else self.x * self.r
        self.product = self._multiply(self.scaled, self.weight)
        self.z = self.product if self.s is None else self.product * self.s
        if self.bias is not None:
            self.z = self.z + self.bias
        f, params = ACTIVATIONS[self.activation], self.params if self.slope is None else {"a": self.slope}
        if training and self.drawn is not None:
            f, params = ACTIVATIONS["prelu"], {"a": self.drawn.reshape(self.z.shape)}
        self.f_prime = f.training(self.z, **params)
        return f.value(self.z, **params).reshape(len(x), -1)

    def backward(self, dE_dy: Array) -> tuple[Array, dict[str, Array]]:
        dE_dy = dE_dy.reshape(self.z.shape)
        delta = dE_dy * self.f_prime
        gradients = {}
        if self.bias is not None:
            gradients["bias"] = _sum_to(self.bias, delta)
        if self.slope is not None:
            gradients["slope"] = _sum_to(self.slope, dE_dy * prelu_slope_derivative(self.z))
        if self.s is not None:
            gradients["output_scale"] = _sum_to(self.s, delta * self.product)
            delta = delta * self.s
        own = np.einsum("rki,rku->kiu", self.scaled, delta)
        gradients["weight"] = own if self.weight.ndim == 3 else own.sum(axis=0)
        dE_dx = self._multiply(delta, np.swapaxes(self.weight, -1, -2))
        if self.r is not None:
            gradients["input_scale"] = _sum_to(self.r, dE_dx * self.x)
            dE_dx = dE_dx * self.r
        return dE_dx.sum(axis=1) if self.begins else dE_dx.reshape(len(dE_dy), -1), gradients

    @staticmethod
    def _multiply(x: Array, weight: Array) -> Array:
        return np.einsum("rki,kiu->rku" if weight.ndim == 3 else "rki,iu->rku", x, weight)


def _sum_to(parameter: Array, terms: Array) -> Array:
    """The sum over the rows, and over the members where they share the parameter."""
    return terms.sum(axis=0) if parameter.ndim == 2 else terms.sum(axis=(0, 1))


@dataclass
class Embedding:
    """v = H C: H says which category a row has, h_k = 1 where x = k, and row k of C is the code of category k.

    Codes are learned, W; or one-hot, the identity (of two categories: +1 and -1). The other columns come first.
    """

    columns: list[int]
    codes: list[Array]
    learned: list[bool]

    @classmethod
    def twin(cls, layer: Any, named: dict[str, Array], units: int, draw: Draw) -> "Embedding":
        learned = [count > layer.one_hot for count in layer.categories]
        ends = np.cumsum([count if own else 0 for count, own in zip(layer.categories, learned, strict=True)])
        codes = [
            named["weight"][end - count : end] if own else np.array([[1.0], [-1.0]]) if count == 2 else np.eye(count)
            for count, own, end in zip(layer.categories, learned, ends, strict=True)
        ]
        return cls(list(layer.columns), codes, learned)

    def parameters(self) -> dict[str, Array]:
        own = [code for code, learned in zip(self.codes, self.learned, strict=True) if learned]
        return {"weight": np.vstack(own)} if own else {}

    def forward(self, x: Array, training: bool) -> Array:
        self.others = np.delete(np.arange(x.shape[1]), self.columns)
        self.H = [
            (x[:, [column]] == np.arange(len(code))).astype(float)
            for column, code in zip(self.columns, self.codes, strict=True)
        ]
        return np.hstack([x[:, self.others], *(H @ C for H, C in zip(self.H, self.codes, strict=True))])

    def backward(self, dE_dy: Array) -> tuple[Array, dict[str, Array]]:
        dE_dx = np.zeros((len(dE_dy), len(self.others) + len(self.columns)))
        dE_dx[:, self.others], own = np.split(dE_dy, [len(self.others)], axis=1)
        parts = np.split(own, np.cumsum([code.shape[1] for code in self.codes])[:-1], axis=1)
        dE_dC = [H.T @ delta for H, delta, learned in zip(self.H, parts, self.learned, strict=True) if learned]
        return dE_dx, {"weight": np.vstack(dE_dC)} if dE_dC else {}


@dataclass
class NumericEmbedding:
    """z_u = b_u + sum_k w_uk p_k(x) of every column alone, y = [the other columns, x, f(z)].

    Arrays are (..., columns); `p` and `p_prime` below say what p is, its slopes, and its own parameters' gradients.
    """

    columns: list[int]
    kind: str
    named: dict[str, Array]
    keep_input: bool
    f: Activation

    @classmethod
    def twin(cls, layer: Any, named: dict[str, Array], units: int, draw: Draw) -> "NumericEmbedding":
        slope = {name: array for name, array in named.items() if name == "slope"}
        f = Activation.twin(layer, slope, named["bias"].size, draw)
        return cls(list(layer.columns), layer.kind, named, layer.keep_input, f)

    def parameters(self) -> dict[str, Array]:
        return {name: array for name, array in self.named.items() if name != "edges"}

    def p(self, x: Array) -> Array:
        """(rows, features, columns)."""
        if self.kind == "linear":
            return x[:, None]
        if self.kind == "periodic":
            self.angle = 2 * np.pi * self.named["frequency"] * x[:, None] + self.named.get("phase", 0)
            return np.cos(self.angle) if "phase" in self.named else np.hstack([np.cos(self.angle), np.sin(self.angle)])
        edges = self.named["edges"]
        width, last = np.diff(edges, axis=0), edges[1:] == edges[-1]
        self.slope = np.where(width > 0, 1 / np.where(width > 0, width, 1), 0)
        p = (x[:, None] - edges[:-1]) * self.slope
        low, high = np.zeros_like(width), np.where(last, np.inf, 1)
        low[0] = -np.inf
        self.inside = (p > low) & (p < high)
        return np.clip(p, low, high)

    def p_prime(self, dE_dp: Array) -> tuple[Array, dict[str, Array]]:
        if self.kind == "linear":
            return dE_dp[:, 0], {}
        if self.kind == "piecewise_linear":
            return np.sum(dE_dp * self.inside * self.slope, axis=1), {}
        frequency = self.named["frequency"]
        count = len(frequency)
        dE_dangle = -np.sin(self.angle) * dE_dp[:, :count]
        if "phase" not in self.named:
            dE_dangle += np.cos(self.angle) * dE_dp[:, count:]
        gradients = {"frequency": 2 * np.pi * np.sum(dE_dangle * self.own[:, None], axis=0)}
        if "phase" in self.named:
            gradients["phase"] = dE_dangle.sum(axis=0)
        return 2 * np.pi * np.sum(dE_dangle * frequency, axis=1), gradients

    def forward(self, x: Array, training: bool) -> Array:
        columns = self.columns or list(range(x.shape[1]))
        self.chosen, self.others = columns, np.delete(np.arange(x.shape[1]), columns)
        self.own = x[:, columns]
        self.features = self.p(self.own)
        bias = self.named["bias"]
        self.w = self.named["weight"].reshape(self.features.shape[1], *bias.shape)
        z = bias + np.einsum("ikj,kuj->iuj", self.features, self.w)
        y = self.f.forward(z.reshape(len(x), -1), training)
        return np.hstack([x[:, self.others], *([self.own] if self.keep_input else []), y])

    def backward(self, dE_dy: Array) -> tuple[Array, dict[str, Array]]:
        bias = self.named["bias"]
        delta, gradients = self.f.backward(dE_dy[:, -bias.size :])
        delta = delta.reshape(len(dE_dy), *bias.shape)
        gradients["bias"] = delta.sum(axis=0)
        gradients["weight"] = np.einsum("ikj,iuj->kuj", self.features, delta).reshape(self.named["weight"].shape)
        dE_dx = np.zeros((len(dE_dy), len(self.others) + len(self.chosen)))
        dE_dx[:, self.others] = dE_dy[:, : len(self.others)]
        dE_dx[:, self.chosen], own = self.p_prime(np.einsum("iuj,kuj->ikj", delta, self.w))
        if self.keep_input:
            dE_dx[:, self.chosen] += dE_dy[:, len(self.others) : len(self.others) + len(self.chosen)]
        return dE_dx, {**gradients, **own}


@dataclass
class BatchNorm:
    """Each column to zero mean and unit variance over the batch, then scaled by gamma and shifted by beta.

    `weight` says how often each row of the batch counts; None: once.
    """

    gamma: Array
    beta: Array
    momentum: float = 0.1
    epsilon: float = 1e-5
    weight: Array | None = None

    @classmethod
    def twin(cls, layer: Any, named: dict[str, Array], units: int, draw: Draw) -> "BatchNorm":
        return cls(named["gamma"], named["beta"], layer.momentum, layer.epsilon)

    def __post_init__(self) -> None:
        self.running_mean = np.zeros_like(self.gamma)
        self.running_variance = np.ones_like(self.gamma)

    def parameters(self) -> dict[str, Array]:
        return {"gamma": self.gamma, "beta": self.beta}

    def forward(self, x: Array, training: bool) -> Array:
        self.training = training
        mean, variance = self.running_mean, self.running_variance
        if training:
            weight = np.ones(len(x)) if self.weight is None else self.weight
            self.share = (weight / weight.sum())[:, None]
            mean = np.sum(self.share * x, axis=0)
            variance = np.sum(self.share * (x - mean) ** 2, axis=0)
            rows = max(weight.sum(), 1 / np.sum(self.share**2))
            unbiased = variance * rows / (rows - 1)
            self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
            self.running_variance = (1 - self.momentum) * self.running_variance + self.momentum * unbiased
        self.scale = 1 / np.sqrt(variance + self.epsilon)
        self.normal = (x - mean) * self.scale
        return self.gamma * self.normal + self.beta

    def backward(self, dE_dy: Array) -> tuple[Array, dict[str, Array]]:
        gradients = {"gamma": np.sum(dE_dy * self.normal, axis=0), "beta": dE_dy.sum(axis=0)}
        dE_dn = dE_dy * self.gamma
        if self.training:
            dE_dn = dE_dn - self.share * (dE_dn.sum(axis=0) + self.normal * np.sum(dE_dn * self.normal, axis=0))
        return dE_dn * self.scale, gradients


@dataclass
class Scale:
    """y_j = x_j s_j."""

    scale: Array

    @classmethod
    def twin(cls, layer: Any, named: dict[str, Array], units: int, draw: Draw) -> "Scale":
        return cls(named["scale"])

    def parameters(self) -> dict[str, Array]:
        return {"scale": self.scale}

    def forward(self, x: Array, training: bool) -> Array:
        self.x = x
        return x * self.scale

    def backward(self, dE_dy: Array) -> tuple[Array, dict[str, Array]]:
        return dE_dy * self.scale, {"scale": np.sum(dE_dy * self.x, axis=0)}


@dataclass
class Dropout:
    """Inverted dropout with a given mask: True is kept."""

    probability: float
    mask: Array | None = None

    @classmethod
    def twin(cls, layer: Any, named: dict[str, Array], units: int, draw: Draw) -> "Dropout":
        return cls(layer.rate, draw(random.dropout_mask, layer.rate))

    def parameters(self) -> dict[str, Array]:
        return {}

    def forward(self, x: Array, training: bool) -> Array:
        self.factor = self.mask / (1 - self.probability) if training and self.mask is not None else np.ones(())
        return x * self.factor

    def backward(self, dE_dy: Array) -> tuple[Array, dict[str, Array]]:
        return dE_dy * self.factor, {}


@dataclass
class GaussianNoise:
    """Noise of the given draws from N(0, 1), times `deviation`."""

    deviation: float
    drawn: Array | None = None

    @classmethod
    def twin(cls, layer: Any, named: dict[str, Array], units: int, draw: Draw) -> "GaussianNoise":
        return cls(layer.deviation, draw(random.normals))

    def parameters(self) -> dict[str, Array]:
        return {}

    def forward(self, x: Array, training: bool) -> Array:
        return x + self.deviation * self.drawn if training and self.drawn is not None else x

    def backward(self, dE_dy: Array) -> tuple[Array, dict[str, Array]]:
        return dE_dy, {}


@dataclass
class Network:
    """Layers in order and a loss; parameters are named "<position>.<name>"."""

    layers: list[Any]
    loss: str
    loss_params: dict[str, Any] = field(default_factory=dict)

    def parameters(self) -> dict[str, Array]:
        return {f"{i}.{name}": p for i, layer in enumerate(self.layers) for name, p in layer.parameters().items()}

    def forward(self, x: Array, training: bool = False) -> Array:
        """The raw outputs."""
        for layer in self.layers:
            x = layer.forward(x, training)
        return x

    @property
    def members(self) -> int:
        return max((layer.members for layer in self.layers if isinstance(layer, SharedDense)), default=1)

    def predict(self, x: Array) -> Array:
        """Of an ensemble the mean of its members' predictions."""
        y = self.forward(x).reshape(len(x) * self.members, -1)
        return LOSSES[self.loss].predict(y).reshape(len(x), self.members, -1).mean(axis=1)

    def backward(self, dE_dy: Array) -> tuple[dict[str, Array], Array]:
        """Gradients by name, and dE/dx."""
        gradients = {}
        for i in reversed(range(len(self.layers))):
            dE_dy, own = self.layers[i].backward(dE_dy)
            gradients.update({f"{i}.{name}": g for name, g in own.items()})
        return gradients, dE_dy

    def loss_and_gradients(
        self,
        x: Array,
        t: Array,
        sample_weight: Array | None = None,
        l1: float = 0.0,
        l2: float = 0.0,
        training: bool = True,
    ) -> tuple[float, dict[str, Array], Array]:
        """The error averaged over the weight sum, plus the penalties; gradients by name; dE/dx.

        Of an ensemble the mean of its members' errors.
        """
        weight = np.ones(len(x)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        share = weight / weight.sum()
        for layer in self.layers:
            if isinstance(layer, BatchNorm):
                layer.weight = weight
        outputs = self.forward(x, training)
        share = np.repeat(share / self.members, self.members)
        y = outputs.reshape(len(share), -1)
        t = np.repeat(targets(t, y.shape[1]), self.members, axis=0)
        loss = LOSSES[self.loss]
        error = float(share @ loss.value(y, t, **self.loss_params))
        slope = share[:, None] * loss.derivative(y, t, **self.loss_params)
        gradients, dE_dx = self.backward(slope.reshape(outputs.shape))
        for name, w in self.parameters().items():
            if is_weight(name):
                error += float(l1 * np.abs(w).sum() + l2 * np.sum(w**2))
                gradients[name] = gradients[name] + l1 * np.sign(w) + 2 * l2 * w
        return error, gradients, dE_dx


def is_weight(name: str) -> bool:
    """Penalties and decay touch weights alone: no biases, batch-norm scales or learned slopes."""
    return name.endswith((".weight", ".frequency"))


@dataclass
class Normalizer:
    """Input normalisation: zero mean and unit variance; a constant column is only centred."""

    mean: Array
    scale: Array

    @classmethod
    def fit(cls, x: Array) -> "Normalizer":
        deviation = x.std(axis=0)
        return cls(x.mean(axis=0), np.where(deviation > 0, deviation, 1.0))

    def __call__(self, x: Array) -> Array:
        return (x - self.mean) / self.scale
