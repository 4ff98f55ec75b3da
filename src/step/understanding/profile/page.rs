//! The profile as one self-contained HTML page.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::card::{card, is_number};
use super::described::{Profile, Remark};
use super::matrix::heatmap;
use super::plot::shares;
use crate::table::statistics::TargetKind;

/// How many columns the plot of missing values shows.
const SHOWN_MISSING: usize = 30;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1c2530; --soft: #5d6b7a; --line: #dfe5ea; --ground: #f6f8fa; --card: #fff; --bar: #3b76c4; --mark: #b4540a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9ee; --soft: #97a4b1; --line: #313a44; --ground: #14181d; --card: #1c2229; --bar: #6ea3e6; --mark: #f0a060; } }
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); }
main { max-width: 1200px; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; margin: 0 0 1rem; } h2 { font-size: 1.05rem; margin: 0; overflow-wrap: anywhere; }
.tiles { display: flex; flex-wrap: wrap; gap: .75rem; margin-bottom: 2rem; }
.tile, article { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.tile { padding: .75rem 1.25rem; min-width: 9rem; } .tile b { display: block; font-size: 1.4rem; font-weight: 600; }
.tile span, dt, .kind { color: var(--soft); font-size: .85rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)); gap: 1rem; }
article { padding: 1rem 1.25rem; } header { display: flex; justify-content: space-between; gap: 1rem; align-items: baseline; margin-bottom: .5rem; }
ul { margin: .25rem 0 .5rem; padding: 0; list-style: none; color: var(--mark); font-size: .85rem; } li::before { content: '▲ '; font-size: .7em; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(88px, 1fr)); gap: .35rem .75rem; margin: .75rem 0 0; }
dl div { min-width: 0; } dt, dd { margin: 0; } dd { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
svg { width: 100%; height: auto; display: block; margin-top: .5rem; } svg text { fill: var(--ink); font-size: 11px; }
.bar { fill: var(--bar); } .bar.soft { opacity: .35; } .axis { stroke: var(--line); }
footer { color: var(--soft); font-size: .85rem; margin-top: 2rem; }
section { margin-bottom: 2rem; } section > h2 { font-size: 1.2rem; margin: 0 0 .75rem; }
.wide { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1rem 1.25rem; overflow-x: auto; }
.wide svg { width: auto; max-width: none; } .remarks { columns: 2 420px; color: var(--ink); } .remarks li { break-inside: avoid; padding: .1rem 0; }
.remarks li::before { color: var(--mark); } .remarks b { font-weight: 600; } h3 { font-size: .85rem; font-weight: 600; margin: .9rem 0 0; color: var(--soft); }
.up { fill: var(--bar); } .down { fill: var(--mark); } .seg0 { fill: var(--bar); } .seg1 { fill: var(--mark); } .seg2 { fill: #5a9a6a; } .seg3 { fill: #8a6fb8; }
.seg4 { fill: #b8a13a; } .seg5 { fill: #4aa5a8; } .seg6 { fill: #b86f8f; } .seg7 { fill: #7a8a99; } .mean { stroke: var(--mark); stroke-dasharray: 4 3; }
";

/// The page about a profile.
pub(super) fn page(profile: &Profile, remarks: &[Remark]) -> String {
    let numbers = profile.columns.iter().filter(|column| is_number(column)).count();
    let across = &profile.across;
    let about = if across.duplicates_are_exact { "" } else { "≈ " };
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Profile of a table" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { "Profile" }
                    div class="tiles" {
                        (tile("rows", &grouped(profile.rows)))
                        (tile("columns", &profile.columns.len().to_string()))
                        (tile("missing values", &format!("{:.2} %", profile.missing_share() * 100.0)))
                        (tile("numeric columns", &numbers.to_string()))
                        (tile("repeated rows", &format!("{about}{}", grouped(across.duplicate_rows))))
                    }
                    @if !remarks.is_empty() {
                        section {
                            h2 { "What to look at" }
                            ul class="wide remarks" { @for remark in remarks { li { b { (remark.about) } " " (remark.text) } } }
                        }
                    }
                    (target(profile))
                    (missing(profile))
                    @if across.pearson.columns.len() > 1 {
                        section {
                            h2 { "Correlation of numbers" }
                            div class="wide" { (heatmap(&across.pearson, "Pearson's correlation")) }
                        }
                    }
                    @if across.cramers_v.columns.len() > 1 {
                        section {
                            h2 { "Association of categories" }
                            div class="wide" { (heatmap(&across.cramers_v, "Cramer's V")) }
                        }
                    }
                    section {
                        h2 { "Columns" }
                        div class="cards" { @for column in &profile.columns { (card(profile, column)) } }
                    }
                    footer {
                        "Counts, range, mean, deviation and correlations are exact. Quantiles and histograms of more than 2,000 "
                        "values are within half a percent of rank; counts of more than 20,000 different values are within three "
                        "percent. Correlations are over the rows that have both values; at most 40 columns of each sort are shown."
                    }
                }
            }
        }
    };
    document.into_string()
}

fn tile(name: &str, value: &str) -> Markup {
    html! { div class="tile" { b { (value) } span { (name) } } }
}

/// What the target is, and what gives it away.
fn target(profile: &Profile) -> Markup {
    let Some(target) = &profile.target else { return html! {} };
    let mut areas: Vec<(String, f64)> =
        target.columns.iter().filter_map(|column| Some((column.name.clone(), column.auc?))).collect();
    areas.sort_by(|left, right| right.1.total_cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
    areas.truncate(SHOWN_MISSING);
    html! {
        section {
            h2 { "Target " (target.name) }
            div class="cards" {
                article {
                    header { h2 { "Distribution" } }
                    @match &target.kind {
                        TargetKind::Classes(classes) => {
                            (shares(&by_share(classes), 1.0, "rows of each class"))
                        }
                        TargetKind::Number(mean) => { p { "A number with the mean " (format!("{mean:.6}")) "; its card is below." } }
                    }
                }
                @if !areas.is_empty() {
                    article {
                        header { h2 { "What each column tells alone" } span class="kind" { "AUC" } }
                        (shares(&areas, 1.0, "area under the ROC curve of each column"))
                    }
                }
            }
        }
    }
}

fn by_share(classes: &[(String, u64)]) -> Vec<(String, f64)> {
    let rows = classes.iter().map(|(_, rows)| *rows).sum::<u64>().max(1) as f64;
    classes.iter().map(|(class, count)| (class.clone(), *count as f64 / rows)).collect()
}

/// The columns with missing values.
fn missing(profile: &Profile) -> Markup {
    let mut columns: Vec<(String, f64)> = profile
        .columns
        .iter()
        .filter(|column| column.missing > 0)
        .map(|column| (column.name.clone(), column.missing_share()))
        .collect();
    columns.sort_by(|left, right| right.1.total_cmp(&left.1));
    let left_out = columns.len().saturating_sub(SHOWN_MISSING);
    columns.truncate(SHOWN_MISSING);
    html! {
        @if !columns.is_empty() {
            section {
                h2 { "Missing values" }
                div class="cards" {
                    article {
                        (shares(&columns, 1.0, "share of missing values of each column"))
                        @if left_out > 0 { span class="kind" { "and " (left_out) " more columns" } }
                    }
                }
            }
        }
    }
}

/// A count with its digits in groups of three.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
