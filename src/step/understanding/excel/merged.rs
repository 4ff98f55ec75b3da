//! Merged cells: a region of them shows one value, which the file holds in its first cell alone.

use calamine::Dimensions;
use schemars::JsonSchema;
use serde::Deserialize;

use super::book::Row;
use super::value::Found;

/// What the cells of a merged region hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Merged {
    /// The first one its value, the others nothing, as in the file.
    #[default]
    First,
    /// All of them its value, in rows that have a value of their own.
    Fill,
}

/// The merged regions of a sheet, whose rows come one after the other.
#[derive(Debug, Default)]
pub(super) struct Regions {
    /// Those that have not begun, the next one last.
    ahead: Vec<Dimensions>,
    open: Vec<(Dimensions, Found)>,
}

impl Regions {
    pub(super) fn new(mut regions: Vec<Dimensions>) -> Regions {
        regions.sort_by_key(|region| std::cmp::Reverse(region.start));
        Regions { ahead: regions, open: Vec::new() }
    }

    /// Gives the cells of a row, of which there are some, the values of the regions that they are in, up to column `right`.
    pub(super) fn fill(&mut self, row: &mut Row, right: u32) {
        while let Some(region) = self.ahead.pop_if(|region| region.start.0 <= row.number) {
            // One whose first row has no cell has no value.
            let value = row.cell(region.start.1).filter(|_| region.start.0 == row.number).cloned();
            self.open.extend(value.map(|value| (region, value)));
        }
        self.open.retain(|(region, _)| region.end.0 >= row.number);
        let own = row.cells.len();
        for (region, value) in &self.open {
            for column in region.start.1..=region.end.1.min(right) {
                if row.cells[..own].binary_search_by_key(&column, |(place, _)| *place).is_err() {
                    row.cells.push((column, value.clone()));
                }
            }
        }
        row.cells.sort_by_key(|(column, _)| *column);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_gives_its_value_to_its_other_cells() {
        let region = |start, end| Dimensions { start, end };
        // The third one has no value; the last one reaches beyond what is read.
        let mut regions = Regions::new(vec![
            region((2, 0), (3, 0)),
            region((0, 0), (1, 1)),
            region((1, 3), (9, 3)),
            region((3, 5), (9, u32::MAX)),
        ]);
        let mut filled = |number: u32, cells: &[(u32, f64)]| {
            let cells = cells.iter().map(|(column, value)| (*column, Found::Number(*value))).collect();
            let mut row = Row { number, cells };
            regions.fill(&mut row, 6);
            row.cells.iter().map(|(column, found)| format!("{column}={}", found.shown())).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(filled(0, &[(0, 1.0), (2, 2.0)]), "0=1 1=1 2=2");
        assert_eq!(filled(1, &[(1, 3.0)]), "0=1 1=3");
        assert_eq!(filled(3, &[(1, 4.0), (5, 5.0)]), "1=4 5=5 6=5");
        assert_eq!(filled(9, &[(0, 6.0)]), "0=6 5=5 6=5");
        assert_eq!(filled(10, &[(0, 7.0)]), "0=7");
    }
}
