//! The pipeline with Python steps and rows from Postgres.

use std::fs;
use std::path::Path;
use std::process::Command;

use phaseline::cli::sample::Sample;
use phaseline::store::StoreUrl;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};

use super::{assert_between, assert_passed, digests, folder, in_state};
use crate::harness::postgres::Cluster;
use crate::harness::project::Project;

const NO_PYTHON: &str = "this test needs `python3` with what the Python steps import: \
    pip install -r pipelines/python/requirements.txt";

fn assert_python() {
    let asks = "import importlib.metadata as m; [m.version(name) for name in ('scikit-learn', 'pandas', 'pyarrow')]";
    let imports = Command::new("python3").args(["-c", asks]).output();
    let told = imports
        .as_ref()
        .map_or_else(ToString::to_string, |output| String::from_utf8_lossy(&output.stderr).trim().to_owned());
    assert!(imports.is_ok_and(|output| output.status.success()), "{NO_PYTHON}\n{told}");
}

/// A server with the shop's tables, its URL, and how many orders there are.
async fn shop() -> (Cluster, String, i64) {
    let cluster = Cluster::start().await;
    let StoreUrl::Postgres(url) = cluster.database("shop").await else { panic!("a Postgres URL") };
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(Sample::Shop.shipped())).execute(&mut connection).await.unwrap();
    let orders = sqlx::query_scalar("SELECT count(*) FROM shop_orders").fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    (cluster, url, orders)
}

/// The pipeline in a folder of its own, since Python writes beside the programs that it runs.
fn project(url: &str) -> Project {
    let project = Project::new().env("SHOP_DATABASE_URL", url);
    for file in ["orders.yaml", "python/features.py", "python/train.py", "python/score.py"] {
        project.write(file, fs::read(folder().join(file)).unwrap());
    }
    project
}

#[test]
fn orders_are_read_from_postgres_and_learned_from_in_python() {
    assert_python();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (_cluster, url, orders) = runtime.block_on(shop());
    let project = project(&url);
    let run =
        |arguments: &[&str]| project.run(&[&["run", "orders.yaml", "--json"], arguments].concat()).expect(0).json();
    let first = run(&[]);
    assert_passed(&first);
    assert_between(&first, "regression", "valid.roc_auc", 0.5..0.95);
    assert_between(&first, "scores", "roc_auc", 0.65..0.95);
    assert_eq!(first["steps"]["orders"]["outputs"]["table"]["rows"], orders);

    // What comes from the database is read anew each time; the same rows have the same digest, and nothing else runs.
    let second = run(&[]);
    assert_eq!(in_state(&second, "succeeded"), ["customers", "orders"]);
    let refreshed = run(&["--refresh", "regression", "--refresh", "scores"]);
    assert_eq!(digests(&refreshed), digests(&first));

    let files = fs::read(project.path().join("python/score.py")).unwrap();
    project.write("python/score.py", [&files[..], b"\n# Another version of the program.\n"].concat());
    assert_eq!(in_state(&run(&[]), "succeeded"), ["customers", "orders", "scores"]);

    assert_absent(&url, &project.path().join(".phaseline"));
}

/// No file in the folder holds the secret.
fn assert_absent(secret: &str, folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_absent(secret, &path);
        } else {
            let content = fs::read(&path).unwrap();
            let found = content.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{} holds the URL of the database", path.display());
        }
    }
}
