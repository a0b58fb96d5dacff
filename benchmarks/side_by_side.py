"""What folds and members trained side by side cost, in wall time of one fit: `python benchmarks/side_by_side.py`."""

import time

from sklearn.datasets import load_digits

import lamina

OPTIONS = {"epochs": 60, "early_stopping": None}
ROUNDS = 7


def network():
    layers = [lamina.Dense(64, activation="relu"), lamina.Dense(10)]
    return lamina.Network(layers, n_inputs=64, loss="cross_entropy", normalize_inputs=True)


def seconds(work):
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main():
    X, y = load_digits(return_X_y=True)
    X = X.astype("float32")
    works = {
        "one fit": lambda: network().fit(X, y, **OPTIONS),
        "five folds": lambda: lamina.cross_validate(network(), X, y, k=5, **OPTIONS),
        "ten members": lambda: lamina.Ensemble(network(), 10).fit(X, y, **OPTIONS),
    }
    times = {name: [] for name in works}
    for _ in range(ROUNDS):  # in turns, so that a busy moment is everybody's
        for name, work in works.items():
            times[name].append(seconds(work))
    one = min(times["one fit"])
    for name, taken in times.items():
        print(f"{name:<12} {1e3 * min(taken):8.1f} ms  {min(taken) / one:5.2f} fits")


if __name__ == "__main__":
    main()
