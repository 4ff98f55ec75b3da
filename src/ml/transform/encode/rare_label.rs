//! `rare_label`: one name for all rare categories.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::datatypes::Int32Type;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::infrequent::Counting;
use crate::ml::transform::category::{Category, Dictionary, UNKNOWN};
use crate::ml::transform::fitted::{Fitted, Rows};
use crate::ml::transform::frame::{Column, Frame, Kind};
use crate::ml::transform::learn::{Learner, LearningRows};
use crate::ml::transform::plan::{Columns, Plan, Planning, Promise, Transform};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::{ColumnType, TransformError};

/// Replaces texts that few rows have, and those that the fit table does not have, by one label (feature-engine's
/// `RareLabelEncoder`). The column stays text, for an encoder after it; missing values stay missing. A bare number is
/// `tol`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RareLabel")]
pub(in crate::ml::transform) struct Params {
    /// Texts with a smaller share of the rows than this are rare.
    #[serde(default = "twentieth")]
    tol: f64,
    /// A column with no more different texts than this is left as it is, but for texts that the fit table lacks.
    #[serde(default = "ten")]
    n_categories: usize,
    /// At most this many texts are kept, the most frequent ones; of equally frequent ones the first by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_n_categories: Option<usize>,
    /// The label.
    #[serde(default = "rare")]
    replace_with: String,
}

fn twentieth() -> f64 {
    0.05
}

fn ten() -> usize {
    10
}

fn rare() -> String {
    "Rare".to_owned()
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("tol");
    const COLUMNS: Columns = Columns::Selected("@categorical");
    const EXAMPLE: &'static str = "{rare_label: {tol: 0.1, n_categories: 3}, columns: [plan]}";

    fn check(&self) -> Result<(), String> {
        if (0.0..=1.0).contains(&self.tol) { Ok(()) } else { Err(format!("`tol: {}` must be from 0 to 1", self.tol)) }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        let found = column.column_type();
        if found != ColumnType::Text {
            let message = format!("`rare_label` needs text, but column `{name}` holds {}", found.describe());
            return Err(TransformError::input("column_type", message)
                .help("leave the column out, or read it as text where it is ingested"));
        }
        let learner = Frequent { params: self.clone(), counting: Counting::of("rare_label", name) };
        Ok(Plan::Learn(Box::new(learner), Promise::same(ColumnType::Text, Kind::Category)))
    }
}

struct Frequent {
    params: Params,
    counting: Counting,
}

impl Learner for Frequent {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        self.counting.learn(frame)
    }

    fn takes_encoded(&self) -> bool {
        true
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let (column, categories, counts) = self.counting.sorted();
        let texts = categories.categories().iter().zip(counts);
        let mut texts: Vec<(&Category, u64)> = texts.filter(|(text, _)| **text != Category::Null).collect();
        if texts.len() > self.params.n_categories {
            let rows = texts.iter().map(|(_, count)| count).sum::<u64>() as f64;
            texts.retain(|(_, count)| *count as f64 / rows >= self.params.tol);
            texts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            texts.truncate(self.params.max_n_categories.unwrap_or(usize::MAX));
        }
        let kept = Dictionary::from(texts.into_iter().map(|(text, _)| text.clone()).collect::<Vec<_>>());
        Ok(Unit::RareLabel(RareLabel { column, kept, replace_with: self.params.replace_with }))
    }
}

/// The texts of one column that are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct RareLabel {
    column: String,
    kept: Dictionary,
    replace_with: String,
}

impl RareLabel {
    fn labelled(&self, array: &ArrayRef) -> ArrayRef {
        let labelled = array.as_string::<i32>().iter().zip(self.kept.codes(array));
        let labelled: StringArray = labelled
            .map(|(text, code)| text.map(|text| if code == UNKNOWN { self.replace_with.as_str() } else { text }))
            .collect();
        Arc::new(labelled)
    }
}

impl Fitted for RareLabel {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let array = &frame.column(&self.column)?.array;
        let array: ArrayRef = match array.as_dictionary_opt::<Int32Type>() {
            // Each different text is looked at once.
            Some(encoded) => Arc::new(encoded.with_values(self.labelled(encoded.values()))),
            None => self.labelled(array),
        };
        frame.set(&self.column, Column { array, kind: Kind::Category, categories: None });
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
