"""Writes tests/fixtures/oracle/discretise.json: bins by scikit-learn and feature-engine. See cases.py."""

import numpy as np
import pandas as pd
from feature_engine.discretisation import DecisionTreeDiscretiser, GeometricWidthDiscretiser
from sklearn.preprocessing import KBinsDiscretizer
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from cases import DATA, NUMBERS, TARGETS, Cases, column, folds

cases = Cases()

for data in ["positive", "tiny", "constant"]:
    for bins in [3, 8]:
        for params in [{"strategy": "kmeans"}, {"strategy": "quantile", "quantile_method": "linear"}, {"strategy": "quantile", "quantile_method": "inverted_cdf"}]:
            method = params.get("quantile_method", "averaged_inverted_cdf")
            model = KBinsDiscretizer(bins, strategy=params["strategy"], encode="ordinal", quantile_method=method, subsample=None)
            fit, fresh = (column(part) for part in DATA[data])
            model.fit(fit)
            present = ~np.isnan(fresh[:, 0])
            out = np.full(len(fresh), np.nan)
            out[present] = model.transform(fresh[present])[:, 0]
            cases.add(f"{params} {bins} {data}", [{"bin": {"n_bins": bins, "encode": "ordinal", **params}}], data, model.transform(fit), out)
edges = [0.5, 2.0, 40.0]
fit, fresh = DATA["positive"]
cases.add("edges", [{"bin": {"strategy": "edges", "edges": edges, "encode": "ordinal"}}], "positive", np.digitize(fit, edges), np.digitize(fresh, edges))

for data in ["positive", "tiny"]:
    for bins in [4, 10]:
        fit, fresh = (pd.DataFrame({"x": part}) for part in DATA[data])
        model = GeometricWidthDiscretiser(bins=bins).fit(fit)
        out = np.full(len(fresh), np.nan)
        present = fresh["x"].notna().to_numpy()
        out[present] = model.transform(fresh[present])["x"]
        cases.add(f"geometric {bins} {data}", [{"geometric_width": bins}], data, model.transform(fit)["x"], out)

# Trees round what they see to single precision, so values are whole 64ths.
for name in ["positive", "ties", "tiny"]:
    DATA[f"{name}_64"] = tuple(np.round(part * 64) / 64 for part in DATA[name])
for data in ["positive_64", "ties_64", "tiny_64"]:
    for target in ["binary", "regression"]:
        for params in [{}, {"max_depth": 2}, {"max_depth": 3, "min_samples_leaf": 4}, {"cv": 4, "max_depth": [3, 1, 5]}]:
            depths = params.get("max_depth", [1, 2, 3, 4])
            depths = depths if isinstance(depths, list) else [depths]
            cv, least = params.get("cv", 3), params.get("min_samples_leaf", 1)
            grid = {"max_depth": depths, "min_samples_leaf": [least]}
            fit, fresh = DATA[data]
            has = ~np.isnan(fit)
            y = NUMBERS[target]
            given = dict(param_grid=grid, cv=cv, regression=target == "regression", random_state=0)
            model = DecisionTreeDiscretiser(**given).fit(pd.DataFrame({"x": fit[has]}), pd.Series(y[has]))
            chosen = model.binner_dict_["x"].best_params_
            present = ~np.isnan(fresh)
            out = np.full(len(fresh), np.nan)
            out[present] = model.transform(pd.DataFrame({"x": fresh[present]}))["x"]
            # Each row by a tree grown without its fold.
            learnt = np.full(len(fit), np.nan)
            for fold in range(cv):
                here = folds(cv) == fold
                Tree = DecisionTreeRegressor if target == "regression" else DecisionTreeClassifier
                tree = Tree(random_state=0, **chosen).fit(column(fit[has & ~here]), y[has & ~here])
                found = tree.predict if target == "regression" else lambda x: tree.predict_proba(x)[:, 1]
                learnt[has & here] = found(column(fit[has & here]))
            cases.add(f"tree_bins {params} {target} {data}", [{"tree_bins": params}], data, learnt, out, target)
            numbered = DecisionTreeDiscretiser(bin_output="bin_number", **given).fit(pd.DataFrame({"x": fit[has]}), pd.Series(y[has]))
            for part, into in [(fit, learnt), (fresh, out)]:
                there = ~np.isnan(part)
                into[there] = numbered.transform(pd.DataFrame({"x": part[there]}))["x"]
            cases.add(f"tree_bins numbers {params} {target} {data}", [{"tree_bins": {"bin_output": "bin_number", **params}}], data, learnt, out, target)

cases.write("discretise", "scikit-learn", "feature-engine", "pandas")
