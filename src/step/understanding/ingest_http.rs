//! `ingest.http`: a file from a web server, or all pages of an answer, to one table.

use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::http::{Pages, Paging, fetch};
use super::source::{Download, Secret, SourceFile, download};
use super::{IngestArrow, IngestCsv, IngestExcel, IngestJson, IngestParquet};
use crate::phase::Phase;
use crate::step::{Dependency, ParamError, ParamErrors, Ports, StepContext, StepError, StepKind};

/// What a downloaded file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Told by the end of the address: `.json`, `.jsonl`, `.ndjson`, `.parquet`, `.arrow`, `.arrows`, `.feather`, `.xlsx`,
    /// `.xlsb`, `.xls` and `.ods` are what they say, all else is CSV. With `paging` or `records` it is JSON.
    #[default]
    Auto,
    /// Separated values, read as by `ingest.csv`.
    Csv,
    /// Objects, read as by `ingest.json`.
    Json,
    /// Parquet, read as by `ingest.parquet`.
    Parquet,
    /// Arrow or Feather, read as by `ingest.arrow`.
    Arrow,
    /// A workbook, read as by `ingest.excel`.
    Excel,
}

/// Downloads a file and reads it as a table.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The address, `http://` or `https://`.
    pub url: String,
    /// What the file holds.
    #[serde(default)]
    pub format: Format,
    /// The params of `ingest.csv`, `ingest.json`, `ingest.parquet`, `ingest.arrow` or `ingest.excel`, without `path`.
    #[serde(default)]
    pub options: Map<String, Value>,
    /// Request headers.
    #[serde(default)]
    pub headers: IndexMap<String, String>,
    /// Request headers that are secret: the header's name, and the environment variable that holds its value.
    #[serde(default)]
    pub headers_env: IndexMap<String, String>,
    /// The environment variable that holds a token for `Authorization: Bearer …`.
    #[serde(default)]
    pub bearer_env: Option<String>,
    /// The environment variable that holds `user:password` for `Authorization: Basic …`.
    #[serde(default)]
    pub basic_env: Option<String>,
    /// Query params that are secret: the param's name, and the environment variable that holds its value. Secrets go to the
    /// server of `url` only: a redirect or a next page elsewhere ends the step.
    #[serde(default)]
    pub query_env: IndexMap<String, String>,
    /// How the server cuts a JSON answer into pages; all of them are read. `{kind: link}` follows the header `Link`,
    /// `{kind: page, param: page, first: 1}` counts, `{kind: offset, param: offset, limit_param: limit, limit: 100}` asks for
    /// what comes after the records so far, and `{kind: cursor, next: meta.next, param: after}` takes from each answer what
    /// leads to the next (without `param` its address). A page that comes twice ends the step.
    #[serde(default)]
    pub paging: Option<Paging>,
    /// Where the list of records is in a JSON answer, such as `data.items` or `/data/items`; by default the answer is the
    /// list.
    #[serde(default)]
    pub records: Option<String>,
    /// How many pages are read at most.
    #[serde(default = "ten_thousand")]
    #[schemars(range(min = 1))]
    pub max_pages: u64,
    /// How many seconds one attempt may take.
    #[serde(default = "half_an_hour")]
    #[schemars(range(min = 1))]
    pub timeout_seconds: u64,
    /// How many times a failed attempt is made again, with growing pauses, or those that the server asks for
    /// (`Retry-After`, at most ten minutes).
    #[serde(default = "three")]
    #[schemars(range(max = 20))]
    pub retries: u32,
    /// How many bytes are taken at most, over all pages.
    #[serde(default = "ten_gibibytes")]
    pub max_bytes: u64,
}

fn half_an_hour() -> u64 {
    1800
}

fn three() -> u32 {
    3
}

fn ten_thousand() -> u64 {
    10_000
}

fn ten_gibibytes() -> u64 {
    10 << 30
}

