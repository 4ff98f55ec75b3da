//! The name that was probably meant.

/// The known name closest to `name`, if it is close enough to be a slip.
pub fn nearest<'known>(name: &str, known: impl IntoIterator<Item = &'known str>) -> Option<&'known str> {
    let limit = (name.chars().count() / 2).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(candidate, name), candidate))
        .min()
        .filter(|(distance, _)| *distance <= limit)
        .map(|(_, candidate)| candidate)
}

/// A help line: the name that was probably meant, or else all names that there are.
pub fn suggest<'known>(name: &str, known: impl IntoIterator<Item = &'known str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(name, known.iter().copied()) {
        Some(nearest) => Some(format!("did you mean `{nearest}`?")),
        None if known.is_empty() => None,
        None => {
            let shown: Vec<String> = known.iter().take(12).map(|name| format!("`{name}`")).collect();
            let more = if known.len() > 12 { ", …" } else { "" };
            Some(format!("there is: {}{more}", shown.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_a_stranger_the_list() {
        let known = ["inputs", "uses", "with"];
        assert_eq!(nearest("input", known), Some("inputs"));
        assert_eq!(nearest("usse", known), Some("uses"));
        assert_eq!(nearest("a", known), None);
        assert_eq!(suggest("banana", known).unwrap(), "there is: `inputs`, `uses`, `with`");
    }
}
