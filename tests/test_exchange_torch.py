"""Networks as PyTorch's modules and back: outputs, gradients and weights; what has no equal is refused by name."""

import copy
import io
import pickle
import warnings

import numpy as np
import pytest

import exchanged
import lamina
import zoo
from exchanged import OTHER_PARAMETERS, assert_same_weights

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.nn.utils import prune  # noqa: E402

torch.set_num_threads(1)
#: Of the largest output, or of 1.
TOLERANCE = {"float32": 1e-6, "float64": 1e-14}
trained = exchanged.trained
# Networks of the zoo go as they begin, too.
pytestmark = pytest.mark.filterwarnings("ignore:the first fit of the network is to normalise its inputs:UserWarning")


def assert_close(got, expected, dtype, factor=1):
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    size = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(got, expected, rtol=0, atol=factor * TOLERANCE[np.dtype(dtype).name] * size)


def outputs(module, x, lengths=None):
    with torch.no_grad():
        given = () if lengths is None else (torch.from_numpy(lengths),)
        return module(torch.from_numpy(x), *given).numpy()


def some(n, features, dtype="float64", seed=0):
    return np.random.default_rng(seed).normal(size=(n, features)).astype(dtype)


class TestZoo:
    @pytest.mark.parametrize("link", [False, True])
    @pytest.mark.parametrize("number", range(zoo.COUNT))
    def test_outputs_are_equal(self, number, link, trained):
        net, x, lengths = trained(number)
        module = lamina.to_torch(net, link=link)
        expected = (net.predict if link else net.forward)(x, lengths=lengths)
        assert_close(outputs(module, x, lengths), expected, net.dtype)
        assert_close(outputs(module, x[:1], None if lengths is None else lengths[:1]), expected[:1], net.dtype)

    @pytest.mark.parametrize("link", [False, True])
    @pytest.mark.parametrize("number", range(zoo.COUNT))
    def test_there_and_back_weights_are_the_same(self, number, link, trained):
        net, x, lengths = trained(number)
        module = lamina.to_torch(net, link=link)
        back = lamina.from_torch(module, loss=net.loss)
        assert_same_weights(back, net)
        assert back.dtype == net.dtype
        assert back.loss == net.loss
        np.testing.assert_array_equal(back.predict(x, lengths=lengths), net.predict(x, lengths=lengths))

    @pytest.mark.parametrize("number", range(zoo.COUNT))
    def test_a_state_and_the_layers_are_enough(self, number, trained):
        net, _, _ = trained(number)
        state = lamina.to_torch(net).state_dict()
        assert_same_weights(lamina.from_torch(state, net.layers, n_inputs=net.n_inputs, loss=net.loss), net)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
class TestActivation:
    def nets(self, activation, dtype):
        f = lamina.activations.get(activation, **OTHER_PARAMETERS.get(activation, {}))
        yield lamina.Network([lamina.Dense(6, f), lamina.Dense(2)], 4, dtype=dtype, seed=3)
        yield lamina.Network([lamina.Activation(f), lamina.Dense(2)], 4, dtype=dtype, seed=3)
        yield lamina.Network([lamina.Shortcut(5, f), lamina.Dense(2)], 4, dtype=dtype, seed=3)
        yield lamina.Network([lamina.NumericEmbedding(activation=f), lamina.Dense(2)], 4, dtype=dtype, seed=3)

    def test_outputs_are_equal(self, activation, dtype):
        x = np.concatenate([some(50, 4, dtype), 10 * some(50, 4, dtype), np.zeros((1, 4), dtype)])
        for net in self.nets(activation, dtype):
            module = lamina.to_torch(net)
            assert_close(outputs(module, x), net.forward(x), dtype)
            assert_same_weights(lamina.from_torch(module), net)

    def test_gradients_are_equal(self, activation, dtype):
        if activation == "rrelu":
            pytest.skip("what it draws in training is no one else's")
        x = np.concatenate([some(40, 4, dtype), 30 * some(40, 4, dtype, 1), 1000 * some(4, 4, dtype, 2)])
        y = some(len(x), 2, dtype)
        # PyTorch has 1/6 in single precision there.
        factor = 1e7 if (activation, dtype) == ("hard_sigmoid", "float64") else 100
        for net in self.nets(activation, dtype):
            far = not isinstance(net.layers[0], lamina.NumericEmbedding)  # whose waves have lost their digits there
            assert_gradients_are_equal(net, x if far else np.clip(x, -2, 2), y, factor=factor)


def assert_gradients_are_equal(net, x, y, lengths=None, factor=20):
    """d loss / d weights of a training pass, squared error, by PyTorch and by lamina."""
    module = lamina.to_torch(net).train()
    given = () if lengths is None else (torch.from_numpy(lengths),)
    out, t = module(torch.from_numpy(x), *given), torch.from_numpy(y)
    if out.ndim == t.ndim + 1:  # members
        out, t = out, t[:, None]
    (((out - t) ** 2).sum(dim=-1).mean() / 2).backward()
    _, expected = net.loss_and_gradients(x, y, lengths=lengths)
    back = copy.deepcopy(module)
    for parameter, source in zip(back.parameters(), module.parameters(), strict=True):
        assert source.grad is not None
        parameter.data = source.grad
    got = lamina.from_torch(back).parameters
    names = list(net.parameters)
    got = dict(zip(names, got.values(), strict=True))
    for name, gradient in expected.items():
        assert_close(got[name], gradient.astype(net.dtype), net.dtype, factor)


LAYERS = {
    "ntk": lamina.Dense(5, "tanh", parametrization="ntk"),
    "parametric": lamina.Dense(5, "silu", parametric=True),
    "parametric activation": lamina.Activation("tanh", parametric=True),
    "no bias": lamina.Dense(5, "relu", use_bias=False),
    "piecewise": lamina.NumericEmbedding((0, 3), "piecewise_linear", 4),
    "linear": lamina.NumericEmbedding(kind="linear", keep_input=False),
    "periodic": lamina.NumericEmbedding((2, 1), frequencies=3, bias=False, activation="prelu"),
    "one-hot": lamina.Embedding((0, 2), (2, 3), units=4, one_hot=2),
    "all one-hot": lamina.Embedding((2, 0, 1), (5, 2, 3), units=4, one_hot=9),
    **{kind: lamina.SharedDense(4, 3, "prelu", kind) for kind in ("mini", "full", "separate")},
}
LAYERS |= {name: zoo.example(name) for name in lamina.layers.names() if name != "Recurrent"}
LAYERS |= {name: layer for name, layer in zoo.switched().items() if not isinstance(layer, lamina.Recurrent)}


