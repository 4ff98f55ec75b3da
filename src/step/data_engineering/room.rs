//! What must be held whole says how much memory it needs before it begins.

use crate::step::{StepContext, StepError};
use crate::units::size;

/// Logs that `what` needs `bytes`, and refuses if the step may not use as many. `help` says how to need less.
pub(in crate::step) fn claim(context: &mut StepContext, what: &str, bytes: u64, help: &str) -> Result<(), StepError> {
    context.log(format!("{what}: {} of memory", size(bytes)));
    check(context, what, bytes, help)
}

/// Refuses if the step may not use `bytes`: for what grows with the data and whose size shows only as it is read.
pub(in crate::step) fn check(context: &StepContext, what: &str, bytes: u64, help: &str) -> Result<(), StepError> {
    check_within(context.surroundings().memory_bytes, what, bytes, help)
}

/// The same for a step that may use `limit`, if there is one.
pub(in crate::step) fn check_within(limit: Option<u64>, what: &str, bytes: u64, help: &str) -> Result<(), StepError> {
    match limit {
        Some(limit) if bytes > limit => {
            let message = format!("{what} needs {} of memory, and `resources.memory` is {}", size(bytes), size(limit));
            Err(StepError::input("memory_too_small", message)
                .help(format!("give the step more, such as `resources: {{memory: {}}}`, or {help}", roomy(bytes))))
        }
        _ => Ok(()),
    }
}

/// A size with room for what a step holds besides.
fn roomy(bytes: u64) -> String {
    let mebibytes = (bytes / (1 << 20) + 1) * 5 / 4 + 256;
    format!("{mebibytes}MiB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::testing::Workbench;

    #[test]
    fn what_does_not_fit_is_refused_before_it_begins() {
        let mut bench = Workbench::new();
        bench.memory_bytes = Some(1 << 20);
        let (mut context, log) = bench.context(&[]);
        claim(&mut context, "a small table", 1 << 10, "use fewer rows").unwrap();
        let error = claim(&mut context, "a large table", 3 << 30, "use fewer rows").unwrap_err();
        insta::assert_snapshot!(error, @"a large table needs 3.0 GiB of memory, and `resources.memory` is 1.0 MiB");
        insta::assert_snapshot!(error.remedy().unwrap(), @"give the step more, such as `resources: {memory: 4097MiB}`, or use fewer rows");
        assert_eq!(log.lock().unwrap()[0], "a small table: 1.0 KiB of memory");
    }
}
