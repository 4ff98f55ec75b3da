//! The page of all checks, made from the catalogue.

use std::fmt::Write;

use super::catalogue::GROUPS;
use super::definition::{Definition, Target};

const HEAD: &str = "\
# Checks

Every check of `validate.table`. This page is made from the code.

```yaml
expect:
  - {column: tenure, check: between, min: 0, max: 120, mostly: 0.99, severity: warning}
  - {columns: [end, start], check: greater_than, or_equal: true, where: status == 'closed', on_fail: quarantine}
```

Every check takes `where` (only rows for which the expression holds), `severity` (`critical`, `warning`, `info`), `on_fail`
(`fail`, `warn`, `quarantine`, `skip_downstream`) and `id` (its name in the report). Checks of rows take `mostly`: the share
of the rows with a value that must pass. A row without a value is counted as missing and does not fail, unless the
check is about missing values; a check without a single value to look at passes and is marked `vacuous`.

NaN counts as missing. Infinities are values of a column, but missing in `where` and `expr`, as in all expressions.

Which values are equal is told to the last digit, also among decimals and whole numbers without a sign. Write a number of more than
15 digits in quotes: `values: ['10000000000000000001']`. Checks that compute take decimals as doubles, which keep 15 digits; where a
value has no place in what they compute with, such as a number beyond 63 bits, they fail and name it.

`on_fail` says what one failed check leads to:

| on_fail | |
|---|---|
| left out | It counts by its severity in the metrics `failed` and `warnings`, and a gate decides. |
| `fail` | The step fails. |
| `warn` | It counts as a warning, whatever its severity. |
| `quarantine` | The rows that fail go to the output `quarantine`, with the column `rejected_by`, and the others to `table`, also where `mostly` is met. The check counts neither as failed nor as a warning; the metrics `quarantined` and `quarantined_share` say how many rows there were. Only for checks of rows. |
| `skip_downstream` | The step makes no output `table`: the steps that read it are skipped, and all else goes on. |

A failed check that counts stands, with what it found, among the warnings of the run's summary.

The report has the result keys of Great Expectations. The name of Great Expectations (`expect_...`) may be written instead of
ours, with its arguments under its names. A whole suite is read by `suite: file:suite.json`, and turned into a block of
YAML by `phaseline import-suite suite.json`. `phaseline suggest-checks RUN STEP` makes such a block of the report of a
`profile.table` step: checks that hold for the profiled rows. `contract: file:contracts/x.yaml` adds what a schema contract says of
columns, types and values.

`anomaly` holds what another check measures against earlier runs. They come in as a table, so that they are part of the step's
key like any other input; every run records the measure as the metric `observed.ID`, and the lineage view has them all:

```yaml
past:
  uses: ingest.sql
  with:
    url: sqlite:.phaseline/phaseline.db
    query: >
      select value from lineage_metrics
      where pipeline = 'churn' and step = 'checked' and metric = 'observed.rows' order by finished_at
checked:
  uses: validate.table
  inputs: {table: customers, history: past}
  with:
    expect:
      - {check: anomaly, id: rows, measure: row_count, strategy: relative_rate_of_change, lower: 0.5, upper: 2, window: 30}
```

With fewer earlier values than the strategy needs the check passes and is marked `vacuous`.

`sql` asks a query, and every row that it gives is unexpected:

```yaml
checked:
  uses: validate.table
  inputs: {table: orders, reference: customers}
  with:
    expect:
      - {check: sql, id: known, query: SELECT t.* FROM table t LEFT JOIN reference r ON r.id = t.customer WHERE r.id IS NULL}
      - {check: sql, id: paid, query: file:checks/paid.sql, severity: warning}
```

The tables are the inputs that are bound, `table`, `reference` and `history`, and nothing else; names of columns keep their case. In a
query a missing value is null, and NaN is a number greater than all others. A query stands for itself: the condition is in it and
not in `where`, a share that is bearable is counted in it (`HAVING avg(...) > 0.01`), and rows are put aside by an `expr` or a
`data.sql` step. The report counts the rows and shows the first 20. A query that cannot be planned fails its check and no other.
Queries are answered by the program `phaseline-sql`, which carries out the whole of a step that has one; all other steps do without.
";

/// The page of all checks as Markdown.
pub fn checks_reference() -> String {
    let mut text = HEAD.to_owned();
    for (title, checks) in GROUPS {
        push(&mut text, format!("\n## {title}\n\n| check | asked about | arguments | |\n|---|---|---|---|"));
        checks.iter().for_each(|check| push(&mut text, row(check)));
    }
    text
}

fn push(text: &mut String, line: impl std::fmt::Display) {
    writeln!(text, "{line}").expect("a string takes everything");
}

fn row(check: &Definition) -> String {
    let target = match check.target {
        Target::Table => "",
        Target::Column => "`column`",
        Target::ColumnOrColumns => "`column` or `columns`",
        Target::Pair => "two `columns`",
        Target::Several => "two or more `columns`",
        Target::Columns => "`columns`",
        Target::AnyColumns => "`columns`, or all",
        Target::Any => "what the measure is",
        Target::Query => "what its query reads",
    };
    let list = |names: &[&str], mark: &str| {
        names.iter().map(|name| format!("{mark}`{name}`")).collect::<Vec<_>>().join(if mark.is_empty() {
            " or "
        } else {
            ", "
        })
    };
    let parts = [
        list(check.required, "").replace(" or ", ", "),
        list(check.one_of, ""),
        check.optional.iter().map(|name| format!("[`{name}`]")).collect::<Vec<_>>().join(", "),
    ];
    let arguments: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let gx = if check.gx.is_empty() { String::new() } else { format!(" `{}`", check.gx) };
    format!("| `{}` | {target} | {} | {}{gx} |", check.name, arguments.join("; "), check.summary)
}
