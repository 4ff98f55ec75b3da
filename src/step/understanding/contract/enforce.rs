//! What every ingest step does with its table at the end: hold it against the contract, bring it into its form, or fail.

use arrow::compute::filter_record_batch;
use arrow::datatypes::Schema;

use super::aside::{Aside, blame, shown_value, staying};
use super::document::Contract;
use super::param::{ContractFile, OnViolation};
use super::rules;
use super::shape::{Difference, DifferenceKind, Placed, Shape, brought};
use super::types::{Typing, type_of};
use crate::artifact::Staged;
use crate::step::understanding::csv::ColumnType;
use crate::step::understanding::cursor::NewFiles;
use crate::step::understanding::source::{Aside as BadAside, BadRows};
use crate::step::understanding::validate::{Broken, Expectation, Screen, Severity};
use crate::step::{StagedTable, StepContext, StepError};
use crate::table::TableReader;

/// How many differences a message lists.
const MOST_LISTED: usize = 40;

/// What a step is bound to.
#[derive(Clone, Copy)]
pub struct Bound<'a> {
    /// The contract, if there is one.
    contract: Option<&'a ContractFile>,
    /// What happens when the table breaks it.
    on_violation: OnViolation,
    /// Where the table's types come from.
    typing: Typing,
    /// The files that are read, if they are only the new ones.
    new_files: Option<&'a NewFiles>,
}

