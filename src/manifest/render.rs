//! Mistakes as text: the source line, a caret under the place, and the remedy.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::rejected::{Colour, Mistake};
use super::source::{Source, Span};

/// All mistakes of one source, with an empty line between them.
pub(super) fn report(source: &Source, mistakes: &[Mistake], colour: Colour) -> String {
    let renderer = match colour {
        Colour::Never => Renderer::plain(),
        Colour::Always => Renderer::styled(),
    }
    .decor_style(DecorStyle::Ascii);
    let reports: Vec<String> = mistakes.iter().map(|mistake| one(&renderer, source, mistake)).collect();
    reports.join("\n\n")
}

fn one(renderer: &Renderer, source: &Source, mistake: &Mistake) -> String {
    let title = Level::ERROR.primary_title(mistake.message.as_str()).id(mistake.code);
    let group = if source.text.is_empty() {
        title.element(annotate_snippets::Origin::path(source.name.as_str()))
    } else {
        // Only the line itself is given away: rendering looks at every line that it gets.
        let line = line_around(&source.text, mistake.span.start);
        let (number, _) = source.position(line.start);
        let within = clip(&mistake.span, &line);
        title.element(
            Snippet::source(&source.text[line])
                .line_start(number)
                .path(source.name.as_str())
                .annotation(AnnotationKind::Primary.span(within)),
        )
    };
    let group = match &mistake.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    };
    renderer.render(&[group])
}

/// The line that holds `offset`, without its line break.
fn line_around(text: &str, offset: usize) -> Span {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let start = text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[offset..].find('\n').map_or(text.len(), |newline| offset + newline);
    start..end.max(start)
}

/// The part of `span` on `line`, counted from the start of the line; at least the place itself.
fn clip(span: &Span, line: &Span) -> Span {
    let start = span.start.clamp(line.start, line.end);
    let end = span.end.clamp(start, line.end);
    start - line.start..end - line.start
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Rejected;

    fn check(text: &str, span: Span) -> String {
        let source = Source::new("a.yaml", text);
        Rejected::one(&source, Mistake::new("unknown_key", span, "unknown key `b`").help("did you mean `a`?"))
            .render(Colour::Never)
    }

    #[test]
    fn a_mistake_shows_its_line_with_a_caret_and_the_remedy() {
        insta::assert_snapshot!(check("x: 1\nb: 2\n", 5..6), @r"
        error[unknown_key]: unknown key `b`
         --> a.yaml:2:1
          |
        2 | b: 2
          | ^
          |
          = help: did you mean `a`?
        ");
    }

    #[test]
    fn a_place_over_several_lines_is_cut_at_the_first() {
        insta::assert_snapshot!(check("x: 1\nb:\n  c: 2\n", 5..14), @r"
        error[unknown_key]: unknown key `b`
         --> a.yaml:2:1
          |
        2 | b:
          | ^^
          |
          = help: did you mean `a`?
        ");
    }

    #[test]
    fn the_end_of_a_text_and_wide_characters_can_be_shown() {
        insta::assert_snapshot!(check("ключ: 日本", 100..120), @r"
        error[unknown_key]: unknown key `b`
         --> a.yaml:1:9
          |
        1 | ключ: 日本
          |           ^
          |
          = help: did you mean `a`?
        ");
        insta::assert_snapshot!(check("", 0..0), @r"
        error[unknown_key]: unknown key `b`
        --> a.yaml
         = help: did you mean `a`?
        ");
    }
}
