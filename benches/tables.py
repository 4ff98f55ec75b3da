"""Ingest, profile, 20 checks and 12 transforms on a generated table of 12 columns, stage by stage.

polars, DuckDB and pandas with scikit-learn do the same work by hand, Great Expectations does the checks (18 of the 20 are the
same: it has the order of the ids instead of that of timestamps, and a minimum instead of an expression). Every tool writes its results to Parquet with zstd. The
others' seconds leave out starting Python and importing; ours are those of the whole command `phaseline run`, which finds the
ingested table already made. Peak memory is that of the whole process tree.

What the others leave out: which columns repeat one another, how many rows repeat others, a report and a page (profile); the
rows that failed and the report (checks); the raw columns beside the features, and the saved state by which one row is served
(features). What they do exactly and we do not: quantiles (in profiles), and numbers of different values above 20,000 (pandas).
"""
import argparse
import json
import os
import pathlib
import shutil
import tempfile

from common import program, table, timed, venv

PACKAGES = ["polars==2.1.0", "duckdb==2.0.0", "pandas==3.1.1", "scikit-learn==1.9.1", "pyarrow==26.0.1", "great_expectations==1.24.1"]
HERE = pathlib.Path(__file__).resolve().parent / "tables"
STAGES = ["ingest", "profile", "checks", "features"]

INGEST = """version: 1
pipeline: tables
understanding:
  steps:
    table: {{uses: ingest.csv, resources: {{cpus: {cores}}}, with: {{path: "{csv}"}}}}
"""
PROFILE = """
    profile: {{uses: profile.table, resources: {{cpus: {cores}}}, inputs: {{table: table}}}}
"""
CHECKS = """
    checked:
      uses: validate.table
      resources: {{cpus: {cores}}}
      inputs: {{table: table}}
      with:
        expect:
          - {{check: row_count, min: 1}}
          - {{column: id, check: unique}}
          - {{column: seen_at, check: increasing}}
          - {{column: age, check: not_null}}
          - {{column: channel, check: not_null, mostly: 0.9}}
          - {{column: age, check: between, min: 0, max: 120}}
          - {{column: income, check: between, min: 0, max: 1e9}}
          - {{column: usage, check: between, min: 0, max: 500, mostly: 0.99}}
          - {{column: rating, check: between, min: -10, max: 10}}
          - {{column: region, check: in_set, values: [north, south, east, west]}}
          - {{column: churn, check: in_set, values: ["Yes", "No"]}}
          - {{column: channel, check: distinct_count, max: 4}}
          - {{column: plan, check: regex, pattern: '^plan \\d+$'}}
          - {{column: city, check: length_between, min: 4, max: 12}}
          - {{columns: [income, amount], check: greater_than, ignore_row_if: either_value_is_missing}}
          - {{column: rating, check: mean, min: -0.1, max: 0.1}}
          - {{column: rating, check: stdev, min: 0.9, max: 1.1}}
          - {{column: usage, check: median, min: 30, max: 70}}
          - {{column: usage, check: max, max: 2000}}
          - {{check: expr, expr: "usage + 1 > amount / 10", mostly: 0.9}}
"""
FEATURES = """
data_engineering:
  steps:
    features:
      uses: feature.pipeline
      resources: {{cpus: {cores}}}
      inputs: {{fit: table}}
      with:
        target: {{column: churn, positive: "Yes"}}
        drop: [id]
        transforms:
          - {{impute: median, columns: [amount]}}
          - {{impute: most_frequent, columns: [channel]}}
          - {{winsorize: iqr, columns: [income]}}
          - {{derive: amount_per_year, as: amount / (age + 1)}}
          - {{derive: usage_log, as: log(1 + usage)}}
          - {{date_parts: [month, day_of_week, hour], columns: [seen_at]}}
          - {{cyclical: {{max_value: 24, drop_original: true}}, columns: [seen_at_hour]}}
          - {{bin: {{n_bins: 10, encode: ordinal}}, columns: [rating]}}
          - {{rare_label: 0.002, columns: [city]}}
          - {{target: {{}}, columns: [city]}}
          - {{one_hot: {{}}, columns: [region, plan, channel]}}
          - {{standardize: {{}}, columns: [age, income, usage, amount, amount_per_year, usage_log]}}
"""


def manifest(csv, stage, cores):
    """A pipeline with the stage, and with the ingest that it reads from."""
    text = INGEST + {"ingest": "", "profile": PROFILE, "checks": CHECKS, "features": FEATURES}[stage]
    return text.format(csv=csv, cores=cores)


def ours(work, csv, pinned, cores, stage):
    (work / "tables.yaml").write_text(manifest(csv, stage, cores))
    return timed([*pinned, program(), "run", "tables.yaml"], cwd=work, peak=True)


def theirs(work, python, pinned, cores, tool, stage):
    script = HERE / f"by_{tool}.py"
    words = [str(work)] if tool == "gx" else [stage, str(work)]
    words += [str(cores)] if tool == "duckdb" else []
    result = work / "seconds"
    environment = {**os.environ, "POLARS_MAX_THREADS": str(cores), "OMP_NUM_THREADS": str(cores), "PYTHONWARNINGS": "ignore"}
    _, peak = timed([*pinned, python, script, *words], env=environment, peak=True, output=result)
    return json.loads(result.read_text().splitlines()[-1]), peak


def measure(work, python, csv, cores, tools, stages):
    pinned = ["taskset", "-c", "0" if cores == 1 else f"0-{cores - 1}"]
    rows = []
    for stage in stages:
        found = {}
        for tool in tools:
            if tool == "gx" and stage != "checks":
                continue
            found[tool] = theirs(work, python, pinned, cores, tool, stage)
        if stage == "ingest":
            shutil.rmtree(work / ".phaseline", ignore_errors=True)
        found["phaseline"] = ours(work, csv, pinned, cores, stage)
        seconds = found["phaseline"][0]
        for tool, (wall, peak) in found.items():
            rows.append([stage, tool, f"{wall:.2f}", f"{wall / seconds:.2f}", f"{peak:.0f}"])
            print("  ", *rows[-1], flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venvs", required=True, help="a folder for the virtual environment that is made at the first run")
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--tools", nargs="*", default=["polars", "duckdb", "pandas", "gx"])
    parser.add_argument("--stages", nargs="+", default=STAGES)
    parser.add_argument("--work", help="where the tables are written; they are taken away afterwards")
    arguments = parser.parse_args()
    python = venv(pathlib.Path(arguments.venvs) / "tables", *PACKAGES)
    for rows in arguments.rows:
        work = pathlib.Path(tempfile.mkdtemp(prefix="phaseline-bench-", dir=arguments.work))
        try:
            csv = work / "table.csv"
            timed([python, HERE / "generate.py", csv, str(rows)])
            for cores in arguments.cores:
                print(f"\n{rows} rows, {csv.stat().st_size / 2**20:.0f} MiB of CSV, {cores} core(s)\n", flush=True)
                table(["stage", "tool", "seconds", "of phaseline", "peak MiB"],
                      measure(work, python, csv, cores, arguments.tools, arguments.stages))
        finally:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
