//! The loop that looks after triggers, with a real clock, and firing through the program itself.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use phaseline::control::{By, ErrorKind};
use phaseline::control::{Version, WebhookRequest, fire_webhook, make_webhook_token};
use phaseline::daemon::triggers::look_after;
use phaseline::engine::{Bell, Happening, Outcome, RunLog};
use phaseline::id::RunId;
use phaseline::store::queries::TriggerSummary;
use phaseline::store::{Store, StoreUrl, Tick, TickState};
use sqlx::{AssertSqlSafe, Connection};
use tokio::sync::watch;

use crate::harness::databases::{on_both_databases, open, promises};
use crate::harness::history::{Log, claimed, dawn, new_run, plan};
use crate::harness::postgres::Cluster;
use crate::harness::project::Project;

const HOUR: Duration = Duration::from_hours(1);

const MANIFEST: &str = "version: 1
pipeline: churn
params:
  data: {type: path, default: data.csv}
  upstream: {type: string, default: none}
  n: {type: int, default: 1}
triggers:
  often: {every: 1s, overlap: allow}
  chained: {after: ingest, overlap: allow, set: {upstream: \"${{ trigger.run }}\"}}
  arrived: {files: {glob: \"in/*.csv\", settle: 300ms}, overlap: allow, set: {data: \"${{ trigger.file }}\"}}
  hopeless: {files: \"s4://nowhere/*.csv\"}
  refused: {every: 1s, overlap: allow, set: {n: \"${{ trigger.date }}\"}}
  hook: {webhook: token, overlap: allow, set: {n: \"${{ trigger.body.n }}\"}}
understanding:
  steps: {a: {run: \"true\"}}
";

/// A folder with the manifest, as a daemon has loaded it.
struct Loaded {
    folder: tempfile::TempDir,
    version: Version,
}

impl Loaded {
    fn new() -> Loaded {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("in")).unwrap();
        let path = folder.path().join("churn.yaml");
        std::fs::write(&path, MANIFEST).unwrap();
        let version = Version::read(&path).unwrap();
        Loaded { folder, version }
    }
}

/// What a daemon writes when it has loaded a manifest.
async fn register(url: &StoreUrl, version: &Version) {
    let sql = "insert into pipelines (pipeline, manifest_path, manifest_digest, manifest_text, loaded_at, loaded_by)
        values ('churn', $1, 'd', $2, '2026-03-02T08:00:00.000000Z', 'test')";
    match url {
        StoreUrl::Sqlite(path) => {
            let url = format!("sqlite://{}", path.display());
            let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
            let query = sqlx::query(AssertSqlSafe(sql)).bind(&version.path).bind(&version.text);
            query.execute(&mut connection).await.unwrap();
        }
        StoreUrl::Postgres(url) => {
            let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
            let query = sqlx::query(AssertSqlSafe(sql)).bind(&version.path).bind(&version.text);
            query.execute(&mut connection).await.unwrap();
        }
    }
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn ticks(store: &Store, trigger: &str) -> Vec<Tick> {
    store.ticks_of("churn", trigger, 100).await.unwrap()
}

async fn summary(store: &Store, trigger: &str) -> Option<TriggerSummary> {
    store.trigger("churn", trigger).await.unwrap()
}

/// A run of `ingest` that has just succeeded.
async fn upstream(store: &Store) -> RunId {
    let run = new_run(RunId::generate(), plan("ingest", &[], vec![], vec![]), dawn());
    let lease = store.create(run, "alpha:1", HOUR).await.unwrap();
    let mut log = Log::starting(chrono::Utc::now() + chrono::TimeDelta::seconds(1));
    let events = log.events([claimed("alpha:1"), Happening::RunFinished { outcome: Outcome::Succeeded }]);
    store.append(&lease, 1, &events).await.unwrap();
    lease.run
}

#[test]
fn two_daemons_that_look_after_the_same_triggers_fire_each_tick_once_and_none_is_held_up() {
    on_both_databases(promises![all_kinds_fire]);
}

async fn all_kinds_fire(url: StoreUrl) {
    let loaded = Loaded::new();
    let store = open(&url).await;
    let (shutdown, over) = watch::channel(false);
    let (_versions, pipelines) = watch::channel(Arc::new(vec![loaded.version.clone()]));
    let daemons = [open(&url).await, open(&url).await]
        .map(|store| tokio::spawn(look_after(store, Bell::new(), Arc::default(), pipelines.clone(), over.clone())));
    until("the files trigger to know what was there", async || {
        let kept = store.kept_triggers("churn").await.unwrap().1;
        kept.iter().any(|kept| kept.name == "arrived" && kept.state["files"].is_string()).then_some(())
    })
    .await;
    let ended = upstream(&store).await;
    std::fs::write(loaded.folder.path().join("in/day.csv"), "1").unwrap();

    let arrived = until("a tick for the file", async || ticks(&store, "arrived").await.pop()).await;
    assert_eq!(arrived.state, TickState::Fired, "{arrived:?}");
    let run = store.run(arrived.run.unwrap()).await.unwrap();
    let data = run.plan.params.iter().find(|(name, _)| name.as_str() == "data").unwrap().1;
    assert_eq!(data, "in/day.csv");

    let chained = until("a tick for the run", async || ticks(&store, "chained").await.pop()).await;
    assert_eq!((chained.key.as_str(), chained.state), (ended.to_string().as_str(), TickState::Fired));

    let often = until("four ticks", async || Some(ticks(&store, "often").await).filter(|ticks| ticks.len() >= 4)).await;
    let mut runs: Vec<_> = often.iter().map(|tick| tick.run.expect("each has a run")).collect();
    runs.sort();
    runs.dedup();
    assert_eq!(runs.len(), often.len());

    let refused = until("a failed tick", async || ticks(&store, "refused").await.pop()).await;
    assert_eq!(refused.state, TickState::Failed);
    assert!(refused.because.unwrap().contains("error[wrong_type]: param `n`"));
    let hopeless = until("what hinders", async || summary(&store, "hopeless").await?.because).await;
    assert!(hopeless.contains("s4://nowhere"), "{hopeless}");

    shutdown.send_replace(true);
    for daemon in daemons {
        daemon.await.unwrap();
    }
    assert_eq!((ticks(&store, "arrived").await.len(), ticks(&store, "chained").await.len()), (1, 1));
}

#[test]
fn a_webhook_fires_once_for_each_delivery_and_for_nobody_without_its_token() {
    on_both_databases(promises![webhooks_need_their_token]);
}

async fn webhooks_need_their_token(url: StoreUrl) {
    let loaded = Loaded::new();
    let store = open(&url).await;
    register(&url, &loaded.version).await;
    let now = chrono::Utc::now();
    let request = |token: &str, delivery: &str, body: &str| WebhookRequest {
        authorization: Some(format!("Bearer {token}")),
        delivery: Some(delivery.to_owned()),
        body: body.as_bytes().to_vec(),
        ..WebhookRequest::default()
    };
    let fire = async |request| fire_webhook(&store, "churn", "hook", request, now).await;
    let first = make_webhook_token(&store, "churn", "hook", &By::local()).await.unwrap();
    let token = make_webhook_token(&store, "churn", "hook", &By::local()).await.unwrap();
    let declared = phaseline::store::DeclaredTrigger {
        name: "hook".to_owned(),
        kind: "webhook",
        definition: serde_json::json!({"webhook": "token"}),
    };
    store.keep_triggers("churn", &[declared]).await.unwrap();
    for wrong in ["", "phl_0", first.reveal()] {
        let refused = fire(request(wrong, "1", "{}")).await.unwrap_err();
        assert_eq!((refused.kind, refused.code), (ErrorKind::NotFound, "hook_refused"), "{wrong}");
    }
    let unknown = fire_webhook(&store, "churn", "nowhere", request(token.reveal(), "1", "{}"), now).await.unwrap_err();
    assert_eq!(unknown.code, "hook_refused", "which hooks there are is nobody's business");
    let bad = fire(request(token.reveal(), "1", "{n: 7}")).await.unwrap_err();
    assert_eq!((bad.kind, bad.code), (ErrorKind::Invalid, "bad_json"));

    let fired = fire(request(token.reveal(), "1", "{\"n\": 7}")).await.unwrap();
    assert_eq!((fired.state.as_str(), fired.is_new), ("fired", true));
    let again = fire(request(token.reveal(), "1", "{\"n\": 8}")).await.unwrap();
    assert_eq!((again.run, again.is_new), (fired.run, false));
    let run = store.run(fired.run.unwrap()).await.unwrap();
    assert_eq!(run.plan.params.iter().find(|(name, _)| name.as_str() == "n").unwrap().1, 7);
    let failed = fire(request(token.reveal(), "2", "{\"n\": \"x\"}")).await.unwrap();
    assert_eq!((failed.state.as_str(), failed.run), ("failed", None));
    store.pause_trigger("churn", "hook", Some("ada"), false).await.unwrap();
    assert_eq!(fire(request(token.reveal(), "3", "")).await.unwrap_err().code, "trigger_paused");
}

/// Fires one key through the program, which is killed before or after the commit, and then again.
fn killed_at(point: &str, runs_left: usize, project: &Project, database: &[&str], key: &str) {
    let log = project.path().join("fired");
    std::fs::remove_file(&log).ok();
    let arguments = [&["triggers", "fire", "churn.hook", "--key", key, "--json"], database].concat();
    let killed = project
        .command(&arguments)
        .env("PHASELINE_FAULT", format!("{point}:1:kill"))
        .env("PHASELINE_FAULT_LOG", &log)
        .output()
        .unwrap();
    assert!(!killed.status.success());
    assert!(std::fs::read_to_string(&log).unwrap().contains(point), "the fault has not fired");
    let list = || project.run(&[&["runs", "--json"], database].concat()).expect(0).json().as_array().unwrap().len();
    assert_eq!(list(), runs_left, "after the kill at {point}");
    let again = project.run(&arguments).expect(0).json();
    let third = project.run(&arguments).expect(0).json();
    assert_eq!((&again["run"], &again["state"]), (&third["run"], &third["state"]));
    assert_eq!(third["is_new"], false);
}

#[test]
fn whoever_is_killed_between_commit_and_answer_finds_the_same_run_again() {
    let project = Project::with_manifest(MANIFEST);
    let version = Version::read(&project.path().join("pipeline.yaml")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let prepare = |url: StoreUrl| {
        runtime.block_on(async {
            let store = open(&url).await;
            register(&url, &version).await;
            let (shutdown, over) = watch::channel(false);
            let (_versions, pipelines) =
                watch::channel(Arc::new(vec![Version { text: version.text.replace("1s", "7d"), ..version.clone() }]));
            let daemon = tokio::spawn(look_after(store.clone(), Bell::new(), Arc::default(), pipelines, over));
            until("the triggers to be taken up", async || summary(&store, "hook").await).await;
            shutdown.send_replace(true);
            daemon.await.unwrap();
            store.close().await;
        });
    };
    let check = |database: &[&str]| {
        killed_at("tick.before_commit", 0, &project, database, "one");
        killed_at("tick.after_commit", 2, &project, database, "two");
    };
    prepare(StoreUrl::in_state_folder(&project.path().join(".phaseline")));
    check(&[]);
    let cluster = runtime.block_on(Cluster::start());
    let url = runtime.block_on(cluster.database("killed"));
    prepare(url.clone());
    let StoreUrl::Postgres(text) = &url else { panic!("a Postgres database") };
    check(&["--database-url", text]);
}

#[test]
fn coming_times_are_shown_without_a_daemon() {
    let manifest = "version: 1\npipeline: p\ntriggers:\n  nightly: {cron: \"30 2 * * *\", timezone: Europe/Berlin}\n  \
        often: {every: 15m}\n  hook: {webhook: token}\nunderstanding:\n  steps: {a: {run: \"true\"}}\n";
    let project = Project::with_manifest(manifest);
    let shown = project.run(&["triggers", "next", "pipeline.yaml", "-c", "2", "--from", "2026-03-28T08:00:00Z"]);
    insta::assert_snapshot!(shown.expect(0).stdout(), @r"
    nightly (cron)
      2026-03-29 01:00:00 UTC  Sun 2026-03-29 03:00:00 CEST
      2026-03-30 00:30:00 UTC  Mon 2026-03-30 02:30:00 CEST
    often (every)
      2026-03-28 08:15:00 UTC
      2026-03-28 08:30:00 UTC
    hook (webhook)
      does not go by the clock
    ");
    let refused = project.run(&["triggers", "fire", "churn"]).expect(2);
    assert!(refused.stderr().contains("PIPELINE.TRIGGER"), "{}", refused.stderr());
    assert!(!Path::new(&project.path().join(".phaseline")).exists(), "asking leaves nothing behind");
}
