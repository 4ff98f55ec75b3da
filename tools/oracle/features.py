"""Writes tests/fixtures/oracle/features.json: what scikit-learn makes of small columns.

Needs: scikit-learn==1.9.1 numpy==2.4.6 pandas==3.1.1
Run from the repository's root: python tools/oracle/features.py
"""

import json
import math
import warnings

import numpy as np
import pandas as pd
import sklearn
from sklearn.feature_extraction import FeatureHasher
from sklearn.impute import SimpleImputer
from sklearn.model_selection import PredefinedSplit
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)

warnings.simplefilter("ignore")
random = np.random.default_rng(20240229)
ROWS, SEED = 60, 7


def numbers(values):
    return {"type": "float", "values": [None if v is None or math.isnan(v) else float(v) for v in values]}


def texts(values):
    return {"type": "text", "values": [None if v is None else str(v) for v in values]}


def holes(values, share=0.1):
    return np.where(random.random(len(values)) < share, np.nan, values)


skew = holes(np.round(np.exp(random.normal(2, 1, ROWS)), 3))
tiny = random.normal(1e5, 1, ROWS)
wide = holes(random.normal(-3, 1e6, ROWS))
ties = holes(random.integers(0, 4, ROWS).astype(float))
constant = np.full(ROWS, 0.1)
plan = random.choice(["basic", "plus", "Ünlimited 🚀", "", "a b"], ROWS, p=[0.4, 0.3, 0.15, 0.1, 0.05]).astype(object)
plan[random.random(ROWS) < 0.08] = None
town = random.choice([f"t{i:02}" for i in range(15)], ROWS, p=np.arange(15, 0, -1) / 120).astype(object)
pair = random.choice(["n", "y"], ROWS).astype(object)
label = random.choice(["No", "Yes"], ROWS, p=[0.7, 0.3])
kind = random.choice(["red", "green", "blue"], ROWS)
amount = np.round(random.normal(50, 20, ROWS), 2)

fresh_skew = np.array([0.0, 1e-9, 5.5, np.nan, 1e12, -4.0, 7.0, 2.718, 33.0, 8.0, 9.25, 1e3])
fresh_plan = np.array(["basic", "unseen", None, "", "plus", "Ünlimited 🚀", "a b", "basic ", "PLUS", "plus", None, "x"], dtype=object)
fresh_town = np.array(["t00", "t14", "t99", "t05", "t01", "", "t02", "t03", "t13", "t12", "t04", "t06"], dtype=object)
fresh_pair = np.array(["n", "y"] * 6, dtype=object)

cases = []


def case(name, transforms, columns, fresh, fit_out, fresh_out, target="binary"):
    """One case: `columns` and `fresh` go in, the expected features in their order come out."""
    cases.append({
        "name": name,
        "transforms": transforms,
        "target": target,
        "columns": columns,
        "fresh": fresh,
        "fit": [[None if math.isnan(v) else float(v) for v in column] for column in np.asarray(fit_out, dtype=float).T],
        "applied": [[None if math.isnan(v) else float(v) for v in column] for column in np.asarray(fresh_out, dtype=float).T],
    })


def column(values):
    return np.asarray(values).reshape(-1, 1)


def numeric(name, transforms, model, values, fresh=fresh_skew):
    model.fit(column(values))
    case(name, transforms, {"x": numbers(values)}, {"x": numbers(fresh)}, model.transform(column(values)), model.transform(column(fresh)))


def categorical(name, transforms, model, values, fresh):
    model.fit(column(values))
    dense = lambda out: out.toarray() if hasattr(out, "toarray") else out
    case(name, transforms, {"x": texts(values)}, {"x": texts(fresh)}, dense(model.transform(column(values))), dense(model.transform(column(fresh))))


for strategy in ["mean", "median", "most_frequent"]:
    for title, values in [("skew", skew), ("ties", ties), ("wide", wide)]:
        numeric(f"impute {strategy} {title}", [{"impute": strategy}], SimpleImputer(strategy=strategy), values)
numeric("impute constant", [{"impute": {"strategy": "constant", "fill_value": -7.5}}], SimpleImputer(strategy="constant", fill_value=-7.5), skew)
numeric("impute with indicator", [{"impute": {"strategy": "mean", "add_indicator": True}}], SimpleImputer(strategy="mean", add_indicator=True), skew)

for title, values in [("skew", skew), ("tiny", tiny), ("wide", wide), ("constant", constant)]:
    numeric(f"standardize {title}", [{"standardize": {}}], StandardScaler(), values)
    numeric(f"min_max {title}", [{"min_max": {}}], MinMaxScaler(), values)
numeric("standardize without mean", [{"standardize": {"with_mean": False}}], StandardScaler(with_mean=False), skew)
numeric("standardize without std", [{"standardize": {"with_std": False}}], StandardScaler(with_std=False), skew)
numeric("min_max range and clip", [{"min_max": {"feature_range": [-1, 2], "clip": True}}], MinMaxScaler(feature_range=(-1, 2), clip=True), skew)

full = np.nan_to_num(skew, nan=3.0)
full_ties = np.nan_to_num(ties, nan=1.0)
fresh_full = np.nan_to_num(fresh_skew, nan=3.0)
for strategy in ["uniform", "quantile"]:
    for bins in [3, 7]:
        for title, values in [("skew", full), ("ties", full_ties), ("tiny", tiny)]:
            for encode in ["ordinal", "onehot"]:
                model = KBinsDiscretizer(n_bins=bins, strategy=strategy, encode="onehot-dense" if encode == "onehot" else "ordinal", quantile_method="averaged_inverted_cdf", subsample=None)
                numeric(f"bin {strategy} {bins} {title} {encode}", [{"bin": {"n_bins": bins, "strategy": strategy, "encode": encode}}], model, values, fresh_full)


