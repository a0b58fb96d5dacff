"""Twenty random networks that cover every activation, loss, optimizer, layer, clipping and schedule there is.

As a program it prints what they give, as JSON: digests of all bits, and predictions for comparisons to a tolerance.
"""

import hashlib
import json
import sys

import numpy as np

import lamina

COUNT, ROWS, STEPS, INPUTS, OUTPUTS = 20, 83, 5, 7, 3
PARAMETERS_OF = {layer["name"]: set(layer["parameters"]) for layer in lamina.layers.describe()}
# Layers that go between others, and those with units that go where a dense one could.
BETWEEN = [name for name, parameters in PARAMETERS_OF.items() if "units" not in parameters]
WITH_SLOPES = ("prelu", "rrelu", "bipolar_relu")  # of their own: no parametric ones
IN_PLACE_OF_DENSE = [name for name in PARAMETERS_OF if name not in (*BETWEEN, "Dense", "Recurrent", "SharedDense")]


CATEGORIES = {0: 3, 2: 40}  # what the example of an embedding takes for categories, and how many of them


def example(layer, units=5, activation="tanh"):
    """A layer of this name, with `units` and `activation`, and some columns of its inputs, where it has them."""
    given = {"units": units, "activation": activation, "columns": (0, 2), "categories": tuple(CATEGORIES.values())}
    return getattr(lamina, layer)(**{name: given[name] for name in sorted(PARAMETERS_OF[layer] & set(given))})


def switched():
    """Each layer with each of its switches the other way, by a name for it."""
    layers = [(name, example(name)) for name in lamina.layers.names()]
    return {
        f"{name}-{switch}": type(layer)(**{**layer.params, switch: not value})
        for name, layer in layers
        for switch, value in layer.params.items()
        if isinstance(value, bool)
    }


