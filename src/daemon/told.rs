//! What was logged of something that is tried again and again, so that the log has it once and not at every turn.

/// The failure that was told last, until it is over.
#[derive(Debug, Default)]
pub(super) struct Told(Option<String>);

impl Told {
    /// Whether this failure is to be told: it is the first, or another than the last.
    pub(super) fn is_news(&mut self, failure: String) -> bool {
        let is_news = self.0.as_ref() != Some(&failure);
        self.0 = Some(failure);
        is_news
    }

    /// Whether it is to be told that it works again.
    pub(super) fn is_over(&mut self) -> bool {
        self.0.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_when_it_begins_when_it_changes_and_when_it_is_over() {
        let mut told = Told::default();
        assert!(!told.is_over());
        let news = ["full", "full", "broken", "broken", "full"].map(|failure| told.is_news(failure.to_owned()));
        assert_eq!(news, [true, false, true, false, true]);
        assert!(told.is_over() && !told.is_over());
        assert!(told.is_news("full".to_owned()));
    }
}
