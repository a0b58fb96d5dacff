"""The course's method from start to end, on handwritten digits.

Normalise, search the hyper-parameters by validation, cross-validate what was found, train on every row for the folds'
best number of epochs, look at the network, and only then at the test set.

python examples/method.py
"""

import argparse

from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import lamina
from lamina import plots, space


def build(units, dropout, rate):
    layers = [lamina.Dense(units, activation="relu"), lamina.Dropout(dropout), lamina.Dense(10)]
    net = lamina.Network(layers, n_inputs=64, loss="cross_entropy", normalize_inputs=True)
    return net, {"optimizer": lamina.Adam(rate), "schedule": lamina.schedules.Exponential(0.97)}


SPACE = {
    "units": space.integer(16, 256, log=True),
    "dropout": (0.0, 0.6),
    "rate": space.loguniform(3e-4, 1e-2),
    "l2": space.loguniform(1e-6, 1e-3),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", default="method.png", help="where the picture is written")
    parser.add_argument("--quick", action="store_true", help="few trials and epochs, to see that it runs")
    options = parser.parse_args()
    epochs, trials = (4, 3) if options.quick else (120, 27)

    X, y = load_digits(return_X_y=True)
    (X_train, y_train), (X_test, y_test) = lamina.split(X, y, fractions=(0.8, 0.2))

    found = lamina.search(
        build, SPACE, X_train, y_train, validation=0.2, n_trials=trials, method="halving", epochs=epochs, verbose=1
    )
    print(found.table(5))

    net, fit_options = found.best_network()
    folds = lamina.cross_validate(net, X_train, y_train, k=5, **fit_options)
    print(folds)

    net = folds.refit()
    print(lamina.diagnose(net, X_train, y_train, **fit_options))
    right = (net.predict(X_test).argmax(axis=1) == y_test).mean()
    print(f"test accuracy {right:.2%} on {len(y_test)} rows that nothing above has seen")

    figure = Figure(figsize=(13, 9), layout="constrained")
    axes = figure.subplots(2, 2)
    plots.learning_curves(folds.histories[0], ax=axes[0, 0])
    plots.fold_scores(folds, ax=axes[0, 1], label="cross-entropy of the part left out")
    plots.gradient_flow(net, X_train, y_train, ax=axes[1, 0])
    plots.confusion_matrix(y_test, net.predict(X_test), ax=axes[1, 1])
    figure.savefig(options.picture, dpi=100)
    print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()
