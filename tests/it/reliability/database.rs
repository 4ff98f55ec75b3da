//! A Postgres that goes away, comes back, ends connections, turns read-only or is held up, in the middle of runs.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{Connection, raw_sql};

use phaseline::store::StoreUrl;

use super::fleet::Fleet;
use super::{Chance, conclude, trials};
use crate::harness::postgres::Cluster;

const TROUBLES: [&str; 6] = ["restart", "stop for a while", "end connections", "read-only", "a held lock", "too many"];

async fn ask(url: &StoreUrl, sql: &'static str) {
    let StoreUrl::Postgres(url) = url else { panic!("not Postgres") };
    let mut connection = PgConnection::connect(url).await.unwrap();
    raw_sql(sql).execute(&mut connection).await.unwrap();
}

async fn make(trouble: &str, cluster: &mut Cluster, url: &StoreUrl) {
    let StoreUrl::Postgres(text) = url else { panic!("not Postgres") };
    match trouble {
        "restart" => {
            cluster.stop();
            cluster.start_again().await;
        }
        "stop for a while" => {
            cluster.stop();
            tokio::time::sleep(Duration::from_secs(4)).await;
            cluster.start_again().await;
        }
        "end connections" => {
            ask(
                url,
                "select pg_terminate_backend(pid) from pg_stat_activity
                where application_name = 'phaseline' and pid <> pg_backend_pid()",
            )
            .await;
        }
        "read-only" => {
            let mut connection = PgConnection::connect(text).await.unwrap();
            let mut say = async |sql: &'static str| raw_sql(sql).execute(&mut connection).await.map(drop).unwrap();
            say("alter system set default_transaction_read_only = on").await;
            say("select pg_reload_conf()").await;
            tokio::time::sleep(Duration::from_secs(2)).await;
            say("set default_transaction_read_only = off").await;
            say("alter system reset default_transaction_read_only").await;
            say("select pg_reload_conf()").await;
        }
        "a held lock" => {
            let mut connection = PgConnection::connect(text).await.unwrap();
            raw_sql("begin; lock table runs in access exclusive mode").execute(&mut connection).await.unwrap();
            tokio::time::sleep(Duration::from_secs(3)).await;
            raw_sql("rollback").execute(&mut connection).await.unwrap();
        }
        "too many" => {
            let mut taken = Vec::new();
            while let Ok(connection) = PgConnection::connect(text).await {
                taken.push(connection);
            }
            assert!(!taken.is_empty());
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        other => panic!("{other} is no trouble"),
    }
}

#[tokio::test]
async fn runs_go_on_when_the_database_is_back_whatever_had_happened_to_it_on_postgres() {
    let mut cluster = Cluster::start().await;
    let url = cluster.database("troubles").await;
    let mut fleet = Fleet::new(Some(url.clone())).await;
    let mut chance = Chance::new("troubles of the database");
    let mut daemon = fleet.daemon(None, &[]);
    for trial in 0..trials(TROUBLES.len()) {
        fleet.submit(&format!("trouble{trial}")).await;
        tokio::time::sleep(Duration::from_millis(200 + chance.below(500))).await;
        make(TROUBLES[trial % TROUBLES.len()], &mut cluster, &url).await;
        fleet.until_done(|| false).await;
        assert!(!daemon.is_gone(), "the daemon ended by itself");
    }
    conclude("database_troubles", "postgres", trials(TROUBLES.len()), &fleet.violations().await);
}
