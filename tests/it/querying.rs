//! Rows of a real Postgres become tables, with the types that steps work with.

use phaseline::step::Fault;
use phaseline::step::testing::{Workbench, show};
use phaseline::store::StoreUrl;
use serde_json::json;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};

use crate::harness::postgres::Cluster;

#[test]
fn a_query_on_postgres_becomes_a_table() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut cluster = runtime.block_on(Cluster::start());
    let StoreUrl::Postgres(url) = runtime.block_on(cluster.database("crm")) else { panic!("no Postgres URL") };
    runtime.block_on(async {
        let mut connection = PgConnection::connect(&url).await.unwrap();
        connection
            .execute(
                "CREATE TYPE plan AS ENUM ('basic', 'gold');
                 CREATE TABLE t (id int4, big int8, ok bool, x float4, price numeric(10, 3), plan plan, born date,
                     at timestamptz, noted timestamp, doc jsonb, key uuid, span interval);
                 INSERT INTO t VALUES
                     (1, 9007199254740993, true, 0.5, -12345.678, 'gold', '1969-12-31', '2026-01-01 12:00+02',
                      '2026-01-01 12:00:00.25', '{\"a\": 1}', '00000000-0000-0000-0000-000000000001', '1 day'),
                     (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);",
            )
            .await
            .unwrap();
    });
    let bench = Workbench::new();
    let query = |text: &str| bench.run("ingest.sql", json!({"url": url, "query": text}), &[]);
    let all = "SELECT id, big, ok, x, price, plan, born, at, noted, doc, key FROM t ORDER BY id";
    insta::assert_snapshot!(show(&query(all).unwrap().table("table")), @r#"
    id:Int64 big:Int64 ok:Boolean x:Float64 price:Float64 plan:Utf8 born:Date32 at:Timestamp(µs, "+00:00") noted:Timestamp(µs) doc:Utf8 key:Utf8
    1 9007199254740993 true 0.5 -12345.678 gold 1969-12-31 2026-01-01T10:00:00Z 2026-01-01T12:00:00.250 {"a": 1} 00000000-0000-0000-0000-000000000001
    2 ~ ~ ~ ~ ~ ~ ~ ~ ~ ~
    "#);
    // No rows are a table too, with all its columns.
    assert_eq!(query("SELECT id, plan FROM t WHERE id > 9").unwrap().metric("columns"), Some(2.0));
    let many = query("SELECT i, repeat('x', 50) AS t FROM generate_series(1, 50000) AS i").unwrap();
    assert_eq!(many.metric("rows"), Some(50_000.0));

    let refused = |text: &str| {
        let error = query(text).err().unwrap();
        format!("{} ({}): {error}", error.code(), error.fault())
    };
    insta::assert_snapshot!(refused("SELECT span FROM t"), @"sql_type (input): column `span` has type INTERVAL, which no step works with");
    insta::assert_snapshot!(refused("SELECT nix FROM t"), @r#"sql_query (input): the database refuses the query: column "nix" does not exist"#);
    insta::assert_snapshot!(refused("DELETE FROM t RETURNING id"), @"sql_query (input): the database refuses the query: cannot execute DELETE in a read-only transaction");
    insta::assert_snapshot!(refused("SELECT 1 / (id - id) AS x FROM t"), @"sql_query (input): the database refuses the query: division by zero");
    cluster.stop();
    let error = query("SELECT 1 AS x").err().unwrap();
    assert_eq!((error.code(), error.fault()), ("sql_connect", Fault::Environment));
}
