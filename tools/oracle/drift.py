"""Writes tests/fixtures/oracle/drift.json: what scipy and Evidently say of pairs of samples.

Needs: evidently==0.7.23 scipy==1.17.1 numpy==2.4.6 pandas==3.1.1
Run from the repository's root: python tools/oracle/drift.py
"""

import json
import math
import warnings

import evidently
import numpy as np
import pandas as pd
import scipy
from evidently.legacy.calculations import stattests as tests
from evidently.legacy.calculations.stattests.registry import get_stattest
from evidently.legacy.core import ColumnType
from scipy import stats

warnings.simplefilter("ignore")
random = np.random.default_rng(11)
METHODS = {
    "number": ["ks", "wasserstein", "psi", "jensenshannon"],
    "category": ["chisquare", "psi", "jensenshannon"],
}

cases = []


def case(name, kind, reference, current):
    reference, current = pd.Series(reference), pd.Series(current)
    feature = ColumnType.Numerical if kind == "number" else ColumnType.Categorical
    usual = get_stattest(reference, current, feature, None)
    out = {"usual": usual.name, "drifted": None, "methods": {}}
    names = METHODS[kind] + (["z"] if pd.concat([reference, current]).nunique() <= 2 else [])
    for method in dict.fromkeys(names + [usual.name]):
        test = get_stattest(reference, current, feature, method) if not (method in ("chisquare", "z") and kind == "number") else get_stattest(reference, current, ColumnType.Categorical, method)
        threshold = 0.05 if method in ("ks", "chisquare", "z") else 0.1
        result = test(reference, current, feature if method not in ("chisquare", "z") else ColumnType.Categorical, threshold)
        if not math.isnan(result.drift_score):  # One category alone has no chi-squared p-value in scipy; ours is 1.
            out["methods"][method] = float(result.drift_score)
        if method == usual.name:
            out["drifted"] = bool(result.drifted)
    if kind == "number":
        ks = stats.ks_2samp(reference, current)
        out["ks_statistic"] = float(ks.statistic)
    cases.append({"name": name, "kind": kind, "reference": reference.tolist(), "current": current.tolist(), **out})


for n, m in [(30, 30), (40, 57), (200, 150), (5, 90)]:
    for shift in [0.0, 0.4, 1.5]:
        case(f"normal {n} {m} {shift}", "number", np.round(random.normal(0, 1, n), 3), np.round(random.normal(shift, 1, m), 3))
case("whole numbers", "number", random.integers(0, 40, 150).astype(float), random.integers(2, 44, 140).astype(float))
case("few values", "number", random.integers(0, 4, 90).astype(float), random.integers(0, 4, 70).astype(float))
case("two values", "number", random.integers(0, 2, 90).astype(float), random.integers(0, 2, 70).astype(float))
case("constant", "number", np.full(60, 2.0), np.full(50, 2.0))
case("large reference", "number", np.round(random.normal(10, 3, 1100), 2), np.round(random.normal(10.5, 3, 80), 2))
case("large reference, few values", "number", random.integers(0, 5, 1100).astype(float), random.integers(0, 5, 60).astype(float))
for p in [[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]]:
    case(f"categories {p}", "category", random.choice(["a", "b", "c"], 200, p=[0.5, 0.3, 0.2]), random.choice(["a", "b", "c"], 150, p=p))
case("new category", "category", random.choice(["a", "b", "c"], 100), random.choice(["a", "b", "d"], 90))
case("two categories", "category", random.choice(["n", "y"], 100), random.choice(["n", "y"], 80, p=[0.7, 0.3]))
case("same categories", "category", ["n"] * 30, ["n"] * 20)
case("large categories", "category", random.choice(["a", "b", "c"], 1100), random.choice(["a", "b", "c"], 80, p=[0.2, 0.3, 0.5]))

# p-values of the statistic alone, for sizes that no fixture should hold.
p_values = [
    {"one": one, "two": two, "distance": d, "p": float(stats.kstwo.sf(d, round(one * two / (one + two))))}
    for one, two in [(20000, 20000), (12000, 100000), (5_000_000, 20000)]
    for d in np.array([0.3, 0.6, 0.9, 1.2, 1.4, 1.6, 2.2]) / math.sqrt(one * two / (one + two))
]
fixture = {
    "versions": {"evidently": evidently.__version__, "scipy": scipy.__version__, "numpy": np.__version__},
    "cases": cases,
    "p_values": p_values,
}
with open("tests/fixtures/oracle/drift.json", "w") as file:
    json.dump(fixture, file, separators=(",", ":"))
    file.write("\n")
print(len(cases), "cases")
