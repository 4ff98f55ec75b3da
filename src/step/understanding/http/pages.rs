//! All pages of an answer, one after the other, put together to one file with a record per line.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::Value;

use super::paging::{Paging, Seen, at};
use crate::step::understanding::json::parse;
use crate::step::understanding::source::{Download, RAISE, Request, Session, SourceFile, redacted};
use crate::step::{Progress, StepContext, StepError};

/// A page is held in memory.
const PAGE_BYTES: u64 = 64 << 20;
const SMALLER: &str = "ask for smaller pages, since each is held in memory";

/// What to fetch.
pub struct Pages<'params> {
    /// The first address, and how to ask.
    pub what: &'params Download,
    /// How pages follow each other; without it there is one.
    pub paging: Option<&'params Paging>,
    /// Where the list of records is in a page; without it the page is the list.
    pub records: Option<&'params str>,
    /// How many pages are fetched at most.
    pub max_pages: u64,
}

/// Fetches all pages; the file has one record per line.
pub fn fetch(pages: &Pages<'_>, context: &mut StepContext) -> Result<SourceFile, StepError> {
    let session = Session::open(pages.what, context)?;
    let shown = redacted(&pages.what.url);
    let scratch = context.surroundings().scratch.clone();
    let (target, path) = (scratch.join("page.json"), scratch.join("records.jsonl"));
    let mut file = BufWriter::new(std::fs::File::create(&path)?);
    let mut url = pages.paging.map_or_else(|| session.url.clone(), |paging| paging.first(&session.url));
    let (mut left, mut total, mut number, mut fetched) = (pages.what.max_bytes, 0, 0, 0_u64);
    let mut known = BTreeSet::new();
    loop {
        if number == pages.max_pages {
            let message = format!("`{shown}` has more than {} pages", pages.max_pages);
            return Err(StepError::input("http_pages", message).help("raise `max_pages` if that is right"));
        }
        if !known.insert(*blake3::hash(url.as_str().as_bytes()).as_bytes()) {
            return Err(endless(&shown, number, "leads to one that was there before"));
        }
        let request = if left < PAGE_BYTES {
            Request { url: &url, target: &target, max_bytes: left, before: pages.what.max_bytes - left, remedy: RAISE }
        } else {
            Request { url: &url, target: &target, max_bytes: PAGE_BYTES, before: 0, remedy: SMALLER }
        };
        let answer = match session.get(&request, context) {
            Ok(answer) => answer,
            Err(error)
                if number > 0 && error.code() == "http_missing" && pages.paging.is_some_and(Paging::may_run_out) =>
            {
                break;
            }
            Err(error) => return Err(error),
        };
        left = left.saturating_sub(answer.bytes);
        fetched += 1;
        let body = page(&target, &shown, number)?;
        let records = list(&body, pages.records, &shown, number)?;
        let mut hash = blake3::Hasher::new();
        for record in records {
            let line = record.to_string();
            hash.update(line.as_bytes());
            file.write_all(line.as_bytes())?;
            file.write_all(b"\n")?;
        }
        if !records.is_empty() && !known.insert(*hash.finalize().as_bytes()) {
            return Err(endless(&shown, number, "has the records of one that was there before"));
        }
        let count = records.len() as u64;
        total += count;
        let note = format!("page {}", number + 1);
        context.progress(&Progress { done: total, total: None, unit: "records", note });
        let Some(paging) = pages.paging else { break };
        let seen = Seen { url: &url, number, link: &answer.link, body: &body, records: count, total };
        match paging.next(&seen) {
            Ok(Some(next)) => url = next,
            Ok(None) => break,
            Err(reason) => {
                let message = format!("page {} of `{shown}`: {reason}", number + 1);
                return Err(StepError::input("http_paging", message).help("look at `paging`"));
            }
        }
        number += 1;
    }
    file.flush()?;
    drop(file);
    context.metric("pages", fetched as f64);
    SourceFile::at(shown, path)
}

fn endless(shown: &str, number: u64, what: &str) -> StepError {
    let message = format!("the pages of `{shown}` never end: page {} {what}", number + 1);
    StepError::input("http_loop", message).help("look whether the server knows the params that `paging` names")
}

fn page(target: &Path, shown: &str, number: u64) -> Result<Value, StepError> {
    parse(&std::fs::read(target)?).map_err(|error| {
        let message = format!("page {} of `{shown}` is not valid JSON: {error}", number + 1);
        StepError::input("json_syntax", message)
            .help("pages are JSON; without `paging` and `records`, `format` may be another")
    })
}

fn list<'page>(
    body: &'page Value,
    path: Option<&str>,
    shown: &str,
    number: u64,
) -> Result<&'page Vec<Value>, StepError> {
    let found = path.map_or(Some(body), |path| at(body, path));
    if let Some(Value::Array(records)) = found {
        return Ok(records);
    }
    let place = path.map_or_else(String::new, |path| format!(" at `{path}`"));
    let message = format!("page {} of `{shown}` has no list of records{place}", number + 1);
    let help = match body {
        Value::Object(keys) => {
            let keys = keys.keys().take(20).map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
            format!("say with `records` where it is; the page has the keys {keys}")
        }
        _ => "look at the address".to_owned(),
    };
    Err(StepError::input("http_records", message).help(help))
}
