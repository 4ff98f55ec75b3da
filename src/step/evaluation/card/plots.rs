//! Plots as inline SVG, drawn by hand so that they are small and always the same.

use maud::{Markup, html};

use super::number;
use crate::ml::metrics::CurvePoint;

const SIZE: f64 = 260.0;
const LEFT: f64 = 46.0;
const BOTTOM: f64 = 38.0;
const MARGIN: f64 = 10.0;
const INK: &str = "#2458a6";
const GRID: &str = "#dfe4ec";

/// The ranges and names of two axes.
#[derive(Debug, Clone)]
pub(super) struct Axes {
    pub(super) x: (f64, f64),
    pub(super) y: (f64, f64),
    pub(super) x_label: String,
    pub(super) y_label: String,
}

/// One plot.
#[derive(Debug, Clone)]
pub(super) enum Plot {
    Line {
        title: String,
        axes: Axes,
        points: Vec<CurvePoint>,
        diagonal: bool,
    },
    Scatter {
        title: String,
        axes: Axes,
        points: Vec<CurvePoint>,
    },
    Matrix {
        title: String,
        labels: Vec<String>,
        rows: Vec<Vec<f64>>,
    },
    /// Name, length and deviation.
    Bars {
        title: String,
        bars: Vec<(String, f64, f64)>,
    },
}

impl Plot {
    /// The plot with its caption.
    pub(super) fn figure(&self) -> Markup {
        let (title, drawing) = match self {
            Plot::Line { title, axes, points, diagonal } => (title, line(axes, points, *diagonal)),
            Plot::Scatter { title, axes, points } => (title, scatter(axes, points)),
            Plot::Matrix { title, labels, rows } => (title, matrix(labels, rows)),
            Plot::Bars { title, bars } => (title, bar_chart(bars)),
        };
        html! { figure { (drawing) figcaption { (title) } } }
    }
}

impl Axes {
    fn place(&self, point: &CurvePoint) -> (f64, f64) {
        let share = |value: f64, (low, high): (f64, f64)| (value - low) / (high - low);
        (LEFT + share(point.x, self.x) * SIZE, MARGIN + (1.0 - share(point.y, self.y)) * SIZE)
    }

    fn frame(&self, content: &Markup) -> Markup {
        let (width, height) = (LEFT + SIZE + MARGIN, MARGIN + SIZE + BOTTOM);
        let at = |(low, high): (f64, f64), part: f64| low + (high - low) * part;
        html! {
            svg role="img" width=(px(width)) height=(px(height)) viewBox={ "0 0 " (px(width)) " " (px(height)) } {
                @for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
                    @let x = LEFT + part * SIZE;
                    @let y = MARGIN + (1.0 - part) * SIZE;
                    line x1=(px(x)) y1=(px(MARGIN)) x2=(px(x)) y2=(px(MARGIN + SIZE)) stroke=(GRID) {}
                    line x1=(px(LEFT)) y1=(px(y)) x2=(px(LEFT + SIZE)) y2=(px(y)) stroke=(GRID) {}
                    text x=(px(x)) y=(px(MARGIN + SIZE + 14.0)) text-anchor="middle" { (short(at(self.x, part))) }
                    text x=(px(LEFT - 5.0)) y=(px(y + 4.0)) text-anchor="end" { (short(at(self.y, part))) }
                }
                text x=(px(LEFT + SIZE / 2.0)) y=(px(height - 6.0)) text-anchor="middle" { (self.x_label) }
                @let middle = MARGIN + SIZE / 2.0;
                text x="11" y=(px(middle)) text-anchor="middle" transform={ "rotate(-90 11 " (px(middle)) ")" } { (self.y_label) }
                (content)
            }
        }
    }
}

fn line(axes: &Axes, points: &[CurvePoint], diagonal: bool) -> Markup {
    let places: Vec<(f64, f64)> = points.iter().map(|point| axes.place(point)).collect();
    let path: Vec<String> = places.iter().map(|(x, y)| format!("{},{}", px(*x), px(*y))).collect();
    axes.frame(&html! {
        @if diagonal {
            line x1=(px(LEFT)) y1=(px(MARGIN + SIZE)) x2=(px(LEFT + SIZE)) y2=(px(MARGIN)) stroke="#9aa5b8" stroke-dasharray="4 4" {}
        }
        polyline points=(path.join(" ")) fill="none" stroke=(INK) stroke-width="2" {}
        @if places.len() <= 20 {
            @for (x, y) in &places { circle cx=(px(*x)) cy=(px(*y)) r="3" fill=(INK) {} }
        }
    })
}

