"""The 20 checks with Great Expectations on a pandas frame: `python by_gx.py FOLDER` prints the seconds, without the imports."""
import os
import sys
import time

os.environ["GX_ANALYTICS_ENABLED"] = "false"
import great_expectations as gx  # noqa: E402
import pandas as pd  # noqa: E402

e = gx.expectations
CHECKS = [
    e.ExpectTableRowCountToBeBetween(min_value=1), e.ExpectColumnValuesToBeUnique(column="id"), e.ExpectColumnValuesToBeIncreasing(column="id"),
    e.ExpectColumnValuesToNotBeNull(column="age"), e.ExpectColumnValuesToNotBeNull(column="channel", mostly=0.9),
    e.ExpectColumnValuesToBeBetween(column="age", min_value=0, max_value=120), e.ExpectColumnValuesToBeBetween(column="income", min_value=0, max_value=1e9),
    e.ExpectColumnValuesToBeBetween(column="usage", min_value=0, max_value=500, mostly=0.99),
    e.ExpectColumnValuesToBeBetween(column="rating", min_value=-10, max_value=10),
    e.ExpectColumnValuesToBeInSet(column="region", value_set=["north", "south", "east", "west"]),
    e.ExpectColumnValuesToBeInSet(column="churn", value_set=["Yes", "No"]),
    e.ExpectColumnUniqueValueCountToBeBetween(column="channel", max_value=4), e.ExpectColumnValuesToMatchRegex(column="plan", regex=r"^plan \d+$"),
    e.ExpectColumnValueLengthsToBeBetween(column="city", min_value=4, max_value=12),
    e.ExpectColumnPairValuesAToBeGreaterThanB(column_A="income", column_B="amount", ignore_row_if="either_value_is_missing"),
    e.ExpectColumnMeanToBeBetween(column="rating", min_value=-0.1, max_value=0.1),
    e.ExpectColumnStdevToBeBetween(column="rating", min_value=0.9, max_value=1.1),
    e.ExpectColumnMedianToBeBetween(column="usage", min_value=30, max_value=70), e.ExpectColumnMaxToBeBetween(column="usage", max_value=2000),
    e.ExpectColumnMinToBeBetween(column="usage", min_value=0)]


def main():
    start = time.perf_counter()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    frame = pd.read_parquet(f"{sys.argv[1]}/pandas.parquet")
    batch = context.data_sources.add_pandas("p").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b")
    suite = context.suites.add(gx.ExpectationSuite(name="s", expectations=CHECKS))
    result = context.validation_definitions.add(gx.ValidationDefinition(name="v", data=batch, suite=suite)).run(
        batch_parameters={"dataframe": frame}, result_format="SUMMARY")
    assert result.success and len(CHECKS) == 20, [r.expectation_config.type for r in result.results if not r.success]
    print(time.perf_counter() - start)


main()
