//! The order of work of all kinds that leave outliers out.

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};

use super::super::balance;
use super::super::room;
use super::detector::Detector;
use super::write;
use crate::artifact::ArtifactKind;
use crate::ml::neighbours::Points;
use crate::ml::outlier::{Bounds, Contamination, ForestOptions, IsolationForest, LocalOutlierFactor, Tail};
use crate::step::{InputPort, OutputPort, ParamErrors, Ports, Progress, StepContext, StepError};
use crate::table::TableReader;
use crate::table::roles::{CATEGORIES, Role};

/// How many rows a tree of an isolation forest sees by default.
const MAX_SAMPLES: usize = 256;

/// What a node of a tree takes: five numbers, their values in the report, and the text of it. A tree has less than two
/// nodes for each row that it sees.
const BYTES_PER_NODE: u64 = 40 + 5 * 32 + 40;

/// How outliers are told.
#[derive(Debug, Clone)]
pub(super) enum Method {
    Iqr {
        fold: f64,
        tail: Tail,
    },
    Zscore {
        threshold: f64,
        tail: Tail,
    },
    IsolationForest {
        n_estimators: usize,
        max_samples: Option<usize>,
        max_features: f64,
        bootstrap: bool,
        contamination: Contamination,
        seed: Option<u64>,
    },
    LocalOutlierFactor {
        n_neighbors: usize,
        contamination: Contamination,
    },
}

/// A step that leaves outliers out.
pub(super) struct Outliers {
    /// The name of the kind.
    pub(super) name: &'static str,
    pub(super) method: Method,
    pub(super) columns: Option<Vec<String>>,
}

impl Outliers {
    /// Refuses params that make no sense whatever the rows are.
    pub(super) fn check(&self) -> Result<(), ParamErrors> {
        let wrong = |name: &str, message: &str| Err(ParamErrors::one([name], message));
        let is_width = |width: f64| width.is_finite() && width > 0.0;
        let contamination = |contamination: Contamination| {
            if contamination.is_valid() {
                Ok(())
            } else {
                wrong("contamination", "give `auto`, or a share above 0 and up to 0.5")
            }
        };
        match self.method {
            Method::Iqr { fold, .. } if !is_width(fold) => wrong("fold", "give a number above zero"),
            Method::Zscore { threshold, .. } if !is_width(threshold) => wrong("threshold", "give a number above zero"),
            Method::Iqr { .. } | Method::Zscore { .. } => Ok(()),
            Method::IsolationForest { n_estimators: 0, .. } => wrong("n_estimators", "a forest needs a tree"),
            Method::IsolationForest { max_samples: Some(0), .. } => wrong("max_samples", "a tree needs a row"),
            Method::IsolationForest { max_features, .. } if !(max_features > 0.0 && max_features <= 1.0) => {
                wrong("max_features", "give a share above 0 and up to 1")
            }
            Method::LocalOutlierFactor { n_neighbors: 0, .. } => {
                wrong("n_neighbors", "a row needs at least one neighbour")
            }
            Method::IsolationForest { contamination: share, .. }
            | Method::LocalOutlierFactor { contamination: share, .. } => contamination(share),
        }
    }

    pub(super) fn ports() -> Ports {
        Ports::new(
            [
                InputPort::one("fit", ArtifactKind::Table).learning(),
                InputPort::optional("valid", ArtifactKind::Table).measuring(),
                InputPort::optional("test", ArtifactKind::Table).measuring(),
            ],
            [
                OutputPort::new("fit", ArtifactKind::Table).from_inputs(&["fit"]),
                // Which rows are left is learned from `fit`.
                OutputPort::new("valid", ArtifactKind::Table)
                    .from_inputs(&["fit", "valid"])
                    .with_rows_of(&["valid"])
                    .maybe(),
                OutputPort::new("test", ArtifactKind::Table)
                    .from_inputs(&["fit", "test"])
                    .with_rows_of(&["test"])
                    .maybe(),
                OutputPort::new("dropped", ArtifactKind::Table),
                OutputPort::new("detector", ArtifactKind::Report).from_inputs(&["fit"]),
                OutputPort::new("report", ArtifactKind::Report),
            ],
        )
    }

