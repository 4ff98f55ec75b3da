"""Writes tests/fixtures/oracle/statistics.json: what pandas, scipy and scikit-learn say of the columns of a small table.

pip install pandas==3.1.1 scipy==1.17.1 scikit-learn==1.9.1
Run from the repository's root: python tools/oracle/statistics.py
"""

import json
import math

import numpy as np
import pandas as pd
import scipy
import sklearn
from scipy.stats import rankdata
from scipy.stats.contingency import association
from sklearn.metrics import roc_auc_score

ROWS = 90


def correlation(left, right, of=np.asarray):
    """numpy's: that of pandas loses half of its digits where the mean is large."""
    both = left.notna() & right.notna()
    if left[both].nunique() < 2 or right[both].nunique() < 2:
        return None
    return float(np.corrcoef(of(left[both]), of(right[both]))[0, 1])


def main():
    rng = np.random.default_rng(20260221)
    base = rng.normal(size=ROWS)
    with_gaps = np.where(rng.random(ROWS) < 0.15, np.nan, base * 3 + 1)
    table = pd.DataFrame({
        "gaps": with_gaps,
        "whole": rng.integers(-5, 20, ROWS),
        "huge": 1e12 + rng.normal(size=ROWS) * 1e3,
        "tiny": rng.normal(size=ROWS) * 1e-12,
        "skewed": np.exp(base * 2),
        "few": np.round(base * 2) / 2,
        "same": np.full(ROWS, 0.1),
        "colour": rng.choice(["red", "green", "blau", "東京"], ROWS),
        "size": np.where(base > 0.5, "big", np.where(rng.random(ROWS) < 0.5, "small", "")),
        "target": np.where(base + rng.normal(size=ROWS) > 0.3, "yes", "no"),
    })
    table.loc[rng.choice(ROWS, 6, replace=False), "colour"] = None
    numbers = ["gaps", "whole", "huge", "tiny", "skewed", "few", "same"]
    number = lambda value: None if value is None or not math.isfinite(value) else float(value)
    described = {}
    for name in numbers:
        column = table[name].dropna()
        described[name] = {
            "mean": number(column.mean()),
            "stdev": number(column.std()),
            "skewness": number(column.skew()) if column.nunique() > 1 else None,
            "kurtosis": number(column.kurt()) if column.nunique() > 1 else None,
            "quantiles": [float(value) for value in np.quantile(column, [0.05, 0.25, 0.5, 0.75, 0.95])],
        }
        rows = table[name].notna()
        area = roc_auc_score(table["target"][rows] == "yes", table[name][rows])
        gap = roc_auc_score(table["target"] == "yes", table[name].isna())
        described[name]["auc"] = float(max(area, 1 - area, gap, 1 - gap))
    pearson = [[correlation(table[left], table[right]) for right in numbers] for left in numbers]
    spearman = [[correlation(table[left], table[right], rankdata) for right in numbers] for left in numbers]
    categories = ["colour", "size", "target"]
    cramers = [[
        1.0 if left == right else float(association(pd.crosstab(table[left], table[right]), method="cramer"))
        for right in categories
    ] for left in categories]
    document = {
        "versions": {
            "pandas": pd.__version__, "numpy": np.__version__, "scipy": scipy.__version__, "sklearn": sklearn.__version__,
        },
        "table": {
            name: [None if pd.isna(value) else value for value in table[name].tolist()] for name in table
        },
        "described": described,
        "pearson": {"columns": numbers, "values": pearson},
        "spearman": {"columns": numbers, "values": spearman},
        "cramers_v": {"columns": categories, "values": cramers},
    }
    with open("tests/fixtures/oracle/statistics.json", "w", encoding="utf-8") as file:
        file.write("{\n" + ",\n".join(f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in document.items()) + "\n}\n")


main()
