//! What columns are for, as schema metadata that travels with a table from the feature step to training and evaluation.
//!
//! Field metadata `phaseline.role` is `feature`, `target`, `raw` or `weight`; schema metadata says what kind of
//! prediction the target asks for.

use arrow::datatypes::{Field, Schema};

/// Field metadata: the role of a column.
pub const ROLE: &str = "phaseline.role";
/// Field metadata of a categorical feature that holds codes `0..n`: the number of codes.
pub const CATEGORIES: &str = "phaseline.categories";
/// Schema metadata: `binary`, `multiclass` or `regression`.
pub const TASK: &str = "phaseline.task";
/// Schema metadata: a JSON list of the class labels; the target column holds indexes into it, and for a binary task
/// the second one is the positive class.
pub const CLASSES: &str = "phaseline.classes";
/// Columns copied from before the transforms, for slices, have this prefix to their name.
pub const RAW_PREFIX: &str = "raw.";

/// What a column of a feature table is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A number that a model learns from.
    Feature,
    /// What a model learns to predict.
    Target,
    /// A column from before the transforms, kept for slices.
    Raw,
    /// The weight of the row.
    Weight,
}

impl Role {
    /// The role as written in the metadata.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Feature => "feature",
            Self::Target => "target",
            Self::Raw => "raw",
            Self::Weight => "weight",
        }
    }

    /// The role of `field`, if it has one.
    pub fn of(field: &Field) -> Option<Role> {
        let text = field.metadata().get(ROLE)?;
        [Self::Feature, Self::Target, Self::Raw, Self::Weight].into_iter().find(|role| role.as_str() == text)
    }

    /// `field` with this role.
    #[must_use]
    pub fn mark(self, field: Field) -> Field {
        let mut metadata = field.metadata().clone();
        metadata.insert(ROLE.to_owned(), self.as_str().to_owned());
        field.with_metadata(metadata)
    }
}

/// What kind of prediction a target asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Two classes; the second label is the positive one.
    Binary {
        /// The negative and the positive label.
        classes: [String; 2],
    },
    /// Three or more classes.
    Multiclass {
        /// The labels, by index.
        classes: Vec<String>,
    },
    /// A number.
    Regression,
}

impl Task {
    /// The task that `schema` carries, if a feature step marked it.
    pub fn of(schema: &Schema) -> Option<Task> {
        let classes = || serde_json::from_str::<Vec<String>>(schema.metadata().get(CLASSES)?).ok();
        match schema.metadata().get(TASK)?.as_str() {
            "binary" => Some(Task::Binary { classes: classes()?.try_into().ok()? }),
            "multiclass" => Some(Task::Multiclass { classes: classes()? }),
            "regression" => Some(Task::Regression),
            _ => None,
        }
    }

    /// The task's name in metadata and `model.json`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Binary { .. } => "binary",
            Self::Multiclass { .. } => "multiclass",
            Self::Regression => "regression",
        }
    }

    /// The class labels; empty for regression.
    pub fn classes(&self) -> &[String] {
        match self {
            Self::Binary { classes } => classes,
            Self::Multiclass { classes } => classes,
            Self::Regression => &[],
        }
    }

    /// `schema` with this task in its metadata.
    #[must_use]
    pub fn mark(&self, schema: Schema) -> Schema {
        let mut metadata = schema.metadata().clone();
        metadata.insert(TASK.to_owned(), self.as_str().to_owned());
        if !self.classes().is_empty() {
            let classes = serde_json::to_string(self.classes()).expect("labels are text");
            metadata.insert(CLASSES.to_owned(), classes);
        }
        schema.with_metadata(metadata)
    }
}
