"""Ingest, profile, validate and feature steps on a generated CSV, against polars doing the same work by hand.

Both write every result to Parquet. polars runs in one process of its own; phaseline runs the pipeline below, a process for
each step. Needs --venvs for polars. Peak memory is that of the whole process tree.
"""
import argparse
import pathlib
import shutil
import tempfile

from common import program, table, timed, venv

GENERATE = """
import sys, numpy as np, polars as pl
path, rows = sys.argv[1], int(sys.argv[2])
with open(path, "wb") as out:
    for start in range(0, rows, 500_000):
        n = min(500_000, rows - start)
        rng = np.random.default_rng(start)
        age = rng.integers(18, 90, n)
        usage = np.round(rng.gamma(2.0, 30.0, n), 3)
        amount = np.round(usage * 0.7 + rng.normal(0, 5, n), 2)
        score = (age - 50) / 20 + (usage - 60) / 40 + rng.normal(0, 1, n)
        frame = pl.DataFrame({
            "id": np.arange(start, start + n), "age": age,
            "region": rng.choice(["north", "south", "east", "west"], n), "plan": rng.choice([f"plan {i}" for i in range(12)], n),
            "usage": usage, "amount": pl.Series(amount).scatter(np.arange(0, n, 50), None),
            "churn": np.where(score > 1.0, "Yes", "No")})
        frame.write_csv(out, include_header=start == 0)
"""

POLARS = """
import sys, polars as pl
path, out = sys.argv[1], sys.argv[2]
pl.scan_csv(path).sink_parquet(out + "/table.parquet")
table = pl.scan_parquet(out + "/table.parquet")
numbers, texts = ["id", "age", "usage", "amount"], ["region", "plan", "churn"]
profile = [pl.len()]
for name in numbers:
    column = pl.col(name)
    profile += [column.null_count().alias(name + "_nulls"), column.approx_n_unique().alias(name + "_distinct"), column.mean().alias(name + "_mean"),
                column.std().alias(name + "_std"), column.min().alias(name + "_min"), column.max().alias(name + "_max"),
                column.median().alias(name + "_median"), column.skew().alias(name + "_skew")]
for name in texts:
    profile += [pl.col(name).null_count().alias(name + "_nulls"), pl.col(name).approx_n_unique().alias(name + "_distinct")]
table.select(profile).collect(engine="streaming").write_parquet(out + "/profile.parquet")
for name in texts:
    table.group_by(name).len().collect(engine="streaming")
checks = table.select(
    pl.col("id").n_unique() == pl.len(), pl.col("age").is_between(0, 120).all(), pl.col("churn").is_in(["Yes", "No"]).all(),
    pl.col("region").is_not_null().all(), (pl.col("amount").is_null().mean() <= 0.05)).collect(engine="streaming")
assert all(checks.row(0)), checks
fit = table.select([pl.col("amount").median().alias("amount_median")] + [e for n in ["age", "usage", "amount"] for e in
                   (pl.col(n).mean().alias(n + "_mean"), pl.col(n).std(ddof=0).alias(n + "_std"))]).collect(engine="streaming").row(0, named=True)
plans = table.select(pl.col("plan").unique()).collect(engine="streaming")["plan"].sort().to_list()
regions = table.select(pl.col("region").unique()).collect(engine="streaming")["region"].sort().to_list()
amount = pl.col("amount").fill_null(fit["amount_median"])
table.select(
    [((pl.col(n) - fit[n + "_mean"]) / fit[n + "_std"]).alias(n) for n in ["age", "usage"]]
    + [((amount - fit["amount_mean"]) / fit["amount_std"]).alias("amount"), (amount / (pl.col("age") + 1)).alias("amount_per_year")]
    + [(pl.col("region") == value).cast(pl.Float64).alias("region_" + value) for value in regions]
    + [(pl.col("plan") == value).cast(pl.Float64).alias("plan_" + value) for value in plans]
    + [(pl.col("churn") == "Yes").cast(pl.Int64).alias("churn")]).sink_parquet(out + "/features.parquet")
"""

PIPELINE = """version: 1
pipeline: tables
understanding:
  steps:
    table: {{uses: ingest.csv, with: {{path: "{csv}"}}}}
    profile: {{uses: profile.table, inputs: {{table: table}}}}
    checked:
      uses: validate.table
      inputs: {{table: table}}
      with:
        expect:
          - {{column: id, check: unique}}
          - {{column: age, check: between, min: 0, max: 120}}
          - {{column: churn, check: in_set, values: ["Yes", "No"]}}
          - {{column: region, check: not_null}}
          - {{column: amount, check: not_null, mostly: 0.95}}
data_engineering:
  steps:
    features:
      uses: feature.pipeline
      inputs: {{fit: checked}}
      with:
        target: {{column: churn, positive: "Yes"}}
        drop: [id]
        transforms:
          - {{impute: median, columns: [amount]}}
          - {{derive: amount_per_year, as: amount / (age + 1)}}
          - {{one_hot: {{}}, columns: [region, plan]}}
          - {{standardize: {{}}, columns: [age, usage, amount]}}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venvs", required=True)
    parser.add_argument("--rows", type=int, default=5_000_000)
    arguments = parser.parse_args()
    python = venv(pathlib.Path(arguments.venvs) / "polars", "polars==2.1.0", "numpy")
    work = pathlib.Path(tempfile.mkdtemp(prefix="phaseline-bench-"))
    try:
        csv = work / "table.csv"
        timed([python, "-c", GENERATE, csv, str(arguments.rows)])
        print(f"{arguments.rows} rows, {csv.stat().st_size / 2**20:.0f} MiB of CSV\n")
        (work / "polars").mkdir()
        theirs, their_peak = timed([python, "-c", POLARS, csv, work / "polars"], peak=True)
        (work / "tables.yaml").write_text(PIPELINE.format(csv=csv))
        ours, our_peak = timed([program(), "run", "tables.yaml"], cwd=work, peak=True)
        again, _ = timed([program(), "run", "tables.yaml"], cwd=work)
        table(["tool", "seconds", "of polars", "peak MiB"],
              [["polars", f"{theirs:.1f}", "1.0", f"{their_peak:.0f}"],
               ["phaseline", f"{ours:.1f}", f"{ours / theirs:.2f}", f"{our_peak:.0f}"],
               ["phaseline, nothing to do", f"{again:.2f}", f"{again / theirs:.2f}", ""]])
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
