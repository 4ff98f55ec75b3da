//! A matrix of correlations as inline SVG.

use maud::{Markup, html};

use crate::table::statistics::Matrix;

const CELL: f64 = 26.0;
/// How much of a name is shown beside the matrix.
const NAME: usize = 22;

/// A square of cells, the stronger the darker; negative values in the other colour.
pub(super) fn heatmap(matrix: &Matrix, label: &str) -> Markup {
    let names: Vec<String> = matrix.columns.iter().map(|name| name.chars().take(NAME).collect()).collect();
    let margin = names.iter().map(|name| name.chars().count()).max().unwrap_or(0) as f64 * 6.4 + 12.0;
    let side = CELL * names.len() as f64;
    let (width, height) = (margin + side + margin * 0.8, side + margin);
    html! {
        svg viewBox=(format!("0 0 {width:.0} {height:.0}")) width=(format!("{width:.0}")) height=(format!("{height:.0}")) role="img" aria-label=(label) {
            @for (row, name) in names.iter().enumerate() {
                @let y = CELL * row as f64;
                text x=(format!("{:.1}", margin - 6.0)) y=(format!("{:.1}", y + CELL * 0.65)) text-anchor="end" { (name) }
                @for (column, value) in matrix.values[row].iter().enumerate() {
                    @if let Some(value) = value {
                        rect class=(if *value < 0.0 { "down" } else { "up" }) x=(format!("{:.1}", margin + CELL * column as f64 + 1.0))
                            y=(format!("{:.1}", y + 1.0)) width=(CELL - 2.0) height=(CELL - 2.0) rx="3"
                            fill-opacity=(format!("{:.2}", value.abs().max(0.03))) {
                            title { (name) ", " (names[column]) ": " (format!("{value:.3}")) }
                        }
                        @if row != column && value.abs() >= 0.1 {
                            text x=(format!("{:.1}", margin + CELL * (column as f64 + 0.5))) y=(format!("{:.1}", y + CELL * 0.63))
                                text-anchor="middle" style="font-size:9px" { (format!("{value:.1}").replace("0.", ".")) }
                        }
                    }
                }
                @let x = margin + CELL * (row as f64 + 0.5);
                text x=(format!("{x:.1}")) y=(format!("{:.1}", side + 12.0)) transform=(format!("rotate(45 {x:.1} {:.1})", side + 8.0)) { (name) }
            }
        }
    }
}
