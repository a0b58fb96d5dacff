"""Adaptive gradient clipping where plain descent fails, and sharpness-aware minimisation for a better minimum.

python examples/agc_and_sam.py
"""

import argparse
import warnings

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import lamina


def clipping(ax, epochs):
    X, y = load_digits(return_X_y=True)
    layers = [*(lamina.Dense(48, "relu") for _ in range(6)), lamina.Dense(10)]
    for name, clip in (("plain SGD", None), ("with AGC", lamina.AGC(0.01))):
        net = lamina.Network(layers, n_inputs=64, loss="cross_entropy", normalize_inputs=True)
        history = net.fit(X, y, epochs=epochs, optimizer=lamina.SGD(1.0), clip=clip, early_stopping=None)
        print(f"{name}: {history.stop_reason}; training loss of the last epoch {history.loss[-1]:.3g}")
        ax.plot(range(1, len(history.loss) + 1), history.loss, "o-", markersize=3, label=name)
    ax.set(xlabel="epoch", ylabel="training loss", yscale="log", title="Six layers of 48 units, SGD(1.0)")


def sharpness(ax, epochs, seeds):
    X, y = load_digits(return_X_y=True)
    (X, y), test = lamina.split(X / 16, y, fractions=(0.2, 0.8))
    for name, optimizer in (("Adam", lamina.Adam(1e-3)), ("SAM(Adam)", lamina.SAM(lamina.Adam(1e-3), rho=0.2))):
        losses = []
        for seed in range(seeds):
            layers = [lamina.Dense(128, "relu"), lamina.Dense(128, "relu"), lamina.Dense(10)]
            net = lamina.Network(layers, n_inputs=64, loss="cross_entropy", seed=seed)
            history = net.fit(X, y, epochs=epochs, optimizer=optimizer, validation=test, early_stopping=None)
            losses.append(history.validation_loss)
        curve = np.mean(losses, axis=0)
        print(f"{name}: lowest test loss {curve.min():.4f}, last {curve[-1]:.4f}, mean of {seeds} seeds")
        ax.plot(range(1, epochs + 1), curve, label=name)
    ax.set(xlabel="epoch", ylabel="test loss", yscale="log", title=f"{len(y)} rows of digits")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", default="agc_and_sam.png", help="where the picture is written")
    parser.add_argument("--quick", action="store_true", help="few epochs and one seed, to see that it runs")
    options = parser.parse_args()
    # Plain descent may diverge, or learn nothing: that is what is shown.
    warnings.simplefilter("ignore", lamina.DivergenceWarning)

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    clipping(left, 3 if options.quick else 20)
    sharpness(right, *((3, 1) if options.quick else (80, 5)))
    for ax in (left, right):
        ax.grid(alpha=0.25)
        ax.legend()
    figure.savefig(options.picture, dpi=100)
    print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()
