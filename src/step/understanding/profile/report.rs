//! The profile as JSON.

use serde_json::{Map, Value, json};

use super::described::{Profile, Remark};
use super::findings::findings;
use crate::table::statistics::{ColumnStatistics, Kind, Matrix, Spread, TargetBin, TargetKind, TargetStatistics};

/// Columns of at most so many values list them all.
const LISTED_VALUES: usize = 50;

/// The profile with the `most` frequent values of each column.
pub(super) fn report(profile: &Profile, remarks: &[Remark], most: usize) -> Value {
    let described: Vec<Value> = profile.columns.iter().map(|column| describe(profile, column, most)).collect();
    let remarks: Vec<Value> =
        remarks.iter().map(|remark| json!({"about": remark.about, "text": remark.text})).collect();
    let across = &profile.across;
    let mut report = json!({
        "rows": profile.rows,
        "missing_share": profile.missing_share(),
        "duplicate_rows": across.duplicate_rows,
        "duplicate_rows_are_exact": across.duplicates_are_exact,
        "equal_columns": across.equal_columns,
        "findings": remarks,
        "pearson": matrix(&across.pearson),
        "cramers_v": matrix(&across.cramers_v),
        "columns": described,
    });
    if let Some(target) = &profile.target {
        report["target"] = describe_target(target);
    }
    report
}

fn matrix(matrix: &Matrix) -> Value {
    json!({"columns": matrix.columns, "values": matrix.values})
}

fn describe_target(target: &TargetStatistics) -> Value {
    match &target.kind {
        TargetKind::Classes(classes) => {
            let classes: Vec<Value> =
                classes.iter().map(|(class, rows)| json!({"value": class, "count": rows})).collect();
            json!({"column": target.name, "classes": classes})
        }
        TargetKind::Number(mean) => json!({"column": target.name, "mean": mean}),
    }
}

fn describe(profile: &Profile, column: &ColumnStatistics, most: usize) -> Value {
    let (distinct, distinct_is_exact) = column.distinct();
    let listed = |most: usize| {
        let (top, is_complete) = column.top(most);
        let top: Vec<Value> = top.iter().map(|(value, count)| json!({"value": value, "count": count})).collect();
        (top, is_complete)
    };
    let (top, top_is_complete) = listed(most);
    let mut described = json!({
        "name": column.name,
        "type": column.kind.as_str(),
        "stored_type": column.stored_type,
        "rows": column.rows,
        "missing": column.missing,
        "missing_share": column.missing_share(),
        "infinite": column.infinite,
        "distinct": distinct,
        "distinct_is_exact": distinct_is_exact,
        "top": top,
        "top_is_complete": top_is_complete,
        "findings": findings(column),
    });
    if distinct_is_exact && distinct <= LISTED_VALUES as u64 && matches!(column.kind, Kind::Text | Kind::Bool) {
        described["values_by_count"] = json!(listed(LISTED_VALUES).0);
    }
    if let Some(spread) = column.spread() {
        let place = if column.kind == Kind::Text { "length" } else { "values" };
        described[place] = describe_spread(column, &spread);
    }
    if let Some((target, against)) = profile.against(&column.name) {
        let bins: Vec<Value> = against.bins.iter().map(|bin| describe_bin(target, bin)).collect();
        described["target"] = json!({"auc": against.auc, "decides": against.decides, "bins": bins});
    }
    described
}

fn describe_bin(target: &TargetStatistics, bin: &TargetBin) -> Value {
    match &target.kind {
        TargetKind::Classes(classes) => {
            let shares: Map<String, Value> =
                classes.iter().zip(&bin.values).map(|((class, _), share)| (class.clone(), json!(share))).collect();
            json!({"bin": bin.label, "rows": bin.rows, "shares": shares})
        }
        TargetKind::Number(_) => json!({"bin": bin.label, "rows": bin.rows, "mean": bin.values.first()}),
    }
}

fn describe_spread(column: &ColumnStatistics, spread: &Spread) -> Value {
    let is_time = matches!(column.kind, Kind::Date | Kind::Timestamp);
    let place = |number: f64| if is_time { json!(column.written(number)) } else { json!(number) };
    let names = ["0.05", "0.25", "0.5", "0.75", "0.95"];
    let quantiles: Map<String, Value> =
        names.iter().zip(spread.quantiles).map(|(name, value)| ((*name).to_owned(), place(value))).collect();
    let histogram: Vec<Value> = column
        .histogram()
        .iter()
        .map(|bin| json!({"low": place(bin.low), "high": place(bin.high), "count": bin.count}))
        .collect();
    let mut described = json!({
        "min": place(spread.min),
        "max": place(spread.max),
        "mean": place(spread.mean),
        "quantiles": quantiles,
        "quantiles_are_exact": spread.is_exact,
        "histogram": histogram,
    });
    if !is_time {
        described["stdev"] = json!(spread.stdev);
        described["skewness"] = json!(spread.skewness);
        described["kurtosis"] = json!(column.kurtosis());
        described["zeros"] = json!(column.zeros);
    }
    described
}