def net_of(layer, dtype="float64", **options):
    last = (
        lamina.SharedDense(2, layer.members, kind=layer.kind)
        if isinstance(layer, lamina.SharedDense)
        else lamina.Dense(2)
    )
    hidden = lamina.SharedDense(6, layer.members, "tanh") if isinstance(layer, lamina.SharedDense) else None
    net = lamina.Network([layer, *([hidden] if hidden else []), last], 6, dtype=dtype, seed=1, **options)
    rng = np.random.default_rng(5)
    for name, parameter in net.parameters.items():
        if name.endswith("edges"):
            parameter[...] = np.sort(rng.normal(size=parameter.shape), axis=0)
            parameter[-2:, 0] = parameter[-3, 0]  # a column with fewer bins
        else:
            parameter += 0.1 * rng.uniform(size=parameter.shape)
    return net


def rows_for(layer, dtype="float64"):
    x = some(60, 6, dtype)
    for column, count in zip(
        (getattr(layer, "categories", None) and layer.columns) or (), getattr(layer, "categories", ()), strict=True
    ):
        x[:, column] = np.random.default_rng(0).choice([*range(count), count, -1, 0.5], len(x))
    return x


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LAYERS)
def test_every_layer(name, dtype):
    layer = LAYERS[name]
    net, x = net_of(layer, dtype), rows_for(layer, dtype)
    module = lamina.to_torch(net)
    assert_close(outputs(module, x), net.forward(x), dtype)
    assert_same_weights(lamina.from_torch(module), net)
    if not isinstance(layer, (lamina.Dropout, lamina.GaussianNoise)):
        assert_gradients_are_equal(net, x, some(60, 2, dtype))


@pytest.mark.parametrize("name", LAYERS)
def test_a_module_goes_to_another_device_and_type(name):
    """Meta is the device that every machine has beside its own."""
    layer = LAYERS[name]
    net, x = net_of(layer, "float32"), rows_for(layer, "float32")
    module = lamina.to_torch(net).train()
    assert module.to("meta")(torch.empty(x.shape, device="meta")).device.type == "meta"
    double = lamina.to_torch(net).double()
    assert_close(outputs(double, x.astype("float64")), net.astype("float64").forward(x), "float64", 10)


@pytest.mark.parametrize("number", range(zoo.COUNT))
def test_every_network_goes_to_another_device(number):
    net = zoo.build(number)
    x, _ = zoo.samples(number, np.random.default_rng(0), 4)
    out = lamina.to_torch(net, link=True).to("meta")(torch.from_numpy(x.astype(net.dtype)).to("meta"))
    assert out.shape == net.predict(x).shape


RECURRENT = {
    f"{kind} {sequences} {cut} {f}": lamina.Recurrent(
        5, f, kind, sequences, cut, **({"outputs": 3, "output_activation": "prelu"} if kind == "jordan" else {})
    )
    for kind in ("elman", "jordan")
    for sequences in (False, True)
    for cut, f in ((None, "tanh"), (2, "prelu"), (1, "gaussian"))
}


@pytest.mark.parametrize("with_lengths", [False, True])
@pytest.mark.parametrize("name", RECURRENT)
def test_sequences(name, with_lengths):
    between = [lamina.BatchNorm(), lamina.Dense(4, "prelu")]
    layers = [lamina.Recurrent(6, return_sequences=True), *between, RECURRENT[name], lamina.Dense(2)]
    net = lamina.Network(layers, 3, dtype="float64", normalize_inputs=True)
    rng = np.random.default_rng(3)
    x, lengths = rng.normal(size=(20, 7, 3)), rng.integers(1, 8, 20) if with_lengths else None
    y = rng.normal(size=(20, 7, 2) if net.spec.each_step else (20, 2))
    net.fit(x, y, lengths=lengths, epochs=2)
    module = lamina.to_torch(net)
    assert_close(outputs(module, x, lengths), net.forward(x, lengths=lengths), "float64")
    assert_same_weights(lamina.from_torch(module), net)
    if not (with_lengths and net.spec.each_step):  # where the mean of the loss leaves out steps
        assert_gradients_are_equal(net, x, y, lengths)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("normalize", ["standard", "robust"])
def test_inputs_and_targets_are_brought_to_size(normalize, dtype):
    x = 100 + 30 * some(80, 4, dtype) ** 3
    y = 1000 + 50 * some(80, 2, dtype)
    layers = [lamina.Dense(6, "tanh"), lamina.Dense(2)]
    net = lamina.Network(layers, 4, dtype=dtype, normalize_inputs=normalize, normalize_targets=True)
    net.fit(x, y, epochs=3)
    far = np.concatenate([x, 1e4 * x, -1e12 * x])
    for link, expected in ((False, net.forward(far)), (True, net.predict(far))):
        module = lamina.to_torch(net, link=link)
        assert_close(outputs(module, far), expected, dtype)
        back = lamina.from_torch(module)
        np.testing.assert_array_equal((back.predict if link else back.forward)(far), expected)
    assert np.isfinite([p.grad.abs().sum() for p in backward(lamina.to_torch(net), far)]).all()


def backward(module, x):
    module(torch.from_numpy(x)).sum().backward()
    return list(module.parameters())


def test_batch_norm_keeps_the_same_statistics():
    net = lamina.Network([lamina.BatchNorm(momentum=0.3, epsilon=1e-3), lamina.Dense(1)], 4, dtype="float64")
    module = lamina.to_torch(net).train()
    x = 3 + 2 * some(30, 4)
    module(torch.from_numpy(x))
    net.fit(x, x[:, :1], epochs=1, batch_size=30, optimizer=lamina.SGD(1e-300), validation=None, early_stopping=None)
    np.testing.assert_allclose(module[0].running_mean, net.parameters["0.running_mean"], rtol=1e-14)
    np.testing.assert_allclose(module[0].running_var, net.parameters["0.running_variance"], rtol=1e-14)


