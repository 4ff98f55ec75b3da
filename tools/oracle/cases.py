"""What the scripts for transforms share: columns with everything in them that goes wrong, and the layout of a fixture.

Needs: scikit-learn==1.9.1 feature-engine==1.9.4 category_encoders==2.11.2 numpy==2.4.6 pandas==3.1.1 scipy==1.17.1
Run the scripts from the repository's root, such as: python tools/oracle/scale.py
"""

import json
import math
import warnings
from importlib.metadata import version

import numpy as np

warnings.simplefilter("ignore")
ROWS, SEED = 40, 7
random = np.random.default_rng(20260229)


def holes(values, share=0.12):
    return np.where(random.random(len(values)) < share, np.nan, values)


def texts(values, missing=0.0):
    values = np.array(values, dtype=object)
    values[random.random(len(values)) < missing] = None
    return values


# Each with the rows to fit on and fresh ones.
DATA = {
    "skew": (holes(np.round(np.exp(random.normal(2, 1, ROWS)), 3)), np.array([0.0, 1e-9, 5.5, np.nan, 1e12, -4.0, 7.0, 2.718, 33.0, 1e3])),
    "tiny": (random.normal(1e5, 1, ROWS), np.array([1e5, 99999.5, 100003.25, 0.0, -1e5, np.nan])),
    "wide": (holes(np.round(random.normal(-3, 1e6, ROWS), 2)), np.array([0.0, -3e6, 2.5e6, 1e-300, np.nan, 1e6])),
    "ties": (holes(random.integers(0, 4, ROWS).astype(float)), np.array([0.0, 1.0, 1.5, 2.0, 3.0, 4.0, -1.0, np.nan])),
    "constant": (np.full(ROWS, 0.1), np.array([0.1, 0.2, -5.0, np.nan])),
    "positive": (np.round(np.exp(random.normal(1, 1.5, ROWS)), 4), np.array([1e-6, 0.5, 1.0, 3.3, 40.0, 1e4])),
    "plan": (texts(random.choice(["basic", "plus", "Ünlimited 🚀", "", "a b"], ROWS, p=[0.4, 0.3, 0.15, 0.1, 0.05]), 0.08), np.array(["basic", "unseen", None, "", "plus", "Ünlimited 🚀", "a b", "basic "], dtype=object)),
    "town": (texts(random.choice([f"t{i:02}" for i in range(12)], ROWS, p=np.arange(12, 0, -1) / 78)), np.array(["t00", "t11", "t99", "t05", "t01", "", None, "t03"], dtype=object)),
    "pair": (texts(random.choice(["n", "y"], ROWS)), np.array(["n", "y", "z", None], dtype=object)),
}
TARGETS = {
    "binary": random.choice(["No", "Yes"], ROWS, p=[0.65, 0.35]).astype(object),
    "multiclass": random.choice(["red", "green", "blue"], ROWS).astype(object),
    "regression": np.round(random.normal(50, 20, ROWS), 2),
}
# Of one scale, for distances: scikit-learn's lose digits where one column is a million times as wide as another.
DATA["height"] = (holes(np.round(random.normal(0, 1, ROWS), 4)), np.array([0.3, np.nan, -2.0, np.nan, 1.5, np.nan, np.nan, 0.01, np.nan, 0.7]))
DATA["weight"] = (holes(np.round(random.normal(3, 2, ROWS), 4)), np.array([np.nan, 3.0, np.nan, np.nan, 4.5, np.nan, 100.0, np.nan, -1.0, np.nan]))
# The same targets as the transforms see them.
NUMBERS = {"binary": (TARGETS["binary"] == "Yes").astype(float), "regression": TARGETS["regression"]}


def folds(count):
    """The folds of Phaseline: the finaliser of SplitMix64 over seed and row."""
    mask, out = (1 << 64) - 1, []
    for row in range(ROWS):
        bits = (SEED + (row + 1) * 0x9E3779B97F4A7C15) & mask
        bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & mask
        bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & mask
        out.append((bits ^ (bits >> 31)) % count)
    return np.array(out)


def column(values):
    return np.asarray(values).reshape(-1, 1)


def plain(values):
    if np.asarray(values).dtype == object:
        return {"type": "text", "values": [None if v is None else str(v) for v in values]}
    return {"type": "float", "values": [None if math.isnan(v) else float(v) for v in values]}


def matrix(out):
    out = out.toarray() if hasattr(out, "toarray") else np.asarray(out, dtype=float)
    out = out.reshape(len(out), -1)
    return [[None if math.isnan(v) else float(v) for v in values] for values in out.T]


class Cases:
    """The cases of one fixture."""

    def __init__(self):
        self.cases, self.used = [], set()

    def add(self, name, transforms, columns, fit, applied, target="binary", tolerance=None, scores=None):
        """One case: the columns of DATA go in, the expected features come out for the fit rows and for fresh ones."""
        columns = [columns] if isinstance(columns, str) else columns
        self.used.update(columns)
        case = {"name": name, "transforms": transforms, "target": target, "columns": columns, "fit": None if fit is None else matrix(fit), "applied": matrix(applied)}
        if tolerance:
            case["tolerance"] = tolerance
        if scores is not None:
            case["scores"] = [float(score) for score in scores]
        self.cases.append(case)

    def write(self, name, *packages):
        targets = {case["target"] for case in self.cases}
        fixture = {
            "versions": {package: version(package) for package in ("numpy", *packages)},
            "seed": SEED,
            "targets": {target: plain(TARGETS[target]) for target in sorted(targets)},
            "data": {column: [plain(part) for part in DATA[column]] for column in DATA if column in self.used},
            "cases": self.cases,
        }
        with open(f"tests/fixtures/oracle/{name}.json", "w") as file:
            json.dump(fixture, file, ensure_ascii=False, separators=(",", ":"))
            file.write("\n")
        print(name, len(self.cases), "cases")


def several(names, rows):
    """Columns side by side; `rows` is 0 for those of the fit, 1 for fresh ones, cut to the shortest."""
    parts = [DATA[name][rows] for name in names]
    least = min(len(part) for part in parts)
    return np.column_stack([part[:least] for part in parts])
