"""Writes tests/fixtures/oracle/gx_queries.json: suites of one query each with what Great Expectations makes of them.

pip install great_expectations==1.24.1 sqlalchemy==2.0.58
Run from the repository's root: python tools/oracle/gx_queries.py

Queries run over SQLite in memory. They are ones to which its SQL and ours give the same meaning.
"""

import json
import sqlite3
import tempfile

import great_expectations as gx
import sqlalchemy
from great_expectations.expectations import UnexpectedRowsExpectation

TABLE = {
    "id": [1, 2, 3, 4, 5, 6, 7, 7],
    "plan": ["pro", "basic", None, "", "größer {x}", "pro", "basic", "basic"],
    "spent": [10.5, -3.25, 0.0, None, 1e9, -1e-9, 2.0, 2.0],
    "Limit": [10, 10, 10, 10, None, 5, 2, 3],
}

QUERIES = [
    ("none is unexpected", "SELECT * FROM {batch} WHERE spent > 1e12"),
    ("some are", "SELECT * FROM {batch} WHERE spent < 0 ORDER BY id"),
    ("columns of their own", "SELECT id, spent * 2 AS doubled, upper(plan) AS tier FROM {batch} WHERE spent > \"Limit\" ORDER BY id"),
    ("nulls are neither", "SELECT id FROM {batch} WHERE NOT spent > 0 ORDER BY id"),
    ("nulls themselves", "SELECT id, plan, \"Limit\" FROM {batch} WHERE plan IS NULL OR \"Limit\" IS NULL ORDER BY id;\n"),
    ("an empty text is a value", "SELECT id FROM {batch} WHERE plan = ''"),
    ("groups", "SELECT id, count(*) AS n FROM {batch} GROUP BY id HAVING count(*) > 1"),
    ("an aggregate gives one row even of nothing", "SELECT max(spent) AS most FROM {batch} WHERE id > 99"),
    ("a share of the rows", "SELECT share FROM (SELECT avg(CASE WHEN plan IS NULL THEN 1.0 ELSE 0.0 END) AS share FROM {batch}) s WHERE share > 0.1"),
    ("a share that is small enough", "SELECT share FROM (SELECT avg(CASE WHEN plan IS NULL THEN 1.0 ELSE 0.0 END) AS share FROM {batch}) s WHERE share > 0.2"),
    ("joined with itself", "SELECT a.id, a.\"Limit\" AS one, b.\"Limit\" AS other FROM {batch} a JOIN {batch} b ON a.id = b.id AND a.\"Limit\" < b.\"Limit\""),
    ("a part of it that reads it", "SELECT id FROM {batch} WHERE spent = (SELECT max(spent) FROM {batch})"),
    ("named before", "WITH low AS (SELECT * FROM {batch} WHERE spent < 1) SELECT id FROM low WHERE plan LIKE 'b%' ORDER BY id"),
    ("a window", "SELECT id, \"Limit\" FROM (SELECT *, row_number() OVER (PARTITION BY id ORDER BY \"Limit\" DESC) AS n FROM {batch}) s WHERE n > 1"),
    ("doubled braces", "SELECT id FROM {batch} WHERE plan LIKE '%{{x}}'"),
    ("no row is read", "SELECT 1 AS one FROM {batch} WHERE 1 = 2"),
    ("a limit", "SELECT id FROM {batch} ORDER BY id DESC LIMIT 3"),
    ("more than are shown", "SELECT a.id * 10 + b.id AS pair FROM {batch} a CROSS JOIN {batch} b ORDER BY pair"),
    ("rows that are put together", "SELECT id FROM {batch} WHERE spent < 0 UNION SELECT id FROM {batch} WHERE plan IS NULL ORDER BY id"),
]


def main():
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/data.db"
        with sqlite3.connect(path) as database:
            database.execute('CREATE TABLE orders (id INTEGER, plan TEXT, spent REAL, "Limit" INTEGER)')
            database.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", list(zip(*TABLE.values())))
        context = gx.get_context(mode="ephemeral")
        source = context.data_sources.add_sqlite("source", connection_string=f"sqlite:///{path}")
        asset = source.add_table_asset("orders", table_name="orders")
        batch = asset.add_batch_definition_whole_table("all").get_batch()
        for name, query in QUERIES:
            suite = gx.ExpectationSuite(name=name)
            suite.add_expectation(UnexpectedRowsExpectation(unexpected_rows_query=query))
            said = batch.validate(suite.expectations[0], result_format="COMPLETE").to_json_dict()
            assert not said["exception_info"].get("raised_exception"), (name, said)
            saved = suite.to_json_dict()
            listed = [{"type": it["type"], "kwargs": it["kwargs"]} for it in saved["expectations"]]
            result = said["result"]
            # Ours shows the first 20 rows, theirs the first 200.
            result["details"]["unexpected_rows"] = result["details"]["unexpected_rows"][:20]
            cases.append({"case": name, "suite": {"name": name, "expectations": listed},
                          "success": said["success"], "result": result})
    versions = {"great_expectations": gx.__version__, "sqlalchemy": sqlalchemy.__version__,
                "sqlite": sqlite3.sqlite_version}
    with open("tests/fixtures/oracle/gx_queries.json", "w", encoding="utf-8") as file:
        file.write('{\n "versions": %s,\n "table": %s,\n "cases": [\n  ' % (json.dumps(versions), json.dumps(TABLE, ensure_ascii=False)))
        file.write(",\n  ".join(json.dumps(case, ensure_ascii=False) for case in cases))
        file.write("\n ]\n}\n")


if __name__ == "__main__":
    main()
