//! The first pass: everything is measured, each thread reading the columns of the checks that were dealt to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::check::Check;
use crate::step::{Progress, StepContext, StepError};
use crate::table::{TableError, TableReader};

/// A check and its place among all.
type Placed = (usize, Check);

/// Feeds all rows to the checks. They are dealt out to threads so that checks of one column share one; each thread reads only
/// what its checks name, so that every column is read once, or as often as it stands beside others.
pub(super) fn run(context: &mut StepContext, table: &TableReader, checks: Vec<Check>) -> Result<Vec<Check>, StepError> {
    let threads = context.surroundings().threads.max(1);
    let (mut hands, known) = deal(checks, threads);
    let stopped = AtomicBool::new(false);
    let measured: Result<Vec<()>, TableError> = thread::scope(|scope| {
        let (first, others) = hands.split_first_mut().expect("there is at least one hand");
        let others: Vec<_> = others
            .iter_mut()
            .map(|hand| {
                let stopped = &stopped;
                scope.spawn(move || feed(table, hand, |_| !stopped.load(Ordering::Relaxed)))
            })
            .collect();
        let fed = feed(table, first, |done| {
            context.progress(&Progress { done, total: Some(table.rows()), unit: "rows", note: String::new() });
            let goes_on = context.check_cancelled().is_ok();
            stopped.store(!goes_on, Ordering::Relaxed);
            goes_on
        });
        if fed.is_err() {
            stopped.store(true, Ordering::Relaxed);
        }
        let joined = others.into_iter().map(|hand| hand.join().expect("a check does not panic"));
        std::iter::once(fed).chain(joined).collect()
    });
    measured?;
    context.check_cancelled()?;
    let mut numbered: Vec<Placed> = hands.into_iter().flatten().chain(known).collect();
    numbered.sort_unstable_by_key(|(place, _)| *place);
    let mut checks: Vec<Check> = numbered.into_iter().map(|(_, check)| check).collect();
    checks.iter_mut().for_each(Check::finish);
    Ok(checks)
}

/// The checks of each thread, where those that read the same columns stay together, and those that are known without rows. The first thread has as many
/// as any, since it is the one that tells how far the work is and looks whether the run was cancelled.
fn deal(checks: Vec<Check>, threads: usize) -> (Vec<Vec<Placed>>, Vec<Placed>) {
    let (reading, known) = checks.into_iter().enumerate().partition::<Vec<Placed>, _>(|(_, check)| check.reads_rows());
    let mut groups: BTreeMap<Vec<String>, Vec<Placed>> = BTreeMap::new();
    for (place, check) in reading {
        let mut columns = check.columns();
        columns.sort_unstable();
        columns.truncate(1);
        groups.entry(columns).or_default().push((place, check));
    }
    let mut hands: Vec<Vec<Placed>> = (0..threads).map(|_| Vec::new()).collect();
    let mut groups: Vec<_> = groups.into_values().collect();
    // The longest group first, each to whoever has least.
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    for group in groups {
        let hand = hands.iter_mut().min_by_key(|hand| hand.len()).expect("there is at least one hand");
        hand.extend(group);
    }
    (hands, known)
}

/// Feeds the rows to some checks, for as long as `go_on` says so of the number of rows done.
fn feed(table: &TableReader, checks: &mut [Placed], mut go_on: impl FnMut(u64) -> bool) -> Result<(), TableError> {
    if checks.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = checks.iter().flat_map(|(_, check)| check.columns()).collect();
    let names: Vec<&str> = table.columns().filter(|column| named.iter().any(|name| name == column)).collect();
    let mut done = 0;
    let plain: BTreeSet<String> =
        checks.iter().filter(|(_, check)| !check.is_by_text()).flat_map(|(_, check)| check.columns()).collect();
    for batch in table.select_encoded(&names, &|name| !plain.contains(name))? {
        let batch = batch?;
        for (_, check) in checks.iter_mut() {
            check.batch(&batch, done);
        }
        done += batch.num_rows() as u64;
        if !go_on(done) {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, Schema};
    use serde_json::json;

    use super::super::expectation::Expectation;
    use super::super::setting::Setting;
    use super::*;

    #[test]
    fn checks_that_need_no_rows_are_no_thread_s_work() {
        let names: Vec<String> = (0..8).map(|place| format!("c{place}")).collect();
        let fields = names.iter().map(|name| Field::new(name, DataType::Int64, true));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        let setting = Setting {
            schema: &schema,
            rows: 10,
            reference: None,
            history: None,
            answers: None,
            now: 0,
            limit: 10,
            memory_bytes: None,
        };
        let check = |expectation: serde_json::Value| {
            let expectation: Expectation = serde_json::from_value(expectation).unwrap();
            setting.check("one".to_owned(), &expectation)
        };
        let types = names.iter().map(|name| check(json!({"column": name, "check": "dtype", "type": "int64"})));
        let rows = names.iter().map(|name| check(json!({"column": name, "check": "not_null"})));
        let (hands, known) = deal(types.chain(rows).collect(), 2);
        assert_eq!(known.iter().map(|(place, _)| *place).collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
        assert_eq!(hands.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4]);
        assert!(hands.iter().flatten().all(|(_, check)| check.reads_rows()));
    }
}
