//! Clients that are slow, greedy or malformed, beside one that asks as it should and is answered all the while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use phaseline::api::Limits;
use phaseline::store::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::server::{Answer, PATIENCE, Served};

/// Memory that abuse may cost.
const MOST_MEMORY: u64 = 128 * 1024 * 1024;

/// Limits that are reached at once.
fn tight() -> Limits {
    Limits {
        header_time: Duration::from_millis(1500),
        body_pause: Duration::from_millis(1500),
        write_pause: Duration::from_millis(1500),
        goodbye: Duration::from_millis(500),
        connections_per_peer: 64,
        streams_per_caller: 4,
        ..Limits::default()
    }
}

/// Somebody who asks one thing after the other, and counts the answers.
struct Regular {
    asked: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Vec<String>>,
}

impl Regular {
    fn start(server: &Arc<Served>, token: String) -> Regular {
        let (asked, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (server, count, is_over) = (Arc::clone(server), Arc::clone(&asked), Arc::clone(&stop));
        let task = tokio::spawn(async move {
            let mut wrong = Vec::new();
            while !is_over.load(Ordering::SeqCst) {
                let answer = server.ask("GET", "/api/v1/runs?limit=5", &token).await;
                if answer.status != 200 {
                    wrong.push(format!("{} {}", answer.status, answer.body));
                }
                count.fetch_add(1, Ordering::SeqCst);
            }
            wrong
        });
        Regular { asked, stop, task }
    }

    /// Waits until some more requests were answered.
    async fn some_more(&self) {
        let goal = self.asked.load(Ordering::SeqCst) + 3;
        let reached = async {
            while self.asked.load(Ordering::SeqCst) < goal {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect("regular requests go on being answered");
    }

    async fn end(self) {
        self.some_more().await;
        self.stop.store(true, Ordering::SeqCst);
        assert_eq!(self.task.await.unwrap(), Vec::<String>::new());
    }
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Waits until the server ends the connection; gives what it said before.
async fn until_cut_off(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await;
    // A reset is an end too.
    drop(ended.expect("the server cuts the connection off"));
    String::from_utf8_lossy(&said).into_owned()
}

async fn slow_headers(server: &Served) {
    let mut streams = Vec::new();
    for _ in 0..200 {
        let mut stream = server.connect_from(2).await;
        stream.write_all(b"GET / HTTP/1.1\r\nx: ").await.ok();
        streams.push(stream);
    }
    let mut refused = 0;
    for stream in &mut streams {
        // Another byte does not give it more time.
        stream.write_all(b"y").await.ok();
        let said = until_cut_off(stream).await;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 503") || said.starts_with("HTTP/1.1 408"), "{said}");
        refused += usize::from(said.starts_with("HTTP/1.1 503"));
    }
    assert!(refused > 0, "more connections than one address may have are refused");
}

async fn slow_body(server: &Served, admin: &str) {
    let mut stream = server.connect_from(3).await;
    let head = format!(
        "PUT /api/v1/pools/gpu HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {admin}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{\"slots\":",
        server.address
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = Answer::read(&mut stream).await.unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (408, "slow_body"), "{}", answer.body);
}

async fn large_bodies(server: &Served, admin: &str) {
    let bearer = format!("Bearer {admin}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let most = 1024 * 1024;
    let padded = |length: usize| format!("{{\"slots\": 2{}}}", " ".repeat(length - 12));
    let fits = padded(most);
    assert_eq!(fits.len(), most);
    assert_eq!(server.send("PUT", "/api/v1/pools/gpu", &headers, &fits).await.status, 200);
    let answer = server.send("PUT", "/api/v1/pools/gpu", &headers, &padded(most + 1)).await;
    assert_eq!((answer.status, answer.code().as_str()), (413, "too_large"), "{}", answer.body);

    let mut stream = server.connect_from(3).await;
    let head = format!(
        "PUT /api/v1/pools/gpu HTTP/1.1\r\nhost: {}\r\nauthorization: {bearer}\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
        server.address
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let endless = async {
        // Until the server has had enough.
        while writing.write_all(chunk.as_bytes()).await.is_ok() {}
        std::future::pending::<()>().await;
    };
    let answer = tokio::select! {
        answer = Answer::read(&mut reading) => answer,
        () = endless => unreachable!("it does not end"),
    };
    assert_eq!(answer.unwrap().status, 413);
}

async fn deep_json(server: &Served, admin: &str) {
    let bearer = format!("Bearer {admin}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    for body in ["[".repeat(100_000), "{\"slots\":".repeat(100_000), format!("{{\"slots\": 1{}}}", "0".repeat(100_000))]
    {
        let answer = server.send("PUT", "/api/v1/pools/gpu", &headers, &body).await;
        assert!(matches!(answer.status, 400 | 422), "{}: {}", answer.status, answer.body);
        assert!(!answer.code().is_empty() && answer.body.len() < 2000, "{}", answer.body);
    }
}

async fn many_headers(server: &Served, viewer: &str) {
    for (count, length) in [(5000, 1), (10, 10_000), (1, 500_000)] {
        let bearer = format!("Bearer {viewer}");
        let long = "y".repeat(length);
        let names: Vec<String> = (0..count).map(|number| format!("x-{number}")).collect();
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(names.iter().map(|name| (name.as_str(), long.as_str())));
        let answer = server.send("GET", "/api/v1/runs", &headers, "").await;
        assert_eq!(answer.status, 431, "{count} headers of {length} bytes: {}", answer.head);
    }
}

async fn odd_paths(server: &Served, admin: &str) {
    for path in [
        "/api/v1/runs/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/api/v1/runs/..%2f..%2fetc",
        "/api/v1/runs/run_%00",
        "/api/v1/pools/%c0%ae%c0%ae%2f",
        "/api/v1/pools/%ff",
        "/api/v1/artifacts/%2e%2e%2f%2e%2e%2fdaemon.token/download",
        "/api/v1/../../daemon.token",
        "/api/v1/pipelines/%2fetc",
        "//api/v1/runs",
        "/api/v1/runs/",
    ] {
        let answer = server.ask("GET", path, admin).await;
        assert!(matches!(answer.status, 400 | 404), "{path}: {} {}", answer.status, answer.body);
        assert!(!answer.code().is_empty(), "{path}: {}", answer.body);
    }
}

async fn streams_that_nobody_reads(server: &Served, viewer: &str) {
    let mut held = Vec::new();
    let mut statuses = Vec::new();
    for _ in 0..8 {
        let mut stream = server.connect_from(4).await;
        let head = format!(
            "GET /api/v1/events HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {viewer}\r\n\r\n",
            server.address
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = Answer::read(&mut stream).await.unwrap();
        statuses.push(answer.status);
        held.push(stream);
    }
    assert_eq!(statuses, [200, 200, 200, 200, 429, 429, 429, 429], "streams of one token are bounded");
    drop(held);
    // Their places come back once the server sees that nobody is there.
    let freed = async {
        while server.ask("GET", "/api/v1/events", viewer).await.status != 200 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, freed).await.expect("places of streams come back");
}

async fn slow_reader(server: &Served, viewer: &str) {
    let mut stream = server.connect_from(5).await;
    let request = format!(
        "GET /api/v1/openapi.json HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {viewer}\r\n\r\n",
        server.address
    );
    // It asks again and again and reads nothing, until the server ends it.
    let asks = async { while stream.write_all(request.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, asks).await.expect("a client that reads nothing is cut off");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_abuses_the_server_is_cut_off_while_others_are_answered() {
    let server = Arc::new(Served::start(tight()).await);
    let (viewer, admin) = (server.role(Role::Viewer).await, server.role(Role::Admin).await);
    let regular = Regular::start(&server, server.role(Role::Viewer).await);
    regular.some_more().await;
    let before = resident_bytes();

    slow_headers(&server).await;
    regular.some_more().await;
    slow_body(&server, &admin).await;
    large_bodies(&server, &admin).await;
    deep_json(&server, &admin).await;
    regular.some_more().await;
    many_headers(&server, &viewer).await;
    odd_paths(&server, &admin).await;
    regular.some_more().await;
    streams_that_nobody_reads(&server, &viewer).await;
    slow_reader(&server, &viewer).await;

    let after = resident_bytes();
    assert!(after < before + MOST_MEMORY, "memory went from {before} to {after} bytes");
    regular.end().await;
    Arc::into_inner(server).unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_when_the_server_stops() {
    let server = Served::start(Limits::default()).await;
    let viewer = server.role(Role::Viewer).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head =
        format!("GET /api/v1/events HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {viewer}\r\n\r\n", server.address);
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(Answer::read(&mut stream).await.unwrap().status, 200);
    server.stop().await;
    until_cut_off(&mut stream).await;
}
