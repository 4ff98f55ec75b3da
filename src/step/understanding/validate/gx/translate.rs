//! One expectation: Great Expectations' name and arguments in ours.

use serde_json::{Map, Value, json};

use super::condition::condition;
use crate::step::query;

/// The one name of theirs that does not begin with `expect_`.
pub(super) const UNEXPECTED_ROWS: &str = "unexpected_rows_expectation";

/// Their names of checks with ours.
const CHECKS: &[(&str, &str)] = &[
    ("expect_table_row_count_to_equal", "row_count"),
    ("expect_table_row_count_to_be_between", "row_count"),
    ("expect_table_row_count_to_equal_other_table", "row_count_vs"),
    ("expect_table_column_count_to_equal", "column_count"),
    ("expect_table_column_count_to_be_between", "column_count"),
    ("expect_table_columns_to_match_ordered_list", "columns_match"),
    ("expect_table_columns_to_match_set", "columns_match"),
    ("expect_column_to_exist", "column_exists"),
    ("expect_column_values_to_be_of_type", "dtype"),
    ("expect_column_type_to_be", "dtype"),
    ("expect_column_values_to_be_in_type_list", "dtype"),
    ("expect_column_values_to_not_be_null", "not_null"),
    ("expect_column_values_to_be_null", "is_null"),
    ("expect_column_proportion_of_non_null_values_to_be_between", "completeness"),
    ("expect_column_values_to_be_unique", "unique"),
    ("expect_compound_columns_to_be_unique", "unique"),
    ("expect_select_column_values_to_be_unique_within_record", "unique_in_row"),
    ("expect_multicolumn_values_to_be_unique", "unique_in_row"),
    ("expect_column_unique_value_count_to_be_between", "distinct_count"),
    ("expect_column_proportion_of_unique_values_to_be_between", "distinct_ratio"),
    ("expect_column_values_to_be_in_set", "in_set"),
    ("expect_column_values_to_not_be_in_set", "not_in_set"),
    ("expect_column_distinct_values_to_be_in_set", "distinct_in_set"),
    ("expect_column_distinct_values_to_contain_set", "distinct_contains"),
    ("expect_column_distinct_values_to_equal_set", "distinct_equals"),
    ("expect_column_most_common_value_to_be_in_set", "mode_in_set"),
    ("expect_column_pair_values_to_be_in_set", "pair_in_set"),
    ("expect_column_values_to_be_between", "between"),
    ("expect_column_value_z_scores_to_be_less_than", "zscore_below"),
    ("expect_column_values_to_not_be_outliers", "no_outliers"),
    ("expect_column_value_lengths_to_be_between", "length_between"),
    ("expect_column_value_lengths_to_equal", "length_equals"),
    ("expect_column_values_to_match_regex", "regex"),
    ("expect_column_values_to_not_match_regex", "not_regex"),
    ("expect_column_values_to_match_regex_list", "regex_any"),
    ("expect_column_values_to_not_match_regex_list", "not_regex"),
    ("expect_column_values_to_match_like_pattern", "like"),
    ("expect_column_values_to_not_match_like_pattern", "not_like"),
    ("expect_column_values_to_match_like_pattern_list", "like_any"),
    ("expect_column_values_to_not_match_like_pattern_list", "not_like"),
    ("expect_column_values_to_match_strftime_format", "datetime_format"),
    ("expect_column_values_to_be_json_parseable", "format"),
    ("expect_column_values_to_match_json_schema", "json_schema"),
    ("expect_column_values_to_be_increasing", "increasing"),
    ("expect_column_values_to_be_decreasing", "decreasing"),
    ("expect_column_min_to_be_between", "min"),
    ("expect_column_max_to_be_between", "max"),
    ("expect_column_mean_to_be_between", "mean"),
    ("expect_column_median_to_be_between", "median"),
    ("expect_column_sum_to_be_between", "sum"),
    ("expect_column_stdev_to_be_between", "stdev"),
    ("expect_column_quantile_values_to_be_between", "quantiles"),
    ("expect_column_kl_divergence_to_be_less_than", "kl_divergence"),
    ("expect_column_pair_values_to_be_equal", "columns_equal"),
    ("expect_multicolumn_values_to_be_equal", "columns_equal"),
    ("expect_column_pair_values_a_to_be_greater_than_b", "greater_than"),
    ("expect_multicolumn_sum_to_equal", "sum_equals"),
    (UNEXPECTED_ROWS, "sql"),
];

/// Their names of arguments with ours, where these differ.
const ARGUMENTS: &[(&str, &str)] = &[
    ("min_value", "min"),
    ("max_value", "max"),
    ("value_set", "values"),
    ("value_pairs_set", "pairs"),
    ("column_list", "columns"),
    ("column_set", "columns"),
    ("exact_match", "exact"),
    ("column_index", "index"),
    ("regex", "pattern"),
    ("like_pattern", "pattern"),
    ("regex_list", "patterns"),
    ("like_pattern_list", "patterns"),
    ("value", "equals"),
    ("sum_total", "total"),
    ("strftime_format", "strftime"),
    ("ties_okay", "ties_ok"),
    ("strictly", "strict"),
    ("json_schema", "schema"),
    ("partition_object", "partition"),
];

