//! Events and logs as they come.

use std::io::Write;
use std::time::Duration;

use phaseline::engine::{Happening, Outcome, RunLog};
use phaseline::id::{AttemptId, RunId};
use phaseline::worker::AttemptFolder;
use reqwest::{Method, Response};
use serde_json::Value;

use super::reads::a_run;
use super::server::Server;
use crate::harness::history::{Log, claimed, dawn, new_run, outcome, small_plan, started, succeeded};

const HOUR: Duration = Duration::from_hours(1);
const PATIENCE: Duration = Duration::from_secs(30);

/// One event of a stream.
#[derive(Debug)]
struct Event {
    id: String,
    name: String,
    data: Value,
}

/// A stream of events.
struct Stream {
    answer: Response,
    text: String,
}

impl Stream {
    async fn open(server: &Server, path: &str, last: Option<&str>) -> Stream {
        let mut request = server.request(Method::GET, path);
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Stream { answer, text: String::new() }
    }

    /// The next event; none at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name));
                    line.map(|line| line.trim_start().to_owned()).unwrap_or_default()
                };
                let found = Event { id: field("id:"), name: field("event:"), data: Value::Null };
                let data = field("data:");
                let rest = rest.to_owned();
                self.text = rest;
                if data.is_empty() {
                    continue;
                }
                return Some(Event { data: serde_json::from_str(&data).unwrap(), ..found });
            }
            let chunk = tokio::time::timeout(PATIENCE, self.answer.chunk()).await.expect("an event comes").unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn all(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_run_are_told_to_its_end_and_from_any_of_them_on() {
    let server = Server::start().await;
    let (run, _) = a_run(&server).await;
    let path = format!("/api/v1/runs/{run}/events");
    let all = Stream::open(&server, &path, None).await.all().await;
    let names: Vec<&str> = all.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["run_claimed", "attempt_started", "attempt_succeeded", "run_finished"]);
    assert_eq!((all[3].data["seq"].as_u64(), &all[3].data["what"]["outcome"]), (Some(4), &"succeeded".into()));
    let rest = Stream::open(&server, &path, Some(&all[1].id)).await.all().await;
    assert_eq!(rest.iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["3", "4"]);
    let rest = Stream::open(&server, &format!("{path}?after=3"), None).await.all().await;
    assert_eq!(rest.len(), 1);
    let odd = server.request(Method::GET, &path).header("Last-Event-ID", "x").send().await.unwrap();
    assert_eq!(odd.status(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_with_the_last_id_misses_nothing() {
    let server = Server::start().await;
    let mut live = Stream::open(&server, "/api/v1/events", None).await;
    let (first, _) = a_run(&server).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(live.next().await.unwrap());
    }
    assert!(seen.iter().all(|event| event.data["run"] == first.to_string() && event.data["pipeline"] == "churn"));
    drop(live);
    let (second, _) = a_run(&server).await;
    let mut again = Stream::open(&server, "/api/v1/events", Some(&seen[2].id)).await;
    let next = again.next().await.unwrap();
    assert_eq!((next.id, next.name.as_str()), (seen[3].id.clone(), "run_finished"));
    let next = again.next().await.unwrap();
    assert_eq!((&next.data["run"], next.name.as_str()), (&second.to_string().into(), "run_claimed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_away_too_long_is_told_so() {
    let server = Server::start().await;
    a_run(&server).await;
    tokio::time::sleep(Duration::from_millis(3)).await;
    assert_eq!(server.store.clear_outbox(Duration::ZERO, 2).await.unwrap(), 2);
    let mut stream = Stream::open(&server, "/api/v1/events", Some("0-0")).await;
    let reset = stream.next().await.unwrap();
    assert_eq!(reset.name, "reset");
    assert_eq!(reset.id, server.store.outbox_cleared().await.unwrap().to_string());
    assert_eq!(stream.next().await.unwrap().data["seq"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_followed_while_it_is_written_and_to_its_end() {
    let server = Server::start().await;
    let run = new_run(RunId::generate(), small_plan(&["load"]), dawn());
    let lease = server.store.create(run, "alpha:1", HOUR).await.unwrap();
    let (attempt, mut log) = (AttemptId::generate(), Log::starting(dawn()));
    let begun = log.events([claimed("alpha:1"), started("load", attempt, None, vec![])]);
    server.store.append(&lease, 1, &begun).await.unwrap();
    let path = format!("/api/v1/runs/{}/steps/load/logs/follow", lease.run);
    let mut stream = Stream::open(&server, &path, None).await;
    let file = AttemptFolder::new(server.state_folder(), lease.run, attempt).log();
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let mut file = std::fs::File::create(file).unwrap();
    file.write_all(b"one\n").unwrap();
    let one = stream.next().await.unwrap();
    assert_eq!((one.name.as_str(), &one.data["text"]), ("log", &"one\n".into()));
    file.write_all(b"two\n").unwrap();
    let finished = Happening::RunFinished { outcome: Outcome::Succeeded };
    let ended = log.events([succeeded("load", attempt, outcome(&[])), finished]);
    server.store.append(&lease, 3, &ended).await.unwrap();
    let rest = stream.all().await;
    let texts: String = rest.iter().filter_map(|event| event.data["text"].as_str()).collect();
    assert_eq!((texts.as_str(), rest.last().unwrap().name.as_str()), ("two\n", "end"));
    assert_eq!(rest.last().unwrap().data["state"], "succeeded");
    let again = Stream::open(&server, &path, Some(&one.id)).await.all().await;
    assert_eq!(again[0].data["text"], "two\n");
}
