//! The card as one HTML page that needs nothing from outside.

use maud::{DOCTYPE, Markup, html};

use super::{Block, Card};

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;color:#1d2430;max-width:62rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.7rem;margin-bottom:.3rem}h2{font-size:1.2rem;margin-top:2rem;border-bottom:1px solid #d9dee7}\
table{border-collapse:collapse;margin:.8rem 0;font-variant-numeric:tabular-nums}\
th,td{text-align:left;padding:.25rem .9rem .25rem 0;border-bottom:1px solid #eceff4;vertical-align:top}\
th{color:#5b6678;font-weight:600}nav a{margin-right:.9rem}a{color:#2458a6}\
.plots{display:flex;flex-wrap:wrap;gap:1.2rem}figure{margin:.5rem 0}figcaption{color:#5b6678}\
svg text{font:11px system-ui,sans-serif;fill:#5b6678}svg .dark{fill:#1d2430}\
@media print{nav{display:none}body{margin:0}}";

impl Card {
    /// The card as a page.
    pub(in crate::step::evaluation) fn html(&self) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) }
                    style { (maud::PreEscaped(STYLE)) }
                }
                body {
                    h1 { (self.title) }
                    nav {
                        @for section in &self.sections { a href={ "#" (anchor(section.title)) } { (section.title) } }
                    }
                    @for section in &self.sections {
                        h2 id=(anchor(section.title)) { (section.title) }
                        @for block in &section.blocks { (render(block)) }
                    }
                }
            }
        };
        page.into_string()
    }
}

fn render(block: &Block) -> Markup {
    match block {
        Block::Text(paragraph) => html! { p { (paragraph) } },
        Block::Table { header, rows } => html! {
            table {
                @if header.iter().any(|name| !name.is_empty()) {
                    thead { tr { @for name in header { th { (name) } } } }
                }
                tbody { @for row in rows { tr { @for cell in row { td { (cell) } } } } }
            }
        },
        Block::Plots(plots) => html! { div.plots { @for plot in plots { (plot.figure()) } } },
    }
}

fn anchor(title: &str) -> String {
    title.to_lowercase().replace(' ', "-")
}