def test_cascades_and_estimators_are_taken_for_their_networks():
    x = some(100, 3)
    y = np.sin(x[:, 0]) * x[:, 1]
    cascade = lamina.CascadeNetwork(3, max_units=3, candidates=2, dtype="float64", activation=["tanh", "bipolar_relu"])
    cascade.fit(x, y, output_epochs=20, candidate_epochs=20)
    assert_close(outputs(lamina.to_torch(cascade), x), cascade.forward(x), "float64")
    estimator = lamina.MLPClassifier((4,), solver="lbfgs", max_iter=2000, random_state=0, standardize=True)
    estimator.fit(x, y > 0)
    assert_close(outputs(lamina.to_torch(estimator, link=True), x)[:, 0], estimator.predict_proba(x)[:, 1], "float64")


def test_what_comes_out_is_a_usual_module():
    net = lamina.Network([lamina.Dense(8, "relu"), lamina.Dropout(0.3), lamina.BatchNorm(), lamina.Dense(3)], 5)
    before = torch.random.get_rng_state()
    module = lamina.to_torch(net)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert [type(m) for m in module] == [nn.Linear, nn.ReLU, nn.Dropout, nn.BatchNorm1d, nn.Linear]
    assert type(module) is nn.Sequential
    assert not module.training
    assert module.state_dict()["0.weight"].shape == (8, 5)
    net.parameters["0.weight"][:] = 0
    assert module.state_dict()["0.weight"].any()  # a copy
    for net in (zoo.build(1), zoo.build(3), zoo.build(8)):
        module = lamina.to_torch(net)
        x = torch.from_numpy(
            zoo.samples({1: 1, 3: 3, 8: 8}[net.seed], np.random.default_rng(0), 5)[0].astype(net.dtype)
        )
        file = io.BytesIO()
        torch.save(module, file)
        file.seek(0)
        for again in (torch.load(file, weights_only=False), pickle.loads(pickle.dumps(module)), copy.deepcopy(module)):
            assert torch.equal(again(x), module(x))
        assert repr(module)


@pytest.mark.parametrize("layer", [lamina.Activation("rrelu"), lamina.Scale(), lamina.Shortcut(3, "rrelu")], ids=str)
def test_slopes_are_drawn_in_training_alone(layer):
    net = lamina.Network([layer, lamina.Dense(1)], 4, dtype="float64")
    module, x = lamina.to_torch(net), torch.from_numpy(some(200, 4))
    assert torch.equal(module(x), module(x))
    module.train()
    draws = 0 if isinstance(layer, lamina.Scale) else 1
    assert torch.equal(module(x), module(x)) == (not draws)
    low, high = 1 / 8, 1 / 3
    if isinstance(layer, lamina.Activation):
        slopes = (module[0](x) / x)[x < 0]
        assert low <= slopes.min() < slopes.max() <= high
    if isinstance(layer, lamina.Shortcut):
        z = x @ module[0].weight + module[0].bias
        slopes = (module[0](x)[:, 4:] / z)[z < 0]
        assert low - 1e-9 <= slopes.min() < slopes.max() <= high + 1e-9


