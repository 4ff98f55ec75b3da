"""Writes tests/fixtures/oracle/gx_random.json: what Great Expectations says of random suites over small, nasty tables.

pip install great_expectations==1.24.1 pandas==2.3.3
Run from the repository's root: python tools/oracle/gx_random.py
"""

import json
import logging
import math
import random

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd

logging.disable(logging.CRITICAL)
WORDS = ["", "a", "ab", "Zürich", "東京", "naïve", "a b", "A", "ab\n", "100%", "🙂", "a.c", "x" * 30]


def tables(rng):
    for rows in (0, 1, 7, 40, 120):
        yield {
            "n": [rng.choice([-3, 0, 1, 1, 2, 5, 9, 10**12]) for _ in range(rows)],
            "gaps": [rng.choice([None, None, 1, 2, 3, 40]) for _ in range(rows)],
            "x": [rng.choice([None, 0.5, -0.0, 2.5, 1e300, 1e-300, rng.gauss(0, 3)]) for _ in range(rows)],
            "y": [rng.choice([None, 0.5, 2.5, rng.gauss(1, 3)]) for _ in range(rows)],
            "inf": [rng.choice([None, 1.0, 2.0, math.inf]) for _ in range(rows)],
            "both": [rng.choice([1.0, -math.inf, math.inf]) for _ in range(rows)],
            "same": [7.0] * rows,
            "none": [None] * rows,
            "t": [rng.choice([None, *WORDS]) for _ in range(rows)],
            "u": [rng.choice(WORDS[1:6]) for _ in range(rows)],
            "key": [f"k{place}" for place in range(rows)],
        }


NUMBERS = ["n", "gaps", "x", "y", "inf", "both", "same"]
TEXTS = ["t", "u", "key"]


def between(rng, low, high):
    ends = sorted([rng.choice(low), rng.choice(high)])
    kwargs = {"min_value": ends[0], "max_value": ends[1]}
    if rng.random() < 0.3:
        del kwargs[rng.choice(list(kwargs))]
    if rng.random() < 0.3:
        kwargs["strict_min"] = True
    if rng.random() < 0.3:
        kwargs["strict_max"] = True
    return kwargs


def mostly(rng):
    return {"mostly": rng.choice([0.25, 0.5, 0.8, 0.95])} if rng.random() < 0.5 else {}


