//! People are told at least once of what they asked for, and no receiver can lose a notification or hold up a run.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use phaseline::daemon::notify::{Notifier, NotifySettings, Smtp, SmtpSecurity, signature};
use phaseline::engine::{Happening, Outcome, RunLog};
use phaseline::id::{AttemptId, RunId};
use phaseline::step::Fault;
use phaseline::store::{Delivery, Store, StoreUrl};
use phaseline::worker::Failure;
use serde_json::Value;

use crate::harness::databases::{on_both_databases, open, promises};
use crate::harness::history::{Log, claimed, new_run, small_plan, started, step_name};

#[test]
fn what_became_of_runs_is_told_at_least_once() {
    on_both_databases(promises![
        a_webhook_that_fails_first_is_told_until_it_answers,
        a_sender_that_dies_before_it_marks_leaves_the_notification_to_the_next,
        an_event_makes_one_notification_for_each_entry_however_often_it_is_read,
        a_receiver_that_never_answers_is_given_up,
        a_letter_and_a_command_tell_the_same,
        only_what_was_asked_for_is_told_and_nothing_of_the_past,
    ]);
}

/// The head of a request, line by line, and its body.
type Got = (Vec<String>, String);

/// A server that answers each request with the next of `answers`, the last one for ever, and keeps what it got.
struct Server {
    url: String,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Server {
    fn start(answers: &'static [&'static str]) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook/t0ken", listener.local_addr().unwrap());
        let got: Arc<Mutex<Vec<_>>> = Arc::default();
        let kept = Arc::clone(&got);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut headers = Vec::new();
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    if line.trim().is_empty() {
                        break;
                    }
                    headers.push(line.trim().to_owned());
                }
                let length = headers
                    .iter()
                    .find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned))
                    .map_or(0, |length| length.parse().unwrap());
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                kept.lock().unwrap().push((headers, String::from_utf8(body).unwrap()));
                let answer = answers.get(number).or(answers.last()).unwrap();
                let text = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.write_all(text.as_bytes()).ok();
            }
        });
        Server { url, got }
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

fn notifier(store: &Store) -> Notifier {
    let settings = NotifySettings { first_wait: Duration::ZERO, most_tries: 4, ..NotifySettings::default() };
    Notifier::new(store.clone(), settings)
}

/// Reads and sends until there is nothing left to do now.
async fn work(notifier: &Notifier) {
    while notifier.follow().await.unwrap() + notifier.send_due().await.unwrap() > 0 {}
}

/// A run of a manifest with these entries of `notify`, which ends like this.
async fn ended(store: &Store, notify: &str, outcome: Outcome) -> RunId {
    ended_at(store, notify, outcome, 0).await
}

/// The same, some minutes later.
async fn ended_at(store: &Store, notify: &str, outcome: Outcome, minutes: i64) -> RunId {
    let mut run = new_run(RunId::generate(), small_plan(&["load"]), chrono::Utc::now());
    run.manifest_text = format!("version: 1\npipeline: churn\nnotify:\n{notify}\n");
    let lease = store.create(run.clone(), "alpha:1", Duration::from_hours(1)).await.unwrap();
    let (mut log, attempt) =
        (Log::starting(chrono::Utc::now() + chrono::TimeDelta::minutes(minutes)), AttemptId::generate());
    let mut happened = vec![claimed("alpha:1"), started("load", attempt, None, vec![])];
    if outcome == Outcome::Failed {
        let failure = Failure {
            fault: Fault::Environment,
            code: "out_of_memory".to_owned(),
            message: "the step used more than its 512 MiB of memory".to_owned(),
            help: Some("raise it".to_owned()),
        };
        happened.push(Happening::AttemptFailed { step: step_name("load"), attempt, failure, seconds: 1.0 });
        happened.push(Happening::StepFailed { step: step_name("load") });
    }
    happened.push(Happening::RunFinished { outcome });
    let events = log.events(happened);
    store.append(&lease, 1, &events).await.unwrap();
    run.id
}