enum Reader {
    Csv(Box<IngestCsv>),
    Json(Box<IngestJson>),
    Parquet(Box<IngestParquet>),
    Arrow(Box<IngestArrow>),
    Excel(Box<IngestExcel>),
}

/// A step that downloads.
pub struct IngestHttp {
    params: Params,
    reader: Reader,
}

impl StepKind for IngestHttp {
    const NAME: &'static str = "ingest.http";
    const VERSION: u32 = 4;
    const PHASE: Phase = Phase::Understanding;
    const SUMMARY: &'static str = "Downloads a file or all pages of a JSON answer from a web server and reads them.";
    const EXAMPLE: &'static str = "\
uses: ingest.http
with:
  url: https://data.example.com/customers.csv
  bearer_env: CUSTOMERS_TOKEN
  options: {null_values: [\"\", \"?\"]}
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        let scheme = params.url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        if !matches!(scheme.as_deref(), Some("http" | "https")) {
            return Err(ParamErrors::one(["url"], "the address begins neither with `http://` nor with `https://`"));
        }
        if params.retries > 20 || params.timeout_seconds == 0 {
            return Err(ParamErrors::one(
                ["retries"],
                "there are at most 20 retries, and a timeout of at least a second",
            ));
        }
        if params.max_pages == 0 {
            return Err(ParamErrors::one(["max_pages"], "at least one page is read"));
        }
        let is_paged = params.paging.is_some() || params.records.is_some();
        let reader = match format(&params) {
            Format::Json => Reader::Json(reader(&params)?),
            Format::Csv | Format::Parquet | Format::Arrow | Format::Excel if is_paged => {
                return Err(ParamErrors::one(["format"], "`paging` and `records` are for JSON"));
            }
            Format::Parquet => Reader::Parquet(reader(&params)?),
            Format::Arrow => Reader::Arrow(reader(&params)?),
            Format::Excel => Reader::Excel(reader(&params)?),
            Format::Csv | Format::Auto => Reader::Csv(reader(&params)?),
        };
        Ok(IngestHttp { params, reader })
    }

    fn ports(&self) -> Ports {
        match &self.reader {
            Reader::Csv(step) => step.ports(),
            Reader::Json(step) => step.ports(),
            Reader::Parquet(step) => step.ports(),
            Reader::Arrow(step) => step.ports(),
            Reader::Excel(step) => step.ports(),
        }
    }

    fn dependencies(&self) -> Vec<Dependency> {
        vec![Dependency::Unknown("a URL may give other bytes next time".to_owned())]
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let what = self.what();
        if let (Reader::Json(step), true) =
            (&self.reader, self.params.paging.is_some() || self.params.records.is_some())
        {
            let (paging, records) = (self.params.paging.as_ref(), self.params.records.as_deref());
            let file = fetch(&Pages { what: &what, paging, records, max_pages: self.params.max_pages }, context)?;
            return step.of_lines(&file.name).read_files(context, &[file], None);
        }
        let file: SourceFile = download(&what, context)?;
        match &self.reader {
            Reader::Csv(step) => step.read_files(context, vec![file], None),
            Reader::Json(step) => step.read_files(context, &[file], None),
            Reader::Parquet(step) => step.read_files(context, &[file], None),
            Reader::Arrow(step) => step.read_files(context, &[file], None),
            Reader::Excel(step) => step.read_files(context, &[file]),
        }
    }
}

impl IngestHttp {
    fn what(&self) -> Download {
        let params = &self.params;
        let headers = params.headers_env.iter().map(|(name, variable)| (Secret::Header(name.clone()), variable));
        let query = params.query_env.iter().map(|(name, variable)| (Secret::Query(name.clone()), variable));
        let bearer = params.bearer_env.iter().map(|variable| (Secret::Bearer, variable));
        let basic = params.basic_env.iter().map(|variable| (Secret::Basic, variable));
        let secrets = headers.chain(query).chain(bearer).chain(basic);
        Download {
            url: params.url.clone(),
            headers: params.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            secrets: secrets.map(|(secret, variable)| (secret, variable.clone())).collect(),
            timeout: Duration::from_secs(params.timeout_seconds),
            retries: params.retries,
            max_bytes: params.max_bytes,
        }
    }
}

fn format(params: &Params) -> Format {
    if params.format != Format::Auto {
        return params.format;
    }
    if params.paging.is_some() || params.records.is_some() {
        return Format::Json;
    }
    let path = params.url.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let path = path.trim_end_matches(".gz").trim_end_matches(".zst");
    let ends = |endings: &[&str]| endings.iter().any(|ending| path.ends_with(ending));
    if ends(&[".json", ".jsonl", ".ndjson"]) {
        Format::Json
    } else if ends(&[".parquet"]) {
        Format::Parquet
    } else if ends(&[".arrow", ".arrows", ".feather"]) {
        Format::Arrow
    } else if ends(&[".xlsx", ".xlsb", ".xls", ".ods"]) {
        Format::Excel
    } else {
        Format::Csv
    }
}

/// The options as params of the kind that reads the file.
fn options<P: DeserializeOwned>(params: &Params) -> Result<P, ParamErrors> {
    let mut options = params.options.clone();
    if options.insert("path".to_owned(), Value::String("download".to_owned())).is_some() {
        return Err(ParamErrors::one(["options", "path"], "the path is the downloaded file"));
    }
    if let Some(name) = ["cursor", "mode"].into_iter().find(|name| options.contains_key(*name)) {
        return Err(ParamErrors::one(
            ["options", name],
            "a download is read as a whole, for there are no files to tell apart",
        ));
    }
    serde_json::from_value(Value::Object(options)).map_err(|error| ParamErrors::one(["options"], error.to_string()))
}

/// The kind that reads the file, which checks the options as its params.
fn reader<K: StepKind<Params: DeserializeOwned>>(params: &Params) -> Result<Box<K>, ParamErrors> {
    let below = |mut error: ParamError| {
        error.path.insert(0, "options".to_owned());
        error
    };
    let wrong = |errors: ParamErrors| ParamErrors(errors.0.into_iter().map(below).collect());
    K::new(options(params)?).map(Box::new).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use serde_json::json;

    use super::*;
    use crate::step::testing::{Ran, Workbench};

    /// Answers each request in turn with one of `answers`, then gives the request lines and headers back.
    fn serve<A: Into<String>>(answers: Vec<A>) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let answers: Vec<String> = answers.into_iter().map(Into::into).collect();
        let server = std::thread::spawn(move || {
            let mut seen = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
                seen.push(lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n"));
                stream.write_all(answer.as_bytes()).unwrap();
            }
            seen
        });
        (address, server)
    }

