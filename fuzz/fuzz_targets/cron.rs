//! Any text as a cron line, in any zone, from any time: nothing panics, and each next time is a later one.
//!
//! The input is a cron line, a zone and seconds since 1970, one on each line: `0 3 * * MON`, `Europe/Zurich`, `1772438400`.

#![no_main]

use std::collections::BTreeSet;

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use phaseline::daemon::triggers::schedule::Times;
use phaseline::manifest::{CronLine, Missed, zone};

/// How many times in a row are looked at.
const TIMES: usize = 20;

fuzz_target!(|text: &str| {
    let mut parts = text.splitn(3, '\n');
    let (line, zone_name, seconds) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let Ok(line) = CronLine::parse(line) else { return };
    let Ok(zone) = zone(zone_name.unwrap_or("UTC")) else { return };
    let seconds = seconds.and_then(|seconds| seconds.trim().parse().ok()).unwrap_or_default();
    let Some(start) = DateTime::from_timestamp(seconds, 0) else { return };
    let times = Times::Cron(Box::new(line), zone);
    let mut seen = BTreeSet::new();
    let mut at = start;
    for _ in 0..TIMES {
        let Some(next) = times.next(at) else { break };
        assert!(next > at, "{next} does not come after {at}");
        assert!(seen.insert(next), "{next} comes twice");
        at = next;
    }
    // What is due up to a time is exactly what one step after another finds.
    let due = times.due(start, at, Missed::All(u32::try_from(TIMES).expect("a small number")));
    assert!(due.fires.iter().all(|time| seen.contains(time)), "{:?} is not among {seen:?}", due.fires);
    assert!(due.next.is_none_or(|next| next > at), "{:?} is not after {at}", due.next);
});
