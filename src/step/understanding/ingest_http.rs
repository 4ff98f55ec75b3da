//! `ingest.http`: a file from a web server to one table.

use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::source::{Download, SourceFile, download};
use super::{ingest_csv, ingest_json, ingest_parquet};
use crate::phase::Phase;
use crate::step::{Dependency, ParamError, ParamErrors, Ports, StepContext, StepError, StepKind};

/// What a downloaded file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Told by the end of the address: `.json`, `.jsonl`, `.ndjson` and `.parquet` are what they say, all else is CSV.
    #[default]
    Auto,
    /// Separated values, read as by `ingest.csv`.
    Csv,
    /// Objects, read as by `ingest.json`.
    Json,
    /// Parquet, read as by `ingest.parquet`.
    Parquet,
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
    /// The params of `ingest.csv`, `ingest.json` or `ingest.parquet`, without `path`.
    #[serde(default)]
    pub options: Map<String, Value>,
    /// Request headers.
    #[serde(default)]
    pub headers: IndexMap<String, String>,
    /// Request headers that are secret: the header's name, and the environment variable that holds its value.
    #[serde(default)]
    pub headers_env: IndexMap<String, String>,
    /// How many seconds one attempt may take.
    #[serde(default = "half_an_hour")]
    #[schemars(range(min = 1))]
    pub timeout_seconds: u64,
    /// How many times a failed attempt is made again, with growing pauses.
    #[serde(default = "three")]
    #[schemars(range(max = 20))]
    pub retries: u32,
    /// How many bytes are taken at most.
    #[serde(default = "ten_gibibytes")]
    pub max_bytes: u64,
}

fn half_an_hour() -> u64 {
    1800
}

fn three() -> u32 {
    3
}

fn ten_gibibytes() -> u64 {
    10 << 30
}

enum Reader {
    Csv(Box<ingest_csv::IngestCsv>),
    Json(ingest_json::Params),
    Parquet(ingest_parquet::Params),
}

/// A step that downloads.
pub struct IngestHttp {
    params: Params,
    reader: Reader,
}

impl StepKind for IngestHttp {
    const NAME: &'static str = "ingest.http";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::Understanding;
    const SUMMARY: &'static str = "Downloads a file from a web server and reads it as CSV, JSON or Parquet.";
    const EXAMPLE: &'static str = "\
uses: ingest.http
with:
  url: https://data.example.com/customers.csv
  headers_env: {Authorization: CUSTOMERS_TOKEN}
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
        let reader = match format(&params) {
            Format::Parquet => Reader::Parquet(options(&params)?),
            Format::Json => Reader::Json(options(&params)?),
            Format::Csv | Format::Auto => {
                Reader::Csv(Box::new(ingest_csv::IngestCsv::new(options(&params)?).map_err(below_options)?))
            }
        };
        Ok(IngestHttp { params, reader })
    }

    fn ports(&self) -> Ports {
        match &self.reader {
            Reader::Csv(csv) => csv.ports(),
            Reader::Json(params) => params.on_violation.ports(),
            Reader::Parquet(params) => params.on_violation.ports(),
        }
    }

    fn dependencies(&self) -> Vec<Dependency> {
        vec![Dependency::Unknown("a URL may give other bytes next time".to_owned())]
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let pairs =
            |map: &IndexMap<String, String>| map.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        let what = Download {
            url: self.params.url.clone(),
            headers: pairs(&self.params.headers),
            secret_headers: pairs(&self.params.headers_env),
            timeout: Duration::from_secs(self.params.timeout_seconds),
            retries: self.params.retries,
            max_bytes: self.params.max_bytes,
        };
        let file: SourceFile = download(&what, context)?;
        match &self.reader {
            Reader::Csv(step) => step.read_files(context, vec![file], None),
            Reader::Json(params) => ingest_json::read_json(context, &[file], params, None),
            Reader::Parquet(params) => ingest_parquet::read_parquet(context, &[file], params, None),
        }
    }
}

fn format(params: &Params) -> Format {
    if params.format != Format::Auto {
        return params.format;
    }
    let path = params.url.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let path = path.trim_end_matches(".gz").trim_end_matches(".zst");
    if [".json", ".jsonl", ".ndjson"].iter().any(|ending| path.ends_with(ending)) {
        Format::Json
    } else if path.ends_with(".parquet") {
        Format::Parquet
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

fn below_options(errors: ParamErrors) -> ParamErrors {
    let below = |mut error: ParamError| {
        error.path.insert(0, "options".to_owned());
        error
    };
    ParamErrors(errors.0.into_iter().map(below).collect())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use serde_json::json;

    use super::*;
    use crate::step::testing::{Ran, Workbench};

    /// Answers each request in turn with one of `answers`, then gives the request lines and headers back.
    fn serve(answers: Vec<&'static str>) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
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
        assert_eq!((error.code(), error.fault()), ("http_status", crate::step::Fault::Input));
        server.join().unwrap();
        let (address, server) = serve(vec![CSV]);
        let error = get(&format!("{address}/t.csv"), json!({"max_bytes": 3})).err().unwrap();
        assert_eq!(error.code(), "http_size");
        server.join().unwrap();
        let error = get("http://localhost:1/", json!({"headers_env": {"A": "PHASELINE_TEST_UNSET"}})).err().unwrap();
        insta::assert_snapshot!(error, @"header `A` needs the environment variable `PHASELINE_TEST_UNSET`");
    }

    #[test]
    fn options_are_checked_when_the_manifest_is() {
        let refused = |with: Value| get("https://x/t.csv", with).err().unwrap().to_string();
        insta::assert_snapshot!(refused(json!({"options": {"delimiter": "::"}})), @"options.delimiter: `::` is not one ASCII character");
        assert!(refused(json!({"options": {"deli": ";"}})).contains("unknown field `deli`"));
        assert!(refused(json!({"options": {"cursor": "name"}})).contains("a download is read as a whole"));
        assert!(get("ftp://x", json!({})).is_err());
    }
}
