//! Decimals that become doubles, and which columns lose digits by it.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::numeric;
use crate::step::StepContext;
use crate::step::understanding::csv::ColumnType;
use crate::step::understanding::source::Cell;

/// The columns of a query whose decimals become doubles.
pub(super) struct Doubles {
    names: Vec<String>,
    /// By column: whether it gets every digit.
    exact: Vec<bool>,
    rounded: RefCell<BTreeSet<usize>>,
}

impl Doubles {
    /// Of columns with the types that they get.
    pub(super) fn new(columns: &[(String, ColumnType)]) -> Doubles {
        let names = columns.iter().map(|(name, _)| name.clone()).collect();
        let exact = columns.iter().map(|(_, column_type)| *column_type != ColumnType::Float64).collect();
        Doubles { names, exact, rounded: RefCell::default() }
    }

    /// A decimal of a column, which came as text.
    pub(super) fn cell(&self, column: usize, cell: Cell) -> Result<Cell, String> {
        let text = match cell {
            Cell::Text(text) if !self.exact[column] => text,
            cell => return Ok(cell),
        };
        let (number, is_rounded) = numeric::double(&text).ok_or_else(|| format!("`{text}` is no number"))?;
        if is_rounded {
            self.rounded.borrow_mut().insert(column);
        }
        Ok(Cell::Float(number))
    }

    /// Says which columns held decimals that are too large for doubles.
    pub(super) fn tell(self, context: &mut StepContext) {
        for name in self.rounded.into_inner().into_iter().map(|column| &self.names[column]) {
            context.log(format!(
                "warning: column `{name}` holds decimals that lose digits as doubles; give it a type such as `decimal(38,2)` or `text` in `types`"
            ));
        }
    }
}
