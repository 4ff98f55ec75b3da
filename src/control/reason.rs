//! Why somebody asks or decides: a text short enough to be kept and shown everywhere.

use super::ControlError;

/// The longest reason, in characters.
const LONGEST: usize = 2000;

/// Refuses a reason that is too long.
pub(super) fn check(reason: Option<&str>) -> Result<(), ControlError> {
    let length = reason.map_or(0, |reason| reason.chars().count());
    if length <= LONGEST {
        return Ok(());
    }
    let message = format!("a reason has at most {LONGEST} characters, not {length}");
    Err(ControlError::invalid("reason_too_long", message).help("say where the rest can be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_counted_in_characters() {
        assert!(check(None).is_ok());
        assert!(check(Some(&"ß".repeat(LONGEST))).is_ok());
        let refused = check(Some(&"ß".repeat(LONGEST + 1))).unwrap_err();
        assert_eq!(
            (refused.code, refused.message.as_str()),
            ("reason_too_long", "a reason has at most 2000 characters, not 2001")
        );
    }
}