    fn get(url: &str, mut with: Value) -> Result<Ran, StepError> {
        with["url"] = json!(url);
        Workbench::new().run("ingest.http", with, &[])
    }

    const CSV: &str = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\na,b\n1,?\n";
    const BUSY: &str = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    const MISSING: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

    #[test]
    fn a_busy_server_is_asked_again() {
        let (address, server) = serve(vec![BUSY, CSV]);
        let with = json!({"options": {"null_values": ["?"]}, "headers": {"X-Team": "churn"}});
        let ran = get(&format!("{address}/t.csv?token=secret"), with).unwrap();
        assert_eq!(ran.metric("rows"), Some(1.0));
        assert_eq!(ran.table("table").column(1).null_count(), 1);
        assert!(ran.log[0].contains("/t.csv` answers 503") && !ran.log[0].contains("secret"), "{:?}", ran.log);
        assert!(server.join().unwrap()[1].contains("x-team: churn"));
    }

    #[test]
    fn what_cannot_be_had_is_an_error_with_a_remedy() {
        let (address, server) = serve(vec![MISSING]);
        let error = get(&format!("{address}/t.csv"), json!({})).err().unwrap();
        assert_eq!((error.code(), error.fault()), ("http_missing", crate::step::Fault::Input));
        server.join().unwrap();
        let (address, server) = serve(vec![CSV]);
        let error = get(&format!("{address}/t.csv"), json!({"max_bytes": 3})).err().unwrap();
        assert_eq!(error.code(), "http_size");
        server.join().unwrap();
        let error = get("http://localhost:1/", json!({"headers_env": {"A": "PHASELINE_TEST_UNSET"}})).err().unwrap();
        insta::assert_snapshot!(error, @"header `A` needs the environment variable `PHASELINE_TEST_UNSET`");
    }

