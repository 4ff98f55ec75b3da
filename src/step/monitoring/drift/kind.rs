//! The kind: params, ports, the comparison of each column, and what is reported.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::contract::{self, Kept};
use super::page;
use super::rows::{Place, Rows};
use crate::artifact::ArtifactKind;
use crate::ml::drift::{ColumnDrift, Method, compare};
use crate::phase::Phase;
use crate::step::understanding::contract::ContractFile;
use crate::step::{
    Dependency, InputPort, Metric, OutputPort, ParamError, ParamErrors, Ports, StepContext, StepError, StepKind,
};

/// Which columns are compared, how, and where the current rows come from.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Compare with the requests that this endpoint has logged, instead of the input `current`.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// How far back logged requests count: `12h`, `7d`, `4w`.
    #[serde(default = "week")]
    pub window: String,
    /// The columns to compare; if they are not given, all that both sides have.
    #[serde(default)]
    pub columns: Option<Vec<String>>,
    /// The method for all columns that it fits, instead of the usual choice by size and type.
    #[serde(default)]
    pub method: Option<Method>,
    /// The method for single columns.
    #[serde(default)]
    pub methods: BTreeMap<String, Method>,
    /// The threshold for single columns, instead of the method's own.
    #[serde(default)]
    pub thresholds: BTreeMap<String, f64>,
    /// From this share of drifted columns on, the metric `dataset_drift` is 1.
    #[serde(default = "half")]
    #[schemars(range(min = 0, max = 1))]
    pub drift_share: f64,
    /// The schema contract of the source: `file:contracts/customers.yaml`. Current rows that break its rules are counted in the
    /// metrics `contract_violations` and `contract_rows`, and listed in the report.
    #[serde(default)]
    pub contract: Option<ContractFile>,
}

fn week() -> String {
    "7d".to_owned()
}

fn half() -> f64 {
    0.5
}

/// Compares current rows with a reference.
pub struct MonitorDrift {
    params: Params,
    window: Duration,
}

/// One column of the report.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) column: String,
    #[serde(flatten)]
    pub(super) drift: Option<ColumnDrift>,
    pub(super) drifted: bool,
    pub(super) missing_reference: f64,
    pub(super) missing_current: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<&'static str>,
}

impl StepKind for MonitorDrift {
    const NAME: &'static str = "monitor.drift";
    const VERSION: u32 = 2;
    const PHASE: Phase = Phase::Monitoring;
    const SUMMARY: &'static str =
        "Compares the distribution of each column with a reference: PSI, KS, chi-squared, Jensen-Shannon, Wasserstein.";
    const EXAMPLE: &'static str = "\
uses: monitor.drift
inputs: {reference: features.fit}
with: {endpoint: churn, window: 7d}
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        let mut errors = Vec::new();
        let mut wrong = |path: &[&str], message: String| {
            let path = path.iter().map(|part| (*part).to_owned()).collect();
            errors.push(ParamError { path, message, help: None });
        };
        let window = span(&params.window);
        if window.is_none() {
            let message = format!("`{}` is no length of time such as `12h`, `7d` or `4w`", params.window);
            wrong(&["window"], message);
        }
        if !(params.drift_share > 0.0 && params.drift_share <= 1.0) {
            wrong(&["drift_share"], format!("{} must be above 0 and at most 1", params.drift_share));
        }
        if let Some(Err(error)) = params.endpoint.as_ref().map(|name| name.parse::<crate::id::EndpointName>()) {
            wrong(&["endpoint"], error.to_string());
        }
        for (column, threshold) in &params.thresholds {
            if !(threshold.is_finite() && *threshold > 0.0) {
                wrong(&["thresholds", column], format!("{threshold} must be greater than 0"));
            }
        }
        match window {
            Some(window) if errors.is_empty() => Ok(MonitorDrift { params, window }),
            _ => Err(ParamErrors(errors)),
        }
    }

    fn ports(&self) -> Ports {
        let mut inputs = vec![InputPort::one("reference", ArtifactKind::Table).measuring()];
        if self.params.endpoint.is_none() {
            inputs.push(InputPort::one("current", ArtifactKind::Table).measuring());
        }
        Ports::new(
            inputs,
            [OutputPort::new("report", ArtifactKind::Report), OutputPort::new("html", ArtifactKind::File)],
        )
    }

    fn dependencies(&self) -> Vec<Dependency> {
        let unknown = |endpoint| Dependency::Unknown(format!("reads what endpoint `{endpoint}` has logged until now"));
        self.params.endpoint.iter().map(unknown).collect()
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let reference = Rows::of(context.table("reference")?);
        let current = match &self.params.endpoint {
            Some(endpoint) => {
                let window = i64::try_from(self.window.as_micros()).unwrap_or(i64::MAX);
                Rows::logged(context, endpoint, chrono::Utc::now().timestamp_micros().saturating_sub(window))?
            }
            None => Rows::of(context.table("current")?),
        };
        if current.count == 0 {
            return self.nothing(context, &reference);
        }
        let columns = self.columns(context, &reference, &current)?;
        let mut lines = Vec::new();
        for (name, place) in columns {
            context.check_cancelled()?;
            lines.push(self.line(&reference, &current, name, &place)?);
        }
        let kept = self.params.contract.as_ref().map(|file| contract::hold(&current, file.contract())).transpose()?;
        self.report(context, &reference, &current, &lines, kept.as_ref())
    }
}

