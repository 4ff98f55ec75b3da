//! A profile: all that was counted, and what a careful reader would point at.

use super::findings::findings;
use crate::table::statistics::{Across, ColumnStatistics, LEAK, TargetColumn, TargetKind, TargetStatistics};

/// From this correlation on two columns say the same.
const SAME: f64 = 0.98;
/// A class with fewer rows than this share of the most frequent one is rare.
const RARE: f64 = 0.1;

/// Everything that is known of a table.
pub(super) struct Profile {
    pub(super) rows: u64,
    pub(super) columns: Vec<ColumnStatistics>,
    pub(super) across: Across,
    pub(super) target: Option<TargetStatistics>,
}

/// Something worth knowing, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remark {
    /// A column, several, or the table.
    pub(super) about: String,
    pub(super) text: String,
}

impl Profile {
    pub(super) fn missing_share(&self) -> f64 {
        let missing: u64 = self.columns.iter().map(|column| column.missing).sum();
        let values = self.rows * self.columns.len() as u64;
        if values == 0 { 0.0 } else { missing as f64 / values as f64 }
    }

    /// The columns that give the target away.
    pub(super) fn leaks(&self) -> impl Iterator<Item = &TargetColumn> {
        let columns = self.target.iter().flat_map(|target| &target.columns);
        columns.filter(|column| column.decides || column.auc.is_some_and(|auc| auc > LEAK))
    }

    /// Remarks about the table and its columns, most important first.
    pub(super) fn remarks(&self) -> Vec<Remark> {
        let remark = |about: &str, text: String| Remark { about: about.to_owned(), text };
        let mut remarks = Vec::new();
        for column in self.leaks() {
            let text = match column.auc {
                Some(auc) if auc > LEAK => format!("may leak the target: alone it reaches an AUC of {auc:.3}"),
                _ => "may leak the target: each of its values stands for one class".to_owned(),
            };
            remarks.push(remark(&column.name, text));
        }
        if let Some(target) = &self.target {
            if let Some(about) = self.columns.iter().find(|column| column.name == target.name && column.missing > 0) {
                let share = about.missing_share() * 100.0;
                remarks.push(remark(&target.name, format!("the target is missing in {share:.1} % of the rows")));
            }
            if let TargetKind::Classes(classes) = &target.kind
                && let (Some((_, most)), Some((rarest, least))) = (classes.first(), classes.last())
                && (*least as f64) < RARE * *most as f64
            {
                remarks
                    .push(remark(&target.name, format!("the class `{rarest}` is rare: {least} rows against {most}")));
            }
        }
        if self.across.duplicate_rows > 0 && (self.across.duplicates_are_exact || self.duplicate_share() > 0.05) {
            let about = if self.across.duplicates_are_exact { "" } else { "about " };
            let text = format!("{about}{} rows repeat an earlier one", self.across.duplicate_rows);
            remarks.push(remark("table", text));
        }
        for names in &self.across.equal_columns {
            remarks.push(remark(&names.join(", "), "hold the same values in every row".to_owned()));
        }
        let is_equal = |left: &str, right: &str| {
            let both = |names: &&Vec<String>| names.iter().any(|it| it == left) && names.iter().any(|it| it == right);
            self.across.equal_columns.iter().any(|names| both(&names))
        };
        let pearson = &self.across.pearson;
        for (row, left) in pearson.columns.iter().enumerate() {
            for (column, right) in pearson.columns.iter().enumerate().skip(row + 1) {
                let value = pearson.values[row][column].filter(|value| value.abs() >= SAME);
                if let Some(value) = value.filter(|_| !is_equal(left, right)) {
                    remarks.push(remark(
                        &format!("{left}, {right}"),
                        format!("say nearly the same: correlation {value:.3}"),
                    ));
                }
            }
        }
        for column in &self.columns {
            remarks.extend(findings(column).into_iter().map(|text| remark(&column.name, text)));
        }
        remarks
    }

    /// The column against the target, if there is one.
    pub(super) fn against(&self, name: &str) -> Option<(&TargetStatistics, &TargetColumn)> {
        let target = self.target.as_ref()?;
        Some((target, target.columns.iter().find(|column| column.name == name)?))
    }

    fn duplicate_share(&self) -> f64 {
        if self.rows == 0 { 0.0 } else { self.across.duplicate_rows as f64 / self.rows as f64 }
    }
}
