"""Scores customers that the model has not seen, and measures how well it ranks them."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

import features


def main() -> None:
    model = json.loads((Path(os.environ["PHASELINE_INPUT_MODEL"]) / "model.json").read_text(encoding="utf-8"))
    customers = features.read("customers")
    rows = features.build(customers, features.read("orders"))[model["features"]].to_numpy()
    rows = np.where(np.isnan(rows), model["medians"], rows)
    rows = (rows - model["means"]) / model["scales"]
    probability = 1 / (1 + np.exp(-(rows @ model["coefficients"] + model["intercept"])))

    target = customers["ordered_again"]
    measured = {
        "roc_auc": roc_auc_score(target, probability),
        "average_precision": average_precision_score(target, probability),
        "brier_score_loss": brier_score_loss(target, probability),
    }
    for name, value in measured.items():
        features.metric(name, value)

    # Tables are Parquet files, reports are JSON.
    scores = pd.DataFrame({"customer_id": customers["customer_id"], "probability": probability})
    scores.to_parquet(os.environ["PHASELINE_OUTPUT_SCORES"], index=False)
    report = {"rows": len(scores), "metrics": {name: float(value) for name, value in measured.items()}}
    Path(os.environ["PHASELINE_OUTPUT_REPORT"]).write_text(json.dumps(report, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
