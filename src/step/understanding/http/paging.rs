//! How a server cuts its records into pages, and what follows from one page for the next: no request is made here.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::link;

/// How a server cuts its records into pages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Paging {
    /// The header `Link` of each answer names the next page (`rel="next"`).
    Link {},
    /// Pages have numbers; the first one without records, or one that is not there (404), is behind the last.
    Page {
        /// The query param that takes the number.
        #[serde(default = "page")]
        param: String,
        /// The number of the first page.
        #[serde(default = "one")]
        first: u64,
    },
    /// Pages begin at a record; the first one without records is behind the last.
    Offset {
        /// The query param that takes how many records were read so far.
        #[serde(default = "offset")]
        param: String,
        /// The query param that takes how many records a page shall have.
        #[serde(default = "limit")]
        limit_param: String,
        /// How many records a page shall have.
        #[serde(default = "hundred")]
        limit: u64,
    },
    /// Each answer holds what leads to the next page, until it holds nothing there.
    Cursor {
        /// Where that is in the answer, such as `meta.next` or `/meta/next`.
        next: String,
        /// The query param that takes it; without one it is the address of the next page.
        #[serde(default)]
        param: Option<String>,
    },
}

fn page() -> String {
    "page".to_owned()
}

fn offset() -> String {
    "offset".to_owned()
}

fn limit() -> String {
    "limit".to_owned()
}

fn one() -> u64 {
    1
}

fn hundred() -> u64 {
    100
}

/// What is known after a page.
pub(super) struct Seen<'page> {
    /// Its address.
    pub(super) url: &'page Url,
    /// Its number, from 0.
    pub(super) number: u64,
    /// Its `Link` headers.
    pub(super) link: &'page str,
    /// Its content.
    pub(super) body: &'page Value,
    /// How many records it has.
    pub(super) records: u64,
    /// How many records all pages have so far.
    pub(super) total: u64,
}

impl Paging {
    /// The address of the first page.
    pub(super) fn first(&self, url: &Url) -> Url {
        match self {
            Paging::Link {} | Paging::Cursor { .. } => url.clone(),
            Paging::Page { param, first } => with(url, &[(param, first)]),
            Paging::Offset { param, limit_param, limit } => with(url, &[(param, &0), (limit_param, limit)]),
        }
    }

    /// Whether an address that the server does not know is behind the last page.
    pub(super) fn may_run_out(&self) -> bool {
        matches!(self, Paging::Page { .. })
    }

    /// The address of the next page, if there is one; or what makes no sense.
    pub(super) fn next(&self, seen: &Seen<'_>) -> Result<Option<Url>, String> {
        let join = |address: &str| {
            let wrong = |_| "the address of the next page is not valid".to_owned();
            seen.url.join(address).map(Some).map_err(wrong)
        };
        match self {
            Paging::Link {} => link::next(seen.link).map_or(Ok(None), join),
            Paging::Page { .. } | Paging::Offset { .. } if seen.records == 0 => Ok(None),
            Paging::Page { param, first } => Ok(Some(with(seen.url, &[(param, &(first + seen.number + 1))]))),
            // By what came and not by what was asked for: a server may give fewer records than that.
            Paging::Offset { param, .. } => Ok(Some(with(seen.url, &[(param, &seen.total)]))),
            Paging::Cursor { next, param } => {
                let cursor = match at(seen.body, next) {
                    None | Some(Value::Null | Value::Bool(false)) => return Ok(None),
                    Some(Value::String(text)) if text.is_empty() => return Ok(None),
                    Some(Value::String(text)) => text.clone(),
                    Some(Value::Number(number)) => number.to_string(),
                    Some(_) => return Err(format!("`{next}` holds neither a text nor a number")),
                };
                match param {
                    Some(param) => Ok(Some(with(seen.url, &[(param, &cursor)]))),
                    None => join(&cursor),
                }
            }
        }
    }
}

/// `url` with these query params in place of those that it has.
fn with(url: &Url, params: &[(&String, &dyn ToString)]) -> Url {
    let is_kept = |name: &str| !params.iter().any(|(param, _)| *param == name);
    let kept: Vec<(String, String)> =
        url.query_pairs().filter(|(name, _)| is_kept(name)).map(|(name, value)| (name.into(), value.into())).collect();
    let mut url = url.clone();
    let mut query = url.query_pairs_mut();
    query.clear().extend_pairs(kept);
    for (param, value) in params {
        query.append_pair(param, &value.to_string());
    }
    drop(query);
    url
}

/// The value at `data.items`, or at the JSON pointer `/data/items`.
pub fn at<'value>(value: &'value Value, path: &str) -> Option<&'value Value> {
    if path.starts_with('/') {
        return value.pointer(path);
    }
    path.split('.').try_fold(value, |value, key| value.get(key))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The addresses of the first pages, each page with its body and number of records.
    fn walk(paging: Value, link: &str, pages: &[(Value, u64)]) -> String {
        let paging: Paging = serde_json::from_value(paging).unwrap();
        let mut url = paging.first(&Url::parse("https://x/items?q=a&page=0").unwrap());
        let (mut walked, mut total) = (vec![url.to_string()], 0);
        for ((body, records), number) in pages.iter().zip(0..) {
            total += records;
            match paging.next(&Seen { url: &url, number, link, body, records: *records, total }) {
                Ok(Some(next)) => url = next,
                Ok(None) => return walked.join(" "),
                Err(error) => return error,
            }
            walked.push(url.to_string());
        }
        walked.join(" ")
    }

    #[test]
    fn each_kind_finds_the_next_page() {
        let none = || (Value::Null, 0);
        let some = || (Value::Null, 7);
        insta::assert_snapshot!(walk(json!({"kind": "page"}), "", &[some(), none()]), @"https://x/items?q=a&page=1 https://x/items?q=a&page=2");
        insta::assert_snapshot!(walk(json!({"kind": "offset", "limit": 10}), "", &[some(), some(), none()]), @"https://x/items?q=a&page=0&offset=0&limit=10 https://x/items?q=a&page=0&limit=10&offset=7 https://x/items?q=a&page=0&limit=10&offset=14");
        insta::assert_snapshot!(walk(json!({"kind": "link"}), "<?page=2>; rel=next", &[none()]), @"https://x/items?q=a&page=0 https://x/items?page=2");
        let cursor = json!({"kind": "cursor", "next": "meta.next", "param": "after"});
        insta::assert_snapshot!(walk(cursor, "", &[(json!({"meta": {"next": "a b"}}), 1), (json!({"meta": {"next": 5}}), 1), (json!({"meta": {}}), 1)]), @"https://x/items?q=a&page=0 https://x/items?q=a&page=0&after=a+b https://x/items?q=a&page=0&after=5");
        let whole = json!({"kind": "cursor", "next": "/next"});
        insta::assert_snapshot!(walk(whole.clone(), "", &[(json!({"next": "/items/2"}), 1), (json!({"next": ""}), 1)]), @"https://x/items?q=a&page=0 https://x/items/2");
        assert_eq!(walk(whole, "", &[(json!({"next": [1]}), 1)]), "`/next` holds neither a text nor a number");
        assert!(serde_json::from_value::<Paging>(json!({"kind": "link", "param": "x"})).is_err());
    }
}
