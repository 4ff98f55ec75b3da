//! Inline SVG: histograms and bars. The same data gives the same bytes.

use maud::{Markup, html};

use crate::table::statistics::{Bin, ColumnStatistics, TargetBin};

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 110.0;
const ROW: f64 = 20.0;

/// The histogram of a column, with its range below.
pub(super) fn histogram(column: &ColumnStatistics, bins: &[Bin]) -> Markup {
    let highest = bins.iter().map(|bin| bin.count).max().unwrap_or(0).max(1) as f64;
    let step = WIDTH / bins.len().max(1) as f64;
    let (low, high) = (bins.first().map_or(0.0, |bin| bin.low), bins.last().map_or(0.0, |bin| bin.high));
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {}", HEIGHT + 18.0)) role="img" aria-label=(format!("histogram of {}", column.name)) {
            @for (index, bin) in bins.iter().enumerate() {
                @let height = (bin.count as f64 / highest * HEIGHT).max(if bin.count > 0 { 1.0 } else { 0.0 });
                rect class="bar" x=(number(index as f64 * step + 0.5)) y=(number(HEIGHT - height))
                    width=(number((step - 1.0).max(0.5))) height=(number(height)) {
                    title { (column.written(bin.low)) " to " (column.written(bin.high)) ": " (bin.count) }
                }
            }
            line class="axis" x1="0" x2=(WIDTH) y1=(HEIGHT) y2=(HEIGHT) {}
            text x="0" y=(HEIGHT + 14.0) { (column.written(low)) }
            text x=(WIDTH) y=(HEIGHT + 14.0) text-anchor="end" { (column.written(high)) }
        }
    }
}

/// The most frequent values as bars, with their share of all values.
pub(super) fn bars(top: &[(String, u64)], present: u64) -> Markup {
    let most = top.first().map_or(1, |(_, count)| *count).max(1) as f64;
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {}", ROW * top.len() as f64)) role="img" aria-label="most frequent values" {
            @for (index, (value, count)) in top.iter().enumerate() {
                @let y = index as f64 * ROW;
                rect class="bar soft" x="0" y=(number(y + 1.0)) width=(number((*count as f64 / most * WIDTH).max(1.0))) height=(number(ROW - 2.0)) {}
                text x="6" y=(number(y + 14.0)) { (shortened(value)) }
                text x=(WIDTH - 4.0) y=(number(y + 14.0)) text-anchor="end" {
                    (format!("{:.1} %", *count as f64 / present.max(1) as f64 * 100.0))
                }
            }
        }
    }
}

/// Named shares as bars, the whole width standing for `most`.
pub(super) fn shares(values: &[(String, f64)], most: f64, label: &str) -> Markup {
    let most = if most > 0.0 { most } else { 1.0 };
    let written =
        |value: f64| if label.contains("ROC") { format!("{value:.3}") } else { format!("{:.1} %", value * 100.0) };
    rows(values, |value| value / most, written, label)
}

/// Named means as bars from the least to the greatest, which may lie on both sides of zero.
pub(super) fn means(values: &[(String, f64)]) -> Markup {
    let most = values.iter().map(|(_, value)| value.abs()).fold(0.0, f64::max);
    let most = if most > 0.0 { most } else { 1.0 };
    rows(values, |value| value.abs() / most, |value| format!("{value:.4}"), "mean of the target in each bin")
}

fn rows(values: &[(String, f64)], share: impl Fn(f64) -> f64, written: impl Fn(f64) -> String, label: &str) -> Markup {
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {}", ROW * values.len() as f64)) role="img" aria-label=(label) {
            @for (index, (name, value)) in values.iter().enumerate() {
                @let y = index as f64 * ROW;
                @let width = (share(*value).clamp(0.0, 1.0) * WIDTH).max(if *value == 0.0 { 0.0 } else { 1.0 });
                rect class="bar soft" x="0" y=(number(y + 1.0)) width=(number(width)) height=(number(ROW - 2.0)) {}
                text x="6" y=(number(y + 14.0)) { (shortened(name)) }
                text x=(WIDTH - 4.0) y=(number(y + 14.0)) text-anchor="end" { (written(*value)) }
            }
        }
    }
}

/// The shares of classes in each bin, one bar a bin.
pub(super) fn stacked(bins: &[TargetBin], classes: &[(String, u64)]) -> Markup {
    let half = WIDTH / 2.0;
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {}", ROW * bins.len() as f64 + 18.0)) role="img" aria-label="classes of the target in each bin" {
            @for (index, bin) in bins.iter().enumerate() {
                @let y = index as f64 * ROW;
                text x="0" y=(number(y + 14.0)) { (bin.label.chars().take(24).collect::<String>()) }
                @for (place, (class, _)) in classes.iter().enumerate() {
                    @let before: f64 = bin.values[..place].iter().sum();
                    rect class=(format!("seg{}", place % 8)) x=(number(half + before * half)) y=(number(y + 2.0))
                        width=(number(bin.values[place] * half)) height=(number(ROW - 4.0)) {
                        title { (class) ": " (format!("{:.1} %", bin.values[place] * 100.0)) }
                    }
                }
            }
            @for (place, (class, _)) in classes.iter().take(5).enumerate() {
                @let x = place as f64 * WIDTH / 5.0;
                @let y = ROW * bins.len() as f64 + 4.0;
                rect class=(format!("seg{}", place % 8)) x=(number(x)) y=(number(y)) width="10" height="10" {}
                text x=(number(x + 14.0)) y=(number(y + 9.0)) { (class.chars().take(9).collect::<String>()) }
            }
        }
    }
}

fn number(value: f64) -> String {
    format!("{value:.1}")
}

fn shortened(text: &str) -> String {
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    if text.chars().count() <= 38 { text.to_owned() } else { text.chars().take(37).chain(['…']).collect() }
}
