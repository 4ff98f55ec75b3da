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

    let odd = "SELECT ARRAY[1, NULL, 3] AS list, ARRAY[['a', 'b']] AS lists, ARRAY['{\"k\": 1}'::jsonb] AS docs, ARRAY[1.5] AS nums, \
               '\\x00ff'::bytea AS bytes, time '18:45:00.5' AS at, 'NaN'::numeric AS nan, '-Infinity'::float8 AS inf, \
               date '0001-01-01' AS early, date '9999-12-31' AS late, timestamptz '2300-06-01 00:00+00' AS beyond, \
               timestamp '1850-01-01 10:00' AS before, 12345678901234567890.25 AS large";
    let ran = query(odd).unwrap();
    insta::assert_snapshot!(show(&ran.table("table")), @r#"
    list:Utf8 lists:Utf8 docs:Utf8 nums:Utf8 bytes:Utf8 at:Utf8 nan:Float64 inf:Float64 early:Date32 late:Date32 beyond:Timestamp(µs, "+00:00") before:Timestamp(µs) large:Float64
    [1,null,3] [["a","b"]] [{"k":1}] [1.5] \x00ff 18:45:00.500000 ~ -inf 0001-01-01 9999-12-31 2300-06-01T00:00:00Z 1850-01-01T10:00:00 1.2345678901234567e19
    "#);
    insta::assert_snapshot!(ran.log.join("\n"), @"warning: column `large` holds decimals that lose digits as doubles; give it a type such as `decimal(38,2)` or `text` in `types`");
    let typed = |query: &str, types: serde_json::Value| {
        let ended = bench.run("ingest.sql", json!({"url": url, "query": query, "types": types}), &[]);
        ended.map_or_else(|error| format!("{}: {error}", error.code()), |ran| show(&ran.table("table")))
    };
    let large = "SELECT 12345678901234567890.25 AS a, 0.1 AS b, date '2024-01-31' AS c";
    insta::assert_snapshot!(typed(large, json!({"a": "decimal(38,2)", "b": "text", "c": "text"})), @r"
    a:Decimal128(38, 2) b:Utf8 c:Utf8
    12345678901234567890.25 0.1 2024-01-31
    ");
    insta::assert_snapshot!(typed("SELECT repeat('9', 39)::numeric AS a", json!({"a": "decimal(38,0)"})), @"sql_value: a value of column `a` cannot be kept: `999999999999999999999999999999999999999` is no decimal(38,0)");

    let under = |query: &str, column_type: &str, with: serde_json::Value| {
        let contract = json!({"contract": "c", "columns": [{"name": "x", "type": column_type, "nullable": true}]});
        let mut with = with;
        with["url"] = json!(url);
        with["query"] = json!(query);
        with["contract"] = contract;
        match bench.run("ingest.sql", with, &[]) {
            Ok(ran) => [show(&ran.table("table")), ran.log.join("\n")].join("\n").trim_end().to_owned(),
            Err(error) => format!("{error} ({})", error.remedy().unwrap_or("-")),
        }
    };
    insta::assert_snapshot!(under("SELECT 12345678901234567890.25 AS x", "decimal(38,2)", json!({})), @"
    x:Decimal128(38, 2)
    12345678901234567890.25
    ");
    insta::assert_snapshot!(under("SELECT 7 AS x", "decimal(9,2)", json!({})), @"
    x:Decimal128(9, 2)
    7.00
    ");
    insta::assert_snapshot!(under("SELECT 0.1::float4 AS x", "decimal(9,2)", json!({})), @"
    the table breaks contract `c` version 1:
      - column `x` is float64; the contract says decimal(9,2) (cast it in the query: `CAST(x AS decimal(9,2)) AS x`; correct the source, or change the contract and raise its `version`; `evolution: [add_columns, widen]` in it accepts new columns and wider types; `on_violation: quarantine` puts rows that break a rule aside)
    ");
    insta::assert_snapshot!(under("SELECT true AS x", "decimal(9,2)", json!({})), @"
    the table breaks contract `c` version 1:
      - column `x` is bool; the contract says decimal(9,2) (cast it in the query: `CAST(CAST(x AS INT) AS decimal(9,2)) AS x`; correct the source, or change the contract and raise its `version`; `evolution: [add_columns, widen]` in it accepts new columns and wider types; `on_violation: quarantine` puts rows that break a rule aside)
    ");
    insta::assert_snapshot!(under("SELECT 0.5::float8 AS x", "decimal(9,2)", json!({"on_violation": "warn"})), @"
    x:Float64
    0.5
    warning: contract `c` version 1: column `x` is float64; the contract says decimal(9,2)
    ");
    insta::assert_snapshot!(under("SELECT 0.123 AS x", "decimal(9,2)", json!({"on_violation": "warn"})), @"
    x:Utf8
    0.123
    warning: contract `c` version 1: column `x`: 1 value is no decimal(9,2), such as `0.123` in row 1
    ");
    insta::assert_snapshot!(under("SELECT 'infinity'::timestamp AS x", "timestamp", json!({})), @"a value of column `x` cannot be kept: infinity is no moment (make a text of it in the query: `CAST(… AS TEXT)`, on MySQL `CAST(… AS CHAR)`, and `HEX(…)` where it is bytes)");

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
