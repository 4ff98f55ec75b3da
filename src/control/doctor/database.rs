//! The database: whether it answers, how it is set up, its tables, and whether its file is whole.

use std::path::Path;

use super::report::{Check, Finding};
use super::{Patient, words};
use crate::store::{PostgresFacts, Schema, Server, SqliteFacts, Store, StoreError, StoreUrl};
use crate::units;

/// The oldest Postgres that our statements are tried on.
const OLDEST_POSTGRES: i64 = 14;
/// As many connections as one daemon takes.
const SPARE_CONNECTIONS: u64 = 8;
/// How long a transaction that writes may be open before it holds up those who follow events.
const LONG_TRANSACTION_SECONDS: u64 = 60;
/// A file of SQLite up to this size is looked through without being asked for: a second or two.
const QUICK_BYTES: u64 = 1 << 30;

/// There is no database yet.
pub(super) fn absent(url: &StoreUrl) -> Check {
    let help = "the first run or a daemon makes it; `--state` names another folder";
    Check::new("database", "there is none yet", vec![Finding::warning(url, "there is no such file", help)])
}

/// The database cannot be opened.
pub(super) fn away(error: &StoreError) -> Check {
    let (place, message) = match error {
        StoreError::Open { url, source } => (url.clone(), words::error(source.as_ref())),
        other => ("the database".to_owned(), words::error(other)),
    };
    let help = if place.starts_with("postgres://") {
        "see that the server runs and takes connections from here, and that user, password and database are right"
    } else {
        "see that the file is there, is a SQLite database and belongs to this user; `--state` names another folder"
    };
    Check::new("database", "it cannot be opened", vec![Finding::problem(place, message, help)])
}

pub(super) async fn server(store: &Store) -> Result<Check, StoreError> {
    Ok(match store.server().await? {
        Server::Sqlite(facts) => sqlite(&facts, store.url()),
        Server::Postgres(facts) => postgres(&facts, &store.url().to_string()),
    })
}

fn sqlite(facts: &SqliteFacts, url: &StoreUrl) -> Check {
    let mut findings = Vec::new();
    if facts.journal_mode != "wal" {
        let message =
            format!("its journal mode is `{}`, so readers and the writer wait for each other", facts.journal_mode);
        findings.push(Finding::warning(url, message, "put the state on a local disk that allows shared memory"));
    }
    if let StoreUrl::Sqlite(path) = url
        && let Some(network) = network_of(path)
    {
        let message = format!("it lies on a network file system ({network}), where locks may not hold");
        findings.push(Finding::problem(url, message, "put the state on a local disk, or use Postgres"));
    }
    let message = format!("SQLite {} in {url}, {}", facts.version, units::size(facts.bytes));
    Check::new("database", message, findings)
}

/// The network file system that a file lies on, if it does.
fn network_of(path: &Path) -> Option<&'static str> {
    let kind = rustix::fs::statfs(path).ok()?.f_type;
    // From the kernel's list of magic numbers.
    match kind & 0xffff_ffff {
        0x6969 => Some("NFS"),
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => Some("SMB"),
        0x0102_1997 => Some("9p"),
        _ => None,
    }
}

fn postgres(facts: &PostgresFacts, url: &str) -> Check {
    let mut findings = Vec::new();
    if facts.version_number < OLDEST_POSTGRES * 10_000 {
        let message = format!("Postgres {} is older than {OLDEST_POSTGRES}", facts.version);
        findings.push(Finding::warning(url, message, format!("use Postgres {OLDEST_POSTGRES} or newer")));
    }
    if facts.is_standby || facts.is_read_only {
        let what = if facts.is_standby { "it is a standby" } else { "its transactions only read by default" };
        let message = format!("{what}, so nothing can be recorded");
        findings.push(Finding::problem(url, message, "name the primary server in the URL of the database"));
    }
    if facts.isolation != "read committed" {
        let message = format!("its transactions are `{}` by default; ours expect `read committed`", facts.isolation);
        let help = "`alter database … set default_transaction_isolation = 'read committed'`";
        findings.push(Finding::warning(url, message, help));
    }
    if !facts.has_fsync {
        let help = "set `fsync = on` in its configuration";
        findings.push(Finding::problem(url, "`fsync` is off: a power cut may destroy everything", help));
    } else if facts.synchronous_commit == "off" {
        let message =
            "`synchronous_commit` is off: a crash of the server forgets what was just done, and work is repeated";
        findings.push(Finding::warning(url, message, "set `synchronous_commit = on`, at least for our user"));
    }
    let left = facts.most_connections.saturating_sub(facts.connections);
    if left < SPARE_CONNECTIONS {
        let message = format!("only {left} of {} connections are left", facts.most_connections);
        let help =
            format!("raise `max_connections`, or end programs that hold some; a daemon takes {SPARE_CONNECTIONS}");
        findings.push(Finding::warning(url, message, help));
    }
    if facts.oldest_write_seconds > LONG_TRANSACTION_SECONDS {
        let open = words::count(facts.oldest_write_seconds, "second");
        let message = format!("a transaction that writes has been open for {open}: events are told only up to it");
        let help = "find it in `pg_stat_activity` by its `xact_start`, and end it";
        findings.push(Finding::warning(url, message, help));
    }
    let message = format!(
        "Postgres {} at {url}, {}, {} of {} connections taken",
        facts.version,
        units::size(facts.bytes),
        facts.connections,
        facts.most_connections
    );
    Check::new("database", message, findings)
}

/// The tables, and whether they can be asked.
pub(super) async fn schema(store: &Store) -> (Check, bool) {
    match store.schema().await {
        Ok(schema) => (tables(&schema), schema.found == Some(schema.newest)),
        Err(error) => {
            let help = "see that this user may read every table of the database";
            let finding = Finding::problem(store.url(), words::error(&error), help);
            (Check::new("schema", "the tables could not be looked at", vec![finding]), false)
        }
    }
}

