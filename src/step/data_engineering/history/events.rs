//! The events of another table by key and time, and what is known of those before a moment.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Schema};
use arrow::record_batch::RecordBatch;

use super::super::room;
use super::super::rows::Rows;
use super::as_of::{Aggregate, Function};
use super::by_key::{ByKey, Missing, Reading, is_number, numbers};
use super::tally::{Function as Statistic, Tally};
use crate::step::{StepContext, StepError};
use crate::table::keys::{Keys, presence};
use crate::table::{TableReader, canonical, canonical_type, exact, need_digits};

/// What an event takes: its key and time, by row and in order, and where each is.
const BYTES_PER_EVENT: u64 = 32;
/// What a different value takes while they are numbered, in a table that grows beside its older half.
const BYTES_PER_CODE: usize = 2 * (size_of::<(u128, u32)>() + 1);

/// How to need less memory.
pub(super) const TOO_MANY: &str = "leave out events that are too old to count in a `data.sql` step before";

/// Events, sorted by key and time.
pub(super) struct Events {
    keys: ByKey,
    /// Where the events of each key begin; one more than there are keys.
    starts: Vec<usize>,
    times: Vec<f64>,
    /// The row of each event in its table.
    rows: Vec<u32>,
    columns: HashMap<String, Values>,
}

/// Events of one key, by their places.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Range {
    /// Where the events of the key begin.
    start: usize,
    first: usize,
    end: usize,
}

impl Range {
    /// How many they are.
    pub(super) fn len(self) -> usize {
        self.end - self.first
    }
}

/// One column of the events, in their order: as much of it as the functions need.
#[derive(Default)]
struct Values {
    numbers: Vec<f64>,
    /// Equal values have equal numbers; none for a missing one.
    codes: Vec<Option<u32>>,
    /// For each event, the statistics of its key up to and with it.
    tallies: Vec<Tally>,
    /// The values themselves, by their rows in the table, and which events have one.
    latest: Option<(Rows, Vec<bool>)>,
}

/// What is made of one column.
#[derive(Debug, Clone, Copy, Default)]
struct Needs {
    statistics: bool,
    codes: bool,
    latest: bool,
}

impl Needs {
    /// What all aggregates of `column` ask for.
    fn of(column: &str, aggregates: &[Aggregate]) -> Needs {
        let of_column = aggregates.iter().filter(|aggregate| aggregate.column.as_deref() == Some(column));
        let functions: Vec<Function> = of_column.flat_map(|aggregate| aggregate.functions.iter().copied()).collect();
        Needs {
            statistics: functions.iter().any(|function| function.statistic().is_some()),
            codes: functions.contains(&Function::Nunique),
            latest: functions.contains(&Function::Last),
        }
    }
}

/// The columns that aggregates are about.
fn columns(aggregates: &[Aggregate]) -> BTreeSet<&str> {
    aggregates.iter().filter_map(|aggregate| aggregate.column.as_deref()).collect()
}

/// What all events take in memory, at most.
pub(super) fn bytes(table: &TableReader, aggregates: &[Aggregate]) -> u64 {
    let of_column = |column: &str| {
        let needs = Needs::of(column, aggregates);
        let statistics = if needs.statistics { size_of::<f64>() + size_of::<Tally>() } else { 0 };
        let codes = if needs.codes { size_of::<Option<u32>>() } else { 0 };
        let values = if needs.latest { table.rows().saturating_add(table.column_bytes(column)) } else { 0 };
        table.rows().saturating_mul((statistics + codes) as u64).saturating_add(values)
    };
    let columns = columns(aggregates).into_iter().map(of_column).fold(0, u64::saturating_add);
    table.rows().saturating_mul(BYTES_PER_EVENT).saturating_add(columns)
}

