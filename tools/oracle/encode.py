"""Writes tests/fixtures/oracle/encode.json: encoded categories by category_encoders, feature-engine and scikit-learn. See cases.py."""

import numpy as np
import pandas as pd
from category_encoders import BinaryEncoder, CatBoostEncoder, CountEncoder, LeaveOneOutEncoder, MEstimateEncoder, TargetEncoder, WOEEncoder
from feature_engine.encoding import CountFrequencyEncoder, RareLabelEncoder
from sklearn.preprocessing import OrdinalEncoder

from cases import DATA, NUMBERS, Cases, column, folds

cases = Cases()


def frames(data):
    return [pd.DataFrame({"x": pd.Series(part, dtype=object)}) for part in DATA[data]]


def crossed(name, transforms, model, data, target="binary", count=5):
    """The rows of each fold get what the other folds taught, all others what all rows taught."""
    fit, fresh = frames(data)
    y, fold = pd.Series(NUMBERS[target]), folds(count)
    out = np.full(len(fit), np.nan)
    for left_out in range(count):
        rows = fold == left_out
        out[rows] = model().fit(fit[~rows], y[~rows]).transform(fit[rows])["x"]
    cases.add(f"{name} {data} {target}", transforms, data, out, model().fit(fit, y).transform(fresh)["x"], target)


for data in ["plan", "town"]:
    for target in ["binary", "regression"]:
        crossed("target sigmoid", [{"target": {"formula": "sigmoid"}}], lambda: TargetEncoder(), data, target)
        crossed("target sigmoid 2 1.5", [{"target": {"formula": "sigmoid", "min_samples_leaf": 2, "smoothing": 1.5, "cv": 3}}], lambda: TargetEncoder(min_samples_leaf=2, smoothing=1.5), data, target, 3)
        crossed("m_estimate", [{"m_estimate": {}}], lambda: MEstimateEncoder(), data, target)
        crossed("m_estimate 7.5", [{"m_estimate": 7.5}], lambda: MEstimateEncoder(m=7.5), data, target)
        fit, fresh = frames(data)
        y = pd.Series(NUMBERS[target])
        for key, model in [("leave_one_out", LeaveOneOutEncoder()), ("catboost", CatBoostEncoder())]:
            out = model.fit_transform(fit, y)["x"]
            cases.add(f"{key} {data} {target}", [{key: {}}], data, out, model.transform(fresh)["x"], target)
        model = CatBoostEncoder(a=3)
        cases.add(f"catboost 3 {data} {target}", [{"catboost": 3}], data, model.fit_transform(fit, y)["x"], model.transform(fresh)["x"], target)
    crossed("woe", [{"woe": {}}], lambda: WOEEncoder(), data)
    crossed("woe 0.5", [{"woe": {"regularization": 0.5, "cv": 4}}], lambda: WOEEncoder(regularization=0.5), data, count=4)

for data in ["plan", "town", "pair"]:
    fit, fresh = frames(data)
    for normalize in [False, True]:
        model = CountEncoder(normalize=normalize).fit(fit)
        cases.add(f"count {normalize} {data}", [{"count": {"normalize": normalize}}], data, model.transform(fit)["x"], model.transform(fresh)["x"].fillna(0))
    model = BinaryEncoder().fit(fit)
    cases.add(f"binary {data}", [{"binary": {}}], data, model.transform(fit), model.transform(fresh))
model = CountFrequencyEncoder("frequency", unseen="encode").fit(frames("town")[0])
cases.add("frequency town", [{"count": {"normalize": True}}], "town", model.transform(frames("town")[0])["x"], model.transform(frames("town")[1].fillna("?"))["x"])

# What stays text is shown by its codes.
for params, model in [
    ({}, RareLabelEncoder()),
    ({"tol": 0.1, "n_categories": 3}, RareLabelEncoder(tol=0.1, n_categories=3)),
    ({"tol": 0.02, "n_categories": 3, "max_n_categories": 2, "replace_with": "~"}, RareLabelEncoder(tol=0.02, n_categories=3, max_n_categories=2, replace_with="~")),
]:
    fit, fresh = frames("town")
    fresh = fresh.fillna("?")
    model.fit(fit)
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1).fit(model.transform(fit))
    out = encoder.transform(model.transform(fresh))
    # Here a missing value stays missing.
    out[DATA["town"][1] == None] = -1  # noqa: E711
    cases.add(f"rare_label {params}", [{"rare_label": params}, {"ordinal": {"unknown_value": -1}}], "town", encoder.transform(model.transform(fit)), out)

for data in ["plan", "town"]:
    for params in [{"max_categories": 3}, {"min_frequency": 5}, {"min_frequency": 0.1, "max_categories": 4}, {"max_categories": 1}]:
        # A missing value is never infrequent, which scikit-learn knows of NaN only.
        fit, fresh = (column(np.array([np.nan if v is None else v for v in part], dtype=object)) for part in DATA[data])
        has_null = any(v is None for v in DATA[data][0])
        model = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, **params).fit(fit)
        infrequent = model.infrequent_categories_[0]
        frequent = len(model.categories_[0]) - has_null - (0 if infrequent is None else len(infrequent))
        missing = frequent + (infrequent is not None)
        model = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=missing if has_null else np.nan, **params).fit(fit)
        cases.add(f"ordinal {data} {params}", [{"ordinal": {"unknown_value": -1, **params}}], data, model.transform(fit), model.transform(fresh))

cases.write("encode", "scikit-learn", "feature-engine", "category_encoders")
