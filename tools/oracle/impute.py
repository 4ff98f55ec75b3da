"""Writes tests/fixtures/oracle/impute.json: filled and cut values by scikit-learn and feature-engine. See cases.py."""

import numpy as np
import pandas as pd
from feature_engine.imputation import AddMissingIndicator, EndTailImputer
from feature_engine.outliers import Winsorizer
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer

from cases import DATA, Cases, several

cases = Cases()


def frames(data):
    return [pd.DataFrame({"x": part}) for part in DATA[data]]


for data in ["skew", "wide", "ties"]:
    for method in ["gaussian", "iqr", "max"]:
        for tail, fold in [("right", 3), ("left", 1.5)]:
            if method == "max" and tail == "left":
                continue
            model = EndTailImputer(imputation_method=method, tail=tail, fold=fold)
            fit, fresh = frames(data)
            model.fit(fit)
            params = {"strategy": "end_tail", "method": method, "tail": tail, "fold": fold}
            cases.add(f"end_tail {method} {tail} {data}", [{"impute": params}], data, model.transform(fit)["x"], model.transform(fresh)["x"])

fit, fresh = frames("skew")
model = AddMissingIndicator().fit(fit)
cases.add("missing_indicator", [{"missing_indicator": {}}], "skew", model.transform(fit), model.transform(fresh))

# No column of few values: of equally near rows scikit-learn takes any.
for chosen in [["height", "weight", "skew"], ["skew", "height", "weight", "positive"]]:
    fit, fresh = several(chosen, 0), several(chosen, 1)
    title = len(chosen)
    for count, weights in [(5, "uniform"), (2, "distance"), (60, "uniform")]:
        model = KNNImputer(n_neighbors=count, weights=weights).fit(fit)
        cases.add(f"knn {title} {count} {weights}", [{"impute_knn": {"n_neighbors": count, "weights": weights}}], chosen, model.transform(fit), model.transform(fresh), tolerance=1e-7)

for chosen in [["skew", "wide", "ties"], ["skew", "height", "weight", "positive"], ["height", "weight", "tiny"]]:
    fit, fresh = several(chosen, 0), several(chosen, 1)
    title = " ".join(chosen)
    for params in [{}, {"max_iter": 3, "imputation_order": "descending"}, {"initial_strategy": "median", "imputation_order": "arabic", "tol": 1e-6}, {"imputation_order": "roman", "max_iter": 1}, {"min_value": 1, "max_value": 4.5}]:
        model = IterativeImputer(**params)
        out = model.fit_transform(fit)
        cases.add(f"iterative {title} {params}", [{"impute_iterative": params}], chosen, out, model.transform(fresh))

for method, fold in [("mad", 3.29), ("mad", 1.2), ("gaussian", 1.5), ("iqr", 1), ("quantiles", 0.1)]:
    for tail in ["both", "left", "right"]:
        model = Winsorizer(capping_method=method, tail=tail, fold=fold)
        fit, fresh = frames("positive")
        model.fit(fit)
        cases.add(f"winsorize {method} {fold} {tail}", [{"winsorize": {"method": method, "tail": tail, "fold": fold}}], "positive", model.transform(fit)["x"], model.transform(fresh)["x"])

cases.write("impute", "scikit-learn", "feature-engine")