impl Events {
    /// Reads the events; `times` are those of all rows.
    pub(super) fn load(
        table: &TableReader,
        key: &[String],
        readings: Vec<Reading>,
        times: Vec<f64>,
        aggregates: &[Aggregate],
        context: &StepContext,
    ) -> Result<Events, StepError> {
        let mut keys = ByKey::new(readings);
        let mut of_row = Vec::with_capacity(times.len());
        let names: Vec<&str> = key.iter().map(String::as_str).collect();
        for batch in table.select(&names)? {
            context.check_cancelled()?;
            of_row.extend(keys.learn(&batch?, Missing::Unequal)?);
            let what = format!("telling {} keys of events apart", keys.len());
            let bytes = keys.bytes().saturating_add(times.len() as u64 * BYTES_PER_EVENT);
            room::check(context, &what, bytes, TOO_MANY)?;
        }
        let rows = of_row.iter().zip(0_u32..).filter_map(|(key, row)| key.map(|key| (key, row)));
        let mut order: Vec<(u32, u32)> = rows.collect();
        drop(of_row);
        order.sort_by(|one, other| {
            one.0.cmp(&other.0).then_with(|| times[one.1 as usize].total_cmp(&times[other.1 as usize]))
        });
        let mut starts = vec![0; keys.len() + 1];
        for (key, _) in &order {
            starts[*key as usize + 1] += 1;
        }
        for key in 0..keys.len() {
            starts[key + 1] += starts[key];
        }
        let rows: Vec<u32> = order.iter().map(|(_, row)| *row).collect();
        drop(order);
        let mut places = vec![None; times.len()];
        for (row, place) in rows.iter().zip(0_u32..) {
            places[*row as usize] = Some(place);
        }
        let times = rows.iter().map(|row| times[*row as usize]).collect();
        let mut events = Events { keys, starts, times, rows, columns: HashMap::new() };
        for column in columns(aggregates) {
            let values = events.values(table, column, Needs::of(column, aggregates), &places, context)?;
            events.columns.insert(column.to_owned(), values);
        }
        Ok(events)
    }

    /// Reads what is needed of a column, where `places` says which event each row is.
    fn values(
        &self,
        table: &TableReader,
        column: &str,
        needs: Needs,
        places: &[Option<u32>],
        context: &StepContext,
    ) -> Result<Values, StepError> {
        let events = self.rows.len();
        let mut values = Values::default();
        if needs.statistics {
            values.numbers = vec![f64::NAN; events];
        }
        if needs.codes {
            values.codes = vec![None; events];
        }
        let schema = Schema::new(vec![table.schema().field_with_name(column)?.clone()]);
        let mut latest = (Rows::new(schema.into()), vec![false; if needs.latest { events } else { 0 }]);
        let mut known: HashMap<u128, u32> = HashMap::new();
        let mut first = 0;
        for batch in table.select(&[column])? {
            context.check_cancelled()?;
            let batch = batch?;
            let places = places[first..first + batch.num_rows()].iter().enumerate();
            let places = places.filter_map(|(row, place)| Some((row, (*place)? as usize)));
            first += batch.num_rows();
            let array = batch.column(0);
            let Some(told_apart) = told_apart(array) else { continue };
            let is_there = presence(&told_apart);
            if needs.statistics {
                let is_number = is_number(&canonical_type(array.data_type()).unwrap_or(DataType::Utf8));
                let numbers = if is_number { numbers(array) } else { Vec::new() };
                for (row, place) in places.clone() {
                    let present = || if is_there(row) { 1.0 } else { f64::NAN };
                    values.numbers[place] = numbers.get(row).copied().unwrap_or_else(present);
                }
            }
            if needs.codes {
                let keys = Keys::of(&told_apart);
                for (row, place) in places.clone().filter(|(row, _)| is_there(*row)) {
                    let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
                    values.codes[place] = Some(*known.entry(keys.at(row)).or_insert(next));
                }
                let what = format!("telling {} values of column `{column}` apart", known.len());
                room::check(context, &what, (known.capacity() * BYTES_PER_CODE) as u64, TOO_MANY)?;
            }
            if needs.latest {
                places.for_each(|(row, place)| latest.1[place] = is_there(row));
                latest.0.push(batch);
            }
        }
        if needs.statistics {
            values.tallies.reserve_exact(events);
            for pair in self.starts.windows(2) {
                let mut tally = Tally::EMPTY;
                for value in &values.numbers[pair[0]..pair[1]] {
                    tally = tally.with(&Tally::of(*value));
                    values.tallies.push(tally);
                }
            }
        }
        values.latest = needs.latest.then_some(latest);
        Ok(values)
    }

