//! Files that no run has read before, told by their names.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{FileCursor, Mode, append};
use crate::artifact::{Digest, DigestWriter};
use crate::step::understanding::source::{Found, SourceFile};
use crate::step::{StepContext, StepError, former_input};
use crate::table::TableReader;

/// The layout that this version of the program writes and reads.
const FORMAT: u32 = 1;

/// Which files the last run knew, as the output `position`.
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    format: u32,
    cursor: FileCursor,
    /// The greatest name.
    value: String,
    source: Digest,
    files: BTreeMap<String, Digest>,
}

/// The files to read, and those that were read.
pub struct NewFiles {
    mode: Mode,
    source: Digest,
    all: BTreeMap<String, Digest>,
    goes_on: bool,
    count: usize,
}

impl NewFiles {
    /// Of what was found, that which the last run did not know, in the same order. `reading`, what is read and how, tells this
    /// source from others.
    ///
    /// # Errors
    /// A file that was read has changed, or the position of the last run cannot be read.
    pub fn among(
        context: &mut StepContext,
        reading: &str,
        mode: Mode,
        found: Vec<Found>,
    ) -> Result<(NewFiles, Vec<SourceFile>), StepError> {
        let source =
            DigestWriter::new("phaseline cursor of files 2").bytes(reading).bytes(format!("{mode:?}")).finish();
        let former = former(context, source)?;
        let mut all = former.clone().unwrap_or_default();
        let mut new = Vec::new();
        for file in found {
            let version = file.version()?;
            match all.get(file.name()) {
                Some(known) if *known == version => {}
                Some(_) => {
                    let message = format!("`{}` was read by an earlier run and has changed since", file.name());
                    return Err(StepError::input("file_changed", message).help(
                        "write what is new into a file of its own, or read everything again with `--refresh` and the step's name",
                    ));
                }
                None => {
                    all.insert(file.name().to_owned(), version);
                    new.push(file);
                }
            }
        }
        context.log(format!("{} new files of {}", new.len(), all.len()));
        let count = new.len();
        let fetched = new.into_iter().enumerate().map(|(number, file)| file.fetch(number, context));
        let files = fetched.collect::<Result<_, _>>()?;
        Ok((NewFiles { mode, source, all, goes_on: former.is_some(), count }, files))
    }

    /// Ends a read for which there was no new file.
    ///
    /// # Errors
    /// The former table cannot be read.
    pub fn finish_without(&self, context: &mut StepContext) -> Result<(), StepError> {
        let former = context.input(&former_input("table"))?.artifact.clone();
        let rows = match self.mode {
            Mode::Append => {
                context.forward("table", &former)?;
                former.rows.unwrap_or_default()
            }
            Mode::Delta => {
                let schema = TableReader::open(&context.path(&former)?)?.schema().clone();
                let empty = context.create_table(&schema)?;
                context.finish_table("table", empty)?;
                0
            }
        };
        self.publish(context)?;
        context.metric("new_rows", 0.0);
        context.metric("rows", rows as f64);
        Ok(())
    }

    /// Publishes the position, and joins the new rows to the former ones if they are to be appended. Gives the rows of the table.
    ///
    /// # Errors
    /// The new rows do not fit the earlier ones.
    pub fn finish(&self, context: &mut StepContext, rows: u64) -> Result<u64, StepError> {
        context.metric("new_rows", rows as f64);
        let rows = if self.goes_on && self.mode == Mode::Append { append::join(context, rows)? } else { rows };
        self.publish(context)?;
        Ok(rows)
    }

    fn publish(&self, context: &mut StepContext) -> Result<(), StepError> {
        context.metric("new_files", self.count as f64);
        let known = Known {
            format: FORMAT,
            cursor: FileCursor::Name,
            value: self.all.keys().next_back().cloned().unwrap_or_default(),
            source: self.source,
            files: self.all.clone(),
        };
        let document = serde_json::to_value(known)
            .map_err(|error| StepError::bug("a list of files is no JSON").caused_by(error))?;
        context.commit_report("position", &document)?;
        Ok(())
    }
}

