//! When each row of a table was: its time, its group, and the order of time within each group.

use super::super::{moments, parts, room};
use super::by_key::{ByKey, Missing, Reading};
use super::lags::{DataLags, Ties};
use super::series::Look;
use super::span::Reach;
use crate::step::{StepContext, StepError};
use crate::table::TableReader;

/// What a row takes: its time, its group, and its place in the order or the next row of its group.
pub(super) const BYTES_PER_ROW: u64 = 16;

/// The rows of a table in time.
pub(super) struct Timeline {
    pub(super) times: Vec<f64>,
    pub(super) groups: Vec<u32>,
    /// How many groups there are.
    pub(super) count: usize,
    /// The rows by group and time, where the table does not have those of each group in the order of time.
    pub(super) order: Option<Vec<u32>>,
}

impl Timeline {
    /// Reads times and groups. Rows of one group at the same time are refused if the step says so.
    pub(super) fn read(step: &DataLags, table: &TableReader, context: &StepContext) -> Result<Timeline, StepError> {
        let (times, is_time) = moments::of(table, &step.params.time, moments::Day::Begins, context)?;
        let is_of_time =
            |look: Look| matches!(look, Look::Lag(Reach::Time(_)) | Look::Window { size: Reach::Time(_), .. });
        if !is_time && step.made.iter().any(|made| is_of_time(made.look)) {
            let message = format!("column `{}` holds numbers, and lengths such as `7d` need times", step.params.time);
            return Err(StepError::input("time_type", message).help("give numbers of rows, or a column of dates"));
        }
        let (groups, count) = groups(step, table, times.len(), context)?;
        let mut timeline = Timeline { times, groups, count, order: None };
        timeline.sort(step)?;
        Ok(timeline)
    }

    /// Finds the order of time if the table does not have it, and rows at the same time.
    fn sort(&mut self, step: &DataLags) -> Result<(), StepError> {
        let Timeline { times, groups, .. } = self;
        let mut last: Vec<Option<usize>> = vec![None; self.count];
        let (mut is_sorted, mut tie) = (true, None);
        for (row, group) in groups.iter().enumerate() {
            if let Some(before) = last[*group as usize].replace(row) {
                is_sorted &= times[before] <= times[row];
                if times[before].total_cmp(&times[row]).is_eq() {
                    tie = tie.or(Some((before, row)));
                }
            }
        }
        let refuses = step.params.ties == Ties::Refuse;
        let is_refused = refuses && tie.is_some();
        if !is_sorted && !is_refused {
            let order = by_time(times, groups);
            tie = order.windows(2).find_map(|pair| {
                let [one, other] = [pair[0], pair[1]].map(|row| row as usize);
                let is_tie = groups[one] == groups[other] && times[one].total_cmp(&times[other]).is_eq();
                is_tie.then_some((one, other))
            });
            self.order = Some(order);
        }
        let Some((one, other)) = tie.filter(|_| refuses) else { return Ok(()) };
        let of = if step.params.group_by.is_empty() { "" } else { " of the same group" };
        let (one, other, time) = (one + 1, other + 1, &step.params.time);
        let message = format!("rows {one} and {other}{of} have the same `{time}`, so which one is before is not known");
        let help =
            "name the columns under `group_by` that tell them apart, aggregate them before, or say `ties: in_order`";
        Err(StepError::input("equal_times", message).help(help))
    }

    /// How many values of one column `look` remembers at once: for all groups, or for one after the other where the
    /// rows are sorted.
    pub(super) fn kept(&self, look: Look) -> usize {
        let rows = self.times.len();
        let length = match look {
            Look::Lag(Reach::Rows(kept)) => return self.kept_rows(kept).min(rows),
            Look::Window { size: Reach::Rows(size), periods } => {
                return self.kept_rows(size.saturating_add(periods)).min(rows);
            }
            Look::Expanding { periods } => return self.kept_rows(periods).min(rows),
            Look::Lag(Reach::Time(length)) | Look::Window { size: Reach::Time(length), .. } => length,
        };
        match &self.order {
            Some(order) => {
                let groups = order.chunk_by(|one, other| self.groups[*one as usize] == self.groups[*other as usize]);
                groups.map(|rows| self.most_of(rows, length)).max().unwrap_or(0)
            }
            None => self.most_of_all(length),
        }
    }

    fn kept_rows(&self, of_group: usize) -> usize {
        if self.order.is_some() { of_group } else { of_group.saturating_mul(self.count) }
    }