def one(rng):
    number, text = rng.choice(NUMBERS), rng.choice(TEXTS)
    any_column = rng.choice([*NUMBERS, *TEXTS, "none"])
    pair = rng.sample(["n", "gaps", "x", "y", "same"], 2)
    ignore = rng.choice(["both_values_are_missing", "either_value_is_missing", "neither"])
    many = rng.choice(["all_values_are_missing", "any_value_is_missing", "never"])
    numbers = [-3, 0, 0.5, 1, 2, 2.5, 5, 9]
    values = rng.sample(numbers, 3) if rng.random() < 0.5 else None
    options = [
        lambda: (gxe.ExpectColumnValuesToNotBeNull, {"column": any_column, **mostly(rng)}),
        lambda: (gxe.ExpectColumnValuesToBeNull, {"column": any_column, **mostly(rng)}),
        lambda: (gxe.ExpectColumnValuesToBeUnique, {"column": any_column, **mostly(rng)}),
        lambda: (gxe.ExpectCompoundColumnsToBeUnique, {"column_list": rng.sample(["n", "gaps", "u", "t"], 2), "ignore_row_if": many}),
        lambda: (gxe.ExpectSelectColumnValuesToBeUniqueWithinRecord, {"column_list": pair, "ignore_row_if": many, **mostly(rng)}),
        lambda: (gxe.ExpectColumnValuesToBeInSet, {"column": number, "value_set": values or numbers, **mostly(rng)}),
        lambda: (gxe.ExpectColumnValuesToBeInSet, {"column": text, "value_set": rng.sample(WORDS, 6), **mostly(rng)}),
        lambda: (gxe.ExpectColumnValuesToNotBeInSet, {"column": text, "value_set": rng.sample(WORDS, 3), **mostly(rng)}),
        lambda: (gxe.ExpectColumnDistinctValuesToBeInSet, {"column": text, "value_set": rng.sample(WORDS, 9)}),
        lambda: (gxe.ExpectColumnDistinctValuesToContainSet, {"column": text, "value_set": rng.sample(WORDS, 2)}),
        lambda: (gxe.ExpectColumnDistinctValuesToEqualSet, {"column": "u", "value_set": WORDS[1:6]}),
        lambda: (gxe.ExpectColumnMostCommonValueToBeInSet, {"column": rng.choice(["n", "gaps", "u"]), "value_set": [1, 2, 3], "ties_okay": rng.random() < 0.5}),
        lambda: (gxe.ExpectColumnValuesToBeBetween, {"column": number, **between(rng, [-3, 0, 1], [2.5, 5, 40]), **mostly(rng)}),
        lambda: (gxe.ExpectColumnValueLengthsToBeBetween, {"column": text, **between(rng, [0, 1, 2], [2, 5, 30]), **mostly(rng)}),
        lambda: (gxe.ExpectColumnValueLengthsToEqual, {"column": text, "value": rng.choice([1, 2]), **mostly(rng)}),
        lambda: (gxe.ExpectColumnValuesToMatchRegex, {"column": text, "regex": rng.choice(["^a", "[a-z]$", "ü", "^$", r"\d"]), **mostly(rng)}),
        lambda: (gxe.ExpectColumnValuesToNotMatchRegex, {"column": text, "regex": rng.choice(["^a", "ü", r"\s"]), **mostly(rng)}),
        lambda: (gxe.ExpectColumnValuesToMatchRegexList, {"column": text, "regex_list": ["^a", "b", "k"], "match_on": rng.choice(["any", "all"]), **mostly(rng)}),
        lambda: (gxe.ExpectColumnValuesToNotMatchRegexList, {"column": text, "regex_list": ["^a", "京"], **mostly(rng)}),
        lambda: (gxe.ExpectColumnValueZScoresToBeLessThan, {"column": number, "threshold": rng.choice([0.5, 1, 2]), "double_sided": rng.random() < 0.5, **mostly(rng)}),
        lambda: (gxe.ExpectColumnValuesToNotBeOutliers, {"column": number, "method": rng.choice(["iqr", "std"]), "multiplier": rng.choice([0, 0.5, 1.5, 3]), **mostly(rng)}),
        lambda: (gxe.ExpectColumnUniqueValueCountToBeBetween, {"column": any_column, **between(rng, [0, 1, 3], [5, 10])}),
        lambda: (gxe.ExpectColumnProportionOfUniqueValuesToBeBetween, {"column": any_column, **between(rng, [0, 0.1], [0.5, 1])}),
        lambda: (gxe.ExpectColumnProportionOfNonNullValuesToBeBetween, {"column": any_column, **between(rng, [0, 0.1], [0.5, 1])}),
        lambda: (gxe.ExpectColumnMinToBeBetween, {"column": number, **between(rng, [-3, 0], [1, 7])}),
        lambda: (gxe.ExpectColumnMaxToBeBetween, {"column": number, **between(rng, [-3, 0], [9, 1e12])}),
        lambda: (gxe.ExpectColumnMeanToBeBetween, {"column": number, **between(rng, [-3, 0], [1, 7])}),
        lambda: (gxe.ExpectColumnMedianToBeBetween, {"column": number, **between(rng, [-3, 0], [1, 7])}),
        lambda: (gxe.ExpectColumnSumToBeBetween, {"column": rng.choice(["gaps", "y", "same", "inf"]), **between(rng, [-3, 0], [1, 700])}),
        lambda: (gxe.ExpectColumnStdevToBeBetween, {"column": rng.choice(["n", "gaps", "y", "same", "inf"]), **between(rng, [0, 1], [2, 1e12])}),
        lambda: (gxe.ExpectColumnQuantileValuesToBeBetween, {"column": rng.choice(["n", "gaps", "y", "same"]), "quantile_ranges": {"quantiles": [0.1, 0.5, 0.95], "value_ranges": [[-5, 1], [None, 3], [0, None]]}}),
        lambda: (gxe.ExpectColumnPairValuesToBeEqual, {"column_A": pair[0], "column_B": pair[1], "ignore_row_if": ignore, **mostly(rng)}),
        lambda: (gxe.ExpectColumnPairValuesAToBeGreaterThanB, {"column_A": pair[0], "column_B": pair[1], "or_equal": rng.random() < 0.5, "ignore_row_if": ignore, **mostly(rng)}),
        lambda: (gxe.ExpectColumnPairValuesToBeInSet, {"column_A": "gaps", "column_B": "u", "value_pairs_set": [[1, "a"], [2, "ab"], [3, "a"]], "ignore_row_if": ignore, **mostly(rng)}),
        lambda: (gxe.ExpectMulticolumnSumToEqual, {"column_list": ["gaps", "same"], "sum_total": 8, "ignore_row_if": many, **mostly(rng)}),
        lambda: (gxe.ExpectMulticolumnValuesToBeEqual, {"column_list": ["x", "y", "gaps"], "ignore_row_if": many, **mostly(rng)}),
        lambda: (gxe.ExpectColumnKLDivergenceToBeLessThan, {"column": rng.choice(["gaps", "y"]), "partition_object": {"bins": [-5, 0, 1.5, 50], "weights": [0.2, 0.3, 0.5]}, "threshold": 0.5, "tail_weight_holdout": rng.choice([0, 0.1]), "internal_weight_holdout": rng.choice([0, 0.1])}),
        lambda: (gxe.ExpectColumnKLDivergenceToBeLessThan, {"column": "u", "partition_object": {"values": ["a", "ab", "東京"], "weights": [0.25, 0.25, 0.5]}, "threshold": 0.5, "tail_weight_holdout": rng.choice([0, 0.1])}),
        lambda: (gxe.ExpectTableRowCountToBeBetween, between(rng, [0, 1], [7, 40])),
    ]
    return rng.choice(options)()


