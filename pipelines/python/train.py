"""Fits a logistic regression and writes it as JSON: plain numbers and no pickle, so that reading it runs no code."""

import argparse
import json
import os
from pathlib import Path

from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import features


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--inverse-penalty", type=float, default=1.0)
    arguments = parser.parse_args()

    orders = features.read("orders")
    train, valid = features.read("customers"), features.read("valid")
    rows, target = features.build(train, orders), train["ordered_again"]
    impute, scale = SimpleImputer(strategy="median"), StandardScaler()
    regression = LogisticRegression(C=arguments.inverse_penalty, max_iter=1000)
    pipeline = make_pipeline(impute, scale, regression).fit(rows, target)

    scores = pipeline.predict_proba(features.build(valid, orders))[:, 1]
    features.metric("valid.roc_auc", roc_auc_score(valid["ordered_again"], scores))
    model = {
        "features": list(rows.columns),
        "medians": impute.statistics_.tolist(),
        "means": scale.mean_.tolist(),
        "scales": scale.scale_.tolist(),
        "coefficients": regression.coef_[0].tolist(),
        "intercept": float(regression.intercept_[0]),
    }
    # An output of kind `model` is a folder, which is there already.
    path = Path(os.environ["PHASELINE_OUTPUT_MODEL"]) / "model.json"
    path.write_text(json.dumps(model, indent=2), encoding="utf-8")
    print(f"fitted on {len(rows)} customers")


if __name__ == "__main__":
    main()
