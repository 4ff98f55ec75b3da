"""Writes tests/fixtures/oracle/scale.json: scaled and bent numbers by scikit-learn and feature-engine. See cases.py."""

import numpy as np
import pandas as pd
from feature_engine.scaling import MeanNormalizationScaler
from feature_engine.transformation import ArcSinhTransformer, LogTransformer, ReciprocalTransformer
from sklearn.preprocessing import MaxAbsScaler, Normalizer, PowerTransformer, QuantileTransformer, RobustScaler

from cases import DATA, Cases, column, several

cases = Cases()


def fitted(name, transforms, model, data, **more):
    fit, fresh = (column(part) for part in DATA[data])
    model.fit(fit)
    cases.add(f"{name} {data}", transforms, data, model.transform(fit), model.transform(fresh), **more)


for data in ["skew", "tiny", "wide", "constant"]:
    fitted("max_abs", [{"max_abs": {}}], MaxAbsScaler(), data)
    fitted("robust", [{"robust": {}}], RobustScaler(), data)
fitted("max_abs clip", [{"max_abs": {"clip": True}}], MaxAbsScaler(clip=True), "skew")
fitted("robust range", [{"robust": {"quantile_range": [5, 90], "unit_variance": True}}], RobustScaler(quantile_range=(5, 90), unit_variance=True), "skew")
fitted("robust ties", [{"robust": {"with_centering": False}}], RobustScaler(with_centering=False), "ties")
fitted("robust unscaled", [{"robust": {"with_scaling": False}}], RobustScaler(with_scaling=False), "wide")
for output in ["uniform", "normal"]:
    for count in [5, 1000]:
        for data in ["skew", "ties", "tiny", "constant"]:
            fitted(f"quantile {output} {count}", [{"quantile": {"output": output, "n_quantiles": count}}], QuantileTransformer(n_quantiles=count, output_distribution=output, subsample=None), data)
# Both stop when they know the power to about eight digits, so the results agree to about seven.
for standardize in [True, False]:
    for data in ["skew", "wide", "ties", "constant", "positive"]:
        fitted(f"power yeo-johnson {standardize}", [{"power": {"standardize": standardize}}], PowerTransformer(standardize=standardize), data, tolerance=1e-6)
    fitted(f"power box-cox {standardize}", [{"power": {"method": "box-cox", "standardize": standardize}}], PowerTransformer("box-cox", standardize=standardize), "positive", tolerance=1e-6)


def engine(name, transforms, model, data):
    fit, other = (pd.DataFrame({"x": part}) for part in DATA[data])
    model.fit(fit)
    cases.add(f"{name} {data}", transforms, data, model.transform(fit)["x"], model.transform(other)["x"])


engine("log", [{"log": {}}], LogTransformer(), "positive")
engine("log 10", [{"log": "10"}], LogTransformer(base="10"), "positive")
engine("reciprocal", [{"reciprocal": {}}], ReciprocalTransformer(), "positive")
engine("arcsinh", [{"arcsinh": {"loc": 3, "scale": 0.5}}], ArcSinhTransformer(loc=3, scale=0.5), "positive")
engine("mean_norm", [{"mean_norm": {}}], MeanNormalizationScaler(), "positive")
cases.add("sqrt", [{"sqrt": {}}], "positive", np.sqrt(DATA["positive"][0]), np.sqrt(DATA["positive"][1]))
cases.add("log 2", [{"log": "2"}], "positive", np.log2(DATA["positive"][0]), np.log2(DATA["positive"][1]))

for norm in ["l1", "l2", "max"]:
    names = ["positive", "tiny", "constant"]
    fresh = several(names, 1)
    model = Normalizer(norm)
    out = np.full(fresh.shape, np.nan)
    for row, values in enumerate(fresh):
        present = ~np.isnan(values)
        out[row, present] = model.transform(values[present].reshape(1, -1))[0]
    cases.add(f"normalizer {norm}", [{"normalizer": norm}], names, model.transform(several(names, 0)), out)

cases.write("scale", "scikit-learn", "feature-engine", "scipy")