def clean(value):
    if isinstance(value, dict):
        return {key: clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


def main():
    rng = random.Random(20260221)
    context = gx.get_context(mode="ephemeral")
    source = context.data_sources.add_pandas("oracle")
    document = {"versions": {"great_expectations": gx.__version__, "pandas": pd.__version__}, "tables": []}
    total = 0
    for place, data in enumerate(tables(rng)):
        frame = pd.DataFrame({
            name: pd.Series(values, dtype="int64" if name == "n" else float if name in NUMBERS or name == "none" else object)
            for name, values in data.items()
        })
        batch = source.add_dataframe_asset(f"t{place}").add_batch_definition_whole_dataframe("all").get_batch(
            batch_parameters={"dataframe": frame}
        )
        cases = []
        while len(cases) < (20 if place < 2 else 55):
            kind, kwargs = one(rng)
            outcome = batch.validate(kind(**kwargs), result_format="SUMMARY")
            raised = any(info.get("raised_exception") for info in outcome.exception_info.values() if isinstance(info, dict))
            keys = ["unexpected_count", "missing_count", "observed_value"]
            said = {key: clean(outcome.result[key]) for key in keys if key in outcome.result and not raised}
            cases.append({"type": kind(**kwargs).expectation_type, "kwargs": clean(kwargs), "success": bool(outcome.success), "raised": raised, "result": said})
        total += len(cases)
        document["tables"].append({"columns": clean(data), "cases": cases})
    with open("tests/fixtures/oracle/gx_random.json", "w", encoding="utf-8") as file:
        file.write("{\n" + f' "versions": {json.dumps(document["versions"])},\n "tables": [\n')
        parts = []
        for entry in document["tables"]:
            cases = ",\n".join("   " + json.dumps(case, ensure_ascii=False) for case in entry["cases"])
            parts.append('  {"columns": ' + json.dumps(entry["columns"], ensure_ascii=False) + ',\n   "cases": [\n' + cases + "\n  ]}")
        file.write(",\n".join(parts) + "\n ]\n}\n")
    print(total, "cases")


main()
