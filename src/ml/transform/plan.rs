//! What every transform says of itself: its params, the columns it takes, and what it takes to have it.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::frame::{Column, Frame, Kind};
use super::learn::{FitFacts, Learner};
use super::registry::Unit;
use super::{ColumnType, TransformError};

/// The params of a transform, and how it comes to be fitted.
pub(super) trait Transform: DeserializeOwned + JsonSchema {
    /// The param that a bare value stands for: with `strategy`, `impute: median` is `impute: {strategy: median}`.
    const BARE: Option<&'static str> = None;
    /// Params that are written beside the key, each with a word on what it is: `derive: x` with `as: a / b`.
    const BESIDE: &'static [(&'static str, &'static str)] = &[];
    /// Where its columns come from.
    const COLUMNS: Columns = Columns::Selected("@numeric");
    /// Whether it works on each of them alone.
    const SCOPE: Scope = Scope::Each;
    /// One item of `transforms`, in YAML.
    const EXAMPLE: &'static str;

    /// What is wrong with the params themselves, before any table is known.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Files and folders that it reads, relative to the manifest's folder; their content enters the cache key.
    fn files(&self) -> Vec<&str> {
        Vec::new()
    }

    /// What it takes to have this transform of some columns.
    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError>;
}

/// Where the columns of a transform come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Columns {
    /// From `columns` beside the key, or else this selector.
    Selected(&'static str),
    /// The value of the key selects them: `drop: [a, b]`.
    Value,
    /// It names what it reads in its own params.
    Named,
}

/// Whether a transform works on each column alone or on all together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Each column is planned, learnt and fitted alone.
    Each,
    /// All selected columns make one fitted transform; nothing happens if none are selected.
    Together,
}

/// What a transform may know when it is planned: columns without rows, some of them only promised.
pub(super) struct Planning<'walk> {
    /// The selected columns: one of them for [`Scope::Each`].
    pub(super) columns: &'walk [String],
    /// All columns at this place of the chain.
    pub(super) frame: &'walk Frame,
    /// Whether there may be further columns whose names are not known yet.
    pub(super) is_open: bool,
    /// What is known of the whole fit.
    pub(super) facts: &'walk FitFacts,
}

impl Planning<'_> {
    /// The only column of a transform with [`Scope::Each`], and its name.
    pub(super) fn one(&self) -> Result<(&str, &Column), TransformError> {
        let name = self.columns.first().expect("each column is planned alone");
        Ok((name, self.frame.column(name)?))
    }
}

/// What it takes to have a transform.
#[expect(clippy::large_enum_variant, reason = "a plan is taken apart as soon as it is made")]
pub(super) enum Plan {
    /// Nothing: it is fixed by its params.
    Ready(Unit),
    /// A pass over the fit table.
    Learn(Box<dyn Learner>, Promise),
    /// First the names of all columns before it.
    Wait,
}

/// What a transform that has not learnt yet will give.
#[derive(Debug, Clone, Default)]
pub(super) struct Promise {
    /// What becomes of the columns that it works on.
    pub(super) same: Same,
    /// Further columns whose names are known.
    pub(super) new: Vec<(String, ColumnType, Kind)>,
    /// The kinds of further columns whose names are not known yet.
    pub(super) open: Vec<Kind>,
}

/// What becomes of the columns that a transform works on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Same {
    /// They go away.
    #[default]
    Gone,
    /// They become columns of this type and kind.
    Changed(ColumnType, Kind),
    /// Nothing.
    Untouched,
}

impl Promise {
    /// The same columns, as this type and kind.
    pub(super) fn same(column_type: ColumnType, kind: Kind) -> Promise {
        Promise { same: Same::Changed(column_type, kind), ..Promise::default() }
    }

    /// The same columns, as numbers.
    pub(super) fn numbers() -> Promise {
        Promise::same(ColumnType::Float, Kind::Number)
    }

    /// Columns of this kind in the place of those there are, under names that are not known yet.
    pub(super) fn open(kind: Kind) -> Promise {
        Promise { open: vec![kind], ..Promise::default() }
    }

    /// The same columns as they are, and beside them columns of this kind under names that are not known yet.
    pub(super) fn beside(kind: Kind) -> Promise {
        Promise { same: Same::Untouched, open: vec![kind], ..Promise::default() }
    }

    /// Float columns of this kind in the place of those there are.
    pub(super) fn replaced_by<'name>(names: impl IntoIterator<Item = &'name String>, kind: Kind) -> Promise {
        Promise::default().and(names, kind)
    }

    /// These further float columns too.
    pub(super) fn and<'name>(mut self, names: impl IntoIterator<Item = &'name String>, kind: Kind) -> Promise {
        self.new.extend(names.into_iter().map(|name| (name.clone(), ColumnType::Float, kind)));
        self
    }
}
