"""What other libraries call things, and what is written in lamina in their place: words for errors about attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = [
    "OF_A_HISTORY",
    "OF_A_NETWORK",
    "OF_CALLBACKS",
    "OF_NETWORKS",
    "OF_THE_PACKAGE",
    "no_attribute",
    "with_other_words",
]

T = TypeVar("T")

_GATES = "lamina has no gated cells: lamina.Recurrent(units) is its recurrent layer"
_CONVOLUTIONS = "lamina has no convolutions and no pooling; its layers are those of lamina.layers"
_ATTENTION = "lamina has no attention; its layers are those of lamina.layers"
_NETWORK = "write lamina.Network([lamina.Dense(16, activation='relu'), lamina.Dense(3)], n_inputs=4, loss=...)"
_INPUTS = "a network is told its inputs: lamina.Network(layers, n_inputs=4)"
_LOSS = "a loss is given by its name, lamina.Network(..., loss='cross_entropy'); see lamina.losses.names()"
_ROWS = "fit takes whole arrays, and batch_size="
_SEED = "the seed is the network's: lamina.Network(..., seed=0)"
_ARRAYS = "lamina takes NumPy arrays as they are"
_FLAT = "a row is a sample: write X.reshape(len(X), -1)"

#: Of `lamina`, by the name that was looked for.
OF_THE_PACKAGE = {
    **dict.fromkeys(("LSTM", "LSTMCell", "GRU", "GRUCell", "Bidirectional"), _GATES),
    **dict.fromkeys(("RNN", "SimpleRNN"), "write lamina.Recurrent(units)"),
    **dict.fromkeys(
        (
            f"{kind}{n}{d}"
            for kind in ("Conv", "MaxPool", "AvgPool", "MaxPooling", "AveragePooling")
            for n in "123"
            for d in "dD"
        ),
        _CONVOLUTIONS,
    ),
    **dict.fromkeys(("Attention", "MultiHeadAttention", "MultiheadAttention", "Transformer"), _ATTENTION),
    **dict.fromkeys(("LayerNorm", "LayerNormalization", "GroupNorm"), "lamina has lamina.BatchNorm() alone"),
    **dict.fromkeys(("BatchNormalization", "BatchNorm1d"), "write lamina.BatchNorm()"),
    **dict.fromkeys(("Sequential", "Model", "Module"), _NETWORK),
    **dict.fromkeys(("Input", "InputLayer"), _INPUTS),
    **dict.fromkeys(("Linear",), "write lamina.Dense(units)"),
    **dict.fromkeys(("Flatten", "Reshape"), _FLAT),
    **dict.fromkeys(
        ("ReLU", "Sigmoid", "Tanh", "GELU", "SiLU", "ELU", "Mish", "LeakyReLU", "Softplus"),
        "write lamina.Activation('relu'), or lamina.Dense(units, activation='relu'); see lamina.activations.names()",
    ),
    **dict.fromkeys(("Softmax", "LogSoftmax", "softmax"), "the softmax is the loss's: loss='cross_entropy'"),
    **dict.fromkeys(("CrossEntropyLoss", "MSELoss", "BCELoss", "BCEWithLogitsLoss", "L1Loss", "HuberLoss"), _LOSS),
    **dict.fromkeys(("Dataset", "DataLoader", "TensorDataset"), _ROWS),
    **dict.fromkeys(("Tensor", "tensor", "Variable", "from_numpy"), _ARRAYS),
    **dict.fromkeys(("seed", "set_seed", "manual_seed", "set_random_seed"), _SEED),
    **dict.fromkeys(("nn", "functional"), "layers, optimizers and functions are in lamina itself: see lamina.layers"),
    "optim": "see lamina.optimizers; lamina.Adam(1e-3) is one",
    "train_test_split": "write lamina.split(X, y, fractions=(0.8, 0.2))",
    **dict.fromkeys(("KFold", "cross_val_score"), "write lamina.cross_validate(net, X, y, k=5)"),
    **dict.fromkeys(("GridSearchCV", "RandomizedSearchCV", "Tuner"), "write lamina.search(build, space, X, y)"),
    **dict.fromkeys(("load_model", "read"), "write lamina.load(path)"),
    **dict.fromkeys(("save", "save_model"), "write net.save(path)"),
    **dict.fromkeys(("ModelCheckpoint", "Checkpoint"), "write lamina.callbacks.Checkpoint(path)"),
    **dict.fromkeys(("CSVLogger", "TensorBoard", "MLflow"), "it is in lamina.callbacks"),
    "ReduceLROnPlateau": "write net.fit(..., schedule=lamina.schedules.ReduceOnPlateau())",
    "LearningRateScheduler": "write net.fit(..., schedule=...), with one of lamina.schedules",
    **dict.fromkeys(
        ("MLP", "NeuralNetwork", "NeuralNet"), "lamina.MLPClassifier, lamina.MLPRegressor and lamina.Network"
    ),
    **dict.fromkeys(("LGBMClassifier", "XGBClassifier"), "for tables there is lamina.TabularClassifier"),
    **dict.fromkeys(("LGBMRegressor", "XGBRegressor"), "for tables there is lamina.TabularRegressor"),
}

_COMPILED = "there is nothing to compile: the loss is the network's, fit(..., optimizer=lamina.Adam(1e-3)) has the rest"
_WEIGHTS = "net.parameters has the weights by name, as arrays to read and to write"
_MODES = "there are no modes: fit trains, and predict is without dropout"
_PLACES = "lamina computes on the CPU"
_GRADIENTS = "net.loss_and_gradients(X, y) returns them, and fit takes the steps"
_TURN = "net.fit(X, y, epochs=1, resume=True, validation=None, early_stopping=None) goes on where the last fit ended"

#: Of all kinds of networks, likewise.
OF_NETWORKS = {
    **dict.fromkeys(("load_weights", "load"), "lamina.load(path) returns the network of a file"),
    "save_weights": "write net.save(path)",
    **dict.fromkeys(("train", "eval"), _MODES),
    **dict.fromkeys(("to", "cuda", "cpu"), _PLACES),
    **dict.fromkeys(
        ("predict_proba", "predict_on_batch"), "net.predict(X) returns probabilities where the loss has such"
    ),
    "predict_classes": "write net.predict(X).argmax(axis=1)",
    **dict.fromkeys(("get_params", "set_params"), "it is no estimator of scikit-learn's: lamina.MLPClassifier is one"),
}

#: Of `Network` alone: the others have not what these say.
OF_A_NETWORK = {
    "compile": _COMPILED,
    **dict.fromkeys(
        ("state_dict", "get_weights", "weights", "trainable_weights", "named_parameters", "coefs_"), _WEIGHTS
    ),
    **dict.fromkeys(("load_state_dict", "set_weights"), _WEIGHTS),
    **dict.fromkeys(("double", "float", "half"), "write net.astype('float64')"),
    **dict.fromkeys(("backward", "zero_grad", "grad"), _GRADIENTS),
    **dict.fromkeys(("train_on_batch", "partial_fit", "train_step"), _TURN),
    "score": "write net.evaluate(X, y), or net.evaluate(X, y, metric='accuracy')",
    **dict.fromkeys(("add", "append"), "the layers of a network are given at once: lamina.Network([...], n_inputs=4)"),
    **dict.fromkeys(("children", "modules", "get_layer"), "net.layers has the layers, and net.parameters the weights"),
    **dict.fromkeys(("count_params", "num_parameters"), "net.summary() counts the parameters"),
}

#: Of what `fit` returns, likewise.
OF_A_HISTORY = {
    "history": "it is what fit returns itself, and history.curves() has a list an epoch of each by name",
    "epoch": "history.epochs says how many there were",
    "params": "history.epochs says how many there were",
}

#: Of callbacks, by the name of their class.
OF_CALLBACKS = {
    "EarlyStopping": "a network's fit takes early_stopping=lamina.EarlyStopping(patience=10)",
    "ReduceLROnPlateau": "a network's fit takes schedule=lamina.schedules.ReduceOnPlateau()",
    "LearningRateScheduler": "a network's fit takes schedule=..., one of lamina.schedules or a callable",
    **dict.fromkeys(("ModelCheckpoint", "BackupAndRestore"), "write lamina.callbacks.Checkpoint(path)"),
    "CSVLogger": "write lamina.callbacks.CSVLogger(path)",
    "TensorBoard": "write lamina.callbacks.TensorBoard(folder)",
    "TerminateOnNaN": "a fit that diverges ends by itself, with its best weights back in place",
    "ProgbarLogger": "a network's fit takes verbose=1",
}


def no_attribute(owner: str, name: str, instead: dict[str, str]) -> AttributeError:
    """Return Python's error about an attribute that is not there, with what to write in its place."""
    told = f"{owner} has no attribute {name!r}"
    return AttributeError(f"{told}; {instead[name]}" if name in instead else told)


class _Absent:
    """An attribute that is not there, with advice.

    A class with `__getattr__` would say it shorter, and each look-up of what is there would take longer.
    """

    def __init__(self, name: str, advice: str) -> None:
        self._name, self._advice = name, advice

    def __get__(self, net: Any, owner: type) -> Any:
        for base in owner.__mro__:  # what a subclass mixes in comes after this
            found = base.__dict__.get(self._name, self)
            if not isinstance(found, _Absent):
                return found.__get__(net, owner) if hasattr(type(found), "__get__") else found
        raise no_attribute(f"{owner.__name__!r} object", self._name, {self._name: self._advice})


def with_other_words(*words: dict[str, str]) -> Callable[[type[T]], type[T]]:
    """Have a class of networks say what to write for names that other libraries have; `dir` does not show them."""

    def added(network: type[T]) -> type[T]:
        absent = {name: advice for each in words for name, advice in each.items() if not hasattr(network, name)}
        for name, advice in absent.items():
            setattr(network, name, _Absent(name, advice))

        def shown(self: Any) -> list[str]:
            """Return the names of what is there."""
            return [name for name in object.__dir__(self) if name not in absent or hasattr(self, name)]

        network.__dir__ = shown  # type: ignore[method-assign]
        return network

    return added
