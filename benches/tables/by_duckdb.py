"""The four stages by hand in DuckDB: `python by_duckdb.py STAGE FOLDER [THREADS]` prints the seconds, without the imports."""
import itertools
import sys
import time

import duckdb

NUMBERS = ["id", "age", "income", "usage", "amount", "rating"]
TEXTS = ["region", "plan", "city", "channel", "churn"]
FEW = ["region", "plan", "channel", "churn"]


def ingest(run, folder):
    run(f"COPY (FROM read_csv('{folder}/table.csv')) TO '{folder}/duckdb.parquet' (FORMAT parquet, COMPRESSION zstd)")


def profile(run, folder):
    table = f"'{folder}/duckdb.parquet'"
    wanted = ["count(*)"]
    for name in [*NUMBERS, "seen_at"]:
        number = f"epoch_us({name})" if name == "seen_at" else name
        wanted += [f"count({name})", f"approx_count_distinct({name})", f"min({name}) AS {name}_min", f"max({name}) AS {name}_max",
                   f"approx_quantile({number}, [0.05, 0.25, 0.5, 0.75, 0.95])"]
    for name in NUMBERS:
        wanted += [f"avg({name})", f"stddev_samp({name})", f"skewness({name})", f"kurtosis({name})"]
    wanted += [f"{count}({name})" for name in TEXTS for count in ("count", "approx_count_distinct")]
    wanted += [f"corr({left}, {right})" for left, right in itertools.combinations(NUMBERS, 2)]
    found = run(f"SELECT {', '.join(wanted)} FROM {table}")
    found = dict(zip((column[0] for column in found.description), found.fetchone()))
    for name in [*NUMBERS, *TEXTS, "seen_at"]:
        run(f"SELECT {name}, count(*) FROM {table} GROUP BY 1 ORDER BY 2 DESC LIMIT 10").fetchall()
    for name in NUMBERS:
        low, width = found[f"{name}_min"], (found[f"{name}_max"] - found[f"{name}_min"]) / 24
        run(f"SELECT least(floor(({name} - {low}) / {width}), 23) AS bin, count(*) FROM {table} GROUP BY 1").fetchall()
    for left, right in itertools.combinations(FEW, 2):
        run(f"SELECT {left}, {right}, count(*) FROM {table} GROUP BY 1, 2").fetchall()


def checks(run, folder):
    table = f"'{folder}/duckdb.parquet'"
    found = run(f"""SELECT count(*) > 0, count(DISTINCT id) = count(*), bool_and(age IS NOT NULL), count(channel) / count(*) >= 0.9,
        bool_and(age BETWEEN 0 AND 120), bool_and(income BETWEEN 0 AND 1e9), avg((usage BETWEEN 0 AND 500)::int) >= 0.99,
        bool_and(rating BETWEEN -10 AND 10), bool_and(region IN ('north', 'south', 'east', 'west')), bool_and(churn IN ('Yes', 'No')),
        count(DISTINCT channel) <= 4, bool_and(regexp_matches(plan, '^plan \\d+$')), bool_and(length(city) BETWEEN 4 AND 12),
        bool_and(income > amount), avg(rating) BETWEEN -0.1 AND 0.1, stddev_samp(rating) BETWEEN 0.9 AND 1.1,
        quantile_cont(usage, 0.5) BETWEEN 30 AND 70, max(usage) < 2000, avg((usage + 1 > amount / 10)::int) >= 0.9 FROM {table}""").fetchone()
    assert all(found), found
    assert run(f"SELECT bool_and(step IS NULL OR step >= INTERVAL 0 SECOND) FROM (SELECT seen_at - lag(seen_at) OVER () AS step FROM {table})").fetchone()[0]


def features(run, folder):
    table = f"'{folder}/duckdb.parquet'"
    tenths = ", ".join(str(tenth / 10) for tenth in range(1, 10))
    amount, q1, q3, rate, spread, channel, bins = run(f"""SELECT median(amount), quantile_cont(income, 0.25), quantile_cont(income, 0.75),
        avg((churn = 'Yes')::int), var_pop((churn = 'Yes')::int), mode(channel), quantile_cont(rating, [{tenths}]) FROM {table}""").fetchone()
    groups = {name: [value for (value,) in run(f"SELECT DISTINCT {name} FROM {table} WHERE {name} IS NOT NULL ORDER BY 1").fetchall()]
              for name in ["region", "plan", "channel"]}
    low, high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    run(f"""CREATE TEMP TABLE cities AS WITH counted AS (
            SELECT CASE WHEN count(*) OVER (PARTITION BY city) < 0.002 * count(*) OVER () THEN 'Rare' ELSE city END AS city,
                   file_row_number % 5 AS fold, (churn = 'Yes')::int AS goal FROM read_parquet({table}, file_row_number = true)),
        folds AS (SELECT city, fold, count(*) AS n, sum(goal) AS y FROM counted GROUP BY 1, 2),
        others AS (SELECT city, fold, sum(n) OVER c - n AS n, sum(y) OVER c - y AS y FROM folds WINDOW c AS (PARTITION BY city))
        SELECT city, fold, (w * m + (1 - w) * {rate}) AS city_rate FROM (
            SELECT city, fold, y / n AS m, {spread} * n / ({spread} * n + m * (1 - m)) AS w FROM others)""")
    kept = run("SELECT DISTINCT city FROM cities").fetchall()
    kept = ", ".join(f"'{city}'" for (city,) in kept)
    over = "".join(f" + (rating >= {bound})::double" for bound in bins)
    made = f"""SELECT age, least(greatest(income, {low}), {high}) AS income, usage, coalesce(amount, {amount}) AS amount, ln(1 + usage) AS usage_log,
        coalesce(amount, {amount}) / (age + 1) AS amount_per_year, rating, month(seen_at)::double AS month, dayofweek(seen_at)::double AS weekday,
        sin(hour(seen_at) * 2 * pi() / 24) AS hour_sin, cos(hour(seen_at) * 2 * pi() / 24) AS hour_cos, 0.0{over} AS rating_bin,
        CASE WHEN city IN ({kept}) THEN city ELSE 'Rare' END AS city, file_row_number % 5 AS fold, region, plan,
        coalesce(channel, '{channel}') AS channel, (churn = 'Yes')::int AS churn FROM read_parquet({table}, file_row_number = true)"""
    scaled = ["age", "income", "usage", "amount", "usage_log", "amount_per_year"]
    scale = run("SELECT " + ", ".join(f"avg({n}), stddev_pop({n})" for n in scaled) + f" FROM ({made})").fetchone()
    wanted = [f"({n} - {scale[2 * i]}) / {scale[2 * i + 1]} AS {n}" for i, n in enumerate(scaled)]
    wanted += [f"({n} = '{value}')::double AS \"{n}_{value}\"" for n, values in groups.items() for value in values]
    run(f"""COPY (SELECT {', '.join(wanted)}, rating, month, weekday, hour_sin, hour_cos, rating_bin, city_rate, churn
        FROM ({made}) LEFT JOIN cities USING (city, fold)) TO '{folder}/duckdb-features.parquet' (FORMAT parquet, COMPRESSION zstd)""")


def main():
    database = duckdb.connect()
    if len(sys.argv) > 3:
        database.execute(f"SET threads = {sys.argv[3]}")
    database.execute(f"SET temp_directory = '{sys.argv[2]}/spill'")
    start = time.perf_counter()
    {"ingest": ingest, "profile": profile, "checks": checks, "features": features}[sys.argv[1]](database.execute, sys.argv[2])
    print(time.perf_counter() - start)


main()
