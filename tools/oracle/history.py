"""Writes tests/fixtures/oracle/history.json: lags, windows and aggregates as of a time, by pandas and feature-engine.

Needs: feature-engine==1.9.4 numpy==2.4.6 pandas==3.1.1
Run from the repository's root: python tools/oracle/history.py
"""

import json
import warnings
from importlib.metadata import version

import numpy as np
import pandas as pd
from feature_engine.timeseries.forecasting import ExpandingWindowFeatures, LagFeatures, WindowFeatures

warnings.simplefilter("ignore")
random = np.random.default_rng(20261122)
ROWS = 44
FUNCTIONS = ["mean", "min", "max", "sum", "std", "count"]

# Days with gaps, in no order; one group has a single row, one has no name, one has equal values only.
days = random.permutation(np.r_[0:20, 22:40, 60:66])[:ROWS]
table = pd.DataFrame({
    "at": pd.Timestamp("2024-01-01") + pd.to_timedelta(days, unit="D") + pd.to_timedelta(days % 3 * 6, unit="h"),
    "store": random.choice(["a", "b", "ü 🚀", ""], ROWS).astype(object),
    "x": np.round(random.normal(100, 30, ROWS), 3),
    "y": random.choice([1e-9, 1.0, 1e9, -5.5], ROWS),
})
table.loc[3, "store"] = "alone"
table.loc[[5, 9, 20, 30], "store"] = None
table.loc[random.random(ROWS) < 0.15, "x"] = np.nan
table.loc[table["store"] == "b", "y"] = 2.0



def expected(frame):
    return {column: [None if pd.isna(value) else float(f"{value:.13g}") for value in frame[column]] for column in frame}


def lags(params):
    """pandas, group by group; rows come back in the order of the table."""
    parts = []
    keys = params.get("group_by", [])
    groups = table.groupby(keys, dropna=False) if keys else [(None, table)]
    for _, group in groups:
        group = group.sort_values("at", kind="stable")
        out = pd.DataFrame(index=group.index)
        for column in params["columns"]:
            values = group[column]
            by_time = pd.Series(values.to_numpy(), index=group["at"])
            for lag in params.get("lag", []):
                if isinstance(lag, int):
                    out[f"{column}_lag_{lag}"] = values.shift(lag)
                else:
                    found = by_time.shift(freq=pd.Timedelta(lag)).reindex(by_time.index)
                    out[f"{column}_lag_{lag}"] = found.to_numpy()
            for window in params.get("window", []):
                size, least, periods = window["size"], window.get("min_periods"), window.get("periods", 1)
                for function in window.get("functions", ["mean"]):
                    if isinstance(size, int):
                        made = values.rolling(size, min_periods=least or size).agg(function).shift(periods)
                    else:
                        made = by_time.rolling(pd.Timedelta(size), closed="left", min_periods=least or 1).agg(function)
                    out[f"{column}_window_{size}_{function}"] = made.to_numpy()
            if expanding := params.get("expanding"):
                for function in expanding.get("functions", ["mean"]):
                    made = values.expanding(min_periods=expanding.get("min_periods", 1)).agg(function).shift(expanding.get("periods", 1))
                    out[f"{column}_expanding_{function}"] = made
        parts.append(out)
    return pd.concat(parts).sort_index()


cases = []
for params in [
    {"group_by": ["store"], "columns": ["x", "y"], "lag": [1, 2, 5]},
    {"columns": ["x"], "lag": [1, "1d", "7d", "18h"]},
    {"group_by": ["store"], "columns": ["x"], "lag": ["3d"], "window": [{"size": 1}, {"size": 3, "functions": FUNCTIONS}]},
    {"group_by": ["store"], "columns": ["x", "y"], "window": [{"size": 4, "functions": FUNCTIONS, "min_periods": 1}, {"size": 2, "periods": 3, "functions": ["sum"]}]},
    {"group_by": ["store"], "columns": ["x", "y"], "window": [{"size": "5d", "functions": FUNCTIONS}, {"size": "36h", "functions": ["max"], "min_periods": 2}]},
    {"columns": ["x", "y"], "window": [{"size": "7d", "functions": FUNCTIONS}], "expanding": {"functions": FUNCTIONS}},
    {"group_by": ["store"], "columns": ["x", "y"], "expanding": {"functions": FUNCTIONS, "periods": 2, "min_periods": 3}},
]:
    cases.append({"with": {"time": "at", **params}, "expected": expected(lags(params))})

