"""Expected folds for `step::data_engineering::folds`, computed by scikit-learn.

pip install scikit-learn==1.9.1
python tools/oracle/splits.py > tests/fixtures/oracle/splits.json
"""

import json
import warnings

import numpy as np
import sklearn
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold, TimeSeriesSplit

warnings.simplefilter("ignore")
rng = np.random.default_rng(20261121)


def folds(splitter, rows, classes=None, groups=None):
    """The fold of each row, or None where scikit-learn refuses."""
    found = np.full(rows, -1)
    try:
        for fold, (_, valid) in enumerate(splitter.split(np.zeros(rows), classes, groups)):
            found[valid] = fold
    except ValueError:
        return None
    return found.tolist()


def dense(values):
    return np.unique(values, return_inverse=True)[1]


cases = []
for rows, n_splits in [(2, 2), (3, 2), (10, 3), (11, 5), (40, 7), (4, 5)]:
    cases.append({"kind": "k_fold", "rows": rows, "n_splits": n_splits, "folds": folds(KFold(n_splits), rows)})
for rows, n_splits, shares in [
    (20, 2, [0.5, 0.5]), (31, 3, [0.1, 0.9]), (60, 5, [0.7, 0.2, 0.1]), (47, 4, [0.25] * 4), (30, 10, [0.9, 0.1]), (6, 5, [0.5, 0.5]),
    (9, 3, [1.0]),
]:
    classes = dense(rng.choice(len(shares), rows, p=shares))
    found = folds(StratifiedKFold(n_splits), rows, classes)
    cases.append({"kind": "stratified", "rows": rows, "n_splits": n_splits, "classes": classes.tolist(), "folds": found})
for rows, n_splits, count in [(20, 2, 6), (50, 3, 3), (80, 5, 20), (60, 4, 60), (30, 3, 40), (10, 5, 2)]:
    groups = dense(np.sort(rng.integers(0, count, rows)) if rows == 80 else rng.integers(0, count, rows))
    found = folds(GroupKFold(n_splits), rows, None, groups)
    cases.append({"kind": "group", "rows": rows, "n_splits": n_splits, "groups": groups.tolist(), "folds": found})
for rows, n_splits, count, shares in [
    (40, 2, 8, [0.5, 0.5]), (60, 3, 15, [0.2, 0.8]), (90, 4, 30, [0.6, 0.3, 0.1]), (50, 5, 6, [0.5, 0.5]), (20, 3, 2, [0.5, 0.5]),
]:
    groups = dense(rng.integers(0, count, rows))
    classes = dense(rng.choice(len(shares), rows, p=shares))
    found = folds(StratifiedGroupKFold(n_splits), rows, classes, groups)
    cases.append(
        {"kind": "stratified_group", "rows": rows, "n_splits": n_splits, "classes": classes.tolist(),
         "groups": groups.tolist(), "folds": found}
    )

series = []
for rows in [1, 5, 6, 13, 100]:
    for n_splits in [2, 5]:
        for gap in [0, 2]:
            for test_size in [None, 2]:
                for most in [None, 1, 4]:
                    splitter = TimeSeriesSplit(n_splits, gap=gap, test_size=test_size, max_train_size=most)
                    try:
                        windows = [
                            [int(train[0]) if len(train) else 0, int(train[-1]) + 1 if len(train) else 0,
                             int(valid[0]), int(valid[-1]) + 1]
                            for train, valid in splitter.split(np.zeros(rows))
                        ]
                    except ValueError:
                        windows = None
                    series.append(
                        {"rows": rows, "n_splits": n_splits, "gap": gap, "test_size": test_size,
                         "max_train_size": most, "windows": windows}
                    )

print(
    json.dumps(
        {"made_by": f"scikit-learn {sklearn.__version__}, numpy {np.__version__}", "folds": cases, "time_series": series},
        separators=(",", ":"),
    )
)
