"""The Mackey-Glass series (delay 17), predicted 84 steps ahead by a recurrent network that goes on from its own values.

The series is integrated with Runge and Kutta's method at a step of 0.1 from a random history (seed 0) and sampled every
1.0. Of 7,000 values the first 3,000 train the network to predict 6 steps ahead from 12 values 6 steps apart, 700 more
choose the best epoch, and the error of 14 such predictions in a row is that on the last 3,300, which it has not seen.
NRMSE is the root of the mean squared error over the standard deviation of the series.

Published for the same series and horizon (Jaeger, GMD report 148 (2001), section 6.4): an echo state network, that is a
recurrent network of 400 units whose outputs alone are trained, 0.00028 from as many values; the best of the rest, local
models on a self-organising map, 0.0088 from 10,000 values or more and 0.032 from about as many as here.

python examples/mackey_glass.py  # half a minute
"""

import argparse
import time

import numpy as np

import lamina

WINDOW, STRIDE, HORIZON = 12, 6, 84
TRAINING, VALIDATION, EPOCHS = 3000, 700, 3000


def mackey_glass(count, delay=17, step=0.1, seed=0):
    """x' = 0.2 x(t - delay) / (1 + x(t - delay)^10) - 0.1 x, `count` values 1.0 apart, after 1,000 to settle."""
    lag, every, settle = round(delay / step), round(1 / step), 1000
    x = np.random.default_rng(seed).uniform(1.1, 1.3, lag + 1).tolist()

    def slope(now, past):
        square = past * past
        fourth = square * square
        return 0.2 * past / (1 + fourth * fourth * square) - 0.1 * now  # no power, whose last bit machines differ in

    for _ in range((count + settle) * every - 1):
        now, past, next_past = x[-1], x[-1 - lag], x[-lag]
        middle = (past + next_past) / 2
        k1 = slope(now, past)
        k2 = slope(now + step / 2 * k1, middle)
        k3 = slope(now + step / 2 * k2, middle)
        k4 = slope(now + step * k3, next_past)
        x.append(now + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4))
    return np.array(x[lag + 1 + settle * every :: every])


def predict_ahead(net, series):
    """The value HORIZON after the end of every window: each prediction becomes the last value of the next window."""
    windows = np.lib.stride_tricks.sliding_window_view(series, (WINDOW - 1) * STRIDE + 1)[:, ::STRIDE, None]
    for _ in range(HORIZON // STRIDE):
        # The network's own outputs are standardised, as the targets were that it was trained on.
        ahead = net.network_.predict(windows) * net.target_scale_ + net.target_mean_
        windows = np.concatenate([windows[:, 1:], ahead[:, None]], axis=1)
    return windows[:, -1, 0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", default="mackey_glass.png", help="where the picture is written")
    options = parser.parse_args()
    series = mackey_glass(7000)
    known, test = series[: TRAINING + VALIDATION], series[TRAINING + VALIDATION :]
    net = lamina.RecurrentRegressor(
        32,
        window=WINDOW,
        stride=STRIDE,
        horizon=STRIDE,
        optimizer=lamina.Adam(3e-3),
        schedule=lamina.schedules.Cosine(),
        clip=None,
        batch_size=64,
        max_iter=EPOCHS,
        n_iter_no_change=EPOCHS,
        validation_fraction=VALIDATION / len(known),
        random_state=0,
        n_jobs=1,
    )
    started = time.perf_counter()
    net.fit(known)
    seconds = time.perf_counter() - started
    first = (WINDOW - 1) * STRIDE + HORIZON
    predicted = predict_ahead(net, test)[:-HORIZON]
    error = predicted - test[first:]
    nrmse = np.sqrt(np.mean(error**2)) / test.std()
    print(
        f"NRMSE, 84 steps ahead: {nrmse:.4f} (best epoch {net.history_.best_epoch} of {net.n_iter_}, {seconds:.0f} s)"
    )
    print("published: 0.00028 for an echo state network of 400 units, 0.0088 for the best of the rest")

    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 1, figsize=(9, 4.5), sharex=True, layout="constrained")
    axes[0].plot(test[first:][:600], label="series")
    axes[0].plot(predicted[:600], "--", label="predicted 84 steps before")
    axes[0].legend(loc="lower right")
    axes[1].plot(error[:600], linewidth=1)
    axes[1].set(xlabel="time in the test part", ylabel="error")
    figure.suptitle(f"Mackey-Glass series, delay 17: NRMSE {nrmse:.4f}")
    figure.savefig(options.picture, dpi=150)
    print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()
