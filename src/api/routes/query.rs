//! What lists take after `?`, and pages as they are answered.

use crate::api::page::{InvalidCursor, checked_limit};
use crate::api::{ApiError, Cursor, Page};
use crate::store::queries::{self, PageRequest};

/// Declares what a list takes after `?`: filters, and always `limit` and `cursor`.
macro_rules! list_query {
    ($(#[$about:meta])* $name:ident { $($(#[$field_about:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$about])*
        #[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
        #[into_params(parameter_in = Query)]
        #[serde(deny_unknown_fields)]
        pub(in crate::api) struct $name {
            $($(#[$field_about])* $field: $type,)*
            /// Items on a page, at most 500; 50 unless told.
            #[param(minimum = 1, maximum = 500)]
            limit: Option<u32>,
            /// The `next` of the page before.
            #[param(pattern = "^([0-9a-f]{2}){1,256}$")]
            cursor: Option<String>,
        }

        impl $name {
            fn page(&self) -> Result<$crate::store::queries::PageRequest, $crate::api::ApiError> {
                $crate::api::routes::query::request(self.limit, self.cursor.as_deref())
            }
        }
    };
}
pub(super) use list_query;

/// The part of a list that a client asks for.
pub(super) fn request(limit: Option<u32>, cursor: Option<&str>) -> Result<PageRequest, ApiError> {
    let limit = checked_limit(limit)?;
    let Some(cursor) = cursor else { return Ok(PageRequest { after: None, limit }) };
    let cursor: Cursor = cursor.parse().map_err(|error: InvalidCursor| {
        ApiError::invalid("bad_cursor", error.to_string()).help("leave it out for the first page".to_owned())
    })?;
    Ok(PageRequest { after: Some(cursor.all()), limit })
}

/// The page as it is answered.
pub(super) fn page<T>(page: queries::Page<T>) -> axum::Json<Page<T>> {
    axum::Json(Page { items: page.items, next: page.next.map(|keys| Cursor::new(keys).to_string()) })
}
