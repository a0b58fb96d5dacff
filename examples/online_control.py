"""Balancing a pendulum with a controller that remembers: one prediction a time step, in the loop.

The sensor gives the angle alone, with noise, and the motor answers 40 ms late; the teacher, a state feedback, also
knows the velocity. A recurrent network learns the teacher's torque from 200 recorded runs of the sensor, and must find
the velocity in what it has seen; `step` carries its state from call to call. Beside it a network without memory that
has learned from the same runs.

python examples/online_control.py  # 100 runs in closed loop, 10 s each
"""

import argparse
import time

import numpy as np

import lamina

STEP, LATE, NOISE, MOST_TORQUE = 0.02, 2, 0.005, 12.0


def pendulum(angle, velocity, torque):
    """The state one step of 20 ms later: an inverted pendulum of 1 m, nearly without friction."""
    velocity = velocity + STEP * (9.81 * np.sin(angle) - 0.1 * velocity + torque)
    return angle + STEP * velocity, velocity


def teacher(angle, velocity):
    return np.clip(-30 * angle - 8 * velocity, -MOST_TORQUE, MOST_TORQUE)


def sensor(angle, rng):
    return angle + NOISE * rng.standard_normal(angle.shape)


def recorded_runs(rng, runs, steps):
    """What the sensor saw and what the teacher did; pushes show states that the teacher would not come to alone."""
    angle, velocity = rng.uniform(-0.3, 0.3, runs), rng.uniform(-0.5, 0.5, runs)
    seen, done = [], [np.zeros(runs)] * LATE
    for _ in range(steps):
        seen.append(sensor(angle, rng))
        done.append(teacher(angle, velocity))
        angle, velocity = pendulum(angle, velocity, done[-1 - LATE] + 3 * rng.standard_normal(runs))
    return np.stack(seen, axis=1)[:, :, None], np.stack(done[LATE:], axis=1)


def closed_loop(act, rng, runs, steps):
    """Angles, (steps, runs), under `act`, which maps what the sensor gives for all runs to torques."""
    angle, velocity = rng.uniform(-0.3, 0.3, runs), np.zeros(runs)
    angles, torques = [], [np.zeros(runs)] * LATE
    for _ in range(steps):
        torques.append(np.clip(act(sensor(angle, rng)[:, None])[:, 0], -MOST_TORQUE, MOST_TORQUE))
        angle, velocity = pendulum(angle, velocity, torques[-1 - LATE])
        angles.append(angle)
    return np.array(angles)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", default="online_control.png", help="where the picture is written")
    options = parser.parse_args()
    epochs, runs, steps = 200, 100, 500

    seen, done = recorded_runs(np.random.default_rng(0), 200, 100)
    fit = {"epochs": epochs, "optimizer": lamina.Adam(3e-3), "schedule": lamina.schedules.Cosine()}
    remembers = lamina.Network(
        [lamina.Recurrent(24, return_sequences=True), lamina.Dense(1)], n_inputs=1, normalize_inputs=True
    )
    remembers.fit(seen, done, **fit)
    forgets = lamina.Network([lamina.Dense(24, "tanh"), lamina.Dense(1)], n_inputs=1, normalize_inputs=True)
    forgets.fit(seen.reshape(-1, 1), done.reshape(-1), **fit)

    angles = {}
    for name, act in {"with memory": remembers.step, "without": forgets.predict}.items():
        angles[name] = closed_loop(act, np.random.default_rng(1), runs, steps)
        upright = np.abs(angles[name]).max(axis=0) < np.pi / 4
        last = np.degrees(np.abs(angles[name][-steps // 4 :, upright]).mean()) if upright.any() else np.nan
        print(
            f"{name}: {upright.sum()} of {runs} runs stay upright; mean angle in their last quarter {last:.2f} degrees"
        )

    remembers.reset_state()
    x = np.zeros(1, np.float32)
    start = time.perf_counter()
    for _ in range(2000):
        remembers.step(x)
    print(f"a step takes {(time.perf_counter() - start) / 2000 * 1e6:.1f} us")

    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), sharey=True, layout="constrained")
    for ax, (name, runs_of) in zip(axes, angles.items(), strict=True):
        ax.plot(np.arange(len(runs_of)) * STEP, np.degrees(runs_of[:, :10]), linewidth=1)
        ax.set(title=f"Network {name}", xlabel="time, s", ylim=(-45, 45))
    axes[0].set_ylabel("angle, degrees")
    figure.savefig(options.picture, dpi=150)
    print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()
