//! Dates and times in a text of a given form, with the letters of `strptime`.

use chrono::format::{Item, Parsed, StrftimeItems, parse};

/// A form of dates or times.
#[derive(Debug, Clone)]
pub(super) struct Format {
    items: Vec<Item<'static>>,
}

impl Format {
    /// The form that `text` writes down, or what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Format, String> {
        // Python's fraction of a second has no dot of its own, and its offset may have a colon.
        let text = text.replace(".%f", "%.f").replace("%z", "%#z");
        let items: Vec<Item<'static>> = StrftimeItems::new(&text).map(Item::to_owned).collect();
        if items.iter().any(|item| matches!(item, Item::Error)) {
            return Err(format!("`{text}` holds a letter after `%` that stands for nothing"));
        }
        Ok(Format { items })
    }

    /// Whether `text` is of the form, and is a date or time that there is.
    pub(super) fn fits(&self, text: &str) -> bool {
        let mut parsed = Parsed::new();
        parse(&mut parsed, text, self.items.iter()).is_ok() && exists(&parsed)
    }
}

/// Whether the parts go together: there is no 30th of February, also where no year is given.
fn exists(parsed: &Parsed) -> bool {
    let has_year = parsed.year().is_some() || parsed.year_mod_100().is_some();
    if has_year && parsed.day().is_some() && parsed.month().is_some() {
        return parsed.to_naive_date().is_ok();
    }
    if let (Some(month), Some(day)) = (parsed.month(), parsed.day()) {
        // As Python does, which fills in the year 1900: no leap day without a year.
        return chrono::NaiveDate::from_ymd_opt(1900, month, day).is_some();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_fits_what_python_reads_with_it() {
        let fits = |form: &str, text: &str| Format::parse(form).unwrap().fits(text);
        assert!(fits("%Y-%m-%d", "2024-01-15") && !fits("%Y-%m-%d", "01/15/2024") && !fits("%Y-%m-%d", "2023-02-29"));
        assert!(fits("%d.%m.%Y %H:%M", "28.02.2026 09:30") && !fits("%d.%m.%Y %H:%M", "28.02.2026"));
        assert!(fits("%Y-%m-%dT%H:%M:%S.%f", "2026-02-28T10:30:00.125"));
        assert!(fits("%Y-%m-%dT%H:%M:%S%z", "2026-02-28T10:30:00+0200"));
        assert!(fits("%H:%M", "23:59") && !fits("%H:%M", "24:00"));
        assert!(!fits("%d.%m.", "30.02.") && fits("%d.%m.", "28.02."));
        assert!(!fits("%Y", "2026 "), "nothing may be left over");
        assert!(Format::parse("%Q").is_err());
    }
}