async fn states(store: &Store, state: &str) -> Vec<Delivery> {
    store.deliveries(state, 100).await.unwrap()
}

async fn a_webhook_that_fails_first_is_told_until_it_answers(url: StoreUrl) {
    let store = open(&url).await;
    let server = Server::start(&["500 Broken", "302 Found\r\nlocation: http://127.0.0.1:1/", "204 Fine"]);
    let notifier = notifier(&store);
    notifier.follow().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let entry = format!("  - {{on: failed, webhook: '{}'}}", server.url);
    let run = ended(&store, &entry, Outcome::Failed).await;
    work(&notifier).await;
    let got = server.got();
    assert_eq!(got.len(), 3, "{got:?}");
    let body: Value = serde_json::from_str(&got[2].1).unwrap();
    assert_eq!((body["occasion"].as_str(), body["run"].as_str()), (Some("failed"), Some(run.to_string().as_str())));
    assert_eq!(body["failures"][0]["code"], "out_of_memory");
    assert_eq!(body["summary"], format!("churn has failed: step `load` (run {run})"));
    let id = |index: usize| {
        let headers: &Vec<String> = &got[index].0;
        headers.iter().find(|line| line.to_lowercase().starts_with("phaseline-delivery")).unwrap().clone()
    };
    assert_eq!(id(0), id(2), "every try carries the same id");
    let delivered = states(&store, "delivered").await;
    assert_eq!((delivered.len(), delivered[0].attempts), (1, 3));
    assert!(!delivered[0].target.contains("t0ken"), "{}", delivered[0].target);
    drop(folder);
}

async fn a_sender_that_dies_before_it_marks_leaves_the_notification_to_the_next(url: StoreUrl) {
    let store = open(&url).await;
    let server = Server::start(&["200 OK"]);
    let notifier = notifier(&store);
    notifier.follow().await.unwrap();
    ended(&store, &format!("  - {{on: failed, webhook: '{}'}}", server.url), Outcome::Failed).await;
    notifier.follow().await.unwrap();
    // A sender takes it, and is gone: whether it was sent nobody knows.
    let taken = store.take_deliveries(Duration::ZERO, 10).await.unwrap();
    assert_eq!(taken.len(), 1);
    while notifier.send_due().await.unwrap() == 0 {}
    assert_eq!(server.got().len(), 1);
    assert_eq!(states(&store, "delivered").await.len(), 1);
    // While one sender has it, no other one does.
    ended(&store, &format!("  - {{on: failed, webhook: '{}'}}", server.url), Outcome::Failed).await;
    notifier.follow().await.unwrap();
    assert_eq!(store.take_deliveries(Duration::from_hours(1), 10).await.unwrap().len(), 1);
    assert_eq!(notifier.send_due().await.unwrap(), 0);
}

async fn an_event_makes_one_notification_for_each_entry_however_often_it_is_read(url: StoreUrl) {
    let store = open(&url).await;
    let notifier = notifier(&store);
    let start = store.notified().await.unwrap();
    let entries = "  - {on: failed, command: ['true']}\n  - {on: [failed, rejected], command: ['true']}";
    ended(&store, entries, Outcome::Failed).await;
    let (one, other) = tokio::join!(notifier.follow(), notifier.follow());
    assert!(one.unwrap() + other.unwrap() > 0);
    assert_eq!(states(&store, "waiting").await.len(), 2);
    // A reader that is behind moves nobody back.
    let now = store.notified().await.unwrap();
    store.notify(start, &[]).await.unwrap();
    assert_eq!(store.notified().await.unwrap(), now);
}