impl MonitorDrift {
    /// The columns to compare.
    fn columns(
        &self,
        context: &mut StepContext,
        reference: &Rows,
        current: &Rows,
    ) -> Result<BTreeMap<String, Place>, StepError> {
        let (mut known, there) = (reference.columns(), current.columns());
        let named =
            self.params.columns.iter().flatten().chain(self.params.methods.keys()).chain(self.params.thresholds.keys());
        for name in named {
            let side = match (known.contains_key(name), there.contains_key(name)) {
                (true, true) => continue,
                (false, _) => ("the reference has", &known),
                (true, false) => ("the current rows have", &there),
            };
            let listed = side.1.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(StepError::input("column_missing", format!("{} no column `{name}` to compare", side.0))
                .help(format!("there are: {listed}")));
        }
        if let Some(wanted) = &self.params.columns {
            known.retain(|name, _| wanted.contains(name));
        }
        let absent: Vec<String> = known.keys().filter(|name| !there.contains_key(*name)).cloned().collect();
        if !absent.is_empty() {
            context.log(format!("not compared, for the current rows do not have them: {}", absent.join(", ")));
            known.retain(|name, _| there.contains_key(name));
        }
        if known.is_empty() {
            let listed = there.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(StepError::input("column_missing", "reference and current rows have no column in common")
                .help(format!("the current rows have: {listed}")));
        }
        Ok(known)
    }

    fn line(&self, reference: &Rows, current: &Rows, column: String, place: &Place) -> Result<Line, StepError> {
        let (before, missing_before) = reference.sample(&column, place.column_type)?;
        let (now, missing_now) = current.sample(&column, place.column_type)?;
        let is_number = matches!(before, crate::ml::drift::Sample::Numbers(_));
        if let Some(method) = self.params.methods.get(&column).filter(|method| !method.fits(is_number)) {
            let message = format!(
                "method `{}` compares numbers, but column `{column}` holds {}",
                method.as_str(),
                place.column_type.describe()
            );
            return Err(StepError::input("param_value", message).help("use chisquare, psi or jensenshannon for it"));
        }
        let method = self.params.methods.get(&column).copied().or(self.params.method);
        let drift = compare(&before, &now, method, self.params.thresholds.get(&column).copied());
        let note = match (before.is_empty(), now.is_empty()) {
            (true, true) => Some("no values on either side"),
            (true, false) => Some("the reference has no values"),
            (false, true) => Some("the current rows have no values"),
            (false, false) => None,
        };
        // A column that has lost all its values, or has got some at last, has moved as far as it can.
        let drifted = drift.as_ref().map_or(before.is_empty() != now.is_empty(), |drift| drift.drifted);
        let share = |missing: u64, rows: &Rows| missing as f64 / rows.count.max(1) as f64;
        Ok(Line {
            drifted,
            drift,
            missing_reference: share(missing_before, reference),
            missing_current: share(missing_now, current),
            note,
            column,
        })
    }

