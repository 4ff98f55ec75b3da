use proptest::prelude::*;

use super::*;

fn masker(values: &[&str]) -> Masker {
    let masker = Masker::default();
    for value in values {
        masker.add(value);
    }
    masker
}

/// The masked text when it comes in pieces that end at `cuts`.
fn in_pieces(masker: &Masker, text: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).chain([text.len()]).collect();
    ends.sort_unstable();
    let (mut stream, mut out, mut start) = (MaskedStream::default(), Vec::new(), 0);
    for end in ends {
        stream.push(masker, &text[start..end], &mut out);
        start = end;
    }
    stream.finish(masker, &mut out);
    out
}

#[test]
fn a_value_is_masked_in_every_form_that_programs_write_it_in() {
    let secret = r#"p@ss w0rd/"+'é<&"#;
    let written = [
        r#"p@ss w0rd/"+'é<&"#,
        "cEBzcyB3MHJkLyIrJ8OpPCY=",
        "cEBzcyB3MHJkLyIrJ8OpPCY",
        "cEBzcyB3MHJkLyIrJ8OpPCY%3D",
        "7040737320773072642f222b27c3a93c26",
        "7040737320773072642F222B27C3A93C26",
        "p%40ss%20w0rd%2F%22%2B%27%C3%A9%3C%26",
        "p%40ss%20w0rd%2f%22%2b%27%c3%a9%3c%26",
        "p%40ss+w0rd%2F%22%2B'%C3%A9%3C%26",
        "%70%40%73%73%20%77%30%72%64%2F%22%2B%27%C3%A9%3C%26",
        r#"p@ss w0rd/\"+'é<&"#,
        r#"p@ss w0rd\/\"+'\u00e9<&"#,
        r"p@ss w0rd/\u0022+\u0027\u00E9\u003c\u0026",
        r#"p@ss w0rd/"+\'é<&"#,
        r#"b'p@ss w0rd/"+\'\xc3\xa9<&'"#,
        r#"p@ss w0rd/"+'\''é<&"#,
        r"p@ss w0rd/&quot;+&#39;é&lt;&amp;",
        r"p@ss w0rd/&#34;+&#x27;&#233;&lt;&amp;",
        r#"p@ss w0rd/"+'\u{e9}<&"#,
    ];
    let masker = masker(&[secret]);
    for form in written {
        let masked = masker.mask(&format!("before {form} after"));
        assert!(masked.contains("***") && masked.len() < "before b'***=%3D'  after".len() + 2, "{form} gives {masked}");
    }
    // Within the base64 of `ada:…`, as a web server gets it.
    let header = "Authorization: Basic YWRhOnBAc3MgdzByZC8iKyfDqTwm";
    assert_eq!(masker.mask(header), "Authorization: Basic YWRhOn***");
}

#[test]
fn what_is_no_secret_stays_as_it_is() {
    let masker = masker(&["correct horse"]);
    for text in ["", "correct hors", "a correct battery, 100 % \\u00e9 &amp; %20", "Y29ycmVj"] {
        assert_eq!(masker.mask(text), text);
    }
    let binary: Vec<u8> = (0..=255).collect();
    assert_eq!(in_pieces(&masker, &binary, &[3, 100]), binary);
}

#[test]
fn the_longest_of_several_values_is_masked() {
    let masker = masker(&["abcd", "abcdef"]);
    assert_eq!(masker.mask("abcdef abcd abcde"), "*** *** ***e");
    assert_eq!(in_pieces(&masker, b"abcdef", &[4]), b"***");
}

#[test]
fn only_what_may_begin_a_secret_is_held_back() {
    let masker = masker(&["correct horse"]);
    let (mut stream, mut out) = (MaskedStream::default(), Vec::new());
    stream.push(&masker, b"about to crash: corr", &mut out);
    assert_eq!(out, b"about to crash: ");
    stream.finish(&masker, &mut out);
    assert_eq!(out, b"about to crash: corr");
}

#[test]
fn the_password_of_a_url_is_masked_with_and_without_its_escapes() {
    let masker = Masker::default();
    masker.conceal("https://ada:p%40ssword@db/ml?format=csv&sig=0123456789abcdefgh");
    let said = "password \"p@ssword\" of p%40ssword for format=csv&sig=0123456789abcdefgh";
    assert_eq!(masker.mask(said), "password \"***\" of *** for format=csv&sig=***");
}

proptest! {
    #[test]
    fn no_cut_lets_a_planted_value_through(
        parts in prop::collection::vec("[a-z %+\\\\&0-9]{0,12}", 1..6),
        secret in "[a-z0-9%/+ ]{4,12}",
        cuts in prop::collection::vec(any::<usize>(), 0..8),
    ) {
        let text = parts.join(&secret);
        let masker = masker(&[&secret]);
        let masked = in_pieces(&masker, text.as_bytes(), &cuts);
        prop_assert_eq!(&masked, &in_pieces(&masker, text.as_bytes(), &[]), "cuts make no difference");
        let masked = String::from_utf8(masked).unwrap();
        prop_assert!(!masked.contains(&secret), "{} in {}", secret, masked);
    }
}
