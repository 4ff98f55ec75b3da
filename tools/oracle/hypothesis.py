"""Writes tests/fixtures/oracle/hypothesis.json: what scipy says of values and the distributions they may come from.

Needs: scipy==1.17.1 numpy==2.4.6
Run from the repository's root: python tools/oracle/hypothesis.py
"""

import json

import numpy as np
import scipy
from scipy import stats

random = np.random.default_rng(5)
p_values = []
for n in [1, 2, 3, 5, 10, 40, 139, 140, 141, 500, 5000, 100_000, 300_000]:
    for scaled in [0.3, 0.55, 0.7, 0.9, 1.1, 1.4, 1.7, 2.1, 3.0]:
        d = float(scaled / np.sqrt(n))
        if d < 1:
            p_values.append({"n": n, "d": d, "p": float(stats.kstwo.sf(d, n))})

numbers = {
    "normal": random.normal(10, 2, 60),
    "uniform": random.uniform(0, 1, 45),
    "ties": np.round(random.exponential(1.5, 80), 1),
    "gamma": random.gamma(2.0, 3.0, 150),
    "one": np.array([0.25]),
}
ks = []
for name, distribution, parameters in [
    ("normal", "norm", {"loc": 10, "scale": 2}),
    ("normal", "norm", {"loc": 11}),
    ("uniform", "uniform", {}),
    ("uniform", "beta", {"a": 2.0, "b": 3.0}),
    ("ties", "expon", {"scale": 1.5}),
    ("ties", "lognorm", {"s": 0.8, "loc": -0.5, "scale": 1.2}),
    ("gamma", "gamma", {"a": 2.0, "scale": 3.0}),
    ("gamma", "expon", {"loc": 1, "scale": 5}),
    ("one", "uniform", {}),
]:
    result = stats.kstest(numbers[name], getattr(stats, distribution)(**parameters).cdf)
    ks.append({"column": name, "distribution": distribution, "parameters": parameters, "statistic": float(result.statistic), "p": float(result.pvalue)})

plans = random.choice(["basic", "pro", "gold"], size=200, p=[0.5, 0.3, 0.2])
chi_square = []
for weights in [[0.5, 0.3, 0.2], [0.4, 0.4, 0.2], [1 / 3, 1 / 3, 1 / 3]]:
    observed = [int((plans == plan).sum()) for plan in ["basic", "pro", "gold"]]
    result = stats.chisquare(observed, np.array(weights) * 200)
    chi_square.append({"weights": weights, "statistic": float(result.statistic), "p": float(result.pvalue)})

fixture = {
    "made_with": {"scipy": scipy.__version__, "numpy": np.__version__},
    "p_values": p_values,
    "columns": {name: values.tolist() for name, values in numbers.items()},
    "plans": plans.tolist(),
    "ks": ks,
    "chi_square": chi_square,
}
with open("tests/fixtures/oracle/hypothesis.json", "w") as file:
    json.dump(fixture, file, indent=None)
    file.write("\n")