async fn a_receiver_that_never_answers_is_given_up(url: StoreUrl) {
    let store = open(&url).await;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let notifier = Notifier::new(
        store.clone(),
        NotifySettings {
            patience: Duration::from_millis(200),
            first_wait: Duration::ZERO,
            most_tries: 2,
            ..NotifySettings::default()
        },
    );
    notifier.follow().await.unwrap();
    let entry = format!("  - {{on: failed, webhook: 'http://{}/'}}", silent.local_addr().unwrap());
    ended(&store, &entry, Outcome::Failed).await;
    work(&notifier).await;
    let given_up = states(&store, "given_up").await;
    assert_eq!(given_up.len(), 1);
    assert!(given_up[0].last_error.as_ref().unwrap().contains("no answer"), "{given_up:?}");
}

/// A mail server that takes one letter for each connection.
fn mail_server() -> (u16, Arc<Mutex<Vec<String>>>) {
    fn talk(stream: &TcpStream, letters: &Mutex<Vec<String>>) -> std::io::Result<()> {
        let (mut reader, mut writer) = (BufReader::new(stream.try_clone()?), stream.try_clone()?);
        writer.write_all(b"220 mail ESMTP\r\n")?;
        let (mut letter, mut is_letter) = (String::new(), false);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let answer: &[u8] = if is_letter {
                if line != ".\r\n" {
                    letter.push_str(&line);
                    continue;
                }
                is_letter = false;
                letters.lock().unwrap().push(std::mem::take(&mut letter));
                b"250 taken\r\n"
            } else if line.starts_with("DATA") {
                is_letter = true;
                b"354 go on\r\n"
            } else if line.starts_with("QUIT") {
                b"221 bye\r\n"
            } else {
                letter.push_str(&line);
                b"250 fine\r\n"
            };
            writer.write_all(answer)?;
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let letters: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&letters);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            talk(&stream, &kept).ok();
        }
    });
    (port, letters)
}

async fn a_letter_and_a_command_tell_the_same(url: StoreUrl) {
    let store = open(&url).await;
    let (port, letters) = mail_server();
    let smtp = Smtp {
        host: "127.0.0.1".to_owned(),
        port,
        security: SmtpSecurity::Plain,
        from: "Phaseline <phaseline@example.org>".to_owned(),
        login: None,
    };
    let notifier = Notifier::new(store.clone(), NotifySettings { smtp: Some(smtp), ..NotifySettings::default() });
    notifier.follow().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let entries = format!(
        "  - {{email: {{to: [ada@example.org, bob@example.org]}}}}\n  - {{command: [sh, -c, 'cat > {}']}}",
        told.display()
    );
    let run = ended(&store, &entries, Outcome::Failed).await;
    work(&notifier).await;
    assert_eq!(states(&store, "delivered").await.len(), 2, "{:?}", states(&store, "waiting").await);
    let letter = letters.lock().unwrap().first().cloned().unwrap();
    for part in ["ada@example.org", "bob@example.org", "512 MiB", &format!("phaseline show {run}")] {
        assert!(letter.contains(part), "{part} in {letter}");
    }
    assert_eq!(read(&told)["failures"][0]["step"], "load");
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

async fn only_what_was_asked_for_is_told_and_nothing_of_the_past(url: StoreUrl) {
    let store = open(&url).await;
    let all = "  - {on: [failed, recovered], command: ['true']}\n  - {on: succeeded, command: ['true']}";
    ended(&store, all, Outcome::Failed).await;
    let notifier = notifier(&store);
    work(&notifier).await;
    assert!(states(&store, "delivered").await.is_empty(), "nobody is told of the past");
    ended_at(&store, all, Outcome::Succeeded, 1).await;
    ended_at(&store, all, Outcome::Succeeded, 2).await;
    ended(&store, all, Outcome::Cancelled).await;
    work(&notifier).await;
    let mut told: Vec<String> = states(&store, "delivered").await.into_iter().map(|told| told.occasion).collect();
    told.sort();
    assert_eq!(told, ["recovered", "succeeded", "succeeded"]);
}

#[test]
fn a_signature_depends_on_time_body_and_key() {
    let signed = signature("key", 1, "{}");
    assert!(
        [signature("key", 2, "{}"), signature("key", 1, "{ }"), signature("kex", 1, "{}")]
            .iter()
            .all(|other| *other != signed)
    );
}
