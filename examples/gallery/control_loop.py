"""
A control loop
==============

A network in a loop, one row at a time: it learns to hold a pendulum upright from the angle alone.
"""

# %%
# The plant, an inverted pendulum; and the teacher, who knows the angle and the velocity.

import time

import matplotlib.pyplot as plt
import numpy as np

import lamina

STEP, LATE = 0.02, 2  # seconds a step; steps until the motor answers


def pendulum(angle, velocity, torque):
    velocity = velocity + STEP * (9.81 * np.sin(angle) - 0.1 * velocity + torque)
    return angle + STEP * velocity, velocity


def teacher(angle, velocity):
    return np.clip(-30 * angle - 8 * velocity, -12, 12)


# %%
# Runs under the teacher, with pushes, so that many states are seen. What the network will get is the angle, with noise.

rng = np.random.default_rng(0)
runs, steps = 150, 80
angle, velocity = rng.uniform(-0.3, 0.3, runs), rng.uniform(-0.5, 0.5, runs)
seen, done = [], [np.zeros(runs)] * LATE
for _ in range(steps):
    seen.append(angle + 0.005 * rng.normal(size=runs))
    done.append(teacher(angle, velocity))
    angle, velocity = pendulum(angle, velocity, done[-1 - LATE] + 3 * rng.normal(size=runs))
X, y = np.stack(seen, axis=1)[:, :, None], np.stack(done[LATE:], axis=1)[:, :, None]

# %%
# A recurrent network can find the velocity in the angles that it has seen. One without memory cannot.

options = {"epochs": 80, "optimizer": lamina.Adam(3e-3), "schedule": lamina.schedules.Cosine()}
remembers = lamina.Network([lamina.Recurrent(16, return_sequences=True), lamina.Dense(1)], 1, normalize_inputs=True)
remembers.fit(X, y, **options)
forgets = lamina.Network([lamina.Dense(16, "tanh"), lamina.Dense(1)], 1, normalize_inputs=True)
forgets.fit(X.reshape(-1, 1), y.reshape(-1), **options)


# %%
# The loop: twenty pendulums side by side. ``step`` takes a row for each.


def closed_loop(act):
    noise = np.random.default_rng(1)
    angle, velocity, angles = noise.uniform(-0.3, 0.3, 20), np.zeros(20), []
    torques = [np.zeros(20)] * LATE
    for _ in range(400):
        torques.append(act((angle + 0.005 * noise.normal(size=20))[:, None].astype(np.float32))[:, 0])
        angle, velocity = pendulum(angle, velocity, np.clip(torques[-1 - LATE], -12, 12))
        angles.append(np.clip(angle, -np.pi, np.pi))
    return np.degrees(angles)


figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharey=True, layout="constrained")
for ax, (name, act) in zip(axes, {"with memory": remembers.step, "without": forgets.predict}.items(), strict=True):
    angles = closed_loop(act)
    print(f"{name}: {(abs(angles[-1]) < 45).sum()} of 20 stand after {400 * STEP:g} s")
    ax.plot(np.arange(400) * STEP, angles, linewidth=0.8)
    ax.set(title=name, xlabel="time, s", ylim=(-60, 60))
axes[0].set_ylabel("angle, degrees")

# %%
# What a step costs, Python included. It depends on the machine; the order is microseconds.

remembers.reset_state()
x = np.zeros(1, np.float32)
start = time.perf_counter()
for _ in range(1000):
    remembers.step(x)
print("microseconds a step:", "below 100" if (time.perf_counter() - start) < 0.1 else "more than 100")
