"""PyTorch eager: tensor slices, no DataLoader, fused Adam; predictions call the functions themselves, no module."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from tasks.tables import TableTask

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "mish": nn.Mish}
FUNCTIONS = {"relu": torch.relu, "tanh": torch.tanh}
# Rows predicted at a time: three times as fast as all at once, whose activations leave the caches.
BLOCK = 4096
PROBABILITIES = {"cross_entropy": lambda z: torch.softmax(z, 1), "binary_cross_entropy": torch.sigmoid}


def versions():
    return {"torch": torch.__version__}


def build(task, arrays, threads, compiled=False):
    torch.set_num_threads(threads)
    return Torch(task, arrays, compiled)


class Elman(nn.Module):
    """The last state of `nn.RNN`, whose second bias is frozen at 0: it would double the step of the first."""

    def __init__(self, W, U, b):
        super().__init__()
        self.rnn = nn.RNN(W.shape[0], W.shape[1], batch_first=True)
        with torch.no_grad():
            self.rnn.weight_ih_l0.copy_(torch.from_numpy(W.T.copy()))
            self.rnn.weight_hh_l0.copy_(torch.from_numpy(U.T.copy()))
            self.rnn.bias_ih_l0.copy_(torch.from_numpy(b))
            self.rnn.bias_hh_l0.zero_()
        self.rnn.bias_hh_l0.requires_grad_(False)

    def forward(self, x):
        return self.rnn(x)[1][0]


class TableNetwork(nn.Module):
    """RealMLP's layers, each as few calls as there are: every column's embedding in one batched product."""

    def __init__(self, task, arrays):
        super().__init__()
        own = {name: torch.from_numpy(array) for name, array in arrays.own.items()}
        starts = np.cumsum((0, *task.categories[:-1]))
        self.register_buffer("starts", torch.from_numpy(starts))
        self.numeric = task.numeric
        self.codes = nn.Parameter(own["embedding"].clone())
        self.frequency = nn.Parameter(own["frequency"].T.contiguous())
        self.phase = nn.Parameter(own["phase"].T.contiguous())
        self.combine = nn.Parameter(own["combine"].permute(2, 0, 1).contiguous())  # (columns, frequencies, embedded)
        self.bias = nn.Parameter(own["bias"].T.contiguous())
        self.scale = nn.Parameter(torch.ones(task.layers[0]))
        self.weights = nn.ParameterList(torch.from_numpy(W.copy()) for W in arrays.weights)
        self.biases = nn.ParameterList(torch.from_numpy(b.copy()) for b in arrays.biases)
        self.slopes = nn.ParameterList(torch.ones(len(b)) for b in arrays.biases[:-1])
        self.f = ACTIVATIONS[task.activation]()

    def forward(self, x):
        numbers, groups = x[:, : self.numeric], x[:, self.numeric :].long() + self.starts
        codes = F.embedding(groups, self.codes).flatten(1)
        waves = torch.cos((2 * math.pi * numbers).unsqueeze(2) * self.frequency + self.phase)
        embedded = torch.baddbmm(self.bias.unsqueeze(1), waves.transpose(0, 1), self.combine)
        # By number, then by column, as lamina has them.
        x = torch.cat([codes, numbers, embedded.permute(1, 2, 0).flatten(1)], 1) * self.scale
        for W, b, a in zip(self.weights[:-1], self.biases[:-1], self.slopes, strict=True):
            v = torch.addmm(b, x, W, alpha=W.shape[0] ** -0.5)
            x = torch.lerp(v, self.f(v), a)
        W = self.weights[-1]
        return torch.addmm(self.biases[-1], x, W, alpha=W.shape[0] ** -0.5)


def network(task, arrays):
    if isinstance(task, TableTask):
        return TableNetwork(task, arrays)
    modules = []
    for k, (W, b) in enumerate(zip(arrays.weights, arrays.biases, strict=True)):
        if k == 0 and task.time_steps:
            modules.append(Elman(W, arrays.recurrent, b))
            continue
        dense = nn.Linear(*W.shape)
        with torch.no_grad():
            dense.weight.copy_(torch.from_numpy(W.T.copy()))
            dense.bias.copy_(torch.from_numpy(b))
        modules.append(dense)
        if k < len(arrays.weights) - 1:
            modules.append(ACTIVATIONS[task.activation]())
            if task.batch_norm:
                modules.append(nn.BatchNorm1d(W.shape[1]))
            if task.dropout:
                modules.append(nn.Dropout(task.dropout))
    return nn.Sequential(*modules)


class Torch:
    def __init__(self, task, arrays, compiled):
        self.task = task
        self.net = network(task, arrays)
        self.X = torch.from_numpy(arrays.X)
        self.y = torch.from_numpy(arrays.y)
        self.parameters = [p for p in self.net.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(self.parameters, lr=task.learning_rate, fused=True)
        last = {id(p) for p in list(self.net.children())[-1].parameters()}
        self.clipped = [p for p in self.parameters if id(p) not in last]
        self.objective, self.probabilities = self._objective, self._probabilities
        if compiled:
            self.objective = torch.compile(self._objective, dynamic=False)
            self.probabilities = torch.compile(self._probabilities, dynamic=True)

    def _objective(self, x, y):
        z = self.net(x)
        if self.task.loss == "cross_entropy":
            return F.cross_entropy(z, y)
        if self.task.loss == "binary_cross_entropy":
            return F.binary_cross_entropy_with_logits(z, y)
        return 0.5 * F.mse_loss(z, y)

    def _probabilities(self, x):
        for weight, bias in self.hidden:
            x = FUNCTIONS[self.task.activation](F.linear(x, weight, bias))
        z = F.linear(x, *self.last)
        return PROBABILITIES[self.task.loss](z) if self.task.loss in PROBABILITIES else z

    def run_steps(self, n):
        X, y, batch, rows, optimizer = self.X, self.y, self.task.batch, self.task.rows, self.optimizer
        start = 0
        for _ in range(n):
            x_batch, y_batch = X[start : start + batch], y[start : start + batch]
            optimizer.zero_grad(set_to_none=True)
            self.objective(x_batch, y_batch).backward()
            if self.task.sam:
                self._gradient_at_the_worst_neighbour(x_batch, y_batch)
            if self.task.agc:
                self._clip()
            optimizer.step()
            start = (start + batch) % rows

    @torch.no_grad()
    def loss(self):
        self.net.eval()
        value = float(self._objective(self.X, self.y))
        self.net.train()
        return value

    def prepare(self, X):
        # Tensors without gradients cost less a call than entering `inference_mode` each time.
        dense = [(m.weight.detach(), m.bias.detach()) for m in self.net if isinstance(m, nn.Linear)]
        *self.hidden, self.last = dense
        return torch.from_numpy(X)

    def predict(self, X):
        if X.shape[0] <= BLOCK:
            return self.probabilities(X)
        result = torch.empty(X.shape[0], self.task.layers[-1])
        for start in range(0, X.shape[0], BLOCK):
            result[start : start + BLOCK] = self.probabilities(X[start : start + BLOCK])
        return result

    def _gradient_at_the_worst_neighbour(self, x, y):
        gradients = [p.grad for p in self.parameters]
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients))) + 1e-12
        shift = torch._foreach_mul(gradients, self.task.sam / norm)
        with torch.no_grad():
            torch._foreach_add_(self.parameters, shift)
        self.optimizer.zero_grad(set_to_none=True)
        self.objective(x, y).backward()
        with torch.no_grad():
            torch._foreach_sub_(self.parameters, shift)

    @torch.no_grad()
    def _clip(self):
        for p in self.clipped:
            rows = (lambda t: t.norm(dim=1, keepdim=True)) if p.ndim == 2 else torch.abs
            limit = self.task.agc * rows(p).clamp_(min=1e-3)
            norm = rows(p.grad)
            p.grad.mul_(torch.where(norm > limit, limit / norm.clamp(min=1e-6), 1.0))