    fn report(
        &self,
        context: &mut StepContext,
        reference: &Rows,
        current: &Rows,
        lines: &[Line],
        kept: Option<&Kept>,
    ) -> Result<(), StepError> {
        let drifted = lines.iter().filter(|line| line.drifted).count();
        let share = drifted as f64 / lines.len() as f64;
        let psi_max = lines.iter().filter_map(|line| Some(line.drift.as_ref()?.psi)).fold(f64::NAN, f64::max);
        context.metric("share_drifted", share);
        context.metric("drifted_columns", drifted as f64);
        context.metric("dataset_drift", f64::from(u8::from(share >= self.params.drift_share)));
        context.metric("columns", lines.len() as f64);
        context.metric("rows_reference", reference.count as f64);
        context.metric("rows_current", current.count as f64);
        context.metric("psi_max", psi_max);
        for line in lines {
            if let Some(drift) = &line.drift {
                let slice = Some(format!("column={}", line.column));
                context.push_metric(Metric { slice, ..Metric::new("psi", drift.psi) });
            }
            if line.drifted {
                context.log(format!(
                    "`{}` has drifted{}",
                    line.column,
                    line.note.map(|note| format!(": {note}")).unwrap_or_default()
                ));
            }
        }
        let mut report = json!({
            "rows": {"reference": reference.count, "current": current.count},
            "share_drifted": share,
            "drift_share": self.params.drift_share,
            "dataset_drift": share >= self.params.drift_share,
            "columns": lines,
        });
        if let Some(kept) = kept {
            context.metric("contract_violations", kept.violations as f64);
            context.metric("contract_rows", kept.rows as f64);
            kept.remarks.iter().for_each(|remark| context.log(format!("warning: {remark}")));
            report["contract"] = kept.document.clone();
        }
        context.commit_report("report", &report)?;
        commit_page(context, &page::render(reference.count, current.count, self.params.drift_share, lines))
    }

    /// The outcome without current rows: the metrics exist, and are undefined.
    fn nothing(&self, context: &mut StepContext, reference: &Rows) -> Result<(), StepError> {
        let source = match &self.params.endpoint {
            Some(endpoint) => {
                format!("endpoint `{endpoint}` has logged no requests in the last {}", self.params.window)
            }
            None => "the current table has no rows".to_owned(),
        };
        context.log(format!("{source}, so there is nothing to compare yet"));
        let of_contract = self.params.contract.iter().flat_map(|_| ["contract_violations", "contract_rows"]);
        for name in ["share_drifted", "drifted_columns", "dataset_drift", "psi_max"].into_iter().chain(of_contract) {
            context.metric(name, f64::NAN);
        }
        context.metric("rows_reference", reference.count as f64);
        context.metric("rows_current", 0.0);
        let report = json!({
            "rows": {"reference": reference.count, "current": 0},
            "share_drifted": null,
            "drift_share": self.params.drift_share,
            "dataset_drift": null,
            "columns": [],
        });
        context.commit_report("report", &report)?;
        commit_page(context, &page::render(reference.count, 0, self.params.drift_share, &[]))
    }
}

fn commit_page(context: &mut StepContext, page: &str) -> Result<(), StepError> {
    let staged = context.stage(ArtifactKind::File)?;
    std::fs::write(staged.path(), page)?;
    context.commit("html", staged, None)?;
    Ok(())
}

/// A length of time in minutes, hours, days or weeks.
fn span(text: &str) -> Option<Duration> {
    let unit = text.trim_start_matches(|char: char| char.is_ascii_digit());
    let number: u64 = text[..text.len() - unit.len()].parse().ok()?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    number.checked_mul(seconds).filter(|seconds| *seconds > 0).map(Duration::from_secs)
}
