//! `data.as_of`: what events of another table were known at each row's time.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::moments::{self, Day};
use super::super::{parts, room};
use super::by_key::{Reading, need_numbers, type_of};
use super::events::{Events, TOO_MANY, bytes};
use super::span::micros;
use super::tally::Function as Statistic;
use crate::artifact::ArtifactKind;
use crate::phase::Phase;
use crate::step::{InputPort, OutputPort, ParamErrors, Ports, Progress, StepContext, StepError, StepKind};
use crate::table::TableReader;

/// What is made of the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "AsOfFunction")]
pub enum Function {
    /// How many there are, of a column how many values; 0 without any.
    Count,
    /// The sum; 0 without any.
    Sum,
    /// The mean.
    Mean,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The standard deviation, divided by one less than the count.
    Std,
    /// The latest value that is there, of any type.
    Last,
    /// How many different values there are, of any type.
    Nunique,
}

impl Function {
    pub(super) fn statistic(self) -> Option<Statistic> {
        match self {
            Function::Count => Some(Statistic::Count),
            Function::Sum => Some(Statistic::Sum),
            Function::Mean => Some(Statistic::Mean),
            Function::Min => Some(Statistic::Min),
            Function::Max => Some(Statistic::Max),
            Function::Std => Some(Statistic::Std),
            Function::Last | Function::Nunique => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Function::Last => "last",
            Function::Nunique => "nunique",
            other => other.statistic().map_or("", Statistic::name),
        }
    }

    /// Whether it takes numbers only.
    fn needs_numbers(self) -> bool {
        matches!(self, Function::Sum | Function::Mean | Function::Min | Function::Max | Function::Std)
    }
}

/// Adds aggregates of the events that have the same key as a row and a time strictly before its own; an event at the
/// very same time is not known yet, and one of which only the day is known counts from the end of that day. Rows stay as
/// they are and where they are.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The column, or several, that a row and its events have in common. A row or an event without a value matches nothing.
    pub key: Names,
    /// The same in the events, if it is called otherwise there.
    #[serde(default)]
    pub events_key: Option<Names>,
    /// The column of the table that says as of when.
    pub time: String,
    /// The same in the events, if it is called otherwise there. An event on a day, without a time, is known when the day is over.
    #[serde(default)]
    pub events_time: Option<String>,
    /// How far back events count, such as `30d`: those from exactly that long before on. Without it all of them do.
    #[serde(default)]
    pub within: Option<String>,
    /// What is made of the events.
    #[schemars(length(min = 1))]
    pub aggregates: Vec<Aggregate>,
    /// What the names of new columns begin with, such as `orders_`.
    #[serde(default)]
    pub prefix: String,
}

/// One column or several.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "AsOfNames")]
pub enum Names {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Names {
    fn list(&self) -> Vec<String> {
        match self {
            Names::One(one) => vec![one.clone()],
            Names::Many(many) => many.clone(),
        }
    }
}

/// Aggregates of one column of the events.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AsOfAggregate")]
pub struct Aggregate {
    /// The column; without it the events are counted. Makes `COLUMN_FUNCTION`, or `events_count`.
    #[serde(default)]
    pub column: Option<String>,
    /// What is made of it.
    #[schemars(length(min = 1))]
    pub functions: Vec<Function>,
    /// Another reach than the step's; it stands at the end of the names.
    #[serde(default)]
    pub within: Option<String>,
}

/// A step that aggregates events as of the time of each row.
pub struct DataAsOf {
    params: Params,
    key: Vec<String>,
    events_key: Vec<String>,
    /// The reach of each aggregate, in microseconds.
    within: Vec<Option<f64>>,
}

impl StepKind for DataAsOf {
    const NAME: &'static str = "data.as_of";
    const VERSION: u32 = 3;
    const PHASE: Phase = Phase::DataEngineering;
    const SUMMARY: &'static str = "Adds aggregates of another table's events that were known at each row's time.";
    const EXAMPLE: &'static str = "\
uses: data.as_of
inputs: {table: customers, events: orders}
with:
  key: customer
  time: asked_at
  events_time: ordered_at
  within: 30d
  aggregates:
    - {functions: [count]}
    - {column: amount, functions: [sum, mean, last]}
    - {column: product, functions: [nunique], within: 90d}
  prefix: orders_
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        let key = params.key.list();
        let events_key = params.events_key.as_ref().map_or_else(|| key.clone(), Names::list);
        if key.is_empty() || key.len() != events_key.len() {
            let message = "`key` and `events_key` must name the same number of columns, at least one";
            return Err(ParamErrors::one(["key"], message));
        }
        if params.aggregates.is_empty() {
            return Err(ParamErrors::one(["aggregates"], "give at least one"));
        }
        let reach = |text: &Option<String>, path: &[&str]| {
            text.as_deref().map(micros).transpose().map_err(|message| ParamErrors::one(path.iter().copied(), message))
        };
        let general = reach(&params.within, &["within"])?;
        let mut within = Vec::new();
        for (place, aggregate) in params.aggregates.iter().enumerate() {
            let place = place.to_string();
            if aggregate.functions.is_empty() {
                return Err(ParamErrors::one(["aggregates", &place, "functions"], "give at least one"));
            }
            if aggregate.column.is_none() && aggregate.functions.iter().any(|function| *function != Function::Count) {
                let message = "without `column` events can only be counted";
                return Err(ParamErrors::one(["aggregates", &place, "functions"], message));
            }
            within.push(reach(&aggregate.within, &["aggregates", &place, "within"])?.or(general));
        }
        Ok(DataAsOf { params, key, events_key, within })
    }

