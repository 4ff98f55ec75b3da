//! A schema contract as it is written: columns, what their values must be, and how the schema may change.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::evolution::Evolution;
use super::rules;
use crate::step::understanding::csv::ColumnType;
use crate::step::understanding::validate::{Expectation, TextKind};

/// What a table must look like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// The contract's name, for messages.
    #[serde(rename = "contract")]
    pub name: String,
    /// Raised whenever the contract changes.
    #[serde(default = "first")]
    pub version: u32,
    /// What the table holds and who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How the table may differ from the contract without breaking it.
    #[serde(default, skip_serializing_if = "Evolution::is_strict")]
    pub evolution: Evolution,
    /// Whether the columns must come in the order of the contract. The table is brought into that order either way.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ordered: bool,
    /// The columns whose values together tell every row from all others, none of them missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub primary_key: Vec<String>,
    /// The columns.
    pub columns: Vec<ContractColumn>,
    /// Further checks, written as under `expect` of `validate.table`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Expectation>,
}

/// What one column must look like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContractColumn {
    /// The name.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// What it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether values may be missing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub nullable: bool,
    /// Whether the column itself may be missing; it is then added without values, so it is `nullable` too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
    /// Whether no value may come twice.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unique: bool,
    /// The values that there may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<Value>>,
    /// The least value: a number, or text for dates and moments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Value>,
    /// The greatest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Value>,
    /// A regular expression, which may match anywhere in the text: anchor it with `^` and `$`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// What the text stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<TextKind>,
    /// The least number of characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_length: Option<u64>,
    /// The greatest number of characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u64>,
}

impl ContractColumn {
    /// A column of which nothing but name and type is said.
    pub fn of(name: &str, column_type: ColumnType) -> ContractColumn {
        ContractColumn {
            name: name.to_owned(),
            column_type,
            description: None,
            nullable: false,
            optional: false,
            unique: false,
            allowed: None,
            min: None,
            max: None,
            pattern: None,
            format: None,
            min_length: None,
            max_length: None,
        }
    }
}

fn first() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that `skip_serializing_if` wants")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl fmt::Display for Contract {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "contract `{}` version {}", self.name, self.version)
    }
}

impl Contract {
    /// The contract that a text in YAML writes.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Contract, String> {
        if !text.contains('\n') && !text.contains('{') {
            return Err(format!("`{text}` is no contract; name its file as `contract: file:{}`", text.trim()));
        }
        let contract: Contract = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        contract.checked()
    }

    /// The contract, if nothing is wrong with it.
    pub(super) fn checked(self) -> Result<Contract, String> {
        let problems = self.problems();
        if problems.is_empty() { Ok(self) } else { Err(problems.join("; ")) }
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&ContractColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The columns of texts.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().filter(|column| column.column_type == ColumnType::Text).map(|column| column.name.as_str())
    }

    /// The columns of decimal numbers.
    pub fn decimals(&self) -> impl Iterator<Item = &str> {
        let is_decimal = |column: &&ContractColumn| matches!(column.column_type, ColumnType::Decimal { .. });
        self.columns.iter().filter(is_decimal).map(|column| column.name.as_str())
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.columns.is_empty() {
            problems.push("a contract has at least one column".to_owned());
        }
        if self.version == 0 {
            problems.push("versions count from 1".to_owned());
        }
        problems.extend(self.evolution.problem().map(str::to_owned));
        let mut seen = BTreeSet::new();
        for column in &self.columns {
            if column.name.is_empty() {
                problems.push("a column has no name".to_owned());
            } else if !seen.insert(column.name.as_str()) {
                problems.push(format!("column `{}` is there twice", column.name));
            }
            problems.extend(column.problems());
        }
        for key in &self.primary_key {
            match self.column(key) {
                None => problems.push(format!("`primary_key` names `{key}`, which is none of the columns")),
                Some(column) if column.nullable => {
                    problems.push(format!("column `{key}` is part of the primary key and cannot be `nullable`"));
                }
                Some(_) => {}
            }
        }
        if self.checks.iter().any(Expectation::asks_query) {
            problems.push(
                "a query is no rule of a contract: write `sql` under `expect` of a `validate.table` step".to_owned(),
            );
        }
        for rule in rules::of(self) {
            let about = match rule.named_columns().as_slice() {
                [one] => format!("column `{one}`: "),
                _ => String::new(),
            };
            problems.extend(rule.problems().into_iter().map(|problem| format!("{about}{}", problem.message)));
        }
        problems
    }
}

impl ContractColumn {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut wrong = |what: &str| problems.push(format!("column `{}`: {what}", self.name));
        if self.optional && !self.nullable {
            wrong("what is `optional` is added without values where it is missing, so it must be `nullable` too");
        }
        let is_text = self.column_type == ColumnType::Text;
        let asks_of_text =
            self.pattern.is_some() || self.format.is_some() || self.min_length.is_some() || self.max_length.is_some();
        if asks_of_text && !is_text {
            wrong("`pattern`, `format`, `min_length` and `max_length` are for `type: text`");
        }
        let has_range = self.min.is_some() || self.max.is_some();
        if has_range && (is_text || self.column_type == ColumnType::Bool) {
            wrong("`min` and `max` are for numbers, dates and moments");
        }
        if self.allowed.as_ref().is_some_and(Vec::is_empty) {
            wrong("`allowed` lists no value");
        }
        problems
    }
}
