//! Lists in pages: `?limit=&cursor=` in, `{"items": [...], "next": "..."}` out.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ApiError;

/// Items on a page unless the client says another number.
const DEFAULT_LIMIT: u32 = 50;
/// Items on a page at most.
pub const MOST_ITEMS: u32 = 500;
/// The longest cursor, in characters.
const LONGEST_CURSOR: usize = 512;

/// What a client says about the page that it wants.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// Items on a page, at most 500; 50 unless told.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[param(value_type = Option<String>)]
    pub cursor: Option<Cursor>,
}

impl PageQuery {
    /// How many items the page may have.
    ///
    /// # Errors
    /// When the client asks for none or too many.
    pub fn limit(&self) -> Result<u32, ApiError> {
        checked_limit(self.limit)
    }
}

/// The number of items that a client asks for, checked.
///
/// # Errors
/// When it asks for none or too many.
pub fn checked_limit(limit: Option<u32>) -> Result<u32, ApiError> {
    match limit {
        None => Ok(DEFAULT_LIMIT),
        Some(limit @ 1..=MOST_ITEMS) => Ok(limit),
        Some(other) => {
            let message = format!("`limit` must be from 1 to {MOST_ITEMS}, not {other}");
            Err(ApiError::bad_request("bad_limit", message))
        }
    }
}

/// Where a page begins: the sort key of the last item of the page before. Clients hand it back and never read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(Vec<String>);

impl Cursor {
    /// The place after the item with these sort keys.
    pub fn new(keys: impl IntoIterator<Item = impl Into<String>>) -> Cursor {
        Cursor(keys.into_iter().map(Into::into).collect())
    }

    /// The sort keys, however many there are.
    pub(super) fn all(&self) -> Vec<String> {
        self.0.clone()
    }

    /// The sort keys.
    ///
    /// # Errors
    /// When the cursor is of another list.
    pub fn keys<const N: usize>(&self) -> Result<[&str; N], ApiError> {
        let keys: Vec<&str> = self.0.iter().map(String::as_str).collect();
        keys.try_into().map_err(|_| ApiError::bad_request("bad_cursor", "the cursor is of another list"))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(&self.0).map_err(|_| fmt::Error)?;
        text.bytes().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Cursor, InvalidCursor> {
        if text.len() > LONGEST_CURSOR || !text.len().is_multiple_of(2) || !text.is_ascii() {
            return Err(InvalidCursor);
        }
        let bytes: Result<Vec<u8>, _> =
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16)).collect();
        serde_json::from_slice(&bytes.map_err(|_| InvalidCursor)?).map(Cursor).map_err(|_| InvalidCursor)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Cursor, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A cursor that no page gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one that a page gave as `next`")]
pub struct InvalidCursor;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the next page; null on the last one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page of `items`, which were asked for with one more than `limit`, to tell whether there is a next page.
    pub fn new(mut items: Vec<T>, limit: u32, cursor: impl FnOnce(&T) -> Cursor) -> Page<T> {
        let limit = limit as usize;
        let next = if items.len() > limit {
            items.truncate(limit);
            items.last().map(|last| cursor(last).to_string())
        } else {
            None
        };
        Page { items, next }
    }

    /// A list that is short enough to be one page.
    pub fn whole(items: Vec<T>) -> Page<T> {
        Page { items, next: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_as_given_and_nothing_else_does() {
        let cursor = Cursor::new(["2026-03-02T08:00:00Z", "run_é\"1"]);
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        assert_eq!(cursor.keys::<2>().unwrap()[1], "run_é\"1");
        assert!(cursor.keys::<1>().is_err());
        for bad in ["0", "zz", "éé", "00", &"ab".repeat(300)] {
            assert_eq!(bad.parse::<Cursor>(), Err(InvalidCursor), "{bad}");
        }
    }

    #[test]
    fn a_page_tells_whether_there_is_another() {
        let cursor = |number: &i32| Cursor::new([number.to_string()]);
        assert_eq!(Page::new(vec![1, 2], 2, cursor).next, None);
        let page = Page::new(vec![1, 2, 3], 2, cursor);
        assert_eq!((page.items, page.next.unwrap().parse::<Cursor>().unwrap()), (vec![1, 2], cursor(&2)));
    }
}
