//! A daemon with a run that makes no sense, or with too little room.

use std::fs::File;

use phaseline::store::StoreUrl;
use reqwest::Method;
use rustix::fs::{FallocateFlags, fallocate, statvfs};

use super::{begun, holding, ran_once, shown, submit, until_state};
use crate::harness::daemon::{Daemon, log_of, until};
use crate::harness::databases::write;
use crate::harness::project::Project;

const QUICK: &str = "version: 1
pipeline: quick
understanding: {steps: {only: {run: echo done, cache: false}}}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_makes_no_sense_is_put_aside_the_others_go_on_and_once_mended_it_does_too() {
    let project = Project::new();
    project.write("pipelines/quick.yaml", QUICK);
    let bad = project.run(&["submit", "pipelines/quick.yaml"]).expect(0).stdout().trim().to_owned();
    let url = StoreUrl::in_state_folder(&project.path().join(".phaseline"));
    let swap = |from: &str, to: &str| {
        format!("update run_definitions set plan = replace(plan, '{from}', '{to}') where run_id = '{bad}'")
    };
    write(&url, &swap("\"steps\"", "\"stteps\"")).await;
    let mut daemon = Daemon::start(&project);
    let good = submit(&daemon, "quick").await;
    until_state(&daemon, &good, "succeeded").await;
    let parked =
        until("the run to be put aside", async || shown(&daemon, &bad).await["parked"].as_str().map(str::to_owned))
            .await;
    assert!(parked.starts_with("quarantined: corrupt: ") && parked.contains(&bad), "{parked}");
    let log = log_of(&project);
    assert!(log.contains("the run is put aside") && log.contains(&bad), "{log}");
    assert!(!daemon.is_gone(), "{log}");
    let (status, _) = daemon.ask(Method::GET, "/readyz", None).await;
    assert_eq!(status, 200, "one bad run is no trouble of the daemon");
    let told = project.run(&["why", &bad, "only"]).expect(0).stdout();
    assert!(told.contains("was put aside"), "{told}");
    drop(daemon);

    write(&url, &swap("\"stteps\"", "\"steps\"")).await;
    let daemon = Daemon::start(&project);
    until_state(&daemon, &bad, "succeeded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_on_the_disk_nothing_new_begins_and_with_room_it_goes_on() {
    let project = Project::new();
    project.write("pipelines/holding.yaml", holding(&project, "holding"));
    let disk = statvfs(project.path()).unwrap();
    let free = disk.f_bavail * disk.f_frsize;
    // Others write to the disk too: what they write meanwhile is far less than either half.
    let ballast = (free / 8).min(6 << 30);
    let floor = format!("{}B", free - ballast / 2);
    let daemon = Daemon::start_with(&project, &["--disk-floor", &floor]);
    let run = submit(&daemon, "holding").await;
    begun(&project, &run, "hold").await;
    let readiness = async || {
        let (status, answer) = daemon.ask(Method::GET, "/readyz", None).await;
        (status, answer["error"]["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(readiness().await, (200, String::new()));

    let filler = project.path().join("ballast");
    fallocate(File::create(&filler).unwrap(), FallocateFlags::empty(), 0, ballast).unwrap();
    until("the trouble", async || (readiness().await == (503, "disk_full".to_owned())).then_some(())).await;
    let late = submit(&daemon, "holding").await;
    project.write("go", "");
    // What runs may end, and nothing follows it.
    until("the end of the first step", async || {
        (shown(&daemon, &run).await["progress"]["succeeded"] == 1).then_some(())
    })
    .await;
    let told = until("why it waits", async || {
        let told = project.run(&["why", &run, "after"]).expect(0).stdout();
        told.contains("MiB are free").then_some(told)
    })
    .await;
    assert!(told.contains("make room"), "{told}");
    assert_eq!(shown(&daemon, &late).await["progress"]["succeeded"], 0);
    assert!(log_of(&project).contains("nothing new begins below"), "{}", log_of(&project));

    std::fs::remove_file(filler).unwrap();
    for run in [&run, &late] {
        until_state(&daemon, run, "succeeded").await;
    }
    assert_eq!(readiness().await, (200, String::new()));
    ran_once(&project, &[run, late], &["hold", "after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn that_no_runs_can_be_taken_is_told_once_and_so_is_the_end_of_it() {
    let project = Project::new();
    project.write("pipelines/quick.yaml", QUICK);
    let daemon = Daemon::start(&project);
    let url = StoreUrl::in_state_folder(&project.path().join(".phaseline"));
    let logged = async |text: &str| {
        until(text, async || log_of(&project).contains(text).then_some(())).await;
    };
    write(&url, "alter table requests rename to requests_kept").await;
    logged("no runs can be taken now").await;
    let run = submit(&daemon, "quick").await;
    write(&url, "alter table requests_kept rename to requests").await;
    logged("runs are taken again").await;
    until_state(&daemon, &run, "succeeded").await;
    let log = log_of(&project);
    let told: Vec<&str> = log.lines().filter(|line| line.contains("no runs can be taken now")).collect();
    assert!(told.len() == 1 && told[0].contains("requests"), "{log}");
}