# Feature-engine, which knows no groups: over the rows in the order of time.
ordered = table.sort_values("at").set_index("at")[["x", "y"]]
for params, model in [
    ({"lag": [1, 3]}, LagFeatures(variables=["x", "y"], periods=[1, 3], missing_values="ignore")),
    ({"window": [{"size": 3, "functions": ["mean", "std", "sum"], "periods": 2}]},
     WindowFeatures(variables=["x", "y"], window=3, functions=["mean", "std", "sum"], periods=2, missing_values="ignore")),
    ({"expanding": {"functions": ["mean", "max"]}},
     ExpandingWindowFeatures(variables=["x", "y"], functions=["mean", "max"], missing_values="ignore")),
]:
    made = model.fit_transform(ordered).drop(columns=["x", "y"])
    made.index = table.sort_values("at").index
    cases.append({"with": {"time": "at", "columns": ["x", "y"], **params}, "expected": expected(made.sort_index())})

EVENTS = 60
events = pd.DataFrame({
    "shop": random.choice(["a", "b", "ü 🚀", "", "other"], EVENTS).astype(object),
    "when": pd.Timestamp("2023-12-20") + pd.to_timedelta(random.integers(0, 300, EVENTS) * 6, unit="h"),
    "amount": np.round(random.normal(50, 20, EVENTS), 2),
    "product": random.choice(["p", "q", "r", ""], EVENTS).astype(object),
})
events.loc[[2, 17], "shop"] = None
events.loc[random.random(EVENTS) < 0.2, "amount"] = np.nan
events.loc[random.random(EVENTS) < 0.2, "product"] = None
# Some at the very time of a row, which are not known there yet, and two at one time.
same = table[table["store"].isin(["a", "b"])].index[:4]
for place, row in enumerate(same):
    events.loc[place, ["shop", "when"]] = [table.loc[row, "store"], table.loc[row, "at"]]
events.loc[10, ["shop", "when"]] = events.loc[11, ["shop", "when"]]


def as_of(params):
    out = {}
    for row in range(ROWS):
        time, key = table.loc[row, "at"], table.loc[row, "store"]
        known = events[(events["shop"] == key) & (events["when"] < time)] if key is not None else events[:0]
        for aggregate in params["aggregates"]:
            within = aggregate.get("within", params.get("within"))
            part = known if within is None else known[known["when"] >= time - pd.Timedelta(within)]
            part = part.sort_values("when", kind="stable")
            end = f"_{aggregate['within']}" if "within" in aggregate else ""
            for function in aggregate["functions"]:
                column = aggregate.get("column")
                if column is None:
                    value = len(part)
                elif function == "last":
                    there = part[column].dropna()
                    value = there.iloc[-1] if len(there) else None
                else:
                    value = getattr(part[column], function)()
                value = None if value is None or pd.isna(value) else value if isinstance(value, str) else float(f"{value:.13g}")
                out.setdefault(f"{params.get('prefix', '')}{column or 'events'}_{function}{end}", []).append(value)
    return out


ALL = ["count", "sum", "mean", "min", "max", "std", "last", "nunique"]
joined = []
for params in [
    {"aggregates": [{"functions": ["count"]}, {"column": "amount", "functions": ALL}, {"column": "product", "functions": ["count", "last", "nunique"]}]},
    {"within": "10d", "prefix": "orders_", "aggregates": [{"functions": ["count"]}, {"column": "amount", "functions": ALL}, {"column": "product", "functions": ["last", "nunique", "count"]}]},
    {"within": "30d", "aggregates": [{"column": "amount", "functions": ["count"]}, {"column": "amount", "functions": ["sum"], "within": "6h"}, {"column": "amount", "functions": ["mean"], "within": "12h"}]},
]:
    given = {"key": "store", "events_key": "shop", "time": "at", "events_time": "when", **params}
    joined.append({"with": given, "expected": as_of(params)})


def plain(frame):
    columns = {}
    for column in frame:
        values = frame[column]
        values = values.dt.strftime("%Y-%m-%d %H:%M:%S") if values.dtype.kind == "M" else values
        columns[column] = [None if pd.isna(value) else value for value in values.tolist()]
    return columns


with open("tests/fixtures/oracle/history.json", "w") as file:
    versions = {package: version(package) for package in ("pandas", "numpy", "feature-engine")}
    json.dump({"versions": versions, "table": plain(table), "events": plain(events), "lags": cases, "as_of": joined},
              file, ensure_ascii=False, separators=(",", ":"))
    file.write("\n")
