"""Two spirals, the classic task for cascade-correlation: 194 points, two classes wound around each other three times.

python examples/two_spirals.py             # 100 trials, and a picture of the first one's surface at every unit
python examples/two_spirals.py --trials 5 --picture ""

Fahlman and Lebiere (1990) solved it in all of 100 trials with 15.2 hidden units on average (12 to 19).
"""

import argparse
import time

import numpy as np

import lamina


def spirals():
    """Return the set of Carnegie Mellon's benchmark collection: (194, 2) points, and labels 0 and 1."""
    i = np.arange(97)
    angle, radius = i * np.pi / 16, 6.5 * (104 - i) / 104
    spiral = np.column_stack([radius * np.sin(angle), radius * np.cos(angle)])
    return np.concatenate([spiral, -spiral]), np.repeat([1.0, 0.0], 97)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--picture", default="two_spirals.png", help="where the picture is written; '' for none")
    options = parser.parse_args()
    x, y = spirals()
    kinds = {
        "tanh": {},
        "tanh, Rprop": {"optimizer": "rprop"},
        "logistic": {"activation": "logistic"},
        "gaussian": {"activation": "gaussian"},
        "tanh and gaussian": {"activation": ["tanh", "gaussian"]},
    }
    print(f"{'candidates':<18} {'solved':>9} {'units':>6} {'least':>6} {'most':>5} {'time':>9}")
    for name, settings in kinds.items():
        units, seconds, solved = [], [], 0
        for seed in range(options.trials):
            net = lamina.CascadeNetwork(2, 1, activation=settings.get("activation", "tanh"), seed=seed)
            start = time.perf_counter()
            history = net.fit(x, y, optimizer=settings.get("optimizer", "quickprop"))
            seconds.append(time.perf_counter() - start)
            units.append(net.n_units)
            solved += history.solved and bool((np.abs(net.predict(x)[:, 0] - y) <= 0.4).all())
        line = f"{name:<18} {solved:>3} of {options.trials:>3} {np.mean(units):>5.2f} {min(units):>6} {max(units):>5}"
        print(f"{line} {1e3 * np.mean(seconds):>6.1f} ms")
    if options.picture:
        net = lamina.CascadeNetwork(2, 1, seed=0)
        net.fit(x, y)
        lamina.plots_cascade.surfaces(net, x, y, options.picture)
        print(f"\n{net.summary()}\n\nthe surface at every unit: {options.picture}")


if __name__ == "__main__":
    main()
