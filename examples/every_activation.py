"""Every activation on the same task: two hidden layers on handwritten digits, five folds each.

python examples/every_activation.py
"""

import argparse

from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import lamina
from lamina import plots


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", default="every_activation.png", help="where the picture is written")
    parser.add_argument("--quick", action="store_true", help="one epoch and two folds, to see that it runs")
    options = parser.parse_args()
    settings = {"k": 2, "epochs": 1} if options.quick else {"k": 5, "epochs": 100}

    X, y = load_digits(return_X_y=True)
    scores = {}
    for name in lamina.activations.names():
        layers = [lamina.Dense(32, name), lamina.Dense(32, name), lamina.Dense(10)]
        net = lamina.Network(layers, n_inputs=64, loss="cross_entropy", normalize_inputs=True)
        cv = lamina.cross_validate(net, X, y, scoring="accuracy", **settings)
        scores[name] = cv.scores
        print(f"{name:14} accuracy {cv.mean:.4f} ± {cv.std:.4f}, best epoch {cv.best_epoch}")

    figure = Figure(figsize=(8, 13), layout="constrained")
    ordered = sorted(scores.items(), key=lambda item: item[1].mean())
    plots.fold_scores(dict(ordered), ax=figure.subplots(), label="accuracy on the part left out")
    figure.savefig(options.picture, dpi=100)
    print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()
