//! The events of another table by key and time, and what is known of those before a moment.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, UInt32Array};
use arrow::compute::{concat, take};
use arrow::record_batch::RecordBatch;

use super::as_of::{Aggregate, Function};
use super::by_key::{ByKey, Missing, Reading, is_number, numbers};
use super::tally::{Function as Statistic, Tally};
use crate::step::{StepContext, StepError};
use crate::table::TableReader;
use crate::table::canonical;
use crate::table::keys::Keys;

/// What an event takes: its number, time and place in the order.
pub(super) const BYTES_PER_EVENT: u64 = 32;
/// What a value takes beside itself: its statistics with those before it.
pub(super) const BYTES_PER_VALUE: u64 = 80;

/// Events, sorted by key and time.
pub(super) struct Events {
    keys: ByKey,
    /// Where the events of each key begin; one more than there are keys.
    starts: Vec<usize>,
    times: Vec<f64>,
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

/// One column of the events, in their order.
struct Values {
    array: ArrayRef,
    numbers: Vec<f64>,
    /// Equal values have equal numbers; none for a missing one.
    codes: Vec<Option<u32>>,
    /// For each event, the statistics of its key up to and with it, where they are asked for.
    tallies: Vec<Tally>,
}

impl Events {
    /// Reads the events; `times` are those of all rows.
    pub(super) fn load(
        table: &TableReader,
        key: &[String],
        readings: Vec<Reading>,
        times: &[f64],
        aggregates: &[Aggregate],
        context: &StepContext,
    ) -> Result<Events, StepError> {
        let mut keys = ByKey::new(readings);
        let mut of_row = Vec::with_capacity(times.len());
        let names: Vec<&str> = key.iter().map(String::as_str).collect();
        for batch in table.select(&names)? {
            context.check_cancelled()?;
            of_row.extend(keys.learn(&batch?, Missing::Unequal)?);
        }
        let rows = of_row.iter().zip(0_u32..).filter_map(|(key, row)| key.map(|key| (key, row)));
        let mut order: Vec<(u32, u32)> = rows.collect();
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
        let rows: UInt32Array = order.iter().map(|(_, row)| *row).collect();
        let times = order.iter().map(|(_, row)| times[*row as usize]).collect();
        let mut events = Events { keys, starts, times, columns: HashMap::new() };
        for aggregate in aggregates {
            let Some(column) = &aggregate.column else { continue };
            if !events.columns.contains_key(column) {
                let values = values_in_order(table, column, &rows, context)?;
                events.columns.insert(column.clone(), values);
            }
            events.prepare(column, aggregate);
        }
        Ok(events)
    }

    /// Makes what the functions of `aggregate` need.
    fn prepare(&mut self, column: &str, aggregate: &Aggregate) {
        let Some(values) = self.columns.get_mut(column) else { return };
        let Some(canonical) = canonical(&values.array) else { return };
        let missing = canonical.logical_nulls();
        let is_there = |row: usize| missing.as_ref().is_none_or(|missing| missing.is_valid(row));
        let needs_codes =
            aggregate.functions.iter().any(|function| matches!(function, Function::Nunique | Function::Last));
        if needs_codes && values.codes.is_empty() {
            let keys = Keys::of(&canonical);
            let mut known: HashMap<u128, u32> = HashMap::new();
            let code = |row: usize| {
                let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
                is_there(row).then(|| *known.entry(keys.at(row)).or_insert(next))
            };
            values.codes = (0..canonical.len()).map(code).collect();
        }
        if aggregate.functions.iter().any(|function| function.statistic().is_some()) && values.tallies.is_empty() {
            values.numbers = if is_number(canonical.data_type()) {
                numbers(&canonical)
            } else {
                (0..canonical.len()).map(|row| if is_there(row) { 1.0 } else { f64::NAN }).collect()
            };
            let mut tallies = Vec::with_capacity(values.numbers.len());
            for pair in self.starts.windows(2) {
                let mut tally = Tally::EMPTY;
                for value in &values.numbers[pair[0]..pair[1]] {
                    tally = tally.with(&Tally::of(*value));
                    tallies.push(tally);
                }
            }
            values.tallies = tallies;
        }
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
        functions.iter().map(|function| aggregate(values, *function, ranges, &tallies)).collect()
    }
}

/// What `function` makes of the events in each range, whose `tallies` are known if it needs them.
fn aggregate(
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
    if function == Function::Nunique {
        let distinct = ranges.iter().map(|range| {
            let mut codes: Vec<u32> = values.codes[range.first..range.end].iter().flatten().copied().collect();
            codes.sort_unstable();
            codes.dedup();
            i64::try_from(codes.len()).unwrap_or(i64::MAX)
        });
        return Ok(Arc::new(distinct.collect::<Int64Array>()));
    }
    let last = |range: &Range| {
        let place = (range.first..range.end).rev().find(|place| values.codes[*place].is_some())?;
        u32::try_from(place).ok()
    };
    let places: UInt32Array = ranges.iter().map(last).collect();
    Ok(take(&values.array, &places, None)?)
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

/// A column with its rows in this order.
fn values_in_order(
    table: &TableReader,
    column: &str,
    rows: &UInt32Array,
    context: &StepContext,
) -> Result<Values, StepError> {
    let mut parts = Vec::new();
    for batch in table.select(&[column])? {
        context.check_cancelled()?;
        parts.push(ArrayRef::clone(batch?.column(0)));
    }
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    let array = match parts.as_slice() {
        [] => arrow::array::new_empty_array(table.schema().field_with_name(column)?.data_type()),
        parts => take(&concat(parts)?, rows, None)?,
    };
    Ok(Values { array, numbers: Vec::new(), codes: Vec::new(), tallies: Vec::new() })
}
