//! Texts: their length, pattern and meaning.

use arrow::array::{AsArray, BooleanArray};
use regex::Regex;
use serde_json::Value;

use super::super::check::State;
use super::super::definition::{Definition, Target};
use super::super::expectation::Expectation;
use super::super::row_test::RowTest;
use super::super::setting::Setting;
use super::super::strptime::Format;
use super::super::{json_schema, kinds, patterns};
use super::ranges::range;

const PATTERNS: &[&str] = &["patterns"];
const PATTERN_OR_PATTERNS: &[&str] = &["pattern", "patterns"];
const MOSTLY: &[&str] = &["mostly"];

pub(super) const CHECKS: &[Definition] = &[
    Definition::new(
        "length_between",
        "expect_column_value_lengths_to_be_between",
        "Rows: the text has between `min` and `max` characters.",
        Target::Column,
        length_between,
    )
    .needs_one_of(&["min", "max"])
    .takes(&["strict_min", "strict_max", "mostly"]),
    Definition::new(
        "length_equals",
        "expect_column_value_lengths_to_equal",
        "Rows: the text has `equals` characters.",
        Target::Column,
        length_equals,
    )
    .needs(&["equals"])
    .takes(MOSTLY),
    Definition::new(
        "regex",
        "expect_column_values_to_match_regex",
        "Rows: the regular expression `pattern` matches somewhere in the text.",
        Target::Column,
        regex,
    )
    .needs(&["pattern"])
    .takes(MOSTLY),
    Definition::new(
        "not_regex",
        "expect_column_values_to_not_match_regex",
        "Rows: the regular expression `pattern`, or each of `patterns`, matches nowhere in the text.",
        Target::Column,
        not_regex,
    )
    .needs_one_of(PATTERN_OR_PATTERNS)
    .takes(MOSTLY),
    Definition::new(
        "regex_any",
        "expect_column_values_to_match_regex_list",
        "Rows: at least one of the regular expressions `patterns` matches somewhere in the text.",
        Target::Column,
        regex_any,
    )
    .needs(PATTERNS)
    .takes(MOSTLY),
    Definition::new(
        "regex_all",
        "expect_column_values_to_match_regex_list",
        "Rows: each of the regular expressions `patterns` matches somewhere in the text.",
        Target::Column,
        regex_all,
    )
    .needs(PATTERNS)
    .takes(MOSTLY),
    Definition::new(
        "like",
        "expect_column_values_to_match_like_pattern",
        "Rows: the whole text fits `pattern`, as with `LIKE` in SQL.",
        Target::Column,
        like,
    )
    .needs(&["pattern"])
    .takes(MOSTLY),
    Definition::new(
        "not_like",
        "expect_column_values_to_not_match_like_pattern",
        "Rows: the text fits neither `pattern` nor any of `patterns`, as with `NOT LIKE` in SQL.",
        Target::Column,
        not_like,
    )
    .needs_one_of(PATTERN_OR_PATTERNS)
    .takes(MOSTLY),
    Definition::new(
        "like_any",
        "expect_column_values_to_match_like_pattern_list",
        "Rows: the whole text fits at least one of `patterns`, as with `LIKE` in SQL.",
        Target::Column,
        like_any,
    )
    .needs(PATTERNS)
    .takes(MOSTLY),
    Definition::new(
        "like_all",
        "expect_column_values_to_match_like_pattern_list",
        "Rows: the whole text fits each of `patterns`, as with `LIKE` in SQL.",
        Target::Column,
        like_all,
    )
    .needs(PATTERNS)
    .takes(MOSTLY),
    Definition::new(
        "format",
        "",
        "Rows: the text is of `kind`: email, url, uuid, ipv4, ipv6, date, datetime, json, number or credit_card.",
        Target::Column,
        format,
    )
    .needs(&["kind"])
    .takes(MOSTLY),
    Definition::new(
        "datetime_format",
        "expect_column_values_to_match_strftime_format",
        "Rows: the text is a date or time in the form `strftime`.",
        Target::Column,
        datetime_format,
    )
    .needs(&["strftime"])
    .takes(MOSTLY),
    Definition::new(
        "json_schema",
        "expect_column_values_to_match_json_schema",
        "Rows: the text is JSON that fulfils `schema`.",
        Target::Column,
        json_schema_holds,
    )
    .needs(&["schema"])
    .takes(MOSTLY),
];

fn characters(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

fn length_between(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let column = setting.text_column(expectation)?;
    let whole = |bound: &Value| bound.as_i64();
    let range = range(expectation, whole, |_| "`min` and `max` of a length are whole numbers".to_owned())?;
    Ok(setting.of_rows(RowTest::of_texts(column, move |text| range.contains(&characters(text)))))
}

fn length_equals(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let column = setting.text_column(expectation)?;
    let wanted = i64::try_from(expectation.equals.unwrap_or_default()).unwrap_or(i64::MAX);
    Ok(setting.of_rows(RowTest::of_texts(column, move |text| characters(text) == wanted)))
}

/// How the verdicts of several patterns make one.
#[derive(Clone, Copy)]
enum Wanted {
    Any,
    All,
    None,
}

/// What a pattern is written in.
type Language = fn(&str) -> Result<Regex, String>;

fn regex(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    matching(setting, expectation, patterns::regex, Wanted::All)
}

fn not_regex(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    matching(setting, expectation, patterns::regex, Wanted::None)
}

fn regex_any(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    matching(setting, expectation, patterns::regex, Wanted::Any)
}

fn regex_all(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    matching(setting, expectation, patterns::regex, Wanted::All)
}

fn like(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    matching(setting, expectation, patterns::like, Wanted::All)
}

fn not_like(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    matching(setting, expectation, patterns::like, Wanted::None)
}

fn like_any(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    matching(setting, expectation, patterns::like, Wanted::Any)
}

fn like_all(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    matching(setting, expectation, patterns::like, Wanted::All)
}

fn matching(
    setting: &Setting<'_>,
    expectation: &Expectation,
    language: Language,
    wanted: Wanted,
) -> Result<State, String> {
    let column = setting.text_column(expectation)?;
    let written = expectation.pattern.iter().chain(expectation.patterns.iter().flatten());
    let patterns: Vec<Regex> = written.map(|pattern| language(pattern)).collect::<Result<_, _>>()?;
    Ok(setting.of_rows(RowTest::of_texts(column, move |text| match wanted {
        Wanted::Any => patterns.iter().any(|pattern| pattern.is_match(text)),
        Wanted::All => patterns.iter().all(|pattern| pattern.is_match(text)),
        Wanted::None => !patterns.iter().any(|pattern| pattern.is_match(text)),
    })))
}

fn format(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let column = setting.text_column(expectation)?;
    let kind = expectation.kind.ok_or("`kind` is missing")?;
    Ok(setting.of_rows(RowTest::of_texts(column, move |text| kinds::is_of(kind, text))))
}

fn datetime_format(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let column = setting.text_column(expectation)?;
    let format = Format::parse(expectation.strftime.as_deref().unwrap_or_default())?;
    Ok(setting.of_rows(RowTest::of_texts(column, move |text| format.fits(text))))
}

fn json_schema_holds(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let column = setting.text_column(expectation)?;
    let shape = json_schema::Shape::compile(expectation.schema.as_ref().ok_or("`schema` is missing")?)?;
    Ok(setting.of_rows(RowTest::of(vec![column], move |values| {
        let fits = |text: &str| serde_json::from_str(text).is_ok_and(|value| shape.fits(&value));
        values[0].as_string::<i32>().iter().map(|text| text.map(fits)).collect::<BooleanArray>()
    })))
}
