//! `ordinal`: a code for each category.

use std::sync::Arc;

use arrow::array::Int64Array;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::infrequent::{Counting, Limits};
use crate::ml::transform::category::{Category, Dictionary, UNKNOWN};
use crate::ml::transform::fitted::{Fitted, Rows};
use crate::ml::transform::frame::{Column, Frame, Kind};
use crate::ml::transform::learn::{Learner, LearningRows};
use crate::ml::transform::needs::{need_categories, unseen};
use crate::ml::transform::plan::{Columns, Plan, Planning, Promise, Transform};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::{ColumnType, TransformError};

/// Replaces each category by its place in the sorted list, from 0 (scikit-learn's `OrdinalEncoder`). The column is
/// marked as codes, which networks learn embeddings of. A missing value is the last category if the fit table has one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Ordinal")]
pub(in crate::ml::transform) struct Params {
    /// What becomes of a value that the fit table does not have.
    #[serde(default)]
    handle_unknown: HandleUnknown,
    /// The code for such values; the number of categories, one code more, if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unknown_value: Option<i64>,
    /// At most this many codes, the missing value aside: the rarest categories share one, after those of the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_categories: Option<usize>,
    /// Categories with fewer rows than this share that code; below 1 it is a share of the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_frequency: Option<f64>,
}

/// What becomes of a value that the fit table does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "OrdinalUnknown")]
pub(in crate::ml::transform) enum HandleUnknown {
    /// It gets a code of its own, `unknown_value`.
    #[default]
    UseEncodedValue,
    /// The table or request is refused.
    Error,
}

impl Transform for Params {
    const COLUMNS: Columns = Columns::Selected("@categorical");
    const EXAMPLE: &'static str = "{ordinal: {unknown_value: -1}, columns: [plan]}";

    fn check(&self) -> Result<(), String> {
        if self.handle_unknown == HandleUnknown::Error && self.unknown_value.is_some() {
            return Err("`unknown_value` has no use with `handle_unknown: error`".to_owned());
        }
        self.limits().check()
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        need_categories("ordinal", name, column)?;
        let learner = Listing { params: self.clone(), counting: Counting::of("ordinal", name) };
        let promise = Promise::same(ColumnType::Int, Kind::Encoded);
        Ok(Plan::Learn(Box::new(learner), promise))
    }
}

impl Params {
    fn limits(&self) -> Limits {
        Limits { max_categories: self.max_categories, min_frequency: self.min_frequency }
    }
}

struct Listing {
    params: Params,
    counting: Counting,
}

/// The code of each category, and how many codes there are: first those of the frequent categories, then the one that
/// the infrequent share, then that of the missing value.
fn codes(infrequent: &[bool], has_null: bool) -> (Vec<i64>, i64) {
    let present = infrequent.len() - usize::from(has_null);
    let shared = infrequent[..present].iter().filter(|is_infrequent| !**is_infrequent).count();
    let mut frequent = 0..;
    let mut codes: Vec<usize> = infrequent[..present]
        .iter()
        .map(|is_infrequent| if *is_infrequent { shared } else { frequent.next().unwrap_or(shared) })
        .collect();
    let mut count = shared + usize::from(shared < present);
    if has_null {
        codes.push(count);
        count += 1;
    }
    let whole = |code: usize| i64::try_from(code).unwrap_or(i64::MAX);
    (codes.into_iter().map(whole).collect(), whole(count))
}

impl Learner for Listing {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        self.counting.learn(frame)
    }

    fn takes_encoded(&self) -> bool {
        true
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let (column, categories, counts) = self.counting.sorted();
        let infrequent = self.params.limits().infrequent_present(&categories, &counts);
        let has_null = categories.categories().last() == Some(&Category::Null);
        let (code_of, count) = codes(&infrequent, has_null);
        let unknown = match (self.params.handle_unknown, self.params.unknown_value) {
            (HandleUnknown::Error, _) => None,
            (HandleUnknown::UseEncodedValue, None) => Some(count),
            (HandleUnknown::UseEncodedValue, Some(code)) if (0..count).contains(&code) => {
                let place = code_of.iter().position(|of| *of == code).unwrap_or_default();
                let category = &categories.categories()[place];
                let message =
                    format!("`unknown_value: {code}` is already the code of `{category}` in column `{column}`");
                return Err(TransformError::input("param_value", message)
                    .help("leave `unknown_value` out, or take a negative one"));
            }
            (HandleUnknown::UseEncodedValue, Some(code)) => Some(code),
        };
        let codes = match unknown {
            None => usize::try_from(count).ok(),
            // Negative codes are no rows of an embedding, so the column then counts as plain numbers.
            Some(unknown) => usize::try_from(unknown).ok().map(|unknown| unknown + 1),
        };
        let code_of = infrequent.contains(&true).then_some(code_of);
        Ok(Unit::Ordinal(Ordinal { column, categories, code_of, unknown, codes }))
    }
}

/// Fitted codes of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Ordinal {
    column: String,
    categories: Dictionary,
    /// The code of each category, where it is not its place in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code_of: Option<Vec<i64>>,
    unknown: Option<i64>,
    /// How many codes there may be, if all are 0 or more.
    codes: Option<usize>,
}

impl Fitted for Ordinal {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let array = &frame.column(&self.column)?.array;
        let codes = self.categories.codes(array);
        let unknown = match self.unknown {
            Some(unknown) => unknown,
            None => match codes.iter().position(|code| *code == UNKNOWN) {
                Some(row) => {
                    return Err(unseen(
                        &self.column,
                        array,
                        row,
                        "set `handle_unknown: use_encoded_value` in `ordinal`",
                    ));
                }
                None => 0,
            },
        };
        let codes = codes.into_iter().map(|code| match &self.code_of {
            _ if code == UNKNOWN => unknown,
            Some(code_of) => code_of[code as usize],
            None => i64::from(code),
        });
        let array = Arc::new(Int64Array::from_iter_values(codes));
        frame.set(&self.column, Column { array, kind: Kind::Encoded, categories: self.codes });
        Ok(())
    }

    fn takes_encoded(&self) -> bool {
        true
    }

    fn inputs(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn outputs(&self) -> Vec<&str> {
        vec![&self.column]
    }
}
