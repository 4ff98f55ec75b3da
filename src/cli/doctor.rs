//! `phaseline doctor`: whether all is well, here or at a daemon.

use std::fmt::Write;
use std::path::Path;

use chrono::Utc;

use super::remote::Remote;
use super::{Exit, Settings, database, output, parts};
use crate::artifact::ArtifactStore;
use crate::control::doctor::{Check, Diagnosis, Level, Opened, Patient, doctor};
use crate::store::{Store, StoreUrl};
use crate::worker::with_causes;

/// How closely to look.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Read every page of the database and every byte of the artifacts, however long it takes.
    #[arg(long)]
    deep: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    let diagnosis = parts::runtime()?.block_on(async {
        match &settings.server {
            None => here(settings, args.deep).await,
            Some(server) => {
                let deep: &[(&str, &str)] = if args.deep { &[("deep", "true")] } else { &[] };
                Remote::new(server, settings)?.get(&["doctor"], deep).await
            }
        }
    })?;
    if args.json {
        output::json(&diagnosis)?;
    } else {
        output::write(text(&diagnosis).as_bytes())?;
    }
    Ok(if diagnosis.level == Level::Problem { Exit::Failed } else { Exit::Succeeded })
}

async fn here(settings: &Settings, is_deep: bool) -> anyhow::Result<Diagnosis> {
    let patient =
        Patient { state: settings.state.clone(), artifacts: artifacts(&settings.artifacts), is_deep, within: None };
    let url = database::url(settings)?;
    if let StoreUrl::Sqlite(path) = &url
        && !path.exists()
    {
        return Ok(doctor(Opened::Absent(&url), &patient, Utc::now()).await);
    }
    match Store::open_as_it_is(&url).await {
        Err(error) => Ok(doctor(Opened::Away(&error), &patient, Utc::now()).await),
        Ok(store) => {
            let diagnosis = doctor(Opened::Store(&store), &patient, Utc::now()).await;
            store.close().await;
            Ok(diagnosis)
        }
    }
}

/// The artifacts, without making a folder for them.
fn artifacts(location: &str) -> Result<Option<ArtifactStore>, String> {
    if !location.contains("://") && !Path::new(location).exists() {
        return Ok(None);
    }
    ArtifactStore::open(location).map(Some).map_err(|error| with_causes(&error))
}

fn text(diagnosis: &Diagnosis) -> String {
    let width = diagnosis.checks.iter().map(|check| check.check.len()).max().unwrap_or(0);
    let mut text: String = diagnosis.checks.iter().map(|check| of_check(check, width)).collect();
    let count = |level, word: &str| match diagnosis.count(level) {
        0 => None,
        1 => Some(format!("1 {word}")),
        several => Some(format!("{several} {word}s")),
    };
    let found: Vec<String> =
        [count(Level::Problem, "problem"), count(Level::Warning, "warning")].into_iter().flatten().collect();
    let verdict = if found.is_empty() { "all is well".to_owned() } else { found.join(" and ") };
    writeln!(text, "\n{verdict}, as {} sees it", diagnosis.host).expect("a string takes everything");
    text
}

fn of_check(check: &Check, width: usize) -> String {
    let mut text = format!("{:<7}  {:<width$}  {}\n", check.level.as_str(), check.check, check.message);
    for finding in &check.findings {
        writeln!(text, "  {}: {}: {}", finding.level.as_str(), finding.place, finding.message)
            .expect("a string takes everything");
        writeln!(text, "    help: {}", finding.help).expect("a string takes everything");
    }
    if check.untold() > 0 {
        writeln!(text, "  and {} more", check.untold()).expect("a string takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::doctor::Finding;

    #[test]
    fn what_is_well_takes_a_line_and_what_is_not_says_where_and_what_helps() {
        let check = |check: &str, level, message: &str, findings: Vec<Finding>| Check {
            check: check.to_owned(),
            level,
            message: message.to_owned(),
            warnings: 3,
            problems: 0,
            findings,
        };
        let finding = Finding {
            level: Level::Warning,
            place: "churn.weekly".to_owned(),
            message: "it was paused by ada".to_owned(),
            help: "`phaseline triggers resume churn.weekly`".to_owned(),
        };
        let fine = Check { warnings: 0, ..check("clock", Level::Ok, "both agree", vec![]) };
        let diagnosis = Diagnosis {
            level: Level::Warning,
            at: String::new(),
            host: "alpha".to_owned(),
            version: String::new(),
            is_deep: false,
            checks: vec![fine, check("triggers", Level::Warning, "4 triggers", vec![finding])],
        };
        insta::assert_snapshot!(text(&diagnosis), @r"
        ok       clock     both agree
        warning  triggers  4 triggers
          warning: churn.weekly: it was paused by ada
            help: `phaseline triggers resume churn.weekly`
          and 2 more

        3 warnings, as alpha sees it
        ");
    }
}
