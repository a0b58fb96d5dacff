"""Dropout against none: a wide network on few rows, where it over-fits.

Without dropout the test loss falls for thirty epochs and rises ever after; with it, it falls for all of the 200 epochs
and ends lower, at 0.1297 instead of 0.1922. It is slower to fall: who stops both early, stops dropout too early.

python examples/dropout.py
"""

import argparse

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import lamina


def layers_of(rate):
    first = [lamina.Dropout(0.2)] if rate else []
    drop = [lamina.Dropout(rate)] if rate else []
    return [*first, lamina.Dense(256, "relu"), *drop, lamina.Dense(256, "relu"), *drop, lamina.Dense(10)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", default="dropout.png", help="where the picture is written")
    parser.add_argument("--quick", action="store_true", help="few epochs and one seed, to see that it runs")
    options = parser.parse_args()
    epochs, seeds = (3, 1) if options.quick else (200, 3)

    X, y = load_digits(return_X_y=True)
    (X, y), test = lamina.split(X / 16, y, fractions=(0.2, 0.8))
    figure = Figure(figsize=(8, 5), layout="constrained")
    ax = figure.subplots()
    for rate, colour in ((0.0, "#d95f02"), (0.5, "#1f77b4")):
        losses, errors = [], []
        for seed in range(seeds):
            net = lamina.Network(layers_of(rate), n_inputs=64, loss="cross_entropy", seed=seed)
            history = net.fit(X, y, epochs=epochs, validation=test, early_stopping=None)
            losses.append(history.validation_loss)
            errors.append((net.predict(test[0]).argmax(axis=1) != test[1]).mean())
        label = f"dropout {rate:g}" if rate else "no dropout"
        print(f"{label}: test loss {np.mean(losses, axis=0)[-1]:.4f}, error {np.mean(errors):.2%}, {seeds} seeds")
        ax.plot(range(1, epochs + 1), np.mean(losses, axis=0), color=colour, label=f"{label}, test")
        ax.plot(range(1, epochs + 1), history.loss, color=colour, linestyle=":", label=f"{label}, training")
    ax.set(
        xlabel="epoch",
        ylabel="cross-entropy",
        yscale="log",
        title=f"Two layers of 256 units on {len(y)} rows of digits",
    )
    ax.legend()
    ax.grid(alpha=0.25)
    figure.savefig(options.picture, dpi=100)
    print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()