def of_an_ensemble(layers, number):
    """The layers with the dense ones as those of three networks side by side, of each kind in turn."""

    def shared(layer, place):
        kind = ("mini", "full", "separate")[(number // 5 + place) % 3]
        start = ("signs", "normal")[number % 2]
        own = {name: layer.params[name] for name in ("units", "activation", "initializer")}
        if own["initializer"].name == "data_driven":  # which such layers refuse
            own["initializer"] = "lecun_normal"
        return lamina.SharedDense(**own, members=3, kind=kind, start=start)

    return [shared(layer, i) if isinstance(layer, lamina.Dense) else layer for i, layer in enumerate(layers)]


def dealt(names, number, hand):
    """The `hand`-th card of network `number`: consecutive networks get all of the names in turn."""
    return names[(number + hand * COUNT) % len(names)]


def build(number):
    rng = np.random.default_rng(number)
    activations = lamina.activations.names()
    layers = []
    if recurrent(number):
        kind, cut = ("elman", "jordan")[number % 2], (None, 2)[number // 5 % 2]
        layers.append(lamina.Recurrent(18, dealt(activations, number, 1), kind, number < 10, truncate=cut))
        if number < 10:
            layers.append(lamina.Recurrent(9, "tanh"))
    for hand in range(3):
        activation = dealt(activations, number, hand)
        options = {"parametrization": ("standard", "ntk")[(number + hand) % 2]}
        options["parametric"] = number % 4 == hand and activation not in WITH_SLOPES
        layers.append(lamina.Dense(int(rng.integers(1, 40)), activation, **options))
        between = [None, *BETWEEN][(number + hand) % (1 + len(BETWEEN))]
        if between is not None:
            layers.append(example(between, activation=dealt(activations, number, hand + 1)))
    if number % 5 == 1:
        layer = dealt(IN_PLACE_OF_DENSE, number // 5, 0)
        at = 0 if layer == "Embedding" else number % 3
        layers.insert(at, example(layer, number, dealt(activations, number, 3)))
    initializers = lamina.initializers.names()
    layers.append(lamina.Dense(OUTPUTS, initializer=dealt(initializers, number, 0)))
    return lamina.Network(
        of_an_ensemble(layers, number) if number % 10 in (2, 8) else layers,
        n_inputs=INPUTS,
        loss=dealt(lamina.losses.names(), number, 0),
        dtype=("float32", "float64")[number // 2 % 2],
        seed=number,
        normalize_inputs=number % 3 == 0,
    )


def recurrent(number):
    return number % 5 == 3


def samples(number, rng, rows):
    """Rows, or sequences and their lengths."""
    if not recurrent(number):
        x = rng.normal(size=(rows, INPUTS))
        return with_categories(x, rng) if isinstance(build(number).layers[0], lamina.Embedding) else x, None
    return rng.normal(size=(rows, STEPS, INPUTS)), rng.integers(1, STEPS + 1, rows)


def with_categories(x, rng):
    """The rows, with categories where `example` expects them; some are no category."""
    for column, count in CATEGORIES.items():
        x[:, column] = rng.integers(-1, count + 1, len(x))
    return x


def targets(net, rng):
    kind = net.loss.targets
    if kind == "classes":
        return rng.integers(OUTPUTS, size=ROWS)
    if kind == "binary":
        return rng.integers(2, size=(ROWS, OUTPUTS)).astype(float)
    if kind == "count":
        return rng.poisson(2.0, size=(ROWS, OUTPUTS)).astype(float)
    return rng.normal(size=(ROWS, OUTPUTS))


def optimizer(number):
    rates = {"SGD": 1e-3, "Rprop": 1e-3, "Quickprop": 1e-4}
    name = dealt(lamina.optimizers.names(), number, 0)
    chosen = getattr(lamina, name)(lr=rates.get(name, 1e-3))
    return lamina.SAM(chosen) if number % 5 == 4 else chosen


def schedule(number):
    schedules = [None, *(getattr(lamina.schedules, name) for name in lamina.schedules.names())]
    chosen = dealt(schedules, number, 0)
    if chosen is None:
        return None
    needed = {"Step": (2,), "Warmup": (1.5, lamina.schedules.Cosine())}
    return chosen(*needed.get(chosen.__name__, ()))


def train(number, n_threads=None):
    """Return the trained network, its history and its predictions."""
    rng = np.random.default_rng(1000 + number)
    net = build(number)
    x, lengths = samples(number, rng, ROWS)
    x = x.astype(net.dtype)
    history = net.fit(
        x,
        targets(net, rng),
        epochs=3,
        batch_size=(12, 32, 83)[number % 3],
        optimizer=optimizer(number),
        schedule=schedule(number),
        l1=1e-4 * (number % 2),
        l2=1e-4 * (number % 3),
        clip=(None, lamina.ClipNorm(1.0), lamina.AGC(0.05), None)[number % 4],
        sample_weight=rng.uniform(0.5, 2, size=ROWS) if number % 2 else None,
        validation=0.2,
        n_threads=n_threads,
        lengths=lengths,
    )
    return net, history, net.predict(x, n_threads=n_threads, lengths=lengths)


def digest(net, history, predictions):
    digest = hashlib.sha256()
    for name, parameter in sorted(net.parameters.items()):
        digest.update(name.encode() + np.ascontiguousarray(parameter).tobytes())
    grown = isinstance(net, lamina.CascadeNetwork)
    losses = (history.error, history.validation_error) if grown else (history.loss, history.validation_loss)
    digest.update(np.array(losses).tobytes())
    digest.update(predictions.tobytes())
    return digest.hexdigest()


CASCADES = 6


def grow(number, n_threads=None):
    """Return a grown network, its history and its predictions, for number in 0 .. CASCADES - 1."""
    rng = np.random.default_rng(2000 + number)
    rows = (150, 4100)[number % 2]  # sums of more than one block
    x, logistic = rng.normal(size=(rows, INPUTS)), number % 3 == 1
    y = np.column_stack([np.sin(2 * x[:, 0]) * x[:, 1], x[:, 2] ** 2])
    net = lamina.CascadeNetwork(
        INPUTS,
        2,
        candidates=4,
        max_units=3,
        activation=(["tanh", "gaussian"], "softplus", ["relu", "bipolar_relu"])[number // 2],
        dtype=("float32", "float64")[number % 2],
        seed=number,
        normalize_inputs=number % 3 == 0,
    )
    history = net.fit(
        x,
        (y > y.mean(axis=0)).astype(int) if logistic else 40 + 7 * y,
        sample_weight=rng.uniform(0, 3, rows) * (rng.random(rows) > 0.1) if number % 2 == number // 2 % 2 else None,
        validation=0.2,
        optimizer=("quickprop", "rprop")[number // 2 % 2],
        output_epochs=20,
        candidate_epochs=20,
        n_threads=n_threads,
    )
    return net, history, net.predict(x, n_threads=n_threads)


if __name__ == "__main__":
    results = [train(number) for number in range(COUNT)]
    json.dump(
        {
            "level": lamina.simd_level(),
            "digests": [digest(*result) for result in results],
            "predictions": [result[2].tolist() for result in results],
            "cascades": [digest(*grow(number)) for number in range(CASCADES)],
        },
        sys.stdout,
    )