    fn ports(&self) -> Ports {
        Ports::new(
            [InputPort::one("table", ArtifactKind::Table), InputPort::one("events", ArtifactKind::Table)],
            [OutputPort::new("table", ArtifactKind::Table).with_rows_of(&["table"])],
        )
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let (table, events) = (context.table("table")?, context.table("events")?);
        let schema = self.schema(&table, &events)?;
        self.check_keys(&table, &events)?;
        let bytes = bytes(&events, &self.params.aggregates).saturating_add(table.rows().saturating_mul(8));
        room::claim(context, "all events", bytes, TOO_MANY)?;
        let events_time = self.params.events_time.as_ref().unwrap_or(&self.params.time);
        let (times, is_time) = moments::of(&table, &self.params.time, Day::Begins, context)?;
        let (of_events, events_are_times) = moments::of(&events, events_time, Day::Ends, context)?;
        let has_rows = table.rows() > 0 && events.rows() > 0;
        if is_time != events_are_times && has_rows {
            let message = format!(
                "`{}` and `{events_time}` are not on one scale: one holds times, the other numbers",
                self.params.time
            );
            return Err(
                StepError::input("time_type", message).help("turn one into the other in a `data.sql` step before")
            );
        }
        if !is_time && self.within.iter().any(Option::is_some) {
            let message = format!("column `{}` holds numbers, and `within` needs times", self.params.time);
            return Err(StepError::input("time_type", message).help("leave `within` out, or take a column of dates"));
        }
        let readings = self.readings(&table, &events)?;
        let loaded = Events::load(&events, &self.events_key, readings, of_events, &self.params.aggregates, context)?;
        let mut output = context.create_table(&schema)?;
        let (mut first, mut matched) = (0, 0_u64);
        for batch in table.batches()? {
            context.check_cancelled()?;
            let batch = batch?;
            let times = &times[first..first + batch.num_rows()];
            let mut arrays = batch.columns().to_vec();
            let keys = loaded.keys(&self.keys_of(&batch)?)?;
            for (aggregate, within) in self.params.aggregates.iter().zip(&self.within) {
                let ranges = loaded.before(&keys, times, *within);
                arrays.extend(loaded.aggregates(aggregate.column.as_deref(), &aggregate.functions, &ranges)?);
            }
            let any = loaded.before(&keys, times, None);
            matched += any.iter().filter(|range| range.len() > 0).count() as u64;
            output.write(&RecordBatch::try_new(Arc::clone(&schema), arrays)?)?;
            first += batch.num_rows();
            let progress =
                Progress { done: first as u64, total: Some(table.rows()), unit: "rows", note: String::new() };
            context.progress(&progress);
        }
        context.finish_table("table", output)?;
        context.log(format!("{matched} of {} rows have events before their time", table.rows()));
        context.metric("rows_with_events", matched as f64);
        self.lineage(&table, events_time, context)
    }
}

