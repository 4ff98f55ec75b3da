//! The report as a page that needs nothing but a browser.

use maud::{DOCTYPE, html};

use super::kind::Line;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#222}\
    table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #ddd}\
    td.n{text-align:right;font-variant-numeric:tabular-nums}.drifted{background:#fdecea}.quiet{color:#666}";

/// The page for these columns, the drifted ones first.
pub(super) fn render(reference: u64, current: u64, drift_share: f64, lines: &[Line]) -> String {
    let mut sorted: Vec<&Line> = lines.iter().collect();
    sorted.sort_by_key(|line| (!line.drifted, &line.column));
    let drifted = lines.iter().filter(|line| line.drifted).count();
    let number = |value: f64| if value.is_finite() { format!("{value:.4}") } else { "∞".to_owned() };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Drift" }
                style { (maud::PreEscaped(STYLE)) }
            }
            body {
                h1 { "Drift" }
                p { (reference) " reference rows, " (current) " current rows." }
                @if lines.is_empty() {
                    p { "There is nothing to compare yet." }
                } @else {
                    p {
                        strong { (drifted) " of " (lines.len()) " columns have drifted" }
                        "; from a share of " (drift_share) " on the whole data set counts as drifted."
                    }
                    table {
                        thead { tr {
                            th { "Column" } th { "Method" } th { "Statistic" } th { "p-value" } th { "Threshold" }
                            th { "PSI" } th { "Missing before" } th { "Missing now" } th { "Drifted" }
                        } }
                        tbody {
                            @for line in &sorted {
                                tr.drifted[line.drifted] {
                                    td { (line.column) }
                                    @if let Some(drift) = &line.drift {
                                        td { (drift.method.as_str()) }
                                        td.n { (number(drift.statistic)) }
                                        td.n { (drift.p_value.map(number).unwrap_or_default()) }
                                        td.n { (drift.threshold) }
                                        td.n { (number(drift.psi)) }
                                    } @else {
                                        td.quiet colspan="5" { (line.note.unwrap_or("not comparable")) }
                                    }
                                    td.n { (format!("{:.1} %", 100.0 * line.missing_reference)) }
                                    td.n { (format!("{:.1} %", 100.0 * line.missing_current)) }
                                    td { @if line.drifted { "yes" } @else { "no" } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    .into_string()
}