fn scatter(axes: &Axes, points: &[CurvePoint]) -> Markup {
    axes.frame(&html! {
        line x1=(px(LEFT)) y1=(px(MARGIN + SIZE)) x2=(px(LEFT + SIZE)) y2=(px(MARGIN)) stroke="#9aa5b8" stroke-dasharray="4 4" {}
        @for point in points {
            @let (x, y) = axes.place(point);
            circle cx=(px(x)) cy=(px(y)) r="2.5" fill=(INK) fill-opacity="0.45" {}
        }
    })
}

fn matrix(labels: &[String], rows: &[Vec<f64>]) -> Markup {
    let count = labels.len().max(1) as f64;
    let left = 110.0;
    let cell = (SIZE / count).clamp(26.0, 90.0);
    let (width, height) = (left + cell * count + MARGIN, cell * count + BOTTOM + MARGIN);
    html! {
        svg role="img" width=(px(width)) height=(px(height)) viewBox={ "0 0 " (px(width)) " " (px(height)) } {
            @for (row, cells) in rows.iter().enumerate() {
                @let total: f64 = cells.iter().sum();
                @let y = MARGIN + row as f64 * cell;
                text x=(px(left - 6.0)) y=(px(y + cell / 2.0 + 4.0)) text-anchor="end" { (clip(&labels[row], 16)) }
                @for (column, value) in cells.iter().enumerate() {
                    @let x = left + column as f64 * cell;
                    @let share = if total > 0.0 { value / total } else { 0.0 };
                    rect x=(px(x)) y=(px(y)) width=(px(cell - 2.0)) height=(px(cell - 2.0)) fill=(INK) fill-opacity=(px(0.06 + 0.6 * share)) {}
                    text.dark x=(px(x + cell / 2.0 - 1.0)) y=(px(y + cell / 2.0 + 4.0)) text-anchor="middle" { (number(Some(*value))) }
                }
            }
            @for (column, label) in labels.iter().enumerate() {
                @let x = left + (column as f64 + 0.5) * cell;
                text x=(px(x)) y=(px(MARGIN + cell * count + 12.0)) text-anchor="middle" { (clip(label, 12)) }
            }
            text x=(px(left + cell * count / 2.0)) y=(px(height - 6.0)) text-anchor="middle" { "taken for" }
        }
    }
}

fn bar_chart(bars: &[(String, f64, f64)]) -> Markup {
    let (left, width, step) = (190.0, 320.0, 20.0);
    let longest = bars.iter().map(|(_, mean, std)| mean + std).fold(f64::MIN_POSITIVE, f64::max);
    let scale = |value: f64| (value / longest).clamp(0.0, 1.0) * width;
    let (full, height) = (left + width + 70.0, bars.len() as f64 * step + 2.0 * MARGIN);
    html! {
        svg role="img" width=(px(full)) height=(px(height)) viewBox={ "0 0 " (px(full)) " " (px(height)) } {
            @for (index, (name, mean, std)) in bars.iter().enumerate() {
                @let y = MARGIN + index as f64 * step;
                text x=(px(left - 6.0)) y=(px(y + 12.0)) text-anchor="end" { (clip(name, 28)) }
                rect x=(px(left)) y=(px(y + 2.0)) width=(px(scale(*mean))) height=(px(step - 6.0)) fill=(INK) fill-opacity="0.75" {}
                @let (from, to) = (left + scale(mean - std), left + scale(mean + std));
                line x1=(px(from)) x2=(px(to)) y1=(px(y + 9.0)) y2=(px(y + 9.0)) stroke="#1d2430" {}
                text x=(px(to + 6.0)) y=(px(y + 12.0)) { (number(Some(*mean))) }
            }
        }
    }
}

/// A coordinate with as many digits as a screen can show.
fn px(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number beside an axis.
fn short(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { px(value) }
}

fn clip(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    text.chars().take(characters - 1).chain(['…']).collect()
}
