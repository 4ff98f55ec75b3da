"""Expected scores and bounds for `ml::outlier`, computed by scikit-learn and feature-engine.

pip install scikit-learn==1.9.1 feature-engine==1.9.4
python tools/oracle/outliers.py > tests/fixtures/oracle/outliers.json
"""

import json
import warnings

import feature_engine
import numpy as np
import pandas as pd
import sklearn
from feature_engine.outliers import OutlierTrimmer
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor

warnings.simplefilter("ignore")
rng = np.random.default_rng(20261121)


def table(rows, width):
    points = rng.normal(size=(rows, width)) * rng.choice([1.0, 5.0, 0.2], width)
    points[:: max(rows // 5, 1)] *= 4
    # Exact in single precision, in which scikit-learn's trees compare.
    return np.round(points * 64) / 64


def forest_of(model):
    trees = []
    for tree, columns in zip(model.estimators_, model.estimators_features_):
        inner = tree.tree_
        is_leaf = inner.children_left < 0
        trees.append(
            {"column": [None if leaf else int(columns[feature]) for leaf, feature in zip(is_leaf, inner.feature)],
             "threshold": [0.0 if leaf else float(value) for leaf, value in zip(is_leaf, inner.threshold)],
             "left": np.maximum(inner.children_left, 0).tolist(), "right": np.maximum(inner.children_right, 0).tolist(),
             "rows": inner.n_node_samples.tolist()}
        )
    return {"trees": trees, "max_samples": int(model.max_samples_), "offset": float(model.offset_)}


points = table(60, 3)
model = IsolationForest(n_estimators=6, max_samples=24, max_features=0.7, random_state=3).fit(points)
asked = np.vstack([points[:20], points[:5] * 10, np.zeros((1, 3))])
forest = {"width": 3, "points": asked.ravel().tolist(), "forest": forest_of(model), "scores": model.score_samples(asked).tolist()}

many = np.round(table(400, 3), 3)
model = IsolationForest(n_estimators=200, contamination=0.1, random_state=0).fit(many)
statistics = {
    "width": 3, "points": many.ravel().tolist(), "scores": np.round(model.score_samples(many), 6).tolist(),
    "offset": float(model.offset_),
}

factors = []
for rows, width, n_neighbors, contamination in [
    (50, 2, 5, "auto"), (50, 3, 20, 0.1), (30, 1, 4, 0.25), (40, 18, 6, "auto"), (10, 2, 20, "auto"), (2, 1, 20, "auto"),
]:
    points, others = np.round(rng.normal(size=(rows, width)), 3), np.round(rng.normal(size=(5, width)) * 3, 3)
    model = LocalOutlierFactor(n_neighbors=n_neighbors, contamination=contamination, novelty=True).fit(points)
    factors.append(
        {"width": width, "points": points.ravel().tolist(), "n_neighbors": n_neighbors, "contamination": contamination,
         "scores": model.negative_outlier_factor_.tolist(), "offset": float(model.offset_),
         "others": others.ravel().tolist(), "other_scores": model.score_samples(others).tolist()}
    )

bounds = []
for values in [
    np.round(rng.normal(50, 10, 41), 2), np.round(rng.lognormal(0, 2, 30), 4), np.full(5, 3.25), np.array([1e300, 2e299, -1e299, 0.0]),
    np.array([1e-300, 3e-300, 0.0]), np.array([7.0]), np.array([0.1, 0.1, 0.1, 0.3]),
]:
    for method, fold in [("iqr", 1.5), ("iqr", 3.0), ("gaussian", 3.0), ("gaussian", 1.0)]:
        if method == "gaussian" and abs(values).max() > 1e150:
            continue
        for tail in ["both", "left", "right"]:
            trimmer = OutlierTrimmer(capping_method=method, tail=tail, fold=fold)
            try:
                trimmer.fit(pd.DataFrame({"x": values}))
                low, high = trimmer.left_tail_caps_.get("x"), trimmer.right_tail_caps_.get("x")
            except ValueError:
                continue  # Feature-engine refuses columns that do not vary.
            bounds.append(
                {"method": method, "fold": fold, "tail": tail, "values": values.tolist(),
                 "low": None if low is None else float(low), "high": None if high is None else float(high)}
            )

print(
    json.dumps(
        {
            "made_by": f"scikit-learn {sklearn.__version__}, feature-engine {feature_engine.__version__}, numpy {np.__version__}",
            "forest": forest, "forest_statistics": statistics, "local_outlier_factor": factors, "bounds": bounds,
        },
        separators=(",", ":"),
    )
)
