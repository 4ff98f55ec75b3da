//! The profile as one self-contained HTML page.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::findings::findings;
use super::plot::{bars, histogram};
use crate::table::statistics::{ColumnStatistics, Kind};

/// How many frequent values a card shows.
const SHOWN_VALUES: usize = 8;

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
";

/// The page about a table of `rows` rows.
pub(super) fn page(rows: u64, columns: &[ColumnStatistics], missing_share: f64) -> String {
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
                        (tile("rows", &grouped(rows)))
                        (tile("columns", &columns.len().to_string()))
                        (tile("missing values", &format!("{:.2} %", missing_share * 100.0)))
                        (tile("numeric columns", &columns.iter().filter(|column| is_number(column)).count().to_string()))
                    }
                    div class="cards" {
                        @for column in columns { (card(column)) }
                    }
                    footer {
                        "Counts, range, mean and deviation are exact. Quantiles and histograms of more than 2,000 values are "
                        "within half a percent of rank; counts of more than 20,000 different values are within three percent."
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

fn card(column: &ColumnStatistics) -> Markup {
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

fn fact(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn is_number(column: &ColumnStatistics) -> bool {
    matches!(column.kind, Kind::Int | Kind::Float)
}

/// A count with its digits in groups of three.
fn grouped(count: u64) -> String {
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
