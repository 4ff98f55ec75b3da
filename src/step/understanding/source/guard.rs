//! Reading bytes that may be damaged.

use std::error::Error;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::step::StepError;

/// What is said of bytes over which a reader stumbled without words.
pub const NONSENSE: &str = "it makes no sense";

/// Runs code that reads the file `name` and may stumble over damaged bytes, even by a panic: `damaged` then says so, with the
/// error if there is one. What the system refuses is no damage.
///
/// # Errors
/// That of the system, or what `damaged` makes.
pub fn guarded<T, E: Error + 'static>(
    name: &str,
    read: impl FnOnce() -> Result<T, E>,
    damaged: impl FnOnce(Option<E>) -> StepError,
) -> Result<T, StepError> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) if is_of_system(&error) => {
            Err(StepError::environment("io", format!("`{name}` cannot be read: {error}")))
        }
        Ok(Err(error)) => Err(damaged(Some(error))),
        Err(_) => Err(damaged(None)),
    }
}

/// Whether an error comes from the system, which gives a number; what comes of unpacking has none.
fn is_of_system(error: &(dyn Error + 'static)) -> bool {
    let mut error = Some(error);
    while let Some(cause) = error {
        if cause.downcast_ref::<io::Error>().is_some_and(|error| error.raw_os_error().is_some()) {
            return true;
        }
        error = cause.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use parquet::errors::ParquetError;

    use super::*;

    #[test]
    fn what_the_system_refuses_is_no_damage() {
        const EIO: i32 = 5;
        let check = |error: io::Error| {
            let read = || Err::<(), _>(ParquetError::External(Box::new(error)));
            guarded("a.parquet", read, |_| StepError::input("damaged", "damaged")).unwrap_err()
        };
        let refused = check(io::Error::from_raw_os_error(EIO));
        assert_eq!((refused.code(), refused.to_string().contains("`a.parquet` cannot be read")), ("io", true));
        assert_eq!(check(io::Error::other("bad magic")).code(), "damaged");
        let panics = || -> Result<(), ParquetError> { panic!("a reader stumbles") };
        assert_eq!(
            guarded("a", panics, |error| StepError::input("x", format!("{}", error.is_none())))
                .unwrap_err()
                .to_string(),
            "true"
        );
    }
}
