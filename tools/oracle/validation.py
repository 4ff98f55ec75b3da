"""Writes tests/fixtures/oracle/validation.json: what Great Expectations says of small tables.

pip install great_expectations==1.24.1 pandas==2.3.3
Run from the repository's root: python tools/oracle/validation.py
"""

import json
import logging
import math

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd

logging.disable(logging.CRITICAL)

TABLE = {
    "id": ["a1", "a2", "a3", "a3", "a5", None, "b7", "a5"],
    "n": [1, 5, 5, 7, 9, 12, -3, 40],
    "x": [0.5, None, 2.5, 2.5, -1.0, 7.25, None, 100.0],
    "y": [0.5, 1.0, 2.0, 3.0, None, 7.0, None, 99.0],
    "none": [None, None, None, None, None, None, None, None],
    "rising": [1.0, 2.0, 2.0, None, 3.0, 10.0, 11.0, 12.0],
}

# Ours, then Great Expectations' class and arguments.
CASES = [
    ({"check": "not_null", "column": "id"}, gxe.ExpectColumnValuesToNotBeNull, {"column": "id"}),
    ({"check": "not_null", "column": "id", "mostly": 0.8}, gxe.ExpectColumnValuesToNotBeNull, {"column": "id", "mostly": 0.8}),
    ({"check": "not_null", "column": "none"}, gxe.ExpectColumnValuesToNotBeNull, {"column": "none"}),
    ({"check": "is_null", "column": "x"}, gxe.ExpectColumnValuesToBeNull, {"column": "x"}),
    ({"check": "is_null", "column": "none"}, gxe.ExpectColumnValuesToBeNull, {"column": "none"}),
    ({"check": "unique", "column": "id"}, gxe.ExpectColumnValuesToBeUnique, {"column": "id"}),
    ({"check": "unique", "column": "id", "mostly": 0.4}, gxe.ExpectColumnValuesToBeUnique, {"column": "id", "mostly": 0.4}),
    ({"check": "unique", "column": "n"}, gxe.ExpectColumnValuesToBeUnique, {"column": "n"}),
    ({"check": "unique", "column": "none"}, gxe.ExpectColumnValuesToBeUnique, {"column": "none"}),
    ({"check": "unique", "columns": ["id", "x"]}, gxe.ExpectCompoundColumnsToBeUnique, {"column_list": ["id", "x"]}),
    ({"check": "unique", "columns": ["n", "x"]}, gxe.ExpectCompoundColumnsToBeUnique, {"column_list": ["n", "x"]}),
    ({"check": "in_set", "column": "id", "values": ["a1", "a2", "a3"]}, gxe.ExpectColumnValuesToBeInSet, {"column": "id", "value_set": ["a1", "a2", "a3"]}),
    ({"check": "in_set", "column": "n", "values": [1, 5, 7, 9, 12]}, gxe.ExpectColumnValuesToBeInSet, {"column": "n", "value_set": [1, 5, 7, 9, 12]}),
    ({"check": "in_set", "column": "x", "values": [0.5, 2.5], "mostly": 0.5}, gxe.ExpectColumnValuesToBeInSet, {"column": "x", "value_set": [0.5, 2.5], "mostly": 0.5}),
    ({"check": "not_in_set", "column": "n", "values": [5]}, gxe.ExpectColumnValuesToNotBeInSet, {"column": "n", "value_set": [5]}),
    ({"check": "between", "column": "n", "min": 0, "max": 12}, gxe.ExpectColumnValuesToBeBetween, {"column": "n", "min_value": 0, "max_value": 12}),
    ({"check": "between", "column": "n", "min": 1, "max": 40, "strict_min": True, "strict_max": True}, gxe.ExpectColumnValuesToBeBetween, {"column": "n", "min_value": 1, "max_value": 40, "strict_min": True, "strict_max": True}),
    ({"check": "between", "column": "x", "min": 0, "mostly": 0.83}, gxe.ExpectColumnValuesToBeBetween, {"column": "x", "min_value": 0, "mostly": 0.83}),
    ({"check": "between", "column": "x", "max": 7.25}, gxe.ExpectColumnValuesToBeBetween, {"column": "x", "max_value": 7.25}),
    ({"check": "between", "column": "none", "min": 0}, gxe.ExpectColumnValuesToBeBetween, {"column": "none", "min_value": 0}),
    ({"check": "regex", "column": "id", "pattern": "^a[0-9]$"}, gxe.ExpectColumnValuesToMatchRegex, {"column": "id", "regex": "^a[0-9]$"}),
    ({"check": "regex", "column": "id", "pattern": "[13]"}, gxe.ExpectColumnValuesToMatchRegex, {"column": "id", "regex": "[13]"}),
    ({"check": "not_regex", "column": "id", "pattern": "5"}, gxe.ExpectColumnValuesToNotMatchRegex, {"column": "id", "regex": "5"}),
    ({"check": "length_between", "column": "id", "min": 2, "max": 2}, gxe.ExpectColumnValueLengthsToBeBetween, {"column": "id", "min_value": 2, "max_value": 2}),
    ({"check": "length_between", "column": "id", "min": 3}, gxe.ExpectColumnValueLengthsToBeBetween, {"column": "id", "min_value": 3}),
    ({"check": "greater_than", "columns": ["x", "y"]}, gxe.ExpectColumnPairValuesAToBeGreaterThanB, {"column_A": "x", "column_B": "y"}),
    ({"check": "greater_than", "columns": ["x", "y"], "or_equal": True}, gxe.ExpectColumnPairValuesAToBeGreaterThanB, {"column_A": "x", "column_B": "y", "or_equal": True}),
    ({"check": "greater_than", "columns": ["x", "y"], "or_equal": True, "ignore_row_if": "either_value_is_missing", "mostly": 0.8}, gxe.ExpectColumnPairValuesAToBeGreaterThanB, {"column_A": "x", "column_B": "y", "or_equal": True, "ignore_row_if": "either_value_is_missing", "mostly": 0.8}),
    ({"check": "columns_equal", "columns": ["x", "y"]}, gxe.ExpectColumnPairValuesToBeEqual, {"column_A": "x", "column_B": "y"}),
    ({"check": "columns_equal", "columns": ["x", "y"], "ignore_row_if": "either_value_is_missing"}, gxe.ExpectColumnPairValuesToBeEqual, {"column_A": "x", "column_B": "y", "ignore_row_if": "either_value_is_missing"}),
    ({"check": "row_count", "min": 8, "max": 8}, gxe.ExpectTableRowCountToBeBetween, {"min_value": 8, "max_value": 8}),
    ({"check": "row_count", "equals": 9}, gxe.ExpectTableRowCountToEqual, {"value": 9}),
    ({"check": "column_count", "equals": 6}, gxe.ExpectTableColumnCountToEqual, {"value": 6}),
    ({"check": "column_count", "max": 5}, gxe.ExpectTableColumnCountToBeBetween, {"max_value": 5}),
    ({"check": "columns_match", "columns": ["y", "id", "n", "x", "none", "rising"]}, gxe.ExpectTableColumnsToMatchSet, {"column_set": ["y", "id", "n", "x", "none", "rising"]}),
    ({"check": "columns_match", "columns": ["id", "n"], "exact": False}, gxe.ExpectTableColumnsToMatchSet, {"column_set": ["id", "n"], "exact_match": False}),
    ({"check": "columns_match", "columns": ["id", "n"]}, gxe.ExpectTableColumnsToMatchSet, {"column_set": ["id", "n"]}),
    ({"check": "columns_match", "columns": ["y", "id", "n", "x", "none", "rising"], "ordered": True}, gxe.ExpectTableColumnsToMatchOrderedList, {"column_list": ["y", "id", "n", "x", "none", "rising"]}),
    ({"check": "columns_match", "columns": ["id", "n", "x", "y", "none", "rising"], "ordered": True}, gxe.ExpectTableColumnsToMatchOrderedList, {"column_list": ["id", "n", "x", "y", "none", "rising"]}),
    ({"check": "column_exists", "column": "n"}, gxe.ExpectColumnToExist, {"column": "n"}),
    ({"check": "column_exists", "column": "m"}, gxe.ExpectColumnToExist, {"column": "m"}),
    ({"check": "distinct_count", "column": "id", "min": 5, "max": 5}, gxe.ExpectColumnUniqueValueCountToBeBetween, {"column": "id", "min_value": 5, "max_value": 5}),
    ({"check": "distinct_count", "column": "x", "min": 5, "strict_min": True}, gxe.ExpectColumnUniqueValueCountToBeBetween, {"column": "x", "min_value": 5, "strict_min": True}),
    ({"check": "distinct_ratio", "column": "id", "min": 0.7}, gxe.ExpectColumnProportionOfUniqueValuesToBeBetween, {"column": "id", "min_value": 0.7}),
    ({"check": "min", "column": "n", "min": -3, "max": 0}, gxe.ExpectColumnMinToBeBetween, {"column": "n", "min_value": -3, "max_value": 0}),
    ({"check": "max", "column": "x", "max": 50}, gxe.ExpectColumnMaxToBeBetween, {"column": "x", "max_value": 50}),
    ({"check": "mean", "column": "x", "min": 18, "max": 19}, gxe.ExpectColumnMeanToBeBetween, {"column": "x", "min_value": 18, "max_value": 19}),
    ({"check": "mean", "column": "n", "max": 9}, gxe.ExpectColumnMeanToBeBetween, {"column": "n", "max_value": 9}),
    ({"check": "median", "column": "x", "min": 2.5, "max": 2.5}, gxe.ExpectColumnMedianToBeBetween, {"column": "x", "min_value": 2.5, "max_value": 2.5}),
    ({"check": "median", "column": "n", "min": 6, "max": 6}, gxe.ExpectColumnMedianToBeBetween, {"column": "n", "min_value": 6, "max_value": 6}),
    ({"check": "sum", "column": "x", "min": 111.75, "max": 111.75}, gxe.ExpectColumnSumToBeBetween, {"column": "x", "min_value": 111.75, "max_value": 111.75}),
    ({"check": "stdev", "column": "n", "min": 13, "max": 14}, gxe.ExpectColumnStdevToBeBetween, {"column": "n", "min_value": 13, "max_value": 14}),
    ({"check": "stdev", "column": "x", "max": 40}, gxe.ExpectColumnStdevToBeBetween, {"column": "x", "max_value": 40}),
    ({"check": "quantiles", "column": "n", "quantiles": {"0.25": [0, 3], "0.5": [5, 7], "0.9": [None, 40]}}, gxe.ExpectColumnQuantileValuesToBeBetween, {"column": "n", "quantile_ranges": {"quantiles": [0.25, 0.5, 0.9], "value_ranges": [[0, 3], [5, 7], [None, 40]]}}),
    ({"check": "quantiles", "column": "x", "quantiles": {"0.1": [-1, 1], "0.75": [2, 8]}}, gxe.ExpectColumnQuantileValuesToBeBetween, {"column": "x", "quantile_ranges": {"quantiles": [0.1, 0.75], "value_ranges": [[-1, 1], [2, 8]]}}),
    ({"check": "between", "column": "n", "min": 0, "max": 12, "where": "n > 0"}, gxe.ExpectColumnValuesToBeBetween, {"column": "n", "min_value": 0, "max_value": 12, "row_condition": "n > 0", "condition_parser": "pandas"}),
    ({"check": "between", "column": "x", "min": 0, "where": "n > 100"}, gxe.ExpectColumnValuesToBeBetween, {"column": "x", "min_value": 0, "row_condition": "n > 100", "condition_parser": "pandas"}),
    ({"check": "between", "column": "m", "min": 0}, gxe.ExpectColumnValuesToBeBetween, {"column": "m", "min_value": 0}),
]


def clean(value):
    if isinstance(value, dict):
        return {key: clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def main():
    frame = pd.DataFrame(TABLE)
    frame["none"] = frame["none"].astype(float)
    context = gx.get_context(mode="ephemeral")
    batch_definition = (
        context.data_sources.add_pandas("oracle").add_dataframe_asset("table").add_batch_definition_whole_dataframe("all")
    )
    batch = batch_definition.get_batch(batch_parameters={"dataframe": frame})
    cases = []
    for ours, kind, kwargs in CASES:
        outcome = batch.validate(kind(**kwargs), result_format="SUMMARY")
        keys = ["element_count", "unexpected_count", "missing_count", "unexpected_percent", "partial_unexpected_list", "observed_value"]
        result = {key: clean(outcome.result[key]) for key in keys if key in outcome.result}
        raised = any(info.get("raised_exception") for info in outcome.exception_info.values() if isinstance(info, dict))
        cases.append({"expectation": ours, "success": bool(outcome.success), "raised": raised, "result": result})
    document = {
        "versions": {"great_expectations": gx.__version__, "pandas": pd.__version__},
        "table": TABLE,
        "cases": cases,
    }
    with open("tests/fixtures/oracle/validation.json", "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")
    print(len(cases), "cases")


main()
