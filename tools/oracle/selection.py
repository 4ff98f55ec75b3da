"""Writes tests/fixtures/oracle/selection.json: columns chosen by scikit-learn and feature-engine. See cases.py."""

import numpy as np
import pandas as pd
from feature_engine.selection import DropHighPSIFeatures, SelectByInformationValue
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.linear_model import LogisticRegression, Ridge

from cases import DATA, NUMBERS, ROWS, TARGETS, Cases, random

cases = Cases()
yes = NUMBERS["binary"]
# Whole 64ths: models see single precision.
NAMES = [f"m{place}" for place in range(6)]
for place, name in enumerate(NAMES):
    pull = [0.0, 1.5, -0.7, 0.2, 0.0, 1.0][place]
    values = random.normal(0, 1 + place / 3, ROWS) + pull * yes + pull * (NUMBERS["regression"] - 50) / 20
    DATA[name] = (np.round(values * 64) / 64, np.round(random.normal(size=5) * 64) / 64)
fit, fresh = (pd.DataFrame({name: DATA[name][part] for name in NAMES}) for part in (0, 1))


def chosen(model):
    kept = model.get_support()
    # The fresh rows show which columns are left; the same for the fit rows would be long.
    return None, fresh.to_numpy()[:, kept]


for target in ["binary", "multiclass", "regression"]:
    y = TARGETS[target] if target != "regression" else NUMBERS["regression"]
    exact = dict(tolerance=1e-6) if target != "regression" else {}

    def model(strength):
        if target == "regression":
            return Ridge(alpha=strength)
        return LogisticRegression(C=strength, solver="newton-cholesky" if target == "binary" else "newton-cg", tol=1e-13, max_iter=10000)

    for params in [{}, {"threshold": "median"}, {"threshold": "0.5*mean"}, {"threshold": 0.4}, {"threshold": 0.0, "max_features": 2}]:
        for strength in [1.0, 0.1]:
            selection = SelectFromModel(model(strength), threshold=params.get("threshold", "mean"), max_features=params.get("max_features")).fit(fit, y)
            coefficients = np.atleast_2d(selection.estimator_.coef_)
            ours = {**params, "model": {"c": strength, "alpha": strength}}
            if params.get("threshold") == 0.4 and not selection.get_support().any():
                continue
            cases.add(f"from_model {ours} {target}", [{"from_model": ours}], NAMES, *chosen(selection), target, scores=np.abs(coefficients).sum(axis=0), **exact)
    for params in [{}, {"n_features": 2}, {"n_features": 0.7}, {"n_features": 1, "step": 2}, {"n_features": 2, "step": 0.4}]:
        given = {"n_features_to_select": params.get("n_features"), "step": params.get("step", 1)}
        selection = RFE(model(1.0), **given).fit(fit, y)
        cases.add(f"rfe {params} {target}", [{"rfe": params}], NAMES, *chosen(selection), target, scores=selection.ranking_, **exact)

# Columns that move, in time and by a label.
DATA["moved"] = (np.round(random.normal(np.arange(ROWS) / 12, 1), 2), np.array([0.0, 1.0, 5.0]))
DATA["still"] = (np.round(random.normal(0, 1, ROWS), 2), np.array([0.0, 1.0, 5.0]))
DATA["few"] = (random.integers(0, 3, ROWS).astype(float), np.array([0.0, 1.0, 7.0]))
DATA["flat"] = (np.full(ROWS, 2.0), np.array([2.0, 2.0, 3.0]))
DATA["month"] = (random.integers(1, 13, ROWS).astype(float), np.array([1.0, 2.0, 3.0]))
DATA["label"] = (random.choice(["a", "b", "c", "d"], ROWS).astype(object), np.array(["a", "b", "z"], dtype=object))
DATA["holed"] = (np.where(np.arange(ROWS) % 7 == 3, np.nan, DATA["moved"][0]), np.array([0.0, np.nan, 5.0]))
JUDGED = ["few", "moved", "still"]


def frame(names, part):
    return pd.DataFrame({name: DATA[name][part] for name in names})


