//! Lists in pages that stay right while rows are added: each page begins after the key of the last row before it.

use std::fmt::Write;

use serde_json::Value as Json;

use super::super::StoreError;
use super::super::connection::{Row, Session, Value};

/// Which part of a list is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// The key of the last row that was seen, as [`Page::next`] gave it; none for the first page.
    pub after: Option<Vec<String>>,
    /// How many rows at most.
    pub limit: u32,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// What to ask for next; none at the end.
    pub next: Option<Vec<String>>,
}

/// Which way a key column is ordered and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    Text,
    Int,
}

/// The order of a list: key columns that together are unique, all ascending or all descending.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order {
    pub(super) columns: &'static [(&'static str, KeyKind)],
    pub(super) is_descending: bool,
}

/// A query that gives one list. `sql` ends in a `where` clause; `values` are its placeholders from `$1`.
pub(super) struct Listing {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
    pub(super) order: Order,
}

impl Listing {
    /// Fetches one page; each row is read by `read`.
    pub(super) async fn page<T>(
        mut self,
        session: &mut Session<'_>,
        request: &PageRequest,
        read: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let columns: Vec<&str> = self.order.columns.iter().map(|(name, _)| *name).collect();
        if let Some(after) = &request.after {
            let first = self.values.len() + 1;
            let places: Vec<String> = (first..first + columns.len()).map(|number| format!("${number}")).collect();
            let sign = if self.order.is_descending { '<' } else { '>' };
            write!(self.sql, " and ({}) {sign} ({})", columns.join(", "), places.join(", "))
                .expect("a string takes everything");
            self.values.extend(self.order.key(after)?);
        }
        let direction = if self.order.is_descending { " desc" } else { "" };
        let by: Vec<String> = columns.iter().map(|column| format!("{column}{direction}")).collect();
        self.values.push((i64::from(request.limit) + 1).into());
        write!(self.sql, " order by {} limit ${}", by.join(", "), self.values.len())
            .expect("a string takes everything");
        let mut rows = session.fetch(self.sql, self.values).await?;
        let is_more = rows.len() > request.limit as usize;
        rows.truncate(request.limit as usize);
        let next = match rows.last() {
            Some(last) if is_more => Some(self.order.key_of(last)?),
            _ => None,
        };
        Ok(Page { items: rows.iter().map(read).collect::<Result<_, _>>()?, next })
    }
}

impl Order {
    fn key(self, after: &[String]) -> Result<Vec<Value>, StoreError> {
        let refused = || StoreError::Refused {
            message: "the cursor does not belong to this list".to_owned(),
            help: Some("pass on what `next` said, with the same filters, or leave it out".to_owned()),
        };
        if after.len() != self.columns.len() {
            return Err(refused());
        }
        let values = self.columns.iter().zip(after).map(|((_, kind), text)| match kind {
            KeyKind::Text => Ok(text.as_str().into()),
            KeyKind::Int => text.parse::<i64>().map(Value::from).map_err(|_| refused()),
        });
        values.collect()
    }

    fn key_of(self, row: &Row) -> Result<Vec<String>, StoreError> {
        let columns = self.columns.iter().map(|(name, kind)| {
            let name = name.rsplit('.').next().unwrap_or(name);
            Ok(match kind {
                KeyKind::Text => row.get::<String>(name)?,
                KeyKind::Int => row.get::<i64>(name)?.to_string(),
            })
        });
        columns.collect()
    }
}

/// What can be read from one column of a row.
pub(super) trait Column: Sized {
    fn read(row: &Row, name: &str) -> Result<Self, StoreError>;
}

macro_rules! plain_columns {
    ($($type:ty),*) => {$(
        impl Column for $type {
            fn read(row: &Row, name: &str) -> Result<Self, StoreError> {
                Ok(row.get(name)?)
            }
        }
    )*};
}

plain_columns!(String, Option<String>, i64, Option<i64>, Option<f64>, bool);

impl Column for Json {
    fn read(row: &Row, name: &str) -> Result<Json, StoreError> {
        let text: Option<String> = row.get(name)?;
        text.map_or(Ok(Json::Null), |text| super::json("JSON", &text))
    }
}

/// A list of names, stored with commas between them.
impl Column for Vec<String> {
    fn read(row: &Row, name: &str) -> Result<Vec<String>, StoreError> {
        let text: String = row.get(name)?;
        Ok(text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }
}

/// Declares a struct whose fields are columns of those names.
macro_rules! row {
    ($(#[$about:meta])* pub struct $name:ident { $($(#[$field_about:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        pub struct $name { $($(#[$field_about])* pub $field: $type,)* }

        impl $name {
            pub(in crate::store::queries) fn read(row: &$crate::store::connection::Row) -> Result<$name, $crate::store::StoreError> {
                Ok($name {
                    $($field: $crate::store::queries::page::Column::read(row, stringify!($field))?,)*
                })
            }
        }
    };
}
pub(super) use row;
