//! The header `Link`: `<https://x/items?page=2>; rel="next", <https://x/items?page=9>; rel="last"`.

/// The address with the relation `next`.
pub(super) fn next(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some((_, behind)) = rest.split_once('<') {
        let (address, behind) = behind.split_once('>')?;
        let end = end_of_params(behind);
        if is_next(&behind[..end]) {
            return Some(address.trim());
        }
        rest = &behind[end..];
    }
    None
}

/// Where the params of a link end: at a comma outside of quotes.
fn end_of_params(text: &str) -> usize {
    let mut is_quoted = false;
    let is_end = |char: char| {
        is_quoted ^= char == '"';
        char == ',' && !is_quoted
    };
    text.find(is_end).unwrap_or(text.len())
}

fn is_next(params: &str) -> bool {
    params.split(';').any(|param| {
        let Some((name, value)) = param.split_once('=') else { return false };
        let words = value.trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case("rel")
            && words.split_whitespace().any(|word| word.eq_ignore_ascii_case("next"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_the_links() {
        assert_eq!(next("<https://x/?page=1>; rel=\"prev\", </?page=3>; title=\"a, b\"; rel=next"), Some("/?page=3"));
        assert_eq!(next("<a,b>; rel=\"first next\""), Some("a,b"));
        assert_eq!(next("<https://x>; rel=\"nextish\""), None);
        for broken in ["", "<", "<>", "next", "<x>; rel", ">;rel=next<"] {
            assert_eq!(next(broken), None, "{broken}");
        }
    }
}
