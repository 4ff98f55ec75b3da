//! Rows as points: numbers in a dense matrix, and categories that are alike or not.

/// A dense matrix with one point per row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Points {
    width: usize,
    values: Vec<f64>,
    rows: usize,
}

impl Points {
    /// No points yet, of `width` numbers each.
    pub fn new(width: usize) -> Points {
        Points { width, values: Vec::new(), rows: 0 }
    }

    /// How many numbers a point has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many points there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// A point.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    /// Adds a point.
    ///
    /// # Panics
    /// The point has another number of values.
    pub fn push(&mut self, point: &[f64]) {
        assert_eq!(point.len(), self.width, "all points have the same dimensions");
        self.values.extend_from_slice(point);
        self.rows += 1;
    }

    /// Makes room for `rows` more points and fills them with zeros, to be set by [`Points::set`].
    pub fn grow(&mut self, rows: usize) {
        self.rows += rows;
        self.values.resize(self.rows * self.width, 0.0);
    }

    /// Sets one value.
    pub fn set(&mut self, row: usize, column: usize, value: f64) {
        self.values[row * self.width + column] = value;
    }

    /// The points at `rows`, in that order.
    #[must_use]
    pub fn take(&self, rows: &[u32]) -> Points {
        let mut taken = Points { width: self.width, values: Vec::with_capacity(rows.len() * self.width), rows: 0 };
        for row in rows {
            taken.push(self.row(*row as usize));
        }
        taken
    }

    /// The standard deviation of the population in each dimension, over `rows`.
    pub fn deviations(&self, rows: &[u32]) -> Vec<f64> {
        let count = rows.len() as f64;
        (0..self.width)
            .map(|column| {
                let values = || rows.iter().map(|row| self.values[*row as usize * self.width + column]);
                let mean = values().sum::<f64>() / count;
                (values().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count).sqrt()
            })
            .collect()
    }
}

/// Codes of categories beside points: each one that differs adds `penalty` to the square of a distance.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Categories {
    /// How many categories a row has.
    pub width: usize,
    /// The codes, row after row.
    pub codes: Vec<u32>,
}

impl Categories {
    /// The codes of a row.
    pub fn row(&self, row: usize) -> &[u32] {
        &self.codes[row * self.width..(row + 1) * self.width]
    }

    /// The rows `rows`, in that order.
    #[must_use]
    pub fn take(&self, rows: &[u32]) -> Categories {
        let codes = rows.iter().flat_map(|row| self.row(*row as usize)).copied().collect();
        Categories { width: self.width, codes }
    }
}