    /// The numbers of the keys of rows, of which `keys` holds the columns; none where no event has the key.
    pub(super) fn keys(&self, keys: &RecordBatch) -> Result<Vec<Option<u32>>, StepError> {
        self.keys.find(keys)
    }

    /// For each row, the range of events of its key with a time in `[time - within, time)`.
    pub(super) fn before(&self, keys: &[Option<u32>], times: &[f64], within: Option<f64>) -> Vec<Range> {
        let range = |(key, time): (Option<u32>, &f64)| {
            let Some(key) = key.map(|key| key as usize) else { return Range::default() };
            let (start, end) = (self.starts[key], self.starts[key + 1]);
            let of_key = &self.times[start..end];
            let end = start + of_key.partition_point(|then| then < time);
            let first = within.map_or(start, |within| start + of_key.partition_point(|then| *then < time - within));
            Range { start, first, end: end.max(first) }
        };
        keys.iter().copied().zip(times).map(range).collect()
    }

    /// What each of `functions` makes of the events in each range.
    pub(super) fn aggregates(
        &self,
        column: Option<&str>,
        functions: &[Function],
        ranges: &[Range],
    ) -> Result<Vec<ArrayRef>, StepError> {
        let values = column.and_then(|column| self.columns.get(column));
        let needs_tallies = functions.iter().any(|function| function.statistic().is_some());
        let tallies: Vec<Tally> = match values {
            Some(values) if needs_tallies => ranges.iter().map(|range| values.tally(*range)).collect(),
            _ => Vec::new(),
        };
        functions.iter().map(|function| self.aggregate(values, *function, ranges, &tallies)).collect()
    }

    /// What `function` makes of the events in each range, whose `tallies` are known if it needs them.
    fn aggregate(
        &self,
        values: Option<&Values>,
        function: Function,
        ranges: &[Range],
        tallies: &[Tally],
    ) -> Result<ArrayRef, StepError> {
        let Some(values) = values else {
            let counts = ranges.iter().map(|range| i64::try_from(range.len()).unwrap_or(i64::MAX));
            return Ok(Arc::new(counts.collect::<Int64Array>()));
        };
        if let Some(statistic) = function.statistic() {
            let results = tallies.iter().map(|tally| tally.get(statistic));
            return Ok(if statistic == Statistic::Count {
                Arc::new(results.map(whole).collect::<Int64Array>())
            } else {
                let present = results.map(|value| Some(value).filter(|value| !value.is_nan()));
                Arc::new(present.collect::<Float64Array>())
            });
        }
        if let Some((rows, is_there)) = values.latest.as_ref().filter(|_| function == Function::Last) {
            let last = |range: &Range| (range.first..range.end).rev().find(|place| is_there[*place]);
            return rows.take(0, ranges.iter().map(|range| last(range).map(|place| self.rows[place] as usize)));
        }
        let distinct = ranges.iter().map(|range| {
            let mut codes: Vec<u32> = values.codes[range.first..range.end].iter().flatten().copied().collect();
            codes.sort_unstable();
            codes.dedup();
            i64::try_from(codes.len()).unwrap_or(i64::MAX)
        });
        Ok(Arc::new(distinct.collect::<Int64Array>()))
    }
}

impl Values {
    /// The statistics of a range of one key: known beforehand if it begins with the first event of the key.
    fn tally(&self, range: Range) -> Tally {
        let Range { start, first, end } = range;
        if end <= first {
            return Tally::EMPTY;
        }
        if first == start {
            return self.tallies[end - 1];
        }
        let values = &self.numbers[first..end];
        values.iter().fold(Tally::EMPTY, |tally, value| tally.with(&Tally::of(*value)))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a count of rows")]
fn whole(count: f64) -> i64 {
    count as i64
}

/// A column as its values are told apart, infinities being none.
fn told_apart(array: &ArrayRef) -> Option<ArrayRef> {
    if need_digits(array.data_type(), array.data_type()) { exact(array) } else { canonical(array) }
}