/// Arguments that say how results are shown, or name a table that is an input here.
const LEFT_OUT: &[&str] = &[
    "result_format",
    "catch_exceptions",
    "meta",
    "notes",
    "description",
    "rendered_content",
    "batch_id",
    "condition_parser",
    "other_table_name",
    "metadata",
    "id",
];

/// The expectation as it stands under `expect`.
pub(super) fn translate(gx_type: &str, kwargs: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let Some((_, check)) = CHECKS.iter().find(|(name, _)| *name == gx_type) else {
        return Err(unknown(gx_type, kwargs));
    };
    let mut translated = Map::new();
    translated.insert("check".to_owned(), json!(check));
    let mut pair = [None, None];
    for (name, value) in kwargs.iter().filter(|(name, value)| !value.is_null() && !LEFT_OUT.contains(&name.as_str())) {
        match name.as_str() {
            "column_A" => pair[0] = Some(value.clone()),
            "column_B" => pair[1] = Some(value.clone()),
            "row_condition" if gx_type == UNEXPECTED_ROWS => {
                return Err("its `row_condition` filters `{batch}`; put the condition into the query".to_owned());
            }
            "row_condition" => {
                translated.insert("where".to_owned(), condition(value)?.into());
            }
            "type_" | "type_list" => {
                let names = value.as_array().map_or_else(|| vec![value], |names| names.iter().collect());
                let names: Vec<&str> = names.into_iter().filter_map(Value::as_str).map(type_name).collect();
                translated.insert("type".to_owned(), json!(names));
            }
            "unexpected_rows_query" => {
                translated.insert("query".to_owned(), over_table(value)?.into());
            }
            "quantile_ranges" => {
                translated.insert("quantiles".to_owned(), quantiles(value)?);
            }
            "match_on" => match (value.as_str(), *check) {
                (Some("all"), "regex_any") => drop(translated.insert("check".to_owned(), json!("regex_all"))),
                (Some("all"), "like_any") => drop(translated.insert("check".to_owned(), json!("like_all"))),
                _ => {}
            },
            "bucketize_data" if value == &json!(true) => {}
            "allow_relative_error" if value == &json!(false) => {}
            "windows" => return Err("its thresholds come from earlier runs (`windows`)".to_owned()),
            _ => {
                let renamed =
                    ARGUMENTS.iter().find(|(theirs, _)| theirs == name).map_or(name.as_str(), |(_, ours)| ours);
                translated.insert(renamed.to_owned(), value.clone());
            }
        }
    }
    if let [Some(left), Some(right)] = pair {
        translated.insert("columns".to_owned(), json!([left, right]));
    }
    match gx_type {
        "expect_table_columns_to_match_ordered_list" => drop(translated.insert("ordered".to_owned(), json!(true))),
        "expect_column_values_to_be_json_parseable" => drop(translated.insert("kind".to_owned(), json!("json"))),
        _ => {}
    }
    Ok(translated)
}

fn unknown(gx_type: &str, kwargs: &Map<String, Value>) -> String {
    match gx_type {
        "expect_query_results_to_match_comparison" => {
            "two queries over two sources are compared; write one as `sql` over `table` and `reference`".to_owned()
        }
        _ if kwargs.contains_key("unexpected_rows_query") => format!(
            "it is a class of its own; if that holds nothing but a query, call it `{UNEXPECTED_ROWS}`, or write it as `sql`"
        ),
        name if name.starts_with("expect_") || name.is_empty() => "no check of ours says this".to_owned(),
        _ => "it is no expectation of Great Expectations itself".to_owned(),
    }
}

/// A query of theirs, with the table in the place of `{batch}` and single braces in that of doubled ones.
fn over_table(query: &Value) -> Result<String, String> {
    const PLACES: &[(&str, &str)] = &[("{{", "{"), ("}}", "}"), ("{batch}", "table")];
    let mut rest = query.as_str().ok_or("`unexpected_rows_query` is no text")?;
    if !rest.contains("{batch}") {
        return Err(
            "its query does not read `{batch}`, and no other table of its source is there; write it as `sql` over \
                    `table`, and `reference` for a second table"
                .to_owned(),
        );
    }
    let mut filled = String::new();
    while let Some(brace) = rest.find(['{', '}']) {
        filled.push_str(&rest[..brace]);
        rest = &rest[brace..];
        let known = PLACES.iter().find(|(written, _)| rest.starts_with(written));
        let (written, meant) = known
            .ok_or("its query has a brace that is neither doubled nor part of `{batch}`, which no query there may")?;
        filled.push_str(meant);
        rest = &rest[written.len()..];
    }
    Ok(query::trimmed(&(filled + rest)).to_owned())
}

