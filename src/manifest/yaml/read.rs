//! YAML text to a tree with places, within limits that hostile files run into.
//!
//! The events of `granit-parser`, the parser under `serde-saphyr`, carry byte ranges and leave duplicate keys, aliases
//! and scalars to us: that is what a report of all mistakes at once needs, and what decoding by serde cannot give.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_saphyr::granit_parser::{ErrorKind, Event, Marker, Options, Parser, ScalarStyle, Span as ParserSpan, Tag};

use crate::manifest::node::{Entry, Node, Yaml};
use crate::manifest::rejected::Mistake;
use crate::manifest::scalar::{self, Scalar};
use crate::manifest::source::{Span, Spanned};

/// How deep values may be nested, aliases included.
const MAX_DEPTH: usize = 48;
/// How many values a document may have, aliases included.
const MAX_NODES: usize = 200_000;

/// The tree of the one document in `text`, and the mistakes that leave a tree; none if the text is not YAML.
pub(in crate::manifest) fn read(text: &str) -> (Option<Node>, Vec<Mistake>) {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let mut reader = Reader {
        parser: Parser::new_from_str_with_options(text, options),
        text,
        anchors: BTreeMap::new(),
        open_anchors: BTreeSet::new(),
        nodes: 0,
        mistakes: Vec::new(),
    };
    let root = match reader.document() {
        Ok(root) => root,
        Err(Fatal(mistake)) => {
            reader.mistakes.push(mistake);
            None
        }
    };
    (root, reader.mistakes)
}

/// A mistake after which nothing more can be read.
struct Fatal(Mistake);

/// A value that an alias may repeat.
struct Anchored {
    node: Node,
    size: usize,
    depth: usize,
}

fn too_deep(place: Span) -> Fatal {
    Fatal(Mistake::new("too_deep", place, format!("values are nested more than {MAX_DEPTH} deep")))
}

struct Reader<'text> {
    parser: Parser<'text, serde_saphyr::granit_parser::StrInput<'text>>,
    text: &'text str,
    anchors: BTreeMap<usize, Anchored>,
    open_anchors: BTreeSet<usize>,
    nodes: usize,
    mistakes: Vec<Mistake>,
}

