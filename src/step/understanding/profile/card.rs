//! The card of one column.

use maud::{Markup, html};

use super::described::Profile;
use super::findings::findings;
use super::page::grouped;
use super::plot::{bars, histogram, shares, stacked};
use crate::table::statistics::{ColumnStatistics, Kind, TargetColumn, TargetKind, TargetStatistics};

/// How many frequent values a card shows.
const SHOWN_VALUES: usize = 8;

/// A column with its plots and numbers.
pub(super) fn card(profile: &Profile, column: &ColumnStatistics) -> Markup {
    let remarks = findings(column);
    let present = column.rows - column.missing;
    let (distinct, is_exact) = column.distinct();
    let bins = column.histogram();
    let (top, _) = column.top(SHOWN_VALUES);
    // Texts are told by their values; all others but bools by where they lie.
    let by_place = !matches!(column.kind, Kind::Text | Kind::Bool) && bins.len() > 1;
    html! {
        article {
            header { h2 { (column.name) } span class="kind" { (column.kind.as_str()) } }
            @if !remarks.is_empty() { ul { @for remark in &remarks { li { (remark) } } } }
            @if by_place { (histogram(column, &bins)) } @else if !top.is_empty() { (bars(&top, present)) }
            @if let Some((target, against)) = profile.against(&column.name) { (by_bin(target, against)) }
            dl {
                (fact("missing", &format!("{:.1} %", column.missing_share() * 100.0)))
                (fact("different", &format!("{}{}", if is_exact { "" } else { "≈ " }, grouped(distinct))))
                @if let Some(spread) = column.spread() {
                    @if column.kind == Kind::Text {
                        (fact("length", &format!("{} – {}", column.written(spread.min), column.written(spread.max))))
                        (fact("mean length", &column.written(spread.mean)))
                    } @else {
                        (fact("mean", &column.written(spread.mean)))
                        @if is_number(column) {
                            (fact("std", &spread.stdev.map_or("–".to_owned(), |stdev| column.written(stdev))))
                        }
                        (fact("min", &column.written(spread.min)))
                        (fact("25 %", &column.written(spread.quantiles[1])))
                        (fact("median", &column.written(spread.quantiles[2])))
                        (fact("75 %", &column.written(spread.quantiles[3])))
                        (fact("max", &column.written(spread.max)))
                    }
                }
            }
        }
    }
}

/// The target in the bins of the column.
fn by_bin(target: &TargetStatistics, against: &TargetColumn) -> Markup {
    let values = |place: usize| -> Vec<(String, f64)> {
        against.bins.iter().map(|bin| (bin.label.clone(), bin.values.get(place).copied().unwrap_or(0.0))).collect()
    };
    html! {
        @if against.bins.len() > 1 {
            @match &target.kind {
                TargetKind::Classes(classes) if classes.len() == 2 => {
                    h3 { (target.name) " = " (classes[1].0) " by bin" }
                    (shares(&values(1), highest(&values(1)), "share of the rarer class in each bin"))
                }
                TargetKind::Classes(classes) => {
                    h3 { (target.name) " by bin" }
                    (stacked(&against.bins, classes))
                }
                TargetKind::Number(_) => {
                    h3 { "mean of " (target.name) " by bin" }
                    (super::plot::means(&values(0)))
                }
            }
        }
    }
}

fn highest(values: &[(String, f64)]) -> f64 {
    values.iter().map(|(_, value)| *value).fold(0.0, f64::max)
}

fn fact(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// Whether a column holds numbers.
pub(super) fn is_number(column: &ColumnStatistics) -> bool {
    matches!(column.kind, Kind::Int | Kind::Float)
}