    /// The most rows of one group, which are in the order of time, that lie within `length`.
    fn most_of(&self, rows: &[u32], length: f64) -> usize {
        let time = |place: usize| self.times[rows[place] as usize];
        let mut oldest = 0;
        let held = (0..rows.len()).map(|place| {
            while time(oldest) < time(place) - length {
                oldest += 1;
            }
            place + 1 - oldest
        });
        held.max().unwrap_or(0)
    }

    /// The most rows of each group that lie within `length`, all groups together, where the table has them in order.
    fn most_of_all(&self, length: f64) -> usize {
        let mut next = vec![0; self.times.len()];
        let mut spans: Vec<Option<Span>> = vec![None; self.count];
        for (row, group) in (0_u32..).zip(&self.groups) {
            let Some(span) = &mut spans[*group as usize] else {
                spans[*group as usize] = Some(Span { oldest: row, latest: row, held: 1, most: 1 });
                continue;
            };
            next[span.latest as usize] = row;
            span.latest = row;
            span.held += 1;
            while self.times[span.oldest as usize] < self.times[row as usize] - length {
                span.oldest = next[span.oldest as usize];
                span.held -= 1;
            }
            span.most = span.most.max(span.held);
        }
        spans.iter().flatten().map(|span| span.most).sum()
    }
}

/// The rows of one group that lie within a length of time.
#[derive(Debug, Clone, Copy)]
struct Span {
    oldest: u32,
    latest: u32,
    held: usize,
    /// The most that ever were.
    most: usize,
}

/// The group of each row, and how many there are.
fn groups(
    step: &DataLags,
    table: &TableReader,
    rows: usize,
    context: &StepContext,
) -> Result<(Vec<u32>, usize), StepError> {
    if step.params.group_by.is_empty() {
        return Ok((vec![0; rows], 1));
    }
    let names: Vec<&str> = step.params.group_by.iter().map(String::as_str).collect();
    let readings = names
        .iter()
        .map(|name| Ok(Reading::of(parts::known(table, name)?.data_type())))
        .collect::<Result<_, StepError>>()?;
    let mut groups = ByKey::new(readings);
    let mut of_row = Vec::with_capacity(rows);
    for batch in table.select(&names)? {
        context.check_cancelled()?;
        of_row.extend(groups.learn(&batch?, Missing::Value)?.into_iter().flatten());
        let bytes = groups.bytes().saturating_add(rows as u64 * BYTES_PER_ROW);
        let what = format!("telling {} groups apart", groups.len());
        room::check(context, &what, bytes, "group by a column with fewer values")?;
    }
    Ok((of_row, groups.len()))
}

/// The rows by group and time; rows at the same time as in the table.
fn by_time(times: &[f64], groups: &[u32]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..u32::try_from(times.len()).unwrap_or(u32::MAX)).collect();
    order.sort_by(|one, other| {
        let [one, other] = [*one as usize, *other as usize];
        groups[one].cmp(&groups[other]).then(times[one].total_cmp(&times[other]))
    });
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(rows: &[(f64, u32)], is_sorted: bool) -> Timeline {
        let (times, groups): (Vec<f64>, Vec<u32>) = rows.iter().copied().unzip();
        let order = (!is_sorted).then(|| by_time(&times, &groups));
        Timeline { times, groups, count: 2, order }
    }

    #[test]
    fn what_is_remembered_is_never_more_than_there_are_rows() {
        let rows = [(1.0, 0), (1.0, 1), (2.0, 0), (3.0, 0), (9.0, 0), (20.0, 1)];
        let (streamed, sorted) = (timeline(&rows, true), timeline(&rows, false));
        let kept = |look| (streamed.kept(look), sorted.kept(look));
        let window = |size, periods| Look::Window { size, periods };
        assert_eq!(kept(Look::Lag(Reach::Rows(1))), (2, 1));
        assert_eq!(kept(window(Reach::Rows(2), 1)), (6, 3));
        assert_eq!(kept(window(Reach::Rows(usize::MAX), usize::MAX)), (6, 6));
        assert_eq!(kept(Look::Expanding { periods: 2 }), (4, 2));
        // Of the first group three rows are within two units, of the second one never two.
        assert_eq!(kept(Look::Lag(Reach::Time(2.0))), (4, 3));
        assert_eq!(kept(window(Reach::Time(2.0), 1)), (4, 3));
        assert_eq!(kept(Look::Lag(Reach::Time(100.0))), (6, 4));
    }
}