impl<'text> Reader<'text> {
    fn document(&mut self) -> Result<Option<Node>, Fatal> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentEnd | Event::Comment(..) => {}
                Event::DocumentStart(..) if root.is_some() => {
                    let mistake = Mistake::new("many_documents", self.place(&span), "a second document begins here")
                        .help("write one pipeline per file");
                    self.mistakes.push(mistake);
                    return Ok(root);
                }
                Event::DocumentStart(..) => {
                    let (event, span) = self.next()?;
                    root = Some(self.node(event, &span, 1)?.0);
                }
                _ => return Ok(root),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'text>, ParserSpan), Fatal> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let at = byte(error.marker(), self.text);
                if *error.kind() == ErrorKind::RecursionLimitExceeded {
                    return Err(too_deep(at..at));
                }
                let message = error.info();
                let message = if message.is_empty() {
                    "this is not YAML".to_owned()
                } else {
                    format!("this is not YAML: {message}")
                };
                let help = error.info().contains("tab").then(|| "indent with spaces, not with tabs".to_owned());
                Err(Fatal(Mistake::new("syntax", at..at, message).maybe_help(help)))
            }
            None => Ok((Event::StreamEnd, ParserSpan::default())),
        }
    }

    /// The node that begins with `event`, its size in nodes and its depth.
    fn node(&mut self, event: Event<'text>, span: &ParserSpan, level: usize) -> Result<(Node, usize, usize), Fatal> {
        let place = self.place(span);
        self.count(1, level, &place)?;
        let (value, anchor, size, depth) = match event {
            Event::Alias(id) => return self.alias(id, place, level),
            Event::Scalar(text, style, anchor, tag) => (self.scalar(text, style, tag.as_deref(), &place), anchor, 1, 1),
            Event::SequenceStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), "seq", &place);
                self.open_anchors.insert(anchor);
                let (items, size, depth) = self.list(level)?;
                (Yaml::List(items), anchor, size, depth)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), "map", &place);
                self.open_anchors.insert(anchor);
                let (entries, size, depth) = self.map(level)?;
                (Yaml::Map(entries), anchor, size, depth)
            }
            _ => (Yaml::Null, 0, 1, 1),
        };
        let end = match &value {
            Yaml::List(items) => items.last().map_or(place.end, |item| item.span.end),
            Yaml::Map(entries) => entries.last().map_or(place.end, |entry| entry.value.span.end),
            _ => place.end,
        };
        let node = Node::new(value, place.start..end.max(place.end));
        if anchor != 0 {
            self.open_anchors.remove(&anchor);
            self.anchors.insert(anchor, Anchored { node: node.clone(), size, depth });
        }
        Ok((node, size, depth))
    }

    fn alias(&mut self, id: usize, place: Span, level: usize) -> Result<(Node, usize, usize), Fatal> {
        if self.open_anchors.contains(&id) {
            return Err(Fatal(Mistake::new("recursive_alias", place, "this alias stands inside of what it repeats")));
        }
        let Some(anchored) = self.anchors.get(&id) else {
            return Err(Fatal(Mistake::new("syntax", place, "this alias has no anchor before it")));
        };
        let (size, depth) = (anchored.size, anchored.depth);
        // Counted before it is copied, so that a billion laughs cost nothing.
        self.count(size, level + depth - 1, &place)?;
        Ok((self.anchors[&id].node.clone(), size, depth))
    }

    fn count(&mut self, more: usize, level: usize, place: &Span) -> Result<(), Fatal> {
        self.nodes += more;
        if self.nodes > MAX_NODES {
            let message = format!("the document has more than {MAX_NODES} values once its aliases are expanded");
            return Err(Fatal(Mistake::new("too_many_values", place.clone(), message)));
        }
        if level > MAX_DEPTH {
            return Err(too_deep(place.clone()));
        }
        Ok(())
    }

    fn list(&mut self, level: usize) -> Result<(Vec<Node>, usize, usize), Fatal> {
        let (mut items, mut size, mut depth) = (Vec::new(), 1, 1);
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd | Event::StreamEnd) {
                return Ok((items, size, depth));
            }
            let (item, item_size, item_depth) = self.node(event, &span, level + 1)?;
            size += item_size;
            depth = depth.max(item_depth + 1);
            items.push(item);
        }
    }

    fn map(&mut self, level: usize) -> Result<(Vec<Entry>, usize, usize), Fatal> {
        let (mut entries, mut size, mut depth) = (Vec::<Entry>::new(), 1, 1);
        let mut seen = BTreeMap::<String, usize>::new();
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                break;
            }
            let key = self.key(event, &span, level)?;
            let (event, span) = self.next()?;
            let (value, value_size, value_depth) = self.node(event, &span, level + 1)?;
            size += value_size + 1;
            depth = depth.max(value_depth + 1);
            let Some(key) = key else { continue };
            if key.value == "<<" {
                merged.push((key, value));
            } else if let Some(offset) = seen.insert(key.value.clone(), key.span.start) {
                let line = self.text[..offset].matches('\n').count() + 1;
                let message = format!("key `{}` is already given on line {line}", key.value);
                self.mistakes.push(Mistake::new("duplicate_key", key.span, message).help("keep one of them"));
            } else {
                entries.push(Entry { key, value });
            }
        }
        for (key, value) in merged {
            self.merge(&mut entries, &key, value);
        }
        Ok((entries, size, depth))
    }

    /// Adds what `<<: *base` brings and the map does not say itself.
    fn merge(&mut self, entries: &mut Vec<Entry>, key: &Spanned<String>, value: Node) {
        let bases = match value.value {
            Yaml::List(items) => items,
            _ => vec![value],
        };
        for base in bases {
            let Yaml::Map(more) = base.value else {
                let mistake = Mistake::new("wrong_type", key.span.clone(), "`<<` takes a map, or a list of maps");
                self.mistakes.push(mistake);
                continue;
            };
            for entry in more {
                if !entries.iter().any(|known| known.key.value == entry.key.value) {
                    entries.push(entry);
                }
            }
        }
    }

    fn key(&mut self, event: Event<'text>, span: &ParserSpan, level: usize) -> Result<Option<Spanned<String>>, Fatal> {
        if let Event::Scalar(text, _, 0, _) = event {
            let place = self.place(span);
            self.count(1, level, &place)?;
            return Ok(Some(Spanned::new(text.into_owned(), place)));
        }
        let (node, ..) = self.node(event, span, level + 1)?;
        if let Yaml::Text(text) = node.value {
            return Ok(Some(Spanned::new(text, node.span)));
        }
        let mistake = Mistake::new("wrong_type", node.span, "a key must be text")
            .help("a value that begins with `{`, `[` or `*` needs quotes");
        self.mistakes.push(mistake);
        Ok(None)
    }

    fn scalar(&mut self, text: Cow<'text, str>, style: ScalarStyle, tag: Option<&Tag>, place: &Span) -> Yaml {
        let resolved = match tag.map(|tag| (tag.core_suffix(), tag)) {
            Some((Some("str"), _)) => Scalar::Text,
            None if style != ScalarStyle::Plain => Scalar::Text,
            None | Some((Some("null" | "bool" | "int" | "float"), _)) => scalar::resolve(&text),
            Some((_, tag)) if tag.original() == "!" => Scalar::Text,
            Some((_, tag)) => {
                self.refuse_tag(tag, place);
                Scalar::Text
            }
        };
        match resolved {
            Scalar::Null => Yaml::Null,
            Scalar::Bool(bool) => Yaml::Bool(bool),
            Scalar::Number(number) => Yaml::Number(number),
            Scalar::Text => Yaml::Text(text.into_owned()),
            Scalar::Unusable => {
                let message = format!("`{text}` is not a finite number of usual size");
                self.mistakes
                    .push(Mistake::new("bad_number", place.clone(), message).help("put quotes around it to mean text"));
                Yaml::Null
            }
        }
    }

    fn check_tag(&mut self, tag: Option<&Tag>, expected: &str, place: &Span) {
        if let Some(tag) = tag
            && tag.core_suffix() != Some(expected)
        {
            self.refuse_tag(tag, place);
        }
    }

    fn refuse_tag(&mut self, tag: &Tag, place: &Span) {
        let message = format!("the tag `{}` means nothing here", tag.original());
        self.mistakes.push(Mistake::new("unknown_tag", place.clone(), message).help("leave it out"));
    }

    fn place(&self, span: &ParserSpan) -> Span {
        let start = byte(&span.start, self.text);
        let end = byte(&span.end, self.text).max(start);
        let written = self.text.get(start..end).unwrap_or_default();
        start..start + written.trim_end().len()
    }
}

/// The byte offset of a marker; for the text that it was made from.
fn byte(marker: &Marker, text: &str) -> usize {
    let offset = marker
        .byte_offset()
        .unwrap_or_else(|| text.char_indices().nth(marker.index()).map_or(text.len(), |(offset, _)| offset));
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}
