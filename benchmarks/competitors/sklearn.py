"""scikit-learn: `partial_fit` over all resident batches at once in float32, or a whole `fit`."""

import warnings

import numpy as np
import sklearn
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor

from competitors import Unsupported


def versions():
    return {"scikit-learn": sklearn.__version__}


def build(task, arrays, threads):
    if task.kind == "fit":
        return Fit(MLPClassifier, task)
    if not task.plain:
        raise Unsupported("scikit-learn's networks are plain dense ones")
    return Sklearn(task, arrays)


class Sklearn:
    """The number of threads is the BLAS's, set by the environment."""

    def __init__(self, task, arrays):
        self.task = task
        self.X = arrays.X
        # One column is a one-dimensional target to scikit-learn.
        self.y = arrays.y if arrays.y.ndim == 1 or arrays.y.shape[1] > 1 else arrays.y[:, 0]
        kind = MLPRegressor if task.loss == "squared_error" else MLPClassifier
        self.model = kind(
            hidden_layer_sizes=task.layers[1:-1],
            activation=task.activation,
            alpha=0.0,
            batch_size=min(task.batch, task.rows),
            learning_rate_init=task.learning_rate,
            shuffle=False,
        )
        self._start(arrays)

    def _start(self, arrays):
        """One throw-away step makes the arrays; the given weights and a fresh optimizer replace what it left."""
        classes = {}
        if self.task.loss != "squared_error":
            classes["classes"] = np.arange(max(2, self.task.layers[-1]))
        self.model.set_params(batch_size=1).partial_fit(self.X[:1], self.y[:1], **classes)
        self.model.set_params(batch_size=self.task.batch)
        for ours, given in zip(self.model.coefs_, arrays.weights, strict=True):
            ours[:] = given
        for ours, given in zip(self.model.intercepts_, arrays.biases, strict=True):
            ours[:] = given
        del self.model._optimizer

    def run_steps(self, n):
        for _ in range(n // self.task.batches):
            self.model.partial_fit(self.X, self.y)

    def loss(self):
        p = self.predict(self.X).astype(np.float64)
        if self.task.loss == "cross_entropy":
            return float(-np.mean(np.log(p[np.arange(len(p)), self.y])))
        if self.task.loss == "binary_cross_entropy":
            return float(-np.mean(np.log(np.where(self.y > 0, p[:, 1], p[:, 0]))))
        return float(np.mean(0.5 * (p - self.y) ** 2))

    def prepare(self, X):
        return X

    def predict(self, X):
        return self.model.predict(X) if self.task.loss == "squared_error" else self.model.predict_proba(X)


class Fit:
    """A whole fit of a scikit-learn style classifier, the number of epochs fixed."""

    def __init__(self, classifier, task):
        X, y = load_digits(return_X_y=True)
        X = (X / 16.0).astype(np.float32)
        self.X, self.X_test, self.y, self.y_test = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)
        epochs = 50
        self.model = classifier(
            hidden_layer_sizes=task.layers[1:-1],
            batch_size=task.batch,
            max_iter=epochs,
            n_iter_no_change=epochs,
            tol=0.0,
            random_state=0,
        )

    def run_steps(self, n):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            for _ in range(n):
                self.model.fit(self.X, self.y)

    def accuracy(self):
        return float(self.model.score(self.X_test, self.y_test))
