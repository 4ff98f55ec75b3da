//! What a careful reader would point at in a column.

use crate::table::statistics::{ColumnStatistics, Kind};

/// Remarks about a column, most important first.
pub(super) fn findings(column: &ColumnStatistics) -> Vec<String> {
    let mut remarks = Vec::new();
    let present = column.rows - column.missing;
    let (distinct, is_exact) = column.distinct();
    let share = column.missing_share();
    if column.rows > 0 && present == 0 {
        remarks.push("has no value at all".to_owned());
        return remarks;
    }
    if share >= 0.05 {
        remarks.push(format!("{:.1} % of the values are missing", share * 100.0));
    }
    if distinct == 1 && is_exact && present > 1 {
        remarks.push("holds one value only".to_owned());
    }
    let is_discrete = matches!(column.kind, Kind::Text | Kind::Int);
    if is_discrete && present > 20 && is_exact && distinct == present {
        remarks.push("every value is different: an identifier?".to_owned());
    } else if column.kind == Kind::Text && present > 100 && distinct as f64 > 0.5 * present as f64 {
        remarks.push("more than half of the values are different".to_owned());
    }
    if let Some(skewness) = column.spread().and_then(|spread| spread.skewness)
        && matches!(column.kind, Kind::Int | Kind::Float)
        && skewness.abs() > 2.0
    {
        remarks.push(format!("is very skewed ({skewness:.1})"));
    }
    let zeros = column.zeros as f64 / present.max(1) as f64;
    if zeros > 0.5 && distinct > 2 {
        remarks.push(format!("{:.0} % of the values are zero", zeros * 100.0));
    }
    let (top, _) = column.top(1);
    if let Some((value, count)) = top.first()
        && distinct > 1
        && *count as f64 > 0.95 * present as f64
    {
        remarks.push(format!("nearly every value is `{value}`"));
    }
    remarks
}