/// The files that the last run knew, if it read this source.
fn former(context: &mut StepContext, source: Digest) -> Result<Option<BTreeMap<String, Digest>>, StepError> {
    let Some(former) = context.inputs(&former_input("position")).first() else { return Ok(None) };
    let text = std::fs::read(context.path(&former.artifact.clone())?)?;
    match serde_json::from_slice::<Known>(&text) {
        Ok(known) if known.format == FORMAT && known.source == source => Ok(Some(known.files)),
        _ => {
            context
                .log("warning: path, params, cursor or mode, or this program, have changed since the last run; everything is read again");
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::step::InputArtifact;
    use crate::step::testing::{Ran, Workbench, show};

    fn read(bench: &Workbench, kind: &str, with: Value, former: Option<&Ran>) -> Result<Ran, crate::step::StepError> {
        let kept: Vec<(String, InputArtifact)> = former
            .into_iter()
            .flat_map(|ran| ["table", "position"].map(|output| (format!("former_{output}"), ran.input(output))))
            .collect();
        let inputs: Vec<(&str, &InputArtifact)> = kept.iter().map(|(name, input)| (name.as_str(), input)).collect();
        bench.run(kind, with, &inputs)
    }

    fn rows(ran: &Ran) -> String {
        show(&ran.table("table"))
            .split_once('\n')
            .map(|(_, rows)| rows.trim_end().replace('\n', ", "))
            .unwrap_or_default()
    }

    #[test]
    fn only_files_that_no_run_has_read_are_read() {
        let bench = Workbench::new();
        bench.file("in/2026-01.csv", "id,x\n1,\n");
        for (mode, later) in [("delta", "2 0.5, 3 0.5"), ("append", "1 ~, 2 0.5, 3 0.5")] {
            let with = || json!({"path": "in/*.csv", "cursor": "name", "mode": mode});
            let first = read(&bench, "ingest.csv", with(), None).unwrap();
            assert_eq!(rows(&first), "1 ~");
            let nothing = read(&bench, "ingest.csv", with(), Some(&first)).unwrap();
            assert_eq!(rows(&nothing), if mode == "delta" { "" } else { "1 ~" });
            bench.file("in/2026-02.csv", "id,x\n2,0.5\n");
            // A file may come late: what counts is whether it was read.
            bench.file("in/2025-12.csv", "id,x\n3,0.5\n");
            let next = read(&bench, "ingest.csv", with(), Some(&nothing)).unwrap();
            let mut found: Vec<String> = rows(&next).split(", ").map(str::to_owned).collect();
            found.sort();
            assert_eq!(found.join(", "), later);
            assert_eq!(next.metric("new_files"), Some(2.0));
            std::fs::remove_file(bench.folder().join("in/2026-02.csv")).unwrap();
            std::fs::remove_file(bench.folder().join("in/2025-12.csv")).unwrap();
        }
    }

    #[test]
    fn only_objects_that_no_run_has_read_are_fetched() {
        let bench = Workbench::new();
        let url = format!("file://{}/in/*.csv", bench.folder().display());
        let with = || json!({"path": url, "cursor": "name"});
        bench.file("in/2026-01.csv", "id,x\n1,\n");
        let first = read(&bench, "ingest.csv", with(), None).unwrap();
        let nothing = read(&bench, "ingest.csv", with(), Some(&first)).unwrap();
        assert_eq!(nothing.metric("new_files"), Some(0.0));
        assert_eq!(nothing.artifact("table"), first.artifact("table"));
        bench.file("in/2025-12.csv", "id,x\n3,0.5\n");
        let next = read(&bench, "ingest.csv", with(), Some(&nothing)).unwrap();
        assert_eq!((rows(&next).as_str(), next.metric("new_files")), ("1 ~, 3 0.5", Some(1.0)));
        let known: Value = next.report("position");
        let names: Vec<&String> = known["files"].as_object().unwrap().keys().collect();
        let name = |file: &str| url.replace("*.csv", file);
        assert_eq!(names, [&name("2025-12.csv"), &name("2026-01.csv")]);
        bench.file("in/2026-01.csv", "id,x\n1,\n9,\n");
        let error = read(&bench, "ingest.csv", with(), Some(&next)).err().unwrap();
        assert_eq!(
            error.to_string(),
            format!("`{}` was read by an earlier run and has changed since", name("2026-01.csv"))
        );
    }

    #[test]
    fn a_run_without_a_new_file_puts_nothing_aside_and_says_so() {
        let bench = Workbench::new();
        bench.file("in/a.csv", "id,x\n1,2\n3\n");
        let contract =
            json!({"contract": "c", "columns": [{"name": "id", "type": "int64"}, {"name": "x", "type": "int64"}]});
        for (mode, more) in
            [("append", json!({})), ("delta", json!({"contract": contract, "on_violation": "quarantine"}))]
        {
            let mut with = json!({"path": "in/*.csv", "cursor": "name", "mode": mode, "bad_rows": "quarantine"});
            with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let first = read(&bench, "ingest.csv", with.clone(), None).unwrap();
            assert_eq!(first.table("quarantine").num_rows(), 1);
            let nothing = read(&bench, "ingest.csv", with, Some(&first)).unwrap();
            assert_eq!(show(&nothing.table("quarantine")), "file:Utf8 line:Int64 code:Utf8 reason:Utf8 text:Utf8");
            for metric in ["new_rows", "new_files", "bad_rows"] {
                assert_eq!(nothing.metric(metric), Some(0.0), "{metric}");
            }
            let of_contract = (mode == "delta").then_some(0.0);
            assert_eq!(nothing.metric("contract_violations"), of_contract);
            assert_eq!(nothing.metric("contract_quarantined"), of_contract);
        }
    }

    #[test]
    fn files_that_are_read_in_another_way_are_all_read_again() {
        let bench = Workbench::new();
        bench.file("in/a.csv", "id;x\n1;-\n");
        let with = |more: Value| {
            let mut with = json!({"path": "in/*.csv", "cursor": "name", "delimiter": ";"});
            with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            with
        };
        let first = read(&bench, "ingest.csv", with(json!({})), None).unwrap();
        assert_eq!(rows(&first), "1 -");
        let again = read(&bench, "ingest.csv", with(json!({"null_values": ["-"]})), Some(&first)).unwrap();
        assert_eq!(rows(&again), "1 ~");
        assert!(
            again.log[0].contains("path, params, cursor or mode, or this program, have changed"),
            "{:?}",
            again.log
        );
        // Of a contract it matters which columns it calls text: they are read in another way.
        bench.file("in/a.csv", "id;x\n1;2\n");
        let first = read(&bench, "ingest.csv", with(json!({})), None).unwrap();
        let bound = |column_type: &str| {
            let columns = json!([{"name": "id", "type": "int64"}, {"name": "x", "type": column_type}]);
            let contract = json!({"contract": "c", "columns": columns});
            read(&bench, "ingest.csv", with(json!({"contract": contract})), Some(&first)).unwrap()
        };
        assert_eq!(bound("int64").metric("new_files"), Some(0.0));
        assert_eq!(bound("text").metric("new_files"), Some(1.0));
    }

    #[test]
    fn whole_numbers_that_no_float_holds_are_not_joined_to_floats() {
        let bench = Workbench::new();
        bench.file("in/a.csv", "id\n9007199254740993\n");
        let with = || json!({"path": "in/*.csv", "cursor": "name"});
        let first = read(&bench, "ingest.csv", with(), None).unwrap();
        bench.file("in/b.csv", "id\n0.5\n");
        let error = read(&bench, "ingest.csv", with(), Some(&first)).err().unwrap();
        assert_eq!(error.code(), "append_columns", "{error}");
        assert!(error.to_string().contains("9007199254740993"), "{error}");
    }

    #[test]
    fn a_file_that_was_read_and_has_changed_is_an_error() {
        let bench = Workbench::new();
        bench.file("in/a.jsonl", "{\"id\": 1}\n");
        let with = || json!({"path": "in/*.jsonl", "cursor": "name"});
        let first = read(&bench, "ingest.json", with(), None).unwrap();
        bench.file("in/a.jsonl", "{\"id\": 1}\n{\"id\": 2}\n");
        let error = read(&bench, "ingest.json", with(), Some(&first)).err().unwrap();
        assert_eq!(error.code(), "file_changed", "{error}");
        let wrong = |with: Value| read(&bench, "ingest.json", with, None).err().unwrap().to_string();
        assert!(
            wrong(json!({"path": "https://b/x.jsonl", "cursor": "name"})).contains("a download is read as a whole")
        );
        assert!(wrong(json!({"path": "in/*.jsonl", "mode": "delta"})).contains("needs `cursor: name`"));
    }
}
