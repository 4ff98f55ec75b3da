"""The four stages by hand in polars: `python by_polars.py STAGE FOLDER` prints the seconds, without the imports."""
import itertools
import sys
import time

import polars as pl

NUMBERS = ["id", "age", "income", "usage", "amount", "rating"]
TEXTS = ["region", "plan", "city", "channel", "churn"]
FEW = ["region", "plan", "channel", "churn"]


def ingest(folder):
    pl.scan_csv(f"{folder}/table.csv", try_parse_dates=True).sink_parquet(f"{folder}/polars.parquet")


def profile(folder):
    table = pl.scan_parquet(f"{folder}/polars.parquet")
    wanted = [pl.len()]
    for name in [*NUMBERS, "seen_at"]:
        column = pl.col(name)
        wanted += [column.null_count().alias(f"{name}_nulls"), column.approx_n_unique().alias(f"{name}_distinct"),
                   column.min().alias(f"{name}_min"), column.max().alias(f"{name}_max")]
        wanted += [column.quantile(share).alias(f"{name}_{share}") for share in (0.05, 0.25, 0.5, 0.75, 0.95)]
    for name in NUMBERS:
        column = pl.col(name)
        wanted += [column.mean().alias(f"{name}_mean"), column.std().alias(f"{name}_std"), column.skew().alias(f"{name}_skew"),
                   column.kurtosis().alias(f"{name}_kurtosis")]
    for name in TEXTS:
        wanted += [pl.col(name).null_count().alias(f"{name}_nulls"), pl.col(name).approx_n_unique().alias(f"{name}_distinct")]
    wanted += [pl.corr(left, right).alias(f"{left}_{right}") for left, right in itertools.combinations(NUMBERS, 2)]
    found = table.select(wanted).collect(engine="streaming").row(0, named=True)
    for name in [*NUMBERS, *TEXTS, "seen_at"]:
        table.group_by(name).len().top_k(10, by="len").collect(engine="streaming")
    for name in NUMBERS:
        low, width = found[f"{name}_min"], (found[f"{name}_max"] - found[f"{name}_min"]) / 24
        table.group_by(((pl.col(name) - low) / width).floor().clip(0, 23).alias("bin")).len().collect(engine="streaming")
    for pair in itertools.combinations(FEW, 2):
        table.group_by(pair).len().collect(engine="streaming")


def checks(folder):
    table = pl.scan_parquet(f"{folder}/polars.parquet")
    kept = lambda condition: condition.mean()
    found = table.select(
        (pl.len() > 0).alias("row_count"), (pl.col("id").n_unique() == pl.len()).alias("unique"),
        (pl.col("seen_at").diff().dt.total_microseconds() >= 0).all().alias("increasing"),
        pl.col("age").is_not_null().all().alias("not_null"), (pl.col("channel").is_not_null().mean() >= 0.9).alias("mostly"),
        pl.col("age").is_between(0, 120).all().alias("age"), pl.col("income").is_between(0, 1e9).all().alias("income"),
        (kept(pl.col("usage").is_between(0, 500)) >= 0.99).alias("usage"), pl.col("rating").is_between(-10, 10).all().alias("rating"),
        pl.col("region").is_in(["north", "south", "east", "west"]).all().alias("region"), pl.col("churn").is_in(["Yes", "No"]).all().alias("churn"),
        (pl.col("channel").n_unique() <= 4).alias("distinct"), pl.col("plan").str.contains(r"^plan \d+$").all().alias("regex"),
        pl.col("city").str.len_chars().is_between(4, 12).all().alias("length"), (pl.col("income") > pl.col("amount")).all().alias("pair"),
        pl.col("rating").mean().is_between(-0.1, 0.1).alias("mean"), pl.col("rating").std().is_between(0.9, 1.1).alias("stdev"),
        pl.col("usage").quantile(0.5).is_between(30, 70).alias("median"), (pl.col("usage").max() < 2000).alias("max"),
        (kept(pl.col("usage") + 1 > pl.col("amount") / 10) >= 0.9).alias("expr")).collect(engine="streaming")
    assert all(found.row(0)), found


