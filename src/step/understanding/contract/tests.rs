//! What a contract promises of an ingest step, on small files.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use serde_json::{Value, json};

use super::{Contract, Inferring, infer, write};
use crate::step::testing::{Ran, Workbench, show};
use crate::step::{StepError, StepRegistry};
use crate::table::TableReader;

const CUSTOMERS: &str = "\
contract: customers
version: 3
primary_key: [id]
columns:
  - {name: id, type: text}
  - {name: tenure, type: int64, nullable: true, min: 0, max: 120}
  - {name: charge, type: float64}
  - {name: since, type: date, nullable: true, optional: true}
  - {name: plan, type: text, allowed: [basic, pro]}
";

fn ingest(text: &str, contract: &str, with: Value) -> Result<Ran, StepError> {
    let bench = Workbench::new();
    bench.file("t.csv", text);
    let mut params = with;
    params["path"] = json!("t.csv");
    params["contract"] = json!(contract);
    bench.run("ingest.csv", params, &[])
}

fn check(text: &str, contract: &str, with: Value) -> String {
    match ingest(text, contract, with) {
        Ok(ran) => show(&ran.table("table")),
        Err(error) => format!("{}: {error}\n({})", error.code(), error.remedy().unwrap_or("-")),
    }
}

#[test]
fn a_table_that_keeps_its_contract_gets_its_form() {
    // Digits are texts, whole numbers are floats, columns come in the contract's order, and an optional one is added.
    insta::assert_snapshot!(check("plan,charge,id,tenure\npro,3,007,1\nbasic,4,008,\n", CUSTOMERS, json!({})), @"
    id:Utf8 tenure:Int64 charge:Float64 since:Date32 plan:Utf8
    007 1 3.0 ~ pro
    008 ~ 4.0 ~ basic
    ");
}

#[test]
fn all_differences_come_in_one_error_with_remedies() {
    let text = "id,Tenure,charge,plan,extra,since\n1,5,2.5,pro,x,soon\n1,6,,gold,y,2026-01-01\n";
    insta::assert_snapshot!(check(text, CUSTOMERS, json!({})), @"
    contract_violated: the table breaks contract `customers` version 3:
      - column `tenure` (int64) is missing; is it `Tenure` now?
      - column `Tenure` (int64) is new
      - column `extra` (text) is new
      - column `since`: 1 value is no date, such as `soon` in row 1
      - column `charge`: not_null: 1 of 2 rows, such as null
      - column `plan`: in_set {values: [basic, pro]}: 1 of 2 rows, such as \"gold\"
      - column `id`: primary_key: 2 of 2 rows
    (correct the source, or change the contract and raise its `version`; `evolution: [add_columns, widen]` in it accepts new columns and wider types; `optional: true` accepts that a column is missing; `on_violation: quarantine` puts rows that break a rule aside)
    ");
}

#[test]
fn evolution_says_what_may_change() {
    let grown = "id,tenure,charge,plan,extra\n1,5.5,2,pro,x\n";
    let with = |evolution: &str| format!("evolution: {evolution}\n{CUSTOMERS}");
    let check = |evolution: &str| check(grown, &with(evolution), json!({}));
    assert!(check("strict").contains("`extra` (text) is new\n  - column `tenure`: 1 value is no int64"));
    assert!(check("add_columns").contains("such as `5.5` in row 1") && !check("add_columns").contains("extra"));
    insta::assert_snapshot!(check("[add_columns, widen]"), @"
    id:Utf8 tenure:Float64 charge:Float64 since:Date32 plan:Utf8 extra:Utf8
    1 5.5 2.0 ~ pro x
    ");
    insta::assert_snapshot!(check("[ignore_columns, widen]"), @"
    id:Utf8 tenure:Float64 charge:Float64 since:Date32 plan:Utf8
    1 5.5 2.0 ~ pro
    ");
}

#[test]
fn a_value_that_is_no_number_does_not_widen_a_column_to_text() {
    let text = "id,tenure,charge,plan\n1,n/a,2,pro\n2,3,2,pro\n";
    let widening = format!("evolution: widen\n{CUSTOMERS}");
    assert!(check(text, &widening, json!({})).contains("`tenure`: 1 value is no int64, such as `n/a` in row 1"));
    let ran = ingest(text, &widening, json!({"on_violation": "quarantine"})).unwrap();
    assert_eq!(ran.table("table").num_rows(), 1);
}

#[test]
fn a_column_with_a_value_that_is_no_such_decimal_stays_as_it_was_read_where_that_only_warns() {
    let contract = "contract: c\ncolumns:\n  - {name: id, type: int64}\n  - {name: paid, type: \"decimal(5, 2)\", nullable: true}\n  \
                    - {name: owed, type: \"decimal(5, 2)\"}\n";
    let ran =
        ingest("owed,id,paid\n1,1,0.10\n2.5,2,\n-3,3,0.125\n", contract, json!({"on_violation": "warn"})).unwrap();
    insta::assert_snapshot!(show(&ran.table("table")), @"
    id:Int64 paid:Utf8 owed:Decimal128(5, 2)
    1 0.10 1.00
    2 ~ 2.50
    3 0.125 -3.00
    ");
    insta::assert_snapshot!(ran.log.join("\n"), @"warning: contract `c` version 1: column `paid`: 1 value is no decimal(5,2), such as `0.125` in row 3");
    assert_eq!((ran.metric("rows"), ran.metric("contract_violations")), (Some(3.0), Some(1.0)));
}

#[test]
fn the_order_of_columns_matters_only_where_the_contract_says_so() {
    let text = "charge,id,tenure,plan\n2.5,1,5,pro\n";
    assert!(check(text, CUSTOMERS, json!({})).starts_with("id:Utf8"));
    let ordered = check(text, &format!("ordered: true\n{CUSTOMERS}"), json!({}));
    assert!(ordered.contains("`charge` stands where `id` should"), "{ordered}");
}

#[test]
fn rows_that_break_a_rule_can_be_put_aside_with_those_that_cannot_be_read() {
    let text = "id,tenure,charge,plan\na,1,2.5,pro\nb,121,2.5,gold\nc,2,2.5\nd,x,2.5,pro\na,3,2.5,pro\ne,4,2.5,basic\n";
    let ran = ingest(text, CUSTOMERS, json!({"bad_rows": "quarantine", "on_violation": "quarantine"})).unwrap();
    insta::assert_snapshot!(show(&ran.table("table")), @"
    id:Utf8 tenure:Int64 charge:Float64 since:Date32 plan:Utf8
    e 4 2.5 ~ basic
    ");
    let aside = ran.table("quarantine");
    let shown = show(&aside);
    assert_eq!(aside.num_rows(), 5, "{shown}");
    assert!(shown.contains("line 4 has 3 fields where 4 are expected"), "{shown}");
    assert!(shown.contains("column `tenure` holds `x`, which is no int64"), "{shown}");
    assert!(shown.contains("tenure: between {min: 0, max: 120}; plan: in_set {values: [basic, pro]}"), "{shown}");
    // The lines are rows of the table as it was read, whichever pass found them.
    let lines: Vec<i64> = aside.column(1).as_primitive::<Int64Type>().values().to_vec();
    assert_eq!(lines, [4, 3, 1, 2, 4], "{shown}");
    assert_eq!(ran.metric("contract_quarantined"), Some(4.0));
    assert_eq!((ran.metric("rows"), ran.metric("contract_violations")), (Some(1.0), Some(0.0)));
    // What is no matter of single rows still fails the step.
    let failed = check("id,tenure,charge\na,1,2.5\n", CUSTOMERS, json!({"on_violation": "quarantine"}));
    assert!(failed.contains("`plan` (text) is missing"), "{failed}");
}

#[test]
fn a_query_is_no_rule_of_a_contract() {
    let contract = format!("{CUSTOMERS}checks:\n  - {{check: sql, query: SELECT * FROM table}}\n");
    let error = super::Contract::parse(&contract).unwrap_err();
    assert_eq!(error, "a query is no rule of a contract: write `sql` under `expect` of a `validate.table` step");
}

#[test]
fn a_check_of_a_column_that_is_not_there_is_told() {
    let contract = format!("{CUSTOMERS}checks:\n  - {{check: not_null, column: chrge}}\n");
    let text = "id,tenure,charge,plan\n1,5,2.5,pro\n";
    for on_violation in ["error", "quarantine"] {
        let told = check(text, &contract, json!({"on_violation": on_violation}));
        assert!(told.contains("column `chrge`: not_null: could not be checked: "), "{told}");
    }
    // A column that is missing is told once.
    let missing = check("id,charge,plan\n1,2.5,pro\n", CUSTOMERS, json!({}));
    assert_eq!(missing.matches("tenure").count(), 1, "{missing}");
}

const PAYMENTS: &str = "\
contract: payments
primary_key: [id]
columns:
  - {name: id, type: \"decimal(20)\"}
  - {name: price, type: \"decimal(18, 2)\", nullable: true, min: 0}
";

#[test]
fn decimals_are_kept_to_the_last_digit() {
    let payments = |text: &str, with: Value| check(text, PAYMENTS, with);
    // As doubles the two keys would be one.
    insta::assert_snapshot!(payments("id,price\n12345678901234567890,1.10\n12345678901234567891,\n", json!({})), @"
    id:Decimal128(20, 0) price:Decimal128(18, 2)
    12345678901234567890 1.10
    12345678901234567891 ~
    ");
    insta::assert_snapshot!(payments("id,price\n1,1.005\n1,-2\n", json!({})), @"
    contract_violated: the table breaks contract `payments` version 1:
      - column `price`: 1 value is no decimal(18,2), such as `1.005` in row 1
      - column `id`: primary_key: 2 of 2 rows
    (correct the source, or change the contract and raise its `version`; `evolution: [add_columns, widen]` in it accepts new columns and wider types; `on_violation: quarantine` puts rows that break a rule aside)
    ");
    let ran = ingest("id,price\n1,1.005\n2,-1\n3,2\n", PAYMENTS, json!({"on_violation": "quarantine"})).unwrap();
    assert!(show(&ran.table("table")).ends_with("\n3 2.00"), "{}", show(&ran.table("table")));
    let aside = show(&ran.table("quarantine"));
    assert!(aside.contains("column `price` holds `1.005`, which is no decimal(18,2)"), "{aside}");
    assert!(aside.contains(r#"{"id":2,"price":-1}"#), "{aside}");
}

#[test]
fn an_inferred_contract_has_the_decimals_of_its_table() {
    let ran = ingest("id,price\n1,1.10\n2,\n", PAYMENTS, json!({})).unwrap();
    let (mut context, _) = Workbench::new().context(&[]);
    let table = TableReader::open(&ran.path("table")).unwrap();
    let how = Inferring { name: "p".to_owned(), ranges: false };
    let contract = infer(&mut context, &table, &how).unwrap();
    let text = write(&contract, &[]).unwrap();
    insta::assert_snapshot!(text, @r#"
    contract: p
    version: 1
    columns:
      - {name: id, type: "decimal(20,0)"}
      - {name: price, type: "decimal(18,2)", nullable: true}
    "#);
    assert_eq!(Contract::parse(&text), Ok(contract));
}

#[test]
fn whatever_the_source_decimals_are_those_of_the_contract() {
    let bench = Workbench::new();
    bench.file("t.jsonl", "{\"id\": 1, \"price\": 0.1}\n{\"id\": \"12345678901234567890\", \"price\": \"2.5\"}\n");
    let first = bench.run("ingest.json", json!({"path": "t.jsonl", "contract": PAYMENTS}), &[]).unwrap();
    let expected = "id:Decimal128(20, 0) price:Decimal128(18, 2)\n1 0.10\n12345678901234567890 2.50";
    assert_eq!(show(&first.table("table")), expected);
    // A number of JSON keeps the digits that are written, also in the elements of a list.
    bench.file(
        "long.jsonl",
        "{\"id\": 98765432109876543.210e3, \"of\": [{\"price\": 1234567890123456.78, \"x\": 0.12345678901234567}]}\n\
         {\"id\": 12345678901234567890, \"of\": [{\"price\": 1234567890123456.79, \"x\": 1}]}\n",
    );
    let long = PAYMENTS.replace("name: price", "name: of.price") + "evolution: add_columns\n";
    let with = json!({"path": "long.jsonl", "explode": "of", "contract": long, "on_violation": "warn"});
    let ran = bench.run("ingest.json", with, &[]).unwrap();
    insta::assert_snapshot!(show(&ran.table("table")), @"
    id:Utf8 of.price:Decimal128(18, 2) of_index:Int64 of.x:Float64
    98765432109876543.210e3 1234567890123456.78 0 0.12345678901234566
    12345678901234567890 1234567890123456.79 0 1.0
    ");
    std::fs::copy(first.path("table"), bench.folder().join("t.parquet")).unwrap();
    let again = bench.run("ingest.parquet", json!({"path": "t.parquet", "contract": PAYMENTS}), &[]).unwrap();
    assert_eq!(show(&again.table("table")), expected);
    assert_eq!(again.log, Vec::<String>::new());
    // A contract of doubles has doubles, as long as they hold every digit.
    let doubles = "contract: p\ncolumns:\n  - {name: price, type: float64}\n";
    let types = json!({"price": "decimal(9,2)"});
    bench.file("t.csv", "price\n0.10\n");
    let ran = bench.run("ingest.csv", json!({"path": "t.csv", "types": types, "contract": doubles}), &[]).unwrap();
    assert_eq!(show(&ran.table("table")), "price:Float64\n0.1");
}

#[test]
fn as_a_warning_the_table_stays_as_it_came() {
    let ran = ingest("id,tenure,extra\na,x,1\n", CUSTOMERS, json!({"on_violation": "warn"})).unwrap();
    insta::assert_snapshot!(show(&ran.table("table")), @"
    id:Utf8 tenure:Utf8 since:Date32 extra:Int64
    a x ~ 1
    ");
    assert_eq!(ran.metric("contract_violations"), Some(4.0));
    assert!(ran.log[0].starts_with("warning: contract `customers` version 3: column `charge`"), "{:?}", ran.log);
}

#[test]
fn an_empty_table_keeps_a_contract_that_it_has_the_columns_of() {
    insta::assert_snapshot!(check("id,tenure,charge,plan\n", CUSTOMERS, json!({})), @"id:Utf8 tenure:Int64 charge:Float64 since:Date32 plan:Utf8");
}

#[test]
fn the_mistakes_of_a_contract_are_all_told() {
    let wrong = |text: &str| Contract::parse(text).unwrap_err();
    insta::assert_snapshot!(wrong("contracts/x.yaml"), @"`contracts/x.yaml` is no contract; name its file as `contract: file:contracts/x.yaml`");
    let text = "contract: c\nevolution: [add_columns, ignore_columns]\nprimary_key: [b, c]\ncolumns:\n  \
        - {name: a, type: int64, pattern: '('}\n  - {name: a, type: text, optional: true, min: 1}\n  \
        - {name: b, type: text, nullable: true, pattern: '(', allowed: []}\n";
    insta::assert_snapshot!(wrong(text).replace("; ", "\n"), @"
    `evolution` cannot both add and ignore new columns
    column `a`: `pattern`, `format`, `min_length` and `max_length` are for `type: text`
    column `a` is there twice
    column `a`: what is `optional` is added without values where it is missing, so it must be `nullable` too
    column `a`: `min` and `max` are for numbers, dates and moments
    column `b`: `allowed` lists no value
    column `b` is part of the primary key and cannot be `nullable`
    `primary_key` names `c`, which is none of the columns
    column `a`: `pattern` is not a regular expression: unclosed group
    column `b`: `pattern` is not a regular expression: unclosed group
    ");
    assert!(wrong("contract: c\ncolumns:\n  - {name: a, type: intt}\n").contains("intt"));
    assert!(wrong("contract: c\ncolumns:\n  - {name: a, type: text, nulable: true}\n").contains("nulable"));
    assert!(wrong("contract: c\nevolution: maybe\ncolumns:\n  - {name: a, type: text}\n").contains("`add_columns`"));
}

#[test]
fn a_contract_that_is_wrong_is_found_when_the_manifest_is_checked() {
    let registry = StepRegistry::builtin();
    let build = |contract: Value| {
        let params = json!({"path": "x.csv", "contract": contract});
        registry.kind("ingest.csv").unwrap().build(params).map(|_| ()).map_err(|errors| errors.to_string())
    };
    assert_eq!(build(json!(CUSTOMERS)), Ok(()));
    assert_eq!(build(json!({"contract": "c", "columns": [{"name": "a", "type": "text"}]})), Ok(()));
    let refused = build(json!("contract: c\ncolumns: []\n")).unwrap_err();
    assert_eq!(refused, "contract: a contract has at least one column");
}

#[test]
fn a_table_is_validated_by_the_same_contract() {
    let bench = Workbench::new();
    bench.file("t.csv", "id,tenure,charge,plan\na,121,2.5,pro\nb,1,2.5,basic\n");
    let table = bench.run("ingest.csv", json!({"path": "t.csv"}), &[]).unwrap();
    let table = table.input("table");
    let ran = bench.run("validate.table", json!({"contract": CUSTOMERS}), &[("table", &table)]).unwrap();
    assert_eq!(ran.metric("failed"), Some(1.0), "{:?}", ran.log);
    assert!(ran.log[0].contains("between_tenure failed"), "{:?}", ran.log);
}
