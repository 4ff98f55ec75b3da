"""The four stages with pandas and scikit-learn: `python by_pandas.py STAGE FOLDER` prints the seconds, without the imports."""
import itertools
import sys
import time

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, StandardScaler, TargetEncoder

NUMBERS = ["id", "age", "income", "usage", "amount", "rating"]
TEXTS = ["region", "plan", "city", "channel", "churn"]
FEW = ["region", "plan", "channel", "churn"]


def ingest(folder):
    pd.read_csv(f"{folder}/table.csv", parse_dates=["seen_at"]).to_parquet(f"{folder}/pandas.parquet", compression="zstd")


def profile(folder):
    table = pd.read_parquet(f"{folder}/pandas.parquet")
    table.isna().sum(), table.nunique(), table[[*NUMBERS, "seen_at"]].quantile([0.05, 0.25, 0.5, 0.75, 0.95])
    table[NUMBERS].agg(["min", "max", "mean", "std", "skew", "kurt"]), table[NUMBERS].corr()
    for name in table.columns:
        table[name].value_counts().head(10)
    for name in NUMBERS:
        np.histogram(table[name].dropna(), bins=24)
    for left, right in itertools.combinations(FEW, 2):
        pd.crosstab(table[left], table[right])


def checks(folder):
    t = pd.read_parquet(f"{folder}/pandas.parquet")
    found = [
        len(t) > 0, t.id.is_unique, t.seen_at.is_monotonic_increasing, t.age.notna().all(), t.channel.notna().mean() >= 0.9, t.age.between(0, 120).all(),
        t.income.between(0, 1e9).all(), t.usage.between(0, 500).mean() >= 0.99, t.rating.between(-10, 10).all(),
        t.region.isin(["north", "south", "east", "west"]).all(), t.churn.isin(["Yes", "No"]).all(), t.channel.nunique() <= 4,
        t.plan.str.match(r"^plan \d+$").all(), t.city.str.len().between(4, 12).all(), ((t.income > t.amount) | t.amount.isna()).all(),
        abs(t.rating.mean()) < 0.1, 0.9 < t.rating.std() < 1.1, 30 < t.usage.median() < 70, t.usage.max() < 2000,
        ((t.usage + 1 > t.amount / 10) | t.amount.isna()).mean() >= 0.9]
    assert len(found) == 20 and all(found), found


def features(folder):
    t = pd.read_parquet(f"{folder}/pandas.parquet")
    goal = (t.churn == "Yes").astype(int)
    t["amount"] = SimpleImputer(strategy="median").fit_transform(t[["amount"]])[:, 0]
    t["channel"] = t.channel.fillna(t.channel.mode()[0])
    t["amount_per_year"] = t.amount / (t.age + 1)
    t["usage_log"] = np.log1p(t.usage)
    q1, q3 = t.income.quantile([0.25, 0.75])
    t["income"] = t.income.clip(q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1))
    made = pd.DataFrame({"month": t.seen_at.dt.month, "weekday": t.seen_at.dt.weekday}, dtype=float)
    hour = t.seen_at.dt.hour * 2 * np.pi / 24
    made["hour_sin"], made["hour_cos"] = np.sin(hour), np.cos(hour)
    made["rating_bin"] = KBinsDiscretizer(10, encode="ordinal", strategy="quantile", subsample=None).fit_transform(t[["rating"]])[:, 0]
    shares = t.city.value_counts(normalize=True)
    city = t[["city"]].where(t.city.isin(shares.index[shares >= 0.002]), "Rare")
    made["city_rate"] = TargetEncoder(smooth="auto", cv=5).fit_transform(city, goal)[:, 0]
    groups = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    flags = groups.fit_transform(t[["region", "plan", "channel"]])
    scaled = ["age", "income", "usage", "amount", "usage_log", "amount_per_year"]
    made[scaled] = StandardScaler().fit_transform(t[scaled])
    made["rating"], made["churn"] = t.rating, goal
    made = pd.concat([made, pd.DataFrame(flags, columns=groups.get_feature_names_out(), index=made.index)], axis=1)
    made.to_parquet(f"{folder}/pandas-features.parquet", compression="zstd")


start = time.perf_counter()
{"ingest": ingest, "profile": profile, "checks": checks, "features": features}[sys.argv[1]](sys.argv[2])
print(time.perf_counter() - start)
