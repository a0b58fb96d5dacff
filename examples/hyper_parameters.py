"""A search for hyper-parameters: 60 sets at random against successive halving, by the epochs they cost.

python examples/hyper_parameters.py
"""

import argparse
import time

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import lamina
from lamina import space

SPACE = {
    "units": space.integer(8, 128, log=True),
    "activation": ["relu", "gelu", "tanh", "logistic"],
    "rate": space.loguniform(1e-4, 1e-1),
    "l2": space.loguniform(1e-7, 1e-2),
}


def build(units, activation, rate):
    layers = [lamina.Dense(units, activation), lamina.Dense(10)]
    net = lamina.Network(layers, n_inputs=64, loss="cross_entropy", normalize_inputs=True)
    return net, {"optimizer": lamina.Adam(rate)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", default="hyper_parameters.png", help="where the picture is written")
    parser.add_argument("--quick", action="store_true", help="few trials and epochs, to see that it runs")
    options = parser.parse_args()
    trials, epochs = (6, 4) if options.quick else (60, 54)

    X, y = load_digits(return_X_y=True)
    (X, y), (X_test, y_test) = lamina.split(X, y, fractions=(0.7, 0.3))
    figure = Figure(figsize=(12, 4.5), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for ax, method in zip(axes, ("random", "halving"), strict=True):
        started = time.perf_counter()
        found = lamina.search(
            build, SPACE, X, y, validation=0.25, n_trials=trials, method=method, epochs=epochs, verbose=1
        )
        seconds = time.perf_counter() - started
        error = (found.refit().predict(X_test).argmax(axis=1) != y_test).mean()
        print(f"{method}: {len(found.trials)} fits in {seconds:.1f} s, test error {error:.2%}\n{found.table(3)}")
        fits = [trial for trial in found.trials if trial["score"] is not None]
        rates, scores = ([t["params"]["rate"] for t in fits], [t["score"] for t in fits])
        dots = ax.scatter(rates, scores, c=[np.log2(t["params"]["units"]) for t in fits], s=25, cmap="viridis")
        ax.set(xscale="log", yscale="log", xlabel="rate of Adam", title=f"{method}: {len(fits)} fits, {seconds:.1f} s")
        ax.grid(alpha=0.25)
    axes[0].set_ylabel("validation loss")
    figure.colorbar(dots, ax=axes, label="log2 of the units")
    figure.savefig(options.picture, dpi=100)
    print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()
