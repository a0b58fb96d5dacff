"""
A table as it is
================

Text, dates, missing values: a data frame goes in as it is, and intervals come out.
"""

# %%
# A table of flats, with what tables have: numbers that are missing, categories, a date, a flag.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import lamina
from lamina import plots

rng = np.random.default_rng(0)
n = 600
frame = pd.DataFrame(
    {
        "size": np.where(rng.random(n) < 0.1, np.nan, rng.gamma(9, 9, n).round()),
        "town": rng.choice(["Ulm", "Bonn", "Kiel"], n),
        "built": pd.Timestamp("1950") + pd.to_timedelta(rng.integers(0, 25_000, n), unit="D"),
        "garden": rng.choice([True, False], n),
        "door": rng.choice(["red", "green", "blue"], n),
    }
)
rent = 8 * frame["size"].fillna(80) * frame["town"].map({"Ulm": 1.2, "Bonn": 1.5, "Kiel": 1.0})
rent = rent + 150 * frame["garden"] + 5 * (frame["built"].dt.year - 1950) + rng.normal(0, 60, n)
frame.head()

# %%
# Nothing to scale, encode or impute.

train, test = frame[:450], frame[450:]
model = lamina.TabularRegressor(preset="fast", random_state=0).fit(train, rent[:450])
print(f"R2 on rows that it has not seen: {model.score(test, rent[450:]):.3f}")

# %%
# Each prediction, and an interval that holds nine out of ten.

predicted = model.predict(test)
low, high = model.predict_interval(test, coverage=0.9).T
inside = (low <= rent[450:]) & (rent[450:] <= high)
print(f"{inside.mean():.0%} lie in their interval")

_, ax = plt.subplots(figsize=(5, 5), layout="constrained")
plots.predicted_against_true(rent[450:], predicted, ax=ax)

# %%
# Which columns matter: by how much the loss rises where one is shuffled. The colour of the door does not.

_, ax = plt.subplots(figsize=(6, 2.6), layout="constrained")
order = model.feature_importances_.argsort()
ax.barh(np.array(model.feature_names_in_)[order], model.feature_importances_[order])
ax.set(xlabel="importance")

# %%
# :doc:`/tables` says what becomes of each kind of column, and what is trained.