def test_a_normalisation_that_is_to_come_is_told():
    for options, told in (
        ({"normalize_inputs": True}, "inputs"),
        ({"normalize_inputs": "robust", "normalize_targets": True}, "inputs and targets"),
        ({"normalize_targets": True}, "targets"),
    ):
        net = lamina.Network([lamina.Dense(2)], 3, **options)
        with pytest.warns(UserWarning, match=f"is to normalise its {told}, and has not been") as warned:
            lamina.to_torch(net)
        assert warned[0].filename == __file__
        net.fit(some(20, 3), some(20, 2), epochs=1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            lamina.to_torch(net)


@pytest.mark.parametrize("number", [0, 2, 3, 9])
def test_training_goes_on_in_pytorch(number):
    net = zoo.build(number)
    rng = np.random.default_rng(0)
    x, _ = zoo.samples(number, rng, 60)
    module = lamina.to_torch(net).train()
    x = torch.from_numpy(x.astype(net.dtype))
    optimizer = torch.optim.Adam(module.parameters(), 1e-2)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = (module(x) - 0.3).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert np.isfinite(lamina.from_torch(module.eval()).forward(x.numpy())).all()


# In ---------------------------------------------------------------------------------------------------------------


ACTIVATION = nn.ReLU()


class OwnForward(nn.Module):
    """As most people write theirs."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.norm = nn.BatchNorm1d(8)
        self.block = nn.Sequential(nn.Linear(8, 7), nn.SiLU())
        self.drop = nn.Dropout(0.2)
        self.last = nn.Linear(7, 3)

    def forward(self, x):
        x = x.view(x.size(0), -1)
        x = functional.leaky_relu(self.norm(self.first(x)), 0.2)
        x = functional.gelu(self.drop(torch.tanh(self.block(x))), approximate="tanh").sigmoid()
        return functional.softmax(self.last(x), dim=1)


class Looping(nn.Module):
    """Functions, a list of modules, and an output without an axis."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.ModuleList([nn.Linear(6, 5), nn.Linear(5, 5)])
        self.out = nn.Linear(5, 1)

    def forward(self, x):
        x = torch.flatten(x, 1)
        for linear in self.hidden:
            x = functional.dropout(functional.relu(linear(x), inplace=True), 0.1, training=self.training)
        return functional.hardtanh(self.out(x), -1.0, 1.0).squeeze(-1)


class OfOneRNN(nn.Module):
    def __init__(self, state, layers=2):
        super().__init__()
        self.rnn = nn.RNN(6, 5, layers, nonlinearity="relu", batch_first=True)
        self.head = nn.Linear(5, 2)
        self.state = state

    def forward(self, x):
        out, state = self.rnn(x)
        if self.state == "state":
            return self.head(state[-1])
        return self.head(out[:, -1] if self.state == "last" else out)


MODULES = {
    "linear": lambda: nn.Linear(6, 2),
    "nested": lambda: nn.Sequential(
        nn.Flatten(),
        nn.Sequential(nn.Linear(6, 5), nn.Identity(), nn.Sequential(nn.ELU(0.3))),
        nn.Linear(5, 2, bias=False),
    ),
    "activations": lambda: nn.Sequential(
        *(nn.Linear(6, 6), nn.LeakyReLU(0.2), nn.Linear(6, 6), nn.Hardtanh(), nn.Hardtanh(0, 6), nn.Linear(6, 4)),
        *(nn.Softplus(), nn.PReLU(), nn.Linear(4, 3), nn.PReLU(3), nn.CELU(0.7), nn.GELU(), nn.Linear(3, 2)),
    ),
    "an activation for all": lambda: nn.Sequential(
        *(nn.Linear(6, 5), ACTIVATION, nn.Linear(5, 5), ACTIVATION, nn.Linear(5, 2))
    ),
    "norms": lambda: nn.Sequential(
        nn.BatchNorm1d(6, eps=1e-3, momentum=0.4),
        nn.Linear(6, 4),
        nn.BatchNorm1d(4, affine=False),
        nn.Dropout(0.1),
        nn.Linear(4, 2),
    ),
    "own forward": OwnForward,
    "looping": Looping,
    "rnn, every step": lambda: OfOneRNN("all"),
    "rnn, last step": lambda: OfOneRNN("last"),
    "rnn, last state": lambda: OfOneRNN("state", 1),
    "softmax": lambda: nn.Sequential(nn.Linear(6, 3), nn.Softmax(1)),
    "sigmoid": lambda: nn.Sequential(nn.Linear(6, 1), nn.Sigmoid()),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", MODULES)
def test_a_module_comes_in(name, dtype):
    torch.manual_seed(0)
    module = MODULES[name]().to(dtype).train()
    x = torch.randn(30, *((5,) if "rnn" in name else ()), 6, dtype=dtype)
    with torch.no_grad():
        for _ in range(3):
            module(x)
    module.eval()
    net = lamina.from_torch(module)
    assert net.dtype == {torch.float32: "float32", torch.float64: "float64"}[dtype]
    expected = outputs(module, x.numpy())
    assert_close(net.predict(x.numpy()), expected[:, None] if expected.ndim == 1 else expected, net.dtype)
    state = [
        p for name, p in module.state_dict().items() if "num_batches" not in name and not name.endswith("bias_hh_l0")
    ]
    got = {a.tobytes() for a in net.parameters.values()} | {a.T.tobytes() for a in net.parameters.values()}
    if "rnn" not in name and name != "activations":
        assert all(p.numpy().tobytes() in got for p in state)
    rng = np.random.default_rng(0)
    shape = (*x.shape[:-1], net.n_outputs) if net.spec.each_step else (30, net.n_outputs)
    y = (
        rng.integers(net.n_outputs, size=30)
        if net.loss.targets == "classes"
        else rng.integers(2, size=shape).astype(float)
    )
    before = net.evaluate(x.numpy(), y)
    net.fit(x.numpy(), y, epochs=30, validation=None, optimizer=lamina.Adam(3e-3), early_stopping=None)
    assert net.evaluate(x.numpy(), y) < before


@pytest.mark.parametrize(
    ("end", "given", "expected"),
    [
        (nn.Softmax(-1), None, "cross_entropy"),
        (nn.LogSoftmax(1), nn.NLLLoss(), "cross_entropy"),
        (nn.Sigmoid(), None, "binary_cross_entropy"),
        (nn.Sigmoid(), nn.BCELoss(), "binary_cross_entropy"),
        (nn.Sigmoid(), "squared_error", "squared_error"),
        (nn.Identity(), None, "squared_error"),
        (nn.Identity(), nn.CrossEntropyLoss(label_smoothing=0.1), "cross_entropy"),
        (nn.Identity(), nn.BCEWithLogitsLoss(), "binary_cross_entropy"),
        (nn.Identity(), nn.HuberLoss(delta=2.0), "huber"),
        (nn.Identity(), nn.PoissonNLLLoss(), "poisson"),
        (nn.Tanh(), "mae", "absolute_error"),
    ],
    ids=str,
)
def test_the_loss_has_the_end(end, given, expected):
    module = nn.Sequential(nn.Linear(4, 3), end).double()
    net = lamina.from_torch(module, loss=given)
    assert net.loss.name == expected
    assert net.loss.params.get("label_smoothing", 0) == (0.1 if getattr(given, "label_smoothing", 0) else 0)
    x = some(9, 4)
    raw = outputs(module, x)
    got = net.predict(x) if net.loss.link == "identity" or not isinstance(end, nn.Identity) else net.forward(x)
    np.testing.assert_allclose(got, np.exp(raw) if isinstance(end, nn.LogSoftmax) else raw, rtol=1e-12)


#: By loss: its link, and whether it takes what the link makes.
LOSSES = {
    "mse": ("identity", False),
    "poisson": ("exponential", False),
    "cross_entropy": ("softmax", False),
    "binary_cross_entropy": ("logistic", False),
    nn.L1Loss(): ("identity", False),
    nn.NLLLoss(): ("softmax", True),
    nn.BCELoss(): ("logistic", True),
    nn.CrossEntropyLoss(): ("softmax", False),
    nn.BCEWithLogitsLoss(): ("logistic", False),
    nn.PoissonNLLLoss(): ("exponential", False),
}
#: By module at the end: its link, and the links for whose losses it may make what they take.
ENDS = {
    nn.Identity(): ("identity", {"softmax", "logistic", "exponential"}),
    nn.Tanh(): ("identity", {"softmax", "logistic", "exponential"}),
    nn.ReLU(): ("identity", {"softmax", "logistic"}),
    nn.Softplus(): ("identity", {"softmax", "logistic"}),
    nn.Hardsigmoid(): ("identity", set()),
    nn.Sigmoid(): ("logistic", set()),
    nn.Softmax(-1): ("softmax", set()),
    nn.LogSoftmax(-1): ("softmax", set()),
}


@pytest.mark.parametrize("given", LOSSES, ids=str)
@pytest.mark.parametrize("end", ENDS, ids=str)
def test_outputs_are_the_module_s_or_the_loss_is_refused(end, given):
    """Its predictions, or where the loss takes logits or logarithms of rates, what these are made of."""
    module = nn.Sequential(nn.Linear(4, 3), end).double()
    x = some(9, 4)
    link, predicted = LOSSES[given]
    of_end, raw_for = ENDS[end]
    expected = outputs(module, x)
    if isinstance(end, nn.LogSoftmax):
        expected = np.exp(expected)
    if link == of_end or (link == "identity" and of_end == "logistic"):
        got = lamina.from_torch(module, loss=given).predict(x)
    elif link in raw_for and not predicted:
        got = lamina.from_torch(module, loss=given).forward(x)
    else:
        with pytest.raises(ValueError, match=r"goes with the loss|give another loss=\.\.\."):
            lamina.from_torch(module, loss=given)
        return
    np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("end", "given", "message"),
    [
        (nn.Sigmoid(), nn.NLLLoss(), r"loss=NLLLoss\(\) takes probabilities, and the model's last layer gives none"),
        (nn.Sigmoid(), nn.CrossEntropyLoss(), r"loss=CrossEntropyLoss\(\) takes logits, .* gives probabilities"),
        (nn.Softplus(), nn.PoissonNLLLoss(), r"loss=PoissonNLLLoss\(.*\) takes logarithms of rates, .* gives rates"),
        (nn.ReLU(), "poisson", "loss='poisson' takes logarithms of rates, .* gives rates"),
    ],
    ids=str,
)
def test_a_loss_that_does_not_go_with_the_end_is_refused(end, given, message):
    with pytest.raises(ValueError, match=message):
        lamina.from_torch(nn.Sequential(nn.Linear(4, 3), end), loss=given)


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Linear(4, 4)

    def forward(self, x):
        return x + self.one(x)


class Deciding(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


def calling(function, training=False):
    """A module that calls a function between two linear ones."""

    class Calling(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            return self.two(function(self.one(x)))

    return Calling().train(training)


class LastOfTwo(OfOneRNN):
    def forward(self, x):
        return self.head(self.rnn(x)[1][0])


class OwnSequence(nn.Sequential):
    def forward(self, x):
        return super().forward(x) + 1


class InOneMode(nn.Module):
    """Whose forward has a second step in evaluation, or in training, alone."""

    def __init__(self, training):
        super().__init__()
        self.one, self.two, self.in_training = nn.Linear(4, 4), nn.Linear(4, 4), training

    def forward(self, x):
        x = self.one(x)
        return self.two(x) if self.training == self.in_training else x


class DroppingByHand(nn.Module):
    """Whose forward drops in training alone, in each of the ways to say so, and once never."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.drop = nn.Linear(4, 4), nn.Linear(4, 4), nn.Dropout(0.1)

    def forward(self, x):
        x = functional.dropout(self.one(x), 0.2, self.training)
        if self.training:
            x = self.drop(functional.dropout(x, 0.3))
        return self.two(functional.dropout(x, 0.4, training=False))


class InPlace(nn.Module):
    """Whose activation changes what it is given; what it returns is gone on with, or not."""

    def __init__(self, goes_on):
        super().__init__()
        self.one, self.act, self.two, self.goes_on = nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Linear(4, 4), goes_on

    def forward(self, x):
        x = self.one(x)
        y = self.act(x)
        return self.two(y if self.goes_on else x)


#: Ways to change what is given.
IN_PLACE = {
    "by keyword": lambda h: functional.relu(h, inplace=True),
    "by place": lambda h: functional.leaky_relu(h, 0.01, True),
    "by name": lambda h: functional.relu_(h),
    "of torch": lambda h: torch.tanh_(h),
    "as a method": lambda h: h.sigmoid_(),
    "into itself": lambda h: torch.tanh(h, out=h),
}


def tied(key=lambda weight: weight):
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    module[2].weight = key(module[0].weight)
    return module


def with_hook(name, whole=False, hook=lambda *a: None, **options):
    module = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.ReLU()))
    getattr(module if whole else module[1][0], f"register_{name}")(hook, **options)
    return module


def replaced():
    module = nn.Sequential(nn.Linear(4, 4))
    module[0].forward = lambda x: x
    return module


def mixed_rnn():
    rnn = nn.RNN(4, 4, batch_first=True)
    module = OfOneRNN("all", 1)
    module.rnn, module.head = rnn, nn.Sequential(*[lamina.to_torch(lamina.Network([lamina.Shortcut(2)], 4))[0]] * 2)
    return module


SHARED = nn.Linear(4, 4)
NORM = nn.BatchNorm1d(4, affine=False)


class Repeating(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Linear(4, 4)

    def forward(self, x):
        return self.one(torch.relu(self.one(x)))


REFUSED = {
    "shared": (nn.Sequential(SHARED, nn.ReLU(), SHARED), r"module 0, Linear.* used more than once"),
    "statistics shared": (nn.Sequential(NORM, nn.Linear(4, 4), NORM), "module 0, BatchNorm1d.* used more than once"),
    "own layer shared": (mixed_rnn(), r"module head\.0, Layer.* used more than once"),
    "tied": (tied(), r"module 2, Linear.* its weight is the weight of module 0, Linear.*, too"),
    "tied memory": (
        tied(lambda weight: nn.Parameter(weight.detach().T)),
        r"module 2, Linear.* its weight is the weight of module 0, Linear",
    ),
    "forward hook": (with_hook("forward_hook"), r"module 1\.0, ReLU.* has a forward hook, .*<lambda>"),
    "forward hook of all": (with_hook("forward_hook", True), "the module Sequential .* has a forward hook"),
    "forward hook, keywords": (with_hook("forward_hook", with_kwargs=True), "has a forward hook"),
    "forward hook, always": (with_hook("forward_hook", always_call=True), "has a forward hook"),
    "forward pre-hook": (with_hook("forward_pre_hook", True), "the module Sequential .* has a forward pre-hook"),
    "forward pre-hook, keywords": (with_hook("forward_pre_hook", with_kwargs=True), "has a forward pre-hook"),
    "forward replaced": (replaced(), "module 0, Linear.* its forward was replaced by replaced"),
    "no weights yet": (nn.Sequential(nn.LazyLinear(3)), "module 0, LazyLinear.* no weights yet"),
    "compiled": (
        torch.compile(nn.Linear(4, 4), backend="eager"),
        "it is compiled: give the module that it was made of",
    ),
    "more in evaluation": (InOneMode(False).train(), "in training its forward computes something else"),
    "more in training": (InOneMode(True).eval(), "in training its forward computes something else"),
    "always drops, in training": (calling(lambda x: functional.dropout(x, 0.5), True), "drops in evaluation, too"),
    "shared in a forward": (Repeating(), r"module one, Linear.* used more than once"),
    "rows mixed": (calling(lambda x: x.view(-1, 2).view(-1, 4)), "view in the forward of .* rows have to stay rows"),
    "all flat": (calling(lambda x: torch.flatten(x)), "flatten in the forward of"),
    "always drops": (calling(lambda x: functional.dropout(x, 0.5)), "drops in evaluation, too"),
    "first layer's state": (LastOfTwo("state"), r"module rnn, RNN.* is a pair"),
    "softmax over steps": (
        nn.Sequential(nn.RNN(4, 4, batch_first=True), nn.Softmax(dim=1)),
        r"module 1, Softmax\(dim=1\), .* dim=-1; got dim=1",
    ),
    "bfloat16": (nn.Linear(4, 4).bfloat16(), "got torch.bfloat16"),
    "own sequence": (OwnSequence(nn.Linear(4, 4)), "add in the forward of the module OwnSequence"),
    "parameter": (
        nn.Sequential(nn.Linear(4, 4), nn.Dropout(1.0)),
        r"module 1, Dropout\(p=1.0.*, cannot be .* rate of Dropout",
    ),
    "conv": (
        nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.ReLU(), nn.Conv1d(4, 4, 1))),
        r"module 1\.1, Conv1d\(4, 4",
    ),
    "activation": (
        nn.Sequential(nn.Linear(4, 4), nn.Tanhshrink()),
        r"module 1, Tanhshrink\(\), cannot be brought over",
    ),
    "softplus": (nn.Sequential(nn.Linear(4, 4), nn.Softplus(2.0)), r"module 1, Softplus\(beta=2"),
    "early softmax": (
        nn.Sequential(nn.Linear(4, 4), nn.Softmax(1), nn.Linear(4, 2)),
        r"module 1, Softmax.* has to be the last",
    ),
    "softmax over rows": (nn.Sequential(nn.Linear(4, 4), nn.Softmax(0)), "dim=0"),
    **{
        f"in place, {name}": (
            calling(lambda h, change=change: (change(h), h)[1]),
            "the module Calling.* changes in place what its forward goes on with",
        )
        for name, change in IN_PLACE.items()
    },
    "in place, by a module": (InPlace(False), "the module InPlace.* act changes in place"),
    "branches": (Branching(), "the module Branching .* no chain"),
    "decides": (Deciding(), "the module Deciding .* cannot be followed"),
    "lstm": (nn.Sequential(nn.LSTM(4, 4)), r"module 0, LSTM\(4, 4\)"),
    "gru": (nn.GRU(4, 4), "GRU"),
    "time first": (nn.Sequential(nn.RNN(4, 4)), "batch_first=True"),
    "both ways": (nn.RNN(4, 4, batch_first=True, bidirectional=True), "both ways"),
    "no statistics": (
        nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4, track_running_stats=False)),
        "no running statistics",
    ),
    "half": (nn.Linear(4, 4).half(), "all float32 or all float64; got float16"),
    "mixed": (
        nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4).double()),
        r"got float32 .*, float64 \(weight of module 1",
    ),
    "width": (
        nn.Sequential(nn.Linear(4, 3), nn.Linear(4, 3)),
        r"the weight of module 1, Linear.* should be \(3, 3\).*got \(4, 3\)",
    ),
    "nothing": (nn.Sequential(), "no layer"),
    "no width": (nn.Sequential(nn.ReLU()), "n_inputs must be given"),
}


def test_rows_that_stay_rows_are_no_matter():
    for function in (
        lambda x: x.view(-1, 4),
        lambda x: x.reshape((x.size(0), -1)),
        lambda x: torch.flatten(x, 1),
        lambda x: functional.dropout(x, 0.5, False).relu_(),
    ):
        module = calling(function)
        x = some(5, 4, "float32")
        assert_close(lamina.from_torch(module).forward(x), outputs(module, x), "float32")


def test_what_drops_in_training_alone_is_dropout():
    for training in (False, True):
        module = DroppingByHand().train(training)
        module.one.train(not training)
        net = lamina.from_torch(module)
        assert [layer.rate for layer in net.layers if isinstance(layer, lamina.Dropout)] == [0.2, 0.3, 0.1]
        assert [part.training for part in module.modules()] == [training, not training, training, training]
        x = some(5, 4, "float32")
        assert_close(net.forward(x), outputs(module.eval(), x), "float32")


def test_a_hook_of_all_modules_is_refused():
    handle = nn.modules.module.register_module_forward_pre_hook(lambda *a: None)
    try:
        with pytest.raises(ValueError, match=r"the module Linear .* all modules have a forward pre-hook"):
            lamina.from_torch(nn.Linear(3, 2))
    finally:
        handle.remove()
    assert lamina.from_torch(nn.Linear(3, 2)).n_inputs == 3


OF_OTHER_WEIGHTS = {
    "weight_norm": nn.utils.weight_norm,
    "spectral_norm": nn.utils.spectral_norm,
    "pruned": lambda linear: prune.random_unstructured(linear, "weight", 0.5),
    "twice": lambda linear: prune.l1_unstructured(nn.utils.weight_norm(linear), "bias", 2),
    "parametrized by weight_norm": nn.utils.parametrizations.weight_norm,
    "parametrized by spectral_norm": nn.utils.parametrizations.spectral_norm,
}


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")
@pytest.mark.parametrize("kind", OF_OTHER_WEIGHTS)
def test_weights_that_are_made_of_others_are_those_of_evaluation(kind):
    def made(seed):
        torch.manual_seed(seed)
        return nn.Sequential(OF_OTHER_WEIGHTS[kind](nn.Linear(5, 4)), nn.Tanh(), nn.Linear(4, 2))

    module = made(0)
    module.load_state_dict(made(1).state_dict())
    module.train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    weight = vars(module[0]).get("weight")
    net = lamina.from_torch(module)
    assert all(part.training for part in module.modules())
    assert vars(module[0]).get("weight") is weight
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    x = some(20, 5, "float32")
    assert_close(net.forward(x), outputs(module.eval(), x), "float32")


def frozen(module, *names):
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(not any(name.startswith(each) for each in names))
    return module


def test_frozen_parameters_are_told():
    module = nn.Sequential(
        *(nn.Linear(4, 4), nn.PReLU(), nn.BatchNorm1d(4), nn.Linear(4, 3), nn.Dropout(0.1), nn.Linear(3, 2))
    )
    with pytest.warns(
        UserWarning, match="module 0, Linear.*, module 1, PReLU.*, module 3, Linear.* were frozen"
    ) as told:
        net = lamina.from_torch(frozen(module, "0.", "1.", "2.", "3.bias"))
    assert "rates={0: 0.0, 1: 0.0, '2.bias': 0.0}" in str(told[0].message)
    assert told[0].filename == __file__
    with pytest.warns(UserWarning, match=r"module rnn, RNN.* were frozen.*rates=\{0: 0\.0, '1\.weight': 0\.0\}"):
        lamina.from_torch(
            frozen(
                OfOneRNN("last"),
                *(f"rnn.{p}_l0" for p in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")),
                "rnn.weight_ih_l1",
                "rnn.bias_ih_l1",
            )
        )
    with pytest.warns(UserWarning, match=r"module 0, Layer.* were frozen.*rates=\{'0\.bias': 0\.0\}"):
        lamina.from_torch(frozen(lamina.to_torch(lamina.Network([lamina.Shortcut(2)], 4)), "0.bias"))
    x, y = some(40, 4, "float32"), some(40, 2, "float32")
    before = {name: array.copy() for name, array in net.parameters.items()}
    net.fit(x, y, epochs=2, rates={0: 0.0, 1: 0.0, "2.bias": 0.0})
    same = {name for name, array in net.parameters.items() if np.array_equal(array, before[name])}
    assert same == {name for name in before if name.startswith(("0.", "1."))} | {"2.bias"}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("error")
        lamina.from_torch(frozen(module))


@pytest.mark.parametrize("name", ["module", *(name for name in IN_PLACE if name != "into itself")])
def test_what_a_change_in_place_returns_may_be_gone_on_with(name):
    module = InPlace(True) if name == "module" else calling(IN_PLACE[name])
    x = some(20, 4, "float32")
    net = lamina.from_torch(module)
    np.testing.assert_allclose(net.predict(x), module.eval()(torch.from_numpy(x)).detach(), atol=1e-6)


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_equal_is_refused_by_name(name):
    module, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        lamina.from_torch(module)


def test_arguments_are_checked():
    net = lamina.Network([lamina.Dense(2)], 3)
    module = nn.Linear(3, 2)
    with pytest.raises(TypeError, match=r"net must be a lamina\.Network"):
        lamina.to_torch(module)
    with pytest.raises(TypeError, match="link must be True or False; got 1"):
        lamina.to_torch(net, link=1)
    with pytest.raises(TypeError, match="module must be"):
        lamina.from_torch(net)
    with pytest.raises(TypeError, match="layers must be given"):
        lamina.from_torch(module.state_dict())
    with pytest.raises(TypeError, match="layers goes with a state_dict"):
        lamina.from_torch(module, [lamina.Dense(2)])
    with pytest.raises(ValueError, match="n_inputs must be 3"):
        lamina.from_torch(module, n_inputs=4)
    with pytest.raises(TypeError, match="loss must be a name"):
        lamina.from_torch(module, loss=nn.CTCLoss())
    with pytest.raises(ValueError, match="class_weight"):
        lamina.from_torch(module, loss=nn.CrossEntropyLoss(torch.ones(2)))
    with pytest.raises(ValueError, match=r"loss=BCELoss\(\) takes probabilities"):
        lamina.from_torch(module, loss=nn.BCELoss())
    with pytest.raises(ValueError, match="goes with the loss cross_entropy"):
        lamina.from_torch(nn.Sequential(module, nn.Softmax(1)), loss="squared_error")
    broken = nn.Linear(3, 2)
    nn.init.constant_(broken.weight, float("nan"))
    with pytest.raises(ValueError, match="holds NaN"):
        lamina.from_torch(broken)
    custom = lamina.activations.custom(np.sin, np.cos, "sine")
    with pytest.raises(ValueError, match="custom activation 'sine'"):
        lamina.to_torch(lamina.Network([lamina.Dense(2, custom)], 3))


LOSSES_REFUSED = {
    "ignore_index": nn.CrossEntropyLoss(ignore_index=0),
    "ignore_index=1": nn.NLLLoss(ignore_index=1),
    "weight": nn.NLLLoss(torch.ones(3)),
    "pos_weight|weights": nn.BCEWithLogitsLoss(pos_weight=torch.ones(3)),
    "log_input": nn.PoissonNLLLoss(log_input=False),
    **{
        f"reduction='{how}'.*give {loss.__name__}": loss(reduction=how)
        for how in ("sum", "none")
        for loss in (
            *(nn.MSELoss, nn.L1Loss, nn.HuberLoss, nn.SmoothL1Loss, nn.CrossEntropyLoss, nn.NLLLoss),
            *(nn.BCEWithLogitsLoss, nn.BCELoss, nn.PoissonNLLLoss),
        )
    },
}


@pytest.mark.parametrize("message", LOSSES_REFUSED)
def test_options_that_change_a_loss_are_refused_by_name(message):
    with pytest.raises(ValueError, match=f"loss has .*{message}"):
        lamina.from_torch(nn.Linear(4, 3), loss=LOSSES_REFUSED[message])


def test_a_loss_of_ones_own_is_refused():
    class HuberLoss(nn.HuberLoss):
        def forward(self, y, t):
            return 0 * super().forward(y, t)

    with pytest.raises(TypeError, match="loss must be a name"):
        lamina.from_torch(nn.Linear(4, 3), loss=HuberLoss())
    hooked = nn.MSELoss()
    hooked.register_forward_hook(lambda *a: None)
    with pytest.raises(ValueError, match="loss has hooks"):
        lamina.from_torch(nn.Linear(4, 3), loss=hooked)


@pytest.mark.parametrize(
    ("given", "factor"),
    [
        (nn.MSELoss(), 2 / 3),
        (nn.L1Loss(), 1 / 3),
        (nn.HuberLoss(delta=0.4), 1 / 3),
        (nn.SmoothL1Loss(beta=0.4), 1 / 3 / 0.4),
        (nn.SmoothL1Loss(beta=0.0), 1 / 3),
        (nn.CrossEntropyLoss(), 1),
        (nn.CrossEntropyLoss(label_smoothing=0.2), 1),
        (nn.BCEWithLogitsLoss(), 1 / 3),
        (nn.PoissonNLLLoss(), 1 / 3),
    ],
    ids=str,
)
def test_a_loss_has_the_gradients_of_pytorch_s(given, factor):
    module = nn.Linear(4, 3).double()
    net = lamina.from_torch(module, loss=given)
    rng, x = np.random.default_rng(0), some(30, 4)
    y = {
        "classes": rng.integers(3, size=30),
        "binary": rng.integers(2, size=(30, 3)).astype(float),
        "count": rng.poisson(2.0, size=(30, 3)).astype(float),
    }.get(net.loss.targets, some(30, 3, seed=1))
    given(module(torch.from_numpy(x)), torch.from_numpy(y)).backward()
    _, gradients = net.loss_and_gradients(x, y)
    np.testing.assert_allclose(module.weight.grad.numpy().T, factor * gradients["0.weight"], rtol=1e-9)


def test_lengths_are_checked_as_here():
    net = lamina.Network([lamina.Recurrent(4), lamina.Dense(2)], 3)
    module = lamina.to_torch(net)
    x = torch.from_numpy(some(45, 3, "float32").reshape(3, 15, 3)[:, :5].copy())
    for wrong, error, message in (
        ([9, 1, 1], ValueError, r"lengths must lie in 1 \.\. 5, .*; got 9 for sample 0"),
        ([1, 0, 1], ValueError, r"lengths must lie in 1 \.\. 5, .*; got 0 for sample 1"),
        (torch.tensor([1, 1, -1]), ValueError, r"got -1 for sample 2"),
        ([1, 2], ValueError, r"lengths must have one entry for each of the 3 samples.*; got shape \(2,\)"),
        ([[1, 2, 3]], ValueError, r"got shape \(1, 3\)"),
        ([1.0, 2.0, 3.0], TypeError, "lengths must hold whole numbers; got dtype"),
    ):
        with pytest.raises(error, match=message):
            module(x, wrong)
        with pytest.raises(error, match=message.replace("torch", "")):
            net.forward(x.numpy(), lengths=np.asarray(wrong))
    assert_close(outputs(module, x.numpy(), np.array([5, 1, 2])), net.forward(x.numpy(), lengths=[5, 1, 2]), "float32")


def test_a_module_for_sequences_is_exported_with_lengths():
    module = lamina.to_torch(lamina.Network([lamina.Recurrent(4), lamina.Dense(2)], 3))
    x, lengths = torch.from_numpy(some(15, 3, "float32").reshape(3, 5, 3)), torch.tensor([5, 1, 2])
    exported = torch.export.export(module, (x, lengths)).module()
    assert torch.equal(exported(x, torch.tensor([1, 2, 4])), module(x, torch.tensor([1, 2, 4])))


@pytest.mark.parametrize("bias", [True, False])
def test_the_state_of_an_rnn_of_several_layers_comes_in(bias):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.RNN(3, 4, 2, bias=bias, batch_first=True)
            self.out = nn.Linear(4, 2)

        def forward(self, x):
            return self.out(self.rnn(x)[0])

    model = Model()
    layers = [lamina.Recurrent(4, return_sequences=True, use_bias=bias)] * 2
    net = lamina.from_torch(model.state_dict(), [*layers, lamina.Dense(2)])
    x = some(30, 3, "float32").reshape(6, 5, 3)
    assert_close(net.forward(x), outputs(model, x), "float32")
    assert_same_weights(net, lamina.from_torch(model))
    alone = lamina.from_torch(model.rnn.state_dict(), layers)
    assert_close(alone.forward(x), outputs(lambda x: model.rnn(x)[0], x), "float32")
    with pytest.raises(ValueError, match="layers are too few: nothing takes 'rnn, layer 1', 'out'"):
        lamina.from_torch(model.state_dict(), layers[:1])
    both = nn.RNN(3, 4, batch_first=True, bidirectional=True).state_dict()
    with pytest.raises(ValueError, match=r"takes 'layer 0' .* should be that of an RNN in one direction"):
        lamina.from_torch(both, layers[:1])


def test_tied_weights_of_a_state_are_refused():
    with pytest.raises(ValueError, match=r"'2' of the state_dict .* its weight is the weight of '0' of the state_dict"):
        lamina.from_torch(tied().state_dict(), [lamina.Dense(4, "relu"), lamina.Dense(4)])


def test_what_is_no_state_is_refused_in_a_line():
    module = nn.Linear(64, 40)
    with pytest.raises(TypeError, match="a state_dict has tensors alone; 'model' is something of type OrderedDict"):
        lamina.from_torch({"model": module.state_dict(), "epoch": 3}, [lamina.Dense(40)])
    with pytest.raises(TypeError, match="a state_dict has tensors alone; 'epoch' is 3"):
        lamina.from_torch({"epoch": 3}, [lamina.Dense(40)])
    with pytest.raises(
        TypeError, match=r"module must be a torch\.nn\.Module or a state_dict; got something of type list$"
    ):
        lamina.from_torch(list(module.parameters()), [lamina.Dense(40)])


def test_a_state_that_does_not_fit_is_refused():
    state = OwnForward().state_dict()
    layers = [
        lamina.Dense(8),
        lamina.BatchNorm(),
        lamina.Activation("leaky_relu"),
        lamina.Dense(7, "silu"),
        lamina.Dense(3),
    ]
    net = lamina.from_torch(state, layers)
    np.testing.assert_array_equal(net.parameters["0.weight"], state["first.weight"].numpy().T)
    np.testing.assert_array_equal(net.parameters["4.bias"], state["last.bias"].numpy())
    with pytest.raises(ValueError, match=r"layers are too few: nothing takes 'last'"):
        lamina.from_torch(state, layers[:-1])
    with pytest.raises(ValueError, match=r"layers\[5\], .* finds no parameters"):
        lamina.from_torch(state, [*layers, lamina.Dense(2)])
    with pytest.raises(
        ValueError, match=r"layers\[2\], .* takes 'norm' .* should be that of a Linear; got weight \(8,\)"
    ):
        lamina.from_torch(state, [layers[0], *layers[2:]])
    with pytest.raises(ValueError, match=r"the weight of layers\[0\], .* should be \(6, 9\)"):
        lamina.from_torch(state, [lamina.Dense(9), *layers[1:]])