impl DataAsOf {
    /// The names of the new columns, each with its aggregate and function.
    fn new_columns(&self) -> impl Iterator<Item = (String, &Aggregate, Function)> {
        self.params.aggregates.iter().flat_map(move |aggregate| {
            aggregate.functions.iter().map(move |function| {
                let of = aggregate.column.as_deref().unwrap_or("events");
                let end = aggregate.within.as_ref().map_or_else(String::new, |within| format!("_{within}"));
                (format!("{}{of}_{}{end}", self.params.prefix, function.name()), aggregate, *function)
            })
        })
    }

    fn schema(&self, table: &TableReader, events: &TableReader) -> Result<SchemaRef, StepError> {
        let mut fields = table.schema().fields().to_vec();
        let mut known: BTreeSet<String> = fields.iter().map(|field| field.name().clone()).collect();
        for (name, aggregate, function) in self.new_columns() {
            if !known.insert(name.clone()) {
                return Err(StepError::input("duplicate_column", format!("there would be a second column `{name}`"))
                    .help("give the new ones a `prefix`"));
            }
            let data_type = match (&aggregate.column, function) {
                (Some(column), Function::Last | Function::Nunique) => {
                    type_of(events, column)?;
                    if function == Function::Nunique {
                        DataType::Int64
                    } else {
                        events.schema().field_with_name(column)?.data_type().clone()
                    }
                }
                (Some(column), function) if function.needs_numbers() => {
                    need_numbers(events, column, &format!("`{}`", function.name()))?;
                    DataType::Float64
                }
                (Some(column), _) => {
                    type_of(events, column)?;
                    DataType::Int64
                }
                (None, _) => DataType::Int64,
            };
            fields.push(Arc::new(Field::new(name, data_type, true)));
        }
        Ok(Arc::new(Schema::new_with_metadata(fields, table.schema().metadata().clone())))
    }

    /// Keys are compared by value, so they must be of one type.
    fn check_keys(&self, table: &TableReader, events: &TableReader) -> Result<(), StepError> {
        for (key, events_key) in self.key.iter().zip(&self.events_key) {
            let (here, there) = (type_of(table, key)?, type_of(events, events_key)?);
            if here != there && here != DataType::Null && there != DataType::Null {
                let message =
                    format!("key `{key}` is {here} in the table, and `{events_key}` is {there} in the events");
                return Err(
                    StepError::input("column_type", message).help("give both the same `types` where they are ingested")
                );
            }
        }
        Ok(())
    }

    /// How the values of each key are compared.
    fn readings(&self, table: &TableReader, events: &TableReader) -> Result<Vec<Reading>, StepError> {
        let keys = self.key.iter().zip(&self.events_key);
        keys.map(|(key, events_key)| {
            let (here, there) = (parts::known(table, key)?, parts::known(events, events_key)?);
            Ok(Reading::of_both(here.data_type(), there.data_type()))
        })
        .collect()
    }

    fn keys_of(&self, batch: &RecordBatch) -> Result<RecordBatch, StepError> {
        let places: Vec<usize> =
            self.key.iter().map(|key| batch.schema_ref().index_of(key)).collect::<Result<_, _>>()?;
        Ok(batch.project(&places)?)
    }

    /// An aggregate comes from its column, or from the keys of the events that it counts; keys and times decide which.
    fn lineage(&self, table: &TableReader, events_time: &str, context: &mut StepContext) -> Result<(), StepError> {
        parts::identity(context, "table", "table", table)?;
        for (name, aggregate, _) in self.new_columns() {
            if let Some(column) = &aggregate.column {
                context.column_from("table", &name, "events", column, "aggregate")?;
            }
            for key in &self.key {
                context.column_from("table", &name, "table", key, "condition")?;
            }
            context.column_from("table", &name, "table", &self.params.time, "condition")?;
            let is_other = |column: &&str| aggregate.column.as_deref() != Some(*column);
            let conditions = self.events_key.iter().map(String::as_str).chain([events_time]);
            for condition in conditions.filter(is_other) {
                let transform = if aggregate.column.is_none() { "aggregate" } else { "condition" };
                context.column_from("table", &name, "events", condition, transform)?;
            }
        }
        Ok(())
    }
}
