//! The card as Markdown.

use super::{Block, Card};

impl Card {
    /// The card as Markdown, without its plots.
    pub(in crate::step::evaluation) fn markdown(&self) -> String {
        let mut text = format!("# {}\n", plain(&self.title));
        let is_written = |block: &Block| !matches!(block, Block::Plots(_));
        for section in self.sections.iter().filter(|section| section.blocks.iter().any(is_written)) {
            text.extend(["\n## ", section.title, "\n"]);
            for block in &section.blocks {
                match block {
                    Block::Text(paragraph) => text.extend(["\n", &paragraph.replace('\n', " "), "\n"]),
                    Block::Table { header, rows } => {
                        text.push('\n');
                        text.push_str(&line(header));
                        text.extend(["|", &" --- |".repeat(header.len()), "\n"]);
                        for row in rows {
                            text.push_str(&line(row));
                        }
                    }
                    Block::Plots(_) => {}
                }
            }
        }
        text
    }
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.iter().map(|cell| plain(cell)).collect::<Vec<_>>().join(" | "))
}

/// Text that cannot break out of its cell.
fn plain(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace(['\n', '\r'], " ")
}
