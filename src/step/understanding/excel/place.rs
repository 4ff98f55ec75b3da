//! Names of cells and ranges as spreadsheets write them: `C7`, `A1:F200`, `B:D`.

/// The most rows and columns that a sheet has.
const MOST: (u32, u32) = (1 << 20, 1 << 14);

/// A rectangle of cells, by rows and columns from 0, its last ones included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// The first row.
    pub top: u32,
    /// The last row.
    pub bottom: u32,
    /// The first column.
    pub left: u32,
    /// The last column.
    pub right: u32,
}

impl Area {
    /// A whole sheet below its first `rows` rows.
    pub fn below(rows: u32) -> Area {
        Area { top: rows, bottom: u32::MAX, left: 0, right: u32::MAX }
    }

    /// `A1:F200`, or `B:D` for whole columns.
    pub fn parse(text: &str) -> Option<Area> {
        let (first, last) = text.split_once(':')?;
        let ((left, top), (right, bottom)) = (corner(first)?, corner(last)?);
        let (top, bottom) = match (top, bottom) {
            (Some(top), Some(bottom)) => (top, bottom),
            (None, None) => (0, MOST.0 - 1),
            _ => return None,
        };
        (top <= bottom && left <= right).then_some(Area { top, bottom, left, right })
    }

    /// How many columns it has, if it has an end.
    pub fn width(&self) -> Option<usize> {
        (self.right != u32::MAX).then(|| (self.right - self.left + 1) as usize)
    }
}

/// A column, and a row if there is one.
fn corner(text: &str) -> Option<(u32, Option<u32>)> {
    let text = text.trim().replace('$', "");
    let digits = text.find(|char: char| !char.is_ascii_alphabetic()).unwrap_or(text.len());
    let (letters, number) = text.split_at(digits);
    if letters.is_empty() || letters.len() > 3 {
        return None;
    }
    let digit = |byte: u8| u32::from(byte.to_ascii_uppercase() - b'A') + 1;
    let column = letters.bytes().fold(0, |column, byte| column * 26 + digit(byte)) - 1;
    let row = match number {
        "" => None,
        number => Some(number.parse::<u32>().ok()?.checked_sub(1).filter(|row| *row < MOST.0)?),
    };
    (column < MOST.1).then_some((column, row))
}

/// The letters of a column, which counts from 0.
pub fn column_name(column: u32) -> String {
    let (mut rest, mut letters) = (column + 1, Vec::new());
    while rest > 0 {
        letters.push(char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"[((rest - 1) % 26) as usize]));
        rest = (rest - 1) / 26;
    }
    letters.iter().rev().collect()
}

/// The name of a cell: `Sheet1!C7`. Row and column count from 0.
pub fn cell_name(sheet: &str, row: u32, column: u32) -> String {
    format!("{sheet}!{}{}", column_name(column), row + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_they_are_written() {
        assert_eq!(Area::parse("A1:F200"), Some(Area { top: 0, bottom: 199, left: 0, right: 5 }));
        assert_eq!(Area::parse("$b$3:aa4"), Some(Area { top: 2, bottom: 3, left: 1, right: 26 }));
        assert_eq!(Area::parse("B:D").map(|area| (area.top, area.bottom, area.width())), Some((0, 1_048_575, Some(3))));
        for wrong in
            ["", "A1", "A0:B2", "A1:B", "1:2", "B1:A2", "A2:B1", "XFE1:XFE2", "A1:A9999999", "A1:B2:C3", "ä1:b2"]
        {
            assert_eq!(Area::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn columns_have_letters() {
        assert_eq!([0, 25, 26, 701, 702, 16_383].map(column_name), ["A", "Z", "AA", "ZZ", "AAA", "XFD"]);
        assert_eq!(cell_name("Q1", 6, 2), "Q1!C7");
    }
}
