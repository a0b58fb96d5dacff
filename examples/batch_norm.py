"""Batch norm against none: a deep network of tanh units at low and high rates of learning.

python examples/batch_norm.py
"""

import argparse
import warnings

from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import lamina


def layers_of(batch_norm):
    layers = []
    for _ in range(6):
        layers += [lamina.Dense(48), *([lamina.BatchNorm()] if batch_norm else []), lamina.Activation("tanh")]
    return [*layers, lamina.Dense(10)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", default="batch_norm.png", help="where the picture is written")
    parser.add_argument("--quick", action="store_true", help="few epochs, to see that it runs")
    options = parser.parse_args()
    epochs = 2 if options.quick else 30
    # A rate that is too high shows in the curve; the warning would say it twice.
    warnings.simplefilter("ignore", lamina.DivergenceWarning)

    X, y = load_digits(return_X_y=True)
    figure = Figure(figsize=(12, 4.5), layout="constrained")
    for ax, rate in zip(figure.subplots(1, 3, sharey=True), (0.01, 0.1, 1.0), strict=True):
        for batch_norm, colour in ((False, "#d95f02"), (True, "#1f77b4")):
            net = lamina.Network(layers_of(batch_norm), n_inputs=64, loss="cross_entropy", normalize_inputs=True)
            history = net.fit(X, y, epochs=epochs, optimizer=lamina.SGD(rate), validation=0.2, early_stopping=None)
            label = "batch norm" if batch_norm else "none"
            print(f"rate {rate:g}, {label}: lowest validation loss {min(history.validation_loss):.4f}")
            ax.plot(range(1, len(history.validation_loss) + 1), history.validation_loss, color=colour, label=label)
        ax.set(xlabel="epoch", yscale="log", title=f"SGD({rate:g})")
        ax.grid(alpha=0.25)
        ax.legend()
    figure.axes[0].set_ylabel("validation loss")
    figure.savefig(options.picture, dpi=100)
    print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()