fn tables(schema: &Schema) -> Check {
    let newest = schema.newest;
    let mut findings = Vec::new();
    let message = match schema.found {
        None => {
            let help = "the first run or a daemon makes them; if there should be some, another database is meant";
            findings.push(Finding::warning("the tables", "there are none yet", help));
            "no tables".to_owned()
        }
        Some(found) if found > newest => {
            let message = format!("they are of version {found}, and this program knows {newest}");
            findings.push(Finding::problem("the tables", message, "use the newer program that made them"));
            format!("version {found}, of a newer program")
        }
        Some(found) if found < newest => {
            let message = format!("they are of version {found}, and this program's is {newest}");
            let help = "any other command brings them up to date; older programs cannot use them any more then";
            findings.push(Finding::warning("the tables", message, help));
            format!("version {found}, of an older program")
        }
        Some(found) => format!("version {found}, the newest that this program knows"),
    };
    for version in &schema.unfinished {
        let help = "restore the database from a copy made before the upgrade, and try again";
        findings.push(Finding::problem(format!("migration {version}"), "it was begun and has not ended", help));
    }
    for version in &schema.changed {
        let message = "when it was applied it was another one: the tables are those of another build";
        let help = "use the program that made them, or begin with a new state";
        findings.push(Finding::problem(format!("migration {version}"), message, help));
    }
    Check::new("schema", message, findings)
}

/// Whether the file is whole; none where the server looks after its files itself.
pub(super) async fn integrity(store: &Store, patient: &Patient) -> Result<Option<Check>, StoreError> {
    let Server::Sqlite(facts) = store.server().await? else { return Ok(None) };
    let is_large = facts.bytes > QUICK_BYTES;
    if is_large && (patient.within.is_some() || !patient.is_deep) {
        let message = format!(
            "not looked at, since it has {}; `phaseline doctor --deep` on its machine does",
            units::size(facts.bytes)
        );
        return Ok(Some(Check::new("integrity", message, Vec::new())));
    }
    let flaws = store.flaws(patient.is_deep).await?;
    let how = if patient.is_deep { "every page and index" } else { "every page" };
    let help = "end the daemon, keep a copy of the file, then `sqlite3 FILE .recover | sqlite3 NEW`, or take a backup";
    let message = if flaws.is_empty() { format!("whole ({how} was looked at)") } else { "it is damaged".to_owned() };
    let findings = flaws.into_iter().map(|flaw| Finding::problem(store.url(), flaw, help)).collect();
    Ok(Some(Check::new("integrity", message, findings)))
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn sound() -> PostgresFacts {
        PostgresFacts {
            version: "17.2".to_owned(),
            version_number: 170_002,
            bytes: 1 << 20,
            is_standby: false,
            is_read_only: false,
            connections: 9,
            most_connections: 97,
            isolation: "read committed".to_owned(),
            has_fsync: true,
            synchronous_commit: "on".to_owned(),
            oldest_write_seconds: 0,
        }
    }

    #[test]
    fn a_server_that_is_set_up_wrong_is_told_by_what_follows() {
        let told = |facts: PostgresFacts| postgres(&facts, "postgres://db/ml");
        let fine = told(sound());
        assert_eq!(
            (fine.level, fine.message.as_str()),
            (Level::Ok, "Postgres 17.2 at postgres://db/ml, 1.0 MiB, 9 of 97 connections taken")
        );
        for (facts, level, word) in [
            (PostgresFacts { version_number: 130_001, ..sound() }, Level::Warning, "older than 14"),
            (PostgresFacts { is_standby: true, ..sound() }, Level::Problem, "standby"),
            (PostgresFacts { is_read_only: true, ..sound() }, Level::Problem, "only read"),
            (PostgresFacts { isolation: "serializable".to_owned(), ..sound() }, Level::Warning, "serializable"),
            (PostgresFacts { has_fsync: false, ..sound() }, Level::Problem, "power cut"),
            (PostgresFacts { synchronous_commit: "off".to_owned(), ..sound() }, Level::Warning, "synchronous_commit"),
            (PostgresFacts { connections: 90, ..sound() }, Level::Warning, "only 7 of 97"),
            (PostgresFacts { oldest_write_seconds: 61, ..sound() }, Level::Warning, "open for 61 seconds"),
        ] {
            let check = told(facts);
            assert_eq!((check.level, check.findings.len()), (level, 1), "{check:?}");
            assert!(check.findings[0].message.contains(word), "{check:?}");
        }
    }

    #[test]
    fn tables_of_another_program_are_told() {
        let told = |schema: Schema| tables(&Schema { newest: 3, ..schema });
        let current = Schema { found: Some(3), ..Schema::default() };
        assert_eq!(told(current.clone()).level, Level::Ok);
        assert_eq!(told(Schema::default()).level, Level::Warning);
        assert_eq!(told(Schema { found: Some(2), ..Schema::default() }).level, Level::Warning);
        assert_eq!(told(Schema { found: Some(4), ..Schema::default() }).level, Level::Problem);
        assert_eq!(told(Schema { unfinished: vec![3], ..current.clone() }).level, Level::Problem);
        assert_eq!(told(Schema { changed: vec![3], ..current }).level, Level::Problem);
    }

    #[test]
    fn a_journal_that_is_no_wal_is_told() {
        let facts = SqliteFacts { version: "3".to_owned(), bytes: 1, journal_mode: "delete".to_owned() };
        assert_eq!(sqlite(&facts, &StoreUrl::Sqlite("/tmp/x".into())).level, Level::Warning);
    }
}
