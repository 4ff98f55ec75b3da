//! An iterator that is worked through on a thread of its own, a few items ahead of whoever takes them.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};

use arrow::error::ArrowError;

/// Items that are made before somebody takes them.
const ITEMS_AHEAD: usize = 2;

/// Items of a thread. If it panics, the last one is an error and not a silent end.
pub(super) struct Ahead<Item> {
    items: Receiver<Result<Item, ArrowError>>,
    thread: Option<JoinHandle<()>>,
}

impl<Item: Send + 'static> Ahead<Item> {
    /// Starts on `items`. Dropping what is given back ends the thread at its next item.
    pub(super) fn of(items: impl Iterator<Item = Result<Item, ArrowError>> + Send + 'static) -> Ahead<Item> {
        let (sender, receiver) = sync_channel(ITEMS_AHEAD);
        let thread = thread::spawn(move || {
            for item in items {
                if sender.send(item).is_err() {
                    return;
                }
            }
        });
        Ahead { items: receiver, thread: Some(thread) }
    }
}

impl<Item> Iterator for Ahead<Item> {
    type Item = Result<Item, ArrowError>;

    fn next(&mut self) -> Option<Result<Item, ArrowError>> {
        if let Ok(item) = self.items.recv() {
            return Some(item);
        }
        let ended = self.thread.take()?.join();
        ended.is_err().then(|| Err(ArrowError::ComputeError("the thread that reads ahead panicked".to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ahead(count: u32, panics_at: u32) -> Vec<Result<u32, String>> {
        let items = (0..count).map(move |item| {
            assert!(item != panics_at, "broken");
            Ok::<u32, ArrowError>(item)
        });
        Ahead::of(items).map(|item| item.map_err(|error| error.to_string())).collect()
    }

    #[test]
    fn all_items_come_in_order() {
        assert_eq!(ahead(50, 50), (0..50).map(Ok).collect::<Vec<_>>());
        assert_eq!(ahead(0, 1), []);
    }

    #[test]
    fn a_panic_is_an_error_and_no_early_end() {
        let items = ahead(10, 7);
        assert_eq!(items.len(), 8);
        assert!(items[7].as_ref().is_err_and(|error| error.contains("panicked")));
    }
}