/// The name of a type in pandas, SQL or Spark in ours; what is not known stays and is compared with Arrow's name.
fn type_name(name: &str) -> &str {
    let lower = name.to_ascii_lowercase();
    let plain = lower.trim_end_matches("type").split(['(', '[']).next().unwrap_or_default();
    match plain {
        "int" | "integer" | "bigint" | "smallint" | "tinyint" | "long" | "short" | "byte" | "int8" | "int16"
        | "int32" | "int64" | "uint8" | "uint16" | "uint32" | "uint64" => "int",
        "float" | "double" | "real" | "numeric" | "decimal" | "float16" | "float32" | "float64"
        | "double precision" | "double_precision" => "float",
        "str" | "string" | "object" | "object_" | "text" | "varchar" | "char" | "nvarchar" => "text",
        "number" => "number",
        "bool" | "boolean" | "bool_" => "bool",
        "date" => "date",
        "datetime" | "datetime64" | "timestamp" | "timestamp_ntz" => "timestamp",
        _ => name,
    }
}

/// `{quantiles: [0.5], value_ranges: [[1, 2]]}` as `{0.5: [1, 2]}`.
fn quantiles(ranges: &Value) -> Result<Value, String> {
    let list = |name: &str| {
        ranges.get(name).and_then(Value::as_array).ok_or_else(|| format!("`quantile_ranges` has no `{name}`"))
    };
    let (shares, ranges) = (list("quantiles")?, list("value_ranges")?);
    if shares.len() != ranges.len() {
        return Err("`quantile_ranges` has not one range for each quantile".to_owned());
    }
    Ok(shares.iter().zip(ranges).map(|(share, range)| (share.to_string(), range.clone())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_translation_leads_to_a_check_that_there_is() {
        for (gx_type, check) in CHECKS {
            assert!(super::super::super::CheckName::parse(check).is_ok(), "{gx_type} -> {check}");
        }
    }

    #[test]
    fn every_twin_that_a_check_names_is_translated_to_it() {
        for (_, checks) in super::super::super::catalogue::GROUPS {
            for check in checks.iter().filter(|check| !check.gx.is_empty()) {
                let found: Vec<&str> =
                    CHECKS.iter().filter(|(gx_type, _)| *gx_type == check.gx).map(|(_, ours)| *ours).collect();
                let is_twin = found.iter().any(|ours| check.name.starts_with(ours.trim_end_matches("_any")));
                assert!(is_twin, "{} is {found:?} and not {}", check.gx, check.name);
            }
        }
    }

    #[test]
    fn arguments_are_renamed_and_null_is_left_out() {
        let kwargs =
            json!({"column": "a", "min_value": 1, "max_value": null, "row_condition": "b > 1", "batch_id": "x"});
        let translated = translate("expect_column_values_to_be_between", kwargs.as_object().unwrap()).unwrap();
        assert_eq!(Value::Object(translated), json!({"check": "between", "column": "a", "min": 1, "where": "(b > 1)"}));
        let kwargs = json!({"column": "a", "type_list": ["VARCHAR(10)", "int64", "datetime64[ns]"]});
        let translated = translate("expect_column_values_to_be_in_type_list", kwargs.as_object().unwrap()).unwrap();
        assert_eq!(translated["type"], json!(["text", "int", "timestamp"]));
    }

    #[test]
    fn a_query_over_the_batch_is_one_over_the_table() {
        let translated = |gx_type: &str, query: &str| {
            let kwargs = json!({"unexpected_rows_query": query});
            translate(gx_type, kwargs.as_object().unwrap())
        };
        let query = "SELECT b.*, '{{x}}' FROM {batch} AS b WHERE n NOT IN (SELECT max(n) FROM {batch});\n";
        let expected = "SELECT b.*, '{x}' FROM table AS b WHERE n NOT IN (SELECT max(n) FROM table)";
        let found = translated(UNEXPECTED_ROWS, query).unwrap();
        assert_eq!(Value::Object(found), json!({"check": "sql", "query": expected}));
        let refused = |gx_type: &str, query: &str, reason: &str| {
            let error = translated(gx_type, query).unwrap_err();
            assert!(error.contains(reason), "{error}");
        };
        refused(UNEXPECTED_ROWS, "SELECT * FROM orders", "does not read `{batch}`");
        refused(UNEXPECTED_ROWS, "SELECT * FROM {batch} WHERE n = {limit}", "a brace");
        let filtered = json!({"unexpected_rows_query": "SELECT * FROM {batch}", "row_condition": "n > 1"});
        let error = translate(UNEXPECTED_ROWS, filtered.as_object().unwrap()).unwrap_err();
        assert!(error.contains("put the condition into the query"), "{error}");
        refused("expect_orders_to_be_paid", "SELECT * FROM {batch}", "call it `unexpected_rows_expectation`");
    }
}