    pub(super) fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let fit = context.table("fit")?;
        if fit.rows() == 0 {
            return Err(StepError::input("table_empty", "the fit table has no rows to learn from")
                .help("look at the split and the filters before this step"));
        }
        let columns = self.columns(&fit)?;
        let points = self.points(context, &fit, &columns)?;
        let detector = self.fit(context, &fit, &columns, &points)?;
        write::sets(context, self.name, &columns, &detector)
    }

    /// The columns to look at.
    fn columns(&self, fit: &TableReader) -> Result<Vec<String>, StepError> {
        let fields = fit.schema().fields();
        if let Some(columns) = &self.columns {
            let names: Vec<&str> = columns.iter().map(String::as_str).collect();
            drop(fit.select(&names)?);
            let no_number = columns
                .iter()
                .filter_map(|name| fit.schema().field_with_name(name).ok())
                .find(|field| !field.data_type().is_numeric());
            if let Some(field) = no_number {
                let message = format!("column `{}` is of type {} and no number", field.name(), field.data_type());
                return Err(StepError::input("not_a_number", message).help("leave it out of `columns`"));
            }
        }
        let has_roles = fields.iter().any(|field| Role::of(field) == Some(Role::Feature));
        let names: Vec<String> = fields
            .iter()
            .filter(|field| match &self.columns {
                Some(columns) => columns.contains(field.name()),
                None => {
                    let is_number = field.data_type().is_numeric() && !field.metadata().contains_key(CATEGORIES);
                    is_number && (!has_roles || Role::of(field) == Some(Role::Feature))
                }
            })
            .map(|field| field.name().clone())
            .collect();
        if names.is_empty() {
            return Err(StepError::input("no_numbers", "no column is a number").help("name some under `columns`"));
        }
        Ok(names)
    }

    /// The fit rows as points, for methods that hold them all at once.
    fn points(&self, context: &mut StepContext, fit: &TableReader, columns: &[String]) -> Result<Points, StepError> {
        let width = 8 * columns.len() as u64;
        let per_row = match self.method {
            // One column is held at a time.
            Method::Iqr { .. } | Method::Zscore { .. } => 8,
            Method::IsolationForest { .. } => width + 20,
            Method::LocalOutlierFactor { n_neighbors, .. } => 2 * width + 200 + 12 * fit.rows().min(n_neighbors as u64),
        };
        let bytes = fit.rows().saturating_mul(per_row).saturating_add(self.forest_bytes(fit.rows()));
        let what = format!("`{}` over {} rows of {} columns", self.name, fit.rows(), columns.len());
        let help = match self.method {
            Method::IsolationForest { .. } => "take fewer `n_estimators` or `max_samples`, or give it fewer rows",
            _ => "give it fewer rows, or name fewer `columns`",
        };
        room::claim(context, &what, bytes, help)?;
        match self.method {
            Method::Iqr { .. } | Method::Zscore { .. } => Ok(Points::new(0)),
            Method::IsolationForest { .. } | Method::LocalOutlierFactor { .. } => {
                balance::points(fit, columns, context)
            }
        }
    }

    /// What trees take over so many rows, with the report that holds them too.
    fn forest_bytes(&self, rows: u64) -> u64 {
        let Method::IsolationForest { n_estimators, max_samples, .. } = self.method else { return 0 };
        let seen = rows.min(max_samples.unwrap_or(MAX_SAMPLES) as u64);
        (n_estimators as u64).saturating_mul(seen.saturating_mul(2 * BYTES_PER_NODE))
    }

    fn fit<'points>(
        &self,
        context: &mut StepContext,
        fit: &TableReader,
        columns: &[String],
        points: &'points Points,
    ) -> Result<Detector<'points>, StepError> {
        let threads = context.surroundings().threads;
        let run_seed = context.seed();
        let mut go_on = |done: usize| {
            context.check_cancelled()?;
            context.progress(&Progress { done: done as u64, total: None, unit: "rows", note: "fit".to_owned() });
            Ok::<(), StepError>(())
        };
        let by_column = |go_on: &mut dyn FnMut(usize) -> Result<(), StepError>,
                         bounds: &dyn Fn(Vec<f64>) -> Option<Bounds>| {
            let mut found = Vec::new();
            for column in columns {
                let Some(bounds) = bounds(values(fit, column, go_on)?) else { continue };
                if !bounds.are_finite() {
                    let message = format!("the values of column `{column}` are too large to measure");
                    return Err(StepError::input("too_large", message).help("leave it out of `columns`, or rescale it"));
                }
                found.push((column.clone(), bounds));
            }
            Ok::<_, StepError>(Detector::Bounds(found))
        };
        match self.method {
            Method::Iqr { fold, tail } => by_column(&mut go_on, &|values| Bounds::by_quartiles(values, fold, tail)),
            Method::Zscore { threshold, tail } => {
                by_column(&mut go_on, &|values| Bounds::by_deviations(&values, threshold, tail))
            }
            Method::IsolationForest { n_estimators, max_samples, max_features, bootstrap, contamination, seed } => {
                let options = ForestOptions {
                    n_estimators,
                    max_samples: max_samples.unwrap_or(MAX_SAMPLES),
                    max_features,
                    bootstrap,
                    contamination,
                    seed: seed.unwrap_or(run_seed),
                };
                Ok(Detector::Forest(IsolationForest::grow(points, options, &mut go_on)?))
            }
            Method::LocalOutlierFactor { n_neighbors, contamination } => {
                if points.rows() < 2 {
                    return Err(StepError::input("too_few_rows", "the fit table has one row, and it has no neighbour")
                        .help("give it more rows, or take `outliers.iqr`"));
                }
                let factor = LocalOutlierFactor::fit(points, n_neighbors, contamination, threads, &mut go_on)?;
                Ok(Detector::Factor { factor, rows: points.rows(), n_neighbors })
            }
        }
    }
}

/// The values of a column that are there and finite.
fn values(
    table: &TableReader,
    column: &str,
    go_on: &mut dyn FnMut(usize) -> Result<(), StepError>,
) -> Result<Vec<f64>, StepError> {
    let mut values = Vec::with_capacity(usize::try_from(table.rows()).unwrap_or(0));
    for batch in table.select(&[column])? {
        go_on(values.len())?;
        let numbers = cast(batch?.column(0), &DataType::Float64)?;
        let numbers = numbers.as_primitive::<Float64Type>();
        let is_there = |row: &usize| !numbers.is_null(*row) && numbers.value(*row).is_finite();
        values.extend((0..numbers.len()).filter(is_there).map(|row| numbers.value(row)));
    }
    Ok(values)
}
