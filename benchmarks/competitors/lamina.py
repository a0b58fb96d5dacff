"""lamina: `fit` over all resident batches, the optimizer's moments kept between calls."""

import lamina
from competitors import Unsupported
from tasks.tables import TableTask

#: The parameters of a table's network that are not those of dense layers, and what the task calls them.
OWN = {
    "0.weight": "embedding",
    "1.frequency": "frequency",
    "1.phase": "phase",
    "1.weight": "combine",
    "1.bias": "bias",
}
TRAINING = {"validation": None, "early_stopping": None, "shuffle": False, "resume": True}


def versions():
    return {"lamina": lamina.__version__, "lamina instruction set": lamina.simd_level()}


def build(task, arrays, threads):
    lamina.set_num_threads(threads)
    if task.kind == "fit":
        from competitors.sklearn import Fit

        return Fit(lamina.MLPClassifier, task)
    return Lamina(task, arrays)


def measure_peak(seconds):
    """GFLOP/s in float32 of one core, or None where this build cannot tell."""
    measure = getattr(lamina._core, "measure_peak", None)
    return None if measure is None else float(measure(seconds))


def layers(task):
    if isinstance(task, TableTask):
        return table_layers(task)
    result = []
    for k, units in enumerate(task.layers[1:]):
        if k == 0 and task.time_steps:
            result.append(lamina.Recurrent(units, activation="tanh"))
        elif k == len(task.layers) - 2:
            result.append(lamina.Dense(units))
        else:
            result.append(lamina.Dense(units, activation=task.activation))
            if task.batch_norm:
                result.append(lamina.BatchNorm())
            if task.dropout:
                result.append(lamina.Dropout(task.dropout))
    return result


def table_layers(task):
    numeric = tuple(range(task.numeric))
    columns = tuple(range(task.numeric, task.numeric + len(task.categories)))
    dense = {"parametrization": "ntk"}
    return [
        lamina.Embedding(columns, task.categories, task.category_units),
        lamina.NumericEmbedding(numeric, "periodic", task.frequencies, task.embedded),
        lamina.Scale(),
        *(lamina.Dense(units, task.activation, parametric=True, **dense) for units in task.layers[1:-1]),
        lamina.Dense(task.layers[-1], **dense),
    ]


class Lamina:
    def __init__(self, task, arrays):
        self.task = task
        self.X, self.y = arrays.X, arrays.y
        self.net = lamina.Network(layers(task), n_inputs=self.X.shape[-1], loss=task.loss)
        weights, biases = iter(arrays.weights), iter(arrays.biases)
        for name, array in self.net.parameters.items():
            kind = name.partition(".")[2]
            if (own := OWN.get(name)) in arrays.own:
                array[:] = arrays.own[own].reshape(array.shape)
            elif kind == "weight":
                array[:] = next(weights)
            elif kind == "bias":
                array[:] = next(biases)
            elif kind == "recurrent_weight":
                array[:] = arrays.recurrent
        self.optimizer = lamina.Adam(task.learning_rate)
        self.clip = None
        if task.sam:
            self.optimizer = lamina.SAM(self.optimizer, rho=task.sam)
        if task.agc:
            self.clip = lamina.AGC(task.agc)
        if next(weights, None) is not None:
            raise Unsupported("not every layer's weights were found")

    def run_steps(self, n):
        self.net.fit(
            self.X,
            self.y,
            epochs=n // self.task.batches,
            batch_size=self.task.batch,
            optimizer=self.optimizer,
            clip=self.clip,
            **TRAINING,
        )

    def loss(self):
        return float(self.net.evaluate(self.X, self.y))

    def prepare(self, X):
        return X

    def predict(self, X):
        return self.net.predict(X)
