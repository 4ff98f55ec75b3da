//! `one_hot`: a 0/1 column for each category.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::infrequent::{Counting, Limits};
use crate::ml::transform::TransformError;
use crate::ml::transform::category::{Category, Dictionary, UNKNOWN};
use crate::ml::transform::fitted::{Fitted, Rows, names};
use crate::ml::transform::frame::{Column, Frame, Kind};
use crate::ml::transform::learn::{Learner, LearningRows};
use crate::ml::transform::needs::{need_categories, unseen};
use crate::ml::transform::plan::{Columns, Plan, Planning, Promise, Transform};
use crate::ml::transform::registry::Unit;
use crate::table::free_name;

/// More columns than this out of one are a mistake: an identifier, mostly.
const MOST_COLUMNS: usize = 1000;

/// A 0/1 column `NAME_VALUE` for each category (scikit-learn's `OneHotEncoder`). A missing value is a category of its
/// own, `NAME_null`, if the fit table has one; that name and `NAME_infrequent` begin the value with `_` where it is that of
/// a category.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "OneHot")]
pub(in crate::ml::transform) struct Params {
    /// At most this many columns: the rarest categories share the column `NAME_infrequent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_categories: Option<usize>,
    /// Categories with fewer rows than this share the column `NAME_infrequent`; below 1 it is a share of the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_frequency: Option<f64>,
    /// Whether the first column is left out: always, or only where there are two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drop: Option<Drop>,
    /// What becomes of a value that the fit table does not have.
    #[serde(default)]
    handle_unknown: HandleUnknown,
}

/// Which columns are left out, against collinearity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "OneHotDrop")]
pub(in crate::ml::transform) enum Drop {
    /// The first one.
    First,
    /// The first one if there are two.
    IfBinary,
}

/// What becomes of a value that the fit table does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "OneHotUnknown")]
pub(in crate::ml::transform) enum HandleUnknown {
    /// It counts as infrequent if there is such a column, else all columns are 0.
    #[default]
    #[serde(alias = "infrequent_if_exist")]
    Infrequent,
    /// All columns are 0.
    Ignore,
    /// The table or request is refused.
    Error,
}

impl Transform for Params {
    const COLUMNS: Columns = Columns::Selected("@categorical");
    const EXAMPLE: &'static str = "{one_hot: {max_categories: 20}, columns: \"@categorical\"}";

    fn check(&self) -> Result<(), String> {
        self.limits().check()
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        need_categories("one_hot", name, column)?;
        let learner = Categories { params: self.clone(), counting: Counting::of("one_hot", name) };
        Ok(Plan::Learn(Box::new(learner), Promise::open(Kind::Encoded)))
    }
}

impl Params {
    fn limits(&self) -> Limits {
        Limits { max_categories: self.max_categories, min_frequency: self.min_frequency }
    }
}

struct Categories {
    params: Params,
    counting: Counting,
}

impl Learner for Categories {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        self.counting.learn(frame)
    }

    fn takes_encoded(&self) -> bool {
        true
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let Categories { params, counting } = *self;
        let (name, categories, counts) = counting.sorted();
        let infrequent = params.limits().infrequent(&counts);
        let mut columns: Vec<String> = Vec::new();
        // The names for what has none of its own give way to a category of that name.
        let taken: BTreeSet<String> = categories.categories().iter().filter_map(Category::text).collect();
        let free = |name: &str| free_name(name, |name| taken.contains(name));
        let mut column_of = Vec::with_capacity(categories.len());
        for (category, is_infrequent) in categories.categories().iter().zip(&infrequent) {
            column_of.push(if *is_infrequent { None } else { Some(columns.len()) });
            if !is_infrequent {
                let value = if *category == Category::Null { free("null") } else { category.to_string() };
                columns.push(format!("{name}_{value}"));
            }
        }
        let has_infrequent = infrequent.contains(&true);
        if has_infrequent {
            columns.push(format!("{name}_{}", free("infrequent")));
        }
        let last = columns.len().saturating_sub(1);
        let mut column_of: Vec<usize> = column_of.into_iter().map(|column| column.unwrap_or(last)).collect();
        let dropped = match params.drop {
            Some(Drop::First) => true,
            Some(Drop::IfBinary) => columns.len() == 2,
            None => false,
        };
        if dropped && !columns.is_empty() {
            columns.remove(0);
            // The dropped column's number wraps to one that no column has.
            for column in &mut column_of {
                *column = column.wrapping_sub(1);
            }
        }
        if columns.len() > MOST_COLUMNS {
            let message = format!("`one_hot` would make {} columns of column `{name}`", columns.len());
            return Err(TransformError::input("too_many_categories", message).help(format!(
                "set `max_categories`, use `target` or `hash` for it, or put `{name}` under `drop` if it names a row"
            )));
        }
        let infrequent = (has_infrequent && params.handle_unknown == HandleUnknown::Infrequent)
            .then(|| columns.len().checked_sub(1))
            .flatten();
        Ok(Unit::OneHot(OneHot {
            column: name,
            categories,
            column_of: column_of.into_iter().map(|column| u32::try_from(column).ok()).collect(),
            columns,
            unknown: infrequent.and_then(|column| u32::try_from(column).ok()),
            refuses_unknown: params.handle_unknown == HandleUnknown::Error,
        }))
    }
}

/// A fitted one-hot encoding of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct OneHot {
    column: String,
    categories: Dictionary,
    /// For each category its column, if it has one.
    column_of: Vec<Option<u32>>,
    columns: Vec<String>,
    /// The column for values that are no categories.
    unknown: Option<u32>,
    refuses_unknown: bool,
}

impl Fitted for OneHot {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let array = &frame.column(&self.column)?.array;
        let codes = self.categories.codes(array);
        if self.refuses_unknown
            && let Some(row) = codes.iter().position(|code| *code == UNKNOWN)
        {
            return Err(unseen(&self.column, array, row, "set `handle_unknown: infrequent` or `ignore` in `one_hot`"));
        }
        let unknown = self.unknown.unwrap_or(UNKNOWN);
        let columns: Vec<u32> = codes
            .into_iter()
            .map(|code| match self.column_of.get(code as usize) {
                Some(column) => column.unwrap_or(UNKNOWN),
                None => unknown,
            })
            .collect();
        let indicators = self.columns.iter().zip(0_u32..).map(|(name, wanted)| {
            let values = columns.iter().map(|column| f64::from(u8::from(*column == wanted)));
            (name.clone(), Column::encoded(Arc::new(Float64Array::from_iter_values(values)) as ArrayRef))
        });
        frame.replace(&self.column, indicators.collect::<Vec<_>>());
        Ok(())
    }

    fn takes_encoded(&self) -> bool {
        true
    }

    fn inputs(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn outputs(&self) -> Vec<&str> {
        names(&self.columns)
    }
}
