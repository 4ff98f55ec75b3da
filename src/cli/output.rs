//! Standard output for commands: text, aligned tables and JSON. A closed pipe is an error, never a panic.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::manifest::{Colour, Rejected};

/// Writes bytes to standard output.
pub(super) fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Writes everything that `source` gives.
pub(super) fn copy(source: &mut impl io::Read) -> io::Result<()> {
    let mut out = io::stdout().lock();
    io::copy(source, &mut out)?;
    out.flush()
}

/// Writes a line of text.
pub(super) fn line(text: impl AsRef<str>) -> io::Result<()> {
    write(format!("{}\n", text.as_ref()).as_bytes())
}

/// Writes one pretty JSON document.
pub(super) fn json(document: &impl Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_vec_pretty(document)?;
    text.push(b'\n');
    Ok(write(&text)?)
}

/// Writes what is wrong with a manifest to standard error.
#[expect(clippy::print_stderr, reason = "reports go beside the output, not into it")]
pub(super) fn report(rejected: &Rejected) {
    let is_coloured = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let colour = if is_coloured { Colour::Always } else { Colour::Never };
    eprintln!("{}\n", rejected.render(colour));
}

/// Rows in aligned columns below a header; numbers are right-aligned where the whole column is numbers.
pub(super) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).chain([header[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let is_number = |text: &str| text == "-" || text.is_empty() || text.trim_end_matches('%').parse::<f64>().is_ok();
    let right: Vec<bool> =
        (0..header.len()).map(|column| !rows.is_empty() && rows.iter().all(|row| is_number(&row[column]))).collect();
    let format_row = |cells: Vec<&str>| {
        let cells: Vec<String> = cells
            .into_iter()
            .enumerate()
            .map(|(column, cell)| {
                let padding = " ".repeat(widths[column] - cell.chars().count());
                if right[column] { format!("{padding}{cell}") } else { format!("{cell}{padding}") }
            })
            .collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    let mut text = format_row(header.to_vec());
    for row in rows {
        text.push_str(&format_row(row.iter().map(String::as_str).collect()));
    }
    text
}

/// A number of seconds as people say it: `0.4s`, `12s`, `3m05s`, `2h10m`.
pub(super) fn seconds(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "durations are small and not negative")]
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..10 => format!("{seconds:.1}s"),
        10..60 => format!("{whole}s"),
        60..3600 => format!("{}m{:02}s", whole / 60, whole % 60),
        _ => format!("{}h{:02}m", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_numbers_stand_on_the_right() {
        let rows = vec![vec!["train".to_owned(), "4930".to_owned()], vec!["é".to_owned(), "7".to_owned()]];
        insta::assert_snapshot!(table(&["step", "rows"], &rows), @r"
        step   rows
        train  4930
        é         7
        ");
    }

    #[test]
    fn durations_read_naturally() {
        let read: Vec<String> = [0.04, 9.96, 59.0, 61.0, 7800.0].into_iter().map(seconds).collect();
        assert_eq!(read, ["0.0s", "10s", "59s", "1m01s", "2h10m"]);
    }
}
