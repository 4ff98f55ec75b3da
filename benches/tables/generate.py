"""Writes a CSV of ROWS rows and 12 columns to PATH: `python generate.py PATH ROWS`."""
import sys

import numpy as np
import polars as pl

CHUNK = 500_000
CITIES = np.array([f"city {number:03}" for number in range(400)])
SHARES = 1 / np.arange(1, 401)
SHARES /= SHARES.sum()


def chunk(start, rows):
    rng = np.random.default_rng(start)
    age = rng.integers(18, 90, rows)
    usage = np.round(rng.gamma(2.0, 30.0, rows), 3)
    amount = np.round(usage * 0.7 + rng.normal(0, 5, rows), 2)
    income = np.round(rng.lognormal(10, 0.5, rows), 2)
    rating = np.round(rng.normal(0, 1, rows), 4)
    chance = (age - 50) / 20 + (usage - 60) / 40 + rating / 2 + rng.normal(0, 1, rows)
    # One moment a second, from 2024-01-01 on.
    moment = np.datetime64("2024-01-01", "ms") + 1000 * np.arange(start, start + rows).astype("timedelta64[ms]")
    channel = rng.choice(["web", "shop", "phone", None], rows, p=[0.5, 0.3, 0.15, 0.05])
    return pl.DataFrame({
        "id": np.arange(start, start + rows), "seen_at": moment, "age": age, "income": income, "usage": usage,
        "amount": pl.Series(amount).scatter(np.arange(0, rows, 50), None), "rating": rating,
        "region": rng.choice(["north", "south", "east", "west"], rows), "plan": rng.choice([f"plan {i}" for i in range(12)], rows),
        "city": rng.choice(CITIES, rows, p=SHARES), "channel": pl.Series(channel.tolist(), dtype=pl.String),
        "churn": np.where(chance > 1.0, "Yes", "No")})


def main():
    path, rows = sys.argv[1], int(sys.argv[2])
    with open(path, "wb") as out:
        for start in range(0, rows, CHUNK):
            frame = chunk(start, min(CHUNK, rows - start))
            frame.write_csv(out, include_header=start == 0, datetime_format="%Y-%m-%dT%H:%M:%S")


main()