for params in [
    {}, {"strategy": "equal_width"}, {"bins": 4}, {"bins": 3, "split_frac": 0.25}, {"bins": 5, "switch": True}, {"threshold": "auto", "bins": 4},
    {"threshold": "auto", "p_value": 0.05, "strategy": "equal_width", "bins": 6}, {"bins": 4, "min_pct_empty_bins": 0.01}, {"bins": 4, "cut_off": 12.0},
    {"bins": 4, "split_col": "month"}, {"bins": 4, "split_col": "month", "cut_off": 4.0}, {"bins": 4, "split_col": "month", "split_distinct": True, "split_frac": 0.4},
    {"bins": 4, "split_col": "label"}, {"bins": 4, "split_col": "label", "cut_off": ["a", "d"]}, {"bins": 4, "split_col": "month", "cut_off": [1.0, 5.0, 6.0, 7.0, 12.0]},
    {"bins": 4, "split_col": "label", "cut_off": "b"},
]:
    names = JUDGED + ([params["split_col"]] if "split_col" in params else [])
    model = DropHighPSIFeatures(variables=JUDGED, **{"threshold": 1.0, **params}).fit(frame(names, 0))
    ours = {"threshold": 1.0, **params}
    if len(model.features_to_drop_) == len(JUDGED):
        print("all go", ours)
        continue
    # The column that splits is a feature too, unless it is a text.
    leave = [{"drop": "label"}] if params.get("split_col") == "label" else []
    out = lambda part: model.transform(frame(names, part)).drop(columns="label", errors="ignore").to_numpy(dtype=float)
    cases.add(f"drop_high_psi {ours}", [{"drop_high_psi": ours, "columns": JUDGED}, *leave], names, None, out(1),
              scores=[model.psi_values_[name] for name in JUDGED])
model = DropHighPSIFeatures(variables=["holed", "still"], bins=5, threshold=2.0, missing_values="ignore").fit(frame(["holed", "still"], 0))
assert len(model.features_to_drop_) < 2, model.psi_values_
holes = lambda part: model.transform(frame(["holed", "still"], part)).to_numpy(dtype=float)
cases.add("drop_high_psi with holes", [{"drop_high_psi": {"bins": 5, "threshold": 2.0, "missing_values": "ignore"}}], ["holed", "still"], None, holes(1),
          scores=[model.psi_values_[name] for name in ["holed", "still"]])
both = frame(["label", "still"], 0)
model = DropHighPSIFeatures(variables=["label", "still"], bins=4, threshold="auto").fit(both)
kept = [name for name in ["still"] if name not in model.features_to_drop_]
cases.add("drop_high_psi of a category", [{"drop_high_psi": {"bins": 4, "threshold": "auto"}, "columns": ["label", "still"]}, {"drop": "@categorical"}], ["label", "still"],
          None, frame(kept, 1).to_numpy(), scores=[model.psi_values_[name] for name in ["label", "still"]])

for params in [{}, {"bins": 3}, {"bins": 2, "threshold": 0.02}, {"bins": 3, "strategy": "equal_frequency"}, {"bins": 2, "strategy": "equal_frequency", "threshold": 0.001}]:
    names = ["few", "m1", "m2", "m5"]
    data = frame(names, 0)
    try:
        model = SelectByInformationValue(**params).fit(data, pd.Series(yes))
    except ValueError as error:
        print("refused", params, str(error)[:80])
        continue
    if len(model.features_to_drop_) == len(names):
        print("all go", params)
        continue
    cases.add(f"information_value {params}", [{"information_value": params}], names, None, model.transform(pd.DataFrame({name: DATA[name][1][:3] for name in names})),
              scores=[model.information_values_[name] for name in names])
data = frame(["label", "few"], 0)
model = SelectByInformationValue(bins=3, threshold=0.0).fit(data, pd.Series(yes))
cases.add("information_value of a category", [{"information_value": {"bins": 3, "threshold": 0.0}}, {"drop": "label"}], ["label", "few"],
          None, DATA["few"][1], scores=[model.information_values_[name] for name in ["label", "few"]])

cases.write("selection", "scikit-learn", "feature-engine", "pandas")