impl<'a> Bound<'a> {
    /// A table of all files, or of a source without files.
    pub fn of(contract: Option<&'a ContractFile>, on_violation: OnViolation, typing: Typing) -> Bound<'a> {
        Bound { contract, on_violation, typing, new_files: None }
    }

    /// The same for a table of new files, if only those are read.
    #[must_use]
    pub fn among(self, new_files: Option<&'a NewFiles>) -> Bound<'a> {
        Bound { new_files, ..self }
    }

    /// The columns that a reader that guesses must not take for numbers: `007` may be a code, and a double loses digits.
    pub fn texts(self) -> Vec<String> {
        self.reading().into_iter().map(|(name, _)| name).collect()
    }

    /// What the contract changes in how files are read: columns with the types that a reader must not guess, or must not round.
    pub fn reading(self) -> Vec<(String, ColumnType)> {
        let is_read_so = |column_type: ColumnType| match self.typing {
            Typing::Guessed => matches!(column_type, ColumnType::Text | ColumnType::Decimal { .. }),
            Typing::Known | Typing::Queried => matches!(column_type, ColumnType::Decimal { .. }),
        };
        let columns = self.contract.into_iter().flat_map(|file| &file.contract().columns);
        let read_so = columns.filter(|column| is_read_so(column.column_type));
        read_so.map(|column| (column.name.clone(), column.column_type)).collect()
    }

    /// Publishes a written table as output `table`, in the form of the contract if there is one; gives its number of rows.
    ///
    /// # Errors
    /// `contract_violated` with all differences, unless they are only warnings or rows that are put aside.
    pub fn finish(self, context: &mut StepContext, table: StagedTable) -> Result<u64, StepError> {
        let rows = self.keep(context, table)?;
        self.new_files.map_or(Ok(rows), |new_files| new_files.finish(context, rows))
    }

    /// Ends a read for which there was no new file, with what a read of no rows makes beside the table.
    ///
    /// # Errors
    /// The table of the last run cannot be read.
    pub fn finish_without(
        self,
        context: &mut StepContext,
        new_files: &NewFiles,
        bad_rows: BadRows,
    ) -> Result<(), StepError> {
        BadAside::begin(context, bad_rows)?.finish(context, 0, "", "")?;
        if self.on_violation == OnViolation::Quarantine {
            let count = Aside::begin(context)?.finish(context)?;
            if self.contract.is_some() {
                context.metric("contract_quarantined", count as f64);
            }
        }
        if self.contract.is_some() {
            context.metric("contract_violations", 0.0);
        }
        new_files.finish_without(context)
    }

    fn keep(self, context: &mut StepContext, table: StagedTable) -> Result<u64, StepError> {
        let (staged, rows) = table.close()?;
        let Some(file) = self.contract else {
            context.commit("table", staged, Some(rows))?;
            if self.on_violation == OnViolation::Quarantine && context.made("quarantine").is_none() {
                Aside::begin(context)?.finish(context)?;
            }
            return Ok(rows);
        };
        enforce(context, file.contract(), self.on_violation, self.typing, staged)
    }
}

fn enforce(
    context: &mut StepContext,
    contract: &Contract,
    on_violation: OnViolation,
    typing: Typing,
    staged: Staged,
) -> Result<u64, StepError> {
    let reader = TableReader::open(staged.path())?;
    let mut shape = Shape::of(reader.schema(), contract, typing);
    let remedy = shape.differences.iter().find_map(|difference| cast(contract, difference, reader.schema(), typing));
    let puts_aside = on_violation == OnViolation::Quarantine;
    let mut aside = if puts_aside { Some(Aside::begin(context)?) } else { None };
    check_values(context, &reader, &mut shape, puts_aside)?;
    let (staged, reader) = if shape.is_as_stored() {
        (staged, reader)
    } else {
        let conformed = conform(context, &reader, &shape, aside.as_mut())?;
        let reader = TableReader::open(conformed.path())?;
        (conformed, reader)
    };
    let mut differences = std::mem::take(&mut shape.differences);
    let rules = applicable(contract, &differences);
    let mut screen = Screen::measure(context, &reader, &rules)?;
    let (broken, remarks): (Vec<Broken>, Vec<Broken>) =
        screen.broken().into_iter().partition(|broken| broken.severity == Severity::Critical);
    let (of_rows, of_table): (Vec<Broken>, Vec<Broken>) =
        broken.into_iter().partition(|broken| broken.is_of_rows && puts_aside);
    differences.extend(of_table.iter().map(of_values));
    for remark in remarks.iter().filter(|remark| remark.severity == Severity::Warning) {
        context.log(format!("warning: {contract}: {}", of_values(remark).message));
    }
    if !differences.is_empty() && on_violation != OnViolation::Warn {
        return Err(violated(contract, &differences, remedy));
    }
    for difference in &differences {
        context.log(format!("warning: {contract}: {}", difference.message));
    }
    let (staged, rows) = match aside {
        Some(mut aside) => {
            let (staged, rows) = if of_rows.is_empty() {
                (staged, reader.rows())
            } else {
                screen.rewind(&reader);
                aside.next_pass();
                sift(context, &reader, &mut screen, &of_rows, &mut aside)?
            };
            let count = aside.finish(context)?;
            if count > 0 {
                context.log(format!("warning: {count} rows break {contract} and are put aside in `quarantine`"));
            }
            context.metric("contract_quarantined", count as f64);
            (staged, rows)
        }
        None => (staged, reader.rows()),
    };
    context.commit("table", staged, Some(rows))?;
    context.metric("contract_violations", differences.len() as f64);
    Ok(rows)
}

/// Everything in which a table differs from a contract, without touching it.
///
/// # Errors
/// The table cannot be read.
pub fn differences(
    context: &mut StepContext,
    reader: &TableReader,
    contract: &Contract,
    typing: Typing,
) -> Result<Vec<Difference>, StepError> {
    let mut shape = Shape::of(reader.schema(), contract, typing);
    check_values(context, reader, &mut shape, false)?;
    let conformed = if shape.is_as_stored() { None } else { Some(conform(context, reader, &shape, None)?) };
    let conformed_reader = conformed.as_ref().map(|staged| TableReader::open(staged.path())).transpose()?;
    let reader = conformed_reader.as_ref().unwrap_or(reader);
    let mut differences = shape.differences;
    let rules = applicable(contract, &differences);
    let screen = Screen::measure(context, reader, &rules)?;
    differences.extend(screen.broken().iter().filter(|it| it.severity != Severity::Info).map(of_values));
    Ok(differences)
}

/// Looks at the values of columns that are to be converted. Where some do not fit, the column stays as it is: that differs,
/// unless the contract lets it widen. Where rows are put aside instead, only columns that may widen are looked at.
fn check_values(
    context: &mut StepContext,
    reader: &TableReader,
    shape: &mut Shape,
    puts_aside: bool,
) -> Result<(), StepError> {
    let decides = |column: &&mut Placed| column.may_stay || !puts_aside;
    let columns: Vec<(&mut Placed, ColumnType)> =
        shape.columns.iter_mut().filter(decides).filter_map(|column| column.converts.map(|to| (column, to))).collect();
    if columns.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = columns.iter().map(|(column, _)| column.name.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut counts = vec![(0u64, String::new()); columns.len()];
    let mut done = 0;
    for batch in reader.select(&names)? {
        context.check_cancelled()?;
        let batch = batch?;
        for (((_, wanted), stored), (count, example)) in columns.iter().zip(batch.columns()).zip(&mut counts) {
            let (_, unfit) = brought(stored, *wanted);
            let rows = unfit.true_count() as u64;
            if rows > 0 && *count == 0 {
                let row = unfit.values().set_indices().next().unwrap_or_default();
                *example = format!("`{}` in row {}", shown_value(stored, row), done + row as u64 + 1);
            }
            *count += rows;
        }
        done += batch.num_rows() as u64;
    }
    let mut differences = Vec::new();
    for ((column, wanted), (count, example)) in columns.into_iter().zip(counts).filter(|(_, (count, _))| *count > 0) {
        column.converts = None;
        if !column.may_stay {
            let values = if count == 1 { "value is" } else { "values are" };
            let message = format!("column `{}`: {count} {values} no {wanted}, such as {example}", column.name);
            differences.push(Difference::new(DifferenceKind::Type, &column.name, message));
        }
    }
    shape.differences.extend(differences);
    Ok(())
}

/// The table in the contract's form, without the rows that do not fit if they are put aside.
fn conform(
    context: &mut StepContext,
    reader: &TableReader,
    shape: &Shape,
    mut aside: Option<&mut Aside>,
) -> Result<Staged, StepError> {
    let mut table = context.create_table(&shape.schema())?;
    let mut first = 0;
    for batch in reader.batches()? {
        context.check_cancelled()?;
        let batch = batch?;
        let conformed = shape.conform(&batch)?;
        let mut reasons = vec![None; batch.num_rows()];
        for unfit in &conformed.unfit {
            blame(&mut reasons, &unfit.rows, |row| {
                let value = shown_value(batch.column(unfit.from), row);
                format!("column `{}` holds `{value}`, which is no {}", unfit.column, unfit.wanted)
            });
        }
        match &mut aside {
            Some(aside) => {
                aside.take(&batch, first, &reasons)?;
                table.write(&filter_record_batch(&conformed.batch, &staying(&reasons))?)?;
            }
            None => table.write(&conformed.batch)?,
        }
        first += batch.num_rows() as u64;
    }
    Ok(table.close()?.0)
}

/// The table without the rows that break a rule, which are put aside.
fn sift(
    context: &mut StepContext,
    reader: &TableReader,
    screen: &mut Screen,
    broken: &[Broken],
    aside: &mut Aside,
) -> Result<(Staged, u64), StepError> {
    let mut table = context.create_table(reader.schema())?;
    let mut first = 0;
    for batch in reader.batches()? {
        context.check_cancelled()?;
        let batch = batch?;
        let mut reasons = vec![None; batch.num_rows()];
        for rule in broken {
            if let Some(fails) = screen.failing(rule.place, &batch, first) {
                let words = format!("{}: {}", rule.columns.join(", "), screen.rule(rule.place));
                blame(&mut reasons, &fails, |_| words.clone());
            }
        }
        aside.take(&batch, first, &reasons)?;
        table.write(&filter_record_batch(&batch, &staying(&reasons))?)?;
        first += batch.num_rows() as u64;
    }
    table.close()
}

/// The rules about columns of which nothing was said yet. One that names a column that is not there is told when it is measured.
fn applicable(contract: &Contract, differences: &[Difference]) -> Vec<Expectation> {
    let differs = |name: &str| differences.iter().any(|difference| difference.column.as_deref() == Some(name));
    let mut rules = rules::of(contract);
    rules.retain(|rule| !rule.named_columns().into_iter().any(differs));
    rules
}

fn of_values(broken: &Broken) -> Difference {
    let column = match broken.columns.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    };
    let about = match broken.columns.as_slice() {
        [] => String::new(),
        [one] => format!("column `{one}`: "),
        many => format!("columns `{}`: ", many.join("`, `")),
    };
    Difference { kind: DifferenceKind::Values, column, message: format!("{about}{}", broken.message) }
}

fn violated(contract: &Contract, differences: &[Difference], cast: Option<String>) -> StepError {
    let mut lines: Vec<String> =
        differences.iter().take(MOST_LISTED).map(|difference| format!("\n  - {}", difference.message)).collect();
    if differences.len() > MOST_LISTED {
        lines.push(format!("\n  - and {} more", differences.len() - MOST_LISTED));
    }
    let has = |kinds: &[DifferenceKind]| differences.iter().any(|difference| kinds.contains(&difference.kind));
    let mut remedies: Vec<String> = cast.into_iter().collect();
    let mut remedy = |text: &str| remedies.push(text.to_owned());
    remedy("correct the source, or change the contract and raise its `version`");
    if has(&[DifferenceKind::New, DifferenceKind::Type]) {
        remedy("`evolution: [add_columns, widen]` in it accepts new columns and wider types");
    }
    if has(&[DifferenceKind::Missing]) {
        remedy("`optional: true` accepts that a column is missing");
    }
    if has(&[DifferenceKind::Values, DifferenceKind::Type]) {
        remedy("`on_violation: quarantine` puts rows that break a rule aside");
    }
    StepError::input("contract_violated", format!("the table breaks {contract}:{}", lines.concat()))
        .help(remedies.join("; "))
}

/// How a query makes a decimal of a column that has another type.
fn cast(contract: &Contract, difference: &Difference, stored: &Schema, typing: Typing) -> Option<String> {
    let column = contract.column(difference.column.as_deref()?)?;
    let (name, wanted) = (&column.name, column.column_type);
    let found = type_of(stored.field_with_name(name).ok()?.data_type())?;
    let is_other = typing == Typing::Queried && difference.kind == DifferenceKind::Type;
    (is_other && matches!(wanted, ColumnType::Decimal { .. })).then(|| {
        let value = if found == ColumnType::Bool { format!("CAST({name} AS INT)") } else { name.clone() };
        format!("cast it in the query: `CAST({value} AS {wanted}) AS {name}`")
    })
}
