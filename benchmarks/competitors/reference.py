"""The same training in NumPy float64, written for clarity: what every engine's loss is checked against."""

import numpy as np


def build(task, arrays, threads, early_epsilon=False):
    return Reference(task, arrays, early_epsilon)


class Reference:
    def __init__(self, task, arrays, early_epsilon):
        self.task, self.early_epsilon = task, early_epsilon
        self.X = arrays.X.astype(np.float64)
        self.y = np.eye(task.layers[-1])[arrays.y] if task.loss == "cross_entropy" else arrays.y.astype(np.float64)
        self.layers = [
            {"W": W.astype(np.float64), "b": b.astype(np.float64)}
            for W, b in zip(arrays.weights, arrays.biases, strict=True)
        ]
        if task.time_steps:
            self.layers[0]["U"] = arrays.recurrent.astype(np.float64)
        self.running = []
        if task.batch_norm:
            for layer in self.layers[:-1]:
                n = layer["b"].size
                layer["gamma"], layer["beta"] = np.ones(n), np.zeros(n)
                self.running.append([np.zeros(n), np.ones(n)])
        self.m, self.v = zeros_like(self.layers), zeros_like(self.layers)
        self.t = 0
        self.rng = np.random.default_rng(task.seed)

    def run_steps(self, n):
        for i in range(n):
            start = i % self.task.batches * self.task.batch
            self._step(self.X[start : start + self.task.batch], self.y[start : start + self.task.batch])

    def loss(self):
        return self._loss(self._forward(self.layers, self.X, training=False)[-1], self.y)

    def prepare(self, X):
        return X

    def predict(self, X):
        z = self._forward(self.layers, X.astype(np.float64), training=False)[-1]
        return probabilities(z, self.task.loss)

    def _loss(self, z, y):
        if self.task.loss == "cross_entropy":
            return float(np.mean(np.logaddexp.reduce(z, axis=1) - (y * z).sum(axis=1)))
        if self.task.loss == "binary_cross_entropy":
            return float(np.mean((np.logaddexp(0.0, z) - y * z).sum(axis=1)))
        return float(np.mean(0.5 * ((z - y) ** 2).sum(axis=1)))

    def _activate(self, z):
        return np.maximum(z, 0.0) if self.task.activation == "relu" else np.tanh(z)

    def _derivative(self, a):
        return (a > 0.0).astype(np.float64) if self.task.activation == "relu" else 1.0 - a * a

    def _forward(self, layers, X, training, update_running=False):
        """Per layer: its input, and for hidden ones the activation and what batch norm and dropout did; logits last."""
        kept, a = [], X
        for k, layer in enumerate(layers):
            if "U" in layer:
                states = [np.zeros((a.shape[0], layer["b"].size))]
                for t in range(a.shape[1]):
                    states.append(np.tanh(a[:, t] @ layer["W"] + states[-1] @ layer["U"] + layer["b"]))
                kept.append((a, states, None))
                a = states[-1]
                continue
            z = a @ layer["W"] + layer["b"]
            if k == len(layers) - 1:
                return [*kept, (a, None, None), z]
            hidden, norm = self._activate(z), None
            out = hidden
            if "gamma" in layer:
                out, norm = self._normalise(k, layer, hidden, training, update_running)
            mask = np.ones(())
            if training and self.task.dropout:
                keep = 1.0 - self.task.dropout
                mask = (self.rng.random(out.shape) < keep) / keep
            kept.append((a, hidden, (norm, mask)))
            a = out * mask
        raise AssertionError("a network ends with a dense layer")

    def _normalise(self, k, layer, h, training, update_running):
        mean, variance = (h.mean(0), h.var(0)) if training else self.running[k]
        if update_running:
            rows = h.shape[0]
            for running, seen in zip(self.running[k], (mean, variance * rows / (rows - 1)), strict=True):
                running += 0.1 * (seen - running)
        scale = 1.0 / np.sqrt(variance + 1e-5)
        normal = (h - mean) * scale
        return layer["gamma"] * normal + layer["beta"], (normal, scale)

    def _gradients(self, layers, X, y, update_running=True):
        *kept, z = self._forward(layers, X, training=True, update_running=update_running)
        d = (probabilities(z, self.task.loss) - y) / X.shape[0]
        gradients = [{} for _ in layers]
        for k in reversed(range(len(layers))):
            a, hidden, after = kept[k]
            if "U" in layers[k]:
                gradients[k] = through_time(layers[k], a, hidden, d)
                continue
            norm, mask = after or (None, 1.0)
            d = d * mask
            if norm is not None:
                normal, scale = norm
                gradients[k]["gamma"], gradients[k]["beta"] = (d * normal).sum(0), d.sum(0)
                d = layers[k]["gamma"] * d
                d = scale * (d - d.mean(0) - normal * (d * normal).mean(0))
            if hidden is not None:
                d = d * self._derivative(hidden)
            gradients[k]["W"], gradients[k]["b"] = a.T @ d, d.sum(0)
            d = d @ layers[k]["W"].T
        return gradients

    def _step(self, X, y):
        g = self._gradients(self.layers, X, y)
        if self.task.sam:
            norm = np.sqrt(sum(np.sum(v**2) for layer in g for v in layer.values())) + 1e-12
            moved = [
                {key: w + self.task.sam * gk[key] / norm for key, w in layer.items()}
                for layer, gk in zip(self.layers, g, strict=True)
            ]
            g = self._gradients(moved, X, y, update_running=False)
        if self.task.agc:
            for layer, gk in zip(self.layers[:-1], g[:-1], strict=True):
                for key in layer:
                    clip_units(layer[key], gk[key], self.task.agc)
        self.t += 1
        c1, c2 = 1.0 - 0.9**self.t, 1.0 - 0.999**self.t
        epsilon = 1e-8 / np.sqrt(c2) if self.early_epsilon else 1e-8
        for layer, gk, mk, vk in zip(self.layers, g, self.m, self.v, strict=True):
            for key in layer:
                mk[key] += 0.1 * (gk[key] - mk[key])
                vk[key] += 0.001 * (gk[key] ** 2 - vk[key])
                layer[key] -= self.task.learning_rate * (mk[key] / c1) / (np.sqrt(vk[key] / c2) + epsilon)


def zeros_like(layers):
    return [{key: np.zeros_like(w) for key, w in layer.items()} for layer in layers]


def probabilities(z, loss):
    if loss == "cross_entropy":
        return np.exp(z - np.logaddexp.reduce(z, axis=1)[:, None])
    return 1.0 / (1.0 + np.exp(-z)) if loss == "binary_cross_entropy" else z


def through_time(layer, X, states, d):
    g = {key: np.zeros_like(w) for key, w in layer.items()}
    for t in reversed(range(X.shape[1])):
        d = d * (1.0 - states[t + 1] ** 2)
        g["W"] += X[:, t].T @ d
        g["U"] += states[t].T @ d
        g["b"] += d.sum(0)
        d = d @ layer["U"].T
    return g


def clip_units(w, g, factor):
    """Adaptive clipping over fan-in, per output unit (arXiv 2102.06171)."""
    axis = 0 if w.ndim == 2 else ()
    wn = np.sqrt(np.sum(w**2, axis=axis)) if w.ndim == 2 else np.abs(w)
    gn = np.sqrt(np.sum(g**2, axis=axis)) if w.ndim == 2 else np.abs(g)
    limit = factor * np.maximum(wn, 1e-3)
    g *= np.where(gn > limit, limit / np.maximum(gn, 1e-6), 1.0)
