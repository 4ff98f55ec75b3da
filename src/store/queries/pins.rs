//! Artifacts that are never freed, as people list them.

use super::super::{Store, StoreError};
use super::page::{KeyKind, Listing, Order, Page, PageRequest, row};

row! {
    /// An artifact that is never freed.
    pub struct PinSummary {
        /// Its digest.
        pub digest: String,
        /// Why.
        pub reason: String,
        /// Who pinned it.
        pub pinned_by: String,
        /// When.
        pub pinned_at: String,
    }
}

const PINS: &str = "select p.digest, p.reason, p.pinned_by, p.pinned_at from pins p where true";

impl Store {
    /// The pins, by digest.
    pub async fn pins_page(&self, request: &PageRequest) -> Result<Page<PinSummary>, StoreError> {
        let mut session = self.read("list pins").await?;
        let order = Order { columns: &[("p.digest", KeyKind::Text)], is_descending: false };
        Listing { sql: PINS.to_owned(), values: vec![], order }.page(&mut session, request, PinSummary::read).await
    }

    /// The pin of an artifact; none if it is not pinned.
    pub async fn pin_summary(&self, digest: &str) -> Result<Option<PinSummary>, StoreError> {
        let mut session = self.read("read a pin").await?;
        let rows = session.fetch(format!("{PINS} and p.digest = $1"), vec![digest.into()]).await?;
        rows.first().map(PinSummary::read).transpose()
    }
}