def winsorized(name, transforms, low, high):
    cut = lambda values: column(np.clip(values, low, high))
    case(name, transforms, {"x": numbers(full)}, {"x": numbers(fresh_full)}, cut(full), cut(fresh_full))


# feature-engine 1.9 (Winsorizer): pandas' quantiles, and the standard deviation with ddof=0.
series = pd.Series(full)
q1, q3 = series.quantile(0.25), series.quantile(0.75)
winsorized("winsorize quantiles", [{"winsorize": "quantiles"}], series.quantile(0.05), series.quantile(0.95))
winsorized("winsorize iqr", [{"winsorize": {"method": "iqr", "fold": 1.0}}], q1 - (q3 - q1), q3 + (q3 - q1))
winsorized("winsorize gaussian", [{"winsorize": {"method": "gaussian", "fold": 2.0}}], series.mean() - 2 * series.std(ddof=0), series.mean() + 2 * series.std(ddof=0))
winsorized("winsorize right", [{"winsorize": {"method": "iqr", "tail": "right"}}], -np.inf, q3 + 1.5 * (q3 - q1))
case("log1p", [{"log1p": {}}], {"x": numbers(full)}, {"x": numbers(full[:5])}, column(np.log1p(full)), column(np.log1p(full[:5])))

for title, values, fresh in [("plan", plan, fresh_plan), ("town", town, fresh_town), ("pair", pair, fresh_pair)]:
    for params in [{}, {"max_categories": 4}, {"min_frequency": 5}, {"min_frequency": 0.1, "max_categories": 3}, {"max_categories": 1}, {"drop": "first"}, {"drop": "if_binary"}, {"drop": "first", "max_categories": 5}]:
        for unknown in ["infrequent_if_exist", "ignore"]:
            model = OneHotEncoder(handle_unknown=unknown, sparse_output=False, **params)
            categorical(f"one_hot {title} {params} {unknown}", [{"one_hot": {**params, "handle_unknown": unknown.removesuffix("_if_exist")}}], model, values, fresh)
    count = len({v for v in values if v is not None})
    has_null = any(v is None for v in values)
    model = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=count + has_null, encoded_missing_value=count if has_null else np.nan)
    categorical(f"ordinal {title}", [{"ordinal": {}}], model, values, fresh)
    model = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=count if has_null else np.nan)
    categorical(f"ordinal {title} -1", [{"ordinal": {"unknown_value": -1}}], model, values, fresh)


def folds(count):
    """The folds of Phaseline: the finaliser of SplitMix64 over seed and row."""
    mask, out = (1 << 64) - 1, []
    for row in range(ROWS):
        bits = (SEED + (row + 1) * 0x9E3779B97F4A7C15) & mask
        bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & mask
        bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & mask
        out.append((bits ^ (bits >> 31)) % count)
    return np.array(out)


for target, y in [("binary", label), ("multiclass", kind), ("regression", amount)]:
    for title, values, fresh in [("plan", plan, fresh_plan), ("town", town, fresh_town)]:
        for params in [{}, {"smooth": 10.0}, {"smooth": 0.0, "cv": 3}]:
            model = TargetEncoder(smooth=params.get("smooth", "auto"), cv=PredefinedSplit(folds(params.get("cv", 5))))
            fit = model.fit_transform(column(values), y)
            # 1.9 gives the columns of a multiclass encoding in the order of the sorted classes, as we do.
            case(f"target {target} {title} {params}", [{"target": params}], {"x": texts(values)}, {"x": texts(fresh)}, fit, model.transform(column(fresh)), target)

for alternate in [True, False]:
    def hashed(values):
        rows = [{"x": v} if v is not None else {} for v in values]
        return FeatureHasher(n_features=8, alternate_sign=alternate).transform(rows).toarray()
    case(f"hash {alternate}", [{"hash": {"n_features": 8, "alternate_sign": alternate}}], {"x": texts(plan)}, {"x": texts(fresh_plan)}, hashed(plan), hashed(fresh_plan))

# A chain: what is imputed is scaled, what is target-encoded is scaled on its cross-fitted values.
chain = StandardScaler().fit(SimpleImputer(strategy="median").fit_transform(column(skew)))
imputed = lambda values: np.where(np.isnan(values), np.nanmedian(skew), values)
case("impute then standardize", [{"impute": "median"}, {"standardize": {}}], {"x": numbers(skew)}, {"x": numbers(fresh_skew)}, chain.transform(column(imputed(skew))), chain.transform(column(imputed(fresh_skew))))
encoder = TargetEncoder(cv=PredefinedSplit(folds(5)))
crossed = encoder.fit_transform(column(town), label)
scaler = StandardScaler().fit(crossed)
case("target then standardize", [{"target": {}}, {"standardize": {}}], {"x": texts(town)}, {"x": texts(fresh_town)}, scaler.transform(crossed), scaler.transform(encoder.transform(column(fresh_town))))

fixture = {
    "versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__, "pandas": pd.__version__},
    "seed": SEED,
    "targets": {"binary": texts(label), "multiclass": texts(kind), "regression": numbers(amount)},
    "cases": cases,
}
with open("tests/fixtures/oracle/features.json", "w") as file:
    json.dump(fixture, file, ensure_ascii=False, separators=(",", ":"))
    file.write("\n")
print(len(cases), "cases")
