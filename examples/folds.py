"""Five-fold cross-validation: three networks on the same folds, and the epochs to train for.

python examples/folds.py
"""

import argparse
import time

from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import lamina
from lamina import plots


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", default="folds.png", help="where the picture is written")
    parser.add_argument("--quick", action="store_true", help="few epochs, to see that it runs")
    options = parser.parse_args()

    X, y = load_digits(return_X_y=True)
    results = {}
    for units in (8, 32, 128):
        layers = [lamina.Dense(units, activation="relu"), lamina.Dense(10)]
        net = lamina.Network(layers, n_inputs=64, loss="cross_entropy", normalize_inputs=True)
        started = time.perf_counter()
        results[f"{units} units"] = lamina.cross_validate(
            net, X, y, k=5, epochs=3 if options.quick else 200, scoring="accuracy"
        )
        print(f"{units} units: {results[f'{units} units']} in {time.perf_counter() - started:.2f} s")

    best = max(results, key=lambda name: results[name].mean)
    net = results[best].refit()
    print(f"{best} it is, trained on every row for {net.history.epochs} epochs")

    figure = Figure(figsize=(12, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    plots.fold_scores({name: cv.scores for name, cv in results.items()}, ax=left, label="accuracy")
    for history in results[best].histories:
        right.plot(range(1, history.epochs + 1), history.validation_loss, color="#1f77b4", alpha=0.35)
    mean = results[best].validation_curve
    right.plot(range(1, len(mean) + 1), mean, color="#444444", label="mean of the folds")
    right.axvline(results[best].best_epoch, color="#d95f02", linestyle=":", label="its lowest point")
    right.set(xlabel="epoch", ylabel="validation loss", yscale="log", title=best)
    right.legend()
    figure.savefig(options.picture, dpi=100)
    print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()