    /// An answer with these headers, each with its line break.
    fn answer(headers: &str, body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{headers}connection: close\r\n\r\n{body}", body.len())
    }

    /// The rows that come of these pages and the paths that were asked for, or the error.
    fn paged(with: Value, pages: Vec<String>) -> String {
        let (address, server) = serve(pages);
        let ended = get(&format!("{address}/items?q=a"), with);
        let shown = match ended {
            Ok(ran) => crate::step::testing::show(&ran.table("table")),
            Err(error) => format!("{}: {error} ({})", error.code(), error.remedy().unwrap_or("-"))
                .replace(&address, "http://server"),
        };
        let asked = server.join().unwrap();
        let paths: Vec<&str> = asked.iter().filter_map(|request| request.split(' ').nth(1)).collect();
        format!("{shown}\n{}", paths.join(" "))
    }

    #[test]
    fn all_pages_are_read_as_one_table() {
        let pages = vec![
            answer("Link: </items?page=2>; rel=\"next\"\r\n", "[{\"a\": 1}, {\"a\": 2}]"),
            answer("Link: </items?page=1>; rel=\"prev\"\r\n", "[{\"a\": 3.5}]"),
        ];
        insta::assert_snapshot!(paged(json!({"paging": {"kind": "link"}}), pages), @r"
        a:Float64
        1.0
        2.0
        3.5
        /items?q=a /items?page=2
        ");
        let pages = || vec![answer("", "{\"data\": {\"items\": [{\"a\": 1}]}}"), MISSING.to_owned()];
        let with = json!({"paging": {"kind": "page", "first": 0}, "records": "data.items"});
        insta::assert_snapshot!(paged(with, pages()), @r"
        a:Int64
        1
        /items?q=a&page=0 /items?q=a&page=1
        ");
        insta::assert_snapshot!(paged(json!({"records": "/data/items"}), vec![pages().remove(0)]), @r"
        a:Int64
        1
        /items?q=a
        ");
        let pages = vec![
            answer("", "{\"next\": 7, \"rows\": [{\"id\": 9223372036854775808}]}"),
            "HTTP/1.1 429 Slow\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
            answer("", "{\"next\": null, \"rows\": []}"),
        ];
        let with = json!({"paging": {"kind": "cursor", "next": "next", "param": "after"}, "records": "rows"});
        insta::assert_snapshot!(paged(with, pages), @r"
        id:Utf8
        9223372036854775808
        /items?q=a /items?q=a&after=7 /items?q=a&after=7
        ");
    }

    #[test]
    fn pages_that_never_end_or_are_none_end_the_step() {
        let same = || answer("", "[{\"a\": 1}]");
        insta::assert_snapshot!(paged(json!({"paging": {"kind": "page"}}), vec![same(), same()]), @"
        http_loop: the pages of `http://server/items` never end: page 2 has the records of one that was there before (look whether the server knows the params that `paging` names)
        /items?q=a&page=1 /items?q=a&page=2
        ");
        let other = |number: usize| answer("Link: </items?q=a>; rel=next\r\n", &format!("[{{\"a\": {number}}}]"));
        insta::assert_snapshot!(paged(json!({"paging": {"kind": "link"}}), vec![other(1)]), @"
        http_loop: the pages of `http://server/items` never end: page 2 leads to one that was there before (look whether the server knows the params that `paging` names)
        /items?q=a
        ");
        insta::assert_snapshot!(paged(json!({"paging": {"kind": "offset"}, "max_pages": 2}), vec![other(1), other(2)]), @"
        http_pages: `http://server/items` has more than 2 pages (raise `max_pages` if that is right)
        /items?q=a&offset=0&limit=100 /items?q=a&limit=100&offset=1
        ");
        insta::assert_snapshot!(paged(json!({"paging": {"kind": "page"}}), vec![answer("", "{\"a\": [], \"b\": 1}")]), @"
        http_records: page 1 of `http://server/items` has no list of records (say with `records` where it is; the page has the keys `a`, `b`)
        /items?q=a&page=1
        ");
        insta::assert_snapshot!(paged(json!({"records": "a"}), vec![answer("", "<html>")]), @"
        json_syntax: page 1 of `http://server/items` is not valid JSON: expected value at line 1 column 1 (pages are JSON; without `paging` and `records`, `format` may be another)
        /items?q=a
        ");
        insta::assert_snapshot!(paged(json!({"paging": {"kind": "page"}, "max_bytes": 15}), vec![other(1), other(2)]), @"
        http_size: `http://server/items` has more than 15 B (raise `max_bytes` if that is right)
        /items?q=a&page=1 /items?q=a&page=2
        ");
        let slow =
            "HTTP/1.1 503 Busy\r\nretry-after: 86400\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned();
        insta::assert_snapshot!(paged(json!({"records": "a"}), vec![slow]), @"
        http_status: `http://server/items` answers 503 Service Unavailable (the server asks to wait 86400 s)
        /items?q=a
        ");
    }

    #[test]
    fn secrets_go_to_the_server_of_the_address_alone() {
        // `PATH` and the like are there wherever tests run; this one has a colon.
        let with = json!({"paging": {"kind": "link"}, "query_env": {"key": "CARGO_MANIFEST_DIR"}, "bearer_env": "CARGO_PKG_NAME"});
        let (address, server) = serve(vec![answer("Link: <http://localhost:1/more>; rel=next\r\n", "[{\"a\": 1}]")]);
        let error = get(&format!("{address}/items"), with).err().unwrap();
        assert_eq!(error.code(), "http_elsewhere");
        insta::assert_snapshot!(error, @"`http://localhost:1/more` is another server, where the secrets of this step must not go");
        let asked = server.join().unwrap().remove(0);
        assert!(
            asked.starts_with("GET /items?key=%2F") && asked.contains("authorization: Bearer phaseline"),
            "{asked}"
        );
        let (address, server) = serve(vec![CSV]);
        let error = get(&address, json!({"basic_env": "CARGO_PKG_NAME"})).err().unwrap();
        assert_eq!(error.code(), "secret_form");
        let error = get(&address, json!({"basic_env": "CARGO_PKG_REPOSITORY_TEST", "options": {}})).err().unwrap();
        assert_eq!(error.code(), "secret_missing");
        get(&address, json!({})).unwrap();
        server.join().unwrap();
    }

    #[test]
    fn options_are_checked_when_the_manifest_is() {
        let refused = |with: Value| get("https://x/t.csv", with).err().unwrap().to_string();
        insta::assert_snapshot!(refused(json!({"options": {"delimiter": "::"}})), @"options.delimiter: `::` is not one ASCII character");
        assert!(refused(json!({"options": {"deli": ";"}})).contains("unknown field `deli`"));
        assert!(refused(json!({"options": {"cursor": "name"}})).contains("a download is read as a whole"));
        insta::assert_snapshot!(refused(json!({"format": "json", "options": {"explode": ""}})), @"options.explode: the name of the list is empty");
        insta::assert_snapshot!(refused(json!({"records": "a", "options": {"explode": ""}})), @"options.explode: the name of the list is empty");
        assert!(get("ftp://x", json!({})).is_err());
        insta::assert_snapshot!(refused(json!({"records": "a", "format": "csv"})), @"format: `paging` and `records` are for JSON");
        insta::assert_snapshot!(refused(json!({"paging": {"kind": "cursor"}})), @"paging: missing field `next`");
    }
}