def features(folder):
    table = pl.scan_parquet(f"{folder}/polars.parquet")
    target = (pl.col("churn") == "Yes").cast(pl.Float64)
    amount = pl.col("amount")
    fit = table.select(
        amount.median().alias("amount"), pl.col("income").quantile(0.25).alias("q1"), pl.col("income").quantile(0.75).alias("q3"),
        *[pl.col("rating").quantile(tenth / 10).alias(f"bin{tenth}") for tenth in range(1, 10)], target.mean().alias("rate"),
        target.var(ddof=0).alias("spread")).collect(engine="streaming").row(0, named=True)
    channel = table.group_by("channel").len().drop_nulls().sort("len", descending=True).collect(engine="streaming")["channel"][0]
    folds = table.with_row_index("row").with_columns((pl.col("row") % 5).alias("fold"), target.alias("goal"))
    counted = folds.group_by("city", "fold").agg(pl.len(), pl.col("goal").sum().alias("hits")).collect(engine="streaming")
    whole = counted.group_by("city").agg(pl.col("len").sum().alias("all"), pl.col("hits").sum().alias("all_hits"))
    rare = whole.filter(pl.col("all") < 0.002 * whole["all"].sum())["city"].to_list()
    city = pl.when(pl.col("city").is_in(rare)).then(pl.lit("Rare")).otherwise(pl.col("city")).alias("city")
    counted = counted.with_columns(city).group_by("city", "fold").agg(pl.col("len").sum(), pl.col("hits").sum())
    whole = counted.group_by("city").agg(pl.col("len").sum().alias("all"), pl.col("hits").sum().alias("all_hits"))
    smooth = counted.join(whole, on="city").with_columns(n=pl.col("all") - pl.col("len"), y=pl.col("all_hits") - pl.col("hits"))
    mean = pl.col("y") / pl.col("n")
    weight = fit["spread"] * pl.col("n") / (fit["spread"] * pl.col("n") + mean * (1 - mean))
    smooth = smooth.select("city", "fold", (weight * mean + (1 - weight) * fit["rate"]).alias("city_rate"))
    reach = 1.5 * (fit["q3"] - fit["q1"])
    made = folds.with_columns(
        city, amount.fill_null(fit["amount"]), pl.col("channel").fill_null(channel), pl.col("income").clip(fit["q1"] - reach, fit["q3"] + reach),
        pl.col("usage").log1p().alias("usage_log"), pl.col("seen_at").dt.month().cast(pl.Float64).alias("month"),
        pl.col("seen_at").dt.weekday().cast(pl.Float64).alias("weekday"), pl.col("seen_at").dt.hour().cast(pl.Float64).alias("hour"),
        sum((pl.col("rating") >= fit[f"bin{tenth}"]).cast(pl.Float64) for tenth in range(1, 10)).alias("rating_bin"))
    made = made.join(smooth.lazy(), on=["city", "fold"], how="left").with_columns(
        (pl.col("amount") / (pl.col("age") + 1)).alias("amount_per_year"),
        (pl.col("hour") * 2 * 3.141592653589793 / 24).sin().alias("hour_sin"), (pl.col("hour") * 2 * 3.141592653589793 / 24).cos().alias("hour_cos"))
    scaled = ["age", "income", "usage", "amount", "usage_log", "amount_per_year"]
    scale = made.select([e for n in scaled for e in (pl.col(n).mean().alias(n), pl.col(n).std(ddof=0).alias(n + "_std"))]).collect(
        engine="streaming").row(0, named=True)
    groups = {name: table.select(pl.col(name).unique()).drop_nulls().collect(engine="streaming")[name].sort().to_list()
              for name in ["region", "plan", "channel"]}
    made.select(
        *[((pl.col(n) - scale[n]) / scale[n + "_std"]).alias(n) for n in scaled], "rating", "month", "weekday", "hour_sin", "hour_cos", "rating_bin",
        "city_rate", *[(pl.col(n) == value).cast(pl.Float64).alias(f"{n}_{value}") for n, values in groups.items() for value in values],
        target.cast(pl.Int64).alias("churn")).sink_parquet(f"{folder}/polars-features.parquet")


start = time.perf_counter()
{"ingest": ingest, "profile": profile, "checks": checks, "features": features}[sys.argv[1]](sys.argv[2])
print(time.perf_counter() - start)
