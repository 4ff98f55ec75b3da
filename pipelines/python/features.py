"""What both Python steps share: one row of numbers for each customer, and the way to talk to Phaseline."""

import json
import os

import pandas as pd

CATEGORIES = {"country": ["AT", "CH", "DE", "FR"], "channel": ["advert", "friend", "search", "store"]}


def build(customers: pd.DataFrame, orders: pd.DataFrame) -> pd.DataFrame:
    """One row for each customer, in the order of `customers`, from what the customer ordered so far."""
    orders = orders.assign(ordered_on=pd.to_datetime(orders["ordered_on"]))
    last_day = orders["ordered_on"].max()
    by_customer = orders.groupby("customer_id").agg(
        orders=("order_id", "size"),
        spent=("amount", "sum"),
        items=("items", "sum"),
        returns=("returned", "sum"),
        last=("ordered_on", "max"),
    )
    by_customer["days_since_last"] = (last_day - by_customer.pop("last")).dt.days
    by_customer["share_returned"] = by_customer["returns"] / by_customer["orders"]
    rows = customers[["customer_id", "birth_year", "newsletter"]].join(by_customer, on="customer_id")
    for column, values in CATEGORIES.items():
        for value in values:
            rows[f"{column}_{value}"] = (customers[column] == value).astype(float)
    return rows.drop(columns=["customer_id"]).astype(float)


def read(name: str) -> pd.DataFrame:
    """The table that the manifest binds to the input `name`."""
    return pd.read_parquet(os.environ[f"PHASELINE_INPUT_{name.upper()}"])


def tell(event: dict) -> None:
    """Reports a metric or progress while the step runs."""
    with open(os.environ["PHASELINE_EVENTS"], "a", encoding="utf-8") as events:
        events.write(json.dumps(event) + "\n")


def metric(name: str, value: float) -> None:
    """Reports a measured value, which gates can read as `steps.<step>.metrics.<name>`."""
    tell({"metric": {"name": name, "value": float(value)}})
