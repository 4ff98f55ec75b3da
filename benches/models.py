"""Test ROC AUC on public data, each beside logistic regression on the same rows.

Telco churn: ten random stratified splits, a fifth held out. Adult: the official test split. Give the folder that holds
telco-churn.csv, adult-train.csv and adult-test.csv (without header, as published).
"""
import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import tempfile

from common import program, table

TELCO = """version: 1
pipeline: telco
params:
  seed: {type: int, default: 7}
understanding:
  steps:
    customers: {uses: ingest.csv, with: {path: "DATA/telco-churn.csv", null_values: ["", " "]}}
data_engineering:
  steps:
    split: {uses: split.random, inputs: {table: customers}, with: {stratify: Churn, valid: 0.15, test: 0.2, seed: "${{ params.seed }}"}}
    features:
      uses: feature.pipeline
      inputs: {fit: split.train, valid: split.valid, test: split.test}
      with:
        target: {column: Churn, positive: "Yes"}
        drop: [customerID]
        transforms:
          - {impute: median, columns: [TotalCharges]}
          - {derive: charge_per_month, as: TotalCharges / (tenure + 1)}
          - {one_hot: {max_categories: 20}, columns: "@categorical"}
          - {standardize: {}, columns: "@numeric"}
model_engineering:
  steps:
    baseline: {uses: train.logistic, inputs: {train: features.fit, valid: features.valid}}
    net: {uses: train.mlp, inputs: {train: features.fit, valid: features.valid}, with: {hidden: [64, 32], dropout: 0.2, epochs: 40, seed: "${{ params.seed }}"}}
"""

ADULT = """version: 1
pipeline: adult
params:
  seed: {type: int, default: 7}
understanding:
  steps:
    train_raw:
      uses: ingest.csv
      with: &source
        path: "DATA/adult-train.csv"
        header: false
        trim: true
        null_values: ["?"]
        columns: [age, workclass, fnlwgt, education, education_num, marital_status, occupation, relationship, race, sex, capital_gain, capital_loss, hours_per_week, native_country, income]
    test_raw: {uses: ingest.csv, with: {<<: *source, path: adult-test.csv}}
data_engineering:
  steps:
    split: {uses: split.random, inputs: {table: train_raw}, with: {stratify: income, valid: 0.2, test: 0}}
    features:
      uses: feature.pipeline
      inputs: {fit: split.train, valid: split.valid, test: test_raw}
      with:
        target: {column: income, positive: ">50K"}
        drop: [fnlwgt]
        transforms:
          - {log1p: {}, columns: [capital_gain, capital_loss]}
          - {ordinal: {}, columns: "@categorical"}
          - {standardize: {}, columns: "@numeric"}
model_engineering:
  steps:
    baseline: {uses: train.logistic, inputs: {train: features.fit, valid: features.valid}}
    net: {uses: train.mlp, inputs: {train: features.fit, valid: features.valid}, with: {hidden: [256, 128], dropout: 0.3, epochs: 40}}
"""

EVALUATION = """evaluation:
  steps:
    baseline_report: {uses: evaluate.classifier, inputs: {model: baseline, test: features.test}, with: {bootstrap: 200}}
    net_report: {uses: evaluate.classifier, inputs: {model: net, test: features.test}, with: {bootstrap: 200}}
"""


def areas(work, name, seed):
    done = subprocess.run([program(), "run", f"{name}.yaml", "--set", f"seed={seed}", "--json"], cwd=work, check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    steps = json.loads(done.stdout)["steps"]
    return [steps[step]["metrics"]["roc_auc"] for step in ("baseline_report", "net_report")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    data = parser.parse_args().data.resolve()
    work = pathlib.Path(tempfile.mkdtemp(prefix="phaseline-bench-"))
    try:
        for name, text in (("telco", TELCO), ("adult", ADULT)):
            (work / f"{name}.yaml").write_text((text + EVALUATION).replace("DATA", str(data)))
        # The published test file ends its labels with a full stop.
        lines = [line.rstrip(".") for line in (data / "adult-test.csv").read_text().splitlines() if line.strip()]
        (work / "adult-test.csv").write_text("\n".join(lines) + "\n")
        rows = []
        splits = [areas(work, "telco", seed) for seed in range(1, 11)]
        for model, values in zip(("logistic regression", "network"), zip(*splits)):
            rows.append(["Telco, 10 splits", model, f"{statistics.mean(values):.4f}", f"{statistics.pstdev(values):.4f}"])
        for model, value in zip(("logistic regression", "network"), areas(work, "adult", 7)):
            rows.append(["Adult, official test", model, f"{value:.4f}", ""])
        table(["data", "model", "roc_auc", "standard deviation"], rows)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
