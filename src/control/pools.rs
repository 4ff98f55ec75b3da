//! The sizes of pools.

use chrono::{DateTime, Utc};

use super::{By, ControlError};
use crate::id::is_name;
use crate::store::Store;

/// The largest pool.
const MOST_SLOTS: u32 = 10_000;

/// Sets how many attempts may hold a pool at once; those that hold it already are left alone.
///
/// # Errors
/// The name or the number makes no sense.
pub async fn set_pool(store: &Store, pool: &str, slots: u32, by: &By, now: DateTime<Utc>) -> Result<(), ControlError> {
    if !is_name(pool) {
        let message = format!("`{pool}` is not the name of a pool");
        return Err(ControlError::invalid("bad_name", message)
            .help("use a lower-case letter, then lower-case letters, digits or `_`, at most 63"));
    }
    if slots > MOST_SLOTS {
        let message = format!("a pool has at most {MOST_SLOTS} slots, not {slots}");
        return Err(ControlError::invalid("bad_size", message));
    }
    Ok(store.set_pool(pool, slots, &by.who, now).await?)
}
