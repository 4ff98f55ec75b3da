//! The step `profile.table`.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::findings::findings;
use super::page::page;
use crate::artifact::ArtifactKind;
use crate::phase::Phase;
use crate::step::{InputPort, OutputPort, ParamErrors, Ports, Progress, StepContext, StepError, StepKind};
use crate::table::statistics::{ColumnStatistics, Kind, Spread, statistics};

/// What `profile.table` shows.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// How many of the most frequent values of each column the report lists.
    #[serde(default = "default_top")]
    pub top: usize,
}

fn default_top() -> usize {
    10
}

/// Describes every column of a table.
pub struct ProfileTable {
    params: Params,
}

impl StepKind for ProfileTable {
    const NAME: &'static str = "profile.table";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::Understanding;
    const SUMMARY: &'static str = "Describes every column of a table: a JSON report and an HTML page.";
    const EXAMPLE: &'static str = "\
uses: profile.table
inputs: {table: customers}
with: {top: 10}
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        if params.top > 64 {
            return Err(ParamErrors::one(["top"], "at most 64 frequent values are kept for each column"));
        }
        Ok(ProfileTable { params })
    }

    fn ports(&self) -> Ports {
        Ports::new(
            [InputPort::one("table", ArtifactKind::Table)],
            [OutputPort::new("report", ArtifactKind::Report), OutputPort::new("html", ArtifactKind::File)],
        )
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let table = context.table("table")?;
        let (rows, threads) = (table.rows(), context.surroundings().threads);
        let columns = statistics(&table, threads, |done| {
            context.progress(&Progress { done, total: Some(rows), unit: "rows", note: String::new() });
            context.check_cancelled().is_ok()
        })?;
        context.check_cancelled()?;
        let columns = columns.ok_or_else(|| StepError::bug("the profile stopped although nobody asked it to"))?;
        let missing: u64 = columns.iter().map(|column| column.missing).sum();
        let values = rows * columns.len() as u64;
        let missing_share = if values == 0 { 0.0 } else { missing as f64 / values as f64 };
        let described: Vec<Value> = columns.iter().map(|column| describe(column, self.params.top)).collect();
        let report = json!({"rows": rows, "missing_share": missing_share, "columns": described});
        context.commit_report("report", &report)?;
        let staged = context.stage(ArtifactKind::File)?;
        std::fs::write(staged.path(), page(rows, &columns, missing_share))?;
        context.commit("html", staged, None)?;
        context.metric("rows", rows as f64);
        context.metric("columns", columns.len() as f64);
        context.metric("missing_share", missing_share);
        Ok(())
    }
}

fn describe(column: &ColumnStatistics, most: usize) -> Value {
    let (distinct, distinct_is_exact) = column.distinct();
    let (top, top_is_complete) = column.top(most);
    let top: Vec<Value> = top.iter().map(|(value, count)| json!({"value": value, "count": count})).collect();
    let mut described = json!({
        "name": column.name,
        "type": column.kind.as_str(),
        "stored_type": column.stored_type,
        "rows": column.rows,
        "missing": column.missing,
        "missing_share": column.missing_share(),
        "distinct": distinct,
        "distinct_is_exact": distinct_is_exact,
        "top": top,
        "top_is_complete": top_is_complete,
        "findings": findings(column),
    });
    if let Some(spread) = column.spread() {
        let place = if column.kind == Kind::Text { "length" } else { "values" };
        described[place] = describe_spread(column, &spread);
    }
    described
}

fn describe_spread(column: &ColumnStatistics, spread: &Spread) -> Value {
    let is_time = matches!(column.kind, Kind::Date | Kind::Timestamp);
    let place = |number: f64| if is_time { json!(column.written(number)) } else { json!(number) };
    let names = ["0.05", "0.25", "0.5", "0.75", "0.95"];
    let quantiles: serde_json::Map<String, Value> =
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
        described["zeros"] = json!(column.zeros);
    }
    described
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::step::testing::{Workbench, batch, floats, ints, texts};

    #[test]
    fn every_column_is_described() {
        let bench = Workbench::new();
        let table = bench.table(&batch(&[
            ("id", texts((0..40).map(|row| Some(["a", "b", "c", "d"][row % 4])))),
            ("<script>", ints((0..40).map(Some))),
            ("x", floats((0..40).map(|row| (row % 2 == 0).then_some(f64::from(row))))),
            ("empty", floats((0..40).map(|_| None::<f64>))),
        ]));
        let ran = bench.run("profile.table", json!({"top": 2}), &[("table", &table)]).unwrap();
        let report = ran.report("report");
        assert_eq!(report["missing_share"], json!(60.0 / 160.0));
        let columns = report["columns"].as_array().unwrap();
        assert_eq!(columns[0]["top"], json!([{"value": "a", "count": 10}, {"value": "b", "count": 10}]));
        assert_eq!(columns[0]["length"]["max"], json!(1.0));
        assert_eq!(columns[1]["findings"], json!(["every value is different: an identifier?"]));
        assert_eq!(columns[1]["values"]["quantiles"]["0.5"], json!(19.5));
        assert_eq!(columns[2]["findings"], json!(["50.0 % of the values are missing"]));
        assert_eq!(columns[3]["findings"], json!(["has no value at all"]));
        let metrics = ["rows", "columns", "missing_share"].map(|name| ran.metric(name).unwrap());
        assert_eq!(format!("{metrics:?}"), "[40.0, 4.0, 0.375]");
        let page = std::fs::read_to_string(ran.path("html")).unwrap();
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"), "names are escaped");
        assert_eq!(page.matches("<article>").count(), 4);
        let again = bench.run("profile.table", json!({"top": 2}), &[("table", &table)]).unwrap();
        assert_eq!(again.artifact("html"), ran.artifact("html"));
        assert_eq!(again.artifact("report"), ran.artifact("report"));
    }

    #[test]
    fn a_table_without_rows_or_columns_is_described_too() {
        let bench = Workbench::new();
        let empty = batch(&[("n", ints((0..3).map(Some)))]).slice(0, 0);
        let table = bench.table(&empty);
        let ran = bench.run("profile.table", json!({}), &[("table", &table)]).unwrap();
        assert_eq!(ran.report("report")["columns"][0]["rows"], 0);
        assert_eq!(ran.metric("missing_share"), Some(0.0));
    }

    #[test]
    fn a_cancelled_profile_stops() {
        let bench = Workbench::new();
        let table = bench.table(&batch(&[("n", ints((0..50_000).map(Some)))]));
        bench.cancel();
        let error = bench.run("profile.table", json!({}), &[("table", &table)]).map(|_| ()).unwrap_err();
        assert_eq!(error.code(), "cancelled");
    }
}
