"""Expected rows for `ml::resample`, computed by imbalanced-learn.

pip install imbalanced-learn==0.14.2 scikit-learn==1.9.1
python tools/oracle/balance.py > tests/fixtures/oracle/balance.json
"""

import json
import warnings

import imblearn
import numpy as np
import pandas as pd
import sklearn
from imblearn.over_sampling import ADASYN, SMOTENC, BorderlineSMOTE
from imblearn.under_sampling import EditedNearestNeighbours, NearMiss, TomekLinks
from imblearn.utils import check_sampling_strategy
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.class_weight import compute_class_weight

warnings.simplefilter("ignore")
rng = np.random.default_rng(20261121)


def table(counts, width, spread):
    """Overlapping classes in random order; no two distances are equal."""
    classes = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    points = np.round(rng.normal(size=(len(classes), width)) + spread * classes[:, None], 3)
    return points, classes


def kept(sampler, points, classes):
    try:
        sampler.fit_resample(points, classes)
    except ValueError:
        return None
    return sorted(int(row) for row in sampler.sample_indices_)


TABLES = [table([12, 40], 2, 0.8), table([9, 14, 30], 3, 0.7), table([15, 25], 20, 0.3), table([30, 10], 1, 0.5)]

selections = []
for number, (points, classes) in enumerate(TABLES):
    for strategy in ["auto", "majority", "not majority", "all"]:
        for version in [1, 2, 3]:
            for n_neighbors in [3] if strategy != "auto" else [1, 3, 9, 13]:
                sampler = NearMiss(sampling_strategy=strategy, version=version, n_neighbors=n_neighbors)
                selections.append(
                    {"method": "near_miss", "table": number, "strategy": strategy, "version": version,
                     "n_neighbors": n_neighbors, "kept": kept(sampler, points, classes)}
                )
        found = kept(TomekLinks(sampling_strategy=strategy), points, classes)
        selections.append({"method": "tomek_links", "table": number, "strategy": strategy, "kept": found})
        for kind in ["all", "mode"]:
            for n_neighbors in [3] if strategy != "auto" else [1, 3, 4]:
                sampler = EditedNearestNeighbours(sampling_strategy=strategy, kind_sel=kind, n_neighbors=n_neighbors)
                selections.append(
                    {"method": "enn", "table": number, "strategy": strategy, "kind_sel": kind,
                     "n_neighbors": n_neighbors, "kept": kept(sampler, points, classes)}
                )

strategies = []
for counts in [[10, 30], [30, 10], [10, 10], [10, 30, 20], [20, 20, 5, 5], [7]]:
    classes = np.repeat(np.arange(len(counts)), counts)
    for kind in ["over-sampling", "under-sampling", "clean-sampling"]:
        asked = ["auto", "minority", "not minority", "not majority", "majority", "all", 0.5, 1.0, 0.3, 0.34, 0.1, 1.5, 0.0,
                 {"0": 12}, {"0": 10, "1": 40}, {"1": 5}, {"9": 5}]
        for strategy in asked:
            given = {int(key): value for key, value in strategy.items()} if isinstance(strategy, dict) else strategy
            try:
                targets = check_sampling_strategy(given, classes, kind)
                targets = [int(targets[code]) if code in targets else None for code in range(len(counts))]
            except (ValueError, TypeError):
                targets = None
            strategies.append({"counts": counts, "kind": kind, "strategy": strategy, "targets": targets})

# How many rows ADASYN adds in all, and beside each row by its own formula.
adasyn = []
for number, (points, classes) in enumerate(TABLES):
    sampler = ADASYN(random_state=0, n_neighbors=5)
    try:
        _, grown = sampler.fit_resample(points, classes)
    except (ValueError, RuntimeError):
        continue
    per_row = {}
    for label, count in sampler.sampling_strategy_.items():
        if count == 0:
            continue
        rows = np.flatnonzero(classes == label)
        around = NearestNeighbors(n_neighbors=6).fit(points).kneighbors(points[rows], return_distance=False)[:, 1:]
        share = (classes[around] != label).sum(axis=1) / 5
        for row, times in zip(rows, np.rint(share / share.sum() * count).astype(int)):
            per_row[str(row)] = int(times)
    assert sum(per_row.values()) == len(grown) - len(classes)
    adasyn.append({"table": number, "per_row": per_row})

# The rows that borderline SMOTE begins its lines at.
borderline = []
for number, (points, classes) in enumerate(TABLES):
    sampler = BorderlineSMOTE(random_state=0, k_neighbors=4, m_neighbors=8)
    sampler.fit_resample(points, classes)
    danger = sorted(int(row) for rows in sampler.in_danger_indices.values() for row in rows)
    borderline.append({"table": number, "danger": danger})

# The neighbours among which SMOTE-NC chooses.
rows = 60
categories = np.column_stack([rng.choice(list("abc"), rows), rng.choice(["x", "é"], rows)])
numbers = np.round(rng.normal(size=(rows, 2)) * [1.0, 10.0], 3)
classes = (np.arange(rows) % 4 == 0).astype(int)
frame = pd.DataFrame({"p": numbers[:, 0], "q": numbers[:, 1], "r": categories[:, 0], "s": categories[:, 1]})
sampler = SMOTENC(categorical_features=["r", "s"], random_state=0, k_neighbors=4)
sampler.fit_resample(frame, classes)
minority = np.flatnonzero(classes == 1)
encoded = np.column_stack(
    [numbers] + [(categories[:, [i]] == np.unique(categories[:, i])) * sampler.median_std_[1] / np.sqrt(2) for i in range(2)]
)[minority]
# Twice as many neighbours as asked for: ties at the end may be broken otherwise.
distances, nearest = NearestNeighbors(n_neighbors=5).fit(encoded).kneighbors(encoded)
smotenc = {
    "numbers": numbers.ravel().tolist(),
    "codes": np.column_stack([np.unique(categories[:, i], return_inverse=True)[1] for i in range(2)]).ravel().tolist(),
    "classes": classes.tolist(),
    "neighbours": {str(minority[i]): [int(minority[j]) for j in nearest[i, 1:]] for i in range(len(minority))},
}

weights = []
for counts in [[10, 30], [1, 1], [5, 20, 75], [3]]:
    classes = np.repeat(np.arange(len(counts)), counts)
    found = compute_class_weight("balanced", classes=np.arange(len(counts)), y=classes)
    weights.append({"counts": counts, "weights": found.tolist()})

print(
    json.dumps(
        {
            "made_by": f"imbalanced-learn {imblearn.__version__}, scikit-learn {sklearn.__version__}, numpy {np.__version__}",
            "tables": [
                {"width": points.shape[1], "points": points.ravel().tolist(), "classes": classes.tolist()}
                for points, classes in TABLES
            ],
            "selections": selections,
            "strategies": strategies,
            "adasyn": adasyn,
            "borderline": borderline,
            "smotenc": smotenc,
            "class_weights": weights,
        },
        separators=(",", ":"),
    )
)
