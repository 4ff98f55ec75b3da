//! Promises of reading only what is new, through the program.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};

use crate::harness::postgres::Cluster;
use crate::harness::project::Project;
use phaseline::store::StoreUrl;

#[test]
fn a_step_with_a_cursor_reads_what_came_since_the_last_run_that_succeeded() {
    let manifest = "
version: 1
pipeline: demo
understanding:
  steps:
    orders:
      uses: ingest.sql
      with: {url: \"sqlite:.phaseline/shop.db\", query: SELECT id AS number FROM t, cursor: number}
    checked:
      uses: validate.table
      inputs: {table: orders}
      with: {on_fail: fail, expect: [{check: row_count, max: 3}]}
";
    let project = Project::with_manifest(manifest);
    let shop = project.path().join(".phaseline/shop.db");
    std::fs::create_dir_all(shop.parent().unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let execute = |sql: &'static str| {
        use sqlx::{ConnectOptions, Connection, Executor};
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&shop).create_if_missing(true);
        runtime.block_on(async {
            let mut connection = options.connect().await.unwrap();
            connection.execute(sql).await.unwrap();
            connection.close().await.unwrap();
        });
    };
    let run = |args: &[&str], code: i32| {
        let document = project.run(&[&["run", "pipeline.yaml", "--json"], args].concat()).expect(code).json();
        let orders = &document["steps"]["orders"];
        let new = orders["metrics"]["new_rows"].as_f64().unwrap();
        (new, orders["outputs"]["table"]["rows"].as_f64().unwrap())
    };
    execute("CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1), (2)");
    assert_eq!(run(&[], 0), (2.0, 2.0));
    execute("INSERT INTO t VALUES (3), (4)");
    // This run fails behind the step, so it moves nothing.
    assert_eq!(run(&[], 1), (2.0, 4.0));
    execute("DELETE FROM t WHERE id = 4");
    assert_eq!(run(&[], 0), (1.0, 3.0));
    assert_eq!(run(&[], 0), (0.0, 3.0));
    assert_eq!(run(&["--refresh", "orders"], 0), (3.0, 3.0));
    // The way it came is on record: a table has come from the one of the run before.
    let sql = "select input from lineage_inputs where step = 'orders' group by input order by input";
    let told = project.run(&["sql", sql]).expect(0).stdout();
    assert!(told.contains("former_position") && told.contains("former_table"), "{told}");
    let shown = project.run(&["show", "latest", "--json"]).expect(0).json();
    let outputs: Vec<&str> =
        shown["steps"][0]["outputs"].as_array().unwrap().iter().map(|it| it["output"].as_str().unwrap()).collect();
    assert!(outputs.contains(&"position"), "{outputs:?}");
}

#[test]
fn every_type_of_cursor_goes_on_from_where_it_was_on_postgres() {
    // Each with two first values, of which the second is the greatest, and a greater one. The texts are in the order of their
    // bytes, which is not that of the database.
    type Case = (&'static str, &'static str, &'static str, &'static str, &'static str);
    let types: [Case; 5] = [
        ("number", "bigint", "1", "2", "3"),
        ("day", "date", "'2026-02-27'", "'2026-02-28'", "'2026-03-01'"),
        ("moment", "timestamp", "'2026-02-28 10:00'", "'2026-02-28 10:00:00.000001'", "'2026-02-28 10:00:00.000002'"),
        ("instant", "timestamptz", "'1969-12-31 23:00+01'", "'2026-02-28 10:00+01'", "'2026-02-28 09:30:00.5+00'"),
        ("word", "text", "'B'", "'Z''\\z'", "'a'"),
    ];
    let steps: Vec<String> = types
        .iter()
        .map(|(name, ..)| {
            format!(
                "    {name}:
      uses: ingest.sql
      with:
        url_env: SHOP_DATABASE_URL
        query: SELECT id AS \"the id\", at AS \"At\" FROM t_{name}
        cursor: At
        mode: delta
"
            )
        })
        .collect();
    let manifest = format!("version: 1\npipeline: demo\nunderstanding:\n  steps:\n{}", steps.concat());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (_cluster, url) = runtime.block_on(async {
        let cluster = Cluster::start().await;
        let StoreUrl::Postgres(url) = cluster.database("shop").await else { panic!("a Postgres URL") };
        (cluster, url)
    });
    let execute = |of: &dyn Fn(&Case) -> String| {
        let sql: Vec<String> = types.iter().map(of).collect();
        runtime.block_on(async {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(sql.join(";"))).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        });
    };
    let project = Project::with_manifest(&manifest).env("SHOP_DATABASE_URL", &url);
    let read = || {
        let document = project.run(&["run", "pipeline.yaml", "--json"]).expect(0).json();
        let of = |name: &str| document["steps"][name]["outputs"]["table"]["rows"].as_u64().unwrap();
        types.map(|(name, ..)| of(name))
    };
    execute(&|(name, kind, one, two, _)| {
        format!("CREATE TABLE t_{name} (id int, at {kind}); INSERT INTO t_{name} VALUES (1, {one}), (2, {two})")
    });
    assert_eq!(read(), [2; 5]);
    assert_eq!(read(), [0; 5]);
    execute(&|(name, _, _, two, three)| format!("INSERT INTO t_{name} VALUES (3, {two}), (4, {three}), (5, {three})"));
    assert_eq!(read(), [3; 5]);
    assert_eq!(read(), [0; 5]);
    execute(&|(name, ..)| format!("INSERT INTO t_{name} VALUES (6, NULL)"));
    let failed = project.run(&["run", "pipeline.yaml", "--json"]).expect(1).json();
    for (name, ..) in types {
        assert_eq!(failed["steps"][name]["error"]["code"], "cursor_null", "{name}");
    }
}
